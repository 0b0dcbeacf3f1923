/* When a process that ended is started again, and what of that is worth a line in the log: the
 * first end, one line when the back-off has reached its most, one when it has settled; an end that
 * is as the one before is not told again. */
#ifndef DAEMON_BACKOFF_H
#define DAEMON_BACKOFF_H

#include <stdbool.h>
#include <stdint.h>

enum {
    BACKOFF_FIRST_MS = 1000,
    BACKOFF_MOST_MS = 60 * 1000,
    BACKOFF_SETTLED_MS = 60 * 1000, /* who ran so long starts with the first back-off again */
    BACKOFF_WHY_MAX = 128,
};

struct backoff {      /* all zero: nothing ended yet */
    int64_t delay_ms; /* the last one */
    uint32_t ends;    /* since it was settled */
    bool most;        /* that the delay is the longest was told */
    uint32_t spared;  /* ends that were followed by a start at once */
    int64_t spared_mono_ms;
    char why[BACKOFF_WHY_MAX]; /* the last end that was told */
};

enum backoff_say { BACKOFF_SAY_NOTHING, BACKOFF_SAY_ENDED, BACKOFF_SAY_LOOPS };

/* It ended after RAN_MS, or could not be started (0). Returns the milliseconds until it is started
 * again. */
int64_t backoff_ended(struct backoff *b, int64_t ran_ms, const char *why,
                      enum backoff_say *ret_say);

/* For those that are killed as a matter of course: may it be started again at once, without a line?
 * It may unless it lived shorter than that takes, or many ended within seconds. */
bool backoff_spare(struct backoff *b, int64_t ran_ms, int64_t now_mono_ms);

/* It has run for RAN_MS: true, once, if that settles it after RET_ENDS ends. */
bool backoff_settled(struct backoff *b, int64_t ran_ms, uint32_t *ret_ends);

#endif
