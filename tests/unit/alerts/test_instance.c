/* From verdicts to rows, history and notices, and what becomes of them over edits, closings and
 * restarts. */
#include "tests/unit/alerts/fixture.h"

#include <stdio.h>
#include <string.h>

#include "alerts/acknowledge.h"
#include "alerts/instance.h"
#include "alerts/retention.h"
#include "base/text.h"

enum { WALL = 5000000, MONO = 70000 };

static const char *const dbs[] = {"instances", "held", "pending", "due", "told"};

static struct judge_now at(int64_t ms)
{
    return (struct judge_now){WALL + ms, MONO + ms};
}

static struct definition read_definition(struct txn *t, const char *owner, const char *name)
{
    struct key k = key_of_names(owner, name);
    struct definition d;
    struct row r;

    assert_int_equal(row_get(t, sa_table_by_id(SA_DEFINITION), &k, &r), 0);
    assert_true(definition_read(&d, &r));
    return d;
}

static const struct instance_verdict yes = {.kind = VERDICT_TRUE, .value = "97"};
static const struct instance_verdict no = {.kind = VERDICT_FALSE};
static const struct instance_verdict none = {.kind = VERDICT_NODATA};

static struct instance_result apply(struct txn *t, const char *name, const char *instance,
                                    const struct instance_verdict *v, int64_t ms)
{
    struct definition d = read_definition(t, "alice", name);
    struct judge_now now = at(ms);
    struct instance_result r;

    assert_int_equal(instance_apply(t, &d, instance, v, &now, NULL, NULL, &r), 0);
    return r;
}

static int64_t alert_cell(struct txn *t, uint32_t alert, unsigned column)
{
    return cell_of(t, SA_ALERT, key_of_id("alice", alert), column);
}

static const char *alert_text(struct txn *t, uint32_t alert, unsigned column)
{
    return text_of(t, SA_ALERT, key_of_id("alice", alert), column);
}

static uint64_t rows_in(struct txn *t, unsigned table)
{
    return table_count(t, sa_table_by_id(table));
}

/* Definition "one" of service "web", whose default group leads to target "ops". */
static int setup(void **state)
{
    struct world *w;

    world_setup(state);
    w = *state;
    IN(w, put_definition(t, "alice", "one", "web"));
    IN(w, put_target(t, "alice", "ops"));
    IN(w, put_link(t, "alice", "web", "ops"));
    return 0;
}

static void set(struct txn *t, unsigned column, int64_t v)
{
    PUT(t, SA_DEFINITION, key_of_names("alice", "one"), {column, v, NULL});
    take_in(t, 1);
}

/* ---- definitions ---- */

static void test_a_definition_as_it_is_read(void **state)
{
    struct txn *t = begin(*state);
    struct definition d;

    PUT(t, SA_DEFINITION, key_of_names("alice", "two"), {DEFINITION_CONDITION, 0, "true"},
        {DEFINITION_INTERVAL, 30000, NULL}, {DEFINITION_STALE_MULTIPLIER, 3, NULL},
        {DEFINITION_TIME_THRESHOLD, 5000, NULL}, {DEFINITION_SEVERITY, LEVEL_WARNING, NULL},
        {DEFINITION_NOTIFY_RECOVERY, TRUTH_FALSE, NULL}, {DEFINITION_DISABLED, TRUTH_TRUE, NULL},
        {DEFINITION_NO_DATA, POLICY_OK, NULL}, {DEFINITION_ON_ERROR, POLICY_ALERTING, NULL},
        {DEFINITION_DESCRIPTION, 0, "words"});
    d = read_definition(t, "alice", "two");
    assert_string_equal(d.owner, "alice");
    assert_string_equal(d.name, "two");
    assert_string_equal(d.service, "default");
    assert_string_equal(d.description, "words");
    assert_int_equal(d.interval_ms, 30000);
    assert_int_equal(d.stale_multiplier, 3);
    assert_int_equal(d.rules.stale_ms, 90000);
    assert_int_equal(d.rules.hold_ms, 5000);
    assert_int_equal(d.rules.severity, LEVEL_WARNING);
    assert_int_equal(d.rules.no_data, POLICY_OK);
    assert_int_equal(d.rules.on_error, POLICY_ALERTING);
    assert_false(d.notify_recovery);
    assert_true(d.disabled);
    d = read_definition(t, "alice", "one");
    assert_int_equal(d.interval_ms, 60000);
    assert_int_equal(d.rules.severity, LEVEL_CRITICAL);
    assert_true(d.notify_recovery);
    assert_false(d.disabled);
    done(t);
}

static void put_segment(struct txn *t, const char *owner, uint32_t n, const char *text)
{
    struct key k = key_of_names(owner, "s");

    key_u32(&k, n);
    PUT(t, SA_SCRIPT_TEXT, k, {SCRIPT_TEXT_TEXT, 0, text});
}

static void assert_text(struct txn *t, const char *want)
{
    struct key k = key_of_names("alice", "one");
    struct buf b;
    struct row r;
    int err;

    buf_init(&b, 16 << 10);
    assert_int_equal(row_get(t, sa_table_by_id(SA_DEFINITION), &k, &r), 0);
    err = definition_text(t, &r, &b);
    assert_int_equal(err, want ? 0 : ERR_NOTFOUND);
    if (want) {
        assert_int_equal(b.len, strlen(want));
        assert_memory_equal(b.data, want, b.len);
    }
    buf_release(&b);
}

static void test_the_texts_of_levels(void **state)
{
    static const char all[] = "\0crit\0\0\0warn reset\0\0";
    struct txn *t = begin(*state);
    struct key k = key_of_names("alice", "one");
    struct buf b;
    struct row r;

    PUT(t, SA_DEFINITION, k, {DEFINITION_CONDITION, 0, ""}, {DEFINITION_CRIT, 0, "crit"},
        {DEFINITION_WARN_RESET, 0, "warn reset"});
    buf_init(&b, 16 << 10);
    assert_int_equal(row_get(t, sa_table_by_id(SA_DEFINITION), &k, &r), 0);
    assert_int_equal(definition_text(t, &r, &b), 0);
    assert_int_equal(b.len, sizeof all - 1);
    assert_memory_equal(b.data, all, b.len);
    buf_release(&b);
    done(t);
}

