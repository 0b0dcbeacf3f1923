/* The parent's inside: parent.c has the lists of what starts and stops, the clocks and the signals;
 * child.c the life of one process; link.c who knows whom. */
#ifndef DAEMON_PARENT_H
#define DAEMON_PARENT_H

#include "base/loop.h"
#include "daemon/backoff.h"
#include "daemon/launch.h"
#include "daemon/reload.h"
#include "daemon/stage.h"

enum { LINKS = 4 };

struct parent;

struct child {
    struct parent *parent;
    enum stage_id stage;
    pid_t pid; /* 0: none */
    struct chan *chan;
    enum process_state state;
    uint32_t starts;
    char last_exit[64];
    int64_t started_mono;
    struct backoff backoff;
    struct loop_timer *restart, *kill;
    unsigned silent_ms; /* nothing was heard of it */
    bool unloaded;      /* it was told to end: nothing to tell, and it may be started at once */
    int fd, pidfd;      /* of an evaluator that its user has not got yet; else -1 */
    int stat;           /* its /proc/PID/stat, or -1 */
};

struct parent {
    struct launch launch;
    struct reload *reload;
    struct loop *loop;
    struct child children[STAGE_LAST + 1];
    bool linked[LINKS];
    struct loop_timer *relink;
    bool link_told;
    struct loop_timer *tick, *watchdog, *phase_end;
    unsigned silence_ms; /* who is silent longer is replaced */
    bool ready;          /* all have been ready */
    /* The core has said so. */
    bool agent_wanted, runner_wanted;
    char status_text[256];
    bool replaced_told;
    /* The store may be damaged: the next core verifies it; it does so now; it did, then. */
    bool suspect, verifying;
    int64_t verified_mono;
    bool stopping, killed;
    unsigned phase;
    int status;
};

bool is_evaluator(enum stage_id s);
/* Its state is told to the core, and to the service manager. */
void parent_set_state(struct child *c, enum process_state state);
/* Stops all in order; the first STATUS stays. */
void parent_stop(struct parent *p, int status);
/* Shall it run? The agent with its compiler, and the runner, only when the core has said so. */
bool parent_wants(const struct parent *p, enum stage_id s);
/* Starts or stops those. */
void parent_want_agent(struct parent *p, bool wanted);
void parent_want_runner(struct parent *p, bool wanted);
/* One of those that parent_stop() waits for has ended. */
void parent_stop_goes_on(struct parent *p);

/* child.c */
int child_init(struct child *c, struct parent *p, enum stage_id s);
/* As the callback of its timer. Nothing if it runs, is not wanted, or if all stop. */
void child_start(void *arg);
/* Ends it; when it has ended it is started again if it is wanted then. */
void child_unload(struct child *c);
/* What is due every STAGE_ALIVE_MS, or MS. */
void child_tick(struct child *c, unsigned ms);
/* The core of what is told about S to it. */
void child_tell_core(struct parent *p, const struct child *c);

/* link.c: links whatever runs and is not linked; what fails is tried again. */
void link_all(void *parent);
/* It ended, or its link did: what it was linked with is to be linked anew. */
void link_lost(struct parent *p, enum stage_id s);

#endif
