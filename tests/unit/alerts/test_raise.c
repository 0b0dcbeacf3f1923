/* Raised alerts: what one command does, what becomes of it by time, and a long random walk beside a
 * plain list that knows nothing of stores. */
#include "tests/unit/alerts/fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "alerts/acknowledge.h"
#include "alerts/raise.h"
#include "alerts/rebuild.h"
#include "base/text.h"

enum { WALL = 5000000, MONO = 70000, CLEARED_TTL_S = 43200 };

static struct judge_now at(int64_t ms)
{
    return (struct judge_now){WALL + ms, MONO + ms};
}

static struct raise command(enum sa_raise_verb verb, const char *type, const char *id)
{
    struct raise c = {
        .verb = verb, .owner = "alice", .resource_type = "node", .severity = LEVEL_WARNING};

    snprintf(c.alert_type, sizeof c.alert_type, "%s", type);
    snprintf(c.resource_id, sizeof c.resource_id, "%s", id);
    return c;
}

static struct raise_result run(struct txn *t, const struct raise *c, int64_t ms)
{
    struct judge_now now = at(ms);
    struct raise_result r;

    assert_int_equal(raise_do(t, c, &now, NULL, NULL, &r), 0);
    return r;
}

/* What must be done. Returns the alert. */
static uint32_t must(struct txn *t, enum sa_raise_verb verb, const char *type, const char *id,
                     int64_t ms)
{
    struct raise c = command(verb, type, id);
    struct raise_result r = run(t, &c, ms);

    if (r.result != RAISE_DONE)
        fail_msg("%s", r.error);
    return r.alert;
}

static unsigned expire(struct txn *t, int64_t ms)
{
    struct judge_now now = at(ms);
    unsigned moved;

    assert_int_equal(raise_expire(t, &now, NULL, NULL, &moved), 0);
    return moved;
}

static int64_t alert_cell(struct txn *t, uint32_t alert, unsigned column)
{
    return cell_of(t, SA_ALERT, key_of_id("alice", alert), column);
}

static bool alert_lives(struct txn *t, uint32_t alert)
{
    return is_there(t, SA_ALERT, key_of_id("alice", alert));
}

static const char *alert_text(struct txn *t, uint32_t alert, unsigned column)
{
    return text_of(t, SA_ALERT, key_of_id("alice", alert), column);
}

static uint64_t rows_in(struct txn *t, unsigned table)
{
    return table_count(t, sa_table_by_id(table));
}

static int64_t notice_cell(struct txn *t, uint32_t id, unsigned column)
{
    return cell_of(t, SA_NOTICE, key_of_id("alice", id), column);
}

/* Target "ops" of the group "default", which is the owner's own as long as no definition is. */
static int setup(void **state)
{
    struct world *w;

    world_setup(state);
    w = *state;
    IN(w, put_target(t, "alice", "ops"));
    IN(w, put_group(t, "alice", "default"));
    IN(w, put_link(t, "alice", "default", "ops"));
    return 0;
}

/* ---- one alert ---- */

static void test_a_raise_makes_an_alert(void **state)
{
    struct txn *t = begin(*state);
    struct raise c = command(VERB_RAISE, "full", "n1");
    struct raise_result r;

    snprintf(c.message, sizeof c.message, "the disk is full");
    r = run(t, &c, 0);
    assert_int_equal(r.result, RAISE_DONE);
    assert_true(r.moved);
    assert_int_equal(alert_cell(t, r.alert, ALERT_LEVEL), LEVEL_WARNING);
    assert_int_equal(alert_cell(t, r.alert, ALERT_PHASE), PHASE_ACTIVE);
    assert_int_equal(alert_cell(t, r.alert, ALERT_COUNT), 1);
    assert_int_equal(alert_cell(t, r.alert, ALERT_FIRST_SEEN), WALL);
    assert_int_equal(alert_cell(t, r.alert, ALERT_LAST_SEEN), WALL);
    assert_int_equal(alert_cell(t, r.alert, ALERT_CLEARED), TRUTH_FALSE);
    assert_string_equal(alert_text(t, r.alert, ALERT_DEFINITION), "full");
    assert_string_equal(alert_text(t, r.alert, ALERT_INSTANCE), "node/n1");
    assert_string_equal(alert_text(t, r.alert, ALERT_MESSAGE), "the disk is full");
    assert_int_equal(rows_in(t, SA_HISTORY), 1);
    assert_int_equal(cell_of(t, SA_HISTORY, key_of_id("alice", 1), HISTORY_REASON), REASON_RAISED);
    assert_int_equal(rows_in(t, SA_NOTICE), 1);
    assert_int_equal(notice_cell(t, 1, NOTICE_KIND), KIND_RAISE);
    assert_int_equal(raise_next_due(t), 0);
    done(t);
}

