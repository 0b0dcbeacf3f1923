#include "eval/wire.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/frame.h"

enum {
    IN_START = 64 << 10,
    IN_MAX = EVAL_REQUEST_MAX + FRAME_HEADER_LEN,
    FLUSH_AT = 32 << 10, /* of results; the largest one fits behind it in EVAL_REPLY_MAX */
};

static const uint8_t no_header[FRAME_HEADER_LEN];

int wire_init(struct wire *w, int fd)
{
    *w = (struct wire){.fd = fd, .cap = IN_START};
    buf_init(&w->results, EVAL_REPLY_MAX);
    buf_bytes(&w->results, no_header, sizeof no_header);
    w->in = malloc(w->cap);
    return w->in && !w->results.err ? 0 : ERR_NOMEM;
}

void wire_release(struct wire *w)
{
    free(w->in);
    buf_release(&w->results);
    *w = (struct wire){.fd = -1};
}

/* Make room for NEED octets from `start` on. */
static int make_room(struct wire *w, size_t need)
{
    memmove(w->in, w->in + w->start, w->end - w->start);
    w->end -= w->start;
    w->start = 0;
    if (need <= w->cap)
        return 0;
    uint8_t *bigger = realloc(w->in, need);
    if (!bigger)
        return ERR_NOMEM;
    w->in = bigger;
    w->cap = need;
    return 0;
}

/* Read until NEED octets are there. */
static int fill(struct wire *w, size_t need)
{
    while (w->end - w->start < need) {
        if (w->cap - w->start < need && make_room(w, need))
            return ERR_NOMEM;
        ssize_t n = read(w->fd, w->in + w->end, w->cap - w->end);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n < 0 ? ERR_IO : w->start == w->end ? ERR_CLOSED : ERR_PROTOCOL;
        w->end += (size_t)n;
    }
    return 0;
}

int wire_next(struct wire *w, uint16_t *ret_type, struct slice *ret_payload)
{
    int err = fill(w, FRAME_HEADER_LEN);

    if (err)
        return err;
    size_t len = get_u32(w->in + w->start);
    if (len > EVAL_REQUEST_MAX || get_u16(w->in + w->start + 6))
        return ERR_PROTOCOL;
    err = fill(w, FRAME_HEADER_LEN + len);
    if (err)
        return err == ERR_CLOSED ? ERR_PROTOCOL : err;
    *ret_type = get_u16(w->in + w->start + 4);
    *ret_payload = (struct slice){w->in + w->start + FRAME_HEADER_LEN, len};
    w->start += FRAME_HEADER_LEN + len;
    return 0;
}

static void write_all(int fd, const uint8_t *p, size_t n)
{
    while (n) {
        ssize_t k = write(fd, p, n);
        if (k < 0 && errno != EINTR)
            _exit(0);
        if (k > 0) {
            p += k;
            n -= (size_t)k;
        }
    }
}

static void put_header(uint8_t *p, enum eval_frame type, size_t len)
{
    put_u32(p, (uint32_t)len);
    put_u16(p + 4, (uint16_t)type);
    put_u16(p + 6, 0);
}

struct buf *wire_result(struct wire *w)
{
    return &w->results;
}

void wire_result_done(struct wire *w)
{
    if (w->results.err) /* out of memory: whoever waits for this result must not wait for ever */
        _exit(1);
    if (w->results.len >= FLUSH_AT)
        wire_flush(w);
}

void wire_flush(struct wire *w)
{
    size_t len = w->results.len;

    if (len == FRAME_HEADER_LEN)
        return;
    put_header(w->results.data, EVAL_RESULTS, len - FRAME_HEADER_LEN);
    write_all(w->fd, w->results.data, len);
    w->results.len = FRAME_HEADER_LEN;
}

void wire_send(struct wire *w, enum eval_frame type, const void *payload, size_t len)
{
    uint8_t header[FRAME_HEADER_LEN];

    wire_flush(w);
    put_header(header, type, len);
    write_all(w->fd, header, sizeof header);
    write_all(w->fd, payload, len);
}
