/* Hostile conditions harm nobody but themselves: each of corpus.txt comes to the end that it must
 * come to; beside all of them a thousand neighbours give the very octets that they give alone; and
 * a million evaluations leave nothing behind, neither in the evaluator nor in the client. */
#include <malloc.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

#ifdef HAVE_CONFIG_H
#include "config.h"
#endif
#include "base/clock.h"
#include "base/text.h"
#include "tests/hostile/corpus.h"
#include "tests/hostile/line.h"
#include "tests/hostile/neighbours.h"
#include "tests/unit/eval/world.h"

enum {
    FIRST_NEIGHBOUR = 1,
    FIRST_HOSTILE = 2001,
    CANARY = 5001,
    FIRST_TOPIC = 1,
    FIRST_CORPUS_TOPIC = 1001,
    STORMS = 20,
    GUST = 200,
};

static const int64_t noon_ms = 1773576000000; /* far from any change of hour or day */

static struct corpus corpus;

static int load_corpus(void **state)
{
    (void)state;
    return corpus_load(&corpus, "tests/hostile/corpus.txt") ? 0 : -1;
}

static int release_corpus(void **state)
{
    (void)state;
    corpus_release(&corpus);
    return 0;
}

/* ---- on a bare line ---- */

static void put_corpus_topic(void *arg, uint32_t id, uint32_t owner, const char *name,
                             const char *json)
{
    line_topic(arg, id, name, owner, noon_ms, json);
}

static void put_neighbour_topics(struct line *l, unsigned sample)
{
    char name[32];

    for (size_t i = 0; i < NEIGHBOUR_TOPICS; i++) {
        char *json = neighbour_topic_json(i, sample);
        assert_non_null(json);
        neighbour_topic_name(i, name, sizeof name);
        line_topic(l, (uint32_t)(FIRST_TOPIC + i), name, 0, noon_ms - 50000 + sample * 10000, json);
        free(json);
    }
}

static void take_text(char *dst, size_t cap, struct slice s)
{
    snprintf(dst, cap, "%.*s", (int)s.len, s.len ? (const char *)s.data : "");
}

static void verdict_of(const struct answer *a, struct verdict *ret)
{
    const struct eval_result *r = &a->result;

    *ret = (struct verdict){.kind = (enum verdict_kind)r->kind,
                            .level = r->level,
                            .over_budget = r->flags & RESULT_OVER,
                            .cost_us = r->cost_us};
    take_text(ret->value, sizeof ret->value, r->value);
    take_text(ret->message, sizeof ret->message, r->message);
    take_text(ret->error, sizeof ret->error, r->error);
}

static void check_hostile(const struct answer *a)
{
    const struct hostile *h = &corpus.scripts[a->result.condition_id - FIRST_HOSTILE];
    struct verdict v;

    verdict_of(a, &v);
    const char *wanted = hostile_check(h, &v);
    if (wanted)
        fail_msg("%s %s\n  is kind %d level %d value '%.40s' message '%.40s' error '%s' in %u us\n"
                 "  wanted: %s",
                 h->group, h->name, v.kind, v.level, v.value, v.message, v.error, v.cost_us,
                 wanted);
}

/* ---- one by one ---- */

/* True if all that a condition may rely on is there; it looks at everything that the scripts of the
 * group "spoil" meddle with. */
static const char canary[] =
    "var t = _topic.t, n = 0; for (var k in {a: 1}) n++;"
    "n === 1 && t.x === 7 && t.list.length === 3 && [1].concat(t.list).join('') === '1123' &&"
    "typeof leak + typeof kept + typeof held === 'undefinedundefinedundefined' &&"
    "({}).polluted === undefined && ({}).level === undefined && ({}).value === undefined &&"
    "[3, 1, 2].sort().map(function (x) { return x + 1; }).join() === '2,3,4' && !(0 in []) &&"
    "'a,b'.split(',').length === 2 && String(new Error('e')) === 'Error: e' &&"
    "JSON.stringify({a: [1]}) === '{\"a\":[1]}' && Math.max.apply(null, [1, 2]) === 2 &&"
    "Object.keys({b: 1})[0] === 'b' && parseInt('12') === 12 && !isNaN(1) &&"
    "new Date(0).getTime() === 0 && glob('t').length === 1 && rate('t', 'x') === undefined &&"
    "/a(b)/.exec('ab')[1] === 'b' && !Object.isFrozen(Object.prototype) && (1).valueOf() === 1";

