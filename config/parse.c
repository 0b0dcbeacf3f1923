/* Errors in words and attributes by tables, for all parts of the file. */
#include "config/parse.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"

enum { SHOWN_VALUE_MAX = 40, SHOWN_NAMES_MAX = 200 };

int parse_fail(const struct parse *p, int line, const char *fmt, ...)
{
    char words[ERR_TEXT_MAX];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(words, sizeof words, fmt, ap);
    va_end(ap);
    return err_set(p->e, ERR_INVALID, "%s:%d: %s", p->config->file, line, words);
}

int parse_nomem(const struct parse *p)
{
    return err_set(p->e, ERR_NOMEM, "%s: out of memory", p->config->file);
}

void parse_names_add(struct parse_names *l, const char *name)
{
    if (l->n < PARSE_NAMES_MAX)
        l->items[l->n++] = name;
}

/* "'a', 'b'" or "<a>, <b>", cut where it gets long. */
static void names_print(const struct parse_names *l, char open, char close, char *dst, size_t cap)
{
    size_t at = 0;

    dst[0] = '\0';
    for (size_t i = 0; i < l->n; i++) {
        if (at + strlen(l->items[i]) + 8 > cap) {
            snprintf(dst + at, cap - at, ", ...");
            return;
        }
        at += (size_t)snprintf(dst + at, cap - at, "%s%c%s%c", i ? ", " : "", open, l->items[i],
                               close);
    }
}

/* "; did you mean <smtp>?", "; expected one of <smtp>, <snmp>", or "; expected none". */
static void expectation_print(const char *wrong, const struct parse_names *l, char open, char close,
                              char *dst, size_t cap)
{
    const char *near = name_suggest(wrong, l->items, l->n);
    char names[SHOWN_NAMES_MAX];

    names_print(l, open, close, names, sizeof names);
    if (near)
        snprintf(dst, cap, "; did you mean %c%s%c?", open, near, close);
    else if (l->n == 0)
        snprintf(dst, cap, "; expected none");
    else
        snprintf(dst, cap, "; expected %s%s", l->n > 1 ? "one of " : "", names);
}

int parse_unknown_attribute(const struct parse *p, const struct xml_node *n,
                            const struct xml_attribute *a, const struct parse_names *expected)
{
    char words[SHOWN_NAMES_MAX + 40];

    expectation_print(a->name, expected, '\'', '\'', words, sizeof words);
    return parse_fail(p, a->line, "unknown attribute '%.40s' of <%s>%s", a->name, n->name, words);
}

int parse_unknown_element(const struct parse *p, const struct xml_node *n, const char *in,
                          const struct parse_names *expected)
{
    char words[SHOWN_NAMES_MAX + 40];

    expectation_print(n->name, expected, '<', '>', words, sizeof words);
    return parse_fail(p, n->line, "unknown element <%.40s> in <%s>%s", n->name, in, words);
}

int parse_bad_value(const struct parse *p, int line, const struct xml_node *n, const char *name,
                    const char *value, bool secret, const char *words)
{
    size_t len = strlen(value), cut = utf8_cut(value, len, SHOWN_VALUE_MAX);

    if (secret)
        return parse_fail(p, line, "'%s' of <%s>: %s", name, n->name, words);
    return parse_fail(p, line, "'%s' of <%s> is '%.*s%s'; %s", name, n->name, (int)cut, value,
                      cut < len ? "..." : "", words);
}

int parse_no_text(const struct parse *p, const struct xml_node *n)
{
    if (!n->text[0])
        return 0;
    return parse_fail(p, n->text_line, "text in <%s>; expected elements and attributes only",
                      n->name);
}

int parse_no_children(const struct parse *p, const struct xml_node *n)
{
    struct parse_names none = {.n = 0};

    if (n->children)
        return parse_unknown_element(p, n->children, n->name, &none);
    return parse_no_text(p, n);
}

int parse_container(const struct parse *p, const struct xml_node *n)
{
    int err = parse_attributes(p, n, NULL, 0);

    return err ? err : parse_no_text(p, n);
}

/* ---- attributes ------------------------------------------------------------------------------ */

