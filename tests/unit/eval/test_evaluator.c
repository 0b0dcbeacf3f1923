/* What evaluations come to, in a real evaluator: outcomes, isolation, hostile scripts, confinement.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#ifdef HAVE_CONFIG_H
#include "config.h"
#endif
#include "eval/client.h"
#include "tests/unit/eval/world.h"

static const struct {
    const char *text;
    enum verdict_kind kind;
    uint8_t level;
    const char *value, *message, *error; /* error: a part of it */
} outcomes[] = {
    {"true", VERDICT_TRUE, 0, "", "", ""},
    {"false", VERDICT_FALSE, 0, "", "", ""},
    {"1 > 2", VERDICT_FALSE, 0, "", "", ""},
    {"var a = false; if (_topic.t.x > 5) a = true; a;", VERDICT_TRUE, 0, "", "", ""},
    {"'OK'", VERDICT_LEVEL, 1, "", "", ""},
    {"'INFO'", VERDICT_LEVEL, 2, "", "", ""},
    {"'WARNING'", VERDICT_LEVEL, 3, "", "", ""},
    {"'CRITICAL'", VERDICT_LEVEL, 4, "", "", ""},
    {"'UNKNOWN'", VERDICT_LEVEL, 5, "", "", ""},
    {"'SKIPPED'", VERDICT_SKIPPED, 0, "", "", ""},
    {"undefined", VERDICT_NODATA, 0, "", "", ""},
    {"null", VERDICT_NODATA, 0, "", "", ""},
    {"NaN", VERDICT_NODATA, 0, "", "", ""},
    {"", VERDICT_NODATA, 0, "", "", ""},
    {"var x = 6;", VERDICT_NODATA, 0, "", "", ""},
    {"_topic.absent", VERDICT_NODATA, 0, "", "", ""},
    {"_topic.t.absent / 2", VERDICT_NODATA, 0, "", "", ""},
    {"({level: true})", VERDICT_TRUE, 0, "", "", ""},
    {"({level: false, value: 3})", VERDICT_FALSE, 0, "3", "", ""},
    {"({level: 'WARNING', value: _topic.t.x, message: 'x is ' + _topic.t.x})", VERDICT_LEVEL, 3,
     "7", "x is 7", ""},
    {"({level: 'CRITICAL', value: null, message: undefined})", VERDICT_LEVEL, 4, "", "", ""},
    {"({level: undefined, message: 'm'})", VERDICT_NODATA, 0, "", "m", ""},
    {"({level: 'SKIPPED'})", VERDICT_SKIPPED, 0, "", "", ""},
    {"({level: 'OK', message: 'a\\nb\\u0007c'})", VERDICT_LEVEL, 1, "", "a\nb c", ""},
    {"_topic.t.status", VERDICT_LEVEL, 3, "hot", "", ""},
    {"42", VERDICT_ERROR, 0, "", "", "the number 42; wanted true, false"},
    {"0", VERDICT_ERROR, 0, "", "", "the number 0"},
    {"'maybe'", VERDICT_ERROR, 0, "", "", "the string 'maybe'"},
    {"'warning'", VERDICT_ERROR, 0, "", "", "the string 'warning'"},
    {"({})", VERDICT_ERROR, 0, "", "", "an object without 'level'"},
    {"[]", VERDICT_ERROR, 0, "", "", "an object without 'level'"},
    {"({level: 3, value: 'gone'})", VERDICT_ERROR, 0, "", "", "the number 3"},
    {"({level: {}})", VERDICT_ERROR, 0, "", "", "an object within an object"},
    {"(function () {})", VERDICT_ERROR, 0, "", "", "a function"},
    {"nope", VERDICT_ERROR, 0, "", "", "line 1: ReferenceError: 'nope' is not defined"},
    {"1;\n\n_topic.absent.x", VERDICT_ERROR, 0, "", "", "line 3: TypeError: "},
    {"function f() {\n return null.x;\n}\nf()", VERDICT_ERROR, 0, "", "", "line 2: TypeError: "},
    {"1 +\n* 2", VERDICT_ERROR, 0, "", "", "line 2: SyntaxError: "},
    {"throw 'tantrum'", VERDICT_ERROR, 0, "", "", "thrown: tantrum"},
    {"throw new RangeError('far')", VERDICT_ERROR, 0, "", "", "line 1: RangeError: far"},
    {"throw {toString: function () { throw 1; }}", VERDICT_ERROR, 0, "", "", "cannot be shown"},
    {"({level: 'OK', get message() { throw new Error('late'); }})", VERDICT_ERROR, 0, "", "",
     "Error: late"},
};

