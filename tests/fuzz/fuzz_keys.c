/* OIDs to keys and back: keys sort as OIDs do, and a key that is valid for a table reads back part
 * by part to the same key. */
#include <string.h>

#include "tests/fuzz/world.h"

static int key_compare(const struct key *a, const struct key *b)
{
    int c = memcmp(a->data, b->data, a->len < b->len ? a->len : b->len);

    if (c)
        return c < 0 ? -1 : 1;
    return (a->len > b->len) - (a->len < b->len);
}

static void read_parts(const struct sa_table *t, const struct key *k)
{
    struct slice s = key_slice(k);
    struct key again;
    size_t pos = 0;
    char name[33];
    uint32_t v;

    key_init(&again);
    for (size_t i = 0; i < t->nindex; i++) {
        if (t->index[i].syntax == SA_NAME) {
            REQUIRE(key_read_name(&s, &pos, name) && strlen(name) >= 1);
            REQUIRE(key_str(&again, name));
        } else {
            REQUIRE(key_read_u32(&s, &pos, &v));
            REQUIRE(v >= t->index[i].min && v <= t->index[i].max);
            REQUIRE(key_u32(&again, v));
        }
    }
    REQUIRE(pos == k->len && key_compare(&again, k) == 0);
}

static bool make(const uint8_t *p, size_t size, struct key *k, uint32_t *ids, size_t *n)
{
    uint32_t back[SUBIDS_MAX];
    struct slice s;

    *n = world_subids(p, size, ids);
    if (!key_from_subids(k, ids, *n))
        return false;
    s = key_slice(k);
    REQUIRE(key_to_subids(&s, back, SUBIDS_MAX) == k->len / 4u);
    REQUIRE(world_compare(back, k->len / 4u, ids, k->len / 4u) == 0);
    for (size_t i = 0; i < sa_ntables; i++)
        if (!sa_tables[i]->scalars && key_valid(sa_tables[i], &s))
            read_parts(sa_tables[i], k);
    return true;
}

FUZZ_TARGET(keys)
{
    size_t split = size ? data[0] % size : 0, na, nb;
    uint32_t a[SUBIDS_MAX], b[SUBIDS_MAX];
    struct key ka, kb;

    if (make(data, split, &ka, a, &na) && make(data + split, size - split, &kb, b, &nb) &&
        ka.len == 4 * na && kb.len == 4 * nb)
        REQUIRE(key_compare(&ka, &kb) == world_compare(a, na, b, nb));
    return 0;
}
