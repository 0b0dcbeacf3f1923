/* Invariants: a keeper is in `runs` until the loop has reaped it, whoever still wants to hear of
 * it; a child of ours that is in no run is what a keeper that was killed has left behind. */
#include "dispatch/run.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "dispatch/keeper.h"

enum { FINISH_MS = 3 * RUN_STOP_MS, FINISH_TURN_MS = 50 };

struct run {
    struct loop *loop;
    struct run_calls calls;
    pid_t keeper;
    int report;
    struct loop_fd *readable;
    bool reported, stopped;
    struct run *next;
};

static struct run *runs; /* of this process: what it inherits is nobody's in particular */

void run_prepare(void)
{
    prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
}

/* ---- what killed keepers leave ---- */

static bool is_keeper(pid_t pid)
{
    for (const struct run *r = runs; r; r = r->next) {
        if (r->keeper == pid)
            return true;
    }
    return false;
}

static void sweep(struct loop *l);

/* What it has started itself is ours now. */
static void on_stray_end(void *loop, pid_t pid, int status)
{
    (void)pid;
    (void)status;
    sweep(loop);
}

static void end_stray(void *loop, pid_t pid)
{
    if (is_keeper(pid))
        return;
    kill(pid, SIGKILL);
    loop_child(loop, pid, on_stray_end, loop); /* one that is seen twice is reaped once */
}

static void sweep(struct loop *l)
{
    keeper_children(end_stray, l);
}

/* ---- results ---- */

static void tell(struct run *r, const struct run_result *result)
{
    if (!r->reported && !r->stopped)
        r->calls.on_result(r->calls.arg, result);
    r->reported = true;
}

static void close_report(struct run *r)
{
    loop_fd_del(r->readable);
    r->readable = NULL;
    if (r->report >= 0)
        close(r->report);
    r->report = -1;
}

static void on_report(void *arg, short revents)
{
    struct run *r = arg;
    struct run_result result;
    ssize_t n = read(r->report, &result, sizeof result);

    (void)revents;
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    close_report(r);
    if (n == sizeof result && result.len <= sizeof result.output)
        tell(r, &result);
}

static void run_remove(struct run *r)
{
    struct run **p = &runs;

    while (*p != r)
        p = &(*p)->next;
    *p = r->next;
}

static void on_keeper_end(void *arg, pid_t pid, int status)
{
    static const struct run_result lost = {.end = RUN_LOST};
    struct run *r = arg;

    (void)pid;
    if (r->report >= 0)
        on_report(r, 0);
    close_report(r);
    tell(r, &lost);
    run_remove(r);
    if (!WIFEXITED(status))
        sweep(r->loop);
    if (!r->stopped)
        r->calls.on_end(r->calls.arg);
    free(r);
}

/* ---- start and stop ---- */

static int watch(struct run *r, int report, struct err *e)
{
    int err;

    r->report = report;
    fcntl(report, F_SETFL, O_NONBLOCK);
    r->readable = loop_fd_add(r->loop, report, POLLIN, on_report, r);
    err = r->readable ? loop_child(r->loop, r->keeper, on_keeper_end, r) : ERR_NOMEM;
    if (!err)
        return 0;
    kill(r->keeper, SIGTERM); /* it has made nothing that it does not end */
    waitpid(r->keeper, NULL, 0);
    close_report(r);
    return err_set(e, err, "a keeper cannot be watched: %s", err_name(err));
}

static int start_keeper(struct run *r, const struct run_options *o, struct err *e)
{
    pid_t parent = getpid();
    int report[2], err;

    if (pipe2(report, O_CLOEXEC))
        return err_errno(e, "pipe");
    r->keeper = fork();
    if (!r->keeper)
        keeper_main(o, parent, report[1]);
    err = r->keeper < 0 ? err_errno(e, "fork") : 0;
    close(report[1]);
    if (!err)
        return watch(r, report[0], e);
    close(report[0]);
    return err;
}

int run_start(struct run **ret, struct loop *l, const struct run_options *o,
              const struct run_calls *calls, struct err *e)
{
    struct run *r = calloc(1, sizeof *r);
    int err;

    if (!r)
        return err_set(e, ERR_NOMEM, "out of memory");
    r->loop = l;
    r->calls = *calls;
    r->report = -1;
    err = start_keeper(r, o, e);
    if (err) {
        free(r);
        return err;
    }
    r->next = runs;
    runs = r;
    *ret = r;
    return 0;
}

void run_stop(struct run *r)
{
    r->stopped = true;
    kill(r->keeper, SIGTERM);
}

static bool stopped_are_left(void)
{
    for (const struct run *r = runs; r; r = r->next) {
        if (r->stopped)
            return true;
    }
    return false;
}

void run_finish(struct loop *l)
{
    int64_t end_ms = clock_mono_ms() + FINISH_MS;

    while (stopped_are_left() && clock_mono_ms() < end_ms)
        loop_turn(l, FINISH_TURN_MS);
    for (const struct run *r = runs; r; r = r->next)
        kill(r->keeper, SIGKILL);
    end_ms += FINISH_MS;
    while (stopped_are_left() && clock_mono_ms() < end_ms)
        loop_turn(l, FINISH_TURN_MS);
}
