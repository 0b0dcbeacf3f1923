#include "daemon/core.h"

#include <grp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "alerts/acknowledge.h"
#include "alerts/alarms.h"
#include "alerts/checks.h"
#include "alerts/computed.h"
#include "alerts/raise.h"
#include "base/clock.h"
#include "base/log.h"
#include "daemon/confile.h"
#include "daemon/kinds.h"
#include "daemon/repair.h"

/* ---- one turn: one durable transaction, if there is anything durable to do ---- */

static bool work_waits(struct core *c, struct txn *t, const struct judge_now *now,
                       size_t *ret_apply)
{
    int64_t due = notice_next_due(t, core_room(c)), ack = ack_next_due(t), raise;

    raise = raise_next_due(t);
    *ret_apply = core_verdicts_look(c, t, now);
    return *ret_apply || c->nmatched || c->noutcomes || c->nlost || c->unsort_wanted ||
           core_changes_waiting(t) || core_checks_wait(c) || core_trials_wait(c) ||
           core_door_waits(c) || (ack && ack <= now->wall_ms) || (due && due <= now->wall_ms) ||
           (raise && raise <= now->wall_ms);
}

static void reload_touched(struct core *c, const struct core_touched *x)
{
    int err = core_defs_reload(c, x);

    if (err)
        log_error(NULL, "definitions cannot be read again: %s", err_name(err));
    if (x->n || x->all)
        eval_client_flush(c->eval);
}

/* Told before the change is consumed: a core that is killed in between lets the next one tell. */
static void ask_for_reload(struct core *c, const struct core_touched *x)
{
    if (!x->reload || x->reload == c->reload_asked || !c->stage || !c->stage->parent)
        return;
    log_info("config", "a manager asks for a reload");
    if (!chan_send(c->stage->parent, STAGE_RELOAD_WANTED, NULL, 0))
        c->reload_asked = x->reload;
}

static int expire_raised(struct core *c, struct txn *t, const struct judge_now *now)
{
    unsigned moved;
    int err = raise_expire(t, now, core_digest_ms, c, &moved);

    c->transitions += moved;
    return err;
}

static int write_turn(struct core *c, size_t napply, const struct judge_now *now,
                      struct core_touched *touched, struct core_job **ret_jobs, struct err *e)
{
    struct txn *t = txn_begin(c->store, TXN_WRITE);
    int err;

    txn_allow_growth(t); /* the last tenth of the store is for alerts; SETs and files do without */
    err = core_changes_apply(c, t, now, touched);

    ask_for_reload(c, touched);
    if (!err)
        err = core_checks_recover(c, t, now->wall_ms);
    if (!err)
        err = core_checks_apply(c, t, now->wall_ms);
    if (!err)
        err = core_trials_apply(c, t, now->wall_ms);
    if (!err)
        err = ack_expire(t, now->wall_ms, core_digest_ms, c);
    if (!err)
        err = expire_raised(c, t, now);
    if (!err)
        err = core_door_apply(c, t, now);
    if (!err)
        err = core_outcomes_apply(c, t, now->wall_ms);
    if (!err)
        err = core_verdicts_apply(c, t, napply, now);
    if (!err)
        err = core_match_apply(c, t, now->wall_ms);
    if (!err)
        err = core_claim(c, t, now->wall_ms, ret_jobs);
    if (err)
        txn_fail(t, err);
    return txn_commit(t, e);
}

static int64_t earlier(int64_t a, int64_t b)
{
    return !a || (b && b < a) ? b : a;
}

/* A notice that is due, if it can be sent, the end of an acknowledgement, or what becomes of a
 * raised alert by time. */
static void arm_due(struct core *c)
{
    struct txn *t = txn_begin(c->store, TXN_READ);
    int64_t due = notice_next_due(t, core_room(c)), delay;

    due = earlier(earlier(due, ack_next_due(t)), raise_next_due(t));
    txn_abort(t);
    delay = due - clock_wall_ms();
    if (!due)
        loop_timer_cancel(c->due);
    else
        loop_timer_set(c->due, delay > 0 ? delay : 0);
}