static void test_the_text_to_run(void **state)
{
    struct txn *t = begin(*state);
    struct key k = key_of_names("alice", "one"), third = key_of_names("admin", "s");

    assert_text(t, "true");
    PUT(t, SA_DEFINITION, k, {DEFINITION_CONDITION, 0, ""}, {DEFINITION_SCRIPT, 0, "s"});
    assert_text(t, NULL);
    PUT(t, SA_SCRIPT, key_of_names("admin", "s"), {SCRIPT_DESCRIPTION, 0, ""});
    assert_text(t, NULL); /* no text yet */
    put_segment(t, "admin", 2, "b;");
    put_segment(t, "admin", 3, "c;");
    put_segment(t, "admin", 1, "a;");
    assert_text(t, "a;b;c;");
    key_u32(&third, 3);
    PUT(t, SA_SCRIPT_TEXT, third, {SCRIPT_TEXT_STATUS, ROW_NOT_IN_SERVICE, NULL});
    assert_text(t, "a;b;");
    /* The owner's own comes before admin's. */
    PUT(t, SA_SCRIPT, key_of_names("alice", "s"), {SCRIPT_DESCRIPTION, 0, ""});
    put_segment(t, "alice", 1, "mine");
    assert_text(t, "mine");
    PUT(t, SA_SCRIPT, key_of_names("alice", "s"), {SCRIPT_STATUS, ROW_NOT_IN_SERVICE, NULL});
    assert_text(t, NULL); /* it is being edited, not gone */
    done(t);
}

/* ---- verdicts ---- */

static void test_a_verdict_becomes_row_history_and_notice(void **state)
{
    struct txn *t = begin(*state);
    struct key history = key_of_id("alice", 1), notice = key_of_id("alice", 1);
    struct instance_result r = apply(t, "one", "", &no, 0);

    assert_true(r.changed); /* the instance is there from now on */
    assert_int_equal(r.alert, 1);
    assert_int_equal(alert_cell(t, 1, ALERT_LEVEL), LEVEL_OK);
    assert_int_equal(alert_cell(t, 1, ALERT_SINCE), WALL);
    assert_int_equal(rows_in(t, SA_HISTORY), 0);
    assert_false(apply(t, "one", "", &no, 10).changed);
    r = apply(t, "one", "", &yes, 20);
    assert_true(r.changed && r.transition.happened);
    assert_int_equal(alert_cell(t, 1, ALERT_LEVEL), LEVEL_CRITICAL);
    assert_int_equal(alert_cell(t, 1, ALERT_PREVIOUS_LEVEL), LEVEL_OK);
    assert_int_equal(alert_cell(t, 1, ALERT_PHASE), PHASE_ACTIVE);
    assert_int_equal(alert_cell(t, 1, ALERT_SINCE), WALL + 20);
    assert_int_equal(alert_cell(t, 1, ALERT_CHANGED), WALL + 20);
    assert_int_equal(alert_cell(t, 1, ALERT_HISTORY), 1);
    assert_string_equal(alert_text(t, 1, ALERT_VALUE), "97");
    assert_string_equal(alert_text(t, 1, ALERT_MESSAGE), "one is critical");
    assert_string_equal(alert_text(t, 1, ALERT_DEFINITION), "one");
    assert_string_equal(alert_text(t, 1, ALERT_INSTANCE), "");
    assert_int_equal(cell_of(t, SA_HISTORY, history, HISTORY_ALERT), 1);
    assert_int_equal(cell_of(t, SA_HISTORY, history, HISTORY_FROM), LEVEL_OK);
    assert_int_equal(cell_of(t, SA_HISTORY, history, HISTORY_TO), LEVEL_CRITICAL);
    assert_int_equal(cell_of(t, SA_HISTORY, history, HISTORY_AT), WALL + 20);
    assert_int_equal(cell_of(t, SA_HISTORY, history, HISTORY_IN_TIME), WALL + 20);
    assert_int_equal(cell_of(t, SA_HISTORY, history, HISTORY_OUT_TIME), 0);
    assert_int_equal(cell_of(t, SA_HISTORY, history, HISTORY_REASON), REASON_CONDITION);
    assert_string_equal(text_of(t, SA_HISTORY, history, HISTORY_VALUE), "97");
    assert_int_equal(cell_of(t, SA_NOTICE, notice, NOTICE_HISTORY), 1);
    assert_int_equal(cell_of(t, SA_NOTICE, notice, NOTICE_KIND), KIND_RAISE);
    assert_int_equal(cell_of(t, SA_NOTICE, notice, NOTICE_NOTIFICATION), SA_ALERT_RAISED);
    assert_int_equal(cell_of(t, SA_NOTICE, notice, NOTICE_ACTIVE_SINCE), WALL + 20);
    assert_string_equal(text_of(t, SA_NOTICE, notice, NOTICE_SERVICE), "web");
    apply(t, "one", "", &no, 30);
    assert_int_equal(cell_of(t, SA_HISTORY, key_of_id("alice", 2), HISTORY_IN_TIME), WALL + 20);
    assert_int_equal(cell_of(t, SA_HISTORY, key_of_id("alice", 2), HISTORY_OUT_TIME), WALL + 30);
    assert_int_equal(cell_of(t, SA_NOTICE, key_of_id("alice", 2), NOTICE_KIND), KIND_CLEAR);
    done(t);
}

static void test_all_or_nothing(void **state)
{
    struct world *w = *state;
    struct txn *t = begin(w);
    uint64_t before = dump(t, dbs, COUNT(dbs));

    apply(t, "one", "", &yes, 0);
    assert_false(dump(t, dbs, COUNT(dbs)) == before);
    txn_abort(t); /* killed here */
    t = begin(w);
    assert_true(dump(t, dbs, COUNT(dbs)) == before);
    done(t);
}

