/* The configuration file in the store: what a start makes of it, and what the next start with
 * another file makes of that. */
#include "tests/unit/alerts/fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "alerts/checks.h"
#include "daemon/core.h"
#include "daemon/kinds.h"
#include "store/view.h"

#define HEAD                                                                                       \
    "<snmpalertd xmlns='urn:snmpalertd:config'>\n"                                                 \
    "<store path='/var/lib/none'/>\n"
#define OWNERS        "<owners><owner name='alice' maxDefinitions='3'/></owners>\n"
#define HANDLERS      "<handlers><snmp name='traps' host='127.0.0.1' community='secret'/></handlers>\n"
#define FILE_OF(rows) HEAD OWNERS HANDLERS rows "</snmpalertd>\n"

static char said[ERR_TEXT_MAX];

/* A script compiles when its quotes are even. */
static int compile(void *arg, const void *text, size_t len, struct err *e)
{
    size_t quotes = 0;

    (void)arg;
    for (size_t i = 0; i < len; i++)
        quotes += ((const char *)text)[i] == '"';
    return quotes % 2 ? err_set(e, ERR_WRONG_VALUE, "line 1: a string has no end") : 0;
}

/* A start with this file: 0, or the error with its words in SAID. */
static int start(struct world *w, const char *xml)
{
    static const struct checks checks = {.kinds = &daemon_kinds, .compile = compile};
    struct core c = {.store = w->store};
    struct err e = {.text = ""};
    int err;

    assert_int_equal(checks_register(w->store, &checks), 0);
    err = config_parse(&c.config, "the.xml", xml, strlen(xml), &daemon_kinds, &e);
    if (err)
        fail_msg("%s", e.text);
    err = core_config_apply(&c, c.config, &e);
    config_free(c.config);
    snprintf(said, sizeof said, "%s", e.text);
    if (!err) { /* what its first turn does */
        struct txn *t = begin(w);

        take_in(t, 1);
        done(t);
    }
    return err;
}

static void must_start(struct world *w, const char *xml)
{
    if (start(w, xml))
        fail_msg("%s", said);
}

static void must_refuse(struct world *w, const char *xml, const char *words)
{
    assert_int_equal(start(w, xml), ERR_INVALID);
    if (strncmp(said, "the.xml", 7) || !strstr(said, words))
        fail_msg("said '%s', not '%s'", said, words);
}

/* What a manager's SET of one cell answers. */
static int manager_sets(struct world *w, unsigned table, unsigned column, struct key k,
                        int64_t number, const char *text)
{
    const struct sa_column *c = sa_column_by_number(sa_table_by_id(table), column);
    struct set *x = set_new(w->store, SET_SNMP);
    struct set_value v = {.type = text                       ? SET_OCTETS
                                  : c->syntax == SA_UNSIGNED ? SET_UNSIGNED32
                                                             : SET_INT32,
                          .number = number,
                          .bytes = {(const uint8_t *)text, text ? strlen(text) : 0}};
    struct slice key = key_slice(&k);
    uint32_t subids[128];
    size_t n = view_oid(sa_table_by_id(table), column, &key, subids, 128);
    struct err e;
    int tag, err = set_add(x, 1, subids, n, &v, &e);

    if (!err)
        err = set_check(x, &tag, &e);
    if (!err)
        err = set_commit(x, &tag, &e);
    set_free(x);
    IN(w, (void)t);
    return err;
}

static int64_t read_cell(struct world *w, unsigned table, struct key k, unsigned column)
{
    struct txn *t = txn_begin(w->store, TXN_READ);
    int64_t v = cell_of(t, table, k, column);

    txn_abort(t);
    return v;
}

static const char *read_text(struct world *w, unsigned table, struct key k, unsigned column)
{
    struct txn *t = txn_begin(w->store, TXN_READ);
    const char *v = text_of(t, table, k, column);

    txn_abort(t);
    return v;
}