static void core_turn(void *arg)
{
    struct core *c = arg;
    struct judge_now now = {clock_wall_ms(), clock_mono_ms()};
    struct core_touched touched = {.items = NULL};
    struct core_job *jobs = NULL;
    struct txn *t;
    size_t napply;
    bool work;
    struct err e;

    if (core_clock_follow(c, &now)) {
        c->stalled = true;
        return;
    }
    t = txn_begin(c->store, TXN_READ);
    work = work_waits(c, t, &now, &napply);
    txn_abort(t);
    if (work) {
        int err = write_turn(c, napply, &now, &touched, &jobs, &e);

        if (err) { /* everything is still here, and tried again at the next tick */
            log_error("store", "cannot commit: %s", e.text);
            core_jobs_free(jobs);
            core_touched_release(&touched);
            c->stalled = true;
            /* What it was about may be left out the next time; else the store is to be verified. */
            if (err == ERR_CORRUPT && ++c->damaged >= CORE_DAMAGED_MOST)
                loop_stop(c->loop, err);
            return;
        }
        c->damaged = 0;
        c->unsort_wanted = false;
        core_outcomes_clear(c);
        core_checks_clear(c);
        core_match_clear(c);
        core_trials_clear(c);
        core_parts_follow(c);
        core_checks_send(c);
        core_door_answer(c);
        core_jobs_send(c, jobs);
        core_jobs_call_back(c, touched.called_back, touched.ncalled_back);
        reload_touched(c, &touched);
        core_trials_next(c);
        arm_due(c);
        c->match_wanted = true;
    }
    core_match_follow(c);
    c->stalled = false;
    core_verdicts_clear(c);
    core_touched_release(&touched);
}

/* A store that refuses is asked once a second, not at every turn. */
static void turn_hook(void *arg)
{
    struct core *c = arg;

    if (c->eval_wanted)
        eval_client_flush(c->eval);
    c->eval_wanted = false;
    if (c->store && c->started && !c->stalled)
        core_turn(c);
}

/* ---- volatile cells, once a second ---- */

static int flush_system(struct core *c, struct txn *t)
{
    struct key k = key_of_scalars();
    struct eval_stats s;
    struct edit d;
    int err;

    eval_client_stats(c->eval, &s);
    edit_begin(&d, t, sa_table_by_id(SA_SYSTEM), &k);
    edit_int(&d, SYSTEM_ALIVE_MONO, clock_mono_ms());
    edit_add(&d, SYSTEM_EVALUATIONS, (int64_t)(s.evaluations - c->flushed.evaluations));
    edit_add(&d, SYSTEM_EVALUATIONS_SAVED, (int64_t)(s.saved - c->flushed.saved));
    edit_add(&d, SYSTEM_FAULTS, (int64_t)(s.faults - c->flushed.faults));
    edit_add(&d, SYSTEM_KILLS, (int64_t)(s.kills - c->flushed.kills));
    edit_add(&d, SYSTEM_TRANSITIONS, c->transitions);
    edit_add(&d, SYSTEM_NOTICES_DELIVERED, c->delivered);
    edit_add(&d, SYSTEM_NOTICES_FAILED, c->failed);
    err = row_put(&d, NULL);
    if (!err) {
        c->flushed = s;
        c->transitions = c->delivered = c->failed = 0;
    }
    return err;
}

static int flush_processes(struct core *c, struct txn *t)
{
    int err = 0;

    for (unsigned i = 1; i <= STAGE_LAST && !err; i++) {
        const struct stage_process *p = &c->processes[i];
        struct key k;
        struct edit d;

        if (!p->stage)
            continue;
        key_init(&k);
        key_u32(&k, i);
        edit_begin(&d, t, sa_table_by_id(SA_PROCESS), &k);
        edit_str(&d, PROCESS_NAME, stage_name(p->stage));
        edit_int(&d, PROCESS_PID, p->pid);
        edit_int(&d, PROCESS_STATE, p->state);
        edit_int(&d, PROCESS_STARTS, p->starts);
        edit_str(&d, PROCESS_LAST_EXIT, p->last_exit);
        core_process_usage(&d, c->stats[i]);
        err = row_put(&d, NULL);
    }
    return err;
}

static void flush(struct core *c)
{
    struct txn *t = txn_begin(c->store, TXN_WRITE_SAMPLES);
    struct err e;
    int err = flush_system(c, t);

    if (!err)
        err = flush_processes(c, t);
    if (!err)
        err = core_flush_defs(c, t);
    if (!err)
        err = core_flush_sources(c, t);
    if (!err)
        err = core_flush_handlers(c, t);
    if (!err)
        err = topics_flush(c->topics, t);
    if (err)
        txn_fail(t, err);
    err = txn_commit(t, &e);
    if (err)
        log_error("store", "cannot write samples: %s", e.text);
    topics_flushed(c->topics, !err);
}

