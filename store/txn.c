/* Transactions. Readers and their cursors are kept between transactions (reset, renewed), which is
 * what makes a GETNEXT cost microseconds; a transaction's generation says whether a kept cursor has
 * been renewed in it. Everything that LMDB refuses ends in the sticky error. */
#include "store/impl.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/cells.h"

enum {
    GROWTH_EVERY = 512, /* growing writes between two looks at the size */
    VALUE_MAX = ROW_MAX + 64,
};

int txn_env(const struct txn *t)
{
    static const int envs[] = {
        [TXN_READ] = ENV_COUNT,
        [TXN_WRITE] = ENV_STATE,
        [TXN_WRITE_SAMPLES] = ENV_SAMPLES,
    };
    return envs[t->kind];
}

int txn_error(const struct txn *t)
{
    return t ? t->err.code : ERR_INVALID;
}

/* The process is to end: nothing that it goes on to do can be relied on. */
static void tell_fatal(struct txn *t, int code)
{
    struct store *s = t->store;
    if (!s->on_fatal || s->fatal)
        return;
    s->fatal = true;
    s->on_fatal(s->fatal_arg, code, t->err.text);
}

void store_on_fatal(struct store *s, void (*cb)(void *arg, int code, const char *words), void *arg)
{
    s->on_fatal = cb;
    s->fatal_arg = arg;
}

int txn_fail(struct txn *t, int code)
{
    return txn_fail_words(t, code, "%s", err_name(code));
}

int txn_fail_words(struct txn *t, int code, const char *fmt, ...)
{
    char text[ERR_TEXT_MAX];
    va_list ap;
    if (t->err.code)
        return t->err.code;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    return err_set(&t->err, code, "%s", text);
}

int txn_lmdb(struct txn *t, int rc, const char *what)
{
    int code = lmdb_code(rc);
    if (!code || code == ERR_NOTFOUND)
        return code;
    txn_fail_words(t, code, "%s: %s: %s", t->store->path, what, mdb_strerror(rc));
    if (code == ERR_CORRUPT || rc == MDB_PANIC)
        tell_fatal(t, code);
    return code;
}

static int begin_mdb(struct txn *t, int env)
{
    struct store *s = t->store;
    unsigned flags = txn_env(t) == env ? 0 : MDB_RDONLY;
    int rc;
    if (t->mdb[env])
        return mdb_txn_renew(t->mdb[env]);
    rc = mdb_txn_begin(s->env[env], NULL, flags, &t->mdb[env]);
    if (rc == MDB_READERS_FULL && !mdb_reader_check(s->env[env], NULL))
        rc = mdb_txn_begin(s->env[env], NULL, flags, &t->mdb[env]);
    return rc;
}

MDB_txn *txn_mdb(struct txn *t, int env)
{
    if (t->err.code)
        return NULL;
    if (t->live[env])
        return t->mdb[env];
    if (txn_lmdb(t, begin_mdb(t, env), "beginning a transaction"))
        return NULL;
    t->live[env] = true;
    return t->mdb[env];
}

/* A struct that is not in use; more at once than the header allows is a mistake of ours. */
static struct txn *txn_idle(struct store *s, enum txn_kind kind)
{
    if (kind == TXN_WRITE)
        return s->write.open ? &s->broken : &s->write;
    if (kind == TXN_WRITE_SAMPLES)
        return s->samples.open ? &s->broken : &s->samples;
    for (int i = 0; i < READ_TXN_MAX; i++)
        if (!s->read[i].open)
            return &s->read[i];
    return &s->broken;
}

struct txn *txn_begin(struct store *s, enum txn_kind kind)
{
    if (!s)
        return NULL;
    struct txn *t = txn_idle(s, kind);
    t->open = true;
    t->allow_growth = false;
    t->generation = ++s->generation;
    t->growths = 0;
    t->named = false;
    t->err.code = 0;
    t->err.text[0] = 0;
    if (t == &s->broken)
        txn_fail_words(t, ERR_INVALID, "a transaction of this kind is under way");
    else if (kind == TXN_READ) /* both now: one instant of each */
        (void)(txn_mdb(t, ENV_STATE) && txn_mdb(t, ENV_SAMPLES));
    else
        txn_mdb(t, txn_env(t));
    return t;
}

