/* How many rows of a table an owner has, so that a quota is one look. Own database:
 *   u8 table, owner as in a key -> u32 rows
 * Of durable tables whose rows managers make (they have a RowStatus). Whoever makes or deletes the
 * durable part of a row says so here. */
#include <string.h>

#include "base/text.h"
#include "store/impl.h"

static const char count_db[] = "set.count";

struct count_key {
    uint8_t data[1 + 4 * (1 + NAME_MAX_LEN)];
    size_t len;
};

/* The first part of a row's key is its owner: a length and as many octets, four bytes each. */
static bool make_key(struct count_key *u, const struct slot *slot, struct slice key)
{
    if (!slot->table->row_status || slot->home != ENV_STATE || key.len < 4 ||
        get_u32(key.data) > NAME_MAX_LEN)
        return false;
    u->len = 1 + 4 * (1 + (size_t)get_u32(key.data));
    if (u->len - 1 > key.len)
        return false;
    u->data[0] = slot->table->id;
    memcpy(u->data + 1, key.data, u->len - 1);
    return true;
}

int64_t count_get(struct txn *t, const struct slot *slot, struct slice owner)
{
    struct count_key u;
    struct slice v;
    if (!make_key(&u, slot, owner) || kv_get(t, count_db, (struct slice){u.data, u.len}, &v))
        return 0;
    return v.len == 4 ? get_u32(v.data) : 0;
}

void count_add(struct txn *t, const struct slot *slot, struct slice key, int delta)
{
    struct count_key u;
    uint8_t v[4];
    if (!delta || !make_key(&u, slot, key))
        return;
    bool allowed = t->allow_growth;
    put_u32(v, (uint32_t)(count_get(t, slot, key) + delta));
    t->allow_growth = true; /* the row has been weighed; a delete is always allowed */
    kv_put(t, count_db, (struct slice){u.data, u.len}, (struct slice){v, sizeof v});
    t->allow_growth = allowed;
}
