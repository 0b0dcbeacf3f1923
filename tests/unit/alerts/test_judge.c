/* The judge on a clock of the test's own: each scenario is a list of moments, verdicts and what
 * must come out. */
#include "alerts/judge.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { WALL = 1000000 };
#define NONE 0

struct step {
    int64_t at; /* ms since the scenario began */
    enum verdict_kind kind;
    enum sa_level level; /* of VERDICT_LEVEL */
    enum sa_level want;
    enum judge_place want_place;
    enum sa_notice_kind want_kind; /* NONE: nothing to tell */
    int64_t want_due;              /* since the scenario began; NONE: by interval only */
};

struct scenario {
    const char *name;
    struct judge_rules rules;
    struct step steps[12];
};

#define SAYS(k, l) (&(struct judge_said){.kind = (k), .level = (l)})
#define RULES(severity_, hold, stale, no_data_, on_error_, ...)                                    \
    {                                                                                              \
        .severity = (severity_), .hold_ms = (hold), .stale_ms = (stale), .no_data = (no_data_),    \
        .on_error = (on_error_), __VA_ARGS__                                                       \
    }
#define F VERDICT_FALSE
#define T VERDICT_TRUE
#define L VERDICT_LEVEL
#define S VERDICT_SKIPPED
#define N VERDICT_NODATA
#define E VERDICT_ERROR