/* A link that broke while its other end lives on: only the parent can make another one. */
static void look_for_links(struct core *c)
{
    const struct {
        uint8_t stage;
        const struct chan *link;
    } all[CORE_LINKS] = {
        {STAGE_AGENT, c->agent},
        {STAGE_POLLER, c->poller},
        {STAGE_DISPATCHER, c->dispatcher},
        {STAGE_RUNNER, c->runner},
    };

    for (size_t i = 0; i < CORE_LINKS; i++) {
        bool none = (all[i].stage == STAGE_AGENT && !c->config->agentx_enabled) ||
                    (all[i].stage == STAGE_RUNNER && !core_needs_runner(c->config));

        c->linkless[i] = all[i].link || none ? 0 : c->linkless[i] + 1;
        if (c->linkless[i] < CORE_LINKLESS_TICKS || !c->stage || !c->stage->parent)
            continue;
        c->linkless[i] = 0;
        chan_send(c->stage->parent, STAGE_LINK_LOST, &all[i].stage, 1);
    }
}

static void tick(void *arg)
{
    struct core *c = arg;

    loop_timer_set(c->tick, CORE_FLUSH_MS);
    flush(c);
    set_expire_unready(c->store, clock_wall_ms(), CORE_UNREADY_MS);
    store_scrub(c->store, CORE_SCRUB_ROWS);
    look_for_links(c);
    core_checks_tick(c);
    if (++c->ticks % 60 == 0)
        store_clear_readers(c->store);
    c->stalled = false; /* also the hint that was never given: look at everything */
}

/* ---- siblings ---- */

void core_agent_greet(struct core *c)
{
    struct buf b;

    buf_init(&b, 64 << 10);
    buf_str(&b, c->config->store_path);
    buf_u64(&b, c->config->store_map_bytes);
    buf_str(&b, c->config->agentx_address);
    buf_u8(&b, c->config->alarm_mib);
    buf_u8(&b, c->config->notification_log_mib);
    if (b.err || chan_send(c->agent, CORE_AGENT_CONFIG, b.data, b.len))
        log_error("agent", "cannot be given its configuration");
    buf_release(&b);
}

void core_agent_want(struct core *c)
{
    uint8_t wanted = c->config->agentx_enabled;

    if (c->stage && c->stage->parent && chan_send(c->stage->parent, STAGE_AGENT_WANTED, &wanted, 1))
        log_error("agent", "the parent cannot be told whether there shall be one");
}

void core_runner_want(struct core *c)
{
    uint8_t wanted = core_needs_runner(c->config);

    if (c->stage && c->stage->parent &&
        chan_send(c->stage->parent, STAGE_RUNNER_WANTED, &wanted, 1))
        log_error("runner", "the parent cannot be told whether there shall be one");
}

static void on_agent_close(void *arg, int code)
{
    struct core *c = arg;

    (void)code;
    chan_free(c->agent);
    c->agent = NULL;
    c->agent_has_master = false;
    core_way_lost(c, WAY_AGENT);
}

static void on_poller_close(void *arg, int code)
{
    struct core *c = arg;

    if (code != ERR_CLOSED)
        log_error("poller", "its channel is closed: %s", err_name(code));
    chan_free(c->poller);
    c->poller = NULL;
}

static void on_dispatcher_close(void *arg, int code)
{
    struct core *c = arg;

    if (code != ERR_CLOSED)
        log_error("dispatcher", "its channel is closed: %s", err_name(code));
    chan_free(c->dispatcher);
    c->dispatcher = NULL;
    core_way_lost(c, WAY_DISPATCHER);
}

static void on_runner_close(void *arg, int code)
{
    struct core *c = arg;

    if (code != ERR_CLOSED)
        log_error("runner", "its channel is closed: %s", err_name(code));
    chan_free(c->runner);
    c->runner = NULL;
    core_way_lost(c, WAY_RUNNER);
}

static struct chan *open_link(struct core *c, struct chan **link, int fd,
                              int (*on_frame)(void *, uint16_t, const uint8_t *, size_t,
                                              const int *, int),
                              void (*on_close)(void *, int))
{
    struct chan_options o = {.on_frame = on_frame, .on_close = on_close, .arg = c};

    if (*link)
        on_close(c, ERR_CLOSED);
    *link = chan_new(c->loop, fd, &o);
    if (!*link)
        close(fd);
    return *link;
}

