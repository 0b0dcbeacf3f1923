#include "eval/protocol.h"

#include <string.h>

#ifdef HAVE_CONFIG_H
#include "config.h"
#endif
#include "base/text.h"

#ifndef SA_BUILD_ID
#define SA_BUILD_ID "unconfigured"
#endif

const char *eval_build_id(void)
{
    return SA_BUILD_ID;
}

eval_dep eval_dep_missing(const char *name)
{
    return eval_dep_make(EVAL_DEP_MISSING, hash64(name, strlen(name), 0));
}

/* One u32 at a time through buf_u32() would cost more than the evaluation of what it names. */
static void put_u32s(struct buf *b, const uint32_t *v, size_t n)
{
    uint8_t raw[256 * 4];

    while (n) {
        size_t k = n < 256 ? n : 256;
        for (size_t i = 0; i < k; i++)
            put_u32(raw + 4 * i, v[i]);
        buf_bytes(b, raw, 4 * k);
        v += k;
        n -= k;
    }
}

void eval_put_hello(struct buf *b)
{
    buf_u32(b, EVAL_PROTOCOL_VERSION);
    buf_str(b, eval_build_id());
}

void eval_put_topic(struct buf *b, const struct eval_topic *t)
{
    buf_u32(b, t->id);
    buf_u64(b, t->version);
    buf_u64(b, (uint64_t)t->taken_ms);
    buf_str(b, t->name);
    buf_u32(b, t->nreaders);
    buf_bytes(b, t->readers, 4 * (size_t)t->nreaders);
    buf_blob(b, t->json.data, t->json.len);
}

void eval_put_same(struct buf *b, uint32_t id, int64_t taken_ms)
{
    buf_u32(b, id);
    buf_u64(b, (uint64_t)taken_ms);
}

void eval_put_define(struct buf *b, uint32_t id, uint32_t owner, struct slice text)
{
    buf_u32(b, id);
    buf_u32(b, owner);
    buf_blob(b, text.data, text.len);
}

void eval_put_event(struct buf *b, uint32_t id, struct slice json)
{
    buf_u32(b, id);
    buf_blob(b, json.data, json.len);
}

void eval_put_eval(struct buf *b, const struct eval_now *now, const uint32_t *ids, size_t n)
{
    buf_u64(b, (uint64_t)now->wall_ms);
    buf_u64(b, (uint64_t)now->mono_ms);
    buf_u32(b, (uint32_t)n);
    put_u32s(b, ids, n);
}

void eval_put_compile(struct buf *b, uint32_t tag, const void *text, size_t len)
{
    buf_u32(b, tag);
    buf_blob(b, text, len);
}

void eval_put_result(struct buf *b, const struct verdict *v, uint32_t condition_id, bool same_deps,
                     const eval_dep *deps, size_t ndeps)
{
    uint8_t head[12];
    bool texts = v->value[0] || v->message[0] || v->error[0];

    put_u32(head, condition_id);
    head[4] = (uint8_t)v->kind;
    head[5] = v->level;
    put_u16(head + 6,
            (uint16_t)((texts ? RESULT_TEXTS : 0) | (same_deps ? RESULT_SAME_DEPS : 0) |
                       (v->reads_clock ? RESULT_CLOCK : 0) | (v->over_budget ? RESULT_OVER : 0) |
                       (v->asked ? RESULT_PARTS : 0)));
    put_u32(head + 8, v->cost_us);
    buf_bytes(b, head, sizeof head);
    if (v->asked) {
        buf_u8(b, v->asked);
        buf_u8(b, v->holds);
        buf_u8(b, v->failed);
    }
    if (texts) {
        buf_str(b, v->value);
        buf_str(b, v->message);
        buf_str(b, v->error);
    }
    if (!same_deps) {
        buf_u16(b, (uint16_t)ndeps);
        for (size_t i = 0; i < ndeps; i++)
            buf_u64(b, deps[i]);
    }
}

void eval_put_topic_error(struct buf *b, uint32_t id, uint64_t version, const char *text)
{
    buf_u32(b, id);
    buf_u64(b, version);
    buf_str(b, text);
}

void eval_put_compiled(struct buf *b, uint32_t tag, bool ok, const char *text)
{
    buf_u32(b, tag);
    buf_u8(b, ok);
    buf_str(b, text);
}

void eval_put_frame(struct buf *bundle, enum eval_frame type, const void *payload, size_t len)
{
    buf_u32(bundle, (uint32_t)len);
    buf_u16(bundle, (uint16_t)type);
    buf_u16(bundle, 0);
    buf_bytes(bundle, payload, len);
}