static void test_looking_writes_nothing_and_foretells(void **state)
{
    static const enum verdict_kind kinds[] = {VERDICT_TRUE,    VERDICT_FALSE,  VERDICT_LEVEL,
                                              VERDICT_SKIPPED, VERDICT_NODATA, VERDICT_ERROR};
    struct world *w = *state;
    uint64_t seed = 99, before;
    int64_t ms = 0;

    IN(w, set(t, DEFINITION_TIME_THRESHOLD, 3000));
    for (int i = 0; i < 1000; i++) {
        struct instance_verdict v = {.kind = kinds[dice(&seed, COUNT(kinds))],
                                     .level = 1 + dice(&seed, 5)};
        struct instance_result looked, applied;
        struct txn *t = txn_begin(w->store, TXN_READ);
        struct definition d = read_definition(t, "alice", "one");
        struct judge_now now;

        ms += dice(&seed, 4000);
        now = at(ms);
        before = dump(t, dbs, COUNT(dbs));
        assert_int_equal(instance_look(t, &d, "", &v, &now, &looked), 0);
        assert_true(dump(t, dbs, COUNT(dbs)) == before);
        txn_abort(t);
        t = begin(w);
        applied = apply(t, "one", "", &v, ms);
        assert_int_equal(looked.changed, applied.changed);
        assert_int_equal(looked.due_mono, applied.due_mono);
        assert_int_equal(looked.transition.happened, applied.transition.happened);
        assert_int_equal(looked.transition.to, applied.transition.to);
        assert_int_equal(looked.transition.kind, applied.transition.kind);
        if (looked.alert)
            assert_int_equal(looked.alert, applied.alert);
        assert_int_equal(applied.changed, dump(t, dbs, COUNT(dbs)) != before);
        done(t);
    }
}

static void test_instances_of_a_definition_are_apart(void **state)
{
    struct txn *t = begin(*state);

    assert_int_equal(apply(t, "one", "eth0", &yes, 0).alert, 1);
    assert_int_equal(apply(t, "one", "eth1", &no, 0).alert, 2);
    assert_int_equal(apply(t, "one", "eth0", &yes, 5).alert, 1);
    assert_int_equal(alert_cell(t, 1, ALERT_LEVEL), LEVEL_CRITICAL);
    assert_int_equal(alert_cell(t, 2, ALERT_LEVEL), LEVEL_OK);
    assert_string_equal(alert_text(t, 1, ALERT_MESSAGE), "one eth0 is critical");
    assert_int_equal(instances_level(t, "alice", "one"), LEVEL_CRITICAL);
    apply(t, "one", "eth0", &no, 9);
    assert_int_equal(instances_level(t, "alice", "one"), LEVEL_OK);
    assert_int_equal(instances_level(t, "alice", "none"), LEVEL_OK);
    done(t);
}

static void test_the_highest_level(void **state)
{
    static const enum sa_level order[] = {LEVEL_INFO, LEVEL_UNKNOWN, LEVEL_WARNING, LEVEL_CRITICAL};
    struct txn *t = begin(*state);

    for (size_t i = 0; i < COUNT(order); i++) {
        struct instance_verdict v = {.kind = VERDICT_LEVEL, .level = order[i]};
        char name[8];

        snprintf(name, sizeof name, "i%zu", i);
        apply(t, "one", name, &v, 0);
        assert_int_equal(instances_level(t, "alice", "one"), order[i]);
    }
    done(t);
}

static void test_another_name_behind_the_same_hash_is_noticed(void **state)
{
    struct world *w = *state;
    struct txn *t = begin(w);
    struct key k = key_of_names("alice", "one");
    struct definition d = read_definition(t, "alice", "one");
    struct judge_now now = at(0);
    struct instance_result r;
    uint8_t hash[16], id[4];

    apply(t, "one", "eth0", &yes, 0);
    hash128("eth1", 4, hash);
    for (size_t i = 0; i < sizeof hash; i += 4)
        key_u32(&k, get_u32(hash + i));
    put_u32(id, 1);
    assert_int_equal(kv_put(t, "instances", key_slice(&k), (struct slice){id, 4}), 0);
    assert_int_equal(instance_apply(t, &d, "eth1", &no, &now, NULL, NULL, &r), ERR_CORRUPT);
    txn_abort(t);
}

/* ---- words ---- */

/* Octets of characters of three octets each, behind OFFSET of one. */
static void fill(char *text, size_t n, size_t offset)
{
    memset(text, 'x', offset);
    for (; offset + 3 <= n; offset += 3)
        memcpy(text + offset, "\xe2\x82\xac", 3);
    text[offset] = 0;
}

static void test_words_are_cut_between_characters(void **state)
{
    static const enum verdict_kind kinds[] = {VERDICT_TRUE, VERDICT_ERROR};
    char message[VERDICT_MESSAGE_MAX + 1], error[VERDICT_ERROR_MAX + 1];

    for (size_t i = 0; i < 3 * COUNT(kinds); i++) {
        struct instance_verdict v = {
            .kind = kinds[i / 3], .value = message, .message = message, .error = error};
        struct txn *t = begin(*state);
        struct instance_result r;

        fill(message, VERDICT_MESSAGE_MAX, i % 3);
        fill(error, VERDICT_ERROR_MAX, i % 3);
        r = apply(t, "one", "", &v, 0);
        assert_true(r.transition.happened);
        assert_true(strlen(alert_text(t, r.alert, ALERT_MESSAGE)) > 252);
        assert_true(strlen(alert_text(t, r.alert, ALERT_VALUE)) > 252);
        txn_abort(t);
    }
}

static void test_words(void **state)
{
    struct txn *t = begin(*state);
    struct instance_verdict v = {.kind = VERDICT_TRUE, .message = "97 % full"};
    struct instance_verdict failed = {.kind = VERDICT_ERROR, .error = "line 1: no such thing"};

    apply(t, "one", "a", &v, 0);
    assert_string_equal(alert_text(t, 1, ALERT_MESSAGE), "97 % full");
    apply(t, "one", "b", &failed, 0);
    assert_string_equal(alert_text(t, 2, ALERT_MESSAGE), "condition failed: line 1: no such thing");
    assert_int_equal(alert_cell(t, 2, ALERT_LEVEL), LEVEL_UNKNOWN);
    PUT(t, SA_DEFINITION, key_of_names("alice", "one"), {DEFINITION_DESCRIPTION, 0, "disk full"});
    apply(t, "one", "c", &yes, 0);
    assert_string_equal(alert_text(t, 3, ALERT_MESSAGE), "disk full");
    apply(t, "one", "c", &no, 1);
    assert_string_equal(alert_text(t, 3, ALERT_MESSAGE), "one c is ok");
    done(t);
}

/* ---- closing ---- */

static unsigned close_all(struct txn *t, enum sa_reason reason, int64_t ms)
{
    struct judge_now now = at(ms);
    unsigned closed = 99;

    assert_int_equal(instances_close(t, "alice", "one", reason, &now, &closed), 0);
    return closed;
}

