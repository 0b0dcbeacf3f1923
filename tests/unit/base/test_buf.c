#include "base/buf.h"

#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "tests/unit/base/cm.h"

static void round_trip(void **state)
{
    struct buf b;
    struct rd r;
    char text[16], *copy;
    struct slice s;

    (void)state;
    buf_init(&b, 1000);
    buf_u8(&b, 0xfe);
    buf_u16(&b, 0xfedc);
    buf_u32(&b, 0xfedcba98);
    buf_u64(&b, 0xfedcba9876543210);
    buf_str(&b, "hello");
    buf_str(&b, NULL);
    buf_blob(&b, "a\0b", 3);
    buf_bytes(&b, "raw", 3);
    buf_str(&b, "copied");
    assert_int_equal(b.err, 0);

    rd_init(&r, b.data, b.len);
    assert_int_equal(rd_u8(&r), 0xfe);
    assert_int_equal(rd_u16(&r), 0xfedc);
    assert_int_equal(rd_u32(&r), 0xfedcba98);
    assert_true(rd_u64(&r) == 0xfedcba9876543210);
    rd_str(&r, text, sizeof text);
    assert_string_equal(text, "hello");
    rd_str(&r, text, sizeof text);
    assert_string_equal(text, "");
    s = rd_blob(&r);
    assert_int_equal(s.len, 3);
    assert_memory_equal(s.data, "a\0b", 3);
    s = rd_bytes(&r, 3);
    assert_memory_equal(s.data, "raw", 3);
    copy = rd_strdup(&r, 6);
    assert_string_equal(copy, "copied");
    free(copy);
    assert_int_equal(rd_end(&r), 0);
    buf_release(&b);
}

static void integers_are_big_endian(void **state)
{
    static const uint8_t want[] = {1, 2, 3, 4, 5, 6, 0, 0, 0, 0, 0, 0, 0, 7};
    struct buf b;

    (void)state;
    buf_init(&b, 100);
    buf_u16(&b, 0x0102);
    buf_u32(&b, 0x03040506);
    buf_u64(&b, 7);
    assert_int_equal(b.len, sizeof want);
    assert_memory_equal(b.data, want, sizeof want);
    buf_release(&b);
}

static void limit_is_sticky(void **state)
{
    struct buf b;

    (void)state;
    buf_init(&b, 6);
    buf_u32(&b, 1);
    buf_u32(&b, 2); /* two octets too many: none is added */
    assert_int_equal(b.err, ERR_FULL);
    assert_int_equal(b.len, 4);
    buf_u8(&b, 3); /* would fit, but the error stands */
    assert_int_equal(b.len, 4);
    assert_string_equal(buf_cstr(&b), "");
    buf_clear(&b);
    assert_int_equal(b.err, 0);
    buf_blob(&b, "ab", 2); /* exactly */
    assert_int_equal(b.err, 0);
    assert_int_equal(b.len, 6);
    buf_bytes(&b, NULL, 0);
    assert_int_equal(b.err, 0);
    buf_clear(&b);
    buf_blob(&b, "abc", 3); /* neither the length nor the octets */
    assert_int_equal(b.err, ERR_FULL);
    assert_int_equal(b.len, 0);
    buf_release(&b);
}

static void zero_limit_holds_nothing(void **state)
{
    struct buf b;

    (void)state;
    buf_init(&b, 0);
    assert_string_equal(buf_cstr(&b), "");
    buf_u8(&b, 1);
    assert_int_equal(b.err, ERR_FULL);
    buf_release(&b);
}

static void prints(void **state)
{
    struct buf b;

    (void)state;
    buf_init(&b, 12);
    buf_printf(&b, "%s=%d", "x", 42);
    buf_printf(&b, "%s", "");
    assert_string_equal(buf_cstr(&b), "x=42");
    assert_int_equal(b.len, 4);
    buf_printf(&b, "%s", "12345678"); /* up to the limit, terminator besides */
    assert_string_equal(buf_cstr(&b), "x=4212345678");
    buf_printf(&b, "!");
    assert_int_equal(b.err, ERR_FULL);
    buf_release(&b);
}