int eval_get_frame(struct rd *r, uint16_t *ret_type, struct slice *ret_payload)
{
    uint32_t len = rd_u32(r);

    *ret_type = rd_u16(r);
    if (rd_u16(r) || *ret_type == EVAL_BUNDLE)
        return ERR_PROTOCOL;
    *ret_payload = rd_bytes(r, len);
    return r->err ? ERR_PROTOCOL : 0;
}

static int finish(struct rd *r)
{
    return rd_end(r) ? ERR_PROTOCOL : 0;
}

int eval_get_hello(const void *p, size_t n, struct err *e)
{
    struct rd r;
    char build[128];

    rd_init(&r, p, n);
    uint32_t version = rd_u32(&r);
    rd_str(&r, build, sizeof build);
    if (rd_end(&r))
        return err_set(e, ERR_PROTOCOL, "the evaluator's greeting makes no sense");
    if (version != EVAL_PROTOCOL_VERSION || strcmp(build, eval_build_id()))
        return err_set(e, ERR_VERSION, "the evaluator is of build %s, this program of %s", build,
                       eval_build_id());
    return 0;
}

int eval_get_topic(const void *p, size_t n, struct eval_topic *ret)
{
    struct rd r;

    rd_init(&r, p, n);
    ret->id = rd_u32(&r);
    ret->version = rd_u64(&r);
    ret->taken_ms = (int64_t)rd_u64(&r);
    rd_str(&r, ret->name, sizeof ret->name);
    ret->nreaders = rd_u32(&r);
    if (ret->nreaders > EVAL_READERS_MAX)
        return ERR_PROTOCOL;
    ret->readers = rd_bytes(&r, 4 * (size_t)ret->nreaders).data;
    ret->json = rd_blob(&r);
    return finish(&r);
}

int eval_get_same(const void *p, size_t n, uint32_t *ret_id, int64_t *ret_taken_ms)
{
    struct rd r;

    rd_init(&r, p, n);
    *ret_id = rd_u32(&r);
    *ret_taken_ms = (int64_t)rd_u64(&r);
    return finish(&r);
}

int eval_get_id(const void *p, size_t n, uint32_t *ret_id)
{
    struct rd r;

    rd_init(&r, p, n);
    *ret_id = rd_u32(&r);
    return finish(&r);
}

int eval_get_define(const void *p, size_t n, uint32_t *ret_id, uint32_t *ret_owner,
                    struct slice *ret_text)
{
    struct rd r;

    rd_init(&r, p, n);
    *ret_id = rd_u32(&r);
    *ret_owner = rd_u32(&r);
    *ret_text = rd_blob(&r);
    return finish(&r);
}

int eval_get_event(const void *p, size_t n, uint32_t *ret_id, struct slice *ret_json)
{
    struct rd r;
    int err;

    rd_init(&r, p, n);
    *ret_id = rd_u32(&r);
    *ret_json = rd_blob(&r);
    err = finish(&r);
    if (err || ret_json->len > EVAL_EVENT_MAX || !utf8_valid(ret_json->data, ret_json->len) ||
        memchr(ret_json->data, 0, ret_json->len))
        return ERR_PROTOCOL;
    return 0;
}

int eval_get_eval(const void *p, size_t n, struct eval_now *ret_now, const uint8_t **ret_ids,
                  uint32_t *ret_n)
{
    struct rd r;

    rd_init(&r, p, n);
    ret_now->wall_ms = (int64_t)rd_u64(&r);
    ret_now->mono_ms = (int64_t)rd_u64(&r);
    *ret_n = rd_u32(&r);
    if (*ret_n > EVAL_BATCH_MAX)
        return ERR_PROTOCOL;
    *ret_ids = rd_bytes(&r, 4 * (size_t)*ret_n).data;
    return finish(&r);
}

int eval_get_compile(const void *p, size_t n, uint32_t *ret_tag, struct slice *ret_text)
{
    struct rd r;

    rd_init(&r, p, n);
    *ret_tag = rd_u32(&r);
    *ret_text = rd_blob(&r);
    return finish(&r);
}

static bool deps_rise(const uint8_t *deps, uint16_t n)
{
    for (uint16_t i = 1; i < n; i++)
        if (get_u64(deps + 8 * (size_t)i) <= get_u64(deps + 8 * (size_t)(i - 1)))
            return false;
    return true;
}

/* What is true or failed was asked, and only one of these. */
static bool parts_make_sense(const struct eval_result *v)
{
    return v->asked < 1 << VERDICT_PARTS && !(v->holds & ~v->asked) && !(v->failed & ~v->asked) &&
           !(v->holds & v->failed);
}

static bool result_makes_sense(const struct eval_result *v)
{
    bool level_ok = v->kind == VERDICT_LEVEL ? v->level >= 1 && v->level <= 5 : v->level == 0;

    return v->kind <= VERDICT_ERROR && level_ok && !(v->flags & ~RESULT_FLAGS_ALL) &&
           parts_make_sense(v) && v->value.len <= VERDICT_VALUE_MAX &&
           v->message.len <= VERDICT_MESSAGE_MAX && v->error.len <= VERDICT_ERROR_MAX &&
           deps_rise(v->deps, v->ndeps);
}

