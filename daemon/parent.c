/* The parent: what starts and stops in which order, the clocks, the signals. It parses nothing
 * foreign but the frames of its own children, and touches nothing else. */
#include "daemon/parent.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "daemon/notify.h"

enum {
    PHASES = 3,
    KILLED_MS = 200,       /* for who was killed; nobody waits longer (uninterruptible sleep) */
    EXTEND_MS = 60 * 1000, /* a service manager should wait so long for a core that starts */
    START_MOST = 2,        /* for the first time, or to verify the store after that */
};

/* What starts, in order; what stops, in the mirrored order (a phase waits for the one before). */
static const enum stage_id start_list[] = {STAGE_CORE,       STAGE_EVALUATOR, STAGE_COMPILER,
                                           STAGE_DISPATCHER, STAGE_RUNNER,    STAGE_POLLER,
                                           STAGE_AGENT};
static const enum stage_id stop_phases[PHASES][4] = {
    {STAGE_AGENT, STAGE_POLLER, STAGE_DISPATCHER, STAGE_RUNNER},
    {STAGE_CORE},
    {STAGE_COMPILER, STAGE_EVALUATOR},
};
/* Then those of a phase that are left are killed. All of it is below ten seconds. */
static const int phase_ms[PHASES] = {3000, 5000, 1000};

bool is_evaluator(enum stage_id s)
{
    return s == STAGE_EVALUATOR || s == STAGE_COMPILER;
}

/* ---- the service manager ---- */

static void tell_status(struct parent *p)
{
    char text[sizeof p->status_text] = "";
    size_t n = 0;

    for (unsigned i = STAGE_CORE; i <= STAGE_LAST; i++) {
        struct child *c = &p->children[i];

        if (c->state == PROCESS_FAILED && n < sizeof text)
            n += (size_t)snprintf(text + n, sizeof text - n, "%s%s fails", n ? ", " : "",
                                  stage_name(c->stage));
    }
    if (!n)
        snprintf(text, sizeof text, "%s",
                 p->replaced_told ? "Running; to be restarted after an "
                                    "upgrade"
                                  : "Running");
    if (!p->ready || p->stopping || !strcmp(text, p->status_text))
        return;
    memcpy(p->status_text, text, sizeof text);
    notify_send("STATUS=%s", text);
}

bool parent_wants(const struct parent *p, enum stage_id s)
{
    if (s == STAGE_AGENT || s == STAGE_COMPILER)
        return p->agent_wanted;
    return s != STAGE_RUNNER || p->runner_wanted;
}

/* The core says whether there is an agent, and a runner, before it is ready itself. */
static void look_whether_ready(struct parent *p)
{
    for (unsigned i = STAGE_CORE; i <= STAGE_LAST; i++) {
        if (parent_wants(p, i) && p->children[i].state != PROCESS_RUNNING)
            return;
    }
    p->ready = true;
    notify_send("READY=1");
    log_info(NULL, "running");
}

void parent_set_state(struct child *c, enum process_state state)
{
    struct parent *p = c->parent;

    c->state = state;
    child_tell_core(p, c);
    if (!p->ready && !p->stopping)
        look_whether_ready(p);
    tell_status(p);
}

/* Is the core heard of, or is it being started again? Else who watches us should know. */
static void on_watchdog(void *arg)
{
    struct parent *p = arg;
    const struct child *core = &p->children[STAGE_CORE];

    if (!core->pid || core->state == PROCESS_STARTING || core->silent_ms <= p->silence_ms / 2)
        notify_send("WATCHDOG=1");
    loop_timer_set(p->watchdog, notify_watchdog_ms());
}

static void look_for_upgrade(struct parent *p)
{
    const char *replaced = launch_replaced(&p->launch);

    if (replaced && !p->replaced_told)
        log_warning(NULL,
                    "%s was replaced: all goes on with what it was started with; restart "
                    "snmpalertd to run the new one",
                    replaced);
    p->replaced_told = replaced;
    tell_status(p);
}

static void on_tick(void *arg)
{
    struct parent *p = arg;
    const struct child *core = &p->children[STAGE_CORE];
    unsigned ms = stage_alive_ms();

    for (unsigned i = STAGE_CORE; i <= STAGE_LAST; i++)
        child_tick(&p->children[i], ms);
    look_for_upgrade(p);
    if (!p->ready && core->starts <= START_MOST &&
        (!core->starts || core->state == PROCESS_STARTING))
        notify_send("EXTEND_TIMEOUT_USEC=%lld", EXTEND_MS * 1000LL);
    loop_timer_set(p->tick, ms);
}

static void start_or_stop(struct parent *p, enum stage_id s)
{
    if (parent_wants(p, s))
        child_start(&p->children[s]);
    else
        child_unload(&p->children[s]);
}

void parent_want_agent(struct parent *p, bool wanted)
{
    p->agent_wanted = wanted;
    start_or_stop(p, STAGE_COMPILER);
    start_or_stop(p, STAGE_AGENT);
}

void parent_want_runner(struct parent *p, bool wanted)
{
    p->runner_wanted = wanted;
    start_or_stop(p, STAGE_RUNNER);
}

/* ---- stopping ---- */