static bool there(struct world *w, unsigned table, struct key k)
{
    struct txn *t = txn_begin(w->store, TXN_READ);
    bool yes = is_there(t, table, k);

    txn_abort(t);
    return yes;
}

#define D(name) key_of_names("alice", name)

/* ---- what one start makes ---- */

static void test_owners_sources_and_handlers(void **state)
{
    struct world *w = *state;

    must_start(w, HEAD OWNERS HANDLERS
               "<sources><snmp name='router1' host='192.0.2.1' community='public' interval='5s'>"
               "<get name='up' oid='1.3.6.1.2.1.1.3.0'/></snmp></sources></snmpalertd>");
    assert_int_equal(read_cell(w, SA_OWNER, key_of_name("alice"), OWNER_MAX_DEFINITIONS), 3);
    assert_int_equal(read_cell(w, SA_SOURCE, key_of_names("admin", "router1"), SOURCE_INTERVAL),
                     5000);
    assert_string_equal(read_text(w, SA_HANDLER, key_of_names("admin", "traps"), HANDLER_KIND),
                        "snmp");
    assert_string_equal(
        read_text(w, SA_HANDLER_PROPERTY, key3("admin", "traps", "host"), HANDLER_PROPERTY_VALUE),
        "127.0.0.1");
    assert_string_equal(read_text(w, SA_HANDLER_PROPERTY, key3("admin", "traps", "community"),
                                  HANDLER_PROPERTY_VALUE),
                        "");
    assert_false(there(w, SA_OWNER, key_of_name("bob"))); /* of the fixture, not of the file */
    must_start(w, HEAD OWNERS "</snmpalertd>");
    assert_false(there(w, SA_HANDLER, key_of_names("admin", "traps")));
    assert_false(there(w, SA_HANDLER_PROPERTY, key3("admin", "traps", "host")));
    assert_false(there(w, SA_SOURCE, key_of_names("admin", "router1")));
}

/* ---- options of tests ---- */

#define OPTION(name) key3("admin", "traps", name)

static const char *option(struct world *w, const char *name)
{
    return read_text(w, SA_TEST_OPTION, OPTION(name), TEST_OPTION_VALUE);
}

static int set_option(struct world *w, const char *name, const char *value)
{
    return manager_sets(w, SA_TEST_OPTION, TEST_OPTION_VALUE, OPTION(name), 0, value);
}

static void test_options_follow_the_file_until_they_are_set(void **state)
{
    struct world *w = *state;

    must_start(w, FILE_OF(""));
    assert_string_equal(option(w, "host"), "127.0.0.1");
    assert_string_equal(option(w, "message"), "This is a test.");
    assert_string_equal(option(w, "level"), "ok");
    assert_false(there(w, SA_TEST_OPTION, OPTION("community"))); /* a secret */
    assert_int_equal(set_option(w, "level", "critical"), 0);
    must_start(w, HEAD OWNERS "<handlers><snmp name='traps' host='127.0.0.2'/></handlers>"
                              "</snmpalertd>");
    assert_string_equal(option(w, "host"), "127.0.0.2");
    assert_string_equal(option(w, "level"), "critical");
    assert_int_equal(set_option(w, "host", "127.0.0.3"), 0);
    must_start(w, FILE_OF(""));
    assert_string_equal(option(w, "host"), "127.0.0.3");
    assert_int_equal(manager_sets(w, SA_TEST_OPTION, TEST_OPTION_REVERT, OPTION("host"), 2, NULL),
                     0);
    assert_string_equal(option(w, "host"), "127.0.0.1");
    must_start(w, HEAD OWNERS "</snmpalertd>");
    assert_false(there(w, SA_TEST_OPTION, OPTION("host")));
}

