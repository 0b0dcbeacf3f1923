#include "daemon/stage.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "daemon/confine.h"

#include "config.h"

enum { SILENCE_LEAST_MS = 400, SILENCE_MOST_MS = 24 * 3600 * 1000 };

static const char *const names[] = {
    [STAGE_CORE] = "core",           [STAGE_AGENT] = "agent",
    [STAGE_POLLER] = "poller",       [STAGE_DISPATCHER] = "dispatcher",
    [STAGE_EVALUATOR] = "evaluator", [STAGE_COMPILER] = "compiler",
    [STAGE_RUNNER] = "runner",       [STAGE_CHECKER] = "checker",
};

const char *stage_name(enum stage_id s)
{
    return s >= STAGE_CORE && s <= STAGE_CHECKER ? names[s] : "?";
}

enum stage_id stage_by_name(const char *name)
{
    for (unsigned i = STAGE_CORE; i <= STAGE_CHECKER; i++) {
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

void stage_config_write(const struct stage_config *c, struct buf *b)
{
    buf_u8(b, c->accepted);
    buf_str(b, c->file);
    buf_str(b, c->error);
}

int stage_config_read(struct stage_config *ret, struct rd *r)
{
    uint8_t accepted = rd_u8(r);

    ret->accepted = accepted == 1;
    rd_str(r, ret->file, sizeof ret->file);
    rd_str(r, ret->error, sizeof ret->error);
    return accepted > 1 ? ERR_SYNTAX : rd_end(r);
}

int stage_answer_read(struct rd *r, bool *ret_accepted, char *ret_why, size_t cap)
{
    uint8_t accepted = rd_u8(r);

    rd_str(r, ret_why, cap);
    if (accepted > 1)
        return ERR_SYNTAX;
    *ret_accepted = accepted == 1;
    return rd_end(r);
}

/* ---- the configuration that comes first ---- */

static void take_fds(struct msghdr *m, int *ret_fd)
{
    for (struct cmsghdr *h = CMSG_FIRSTHDR(m); h; h = CMSG_NXTHDR(m, h)) {
        if (h->cmsg_level == SOL_SOCKET && h->cmsg_type == SCM_RIGHTS && *ret_fd < 0)
            memcpy(ret_fd, CMSG_DATA(h), sizeof *ret_fd);
    }
}

/* Its header, and the descriptor that came with it. Exactly so much is read that the channel, which
 * is made afterwards, begins with the next frame. */
static int receive_head(uint8_t head[FRAME_HEADER_LEN], int *ret_fd)
{
    union {
        struct cmsghdr align;
        char space[CMSG_SPACE(sizeof(int))];
    } control;
    size_t have = 0;

    while (have < FRAME_HEADER_LEN) {
        struct iovec v = {head + have, FRAME_HEADER_LEN - have};
        struct msghdr m = {.msg_iov = &v,
                           .msg_iovlen = 1,
                           .msg_control = &control,
                           .msg_controllen = sizeof control};
        ssize_t n = recvmsg(STAGE_PARENT_FD, &m, MSG_CMSG_CLOEXEC);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n ? ERR_IO : ERR_CLOSED;
        take_fds(&m, ret_fd);
        have += (size_t)n;
    }
    return 0;
}

static int receive_all(uint8_t *p, size_t n)
{
    while (n) {
        ssize_t got = recv(STAGE_PARENT_FD, p, n, 0);

        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return got ? ERR_IO : ERR_CLOSED;
        p += got;
        n -= (size_t)got;
    }
    return 0;
}

static int receive_config(struct stage_context *c)
{
    uint8_t head[FRAME_HEADER_LEN], payload[sizeof c->config + 64];
    size_t len;
    struct rd r;
    int err = receive_head(head, &c->config_fd);

    if (err)
        return err;
    len = get_u32(head);
    if (get_u16(head + 4) != PARENT_CONFIG || len > sizeof payload)
        return ERR_PROTOCOL;
    err = receive_all(payload, len);
    rd_init(&r, payload, len);
    if (!err)
        err = stage_config_read(&c->config, &r);
    if (!err && (c->config_fd < 0 || !c->config.accepted))
        err = ERR_PROTOCOL;
    return err;
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

static int on_config_frame(struct stage_context *c, struct rd *r, const int *fds, int nfds)
{
    struct stage_config config;
    int err = stage_config_read(&config, r);

    if (!err && nfds == config.accepted && c->on_config)
        return c->on_config(c->arg, &config, nfds ? fds[0] : -1);
    for (int i = 0; i < nfds; i++)
        close(fds[i]);
    return err ? err : ERR_PROTOCOL;
}

static int on_process_frame(struct stage_context *c, struct rd *r, const int *fds, int nfds)
{
    struct stage_process p;
    int err = stage_process_read(&p, r);

    if (!err && nfds <= 1 && c->on_process) {
        c->on_process(c->arg, &p, nfds ? fds[0] : -1);
        return 0;
    }
    for (int i = 0; i < nfds; i++)
        close(fds[i]);
    return err ? err : nfds <= 1 ? 0 : ERR_PROTOCOL;
}

static int on_frame(void *arg, uint16_t type, const uint8_t *payload, size_t len, const int *fds,
                    int nfds)
{
    struct stage_context *c = arg;
    struct rd r;

    rd_init(&r, payload, len);
    if (type == PARENT_LINK)
        return on_link_frame(c, &r, fds, nfds);
    if (type == PARENT_CONFIG)
        return on_config_frame(c, &r, fds, nfds);
    if (type == PARENT_PROCESS)
        return on_process_frame(c, &r, fds, nfds);
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

void stage_answer(struct stage_context *c, uint16_t type, bool accepted, const char *why)
{
    struct buf b;

    buf_init(&b, 4096);
    buf_u8(&b, accepted);
    buf_str(&b, why);
    if (c->parent && !b.err)
        chan_send(c->parent, type, b.data, b.len);
    buf_release(&b);
}

unsigned stage_silence_ms(void)
{
    const char *text = getenv("SNMPALERTD_SILENCE_MS");
    unsigned long ms = text ? strtoul(text, NULL, 10) : 0;

    return ms >= SILENCE_LEAST_MS && ms <= SILENCE_MOST_MS ? (unsigned)ms : STAGE_SILENCE_MS;
}

unsigned stage_alive_ms(void)
{
    unsigned ms = stage_silence_ms() / 4;

    return ms < STAGE_ALIVE_MS ? ms : STAGE_ALIVE_MS;
}

/* A loop that turns says so: the parent ends one that does not. */
static void say_alive(void *arg)
{
    struct stage_context *c = arg;

    if (c->parent)
        chan_send(c->parent, STAGE_ALIVE, NULL, 0);
    loop_timer_set(c->alive, stage_alive_ms());
}

/* Where /proc hides processes from each other, only a process itself can open its statistics. */
static int greet(struct stage_context *c, enum stage_id s)
{
    int stat = open("/proc/self/stat", O_RDONLY | O_CLOEXEC), err;
    struct buf b;

    buf_init(&b, 1024);
    buf_u8(&b, (uint8_t)s);
    buf_str(&b, SA_BUILD_ID);
    err = b.err ? b.err : chan_send_fds(c->parent, STAGE_HELLO, b.data, b.len, &stat, stat >= 0);
    buf_release(&b);
    if (stat >= 0)
        close(stat);
    return err;
}

static int prepare(struct stage_context *c, enum stage_id s)
{
    struct chan_options o = {.on_frame = on_frame, .on_close = on_close, .arg = c};
    struct err e;
    int err;

    err = confine_stage(s, c->options->unconfined, &e);
    if (err) {
        log_error(NULL, "%s", e.text);
        return err;
    }
    if (s == STAGE_CORE || s == STAGE_CHECKER) {
        err = receive_config(c);
        if (err)
            return err;
    }
    c->loop = loop_new();
    if (!c->loop)
        return ERR_NOMEM;
    c->alive = loop_timer_new(c->loop, say_alive, c);
    c->parent = chan_new(c->loop, STAGE_PARENT_FD, &o);
    if (!c->parent || !c->alive)
        return ERR_NOMEM;
    loop_timer_set(c->alive, stage_alive_ms());
    err = loop_signal(c->loop, SIGTERM, on_signal, c);
    if (!err)
        err = loop_signal(c->loop, SIGHUP, on_interrupt, c);
    if (!err)
        err = loop_signal(c->loop, SIGINT, on_interrupt, c);
    return err ? err : greet(c, s);
}

int stage_main(enum stage_id s, const struct stage_options *o)
{
    static int (*const bodies[])(struct stage_context *) = {
        [STAGE_CORE] = core_main,     [STAGE_AGENT] = agent_main,
        [STAGE_POLLER] = poller_main, [STAGE_DISPATCHER] = dispatcher_main,
        [STAGE_RUNNER] = runner_main, [STAGE_CHECKER] = checker_main,
    };
    struct stage_context c = {.options = o, .config_fd = -1};
    int status, err = prepare(&c, s);

    if (err) {
        if (err != ERR_CLOSED) /* nobody is there any more for whom it would start */
            log_error(NULL, "cannot start: %s", err_name(err));
        status = 1;
    } else {
        status = bodies[s](&c);
    }
    chan_free(c.parent);
    loop_free(c.loop);
    if (c.config_fd >= 0)
        close(c.config_fd);
    return status;
}
