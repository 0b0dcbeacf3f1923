/* What a SET may not do to configuration rows: the answer, its words, and which varbind is blamed;
 * and what it may, in any order within one SET. */
#include "tests/unit/alerts/fixture.h"

#include <stdio.h>
#include <string.h>

#include "alerts/checks.h"
#include "alerts/notice.h"
#include "base/clock.h"
#include "daemon/kinds.h"
#include "store/view.h"

/* ---- a compiler that refuses what has an odd number of quotes ---- */

static unsigned compiled;

static int compile(void *arg, const void *text, size_t len, struct err *e)
{
    size_t quotes = 0;

    (void)arg;
    compiled++;
    for (size_t i = 0; i < len; i++)
        quotes += ((const char *)text)[i] == '"';
    return quotes % 2 ? err_set(e, ERR_WRONG_VALUE, "line 1: a string has no end") : 0;
}

/* ---- sets ---- */

struct bind { /* of the row OWNER.NAME[.THIRD or .ID] */
    unsigned table, column;
    const char *owner, *name, *third;
    uint32_t id;
    int64_t number;
    const char *text; /* NULL: the number */
};

static struct key key_of_bind(const struct bind *b)
{
    struct key k = key_of_names(b->owner, b->name);

    if (b->third)
        key_str(&k, b->third);
    if (b->id)
        key_u32(&k, b->id);
    return k;
}

static int add(struct set *x, int tag, const struct bind *b, struct err *e)
{
    const struct sa_table *t = sa_table_by_id(b->table);
    struct set_value v = {.type = SET_INT32, .number = b->number};
    struct key k = key_of_bind(b);
    struct slice key = key_slice(&k);
    uint32_t subids[128];
    size_t n = view_oid(t, b->column, &key, subids, 128);

    if (sa_column_by_number(t, b->column)->syntax == SA_UNSIGNED)
        v.type = SET_UNSIGNED32;
    if (b->text) {
        v.type = SET_OCTETS;
        v.bytes = (struct slice){(const uint8_t *)b->text, strlen(b->text)};
    }
    return set_add(x, tag, subids, n, &v, e);
}

/* One SET of binds[order[0]], binds[order[1]], ...; *RET_BLAMED is an index of BINDS. */
static int set_in_order(struct world *w, const struct bind *binds, const size_t *order, size_t n,
                        int *ret_blamed, struct err *e)
{
    struct set *x = set_new(w->store, SET_SNMP);
    int err = 0;

    *ret_blamed = -1;
    e->text[0] = 0;
    for (size_t i = 0; i < n && !err; i++) {
        int tag = (int)(order ? order[i] : i);

        err = add(x, tag, &binds[tag], e);
        *ret_blamed = err ? tag : -1;
    }
    if (!err)
        err = set_check(x, ret_blamed, e);
    if (!err)
        err = set_commit(x, ret_blamed, e);
    set_free(x);
    if (!err)
        IN(w, (void)t);
    return err;
}

#define SET(w, blamed, e, ...)                                                                     \
    set_in_order(w, (const struct bind[]){__VA_ARGS__}, NULL,                                      \
                 COUNT(((const struct bind[]){__VA_ARGS__})), blamed, e)
#define MUST_SET(w, ...)                                                                           \
    do {                                                                                           \
        struct err e_;                                                                             \
        int blamed_;                                                                               \
        if (SET(w, &blamed_, &e_, __VA_ARGS__))                                                    \
            fail_msg("varbind %d: %s", blamed_, e_.text);                                          \
    } while (0)

/* Varbinds of the tables. */
#define DEF(column, name, ...)                                                                     \
    {                                                                                              \
        SA_DEFINITION, DEFINITION_##column, "alice", name, __VA_ARGS__                             \
    }
#define TARGET(column, name, ...)                                                                  \
    {                                                                                              \
        SA_TARGET, TARGET_##column, "alice", name, __VA_ARGS__                                     \
    }
#define SCRIPT(owner, name, value)                                                                 \
    {                                                                                              \
        SA_SCRIPT, SCRIPT_STATUS, owner, name, .number = (value)                                   \
    }
#define GROUP(name, value)                                                                         \
    {                                                                                              \
        SA_GROUP, GROUP_STATUS, "alice", name, .number = (value)                                   \
    }
#define MEMBER(group, definition, value)                                                           \
    {                                                                                              \
        SA_GROUP_DEFINITION, GROUP_DEFINITION_STATUS, "alice", group, definition,                  \
            .number = (value)                                                                      \
    }
#define LINK(group, target, value)                                                                 \
    {                                                                                              \
        SA_GROUP_TARGET, GROUP_TARGET_STATUS, "alice", group, target, .number = (value)            \
    }
#define SEGMENT(column, script, n, ...)                                                            \
    {                                                                                              \
        SA_SCRIPT_TEXT, SCRIPT_TEXT_##column, "alice", script, .id = (n), __VA_ARGS__              \
    }
#define PROPERTY(column, target, property, ...)                                                    \
    {                                                                                              \
        SA_TARGET_PROPERTY, TARGET_PROPERTY_##column, "alice", target, property, __VA_ARGS__       \
    }