/* LMDB frees the cursors of a write transaction with it. */
static void close_cursors(struct txn *t, int env)
{
    for (size_t i = 0; i < t->store->nslots; i++) {
        struct curs *c = t->curs[env][i];
        t->curs[env][i] = NULL;
        for (struct curs *next; c; c = next) {
            next = c->next;
            mdb_cursor_close(c->mdb);
            free(c);
        }
    }
}

static int txn_end(struct txn *t, bool commit)
{
    int own = txn_env(t), rc = 0;
    for (int env = 0; env < ENV_COUNT; env++) {
        if (!t->live[env])
            continue;
        t->live[env] = false;
        if (env != own) {
            mdb_txn_reset(t->mdb[env]);
            continue;
        }
        close_cursors(t, env);
        if (commit)
            rc = mdb_txn_commit(t->mdb[env]);
        else
            mdb_txn_abort(t->mdb[env]);
        t->mdb[env] = NULL;
    }
    t->open = false;
    t->generation = 0;
    return rc;
}

/* A commit may fail where nobody knows what has reached the disk: then LMDB does no more with this
 * environment, and says so to the next one who asks. */
static bool is_panicked(struct txn *t)
{
    MDB_txn *x;
    int rc = mdb_txn_begin(t->store->env[txn_env(t)], NULL, MDB_RDONLY, &x);
    if (!rc)
        mdb_txn_abort(x);
    return rc == MDB_PANIC;
}

int txn_commit(struct txn *t, struct err *e)
{
    if (!t)
        return err_set(e, ERR_INVALID, "no store");
    int rc = txn_end(t, !t->err.code);
    if (rc)
        txn_lmdb(t, rc, "committing");
    if (t->err.code == ERR_FULL)
        reserve_give(t->store);
    if (rc && txn_env(t) < ENV_COUNT && is_panicked(t))
        tell_fatal(t, ERR_IO);
    return t->err.code ? err_set(e, t->err.code, "%s", t->err.text) : 0;
}

void txn_abort(struct txn *t)
{
    if (t)
        txn_end(t, false);
}

void txn_allow_growth(struct txn *t)
{
    t->allow_growth = true;
}

int txn_growth(struct txn *t)
{
    if (t->allow_growth || t->growths++ % GROWTH_EVERY || !env_full(t->store, txn_env(t)))
        return 0;
    return txn_fail_words(t, ERR_FULL, "%s: more than %d %% full, nothing may be added",
                          t->store->path, FULL_PERCENT);
}

static struct curs *cursor_open(struct txn *t, int env, const struct slot *slot)
{
    struct curs *c = calloc(1, sizeof *c);
    if (!c) {
        txn_fail(t, ERR_NOMEM);
        return NULL;
    }
    if (txn_lmdb(t, mdb_cursor_open(t->mdb[env], slot->dbi[env], &c->mdb), "opening a cursor")) {
        free(c);
        return NULL;
    }
    c->bound = t->generation;
    c->next = t->curs[env][slot->number];
    t->curs[env][slot->number] = c;
    return c;
}

struct curs *txn_cursor(struct txn *t, int env, const struct slot *slot)
{
    MDB_txn *x = txn_mdb(t, env);
    if (!x)
        return NULL;
    struct curs *c = t->curs[env][slot->number];
    while (c && c->busy == t->generation)
        c = c->next;
    if (!c)
        return cursor_open(t, env, slot);
    if (c->bound != t->generation) {
        if (txn_lmdb(t, mdb_cursor_renew(x, c->mdb), "renewing a cursor"))
            return NULL;
        c->bound = t->generation;
    }
    return c;
}

/* ---- what is read is what was written ---------------------------------------------------------
 */

const char *key_words(struct slice key, char ret[KEY_WORDS_MAX])
{
    int n = 0;
    ret[0] = 0;
    for (size_t i = 0; i + 4 <= key.len && n < KEY_WORDS_MAX - 16; i += 4)
        n += snprintf(ret + n, KEY_WORDS_MAX - (size_t)n, i ? ".%u" : "%u", get_u32(key.data + i));
    return ret;
}