static const struct scenario scenarios[] = {
    {"boolean without hold",
     RULES(LEVEL_CRITICAL, 0, 20000, POLICY_KEEP_LAST, POLICY_UNKNOWN),
     {{0, F, 0, LEVEL_OK, AT_INACTIVE, NONE, NONE},
      {10, T, 0, LEVEL_CRITICAL, AT_HARD, KIND_RAISE, NONE},
      {20, T, 0, LEVEL_CRITICAL, AT_HARD, NONE, NONE},
      {30, F, 0, LEVEL_OK, AT_INACTIVE, KIND_CLEAR, NONE}}},
    {"held exactly as long as asked",
     RULES(LEVEL_WARNING, 5000, 20000, POLICY_KEEP_LAST, POLICY_UNKNOWN),
     {{1, T, 0, LEVEL_OK, AT_PENDING, NONE, 5001},
      {5000, T, 0, LEVEL_OK, AT_PENDING, NONE, 5001},
      {5001, T, 0, LEVEL_WARNING, AT_HARD, KIND_RAISE, NONE}}},
    {"back to OK while pending tells nobody and starts anew",
     RULES(LEVEL_WARNING, 5000, 20000, POLICY_KEEP_LAST, POLICY_UNKNOWN),
     {{1, T, 0, LEVEL_OK, AT_PENDING, NONE, 5001},
      {4000, F, 0, LEVEL_OK, AT_INACTIVE, NONE, NONE},
      {4500, T, 0, LEVEL_OK, AT_PENDING, NONE, 9500},
      {9499, T, 0, LEVEL_OK, AT_PENDING, NONE, 9500},
      {9500, T, 0, LEVEL_WARNING, AT_HARD, KIND_RAISE, NONE}}},
    {"a rise is held again, the lower level stays active meanwhile; a fall is immediate",
     RULES(LEVEL_CRITICAL, 1000, 20000, POLICY_KEEP_LAST, POLICY_UNKNOWN),
     {{0, L, LEVEL_WARNING, LEVEL_OK, AT_PENDING, NONE, 1000},
      {1000, L, LEVEL_WARNING, LEVEL_WARNING, AT_HARD, KIND_RAISE, NONE},
      {1500, L, LEVEL_CRITICAL, LEVEL_WARNING, AT_HARD, NONE, 2500},
      {2500, L, LEVEL_CRITICAL, LEVEL_CRITICAL, AT_HARD, KIND_CHANGE, NONE},
      {2600, L, LEVEL_INFO, LEVEL_INFO, AT_HARD, KIND_CHANGE, NONE},
      {2700, L, LEVEL_OK, LEVEL_OK, AT_INACTIVE, KIND_CLEAR, NONE}}},
    {"pending at a higher level, then a lower one: it was at least that since the start",
     RULES(LEVEL_CRITICAL, 1000, 20000, POLICY_KEEP_LAST, POLICY_UNKNOWN),
     {{1, L, LEVEL_CRITICAL, LEVEL_OK, AT_PENDING, NONE, 1001},
      {900, L, LEVEL_WARNING, LEVEL_OK, AT_PENDING, NONE, 1001},
      {1001, L, LEVEL_WARNING, LEVEL_WARNING, AT_HARD, KIND_RAISE, NONE}}},
    {"no data keeps the last level, then is UNKNOWN, which does not end the alert",
     RULES(LEVEL_CRITICAL, 0, 2000, POLICY_KEEP_LAST, POLICY_UNKNOWN),
     {{1, T, 0, LEVEL_CRITICAL, AT_HARD, KIND_RAISE, NONE},
      {100, N, 0, LEVEL_CRITICAL, AT_HARD, NONE, 2100},
      {2099, N, 0, LEVEL_CRITICAL, AT_HARD, NONE, 2100},
      {2100, N, 0, LEVEL_UNKNOWN, AT_HARD, KIND_CHANGE, NONE},
      {2200, F, 0, LEVEL_OK, AT_INACTIVE, KIND_CLEAR, NONE}}},
    {"data in between starts the time without data anew",
     RULES(LEVEL_CRITICAL, 0, 2000, POLICY_KEEP_LAST, POLICY_UNKNOWN),
     {{1, N, 0, LEVEL_OK, AT_INACTIVE, NONE, 2001},
      {1900, F, 0, LEVEL_OK, AT_INACTIVE, NONE, NONE},
      {1950, N, 0, LEVEL_OK, AT_INACTIVE, NONE, 3950},
      {3950, N, 0, LEVEL_UNKNOWN, AT_HARD, KIND_RAISE, NONE}}},
    {"no data: ok",
     RULES(LEVEL_CRITICAL, 0, 2000, POLICY_OK, POLICY_UNKNOWN),
     {{1, T, 0, LEVEL_CRITICAL, AT_HARD, KIND_RAISE, NONE},
      {2, N, 0, LEVEL_OK, AT_INACTIVE, KIND_CLEAR, NONE}}},
    {"no data: alerting",
     RULES(LEVEL_WARNING, 0, 2000, POLICY_ALERTING, POLICY_UNKNOWN),
     {{1, N, 0, LEVEL_WARNING, AT_HARD, KIND_RAISE, NONE}}},
    {"no data: unknown at once",
     RULES(LEVEL_WARNING, 0, 2000, POLICY_UNKNOWN, POLICY_UNKNOWN),
     {{1, N, 0, LEVEL_UNKNOWN, AT_HARD, KIND_RAISE, NONE}}},
    {"an error is UNKNOWN by default",
     RULES(LEVEL_WARNING, 0, 2000, POLICY_KEEP_LAST, POLICY_UNKNOWN),
     {{1, E, 0, LEVEL_UNKNOWN, AT_HARD, KIND_RAISE, NONE},
      {2, F, 0, LEVEL_OK, AT_INACTIVE, KIND_CLEAR, NONE}}},
    {"an error keeps the last level if asked to",
     RULES(LEVEL_WARNING, 0, 2000, POLICY_KEEP_LAST, POLICY_KEEP_LAST),
     {{1, T, 0, LEVEL_WARNING, AT_HARD, KIND_RAISE, NONE},
      {2, E, 0, LEVEL_WARNING, AT_HARD, NONE, NONE}}},
    {"SKIPPED changes nothing, not even the hold",
     RULES(LEVEL_WARNING, 1000, 2000, POLICY_KEEP_LAST, POLICY_UNKNOWN),
     {{1, T, 0, LEVEL_OK, AT_PENDING, NONE, 1001},
      {500, S, 0, LEVEL_OK, AT_PENDING, NONE, 1001},
      {1001, T, 0, LEVEL_WARNING, AT_HARD, KIND_RAISE, NONE}}},
    {"a hold that passes while there is no data waits for a verdict, without a timer in the past",
     RULES(LEVEL_WARNING, 1000, 60000, POLICY_KEEP_LAST, POLICY_UNKNOWN),
     {{1, T, 0, LEVEL_OK, AT_PENDING, NONE, 1001},
      {500, N, 0, LEVEL_OK, AT_PENDING, NONE, 1001},
      {1500, N, 0, LEVEL_OK, AT_PENDING, NONE, 60500},
      {1600, T, 0, LEVEL_WARNING, AT_HARD, KIND_RAISE, NONE}}},
    {"over only when it was clear for long enough, and nobody hears of what was in between",
     RULES(LEVEL_CRITICAL, 0, 60000, POLICY_KEEP_LAST, POLICY_UNKNOWN, .clear_ms = 1000),
     {{1, T, 0, LEVEL_CRITICAL, AT_HARD, KIND_RAISE, NONE},
      {100, F, 0, LEVEL_CRITICAL, AT_CLEARING, NONE, 1100},
      {1099, F, 0, LEVEL_CRITICAL, AT_CLEARING, NONE, 1100},
      {1099, T, 0, LEVEL_CRITICAL, AT_HARD, NONE, NONE},
      {1200, F, 0, LEVEL_CRITICAL, AT_CLEARING, NONE, 2200},
      {1900, S, 0, LEVEL_CRITICAL, AT_CLEARING, NONE, 2200},
      {2200, F, 0, LEVEL_OK, AT_INACTIVE, KIND_CLEAR, NONE}}},
    {"clearing, then lower: active at that level at once; without data it stays clearing",
     RULES(LEVEL_CRITICAL, 0, 60000, POLICY_KEEP_LAST, POLICY_UNKNOWN, .clear_ms = 1000),
     {{1, T, 0, LEVEL_CRITICAL, AT_HARD, KIND_RAISE, NONE},
      {100, F, 0, LEVEL_CRITICAL, AT_CLEARING, NONE, 1100},
      {200, N, 0, LEVEL_CRITICAL, AT_CLEARING, NONE, 1100},
      {300, L, LEVEL_INFO, LEVEL_INFO, AT_HARD, KIND_CHANGE, NONE},
      {400, F, 0, LEVEL_INFO, AT_CLEARING, NONE, 1400},
      {500, E, 0, LEVEL_UNKNOWN, AT_HARD, KIND_CHANGE, NONE},
      {600, F, 0, LEVEL_UNKNOWN, AT_CLEARING, NONE, 1600},
      {1600, F, 0, LEVEL_OK, AT_INACTIVE, KIND_CLEAR, NONE}}},
    {"clearing, then higher: held from then",
     RULES(LEVEL_CRITICAL, 1000, 60000, POLICY_KEEP_LAST, POLICY_UNKNOWN, .clear_ms = 1000),
     {{1, L, LEVEL_INFO, LEVEL_OK, AT_PENDING, NONE, 1001},
      {1001, L, LEVEL_INFO, LEVEL_INFO, AT_HARD, KIND_RAISE, NONE},
      {1100, F, 0, LEVEL_INFO, AT_CLEARING, NONE, 2100},
      {2000, T, 0, LEVEL_INFO, AT_HARD, NONE, 3000},
      {3000, T, 0, LEVEL_CRITICAL, AT_HARD, KIND_CHANGE, NONE}}},
    {"soft until the third result, of whatever level; the level shows, nobody is told",
     RULES(LEVEL_CRITICAL, 0, 60000, POLICY_KEEP_LAST, POLICY_UNKNOWN, .tolerance = 3),
     {{1, L, LEVEL_WARNING, LEVEL_WARNING, AT_SOFT, NONE, NONE},
      {2, S, 0, LEVEL_WARNING, AT_SOFT, NONE, NONE},
      {3, T, 0, LEVEL_CRITICAL, AT_SOFT, NONE, NONE},
      {4, T, 0, LEVEL_CRITICAL, AT_HARD, KIND_RAISE, NONE},
      {5, L, LEVEL_WARNING, LEVEL_WARNING, AT_HARD, KIND_CHANGE, NONE},
      {6, F, 0, LEVEL_OK, AT_INACTIVE, KIND_CLEAR, NONE},
      {7, T, 0, LEVEL_CRITICAL, AT_SOFT, NONE, NONE}}},
    {"a change that is the last result makes it hard: told once",
     RULES(LEVEL_CRITICAL, 0, 60000, POLICY_KEEP_LAST, POLICY_UNKNOWN, .tolerance = 2),
     {{1, T, 0, LEVEL_CRITICAL, AT_SOFT, NONE, NONE},
      {2, L, LEVEL_INFO, LEVEL_INFO, AT_HARD, KIND_RAISE, NONE}}},
    {"ok after soft sends nothing, waits for no clear delay, and the count starts anew",
     RULES(LEVEL_CRITICAL, 0, 60000, POLICY_KEEP_LAST, POLICY_UNKNOWN, .tolerance = 2,
           .clear_ms = 1000),
     {{1, T, 0, LEVEL_CRITICAL, AT_SOFT, NONE, NONE},
      {2, F, 0, LEVEL_OK, AT_INACTIVE, NONE, NONE},
      {3, T, 0, LEVEL_CRITICAL, AT_SOFT, NONE, NONE},
      {4, N, 0, LEVEL_CRITICAL, AT_SOFT, NONE, 60004},
      {5, T, 0, LEVEL_CRITICAL, AT_HARD, KIND_RAISE, NONE}}},
    {"hold time and tolerance must both be met: results while it is held count",
     RULES(LEVEL_CRITICAL, 1000, 60000, POLICY_KEEP_LAST, POLICY_UNKNOWN, .tolerance = 3),
     {{1, T, 0, LEVEL_OK, AT_PENDING, NONE, 1001},
      {2, T, 0, LEVEL_OK, AT_PENDING, NONE, 1001},
      {3, T, 0, LEVEL_OK, AT_PENDING, NONE, 1001},
      {1001, T, 0, LEVEL_CRITICAL, AT_HARD, KIND_RAISE, NONE},
      {1002, F, 0, LEVEL_OK, AT_INACTIVE, KIND_CLEAR, NONE},
      {2000, T, 0, LEVEL_OK, AT_PENDING, NONE, 3000},
      {3000, T, 0, LEVEL_CRITICAL, AT_SOFT, NONE, NONE},
      {3001, T, 0, LEVEL_CRITICAL, AT_HARD, KIND_RAISE, NONE}}},
    {"soft, and a rise that is held: what it is now becomes hard meanwhile",
     RULES(LEVEL_CRITICAL, 1000, 60000, POLICY_KEEP_LAST, POLICY_UNKNOWN, .tolerance = 3),
     {{1, L, LEVEL_INFO, LEVEL_OK, AT_PENDING, NONE, 1001},
      {1001, L, LEVEL_INFO, LEVEL_INFO, AT_SOFT, NONE, NONE},
      {1100, T, 0, LEVEL_INFO, AT_HARD, KIND_RAISE, 2100},
      {2100, T, 0, LEVEL_CRITICAL, AT_HARD, KIND_CHANGE, NONE}}},
};

