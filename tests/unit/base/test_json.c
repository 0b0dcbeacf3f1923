#include "base/json.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/base/cm.h"

static jv *parse(const char *text)
{
    struct err e;
    jv *v = jv_parse(text, strlen(text), &e);

    if (!v)
        fail_msg("'%s': %s", text, e.text);
    return v;
}

static void refuse(const char *text, size_t len, const char *where)
{
    struct err e = {0};

    assert_null(jv_parse(text, len, &e));
    assert_int_equal(e.code, ERR_SYNTAX);
    if (strncmp(e.text, where, strlen(where)) != 0)
        fail_msg("'%s' does not begin with '%s'", e.text, where);
}

static void reads_every_kind(void **state)
{
    jv *root = parse("{\"n\":null,\"t\":true,\"f\":false,\"i\":-7,\"r\":2.5,\"s\":\"x\\u00e9\","
                     "\"a\":[1,2],\"o\":{}}");

    (void)state;
    assert_int_equal(jv_kind(root), JV_OBJECT);
    assert_int_equal(jv_len(root), 8);
    assert_int_equal(jv_kind(jv_get(root, "n")), JV_NULL);
    assert_true(jv_bool(jv_get(root, "t")));
    assert_int_equal(jv_kind(jv_get(root, "f")), JV_BOOL);
    assert_false(jv_bool(jv_get(root, "f")));
    assert_int_equal(jv_int(jv_get(root, "i")), -7);
    assert_true(jv_number(jv_get(root, "i")) == -7);
    assert_true(jv_number(jv_get(root, "r")) == 2.5);
    assert_int_equal(jv_int(jv_get(root, "r")), 0);
    assert_int_equal(jv_string(jv_get(root, "s")).len, 3);
    assert_string_equal(jv_string(jv_get(root, "s")).data, "x\xc3\xa9");
    assert_int_equal(jv_len(jv_get(root, "a")), 2);
    assert_int_equal(jv_int(jv_at(jv_get(root, "a"), 1)), 2);
    assert_null(jv_at(jv_get(root, "a"), 2));
    assert_null(jv_get(root, "missing"));
    assert_null(jv_get(jv_get(root, "a"), "not an object"));
    assert_int_equal(jv_len(jv_get(root, "i")), 0);
    assert_int_equal(jv_kind(jv_get(root, "o")), JV_OBJECT);
    assert_int_equal(jv_kind(NULL), JV_NULL);
    jv_free(root);
    jv_free(NULL);
}

static void any_root(void **state)
{
    static const struct {
        const char *text;
        enum jv_kind kind;
    } table[] = {{"1", JV_INT},    {"\"a\"", JV_STRING}, {"null", JV_NULL},
                 {"[]", JV_ARRAY}, {" true ", JV_BOOL},  {"-0.5e3", JV_REAL}};

    (void)state;
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        jv *v = parse(table[i].text);

        assert_int_equal(jv_kind(v), table[i].kind);
        jv_free(v);
    }
}

static void last_duplicate_wins(void **state)
{
    jv *v = parse("{\"a\":1,\"b\":2,\"a\":3}");

    (void)state;
    assert_int_equal(jv_len(v), 2);
    assert_int_equal(jv_int(jv_get(v, "a")), 3);
    jv_free(v);
}

static void order_is_kept(void **state)
{
    static const char *const keys[] = {"z", "y", "a", "m"};
    jv *v = parse("{\"z\":0,\"y\":1,\"a\":2,\"m\":3}");
    int n = 0;

    (void)state;
    for (void *it = jv_iter(v); it; it = jv_iter_next(v, it), n++) {
        assert_string_equal(jv_iter_key(it), keys[n]);
        assert_int_equal(jv_int(jv_iter_value(it)), n);
    }
    assert_int_equal(n, 4);
    jv_free(v);
}

static void nest(char *text, int depth, char open, char shut)
{
    memset(text, open, (size_t)depth);
    memset(text + depth, shut, (size_t)depth);
    text[2 * depth] = '\0';
}

static void depth_is_limited(void **state)
{
    static char text[200002];

    (void)state;
    nest(text, JV_DEPTH_MAX, '[', ']');
    jv_free(parse(text));
    nest(text, JV_DEPTH_MAX + 1, '[', ']');
    refuse(text, strlen(text), "1:101: ");
    nest(text, 100000, '[', ']');
    refuse(text, strlen(text), "1:101: ");
    text[0] = '"'; /* brackets inside a string are none */
    text[199998] = '"';
    text[199999] = '\0';
    jv_free(parse(text));
}

