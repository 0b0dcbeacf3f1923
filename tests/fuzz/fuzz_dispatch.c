/* Frames between core and dispatcher: what is read (texts are made valid UTF-8 on the way) can be
 * written, and from there reading and writing change nothing. */
#include <string.h>

#include "daemon/kinds.h"
#include "dispatch/dispatch.h"
#include "tests/fuzz/fuzz.h"

static const struct kind *kind_of(void *arg, uint32_t handler)
{
    (void)arg;
    return handler < daemon_ndispatch_kinds ? daemon_dispatch_kinds[handler]->kind : NULL;
}

static bool handler(struct rd *r, struct buf *b)
{
    struct dispatch_handler h = {0};
    struct err e;

    if (dispatch_handler_read(&h, &daemon_kinds, r, &e))
        return false;
    dispatch_handler_write(&h, b);
    dispatch_handler_release(&h);
    return true;
}

static bool job(struct rd *r, struct buf *b)
{
    struct job j = {0};
    struct err e;

    if (job_read(&j, kind_of, NULL, r, &e))
        return false;
    REQUIRE(j.nevents <= JOB_EVENTS_MAX && j.nrecipients <= JOB_RECIPIENTS_MAX);
    job_write(&j, b);
    job_release(&j);
    return true;
}

static bool outcome(struct rd *r, struct buf *b)
{
    struct outcome o = {0};
    struct err e;

    if (outcome_read(&o, r, &e))
        return false;
    outcome_write(&o, b);
    outcome_release(&o);
    return true;
}

static bool checked(struct rd *r, struct buf *b)
{
    struct checked c;
    struct err e;

    if (checked_read(&c, r, &e))
        return false;
    checked_write(&c, b);
    return true;
}

static bool engine(struct rd *r, struct buf *b)
{
    struct dispatch_engine x;
    struct err e;

    if (dispatch_engine_read(&x, r, &e))
        return false;
    REQUIRE(x.clock.boots > 0 && x.id.len >= ENGINE_ID_MIN);
    dispatch_engine_write(&x, b);
    return true;
}

FUZZ_TARGET(dispatch)
{
    static bool (*const parts[])(struct rd *, struct buf *) = {handler, job, outcome, engine, checked};
    bool (*part)(struct rd *, struct buf *);
    struct buf first, second;
    struct rd r;

    if (!size)
        return 0;
    part = parts[data[0] % 5];
    buf_init(&first, 4 * size + 64);
    buf_init(&second, 4 * size + 64);
    rd_init(&r, data + 1, size - 1);
    if (part(&r, &first)) {
        REQUIRE(first.err == 0);
        rd_init(&r, first.data, first.len);
        REQUIRE(part(&r, &second) && second.len == first.len);
        REQUIRE(memcmp(first.data, second.data, first.len) == 0);
    }
    buf_release(&first);
    buf_release(&second);
    return 0;
}
