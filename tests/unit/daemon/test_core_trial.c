/* Trials of conditions, with an evaluator that the test plays: the core's queue of them, and what
 * it makes of a verdict. */
#include "tests/unit/alerts/fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "alerts/computed.h"
#include "base/clock.h"
#include "daemon/core.h"
#include "daemon/kinds.h"
#include "store/set.h"
#include "store/view.h"

struct bench {
    struct world w;
    struct core c;
    struct checks checks;
    char owner[1][33];
    int64_t wall_ms, mono_ms;
};

static const char bad[] = "1 +";

/* ---- the core's turn, as far as it is about this ---- */

static void on_due(void *arg)
{
    (void)arg;
}

static void turn(struct bench *b)
{
    struct judge_now now = {clock_wall_ms(), clock_mono_ms()};
    struct core_touched touched = {.items = NULL};
    struct txn *t = begin(&b->w);

    assert_int_equal(core_changes_apply(&b->c, t, &now, &touched), 0);
    assert_int_equal(core_trials_apply(&b->c, t, now.wall_ms), 0);
    done(t);
    core_trials_clear(&b->c);
    core_trials_next(&b->c);
    core_touched_release(&touched);
    loop_turn(b->c.loop, 0);
}

static void pass(struct bench *b, int64_t ms)
{
    b->wall_ms += ms;
    b->mono_ms += ms;
    turn(b);
}

/* What the evaluator would say of the one that runs. */
static void say(struct bench *b, struct verdict v)
{
    core_on_verdict(&b->c, CORE_TRIAL_CONDITION, &v);
    turn(b);
}

/* Does the evaluator know of a trial? There is no definition, else. */
static bool runs(const struct bench *b)
{
    struct eval_stats s;

    eval_client_stats(b->c.eval, &s);
    return s.conditions == 1;
}

static void start(struct bench *b)
{
    struct eval_client_options o = {.loop = b->c.loop, .on_verdict = core_on_verdict, .arg = &b->c};

    b->c.eval = eval_client_new(&o);
    b->c.topics = topics_new();
    b->c.due = loop_timer_new(b->c.loop, on_due, NULL);
    assert_true(b->c.eval && b->c.topics && b->c.due);
    assert_int_equal(core_trials_load(&b->c), 0);
}

static void stop(struct bench *b)
{
    core_trials_free(&b->c);
    loop_timer_del(b->c.due);
    topics_free(b->c.topics);
    eval_client_free(b->c.eval);
}

static int compile(void *arg, const void *text, size_t len, struct err *e)
{
    (void)arg;
    return len == strlen(bad) && !memcmp(text, bad, len)
               ? err_set(e, ERR_WRONG_VALUE, "line 1: SyntaxError")
               : 0;
}

static int setup(void **state)
{
    struct bench *b = calloc(1, sizeof *b);

    assert_non_null(b);
    world_init(&b->w);
    b->wall_ms = 1795000000000;
    b->mono_ms = 5000;
    clock_fake(&b->wall_ms, &b->mono_ms);
    snprintf(b->owner[0], sizeof b->owner[0], "alice");
    b->c = (struct core){.store = b->w.store, .loop = loop_new(), .owners = b->owner, .nowners = 1};
    assert_non_null(b->c.loop);
    b->checks = (struct checks){.kinds = &daemon_kinds, .compile = compile};
    assert_int_equal(checks_register(b->w.store, &b->checks), 0);
    assert_int_equal(computed_register(b->w.store, &daemon_kinds), 0);
    start(b);
    turn(b);
    *state = b;
    return 0;
}

static int teardown(void **state)
{
    struct bench *b = *state;

    stop(b);
    loop_free(b->c.loop);
    clock_fake(NULL, NULL);
    world_release(&b->w);
    free(b);
    return 0;
}

/* ---- the manager ---- */

static struct key key_of(const char *name)
{
    return key_of_names("alice", name);
}

struct cell_of_set {
    unsigned column;
    int64_t number;
    const char *text;
};