static void test_an_option_that_does_not_fit_any_more_follows_again(void **state)
{
    struct world *w = *state;

    must_start(w, FILE_OF(""));
    IN(w, PUT(t, SA_TEST_OPTION, OPTION("level"), {TEST_OPTION_VALUE, 0, "loud"}));
    IN(w, PUT(t, SA_TEST_OPTION, OPTION("gone"), {TEST_OPTION_VALUE, 0, "x"}));
    must_start(w, FILE_OF(""));
    assert_string_equal(option(w, "level"), "ok");
    assert_false(there(w, SA_TEST_OPTION, OPTION("gone")));
}

#define ROWS                                                                                       \
    "<rows>"                                                                                       \
    "<groupTarget owner='alice' group='web' target='ops'/>"                                        \
    "<definition owner='alice' name='one' service='web' severity='warning'"                        \
    " condition='true'/>"                                                                          \
    "<definition owner='alice' name='two' override='yes' intervalMillis='5000'"                    \
    " condition='true'/>"                                                                          \
    "<target owner='alice' name='ops' handler='traps' states='critical ok'/>"                      \
    "<group owner='alice' name='night'/>"                                                          \
    "<groupDefinition owner='alice' group='night' definition='two'/>"                              \
    "<script owner='alice' name='s'/>"                                                             \
    "<scriptText owner='alice' script='s' segment='1' text='true'/>"                               \
    "</rows>"

static void test_rows_of_the_file(void **state)
{
    struct world *w = *state;

    must_start(w, FILE_OF(ROWS));
    assert_int_equal(read_cell(w, SA_DEFINITION, D("one"), DEFINITION_STORAGE), STORAGE_READ_ONLY);
    assert_int_equal(read_cell(w, SA_DEFINITION, D("two"), DEFINITION_STORAGE), STORAGE_PERMANENT);
    assert_int_equal(read_cell(w, SA_DEFINITION, D("one"), DEFINITION_STATUS), ROW_ACTIVE);
    assert_int_equal(read_cell(w, SA_DEFINITION, D("one"), DEFINITION_SEVERITY), LEVEL_WARNING);
    assert_int_equal(read_cell(w, SA_DEFINITION, D("two"), DEFINITION_INTERVAL), 5000);
    assert_int_equal(read_cell(w, SA_TARGET, D("ops"), TARGET_STATES), 1 << 3 | 1 << 0);
    assert_int_equal(read_cell(w, SA_GROUP, D("web"), GROUP_DEFAULT), TRUTH_TRUE);
    assert_true(there(w, SA_GROUP_TARGET, key3("alice", "web", "ops")));
    assert_true(there(w, SA_GROUP_DEFINITION, key3("alice", "night", "two")));
    assert_int_equal(manager_sets(w, SA_DEFINITION, DEFINITION_SEVERITY, D("one"), 4, NULL),
                     ERR_NOT_WRITABLE);
}

/* ---- the same file again ---- */

static void test_nothing_changes_when_the_file_does_not(void **state)
{
    static const char *const dbs[] = {"defService",  "defGroups",    "globals",
                                      "serviceDefs", "targetGroups", "ownerDefs"};
    static const struct checks checks = {.kinds = &daemon_kinds};
    struct world *w = *state;
    struct core c = {.store = w->store};
    struct key system;
    struct change ch;
    struct txn *t;
    struct err e;
    uint64_t before;

    key_init(&system);
    key_u32(&system, 0);
    must_start(w, FILE_OF(ROWS));
    t = begin(w);
    PUT(t, SA_SYSTEM, system, {SYSTEM_STARTED, 0, NULL}, {SYSTEM_CONFIG_LOADED, 0, NULL});
    take_in(t, 1);
    before = dump(t, dbs, COUNT(dbs));
    done(t);
    assert_int_equal(checks_register(w->store, &checks), 0);
    assert_int_equal(
        config_parse(&c.config, "the.xml", FILE_OF(ROWS), strlen(FILE_OF(ROWS)), &daemon_kinds, &e),
        0);
    assert_int_equal(core_config_apply(&c, c.config, &e), 0);
    config_free(c.config);
    t = begin(w);
    assert_int_equal(changes_next(t, changes_consumed(t), &ch), ERR_NOTFOUND);
    PUT(t, SA_SYSTEM, system, {SYSTEM_STARTED, 0, NULL}, {SYSTEM_CONFIG_LOADED, 0, NULL});
    take_in(t, 1);
    assert_true(dump(t, dbs, COUNT(dbs)) == before);
    done(t);
}