static void define_topic(struct world *w)
{
    world_topic(w, 1, "t", "{\"x\":7,\"status\":{\"level\":\"WARNING\",\"value\":\"hot\"}}");
}

static void every_kind_of_outcome(void **state)
{
    define_topic(*state);
    for (size_t i = 0; i < sizeof outcomes / sizeof *outcomes; i++) {
        const struct verdict *v = world_eval(*state, outcomes[i].text);
        if (v->kind != outcomes[i].kind || v->level != outcomes[i].level ||
            strcmp(v->value, outcomes[i].value) || strcmp(v->message, outcomes[i].message) ||
            !strstr(v->error, outcomes[i].error) || !outcomes[i].error[0] != !v->error[0])
            fail_msg("%s\n  gives kind %d level %d value '%s' message '%s' error '%s'",
                     outcomes[i].text, v->kind, v->level, v->value, v->message, v->error);
    }
}

static void long_texts_are_cut_between_characters(void **state)
{
    const struct verdict *v =
        world_eval(*state, "var s = 'x', i; for (i = 0; i < 900; i++) s += '\\u20ac';"
                           "({level: 'OK', value: s, message: s})");

    assert_int_equal(v->kind, VERDICT_LEVEL);
    assert_int_equal(strlen(v->value), 1 + 3 * 84);
    assert_int_equal(strlen(v->message), 1 + 3 * 341);
    v = world_eval(*state, "({level: 'OK', value: '\\ud800'})");
    assert_string_equal(v->value, "???");
}

static void the_clock_is_noticed(void **state)
{
    define_topic(*state);
    assert_false(world_eval(*state, "_topic.t.x > 1")->reads_clock);
    assert_true(world_eval(*state, "Date.now() > 5")->reads_clock);
    assert_true(world_eval(*state, "new Date().getTime() > 5")->reads_clock);
    assert_true(world_eval(*state, "_age.t < 1000")->reads_clock);
    assert_false(world_eval(*state, "new Date(5).getTime() === 5")->reads_clock);
    assert_false(world_eval(*state, "false && Date.now()")->reads_clock);
}

/* ---- expressions of levels ---- */

/* Their bits: crit 2, its reset 4, warn 8, 16, info 32, 64; the condition 1. */
static const struct {
    const char *parts[VERDICT_PARTS]; /* NULL: none */
    enum verdict_kind kind;
    uint8_t asked, holds, failed;
    const char *error;
} levels[] = {
    {{NULL, "true", "false", "true", NULL, "1 > 2", "3 > 2"},
     VERDICT_FALSE,
     126 - 16,
     2 + 8 + 64,
     0,
     ""},
    {{"'INFO'", "false"}, VERDICT_LEVEL, 3, 0, 0, ""},
    {{NULL, NULL, NULL, "_topic.t.x > 6"}, VERDICT_FALSE, 8, 8, 0, ""},
    {{NULL, "1;\nnope", NULL, "true"},
     VERDICT_FALSE,
     2 + 8,
     8,
     2,
     "critCondition: line 2: ReferenceError: 'nope' is not defined"},
    {{NULL, "false", NULL, "'WARNING'", "({level: true})", "7"},
     VERDICT_FALSE,
     2 + 8 + 16 + 32,
     16,
     8 + 32,
     "warnCondition: the value is not true or false"},
    {{NULL, "false", "nope", "null.x"}, VERDICT_FALSE, 2 + 4 + 8, 0, 4 + 8, "critReset: line 1: "},
    {{NULL, "undefined", NULL, "NaN"}, VERDICT_NODATA, 2 + 8, 0, 0, ""},
    {{NULL, "undefined", NULL, "true"}, VERDICT_FALSE, 2 + 8, 8, 0, ""},
    {{NULL, "false", "undefined"}, VERDICT_FALSE, 2 + 4, 0, 0, ""}, /* of a reset it is no data */
    {{"nope", "true"}, VERDICT_ERROR, 3, 2, 0, "line 1: ReferenceError"},
    {{NULL, "leak = 1; true", NULL, "typeof leak === 'undefined'"},
     VERDICT_FALSE,
     2 + 8,
     2 + 8,
     0,
     ""},
};

