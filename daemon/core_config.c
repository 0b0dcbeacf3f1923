/* The configuration file, as far as the store shows it: owners, sources, handlers with their
 * properties, and the initial rows. Rows of an earlier file that are in this one no more go. */
#include "daemon/core.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "store/set.h"
#include "store/view.h"

#include "config.h"

#define COUNT(a) (sizeof(a) / sizeof *(a))

enum { BATCH_VARBINDS = 3000 };

uint32_t core_owner_id(const struct core *c, const char *name)
{
    for (size_t i = 0; i < c->config->nowners; i++) {
        if (!strcmp(c->config->owners[i].name, name))
            return (uint32_t)i + 1;
    }
    return 0;
}

uint32_t core_handler_id(const struct core *c, const char *owner, const char *name)
{
    for (size_t i = 0; i < c->config->nhandlers; i++) {
        const struct config_handler *h = &c->config->handlers[i];

        if (!strcmp(h->owner, owner) && !strcmp(h->name, name))
            return (uint32_t)i + 1;
    }
    return 0;
}

/* ---- owners, sources, handlers ---- */

static int put_owner(struct txn *t, const struct config_owner *o)
{
    struct key k = key_of_name(o->name);
    struct edit d;

    edit_begin(&d, t, sa_table_by_id(SA_OWNER), &k);
    edit_int(&d, OWNER_MAX_DEFINITIONS, o->max_definitions);
    return row_put(&d, NULL);
}

static int put_source(struct txn *t, const struct config_source *s)
{
    struct key k = key_of_names(s->owner, s->name);
    struct edit d;

    edit_begin(&d, t, sa_table_by_id(SA_SOURCE), &k);
    edit_str(&d, SOURCE_KIND, s->kind->name);
    edit_int(&d, SOURCE_INTERVAL, s->interval_ms);
    return row_put(&d, NULL);
}

static int put_property(struct txn *t, const struct config_handler *h, const struct property *p)
{
    struct key k = key_of_names(h->owner, h->name);
    const char *text = values_text(&h->values, h->kind->properties, h->kind->nproperties, p->name);
    struct edit d;

    key_str(&k, p->name);
    edit_begin(&d, t, sa_table_by_id(SA_HANDLER_PROPERTY), &k);
    edit_int(&d, HANDLER_PROPERTY_TYPE, p->type);
    edit_str(&d, HANDLER_PROPERTY_VALUE, p->type == PROPERTY_SECRET ? "" : text);
    edit_str(&d, HANDLER_PROPERTY_HELP, p->help);
    return row_put(&d, NULL);
}

static int put_handler(struct txn *t, const struct config_handler *h)
{
    struct key k = key_of_names(h->owner, h->name);
    struct edit d;
    int err;

    edit_begin(&d, t, sa_table_by_id(SA_HANDLER), &k);
    edit_str(&d, HANDLER_KIND, h->kind->name);
    err = row_put(&d, NULL);
    for (size_t i = 0; i < h->kind->nproperties && !err; i++)
        err = put_property(t, h, &h->kind->properties[i]);
    return err;
}

/* Is the row with these names in the file? */
static bool still_there(const struct core *c, unsigned table, const struct slice *key)
{
    char n[2][33] = {"", ""};
    size_t pos = 0;

    if (!key_read_name(key, &pos, n[0]))
        return false;
    if (table == SA_OWNER)
        return core_owner_id(c, n[0]);
    if (!key_read_name(key, &pos, n[1]))
        return false;
    if (table == SA_HANDLER)
        return core_handler_id(c, n[0], n[1]);
    if (table == SA_HANDLER_PROPERTY) {
        uint32_t id = core_handler_id(c, n[0], n[1]);
        const struct kind *kind = id ? c->config->handlers[id - 1].kind : NULL;
        char property[33];

        return kind && key_read_name(key, &pos, property) &&
               property_find(kind->properties, kind->nproperties, property);
    }
    for (size_t i = 0; i < c->config->nsources; i++) {
        const struct config_source *s = &c->config->sources[i];

        if (!strcmp(s->owner, n[0]) && !strcmp(s->name, n[1]))
            return true;
    }
    return false;
}

