/* What was sent to the evaluator and not yet answered, in the order sent. */
#ifndef EVAL_FLIGHT_H
#define EVAL_FLIGHT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { FLIGHT_MAX = 4096 };

struct flight_entry {
    uint32_t condition_id, generation;
    uint64_t change; /* count of changes when it was sent */
    uint64_t octets; /* sent to the evaluator by then */
};

/* All zeros is empty. */
struct flight {
    struct flight_entry slots[FLIGHT_MAX];
    size_t first, n;
};

static inline bool flight_full(const struct flight *f)
{
    return f->n == FLIGHT_MAX;
}
static inline const struct flight_entry *flight_first(const struct flight *f)
{
    return f->n ? &f->slots[f->first] : NULL;
}
static inline void flight_push(struct flight *f, struct flight_entry e) /* not when full */
{
    f->slots[(f->first + f->n++) % FLIGHT_MAX] = e;
}
static inline struct flight_entry flight_pop(struct flight *f) /* not when empty */
{
    struct flight_entry e = f->slots[f->first];

    f->first = (f->first + 1) % FLIGHT_MAX;
    f->n--;
    return e;
}
static inline struct flight_entry flight_pop_last(struct flight *f) /* not when empty */
{
    return f->slots[(f->first + --f->n) % FLIGHT_MAX];
}

#endif
