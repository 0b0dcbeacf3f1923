/* What the whole daemon costs while nothing happens, and how fast it starts:
 *   memory   Pss_Anon of all its processes, with 1,000 and with 10,000 definitions
 *   idle     CPU of all its processes with 10,000 definitions whose topic does not change, over one
 *            interval of theirs, so that each is evaluated once by it
 *   start    with 100,000 definitions and 1,000,000 rows of history, until a GET of both is
 * answered Exit status 1 when a figure is out of its limit. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <net-snmp/net-snmp-config.h>
#include <net-snmp/net-snmp-includes.h>

#include "alerts/retention.h"
#include "base/clock.h"
#include "bench/site.h"

enum {
    PROCESSES = 7, /* the parent, four stages, two evaluators */
    FEW = 1000,
    MANY = 10000,
    MOST = 100000,
    HISTORY = 1000000,
    FILL_CHUNK = 20000,
    READY_MS = 60000,
    IDLE_MS = 60000, /* saDefinitionIntervalMillis by default */
    START_DEADLINE_MS = 120000,
    GET_TIMEOUT_US = 20000,
};
static const double most_few_mb = 40, most_many_mb = 60, most_cpu = 1, most_start_s = 2;

/* ---- its processes ---- */

struct family {
    pid_t pids[PROCESSES + 1];
    int n;
};

static void add_children(struct family *x, pid_t pid)
{
    char path[64];
    FILE *f;
    int child;

    snprintf(path, sizeof path, "/proc/%d/task/%d/children", pid, pid);
    f = fopen(path, "r");
    while (f && x->n <= PROCESSES && fscanf(f, "%d", &child) == 1)
        x->pids[x->n++] = child;
    if (f)
        fclose(f);
}

static struct family processes(const struct site *s)
{
    struct family x = {{s->daemon}, 1};

    for (int i = 0; i < x.n; i++)
        add_children(&x, x.pids[i]);
    if (x.n != PROCESSES)
        site_die("%d processes instead of %d", x.n, PROCESSES);
    return x;
}

/* The number behind LABEL in a file of /proc; the first one when there is no label. */
static uint64_t proc_number(pid_t pid, const char *file, const char *label)
{
    char path[64], line[256];
    size_t len = strlen(label);
    uint64_t ret = 0;
    bool found = false;
    FILE *f;

    snprintf(path, sizeof path, "/proc/%d/%s", pid, file);
    f = fopen(path, "r");
    while (f && !found && fgets(line, sizeof line, f)) {
        found = !strncmp(line, label, len);
        if (found)
            ret = strtoull(line + len, NULL, 10);
    }
    if (f)
        fclose(f);
    if (!found)
        site_die("%s has no %s", path, label);
    return ret;
}

static double pss_anon_mb(const struct site *s)
{
    struct family x = processes(s);
    double kib = 0;

    for (int i = 0; i < x.n; i++)
        kib += (double)proc_number(x.pids[i], "smaps_rollup", "Pss_Anon:");
    return kib * 1024 / 1e6;
}

static double cpu_seconds(const struct site *s)
{
    struct family x = processes(s);
    double ns = 0;

    for (int i = 0; i < x.n; i++)
        ns += (double)proc_number(x.pids[i], "schedstat", "");
    return ns / 1e9;
}

/* ---- memory and idling ---- */

struct evaluations {
    struct store *store;
    uint32_t wanted;
};

static bool has_evaluated(struct site *s, void *arg)
{
    const struct evaluations *x = arg;
    struct txn *t = txn_begin(x->store, TXN_READ);
    struct row r;
    struct key k = key_of_scalars();
    int64_t n = 0;

    (void)s;
    if (!row_get(t, sa_table_by_id(SA_SYSTEM), &k, &r))
        n = row_int(&r, SYSTEM_EVALUATIONS);
    txn_abort(t);
    return n >= x->wanted;
}

static bool report(const char *what, uint32_t n, double value, const char *unit, double most)
{
    printf("%s, %" PRIu32 " definitions: %.2f %s (at most %.0f)%s\n", what, n, value, unit, most,
           value > most ? "   MISSED" : "");
    fflush(stdout);
    return value <= most;
}

static void start_with(struct site *s, uint32_t definitions)
{
    struct store *x = site_store(s);
    struct evaluations e;

    site_fill_definitions(x, definitions);
    store_mark_clean(x);
    store_close(x);
    site_start(s, "10s", "");
    e = (struct evaluations){site_look(s), definitions};
    site_wait(s, has_evaluated, &e, READY_MS, "every definition to be evaluated");
    store_close(e.store);
}

static bool measure_memory(struct site *s, uint32_t definitions, double most)
{
    start_with(s, definitions);
    return report("Pss_Anon of all processes", definitions, pss_anon_mb(s), "MB", most);
}

static bool is_over(struct site *s, void *arg)
{
    (void)s;
    return clock_mono_ms() >= *(int64_t *)arg;
}

static void pass(struct site *s, int64_t ms)
{
    int64_t end = clock_mono_ms() + ms;

    site_wait(s, is_over, &end, ms + 1000, "time to pass");
}

static bool measure_idle(struct site *s)
{
    double from;

    pass(s, 5000); /* what the start left to do */
    from = cpu_seconds(s);
    pass(s, IDLE_MS);
    return report("CPU while idle", MANY, (cpu_seconds(s) - from) / (IDLE_MS / 1e3) * 100, "%",
                  most_cpu);
}

/* ---- start ---- */

