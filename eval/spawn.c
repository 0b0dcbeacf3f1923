#include "eval/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/pidfd.h"
#include "eval/protocol.h"

enum { STAT_TRIES = 100, STAT_PAUSE_NS = 200 * 1000 };

/* Its environment: the time zone, for Date; nothing else of ours is its business. */
static void make_environment(char *text, size_t cap, char *ret_env[2])
{
    const char *tz = getenv("TZ");

    ret_env[0] = ret_env[1] = NULL;
    if (tz && (size_t)snprintf(text, cap, "TZ=%s", tz) < cap)
        ret_env[0] = text;
}

static int spawn_on(const char *path, bool unconfined, int fd, int gate, pid_t *ret_pid)
{
    char tz[256], build[160], *env[2];
    char *argv[] = {(char *)"snmpalertd-evaluator", unconfined ? (char *)"--unconfined" : build,
                    unconfined ? build : NULL, NULL};
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attr;
    sigset_t none;

    snprintf(build, sizeof build, "--build=%s", eval_build_id());
    make_environment(tz, sizeof tz, env);
    sigemptyset(&none);
    posix_spawn_file_actions_init(&actions);
    posix_spawnattr_init(&attr);
    posix_spawn_file_actions_adddup2(&actions, fd, EVAL_FD); /* made before the gate: never that */
    posix_spawn_file_actions_adddup2(&actions, gate, EVAL_GATE_FD);
    posix_spawnattr_setsigmask(&attr, &none); /* the caller's loop blocks what signalfd reads */
    posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK);
    int error = posix_spawn(ret_pid, path, &actions, &attr, argv, unconfined ? environ : env);
    posix_spawnattr_destroy(&attr);
    posix_spawn_file_actions_destroy(&actions);
    return error;
}

/* posix_spawn() returns a moment before the exec is over that makes the process dumpable, hence
 * visible. */
static int open_stat(pid_t pid)
{
    const struct timespec pause = {.tv_nsec = STAT_PAUSE_NS};
    char path[64];
    int fd;

    snprintf(path, sizeof path, "/proc/%ld/stat", (long)pid);
    for (int i = 0; (fd = open(path, O_RDONLY | O_CLOEXEC)) < 0 && i < STAT_TRIES; i++)
        nanosleep(&pause, NULL);
    return fd;
}

/* Returns an errno. It waits at the gate for as long as it takes to open its statistics. */
static int spawn_seen(const char *path, bool unconfined, int fd, pid_t *ret_pid, int *ret_stat)
{
    int gate[2];

    if (pipe2(gate, O_CLOEXEC))
        return errno;
    int error = spawn_on(path, unconfined, fd, gate[0], ret_pid);
    if (!error && ret_stat)
        *ret_stat = open_stat(*ret_pid);
    close(gate[0]);
    close(gate[1]);
    return error;
}

int eval_spawn(const char *path, bool unconfined, int *ret_fd, int *ret_pidfd, pid_t *ret_pid,
               struct err *e)
{
    return eval_spawn_seen(path, unconfined, ret_fd, ret_pidfd, ret_pid, NULL, e);
}

int eval_spawn_seen(const char *path, bool unconfined, int *ret_fd, int *ret_pidfd, pid_t *ret_pid,
                    int *ret_stat, struct err *e)
{
    int pair[2], stat = -1;
    pid_t pid;

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair))
        return err_errno(e, "socketpair");
    int error = spawn_seen(path, unconfined, pair[1], &pid, ret_stat ? &stat : NULL);
    close(pair[1]);
    if (error) {
        close(pair[0]);
        errno = error;
        return err_errno(e, "the program that runs conditions, %s", path);
    }
    int pidfd = pidfd_of(pid, NULL);
    if (pidfd < 0) {
        int err = err_errno(e, "pidfd_open");
        close(pair[0]);
        if (stat >= 0)
            close(stat);
        kill(pid, SIGKILL);
        while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
            ;
        return err;
    }
    *ret_fd = pair[0];
    *ret_pidfd = pidfd;
    *ret_pid = pid;
    if (ret_stat)
        *ret_stat = stat;
    return 0;
}