static void test_another_raise_counts(void **state)
{
    struct txn *t = begin(*state);
    uint32_t id = must(t, VERB_RAISE, "full", "n1", 0);
    struct raise c = command(VERB_RAISE, "full", "n1");

    assert_int_equal(must(t, VERB_RAISE, "full", "n1", 1000), id);
    assert_int_equal(alert_cell(t, id, ALERT_COUNT), 2);
    assert_int_equal(alert_cell(t, id, ALERT_FIRST_SEEN), WALL);
    assert_int_equal(alert_cell(t, id, ALERT_LAST_SEEN), WALL + 1000);
    assert_int_equal(alert_cell(t, id, ALERT_SINCE), WALL);
    assert_int_equal(rows_in(t, SA_HISTORY), 1);
    assert_int_equal(rows_in(t, SA_NOTICE), 1);
    c.severity = LEVEL_CRITICAL;
    snprintf(c.message, sizeof c.message, "worse");
    assert_true(run(t, &c, 2000).moved);
    assert_int_equal(alert_cell(t, id, ALERT_LEVEL), LEVEL_CRITICAL);
    assert_int_equal(alert_cell(t, id, ALERT_PREVIOUS_LEVEL), LEVEL_WARNING);
    assert_string_equal(alert_text(t, id, ALERT_MESSAGE), "worse");
    assert_int_equal(rows_in(t, SA_HISTORY), 2);
    assert_int_equal(notice_cell(t, 2, NOTICE_KIND), KIND_CHANGE);
    /* New words without a new level are kept, and told to nobody. */
    snprintf(c.message, sizeof c.message, "worse still");
    assert_false(run(t, &c, 3000).moved);
    assert_string_equal(alert_text(t, id, ALERT_MESSAGE), "worse still");
    assert_int_equal(rows_in(t, SA_NOTICE), 2);
    done(t);
}

static void test_keys_are_apart(void **state)
{
    struct txn *t = begin(*state);
    struct raise c = command(VERB_RAISE, "full", "n1");
    uint32_t first = must(t, VERB_RAISE, "full", "n1", 0), other;

    snprintf(c.owner, sizeof c.owner, "bob");
    other = run(t, &c, 0).alert;
    assert_int_not_equal(other, first);
    assert_true(is_there(t, SA_ALERT, key_of_id("bob", other)));
    assert_int_not_equal(must(t, VERB_RAISE, "full", "n2", 0), first);
    assert_int_not_equal(must(t, VERB_RAISE, "slow", "n1", 0), first);
    c = command(VERB_RAISE, "full", "n1");
    snprintf(c.resource_type, sizeof c.resource_type, "disk");
    assert_int_not_equal(run(t, &c, 0).alert, first);
    /* The same instance, of two keys. */
    c = command(VERB_RAISE, "full", "b/c");
    snprintf(c.resource_type, sizeof c.resource_type, "a");
    other = run(t, &c, 0).alert;
    c = command(VERB_RAISE, "full", "c");
    snprintf(c.resource_type, sizeof c.resource_type, "a/b");
    assert_int_not_equal(run(t, &c, 0).alert, other);
    assert_int_equal(alert_cell(t, first, ALERT_COUNT), 1);
    done(t);
}

