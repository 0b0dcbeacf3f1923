#include "base/pidfd.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/loop.h"
#include "tests/unit/base/cm.h"

static pid_t sleeper(void)
{
    pid_t pid = fork();

    if (!pid) {
        for (;;)
            pause();
    }
    return pid;
}

/* From here on this process is on a kernel without pidfds. */
static bool forget_pidfds(void)
{
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_pidfd_open, 1, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_pidfd_send_signal, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog prog = {sizeof code / sizeof *code, code};

    return !prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) &&
           !prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog);
}

static void on_end(void *arg, pid_t pid, int status)
{
    struct loop *l = arg;

    (void)pid;
    loop_stop(l, WIFSIGNALED(status) ? WTERMSIG(status) : -1);
}

/* 0, or the line that failed: it is run by a child too, which cannot assert. */
static int signals_and_ends(bool polls)
{
    struct loop *l = loop_new();
    pid_t pid = sleeper();
    bool told;
    int fd = pidfd_of(pid, &told), status;

    if (pid < 0 || fd < 0 || told != polls || !l)
        return __LINE__;
    if (pidfd_signal(fd, 0) || loop_child(l, pid, on_end, l))
        return __LINE__;
    if (pidfd_signal(fd, SIGTERM) || loop_run(l) != SIGTERM)
        return __LINE__;
    if (pidfd_signal(fd, 0) != -1 || errno != ESRCH)
        return __LINE__; /* reaped by the loop */
    close(fd);
    if (pidfd_of(pid, NULL) != -1 || errno != ESRCH)
        return __LINE__;
    if (waitpid(pid, &status, 0) != -1)
        return __LINE__;
    loop_free(l);
    return 0;
}

static void with_pidfds(void **state)
{
    (void)state;
    assert_int_equal(signals_and_ends(true), 0);
}

static void without_pidfds(void **state)
{
    pid_t pid = fork();
    int status;

    (void)state;
    if (!pid)
        _exit(forget_pidfds() ? (signals_and_ends(false) ? 1 : 0) : 2);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(with_pidfds),
        cmocka_unit_test(without_pidfds),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
