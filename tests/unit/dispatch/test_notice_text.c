/* A notice in words for people: what its times say, and what templates are filled with. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "dispatch/notice_text.h"

static bool says(int64_t since_ms, int64_t at_ms, const char *words)
{
    struct job_event v = {.kind = KIND_RAISE, .level = LEVEL_CRITICAL, .owner = "alice"};
    struct job j = {.events = &v, .nevents = 1};
    struct buf b;
    bool found;

    v.at_ms = at_ms;
    v.active_since_ms = since_ms;
    buf_init(&b, 4096);
    notice_body(&j, &b);
    assert_int_equal(b.err, 0);
    found = strstr(buf_cstr(&b), words) != NULL;
    buf_release(&b);
    return found;
}

static void duration_begins_with_the_first_unit(void **state)
{
    (void)state;
    assert_true(says(1000, 1000, "Duration:    0s\n"));
    assert_true(says(1000, 62000, "Duration:    1m 1s\n"));
    assert_true(says(1000, 1000 + 86400000 * 3 + 12000, "Duration:    3d 0h 0m 12s\n"));
}

static void no_duration_without_both_times(void **state)
{
    (void)state;
    assert_false(says(0, 1000, "Duration:"));
    assert_false(says(2000, 1000, "Duration:"));
    assert_false(says(1, INT64_MIN, "Duration:"));
    assert_true(says(1, INT64_MAX, "Duration:"));
}

static struct job_event events[] = {
    {.kind = KIND_CLEAR,
     .level = LEVEL_OK,
     .previous_level = LEVEL_WARNING,
     .at_ms = 1000,
     .uuid = "11111111-1111-4111-8111-111111111111",
     .sequence = 7,
     .owner = "alice",
     .definition = "hot",
     .instance = "cpu0"},
    {.kind = KIND_ACKNOWLEDGE,
     .level = LEVEL_CRITICAL,
     .at_ms = 3601500,
     .active_since_ms = 1000,
     .notice_id = 2,
     .uuid = "22222222-2222-4222-8222-222222222222",
     .sequence = 8,
     .owner = "alice",
     .definition = "down",
     .instance = "eth0",
     .service = "net",
     .value = "1",
     .message = "no link",
     .description = "A link is down.",
     .url = "https://example.net/"},
};
static const struct job job = {.events = events,
                               .nevents = 2,
                               .target = "ops",
                               .uuid = "33333333-3333-4333-8333-333333333333"};

static void fills(const char *text, const char *wanted)
{
    struct template *t = NULL;
    struct buf b;

    assert_int_equal(template_compile(&t, TEMPLATE_TEXT, text, NULL, NULL), 0);
    buf_init(&b, TEMPLATE_OUTPUT_MAX);
    assert_int_equal(notice_fill(t, &job, &b), 0);
    assert_string_equal(buf_cstr(&b), wanted);
    buf_release(&b);
    template_free(t);
}

/* The message speaks of its worst event, the section of each, newest first. */
static void every_name_has_its_value(void **state)
{
    char host[256] = "";

    (void)state;
    gethostname(host, sizeof host - 1);
    fills("${level} ${previousLevel|-} ${state} ${kind} ${owner} ${definition} ${instance} "
          "${service} ${message} ${value} ${description} ${url}",
          "CRITICAL - ACKNOWLEDGED acknowledge alice down eth0 net no link 1 A link is down. "
          "https://example.net/");
    fills("${at} ${atMillis} ${since} ${sinceMillis} ${duration} ${durationMillis}",
          "1970-01-01T01:00:01.500Z 3601500 1970-01-01T00:00:01.000Z 1000 1h 0m 0s 3600500");
    fills("${uuid} ${sequence} ${target} ${count} ${digest}",
          "22222222-2222-4222-8222-222222222222 8 ops 2 33333333-3333-4333-8333-333333333333");
    fills("${host}", host);
    fills("${#events|; }${instance} ${level} ${previousLevel|-} ${since|-} "
          "${durationMillis|-}${/events}",
          "eth0 CRITICAL - 1970-01-01T00:00:01.000Z 3600500; cpu0 OK WARNING - -");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(duration_begins_with_the_first_unit),
        cmocka_unit_test(no_duration_without_both_times),
        cmocka_unit_test(every_name_has_its_value),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
