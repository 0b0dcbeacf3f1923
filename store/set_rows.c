/* What becomes of each row: RowStatus and StorageType as RFC 2579 has them, frozen and required
 * columns, then the checks of those who know what the rows mean. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "store/cells.h"
#include "store/set_impl.h"
#include "store/value.h"

enum state { ABSENT, NOT_READY, NOT_IN_SERVICE, ACTIVE, STATES };

enum outcome {
    O_NAME,    /* inconsistentName: there is no row, and nothing makes one */
    O_VALUE,   /* inconsistentValue */
    O_KEEP,    /* stays as it is; not active: ready or not, by its columns */
    O_GO,      /* active, which wants every required column */
    O_WAIT,    /* made, but not active */
    O_SUSPEND, /* notInService, which wants every required column */
    O_GONE,
    O_NOTHING, /* destroying what is not there */
};

/* RFC 2579, the table in the description of RowStatus: what is set (0: another column only), by the
 * state that the row is in. */
static const uint8_t snmp_outcome[][STATES] = {
    [0] = {O_NAME, O_KEEP, O_KEEP, O_KEEP},
    [ROW_ACTIVE] = {O_VALUE, O_GO, O_GO, O_GO},
    [ROW_NOT_IN_SERVICE] = {O_VALUE, O_SUSPEND, O_SUSPEND, O_SUSPEND},
    [ROW_NOT_READY] = {O_VALUE, O_VALUE, O_VALUE, O_VALUE},
    [ROW_CREATE_AND_GO] = {O_GO, O_VALUE, O_VALUE, O_VALUE},
    [ROW_CREATE_AND_WAIT] = {O_WAIT, O_VALUE, O_VALUE, O_VALUE},
    [ROW_DESTROY] = {O_NOTHING, O_GONE, O_GONE, O_GONE},
};
/* The configuration file says what shall be, whatever was. */
static const uint8_t xml_outcome[][STATES] = {
    [0] = {O_GO, O_GO, O_GO, O_GO},
    [ROW_ACTIVE] = {O_GO, O_GO, O_GO, O_GO},
    [ROW_NOT_IN_SERVICE] = {O_WAIT, O_SUSPEND, O_SUSPEND, O_SUSPEND},
    [ROW_NOT_READY] = {O_VALUE, O_VALUE, O_VALUE, O_VALUE},
    [ROW_CREATE_AND_GO] = {O_GO, O_GO, O_GO, O_GO},
    [ROW_CREATE_AND_WAIT] = {O_WAIT, O_WAIT, O_WAIT, O_WAIT},
    [ROW_DESTROY] = {O_NOTHING, O_GONE, O_GONE, O_GONE},
};

/* One row under evaluation. */
struct work {
    const struct set *x;
    struct set_row *r;
    const struct sa_table *table;
    struct row before;
    enum state state;
    struct buf *staged;
    int *ret_tag;
    struct err *e;
};

