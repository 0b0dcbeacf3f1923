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
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

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

static struct contestant { /* a store */
    bool no_sync;
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
 * No core takes in what is set: the ring of changes grows here, as it does not in life. */

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
    struct agent *a = NULL;
    struct err e = {.code = 0};

    log_open("bench", LOG_LEVEL_WARNING);
    if (!store_open(&agent.store, &o, &e) && !fill(agent.store, &e) && !agent_new(&a, &agent, &e) &&
        !rig_ready(ready))
        loop_run(agent.loop);
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
    int64_t from;

    for (uint32_t i = 0; i < varbinds; i++) {
        oid name[MAX_OID_LEN];
        size_t len = name_cell((c->sent + i * (DEFINITIONS / varbinds)) % DEFINITIONS, name);

        snmp_pdu_add_variable(pdu, name, len, ASN_OCTET_STR, text, (size_t)n);
    }
    from = rig_now_ns();
    if (snmp_synch_response(c->session, pdu, &response) != STAT_SUCCESS || response->errstat)
        rig_die("a SET failed");
    snmp_free_pdu(response);
    return (double)(rig_now_ns() - from) / 1e3;
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
    for (size_t i = 0; i < STORES; i++)
        rig_start(&stores[i].station, host, &stores[i]);
    for (size_t i = 0; i < STORES; i++)
        stores[i].session = rig_session(&stores[i].station);
    bare_open();
    measure();
    mdb_env_close(bare.env);
    rig_close();
    return report() ? 0 : 1;
}
