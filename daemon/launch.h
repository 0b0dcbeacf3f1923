/* Making a process out of this program or the evaluator. */
#ifndef DAEMON_LAUNCH_H
#define DAEMON_LAUNCH_H

#include "daemon/stage.h"

/* A program as it was when the parent started: after an upgrade the file that was is still run, so
 * that all processes are of one build until all are started anew. */
struct program {
    const char *path;
    int fd; /* O_PATH; -1: could not be opened, PATH is run whatever it is by now */
};

struct launch {
    const struct parent_options *options;
    struct program exe, evaluator;
};

void launch_init(struct launch *l, const struct parent_options *o);
void launch_release(struct launch *l);
/* The name of a program whose file is no longer what it was, or NULL. */
const char *launch_replaced(const struct launch *l);

/* Forks and execs a stage. RET_FD: the parent's end of its channel (close-on-exec). VERIFY: of the
 * core: the store may be damaged. QUIET: a failed exec is not worth a line (it was told). */
int launch_stage(const struct launch *l, enum stage_id s, bool verify, bool quiet, int *ret_fd,
                 pid_t *ret_pid, struct err *e);
/* eval_spawn_seen(). */
int launch_evaluator(const struct launch *l, int *ret_fd, int *ret_pidfd, pid_t *ret_pid,
                     int *ret_stat, struct err *e);

/* "exit 1", "signal 11 (Segmentation fault)". */
void launch_describe_exit(char *dst, size_t cap, int status);

#endif