#define GO      .number = ROW_CREATE_AND_GO
#define DESTROY .number = ROW_DESTROY

/* Handlers traps and mail of admin's, own of alice's; a quota of three definitions; definition one
 * of service web, two by script s, three by admin's script shared; script pair, whose two segments
 * compile only together, and draft, which is not active and does not; custom group g with one and
 * target ops; global target all. */
static int setup(void **state)
{
    static const struct checks checks = {.kinds = &daemon_kinds, .compile = compile};
    struct world *w;
    struct txn *t;

    world_setup(state);
    w = *state;
    assert_int_equal(checks_register(w->store, &checks), 0);
    t = begin(w);
    PUT(t, SA_HANDLER, key_of_names("admin", "traps"), {HANDLER_KIND, 0, "snmp"});
    PUT(t, SA_HANDLER, key_of_names("admin", "mail"), {HANDLER_KIND, 0, "smtp"});
    PUT(t, SA_HANDLER, key_of_names("alice", "own"), {HANDLER_KIND, 0, "snmp"});
    PUT(t, SA_OWNER, key_of_name("alice"), {OWNER_MAX_DEFINITIONS, 4, NULL});
    take_in(t, 1);
    done(t);
    MUST_SET(w, SCRIPT("alice", "s", ROW_CREATE_AND_GO), SEGMENT(TEXT, "s", 1, .text = "f(\"a\")"),
             SEGMENT(STATUS, "s", 1, GO), SCRIPT("admin", "shared", ROW_CREATE_AND_GO),
             DEF(CONDITION, "one", .text = "true"), DEF(SERVICE, "one", .text = "web"),
             DEF(STATUS, "one", GO), DEF(SCRIPT, "two", .text = "s"), DEF(STATUS, "two", GO),
             DEF(SCRIPT, "three", .text = "shared"), DEF(STATUS, "three", GO),
             GROUP("g", ROW_CREATE_AND_GO), MEMBER("g", "one", ROW_CREATE_AND_GO),
             LINK("g", "ops", ROW_CREATE_AND_GO), TARGET(HANDLER, "ops", .text = "traps"),
             TARGET(STATUS, "ops", GO), TARGET(HANDLER, "all", .text = "mail"),
             TARGET(GLOBAL, "all", .number = TRUTH_TRUE), TARGET(STATUS, "all", GO));
    MUST_SET(w, SCRIPT("alice", "pair", ROW_CREATE_AND_GO), SEGMENT(TEXT, "pair", 1, .text = "\""),
             SEGMENT(STATUS, "pair", 1, GO), SEGMENT(TEXT, "pair", 2, .text = "\""),
             SEGMENT(STATUS, "pair", 2, GO), SCRIPT("alice", "draft", ROW_CREATE_AND_WAIT),
             SEGMENT(TEXT, "draft", 1, .text = "\""), SEGMENT(STATUS, "draft", 1, GO));
    compiled = 0;
    return 0;
}

/* ---- refusals ---- */

struct refusal {
    const char *name;
    int want;
    int blamed; /* of the binds */
    const char *words;
    struct bind binds[8]; /* up to owner NULL */
};

