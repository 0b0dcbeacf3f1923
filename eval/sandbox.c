#include "eval/sandbox.h"

#include <errno.h>
#include <linux/close_range.h>
#include <seccomp.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/caps.h"
#include "eval/spawn.h"

enum { MEMORY_MAX = 1 << 30 }; /* address space: the topics of all sources, parsed */

static const struct {
    __rlimit_resource_t resource;
    const char *name;
    rlim_t value;
} limits[] = {
    {RLIMIT_CORE, "core size", 0},    {RLIMIT_FSIZE, "file size", 0},
    {RLIMIT_NPROC, "processes", 0},   {RLIMIT_MEMLOCK, "locked memory", 0},
    {RLIMIT_MSGQUEUE, "queues", 0},   {RLIMIT_AS, "address space", MEMORY_MAX},
    {RLIMIT_STACK, "stack", 8 << 20}, {RLIMIT_NOFILE, "descriptors", 0},
};

static const int allowed[] = {
    SCMP_SYS(rt_sigreturn), SCMP_SYS(setitimer),     SCMP_SYS(exit_group),      SCMP_SYS(brk),
    SCMP_SYS(munmap),       SCMP_SYS(clock_gettime), SCMP_SYS(restart_syscall),
};

static int close_others(int fd, struct err *e)
{
    if ((fd > 0 && syscall(SYS_close_range, 0, fd - 1, 0)) ||
        syscall(SYS_close_range, fd + 1, ~0u, 0))
        return err_errno(e, "close_range");
    return 0;
}

/* Until whoever started us has looked. */
static void wait_at_gate(void)
{
    struct stat st;
    char c;

    if (fstat(EVAL_GATE_FD, &st) || !S_ISFIFO(st.st_mode))
        return;
    while (read(EVAL_GATE_FD, &c, 1) < 0 && errno == EINTR)
        ;
    close(EVAL_GATE_FD);
}

int sandbox_prepare(struct err *e)
{
    const struct rlimit none = {0, 0};

    wait_at_gate();
    umask(077);
    caps_seal();
    if (caps_keep(0))
        return err_errno(e, "capset");
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) || prctl(PR_SET_DUMPABLE, 0) ||
        prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || setrlimit(RLIMIT_CORE, &none))
        return err_errno(e, "prctl");
    return 0;
}

static int set_limits(struct err *e)
{
    for (size_t i = 0; i < sizeof limits / sizeof *limits; i++) {
        const struct rlimit r = {limits[i].value, limits[i].value};
        if (setrlimit(limits[i].resource, &r))
            return err_errno(e, "limit of %s", limits[i].name);
    }
    return 0;
}

/* mmap, mremap and mprotect only for memory that cannot be executed. */
static int allow_memory(scmp_filter_ctx f)
{
    return seccomp_rule_add(f, SCMP_ACT_ALLOW, SCMP_SYS(mmap), 2,
                            SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0),
                            SCMP_A3(SCMP_CMP_MASKED_EQ, MAP_ANONYMOUS, MAP_ANONYMOUS)) ||
           seccomp_rule_add(f, SCMP_ACT_ALLOW, SCMP_SYS(mremap), 0) ||
           seccomp_rule_add(f, SCMP_ACT_ALLOW, SCMP_SYS(mprotect), 1,
                            SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));
}

static int allow_channel(scmp_filter_ctx f, int fd)
{
    const struct scmp_arg_cmp here = SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)fd);

    return seccomp_rule_add(f, SCMP_ACT_ALLOW, SCMP_SYS(read), 1, here) ||
           seccomp_rule_add(f, SCMP_ACT_ALLOW, SCMP_SYS(write), 1, here);
}

static int allow_plain(scmp_filter_ctx f)
{
    for (size_t i = 0; i < sizeof allowed / sizeof *allowed; i++)
        if (seccomp_rule_add(f, SCMP_ACT_ALLOW, allowed[i], 0))
            return -1;
    return 0;
}

int sandbox_enter(int fd, struct err *e)
{
    int err = close_others(fd, e);
    if (!err)
        err = set_limits(e);
    if (err)
        return err;
    scmp_filter_ctx f = seccomp_init(SCMP_ACT_KILL_PROCESS);
    if (!f)
        return err_set(e, ERR_NOMEM, "seccomp filter");
    if (allow_channel(f, fd) || allow_memory(f) || allow_plain(f) || seccomp_load(f))
        err = err_set(e, ERR_UNSUPPORTED, "the seccomp filter was refused");
    seccomp_release(f);
    return err;
}
