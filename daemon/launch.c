#include "daemon/launch.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"
#include "daemon/confine.h"
#include "eval/spawn.h"

enum {
    PROGRAM_FD_LEAST = 10, /* out of the way of what a child gets as 3 */
    NAME_MAX_LEN = 64,
    EXIT_NO_EXEC = 127, /* as a shell has it */
};

/* ---- programs ---- */

static void program_open(struct program *p, const char *path)
{
    int fd = open(path, O_PATH | O_CLOEXEC);

    p->path = path;
    p->fd = fd < 0 ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, PROGRAM_FD_LEAST);
    if (fd >= 0)
        close(fd);
}

static bool replaced(const struct program *p)
{
    struct stat was, is;

    if (p->fd < 0 || fstat(p->fd, &was))
        return false;
    return stat(p->path, &is) || is.st_dev != was.st_dev || is.st_ino != was.st_ino;
}

/* What to exec: its path while that is the file it was, which is what ps shows and what debuggers
 * and interpreters understand. */
static const char *name_of(const struct program *p, char dst[NAME_MAX_LEN])
{
    if (!replaced(p))
        return p->path;
    snprintf(dst, NAME_MAX_LEN, "/proc/self/fd/%d", p->fd);
    return dst;
}

void launch_init(struct launch *l, const struct parent_options *o)
{
    l->options = o;
    program_open(&l->exe, o->exe);
    program_open(&l->evaluator, o->evaluator);
}

void launch_release(struct launch *l)
{
    if (l->exe.fd >= 0)
        close(l->exe.fd);
    if (l->evaluator.fd >= 0)
        close(l->evaluator.fd);
}

const char *launch_replaced(const struct launch *l)
{
    if (replaced(&l->exe))
        return l->exe.path;
    return replaced(&l->evaluator) ? l->evaluator.path : NULL;
}

/* ---- stages ---- */

/* All but the channel and the program itself, which exec closes. */
static void close_rest(int program)
{
    if (program > STAGE_PARENT_FD + 1)
        close_range(STAGE_PARENT_FD + 1, (unsigned)program - 1, 0);
    close_range(program > STAGE_PARENT_FD ? (unsigned)program + 1 : STAGE_PARENT_FD + 1, ~0U, 0);
}

/* In the child, between fork and exec: descriptor 3 is the channel, nothing else is handed down. */
static void exec_stage(const struct launch *l, enum stage_id s, bool verify, bool quiet, int fd)
{
    char stage[32], level[32], evaluator[4096], name[NAME_MAX_LEN];
    const char *path = name_of(&l->exe, name), *argv[8] = {l->exe.path, stage, level};
    size_t n = 3;
    sigset_t none;
    struct err e;

    snprintf(stage, sizeof stage, "--stage=%s", stage_name(s));
    snprintf(level, sizeof level, "--log-level=%s", l->options->log_level);
    if (s == STAGE_CHECKER) {
        snprintf(evaluator, sizeof evaluator, "--evaluator=%s", l->evaluator.path);
        argv[n++] = evaluator;
    }
    if (l->options->unconfined)
        argv[n++] = "--unconfined";
    if (verify)
        argv[n++] = "--verify-store";
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    if (confine_become(l->options->confine, s, &e)) {
        log_error(stage_name(s), "%s", e.text);
        _exit(EXIT_NO_EXEC);
    }
    prctl(PR_SET_PDEATHSIG, SIGTERM, 0, 0, 0); /* which the change of user would have undone */
    if (fd == STAGE_PARENT_FD ? fcntl(fd, F_SETFD, 0) < 0 : dup2(fd, STAGE_PARENT_FD) < 0)
        _exit(EXIT_NO_EXEC);
    close_rest(l->exe.fd);
    execv(path, (char *const *)(uintptr_t)argv);
    if (!quiet)
        log_error(stage_name(s), "%s cannot be run: %s", path, strerror(errno));
    _exit(EXIT_NO_EXEC);
}

int launch_stage(const struct launch *l, enum stage_id s, bool verify, bool quiet, int *ret_fd,
                 pid_t *ret_pid, struct err *e)
{
    int sv[2], err = 0;
    pid_t pid;

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv))
        return err_errno(e, "socketpair");
    pid = fork();
    if (!pid)
        exec_stage(l, s, verify, quiet, sv[1]);
    if (pid < 0)
        err = err_errno(e, "fork");
    close(sv[1]);
    if (err) {
        close(sv[0]);
        return err;
    }
    *ret_fd = sv[0];
    *ret_pid = pid;
    return 0;
}

int launch_evaluator(const struct launch *l, int *ret_fd, int *ret_pidfd, pid_t *ret_pid,
                     int *ret_stat, struct err *e)
{
    char name[NAME_MAX_LEN];

    return eval_spawn_seen(name_of(&l->evaluator, name), l->options->unconfined, ret_fd, ret_pidfd,
                           ret_pid, ret_stat, e);
}

void launch_describe_exit(char *dst, size_t cap, int status)
{
    if (WIFSIGNALED(status))
        snprintf(dst, cap, "signal %d (%s)", WTERMSIG(status), strsignal(WTERMSIG(status)));
    else if (WEXITSTATUS(status) == EXIT_NO_EXEC)
        snprintf(dst, cap, "exit %d (it cannot be run)", EXIT_NO_EXEC);
    else
        snprintf(dst, cap, "exit %d", WEXITSTATUS(status));
}