static const struct refusal refusals[] = {
    {"nothing to evaluate",
     ERR_INCONSISTENT_VALUE,
     0,
     "neither a condition nor a script is given",
     {DEF(STATUS, "x", GO)}},
    {"nothing to evaluate any more",
     ERR_INCONSISTENT_VALUE,
     0,
     "neither a condition nor a script is given",
     {DEF(CONDITION, "one", .text = "")}},
    {"ceases to flap where it would begin to",
     ERR_INCONSISTENT_VALUE,
     0,
     "an alert would begin to flap above 50 % and cease to below 51 %",
     {DEF(FLAP_LOW, "one", .number = 51)}},
    {"begins to flap where it would cease to",
     ERR_INCONSISTENT_VALUE,
     0,
     "an alert would begin to flap above 24 % and cease to below 25 %",
     {DEF(FLAP_HIGH, "one", .number = 24)}},
    {"a reset alone",
     ERR_INCONSISTENT_VALUE,
     0,
     "neither a condition nor a script is given",
     {DEF(CONDITION, "one", .text = ""), DEF(WARN_RESET, "one", .text = "true")}},
    {"two things to evaluate",
     ERR_INCONSISTENT_VALUE,
     1,
     "both a condition and a script ('s') are given",
     {DEF(CONDITION, "x", .text = "true"), DEF(SCRIPT, "x", .text = "s"), DEF(STATUS, "x", GO)}},
    {"a script that nobody has",
     ERR_INCONSISTENT_VALUE,
     0,
     "no script 'none', neither of alice nor of admin",
     {DEF(SCRIPT, "x", .text = "none"), DEF(STATUS, "x", GO)}},
    {"a script that goes in the same SET",
     ERR_INCONSISTENT_VALUE,
     0,
     "no script 's', neither of alice nor of admin",
     {DEF(SCRIPT, "x", .text = "s"), DEF(STATUS, "x", GO), SCRIPT("alice", "s", ROW_DESTROY),
      DEF(STATUS, "two", DESTROY)}},
    {"a condition that does not compile",
     ERR_WRONG_VALUE,
     1,
     "line 1: a string has no end",
     {DEF(STATUS, "x", GO), DEF(CONDITION, "x", .text = "\"")}},
    {"not even when it is only prepared",
     ERR_WRONG_VALUE,
     1,
     "line 1: a string has no end",
     {DEF(STATUS, "x", .number = ROW_CREATE_AND_WAIT), DEF(CONDITION, "x", .text = "\"")}},
    {"a target's match that does not compile",
     ERR_WRONG_VALUE,
     0,
     "line 1: a string has no end",
     {TARGET(MATCH, "ops", .text = "\"")}},
    {"the name of a custom group as service",
     ERR_INCONSISTENT_VALUE,
     0,
     "service 'g' is the name of a custom group of owner alice",
     {DEF(SERVICE, "one", .text = "g")}},
    {"of one that this SET makes",
     ERR_INCONSISTENT_VALUE,
     0,
     "service 'h' is the name of a custom group of owner alice",
     {DEF(SERVICE, "one", .text = "h"), GROUP("h", ROW_CREATE_AND_GO)}},
    {"more definitions than the quota",
     ERR_RESOURCE_UNAVAILABLE,
     3,
     "owner alice may have 4 definitions at most",
     {DEF(CONDITION, "x", .text = "true"), DEF(CONDITION, "y", .text = "true"),
      DEF(STATUS, "y", GO), DEF(STATUS, "x", GO)}},
    {"text of no script",
     ERR_INCONSISTENT_NAME,
     1,
     "owner alice has no script 'none'",
     {SEGMENT(TEXT, "none", 1, .text = "true"), SEGMENT(STATUS, "none", 1, GO)}},
    {"text of admin's script",
     ERR_INCONSISTENT_NAME,
     1,
     "owner alice has no script 'shared'",
     {SEGMENT(TEXT, "shared", 1, .text = "true"), SEGMENT(STATUS, "shared", 1, GO)}},
    {"a script that does not compile any more",
     ERR_WRONG_VALUE,
     0,
     "line 1: a string has no end",
     {SEGMENT(TEXT, "s", 2, .text = "\""), SEGMENT(STATUS, "s", 2, GO)}},
    {"a segment without which it does not",
     ERR_INCONSISTENT_VALUE,
     0,
     "line 1: a string has no end",
     {SEGMENT(STATUS, "pair", 2, DESTROY)}},
    {"one that is taken out of the script",
     ERR_INCONSISTENT_VALUE,
     0,
     "line 1: a string has no end",
     {SEGMENT(STATUS, "pair", 1, .number = ROW_NOT_IN_SERVICE)}},
    {"a script that does not compile becomes active",
     ERR_INCONSISTENT_VALUE,
     0,
     "the script does not compile: line 1: a string has no end",
     {SCRIPT("alice", "draft", ROW_ACTIVE)}},
    {"so does a new one",
     ERR_INCONSISTENT_VALUE,
     0,
     "the script does not compile: line 1: a string has no end",
     {SCRIPT("alice", "new", ROW_CREATE_AND_GO), SEGMENT(TEXT, "new", 1, .text = "\""),
      SEGMENT(STATUS, "new", 1, GO)}},
    {"a script that is used goes",
     ERR_INCONSISTENT_VALUE,
     0,
     "script 's' is used by definition 'two'",
     {SCRIPT("alice", "s", ROW_DESTROY)}},
    {"so does admin's",
     ERR_INCONSISTENT_VALUE,
     0,
     "script 'shared' is used by definition 'three'",
     {SCRIPT("admin", "shared", ROW_DESTROY)}},
    {"a custom group named like a service",
     ERR_INCONSISTENT_NAME,
     0,
     "'x' is a service of owner alice",
     {GROUP("x", ROW_CREATE_AND_GO), DEF(SERVICE, "one", .text = "x")}},
    {"a member of no group",
     ERR_INCONSISTENT_NAME,
     0,
     "owner alice has no group 'none'",
     {MEMBER("none", "one", ROW_CREATE_AND_GO)}},
    {"a member of a default group",
     ERR_INCONSISTENT_VALUE,
     0,
     "group 'web' is a default group: its members follow from their service",
     {MEMBER("web", "two", ROW_CREATE_AND_GO)}},
    {"a member that is not there",
     ERR_INCONSISTENT_NAME,
     0,
     "owner alice has no definition 'none'",
     {MEMBER("g", "none", ROW_CREATE_AND_GO)}},
    {"a target of no group",
     ERR_INCONSISTENT_NAME,
     0,
     "owner alice has no group 'none'",
     {LINK("none", "ops", ROW_CREATE_AND_GO)}},
    {"a link to nothing",
     ERR_INCONSISTENT_NAME,
     0,
     "owner alice has no target 'none'",
     {LINK("g", "none", ROW_CREATE_AND_GO)}},
    {"a link to what this SET takes away",
     ERR_INCONSISTENT_NAME,
     0,
     "owner alice has no target 'ops'",
     {LINK("web", "ops", ROW_CREATE_AND_GO), TARGET(STATUS, "ops", DESTROY)}},
    {"a global target in a group",
     ERR_INCONSISTENT_VALUE,
     0,
     "target 'all' is global: it is in no group",
     {LINK("g", "all", ROW_CREATE_AND_GO)}},
    {"a linked target becomes global",
     ERR_INCONSISTENT_VALUE,
     0,
     "target 'ops' is in group 'g': it cannot become global",
     {TARGET(GLOBAL, "ops", .number = TRUTH_TRUE)}},
    {"both in one SET",
     ERR_INCONSISTENT_VALUE,
     1,
     "global",
     {TARGET(HANDLER, "x", .text = "traps"), TARGET(GLOBAL, "x", .number = TRUTH_TRUE),
      TARGET(STATUS, "x", GO), LINK("g", "x", ROW_CREATE_AND_GO)}},
    {"a handler that nobody has",
     ERR_INCONSISTENT_VALUE,
     0,
     "no handler 'none', neither of alice nor of admin",
     {TARGET(HANDLER, "x", .text = "none"), TARGET(STATUS, "x", GO)}},
    {"a handler that admin does not have",
     ERR_INCONSISTENT_VALUE,
     0,
     "admin has no handler 'none'",
     {{SA_TARGET, TARGET_HANDLER, "admin", "x", .text = "none"},
      {SA_TARGET, TARGET_STATUS, "admin", "x", GO}}},
    {"too many recipients",
     ERR_WRONG_VALUE,
     0,
     "at most 64 recipients",
     {TARGET(RECIPIENTS, "ops",
             .text = "a a a a a a a a a a a a a a a a a a a a a a a a a a a a a a a a a "
                     "a a a a a a a a a a a a a a a a a a a a a a a a a a a a a a a a")}},
    {"a property of no target",
     ERR_INCONSISTENT_NAME,
     1,
     "owner alice has no target 'none'",
     {PROPERTY(VALUE, "none", "port", .text = "162"), PROPERTY(STATUS, "none", "port", GO)}},
    {"a property that the kind does not know",
     ERR_INCONSISTENT_NAME,
     1,
     "handler 'traps' has no property 'fromName'",
     {PROPERTY(VALUE, "ops", "fromName", .text = "x"), PROPERTY(STATUS, "ops", "fromName", GO)}},
    {"a property that is the file's alone",
     ERR_INCONSISTENT_NAME,
     1,
     "property 'caFile' cannot be overridden by a target",
     {PROPERTY(VALUE, "all", "caFile", .text = "/etc/passwd"),
      PROPERTY(STATUS, "all", "caFile", GO)}},
    {"a value that the property does not take",
     ERR_WRONG_VALUE,
     0,
     "property 'port': ",
     {PROPERTY(VALUE, "ops", "port", .text = "70000"), PROPERTY(STATUS, "ops", "port", GO)}},
};