static void define_levels(struct world *w, uint32_t id, const char *const *parts)
{
    char text[1024];
    size_t len = 0;

    for (size_t i = 0; i < VERDICT_PARTS; i++)
        len += (size_t)snprintf(text + len, sizeof text - len, "%s", parts[i] ? parts[i] : "") + 1;
    assert_int_equal(eval_client_condition_set(w->client, id, 1, text, len - 1), 0);
}

static void every_part_is_asked(void **state)
{
    struct world *w = *state;

    define_topic(w);
    for (size_t i = 0; i < sizeof levels / sizeof *levels; i++) {
        const struct verdict *v = &w->verdicts[1].last;

        define_levels(w, 1, levels[i].parts);
        world_run(w);
        if (v->kind != levels[i].kind || v->asked != levels[i].asked ||
            v->holds != levels[i].holds || v->failed != levels[i].failed ||
            !strstr(v->error, levels[i].error) || !levels[i].error[0] != !v->error[0])
            fail_msg("%zu gives kind %d asked %d holds %d failed %d error '%s'", i, v->kind,
                     v->asked, v->holds, v->failed, v->error);
    }
}

static void each_part_has_a_budget_of_its_own(void **state)
{
    static const char *const parts[VERDICT_PARTS] = {
        NULL, "while (true);",   NULL, "var a = []; while (true) a.push(a.slice());",
        NULL, "_topic.t.x === 7"};
    struct world *w = *state;
    const struct verdict *v = &w->verdicts[1].last;

    define_topic(w);
    define_levels(w, 1, parts);
    world_run(w);
    assert_int_equal(v->kind, VERDICT_FALSE);
    assert_int_equal(v->failed, 2 + 8);
    assert_int_equal(v->holds, 32);
    assert_true(v->over_budget);
    assert_in_range(v->cost_us, 10000, 199999);
    assert_non_null(strstr(v->error, "critCondition: stopped: over 10 ms"));
}

/* What any of the parts read concerns all, also behind one that was left in the middle. */
static void what_the_parts_read_is_added_up(void **state)
{
    static const char *const parts[VERDICT_PARTS] = {NULL, "_topic.a.x; while (true);", NULL,
                                                     "_topic.b.x > 1", "_topic.c.x > 1"};
    struct world *w = *state;

    world_topic(w, 2, "a", "{\"x\":1}");
    world_topic(w, 3, "b", "{\"x\":1}");
    world_topic(w, 4, "c", "{\"x\":1}");
    define_levels(w, 1, parts);
    world_run(w);
    for (uint32_t id = 2; id <= 4; id++) {
        static const char *const names[] = {"a", "b", "c"};
        struct eval_stats before, after;

        eval_client_stats(w->client, &before);
        world_topic(w, id, names[id - 2], "{\"x\":2}");
        world_run(w);
        eval_client_stats(w->client, &after);
        assert_int_equal(after.evaluations, before.evaluations + 1);
    }
    assert_int_equal(w->verdicts[1].last.holds, 8 + 16);
}

