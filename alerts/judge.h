/* The judge: what one evaluation's verdict makes of one instance. Pure: state, rules, verdict and
 * time in; the new state and at most one transition out. No store, no clock, no I/O.
 *
 * Order within one evaluation: value, no-data and error policy, level choice, hold time.
 *
 *              verdict above level, hold > 0            held long enough
 *   inactive ------------------------------> pending -------------------> active
 *      ^  ^------------ back to OK ------------'                            |
 *      '------------------------- verdict OK -------------------------------'
 *
 * While active, a rise to a higher level is held likewise (the lower one stays active meanwhile); a
 * fall is immediate. UNKNOWN never ends an active alert: it is one of the levels that are not OK.
 */
#ifndef ALERTS_JUDGE_H
#define ALERTS_JUDGE_H

#include <stdbool.h>
#include <stdint.h>

#include "eval/verdict.h"
#include "mibs/schema.h"

struct judge_rules {
    enum sa_level severity;
    int64_t hold_ms;  /* timeThresholdMillis: must hold for at least this long */
    int64_t stale_ms; /* without data for this long: UNKNOWN (policy keepLast) */
    enum sa_policy no_data, on_error;
};

enum {
    ALERT_FLAG_NO_DATA = 1 << 0,
    ALERT_FLAG_ERROR = 1 << 1,
    ALERT_FLAG_DISABLED = 1 << 2,
    /* Not the judge's, which leaves them alone until the alert is closed (alerts/acknowledge.h). */
    ALERT_FLAG_ACKNOWLEDGED = 1 << 3,
    ALERT_FLAG_SUPPRESSED = 1 << 4,
};

/* What is kept of an instance. Times named _mono are clock_mono_ms(), the others wall ms. */
struct judge_state {
    enum sa_level level, previous_level;
    enum sa_phase phase;
    unsigned flags;              /* ALERT_FLAG_* */
    int64_t since_ms;            /* in `level` since */
    int64_t active_since_ms;     /* left OK at; 0: is OK */
    enum sa_level pending_level; /* 0: no hold runs */
    int64_t held_ms;             /* of the hold, before pending_since_mono (frozen while down) */
    int64_t pending_since_mono;
    int64_t no_data_since_mono; /* 0: had data at the last evaluation */
};

struct judge_transition {
    bool happened;
    enum sa_level from, to;
    enum sa_reason reason;
    enum sa_notice_kind kind; /* KIND_RAISE, KIND_CLEAR or KIND_CHANGE */
    int64_t in_ms, out_ms;    /* left OK at; came back at (0: still active) */
};

struct judge_now {
    int64_t wall_ms, mono_ms;
};

/* What a new instance starts as: OK since now, inactive. */
void judge_init(struct judge_state *s, const struct judge_now *now);

/* Apply a verdict to *S. Returns the transition. *RET_DUE_MONO: when the instance wants to be
 * evaluated for a timer of its own (hold time, staleness), 0: none. */
struct judge_transition judge(struct judge_state *s, const struct judge_rules *rules,
                              enum verdict_kind kind, enum sa_level verdict_level,
                              const struct judge_now *now, int64_t *ret_due_mono);

/* Bring it back to OK from outside (the definition was disabled or deleted). */
struct judge_transition judge_close(struct judge_state *s, enum sa_reason reason,
                                    const struct judge_now *now);

/* A restart: time passed while nobody looked does not count as held. ALIVE_MONO: the last moment
 * (of the clock that the state was written by) at which the judge was alive. */
void judge_resume(struct judge_state *s, int64_t alive_mono, int64_t now_mono);

/* An edit of the condition: what is pending starts again, what is active stays. */
void judge_edited(struct judge_state *s);

/* Order of severity: CRITICAL > WARNING > UNKNOWN > INFO > OK. */
int level_rank(enum sa_level l);

#endif