static void test_what_managers_made_stays(void **state)
{
    struct world *w = *state;

    must_start(w, FILE_OF(ROWS));
    IN(w, put_definition(t, "alice", "mine", "web"));
    IN(w, put_target(t, "alice", "mine"));
    IN(w, put_link(t, "alice", "web", "mine"));
    must_start(w, FILE_OF(ROWS));
    assert_true(there(w, SA_DEFINITION, D("mine")));
    assert_true(there(w, SA_TARGET, D("mine")));
    assert_true(there(w, SA_GROUP_TARGET, key3("alice", "web", "mine")));
    assert_true(there(w, SA_GROUP_DEFINITION, key3("alice", "web", "mine")));
}

static void test_what_managers_changed_stays(void **state)
{
    struct world *w = *state;

    must_start(w, FILE_OF(ROWS));
    assert_int_equal(manager_sets(w, SA_DEFINITION, DEFINITION_INTERVAL, D("two"), 9000, NULL), 0);
    must_start(w, FILE_OF(ROWS));
    assert_int_equal(read_cell(w, SA_DEFINITION, D("two"), DEFINITION_INTERVAL), 9000);
    assert_int_equal(read_cell(w, SA_DEFINITION, D("two"), DEFINITION_STORAGE), STORAGE_PERMANENT);
    /* No override any more: as the file says. */
    must_start(w, FILE_OF("<rows><definition owner='alice' name='two' intervalMillis='5000'"
                          " condition='true'/></rows>"));
    assert_int_equal(read_cell(w, SA_DEFINITION, D("two"), DEFINITION_INTERVAL), 5000);
    assert_int_equal(read_cell(w, SA_DEFINITION, D("two"), DEFINITION_STORAGE), STORAGE_READ_ONLY);
}

/* ---- another file ---- */

static void test_rows_that_the_file_has_no_more_go(void **state)
{
    struct world *w = *state;

    must_start(w, FILE_OF(ROWS));
    must_start(w, FILE_OF("<rows><definition owner='alice' name='one' condition='true'/></rows>"));
    assert_true(there(w, SA_DEFINITION, D("one")));
    assert_int_equal(read_cell(w, SA_DEFINITION, D("one"), DEFINITION_SEVERITY), LEVEL_CRITICAL);
    assert_false(there(w, SA_DEFINITION, D("two")));
    assert_false(there(w, SA_TARGET, D("ops")));
    assert_false(there(w, SA_GROUP, D("web")));
    assert_false(there(w, SA_GROUP, D("night")));
    assert_false(there(w, SA_SCRIPT, D("s")));
    assert_true(there(w, SA_GROUP, D("default")));
    must_start(w, FILE_OF(""));
    assert_false(there(w, SA_DEFINITION, D("one")));
    assert_false(there(w, SA_GROUP, D("default")));
}

static void test_all_definitions_of_a_full_quota_are_named_anew(void **state)
{
    struct world *w = *state;

    must_start(w, FILE_OF("<rows><definition owner='alice' name='a' condition='true'/>"
                          "<definition owner='alice' name='b' condition='true'/>"
                          "<definition owner='alice' name='c' condition='true'/></rows>"));
    must_start(w, FILE_OF("<rows><definition owner='alice' name='d' condition='true'/>"
                          "<definition owner='alice' name='e' condition='true'/>"
                          "<definition owner='alice' name='f' condition='true'/></rows>"));
    assert_false(there(w, SA_DEFINITION, D("a")));
    assert_true(there(w, SA_DEFINITION, D("f")));
    must_refuse(w,
                FILE_OF("<rows><definition owner='alice' name='g' condition='true'/>"
                        "<definition owner='alice' name='h' condition='true'/>"
                        "<definition owner='alice' name='i' condition='true'/>\n"
                        "<definition owner='alice' name='j' condition='true'/></rows>"),
                "owner alice may have 3 definitions at most");
}

