/* The judge against a model of it that was written from the description of how alerts behave, and
 * shares nothing with it: random sequences of results, time, edits, restarts and acknowledgements
 * are played to both. A sequence in which they differ is made as short as it can be, and shown.
 *
 * The model is plain: it keeps what was (moments, results) and looks at it anew each time. Its
 * clock is the time for which the daemon has run. MODEL_STEPS says how many steps are played. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "alerts/acknowledge.h"
#include "alerts/judge.h"

enum {
    STEPS = 1000000,
    RUN = 250,              /* steps of one sequence */
    BOOT_MONO = 2000000000, /* clocks begin here: a boot was long ago */
    WALL = 1700000000,
};

/* ---- the model ---- */

struct moment {
    bool is;
    int64_t at; /* of the time that the daemon has run */
};

struct model {
    int64_t up;
    enum sa_level level, before;
    enum sa_level held; /* whose hold began at `hold` */
    struct moment hold, clear, no_data;
    unsigned bad_results; /* in a row */
    bool hard, flapping, no_data_flag, error_flag, disabled_flag;
    uint8_t results[RUN + JUDGE_FLAP_MOST]; /* levels, all since it is watched for flapping */
    size_t nresults;
    enum sa_acknowledge ack;
    bool suppressed;
};

struct told { /* what comes of a step */
    bool moved;
    enum sa_notice_kind kind;
    enum judge_flap flap;
    bool held_back;
    int64_t due_in; /* 0: never */
};

static const enum sa_level by_rank[] = {LEVEL_OK, LEVEL_INFO, LEVEL_UNKNOWN, LEVEL_WARNING,
                                        LEVEL_CRITICAL};

static int rank(enum sa_level l)
{
    int i = 0;

    while (by_rank[i] != l)
        i++;
    return i;
}

static void model_new(struct model *m)
{
    *m = (struct model){.level = LEVEL_OK, .before = LEVEL_OK, .hard = true, .ack = ACK_NONE};
}

static enum sa_level policy(enum sa_policy p, enum sa_level severity)
{
    if (p == POLICY_ALERTING)
        return severity;
    return p == POLICY_OK ? LEVEL_OK : p == POLICY_UNKNOWN ? LEVEL_UNKNOWN : 0;
}

/* "Highest true level at or above the current one; to fall, the current level's reset must be true
 * if it has one; otherwise the first true level below." Bits: crit 2, reset 4, warn 8, 16, info 32,
 * 64. */
static enum sa_level three_levels(enum sa_level now, unsigned asked, unsigned holds)
{
    static const unsigned up[] = {0, 0, 32, 8, 2}, down[] = {0, 0, 64, 16, 4};
    int at = now;

    for (int l = LEVEL_CRITICAL; l > LEVEL_OK && l >= at; l--)
        if (holds & up[l])
            return (enum sa_level)l;
    if (at > LEVEL_OK && asked & down[at] && !(holds & down[at]))
        return now;
    for (int l = at - 1; l > LEVEL_OK; l--)
        if (holds & up[l])
            return (enum sa_level)l;
    return LEVEL_OK;
}

/* What the result is, after the policies; 0: it is none. */
static enum sa_level result_of(struct model *m, const struct judge_rules *r,
                               const struct judge_said *said)
{
    enum sa_level own = said->kind == VERDICT_LEVEL  ? said->level
                        : said->kind == VERDICT_TRUE ? r->severity
                                                     : LEVEL_OK;

    if (said->kind == VERDICT_SKIPPED)
        return 0;
    m->no_data_flag = said->kind == VERDICT_NODATA;
    m->error_flag = said->kind == VERDICT_ERROR;
    if (!m->no_data_flag)
        m->no_data.is = false;
    if (m->error_flag)
        return policy(r->on_error, r->severity);
    if (m->no_data_flag) {
        if (!m->no_data.is)
            m->no_data = (struct moment){true, m->up};
        if (r->no_data == POLICY_KEEP_LAST && m->up - m->no_data.at >= r->stale_ms)
            return LEVEL_UNKNOWN;
        return policy(r->no_data, r->severity);
    }
    if (said->asked) {
        enum sa_level now = m->level == LEVEL_UNKNOWN ? m->before : m->level, stairs;

        stairs = three_levels(now == LEVEL_UNKNOWN ? LEVEL_OK : now, said->asked, said->holds);
        return rank(stairs) > rank(own) ? stairs : own;
    }
    return own;
}

