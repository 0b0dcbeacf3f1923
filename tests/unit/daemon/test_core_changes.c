/* What the core makes of SETs: closed alerts, notices of definitions and targets, and what it has
 * to read again. */
#include "tests/unit/alerts/fixture.h"

#include <stdlib.h>
#include <string.h>

#include "alerts/raise.h"
#include "daemon/core.h"

enum { WALL = 5000000, MONO = 70000 };

static const struct judge_now now = {WALL, MONO};
static struct core_touched touched;

static void apply_changes(struct txn *t)
{
    struct core c = {.store = NULL};

    core_touched_release(&touched);
    assert_int_equal(core_changes_apply(&c, t, &now, &touched), 0);
    assert_false(core_changes_waiting(t));
}

/* Definition "one" of service "web" with target "ops", an active and a pending alert. */
static int setup(void **state)
{
    struct txn *t;

    world_setup(state);
    t = begin(*state);
    put_definition(t, "alice", "one", "web");
    put_target(t, "alice", "ops");
    apply_changes(t);
    put_link(t, "alice", "web", "ops");
    apply_changes(t);
    done(t);
    return 0;
}

static int teardown(void **state)
{
    core_touched_release(&touched);
    return world_teardown(state);
}

static void judge_instance(struct txn *t, const char *instance, enum verdict_kind kind)
{
    struct instance_verdict v = {.kind = kind};
    struct key k = key_of_names("alice", "one");
    struct instance_result result;
    struct definition d;
    struct row r;

    assert_int_equal(row_get(t, sa_table_by_id(SA_DEFINITION), &k, &r), 0);
    assert_true(definition_read(&d, &r));
    assert_int_equal(instance_apply(t, &d, instance, &v, &now, NULL, NULL, &result), 0);
}

static void set(struct txn *t, unsigned column, int64_t v)
{
    PUT(t, SA_DEFINITION, key_of_names("alice", "one"), {column, v, NULL});
}

static uint64_t rows_in(struct txn *t, unsigned table)
{
    return table_count(t, sa_table_by_id(table));
}

static int64_t notice_cell(struct txn *t, uint32_t id, unsigned column)
{
    return cell_of(t, SA_NOTICE, key_of_id("alice", id), column);
}

static int64_t level_of(struct txn *t, uint32_t alert)
{
    return cell_of(t, SA_ALERT, key_of_id("alice", alert), ALERT_LEVEL);
}

static void test_disabling_and_enabling_are_told_once(void **state)
{
    struct txn *t = begin(*state);

    judge_instance(t, "a", VERDICT_TRUE);
    judge_instance(t, "b", VERDICT_TRUE);
    assert_int_equal(rows_in(t, SA_NOTICE), 2);
    set(t, DEFINITION_DISABLED, TRUTH_TRUE);
    apply_changes(t);
    assert_int_equal(level_of(t, 1), LEVEL_OK);
    assert_int_equal(level_of(t, 2), LEVEL_OK);
    assert_int_equal(rows_in(t, SA_NOTICE), 3); /* one for the definition, none for each alert */
    assert_int_equal(notice_cell(t, 3, NOTICE_KIND), KIND_DISABLE);
    assert_int_equal(notice_cell(t, 3, NOTICE_NOTIFICATION), SA_DEFINITION_DISABLED);
    assert_int_equal(notice_cell(t, 3, NOTICE_ALERT), 0);
    set(t, DEFINITION_SEVERITY, LEVEL_WARNING);
    apply_changes(t);
    assert_int_equal(rows_in(t, SA_NOTICE), 3);
    set(t, DEFINITION_DISABLED, TRUTH_FALSE);
    apply_changes(t);
    assert_int_equal(rows_in(t, SA_NOTICE), 4);
    assert_int_equal(notice_cell(t, 4, NOTICE_KIND), KIND_ENABLE);
    /* There and back before the core looked: nothing happened. */
    set(t, DEFINITION_DISABLED, TRUTH_TRUE);
    set(t, DEFINITION_DISABLED, TRUTH_FALSE);
    apply_changes(t);
    assert_int_equal(rows_in(t, SA_NOTICE), 4);
    done(t);
}

