/* The view. Tables by arc, in each the readable columns, in each the rows by key: since a key's
 * byte order is OID order, GETNEXT is one seek in the table's home environment, and one more lookup
 * only for a cell that lives in the other one. */
#include "store/view.h"

#include <string.h>

#include "base/clock.h"
#include "base/text.h"
#include "store/cells.h"
#include "store/impl.h"
#include "store/value.h"

enum { ENTRY = 1, TABLE_ARCS = 3, SCALAR_ARCS = 2, SUBIDS_MAX = 128 };

int view_register(struct store *s, unsigned table, unsigned column, view_compute cb, void *arg)
{
    struct slot *slot = table < 256 ? s->by_id[table] : NULL;
    if (!slot || column > SA_COLUMN_MAX || !slot->by_number[column])
        return ERR_NOTFOUND;
    slot->compute[column] = (struct compute){cb, arg};
    return 0;
}

/* ---- one cell ---------------------------------------------------------------------------------*/

static void set_default(const struct sa_column *c, struct cell *ret)
{
    ret->number = c->def;
    ret->bytes = (struct slice){NULL, 0};
    if (value_is_text(c->syntax) && c->def_text)
        ret->bytes = (struct slice){(const uint8_t *)c->def_text, strlen(c->def_text)};
}

/* DateAndTime and BITS are numbers inside and octets outside. */
static void to_wire(struct cell *ret)
{
    if (ret->syntax == SA_BITS) {
        ret->bytes =
            (struct slice){ret->scratch, bits_encode(ret->column, ret->number, ret->scratch)};
    } else if (ret->syntax == SA_DATE && ret->number == 0) {
        memset(ret->scratch, 0, NEVER_LEN);
        ret->bytes = (struct slice){ret->scratch, NEVER_LEN};
    } else if (ret->syntax == SA_DATE) {
        clock_date_and_time(ret->number, ret->scratch);
        ret->bytes = (struct slice){ret->scratch, DATE_AND_TIME_LEN};
    }
}

static int index_cell(const struct row *r, const struct sa_column *c, struct cell *ret)
{
    ret->number = value_is_text(c->syntax) ? 0 : row_int(r, c->number);
    ret->bytes = (struct slice){NULL, 0};
    if (value_is_text(c->syntax)) {
        row_str(r, c->number, (char *)ret->scratch, sizeof ret->scratch);
        ret->bytes = (struct slice){ret->scratch, strlen((char *)ret->scratch)};
    }
    return 0;
}

static int stored_cell(const struct row *r, const struct sa_column *c, struct cell *ret)
{
    struct slice cell;
    int env = column_env(r->table, c);
    if (env == ENV_COUNT ||
        !cells_find(env == ENV_SAMPLES ? r->volatile_ : r->durable, c->number, &cell)) {
        set_default(c, ret);
        return c->required ? ERR_NOTFOUND : 0;
    }
    ret->number = 0;
    ret->bytes = cell;
    if (value_is_text(c->syntax))
        return 0;
    ret->bytes.len = 0;
    return cells_number(cell, &ret->number) ? 0 : ERR_NOTFOUND;
}

static int slot_cell(struct txn *t, const struct slot *slot, const struct row *r,
                     const struct sa_column *c, struct cell *ret)
{
    const struct compute *f = &slot->compute[c->number];
    int rc = 0;
    ret->column = c;
    ret->syntax = c->syntax;
    if (f->cb) {
        set_default(c, ret);
        f->cb(f->arg, t, r, ret);
        rc = t->err.code;
    } else if (sa_index_part(slot->table, c) >= 0) {
        rc = index_cell(r, c, ret);
    } else {
        rc = stored_cell(r, c, ret);
    }
    if (!rc)
        to_wire(ret);
    return rc;
}

int view_cell(struct txn *t, const struct row *r, const struct sa_column *c, struct cell *ret)
{
    struct slot *slot = slot_of(t->store, r->table);
    return slot ? slot_cell(t, slot, r, c, ret) : ERR_UNSUPPORTED;
}

/* The cell of a row whose home part is HOME; the other part is fetched only if it is needed. */
static int cell_of(struct txn *t, const struct slot *slot, const struct sa_column *c,
                   struct slice key, struct slice home, struct cell *ret)
{
    struct row r = {slot->table, key, {NULL, 0}, {NULL, 0}};
    struct slice *part[ENV_COUNT] = {&r.durable, &r.volatile_};
    int other = ENV_COUNT - 1 - slot->home;
    *part[slot->home] = home;
    bool needed = slot->compute[c->number].cb || column_env(slot->table, c) == other;
    if (needed && slot->in[other] && part_get(t, other, slot, key, part[other]) && t->err.code)
        return t->err.code;
    return slot_cell(t, slot, &r, c, ret);
}

