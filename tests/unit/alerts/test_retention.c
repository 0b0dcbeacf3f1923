/* Retention: single stories, then a walk that is compared, after every step, with a model that
 * keeps all rows in an array and looks at each of them; and the cost of a step, in time, with few
 * rows and with many. */
#include "tests/unit/alerts/fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "alerts/retention.h"

enum { DAY_MS = 24 * 60 * 60 * 1000 };
static const int64_t now = INT64_C(1800000000000);
static const char *const owners[] = {"admin", "alice", "bob"};

static struct key system_key(void)
{
    struct key k;

    key_init(&k);
    key_u32(&k, 0);
    return k;
}

static void limit(struct txn *t, unsigned column, int64_t v)
{
    PUT(t, SA_SYSTEM, system_key(), {column, v, NULL});
}

static int64_t counter(struct txn *t, unsigned column)
{
    return cell_of(t, SA_SYSTEM, system_key(), column);
}

/* A row of history as instance.c writes one. */
static uint32_t add_history(struct txn *t, const char *owner, int64_t at_ms)
{
    uint32_t id;

    assert_int_equal(id_next(t, sa_table_by_id(SA_HISTORY), &id), 0);
    PUT(t, SA_HISTORY, key_of_id(owner, id), {HISTORY_ALERT, 1, NULL},
        {HISTORY_DEFINITION, 0, "one"}, {HISTORY_AT, at_ms, NULL});
    assert_int_equal(retention_add(t, RETAINED_HISTORY, owner, id, at_ms), 0);
    return id;
}

/* A notice with as many recipients, finished at FINISHED_MS; 0: still pending. */
static uint32_t add_notice(struct txn *t, const char *owner, int64_t finished_ms, uint32_t nto)
{
    uint32_t id;
    struct key k;

    assert_int_equal(id_next(t, sa_table_by_id(SA_NOTICE), &id), 0);
    k = key_of_id(owner, id);
    PUT(t, SA_NOTICE, k, {NOTICE_STATE, finished_ms ? NOTICE_FAILED : NOTICE_PENDING, NULL},
        {NOTICE_FINISHED, finished_ms, NULL});
    for (uint32_t i = 1; i <= nto; i++) {
        struct key to = k;

        key_u32(&to, i);
        PUT(t, SA_NOTICE_RECIPIENT, to, {NOTICE_RECIPIENT_ADDRESS, 0, "a@example.net"});
    }
    if (finished_ms)
        assert_int_equal(retention_add(t, RETAINED_NOTICES, owner, id, finished_ms), 0);
    return id;
}

static bool has(struct txn *t, unsigned table, const char *owner, uint32_t id)
{
    return is_there(t, table, key_of_id(owner, id));
}

static int purge(struct txn *t, unsigned most)
{
    int n = retention_purge(t, now, true, most);

    assert_true(n >= 0);
    return n;
}

/* ---- stories ---- */

static void test_nothing_is_due_in_an_empty_store(void **state)
{
    struct txn *t = begin(*state);

    assert_false(retention_due(t, now, true));
    assert_int_equal(purge(t, 10), 0);
    assert_int_equal(retention_oldest(t, RETAINED_HISTORY), 0);
    done(t);
}

static void test_ninety_days(void **state)
{
    struct txn *t = begin(*state);
    uint32_t old = add_history(t, "alice", now - 90 * (int64_t)DAY_MS - 1);
    uint32_t young = add_history(t, "bob", now - 90 * (int64_t)DAY_MS);

    assert_int_equal(retention_oldest(t, RETAINED_HISTORY), now - 90 * (int64_t)DAY_MS - 1);
    assert_true(retention_due(t, now, true));
    assert_false(retention_due(t, now, false)); /* the clock is in doubt */
    assert_int_equal(retention_purge(t, now, false, 10), 0);
    assert_int_equal(purge(t, 10), 1);
    assert_false(has(t, SA_HISTORY, "alice", old));
    assert_true(has(t, SA_HISTORY, "bob", young));
    assert_false(retention_due(t, now, true));
    assert_int_equal(counter(t, SYSTEM_HISTORY_PURGED), 1);
    assert_int_equal(counter(t, SYSTEM_NOTICES_PURGED), 0);
    done(t);
}

