/* What parent and stages tell each other. What is read can be written again, to the same octets;
 * stages and states are some that there are, and texts end within their fields. */
#include <string.h>

#include "daemon/stage.h"
#include "tests/fuzz/fuzz.h"

static void same(const struct buf *b, const uint8_t *data, size_t size)
{
    REQUIRE(b->err == 0 && b->len == size && memcmp(b->data, data, size) == 0);
}

static void link(struct rd *r, struct buf *b, const uint8_t *data, size_t size)
{
    struct stage_link l;

    if (stage_link_read(&l, r))
        return;
    REQUIRE(l.peer >= STAGE_CORE && l.peer <= STAGE_LAST);
    REQUIRE(stage_by_name(stage_name(l.peer)) == l.peer);
    stage_link_write(&l, b);
    same(b, data, size);
}

static void process(struct rd *r, struct buf *b, const uint8_t *data, size_t size)
{
    struct stage_process p;

    if (stage_process_read(&p, r))
        return;
    REQUIRE(p.stage >= STAGE_CORE && p.stage <= STAGE_LAST);
    REQUIRE(p.state >= PROCESS_STARTING && p.state <= PROCESS_FAILED);
    REQUIRE(strlen(p.last_exit) < sizeof p.last_exit);
    stage_process_write(&p, b);
    same(b, data, size);
}

static void config(struct rd *r, struct buf *b, const uint8_t *data, size_t size)
{
    struct stage_config c;

    if (stage_config_read(&c, r))
        return;
    REQUIRE(strlen(c.file) < sizeof c.file && strlen(c.error) < sizeof c.error);
    stage_config_write(&c, b);
    same(b, data, size);
}

FUZZ_TARGET(stage)
{
    static void (*const parts[])(struct rd *, struct buf *, const uint8_t *,
                                 size_t) = {link, process, config};
    struct buf b;
    struct rd r;

    if (!size)
        return 0;
    buf_init(&b, size + 64);
    rd_init(&r, data + 1, size - 1);
    parts[data[0] % 3](&r, &b, data + 1, size - 1);
    buf_release(&b);
    return 0;
}
