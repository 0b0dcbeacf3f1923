/* The parent: forks, execs, reaps, links. It parses nothing foreign but the frames of its own
 * children, and touches nothing else. */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "daemon/launch.h"
#include "daemon/reload.h"
#include "daemon/stage.h"

#include "config.h"

enum {
    BACKOFF_FIRST_MS = 1000,
    BACKOFF_MOST_MS = 60 * 1000,
    SETTLED_MS = 60 * 1000, /* who ran so long starts with the first back-off again */
    QUICK_MS = 50,          /* an evaluator that ran longer is replaced at once */
    STOP_MS = 8000,         /* then what is left is killed */
};

/* What starts, in order; what stops, in the mirrored order (a phase waits for the one before). */
static const enum stage_id start_list[] = {STAGE_CORE,       STAGE_EVALUATOR, STAGE_COMPILER,
                                           STAGE_DISPATCHER, STAGE_POLLER,    STAGE_AGENT};
static const enum stage_id stop_phases[][4] = {
    {STAGE_AGENT, STAGE_POLLER, STAGE_DISPATCHER},
    {STAGE_CORE},
    {STAGE_COMPILER, STAGE_EVALUATOR},
};

static const struct {
    enum stage_id a, b;
} links[] = {
    {STAGE_CORE, STAGE_AGENT},
    {STAGE_CORE, STAGE_POLLER},
    {STAGE_CORE, STAGE_DISPATCHER},
};

struct parent;

struct child {
    struct parent *parent;
    enum stage_id stage;
    pid_t pid; /* 0: none */
    struct chan *chan;
    enum process_state state;
    uint32_t starts;
    char last_exit[64];
    int64_t started_mono, backoff_ms;
    struct loop_timer *restart;
    int fd, pidfd; /* of an evaluator that its user has not got yet; else -1 */
};

struct parent {
    struct launch launch;
    struct reload *reload;
    struct loop *loop;
    struct child children[STAGE_LAST + 1];
    bool stopping;
    unsigned phase;
    int status;
    struct loop_timer *stop_timer;
};

static bool is_evaluator(enum stage_id s)
{
    return s == STAGE_EVALUATOR || s == STAGE_COMPILER;
}

static enum stage_id user_of(enum stage_id evaluator)
{
    return evaluator == STAGE_EVALUATOR ? STAGE_CORE : STAGE_AGENT;
}

/* ---- telling ---- */

static void tell_core(struct parent *p, const struct child *c)
{
    struct child *core = &p->children[STAGE_CORE];
    struct stage_process s = {c->stage, c->state, c->pid, c->starts, ""};
    struct buf b;

    if (!core->chan)
        return;
    memcpy(s.last_exit, c->last_exit, sizeof s.last_exit);
    buf_init(&b, 1024);
    stage_process_write(&s, &b);
    if (!b.err)
        chan_send(core->chan, PARENT_PROCESS, b.data, b.len);
    buf_release(&b);
}

static void set_state(struct child *c, enum process_state state)
{
    c->state = state;
    tell_core(c->parent, c);
}

static void send_link(struct child *to, enum stage_id peer, pid_t pid, const int *fds, int nfds)
{
    struct stage_link l = {peer, pid};
    struct buf b;

    buf_init(&b, 64);
    stage_link_write(&l, &b);
    if (b.err || chan_send_fds(to->chan, PARENT_LINK, b.data, b.len, fds, nfds))
        log_error(stage_name(to->stage), "cannot be linked with %s", stage_name(peer));
    buf_release(&b);
}

/* A new socket pair between two stages that run. */
static void link_pair(struct parent *p, enum stage_id a, enum stage_id b)
{
    struct child *x = &p->children[a], *y = &p->children[b];
    int sv[2];

    if (!x->chan || !y->chan)
        return;
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv)) {
        log_error(NULL, "socketpair: %s", strerror(errno));
        return;
    }
    send_link(x, b, y->pid, &sv[0], 1);
    send_link(y, a, x->pid, &sv[1], 1);
    close(sv[0]);
    close(sv[1]);
}

/* An evaluator goes to its user as soon as both are there. */
static void hand_over(struct parent *p, enum stage_id evaluator)
{
    struct child *c = &p->children[evaluator], *user = &p->children[user_of(evaluator)];
    int fds[2] = {c->fd, c->pidfd};

    if (c->fd < 0 || !user->chan)
        return;
    send_link(user, evaluator, c->pid, fds, 2);
    close(c->fd);
    close(c->pidfd);
    c->fd = c->pidfd = -1;
}

static void link_all(struct parent *p, enum stage_id s)
{
    for (size_t i = 0; i < sizeof links / sizeof *links; i++) {
        if (links[i].a == s || links[i].b == s)
            link_pair(p, links[i].a, links[i].b);
    }
    hand_over(p, STAGE_EVALUATOR);
    hand_over(p, STAGE_COMPILER);
}

