/* Commands as lines of JSON. */
#include "tests/unit/alerts/fixture.h"

#include <stdio.h>
#include <string.h>

#include "alerts/raise_line.h"

#define LEAST "\"owner\": \"alice\", \"resourceType\": \"node\", \"alertType\": \"full\""

static void test_defaults_are_those_of_the_table(void **state)
{
    struct raise c;
    struct err e;

    (void)state;
    assert_int_equal(raise_line_read(&c, "{" LEAST "}", strlen("{" LEAST "}"), &e), 0);
    assert_int_equal(c.verb, VERB_RAISE);
    assert_int_equal(c.severity, LEVEL_CRITICAL);
    assert_int_equal(c.ttl_s, 0);
    assert_string_equal(c.owner, "alice");
    assert_string_equal(c.resource_type, "node");
    assert_string_equal(c.alert_type, "full");
    assert_string_equal(c.resource_id, "");
    assert_string_equal(c.message, "");
}

static void test_the_whole(void **state)
{
    static const char line[] = "{" LEAST ", \"resourceId\": \"n1\", \"verb\": \"clear\", "
                               "\"severity\": \"info\", \"message\": \"\\u00fc\", \"ttl\": 60}";
    struct raise c;
    struct err e;

    (void)state;
    assert_int_equal(raise_line_read(&c, line, sizeof line - 1, &e), 0);
    assert_int_equal(c.verb, VERB_CLEAR);
    assert_int_equal(c.severity, LEVEL_INFO);
    assert_int_equal(c.ttl_s, 60);
    assert_string_equal(c.resource_id, "n1");
    assert_string_equal(c.message, "\xc3\xbc");
}

static void test_what_is_wrong_is_said(void **state)
{
    static const struct {
        const char *line, *words;
    } list[] = {
        {"[]", "a line must be a JSON object"},
        {"{\"owner\": \"alice\", \"resourceType\": \"node\"}", "'alertType' is missing"},
        {"{" LEAST ", \"resourceld\": \"x\"}",
         "there is no 'resourceld'; did you mean 'resourceId'?"},
        {"{" LEAST ", \"owner\": \"\"}",
         "'owner' must be a name: 1 to 32 octets, without control characters"},
        {"{" LEAST ", \"resourceType\": \"a\\tb\"}",
         "'resourceType' must be a name: 1 to 32 octets, without control characters"},
        {"{" LEAST ", \"alertType\": 7}", "'alertType' must be a text"},
        {"{" LEAST ", \"message\": \"a\\u0000b\"}", "'message' has a zero octet"},
        {"{" LEAST ", \"verb\": \"shout\"}", "'verb' must be one of raise, clear and delete"},
        {"{" LEAST ", \"severity\": \"ok\"}",
         "'severity' must be one of info, warning and critical"},
        {"{" LEAST ", \"ttl\": 1.5}", "'ttl' must be a whole number"},
        {"{" LEAST ", \"ttl\": -1}", "'ttl' must be from 0 to 3153600000"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(list); i++) {
        struct raise c = {.ttl_s = 4711};
        struct err e = {.text = ""};

        assert_true(raise_line_read(&c, list[i].line, strlen(list[i].line), &e) < 0);
        assert_string_equal(e.text, list[i].words);
        assert_int_equal(c.ttl_s, 4711); /* untouched */
    }
}

static void test_texts_have_the_lengths_of_their_columns(void **state)
{
    static const struct {
        const char *name;
        size_t most;
    } list[] = {{"owner", 32},
                {"resourceType", 32},
                {"alertType", 32},
                {"resourceId", 222},
                {"message", 255}};
    char text[300], line[600];
    struct raise c;
    struct err e;

    (void)state;
    memset(text, 'x', sizeof text);
    for (size_t i = 0; i < COUNT(list); i++) {
        for (size_t more = 0; more < 2; more++) {
            int n = snprintf(line, sizeof line, "{" LEAST ", \"%s\": \"%.*s\"}", list[i].name,
                             (int)(list[i].most + more), text);

            assert_int_equal(raise_line_read(&c, line, (size_t)n, &e), more ? ERR_RANGE : 0);
        }
    }
}

static void test_answers(void **state)
{
    struct raise_result r = {.result = RAISE_DONE, .alert = 12};
    struct buf b;

    (void)state;
    buf_init(&b, RAISE_LINE_MAX);
    raise_line_answer(&r, &b);
    assert_string_equal(buf_cstr(&b), "{\"result\": \"done\", \"alert\": 12}");
    buf_clear(&b);
    r = (struct raise_result){.result = RAISE_REFUSED, .error = "no \"such\" alert"};
    raise_line_answer(&r, &b);
    assert_string_equal(buf_cstr(&b),
                        "{\"result\": \"refused\", \"error\": \"no \\\"such\\\" alert\"}");
    buf_release(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_defaults_are_those_of_the_table),
        cmocka_unit_test(test_the_whole),
        cmocka_unit_test(test_what_is_wrong_is_said),
        cmocka_unit_test(test_texts_have_the_lengths_of_their_columns),
        cmocka_unit_test(test_answers),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
