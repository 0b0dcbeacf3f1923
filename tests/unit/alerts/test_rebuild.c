/* What is derived comes back as it was, whichever part of it is lost; and what lost rows leave
 * behind comes to its end. A random life of definitions, alerts and notices is led by the real
 * functions, and the databases that they kept up are compared with those that are made anew. */
#include "tests/unit/alerts/fixture.h"

#include <stdio.h>
#include <string.h>

#include "alerts/acknowledge.h"
#include "alerts/instance.h"
#include "alerts/notice.h"
#include "alerts/rebuild.h"

enum { WALL = 5000000, MONO = 70000, STEPS = 3000, DEFINITIONS = 8, TARGETS = 4, INSTANCES = 3 };

static const char *const dbs[] = {"defService",   "defGroups", "globals",   "serviceDefs",
                                  "targetGroups", "ownerDefs", "instances", "held",
                                  "pending",      "due",       "disabled",  "acknowledged",
                                  "alarmActive",  "alarmById", "alarmClear"};

struct life {
    struct world w;
    uint64_t seed;
    int64_t now;
    unsigned raised, claimed, finished, acknowledged, acted;
};

static const char *name_of(const char *kind, uint32_t n)
{
    static char names[4][33];
    static unsigned next;
    char *s = names[next++ % 4];

    snprintf(s, 33, "%s%u", kind, n);
    return s;
}

/* ---- a life ---- */

static void found(struct life *l)
{
    struct txn *t = begin(&l->w);

    for (uint32_t i = 0; i < DEFINITIONS; i++)
        PUT(t, SA_DEFINITION, key_of_names("alice", name_of("def", i)),
            {DEFINITION_CONDITION, 0, "true"},
            {DEFINITION_SERVICE, 0, i % 3 ? name_of("service", i % 3) : ""},
            {DEFINITION_TIME_THRESHOLD, i % 4 ? 0 : 5000, NULL},
            {DEFINITION_NOTIFY_RECOVERY, i == 5 ? TRUTH_FALSE : TRUTH_TRUE, NULL},
            {DEFINITION_RECIPIENTS, 0, i % 3 ? "" : "c@example.net"});
    for (uint32_t i = 0; i < TARGETS; i++)
        PUT(t, SA_TARGET, key_of_names("alice", name_of("target", i)), {TARGET_HANDLER, 0, "mail"},
            {TARGET_RECIPIENTS, 0, "a@example.net b@example.net"},
            {TARGET_GLOBAL, i ? TRUTH_FALSE : TRUTH_TRUE, NULL},
            {TARGET_STATES, i == 2 ? 1 << (LEVEL_CRITICAL - 1) : 0, NULL});
    take_in(t, 1);
    put_group(t, "alice", "custom");
    put_member(t, "alice", "custom", "def1");
    put_member(t, "alice", "custom", "def4");
    put_link(t, "alice", "custom", "target1");
    put_link(t, "alice", "service1", "target2");
    put_link(t, "alice", "default", "target3");
    take_in(t, 1);
    done(t);
}

static void verdict(struct life *l, struct txn *t)
{
    static const enum verdict_kind kinds[] = {VERDICT_TRUE, VERDICT_TRUE, VERDICT_FALSE,
                                              VERDICT_FALSE, VERDICT_NODATA};
    struct instance_verdict v = {.kind = kinds[dice(&l->seed, COUNT(kinds))], .value = "97"};
    struct judge_now now = {WALL + l->now, MONO + l->now};
    struct key k = key_of_names("alice", name_of("def", dice(&l->seed, DEFINITIONS)));
    struct instance_result result;
    struct definition d;
    struct row r;

    if (row_get(t, sa_table_by_id(SA_DEFINITION), &k, &r))
        return;
    assert_true(definition_read(&d, &r));
    assert_int_equal(instance_apply(t, &d, name_of("i", dice(&l->seed, INSTANCES)), &v, &now, NULL,
                                    NULL, &result),
                     0);
    l->raised += result.transition.happened;
}

static void end(struct life *l, struct txn *t, const struct notice_ref *ref)
{
    static const enum notice_end ends[] = {NOTICE_END_DELIVERED, NOTICE_END_DELIVERED,
                                           NOTICE_END_DELIVERED, NOTICE_END_RETRY,
                                           NOTICE_END_FAILED};
    enum sa_notice_state state;

    assert_int_equal(notice_outcome(t, ref, ends[dice(&l->seed, COUNT(ends))], CONFIRM_HANDED_OFF,
                                    "words", NULL, 0, WALL + l->now, &state),
                     0);
    l->finished++;
}

