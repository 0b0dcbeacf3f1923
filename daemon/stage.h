/* The processes, and how each gets to know its siblings. The parent makes every process (fork and
 * exec of the same program with --stage=NAME, but for the two evaluators, which are
 * snmpalertd-evaluator), and, for each link between two that run, a socket pair whose ends it
 * passes to both. A stage talks with its parent on descriptor 3. */
#ifndef DAEMON_STAGE_H
#define DAEMON_STAGE_H

#include <sys/types.h>

#include "base/frame.h"

enum stage_id {
    STAGE_CORE = 1,
    STAGE_AGENT,
    STAGE_POLLER,
    STAGE_DISPATCHER,
    STAGE_EVALUATOR, /* the core's */
    STAGE_COMPILER,  /* the agent's: compile checks only */
    STAGE_RUNNER,    /* programs and files of handlers; only where there is such a handler */
    STAGE_LAST = STAGE_RUNNER,
    STAGE_CHECKER, /* tries one configuration and ends; neither restarted nor in saProcessTable */
};

/* saProcessState */
enum process_state { PROCESS_STARTING = 1, PROCESS_RUNNING, PROCESS_STOPPED, PROCESS_FAILED };

enum {
    STAGE_PARENT_FD = 3,
    STAGE_ALIVE_MS = 2000,
    STAGE_SILENCE_MS = 60 * 1000, /* a stage that is silent longer is killed and started again */
    EXIT_CONFIG = 78,             /* EX_CONFIG: the configuration is refused */
    EXIT_USER = 67,               /* EX_NOUSER: the user that it should become is missing */
    EXIT_BUILD = 75,   /* EX_TEMPFAIL: the programs are of two builds; to be started again */
    EXIT_CORRUPT = 65, /* EX_DATAERR: the store is damaged; the next core verifies and repairs it */
};

const char *stage_name(enum stage_id s);       /* "core"; as in --stage= and saProcessName */
enum stage_id stage_by_name(const char *name); /* 0: unknown */

/* Frames on a stage's descriptor 3. */
enum {
    /* parent → stage */
    PARENT_LINK = 1,    /* struct stage_link; descriptors: socket, and a pidfd for evaluators */
    PARENT_PROCESS = 2, /* struct stage_process, to the core: for saProcessTable; a descriptor if
                         * there is one: its /proc/PID/stat */
    /* To the core: struct stage_config; a descriptor if accepted: a sealed memfd with the file's
     * text (daemon/confile.h). The first frame that a core gets has the configuration in force
     * (accepted before, whatever the file holds by now; with the error of one that was refused
     * since, for those who read it there); later ones are reloads, which it answers
     * with STAGE_RELOADED. To a checker: the first frame, what it is to check. */
    PARENT_CONFIG = 3,
    /* stage → parent */
    STAGE_HELLO = 16, /* u8 stage, str build id: first of all; a descriptor: its /proc/self/stat */
    STAGE_READY = 17, /* empty: it does its work now */
    /* core: a manager set saConfigReload; as SIGHUP */
    STAGE_RELOAD_WANTED = 18,
    /* core: u8 accepted (1) or refused (0), str why. The parent keeps the text for the next core,
     * or forgets it. */
    STAGE_RELOADED = 19,
    /* checker (a process that tries a configuration for the parent, then ends): the same */
    STAGE_CHECKED = 20,
    STAGE_ALIVE = 21, /* empty: its loop turns; at least every STAGE_ALIVE_MS */
    /* core: u8 stage: there has been no link to it for some time. It broke (for want of memory,
     * say) while both went on; nobody else would notice. */
    STAGE_LINK_LOST = 22,
    /* core: u8 whether there shall be an agent process, and its compiler (<agentx enabled=>): when
     * it knows its configuration, and when a reload changes that. */
    STAGE_AGENT_WANTED = 23,
    STAGE_RUNNER_WANTED = 24, /* the same of the runner */
};

/* A reload: SIGHUP or STAGE_RELOAD_WANTED → the parent copies the file into a memfd and has it
 * checked by a process of its own (syntax, rows, JavaScript) → PARENT_CONFIG, accepted or not, to
 * the core, which checks it against what is in the store, swaps and answers. */
