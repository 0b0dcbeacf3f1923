/* The core's own parts; nobody else includes this. The core alone decides: what is evaluated when,
 * what a verdict means, who is told. What one turn of its loop brings (changes of configuration,
 * verdicts, outcomes, notices that are due) is one durable transaction. */
#ifndef DAEMON_CORE_H
#define DAEMON_CORE_H

#include "alerts/checks.h"
#include "alerts/instance.h"
#include "alerts/topics.h"
#include "config/config.h"
#include "config/leads.h"
#include "daemon/stage.h"
#include "dispatch/dispatch.h"
#include "eval/client.h"
#include "poll/poll.h"
#include "store/store.h"

enum {
    CORE_JOBS_MAX = 1024,        /* messages with the dispatcher at a time */
    CORE_AGENT_EVENTS_MAX = 256, /* notices with the agent, which gives up all at once */
    CORE_RUNNER_JOBS_MAX = 1024, /* messages with the runner: one handler's are fewer (its queue) */
    CORE_JOB_BUCKETS = 1024,
    CORE_GRID_MS = 100,              /* intervals of definitions end on multiples */
    CORE_VERDICTS_KEPT = 1024,       /* room for so many is kept */
    CORE_DAMAGED_MOST = 3,           /* then it ends, for the store to be verified */
    CORE_CLAIM_MS = 5000,            /* how long a core waits for the one before to end */
    CORE_FLUSH_MS = 1000,            /* volatile cells are written at most so often */
    CORE_LINKS = 4,                  /* agent, poller, dispatcher, runner */
    CORE_LINKLESS_TICKS = 3,         /* then the parent is asked for another */
    CORE_SCRUB_ROWS = 1000,          /* that are looked at for damage, each second */
    CORE_MATCHES_MAX = 256,          /* targets' scripts that are asked at a time */
    CORE_UNREADY_MS = 5 * 60 * 1000, /* a row that is never activated goes (RFC 2579) */
};

/* The evaluator's id of the condition of a trial; definitions count from 1. */
#define CORE_TRIAL_CONDITION UINT32_MAX

/* A definition in force. */
struct core_def {
    struct definition d;
    uint32_t condition; /* the evaluator's id */
    struct loop_timer *timer;
    struct core *core;
    int64_t next_mono;    /* by its interval */
    int64_t due_mono;     /* by a hold, 0 */
    int64_t stale_mono;   /* when a topic that it read would be stale, 0 */
    uint32_t evaluations; /* since the last flush, as what they cost */
    uint64_t cost_us;
    char value[256], error[256];
    bool dirty, changing; /* changing: a verdict of this turn is to be applied */
    struct core_def *next_dirty;
};

/* An evaluation that came back and is not yet judged. */
struct core_verdict {
    uint32_t condition;
    struct verdict v;
    bool stale;       /* a topic that it read is older than it may be: that is no data */
    bool missed;      /* it looked for a topic that is not there */
    int64_t stale_ms; /* how long no data may last (policy keepLast) */
};

struct core_source {
    const struct config_source *config;
    char (*readers)[33];
    size_t nreaders;
    uint32_t *reader_ids; /* of owners, for the evaluator; the same order */
    struct poll_status status;
    uint32_t samples, failures;
    bool dirty;
    bool enabled;
    bool follow, poll_now; /* a SET touched it, or asked for a poll: core_parts_follow() */
};

struct core_handler {
    const struct config_handler *config;
    struct values values; /* in force: the file's, with what managers set laid over */
    bool enabled;
    bool follow;                          /* as of a source */
    uint32_t now, shown;                  /* notices in flight; as saHandlerQueue shows them */
    uint32_t delivered, failed, in_doubt; /* by the outcomes that are being applied ... */
    const struct outcome *last;           /* ... of which this is the last; NULL: none */
};

struct core_match; /* daemon/core_match.c */

struct core_touched { /* what is to be done after a commit: definitions to be looked at again ... */
    struct core_name {
        char owner[33], name[33];
    } * items;
    size_t n, cap;
    bool all;                       /* a script changed: every one */
    struct notice_ref *called_back; /* notices with the dispatcher that a manager cancelled */
    size_t ncalled_back, cap_called_back;
    uint64_t reload; /* the change by which a manager asked for a reload, 0 */
};

/* What a file names, to be found: owners (whose owner is ""), sources or handlers. */
struct core_names {
    struct core_name_ref {
        const char *owner, *name; /* of the file */
        uint32_t at;              /* position in the file, from 0 */
    } * items;                    /* sorted */
    size_t n;
};