static void test_refusals(void **state)
{
    struct world *w = *state;

    for (size_t i = 0; i < COUNT(refusals); i++) {
        const struct refusal *r = &refusals[i];
        struct txn *t = txn_begin(w->store, TXN_READ);
        uint64_t before = dump(t, NULL, 0);
        size_t n = 0;
        struct err e;
        int blamed;

        txn_abort(t);
        print_message("%s\n", r->name);
        while (n < COUNT(r->binds) && r->binds[n].owner)
            n++;
        assert_int_equal(set_in_order(w, r->binds, NULL, n, &blamed, &e), r->want);
        if (!strstr(e.text, r->words))
            fail_msg("said '%s', not '%s'", e.text, r->words);
        assert_int_equal(blamed, r->blamed);
        t = txn_begin(w->store, TXN_READ);
        assert_true(dump(t, NULL, 0) == before);
        txn_abort(t);
    }
}

/* ---- what may be ---- */

static const struct bind whole[] = {
    LINK("n", "t", ROW_CREATE_AND_GO),
    LINK("svc", "t", ROW_CREATE_AND_GO),
    PROPERTY(VALUE, "t", "port", .text = "1162"),
    PROPERTY(STATUS, "t", "port", GO),
    TARGET(HANDLER, "t", .text = "own"),
    TARGET(RECIPIENTS, "t", .text = "a@example.net b@example.net"),
    TARGET(STATUS, "t", GO),
    MEMBER("n", "d", ROW_CREATE_AND_GO),
    GROUP("n", ROW_CREATE_AND_GO),
    DEF(SCRIPT, "d", .text = "p"),
    DEF(SERVICE, "d", .text = "svc"),
    DEF(STATUS, "d", GO),
    SEGMENT(TEXT, "p", 2, .text = "b\")"), /* neither compiles without the other */
    SEGMENT(STATUS, "p", 2, GO),
    SEGMENT(TEXT, "p", 1, .text = "f(\"a"),
    SEGMENT(STATUS, "p", 1, GO),
    SCRIPT("alice", "p", ROW_CREATE_AND_GO),
};

