#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <locale.h>
#include <time.h>

#include "base/clock.h"
#include "cli/cell.h"
#include "store/value.h"

static const struct sa_column *column(const char *table, const char *name)
{
    const struct sa_table *t;
    const struct sa_column *c;

    assert_int_equal(table_find(&t, table, NULL), 0);
    assert_int_equal(column_find(&c, t, name, strlen(name), NULL), 0);
    return c;
}

static void assert_clean(const char *wanted, const char *text, size_t n, bool lines)
{
    struct buf b;

    buf_init(&b, 1000);
    text_clean(&b, text, n, lines);
    assert_string_equal(buf_cstr(&b), wanted);
    buf_release(&b);
}

static void foreign_text_is_harmless(void **state)
{
    (void)state;
    assert_clean("?[31mred", "\x1b[31mred", 8, false);
    assert_clean("a b", "a\nb", 3, false);
    assert_clean("a\nb", "a\nb", 3, true);
    assert_clean("a b", "a\rb", 3, true);
    assert_clean("?", "\xc2\x9b", 2, true); /* CSI in one character */
    assert_clean("?x", "\xffx", 2, true);
    assert_clean("a?b", "a\0b", 3, true);
    assert_clean("?abc",
                 "\u202e"
                 "abc",
                 6, true); /* right-to-left override */
    assert_clean("Größe 漢字", "Größe 漢字", strlen("Größe 漢字"), false);
}

static void widths_are_those_of_a_terminal(void **state)
{
    static const char wide[] = "Größe 漢字";

    (void)state;
    assert_int_equal(text_width(wide, strlen(wide)), 10);
    assert_int_equal(text_width("e\u0301", 3), 1); /* combining */
    assert_int_equal(text_fit(wide, strlen(wide), 3), 4);
    assert_int_equal(text_fit(wide, strlen(wide), 7), 8); /* half of an ideograph is none */
    assert_int_equal(text_fit("abc", 3, 0), 0);
}

static void words_become_values_of_the_column(void **state)
{
    struct snmp_value v;
    struct buf scratch;
    struct err e;

    (void)state;
    buf_init(&scratch, 1000);
    assert_int_equal(value_from_word(&v, column("definition", "severity"), "Warning", &scratch, &e),
                     0);
    assert_int_equal(v.type, SNMP_TYPE_INTEGER);
    assert_int_equal(v.integer, LEVEL_WARNING);
    assert_int_equal(
        value_from_word(&v, column("definition", "intervalMillis"), "5000", &scratch, &e), 0);
    assert_int_equal(v.type, SNMP_TYPE_GAUGE32);
    assert_int_equal(v.unsigned_, 5000);
    assert_int_equal(value_from_word(&v, column("target", "digestMillis"), "-1", &scratch, &e), 0);
    assert_int_equal(v.integer, -1);
    assert_int_equal(value_from_word(&v, column("target", "states"), "ok,critical", &scratch, &e),
                     0);
    assert_int_equal(v.type, SNMP_TYPE_OCTETS);
    assert_int_equal(v.octets.len, 1);
    assert_int_equal(v.octets.data[0], 0x90); /* bits 0 and 3 of the top */
    assert_int_equal(value_from_word(&v, column("definition", "condition"), "1 > 0", &scratch, &e),
                     0);
    assert_memory_equal(v.octets.data, "1 > 0", 5);
    assert_int_equal(value_from_word(&v, column("definition", "description"), "", &scratch, &e), 0);
    assert_int_equal(v.octets.len, 0);
    buf_release(&scratch);
}

static int64_t moment(const char *word)
{
    struct snmp_value v;
    struct buf scratch;
    struct err e;
    int64_t ms = -1;

    buf_init(&scratch, 1000);
    if (!value_from_word(&v, column("alert", "ackUntil"), word, &scratch, &e))
        assert_int_equal(date_decode(v.octets, &ms, &e), 0);
    buf_release(&scratch);
    return ms;
}

static void words_become_moments(void **state)
{
    static const char *const wrong[] = {"",
                                        "+",
                                        "+h",
                                        "+0h",
                                        "+5",
                                        "+5w",
                                        "+5hx",
                                        "2h",
                                        "-2h",
                                        "+99999999999999999999h",
                                        "soon",
                                        "2026-12-01",
                                        "2026-12-01T18:00X",
                                        "2026-13-01T18:00",
                                        "1969-12-31T23:00Z"};
    const int64_t now = INT64_C(1796148000000); /* 2026-12-01T18:00:00Z */

    (void)state;
    clock_fake(&now, NULL);
    assert_int_equal(setenv("TZ", "UTC-2", 1), 0); /* two hours ahead of it */
    tzset();
    assert_int_equal(moment("2026-12-01T18:00Z"), now);
    assert_int_equal(moment("2026-12-01T18:00:07Z"), now + 7000);
    assert_int_equal(moment("2026-12-01T20:00"), now);
    assert_int_equal(moment("+90s"), now + 90000);
    assert_int_equal(moment("+5m"), now + 300000);
    assert_int_equal(moment("+2h"), now + 7200000);
    assert_int_equal(moment("+1d"), now + 86400000);
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        assert_int_equal(moment(wrong[i]), -1);
    clock_fake(NULL, NULL);
}

