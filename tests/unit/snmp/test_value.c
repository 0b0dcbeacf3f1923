#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <math.h>
#include <stdio.h>

#include "base/json.h"
#include "snmp/value.h"

#define OCTETS(s)                                                                                  \
    {                                                                                              \
        .type = SNMP_TYPE_OCTETS, .octets = {(const uint8_t *)(s), sizeof(s) - 1 }                 \
    }
#define BYTES(t, s)                                                                                \
    {                                                                                              \
        .type = (t), .octets = {(const uint8_t *)(s), sizeof(s) - 1 }                              \
    }

/* Every type, in both forms. */
static const struct {
    struct snmp_value value;
    const char *text, *json;
} conversions[] = {
    {{.type = SNMP_TYPE_NULL}, "NULL", "null"},
    {{.type = SNMP_TYPE_INTEGER, .integer = -2147483648LL}, "-2147483648", "-2147483648"},
    {{.type = SNMP_TYPE_INTEGER, .integer = 0}, "0", "0"},
    {{.type = SNMP_TYPE_COUNTER32, .unsigned_ = 4294967295u}, "4294967295", "4294967295"},
    {{.type = SNMP_TYPE_GAUGE32, .unsigned_ = 7}, "7", "7"},
    {{.type = SNMP_TYPE_TIMETICKS, .unsigned_ = 360000}, "360000", "360000"},
    {{.type = SNMP_TYPE_COUNTER64, .unsigned_ = UINT64_MAX},
     "18446744073709551615",
     "18446744073709551615"},
    {{.type = SNMP_TYPE_COUNTER64, .unsigned_ = 9007199254740993u},
     "9007199254740993",
     "9007199254740993"},
    {{.type = SNMP_TYPE_UNSIGNED64, .unsigned_ = UINT64_MAX},
     "18446744073709551615",
     "18446744073709551615"},
    {{.type = SNMP_TYPE_INTEGER64, .integer = INT64_MIN},
     "-9223372036854775808",
     "-9223372036854775808"},
    {{.type = SNMP_TYPE_FLOAT, .real = 1.5}, "1.5", "1.5"},
    {{.type = SNMP_TYPE_DOUBLE, .real = 0.1}, "0.1", "0.1"},
    {{.type = SNMP_TYPE_FLOAT, .real = (double)0.1f}, "0.1", "0.1"},
    {{.type = SNMP_TYPE_DOUBLE, .real = 1.0 / 3}, "0.3333333333333333", "0.3333333333333333"},
    {{.type = SNMP_TYPE_DOUBLE, .real = 1e300}, "1e+300", "1e+300"},
    {{.type = SNMP_TYPE_OBJID, .objid = {4, {1, 3, 6, 4294967295u}}},
     "1.3.6.4294967295",
     "\"1.3.6.4294967295\""},
    {BYTES(SNMP_TYPE_IPADDRESS, "\xc0\x00\x02\xff"), "192.0.2.255", "\"192.0.2.255\""},
    {BYTES(SNMP_TYPE_IPADDRESS, "\x01\x02"), "0x0102", "\"0x0102\""},
    {BYTES(SNMP_TYPE_OPAQUE, "abc"), "0x616263", "\"0x616263\""},
    {OCTETS(""), "", "\"\""},
    {OCTETS("eth0"), "eth0", "\"eth0\""},
    {OCTETS("a\tb\r\n"), "a\tb\r\n", "\"a\\u0009b\\u000d\\u000a\""},
    {OCTETS("say \"hi\" \\"), "say \"hi\" \\", "\"say \\\"hi\\\" \\\\\""},
    {OCTETS("gr\xc3\xbc\xc3\x9f"), "gr\xc3\xbc\xc3\x9f", "\"gr\xc3\xbc\xc3\x9f\""},
    {OCTETS("\xf0\x9f\x94\xa5"), "\xf0\x9f\x94\xa5", "\"\xf0\x9f\x94\xa5\""},
    {OCTETS("\x00\x1b\x2c\xff"), "0x001b2cff", "\"0x001b2cff\""}, /* a MAC address */
    {OCTETS("end\x00"), "0x656e6400", "\"0x656e6400\""},
    {OCTETS("\x7f"), "0x7f", "\"0x7f\""},
    {OCTETS("\xc2\x85"), "0xc285", "\"0xc285\""},         /* C1 control */
    {OCTETS("\xed\xa0\x80"), "0xeda080", "\"0xeda080\""}, /* surrogate */
    {{.type = SNMP_TYPE_NO_SUCH_OBJECT}, "noSuchObject", "null"},
    {{.type = SNMP_TYPE_NO_SUCH_INSTANCE}, "noSuchInstance", "null"},
    {{.type = SNMP_TYPE_END_OF_MIB_VIEW}, "endOfMibView", "null"},
};

