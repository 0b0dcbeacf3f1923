#include "alerts/judge.h"

/* Invariants, at entry and exit of every function here:
 *   phase INACTIVE  <=> level OK and no pending level
 *   phase PENDING   <=> level OK and a pending level
 *   phase ACTIVE    <=> level not OK   (a pending level then outranks it)
 *   active_since_ms != 0 <=> level not OK */

static const int rank_of[] = {
    [LEVEL_OK] = 0,      [LEVEL_INFO] = 1,     [LEVEL_UNKNOWN] = 2,
    [LEVEL_WARNING] = 3, [LEVEL_CRITICAL] = 4,
};

int level_rank(enum sa_level l)
{
    return l >= LEVEL_OK && l <= LEVEL_UNKNOWN ? rank_of[l] : 0;
}

void judge_init(struct judge_state *s, const struct judge_now *now)
{
    *s = (struct judge_state){
        .level = LEVEL_OK,
        .previous_level = LEVEL_OK,
        .phase = PHASE_INACTIVE,
        .since_ms = now->wall_ms,
    };
}

static void drop_pending(struct judge_state *s)
{
    s->pending_level = 0;
    s->held_ms = 0;
    s->pending_since_mono = 0;
}

static void set_phase(struct judge_state *s)
{
    if (s->level != LEVEL_OK)
        s->phase = PHASE_ACTIVE;
    else
        s->phase = s->pending_level ? PHASE_PENDING : PHASE_INACTIVE;
}

static struct judge_transition move(struct judge_state *s, enum sa_level to, enum sa_reason reason,
                                    const struct judge_now *now)
{
    struct judge_transition t = {
        .happened = true,
        .from = s->level,
        .to = to,
        .reason = reason,
        .kind = s->level == LEVEL_OK ? KIND_RAISE
                : to == LEVEL_OK     ? KIND_CLEAR
                                     : KIND_CHANGE,
    };

    if (s->level == LEVEL_OK)
        s->active_since_ms = now->wall_ms;
    t.in_ms = s->active_since_ms;
    if (to == LEVEL_OK) {
        t.out_ms = now->wall_ms;
        s->active_since_ms = 0;
    }
    s->previous_level = s->level;
    s->level = to;
    s->since_ms = now->wall_ms;
    drop_pending(s);
    set_phase(s);
    return t;
}

/* The level that a policy asks for; 0: leave everything as it is. */
static enum sa_level policy_level(enum sa_policy p, const struct judge_rules *r)
{
    switch (p) {
    case POLICY_OK:
        return LEVEL_OK;
    case POLICY_ALERTING:
        return r->severity;
    case POLICY_UNKNOWN:
        return LEVEL_UNKNOWN;
    case POLICY_KEEP_LAST:
        break;
    }
    return 0;
}

static enum sa_level no_data_level(struct judge_state *s, const struct judge_rules *r,
                                   const struct judge_now *now, int64_t *due_mono)
{
    if (!s->no_data_since_mono)
        s->no_data_since_mono = now->mono_ms;
    if (r->no_data != POLICY_KEEP_LAST)
        return policy_level(r->no_data, r);
    if (now->mono_ms - s->no_data_since_mono >= r->stale_ms)
        return LEVEL_UNKNOWN;
    *due_mono = s->no_data_since_mono + r->stale_ms;
    return 0;
}

/* The level that the verdict stands for, 0: none. */
static enum sa_level choose(struct judge_state *s, const struct judge_rules *r,
                            enum verdict_kind kind, enum sa_level level,
                            const struct judge_now *now, enum sa_reason *reason, int64_t *due_mono)
{
    *reason = REASON_CONDITION;
    if (kind == VERDICT_SKIPPED)
        return 0;
    s->flags &= ~(unsigned)(ALERT_FLAG_NO_DATA | ALERT_FLAG_ERROR);
    if (kind != VERDICT_NODATA)
        s->no_data_since_mono = 0;
    switch (kind) {
    case VERDICT_TRUE:
        return r->severity;
    case VERDICT_FALSE:
        return LEVEL_OK;
    case VERDICT_LEVEL:
        return level;
    case VERDICT_NODATA:
        *reason = REASON_NO_DATA;
        s->flags |= ALERT_FLAG_NO_DATA;
        return no_data_level(s, r, now, due_mono);
    case VERDICT_ERROR:
        *reason = REASON_ERROR;
        s->flags |= ALERT_FLAG_ERROR;
        return policy_level(r->on_error, r);
    case VERDICT_SKIPPED:
        break;
    }
    return 0;
}

/* A level above the present one: hold it until it has lasted. */
static bool held_long_enough(struct judge_state *s, const struct judge_rules *r, enum sa_level to,
                             const struct judge_now *now)
{
    int64_t held;

    if (r->hold_ms <= 0)
        return true;
    if (!s->pending_level || level_rank(to) > level_rank(s->pending_level)) {
        s->held_ms = 0;
        s->pending_since_mono = now->mono_ms;
    }
    /* Down to a lower pending level: it has been at least that high since the hold began. */
    s->pending_level = to;
    held = s->held_ms + (now->mono_ms - s->pending_since_mono);
    return held >= r->hold_ms;
}

static int64_t earlier(int64_t a, int64_t b)
{
    if (!a || !b)
        return a ? a : b;
    return a < b ? a : b;
}

struct judge_transition judge(struct judge_state *s, const struct judge_rules *rules,
                              enum verdict_kind kind, enum sa_level verdict_level,
                              const struct judge_now *now, int64_t *ret_due_mono)
{
    struct judge_transition t = {.happened = false};
    enum sa_reason reason;
    enum sa_level to;
    int64_t due = 0;

    s->flags &= ~(unsigned)ALERT_FLAG_DISABLED;
    to = choose(s, rules, kind, verdict_level, now, &reason, &due);
    if (to && to == s->level) {
        drop_pending(s);
    } else if (to && level_rank(to) < level_rank(s->level)) {
        t = move(s, to, reason, now);
    } else if (to && held_long_enough(s, rules, to, now)) {
        t = move(s, to, reason, now);
    }
    set_phase(s);
    if (s->pending_level)
        due = earlier(due, s->pending_since_mono + rules->hold_ms - s->held_ms);
    /* A moment that is past (a hold that lasts while there is no data) waits for the interval. */
    *ret_due_mono = due > now->mono_ms ? due : 0;
    return t;
}

struct judge_transition judge_close(struct judge_state *s, enum sa_reason reason,
                                    const struct judge_now *now)
{
    struct judge_transition t = {.happened = false};

    s->flags = reason == REASON_DISABLED ? ALERT_FLAG_DISABLED : 0;
    s->no_data_since_mono = 0;
    drop_pending(s);
    if (s->level != LEVEL_OK)
        t = move(s, LEVEL_OK, reason, now);
    set_phase(s);
    return t;
}

void judge_resume(struct judge_state *s, int64_t alive_mono, int64_t now_mono)
{
    if (s->pending_level) {
        if (alive_mono > s->pending_since_mono)
            s->held_ms += alive_mono - s->pending_since_mono;
        s->pending_since_mono = now_mono;
    }
    if (s->no_data_since_mono) {
        int64_t lasted = alive_mono - s->no_data_since_mono;

        s->no_data_since_mono = now_mono - (lasted > 0 ? lasted : 0);
        if (s->no_data_since_mono <= 0)
            s->no_data_since_mono = 1;
    }
}

void judge_edited(struct judge_state *s)
{
    drop_pending(s);
    s->no_data_since_mono = 0;
    set_phase(s);
}