static void take_one(void *arg, const struct answer *a)
{
    (void)arg;
    if (a->result.condition_id != CANARY)
        check_hostile(a);
    else if (a->result.kind != VERDICT_TRUE)
        fail_msg("the canary is kind %d: %.*s", a->result.kind, (int)a->result.error.len,
                 (const char *)a->result.error.data);
}

static void each_comes_to_its_end(void **state)
{
    struct line l;

    (void)state;
    line_open(&l);
    corpus_topics(FIRST_CORPUS_TOPIC, CORPUS_TOPICS_MANY, put_corpus_topic, &l);
    line_define(&l, CANARY, canary);
    for (uint32_t i = 0; i < corpus.n; i++) {
        const uint32_t both[] = {FIRST_HOSTILE + i, CANARY};
        line_define(&l, both[0], corpus.scripts[i].text);
        line_eval(&l, noon_ms, both, 2, take_one, NULL);
        line_undefine(&l, both[0]);
    }
    line_close(&l);
}

/* What a SET is checked with: nothing is run, so that only what is wrong with the text itself is
 * found, in the same words. */
static void compiling_them_runs_nothing(void **state)
{
    unsigned refused = 0;
    struct line l;

    (void)state;
    line_open(&l);
    corpus_topics(FIRST_CORPUS_TOPIC, 0, put_corpus_topic, &l);
    line_define(&l, CANARY, canary);
    for (size_t i = 0; i < corpus.n; i++) {
        const struct hostile *h = &corpus.scripts[i];
        const char *error = line_compile(&l, h->text);
        if (error[0] && strcmp(error, h->error) != 0)
            fail_msg("%s %s does not compile: %s", h->group, h->name, error);
        refused += error[0] != 0;
        line_eval(&l, noon_ms, (const uint32_t[]){CANARY}, 1, take_one, NULL);
    }
    assert_in_range(refused, 8, 20);
    line_close(&l);
}

/* ---- side by side ---- */

enum order { ALONE, HOSTILE_FIRST, HOSTILE_LAST, INTERLEAVED, RANDOM };
static const struct {
    enum order order;
    unsigned seed;
} passes[] = {
    {HOSTILE_FIRST, 0}, {INTERLEAVED, 0}, {HOSTILE_LAST, 0}, {RANDOM, 1}, {RANDOM, 20261121},
};
enum { PASSES = sizeof passes / sizeof *passes, ORDER_MAX = NEIGHBOURS + 1000 };

struct octets {
    uint8_t *data;
    size_t len;
};

/* What each neighbour said in each pass, when it was alone. */
static struct octets alone[PASSES][NEIGHBOURS];

static void append(uint32_t *ids, size_t *n, uint32_t first, size_t count)
{
    for (size_t i = 0; i < count; i++)
        ids[(*n)++] = first + (uint32_t)i;
}

static void interleave(uint32_t *ids, size_t *n)
{
    for (size_t i = 0; i < NEIGHBOURS; i++) {
        append(ids, n, FIRST_NEIGHBOUR + (uint32_t)i, 1);
        if (i < corpus.n)
            append(ids, n, FIRST_HOSTILE + (uint32_t)i, 1);
    }
}

static void shuffle(uint32_t *ids, size_t n, unsigned seed)
{
    for (size_t i = n; i > 1; i--) {
        size_t k = (size_t)rand_r(&seed) % i;
        uint32_t keep = ids[i - 1];
        ids[i - 1] = ids[k];
        ids[k] = keep;
    }
}

