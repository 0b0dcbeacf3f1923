/* Alarms as the standard modules have them. A random life of definitions and alerts is led by the
 * real functions; after every step what is listed is compared with what a scan of the tables finds.
 * Then the view: its objects are in order, its owners apart, and a walk is what GET says. */
#include "tests/unit/alerts/fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "alerts/alarms.h"
#include "alerts/instance.h"
#include "alerts/retention.h"
#include "alerts/standard.h"
#include "base/clock.h"

enum { WALL = 1000000000, STEPS = 2000, DEFINITIONS = 6, INSTANCES = 4, UPTIME = 100000 };

static const char *const owners[] = {"bob", "admin", "alice"}; /* as keys sort */
static const char *const lists[] = {ALARMS_ACTIVE, ALARMS_BY_ID, ALARMS_CLEAR};

struct life {
    struct world *w;
    uint64_t seed;
    int64_t now;
    int64_t raised[COUNT(owners)], logged[COUNT(owners)], bumped;
};

static const char *definition_name(unsigned n)
{
    static char name[33];

    snprintf(name, sizeof name, "def%u", n);
    return name;
}

static void found(struct life *l, struct txn *t)
{
    (void)l;
    for (size_t o = 0; o < COUNT(owners); o++)
        for (unsigned i = 0; i < DEFINITIONS; i++)
            PUT(t, SA_DEFINITION, key_of_names(owners[o], definition_name(i)),
                {DEFINITION_CONDITION, 0, "true"}, {DEFINITION_TIME_THRESHOLD, i % 3 * 700, NULL});
    take_in(t, 1);
}

static void verdict(struct life *l, struct txn *t)
{
    static const enum verdict_kind kinds[] = {VERDICT_LEVEL, VERDICT_LEVEL, VERDICT_FALSE,
                                              VERDICT_NODATA};
    unsigned o = dice(&l->seed, COUNT(owners));
    struct instance_verdict v = {.kind = kinds[dice(&l->seed, COUNT(kinds))],
                                 .level = (enum sa_level)(1 + dice(&l->seed, 5)),
                                 .value = "97"};
    struct judge_now now = {WALL + l->now, l->now};
    struct key k = key_of_names(owners[o], definition_name(dice(&l->seed, DEFINITIONS)));
    struct instance_result result;
    struct definition d;
    char instance[8];
    struct row r;

    if (row_get(t, sa_table_by_id(SA_DEFINITION), &k, &r))
        return;
    assert_true(definition_read(&d, &r));
    snprintf(instance, sizeof instance, "%u", dice(&l->seed, INSTANCES));
    assert_int_equal(instance_apply(t, &d, instance, &v, &now, NULL, NULL, &result), 0);
    l->logged[o] += result.transition.happened;
    l->raised[o] += result.transition.happened && result.transition.from == LEVEL_OK;
}

static void close_all(struct life *l, struct txn *t)
{
    unsigned o = dice(&l->seed, COUNT(owners)), closed;
    struct judge_now now = {WALL + l->now, l->now};

    assert_int_equal(instances_close(t, owners[o], definition_name(dice(&l->seed, DEFINITIONS)),
                                     dice(&l->seed, 2) ? REASON_DELETED : REASON_DISABLED, &now,
                                     &closed),
                     0);
    l->logged[o] += closed;
}

static void purge(struct life *l, struct txn *t)
{
    struct key k;
    int n;

    key_init(&k);
    key_u32(&k, 0);
    PUT(t, SA_SYSTEM, k, {SYSTEM_HISTORY_MAX_ROWS, 20 + dice(&l->seed, 40), NULL},
        {SYSTEM_HISTORY_MAX_AGE, 0, NULL});
    n = retention_purge(t, WALL + l->now, true, 1 + dice(&l->seed, 50));
    assert_true(n >= 0);
    l->bumped += n;
}

/* ---- what a scan finds ---- */

static void expect(struct txn *t, const char *db, const struct key *k, const void *value, size_t n)
{
    struct slice v;

    assert_int_equal(kv_get(t, db, key_slice(k), &v), 0);
    assert_int_equal(v.len, n);
    assert_memory_equal(v.data, value, n);
}

static void owner_and_id(const struct row *r, char owner[33], uint32_t *ret)
{
    size_t pos = 0;

    assert_true(key_read_name(&r->key, &pos, owner));
    assert_true(key_read_u32(&r->key, &pos, ret));
}

