/* What a storm of alerts makes durable, write by write: recorded once from our own code, and
 * committed again bare, without anything of ours above the database. */
#ifndef BENCH_STORM_H
#define BENCH_STORM_H

#include "bench/site.h"

enum storm_half { STORM_RAISE, STORM_CLEAR, STORM_HALVES };
struct storm_writes {
    struct storm_write *items;
    size_t n, cap;
    uint32_t notices;
    uint64_t puts, octets; /* the others are deletes; octets of keys and values put */
};
struct storm {
    struct storm_writes halves[STORM_HALVES];
};

/* Lets NOTICES definitions raise and end an alert each, in a store of its own below S's folder:
 * judged, told to one global target, claimed, delivered. Evaluating, sending and the rows of
 * handlers are not in it. */
void storm_record(struct storm *ret, const struct site *s, uint32_t notices);
/* Writes the same keys, with values as long, in the same order, in COMMITS commits. */
void storm_replay(const struct storm_writes *w, struct store *bare, uint32_t commits);
void storm_release(struct storm *x);

#endif
