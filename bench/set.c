/* What durability costs a manager's SET. The same SETs go through a real snmpd and AgentX to two
 * stores, one that is synced at every commit and one that is not; the difference is compared with
 * one bare synced LMDB commit: one record of a row's size put in place of another, in an
 * environment with one database, on the same file system.
 *   one row    one varbind changes one cell
 *   100 rows   a PDU of 100 varbinds changes a cell in each of 100 rows, all over the table
 *
 * Rounds of short slices take turns, and medians are compared: other load on the machine, and what
 * the disk does meanwhile, then meet all of them alike. Exit status 1 when a ratio is beyond its
 * limit. */
#include <lmdb.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/stage.h"
#include "base/log.h"
#include "bench/rig.h"
#include "store/view.h"

enum {
    ROUNDS = 80,
    SLICE = 5, /* of each contestant's, in a round */
    DEFINITIONS = 1000,
    WIDE = 100,       /* varbinds of the large PDU */
    ROW_OCTETS = 160, /* about what a row of these takes */
    SAMPLES = ROUNDS * SLICE,
};
static const size_t map_bytes = (size_t)1 << 30;
static const char owner[] = "admin";

enum { DURABLE, UNSYNCED, STORES };
enum { ONE, MANY, PDUS };

static const struct {
    const char *name;
    uint32_t varbinds;
    double most; /* times a bare commit */
} pdus[PDUS] = {{"one row", 1, 1.3}, {"100 rows", WIDE, 2}};

struct host { /* of a store, in a process of its own */
    struct store *store;
    int ask; /* an octet here: take in what was set, and answer with an octet */
};

static struct contestant { /* a store */
    bool no_sync;
    int ask[2]; /* ours, the host's */
    struct station station;
    netsnmp_session *session;
    uint32_t sent;
    double us[PDUS][SAMPLES];
} stores[STORES] = {{.no_sync = false}, {.no_sync = true}};

static struct {
    MDB_env *env;
    MDB_dbi dbi;
    uint32_t sent;
    double us[PDUS * SAMPLES]; /* beside each slice of durable SETs */
} bare;

/* ---- a store and its agent ----
 * Instead of a core, which takes in what was set and empties the ring of changes, the host does
 * that between two SETs, when it is asked to: a ring that only grows would make the file grow. */

static void take_in(struct store *s)
{
    struct txn *t = txn_begin(s, TXN_WRITE);
    uint64_t seq = changes_consumed(t);
    struct change ch;

    while (!changes_next(t, seq, &ch))
        seq = ch.seq;
    changes_consume(t, seq);
    if (txn_commit(t, NULL))
        rig_die("the changes cannot be taken in");
}

static void asked_to_take_in(void *arg, short revents)
{
    struct host *h = arg;
    char octet;

    (void)revents;
    if (read(h->ask, &octet, 1) != 1)
        exit(0); /* nobody is left to ask */
    take_in(h->store);
    if (write(h->ask, &octet, 1) != 1)
        exit(1);
}

static void fill_row(struct txn *t, uint32_t number)
{
    char name[16];
    struct edit d;
    struct key k;

    snprintf(name, sizeof(name), "d%06u", number);
    k = key_of_names(owner, name);
    edit_begin(&d, t, sa_table_by_id(SA_DEFINITION), &k);
    edit_str(&d, DEFINITION_CONDITION, "_topic['queues'].length > 100");
    edit_str(&d, DEFINITION_DESCRIPTION, "note 00000000");
    edit_int(&d, DEFINITION_STORAGE, STORAGE_NON_VOLATILE);
    edit_int(&d, DEFINITION_STATUS, ROW_ACTIVE);
    row_put(&d, NULL);
}

static int fill(struct store *s, struct err *e)
{
    struct txn *t = txn_begin(s, TXN_WRITE);
    struct key k = key_of_name(owner);
    struct edit d;

    edit_begin(&d, t, sa_table_by_id(SA_OWNER), &k);
    row_put(&d, NULL);
    for (uint32_t i = 0; i < DEFINITIONS; i++)
        fill_row(t, i);
    return txn_commit(t, e);
}

static int host(void *arg, const char *store_path, const char *address, int ready)
{
    static const struct kinds no_kinds;
    const struct contestant *c = arg;
    struct store_options o = {.path = store_path, .no_sync = c->no_sync, .recover_samples = true};
    struct agent_options agent = {.loop = loop_new(), .address = address, .kinds = &no_kinds};
    struct host h = {.ask = c->ask[1]};
    struct agent *a = NULL;
    struct err e = {.code = 0};

    log_open("bench", LOG_LEVEL_WARNING);
    close(c->ask[0]);
    loop_fd_add(agent.loop, h.ask, POLLIN, asked_to_take_in, &h);
    if (!store_open(&h.store, &o, &e) && !fill(h.store, &e)) {
        agent.store = h.store;
        if (!agent_new(&a, &agent, &e) && !rig_ready(ready))
            loop_run(agent.loop);
    }
    fprintf(stderr, "bench/set: host: %s: %s\n", err_name(e.code), e.text);
    return 1;
}

/* ---- SETs ---- */