static uint64_t check_active(struct txn *t, struct alarm_counts *counts)
{
    uint64_t n = 0;
    struct cursor c;
    struct row r;

    for (cursor_first(&c, t, sa_table_by_id(SA_ALERT), NULL); cursor_row(&c, &r); cursor_next(&c)) {
        int64_t level = row_int(&r, ALERT_LEVEL), since = row_int(&r, ALERT_SINCE);
        char owner[33];
        uint8_t at[8];
        uint32_t id;
        struct key k;

        owner_and_id(&r, owner, &id);
        if (level == LEVEL_OK)
            continue;
        n++;
        put_u64(at, (uint64_t)since);
        k = alarms_key(owner, since, id);
        expect(t, ALARMS_ACTIVE, &k, "", 0);
        k = key_of_id(owner, id);
        expect(t, ALARMS_BY_ID, &k, at, sizeof at);
        for (size_t o = 0; o < COUNT(owners); o++)
            if (!strcmp(owner, owners[o])) {
                counts[o].n[STD_CURRENT]++;
                counts[o].n[STD_CURRENT_AT + level]++;
            }
    }
    cursor_close(&c);
    assert_int_equal(kv_count(t, ALARMS_ACTIVE), n);
    assert_int_equal(kv_count(t, ALARMS_BY_ID), n);
    return n;
}

/* Two of one alert in one tenth of a second share an entry: time goes on faster here. */
static uint64_t check_cleared(struct txn *t)
{
    uint64_t n = 0;
    struct cursor c;
    struct row r;

    for (cursor_first(&c, t, sa_table_by_id(SA_HISTORY), NULL); cursor_row(&c, &r);
         cursor_next(&c)) {
        char owner[33];
        uint8_t at[4];
        uint32_t id;
        struct key k;

        owner_and_id(&r, owner, &id);
        if (row_int(&r, HISTORY_TO) != LEVEL_OK)
            continue;
        n++;
        put_u32(at, id);
        k = alarms_key(owner, row_int(&r, HISTORY_AT), (uint32_t)row_int(&r, HISTORY_ALERT));
        expect(t, ALARMS_CLEAR, &k, at, sizeof at);
    }
    cursor_close(&c);
    assert_int_equal(kv_count(t, ALARMS_CLEAR), n);
    return n;
}

static void check(struct life *l, struct txn *t)
{
    struct alarm_counts want[COUNT(owners)], all, c;
    int64_t current = 0, logged = 0;

    memset(want, 0, sizeof want);
    check_active(t, want);
    check_cleared(t);
    for (size_t o = 0; o < COUNT(owners); o++) {
        assert_int_equal(alarms_counts(t, owners[o], &c), 0);
        for (size_t i = STD_CURRENT; i < STD_RAISED; i++)
            assert_int_equal(c.n[i], want[o].n[i]);
        assert_int_equal(c.n[STD_RAISED], l->raised[o]);
        assert_int_equal(c.n[STD_LOGGED], l->logged[o]);
        current += c.n[STD_CURRENT];
        logged += c.n[STD_LOGGED];
    }
    assert_int_equal(alarms_counts(t, "", &all), 0);
    assert_int_equal(all.n[STD_CURRENT], current);
    assert_int_equal(all.n[STD_LOGGED], logged);
    assert_int_equal(all.n[STD_BUMPED], l->bumped);
}

static void live(struct life *l, struct txn *t, unsigned steps)
{
    for (unsigned i = 0; i < steps; i++) {
        unsigned what = dice(&l->seed, 40);

        l->now += 100 + dice(&l->seed, 1000);
        if (what == 0)
            close_all(l, t);
        else if (what == 1)
            purge(l, t);
        else
            verdict(l, t);
        if (i % 10 == 0)
            check(l, t);
    }
    check(l, t);
}

/* A life that has been led, and an open transaction. */
static struct txn *lived(struct life *l, void **state, unsigned steps)
{
    struct txn *t = begin(*state);

    *l = (struct life){.w = *state, .seed = 4711};
    found(l, t);
    live(l, t, steps);
    return t;
}

/* ---- lists and counts ---- */

static void test_lists_are_what_a_scan_finds(void **state)
{
    struct life l;
    struct txn *t = lived(&l, state, STEPS);

    assert_true(l.bumped > 100);
    done(t);
}