static void test_made_disabled_is_no_news(void **state)
{
    struct txn *t = begin(*state);

    PUT(t, SA_DEFINITION, key_of_names("alice", "two"), {DEFINITION_CONDITION, 0, "true"},
        {DEFINITION_SERVICE, 0, "web"}, {DEFINITION_DISABLED, TRUTH_TRUE, NULL});
    apply_changes(t);
    assert_int_equal(rows_in(t, SA_NOTICE), 0);
    PUT(t, SA_DEFINITION, key_of_names("alice", "two"), {DEFINITION_DISABLED, TRUTH_FALSE, NULL});
    apply_changes(t);
    assert_int_equal(rows_in(t, SA_NOTICE), 1);
    done(t);
}

static void test_deleting_tells_while_it_is_known_whom(void **state)
{
    struct txn *t = begin(*state);

    judge_instance(t, "", VERDICT_TRUE);
    drop_row(t, SA_DEFINITION, key_of_names("alice", "one"));
    apply_changes(t);
    assert_int_equal(rows_in(t, SA_ALERT), 0);
    assert_int_equal(rows_in(t, SA_NOTICE), 2);
    assert_int_equal(notice_cell(t, 2, NOTICE_KIND), KIND_CLEAR);
    assert_int_equal(rows_in(t, SA_GROUP), 0);
    assert_int_equal(touched.n, 1);
    assert_string_equal(touched.items[0].owner, "alice");
    assert_string_equal(touched.items[0].name, "one");
    done(t);
}

static void test_deleted_and_made_again_before_the_core_looked(void **state)
{
    struct txn *t = begin(*state);

    judge_instance(t, "", VERDICT_TRUE);
    drop_row(t, SA_DEFINITION, key_of_names("alice", "one"));
    put_definition(t, "alice", "one", "web");
    apply_changes(t);
    assert_int_equal(rows_in(t, SA_ALERT), 0); /* the old one's */
    assert_int_equal(notice_cell(t, 2, NOTICE_KIND), KIND_CLEAR);
    judge_instance(t, "", VERDICT_TRUE);
    assert_int_equal(level_of(t, 2), LEVEL_CRITICAL);
    done(t);
}

/* The default group, and the way to its targets, stays with another definition of the service. */
static void put_neighbour(struct txn *t)
{
    put_definition(t, "alice", "neighbour", "web");
    apply_changes(t);
}

static void test_out_of_service_closes(void **state)
{
    struct txn *t = begin(*state);

    put_neighbour(t);
    judge_instance(t, "", VERDICT_TRUE);
    set(t, DEFINITION_STATUS, ROW_NOT_IN_SERVICE);
    apply_changes(t);
    assert_int_equal(level_of(t, 1), LEVEL_OK);
    assert_int_equal(cell_of(t, SA_HISTORY, key_of_id("alice", 2), HISTORY_REASON),
                     REASON_DISABLED);
    /* Whoever was told of the problem hears of no end: one notice stands for it. */
    assert_int_equal(rows_in(t, SA_NOTICE), 2);
    assert_int_equal(notice_cell(t, 2, NOTICE_KIND), KIND_DISABLE);
    assert_string_equal(text_of(t, SA_NOTICE, key_of_id("alice", 2), NOTICE_MESSAGE),
                        "the definition was taken out of service");
    set(t, DEFINITION_SEVERITY, LEVEL_WARNING);
    set(t, DEFINITION_STATUS, ROW_ACTIVE);
    apply_changes(t);
    assert_int_equal(rows_in(t, SA_NOTICE), 3);
    assert_int_equal(notice_cell(t, 3, NOTICE_KIND), KIND_ENABLE);
    assert_int_equal(kv_count(t, "disabled"), 0);
    done(t);
}