/* "Must hold for at least this long; a rise starts the hold again for that level." */
static bool hold_met(struct model *m, const struct judge_rules *r, enum sa_level result)
{
    if (r->hold_ms == 0)
        return true;
    if (!m->hold.is || rank(result) > rank(m->held))
        m->hold = (struct moment){true, m->up};
    m->held = result;
    return m->up - m->hold.at >= r->hold_ms;
}

static bool clear_met(struct model *m, const struct judge_rules *r)
{
    if (!m->hard || r->clear_ms == 0)
        return true;
    if (!m->clear.is)
        m->clear = (struct moment){true, m->up};
    return m->up - m->clear.at >= r->clear_ms;
}

/* May the level be RESULT now? Whatever the result is not about stops running. */
static bool met(struct model *m, const struct judge_rules *r, enum sa_level result)
{
    bool rise = rank(result) > rank(m->level), over = result == LEVEL_OK && m->level != LEVEL_OK;
    bool yes;

    if (!rise)
        m->hold.is = false;
    if (!over)
        m->clear.is = false;
    yes = rise ? hold_met(m, r, result) : over ? clear_met(m, r) : result != m->level;
    if (yes)
        m->hold.is = m->clear.is = false;
    return yes;
}

/* Weights rise from 0.8 to 1.2 along the pairs, in fifths of their number less one. */
static bool flapping_now(const struct model *m, const struct judge_rules *r)
{
    int64_t pairs = (int64_t)r->flap_history - 1, sum = 0, all = 5 * pairs * (pairs - 1);

    for (int64_t i = 0; i < pairs; i++) {
        int64_t newer = (int64_t)m->nresults - pairs + i, older = newer - 1;
        int a = newer < 0 ? LEVEL_OK : m->results[newer];
        int b = older < 0 ? LEVEL_OK : m->results[older];

        if (a != b)
            sum += 4 * (pairs - 1) + 2 * i;
    }
    return m->flapping ? 100 * sum >= all * r->flap_low : 100 * sum > all * r->flap_high;
}

static void watch(struct model *m, const struct judge_rules *r)
{
    if (r->flap_history < 3) {
        m->nresults = 0;
        return;
    }
    m->results[m->nresults++] = (uint8_t)m->level;
    if (m->nresults > r->flap_history) { /* no more than that is kept */
        memmove(m->results, m->results + (m->nresults - r->flap_history), r->flap_history);
        m->nresults = r->flap_history;
    }
}

static int64_t left_of(const struct model *m, struct moment since, int64_t wanted)
{
    return since.is && since.at + wanted > m->up ? since.at + wanted - m->up : 0;
}

/* When it is to be asked again. A time that is over already waits for nothing. */
static int64_t due_in(const struct model *m, const struct judge_rules *r, bool skipped)
{
    int64_t a = left_of(m, m->hold, r->hold_ms), b = left_of(m, m->clear, r->clear_ms), c = 0;

    if (!skipped && m->no_data_flag && r->no_data == POLICY_KEEP_LAST)
        c = left_of(m, m->no_data, r->stale_ms);
    /* One that is over hides nothing of another. */
    for (int i = 0; i < 2; i++) {
        int64_t other = i ? c : b;

        a = !a || (other && other < a) ? other ? other : a : a;
    }
    return a;
}

/* An acknowledgement: "normal (until any level change), sticky (until OK)". */
static void acked(struct model *m, struct told *t)
{
    if (m->ack == ACK_NONE)
        return;
    if (t->moved && (m->ack == ACK_NORMAL || m->level == LEVEL_OK)) {
        m->ack = ACK_NONE;
        m->suppressed = false;
    } else if (t->kind || t->flap) {
        m->suppressed = t->held_back = true;
    }
}

