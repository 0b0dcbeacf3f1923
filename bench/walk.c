/* How fast a manager walks our tables: GETBULK of 25 repetitions, one column, through a real snmpd
 * and AgentX, client, snmpd and subagent all on one CPU. The store's tables of 1,000, 100,000 and
 * 1,000,000 rows against each other, and against an in-memory table of 1,000 rows (net-snmp's own
 * netsnmp_tdata) in the same subagent. Then the same stores as the module serves them that snmpd
 * loads, against AgentX and against each other.
 *
 * Rounds of short slices take turns, the medians are compared: other load on the machine then
 * meets all of them alike. Exit status 1 when a ratio is out of its limit. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include <net-snmp/net-snmp-config.h>
#include <net-snmp/net-snmp-includes.h>
#include <net-snmp/agent/net-snmp-agent-includes.h>

#include "agent/session.h"
#include "agent/stage.h"
#include "base/clock.h"
#include "base/log.h"
#include "bench/rig.h"
#include "store/store.h"

enum {
    ROUNDS = 41,
    SLICE_ROWS = 2000, /* walked per round and table */
    MODULE_SLICE_ROWS = 20000,
    REPETITIONS = 25,
    PEER_ROWS = 1000,
    FILL_CHUNK = 20000, /* rows per transaction */
    SERVED_DEADLINE_MS = 120000,
    COLUMN = HISTORY_VALUE, /* not the last one, so that a column's end is alike for all */
};
static const double least_of_smallest = 0.85, least_of_peer = 0.9, least_of_agentx = 8;
static const char owner[] = "admin", value[] = "average queue length 17";

/* Below netSnmpPlaypen, beside the project's default root. */
static oid peer_root[] = {1, 3, 6, 1, 4, 1, 8072, 9999, 9999, 2};

struct contestant {
    const char *name;
    uint32_t rows;
    bool peer;   /* walks the in-memory table of the host before it */
    bool module; /* in snmpd, on the store of the host that has as many rows */
    struct station station;
    netsnmp_session *session;
    oid column[MAX_OID_LEN];
    size_t column_len;
    double rates[ROUNDS]; /* rows per second */
};

static struct contestant contestants[] = {
    {.name = "1,000 rows", .rows = 1000},
    {.name = "netsnmp_tdata, 1,000 rows", .rows = PEER_ROWS, .peer = true},
    {.name = "100,000 rows", .rows = 100000},
    {.name = "1,000,000 rows", .rows = 1000000},
    {.name = "module, 1,000 rows", .rows = 1000, .module = true},
    {.name = "module, 1,000,000 rows", .rows = 1000000, .module = true},
};
enum { NCONTESTANTS = sizeof(contestants) / sizeof(*contestants) };

/* ---- the peer: the same cells in memory ----------------------------------------------------- */

struct peer_row {
    char text[sizeof(value)];
};

static int peer_handle(netsnmp_mib_handler *handler, netsnmp_handler_registration *registration,
                       netsnmp_agent_request_info *info, netsnmp_request_info *requests)
{
    (void)handler, (void)registration;
    if (info->mode != MODE_GET)
        return SNMP_ERR_NOERROR;
    for (netsnmp_request_info *r = requests; r; r = r->next) {
        struct peer_row *row = netsnmp_tdata_extract_entry(r);

        if (row)
            snmp_set_var_typed_value(r->requestvb, ASN_OCTET_STR, row->text, sizeof(row->text) - 1);
        else
            netsnmp_set_request_error(info, r, SNMP_NOSUCHINSTANCE);
    }
    return SNMP_ERR_NOERROR;
}

static void peer_register(void)
{
    netsnmp_tdata *table = netsnmp_tdata_create_table("peer", 0);
    netsnmp_table_registration_info *shape = SNMP_MALLOC_TYPEDEF(netsnmp_table_registration_info);

    netsnmp_table_helper_add_indexes(shape, ASN_OCTET_STR, ASN_UNSIGNED, 0);
    shape->min_column = HISTORY_ALERT;
    shape->max_column = HISTORY_MESSAGE;
    for (long id = 1; id <= PEER_ROWS; id++) {
        netsnmp_tdata_row *row = netsnmp_tdata_create_row();
        struct peer_row *data = calloc(1, sizeof(*data));

        memcpy(data->text, value, sizeof(value));
        row->data = data;
        netsnmp_tdata_row_add_index(row, ASN_OCTET_STR, owner, sizeof(owner) - 1);
        netsnmp_tdata_row_add_index(row, ASN_UNSIGNED, &id, sizeof(id));
        netsnmp_tdata_add_row(table, row);
    }
    netsnmp_tdata_register(netsnmp_create_handler_registration("peer", peer_handle, peer_root,
                                                               OID_LENGTH(peer_root),
                                                               HANDLER_CAN_RONLY),
                           table, shape);
}