/* Scalars exist whether or not one of them has been stored; their index is 0. */
static const uint8_t scalar_key[4];

static int scalar_cell(struct txn *t, const struct slot *slot, const struct sa_column *c,
                       struct cell *ret)
{
    struct slice key = {scalar_key, sizeof scalar_key}, home = {NULL, 0};
    int rc = part_get(t, slot->home, slot, key, &home);
    return rc && rc != ERR_NOTFOUND ? rc : cell_of(t, slot, c, key, home, ret);
}

/* ---- GET --------------------------------------------------------------------------------------
 */

static bool readable(const struct sa_column *c)
{
    return c && c->access >= SA_READ_ONLY;
}

bool view_owned(const struct sa_table *table)
{
    return table->nindex && !strcmp(table->index[0].name, "saOwner");
}

/* OWNER NULL: the whole view. */
static bool shown(const struct slot *slot, const struct key *owner)
{
    return slot && (!owner || view_owned(slot->table));
}

int view_get_of(struct txn *t, const struct key *owner, const uint32_t *subids, size_t n,
                struct cell *ret)
{
    struct key k;
    struct slice home;
    struct slot *slot = n && subids[0] < 256 ? t->store->by_id[subids[0]] : NULL;
    if (!shown(slot, owner))
        return ERR_UNSUPPORTED;
    size_t arcs = slot->table->scalars ? SCALAR_ARCS : TABLE_ARCS;
    if (n < arcs || (arcs == TABLE_ARCS && subids[1] != ENTRY))
        return ERR_UNSUPPORTED;
    uint32_t number = subids[arcs - 1];
    const struct sa_column *c = number <= SA_COLUMN_MAX ? slot->by_number[number] : NULL;
    if (!readable(c))
        return ERR_UNSUPPORTED;
    if (!key_from_subids(&k, subids + arcs, n - arcs))
        return ERR_NOTFOUND;
    if (owner && !key_begins(key_slice(&k), owner))
        return ERR_NOTFOUND;
    if (slot->table->scalars && slice_equal(key_slice(&k), (struct slice){scalar_key, 4}))
        return scalar_cell(t, slot, c, ret);
    int rc = part_get(t, slot->home, slot, key_slice(&k), &home);
    return rc ? rc : cell_of(t, slot, c, key_slice(&k), home, ret);
}

int view_get(struct txn *t, const uint32_t *subids, size_t n, struct cell *ret)
{
    return view_get_of(t, NULL, subids, n, ret);
}

/* ---- GETNEXT ----------------------------------------------------------------------------------
 */

/* Where to look on: the COLUMN-th readable column of a table, rows from K on, or behind K. */
struct place {
    unsigned table; /* arc; 256: the end */
    size_t column;
    struct key k;
    bool after;
};

static void place_table(struct place *p, uint64_t arc)
{
    p->table = arc < 256 ? (unsigned)arc : 256;
    p->column = 0;
    p->k.len = 0;
    p->after = false;
}

static void place_column(struct place *p, size_t column)
{
    p->column = column;
    p->k.len = 0;
    p->after = false;
}

/* SUBIDS, whatever they are, as the place where the next instance can be first. */
static void place_of(const struct store *s, const uint32_t *subids, size_t n, struct place *p)
{
    place_table(p, n ? subids[0] : 0);
    struct slot *slot = p->table < 256 ? s->by_id[p->table] : NULL;
    if (!slot || n < 2)
        return;
    size_t arcs = slot->table->scalars ? SCALAR_ARCS : TABLE_ARCS, i = 0;
    if (arcs == TABLE_ARCS && subids[1] != ENTRY) {
        if (subids[1] > ENTRY)
            place_table(p, (uint64_t)p->table + 1);
        return;
    }
    if (n < arcs)
        return;
    while (i < slot->nreadable && slot->readable[i]->number < subids[arcs - 1])
        i++;
    p->column = i;
    if (i == slot->nreadable || slot->readable[i]->number != subids[arcs - 1])
        return;
    key_from_subids(&p->k, subids + arcs, n - arcs); /* what is cut off is behind every key */
    p->after = p->k.len > 0;
}

size_t view_oid(const struct sa_table *table, unsigned column, const struct slice *key,
                uint32_t *ret_subids, size_t cap)
{
    const uint32_t arcs[TABLE_ARCS] = {table->id, ENTRY, column};
    const uint32_t scalar_arcs[SCALAR_ARCS] = {table->id, column};
    size_t n = table->scalars ? SCALAR_ARCS : TABLE_ARCS;
    if (cap < n)
        return 0;
    memcpy(ret_subids, table->scalars ? scalar_arcs : arcs, n * sizeof arcs[0]);
    return n + key_to_subids(key, ret_subids + n, cap - n);
}

