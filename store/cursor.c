/* Walking. A cursor lends an LMDB cursor of its transaction; what it read (k, v) is good until the
 * transaction writes, then it finds its place again by the copy of its key. */
#include "store/impl.h"

#include <string.h>

/* Take what LMDB answered, or end. */
static void take(struct cursor *c, int rc)
{
    struct curs *lent = c->impl;
    const struct key *prefix = &c->prefix;
    c->valid = false;
    if (rc == MDB_NOTFOUND || txn_lmdb(c->txn, rc, c->table->name))
        return;
    if (lent->k.mv_size < prefix->len || memcmp(lent->k.mv_data, prefix->data, prefix->len))
        return;
    struct slot *slot = slot_of(c->txn->store, c->table);
    if (part_check(c->txn, slot, slice_of(lent->k), slice_of(lent->v)))
        return;
    c->at.len = (uint16_t)lent->k.mv_size;
    memcpy(c->at.data, lent->k.mv_data, lent->k.mv_size);
    lent->writes = c->txn->writes;
    c->valid = true;
}

/* The first key >= C->at (or > it). */
static void seek(struct cursor *c, bool after)
{
    struct curs *lent = c->impl;
    lent->k = (MDB_val){c->at.len, c->at.data};
    int rc = mdb_cursor_get(lent->mdb, &lent->k, &lent->v, c->at.len ? MDB_SET_RANGE : MDB_FIRST);
    if (!rc && after && lent->k.mv_size == c->at.len &&
        !memcmp(lent->k.mv_data, c->at.data, c->at.len))
        rc = mdb_cursor_get(lent->mdb, &lent->k, &lent->v, MDB_NEXT);
    take(c, rc);
}

void cursor_seek(struct cursor *c, struct txn *t, const struct sa_table *table,
                 const struct key *prefix, const struct key *k, bool after)
{
    struct slot *slot = slot_of(t->store, table);
    c->txn = t;
    c->table = table;
    c->valid = false;
    c->prefix.len = 0;
    if (prefix)
        c->prefix = *prefix;
    c->at = c->prefix;
    if (k && (after || k->len > c->prefix.len || memcmp(k->data, c->prefix.data, k->len) > 0))
        c->at = *k;
    else
        after = false;
    c->impl = slot ? txn_cursor(t, slot->home, slot) : NULL;
    if (!c->impl)
        return;
    ((struct curs *)c->impl)->busy = t->generation;
    ((struct curs *)c->impl)->walked = 0;
    seek(c, after);
}

void cursor_first(struct cursor *c, struct txn *t, const struct sa_table *table,
                  const struct key *prefix)
{
    cursor_seek(c, t, table, prefix, NULL, false);
}

bool cursor_row(struct cursor *c, struct row *ret)
{
    struct curs *lent = c->impl;
    static const struct slice nothing;
    if (!c->valid || txn_error(c->txn))
        return false;
    if (lent->writes != c->txn->writes)
        seek(c, false);
    if (!c->valid)
        return false;
    struct slot *slot = slot_of(c->txn->store, c->table);
    struct row r = {c->table, slice_of(lent->k), nothing, nothing};
    struct slice *part[ENV_COUNT] = {&r.durable, &r.volatile_};
    int other = ENV_COUNT - 1 - slot->home;
    *part[slot->home] = slice_of(lent->v);
    if (slot->in[other] && part_get(c->txn, other, slot, r.key, part[other]) && txn_error(c->txn))
        return false;
    *ret = r;
    return true;
}

void cursor_next(struct cursor *c)
{
    struct curs *lent = c->impl;
    if (!c->valid || txn_error(c->txn)) {
        c->valid = false;
        return;
    }
    if (lent->writes == c->txn->writes)
        take(c, mdb_cursor_get(lent->mdb, &lent->k, &lent->v, MDB_NEXT));
    else
        seek(c, true);
}

void cursor_close(struct cursor *c)
{
    struct curs *lent = c->impl;
    if (lent)
        lent->busy = 0;
    c->impl = NULL;
    c->valid = false;
}
