/* The handler as net-snmp calls it, without a master agent: what AgentX never sends (GETBULK) and
 * what is hard to time through one (a session that dies between two phases of a SET). */
#include "agent/table.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <net-snmp/net-snmp-config.h>
#include <net-snmp/net-snmp-includes.h>
#include <net-snmp/agent/net-snmp-agent-includes.h>

#include <cmocka.h>

#include "tests/unit/agent/fixture.h"

enum { BULK_MAX = 40, REQUESTS_MAX = 4, ROWS = 30 };

static struct store *store;
static struct agent_table *table;
static int sets_heard;

/* ---- the world ------------------------------------------------------------------------------ */

static void on_set(void *arg)
{
    ++*(int *)arg;
}

static void fill(void)
{
    struct txn *t = txn_begin(store, TXN_WRITE);
    struct err e = {.code = 0};
    struct key k = key_of_name("alice");
    struct edit d;

    edit_begin(&d, t, sa_table_by_id(SA_OWNER), &k);
    edit_int(&d, OWNER_MAX_DEFINITIONS, 0);
    assert_int_equal(row_put(&d, &e), 0);
    for (uint32_t id = 1; id <= ROWS; id++) {
        k = key_of_id("alice", id * 10);
        edit_begin(&d, t, sa_table_by_id(SA_HISTORY), &k);
        edit_str(&d, HISTORY_DEFINITION, "cpu");
        edit_int(&d, HISTORY_IN_TIME, INT64_C(1) << 40 | id);
        edit_int(&d, HISTORY_FROM, 1 + id % 5);
        assert_int_equal(row_put(&d, &e), 0);
    }
    assert_int_equal(txn_commit(t, &e), 0);
}

static int setup(void **state)
{
    struct agent_table_options o = {.on_set = on_set, .arg = &sets_heard};
    struct err e = {.code = 0};

    (void)state;
    store = fixture_open();
    o.store = store;
    fill();
    assert_int_equal(agent_table_new(&table, &o, &e), 0);
    assert_int_equal(agent_table_register(table, &e), 0);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    agent_table_free(table);
    fixture_close(store);
    return 0;
}

/* ---- calling as net-snmp does --------------------------------------------------------------- */

/* One PDU: its requests, each with a chain of varbinds behind it for GETBULK. */
struct call {
    netsnmp_agent_request_info info;
    netsnmp_agent_session session;
    netsnmp_pdu pdu;
    netsnmp_request_info requests[REQUESTS_MAX];
    netsnmp_variable_list *first[REQUESTS_MAX];
    int n;
    oid end[MAX_OID_LEN]; /* of the range: behind the root */
    size_t end_len;
};

static size_t name_of(oid *ret, const uint32_t *below, size_t n)
{
    for (size_t i = 0; i < sa_root_len; i++)
        ret[i] = sa_root[i];
    for (size_t i = 0; i < n; i++)
        ret[sa_root_len + i] = below[i];
    return sa_root_len + n;
}

static void call_init(struct call *c)
{
    memset(c, 0, sizeof(*c));
    c->pdu.flags = UCD_MSG_FLAG_ALWAYS_IN_VIEW;
    c->session.pdu = &c->pdu;
    c->info.asp = &c->session;
    c->end_len = name_of(c->end, NULL, 0);
    c->end[c->end_len - 1]++;
}

static netsnmp_variable_list *call_add(struct call *c, const uint32_t *below, size_t n, u_char type,
                                       const void *value, size_t len)
{
    netsnmp_request_info *r = &c->requests[c->n];
    oid name[MAX_OID_LEN];
    size_t name_len = name_of(name, below, n);

    r->requestvb = snmp_varlist_add_variable(&c->first[c->n], name, name_len, type, value, len);
    r->index = c->n + 1;
    r->range_end = c->end;
    r->range_end_len = c->end_len;
    r->agent_req_info = &c->info;
    if (c->n)
        c->requests[c->n - 1].next = r;
    c->n++;
    return r->requestvb;
}