static void fill_history_row(struct txn *t, uint32_t id, int64_t now_ms)
{
    char name[16];
    struct key k = key_of_id("admin", id);
    struct edit d;
    struct err e = {.text = "history"};

    snprintf(name, sizeof name, "d%06u", 1 + id % MOST);
    edit_begin(&d, t, sa_table_by_id(SA_HISTORY), &k);
    edit_int(&d, HISTORY_ALERT, 1 + id % MOST);
    edit_str(&d, HISTORY_DEFINITION, name);
    edit_int(&d, HISTORY_FROM, LEVEL_OK);
    edit_int(&d, HISTORY_TO, LEVEL_CRITICAL);
    edit_int(&d, HISTORY_AT, now_ms);
    edit_int(&d, HISTORY_IN_TIME, now_ms);
    edit_int(&d, HISTORY_REASON, REASON_CONDITION);
    edit_str(&d, HISTORY_VALUE, "true");
    edit_str(&d, HISTORY_MESSAGE, "the queue is longer than its limit");
    if (row_put(&d, &e) || retention_add(t, RETAINED_HISTORY, "admin", id, now_ms))
        site_die("%s", e.text);
}

/* A site that keeps so many has said so. */
static void keep_all(struct store *x)
{
    struct txn *t = txn_begin(x, TXN_WRITE);
    struct key k = key_of_scalars();
    struct edit d;
    struct err e;

    edit_begin(&d, t, sa_table_by_id(SA_SYSTEM), &k);
    edit_int(&d, SYSTEM_HISTORY_MAX_ROWS, HISTORY);
    if (row_put(&d, &e) || txn_commit(t, &e))
        site_die("%s", e.text);
}

static void fill_history(struct store *x)
{
    int64_t now_ms = clock_wall_ms();

    for (uint32_t id = 1; id <= HISTORY;) {
        struct txn *t = txn_begin(x, TXN_WRITE);
        struct err e;

        for (uint32_t n = 0; n < FILL_CHUNK && id <= HISTORY; n++)
            fill_history_row(t, id++, now_ms);
        if (txn_commit(t, &e))
            site_die("%s", e.text);
    }
}

static void add_name(netsnmp_pdu *pdu, unsigned table, unsigned column, const struct key *k)
{
    struct slice key = key_slice(k);
    uint32_t subids[128];
    oid name[MAX_OID_LEN];
    size_t n = 0, nkey = key_to_subids(&key, subids, 128);

    for (; n < sa_root_len; n++)
        name[n] = sa_root[n];
    name[n++] = 1;
    name[n++] = table;
    name[n++] = 1;
    name[n++] = column;
    for (size_t i = 0; i < nkey; i++)
        name[n++] = subids[i];
    snmp_add_null_var(pdu, name, n);
}

/* Asks for a definition and a row of history; both must be there. */
static bool is_answered(struct site *s, void *arg)
{
    netsnmp_session *session = arg;
    netsnmp_pdu *pdu = snmp_pdu_create(SNMP_MSG_GET), *response = NULL;
    struct key definition = key_of_names("admin", "d054321"), history = key_of_id("admin", 654321);
    bool good;

    (void)s;
    add_name(pdu, SA_DEFINITION, DEFINITION_CONDITION, &definition);
    add_name(pdu, SA_HISTORY, HISTORY_MESSAGE, &history);
    good = snmp_synch_response(session, pdu, &response) == STAT_SUCCESS && response &&
           !response->errstat && response->variables &&
           response->variables->type == ASN_OCTET_STR && response->variables->next_variable &&
           response->variables->next_variable->type == ASN_OCTET_STR;
    snmp_free_pdu(response);
    return good;
}

static netsnmp_session *open_session(const struct site *s)
{
    netsnmp_session session, *ret;
    char peer[32];

    netsnmp_ds_set_boolean(NETSNMP_DS_LIBRARY_ID, NETSNMP_DS_LIB_DONT_READ_CONFIGS, 1);
    netsnmp_ds_set_boolean(NETSNMP_DS_LIBRARY_ID, NETSNMP_DS_LIB_DONT_PERSIST_STATE, 1);
    netsnmp_set_mib_directory("");
    setenv("MIBS", "", 1);
    init_snmp("bench");
    snmp_sess_init(&session);
    snprintf(peer, sizeof peer, "udp:127.0.0.1:%u", s->snmpd_port);
    session.peername = peer;
    session.version = SNMP_VERSION_2c;
    session.community = (u_char *)(uintptr_t) "public";
    session.community_len = strlen("public");
    session.timeout = GET_TIMEOUT_US;
    session.retries = 0;
    ret = snmp_open(&session);
    if (!ret)
        site_die("cannot open an SNMP session");
    return ret;
}

static bool measure_start(struct site *s)
{
    netsnmp_session *session = open_session(s);
    struct store *x = site_store(s);
    int64_t from;

    site_fill_definitions(x, MOST);
    keep_all(x);
    fill_history(x);
    store_close(x);
    from = site_now_ns();
    site_launch(s, "10s", "");
    site_wait(s, is_answered, session, START_DEADLINE_MS, "the first GET");
    return report("start with 1,000,000 rows of history until a GET is answered", MOST,
                  (double)(site_now_ns() - from) / 1e9, "s", most_start_s);
}

int main(void)
{
    struct site *s = site_open("memory");
    bool good;

    site_start_snmpd(s);
    good = measure_memory(s, FEW, most_few_mb);
    site_stop(s);
    good = measure_memory(s, MANY, most_many_mb) && good;
    good = measure_idle(s) && good;
    site_stop(s);
    good = measure_start(s) && good;
    site_stop(s);
    site_close();
    return good ? 0 : 1;
}
