/* Start an evaluator process. It is the caller's child: the caller reaps it. */
#ifndef EVAL_SPAWN_H
#define EVAL_SPAWN_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/err.h"

/* A pipe, in a new evaluator, that is closed when it may make itself undumpable. */
enum { EVAL_GATE_FD = 4 };

/* Exec PATH with one end of a new stream socket pair as its descriptor 3. UNCONFINED: without the
 * sandbox (valgrind, sanitizers). Returned: the other end (close-on-exec, blocking), a pidfd and
 * the pid. It confines itself, then greets; nobody waits for that here. One of another build greets
 * and ends with EX_CONFIG (sysexits.h). ERR_IO, ERR_NOTFOUND, ...
 */
int eval_spawn(const char *path, bool unconfined, int *ret_fd, int *ret_pidfd, pid_t *ret_pid,
               struct err *e);
/* The same, and its /proc/PID/stat (close-on-exec; -1: cannot be had). Where /proc hides processes
 * from each other it can be opened only now. */
int eval_spawn_seen(const char *path, bool unconfined, int *ret_fd, int *ret_pidfd, pid_t *ret_pid,
                    int *ret_stat, struct err *e);

#endif