/* Who delivers; also the ways of alerts/notice.h, hence of what is on disk. */
enum core_way { WAY_NONE, WAY_DISPATCHER, WAY_AGENT, WAY_RUNNER, WAY_END };

/* One attempt to hand a message on to several handlers: a job for each. It is with its jobs, and
 * goes with the last; what has been answered is in the rows (alerts/recipient.h). */
struct core_round {
    uint32_t handler;   /* that of the target, which hands on; 0: it has gone */
    size_t njobs;       /* without those whose outcomes are committed */
    size_t answered;    /* of these, by the outcomes that are being applied */
    bool again, done;   /* somebody is to be tried again; needs not */
    uint32_t pause_ms;  /* the longest that any of them asks for */
    struct outcome sum; /* what it comes to, for the row of the handler */
};

struct core_job { /* one message that is with who delivers it */
    char uuid[UUID_TEXT_LEN + 1];
    uint64_t id;
    struct notice_ref *refs;
    size_t nrefs;
    uint32_t handler;
    enum core_way way;
    bool one_event;           /* is made of all notices (daemon/core_aggregate.c) */
    struct core_round *round; /* NULL: nobody else gets it */
    struct leads_end to;      /* with a round: the handler that this one is for */
    bool answered;            /* as in the round */
    struct core_job *next;
};

struct core {
    struct stage_context *stage;
    struct loop *loop;
    struct config *config;
    struct store *store;
    struct checks checks;
    bool started;
    int64_t wall_offset_ms; /* of the wall clock to the boot clock, as of the last turn */
    bool stalled;           /* the store refused: wait for the next tick */
    unsigned damaged;       /* turns in a row that found it so */
    unsigned ticks;
    struct chan *agent, *poller, *dispatcher, *runner;
    bool agent_has_master;         /* by which it could deliver */
    unsigned linkless[CORE_LINKS]; /* ticks without */
    struct loop_timer *tick, *due;

    struct eval_client *eval;
    bool eval_wanted;       /* the end of this turn flushes it */
    struct core_def **defs; /* by condition id - 1; NULL: free */
    size_t ndefs, cap_defs;
    uint32_t *def_map; /* open-addressed by hash of owner and name; value: condition id, 0: free */
    size_t map_cap, map_used;
    struct core_def *dirty_defs;
    struct core_verdict *verdicts;
    size_t nverdicts, cap_verdicts;
    size_t *to_apply; /* of verdicts: those that change something durable */

    struct core_match *matches; /* CORE_MATCHES_MAX; NULL: none yet */
    size_t nmatches, nmatched;  /* of these, asked; answered, and not committed yet */
    uint32_t last_match;        /* the last notice that was asked about, or 0 */
    bool match_wanted;          /* there may be another one */

    struct topics *topics;
    /* Ids are never given again while a core lives: what is on its way, from a poll or to a
     * handler, names what it was meant for. */
    char (*owners)[33]; /* by id - 1, those that are gone too: one that comes back is the same */
    size_t nowners, cap_owners;
    struct core_source **sources; /* by id - 1; NULL: gone */
    size_t nsources;
    struct core_handler **handlers; /* likewise */
    size_t nhandlers;
    bool parts_follow;     /* some source or handler has `follow` or `poll_now` */
    uint64_t reload_asked; /* the last change that asked for a reload, as the parent was told */
    bool flush_needed;
    int64_t next_flush_mono;

    struct outcome *outcomes;
    size_t noutcomes, cap_outcomes;
    struct core_job *jobs[CORE_JOB_BUCKETS]; /* by id */
    size_t in_flight[WAY_END];               /* of these, core_weight() of each */
    uint64_t next_job;
    unsigned claim_room;     /* core_room(), while notices are claimed */
    bool claim_hands_on;     /* what core_round_way() found of the last that it was asked for */
    bool unsort_wanted;      /* handlers or targets changed: notice_unsort() with the next claim */
    struct notice_ref *lost; /* of a process that died: due again */
    size_t nlost, cap_lost;

    struct core_check *trials; /* validations and tests that run */
    size_t ntrials;
    bool trials_recovered; /* what the core before had under way was given up */

    struct dispatch_engine engine;

    struct core_retention *retention;
    struct core_trials *tryouts; /* saTrialTable; NULL: not loaded */
    struct core_door *door; /* NULL: none yet */