#undef F
#undef T
#undef L
#undef S
#undef N
#undef E

static void check_invariants(const struct judge_state *s)
{
    bool ok = s->level == LEVEL_OK, soft = s->firmness == FIRMNESS_SOFT;

    assert_int_equal(!ok, s->phase == PHASE_ACTIVE || s->phase == PHASE_CLEARING);
    assert_int_equal(!ok, s->active_since_ms != 0);
    assert_int_equal(s->phase == PHASE_CLEARING, !ok && s->pending_level == LEVEL_OK);
    assert_true(!soft || (s->phase == PHASE_ACTIVE && !(s->flags & ALERT_FLAG_FLAPPING)));
    assert_true(!s->ring_len || s->ring[0] != LEVEL_OK);
    assert_int_equal(s->results != 0, soft || s->phase == PHASE_PENDING);
    if (s->phase == PHASE_INACTIVE)
        assert_int_equal(s->pending_level, 0);
    if (s->phase == PHASE_PENDING)
        assert_int_not_equal(s->pending_level, 0);
    if (s->pending_level > LEVEL_OK)
        assert_true(level_rank(s->pending_level) > level_rank(s->level));
}

static void play(const struct scenario *sc)
{
    struct judge_now now = {WALL, 1};
    struct judge_state s;

    judge_init(&s, &now);
    for (size_t i = 0; i < sizeof sc->steps / sizeof *sc->steps && sc->steps[i].want; i++) {
        const struct step *st = &sc->steps[i];
        enum sa_level before = s.level;
        struct judge_transition t;
        int64_t due;

        print_message("%s: step %zu\n", sc->name, i);
        now = (struct judge_now){WALL + st->at, 1 + st->at};
        t = judge(&s, &sc->rules, SAYS(st->kind, st->level), &now, &due);
        check_invariants(&s);
        assert_int_equal(s.level, st->want);
        assert_int_equal(judge_place(&s), st->want_place);
        assert_int_equal(t.happened, s.level != before);
        assert_int_equal(t.kind, st->want_kind);
        assert_int_equal(due, st->want_due ? 1 + st->want_due : 0);
        if (t.happened) {
            assert_int_equal(t.from, before);
            assert_int_equal(t.to, s.level);
            assert_int_equal(s.since_ms, now.wall_ms);
        }
    }
}