/* An edit of a definition that is not active, or of one whose alerts are well, is no news. */
static void test_out_of_service_is_told_of_problems_only(void **state)
{
    struct txn *t = begin(*state);

    put_neighbour(t);
    set(t, DEFINITION_STATUS, ROW_NOT_IN_SERVICE);
    apply_changes(t);
    set(t, DEFINITION_STATUS, ROW_ACTIVE);
    apply_changes(t);
    assert_int_equal(rows_in(t, SA_NOTICE), 0);
    PUT(t, SA_DEFINITION, key_of_names("alice", "two"), {DEFINITION_CONDITION, 0, "true"},
        {DEFINITION_SERVICE, 0, "web"}, {DEFINITION_STATUS, ROW_NOT_IN_SERVICE, NULL});
    apply_changes(t);
    PUT(t, SA_DEFINITION, key_of_names("alice", "two"), {DEFINITION_STATUS, ROW_ACTIVE, NULL});
    apply_changes(t);
    assert_int_equal(rows_in(t, SA_NOTICE), 0);
    done(t);
}

/* What it was told to be it is, whatever becomes of it meanwhile. */
static void test_disabled_and_out_of_service(void **state)
{
    struct txn *t = begin(*state);

    put_neighbour(t);
    judge_instance(t, "", VERDICT_TRUE);
    set(t, DEFINITION_STATUS, ROW_NOT_IN_SERVICE);
    apply_changes(t);
    set(t, DEFINITION_DISABLED, TRUTH_TRUE);
    set(t, DEFINITION_STATUS, ROW_ACTIVE);
    apply_changes(t);
    assert_int_equal(rows_in(t, SA_NOTICE), 2); /* it was told already */
    set(t, DEFINITION_STATUS, ROW_NOT_IN_SERVICE);
    apply_changes(t);
    set(t, DEFINITION_DISABLED, TRUTH_FALSE);
    apply_changes(t);
    assert_int_equal(rows_in(t, SA_NOTICE), 2);
    set(t, DEFINITION_STATUS, ROW_ACTIVE);
    apply_changes(t);
    assert_int_equal(rows_in(t, SA_NOTICE), 3);
    assert_int_equal(notice_cell(t, 3, NOTICE_KIND), KIND_ENABLE);
    done(t);
}

static void test_an_edited_condition_starts_its_hold_anew(void **state)
{
    struct txn *t = begin(*state);
    struct key k = key_of_names("alice", "one"), alert = key_of_id("alice", 1);

    set(t, DEFINITION_TIME_THRESHOLD, 5000);
    apply_changes(t);
    judge_instance(t, "", VERDICT_TRUE);
    assert_int_equal(cell_of(t, SA_ALERT, alert, ALERT_PHASE), PHASE_PENDING);
    PUT(t, SA_DEFINITION, k, {DEFINITION_DESCRIPTION, 0, "words"});
    apply_changes(t);
    assert_int_equal(cell_of(t, SA_ALERT, alert, ALERT_PHASE), PHASE_PENDING);
    PUT(t, SA_DEFINITION, k, {DEFINITION_CONDITION, 0, "1 > 0"});
    apply_changes(t);
    assert_int_equal(cell_of(t, SA_ALERT, alert, ALERT_PHASE), PHASE_INACTIVE);
    done(t);
}

static void test_a_target_is_tested(void **state)
{
    struct txn *t = begin(*state);
    struct key ops = key_of_names("alice", "ops"), none = key_of_names("alice", "none");
    uint32_t columns[8] = {1u << TARGET_TEST};

    changes_append(t, SA_TARGET, CHANGE_UPDATED, key_slice(&ops), columns);
    changes_append(t, SA_TARGET, CHANGE_UPDATED, key_slice(&none), columns);
    apply_changes(t);
    assert_int_equal(rows_in(t, SA_NOTICE), 1);
    assert_int_equal(notice_cell(t, 1, NOTICE_KIND), KIND_TEST);
    assert_int_equal(notice_cell(t, 1, NOTICE_NOTIFICATION), SA_TEST);
    /* Made and tested in one SET: it has a life by then. */
    put_target(t, "alice", "new");
    ops = key_of_names("alice", "new");
    changes_append(t, SA_TARGET, CHANGE_UPDATED, key_slice(&ops), columns);
    apply_changes(t);
    assert_int_equal(notice_cell(t, 2, NOTICE_INCARNATION), incarnation_of(t, "alice", "new"));
    done(t);
}

/* ---- alerts and notices ---- */

static void set_alert(struct txn *t, enum sa_acknowledge kind, const char *author)
{
    PUT(t, SA_ALERT, key_of_id("alice", 1), {ALERT_ACKNOWLEDGE, kind, NULL},
        {ALERT_ACK_AUTHOR, 0, author});
}