/* How many were waiting. */
static unsigned deliver_all(struct txn *t)
{
    struct notice_ref refs[NOTICE_BATCH_MAX];
    char uuid[UUID_TEXT_LEN + 1];
    enum sa_notice_state state;
    unsigned delivered = 0;
    size_t n;

    while (!notice_claim(t, (int64_t)1 << 40, NULL, refs, &n, uuid)) {
        for (size_t i = 0; i < n; i++, delivered++)
            assert_int_equal(notice_outcome(t, &refs[i], NOTICE_END_DELIVERED, CONFIRM_HANDED_OFF,
                                            NULL, NULL, 0, 100, &state),
                             0);
    }
    return delivered;
}

static void test_disabling_closes_and_tells_nobody_of_each(void **state)
{
    struct txn *t = begin(*state);
    struct key history;

    apply(t, "one", "a", &yes, 0);
    apply(t, "one", "b", &yes, 0);
    apply(t, "one", "c", &no, 0);
    assert_int_equal(close_all(t, REASON_DISABLED, 50), 2);
    assert_int_equal(rows_in(t, SA_ALERT), 3);
    assert_int_equal(rows_in(t, SA_HISTORY), 4);
    assert_true(retention_complete(t, RETAINED_HISTORY));
    assert_int_equal(rows_in(t, SA_NOTICE), 2);
    /* What is on its way still arrives, and is forgotten then. */
    assert_int_equal(kv_count(t, "told"), 2);
    assert_int_equal(deliver_all(t), 2);
    assert_int_equal(kv_count(t, "told"), 0);
    for (uint32_t alert = 1; alert <= 3; alert++) {
        assert_int_equal(alert_cell(t, alert, ALERT_LEVEL), LEVEL_OK);
        assert_int_equal(alert_cell(t, alert, ALERT_FLAGS), ALERT_FLAG_DISABLED);
    }
    history = key_of_id("alice", 4);
    assert_int_equal(cell_of(t, SA_HISTORY, history, HISTORY_REASON), REASON_DISABLED);
    assert_int_equal(cell_of(t, SA_HISTORY, history, HISTORY_OUT_TIME), WALL + 50);
    assert_int_equal(close_all(t, REASON_DISABLED, 60), 0); /* once is enough */
    assert_int_equal(rows_in(t, SA_HISTORY), 4);
    assert_true(retention_complete(t, RETAINED_HISTORY));
    /* Enabled again: the same alert goes on, without the flag. */
    assert_int_equal(apply(t, "one", "a", &yes, 70).alert, 1);
    assert_int_equal(alert_cell(t, 1, ALERT_FLAGS), 0);
    done(t);
}

static void test_deleting_closes_tells_and_leaves_history(void **state)
{
    struct txn *t = begin(*state);
    struct key last;

    set(t, DEFINITION_TIME_THRESHOLD, 0);
    apply(t, "one", "a", &yes, 0);
    apply(t, "one", "b", &no, 0);
    set(t, DEFINITION_TIME_THRESHOLD, 5000);
    apply(t, "one", "c", &yes, 0); /* pending */
    assert_int_equal(kv_count(t, "held"), 1);
    /* As the core does it: the alerts first, while it is known where the definition leads. */
    drop_row(t, SA_DEFINITION, key_of_names("alice", "one"));
    assert_int_equal(close_all(t, REASON_DELETED, 50), 1);
    take_in(t, 1);
    assert_int_equal(rows_in(t, SA_ALERT), 0);
    assert_int_equal(kv_count(t, "instances"), 0);
    assert_int_equal(kv_count(t, "held"), 0);
    assert_int_equal(rows_in(t, SA_HISTORY), 2);
    assert_int_equal(rows_in(t, SA_NOTICE), 2);
    last = key_of_id("alice", 2);
    assert_int_equal(cell_of(t, SA_NOTICE, last, NOTICE_KIND), KIND_CLEAR);
    assert_string_equal(text_of(t, SA_NOTICE, last, NOTICE_MESSAGE), "the definition was deleted");
    assert_string_equal(text_of(t, SA_NOTICE, last, NOTICE_SERVICE), "web");
    assert_int_equal(cell_of(t, SA_HISTORY, last, HISTORY_REASON), REASON_DELETED);
    assert_int_equal(close_all(t, REASON_DELETED, 60), 0);
    done(t);
}

static void test_a_definition_made_again_has_new_alerts(void **state)
{
    struct txn *t = begin(*state);

    assert_int_equal(apply(t, "one", "", &yes, 0).alert, 1);
    close_all(t, REASON_DELETED, 5);
    assert_int_equal(apply(t, "one", "", &yes, 9).alert, 2);
    done(t);
}

/* ---- edits and restarts ---- */

static void test_an_edit_starts_pending_anew_and_keeps_active(void **state)
{
    struct txn *t = begin(*state);

    apply(t, "one", "a", &yes, 0);
    set(t, DEFINITION_TIME_THRESHOLD, 5000);
    apply(t, "one", "b", &yes, 0);
    assert_int_equal(alert_cell(t, 2, ALERT_PHASE), PHASE_PENDING);
    assert_int_equal(kv_count(t, "held"), 1);
    assert_int_equal(instances_edited(t, "alice", "one"), 0);
    assert_int_equal(alert_cell(t, 1, ALERT_LEVEL), LEVEL_CRITICAL);
    assert_int_equal(alert_cell(t, 2, ALERT_PHASE), PHASE_INACTIVE);
    assert_int_equal(kv_count(t, "held"), 0);
    apply(t, "one", "b", &yes, 4000);
    apply(t, "one", "b", &yes, 8999);
    assert_int_equal(alert_cell(t, 2, ALERT_LEVEL), LEVEL_OK);
    apply(t, "one", "b", &yes, 9000);
    assert_int_equal(alert_cell(t, 2, ALERT_LEVEL), LEVEL_CRITICAL);
    done(t);
}

static void test_a_hold_is_frozen_while_the_daemon_is_down(void **state)
{
    struct txn *t = begin(*state);
    struct instance_result r;

    set(t, DEFINITION_TIME_THRESHOLD, 5000);
    r = apply(t, "one", "", &yes, 0);
    assert_int_equal(r.due_mono, MONO + 5000);
    /* Alive for 3 s of it, down for an hour; and down again before anything was judged. */
    assert_int_equal(instances_resume(t, MONO + 3000, MONO + 3600000), 0);
    assert_int_equal(instances_resume(t, MONO + 3000, MONO + 3700000), 0);
    assert_int_equal(alert_cell(t, 1, ALERT_HELD), 3000);
    r = apply(t, "one", "", &yes, 3700000 + 1999);
    assert_int_equal(r.due_mono, MONO + 3700000 + 2000);
    assert_int_equal(alert_cell(t, 1, ALERT_LEVEL), LEVEL_OK);
    apply(t, "one", "", &yes, 3700000 + 2000);
    assert_int_equal(alert_cell(t, 1, ALERT_LEVEL), LEVEL_CRITICAL);
    assert_int_equal(kv_count(t, "held"), 0);
    done(t);
}