/* Room for REPEAT more varbinds behind the last request. */
static void call_repeat(struct call *c, int repeat)
{
    netsnmp_request_info *r = &c->requests[c->n - 1];
    oid nothing[] = {0, 0};

    r->repeat = repeat;
    for (int i = 0; i < repeat; i++)
        snmp_varlist_add_variable(&c->first[c->n - 1], nothing, 2, ASN_PRIV_RETRY, NULL, 0);
}

static void call_run(struct call *c, int mode)
{
    netsnmp_subtree *at;
    oid root[MAX_OID_LEN];
    size_t len = name_of(root, NULL, 0);

    at = netsnmp_subtree_find(root, len, NULL, "");
    assert_non_null(at);
    c->info.mode = mode;
    assert_int_equal(netsnmp_call_handlers(at->reginfo, &c->info, c->requests), SNMP_ERR_NOERROR);
}

static int call_status(const struct call *c)
{
    for (int i = 0; i < c->n; i++)
        if (c->requests[i].status)
            return c->requests[i].status;
    return 0;
}

static void call_release(struct call *c)
{
    for (int i = 0; i < c->n; i++)
        snmp_free_varbind(c->first[i]);
    netsnmp_free_all_list_data(c->info.agent_data);
}

/* Is it COLUMN of saHistoryTable's Nth row? */
static void assert_history(const netsnmp_variable_list *vb, uint32_t column, uint32_t nth)
{
    uint32_t below[] = {1, SA_HISTORY, 1, column, 5, 'a', 'l', 'i', 'c', 'e', nth * 10};
    oid name[MAX_OID_LEN];
    size_t len = name_of(name, below, 11);

    assert_int_equal(snmp_oid_compare(vb->name, vb->name_length, name, len), 0);
}

/* ---- GETBULK -------------------------------------------------------------------------------- */

static const uint32_t from_column[] = {1, SA_HISTORY, 1, HISTORY_FROM};

static void bulk_fills_the_chain(void **state)
{
    netsnmp_variable_list *vb;
    struct call c;

    (void)state;
    call_init(&c);
    call_add(&c, from_column, 4, ASN_NULL, NULL, 0);
    call_repeat(&c, 24);
    call_run(&c, MODE_GETBULK);
    vb = c.first[0];
    for (uint32_t n = 1; n <= 25; n++, vb = vb->next_variable) {
        assert_history(vb, HISTORY_FROM, n);
        assert_int_equal(vb->type, ASN_INTEGER);
        assert_int_equal(*vb->val.integer, 1 + n % 5);
    }
    assert_null(vb);
    assert_int_equal(c.requests[0].repeat, 0);
    call_release(&c);
}

static void bulk_goes_on_in_the_next_column(void **state)
{
    netsnmp_variable_list *vb;
    struct call c;

    (void)state;
    call_init(&c);
    call_add(&c, from_column, 4, ASN_NULL, NULL, 0);
    call_repeat(&c, BULK_MAX - 1);
    call_run(&c, MODE_GETBULK);
    vb = c.first[0];
    for (uint32_t n = 1; n <= BULK_MAX; n++, vb = vb->next_variable)
        assert_history(vb, n <= ROWS ? HISTORY_FROM : HISTORY_TO, n <= ROWS ? n : n - ROWS);
    call_release(&c);
}

static void bulk_of_two_repeaters(void **state)
{
    const uint32_t in_time[] = {1, SA_HISTORY, 1, HISTORY_IN_TIME};
    struct call c;

    (void)state;
    call_init(&c);
    call_add(&c, from_column, 4, ASN_NULL, NULL, 0);
    call_repeat(&c, 1);
    call_add(&c, in_time, 4, ASN_NULL, NULL, 0);
    call_repeat(&c, 1);
    call_run(&c, MODE_GETBULK);
    assert_history(c.first[0]->next_variable, HISTORY_FROM, 2);
    assert_history(c.first[1], HISTORY_IN_TIME, 1);
    assert_history(c.first[1]->next_variable, HISTORY_IN_TIME, 2);
    assert_int_equal(c.first[1]->next_variable->type, ASN_COUNTER64);
    assert_int_equal(c.first[1]->next_variable->val.counter64->high, 256);
    assert_int_equal(c.first[1]->next_variable->val.counter64->low, 2);
    call_release(&c);
}

