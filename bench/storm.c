#include "bench/storm.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "alerts/index.h"
#include "alerts/instance.h"
#include "base/array.h"
#include "base/clock.h"

enum { BATCH = 250, DATABASES = 24, FILLER = 65536 };

struct storm_write {
    uint16_t len;     /* of the key */
    uint16_t dbi;     /* LMDB's number of the database */
    int32_t value;    /* octets; negative: deleted */
    uint8_t key[128]; /* the longest of these tables and queues are shorter */
};

static struct storm_writes *recording; /* NULL: nothing is */

/* ---- LMDB's two calls that write
 * ----------------------------------------------------------------- The linker leads them here
 * (bench/Makefile.inc). LMDB's header is the store's alone. */

struct mdb_octets { /* MDB_val */
    size_t len;
    void *data;
};
int __real_mdb_put(void *txn, unsigned dbi, struct mdb_octets *key, struct mdb_octets *value,
                   unsigned flags);
int __real_mdb_del(void *txn, unsigned dbi, struct mdb_octets *key, struct mdb_octets *value);
int __wrap_mdb_put(void *txn, unsigned dbi, struct mdb_octets *key, struct mdb_octets *value,
                   unsigned flags);
int __wrap_mdb_del(void *txn, unsigned dbi, struct mdb_octets *key, struct mdb_octets *value);

static void record(unsigned dbi, const struct mdb_octets *key, int32_t value)
{
    struct storm_write *w;

    if (!recording)
        return;
    w = array_room(recording->items, &recording->cap, recording->n + 1, sizeof *w);
    if (!w || key->len > sizeof w->key || dbi > UINT16_MAX)
        site_die("a write that cannot be recorded");
    recording->items = w;
    w += recording->n++;
    *w = (struct storm_write){(uint16_t)key->len, (uint16_t)dbi, value, {0}};
    memcpy(w->key, key->data, key->len);
    if (value < 0)
        return;
    recording->puts++;
    recording->octets += key->len + (size_t)value;
}

int __wrap_mdb_put(void *txn, unsigned dbi, struct mdb_octets *key, struct mdb_octets *value,
                   unsigned flags)
{
    record(dbi, key, (int32_t)value->len);
    return __real_mdb_put(txn, dbi, key, value, flags);
}

int __wrap_mdb_del(void *txn, unsigned dbi, struct mdb_octets *key, struct mdb_octets *value)
{
    int rc = __real_mdb_del(txn, dbi, key, value);

    if (!rc) /* else there was nothing, and nothing was written */
        record(dbi, key, -1);
    return rc;
}

/* ---- recording ---- */

static void must(int err, const char *what)
{
    if (err)
        site_die("%s: %s", what, err_name(err));
}

static void commit(struct txn *t)
{
    struct err e;

    if (txn_commit(t, &e))
        site_die("%s", e.text);
}

static void put_target(struct store *x)
{
    struct txn *t = txn_begin(x, TXN_WRITE);
    struct key k = key_of_names("admin", "sink");
    struct change ch = {.table = SA_TARGET, .op = CHANGE_CREATED, .key = key_slice(&k)};
    struct edit d;

    edit_begin(&d, t, sa_table_by_id(SA_TARGET), &k);
    edit_str(&d, TARGET_HANDLER, "traps");
    edit_int(&d, TARGET_GLOBAL, TRUTH_TRUE);
    edit_int(&d, TARGET_DIGEST, 0);
    edit_int(&d, TARGET_STATUS, ROW_ACTIVE);
    must(row_put(&d, NULL), "the target");
    must(index_apply(t, &ch), "the target's index");
    commit(t);
}

static struct definition *read_definitions(struct store *x, uint32_t n)
{
    struct definition *ret = calloc(n, sizeof *ret);
    struct txn *t = txn_begin(x, TXN_READ);
    struct cursor c;
    struct row r;
    uint32_t i = 0;

    for (cursor_first(&c, t, sa_table_by_id(SA_DEFINITION), NULL);
         ret && i < n && cursor_row(&c, &r); cursor_next(&c))
        definition_read(&ret[i++], &r);
    cursor_close(&c);
    txn_abort(t);
    if (i != n)
        site_die("%u definitions instead of %u", i, n);
    return ret;
}