static void test_scenarios(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof scenarios / sizeof *scenarios; i++)
        play(&scenarios[i]);
}

static const struct judge_rules held =
    RULES(LEVEL_CRITICAL, 5000, 60000, POLICY_KEEP_LAST, POLICY_UNKNOWN);

static void test_hold_is_frozen_over_a_restart(void **state)
{
    struct judge_now now = {WALL, 1000};
    struct judge_state s;
    int64_t due;

    (void)state;
    judge_init(&s, &now);
    judge(&s, &held, SAYS(VERDICT_TRUE, 0), &now, &due);
    /* Alive for 3 s of the hold, then away for an hour; a new boot's clock may start anywhere. */
    judge_resume(&s, 4000, 500);
    assert_int_equal(s.held_ms, 3000);
    now.mono_ms = 500 + 1999;
    judge(&s, &held, SAYS(VERDICT_TRUE, 0), &now, &due);
    assert_int_equal(s.level, LEVEL_OK);
    assert_int_equal(due, 2500);
    now.mono_ms = 2500;
    assert_true(judge(&s, &held, SAYS(VERDICT_TRUE, 0), &now, &due).happened);
    assert_int_equal(s.level, LEVEL_CRITICAL);
}

static void test_a_restart_that_lost_the_alive_mark_counts_nothing(void **state)
{
    struct judge_now now = {WALL, 1000};
    struct judge_state s;
    int64_t due;

    (void)state;
    judge_init(&s, &now);
    judge(&s, &held, SAYS(VERDICT_TRUE, 0), &now, &due);
    judge_resume(&s, 0, 77);
    assert_int_equal(s.held_ms, 0);
    assert_int_equal(s.pending_since_mono, 77);
}