/* At the end of the view the rest is left for net-snmp, which looks on behind our registration. */
static void bulk_stops_at_the_end(void **state)
{
    const uint32_t near_end[] = {1,   SA_HISTORY, 1,  HISTORY_FIRMNESS, 5, 'a', 'l', 'i',
                                 'c', 'e',        289};
    netsnmp_variable_list *vb;
    struct call c;

    (void)state;
    call_init(&c);
    call_add(&c, near_end, 11, ASN_NULL, NULL, 0);
    call_repeat(&c, 5);
    call_run(&c, MODE_GETBULK);
    vb = c.first[0];
    assert_history(vb, HISTORY_FIRMNESS, 29);
    vb = vb->next_variable;
    assert_history(vb, HISTORY_FIRMNESS, 30);
    vb = vb->next_variable;
    assert_int_equal(vb->type, ASN_NULL);
    assert_ptr_equal(c.requests[0].requestvb, vb);
    assert_int_equal(c.requests[0].repeat, 3);
    assert_history(vb, HISTORY_FIRMNESS, 30); /* where the search goes on */
    call_release(&c);
}

/* Another subtree begins in the middle of ours: what lies behind it is not ours to give. */
static void bulk_stops_at_the_range_end(void **state)
{
    uint32_t below[] = {1, SA_HISTORY, 1, HISTORY_FROM, 5, 'a', 'l', 'i', 'c', 'e', 35};
    struct call c;

    (void)state;
    call_init(&c);
    c.end_len = name_of(c.end, below, 11);
    call_add(&c, from_column, 4, ASN_NULL, NULL, 0);
    call_repeat(&c, 9);
    call_run(&c, MODE_GETBULK);
    assert_history(c.first[0]->next_variable->next_variable, HISTORY_FROM, 3);
    assert_int_equal(c.requests[0].requestvb->type, ASN_NULL);
    assert_int_equal(snmp_oid_compare(c.requests[0].requestvb->name,
                                      c.requests[0].requestvb->name_length, c.end, c.end_len),
                     0);
    assert_int_equal(c.requests[0].inclusive, 2);
    assert_int_equal(c.requests[0].repeat, 6);
    call_release(&c);
}

/* Behind that other subtree ours begins anew, with the instance itself if there is one. */
static void bulk_begins_inclusively(void **state)
{
    uint32_t below[] = {1, SA_HISTORY, 1, HISTORY_FROM, 5, 'a', 'l', 'i', 'c', 'e', 40};
    struct call c;

    (void)state;
    for (uint32_t id = 40; id <= 41; id++) {
        call_init(&c);
        below[10] = id;
        call_add(&c, below, 11, ASN_NULL, NULL, 0);
        call_repeat(&c, 1);
        c.requests[0].inclusive = 2;
        call_run(&c, MODE_GETBULK);
        assert_history(c.first[0], HISTORY_FROM, id == 40 ? 4 : 5);
        assert_history(c.first[0]->next_variable, HISTORY_FROM, id == 40 ? 5 : 6);
        call_release(&c);
    }
}

/* What the store cannot give now: no handler of net-snmp's may go without it. */
static void without_a_store(void **state)
{
    static const int modes[] = {MODE_GET, MODE_GETNEXT, MODE_GETBULK, MODE_SET_RESERVE1,
                                MODE_SET_RESERVE2};
    struct call c;

    (void)state;
    agent_table_set_store(table, NULL);
    for (size_t i = 0; i < sizeof(modes) / sizeof(*modes); i++) {
        call_init(&c);
        call_add(&c, from_column, 4, ASN_NULL, NULL, 0);
        call_run(&c, modes[i]);
        assert_int_equal(call_status(&c), SNMP_ERR_GENERR);
        call_release(&c);
    }
    agent_table_set_store(table, store);
    call_init(&c);
    call_add(&c, from_column, 4, ASN_NULL, NULL, 0);
    call_run(&c, MODE_GETNEXT);
    assert_history(c.first[0], HISTORY_FROM, 1);
    call_release(&c);
}