static void test_a_step_is_bounded(void **state)
{
    struct txn *t = begin(*state);

    for (int i = 0; i < 50; i++)
        add_history(t, owners[i % 3], 1 + i);
    assert_int_equal(purge(t, 20), 20);
    assert_int_equal(retention_oldest(t, RETAINED_HISTORY), 21);
    assert_true(retention_due(t, now, true));
    assert_int_equal(purge(t, 20), 20);
    assert_int_equal(purge(t, 20), 10);
    assert_false(retention_due(t, now, true));
    assert_int_equal(table_count(t, sa_table_by_id(SA_HISTORY)), 0);
    assert_int_equal(counter(t, SYSTEM_HISTORY_PURGED), 50);
    done(t);
}

static void test_the_oldest_of_too_many_go(void **state)
{
    struct txn *t = begin(*state);
    uint32_t ids[10];

    limit(t, SYSTEM_HISTORY_MAX_ROWS, 4);
    for (int i = 0; i < 10; i++)
        ids[i] = add_history(t, owners[i % 3], now - 10 + i);
    assert_int_equal(purge(t, 100), 6);
    for (int i = 0; i < 10; i++)
        assert_int_equal(has(t, SA_HISTORY, owners[i % 3], ids[i]), i >= 6);
    done(t);
}

static void test_zero_is_no_limit(void **state)
{
    struct txn *t = begin(*state);

    limit(t, SYSTEM_HISTORY_MAX_AGE, 0);
    limit(t, SYSTEM_HISTORY_MAX_ROWS, 0);
    for (int i = 0; i < 10; i++)
        add_history(t, "alice", 1);
    assert_false(retention_due(t, now, true));
    assert_int_equal(purge(t, 100), 0);
    done(t);
}

static void test_notices_go_with_their_recipients(void **state)
{
    struct txn *t = begin(*state);
    uint32_t gone = add_notice(t, "alice", 1, 3), stays = add_notice(t, "alice", now, 3);
    struct key to = key_of_id("alice", stays);

    assert_int_equal(purge(t, 10), 1);
    assert_false(has(t, SA_NOTICE, "alice", gone));
    assert_true(has(t, SA_NOTICE, "alice", stays));
    assert_int_equal(table_count(t, sa_table_by_id(SA_NOTICE_RECIPIENT)), 3);
    key_u32(&to, 1);
    assert_true(is_there(t, SA_NOTICE_RECIPIENT, to));
    assert_int_equal(counter(t, SYSTEM_NOTICES_PURGED), 1);
    done(t);
}

static void test_what_is_pending_stays_and_does_not_count(void **state)
{
    struct txn *t = begin(*state);
    uint32_t pending[20], finished[3];

    limit(t, SYSTEM_NOTICE_MAX_ROWS, 2);
    for (int i = 0; i < 20; i++)
        pending[i] = add_notice(t, "alice", 0, 1);
    for (int i = 0; i < 3; i++)
        finished[i] = add_notice(t, "alice", now - 3 + i, 1);
    assert_int_equal(purge(t, 100), 1);
    for (int i = 0; i < 20; i++)
        assert_true(has(t, SA_NOTICE, "alice", pending[i]));
    for (int i = 0; i < 3; i++)
        assert_int_equal(has(t, SA_NOTICE, "alice", finished[i]), i > 0);
    done(t);
}

