/* The index over configuration rows: single stories first, then a random walk whose every step is
 * compared with what a scan of all rows says. */
#include "tests/unit/alerts/fixture.h"

#include <stdio.h>
#include <string.h>

static const char *const dbs[] = {INDEX_DEF_SERVICE,  INDEX_DEF_GROUPS,    INDEX_GLOBALS,
                                  INDEX_SERVICE_DEFS, INDEX_TARGET_GROUPS, "ownerDefs"};

/* "alice/one admin/two": where a definition leads to, in the order found. */
static const char *routes(struct txn *t, const char *owner, const char *definition)
{
    static char text[512];
    static struct route route;

    text[0] = 0;
    assert_int_equal(route_find(t, owner, definition, &route), 0);
    for (size_t i = 0; i < route.n; i++)
        snprintf(text + strlen(text), sizeof text - strlen(text), "%s%s/%s", i ? " " : "",
                 route.targets[i].owner, route.targets[i].name);
    return text;
}

#define ASSERT_ROUTES(w, owner, definition, want)                                                  \
    do {                                                                                           \
        struct txn *rt = txn_begin((w)->store, TXN_READ);                                          \
        assert_string_equal(routes(rt, owner, definition), want);                                  \
        txn_abort(rt);                                                                             \
    } while (0)

static void test_default_group_comes_and_goes_with_its_definitions(void **state)
{
    struct world *w = *state;
    struct key web = key_of_names("alice", "web");
    struct txn *x;

    IN(w, put_definition(t, "alice", "one", "web"));
    IN(w, put_definition(t, "alice", "two", "web"));
    x = begin(w);
    assert_int_equal(cell_of(x, SA_GROUP, web, GROUP_DEFAULT), TRUTH_TRUE);
    assert_int_equal(cell_of(x, SA_GROUP, web, GROUP_STORAGE), STORAGE_READ_ONLY);
    assert_int_equal(cell_of(x, SA_GROUP, web, GROUP_STATUS), ROW_ACTIVE);
    assert_int_equal(
        cell_of(x, SA_GROUP_DEFINITION, key3("alice", "web", "one"), GROUP_DEFINITION_STORAGE),
        STORAGE_READ_ONLY);
    assert_false(is_there(x, SA_GROUP, key_of_names("bob", "web")));
    done(x);
    IN(w, put_target(t, "alice", "ops"));
    IN(w, put_link(t, "alice", "web", "ops"));
    IN(w, drop_row(t, SA_DEFINITION, key_of_names("alice", "one")));
    ASSERT_ROUTES(w, "alice", "one", "");
    ASSERT_ROUTES(w, "alice", "two", "alice/ops");
    IN(w, drop_row(t, SA_DEFINITION, key_of_names("alice", "two")));
    x = begin(w);
    assert_false(is_there(x, SA_GROUP, web));
    assert_int_equal(table_count(x, sa_table_by_id(SA_GROUP_DEFINITION)), 0);
    assert_int_equal(table_count(x, sa_table_by_id(SA_GROUP_TARGET)), 0);
    for (size_t i = 0; i < 5; i++)
        assert_int_equal(kv_count(x, dbs[i]), 0);
    done(x);
}

static void test_no_service_is_the_service_default(void **state)
{
    struct world *w = *state;
    struct txn *x;

    IN(w, put_definition(t, "alice", "one", ""));
    x = begin(w);
    assert_true(is_there(x, SA_GROUP, key_of_names("alice", SERVICE_DEFAULT)));
    assert_true(is_there(x, SA_GROUP_DEFINITION, key3("alice", SERVICE_DEFAULT, "one")));
    done(x);
}

static void test_a_new_service_moves_the_definition(void **state)
{
    struct world *w = *state;
    struct txn *x;

    IN(w, put_definition(t, "alice", "one", "web"));
    IN(w, put_definition(t, "alice", "two", "web"));
    IN(w, put_definition(t, "alice", "one", "mail"));
    x = begin(w);
    assert_true(is_there(x, SA_GROUP, key_of_names("alice", "web")));
    assert_true(is_there(x, SA_GROUP, key_of_names("alice", "mail")));
    assert_false(is_there(x, SA_GROUP_DEFINITION, key3("alice", "web", "one")));
    assert_int_equal(index_definitions(x, "alice"), 2);
    done(x);
    IN(w, put_definition(t, "alice", "two", "mail"));
    x = begin(w);
    assert_false(is_there(x, SA_GROUP, key_of_names("alice", "web")));
    done(x);
}