static void deliver(struct life *l, struct txn *t)
{
    struct notice_ref refs[NOTICE_BATCH_MAX];
    char uuid[UUID_TEXT_LEN + 1];
    size_t n;
    int err = notice_claim(t, WALL + l->now, NULL, refs, &n, uuid);

    if (err == ERR_NOTFOUND)
        return;
    assert_int_equal(err, 0);
    l->claimed++;
    for (size_t i = 0; i < n; i++)
        if (dice(&l->seed, 4)) /* else it is with the dispatcher when the end comes */
            end(l, t, &refs[i]);
}

/* Somebody takes an alert on, or takes that back. */
static void acknowledge(struct life *l, struct txn *t)
{
    uint32_t alert = 1 + dice(&l->seed, (uint32_t)table_count(t, sa_table_by_id(SA_ALERT)) + 1);
    enum sa_acknowledge kind = ACK_NONE + dice(&l->seed, 4);
    struct key k = key_of_id("alice", alert);
    struct edit d;
    struct row r;

    if (row_get(t, sa_table_by_id(SA_ALERT), &k, &r) || row_int(&r, ALERT_LEVEL) == LEVEL_OK)
        return;
    edit_begin(&d, t, sa_table_by_id(SA_ALERT), &k);
    edit_int(&d, ALERT_ACKNOWLEDGE, kind);
    edit_int(&d, ALERT_ACK_UNTIL, kind == ACK_UNTIL ? WALL + l->now + 20000 : 0);
    assert_int_equal(row_put(&d, NULL), 0);
    assert_int_equal(ack_take_in(t, "alice", alert, WALL + l->now, NULL, NULL), 0);
    l->acknowledged += kind != ACK_NONE;
}

/* Somebody cancels a notice, or sends it again. */
static void act(struct life *l, struct txn *t)
{
    struct notice_ref ref = {
        "alice", 1 + dice(&l->seed, (uint32_t)table_count(t, sa_table_by_id(SA_NOTICE)) + 1)};
    enum sa_notice_action action = dice(&l->seed, 2) ? ACTION_CANCEL : ACTION_RESEND;
    struct key k = key_of_id("alice", ref.id), target_key;
    struct row r, target;
    struct edit d;
    struct err e;
    bool call_back;

    if (row_get(t, sa_table_by_id(SA_NOTICE), &k, &r))
        return;
    target_key = notice_target_key(&r);
    if (row_get(t, sa_table_by_id(SA_TARGET), &target_key, &target) ||
        notice_may(action, &r, &target, &e))
        return;
    edit_begin(&d, t, sa_table_by_id(SA_NOTICE), &k);
    edit_int(&d, NOTICE_ACTION, action);
    assert_int_equal(row_put(&d, NULL), 0);
    assert_int_equal(notice_act(t, &ref, WALL + l->now, &call_back), 0);
    l->acted++;
}

static void live(struct life *l, unsigned steps)
{
    struct txn *t = begin(&l->w);

    for (unsigned i = 0; i < steps; i++) {
        l->now += dice(&l->seed, 2000);
        assert_int_equal(ack_expire(t, WALL + l->now, NULL, NULL), 0);
        switch (dice(&l->seed, 10)) {
        case 0:
            acknowledge(l, t);
            break;
        case 1:
            act(l, t);
            break;
        case 2:
        case 3:
        case 4:
        case 5:
            verdict(l, t);
            break;
        default:
            deliver(l, t);
        }
    }
    done(t);
}

static int setup(void **state)
{
    static struct life l;

    memset(&l, 0, sizeof l);
    l.seed = 99;
    world_init(&l.w);
    found(&l);
    *state = &l;
    return 0;
}

static int teardown(void **state)
{
    struct life *l = *state;

    world_release(&l->w);
    return 0;
}

/* ---- comparing ---- */

/* Which of them is not as it was, for the eye. */
static const char *differs(struct life *l, uint64_t before[COUNT(dbs) + 1])
{
    struct txn *t = begin(&l->w);
    const char *what = "nothing";

    for (size_t i = 0; i <= COUNT(dbs); i++) {
        uint64_t now = dump(t, &dbs[i], i < COUNT(dbs));

        if (before[i] && now != before[i])
            what = i < COUNT(dbs) ? dbs[i] : "a row";
        before[i] = now;
    }
    txn_abort(t);
    return what;
}

