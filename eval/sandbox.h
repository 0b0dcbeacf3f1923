/* Confinement of the evaluator: from here on it can talk on one descriptor, ask for the time, have
 * memory, and exit. Anything else kills it. */
#ifndef EVAL_SANDBOX_H
#define EVAL_SANDBOX_H

#include "base/err.h"

/* What every evaluator does, also an unconfined one: it dies with its parent, it cannot be traced,
 * it has no capability and no way to any. */
int sandbox_prepare(struct err *e);

/* The rest: no descriptor but FD, limits, seccomp. No file can be opened
 * afterwards: what the libraries open on first use (time zone, random seed) must have been used. */
int sandbox_enter(int fd, struct err *e);

#endif
