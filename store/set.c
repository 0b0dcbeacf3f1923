/* Checking, committing and undoing a set. A write transaction lives only within one call; what it
 * was about to change is evaluated anew inside it, since others may have written since set_check.
 */
#include <string.h>

#include <stdlib.h>

#include "base/clock.h"
#include "store/cells.h"
#include "store/set_impl.h"

enum { STALE_MAX = SET_XML_VARBINDS_MAX * (SA_KEY_MAX + 8) }; /* octets: a row each */

/* Own database: u8 table, key -> u64 ms since 1970 when the row was made. */
static const char unready_db[] = "set.unready";

int set_register_check(struct store *s, unsigned table, set_check_fn fn, void *arg)
{
    struct slot *slot = table < 256 ? s->by_id[table] : NULL;
    if (!slot)
        return ERR_NOTFOUND;
    slot->check = fn;
    slot->check_arg = arg;
    return 0;
}

/* ---- looking through the set ------------------------------------------------------------------
 */

int set_look_row(struct set_look *l, const struct sa_table *table, const struct key *k,
                 struct row *ret)
{
    struct slot *slot = slot_of(l->set->store, table);
    if (!slot)
        return ERR_NOTFOUND;
    const struct set_row *r = set_find(l->set, slot, key_slice(k));
    if (!r)
        return row_get(l->txn, table, k, ret);
    if (!r->exists)
        return ERR_NOTFOUND;
    *ret = set_row_of(r, &r->after);
    return 0;
}

static bool in_prefix(const struct set_row *r, const struct key *prefix)
{
    return !prefix || key_begins(key_slice(&r->key), prefix);
}

static int compare_rows(const void *a, const void *b)
{
    const struct set_row *const *x = a, *const *y = b;
    return slice_compare(key_slice(&(*x)->key), key_slice(&(*y)->key));
}

/* The set's own rows of the table, in key order. malloc'd, NULL when there are none. */
static const struct set_row **own_rows(const struct set *x, const struct slot *slot,
                                       const struct key *prefix, size_t *ret_n)
{
    const struct set_row **own = NULL;
    size_t n = 0;
    for (size_t i = 0; i < x->nrows; i++)
        n += x->rows[i]->slot == slot && x->rows[i]->exists;
    *ret_n = 0;
    if (n && !(own = malloc(n * sizeof *own)))
        return NULL;
    for (size_t i = 0; i < x->nrows; i++)
        if (x->rows[i]->slot == slot && x->rows[i]->exists && in_prefix(x->rows[i], prefix))
            own[(*ret_n)++] = x->rows[i];
    if (*ret_n)
        qsort(own, *ret_n, sizeof *own, compare_rows);
    return own;
}

/* Gives own rows up to BEFORE (NULL: all that are left). */
static int give_own(const struct set_row **own, size_t n, size_t *at, const struct slice *before,
                    int (*cb)(void *arg, const struct row *r), void *arg)
{
    int rc = 0;
    while (!rc && *at < n && (!before || slice_compare(key_slice(&own[*at]->key), *before) < 0)) {
        struct row r = set_row_of(own[*at], &own[*at]->after);
        rc = cb(arg, &r);
        ++*at;
    }
    return rc;
}

int set_look_each(struct set_look *l, const struct sa_table *table, const struct key *prefix,
                  int (*cb)(void *arg, const struct row *r), void *arg)
{
    struct cursor c;
    struct row r;
    struct slot *slot = slot_of(l->set->store, table);
    size_t n, at = 0;
    int rc = 0;
    if (!slot)
        return 0;
    const struct set_row **own = own_rows(l->set, slot, prefix, &n);
    for (cursor_first(&c, l->txn, table, prefix); !rc && cursor_row(&c, &r); cursor_next(&c)) {
        rc = give_own(own, n, &at, &r.key, cb, arg);
        if (!rc && !set_find(l->set, slot, r.key))
            rc = cb(arg, &r);
    }
    cursor_close(&c);
    if (!rc)
        rc = give_own(own, n, &at, NULL, cb, arg);
    free(own);
    return rc;
}