static void test_in_and_out_times(void **state)
{
    struct judge_rules r = held;
    struct judge_now now = {WALL, 1};
    struct judge_transition t;
    struct judge_state s;
    int64_t due;

    (void)state;
    r.hold_ms = 0;
    judge_init(&s, &now);
    t = judge(&s, &r, SAYS(VERDICT_TRUE, 0), &now, &due);
    assert_int_equal(t.in_ms, WALL);
    assert_int_equal(t.out_ms, 0);
    now = (struct judge_now){WALL + 700, 701};
    t = judge(&s, &r, SAYS(VERDICT_LEVEL, LEVEL_WARNING), &now, &due);
    assert_int_equal(t.kind, KIND_CHANGE);
    assert_int_equal(t.in_ms, WALL);
    now = (struct judge_now){WALL + 900, 901};
    t = judge(&s, &r, SAYS(VERDICT_FALSE, 0), &now, &due);
    assert_int_equal(t.in_ms, WALL);
    assert_int_equal(t.out_ms, WALL + 900);
    assert_int_equal(s.previous_level, LEVEL_WARNING);
}

static void test_close(void **state)
{
    struct judge_rules r = held;
    struct judge_now now = {WALL, 1};
    struct judge_transition t;
    struct judge_state s;
    int64_t due;

    (void)state;
    judge_init(&s, &now);
    judge(&s, &r, SAYS(VERDICT_TRUE, 0), &now, &due); /* pending */
    t = judge_close(&s, REASON_DISABLED, &now);
    check_invariants(&s);
    assert_false(t.happened);
    assert_int_equal(s.flags, ALERT_FLAG_DISABLED);
    r.hold_ms = 0;
    judge(&s, &r, SAYS(VERDICT_TRUE, 0), &now, &due);
    assert_int_equal(s.flags, 0);
    t = judge_close(&s, REASON_DELETED, &now);
    check_invariants(&s);
    assert_true(t.happened);
    assert_int_equal(t.reason, REASON_DELETED);
    assert_int_equal(t.to, LEVEL_OK);
}

static void test_an_edit_drops_what_is_pending_and_keeps_what_is_active(void **state)
{
    struct judge_rules r = held;
    struct judge_now now = {WALL, 1};
    struct judge_state s;
    int64_t due;

    (void)state;
    judge_init(&s, &now);
    judge(&s, &r, SAYS(VERDICT_TRUE, 0), &now, &due);
    judge_edited(&s);
    check_invariants(&s);
    assert_int_equal(s.phase, PHASE_INACTIVE);
    r.hold_ms = 0;
    judge(&s, &r, SAYS(VERDICT_TRUE, 0), &now, &due);
    judge_edited(&s);
    check_invariants(&s);
    assert_int_equal(s.level, LEVEL_CRITICAL);
}