static void test_definitions_are_counted_by_owner(void **state)
{
    struct world *w = *state;
    struct key k = key_of_names("alice", "one");
    struct txn *x;

    IN(w, put_definition(t, "alice", "one", "web"));
    IN(w, put_definition(t, "alice", "two", ""));
    IN(w, put_definition(t, "bob", "one", "web"));
    IN(w, PUT(t, SA_DEFINITION, k, {DEFINITION_DISABLED, TRUTH_TRUE, NULL}));
    x = begin(w);
    assert_int_equal(index_definitions(x, "alice"), 2); /* a disabled one counts */
    assert_int_equal(index_definitions(x, "bob"), 1);
    assert_int_equal(index_definitions(x, "admin"), 0);
    done(x);
    IN(w, PUT(t, SA_DEFINITION, k, {DEFINITION_STATUS, ROW_NOT_IN_SERVICE, NULL}));
    IN(w, drop_row(t, SA_DEFINITION, key_of_names("bob", "one")));
    x = begin(w);
    assert_int_equal(index_definitions(x, "alice"), 1);
    assert_int_equal(index_definitions(x, "bob"), 0);
    done(x);
}

static void test_custom_groups_lead_to_targets_while_they_live(void **state)
{
    struct world *w = *state;
    struct key night = key_of_names("alice", "night");

    IN(w, put_definition(t, "alice", "one", "web"));
    IN(w, put_group(t, "alice", "night"));
    IN(w, put_target(t, "alice", "ops"));
    IN(w, put_link(t, "alice", "night", "ops"));
    ASSERT_ROUTES(w, "alice", "one", "");
    IN(w, put_member(t, "alice", "night", "one"));
    ASSERT_ROUTES(w, "alice", "one", "alice/ops");
    IN(w, PUT(t, SA_GROUP, night, {GROUP_STATUS, ROW_NOT_IN_SERVICE, NULL}));
    ASSERT_ROUTES(w, "alice", "one", "");
    IN(w, PUT(t, SA_GROUP, night, {GROUP_STATUS, ROW_ACTIVE, NULL}));
    ASSERT_ROUTES(w, "alice", "one", "alice/ops");
    IN(w, PUT(t, SA_GROUP_DEFINITION, key3("alice", "night", "one"),
              {GROUP_DEFINITION_STATUS, ROW_NOT_IN_SERVICE, NULL}));
    ASSERT_ROUTES(w, "alice", "one", "");
}

static void test_a_group_made_again_has_neither_members_nor_targets(void **state)
{
    struct world *w = *state;
    struct txn *x;

    IN(w, put_definition(t, "alice", "one", "web"));
    IN(w, put_group(t, "alice", "night"));
    IN(w, put_target(t, "alice", "ops"));
    IN(w, put_link(t, "alice", "night", "ops"));
    IN(w, put_member(t, "alice", "night", "one"));
    IN(w, drop_row(t, SA_GROUP, key_of_names("alice", "night")));
    x = begin(w);
    assert_false(is_there(x, SA_GROUP_DEFINITION, key3("alice", "night", "one")));
    assert_false(is_there(x, SA_GROUP_TARGET, key3("alice", "night", "ops")));
    assert_int_equal(kv_count(x, INDEX_DEF_GROUPS), 0);
    assert_int_equal(kv_count(x, INDEX_TARGET_GROUPS), 0);
    done(x);
    IN(w, put_group(t, "alice", "night"));
    IN(w, put_link(t, "alice", "night", "ops"));
    ASSERT_ROUTES(w, "alice", "one", "");
}

