/* What a text is guessed to need, and the memory of what was told. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

#include "eval/script.h"

static const struct {
    const char *text;
    unsigned needs;
} table[] = {
    {"", 0},
    {"_topic['a'].x > 5", 0},
    {"_topic . a.x > 5 && _topic\n['b']", 0},
    {"for (var i = 0; i < 5; i++) _topic.a[i]", 0},
    {"'x' in _topic", 0},
    {"_topic.information + _topic.fortune", 0},
    {"_topic.a.x == 5", NEEDS_IDENTITY},
    {"_topic.a !== _topic.b", NEEDS_IDENTITY},
    {"switch (_topic.a) {}", NEEDS_IDENTITY},
    {"_topic.a.indexOf(3)", NEEDS_IDENTITY},
    {"for (k in _topic.a) k", NEEDS_KEYS | NEEDS_IDENTITY},
    {"for (k in _topic) k", NEEDS_KEYS | NEEDS_IDENTITY | NEEDS_TOPIC},
    {"var t = _topic; for (k in t) k", NEEDS_KEYS | NEEDS_IDENTITY | NEEDS_TOPIC},
    {"for (k in _age) k", NEEDS_KEYS | NEEDS_IDENTITY | NEEDS_AGE},
    {"for (k in _previous) _topic[k]", NEEDS_KEYS | NEEDS_IDENTITY | NEEDS_PREVIOUS},
    {"for (k in this) k", NEEDS_KEYS | NEEDS_IDENTITY | NEEDS_NAMES},
    {"eval(_topic.code)", NEEDS_ALL},
    {"new Function('')", NEEDS_ALL},
    {"(function () {}).constructor('')", NEEDS_ALL},
    {"f\\u006fr (k \\u0069n _topic) k", NEEDS_ALL},
};

static void needs_are_guessed(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        if (script_scan(table[i].text) != table[i].needs)
            fail_msg("%s needs %u, not %u", table[i].text, script_scan(table[i].text),
                     table[i].needs);
}

static void what_was_told_is_remembered(void **state)
{
    const eval_dep deps[] = {1, 2, 3, 4, 5, 6, 7};
    struct script *s = script_new(1, 2, (struct slice){(const uint8_t *)"x > 1;", 5});

    (void)state;
    assert_string_equal(s->text, "x > 1");
    assert_false(script_told(s, deps, 0));
    assert_true(script_told(s, deps, 0));
    for (size_t n = 1; n <= 7; n++) {
        assert_false(script_told(s, deps, n));
        assert_true(script_told(s, deps, n));
        assert_false(script_told(s, deps + 7 - n, n > 6 ? n - 1 : n));
        assert_false(script_told(s, deps, n));
    }
    assert_false(script_told(s, deps + 1, 2));
    assert_true(script_told(s, deps + 1, 2));
    script_free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(needs_are_guessed),
        cmocka_unit_test(what_was_told_is_remembered),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