static void test_an_edit_starts_counting_anew(void **state)
{
    struct judge_rules r = held;
    struct judge_now now = {WALL, 1};
    struct judge_state s;
    int64_t due;

    (void)state;
    r.hold_ms = 0;
    r.tolerance = 2;
    r.clear_ms = 1000;
    judge_init(&s, &now);
    judge(&s, &r, SAYS(VERDICT_TRUE, 0), &now, &due);
    judge_edited(&s);
    judge(&s, &r, SAYS(VERDICT_TRUE, 0), &now, &due);
    assert_int_equal(judge_place(&s), AT_SOFT);
    judge(&s, &r, SAYS(VERDICT_TRUE, 0), &now, &due);
    judge(&s, &r, SAYS(VERDICT_FALSE, 0), &now, &due);
    assert_int_equal(judge_place(&s), AT_CLEARING);
    judge_edited(&s);
    check_invariants(&s);
    assert_int_equal(judge_place(&s), AT_HARD);
    assert_int_equal(s.level, LEVEL_CRITICAL);
}

static void test_the_clear_time_is_frozen_over_a_restart(void **state)
{
    struct judge_rules r = held;
    struct judge_now now = {WALL, 1000};
    struct judge_state s;
    int64_t due;

    (void)state;
    r.hold_ms = 0;
    r.clear_ms = 5000;
    judge_init(&s, &now);
    judge(&s, &r, SAYS(VERDICT_TRUE, 0), &now, &due);
    judge(&s, &r, SAYS(VERDICT_FALSE, 0), &now, &due);
    judge_resume(&s, 4000, 500);
    now.mono_ms = 2499;
    judge(&s, &r, SAYS(VERDICT_FALSE, 0), &now, &due);
    assert_int_equal(judge_place(&s), AT_CLEARING);
    assert_int_equal(due, 2500);
    now.mono_ms = 2500;
    assert_int_equal(judge(&s, &r, SAYS(VERDICT_FALSE, 0), &now, &due).kind, KIND_CLEAR);
}

static void test_closing_what_is_soft_tells_nobody(void **state)
{
    struct judge_rules r = held;
    struct judge_now now = {WALL, 1};
    struct judge_transition t;
    struct judge_state s;
    int64_t due;

    (void)state;
    r.hold_ms = 0;
    r.tolerance = 2;
    judge_init(&s, &now);
    judge(&s, &r, SAYS(VERDICT_TRUE, 0), &now, &due);
    t = judge_close(&s, REASON_DELETED, &now);
    check_invariants(&s);
    assert_true(t.happened);
    assert_int_equal(t.kind, NONE);
}

/* ---- the drawing ---- */

/* TEXT has a line for each edge, in the order of the table, each line behind PREFIX. */
static void assert_drawn(const char *path, const char *prefix)
{
    const char *top = getenv("top_srcdir");
    char name[256], line[256];
    FILE *f;
    size_t n = 0;

    snprintf(name, sizeof name, "%s/%s", top ? top : ".", path);
    f = fopen(name, "r");
    assert_non_null(f);
    while (fgets(line, sizeof line, f)) {
        char want[256];

        if (strncmp(line, prefix, strlen(prefix)) || !strstr(line, " -> "))
            continue;
        assert_in_range(n, 0, judge_nedges - 1);
        snprintf(want, sizeof want, "%s%-11s -> %-11s  %s\n", prefix,
                 judge_place_name(judge_edges[n].from), judge_place_name(judge_edges[n].to),
                 judge_edges[n].when);
        assert_string_equal(line, want);
        n++;
    }
    fclose(f);
    assert_int_equal(n, judge_nedges);
}

static void test_the_drawings_are_the_table(void **state)
{
    (void)state;
    assert_drawn("alerts/judge.h", " *   ");
    assert_drawn("man/snmpalertd.8.in", "    ");
}

/* ---- expressions of levels ---- */

/* What crit > 80, warn > 70 and info > 60 say of VALUE, with the resets of Kapacitor's manual
 * (crit < 70, warn < 60, info < 50) if RESETS. */
static struct judge_said levels_of(int value, bool with_resets)
{
    static const struct {
        enum verdict_part part;
        int above, below;
    } parts[] = {{PART_CRIT, 80, 70}, {PART_WARN, 70, 60}, {PART_INFO, 60, 50}};
    struct judge_said said = {.kind = VERDICT_FALSE};

    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        unsigned raise = 1U << parts[i].part, reset = raise << 1;

        said.asked |= raise | (with_resets ? reset : 0);
        said.holds |= value > parts[i].above ? raise : 0;
        said.holds |= with_resets && value < parts[i].below ? reset : 0;
    }
    return said;
}

struct reading {
    int value;
    enum sa_level want;
};