static struct told model_result(struct model *m, const struct judge_rules *r,
                                const struct judge_said *said)
{
    unsigned wanted = r->tolerance ? r->tolerance : 1;
    enum sa_level was = m->level, result;
    bool was_hard = m->hard, was_flapping = m->flapping;
    struct told t = {.moved = false};

    m->disabled_flag = false;
    result = result_of(m, r, said);
    if (!result) {
        t.due_in = due_in(m, r, said->kind == VERDICT_SKIPPED);
        return t;
    }
    /* Only as far as it matters: more than are wanted now are not counted. */
    if (result == LEVEL_OK)
        m->bad_results = 0;
    else if (m->bad_results < wanted)
        m->bad_results++;
    if (met(m, r, result)) {
        m->before = m->level;
        m->level = result;
        t.moved = true;
    }
    if (m->level == LEVEL_OK)
        m->hard = true;
    else if (was == LEVEL_OK || !was_hard)
        m->hard = m->bad_results >= wanted || was_flapping;
    watch(m, r);
    m->flapping = r->flap_history >= 3 && flapping_now(m, r);
    if (m->flapping)
        m->hard = true;
    if (m->level != LEVEL_OK && m->hard)
        m->bad_results = 0;
    if (m->flapping != was_flapping)
        t.flap = m->flapping ? FLAP_BEGAN : FLAP_ENDED;
    if (t.flap == FLAP_ENDED)
        t.kind = m->level == LEVEL_OK ? KIND_CLEAR : KIND_CHANGE;
    else if (m->flapping)
        t.kind = 0;
    else if (m->level == LEVEL_OK)
        t.kind = was != LEVEL_OK && was_hard ? KIND_CLEAR : 0; /* OK after soft sends nothing */
    else if (m->hard)
        t.kind = was == LEVEL_OK || !was_hard ? KIND_RAISE : t.moved ? KIND_CHANGE : 0;
    t.due_in = due_in(m, r, false);
    acked(m, &t);
    return t;
}

static struct told model_close(struct model *m, bool disabled)
{
    struct told t = {.moved = m->level != LEVEL_OK};

    if (m->flapping || (t.moved && m->hard))
        t.kind = KIND_CLEAR;
    if (t.moved) {
        m->before = m->level;
        m->level = LEVEL_OK;
    }
    m->hold.is = m->clear.is = m->no_data.is = false;
    m->bad_results = 0;
    m->nresults = 0;
    m->hard = true;
    m->flapping = m->no_data_flag = m->error_flag = false;
    m->disabled_flag = disabled;
    m->suppressed = false;
    m->ack = ACK_NONE;
    return t;
}

static void model_edit(struct model *m)
{
    m->hold.is = m->clear.is = m->no_data.is = false;
    m->bad_results = 0;
}

/* What ran since the last mark is not known of. */
static void model_restart(struct model *m, int64_t lost)
{
    struct moment *all[] = {&m->hold, &m->clear, &m->no_data};

    m->up -= lost;
    for (size_t i = 0; i < 3; i++)
        if (all[i]->at > m->up)
            all[i]->at = m->up;
}

static enum sa_phase model_phase(const struct model *m)
{
    if (m->level == LEVEL_OK)
        return m->hold.is ? PHASE_PENDING : PHASE_INACTIVE;
    return m->clear.is ? PHASE_CLEARING : PHASE_ACTIVE;
}

/* ---- steps ---- */

enum act { ACT_RESULT, ACT_RULES, ACT_EDIT, ACT_CLOSE, ACT_RESTART, ACT_ACK };

struct step {
    enum act act;
    int64_t ms; /* that pass before */
    struct judge_said said;
    struct judge_rules rules;
    enum sa_reason reason; /* of a close */
    enum sa_acknowledge ack;
    int64_t lost, boot_mono; /* of a restart */
};

static uint64_t seed;

static uint32_t dice(uint32_t n)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return (uint32_t)((seed >> 11) % n);
}

static const int64_t spans[] = {0, 0, 500, 1000, 3000};

