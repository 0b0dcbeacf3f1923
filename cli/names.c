#include "cli/names.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/text.h"
#include "config/kind.h"

enum { NAMES_MAX = 256 };

/* "saHandlerTable" -> "saHandler": what the names of the table's objects begin with. */
static size_t stem_len(const struct sa_table *t)
{
    size_t n = strlen(t->name);

    return n > 5 && strcmp(t->name + n - 5, "Table") == 0 ? n - 5 : n;
}

static void put_short(char *dst, const char *name, size_t n)
{
    snprintf(dst, SHORT_NAME_MAX, "%.*s", (int)n, name);
    dst[0] = (char)tolower((unsigned char)dst[0]);
}

void table_short(const struct sa_table *t, char dst[SHORT_NAME_MAX])
{
    put_short(dst, t->name + 2, stem_len(t) - 2);
}

void column_short(const struct sa_table *t, const struct sa_column *c, char dst[SHORT_NAME_MAX])
{
    size_t stem = stem_len(t), n = strlen(c->name);

    if (n > stem && strncmp(c->name, t->name, stem) == 0)
        put_short(dst, c->name + stem, n - stem);
    else
        put_short(dst, c->name + 2, n - 2);
}

static bool same(const char *a, size_t len, const char *b)
{
    return b && strlen(b) == len && strncasecmp(a, b, len) == 0;
}

/* Is NAME the plural of ONE: alerts, processes, properties? */
static bool is_plural(const char *name, size_t len, const char *one)
{
    char plural[SHORT_NAME_MAX + 3];
    int n = (int)strlen(one);

    if (n > 0 && one[n - 1] == 'y')
        snprintf(plural, sizeof(plural), "%.*sies", n - 1, one);
    else
        snprintf(plural, sizeof(plural), "%s%s", one, n > 0 && one[n - 1] == 's' ? "es" : "s");
    return same(name, len, plural);
}

static int unknown(const char *what, const char *name, size_t len, const char *const *names,
                   size_t n, struct err *e)
{
    char wrong[SHORT_NAME_MAX];
    const char *near;

    snprintf(wrong, sizeof(wrong), "%.*s", (int)(len < sizeof(wrong) ? len : sizeof(wrong) - 1),
             name);
    near = name_suggest(wrong, names, n);
    if (near)
        return err_set(e, ERR_NOTFOUND, "there is no %s '%s'; did you mean '%s'?", what, wrong,
                       near);
    return err_set(e, ERR_NOTFOUND, "there is no %s '%s'; see: snmpalert tables", what, wrong);
}

int table_find(const struct sa_table **ret, const char *name, struct err *e)
{
    char shorts[NAMES_MAX][SHORT_NAME_MAX];
    const char *names[NAMES_MAX];
    size_t len = strlen(name), n = 0;

    for (size_t i = 0; i < sa_ntables && n < NAMES_MAX; i++) {
        const struct sa_table *t = sa_tables[i];

        table_short(t, shorts[n]);
        if (same(name, len, shorts[n]) || is_plural(name, len, shorts[n]) ||
            same(name, len, t->name) || same(name, len, t->xml)) {
            *ret = t;
            return 0;
        }
        names[n] = shorts[n];
        n++;
    }
    return unknown("table", name, len, names, n, e);
}

int column_find(const struct sa_column **ret, const struct sa_table *t, const char *name,
                size_t len, struct err *e)
{
    char shorts[NAMES_MAX][SHORT_NAME_MAX];
    const char *names[NAMES_MAX];
    char what[2 * SHORT_NAME_MAX], table[SHORT_NAME_MAX];
    size_t n = 0;

    for (size_t i = 0; i < t->ncolumns && n < NAMES_MAX; i++) {
        const struct sa_column *c = &t->columns[i];

        if (c->access == SA_HIDDEN)
            continue;
        column_short(t, c, shorts[n]);
        if (same(name, len, shorts[n]) || same(name, len, c->name) || same(name, len, c->xml)) {
            *ret = c;
            return 0;
        }
        names[n] = shorts[n];
        n++;
    }
    table_short(t, table);
    snprintf(what, sizeof(what), "column of %s", table);
    return unknown(what, name, len, names, n, e);
}

bool column_readable(const struct sa_column *c)
{
    return c->access >= SA_READ_ONLY;
}

