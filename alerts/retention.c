#include "alerts/retention.h"

#include "alerts/agenda.h"
#include "alerts/alarms.h"
#include "alerts/notice.h"

/* Invariant: an entry for each row of history, and for each notice that is finished; the latter are
 * those that are not in `pending`. */

static const struct kind {
    unsigned table, children;   /* 0: it has none */
    unsigned max_age, max_rows; /* columns of saSystem: seconds; rows; 0: no limit */
    unsigned purged;            /* counter of saSystem */
    unsigned at;                /* column: from when on its age counts */
    const char *db;
} kinds[] = {
    [RETAINED_HISTORY] = {.table = SA_HISTORY,
                          .max_age = SYSTEM_HISTORY_MAX_AGE,
                          .max_rows = SYSTEM_HISTORY_MAX_ROWS,
                          .purged = SYSTEM_HISTORY_PURGED,
                          .at = HISTORY_AT,
                          .db = "historyAge"},
    [RETAINED_NOTICES] = {.table = SA_NOTICE,
                          .children = SA_NOTICE_RECIPIENT,
                          .max_age = SYSTEM_NOTICE_MAX_AGE,
                          .max_rows = SYSTEM_NOTICE_MAX_ROWS,
                          .purged = SYSTEM_NOTICES_PURGED,
                          .at = NOTICE_FINISHED,
                          .db = "noticeAge"},
};

/* ---- entries ---- */

int retention_add(struct txn *t, enum retained what, const char *owner, uint32_t id, int64_t at_ms)
{
    return agenda_add(t, kinds[what].db, owner, id, at_ms);
}

int retention_drop(struct txn *t, enum retained what, uint32_t id, int64_t at_ms)
{
    return agenda_drop(t, kinds[what].db, id, at_ms); /* if it is filled in yet */
}

int retention_add_row(struct txn *t, enum retained what, const struct row *r)
{
    char owner[NAME_MAX_LEN + 1];
    uint32_t id;

    if (!key_read_id(&r->key, owner, &id))
        return txn_fail(t, ERR_CORRUPT);
    if (what == RETAINED_NOTICES && (row_int(r, NOTICE_STATE) == NOTICE_PENDING ||
                                     row_int(r, NOTICE_STATE) == NOTICE_DISPATCHED))
        return 0;
    return retention_add(t, what, owner, id, row_int(r, kinds[what].at));
}

int64_t retention_oldest(struct txn *t, enum retained what)
{
    struct agenda_entry e;

    return agenda_first(t, kinds[what].db, 0, &e) ? 0 : e.at_ms;
}

/* ---- which go ---- */

struct limits {
    int64_t before_ms; /* older: goes */
    uint64_t rows;
};

/* Defaults when there is no row yet. */
static struct limits limits_of(struct txn *t, const struct kind *kind, int64_t now_ms, bool by_age)
{
    struct key k = key_of_scalars();
    struct row r = {.table = sa_table_by_id(SA_SYSTEM), .key = key_slice(&k)};
    int64_t age, rows;

    row_get(t, r.table, &k, &r);
    age = row_int(&r, kind->max_age);
    rows = row_int(&r, kind->max_rows);
    return (struct limits){.before_ms = age && by_age ? now_ms - age * 1000 : INT64_MIN,
                           .rows = rows ? (uint64_t)rows : UINT64_MAX};
}

/* The next that goes, or ERR_NOTFOUND. */
static int next(struct txn *t, const struct kind *kind, const struct limits *l, int64_t now_ms,
                struct agenda_entry *ret)
{
    int err = agenda_first(t, kind->db, 0, ret);

    if (err || ret->at_ms < l->before_ms)
        return err;
    if (kv_count(t, kind->db) <= l->rows)
        return ERR_NOTFOUND;
    if (ret->at_ms > now_ms + RETENTION_AHEAD_MS)
        return 0;
    err = agenda_first(t, kind->db, now_ms + RETENTION_AHEAD_MS, ret);
    return err == ERR_NOTFOUND ? agenda_first(t, kind->db, 0, ret) : err;
}