static void on_link(void *arg, const struct stage_link *l, int fd, int pidfd)
{
    struct core *c = arg;

    if (l->peer == STAGE_EVALUATOR) {
        eval_client_detach(c->eval);
        if (eval_client_attach(c->eval, fd, pidfd, l->pid))
            log_error("evaluator", "cannot be attached");
        return;
    }
    if (pidfd >= 0)
        close(pidfd);
    if (l->peer == STAGE_AGENT) {
        if (open_link(c, &c->agent, fd, core_agent_frame, on_agent_close)) {
            core_agent_greet(c);
            core_handlers_greet(c, WAY_AGENT);
        }
    } else if (l->peer == STAGE_POLLER) {
        if (open_link(c, &c->poller, fd, core_poller_frame, on_poller_close))
            core_poller_greet(c);
    } else if (l->peer == STAGE_DISPATCHER) {
        if (open_link(c, &c->dispatcher, fd, core_dispatcher_frame, on_dispatcher_close)) {
            core_engine_greet(c);
            core_handlers_greet(c, WAY_DISPATCHER);
        }
    } else if (l->peer == STAGE_RUNNER) {
        if (open_link(c, &c->runner, fd, core_runner_frame, on_runner_close))
            core_handlers_greet(c, WAY_RUNNER);
    } else {
        close(fd);
    }
}

/* ---- the evaluator's callbacks ---- */

static void on_topic_error(void *arg, uint32_t topic, const char *text)
{
    (void)arg;
    log_warning("evaluator", "topic %u does not parse: %s", topic, text);
}

static void need_evaluator(void *arg)
{
    (void)arg; /* the parent reaps it and sends another */
}

static void on_kill(void *arg, uint32_t condition, const char *why)
{
    struct core *c = arg;
    const struct core_def *d = condition && condition <= c->ndefs ? c->defs[condition - 1] : NULL;

    log_error(d ? d->d.name : "evaluator", "owner=%s the evaluator was ended: %s",
              d ? d->d.owner : "-", why);
}

/* ---- start and stop ---- */

/* Something is due: the end of this turn does it. */
static void core_due(void *arg)
{
    (void)arg;
}

/* Holds that ran when the last core ended are frozen for the time that nobody looked. */
static int resume(struct core *c, struct err *e)
{
    struct txn *t = txn_begin(c->store, TXN_WRITE);
    struct key k = key_of_scalars();
    int64_t now = clock_mono_ms(), alive = 0;
    struct row r;
    int err;

    txn_allow_growth(t); /* notices that were under way go back to their queue */
    if (!row_get(t, sa_table_by_id(SA_SYSTEM), &k, &r))
        alive = row_int(&r, SYSTEM_ALIVE_MONO);
    err = instances_resume(t, alive, now);
    if (!err)
        err = notice_recover(t, clock_wall_ms());
    if (err >= 0)
        err = core_engine_resume(c, t);
    if (err < 0)
        txn_fail(t, err);
    return txn_commit(t, e);
}

static int load_topics(struct core *c, struct err *e)
{
    struct txn *t = txn_begin(c->store, TXN_WRITE_SAMPLES);
    int err = topics_load(c->topics, t);

    if (err)
        txn_fail(t, err);
    return txn_commit(t, e);
}

/* What the network stages must not read; they have the service's group. */
static void warn_of_access(const char *path, bool shared)
{
    struct stat st;

    if (!stat(path, &st) && (st.st_mode & (shared ? S_IRWXO : S_IRWXG | S_IRWXO)))
        log_warning("store", "%s is open to others (mode %03o): chmod 700 it", path,
                    (unsigned)st.st_mode & 07777);
}

/* <store group=> */
static int share_store(struct core *c, struct err *e)
{
    const char *name = c->config->store_group;
    const struct group *g;
    struct err why;
    int err;

    if (!name)
        return 0;
    if (!(g = getgrnam(name)))
        return err_set(e, ERR_NOTFOUND, "%s: there is no group '%s', which <store> names",
                       c->config->file, name);
    if (g->gr_gid == getegid())
        log_warning("store",
                    "the group %s, which may open it, is that of the network processes, too", name);
    err = store_share(c->store, g->gr_gid, &why);
    if (err)
        err_set(e, err, "%s%s%s", why.text,
                err == ERR_DENIED ? ": its user must be a member of " : "",
                err == ERR_DENIED ? name : "");
    return err;
}