static void test_global_targets_serve_their_owner_and_admins_everyone(void **state)
{
    struct world *w = *state;

    IN(w, put_definition(t, "alice", "one", ""));
    IN(w, put_definition(t, "bob", "one", ""));
    IN(w, put_definition(t, "admin", "one", ""));
    IN(w, PUT(t, SA_TARGET, key_of_names("alice", "mine"), {TARGET_HANDLER, 0, "traps"},
              {TARGET_GLOBAL, TRUTH_TRUE, NULL}));
    IN(w, PUT(t, SA_TARGET, key_of_names("admin", "all"), {TARGET_HANDLER, 0, "traps"},
              {TARGET_GLOBAL, TRUTH_TRUE, NULL}));
    ASSERT_ROUTES(w, "alice", "one", "alice/mine admin/all");
    ASSERT_ROUTES(w, "bob", "one", "admin/all");
    ASSERT_ROUTES(w, "admin", "one", "admin/all");
    IN(w, PUT(t, SA_TARGET, key_of_names("admin", "all"), {TARGET_GLOBAL, TRUTH_FALSE, NULL}));
    ASSERT_ROUTES(w, "bob", "one", "");
    IN(w, drop_row(t, SA_TARGET, key_of_names("alice", "mine")));
    ASSERT_ROUTES(w, "alice", "one", "");
}

static void test_each_target_once_however_many_groups_lead_there(void **state)
{
    struct world *w = *state;

    IN(w, put_definition(t, "alice", "one", "web"));
    IN(w, put_target(t, "alice", "ops"));
    IN(w, put_target(t, "alice", "boss"));
    IN(w, put_group(t, "alice", "a"));
    IN(w, put_group(t, "alice", "b"));
    IN(w, put_member(t, "alice", "a", "one"));
    IN(w, put_member(t, "alice", "b", "one"));
    IN(w, put_link(t, "alice", "a", "ops"));
    IN(w, put_link(t, "alice", "b", "ops"));
    IN(w, put_link(t, "alice", "web", "ops"));
    IN(w, put_link(t, "alice", "b", "boss"));
    ASSERT_ROUTES(w, "alice", "one", "alice/ops alice/boss");
}

static void test_targets_out_of_force_are_skipped(void **state)
{
    struct world *w = *state;
    struct key ops = key_of_names("alice", "ops"), link = key3("alice", "web", "ops");

    IN(w, put_definition(t, "alice", "one", "web"));
    IN(w, put_target(t, "alice", "ops"));
    IN(w, put_link(t, "alice", "web", "ops"));
    ASSERT_ROUTES(w, "alice", "one", "alice/ops");
    IN(w, PUT(t, SA_TARGET, ops, {TARGET_ENABLED, TRUTH_FALSE, NULL}));
    ASSERT_ROUTES(w, "alice", "one", "");
    IN(w, PUT(t, SA_TARGET, ops, {TARGET_ENABLED, TRUTH_TRUE, NULL},
              {TARGET_STATUS, ROW_NOT_IN_SERVICE, NULL}));
    ASSERT_ROUTES(w, "alice", "one", "");
    IN(w, PUT(t, SA_TARGET, ops, {TARGET_STATUS, ROW_ACTIVE, NULL}));
    ASSERT_ROUTES(w, "alice", "one", "alice/ops");
    IN(w, PUT(t, SA_GROUP_TARGET, link, {GROUP_TARGET_STATUS, ROW_NOT_IN_SERVICE, NULL}));
    ASSERT_ROUTES(w, "alice", "one", "");
}

static void test_a_target_whose_life_is_not_known_yet_is_not_routed_to(void **state)
{
    struct world *w = *state;
    struct txn *x;

    IN(w, put_definition(t, "alice", "one", "web"));
    IN(w, put_target(t, "alice", "ops"));
    IN(w, put_link(t, "alice", "web", "ops"));
    x = begin(w);
    put_target(x, "alice", "new"); /* in the ring, behind what one turn takes in */
    put_link(x, "alice", "web", "new");
    assert_string_equal(routes(x, "alice", "one"), "alice/ops");
    take_in(x, 1);
    assert_string_equal(routes(x, "alice", "one"), "alice/new alice/ops");
    done(x);
}

