/* Start an evaluator process. It is the caller's child: the caller reaps it. */
#ifndef EVAL_SPAWN_H
#define EVAL_SPAWN_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/err.h"

/* Exec PATH with one end of a new stream socket pair as its descriptor 3. UNCONFINED: without the
 * sandbox (valgrind, sanitizers). Returned: the other end (close-on-exec, blocking), a pidfd and
 * the pid. It confines itself, then greets; nobody waits for that here. One of another build greets
 * and ends with EX_CONFIG (sysexits.h). ERR_IO, ERR_NOTFOUND, ...
 */
int eval_spawn(const char *path, bool unconfined, int *ret_fd, int *ret_pidfd, pid_t *ret_pid,
               struct err *e);

#endif
