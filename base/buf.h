/* Bounded byte buffer that is written, and reader of foreign bytes; integers are big-endian.
 * Both carry a sticky error: write or read straight on, look at `err` once at the end. */
#ifndef BASE_BUF_H
#define BASE_BUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct buf {
    uint8_t *data;
    size_t len, cap;
    size_t limit; /* most bytes it may hold; beyond: err = ERR_FULL and nothing more is added */
    int err;      /* ERR_FULL, ERR_NOMEM or 0 */
};

/* A borrowed run of bytes; not terminated. NULL with len 0 is the empty run. */
struct slice {
    const uint8_t *data;
    size_t len;
};
/* < 0: A is before B, 0: they are the same, > 0; by their octets, what is cut short first. */
static inline int slice_compare(struct slice a, struct slice b)
{
    size_t n = a.len < b.len ? a.len : b.len;
    int sign = n ? memcmp(a.data, b.data, n) : 0;

    return sign ? sign : (a.len > b.len) - (a.len < b.len);
}

static inline bool slice_equal(struct slice a, struct slice b)
{
    return a.len == b.len && (!a.len || !memcmp(a.data, b.data, a.len));
}

void buf_init(struct buf *b, size_t limit);
void buf_release(struct buf *b);
void buf_clear(struct buf *b); /* len = 0, err = 0; keeps the memory */

/* Room for N more octets, counted in len at once and not yet written; NULL on error. Valid until
 * the next call. */
uint8_t *buf_append(struct buf *b, size_t n);
void buf_u8(struct buf *b, uint8_t v);
void buf_u16(struct buf *b, uint16_t v);
void buf_u32(struct buf *b, uint32_t v);
void buf_u64(struct buf *b, uint64_t v);
void buf_bytes(struct buf *b, const void *p, size_t n); /* raw, no length */
void buf_blob(struct buf *b, const void *p, size_t n);  /* u32 length, then the bytes */
void buf_str(struct buf *b, const char *s);             /* blob of strlen(s); NULL as "" */
void buf_printf(struct buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Overwrite a u32 written before, at offset AT (for counts known later). */
void buf_patch_u32(struct buf *b, size_t at, uint32_t v);
/* The content as a C string: a 0 octet is put behind it (not counted in len). "" on error. */
const char *buf_cstr(struct buf *b);

struct rd {
    const uint8_t *p;
    size_t left;
    int err; /* ERR_SYNTAX once something did not fit; then every read gives 0 or "" */
};

void rd_init(struct rd *r, const void *p, size_t n);
uint8_t rd_u8(struct rd *r);
uint16_t rd_u16(struct rd *r);
uint32_t rd_u32(struct rd *r);
uint64_t rd_u64(struct rd *r);
struct slice rd_bytes(struct rd *r, size_t n); /* borrowed from the input */
struct slice rd_blob(struct rd *r);            /* what buf_blob wrote; borrowed */
/* What buf_str wrote, copied and terminated into DST; error if longer than CAP - 1 or if it
 * holds a 0 octet. */
void rd_str(struct rd *r, char *dst, size_t cap);
/* malloc'd copy of the same; NULL on error (limit: MAX octets). The caller frees. */
char *rd_strdup(struct rd *r, size_t max);
/* 0 if nothing failed and every byte was read, else ERR_SYNTAX (or rd_strdup's ERR_NOMEM). */
int rd_end(struct rd *r);

static inline void put_u16(uint8_t *p, uint16_t v)
{
    p[0] = (uint8_t)(v >> 8);
    p[1] = (uint8_t)v;
}
static inline void put_u32(uint8_t *p, uint32_t v)
{
    put_u16(p, (uint16_t)(v >> 16));
    put_u16(p + 2, (uint16_t)v);
}
static inline void put_u64(uint8_t *p, uint64_t v)
{
    put_u32(p, (uint32_t)(v >> 32));
    put_u32(p + 4, (uint32_t)v);
}
static inline uint16_t get_u16(const uint8_t *p)
{
    return (uint16_t)(p[0] << 8 | p[1]);
}
static inline uint32_t get_u32(const uint8_t *p)
{
    return (uint32_t)get_u16(p) << 16 | get_u16(p + 2);
}
static inline uint64_t get_u64(const uint8_t *p)
{
    return (uint64_t)get_u32(p) << 32 | get_u32(p + 4);
}

#endif
