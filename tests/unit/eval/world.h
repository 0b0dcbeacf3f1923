/* A client with a real evaluator, for the tests of eval/. */
#ifndef TESTS_EVAL_WORLD_H
#define TESTS_EVAL_WORLD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/loop.h"
#include "eval/client.h"

enum { WORLD_IDS = 12000, WORLD_DEADLINE_MS = 30000 };

struct world {
    struct loop *loop;
    struct eval_client *client;
    pid_t pid;        /* of the evaluator */
    long cpu_ms;      /* that the last one that was reaped had used */
    bool unconfined;  /* as the next evaluator is started */
    bool no_respawn;  /* leave it to the test */
    bool wants;       /* an evaluator is wanted and was not made */
    unsigned idle;    /* calls of on_idle */
    unsigned kills;   /* calls of on_kill ... */
    uint32_t culprit; /* ... and the last one's arguments */
    char why[256];
    unsigned topic_errors;
    uint32_t bad_topic;
    char topic_error[256];
    struct {
        unsigned n; /* verdicts so far */
        struct verdict last;
    } * verdicts;                                     /* by condition id */
    void (*on_verdict)(struct world *w, uint32_t id); /* may be NULL */
};

/* cmocka setup and teardown; the world is *state. */
int world_setup(void **state);
int world_teardown(void **state);

const char *world_evaluator(void); /* the program's path */
void world_spawn(struct world *w);
void world_topic(struct world *w, uint32_t id, const char *name, const char *json);
void world_define(struct world *w, uint32_t id, const char *text); /* owner 1 */
/* Flush, and turn the loop until everything is answered. */
void world_run(struct world *w);
/* Turn the loop until *WHAT is at least N. */
void world_until(struct world *w, const unsigned *what, unsigned n);
/* Define condition 1 as TEXT, run it, and give its verdict. */
const struct verdict *world_eval(struct world *w, const char *text);
/* A figure of the evaluator's /proc/PID/status: kB, for memory ("VmRSS:"). */
long world_status(const struct world *w, const char *key);

#endif