static void test_a_target_takes_links_and_properties_with_it(void **state)
{
    struct world *w = *state;
    struct txn *x;
    uint32_t first;

    IN(w, put_definition(t, "alice", "one", "web"));
    IN(w, put_target(t, "alice", "ops"));
    IN(w, put_target(t, "alice", "other"));
    IN(w, put_link(t, "alice", "web", "ops"));
    IN(w, put_link(t, "alice", "web", "other"));
    IN(w,
       PUT(t, SA_TARGET_PROPERTY, key3("alice", "ops", "port"), {TARGET_PROPERTY_VALUE, 0, "162"}));
    x = begin(w);
    first = incarnation_of(x, "alice", "ops");
    assert_int_not_equal(first, 0);
    assert_int_not_equal(first, incarnation_of(x, "alice", "other"));
    done(x);
    IN(w, PUT(t, SA_TARGET, key_of_names("alice", "ops"), {TARGET_DESCRIPTION, 0, "edited"}));
    x = begin(w);
    assert_int_equal(incarnation_of(x, "alice", "ops"), first);
    done(x);
    IN(w, drop_row(t, SA_TARGET, key_of_names("alice", "ops")));
    x = begin(w);
    assert_false(is_there(x, SA_GROUP_TARGET, key3("alice", "web", "ops")));
    assert_true(is_there(x, SA_GROUP_TARGET, key3("alice", "web", "other")));
    assert_int_equal(table_count(x, sa_table_by_id(SA_TARGET_PROPERTY)), 0);
    done(x);
    IN(w, put_target(t, "alice", "ops"));
    ASSERT_ROUTES(w, "alice", "one", "alice/other");
    x = begin(w);
    assert_true(incarnation_of(x, "alice", "ops") > first);
    done(x);
    /* Gone and back before the core has looked: another life all the same. */
    x = begin(w);
    first = incarnation_of(x, "alice", "ops");
    drop_row(x, SA_TARGET, key_of_names("alice", "ops"));
    put_target(x, "alice", "ops");
    take_in(x, 1);
    assert_true(incarnation_of(x, "alice", "ops") > first);
    done(x);
}

static void test_a_definition_takes_its_memberships_with_it(void **state)
{
    struct world *w = *state;
    struct txn *x;

    IN(w, put_definition(t, "alice", "one", "web"));
    IN(w, put_group(t, "alice", "a"));
    IN(w, put_member(t, "alice", "a", "one"));
    IN(w, drop_row(t, SA_DEFINITION, key_of_names("alice", "one")));
    x = begin(w);
    assert_int_equal(table_count(x, sa_table_by_id(SA_GROUP_DEFINITION)), 0);
    assert_int_equal(kv_count(x, INDEX_DEF_GROUPS), 0);
    assert_true(is_there(x, SA_GROUP, key_of_names("alice", "a")));
    done(x);
}

static void test_a_script_takes_its_text_with_it(void **state)
{
    struct world *w = *state;
    struct key k[] = {key_of_names("alice", "s"), key_of_names("alice", "s2")};
    struct txn *x;

    for (size_t i = 0; i < 2; i++) {
        IN(w, PUT(t, SA_SCRIPT, k[i], {SCRIPT_DESCRIPTION, 0, "x"}));
        for (uint32_t segment = 1; segment <= 3; segment++) {
            struct key text = k[i];

            key_u32(&text, segment);
            IN(w, PUT(t, SA_SCRIPT_TEXT, text, {SCRIPT_TEXT_TEXT, 0, "true"}));
        }
    }
    IN(w, drop_row(t, SA_SCRIPT, k[0]));
    x = begin(w);
    assert_int_equal(table_count(x, sa_table_by_id(SA_SCRIPT_TEXT)), 3);
    done(x);
}