static void test_what_stood_in_the_way_goes_first(void **state)
{
    struct world *w = *state;

    must_start(w, FILE_OF("<rows><group owner='alice' name='g'/>"
                          "<target owner='alice' name='t' handler='traps'/>"
                          "<script owner='alice' name='s'/>"
                          "<scriptText owner='alice' script='s' segment='1' text='true'/>"
                          "<definition owner='alice' name='one' script='s'/>"
                          "<groupTarget owner='alice' group='g' target='t'/></rows>"));
    /* t becomes global, g a service, the script a condition. */
    must_start(w, FILE_OF("<rows><target owner='alice' name='t' handler='traps' global='true'/>"
                          "<definition owner='alice' name='one' service='g' condition='true'/>"
                          "</rows>"));
    assert_int_equal(read_cell(w, SA_TARGET, D("t"), TARGET_GLOBAL), TRUTH_TRUE);
    assert_int_equal(read_cell(w, SA_GROUP, D("g"), GROUP_DEFAULT), TRUTH_TRUE);
    assert_false(there(w, SA_SCRIPT, D("s")));
    assert_string_equal(read_text(w, SA_DEFINITION, D("one"), DEFINITION_SCRIPT), "");
}

/* ---- refusals ---- */

static void test_rows_are_refused_with_their_place(void **state)
{
    struct world *w = *state;

    must_refuse(w, FILE_OF("<rows>\n<target owner='alice' name='t' handler='none'/></rows>"),
                "the.xml:6: ");
    must_refuse(w, FILE_OF("<rows><target owner='alice' name='t' handler='none'/></rows>"),
                "no handler 'none', neither of alice nor of admin");
    must_refuse(w, FILE_OF("<rows><definition owner='alice' name='d'/></rows>"),
                "neither a condition nor a script is given");
    must_refuse(w, FILE_OF("<rows><groupTarget owner='alice' group='g' target='t'/></rows>"),
                "owner alice has no group 'g'");
    /* Nothing of a refused file is there, be it good for itself. */
    assert_false(there(w, SA_TARGET, D("t")));
    assert_false(there(w, SA_HANDLER, key_of_names("admin", "traps")));
    assert_true(there(w, SA_OWNER, key_of_name("bob"))); /* the fixture's, which would go */
    must_start(w, FILE_OF(ROWS));
}

static void test_a_custom_group_cannot_have_a_services_name(void **state)
{
    struct world *w = *state;
    const char *xml = FILE_OF("<rows><definition owner='alice' name='d' condition='true'/>\n"
                              "<group owner='alice' name='default'/></rows>");

    must_refuse(w, xml, "the.xml:6: ");
    must_refuse(w, xml, "'default'");
}

static void test_a_handler_that_managers_targets_use_cannot_go(void **state)
{
    struct world *w = *state;

    must_start(w, FILE_OF(""));
    IN(w, put_target(t, "alice", "mine"));
    must_refuse(w, HEAD OWNERS "</snmpalertd>",
                "handler 'traps' is gone, but target alice/mine uses it");
    assert_true(there(w, SA_HANDLER, key_of_names("admin", "traps")));
    must_start(w, FILE_OF(""));
}

