/* Event loop: poll(2) over a list that is rebuilt every turn, timers, signals (signalfd), child
 * reaping. Single-threaded. One turn: timers due → poll → ready descriptors and foreign sources →
 * hooks at the end of the turn (where a stage groups its commit). Every handle may be deleted from
 * inside any callback, its own included. */
#ifndef BASE_LOOP_H
#define BASE_LOOP_H

#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct loop;
struct loop_fd;
struct loop_timer;

/* NULL when out of memory. Ignores SIGPIPE for the process. */
struct loop *loop_new(void);
void loop_free(struct loop *l); /* handles still there are freed, descriptors are not closed */

/* Runs until loop_stop(). Returns the value that was given to loop_stop, or a negative error. */
int loop_run(struct loop *l);
void loop_stop(struct loop *l, int result);
/* One turn; waits at most MAX_WAIT_MS (-1: as long as it takes). For tests. */
int loop_turn(struct loop *l, int max_wait_ms);

/* EVENTS: POLLIN, POLLOUT; 0 pauses the handle, a hang-up is not told either. CB gets revents. The
 * loop does not own FD. NULL when out of memory. */
struct loop_fd *loop_fd_add(struct loop *l, int fd, short events,
                            void (*cb)(void *arg, short revents), void *arg);
void loop_fd_events(struct loop_fd *f, short events);
void loop_fd_del(struct loop_fd *f); /* NULL is fine, here and below */

/* A timer is made idle. Set: fires once, DELAY_MS from now (>= 0), by clock_mono_ms(). Setting it
 * again moves it. Timers are in a heap: set and cancel are O(log n). */
struct loop_timer *loop_timer_new(struct loop *l, void (*cb)(void *arg), void *arg);
void loop_timer_set(struct loop_timer *t, int64_t delay_ms);
void loop_timer_set_at(struct loop_timer *t, int64_t mono_ms);
void loop_timer_cancel(struct loop_timer *t);
void loop_timer_del(struct loop_timer *t);

/* Blocks SIGNO and calls CB from the loop when it arrives. 0 or a negative error (ERR_EXISTS: it
 * has a handler). Children inherit the blocked mask: who spawns one resets it. */
int loop_signal(struct loop *l, int signo, void (*cb)(void *arg, int signo), void *arg);

/* Calls CB once when child PID has ended, with waitpid's status (the loop reaps it, by pidfd: it
 * may have ended before). ERR_NOTFOUND: no such process. */
int loop_child(struct loop *l, pid_t pid, void (*cb)(void *arg, pid_t pid, int status), void *arg);

/* Foreign event sources (net-snmp, libcurl), asked anew every turn.
 * prepare: writes at most CAP entries to FDS, returns how many it has (if more than CAP it is
 * called again with more room), lowers *TIMEOUT_MS (-1: none) if it must be called sooner.
 * dispatch: gets the same entries with revents; called every turn, also when none is ready. */
struct loop_source {
    int (*prepare)(void *arg, struct pollfd *fds, int cap, int *timeout_ms);
    void (*dispatch)(void *arg, struct pollfd *fds, int n);
    void *arg;
};
/* SRC is kept by pointer until removed. */
int loop_source_add(struct loop *l, struct loop_source *src);
void loop_source_del(struct loop *l, struct loop_source *src);

/* CB runs at the end of every turn, in the order added. */
int loop_turn_hook(struct loop *l, void (*cb)(void *arg), void *arg);

#endif