/* The SET is kept: it can be undone. */
static int begin_set(struct bench *b, struct set **ret, const char *name,
                     const struct cell_of_set *cells, size_t n, struct err *e)
{
    struct set *x = *ret = set_new(b->w.store, SET_SNMP);
    struct key k = key_of(name);
    struct slice key = key_slice(&k);
    int tag, err = 0;

    for (size_t i = 0; i < n && !err; i++) {
        struct set_value v = {.type = SET_INT32, .number = cells[i].number};
        uint32_t subids[128];
        size_t len = view_oid(sa_table_by_id(SA_TRIAL), cells[i].column, &key, subids, 128);

        if (cells[i].text)
            v = (struct set_value){
                .type = SET_OCTETS,
                .bytes = {(const uint8_t *)cells[i].text, strlen(cells[i].text)}};
        err = set_add(x, (int)i, subids, len, &v, e);
    }
    if (!err)
        err = set_check(x, &tag, e);
    if (!err)
        err = set_commit(x, &tag, e);
    return err;
}

static int set_cells(struct bench *b, const char *name, const struct cell_of_set *cells, size_t n,
                     struct err *e)
{
    struct set *x;
    int err = begin_set(b, &x, name, cells, n, e);

    set_free(x);
    return err;
}

#define SETS(b, name, e, ...)                                                                      \
    set_cells(b, name, (const struct cell_of_set[]){__VA_ARGS__},                                  \
              COUNT(((const struct cell_of_set[]){__VA_ARGS__})), e)

/* A row that is made and run by one SET. */
static void tries(struct bench *b, const char *name, const char *condition)
{
    struct err e = {.text = ""};

    assert_int_equal(SETS(b, name, &e, {TRIAL_STATUS, ROW_CREATE_AND_GO, NULL},
                          {TRIAL_CONDITION, 0, condition}, {TRIAL_RUN, 0, NULL}),
                     0);
}

static int64_t shown(struct bench *b, const char *name, unsigned column)
{
    struct key k = key_of(name);
    struct slice key = key_slice(&k);
    uint32_t subids[128];
    size_t n = view_oid(sa_table_by_id(SA_TRIAL), column, &key, subids, 128);
    struct txn *t = txn_begin(b->w.store, TXN_READ);
    struct cell cell;

    assert_int_equal(view_get(t, subids, n, &cell), 0);
    txn_abort(t);
    return cell.number;
}

static void expect_text(struct bench *b, const char *name, unsigned column, const char *text)
{
    struct txn *t = txn_begin(b->w.store, TXN_READ);

    assert_string_equal(text_of(t, SA_TRIAL, key_of(name), column), text);
    txn_abort(t);
}

static void expect(struct bench *b, const char *name, enum sa_answer answer, enum sa_level level,
                   const char *value)
{
    assert_int_equal(shown(b, name, TRIAL_STATE), TRIAL_DONE);
    assert_int_equal(shown(b, name, TRIAL_OUTCOME), answer);
    assert_int_equal(shown(b, name, TRIAL_LEVEL), level);
    expect_text(b, name, TRIAL_VALUE, value);
}

static void expect_failed(struct bench *b, const char *name, const char *why)
{
    assert_int_equal(shown(b, name, TRIAL_STATE), TRIAL_FAILED);
    expect_text(b, name, TRIAL_ERROR, why);
}

/* ---- the tests ---- */

static void test_a_row_is_made_and_run_by_one_set(void **state)
{
    struct bench *b = *state;

    tries(b, "one", "1 < 2");
    assert_int_equal(shown(b, "one", TRIAL_STATE), TRIAL_RUNNING); /* from its own commit on */
    assert_false(runs(b));
    turn(b);
    assert_true(runs(b));
    say(b, (struct verdict){.kind = VERDICT_TRUE, .cost_us = 70});
    assert_false(runs(b));
    expect(b, "one", ANSWER_TRUE, LEVEL_CRITICAL, "true");
    assert_int_equal(shown(b, "one", TRIAL_COST), 70);
    assert_int_equal(shown(b, "one", TRIAL_RUN), 1);
    assert_int_equal(shown(b, "one", TRIAL_MISSED), TRUTH_FALSE);
    assert_int_equal(shown(b, "one", TRIAL_TIME), b->wall_ms);
}

