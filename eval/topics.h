/* The evaluator's topics: parsed documents, by name, each with the sample before. */
#ifndef EVAL_TOPICS_H
#define EVAL_TOPICS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/json.h"
#include "eval/idmap.h"
#include "eval/protocol.h"

struct sample; /* a parsed document, shared by now and before when the content did not change */

struct topic {
    uint32_t id, nreaders;
    uint32_t *readers;                 /* rising; none: everyone */
    struct sample *now, *before;       /* before: NULL until there is one */
    int64_t taken_ms, before_taken_ms; /* by the boot clock */
    struct topic *same_hash;           /* next with the same hash of its name */
    char name[];
};

/* All zeros is empty. */
struct topics {
    struct idmap by_id, by_hash;
    struct topic **by_name; /* every topic; in the order of names after topics_sort() */
    size_t n, cap;
    bool sorted;
};

/* A new sample, maybe a new topic. JSON that does not parse: ERR_SYNTAX, the content stays (the
 * readers are changed all the same). ERR_NOMEM: nothing changed. */
int topics_put(struct topics *t, const struct eval_topic *in, struct err *e);
/* A new sample with the same content. Unknown topics are ignored, here and in drop: their first
 * text did not parse. */
void topics_same(struct topics *t, uint32_t id, int64_t taken_ms);
void topics_drop(struct topics *t, uint32_t id);
void topics_release(struct topics *t);

/* NULL if there is none, or OWNER may not read it. */
const struct topic *topics_find(const struct topics *t, const char *name, uint32_t owner);
bool topic_readable(const struct topic *topic, uint32_t owner);
const jv *sample_root(const struct sample *s);

/* Put by_name in order; to be called before the names are walked. */
void topics_sort(struct topics *t);

#endif
