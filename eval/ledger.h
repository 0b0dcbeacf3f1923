/* What the client knows: topics, conditions, what depends on what, and which conditions are due.
 * No input or output. */
#ifndef EVAL_LEDGER_H
#define EVAL_LEDGER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "eval/deps.h"
#include "eval/idmap.h"
#include "eval/protocol.h"

/* A topic's text at one sample. */
struct text {
    uint8_t *data; /* NULL: there is none */
    size_t len;
    uint64_t version;
    int64_t taken_ms;
};

struct known_topic {
    uint32_t id, nreaders;
    char *name;
    uint8_t *readers; /* big-endian, as they are sent */
    struct text now, before;
    bool before_same; /* the sample before had now's content; `before` has no data, only a time */
    uint64_t changed; /* when its content, its readers or its being did (count of changes) */
    uint64_t sampled; /* when its sample before did */
};

enum listed { LISTED_NOT, LISTED_DIRTY, LISTED_QUEUED };

struct condition {
    struct dependent deps; /* first: a dependent is its condition */
    uint32_t id, owner;
    uint32_t generation; /* another one with each text */
    struct slice text;   /* owned */
    struct slice event;  /* owned; NULL: none */
    enum listed listed;
    struct condition *next, *prev; /* in the list that `listed` names */
    bool in_flight;
    bool again; /* to be queued when it comes back */
};

struct condition_list {
    struct condition *first, *last;
    size_t n;
};

/* All zeros is empty. Dirty: to be evaluated at the next flush. Queued: to be sent. */
struct ledger {
    struct idmap topics, topics_by_name, conditions;
    struct deps deps;
    struct condition_list dirty, queue;
    uint64_t change;        /* counts changes */
    uint64_t names_changed; /* when the set of names, or who may read which, did */
    uint32_t generation;
};

void ledger_release(struct ledger *l);

/* IN's version is set. *RET_SAME: only the sample is new, content and readers are not. Marks who
 * depends on what changed. ERR_RANGE, ERR_INVALID, ERR_EXISTS, ERR_NOMEM: nothing changed. */
int ledger_topic_set(struct ledger *l, struct eval_topic *in, bool *ret_same);
int ledger_topic_del(struct ledger *l, uint32_t id); /* ERR_NOTFOUND */
/* The evaluator could not parse this version: the text before it is in force again. */
void ledger_topic_refused(struct ledger *l, uint32_t id, uint64_t version);

/* *RET_SAME: nothing differs, nothing is due. */
int ledger_condition_set(struct ledger *l, uint32_t id, uint32_t owner, struct slice text,
                         bool *ret_same);
/* What C sees as globals. ERR_RANGE, ERR_NOMEM: nothing changed. */
int ledger_condition_event(struct condition *c, struct slice json);
int ledger_condition_del(struct ledger *l, uint32_t id);
struct condition *ledger_condition(const struct ledger *l, uint32_t id); /* NULL: unknown */

void ledger_mark(struct ledger *l, struct condition *c); /* due at the next flush */
/* To be sent now; if it is in flight, when it comes back. FIRST: before all others. */
void ledger_queue(struct ledger *l, struct condition *c, bool first);
size_t ledger_flush(struct ledger *l);           /* queue the dirty ones; how many */
struct condition *ledger_next(struct ledger *l); /* the first of the queue leaves it; NULL: empty */

/* Take over what an answer says it depends on. SENT: the count of changes when it was asked for; if
 * something that it depends on changed since, the answer is old: true. */
bool ledger_learn(struct ledger *l, struct condition *c, const uint8_t *deps, uint32_t n,
                  uint64_t sent);

#endif
