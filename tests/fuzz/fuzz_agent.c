/* PDUs as net-snmp hands them to the agent's handler: GET, GETNEXT, GETBULK, and two SETs whose
 * phases come in any order, with sessions lost between them. Whatever comes, only a SET whose
 * ACTION went well has changed anything, and UNDO takes it back; and in the context of an owner it
 * has changed nothing of others.
 *
 * The input: how many varbinds go to the first PDU (low 4 bits) and how many steps there are (high
 * 4 bits, times 2); the steps; the varbinds, each as length of the OID, the OID below the root,
 * type, length of the value, the value. */
#include <string.h>

#include <net-snmp/net-snmp-config.h>
#include <net-snmp/net-snmp-includes.h>
#include <net-snmp/agent/net-snmp-agent-includes.h>

#include "agent/table.h"
#include "base/log.h"
#include "tests/fuzz/world.h"

enum { PDUS = 2, REQUESTS_MAX = 16, REPEAT_MAX = 20 };

struct call {
    netsnmp_agent_request_info info;
    netsnmp_agent_session session;
    netsnmp_pdu pdu;
    netsnmp_request_info requests[REQUESTS_MAX];
    netsnmp_variable_list *first[REQUESTS_MAX];
    int n;
    bool over;         /* its last phase was */
    bool begun, owned; /* in the context of OWNER */
};

static const char OWNER[] = "b";
static struct agent_table *table;
static oid root[MAX_OID_LEN], range_end[MAX_OID_LEN];

/* What the store went through since the input began. */
struct trace {
    unsigned acted, undone; /* SETs */
    unsigned owned;         /* of those that acted: in the context of OWNER */
    struct call *last;      /* the PDU of the last ACTION */
};

static void start(void)
{
    struct agent_table_options o = {.store = world_store()};
    struct err e;

    if (table)
        return;
    log_open("fuzz", LOG_LEVEL_ERROR);
    snmp_disable_log();
    for (size_t i = 0; i < sa_root_len; i++)
        root[i] = range_end[i] = sa_root[i];
    range_end[sa_root_len - 1]++;
    REQUIRE(agent_table_new(&table, &o, &e) == 0 && agent_table_register(table, &e) == 0);
    while (agent_table_follow(table) == 0)
        ;
}

static void renew(void)
{
    agent_table_free(table);
    table = NULL;
    world_renew();
}

/* ---- varbinds ---- */

static netsnmp_variable_list *add_value(netsnmp_variable_list **list, const oid *name, size_t len,
                                        u_char type, struct slice v)
{
    uint64_t number = 0;
    struct counter64 wide;
    long narrow;
    oid subids[SUBIDS_MAX];
    uint32_t read[SUBIDS_MAX];
    size_t n;

    for (size_t i = 0; i < v.len && i < 8; i++)
        number = number << 8 | v.data[i];
    switch (type) {
    case ASN_INTEGER:
    case ASN_GAUGE:
    case ASN_COUNTER:
    case ASN_TIMETICKS:
        narrow = type == ASN_INTEGER ? (int32_t)number : (long)(uint32_t)number;
        return snmp_varlist_add_variable(list, name, len, type, &narrow, sizeof narrow);
    case ASN_COUNTER64:
        wide = (struct counter64){number >> 32, number & 0xffffffffu};
        return snmp_varlist_add_variable(list, name, len, type, &wide, sizeof wide);
    case ASN_OBJECT_ID:
        n = world_subids(v.data, v.len, read);
        for (size_t i = 0; i < n; i++)
            subids[i] = read[i];
        return snmp_varlist_add_variable(list, name, len, type, subids, n * sizeof(oid));
    case ASN_NULL:
        return snmp_varlist_add_variable(list, name, len, type, NULL, 0);
    case ASN_IPADDRESS:
        return snmp_varlist_add_variable(list, name, len, type, "\300\0\2\1", 4);
    default:
        return snmp_varlist_add_variable(list, name, len, type, v.data, v.len);
    }
}

static void add_request(struct call *c, const uint8_t **p, size_t *left)
{
    static const u_char types[] = {ASN_INTEGER, ASN_GAUGE,     ASN_COUNTER64, ASN_OCTET_STR,
                                   ASN_NULL,    ASN_OBJECT_ID, ASN_IPADDRESS, ASN_OPAQUE,
                                   ASN_COUNTER, ASN_TIMETICKS};
    netsnmp_request_info *r = &c->requests[c->n];
    struct slice below = world_take(p, left, world_octet(p, left)), value;
    u_char type = types[world_octet(p, left) % sizeof types];
    uint32_t subids[SUBIDS_MAX];
    size_t n = world_subids(below.data, below.len, subids), len = sa_root_len + 1;
    oid name[MAX_OID_LEN];

    value = world_take(p, left, world_octet(p, left));
    for (size_t i = 0; i < sa_root_len; i++)
        name[i] = sa_root[i];
    name[sa_root_len] = 1;
    for (size_t i = 0; i < n && len < MAX_OID_LEN; i++)
        name[len++] = subids[i];
    r->requestvb = add_value(&c->first[c->n], name, len, type, value);
    if (!r->requestvb)
        return; /* net-snmp does not have such a value */
    r->index = c->n + 1;
    r->range_end = range_end;
    r->range_end_len = sa_root_len;
    r->agent_req_info = &c->info;
    if (c->n)
        c->requests[c->n - 1].next = r;
    c->n++;
}