int64_t set_look_count(struct set_look *l, const struct sa_table *table, const char *owner)
{
    struct slot *slot = slot_of(l->set->store, table);
    struct key k = key_of_name(owner);
    if (!slot)
        return 0;
    int64_t n = count_get(l->txn, slot, key_slice(&k));
    for (size_t i = 0; i < l->set->nrows; i++) {
        const struct set_row *r = l->set->rows[i];
        if (r->slot == slot && in_prefix(r, &k))
            n += r->exists - r->existed;
    }
    return n;
}

/* ---- rows that were never active ---------------------------------------------------------------
 */

struct unready_key {
    uint8_t data[1 + SA_KEY_MAX];
    size_t len;
};

static struct slice unready_key(struct unready_key *u, const struct slot *slot, const struct key *k)
{
    u->data[0] = slot->table->id;
    memcpy(u->data + 1, k->data, k->len);
    u->len = 1 + (size_t)k->len;
    return (struct slice){u->data, u->len};
}

int64_t unready_get(struct txn *t, const struct slot *slot, const struct key *k)
{
    struct unready_key u;
    struct slice v;
    if (kv_get(t, unready_db, unready_key(&u, slot, k), &v) || v.len != 8)
        return 0;
    return (int64_t)get_u64(v.data);
}

int unready_put(struct txn *t, const struct slot *slot, const struct key *k, int64_t since)
{
    struct unready_key u;
    uint8_t octets[8];
    put_u64(octets, (uint64_t)since);
    return kv_put(t, unready_db, unready_key(&u, slot, k), (struct slice){octets, 8});
}

int unready_del(struct txn *t, const struct slot *slot, const struct key *k)
{
    struct unready_key u;
    return kv_del(t, unready_db, unready_key(&u, slot, k));
}

/* Removes one such row; ENTRY is its key in the index. */
static bool expire_one(struct txn *t, struct slice entry)
{
    struct slot *slot = t->store->by_id[entry.data[0]];
    struct key k = key_copy((struct slice){entry.data + 1, entry.len - 1});
    struct unready_key u = {.len = entry.len};
    struct row r;
    memcpy(u.data, entry.data, u.len);
    kv_del(t, unready_db, (struct slice){u.data, u.len});
    if (!slot || row_get(t, slot->table, &k, &r) || row_active(&r))
        return false;
    part_del(t, slot, key_slice(&k));
    count_add(t, slot, key_slice(&k), -1);
    changes_append(t, slot->table->id, CHANGE_DELETED, key_slice(&k), NULL);
    return true;
}

/* The first entry behind AT that is older than LIMIT. */
static int next_expired(struct txn *t, struct slice at, int64_t limit, struct slice *ret)
{
    struct slice key, value;
    int rc;
    while (!(rc = kv_seek(t, unready_db, at, at.len > 0, &key, &value))) {
        if (value.len == 8 && key.len > 1 && key.len <= 1 + SA_KEY_MAX &&
            (int64_t)get_u64(value.data) < limit) {
            *ret = key;
            return 0;
        }
        at = key;
    }
    return rc;
}

int set_expire_unready(struct store *s, int64_t now_wall_ms, int64_t age_ms)
{
    struct slice found, start = {NULL, 0};
    int64_t limit = now_wall_ms - age_ms;
    int n = 0;
    struct txn *t = txn_begin(s, TXN_READ);
    int rc = next_expired(t, start, limit, &found);
    txn_abort(t);
    if (rc)
        return rc == ERR_NOTFOUND ? 0 : rc;
    t = txn_begin(s, TXN_WRITE);
    txn_allow_growth(t);
    while (!next_expired(t, start, limit, &found))
        n += expire_one(t, found);
    rc = txn_commit(t, NULL);
    return rc ? rc : n;
}