static void test_time_without_data_is_frozen_too(void **state)
{
    struct txn *t = begin(*state);

    PUT(t, SA_DEFINITION, key_of_names("alice", "one"), {DEFINITION_INTERVAL, 10000, NULL});
    apply(t, "one", "", &no, 0);
    apply(t, "one", "", &none, 1);
    assert_int_equal(kv_count(t, "held"), 1);
    assert_int_equal(instances_resume(t, MONO + 15001, 500), 0); /* another boot */
    apply(t, "one", "", &none, 500 - MONO + 4999);
    assert_int_equal(alert_cell(t, 1, ALERT_LEVEL), LEVEL_OK);
    apply(t, "one", "", &none, 500 - MONO + 20000);
    assert_int_equal(alert_cell(t, 1, ALERT_LEVEL), LEVEL_UNKNOWN);
    assert_int_equal(alert_cell(t, 1, ALERT_FLAGS), ALERT_FLAG_NO_DATA);
    assert_int_equal(cell_of(t, SA_HISTORY, key_of_id("alice", 1), HISTORY_REASON), REASON_NO_DATA);
    done(t);
}

/* ---- acknowledgements ---- */

static const struct instance_verdict warning = {.kind = VERDICT_LEVEL, .level = LEVEL_WARNING};
static const struct instance_verdict critical = {.kind = VERDICT_LEVEL, .level = LEVEL_CRITICAL};

/* As a SET leaves it; UNTIL_MS by at(). Taken in as often as it may happen. */
static void acknowledge(struct txn *t, enum sa_acknowledge kind, const char *author,
                        int64_t until_ms, int64_t ms)
{
    struct key k = key_of_id("alice", 1);
    struct edit d;

    edit_begin(&d, t, sa_table_by_id(SA_ALERT), &k);
    edit_int(&d, ALERT_ACKNOWLEDGE, kind);
    edit_str(&d, ALERT_ACK_AUTHOR, author);
    edit_int(&d, ALERT_ACK_UNTIL, until_ms ? WALL + until_ms : 0);
    assert_int_equal(row_put(&d, NULL), 0);
    for (int i = 0; i < 2; i++)
        assert_int_equal(ack_take_in(t, "alice", 1, WALL + ms, NULL, NULL), 0);
}

static int64_t last_notice(struct txn *t, unsigned column)
{
    return cell_of(t, SA_NOTICE, key_of_id("alice", (uint32_t)rows_in(t, SA_NOTICE)), column);
}

static void assert_no_acknowledgement(struct txn *t)
{
    static const unsigned columns[] = {ALERT_ACK_AT, ALERT_ACK_UNTIL, ALERT_ACK_TAKEN,
                                       ALERT_ACK_DUE};

    assert_int_equal(alert_cell(t, 1, ALERT_ACKNOWLEDGE), ACK_NONE);
    assert_string_equal(alert_text(t, 1, ALERT_ACK_AUTHOR), "");
    assert_int_equal(
        alert_cell(t, 1, ALERT_FLAGS) & (ALERT_FLAG_ACKNOWLEDGED | ALERT_FLAG_SUPPRESSED), 0);
    for (size_t i = 0; i < COUNT(columns); i++)
        assert_int_equal(alert_cell(t, 1, columns[i]), 0);
    assert_int_equal(ack_next_due(t), 0);
}

static void test_an_acknowledgement_is_told_once(void **state)
{
    struct txn *t = begin(*state);

    apply(t, "one", "", &warning, 0);
    acknowledge(t, ACK_NORMAL, "bob", 0, 5);
    assert_int_equal(alert_cell(t, 1, ALERT_FLAGS), ALERT_FLAG_ACKNOWLEDGED);
    assert_int_equal(alert_cell(t, 1, ALERT_ACK_AT), WALL + 5);
    assert_int_equal(rows_in(t, SA_NOTICE), 2);
    assert_int_equal(last_notice(t, NOTICE_KIND), KIND_ACKNOWLEDGE);
    assert_int_equal(last_notice(t, NOTICE_NOTIFICATION), SA_ALERT_ACKNOWLEDGED);
    assert_int_equal(last_notice(t, NOTICE_LEVEL), LEVEL_WARNING);
    assert_int_equal(last_notice(t, NOTICE_SINCE), WALL); /* of the alert */
    assert_string_equal(text_of(t, SA_NOTICE, key_of_id("alice", 2), NOTICE_MESSAGE),
                        "acknowledged by bob");
    acknowledge(t, ACK_NORMAL, "alice", 0, 6); /* somebody else */
    assert_int_equal(rows_in(t, SA_NOTICE), 3);
    acknowledge(t, ACK_NONE, "", 0, 7);
    assert_int_equal(rows_in(t, SA_NOTICE), 3);
    assert_no_acknowledgement(t);
    done(t);
}

static void test_normal_ends_with_any_change(void **state)
{
    struct txn *t = begin(*state);

    apply(t, "one", "", &critical, 0);
    acknowledge(t, ACK_NORMAL, "bob", 0, 1);
    apply(t, "one", "", &critical, 2);
    assert_int_equal(alert_cell(t, 1, ALERT_ACKNOWLEDGE), ACK_NORMAL);
    apply(t, "one", "", &warning, 3);
    assert_no_acknowledgement(t);
    assert_int_equal(last_notice(t, NOTICE_KIND), KIND_CHANGE);
    assert_int_equal(last_notice(t, NOTICE_STATE), NOTICE_PENDING);
    done(t);
}