struct stage_config {
    bool accepted;
    char file[4096];  /* its name, for messages */
    char error[1024]; /* why the checker refused it, "" */
};
void stage_config_write(const struct stage_config *c, struct buf *b);
int stage_config_read(struct stage_config *ret, struct rd *r);

struct stage_link {
    enum stage_id peer;
    pid_t pid;
};
void stage_link_write(const struct stage_link *l, struct buf *b);
int stage_link_read(struct stage_link *ret, struct rd *r);

struct stage_process {
    enum stage_id stage;
    enum process_state state;
    pid_t pid;
    uint32_t starts;
    char last_exit[64]; /* "exit 0", "signal 9 (Killed)", "" */
};
void stage_process_write(const struct stage_process *p, struct buf *b);
int stage_process_read(struct stage_process *ret, struct rd *r);

/* Frames between core and agent (their own link), beside those of dispatch/dispatch.h. */
enum {
    CORE_AGENT_CONFIG = 64, /* core → agent: str store path, u64 map bytes, str AgentX address,
                             * u8 serve ALARM-MIB, u8 serve NOTIFICATION-LOG-MIB (0 or 1) */
    CORE_AGENT_SET = 80,    /* agent → core: a SET was committed, look at the changes ring */
    CORE_AGENT_MASTER = 81, /* agent → core: u8: is there a master agent (1) that takes notices? */
};

struct stage_options {
    const char *evaluator; /* of the checker */
    bool unconfined;       /* without a filter; so is the checker's evaluator */
    bool verify_store;     /* of the core: it may be damaged */
};

/* What stages have in common: the loop, the channel to the parent, SIGTERM ends the loop. */
struct stage_context {
    struct loop *loop;
    struct chan *parent;
    const struct stage_options *options;
    /* Of core and checker: the PARENT_CONFIG that came first, before the body was called, and its
     * text, which stage_main() closes. */
    struct stage_config config;
    int config_fd;
    struct loop_timer *alive;
    void *arg;
    /* A sibling's link; FD (and PIDFD, or -1) are the callee's. */
    void (*on_link)(void *arg, const struct stage_link *l, int fd, int pidfd);
    /* A reload: a later PARENT_CONFIG. FD (-1 unless accepted) is the callee's. */
    int (*on_config)(void *arg, const struct stage_config *c, int fd);
    /* Of the core: PARENT_PROCESS. FD (-1: none came) is the callee's. */
    void (*on_process)(void *arg, const struct stage_process *p, int fd);
    /* Other frames of the parent. */
    int (*on_frame)(void *arg, uint16_t type, const uint8_t *payload, size_t len);
};

/* Bodies of the stages: run until told to stop; return the process's exit status. */
int core_main(struct stage_context *c);
int agent_main(struct stage_context *c);
int poller_main(struct stage_context *c);
int dispatcher_main(struct stage_context *c);
int runner_main(struct stage_context *c);
int checker_main(struct stage_context *c);

/* STAGE_SILENCE_MS and STAGE_ALIVE_MS, or what $SNMPALERTD_SILENCE_MS makes of them (tests). */
unsigned stage_silence_ms(void);
unsigned stage_alive_ms(void);

/* Tells the parent that it does its work now. */
void stage_ready(struct stage_context *c);
/* STAGE_RELOADED or STAGE_CHECKED: accepted, or why not. */
void stage_answer(struct stage_context *c, uint16_t type, bool accepted, const char *why);
int stage_answer_read(struct rd *r, bool *ret_accepted, char *ret_why, size_t cap);

/* The parent: starts all, restarts what ends, stops all at SIGTERM or SIGINT, in the mirrored
 * order. Returns the exit status: 0; EXIT_CONFIG: the configuration was refused at the first start;
 * EXIT_BUILD; 1. */
struct parent_options {
    const char *exe; /* this program's path */
    const char *evaluator, *config_file;
    const char *log_level;
    bool unconfined;               /* no sandbox for the evaluators, no filters (valgrind) */
    const struct confine *confine; /* whom the stages run as */
};
int parent_main(const struct parent_options *o);
/* Entry of `snmpalertd --stage=NAME`. */
int stage_main(enum stage_id s, const struct stage_options *o);

#endif
