/* The standard modules' handler as net-snmp calls it, without a master agent: what AgentX hides
 * (inclusive requests, a conflict within the process) and what is hard to time through one (a
 * session that dies between two phases of a SET). */
#include "agent/standard.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <net-snmp/net-snmp-config.h>
#include <net-snmp/net-snmp-includes.h>
#include <net-snmp/agent/net-snmp-agent-includes.h>

#include <cmocka.h>

#include "tests/unit/agent/fixture.h"

static struct store *store;
static struct agent_standard *standard;
static int sets_heard;

static oid limit[] = {1, 3, 6, 1, 2, 1, 92, 1, 1, 1, 0};
static oid age_out[] = {1, 3, 6, 1, 2, 1, 92, 1, 1, 2, 0};
static oid taken[] = {1, 3, 6, 1, 2, 1, 121, 1};

/* ---- the world ------------------------------------------------------------------------------ */

static void on_set(void *arg)
{
    ++*(int *)arg;
}

static int handle_other(netsnmp_mib_handler *handler, netsnmp_handler_registration *registration,
                        netsnmp_agent_request_info *info, netsnmp_request_info *requests)
{
    (void)handler, (void)registration, (void)info, (void)requests;
    return SNMP_ERR_NOERROR;
}

/* Another one in this process has ITU-ALARM-MIB. */
static int setup(void **state)
{
    struct agent_standard_options o = {.on_set = on_set, .arg = &sets_heard};
    struct err e = {.code = 0};

    (void)state;
    store = fixture_open();
    o.store = store;
    assert_int_equal(netsnmp_register_handler(netsnmp_create_handler_registration(
                         "other", handle_other, taken, OID_LENGTH(taken), HANDLER_CAN_RONLY)),
                     MIB_REGISTERED_OK);
    assert_int_equal(agent_standard_new(&standard, &o, &e), 0);
    assert_int_equal(agent_standard_register(standard, &e), 0);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    agent_standard_free(standard);
    fixture_close(store);
    return 0;
}

static int64_t system_cell(unsigned column)
{
    struct txn *t = txn_begin(store, TXN_READ);
    struct row r = {.table = sa_table_by_id(SA_SYSTEM)};
    struct key k;
    int64_t v;

    key_init(&k);
    key_u32(&k, 0);
    row_get(t, r.table, &k, &r);
    v = row_int(&r, column);
    txn_abort(t);
    return v;
}

/* ---- calling as net-snmp does --------------------------------------------------------------- */

struct call {
    netsnmp_agent_request_info info;
    netsnmp_request_info request;
    netsnmp_variable_list *vb;
    netsnmp_subtree *at;
};

/* One varbind; its registration is that which serves NAME. */
static void call_init(struct call *c, oid *name, size_t n, u_char type, u_long value)
{
    memset(c, 0, sizeof(*c));
    c->at = netsnmp_subtree_find(name, n, NULL, "");
    assert_non_null(c->at);
    c->request.requestvb = snmp_varlist_add_variable(
        &c->vb, name, n, type, type == ASN_NULL ? NULL : &value, type == ASN_NULL ? 0 : 8);
    c->request.index = 1;
    c->request.range_end = c->at->end_a;
    c->request.range_end_len = c->at->end_len;
    c->request.agent_req_info = &c->info;
}

static int call_run(struct call *c, int mode)
{
    c->info.mode = mode;
    assert_int_equal(netsnmp_call_handlers(c->at->reginfo, &c->info, &c->request),
                     SNMP_ERR_NOERROR);
    return c->request.status;
}

static void call_release(struct call *c)
{
    snmp_free_varbind(c->vb);
    netsnmp_free_all_list_data(c->info.agent_data);
}

static void assert_named(const struct call *c, const oid *name, size_t n)
{
    assert_int_equal(snmp_oid_compare(c->vb->name, c->vb->name_length, name, n), 0);
}

/* ---- reading -------------------------------------------------------------------------------- */

static void inclusive_is_the_instance_itself(void **state)
{
    struct call c;

    (void)state;
    call_init(&c, limit, OID_LENGTH(limit), ASN_NULL, 0);
    c.request.inclusive = 1;
    assert_int_equal(call_run(&c, MODE_GETNEXT), 0);
    assert_named(&c, limit, OID_LENGTH(limit));
    assert_int_equal(c.vb->type, ASN_GAUGE);
    assert_int_equal(*c.vb->val.integer, 100000);
    call_release(&c);
}

static void behind_the_instance_is_nothing_of_its_registration(void **state)
{
    struct call c;

    (void)state;
    call_init(&c, limit, OID_LENGTH(limit), ASN_NULL, 0);
    assert_int_equal(call_run(&c, MODE_GETNEXT), 0);
    assert_named(&c, limit, OID_LENGTH(limit)); /* as it was: look on behind */
    assert_int_equal(c.vb->type, ASN_NULL);
    call_release(&c);
}