static int no(const struct work *w, unsigned column, int code, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

static int no(const struct work *w, unsigned column, int code, const char *fmt, ...)
{
    char text[ERR_TEXT_MAX];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    return set_blame(w->r, column, code, w->ret_tag, w->e, "%s", text);
}

static enum state state_of(const struct work *w)
{
    static const enum state states[] = {
        [ROW_ACTIVE] = ACTIVE, [ROW_NOT_IN_SERVICE] = NOT_IN_SERVICE, [ROW_NOT_READY] = NOT_READY};
    if (w->table->scalars)
        return ACTIVE;
    if (!w->r->existed)
        return ABSENT;
    int64_t status = w->table->row_status ? row_int(&w->before, w->table->row_status) : ROW_ACTIVE;
    return status >= ROW_ACTIVE && status <= ROW_NOT_READY ? states[status] : NOT_READY;
}

/* ---- StorageType ------------------------------------------------------------------------------
 */

/* A trigger, whether it is kept (TestAndIncr) or not, says nothing of what the row is. */
static bool asks_only(const struct sa_column *c)
{
    return set_is_trigger(c) || c->syntax == SA_TEST_AND_INCR;
}

/* A readOnly row takes nothing but triggers. */
static int storage_refuses(const struct work *w, enum outcome outcome)
{
    const struct sa_table *t = w->table;
    if (w->x->origin == SET_XML || !t->storage_type || !w->r->existed)
        return 0;
    int64_t storage = row_int(&w->before, t->storage_type);
    if (storage == STORAGE_PERMANENT && outcome == O_GONE)
        return no(w, t->row_status, ERR_INCONSISTENT_VALUE,
                  "the row is permanent and cannot be destroyed");
    if (storage != STORAGE_READ_ONLY)
        return 0;
    for (const struct varbind *v = w->r->varbinds; v; v = v->next)
        if (!asks_only(v->column))
            return no(w, v->column->number, ERR_NOT_WRITABLE,
                      "the row is read-only: it is the daemon's own, or the configuration file's");
    return 0;
}

static int storage_value(const struct work *w)
{
    const struct sa_table *t = w->table;
    const struct varbind *v = t->storage_type ? set_varbind(w->r, t->storage_type) : NULL;
    if (!v || w->x->origin == SET_XML)
        return 0;
    int64_t now = w->r->existed ? row_int(&w->before, t->storage_type) : STORAGE_NON_VOLATILE;
    if (v->number == now)
        return 0;
    if (now == STORAGE_PERMANENT)
        return no(w, t->storage_type, ERR_INCONSISTENT_VALUE, "a permanent row stays permanent");
    if (v->number != STORAGE_NON_VOLATILE)
        return no(w, t->storage_type, ERR_WRONG_VALUE, "managers' rows are nonVolatile");
    return 0;
}

/* ---- columns ----------------------------------------------------------------------------------
 */

static bool would_have(const struct work *w, unsigned column)
{
    struct slice cell;
    int staged = staged_find(w->staged, column, &cell);
    return staged < 0 ? row_has(&w->before, column) : staged;
}

/* The first required column that the row would not have, or NULL. */
static const struct sa_column *missing(const struct work *w)
{
    for (size_t i = 0; i < w->table->ncolumns; i++) {
        const struct sa_column *c = &w->table->columns[i];
        if (c->required && column_env(w->table, c) == ENV_STATE && !would_have(w, c->number))
            return c;
    }
    return NULL;
}

/* RFC 2579, TestAndIncr: who names the value that it has advances it. */
static int advance(const struct work *w, const struct varbind *v)
{
    int64_t now = row_int(&w->before, v->column->number);
    if (v->number != now)
        return no(w, v->column->number, ERR_INCONSISTENT_VALUE, "its value is %lld now",
                  (long long)now);
    staged_number(w->staged, v->column->number, now == INT32_MAX ? 0 : now + 1);
    return 0;
}

static int64_t storage_before(const struct work *w)
{
    return w->r->existed && w->table->storage_type ? row_int(&w->before, w->table->storage_type)
                                                   : STORAGE_OTHER;
}

/* Does the SET ask for what the configuration file says? */
static bool reverts(const struct work *w)
{
    const struct varbind *v = w->table->revert ? set_varbind(w->r, w->table->revert) : NULL;
    return v && v->number == TRIGGER_RUN;
}

/* The columns of the file that a manager may have changed: what the file says of them comes in
 * first, so that what else the SET names is laid over it. */
static int stage_revert(const struct work *w)
{
    struct slice file, cell;
    if (!reverts(w) || storage_before(w) == STORAGE_READ_ONLY)
        return 0;
    if (!cells_find(w->before.durable, w->table->file, &file))
        return no(w, w->table->revert, ERR_INCONSISTENT_VALUE,
                  "the row is not of the configuration file: there is nothing to go back to");
    for (size_t i = 0; i < w->table->ncolumns; i++) {
        const struct sa_column *c = &w->table->columns[i];
        if (!set_of_file(w->table, c))
            continue;
        if (cells_find(file, c->number, &cell))
            staged_put(w->staged, c->number, cell.data, cell.len);
        else
            staged_clear(w->staged, c->number);
        bits_set(w->r->touched, c->number);
    }
    return 0;
}

/* The columns but RowStatus, as staged cells and bits for the ring. */
static int stage_columns(const struct work *w)
{
    int rc = stage_revert(w);
    if (rc)
        return rc;
    for (const struct varbind *v = w->r->varbinds; v; v = v->next) {
        const struct sa_column *c = v->column;
        if (!c || c->number == w->table->row_status || c->number == w->table->revert)
            continue;
        if (c->syntax == SA_TEST_AND_INCR) {
            rc = advance(w, v);
            if (rc)
                return rc;
        } else if (set_is_trigger(c)) {
            if (v->number == c->def)
                continue;
            w->r->triggered = true;
        } else if (value_is_text(c->syntax)) {
            staged_put(w->staged, c->number, v->bytes.data, v->bytes.len);
        } else {
            staged_number(w->staged, c->number, v->number);
        }
        bits_set(w->r->touched, c->number);
    }
    return 0;
}

/* Columns that are only ever set together with another one say nothing without it. */
static int stage_companions(const struct work *w)
{
    for (size_t i = 0; i < w->table->ncolumns && w->x->origin == SET_SNMP; i++) {
        const struct sa_column *c = &w->table->columns[i];
        bool named = set_varbind(w->r, c->number) != NULL;
        if (!c->with || named == (set_varbind(w->r, c->with) != NULL))
            continue; /* both, or neither */
        if (named)
            return no(w, c->number, ERR_INCONSISTENT_VALUE, "it is set together with %s only",
                      sa_column_by_number(w->table, c->with)->name);
        staged_clear(w->staged, c->number);
        bits_set(w->r->touched, c->number);
    }
    return 0;
}

/* ---- rows of the configuration file ------------------------------------------------------------
 */

/* What the file does not say (any more) goes. */
static void clear_unnamed(const struct work *w)
{
    for (size_t i = 0; i < w->table->ncolumns; i++) {
        const struct sa_column *c = &w->table->columns[i];
        if (!set_of_file(w->table, c) || set_varbind(w->r, c->number))
            continue;
        staged_clear(w->staged, c->number);
        bits_set(w->r->touched, c->number);
    }
}

/* A cell in which a manager had another word than the file before keeps it. */
static void keep_override(const struct work *w, const struct sa_column *c, const struct slice *file)
{
    struct slice now = {NULL, 0}, said = {NULL, 0};
    bool has = cells_find(w->before.durable, c->number, &now);
    bool had = file && cells_find(*file, c->number, &said);
    if (file && has == had && slice_equal(now, said))
        return;
    if (has)
        staged_put(w->staged, c->number, now.data, now.len);
    else
        staged_clear(w->staged, c->number);
}

/* The row as the file has it, kept for later. */
static int stage_file(const struct work *w)
{
    struct buf named, whole;
    struct slice cell;
    uint32_t changed[8];
    buf_init(&named, ROW_MAX);
    buf_init(&whole, ROW_MAX);
    for (size_t i = 0; i < w->table->ncolumns; i++) {
        const struct sa_column *c = &w->table->columns[i];
        if (set_of_file(w->table, c) && staged_find(w->staged, c->number, &cell) == 1)
            staged_put(&named, c->number, cell.data, cell.len);
    }
    int rc = named.err ? named.err : cells_merge((struct slice){NULL, 0}, &named, &whole, changed);
    if (!rc)
        staged_put(w->staged, w->table->file, whole.data, whole.len);
    buf_release(&named);
    buf_release(&whole);
    return rc ? no(w, 0, ERR_RESOURCE_UNAVAILABLE, "out of memory") : 0;
}

/* The file's row is laid over the stored one: whole if it is readOnly, else without what managers
 * have changed in it (which is all that is there, if an earlier version made it and did not keep
 * what the file said). */
static int stage_whole_row(const struct work *w)
{
    const struct sa_table *t = w->table;
    struct slice said;
    bool kept = storage_before(w) == STORAGE_PERMANENT;
    if (!w->x->whole_rows)
        return 0;
    clear_unnamed(w);
    if (!t->file)
        return 0;
    if (w->x->storage != STORAGE_PERMANENT) {
        staged_clear(w->staged, t->file);
        return 0;
    }
    int rc = stage_file(w);
    bool has = cells_find(w->before.durable, t->file, &said);
    for (size_t i = 0; !rc && kept && i < t->ncolumns; i++)
        if (set_of_file(t, &t->columns[i]))
            keep_override(w, &t->columns[i], has ? &said : NULL);
    return rc;
}

/* Active before and after: frozen columns keep their value. */
static int frozen_refuse(const struct work *w)
{
    for (size_t i = 0; i < w->table->ncolumns; i++) {
        const struct sa_column *c = &w->table->columns[i];
        if (c->frozen && bits_has(w->r->changed, c->number))
            return no(w, c->number, ERR_INCONSISTENT_VALUE,
                      "it cannot change while the row is active");
    }
    return 0;
}

/* ---- RowStatus --------------------------------------------------------------------------------
 */

static enum outcome outcome_of(const struct work *w)
{
    const struct varbind *v = w->table->row_status ? set_varbind(w->r, w->table->row_status) : NULL;
    int64_t wanted = v ? v->number : reverts(w) ? ROW_ACTIVE : 0;
    if (w->x->origin == SET_XML && !v && storage_before(w) == STORAGE_PERMANENT &&
        w->x->storage == STORAGE_PERMANENT)
        return O_KEEP; /* a manager may have suspended it */
    return w->x->origin == SET_XML ? xml_outcome[wanted][w->state] : snmp_outcome[wanted][w->state];
}

/* The status that the outcome leaves, in RET; or a refusal. */
static int status_after(const struct work *w, enum outcome outcome, int64_t *ret)
{
    const struct sa_column *m = missing(w);
    unsigned status = w->table->row_status;
    bool active = outcome == O_GO || (outcome == O_KEEP && w->state == ACTIVE);
    switch (outcome) {
    case O_NAME:
        if (!status)
            return no(w, 0, ERR_NO_CREATION, "rows of this table are not made by managers");
        return no(w, w->r->varbinds->column->number, ERR_INCONSISTENT_NAME,
                  "there is no such row, and nothing in the SET makes it");
    case O_VALUE:
        return no(w, status, ERR_INCONSISTENT_VALUE,
                  w->r->existed ? "the row exists already" : "there is no such row");
    case O_GO:
    case O_SUSPEND:
        if (m)
            return no(w, status, ERR_INCONSISTENT_VALUE, "%s has not been set", m->name);
        break;
    default:
        break;
    }
    *ret = active ? ROW_ACTIVE : m ? ROW_NOT_READY : ROW_NOT_IN_SERVICE;
    return 0;
}

static void stage_own(const struct work *w, int64_t status)
{
    const struct sa_table *t = w->table;
    struct slice cell;
    if (t->row_status) {
        staged_number(w->staged, t->row_status, status);
        if (!w->r->existed || status != row_int(&w->before, t->row_status))
            bits_set(w->r->touched, t->row_status);
    }
    if (t->storage_type && (!w->r->existed || w->x->origin == SET_XML) &&
        staged_find(w->staged, t->storage_type, &cell) < 0)
        staged_number(w->staged, t->storage_type, (int64_t)w->x->storage);
}

static int resolve(struct work *w)
{
    int64_t status = ROW_ACTIVE;
    struct set_row *r = w->r;
    enum outcome outcome = outcome_of(w);
    r->exists = false;
    int rc = storage_refuses(w, outcome);
    if (rc || outcome == O_NOTHING || outcome == O_GONE)
        return rc;
    rc = storage_value(w);
    if (rc)
        return rc;
    rc = stage_columns(w);
    if (rc)
        return rc;
    rc = stage_companions(w);
    if (rc)
        return rc;
    rc = stage_whole_row(w);
    if (rc)
        return rc;
    rc = status_after(w, outcome, &status);
    if (rc)
        return rc;
    stage_own(w, status);
    r->exists = true;
    rc = cells_merge(w->before.durable, w->staged, &r->after, r->changed);
    if (rc)
        return no(w, 0, ERR_RESOURCE_UNAVAILABLE, "the row as it is stored does not read");
    bool stays = w->table->row_status && w->x->origin == SET_SNMP && w->state == ACTIVE &&
                 status == ROW_ACTIVE;
    return stays ? frozen_refuse(w) : 0;
}

/* ---- the whole --------------------------------------------------------------------------------
 */

static int load(struct set_row *r, struct txn *t)
{
    struct slice part = {NULL, 0};
    int rc = part_get(t, ENV_STATE, r->slot, key_slice(&r->key), &part);
    if (rc && rc != ERR_NOTFOUND)
        return rc;
    r->existed = !rc;
    r->triggered = false;
    r->unready_since = rc ? 0 : unready_get(t, r->slot, &r->key);
    buf_clear(&r->before);
    buf_clear(&r->after);
    buf_bytes(&r->before, part.data, part.len);
    memset(r->changed, 0, sizeof r->changed);
    memset(r->touched, 0, sizeof r->touched);
    return r->before.err;
}

static int evaluate_row(struct set *x, struct set_row *r, struct txn *t, struct buf *staged,
                        int *ret_tag, struct err *e)
{
    int rc = load(r, t);
    if (rc)
        return set_blame(r, 0, ERR_RESOURCE_UNAVAILABLE, ret_tag, e, "the store does not read: %s",
                         err_name(rc));
    buf_clear(staged);
    struct work w = {
        .x = x,
        .r = r,
        .table = r->slot->table,
        .before = set_row_of(r, &r->before),
        .staged = staged,
        .ret_tag = ret_tag,
        .e = e,
    };
    w.state = state_of(&w);
    return resolve(&w);
}

/* Rows live under owners, and owners come from the configuration file. */
static int owner_check(struct set_look *l, const struct set_row *r, int *ret_tag, struct err *e)
{
    char name[33];
    size_t pos = 0;
    struct row owner;
    struct slice key = key_slice(&r->key);
    const struct slot *owners = l->set->store->owners;
    const struct sa_table *t = r->slot->table;
    if (!owners || r->slot == owners || r->existed || !r->exists || !t->nindex ||
        strcmp(t->index[0].name, owners->table->index[0].name))
        return 0;
    key_read_name(&key, &pos, name);
    struct key k = key_of_name(name);
    if (!set_look_row(l, owners->table, &k, &owner))
        return 0;
    return set_blame(r, 0, ERR_NO_CREATION, ret_tag, e, "there is no owner '%s'", name);
}

static int registered_check(struct set_look *l, const struct set_row *r, bool final, int *ret_tag,
                            struct err *e)
{
    unsigned column = 0;
    struct err words = {.text = ""};
    struct row before = set_row_of(r, &r->before), after = set_row_of(r, &r->after);
    struct set_check_context c = {
        .look = l,
        .before = r->existed ? &before : NULL,
        .after = r->exists ? &after : &before,
        .gone = !r->exists,
        .final = final,
        .origin = l->set->origin,
    };
    if (!r->slot->check || (!r->existed && !r->exists))
        return 0;
    int rc = r->slot->check(r->slot->check_arg, &c, &column, &words);
    if (!rc)
        return 0;
    return set_blame(r, column, rc < 0 ? rc : ERR_INCONSISTENT_VALUE, ret_tag, e, "%s",
                     words.text[0] ? words.text : err_name(rc));
}

static int growth_check(const struct set *x, int *ret_tag, struct err *e)
{
    for (size_t i = 0; i < x->nrows; i++) {
        const struct set_row *r = x->rows[i];
        if (r->exists && r->after.len > r->before.len)
            return env_full(x->store, ENV_STATE)
                       ? set_blame(r, 0, ERR_RESOURCE_UNAVAILABLE, ret_tag, e,
                                   "the store is more than %d %% full", FULL_PERCENT)
                       : 0;
    }
    return 0;
}

int set_evaluate(struct set *x, struct txn *t, bool final, int *ret_tag, struct err *e)
{
    struct buf staged;
    struct set_look look = {x, t};
    int rc = 0;
    buf_init(&staged, ROW_MAX);
    for (size_t i = 0; !rc && i < x->nrows; i++)
        rc = evaluate_row(x, x->rows[i], t, &staged, ret_tag, e);
    for (size_t i = 0; !rc && i < x->nrows; i++)
        rc = owner_check(&look, x->rows[i], ret_tag, e);
    if (!rc)
        rc = growth_check(x, ret_tag, e);
    for (size_t i = 0; !rc && i < x->nrows; i++)
        rc = registered_check(&look, x->rows[i], final, ret_tag, e);
    buf_release(&staged);
    if (!rc && txn_error(t) && x->nrows)
        rc = set_blame(x->rows[0], 0, ERR_RESOURCE_UNAVAILABLE, ret_tag, e,
                       "the store does not read: %s", t->err.text);
    return rc;
}