static void next_outside_of_the_view(void **state)
{
    const uint32_t before[] = {0, 1}, behind[] = {2, 1};
    struct call c;

    (void)state;
    call_init(&c);
    call_add(&c, before, 2, ASN_NULL, NULL, 0);
    call_add(&c, behind, 2, ASN_NULL, NULL, 0);
    call_run(&c, MODE_GETNEXT);
    assert_int_equal(c.first[0]->name[sa_root_len], 1);
    assert_int_not_equal(c.first[0]->type, ASN_NULL);
    assert_int_equal(c.first[1]->type, ASN_NULL);
    assert_int_equal(c.first[1]->name_length, sa_root_len + 2);
    call_release(&c);
}

/* ---- a SET whose session dies --------------------------------------------------------------- */

static size_t group_cell(uint32_t *below, uint32_t column)
{
    const uint32_t name[] = {1, SA_GROUP, 1, column, 5, 'a', 'l', 'i', 'c', 'e', 3, 'o', 'p', 's'};

    memcpy(below, name, sizeof(name));
    return sizeof(name) / sizeof(*name);
}

static void call_add_status(struct call *c, long status)
{
    uint32_t below[16];
    size_t n = group_cell(below, GROUP_STATUS);

    call_add(c, below, n, ASN_INTEGER, &status, sizeof(status));
}

static bool group_exists(void)
{
    struct key k = key_of_names("alice", "ops");
    struct txn *t = txn_begin(store, TXN_READ);
    bool found = row_exists(t, sa_table_by_id(SA_GROUP), &k);

    txn_abort(t);
    return found;
}

static void set_goes_through_its_phases(void **state)
{
    struct call c;

    (void)state;
    sets_heard = 0;
    call_init(&c);
    call_add_status(&c, ROW_CREATE_AND_GO);
    call_run(&c, MODE_SET_RESERVE1);
    call_run(&c, MODE_SET_RESERVE2);
    assert_false(group_exists());
    call_run(&c, MODE_SET_ACTION);
    assert_int_equal(call_status(&c), 0);
    assert_true(group_exists());
    assert_int_equal(sets_heard, 0);
    call_run(&c, MODE_SET_COMMIT);
    assert_int_equal(sets_heard, 1);
    call_release(&c);
    assert_true(group_exists());
}

static void set_is_undone(void **state)
{
    struct call c;

    (void)state;
    sets_heard = 0;
    call_init(&c);
    call_add_status(&c, ROW_DESTROY);
    call_run(&c, MODE_SET_RESERVE1);
    call_run(&c, MODE_SET_RESERVE2);
    call_run(&c, MODE_SET_ACTION);
    assert_false(group_exists());
    call_run(&c, MODE_SET_UNDO);
    assert_int_equal(call_status(&c), 0);
    assert_true(group_exists());
    assert_int_equal(sets_heard, 1);
    call_release(&c);
}

/* No master should, but what was committed is still to be undone. */
static void phases_come_again(void **state)
{
    struct call c;

    (void)state;
    call_init(&c);
    call_add_status(&c, ROW_DESTROY);
    call_run(&c, MODE_SET_RESERVE1);
    call_run(&c, MODE_SET_RESERVE2);
    call_run(&c, MODE_SET_ACTION);
    assert_false(group_exists());
    call_run(&c, MODE_SET_RESERVE2);
    assert_int_equal(call_status(&c), SNMP_ERR_GENERR);
    c.requests[0].status = 0;
    call_run(&c, MODE_SET_ACTION);
    assert_int_equal(call_status(&c), SNMP_ERR_COMMITFAILED);
    call_run(&c, MODE_SET_UNDO);
    assert_true(group_exists());
    call_release(&c);
}

static void session_dies_before_the_commit(void **state)
{
    struct call c;

    (void)state;
    call_init(&c);
    call_add_status(&c, ROW_DESTROY);
    call_run(&c, MODE_SET_RESERVE1);
    call_run(&c, MODE_SET_RESERVE2);
    agent_table_session_lost(table);
    call_run(&c, MODE_SET_ACTION);
    assert_int_equal(call_status(&c), SNMP_ERR_COMMITFAILED);
    assert_true(group_exists());
    call_run(&c, MODE_SET_UNDO);
    call_release(&c);
    assert_true(group_exists());
}