static void what_another_has_is_left_to_it(void **state)
{
    oid scalar[] = {1, 3, 6, 1, 2, 1, 118, 1, 2, 5, 0};
    netsnmp_subtree *at = netsnmp_subtree_find(taken, OID_LENGTH(taken), NULL, "");
    struct call c;

    (void)state;
    assert_string_equal(at->reginfo->handlerName, "other");
    call_init(&c, scalar, OID_LENGTH(scalar), ASN_NULL, 0);
    assert_int_equal(call_run(&c, MODE_GET), 0);
    assert_int_equal(c.vb->type, ASN_COUNTER);
    call_release(&c);
}

static void it_is_taken_when_it_is_free(void **state)
{
    netsnmp_subtree *at;

    (void)state;
    assert_true(agent_standard_again(standard)); /* not yet */
    assert_int_equal(unregister_mib(taken, OID_LENGTH(taken)), MIB_UNREGISTERED_OK);
    assert_true(agent_standard_again(standard));
    at = netsnmp_subtree_find(taken, OID_LENGTH(taken), NULL, "");
    assert_string_equal(at->reginfo->handlerName, "ITU-ALARM-MIB");
    assert_false(agent_standard_again(standard));
}

static void refusals_are_known_by_their_names(void **state)
{
    const uint32_t ours[] = {1, 3, 6, 1, 2, 1, 118, 1}, longer[] = {1, 3, 6, 1, 2, 1, 118, 1, 2};

    (void)state;
    assert_false(agent_standard_refused(standard, "", longer, 9));
    assert_false(agent_standard_refused(standard, "", ours, 7));
    assert_false(agent_standard_refused(standard, "alice", longer, 9));
    assert_false(agent_standard_again(standard));
    assert_true(agent_standard_refused(standard, "alice", ours, 8));
    assert_true(agent_standard_again(standard));
    assert_false(agent_standard_again(standard));
    assert_true(agent_standard_refused(standard, "", ours, 8));
    assert_true(agent_standard_again(standard));
    assert_false(agent_standard_again(standard));
}

/* ---- setting -------------------------------------------------------------------------------- */

static void undo_puts_back(void **state)
{
    struct call c;
    int heard = sets_heard;

    (void)state;
    call_init(&c, age_out, OID_LENGTH(age_out), ASN_UNSIGNED, 5);
    assert_int_equal(call_run(&c, MODE_SET_RESERVE1), 0);
    assert_int_equal(call_run(&c, MODE_SET_RESERVE2), 0);
    assert_int_equal(system_cell(SYSTEM_HISTORY_MAX_AGE), 90 * 24 * 3600);
    assert_int_equal(call_run(&c, MODE_SET_ACTION), 0);
    assert_int_equal(system_cell(SYSTEM_HISTORY_MAX_AGE), 300);
    assert_int_equal(call_run(&c, MODE_SET_UNDO), 0);
    assert_int_equal(system_cell(SYSTEM_HISTORY_MAX_AGE), 90 * 24 * 3600);
    assert_int_equal(sets_heard, heard + 1);
    call_release(&c);
}

static void a_session_that_dies_changes_nothing(void **state)
{
    struct call c;

    (void)state;
    call_init(&c, limit, OID_LENGTH(limit), ASN_UNSIGNED, 7);
    assert_int_equal(call_run(&c, MODE_SET_RESERVE1), 0);
    assert_int_equal(call_run(&c, MODE_SET_RESERVE2), 0);
    agent_standard_session_lost(standard);
    assert_int_equal(call_run(&c, MODE_SET_ACTION), SNMP_ERR_COMMITFAILED);
    assert_int_equal(system_cell(SYSTEM_HISTORY_MAX_ROWS), 100000);
    call_release(&c);
}

static void two_registrations_are_one_set(void **state)
{
    static const int modes[] = {MODE_SET_RESERVE1, MODE_SET_RESERVE2, MODE_SET_ACTION,
                                MODE_SET_COMMIT};
    struct call a, b;
    int heard = sets_heard;

    (void)state;
    call_init(&a, limit, OID_LENGTH(limit), ASN_UNSIGNED, 7);
    call_init(&b, age_out, OID_LENGTH(age_out), ASN_UNSIGNED, 8);
    for (size_t i = 0; i < sizeof(modes) / sizeof(*modes); i++) {
        assert_int_equal(call_run(&a, modes[i]), 0);
        b.info.agent_data = a.info.agent_data; /* both are of one PDU */
        assert_int_equal(call_run(&b, modes[i]), 0);
    }
    assert_int_equal(system_cell(SYSTEM_HISTORY_MAX_ROWS), 7);
    assert_int_equal(system_cell(SYSTEM_HISTORY_MAX_AGE), 480);
    assert_int_equal(sets_heard, heard + 1);
    b.info.agent_data = NULL;
    call_release(&a);
    call_release(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(inclusive_is_the_instance_itself),
        cmocka_unit_test(behind_the_instance_is_nothing_of_its_registration),
        cmocka_unit_test(what_another_has_is_left_to_it),
        cmocka_unit_test(it_is_taken_when_it_is_free),
        cmocka_unit_test(refusals_are_known_by_their_names),
        cmocka_unit_test(undo_puts_back),
        cmocka_unit_test(a_session_that_dies_changes_nothing),
        cmocka_unit_test(two_registrations_are_one_set),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