static void test_made_anew_they_are_the_same(void **state)
{
    static const char *const all[] = {ALARMS_ACTIVE, ALARMS_BY_ID, ALARMS_CLEAR, ALARMS_COUNTS};
    struct life l;
    struct txn *t = lived(&l, state, STEPS / 4);
    uint64_t before = dump(t, all, COUNT(all));

    assert_int_equal(alarms_rebuild(t), 0);
    assert_int_equal(dump(t, all, COUNT(all)), before);
    for (size_t i = 0; i < COUNT(lists); i++) {
        assert_int_equal(kv_clear(t, lists[i]), 0);
        assert_int_equal(kv_put(t, lists[i], (struct slice){(const uint8_t *)"left", 4},
                                (struct slice){(const uint8_t *)"over", 4}),
                         0);
    }
    assert_int_equal(alarms_rebuild(t), 0);
    assert_int_equal(dump(t, all, COUNT(all)), before);
    live(&l, t, STEPS / 4);
    done(t);
}

static void test_a_store_of_an_earlier_version_gets_them(void **state)
{
    struct world *w = *state;
    struct life l;
    struct txn *t = lived(&l, state, STEPS / 4);
    struct alarm_counts counts[COUNT(owners)] = {{{0}}};
    struct err e;
    int steps = 0;

    for (size_t i = 0; i < COUNT(lists); i++)
        assert_int_equal(kv_clear(t, lists[i]), 0);
    assert_int_equal(kv_clear(t, ALARMS_COUNTS), 0);
    done(t);
    assert_int_equal(alarms_prepare(w->store, &e), 0);
    t = begin(w);
    check_active(t, counts);
    assert_int_equal(kv_count(t, ALARMS_CLEAR), 0);
    for (; alarms_incomplete(t); steps++) {
        l.now += 200;
        verdict(&l, t); /* life goes on */
        assert_in_range(alarms_fill(t, 7), 0, 7);
    }
    assert_true(steps > 2);
    assert_int_equal(alarms_fill(t, 7), 0);
    check_active(t, counts);
    check_cleared(t);
    done(t);
    uint64_t commits = store_commits(w->store);

    assert_int_equal(alarms_prepare(w->store, &e), 0);
    assert_int_equal(store_commits(w->store), commits); /* once */
}

static void test_times_of_the_last(void **state)
{
    const struct alarm_step steps[] = {{"alice", 1, 1, LEVEL_OK, LEVEL_INFO, 1000},
                                       {"alice", 1, 2, LEVEL_INFO, LEVEL_CRITICAL, 2000},
                                       {"alice", 1, 3, LEVEL_CRITICAL, LEVEL_OK, 3000}};
    struct txn *t = begin(*state);
    struct alarm_counts c;

    for (size_t i = 0; i < COUNT(steps); i++)
        assert_int_equal(alarms_step(t, &steps[i]), 0);
    assert_int_equal(alarms_counts(t, "alice", &c), 0);
    assert_int_equal(c.n[STD_LAST_RAISE], 1000);
    assert_int_equal(c.n[STD_LAST_CLEAR], 3000);
    assert_int_equal(c.n[STD_LAST_CHANGE], 3000);
    assert_int_equal(c.n[STD_RAISED], 1);
    assert_int_equal(c.n[STD_RAISED_AT + LEVEL_INFO], 1);
    assert_int_equal(c.n[STD_RAISED_AT + LEVEL_CRITICAL], 1);
    assert_int_equal(c.n[STD_LOGGED], 3);
    done(t);
}

static void test_the_later_of_a_tenth_of_a_second_stays(void **state)
{
    struct txn *t = begin(*state);
    struct key k = alarms_key("alice", 1000, 7);
    const uint8_t second[4] = {0, 0, 0, 2};
    struct row r;

    for (uint32_t id = 1; id <= 2; id++) {
        struct alarm_step s = {"alice", 7, id, LEVEL_INFO, LEVEL_OK, 1000 + id};

        PUT(t, SA_HISTORY, key_of_id("alice", id), {HISTORY_ALERT, 7, NULL},
            {HISTORY_DEFINITION, 0, "d"}, {HISTORY_FROM, LEVEL_INFO, NULL},
            {HISTORY_TO, LEVEL_OK, NULL}, {HISTORY_AT, s.at_ms, NULL});
        assert_int_equal(alarms_step(t, &s), 0);
    }
    for (uint32_t id = 1; id <= 2; id++) {
        struct key row = key_of_id("alice", id);

        expect(t, ALARMS_CLEAR, &k, second, sizeof second);
        assert_int_equal(row_get(t, sa_table_by_id(SA_HISTORY), &row, &r), 0);
        assert_int_equal(alarms_forget(t, &r, false), 0);
    }
    assert_int_equal(kv_count(t, ALARMS_CLEAR), 0);
    done(t);
}