static void session_dies_after_the_commit(void **state)
{
    struct call c;

    (void)state;
    call_init(&c);
    call_add_status(&c, ROW_DESTROY);
    call_run(&c, MODE_SET_RESERVE1);
    call_run(&c, MODE_SET_RESERVE2);
    call_run(&c, MODE_SET_ACTION);
    agent_table_session_lost(table);
    call_release(&c);
    assert_false(group_exists());
}

static void two_sets_between_their_phases(void **state)
{
    struct call a, b;
    uint32_t below[16];
    size_t n = group_cell(below, GROUP_DESCRIPTION);

    (void)state;
    call_init(&a);
    call_init(&b);
    call_add_status(&a, ROW_CREATE_AND_GO);
    call_add_status(&b, ROW_CREATE_AND_GO);
    call_add(&b, below, n, ASN_OCTET_STR, "late", 4);
    call_run(&a, MODE_SET_RESERVE1);
    call_run(&b, MODE_SET_RESERVE1);
    call_run(&a, MODE_SET_RESERVE2);
    call_run(&b, MODE_SET_RESERVE2);
    call_run(&a, MODE_SET_ACTION);
    assert_int_equal(call_status(&a), 0);
    call_run(&b, MODE_SET_ACTION); /* what it checked is no longer so */
    assert_int_equal(call_status(&b), SNMP_ERR_COMMITFAILED);
    call_run(&a, MODE_SET_COMMIT);
    call_run(&b, MODE_SET_UNDO);
    call_release(&b);
    call_release(&a);
    assert_true(group_exists());
}

/* ---- contexts of owners --------------------------------------------------------------------- */

static void put_owner(const char *name, bool there)
{
    struct txn *t = txn_begin(store, TXN_WRITE);
    struct err e = {.code = 0};
    struct key k = key_of_name(name);
    struct edit d;

    if (there) {
        edit_begin(&d, t, sa_table_by_id(SA_OWNER), &k);
        edit_int(&d, OWNER_MAX_DEFINITIONS, 0);
        assert_int_equal(row_put(&d, &e), 0);
    } else {
        assert_int_equal(row_delete(t, sa_table_by_id(SA_OWNER), &k), 0);
    }
    assert_int_equal(txn_commit(t, &e), 0);
}

/* Who answers for the root in a context; NULL: nobody. */
static netsnmp_handler_registration *served(const char *context)
{
    oid root[MAX_OID_LEN];
    size_t len = name_of(root, NULL, 0);
    netsnmp_subtree *at = netsnmp_subtree_find(root, len, NULL, context);

    return at && at->reginfo && at->namelen == len ? at->reginfo : NULL;
}

static void follow(void)
{
    while (agent_table_follow(table) == 0)
        ;
}

static void contexts_follow_the_owners(void **state)
{
    (void)state;
    follow();
    assert_non_null(served("alice"));
    assert_null(served("bob"));
    assert_null(served("alic"));
    put_owner("bob", true);
    put_owner("a", true);
    assert_int_equal(agent_table_follow(table), 0); /* one a call: "a", which comes first */
    assert_non_null(served("a"));
    assert_null(served("bob"));
    follow();
    assert_non_null(served("bob"));
    assert_true(agent_table_follow(table) > 20); /* there is nothing to do */
    put_owner("a", false);
    follow();
    assert_null(served("a"));
    put_owner("a", true);
    put_owner("bob", false);
    follow();
    assert_non_null(served("a"));
    assert_null(served("bob"));
    put_owner("a", false);
    follow();
    assert_non_null(served("alice"));
    assert_non_null(served(""));
}

/* Each is asked for again, one a call, and none is taken back before: that would take it from who
 * serves. */
static void what_was_refused_is_asked_for_again(void **state)
{
    int steps = 0;

    (void)state;
    follow();
    agent_table_register_anew(table);
    while (agent_table_follow(table) == 0)
        steps++;
    assert_int_equal(steps, 2);
    assert_non_null(served(""));
    assert_non_null(served("alice"));
}

/* net-snmp holds on to the registration in which a SET began. */
static void contexts_wait_for_the_end_of_a_set(void **state)
{
    struct call c;

    (void)state;
    put_owner("bob", true);
    call_init(&c);
    call_add_status(&c, ROW_DESTROY);
    call_run(&c, MODE_SET_RESERVE1);
    assert_in_range(agent_table_follow(table), 1, 100);
    assert_null(served("bob"));
    call_run(&c, MODE_SET_FREE);
    call_release(&c);
    follow();
    assert_non_null(served("bob"));
    put_owner("bob", false);
    follow();
}

