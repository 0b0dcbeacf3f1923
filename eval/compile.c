#include "eval/compile.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/frame.h"
#include "eval/protocol.h"

static int unavailable(struct err *e, int why)
{
    return err_set(e, ERR_RESOURCE_UNAVAILABLE,
                   "the script cannot be checked now: the evaluator %s",
                   why == ERR_TIMEOUT ? "does not answer" : "is gone");
}

static int ask(int fd, uint32_t tag, const void *text, size_t len)
{
    struct buf b;

    buf_init(&b, EVAL_REQUEST_MAX);
    eval_put_compile(&b, tag, text, len);
    int err = b.err ? b.err : frame_write(fd, EVAL_COMPILE, b.data, b.len);
    buf_release(&b);
    return err;
}

/* 1: B holds the answer of TAG; 0: read on. */
static int is_answer(uint16_t type, const struct buf *b, uint32_t tag, bool *ret_ok,
                     struct slice *ret_text, struct err *e)
{
    uint32_t its_tag;

    if (type == EVAL_HELLO)
        return eval_get_hello(b->data, b->len, e);
    if (type != EVAL_COMPILED || eval_get_compiled(b->data, b->len, &its_tag, ret_ok, ret_text))
        return ERR_PROTOCOL;
    return its_tag == tag;
}

static int answer(int fd, uint32_t tag, int64_t deadline_ms, struct err *e)
{
    struct err build = {.text = ""};
    struct slice text;
    struct buf b;
    uint16_t type;
    bool ok = false;
    int r;

    buf_init(&b, EVAL_REPLY_MAX);
    do {
        r = frame_read_until(fd, &type, &b, EVAL_REPLY_MAX, deadline_ms);
        if (!r)
            r = is_answer(type, &b, tag, &ok, &text, &build);
    } while (!r);
    if (r == ERR_VERSION)
        r = err_set(e, ERR_RESOURCE_UNAVAILABLE, "%s", build.text);
    else if (r < 0)
        r = unavailable(e, r);
    else
        r = ok ? 0 : err_set(e, ERR_WRONG_VALUE, "%.*s", (int)text.len, (const char *)text.data);
    buf_release(&b);
    return r;
}

int eval_compile(int fd, const void *text, size_t len, int deadline_ms, struct err *e)
{
    static uint32_t last_tag;
    uint32_t tag = ++last_tag;
    int64_t deadline = clock_mono_ms() + deadline_ms;
    int err = eval_check_text(text, len, e);

    if (err)
        return err;
    err = ask(fd, tag, text, len);
    /* One that is gone may have left a greeting that says why. */
    return err && err != ERR_CLOSED ? unavailable(e, err) : answer(fd, tag, deadline, e);
}