static void test_clear_is_told_and_kept_for_a_while(void **state)
{
    struct txn *t = begin(*state);
    uint32_t id = must(t, VERB_RAISE, "full", "n1", 0);

    assert_int_equal(must(t, VERB_CLEAR, "full", "n1", 5000), id);
    assert_int_equal(alert_cell(t, id, ALERT_LEVEL), LEVEL_OK);
    assert_int_equal(alert_cell(t, id, ALERT_CLEARED), TRUTH_TRUE);
    assert_int_equal(alert_cell(t, id, ALERT_CLEARED_AT), WALL + 5000);
    assert_int_equal(notice_cell(t, 2, NOTICE_KIND), KIND_CLEAR);
    assert_int_equal(cell_of(t, SA_HISTORY, key_of_id("alice", 2), HISTORY_REASON), REASON_CLEARED);
    /* A second time changes nothing, not even when it goes. */
    must(t, VERB_CLEAR, "full", "n1", 6000);
    assert_int_equal(alert_cell(t, id, ALERT_CLEARED_AT), WALL + 5000);
    assert_int_equal(raise_next_due(t), WALL + 5000 + CLEARED_TTL_S * 1000);
    expire(t, 5000 + CLEARED_TTL_S * 1000 - 1);
    assert_true(alert_lives(t, id));
    assert_int_equal(expire(t, 5000 + CLEARED_TTL_S * 1000), 0);
    assert_false(alert_lives(t, id));
    assert_int_equal(rows_in(t, SA_HISTORY), 2);
    assert_int_equal(raise_next_due(t), 0);
    assert_true(must(t, VERB_RAISE, "full", "n1", 0) > id); /* never given again */
    done(t);
}

static void test_a_cleared_one_is_raised_again(void **state)
{
    struct txn *t = begin(*state);
    uint32_t id = must(t, VERB_RAISE, "full", "n1", 0);

    must(t, VERB_CLEAR, "full", "n1", 1000);
    assert_int_equal(must(t, VERB_RAISE, "full", "n1", 2000), id);
    assert_int_equal(alert_cell(t, id, ALERT_COUNT), 2);
    assert_int_equal(alert_cell(t, id, ALERT_FIRST_SEEN), WALL);
    assert_int_equal(alert_cell(t, id, ALERT_CLEARED), TRUTH_FALSE);
    assert_int_equal(alert_cell(t, id, ALERT_CLEARED_AT), 0);
    assert_int_equal(raise_next_due(t), 0);
    assert_int_equal(notice_cell(t, 3, NOTICE_KIND), KIND_RAISE);
    done(t);
}

static void test_delete_tells_the_end_and_leaves_nothing(void **state)
{
    struct txn *t = begin(*state);
    struct raise c = command(VERB_DELETE, "full", "n1");
    uint32_t id = must(t, VERB_RAISE, "full", "n1", 0);

    assert_int_equal(must(t, VERB_DELETE, "full", "n1", 1000), id);
    assert_false(alert_lives(t, id));
    assert_int_equal(notice_cell(t, 2, NOTICE_KIND), KIND_CLEAR);
    assert_int_equal(cell_of(t, SA_HISTORY, key_of_id("alice", 2), HISTORY_REASON), REASON_DELETED);
    assert_int_equal(run(t, &c, 2000).result, RAISE_REFUSED);
    c.verb = VERB_CLEAR;
    assert_string_equal(run(t, &c, 2000).error, "there is no such alert");
    assert_int_equal(raise_next_due(t), 0);
    done(t);
}

static void test_what_is_not_raised_again_expires(void **state)
{
    struct txn *t = begin(*state);
    struct raise c = command(VERB_RAISE, "full", "n1");
    uint32_t id;

    c.ttl_s = 60;
    id = run(t, &c, 0).alert;
    assert_int_equal(raise_next_due(t), WALL + 60000);
    run(t, &c, 50000);
    assert_int_equal(raise_next_due(t), WALL + 110000);
    assert_int_equal(expire(t, 109999), 0);
    assert_int_equal(alert_cell(t, id, ALERT_LEVEL), LEVEL_WARNING);
    assert_int_equal(expire(t, 110000), 1);
    assert_int_equal(alert_cell(t, id, ALERT_LEVEL), LEVEL_OK);
    assert_int_equal(alert_cell(t, id, ALERT_CLEARED), TRUTH_TRUE);
    assert_int_equal(cell_of(t, SA_HISTORY, key_of_id("alice", 2), HISTORY_REASON), REASON_EXPIRED);
    assert_int_equal(notice_cell(t, 2, NOTICE_KIND), KIND_CLEAR);
    /* Without a ttl it stays, whatever it had before. */
    run(t, &c, 120000);
    c.ttl_s = 0;
    run(t, &c, 121000);
    assert_int_equal(raise_next_due(t), 0);
    done(t);
}

