#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "tests/hostile/line.h"

#include "base/clock.h"
#include "base/frame.h"
#include "eval/spawn.h"

enum { ANSWER_DEADLINE_MS = 60000, COST_AT = 8 /* in a result */ };

/* The next frame that is not BUSY; its type. */
static uint16_t receive(struct line *l)
{
    uint16_t type;

    do {
        int err = frame_read_until(l->fd, &type, &l->in, EVAL_REPLY_MAX,
                                   clock_mono_ms() + ANSWER_DEADLINE_MS);
        if (err)
            fail_msg("the evaluator says nothing more: %s", err_name(err));
    } while (type == EVAL_BUSY);
    return type;
}

static void transmit(struct line *l, enum eval_frame type)
{
    assert_int_equal(l->out.err, 0);
    assert_int_equal(frame_write(l->fd, (uint16_t)type, l->out.data, l->out.len), 0);
    buf_clear(&l->out);
}

void line_open(struct line *l)
{
    const char *dir = getenv("top_builddir");
    char path[4096];
    struct err e = {0};

    *l = (struct line){0};
    buf_init(&l->out, EVAL_REQUEST_MAX);
    buf_init(&l->in, EVAL_REPLY_MAX);
    snprintf(path, sizeof path, "%s/snmpalertd-evaluator", dir ? dir : ".");
    if (eval_spawn(path, false, &l->fd, &l->pidfd, &l->pid, &e))
        fail_msg("%s", e.text);
    assert_int_equal(receive(l), EVAL_HELLO);
    assert_int_equal(eval_get_hello(l->in.data, l->in.len, &e), 0);
}

void line_close(struct line *l)
{
    int status;

    close(l->fd);
    close(l->pidfd);
    assert_int_equal(waitpid(l->pid, &status, 0), l->pid);
    assert_int_equal(status, 0);
    buf_release(&l->out);
    buf_release(&l->in);
}

static void put_topic(struct line *l, uint32_t id, const char *name, uint32_t owner,
                      int64_t taken_ms, const char *json)
{
    uint8_t reader[4];
    struct eval_topic t = {.id = id,
                           .version = ++l->version,
                           .taken_ms = taken_ms,
                           .readers = reader,
                           .nreaders = owner != 0,
                           .json = {(const uint8_t *)json, strlen(json)}};

    put_u32(reader, owner);
    snprintf(t.name, sizeof t.name, "%s", name);
    eval_put_topic(&l->out, &t);
    transmit(l, EVAL_TOPIC);
}

void line_topic(struct line *l, uint32_t id, const char *name, uint32_t owner, int64_t taken_ms,
                const char *json)
{
    put_topic(l, id, name, owner, taken_ms, json);
}

void line_bad_topic(struct line *l, uint32_t id, const char *name, const char *json)
{
    uint32_t told;
    uint64_t version;
    struct slice text;

    put_topic(l, id, name, 0, 0, json);
    assert_int_equal(receive(l), EVAL_TOPIC_ERROR);
    assert_int_equal(eval_get_topic_error(l->in.data, l->in.len, &told, &version, &text), 0);
    assert_int_equal(told, id);
    assert_true(version == l->version);
}

void line_drop(struct line *l, uint32_t id)
{
    buf_u32(&l->out, id);
    transmit(l, EVAL_DROP);
}

void line_define(struct line *l, uint32_t id, const char *text)
{
    eval_put_define(&l->out, id, 1, (struct slice){(const uint8_t *)text, strlen(text)});
    transmit(l, EVAL_DEFINE);
}

void line_undefine(struct line *l, uint32_t id)
{
    buf_u32(&l->out, id);
    transmit(l, EVAL_UNDEFINE);
}

const char *line_compile(struct line *l, const char *text)
{
    uint32_t tag;
    bool good;
    struct slice said;

    eval_put_compile(&l->out, 77, text, strlen(text));
    transmit(l, EVAL_COMPILE);
    assert_int_equal(receive(l), EVAL_COMPILED);
    assert_int_equal(eval_get_compiled(l->in.data, l->in.len, &tag, &good, &said), 0);
    assert_int_equal(tag, 77);
    assert_int_equal(good, said.len == 0);
    snprintf(l->error, sizeof l->error, "%.*s", (int)said.len, (const char *)said.data);
    return l->error;
}

/* The next result in R; where it lies in the frame is its octets. */
static void next_answer(struct line *l, struct rd *r)
{
    uint8_t *start = l->in.data + (l->in.len - r->left);

    assert_int_equal(eval_get_result(r, &l->answer.result), 0);
    l->answer.octets = start;
    l->answer.len = (size_t)(l->in.data + (l->in.len - r->left) - start);
    put_u32(start + COST_AT, 0);
}

void line_eval(struct line *l, int64_t now_ms, const uint32_t *ids, size_t n,
               void (*cb)(void *arg, const struct answer *a), void *arg)
{
    const struct eval_now now = {now_ms, now_ms}; /* its topics are as old by either clock */
    struct rd r = {0};

    for (size_t sent = 0; sent < n;) {
        size_t batch = n - sent < EVAL_BATCH_MAX ? n - sent : EVAL_BATCH_MAX;
        eval_put_eval(&l->out, &now, ids + sent, batch);
        transmit(l, EVAL_EVAL);
        for (size_t end = sent + batch; sent < end; sent++) {
            if (!r.left) {
                assert_int_equal(receive(l), EVAL_RESULTS);
                rd_init(&r, l->in.data, l->in.len);
            }
            next_answer(l, &r);
            assert_int_equal(l->answer.result.condition_id, ids[sent]);
            cb(arg, &l->answer);
        }
        assert_int_equal(r.left, 0);
    }
}
