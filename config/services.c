/* Sources and handlers: elements that are named by their kinds and carry the kind's properties. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/leads.h"
#include "config/parse.h"

enum { READERS_MAX = CONFIG_OWNERS_MAX };

/* What sources and handlers have in common, read from the attributes. */
struct service {
    const struct kind *kind;
    const struct format_element *common;
    struct values fixed;      /* of the common attributes */
    struct values values;     /* of the kind's properties */
    const char *owner, *name; /* within fixed */
};

static void service_release(struct service *s)
{
    values_release(&s->fixed);
    values_release(&s->values);
}

static const char *service_text(const struct service *s, const char *attribute)
{
    return values_text(&s->fixed, s->common->attributes, s->common->nattributes, attribute);
}

static int unknown_kind(const struct parse *p, const struct xml_node *n, const char *in,
                        enum kind_class class_)
{
    struct parse_names expected = {.n = 0};

    for (size_t i = 0; i < p->kinds->n; i++)
        if (p->kinds->items[i]->class_ == class_)
            parse_names_add(&expected, p->kinds->items[i]->name);
    return parse_unknown_element(p, n, in, &expected);
}

/* The template that an element named NAME holds, NULL: it is none. */
static const struct property *template_of(const struct kind *k, const char *name)
{
    const struct property *p = property_find(k->properties, k->nproperties, name);

    return p && p->type == PROPERTY_TEMPLATE ? p : NULL;
}

/* A template's error is told on its own line. */
static int bad_template(const struct parse *p, const struct xml_node *n, const struct xml_node *in,
                        const struct property *property)
{
    struct template_position where;
    struct err why;

    if (template_compile(NULL, property->place, n->text, &where, &why) == ERR_NOMEM)
        return parse_nomem(p);
    return parse_fail(p, n->text_line + (int)where.line - 1, "'%s' of <%s>: %s", n->name, in->name,
                      why.text);
}

/* A template may have lines, which no attribute has. */
static int parse_template(const struct parse *p, const struct xml_node *n,
                          const struct xml_node *in, const struct property *property,
                          struct service *s)
{
    struct err why;
    int err = parse_attributes(p, n, NULL, 0);

    if (!err && n->children)
        err = parse_unknown_element(p, n->children, n->name, &(struct parse_names){.n = 0});
    if (err)
        return err;
    for (size_t i = 0; i < s->values.n; i++)
        if (s->values.items[i].property == property)
            return parse_fail(p, n->line, "'%s' of <%s> is given twice; expected it once", n->name,
                              in->name);
    err = values_set(&s->values, property, n->text, &why);
    if (err == ERR_NOMEM)
        return parse_nomem(p);
    return err ? bad_template(p, n, in, property) : 0;
}

static int parse_templates(const struct parse *p, const struct xml_node *n, struct service *s)
{
    int err = 0;

    for (const struct xml_node *child = n->children; !err && child; child = child->next) {
        const struct property *property = template_of(s->kind, child->name);

        err = property ? parse_template(p, child, n, property, s) : 0;
    }
    return err;
}

/* S->kind and S->common are set. */
static int parse_service(const struct parse *p, const struct xml_node *n, struct service *s)
{
    const struct parse_set sets[] = {
        {s->common->attributes, s->common->nattributes, &s->fixed},
        {s->kind->properties, s->kind->nproperties, &s->values},
    };
    struct err why;
    int err = parse_attributes(p, n, sets, 2);

    if (!err)
        err = parse_templates(p, n, s);
    if (err)
        return err;
    s->owner = service_text(s, "owner");
    s->name = service_text(s, "name");
    err = parse_owner_exists(p, n, "owner", s->owner);
    if (err)
        return err;
    if (s->kind->check && s->kind->check(&s->values, &why))
        return parse_fail(p, n->line, "<%s> '%s': %s", n->name, s->name, why.text);
    return 0;
}

/* ---- what stands inside ---------------------------------------------------------------------- */

static int unknown_child(const struct parse *p, const struct xml_node *n, const struct xml_node *in,
                         const struct kind *kind)
{
    struct parse_names expected = {.n = 0};

    for (size_t i = 0; i < kind->nproperties; i++)
        if (kind->properties[i].type == PROPERTY_TEMPLATE)
            parse_names_add(&expected, kind->properties[i].name);
    for (size_t i = 0; i < kind->nchildren; i++)
        parse_names_add(&expected, kind->children[i].name);
    return parse_unknown_element(p, n, in->name, &expected);
}

static const char *attribute_of(const struct xml_node *n, const char *name)
{
    for (size_t i = 0; i < n->nattributes; i++)
        if (strcmp(n->attributes[i].name, name) == 0)
            return n->attributes[i].value;
    return NULL;
}

