/* Instances: the rows of saAlertTable and their history. A verdict becomes a row's new state, a
 * history row and the notices of the transition, all in the caller's transaction. */
#ifndef ALERTS_INSTANCE_H
#define ALERTS_INSTANCE_H

#include "alerts/judge.h"
#include "alerts/notice.h"

/* A definition's settings, read from its row. */
struct definition {
    char owner[33], name[33], service[33], description[256];
    struct judge_rules rules; /* stale_ms for a source of the definition's own interval;
                               * tolerance 0: saSystemRepeatTolerance */
    int64_t interval_ms;
    int64_t stale_multiplier;
    bool notify_recovery, disabled;
};
/* From a row of saDefinitionTable; false when the key is not one. */
bool definition_read(struct definition *ret, const struct row *r);

/* The active segments of a script, joined in their order, into B; SCRIPT is the key of its row. 0,
 * ERR_FULL (it is longer than B takes), or the transaction's error. */
int script_text(struct txn *t, const struct key *script, struct buf *b);
/* Has it expressions of levels (critCondition and its like)? */
bool definition_has_levels(const struct row *definition);
/* The text that is to be run, into B: CONDITION, or, unless SCRIPT is empty, that script's, which
 * is OWNER's or admin's. ERR_NOTFOUND: it names a script that is not there, not active, or without
 * text. */
int condition_text(struct txn *t, const char *owner, struct slice condition, const char *script,
                   struct buf *b);
/* Likewise, of a definition; and, if it has any, behind it the expressions of levels, as
 * eval_client_condition_set() takes them. */
int definition_text(struct txn *t, const struct row *definition, struct buf *b);

/* A verdict with its texts, borrowed. */
struct instance_verdict {
    enum verdict_kind kind;
    enum sa_level level;
    unsigned asked, holds; /* as in struct judge_said */
    const char *value, *message, *error;
};

struct instance_result {
    bool changed;   /* some durable cell is (or would be) other than before */
    uint32_t alert; /* id; 0 when only looked and the row is not there yet */
    struct judge_transition transition;
    int64_t due_mono; /* evaluate again then; 0: only by interval */
};

/* What the verdict would do, in any transaction; writes nothing. */
int instance_look(struct txn *t, const struct definition *d, const char *instance,
                  const struct instance_verdict *v, const struct judge_now *now,
                  struct instance_result *ret);
/* Does it. DIGEST_MS_OF as in notice_tell. */
int instance_apply(struct txn *t, const struct definition *d, const char *instance,
                   const struct instance_verdict *v, const struct judge_now *now,
                   notice_digest_fn digest_ms_of, void *arg, struct instance_result *ret);

/* An alert that is moved by others than a condition (alerts/raise.h). Its row is there, without a
 * hold that runs. Borrowed. */
struct instance_push {
    const struct definition *d;
    uint32_t alert;
    const char *instance, *message; /* message "": what is known */
    enum sa_level to;               /* at once */
    enum sa_reason reason;          /* disabled: nobody is told, as by instances_close */
};
int instance_push(struct txn *t, const struct instance_push *p, const struct judge_now *now,
                  notice_digest_fn digest_ms_of, void *arg, bool *ret_moved);

/* The definition was disabled: its instances are closed, nobody is told of each (the definition's
 * own notice says it). Deleted: closed with history, and their rows go. *RET_CLOSED: how many were
 * active. */
int instances_close(struct txn *t, const char *owner, const char *definition, enum sa_reason reason,
                    const struct judge_now *now, unsigned *ret_closed);
/* The condition was edited: what is pending or clearing, and results in a row, start again. */
int instances_edited(struct txn *t, const char *owner, const char *definition);
/* At start: holds are frozen for the downtime. Visits rows with a running hold only. */
int instances_resume(struct txn *t, int64_t alive_mono, int64_t now_mono);
/* The highest level of a definition's instances. */
enum sa_level instances_level(struct txn *t, const char *owner, const char *definition);
/* How many of them have each level, by level. */
void instances_count(struct txn *t, const char *owner, const char *definition,
                     uint32_t ret[LEVEL_UNKNOWN + 1]);
/* Calls CB for each instance of a definition. */
int instances_each(struct txn *t, const char *owner, const char *definition,
                   int (*cb)(void *arg, struct txn *t, uint32_t alert), void *arg);

#endif
