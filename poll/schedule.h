/* When a source is polled: on a grid of its own, interval apart, whose place in the interval comes
 * from the source's name, so that many sources spread evenly and keep apart after a restart. Pure:
 * time is handed in, monotonic. */
#ifndef POLL_SCHEDULE_H
#define POLL_SCHEDULE_H

#include <stdint.h>

struct schedule {
    int64_t interval_ms;
    int64_t phase_ms; /* polls are due at phase + n * interval */
};

enum { SCHEDULE_FIRST_WITHIN_MS = 1000 };

/* Returns when the first poll is due: soon, within a second or the interval. */
int64_t schedule_init(struct schedule *s, uint64_t spread, int64_t interval_ms, int64_t now_ms);
/* The grid starts anew at NOW (a poll by hand). */
void schedule_restart(struct schedule *s, int64_t now_ms);
/* Returns when the next one is due, for a poll that began and has ended: the first point of the
 * grid behind NOW that is at least half an interval after BEGAN. Points that passed while a poll
 * was running are left out. */
int64_t schedule_next(const struct schedule *s, int64_t began_ms, int64_t now_ms);

#endif