static size_t put_in_order(enum order order, unsigned seed, uint32_t *ids)
{
    size_t n = 0;

    if (order == INTERLEAVED) {
        interleave(ids, &n);
        return n;
    }
    if (order == HOSTILE_FIRST)
        append(ids, &n, FIRST_HOSTILE, corpus.n);
    append(ids, &n, FIRST_NEIGHBOUR, NEIGHBOURS);
    if (order == HOSTILE_LAST || order == RANDOM)
        append(ids, &n, FIRST_HOSTILE, corpus.n);
    if (order == RANDOM)
        shuffle(ids, n, seed);
    return n;
}

static void note_neighbour(void *arg, const struct answer *a)
{
    struct octets *o = (struct octets *)arg + (a->result.condition_id - FIRST_NEIGHBOUR);

    o->data = malloc(a->len);
    assert_non_null(o->data);
    memcpy(o->data, a->octets, a->len);
    o->len = a->len;
}

static void compare_neighbour(void *arg, const struct answer *a)
{
    if (a->result.condition_id >= FIRST_HOSTILE) {
        check_hostile(a);
        return;
    }
    size_t i = a->result.condition_id - FIRST_NEIGHBOUR;
    const struct octets *o = (const struct octets *)arg + i;
    if (o->len == a->len && !memcmp(o->data, a->octets, a->len))
        return;
    char text[NEIGHBOUR_TEXT_MAX];
    neighbour_text(i, text);
    fail_msg("%s\n  says something else among hostile ones: kind %d error '%.*s'", text,
             a->result.kind, (int)a->result.error.len, (const char *)a->result.error.data);
}

static void define_neighbours(struct line *l)
{
    char text[NEIGHBOUR_TEXT_MAX];

    for (uint32_t i = 0; i < NEIGHBOURS; i++) {
        neighbour_text(i, text);
        line_define(l, FIRST_NEIGHBOUR + i, text);
    }
}

/* All passes on one evaluator: what an earlier one left would show in a later one. */
static void run_passes(bool with_hostile)
{
    static uint32_t ids[ORDER_MAX];
    struct line l;

    line_open(&l);
    corpus_topics(FIRST_CORPUS_TOPIC, CORPUS_TOPICS_MANY, put_corpus_topic, &l);
    define_neighbours(&l);
    for (uint32_t i = 0; with_hostile && i < corpus.n; i++)
        line_define(&l, FIRST_HOSTILE + i, corpus.scripts[i].text);
    for (unsigned p = 0; p < PASSES; p++) {
        put_neighbour_topics(&l, p);
        size_t n = put_in_order(with_hostile ? passes[p].order : ALONE, passes[p].seed, ids);
        line_eval(&l, noon_ms + p * 1000, ids, n, with_hostile ? compare_neighbour : note_neighbour,
                  alone[p]);
    }
    line_close(&l);
}

static void count_kinds(unsigned counts[VERDICT_ERROR + 1])
{
    struct eval_result r;
    struct rd rd;

    for (size_t i = 0; i < NEIGHBOURS; i++) {
        rd_init(&rd, alone[0][i].data, alone[0][i].len);
        assert_int_equal(eval_get_result(&rd, &r), 0);
        counts[r.kind]++;
    }
}

static void neighbours_do_not_notice(void **state)
{
    unsigned counts[VERDICT_ERROR + 1] = {0};

    (void)state;
    assert_true(NEIGHBOURS + corpus.n <= ORDER_MAX);
    run_passes(false);
    count_kinds(counts); /* they are worth comparing: every kind of verdict is among them */
    for (size_t k = 0; k <= VERDICT_ERROR; k++)
        assert_in_range(counts[k], 20, NEIGHBOURS / 2);
    run_passes(true);
    for (size_t p = 0; p < PASSES; p++)
        for (size_t i = 0; i < NEIGHBOURS; i++)
            free(alone[p][i].data);
}

