/* The configuration file, as far as the store shows it: owners, sources, handlers with their
 * properties, and the initial rows. Rows of an earlier file that are in this one no more go. */
#include "daemon/core.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "alerts/index.h"
#include "alerts/override.h"
#include "base/clock.h"
#include "base/log.h"
#include "alerts/trial.h"
#include "base/text.h"
#include "store/set.h"
#include "store/view.h"

#include "config.h"

#define COUNT(a) (sizeof(a) / sizeof *(a))

enum { BATCH_VARBINDS = 3000, STALE_MAX = 512 << 20 };

/* A file on its way into the store: one transaction, so that all of it is there or nothing. */
struct apply {
    struct core *core;
    const struct config *file;
    struct txn *txn;
    struct buf stale; /* volatile parts that go with it */
    struct core_names owners, sources, handlers;
    struct row_index { /* keys of the file's rows, sorted, by table */
        struct row_name {
            unsigned table;
            struct key key;
            bool override;
        } * items;
        size_t n;
    } index;
    const struct config_row **order; /* what is referred to comes first */
};

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

static const char *shown(const struct config_handler *h, const struct values *v,
                         const struct property *p)
{
    return p->type == PROPERTY_SECRET
               ? ""
               : values_text(v, h->kind->properties, h->kind->nproperties, p->name);
}

static int put_property(struct txn *t, const struct config_handler *h, const struct values *now,
                        const struct property *p)
{
    struct key k = key_of_names(h->owner, h->name);
    const char *file = shown(h, &h->values, p);
    struct edit d;

    key_str(&k, p->name);
    edit_begin(&d, t, sa_table_by_id(SA_HANDLER_PROPERTY), &k);
    edit_int(&d, HANDLER_PROPERTY_TYPE, p->type);
    edit_str(&d, HANDLER_PROPERTY_VALUE, shown(h, now, p));
    edit_str(&d, HANDLER_PROPERTY_HELP, p->help);
    edit_file_text(&d, HANDLER_PROPERTY_VALUE, file, utf8_cut(file, strlen(file), SA_CELL_MAX));
    return row_put(&d, NULL);
}

/* A manager's value stays as long as it is one. */
static bool option_stays(struct txn *t, const struct key *k, const struct property *p)
{
    char value[SA_CELL_MAX + 1];
    struct slice live;
    struct row r;

    return !row_get(t, sa_table_by_id(SA_TEST_OPTION), k, &r) &&
           row_file_text(&r, TEST_OPTION_VALUE, &live) &&
           !slice_equal(row_text(&r, TEST_OPTION_VALUE), live) &&
           !trial_check(p, row_str(&r, TEST_OPTION_VALUE, value, sizeof value), NULL);
}

static int put_option(struct txn *t, const struct config_handler *h, const struct values *now,
                      const struct property *p)
{
    struct key k = key_of_names(h->owner, h->name);
    const char *live = trial_default(h->kind, now, p);
    struct edit d;

    key_str(&k, p->name);
    edit_begin(&d, t, sa_table_by_id(SA_TEST_OPTION), &k);
    if (!option_stays(t, &k, p))
        edit_str(&d, TEST_OPTION_VALUE, live);
    edit_str(&d, TEST_OPTION_HELP, p->help);
    edit_file_text(&d, TEST_OPTION_VALUE, live, strlen(live));
    return row_put(&d, NULL);
}

int core_properties_put(struct txn *t, const struct config_handler *h)
{
    const struct property *p;
    struct values now;
    struct err why;
    int err = overrides_in_force(t, h->owner, h->name, h->kind, &h->values, &now, &why);

    if (err)
        return err;
    if (why.text[0])
        log_warning(h->name, "owner=%s what managers set in this handler is given up: %s", h->owner,
                    why.text);
    for (size_t i = 0; i < h->kind->nproperties && !err; i++)
        err = put_property(t, h, &now, &h->kind->properties[i]);
    for (size_t i = 0; !err && (p = trial_option_at(h->kind, i)); i++)
        err = put_option(t, h, &now, p);
    values_release(&now);
    return err;
}

static int put_handler(struct txn *t, const struct config_handler *h)
{
    struct key k = key_of_names(h->owner, h->name);
    struct edit d;
    int err;

    edit_begin(&d, t, sa_table_by_id(SA_HANDLER), &k);
    edit_str(&d, HANDLER_KIND, h->kind->name);
    err = row_put(&d, NULL);
    return err ? err : core_properties_put(t, h);
}