bool retention_due(struct txn *t, int64_t now_ms, bool by_age)
{
    bool due = false;

    for (size_t i = 0; i < RETAINED_KINDS && !due; i++) {
        struct limits l = limits_of(t, &kinds[i], now_ms, by_age);
        struct agenda_entry e;

        due = !next(t, &kinds[i], &l, now_ms, &e);
    }
    return due;
}

/* ---- purging ---- */

static int purge_children(struct txn *t, unsigned table, const struct key *parent)
{
    struct cursor c;
    struct row r;
    int err = 0;

    for (cursor_first(&c, t, sa_table_by_id(table), parent); cursor_row(&c, &r) && !err;
         cursor_next(&c)) {
        struct key k = key_copy(r.key);

        err = row_delete(t, r.table, &k);
    }
    cursor_close(&c);
    return err ? err : txn_error(t);
}

/* Whatever else knows of the row at K. AGED: it goes for its age. */
static int purge_traces(struct txn *t, const struct kind *kind, const struct key *k, bool aged)
{
    struct row r;
    int err;

    if (kind->children)
        return purge_children(t, kind->children, k);
    err = row_get(t, sa_table_by_id(kind->table), k, &r);
    if (err)
        return err == ERR_NOTFOUND ? 0 : err;
    return alarms_forget(t, &r, !aged);
}

static int purge_one(struct txn *t, const struct kind *kind, const struct agenda_entry *e,
                     bool aged)
{
    struct key k = key_of_id(e->owner, e->id);
    int err = purge_traces(t, kind, &k, aged);

    if (!err)
        err = row_delete(t, sa_table_by_id(kind->table), &k);
    if (err && err != ERR_NOTFOUND)
        return err;
    return agenda_drop(t, kind->db, e->id, e->at_ms);
}

static int purge_kind(struct txn *t, const struct kind *kind, int64_t now_ms, bool by_age,
                      unsigned most)
{
    struct limits l = limits_of(t, kind, now_ms, by_age);
    struct key k = key_of_scalars();
    unsigned n = 0;
    struct agenda_entry e;
    struct edit d;
    int err = 0;

    while (n < most && !(err = next(t, kind, &l, now_ms, &e)) &&
           !(err = purge_one(t, kind, &e, e.at_ms < l.before_ms)))
        n++;
    if (err && err != ERR_NOTFOUND)
        return err;
    if (!n)
        return 0;
    edit_begin(&d, t, sa_table_by_id(SA_SYSTEM), &k);
    edit_add(&d, kind->purged, n);
    err = row_put(&d, NULL);
    return err ? err : (int)n;
}

int retention_purge(struct txn *t, int64_t now_ms, bool by_age, unsigned most)
{
    int sum = 0;

    for (size_t i = 0; i < RETAINED_KINDS; i++) {
        int n = purge_kind(t, &kinds[i], now_ms, by_age, most);

        if (n < 0)
            return n;
        sum += n;
    }
    return sum;
}

/* ---- filling ---- */

bool retention_complete(struct txn *t, enum retained what)
{
    uint64_t rows = table_count(t, sa_table_by_id(kinds[what].table));
    uint64_t kept = what == RETAINED_NOTICES ? notice_pending(t) : 0;

    return kv_count(t, kinds[what].db) + kept == rows;
}

int retention_fill(struct txn *t, enum retained what, struct key *at, unsigned most)
{
    const struct sa_table *table = sa_table_by_id(kinds[what].table);
    struct cursor c;
    struct row r;
    unsigned n = 0;
    int err = 0;

    for (cursor_seek(&c, t, table, NULL, at, at->len > 0); n < most && !err && cursor_row(&c, &r);
         cursor_next(&c)) {
        *at = key_copy(r.key);
        err = retention_add_row(t, what, &r);
        n++;
    }
    cursor_close(&c);
    if (!err)
        err = txn_error(t);
    return err ? err : (int)n;
}
