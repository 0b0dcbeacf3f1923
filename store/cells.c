#include "store/cells.h"

#include <string.h>

#include "base/err.h"
#include "store/sum.h"

enum { HEAD = 3, STAGED_HEAD = 4, NUMBERS = 256 };

int cells_open(struct cells *c, struct slice value)
{
    c->rest = value;
    c->last = 0;
    if (!value.len)
        return 0;
    size_t head = value.data[0] == ROW_PLAIN    ? ROW_HEAD_PLAIN
                  : value.data[0] == ROW_SUMMED ? ROW_HEAD_SUMMED
                                                : value.len + 1;
    if (head > value.len)
        return ERR_CORRUPT;
    c->rest.data += head;
    c->rest.len -= head;
    return 0;
}

int cells_next(struct cells *c, struct stored *ret)
{
    const uint8_t *p = c->rest.data;
    if (!c->rest.len)
        return 0;
    if (c->rest.len < HEAD || p[0] <= c->last)
        return ERR_CORRUPT;
    size_t n = get_u16(p + 1);
    if (n > c->rest.len - HEAD)
        return ERR_CORRUPT;
    ret->number = p[0];
    ret->bytes = (struct slice){p + HEAD, n};
    c->last = p[0];
    c->rest.data += HEAD + n;
    c->rest.len -= HEAD + n;
    return 1;
}

int cells_check(struct slice value)
{
    struct cells c;
    struct stored one;
    int rc = cells_open(&c, value);
    while (!rc && (rc = cells_next(&c, &one)) == 1)
        rc = 0;
    return rc;
}

/* The same steps as cells_next()'s, without looking at cells that are passed: this is what rows are
 * read by. */
bool cells_find(struct slice value, unsigned number, struct slice *ret)
{
    struct cells c;
    if (cells_open(&c, value) || !c.rest.len)
        return false;
    const uint8_t *p = c.rest.data, *end = p + c.rest.len;
    while (end - p >= HEAD && p[0] <= number) {
        size_t n = get_u16(p + 1);
        if (n > (size_t)(end - p) - HEAD)
            return false;
        if (p[0] == number) {
            *ret = (struct slice){p + HEAD, n};
            return true;
        }
        p += HEAD + n;
    }
    return false;
}

bool cells_number(struct slice bytes, int64_t *ret)
{
    if (bytes.len - 1 > 7) /* also 0 */
        return false;
    uint64_t v = bytes.data[0] & 0x80 ? UINT64_MAX : 0;
    for (size_t i = 0; i < bytes.len; i++)
        v = v << 8 | bytes.data[i];
    *ret = (int64_t)v;
    return true;
}

/* How many octets V needs in two's complement. */
static size_t octets_of(int64_t v)
{
    uint64_t magnitude = (uint64_t)(v < 0 ? ~v : v);
    return magnitude ? (size_t)(64 - __builtin_clzll(magnitude)) / 8 + 1 : 1;
}

/* Room for N octets behind the head; NULL when there is none (the buffer's error says why). */
static uint8_t *staged_room(struct buf *staged, unsigned number, bool clear, size_t n)
{
    uint8_t *p = buf_append(staged, STAGED_HEAD + n);
    if (!p)
        return NULL;
    p[0] = (uint8_t)number;
    p[1] = clear;
    put_u16(p + 2, (uint16_t)n);
    return p + STAGED_HEAD;
}

void staged_put(struct buf *staged, unsigned number, const void *p, size_t n)
{
    uint8_t *to = staged_room(staged, number, false, n);
    if (to && n)
        memcpy(to, p, n);
}

void staged_number(struct buf *staged, unsigned number, int64_t v)
{
    size_t n = octets_of(v);
    uint8_t *to = staged_room(staged, number, false, n);
    for (size_t i = 0; to && i < n; i++)
        to[i] = (uint8_t)((uint64_t)v >> 8 * (n - 1 - i));
}

void staged_clear(struct buf *staged, unsigned number)
{
    staged_room(staged, number, true, 0);
}

