/* A notice in words for people: what its times say. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(duration_begins_with_the_first_unit),
        cmocka_unit_test(no_duration_without_both_times),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
