#include "alerts/agenda.h"

#include <string.h>

#include "base/text.h"

enum { ENTRY_LEN = 12 };

static struct slice entry_key(uint8_t k[ENTRY_LEN], int64_t at_ms, uint32_t id)
{
    put_u64(k, at_ms > 0 ? (uint64_t)at_ms : 0);
    put_u32(k + 8, id);
    return (struct slice){k, ENTRY_LEN};
}

int agenda_add(struct txn *t, const char *db, const char *owner, uint32_t id, int64_t at_ms)
{
    uint8_t k[ENTRY_LEN];

    return kv_put(t, db, entry_key(k, at_ms, id),
                  (struct slice){(const uint8_t *)owner, strlen(owner)});
}

int agenda_drop(struct txn *t, const char *db, uint32_t id, int64_t at_ms)
{
    uint8_t k[ENTRY_LEN];
    int err = kv_del(t, db, entry_key(k, at_ms, id));

    return err == ERR_NOTFOUND ? 0 : err;
}

int agenda_first(struct txn *t, const char *db, int64_t from_ms, struct agenda_entry *ret)
{
    uint8_t at[ENTRY_LEN];
    struct slice k, v;
    int err = kv_seek(t, db, entry_key(at, from_ms, 0), false, &k, &v);

    if (err)
        return err;
    if (k.len != ENTRY_LEN || get_u64(k.data) > INT64_MAX || !v.len || v.len > NAME_MAX_LEN)
        return txn_fail(t, ERR_CORRUPT);
    ret->at_ms = (int64_t)get_u64(k.data);
    ret->id = get_u32(k.data + 8);
    memcpy(ret->owner, v.data, v.len);
    ret->owner[v.len] = 0;
    return 0;
}
