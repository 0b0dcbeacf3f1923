#include "alerts/alarms.h"

#include <string.h>

#include "base/clock.h"

static const struct slice nothing = {(const uint8_t *)"", 0};

struct key alarms_key(const char *owner, int64_t at_ms, uint32_t alert)
{
    uint8_t date[DATE_AND_TIME_LEN];
    struct key k = key_of_name(owner);

    clock_date_and_time(at_ms, date);
    key_name(&k, date, sizeof date);
    key_u32(&k, alert);
    return k;
}

static int gone(int err)
{
    return err == ERR_NOTFOUND ? 0 : err;
}

/* ---- counts ---- */

enum { COUNTS_LEN = STD_COUNTERS * 8 };

int alarms_counts(struct txn *t, const char *owner, struct alarm_counts *ret)
{
    struct key k = key_of_name(owner);
    struct slice v;
    int err = kv_get(t, ALARMS_COUNTS, key_slice(&k), &v);

    memset(ret, 0, sizeof *ret);
    if (err)
        return gone(err);
    if (v.len != COUNTS_LEN)
        return txn_fail(t, ERR_CORRUPT);
    for (size_t i = 0; i < STD_COUNTERS; i++)
        ret->n[i] = (int64_t)get_u64(v.data + 8 * i);
    return 0;
}

static int put_counts(struct txn *t, struct slice key, const struct alarm_counts *c)
{
    uint8_t v[COUNTS_LEN];

    for (size_t i = 0; i < STD_COUNTERS; i++)
        put_u64(v + 8 * i, (uint64_t)c->n[i]);
    return kv_put(t, ALARMS_COUNTS, key, (struct slice){v, sizeof v});
}

/* Adds ADD to what is counted of OWNER and of all; times are replaced. */
static int count(struct txn *t, const char *owner, const struct alarm_counts *add)
{
    const char *const whose[] = {owner, ""};
    int err = 0;

    for (size_t w = 0; w < 2 && !err; w++) {
        struct key k = key_of_name(whose[w]);
        struct alarm_counts c;

        err = alarms_counts(t, whose[w], &c);
        for (size_t i = 0; i < STD_COUNTERS; i++) {
            if (i < STD_LAST_RAISE)
                c.n[i] += add->n[i];
            else if (add->n[i])
                c.n[i] = add->n[i];
        }
        if (!err)
            err = put_counts(t, key_slice(&k), &c);
    }
    return err;
}

static struct alarm_counts counts_of(const struct alarm_step *s)
{
    struct alarm_counts c = {.n = {[STD_LOGGED] = 1, [STD_LAST_CHANGE] = s->at_ms}};

    if (s->from != LEVEL_OK) {
        c.n[STD_CURRENT]--;
        c.n[STD_CURRENT_AT + s->from]--;
    }
    if (s->to != LEVEL_OK) {
        c.n[STD_CURRENT]++;
        c.n[STD_CURRENT_AT + s->to]++;
        c.n[STD_RAISED_AT + s->to]++;
    }
    if (s->from == LEVEL_OK) {
        c.n[STD_RAISED]++;
        c.n[STD_LAST_RAISE] = s->at_ms;
    }
    if (s->to == LEVEL_OK)
        c.n[STD_LAST_CLEAR] = s->at_ms;
    return c;
}

/* ---- lists ---- */

static int activate(struct txn *t, const char *owner, uint32_t alert, int64_t at_ms)
{
    struct key k = alarms_key(owner, at_ms, alert), id = key_of_id(owner, alert);
    uint8_t at[8];
    int err = kv_put(t, ALARMS_ACTIVE, key_slice(&k), nothing);

    put_u64(at, (uint64_t)at_ms);
    return err ? err : kv_put(t, ALARMS_BY_ID, key_slice(&id), (struct slice){at, sizeof at});
}