static void test_cleared_ttl_is_a_managers_to_say(void **state)
{
    struct txn *t = begin(*state);
    uint32_t id = must(t, VERB_RAISE, "full", "n1", 0);

    must(t, VERB_CLEAR, "full", "n1", 0);
    PUT(t, SA_SYSTEM, key_of_scalars(), {SYSTEM_CLEARED_TTL, 0, NULL});
    assert_int_equal(raise_next_due(t), 0);
    expire(t, INT64_C(100) * 365 * 86400 * 1000);
    assert_true(alert_lives(t, id));
    PUT(t, SA_SYSTEM, key_of_scalars(), {SYSTEM_CLEARED_TTL, 10, NULL});
    assert_int_equal(raise_next_due(t), WALL + 10000);
    expire(t, 10000);
    assert_false(alert_lives(t, id));
    done(t);
}

static void test_a_clock_that_is_set_moves_no_timer(void **state)
{
    struct txn *t = begin(*state);
    struct raise c = command(VERB_RAISE, "full", "n1");
    uint32_t cleared;

    c.ttl_s = 60;
    run(t, &c, 0);
    cleared = must(t, VERB_RAISE, "full", "n2", 0);
    must(t, VERB_CLEAR, "full", "n2", 0);
    assert_int_equal(raise_shift(t, 1000000), 0);
    assert_int_equal(raise_next_due(t), WALL + 1060000);
    assert_int_equal(expire(t, 1059999), 0);
    assert_int_equal(raise_shift(t, -1000000), 0);
    assert_int_equal(raise_next_due(t), WALL + 60000);
    assert_int_equal(expire(t, 60000), 1);
    assert_true(alert_lives(t, cleared));
    expire(t, CLEARED_TTL_S * 1000);
    assert_false(alert_lives(t, cleared));
    done(t);
}

static void test_an_acknowledged_one_that_goes_leaves_no_timer(void **state)
{
    struct txn *t = begin(*state);
    uint32_t id = must(t, VERB_RAISE, "full", "n1", 0);

    PUT(t, SA_ALERT, key_of_id("alice", id), {ALERT_ACKNOWLEDGE, ACK_UNTIL, NULL},
        {ALERT_ACK_UNTIL, WALL + 900000, NULL});
    assert_int_equal(ack_take_in(t, "alice", id, WALL, NULL, NULL), 0);
    assert_int_equal(ack_next_due(t), WALL + 900000);
    must(t, VERB_DELETE, "full", "n1", 1000);
    assert_int_equal(ack_next_due(t), 0);
    done(t);
}

/* ---- definitions ---- */

/* Definition "one" of service "web", whose group leads to TARGET. */
static void define_one(struct world *w, const char *target)
{
    IN(w, put_definition(t, "alice", "one", "web"));
    IN(w, put_target(t, "alice", target));
    IN(w, put_link(t, "alice", "web", target));
}

static void test_it_belongs_to_the_definition_of_its_type(void **state)
{
    struct txn *t;
    struct world *w = *state;
    struct raise c = command(VERB_RAISE, "one", "n1");
    unsigned closed = 0;
    struct judge_now now = at(3000);
    uint32_t id;

    define_one(w, "webmaster");
    t = begin(w);
    PUT(t, SA_DEFINITION, key_of_names("alice", "one"), {DEFINITION_DESCRIPTION, 0, "it broke"});
    id = must(t, VERB_RAISE, "one", "n1", 0);
    assert_int_equal(rows_in(t, SA_NOTICE), 1);
    assert_string_equal(text_of(t, SA_NOTICE, key_of_id("alice", 1), NOTICE_TARGET), "webmaster");
    assert_string_equal(text_of(t, SA_NOTICE, key_of_id("alice", 1), NOTICE_SERVICE), "web");
    assert_string_equal(alert_text(t, id, ALERT_MESSAGE), "it broke");
    PUT(t, SA_DEFINITION, key_of_names("alice", "one"), {DEFINITION_DISABLED, TRUTH_TRUE, NULL});
    assert_int_equal(raise_close(t, "alice", "one", REASON_DISABLED, &now, &closed), 0);
    assert_int_equal(closed, 1);
    assert_int_equal(alert_cell(t, id, ALERT_LEVEL), LEVEL_OK);
    assert_int_equal(rows_in(t, SA_NOTICE), 1);
    assert_string_equal(run(t, &c, 4000).error, "definition 'one' is disabled");
    assert_int_equal(alert_cell(t, id, ALERT_COUNT), 1);
    done(t);
}