/* Is the row with these names in the file? */
static bool still_there(const struct apply *a, unsigned table, const struct slice *key)
{
    char n[2][33] = {"", ""}, property[33];
    const struct kind *kind;
    size_t pos = 0;
    uint32_t at;

    if (!key_read_name(key, &pos, n[0]))
        return false;
    if (table == SA_OWNER)
        return core_names_find(&a->owners, "", n[0]);
    if (!key_read_name(key, &pos, n[1]))
        return false;
    if (table == SA_SOURCE)
        return core_names_find(&a->sources, n[0], n[1]);
    at = core_names_find(&a->handlers, n[0], n[1]);
    if (table == SA_HANDLER || !at)
        return at;
    kind = a->file->handlers[at - 1].kind;
    if (!key_read_name(key, &pos, property))
        return false;
    return table == SA_TEST_OPTION
               ? trial_option(kind, property) != NULL
               : property_find(kind->properties, kind->nproperties, property) != NULL;
}

static int drop_gone(struct apply *a, unsigned table)
{
    struct cursor cur;
    struct row r;

    for (cursor_first(&cur, a->txn, sa_table_by_id(table), NULL); cursor_row(&cur, &r);
         cursor_next(&cur)) {
        struct key k = key_copy(r.key);

        if (still_there(a, table, &r.key))
            continue;
        stale_add(&a->stale, sa_table_by_id(table), key_slice(&k));
        if (row_delete(a->txn, sa_table_by_id(table), &k))
            break;
    }
    cursor_close(&cur);
    return txn_error(a->txn);
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

static int check_row(const struct apply *a, const struct row *r, struct err *e)
{
    char owner[33], name[33], handler[33] = "";
    size_t pos = 0;

    if (!key_read_name(&r->key, &pos, owner) || !key_read_name(&r->key, &pos, name))
        return 0;
    if (!core_names_find(&a->owners, "", owner))
        return err_set(e, ERR_INVALID, "%s: owner '%s' is gone, but has %s '%s'", a->file->file,
                       owner, r->table->xml, name);
    if (r->table->id == SA_TARGET)
        row_str(r, TARGET_HANDLER, handler, sizeof handler);
    else if (r->table->id == SA_DEFINITION && row_text(r, DEFINITION_RECIPIENTS).len)
        direct_handler(r, handler);
    if (handler[0] && !core_names_find(&a->handlers, owner, handler) &&
        !core_names_find(&a->handlers, "admin", handler))
        return err_set(e, ERR_INVALID, "%s: handler '%s' is gone, but %s %s/%s uses it",
                       a->file->file, handler, r->table->xml, owner, name);
    return 0;
}

/* A file is refused that drops what rows which stay refer to: owners, and handlers of targets and
 * definitions. */
static int check_dangling(struct apply *a, struct err *e)
{
    static const unsigned tables[] = {SA_DEFINITION, SA_SCRIPT, SA_GROUP, SA_TARGET};
    int err = 0;

    for (size_t i = 0; i < COUNT(tables) && !err; i++) {
        struct cursor cur;
        struct row r;

        for (cursor_first(&cur, a->txn, sa_table_by_id(tables[i]), NULL);
             cursor_row(&cur, &r) && !err; cursor_next(&cur))
            err = stays(&a->index, &r) ? check_row(a, &r, e) : 0;
        cursor_close(&cur);
    }
    return err ? err : txn_error(a->txn);
}

static int put_system(const struct apply *a)
{
    struct key k = key_of_scalars();
    struct edit d;
    int64_t now = clock_wall_ms();
    /* Of a core that was started again: the file was refused since, that is still so. */
    const struct stage_context *s = a->core->started ? NULL : a->core->stage;
    char refused[ERR_TEXT_MAX] = "", file[SA_CELL_MAX + 1];

    /* What the checker said, and a path, may be any octets. */
    utf8_clean(file, sizeof file, a->file->file, strlen(a->file->file), false);
    if (s)
        utf8_clean(refused, sizeof refused, s->config.error, strlen(s->config.error), false);

    edit_begin(&d, a->txn, sa_table_by_id(SA_SYSTEM), &k);
    if (!a->core->started) {
        edit_str(&d, SYSTEM_VERSION, PACKAGE_VERSION);
        edit_int(&d, SYSTEM_STARTED, now);
    }
    edit_str(&d, SYSTEM_CONFIG_FILE, file);
    edit_int(&d, SYSTEM_CONFIG_LOADED, now);
    edit_int(&d, SYSTEM_CONFIG_STATUS, refused[0] ? 2 : 1);
    edit_str(&d, SYSTEM_CONFIG_ERROR, refused);
    return row_put(&d, NULL);
}

/* Owners, sources and handlers, once nothing is left dangling by them. */
static int put_parts(struct apply *a, struct err *e)
{
    static const unsigned tables[] = {SA_OWNER, SA_SOURCE, SA_HANDLER_PROPERTY, SA_TEST_OPTION,
                                      SA_HANDLER};
    const struct config *f = a->file;
    struct txn *t = a->txn;
    int err = check_dangling(a, e);

    if (!err)
        err = put_system(a);

    for (size_t i = 0; i < f->nowners && !err; i++)
        err = put_owner(t, &f->owners[i]);
    for (size_t i = 0; i < f->nsources && !err; i++)
        err = put_source(t, &f->sources[i]);
    for (size_t i = 0; i < f->nhandlers && !err; i++)
        err = put_handler(t, &f->handlers[i]);
    for (size_t i = 0; i < COUNT(tables) && !err; i++)
        err = drop_gone(a, tables[i]);
    return err ? err : core_leads_check(t, f, e);
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
static int at_row(const struct apply *a, const struct config_row *r, struct err *e)
{
    char where[ERR_TEXT_MAX];

    config_where(a->file, r, where, sizeof where);
    err_prefix(e, "%s", where);
    return ERR_INVALID;
}

static int stage_row(struct apply *a, struct set *x, int tag, const struct config_row *r,
                     struct err *e)
{
    const struct sa_column *status = sa_column_by_number(r->table, r->table->row_status);
    struct row before;
    struct key k;
    bool exists, kept;
    int err = 0;

    row_key(r, &k);
    exists = !row_get(a->txn, r->table, &k, &before);
    /* What managers changed in a permanent row stays changed, its status too. */
    kept = exists && r->override && r->table->storage_type &&
           row_int(&before, r->table->storage_type) == STORAGE_PERMANENT;
    if (kept)
        err = set_add_row(x, tag, r->table, &k, e);
    for (size_t i = 0; i < r->ncells && !err; i++) {
        const struct config_cell *cell = &r->cells[i];

        err = add_cell(x, tag, r->table, &k, cell->column, cell->number, cell->text, cell->len, e);
    }
    if (!err && status && !kept)
        err = add_cell(x, tag, r->table, &k, status, exists ? ROW_ACTIVE : ROW_CREATE_AND_GO, NULL,
                       0, e);
    return err ? at_row(a, r, e) : 0;
}

/* Rows [from, to) in their order as one set. */
static int write_rows(struct apply *a, size_t from, size_t to, struct err *e)
{
    struct set *x = set_new(a->core->store, SET_XML);
    int err = x ? 0 : err_set(e, ERR_NOMEM, "out of memory"), tag = -1;

    if (!err) {
        set_whole_rows(x);
        set_storage(x, a->order[from]->override ? STORAGE_PERMANENT : STORAGE_READ_ONLY);
    }
    for (size_t i = from; i < to && !err; i++)
        err = stage_row(a, x, (int)i, a->order[i], e);
    if (!err)
        err = set_write(x, a->txn, &a->stale, &tag, e);
    if (err && tag >= 0 && (size_t)tag < to)
        err = at_row(a, a->order[tag], e);
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

/* Segments of one script are 0, other rows of its table not. */
static int compare_scripts(const struct config_row *x, const struct config_row *y)
{
    int d = strcmp(x->names[0], y->names[0]);

    return d ? d : strcmp(x->names[1], y->names[1]);
}

static int compare_rows(const void *a, const void *b)
{
    const struct config_row *x = *(const struct config_row *const *)a;
    const struct config_row *y = *(const struct config_row *const *)b;
    int d = table_order(x->table->id) - table_order(y->table->id);

    if (!d)
        d = x->override - y->override;
    if (!d && x->table->id == SA_SCRIPT_TEXT)
        d = compare_scripts(x, y);
    return d ? d : x->line - y->line;
}

/* Must Y, which comes behind X, be written together with it? Halves of a script need not compile.
 */
static bool belong_together(const struct config_row *x, const struct config_row *y)
{
    return x->table->id == SA_SCRIPT_TEXT && y->table == x->table && !compare_scripts(x, y);
}

static int put_rows(struct apply *a, struct err *e)
{
    const struct config_row *const *order = a->order;
    size_t from = 0, varbinds = 0, n = a->file->nrows;
    int err = 0;

    for (size_t i = 0; i <= n && !err; i++) {
        bool cut = i == n || (i > from && (order[i]->override != order[from]->override ||
                                           order[i]->table != order[from]->table ||
                                           (varbinds + order[i]->ncells + 1 > BATCH_VARBINDS &&
                                            !belong_together(order[i - 1], order[i]))));
        if (cut && i > from) {
            err = write_rows(a, from, i, e);
            from = i;
            varbinds = 0;
        }
        if (i < n)
            varbinds += order[i]->ncells + 1;
    }
    return err;
}

/* ---- rows that the file has no more ---- */

/* Rows that came from a file are readOnly or permanent; default groups and the targets of
 * definitions' own recipients are readOnly too, but ours. */
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
    if (r->table->id != SA_GROUP_DEFINITION && r->table->id != SA_TARGET)
        return true;
    if (!key_read_name(&r->key, &pos, n[0]) || !key_read_name(&r->key, &pos, n[1]))
        return false;
    if (r->table->id == SA_TARGET)
        return !direct_is_name(n[1]);
    group_key = key_of_names(n[0], n[1]);
    return row_get(t, sa_table_by_id(SA_GROUP), &group_key, &group) ||
           row_int(&group, GROUP_DEFAULT) != TRUTH_TRUE;
}

static int drop_table_rows(struct apply *a, const struct sa_table *table, struct err *e)
{
    const struct sa_column *status = sa_column_by_number(table, table->row_status);
    struct set *x = set_new(a->core->store, SET_XML);
    struct cursor cur;
    struct row r;
    int err = x ? 0 : ERR_NOMEM, tag, n = 0;

    for (cursor_first(&cur, a->txn, table, NULL);
         cursor_row(&cur, &r) && !err && n < BATCH_VARBINDS; cursor_next(&cur)) {
        struct key k = key_copy(r.key);

        if (!from_file(a->txn, &r) || in_file(&a->index, &r))
            continue;
        err = add_cell(x, n++, table, &k, status, ROW_DESTROY, NULL, 0, e);
    }
    cursor_close(&cur);
    if (!err && n)
        err = set_write(x, a->txn, &a->stale, &tag, e);
    set_free(x);
    if (err)
        err_prefix(e, "%s: a row that is no longer in it", a->file->file);
    return err ? err : n == BATCH_VARBINDS; /* 1: once more */
}

/* In this order: links before what they link. Scripts go when no definition names them any more,
 * all else before the file's rows come, since it may stand in their way. */
static const unsigned dropped_before[] = {
    SA_GROUP_TARGET, SA_GROUP_DEFINITION, SA_TARGET_PROPERTY, SA_TARGET, SA_GROUP, SA_DEFINITION};
static const unsigned dropped_after[] = {SA_SCRIPT_TEXT, SA_SCRIPT};

static int drop_rows(struct apply *a, const unsigned *tables, size_t n, struct err *e)
{
    int err = 0;

    for (size_t i = 0; i < n && !err; i++) {
        do {
            err = drop_table_rows(a, sa_table_by_id(tables[i]), e);
        } while (err == 1);
    }
    return err;
}

/* ---- the whole ---- */

static int apply_init(struct apply *a)
{
    const struct config *f = a->file;
    int err = core_names_of_owners(&a->owners, f);

    buf_init(&a->stale, STALE_MAX);
    if (!err)
        err = core_names_of_sources(&a->sources, f);
    if (!err)
        err = core_names_of_handlers(&a->handlers, f);
    if (!err)
        err = index_rows(f, &a->index);
    a->order = calloc(f->nrows + 1, sizeof *a->order);
    if (err || !a->order)
        return ERR_NOMEM;
    for (size_t i = 0; i < f->nrows; i++)
        a->order[i] = &f->rows[i];
    qsort(a->order, f->nrows, sizeof *a->order, compare_rows);
    return 0;
}

static void apply_release(struct apply *a)
{
    core_names_release(&a->owners);
    core_names_release(&a->sources);
    core_names_release(&a->handlers);
    buf_release(&a->stale);
    free(a->index.items);
    free(a->order);
}

static int write_all(struct apply *a, struct err *e)
{
    int err = put_parts(a, e);

    if (!err)
        err = drop_rows(a, dropped_before, COUNT(dropped_before), e);
    if (!err)
        err = put_rows(a, e);
    if (!err)
        err = drop_rows(a, dropped_after, COUNT(dropped_after), e);
    return err ? err : a->stale.err;
}

/* Rows that grow are refused by their sets when the store is nearly full; what else there is to
 * write must not keep a core from starting. */
static int apply_commit(struct apply *a, struct err *e)
{
    int err;

    a->txn = txn_begin(a->core->store, TXN_WRITE);
    txn_allow_growth(a->txn);
    err = write_all(a, e);
    if (err && e->text[0] && !txn_error(a->txn)) {
        txn_abort(a->txn);
        return err;
    }
    if (err)
        txn_fail(a->txn, err);
    return txn_commit(a->txn, e);
}

int core_config_apply(struct core *c, const struct config *f, struct err *e)
{
    struct apply a = {.core = c, .file = f};
    struct err why;
    int err = apply_init(&a);

    *e = (struct err){.text = ""};
    if (err)
        err_set(e, err, "out of memory");
    else
        err = apply_commit(&a, e);
    if (!err && stale_drop(c->store, &a.stale, &why))
        log_error("store", "cannot drop samples: %s", why.text);
    apply_release(&a);
    return err;
}