static struct judge_rules some_rules(void)
{
    static const unsigned histories[] = {0, 0, 2, 3, 5, 8};

    return (struct judge_rules){
        .severity = LEVEL_INFO + (int)dice(3),
        .hold_ms = spans[dice(5)],
        .stale_ms = 500 + 500 * (int64_t)dice(6),
        .no_data = POLICY_KEEP_LAST + (int)dice(4),
        .on_error = POLICY_KEEP_LAST + (int)dice(4),
        .clear_ms = spans[dice(5)],
        .tolerance = dice(5),
        .flap_history = histories[dice(6)],
        .flap_low = dice(51),
        .flap_high = 30 + dice(51),
    };
}

static struct judge_said some_result(void)
{
    struct judge_said said = {.kind = (enum verdict_kind)dice(6)};

    if (dice(3))
        said.kind = VERDICT_FALSE + (int)dice(2);
    if (said.kind == VERDICT_LEVEL)
        said.level = LEVEL_OK + (int)dice(5);
    if (!dice(4)) {
        said.asked = 2 * dice(64);
        said.holds = said.asked & 2 * dice(64);
        said.kind = dice(8) ? VERDICT_FALSE : said.kind;
    }
    return said;
}

static struct step some_step(void)
{
    static const int64_t times[] = {0, 1, 499, 500, 501, 1000, 2999, 3000, 10000};
    struct step s = {.act = ACT_RESULT, .ms = times[dice(9)]};
    uint32_t what = dice(100);

    s.said = some_result();
    if (what < 4) {
        s.act = ACT_RULES;
        s.rules = some_rules();
        s.rules.flap_low =
            s.rules.flap_low > s.rules.flap_high ? s.rules.flap_high : s.rules.flap_low;
    } else if (what < 6) {
        s.act = ACT_EDIT;
    } else if (what < 8) {
        s.act = ACT_CLOSE;
        s.reason = dice(2) ? REASON_DISABLED : REASON_DELETED;
    } else if (what < 12) {
        s.act = ACT_RESTART;
        s.lost = dice(2) ? 0 : dice(1001);
        s.boot_mono = BOOT_MONO + dice(1000000);
    } else if (what < 17) {
        s.act = ACT_ACK;
        s.ack = ACK_NONE + (int)dice(3);
    }
    return s;
}

/* ---- both ---- */

struct pair {
    struct judge_rules rules;
    struct judge_state s;
    struct judge_now now;
    int64_t started_mono;
    struct ack ack;
    struct model m;
    bool knows; /* the one target, of a problem and not yet of its end */
    const char *wrong;
};

#define SAME(p, what)                                                                              \
    do {                                                                                           \
        if (!(what) && !(p)->wrong)                                                                \
            (p)->wrong = #what;                                                                    \
    } while (0)

static bool is_drawn(enum judge_place from, enum judge_place to)
{
    for (size_t i = 0; i < judge_nedges; i++)
        if (judge_edges[i].from == from && judge_edges[i].to == to)
            return true;
    return from == to;
}

static void compare_states(struct pair *p)
{
    const struct judge_state *s = &p->s;
    const struct model *m = &p->m;
    unsigned flags =
        (m->no_data_flag ? ALERT_FLAG_NO_DATA : 0) | (m->error_flag ? ALERT_FLAG_ERROR : 0) |
        (m->disabled_flag ? ALERT_FLAG_DISABLED : 0) | (m->flapping ? ALERT_FLAG_FLAPPING : 0) |
        (m->ack != ACK_NONE ? ALERT_FLAG_ACKNOWLEDGED : 0) |
        (m->suppressed ? ALERT_FLAG_SUPPRESSED : 0);

    SAME(p, s->level == m->level);
    SAME(p, s->previous_level == m->before);
    SAME(p, s->phase == model_phase(m));
    SAME(p, (s->firmness == FIRMNESS_HARD) == m->hard);
    SAME(p, s->flags == flags);
    SAME(p, (s->active_since_ms != 0) == (s->level != LEVEL_OK));
}

