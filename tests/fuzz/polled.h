/* A poller on its own loop, whose sources are asked by hand; the core's end of its channel checks
 * what comes out. For the targets that play a server. */
#ifndef TESTS_FUZZ_POLLED_H
#define TESTS_FUZZ_POLLED_H

#include "base/loop.h"
#include "poll/poll.h"

struct polled;

/* SOURCES: elements of <sources> in a configuration. */
struct polled *polled_new(const char *sources);

/* Sources are as new, nothing is known of earlier polls; then the Nth (from 0) is polled, from the
 * next turn on. */
void polled_begin(struct polled *p, size_t n);
/* A turn of the loop, waiting at most MAX_WAIT_MS. True: the poll has ended. */
bool polled_turn(struct polled *p, int max_wait_ms);
/* After the end. */
const struct poll_status *polled_status(const struct polled *p);

#endif