static int drop_gone(struct core *c, struct txn *t, unsigned table)
{
    struct cursor cur;
    struct row r;

    for (cursor_first(&cur, t, sa_table_by_id(table), NULL); cursor_row(&cur, &r);
         cursor_next(&cur)) {
        struct key k = key_copy(r.key);

        if (still_there(c, table, &r.key))
            continue;
        if (row_delete(t, sa_table_by_id(table), &k))
            break;
    }
    cursor_close(&cur);
    return txn_error(t);
}

/* ---- the file's rows by their keys ---- */

static void row_key(const struct config_row *r, struct key *k)
{
    key_init(k);
    for (size_t i = 0; i < r->table->nindex; i++) {
        if (r->table->index[i].syntax == SA_NAME)
            key_str(k, r->names[i]);
        else
            key_u32(k, r->ids[i]);
    }
}

struct row_index { /* keys of the file's rows, sorted, by table */
    struct row_name {
        unsigned table;
        struct key key;
        bool override;
    } * items;
    size_t n;
};

static int compare_names(const void *a, const void *b)
{
    const struct row_name *x = a, *y = b;

    if (x->table != y->table)
        return x->table < y->table ? -1 : 1;
    if (x->key.len != y->key.len)
        return x->key.len < y->key.len ? -1 : 1;
    return memcmp(x->key.data, y->key.data, x->key.len);
}

static int index_rows(const struct config *f, struct row_index *ret)
{
    ret->n = f->nrows;
    ret->items = calloc(f->nrows ? f->nrows : 1, sizeof *ret->items);
    if (!ret->items)
        return ERR_NOMEM;
    for (size_t i = 0; i < f->nrows; i++) {
        ret->items[i].table = f->rows[i].table->id;
        ret->items[i].override = f->rows[i].override;
        row_key(&f->rows[i], &ret->items[i].key);
    }
    qsort(ret->items, ret->n, sizeof *ret->items, compare_names);
    return 0;
}

/* The row of the file that R is, or NULL. */
static const struct row_name *in_file(const struct row_index *index, const struct row *r)
{
    struct row_name name = {.table = r->table->id, .key = key_copy(r->key)};

    return bsearch(&name, index->items, index->n, sizeof name, compare_names);
}

/* ---- what may not go ---- */

/* Does the row outlive the file that it may have come from? */
static bool stays(const struct row_index *index, const struct row *r)
{
    int64_t storage = row_int(r, r->table->storage_type);
    const struct row_name *name = storage == STORAGE_PERMANENT ? in_file(index, r) : NULL;

    return storage < STORAGE_PERMANENT || (name && name->override);
}

static int check_row(const struct core *c, const struct row *r, struct err *e)
{
    char owner[33], name[33], handler[33];
    size_t pos = 0;

    if (!key_read_name(&r->key, &pos, owner) || !key_read_name(&r->key, &pos, name))
        return 0;
    if (!core_owner_id(c, owner))
        return err_set(e, ERR_INVALID, "%s: owner '%s' is gone, but has %s '%s'", c->config->file,
                       owner, r->table->xml, name);
    if (r->table->id != SA_TARGET)
        return 0;
    row_str(r, TARGET_HANDLER, handler, sizeof handler);
    if (handler[0] && !core_handler_id(c, owner, handler) && !core_handler_id(c, "admin", handler))
        return err_set(e, ERR_INVALID, "%s: handler '%s' is gone, but target %s/%s uses it",
                       c->config->file, handler, owner, name);
    return 0;
}

