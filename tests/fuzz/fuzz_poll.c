/* Frames between core and poller, and the columns attribute. What is read can be written again,
 * to the same octets. */
#include <string.h>

#include "daemon/kinds.h"
#include "poll/columns.h"
#include "poll/poll.h"
#include "tests/fuzz/fuzz.h"

static void same(const struct buf *b, const uint8_t *data, const struct rd *r, size_t size)
{
    REQUIRE(b->err == 0 && b->len == size - r->left && memcmp(b->data, data, b->len) == 0);
}

static void source(const uint8_t *data, size_t size)
{
    struct poll_source s = {0};
    struct err e;
    struct buf b;
    struct rd r;

    rd_init(&r, data, size);
    if (poll_source_read(&s, &daemon_kinds, &r, &e))
        return;
    buf_init(&b, size + 1);
    poll_source_write(&s, &b);
    same(&b, data, &r, size);
    buf_release(&b);
    poll_source_release(&s);
}

static void sample(const uint8_t *data, size_t size)
{
    struct poll_sample s = {0};
    struct buf b;
    struct rd r;

    rd_init(&r, data, size);
    if (poll_sample_read(&s, &r))
        return;
    REQUIRE(s.json.len <= POLL_JSON_MAX);
    buf_init(&b, size + 1);
    poll_sample_write(&s, &b);
    same(&b, data, &r, size);
    buf_release(&b);
}

static void status(const uint8_t *data, size_t size)
{
    struct poll_status s = {0};
    struct buf b;
    struct rd r;

    rd_init(&r, data, size);
    if (poll_status_read(&s, &r))
        return;
    buf_init(&b, size + 1);
    poll_status_write(&s, &b);
    same(&b, data, &r, size);
    buf_release(&b);
}

static void columns(const uint8_t *data, size_t size)
{
    struct columns c;
    char text[4096];
    struct err e;

    if (size >= sizeof text)
        return;
    memcpy(text, data, size);
    text[size] = '\0';
    if (columns_parse(&c, text, &e) == 0)
        REQUIRE(c.n >= 1 && c.n <= COLUMNS_MAX && c.items[0].subid >= 1);
}

FUZZ_TARGET(poll)
{
    static void (*const parts[])(const uint8_t *, size_t) = {source, sample, status, columns};

    if (size)
        parts[data[0] % 4](data + 1, size - 1);
    return 0;
}