static void test_own_recipients_are_a_target(void **state)
{
    struct world *w = *state;
    struct key one = key_of_names("alice", "one"), at_one = key_of_names("alice", "@one");
    int64_t incarnation;
    struct txn *x;

    IN(w, PUT(t, SA_DEFINITION, one, {DEFINITION_CONDITION, 0, "true"},
              {DEFINITION_RECIPIENTS, 0, "a@example.net"}));
    ASSERT_ROUTES(w, "alice", "one", "alice/@one");
    ASSERT_ROUTES(w, "bob", "one", "");
    x = begin(w);
    assert_string_equal(text_of(x, SA_TARGET, at_one, TARGET_HANDLER), DIRECT_HANDLER);
    assert_string_equal(text_of(x, SA_TARGET, at_one, TARGET_RECIPIENTS), "a@example.net");
    assert_int_equal(cell_of(x, SA_TARGET, at_one, TARGET_STORAGE), STORAGE_READ_ONLY);
    incarnation = incarnation_of(x, "alice", "@one");
    assert_int_not_equal(incarnation, 0);
    done(x);
    /* Others are the same target. */
    IN(w, PUT(t, SA_DEFINITION, one, {DEFINITION_RECIPIENTS, 0, "b@example.net"},
              {DEFINITION_HANDLER, 0, "post"}));
    x = begin(w);
    assert_string_equal(text_of(x, SA_TARGET, at_one, TARGET_HANDLER), "post");
    assert_string_equal(text_of(x, SA_TARGET, at_one, TARGET_RECIPIENTS), "b@example.net");
    assert_int_equal(incarnation_of(x, "alice", "@one"), incarnation);
    done(x);
    IN(w, PUT(t, SA_DEFINITION, one, {DEFINITION_RECIPIENTS, 0, ""}));
    ASSERT_ROUTES(w, "alice", "one", "");
    x = begin(w);
    assert_false(is_there(x, SA_TARGET, at_one));
    done(x);
}

/* Out of force or deleted: what waits still goes. */
static void test_own_recipients_stay_until_all_is_told(void **state)
{
    struct world *w = *state;
    struct key one = key_of_names("alice", "one"), at_one = key_of_names("alice", "@one");
    struct txn *x;

    IN(w, PUT(t, SA_DEFINITION, one, {DEFINITION_CONDITION, 0, "true"},
              {DEFINITION_RECIPIENTS, 0, "a@example.net"}));
    IN(w, PUT(t, SA_TARGET, at_one, {TARGET_PENDING, 1, NULL}));
    IN(w, drop_row(t, SA_DEFINITION, one));
    x = begin(w);
    assert_true(is_there(x, SA_TARGET, at_one));
    assert_int_equal(direct_settled(x, &at_one), 0); /* one of several */
    assert_true(is_there(x, SA_TARGET, at_one));
    PUT(x, SA_TARGET, at_one, {TARGET_PENDING, 0, NULL});
    assert_int_equal(direct_settled(x, &at_one), 0);
    assert_false(is_there(x, SA_TARGET, at_one));
    done(x);
    IN(w, PUT(t, SA_DEFINITION, one, {DEFINITION_CONDITION, 0, "true"},
              {DEFINITION_RECIPIENTS, 0, "a@example.net"}));
    x = begin(w);
    assert_int_equal(direct_settled(x, &at_one), 0); /* that of one in force stays */
    assert_true(is_there(x, SA_TARGET, at_one));
    done(x);
    IN(w, PUT(t, SA_DEFINITION, one, {DEFINITION_STATUS, ROW_NOT_IN_SERVICE, NULL}));
    x = begin(w);
    assert_false(is_there(x, SA_TARGET, at_one));
    done(x);
}

static void test_a_name_too_long_for_own_recipients(void **state)
{
    char longest[33] = "a2345678901234567890123456789012";
    struct world *w = *state;
    struct txn *x;

    IN(w, PUT(t, SA_DEFINITION, key_of_names("alice", longest), {DEFINITION_CONDITION, 0, "true"},
              {DEFINITION_RECIPIENTS, 0, "a@example.net"})); /* as no SET would have it */
    x = begin(w);
    assert_int_equal(table_count(x, sa_table_by_id(SA_TARGET)), 0);
    done(x);
}

static void test_more_targets_than_a_route_holds(void **state)
{
    struct world *w = *state;
    static struct route route;
    struct txn *x = begin(w);

    put_definition(x, "alice", "one", "web");
    for (unsigned i = 0; i < ROUTE_TARGETS_MAX + 1; i++) {
        char name[16];

        snprintf(name, sizeof name, "t%u", i);
        put_target(x, "alice", name);
        take_in(x, 1);
        put_link(x, "alice", "web", name);
        take_in(x, 1);
        assert_int_equal(route_find(x, "alice", "one", &route), 0);
        assert_int_equal(route.n, i < ROUTE_TARGETS_MAX ? i + 1 : ROUTE_TARGETS_MAX);
        assert_int_equal(route.cut, i >= ROUTE_TARGETS_MAX);
    }
    done(x);
}