/* A file is refused that drops what rows which stay refer to: owners, and handlers of targets. */
static int check_dangling(struct core *c, struct txn *t, const struct row_index *index,
                          struct err *e)
{
    static const unsigned tables[] = {SA_DEFINITION, SA_SCRIPT, SA_GROUP, SA_TARGET};
    int err = 0;

    for (size_t i = 0; i < COUNT(tables) && !err; i++) {
        struct cursor cur;
        struct row r;

        for (cursor_first(&cur, t, sa_table_by_id(tables[i]), NULL); cursor_row(&cur, &r) && !err;
             cursor_next(&cur))
            err = stays(index, &r) ? check_row(c, &r, e) : 0;
        cursor_close(&cur);
    }
    return err;
}

static int put_system(struct core *c, struct txn *t)
{
    struct key k;
    struct edit d;
    int64_t now = clock_wall_ms();

    key_init(&k);
    key_u32(&k, 0);
    edit_begin(&d, t, sa_table_by_id(SA_SYSTEM), &k);
    edit_str(&d, SYSTEM_VERSION, PACKAGE_VERSION);
    edit_int(&d, SYSTEM_STARTED, now);
    edit_str(&d, SYSTEM_CONFIG_FILE, c->config->file);
    edit_int(&d, SYSTEM_CONFIG_LOADED, now);
    edit_int(&d, SYSTEM_CONFIG_STATUS, 1);
    edit_str(&d, SYSTEM_CONFIG_ERROR, "");
    return row_put(&d, NULL);
}

static int put_all(struct core *c, struct txn *t)
{
    static const unsigned tables[] = {SA_OWNER, SA_SOURCE, SA_HANDLER_PROPERTY, SA_HANDLER};
    const struct config *f = c->config;
    int err = put_system(c, t);

    for (size_t i = 0; i < f->nowners && !err; i++)
        err = put_owner(t, &f->owners[i]);
    for (size_t i = 0; i < f->nsources && !err; i++)
        err = put_source(t, &f->sources[i]);
    for (size_t i = 0; i < f->nhandlers && !err; i++)
        err = put_handler(t, &f->handlers[i]);
    for (size_t i = 0; i < COUNT(tables) && !err; i++)
        err = drop_gone(c, t, tables[i]);
    return err;
}

/* ---- rows ---- */

static int add_cell(struct set *x, int tag, const struct sa_table *table, const struct key *k,
                    const struct sa_column *column, int64_t number, const char *text, size_t len,
                    struct err *e)
{
    struct slice key = key_slice(k);
    struct set_value v = {.type = SET_INT32, .number = number};
    uint32_t subids[128];
    size_t n = view_oid(table, column->number, &key, subids, 128);
    uint8_t bits[8] = {0};

    switch (column->syntax) {
    case SA_TEXT:
    case SA_NAME:
    case SA_NAME_OR_EMPTY:
        v.type = SET_OCTETS;
        v.bytes = (struct slice){(const uint8_t *)text, len};
        break;
    case SA_UNSIGNED:
    case SA_GAUGE:
        v.type = SET_UNSIGNED32;
        break;
    case SA_BITS:
        v.type = SET_OCTETS;
        for (unsigned i = 0; i < 64; i++) {
            if (number >> i & 1)
                bits[i / 8] |= (uint8_t)(0x80 >> i % 8);
        }
        v.bytes = (struct slice){bits, (size_t)(column->max > 255 ? 2 : 1)};
        break;
    default:
        break;
    }
    return set_add(x, tag, subids, n, &v, e);
}

/* Errors of the store get the place in the file. */
static int at_row(const struct core *c, const struct config_row *r, struct err *e)
{
    char where[ERR_TEXT_MAX];

    config_where(c->config, r, where, sizeof where);
    err_prefix(e, "%s", where);
    return ERR_INVALID;
}

