/* Commands that look and change nothing. */
#include "cli/commands.h"

#include <stdlib.h>
#include <string.h>

enum { STATUS_LINE_MAX = 65536 };

static int printed(int err, struct err *e)
{
    return err ? err_set(e, err, "cannot print: %s", err_name(err)) : EXIT_FINE;
}

/* --columns, when it is there. */
static int choose(struct rows *r, const struct options *o, struct err *e)
{
    uint8_t numbers[CHOSEN_MAX];
    size_t n = 0;

    if (!o->columns)
        return 0;
    for (const char *at = o->columns; *at;) {
        size_t len = strcspn(at, ",");
        const struct sa_column *c;
        int err = column_find(&c, r->table, at, len, e);

        if (err)
            return ERR_INVALID;
        if (n == CHOSEN_MAX)
            return err_set(e, ERR_INVALID, "more than %d columns", CHOSEN_MAX);
        if (column_readable(c)) /* those of the index are always shown */
            numbers[n++] = c->number;
        at += len + (at[len] == ',');
    }
    if (n == 0)
        return err_set(e, ERR_INVALID, "--columns names no column that can be read");
    rows_choose(r, numbers, n);
    return 0;
}

static int begin(struct rows *r, const struct options *o, const char *table, struct err *e)
{
    const struct sa_table *t;

    if (table_find(&t, table, e))
        return ERR_INVALID;
    rows_init(r, t);
    return choose(r, o, e);
}

/* The rows of -o's owner, or all. */
static int walk(struct rows *r, const struct options *o, struct client *c, struct err *e)
{
    struct objid prefix = {0};

    if (o->owner && table_has_owner(r->table) && index_append_name(&prefix, o->owner, e))
        return ERR_INVALID;
    return rows_walk(r, c, &prefix, e);
}

/* An owner who sees the own rows only sees the own one of saOwnerTable. */
static int owner_seen(struct client *c, struct err *e)
{
    static const uint8_t definitions[] = {OWNER_DEFINITIONS};
    struct objid all = {0};
    struct rows r;
    int err;

    rows_init(&r, sa_table_by_id(SA_OWNER));
    rows_choose(&r, definitions, 1);
    err = rows_walk(&r, c, &all, e);
    if (!err && r.n == 0)
        err = ERR_NOTFOUND;
    rows_release(&r);
    return err;
}

/* A table without any row may be no table of this agent at all: does it serve the scalars, or an
 * owner's part of the MIB? */
static int served(struct client *c, struct err *e)
{
    static const uint8_t version[] = {SYSTEM_VERSION};
    struct objid index = {.n = 1};
    struct rows r;
    int err;

    rows_init(&r, sa_table_by_id(SA_SYSTEM));
    rows_choose(&r, version, 1);
    err = rows_get(&r, c, &index, e);
    rows_release(&r);
    if (err == ERR_NOTFOUND)
        err = owner_seen(c, e);
    return err == ERR_NOTFOUND
               ? err_set(e, ERR_CLOSED,
                         "the agent answers, but it does not serve SNMPALERT-MIB: is "
                         "snmpalertd running, and may the community see it?")
               : err;
}

int command_list(struct options *o, struct client *c, const char *const *words, size_t n,
                 struct err *e)
{
    struct rows r;
    int err = begin(&r, o, words[0], e);

    (void)n;
    if (err)
        return err;
    err = walk(&r, o, c, e);
    if (!err && r.n == 0)
        err = served(c, e);
    if (!err)
        err = printed(print_list(&r, &o->print, stdout), e);
    rows_release(&r);
    return err;
}

int command_show(struct options *o, struct client *c, const char *const *words, size_t n,
                 struct err *e)
{
    struct objid index = {0};
    struct rows r;
    int err = begin(&r, o, words[0], e);

    if (!err)
        err = index_append(&index, r.table, words + 1, n - 1, options_owner(o), e);
    if (err)
        return err;
    err = rows_get(&r, c, &index, e);
    if (err == ERR_NOTFOUND) {
        struct err why;

        if (served(c, &why)) {
            err = why.code;
            *e = why;
        }
    }
    if (!err)
        err = printed(print_row(&r, 0, &o->print, stdout), e);
    rows_release(&r);
    return err;
}

