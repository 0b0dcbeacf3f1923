#include "eval/engine.h"

#include <errno.h>
#include <mujs.h>
#include <setjmp.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <time.h>

#include "base/text.h"
#include "eval/arena.h"
#include "eval/interpose.h"
#include "eval/outcome.h"
#include "eval/record.h"
#include "eval/view.h"

/* The image is taken with a C function and its `this` on the interpreter's stack, ready to be
 * called; everything of one evaluation happens inside that call: compiling, running, and reading
 * the result, all of which can run the script's code, throw, run out of time or out of memory.
 *
 * Time and memory are left by siglongjmp, from the tick's handler or from the allocator. That is
 * safe since between `running = true` and `running = false` nothing is changed but the arena, which
 * is put back, and the statics of view.c, node.c and record.c, which bear it. */

enum left { LEFT_TIME = 1, LEFT_MEMORY };

/* Below it an evaluation's cost is its wall time: asking for CPU time costs half an evaluation. */
enum { CHEAP_NS = 500000 };

enum {
    TICK_NS = ENGINE_TICK_MS * 1000000,
    BUDGET_NS = ENGINE_BUDGET_MS * 1000000,
    BUDGET_TICKS = ENGINE_BUDGET_MS / ENGINE_TICK_MS,
};

static struct {
    js_State *J;
    struct arena *arena;
    struct arena_image image;
    void (*on_slow)(uint32_t condition_id);
    const struct script *script; /* under way; NULL: one of engine_compile */
    const char *text;
    struct verdict *out;
    char *error; /* where an exception's text goes */
    size_t error_cap;
    bool aborted;        /* the evaluation before was left */
    int64_t last_ns;     /* when the evaluation before ended, by the monotonic clock */
    int64_t cpu_base_ns; /* CPU time at some moment between evaluations ... */
    int64_t cheap_ns;    /* ... and what the cheap ones since have cost */
} engine;

static sigjmp_buf escape;
static volatile sig_atomic_t running;
static volatile uint32_t sequence; /* of the evaluation under way */