/* A child's name is a key of its source's topic, or a header: no two may have the same. */
static int check_child_name(const struct parse *p, const struct xml_node *n,
                            const struct xml_node *first)
{
    const char *name = attribute_of(n, "name"), *other;

    for (; name && first != n; first = first->next) {
        other = attribute_of(first, "name");
        if (other && strcmp(name, other) == 0)
            return parse_duplicate(p, n->line, first->line, "<%s> name '%s'", n->name, name);
    }
    return 0;
}

struct family { /* the children of one handler or source */
    const struct kind *kind;
    struct child **children;
    size_t *n;
};

static int parse_child(const struct parse *p, const struct xml_node *n, const struct xml_node *in,
                       const struct family *f)
{
    const struct child_element *element = kind_child(f->kind, n->name);
    struct child *c;
    struct parse_set set;
    struct err why;
    int err;

    if (!element)
        return unknown_child(p, n, in, f->kind);
    if (*f->n == CHILDREN_MAX)
        return parse_fail(p, n->line, "more than %d elements in <%s>", CHILDREN_MAX, in->name);
    c = parse_grow(*f->children, *f->n, sizeof *c);
    if (!c)
        return parse_nomem(p);
    *f->children = c;
    c += (*f->n)++;
    c->element = element;
    set = (struct parse_set){element->properties, element->nproperties, &c->values};
    err = parse_attributes(p, n, &set, 1);
    if (!err)
        err = parse_no_children(p, n);
    if (!err && element->check && element->check(&c->values, &why))
        err = parse_fail(p, n->line, "<%s>: %s", n->name, why.text);
    return err ? err : check_child_name(p, n, in->children);
}

static int parse_children(const struct parse *p, const struct xml_node *n, const struct family *f)
{
    int err = parse_no_text(p, n);

    for (const struct xml_node *child = n->children; !err && child; child = child->next)
        err = template_of(f->kind, child->name) ? 0 : parse_child(p, child, n, f);
    return err;
}

/* ---- handlers -------------------------------------------------------------------------------- */

static int parse_handler(const struct parse *p, const struct xml_node *n, const struct kind *kind)
{
    struct config *c = p->config;
    struct service s = {.kind = kind, .common = &format_handler};
    struct config_handler *h;
    int err = parse_service(p, n, &s);

    if (err)
        goto out;
    h = parse_grow(c->handlers, c->nhandlers, sizeof *h);
    if (!h) {
        err = parse_nomem(p);
        goto out;
    }
    c->handlers = h;
    h += c->nhandlers++;
    h->kind = kind;
    h->line = n->line;
    snprintf(h->owner, sizeof h->owner, "%s", s.owner);
    snprintf(h->name, sizeof h->name, "%s", s.name);
    h->values = s.values;
    s.values = (struct values){0};
    err = parse_children(p, n, &(struct family){kind, &h->children, &h->nchildren});
out:
    service_release(&s);
    return err;
}

/* ---- sources --------------------------------------------------------------------------------- */

static int add_reader(const struct parse *p, const struct xml_node *n, struct config_source *s,
                      const char *name, size_t len)
{
    char **readers;
    char *copy;
    int err;

    if (len == 1 && name[0] == '*') {
        s->all_readers = true;
        return 0;
    }
    if (s->nreaders == READERS_MAX)
        return parse_fail(p, n->line, "more than %d readers of <%s>", READERS_MAX, n->name);
    copy = strndup(name, len);
    readers = copy ? parse_grow(s->readers, s->nreaders, sizeof *readers) : NULL;
    if (!readers) {
        free(copy);
        return parse_nomem(p);
    }
    s->readers = readers;
    err = parse_owner_exists(p, n, "readers", copy);
    if (err)
        free(copy);
    else
        readers[s->nreaders++] = copy;
    return err;
}

static int parse_readers(const struct parse *p, const struct xml_node *n, struct config_source *s,
                         const char *text)
{
    for (text += strspn(text, " "); *text; text += strspn(text, " ")) {
        size_t len = strcspn(text, " ");
        int err = add_reader(p, n, s, text, len);

        if (err)
            return err;
        text += len;
    }
    return 0;
}

static int parse_source(const struct parse *p, const struct xml_node *n, const struct kind *kind)
{
    const struct format_element *f = &format_source;
    struct config *c = p->config;
    struct service sv = {.kind = kind, .common = f};
    struct config_source *s;
    int err = parse_service(p, n, &sv);

    if (err)
        goto out;
    s = parse_grow(c->sources, c->nsources, sizeof *s);
    if (!s) {
        err = parse_nomem(p);
        goto out;
    }
    c->sources = s;
    s += c->nsources++;
    s->kind = kind;
    s->line = n->line;
    s->interval_ms = (uint32_t)values_number(&sv.fixed, f->attributes, f->nattributes, "interval");
    snprintf(s->owner, sizeof s->owner, "%s", sv.owner);
    snprintf(s->name, sizeof s->name, "%s", sv.name);
    s->values = sv.values;
    sv.values = (struct values){0};
    err = parse_readers(p, n, s, service_text(&sv, "readers"));
    if (!err)
        err = parse_children(p, n, &(struct family){kind, &s->children, &s->nchildren});
out:
    service_release(&sv);
    return err;
}

