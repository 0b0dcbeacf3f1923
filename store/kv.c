/* What is kept beside the tables: counters in `meta`, ids, own databases, the changes ring.
 * The own databases are kv.0 to kv.23, made when the store is; which name has which is in `meta`
 * ("kv=NAME"), so that no database is ever opened in a transaction under way. */
#include "store/impl.h"

#include <stdio.h>
#include <string.h>

#include "store/cells.h"

enum { ID_BLOCK = 65536, CHANGE_HEAD = 2 + 32 };

/* ---- meta -------------------------------------------------------------------------------------
 */

static int meta_read(struct txn *t, MDB_txn *x, int env, const char *key, uint64_t *ret)
{
    MDB_val k = {strlen(key), (void *)(uintptr_t)key}, v;
    int rc = mdb_get(x, t->store->meta[env], &k, &v);
    if (rc)
        return rc == MDB_NOTFOUND ? ERR_NOTFOUND : txn_lmdb(t, rc, "meta");
    struct slice value;
    if (sealed_open(t, key, t->store->meta_seed, slice_of(k), v, &value))
        return t->err.code;
    if (value.len != 8)
        return txn_fail_words(t, ERR_CORRUPT, "meta: %s is no number", key);
    *ret = get_u64(value.data);
    return 0;
}

int meta_get(struct txn *t, int env, const char *key, uint64_t *ret)
{
    MDB_txn *x = txn_mdb(t, env);
    return x ? meta_read(t, x, env, key, ret) : t->err.code;
}

int meta_put(struct txn *t, int env, const char *key, uint64_t value)
{
    MDB_txn *x = txn_mdb(t, env);
    uint8_t octets[8];
    if (!x)
        return t->err.code;
    put_u64(octets, value);
    struct store *s = t->store;
    struct slice k = {(const uint8_t *)key, strlen(key)}, v = {octets, sizeof octets};
    t->writes++;
    return txn_lmdb(t, sealed_put(x, s->meta[env], s->meta_seed, k, v, 0), "meta");
}

/* ---- ids ---------------------------------------------------------------------------------------
 * The last id of a table is in the environment where its rows are. `samples` may be thrown away, so
 * the ids of volatile tables come from blocks that `state` has reserved durably: the first id after
 * a loss is in a new block. */

/* The end of the block as far as it is committed, or in the write transaction under way. */
static int block_end(struct txn *t, const struct slot *slot, const char *key, uint64_t *ret)
{
    struct store *s = t->store;
    struct txn *see = s->write.open && !s->write.err.code ? &s->write : t;
    *ret = 0;
    int rc = meta_get(see, ENV_STATE, key, ret);
    if (rc && rc != ERR_NOTFOUND)
        return txn_fail(t, rc);
    if (see == t && s->block_end[slot->number] > *ret)
        *ret = s->block_end[slot->number];
    return 0;
}

static int block_reserve(struct txn *t, const struct slot *slot, const char *key, uint64_t end)
{
    struct store *s = t->store;
    if (s->write.open)
        return meta_put(&s->write, ENV_STATE, key, end) ? txn_fail(t, s->write.err.code) : 0;
    struct txn *w = txn_begin(s, TXN_WRITE);
    struct err e;
    meta_put(w, ENV_STATE, key, end);
    int rc = txn_commit(w, &e);
    if (rc)
        return txn_fail_words(t, rc, "%s", e.text);
    s->block_end[slot->number] = (uint32_t)end;
    return 0;
}

/* Makes sure that LAST + 1 is reserved; LAST moves to a new block when nothing is known. */
static int id_reserved(struct txn *t, const struct slot *slot, bool known, uint64_t *last)
{
    char key[META_KEY_MAX];
    uint64_t end;
    snprintf(key, sizeof key, "block=%s", slot->table->name);
    int rc = block_end(t, slot, key, &end);
    if (rc)
        return rc;
    if (!known)
        *last = end;
    if (*last < end)
        return 0;
    end = *last + ID_BLOCK;
    if (end > UINT32_MAX)
        end = UINT32_MAX;
    return *last < end ? block_reserve(t, slot, key, end) : 0;
}