/* ---- the view ---- */

static int compare(const uint32_t *a, size_t na, const uint32_t *b, size_t nb)
{
    for (size_t i = 0; i < na && i < nb; i++)
        if (a[i] != b[i])
            return a[i] < b[i] ? -1 : 1;
    return (na > nb) - (na < nb);
}

static void test_objects_are_in_order_and_registered(void **state)
{
    (void)state;
    for (size_t i = 0; i < std_nobjects; i++) {
        const struct std_object *o = &std_objects[i];
        unsigned covered = 0;

        if (i) {
            const struct std_object *before = &std_objects[i - 1];

            assert_true(memcmp(before->oid, o->oid, STD_OID_MAX) < 0);
        }
        assert_true(o->syntax >= STD_COUNTER32 && o->syntax <= STD_OPAQUE);
        assert_int_equal(o->noid, o->rows == STD_SCALAR ? 4 : 6);
        for (size_t j = 0; j < std_nsubtrees; j++) {
            const struct std_subtree *s = &std_subtrees[j];
            uint8_t name[STD_OID_MAX + 1] = {0}; /* a scalar's instance ends in 0 */

            memcpy(name, o->oid, o->noid);
            covered += !memcmp(name, s->oid, s->noid);
        }
        assert_int_equal(covered, 1);
    }
}

static void test_states_rise_with_their_severities(void **state)
{
    static const uint8_t severity_of[] = {0, 1, 2, 6, 5, 4, 3}; /* RFC 3877, ituAlarmTable */

    (void)state;
    for (size_t i = 0; i < STD_STATES; i++) {
        assert_int_equal(std_states[i].severity, severity_of[std_states[i].state]);
        assert_true(!i || std_states[i].state > std_states[i - 1].state);
        assert_ptr_equal(std_state_of(std_states[i].level), &std_states[i]);
    }
}

/* All instances of SCOPE: each is behind the one before, and GET answers the same. */
static size_t walk(struct txn *t, const struct standard_scope *scope,
                   void (*seen)(void *arg, const uint32_t *subids, size_t n,
                                const struct standard_cell *c),
                   void *arg)
{
    uint32_t at[128], next[128];
    size_t n = 0, nnext, found_n = 0;
    struct standard_cell c, again;

    while (!standard_next(t, scope, at, n, next, &nnext, &c)) {
        assert_true(compare(at, n, next, nnext) < 0);
        assert_int_equal(standard_get(t, scope, next, nnext, &again), 0);
        assert_ptr_equal(again.object, c.object);
        assert_int_equal(again.number, c.number);
        assert_int_equal(again.noid, c.noid);
        assert_int_equal(again.bytes.len, c.bytes.len);
        if (seen)
            seen(arg, next, nnext, &c);
        memcpy(at, next, sizeof at);
        n = nnext;
        found_n++;
    }
    return found_n;
}

static bool has_part(const uint32_t *subids, size_t n, const char *owner)
{
    size_t len = strlen(owner);

    for (size_t i = 0; i + len < n; i++) {
        size_t same = 0;

        while (same < len && subids[i + 1 + same] == (uint8_t)owner[same])
            same++;
        if (subids[i] == len && same == len)
            return true;
    }
    return false;
}

struct owned {
    const char *owner;
    size_t n, scalars;
};

static void of_one(void *arg, const uint32_t *subids, size_t n, const struct standard_cell *c)
{
    struct owned *o = arg;

    o->n++;
    o->scalars += c->object->rows == STD_SCALAR;
    if (c->object->rows != STD_SCALAR)
        assert_true(has_part(subids + c->object->noid, n - c->object->noid, o->owner));
    for (size_t i = 0; i < COUNT(owners); i++) /* not by the OIDs that it answers either */
        if (strcmp(owners[i], o->owner))
            assert_false(has_part(c->oid, c->noid, owners[i]));
}

