/* A store that an earlier version made, in one transaction of each environment (store/FORMAT.md).
 */
#include "store/impl.h"

#include <errno.h>

#include "store/cells.h"
#include "store/value.h"

/* ---- rows -------------------------------------------------------------------------------------
 */

static int shorten(const struct sa_table *table, struct slice value, struct buf *ret);

static int shorten_cell(const struct sa_table *table, const struct stored *one, struct buf *staged)
{
    const struct sa_column *c = sa_column_by_number(table, one->number);
    int64_t v;
    if (table->file && one->number == table->file) {
        struct buf row;
        buf_init(&row, ROW_MAX);
        int rc = shorten(table, one->bytes, &row);
        if (!rc)
            staged_put(staged, one->number, row.data, row.len);
        buf_release(&row);
        return rc;
    }
    if (c && !value_is_text(c->syntax) && cells_number(one->bytes, &v))
        staged_number(staged, one->number, v);
    else
        staged_put(staged, one->number, one->bytes.data, one->bytes.len);
    return 0;
}

/* VALUE with its numbers in as few octets as they take: format 1, as rows are in memory. */
static int shorten(const struct sa_table *table, struct slice value, struct buf *ret)
{
    uint32_t changed[8];
    struct stored one;
    struct cells c;
    struct buf staged;
    int rc = cells_open(&c, value);
    if (rc)
        return rc;
    buf_init(&staged, 2 * ROW_MAX);
    while ((rc = cells_next(&c, &one)) == 1)
        if ((rc = shorten_cell(table, &one, &staged)))
            break;
    if (!rc)
        rc = staged.err ? staged.err : cells_merge((struct slice){NULL, 0}, &staged, ret, changed);
    buf_release(&staged);
    return rc;
}

int row_upgrade(const struct sa_table *table, uint64_t seed, struct slice key, struct slice old,
                struct buf *ret)
{
    struct buf row;
    buf_init(&row, 2 * ROW_MAX);
    int rc = shorten(table, old, &row);
    if (!rc) {
        struct slice cells = {row.data + ROW_HEAD_PLAIN, row.len - ROW_HEAD_PLAIN};
        buf_u8(ret, ROW_SUMMED);
        buf_u32(ret, sum_of(seed, key, cells));
        buf_bytes(ret, cells.data, cells.len);
        rc = ret->err;
    }
    buf_release(&row);
    return rc;
}

/* ---- databases --------------------------------------------------------------------------------
 */

/* What is walked: a database, of a table when SLOT is not NULL. */
struct upgrade {
    MDB_txn *x;
    uint64_t version, seed;
    const struct slot *slot;
    struct buf b;
};

/* The value as it is written now, behind the key in u->b. ERR_CORRUPT: it is not what was written,
 * or does not read; it stays, and is told when somebody reads it. */
static int renew(struct upgrade *u, struct slice key, struct slice value)
{
    if (!u->slot) {
        buf_u32(&u->b, sum_of(u->seed, key, value));
        buf_bytes(&u->b, value.data, value.len);
        return u->b.err;
    }
    if (u->version >= VERSION_SUMS && !row_sound(u->seed, key, value))
        return ERR_CORRUPT;
    return row_upgrade(u->slot->table, u->seed, key, value, &u->b);
}

/* LMDB moves what it is given when it lies in the page that it writes to: so all is copied. */
static int upgrade_one(struct upgrade *u, MDB_cursor *c, MDB_val k, MDB_val v)
{
    buf_clear(&u->b);
    buf_bytes(&u->b, k.mv_data, k.mv_size);
    int rc = renew(u, slice_of(k), slice_of(v));
    if (rc)
        return rc == ERR_CORRUPT ? 0 : ENOMEM;
    k.mv_data = u->b.data;
    v = (MDB_val){u->b.len - k.mv_size, u->b.data + k.mv_size};
    return mdb_cursor_put(c, &k, &v, MDB_CURRENT);
}

static int upgrade_values(struct upgrade *u, MDB_dbi dbi, uint64_t seed, const struct slot *slot)
{
    MDB_cursor *c;
    MDB_val k, v;
    int rc = mdb_cursor_open(u->x, dbi, &c);
    if (rc)
        return rc;
    u->seed = seed;
    u->slot = slot;
    while (!(rc = mdb_cursor_get(c, &k, &v, MDB_NEXT))) {
        bool version = !slot && slice_equal(slice_of(k), LITERAL(VERSION_KEY));
        if (!version && (rc = upgrade_one(u, c, k, v)))
            break;
    }
    mdb_cursor_close(c);
    return rc == MDB_NOTFOUND ? 0 : rc;
}

int store_upgrade(struct store *s, MDB_txn *x, int env, uint64_t version)
{
    struct upgrade u = {.x = x, .version = version};
    bool bare = version < VERSION_SUMS;
    int rc = 0;
    buf_init(&u.b, 2 * ROW_MAX);
    for (size_t i = 0; !rc && i < s->nslots; i++)
        if (s->slots[i]->in[env])
            rc = upgrade_values(&u, s->slots[i]->dbi[env], s->slots[i]->seed, s->slots[i]);
    if (!rc && bare)
        rc = upgrade_values(&u, s->meta[env], s->meta_seed, NULL);
    if (!rc && bare && env == ENV_STATE)
        rc = upgrade_values(&u, s->changes, s->changes_seed, NULL);
    for (int i = 0; !rc && bare && env == ENV_STATE && i < KV_MAX; i++)
        rc = upgrade_values(&u, s->kv[i], s->kv_seed[i], NULL);
    buf_release(&u.b);
    return rc;
}