/* ---- ticks that come at once ---- */

/* In gusts: without a pause the handlers themselves would use up the budget. */
static pid_t start_storm(pid_t evaluator)
{
    const struct timespec pause = {.tv_nsec = 50000};
    pid_t pid = fork();

    assert_true(pid >= 0);
    if (pid)
        return pid;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    for (unsigned i = 0; !kill(evaluator, SIGALRM); i++)
        if (i % GUST == 0)
            nanosleep(&pause, NULL);
    _exit(1);
}

static void take_innocent(void *arg, const struct answer *a)
{
    bool hostile = a->result.condition_id == FIRST_HOSTILE;

    (void)arg;
    if (hostile != !!(a->result.flags & RESULT_OVER))
        fail_msg("condition %u %s stopped", a->result.condition_id, hostile ? "is not" : "is");
}

/* The clock's signal can come in the middle of the handler for the one before, which a busy machine
 * makes likely: whoever is innocent must not be stopped for what one before has used. */
static void a_storm_of_ticks_stops_nobody_innocent(void **state)
{
    static uint32_t ids[NEIGHBOURS + 1];
    struct line l;
    size_t n = 0;

    (void)state;
    line_open(&l);
    put_neighbour_topics(&l, 0);
    define_neighbours(&l);
    line_define(&l, FIRST_HOSTILE, "for (;;);");
    append(ids, &n, FIRST_HOSTILE, 1);
    append(ids, &n, FIRST_NEIGHBOUR, NEIGHBOURS);
    pid_t storm = start_storm(l.pid);
    for (int i = 0; i < STORMS; i++)
        line_eval(&l, noon_ms, ids, n, take_innocent, NULL);
    kill(storm, SIGKILL);
    assert_int_equal(waitpid(storm, NULL, 0), storm);
    line_close(&l);
}

/* ---- a million ---- */

#ifndef SA_SANITIZERS /* they keep what was freed */

enum {
    EVALUATIONS = 1000000,
    CHEAP_US = 200, /* scripts that cost less take part in each round ... */
    DEAR_EACH = 10, /* ... any other one each so many rounds, as ... */
    DEAR = 4001,    /* ... this condition */
    PERIOD = 10,    /* rounds after which topics and definitions come again */
    WARM_UP = 6 * PERIOD,
    TOLERANCE_KB = 64,
};

static struct {
    size_t n; /* evaluations so far */
    uint32_t cheap[1000];
    size_t ncheap;
} million;

static void count_verdict(struct world *w, uint32_t id)
{
    (void)w;
    (void)id;
    million.n++;
}

static void put_world_topic(void *arg, uint32_t id, uint32_t owner, const char *name,
                            const char *json)
{
    struct world *w = arg;

    assert_int_equal(eval_client_topic_set(w->client, id, name, &owner, owner != 0, clock_mono_ms(),
                                           json, strlen(json)),
                     0);
}

static void change_topics(struct world *w, unsigned round)
{
    char name[32];

    for (size_t i = 0; i < NEIGHBOUR_TOPICS; i++) {
        uint32_t id = (uint32_t)(FIRST_TOPIC + i);
        char *json = neighbour_topic_json(i, round % PERIOD);
        neighbour_topic_name(i, name, sizeof name);
        put_world_topic(w, id, 0, name, json);
        free(json);
    }
    /* these come and go */
    snprintf(name, sizeof name, "guest.%u", round % PERIOD);
    if (round % 2)
        eval_client_topic_del(w->client, FIRST_TOPIC + NEIGHBOUR_TOPICS);
    else
        put_world_topic(w, FIRST_TOPIC + NEIGHBOUR_TOPICS, 0, name, "{\"x\":[1,2,3]}");
}

