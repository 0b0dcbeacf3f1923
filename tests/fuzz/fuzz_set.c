/* SNMP SETs of any varbinds: what is refused changes nothing, and what was committed is gone after
 * its undo; a set of one owner takes that owner's rows only. Each varbind is: length of the OID,
 * the OID, type, length of the value, the value. */
#include <string.h>

#include "store/set.h"
#include "tests/fuzz/world.h"

enum { VARBINDS_MAX = 16 };

/* What the core would do: without it the ring would fill the store. */
static void consume_changes(void)
{
    struct txn *t = txn_begin(world_store(), TXN_WRITE);
    uint64_t last = changes_consumed(t);
    struct change change;
    struct err e;

    while (changes_next(t, last, &change) == 0)
        last = change.seq;
    REQUIRE(changes_consume(t, last) == 0 && txn_commit(t, &e) == 0);
}

static bool is_of(const char *owner, const uint32_t *subids, size_t n)
{
    struct key k = key_of_name(owner);
    struct slice key = key_slice(&k);
    uint32_t prefix[SUBIDS_MAX];
    size_t nprefix = key_to_subids(&key, prefix, SUBIDS_MAX);

    return n > 3 + nprefix && view_owned(sa_table_by_id(subids[0])) &&
           !memcmp(subids + 3, prefix, nprefix * sizeof *prefix);
}

static void check_owner(const uint32_t *subids, size_t n, const struct set_value *v)
{
    struct set *x = set_new(world_store(), SET_SNMP);
    struct err e;

    REQUIRE(x);
    set_only_of(x, "b");
    REQUIRE(set_add(x, 1, subids, n, v, &e) != 0 || is_of("b", subids, n));
    set_free(x);
}

static int add_varbind(struct set *x, int tag, const uint8_t **p, size_t *left)
{
    static const enum set_type types[] = {SET_INT32, SET_UNSIGNED32, SET_COUNTER64, SET_OCTETS,
                                          SET_OTHER};
    struct slice oid = world_take(p, left, world_octet(p, left));
    struct set_value v = {.type = types[world_octet(p, left) % 5]};
    uint32_t subids[SUBIDS_MAX];
    size_t n = world_subids(oid.data, oid.len, subids);
    struct err e;

    v.bytes = world_take(p, left, world_octet(p, left));
    for (size_t i = 0; i < v.bytes.len && i < 8; i++)
        v.number = (int64_t)((uint64_t)v.number << 8 | v.bytes.data[i]);
    if (v.type == SET_INT32)
        v.number = (int32_t)v.number;
    if (v.type == SET_UNSIGNED32)
        v.number = (uint32_t)v.number;
    check_owner(subids, n, &v);
    return set_add(x, tag, subids, n, &v, &e);
}

FUZZ_TARGET(set)
{
    struct set *x = set_new(world_store(), SET_SNMP);
    uint64_t before = world_sum();
    struct err e = {0};
    int tag, err = 0;

    REQUIRE(x);
    for (int i = 1; !err && size && i <= VARBINDS_MAX; i++)
        err = add_varbind(x, i, &data, &size);
    if (!err)
        err = set_check(x, &tag, &e);
    if (!err) {
        REQUIRE(world_sum() == before); /* a check writes nothing */
        err = set_commit(x, &tag, &e);
        if (!err) {
            REQUIRE(set_undo(x, &e) == 0);
            consume_changes();
        }
    }
    REQUIRE(err <= 0 && world_sum() == before);
    set_free(x);
    return 0;
}
