/* Changing rows: cells are checked as they are staged and merged into the row as it is when put. */
#include "store/impl.h"

#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "store/cells.h"
#include "store/value.h"

enum { SPARE_MAX = 16384 }; /* octets that are kept for the next edit */

/* Finds out whether the row is there, and keeps what it read for putting it. */
static bool look(struct edit *d)
{
    struct txn *t = d->txn;
    struct slot *slot = slot_of(t->store, d->table);
    d->before_at = 0;
    if (!slot || slot->home != txn_env(t))
        return row_exists(t, d->table, &d->key);
    int rc = part_get(t, slot->home, slot, key_slice(&d->key), &d->before);
    if (!rc || rc == ERR_NOTFOUND)
        d->before_at = t->writes + 1;
    return !rc;
}

/* The part that is edited, as it is now. */
static int before(struct edit *d, struct slot *slot, struct slice *ret)
{
    if (d->before_at != d->txn->writes + 1)
        return part_get(d->txn, txn_env(d->txn), slot, key_slice(&d->key), ret);
    if (!d->existed)
        return ERR_NOTFOUND;
    *ret = d->before;
    return 0;
}

static void begin(struct edit *d, struct txn *t, const struct sa_table *table, const struct key *k)
{
    d->txn = t;
    d->table = table;
    d->key = *k;
    d->cells = t->spare;
    buf_clear(&d->cells);
    buf_init(&t->spare, ROW_MAX);
    d->err = 0;
    d->err_column = 0;
    memset(d->changed, 0, sizeof d->changed);
}

void edit_begin(struct edit *d, struct txn *t, const struct sa_table *table, const struct key *k)
{
    begin(d, t, table, k);
    d->existed = look(d);
}

void edit_new(struct edit *d, struct txn *t, const struct sa_table *table, const struct key *k)
{
    begin(d, t, table, k);
    d->existed = false;
    d->before_at = t->writes + 1;
}

void edit_cancel(struct edit *d)
{
    struct buf *spare = &d->txn->spare;
    if (!spare->data && d->cells.cap <= SPARE_MAX) {
        *spare = d->cells;
        buf_init(&d->cells, ROW_MAX);
    }
    buf_release(&d->cells);
}

static void refuse(struct edit *d, unsigned column, int code)
{
    if (d->err)
        return;
    d->err = code;
    d->err_column = (uint8_t)column;
}

/* The column, if this edit may stage it. */
static const struct sa_column *stageable(struct edit *d, unsigned column)
{
    const struct sa_column *c = sa_column_by_number(d->table, column);
    if (d->err)
        return NULL;
    if (!c || column_env(d->table, c) != txn_env(d->txn)) {
        refuse(d, column, ERR_INVALID);
        return NULL;
    }
    return c;
}

void edit_int(struct edit *d, unsigned column, int64_t v)
{
    const struct sa_column *c = stageable(d, column);
    int rc = c ? value_number(c, v, NULL) : 0;
    if (rc)
        refuse(d, column, rc);
    else if (c)
        staged_number(&d->cells, column, v);
}

void edit_text(struct edit *d, unsigned column, const void *p, size_t n)
{
    const struct sa_column *c = stageable(d, column);
    int rc = c ? value_text(c, p, n, NULL) : 0;
    if (rc)
        refuse(d, column, rc);
    else if (c)
        staged_put(&d->cells, column, p, n);
}

void edit_str(struct edit *d, unsigned column, const char *s)
{
    const struct sa_column *c = stageable(d, column);
    int64_t min, max;
    if (!c)
        return;
    value_range(c, &min, &max);
    edit_text(d, column, s, utf8_cut(s, strlen(s), (size_t)max));
}

void edit_clear(struct edit *d, unsigned column)
{
    if (stageable(d, column))
        staged_clear(&d->cells, column);
}