static void test_sticky_lasts_until_ok(void **state)
{
    struct txn *t = begin(*state);

    apply(t, "one", "", &warning, 0);
    acknowledge(t, ACK_STICKY, "bob", 0, 1);
    apply(t, "one", "", &critical, 2);
    apply(t, "one", "", &warning, 3);
    assert_int_equal(alert_cell(t, 1, ALERT_FLAGS),
                     ALERT_FLAG_ACKNOWLEDGED | ALERT_FLAG_SUPPRESSED);
    assert_int_equal(rows_in(t, SA_NOTICE), 4);
    assert_int_equal(last_notice(t, NOTICE_STATE), NOTICE_SUPPRESSED);
    assert_int_equal(last_notice(t, NOTICE_SUPPRESSION), SUPPRESSION_ACKNOWLEDGED);
    assert_int_equal(last_notice(t, NOTICE_FINISHED), WALL + 3);
    apply(t, "one", "", &no, 4);
    assert_no_acknowledgement(t);
    assert_int_equal(rows_in(t, SA_NOTICE), 5);
    assert_int_equal(last_notice(t, NOTICE_KIND), KIND_CLEAR);
    assert_int_equal(last_notice(t, NOTICE_STATE), NOTICE_PENDING);
    /* The next problem is another one. */
    apply(t, "one", "", &warning, 5);
    assert_int_equal(last_notice(t, NOTICE_STATE), NOTICE_PENDING);
    done(t);
}

/* A target that wants critical ones only never heard of the warning. */
static void test_problem_and_end_both_held_back_cancel_each_other(void **state)
{
    struct txn *t = begin(*state);

    PUT(t, SA_TARGET, key_of_names("alice", "ops"), {TARGET_STATES, 1 << 3 | 1, NULL});
    apply(t, "one", "", &warning, 0);
    acknowledge(t, ACK_STICKY, "bob", 0, 1);
    assert_int_equal(rows_in(t, SA_NOTICE), 0); /* nobody knows of it */
    apply(t, "one", "", &critical, 2);
    assert_int_equal(rows_in(t, SA_NOTICE), 1);
    assert_int_equal(last_notice(t, NOTICE_STATE), NOTICE_SUPPRESSED);
    assert_int_equal(kv_count(t, "told"), 1);
    apply(t, "one", "", &no, 3);
    assert_int_equal(rows_in(t, SA_NOTICE), 1);
    assert_int_equal(kv_count(t, "told"), 0);
    done(t);
}

static void test_until_ends_by_time(void **state)
{
    struct txn *t = begin(*state);

    apply(t, "one", "", &warning, 0);
    acknowledge(t, ACK_UNTIL, "bob", 1000, 1);
    acknowledge(t, ACK_UNTIL, "bob", 500, 2); /* sooner; the first timer is gone */
    assert_int_equal(ack_next_due(t), WALL + 500);
    assert_int_equal(kv_count(t, "acknowledged"), 1);
    apply(t, "one", "", &critical, 3);
    assert_int_equal(last_notice(t, NOTICE_STATE), NOTICE_SUPPRESSED);
    assert_int_equal(ack_expire(t, WALL + 499, NULL, NULL), 0);
    assert_int_equal(alert_cell(t, 1, ALERT_ACKNOWLEDGE), ACK_UNTIL);
    assert_int_equal(ack_expire(t, WALL + 500, NULL, NULL), 0);
    assert_no_acknowledgement(t);
    assert_int_equal(rows_in(t, SA_NOTICE), 5);
    assert_int_equal(last_notice(t, NOTICE_KIND), KIND_CHANGE);
    assert_int_equal(last_notice(t, NOTICE_LEVEL), LEVEL_CRITICAL);
    assert_int_equal(last_notice(t, NOTICE_STATE), NOTICE_PENDING);
    assert_int_equal(cell_of(t, SA_NOTICE, key_of_id("alice", 4), NOTICE_STATE), NOTICE_SUPPRESSED);
    done(t);
}

static void test_until_ends_unheard_when_nothing_was_held_back(void **state)
{
    struct txn *t = begin(*state);

    apply(t, "one", "", &warning, 0);
    acknowledge(t, ACK_UNTIL, "bob", 500, 1);
    assert_int_equal(ack_expire(t, WALL + 500, NULL, NULL), 0);
    assert_no_acknowledgement(t);
    assert_int_equal(rows_in(t, SA_NOTICE), 2);
    /* Over before its time: no timer is left. */
    acknowledge(t, ACK_UNTIL, "bob", 5000, 600);
    apply(t, "one", "", &no, 700);
    assert_no_acknowledgement(t);
    done(t);
}

/* Whoever never heard of the problem is told of a new one. */
static void test_taken_back_tells_what_was_held_back(void **state)
{
    struct txn *t = begin(*state);

    PUT(t, SA_TARGET, key_of_names("alice", "ops"), {TARGET_STATES, 1 << 3, NULL});
    apply(t, "one", "", &warning, 0);
    acknowledge(t, ACK_STICKY, "bob", 0, 1);
    apply(t, "one", "", &critical, 2);
    acknowledge(t, ACK_NONE, "", 0, 3);
    assert_int_equal(rows_in(t, SA_NOTICE), 2);
    assert_int_equal(last_notice(t, NOTICE_KIND), KIND_RAISE);
    assert_int_equal(last_notice(t, NOTICE_NOTIFICATION), SA_ALERT_RAISED);
    assert_int_equal(last_notice(t, NOTICE_LEVEL), LEVEL_CRITICAL);
    done(t);
}

static void test_an_acknowledgement_goes_with_its_definition(void **state)
{
    struct txn *t = begin(*state);
    struct judge_now now = at(5);
    unsigned closed;

    apply(t, "one", "", &warning, 0);
    acknowledge(t, ACK_UNTIL, "bob", 1000, 1);
    assert_int_equal(instances_close(t, "alice", "one", REASON_DISABLED, &now, &closed), 0);
    assert_no_acknowledgement(t);
    apply(t, "one", "", &warning, 6);
    acknowledge(t, ACK_UNTIL, "bob", 1000, 7);
    assert_int_equal(instances_close(t, "alice", "one", REASON_DELETED, &now, &closed), 0);
    assert_int_equal(rows_in(t, SA_ALERT), 0);
    assert_int_equal(ack_next_due(t), 0);
    done(t);
}

/* It counts from the SET on, also when the core has not looked at that yet. */
static void test_set_but_not_taken_in_yet(void **state)
{
    struct txn *t = begin(*state);

    apply(t, "one", "", &warning, 0);
    PUT(t, SA_ALERT, key_of_id("alice", 1), {ALERT_ACKNOWLEDGE, ACK_STICKY, NULL});
    apply(t, "one", "", &critical, 1);
    assert_int_equal(last_notice(t, NOTICE_STATE), NOTICE_SUPPRESSED);
    apply(t, "one", "", &no, 2);
    assert_int_equal(ack_take_in(t, "alice", 1, WALL + 3, NULL, NULL), 0);
    assert_no_acknowledgement(t);
    assert_int_equal(last_notice(t, NOTICE_KIND), KIND_CLEAR);
    done(t);
}

