/* A process by descriptor (pidfd_open(2)), so that its number's next owner is never taken for it.
 * Where there are no pidfds (Linux before 5.3; valgrind 3.19 knows none) the descriptor is that of
 * its folder in /proc: as safe to signal by, but nothing to poll. */
#ifndef BASE_PIDFD_H
#define BASE_PIDFD_H

#include <stdbool.h>
#include <sys/types.h>

/* A descriptor, close-on-exec; -1 and errno (ESRCH: there is no such process). RET_POLLS (may be
 * NULL): does poll(2) tell its end? */
int pidfd_of(pid_t pid, bool *ret_polls);
/* 0, or -1 and errno (ESRCH: it is gone). */
int pidfd_signal(int pidfd, int signo);

#endif