/* What must be so whatever the model says. BEFORE: the state; T: what came out. */
static void check_invariants(struct pair *p, const struct judge_state *before,
                             const struct judge_transition *t, bool held_back)
{
    SAME(p, is_drawn(judge_place(before), judge_place(&p->s)));
    SAME(p, t->happened == (before->level != p->s.level)); /* no transition without history */
    SAME(p, t->to == p->s.level && (!t->happened || t->from == before->level));
    SAME(p, !t->happened || (t->to == LEVEL_OK) == (t->out_ms != 0));
    SAME(p, !t->happened || t->in_ms == (before->level == LEVEL_OK ? p->s.active_since_ms
                                                                   : before->active_since_ms));
    SAME(p, !(p->s.flags & before->flags & ALERT_FLAG_FLAPPING) || !t->kind);
    /* A recovery has its problem; but what ceases to flap may tell one that nobody lacks. */
    SAME(p, t->kind != KIND_CLEAR || p->knows || before->flags & ALERT_FLAG_FLAPPING);
    SAME(p, t->kind != KIND_RAISE || !p->knows);
    if (t->kind)
        p->knows = t->kind != KIND_CLEAR;
    /* A problem that was told is over only by being told so, unless it flaps. */
    SAME(p, !p->knows || p->s.level != LEVEL_OK || p->s.flags & ALERT_FLAG_FLAPPING);
    SAME(p, !held_back || p->ack.kind != ACK_NONE);
}

static void compare_told(struct pair *p, const struct judge_transition *t, const struct told *want,
                         bool held_back)
{
    SAME(p, t->happened == want->moved);
    SAME(p, t->kind == want->kind);
    SAME(p, t->flap == want->flap);
    SAME(p, held_back == want->held_back);
}

static void play_result(struct pair *p, const struct step *st)
{
    struct judge_state before = p->s;
    struct judge_transition t;
    struct told want;
    int64_t due;

    t = judge(&p->s, &p->rules, &st->said, &p->now, &due);
    p->ack.over = p->ack.suppresses = false;
    ack_follow(&p->ack, &t, &p->s.flags);
    want = model_result(&p->m, &p->rules, &st->said);
    compare_told(p, &t, &want, p->ack.suppresses);
    SAME(p, (due ? due - p->now.mono_ms : 0) == want.due_in);
    check_invariants(p, &before, &t, p->ack.suppresses);
    if (p->ack.over)
        p->ack.kind = ACK_NONE;
}

static void play_close(struct pair *p, const struct step *st)
{
    struct judge_state before = p->s;
    struct judge_transition t = judge_close(&p->s, st->reason, &p->now);
    struct told want = model_close(&p->m, st->reason == REASON_DISABLED);

    compare_told(p, &t, &want, false);
    check_invariants(p, &before, &t, false);
    p->ack.kind = ACK_NONE;
}

static void play_restart(struct pair *p, const struct step *st)
{
    int64_t ran = p->now.mono_ms - p->started_mono, lost = st->lost < ran ? st->lost : ran;
    int64_t alive = p->now.mono_ms - lost; /* it makes its mark when it starts, and goes on */

    p->now.mono_ms = p->started_mono = st->boot_mono;
    judge_resume(&p->s, alive, p->now.mono_ms);
    model_restart(&p->m, lost);
}

/* A SET, as alerts/acknowledge.c takes it in. */
static void play_ack(struct pair *p, const struct step *st)
{
    if (p->s.level == LEVEL_OK)
        return;
    p->ack.kind = p->m.ack = st->ack;
    p->s.flags &=
        ~(unsigned)(st->ack == ACK_NONE ? ALERT_FLAG_ACKNOWLEDGED | ALERT_FLAG_SUPPRESSED : 0);
    p->s.flags |= st->ack == ACK_NONE ? 0 : ALERT_FLAG_ACKNOWLEDGED;
    p->m.suppressed &= st->ack != ACK_NONE;
}