int id_next(struct txn *t, const struct sa_table *table, uint32_t *ret)
{
    struct slot *slot = slot_of(t->store, table);
    uint64_t last = 0;
    if (t->err.code)
        return t->err.code;
    if (!slot || txn_env(t) != slot->home)
        return txn_fail_words(t, ERR_INVALID, "%s: an id in the wrong kind of transaction",
                              table->name);
    int rc = meta_get(t, slot->home, slot->id_key, &last);
    if (rc && rc != ERR_NOTFOUND)
        return rc;
    if (slot->home == ENV_SAMPLES && (rc = id_reserved(t, slot, !rc, &last)))
        return rc;
    if (last >= UINT32_MAX)
        return txn_fail_words(t, ERR_FULL, "%s: every id has been given", table->name);
    rc = meta_put(t, slot->home, slot->id_key, last + 1);
    if (!rc)
        *ret = (uint32_t)(last + 1);
    return rc;
}

/* ---- own databases ----------------------------------------------------------------------------
 */

/* The same as in `meta`, on a page of its own: without its name an own database is worth nothing.
 */
int name_put(struct txn *t, const char *key, uint64_t n)
{
    uint8_t octets[8];
    struct store *s = t->store;
    MDB_txn *x = txn_mdb(t, ENV_STATE);
    struct slice k = {(const uint8_t *)key, strlen(key)}, v = {octets, sizeof octets};
    if (!x)
        return t->err.code;
    put_u64(octets, n);
    t->writes++;
    return txn_lmdb(t, sealed_put(x, s->names, s->names_seed, k, v, 0), "names");
}

/* Gives NAME the next free database. */
static int kv_assign(struct txn *t, const char *key, uint64_t *ret)
{
    uint64_t n = 0;
    int rc = meta_get(t, ENV_STATE, "kv.count", &n);
    if (rc && rc != ERR_NOTFOUND)
        return rc;
    if (n >= KV_MAX)
        return txn_fail_words(t, ERR_FULL, "more than %d databases", KV_MAX);
    *ret = n;
    t->named = true;
    rc = meta_put(t, ENV_STATE, key, n);
    if (!rc)
        rc = name_put(t, key, n);
    return rc ? rc : meta_put(t, ENV_STATE, "kv.count", n + 1);
}

/* A name never changes its database, so one that is committed need not be looked up again. Names
 * are constants: mostly it is the one that was found for the same address before. */
static bool kv_known(struct store *s, const char *db, uint64_t *ret)
{
    uint8_t *hint = &s->kv_hints[(uintptr_t)db % KV_HINTS];
    for (*ret = *hint; strcmp(s->kv_names[*ret], db);) {
        *ret = (*ret + 1) % KV_MAX;
        if (*ret == *hint)
            return false;
    }
    *hint = (uint8_t)*ret;
    return *db;
}

static int kv_number(struct txn *t, const char *db, bool make, uint64_t *ret)
{
    char key[META_KEY_MAX];
    snprintf(key, sizeof key, "kv=%s", db);
    int rc = meta_get(t, ENV_STATE, key, ret);
    if (rc == ERR_NOTFOUND && make)
        rc = kv_assign(t, key, ret);
    if (!rc && *ret >= KV_MAX)
        rc = txn_fail_words(t, ERR_CORRUPT, "meta: %s is no number of a database", key);
    if (!rc && !t->named && strlen(db) <= KV_NAME_MAX)
        memcpy(t->store->kv_names[*ret], db, strlen(db) + 1);
    return rc;
}

/* A database of summed values, and the transaction it is looked at in. */
struct db {
    const char *name; /* for people */
    MDB_txn *x;
    MDB_dbi dbi;
    uint64_t seed;
};

/* ERR_NOTFOUND: no such name yet (and not MAKE). */
static int kv_open(struct txn *t, const char *db, bool make, struct db *ret)
{
    uint64_t n;
    struct store *s = t->store;
    MDB_txn *x = txn_mdb(t, ENV_STATE);
    if (!x)
        return t->err.code;
    int rc = kv_known(s, db, &n) ? 0 : kv_number(t, db, make, &n);
    if (!rc)
        *ret = (struct db){db, x, s->kv[n], s->kv_seed[n]};
    return rc;
}

static int kv_writable(struct txn *t, const char *db, struct slice key)
{
    if (t->err.code)
        return t->err.code;
    if (txn_env(t) != ENV_STATE || !key.len || key.len > 511)
        return txn_fail_words(t, ERR_INVALID, "%s: written in the wrong transaction or key", db);
    return 0;
}

