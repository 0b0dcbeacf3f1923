/* A program that is run and watched until nothing of it is left. Between us and it there is a
 * keeper (dispatch/keeper.h): a process of ours that inherits whatever the program leaves behind,
 * and ends it when the time is up or when we end. */
#ifndef DISPATCH_RUN_H
#define DISPATCH_RUN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/loop.h"

enum {
    RUN_OUTPUT_KEPT = 1024,    /* octets of its output, standard output and error together */
    RUN_OUTPUT_MOST = 1 << 20, /* then nobody reads on: it stands still until its time is up */
    RUN_GRACE_MS = 2000,       /* from SIGTERM to SIGKILL */
    RUN_STOP_MS = 500,         /* the same when we end */
};

struct run_options {         /* all must stay until run_start() has returned */
    const char *const *argv; /* argv[0]: an absolute path; ends with NULL */
    const char *const *envp;
    const void *input; /* its standard input; whether it reads it is its business */
    size_t len;
    int64_t timeout_ms;
};

enum run_end {
    RUN_EXITED = 1,  /* code: its exit status */
    RUN_SIGNALLED,   /* code: the signal, which was not ours */
    RUN_TIMED_OUT,   /* it was ended */
    RUN_NOT_STARTED, /* code: errno */
    RUN_LOST,        /* its keeper was killed */
};

struct run_result {
    enum run_end end;
    int code;
    bool flooded; /* it wrote RUN_OUTPUT_MOST, and then stood still */
    size_t len;   /* of the output, as it came */
    char output[RUN_OUTPUT_KEPT];
};

struct run_calls {
    /* How the program itself ended; once. What it has started may go on until the time is up. */
    void (*on_result)(void *arg, const struct run_result *r);
    /* Nothing is left, and the run is no more; once, after on_result. */
    void (*on_end)(void *arg);
    void *arg;
};

struct run;

/* For the process, once: it inherits what keepers that are killed leave, and ends it. It must have
 * no children but by this, or wait for them itself. */
void run_prepare(void);
/* CALLS is copied; called from the loop only. ERR_IO, ERR_NOMEM (no more processes). */
int run_start(struct run **ret, struct loop *l, const struct run_options *o,
              const struct run_calls *calls, struct err *e);
/* Ends all of it, soon; nothing is called any more. */
void run_stop(struct run *r);
/* Turns the loop until nothing is left of those that were stopped. */
void run_finish(struct loop *l);

#endif
