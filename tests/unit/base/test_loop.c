#include "base/loop.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "tests/unit/base/cm.h"

enum { DEADLINE_MS = 10000 };

static int64_t wall, mono;
static char trace[256]; /* what happened, a letter each */

static void note(char c)
{
    size_t n = strlen(trace);

    assert_true(n + 1 < sizeof trace);
    trace[n] = c;
    trace[n + 1] = '\0';
}

static int setup(void **state)
{
    wall = 1000000;
    mono = 5000;
    clock_fake(&wall, &mono);
    trace[0] = '\0';
    *state = loop_new();
    return *state ? 0 : -1;
}

static int setup_real(void **state)
{
    trace[0] = '\0';
    *state = loop_new();
    return *state ? 0 : -1;
}

static int teardown(void **state)
{
    clock_fake(NULL, NULL);
    loop_free(*state);
    return 0;
}

static void turn(struct loop *l)
{
    assert_int_equal(loop_turn(l, 0), 0);
}

/* Timers */

struct named {
    struct loop_timer *t;
    char name;
    struct loop_timer *victim; /* deleted or cancelled when this one fires */
    bool cancel;
    int64_t again_ms; /* >= 0: set again */
};

static void on_timer(void *arg)
{
    struct named *n = arg;

    note(n->name);
    if (n->victim && n->cancel)
        loop_timer_cancel(n->victim);
    else if (n->victim)
        loop_timer_del(n->victim);
    if (n->again_ms >= 0)
        loop_timer_set(n->t, n->again_ms);
}

static void make(struct loop *l, struct named *n, char name)
{
    *n = (struct named){.name = name, .again_ms = -1};
    n->t = loop_timer_new(l, on_timer, n);
    assert_non_null(n->t);
}

static void timers_fire_in_order(void **state)
{
    struct loop *l = *state;
    struct named a, b, c;

    make(l, &a, 'a');
    make(l, &b, 'b');
    make(l, &c, 'c');
    loop_timer_set(c.t, 300);
    loop_timer_set(a.t, 100);
    loop_timer_set(b.t, 200);
    turn(l);
    assert_string_equal(trace, "");
    mono += 99;
    turn(l);
    assert_string_equal(trace, "");
    mono += 1;
    turn(l);
    turn(l);
    assert_string_equal(trace, "a"); /* once */
    mono += 1000;
    turn(l);
    assert_string_equal(trace, "abc");
}

static void equal_times_fire_as_set(void **state)
{
    struct loop *l = *state;
    struct named n[5];

    for (int i = 0; i < 5; i++)
        make(l, &n[i], (char)('a' + i));
    for (int i = 4; i >= 0; i--)
        loop_timer_set_at(n[i].t, mono + 10);
    mono += 10;
    turn(l);
    assert_string_equal(trace, "edcba");
}

static void timers_move_and_cancel(void **state)
{
    struct loop *l = *state;
    struct named a, b;

    make(l, &a, 'a');
    make(l, &b, 'b');
    loop_timer_set(a.t, 10);
    loop_timer_set(b.t, 20);
    loop_timer_set(a.t, 30); /* moves behind b */
    loop_timer_cancel(b.t);
    loop_timer_cancel(b.t);
    mono += 20;
    turn(l);
    assert_string_equal(trace, "");
    loop_timer_set(b.t, 10);
    mono += 10;
    turn(l);
    assert_string_equal(trace, "ab");
    loop_timer_cancel(NULL);
    loop_timer_del(NULL);
}

static void a_timer_set_while_firing_waits_a_turn(void **state)
{
    struct loop *l = *state;
    struct named a, b;

    make(l, &a, 'a');
    make(l, &b, 'b');
    a.again_ms = 0;
    loop_timer_set_at(a.t, 0); /* the past, ahead of b for ever */
    loop_timer_set(b.t, 0);
    turn(l);
    assert_string_equal(trace, "ab");
    turn(l);
    assert_string_equal(trace, "aba");
}

