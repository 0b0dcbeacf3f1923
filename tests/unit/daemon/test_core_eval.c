/* From the evaluator's verdicts to transactions: what is looked at, applied and left out in one
 * turn of the core. */
#include "tests/unit/alerts/fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/core.h"

static const struct judge_now now = {5000000, 70000};

struct lab {
    struct world w;
    struct config config;
    struct core core;
};

/* Definitions one to three of alice's, read as at a start. */
static int setup(void **state)
{
    struct lab *l = calloc(1, sizeof *l);
    struct eval_client_options o = {.on_verdict = core_on_verdict, .arg = &l->core};
    struct txn *t;

    assert_non_null(l);
    world_init(&l->w);
    t = begin(&l->w);
    put_definition(t, "alice", "one", "web");
    put_definition(t, "alice", "three", "web");
    put_definition(t, "alice", "two", "web");
    put_target(t, "alice", "ops");
    take_in(t, 1);
    put_link(t, "alice", "web", "ops");
    take_in(t, 1);
    done(t);
    l->core = (struct core){.store = l->w.store, .config = &l->config, .loop = loop_new()};
    o.loop = l->core.loop;
    l->core.eval = eval_client_new(&o);
    l->core.topics = topics_new();
    assert_true(l->core.loop && l->core.eval && l->core.topics);
    assert_int_equal(core_defs_load(&l->core), 0);
    *state = l;
    return 0;
}

static int teardown(void **state)
{
    struct lab *l = *state;

    core_defs_free(&l->core);
    core_match_free(&l->core);
    topics_free(l->core.topics);
    eval_client_free(l->core.eval);
    loop_free(l->core.loop);
    free(l->core.verdicts);
    free(l->core.to_apply);
    world_release(&l->w);
    free(l);
    return 0;
}

static uint32_t condition_of(const struct lab *l, const char *name)
{
    for (size_t i = 0; i < l->core.ndefs; i++) {
        if (l->core.defs[i] && !strcmp(l->core.defs[i]->d.name, name))
            return l->core.defs[i]->condition;
    }
    fail_msg("no definition %s", name);
    return 0;
}

static void say(struct lab *l, const char *name, enum verdict_kind kind, const char *value)
{
    struct verdict v = {.kind = kind};

    snprintf(v.value, sizeof v.value, "%s", value);
    core_on_verdict(&l->core, condition_of(l, name), &v);
}

static size_t look(struct lab *l)
{
    struct txn *t = txn_begin(l->w.store, TXN_READ);
    size_t n = core_verdicts_look(&l->core, t, &now);

    txn_abort(t);
    return n;
}

/* A turn as daemon/core.c has it; false when it was not committed. */
static bool turn(struct lab *l)
{
    size_t n = look(l);
    struct txn *t = begin(&l->w);

    if (core_verdicts_apply(&l->core, t, n, &now)) {
        txn_abort(t);
        return false;
    }
    done(t);
    core_verdicts_clear(&l->core);
    return true;
}

/* The level by the alerts' rows. */
static enum sa_level level_of(struct lab *l, const char *name)
{
    struct txn *t = txn_begin(l->w.store, TXN_READ);
    enum sa_level level = instances_level(t, "alice", name);

    txn_abort(t);
    return level;
}

static uint64_t history(struct lab *l)
{
    struct txn *t = txn_begin(l->w.store, TXN_READ);
    uint64_t n = table_count(t, sa_table_by_id(SA_HISTORY));

    txn_abort(t);
    return n;
}

static void test_only_what_changes_something_is_applied(void **state)
{
    struct lab *l = *state;

    say(l, "one", VERDICT_FALSE, "");
    say(l, "two", VERDICT_TRUE, "");
    assert_int_equal(look(l), 2); /* both alerts are new */
    assert_true(turn(l));
    say(l, "one", VERDICT_FALSE, "");
    say(l, "two", VERDICT_TRUE, "");
    assert_int_equal(look(l), 0);
    core_verdicts_clear(&l->core);
    assert_int_equal(level_of(l, "one"), LEVEL_OK);
    assert_int_equal(level_of(l, "two"), LEVEL_CRITICAL);
    assert_int_equal(l->core.transitions, 1);
}

static void test_two_verdicts_of_a_condition_in_one_turn(void **state)
{
    struct lab *l = *state;

    say(l, "one", VERDICT_FALSE, "");
    assert_true(turn(l));
    say(l, "one", VERDICT_TRUE, "");
    say(l, "one", VERDICT_FALSE, ""); /* what is stored, until the one before it is */
    say(l, "two", VERDICT_SKIPPED, "");
    assert_true(turn(l));
    assert_int_equal(level_of(l, "one"), LEVEL_OK);
    assert_int_equal(history(l), 2);
    say(l, "one", VERDICT_FALSE, "");
    assert_int_equal(look(l), 0); /* the next turn starts afresh */
}