static void grows_far(void **state)
{
    struct buf b;
    struct rd r;

    (void)state;
    buf_init(&b, SIZE_MAX);
    for (uint32_t i = 0; i < 100000; i++)
        buf_u32(&b, i);
    rd_init(&r, b.data, b.len);
    for (uint32_t i = 0; i < 100000; i++)
        assert_int_equal(rd_u32(&r), i);
    assert_int_equal(rd_end(&r), 0);
    buf_release(&b);
}

static void patches(void **state)
{
    struct buf b;

    (void)state;
    buf_init(&b, 100);
    buf_u8(&b, 9);
    buf_u32(&b, 0);
    buf_u8(&b, 8);
    buf_patch_u32(&b, 1, 0x01020304);
    assert_memory_equal(b.data, "\x09\x01\x02\x03\x04\x08", 6);
    b.err = ERR_FULL;
    buf_patch_u32(&b, 1000, 1); /* a failed buffer may lack the place */
    buf_release(&b);
}

static void short_input_is_sticky(void **state)
{
    struct rd r;
    struct slice s;

    (void)state;
    rd_init(&r, "\x01\x02\x03", 3);
    assert_int_equal(rd_u32(&r), 0);
    assert_int_equal(r.err, ERR_SYNTAX);
    assert_int_equal(rd_u8(&r), 0); /* there, but the error stands */
    s = rd_bytes(&r, 0);
    assert_null(s.data);
    assert_int_equal(rd_end(&r), ERR_SYNTAX);
}

static void lying_lengths_are_refused(void **state)
{
    static const uint8_t huge[] = {0xff, 0xff, 0xff, 0xff, 'a'};
    struct rd r;
    char text[4] = "xyz";

    (void)state;
    rd_init(&r, huge, sizeof huge);
    assert_int_equal(rd_blob(&r).len, 0);
    assert_int_equal(r.err, ERR_SYNTAX);
    rd_init(&r, huge, sizeof huge);
    rd_str(&r, text, sizeof text);
    assert_string_equal(text, "");
    rd_init(&r, huge, sizeof huge);
    assert_null(rd_strdup(&r, SIZE_MAX));
    rd_init(&r, NULL, 0);
    assert_int_equal(rd_end(&r), 0);
    assert_int_equal(rd_u8(&r), 0);
    assert_int_equal(rd_end(&r), ERR_SYNTAX);
}

static void strings_are_checked(void **state)
{
    struct buf b;
    struct rd r;
    char text[6];

    (void)state;
    buf_init(&b, 100);
    buf_str(&b, "12345");
    rd_init(&r, b.data, b.len);
    rd_str(&r, text, 6);
    assert_string_equal(text, "12345");
    rd_init(&r, b.data, b.len);
    rd_str(&r, text, 5); /* no room for the terminator */
    assert_int_equal(r.err, ERR_SYNTAX);
    assert_string_equal(text, "");
    rd_init(&r, b.data, b.len);
    assert_null(rd_strdup(&r, 4));
    assert_int_equal(r.err, ERR_SYNTAX);
    buf_clear(&b);
    buf_blob(&b, "a\0b", 3);
    rd_init(&r, b.data, b.len);
    rd_str(&r, text, sizeof text);
    assert_int_equal(r.err, ERR_SYNTAX);
    buf_release(&b);
}

static void trailing_octets_are_an_error(void **state)
{
    struct rd r;

    (void)state;
    rd_init(&r, "\0\1", 2);
    rd_u8(&r);
    assert_int_equal(rd_end(&r), ERR_SYNTAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(round_trip),
        cmocka_unit_test(integers_are_big_endian),
        cmocka_unit_test(limit_is_sticky),
        cmocka_unit_test(zero_limit_holds_nothing),
        cmocka_unit_test(prints),
        cmocka_unit_test(grows_far),
        cmocka_unit_test(patches),
        cmocka_unit_test(short_input_is_sticky),
        cmocka_unit_test(lying_lengths_are_refused),
        cmocka_unit_test(strings_are_checked),
        cmocka_unit_test(trailing_octets_are_an_error),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