static int64_t now_ns(clockid_t clock)
{
    struct timespec t;

    clock_gettime(clock, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* ---- leaving ---- */

static void on_memory(void)
{
    if (!running)
        abort();
    running = 0;
    siglongjmp(escape, LEFT_MEMORY);
}

/* CPU time that the evaluation under way had taken before the first tick that saw it: its wall
 * time, since nobody looked, but no more than from one tick to the next. */
static int64_t before_first_tick_ns(void)
{
    int64_t ns = now_ns(CLOCK_MONOTONIC) - engine.last_ns;

    return ns < TICK_NS ? ns : TICK_NS;
}

/* Called for each tick that comes while a script runs; true: it has used up its budget, which wants
 * all its ticks besides its CPU time: of a virtual machine's CPU time the host may have kept a part
 * for itself, in which no tick comes. The second tick that sees the same evaluation knows that it
 * is slow. */
static bool count_tick(void)
{
    static uint32_t seen;
    static unsigned ticks;
    static int64_t since_ns;

    if (seen != sequence) {
        since_ns = now_ns(CLOCK_THREAD_CPUTIME_ID) - before_first_tick_ns();
        ticks = 0;
        seen = sequence;
    }
    if (++ticks == 2 && engine.on_slow && engine.script)
        engine.on_slow(engine.script->id);
    return ticks >= BUDGET_TICKS && now_ns(CLOCK_THREAD_CPUTIME_ID) - since_ns >= BUDGET_NS;
}

/* The signal is never blocked, or leaving would have to unblock it, by a system call that the
 * sandbox does not allow: the next tick can come anywhere in here. One in the middle of counting
 * is not counted; else it would see half of the notes of this one, half of an evaluation before. */
static void on_tick(int signo)
{
    static volatile sig_atomic_t counting;
    int saved = errno;

    (void)signo;
    if (!running || counting)
        return;
    counting = 1;
    atomic_signal_fence(memory_order_seq_cst);
    bool over = count_tick();
    atomic_signal_fence(memory_order_seq_cst);
    counting = 0;
    if (over) {
        running = 0;
        siglongjmp(escape, LEFT_TIME);
    }
    errno = saved;
}

static void set_timer(long ms)
{
    const struct itimerval t = {{0, ms * 1000}, {0, ms * 1000}};

    setitimer(ITIMER_REAL, &t, NULL);
}

void engine_start(void)
{
    engine.cpu_base_ns = now_ns(CLOCK_THREAD_CPUTIME_ID);
    engine.cheap_ns = 0;
    engine.last_ns = now_ns(CLOCK_MONOTONIC);
    set_timer(ENGINE_TICK_MS);
}

void engine_stop(void)
{
    set_timer(0);
}

/* ---- inside the interpreter ---- */

static void js_describe(js_State *J)
{
    outcome_of_exception(J, 1, engine.error, engine.error_cap);
    js_pushundefined(J);
}

/* Each member of the event becomes a global: its text is only ever parsed as JSON, never as code.
 */
static void bind_event(js_State *J)
{
    const char *name;

    js_getglobal(J, "JSON");
    js_getproperty(J, -1, "parse");
    js_rot2(J);
    js_pushstring(J, engine.script->event);
    js_call(J, 1);
    js_pushiterator(J, -1, 1);
    while ((name = js_nextiterator(J, -1))) {
        js_getproperty(J, -2, name);
        js_setglobal(J, name);
    }
    js_pop(J, 2);
}

/* The function of the image. */
static void js_work(js_State *J)
{
    js_loadstring(J, SCRIPT_NAME, engine.text);
    if (engine.script) {
        if (engine.script->event)
            bind_event(J);
        view_prepare(J);
        js_pushundefined(J);
        js_call(J, 0);
        outcome_of_value(J, engine.out);
    }
    js_pushundefined(J);
}

/* Call js_work() on a fresh interpreter. False: something was thrown, engine.error says what. */
static bool work(void)
{
    js_State *J = engine.J;

    arena_restore(engine.arena, &engine.image);
    if (!js_pcall(J, 0))
        return true;
    js_getregistry(J, "describe");
    js_pushundefined(J);
    js_copy(J, -3);
    if (js_pcall(J, 1))
        snprintf(engine.error, engine.error_cap, "an exception that cannot be shown");
    return false;
}

/* The same, with a way out. */
static bool work_guarded(void)
{
    sequence++;
    switch (sigsetjmp(escape, 0)) {
    case 0:
        break;
    case LEFT_TIME:
        snprintf(engine.error, engine.error_cap, "stopped: over %d ms of CPU time",
                 ENGINE_BUDGET_MS);
        engine.aborted = engine.out->over_budget = true;
        return false;
    default:
        snprintf(engine.error, engine.error_cap, "stopped: over %d MiB of memory",
                 ENGINE_MEMORY >> 20);
        engine.aborted = true;
        return false;
    }
    running = 1;
    bool good = work();
    running = 0;
    return good;
}

/* ---- evaluating ---- */

/* CPU time since the evaluation before. */
static uint32_t cost_us(void)
{
    int64_t end_ns = now_ns(CLOCK_MONOTONIC), ns = end_ns - engine.last_ns;

    engine.last_ns = end_ns;
    if (ns < CHEAP_NS) {
        engine.cheap_ns += ns;
        return (uint32_t)(ns / 1000);
    }
    int64_t cpu_ns = now_ns(CLOCK_THREAD_CPUTIME_ID);
    int64_t mine = cpu_ns - engine.cpu_base_ns - engine.cheap_ns;
    engine.cpu_base_ns = cpu_ns;
    engine.cheap_ns = 0;
    return mine > 0 ? (uint32_t)(mine / 1000) : 0;
}

static void clear_verdict(struct verdict *v)
{
    v->kind = VERDICT_NODATA;
    v->level = 0;
    v->asked = v->holds = v->failed = 0;
    v->reads_clock = v->over_budget = false;
    v->value[0] = v->message[0] = v->error[0] = 0;
}

/* Whatever the script had said before it failed does not count. */
static void fail_verdict(struct verdict *v)
{
    v->kind = VERDICT_ERROR;
    v->level = 0;
    v->value[0] = v->message[0] = 0;
}

/* One part of S; what it reads is added to the record. */
static void run_part(const struct script *s, enum verdict_part part, const struct topics *topics,
                     int64_t now_ms, struct verdict *ret)
{
    clear_verdict(ret);
    view_begin(topics, s, now_ms);
    interpose_clock_read = engine.aborted = false;
    engine.script = s;
    engine.text = s->text + s->at[part];
    engine.out = ret;
    engine.error = ret->error;
    engine.error_cap = sizeof ret->error;
    if (!work_guarded())
        fail_verdict(ret);
    ret->reads_clock = interpose_clock_read || view_clock_read();
    ret->cost_us = cost_us();
    if (ret->over_budget && ret->cost_us < ENGINE_BUDGET_MS * 1000)
        ret->cost_us = ENGINE_BUDGET_MS * 1000; /* the cheap ones before were taken for dearer */
}

/* The expression of a level failed; the first of them is told. */
static void add_failure(struct verdict *v, enum verdict_part part, const struct verdict *said)
{
    static const char *const names[VERDICT_PARTS] = {
        [PART_CRIT] = "critCondition", [PART_CRIT_RESET] = "critReset",
        [PART_WARN] = "warnCondition", [PART_WARN_RESET] = "warnReset",
        [PART_INFO] = "infoCondition", [PART_INFO_RESET] = "infoReset",
    };
    const char *why = said->kind == VERDICT_ERROR ? said->error : "the value is not true or false";
    char text[VERDICT_ERROR_MAX + 32];

    if (!v->failed && v->kind != VERDICT_ERROR) {
        snprintf(text, sizeof text, "%s: %s", names[part], why);
        utf8_clean(v->error, sizeof v->error, text, strlen(text), false);
    }
    v->failed |= (uint8_t)(1U << part);
}

/* What an expression of a level said. True: it had no data. */
static bool add_part(struct verdict *v, enum verdict_part part, const struct verdict *said)
{
    v->cost_us += said->cost_us;
    v->reads_clock |= said->reads_clock;
    v->over_budget |= said->over_budget;
    if (said->kind == VERDICT_TRUE)
        v->holds |= (uint8_t)(1U << part);
    else if (said->kind != VERDICT_FALSE && said->kind != VERDICT_NODATA)
        add_failure(v, part, said);
    return said->kind == VERDICT_NODATA;
}

/* Each part has a budget of its own. */
static void run_levels(const struct script *s, const struct topics *topics, int64_t now_ms,
                       struct verdict *ret)
{
    static struct verdict said;
    unsigned no_data = 0;

    if (!(s->asked & 1 << PART_CONDITION)) {
        clear_verdict(ret);
        ret->kind = VERDICT_FALSE;
        ret->cost_us = 0;
    }
    ret->asked = (uint8_t)s->asked;
    for (unsigned part = PART_CRIT; part < VERDICT_PARTS; part++) {
        if (!(s->asked & 1U << part))
            continue;
        record_go_on(engine.aborted);
        run_part(s, part, topics, now_ms, &said);
        if (add_part(ret, part, &said))
            no_data |= 1U << part;
    }
    if (!(s->asked & 1 << PART_CONDITION) && !(ret->holds & PARTS_RAISE) && no_data & PARTS_RAISE)
        ret->kind = VERDICT_NODATA;
}

void engine_evaluate(const struct script *s, const struct topics *topics, int64_t now_ms,
                     struct verdict *ret)
{
    record_begin(engine.aborted);
    engine.aborted = false;
    if (!s->asked || s->asked & 1 << PART_CONDITION)
        run_part(s, PART_CONDITION, topics, now_ms, ret);
    if (s->asked)
        run_levels(s, topics, now_ms, ret);
}

bool engine_compile(const char *text, char *ret, size_t cap)
{
    struct verdict unused;

    ret[0] = 0;
    engine.script = NULL;
    engine.text = text;
    engine.out = &unused;
    engine.error = ret;
    engine.error_cap = cap;
    return work_guarded();
}

/* ---- start ---- */

/* Everything that the interpreter and the C library set up on first use is used once. */
static const char warm_up[] =
    "(function () {"
    "    new Date().toString(); new Date(2000, 1, 1).toLocaleString(); (1.5).toFixed(2);"
    "    var a = []; for (var i = 0; i < 300; ++i) a.push((i * 7919) % 300);"
    "    a.sort(function (x, y) { return x - y; }).join(); /(a|b)+/.exec('abab');"
    "    JSON.stringify(JSON.parse('{\"a\":[1,2]}')); '\\u00e9'.toUpperCase();"
    "})()";

/* Built-in functions have no `prototype` in ES5. Here each has one, with an object of its own,
 * which makes a quarter of the image. */
static const char strip[] =
    "(function (global) {"
    "    function strip(o) {"
    "        Object.getOwnPropertyNames(o).forEach(function (name) {"
    "            if (name !== 'constructor' && typeof o[name] === 'function') {"
    "                if (/^[A-Z]/.test(name)) { strip(o[name]); strip(o[name].prototype); }"
    "                else o[name].prototype = undefined;"
    "            }"
    "        });"
    "    }"
    "    strip(global); strip(Math); strip(JSON);"
    "})(this)";

/* A new interpreter in the arena as it is now, down to what is on its stack. */
static int make_interpreter(struct err *e)
{
    js_State *J = js_newstate(arena_realloc, engine.arena, 0);

    engine.J = J;
    if (!J)
        return err_set(e, ERR_NOMEM, "out of memory");
    js_setreport(J, NULL);
    view_install(J);
    if (js_dostring(J, strip))
        return err_set(e, ERR_UNSUPPORTED, "the interpreter does not run");
    js_newcfunction(J, js_describe, "describe", 1);
    js_setregistry(J, "describe");
    js_newcfunction(J, js_work, "work", 0);
    js_pushundefined(J);
    for (int i = 0; i < 3; i++) /* until its threshold is stable */
        js_gc(J, 0);
    return 0;
}

static int warm_up_and_prove(struct err *e)
{
    unsigned sorts = interpose_sorts;

    interpose_clock_read = false;
    if (js_dostring(engine.J, warm_up))
        return err_set(e, ERR_UNSUPPORTED, "the interpreter does not run");
    if (interpose_sorts == sorts || !interpose_clock_read)
        return err_set(e, ERR_UNSUPPORTED,
                       "the interpreter does not call the evaluator's qsort() and gettimeofday()");
    return 0;
}

/* The image is copied before each evaluation: that is most of what a short one costs. So the
 * interpreter is made twice, the second time without the holes that the first one had, and neither
 * is the one that was warmed up. */
static int make_image(struct err *e)
{
    arena_rehearse(engine.arena);
    int err = make_interpreter(e);
    if (!err && arena_replay(engine.arena))
        err = err_set(e, ERR_NOMEM, "out of memory");
    if (!err)
        err = make_interpreter(e);
    if (!err && arena_settle(engine.arena))
        err = err_set(e, ERR_UNSUPPORTED, "the interpreter is not made the same way twice");
    if (!err && arena_save(engine.arena, &engine.image))
        err = err_set(e, ERR_NOMEM, "out of memory");
    return err;
}

int engine_open(void (*on_slow)(uint32_t condition_id), struct err *e)
{
    struct sigaction tick = {.sa_handler = on_tick, .sa_flags = SA_NODEFER | SA_RESTART};

    engine.on_slow = on_slow;
    engine.arena = arena_new(ENGINE_MEMORY, on_memory);
    if (!engine.arena)
        return err_set(e, ERR_NOMEM, "out of memory");
    int err = make_interpreter(e);
    if (!err)
        err = warm_up_and_prove(e);
    if (!err)
        err = make_image(e);
    if (!err && sigaction(SIGALRM, &tick, NULL))
        err = err_errno(e, "SIGALRM");
    return err;
}

void engine_close(void)
{
    engine_stop();
    arena_image_release(&engine.image);
    arena_free(engine.arena);
    memset(&engine, 0, sizeof engine);
}