/* ---- status --------------------------------------------------------------------------------- */

static const uint8_t source_columns[] = {SOURCE_STATUS, SOURCE_LAST_ERROR};
static const uint8_t alert_columns[] = {ALERT_LEVEL};
enum { LEVELS = LEVEL_UNKNOWN + 1 };

struct status {
    struct rows system, sources, alerts;
    uint32_t levels[LEVELS];
};

static int64_t number_of(const struct rows *r, size_t row, unsigned column)
{
    int at = rows_column(r, column);

    return at >= 0 && r->items[row].cells[at].present ? r->items[row].cells[at].number : 0;
}

static bool fails(const struct status *s, size_t source)
{
    int64_t status = number_of(&s->sources, source, SOURCE_STATUS);

    return status == STATUS_FAILING || status == STATUS_MALFORMED;
}

static int status_read(struct status *s, const struct options *o, struct client *c, struct err *e)
{
    struct objid scalar = {.n = 1};
    int err = rows_get(&s->system, c, &scalar, e);

    if (err == ERR_NOTFOUND)
        err = served(c, e);
    if (!err)
        err = walk(&s->sources, o, c, e);
    if (!err)
        err = walk(&s->alerts, o, c, e);
    for (size_t i = 0; !err && i < s->alerts.n; i++) {
        int64_t level = number_of(&s->alerts, i, ALERT_LEVEL);

        if (level >= LEVEL_OK && level < LEVELS)
            s->levels[level]++;
    }
    return err;
}

static const char *level_name(int level)
{
    const struct sa_column *c = sa_column_by_number(sa_table_by_id(SA_ALERT), ALERT_LEVEL);
    const char *name = sa_name_of(c->names, level);

    return name ? name : "?";
}

static int status_exit(const struct status *s)
{
    if (s->levels[LEVEL_CRITICAL])
        return 2;
    return s->levels[LEVEL_WARNING] || s->levels[LEVEL_INFO] || s->levels[LEVEL_UNKNOWN] ? 1 : 0;
}

static int status_json(const struct status *s)
{
    jv *top = jv_new_object(), *levels = jv_new_object(), *failing = jv_new_array();
    int err = top && levels && failing ? 0 : ERR_NOMEM;

    for (int i = LEVEL_OK; !err && i < LEVELS; i++)
        err = jv_set(levels, level_name(i), jv_new_int(s->levels[i]));
    for (size_t i = 0; !err && i < s->sources.n; i++)
        if (fails(s, i))
            err = jv_append(failing, row_json(&s->sources, i));
    if (err) {
        jv_free(levels);
        jv_free(failing);
        jv_free(top);
        return err;
    }
    if (s->system.n) /* an owner's view does not hold it; each call takes its value over */
        err = jv_set(top, "system", row_json(&s->system, 0));
    err = jv_set(top, "failingSources", failing) | err;
    err = jv_set(top, "alerts", levels) | err;
    return print_json(top, stdout) | err;
}

static int status_text(struct status *s, const struct print_options *p)
{
    struct rows failing = s->sources; /* a view: the rows that fail are moved to the front */
    int err;

    printf("alerts    ");
    for (int i = LEVEL_CRITICAL; i >= LEVEL_OK; i--)
        printf("  %lu %s", (unsigned long)s->levels[i], level_name(i));
    printf("  %lu %s\n", (unsigned long)s->levels[LEVEL_UNKNOWN], level_name(LEVEL_UNKNOWN));
    failing.n = 0;
    for (size_t i = 0; i < s->sources.n; i++)
        if (fails(s, i)) {
            struct row row = s->sources.items[i];

            s->sources.items[i] = s->sources.items[failing.n];
            s->sources.items[failing.n++] = row;
        }
    printf("sources     %zu of %zu fail\n", failing.n, s->sources.n);
    if (failing.n) {
        fflush(stdout);
        err = print_list(&failing, p, stdout);
        if (err)
            return err;
    }
    if (!s->system.n)
        return 0;
    printf("\n");
    return print_row(&s->system, 0, p, stdout);
}

int command_status(struct options *o, struct client *c, const char *const *words, size_t n,
                   struct err *e)
{
    struct status s = {0};
    int err;