static void set_action(struct txn *t, uint32_t id, enum sa_notice_action action)
{
    PUT(t, SA_NOTICE, key_of_id("alice", id), {NOTICE_ACTION, action, NULL});
}

static void test_acknowledgements_are_taken_in(void **state)
{
    struct txn *t = begin(*state);
    struct key k = key_of_id("alice", 1);

    judge_instance(t, "", VERDICT_TRUE);
    set_alert(t, ACK_STICKY, "bob");
    apply_changes(t);
    assert_int_equal(cell_of(t, SA_ALERT, k, ALERT_FLAGS), ALERT_FLAG_ACKNOWLEDGED);
    assert_int_equal(cell_of(t, SA_ALERT, k, ALERT_ACK_AT), WALL);
    assert_int_equal(rows_in(t, SA_NOTICE), 2);
    /* Twice before the core looked: one notice, of how it is now. */
    set_alert(t, ACK_STICKY, "alice");
    set_alert(t, ACK_NORMAL, "alice");
    apply_changes(t);
    assert_int_equal(rows_in(t, SA_NOTICE), 3);
    /* There and back: none. */
    set_alert(t, ACK_NONE, "");
    set_alert(t, ACK_NORMAL, "alice");
    apply_changes(t);
    assert_int_equal(rows_in(t, SA_NOTICE), 3);
    /* With its definition, in one SET. */
    set_alert(t, ACK_STICKY, "bob");
    set(t, DEFINITION_DISABLED, TRUTH_TRUE);
    apply_changes(t);
    assert_int_equal(cell_of(t, SA_ALERT, k, ALERT_ACKNOWLEDGE), ACK_NONE);
    done(t);
}

static uint32_t claim_one(struct txn *t)
{
    struct notice_ref refs[NOTICE_BATCH_MAX];
    char uuid[UUID_TEXT_LEN + 1];
    size_t n;

    assert_int_equal(notice_claim(t, WALL, NULL, refs, &n, uuid), 0);
    assert_int_equal(n, 1);
    return refs[0].id;
}

static void test_notices_are_cancelled_and_sent_again(void **state)
{
    struct txn *t = begin(*state);
    struct key gone = key_of_id("alice", 77);

    judge_instance(t, "", VERDICT_TRUE);
    set_action(t, 1, ACTION_CANCEL);
    apply_changes(t);
    assert_int_equal(notice_cell(t, 1, NOTICE_STATE), NOTICE_CANCELLED);
    assert_int_equal(notice_cell(t, 1, NOTICE_ACTION), ACTION_IDLE);
    assert_int_equal(touched.ncalled_back, 0);
    set_action(t, 1, ACTION_RESEND);
    apply_changes(t);
    assert_int_equal(notice_cell(t, 1, NOTICE_STATE), NOTICE_PENDING);
    assert_int_equal(notice_cell(t, 1, NOTICE_ACTION), ACTION_IDLE);
    assert_int_equal(claim_one(t), 1);
    set_action(t, 1, ACTION_CANCEL);
    apply_changes(t);
    assert_int_equal(notice_cell(t, 1, NOTICE_STATE), NOTICE_DISPATCHED);
    assert_int_equal(notice_cell(t, 1, NOTICE_ACTION), ACTION_CANCEL);
    assert_int_equal(touched.ncalled_back, 1);
    assert_int_equal(touched.called_back[0].id, 1);
    /* A row that has gone by the time that the core looks. */
    changes_append(t, SA_NOTICE, CHANGE_UPDATED, key_slice(&gone), NULL);
    apply_changes(t);
    done(t);
}

static void test_what_is_read_again(void **state)
{
    struct txn *t = begin(*state);
    struct key k = key_of_names("alice", "s");

    set(t, DEFINITION_SEVERITY, LEVEL_WARNING);
    put_target(t, "alice", "another");
    apply_changes(t);
    assert_int_equal(touched.n, 1);
    assert_false(touched.all);
    PUT(t, SA_SCRIPT, k, {SCRIPT_DESCRIPTION, 0, "x"});
    apply_changes(t);
    assert_true(touched.all); /* any definition may use it */
    assert_int_equal(touched.n, 0);
    apply_changes(t);
    assert_false(touched.all);
    done(t);
}