/* What one evaluation does to the interpreter, the next must not see. */
static const struct {
    const char *vandal, *witness;
} vandals[] = {
    {"leak = 5; true", "typeof leak === 'undefined'"},
    {"var kept = 5; true", "typeof kept === 'undefined'"},
    {"Array.prototype.map = null; true", "[1].map(function (x) { return x + 1; })[0] === 2"},
    {"Object.prototype.polluted = 1; true", "({}).polluted === undefined"},
    {"Math.max = function () { return 0; }; true", "Math.max(1, 2) === 2"},
    {"JSON = Date = Array = Object = null; true", "typeof JSON === 'object' && Array.isArray([])"},
    {"String.prototype.length2 = 1; String = 0; true", "''.length2 === undefined"},
    {"Object.freeze(Object.prototype); true", "Object.prototype.q = 1; ({}).q === 1"},
    {"glob = null; true", "glob('*').length === 1"},
    {"Object.keys = 1; Object.prototype.hasOwnProperty = 2; true", "_topic.hasOwnProperty('t')"},
    {"Error.prototype.toString = function () { for (;;); }; true",
     "String(new Error('e')) === 'Error: e'"},
    {"Function.prototype.call = 1; true", "Math.max.call(null, 3) === 3"},
    {"Math.random() >= 0", "true"},
};

static void nothing_of_an_evaluation_lasts(void **state)
{
    define_topic(*state);
    for (size_t i = 0; i < sizeof vandals / sizeof *vandals; i++) {
        assert_int_equal(world_eval(*state, vandals[i].vandal)->kind, VERDICT_TRUE);
        const struct verdict *v = world_eval(*state, vandals[i].witness);
        if (v->kind != VERDICT_TRUE)
            fail_msg("after %s\n  %s is kind %d, %s", vandals[i].vandal, vandals[i].witness,
                     v->kind, v->error);
    }
}

static const char event[] = "{\"level\":\"WARNING\",\"changed\":true,\"duration\":90,"
                            "\"instance\":\"'; hostile() //\\\"\\u2028\",\"labels\":{}}";

static const struct verdict *eval_event(struct world *w, uint32_t id, const char *text)
{
    assert_int_equal(eval_client_event_set(w->client, id, 1,
                                           (struct slice){(const uint8_t *)text, strlen(text)},
                                           (struct slice){(const uint8_t *)event, strlen(event)}),
                     0);
    world_run(w);
    assert_int_equal(eval_client_condition_del(w->client, id), 0);
    return &w->verdicts[id].last;
}

/* What is said about an event is seen by the condition that asks about it, as data, and by no other
 * one; a new evaluator is told as well. */
static void an_event_is_seen_as_globals(void **state)
{
    static const char *const right[] = {
        "level === 'WARNING' && changed === true && duration === 90",
        "instance === \"'; hostile() //\\\"\\u2028\"",
        "typeof labels === 'object' && labels.x === undefined",
        "level = 'OK'; JSON = null; level === 'OK'",
        "level === 'WARNING'",
    };
    struct world *w = *state;

    for (uint32_t i = 0; i < sizeof right / sizeof *right; i++) {
        const struct verdict *v = eval_event(w, 10 + i, right[i]);

        if (v->kind != VERDICT_TRUE)
            fail_msg("%s is kind %d, %s", right[i], v->kind, v->error);
    }
    assert_int_equal(world_eval(w, "typeof level === 'undefined'")->kind, VERDICT_TRUE);
    eval_client_detach(w->client);
    assert_int_equal(eval_client_event_set(w->client, 20, 1,
                                           (struct slice){(const uint8_t *)"changed", 7},
                                           (struct slice){(const uint8_t *)event, strlen(event)}),
                     0);
    assert_int_equal(eval_client_event_set(w->client, 20, 1,
                                           (struct slice){(const uint8_t *)"x", 1},
                                           (struct slice){(const uint8_t *)event, strlen(event)}),
                     ERR_EXISTS);
    world_spawn(w);
    world_run(w);
    assert_int_equal(w->verdicts[20].last.kind, VERDICT_TRUE);
}

