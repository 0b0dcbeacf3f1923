/* The life of one process: started, heard of, ended, started again. */
#include <errno.h>
#include <linux/magic.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "daemon/parent.h"

#include "config.h"

enum {
    /* What a core does before it is ready may take long: it looks at all rows. */
    CORE_START_MS = 10 * 60 * 1000,
    CORE_VERIFY_MS = 60 * 60 * 1000,
    UNLOAD_MS = 4000,          /* then who keeps a store open that may be damaged is killed */
    UNLOAD_LOOK_MS = 100,      /* whether the store is free */
    SOUND_MS = 10 * 60 * 1000, /* a store found sound is not looked at again within that time */
    WHY_MAX = 64 + ERR_TEXT_MAX,
};

/* ---- its end ---- */

static struct child *sharer(struct child *c)
{
    return &c->parent->children[c->stage == STAGE_CORE ? STAGE_AGENT : STAGE_CORE];
}

static bool uses_store(const struct child *c)
{
    return c->stage == STAGE_CORE || c->stage == STAGE_AGENT;
}

/* An end that a damaged store may be the reason of; LMDB trusts its file. */
static bool is_suspicious(const struct parent *p, int status)
{
    static const int signals[] = {SIGSEGV, SIGBUS, SIGABRT, SIGILL, SIGFPE};
    bool crash = false;

    if (WIFEXITED(status))
        return WEXITSTATUS(status) == EXIT_CORRUPT;
    for (size_t i = 0; i < sizeof signals / sizeof *signals; i++)
        crash = crash || WTERMSIG(status) == signals[i];
    return crash && (!p->verified_mono || clock_mono_ms() - p->verified_mono > SOUND_MS);
}

void child_unload(struct child *c)
{
    loop_timer_cancel(c->restart);
    if (!c->pid || c->unloaded)
        return;
    c->unloaded = true;
    kill(c->pid, is_evaluator(c->stage) ? SIGKILL : SIGTERM);
    loop_timer_set(c->kill, UNLOAD_MS);
}

/* Nobody may have the store open while it is verified and repaired. */
static void unload(struct child *c)
{
    if (c->pid && !(c->stage == STAGE_CORE && c->parent->verifying))
        child_unload(c);
}

static void suspect_store(struct child *c)
{
    struct parent *p = c->parent;

    if (!p->suspect)
        log_warning("store", "may be damaged: the core verifies it before it goes on");
    p->suspect = true;
    unload(sharer(c));
}

/* WHY: how it ended, or why it cannot be started. */
static void start_later(struct child *c, const char *why)
{
    int64_t now = clock_mono_ms(), ran = now - c->started_mono, delay;
    enum backoff_say say;

    if (is_evaluator(c->stage) && c->state != PROCESS_FAILED &&
        backoff_spare(&c->backoff, ran, now)) {
        loop_timer_set(c->restart, 0); /* its user has said why it had to go */
        return;
    }
    delay = backoff_ended(&c->backoff, ran, why, &say);
    if (say == BACKOFF_SAY_ENDED)
        log_error(stage_name(c->stage), "%s; is started again in %lld s", why,
                  (long long)delay / 1000);
    else if (say == BACKOFF_SAY_LOOPS)
        log_error(stage_name(c->stage),
                  "ended %u times one after the other (%s); is started every %lld s from now on",
                  c->backoff.ends, why, (long long)delay / 1000);
    else
        log_debug(stage_name(c->stage), "%s; is started again in %lld s", why,
                  (long long)delay / 1000);
    parent_set_state(c, PROCESS_FAILED);
    loop_timer_set(c->restart, delay);
}

static void forget(struct child *c)
{
    loop_timer_cancel(c->kill);
    c->pid = 0;
    if (c->chan && c->stage == STAGE_CORE)
        reload_core_ended(c->parent->reload);
    chan_free(c->chan);
    c->chan = NULL;
    if (c->fd >= 0)
        close(c->fd);
    if (c->pidfd >= 0)
        close(c->pidfd);
    if (c->stat >= 0)
        close(c->stat);
    c->fd = c->pidfd = c->stat = -1;
    link_lost(c->parent, c->stage);
}

static void ended_while_running(struct child *c, int status)
{
    struct parent *p = c->parent;
    char why[WHY_MAX];
    bool suspicious = uses_store(c) && is_suspicious(p, status);

    if (c->unloaded || !parent_wants(p, c->stage)) {
        c->unloaded = false;
        loop_timer_set(c->restart, 0);
        return;
    }
    /* An evaluator that is of another build says so by this. */
    if (is_evaluator(c->stage) && WIFEXITED(status) && WEXITSTATUS(status) == EXIT_CONFIG) {
        log_error(stage_name(c->stage),
                  "%s is of another build: restart snmpalertd after an upgrade",
                  p->launch.evaluator.path);
        parent_stop(p, EXIT_BUILD);
        return;
    }
    snprintf(why, sizeof why, "ended: %s", c->last_exit);
    start_later(c, why);
    if (suspicious)
        suspect_store(c);
}