static void test_a_kill_in_between_loses_nothing_and_doubles_nothing(void **state)
{
    static const char *const dbs[] = {"instances", "pending",    "due",         "told",
                                      "disabled",  "defService", "acknowledged"};
    struct world *w = *state;
    struct txn *t = begin(w);
    uint64_t notices;

    judge_instance(t, "", VERDICT_TRUE);
    set(t, DEFINITION_DISABLED, TRUTH_TRUE);
    done(t);
    for (int i = 0; i < 3; i++) {
        t = begin(w);
        assert_true(core_changes_waiting(t));
        apply_changes(t);
        txn_abort(t);
    }
    t = begin(w);
    notices = rows_in(t, SA_NOTICE);
    apply_changes(t);
    assert_int_equal(rows_in(t, SA_NOTICE), notices + 1);
    notices = dump(t, dbs, COUNT(dbs));
    apply_changes(t);
    assert_true(dump(t, dbs, COUNT(dbs)) == notices);
    done(t);
}

static void test_a_kill_in_between_leaves_acknowledgements_and_actions_whole(void **state)
{
    struct world *w = *state;
    struct txn *t = begin(w);

    judge_instance(t, "", VERDICT_TRUE);
    apply_changes(t);
    assert_int_equal(claim_one(t), 1);
    set_alert(t, ACK_STICKY, "bob");
    set_action(t, 1, ACTION_CANCEL);
    done(t);
    for (int i = 0; i < 2; i++) {
        t = begin(w);
        apply_changes(t);
        txn_abort(t);
    }
    /* The next core begins with what was under way. */
    t = begin(w);
    assert_int_equal(rows_in(t, SA_NOTICE), 1);
    assert_true(notice_recover(t, WALL) >= 0);
    assert_int_equal(notice_cell(t, 1, NOTICE_STATE), NOTICE_CANCELLED);
    done(t);
    t = begin(w);
    apply_changes(t);
    assert_int_equal(cell_of(t, SA_ALERT, key_of_id("alice", 1), ALERT_FLAGS),
                     ALERT_FLAG_ACKNOWLEDGED);
    assert_int_equal(rows_in(t, SA_NOTICE), 1); /* nobody was told of the problem */
    assert_int_equal(notice_cell(t, 1, NOTICE_STATE), NOTICE_CANCELLED);
    done(t);
}

/* ---- commands to raise alerts ---- */

static void put_command(struct txn *t, uint32_t id, enum sa_raise_verb verb)
{
    PUT(t, SA_RAISE, key_of_id("alice", id), {RAISE_VERB, verb, NULL},
        {RAISE_RESOURCE_TYPE, 0, "node"}, {RAISE_ALERT_TYPE, 0, "one"});
}

static int64_t command_cell(struct txn *t, uint32_t id, unsigned column)
{
    return cell_of(t, SA_RAISE, key_of_id("alice", id), column);
}

static void test_commands_are_done_in_their_order_and_once(void **state)
{
    struct txn *t = begin(*state);

    put_command(t, 9, VERB_RAISE);
    put_command(t, 3, VERB_CLEAR);
    put_command(t, 5, VERB_RAISE);
    put_command(t, 5, VERB_RAISE); /* told twice */
    apply_changes(t);
    put_command(t, 5, VERB_RAISE); /* told again */
    apply_changes(t);
    for (uint32_t id = 3; id <= 9; id += 2)
        if (id != 7)
            assert_int_equal(command_cell(t, id, RAISE_RESULT), RAISE_DONE);
    assert_int_equal(cell_of(t, SA_ALERT, key_of_id("alice", 1), ALERT_COUNT), 2);
    assert_int_equal(rows_in(t, SA_HISTORY), 3);
    assert_int_equal(notice_cell(t, 1, NOTICE_KIND), KIND_RAISE);
    assert_int_equal(notice_cell(t, 2, NOTICE_KIND), KIND_CLEAR);
    assert_int_equal(notice_cell(t, 3, NOTICE_KIND), KIND_RAISE);
    done(t);
}