/* ---- the host: store and subagent ----------------------------------------------------------- */

static void fill_row(struct txn *t, uint32_t id)
{
    const struct sa_table *table = sa_table_by_id(SA_HISTORY);
    struct key k = key_of_id(owner, id);
    struct edit d;

    edit_begin(&d, t, table, &k);
    edit_int(&d, HISTORY_ALERT, 1 + id % 100);
    edit_str(&d, HISTORY_DEFINITION, "queue-length");
    edit_str(&d, HISTORY_INSTANCE, "router1.if.2");
    edit_int(&d, HISTORY_FROM, LEVEL_OK);
    edit_int(&d, HISTORY_TO, LEVEL_CRITICAL);
    edit_int(&d, HISTORY_AT, 1700000000000 + id);
    edit_int(&d, HISTORY_IN_TIME, 1700000000000 + id);
    edit_int(&d, HISTORY_OUT_TIME, 0);
    edit_int(&d, HISTORY_REASON, REASON_CONDITION);
    edit_str(&d, HISTORY_VALUE, value);
    edit_str(&d, HISTORY_MESSAGE, "the queue is longer than its limit");
    row_put(&d, NULL);
}

static int fill(struct store *s, uint32_t rows, struct err *e)
{
    int err = 0;

    for (uint32_t id = 1; !err && id <= rows;) {
        struct txn *t = txn_begin(s, TXN_WRITE);

        for (uint32_t n = 0; n < FILL_CHUNK && id <= rows; n++)
            fill_row(t, id++);
        err = txn_commit(t, e);
    }
    return err;
}

/* In a process of its own. */
static int host(void *arg, const char *store_path, const char *address, int ready)
{
    const struct contestant *c = arg;
    struct store_options o = {.path = store_path, .no_sync = true, .recover_samples = true};
    struct loop *l = loop_new();
    struct store *s = NULL;
    struct agent *a = NULL;
    struct err e = {.code = 0};
    int err;

    log_open("bench", LOG_LEVEL_WARNING);
    if ((err = store_open(&s, &o, &e)) || (err = fill(s, c->rows, &e)))
        goto out;
    if ((err =
             agent_new(&a, &(struct agent_options){.loop = l, .store = s, .address = address}, &e)))
        goto out;
    if (c->rows == PEER_ROWS)
        peer_register();
    if (!rig_ready(ready))
        err = loop_run(l);
out:
    fprintf(stderr, "bench/walk: host of %s: %s: %s\n", c->name, err_name(err), e.text);
    return 1;
}

/* ---- walking -------------------------------------------------------------------------------- */

/* ROOT.1.19.1.COLUMN, or the peer's ROOT.1.COLUMN */
static void name_column(struct contestant *c)
{
    const oid below[] = {1, SA_HISTORY, 1, COLUMN};

    if (c->peer) {
        memcpy(c->column, peer_root, sizeof(peer_root));
        c->column_len = OID_LENGTH(peer_root);
        c->column[c->column_len++] = 1;
        c->column[c->column_len++] = COLUMN;
        return;
    }
    for (size_t i = 0; i < sa_root_len; i++)
        c->column[i] = sa_root[i];
    memcpy(c->column + sa_root_len, below, sizeof(below));
    c->column_len = sa_root_len + OID_LENGTH(below);
}

static size_t name_row(const struct contestant *c, uint32_t id, oid *ret)
{
    size_t n = c->column_len;

    memcpy(ret, c->column, n * sizeof(oid));
    ret[n++] = sizeof(owner) - 1;
    for (size_t i = 0; i < sizeof(owner) - 1; i++)
        ret[n++] = (oid)owner[i];
    ret[n++] = id;
    return n;
}

/* The rows behind ID, at most 25; each must be the very next. Returns the last id; 0 when the
 * column ended within the response. */