static uint64_t some_of(struct life *l, const char *const *some, size_t n)
{
    struct txn *t = begin(&l->w);
    uint64_t hash = dump(t, some, n);

    txn_abort(t);
    return hash;
}

static uint64_t all_of(struct life *l)
{
    return some_of(l, dbs, COUNT(dbs));
}

static struct rebuild_report rebuild(struct life *l, bool force)
{
    struct rebuild_report r;
    struct err e;

    if (rebuild_derived(l->w.store, force, WALL + l->now, &r, &e))
        fail_msg("%s", e.text);
    return r;
}

/* What each target knows. Entries stay as they are; one may be added where it cannot be seen any
 * more what a notice that was sent again had told at first. */
struct told {
    uint8_t key[8], value[9];
    size_t len;
};

static size_t told_all(struct life *l, struct told ret[], size_t cap)
{
    struct txn *t = begin(&l->w);
    struct slice k, v, at = {NULL, 0};
    size_t n = 0;

    while (!kv_seek(t, "told", at, n > 0, &k, &v)) {
        assert_true(n < cap && k.len == sizeof ret->key && v.len <= sizeof ret->value);
        memcpy(ret[n].key, k.data, k.len);
        memcpy(ret[n].value, v.data, v.len);
        ret[n].len = v.len;
        at = (struct slice){ret[n++].key, k.len};
    }
    txn_abort(t);
    return n;
}

static bool told_stays(struct life *l, const struct told before[], size_t n)
{
    struct txn *t = begin(&l->w);
    struct slice v;
    size_t same = 0;

    while (same < n &&
           !kv_get(t, "told", (struct slice){before[same].key, sizeof before->key}, &v) &&
           slice_equal(v, (struct slice){before[same].value, before[same].len}))
        same++;
    txn_abort(t);
    return same == n;
}

static void lose(struct life *l, const char *db)
{
    struct txn *t = begin(&l->w);

    assert_int_equal(kv_clear(t, db), 0);
    done(t);
}

static void test_nothing_is_done_unasked(void **state)
{
    struct life *l = *state;

    live(l, 50);
    lose(l, "pending");
    assert_false(rebuild(l, false).done);
}

static void test_what_is_derived_comes_back(void **state)
{
    struct life *l = *state;
    unsigned notices = 0;

    for (int round = 0; round < 30; round++) {
        live(l, STEPS / 30);
        uint64_t parts[COUNT(dbs) + 1] = {0};
        static struct told told[4096];
        static const char *const count = "toldCount";
        size_t ntold = told_all(l, told, COUNT(told));
        uint64_t counts;

        differs(l, parts);
        uint64_t want = all_of(l);
        struct rebuild_report r = rebuild(l, true);

        assert_true(told_stays(l, told, ntold));
        assert_true(r.done && r.alerts && !r.orphans && !r.dangling);
        if (all_of(l) != want) /* nothing was amiss */
            fail_msg("round %d: other than it was: %s", round, differs(l, parts));
        for (size_t i = 0; i < COUNT(dbs); i++) {
            lose(l, dbs[i]);
            notices += (unsigned)rebuild(l, true).notices;
            if (all_of(l) != want)
                fail_msg("round %d: %s came back as something else", round, dbs[i]);
        }
        counts = some_of(l, &count, 1);
        lose(l, count);
        rebuild(l, true);
        assert_int_equal(some_of(l, &count, 1), counts);
    }
    assert_true(l->acknowledged > 50 && l->acted > 50);
    assert_true(l->raised > 100 && l->claimed > 100 && l->finished > 100 && notices > 100);
}

static bool known_disabled(struct txn *t, const char *name)
{
    struct key k = key_of_names("alice", name);
    struct slice v;

    return !kv_get(t, "disabled", key_slice(&k), &v);
}

/* A definition that is out of service may have been told of; one that is active is as its row is. */
static void test_who_is_known_to_be_disabled(void **state)
{
    struct life *l = *state;
    struct txn *t = begin(&l->w);

    for (uint32_t i = 0; i < 3; i++) {
        struct key k = key_of_names("alice", name_of("def", i));

        assert_int_equal(kv_put(t, "disabled", key_slice(&k), (struct slice){NULL, 0}), 0);
    }
    PUT(t, SA_DEFINITION, key_of_names("alice", "def0"),
        {DEFINITION_STATUS, ROW_NOT_IN_SERVICE, NULL});
    PUT(t, SA_DEFINITION, key_of_names("alice", "def2"), {DEFINITION_DISABLED, TRUTH_TRUE, NULL});
    take_in(t, 1);
    done(t);
    rebuild(l, true);
    t = begin(&l->w);
    assert_true(known_disabled(t, "def0"));
    assert_false(known_disabled(t, "def1"));
    assert_true(known_disabled(t, "def2"));
    done(t);
}

