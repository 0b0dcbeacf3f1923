/* GET and GETNEXT of any OID over a real store: what comes next is behind what was asked, is there
 * when asked for by its own name, and nothing lies between. And the same within one owner's part:
 * it is the whole without what is others'. */
#include <string.h>

#include "tests/fuzz/world.h"

/* The first instance of the whole view behind ASKED that is OWNER's: 0, and it is in RET. */
static int next_by_walking(struct txn *t, const struct key *owner, const uint32_t *asked, size_t n,
                           uint32_t *ret, size_t *ret_n)
{
    uint32_t prefix[SUBIDS_MAX];
    struct slice key = key_slice(owner);
    size_t nprefix = key_to_subids(&key, prefix, SUBIDS_MAX);
    struct cell cell;
    int err = view_next(t, asked, n, ret, ret_n, &cell);

    while (!err && (!view_owned(sa_table_by_id(ret[0])) ||
                    memcmp(ret + 3, prefix, nprefix * sizeof *prefix)))
        err = view_next(t, ret, *ret_n, ret, ret_n, &cell);
    return err;
}

static void check_owner(struct txn *t, const char *name, const uint32_t *asked, size_t n)
{
    uint32_t next[SUBIDS_MAX], wanted[SUBIDS_MAX];
    struct key owner = key_of_name(name);
    size_t nnext, nwanted;
    struct cell cell;
    int err = view_next_of(t, &owner, asked, n, next, &nnext, &cell);

    REQUIRE(err == next_by_walking(t, &owner, asked, n, wanted, &nwanted));
    if (view_get_of(t, &owner, asked, n, &cell) == 0)
        REQUIRE(view_get(t, asked, n, &cell) == 0);
    if (err)
        return;
    REQUIRE(world_compare(next, nnext, wanted, nwanted) == 0);
    REQUIRE(view_get_of(t, &owner, next, nnext, &cell) == 0);
}

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
    check_owner(t, "admin", asked, n);
    check_owner(t, "b", asked, n);
    check_owner(t, "nobody", asked, n);
    txn_abort(t);
    return 0;
}