int txn_damage(struct txn *t, const char *db, struct slice key)
{
    char words[KEY_WORDS_MAX];
    txn_fail_words(t, ERR_CORRUPT, "%s: %s %s is damaged: it is not what was written",
                   t->store->path, db, key_words(key, words));
    tell_fatal(t, ERR_CORRUPT);
    return t->err.code;
}

int sealed_put(MDB_txn *x, MDB_dbi dbi, uint64_t seed, struct slice key, struct slice value,
               unsigned flags)
{
    uint32_t sum = sum_of(seed, key, value);
    MDB_val k = val_of(key), v = {SUM_LEN + value.len, NULL};
    int rc = mdb_put(x, dbi, &k, &v, flags | MDB_RESERVE);
    if (rc)
        return rc;
    uint8_t *p = v.mv_data;
    if (value.len)
        memmove(p + SUM_LEN, value.data, value.len);
    put_u32(p, sum);
    return 0;
}

int sealed_open(struct txn *t, const char *db, uint64_t seed, struct slice key, MDB_val v,
                struct slice *ret)
{
    struct slice stored = slice_of(v);
    if (stored.len > VALUE_MAX || !sum_open(seed, key, stored, ret))
        return txn_damage(t, db, key);
    return 0;
}

int part_check(struct txn *t, const struct slot *slot, struct slice key, struct slice value)
{
    if (key.len > SA_KEY_MAX || value.len > VALUE_MAX || !row_sound(slot->seed, key, value))
        return txn_damage(t, slot->table->name, key);
    return 0;
}

/* ---- parts of rows ----------------------------------------------------------------------------
 */

int part_get(struct txn *t, int env, const struct slot *slot, struct slice key, struct slice *ret)
{
    MDB_txn *x = txn_mdb(t, env);
    if (!x)
        return t->err.code;
    if (!key.len || !slot->in[env])
        return ERR_NOTFOUND;
    MDB_val k = val_of(key), v;
    int rc = mdb_get(x, slot->dbi[env], &k, &v);
    if (rc)
        return rc == MDB_NOTFOUND ? ERR_NOTFOUND : txn_lmdb(t, rc, slot->table->name);
    if (part_check(t, slot, key, slice_of(v)))
        return t->err.code;
    *ret = slice_of(v);
    return 0;
}

/* VALUE's cells, in the format that has a sum. */
static int put_summed(MDB_txn *x, int env, const struct slot *slot, struct slice key,
                      struct slice cells)
{
    uint32_t sum = sum_of(slot->seed, key, cells);
    MDB_val k = val_of(key), v = {ROW_HEAD_SUMMED + cells.len, NULL};
    int rc = mdb_put(x, slot->dbi[env], &k, &v, MDB_RESERVE);
    if (rc)
        return rc;
    uint8_t *p = v.mv_data;
    if (cells.len)
        memmove(p + ROW_HEAD_SUMMED, cells.data, cells.len);
    p[0] = ROW_SUMMED;
    put_u32(p + 1, sum);
    return 0;
}

int part_put(struct txn *t, const struct slot *slot, struct slice key, struct slice value,
             bool grows)
{
    int env = txn_env(t);
    MDB_txn *x = txn_mdb(t, env);
    if (!x || (grows && txn_growth(t)))
        return t->err.code;
    struct cells c;
    if (cells_open(&c, value))
        return txn_fail_words(t, ERR_CORRUPT, "%s: a row that does not read", slot->table->name);
    t->writes++;
    return txn_lmdb(t, put_summed(x, env, slot, key, c.rest), slot->table->name);
}

int part_del(struct txn *t, const struct slot *slot, struct slice key)
{
    int env = txn_env(t);
    MDB_txn *x = txn_mdb(t, env);
    if (!x)
        return t->err.code;
    MDB_val k = val_of(key);
    t->writes++;
    return txn_lmdb(t, mdb_del(x, slot->dbi[env], &k, NULL), slot->table->name);
}