static void test_a_deleted_definition_clears_and_tells(void **state)
{
    struct txn *t;
    struct world *w = *state;
    unsigned closed = 0;
    struct judge_now now = at(3000);
    uint32_t id;

    define_one(w, "ops");
    t = begin(w);
    id = must(t, VERB_RAISE, "one", "n1", 0);
    drop_row(t, SA_DEFINITION, key_of_names("alice", "one"));
    assert_int_equal(raise_close(t, "alice", "one", REASON_DELETED, &now, &closed), 0);
    take_in(t, 1);
    assert_int_equal(closed, 1);
    assert_int_equal(notice_cell(t, 2, NOTICE_KIND), KIND_CLEAR);
    assert_string_equal(text_of(t, SA_NOTICE, key_of_id("alice", 2), NOTICE_SERVICE), "web");
    assert_true(alert_lives(t, id));
    /* From now on it is one without a definition. */
    assert_int_equal(must(t, VERB_RAISE, "one", "n1", 4000), id);
    assert_string_equal(text_of(t, SA_NOTICE, key_of_id("alice", 3), NOTICE_SERVICE), "default");
    done(t);
}

static void test_nobody_elses(void **state)
{
    struct txn *t = begin(*state);
    struct raise c = command(VERB_RAISE, "full", "n1");

    snprintf(c.owner, sizeof c.owner, "mallory");
    assert_string_equal(run(t, &c, 0).error, "there is no owner 'mallory'");
    assert_int_equal(rows_in(t, SA_ALERT), 0);
    done(t);
}

static void test_who_is_gone_leaves_what_can_be_cleared_away(void **state)
{
    struct txn *t = begin(*state);
    struct raise c = command(VERB_RAISE, "full", "n1");
    uint32_t id = run(t, &c, 0).alert;

    drop_row(t, SA_OWNER, key_of_name("alice"));
    assert_string_equal(run(t, &c, 0).error, "there is no owner 'alice'");
    assert_int_equal(must(t, VERB_CLEAR, "full", "n1", 0), id);
    assert_int_equal(must(t, VERB_DELETE, "full", "n1", 0), id);
    assert_false(alert_lives(t, id));
    done(t);
}

/* ---- rows of saRaiseTable ---- */

static bool take_in_row(struct txn *t, uint32_t id, int64_t ms)
{
    struct judge_now now = at(ms);
    bool moved;

    assert_int_equal(raise_take_in(t, "alice", id, &now, NULL, NULL, &moved), 0);
    return moved;
}

static int64_t command_cell(struct txn *t, uint32_t id, unsigned column)
{
    return cell_of(t, SA_RAISE, key_of_id("alice", id), column);
}

static void test_a_row_is_done_once_and_goes(void **state)
{
    struct txn *t = begin(*state);
    struct key k = key_of_id("alice", 7);
    uint32_t alert;

    PUT(t, SA_RAISE, k, {RAISE_RESOURCE_TYPE, 0, "node"}, {RAISE_ALERT_TYPE, 0, "full"});
    assert_int_equal(command_cell(t, 7, RAISE_RESULT), RAISE_QUEUED);
    assert_true(take_in_row(t, 7, 0));
    assert_false(take_in_row(t, 7, 100));
    assert_int_equal(command_cell(t, 7, RAISE_RESULT), RAISE_DONE);
    assert_int_equal(command_cell(t, 7, RAISE_DONE_AT), WALL);
    alert = (uint32_t)command_cell(t, 7, RAISE_ALERT);
    assert_int_equal(alert_cell(t, alert, ALERT_COUNT), 1);
    assert_string_equal(alert_text(t, alert, ALERT_INSTANCE), "node");
    assert_int_equal(alert_cell(t, alert, ALERT_LEVEL), LEVEL_CRITICAL);
    expire(t, RAISE_KEEP_MS - 1);
    assert_true(is_there(t, SA_RAISE, k));
    expire(t, RAISE_KEEP_MS);
    assert_false(is_there(t, SA_RAISE, k));
    assert_int_equal(raise_next_due(t), 0);
    done(t);
}

