#include "base/loop.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/array.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/pidfd.h"

enum { CHILD_LOOK_MS = 10 };

/* Invariants:
 * - During a turn nothing that a callback may delete is freed: it is marked dead, skipped, and
 *   swept at the end of the turn.
 * - Descriptors are told apart by handle, never by number: a number that was closed and reused
 *   within a turn has a handle of its own, which is polled from the next turn on.
 * - timer_cap is at least the number of timers, so that setting one cannot fail. */

struct loop_fd {
    struct loop *loop;
    struct loop_fd *next;
    int fd;
    short events;
    bool dead;
    void (*cb)(void *arg, short revents);
    void *arg;
};

struct loop_timer {
    struct loop *loop;
    struct loop_timer *next, **pprev; /* of all, or of the dead ones */
    int64_t when_ms;
    uint64_t seq; /* among equal times, the one set first fires first */
    size_t pos;   /* in the heap or, while its turn is being fired, in the due list */
    enum { IDLE, WAITING, DUE } state;
    void (*cb)(void *arg);
    void *arg;
};

struct signal_handler {
    void (*cb)(void *arg, int signo);
    void *arg;
};

struct child {
    struct loop *loop;
    struct child *next;
    pid_t pid;
    int pidfd;
    struct loop_fd *watch;   /* of the pidfd */
    struct loop_timer *look; /* where there are no pidfds */
    bool dead;
    void (*cb)(void *arg, pid_t pid, int status);
    void *arg;
};

struct source_slot {
    struct loop_source *src; /* NULL: removed */
    size_t first;            /* its entries in `polled`, this turn */
    int n;
};

struct hook {
    void (*cb)(void *arg);
    void *arg;
};

struct loop {
    struct loop_fd *fds, **fds_tail;
    struct loop_timer *timers, *dead_timers; /* all of them, for freeing */
    size_t timer_count, timer_cap;
    struct loop_timer **heap, **due;
    size_t heap_len, due_len;
    uint64_t seq;

    struct signal_handler signals[_NSIG];
    sigset_t signal_mask;
    int signal_fd;

    struct child *children;
    struct source_slot *sources;
    size_t source_count;
    struct hook *hooks;
    size_t hook_count;

    struct pollfd *polled;
    size_t polled_len, polled_cap;
    struct loop_fd **polled_for; /* the handles of the first entries */
    size_t polled_for_cap;

    bool in_turn, stopped;
    bool dead_fds, dead_children, dead_sources;
    int result;
};

struct loop *loop_new(void)
{
    struct loop *l = calloc(1, sizeof *l);

    if (!l)
        return NULL;
    l->fds_tail = &l->fds;
    l->signal_fd = -1;
    sigemptyset(&l->signal_mask);
    signal(SIGPIPE, SIG_IGN);
    return l;
}

/* Descriptors */

struct loop_fd *loop_fd_add(struct loop *l, int fd, short events,
                            void (*cb)(void *arg, short revents), void *arg)
{
    struct loop_fd *f = malloc(sizeof *f);

    if (!f)
        return NULL;
    *f = (struct loop_fd){.loop = l, .fd = fd, .events = events, .cb = cb, .arg = arg};
    *l->fds_tail = f;
    l->fds_tail = &f->next;
    return f;
}

void loop_fd_events(struct loop_fd *f, short events)
{
    f->events = events;
}

static void sweep_fds(struct loop *l)
{
    struct loop_fd **at = &l->fds;

    while (*at) {
        struct loop_fd *f = *at;

        if (f->dead) {
            *at = f->next;
            free(f);
        } else {
            at = &f->next;
        }
    }
    l->fds_tail = at;
    l->dead_fds = false;
}

void loop_fd_del(struct loop_fd *f)
{
    if (!f)
        return;
    f->dead = true;
    f->loop->dead_fds = true;
    if (!f->loop->in_turn)
        sweep_fds(f->loop);
}

/* Timers */