static void test_owners_are_apart(void **state)
{
    struct life l;
    struct txn *t = lived(&l, state, STEPS / 4);
    struct standard_scope scope = {.uptime = UPTIME, .now_ms = WALL + l.now};
    size_t all = walk(t, &scope, NULL, NULL), sum = 0, scalars = 0;

    for (size_t i = 0; i < COUNT(owners); i++) {
        struct owned o = {.owner = owners[i]};

        scope.owner = owners[i];
        walk(t, &scope, of_one, &o);
        sum += o.n - o.scalars;
        scalars = o.scalars;
    }
    assert_int_equal(scalars, 8);
    assert_int_equal(sum + scalars, all);
    scope.owner = "mallory";
    assert_int_equal(walk(t, &scope, NULL, NULL), scalars);
    done(t);
}

static int64_t number_at(struct txn *t, const struct standard_scope *s, const char *name,
                         const struct key *index)
{
    const struct std_object *o = std_object_by_name(name);
    struct slice k = key_slice(index);
    struct standard_cell c;
    uint32_t subids[128];

    for (size_t i = 0; i < o->noid; i++)
        subids[i] = o->oid[i];
    assert_int_equal(standard_get(t, s, subids,
                                  o->noid + key_to_subids(&k, subids + o->noid, 128 - o->noid), &c),
                     0);
    return c.number;
}

static void test_uptimes(void **state)
{
    static const struct {
        int64_t ago_ms, ticks;
    } list[] = {{0, 1000},     {10, 999},   {9990, 1},       {10000, 0},
                {86400000, 0}, {-50, 1000}, {-9000000, 1000}}; /* a clock that was put back */
    const int64_t now = WALL + 86400000;
    const struct standard_scope scope = {.uptime = 1000, .now_ms = now};
    struct txn *t = begin(*state);

    for (uint32_t i = 0; i < COUNT(list); i++) {
        struct key k = key_of_id("alice", i + 1);

        PUT(t, SA_HISTORY, k, {HISTORY_AT, now - list[i].ago_ms, NULL},
            {HISTORY_DEFINITION, 0, "d"});
        assert_int_equal(number_at(t, &scope, "nlmLogTime", &k), list[i].ticks);
    }
    done(t);
}

static void test_the_variables_are_counted(void **state)
{
    const struct alarm_step s = {"alice", 5, 1, LEVEL_OK, LEVEL_INFO, WALL};
    const struct standard_scope scope = {.uptime = 1000, .now_ms = WALL};
    struct txn *t = begin(*state);
    struct key k = alarms_key("alice", WALL, 5);

    PUT(t, SA_ALERT, key_of_id("alice", 5), {ALERT_DEFINITION, 0, "d"},
        {ALERT_LEVEL, LEVEL_INFO, NULL}, {ALERT_SINCE, WALL, NULL});
    assert_int_equal(alarms_step(t, &s), 0);
    int64_t n = number_at(t, &scope, "alarmActiveVariables", &k);

    for (uint32_t i = 1; i <= n; i++) {
        k = key_of_id("alice", 5);
        key_u32(&k, i);
        assert_in_range(number_at(t, &scope, "alarmActiveVariableValueType", &k), 1, 9);
    }
    const struct std_object *type = std_object_by_name("alarmActiveVariableValueType");
    uint32_t subids[128];
    struct standard_cell c;

    k = key_of_id("alice", 5);
    key_u32(&k, (uint32_t)n + 1);
    for (size_t i = 0; i < type->noid; i++)
        subids[i] = type->oid[i];
    struct slice index = key_slice(&k);
    size_t len = type->noid + key_to_subids(&index, subids + type->noid, 128 - type->noid);

    assert_int_equal(standard_get(t, &scope, subids, len, &c), ERR_NOTFOUND);
    done(t);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, world_setup, world_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_lists_are_what_a_scan_finds),
        TEST(test_made_anew_they_are_the_same),
        TEST(test_a_store_of_an_earlier_version_gets_them),
        TEST(test_times_of_the_last),
        TEST(test_the_later_of_a_tenth_of_a_second_stays),
        cmocka_unit_test(test_objects_are_in_order_and_registered),
        cmocka_unit_test(test_states_rise_with_their_severities),
        TEST(test_owners_are_apart),
        TEST(test_uptimes),
        TEST(test_the_variables_are_counted),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
