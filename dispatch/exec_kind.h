/* What an exec handler may be told, with what a program is started for a job, and what its end
 * means for that. */
#ifndef DISPATCH_EXEC_KIND_H
#define DISPATCH_EXEC_KIND_H

#include "dispatch/dispatch.h"
#include "dispatch/run.h"

enum {
    EXEC_ARGS_MAX = CHILDREN_MAX,
    EXEC_ENV_MAX = 24,
    EXEC_TEMPORARY = 75, /* EX_TEMPFAIL of sysexits.h */
};

extern const struct kind exec_kind;

/* ARGV points into the handler and ends with NULL. */
void exec_argv(const char *ret[EXEC_ARGS_MAX + 2], const struct dispatch_handler *h);

/* What a program finds in its environment, for J; ends with NULL. The texts are in TEXT, which the
 * caller owns, and whose sticky error tells whether all of it is there. */
void exec_environment(const char *ret[EXEC_ENV_MAX + 1], struct buf *text, const struct job *j);

/* Result, confirmation and words of the outcome for R; and the REPLY that each recipient gets. */
void exec_outcome(struct outcome *ret, char reply[256], const struct run_result *r,
                  const char *program, int64_t timeout_ms);

#endif
