/* The password's file. What needs a server is in tests/live/test_dispatch_smtp.py. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "dispatch/submission.h"

static char folder[] = "/tmp/snmpalert-submission-XXXXXX";
static char path[64];

static int set_up(void **state)
{
    (void)state;
    if (!mkdtemp(folder))
        return -1;
    snprintf(path, sizeof path, "%s/secret", folder);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    unlink(path);
    return rmdir(folder);
}

static int read_with(const char *text, size_t n, mode_t mode, char ret[CREDENTIAL_MAX + 1])
{
    struct err e;
    FILE *f;

    unlink(path); /* it may be read-only */
    f = fopen(path, "w");
    assert_non_null(f);
    assert_int_equal(fwrite(text, 1, n, f), n);
    assert_int_equal(fclose(f), 0);
    assert_int_equal(chmod(path, mode), 0);
    return password_read(ret, path, &e);
}

static void first_line_only(void **state)
{
    char password[CREDENTIAL_MAX + 1], long_line[300];

    (void)state;
    assert_int_equal(read_with("pass word\nmore\n", 15, 0600, password), 0);
    assert_string_equal(password, "pass word");
    assert_int_equal(read_with("pass\r\n", 6, 0640, password), 0);
    assert_string_equal(password, "pass");
    assert_int_equal(read_with("pass", 4, 0400, password), 0);
    assert_string_equal(password, "pass");
    memset(long_line, 'x', sizeof long_line);
    assert_int_equal(read_with(long_line, 255, 0600, password), 0);
    assert_int_equal(strlen(password), 255);
    assert_int_equal(read_with(long_line, 256, 0600, password), ERR_INVALID);
    assert_int_equal(read_with("", 0, 0600, password), ERR_INVALID);
    assert_int_equal(read_with("\npass", 5, 0600, password), ERR_INVALID);
    assert_string_equal(password, "");
}

static void open_to_others(void **state)
{
    char password[CREDENTIAL_MAX + 1];
    struct err e;

    (void)state;
    assert_int_equal(read_with("pass\n", 5, 0644, password), ERR_DENIED);
    assert_int_equal(read_with("pass\n", 5, 0602, password), ERR_DENIED);
    assert_int_equal(password_read(password, folder, &e), ERR_INVALID);
    assert_int_equal(password_read(password, "/nonexistent/secret", &e), ERR_NOTFOUND);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(first_line_only),
        cmocka_unit_test(open_to_others),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
