#include "alerts/judge.h"

#include <string.h>

/* Invariants, at entry and exit of every function here:
 *   phase INACTIVE  <=> level OK and no pending level
 *   phase PENDING   <=> level OK and a pending level, which is not OK
 *   phase ACTIVE    <=> level not OK, and no pending level or one that outranks it
 *   phase CLEARING  <=> level not OK and OK pending; then it is hard
 *   active_since_ms != 0 <=> level not OK
 *   flapping => not soft
 *   the ring is empty, or begins with a level that is not OK
 *   soft => level not OK; hard and level not OK, or INACTIVE => results 0 */

const struct judge_edge judge_edges[] = {
    {AT_INACTIVE, AT_PENDING, "not ok, and there is a hold time"},
    {AT_INACTIVE, AT_SOFT, "not ok, without a hold time"},
    {AT_INACTIVE, AT_HARD, "not ok, and one result is enough"},
    {AT_PENDING, AT_INACTIVE, "ok; or edited, or closed"},
    {AT_PENDING, AT_SOFT, "held long enough"},
    {AT_PENDING, AT_HARD, "held long enough, and often enough"},
    {AT_SOFT, AT_HARD, "often enough not ok; or it flaps"},
    {AT_SOFT, AT_INACTIVE, "ok; or closed"},
    {AT_HARD, AT_CLEARING, "ok, and there is a clear delay"},
    {AT_HARD, AT_INACTIVE, "ok, without a clear delay; or closed"},
    {AT_CLEARING, AT_HARD, "not ok; or edited"},
    {AT_CLEARING, AT_INACTIVE, "ok for long enough; or closed"},
};
const size_t judge_nedges = sizeof judge_edges / sizeof *judge_edges;

enum judge_place judge_place(const struct judge_state *s)
{
    switch (s->phase) {
    case PHASE_PENDING:
        return AT_PENDING;
    case PHASE_ACTIVE:
        return s->firmness == FIRMNESS_SOFT ? AT_SOFT : AT_HARD;
    case PHASE_CLEARING:
        return AT_CLEARING;
    case PHASE_INACTIVE:
        break;
    }
    return AT_INACTIVE;
}

const char *judge_place_name(enum judge_place at)
{
    static const char *const names[] = {[AT_INACTIVE] = "inactive",
                                        [AT_PENDING] = "pending",
                                        [AT_SOFT] = "active soft",
                                        [AT_HARD] = "active hard",
                                        [AT_CLEARING] = "clearing"};

    return names[at];
}

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
        .firmness = FIRMNESS_HARD,
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
    if (s->level == LEVEL_OK)
        s->phase = s->pending_level ? PHASE_PENDING : PHASE_INACTIVE;
    else
        s->phase = s->pending_level == LEVEL_OK ? PHASE_CLEARING : PHASE_ACTIVE;
}

static bool is_soft(const struct judge_state *s)
{
    return s->firmness == FIRMNESS_SOFT;
}

/* Who hears of a move, by how firm the problem is before and after it. */
static enum sa_notice_kind told_as(const struct judge_state *s, enum sa_level to, bool soft)
{
    if (to == LEVEL_OK)
        return is_soft(s) ? 0 : KIND_CLEAR;
    if (soft)
        return 0;
    return s->level == LEVEL_OK || is_soft(s) ? KIND_RAISE : KIND_CHANGE;
}

