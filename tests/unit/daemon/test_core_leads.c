/* What managers and files may do to handlers that lead to others: nothing may lead nowhere, or back
 * to itself, whoever makes it so. */
#include "tests/unit/alerts/fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "alerts/checks.h"
#include "daemon/core.h"
#include "daemon/kinds.h"
#include "store/view.h"

#define FILE_OF(handlers)                                                                          \
    "<snmpalertd xmlns='urn:snmpalertd:config'><store path='/s'/>\n<handlers>\n" handlers          \
    "</handlers></snmpalertd>"
#define ENDS                                                                                       \
    "<snmp name='pager' host='127.0.0.1'/><snmp name='hostless'/>"                                 \
    "<smtp name='mail' host='127.0.0.1' fromAddress='a@example.net' encryption='none'/>"
#define A   "<publish name='a' handlers='pager b'/>"
#define B   "<publish name='b' handlers='pager'/>"
#define C   "<publish name='c' handlers='pager'/>"
#define SUM "<aggregate name='sum' handler='a'/>"
#define ALL ENDS A B C SUM

struct play {
    struct world w;
    struct core core;
    struct err e; /* of the last refusal */
};

/* ---- files ---- */

static void free_handlers(struct core *c)
{
    core_parts_free(c);
    config_free(c->config);
    c->config = NULL;
}

static void add_handlers(struct core *c)
{
    c->nhandlers = c->config->nhandlers;
    c->handlers = calloc(c->nhandlers, sizeof *c->handlers);
    assert_non_null(c->handlers);
    for (size_t i = 0; i < c->nhandlers; i++) {
        c->handlers[i] = calloc(1, sizeof **c->handlers);
        assert_non_null(c->handlers[i]);
        c->handlers[i]->config = &c->config->handlers[i];
    }
}

static int load(struct play *p, const char *xml)
{
    struct config *f;
    int err;

    if (config_parse(&f, "the.xml", xml, strlen(xml), &daemon_kinds, &p->e))
        fail_msg("%s", p->e.text);
    err = core_config_apply(&p->core, f, &p->e);
    if (err) {
        config_free(f);
        return err;
    }
    free_handlers(&p->core);
    p->core.config = f;
    add_handlers(&p->core);
    return 0;
}

static int setup(void **state)
{
    static const struct checks checks = {.kinds = &daemon_kinds};
    struct play *p = calloc(1, sizeof *p);

    assert_non_null(p);
    world_init(&p->w);
    p->core.store = p->w.store;
    assert_int_equal(checks_register(p->w.store, &checks), 0);
    if (load(p, FILE_OF(ALL)))
        fail_msg("%s", p->e.text);
    *state = p;
    return 0;
}

static int teardown(void **state)
{
    struct play *p = *state;

    free_handlers(&p->core);
    world_release(&p->w);
    free(p);
    return 0;
}

/* ---- SETs ---- */

struct bind {
    const char *handler, *property; /* no property: saHandlerRevert */
    const char *value;              /* NULL: revert it */
};

static int add(struct set *x, int tag, const struct bind *b, struct err *e)
{
    const struct sa_table *table = sa_table_by_id(b->property ? SA_HANDLER_PROPERTY : SA_HANDLER);
    unsigned column = !b->property ? HANDLER_REVERT
                      : b->value   ? HANDLER_PROPERTY_VALUE
                                   : HANDLER_PROPERTY_REVERT;
    struct set_value v = {.type = SET_INT32, .number = 2};
    struct key k = key_of_names("admin", b->handler);
    struct slice key;
    uint32_t subids[128];

    if (b->property)
        key_str(&k, b->property);
    key = key_slice(&k);
    if (b->value) {
        v.type = SET_OCTETS;
        v.bytes = (struct slice){(const uint8_t *)b->value, strlen(b->value)};
    }
    return set_add(x, tag, subids, view_oid(table, column, &key, subids, 128), &v, e);
}

static int set_binds(struct play *p, const struct bind *binds, size_t n)
{
    struct set *x = set_new(p->w.store, SET_SNMP);
    int err = 0, tag;

    for (size_t i = 0; i < n && !err; i++)
        err = add(x, (int)i, &binds[i], &p->e);
    if (!err)
        err = set_check(x, &tag, &p->e);
    if (!err)
        err = set_commit(x, &tag, &p->e);
    set_free(x);
    return err;
}

/* The core takes in what was SET. */
static void follow(struct play *p)
{
    struct txn *t = begin(&p->w);
    uint64_t seq = changes_consumed(t);
    struct change ch;

    while (!changes_next(t, seq, &ch)) {
        struct key key = key_copy(ch.key);

        ch.key = key_slice(&key);
        seq = ch.seq;
        if (ch.table == SA_HANDLER || ch.table == SA_HANDLER_PROPERTY)
            assert_int_equal(core_parts_mark(&p->core, t, &ch, 1), 0);
    }
    assert_int_equal(changes_consume(t, seq), 0);
    done(t);
}

