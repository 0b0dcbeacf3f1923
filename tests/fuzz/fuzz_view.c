/* GET and GETNEXT of any OID over a real store: what comes next is behind what was asked, is there
 * when asked for by its own name, and nothing lies between. */
#include <ftw.h>
#include <string.h>

#include "store/view.h"
#include "tests/fuzz/fuzz.h"

enum { SUBIDS_MAX = 128 };

static struct store *store;

static void put(struct txn *t, unsigned table, const struct key *k, unsigned column,
                const char *text)
{
    struct edit d;
    struct err e;

    edit_begin(&d, t, sa_table_by_id(table), k);
    if (text)
        edit_str(&d, column, text);
    else
        edit_int(&d, column, 1);
    REQUIRE(row_put(&d, &e) == 0);
}

static void fill(void)
{
    static const char *const owners[] = {"a", "admin", "b", "zz"};
    struct txn *t = txn_begin(store, TXN_WRITE);
    struct err e;

    for (size_t i = 0; i < sizeof owners / sizeof *owners; i++) {
        struct key k = key_of_name(owners[i]), d = key_of_names(owners[i], "hot");
        struct key alert = key_of_id(owners[i], 7);

        put(t, SA_OWNER, &k, OWNER_MAX_DEFINITIONS, NULL);
        put(t, SA_DEFINITION, &d, DEFINITION_CONDITION, "true");
        put(t, SA_DEFINITION, &d, DEFINITION_STATUS, NULL);
        put(t, SA_ALERT, &alert, ALERT_LEVEL, NULL);
        d = key_of_names(owners[i], "i");
        put(t, SA_DEFINITION, &d, DEFINITION_DESCRIPTION, "not ready");
    }
    REQUIRE(txn_commit(t, &e) == 0);
}

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
    (void)st, (void)flag, (void)ftw;
    return remove(path);
}

/* Mapped files stay while they are open, so the folder can go at once: nothing is left behind,
 * however the fuzzer ends. */
static void open_store(void)
{
    char path[] = "/tmp/fuzz_view.XXXXXX", folder[64];
    struct store_options o = {.path = folder, .map_bytes = 8 << 20, .no_sync = true};
    struct err e;

    REQUIRE(mkdtemp(path));
    snprintf(folder, sizeof folder, "%s/store", path);
    REQUIRE(store_open(&store, &o, &e) == 0);
    fill();
    REQUIRE(nftw(path, remove_one, 8, FTW_DEPTH | FTW_PHYS) == 0);
}

static int oid_compare(const uint32_t *a, size_t na, const uint32_t *b, size_t nb)
{
    for (size_t i = 0; i < na && i < nb; i++)
        if (a[i] != b[i])
            return a[i] < b[i] ? -1 : 1;
    return (na > nb) - (na < nb);
}

static size_t subids(const uint8_t *p, size_t size, uint32_t *ret)
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

FUZZ_TARGET(view)
{
    uint32_t asked[SUBIDS_MAX], next[SUBIDS_MAX], after[SUBIDS_MAX];
    size_t n, nnext, nafter;
    struct cell cell;
    struct txn *t;
    int err;

    if (!store)
        open_store();
    n = subids(data, size, asked);
    t = txn_begin(store, TXN_READ);
    (void)view_get(t, asked, n, &cell);
    err = view_next(t, asked, n, next, &nnext, &cell);
    REQUIRE(err == 0 || err == ERR_NOTFOUND);
    if (err == 0) {
        REQUIRE(oid_compare(asked, n, next, nnext) < 0);
        REQUIRE(view_get(t, next, nnext, &cell) == 0);
        next[nnext - 1]--; /* just before it: the same comes next, if that is still behind ASKED */
        if (next[nnext - 1] != UINT32_MAX && oid_compare(asked, n, next, nnext) <= 0) {
            REQUIRE(view_next(t, next, nnext, after, &nafter, &cell) == 0);
            next[nnext - 1]++;
            REQUIRE(oid_compare(next, nnext, after, nafter) == 0);
        }
    }
    txn_abort(t);
    return 0;
}