/* SOFT: the level that it moves to is. */
static struct judge_transition move(struct judge_state *s, enum sa_level to, bool soft,
                                    enum sa_reason reason, const struct judge_now *now)
{
    struct judge_transition t = {
        .happened = true,
        .from = s->level,
        .to = to,
        .reason = reason,
        .kind = told_as(s, to, soft),
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
    s->firmness = soft ? FIRMNESS_SOFT : FIRMNESS_HARD;
    drop_pending(s);
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

/* ---- expressions of levels ---- */

/* Of level L, in a mask of struct judge_said. */
static bool raises(unsigned mask, enum sa_level l)
{
    return mask & 1U << (PART_CRIT + 2 * (LEVEL_CRITICAL - l));
}

static bool resets(unsigned mask, enum sa_level l)
{
    return mask & 1U << (PART_CRIT_RESET + 2 * (LEVEL_CRITICAL - l));
}

/* The highest true one from FROM down to TO; LEVEL_OK: none. */
static enum sa_level first_true(unsigned holds, enum sa_level from, enum sa_level to)
{
    while (from >= to && from > LEVEL_OK && !raises(holds, from))
        from--;
    return from >= to && from > LEVEL_OK ? from : LEVEL_OK;
}

/* What they come to from the level that the alert has; if that is not known, had before. */
static enum sa_level climb(const struct judge_state *s, const struct judge_said *said)
{
    enum sa_level at = s->level == LEVEL_UNKNOWN ? s->previous_level : s->level, up;

    if (at == LEVEL_UNKNOWN)
        at = LEVEL_OK;
    up = first_true(said->holds, LEVEL_CRITICAL, at);
    if (up != LEVEL_OK || at == LEVEL_OK)
        return up;
    if (resets(said->asked, at) && !resets(said->holds, at))
        return at;
    return first_true(said->holds, at - 1, LEVEL_INFO);
}

static enum sa_level higher(enum sa_level a, enum sa_level b)
{
    return level_rank(b) > level_rank(a) ? b : a;
}

/* ---- the level ---- */

/* The condition's own, which gave one. */
static enum sa_level level_said(const struct judge_rules *r, const struct judge_said *said)
{
    if (said->kind == VERDICT_LEVEL)
        return said->level;
    return said->kind == VERDICT_TRUE ? r->severity : LEVEL_OK;
}

/* The level that the verdict stands for, 0: none. */
static enum sa_level choose(struct judge_state *s, const struct judge_rules *r,
                            const struct judge_said *said, const struct judge_now *now,
                            enum sa_reason *reason, int64_t *due_mono)
{
    enum verdict_kind kind = said->kind;

