/* The background half of retention: its pace, a clock that jumps, a store without entries. Time is
 * the test's own. */
#include "tests/unit/alerts/fixture.h"

#include <stdlib.h>

#include "alerts/retention.h"
#include "base/clock.h"
#include "daemon/core.h"

enum { DAY_MS = 24 * 60 * 60 * 1000, HOUR_MS = 60 * 60 * 1000 };

struct scene {
    struct world w;
    struct core core;
    int64_t wall, mono;
};

static int setup(void **state)
{
    struct scene *s = calloc(1, sizeof *s);

    assert_non_null(s);
    world_init(&s->w);
    s->wall = INT64_C(1800000000000);
    s->mono = 5000000;
    clock_fake(&s->wall, &s->mono);
    s->core.store = s->w.store;
    s->core.loop = loop_new();
    assert_non_null(s->core.loop);
    *state = s;
    return 0;
}

static int teardown(void **state)
{
    struct scene *s = *state;

    core_retention_stop(&s->core);
    loop_free(s->core.loop);
    clock_fake(NULL, NULL);
    world_release(&s->w);
    free(s);
    return 0;
}

static void start(struct scene *s)
{
    assert_int_equal(core_retention_start(&s->core), 0);
}

/* Time passes, ten milliseconds at a time. */
static void pass(struct scene *s, int64_t ms)
{
    for (; ms > 0; ms -= 10) {
        s->wall += 10;
        s->mono += 10;
        assert_true(loop_turn(s->core.loop, 0) >= 0);
    }
}

static void add(struct scene *s, unsigned n, int64_t at_ms, bool entries)
{
    struct txn *t = begin(&s->w);

    while (n-- > 0) {
        uint32_t id;

        assert_int_equal(id_next(t, sa_table_by_id(SA_HISTORY), &id), 0);
        PUT(t, SA_HISTORY, key_of_id("alice", id), {HISTORY_AT, at_ms, NULL});
        if (entries)
            assert_int_equal(retention_add(t, RETAINED_HISTORY, "alice", id, at_ms), 0);
    }
    done(t);
}

static uint64_t left(struct scene *s)
{
    struct txn *t = txn_begin(s->w.store, TXN_READ);
    uint64_t n = table_count(t, sa_table_by_id(SA_HISTORY));

    txn_abort(t);
    return n;
}

static void keep(struct scene *s, int64_t rows)
{
    struct txn *t = begin(&s->w);
    struct key k;

    key_init(&k);
    key_u32(&k, 0);
    PUT(t, SA_SYSTEM, k, {SYSTEM_HISTORY_MAX_ROWS, rows, NULL});
    done(t);
}

/* A few hundred rows at once, then a pause in which others have their turn. */
static void test_small_steps_with_pauses(void **state)
{
    struct scene *s = *state;
    uint64_t before = 2000;
    unsigned steps = 0;

    add(s, 2000, s->wall, true);
    keep(s, 100);
    start(s);
    while (left(s) > 100) {
        uint64_t now;

        assert_true(s->mono < 5000000 + 2000);
        pass(s, 10);
        now = left(s);
        assert_true(before - now <= 256);
        steps += now < before;
        before = now;
    }
    assert_true(steps >= 8);
    pass(s, 3000);
    assert_int_equal(left(s), 100);
}

/* A limit that is lowered later is seen within a second or so. */
static void test_limits_are_looked_at_each_second(void **state)
{
    struct scene *s = *state;

    add(s, 50, s->wall, true);
    start(s);
    pass(s, 5000);
    assert_int_equal(left(s), 50);
    keep(s, 10);
    pass(s, 1500);
    assert_int_equal(left(s), 10);
}

static void test_days_go_by(void **state)
{
    struct scene *s = *state;

    add(s, 5, s->wall - 90 * (int64_t)DAY_MS + 2500, true);
    start(s);
    pass(s, 2000);
    assert_int_equal(left(s), 5);
    pass(s, 2500);
    assert_int_equal(left(s), 0);
}

/* Ten years ahead everything is old. The clock is put right before that costs a row. */
static void test_a_jump_ahead_purges_nothing_for_an_hour(void **state)
{
    struct scene *s = *state;
    int64_t jump = 3650 * (int64_t)DAY_MS;

    add(s, 5, s->wall - DAY_MS, true);
    start(s);
    pass(s, 3000);
    s->wall += jump;
    pass(s, 30000);
    assert_int_equal(left(s), 5);
    s->wall -= jump;
    pass(s, 2000);
    s->wall += HOUR_MS;
    s->mono += HOUR_MS;
    pass(s, 3000);
    assert_int_equal(left(s), 5);
    /* One that stays is believed in the end. */
    s->wall += jump;
    pass(s, 3000);
    assert_int_equal(left(s), 5);
    s->wall += HOUR_MS;
    s->mono += HOUR_MS;
    pass(s, 3000);
    assert_int_equal(left(s), 0);
}

/* Too many rows are too many whatever the clock says. */
static void test_a_jump_does_not_stop_the_count(void **state)
{
    struct scene *s = *state;

    add(s, 50, s->wall, true);
    start(s);
    pass(s, 2000);
    s->wall -= 3650 * (int64_t)DAY_MS;
    pass(s, 2000);
    keep(s, 20);
    pass(s, 2000);
    assert_int_equal(left(s), 20);
}

/* A store that is older than the entries: they are made first, in steps, then the oldest go. */
static void test_entries_that_are_missing_are_made(void **state)
{
    struct scene *s = *state;
    struct txn *t;

    add(s, 600, s->wall - 1000, false);
    add(s, 400, s->wall - 2000, false);
    keep(s, 700);
    start(s);
    pass(s, 1000);
    assert_int_equal(left(s), 1000);
    pass(s, 2500);
    assert_int_equal(left(s), 700);
    t = txn_begin(s->w.store, TXN_READ);
    assert_true(retention_complete(t, RETAINED_HISTORY));
    for (uint32_t id = 1; id <= 1000; id++) /* those with the lower ids are the younger ones */
        assert_int_equal(is_there(t, SA_HISTORY, key_of_id("alice", id)), id <= 600 || id > 900);
    txn_abort(t);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
        TEST(test_small_steps_with_pauses),
        TEST(test_limits_are_looked_at_each_second),
        TEST(test_days_go_by),
        TEST(test_a_jump_ahead_purges_nothing_for_an_hour),
        TEST(test_a_jump_does_not_stop_the_count),
        TEST(test_entries_that_are_missing_are_made),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
