/* The judge on a clock of the test's own: each scenario is a list of moments, verdicts and what
 * must come out. */
#include "alerts/judge.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

enum { WALL = 1000000 };
#define NONE 0

struct step {
    int64_t at; /* ms since the scenario began */
    enum verdict_kind kind;
    enum sa_level level; /* of VERDICT_LEVEL */
    enum sa_level want;
    enum sa_phase want_phase;
    enum sa_notice_kind want_kind; /* NONE: no transition */
    int64_t want_due;              /* since the scenario began; NONE: by interval only */
};

struct scenario {
    const char *name;
    struct judge_rules rules;
    struct step steps[12];
};

#define F VERDICT_FALSE
#define T VERDICT_TRUE
#define L VERDICT_LEVEL
#define S VERDICT_SKIPPED
#define N VERDICT_NODATA
#define E VERDICT_ERROR

static const struct scenario scenarios[] = {
    {"boolean without hold",
     {LEVEL_CRITICAL, 0, 20000, POLICY_KEEP_LAST, POLICY_UNKNOWN},
     {{0, F, 0, LEVEL_OK, PHASE_INACTIVE, NONE, NONE},
      {10, T, 0, LEVEL_CRITICAL, PHASE_ACTIVE, KIND_RAISE, NONE},
      {20, T, 0, LEVEL_CRITICAL, PHASE_ACTIVE, NONE, NONE},
      {30, F, 0, LEVEL_OK, PHASE_INACTIVE, KIND_CLEAR, NONE}}},
    {"held exactly as long as asked",
     {LEVEL_WARNING, 5000, 20000, POLICY_KEEP_LAST, POLICY_UNKNOWN},
     {{1, T, 0, LEVEL_OK, PHASE_PENDING, NONE, 5001},
      {5000, T, 0, LEVEL_OK, PHASE_PENDING, NONE, 5001},
      {5001, T, 0, LEVEL_WARNING, PHASE_ACTIVE, KIND_RAISE, NONE}}},
    {"back to OK while pending tells nobody and starts anew",
     {LEVEL_WARNING, 5000, 20000, POLICY_KEEP_LAST, POLICY_UNKNOWN},
     {{1, T, 0, LEVEL_OK, PHASE_PENDING, NONE, 5001},
      {4000, F, 0, LEVEL_OK, PHASE_INACTIVE, NONE, NONE},
      {4500, T, 0, LEVEL_OK, PHASE_PENDING, NONE, 9500},
      {9499, T, 0, LEVEL_OK, PHASE_PENDING, NONE, 9500},
      {9500, T, 0, LEVEL_WARNING, PHASE_ACTIVE, KIND_RAISE, NONE}}},
    {"a rise is held again, the lower level stays active meanwhile; a fall is immediate",
     {LEVEL_CRITICAL, 1000, 20000, POLICY_KEEP_LAST, POLICY_UNKNOWN},
     {{0, L, LEVEL_WARNING, LEVEL_OK, PHASE_PENDING, NONE, 1000},
      {1000, L, LEVEL_WARNING, LEVEL_WARNING, PHASE_ACTIVE, KIND_RAISE, NONE},
      {1500, L, LEVEL_CRITICAL, LEVEL_WARNING, PHASE_ACTIVE, NONE, 2500},
      {2500, L, LEVEL_CRITICAL, LEVEL_CRITICAL, PHASE_ACTIVE, KIND_CHANGE, NONE},
      {2600, L, LEVEL_INFO, LEVEL_INFO, PHASE_ACTIVE, KIND_CHANGE, NONE},
      {2700, L, LEVEL_OK, LEVEL_OK, PHASE_INACTIVE, KIND_CLEAR, NONE}}},
    {"pending at a higher level, then a lower one: it was at least that since the start",
     {LEVEL_CRITICAL, 1000, 20000, POLICY_KEEP_LAST, POLICY_UNKNOWN},
     {{1, L, LEVEL_CRITICAL, LEVEL_OK, PHASE_PENDING, NONE, 1001},
      {900, L, LEVEL_WARNING, LEVEL_OK, PHASE_PENDING, NONE, 1001},
      {1001, L, LEVEL_WARNING, LEVEL_WARNING, PHASE_ACTIVE, KIND_RAISE, NONE}}},
    {"no data keeps the last level, then is UNKNOWN, which does not end the alert",
     {LEVEL_CRITICAL, 0, 2000, POLICY_KEEP_LAST, POLICY_UNKNOWN},
     {{1, T, 0, LEVEL_CRITICAL, PHASE_ACTIVE, KIND_RAISE, NONE},
      {100, N, 0, LEVEL_CRITICAL, PHASE_ACTIVE, NONE, 2100},
      {2099, N, 0, LEVEL_CRITICAL, PHASE_ACTIVE, NONE, 2100},
      {2100, N, 0, LEVEL_UNKNOWN, PHASE_ACTIVE, KIND_CHANGE, NONE},
      {2200, F, 0, LEVEL_OK, PHASE_INACTIVE, KIND_CLEAR, NONE}}},
    {"data in between starts the time without data anew",
     {LEVEL_CRITICAL, 0, 2000, POLICY_KEEP_LAST, POLICY_UNKNOWN},
     {{1, N, 0, LEVEL_OK, PHASE_INACTIVE, NONE, 2001},
      {1900, F, 0, LEVEL_OK, PHASE_INACTIVE, NONE, NONE},
      {1950, N, 0, LEVEL_OK, PHASE_INACTIVE, NONE, 3950},
      {3950, N, 0, LEVEL_UNKNOWN, PHASE_ACTIVE, KIND_RAISE, NONE}}},
    {"no data: ok",
     {LEVEL_CRITICAL, 0, 2000, POLICY_OK, POLICY_UNKNOWN},
     {{1, T, 0, LEVEL_CRITICAL, PHASE_ACTIVE, KIND_RAISE, NONE},
      {2, N, 0, LEVEL_OK, PHASE_INACTIVE, KIND_CLEAR, NONE}}},
    {"no data: alerting",
     {LEVEL_WARNING, 0, 2000, POLICY_ALERTING, POLICY_UNKNOWN},
     {{1, N, 0, LEVEL_WARNING, PHASE_ACTIVE, KIND_RAISE, NONE}}},
    {"no data: unknown at once",
     {LEVEL_WARNING, 0, 2000, POLICY_UNKNOWN, POLICY_UNKNOWN},
     {{1, N, 0, LEVEL_UNKNOWN, PHASE_ACTIVE, KIND_RAISE, NONE}}},
    {"an error is UNKNOWN by default",
     {LEVEL_WARNING, 0, 2000, POLICY_KEEP_LAST, POLICY_UNKNOWN},
     {{1, E, 0, LEVEL_UNKNOWN, PHASE_ACTIVE, KIND_RAISE, NONE},
      {2, F, 0, LEVEL_OK, PHASE_INACTIVE, KIND_CLEAR, NONE}}},
    {"an error keeps the last level if asked to",
     {LEVEL_WARNING, 0, 2000, POLICY_KEEP_LAST, POLICY_KEEP_LAST},
     {{1, T, 0, LEVEL_WARNING, PHASE_ACTIVE, KIND_RAISE, NONE},
      {2, E, 0, LEVEL_WARNING, PHASE_ACTIVE, NONE, NONE}}},
    {"SKIPPED changes nothing, not even the hold",
     {LEVEL_WARNING, 1000, 2000, POLICY_KEEP_LAST, POLICY_UNKNOWN},
     {{1, T, 0, LEVEL_OK, PHASE_PENDING, NONE, 1001},
      {500, S, 0, LEVEL_OK, PHASE_PENDING, NONE, 1001},
      {1001, T, 0, LEVEL_WARNING, PHASE_ACTIVE, KIND_RAISE, NONE}}},
    {"a hold that passes while there is no data waits for a verdict, without a timer in the past",
     {LEVEL_WARNING, 1000, 60000, POLICY_KEEP_LAST, POLICY_UNKNOWN},
     {{1, T, 0, LEVEL_OK, PHASE_PENDING, NONE, 1001},
      {500, N, 0, LEVEL_OK, PHASE_PENDING, NONE, 1001},
      {1500, N, 0, LEVEL_OK, PHASE_PENDING, NONE, NONE},
      {1600, T, 0, LEVEL_WARNING, PHASE_ACTIVE, KIND_RAISE, NONE}}},
};

