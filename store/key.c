/* A key is the row's index, each sub-identifier as four big-endian octets: byte order is OID order
 * (a property test proves it against brute force). */
#include "store/store.h"

#include <string.h>

#include "base/text.h"

void key_init(struct key *k)
{
    k->len = 0;
}

bool key_u32(struct key *k, uint32_t v)
{
    if (k->len + 4 > SA_KEY_MAX)
        return false;
    put_u32(k->data + k->len, v);
    k->len += 4;
    return true;
}

bool key_name(struct key *k, const void *name, size_t len)
{
    const uint8_t *p = name;
    if (len > SA_KEY_MAX / 4 || k->len + 4 * (len + 1) > SA_KEY_MAX)
        return false;
    uint8_t *to = k->data + k->len;
    put_u32(to, (uint32_t)len);
    for (size_t i = 0; i < len; i++)
        put_u32(to += 4, p[i]);
    k->len += (uint16_t)(4 * (len + 1));
    return true;
}

bool key_str(struct key *k, const char *name)
{
    return key_name(k, name, strlen(name));
}

struct key key_of_name(const char *owner)
{
    struct key k;
    key_init(&k);
    key_str(&k, owner);
    return k;
}

struct key key_of_names(const char *owner, const char *name)
{
    struct key k = key_of_name(owner);
    key_str(&k, name);
    return k;
}

struct key key_of_id(const char *owner, uint32_t id)
{
    struct key k = key_of_name(owner);
    key_u32(&k, id);
    return k;
}

struct key key_of_scalars(void)
{
    struct key k;
    key_init(&k);
    key_u32(&k, 0);
    return k;
}

struct key key_copy(struct slice k)
{
    struct key copy;
    key_init(&copy);
    if (k.len <= sizeof copy.data) {
        memcpy(copy.data, k.data, k.len);
        copy.len = (uint16_t)k.len;
    }
    return copy;
}

bool key_read_u32(const struct slice *k, size_t *pos, uint32_t *ret)
{
    if (*pos > k->len || k->len - *pos < 4)
        return false;
    *ret = get_u32(k->data + *pos);
    *pos += 4;
    return true;
}

bool key_read_name(const struct slice *k, size_t *pos, char name_buf[33])
{
    size_t at = *pos;
    uint32_t n, octet;
    if (!key_read_u32(k, &at, &n) || n > NAME_MAX_LEN)
        return false;
    for (uint32_t i = 0; i < n; i++) {
        if (!key_read_u32(k, &at, &octet) || octet > 255)
            return false;
        name_buf[i] = (char)octet;
    }
    name_buf[n] = 0;
    *pos = at;
    return true;
}

bool key_read_names(const struct slice *k, char (*names)[33], size_t n)
{
    size_t pos = 0;
    for (size_t i = 0; i < n; i++)
        if (!key_read_name(k, &pos, names[i]))
            return false;
    return pos == k->len;
}

bool key_read_id(const struct slice *k, char owner[33], uint32_t *ret)
{
    size_t pos = 0;
    return key_read_name(k, &pos, owner) && key_read_u32(k, &pos, ret);
}

bool key_begins(struct slice k, const struct key *front)
{
    return k.len >= front->len && !memcmp(k.data, front->data, front->len);
}

bool key_from_subids(struct key *k, const uint32_t *subids, size_t n)
{
    key_init(k);
    for (size_t i = 0; i < n; i++)
        if (!key_u32(k, subids[i]))
            return false;
    return true;
}

size_t key_to_subids(const struct slice *k, uint32_t *subids, size_t cap)
{
    size_t n = k->len / 4 < cap ? k->len / 4 : cap;
    for (size_t i = 0; i < n; i++)
        subids[i] = get_u32(k->data + 4 * i);
    return n;
}

static bool part_valid(const struct sa_index *x, const struct slice *k, size_t *pos)
{
    char name[NAME_MAX_LEN + 1];
    uint32_t v;
    if (x->syntax != SA_NAME)
        return key_read_u32(k, pos, &v) && ((!x->min && !x->max) || (v >= x->min && v <= x->max));
    size_t from = *pos;
    return key_read_name(k, pos, name) && name_valid(name, (*pos - from) / 4 - 1);
}

bool key_valid(const struct sa_table *t, const struct slice *k)
{
    size_t pos = 0;
    uint32_t v;
    if (t->scalars)
        return k->len == 4 && key_read_u32(k, &pos, &v) && v == 0;
    for (size_t i = 0; i < t->nindex; i++)
        if (!part_valid(&t->index[i], k, &pos))
            return false;
    return pos == k->len;
}
