#include "eval/spawn.h"

#include <errno.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/pidfd.h"
#include "eval/protocol.h"

/* Its environment: the time zone, for Date; nothing else of ours is its business. */
static void make_environment(char *text, size_t cap, char *ret_env[2])
{
    const char *tz = getenv("TZ");

    ret_env[0] = ret_env[1] = NULL;
    if (tz && (size_t)snprintf(text, cap, "TZ=%s", tz) < cap)
        ret_env[0] = text;
}

static int spawn_on(const char *path, bool unconfined, int fd, pid_t *ret_pid)
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
    posix_spawn_file_actions_adddup2(&actions, fd, EVAL_FD);
    posix_spawnattr_setsigmask(&attr, &none); /* the caller's loop blocks what signalfd reads */
    posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK);
    int error = posix_spawn(ret_pid, path, &actions, &attr, argv, unconfined ? environ : env);
    posix_spawnattr_destroy(&attr);
    posix_spawn_file_actions_destroy(&actions);
    return error;
}

int eval_spawn(const char *path, bool unconfined, int *ret_fd, int *ret_pidfd, pid_t *ret_pid,
               struct err *e)
{
    int pair[2];
    pid_t pid;

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair))
        return err_errno(e, "socketpair");
    int error = spawn_on(path, unconfined, pair[1], &pid);
    close(pair[1]);
    if (error) {
        close(pair[0]);
        errno = error;
        return err_errno(e, "%s", path);
    }
    int pidfd = pidfd_of(pid, NULL);
    if (pidfd < 0) {
        int err = err_errno(e, "pidfd_open");
        close(pair[0]);
        kill(pid, SIGKILL);
        while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
            ;
        return err;
    }
    *ret_fd = pair[0];
    *ret_pidfd = pidfd;
    *ret_pid = pid;
    return 0;
}