static void test_a_verdict_that_cannot_be_stored_holds_up_no_other(void **state)
{
    struct lab *l = *state;

    say(l, "one", VERDICT_TRUE, "");
    say(l, "two", VERDICT_TRUE, "\xff no text");
    say(l, "three", VERDICT_TRUE, "");
    assert_false(turn(l));
    assert_int_equal(history(l), 0);
    assert_true(turn(l)); /* the same verdicts, but for that one */
    assert_int_equal(level_of(l, "one"), LEVEL_CRITICAL);
    assert_int_equal(level_of(l, "two"), LEVEL_OK);
    assert_int_equal(level_of(l, "three"), LEVEL_CRITICAL);
}

static void test_what_is_disabled_meanwhile_is_not_judged(void **state)
{
    struct lab *l = *state;
    struct txn *t;

    say(l, "one", VERDICT_TRUE, "");
    say(l, "two", VERDICT_TRUE, "");
    say(l, "three", VERDICT_TRUE, "");
    t = begin(&l->w);
    PUT(t, SA_DEFINITION, key_of_names("alice", "one"), {DEFINITION_DISABLED, TRUTH_TRUE, NULL});
    drop_row(t, SA_DEFINITION, key_of_names("alice", "two"));
    done(t);
    assert_true(turn(l));
    assert_int_equal(history(l), 1);
    assert_int_equal(level_of(l, "three"), LEVEL_CRITICAL);
}

/* ---- targets' matches ---- */

static uint64_t asked(const struct lab *l)
{
    struct eval_stats s;

    eval_client_stats(l->core.eval, &s);
    return s.conditions - 3; /* definitions */
}

static void answer_match(struct lab *l, uint32_t slot, enum verdict_kind kind, const char *error)
{
    struct verdict v = {.kind = kind};

    snprintf(v.error, sizeof v.error, "%s", error);
    core_on_verdict(&l->core, (UINT32_C(1) << 30) | slot, &v);
}

static void apply_matches(struct lab *l)
{
    struct txn *t = begin(&l->w);

    assert_int_equal(core_match_apply(&l->core, t, now.wall_ms), 0);
    done(t);
    core_match_clear(&l->core);
}

static size_t pending_now(struct lab *l)
{
    struct txn *t = txn_begin(l->w.store, TXN_READ);
    size_t n = notice_pending(t);

    txn_abort(t);
    return n;
}

static void follow(struct lab *l)
{
    l->core.match_wanted = true;
    core_match_follow(&l->core);
}

/* What an answer is does not depend on when the turn that took it could be committed, nor on which
 * core asked. */
static void test_matches_are_asked_until_they_are_answered(void **state)
{
    struct lab *l = *state;
    struct txn *t = begin(&l->w);

    PUT(t, SA_TARGET, key_of_names("alice", "ops"), {TARGET_MATCH, 0, "changed"});
    done(t);
    say(l, "one", VERDICT_TRUE, "");
    say(l, "two", VERDICT_TRUE, "");
    say(l, "three", VERDICT_TRUE, "");
    assert_true(turn(l));
    assert_int_equal(pending_now(l), 3);
    follow(l);
    follow(l); /* nobody is asked twice */
    assert_int_equal(asked(l), 3);
    answer_match(l, 0, VERDICT_FALSE, "");
    answer_match(l, 0, VERDICT_TRUE, ""); /* of nothing that is asked any more */
    answer_match(l, 77, VERDICT_TRUE, "");
    assert_int_equal(asked(l), 2);
    t = begin(&l->w); /* this turn cannot be committed */
    assert_int_equal(core_match_apply(&l->core, t, now.wall_ms), 0);
    txn_abort(t);
    assert_int_equal(pending_now(l), 3);
    apply_matches(l);
    assert_int_equal(pending_now(l), 2);
    /* This core ends; the next one asks about the two that are left. */
    core_match_free(&l->core);
    eval_client_condition_del(l->core.eval, (UINT32_C(1) << 30) | 1);
    eval_client_condition_del(l->core.eval, (UINT32_C(1) << 30) | 2);
    l->core.last_match = 0;
    follow(l);
    assert_int_equal(asked(l), 2);
    answer_match(l, 0, VERDICT_ERROR, "it is wrong");
    answer_match(l, 1, VERDICT_LEVEL, "");
    apply_matches(l);
    assert_int_equal(pending_now(l), 2);
    t = txn_begin(l->w.store, TXN_READ);
    assert_string_equal(text_of(t, SA_TARGET, key_of_names("alice", "ops"), TARGET_MATCH_ERROR),
                        "the value is neither true nor false");
    assert_int_equal(notice_next_due(t, NOTICE_ANY_WAY), now.wall_ms);
    txn_abort(t);
    follow(l);
    assert_int_equal(asked(l), 0);
}

