#include "snmp/ber.h"

enum { LENGTH_OCTETS_MAX = 4, SHORT_LENGTH_MAX = 127 };

void ber_out_init(struct ber_out *o, uint8_t *dst, size_t cap)
{
    *o = (struct ber_out){.begin = dst, .at = dst + cap, .end = dst + cap};
}

size_t ber_out_len(const struct ber_out *o)
{
    return (size_t)(o->end - o->at);
}

void ber_put_raw(struct ber_out *o, const void *p, size_t n)
{
    if (o->full || n > (size_t)(o->at - o->begin)) {
        o->full = true;
        return;
    }
    o->at -= n;
    if (n)
        memcpy(o->at, p, n);
}

static void put_octet(struct ber_out *o, unsigned v)
{
    uint8_t octet = (uint8_t)v;

    ber_put_raw(o, &octet, 1);
}

static void put_header(struct ber_out *o, enum ber_tag tag, size_t n)
{
    unsigned octets = 0;

    if (n <= SHORT_LENGTH_MAX) {
        put_octet(o, (unsigned)n);
    } else {
        for (; n; n >>= 8, octets++)
            put_octet(o, (unsigned)(n & 0xff));
        put_octet(o, 0x80 | octets);
    }
    put_octet(o, tag);
}

void ber_put_header(struct ber_out *o, enum ber_tag tag, const uint8_t *mark)
{
    put_header(o, tag, (size_t)(mark - o->at));
}

void ber_put_octets(struct ber_out *o, enum ber_tag tag, const void *p, size_t n)
{
    ber_put_raw(o, p, n);
    put_header(o, tag, n);
}

void ber_put_int(struct ber_out *o, int32_t v)
{
    const uint8_t *mark = o->at;
    int32_t rest = v;

    do {
        put_octet(o, (uint32_t)rest & 0xff);
        rest >>= 8;
    } while (!o->full && ((rest != 0 && rest != -1) || (rest < 0) != ((o->at[0] & 0x80) != 0)));
    ber_put_header(o, BER_INTEGER, mark);
}

static size_t get_length(struct rd *r)
{
    unsigned first = rd_u8(r), octets = first & 0x7f;
    size_t n = 0;

    if (first <= SHORT_LENGTH_MAX)
        return first;
    if (octets == 0 || octets > LENGTH_OCTETS_MAX) {
        r->err = ERR_SYNTAX;
        return 0;
    }
    while (octets--)
        n = n << 8 | rd_u8(r);
    return n;
}

struct slice ber_get(struct rd *r, enum ber_tag tag)
{
    size_t n;

    if (rd_u8(r) != tag && !r->err)
        r->err = ERR_SYNTAX;
    n = get_length(r);
    return rd_bytes(r, n);
}

int32_t ber_get_int(struct rd *r, int32_t min, int32_t max)
{
    struct slice s = ber_get(r, BER_INTEGER);
    int64_t v;

    if (!r->err && (s.len < 1 || s.len > 5))
        r->err = ERR_SYNTAX;
    if (r->err)
        return min;
    v = (int8_t)s.data[0];
    for (size_t i = 1; i < s.len; i++)
        v = (int64_t)((uint64_t)v << 8 | s.data[i]);
    if (v < min || v > max) {
        r->err = ERR_SYNTAX;
        return min;
    }
    return (int32_t)v;
}