static int stage_row(struct core *c, struct txn *t, struct set *x, int tag,
                     const struct config_row *r, bool *ret_staged, struct err *e)
{
    const struct sa_column *status = sa_column_by_number(r->table, r->table->row_status);
    struct row before;
    struct key k;
    bool exists;
    int err = 0;

    row_key(r, &k);
    exists = !row_get(t, r->table, &k, &before);
    /* What managers changed in a permanent row stays changed. */
    *ret_staged = !(exists && r->override && r->table->storage_type &&
                    row_int(&before, r->table->storage_type) == STORAGE_PERMANENT);
    if (!*ret_staged)
        return 0;
    for (size_t i = 0; i < r->ncells && !err; i++) {
        const struct config_cell *cell = &r->cells[i];

        err = add_cell(x, tag, r->table, &k, cell->column, cell->number, cell->text, cell->len, e);
    }
    if (!err && status)
        err = add_cell(x, tag, r->table, &k, status, exists ? ROW_ACTIVE : ROW_CREATE_AND_GO, NULL,
                       0, e);
    return err ? at_row(c, r, e) : 0;
}

/* Rows [from, to) of ORDER as one set. */
static int commit_rows(struct core *c, const struct config_row *const *order, size_t from,
                       size_t to, struct err *e)
{
    struct set *x = set_new(c->store, SET_XML);
    struct txn *t = txn_begin(c->store, TXN_READ);
    int err = x ? 0 : err_set(e, ERR_NOMEM, "out of memory"), tag = -1;
    bool any = false;

    if (!err) {
        set_whole_rows(x);
        set_storage(x, order[from]->override ? STORAGE_PERMANENT : STORAGE_READ_ONLY);
    }
    for (size_t i = from; i < to && !err; i++) {
        bool staged;

        err = stage_row(c, t, x, (int)i, order[i], &staged, e);
        any |= staged;
    }
    txn_abort(t);
    if (!err && any)
        err = set_check(x, &tag, e);
    if (!err && any)
        err = set_commit(x, &tag, e);
    if (err && tag >= 0 && (size_t)tag < to)
        err = at_row(c, order[tag], e);
    set_free(x);
    return err;
}

/* What is referred to comes first. */
static int table_order(unsigned id)
{
    static const uint8_t order[] = {
        SA_SCRIPT, SA_SCRIPT_TEXT,     SA_DEFINITION,       SA_GROUP,
        SA_TARGET, SA_TARGET_PROPERTY, SA_GROUP_DEFINITION, SA_GROUP_TARGET};

    for (size_t i = 0; i < sizeof order; i++) {
        if (order[i] == id)
            return (int)i;
    }
    return (int)sizeof order;
}

static int compare_rows(const void *a, const void *b)
{
    const struct config_row *x = *(const struct config_row *const *)a;
    const struct config_row *y = *(const struct config_row *const *)b;
    int d = table_order(x->table->id) - table_order(y->table->id);

    if (!d)
        d = x->override - y->override;
    return d ? d : x->line - y->line;
}

static int put_rows(struct core *c, const struct config_row **order, size_t n, struct err *e)
{
    size_t from = 0, varbinds = 0;
    int err = 0;

    for (size_t i = 0; i <= n && !err; i++) {
        bool cut = i == n || (i > from && (order[i]->override != order[from]->override ||
                                           order[i]->table != order[from]->table ||
                                           varbinds + order[i]->ncells + 1 > BATCH_VARBINDS));
        if (cut && i > from) {
            err = commit_rows(c, order, from, i, e);
            from = i;
            varbinds = 0;
        }
        if (i < n)
            varbinds += order[i]->ncells + 1;
    }
    return err;
}

/* ---- rows that the file has no more ---- */

/* Rows that came from a file are readOnly or permanent; default groups are readOnly too, but ours.
 */
