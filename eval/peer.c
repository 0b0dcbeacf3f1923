#include "eval/peer.h"

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/frame.h"
#include "base/pidfd.h"

enum {
    WATCH_MS = 25,          /* how often its clock is looked at */
    GRACE_OCTETS = 8 << 10, /* sent to it: a millisecond of CPU more, for parsing them */
    QUEUE_MAX = 1 << 30,    /* octets: all topics, at a start */
    CPU_USED_MS = 50,       /* it works, rather than waits */
};

struct peer {
    struct peer_options o;
    struct chan *chan; /* NULL: empty */
    int pidfd;
    clockid_t cpu_clock;
    uint32_t serial;
    bool greeted, expected, choked;
    uint64_t octets, octets_seen;
    struct buf bundle; /* frames that wait for the flush */
    struct loop_timer *watch;
    int64_t since_cpu_ms, since_wall_ms; /* of the last progress */
};

static void on_watch(void *arg);

struct peer *peer_new(const struct peer_options *o)
{
    struct peer *p = calloc(1, sizeof *p);

    if (!p)
        return NULL;
    p->o = *o;
    p->pidfd = -1;
    buf_init(&p->bundle, EVAL_REQUEST_MAX);
    p->watch = loop_timer_new(o->loop, on_watch, p);
    if (!p->watch) {
        free(p);
        return NULL;
    }
    return p;
}

void peer_free(struct peer *p)
{
    if (!p)
        return;
    peer_close(p);
    loop_timer_del(p->watch);
    buf_release(&p->bundle);
    free(p);
}

/* -1: it is no more. */
static int64_t cpu_ms(const struct peer *p)
{
    struct timespec t;

    if (clock_gettime(p->cpu_clock, &t))
        return -1;
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void mark_progress(struct peer *p)
{
    p->since_cpu_ms = cpu_ms(p);
    p->since_wall_ms = clock_mono_ms();
}

/* ---- the end ---- */

void peer_close(struct peer *p)
{
    if (!p->chan)
        return;
    pidfd_signal(p->pidfd, SIGKILL);
    close(p->pidfd);
    chan_free(p->chan);
    loop_timer_cancel(p->watch);
    p->chan = NULL;
    p->pidfd = -1;
    buf_clear(&p->bundle);
    p->greeted = p->expected = p->choked = false;
    p->serial++;
}

static void lose(struct peer *p, enum peer_loss loss, const char *why)
{
    peer_close(p);
    p->o.on_lost(p->o.arg, loss, why);
}

static void on_close(void *arg, int code)
{
    struct peer *p = arg;

    if (code == ERR_CLOSED)
        lose(p, PEER_DIED, "the evaluator ended");
    else
        lose(p, PEER_PROTOCOL, "the evaluator broke the protocol");
}

/* ---- the watch ---- */

static bool has_unread(const struct peer *p)
{
    struct pollfd f = {.fd = chan_fd(p->chan), .events = POLLIN};

    return poll(&f, 1, 0) > 0;
}

static void judge(struct peer *p)
{
    int64_t used_ms = cpu_ms(p) - p->since_cpu_ms;
    int64_t wall_ms = clock_mono_ms() - p->since_wall_ms;
    int64_t grace_ms = (int64_t)((p->octets - p->octets_seen) / GRACE_OCTETS);

    if (used_ms >= PEER_HARD_CPU_MS + grace_ms)
        lose(p, PEER_DEADLINE, "killed: no answer within its CPU time");
    else if (wall_ms >= PEER_HARD_WALL_MS + grace_ms && used_ms >= CPU_USED_MS)
        lose(p, PEER_DEADLINE, "killed: no answer for too long");
    else if (wall_ms >= PEER_STUCK_WALL_MS)
        lose(p, PEER_STUCK, "killed: it neither works nor answers");
    else
        loop_timer_set(p->watch, WATCH_MS);
}

static void on_watch(void *arg)
{
    struct peer *p = arg;

    if (!p->chan)
        return;
    if (p->choked)
        lose(p, PEER_PROTOCOL, "killed: it does not take what is sent to it");
    else if (has_unread(p) || cpu_ms(p) < 0) /* the loop will see; it is we who are slow */
        loop_timer_set(p->watch, WATCH_MS);
    else if (p->expected || !p->greeted)
        judge(p);
}

void peer_expect(struct peer *p, bool answers)
{
    if (!p->chan || p->expected == answers)
        return;
    p->expected = answers;
    if (answers) {
        mark_progress(p);
        loop_timer_set(p->watch, WATCH_MS);
    }
}

void peer_progress(struct peer *p, uint64_t seen)
{
    if (seen > p->octets_seen && seen <= p->octets)
        p->octets_seen = seen;
    if (p->chan)
        mark_progress(p);
}

/* ---- talking ---- */

static int greeting(struct peer *p, uint16_t type, const uint8_t *payload, size_t len)
{
    struct err e;

    if (type != EVAL_HELLO)
        return ERR_PROTOCOL;
    if (eval_get_hello(payload, len, &e)) {
        lose(p, PEER_PROTOCOL, e.text);
        return 0;
    }
    p->greeted = true;
    mark_progress(p);
    p->o.on_greeting(p->o.arg);
    return 0;
}

static int on_frame(void *arg, uint16_t type, const uint8_t *payload, size_t len, const int *fds,
                    int nfds)
{
    struct peer *p = arg;

    for (int i = 0; i < nfds; i++)
        close(fds[i]);
    if (nfds)
        return ERR_PROTOCOL;
    if (!p->greeted)
        return greeting(p, type, payload, len);
    return p->o.on_frame(p->o.arg, type, payload, len);
}

int peer_open(struct peer *p, int fd, int pidfd, pid_t pid)
{
    const struct chan_options o = {
        .max_payload = EVAL_REPLY_MAX,
        .max_queue = QUEUE_MAX,
        .on_frame = on_frame,
        .on_close = on_close,
        .arg = p,
    };
    int err = p->chan ? ERR_EXISTS : 0;

    if (!err && clock_getcpuclockid(pid, &p->cpu_clock))
        err = ERR_CLOSED;
    if (!err) {
        p->chan = chan_new(p->o.loop, fd, &o);
        err = p->chan ? 0 : ERR_NOMEM;
    }
    if (err) {
        close(fd);
        close(pidfd);
        return err;
    }
    p->pidfd = pidfd;
    p->octets = p->octets_seen = 0;
    p->serial++;
    mark_progress(p);
    loop_timer_set(p->watch, WATCH_MS);
    return 0;
}

bool peer_ready(const struct peer *p)
{
    return p->chan && p->greeted;
}

uint32_t peer_serial(const struct peer *p)
{
    return p->serial;
}

static void choke(struct peer *p)
{
    p->choked = true;
    loop_timer_set(p->watch, 0);
}

void peer_flush(struct peer *p)
{
    if (!p->chan || !p->bundle.len)
        return;
    if (p->bundle.err || chan_send(p->chan, EVAL_BUNDLE, p->bundle.data, p->bundle.len) == ERR_FULL)
        choke(p);
    buf_clear(&p->bundle);
}

void peer_send(struct peer *p, enum eval_frame type, struct buf *b)
{
    if (peer_ready(p)) {
        if (p->bundle.len + b->len >= EVAL_BUNDLE_FULL)
            peer_flush(p);
        if (b->err)
            choke(p);
        eval_put_frame(&p->bundle, type, b->data, b->len);
        p->octets += b->len + FRAME_HEADER_LEN;
    }
    buf_clear(b);
}

uint64_t peer_octets(const struct peer *p)
{
    return p->octets;
}