/* More than are asked at a time, and a script that was taken away meanwhile stands for yes. */
static void test_matches_wait_for_room(void **state)
{
    struct lab *l = *state;
    struct route to = {.n = 1};
    struct txn *t = begin(&l->w);
    struct notice_text n = test_notice_of(0);

    PUT(t, SA_TARGET, key_of_names("alice", "ops"), {TARGET_MATCH, 0, "changed"});
    to.targets[0] = target_of(t, "alice", "ops");
    n.kind = KIND_RAISE;
    n.level = LEVEL_CRITICAL;
    for (n.alert = 1; n.alert <= CORE_MATCHES_MAX + 10; n.alert++)
        assert_int_equal(notice_tell(t, &to, &n, true, NULL, NULL, now.wall_ms), 0);
    done(t);
    follow(l);
    assert_int_equal(asked(l), CORE_MATCHES_MAX);
    for (uint32_t i = 0; i < CORE_MATCHES_MAX; i++)
        answer_match(l, i, VERDICT_FALSE, "");
    apply_matches(l);
    assert_int_equal(pending_now(l), 10);
    t = begin(&l->w);
    PUT(t, SA_TARGET, key_of_names("alice", "ops"), {TARGET_MATCH, 0, ""});
    done(t);
    follow(l);
    assert_int_equal(asked(l), 0);
    apply_matches(l);
    t = txn_begin(l->w.store, TXN_READ);
    assert_int_equal(notice_next_due(t, NOTICE_ANY_WAY), now.wall_ms);
    txn_abort(t);
    assert_int_equal(pending_now(l), 10);
}

/* As when the ring told of it. */
static void reload(struct lab *l, const char *name)
{
    struct core_name item = {.owner = "alice"};
    struct core_touched touched = {.items = &item, .n = 1};

    snprintf(item.name, sizeof item.name, "%s", name);
    assert_int_equal(core_defs_reload(&l->core, &touched), 0);
}

static void test_definitions_as_they_are_read_again(void **state)
{
    struct lab *l = *state;
    struct txn *t = begin(&l->w);

    PUT(t, SA_DEFINITION, key_of_names("alice", "one"), {DEFINITION_DISABLED, TRUTH_TRUE, NULL});
    drop_row(t, SA_DEFINITION, key_of_names("alice", "two"));
    PUT(t, SA_DEFINITION, key_of_names("alice", "three"),
        {DEFINITION_SEVERITY, LEVEL_WARNING, NULL});
    done(t);
    say(l, "one", VERDICT_TRUE, ""); /* on their way while their definitions go */
    say(l, "two", VERDICT_TRUE, "");
    say(l, "three", VERDICT_TRUE, "");
    reload(l, "one");
    reload(l, "two");
    reload(l, "three");
    reload(l, "none");
    assert_int_equal(look(l), 1);
    assert_true(turn(l));
    assert_int_equal(level_of(l, "three"), LEVEL_WARNING);
}

/* A file that drops both at once: the script touches all that there are, which it is not. */
static void test_a_definition_that_goes_with_its_script(void **state)
{
    struct lab *l = *state;
    struct core_name item = {"alice", "two"};
    struct core_touched touched = {.items = &item, .n = 1, .all = true};
    struct txn *t = begin(&l->w);

    drop_row(t, SA_DEFINITION, key_of_names("alice", "two"));
    done(t);
    assert_int_equal(core_defs_reload(&l->core, &touched), 0);
    for (size_t i = 0; i < l->core.ndefs; i++)
        assert_true(!l->core.defs[i] || strcmp(l->core.defs[i]->d.name, "two"));
    assert_true(condition_of(l, "one") && condition_of(l, "three"));
}

static void test_many_definitions_come_and_go(void **state)
{
    enum { N = 300 };
    struct lab *l = *state;
    uint64_t seed = 3;
    bool there[N] = {false};

    for (int step = 0; step < 3000; step++) {
        uint32_t i = dice(&seed, N);
        struct txn *t = begin(&l->w);
        char name[16];

        snprintf(name, sizeof name, "d%u", i);
        if (there[i])
            drop_row(t, SA_DEFINITION, key_of_names("alice", name));
        else
            put_definition(t, "alice", name, "web");
        there[i] = !there[i];
        done(t);
        reload(l, name);
    }
    for (uint32_t i = 0; i < N; i++) {
        size_t found = 0;
        char name[16];

        snprintf(name, sizeof name, "d%u", i);
        for (size_t j = 0; j < l->core.ndefs; j++)
            found += l->core.defs[j] && !strcmp(l->core.defs[j]->d.name, name);
        assert_int_equal(found, there[i]);
    }
}

#define IN_LAB(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_LAB(test_only_what_changes_something_is_applied),
        IN_LAB(test_two_verdicts_of_a_condition_in_one_turn),
        IN_LAB(test_a_verdict_that_cannot_be_stored_holds_up_no_other),
        IN_LAB(test_what_is_disabled_meanwhile_is_not_judged),
        IN_LAB(test_matches_are_asked_until_they_are_answered),
        IN_LAB(test_matches_wait_for_room),
        IN_LAB(test_definitions_as_they_are_read_again),
        IN_LAB(test_a_definition_that_goes_with_its_script),
        IN_LAB(test_many_definitions_come_and_go),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