static struct child *in_phase(struct parent *p, size_t i)
{
    enum stage_id s = i < 4 && p->phase < PHASES ? stop_phases[p->phase][i] : 0;

    return s ? &p->children[s] : NULL;
}

static bool phase_runs(struct parent *p)
{
    struct child *c;

    for (size_t i = 0; (c = in_phase(p, i)); i++) {
        if (c->pid)
            return true;
    }
    return false;
}

static void signal_phase(struct parent *p, int signo)
{
    struct child *c;

    for (size_t i = 0; (c = in_phase(p, i)); i++) {
        if (!c->pid)
            continue;
        if (signo == SIGKILL)
            log_warning(stage_name(c->stage), "does not end: killed");
        kill(c->pid, is_evaluator(c->stage) ? SIGKILL : signo);
    }
}

static void next_phase(struct parent *p)
{
    p->phase++;
    p->killed = false;
    parent_stop_goes_on(p);
}

void parent_stop_goes_on(struct parent *p)
{
    if (p->phase < PHASES && phase_runs(p))
        return;
    while (p->phase < PHASES && !phase_runs(p))
        p->phase++;
    if (p->phase == PHASES) {
        loop_stop(p->loop, p->status);
        return;
    }
    p->killed = false;
    signal_phase(p, SIGTERM);
    loop_timer_set(p->phase_end, phase_ms[p->phase]);
}

/* First they are killed; then, should even that not end them, nobody waits any longer. */
static void on_phase_end(void *arg)
{
    struct parent *p = arg;

    if (p->killed) {
        next_phase(p);
        return;
    }
    signal_phase(p, SIGKILL);
    p->killed = true;
    loop_timer_set(p->phase_end, KILLED_MS);
}

void parent_stop(struct parent *p, int status)
{
    if (p->stopping)
        return;
    p->stopping = true;
    p->status = status;
    notify_send("STOPPING=1");
    reload_stop(p->reload);
    p->phase = 0;
    signal_phase(p, SIGTERM);
    loop_timer_set(p->phase_end, phase_ms[p->phase]);
    parent_stop_goes_on(p);
}

/* ---- signals and reloads ---- */

static void on_stop_signal(void *arg, int signo)
{
    struct parent *p = arg;

    (void)signo;
    if (!p->stopping)
        log_info(NULL, "stopping");
    parent_stop(p, 0);
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
        parent_stop(p, status);
        return;
    }
    for (size_t i = 0; i < sizeof start_list / sizeof *start_list; i++)
        child_start(&p->children[start_list[i]]);
}

static void on_reloading(void *arg, bool busy)
{
    struct parent *p = arg;

    if (!p->ready)
        return;
    if (busy)
        notify_reloading();
    else
        notify_send("READY=1");
}

static void on_replaced(void *arg)
{
    struct parent *p = arg;

    loop_timer_set(p->children[STAGE_CORE].restart, 0);
}

/* ---- start ---- */

static int make_timers(struct parent *p)
{
    p->tick = loop_timer_new(p->loop, on_tick, p);
    p->watchdog = loop_timer_new(p->loop, on_watchdog, p);
    p->phase_end = loop_timer_new(p->loop, on_phase_end, p);
    p->relink = loop_timer_new(p->loop, link_all, p);
    if (!p->tick || !p->watchdog || !p->phase_end || !p->relink)
        return ERR_NOMEM;
    loop_timer_set(p->tick, stage_alive_ms());
    if (notify_watchdog_ms())
        loop_timer_set(p->watchdog, 0);
    return 0;
}

static int take_signals(struct parent *p)
{
    static const struct {
        int signo;
        void (*cb)(void *arg, int signo);
    } list[] = {{SIGHUP, on_hangup}, {SIGTERM, on_stop_signal}, {SIGINT, on_stop_signal}};
    int err = 0;

    for (size_t i = 0; i < sizeof list / sizeof *list && !err; i++)
        err = loop_signal(p->loop, list[i].signo, list[i].cb, p);
    return err;
}

static int prepare(struct parent *p, const struct parent_options *o)
{
    struct reload_options reload = {.launch = &p->launch,
                                    .file = o->config_file,
                                    .on_first = on_first,
                                    .on_busy = on_reloading,
                                    .on_replaced = on_replaced,
                                    .arg = p};
    int err = 0;

    p->silence_ms = stage_silence_ms();
    reload.loop = p->loop = loop_new();
    if (!p->loop)
        return ERR_NOMEM;
    p->reload = reload_new(&reload);
    if (!p->reload)
        return ERR_NOMEM;
    for (unsigned i = STAGE_CORE; i <= STAGE_LAST && !err; i++)
        err = child_init(&p->children[i], p, (enum stage_id)i);
    if (!err)
        err = make_timers(p);
    return err ? err : take_signals(p);
}

int parent_main(const struct parent_options *o)
{
    struct parent p = {.status = 1};
    int err;

    notify_open();
    launch_init(&p.launch, o);
    err = prepare(&p, o);
    if (err) {
        log_error(NULL, "cannot start: %s", err_name(err));
        return 1;
    }
    reload_first(p.reload);
    err = loop_run(p.loop);
    reload_free(p.reload);
    launch_release(&p.launch);
    loop_free(p.loop);
    notify_close();
    return err < 0 ? 1 : err;
}