/* ---- starting ---- */

static void on_exit_of(void *arg, pid_t pid, int status);
static void stop_all(struct parent *p, int status);

static int on_child_frame(void *arg, uint16_t type, const uint8_t *payload, size_t len,
                          const int *fds, int nfds)
{
    struct child *c = arg;
    char build[128];
    struct rd r;

    for (int i = 0; i < nfds; i++)
        close(fds[i]);
    rd_init(&r, payload, len);
    if (type == STAGE_READY) {
        set_state(c, PROCESS_RUNNING);
        if (c->stage == STAGE_CORE)
            reload_core_ready(c->parent->reload);
        return 0;
    }
    if (type == STAGE_ALIVE)
        return 0;
    if (type == STAGE_RELOADED && c->stage == STAGE_CORE)
        return reload_answered(c->parent->reload, payload, len);
    if (type == STAGE_RELOAD_WANTED && c->stage == STAGE_CORE) {
        reload_wish(c->parent->reload);
        return 0;
    }
    if (type != STAGE_HELLO || rd_u8(&r) != c->stage)
        return ERR_PROTOCOL;
    rd_str(&r, build, sizeof build);
    if (rd_end(&r))
        return ERR_PROTOCOL;
    if (strcmp(build, SA_BUILD_ID)) {
        log_error(stage_name(c->stage),
                  "is of another build (%s, this is %s): restart snmpalertd after an upgrade",
                  build, SA_BUILD_ID);
        stop_all(c->parent, 1);
    }
    return 0;
}

static void on_child_close(void *arg, int code)
{
    struct child *c = arg;

    if (code == ERR_PROTOCOL && c->pid)
        kill(c->pid, SIGKILL);
    if (c->stage == STAGE_CORE)
        reload_core_ended(c->parent->reload);
    chan_free(c->chan);
    c->chan = NULL; /* its end is seen by the reaper */
}

static int spawn_stage(struct child *c)
{
    struct chan_options o = {.on_frame = on_child_frame, .on_close = on_child_close, .arg = c};
    struct err e;
    int fd, err = launch_stage(&c->parent->launch, c->stage, false, false, &fd, &c->pid, &e);

    if (err) {
        log_error(stage_name(c->stage), "%s", e.text);
        return err;
    }
    c->chan = chan_new(c->parent->loop, fd, &o);
    if (!c->chan)
        close(fd); /* it sees the end of file and ends */
    else if (c->stage == STAGE_CORE)
        reload_core_started(c->parent->reload, c->chan);
    return 0;
}

static int spawn_evaluator(struct child *c)
{
    struct err e;
    int err = launch_evaluator(&c->parent->launch, &c->fd, &c->pidfd, &c->pid, &e);

    if (err)
        log_error(stage_name(c->stage), "%s", e.text);
    return err;
}

static void schedule_restart(struct child *c)
{
    int64_t ran = clock_mono_ms() - c->started_mono;

    if (is_evaluator(c->stage) && ran > QUICK_MS) {
        c->backoff_ms = 0;
        loop_timer_set(c->restart, 0);
        return;
    }
    if (ran > SETTLED_MS || !c->backoff_ms)
        c->backoff_ms = BACKOFF_FIRST_MS;
    log_warning(stage_name(c->stage), "is started again in %lld ms", (long long)c->backoff_ms);
    loop_timer_set(c->restart, c->backoff_ms);
    c->backoff_ms *= 2;
    if (c->backoff_ms > BACKOFF_MOST_MS)
        c->backoff_ms = BACKOFF_MOST_MS;
}

static void start(void *arg)
{
    struct child *c = arg;
    struct parent *p = c->parent;
    int err;

    if (p->stopping || c->pid)
        return;
    c->started_mono = clock_mono_ms();
    err = is_evaluator(c->stage) ? spawn_evaluator(c) : spawn_stage(c);
    if (!err)
        err = loop_child(p->loop, c->pid, on_exit_of, c);
    if (err) {
        log_error(stage_name(c->stage), "cannot be started: %s", strerror(errno));
        set_state(c, PROCESS_FAILED);
        schedule_restart(c);
        return;
    }
    c->starts++;
    set_state(c, is_evaluator(c->stage) ? PROCESS_RUNNING : PROCESS_STARTING);
    link_all(p, c->stage);
    for (unsigned i = STAGE_CORE; c->stage == STAGE_CORE && i <= STAGE_LAST; i++) {
        if (p->children[i].starts)
            tell_core(p, &p->children[i]);
    }
}

/* ---- ending ---- */

static bool signal_phase(struct parent *p, int signo)
{
    bool any = false;

    for (size_t i = 0; i < 4 && stop_phases[p->phase][i]; i++) {
        struct child *c = &p->children[stop_phases[p->phase][i]];

        if (c->pid) {
            kill(c->pid, is_evaluator(c->stage) ? SIGKILL : signo);
            any = true;
        }
    }
    return any;
}