#define IN_WORLD(test) cmocka_unit_test_setup_teardown(test, setup, world_teardown)

/* ---- clear delay and repeat tolerance ---- */

static int64_t last_history(struct txn *t)
{
    return alert_cell(t, 1, ALERT_HISTORY);
}

static void test_soft_is_history_that_nobody_is_told(void **state)
{
    struct world *w = *state;
    struct txn *t = begin(w);
    struct key notice = key_of_id("alice", 1);

    PUT(t, SA_DEFINITION, key_of_names("alice", "one"), {DEFINITION_REPEAT_TOLERANCE, 2, NULL});
    assert_false(apply(t, "one", "", &yes, 0).transition.kind);
    assert_int_equal(alert_cell(t, 1, ALERT_FIRMNESS), FIRMNESS_SOFT);
    assert_int_equal(alert_cell(t, 1, ALERT_LEVEL), LEVEL_CRITICAL);
    assert_int_equal(cell_of(t, SA_HISTORY, key_of_id("alice", 1), HISTORY_FIRMNESS),
                     FIRMNESS_SOFT);
    assert_int_equal(rows_in(t, SA_NOTICE), 0);
    apply(t, "one", "", &no, 10);
    assert_int_equal(alert_cell(t, 1, ALERT_FIRMNESS), FIRMNESS_HARD);
    assert_int_equal(rows_in(t, SA_HISTORY), 2);
    assert_int_equal(rows_in(t, SA_NOTICE), 0);

    apply(t, "one", "", &yes, 20);
    assert_false(apply(t, "one", "", &yes, 30).transition.happened); /* hard now */
    assert_int_equal(rows_in(t, SA_HISTORY), 3);
    assert_int_equal(rows_in(t, SA_NOTICE), 1);
    assert_int_equal(cell_of(t, SA_NOTICE, notice, NOTICE_KIND), KIND_RAISE);
    assert_int_equal(cell_of(t, SA_NOTICE, notice, NOTICE_HISTORY), last_history(t));
    assert_int_equal(cell_of(t, SA_NOTICE, notice, NOTICE_PREVIOUS_LEVEL), LEVEL_OK);
    assert_int_equal(cell_of(t, SA_NOTICE, notice, NOTICE_SINCE), WALL + 20);
    assert_false(apply(t, "one", "", &yes, 40).changed); /* no row for what is hard already */
    apply(t, "one", "", &no, 50);
    assert_int_equal(rows_in(t, SA_NOTICE), 2);
    done(t);
}

static void test_no_tolerance_of_its_own_is_that_of_all(void **state)
{
    struct world *w = *state;
    struct txn *t = begin(w);

    PUT(t, SA_DEFINITION, key_of_names("alice", "one"), {DEFINITION_REPEAT_TOLERANCE, 0, NULL});
    apply(t, "one", "", &yes, 0); /* 1 unless somebody says otherwise */
    assert_int_equal(alert_cell(t, 1, ALERT_FIRMNESS), FIRMNESS_HARD);
    PUT(t, SA_SYSTEM, key_of_scalars(), {SYSTEM_REPEAT_TOLERANCE, 2, NULL});
    apply(t, "one", "", &no, 10);
    apply(t, "one", "", &yes, 20);
    assert_int_equal(alert_cell(t, 1, ALERT_FIRMNESS), FIRMNESS_SOFT);
    apply(t, "one", "", &yes, 30);
    assert_int_equal(alert_cell(t, 1, ALERT_FIRMNESS), FIRMNESS_HARD);
    done(t);
}

static void test_clearing_outlives_a_restart(void **state)
{
    struct world *w = *state;
    struct txn *t = begin(w);

    PUT(t, SA_DEFINITION, key_of_names("alice", "one"), {DEFINITION_CLEAR_DELAY, 5000, NULL});
    apply(t, "one", "", &yes, 0);
    assert_int_equal(apply(t, "one", "", &no, 1000).due_mono, MONO + 6000);
    assert_int_equal(alert_cell(t, 1, ALERT_PHASE), PHASE_CLEARING);
    assert_int_equal(rows_in(t, SA_HISTORY), 1);
    assert_int_equal(instances_resume(t, MONO + 4000, MONO + 3600000), 0);
    apply(t, "one", "", &no, 3600000 + 1999);
    assert_int_equal(alert_cell(t, 1, ALERT_PHASE), PHASE_CLEARING);
    apply(t, "one", "", &no, 3600000 + 2000);
    assert_int_equal(alert_cell(t, 1, ALERT_PHASE), PHASE_INACTIVE);
    assert_int_equal(rows_in(t, SA_NOTICE), 2);
    done(t);
}

static void test_what_becomes_hard_while_it_is_acknowledged_is_held_back(void **state)
{
    struct world *w = *state;
    struct txn *t = begin(w);

    PUT(t, SA_DEFINITION, key_of_names("alice", "one"), {DEFINITION_REPEAT_TOLERANCE, 2, NULL});
    apply(t, "one", "", &yes, 0);
    PUT(t, SA_ALERT, key_of_id("alice", 1), {ALERT_ACKNOWLEDGE, ACK_NORMAL, NULL});
    assert_int_equal(ack_take_in(t, "alice", 1, WALL + 5, NULL, NULL), 0);
    assert_int_equal(rows_in(t, SA_NOTICE), 0); /* nobody knows of it */
    apply(t, "one", "", &yes, 10);
    assert_int_equal(cell_of(t, SA_NOTICE, key_of_id("alice", 1), NOTICE_STATE), NOTICE_SUPPRESSED);
    PUT(t, SA_ALERT, key_of_id("alice", 1), {ALERT_ACKNOWLEDGE, ACK_NONE, NULL});
    assert_int_equal(ack_take_in(t, "alice", 1, WALL + 20, NULL, NULL), 0);
    assert_int_equal(cell_of(t, SA_NOTICE, key_of_id("alice", 2), NOTICE_KIND), KIND_RAISE);
    assert_int_equal(cell_of(t, SA_NOTICE, key_of_id("alice", 2), NOTICE_STATE), NOTICE_PENDING);
    done(t);
}

/* ---- flapping ---- */

/* The kinds of alice's notices, in their order, a letter each, those that are suppressed in
 * brackets. */
