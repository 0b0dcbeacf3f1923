/* Looking at what nobody asks for. A lookup in a damaged page may end with "not there", which
 * nobody can tell from the truth; so all that is stored is read, little by little, and where a
 * database is read at one go, the pairs are counted too. */
#include "store/impl.h"

#include <string.h>

#include "store/cells.h"

enum { SCRUB_OWN = 2 + KV_MAX }; /* databases of `state` that are no tables: meta, changes, kv.N */

/* One database, wherever it is. */
struct scrubbed {
    const char *name;
    const struct slot *slot; /* NULL: its values are sealed */
    int env;
    MDB_dbi dbi;
    uint64_t seed;
};

/* The N-th of all: tables in `state`, tables in `samples`, then the others. */
static bool nth(struct store *s, size_t n, struct scrubbed *ret)
{
    if (n < s->nslots * ENV_COUNT) {
        const struct slot *slot = s->slots[n % s->nslots];
        int env = (int)(n / s->nslots);
        *ret = (struct scrubbed){slot->table->name, slot, env, slot->dbi[env], slot->seed};
        return slot->in[env];
    }
    n -= s->nslots * ENV_COUNT;
    if (n == 0)
        *ret = (struct scrubbed){"meta", NULL, ENV_STATE, s->meta[ENV_STATE], s->meta_seed};
    else if (n == 1)
        *ret = (struct scrubbed){"changes", NULL, ENV_STATE, s->changes, s->changes_seed};
    else
        *ret =
            (struct scrubbed){"an own database", NULL, ENV_STATE, s->kv[n - 2], s->kv_seed[n - 2]};
    return true;
}

static bool pair_sound(struct txn *t, const struct scrubbed *d, struct slice key, MDB_val v)
{
    struct slice value;
    if (d->slot)
        return !part_check(t, d->slot, key, slice_of(v));
    return slice_equal(key, LITERAL(VERSION_KEY)) ||
           !sealed_open(t, d->name, d->seed, key, v, &value);
}

/* At most MOST pairs from s->scrub.at on; how many there were. At the end of the database AT is
 * empty again. */
static unsigned scrub_pairs(struct txn *t, const struct scrubbed *d, MDB_cursor *c, unsigned most)
{
    struct scrub *at = &t->store->scrub;
    MDB_stat stat;
    MDB_val k = {at->len, at->key}, v;
    bool whole = !at->len;
    unsigned n = 0;
    int rc = mdb_cursor_get(c, &k, &v, whole ? MDB_FIRST : MDB_SET_RANGE);
    for (; !rc && n < most; rc = mdb_cursor_get(c, &k, &v, MDB_NEXT), n++) {
        if (k.mv_size > sizeof at->key || !pair_sound(t, d, slice_of(k), v)) {
            txn_damage(t, d->name, slice_of(k));
            return n;
        }
        at->len = k.mv_size;
        memcpy(at->key, k.mv_data, k.mv_size);
    }
    if (!rc)
        return n;
    at->len = 0;
    if (!txn_lmdb(t, rc == MDB_NOTFOUND ? 0 : rc, d->name) && whole &&
        !mdb_stat(mdb_cursor_txn(c), d->dbi, &stat) && stat.ms_entries != n)
        txn_damage(t, d->name, (struct slice){NULL, 0});
    return n + 1;
}

int store_scrub(struct store *s, unsigned most)
{
    struct txn *t = txn_begin(s, TXN_READ);
    size_t all = s->nslots * ENV_COUNT + SCRUB_OWN;
    reserve_keep(s);
    for (size_t i = 0; i < all && most && !t->err.code; i++) {
        struct scrubbed d;
        MDB_cursor *c;
        bool there = nth(s, s->scrub.db, &d);
        MDB_txn *x = there ? txn_mdb(t, d.env) : NULL;
        if (x && !txn_lmdb(t, mdb_cursor_open(x, d.dbi, &c), d.name)) {
            unsigned n = scrub_pairs(t, &d, c, most);
            mdb_cursor_close(c);
            most -= n < most ? n : most;
        }
        if (!s->scrub.len)
            s->scrub.db = (s->scrub.db + 1) % all;
    }
    return txn_commit(t, NULL);
}