static void assert_levels(const struct reading *readings, size_t n, bool with_resets)
{
    struct judge_rules r = held;
    struct judge_now now = {WALL, 1};
    struct judge_state s;
    int64_t due;

    r.hold_ms = 0;
    judge_init(&s, &now);
    for (size_t i = 0; i < n; i++) {
        struct judge_said said = levels_of(readings[i].value, with_resets);

        judge(&s, &r, &said, &now, &due);
        check_invariants(&s);
        assert_int_equal(s.level, readings[i].want);
    }
}

/* The sequence of the manual of Kapacitor's alert node. */
static void test_kapacitors_sequence(void **state)
{
    static const struct reading with_resets[] = {
        {61, LEVEL_INFO}, {73, LEVEL_WARNING}, {64, LEVEL_WARNING}, {85, LEVEL_CRITICAL},
        {62, LEVEL_INFO}, {56, LEVEL_INFO},    {47, LEVEL_OK}};
    static const struct reading without[] = {
        {61, LEVEL_INFO}, {73, LEVEL_WARNING}, {64, LEVEL_INFO}, {85, LEVEL_CRITICAL},
        {62, LEVEL_INFO}, {56, LEVEL_OK},      {47, LEVEL_OK}};

    (void)state;
    assert_levels(with_resets, 7, true);
    assert_levels(without, 7, false);
}

static void test_levels_after_unknown_go_on_where_they_were(void **state)
{
    struct judge_said warning = levels_of(73, true), still = levels_of(64, true);
    struct judge_rules r = held;
    struct judge_now now = {WALL, 1};
    struct judge_state s;
    int64_t due;

    (void)state;
    r.hold_ms = 0;
    judge_init(&s, &now);
    judge(&s, &r, &warning, &now, &due);
    judge(&s, &r, SAYS(VERDICT_ERROR, 0), &now, &due);
    assert_int_equal(s.level, LEVEL_UNKNOWN);
    judge(&s, &r, &still, &now, &due);
    assert_int_equal(s.level, LEVEL_WARNING);
}

static void test_beside_a_condition_the_higher_counts(void **state)
{
    struct judge_said said = levels_of(64, true);
    struct judge_rules r = held;
    struct judge_now now = {WALL, 1};
    struct judge_state s;
    int64_t due;

    (void)state;
    r.hold_ms = 0;
    judge_init(&s, &now);
    said.kind = VERDICT_LEVEL;
    said.level = LEVEL_WARNING;
    judge(&s, &r, &said, &now, &due);
    assert_int_equal(s.level, LEVEL_WARNING);
    said = levels_of(90, true);
    judge(&s, &r, &said, &now, &due);
    assert_int_equal(s.level, LEVEL_CRITICAL);
    said.kind = VERDICT_SKIPPED;
    said.holds = 0;
    judge(&s, &r, &said, &now, &due);
    assert_int_equal(s.level, LEVEL_CRITICAL);
    said.kind = VERDICT_ERROR; /* the condition's: its policy counts, they do not */
    judge(&s, &r, &said, &now, &due);
    assert_int_equal(s.level, LEVEL_UNKNOWN);
}

/* ---- flapping ---- */

static const struct judge_rules flappy =
    RULES(LEVEL_CRITICAL, 0, 60000, POLICY_KEEP_LAST, POLICY_UNKNOWN, .flap_history = 5,
          .flap_low = 25, .flap_high = 50);

/* One letter, one result: o is ok, c is critical. What came out: . nothing, the first letters of
 * raise, clear and change (x), each behind ( or ) where flapping begins or ends. */
static void assert_flow(const struct judge_rules *r, const char *results, const char *want)
{
    struct judge_now now = {WALL, 1};
    struct judge_state s;
    char got[128];
    size_t n = 0;

    judge_init(&s, &now);
    for (const char *p = results; *p; p++) {
        struct judge_transition t;
        int64_t due;

        now.wall_ms++;
        now.mono_ms++;
        t = judge(&s, r, SAYS(*p == 'c' ? VERDICT_TRUE : VERDICT_FALSE, 0), &now, &due);
        check_invariants(&s);
        if (t.flap)
            got[n++] = t.flap == FLAP_BEGAN ? '(' : ')';
        got[n++] = t.kind == KIND_RAISE    ? 'r'
                   : t.kind == KIND_CLEAR  ? 'c'
                   : t.kind == KIND_CHANGE ? 'x'
                                           : '.';
    }
    got[n] = 0;
    assert_string_equal(got, want);
}