static bool earlier(const struct loop_timer *a, const struct loop_timer *b)
{
    return a->when_ms != b->when_ms ? a->when_ms < b->when_ms : a->seq < b->seq;
}

static void heap_place(struct loop *l, struct loop_timer *t, size_t pos)
{
    l->heap[pos] = t;
    t->pos = pos;
}

static void heap_up(struct loop *l, struct loop_timer *t, size_t pos)
{
    while (pos > 0 && earlier(t, l->heap[(pos - 1) / 2])) {
        heap_place(l, l->heap[(pos - 1) / 2], pos);
        pos = (pos - 1) / 2;
    }
    heap_place(l, t, pos);
}

static void heap_down(struct loop *l, struct loop_timer *t, size_t pos)
{
    for (;;) {
        size_t child = 2 * pos + 1;

        if (child >= l->heap_len)
            break;
        if (child + 1 < l->heap_len && earlier(l->heap[child + 1], l->heap[child]))
            child++;
        if (!earlier(l->heap[child], t))
            break;
        heap_place(l, l->heap[child], pos);
        pos = child;
    }
    heap_place(l, t, pos);
}

static void heap_remove(struct loop *l, size_t pos)
{
    struct loop_timer *last = l->heap[--l->heap_len];

    if (pos == l->heap_len)
        return;
    if (pos > 0 && earlier(last, l->heap[(pos - 1) / 2]))
        heap_up(l, last, pos);
    else
        heap_down(l, last, pos);
}

static void timer_link(struct loop_timer *t, struct loop_timer **list)
{
    t->next = *list;
    t->pprev = list;
    if (t->next)
        t->next->pprev = &t->next;
    *list = t;
}

static void timer_unlink(struct loop_timer *t)
{
    *t->pprev = t->next;
    if (t->next)
        t->next->pprev = t->pprev;
}

/* Both lists can hold every timer, so that neither setting a timer nor a turn can fail. */
static int make_timer_room(struct loop *l)
{
    size_t heap_cap = l->timer_cap, due_cap = l->timer_cap;
    struct loop_timer **p = array_room(l->heap, &heap_cap, l->timer_count + 1, sizeof *p);

    if (!p)
        return ERR_NOMEM;
    l->heap = p;
    p = array_room(l->due, &due_cap, l->timer_count + 1, sizeof *p);
    if (!p)
        return ERR_NOMEM;
    l->due = p;
    l->timer_cap = heap_cap;
    return 0;
}

struct loop_timer *loop_timer_new(struct loop *l, void (*cb)(void *arg), void *arg)
{
    struct loop_timer *t;

    if (make_timer_room(l))
        return NULL;
    t = malloc(sizeof *t);
    if (!t)
        return NULL;
    *t = (struct loop_timer){.loop = l, .cb = cb, .arg = arg};
    timer_link(t, &l->timers);
    l->timer_count++;
    return t;
}

void loop_timer_cancel(struct loop_timer *t)
{
    if (!t)
        return;
    if (t->state == WAITING)
        heap_remove(t->loop, t->pos);
    else if (t->state == DUE)
        t->loop->due[t->pos] = NULL;
    t->state = IDLE;
}

void loop_timer_set_at(struct loop_timer *t, int64_t mono_ms)
{
    struct loop *l = t->loop;

    loop_timer_cancel(t);
    t->when_ms = mono_ms;
    t->seq = l->seq++;
    t->state = WAITING;
    heap_up(l, t, l->heap_len++);
}

void loop_timer_set(struct loop_timer *t, int64_t delay_ms)
{
    int64_t now = clock_mono_ms();

    if (delay_ms < 0)
        delay_ms = 0;
    loop_timer_set_at(t, delay_ms < INT64_MAX - now ? now + delay_ms : INT64_MAX);
}

static void free_timers(struct loop_timer **list)
{
    while (*list) {
        struct loop_timer *t = *list;

        timer_unlink(t);
        free(t);
    }
}