static void run_in(struct call *c, const char *context, int mode)
{
    c->info.mode = mode;
    assert_int_equal(netsnmp_call_handlers(served(context), &c->info, c->requests),
                     SNMP_ERR_NOERROR);
}

static void bulk_in_a_context_stops_at_the_owners_end(void **state)
{
    const uint32_t begin[] = {1};
    struct call c;
    struct txn *t;
    struct key k = key_of_id("bob", 7);
    struct edit d;
    struct err e;

    (void)state;
    put_owner("bob", true);
    t = txn_begin(store, TXN_WRITE);
    edit_begin(&d, t, sa_table_by_id(SA_HISTORY), &k);
    edit_str(&d, HISTORY_DEFINITION, "cpu");
    assert_int_equal(row_put(&d, &e), 0);
    assert_int_equal(txn_commit(t, &e), 0);
    follow();
    call_init(&c);
    call_add(&c, begin, 1, ASN_NULL, NULL, 0);
    call_repeat(&c, BULK_MAX - 1);
    run_in(&c, "bob", MODE_GETBULK);
    size_t n = 0;
    for (netsnmp_variable_list *vb = c.first[0];
         vb && vb->type != ASN_NULL && vb->type != ASN_PRIV_RETRY; vb = vb->next_variable, n++) {
        const oid *below = vb->name + sa_root_len;

        assert_int_equal(below[0], 1);
        assert_true(below[1] == SA_OWNER || below[1] == SA_HISTORY);
        assert_true(below[4] == 3 && below[5] == 'b' && below[6] == 'o' && below[7] == 'b');
    }
    assert_int_equal(n, 4 + 12); /* the readable columns of both tables */
    call_release(&c);
    t = txn_begin(store, TXN_WRITE);
    assert_int_equal(row_delete(t, sa_table_by_id(SA_HISTORY), &k), 0);
    assert_int_equal(txn_commit(t, &e), 0);
    put_owner("bob", false);
    follow();
}

static void a_set_in_a_context_is_its_owners(void **state)
{
    struct call c;

    (void)state;
    put_owner("bob", true);
    follow();
    call_init(&c);
    call_add_status(&c, ROW_DESTROY); /* alice's */
    run_in(&c, "bob", MODE_SET_RESERVE1);
    assert_int_equal(call_status(&c), SNMP_ERR_NOCREATION);
    run_in(&c, "bob", MODE_SET_FREE);
    call_release(&c);
    assert_true(group_exists());
    put_owner("bob", false);
    follow();
}

static void register_twice_and_again(void **state)
{
    struct err e = {.code = 0};

    (void)state;
    assert_int_equal(agent_table_register(table, &e), 0);
    agent_table_unregister(table);
    agent_table_unregister(table);
    assert_int_equal(agent_table_register(table, &e), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bulk_fills_the_chain),
        cmocka_unit_test(bulk_goes_on_in_the_next_column),
        cmocka_unit_test(bulk_of_two_repeaters),
        cmocka_unit_test(bulk_stops_at_the_end),
        cmocka_unit_test(bulk_stops_at_the_range_end),
        cmocka_unit_test(bulk_begins_inclusively),
        cmocka_unit_test(without_a_store),
        cmocka_unit_test(next_outside_of_the_view),
        cmocka_unit_test(set_goes_through_its_phases),
        cmocka_unit_test(set_is_undone),
        cmocka_unit_test(phases_come_again),
        cmocka_unit_test(session_dies_before_the_commit),
        cmocka_unit_test(session_dies_after_the_commit),
        cmocka_unit_test(two_sets_between_their_phases),
        cmocka_unit_test(contexts_follow_the_owners),
        cmocka_unit_test(what_was_refused_is_asked_for_again),
        cmocka_unit_test(contexts_wait_for_the_end_of_a_set),
        cmocka_unit_test(bulk_in_a_context_stops_at_the_owners_end),
        cmocka_unit_test(a_set_in_a_context_is_its_owners),
        cmocka_unit_test(register_twice_and_again),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