static void test_answers_become_levels(void **state)
{
    static const struct {
        struct verdict v;
        enum sa_answer answer;
        enum sa_level level;
        const char *value;
    } list[] = {
        {{.kind = VERDICT_FALSE}, ANSWER_FALSE, LEVEL_OK, "false"},
        {{.kind = VERDICT_LEVEL, .level = LEVEL_WARNING, .value = "81"},
         ANSWER_LEVEL,
         LEVEL_WARNING,
         "81"},
        {{.kind = VERDICT_SKIPPED}, ANSWER_SKIPPED, LEVEL_OK, ""},
        {{.kind = VERDICT_NODATA}, ANSWER_NO_DATA, LEVEL_OK, ""},
        {{.kind = VERDICT_ERROR, .error = "line 7: no"}, ANSWER_ERROR, LEVEL_UNKNOWN, ""},
    };
    struct bench *b = *state;

    for (size_t i = 0; i < COUNT(list); i++) {
        char name[8];

        snprintf(name, sizeof name, "n%zu", i);
        tries(b, name, "x");
        turn(b);
        say(b, list[i].v);
        expect(b, name, list[i].answer, list[i].level, list[i].value);
        expect_text(b, name, TRIAL_ERROR, list[i].v.error);
    }
    assert_int_equal(shown(b, "n4", TRIAL_ERROR_LINE), 7);
    assert_int_equal(shown(b, "n0", TRIAL_ERROR_LINE), 0);
}

/* Hold time does not count; severity and policies do. */
static void test_the_settings_are_those_of_the_definition(void **state)
{
    struct bench *b = *state;
    struct err e;

    IN(&b->w, PUT(t, SA_DEFINITION, key_of("d"), {DEFINITION_CONDITION, 0, "true"},
                  {DEFINITION_SEVERITY, LEVEL_INFO, NULL}, {DEFINITION_TIME_THRESHOLD, 60000, NULL},
                  {DEFINITION_ON_ERROR, POLICY_ALERTING, NULL}));
    assert_int_equal(SETS(b, "one", &e, {TRIAL_STATUS, ROW_CREATE_AND_GO, NULL},
                          {TRIAL_DEFINITION, 0, "d"}, {TRIAL_RUN, 0, NULL}),
                     0);
    turn(b);
    say(b, (struct verdict){.kind = VERDICT_TRUE});
    expect(b, "one", ANSWER_TRUE, LEVEL_INFO, "true");
    assert_int_equal(SETS(b, "one", &e, {TRIAL_CONDITION, 0, "another()"}, {TRIAL_RUN, 1, NULL}),
                     0);
    turn(b);
    say(b, (struct verdict){.kind = VERDICT_ERROR, .error = "no", .cost_us = 9});
    expect(b, "one", ANSWER_ERROR, LEVEL_INFO, "");
    IN(&b->w, drop_row(t, SA_DEFINITION, key_of("d")));
    assert_int_equal(SETS(b, "one", &e, {TRIAL_RUN, 2, NULL}), 0);
    turn(b);
    turn(b);
    expect_failed(b, "one", "there is no definition 'd'");
}

static void test_one_at_a_time_and_in_order(void **state)
{
    struct bench *b = *state;

    tries(b, "z", "1");
    tries(b, "a", "2");
    turn(b);
    say(b, (struct verdict){.kind = VERDICT_FALSE, .cost_us = 10000});
    expect(b, "z", ANSWER_FALSE, LEVEL_OK, "false");
    assert_int_equal(shown(b, "a", TRIAL_STATE), TRIAL_RUNNING);
    pass(b, 89); /* the evaluator is for the definitions first */
    assert_false(runs(b));
    pass(b, 1);
    assert_true(runs(b));
    say(b, (struct verdict){.kind = VERDICT_TRUE});
    expect(b, "a", ANSWER_TRUE, LEVEL_CRITICAL, "true");
}