    *reason = REASON_CONDITION;
    if (kind == VERDICT_SKIPPED)
        return 0;
    s->flags &= ~(unsigned)(ALERT_FLAG_NO_DATA | ALERT_FLAG_ERROR);
    if (kind != VERDICT_NODATA)
        s->no_data_since_mono = 0;
    switch (kind) {
    case VERDICT_TRUE:
    case VERDICT_FALSE:
    case VERDICT_LEVEL:
        return said->asked & PARTS_LEVELS ? higher(level_said(r, said), climb(s, said))
                                          : level_said(r, said);
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

static bool lasted(const struct judge_state *s, int64_t wanted_ms, const struct judge_now *now)
{
    return s->held_ms + (now->mono_ms - s->pending_since_mono) >= wanted_ms;
}

static void begin_pending(struct judge_state *s, const struct judge_now *now)
{
    s->held_ms = 0;
    s->pending_since_mono = now->mono_ms;
}

/* A level above the present one: hold it until it has lasted. */
static bool held_long_enough(struct judge_state *s, const struct judge_rules *r, enum sa_level to,
                             const struct judge_now *now)
{
    if (r->hold_ms <= 0)
        return true;
    /* Down to a lower pending level: it has been at least that high since the hold began. */
    if (s->pending_level <= LEVEL_OK || level_rank(to) > level_rank(s->pending_level))
        begin_pending(s, now);
    s->pending_level = to;
    return lasted(s, r->hold_ms, now);
}

/* A problem that nobody was told of is over at once. */
static bool clear_long_enough(struct judge_state *s, const struct judge_rules *r,
                              const struct judge_now *now)
{
    if (r->clear_ms <= 0 || is_soft(s))
        return true;
    if (s->pending_level != LEVEL_OK)
        begin_pending(s, now);
    s->pending_level = LEVEL_OK;
    return lasted(s, r->clear_ms, now);
}

/* May it be at level TO now, which is not its own? */
static bool may_move(struct judge_state *s, const struct judge_rules *r, enum sa_level to,
                     const struct judge_now *now)
{
    if (to == LEVEL_OK)
        return clear_long_enough(s, r, now);
    return level_rank(to) < level_rank(s->level) || held_long_enough(s, r, to, now);
}

/* ---- repeat tolerance ---- */

/* One more result; what is hard stays so until it is OK. */
static void count_result(struct judge_state *s, const struct judge_rules *r, enum sa_level to)
{
    if (to == LEVEL_OK)
        s->results = 0;
    else if ((s->level == LEVEL_OK || is_soft(s)) && (!s->results || s->results < r->tolerance))
        s->results++;
}

static bool often_enough(const struct judge_state *s, const struct judge_rules *r)
{
    return s->results >= (r->tolerance ? r->tolerance : 1) || s->flags & ALERT_FLAG_FLAPPING;
}

/* Would it be soft at level TO, which it is moving to? */
static bool soft_at(const struct judge_state *s, const struct judge_rules *r, enum sa_level to)
{
    return to != LEVEL_OK && (s->level == LEVEL_OK || is_soft(s)) && !often_enough(s, r);
}

/* It stays where it is, but may have become hard there. */
static struct judge_transition harden(struct judge_state *s, const struct judge_rules *r,
                                      enum sa_reason reason)
{
    struct judge_transition t = {.happened = false, .from = s->level, .to = s->level};

    if (!is_soft(s) || !often_enough(s, r))
        return t;
    s->firmness = FIRMNESS_HARD;
    t.reason = reason;
    t.kind = KIND_RAISE;
    t.in_ms = s->active_since_ms;
    return t;
}

/* ---- flapping ---- */

static void ring_drop_first(struct judge_state *s, size_t n)
{
    s->ring_len -= (uint8_t)n;
    memmove(s->ring, s->ring + n, s->ring_len);
    memset(s->ring + s->ring_len, 0, n);
}

/* The level of the last result behind the others; at most MOST are kept. */
static void ring_push(struct judge_state *s, size_t most)
{
    size_t n = 0;

    if (s->ring_len >= most)
        ring_drop_first(s, s->ring_len - (most - 1));
    s->ring[s->ring_len++] = (uint8_t)s->level;
    while (n < s->ring_len && s->ring[n] == LEVEL_OK)
        n++;
    ring_drop_first(s, n);
}

static enum sa_level ring_at(const struct judge_state *s, size_t history, size_t i)
{
    size_t missing = history - s->ring_len;

    return i < missing ? LEVEL_OK : (enum sa_level)s->ring[i - missing];
}

/* Changes, in 1/(10 m (m - 1)) of all m that there could be: the oldest counts 0.8, the newest 1.2,
 * those between them as they lie. */
static unsigned ring_changes(const struct judge_state *s, unsigned history)
{
    unsigned m = history - 1, sum = 0;

    for (unsigned i = 0; i < m; i++) {
        if (ring_at(s, history, i) != ring_at(s, history, i + 1))
            sum += 8 * (m - 1) + 4 * i;
    }
    return sum;
}

static bool flaps(const struct judge_state *s, const struct judge_rules *r)
{
    unsigned m = r->flap_history - 1, sum, all = m * (m - 1);

    if (r->flap_history < JUDGE_FLAP_LEAST)
        return false;
    sum = 10 * ring_changes(s, r->flap_history); /* percent of ALL times 100 */
    return s->flags & ALERT_FLAG_FLAPPING ? sum >= r->flap_low * all : sum > r->flap_high * all;
}

static void ring_follow(struct judge_state *s, const struct judge_rules *r)
{
    if (r->flap_history >= JUDGE_FLAP_LEAST)
        ring_push(s, r->flap_history);
    else
        ring_drop_first(s, s->ring_len);
}

/* While it flaps, T is not told; when it ceases to, it is what the alert has come to. */
static void flap(struct judge_state *s, const struct judge_rules *r, struct judge_transition *t,
                 enum sa_reason reason)
{
    bool was = s->flags & ALERT_FLAG_FLAPPING, is;

    ring_follow(s, r);
    is = flaps(s, r);
    if (!was && !is)
        return;
    t->kind = 0;
    if (was && is)
        return;
    t->flap = is ? FLAP_BEGAN : FLAP_ENDED;
    t->reason = reason;
    s->flags ^= ALERT_FLAG_FLAPPING;
    if (is) {
        s->firmness = FIRMNESS_HARD;
        s->results = s->level == LEVEL_OK ? s->results : 0;
    } else {
        t->kind = s->level == LEVEL_OK ? KIND_CLEAR : KIND_CHANGE;
    }
    if (!t->happened)
        t->in_ms = s->active_since_ms;
}

/* ---- one evaluation ---- */

static struct judge_transition follow(struct judge_state *s, const struct judge_rules *r,
                                      enum sa_level to, enum sa_reason reason,
                                      const struct judge_now *now)
{
    struct judge_transition t;

    count_result(s, r, to);
    if (to == s->level)
        drop_pending(s);
    if (to != s->level && may_move(s, r, to, now))
        t = move(s, to, soft_at(s, r, to), reason, now);
    else
        t = harden(s, r, reason);
    if (s->level != LEVEL_OK && !is_soft(s))
        s->results = 0;
    return t;
}

/* A moment that is past (a hold that lasts while there is no data) waits for the interval. */
static int64_t ahead(int64_t due_mono, const struct judge_now *now)
{
    return due_mono > now->mono_ms ? due_mono : 0;
}

static int64_t earlier(int64_t a, int64_t b)
{
    if (!a || !b)
        return a ? a : b;
    return a < b ? a : b;
}

/* When the hold or the clear time is over; 0: none runs. */
static int64_t pending_due(const struct judge_state *s, const struct judge_rules *r)
{
    int64_t wanted_ms = s->pending_level == LEVEL_OK ? r->clear_ms : r->hold_ms;

    return s->pending_level ? s->pending_since_mono + wanted_ms - s->held_ms : 0;
}

struct judge_transition judge(struct judge_state *s, const struct judge_rules *rules,
                              const struct judge_said *said, const struct judge_now *now,
                              int64_t *ret_due_mono)
{
    struct judge_transition t = {.happened = false, .from = s->level, .to = s->level};
    enum sa_reason reason;
    enum sa_level to;
    int64_t due = 0;

    s->flags &= ~(unsigned)ALERT_FLAG_DISABLED;
    to = choose(s, rules, said, now, &reason, &due);
    if (to)
        t = follow(s, rules, to, reason, now);
    if (to)
        flap(s, rules, &t, reason);
    set_phase(s);
    *ret_due_mono = earlier(ahead(due, now), ahead(pending_due(s, rules), now));
    return t;
}

struct judge_transition judge_close(struct judge_state *s, enum sa_reason reason,
                                    const struct judge_now *now)
{
    struct judge_transition t = {.happened = false, .from = s->level, .to = s->level};

    if (s->flags & ALERT_FLAG_FLAPPING) /* who was told of a problem may not know that it is OK */
        t.kind = KIND_CLEAR;
    s->flags = reason == REASON_DISABLED ? ALERT_FLAG_DISABLED : 0;
    s->no_data_since_mono = 0;
    s->results = 0;
    ring_drop_first(s, s->ring_len);
    drop_pending(s);
    if (s->level != LEVEL_OK)
        t = move(s, LEVEL_OK, false, reason, now);
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
    s->results = 0;
    s->no_data_since_mono = 0;
    set_phase(s);
}