static void timers_deleted_by_a_timer(void **state)
{
    struct loop *l = *state;
    struct named a, b, c, d;

    make(l, &a, 'a');
    make(l, &b, 'b');
    make(l, &c, 'c');
    make(l, &d, 'd');
    a.victim = b.t; /* due in the same turn */
    c.victim = c.t; /* itself */
    for (struct named *const *n = (struct named *[]){&a, &b, &c, &d, NULL}; *n; n++)
        loop_timer_set((*n)->t, 0);
    turn(l);
    assert_string_equal(trace, "acd");
    a.victim = d.t;
    a.cancel = true;
    loop_timer_set(a.t, 0);
    loop_timer_set(d.t, 0);
    turn(l);
    assert_string_equal(trace, "acda");
}

/* The heap against a plain array: random sets, moves, cancels; all that is due fires, in order. */
static int64_t last_fired;
static int fired_count;

struct random_timer {
    struct loop_timer *t;
    int64_t when; /* -1: not set */
};

static void on_random(void *arg)
{
    struct random_timer *r = arg;

    assert_true(r->when >= 0 && r->when <= mono);
    assert_true(r->when >= last_fired);
    last_fired = r->when;
    r->when = -1;
    fired_count++;
}

static void heap_agrees_with_an_array(void **state)
{
    enum { N = 300 };
    static struct random_timer r[N];
    struct loop *l = *state;
    unsigned seed = 12345;

    fired_count = 0;
    for (int i = 0; i < N; i++) {
        r[i].t = loop_timer_new(l, on_random, &r[i]);
        r[i].when = -1;
    }
    for (int round = 0; round < 3000; round++) {
        int expected = 0, before = fired_count;

        for (int k = 0; k < 20; k++) {
            int i = rand_r(&seed) % N;

            if (rand_r(&seed) % 4 == 0) {
                loop_timer_cancel(r[i].t);
                r[i].when = -1;
            } else {
                r[i].when = mono + rand_r(&seed) % 1000;
                loop_timer_set_at(r[i].t, r[i].when);
            }
        }
        mono += rand_r(&seed) % 50;
        for (int i = 0; i < N; i++)
            expected += r[i].when >= 0 && r[i].when <= mono;
        last_fired = 0;
        turn(l);
        assert_int_equal(fired_count - before, expected);
    }
    assert_true(fired_count > 10000);
}

static void on_stop(void *arg)
{
    loop_stop(arg, 42);
}

static void run_waits_for_real_timers(void **state)
{
    struct loop *l = *state;
    struct loop_timer *t = loop_timer_new(l, on_stop, l);
    int64_t begin = clock_mono_ms();

    loop_timer_set(t, 30);
    assert_int_equal(loop_run(l), 42);
    assert_true(clock_mono_ms() - begin >= 30);
    loop_stop(l, 7); /* before it runs */
    assert_int_equal(loop_run(l), 7);
}

/* Descriptors */

struct end {
    struct loop_fd *f;
    struct loop_fd **victim;
    int fd;
    char name;
    int calls;
    short seen;
};

static void on_fd(void *arg, short revents)
{
    struct end *e = arg;
    char c;

    e->calls++;
    e->seen = revents;
    note(e->name);
    if (revents & POLLIN && read(e->fd, &c, 1) < 0)
        fail();
    if (e->victim) {
        loop_fd_del(*e->victim);
        *e->victim = NULL;
    }
}

static void watch(struct loop *l, struct end *e, char name, int fd, short events)
{
    *e = (struct end){.name = name, .fd = fd};
    e->f = loop_fd_add(l, fd, events, on_fd, e);
    assert_non_null(e->f);
}

static void open_pair(int sv[2])
{
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, sv), 0);
}

static void poke(int fd)
{
    assert_int_equal(write(fd, "x", 1), 1);
}