static int deactivate(struct txn *t, const char *owner, uint32_t alert)
{
    struct key k, id = key_of_id(owner, alert);
    struct slice v;
    int err = kv_get(t, ALARMS_BY_ID, key_slice(&id), &v);

    if (err)
        return gone(err);
    if (v.len != 8)
        return txn_fail(t, ERR_CORRUPT);
    k = alarms_key(owner, (int64_t)get_u64(v.data), alert);
    err = gone(kv_del(t, ALARMS_ACTIVE, key_slice(&k)));
    return err ? err : gone(kv_del(t, ALARMS_BY_ID, key_slice(&id)));
}

static int clear(struct txn *t, const char *owner, uint32_t alert, uint32_t history, int64_t at_ms)
{
    struct key k = alarms_key(owner, at_ms, alert);
    uint8_t id[4];

    put_u32(id, history);
    return kv_put(t, ALARMS_CLEAR, key_slice(&k), (struct slice){id, sizeof id});
}

int alarms_step(struct txn *t, const struct alarm_step *s)
{
    struct alarm_counts add = counts_of(s);
    int err = s->from == LEVEL_OK ? 0 : deactivate(t, s->owner, s->alert);

    if (!err)
        err = s->to == LEVEL_OK ? clear(t, s->owner, s->alert, s->history, s->at_ms)
                                : activate(t, s->owner, s->alert, s->at_ms);
    return err ? err : count(t, s->owner, &add);
}

/* ---- rows of history ---- */

static bool is_clear(const struct row *r)
{
    return row_int(r, HISTORY_TO) == LEVEL_OK && row_int(r, HISTORY_FROM) != LEVEL_OK;
}

/* A later one of the same tenth of a second has taken the place: then that stays. */
static int forget_clear(struct txn *t, const char *owner, uint32_t history, const struct row *r)
{
    struct key k = alarms_key(owner, row_int(r, HISTORY_AT), (uint32_t)row_int(r, HISTORY_ALERT));
    struct slice v;
    int err = kv_get(t, ALARMS_CLEAR, key_slice(&k), &v);

    if (err || v.len != 4 || get_u32(v.data) != history)
        return gone(err);
    return kv_del(t, ALARMS_CLEAR, key_slice(&k));
}

int alarms_forget(struct txn *t, const struct row *r, bool bumped)
{
    const struct alarm_counts add = {.n = {[STD_BUMPED] = 1}};
    char owner[33];
    uint32_t id;
    int err = 0;

    if (!key_read_id(&r->key, owner, &id))
        return txn_fail(t, ERR_CORRUPT);
    if (is_clear(r))
        err = forget_clear(t, owner, id, r);
    return err || !bumped ? err : count(t, owner, &add);
}

/* ---- anew ---- */

/* CB may write. */
static int each(struct txn *t, unsigned table,
                int (*cb)(struct txn *t, const struct row *r, const char *owner, uint32_t id))
{
    char owner[33];
    struct cursor c;
    struct row r;
    uint32_t id;
    int err = 0;

    for (cursor_first(&c, t, sa_table_by_id(table), NULL); !err && cursor_row(&c, &r);
         cursor_next(&c))
        if (key_read_id(&r.key, owner, &id))
            err = cb(t, &r, owner, id);
    cursor_close(&c);
    return err ? err : txn_error(t);
}

static int alert_row(struct txn *t, const struct row *r, const char *owner, uint32_t id)
{
    int64_t level = row_int(r, ALERT_LEVEL);
    struct alarm_counts add = {.n = {[STD_CURRENT] = 1}};
    int err;

    if (level <= LEVEL_OK || level > LEVEL_UNKNOWN)
        return 0;
    add.n[STD_CURRENT_AT + level] = 1;
    err = activate(t, owner, id, row_int(r, ALERT_SINCE));
    return err ? err : count(t, owner, &add);
}

static int history_row(struct txn *t, const struct row *r, const char *owner, uint32_t id)
{
    if (!is_clear(r))
        return 0;
    return clear(t, owner, (uint32_t)row_int(r, HISTORY_ALERT), id, row_int(r, HISTORY_AT));
}