#define SET(p, ...)                                                                                \
    set_binds(p, (const struct bind[]){__VA_ARGS__}, COUNT(((const struct bind[]){__VA_ARGS__})))

static void check_refused(struct play *p, const struct bind *b, const char *words)
{
    const char *said;

    assert_int_equal(set_binds(p, b, 1), ERR_INCONSISTENT_VALUE);
    said = strstr(p->e.text, "\": "); /* behind the object's name */
    assert_non_null(said);
    assert_string_equal(said + 3, words);
}

static const char *value_of(struct play *p, const char *handler, const char *property)
{
    struct txn *t = txn_begin(p->w.store, TXN_READ);
    const char *s =
        text_of(t, SA_HANDLER_PROPERTY, key3("admin", handler, property), HANDLER_PROPERTY_VALUE);

    txn_abort(t);
    return s;
}

/* ---- the tests ---- */

static void sets_are_checked(void **state)
{
    static const struct {
        struct bind bind;
        const char *words;
    } bad[] = {
        {{"b", "handlers", "pager a"}, "property 'handlers': it leads back to itself: b > a > b"},
        {{"b", "handlers", "b"}, "property 'handlers': it leads back to itself: b > b"},
        {{"b", "handlers", "nobody"}, "property 'handlers': admin has no handler 'nobody'"},
        {{"b", "handlers", "mail"},
         "property 'handlers': handler 'mail' is of kind smtp, which needs recipients: a target "
         "has "
         "to name it"},
        {{"b", "handlers", "hostless"},
         "property 'handlers': handler 'hostless' has no host of its own to send to"},
        {{"b", "handlers", "sum"},
         "property 'handlers': handler 'sum' is of kind aggregate, which gathers for a target: one "
         "has to name it"},
        {{"sum", "handler", "sum"}, "property 'handler': it leads back to itself: sum > sum"},
        {{"b", "handlers", " "}, "it names no handler"},
    };
    struct play *p = *state;

    for (size_t i = 0; i < COUNT(bad); i++)
        check_refused(p, &bad[i].bind, bad[i].words);
    assert_string_equal(value_of(p, "b", "handlers"), "pager");
    assert_int_equal(SET(p, {"sum", "interval", "10s"}, {"sum", "handler", "b"}), 0);
    assert_int_equal(SET(p, {"sum", "interval", "13h"}), ERR_WRONG_VALUE);
    /* Both ends of a SET are looked at as they will be. */
    assert_int_equal(SET(p, {"a", "handlers", "c"}, {"b", "handlers", "a"}), 0);
    assert_int_equal(SET(p, {"b", "handlers", "pager"}, {"a", "handlers", "pager"}), 0);
    assert_int_equal(SET(p, {"b", "handlers", "c"}, {"c", "handlers", "b"}),
                     ERR_INCONSISTENT_VALUE);
}

/* What one property would be again may go round with what another one is. */
static void what_is_taken_back_is_checked(void **state)
{
    struct play *p = *state;

    assert_int_equal(SET(p, {"a", "handlers", "c"}), 0);
    assert_int_equal(SET(p, {"b", "handlers", "a"}), 0);
    check_refused(p, &(struct bind){"a", "handlers", NULL},
                  "property 'handlers': it leads back to itself: a > b > a");
    assert_string_equal(value_of(p, "a", "handlers"), "c");
    /* A whole handler is taken back all the same, and what does not go with it, too. */
    assert_int_equal(SET(p, {"a", NULL, NULL}), 0);
    follow(p);
    assert_string_equal(value_of(p, "a", "handlers"), "pager b");
    assert_string_equal(value_of(p, "b", "handlers"), "pager");
    assert_true(p->core.parts_follow);
}

static void files_go_with_what_managers_set(void **state)
{
    struct play *p = *state;

    assert_int_equal(SET(p, {"c", "handlers", "a"}), 0);
    follow(p);
    assert_int_equal(load(p, FILE_OF(ENDS A "\n<publish name='b' handlers='c'/>" C)), ERR_INVALID);
    assert_string_equal(p->e.text, "the.xml:3: <publish> 'a' of admin, with what managers set: it "
                                   "leads back to itself: a > b > c > a");
    assert_int_equal(load(p, FILE_OF(ENDS "\n" B C)), ERR_INVALID);
    assert_string_equal(p->e.text, "the.xml:4: <publish> 'c' of admin, with what managers set: "
                                   "admin has no handler 'a'");
    assert_int_equal(load(p, FILE_OF(ENDS A B C)), 0);
    assert_string_equal(value_of(p, "c", "handlers"), "a");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(sets_are_checked, setup, teardown),
        cmocka_unit_test_setup_teardown(what_is_taken_back_is_checked, setup, teardown),
        cmocka_unit_test_setup_teardown(files_go_with_what_managers_set, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
