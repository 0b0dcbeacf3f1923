#include "base/text.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "tests/unit/base/cm.h"

static void utf8_table(void **state)
{
    static const struct {
        const char *text;
        bool valid;
    } table[] = {
        {"", true},
        {"plain", true},
        {"\xc2\x80", true},         /* first of two octets */
        {"\xdf\xbf", true},         /* last of two */
        {"\xe0\xa0\x80", true},     /* first of three */
        {"\xed\x9f\xbf", true},     /* before the surrogates */
        {"\xee\x80\x80", true},     /* behind them */
        {"\xef\xbf\xbf", true},     /* U+FFFF is a code point */
        {"\xf0\x90\x80\x80", true}, /* first of four */
        {"\xf4\x8f\xbf\xbf", true}, /* U+10FFFF */
        {"\x80", false},            /* continuation alone */
        {"\xbf", false},
        {"\xc0\x80", false}, /* overlong NUL */
        {"\xc1\xbf", false}, /* overlong */
        {"\xe0\x80\x80", false},
        {"\xe0\x9f\xbf", false},
        {"\xf0\x80\x80\x80", false},
        {"\xf0\x8f\xbf\xbf", false},
        {"\xed\xa0\x80", false},     /* U+D800 */
        {"\xed\xbf\xbf", false},     /* U+DFFF */
        {"\xf4\x90\x80\x80", false}, /* U+110000 */
        {"\xf5\x80\x80\x80", false},
        {"\xf8\x88\x80\x80\x80", false},
        {"\xfe", false},
        {"\xff", false},
        {"\xc2", false}, /* cut short */
        {"\xe2\x82", false},
        {"\xf0\x9f\x98", false},
        {"\xc2"
         "a",
         false}, /* broken off */
        {"\xe2\x82"
         "a",
         false},
        {"a\xe2\x82\xac"
         "b\xf0\x9f\x98\x80",
         true},
    };

    (void)state;
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        if (utf8_valid(table[i].text, strlen(table[i].text)) != table[i].valid)
            fail_msg("row %zu is not %s", i, table[i].valid ? "valid" : "invalid");
    }
    assert_true(utf8_valid("a\0b", 3));
    assert_true(utf8_valid(NULL, 0));
}

/* Every code point there is, against an encoder written the other way round. */
static void utf8_all_code_points(void **state)
{
    (void)state;
    for (uint32_t cp = 0; cp <= 0x110000; cp++) {
        uint8_t s[4];
        size_t n;
        uint32_t got = 0;
        bool valid = cp <= 0x10ffff && (cp < 0xd800 || cp > 0xdfff);

        if (cp < 0x80) {
            n = 1;
            s[0] = (uint8_t)cp;
        } else {
            n = cp < 0x800 ? 2 : cp < 0x10000 ? 3 : 4;
            s[0] = (uint8_t)((0xf00 >> n) | cp >> (6 * (n - 1)));
            for (size_t i = 1; i < n; i++)
                s[i] = (uint8_t)(0x80 | ((cp >> (6 * (n - 1 - i))) & 0x3f));
        }
        if (utf8_decode(s, n, &got) != (valid ? n : 0) || (valid && got != cp))
            fail_msg("U+%04X", (unsigned)cp);
        if (n > 1 && utf8_decode(s, n - 1, &got) != 0)
            fail_msg("U+%04X cut", (unsigned)cp);
    }
}

static void utf8_cuts(void **state)
{
    static const char text[] = "a\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80z"; /* 1 + 2 + 3 + 4 + 1 */
    static const size_t want[] = {0, 1, 1, 3, 3, 3, 6, 6, 6, 6, 10, 11, 11, 11};

    (void)state;
    for (size_t max = 0; max < sizeof want / sizeof *want; max++)
        assert_int_equal(utf8_cut(text, 11, max), want[max]);
    assert_int_equal(utf8_cut("\x80\x80\x80\x80\x80\x80", 6, 5), 5); /* no character to keep */
    assert_int_equal(utf8_cut("a\x80\x80", 3, 2), 2);
    assert_int_equal(utf8_cut("", 0, 0), 0);
}

static void utf8_cleans(void **state)
{
    char dst[32], small[4];

    (void)state;
    assert_int_equal(utf8_clean(dst, sizeof dst, "a\xff\nb\t\x01\xc2\x9b\0c", 10, false), 9);
    assert_string_equal(dst, "a? b    c");
    assert_int_equal(utf8_clean(dst, sizeof dst, "a\nb\tc\rd", 7, true), 7);
    assert_string_equal(dst, "a\nb\tc d");
    assert_int_equal(utf8_clean(dst, sizeof dst, "\xe2\x82", 2, false), 2);
    assert_string_equal(dst, "??");
    assert_int_equal(utf8_clean(small, sizeof small, "ab\xe2\x82\xac", 5, false), 2);
    assert_string_equal(small, "ab");
    assert_int_equal(utf8_clean(small, sizeof small, "\xe2\x82\xac!", 4, false), 3);
    assert_string_equal(small, "\xe2\x82\xac");
    assert_int_equal(utf8_clean(small, 1, "abc", 3, false), 0);
    assert_string_equal(small, "");
    assert_int_equal(utf8_clean(NULL, 0, "abc", 3, false), 0);
}