static void shut(int sv[2])
{
    close(sv[0]);
    close(sv[1]);
}

static void descriptors_and_their_events(void **state)
{
    struct loop *l = *state;
    struct end e;
    int sv[2];

    open_pair(sv);
    watch(l, &e, 'e', sv[0], POLLIN);
    turn(l);
    assert_int_equal(e.calls, 0);
    poke(sv[1]);
    turn(l);
    turn(l);
    assert_int_equal(e.calls, 1);
    assert_int_equal(e.seen, POLLIN);
    loop_fd_events(e.f, POLLOUT);
    turn(l);
    assert_int_equal(e.calls, 2);
    assert_int_equal(e.seen, POLLOUT);
    loop_fd_events(e.f, 0);
    poke(sv[1]);
    close(sv[1]); /* not even a hang-up is told to who asked for nothing */
    turn(l);
    assert_int_equal(e.calls, 2);
    loop_fd_events(e.f, POLLIN);
    turn(l);
    assert_int_equal(e.calls, 3);
    assert_true(e.seen & POLLHUP);
    loop_fd_del(e.f);
    loop_fd_del(NULL);
    turn(l);
    assert_int_equal(e.calls, 3);
    close(sv[0]);
}

static void deleted_by_another_callback(void **state)
{
    struct loop *l = *state;
    struct end a, b;
    int x[2], y[2];

    open_pair(x);
    open_pair(y);
    watch(l, &a, 'a', x[0], POLLIN);
    watch(l, &b, 'b', y[0], POLLIN);
    a.victim = &b.f;
    b.victim = &a.f;
    poke(x[1]);
    poke(y[1]);
    turn(l); /* whoever is first removes the other */
    turn(l);
    assert_string_equal(trace, "a");
    a.victim = &a.f;
    poke(x[1]);
    turn(l);
    poke(x[1]);
    turn(l);
    assert_string_equal(trace, "aa");
    shut(x);
    shut(y);
}

/* A number that is closed and reused within a turn must not get the old one's events. */
static struct loop *reuse_loop;
static struct end reuse_old, reuse_new;
static int reuse_sv[2];

static void on_reuse(void *arg, short revents)
{
    int fd = reuse_old.fd;

    (void)arg;
    (void)revents;
    note('r');
    loop_fd_del(reuse_old.f);
    close(fd);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, reuse_sv), 0);
    assert_int_equal(reuse_sv[0], fd);
    watch(reuse_loop, &reuse_new, 'n', reuse_sv[0], POLLIN);
}

static void a_reused_number_is_a_new_handle(void **state)
{
    struct loop *l = *state;
    struct loop_fd *f;
    int x[2], y[2];

    reuse_loop = l;
    open_pair(x);
    open_pair(y);
    f = loop_fd_add(l, x[0], POLLIN, on_reuse, NULL);
    watch(l, &reuse_old, 'o', y[0], POLLIN);
    poke(x[1]);
    poke(y[1]);
    turn(l);
    assert_string_equal(trace, "r");
    loop_fd_del(f);
    poke(reuse_sv[1]);
    turn(l); /* not deaf */
    assert_string_equal(trace, "rn");
    loop_fd_del(reuse_new.f);
    shut(x);
    close(y[1]);
    shut(reuse_sv);
}

/* Signals and children */

static int signalled;

static void on_signal(void *arg, int signo)
{
    signalled = signo;
    loop_stop(arg, 1);
}

static void on_late(void *arg)
{
    loop_stop(arg, -1);
}

static void guard(struct loop *l)
{
    struct loop_timer *t = loop_timer_new(l, on_late, l);

    loop_timer_set(t, DEADLINE_MS);
}

