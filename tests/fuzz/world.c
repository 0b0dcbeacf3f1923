#include "tests/fuzz/world.h"

#include <ftw.h>
#include <net/if.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "alerts/alarms.h"
#include "alerts/checks.h"
#include "daemon/kinds.h"

static const struct checks checks = {.kinds = &daemon_kinds}; /* but does not compile scripts */

static void put_text(struct txn *t, unsigned table, const struct key *k, unsigned column,
                     const char *text)
{
    struct edit d;
    struct err e;

    edit_begin(&d, t, sa_table_by_id(table), k);
    edit_str(&d, column, text);
    REQUIRE(row_put(&d, &e) == 0);
}

static void put_int(struct txn *t, unsigned table, const struct key *k, unsigned column,
                    int64_t number)
{
    struct edit d;
    struct err e;

    edit_begin(&d, t, sa_table_by_id(table), k);
    edit_int(&d, column, number);
    REQUIRE(row_put(&d, &e) == 0);
}

/* One that is active, and one that is over. */
static void put_alarm(struct txn *t, const char *owner)
{
    struct key alert = key_of_id(owner, 9), past = key_of_id(owner, 8);

    put_int(t, SA_ALERT, &alert, ALERT_LEVEL, LEVEL_CRITICAL);
    put_text(t, SA_ALERT, &alert, ALERT_DEFINITION, "hot");
    put_int(t, SA_ALERT, &alert, ALERT_SINCE, 1000000000000);
    put_int(t, SA_HISTORY, &past, HISTORY_ALERT, 7);
    put_text(t, SA_HISTORY, &past, HISTORY_DEFINITION, "hot");
    put_int(t, SA_HISTORY, &past, HISTORY_FROM, LEVEL_WARNING);
    put_int(t, SA_HISTORY, &past, HISTORY_AT, 1000000000000);
}

void world_fill(struct store *s)
{
    static const char *const owners[] = {"a", "admin", "b", "zz"};
    struct txn *t = txn_begin(s, TXN_WRITE);
    struct err e;

    for (size_t i = 0; i < sizeof owners / sizeof *owners; i++) {
        struct key k = key_of_name(owners[i]), d = key_of_names(owners[i], "hot");
        struct key alert = key_of_id(owners[i], 7);

        put_int(t, SA_OWNER, &k, OWNER_MAX_DEFINITIONS, 3);
        put_text(t, SA_DEFINITION, &d, DEFINITION_CONDITION, "true");
        put_int(t, SA_DEFINITION, &d, DEFINITION_STATUS, ROW_ACTIVE);
        put_int(t, SA_ALERT, &alert, ALERT_LEVEL, LEVEL_OK);
        put_alarm(t, owners[i]);
        put_text(t, SA_HANDLER, &d, HANDLER_KIND, "smtp");
        put_int(t, SA_GROUP, &d, GROUP_STATUS, ROW_ACTIVE);
        put_text(t, SA_TARGET, &d, TARGET_HANDLER, "hot");
        put_int(t, SA_TARGET, &d, TARGET_STATUS, ROW_ACTIVE);
        d = key_of_names(owners[i], "i");
        put_text(t, SA_DEFINITION, &d, DEFINITION_DESCRIPTION, "not ready");
    }
    REQUIRE(alarms_rebuild(t) == 0);
    REQUIRE(txn_commit(t, &e) == 0);
}

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
    (void)st, (void)flag, (void)ftw;
    return remove(path);
}

void world_remove(const char *path)
{
    REQUIRE(nftw(path, remove_one, 8, FTW_DEPTH | FTW_PHYS) == 0);
}

/* Mapped files stay while they are open, so the folder can go at once: nothing is left behind,
 * however the fuzzer ends. */
static struct store *store;

struct store *world_store(void)
{
    char path[] = "/tmp/fuzz_world.XXXXXX", folder[64];
    struct store_options o = {.path = folder, .map_bytes = 32 << 20, .no_sync = true};
    struct err e;

    if (store)
        return store;
    REQUIRE(mkdtemp(path));
    snprintf(folder, sizeof folder, "%s/store", path);
    REQUIRE(store_open(&store, &o, &e) == 0 && checks_register(store, &checks) == 0);
    world_fill(store);
    world_remove(path);
    return store;
}

void world_renew(void)
{
    store_close(store);
    store = NULL;
}

static bool is_reason(const uint32_t *at, size_t n)
{
    return n > 3 && at[0] == SA_OWNER &&
           (at[2] == OWNER_LAST_ERROR || at[2] == OWNER_LAST_ERROR_TIME);
}

static bool is_of(const struct key *owner, const uint32_t *at, size_t n)
{
    struct key k;
    size_t arcs = 3;

    return n > arcs && view_owned(sa_table_by_id(at[0])) &&
           key_from_subids(&k, at + arcs, n - arcs) && k.len >= owner->len &&
           !memcmp(k.data, owner->data, owner->len);
}

/* OWNER NULL: nobody is left out. */
static uint64_t sum(const struct key *owner)
{
    uint32_t at[SUBIDS_MAX], next[SUBIDS_MAX];
    struct txn *t = txn_begin(world_store(), TXN_READ);
    uint64_t hash = 1469598103934665603u; /* FNV-1a */
    struct cell cell;
    size_t n = 0, nnext;

    while (view_next(t, at, n, next, &nnext, &cell) == 0) {
        memcpy(at, next, nnext * sizeof *at);
        n = nnext;
        if (is_reason(at, n) || (owner && is_of(owner, at, n)))
            continue;
        for (size_t i = 0; i < n; i++)
            hash = (hash ^ at[i]) * 1099511628211u;
        for (size_t i = 0; i < cell.bytes.len; i++)
            hash = (hash ^ cell.bytes.data[i]) * 1099511628211u;
        hash = (hash ^ (uint64_t)cell.number) * 1099511628211u;
    }
    txn_abort(t);
    return hash;
}

uint64_t world_sum(void)
{
    return sum(NULL);
}

uint64_t world_sum_but(const char *owner)
{
    struct key k = key_of_name(owner);

    return sum(&k);
}

struct slice world_take(const uint8_t **p, size_t *left, size_t n)
{
    struct slice s = {*p, n < *left ? n : *left};

    *p += s.len;
    *left -= s.len;
    return s;
}

uint8_t world_octet(const uint8_t **p, size_t *left)
{
    struct slice s = world_take(p, left, 1);

    return s.len ? s.data[0] : 0;
}

void world_alone(void)
{
    struct ifreq lo = {.ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING};
    int fd;

    if (unshare(CLONE_NEWNET) && unshare(CLONE_NEWUSER | CLONE_NEWNET))
        return;
    fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    REQUIRE(fd >= 0 && ioctl(fd, SIOCSIFFLAGS, &lo) == 0);
    close(fd);
}

size_t world_subids(const uint8_t *p, size_t size, uint32_t ret[SUBIDS_MAX])
{
    size_t n = 0;

    for (size_t i = 0; i < size && n < SUBIDS_MAX; n++) {
        if (p[i] == 255 && size - i > 4) {
            ret[n] = get_u32(p + i + 1);
            i += 5;
        } else {
            ret[n] = p[i++];
        }
    }
    return n;
}

int world_compare(const uint32_t *a, size_t na, const uint32_t *b, size_t nb)
{
    for (size_t i = 0; i < na && i < nb; i++)
        if (a[i] != b[i])
            return a[i] < b[i] ? -1 : 1;
    return (na > nb) - (na < nb);
}