static void globs(void **state)
{
    static const struct {
        const char *pattern, *text;
        bool match;
    } table[] = {
        {"", "", true},
        {"", "a", false},
        {"*", "", true},
        {"*", "anything", true},
        {"**", "", true},
        {"a*", "a", true},
        {"a*", "ba", false},
        {"*a", "bba", true},
        {"*a", "bab", false},
        {"a*b*c", "aXbYc", true},
        {"a*b*c", "acb", false},
        {"*ab*ab", "abXab", true},
        {"*aab", "aaab", true},
        {"?", "", false},
        {"?", "a", true},
        {"?", "\xc3\xa9", true},
        {"??", "\xc3\xa9", false},
        {"*??", "\xc3\xa9", false},
        {"a?c",
         "a\xf0\x9f\x98\x80"
         "c",
         true},
        {"?", "\xff", true},
        {"*\xa9", "\xc3\xa9", false}, /* no half characters */
        {"\xc3\xa9*", "\xc3\xa9t\xc3\xa9", true},
        {"\\*", "*", true},
        {"\\*", "x", false},
        {"\\?", "?", true},
        {"\\?", "x", false},
        {"\\\\", "\\", true},
        {"\\a", "a", true},
        {"a\\", "a\\", true}, /* a last one stands for itself */
        {"a\\", "a", false},
        {"*\\*", "ab*", true},
        {"*\\*", "ab", false},
        {"router?.if.*", "router1.if.2", true},
        {"router?.if.*", "router1.sys", false},
        {"A", "a", false},
        {"[ab]", "a", false},
        {"[ab]", "[ab]", true},
    };

    (void)state;
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        if (glob_match(table[i].pattern, table[i].text) != table[i].match)
            fail_msg("'%s' and '%s'", table[i].pattern, table[i].text);
    }
}

/* "*a*a*a...b" against "aaaa...": exponential if every star is retried. */
static void glob_is_not_exponential(void **state)
{
    enum { STARS = 500, TEXT = 20000 };
    char *pattern = malloc(2 * STARS + 2), *text = malloc(TEXT + 1);
    int64_t begin = clock_mono_ms();

    (void)state;
    for (size_t i = 0; i < STARS; i++)
        memcpy(pattern + 2 * i, "*a", 2);
    memcpy(pattern + 2 * STARS, "b", 2);
    memset(text, 'a', TEXT);
    text[TEXT] = '\0';
    assert_false(glob_match(pattern, text));
    text[TEXT - 1] = 'b';
    assert_true(glob_match(pattern, text));
    assert_true(clock_mono_ms() - begin < 5000);
    free(pattern);
    free(text);
}

/* The vectors of SipHash's reference implementation: key 00 01 .. 0f, input 00 01 .. n-1. */
static void hash_is_siphash(void **state)
{
    static const uint64_t seed = 0x0706050403020100;
    uint8_t in[15];

    (void)state;
    for (uint8_t i = 0; i < sizeof in; i++)
        in[i] = i;
    assert_true(hash64(in, 0, seed) == 0x726fdb47dd0e0e31);
    assert_true(hash64(in, 1, seed) == 0x74f839c593dc67fd);
    assert_true(hash64(in, 8, seed) == 0x93f5f5799a932462);
    assert_true(hash64(in, 15, seed) == 0xa129ca6149be45e5);
    assert_true(hash64(in, 15, seed + 1) != hash64(in, 15, seed));
}

static void hash128_differs_in_both_halves(void **state)
{
    uint8_t a[16], b[16], again[16];

    (void)state;
    hash128("alice", 5, a);
    hash128("alicf", 5, b);
    hash128("alice", 5, again);
    assert_memory_equal(a, again, 16);
    assert_memory_not_equal(a, b, 8);
    assert_memory_not_equal(a + 8, b + 8, 8);
    assert_memory_not_equal(a, a + 8, 8);
}

static void uuids(void **state)
{
    char a[UUID_TEXT_LEN + 1], b[UUID_TEXT_LEN + 1];

    (void)state;
    for (int i = 0; i < 1000; i++) {
        assert_int_equal(uuid_new(a), 0);
        assert_int_equal(uuid_new(b), 0);
        assert_string_not_equal(a, b);
        assert_int_equal(strlen(a), UUID_TEXT_LEN);
        assert_int_equal(strspn(a, "0123456789abcdef-"), UUID_TEXT_LEN);
        assert_true(a[8] == '-' && a[13] == '-' && a[18] == '-' && a[23] == '-');
        assert_int_equal(a[14], '4');
        assert_non_null(strchr("89ab", a[19]));
    }
}

static void names(void **state)
{
    static const char longest[] = "12345678901234567890123456789012";

    (void)state;
    assert_true(name_valid("a", 1));
    assert_true(name_valid("caf\xc3\xa9 1", 7));
    assert_true(name_valid(longest, 32));
    assert_false(name_valid("", 0));
    assert_false(name_valid("123456789012345678901234567890123", 33));
    assert_false(name_valid("a\0b", 3));
    assert_false(name_valid("a\n", 2));
    assert_false(name_valid("a\x7f", 2));
    assert_false(name_valid("\xc2\x85", 2));
    assert_false(name_valid("\xff", 1));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(utf8_table),      cmocka_unit_test(utf8_all_code_points),
        cmocka_unit_test(utf8_cuts),       cmocka_unit_test(utf8_cleans),
        cmocka_unit_test(globs),           cmocka_unit_test(glob_is_not_exponential),
        cmocka_unit_test(hash_is_siphash), cmocka_unit_test(hash128_differs_in_both_halves),
        cmocka_unit_test(uuids),           cmocka_unit_test(names),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
