#include "base/log.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/text.h"
#include "tests/unit/base/cm.h"

static int saved_stderr, out[2];
static const int64_t noon = INT64_C(1795219200123), mono = 1;

static int redirect(void **state)
{
    (void)state;
    clock_fake(&noon, &mono);
    if (pipe(out) != 0)
        return -1;
    saved_stderr = dup(STDERR_FILENO);
    return dup2(out[1], STDERR_FILENO) < 0 ? -1 : 0;
}

static int restore(void **state)
{
    (void)state;
    clock_fake(NULL, NULL);
    dup2(saved_stderr, STDERR_FILENO);
    close(saved_stderr);
    close(out[0]);
    close(out[1]);
    log_open("snmpalertd", LOG_LEVEL_INFO);
    return 0;
}

/* What the last call wrote; one read(2), since a line is one write(2). */
static const char *line(void)
{
    static char text[8192];
    ssize_t n;

    /* A mark, so that a missing line does not block. */
    if (write(out[1], "#", 1) != 1)
        return NULL;
    n = read(out[0], text, sizeof text - 1);
    if (n < 1 || text[n - 1] != '#')
        return NULL;
    text[n - 1] = '\0';
    return text;
}

static void formats(void **state)
{
    (void)state;
    log_open("core", LOG_LEVEL_INFO);
    log_info("alice/hot", "raised %d", 3);
    assert_string_equal(line(), "time=2026-11-21T00:00:00.123Z level=info stage=core "
                                "object=alice/hot msg=\"raised 3\"\n");
    log_error(NULL, "gone");
    assert_string_equal(line(),
                        "time=2026-11-21T00:00:00.123Z level=error stage=core msg=\"gone\"\n");
}

static void levels(void **state)
{
    (void)state;
    log_open("core", LOG_LEVEL_WARNING);
    log_info(NULL, "not this");
    log_debug(NULL, "nor this");
    assert_string_equal(line(), "");
    log_warning(NULL, "this");
    assert_non_null(strstr(line(), "level=warning"));
    log_open("core", LOG_LEVEL_DEBUG);
    log_debug(NULL, "now");
    assert_non_null(strstr(line(), "level=debug"));
}

static void escapes(void **state)
{
    const char *got;

    (void)state;
    log_open("core", LOG_LEVEL_INFO);
    log_info("a b\"c", "%s", "say \"x\\y\"\n\r\t\x01\x7f\xff\xc2\x9b\xc3\xa9");
    got = line();
    assert_non_null(strstr(got, " object=\"a b\\\"c\" "));
    assert_non_null(
        strstr(got, "msg=\"say \\\"x\\\\y\\\"\\n\\r\\t\\x01\\x7f\\xff\\xc2\\x9b\xc3\xa9\"\n"));
    log_info("", "x");
    assert_non_null(strstr(line(), " object=\"\" "));
}

/* The longest of everything is still one whole line. */
static void huge_lines_stay_whole(void **state)
{
    static char big[10000];
    const char *got;

    (void)state;
    memset(big, 1, sizeof big - 1); /* fourfold when escaped */
    log_open(big, LOG_LEVEL_INFO);
    log_info(big, "%s", big);
    got = line();
    assert_non_null(got);
    assert_in_range(strlen(got), 4000, 4096);
    assert_string_equal(got + strlen(got) - 2, "\"\n");
    assert_non_null(strstr(got, " msg=\"\\x01"));
    assert_true(utf8_valid(got, strlen(got)));
}

static void keeps_errno(void **state)
{
    (void)state;
    log_open("core", LOG_LEVEL_INFO);
    errno = ENOSPC;
    log_info(NULL, "x");
    assert_int_equal(errno, ENOSPC);
    assert_non_null(line());
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(formats, redirect, restore),
        cmocka_unit_test_setup_teardown(levels, redirect, restore),
        cmocka_unit_test_setup_teardown(escapes, redirect, restore),
        cmocka_unit_test_setup_teardown(huge_lines_stay_whole, redirect, restore),
        cmocka_unit_test_setup_teardown(keeps_errno, redirect, restore),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