void loop_timer_del(struct loop_timer *t)
{
    if (!t)
        return;
    loop_timer_cancel(t);
    timer_unlink(t);
    t->loop->timer_count--;
    if (t->loop->in_turn)
        timer_link(t, &t->loop->dead_timers);
    else
        free(t);
}

/* All that are due are taken out first: one that is set again while they fire waits for the next
 * turn, so that timers cannot starve descriptors. */
static void fire_timers(struct loop *l)
{
    int64_t now;

    if (l->heap_len == 0)
        return;
    now = clock_mono_ms();
    l->due_len = 0;
    while (l->heap_len > 0 && l->heap[0]->when_ms <= now) {
        struct loop_timer *t = l->heap[0];

        heap_remove(l, 0);
        t->state = DUE;
        t->pos = l->due_len;
        l->due[l->due_len++] = t;
    }
    for (size_t i = 0; i < l->due_len; i++) {
        struct loop_timer *t = l->due[i];

        if (!t)
            continue;
        t->state = IDLE;
        t->cb(t->arg);
    }
    l->due_len = 0;
}

/* Signals */

static void on_signal_fd(void *arg, short revents)
{
    struct loop *l = arg;
    struct signalfd_siginfo info;

    (void)revents;
    while (read(l->signal_fd, &info, sizeof info) == sizeof info) {
        struct signal_handler h = {NULL, NULL};

        if (info.ssi_signo < _NSIG)
            h = l->signals[info.ssi_signo];
        if (h.cb)
            h.cb(h.arg, (int)info.ssi_signo);
    }
}

int loop_signal(struct loop *l, int signo, void (*cb)(void *arg, int signo), void *arg)
{
    sigset_t mask = l->signal_mask;
    int fd;

    if (signo <= 0 || signo >= _NSIG || sigaddset(&mask, signo) != 0)
        return ERR_INVALID;
    if (l->signals[signo].cb)
        return ERR_EXISTS;
    fd = signalfd(l->signal_fd, &mask, SFD_NONBLOCK | SFD_CLOEXEC);
    if (fd < 0)
        return err_errno(NULL, "signalfd");
    if (l->signal_fd < 0) {
        if (!loop_fd_add(l, fd, POLLIN, on_signal_fd, l)) {
            close(fd);
            return ERR_NOMEM;
        }
        l->signal_fd = fd;
    }
    if (sigprocmask(SIG_BLOCK, &mask, NULL) != 0)
        return err_errno(NULL, "sigprocmask");
    l->signal_mask = mask;
    l->signals[signo] = (struct signal_handler){cb, arg};
    return 0;
}

/* Children: by pidfd, so that neither SIGCHLD nor the moment of registration matters. */

static void release_child(struct child *c)
{
    loop_fd_del(c->watch);
    loop_timer_del(c->look);
    close(c->pidfd);
    free(c);
}

static void on_child(void *arg, short revents)
{
    struct child *c = arg;
    int status = 0;
    pid_t got;

    (void)revents;
    do {
        got = waitpid(c->pid, &status, WNOHANG);
    } while (got < 0 && errno == EINTR);
    if (got == 0) {
        if (c->look)
            loop_timer_set(c->look, CHILD_LOOK_MS);
        return;
    }
    if (got < 0)
        status = W_EXITCODE(255, 0); /* somebody else reaped it */
    c->dead = true;
    c->loop->dead_children = true;
    if (c->watch)
        loop_fd_events(c->watch, 0);
    c->cb(c->arg, c->pid, status);
}

static void look_at_child(void *arg)
{
    on_child(arg, 0);
}

/* Without pidfds there is nothing to wait for: look now and then. */
static bool watch_child(struct child *c, bool polls)
{
    if (polls) {
        c->watch = loop_fd_add(c->loop, c->pidfd, POLLIN, on_child, c);
        return c->watch;
    }
    c->look = loop_timer_new(c->loop, look_at_child, c);
    if (c->look)
        loop_timer_set(c->look, 0);
    return c->look;
}