static bool from_file(struct txn *t, const struct row *r)
{
    struct key group_key;
    struct row group;
    char n[2][33];
    size_t pos = 0;

    if (row_int(r, r->table->storage_type) < STORAGE_PERMANENT)
        return false;
    if (r->table->id == SA_GROUP)
        return row_int(r, GROUP_DEFAULT) != TRUTH_TRUE;
    if (r->table->id != SA_GROUP_DEFINITION)
        return true;
    if (!key_read_name(&r->key, &pos, n[0]) || !key_read_name(&r->key, &pos, n[1]))
        return false;
    group_key = key_of_names(n[0], n[1]);
    return row_get(t, sa_table_by_id(SA_GROUP), &group_key, &group) ||
           row_int(&group, GROUP_DEFAULT) != TRUTH_TRUE;
}

static int drop_table_rows(struct core *c, const struct sa_table *table,
                           const struct row_index *index, struct err *e)
{
    const struct sa_column *status = sa_column_by_number(table, table->row_status);
    struct set *x = set_new(c->store, SET_XML);
    struct txn *t = txn_begin(c->store, TXN_READ);
    struct cursor cur;
    struct row r;
    int err = x ? 0 : ERR_NOMEM, tag, n = 0;

    for (cursor_first(&cur, t, table, NULL); cursor_row(&cur, &r) && !err && n < BATCH_VARBINDS;
         cursor_next(&cur)) {
        struct key k = key_copy(r.key);

        if (!from_file(t, &r) || in_file(index, &r))
            continue;
        err = add_cell(x, n++, table, &k, status, ROW_DESTROY, NULL, 0, e);
    }
    cursor_close(&cur);
    txn_abort(t);
    if (!err && n)
        err = set_check(x, &tag, e);
    if (!err && n)
        err = set_commit(x, &tag, e);
    set_free(x);
    if (err)
        err_prefix(e, "%s: a row that is no longer in it", c->config->file);
    return err ? err : n == BATCH_VARBINDS; /* 1: once more */
}

/* In this order: links before what they link. Scripts go when no definition names them any more,
 * all else before the file's rows come, since it may stand in their way. */
static const unsigned dropped_before[] = {
    SA_GROUP_TARGET, SA_GROUP_DEFINITION, SA_TARGET_PROPERTY, SA_TARGET, SA_GROUP, SA_DEFINITION};
static const unsigned dropped_after[] = {SA_SCRIPT_TEXT, SA_SCRIPT};

static int drop_rows(struct core *c, const struct row_index *index, const unsigned *tables,
                     size_t n, struct err *e)
{
    int err = 0;

    for (size_t i = 0; i < n && !err; i++) {
        do {
            err = drop_table_rows(c, sa_table_by_id(tables[i]), index, e);
        } while (err == 1);
    }
    return err;
}

/* Owners, sources and handlers, once nothing is left dangling by them. */
static int put_parts(struct core *c, const struct row_index *index, struct err *e)
{
    struct txn *t = txn_begin(c->store, TXN_WRITE);
    int err = check_dangling(c, t, index, e);

    if (err) {
        txn_abort(t);
        return err;
    }
    err = put_all(c, t);
    if (err)
        txn_fail(t, err);
    return txn_commit(t, e);
}

int core_config_apply(struct core *c, struct err *e)
{
    const struct config *f = c->config;
    const struct config_row **order = calloc(f->nrows ? f->nrows : 1, sizeof *order);
    struct row_index index;
    int err = order ? index_rows(f, &index) : ERR_NOMEM;

    if (err) {
        free(order);
        return err_set(e, err, "out of memory");
    }
    for (size_t i = 0; i < f->nrows; i++)
        order[i] = &f->rows[i];
    qsort(order, f->nrows, sizeof *order, compare_rows);
    err = put_parts(c, &index, e);
    if (!err)
        err = drop_rows(c, &index, dropped_before, COUNT(dropped_before), e);
    if (!err)
        err = put_rows(c, order, f->nrows, e);
    if (!err)
        err = drop_rows(c, &index, dropped_after, COUNT(dropped_after), e);
    free(index.items);
    free(order);
    return err;
}