/* Before the owner's rows: to their start. 0; ERR_NOTFOUND: it is behind them. */
static int place_within(struct place *p, const struct key *owner)
{
    if (key_begins(key_slice(&p->k), owner))
        return 0;
    size_t n = p->k.len < owner->len ? p->k.len : owner->len;
    if (memcmp(p->k.data, owner->data, n) > 0)
        return ERR_NOTFOUND;
    p->k = *owner;
    p->after = false;
    return 0;
}

/* Did the last call leave the cursor at the very row behind which to look? Then the next one is
 * beside it: a walk within one transaction searches once. */
static bool is_at(const struct txn *t, const struct curs *c, const struct place *p)
{
    return p->after && c->walked == t->generation && c->writes == t->writes &&
           c->k.mv_size == p->k.len && !memcmp(c->k.mv_data, p->k.data, p->k.len);
}

/* The first row from the place on. */
static int first_row(const struct txn *t, struct curs *c, const struct place *p, MDB_val *k,
                     MDB_val *v)
{
    *k = (MDB_val){p->k.len, (void *)(uintptr_t)p->k.data};
    if (is_at(t, c, p))
        return mdb_cursor_get(c->mdb, k, v, MDB_NEXT);
    c->walked = 0;
    int rc = mdb_cursor_get(c->mdb, k, v, p->k.len ? MDB_SET_RANGE : MDB_FIRST);
    if (!rc && p->after && k->mv_size == p->k.len && !memcmp(k->mv_data, p->k.data, k->mv_size))
        rc = mdb_cursor_get(c->mdb, k, v, MDB_NEXT);
    return rc;
}

/* The next row, of OWNER unless NULL, that has a cell in this column. ERR_NOTFOUND: none; then
 * EMPTY says whether there is no such row in the table at all. */
static int next_in_column(struct txn *t, const struct slot *slot, const struct key *owner,
                          struct place *p, struct slice *ret_key, struct cell *ret, bool *ret_empty)
{
    struct curs *c = txn_cursor(t, slot->home, slot);
    bool from_start = !p->k.len;
    *ret_empty = false;
    if (!c)
        return t->err.code;
    if (slot->table->scalars) {
        *ret_key = (struct slice){scalar_key, sizeof scalar_key};
        return p->after ? ERR_NOTFOUND : scalar_cell(t, slot, slot->readable[p->column], ret);
    }
    if (owner && place_within(p, owner))
        return ERR_NOTFOUND;
    MDB_val k, v;
    int rc = first_row(t, c, p, &k, &v);
    *ret_empty =
        from_start && (rc == MDB_NOTFOUND || (!rc && owner && !key_begins(slice_of(k), owner)));
    for (; !rc; rc = mdb_cursor_get(c->mdb, &k, &v, MDB_NEXT)) {
        *ret_key = slice_of(k);
        c->walked = 0; /* the cursor has moved on */
        if (owner && !key_begins(*ret_key, owner))
            return ERR_NOTFOUND;
        c->k = k;
        c->writes = t->writes;
        c->walked = t->generation; /* until a computed cell moves it */
        if (part_check(t, slot, *ret_key, slice_of(v)))
            return t->err.code;
        int code = cell_of(t, slot, slot->readable[p->column], *ret_key, slice_of(v), ret);
        if (code != ERR_NOTFOUND)
            return code;
    }
    return txn_lmdb(t, rc, slot->table->name);
}

int view_next_of(struct txn *t, const struct key *owner, const uint32_t *subids, size_t n,
                 uint32_t *ret_subids, size_t *ret_n, struct cell *ret)
{
    struct place p;
    struct slice key;
    bool empty;
    place_of(t->store, subids, n, &p);
    while (p.table < 256) {
        struct slot *slot = t->store->by_id[p.table];
        if (!shown(slot, owner) || p.column >= slot->nreadable) {
            place_table(&p, (uint64_t)p.table + 1);
            continue;
        }
        int rc = next_in_column(t, slot, owner, &p, &key, ret, &empty);
        if (!rc)
            *ret_n = view_oid(slot->table, slot->readable[p.column]->number, &key, ret_subids,
                              SUBIDS_MAX);
        if (rc != ERR_NOTFOUND)
            return rc;
        if (empty)
            place_table(&p, (uint64_t)p.table + 1);
        else
            place_column(&p, p.column + 1);
    }
    return txn_error(t) ? txn_error(t) : ERR_NOTFOUND;
}

int view_next(struct txn *t, const uint32_t *subids, size_t n, uint32_t *ret_subids, size_t *ret_n,
              struct cell *ret)
{
    return view_next_of(t, NULL, subids, n, ret_subids, ret_n, ret);
}