static void sweep_children(struct loop *l)
{
    struct child **at = &l->children;

    while (*at) {
        struct child *c = *at;

        if (c->dead) {
            *at = c->next;
            release_child(c);
        } else {
            at = &c->next;
        }
    }
    l->dead_children = false;
}

int loop_child(struct loop *l, pid_t pid, void (*cb)(void *arg, pid_t pid, int status), void *arg)
{
    struct child *c = malloc(sizeof *c);
    bool polls;
    int err = 0;

    if (!c)
        return ERR_NOMEM;
    *c = (struct child){.loop = l, .pid = pid, .cb = cb, .arg = arg};
    c->pidfd = pidfd_of(pid, &polls);
    if (c->pidfd < 0) {
        err = errno == ESRCH ? ERR_NOTFOUND : err_errno(NULL, "pidfd_open");
        free(c);
        return err;
    }
    if (!watch_child(c, polls)) {
        release_child(c);
        return ERR_NOMEM;
    }
    c->next = l->children;
    l->children = c;
    return 0;
}

/* Foreign sources and hooks */

int loop_source_add(struct loop *l, struct loop_source *src)
{
    struct source_slot *grown = reallocarray(l->sources, l->source_count + 1, sizeof *l->sources);

    if (!grown)
        return ERR_NOMEM;
    l->sources = grown;
    l->sources[l->source_count++] = (struct source_slot){.src = src};
    return 0;
}

static void sweep_sources(struct loop *l)
{
    size_t kept = 0;

    for (size_t i = 0; i < l->source_count; i++) {
        if (l->sources[i].src)
            l->sources[kept++] = l->sources[i];
    }
    l->source_count = kept;
    l->dead_sources = false;
}

void loop_source_del(struct loop *l, struct loop_source *src)
{
    if (!src)
        return;
    for (size_t i = 0; i < l->source_count; i++) {
        if (l->sources[i].src == src)
            l->sources[i].src = NULL;
    }
    l->dead_sources = true;
    if (!l->in_turn)
        sweep_sources(l);
}

int loop_turn_hook(struct loop *l, void (*cb)(void *arg), void *arg)
{
    struct hook *grown = reallocarray(l->hooks, l->hook_count + 1, sizeof *l->hooks);

    if (!grown)
        return ERR_NOMEM;
    l->hooks = grown;
    l->hooks[l->hook_count++] = (struct hook){cb, arg};
    return 0;
}

/* The turn */

static int make_poll_room(struct loop *l, size_t n)
{
    struct pollfd *p = array_room(l->polled, &l->polled_cap, n, sizeof *p);

    if (!p)
        return ERR_NOMEM;
    l->polled = p;
    return 0;
}

/* A handle that asks for nothing is not polled: poll(2) would report a hang-up again and again. */
static int collect_fds(struct loop *l)
{
    size_t n = 0;

    for (struct loop_fd *f = l->fds; f; f = f->next) {
        if (f->dead || f->events == 0)
            continue;
        struct loop_fd **polled_for =
            array_room(l->polled_for, &l->polled_for_cap, n + 1, sizeof *polled_for);
        if (!polled_for)
            return ERR_NOMEM;
        l->polled_for = polled_for;
        if (make_poll_room(l, n + 1))
            return ERR_NOMEM;
        l->polled[n] = (struct pollfd){.fd = f->fd, .events = f->events};
        l->polled_for[n++] = f;
    }
    l->polled_len = n;
    return 0;
}

static int collect_source(struct loop *l, size_t index, int *timeout_ms)
{
    struct loop_source *src = l->sources[index].src;
    size_t first = l->polled_len, room = 16;

    l->sources[index].n = 0;
    while (src) {
        int n;

        if (make_poll_room(l, first + room))
            return ERR_NOMEM;
        room = l->polled_cap - first;
        n = src->prepare(src->arg, l->polled + first, room < INT_MAX ? (int)room : INT_MAX,
                         timeout_ms);
        if (n >= 0 && (size_t)n <= room) {
            l->sources[index].first = first;
            l->sources[index].n = n;
            l->polled_len += (size_t)n;
            break;
        }
        room = n > 0 ? (size_t)n : room;
        src = l->sources[index].src; /* prepare may have removed itself */
    }
    return 0;
}