static void test_a_row_that_is_not_active_waits(void **state)
{
    struct txn *t = begin(*state);
    struct key k = key_of_id("alice", 7);

    PUT(t, SA_RAISE, k, {RAISE_RESOURCE_TYPE, 0, "node"}, {RAISE_ALERT_TYPE, 0, "full"},
        {RAISE_STATUS, ROW_NOT_IN_SERVICE, NULL});
    assert_false(take_in_row(t, 7, 0));
    assert_int_equal(rows_in(t, SA_ALERT), 0);
    PUT(t, SA_RAISE, k, {RAISE_STATUS, ROW_ACTIVE, NULL});
    assert_true(take_in_row(t, 7, 0));
    assert_false(take_in_row(t, 8, 0)); /* there is none */
    done(t);
}

static void test_a_refused_row_says_why(void **state)
{
    struct txn *t = begin(*state);

    PUT(t, SA_RAISE, key_of_id("alice", 7), {RAISE_RESOURCE_TYPE, 0, "node"},
        {RAISE_ALERT_TYPE, 0, "full"}, {RAISE_VERB, VERB_CLEAR, NULL});
    take_in_row(t, 7, 0);
    assert_int_equal(command_cell(t, 7, RAISE_RESULT), RAISE_REFUSED);
    assert_string_equal(text_of(t, SA_RAISE, key_of_id("alice", 7), RAISE_ERROR),
                        "there is no such alert");
    assert_int_equal(command_cell(t, 7, RAISE_ALERT), 0);
    done(t);
}

/* The row was destroyed and made again before its time came. */
static void test_a_timer_of_an_earlier_row_takes_no_later_one(void **state)
{
    struct txn *t = begin(*state);
    struct key k = key_of_id("alice", 7);

    PUT(t, SA_RAISE, k, {RAISE_RESOURCE_TYPE, 0, "node"}, {RAISE_ALERT_TYPE, 0, "full"});
    take_in_row(t, 7, 0);
    drop_row(t, SA_RAISE, k);
    PUT(t, SA_RAISE, k, {RAISE_RESOURCE_TYPE, 0, "node"}, {RAISE_ALERT_TYPE, 0, "full"});
    take_in_row(t, 7, 5000);
    expire(t, RAISE_KEEP_MS);
    assert_true(is_there(t, SA_RAISE, k));
    expire(t, RAISE_KEEP_MS + 5000);
    assert_false(is_there(t, SA_RAISE, k));
    done(t);
}

/* ---- a walk beside a plain model ---- */

enum { KEYS = 6, STEPS = 20000 };

struct model { /* one key */
    bool there, cleared;
    uint32_t id;
    int64_t count, first, last, level, expires, cleared_at;
};

static void model_time(struct model *m, int64_t ms)
{
    if (m->there && !m->cleared && m->expires && m->expires <= ms) {
        m->cleared = true;
        m->cleared_at = ms;
        m->level = LEVEL_OK;
    }
    if (m->there && m->cleared && m->cleared_at + CLEARED_TTL_S * 1000 <= ms)
        m->there = false;
}

/* 0: it is refused. */
static bool model_do(struct model *m, const struct raise *c, int64_t ms)
{
    if (c->verb == VERB_RAISE) {
        m->count = m->there ? m->count + 1 : 1;
        m->first = m->there ? m->first : ms;
        m->last = ms;
        m->id = m->there ? m->id : 0;
        m->there = true;
        m->cleared = false;
        m->level = c->severity;
        m->expires = c->ttl_s ? ms + c->ttl_s * 1000 : 0;
        return true;
    }
    if (!m->there)
        return false;
    if (!m->cleared)
        m->cleared_at = ms;
    m->cleared = true;
    m->level = LEVEL_OK;
    m->there = c->verb == VERB_CLEAR;
    return true;
}

static void compare(struct txn *t, const struct model *m)
{
    if (!m->there) {
        assert_false(m->id && alert_lives(t, m->id));
        return;
    }
    assert_int_equal(alert_cell(t, m->id, ALERT_COUNT), m->count);
    assert_int_equal(alert_cell(t, m->id, ALERT_FIRST_SEEN), WALL + m->first);
    assert_int_equal(alert_cell(t, m->id, ALERT_LAST_SEEN), WALL + m->last);
    assert_int_equal(alert_cell(t, m->id, ALERT_LEVEL), m->level);
    assert_int_equal(alert_cell(t, m->id, ALERT_CLEARED), m->cleared ? TRUTH_TRUE : TRUTH_FALSE);
    assert_int_equal(alert_cell(t, m->id, ALERT_CLEARED_AT), m->cleared ? WALL + m->cleared_at : 0);
}