static void test_text_and_json(void **state)
{
    struct buf b;
    (void)state;
    buf_init(&b, 4096);
    for (size_t i = 0; i < sizeof conversions / sizeof *conversions; i++) {
        buf_clear(&b);
        snmp_value_text(&conversions[i].value, &b);
        assert_string_equal(buf_cstr(&b), conversions[i].text);
        buf_clear(&b);
        snmp_value_json(&conversions[i].value, &b);
        assert_string_equal(buf_cstr(&b), conversions[i].json);
        jv *parsed = jv_parse(b.data, b.len, NULL);
        assert_non_null(parsed);
        jv_free(parsed);
    }
    buf_release(&b);
}

static void test_reals_that_json_lacks(void **state)
{
    static const double reals[] = {NAN, INFINITY, -INFINITY};
    struct buf b;
    (void)state;
    buf_init(&b, 64);
    for (size_t i = 0; i < 3; i++) {
        struct snmp_value v = {.type = SNMP_TYPE_DOUBLE, .real = reals[i]};
        buf_clear(&b);
        snmp_value_json(&v, &b);
        assert_string_equal(buf_cstr(&b), "null");
    }
    buf_release(&b);
}

/* Whatever the octets are, JSON text comes out; and text that is valid comes back the same. */
static void test_json_of_any_octets(void **state)
{
    uint8_t octets[32];
    uint32_t seed = 12345;
    struct buf b;
    (void)state;
    buf_init(&b, 4096);
    for (int round = 0; round < 20000; round++) {
        size_t n = (size_t)round % sizeof octets;
        for (size_t i = 0; i < n; i++) {
            seed = seed * 1664525u + 1013904223u;
            octets[i] = (uint8_t)(seed >> 24);
        }
        struct snmp_value v = {.type = SNMP_TYPE_OCTETS, .octets = {octets, n}};
        buf_clear(&b);
        snmp_value_json(&v, &b);
        jv *parsed = jv_parse(b.data, b.len, NULL);
        assert_non_null(parsed);
        jv_free(parsed);
        buf_clear(&b);
        snmp_json_string(octets, n, &b);
        parsed = jv_parse(b.data, b.len, NULL);
        assert_non_null(parsed);
        jv_free(parsed);
    }
    buf_release(&b);
}

static const struct {
    enum snmp_type type;
    const char *text;
    int err;
    const char *back; /* what snmp_value_text makes of it; NULL: the text itself */
} parses[] = {
    {SNMP_TYPE_INTEGER, "-5", 0, NULL},
    {SNMP_TYPE_INTEGER, "2147483647", 0, NULL},
    {SNMP_TYPE_INTEGER, "2147483648", ERR_RANGE, NULL},
    {SNMP_TYPE_INTEGER, "-2147483649", ERR_RANGE, NULL},
    {SNMP_TYPE_INTEGER, "99999999999999999999", ERR_RANGE, NULL},
    {SNMP_TYPE_INTEGER, "", ERR_SYNTAX, NULL},
    {SNMP_TYPE_INTEGER, "1x", ERR_SYNTAX, NULL},
    {SNMP_TYPE_INTEGER, " 1", ERR_SYNTAX, NULL},
    {SNMP_TYPE_GAUGE32, "4294967295", 0, NULL},
    {SNMP_TYPE_GAUGE32, "4294967296", ERR_RANGE, NULL},
    {SNMP_TYPE_COUNTER32, "-1", ERR_SYNTAX, NULL},
    {SNMP_TYPE_TIMETICKS, "100", 0, NULL},
    {SNMP_TYPE_COUNTER64, "18446744073709551615", 0, NULL},
    {SNMP_TYPE_COUNTER64, "18446744073709551616", ERR_RANGE, NULL},
    {SNMP_TYPE_DOUBLE, "2.5", 0, NULL},
    {SNMP_TYPE_DOUBLE, "2.5.1", ERR_SYNTAX, NULL},
    {SNMP_TYPE_OCTETS, "text", 0, NULL},
    {SNMP_TYPE_OCTETS, "", 0, NULL},
    {SNMP_TYPE_OCTETS, "0x00fF", 0, "0x00ff"},
    {SNMP_TYPE_OCTETS, "0x", 0, ""},
    {SNMP_TYPE_OCTETS, "0x123", ERR_SYNTAX, NULL},
    {SNMP_TYPE_OCTETS, "0xzz", ERR_SYNTAX, NULL},
    {SNMP_TYPE_OBJID, "1.3.6.1", 0, NULL},
    {SNMP_TYPE_OBJID, "x", ERR_SYNTAX, NULL},
    {SNMP_TYPE_IPADDRESS, "192.0.2.1", 0, NULL},
    {SNMP_TYPE_IPADDRESS, "192.0.2", ERR_SYNTAX, NULL},
    {SNMP_TYPE_IPADDRESS, "192.0.2.256", ERR_SYNTAX, NULL},
    {SNMP_TYPE_NULL, "anything", 0, "NULL"},
    {SNMP_TYPE_NO_SUCH_OBJECT, "", ERR_UNSUPPORTED, NULL},
};