static void test_references_within_one_set_in_any_order(void **state)
{
    struct world *w = *state;
    uint64_t seed = 7;

    for (int round = 0; round < 30; round++) {
        size_t order[COUNT(whole)];
        struct bind gone[COUNT(whole)];
        size_t ngone = 0;
        struct err e;
        int blamed;

        for (size_t i = 0; i < COUNT(whole); i++) {
            size_t at = dice(&seed, (uint32_t)i + 1);

            order[i] = order[at];
            order[at] = i;
        }
        if (set_in_order(w, whole, order, COUNT(whole), &blamed, &e))
            fail_msg("round %d, varbind %d: %s", round, blamed, e.text);
        /* And away with all of it, in that order, too. */
        for (size_t i = 0; i < COUNT(whole); i++) {
            gone[ngone] = whole[order[i]];
            gone[ngone].number = ROW_DESTROY;
            ngone += gone[ngone].text == NULL;
        }
        if (set_in_order(w, gone, NULL, ngone, &blamed, &e))
            fail_msg("round %d, varbind %d: %s", round, blamed, e.text);
    }
}

static void test_what_may_be_edited(void **state)
{
    struct world *w = *state;

    /* A definition that is only prepared needs no condition yet. */
    MUST_SET(w, DEF(STATUS, "x", .number = ROW_CREATE_AND_WAIT));
    MUST_SET(w, DEF(CONDITION, "x", .text = "true"), DEF(STATUS, "x", .number = ROW_ACTIVE));
    assert_int_equal(compiled, 1);
    /* Other columns compile nothing; a condition is compiled once, not in the commit again. */
    MUST_SET(w, DEF(SEVERITY, "x", .number = LEVEL_WARNING));
    assert_int_equal(compiled, 1);
    MUST_SET(w, DEF(CONDITION, "x", .text = "false"));
    assert_int_equal(compiled, 2);
    /* A target's match is compiled likewise. */
    MUST_SET(w, TARGET(MATCH, "ops", .text = "changed"));
    assert_int_equal(compiled, 3);
    MUST_SET(w, TARGET(ENABLED, "ops", .number = TRUTH_FALSE));
    assert_int_equal(compiled, 3);
    MUST_SET(w, TARGET(MATCH, "ops", .text = ""));
    assert_int_equal(compiled, 3);
    /* From a condition to a script and back. */
    MUST_SET(w, DEF(CONDITION, "x", .text = ""), DEF(SCRIPT, "x", .text = "s"));
    MUST_SET(w, DEF(SCRIPT, "x", .text = ""), DEF(CONDITION, "x", .text = "true"));
    /* A full quota lets one be exchanged for another. */
    MUST_SET(w, DEF(STATUS, "x", DESTROY), DEF(CONDITION, "y", .text = "true"),
             DEF(STATUS, "y", GO));
    /* A used script goes with its user, a linked target becomes global without its link. */
    MUST_SET(w, SCRIPT("alice", "s", ROW_DESTROY), DEF(STATUS, "two", DESTROY));
    MUST_SET(w, TARGET(GLOBAL, "ops", .number = TRUTH_TRUE), LINK("g", "ops", ROW_DESTROY));
    /* Groups and targets go whatever leads to them. */
    MUST_SET(w, GROUP("g", ROW_DESTROY));
    MUST_SET(w, TARGET(STATUS, "ops", DESTROY));
}

/* ---- scripts in several SETs ---- */

static const char *script_error(struct world *w, const char *name, char *ret, size_t cap)
{
    struct txn *t = txn_begin(w->store, TXN_READ);
    struct key k = key_of_names("alice", name);
    struct cell cell;
    struct row r;

    assert_int_equal(row_get(t, sa_table_by_id(SA_SCRIPT), &k, &r), 0);
    assert_int_equal(view_cell(t, &r, sa_column_by_number(r.table, SCRIPT_ERROR), &cell), 0);
    snprintf(ret, cap, "%.*s", (int)cell.bytes.len, (const char *)cell.bytes.data);
    txn_abort(t);
    return ret;
}

#define ERROR_IS(w, name, words)                                                                   \
    do {                                                                                           \
        char text_[256];                                                                           \
        assert_string_equal(script_error(w, name, text_, sizeof text_), words);                    \
    } while (0)

/* Nothing is compiled until the script becomes active; saScriptError says how far one is. */
static void test_a_script_in_several_sets(void **state)
{
    struct world *w = *state;
    struct err e;
    int blamed;

    MUST_SET(w, SCRIPT("alice", "p", ROW_CREATE_AND_WAIT));
    ERROR_IS(w, "p", "");
    compiled = 0;
    MUST_SET(w, SEGMENT(TEXT, "p", 2, .text = "b\""), SEGMENT(STATUS, "p", 2, GO));
    MUST_SET(w, DEF(SCRIPT, "d", .text = "p"), DEF(STATUS, "d", GO));
    assert_int_equal(compiled, 0);
    ERROR_IS(w, "p", "line 1: a string has no end");
    MUST_SET(w, SEGMENT(TEXT, "p", 1, .text = "\"a"), SEGMENT(STATUS, "p", 1, GO));
    ERROR_IS(w, "p", "");
    compiled = 0;
    MUST_SET(w, SCRIPT("alice", "p", ROW_ACTIVE));
    assert_int_equal(compiled, 1);
    ERROR_IS(w, "p", "");
    assert_int_equal(compiled, 1); /* what is active has been compiled */
    /* A change in one SET, and one in two. */
    MUST_SET(w, SEGMENT(TEXT, "p", 1, .text = "\"c"));
    assert_int_equal(SET(w, &blamed, &e, SEGMENT(TEXT, "p", 1, .text = "c")), ERR_WRONG_VALUE);
    MUST_SET(w, SCRIPT("alice", "p", ROW_NOT_IN_SERVICE));
    MUST_SET(w, SEGMENT(TEXT, "p", 1, .text = "c"));
    ERROR_IS(w, "p", "line 1: a string has no end");
    assert_int_equal(SET(w, &blamed, &e, SCRIPT("alice", "p", ROW_ACTIVE)), ERR_INCONSISTENT_VALUE);
    MUST_SET(w, SEGMENT(STATUS, "p", 2, DESTROY), SCRIPT("alice", "p", ROW_ACTIVE));
    ERROR_IS(w, "p", "");
}