    struct stage_process processes[STAGE_LAST + 1];
    int stats[STAGE_LAST + 1];               /* /proc/PID/stat of each; 0: not known */
    uint32_t transitions, delivered, failed; /* since the last flush */
    struct eval_stats flushed;               /* what the counters had at the last flush */
};

/* core_config.c: what the file says, into the store, in one transaction: all of it or, with file
 * and line, nothing. */
int core_config_apply(struct core *c, const struct config *f, struct err *e);
/* The rows of a handler's properties: what is in force, and what the file says. Those of its test's
 * options, which follow what is in force. */
int core_properties_put(struct txn *t, const struct config_handler *h);

/* core_names.c. ERR_NOMEM; find: its position in the file plus one, 0: it is not there. */
int core_names_of_owners(struct core_names *ret, const struct config *f);
int core_names_of_sources(struct core_names *ret, const struct config *f);
int core_names_of_handlers(struct core_names *ret, const struct config *f);
uint32_t core_names_find(const struct core_names *x, const char *owner, const char *name);
void core_names_release(struct core_names *x);
/* Ids of owners: that of NAME, which is given one; 0: out of memory. */
uint32_t core_owner_intern(struct core *c, const char *name);
uint32_t core_owner_id(const struct core *c, const char *name); /* 0: unknown */

/* core_parts.c: what a file makes of owners, sources and handlers in memory, made before and put
 * into force after the store has it. */
struct core_parts {
    struct core_source **sources;
    size_t nsources;
    struct core_handler **handlers;
    size_t nhandlers;
    size_t added, changed, gone; /* of both, after core_parts_install */
};
int core_parts_prepare(struct core *c, const struct config *f, struct core_parts *ret);
/* Takes what is in X; poller, dispatcher and evaluator are told. */
void core_parts_install(struct core *c, struct core_parts *x);
void core_parts_release(struct core_parts *x);
void core_parts_free(struct core *c);
/* A SET touched a row of SA_SOURCE, SA_HANDLER or SA_HANDLER_PROPERTY. mark: within the transaction
 * that consumes the change, with its effects on rows; follow: behind its commit, memory and the
 * stages. */
int core_parts_mark(struct core *c, struct txn *t, const struct change *ch, int64_t now_ms);
void core_parts_follow(struct core *c);
struct core_source *core_source_at(const struct core *c, uint32_t id);   /* NULL: unknown or gone */
struct core_handler *core_handler_at(const struct core *c, uint32_t id); /* likewise */
uint32_t core_handler_id(const struct core *c, const char *owner, const char *name);
uint32_t core_source_id(const struct core *c, const char *owner, const char *name); /* 0: none */
void core_poller_greet(struct core *c);                      /* a new poller: its sources */
void core_handlers_greet(struct core *c, enum core_way way); /* who is new there: its handlers */
/* The other end of WAY; NULL: nobody is there. */
struct chan *core_way_chan(const struct core *c, enum core_way way);
enum core_way core_way_of(const struct kind *k); /* WAY_NONE: the core hands on */
bool core_needs_runner(const struct config *f);  /* has it a handler that goes that way? */
/* Without override by managers: what the file says of all properties. */
int core_properties_revert(struct txn *t, const char *owner, const char *name);

/* core_reload.c. F is taken over: in force, or freed when it is refused and nothing has changed. */
int core_reload(struct core *c, struct config *f, struct err *e);
int core_on_config(void *arg, const struct stage_config *s, int fd); /* PARENT_CONFIG */

/* core.c */
void core_agent_greet(struct core *c); /* where its store and its master are, what it serves */
/* Tell the parent whether there shall be an agent process; a runner. */
void core_agent_want(struct core *c);
void core_runner_want(struct core *c);

/* core_eval.c: definitions, topics, verdicts. */
int core_defs_load(struct core *c);
void core_defs_free(struct core *c);
int core_defs_reload(struct core *c, const struct core_touched *x);
int core_poller_frame(void *arg, uint16_t type, const uint8_t *payload, size_t len, const int *fds,
                      int nfds);
void core_on_verdict(void *arg, uint32_t condition, const struct verdict *v);
/* Which verdicts change something durable: to_apply, their number returned. */
size_t core_verdicts_look(struct core *c, struct txn *t, const struct judge_now *now);
int core_verdicts_apply(struct core *c, struct txn *t, size_t n, const struct judge_now *now);
void core_verdicts_clear(struct core *c);
/* How old is what it read? Sets `stale` and `stale_ms`, by the settings of D. */
void core_verdict_age(struct core *c, struct core_verdict *cv, const struct definition *d);
/* The verdict as it is judged; its texts are those of CV. */
struct instance_verdict core_verdict_judged(const struct core_verdict *cv);
/* Volatile cells of definitions and sources. */
int core_flush_defs(struct core *c, struct txn *t);
int core_flush_sources(struct core *c, struct txn *t);