static void test_parse(void **state)
{
    struct buf scratch, b;
    (void)state;
    buf_init(&scratch, 1024);
    buf_init(&b, 1024);
    for (size_t i = 0; i < sizeof parses / sizeof *parses; i++) {
        struct snmp_value v;
        struct err e = {0};
        buf_clear(&scratch);
        buf_clear(&b);
        assert_int_equal(snmp_value_parse(&v, parses[i].type, parses[i].text, &scratch, &e),
                         parses[i].err);
        if (parses[i].err) {
            assert_true(*e.text);
            continue;
        }
        snmp_value_text(&v, &b);
        assert_string_equal(buf_cstr(&b), parses[i].back ? parses[i].back : parses[i].text);
    }
    buf_release(&scratch);
    buf_release(&b);
}

static const struct {
    const char *text;
    int err;
} oids[] = {
    {"1.3.6.1.2.1", 0},
    {".1.3.6.1", 0},
    {"0.0", 0},
    {"2.999.1", 0},
    {"1.3.6.4294967295", 0},
    {"1.3.6.4294967296", ERR_RANGE},
    {"1.3.99999999999999999999999999", ERR_RANGE},
    {"1.40", ERR_RANGE},
    {"3.1", ERR_RANGE},
    {"2.4294967295", ERR_RANGE},
    {"1", ERR_SYNTAX},
    {"", ERR_SYNTAX},
    {".", ERR_SYNTAX},
    {"1.3.", ERR_SYNTAX},
    {"1..3", ERR_SYNTAX},
    {"..1.3", ERR_SYNTAX},
    {"1.3.-6", ERR_SYNTAX},
    {"1.3 .6", ERR_SYNTAX},
    {"sysUpTime.0", ERR_SYNTAX},
    {"1.3.6x", ERR_SYNTAX},
};

static void test_objid_parse(void **state)
{
    char back[OBJID_TEXT_MAX];
    (void)state;
    for (size_t i = 0; i < sizeof oids / sizeof *oids; i++) {
        struct objid o = {.n = 77};
        assert_int_equal(objid_parse(&o, oids[i].text, NULL), oids[i].err);
        if (oids[i].err) {
            assert_int_equal(o.n, 77);
            continue;
        }
        assert_true(objid_text(o.subids, o.n, back, sizeof back) > 0);
        assert_string_equal(back, oids[i].text + (*oids[i].text == '.'));
    }
}

static void test_objid_length(void **state)
{
    char text[4 * OBJID_MAX + 16] = "1.3", small[8];
    struct objid o;
    (void)state;
    for (int i = 2; i < OBJID_MAX; i++)
        memcpy(text + strlen(text), ".1", 3);
    assert_int_equal(objid_parse(&o, text, NULL), 0);
    assert_int_equal(o.n, OBJID_MAX);
    assert_int_equal(objid_append(&o, 1), ERR_RANGE);
    assert_int_equal(objid_text(o.subids, o.n, small, sizeof small), ERR_RANGE);
    assert_string_equal(small, "");
    memcpy(text + strlen(text), ".1", 3);
    assert_int_equal(objid_parse(&o, text, NULL), ERR_RANGE);
    assert_int_equal(objid_set(&o, o.subids, OBJID_MAX + 1), ERR_RANGE);
}

static void test_objid_order(void **state)
{
    static const char *const rising[] = {"1.3",       "1.3.0",        "1.3.0.5", "1.3.1",
                                         "1.3.1.255", "1.3.1.256",    "1.3.2",   "1.3.4294967295",
                                         "2.0",       "2.5.29.19.1.1"};
    struct objid a, b;
    (void)state;
    for (size_t i = 0; i < sizeof rising / sizeof *rising; i++)
        for (size_t j = 0; j < sizeof rising / sizeof *rising; j++) {
            assert_int_equal(objid_parse(&a, rising[i], NULL), 0);
            assert_int_equal(objid_parse(&b, rising[j], NULL), 0);
            int order = objid_compare(&a, &b);
            assert_int_equal((order > 0) - (order < 0), (i > j) - (i < j));
            bool below = strlen(rising[j]) > strlen(rising[i]) &&
                         !strncmp(rising[i], rising[j], strlen(rising[i])) &&
                         rising[j][strlen(rising[i])] == '.';
            assert_int_equal(objid_below(&a, &b), below);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_text_and_json),      cmocka_unit_test(test_reals_that_json_lacks),
        cmocka_unit_test(test_json_of_any_octets), cmocka_unit_test(test_parse),
        cmocka_unit_test(test_objid_parse),        cmocka_unit_test(test_objid_length),
        cmocka_unit_test(test_objid_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
