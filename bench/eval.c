/* bench/eval: what evaluating costs.
 *
 * 10,000 conditions over 1,000 topics, through the client and a real, confined evaluator:
 *   full     every topic has changed, every condition is evaluated;
 *   1 %      ten topics have changed.
 * The peer is a bare loop in this process: parse the same changed JSON, then for each condition put
 * the interpreter's memory back to its image, compile and run the same script. It has no protocol,
 * no sandbox, no budget, no dependencies, no deadline, and the smallest possible view of a topic.
 *
 * Then the full pass with ten hostile conditions of tests/hostile/corpus.txt among the 10,000,
 * group by group: how much longer it takes for each of them, and that the rest is right. And with
 * an evaluator that is killed in the middle of it.
 *
 * Usage: bench/eval [rounds]. Exits 1 if a ratio is not what it must be. */
#include <math.h>
#include <mujs.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>

#include "base/json.h"
#include "base/loop.h"
#include "base/text.h"
#include "eval/arena.h"
#include "eval/client.h"
#include "eval/idmap.h"
#include "eval/spawn.h"
#include "tests/hostile/corpus.h"

enum { TOPICS = 1000, FIELDS = 20, CONDITIONS = 10000, ROUNDS_MAX = 99 };
enum {
    HOSTILE = 10,
    HOSTILE_ROUNDS = 3,
    MORE_EACH_MS = 15,
    FIRST_HOSTILE = CONDITIONS + 1,
    KILLS = 5,
    PASS_MAX_MS = 60000
};

static char texts[CONDITIONS][128];
static char documents[2][TOPICS][1024]; /* two samples of each topic */
static char names[TOPICS][32];

static void make_documents(int sample)
{
    for (int t = 0; t < TOPICS; t++) {
        char *p = documents[sample][t];
        size_t n = 0, cap = sizeof documents[sample][t];
        for (int f = 0; f < FIELDS; f++)
            n += (size_t)snprintf(p + n, cap - n, "%c\"field%d\":%d.5", f ? ',' : '{', f,
                                  (f + t) % 9 + sample);
        snprintf(p + n, cap - n, "}");
    }
}

static void make_input(void)
{
    make_documents(0);
    make_documents(1);
    for (int t = 0; t < TOPICS; t++)
        snprintf(names[t], sizeof names[t], "cluster.metrics.%d", t);
    for (int i = 0; i < CONDITIONS; i++)
        snprintf(texts[i], sizeof texts[i],
                 i % 2 ? "var a = false; if (_topic['%s'].field%d > 5) a = true; a;"
                       : "_topic['%s'].field%d > 5",
                 names[i % TOPICS], i % FIELDS);
}