/* Rows of a clock that was ten years ahead are not what is kept instead of today's. */
static void test_rows_of_a_wrong_clock_go_first(void **state)
{
    struct txn *t = begin(*state);
    int64_t ahead = now + 3650 * (int64_t)DAY_MS;
    uint32_t wrong[5], right[5];

    limit(t, SYSTEM_HISTORY_MAX_ROWS, 5);
    for (int i = 0; i < 5; i++)
        wrong[i] = add_history(t, "alice", ahead + i);
    for (int i = 0; i < 5; i++)
        right[i] = add_history(t, "alice", now - 5 + i);
    assert_int_equal(purge(t, 3), 3);
    for (int i = 0; i < 5; i++) {
        assert_int_equal(has(t, SA_HISTORY, "alice", wrong[i]), i >= 3);
        assert_true(has(t, SA_HISTORY, "alice", right[i]));
    }
    done(t);
}

/* A clock that is ten years behind: all rows are ahead of it, and still the oldest goes. */
static void test_a_clock_that_is_behind(void **state)
{
    struct txn *t = begin(*state);
    int64_t behind = now - 3650 * (int64_t)DAY_MS;
    uint32_t first = add_history(t, "alice", now), second = add_history(t, "alice", now + 1);
    uint32_t third = add_history(t, "alice", behind);

    limit(t, SYSTEM_HISTORY_MAX_ROWS, 2);
    assert_int_equal(retention_purge(t, behind, true, 10), 1);
    assert_false(has(t, SA_HISTORY, "alice", first));
    assert_true(has(t, SA_HISTORY, "alice", second));
    assert_true(has(t, SA_HISTORY, "alice", third));
    done(t);
}

/* A row that is gone already is no reason to stop. */
static void test_an_entry_without_a_row_goes(void **state)
{
    struct txn *t = begin(*state);
    uint32_t id = add_history(t, "alice", 1), next = add_history(t, "alice", 2);
    struct key k = key_of_id("alice", id);

    assert_int_equal(row_delete(t, sa_table_by_id(SA_HISTORY), &k), 0);
    assert_int_equal(purge(t, 10), 2);
    assert_false(has(t, SA_HISTORY, "alice", next));
    assert_int_equal(txn_error(t), 0);
    done(t);
}

/* ---- filling ---- */

static void fill(struct txn *t, enum retained what, unsigned rows)
{
    struct key at;
    unsigned seen = 0;
    int n;

    key_init(&at);
    while ((n = retention_fill(t, what, &at, 7)) > 0) {
        assert_true(n <= 7);
        seen += (unsigned)n;
    }
    assert_int_equal(n, 0);
    assert_int_equal(seen, rows);
}

/* Entries of each kind lost, found again: the same ones. */
static void test_entries_are_made_from_the_rows(void **state)
{
    static const char *const dbs[] = {"historyAge", "noticeAge"};
    struct world *w = *state;
    struct txn *t = begin(w);
    uint64_t before;

    for (int i = 0; i < 40; i++) {
        add_history(t, owners[i % 3], now - i);
        add_notice(t, owners[i % 3], i % 4 ? now - i : 0, 1);
    }
    /* what enqueue() keeps for those that are pending */
    for (uint32_t i = 0; i < 10; i++)
        assert_int_equal(kv_put(t, "pending", (struct slice){(const uint8_t *)&i, sizeof i},
                                (struct slice){(const uint8_t *)"x", 1}),
                         0);
    before = dump(t, dbs, COUNT(dbs));
    for (int i = 0; i < RETAINED_KINDS; i++)
        assert_true(retention_complete(t, (enum retained)i));
    for (size_t i = 0; i < COUNT(dbs); i++) {
        struct slice k, v;

        while (!kv_seek(t, dbs[i], (struct slice){NULL, 0}, false, &k, &v)) {
            struct key copy = key_copy(k);

            assert_int_equal(kv_del(t, dbs[i], key_slice(&copy)), 0);
        }
    }
    for (int i = 0; i < RETAINED_KINDS; i++) {
        assert_false(retention_complete(t, (enum retained)i));
        fill(t, (enum retained)i, 40);
        assert_true(retention_complete(t, (enum retained)i));
    }
    assert_true(dump(t, dbs, COUNT(dbs)) == before);
    done(t);
}

/* ---- against a model ---- */