static void test_wanted_levels(void **state)
{
    (void)state;
    for (enum sa_level l = LEVEL_OK; l <= LEVEL_UNKNOWN; l++) {
        assert_true(route_wants(0, LEVEL_OK, l));
        assert_true(route_wants(1 << (l - 1), LEVEL_OK, l));
        assert_false(route_wants(0x1f & ~(1 << (l - 1)), LEVEL_OK, l));
        assert_int_equal(route_wants(0, LEVEL_UNKNOWN, l), l != LEVEL_INFO);
        assert_int_equal(route_wants(0, LEVEL_WARNING, l), l != LEVEL_INFO && l != LEVEL_UNKNOWN);
        assert_int_equal(route_wants(0, LEVEL_CRITICAL, l), l == LEVEL_OK || l == LEVEL_CRITICAL);
        assert_int_equal(route_wants(0x1e, LEVEL_CRITICAL, l), l == LEVEL_CRITICAL);
    }
}

/* ---- the walk ---- */

enum { NAMES = 4, STEPS = 4000 };
static const char *const owners[] = {"alice", "admin"};
static const char *const names[NAMES] = {"w", "x", "y", "z"};

/* Rows as the checks of alerts/checks.c would have let them in. */
static void random_step(struct txn *t, uint64_t *seed)
{
    const char *owner = owners[dice(seed, 2)], *a = names[dice(seed, NAMES)],
               *b = names[dice(seed, NAMES)];
    char custom[8], service[8];
    struct key def = key_of_names(owner, a), target = key_of_names(owner, b), group;

    snprintf(custom, sizeof custom, "c%s", b);
    snprintf(service, sizeof service, "s%s", b);
    group = key_of_names(owner, custom);
    switch (dice(seed, 14)) {
    case 0:
    case 1:
        put_definition(t, owner, a, dice(seed, 4) ? service : "");
        break;
    case 2:
        if (is_there(t, SA_DEFINITION, def))
            drop_row(t, SA_DEFINITION, def);
        break;
    case 3:
        if (is_there(t, SA_DEFINITION, def))
            PUT(t, SA_DEFINITION, def, {DEFINITION_STATUS, 1 + dice(seed, 2), NULL});
        break;
    case 4:
    case 5:
        put_group(t, owner, custom);
        break;
    case 6:
        if (is_there(t, SA_GROUP, group))
            drop_row(t, SA_GROUP, group);
        break;
    case 7:
        if (is_there(t, SA_GROUP, group) && is_there(t, SA_DEFINITION, def))
            PUT(t, SA_GROUP_DEFINITION, key3(owner, custom, a),
                {GROUP_DEFINITION_STATUS, 1 + dice(seed, 2), NULL});
        break;
    case 8:
        if (is_there(t, SA_GROUP_DEFINITION, key3(owner, custom, a)))
            drop_row(t, SA_GROUP_DEFINITION, key3(owner, custom, a));
        break;
    case 9:
    case 10:
        if (is_there(t, SA_TARGET, key_of_names(owner, a)) &&
            is_there(t, SA_GROUP, key_of_names(owner, dice(seed, 2) ? custom : service)))
            put_link(t, owner, is_there(t, SA_GROUP, group) ? custom : service, a);
        break;
    case 11:
        PUT(t, SA_TARGET, target, {TARGET_HANDLER, 0, "traps"},
            {TARGET_ENABLED, dice(seed, 4) ? TRUTH_TRUE : TRUTH_FALSE, NULL},
            {TARGET_GLOBAL, dice(seed, 4) ? TRUTH_FALSE : TRUTH_TRUE, NULL});
        break;
    case 12:
        if (is_there(t, SA_TARGET, target))
            drop_row(t, SA_TARGET, target);
        break;
    case 13:
        if (is_there(t, SA_GROUP_TARGET, key3(owner, custom, a)))
            drop_row(t, SA_GROUP_TARGET, key3(owner, custom, a));
        break;
    }
}

static void names_of(const struct slice *k, char (*n)[33], size_t parts)
{
    size_t pos = 0;

    for (size_t i = 0; i < parts; i++)
        assert_true(key_read_name(k, &pos, n[i]));
    assert_int_equal(pos, k->len);
}