/* Nobody knows what one took that brought the evaluator down. */
static void test_behind_an_evaluator_that_died_there_is_a_pause(void **state)
{
    struct bench *b = *state;

    tries(b, "one", "1");
    tries(b, "two", "2");
    turn(b);
    say(b, (struct verdict){.kind = VERDICT_ERROR, .error = "the evaluator died"});
    pass(b, 1799);
    assert_false(runs(b));
    pass(b, 1);
    assert_true(runs(b));
}

static void test_whoever_asks_again_gets_the_later_answer(void **state)
{
    struct bench *b = *state;
    struct err e;

    tries(b, "one", "1");
    turn(b);
    assert_int_equal(SETS(b, "one", &e, {TRIAL_RUN, 0, NULL}), ERR_INCONSISTENT_VALUE);
    assert_int_equal(SETS(b, "one", &e, {TRIAL_RUN, 1, NULL}), 0);
    core_on_verdict(&b->c, CORE_TRIAL_CONDITION, &(struct verdict){.kind = VERDICT_TRUE});
    turn(b); /* takes the SET in: the answer is of the one before */
    assert_int_equal(shown(b, "one", TRIAL_STATE), TRIAL_RUNNING);
    assert_true(runs(b));
    say(b, (struct verdict){.kind = VERDICT_FALSE});
    expect(b, "one", ANSWER_FALSE, LEVEL_OK, "false");
}

static void test_what_is_undone_has_no_result(void **state)
{
    const struct cell_of_set run = {TRIAL_RUN, 0, NULL};
    struct bench *b = *state;
    struct set *x;
    struct err e;

    assert_int_equal(
        SETS(b, "one", &e, {TRIAL_STATUS, ROW_CREATE_AND_GO, NULL}, {TRIAL_CONDITION, 0, "1"}), 0);
    assert_int_equal(begin_set(b, &x, "one", &run, 1, &e), 0);
    turn(b);
    assert_true(runs(b));
    assert_int_equal(set_undo(x, &e), 0);
    set_free(x);
    say(b, (struct verdict){.kind = VERDICT_TRUE, .value = "v"});
    assert_int_equal(shown(b, "one", TRIAL_STATE), TRIAL_IDLE);
    expect_text(b, "one", TRIAL_VALUE, "");
}

static void test_a_row_that_goes_takes_its_trial_with_it(void **state)
{
    struct bench *b = *state;
    struct err e;

    tries(b, "one", "1");
    turn(b);
    assert_true(runs(b));
    assert_int_equal(SETS(b, "one", &e, {TRIAL_STATUS, ROW_DESTROY, NULL}), 0);
    tries(b, "one", "2"); /* the same name, the same count */
    say(b, (struct verdict){.kind = VERDICT_TRUE});
    assert_int_equal(shown(b, "one", TRIAL_STATE), TRIAL_RUNNING);
    assert_true(runs(b));
    say(b, (struct verdict){.kind = VERDICT_FALSE});
    expect(b, "one", ANSWER_FALSE, LEVEL_OK, "false");
}

static void test_an_evaluator_that_is_away_is_not_waited_for_for_ever(void **state)
{
    struct bench *b = *state;

    tries(b, "one", "1");
    turn(b);
    pass(b, 29999);
    assert_int_equal(shown(b, "one", TRIAL_STATE), TRIAL_RUNNING);
    pass(b, 1);
    turn(b);
    expect_failed(b, "one", "the evaluator gave no answer in time");
    assert_false(runs(b));
}

static void test_what_a_core_left_is_run_by_the_next(void **state)
{
    struct bench *b = *state;

    tries(b, "one", "1");
    turn(b);
    stop(b);
    start(b);
    turn(b);
    assert_true(runs(b));
    say(b, (struct verdict){.kind = VERDICT_TRUE});
    expect(b, "one", ANSWER_TRUE, LEVEL_CRITICAL, "true");
}

