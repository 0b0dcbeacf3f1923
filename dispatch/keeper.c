/* Invariants: a program that has not been waited for keeps its number, so that its group may be
 * signalled by it until then, and not after; whatever it starts is ours to wait for once its own
 * parents are gone, so that killing our children until there are none leaves nobody. */
#include "dispatch/keeper.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"

enum {
    REPORT_FD = 3,
    EXIT_NO_EXEC = 127,
    KILL_AGAIN_MS = 10, /* who was orphaned by the last kill is ours by then */
    KILL_SELDOM_MS = 1000,
    KILLS_SOON = 100, /* then what is left does not die: it waits for a device */
    CHUNK = 16 << 10,
    CHUNKS_A_TURN = 16,
};

struct keeper {
    const struct run_options *options;
    struct run_result result;
    pid_t program; /* 0: waited for */
    int in, out;   /* our ends of its standard input and output; -1: closed */
    int failure;   /* its errno, if exec failed */
    int signals;
    size_t given, seen; /* octets of its input and output */
    int64_t next_ms;    /* when it is to be ended, or those left are signalled again */
    int64_t grace_ms;
    unsigned signalled; /* how many times */
    bool reported, timed_out;
};

static _Noreturn void give_up(void)
{
    _exit(EXIT_NO_EXEC); /* without a report: the run is lost */
}

/* ---- the program ---- */

/* What is in a domain of its own can neither signal nor trace who is outside of it. The one thing
 * that is handled (renaming between folders) is allowed everywhere. */
static int enclose(void)
{
    struct {
        uint64_t files, ports, scoped;
    } rules = {.files = LANDLOCK_ACCESS_FS_REFER};
    struct landlock_path_beneath_attr all = {.allowed_access = LANDLOCK_ACCESS_FS_REFER};
    long version = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
    const uint64_t scoped_signal = 2;
    int fd, err = -1;

    if (version < 2)
        return 0;
    if (version >= 6)
        rules.scoped = scoped_signal;
    fd = (int)syscall(SYS_landlock_create_ruleset, &rules,
                      version >= 6 ? sizeof rules : sizeof rules.files, 0);
    all.parent_fd = open("/", O_PATH | O_CLOEXEC);
    if (fd >= 0 && all.parent_fd >= 0 &&
        !syscall(SYS_landlock_add_rule, fd, LANDLOCK_RULE_PATH_BENEATH, &all, 0) &&
        !syscall(SYS_landlock_restrict_self, fd, 0))
        err = 0;
    if (fd >= 0)
        close(fd);
    if (all.parent_fd >= 0)
        close(all.parent_fd);
    return err;
}

static void reset_signals(void)
{
    sigset_t none;

    signal(SIGPIPE, SIG_DFL);
    signal(SIGXFSZ, SIG_DFL);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

/* Every descriptor but these three is closed by exec. */
static _Noreturn void become_program(const struct run_options *o, int in, int out, int failure)
{
    int error;

    if (setsid() >= 0 && !chdir("/") && dup2(in, 0) >= 0 && dup2(out, 1) >= 0 &&
        dup2(out, 2) >= 0 && !prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) &&
        !prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) && !enclose()) {
        reset_signals();
        execve(o->argv[0], (char *const *)(uintptr_t)o->argv, (char *const *)(uintptr_t)o->envp);
    }
    error = errno;
    (void)!write(failure, &error, sizeof error);
    _exit(EXIT_NO_EXEC);
}

static void start_program(struct keeper *k)
{
    int in[2], out[2], failure[2];

    if (pipe2(in, O_CLOEXEC) || pipe2(out, O_CLOEXEC) || pipe2(failure, O_CLOEXEC | O_NONBLOCK))
        give_up();
    k->program = fork();
    if (k->program < 0) {
        k->result = (struct run_result){.end = RUN_NOT_STARTED, .code = errno};
        (void)!write(REPORT_FD, &k->result, sizeof k->result);
        _exit(0);
    }
    if (!k->program)
        become_program(k->options, in[0], out[1], failure[1]);
    close(in[0]);
    close(out[1]);
    close(failure[1]);
    fcntl(in[1], F_SETFL, O_NONBLOCK);
    fcntl(out[0], F_SETFL, O_NONBLOCK);
    k->in = in[1];
    k->out = out[0];
    k->failure = failure[0];
}

/* ---- input and output ---- */