/* ---- names ----------------------------------------------------------------------------------- */

struct named { /* for finding duplicates */
    const char *owner, *name;
    int line;
};

static int named_order(const void *a, const void *b)
{
    const struct named *x = a, *y = b;
    int c = strcmp(x->owner, y->owner);

    if (c == 0)
        c = strcmp(x->name, y->name);
    return c ? c : (x->line > y->line) - (x->line < y->line);
}

/* LIST is sorted here. The error names the first line of the file that repeats one above. */
static int check_unique(const struct parse *p, struct named *list, size_t n, const char *what)
{
    const struct named *twice = NULL;

    if (n)
        qsort(list, n, sizeof *list, named_order);
    for (size_t i = 1; i < n; i++)
        if (strcmp(list[i].owner, list[i - 1].owner) == 0 &&
            strcmp(list[i].name, list[i - 1].name) == 0 && (!twice || list[i].line < twice->line))
            twice = &list[i];
    if (!twice)
        return 0;
    return parse_duplicate(p, twice->line, twice[-1].line, "%s '%s' of owner '%s'", what,
                           twice->name, twice->owner);
}

static int check_sources_unique(const struct parse *p)
{
    const struct config *c = p->config;
    struct named *list = calloc(c->nsources + 1, sizeof *list);
    int err;

    if (!list)
        return parse_nomem(p);
    for (size_t i = 0; i < c->nsources; i++)
        list[i] = (struct named){c->sources[i].owner, c->sources[i].name, c->sources[i].line};
    err = check_unique(p, list, c->nsources, "source");
    free(list);
    return err;
}

static int check_handlers_unique(const struct parse *p)
{
    const struct config *c = p->config;
    struct named *list = calloc(c->nhandlers + 1, sizeof *list);
    int err;

    if (!list)
        return parse_nomem(p);
    for (size_t i = 0; i < c->nhandlers; i++)
        list[i] = (struct named){c->handlers[i].owner, c->handlers[i].name, c->handlers[i].line};
    err = check_unique(p, list, c->nhandlers, "handler");
    free(list);
    return err;
}

/* ---- handlers that lead to others ----------------------------------------------------------- */

static const struct config_handler *handler_find(const struct config *c, const char *owner,
                                                 const char *name)
{
    for (size_t i = 0; i < c->nhandlers; i++)
        if (strcmp(c->handlers[i].owner, owner) == 0 && strcmp(c->handlers[i].name, name) == 0)
            return &c->handlers[i];
    return NULL;
}

static const struct kind *kind_in_file(void *arg, const char *owner, const char *name)
{
    const struct config_handler *h = handler_find(arg, owner, name);

    return h ? h->kind : NULL;
}

static const char *text_in_file(void *arg, const char *owner, const char *name,
                                const char *property, char buf[LEADS_TEXT_MAX + 1])
{
    const struct config_handler *h = handler_find(arg, owner, name);

    (void)buf;
    return values_text(&h->values, h->kind->properties, h->kind->nproperties, property);
}

static int check_leads(const struct parse *p)
{
    const struct config *c = p->config;
    const struct leads_from from = {kind_in_file, text_in_file, p->config};

    for (size_t i = 0; i < c->nhandlers; i++) {
        const struct config_handler *h = &c->handlers[i];
        struct leads leads;
        struct err why;

        if (h->kind->leads_to && leads_follow(&leads, &from, h->owner, h->name, &why))
            return parse_fail(p, h->line, "<%s> '%s': %s", h->kind->name, h->name, why.text);
    }
    return 0;
}

/* ---- both sections --------------------------------------------------------------------------- */

struct section {
    enum kind_class class_;
    size_t max;
    int (*parse)(const struct parse *p, const struct xml_node *n, const struct kind *kind);
};

static int parse_services(const struct parse *p, const struct xml_node *n, const struct section *s)
{
    size_t count = 0;
    int err = parse_container(p, n);

    for (const struct xml_node *child = n->children; !err && child; child = child->next) {
        const struct kind *kind = kind_find(p->kinds, s->class_, child->name);

        if (!kind)
            return unknown_kind(p, child, n->name, s->class_);
        if (count++ == s->max)
            return parse_fail(p, child->line, "more than %zu elements in <%s>", s->max, n->name);
        err = s->parse(p, child, kind);
    }
    return err;
}

int parse_sources(const struct parse *p, const struct xml_node *n)
{
    const struct section s = {KIND_SOURCE, CONFIG_SOURCES_MAX, parse_source};
    int err = parse_services(p, n, &s);

    return err ? err : check_sources_unique(p);
}

int parse_handlers(const struct parse *p, const struct xml_node *n)
{
    const struct section s = {KIND_HANDLER, CONFIG_HANDLERS_MAX, parse_handler};
    int err = parse_services(p, n, &s);

    if (!err)
        err = check_handlers_unique(p);
    return err ? err : check_leads(p);
}