/* core_match.c: targets' scripts that say which notices they get, run beside the conditions.
 * follow: behind a commit, asks about notices that wait. verdict: of one of the conditions that
 * is_match; apply: the answers, in the transaction; clear: that is committed. */
bool core_is_match(uint32_t condition);
void core_match_follow(struct core *c);
void core_match_verdict(struct core *c, uint32_t condition, const struct verdict *v);
int core_match_apply(struct core *c, struct txn *t, int64_t now_ms);
void core_match_clear(struct core *c);
void core_match_free(struct core *c);

/* core_notice.c: handing out and taking back. */
int64_t core_digest_ms(void *arg, struct txn *t, const struct row *target);
void core_way_lost(struct core *c, enum core_way way); /* what it had is due again */
int core_dispatcher_frame(void *arg, uint16_t type, const uint8_t *payload, size_t len,
                          const int *fds, int nfds);
int core_runner_frame(void *arg, uint16_t type, const uint8_t *payload, size_t len, const int *fds,
                      int nfds);
int core_agent_frame(void *arg, uint16_t type, const uint8_t *payload, size_t len, const int *fds,
                     int nfds);
size_t core_weight(const struct core_job *j); /* messages, or notices, as its way counts them */
/* 1 << way of each that takes more. */
unsigned core_room(const struct core *c);
int core_flush_handlers(struct core *c, struct txn *t); /* volatile: how much is in flight */
int core_outcomes_apply(struct core *c, struct txn *t, int64_t now_ms);
void core_outcomes_clear(struct core *c);
/* Claims what is due and may go, into jobs that core_jobs_send() sends after the commit. */
int core_claim(struct core *c, struct txn *t, int64_t now_ms, struct core_job **ret_new);
void core_jobs_send(struct core *c, struct core_job *new_jobs);
void core_jobs_free(struct core_job *j);
/* Asks who delivers for messages all of whose notices have been called back, REFS among them. */
void core_jobs_call_back(struct core *c, const struct notice_ref *refs, size_t n);

/* For others who make jobs: ids that no job of this or an earlier core has; the handler that a
 * target of OWNER calls NAME (NULL: none), and its id; a target's overrides, into RET, which names
 * it. */
uint64_t core_next_job(struct core *c);
const struct config_handler *core_handler_of(struct core *c, const char *owner, const char *name,
                                             uint32_t *ret_id);
int core_fill_overrides(struct txn *t, const struct kind *kind, struct job *ret);
const char *core_way_name(enum core_way way); /* "dispatcher" */

/* core_check.c: saHandlerValidate, saHandlerTest, saTargetValidate. mark: within the transaction
 * that consumes the change; send: behind its commit, and behind core_parts_follow(), so that what
 * the same SET made of a handler counts. */
int core_checks_mark(struct core *c, struct txn *t, const struct change *ch, int64_t now_ms);
void core_checks_send(struct core *c);
/* What comes of them: outcomes of tests (ERR_NOTFOUND: of no test), DISPATCH_CHECKED, and nothing,
 * when who delivers is lost, or when time is up (each tick). ERR_PROTOCOL: of another's. */
int core_checks_outcome(struct core *c, enum core_way from, const struct outcome *o);
int core_checks_checked(struct core *c, enum core_way from, const uint8_t *payload, size_t len);
void core_checks_lost(struct core *c, enum core_way way);
void core_checks_tick(struct core *c);
/* Is there something to write? Recover: once, what an earlier core left, after the changes that
 * wait were applied. Clear: what was applied has been committed. */
bool core_checks_wait(const struct core *c);
int core_checks_recover(struct core *c, struct txn *t, int64_t now_ms);
int core_checks_apply(struct core *c, struct txn *t, int64_t now_ms);
void core_checks_clear(struct core *c);
void core_checks_free(struct core *c);

/* core_trial.c: saTrialTable. Trials are evaluated one at a time, beside the definitions. load: at
 * the start, which also finds those that an earlier core did not answer; each of the others does
 * nothing before. mark: within the transaction that consumes the change; next: behind its commit,
 * the one whose turn it is. */
