/* The agent's question before a SET is accepted: does this text compile? Blocking, short. */
#ifndef EVAL_COMPILE_H
#define EVAL_COMPILE_H

#include <stddef.h>

#include "base/err.h"

/* Ask the evaluator at FD (eval_spawn's; used for nothing else). The text is compiled, never run;
 * regular expressions are looked at only when a script runs. SIGPIPE must be ignored. 0;
 * ERR_WRONG_VALUE, with "line N: what is wrong" in E; ERR_WRONG_LENGTH (too long);
 * ERR_RESOURCE_UNAVAILABLE if it does not answer within DEADLINE_MS, is dead or talks nonsense:
 * then kill it and make another. (An answer that comes too late is passed over by the next call.)
 */
int eval_compile(int fd, const void *text, size_t len, int deadline_ms, struct err *e);

#endif