static void shut(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

/* A program that has read enough of it, or nothing, is none of our business. */
static void give_input(struct keeper *k)
{
    const char *from = k->options->input;
    ssize_t n = 0;

    while (k->in >= 0 && k->given < k->options->len) {
        n = write(k->in, from + k->given, k->options->len - k->given);
        if (n < 0)
            break;
        k->given += (size_t)n;
    }
    if (k->given == k->options->len || (n < 0 && errno != EAGAIN && errno != EINTR))
        shut(&k->in);
}

static void keep(struct keeper *k, const char *chunk, size_t n)
{
    size_t room = sizeof k->result.output - k->result.len;

    k->seen += n;
    k->result.flooded = k->seen >= RUN_OUTPUT_MOST;
    n = n < room ? n : room;
    memcpy(k->result.output + k->result.len, chunk, n);
    k->result.len += n;
}

static void take_output(struct keeper *k)
{
    char chunk[CHUNK];
    ssize_t n = 1;

    for (int i = 0; i < CHUNKS_A_TURN && k->out >= 0 && k->seen < RUN_OUTPUT_MOST && n > 0; i++) {
        n = read(k->out, chunk, sizeof chunk);
        if (n > 0)
            keep(k, chunk, (size_t)n);
        else if (!n || (errno != EAGAIN && errno != EINTR))
            shut(&k->out);
    }
}

/* ---- its end ---- */

static void report(struct keeper *k)
{
    if (!k->reported) /* it fits into a pipe as a whole */
        (void)!write(REPORT_FD, &k->result, sizeof k->result);
    k->reported = true;
}

static void program_ended(struct keeper *k, int status)
{
    struct run_result *r = &k->result;

    k->program = 0;
    take_output(k);
    shut(&k->in);
    if (read(k->failure, &r->code, sizeof r->code) == sizeof r->code) {
        r->end = RUN_NOT_STARTED;
    } else if (k->timed_out) {
        r->end = RUN_TIMED_OUT;
    } else {
        r->end = WIFSIGNALED(status) ? RUN_SIGNALLED : RUN_EXITED;
        r->code = WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status);
    }
    report(k);
}

/* True: nobody is left. */
static bool reap(struct keeper *k)
{
    int status;
    pid_t pid;

    while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
        if (pid == k->program)
            program_ended(k, status);
    }
    return pid < 0 && errno == ECHILD;
}

int keeper_children(void (*cb)(void *arg, pid_t pid), void *arg)
{
    FILE *f = fopen("/proc/thread-self/children", "re");
    int n = 0, pid;

    if (!f)
        return -1;
    while (fscanf(f, "%d", &pid) == 1) {
        cb(arg, pid);
        n++;
    }
    fclose(f);
    return n;
}

static void signal_one(void *signo, pid_t pid)
{
    kill(pid, *(int *)signo);
}

static void signal_all(struct keeper *k)
{
    int signo = k->signalled ? SIGKILL : SIGTERM;

    if (k->program)
        kill(-k->program, signo);
    keeper_children(signal_one, &signo);
    if (signo == SIGKILL && k->signalled > 1) {
        k->result.end = RUN_TIMED_OUT; /* also if it does not die now */
        report(k);
    }
}

/* The time is up, or the grace after it, or there are some left all the same. */
static void end_all(struct keeper *k, int64_t now_ms)
{
    k->timed_out = true;
    signal_all(k);
    k->signalled++;
    k->next_ms = now_ms + (k->signalled == 1            ? k->grace_ms
                           : k->signalled <= KILLS_SOON ? KILL_AGAIN_MS
                                                        : KILL_SELDOM_MS);
}

static void take_signals(struct keeper *k)
{
    struct signalfd_siginfo s;

    while (read(k->signals, &s, sizeof s) == sizeof s) {
        int64_t most_ms = clock_mono_ms() + (k->signalled ? RUN_STOP_MS : 0);

        if (s.ssi_signo != SIGTERM)
            continue;
        k->grace_ms = RUN_STOP_MS;
        k->next_ms = k->next_ms < most_ms ? k->next_ms : most_ms;
    }
}

/* ---- the process ---- */

static void prepare(struct keeper *k, pid_t parent, int report_fd)
{
    sigset_t all;

    prctl(PR_SET_PDEATHSIG, SIGTERM, 0, 0, 0);
    prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
    setpgid(0, 0);
    if (report_fd == REPORT_FD ? fcntl(REPORT_FD, F_SETFD, FD_CLOEXEC) < 0
                               : dup3(report_fd, REPORT_FD, O_CLOEXEC) < 0)
        give_up();
    close_range(REPORT_FD + 1, ~0U, 0);
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, NULL);
    sigemptyset(&all);
    sigaddset(&all, SIGCHLD);
    sigaddset(&all, SIGTERM);
    k->signals = signalfd(-1, &all, SFD_CLOEXEC | SFD_NONBLOCK);
    if (k->signals < 0 || getppid() != parent)
        give_up();
}

static void turn(struct keeper *k)
{
    struct pollfd fds[] = {
        {k->signals, POLLIN, 0},
        {k->in, POLLOUT, 0},
        {k->seen < RUN_OUTPUT_MOST ? k->out : -1, POLLIN, 0},
    };
    int64_t wait_ms = k->next_ms - clock_mono_ms();

    poll(fds, sizeof fds / sizeof *fds, wait_ms > 0 ? (int)wait_ms : 0);
    take_signals(k);
    if (fds[1].revents)
        give_input(k);
    if (fds[2].revents)
        take_output(k);
}

void keeper_main(const struct run_options *o, pid_t parent, int report_fd)
{
    struct keeper k = {.options = o, .in = -1, .out = -1, .grace_ms = RUN_GRACE_MS};

    prepare(&k, parent, report_fd);
    start_program(&k);
    k.next_ms = clock_mono_ms() + o->timeout_ms;
    while (!reap(&k)) {
        int64_t now_ms = clock_mono_ms();

        if (now_ms >= k.next_ms)
            end_all(&k, now_ms);
        turn(&k);
    }
    _exit(0);
}