static void on_end(void *arg, pid_t pid, int status)
{
    struct child *c = arg;
    struct parent *p = c->parent;
    /* A core that never got to work will not the next time either: it has said why. */
    bool refused = c->stage == STAGE_CORE && c->starts == 1 && c->state == PROCESS_STARTING &&
                   WIFEXITED(status) && WEXITSTATUS(status) && WEXITSTATUS(status) != EXIT_CORRUPT;

    (void)pid;
    launch_describe_exit(c->last_exit, sizeof c->last_exit, status);
    forget(c);
    if (c->stage == STAGE_CORE)
        p->verifying = false;
    parent_set_state(c, PROCESS_STOPPED);
    if (p->stopping)
        parent_stop_goes_on(p);
    else if (refused)
        parent_stop(p, WEXITSTATUS(status));
    else
        ended_while_running(c, status);
}

static void kill_now(void *arg)
{
    struct child *c = arg;

    if (c->pid)
        kill(c->pid, SIGKILL);
}

/* ---- what it says ---- */

static int on_hello(struct child *c, struct rd *r)
{
    char build[128];
    uint8_t stage = rd_u8(r);

    rd_str(r, build, sizeof build);
    if (rd_end(r) || stage != c->stage)
        return ERR_PROTOCOL;
    if (strcmp(build, SA_BUILD_ID)) {
        log_error(stage_name(c->stage),
                  "is of another build (%s, this is %s): restart snmpalertd after an upgrade",
                  build, SA_BUILD_ID);
        parent_stop(c->parent, EXIT_BUILD);
    }
    child_tell_core(c->parent, c);
    return 0;
}

static int on_ready(struct child *c)
{
    struct parent *p = c->parent;

    if (c->stage == STAGE_CORE) {
        reload_core_ready(p->reload);
        if (p->verifying) {
            p->verifying = p->suspect = false;
            p->verified_mono = clock_mono_ms();
        }
    }
    parent_set_state(c, PROCESS_RUNNING);
    return 0;
}

/* A greeting brings one. The core will read it, so it must be nothing that can make it wait. */
static void take_stat(struct child *c, uint16_t type, const int *fds, int nfds)
{
    struct statfs fs;

    for (int i = 0; i < nfds; i++) {
        if (type == STAGE_HELLO && c->stat < 0 && !fstatfs(fds[i], &fs) &&
            fs.f_type == PROC_SUPER_MAGIC)
            c->stat = fds[i];
        else
            close(fds[i]);
    }
}

static int on_wanted(struct parent *p, struct rd *r, void (*want)(struct parent *p, bool wanted))
{
    uint8_t wanted = rd_u8(r);

    if (rd_end(r) || wanted > 1)
        return ERR_PROTOCOL;
    want(p, wanted);
    return 0;
}

/* Those that the core has a link to. */
static bool is_peer(unsigned stage)
{
    return stage == STAGE_AGENT || stage == STAGE_POLLER || stage == STAGE_DISPATCHER ||
           stage == STAGE_RUNNER;
}

static int on_link_lost(struct parent *p, struct rd *r)
{
    uint8_t peer = rd_u8(r);

    if (rd_end(r) || !is_peer(peer))
        return ERR_PROTOCOL;
    if (p->children[peer].chan)
        log_warning(stage_name(peer), "its link to the core broke: a new one is made");
    link_lost(p, peer);
    link_all(p);
    return 0;
}

static int on_frame(void *arg, uint16_t type, const uint8_t *payload, size_t len, const int *fds,
                    int nfds)
{
    struct child *c = arg;
    bool core = c->stage == STAGE_CORE;
    struct rd r;

    take_stat(c, type, fds, nfds);
    c->silent_ms = 0;
    rd_init(&r, payload, len);
    if (type == STAGE_ALIVE)
        return 0;
    if (type == STAGE_READY)
        return on_ready(c);
    if (type == STAGE_HELLO)
        return on_hello(c, &r);
    if (type == STAGE_RELOADED && core)
        return reload_answered(c->parent->reload, payload, len);
    if (type == STAGE_LINK_LOST && core)
        return on_link_lost(c->parent, &r);
    if (type == STAGE_AGENT_WANTED && core)
        return on_wanted(c->parent, &r, parent_want_agent);
    if (type == STAGE_RUNNER_WANTED && core)
        return on_wanted(c->parent, &r, parent_want_runner);
    if (type != STAGE_RELOAD_WANTED || !core)
        return ERR_PROTOCOL;
    reload_wish(c->parent->reload);
    return 0;
}

static void on_close(void *arg, int code)
{
    struct child *c = arg;

    if (code == ERR_PROTOCOL && c->pid)
        kill(c->pid, SIGKILL);
    if (c->stage == STAGE_CORE)
        reload_core_ended(c->parent->reload);
    chan_free(c->chan);
    c->chan = NULL; /* its end is seen by the reaper */
}