static void malformed_is_refused(void **state)
{
    (void)state;
    refuse("", 0, "1:0: ");
    refuse("{\"a\":\n  tru}", 12, "2:");
    refuse("[1,]", 4, "1:");
    refuse("{} x", 4, "1:");
    refuse("\"open", 5, "1:");
    refuse("\"a\\", 3, "1:");
    refuse("[1", 2, "1:");
    refuse("]", 1, "1:");
    refuse("\"\xff\"", 3, "1:");
    refuse("\"\xc0\x80\"", 4, "1:");
    refuse("\"\xed\xa0\x80\"", 5, "1:");
    refuse("\"\\ud800\"", 8, "1:");
    refuse("\"a\nb\"", 5, "1:");
    refuse("\"a\0b\"", 5, "1:");
    refuse("1\0", 2, "1:");
    refuse("01", 2, "1:");
    refuse("1e999", 5, "1:");
    refuse("NaN", 3, "1:");
    assert_null(jv_parse("{", 1, NULL));
}

static void wide_integers_become_reals(void **state)
{
    static const struct {
        const char *text;
        enum jv_kind kind;
        double value;
    } table[] = {
        {"9223372036854775807", JV_INT, 9223372036854775807.0},
        {"-9223372036854775808", JV_INT, -9223372036854775808.0},
        {"9223372036854775808", JV_REAL, 9223372036854775808.0},
        {"-9223372036854775809", JV_REAL, -9223372036854775809.0},
        {"18446744073709551615", JV_REAL, 18446744073709551615.0},
        {"100000000000000000000000000000", JV_REAL, 1e29},
        {"18446744073709551615.5", JV_REAL, 18446744073709551615.5},
        {"18446744073709551615e1", JV_REAL, 184467440737095516150.0},
    };
    jv *v;

    (void)state;
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        v = parse(table[i].text);
        assert_int_equal(jv_kind(v), table[i].kind);
        assert_true(jv_number(v) == table[i].value);
        jv_free(v);
    }
    v = parse("{\"18446744073709551615\":[18446744073709551615,5,99999999999999999999],\"s\":"
              "\"\\\"18446744073709551615\"}");
    assert_int_equal(jv_int(jv_at(jv_get(v, "18446744073709551615"), 1)), 5);
    assert_true(jv_number(jv_at(jv_get(v, "18446744073709551615"), 2)) == 1e20);
    assert_string_equal(jv_string(jv_get(v, "s")).data, "\"18446744073709551615");
    jv_free(v);
}

static void assert_put_as_built(const char *text, size_t len)
{
    jv *built = jv_new_string(text, len), *back;
    struct err e;
    struct buf b;

    buf_init(&b, 4096);
    json_put_text(&b, text, len);
    assert_int_equal(b.err, 0);
    back = jv_parse(b.data, b.len, &e);
    if (!back)
        fail_msg("%s: %s", buf_cstr(&b), e.text);
    assert_true(slice_equal(jv_string(back), jv_string(built)));
    for (size_t i = 0; i < b.len; i++)
        assert_true(b.data[i] >= 0x20);
    buf_release(&b);
    jv_free(back);
    jv_free(built);
}

static void texts_are_put_as_they_are_built(void **state)
{
    static const char *const texts[] = {"",
                                        "a",
                                        "\"",
                                        "\\",
                                        "a\"b\\c",
                                        "\b\f\n\r\t\v",
                                        "gr\xc3\xbc\xc3\x9f",
                                        "\xf0\x9f\x94\xa5",
                                        "\xe2\x80\xa8",
                                        "\xff",
                                        "a\xc3",
                                        "\xc0\xaf",
                                        "\xed\xa0\x80",
                                        "\xf4\x90\x80\x80",
                                        "\xe2\x82x"};
    char all[256];

    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        assert_put_as_built(texts[i], strlen(texts[i]));
    for (unsigned i = 0; i < sizeof all; i++) {
        all[i] = (char)i;
        assert_put_as_built(&all[i], 1);
    }
    assert_put_as_built(all, sizeof all);
}

