/* GET and GETNEXT of any OID over a real store: what comes next is behind what was asked, is there
 * when asked for by its own name, and nothing lies between. */
#include "tests/fuzz/world.h"

FUZZ_TARGET(view)
{
    uint32_t asked[SUBIDS_MAX], next[SUBIDS_MAX], after[SUBIDS_MAX];
    size_t n, nnext, nafter;
    struct cell cell;
    struct txn *t;
    int err;

    n = world_subids(data, size, asked);
    t = txn_begin(world_store(), TXN_READ);
    (void)view_get(t, asked, n, &cell);
    err = view_next(t, asked, n, next, &nnext, &cell);
    REQUIRE(err == 0 || err == ERR_NOTFOUND);
    if (err == 0) {
        REQUIRE(world_compare(asked, n, next, nnext) < 0);
        REQUIRE(view_get(t, next, nnext, &cell) == 0);
        next[nnext - 1]--; /* just before it: the same comes next, if that is still behind ASKED */
        if (next[nnext - 1] != UINT32_MAX && world_compare(asked, n, next, nnext) <= 0) {
            REQUIRE(view_next(t, next, nnext, after, &nafter, &cell) == 0);
            next[nnext - 1]++;
            REQUIRE(world_compare(next, nnext, after, nafter) == 0);
        }
    }
    txn_abort(t);
    return 0;
}