/* ---- check and commit
 * --------------------------------------------------------------------------*/

int set_check(struct set *x, int *ret_tag, struct err *e)
{
    struct txn *t = txn_begin(x->store, TXN_READ);
    int rc = set_evaluate(x, t, false, ret_tag, e);
    txn_abort(t);
    return rc;
}

static bool stored_active(const struct set_row *r, const struct buf *part)
{
    struct row row = set_row_of(r, part);
    return row_active(&row);
}

static void write_unready(struct txn *t, const struct set_row *r)
{
    bool active = r->exists && stored_active(r, &r->after);
    if (!r->existed && r->exists && !active)
        unready_put(t, r->slot, &r->key, clock_wall_ms());
    else if (r->unready_since && (active || !r->exists))
        unready_del(t, r->slot, &r->key);
}

/* For the ring: what was set to the value it had is no change. */
static void ring_columns(const struct set_row *r, uint32_t columns[8])
{
    const struct sa_table *table = r->slot->table;
    for (size_t i = 0; i < table->ncolumns; i++) {
        const struct sa_column *c = &table->columns[i];
        bool differs = !r->existed || set_is_trigger(c) || bits_has(r->changed, c->number);
        if (differs && bits_has(r->touched, c->number))
            bits_set(columns, c->number);
    }
}

static void write_row(struct txn *t, const struct set_row *r)
{
    struct slice key = key_slice(&r->key), after = {r->after.data, r->after.len};
    int op = !r->exists ? CHANGE_DELETED : r->existed ? CHANGE_UPDATED : CHANGE_CREATED;
    bool changed = r->existed != r->exists || bits_any(r->changed);
    uint32_t columns[8] = {0};
    if (!changed && !r->triggered)
        return;
    ring_columns(r, columns);
    if (!r->exists)
        part_del(t, r->slot, key);
    else if (changed)
        part_put(t, r->slot, key, after, false);
    count_add(t, r->slot, key, r->exists - r->existed);
    write_unready(t, r);
    changes_append(t, r->slot->table->id, op, key, columns);
}

/* ---- what is volatile -------------------------------------------------------------------------
 */

/* A row that is made or deleted takes nothing volatile from a former life of its name. As: u8
 * table, blob key. */
void stale_add(struct buf *stale, const struct sa_table *table, struct slice key)
{
    buf_u8(stale, table->id);
    buf_blob(stale, key.data, key.len);
}

int stale_drop(struct store *s, struct buf *stale, struct err *e)
{
    struct txn *t = NULL;
    struct rd r;
    rd_init(&r, stale->data, stale->len);
    while (r.left && !r.err) {
        const struct slot *slot = s->by_id[rd_u8(&r)];
        struct slice key = rd_blob(&r);
        if (!slot || !slot->in[ENV_SAMPLES])
            continue;
        if (!t)
            t = txn_begin(s, TXN_WRITE_SAMPLES);
        part_del(t, slot, key);
    }
    buf_clear(stale);
    return t ? txn_commit(t, e) : 0;
}

/* ---- writing ----------------------------------------------------------------------------------
 */

static int write_rows(struct set *x, struct txn *t, bool final, struct buf *stale, int *ret_tag,
                      struct err *e)
{
    int rc = set_evaluate(x, t, final, ret_tag, e);
    for (size_t i = 0; i < x->nrows && !rc; i++) {
        const struct set_row *r = x->rows[i];
        write_row(t, r);
        if (r->existed != r->exists)
            stale_add(stale, r->slot->table, key_slice(&r->key));
    }
    return rc;
}

int set_write(struct set *x, struct txn *t, struct buf *stale, int *ret_tag, struct err *e)
{
    int rc = write_rows(x, t, false, stale, ret_tag, e);
    if (!rc && stale->err)
        rc = txn_fail(t, stale->err);
    if (!rc && txn_error(t))
        rc = err_set(e, ERR_COMMIT_FAILED, "%s", t->err.text);
    return rc;
}

