#include "base/buf.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"

enum { FIRST_CAP = 64 };

void buf_init(struct buf *b, size_t limit)
{
    *b = (struct buf){.limit = limit};
}

void buf_release(struct buf *b)
{
    free(b->data);
    *b = (struct buf){.limit = b->limit};
}

void buf_clear(struct buf *b)
{
    b->len = 0;
    b->err = 0;
}

/* Memory for NEED octets in all, be they within the limit or not. */
static bool grow(struct buf *b, size_t need)
{
    size_t cap = b->cap ? b->cap : FIRST_CAP;
    uint8_t *data;

    if (need <= b->cap)
        return true;
    while (cap < need)
        cap = cap <= SIZE_MAX / 2 ? cap * 2 : need;
    data = realloc(b->data, cap);
    if (!data) {
        b->err = ERR_NOMEM;
        return false;
    }
    b->data = data;
    b->cap = cap;
    return true;
}

uint8_t *buf_append(struct buf *b, size_t n)
{
    uint8_t *room;

    if (b->err)
        return NULL;
    if (b->len > b->limit || n > b->limit - b->len) {
        b->err = ERR_FULL;
        return NULL;
    }
    if (!grow(b, b->len + n + 1)) /* one more, for buf_cstr() */
        return NULL;
    room = b->data + b->len;
    b->len += n;
    return room;
}

void buf_u8(struct buf *b, uint8_t v)
{
    uint8_t *p = buf_append(b, 1);

    if (p)
        *p = v;
}

void buf_u16(struct buf *b, uint16_t v)
{
    uint8_t *p = buf_append(b, 2);

    if (p)
        put_u16(p, v);
}

void buf_u32(struct buf *b, uint32_t v)
{
    uint8_t *p = buf_append(b, 4);

    if (p)
        put_u32(p, v);
}

void buf_u64(struct buf *b, uint64_t v)
{
    uint8_t *p = buf_append(b, 8);

    if (p)
        put_u64(p, v);
}

void buf_bytes(struct buf *b, const void *p, size_t n)
{
    uint8_t *room = buf_append(b, n);

    if (room && n > 0)
        memcpy(room, p, n);
}

void buf_blob(struct buf *b, const void *p, size_t n)
{
    uint8_t *room;

    if (n > UINT32_MAX - 4 && !b->err)
        b->err = ERR_FULL;
    room = buf_append(b, n + 4); /* both or neither */
    if (!room)
        return;
    put_u32(room, (uint32_t)n);
    if (n > 0)
        memcpy(room + 4, p, n);
}

void buf_str(struct buf *b, const char *s)
{
    buf_blob(b, s, s ? strlen(s) : 0);
}

void buf_printf(struct buf *b, const char *fmt, ...)
{
    va_list ap;
    int n;

    va_start(ap, fmt);
    n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    if (n < 0) {
        if (!b->err)
            b->err = ERR_NOMEM;
        return;
    }
    /* The terminator falls on the octet that buf_append() keeps spare. */
    char *room = (char *)buf_append(b, (size_t)n);

    if (!room)
        return;
    va_start(ap, fmt);
    vsnprintf(room, (size_t)n + 1, fmt, ap);
    va_end(ap);
}

void buf_patch_u32(struct buf *b, size_t at, uint32_t v)
{
    if (b->err)
        return;
    assert(at <= b->len && b->len - at >= 4);
    put_u32(b->data + at, v);
}

const char *buf_cstr(struct buf *b)
{
    if (b->err || !grow(b, b->len + 1))
        return "";
    b->data[b->len] = '\0';
    return (const char *)b->data;
}

void rd_init(struct rd *r, const void *p, size_t n)
{
    *r = (struct rd){.p = p, .left = n};
}

static struct slice fail(struct rd *r)
{
    if (!r->err)
        r->err = ERR_SYNTAX;
    return (struct slice){NULL, 0};
}

struct slice rd_bytes(struct rd *r, size_t n)
{
    struct slice s = {r->p, n};

    if (r->err || n > r->left)
        return fail(r);
    if (n > 0) { /* an empty input may be NULL, which must not be added to */
        r->p += n;
        r->left -= n;
    }
    return s;
}

uint8_t rd_u8(struct rd *r)
{
    struct slice s = rd_bytes(r, 1);

    return s.data ? s.data[0] : 0;
}

uint16_t rd_u16(struct rd *r)
{
    struct slice s = rd_bytes(r, 2);

    return s.data ? get_u16(s.data) : 0;
}

uint32_t rd_u32(struct rd *r)
{
    struct slice s = rd_bytes(r, 4);

    return s.data ? get_u32(s.data) : 0;
}

uint64_t rd_u64(struct rd *r)
{
    struct slice s = rd_bytes(r, 8);

    return s.data ? get_u64(s.data) : 0;
}

struct slice rd_blob(struct rd *r)
{
    uint32_t n = rd_u32(r);

    return rd_bytes(r, n);
}

/* A blob of at most MAX octets without a 0 octet, as C strings are. */
static struct slice string(struct rd *r, size_t max)
{
    struct slice s = rd_blob(r);

    if (r->err || s.len > max || (s.len > 0 && memchr(s.data, 0, s.len)))
        return fail(r);
    return s;
}

void rd_str(struct rd *r, char *dst, size_t cap)
{
    struct slice s = string(r, cap - 1);

    if (s.len > 0)
        memcpy(dst, s.data, s.len);
    dst[s.len] = '\0';
}

char *rd_strdup(struct rd *r, size_t max)
{
    struct slice s = string(r, max);
    char *copy;

    if (r->err)
        return NULL;
    copy = malloc(s.len + 1);
    if (!copy) {
        r->err = ERR_NOMEM;
        return NULL;
    }
    if (s.len > 0)
        memcpy(copy, s.data, s.len);
    copy[s.len] = '\0';
    return copy;
}

int rd_end(struct rd *r)
{
    if (!r->err && r->left > 0)
        fail(r);
    return r->err;
}