enum { MODEL_ROWS = 4000, STEPS = 3000 };

struct model {
    struct model_row {
        const char *owner;
        uint32_t id;
        int64_t at_ms; /* 0: pending */
        bool there;
    } rows[MODEL_ROWS];
    size_t n;
    int64_t max_age, max_rows;
    uint64_t purged;
};

static size_t finished(const struct model *m)
{
    size_t n = 0;

    for (size_t i = 0; i < m->n; i++)
        n += m->rows[i].there && m->rows[i].at_ms;
    return n;
}

static struct model_row *oldest(struct model *m)
{
    struct model_row *ret = NULL;

    for (size_t i = 0; i < m->n; i++) {
        struct model_row *r = &m->rows[i];

        if (r->there && r->at_ms &&
            (!ret || r->at_ms < ret->at_ms || (r->at_ms == ret->at_ms && r->id < ret->id)))
            ret = r;
    }
    return ret;
}

static unsigned model_purge(struct model *m, int64_t now_ms, unsigned most)
{
    unsigned n = 0;
    struct model_row *r;

    for (; n < most && (r = oldest(m)); n++) {
        bool old = m->max_age && r->at_ms < now_ms - m->max_age * 1000;

        if (!old && !(m->max_rows && finished(m) > (size_t)m->max_rows))
            break;
        r->there = false;
    }
    m->purged += n;
    return n;
}

static void compare(struct txn *t, const struct model *m, unsigned table, unsigned purged)
{
    size_t n = 0;

    for (size_t i = 0; i < m->n; i++) {
        const struct model_row *r = &m->rows[i];

        assert_int_equal(has(t, table, r->owner, r->id), r->there);
        n += r->there;
    }
    assert_int_equal(table_count(t, sa_table_by_id(table)), n);
    assert_int_equal(counter(t, purged), m->purged);
}

static void note(struct model *m, const char *owner, uint32_t id, int64_t at_ms)
{
    assert_true(m->n < MODEL_ROWS);
    m->rows[m->n++] = (struct model_row){owner, id, at_ms, true};
}

/* A pending notice of the model's is finished. */
static void finish_one(struct txn *t, struct model *m, uint64_t *seed, int64_t now_ms)
{
    size_t from = m->n ? dice(seed, (uint32_t)m->n) : 0;

    for (size_t i = 0; i < m->n; i++) {
        struct model_row *r = &m->rows[(from + i) % m->n];

        if (!r->there || r->at_ms)
            continue;
        r->at_ms = now_ms;
        PUT(t, SA_NOTICE, key_of_id(r->owner, r->id), {NOTICE_STATE, NOTICE_DELIVERED, NULL},
            {NOTICE_FINISHED, now_ms, NULL});
        assert_int_equal(retention_add(t, RETAINED_NOTICES, r->owner, r->id, now_ms), 0);
        return;
    }
}

static void new_limits(struct txn *t, struct model *m, uint64_t *seed, unsigned age, unsigned rows)
{
    m->max_age = dice(seed, 4) ? 1 + dice(seed, 500) : 0;
    m->max_rows = dice(seed, 4) ? 1 + dice(seed, 60) : 0;
    limit(t, age, m->max_age);
    limit(t, rows, m->max_rows);
}