bool column_writable(const struct sa_column *c)
{
    return c->access >= SA_READ_WRITE;
}

bool table_has_owner(const struct sa_table *t)
{
    return strcmp(t->index[0].name, "saOwner") == 0;
}

void column_objid(struct objid *ret, const struct sa_table *t, unsigned column)
{
    objid_set(ret, sa_root, sa_root_len);
    objid_append(ret, 1);
    objid_append(ret, t->id);
    if (!t->scalars)
        objid_append(ret, 1);
    objid_append(ret, column);
}

/* ---- index -------------------------------------------------------------------------------- */

int index_append_name(struct objid *o, const char *name, struct err *e)
{
    size_t n = strlen(name);

    if (!name_valid(name, n))
        return err_set(e, ERR_RANGE, "'%s' is no name: 1 to %d printable octets", name,
                       NAME_MAX_LEN);
    if (objid_append(o, (uint32_t)n))
        return err_set(e, ERR_RANGE, "the index is too long");
    for (size_t i = 0; i < n; i++)
        if (objid_append(o, (unsigned char)name[i]))
            return err_set(e, ERR_RANGE, "the index is too long");
    return 0;
}

static int append_part(struct objid *o, const struct sa_index *part, const char *word,
                       struct err *e)
{
    unsigned long long number;
    char *end;

    if (part->syntax == SA_NAME)
        return index_append_name(o, word, e);
    number = strtoull(word, &end, 10);
    if (!isdigit((unsigned char)word[0]) || *end)
        return err_set(e, ERR_SYNTAX, "'%s' is no number (%s)", word,
                       part->xml ? part->xml : "index");
    if (number > (uint64_t)part->max || number < (uint64_t)part->min)
        return err_set(e, ERR_RANGE, "%s is not from %lld to %lld (%s)", word, (long long)part->min,
                       (long long)part->max, part->xml ? part->xml : "index");
    return objid_append(o, (uint32_t)number) ? err_set(e, ERR_RANGE, "the index is too long") : 0;
}

static int wrong_count(const struct sa_table *t, size_t n, struct err *e)
{
    char parts[SHORT_NAME_MAX * SA_INDEX_MAX] = "", name[SHORT_NAME_MAX];
    size_t len = 0;

    table_short(t, name);
    if (t->scalars)
        return err_set(e, ERR_INVALID, "%s has one row and takes no index", name);
    for (size_t i = 0; i < t->nindex && len < sizeof(parts); i++) {
        bool optional = i == 0 && t->nindex > 1 && table_has_owner(t);

        len += (size_t)snprintf(parts + len, sizeof(parts) - len, optional ? " [%s]" : " %s",
                                t->index[i].xml);
    }
    return err_set(e, ERR_INVALID, "a row of %s is named by%s, not by %zu words", name, parts, n);
}

int index_append(struct objid *o, const struct sa_table *t, const char *const *words, size_t n,
                 const char *owner, struct err *e)
{
    size_t first = 0;
    int err = 0;

    if (t->scalars)
        return n ? wrong_count(t, n, e) : objid_append(o, 0);
    if (table_has_owner(t) && n + 1 == t->nindex) {
        err = index_append_name(o, owner, e);
        first = 1;
    } else if (n != t->nindex) {
        return wrong_count(t, n, e);
    }
    for (size_t i = first; !err && i < t->nindex; i++)
        err = append_part(o, &t->index[i], words[i - first], e);
    return err;
}

int index_parse(struct part ret[SA_INDEX_MAX], const struct sa_table *t, const uint32_t *subids,
                size_t n)
{
    size_t at = 0;

    for (size_t i = 0; i < t->nindex; i++) {
        struct part *p = &ret[i];

        if (at >= n)
            return ERR_PROTOCOL;
        *p = (struct part){.is_number = t->index[i].syntax != SA_NAME, .number = subids[at++]};
        if (p->is_number)
            continue;
        if (p->number == 0 || p->number >= PART_TEXT_MAX || p->number > n - at)
            return ERR_PROTOCOL;
        p->len = p->number;
        for (uint32_t k = 0; k < p->len; k++) {
            if (subids[at] > 255)
                return ERR_PROTOCOL;
            p->name[k] = (char)subids[at++];
        }
    }
    return at == n ? 0 : ERR_PROTOCOL;
}