/* The sooner of the caller's wait and the first timer. */
static int wait_ms(const struct loop *l, int max_wait_ms)
{
    int64_t wait;

    if (l->stopped)
        return 0;
    if (l->heap_len == 0)
        return max_wait_ms;
    wait = l->heap[0]->when_ms - clock_mono_ms();
    if (wait < 0)
        wait = 0;
    if (max_wait_ms >= 0 && wait > max_wait_ms)
        wait = max_wait_ms;
    return wait < INT_MAX ? (int)wait : INT_MAX;
}

static void dispatch_fds(struct loop *l, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        struct loop_fd *f = l->polled_for[i];
        short revents = l->polled[i].revents;

        revents &= (short)(f->events | POLLERR | POLLHUP | POLLNVAL);
        if (revents && f->events && !f->dead)
            f->cb(f->arg, revents);
    }
}

static void dispatch_sources(struct loop *l, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        struct source_slot slot = l->sources[i];

        if (slot.src)
            slot.src->dispatch(slot.src->arg, l->polled + slot.first, slot.n);
    }
}

static int poll_once(struct loop *l, int max_wait_ms)
{
    int timeout_ms = -1, wait, err = collect_fds(l);
    size_t fds = l->polled_len, sources = l->source_count;

    for (size_t i = 0; !err && i < sources; i++)
        err = collect_source(l, i, &timeout_ms);
    if (err)
        return err;
    wait = wait_ms(l, max_wait_ms);
    if (timeout_ms >= 0 && (wait < 0 || timeout_ms < wait))
        wait = timeout_ms;
    if (poll(l->polled, l->polled_len, wait) < 0) {
        if (errno != EINTR)
            return err_errno(NULL, "poll");
        for (size_t i = 0; i < l->polled_len; i++)
            l->polled[i].revents = 0;
    }
    dispatch_fds(l, fds);
    dispatch_sources(l, sources);
    return 0;
}

static void run_hooks(struct loop *l)
{
    size_t n = l->hook_count;

    for (size_t i = 0; i < n; i++) {
        struct hook h = l->hooks[i];

        h.cb(h.arg);
    }
}

static void sweep(struct loop *l)
{
    if (l->dead_children)
        sweep_children(l);
    if (l->dead_fds)
        sweep_fds(l);
    free_timers(&l->dead_timers);
    if (l->dead_sources)
        sweep_sources(l);
}

int loop_turn(struct loop *l, int max_wait_ms)
{
    int err;

    assert(!l->in_turn);
    l->in_turn = true;
    fire_timers(l);
    err = poll_once(l, max_wait_ms);
    run_hooks(l);
    l->in_turn = false;
    sweep(l);
    return err;
}

int loop_run(struct loop *l)
{
    int err = 0;

    while (!l->stopped && !err)
        err = loop_turn(l, -1);
    if (err)
        return err;
    l->stopped = false;
    return l->result;
}

void loop_stop(struct loop *l, int result)
{
    l->stopped = true;
    l->result = result;
}

void loop_free(struct loop *l)
{
    if (!l)
        return;
    assert(!l->in_turn);
    for (struct child *c = l->children; c; c = c->next)
        c->dead = true;
    sweep_children(l);
    for (struct loop_fd *f = l->fds; f; f = f->next)
        f->dead = true;
    sweep_fds(l);
    free_timers(&l->timers);
    free_timers(&l->dead_timers);
    if (l->signal_fd >= 0)
        close(l->signal_fd);
    free(l->heap);
    free(l->due);
    free(l->sources);
    free(l->hooks);
    free(l->polled);
    free(l->polled_for);
    free(l);
}