static void test_as_the_model_says(void **state)
{
    static struct model history, notices;
    struct world *w = *state;
    struct txn *t = begin(w);
    uint64_t seed = 20261121;
    int64_t at = now;

    new_limits(t, &history, &seed, SYSTEM_HISTORY_MAX_AGE, SYSTEM_HISTORY_MAX_ROWS);
    new_limits(t, &notices, &seed, SYSTEM_NOTICE_MAX_AGE, SYSTEM_NOTICE_MAX_ROWS);
    for (int step = 0; step < STEPS; step++) {
        const char *owner = owners[dice(&seed, 3)];
        unsigned what = dice(&seed, 100), most = 1 + dice(&seed, 12);

        at += dice(&seed, 3000);
        if (what < 35) {
            note(&history, owner, add_history(t, owner, at), at);
        } else if (what < 65) {
            note(&notices, owner, add_notice(t, owner, 0, dice(&seed, 3)), 0);
        } else if (what < 85) {
            finish_one(t, &notices, &seed, at);
        } else if (what < 98) {
            unsigned want = model_purge(&history, at, most) + model_purge(&notices, at, most);

            assert_int_equal(retention_purge(t, at, true, most), want);
        } else {
            new_limits(t, &history, &seed, SYSTEM_HISTORY_MAX_AGE, SYSTEM_HISTORY_MAX_ROWS);
            new_limits(t, &notices, &seed, SYSTEM_NOTICE_MAX_AGE, SYSTEM_NOTICE_MAX_ROWS);
        }
        if (step % 25 == 0 || step == STEPS - 1) {
            compare(t, &history, SA_HISTORY, SYSTEM_HISTORY_PURGED);
            compare(t, &notices, SA_NOTICE, SYSTEM_NOTICES_PURGED);
        }
    }
    assert_true(history.purged > 100 && notices.purged > 100);
    done(t);
}

/* ---- cost ---- */

enum { FEW = 2000, MANY = 100000, STEP = 64, ROUNDS = 30 };

static int64_t cpu_ns(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
    return ts.tv_sec * INT64_C(1000000000) + ts.tv_nsec;
}

static int by_size(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

    return (x > y) - (x < y);
}

static void add_many(struct world *w, uint32_t n)
{
    char owner[33];

    for (uint32_t done_now = 0; done_now < n;) {
        struct txn *t = begin(w);

        for (uint32_t i = 0; i < 5000 && done_now < n; i++) {
            snprintf(owner, sizeof owner, "o%05u", done_now % 5000); /* many owners */
            add_history(t, owner, now - n + done_now++);
        }
        done(t);
    }
}

/* The middle one of the times that a step and its commit took. */
static int64_t step_ns(struct world *w, uint32_t rows)
{
    int64_t took[ROUNDS];
    struct txn *t = begin(w);

    limit(t, SYSTEM_HISTORY_MAX_ROWS, rows);
    done(t);
    for (int i = 0; i < ROUNDS; i++) {
        int64_t from;

        add_many(w, STEP);
        from = cpu_ns();
        t = begin(w);
        assert_int_equal(purge(t, STEP), STEP);
        done(t);
        took[i] = cpu_ns() - from;
        assert_int_equal(purge(t = begin(w), STEP), 0);
        done(t);
    }
    qsort(took, ROUNDS, sizeof *took, by_size);
    return took[ROUNDS / 2];
}

/* Fifty times the rows, of five thousand owners: a step costs as much, but for the deeper tree. */
static void test_a_step_costs_what_it_purges(void **state)
{
    struct world *w = *state;
    int64_t few, many;

    add_many(w, FEW);
    few = step_ns(w, FEW);
    add_many(w, MANY - FEW);
    many = step_ns(w, MANY);
    print_message("a step of %d rows: %lld us of %d rows, %lld us of %d\n", STEP,
                  (long long)few / 1000, FEW, (long long)many / 1000, MANY);
    assert_true(many < 5 * few);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
#define TEST(f) cmocka_unit_test_setup_teardown(f, world_setup, world_teardown)
        TEST(test_nothing_is_due_in_an_empty_store),
        TEST(test_ninety_days),
        TEST(test_a_step_is_bounded),
        TEST(test_the_oldest_of_too_many_go),
        TEST(test_zero_is_no_limit),
        TEST(test_notices_go_with_their_recipients),
        TEST(test_what_is_pending_stays_and_does_not_count),
        TEST(test_rows_of_a_wrong_clock_go_first),
        TEST(test_a_clock_that_is_behind),
        TEST(test_an_entry_without_a_row_goes),
        TEST(test_entries_are_made_from_the_rows),
        TEST(test_as_the_model_says),
        TEST(test_a_step_costs_what_it_purges),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