static void test_a_handler_that_an_overridden_target_uses_cannot_go(void **state)
{
    struct world *w = *state;

    must_start(w, HEAD OWNERS
               "<handlers><snmp name='traps' host='127.0.0.1'/><snmp name='more' host='::1'/>"
               "</handlers><rows><target owner='alice' name='t' handler='traps' override='yes'/>"
               "</rows></snmpalertd>");
    assert_int_equal(manager_sets(w, SA_TARGET, TARGET_STATUS, D("t"), ROW_NOT_IN_SERVICE, NULL),
                     0);
    assert_int_equal(manager_sets(w, SA_TARGET, TARGET_HANDLER, D("t"), 0, "more"), 0);
    must_refuse(w,
                FILE_OF("<rows><target owner='alice' name='t' handler='traps' override='yes'/>"
                        "</rows>"),
                "handler 'more' is gone, but target alice/t uses it");
    /* The target may go with it. */
    must_start(w, FILE_OF(""));
    assert_false(there(w, SA_TARGET, D("t")));
}

static void test_an_owner_who_has_something_cannot_go(void **state)
{
    static const char *const without = HEAD HANDLERS "</snmpalertd>";
    struct world *w = *state;

    must_start(w, FILE_OF(ROWS));
    must_start(w, without); /* what is the file's own goes with its owner */
    assert_false(there(w, SA_OWNER, key_of_name("alice")));
    assert_false(there(w, SA_DEFINITION, D("one")));
    must_start(w, FILE_OF(""));
    IN(w, put_target(t, "alice", "mine"));
    must_refuse(w, without, "owner 'alice' is gone, but has target 'mine'");
    IN(w, drop_row(t, SA_TARGET, D("mine")));
    IN(w, put_definition(t, "alice", "mine", "web"));
    must_refuse(w, without, "owner 'alice' is gone, but has definition 'mine'");
    IN(w, drop_row(t, SA_DEFINITION, D("mine")));
    must_start(w, without);
}

/* Rows are written some thousand at a time, but a script is one thing, wherever it lies. */
static void test_a_script_is_written_whole(void **state)
{
    enum { PAIRS = 1600, CAP = 1 << 20 };
    char *xml = malloc(CAP);
    size_t n;

    assert_non_null(xml);
    for (int single = 1; single >= 0; single--) { /* one more row moves all behind it */
        n = (size_t)snprintf(xml, CAP, HEAD OWNERS "<rows>%s",
                             single ? "<script owner='alice' name='a'/>"
                                      "<scriptText owner='alice' script='a' segment='1' text='1'/>"
                                    : "");
        for (int i = 0; i < PAIRS; i++)
            n += (size_t)snprintf(
                xml + n, CAP - n,
                "<script owner='alice' name='s%d'/>"
                "<scriptText owner='alice' script='s%d' segment='1' text='&quot;'/>"
                "<scriptText owner='alice' script='s%d' segment='2' text='&quot;'/>\n",
                i, i, i);
        snprintf(xml + n, CAP - n, "</rows></snmpalertd>");
        must_start(*state, xml);
    }
    free(xml);
}

#define IN_WORLD(test) cmocka_unit_test_setup_teardown(test, world_setup, world_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_WORLD(test_owners_sources_and_handlers),
        IN_WORLD(test_options_follow_the_file_until_they_are_set),
        IN_WORLD(test_an_option_that_does_not_fit_any_more_follows_again),
        IN_WORLD(test_rows_of_the_file),
        IN_WORLD(test_nothing_changes_when_the_file_does_not),
        IN_WORLD(test_what_managers_made_stays),
        IN_WORLD(test_what_managers_changed_stays),
        IN_WORLD(test_rows_that_the_file_has_no_more_go),
        IN_WORLD(test_all_definitions_of_a_full_quota_are_named_anew),
        IN_WORLD(test_what_stood_in_the_way_goes_first),
        IN_WORLD(test_rows_are_refused_with_their_place),
        IN_WORLD(test_a_custom_group_cannot_have_a_services_name),
        IN_WORLD(test_a_handler_that_managers_targets_use_cannot_go),
        IN_WORLD(test_a_handler_that_an_overridden_target_uses_cannot_go),
        IN_WORLD(test_an_owner_who_has_something_cannot_go),
        IN_WORLD(test_a_script_is_written_whole),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