static struct raise any_command(uint64_t *seed, unsigned key)
{
    static const enum sa_raise_verb verbs[] = {VERB_RAISE, VERB_RAISE, VERB_RAISE,
                                               VERB_CLEAR, VERB_CLEAR, VERB_DELETE};
    struct raise c = command(verbs[dice(seed, COUNT(verbs))], key % 2 ? "full" : "slow", "");

    snprintf(c.resource_id, sizeof c.resource_id, "n%u", key / 2);
    c.severity = (enum sa_level)(LEVEL_INFO + dice(seed, 3));
    c.ttl_s = dice(seed, 2) ? dice(seed, 20000) : 0;
    return c;
}

static void test_a_long_walk(void **state)
{
    struct model models[KEYS] = {{.there = false}};
    struct world *w = *state;
    uint64_t seed = 88172645463325252;
    uint32_t last_id = 0;
    int64_t ms = 0;
    struct rebuild_report report;
    struct err e;

    for (int i = 0; i < STEPS; i++) {
        struct txn *t = begin(w);
        unsigned key = dice(&seed, KEYS);
        struct raise c = any_command(&seed, key);
        struct raise_result r;
        bool good;

        ms += dice(&seed, dice(&seed, 10) ? 3000000 : 20000000);
        expire(t, ms);
        for (unsigned k = 0; k < KEYS; k++)
            model_time(&models[k], ms);
        r = run(t, &c, ms);
        good = model_do(&models[key], &c, ms);
        assert_int_equal(r.result == RAISE_DONE, good);
        if (good && !models[key].id) {
            assert_true(r.alert > last_id);
            models[key].id = last_id = r.alert;
        }
        for (unsigned k = 0; k < KEYS; k++)
            compare(t, &models[k]);
        done(t);
        if (i % 997 == 0) /* what a repair makes of it is the same */
            assert_int_equal(rebuild_derived(w->store, true, WALL + ms, &report, &e), 0);
    }
}

/* A rebuilt database is what it was. */
static void test_rebuild_makes_the_same(void **state)
{
    static const char *const dbs[] = {RAISE_DB, "acknowledged"};
    struct world *w = *state;
    struct rebuild_report report;
    struct raise c = command(VERB_RAISE, "full", "n1");
    struct txn *t = begin(w);
    uint64_t before;
    struct err e;

    c.ttl_s = 60;
    run(t, &c, 0);
    must(t, VERB_RAISE, "full", "n2", 0);
    must(t, VERB_CLEAR, "full", "n2", 10);
    PUT(t, SA_RAISE, key_of_id("alice", 7), {RAISE_RESOURCE_TYPE, 0, "node"},
        {RAISE_ALERT_TYPE, 0, "full"});
    take_in_row(t, 7, 20);
    take_in(t, 1);
    before = dump(t, dbs, COUNT(dbs));
    done(t);
    assert_int_equal(rebuild_derived(w->store, true, WALL + 100, &report, &e), 0);
    assert_int_equal(report.orphans, 0);
    t = begin(w);
    assert_int_equal(dump(t, dbs, COUNT(dbs)), before);
    done(t);
}

#define WITH(test) cmocka_unit_test_setup_teardown(test, setup, world_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH(test_a_raise_makes_an_alert),
        WITH(test_another_raise_counts),
        WITH(test_keys_are_apart),
        WITH(test_clear_is_told_and_kept_for_a_while),
        WITH(test_a_cleared_one_is_raised_again),
        WITH(test_delete_tells_the_end_and_leaves_nothing),
        WITH(test_what_is_not_raised_again_expires),
        WITH(test_cleared_ttl_is_a_managers_to_say),
        WITH(test_a_clock_that_is_set_moves_no_timer),
        WITH(test_an_acknowledged_one_that_goes_leaves_no_timer),
        WITH(test_it_belongs_to_the_definition_of_its_type),
        WITH(test_a_deleted_definition_clears_and_tells),
        WITH(test_nobody_elses),
        WITH(test_who_is_gone_leaves_what_can_be_cleared_away),
        WITH(test_a_row_is_done_once_and_goes),
        WITH(test_a_row_that_is_not_active_waits),
        WITH(test_a_refused_row_says_why),
        WITH(test_a_timer_of_an_earlier_row_takes_no_later_one),
        WITH(test_a_long_walk),
        WITH(test_rebuild_makes_the_same),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