/* One commit: N alerts change, and their notices are claimed. */
static void change(struct store *x, const struct definition *d, size_t n, enum storm_half half,
                   struct notice_ref *refs)
{
    struct judge_now now = {clock_wall_ms(), clock_mono_ms()};
    struct instance_verdict v = {.kind = half == STORM_RAISE ? VERDICT_TRUE : VERDICT_FALSE,
                                 .value = half == STORM_RAISE ? "true" : "false"};
    struct txn *t = txn_begin(x, TXN_WRITE);

    for (size_t i = 0; i < n; i++) {
        struct instance_result result;

        must(instance_apply(t, &d[i], "", &v, &now, NULL, NULL, &result), "an alert");
        if (!result.transition.happened)
            site_die("an alert that does not change");
    }
    for (size_t i = 0, claimed; i < n; i++) {
        struct notice_ref batch[NOTICE_BATCH_MAX];
        char uuid[UUID_TEXT_LEN + 1];

        must(notice_claim(t, now.wall_ms, NULL, batch, &claimed, uuid), "a claim");
        refs[i] = batch[0];
    }
    commit(t);
}

static void deliver(struct store *x, const struct notice_ref *refs, size_t n)
{
    struct txn *t = txn_begin(x, TXN_WRITE);

    for (size_t i = 0; i < n; i++) {
        enum sa_notice_state state = NOTICE_PENDING;

        must(notice_outcome(t, &refs[i], NOTICE_END_DELIVERED, CONFIRM_HANDED_OFF, "", NULL, 0,
                            clock_wall_ms(), &state),
             "an outcome");
        if (state != NOTICE_DELIVERED)
            site_die("a notice that is not delivered");
    }
    commit(t);
}

static void half_storm(struct store *x, const struct definition *d, uint32_t n,
                       enum storm_half half, struct storm_writes *into)
{
    recording = into;
    for (uint32_t i = 0; i < n; i += BATCH) {
        struct notice_ref refs[BATCH];
        uint32_t m = n - i < BATCH ? n - i : BATCH;

        change(x, d + i, m, half, refs);
        deliver(x, refs, m);
    }
    recording = NULL;
    if (into)
        into->notices = n;
}

void storm_record(struct storm *ret, const struct site *s, uint32_t notices)
{
    char path[96];
    struct store_options o = {.path = path, .no_sync = true, .recover_samples = true};
    struct definition *d;
    struct store *x;
    struct err e;

    memset(ret, 0, sizeof *ret);
    snprintf(path, sizeof path, "%s/storm", s->folder);
    if (store_open(&x, &o, &e))
        site_die("%s", e.text);
    site_fill_definitions(x, notices);
    put_target(x);
    d = read_definitions(x, notices);
    for (int half = 0; half < STORM_HALVES; half++) /* the first time, alerts are made */
        half_storm(x, d, notices, (enum storm_half)half, NULL);
    for (int half = 0; half < STORM_HALVES; half++)
        half_storm(x, d, notices, (enum storm_half)half, &ret->halves[half]);
    free(d);
    store_close(x);
}

void storm_release(struct storm *x)
{
    for (int half = 0; half < STORM_HALVES; half++)
        free(x->halves[half].items);
}

/* ---- bare ---- */

/* The database of our own that stands for LMDB's number DBI; the first that asks gets the first. */
static const char *database(unsigned dbi)
{
    static struct {
        unsigned dbi;
        char name[8];
    } known[DATABASES];

    for (unsigned i = 0; i < DATABASES; i++) {
        if (!*known[i].name) {
            known[i].dbi = dbi;
            snprintf(known[i].name, sizeof known[i].name, "b%u", i);
        }
        if (known[i].dbi == dbi)
            return known[i].name;
    }
    site_die("more databases than a store has");
}

static void write_again(struct txn *t, const struct storm_write *w)
{
    static uint8_t filler[FILLER];
    struct slice key = {w->key, w->len};
    int err;

    if (w->value > FILLER)
        site_die("a value of %d octets", w->value);
    if (w->value < 0)
        err = kv_del(t, database(w->dbi), key);
    else
        err = kv_put(t, database(w->dbi), key, (struct slice){filler, (size_t)w->value});
    if (err && err != ERR_NOTFOUND) /* that of an earlier half */
        site_die("a bare write: %s", err_name(err));
}

void storm_replay(const struct storm_writes *w, struct store *bare, uint32_t commits)
{
    size_t at = 0;

    for (uint32_t i = 1; i <= commits; i++) {
        struct txn *t = txn_begin(bare, TXN_WRITE);

        for (; at < w->n * i / commits; at++)
            write_again(t, &w->items[at]);
        commit(t);
    }
}