static void test_what_finds_no_room_at_a_start_has_its_turn(void **state)
{
    enum { ROWS = 1001 };
    struct bench *b = *state;
    struct txn *t = begin(&b->w);
    char name[8];

    for (int i = 0; i < ROWS; i++) {
        snprintf(name, sizeof name, "n%d", i);
        PUT(t, SA_TRIAL, key_of(name), {TRIAL_CONDITION, 0, "1"}, {TRIAL_RUN, 1, NULL});
    }
    take_in(t, 1);
    done(t);
    stop(b);
    start(b);
    turn(b);
    for (int i = 0; i < ROWS; i++) {
        assert_true(runs(b));
        say(b, (struct verdict){.kind = VERDICT_FALSE});
    }
    for (int i = 0; i < ROWS; i++) {
        snprintf(name, sizeof name, "n%d", i);
        expect(b, name, ANSWER_FALSE, LEVEL_OK, "false");
    }
    assert_false(runs(b));
}

static void test_a_row_that_is_not_active_fails(void **state)
{
    struct bench *b = *state;
    struct err e;

    assert_int_equal(
        SETS(b, "one", &e, {TRIAL_STATUS, ROW_CREATE_AND_WAIT, NULL}, {TRIAL_RUN, 0, NULL}), 0);
    turn(b);
    turn(b);
    expect_failed(b, "one", "the row is not active");
    assert_int_equal(SETS(b, "one", &e, {TRIAL_STATUS, ROW_ACTIVE, NULL}), ERR_INCONSISTENT_VALUE);
    assert_string_equal(e.text, "saTrialStatus.\"alice\".\"one\": neither a condition nor a script "
                                "nor a definition is given");
}

static void test_what_is_wrong_is_refused_with_words(void **state)
{
    static const struct {
        struct cell_of_set cell;
        int err;
        const char *words;
    } list[] = {
        {{TRIAL_CONDITION, 0, bad},
         ERR_WRONG_VALUE,
         "saTrialCondition.\"alice\".\"one\": line 1: SyntaxError"},
        {{TRIAL_SCRIPT, 0, "s"},
         ERR_INCONSISTENT_VALUE,
         "saTrialScript.\"alice\".\"one\": no script 's', neither of alice nor of admin"},
        {{TRIAL_DEFINITION, 0, "d"},
         ERR_INCONSISTENT_VALUE,
         "saTrialDefinition.\"alice\".\"one\": owner alice has no definition 'd'"},
    };
    struct bench *b = *state;

    for (size_t i = 0; i < COUNT(list); i++) {
        struct err e = {.text = ""};

        assert_int_equal(SETS(b, "one", &e, {TRIAL_STATUS, ROW_CREATE_AND_GO, NULL}, list[i].cell),
                         list[i].err);
        assert_string_equal(e.text, list[i].words);
    }
}

static void test_an_owner_has_a_hundred_at_most(void **state)
{
    struct bench *b = *state;
    struct err e;
    char name[8];

    for (int i = 0; i < 100; i++) {
        snprintf(name, sizeof name, "n%d", i);
        assert_int_equal(SETS(b, name, &e, {TRIAL_STATUS, ROW_CREATE_AND_WAIT, NULL}), 0);
    }
    assert_int_equal(SETS(b, "more", &e, {TRIAL_STATUS, ROW_CREATE_AND_WAIT, NULL}),
                     ERR_RESOURCE_UNAVAILABLE);
    assert_string_equal(
        e.text, "saTrialStatus.\"alice\".\"more\": owner alice may have 100 trials at most");
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_a_row_is_made_and_run_by_one_set),
        TEST(test_answers_become_levels),
        TEST(test_the_settings_are_those_of_the_definition),
        TEST(test_one_at_a_time_and_in_order),
        TEST(test_behind_an_evaluator_that_died_there_is_a_pause),
        TEST(test_whoever_asks_again_gets_the_later_answer),
        TEST(test_what_is_undone_has_no_result),
        TEST(test_a_row_that_goes_takes_its_trial_with_it),
        TEST(test_an_evaluator_that_is_away_is_not_waited_for_for_ever),
        TEST(test_what_a_core_left_is_run_by_the_next),
        TEST(test_what_finds_no_room_at_a_start_has_its_turn),
        TEST(test_a_row_that_is_not_active_fails),
        TEST(test_what_is_wrong_is_refused_with_words),
        TEST(test_an_owner_has_a_hundred_at_most),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
