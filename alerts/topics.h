/* Topics as the core holds them: the last good sample of each, who may read it, and their rows in
 * saTopicTable and saMetricTable (volatile, written at most once a second). */
#ifndef ALERTS_TOPICS_H
#define ALERTS_TOPICS_H

#include "store/store.h"

enum { TOPIC_METRICS_MAX = 1000, TOPIC_PATH_MAX = 255 };

struct topics;
struct topic {
    uint32_t id;     /* of this process, for the evaluator; never 0, never reused */
    uint32_t source; /* the source's id */
    char *name;
    int64_t updated_ms;      /* wall, for people */
    int64_t updated_mono_ms; /* for ages */
    void *json;
    size_t len;
};

/* Who may read the topics of a source: names of owners, kept by the caller until the source is
 * dropped. */
struct topic_source {
    uint32_t id;
    const char *name;
    char (*readers)[33];
    size_t nreaders;
};

struct topics *topics_new(void);
void topics_free(struct topics *x);

/* At start, in a TXN_WRITE_SAMPLES: rows of an earlier life go (their samples are old), but a topic
 * that comes again keeps its id. */
int topics_load(struct topics *x, struct txn *t);

/* A sample, taken at WALL_MS and MONO_MS. JSON is a valid document and is copied. Returns the
 * topic, borrowed until topics_gone, or NULL when out of memory or beyond TOPICS_MAX. A topic of
 * another source (see its `source`) is left as it is. */
enum { TOPICS_MAX = 100000 };
struct topic *topics_sample(struct topics *x, const struct topic_source *s, const char *name,
                            int64_t wall_ms, int64_t mono_ms, const void *json, size_t len);
/* Others may read the topic from now on: the readers of S, its source. Its id stays; rows come and
 * go with the next flush. ERR_NOMEM: nothing has changed. */
int topics_set_readers(struct topics *x, uint32_t id, const struct topic_source *s);
/* The topic is no more (a row that vanished from its table). Returns its id, 0 if unknown. */
uint32_t topics_gone(struct topics *x, uint32_t source, const char *name);
const struct topic *topics_find(const struct topics *x, const char *name);
const struct topic *topics_by_id(const struct topics *x, uint32_t id);
size_t topics_count(const struct topics *x);
void topics_each(struct topics *x, void (*cb)(void *arg, struct topic *topic), void *arg);

bool topics_dirty(const struct topics *x);
/* Writes what changed since the last flush, in a TXN_WRITE_SAMPLES. Nothing may come between this
 * and telling whether the transaction was committed; what was not is written by the next flush. */
int topics_flush(struct topics *x, struct txn *t);
void topics_flushed(struct topics *x, bool committed);

/* One leaf of a document. */
struct metric {
    char path[TOPIC_PATH_MAX + 1]; /* "apps[3].state"; "" for a bare value */
    int type;                      /* null(1), boolean(2), number(3), string(4) */
    char text[256];
    int64_t integer; /* rounded to nearest, clamped to Integer32 */
    int64_t gauge;   /* rounded to nearest, clamped to 0 .. 2^63 - 1 */
};
/* Calls CB for the leaves in document order, at most TOPIC_METRICS_MAX; leaves whose path is longer
 * than TOPIC_PATH_MAX are left out. ERR_SYNTAX if it is no JSON. */
int metrics_each(const void *json, size_t len, int (*cb)(void *arg, const struct metric *m),
                 void *arg);

#endif
