/* Which conditions depend on what: an index both ways, in edges. Finding the dependents of one
 * thing costs as much as it has dependents. */
#ifndef EVAL_DEPS_H
#define EVAL_DEPS_H

#include <stddef.h>
#include <stdint.h>

#include "eval/idmap.h"
#include "eval/protocol.h"

struct dep_edge;

/* One condition's side, inside the caller's structure; all zeros depends on nothing. */
struct dependent {
    struct dep_edge *edges; /* owned; n of them in one block */
    uint32_t n;
};

/* All zeros is an empty index. */
struct deps {
    struct idmap heads; /* dependency -> first of its edges */
};

/* Release the index when no dependent has edges any more. */
void deps_release(struct deps *d);
/* D depends on exactly these from now on (big-endian u64, as they come in a result). ERR_NOMEM: it
 * depends on EVAL_DEP_ANY if that much memory is left, on nothing otherwise. */
int deps_set(struct deps *d, struct dependent *who, const uint8_t *deps, uint32_t n);
void deps_clear(struct deps *d, struct dependent *who);
/* The I-th of the dependencies of WHO (I < who->n). */
eval_dep deps_at(const struct dependent *who, uint32_t i);
/* Calls CB for every dependent of DEP; CB does not change the index. */
void deps_each(const struct deps *d, eval_dep dep, void (*cb)(void *arg, struct dependent *who),
               void *arg);

#endif