/* What the rows say where a definition leads to, by looking at all of them. */
static bool leads_to(struct txn *t, const char *owner, const char *definition,
                     const struct row *target)
{
    char n[2][33], service[33], g[3][33];
    struct key k = key_of_names(owner, definition);
    bool found = false;
    struct cursor c;
    struct row r;

    names_of(&target->key, n, 2);
    if (!row_active(target) || row_int(target, TARGET_ENABLED) != TRUTH_TRUE)
        return false;
    if (row_int(target, TARGET_GLOBAL) == TRUTH_TRUE &&
        (!strcmp(n[0], owner) || !strcmp(n[0], "admin")))
        return true;
    if (strcmp(n[0], owner) || row_get(t, sa_table_by_id(SA_DEFINITION), &k, &r))
        return false;
    row_str(&r, DEFINITION_SERVICE, service, sizeof service);
    if (!service[0])
        strcpy(service, "default");
    if (!row_active(&r))
        service[0] = 0;
    for (cursor_first(&c, t, sa_table_by_id(SA_GROUP_TARGET), NULL); cursor_row(&c, &r) && !found;
         cursor_next(&c)) {
        struct key member;
        struct row m;

        names_of(&r.key, g, 3);
        if (strcmp(g[0], owner) || strcmp(g[2], n[1]) || !row_active(&r))
            continue;
        member = key3(owner, g[1], definition);
        found = !strcmp(g[1], service) ||
                (!row_get(t, sa_table_by_id(SA_GROUP_DEFINITION), &member, &m) && row_active(&m));
    }
    cursor_close(&c);
    return found;
}

static void check_routes(struct txn *t, const char *owner, const char *definition)
{
    static struct route route;
    size_t want = 0;
    struct cursor c;
    struct row r;

    assert_int_equal(route_find(t, owner, definition, &route), 0);
    for (cursor_first(&c, t, sa_table_by_id(SA_TARGET), NULL); cursor_row(&c, &r);
         cursor_next(&c)) {
        bool found = false;
        char n[2][33];

        names_of(&r.key, n, 2);
        for (size_t i = 0; i < route.n; i++)
            found |= !strcmp(route.targets[i].owner, n[0]) && !strcmp(route.targets[i].name, n[1]);
        assert_int_equal(found, leads_to(t, owner, definition, &r));
        want += found;
    }
    cursor_close(&c);
    assert_int_equal(route.n, want);
}

/* Every link has both its ends, and each database has just what the rows say. */
static void check_links(struct txn *t, unsigned table, unsigned other_table, const char *db)
{
    size_t marked = 0;
    struct cursor c;
    struct row r;

    for (cursor_first(&c, t, sa_table_by_id(table), NULL); cursor_row(&c, &r); cursor_next(&c)) {
        bool counts = true;
        struct key mark;
        struct slice v;
        char n[3][33];

        names_of(&r.key, n, 3);
        assert_true(is_there(t, SA_GROUP, key_of_names(n[0], n[1])));
        assert_true(is_there(t, other_table, key_of_names(n[0], n[2])));
        if (table == SA_GROUP_DEFINITION)
            counts = cell_of(t, SA_GROUP, key_of_names(n[0], n[1]), GROUP_DEFAULT) != TRUTH_TRUE;
        mark = key3(n[0], n[2], n[1]);
        assert_int_equal(kv_get(t, db, key_slice(&mark), &v), counts ? 0 : ERR_NOTFOUND);
        marked += counts;
    }
    cursor_close(&c);
    assert_int_equal(kv_count(t, db), marked);
}

static void check_definitions(struct txn *t)
{
    size_t active = 0, of_alice = 0;
    struct cursor c;
    struct row r;

    for (cursor_first(&c, t, sa_table_by_id(SA_DEFINITION), NULL); cursor_row(&c, &r);
         cursor_next(&c)) {
        char n[2][33], service[33];
        struct key mark;
        struct slice v;

        names_of(&r.key, n, 2);
        row_str(&r, DEFINITION_SERVICE, service, sizeof service);
        if (!service[0])
            strcpy(service, "default");
        mark = key3(n[0], service, n[1]);
        assert_int_equal(kv_get(t, INDEX_SERVICE_DEFS, key_slice(&mark), &v),
                         row_active(&r) ? 0 : ERR_NOTFOUND);
        if (row_active(&r))
            assert_int_equal(cell_of(t, SA_GROUP, key_of_names(n[0], service), GROUP_DEFAULT),
                             TRUTH_TRUE);
        active += row_active(&r);
        of_alice += row_active(&r) && !strcmp(n[0], "alice");
    }
    cursor_close(&c);
    assert_int_equal(kv_count(t, INDEX_SERVICE_DEFS), active);
    assert_int_equal(kv_count(t, INDEX_DEF_SERVICE), active);
    assert_int_equal(index_definitions(t, "alice"), of_alice);
    assert_int_equal(index_definitions(t, "admin"), active - of_alice);
}