static int open_store(struct core *c, struct err *e)
{
    struct store_options o = {.path = c->config->store_path,
                              .map_bytes = c->config->store_map_bytes,
                              .recover_samples = true};
    int64_t give_up = clock_mono_ms() + CORE_CLAIM_MS;
    int err = c->stage->options->verify_store ? repair_store(&o, e) : 0;

    if (err)
        return err;
    /* Those whose parent was killed end by themselves, and let go of it in a moment. */
    while ((err = store_open(&c->store, &o, e)) == ERR_AGAIN && clock_mono_ms() < give_up)
        poll(NULL, 0, 20);
    if (err)
        return err;
    warn_of_access(o.path, c->config->store_group);
    repair_watch(c->store);
    if ((err = share_store(c, e)))
        return err;
    err = repair_derived(c->store, c->stage->options->verify_store, e);
    if (!err)
        err = alarms_prepare(c->store, e);
    if (!err)
        err = checks_register(c->store, &c->checks);
    return err ? err : computed_register(c->store, &daemon_kinds);
}

static int start_eval(struct core *c)
{
    struct eval_client_options o = {.loop = c->loop,
                                    .on_verdict = core_on_verdict,
                                    .on_topic_error = on_topic_error,
                                    .need_evaluator = need_evaluator,
                                    .on_kill = on_kill,
                                    .arg = c};

    c->eval = eval_client_new(&o);
    c->match_wanted = true; /* what the core before did not hear the answer of */
    c->topics = topics_new();
    c->tick = loop_timer_new(c->loop, tick, c);
    c->due = loop_timer_new(c->loop, core_due, c);
    return c->eval && c->topics && c->tick && c->due ? 0 : ERR_NOMEM;
}

/* Sources and handlers of the file: nobody is there yet to be told. */
static int start_parts(struct core *c)
{
    struct core_parts parts;
    int err = core_parts_prepare(c, c->config, &parts);

    if (err)
        return err;
    core_parts_install(c, &parts);
    core_parts_release(&parts);
    return 0;
}

static int core_start(struct core *c, struct err *e)
{
    int err = start_eval(c);

    if (!err)
        err = open_store(c, e);
    if (!err)
        err = core_config_apply(c, c->config, e);
    if (!err)
        err = start_parts(c);
    if (!err)
        err = resume(c, e);
    if (!err)
        err = load_topics(c, e);
    if (!err)
        err = core_defs_load(c);
    if (!err)
        err = core_trials_load(c);
    if (!err)
        err = core_retention_start(c);
    if (!err)
        err = core_door_open(c);
    core_clock_start(c);
    if (!err)
        err = loop_turn_hook(c->loop, turn_hook, c);
    if (err && !e->text[0])
        err_set(e, err, "cannot start: %s", err_name(err));
    return err;
}

static void core_stop(struct core *c)
{
    if (c->started) {
        flush(c);
        store_mark_clean(c->store);
    }
    core_door_close(c);
    chan_free(c->dispatcher);
    chan_free(c->runner);
    chan_free(c->poller);
    chan_free(c->agent);
    for (size_t i = 0; i < CORE_JOB_BUCKETS; i++)
        core_jobs_free(c->jobs[i]);
    core_outcomes_clear(c);
    core_checks_free(c);
    core_trials_free(c);
    if (c->eval)
        core_defs_free(c);
    core_retention_stop(c);
    loop_timer_del(c->due);
    loop_timer_del(c->tick);
    core_match_free(c);
    topics_free(c->topics);
    eval_client_free(c->eval);
    core_parts_free(c);
    store_close(c->store);
    free(c->verdicts);
    free(c->to_apply);
    free(c->outcomes);
    free(c->lost);
    config_free(c->config);
}

/* Of a core that did not start. */
static int exit_status(int err)
{
    if (err == ERR_CORRUPT)
        return EXIT_CORRUPT;
    return err == ERR_INVALID || err == ERR_SYNTAX || err == ERR_NOTFOUND || err == ERR_RANGE
               ? EXIT_CONFIG
               : 1;
}

int core_main(struct stage_context *s)
{
    struct core c = {.stage = s, .loop = s->loop, .checks = {.kinds = &daemon_kinds}};
    struct err e = {.text = ""};
    int err = confile_parse(&c.config, s->config.file, s->config_fd, &daemon_kinds, &e);

    if (!err) {
        core_agent_want(&c);
        core_runner_want(&c);
        err = core_start(&c, &e);
    }
    if (err) {
        log_error("config", "%s", e.text);
        core_stop(&c);
        return exit_status(err);
    }
    c.started = true;
    s->arg = &c;
    s->on_link = on_link;
    s->on_config = core_on_config;
    s->on_process = core_on_process;
    loop_timer_set(c.tick, 0);
    stage_ready(s);
    err = loop_run(s->loop);
    core_stop(&c);
    return err == ERR_CORRUPT ? EXIT_CORRUPT : err < 0;
}