int kv_get(struct txn *t, const char *db, struct slice key, struct slice *ret)
{
    struct db d;
    int rc = kv_open(t, db, false, &d);
    if (rc)
        return rc;
    if (!key.len || key.len > 511)
        return ERR_NOTFOUND;
    MDB_val k = val_of(key), v;
    rc = txn_lmdb(t, mdb_get(d.x, d.dbi, &k, &v), db);
    return rc ? rc : sealed_open(t, db, d.seed, key, v, ret);
}

int kv_put(struct txn *t, const char *db, struct slice key, struct slice value)
{
    struct db d;
    int rc = kv_writable(t, db, key);
    if (!rc)
        rc = txn_growth(t);
    if (!rc)
        rc = kv_open(t, db, true, &d);
    if (rc)
        return rc;
    t->writes++;
    return txn_lmdb(t, sealed_put(d.x, d.dbi, d.seed, key, value, 0), db);
}

int kv_del(struct txn *t, const char *db, struct slice key)
{
    struct db d;
    int rc = kv_writable(t, db, key);
    if (!rc)
        rc = kv_open(t, db, false, &d);
    if (rc)
        return rc;
    MDB_val k = val_of(key);
    t->writes++;
    return txn_lmdb(t, mdb_del(d.x, d.dbi, &k, NULL), db);
}

static int seek_pair(struct txn *t, const struct db *d, struct slice from, bool after,
                     struct slice *ret_key, struct slice *ret_value)
{
    MDB_cursor *c;
    MDB_val k = val_of(from), v;
    int rc = mdb_cursor_open(d->x, d->dbi, &c);
    if (rc)
        return txn_lmdb(t, rc, "opening a cursor");
    rc = mdb_cursor_get(c, &k, &v, from.len ? MDB_SET_RANGE : MDB_FIRST);
    if (!rc && after && from.len && slice_equal(slice_of(k), from))
        rc = mdb_cursor_get(c, &k, &v, MDB_NEXT);
    mdb_cursor_close(c);
    if (rc)
        return txn_lmdb(t, rc, d->name);
    *ret_key = slice_of(k);
    return sealed_open(t, d->name, d->seed, *ret_key, v, ret_value);
}

int kv_seek(struct txn *t, const char *db, struct slice from, bool after, struct slice *ret_key,
            struct slice *ret_value)
{
    struct db d;
    int rc = kv_open(t, db, false, &d);
    return rc ? rc : seek_pair(t, &d, from, after, ret_key, ret_value);
}

uint64_t kv_count(struct txn *t, const char *db)
{
    struct db d;
    MDB_stat stat;
    if (kv_open(t, db, false, &d) || mdb_stat(d.x, d.dbi, &stat))
        return 0;
    return stat.ms_entries;
}

int kv_clear(struct txn *t, const char *db)
{
    struct db d;
    if (t->err.code)
        return t->err.code;
    if (txn_env(t) != ENV_STATE)
        return txn_fail(t, ERR_INVALID);
    int rc = kv_open(t, db, false, &d);
    if (rc)
        return rc == ERR_NOTFOUND ? 0 : rc;
    t->writes++;
    return txn_lmdb(t, mdb_drop(d.x, d.dbi, 0), db);
}

/* ---- after a repair ---------------------------------------------------------------------------
 */

bool rebuild_wanted(struct txn *t)
{
    uint64_t v;
    return !meta_get(t, ENV_STATE, REBUILD_KEY, &v) && v;
}

int rebuild_done(struct txn *t)
{
    return rebuild_wanted(t) ? meta_put(t, ENV_STATE, REBUILD_KEY, 0) : t->err.code;
}

int id_at_least(struct txn *t, const struct sa_table *table, uint32_t last)
{
    char key[META_KEY_MAX];
    struct slot *slot = slot_of(t->store, table);
    uint64_t now = 0;
    if (t->err.code)
        return t->err.code;
    if (!slot || slot->home != ENV_STATE || txn_env(t) != ENV_STATE)
        return txn_fail(t, ERR_INVALID);
    snprintf(key, sizeof key, "id=%s", table->name);
    int rc = meta_get(t, ENV_STATE, key, &now);
    if ((rc && rc != ERR_NOTFOUND) || now >= last)
        return rc;
    return meta_put(t, ENV_STATE, key, last);
}