int set_commit(struct set *x, int *ret_tag, struct err *e)
{
    struct err why;
    struct buf stale;
    struct txn *t = txn_begin(x->store, TXN_WRITE);
    txn_allow_growth(t); /* the evaluation refuses it, deletes go through */
    buf_init(&stale, STALE_MAX);
    int rc = write_rows(x, t, true, &stale, ret_tag, e);
    if (rc) {
        txn_abort(t);
        goto out;
    }
    rc = txn_commit(t, &why);
    x->committed = !rc;
    if (!rc) {
        stale_drop(x->store, &stale, NULL);
        goto out;
    }
    if (x->nrows)
        *ret_tag = x->rows[0]->varbinds->tag;
    rc = err_set(e, ERR_COMMIT_FAILED, "%s", why.text);
out:
    buf_release(&stale);
    return rc;
}

/* ---- undo --------------------------------------------------------------------------------------
 */

static struct slice cell_in(const struct buf *part, unsigned number)
{
    struct slice cell = {NULL, 0};
    cells_find((struct slice){part->data, part->len}, number, &cell);
    return cell;
}

/* Cells that still hold what the set wrote get their value from before. */
static void undo_cells(const struct set_row *r, struct slice now, struct buf *staged)
{
    struct slice cell;
    for (unsigned n = 1; n <= SA_COLUMN_MAX; n++) {
        if (!bits_has(r->changed, n) || !cells_find(now, n, &cell) ||
            !slice_equal(cell, cell_in(&r->after, n)))
            continue;
        struct slice old = cell_in(&r->before, n);
        if (old.data)
            staged_put(staged, n, old.data, old.len);
        else
            staged_clear(staged, n);
    }
}

static void undo_update(struct txn *t, const struct set_row *r, struct slice now)
{
    struct buf staged, whole;
    uint32_t changed[8];
    struct slice key = key_slice(&r->key);
    buf_init(&staged, ROW_MAX);
    buf_init(&whole, ROW_MAX);
    undo_cells(r, now, &staged);
    int rc = cells_merge(now, &staged, &whole, changed);
    if (rc) {
        txn_fail(t, rc);
    } else if (bits_any(changed)) {
        bool active = stored_active(r, &whole);
        part_put(t, r->slot, key, (struct slice){whole.data, whole.len}, false);
        if (r->unready_since && !active)
            unready_put(t, r->slot, &r->key, r->unready_since);
        changes_append(t, r->slot->table->id, CHANGE_UPDATED, key, changed);
    }
    buf_release(&staged);
    buf_release(&whole);
}

static void undo_row(struct txn *t, const struct set_row *r)
{
    struct slice now = {NULL, 0}, key = key_slice(&r->key);
    struct slice before = {r->before.data, r->before.len};
    bool there = !part_get(t, ENV_STATE, r->slot, key, &now);
    if (r->existed && r->exists && there) {
        undo_update(t, r, now);
    } else if (!r->existed && r->exists && there) {
        unready_del(t, r->slot, &r->key);
        part_del(t, r->slot, key);
        count_add(t, r->slot, key, -1);
        changes_append(t, r->slot->table->id, CHANGE_DELETED, key, NULL);
    } else if (r->existed && !r->exists && !there) {
        part_put(t, r->slot, key, before, false);
        count_add(t, r->slot, key, 1);
        if (r->unready_since)
            unready_put(t, r->slot, &r->key, r->unready_since);
        changes_append(t, r->slot->table->id, CHANGE_CREATED, key, NULL);
    }
}

int set_undo(struct set *x, struct err *e)
{
    if (!x->committed)
        return err_set(e, ERR_INVALID, "nothing to undo");
    struct txn *t = txn_begin(x->store, TXN_WRITE);
    txn_allow_growth(t);
    for (size_t i = 0; i < x->nrows; i++)
        undo_row(t, x->rows[i]);
    int rc = txn_commit(t, e);
    x->committed = x->committed && rc;
    return rc;
}