static void check_groups(struct txn *t)
{
    struct cursor c;
    struct row r;

    for (cursor_first(&c, t, sa_table_by_id(SA_GROUP), NULL); cursor_row(&c, &r); cursor_next(&c)) {
        struct slice k, v;

        if (row_int(&r, GROUP_DEFAULT) != TRUTH_TRUE)
            continue;
        assert_int_equal(kv_seek(t, INDEX_SERVICE_DEFS, r.key, false, &k, &v), 0);
        assert_true(k.len > r.key.len && !memcmp(k.data, r.key.data, r.key.len));
    }
    cursor_close(&c);
}

static void test_a_walk_agrees_with_a_scan(void **state)
{
    struct world *w = *state;
    uint64_t seed = 4711;

    for (int step = 0; step < STEPS; step++) {
        struct txn *t = begin(w);
        uint64_t before;

        random_step(t, &seed);
        take_in(t, 1 + dice(&seed, 2));
        check_definitions(t);
        check_groups(t);
        check_links(t, SA_GROUP_DEFINITION, SA_DEFINITION, INDEX_DEF_GROUPS);
        check_links(t, SA_GROUP_TARGET, SA_TARGET, INDEX_TARGET_GROUPS);
        for (size_t i = 0; i < 2 * NAMES; i++)
            check_routes(t, owners[i % 2], names[i / 2]);
        /* Every row said to have changed again: nothing comes of it. */
        if (step % 50 == 0) {
            before = dump(t, dbs, COUNT(dbs));
            for (size_t i = 0; i < sa_ntables; i++) {
                struct cursor c;
                struct row r;

                for (cursor_first(&c, t, sa_tables[i], NULL); cursor_row(&c, &r); cursor_next(&c)) {
                    struct change ch = {.table = sa_tables[i]->id, .key = r.key};

                    ch.op = CHANGE_UPDATED;
                    assert_int_equal(index_apply(t, &ch), 0);
                }
                cursor_close(&c);
            }
            assert_true(dump(t, dbs, COUNT(dbs)) == before);
        }
        done(t);
    }
}

#define IN_WORLD(test) cmocka_unit_test_setup_teardown(test, world_setup, world_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_WORLD(test_default_group_comes_and_goes_with_its_definitions),
        IN_WORLD(test_no_service_is_the_service_default),
        IN_WORLD(test_a_new_service_moves_the_definition),
        IN_WORLD(test_definitions_are_counted_by_owner),
        IN_WORLD(test_custom_groups_lead_to_targets_while_they_live),
        IN_WORLD(test_a_group_made_again_has_neither_members_nor_targets),
        IN_WORLD(test_global_targets_serve_their_owner_and_admins_everyone),
        IN_WORLD(test_each_target_once_however_many_groups_lead_there),
        IN_WORLD(test_targets_out_of_force_are_skipped),
        IN_WORLD(test_a_target_whose_life_is_not_known_yet_is_not_routed_to),
        IN_WORLD(test_a_target_takes_links_and_properties_with_it),
        IN_WORLD(test_a_definition_takes_its_memberships_with_it),
        IN_WORLD(test_a_script_takes_its_text_with_it),
        IN_WORLD(test_own_recipients_are_a_target),
        IN_WORLD(test_own_recipients_stay_until_all_is_told),
        IN_WORLD(test_a_name_too_long_for_own_recipients),
        IN_WORLD(test_more_targets_than_a_route_holds),
        cmocka_unit_test(test_wanted_levels),
        IN_WORLD(test_a_walk_agrees_with_a_scan),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