/* ---- the changes ring ------------------------------------------------------------------------
 * Database `changes`: u64 sequence -> u8 table, u8 operation, 8 x u32 column bits, key (behind the
 * sum that every value has). */

static const char consumed_key[] = "changes.consumed";

uint64_t changes_consumed(struct txn *t)
{
    uint64_t seq = 0;
    meta_get(t, ENV_STATE, consumed_key, &seq);
    return seq;
}

/* The last sequence that was given: that of the last record, or all have been consumed. */
static int changes_last(struct txn *t, MDB_txn *x, uint64_t *ret)
{
    MDB_cursor *c;
    MDB_val k, v;
    *ret = changes_consumed(t);
    if (t->err.code)
        return t->err.code;
    int rc = mdb_cursor_open(x, t->store->changes, &c);
    if (rc)
        return txn_lmdb(t, rc, "opening a cursor");
    rc = mdb_cursor_get(c, &k, &v, MDB_LAST);
    mdb_cursor_close(c);
    if (!rc && k.mv_size == 8)
        *ret = get_u64(k.mv_data);
    return rc == MDB_NOTFOUND ? 0 : txn_lmdb(t, rc, "changes");
}

int changes_append(struct txn *t, unsigned table, int op, struct slice key,
                   const uint32_t columns[8])
{
    uint8_t seq[8], record[CHANGE_HEAD + SA_KEY_MAX] = {(uint8_t)table, (uint8_t)op};
    uint64_t last;
    MDB_txn *x = txn_mdb(t, ENV_STATE);
    if (!x)
        return t->err.code;
    if (txn_env(t) != ENV_STATE || key.len > SA_KEY_MAX)
        return txn_fail(t, ERR_INVALID);
    if (txn_growth(t) || changes_last(t, x, &last))
        return t->err.code;
    put_u64(seq, last + 1);
    for (int i = 0; columns && i < 8; i++)
        put_u32(record + 2 + 4 * i, columns[i]);
    memcpy(record + CHANGE_HEAD, key.data, key.len);
    struct store *s = t->store;
    struct slice k = {seq, sizeof seq}, v = {record, CHANGE_HEAD + key.len};
    t->writes++;
    return txn_lmdb(t, sealed_put(x, s->changes, s->changes_seed, k, v, MDB_APPEND), "changes");
}

bool change_has(const struct change *c, unsigned column)
{
    return bits_has(c->columns, column);
}

int changes_next(struct txn *t, uint64_t after, struct change *ret)
{
    uint8_t from[8];
    struct slice key, value;
    MDB_txn *x = txn_mdb(t, ENV_STATE);
    if (!x)
        return t->err.code;
    put_u64(from, after);
    struct db d = {"changes", x, t->store->changes, t->store->changes_seed};
    int rc = seek_pair(t, &d, (struct slice){from, 8}, true, &key, &value);
    if (rc)
        return rc;
    if (key.len != 8 || value.len < CHANGE_HEAD)
        return txn_fail_words(t, ERR_CORRUPT, "changes: a record that does not read");
    ret->seq = get_u64(key.data);
    ret->table = value.data[0];
    ret->op = value.data[1];
    for (int i = 0; i < 8; i++)
        ret->columns[i] = get_u32(value.data + 2 + 4 * i);
    ret->key = (struct slice){value.data + CHANGE_HEAD, value.len - CHANGE_HEAD};
    return 0;
}

int changes_consume(struct txn *t, uint64_t seq)
{
    MDB_cursor *c;
    MDB_val k, v;
    MDB_txn *x = txn_mdb(t, ENV_STATE);
    if (!x)
        return t->err.code;
    if (txn_env(t) != ENV_STATE)
        return txn_fail(t, ERR_INVALID);
    int rc = mdb_cursor_open(x, t->store->changes, &c);
    if (rc)
        return txn_lmdb(t, rc, "opening a cursor");
    t->writes++;
    while (!(rc = mdb_cursor_get(c, &k, &v, MDB_FIRST)) && k.mv_size == 8 &&
           get_u64(k.mv_data) <= seq)
        if ((rc = mdb_cursor_del(c, 0)))
            break;
    mdb_cursor_close(c);
    if (rc && rc != MDB_NOTFOUND)
        return txn_lmdb(t, rc, "changes");
    return seq > changes_consumed(t) ? meta_put(t, ENV_STATE, consumed_key, seq) : t->err.code;
}