/* Behind the key of any owner. */
static const uint8_t fill_octets[4] = {0xff, 0xff, 0xff, 0xff};
static const struct slice fill_key = {fill_octets, sizeof fill_octets};

/* Nothing is active; totals stay. What cannot be read is forgotten. */
static int reset_counts(struct txn *t)
{
    struct key at = {.len = 0};
    struct slice k, v;
    int err = gone(kv_del(t, ALARMS_COUNTS, fill_key));

    while (!err && !kv_seek(t, ALARMS_COUNTS, key_slice(&at), at.len > 0, &k, &v)) {
        struct alarm_counts c = {.n = {0}};

        at = key_copy(k);
        if (!at.len)
            return txn_fail(t, ERR_CORRUPT);
        for (size_t i = STD_RAISED; i < STD_COUNTERS && v.len == COUNTS_LEN; i++)
            c.n[i] = (int64_t)get_u64(v.data + 8 * i);
        err = put_counts(t, key_slice(&at), &c);
    }
    return err ? err : txn_error(t);
}

/* All but what is cleared. */
static int rebuild_active(struct txn *t)
{
    static const char *const lists[] = {ALARMS_ACTIVE, ALARMS_BY_ID, ALARMS_CLEAR};
    const struct alarm_counts none = {.n = {0}};
    int err = 0;

    for (size_t i = 0; i < sizeof lists / sizeof *lists && !err; i++)
        err = kv_clear(t, lists[i]);
    if (!err)
        err = reset_counts(t);
    if (!err)
        err = count(t, "", &none); /* alarms_prepare() finds it */
    return err ? err : each(t, SA_ALERT, alert_row);
}

int alarms_rebuild(struct txn *t)
{
    int err = rebuild_active(t);

    return err ? err : each(t, SA_HISTORY, history_row);
}

/* ---- a store of an earlier version ---- */

bool alarms_incomplete(struct txn *t)
{
    struct slice v;

    return !kv_get(t, ALARMS_COUNTS, fill_key, &v);
}

int alarms_fill(struct txn *t, unsigned most)
{
    struct slice v;
    struct key at;
    struct cursor c;
    struct row r;
    unsigned n = 0;
    int err = kv_get(t, ALARMS_COUNTS, fill_key, &v);

    if (err)
        return gone(err);
    at = key_copy(v);
    for (cursor_seek(&c, t, sa_table_by_id(SA_HISTORY), NULL, &at, at.len > 0);
         n < most && !err && cursor_row(&c, &r); cursor_next(&c)) {
        char owner[33];
        uint32_t id;

        at = key_copy(r.key);
        if (key_read_id(&r.key, owner, &id))
            err = history_row(t, &r, owner, id);
        n++;
    }
    cursor_close(&c);
    if (!err)
        err = n ? kv_put(t, ALARMS_COUNTS, fill_key, key_slice(&at))
                : kv_del(t, ALARMS_COUNTS, fill_key);
    return err ? err : (int)n;
}

static bool prepared(struct store *s)
{
    struct txn *t = txn_begin(s, TXN_READ);
    struct key all = key_of_name("");
    struct slice v;
    bool yes = kv_get(t, ALARMS_COUNTS, key_slice(&all), &v) != ERR_NOTFOUND;

    txn_abort(t);
    return yes;
}

int alarms_prepare(struct store *s, struct err *e)
{
    struct txn *t;
    int err;

    if (prepared(s))
        return 0;
    t = txn_begin(s, TXN_WRITE);
    txn_allow_growth(t);
    err = rebuild_active(t);
    if (!err && table_count(t, sa_table_by_id(SA_HISTORY)))
        err = kv_put(t, ALARMS_COUNTS, fill_key, nothing);
    if (err)
        txn_fail(t, err);
    return txn_commit(t, e);
}