static uint32_t walk_on(struct contestant *c, uint32_t id, uint32_t *rows)
{
    netsnmp_pdu *pdu = snmp_pdu_create(SNMP_MSG_GETBULK), *response = NULL;
    oid name[MAX_OID_LEN];
    size_t len = name_row(c, id, name);
    bool ended = false;

    pdu->non_repeaters = 0;
    pdu->max_repetitions = REPETITIONS;
    snmp_add_null_var(pdu, name, len);
    if (snmp_synch_response(c->session, pdu, &response) != STAT_SUCCESS || response->errstat)
        rig_die("a GETBULK failed");
    for (netsnmp_variable_list *vb = response->variables; vb && !ended; vb = vb->next_variable) {
        if (vb->name_length != len || memcmp(vb->name, name, (len - 1) * sizeof(oid))) {
            ended = true;
            continue;
        }
        if (vb->name[len - 1] != ++id || vb->val_len != sizeof(value) - 1)
            rig_die("a row is missing or wrong");
        ++*rows;
    }
    snmp_free_pdu(response);
    if (ended && id != c->rows)
        rig_die("the column ended too early");
    return ended ? 0 : id;
}

/* The first row of the column, when it is served. */
static bool is_served(struct contestant *c)
{
    netsnmp_pdu *pdu = snmp_pdu_create(SNMP_MSG_GETNEXT), *response = NULL;
    const netsnmp_variable_list *vb;
    bool served;

    snmp_add_null_var(pdu, c->column, c->column_len);
    if (snmp_synch_response(c->session, pdu, &response) != STAT_SUCCESS) {
        snmp_free_pdu(response);
        return false;
    }
    vb = response->variables;
    served = !response->errstat && vb && vb->name_length > c->column_len &&
             !memcmp(vb->name, c->column, c->column_len * sizeof(oid));
    snmp_free_pdu(response);
    return served;
}

static void await_served(struct contestant *c)
{
    int64_t end = clock_mono_ms() + SERVED_DEADLINE_MS;

    while (!is_served(c)) {
        if (clock_mono_ms() > end || waitpid(c->station.snmpd, NULL, WNOHANG))
            rig_die("the module does not serve");
        nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
    }
}

static double walk_slice(struct contestant *c, int round)
{
    uint32_t slice = c->module ? MODULE_SLICE_ROWS : SLICE_ROWS;
    uint32_t rows = 0, id = (uint32_t)((uint64_t)c->rows * (uint64_t)round / ROUNDS);
    int64_t from = rig_now_ns();

    while (rows < slice)
        id = walk_on(c, id, &rows);
    return rows / ((double)(rig_now_ns() - from) / 1e9);
}

/* ---- the contest ---------------------------------------------------------------------------- */

static void measure(void)
{
    for (int round = -1; round < ROUNDS; round++) /* the first one warms up */
        for (size_t i = 0; i < NCONTESTANTS; i++) {
            double rate = walk_slice(&contestants[i], round < 0 ? 0 : round);

            if (round >= 0)
                contestants[i].rates[round] = rate;
        }
}

static bool judge(const struct contestant *c, double rate, const char *what, double ratio,
                  double least)
{
    printf("%-28s %9.0f rows/s   %s: %.2f (at least %.2f)%s\n", c->name, rate, what, ratio, least,
           ratio < least ? "   MISSED" : "");
    return ratio >= least;
}

static bool report(void)
{
    double smallest = rig_median(contestants[0].rates, ROUNDS), module = 0;
    bool good = true;

    printf("%-28s %9.0f rows/s\n", contestants[0].name, smallest);
    for (size_t i = 1; i < NCONTESTANTS; i++) {
        struct contestant *c = &contestants[i];
        double rate = rig_median(c->rates, ROUNDS);

        if (c->peer)
            good &= judge(c, rate, "store to memory", smallest / rate, least_of_peer);
        else if (!c->module)
            good &= judge(c, rate, "to 1,000 rows", rate / smallest, least_of_smallest);
        else if (module <= 0)
            good &= judge(c, module = rate, "to AgentX", rate / smallest, least_of_agentx);
        else
            good &= judge(c, rate, "to 1,000 rows", rate / module, least_of_smallest);
    }
    return good;
}

/* The host that has as many rows. */
static const struct station *keeper_of(const struct contestant *c)
{
    size_t i = 0;

    while (contestants[i].rows != c->rows)
        i++;
    return &contestants[i].station;
}

int main(void)
{
    rig_open("walk");
    for (size_t i = 0; i < NCONTESTANTS; i++) {
        struct contestant *c = &contestants[i];

        if (c->module)
            rig_start_module(&c->station, keeper_of(c));
        else if (!c->peer)
            rig_start(&c->station, host, c);
    }
    for (size_t i = 0; i < NCONTESTANTS; i++) {
        struct contestant *c = &contestants[i];

        c->session = rig_session(c->peer ? &contestants[i - 1].station : &c->station);
        name_column(c);
        if (c->module)
            await_served(c);
    }
    measure();
    rig_close();
    return report() ? 0 : 1;
}
