/* Reading rows: cells are found in the borrowed bytes, nothing is copied. */
#include "store/impl.h"

#include <string.h>

#include "base/text.h"
#include "store/cells.h"

static const struct slice nothing;

int row_get(struct txn *t, const struct sa_table *table, const struct key *k, struct row *ret)
{
    struct slot *slot = slot_of(t->store, table);
    struct row r = {table, key_slice(k), nothing, nothing};
    struct slice *part[ENV_COUNT] = {&r.durable, &r.volatile_};
    if (!slot)
        return txn_fail_words(t, ERR_INVALID, "%s is not open", table->name);
    int other = ENV_COUNT - 1 - slot->home;
    int rc = part_get(t, slot->home, slot, r.key, part[slot->home]);
    if (!rc && slot->in[other] && part_get(t, other, slot, r.key, part[other]))
        rc = t->err.code;
    if (!rc)
        *ret = r;
    return rc;
}

bool row_exists(struct txn *t, const struct sa_table *table, const struct key *k)
{
    struct slot *slot = slot_of(t->store, table);
    struct slice value;
    return slot && !part_get(t, slot->home, slot, key_slice(k), &value);
}

/* The cell's octets as stored. */
static bool row_cell(const struct row *r, const struct sa_column *c, struct slice *ret)
{
    int env = column_env(r->table, c);
    if (env == ENV_COUNT)
        return false;
    return cells_find(env == ENV_SAMPLES ? r->volatile_ : r->durable, c->number, ret);
}

/* The index part at POSITION: a number, or a name when NAME (33 octets) is not NULL. */
static bool index_part(const struct row *r, int position, uint32_t *ret, char *name)
{
    size_t pos = 0;
    char skipped[NAME_MAX_LEN + 1];
    for (int i = 0; i <= position; i++) {
        bool is_name = r->table->index[i].syntax == SA_NAME;
        char *into = i == position && name ? name : skipped;
        if (is_name ? !key_read_name(&r->key, &pos, into) : !key_read_u32(&r->key, &pos, ret))
            return false;
    }
    return true;
}

bool row_has(const struct row *r, unsigned column)
{
    struct slice cell;
    const struct sa_column *c = sa_column_by_number(r->table, column);
    return c && (sa_index_part(r->table, c) >= 0 || row_cell(r, c, &cell));
}

int64_t row_int(const struct row *r, unsigned column)
{
    struct slice cell;
    int64_t v;
    uint32_t part = 0;
    const struct sa_column *c = sa_column_by_number(r->table, column);
    if (!c)
        return 0;
    int position = sa_index_part(r->table, c);
    if (position >= 0)
        return index_part(r, position, &part, NULL) ? part : 0;
    return row_cell(r, c, &cell) && cells_number(cell, &v) ? v : c->def;
}

struct slice row_text(const struct row *r, unsigned column)
{
    struct slice cell = nothing;
    const struct sa_column *c = sa_column_by_number(r->table, column);
    if (c && !row_cell(r, c, &cell) && c->def_text)
        cell = (struct slice){(const uint8_t *)c->def_text, strlen(c->def_text)};
    return cell;
}

char *row_str(const struct row *r, unsigned column, char *dst, size_t cap)
{
    char name[NAME_MAX_LEN + 1] = "";
    uint32_t ignored;
    struct slice s = row_text(r, column);
    const struct sa_column *c = sa_column_by_number(r->table, column);
    int position = c ? sa_index_part(r->table, c) : -1;
    if (position >= 0 && index_part(r, position, &ignored, name))
        s = (struct slice){(const uint8_t *)name, strlen(name)};
    size_t n = utf8_cut(s.data, s.len, cap - 1);
    if (n)
        memcpy(dst, s.data, n);
    dst[n] = 0;
    return dst;
}

bool row_file_text(const struct row *r, unsigned column, struct slice *ret)
{
    struct slice file;
    return r->table->file && cells_find(r->durable, r->table->file, &file) &&
           cells_find(file, column, ret);
}

bool row_as_in_file(const struct row *r, unsigned column)
{
    struct slice file;

    return row_file_text(r, column, &file) && slice_equal(row_text(r, column), file);
}

bool row_active(const struct row *r)
{
    return !r->table->row_status || row_int(r, r->table->row_status) == ROW_ACTIVE;
}

int row_delete(struct txn *t, const struct sa_table *table, const struct key *k)
{
    struct slot *slot = slot_of(t->store, table);
    int env = txn_env(t);
    if (t->err.code)
        return t->err.code;
    if (!slot || env == ENV_COUNT || !slot->in[env])
        return txn_fail_words(t, ERR_INVALID, "%s: deleted in the wrong kind of transaction",
                              table->name);
    int rc = k->len ? part_del(t, slot, key_slice(k)) : ERR_NOTFOUND;
    if (!rc && env == ENV_STATE)
        count_add(t, slot, key_slice(k), -1);
    return rc;
}

uint64_t table_count(struct txn *t, const struct sa_table *table)
{
    struct slot *slot = slot_of(t->store, table);
    MDB_txn *x = slot ? txn_mdb(t, slot->home) : NULL;
    MDB_stat stat;
    if (!x || mdb_stat(x, slot->dbi[slot->home], &stat))
        return 0;
    return stat.ms_entries;
}