#undef F
#undef T
#undef L
#undef S
#undef N
#undef E

static void check_invariants(const struct judge_state *s)
{
    assert_int_equal(s->level != LEVEL_OK, s->phase == PHASE_ACTIVE);
    assert_int_equal(s->level != LEVEL_OK, s->active_since_ms != 0);
    if (s->phase == PHASE_INACTIVE)
        assert_int_equal(s->pending_level, 0);
    if (s->phase == PHASE_PENDING)
        assert_int_not_equal(s->pending_level, 0);
    if (s->pending_level)
        assert_true(level_rank(s->pending_level) > level_rank(s->level));
}

static void play(const struct scenario *sc)
{
    struct judge_now now = {WALL, 1};
    struct judge_state s;

    judge_init(&s, &now);
    for (size_t i = 0; i < sizeof sc->steps / sizeof *sc->steps && sc->steps[i].want; i++) {
        const struct step *st = &sc->steps[i];
        enum sa_level before = s.level;
        struct judge_transition t;
        int64_t due;

        print_message("%s: step %zu\n", sc->name, i);
        now = (struct judge_now){WALL + st->at, 1 + st->at};
        t = judge(&s, &sc->rules, st->kind, st->level, &now, &due);
        check_invariants(&s);
        assert_int_equal(s.level, st->want);
        assert_int_equal(s.phase, st->want_phase);
        assert_int_equal(t.happened ? t.kind : NONE, st->want_kind);
        assert_int_equal(due, st->want_due ? 1 + st->want_due : 0);
        if (t.happened) {
            assert_int_equal(t.from, before);
            assert_int_equal(t.to, s.level);
            assert_int_equal(s.since_ms, now.wall_ms);
        }
    }
}

static void test_scenarios(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof scenarios / sizeof *scenarios; i++)
        play(&scenarios[i]);
}

