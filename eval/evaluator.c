/* snmpalertd-evaluator: parses topics and runs conditions, in a sandbox, for whoever holds the
 * other end of its descriptor 3 (protocol.h). It trusts the scripts and the JSON with nothing. A
 * request that does not parse means that the other side is not ours: it exits. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#ifdef HAVE_CONFIG_H
#include "config.h"
#endif
#include "base/json.h"
#include "eval/engine.h"
#include "eval/idmap.h"
#include "eval/interpose.h"
#include "eval/protocol.h"
#include "eval/record.h"
#include "eval/sandbox.h"
#include "eval/script.h"
#include "eval/topics.h"
#include "eval/wire.h"

enum { CACHE_LINE = 64, FETCH_OCTETS = 4 * CACHE_LINE };

static struct wire wire;
static struct topics topics;
static struct idmap scripts;

/* ---- replies ---- */

static void send_buf(enum eval_frame type, struct buf *b)
{
    if (b->err)
        exit(EX_OSERR);
    wire_send(&wire, type, b->data, b->len);
    buf_release(b);
}

static void send_hello(void)
{
    struct buf b;

    buf_init(&b, EVAL_REPLY_MAX);
    eval_put_hello(&b);
    send_buf(EVAL_HELLO, &b);
}

/* In the handler of the clock's tick: what is done must not be lost should this one be killed, and
 * the other side must know which one it is. */
static void tell_busy(uint32_t condition_id)
{
    uint8_t id[4];

    put_u32(id, condition_id);
    wire_send(&wire, EVAL_BUSY, id, sizeof id);
}

/* ---- requests: 0, or an error that ends the process ---- */

static int on_topic(struct slice p)
{
    struct eval_topic in;
    struct err e;
    struct buf b;

    if (eval_get_topic(p.data, p.len, &in))
        return ERR_PROTOCOL;
    if (!topics_put(&topics, &in, &e))
        return 0;
    buf_init(&b, EVAL_REPLY_MAX);
    eval_put_topic_error(&b, in.id, in.version, e.text);
    send_buf(EVAL_TOPIC_ERROR, &b);
    return 0;
}

static int on_same(struct slice p)
{
    uint32_t id;
    int64_t taken_ms;

    if (eval_get_same(p.data, p.len, &id, &taken_ms))
        return ERR_PROTOCOL;
    topics_same(&topics, id, taken_ms);
    return 0;
}

static int on_drop(struct slice p)
{
    uint32_t id;

    if (eval_get_id(p.data, p.len, &id))
        return ERR_PROTOCOL;
    topics_drop(&topics, id);
    return 0;
}

static int on_define(struct slice p)
{
    struct slice text, parts[VERDICT_PARTS];
    uint32_t id, owner;

    if (eval_get_define(p.data, p.len, &id, &owner, &text) ||
        eval_check_texts(text.data, text.len, parts))
        return ERR_PROTOCOL;
    struct script *s = script_new(id, owner, text);
    if (!s)
        return ERR_NOMEM;
    script_free(idmap_del(&scripts, id));
    return idmap_set(&scripts, id, s);
}

static int on_event(struct slice p)
{
    uint32_t id;
    struct slice json;
    struct script *s;

    if (eval_get_event(p.data, p.len, &id, &json))
        return ERR_PROTOCOL;
    s = idmap_get(&scripts, id);
    return s ? script_event(s, json) : ERR_PROTOCOL;
}

static int on_undefine(struct slice p)
{
    uint32_t id;

    if (eval_get_id(p.data, p.len, &id))
        return ERR_PROTOCOL;
    script_free(idmap_del(&scripts, id));
    return 0;
}

static void evaluate(struct script *s, int64_t mono_ms)
{
    static struct verdict v;
    size_t n;

    engine_evaluate(s, &topics, mono_ms, &v);
    const eval_dep *deps = record_end(&n);
    eval_put_result(wire_result(&wire), &v, s->id, script_told(s, deps, n), deps, n);
    wire_result_done(&wire);
}

/* The I-th of N scripts; NULL if it is not known, or behind the last. Tens of thousands of scripts
 * are not in the CPU's cache: whoever looks for the next one early gets it there in time. */
static struct script *fetch_script(const uint8_t *ids, uint32_t n, uint32_t i)
{
    struct script *s = i < n ? idmap_get(&scripts, get_u32(ids + 4 * (size_t)i)) : NULL;

    for (size_t at = 0; s && at < FETCH_OCTETS; at += CACHE_LINE)
        __builtin_prefetch((const char *)s + at);
    return s;
}

