/* The evaluator that a stage asks whether a SET's JavaScript compiles: taken over when somebody has
 * started one, dropped when it does not answer in time, and missing until the next one comes. */
#ifndef EVAL_COMPILER_H
#define EVAL_COMPILER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

enum {
    COMPILER_DEADLINE_MS = 200,
    COMPILER_START_MS = 10 * 1000, /* it has so long to greet */
};

struct compiler {
    int fd, pidfd; /* eval_spawn()'s; -1: there is none */
    bool greeted;
    int64_t taken_mono;
};

void compiler_init(struct compiler *c);
/* FD and PIDFD are C's from here; the one before is dropped. */
void compiler_take(struct compiler *c, int fd, int pidfd);
/* Kills it; whose child it is reaps it. */
void compiler_drop(struct compiler *c);
bool compiler_there(const struct compiler *c);

/* As eval_compile(), after it has waited as long again for one that is still starting. One that has
 * greeted and then answers ERR_RESOURCE_UNAVAILABLE is dropped: a late answer must not be taken for
 * the next one's. */
int compiler_check(struct compiler *c, const void *text, size_t len, int deadline_ms,
                   struct err *e);

#endif