static const char *const hostile[] = {
    "for (;;);",
    "while (true) { _topic.t.x; }",
    "/^(a+)+$/.test('aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaX')",
    "/(x+x+)+y/.exec(new Array(40).join('x'))",
    "Array.prototype.indexOf.call({length: 2147483647}, 1)",
    "Array.prototype.join.call({length: 2147483647}, '')",
    "var a = []; for (;;) a.push('memory' + a.length)",
    "var s = 'x'; for (;;) s += s",
    "var a = []; for (var i = 0; i < 100000; i++) a.push(i); a[1000000] = 1; a.length === 1",
    "new Array(50000000).join('x')",
    "(function f() { f(); })()",
    "[3, 1, 2].sort(function () { for (;;); })",
    "var a = []; for (var i = 0; i < 3000; i++) a.push(i % 7);"
    "a.sort(function () { a.sort(); return 1; })",
    "({get level() { for (;;); }})",
    "({level: 'OK', value: {toString: function () { for (;;); }}})",
    "throw {toString: function () { for (;;); }}",
    "throw {get stackTrace() { for (;;); }, toString: function () { for (;;); }}",
    "var e = new Error('x'); e.toString = function () { for (;;); }; throw e",
    "JSON.stringify({toJSON: function () { for (;;); }})",
    "for (;;) { try { for (;;); } catch (e) {} }",
    "for (;;) eval('1;')",
    "for (;;) new Function('a', 'return a')(1)",
    "var o = {}; for (var i = 0;; i++) o['k' + i] = o",
    "for (;;) 'a,b,c'.split(',').map(String).join()",
    "for (;;) new Date().toString()",
    "String.prototype.replace.call(new Array(3000).join('ab'), /(a|b|ab)*c/g, '')",
    "(new Array(100)).join('(') + 1; eval((new Array(8000)).join('['))",
    "_topic.t.x = 5",
    "null.x",
    "function g(n) { return n ? g(n - 1) + g(n - 1) : 1; } g(50)",
};
enum { HOSTILE = sizeof hostile / sizeof *hostile, NEIGHBOURS = 500 };

static void hostile_scripts_harm_only_themselves(void **state)
{
    struct world *w = *state;
    char text[128];

    define_topic(w);
    for (uint32_t i = 0; i < NEIGHBOURS; i++) {
        snprintf(text, sizeof text,
                 "_topic.t.x === 7 && [3,1,2].sort().join('') === '123' && %u > %u", i,
                 NEIGHBOURS / 2);
        world_define(w, 1000 + i, text);
        if (i < HOSTILE)
            world_define(w, 1 + i, hostile[i]);
    }
    for (int round = 1; round <= 2; round++) {
        for (uint32_t i = 0; i < HOSTILE; i++)
            eval_client_run(w->client, 1 + i);
        for (uint32_t i = 0; i < NEIGHBOURS; i++)
            eval_client_run(w->client, 1000 + i);
        world_run(w);
        for (uint32_t i = 0; i < HOSTILE; i++)
            if (w->verdicts[1 + i].last.kind != VERDICT_ERROR)
                fail_msg("no error: %s", hostile[i]);
        for (uint32_t i = 0; i < NEIGHBOURS; i++) {
            assert_int_equal(w->verdicts[1000 + i].last.kind,
                             i > NEIGHBOURS / 2 ? VERDICT_TRUE : VERDICT_FALSE);
            assert_int_equal(w->verdicts[1000 + i].n, round);
        }
    }
    assert_int_equal(w->kills, 0);
}