static unsigned silence_allowed(const struct child *c)
{
    if (c->stage == STAGE_CORE && c->state == PROCESS_STARTING)
        return c->parent->verifying ? CORE_VERIFY_MS : CORE_START_MS;
    return c->parent->silence_ms;
}

/* Silence is counted in ticks of our own, not in time: a machine that slept, or a parent that got
 * no CPU, is no reason to kill. */
void child_tick(struct child *c, unsigned ms)
{
    int64_t ran = clock_mono_ms() - c->started_mono;
    uint32_t ends;

    if (!c->pid)
        return;
    if (backoff_settled(&c->backoff, ran, &ends))
        log_info(stage_name(c->stage), "has settled, having ended %u times", ends);
    if (is_evaluator(c->stage))
        return; /* its user looks after it */
    c->silent_ms += ms;
    if (c->silent_ms <= silence_allowed(c))
        return;
    log_error(stage_name(c->stage), "gave no sign of life for %u s: killed", c->silent_ms / 1000);
    c->silent_ms = 0;
    kill(c->pid, SIGKILL);
}

void child_tell_core(struct parent *p, const struct child *c)
{
    struct child *core = &p->children[STAGE_CORE];
    struct stage_process s = {c->stage, c->state, c->pid, c->starts, ""};
    struct buf b;

    if (!core->chan)
        return;
    memcpy(s.last_exit, c->last_exit, sizeof s.last_exit);
    buf_init(&b, 1024);
    stage_process_write(&s, &b);
    /* Descriptors may have run out, which is when what is said matters most. */
    if (!b.err && chan_send_fds(core->chan, PARENT_PROCESS, b.data, b.len, &c->stat, c->stat >= 0))
        chan_send(core->chan, PARENT_PROCESS, b.data, b.len);
    buf_release(&b);
}

/* ---- its start ---- */

/* Made, but of no use. */
static int undo(struct child *c, int err, struct err *e)
{
    kill(c->pid, SIGKILL);
    while (waitpid(c->pid, NULL, 0) < 0 && errno == EINTR)
        ;
    forget(c);
    return err_set(e, err, "%s", err_name(err));
}

static int link_with_stage(struct child *c, int fd)
{
    struct chan_options o = {.on_frame = on_frame, .on_close = on_close, .arg = c};

    c->chan = chan_new(c->parent->loop, fd, &o);
    if (!c->chan) {
        close(fd);
        return ERR_NOMEM;
    }
    return c->stage == STAGE_CORE ? reload_core_started(c->parent->reload, c->chan) : 0;
}

static int spawn(struct child *c, struct err *e)
{
    struct parent *p = c->parent;
    bool again = c->backoff.ends, evaluator = is_evaluator(c->stage);
    int fd = -1, err;

    p->verifying = c->stage == STAGE_CORE ? p->suspect : p->verifying;
    err = evaluator ? launch_evaluator(&p->launch, &c->fd, &c->pidfd, &c->pid, &c->stat, e)
                    : launch_stage(&p->launch, c->stage, c->stage == STAGE_CORE && p->verifying,
                                   again, &fd, &c->pid, e);
    if (err)
        return err;
    if (!evaluator)
        err = link_with_stage(c, fd);
    if (!err)
        err = loop_child(p->loop, c->pid, on_end, c);
    return err ? undo(c, err, e) : 0;
}

void child_start(void *arg)
{
    struct child *c = arg;
    struct parent *p = c->parent;
    char why[WHY_MAX];
    struct err e;

    if (p->stopping || c->pid || !parent_wants(p, c->stage))
        return;
    if (uses_store(c) && sharer(c)->unloaded) {
        loop_timer_set(c->restart, UNLOAD_LOOK_MS);
        return;
    }
    c->started_mono = clock_mono_ms();
    c->silent_ms = 0;
    if (spawn(c, &e)) {
        snprintf(why, sizeof why, "cannot be started: %s", e.text);
        parent_set_state(c, PROCESS_FAILED);
        start_later(c, why);
        return;
    }
    c->starts++;
    parent_set_state(c, is_evaluator(c->stage) ? PROCESS_RUNNING : PROCESS_STARTING);
    link_all(p);
    for (unsigned i = STAGE_CORE; c->stage == STAGE_CORE && i <= STAGE_LAST; i++) {
        if (p->children[i].starts)
            child_tell_core(p, &p->children[i]);
    }
}

int child_init(struct child *c, struct parent *p, enum stage_id s)
{
    *c = (struct child){.parent = p, .stage = s, .fd = -1, .pidfd = -1, .stat = -1};
    c->restart = loop_timer_new(p->loop, child_start, c);
    c->kill = loop_timer_new(p->loop, kill_now, c);
    return c->restart && c->kill ? 0 : ERR_NOMEM;
}