/* The staged cell at AT (our own bytes, well-formed); returns where the next one is. */
static size_t staged_at(const struct buf *staged, size_t at, struct stored *ret, bool *clear)
{
    const uint8_t *p = staged->data + at;
    ret->number = p[0];
    *clear = p[1];
    ret->bytes = (struct slice){p + STAGED_HEAD, get_u16(p + 2)};
    return at + STAGED_HEAD + ret->bytes.len;
}

int staged_find(const struct buf *staged, unsigned number, struct slice *ret)
{
    int found = -1;
    struct stored one;
    bool clear;
    for (size_t at = 0; at < staged->len;) {
        at = staged_at(staged, at, &one, &clear);
        if (one.number != number)
            continue;
        found = !clear;
        *ret = one.bytes;
    }
    return found;
}

static uint8_t *cell_write(uint8_t *p, const struct stored *one)
{
    *p = one->number;
    put_u16(p + 1, (uint16_t)one->bytes.len);
    if (one->bytes.len)
        memcpy(p + HEAD, one->bytes.data, one->bytes.len);
    return p + HEAD + one->bytes.len;
}

/* One staged cell goes in at P, or clears OLD (NULL: there was none). */
static uint8_t *merge_one(const struct buf *staged, size_t at, const struct stored *old, uint8_t *p,
                          uint32_t changed[8])
{
    struct stored one;
    bool clear;
    staged_at(staged, at, &one, &clear);
    if (clear ? old != NULL : !old || !slice_equal(old->bytes, one.bytes))
        bits_set(changed, one.number);
    return clear ? p : cell_write(p, &one);
}

/* The staged cells, by number: those that count, the last one of each number. */
struct staged_map {
    uint64_t have[NUMBERS / 64];
    uint32_t at[NUMBERS]; /* set where `have` says so */
};

static void map_staged(struct staged_map *m, const struct buf *staged)
{
    memset(m->have, 0, sizeof m->have);
    for (size_t at = 0, next; at < staged->len; at = next) {
        struct stored one;
        bool clear;
        next = staged_at(staged, at, &one, &clear);
        m->at[one.number] = (uint32_t)at;
        m->have[one.number / 64] |= UINT64_C(1) << one.number % 64;
    }
}

/* The first number >= FROM that is there, NUMBERS when there is none. */
static unsigned map_next(const struct staged_map *m, unsigned from)
{
    for (unsigned i = from / 64; i < NUMBERS / 64; i++) {
        uint64_t bits = m->have[i];
        if (i == from / 64)
            bits &= UINT64_MAX << from % 64;
        if (bits)
            return i * 64 + (unsigned)__builtin_ctzll(bits);
    }
    return NUMBERS;
}

/* Into P, where both have room. */
static int merge(struct slice old, const struct buf *staged, uint8_t **p, uint32_t changed[8])
{
    struct staged_map m;
    struct stored one;
    struct cells c;
    int rc = cells_open(&c, old);
    if (rc)
        return rc;
    map_staged(&m, staged);
    unsigned n = map_next(&m, 0);
    while ((rc = cells_next(&c, &one)) == 1) {
        for (; n < one.number; n = map_next(&m, n + 1))
            *p = merge_one(staged, m.at[n], NULL, *p, changed);
        if (n == one.number) {
            *p = merge_one(staged, m.at[n], &one, *p, changed);
            n = map_next(&m, n + 1);
        } else {
            *p = cell_write(*p, &one);
        }
    }
    for (; !rc && n < NUMBERS; n = map_next(&m, n + 1))
        *p = merge_one(staged, m.at[n], NULL, *p, changed);
    return rc;
}

int cells_merge(struct slice old, const struct buf *staged, struct buf *ret, uint32_t changed[8])
{
    size_t start = ret->len;
    uint8_t *p = buf_append(ret, 1 + old.len + staged->len); /* a staged head is the longer one */
    memset(changed, 0, 8 * sizeof changed[0]);
    if (!p)
        return ret->err;
    *p++ = ROW_PLAIN;
    int rc = merge(old, staged, &p, changed);
    ret->len = rc ? start : (size_t)(p - ret->data);
    return rc;
}