static int set_attribute(const struct parse *p, const struct xml_node *n,
                         const struct xml_attribute *a, const struct property *property,
                         struct values *ret)
{
    struct err why;
    int err = values_set(ret, property, a->value, &why);

    if (err == ERR_NOMEM)
        return parse_nomem(p);
    if (err)
        return parse_bad_value(p, a->line, n, a->name, a->value, property->type == PROPERTY_SECRET,
                               why.text);
    return 0;
}

static int parse_attribute(const struct parse *p, const struct xml_node *n,
                           const struct xml_attribute *a, const struct parse_set *sets,
                           size_t nsets)
{
    struct parse_names expected = {.n = 0};

    for (size_t i = 0; i < nsets; i++) {
        const struct property *property = property_find(sets[i].properties, sets[i].n, a->name);

        if (property)
            return set_attribute(p, n, a, property, sets[i].ret);
    }
    for (size_t i = 0; i < nsets; i++)
        for (size_t j = 0; j < sets[i].n; j++)
            parse_names_add(&expected, sets[i].properties[j].name);
    return parse_unknown_attribute(p, n, a, &expected);
}

static bool is_given(const struct xml_node *n, const struct property *p)
{
    for (size_t i = 0; i < n->nattributes; i++)
        if (strcmp(n->attributes[i].name, p->name) == 0)
            return true;
    for (const struct xml_node *c = n->children; c && p->type == PROPERTY_TEMPLATE; c = c->next)
        if (strcmp(c->name, p->name) == 0)
            return true;
    return false;
}

static int check_required(const struct parse *p, const struct xml_node *n,
                          const struct parse_set *set)
{
    for (size_t i = 0; i < set->n; i++) {
        const struct property *property = &set->properties[i];

        if (property->required && !is_given(n, property))
            return parse_fail(p, n->line, "<%s> needs the attribute '%s': %s", n->name,
                              property->name, property->help ? property->help : "");
    }
    return 0;
}

int parse_attributes(const struct parse *p, const struct xml_node *n, const struct parse_set *sets,
                     size_t nsets)
{
    int err;

    for (size_t i = 0; i < n->nattributes; i++) {
        err = parse_attribute(p, n, &n->attributes[i], sets, nsets);
        if (err)
            return err;
    }
    for (size_t i = 0; i < nsets; i++) {
        err = check_required(p, n, &sets[i]);
        if (err)
            return err;
    }
    return 0;
}

/* ---- owners and duplicates ------------------------------------------------------------------- */

static int owner_by_name(const void *name, const void *owner)
{
    return strcmp(name, ((const struct config_owner *)owner)->name);
}

int parse_owner_exists(const struct parse *p, const struct xml_node *n, const char *attribute,
                       const char *name)
{
    const struct config *c = p->config;
    struct parse_names owners = {.n = 0};
    char words[SHOWN_NAMES_MAX + 40];
    int line = n->line;

    if (bsearch(name, c->owners, c->nowners, sizeof *c->owners, owner_by_name))
        return 0;
    for (size_t i = 0; i < c->nowners; i++)
        parse_names_add(&owners, c->owners[i].name);
    for (size_t i = 0; i < n->nattributes; i++)
        if (strcmp(n->attributes[i].name, attribute) == 0)
            line = n->attributes[i].line;
    expectation_print(name, &owners, '\'', '\'', words, sizeof words);
    return parse_fail(p, line, "'%s' of <%s> names '%s', which is not in <owners>%s", attribute,
                      n->name, name, words);
}

int parse_duplicate(const struct parse *p, int line, int first, const char *fmt, ...)
{
    char words[200];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(words, sizeof words, fmt, ap);
    va_end(ap);
    return parse_fail(p, line, "%s is already on line %d; expected it once", words, first);
}

void *parse_grow(void *items, size_t n, size_t size)
{
    bool full = (n & (n - 1)) == 0; /* room is made by powers of two */
    char *grown = full ? reallocarray(items, n ? 2 * n : 1, size) : items;

    if (grown)
        memset(grown + n * size, 0, size);
    return grown;
}