int eval_get_result(struct rd *r, struct eval_result *ret)
{
    const struct slice none = {NULL, 0};
    struct slice head = rd_bytes(r, 12);

    if (r->err)
        return ERR_PROTOCOL;
    ret->condition_id = get_u32(head.data);
    ret->kind = head.data[4];
    ret->level = head.data[5];
    ret->flags = get_u16(head.data + 6);
    ret->cost_us = get_u32(head.data + 8);
    bool texts = ret->flags & RESULT_TEXTS, parts = ret->flags & RESULT_PARTS;
    ret->asked = parts ? rd_u8(r) : 0;
    ret->holds = parts ? rd_u8(r) : 0;
    ret->failed = parts ? rd_u8(r) : 0;
    if (parts && !ret->asked)
        return ERR_PROTOCOL;
    ret->value = texts ? rd_blob(r) : none;
    ret->message = texts ? rd_blob(r) : none;
    ret->error = texts ? rd_blob(r) : none;
    ret->ndeps = ret->flags & RESULT_SAME_DEPS ? 0 : rd_u16(r);
    ret->deps = rd_bytes(r, 8 * (size_t)ret->ndeps).data;
    return r->err || !result_makes_sense(ret) ? ERR_PROTOCOL : 0;
}

int eval_get_topic_error(const void *p, size_t n, uint32_t *ret_id, uint64_t *ret_version,
                         struct slice *ret_text)
{
    struct rd r;

    rd_init(&r, p, n);
    *ret_id = rd_u32(&r);
    *ret_version = rd_u64(&r);
    *ret_text = rd_blob(&r);
    return finish(&r);
}

int eval_get_compiled(const void *p, size_t n, uint32_t *ret_tag, bool *ret_ok,
                      struct slice *ret_text)
{
    struct rd r;

    rd_init(&r, p, n);
    *ret_tag = rd_u32(&r);
    *ret_ok = rd_u8(&r) != 0;
    *ret_text = rd_blob(&r);
    return finish(&r);
}

/* The line of the octet at AT, from 1. */
static unsigned line_of(const uint8_t *text, size_t at)
{
    unsigned line = 1;

    for (size_t i = 0; i < at; i++)
        line += text[i] == '\n';
    return line;
}

/* The first octet that cannot be in a condition, or LEN. */
static size_t first_bad(const uint8_t *text, size_t len)
{
    const uint8_t *zero = memchr(text, 0, len);
    size_t good = zero ? (size_t)(zero - text) : len;

    for (size_t at = 0; at < good;) {
        size_t n = text[at] < 0x80 ? 1 : text[at] < 0xe0 ? 2 : text[at] < 0xf0 ? 3 : 4;
        if (n > good - at || !utf8_valid(text + at, n))
            return at;
        at += n;
    }
    return good;
}

int eval_check_text(const void *text, size_t len, struct err *e)
{
    if (len > EVAL_SCRIPT_MAX)
        return err_set(e, ERR_WRONG_LENGTH, "the script has %zu octets, at most %d are allowed",
                       len, EVAL_SCRIPT_MAX);
    if (utf8_valid(text, len) && !(len && memchr(text, 0, len)))
        return 0;
    size_t bad = first_bad(text, len);
    unsigned line = line_of(text, bad);
    if (((const uint8_t *)text)[bad] == 0)
        return err_set(e, ERR_WRONG_VALUE, "line %u: the script holds a 0 octet", line);
    return err_set(e, ERR_WRONG_VALUE, "line %u: the script is not valid UTF-8", line);
}

int eval_check_texts(const void *texts, size_t len, struct slice ret[VERDICT_PARTS])
{
    const uint8_t *at = texts, *end = at + len;
    size_t n = 0;

    memset(ret, 0, VERDICT_PARTS * sizeof *ret);
    for (; n < VERDICT_PARTS; n++) {
        const uint8_t *stop = at < end ? memchr(at, 0, (size_t)(end - at)) : NULL;
        size_t most = n == PART_CONDITION ? EVAL_SCRIPT_MAX : EVAL_LEVEL_MAX;

        ret[n] = (struct slice){at, (size_t)((stop ? stop : end) - at)};
        if (ret[n].len > most)
            return ERR_WRONG_LENGTH;
        if (!utf8_valid((const char *)ret[n].data, ret[n].len))
            return ERR_WRONG_VALUE;
        if (!stop)
            break;
        at = stop + 1;
    }
    return n == 0 || n == VERDICT_PARTS - 1 ? 0 : ERR_WRONG_VALUE;
}
