/* The core's side of the evaluator: keeps what the evaluator must know (topics, conditions), finds
 * out which conditions a change concerns, sends them in batches and turns the answers into
 * verdicts. It never blocks, runs no JavaScript itself and takes every frame of the evaluator as
 * hostile.
 *
 * A turn of the caller: topic_set / topic_del / condition_set / run ... as things change, then one
 * flush. Verdicts arrive from the loop, in the order sent; when all have arrived on_idle is called.
 * Without an evaluator everything is kept and sent when one is attached.
 *
 * What is evaluated at a flush: new and changed conditions, those given to run(), and those that
 * read, at their last evaluation, something that changed since: a topic's content, its sample
 * before, a name that was absent, the set of names. The cost is O(changed + concerned); conditions
 * that are not concerned cost nothing. A condition whose topic changes while it is being evaluated
 * is evaluated again without another flush. */
#ifndef EVAL_CLIENT_H
#define EVAL_CLIENT_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "base/loop.h"
#include "eval/protocol.h" /* EVAL_SCRIPT_MAX and the other limits */
#include "eval/verdict.h"

/* An evaluator that gives no answer for 200 ms of its CPU time (more where it must first parse
 * large topics) is killed; peer.h has the figures. */

struct eval_client;

/* Callbacks come from the loop or from eval_client_attach/detach; each may call any function of the
 * client except eval_client_free(). Only on_verdict must be given. */
struct eval_client_options {
    struct loop *loop;
    /* V is borrowed for the call. A condition deleted or changed meanwhile gets no verdict of its
     * old text. */
    void (*on_verdict)(void *arg, uint32_t condition_id, const struct verdict *v);
    /* The JSON of this topic did not parse; the content before it stays in force. */
    void (*on_topic_error)(void *arg, uint32_t topic_id, const char *text);
    /* Everything that was flushed has been answered. */
    void (*on_idle)(void *arg);
    /* The evaluator is gone (died, killed, broke the protocol): attach a new one, please. Called
     * once for each that was attached. Its pid is the caller's to reap. */
    void (*need_evaluator)(void *arg);
    /* A fault of the evaluator, for the log and the self-alert. CONDITION_ID: whose evaluation it
     * was (it gets a VERDICT_ERROR too), 0 if not known. */
    void (*on_kill)(void *arg, uint32_t condition_id, const char *why);
    void *arg;
};

struct eval_stats {
    uint64_t evaluations; /* verdicts received */
    uint64_t saved;       /* evaluations that a full pass at each flush would have done besides */
    uint64_t faults;      /* verdicts of kind error */
    uint64_t kills;       /* evaluators that were killed or died */
    uint64_t attached;    /* evaluators attached so far */
    uint32_t conditions, topics; /* known now */
    uint32_t in_flight, queued;  /* sent, not answered; flushed, not sent */
};

/* NULL when out of memory. O is copied. */
struct eval_client *eval_client_new(const struct eval_client_options *o);
void eval_client_free(struct eval_client *c); /* kills the evaluator, calls nothing */

/* Take over the evaluator that eval_spawn() made: FD and PIDFD are the client's from here (also on
 * failure), PID names its CPU clock. Everything known is sent to it, then evaluation goes on:
 * behind the condition that killed the one before. ERR_EXISTS if one is attached. */
int eval_client_attach(struct eval_client *c, int fd, int pidfd, pid_t pid);
/* Kill the evaluator without blame (stop, upgrade); need_evaluator is not called. */
void eval_client_detach(struct eval_client *c);

/* A topic's sample: NAME (1..EVAL_NAME_MAX octets of UTF-8), who may read it (0 readers: everyone),
 * when it was taken (by clock_mono_ms), its JSON text (copied). Making a new one, other readers,
 * another content and a new sample with the same content each concern only those who could tell the
 * difference. A topic's name cannot change, and no two topics share one: ERR_EXISTS. Ids are any
 * number but 0. ERR_RANGE, ERR_INVALID, ERR_NOMEM; then nothing changed. */
int eval_client_topic_set(struct eval_client *c, uint32_t topic_id, const char *name,
                          const uint32_t *readers, size_t nreaders, int64_t taken_ms,
                          const void *json, size_t len);
int eval_client_topic_del(struct eval_client *c, uint32_t topic_id); /* ERR_NOTFOUND */

/* Make or change a condition; it is evaluated at the next flush (not if nothing differs). TEXT
 * (copied) is the condition's, or those of all enum verdict_part with a 0 octet between them, empty
 * where there is none. Ids are any number but 0. ERR_RANGE (longer than EVAL_SCRIPT_MAX, or a part
 * than EVAL_LEVEL_MAX), ERR_INVALID (another number of 0 octets, invalid UTF-8), ERR_NOMEM; then
 * nothing changed. */
int eval_client_condition_set(struct eval_client *c, uint32_t condition_id, uint32_t owner_id,
                              const void *text, size_t len);
/* Make a condition about one event: it sees each member of JSON, the text of an object of at most
 * EVAL_EVENT_MAX octets, as a global. Else as condition_set; ERR_EXISTS: the id is taken. Once it
 * has its verdict it is to be deleted. */
int eval_client_event_set(struct eval_client *c, uint32_t condition_id, uint32_t owner_id,
                          struct slice text, struct slice json);
int eval_client_condition_del(struct eval_client *c, uint32_t condition_id); /* ERR_NOTFOUND */

/* Due now, whatever changed (its interval has passed). ERR_NOTFOUND. */
int eval_client_run(struct eval_client *c, uint32_t condition_id);

/* Calls CB for each topic whose content the condition read at its last evaluation; CB changes
 * nothing. For staleness: the core knows how old each topic may be. */
void eval_client_reads(const struct eval_client *c, uint32_t condition_id,
                       void (*cb)(void *arg, uint32_t topic_id), void *arg);

/* Did it look for a topic that was not there (for its owner)? */
bool eval_client_missed(const struct eval_client *c, uint32_t condition_id);

/* Queue what is dirty or due and send what the evaluator can take. 0, also without an evaluator. */
int eval_client_flush(struct eval_client *c);

void eval_client_stats(const struct eval_client *c, struct eval_stats *ret);

#endif