    (void)words, (void)n;
    rows_init(&s.system, sa_table_by_id(SA_SYSTEM));
    rows_init(&s.sources, sa_table_by_id(SA_SOURCE));
    rows_choose(&s.sources, source_columns, sizeof(source_columns));
    rows_init(&s.alerts, sa_table_by_id(SA_ALERT));
    rows_choose(&s.alerts, alert_columns, sizeof(alert_columns));
    err = status_read(&s, o, c, e);
    if (!err)
        err = printed(o->print.json ? status_json(&s) : status_text(&s, &o->print), e);
    if (!err)
        err = status_exit(&s);
    rows_release(&s.system);
    rows_release(&s.sources);
    rows_release(&s.alerts);
    return err == ERR_NOTFOUND ? ERR_CLOSED : err;
}

/* ---- tables --------------------------------------------------------------------------------- */

static const char *access_of(const struct sa_column *c)
{
    return column_writable(c) ? "set" : column_readable(c) ? "" : "index";
}

static void describe(const struct sa_table *t, bool columns)
{
    char name[SHORT_NAME_MAX];
    struct buf b;

    table_short(t, name);
    printf("%s", name);
    for (size_t i = 0; !t->scalars && i < t->nindex; i++)
        printf(" %s", t->index[i].xml);
    printf("\n    %s\n", t->help ? t->help : "");
    buf_init(&b, CELL_TEXT_LIMIT);
    for (size_t i = 0; columns && i < t->ncolumns; i++) {
        const struct sa_column *c = &t->columns[i];

        if (c->access == SA_HIDDEN)
            continue;
        buf_clear(&b);
        column_accepts(c, &b);
        column_short(t, c, name);
        printf("  %-18s %-5s  %s\n%27s%s\n", name, access_of(c), c->help ? c->help : "", "",
               buf_cstr(&b));
    }
    buf_release(&b);
}

static jv *column_json(const struct sa_table *t, const struct sa_column *c)
{
    char name[SHORT_NAME_MAX];
    jv *o = jv_new_object();
    struct buf b;

    if (!o)
        return NULL;
    column_short(t, c, name);
    buf_init(&b, CELL_TEXT_LIMIT);
    column_accepts(c, &b);
    jv_set(o, "name", jv_new_string(name, strlen(name)));
    jv_set(o, "object", jv_new_string(c->name, strlen(c->name)));
    jv_set(o, "writable", jv_new_bool(column_writable(c)));
    jv_set(o, "accepts", jv_new_string(buf_cstr(&b), b.len));
    jv_set(o, "help", jv_new_string(c->help ? c->help : "", c->help ? strlen(c->help) : 0));
    buf_release(&b);
    return o;
}

static jv *table_json(const struct sa_table *t)
{
    jv *o = jv_new_object(), *columns = jv_new_array(), *index = jv_new_array();
    char name[SHORT_NAME_MAX];

    table_short(t, name);
    for (size_t i = 0; !t->scalars && i < t->nindex; i++)
        jv_append(index, jv_new_string(t->index[i].xml, strlen(t->index[i].xml)));
    for (size_t i = 0; i < t->ncolumns; i++)
        if (t->columns[i].access != SA_HIDDEN)
            jv_append(columns, column_json(t, &t->columns[i]));
    jv_set(o, "name", jv_new_string(name, strlen(name)));
    jv_set(o, "object", jv_new_string(t->name, strlen(t->name)));
    jv_set(o, "help", jv_new_string(t->help ? t->help : "", t->help ? strlen(t->help) : 0));
    jv_set(o, "index", index);
    jv_set(o, "columns", columns);
    return o;
}

int command_tables(struct options *o, struct client *c, const char *const *words, size_t n,
                   struct err *e)
{
    const struct sa_table *only = NULL;
    jv *all = o->print.json ? jv_new_array() : NULL;

    (void)c;
    if (n && table_find(&only, words[0], e)) {
        jv_free(all);
        return ERR_INVALID;
    }
    for (size_t i = 0; i < sa_ntables; i++) {
        if (only && sa_tables[i] != only)
            continue;
        if (all)
            jv_append(all, table_json(sa_tables[i]));
        else if (!o->print.json)
            describe(sa_tables[i], true);
    }
    return o->print.json ? printed(print_json(all, stdout), e) : EXIT_FINE;
}