static void signals_arrive_in_the_loop(void **state)
{
    struct loop *l = *state;
    sigset_t old;

    sigprocmask(SIG_BLOCK, NULL, &old);
    guard(l);
    assert_int_equal(loop_signal(l, SIGUSR1, on_signal, l), 0);
    assert_int_equal(loop_signal(l, SIGUSR2, on_signal, l), 0);
    assert_int_equal(loop_signal(l, SIGUSR1, on_signal, l), ERR_EXISTS);
    assert_int_equal(loop_signal(l, 0, on_signal, l), ERR_INVALID);
    assert_int_equal(loop_signal(l, 10000, on_signal, l), ERR_INVALID);
    kill(getpid(), SIGUSR2);
    assert_int_equal(loop_run(l), 1);
    assert_int_equal(signalled, SIGUSR2);
    kill(getpid(), SIGUSR1);
    assert_int_equal(loop_run(l), 1);
    assert_int_equal(signalled, SIGUSR1);
    sigprocmask(SIG_SETMASK, &old, NULL);
}

static pid_t ended;
static int end_status, ends;

static void on_end(void *arg, pid_t pid, int status)
{
    ended = pid;
    end_status = status;
    ends++;
    loop_stop(arg, 1);
}

static pid_t child_that_exits(int status)
{
    pid_t pid = fork();

    if (pid == 0)
        _exit(status);
    assert_true(pid > 0);
    return pid;
}

static void children_are_reaped(void **state)
{
    struct loop *l = *state;
    pid_t pid = child_that_exits(7);
    siginfo_t info;

    guard(l);
    ends = 0;
    /* It has ended before it is registered. */
    assert_int_equal(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT), 0);
    assert_int_equal(loop_child(l, pid, on_end, l), 0);
    assert_int_equal(loop_run(l), 1);
    assert_int_equal(ended, pid);
    assert_int_equal(WEXITSTATUS(end_status), 7);
    assert_int_equal(waitpid(pid, NULL, WNOHANG), -1);
    assert_int_equal(errno, ECHILD);

    pid = fork();
    if (pid == 0) {
        pause();
        _exit(0);
    }
    assert_int_equal(loop_child(l, pid, on_end, l), 0);
    kill(pid, SIGKILL);
    assert_int_equal(loop_run(l), 1);
    assert_int_equal(ended, pid);
    assert_true(WIFSIGNALED(end_status) && WTERMSIG(end_status) == SIGKILL);
    turn(l);
    assert_int_equal(ends, 2);
    assert_int_equal(loop_child(l, pid, on_end, l), ERR_NOTFOUND);
}

static void on_end_count(void *arg, pid_t pid, int status)
{
    (void)pid;
    (void)status;
    if (++ends == 20)
        loop_stop(arg, 1);
}

static void many_children(void **state)
{
    struct loop *l = *state;

    guard(l);
    ends = 0;
    for (int i = 0; i < 20; i++)
        assert_int_equal(loop_child(l, child_that_exits(0), on_end_count, l), 0);
    assert_int_equal(loop_run(l), 1);
    assert_int_equal(ends, 20);
}

static void sigpipe_is_ignored(void **state)
{
    int sv[2];

    (void)state;
    open_pair(sv);
    close(sv[1]);
    assert_int_equal(write(sv[0], "x", 1), -1);
    assert_int_equal(errno, EPIPE);
    close(sv[0]);
}

/* Foreign sources and hooks */

struct foreign {
    struct loop_source src;
    struct loop *loop;
    int fds[40][2], n;
    int asked, dispatched, ready, timeout_ms;
    bool removes_itself;
};

static int prepare(void *arg, struct pollfd *fds, int cap, int *timeout_ms)
{
    struct foreign *f = arg;

    f->asked++;
    for (int i = 0; i < f->n && i < cap; i++)
        fds[i] = (struct pollfd){.fd = f->fds[i][0], .events = POLLIN};
    if (f->timeout_ms >= 0 && (*timeout_ms < 0 || *timeout_ms > f->timeout_ms))
        *timeout_ms = f->timeout_ms;
    return f->n;
}

