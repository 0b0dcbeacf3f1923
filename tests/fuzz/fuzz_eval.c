/* What core and evaluator say to each other: requests that are read can be written again, to the
 * same octets; results keep what eval/protocol.h promises of them. */
#include <string.h>

#include "base/text.h"
#include "eval/protocol.h"
#include "tests/fuzz/fuzz.h"

static void same(struct buf *b, const uint8_t *data, size_t size)
{
    REQUIRE(b->err == 0 && b->len == size && memcmp(b->data, data, size) == 0);
}

static void topic(const uint8_t *data, size_t size, struct buf *b)
{
    struct eval_topic t;

    if (eval_get_topic(data, size, &t))
        return;
    REQUIRE(t.nreaders <= EVAL_READERS_MAX);
    eval_put_topic(b, &t);
    same(b, data, size);
}

static void same_topic(const uint8_t *data, size_t size, struct buf *b)
{
    int64_t at;
    uint32_t id;

    if (eval_get_same(data, size, &id, &at))
        return;
    eval_put_same(b, id, at);
    same(b, data, size);
}

static void define(const uint8_t *data, size_t size, struct buf *b)
{
    uint32_t id, owner;
    struct slice text;

    if (eval_get_define(data, size, &id, &owner, &text))
        return;
    eval_put_define(b, id, owner, text);
    same(b, data, size);
}

static void event(const uint8_t *data, size_t size, struct buf *b)
{
    struct slice json;
    uint32_t id;

    if (eval_get_event(data, size, &id, &json))
        return;
    REQUIRE(json.len <= EVAL_EVENT_MAX);
    eval_put_event(b, id, json);
    same(b, data, size);
}

static void compile(const uint8_t *data, size_t size, struct buf *b)
{
    struct slice text;
    struct err e;
    uint32_t tag;

    (void)eval_check_text(data, size, &e);
    if (eval_get_compile(data, size, &tag, &text))
        return;
    eval_put_compile(b, tag, text.data, text.len);
    same(b, data, size);
}

static void batch(const uint8_t *data, size_t size, struct buf *b)
{
    uint32_t list[EVAL_BATCH_MAX], n;
    const uint8_t *ids;
    struct eval_now now;

    if (eval_get_eval(data, size, &now, &ids, &n))
        return;
    REQUIRE(n <= EVAL_BATCH_MAX);
    for (uint32_t i = 0; i < n; i++)
        list[i] = get_u32(ids + 4 * i);
    eval_put_eval(b, &now, list, n);
    same(b, data, size);
}

static void results(const uint8_t *data, size_t size, struct buf *b)
{
    struct eval_result result;
    struct rd r;

    (void)b;
    rd_init(&r, data, size);
    while (r.left && eval_get_result(&r, &result) == 0) {
        REQUIRE((result.flags & ~RESULT_FLAGS_ALL) == 0);
        for (unsigned i = 1; i < result.ndeps; i++)
            REQUIRE(get_u64(result.deps + 8 * (i - 1)) < get_u64(result.deps + 8 * i));
    }
}

static void answers(const uint8_t *data, size_t size, struct buf *b)
{
    uint64_t version;
    struct slice text;
    struct err e;
    uint32_t id;
    bool ok;

    (void)b;
    (void)eval_get_hello(data, size, &e);
    (void)eval_get_id(data, size, &id);
    (void)eval_get_topic_error(data, size, &id, &version, &text);
    (void)eval_get_compiled(data, size, &id, &ok, &text);
}

FUZZ_TARGET(eval)
{
    static void (*const parts[])(const uint8_t *, size_t, struct buf *) = {
        topic, same_topic, define, compile, batch, results, answers, event};
    struct buf b;

    if (!size)
        return 0;
    buf_init(&b, size + 64);
    parts[data[0] % (sizeof parts / sizeof *parts)](data + 1, size - 1, &b);
    buf_release(&b);
    return 0;
}