static void play_step(struct pair *p, const struct step *st)
{
    p->now.wall_ms += st->ms;
    p->now.mono_ms += st->ms;
    p->m.up += st->ms;
    switch (st->act) {
    case ACT_RESULT:
        play_result(p, st);
        break;
    case ACT_RULES:
        p->rules = st->rules;
        break;
    case ACT_EDIT: {
        struct judge_state before = p->s;

        judge_edited(&p->s);
        model_edit(&p->m);
        SAME(p, is_drawn(judge_place(&before), judge_place(&p->s)));
        break;
    }
    case ACT_CLOSE:
        play_close(p, st);
        break;
    case ACT_RESTART:
        play_restart(p, st);
        break;
    case ACT_ACK:
        play_ack(p, st);
        break;
    }
    compare_states(p);
}

/* NULL, or what went wrong at step *RET_AT. */
static const char *play(const struct step *steps, size_t n, size_t *ret_at)
{
    struct pair p = {.rules = {.severity = LEVEL_CRITICAL,
                               .stale_ms = 2000,
                               .no_data = POLICY_KEEP_LAST,
                               .on_error = POLICY_UNKNOWN},
                     .now = {WALL, BOOT_MONO},
                     .started_mono = BOOT_MONO,
                     .ack = {.kind = ACK_NONE}};

    judge_init(&p.s, &p.now);
    model_new(&p.m);
    for (size_t i = 0; i < n && !p.wrong; i++) {
        play_step(&p, &steps[i]);
        *ret_at = i;
    }
    return p.wrong;
}

/* ---- a shorter one that fails as well ---- */

static size_t without(struct step *dst, const struct step *src, size_t n, size_t from, size_t count)
{
    memcpy(dst, src, from * sizeof *src);
    memcpy(dst + from, src + from + count, (n - from - count) * sizeof *src);
    return n - count;
}

/* Drops pieces, smaller and smaller ones, as long as something still goes wrong. */
static size_t shrink(struct step *steps, size_t n)
{
    static struct step fewer[RUN];
    size_t at;

    for (size_t piece = n / 2; piece; piece /= 2) {
        for (size_t from = 0; from + piece <= n;) {
            size_t left = without(fewer, steps, n, from, piece);

            if (play(fewer, left, &at)) {
                n = at + 1;
                memcpy(steps, fewer, n * sizeof *steps);
            } else {
                from += piece;
            }
        }
    }
    return n;
}

static void show(const struct step *s)
{
    static const char *const acts[] = {"result", "rules", "edit", "close", "restart", "ack"};

    print_message("  +%lld ms %s", (long long)s->ms, acts[s->act]);
    if (s->act == ACT_RESULT)
        print_message(" kind %d level %d asked %u holds %u", s->said.kind, s->said.level,
                      s->said.asked, s->said.holds);
    else if (s->act == ACT_RULES)
        print_message(" severity %d hold %lld clear %lld stale %lld noData %d onError %d "
                      "tolerance %u flap %u %u %u",
                      s->rules.severity, (long long)s->rules.hold_ms, (long long)s->rules.clear_ms,
                      (long long)s->rules.stale_ms, s->rules.no_data, s->rules.on_error,
                      s->rules.tolerance, s->rules.flap_history, s->rules.flap_low,
                      s->rules.flap_high);
    else if (s->act == ACT_RESTART)
        print_message(" lost %lld ms", (long long)s->lost);
    else if (s->act == ACT_ACK)
        print_message(" %d", s->ack);
    print_message("\n");
}

static void test_the_judge_is_as_the_model(void **state)
{
    static struct step steps[RUN];
    const char *more = getenv("MODEL_STEPS");
    size_t all = more ? strtoul(more, NULL, 10) : STEPS, at;

    (void)state;
    for (size_t done = 0; done < all; done += RUN) {
        seed = 88172645463325252U + done;
        for (size_t i = 0; i < RUN; i++)
            steps[i] = some_step();
        if (play(steps, RUN, &at)) {
            size_t n = shrink(steps, at + 1);
            const char *wrong = play(steps, n, &at);

            for (size_t i = 0; i < n; i++)
                show(&steps[i]);
            fail_msg("behind %zu steps: not so: %s", done + n, wrong);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_judge_is_as_the_model),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