void edit_file_text(struct edit *d, unsigned column, const void *p, size_t n)
{
    struct buf named, whole;
    uint32_t changed[8];
    buf_init(&named, HIDDEN_MAX);
    buf_init(&whole, HIDDEN_MAX);
    staged_put(&named, column, p, n);
    if (named.err || cells_merge((struct slice){NULL, 0}, &named, &whole, changed))
        refuse(d, column, ERR_WRONG_LENGTH);
    else
        edit_text(d, d->table->file, whole.data, whole.len);
    buf_release(&named);
    buf_release(&whole);
}

/* As it stands: staged, else stored, else the default. */
static int64_t current(struct edit *d, const struct sa_column *c)
{
    struct slice cell, part;
    int64_t v;
    struct slot *slot = slot_of(d->txn->store, d->table);
    int staged = staged_find(&d->cells, c->number, &cell);
    if (staged == 0 || !slot)
        return c->def;
    if (staged < 0 && (before(d, slot, &part) || !cells_find(part, c->number, &cell)))
        return c->def;
    return cells_number(cell, &v) ? v : c->def;
}

void edit_add(struct edit *d, unsigned column, int64_t delta)
{
    const struct sa_column *c = stageable(d, column);
    int64_t min, max, v;
    if (!c)
        return;
    int64_t now = current(d, c);
    value_range(c, &min, &max);
    if (c->syntax == SA_COUNTER)
        v = (int64_t)(uint32_t)((uint64_t)now + (uint64_t)delta);
    else if (__builtin_add_overflow(now, delta, &v))
        v = delta < 0 ? min : max;
    edit_int(d, column, v < min ? min : v > max ? max : v);
}

/* The cell's octets under their own merging take no more place. */
static bool grows(struct slice old, const struct buf *after, bool existed)
{
    return !existed || after->len > old.len;
}

static int put(struct edit *d, struct err *e)
{
    struct txn *t = d->txn;
    struct slot *slot = slot_of(t->store, d->table);
    struct slice key = key_slice(&d->key), old = {NULL, 0};
    if (!slot || txn_env(t) == ENV_COUNT || !slot->in[txn_env(t)])
        return err_set(e, ERR_INVALID, "%s: edited in the wrong kind of transaction",
                       d->table->name);
    if (!key_valid(d->table, &key))
        return err_set(e, ERR_INVALID, "%s: not an index of this table", d->table->name);
    if (d->cells.err)
        return err_set(e, d->cells.err, "%s: more than %d octets in a row", d->table->name,
                       ROW_MAX);
    int rc = t->err.code ? t->err.code : before(d, slot, &old);
    if (rc && rc != ERR_NOTFOUND)
        return rc;
    bool existed = !rc;
    buf_clear(&t->scratch);
    rc = cells_merge(old, &d->cells, &t->scratch, d->changed);
    if (rc)
        return txn_fail_words(t, rc, "%s: a row that does not read", d->table->name);
    if (existed && !bits_any(d->changed))
        return 0;
    struct slice after = {t->scratch.data, t->scratch.len};
    rc = part_put(t, slot, key, after, grows(old, &t->scratch, existed));
    if (!rc && !existed && txn_env(t) == ENV_STATE)
        count_add(t, slot, key, 1);
    return rc;
}

/* Words for the first cell that was refused. */
static int refused(const struct edit *d, struct err *e)
{
    const struct sa_column *c = sa_column_by_number(d->table, d->err_column);
    static const char *const reasons[] = {"not a column that this transaction may write",
                                          "wrong type", "wrong length", "wrong value"};
    int i = d->err == ERR_WRONG_TYPE     ? 1
            : d->err == ERR_WRONG_LENGTH ? 2
            : d->err == ERR_WRONG_VALUE  ? 3
                                         : 0;
    if (!c)
        return err_set(e, d->err, "%s: no column %u", d->table->name, d->err_column);
    return err_set(e, d->err, "%s: %s: %s", d->table->name, c->name, reasons[i]);
}

int row_put(struct edit *d, struct err *e)
{
    struct txn *t = d->txn;
    int rc = t->err.code;
    if (!rc)
        rc = d->err ? refused(d, e) : put(d, e);
    if (t->err.code)
        err_set(e, t->err.code, "%s", t->err.text);
    edit_cancel(d);
    return rc;
}