static void advance_stop(struct parent *p)
{
    const size_t phases = sizeof stop_phases / sizeof *stop_phases;

    for (size_t i = 0; i < 4 && p->phase < phases && stop_phases[p->phase][i]; i++) {
        if (p->children[stop_phases[p->phase][i]].pid)
            return;
    }
    while (++p->phase < phases) {
        if (signal_phase(p, SIGTERM))
            return;
    }
    loop_stop(p->loop, p->status);
}

static void stop_late(void *arg)
{
    struct parent *p = arg;

    for (unsigned i = STAGE_CORE; i <= STAGE_LAST; i++) {
        if (p->children[i].pid) {
            log_warning(stage_name((enum stage_id)i), "does not end: killed");
            kill(p->children[i].pid, SIGKILL);
        }
    }
}

static void stop_all(struct parent *p, int status)
{
    if (p->stopping)
        return;
    p->stopping = true;
    reload_stop(p->reload);
    p->status = status;
    p->phase = 0;
    loop_timer_set(p->stop_timer, STOP_MS);
    if (!signal_phase(p, SIGTERM))
        advance_stop(p);
}

static void on_exit_of(void *arg, pid_t pid, int status)
{
    struct child *c = arg;
    struct parent *p = c->parent;
    /* A core that never got to work will not the next time either: it has said why. */
    bool refused = c->stage == STAGE_CORE && c->starts == 1 && c->state == PROCESS_STARTING &&
                   WIFEXITED(status) && WEXITSTATUS(status);

    (void)pid;
    launch_describe_exit(c->last_exit, sizeof c->last_exit, status);
    c->pid = 0;
    if (c->chan && c->stage == STAGE_CORE)
        reload_core_ended(p->reload);
    chan_free(c->chan);
    c->chan = NULL;
    if (c->fd >= 0) {
        close(c->fd);
        close(c->pidfd);
        c->fd = c->pidfd = -1;
    }
    set_state(c, PROCESS_STOPPED);
    if (p->stopping) {
        advance_stop(p);
    } else if (refused) {
        stop_all(p, WEXITSTATUS(status));
    } else {
        if (!is_evaluator(c->stage))
            log_error(stage_name(c->stage), "ended: %s", c->last_exit);
        schedule_restart(c);
    }
}

static void on_stop_signal(void *arg, int signo)
{
    (void)signo;
    log_info(NULL, "stopping");
    stop_all(arg, 0);
}

static void on_hangup(void *arg, int signo)
{
    struct parent *p = arg;

    (void)signo;
    reload_wish(p->reload);
}

static void on_first(void *arg, int status)
{
    struct parent *p = arg;

    if (status) {
        stop_all(p, status);
        return;
    }
    for (size_t i = 0; i < sizeof start_list / sizeof *start_list; i++)
        start(&p->children[start_list[i]]);
}

static void on_reloading(void *arg, bool busy)
{
    (void)arg;
    (void)busy;
}

static void on_replaced(void *arg)
{
    struct parent *p = arg;

    loop_timer_set(p->children[STAGE_CORE].restart, 0);
}

static int prepare(struct parent *p, const struct parent_options *o)
{
    struct reload_options reload = {.launch = &p->launch,
                                    .file = o->config_file,
                                    .on_first = on_first,
                                    .on_busy = on_reloading,
                                    .on_replaced = on_replaced,
                                    .arg = p};
    int err;

    launch_init(&p->launch, o);

    p->loop = loop_new();
    if (!p->loop)
        return ERR_NOMEM;
    reload.loop = p->loop;
    p->reload = reload_new(&reload);
    p->stop_timer = loop_timer_new(p->loop, stop_late, p);
    if (!p->stop_timer || !p->reload)
        return ERR_NOMEM;
    for (unsigned i = STAGE_CORE; i <= STAGE_LAST; i++) {
        struct child *c = &p->children[i];

        *c = (struct child){.parent = p, .stage = (enum stage_id)i, .fd = -1, .pidfd = -1};
        c->restart = loop_timer_new(p->loop, start, c);
        if (!c->restart)
            return ERR_NOMEM;
    }
    err = loop_signal(p->loop, SIGHUP, on_hangup, p);
    if (!err)
        err = loop_signal(p->loop, SIGTERM, on_stop_signal, p);
    return err ? err : loop_signal(p->loop, SIGINT, on_stop_signal, p);
}

int parent_main(const struct parent_options *o)
{
    struct parent p = {.status = 1};
    int err = prepare(&p, o);

    if (err) {
        log_error(NULL, "cannot start: %s", err_name(err));
        return 1;
    }
    reload_first(p.reload);
    err = loop_run(p.loop);
    reload_free(p.reload);
    launch_release(&p.launch);
    loop_free(p.loop);
    return err < 0 ? 1 : err;
}