int core_trials_load(struct core *c);
void core_trials_free(struct core *c);
int core_trials_mark(struct core *c, struct txn *t, const struct change *ch, int64_t now_ms);
void core_trials_next(struct core *c);
void core_trials_verdict(struct core *c, const struct verdict *v); /* of CORE_TRIAL_CONDITION */
/* Is there a result to write? Clear: what was applied has been committed. */
bool core_trials_wait(const struct core *c);
int core_trials_apply(struct core *c, struct txn *t, int64_t now_ms);
void core_trials_clear(struct core *c);

/* Of the handler that a notice was made for; when that is gone, of the one that its target has. */
const struct config_handler *core_handler_for(struct core *c, const char *target_owner,
                                              const char *made_for, const struct row *target,
                                              uint32_t *ret_id);
struct core_job *core_job_new(struct core *c, const struct notice_ref *refs, size_t n);
int core_event_fill(struct txn *t, const struct notice_ref *ref, const struct row *notice,
                    struct job_event *ret);
void core_outcome_count(struct core *c, uint32_t handler, const struct outcome *o, size_t n);
/* A job that nobody will answer is answered. */
int core_job_answer(struct core *c, const struct core_job *j, enum outcome_result result,
                    const char *why);

/* core_round.c: handlers that hand on to others. */
/* The way that NOTICE, whose handler is for others to tell, waits for; WAY_NONE: its handler
 * delivers itself. */
enum core_way core_round_way(struct core *c, struct txn *t, const struct row *notice,
                             const struct row *target);
/* How much of what is to be told becomes one event (struct notice_ways). */
size_t core_aggregates(void *arg, const struct row *notice, const struct row *target);
/* J, which has been claimed and is handed on, becomes a job for each handler that gets it, behind
 * one another. */
int core_round_begin(struct core *c, struct txn *t, struct core_job *j);
/* An outcome of a job with a round. begin: for each in a turn, before the first is applied. */
void core_round_outcomes_begin(struct core_job *j);
int core_round_outcome(struct core *c, struct txn *t, struct core_job *j, const struct outcome *o,
                       int64_t now_ms);
void core_round_leave(struct core_job *j); /* J goes */
/* Do the handlers in force lead where they should? After a manager took something back: what leads
 * nowhere, or round, is taken back as well. */
int core_leads_mend(struct core *c, struct txn *t);
/* The handlers of a file as managers made them, in T; ERR_INVALID with words. */
int core_leads_check(struct txn *t, const struct config *f, struct err *e);

/* core_aggregate.c: one event of the notices of CJ; RET_NOTICE, whose key is in RET_KEY, is the row
 * that it is most about. ERR_NOTFOUND, ERR_NOMEM. */
int core_aggregate(struct core *c, struct txn *t, const struct core_job *cj, struct job *j,
                   struct job_event *ret, struct row *ret_notice, struct key *ret_key);
/* How long what TARGET is told is gathered for that; 0: it is not. */
int64_t core_gathers_ms(struct core *c, struct txn *t, const struct route_target *target);

/* core_retention.c: purges history and finished notices in the background. */
int core_retention_start(struct core *c);
void core_retention_stop(struct core *c); /* also when it was not started */

/* core_door.c: commands to raise alerts that come by the local door. apply: in the turn's
 * transaction; answer: behind its commit. close: also when it was not opened. */
int core_door_open(struct core *c);
bool core_door_waits(const struct core *c);
int core_door_apply(struct core *c, struct txn *t, const struct judge_now *now);
void core_door_answer(struct core *c);
void core_door_close(struct core *c);

/* core_clock.c: the wall clock is set. At each turn, before it does anything by the wall clock. */
void core_clock_start(struct core *c);
int core_clock_follow(struct core *c, const struct judge_now *now);

/* core_engine.c: which SNMP engine this is. resume: once for each core, in the transaction that
 * makes it ready; boots are those of T then. greet: a new dispatcher. */
int core_engine_resume(struct core *c, struct txn *t);
void core_engine_greet(struct core *c);

/* core_process.c: what the parent says of a process; its CPU and memory, from /proc. */
void core_on_process(void *arg, const struct stage_process *p, int stat);
void core_process_usage(struct edit *d, int stat);

/* core_changes.c: the changes ring. What SETs touched is taken in with its effects: indexes, closed
 * instances, notices of definitions, tests of targets, validations, acknowledgements, what is to be
 * done with notices. */
bool core_changes_waiting(struct txn *t);
int core_changes_apply(struct core *c, struct txn *t, const struct judge_now *now,
                       struct core_touched *ret);
void core_touched_release(struct core_touched *x);

#endif
