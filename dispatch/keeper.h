/* The keeper of one program (dispatch/run.h), a process of its own. */
#ifndef DISPATCH_KEEPER_H
#define DISPATCH_KEEPER_H

#include <sys/types.h>

#include "dispatch/run.h"

/* In a process that was just forked, whose parent is PARENT: runs the program with descriptors 0, 1
 * and 2 and no other, in a session of its own, and, where the kernel has Landlock for that, unable
 * to signal or trace anything but what it starts. Writes one struct run_result to REPORT, a pipe,
 * and exits when no process is left of it. SIGTERM, or PARENT's end, ends all early. */
_Noreturn void keeper_main(const struct run_options *o, pid_t parent, int report);

/* Calls CB with the number of each child of this process; their count, or -1 if that cannot be told
 * (a kernel without /proc/PID/task/TID/children). */
int keeper_children(void (*cb)(void *arg, pid_t pid), void *arg);

#endif