static double clock_ms(clockid_t clock)
{
    struct timespec t;

    clock_gettime(clock, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static void die(const char *what)
{
    fprintf(stderr, "bench/eval: %s\n", what);
    exit(1);
}

/* ---- the bare loop ---- */

static struct {
    js_State *J;
    struct arena *arena;
    struct arena_image image;
    struct idmap by_name;
    jv *roots[TOPICS];
} bare;

static int bare_member(js_State *J, void *data, const char *name)
{
    const jv *v = jv_get(data, name);

    if (!v)
        return 0;
    js_pushnumber(J, jv_number(v));
    return 1;
}

static int bare_topic(js_State *J, void *data, const char *name)
{
    jv **root = idmap_get(&bare.by_name, hash64(name, strlen(name), 0));

    (void)data;
    if (!root)
        return 0;
    js_getregistry(J, "proto");
    js_newuserdatax(J, "topic", *root, bare_member, NULL, NULL, NULL);
    return 1;
}

static void bare_full(void)
{
    die("the bare loop ran out of memory");
}

static void bare_open(void)
{
    bare.arena = arena_new(8 << 20, bare_full);
    bare.J = bare.arena ? js_newstate(arena_realloc, bare.arena, 0) : NULL;
    if (!bare.J)
        die("out of memory");
    js_getglobal(bare.J, "Object");
    js_getproperty(bare.J, -1, "prototype");
    js_setregistry(bare.J, "proto");
    js_pop(bare.J, 1);
    js_pushnull(bare.J);
    js_newuserdatax(bare.J, "topics", NULL, bare_topic, NULL, NULL, NULL);
    js_setglobal(bare.J, "_topic");
    for (int i = 0; i < 3; i++)
        js_gc(bare.J, 0);
    if (arena_save(bare.arena, &bare.image))
        die("out of memory");
    for (int t = 0; t < TOPICS; t++)
        if (idmap_set(&bare.by_name, hash64(names[t], strlen(names[t]), 0), &bare.roots[t]))
            die("out of memory");
}

static int bare_evaluate(const char *text)
{
    arena_restore(bare.arena, &bare.image);
    if (js_ploadstring(bare.J, "condition", text))
        die("a script does not compile");
    js_pushundefined(bare.J);
    if (js_pcall(bare.J, 0))
        die("a script throws");
    return js_toboolean(bare.J, -1);
}

/* Milliseconds of one pass; how many conditions hold. */
static double bare_pass(int sample, int *ret_true)
{
    double start = clock_ms(CLOCK_MONOTONIC);

    for (int t = 0; t < TOPICS; t++) {
        jv_free(bare.roots[t]);
        bare.roots[t] = jv_parse(documents[sample][t], strlen(documents[sample][t]), NULL);
    }
    *ret_true = 0;
    for (int i = 0; i < CONDITIONS; i++)
        *ret_true += bare_evaluate(texts[i]);
    return clock_ms(CLOCK_MONOTONIC) - start;
}

/* ---- the real thing ---- */

static struct {
    struct loop *loop;
    struct eval_client *client;
    pid_t pid;     /* of the evaluator */
    clockid_t cpu; /* its */
    bool idle;
    int sample; /* of the last pass */
    bool holds[CONDITIONS + 1];
    unsigned verdicts, kill_at; /* of this pass; when to kill, 0: never */
    const struct hostile *hostile[HOSTILE];
} real;

static void check_hostile(const struct hostile *h, const struct verdict *v)
{
    const char *wanted = hostile_check(h, v);

    if (!wanted)
        return;
    fprintf(stderr, "%s %s: '%s', wanted %s\n", h->group, h->name, v->error, wanted);
    die("a hostile condition does not end as it must");
}

static void on_verdict(void *arg, uint32_t id, const struct verdict *v)
{
    (void)arg;
    if (++real.verdicts == real.kill_at)
        kill(real.pid, SIGKILL);
    if (id >= FIRST_HOSTILE) {
        check_hostile(real.hostile[id - FIRST_HOSTILE], v);
        return;
    }
    if (v->kind > VERDICT_TRUE)
        die(v->error);
    real.holds[id] = v->kind == VERDICT_TRUE;
}

static void on_idle(void *arg)
{
    (void)arg;
    real.idle = true;
}

static void start_evaluator(void)
{
    const char *dir = getenv("top_builddir");
    char path[4096];
    struct err e;
    int fd, pidfd;

    snprintf(path, sizeof path, "%s/snmpalertd-evaluator", dir ? dir : ".");
    if (eval_spawn(path, false, &fd, &pidfd, &real.pid, &e))
        die(e.text);
    if (eval_client_attach(real.client, fd, pidfd, real.pid))
        die("the evaluator cannot be attached");
    if (clock_getcpuclockid(real.pid, &real.cpu))
        die("the evaluator has no clock");
}

static void on_lost(void *arg)
{
    (void)arg;
    if (!real.kill_at)
        die("the evaluator is gone");
    waitpid(real.pid, NULL, 0);
    start_evaluator();
}

static void real_open(void)
{
    const struct eval_client_options o = {.on_verdict = on_verdict,
                                          .on_idle = on_idle,
                                          .need_evaluator = on_lost,
                                          .loop = real.loop = loop_new()};

    real.client = eval_client_new(&o);
    if (!real.client)
        die("out of memory");
    start_evaluator();
    for (uint32_t i = 0; i < CONDITIONS; i++)
        if (eval_client_condition_set(real.client, i + 1, 1, texts[i], strlen(texts[i])))
            die("a condition is refused");
}

/* Among what is due: one of the hostile conditions each so many topics. */
static void mix_in(int t)
{
    uint32_t i = (uint32_t)t / (TOPICS / HOSTILE);
    const struct hostile *h =
        t % (TOPICS / HOSTILE) == TOPICS / HOSTILE / 2 ? real.hostile[i] : NULL;

    if (h && eval_client_condition_set(real.client, FIRST_HOSTILE + i, 1, h->text, strlen(h->text)))
        die("a hostile condition is refused");
}

/* Milliseconds from the first of N topics, from FIRST on, to the last verdict. */
static double real_pass(int sample, int first, int n)
{
    double start = clock_ms(CLOCK_MONOTONIC);

    for (int i = 0; i < n; i++) {
        int t = (first + i) % TOPICS;
        const char *json = documents[sample][t];
        if (eval_client_topic_set(real.client, (uint32_t)t + 1, names[t], NULL, 0, 0, json,
                                  strlen(json)))
            die("a topic is refused");
        mix_in(t);
    }
    real.idle = false;
    real.verdicts = 0;
    real.sample = sample;
    eval_client_flush(real.client);
    while (!real.idle)
        if (loop_turn(real.loop, 1000) || clock_ms(CLOCK_MONOTONIC) - start > PASS_MAX_MS)
            die("the loop failed, or no answers come");
    return clock_ms(CLOCK_MONOTONIC) - start;
}

static int real_true(void)
{
    int n = 0;

    for (int i = 1; i <= CONDITIONS; i++)
        n += real.holds[i];
    return n;
}

static void put_topic(void *arg, uint32_t id, uint32_t owner, const char *name, const char *json)
{
    (void)arg;
    if (eval_client_topic_set(real.client, id, name, &owner, owner != 0, 0, json, strlen(json)))
        die("a topic is refused");
}

/* ---- figures ---- */

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static double median(double *v, int n)
{
    qsort(v, (size_t)n, sizeof *v, compare);
    return v[n / 2];
}

static bool print_ratio(const char *what, double ratio, double wanted, bool at_least)
{
    bool good = at_least ? ratio >= wanted : ratio <= wanted;

    printf("%-48s %.3f  (%s %.2f)  %s\n", what, ratio, at_least ? "at least" : "at most", wanted,
           good ? "ok" : "MISSED");
    return good;
}

/* One column a figure, one row a round. */
enum figure { BARE, FULL, PART, CPU_EVALUATOR, CPU_CLIENT, FIGURES };
static double figures[FIGURES][ROUNDS_MAX];

static void run_round(int r)
{
    int held, sample = r % 2;

    figures[BARE][r] = bare_pass(sample, &held);
    figures[CPU_EVALUATOR][r] = -clock_ms(real.cpu);
    figures[CPU_CLIENT][r] = -clock_ms(CLOCK_PROCESS_CPUTIME_ID);
    figures[FULL][r] = real_pass(sample, 0, TOPICS);
    figures[CPU_EVALUATOR][r] += clock_ms(real.cpu);
    figures[CPU_CLIENT][r] += clock_ms(CLOCK_PROCESS_CPUTIME_ID);
    if (real_true() != held)
        die("the two do not agree");
    figures[PART][r] = real_pass(!sample, r * 37, TOPICS / 100);
    real_pass(sample, r * 37, TOPICS / 100);
}

static bool print_figures(int rounds)
{
    double m[FIGURES];

    for (int i = 0; i < FIGURES; i++)
        m[i] = median(figures[i], rounds);
    printf("%d conditions, %d topics, medians of %d rounds\n", CONDITIONS, TOPICS, rounds);
    printf("bare loop   %8.2f ms\n", m[BARE]);
    printf("full pass   %8.2f ms (CPU: evaluator %.2f, client %.2f)\n", m[FULL], m[CPU_EVALUATOR],
           m[CPU_CLIENT]);
    printf("1 %% changed %8.2f ms\n", m[PART]);
    bool good = print_ratio("full pass, speed against the bare loop", m[BARE] / m[FULL], 0.8, true);
    return print_ratio("1 % changed, time against the full pass", m[PART] / m[FULL], 0.03, false) &&
           good;
}

/* ---- hostile ones among them ---- */

static void drop_hostile(void)
{
    for (uint32_t i = 0; i < HOSTILE; i++) {
        eval_client_condition_del(real.client, FIRST_HOSTILE + i);
        real.hostile[i] = NULL;
    }
}

/* Milliseconds of a full pass: by the clock on the wall, and of the evaluator's CPU. */
struct cost {
    double wall, cpu;
};

/* A full pass over topics that differ from those of the pass before; the better of it and *BEST,
 * for other work on the machine only ever adds. */
static int next_pass(struct cost *best)
{
    double cpu = -clock_ms(real.cpu);

    best->wall = fmin(best->wall, real_pass(!real.sample, 0, TOPICS));
    best->cpu = fmin(best->cpu, cpu + clock_ms(real.cpu));
    return real.sample;
}

static void require_right(int sample)
{
    int held;

    bare_pass(sample, &held);
    if (real_true() != held)
        die("the rest is not right among hostile ones");
}

static struct cost quiet_passes(void)
{
    struct cost best = {INFINITY, INFINITY};

    for (int r = 0; r < HOSTILE_ROUNDS; r++)
        next_pass(&best);
    return best;
}

/* The same with all of real.hostile among them. */
static struct cost hostile_passes(void)
{
    struct cost best = {INFINITY, INFINITY};
    const struct hostile *all[HOSTILE];

    memcpy(all, real.hostile, sizeof all);
    for (int r = 0; r < HOSTILE_ROUNDS; r++) {
        memcpy(real.hostile, all, sizeof all);
        require_right(next_pass(&best));
        drop_hostile();
    }
    return best;
}

/* Does this process get much less than a CPU? Then times on the wall tell nothing. */
static bool machine_is_busy(void)
{
    double wall = -clock_ms(CLOCK_MONOTONIC), cpu = -clock_ms(CLOCK_PROCESS_CPUTIME_ID);

    require_right(real.sample);
    wall += clock_ms(CLOCK_MONOTONIC);
    cpu += clock_ms(CLOCK_PROCESS_CPUTIME_ID);
    return wall > 1.2 * cpu;
}

/* Does it cost time? The others do less than honest ones. */
static bool is_dear(const struct hostile *h)
{
    return h->expected == EXPECT_TIME || h->expected == EXPECT_MEMORY ||
           h->expected == EXPECT_LIMIT;
}

/* The next ten of a group, from *AT on; fewer are repeated. False: no more. */
static bool pick_ten(const struct corpus *c, const char *group, size_t *at)
{
    const struct hostile *picked[HOSTILE];
    size_t n = 0;

    for (; *at < c->n && n < HOSTILE; ++*at)
        if (!strcmp(c->scripts[*at].group, group) && is_dear(&c->scripts[*at]))
            picked[n++] = &c->scripts[*at];
    for (size_t i = 0; n && i < HOSTILE; i++)
        real.hostile[i] = picked[i % n];
    if (!n)
        memset(real.hostile, 0, sizeof real.hostile);
    return n > 0;
}

static bool bench_group(const struct corpus *c, const char *group)
{
    struct cost quiet = quiet_passes(), worst = {0};
    bool busy = machine_is_busy();
    size_t at = 0;
    char what[64];

    while (pick_ten(c, group, &at)) {
        struct cost ten = hostile_passes();
        worst.wall = fmax(worst.wall, (ten.wall - quiet.wall) / HOSTILE);
        worst.cpu = fmax(worst.cpu, (ten.cpu - quiet.cpu) / HOSTILE);
        busy = busy || machine_is_busy();
    }
    if (worst.cpu <= 0)
        return true;
    snprintf(what, sizeof what, "10 hostile (%s), ms more each%s", group,
             busy ? ", by CPU time" : "");
    return print_ratio(what, busy ? worst.cpu : worst.wall, MORE_EACH_MS, false);
}

/* An evaluator is killed in the middle of a full pass: it is started anew, told everything, and
 * who may have been to blame is evaluated one by one. */
static bool bench_kill(void)
{
    struct cost quiet = quiet_passes(), best = {INFINITY, INFINITY};

    for (int r = 0; r < HOSTILE_ROUNDS; r++) {
        real.kill_at = CONDITIONS / 2 + 1;
        int sample = next_pass(&best);
        real.kill_at = 0;
        require_right(sample);
    }
    return print_ratio("an evaluator killed in it, passes more", best.wall / quiet.wall - 1, 3,
                       false);
}

static bool bench_hostile(void)
{
    struct corpus c;
    bool good = true;

    if (!corpus_load(&c, "tests/hostile/corpus.txt"))
        die("no corpus");
    corpus_topics(TOPICS + 1, 0, put_topic, NULL);
    for (size_t i = 0; i < c.n; i++)
        if (!i || strcmp(c.scripts[i].group, c.scripts[i - 1].group))
            good = bench_group(&c, c.scripts[i].group) && good;
    corpus_release(&c);
    return bench_kill() && good;
}

int main(int argc, char **argv)
{
    int rounds = argc > 1 ? atoi(argv[1]) : 25, held;

    if (rounds < 1 || rounds > ROUNDS_MAX)
        die("rounds: 1 to 99");
    make_input();
    bare_open();
    real_open();
    real_pass(1, 0, TOPICS);
    bare_pass(1, &held);
    for (int r = 0; r < rounds; r++)
        run_round(r);
    bool good = print_figures(rounds);
    good = bench_hostile() && good;
    eval_client_free(real.client);
    waitpid(real.pid, NULL, 0);
    loop_free(real.loop);
    return !good;
}
