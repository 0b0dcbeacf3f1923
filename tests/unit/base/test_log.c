#include "base/log.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
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

/* ---- what repeats ---- */

static int64_t now_mono;

static int start_clock(void **state)
{
    log_repeats(true);
    if (redirect(state))
        return -1;
    now_mono += 10 * LOG_WINDOW_MS; /* past every window of the tests before */
    clock_fake(&noon, &now_mono);
    log_open("core", LOG_LEVEL_INFO);
    return 0;
}

static unsigned lines_of(const char *text)
{
    unsigned n = 0;

    for (; *text; text++)
        n += *text == '\n';
    return n;
}

static void source_fails(int n)
{
    log_warning("alice/router1", "source fails: %d", n);
}

static void limits_repeats(void **state)
{
    const char *got;

    (void)state;
    for (int i = 0; i < 100; i++)
        source_fails(i);
    assert_int_equal(lines_of(line()), LOG_BURST);
    log_warning("alice/router2", "source fails: %d", 1); /* another object */
    log_error("alice/router1", "source fails: %d", 1);   /* another level */
    assert_int_equal(lines_of(line()), 2);
    now_mono += LOG_WINDOW_MS - 1;
    log_repeats(false);
    assert_string_equal(line(), "");
    now_mono += 1;
    log_repeats(false);
    got = line();
    assert_int_equal(lines_of(got), 1);
    assert_non_null(strstr(got, "level=warning stage=core object=alice/router1 left_out=95 "
                                "msg=\"source fails: 99\"\n"));
    source_fails(100); /* a new window */
    assert_int_equal(lines_of(line()), 1);
    log_repeats(true);
    assert_string_equal(line(), "");
}

/* Of what is only "%s" the text is the kind. */
static void texts_are_kinds(void **state)
{
    (void)state;
    for (int i = 0; i < 20; i++)
        log_error("config", "%s", i % 2 ? "this" : "that");
    assert_int_equal(lines_of(line()), 2 * LOG_BURST);
    log_repeats(true);
    assert_int_equal(lines_of(line()), 2);
}

static void tells_at_the_end(void **state)
{
    (void)state;
    for (int i = 0; i < LOG_BURST + 1; i++)
        log_info(NULL, "again");
    assert_int_equal(lines_of(line()), LOG_BURST);
    log_repeats(true);
    assert_non_null(strstr(line(), " stage=core left_out=1 msg=\"again\"\n"));
}

/* More kinds of lines than are watched: nothing is lost that is not told. */
static void many_kinds(void **state)
{
    unsigned written = 0, left_out = 0, n;
    char object[16];

    (void)state;
    for (int round = 0; round < 10; round++) {
        for (int i = 0; i < 100; i++) {
            const char *got;

            snprintf(object, sizeof object, "o%d", i);
            now_mono += 1;
            log_info(object, "kind");
            for (got = line(); got && *got; got = strchr(got, '\n') + 1) {
                const char *mark = strstr(got, "left_out=");

                if (mark && mark < strchr(got, '\n') && sscanf(mark, "left_out=%u", &n) == 1)
                    left_out += n;
                else
                    written++;
            }
        }
    }
    assert_int_equal(written + left_out, 1000);
}

static void debug_is_not_limited(void **state)
{
    (void)state;
    log_open("core", LOG_LEVEL_DEBUG);
    for (int i = 0; i < 20; i++)
        log_debug(NULL, "turn");
    assert_int_equal(lines_of(line()), 20);
}

static void journal_lines(void **state)
{
    char stream[64];
    struct stat st;

    (void)state;
    assert_int_equal(fstat(STDERR_FILENO, &st), 0);
    snprintf(stream, sizeof stream, "%llu:%llu", (unsigned long long)st.st_dev,
             (unsigned long long)st.st_ino);
    setenv("JOURNAL_STREAM", stream, 1);
    log_open("core", LOG_LEVEL_INFO);
    log_error("x", "broken");
    assert_string_equal(line(), "<3>level=error stage=core object=x msg=\"broken\"\n");
    setenv("JOURNAL_STREAM", "1:1", 1); /* of somebody else's standard error */
    log_open("core", LOG_LEVEL_INFO);
    log_error("y", "broken");
    assert_int_equal(strncmp(line(), "time=", 5), 0);
    unsetenv("JOURNAL_STREAM");
}

static char diverted[256];

static void divert(enum log_level level, const char *object, unsigned left_out, const char *message)
{
    snprintf(diverted, sizeof diverted, "%d %s %u %s", (int)level, object ? object : "-", left_out,
             message);
}

/* All that else went to standard error goes there, and nothing there. */
static void diverted_lines(void **state)
{
    (void)state;
    log_open("core", LOG_LEVEL_INFO);
    log_divert(divert);
    log_debug("x", "not this");
    assert_string_equal(diverted, "");
    log_warning("x", "%s \"quoted\"\n", "as it is:");
    assert_string_equal(diverted, "1 x 0 as it is: \"quoted\"\n");
    for (int i = 0; i < LOG_BURST + 3; i++)
        log_error(NULL, "again %d", i);
    log_repeats(true);
    assert_string_equal(diverted, "0 - 3 again 7");
    assert_string_equal(line(), "");
    log_divert(NULL);
    log_error(NULL, "here");
    assert_non_null(strstr(line(), "here"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(formats, redirect, restore),
        cmocka_unit_test_setup_teardown(levels, redirect, restore),
        cmocka_unit_test_setup_teardown(escapes, redirect, restore),
        cmocka_unit_test_setup_teardown(huge_lines_stay_whole, redirect, restore),
        cmocka_unit_test_setup_teardown(keeps_errno, redirect, restore),
        cmocka_unit_test_setup_teardown(limits_repeats, start_clock, restore),
        cmocka_unit_test_setup_teardown(texts_are_kinds, start_clock, restore),
        cmocka_unit_test_setup_teardown(tells_at_the_end, start_clock, restore),
        cmocka_unit_test_setup_teardown(many_kinds, start_clock, restore),
        cmocka_unit_test_setup_teardown(debug_is_not_limited, start_clock, restore),
        cmocka_unit_test_setup_teardown(journal_lines, start_clock, restore),
        cmocka_unit_test_setup_teardown(diverted_lines, start_clock, restore),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
