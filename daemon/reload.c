#include "daemon/reload.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"
#include "daemon/confile.h"

#include "config.h"

enum {
    CHECK_MS = 120 * 1000, /* a checker that takes longer is ended */
    ASK_MOST = 2,       /* a core that ends over a reload gets it once more, not again and again */
    CHECKER_EVENTS = 2, /* its channel's end, which follows all of its frames, and its own */
};

struct checker {
    pid_t pid; /* 0: none */
    struct chan *chan;
    struct loop_timer *limit;
    unsigned awaited;
    int status;
    bool answered, late, foreign;
};

struct reload {
    struct reload_options o;
    enum { IDLE, CHECKING, ASKING } state;
    bool first, again, stopped;
    struct checker checker;
    struct stage_config next;
    int next_fd, in_force;                                   /* -1: none */
    char refused[sizeof(((struct stage_config *)0)->error)]; /* why the last one was, "" */
    struct chan *core;
    bool ready, proven; /* this core, the last one got to work with what is in force */
    bool asked;
    unsigned asks;
};

static void begin(struct reload *r);

static void close_fd(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

/* ---- the outcome ---- */

static void put_in_force(struct reload *r)
{
    close_fd(&r->in_force);
    r->in_force = r->next_fd;
    r->next_fd = -1;
    r->refused[0] = 0;
}

static void finish(struct reload *r)
{
    close_fd(&r->next_fd);
    r->state = IDLE;
    r->asked = false;
    if (r->again && !r->stopped)
        begin(r);
    else
        r->o.on_busy(r->o.arg, false);
}

static void refuse(struct reload *r, const char *why)
{
    r->next.accepted = false;
    snprintf(r->next.error, sizeof r->next.error, "%s", why);
    close_fd(&r->next_fd);
}

/* ---- the core ---- */

static int send_config(struct chan *core, const struct stage_config *c, int fd)
{
    struct buf b;
    int err;

    buf_init(&b, sizeof *c + 64);
    stage_config_write(c, &b);
    err = b.err ? b.err : chan_send_fds(core, PARENT_CONFIG, b.data, b.len, &fd, fd >= 0 ? 1 : 0);
    buf_release(&b);
    return err;
}

static void ask(struct reload *r)
{
    if (!r->core && !r->proven && r->next.accepted) {
        log_info("config", "%s is in force; the core could not start with what was", r->next.file);
        put_in_force(r);
        finish(r);
        r->o.on_replaced(r->o.arg);
        return;
    }
    if (!r->core)
        return; /* when it runs */
    r->asks++;
    r->asked = !send_config(r->core, &r->next, r->next_fd);
    if (!r->asked) {
        log_error("config", "%s: the core cannot be given it", r->next.file);
        finish(r);
    }
}

int reload_answered(struct reload *r, const uint8_t *payload, size_t len)
{
    char why[sizeof r->next.error];
    bool accepted;
    struct rd rd;

    rd_init(&rd, payload, len);
    if (stage_answer_read(&rd, &accepted, why, sizeof why) || !r->asked ||
        (accepted && !r->next.accepted))
        return ERR_PROTOCOL;
    if (accepted) {
        put_in_force(r);
        log_info("config", "%s was read again and is in force", r->next.file);
    } else if (r->next.accepted) {
        log_error("config", "%s; what was in force stays", why);
    }
    if (!accepted)
        memcpy(r->refused, why, sizeof r->refused);
    finish(r);
    return 0;
}

int reload_core_started(struct reload *r, struct chan *core)
{
    struct stage_config c = {.accepted = true};
    int err;

    memcpy(c.file, r->next.file, sizeof c.file);
    memcpy(c.error, r->refused, sizeof c.error);
    r->core = core;
    r->ready = false;
    err = send_config(core, &c, r->in_force);
    if (!err && r->state == ASKING)
        ask(r);
    return err;
}

void reload_core_ready(struct reload *r)
{
    r->ready = r->proven = true;
}

void reload_core_ended(struct reload *r)
{
    r->core = NULL;
    r->proven = r->ready;
    if (!r->asked)
        return;
    r->asked = false;
    if (r->asks < ASK_MOST)
        return;
    log_error("config", "%s: the core ends whenever it takes it in; what was in force stays",
              r->next.file);
    finish(r);
}

/* ---- the checker ---- */

static void decided(struct reload *r, int status)
{
    if (!r->next.accepted)
        log_error("config", "%s%s", r->next.error, r->first ? "" : "; what is in force stays");
    if (r->first) {
        r->first = false;
        r->state = IDLE;
        if (r->next.accepted)
            put_in_force(r);
        r->o.on_first(r->o.arg, r->next.accepted ? 0 : status);
        if (r->again && !r->stopped)
            begin(r);
        return;
    }
    r->state = ASKING;
    r->asks = 0;
    ask(r);
}

static void checker_words(const struct checker *c, char *dst, size_t cap)
{
    char end[64];

    launch_describe_exit(end, sizeof end, c->status);
    if (c->foreign)
        snprintf(dst, cap, "is of another build: restart snmpalertd after an upgrade");
    else if (c->late)
        snprintf(dst, cap, "did not finish within %d s", CHECK_MS / 1000);
    else
        snprintf(dst, cap, "ended without an answer: %s", end);
}

static void checker_event(struct reload *r)
{
    struct checker *c = &r->checker;
    const char *replaced = launch_replaced(r->o.launch);
    char text[512];
    size_t n;

    if (--c->awaited)
        return;
    loop_timer_cancel(c->limit);
    if (r->stopped)
        return;
    if (!c->answered) {
        n = (size_t)snprintf(text, sizeof text, "%.300s: its checker ", r->next.file);
        checker_words(c, text + n, sizeof text - n);
        refuse(r, text);
    } else if (!r->next.accepted && replaced) {
        n = strlen(r->next.error);
        snprintf(r->next.error + n, sizeof r->next.error - n,
                 " (%s was replaced: restart snmpalertd)", replaced);
    }
    decided(r, c->answered ? EXIT_CONFIG : 1);
}

static int on_hello(struct checker *c, struct rd *r)
{
    char build[128];
    uint8_t stage = rd_u8(r);

    rd_str(r, build, sizeof build);
    if (rd_end(r) || stage != STAGE_CHECKER)
        return ERR_PROTOCOL;
    c->foreign = strcmp(build, SA_BUILD_ID);
    return c->foreign ? ERR_VERSION : 0;
}

static int on_frame(void *arg, uint16_t type, const uint8_t *payload, size_t len, const int *fds,
                    int nfds)
{
    struct reload *r = arg;
    struct rd rd;

    for (int i = 0; i < nfds; i++)
        close(fds[i]);
    rd_init(&rd, payload, len);
    if (type == STAGE_HELLO)
        return on_hello(&r->checker, &rd);
    if (type == STAGE_ALIVE)
        return 0;
    if (type != STAGE_CHECKED || r->checker.answered ||
        stage_answer_read(&rd, &r->next.accepted, r->next.error, sizeof r->next.error))
        return ERR_PROTOCOL;
    r->checker.answered = true;
    if (!r->next.accepted)
        close_fd(&r->next_fd);
    return 0;
}

static void on_close(void *arg, int code)
{
    struct reload *r = arg;

    if (code != ERR_CLOSED && r->checker.pid)
        kill(r->checker.pid, SIGKILL);
    chan_free(r->checker.chan);
    r->checker.chan = NULL;
    checker_event(r);
}

static void on_end(void *arg, pid_t pid, int status)
{
    struct reload *r = arg;

    (void)pid;
    r->checker.pid = 0;
    r->checker.status = status;
    checker_event(r);
}

static void on_limit(void *arg)
{
    struct reload *r = arg;

    r->checker.late = true;
    if (r->checker.pid)
        kill(r->checker.pid, SIGKILL);
}

static void reap(struct checker *c)
{
    if (!c->pid)
        return;
    kill(c->pid, SIGKILL);
    while (waitpid(c->pid, NULL, 0) < 0 && errno == EINTR)
        ;
    c->pid = 0;
}

static int start_checker(struct reload *r, struct err *e)
{
    struct chan_options o = {.on_frame = on_frame, .on_close = on_close, .arg = r};
    struct checker *c = &r->checker;
    int fd, err;

    c->answered = c->late = c->foreign = false;
    c->awaited = CHECKER_EVENTS;
    err = launch_stage(r->o.launch, STAGE_CHECKER, false, false, &fd, &c->pid, e);
    if (err)
        return err;
    c->chan = chan_new(r->o.loop, fd, &o);
    if (!c->chan)
        close(fd);
    r->next.accepted = true; /* it may be looked at */
    err = c->chan ? send_config(c->chan, &r->next, r->next_fd) : ERR_NOMEM;
    if (!err)
        err = loop_child(r->o.loop, c->pid, on_end, r);
    if (err) {
        chan_free(c->chan);
        c->chan = NULL;
        reap(c);
        return err_set(e, err, "cannot be linked with: %s", err_name(err));
    }
    loop_timer_set(c->limit, CHECK_MS);
    return 0;
}

static void begin(struct reload *r)
{
    struct err e;
    int err;

    r->again = false;
    r->state = CHECKING;
    if (!r->first)
        r->o.on_busy(r->o.arg, true);
    err = confile_read(r->o.file, &r->next_fd, &e);
    if (err) {
        refuse(r, e.text);
        decided(r, EXIT_CONFIG);
        return;
    }
    err = start_checker(r, &e);
    if (err) {
        err_prefix(&e, "%s: its checker cannot be started", r->o.file);
        refuse(r, e.text);
        decided(r, 1);
    }
}

/* ---- */

void reload_first(struct reload *r)
{
    r->first = true;
    begin(r);
}

void reload_wish(struct reload *r)
{
    if (r->stopped)
        return;
    r->again = true;
    if (r->state == IDLE)
        begin(r);
    else if (r->state == ASKING && !r->asked)
        finish(r); /* no core has got it yet: let it get the file as it is by now */
}

void reload_stop(struct reload *r)
{
    r->stopped = true;
    if (r->checker.pid)
        kill(r->checker.pid, SIGKILL);
}

struct reload *reload_new(const struct reload_options *o)
{
    struct reload *r = calloc(1, sizeof *r);

    if (!r)
        return NULL;
    r->o = *o;
    r->next_fd = r->in_force = -1;
    snprintf(r->next.file, sizeof r->next.file, "%s", o->file);
    r->checker.limit = loop_timer_new(o->loop, on_limit, r);
    if (!r->checker.limit) {
        free(r);
        return NULL;
    }
    return r;
}

void reload_free(struct reload *r)
{
    if (!r)
        return;
    reap(&r->checker);
    chan_free(r->checker.chan);
    loop_timer_del(r->checker.limit);
    close_fd(&r->next_fd);
    close_fd(&r->in_force);
    free(r);
}
