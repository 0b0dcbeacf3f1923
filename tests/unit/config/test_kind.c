/* Properties and values: what is accepted, what is refused and in which words, frames there and
 * back, suggestions. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "config/kind.h"
#include "config/units.h"

#define COUNT(a) (sizeof(a) / sizeof *(a))

static const char *const encryptions[] = {"none", "tls", "ssl", NULL};

static const struct property props[] = {
    {.name = "host", .type = PROPERTY_TEXT, .min = 1, .max = 20},
    {.name = "port", .type = PROPERTY_NUMBER, .min = 1, .max = 65535, .def = "25"},
    {.name = "fast", .type = PROPERTY_BOOLEAN, .def = "true"},
    {.name = "encryption", .type = PROPERTY_ENUM, .names = encryptions, .def = "tls"},
    {.name = "passwordFile", .type = PROPERTY_FILE},
    {.name = "password", .type = PROPERTY_SECRET, .max = 255},
    {.name = "timeout", .type = PROPERTY_DURATION, .min = 500, .max = 3600000, .def = "10s"},
    {.name = "oid", .type = PROPERTY_OID},
    {.name = "note", .type = PROPERTY_TEXT},
    {.name = "delta", .type = PROPERTY_NUMBER, .min = -5, .max = 5},
    {.name = "subject", .type = PROPERTY_TEMPLATE, .place = TEMPLATE_LINE},
    {.name = "body", .type = PROPERTY_TEMPLATE, .place = TEMPLATE_JSON},
};

static const struct property *prop(const char *name)
{
    return property_find(props, COUNT(props), name);
}

static void check_accepts(void **state)
{
    static const char *const good[][2] = {
        {"host", "h"},
        {"host", "12345678901234567890"},
        {"host", "gr\xc3\xbc\xc3\x9f"},
        {"note", ""},
        {"port", "1"},
        {"port", "65535"},
        {"port", "0025"},
        {"delta", "-5"},
        {"delta", "0"},
        {"fast", "true"},
        {"fast", "no"},
        {"fast", "1"},
        {"encryption", "none"},
        {"encryption", "ssl"},
        {"passwordFile", "/etc/x"},
        {"password", ""},
        {"password", "a b<&"},
        {"timeout", "500ms"},
        {"timeout", "500"},
        {"timeout", "1h"},
        {"timeout", "60m"},
        {"oid", "1.3"},
        {"oid", ".1.3.6.1.4.1.4294967295"},
        {"oid", "2.999"},
        {"oid", "0.39.0"},
        {"subject", ""},
        {"subject", "[${level}] ${instance|-}"},
        {"body", ""},
        {"body", "{\n\t\"level\": ${level}\n}"},
    };
    struct err e;

    (void)state;
    for (size_t i = 0; i < COUNT(good); i++) {
        e.text[0] = '\0';
        if (property_check(prop(good[i][0]), good[i][1], &e))
            fail_msg("%s='%s': %s", good[i][0], good[i][1], e.text);
    }
}

static void check_refuses(void **state)
{
    static const char *const bad[][3] = {
        {"subject", "${lvel}", "column 3: unknown name 'lvel'; did you mean 'level'?"},
        {"subject", "a\nb", "expected a template of one line without control characters"},
        {"body", "{\"level\": ${level}",
         "column 1: it makes no JSON document: 1:14: '}' expected near end of file"},
        {"host", "", "expected a text that is not empty"},
        {"host", "123456789012345678901", "expected a text of 1 to 20 octets"},
        {"host", "a\xff", "expected UTF-8 text without control characters"},
        {"host", "a\nb", "expected UTF-8 text without control characters"},
        {"host", "a\x7f", "expected UTF-8 text without control characters"},
        {"port", "0", "expected a number from 1 to 65535"},
        {"port", "65536", "expected a number from 1 to 65535"},
        {"port", "", "expected a number from 1 to 65535"},
        {"port", " 1", "expected a number from 1 to 65535"},
        {"port", "+1", "expected a number from 1 to 65535"},
        {"port", "0x19", "expected a number from 1 to 65535"},
        {"port", "25 ", "expected a number from 1 to 65535"},
        {"port", "18446744073709551617", "expected a number from 1 to 65535"},
        {"delta", "-6", "expected a number from -5 to 5"},
        {"delta", "-", "expected a number from -5 to 5"},
        {"fast", "TRUE", "expected true or false"},
        {"fast", "", "expected true or false"},
        {"encryption", "TLS", "expected one of none, tls, ssl"},
        {"encryption", "", "expected one of none, tls, ssl"},
        {"passwordFile", "x", "expected the absolute path of a file"},
        {"passwordFile", "", "expected the absolute path of a file"},
        {"passwordFile", "/a\nb", "expected the absolute path of a file"},
        {"password", "a\tb", "expected UTF-8 text without control characters"},
        {"timeout", "499ms", "expected a duration from 500ms to 1h, such as 500ms, 10s, 5m"},
        {"timeout", "2h", "expected a duration from 500ms to 1h, such as 500ms, 10s, 5m"},
        {"timeout", "1.5s", "expected a duration from 500ms to 1h, such as 500ms, 10s, 5m"},
        {"timeout", "10 s", "expected a duration from 500ms to 1h, such as 500ms, 10s, 5m"},
        {"timeout", "-1s", "expected a duration from 500ms to 1h, such as 500ms, 10s, 5m"},
        {"timeout", "9223372036854775807h",
         "expected a duration from 500ms to 1h, such as 500ms, 10s, 5m"},
        {"oid", "1", "expected an OID in numbers, such as 1.3.6.1.2.1.1.3.0"},
        {"oid", "", "expected an OID in numbers, such as 1.3.6.1.2.1.1.3.0"},
        {"oid", "1.3.", "expected an OID in numbers, such as 1.3.6.1.2.1.1.3.0"},
        {"oid", "1..3", "expected an OID in numbers, such as 1.3.6.1.2.1.1.3.0"},
        {"oid", "3.1", "expected an OID in numbers, such as 1.3.6.1.2.1.1.3.0"},
        {"oid", "1.40", "expected an OID in numbers, such as 1.3.6.1.2.1.1.3.0"},
        {"oid", "1.3.4294967296", "expected an OID in numbers, such as 1.3.6.1.2.1.1.3.0"},
        {"oid", "1.3.sysUpTime", "expected an OID in numbers, such as 1.3.6.1.2.1.1.3.0"},
    };
    struct err e;

    (void)state;
    for (size_t i = 0; i < COUNT(bad); i++) {
        e.text[0] = '\0';
        if (property_check(prop(bad[i][0]), bad[i][1], &e) != ERR_INVALID)
            fail_msg("%s='%s' was accepted", bad[i][0], bad[i][1]);
        assert_string_equal(e.text, bad[i][2]);
    }
}

static void check_oid_length(void **state)
{
    char oid[400] = "1.3";

    (void)state;
    for (int i = 2; i < 128; i++)
        memcpy(oid + 3 + (i - 2) * 2, ".1", 3);
    assert_int_equal(property_check(prop("oid"), oid, NULL), 0);
    memcpy(oid + 3 + 126 * 2, ".1", 3);
    assert_int_equal(property_check(prop("oid"), oid, NULL), ERR_INVALID);
}

static void values_hold_and_default(void **state)
{
    struct values v = {0}, copy;
    struct err e;

    (void)state;
    assert_string_equal(values_text(&v, props, COUNT(props), "port"), "25");
    assert_int_equal(values_number(&v, props, COUNT(props), "port"), 25);
    assert_int_equal(values_number(&v, props, COUNT(props), "timeout"), 10000);
    assert_int_equal(values_number(&v, props, COUNT(props), "encryption"), 1);
    assert_true(values_true(&v, props, COUNT(props), "fast"));
    assert_string_equal(values_text(&v, props, COUNT(props), "host"), "");
    assert_string_equal(values_text(&v, props, COUNT(props), "nothing"), "");
    assert_int_equal(values_number(&v, props, COUNT(props), "nothing"), 0);

    assert_int_equal(values_set(&v, prop("port"), "587", &e), 0);
    assert_int_equal(values_set(&v, prop("fast"), "no", &e), 0);
    assert_int_equal(values_set(&v, prop("port"), "588", &e), 0);
    assert_int_equal(values_set(&v, prop("port"), "x", &e), ERR_INVALID);
    assert_int_equal(v.n, 2);
    assert_int_equal(values_copy(&copy, &v), 0);
    values_release(&v);
    assert_int_equal(v.n, 0);
    assert_int_equal(values_number(&copy, props, COUNT(props), "port"), 588);
    assert_false(values_true(&copy, props, COUNT(props), "fast"));
    values_release(&copy);
}

static void frame_round_trip(void **state)
{
    struct values v = {0}, back = {0};
    struct buf b;
    struct rd r;
    struct err e;

    (void)state;
    buf_init(&b, 4096);
    assert_int_equal(values_set(&v, prop("host"), "mail.example.net", &e), 0);
    assert_int_equal(values_set(&v, prop("timeout"), "5m", &e), 0);
    values_write(&v, &b);
    assert_int_equal(b.err, 0);
    rd_init(&r, b.data, b.len);
    assert_int_equal(values_read(&back, props, COUNT(props), &r, &e), 0);
    assert_int_equal(rd_end(&r), 0);
    assert_int_equal(back.n, 2);
    assert_string_equal(values_text(&back, props, COUNT(props), "host"), "mail.example.net");
    assert_int_equal(values_number(&back, props, COUNT(props), "timeout"), 300000);
    values_release(&back);

    for (size_t cut = 0; cut < b.len; cut++) { /* every shorter frame is refused */
        rd_init(&r, b.data, cut);
        assert_int_equal(values_read(&back, props, COUNT(props), &r, &e), ERR_SYNTAX);
        assert_int_equal(back.n, 0);
    }
    values_release(&v);
    buf_release(&b);
}