/* ---- told ---- */

static uint32_t raise(struct life *l, struct txn *t, enum verdict_kind kind)
{
    struct instance_verdict v = {.kind = kind, .value = "97"};
    struct judge_now now = {WALL + l->now, MONO + l->now};
    struct key k = key_of_names("alice", "def1");
    struct instance_result result;
    struct definition d;
    struct row r;

    assert_int_equal(row_get(t, sa_table_by_id(SA_DEFINITION), &k, &r), 0);
    assert_true(definition_read(&d, &r));
    assert_int_equal(instance_apply(t, &d, "", &v, &now, NULL, NULL, &result), 0);
    assert_true(result.transition.happened);
    return result.alert;
}

static unsigned deliver_all(struct life *l, struct txn *t)
{
    struct notice_ref refs[NOTICE_BATCH_MAX];
    char uuid[UUID_TEXT_LEN + 1];
    enum sa_notice_state state;
    unsigned sum = 0;
    size_t n;

    while (!notice_claim(t, WALL + l->now, NULL, refs, &n, uuid))
        for (size_t i = 0; i < n; i++, sum++)
            assert_int_equal(notice_outcome(t, &refs[i], NOTICE_END_DELIVERED, CONFIRM_HANDED_OFF,
                                            "", NULL, 0, WALL + l->now, &state),
                             0);
    return sum;
}

/* Who heard of the problem hears of its end, even if the memory of it is lost. */
static void test_the_end_is_told_all_the_same(void **state)
{
    struct life *l = *state;
    struct txn *t = begin(&l->w);
    unsigned told;

    raise(l, t, VERDICT_TRUE);
    told = deliver_all(l, t);
    assert_int_equal(told, 3); /* target0 and, by its groups, target1 and target2 */
    done(t);
    lose(l, "told");
    rebuild(l, true);
    t = begin(&l->w);
    raise(l, t, VERDICT_FALSE);
    assert_int_equal(deliver_all(l, t), 2); /* target2 wants no ends */
    done(t);
    uint64_t want = all_of(l);
    lose(l, "told");
    rebuild(l, true);
    assert_true(all_of(l) == want);
}

/* ---- tests of targets ---- */

static void make_test(struct life *l, struct txn *t)
{
    struct route_target to = target_of(t, "alice", "target0");
    struct notice_text n = test_notice_of(0);

    assert_int_equal(notice_create(t, &to, &n, 0, WALL + l->now), 0);
}

static int64_t running_test(struct life *l)
{
    struct txn *t = begin(&l->w);
    int64_t id = cell_of(t, SA_TARGET, key_of_names("alice", "target0"), TARGET_TEST_NOTICE);

    done(t);
    return id;
}

/* Which test of a target runs is what is in its queue. */
static void test_a_test_under_way_is_found_again(void **state)
{
    struct life *l = *state;
    struct txn *t = begin(&l->w);
    int64_t id;

    make_test(l, t);
    done(t);
    id = running_test(l);
    assert_true(id > 0);
    uint64_t want = all_of(l);
    lose(l, "due");
    rebuild(l, true);
    assert_true(all_of(l) == want);
    assert_int_equal(running_test(l), id);
    t = begin(&l->w);
    PUT(t, SA_TARGET, key_of_names("alice", "target0"), {TARGET_TEST_NOTICE, id + 7, NULL});
    done(t);
    rebuild(l, true);
    assert_int_equal(running_test(l), id);
    t = begin(&l->w);
    assert_true(deliver_all(l, t) > 0);
    PUT(t, SA_TARGET, key_of_names("alice", "target0"), {TARGET_TEST_NOTICE, id, NULL});
    done(t);
    rebuild(l, true);
    assert_int_equal(running_test(l), 0); /* nothing is in the queue: none runs */
}

/* ---- lost rows ---- */

static void vanish(struct txn *t, unsigned table, struct key k)
{
    assert_int_equal(row_delete(t, sa_table_by_id(table), &k), 0);
}