static const struct judge_rules held = {LEVEL_CRITICAL, 5000, 60000, POLICY_KEEP_LAST,
                                        POLICY_UNKNOWN};

static void test_hold_is_frozen_over_a_restart(void **state)
{
    struct judge_now now = {WALL, 1000};
    struct judge_state s;
    int64_t due;

    (void)state;
    judge_init(&s, &now);
    judge(&s, &held, VERDICT_TRUE, 0, &now, &due);
    /* Alive for 3 s of the hold, then away for an hour; a new boot's clock may start anywhere. */
    judge_resume(&s, 4000, 500);
    assert_int_equal(s.held_ms, 3000);
    now.mono_ms = 500 + 1999;
    judge(&s, &held, VERDICT_TRUE, 0, &now, &due);
    assert_int_equal(s.level, LEVEL_OK);
    assert_int_equal(due, 2500);
    now.mono_ms = 2500;
    assert_true(judge(&s, &held, VERDICT_TRUE, 0, &now, &due).happened);
    assert_int_equal(s.level, LEVEL_CRITICAL);
}

static void test_a_restart_that_lost_the_alive_mark_counts_nothing(void **state)
{
    struct judge_now now = {WALL, 1000};
    struct judge_state s;
    int64_t due;

    (void)state;
    judge_init(&s, &now);
    judge(&s, &held, VERDICT_TRUE, 0, &now, &due);
    judge_resume(&s, 0, 77);
    assert_int_equal(s.held_ms, 0);
    assert_int_equal(s.pending_since_mono, 77);
}

static void test_in_and_out_times(void **state)
{
    struct judge_rules r = held;
    struct judge_now now = {WALL, 1};
    struct judge_transition t;
    struct judge_state s;
    int64_t due;

    (void)state;
    r.hold_ms = 0;
    judge_init(&s, &now);
    t = judge(&s, &r, VERDICT_TRUE, 0, &now, &due);
    assert_int_equal(t.in_ms, WALL);
    assert_int_equal(t.out_ms, 0);
    now = (struct judge_now){WALL + 700, 701};
    t = judge(&s, &r, VERDICT_LEVEL, LEVEL_WARNING, &now, &due);
    assert_int_equal(t.kind, KIND_CHANGE);
    assert_int_equal(t.in_ms, WALL);
    now = (struct judge_now){WALL + 900, 901};
    t = judge(&s, &r, VERDICT_FALSE, 0, &now, &due);
    assert_int_equal(t.in_ms, WALL);
    assert_int_equal(t.out_ms, WALL + 900);
    assert_int_equal(s.previous_level, LEVEL_WARNING);
}

static void test_close(void **state)
{
    struct judge_rules r = held;
    struct judge_now now = {WALL, 1};
    struct judge_transition t;
    struct judge_state s;
    int64_t due;

    (void)state;
    judge_init(&s, &now);
    judge(&s, &r, VERDICT_TRUE, 0, &now, &due); /* pending */
    t = judge_close(&s, REASON_DISABLED, &now);
    check_invariants(&s);
    assert_false(t.happened);
    assert_int_equal(s.flags, ALERT_FLAG_DISABLED);
    r.hold_ms = 0;
    judge(&s, &r, VERDICT_TRUE, 0, &now, &due);
    assert_int_equal(s.flags, 0);
    t = judge_close(&s, REASON_DELETED, &now);
    check_invariants(&s);
    assert_true(t.happened);
    assert_int_equal(t.reason, REASON_DELETED);
    assert_int_equal(t.to, LEVEL_OK);
}

static void test_an_edit_drops_what_is_pending_and_keeps_what_is_active(void **state)
{
    struct judge_rules r = held;
    struct judge_now now = {WALL, 1};
    struct judge_state s;
    int64_t due;

    (void)state;
    judge_init(&s, &now);
    judge(&s, &r, VERDICT_TRUE, 0, &now, &due);
    judge_edited(&s);
    check_invariants(&s);
    assert_int_equal(s.phase, PHASE_INACTIVE);
    r.hold_ms = 0;
    judge(&s, &r, VERDICT_TRUE, 0, &now, &due);
    judge_edited(&s);
    check_invariants(&s);
    assert_int_equal(s.level, LEVEL_CRITICAL);
}

static void test_rank(void **state)
{
    static const enum sa_level order[] = {LEVEL_OK, LEVEL_INFO, LEVEL_UNKNOWN, LEVEL_WARNING,
                                          LEVEL_CRITICAL};

    (void)state;
    for (size_t i = 1; i < sizeof order / sizeof *order; i++)
        assert_true(level_rank(order[i]) > level_rank(order[i - 1]));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_scenarios),
        cmocka_unit_test(test_hold_is_frozen_over_a_restart),
        cmocka_unit_test(test_a_restart_that_lost_the_alive_mark_counts_nothing),
        cmocka_unit_test(test_in_and_out_times),
        cmocka_unit_test(test_close),
        cmocka_unit_test(test_an_edit_drops_what_is_pending_and_keeps_what_is_active),
        cmocka_unit_test(test_rank),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