static void what_a_column_does_not_take_is_refused(void **state)
{
    static const char *const wrong[][3] = {
        {"definition", "severity", "dreadful"},
        {"definition", "severity", "1"},
        {"definition", "intervalMillis", "5s"},
        {"definition", "intervalMillis", "999"},
        {"definition", "intervalMillis", ""},
        {"definition", "intervalMillis", " 5000"},
        {"definition", "intervalMillis", "99999999999999999999"},
        {"target", "states", "ok,bad"},
        {"target", "handler", ""},
        {"definition", "description", "\xff"},
        {"definition", "notifyRecovery", "maybe"},
    };
    struct snmp_value v;
    struct buf scratch;
    struct err e;

    (void)state;
    buf_init(&scratch, 1000);
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        assert_true(
            value_from_word(&v, column(wrong[i][0], wrong[i][1]), wrong[i][2], &scratch, &e) < 0);
    value_from_word(&v, column("definition", "severity"), "dreadful", &scratch, &e);
    assert_string_equal(e.text, "'dreadful': expected info, warning, critical");
    buf_release(&scratch);
}

static void assert_shown(const char *table, const char *name, struct snmp_value v, const char *text,
                         const char *json)
{
    const struct sa_column *c = column(table, name);
    struct datum d = {0};
    struct buf b;
    jv *j;

    assert_int_equal(datum_from(&d, c, &v), 0);
    buf_init(&b, 1000);
    datum_text(&d, c, TIMES_UTC, false, &b);
    assert_string_equal(buf_cstr(&b), text);
    buf_clear(&b);
    j = datum_json(&d, c);
    jv_dump(j, &b);
    assert_string_equal(buf_cstr(&b), json);
    jv_free(j);
    buf_release(&b);
    datum_release(&d);
}

#define OCTETS(s)                                                                                  \
    {                                                                                              \
        .type = SNMP_TYPE_OCTETS, .octets = {(const uint8_t *)(s), sizeof(s) - 1 }                 \
    }

static void values_are_shown_by_name_and_as_json(void **state)
{
    struct snmp_value critical = {.type = SNMP_TYPE_INTEGER, .integer = LEVEL_CRITICAL};
    struct snmp_value ninth = {.type = SNMP_TYPE_INTEGER, .integer = 9};
    struct snmp_value yes = {.type = SNMP_TYPE_INTEGER, .integer = TRUTH_TRUE};
    struct snmp_value ms = {.type = SNMP_TYPE_COUNTER64, .unsigned_ = 1000};
    struct snmp_value bits = OCTETS("\x90"), odd = OCTETS("\xff\xff");
    struct snmp_value date = OCTETS("\x07\xea\x0b\x14\x16\x26\x2d\x01+\0\0");
    struct snmp_value never = OCTETS("\0\0\0\0\0\0\0\0"), text = OCTETS("a\x01"
                                                                        "b");
    struct snmp_value none = {.type = SNMP_TYPE_NO_SUCH_INSTANCE};

    (void)state;
    assert_shown("alert", "level", critical, "critical", "\"critical\"");
    assert_shown("alert", "level", ninth, "9", "9");
    assert_shown("alert", "level", none, "", "null");
    assert_shown("alert", "level", text, "", "null"); /* of a wrong type */
    assert_shown("target", "enabled", yes, "true", "true");
    assert_shown("target", "states", bits, "ok,critical", "[\"ok\",\"critical\"]");
    assert_shown("target", "states", odd, "", "null");
    assert_shown("alert", "since", date, "2026-11-20T22:38:45Z", "\"2026-11-20T22:38:45.100Z\"");
    assert_shown("alert", "since", never, "-", "null");
    assert_shown("alert", "changedAt", ms, "1970-01-01T00:00:01Z", "\"1970-01-01T00:00:01.000Z\"");
    assert_shown("alert", "message", text, "a?b", "\"a\\u0001b\"");
}

static int with_utf8(void **state)
{
    (void)state;
    return setlocale(LC_CTYPE, "C.UTF-8") ? 0 : -1;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(foreign_text_is_harmless),
        cmocka_unit_test(widths_are_those_of_a_terminal),
        cmocka_unit_test(words_become_values_of_the_column),
        cmocka_unit_test(words_become_moments),
        cmocka_unit_test(what_a_column_does_not_take_is_refused),
        cmocka_unit_test(values_are_shown_by_name_and_as_json),
    };

    return cmocka_run_group_tests(tests, with_utf8, NULL);
}
