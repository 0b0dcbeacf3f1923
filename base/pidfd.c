#include "base/pidfd.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static const char proc[] = "/proc/";

int pidfd_of(pid_t pid, bool *ret_polls)
{
    int fd = (int)syscall(SYS_pidfd_open, pid, 0);
    char path[32];

    if (ret_polls)
        *ret_polls = fd >= 0;
    if (fd >= 0 || errno != ENOSYS)
        return fd;
    snprintf(path, sizeof path, "%s%ld", proc, (long)pid);
    fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 && errno == ENOENT)
        errno = ESRCH;
    return fd;
}

/* The process that FD, a folder of /proc, is of: 0 if it is gone. */
static pid_t pid_of_folder(int fd)
{
    char link[40], path[32];
    ssize_t n;

    if (faccessat(fd, "stat", R_OK, 0))
        return 0; /* the folder of a process that was reaped is empty */
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    n = readlink(link, path, sizeof path - 1);
    if (n <= (ssize_t)strlen(proc))
        return 0;
    path[n] = '\0';
    return (pid_t)strtol(path + strlen(proc), NULL, 10);
}

int pidfd_signal(int pidfd, int signo)
{
    int r = (int)syscall(SYS_pidfd_send_signal, pidfd, signo, NULL, 0);
    pid_t pid;

    if (r == 0 || errno != ENOSYS)
        return r;
    pid = pid_of_folder(pidfd);
    if (pid > 0)
        return kill(pid, signo);
    errno = ESRCH;
    return -1;
}