static void test_a_command_that_was_taken_back_is_not_done(void **state)
{
    struct txn *t = begin(*state);

    put_command(t, 9, VERB_RAISE);
    drop_row(t, SA_RAISE, key_of_id("alice", 9));
    apply_changes(t);
    assert_int_equal(rows_in(t, SA_ALERT), 0);
    done(t);
}

static void test_a_clock_that_is_set_moves_the_end_of_an_alert(void **state)
{
    struct world *w = *state;
    struct core c = {.store = w->store, .wall_offset_ms = WALL - MONO};
    const struct judge_now ahead = {WALL + 3600000, MONO}, back = {WALL, MONO};
    struct txn *t = begin(w);

    put_command(t, 1, VERB_RAISE);
    PUT(t, SA_RAISE, key_of_id("alice", 1), {RAISE_TTL, 60, NULL});
    apply_changes(t);
    assert_int_equal(raise_next_due(t), WALL + 60000);
    done(t);
    assert_int_equal(core_clock_follow(&c, &ahead), 0);
    t = begin(w);
    assert_int_equal(raise_next_due(t), WALL + 60000 + 3600000);
    assert_int_equal(command_cell(t, 1, RAISE_TIMER), WALL + 3600000);
    done(t);
    assert_int_equal(core_clock_follow(&c, &back), 0);
    t = begin(w);
    assert_int_equal(raise_next_due(t), WALL + 60000);
    done(t);
}

static void test_raised_alerts_end_with_their_definition(void **state)
{
    struct txn *t = begin(*state);

    judge_instance(t, "", VERDICT_TRUE);
    put_command(t, 1, VERB_RAISE);
    apply_changes(t);
    assert_int_equal(level_of(t, 2), LEVEL_CRITICAL);
    set(t, DEFINITION_DISABLED, TRUTH_TRUE);
    apply_changes(t);
    assert_int_equal(level_of(t, 2), LEVEL_OK);
    assert_int_equal(rows_in(t, SA_NOTICE), 3); /* both, and the definition's own */
    put_command(t, 2, VERB_RAISE);
    apply_changes(t);
    assert_int_equal(command_cell(t, 2, RAISE_RESULT), RAISE_REFUSED);
    set(t, DEFINITION_DISABLED, TRUTH_FALSE);
    put_command(t, 3, VERB_RAISE);
    apply_changes(t);
    assert_int_equal(command_cell(t, 3, RAISE_ALERT), 2);
    drop_row(t, SA_DEFINITION, key_of_names("alice", "one"));
    apply_changes(t);
    /* What the condition made went with it; what was raised is over, and told so. */
    assert_false(is_there(t, SA_ALERT, key_of_id("alice", 1)));
    assert_int_equal(level_of(t, 2), LEVEL_OK);
    assert_int_equal(notice_cell(t, (uint32_t)rows_in(t, SA_NOTICE), NOTICE_KIND), KIND_CLEAR);
    done(t);
}

#define IN_WORLD(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_WORLD(test_disabling_and_enabling_are_told_once),
        IN_WORLD(test_made_disabled_is_no_news),
        IN_WORLD(test_deleting_tells_while_it_is_known_whom),
        IN_WORLD(test_deleted_and_made_again_before_the_core_looked),
        IN_WORLD(test_out_of_service_closes),
        IN_WORLD(test_out_of_service_is_told_of_problems_only),
        IN_WORLD(test_disabled_and_out_of_service),
        IN_WORLD(test_an_edited_condition_starts_its_hold_anew),
        IN_WORLD(test_a_target_is_tested),
        IN_WORLD(test_acknowledgements_are_taken_in),
        IN_WORLD(test_notices_are_cancelled_and_sent_again),
        IN_WORLD(test_a_kill_in_between_leaves_acknowledgements_and_actions_whole),
        IN_WORLD(test_what_is_read_again),
        IN_WORLD(test_a_kill_in_between_loses_nothing_and_doubles_nothing),
        IN_WORLD(test_commands_are_done_in_their_order_and_once),
        IN_WORLD(test_a_command_that_was_taken_back_is_not_done),
        IN_WORLD(test_a_clock_that_is_set_moves_the_end_of_an_alert),
        IN_WORLD(test_raised_alerts_end_with_their_definition),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
