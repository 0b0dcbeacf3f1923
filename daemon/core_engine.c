/* The daemon's SNMP engine (RFC 3411): its id is drawn once for a store, and its boots rise with
 * each core, in the commit that makes it ready. So whoever sends with the new ones, the old are
 * durable past. A store that came from a backup has the boots of then: receivers refuse its traps
 * until they are restarted or its boots have passed what they remember. */
#include "daemon/core.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>

#include "base/clock.h"
#include "base/log.h"

enum {
    NET_SNMP = 8072,   /* its enterprise number, for roots that are below nobody's */
    FORMAT_OCTETS = 5, /* SnmpEngineID: octets, administratively assigned */
    ENGINE_RANDOM = 12,
};

static uint32_t enterprise(void)
{
    static const uint32_t enterprises[] = {1, 3, 6, 1, 4, 1};
    const size_t n = sizeof enterprises / sizeof *enterprises;

    return sa_root_len > n && memcmp(sa_root, enterprises, sizeof enterprises) == 0 ? sa_root[n]
                                                                                    : NET_SNMP;
}

static int new_id(struct engine_id *ret)
{
    uint8_t octets[4 + 1 + ENGINE_RANDOM];

    put_u32(octets, enterprise() | UINT32_C(1) << 31);
    octets[4] = FORMAT_OCTETS;
    if (getrandom(octets + 5, ENGINE_RANDOM, 0) != ENGINE_RANDOM)
        return ERR_IO;
    return engine_id_set(ret, octets, sizeof octets);
}

int core_engine_resume(struct core *c, struct txn *t)
{
    const struct sa_table *table = sa_table_by_id(SA_SYSTEM);
    struct dispatch_engine x = {.clock = {.boots = 1, .started_mono_ms = clock_mono_ms()}};
    struct key k = key_of_scalars();
    struct slice id = {0};
    int64_t boots = 0;
    struct row r;
    struct edit d;
    int err = 0;

    if (!row_get(t, table, &k, &r)) {
        id = row_text(&r, SYSTEM_ENGINE_ID);
        boots = row_int(&r, SYSTEM_ENGINE_BOOTS);
    }
    if (boots < 0 || boots >= USM_BOOTS_MAX || engine_id_set(&x.id, id.data, id.len))
        err = new_id(&x.id); /* one that is worn out is replaced, too */
    else
        x.clock.boots = (uint32_t)boots + 1;
    if (err)
        return err;
    edit_begin(&d, t, table, &k);
    edit_text(&d, SYSTEM_ENGINE_ID, x.id.octets, x.id.len);
    edit_int(&d, SYSTEM_ENGINE_BOOTS, x.clock.boots);
    err = row_put(&d, NULL);
    if (!err)
        c->engine = x;
    return err;
}

void core_engine_greet(struct core *c)
{
    char id[ENGINE_ID_TEXT_MAX];
    struct buf b;

    engine_id_text(&c->engine.id, id);
    log_info("snmp", "engine=%s boots=%u", id, c->engine.clock.boots);
    buf_init(&b, 256);
    dispatch_engine_write(&c->engine, &b);
    if (b.err || chan_send(c->dispatcher, DISPATCH_ENGINE, b.data, b.len))
        log_error("dispatcher", "cannot be told which SNMP engine this is");
    buf_release(&b);
}
