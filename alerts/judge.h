/* The judge: what one evaluation's verdict makes of one instance. Pure: state, rules, verdict and
 * time in; the new state and at most one transition out. No store, no clock, no I/O.
 *
 * Order within one evaluation: value, no-data and error policy, level choice, hold or clear time
 * and repeat tolerance, flapping.
 *
 * Where an instance may go (judge_edges, which a test holds against this and the manual):
 *
 *   inactive    -> pending      not ok, and there is a hold time
 *   inactive    -> active soft  not ok, without a hold time
 *   inactive    -> active hard  not ok, and one result is enough
 *   pending     -> inactive     ok; or edited, or closed
 *   pending     -> active soft  held long enough
 *   pending     -> active hard  held long enough, and often enough
 *   active soft -> active hard  often enough not ok; or it flaps
 *   active soft -> inactive     ok; or closed
 *   active hard -> clearing     ok, and there is a clear delay
 *   active hard -> inactive     ok, without a clear delay; or closed
 *   clearing    -> active hard  not ok; or edited
 *   clearing    -> inactive     ok for long enough; or closed
 *
 * A hold that is not met keeps the level as it was; a tolerance that is not met keeps the new level
 * from being told. While active, a rise to a higher level is held likewise (the lower one stays
 * active meanwhile); a fall to a lower one is immediate. UNKNOWN never ends an active alert: it is
 * one of the levels that are not OK.
 */
#ifndef ALERTS_JUDGE_H
#define ALERTS_JUDGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "eval/verdict.h"
#include "mibs/schema.h"

/* Fewer results than this say nothing about flapping; more are not kept. */
enum { JUDGE_FLAP_LEAST = 3, JUDGE_FLAP_MOST = 100 };

struct judge_rules {
    enum sa_level severity;
    int64_t hold_ms;  /* timeThresholdMillis: must hold for at least this long */
    int64_t stale_ms; /* without data for this long: UNKNOWN (policy keepLast) */
    enum sa_policy no_data, on_error;
    int64_t clear_ms; /* clearDelayMillis: must be OK for at least this long before it is over */
    /* flapHistory (below JUDGE_FLAP_LEAST: off), flapLowPercent, flapHighPercent */
    unsigned flap_history, flap_low, flap_high;
    unsigned tolerance; /* so many results in a row that are not OK make it hard; 0 as 1 */
};

enum {
    ALERT_FLAG_NO_DATA = 1 << 0,
    ALERT_FLAG_ERROR = 1 << 1,
    ALERT_FLAG_DISABLED = 1 << 2,
    /* Not the judge's, which leaves them alone until the alert is closed (alerts/acknowledge.h). */
    ALERT_FLAG_ACKNOWLEDGED = 1 << 3,
    ALERT_FLAG_SUPPRESSED = 1 << 4,
    ALERT_FLAG_FLAPPING = 1 << 5, /* the judge's again */
};

/* What is kept of an instance. Times named _mono are clock_mono_ms(), the others wall ms. */
struct judge_state {
    enum sa_level level, previous_level;
    enum sa_phase phase;
    enum sa_firmness firmness;
    unsigned results;            /* not OK, in a row; 0: it is hard */
    unsigned flags;              /* ALERT_FLAG_* */
    int64_t since_ms;            /* in `level` since */
    int64_t active_since_ms;     /* left OK at; 0: is OK */
    enum sa_level pending_level; /* whose hold runs, 0: none; LEVEL_OK: the clear time runs */
    int64_t held_ms;             /* of that, before pending_since_mono (frozen while down) */
    int64_t pending_since_mono;
    int64_t no_data_since_mono; /* 0: had data at the last evaluation */
    /* Levels of the last results, the oldest first; those before them, which are as many as the
     * history lacks, were OK. */
    uint8_t ring[JUDGE_FLAP_MOST];
    uint8_t ring_len;
};

struct judge_transition {
    bool happened; /* the level is another one: that is a row of history */
    enum sa_level from, to;
    enum sa_reason reason;
    /* What is to be told: KIND_RAISE, KIND_CLEAR or KIND_CHANGE. 0: nothing, since the problem is
     * soft or flapping, or there is no transition. Without one: KIND_RAISE, it became hard; and
     * where it stands when it ceases to flap: KIND_CLEAR, or KIND_CHANGE, to whoever does not
     * know. */
    enum sa_notice_kind kind;
    enum judge_flap { FLAP_NONE, FLAP_BEGAN, FLAP_ENDED } flap; /* to be told, before KIND */
    int64_t in_ms, out_ms; /* left OK at; came back at (0: still active) */
};

/* What the definition's expressions came to. */
struct judge_said {
    enum verdict_kind kind; /* of the condition; FALSE, if there are only those of levels */
    enum sa_level level;    /* of VERDICT_LEVEL */
    /* 1 << enum verdict_part: which expressions of levels there are, and which of them are true.
     * Among them the highest true one at or above the alert's level counts; else, to fall, the
     * reset of that level must be true, if it has one, and then the first true one below counts.
     * The higher of what they and the condition say is the level. */
    unsigned asked, holds;
};

struct judge_now {
    int64_t wall_ms, mono_ms;
};

/* What a new instance starts as: OK since now, inactive. */
void judge_init(struct judge_state *s, const struct judge_now *now);

/* Apply a verdict to *S. Returns the transition. *RET_DUE_MONO: when the instance wants to be
 * evaluated for a timer of its own (hold time, staleness), 0: none. */
struct judge_transition judge(struct judge_state *s, const struct judge_rules *rules,
                              const struct judge_said *said, const struct judge_now *now,
                              int64_t *ret_due_mono);

/* Bring it back to OK from outside (the definition was disabled or deleted). */
struct judge_transition judge_close(struct judge_state *s, enum sa_reason reason,
                                    const struct judge_now *now);

/* A restart: time passed while nobody looked does not count as held. ALIVE_MONO: the last moment
 * (of the clock that the state was written by) at which the judge was alive. */
void judge_resume(struct judge_state *s, int64_t alive_mono, int64_t now_mono);

/* An edit of the condition: what is pending or clearing and results in a row start again, what is
 * active stays. */
void judge_edited(struct judge_state *s);

/* Where an instance is: its phase, and while it is active its firmness. */
enum judge_place { AT_INACTIVE, AT_PENDING, AT_SOFT, AT_HARD, AT_CLEARING };
enum judge_place judge_place(const struct judge_state *s);
const char *judge_place_name(enum judge_place at); /* "active soft" */

struct judge_edge {
    enum judge_place from, to;
    const char *when;
};
extern const struct judge_edge judge_edges[];
extern const size_t judge_nedges;

/* Order of severity: CRITICAL > WARNING > UNKNOWN > INFO > OK. */
int level_rank(enum sa_level l);

#endif