static int read_frame(unsigned count, const char *const *texts, size_t n, struct err *e)
{
    struct values v = {0};
    struct buf b;
    struct rd r;
    int err;

    buf_init(&b, 4096);
    buf_u16(&b, (uint16_t)count);
    for (size_t i = 0; i < n; i++)
        buf_str(&b, texts[i]);
    rd_init(&r, b.data, b.len);
    err = values_read(&v, props, COUNT(props), &r, e);
    assert_int_equal(v.n, 0);
    buf_release(&b);
    return err;
}

static void frame_refuses(void **state)
{
    struct err e;

    (void)state;
    assert_int_equal(read_frame(1, (const char *[]){"nope", "1"}, 2, &e), ERR_INVALID);
    assert_string_equal(e.text, "values: unknown property 'nope'");
    assert_int_equal(read_frame(1, (const char *[]){"port", "0"}, 2, &e), ERR_INVALID);
    assert_string_equal(e.text, "expected a number from 1 to 65535");
    assert_int_equal(read_frame(2, (const char *[]){"port", "1", "port", "2"}, 4, &e), ERR_INVALID);
    assert_string_equal(e.text, "values: property 'port' twice");
    assert_int_equal(read_frame(65535, NULL, 0, &e), ERR_SYNTAX);
}

static void suggestions(void **state)
{
    static const char *const names[] = {"host", "port", "password", "passwordFile", "encryption"};
    static const char *const cases[][2] = {
        {"prot", "port"},
        {"Port", "port"},
        {"hots", "host"},
        {"passwort", "password"},
        {"pass", "password"},
        {"encription", "encryption"},
        {"zzz", NULL},
        {"p", NULL},
        {"", NULL},
        {"x", NULL},
        {"passwdFile", "passwordFile"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        const char *s = name_suggest(cases[i][0], names, COUNT(names));

        if (cases[i][1] ? !s || strcmp(s, cases[i][1]) != 0 : s != NULL)
            fail_msg("%s: %s instead of %s", cases[i][0], s ? s : "(none)",
                     cases[i][1] ? cases[i][1] : "(none)");
    }
}

static void units(void **state)
{
    int64_t ms;
    uint64_t bytes;

    (void)state;
    assert_int_equal(duration_parse("7d", &ms), 0);
    assert_int_equal(ms, 604800000);
    assert_int_equal(duration_parse("", &ms), ERR_SYNTAX);
    assert_int_equal(duration_parse("s", &ms), ERR_SYNTAX);
    assert_int_equal(duration_parse("10S", &ms), ERR_SYNTAX);
    assert_int_equal(duration_parse("99999999999999999999s", &ms), ERR_RANGE);
    assert_int_equal(size_parse("16GiB", &bytes), 0);
    assert_true(bytes == 16ull << 30);
    assert_int_equal(size_parse("4096", &bytes), 0);
    assert_int_equal(bytes, 4096);
    assert_int_equal(size_parse("1GB", &bytes), ERR_SYNTAX);
    assert_int_equal(size_parse("9000000000TiB", &bytes), ERR_RANGE);
}

static const struct property server[] = {
    {.name = "host", .type = PROPERTY_TEXT, .transport = true},
    {.name = "caFile", .type = PROPERTY_FILE, .transport = true},
    {.name = "from", .type = PROPERTY_TEXT},
    {.name = "user", .type = PROPERTY_TEXT},
    {.name = "passwordFile", .type = PROPERTY_FILE},
    {.name = "key", .type = PROPERTY_SECRET, .def = "public"},
};

static struct values of_server(const char *const (*texts)[2], size_t n)
{
    struct values v = {NULL, 0};

    for (size_t i = 0; i < n; i++)
        assert_int_equal(
            values_set(&v, property_find(server, COUNT(server), texts[i][0]), texts[i][1], NULL),
            0);
    return v;
}

static const char *in_force(const struct values *v, const char *name)
{
    return values_text(v, server, COUNT(server), name);
}

static void overrides_and_secrets(void **state)
{
    static const char *const file[][2] = {{"host", "a"},
                                          {"caFile", "/ca"},
                                          {"user", "u"},
                                          {"passwordFile", "/secret"},
                                          {"key", "our secret"}};
    static const char *const plain[][2] = {{"from", "f"}, {"user", "other"}};
    static const char *const moved[][2] = {{"from", "f"}, {"host", "b"}};
    struct values v = of_server(file, COUNT(file)), o = of_server(plain, COUNT(plain));

    (void)state;
    assert_false(values_touch_transport(&o));
    assert_int_equal(values_override(&v, &o), 0);
    assert_string_equal(in_force(&v, "user"), "other");
    assert_string_equal(in_force(&v, "passwordFile"), "/secret");
    assert_string_equal(in_force(&v, "key"), "our secret");
    values_release(&o);
    o = of_server(moved, COUNT(moved));
    assert_true(values_touch_transport(&o));
    assert_int_equal(values_override(&v, &o), 0);
    assert_string_equal(in_force(&v, "host"), "b");
    assert_string_equal(in_force(&v, "caFile"), "/ca"); /* of the transport, and no secret */
    assert_string_equal(in_force(&v, "passwordFile"), "");
    assert_string_equal(in_force(&v, "key"), "public");
    values_release(&o);
    values_release(&v);
    assert_false(property_overridable(&server[1]));
    assert_false(property_overridable(&server[5]));
    assert_true(property_overridable(&server[0]));
}

static const struct kind mail = {.class_ = KIND_HANDLER, .name = "mail"};
static const struct kind web = {.class_ = KIND_SOURCE, .name = "web"};

static void kinds_by_class(void **state)
{
    static const struct kind *const list[] = {&mail, &web};
    static const struct kinds kinds = {list, 2};

    (void)state;
    assert_ptr_equal(kind_find(&kinds, KIND_HANDLER, "mail"), &mail);
    assert_null(kind_find(&kinds, KIND_SOURCE, "mail"));
    assert_ptr_equal(kind_find(&kinds, KIND_SOURCE, "web"), &web);
    assert_null(kind_find(&kinds, KIND_SOURCE, "we"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(check_accepts),    cmocka_unit_test(check_refuses),
        cmocka_unit_test(check_oid_length), cmocka_unit_test(values_hold_and_default),
        cmocka_unit_test(frame_round_trip), cmocka_unit_test(frame_refuses),
        cmocka_unit_test(suggestions),      cmocka_unit_test(units),
        cmocka_unit_test(kinds_by_class),   cmocka_unit_test(overrides_and_secrets),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
