/* GET and GETNEXT of any OID over the standard modules, of all owners and of one: what comes next
 * is behind what was asked, is there when asked for by its own name, and nothing lies between. */
#include <string.h>

#include "alerts/standard.h"
#include "tests/fuzz/world.h"

/* The first octet says who asks, and below which object, if any, the rest of the OID is. */
static size_t asked_of(const uint8_t *data, size_t size, uint32_t ret[SUBIDS_MAX], uint8_t *ret_who)
{
    uint32_t rest[SUBIDS_MAX];
    uint8_t first = world_octet(&data, &size);
    const struct std_object *o = first / 2 < std_nobjects ? &std_objects[first / 2] : NULL;
    size_t n = 0, nrest;

    *ret_who = first & 1;
    for (; o && n < o->noid; n++)
        ret[n] = o->oid[n];
    nrest = world_subids(data, size, rest);
    for (size_t i = 0; i < nrest && n < SUBIDS_MAX; i++)
        ret[n++] = rest[i];
    return n;
}

/* Of all owners' instances, the first behind ASKED that SCOPE's owner has is the same one. */
static void same_as_all(struct txn *t, const struct standard_scope *scope, const uint32_t *asked,
                        size_t n, const uint32_t *next, size_t nnext)
{
    const struct standard_scope all = {.uptime = scope->uptime, .now_ms = scope->now_ms};
    uint32_t at[SUBIDS_MAX], to[SUBIDS_MAX];
    struct standard_cell cell;
    size_t nto;

    memcpy(at, asked, n * sizeof *at);
    for (;;) {
        REQUIRE(standard_next(t, &all, at, n, to, &nto, &cell) == 0);
        if (standard_get(t, scope, to, nto, &cell) == 0)
            break;
        memcpy(at, to, nto * sizeof *at);
        n = nto;
    }
    REQUIRE(world_compare(to, nto, next, nnext) == 0);
}

FUZZ_TARGET(standard)
{
    uint32_t asked[SUBIDS_MAX], next[SUBIDS_MAX], after[SUBIDS_MAX];
    struct standard_scope scope = {.uptime = 1000, .now_ms = 1000000005000};
    struct standard_cell cell;
    size_t n, nnext, nafter;
    struct txn *t;
    uint8_t one;
    int err;

    n = asked_of(data, size, asked, &one);
    scope.owner = one ? "b" : NULL;
    t = txn_begin(world_store(), TXN_READ);
    (void)standard_get(t, &scope, asked, n, &cell);
    err = standard_next(t, &scope, asked, n, next, &nnext, &cell);
    REQUIRE(err == 0 || err == ERR_NOTFOUND);
    if (err == 0) {
        REQUIRE(world_compare(asked, n, next, nnext) < 0);
        REQUIRE(standard_get(t, &scope, next, nnext, &cell) == 0);
        same_as_all(t, &scope, asked, n, next, nnext);
        next[nnext - 1]--; /* just before it: the same comes next, if that is still behind ASKED */
        if (next[nnext - 1] != UINT32_MAX && world_compare(asked, n, next, nnext) <= 0) {
            REQUIRE(standard_next(t, &scope, next, nnext, after, &nafter, &cell) == 0);
            next[nnext - 1]++;
            REQUIRE(world_compare(next, nnext, after, nafter) == 0);
        }
    }
    txn_abort(t);
    return 0;
}