static void dispatch(void *arg, struct pollfd *fds, int n)
{
    struct foreign *f = arg;
    char c;

    note('s');
    f->dispatched++;
    assert_int_equal(n, f->n);
    f->ready = 0;
    for (int i = 0; i < n; i++) {
        assert_int_equal(fds[i].fd, f->fds[i][0]);
        if (fds[i].revents & POLLIN) {
            f->ready++;
            assert_int_equal(read(fds[i].fd, &c, 1), 1);
        }
    }
    if (f->removes_itself)
        loop_source_del(f->loop, &f->src);
}

static void open_foreign(struct loop *l, struct foreign *f, int n)
{
    *f = (struct foreign){.loop = l, .n = n, .timeout_ms = -1};
    f->src = (struct loop_source){prepare, dispatch, f};
    for (int i = 0; i < n; i++)
        open_pair(f->fds[i]);
    assert_int_equal(loop_source_add(l, &f->src), 0);
}

static void close_foreign(struct foreign *f)
{
    for (int i = 0; i < f->n; i++)
        shut(f->fds[i]);
}

static void on_hook(void *arg)
{
    note(*(char *)arg);
}

static void sources_and_hooks(void **state)
{
    static struct foreign small, big; /* big has more than the first room */
    struct loop *l = *state;
    char h = 'h', i = 'i';
    struct end e;
    int sv[2];

    open_pair(sv);
    open_foreign(l, &small, 2);
    open_foreign(l, &big, 40);
    assert_int_equal(loop_turn_hook(l, on_hook, &h), 0);
    assert_int_equal(loop_turn_hook(l, on_hook, &i), 0);
    watch(l, &e, 'e', sv[0], POLLIN);
    poke(sv[1]);
    poke(big.fds[39][1]);
    poke(big.fds[0][1]);
    poke(small.fds[1][1]);
    turn(l);
    assert_string_equal(trace, "esshi");
    assert_int_equal(small.ready, 1);
    assert_int_equal(big.ready, 2);
    turn(l); /* dispatched also when none is ready */
    assert_string_equal(trace, "esshisshi");
    assert_int_equal(big.ready, 0);
    small.removes_itself = true;
    turn(l);
    turn(l);
    assert_int_equal(small.dispatched, 3);
    assert_int_equal(big.dispatched, 4);
    loop_source_del(l, &big.src);
    loop_source_del(l, NULL);
    turn(l);
    assert_int_equal(big.dispatched, 4);
    close_foreign(&small);
    close_foreign(&big);
    shut(sv);
}

static void a_source_shortens_the_wait(void **state)
{
    struct loop *l = *state;
    struct foreign f;
    int64_t begin = clock_mono_ms();

    guard(l);
    open_foreign(l, &f, 0);
    f.timeout_ms = 20;
    assert_int_equal(loop_turn(l, -1), 0);
    assert_in_range(clock_mono_ms() - begin, 19, DEADLINE_MS / 2);
    assert_int_equal(f.dispatched, 1);
    loop_source_del(l, &f.src);
}

#define FAKE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
#define REAL(test) cmocka_unit_test_setup_teardown(test, setup_real, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        FAKE(timers_fire_in_order),
        FAKE(equal_times_fire_as_set),
        FAKE(timers_move_and_cancel),
        FAKE(a_timer_set_while_firing_waits_a_turn),
        FAKE(timers_deleted_by_a_timer),
        FAKE(heap_agrees_with_an_array),
        REAL(run_waits_for_real_timers),
        FAKE(descriptors_and_their_events),
        FAKE(deleted_by_another_callback),
        FAKE(a_reused_number_is_a_new_handle),
        REAL(signals_arrive_in_the_loop),
        REAL(children_are_reaped),
        REAL(many_children),
        FAKE(sigpipe_is_ignored),
        FAKE(sources_and_hooks),
        REAL(a_source_shortens_the_wait),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