/* saDefinitionDescription of definition NUMBER. */
static size_t name_cell(uint32_t number, oid *ret)
{
    char name[16];
    struct key k;
    uint32_t subids[MAX_OID_LEN];
    size_t n = 0, len;

    snprintf(name, sizeof(name), "d%06u", number);
    k = key_of_names(owner, name);
    struct slice key = key_slice(&k);
    for (size_t i = 0; i < sa_root_len; i++)
        ret[n++] = sa_root[i];
    ret[n++] = 1;
    len =
        view_oid(sa_table_by_id(SA_DEFINITION), DEFINITION_DESCRIPTION, &key, subids, MAX_OID_LEN);
    for (size_t i = 0; i < len; i++)
        ret[n++] = subids[i];
    return n;
}

/* One SET of a value that no cell had; its time in microseconds. */
static double set_once(struct contestant *c, uint32_t varbinds)
{
    netsnmp_pdu *pdu = snmp_pdu_create(SNMP_MSG_SET), *response = NULL;
    char text[32];
    int n = snprintf(text, sizeof(text), "note %08u", ++c->sent);
    char octet = 0;
    int64_t from;
    double us;

    for (uint32_t i = 0; i < varbinds; i++) {
        oid name[MAX_OID_LEN];
        size_t len = name_cell((c->sent + i * (DEFINITIONS / varbinds)) % DEFINITIONS, name);

        snmp_pdu_add_variable(pdu, name, len, ASN_OCTET_STR, text, (size_t)n);
    }
    from = rig_now_ns();
    if (snmp_synch_response(c->session, pdu, &response) != STAT_SUCCESS || response->errstat)
        rig_die("a SET failed");
    us = (double)(rig_now_ns() - from) / 1e3;
    snmp_free_pdu(response);
    if (write(c->ask[0], &octet, 1) != 1 || read(c->ask[0], &octet, 1) != 1)
        rig_die("a host is gone");
    return us;
}

/* ---- bare commits ---- */

static int bare_put(uint32_t number)
{
    static uint8_t octets[ROW_OCTETS];
    uint8_t key[4] = {0, 0, (uint8_t)(number >> 8), (uint8_t)number};
    MDB_val k = {sizeof(key), key}, v = {sizeof(octets), octets};
    MDB_txn *t;
    int rc = mdb_txn_begin(bare.env, NULL, 0, &t);

    memcpy(octets, &bare.sent, sizeof(bare.sent));
    bare.sent++;
    if (!rc && !bare.dbi)
        rc = mdb_dbi_open(t, NULL, 0, &bare.dbi);
    if (!rc)
        rc = mdb_put(t, bare.dbi, &k, &v, 0);
    return rc ? rc : mdb_txn_commit(t);
}

static void bare_open(void)
{
    char path[128];
    int rc;

    rig_path("bare", path);
    rc = mkdir(path, 0700) || mdb_env_create(&bare.env) ||
         mdb_env_set_mapsize(bare.env, map_bytes) || mdb_env_open(bare.env, path, MDB_NOTLS, 0600);
    for (uint32_t i = 0; !rc && i < DEFINITIONS; i++)
        rc = bare_put(i);
    if (rc)
        rig_die("the bare environment");
}

static double commit_once(void)
{
    int64_t from = rig_now_ns();

    if (bare_put(bare.sent % DEFINITIONS))
        rig_die("a bare commit failed");
    return (double)(rig_now_ns() - from) / 1e3;
}

/* ---- the contest ---- */

static void slice(unsigned pdu, size_t at)
{
    for (size_t i = 0; i < SLICE; i++) {
        stores[DURABLE].us[pdu][at + i] = set_once(&stores[DURABLE], pdus[pdu].varbinds);
        bare.us[pdu * SAMPLES + at + i] = commit_once();
        stores[UNSYNCED].us[pdu][at + i] = set_once(&stores[UNSYNCED], pdus[pdu].varbinds);
    }
}

static void measure(void)
{
    for (unsigned pdu = 0; pdu < PDUS; pdu++) /* the first ones warm up */
        slice(pdu, 0);
    for (size_t round = 0; round < ROUNDS; round++)
        for (unsigned pdu = 0; pdu < PDUS; pdu++)
            slice(pdu, round * SLICE);
}

static bool report(void)
{
    double commit = rig_median(bare.us, PDUS * SAMPLES);
    bool good = true;

    printf("bare synced commit: %.0f us\n", commit);
    for (unsigned i = 0; i < PDUS; i++) {
        double durable = rig_median(stores[DURABLE].us[i], SAMPLES);
        double unsynced = rig_median(stores[UNSYNCED].us[i], SAMPLES);
        double ratio = (durable - unsynced) / commit;

        printf("SET of %-8s durable %6.0f us, unsynced %6.0f us, the difference against a bare "
               "commit: %.2f (at most %.1f)%s\n",
               pdus[i].name, durable, unsynced, ratio, pdus[i].most,
               ratio > pdus[i].most ? "   MISSED" : "");
        good = good && ratio <= pdus[i].most;
    }
    return good;
}

int main(void)
{
    rig_open("set");
    for (size_t i = 0; i < STORES; i++) {
        if (socketpair(AF_UNIX, SOCK_STREAM, 0, stores[i].ask))
            rig_die("no socket pair");
        rig_start(&stores[i].station, host, &stores[i]);
        close(stores[i].ask[1]);
    }
    for (size_t i = 0; i < STORES; i++)
        stores[i].session = rig_session(&stores[i].station);
    bare_open();
    measure();
    mdb_env_close(bare.env);
    rig_close();
    return report() ? 0 : 1;
}