static void test_own_rows_come_before_admins(void **state)
{
    struct world *w = *state;
    struct txn *t = begin(w);
    char owner[33];
    struct row r;

    PUT(t, SA_HANDLER, key_of_names("alice", "traps"), {HANDLER_KIND, 0, "smtp"});
    take_in(t, 1);
    assert_int_equal(ref_find(t, SA_HANDLER, "alice", "traps", &r, owner), 0);
    assert_string_equal(owner, "alice");
    assert_int_equal(ref_find(t, SA_HANDLER, "bob", "traps", &r, owner), 0);
    assert_string_equal(owner, "admin");
    assert_int_equal(ref_find(t, SA_HANDLER, "bob", "own", &r, NULL), ERR_NOTFOUND);
    done(t);
    /* Now "traps" is alice's mail handler, whose property this is. */
    MUST_SET(w, PROPERTY(VALUE, "ops", "fromName", .text = "Alerts"),
             PROPERTY(STATUS, "ops", "fromName", GO));
}

/* ---- alerts and notices ---- */

enum { WALL = 1000000000 };
static int64_t wall = WALL;

/* As DateAndTime, in UTC; in a buffer of its own each of the last two times. */
static struct slice date_of(int64_t ms)
{
    static uint8_t octets[2][DATE_AND_TIME_LEN];
    static unsigned next;
    uint8_t *p = octets[next++ % 2];

    clock_date_and_time(ms, p);
    return (struct slice){p, DATE_AND_TIME_LEN};
}

struct ack_bind {
    unsigned column;
    int64_t number; /* a time, for the column of one */
    const char *text;
};

static int set_alert(struct world *w, uint32_t alert, const struct ack_bind *binds, int *ret_blamed,
                     struct err *e)
{
    const struct sa_table *t = sa_table_by_id(SA_ALERT);
    struct set *x = set_new(w->store, SET_SNMP);
    struct key k = key_of_id("alice", alert);
    struct slice key = key_slice(&k);
    int err = 0;

    *ret_blamed = -1;
    for (int i = 0; i < 4 && binds[i].column && !err; i++) {
        const struct ack_bind *b = &binds[i];
        struct set_value v = {.type = SET_INT32, .number = b->number};
        uint32_t subids[128];
        size_t n = view_oid(t, b->column, &key, subids, 128);

        if (b->text || b->column == ALERT_ACK_UNTIL) {
            v.type = SET_OCTETS;
            v.bytes = b->text ? (struct slice){(const uint8_t *)b->text, strlen(b->text)}
                              : date_of(b->number);
        }
        err = set_add(x, i, subids, n, &v, e);
        *ret_blamed = err ? i : -1;
    }
    if (!err)
        err = set_check(x, ret_blamed, e);
    if (!err)
        err = set_commit(x, ret_blamed, e);
    set_free(x);
    return err;
}

/* Alert 1 is critical, 2 is ok; notices 1 to 6 of target ops have the states 1 to 6. */
static int setup_alerts(void **state)
{
    struct world *w;
    struct txn *t;
    uint32_t incarnation;

    setup(state);
    clock_fake(&wall, NULL);
    w = *state;
    t = begin(w);
    PUT(t, SA_ALERT, key_of_id("alice", 1), {ALERT_LEVEL, LEVEL_CRITICAL, NULL});
    PUT(t, SA_ALERT, key_of_id("alice", 2), {ALERT_LEVEL, LEVEL_OK, NULL});
    incarnation = incarnation_of(t, "alice", "ops");
    for (uint32_t id = NOTICE_PENDING; id <= NOTICE_SUPPRESSED; id++)
        PUT(t, SA_NOTICE, key_of_id("alice", id), {NOTICE_STATE, id, NULL},
            {NOTICE_TARGET, 0, "ops"}, {NOTICE_TARGET_OWNER, 0, "alice"},
            {NOTICE_INCARNATION, incarnation, NULL});
    done(t);
    return 0;
}

static int teardown_alerts(void **state)
{
    clock_fake(NULL, NULL);
    return world_teardown(state);
}