static const char *kinds_told(struct txn *t)
{
    static const char letters[] = "?rcxmaf";
    static char ret[128];
    size_t n = 0;

    for (uint32_t id = 1; is_there(t, SA_NOTICE, key_of_id("alice", id)); id++) {
        struct key k = key_of_id("alice", id);
        bool held_back = cell_of(t, SA_NOTICE, k, NOTICE_STATE) == NOTICE_SUPPRESSED;

        n += (size_t)snprintf(ret + n, sizeof ret - n, held_back ? "[%c]" : "%c",
                              letters[cell_of(t, SA_NOTICE, k, NOTICE_KIND)]);
    }
    ret[n] = 0;
    return ret;
}

static void make_flappy(struct txn *t)
{
    PUT(t, SA_DEFINITION, key_of_names("alice", "one"), {DEFINITION_FLAP_HISTORY, 5, NULL});
}

static void play(struct txn *t, const char *results, int64_t from_ms)
{
    for (; *results; results++)
        apply(t, "one", "", *results == 'c' ? &yes : &no, from_ms++);
}

static void test_what_flaps_is_history_alone_between_its_beginning_and_end(void **state)
{
    struct world *w = *state;
    struct txn *t = begin(w);
    struct key alert = key_of_id("alice", 1);

    make_flappy(t);
    play(t, "cococo", 0);
    assert_string_equal(kinds_told(t), "rf");
    assert_int_equal(rows_in(t, SA_HISTORY), 6);
    assert_int_equal(cell_of(t, SA_ALERT, alert, ALERT_FLAGS), ALERT_FLAG_FLAPPING);
    assert_int_equal(cell_of(t, SA_NOTICE, key_of_id("alice", 2), NOTICE_NOTIFICATION),
                     SA_ALERT_FLAPPING);
    play(t, "ooooo", 100); /* who was told of the problem is told that it is over */
    assert_string_equal(kinds_told(t), "rffc");
    assert_int_equal(cell_of(t, SA_ALERT, alert, ALERT_FLAGS), 0);
    assert_int_equal(rows_in(t, SA_HISTORY), 6);
    done(t);
}

static void test_the_end_of_flapping_tells_the_level_to_whoever_lacks_it(void **state)
{
    struct world *w = *state;
    struct txn *t = begin(w);

    make_flappy(t);
    play(t, "cococcccc", 0); /* the problem is owed: nothing but the end is news */
    assert_string_equal(kinds_told(t), "rffx");
    assert_int_equal(cell_of(t, SA_NOTICE, key_of_id("alice", 4), NOTICE_LEVEL), LEVEL_CRITICAL);
    done(t);
}

static void test_who_wants_neither_level_does_not_hear_of_flapping(void **state)
{
    struct world *w = *state;
    struct txn *t = begin(w);

    make_flappy(t);
    PUT(t, SA_TARGET, key_of_names("alice", "ops"), {TARGET_STATES, 1 << 1, NULL}); /* info */
    play(t, "cocooooooo", 0);
    assert_string_equal(kinds_told(t), "");
    done(t);
}

static void test_what_flaps_while_it_is_acknowledged_is_held_back(void **state)
{
    struct world *w = *state;
    struct txn *t = begin(w);

    make_flappy(t);
    apply(t, "one", "", &yes, 0);
    PUT(t, SA_ALERT, key_of_id("alice", 1), {ALERT_ACKNOWLEDGE, ACK_STICKY, NULL});
    assert_int_equal(ack_take_in(t, "alice", 1, WALL + 1, NULL, NULL), 0);
    apply(t, "one", "", &warning, 2);
    assert_string_equal(kinds_told(t), "ra[f]");
    for (int i = 3; i < 8; i++)
        apply(t, "one", "", &warning, i);
    assert_string_equal(kinds_told(t), "ra[f][f][x]");
    PUT(t, SA_ALERT, key_of_id("alice", 1), {ALERT_ACKNOWLEDGE, ACK_NONE, NULL});
    assert_int_equal(ack_take_in(t, "alice", 1, WALL + 20, NULL, NULL), 0);
    assert_string_equal(kinds_told(t), "ra[f][f][x]x");
    done(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_WORLD(test_a_definition_as_it_is_read),
        IN_WORLD(test_the_text_to_run),
        IN_WORLD(test_the_texts_of_levels),
        IN_WORLD(test_a_verdict_becomes_row_history_and_notice),
        IN_WORLD(test_all_or_nothing),
        IN_WORLD(test_looking_writes_nothing_and_foretells),
        IN_WORLD(test_instances_of_a_definition_are_apart),
        IN_WORLD(test_the_highest_level),
        IN_WORLD(test_another_name_behind_the_same_hash_is_noticed),
        IN_WORLD(test_words_are_cut_between_characters),
        IN_WORLD(test_words),
        IN_WORLD(test_disabling_closes_and_tells_nobody_of_each),
        IN_WORLD(test_deleting_closes_tells_and_leaves_history),
        IN_WORLD(test_a_definition_made_again_has_new_alerts),
        IN_WORLD(test_an_edit_starts_pending_anew_and_keeps_active),
        IN_WORLD(test_a_hold_is_frozen_while_the_daemon_is_down),
        IN_WORLD(test_time_without_data_is_frozen_too),
        IN_WORLD(test_an_acknowledgement_is_told_once),
        IN_WORLD(test_normal_ends_with_any_change),
        IN_WORLD(test_sticky_lasts_until_ok),
        IN_WORLD(test_problem_and_end_both_held_back_cancel_each_other),
        IN_WORLD(test_until_ends_by_time),
        IN_WORLD(test_until_ends_unheard_when_nothing_was_held_back),
        IN_WORLD(test_taken_back_tells_what_was_held_back),
        IN_WORLD(test_an_acknowledgement_goes_with_its_definition),
        IN_WORLD(test_set_but_not_taken_in_yet),
        IN_WORLD(test_soft_is_history_that_nobody_is_told),
        IN_WORLD(test_no_tolerance_of_its_own_is_that_of_all),
        IN_WORLD(test_clearing_outlives_a_restart),
        IN_WORLD(test_what_becomes_hard_while_it_is_acknowledged_is_held_back),
        IN_WORLD(test_what_flaps_is_history_alone_between_its_beginning_and_end),
        IN_WORLD(test_the_end_of_flapping_tells_the_level_to_whoever_lacks_it),
        IN_WORLD(test_who_wants_neither_level_does_not_hear_of_flapping),
        IN_WORLD(test_what_flaps_while_it_is_acknowledged_is_held_back),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