static void nul_in_strings(void **state)
{
    jv *v = parse("\"a\\u0000b\"");

    (void)state;
    assert_int_equal(jv_string(v).len, 3);
    assert_memory_equal(jv_string(v).data, "a\0b", 4);
    jv_free(v);
}

static void assert_dumps(jv *v, const char *want)
{
    struct buf b;

    buf_init(&b, 10000);
    jv_dump(v, &b);
    assert_int_equal(b.err, 0);
    assert_string_equal(buf_cstr(&b), want);
    buf_release(&b);
    jv_free(v);
}

static void builds_and_dumps(void **state)
{
    jv *o = jv_new_object(), *a = jv_new_array();

    (void)state;
    assert_int_equal(jv_append(a, jv_new_int(INT64_MIN)), 0);
    assert_int_equal(jv_append(a, jv_new_real(0.1)), 0);
    assert_int_equal(jv_append(a, jv_new_real(3)), 0);
    assert_int_equal(jv_append(a, jv_new_real(1e300)), 0);
    assert_int_equal(jv_append(a, jv_new_real(NAN)), 0);
    assert_int_equal(jv_append(a, jv_new_real(-INFINITY)), 0);
    assert_int_equal(jv_append(a, jv_new_bool(true)), 0);
    assert_int_equal(jv_append(a, jv_new_null()), 0);
    assert_int_equal(jv_set(o, "list", a), 0);
    assert_int_equal(jv_set(o, "s", jv_new_string("q\"\\\n\x01\x7f\xc3\xa9", 8)), 0);
    assert_int_equal(jv_set(o, "bad", jv_new_string("a\xff\xe2\x82", 4)), 0);
    assert_int_equal(jv_set(o, "nul", jv_new_string("a\0b", 3)), 0);
    assert_int_equal(jv_set(o, "\xff", jv_new_null()), ERR_INVALID);
    assert_int_equal(jv_set(o, "none", NULL), ERR_NOMEM);
    assert_int_equal(jv_append(o, jv_new_null()), ERR_INVALID);
    assert_int_equal(jv_set(a, "x", jv_new_null()), ERR_INVALID);
    assert_dumps(o, "{\"list\":[-9223372036854775808,0.1,3.0,1e+300,null,null,true,null],"
                    "\"s\":\"q\\\"\\\\\\n\\u0001\x7f\xc3\xa9\","
                    "\"bad\":\"a\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\",\"nul\":\"a\\u0000b\"}");
    assert_dumps(jv_new_object(), "{}");
    assert_dumps(jv_new_array(), "[]");
    assert_dumps(jv_new_string("", 0), "\"\"");
}

/* What is dumped reads back as the same numbers: random bit patterns, and all of them finite. */
static void reals_round_trip(void **state)
{
    uint64_t bits = 88172645463325252;

    (void)state;
    for (int i = 0; i < 20000; i++) {
        struct buf b;
        jv *v, *again;
        double d;

        bits ^= bits << 13;
        bits ^= bits >> 7;
        bits ^= bits << 17;
        memcpy(&d, &bits, sizeof d);
        if (!isfinite(d))
            continue;
        v = jv_new_real(d);
        buf_init(&b, 100);
        jv_dump(v, &b);
        again = jv_parse(b.data, b.len, NULL);
        assert_int_equal(jv_kind(again), JV_REAL);
        if (jv_number(again) != d)
            fail_msg("%.17g", d);
        jv_free(again);
        jv_free(v);
        buf_release(&b);
    }
}

static void dump_stops_at_the_limit(void **state)
{
    jv *v = parse("[1,2,3,4,5,6,7,8,9]");
    struct buf b;

    (void)state;
    buf_init(&b, 5);
    jv_dump(v, &b);
    assert_int_equal(b.err, ERR_FULL);
    assert_in_range(b.len, 0, 5);
    buf_release(&b);
    jv_free(v);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_every_kind),
        cmocka_unit_test(any_root),
        cmocka_unit_test(last_duplicate_wins),
        cmocka_unit_test(order_is_kept),
        cmocka_unit_test(depth_is_limited),
        cmocka_unit_test(malformed_is_refused),
        cmocka_unit_test(wide_integers_become_reals),
        cmocka_unit_test(nul_in_strings),
        cmocka_unit_test(texts_are_put_as_they_are_built),
        cmocka_unit_test(builds_and_dumps),
        cmocka_unit_test(reals_round_trip),
        cmocka_unit_test(dump_stops_at_the_limit),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
