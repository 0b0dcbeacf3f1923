#include "daemon/stage.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/log.h"

#include "config.h"

static const char *const names[] = {
    [STAGE_CORE] = "core",           [STAGE_AGENT] = "agent",
    [STAGE_POLLER] = "poller",       [STAGE_DISPATCHER] = "dispatcher",
    [STAGE_EVALUATOR] = "evaluator", [STAGE_COMPILER] = "compiler",
};

const char *stage_name(enum stage_id s)
{
    return s >= STAGE_CORE && s <= STAGE_LAST ? names[s] : "?";
}

enum stage_id stage_by_name(const char *name)
{
    for (unsigned i = STAGE_CORE; i <= STAGE_LAST; i++) {
        if (!strcmp(names[i], name))
            return (enum stage_id)i;
    }
    return 0;
}

/* ---- codecs ---- */

void stage_link_write(const struct stage_link *l, struct buf *b)
{
    buf_u8(b, (uint8_t)l->peer);
    buf_u32(b, (uint32_t)l->pid);
}

static enum stage_id read_stage(struct rd *r)
{
    uint8_t s = rd_u8(r);

    if (s < STAGE_CORE || s > STAGE_LAST)
        r->err = ERR_SYNTAX;
    return (enum stage_id)s;
}

int stage_link_read(struct stage_link *ret, struct rd *r)
{
    ret->peer = read_stage(r);
    ret->pid = (pid_t)rd_u32(r);
    return rd_end(r);
}

void stage_process_write(const struct stage_process *p, struct buf *b)
{
    buf_u8(b, (uint8_t)p->stage);
    buf_u8(b, (uint8_t)p->state);
    buf_u32(b, (uint32_t)p->pid);
    buf_u32(b, p->starts);
    buf_str(b, p->last_exit);
}

int stage_process_read(struct stage_process *ret, struct rd *r)
{
    ret->stage = read_stage(r);
    ret->state = (enum process_state)rd_u8(r);
    ret->pid = (pid_t)rd_u32(r);
    ret->starts = rd_u32(r);
    rd_str(r, ret->last_exit, sizeof ret->last_exit);
    if (ret->state < PROCESS_STARTING || ret->state > PROCESS_FAILED)
        return ERR_SYNTAX;
    return rd_end(r);
}

/* ---- what all stages do ---- */

static int on_link_frame(struct stage_context *c, struct rd *r, const int *fds, int nfds)
{
    struct stage_link l;
    int err = stage_link_read(&l, r);

    if (!err && nfds >= 1 && nfds <= 2 && c->on_link) {
        c->on_link(c->arg, &l, fds[0], nfds > 1 ? fds[1] : -1);
        return 0;
    }
    for (int i = 0; i < nfds; i++)
        close(fds[i]);
    return err ? err : nfds ? 0 : ERR_PROTOCOL;
}

static int on_frame(void *arg, uint16_t type, const uint8_t *payload, size_t len, const int *fds,
                    int nfds)
{
    struct stage_context *c = arg;
    struct rd r;

    rd_init(&r, payload, len);
    if (type == PARENT_LINK)
        return on_link_frame(c, &r, fds, nfds);
    for (int i = 0; i < nfds; i++)
        close(fds[i]);
    return c->on_frame ? c->on_frame(c->arg, type, payload, len) : 0;
}

/* Without a parent there is nobody to start what ends: end too. */
static void on_close(void *arg, int code)
{
    struct stage_context *c = arg;

    (void)code;
    chan_free(c->parent);
    c->parent = NULL;
    loop_stop(c->loop, 0);
}

static void on_signal(void *arg, int signo)
{
    struct stage_context *c = arg;

    (void)signo;
    loop_stop(c->loop, 0);
}

/* The terminal sends these to the whole group; the parent sees to what is to be done. */
static void on_interrupt(void *arg, int signo)
{
    (void)arg;
    (void)signo;
}

void stage_ready(struct stage_context *c)
{
    if (c->parent)
        chan_send(c->parent, STAGE_READY, NULL, 0);
}

static int greet(struct stage_context *c, enum stage_id s)
{
    struct buf b;
    int err;

    buf_init(&b, 1024);
    buf_u8(&b, (uint8_t)s);
    buf_str(&b, SA_BUILD_ID);
    err = b.err ? b.err : chan_send(c->parent, STAGE_HELLO, b.data, b.len);
    buf_release(&b);
    return err;
}

static int prepare(struct stage_context *c, enum stage_id s)
{
    struct chan_options o = {.on_frame = on_frame, .on_close = on_close, .arg = c};
    int err;

    /* Nothing here ever needs more rights than it has, and no secret may be read out of it. */
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
    c->loop = loop_new();
    if (!c->loop)
        return ERR_NOMEM;
    c->parent = chan_new(c->loop, STAGE_PARENT_FD, &o);
    if (!c->parent)
        return ERR_NOMEM;
    err = loop_signal(c->loop, SIGTERM, on_signal, c);
    if (!err)
        err = loop_signal(c->loop, SIGHUP, on_interrupt, c);
    if (!err)
        err = loop_signal(c->loop, SIGINT, on_interrupt, c);
    return err ? err : greet(c, s);
}

int stage_main(enum stage_id s, const char *config_file)
{
    static int (*const bodies[])(struct stage_context *) = {
        [STAGE_CORE] = core_main,
        [STAGE_AGENT] = agent_main,
        [STAGE_POLLER] = poller_main,
        [STAGE_DISPATCHER] = dispatcher_main,
    };
    struct stage_context c = {.config_file = config_file};
    int status, err = prepare(&c, s);

    if (err) {
        log_error(NULL, "cannot start: %s", err_name(err));
        status = 1;
    } else {
        status = bodies[s](&c);
    }
    chan_free(c.parent);
    loop_free(c.loop);
    return status;
}
