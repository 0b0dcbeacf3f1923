#include "base/err.h"

#include <errno.h>
#include <string.h>

#include "base/text.h"
#include "tests/unit/base/cm.h"

static void sets_and_returns(void **state)
{
    struct err e;

    (void)state;
    assert_int_equal(err_set(&e, ERR_RANGE, "%s: %d", "port", 70000), ERR_RANGE);
    assert_int_equal(e.code, ERR_RANGE);
    assert_string_equal(e.text, "port: 70000");
    assert_int_equal(err_set(NULL, ERR_FULL, "nobody %s", "listens"), ERR_FULL);
}

static void text_is_one_clean_line(void **state)
{
    struct err e;

    (void)state;
    err_set(&e, ERR_SYNTAX,
            "a\nb\x7f"
            "c\xff"
            "d\xc2\x85"
            "e\xc3\xa9");
    assert_string_equal(e.text, "a?b?c?d?e\xc3\xa9");
}

static void long_text_is_cut_between_characters(void **state)
{
    struct err e;
    char raw[2 * ERR_TEXT_MAX];

    (void)state;
    for (size_t shift = 0; shift < 3; shift++) {
        memset(raw, 'x', shift);
        for (size_t i = shift; i + 3 < sizeof raw; i += 3)
            memcpy(raw + i, "\xe2\x82\xac", 4);
        err_set(&e, ERR_IO, "%s", raw);
        assert_true(strlen(e.text) < ERR_TEXT_MAX);
        assert_true(strlen(e.text) >= ERR_TEXT_MAX - 4);
        assert_true(utf8_valid(e.text, strlen(e.text)));
        assert_null(strchr(e.text, '?'));
    }
}

static void own_text_may_be_an_argument(void **state)
{
    struct err e;

    (void)state;
    err_set(&e, ERR_IO, "inner");
    err_set(&e, ERR_INVALID, "outer (%s)", e.text);
    assert_string_equal(e.text, "outer (inner)");
}

static void errno_in_words(void **state)
{
    static const struct {
        int err_no, code;
    } table[] = {
        {ENOMEM, ERR_NOMEM}, {ENOENT, ERR_NOTFOUND}, {EACCES, ERR_DENIED},
        {EPERM, ERR_DENIED}, {EIO, ERR_IO},          {ENOSPC, ERR_IO},
    };
    struct err e;

    (void)state;
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        errno = table[i].err_no;
        assert_int_equal(err_errno(&e, "open %s", "/x"), table[i].code);
        assert_int_equal(e.code, table[i].code);
        errno = table[i].err_no;
        assert_int_equal(err_errno(NULL, "open"), table[i].code);
    }
    errno = ENOENT;
    err_errno(&e, "open %s", "/x");
    assert_string_equal(e.text, "open /x: No such file or directory");
}

static void prefixes(void **state)
{
    struct err e;

    (void)state;
    err_set(&e, ERR_INVALID, "unknown element");
    assert_int_equal(err_prefix(&e, "%s:%d", "file.xml", 14), ERR_INVALID);
    assert_string_equal(e.text, "file.xml:14: unknown element");
    for (int i = 0; i < 100; i++)
        err_prefix(&e, "again and again");
    assert_int_equal(strlen(e.text), ERR_TEXT_MAX - 1);
    assert_true(err_prefix(NULL, "x") < 0);
}

static void names_every_code(void **state)
{
    (void)state;
    for (int code = ERR_PERMANENT; code <= 0; code++)
        assert_string_not_equal(err_name(code), "unknown");
    for (int code = ERR_COMMIT_FAILED; code <= ERR_WRONG_TYPE; code++)
        assert_string_not_equal(err_name(code), "unknown");
    assert_string_equal(err_name(ERR_NOTFOUND), "notFound");
    assert_string_equal(err_name(ERR_WRONG_VALUE), "wrongValue");
    assert_string_equal(err_name(-9999), "unknown");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sets_and_returns),
        cmocka_unit_test(text_is_one_clean_line),
        cmocka_unit_test(long_text_is_cut_between_characters),
        cmocka_unit_test(own_text_may_be_an_argument),
        cmocka_unit_test(errno_in_words),
        cmocka_unit_test(prefixes),
        cmocka_unit_test(names_every_code),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