static void test_an_alert_without_definition_is_handed_to_the_core(void **state)
{
    struct life *l = *state;
    struct txn *t = begin(&l->w);
    struct change ch;
    struct key want = key_of_names("alice", "def1");

    raise(l, t, VERDICT_TRUE);
    vanish(t, SA_DEFINITION, want);
    done(t);
    assert_int_equal(rebuild(l, true).orphans, 1);
    t = begin(&l->w);
    assert_int_equal(changes_next(t, changes_consumed(t), &ch), 0);
    assert_int_equal(ch.table, SA_DEFINITION);
    assert_int_equal(ch.key.len, want.len);
    assert_memory_equal(ch.key.data, want.data, want.len);
    assert_false(is_there(t, SA_GROUP_DEFINITION, key3("alice", "custom", "def1")));
    txn_abort(t);
}

static void test_links_go_with_their_ends(void **state)
{
    struct life *l = *state;
    struct txn *t = begin(&l->w);
    struct route route;

    vanish(t, SA_GROUP, key_of_names("alice", "custom"));
    vanish(t, SA_TARGET, key_of_names("alice", "target3"));
    done(t);
    assert_int_equal(rebuild(l, true).dangling, 4);
    t = begin(&l->w);
    assert_false(is_there(t, SA_GROUP_TARGET, key3("alice", "default", "target3")));
    assert_false(is_there(t, SA_GROUP_TARGET, key3("alice", "custom", "target1")));
    assert_int_equal(route_find(t, "alice", "def1", &route), 0);
    assert_int_equal(route.n, 2); /* target0, global, and target2 */
    done(t);
}

/* A group that is default and lost is made again by its definitions, and keeps its targets. */
static void test_default_groups_come_back(void **state)
{
    struct life *l = *state;
    struct txn *t = begin(&l->w);
    uint64_t want;

    done(t);
    want = all_of(l);
    t = begin(&l->w);
    vanish(t, SA_GROUP, key_of_names("alice", "service1"));
    done(t);
    rebuild(l, true);
    assert_true(all_of(l) == want);
    t = begin(&l->w);
    vanish(t, SA_DEFINITION, key_of_names("alice", "def2"));
    vanish(t, SA_DEFINITION, key_of_names("alice", "def5"));
    done(t);
    rebuild(l, true);
    t = begin(&l->w);
    assert_false(is_there(t, SA_GROUP, key_of_names("alice", "service2")));
    assert_true(is_there(t, SA_GROUP, key_of_names("alice", "service1")));
    txn_abort(t);
}

static void test_recipients_come_back_and_ids_go_on(void **state)
{
    struct life *l = *state;
    struct txn *t = begin(&l->w);
    uint32_t id = 0;
    struct key k, gone = key_of_id("alice", 1);
    struct cursor c;
    struct row r;

    raise(l, t, VERDICT_TRUE);
    uint64_t before = table_count(t, sa_table_by_id(SA_NOTICE_RECIPIENT));
    for (cursor_first(&c, t, sa_table_by_id(SA_NOTICE_RECIPIENT), &gone); cursor_row(&c, &r);
         cursor_next(&c)) {
        k = key_copy(r.key);
        vanish(t, SA_NOTICE_RECIPIENT, k);
    }
    cursor_close(&c);
    k = key_of_id("alice", 2);
    vanish(t, SA_NOTICE, k); /* its recipients go after it */
    PUT(t, SA_NOTICE, key_of_id("alice", 3), {NOTICE_ALERT, 5000, NULL},
        {NOTICE_INCARNATION, 600, NULL}, {NOTICE_HISTORY, 70000, NULL});
    done(t);
    assert_int_equal(rebuild(l, true).dangling, 2);
    t = begin(&l->w);
    assert_int_equal(table_count(t, sa_table_by_id(SA_NOTICE_RECIPIENT)), before - 2);
    assert_int_equal(id_next(t, sa_table_by_id(SA_ALERT), &id), 0);
    assert_int_equal(id, 5001);
    assert_int_equal(id_next(t, sa_table_by_id(SA_TARGET), &id), 0);
    assert_int_equal(id, 601);
    assert_int_equal(id_next(t, sa_table_by_id(SA_HISTORY), &id), 0);
    assert_int_equal(id, 70001);
    txn_abort(t);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_nothing_is_done_unasked),
        T(test_what_is_derived_comes_back),
        T(test_who_is_known_to_be_disabled),
        T(test_the_end_is_told_all_the_same),
        T(test_a_test_under_way_is_found_again),
        T(test_an_alert_without_definition_is_handed_to_the_core),
        T(test_links_go_with_their_ends),
        T(test_default_groups_come_back),
        T(test_recipients_come_back_and_ids_go_on),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