static int on_eval(struct slice p)
{
    struct eval_now now;
    const uint8_t *ids;
    uint32_t n;

    if (eval_get_eval(p.data, p.len, &now, &ids, &n))
        return ERR_PROTOCOL;
    topics_sort(&topics);
    interpose_set_now(now.wall_ms);
    engine_start();
    struct script *next = fetch_script(ids, n, 0);
    for (uint32_t i = 0; i < n; i++) {
        struct script *s = next;
        if (!s)
            return ERR_PROTOCOL;
        next = fetch_script(ids, n, i + 1);
        evaluate(s, now.mono_ms);
    }
    engine_stop();
    wire_flush(&wire);
    return 0;
}

static int on_compile(struct slice p)
{
    static char text[EVAL_SCRIPT_MAX + 1];
    char error[VERDICT_ERROR_MAX + 1];
    uint32_t tag;
    struct slice in;
    struct err e;
    struct buf b;

    if (eval_get_compile(p.data, p.len, &tag, &in))
        return ERR_PROTOCOL;
    bool good = !eval_check_text(in.data, in.len, &e);
    if (good) {
        if (in.len)
            memcpy(text, in.data, in.len);
        text[in.len] = 0;
        engine_start();
        good = engine_compile(text, error, sizeof error);
        engine_stop();
    } else {
        snprintf(error, sizeof error, "%.*s", VERDICT_ERROR_MAX, e.text);
    }
    buf_init(&b, EVAL_REPLY_MAX);
    eval_put_compiled(&b, tag, good, error);
    send_buf(EVAL_COMPILED, &b);
    return 0;
}

static int (*const requests[])(struct slice payload) = {
    [EVAL_TOPIC] = on_topic,     [EVAL_SAME] = on_same,         [EVAL_DROP] = on_drop,
    [EVAL_DEFINE] = on_define,   [EVAL_UNDEFINE] = on_undefine, [EVAL_EVAL] = on_eval,
    [EVAL_COMPILE] = on_compile, [EVAL_EVENT] = on_event,
};

static int handle(uint16_t type, struct slice payload)
{
    if (type >= sizeof requests / sizeof *requests || !requests[type])
        return ERR_PROTOCOL;
    return requests[type](payload);
}

static int handle_bundle(struct slice bundle)
{
    struct slice payload;
    struct rd r;
    uint16_t type;
    int err = 0;

    rd_init(&r, bundle.data, bundle.len);
    while (!err && r.left) {
        err = eval_get_frame(&r, &type, &payload);
        if (!err)
            err = handle(type, payload);
    }
    return err;
}

static int serve(void)
{
    uint16_t type;
    struct slice payload;
    int err;

    while (!(err = wire_next(&wire, &type, &payload))) {
        err = type == EVAL_BUNDLE ? handle_bundle(payload) : handle(type, payload);
        if (err)
            return err;
    }
    return err == ERR_CLOSED ? 0 : err;
}

/* ---- start and stop ---- */

/* jansson takes its hash's seed from a file on first use. */
static int warm_up_json(void)
{
    jv *v = jv_parse("{\"a\":[1]}", 9, NULL);

    jv_free(v);
    return v ? 0 : ERR_NOMEM;
}

static int start(bool confined, struct err *e)
{
    int err = engine_open(tell_busy, e);

    if (!err && (warm_up_json() || wire_init(&wire, EVAL_FD)))
        err = err_set(e, ERR_NOMEM, "out of memory");
    if (!err)
        err = sandbox_prepare(e);
    if (!err && confined)
        err = sandbox_enter(EVAL_FD, e);
    return err;
}

static void stop(void)
{
    struct script *s;

    for (size_t i = 0; (s = idmap_next(&scripts, &i));)
        script_free(s);
    idmap_release(&scripts);
    topics_release(&topics);
    wire_release(&wire);
    engine_close();
}

/* Who starts it may say of which build it has to be. */
static bool is_other_build(int argc, char **argv)
{
    static const char option[] = "--build=";
    const char *last = argc > 1 ? argv[argc - 1] : "";

    return !strncmp(last, option, sizeof option - 1) &&
           strcmp(last + sizeof option - 1, eval_build_id()) != 0;
}

int main(int argc, char **argv)
{
    bool confined = argc < 2 || strcmp(argv[1], "--unconfined");
    struct err e;

#ifdef SA_SANITIZERS
    confined = false; /* they need what the sandbox takes away */
#endif
    if (is_other_build(argc, argv)) {
        if (!wire_init(&wire, EVAL_FD))
            send_hello();
        return EX_CONFIG;
    }
    /* Of a terminal or timeout(1), to all: whoever started it ends it, when nobody needs it any
     * more. */
    signal(SIGINT, SIG_IGN);
    signal(SIGHUP, SIG_IGN);
    signal(SIGTERM, SIG_IGN);
    if (start(confined, &e)) {
        fprintf(stderr, "snmpalertd-evaluator: %s\n", e.text);
        return EX_SOFTWARE;
    }
    send_hello();
    int err = serve();
    stop();
    return err ? EX_PROTOCOL : 0;
}