static void budgets_are_told_apart(void **state)
{
    const struct verdict *v = world_eval(*state, "for (;;);");

    assert_true(v->over_budget);
    assert_non_null(strstr(v->error, "CPU time"));
    assert_in_range(v->cost_us, 9000, 60000);
    v = world_eval(*state, "var s = 'x'; for (;;) s += s");
    assert_false(v->over_budget);
    assert_non_null(strstr(v->error, "memory"));
    v = world_eval(*state, "true");
    assert_false(v->over_budget);
    assert_in_range(v->cost_us, 0, 9000);
}

static void it_is_confined(void **state)
{
    struct world *w = *state;

    world_eval(w, "true"); /* it greets when it is confined */
#ifndef SA_SANITIZERS
    char path[64];
    struct dirent *d;

    assert_int_equal(world_status(w, "Seccomp:"), 2);
    assert_int_equal(world_status(w, "NoNewPrivs:"), 1);
    snprintf(path, sizeof path, "/proc/%d/fd", (int)w->pid);
    DIR *dir = opendir(path);
    if (!dir) /* not dumpable: only root may look */
        return;
    while ((d = readdir(dir)))
        if (d->d_name[0] != '.')
            assert_string_equal(d->d_name, "3");
    closedir(dir);
#endif
}

static void a_hundred_thousand_evaluations_leave_nothing(void **state)
{
    struct world *w = *state;
    long before = 0;

    define_topic(w);
    for (uint32_t i = 1; i <= 2000; i++)
        world_define(
            w, i,
            "var a = []; for (var i = 0; i < 20; i++) a.push({k: 'v' + i});"
            "JSON.stringify(a).length > 10 && _topic.t.x > 5 && 'none' in _topic === false");
    for (int round = 0; round < 50; round++) {
        for (uint32_t i = 1; i <= 2000; i++)
            eval_client_run(w->client, i);
        world_topic(w, 1, "t", round % 2 ? "{\"x\":8}" : "{\"x\":9}");
        world_run(w);
        if (round == 5)
            before = world_status(w, "VmRSS:");
    }
    assert_int_equal(w->verdicts[2000].last.kind, VERDICT_TRUE);
    assert_int_equal(w->verdicts[1].n, 50);
    if (world_status(w, "VmRSS:") > before + 512)
        fail_msg("%ld kB have become %ld kB", before, world_status(w, "VmRSS:"));
}

static void json_that_does_not_parse_is_answered(void **state)
{
    struct world *w = *state;

    define_topic(w);
    assert_int_equal(world_eval(w, "_topic.t.x === 7")->kind, VERDICT_TRUE);
    world_topic(w, 1, "t", "{\"x\":");
    world_run(w);
    assert_int_equal(w->verdicts[1].last.kind, VERDICT_TRUE);
    assert_int_equal(w->topic_errors, 1);
    assert_int_equal(w->bad_topic, 1);
    assert_true(w->topic_error[0]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(every_kind_of_outcome, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(every_part_is_asked, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(each_part_has_a_budget_of_its_own, world_setup,
                                        world_teardown),
        cmocka_unit_test_setup_teardown(what_the_parts_read_is_added_up, world_setup,
                                        world_teardown),
        cmocka_unit_test_setup_teardown(long_texts_are_cut_between_characters, world_setup,
                                        world_teardown),
        cmocka_unit_test_setup_teardown(the_clock_is_noticed, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(an_event_is_seen_as_globals, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(nothing_of_an_evaluation_lasts, world_setup,
                                        world_teardown),
        cmocka_unit_test_setup_teardown(hostile_scripts_harm_only_themselves, world_setup,
                                        world_teardown),
        cmocka_unit_test_setup_teardown(budgets_are_told_apart, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(it_is_confined, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(a_hundred_thousand_evaluations_leave_nothing, world_setup,
                                        world_teardown),
        cmocka_unit_test_setup_teardown(json_that_does_not_parse_is_answered, world_setup,
                                        world_teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