static void test_flapping(void **state)
{
    struct judge_rules r = flappy;

    (void)state;
    /* There may be four changes among five, of 24, 28, 32 and 36 parts in 120. The newest two are
     * 0.567, more than a half. */
    assert_flow(&r, "cocococ", "r(......");
    /* It ends when what is left is less than a quarter: the oldest alone is 0.2. */
    assert_flow(&r, "cooooo", "r(...)c.");
    assert_flow(&r, "cocccc", "r(....)x");
    r.flap_high = 56;
    assert_flow(&r, "co", "r(.");
    r.flap_high = 57;
    assert_flow(&r, "cooooo", "rc....");
    r.flap_high = 100; /* nothing is more than all */
    assert_flow(&r, "cococococo", "rcrcrcrcrc");
    r = flappy;
    r.flap_history = 2; /* too few to tell */
    assert_flow(&r, "cococo", "rcrcrc");
}

static void test_what_flaps_is_hard(void **state)
{
    struct judge_rules r = flappy;

    (void)state;
    r.tolerance = 2;
    assert_flow(&r, "cocccccc", ".(....)x..");
}

static void test_flapping_ends_when_it_is_asked_for_no_more(void **state)
{
    struct judge_rules r = flappy;
    struct judge_now now = {WALL, 1};
    struct judge_transition t;
    struct judge_state s;
    int64_t due;

    (void)state;
    judge_init(&s, &now);
    judge(&s, &r, SAYS(VERDICT_TRUE, 0), &now, &due);
    assert_int_equal(judge(&s, &r, SAYS(VERDICT_FALSE, 0), &now, &due).flap, FLAP_BEGAN);
    assert_int_equal(s.flags, ALERT_FLAG_FLAPPING);
    r.flap_history = 0;
    assert_int_equal(judge(&s, &r, SAYS(VERDICT_SKIPPED, 0), &now, &due).flap, FLAP_NONE);
    t = judge(&s, &r, SAYS(VERDICT_FALSE, 0), &now, &due);
    assert_int_equal(t.flap, FLAP_ENDED);
    assert_int_equal(t.kind, KIND_CLEAR);
    assert_int_equal(s.ring_len, 0);
}

static void test_closing_what_flaps_tells_the_end(void **state)
{
    struct judge_now now = {WALL, 1};
    struct judge_transition t;
    struct judge_state s;
    int64_t due;

    (void)state;
    judge_init(&s, &now);
    judge(&s, &flappy, SAYS(VERDICT_TRUE, 0), &now, &due);
    judge(&s, &flappy, SAYS(VERDICT_FALSE, 0), &now, &due);
    t = judge_close(&s, REASON_DELETED, &now);
    assert_false(t.happened);
    assert_int_equal(t.kind, KIND_CLEAR);
    assert_int_equal(s.flags, 0);
    assert_int_equal(s.ring_len, 0);
}

static void test_rank(void **state)
{
    static const enum sa_level order[] = {LEVEL_OK, LEVEL_INFO, LEVEL_UNKNOWN, LEVEL_WARNING,
                                          LEVEL_CRITICAL};

    (void)state;
    for (size_t i = 1; i < sizeof order / sizeof *order; i++)
        assert_true(level_rank(order[i]) > level_rank(order[i - 1]));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_scenarios),
        cmocka_unit_test(test_hold_is_frozen_over_a_restart),
        cmocka_unit_test(test_a_restart_that_lost_the_alive_mark_counts_nothing),
        cmocka_unit_test(test_in_and_out_times),
        cmocka_unit_test(test_close),
        cmocka_unit_test(test_an_edit_drops_what_is_pending_and_keeps_what_is_active),
        cmocka_unit_test(test_an_edit_starts_counting_anew),
        cmocka_unit_test(test_the_clear_time_is_frozen_over_a_restart),
        cmocka_unit_test(test_closing_what_is_soft_tells_nobody),
        cmocka_unit_test(test_the_drawings_are_the_table),
        cmocka_unit_test(test_kapacitors_sequence),
        cmocka_unit_test(test_levels_after_unknown_go_on_where_they_were),
        cmocka_unit_test(test_beside_a_condition_the_higher_counts),
        cmocka_unit_test(test_flapping),
        cmocka_unit_test(test_what_flaps_is_hard),
        cmocka_unit_test(test_flapping_ends_when_it_is_asked_for_no_more),
        cmocka_unit_test(test_closing_what_flaps_tells_the_end),
        cmocka_unit_test(test_rank),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