static const struct {
    const char *name;
    uint32_t alert;
    int want, blamed;
    const char *words;
    struct ack_bind binds[4];
} ack_refusals[] = {
    {"an alert that is ok",
     2,
     ERR_INCONSISTENT_VALUE,
     0,
     "there is nothing to acknowledge",
     {{ALERT_ACKNOWLEDGE, ACK_NORMAL, NULL}}},
    {"an alert that is not there",
     3,
     ERR_NO_CREATION,
     0,
     "not made by managers",
     {{ALERT_ACKNOWLEDGE, ACK_NORMAL, NULL}}},
    {"no such kind", 1, ERR_WRONG_VALUE, 0, "", {{ALERT_ACKNOWLEDGE, 5, NULL}}},
    {"an author alone",
     1,
     ERR_INCONSISTENT_VALUE,
     0,
     "together with saAlertAcknowledge only",
     {{ALERT_ACK_AUTHOR, 0, "bob"}}},
    {"a text alone",
     1,
     ERR_INCONSISTENT_VALUE,
     0,
     "together with saAlertAcknowledge only",
     {{ALERT_ACK_TEXT, 0, "words"}}},
    {"a time alone",
     1,
     ERR_INCONSISTENT_VALUE,
     0,
     "together with saAlertAcknowledge only",
     {{ALERT_ACK_UNTIL, WALL + 5000, NULL}}},
    {"an author of nothing",
     1,
     ERR_INCONSISTENT_VALUE,
     0,
     "neither author nor text",
     {{ALERT_ACKNOWLEDGE, ACK_NONE, NULL}, {ALERT_ACK_AUTHOR, 0, "bob"}}},
    {"until when?",
     1,
     ERR_INCONSISTENT_VALUE,
     0,
     "until wants a time",
     {{ALERT_ACKNOWLEDGE, ACK_UNTIL, NULL}}},
    {"until now",
     1,
     ERR_INCONSISTENT_VALUE,
     1,
     "the time is past",
     {{ALERT_ACKNOWLEDGE, ACK_UNTIL, NULL}, {ALERT_ACK_UNTIL, WALL, NULL}}},
    {"a time for another kind",
     1,
     ERR_INCONSISTENT_VALUE,
     1,
     "of the kind until",
     {{ALERT_ACKNOWLEDGE, ACK_STICKY, NULL}, {ALERT_ACK_UNTIL, WALL + 5000, NULL}}},
    {"a time that is none",
     1,
     ERR_WRONG_LENGTH,
     1,
     "8 or 11 octets",
     {{ALERT_ACKNOWLEDGE, ACK_UNTIL, NULL}, {ALERT_ACK_UNTIL, 0, "noon"}}},
    {"an author too long",
     1,
     ERR_WRONG_LENGTH,
     1,
     "",
     {{ALERT_ACKNOWLEDGE, ACK_STICKY, NULL},
      {ALERT_ACK_AUTHOR, 0, "123456789012345678901234567890123"}}},
    {"what is the daemon's", 1, ERR_NOT_WRITABLE, 0, "", {{ALERT_ACK_AT, WALL, NULL}}},
};

static void test_what_is_no_acknowledgement(void **state)
{
    struct world *w = *state;

    for (size_t i = 0; i < COUNT(ack_refusals); i++) {
        struct err e = {.text = ""};
        int blamed, err = set_alert(w, ack_refusals[i].alert, ack_refusals[i].binds, &blamed, &e);

        if (err != ack_refusals[i].want || blamed != ack_refusals[i].blamed ||
            !strstr(e.text, ack_refusals[i].words))
            fail_msg("%s: %s, varbind %d: %s", ack_refusals[i].name, err_name(err), blamed, e.text);
    }
}

static void test_an_acknowledgement_is_one_set(void **state)
{
    static const struct ack_bind full[4] = {{ALERT_ACKNOWLEDGE, ACK_UNTIL, NULL},
                                            {ALERT_ACK_AUTHOR, 0, "bob"},
                                            {ALERT_ACK_TEXT, 0, "on it"},
                                            {ALERT_ACK_UNTIL, WALL + 100, NULL}};
    static const struct ack_bind bare[4] = {{ALERT_ACKNOWLEDGE, ACK_STICKY, NULL}};
    static const struct ack_bind back[4] = {{ALERT_ACKNOWLEDGE, ACK_NONE, NULL}};
    struct world *w = *state;
    struct key k = key_of_id("alice", 1);
    struct txn *t = begin(w);
    struct change ch;
    uint64_t seq;
    struct err e;
    int blamed;

    take_in(t, 1);
    seq = changes_consumed(t);
    done(t);
    assert_int_equal(set_alert(w, 1, full, &blamed, &e), 0);
    assert_int_equal(set_alert(w, 1, full, &blamed, &e), 0); /* the same packet again */
    t = begin(w);
    assert_int_equal(cell_of(t, SA_ALERT, k, ALERT_ACK_UNTIL), WALL + 100);
    assert_string_equal(text_of(t, SA_ALERT, k, ALERT_ACK_AUTHOR), "bob");
    assert_int_equal(changes_next(t, seq, &ch), 0);
    assert_int_equal(ch.table, SA_ALERT);
    seq = ch.seq;
    assert_int_equal(changes_next(t, seq, &ch), ERR_NOTFOUND);
    done(t);
    /* What it does not name is not left over from the one before, and the core hears of it. */
    assert_int_equal(set_alert(w, 1, bare, &blamed, &e), 0);
    t = begin(w);
    assert_int_equal(cell_of(t, SA_ALERT, k, ALERT_ACKNOWLEDGE), ACK_STICKY);
    assert_int_equal(cell_of(t, SA_ALERT, k, ALERT_ACK_UNTIL), 0);
    assert_string_equal(text_of(t, SA_ALERT, k, ALERT_ACK_AUTHOR), "");
    assert_string_equal(text_of(t, SA_ALERT, k, ALERT_ACK_TEXT), "");
    assert_int_equal(changes_next(t, seq, &ch), 0);
    done(t);
    assert_int_equal(set_alert(w, 1, back, &blamed, &e), 0);
    assert_int_equal(set_alert(w, 2, back, &blamed, &e), 0); /* there was none: nothing to refuse */
}

