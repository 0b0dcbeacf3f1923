#include "tests/unit/agent/fixture.h"

#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <net-snmp/net-snmp-config.h>
#include <net-snmp/net-snmp-includes.h>

#include <cmocka.h>

#include "base/log.h"

static char folder[] = "/tmp/snmpalert-agent-XXXXXX";

struct store *fixture_open(void)
{
    struct store_options o = {.path = folder, .no_sync = true, .recover_samples = true};
    struct err e = {.code = 0};
    struct store *s;

    log_open("test", LOG_LEVEL_ERROR);
    netsnmp_ds_set_boolean(NETSNMP_DS_LIBRARY_ID, NETSNMP_DS_LIB_DONT_READ_CONFIGS, 1);
    netsnmp_ds_set_boolean(NETSNMP_DS_LIBRARY_ID, NETSNMP_DS_LIB_DONT_PERSIST_STATE, 1);
    assert_non_null(mkdtemp(folder));
    assert_int_equal(store_open(&s, &o, &e), 0);
    return s;
}

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st, (void)type, (void)ftw;
    return remove(path);
}

void fixture_close(struct store *s)
{
    store_close(s);
    nftw(folder, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
}