/* A tenth of the neighbours are deleted, and made again with other texts. */
static void change_definitions(struct world *w, unsigned round)
{
    char text[NEIGHBOUR_TEXT_MAX];

    for (uint32_t i = round % 10; i < NEIGHBOURS; i += 10) {
        eval_client_condition_del(w->client, FIRST_NEIGHBOUR + i);
        neighbour_text(i + NEIGHBOURS * (round % PERIOD), text);
        world_define(w, FIRST_NEIGHBOUR + i, text);
    }
}

static void play_round(struct world *w, unsigned round)
{
    change_topics(w, round);
    change_definitions(w, round);
    for (uint32_t i = 0; i < NEIGHBOURS; i++)
        eval_client_run(w->client, FIRST_NEIGHBOUR + i);
    for (size_t i = 0; i < million.ncheap; i++)
        eval_client_run(w->client, million.cheap[i]);
    uint32_t dear = round / DEAR_EACH % (uint32_t)corpus.n;
    if (round % DEAR_EACH == 0)
        world_define(w, DEAR, corpus.scripts[dear].text);
    world_run(w);
    if (round % DEAR_EACH == 0)
        eval_client_condition_del(w->client, DEAR);
}

/* Every script once: all that can be touched has been touched. Only the cheap ones stay. */
static void play_corpus(struct world *w)
{
    for (uint32_t i = 0; i < corpus.n; i++)
        world_define(w, FIRST_HOSTILE + i, corpus.scripts[i].text);
    world_run(w);
    million.ncheap = 0;
    for (uint32_t i = 0; i < corpus.n; i++) {
        if (w->verdicts[FIRST_HOSTILE + i].last.cost_us < CHEAP_US)
            million.cheap[million.ncheap++] = FIRST_HOSTILE + i;
        else
            eval_client_condition_del(w->client, FIRST_HOSTILE + i);
    }
}

/* Resident memory of the evaluator, and what the client has allocated, at one point of the period.
 * A heap may have other holes each time, and each of its 3,500 blocks up to 16 octets more than
 * were asked for: hence the tolerance. A leak of one octet an evaluation would be 1,000 kB. */
static void a_million_evaluations_leave_nothing(void **state)
{
    const char *asked = getenv("HOSTILE_EVALUATIONS");
    size_t wanted = asked ? strtoul(asked, NULL, 10) : EVALUATIONS;
    struct world *w = *state;
    unsigned round = 0;

    corpus_topics(FIRST_CORPUS_TOPIC, 0, put_world_topic, w);
    w->on_verdict = count_verdict;
    play_corpus(w);
    while (round < WARM_UP)
        play_round(w, round++);
    long before_kb = world_status(w, "RssAnon:");
    size_t client_before = mallinfo2().uordblks;
    for (million.n = 0; million.n < wanted || round % PERIOD;)
        play_round(w, round++);
    long after_kb = world_status(w, "RssAnon:");
    size_t client_after = mallinfo2().uordblks;
    print_message("%zu evaluations (%zu kinds of hostile ones): evaluator %ld kB, then %ld kB; "
                  "client %zu kB, then %zu kB\n",
                  million.n, million.ncheap, before_kb, after_kb, client_before / 1024,
                  client_after / 1024);
    assert_int_equal(w->kills, 0);
    assert_in_range(after_kb, 1, before_kb + TOLERANCE_KB);
    assert_in_range(client_after, 1, client_before + TOLERANCE_KB * 1024);
}
#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_comes_to_its_end),
        cmocka_unit_test(compiling_them_runs_nothing),
        cmocka_unit_test(neighbours_do_not_notice),
        cmocka_unit_test(a_storm_of_ticks_stops_nobody_innocent),
#ifndef SA_SANITIZERS
        cmocka_unit_test_setup_teardown(a_million_evaluations_leave_nothing, world_setup,
                                        world_teardown),
#endif
    };

    return cmocka_run_group_tests(tests, load_corpus, release_corpus);
}