static int set_action(struct world *w, uint32_t id, int64_t action, struct err *e)
{
    const struct sa_table *t = sa_table_by_id(SA_NOTICE);
    struct set *x = set_new(w->store, SET_SNMP);
    struct set_value v = {.type = SET_INT32, .number = action};
    struct key k = key_of_id("alice", id);
    struct slice key = key_slice(&k);
    uint32_t subids[128];
    size_t n = view_oid(t, NOTICE_ACTION, &key, subids, 128);
    int blamed, err = set_add(x, 1, subids, n, &v, e);

    if (!err)
        err = set_check(x, &blamed, e);
    if (!err)
        err = set_commit(x, &blamed, e);
    set_free(x);
    return err;
}

static void refuse_action(struct world *w, uint32_t id, int64_t action, int want, const char *words)
{
    struct err e = {.text = ""};
    int err = set_action(w, id, action, &e);

    if (err != want || !strstr(e.text, words))
        fail_msg("notice %u, action %d: %s: %s", id, (int)action, err_name(err), e.text);
}

static void test_what_can_be_done_with_a_notice(void **state)
{
    struct world *w = *state;
    struct err e;

    for (uint32_t id = NOTICE_DELIVERED; id <= NOTICE_SUPPRESSED; id++) {
        refuse_action(w, id, ACTION_CANCEL, ERR_INCONSISTENT_VALUE, "already: nothing to cancel");
        assert_int_equal(set_action(w, id, ACTION_RESEND, &e), 0);
        assert_int_equal(set_action(w, id, ACTION_RESEND, &e), 0); /* the same packet again */
    }
    for (uint32_t id = NOTICE_PENDING; id <= NOTICE_DISPATCHED; id++) {
        refuse_action(w, id, ACTION_RESEND, ERR_INCONSISTENT_VALUE, "still to be told");
        assert_int_equal(set_action(w, id, ACTION_CANCEL, &e), 0);
        refuse_action(w, id, ACTION_RESEND, ERR_INCONSISTENT_VALUE, "cancel is still to be done");
        assert_int_equal(set_action(w, id, ACTION_CANCEL, &e), 0);
    }
    refuse_action(w, NOTICE_DELIVERED, ACTION_CANCEL, ERR_INCONSISTENT_VALUE,
                  "resend is still to be done");
    refuse_action(w, 77, ACTION_CANCEL, ERR_NO_CREATION, "not made by managers");
    refuse_action(w, 1, 4, ERR_WRONG_VALUE, "");
}

static void test_who_can_be_told_again(void **state)
{
    struct world *w = *state;
    struct key ops = key_of_names("alice", "ops");

    IN(w, PUT(t, SA_TARGET, ops, {TARGET_PENDING, NOTICE_QUEUE_MAX, NULL}));
    refuse_action(w, NOTICE_FAILED, ACTION_RESEND, ERR_RESOURCE_UNAVAILABLE, "queue is full");
    IN(w, PUT(t, SA_TARGET, ops, {TARGET_PENDING, 0, NULL}, {TARGET_ENABLED, TRUTH_FALSE, NULL}));
    refuse_action(w, NOTICE_FAILED, ACTION_RESEND, ERR_INCONSISTENT_VALUE, "target is disabled");
    IN(w, drop_row(t, SA_TARGET, ops));
    refuse_action(w, NOTICE_FAILED, ACTION_RESEND, ERR_INCONSISTENT_VALUE, "target is gone");
    IN(w, put_target(t, "alice", "ops")); /* another one, of the same name */
    refuse_action(w, NOTICE_FAILED, ACTION_RESEND, ERR_INCONSISTENT_VALUE, "target is gone");
}

#define IN_WORLD(test)    cmocka_unit_test_setup_teardown(test, setup, world_teardown)
#define WITH_ALERTS(test) cmocka_unit_test_setup_teardown(test, setup_alerts, teardown_alerts)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_WORLD(test_refusals),
        IN_WORLD(test_references_within_one_set_in_any_order),
        IN_WORLD(test_what_may_be_edited),
        IN_WORLD(test_a_script_in_several_sets),
        IN_WORLD(test_own_rows_come_before_admins),
        WITH_ALERTS(test_what_is_no_acknowledgement),
        WITH_ALERTS(test_an_acknowledgement_is_one_set),
        WITH_ALERTS(test_what_can_be_done_with_a_notice),
        WITH_ALERTS(test_who_can_be_told_again),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