static void call_release(struct call *c)
{
    for (int i = 0; i < REQUESTS_MAX; i++)
        snmp_free_varbind(c->first[i]);
    netsnmp_free_all_list_data(c->info.agent_data);
}

/* ---- steps ---- */

static bool run(struct call *c, int mode)
{
    netsnmp_subtree *at = netsnmp_subtree_find(root, sa_root_len, NULL, c->owned ? OWNER : "");
    bool fine = true;

    REQUIRE(at);
    c->pdu.flags = UCD_MSG_FLAG_ALWAYS_IN_VIEW;
    c->session.pdu = &c->pdu;
    c->info.asp = &c->session;
    c->info.mode = mode;
    for (int i = 0; i < c->n; i++)
        c->requests[i].status = 0;
    REQUIRE(netsnmp_call_handlers(at->reginfo, &c->info, c->requests) == SNMP_ERR_NOERROR);
    for (int i = 0; i < c->n; i++)
        fine &= c->requests[i].status == 0;
    return fine;
}

/* Each answer's OID lies behind the one before. What is left of the last is net-snmp's to go on
 * with. */
static void check_rising(const struct call *c)
{
    for (int i = 0; i < c->n; i++)
        for (const netsnmp_variable_list *v = c->first[i]; v; v = v->next_variable) {
            const netsnmp_variable_list *next = v->next_variable;

            if (!next || next->type == ASN_PRIV_RETRY || next->type == ASN_NULL)
                break;
            REQUIRE(snmp_oid_compare(v->name, v->name_length, next->name, next->name_length) < 0);
        }
}

static void read_bulk(struct call *c)
{
    static const oid nothing[] = {0, 0};

    for (int i = 0; i < c->n; i++) {
        c->requests[i].repeat = REPEAT_MAX;
        for (int k = 0; k < REPEAT_MAX; k++)
            snmp_varlist_add_variable(&c->first[i], nothing, 2, ASN_PRIV_RETRY, NULL, 0);
    }
    run(c, MODE_GETBULK);
    check_rising(c);
    c->over = true; /* its varbinds are answers now */
}

static void set_phase(struct call *c, int mode, struct trace *t)
{
    bool fine = run(c, mode);

    if (mode == MODE_SET_ACTION && fine) {
        t->acted++;
        t->owned += c->owned;
        t->last = c;
    } else if (mode == MODE_SET_UNDO && fine && t->last == c) {
        t->undone++;
        t->last = NULL;
    } else if (mode == MODE_SET_COMMIT || mode == MODE_SET_FREE) {
        t->last = NULL;
    }
}

static void step(struct call calls[PDUS], uint8_t what, struct trace *t)
{
    static const int modes[] = {MODE_SET_RESERVE1, MODE_SET_RESERVE2, MODE_SET_ACTION,
                                MODE_SET_COMMIT,   MODE_SET_FREE,     MODE_SET_UNDO};
    struct call *c = &calls[what / 10 % PDUS];

    if (c->n == 0 || c->over)
        return;
    if (!c->begun)
        c->owned = what / (10 * PDUS) % 2;
    c->begun = true;
    what %= 10;
    if (what < sizeof modes / sizeof *modes)
        set_phase(c, modes[what], t);
    else if (what == 6)
        agent_table_session_lost(table), t->last = NULL;
    else if (what == 9)
        read_bulk(c);
    else
        c->over = (run(c, what == 7 ? MODE_GET : MODE_GETNEXT), true);
}

FUZZ_TARGET(agent)
{
    struct call calls[PDUS] = {0};
    struct trace trace = {0};
    struct slice steps;
    uint64_t before, others;
    uint8_t head;
    int first;

    start();
    before = world_sum();
    others = world_sum_but(OWNER);
    head = world_octet(&data, &size);
    first = head & 15;
    steps = world_take(&data, &size, (head >> 4) * 2u);
    for (int i = 0; size && i < 2 * REQUESTS_MAX; i++) {
        struct call *c = &calls[i >= first];

        if (c->n < REQUESTS_MAX)
            add_request(c, &data, &size);
    }
    for (size_t i = 0; i < steps.len; i++)
        step(calls, steps.data[i], &trace);
    for (int i = 0; i < PDUS; i++)
        call_release(&calls[i]);
    if (trace.acted == 0 || (trace.acted == 1 && trace.undone == 1))
        REQUIRE(world_sum() == before);
    if (trace.acted == trace.owned)
        REQUIRE(world_sum_but(OWNER) == others);
    if (trace.acted)
        renew();
    return 0;
}
