/* Templates: what they make, how values are escaped, what is refused, where and in which words; and
 * that no value whatever leaves its place. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/json.h"
#include "base/text.h"
#include "config/template.h"

#define COUNT(a) (sizeof(a) / sizeof *(a))

/* A message of some events; what an event has not, the message itself has, else it is empty. */
struct world {
    const char *itself[TEMPLATE_NAMES];
    const char *events[3][TEMPLATE_NAMES];
};

static void value_of(const void *arg, int event, enum template_name name,
                     char ret[TEMPLATE_VALUE_MAX + 1])
{
    const struct world *w = arg;
    const char *text = event >= 0 ? w->events[event][name] : w->itself[name];

    snprintf(ret, TEMPLATE_VALUE_MAX + 1, "%s", text ? text : "");
}

/* Compiled and written; valid until the next call. */
static const char *made(enum template_place place, const char *text, const struct world *w,
                        int nevents)
{
    static char outcome[TEMPLATE_OUTPUT_MAX + 1];
    const struct template_source s = {value_of, w, nevents};
    struct template *t = NULL;
    struct err e = {0};
    struct buf b;

    if (template_compile(&t, place, text, NULL, &e))
        fail_msg("'%s': %s", text, e.text);
    buf_init(&b, TEMPLATE_OUTPUT_MAX);
    assert_int_equal(template_write(t, &s, &b), 0);
    snprintf(outcome, sizeof outcome, "%s", buf_cstr(&b));
    buf_release(&b);
    template_free(t);
    return outcome;
}

static const struct world some = {
    .itself = {[TEMPLATE_LEVEL] = "CRITICAL",
               [TEMPLATE_INSTANCE] = "router1.if.2",
               [TEMPLATE_MESSAGE] = "5 < 7 & \"x\"\nTo: 'eve'",
               [TEMPLATE_URL] = "https://example.net/?a=1&b=2",
               [TEMPLATE_SEQUENCE] = "12",
               [TEMPLATE_COUNT] = "3"},
    .events = {{[TEMPLATE_LEVEL] = "CRITICAL", [TEMPLATE_INSTANCE] = "a", [TEMPLATE_VALUE] = "7"},
               {[TEMPLATE_LEVEL] = "OK", [TEMPLATE_INSTANCE] = "b"},
               {[TEMPLATE_LEVEL] = "INFO", [TEMPLATE_INSTANCE] = "\"c\"\\"}},
};

static void values_are_filled_in(void **state)
{
    static const char *const cases[][2] = {
        {"", ""},
        {"plain", "plain"},
        {"${level}", "CRITICAL"},
        {"[${level}] ${instance}: ${sequence}", "[CRITICAL] router1.if.2: 12"},
        {"${value}", ""},
        {"${value|none}", "none"},
        {"${level|none}", "CRITICAL"},
        {"${value|}", ""},
        {"${value|a|b}", "a|b"},
        {"$$5 $${level} $$$$", "$5 ${level} $$"},
        {"${#value}value ${value}${/value}!", "!"},
        {"${#level}it is ${level}${/level}!", "it is CRITICAL!"},
        {"${#level}${#value}v${/value}l${/level}", "l"},
        {"${message}", "5 < 7 & \"x\" To: 'eve'"},
        {"gr\xc3\xbc\xc3\x9f ${level}", "gr\xc3\xbc\xc3\x9f CRITICAL"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        assert_string_equal(made(TEMPLATE_TEXT, cases[i][0], &some, 1), cases[i][1]);
        assert_string_equal(made(TEMPLATE_LINE, cases[i][0], &some, 1), cases[i][1]);
    }
}

static void events_are_told_one_by_one(void **state)
{
    (void)state;
    assert_string_equal(made(TEMPLATE_TEXT, "${count}:${#events} ${instance}${/events}.", &some, 2),
                        "3: a b.");
    assert_string_equal(made(TEMPLATE_TEXT, "${#events|, }${instance}${/events}", &some, 3),
                        "a, b, \"c\"\\");
    assert_string_equal(made(TEMPLATE_TEXT, "${#events|, }${instance}${/events}", &some, 1), "a");
    assert_string_equal(made(TEMPLATE_TEXT, "<${#events|,}x${/events}>", &some, 0), "<>");
    assert_string_equal(made(TEMPLATE_TEXT,
                             "${#events|;}${level}${#value}=${value}${/value}${/events} ${level}",
                             &some, 2),
                        "CRITICAL=7;OK CRITICAL");
    assert_string_equal(
        made(TEMPLATE_TEXT, "${#value}no${/value}${#level}${#events}${instance}${/events}${/level}",
             &some, 2),
        "ab");
    assert_string_equal(made(TEMPLATE_TEXT, "${#events}1${/events}${#events}2${/events}", &some, 2),
                        "1122");
}

static void html_is_escaped(void **state)
{
    static const char *const cases[][2] = {
        {"<p>${message}</p>", "<p>5 &lt; 7 &amp; &#34;x&#34;\nTo: &#39;eve&#39;</p>"},
        {"<a href=\"${url}\">x</a>", "<a href=\"https://example.net/?a=1&amp;b=2\">x</a>"},
        {"<a title='${message}' href='/${instance}'>x</a>",
         "<a title='5 &lt; 7 &amp; &#34;x&#34;\nTo: &#39;eve&#39;' href='/router1.if.2'>x</a>"},
        {"<!DOCTYPE html><!-- = ' --><style>p { color: red }</style>${value|<i>none</i>}",
         "<!DOCTYPE html><!-- = ' --><style>p { color: red }</style><i>none</i>"},
        {"<ul>${#events}<li>${instance}</li>${/events}</ul>",
         "<ul><li>a</li><li>b</li><li>&#34;c&#34;\\</li></ul>"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++)
        assert_string_equal(made(TEMPLATE_HTML, cases[i][0], &some, 3), cases[i][1]);
}

static void links_lead_to_pages_only(void **state)
{
    static const struct {
        const char *url;
        bool good;
    } cases[] = {
        {"https://example.net", true},
        {"HTTP://example.net", true},
        {"mailto:bob@example.net", true},
        {"/path:x", true},
        {"page", true},
        {"#a:b", true},
        {"javascript:alert(1)", false},
        {" javascript:alert(1)", false},
        {"java\tscript:x", false},
        {"data:text/html,x", false},
        {":x", false},
        {"\x01https:x", false},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        const struct world w = {.itself = {[TEMPLATE_URL] = cases[i].url}};
        char wanted[80];

        snprintf(wanted, sizeof wanted, "<a HREF=\"%s\">", cases[i].good ? cases[i].url : "#");
        assert_string_equal(made(TEMPLATE_HTML, "<a HREF=\"${url}\">", &w, 1), wanted);
    }
    /* a scheme in two values, and one that is the template's */
    {
        const struct world w = {
            .itself = {[TEMPLATE_URL] = "javascript", [TEMPLATE_VALUE] = ":alert(1)"}};

        assert_string_equal(made(TEMPLATE_HTML, "<a href=\"${url}${value}\">", &w, 1),
                            "<a href=\"javascript#\">");
        assert_string_equal(made(TEMPLATE_HTML, "<a href=\"https://h/${value}\">", &w, 1),
                            "<a href=\"https://h/:alert(1)\">");
    }
}

static void json_is_escaped(void **state)
{
    static const char *const cases[][2] = {
        {"{\"m\": \"<${message}>\"}", "{\"m\": \"<5 < 7 & \\\"x\\\"\\u000aTo: 'eve'>\"}"},
        {"{\"m\": ${level}}", "{\"m\": \"CRITICAL\"}"},
        {"[${sequence}, ${value}, ${value|0}, ${durationMillis}, ${value|\"x\"}]",
         "[12, null, 0, null, \"x\"]"},
        {"[${#events|, }{\"i\": ${instance}, \"v\": \"${value|-}\"}${/events}]",
         "[{\"i\": \"a\", \"v\": \"7\"}, {\"i\": \"b\", \"v\": \"-\"}, "
         "{\"i\": \"\\\"c\\\"\\\\\", \"v\": \"-\"}]"},
        {"{\"all\": \"${#events| + }${level}${/events}\"}", "{\"all\": \"CRITICAL + OK + INFO\"}"},
        {"{\"${level}\": \"\\\"\\\\${level}\"}", "{\"CRITICAL\": \"\\\"\\\\CRITICAL\"}"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++)
        assert_string_equal(made(TEMPLATE_JSON, cases[i][0], &some, 3), cases[i][1]);
}

static void form_is_escaped(void **state)
{
    static const char *const cases[][2] = {
        {"m=${message}", "m=5+%3C+7+%26+%22x%22%0ATo%3A+%27eve%27"},
        {"${level}=${sequence}&v=${value|none%21}&p=100%25+*-._",
         "CRITICAL=12&v=none%21&p=100%25+*-._"},
        {"${#events|&}i=${instance}${/events}", "i=a&i=b&i=%22c%22%5C"},
        {"a=1${#value}&v=${value}${/value}${#level}&l=${level}${/level}", "a=1&l=CRITICAL"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++)
        assert_string_equal(made(TEMPLATE_FORM, cases[i][0], &some, 3), cases[i][1]);
}

/* ---- refusals ---- */

static void refuses(enum template_place place, const char *text, const char *words)
{
    struct template *t = NULL;
    struct err e = {0};

    if (template_compile(&t, place, text, NULL, &e) != ERR_INVALID)
        fail_msg("'%s' is taken", text);
    assert_null(t);
    if (!strstr(e.text, words))
        fail_msg("'%s': '%s' and not '%s'", text, e.text, words);
}

static void refusals_say_where_and_what(void **state)
{
    static const char *const cases[][2] = {
        {"${lvel}", "column 3: unknown name 'lvel'; did you mean 'level'?"},
        {"a\nb\n\xc3\xbc ${Level}",
         "line 3, column 5: unknown name 'Level'; did you mean 'level'?"},
        {"${xyzzy}", "column 3: unknown name 'xyzzy'; snmpalertd.xml(5) lists them"},
        {"${}", "column 3: unknown name ''"},
        {"${level", "column 1: '${' without its '}'"},
        {"${level ${value}", "column 1: a '$' within '${'"},
        {"costs 5 $", "column 9: a single '$'; write '$$' for one"},
        {"$level", "column 1: a single '$'"},
        {"${events}", "column 3: unknown name 'events'"},
        {"${#event}${/event}", "column 4: unknown name 'event'; did you mean 'events'?"},
        {"x${#events}", "column 2: a section without its '${/...}'"},
        {"x${/events}", "column 5: no such section is open here"},
        {"${#level}${#value}${/level}", "column 22: no such section is open here"},
        {"${#events}${#events}${/events}${/events}", "column 14: events within events"},
        {"${#level|,}${/level}", "column 9: only events can be divided by a text"},
        {"a\rb", "control characters"},
        {"a\xff", "UTF-8"},
        {"${#at}${#at}${#at}${#at}${#at}${#at}${#at}${#at}${#at}", "more than 8 deep"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++)
        refuses(TEMPLATE_TEXT, cases[i][0], cases[i][1]);
    refuses(TEMPLATE_LINE, "a\nb", "expected a template of one line");
}

static void html_refuses_places_that_escaping_does_not_hold(void **state)
{
    static const char *const cases[][2] = {
        {"<a ${url}>", "within a tag"},
        {"<a href=${url}>", "an attribute that is not written name=\"value\""},
        {"<a href= \"${url}\">", "an attribute that is not written"},
        {"<a href==\"${url}\">", "an attribute that is not written"},
        {"<a x=b=\"${url}\">", "an attribute that is not written"},
        {"<a x/b=\"${url}\">", "an attribute that is not written"},
        {"<a=\"${url}\">", "an attribute that is not written"},
        {"<a ${#url}href=\"\"${/url}>", "within a tag"},
        {"<a b\"${url}\">", "a quote in a tag"},
        {"<a <b=\"${url}\">", "a '<' within a tag"},
        {"<${level}>", "a '<' that begins no tag"},
        {"</${level}>", "a '<' that begins no tag"},
        {"1 < 2", "write '&lt;'"},
        {"a<", "write '&lt;'"},
        {"<p style=\"color: ${level}\">", "script, a style or a document"},
        {"<p onclick='${level}'>", "script, a style or a document"},
        {"<SCRIPT>${level}</SCRIPT>", "must not have"},
        {"<svg>", "must not have"},
        {"<style>${level}</style>", "in a style"},
        {"<style title=\"<\">${level}</style>", "in a style"},
        {"<style></stylex>${level}</style>", "in a style"},
        {"<!-- ${level} -->", "in a style, a comment"},
        {"<!-->${level}-->", "ends before it begins"},
        {"<!-- --!>", "'--!>'"},
        {"<!DOCTYPE ${level}>", "a declaration"},
        {"<b>${#level}<a title=\"${/level}\">", "does not end where it begins"},
        {"${#events|<a title=\"}x${/events}", "does not end where it begins"},
        {"${value|<a title=\"}", "the default does not end where it begins"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++)
        refuses(TEMPLATE_HTML, cases[i][0], cases[i][1]);
}

static void json_refuses_what_makes_no_document(void **state)
{
    static const char *const cases[][2] = {
        {"", "no JSON document"},
        {"{\"a\": ${level}", "no JSON document"},
        {"${level}${value}", "no JSON document"},
        {"1${sequence}", "no JSON document"},
        {"-${sequence}", "no JSON document"},
        {"{${level}: 1}", "no JSON document"},
        {"[${#events}${level}${/events}]", "no JSON document"}, /* of two events */
        {"\"\\${level}\"", "behind a '\\'"},
        {"\"\\u00${level}\"", "no JSON document"},
        {"[${#events}\"${/events}]", "does not end where it begins"},
        {"[${#events|\"}1${/events}]", "does not end where it begins"},
        {"[${value|x}]", "the default is no JSON value"},
        {"[${value|1, 2}]", "the default is no JSON value"},
        {"[\"${value|\", \"}\"]", "the default is no part of a JSON string"},
        {"[${#value}1${/value}]", "in JSON there are no sections but events"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++)
        refuses(TEMPLATE_JSON, cases[i][0], cases[i][1]);
}

static void form_refuses_what_no_form_has(void **state)
{
    static const char *const cases[][2] = {
        {"a=b c", "column 4: a character that no form has"},
        {"a=b\n&c=d", "line 1, column 4: a character that no form has"},
        {"a=\xc3\xbc", "column 3: a character that no form has"},
        {"a=\"b\"", "a character that no form has"},
        {"a=b#c", "a character that no form has"},
        {"a=b;c=d", "a character that no form has"},
        {"a=$$", "a character that no form has"},
        {"a=%", "a '%' without two hexadecimal digits"},
        {"a=%4", "a '%' without two hexadecimal digits"},
        {"a=%4${level}", "column 3: a '%' without two hexadecimal digits"},
        {"a=%${level}", "a '%' without two hexadecimal digits"},
        {"a=${level|x y}", "a character that no form has"},
        {"a=${level|%4}1", "a '%' without two hexadecimal digits"},
        {"${#events|; }a=${level}${/events}", "a character that no form has"},
        {"a=${lvel}", "column 5: unknown name 'lvel'; did you mean 'level'?"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++)
        refuses(TEMPLATE_FORM, cases[i][0], cases[i][1]);
}

static void position_is_told(void **state)
{
    struct template_position w;

    (void)state;
    assert_int_equal(template_compile(NULL, TEMPLATE_TEXT, "a\n\xc3\xbc${b}", &w, NULL),
                     ERR_INVALID);
    assert_int_equal(w.line, 2);
    assert_int_equal(w.column, 4);
}

/* ---- limits ---- */

static char *repeated(const char *s, size_t n)
{
    size_t len = strlen(s);
    char *text = malloc(n * len + 1);

    assert_non_null(text);
    for (size_t i = 0; i < n; i++)
        memcpy(text + i * len, s, len);
    text[n * len] = '\0';
    return text;
}

static void what_is_too_long_is_refused(void **state)
{
    char *fits = repeated("x", TEMPLATE_MAX), *longer = repeated("x", TEMPLATE_MAX + 1);
    char *many = repeated("${at}", TEMPLATE_VALUES_MAX);
    char *more = repeated("$$", TEMPLATE_VALUES_MAX + 1);

    (void)state;
    assert_string_equal(made(TEMPLATE_TEXT, fits, &some, 1), fits);
    refuses(TEMPLATE_TEXT, longer, "at most 16384 octets");
    assert_string_equal(made(TEMPLATE_TEXT, many, &some, 1), "");
    refuses(TEMPLATE_TEXT, more, "column 257: more than 128 values and sections");
    free(fits);
    free(longer);
    free(many);
    free(more);
}

static void worst_value(const void *arg, int event, enum template_name name,
                        char ret[TEMPLATE_VALUE_MAX + 1])
{
    (void)arg;
    (void)event;
    (void)name;
    memset(ret, '\x01', TEMPLATE_VALUE_MAX);
    ret[TEMPLATE_VALUE_MAX] = '\0';
}

static jv *worst_json(const char *text, int nevents)
{
    const struct template_source s = {worst_value, NULL, nevents};
    struct template *t = NULL;
    struct buf b;
    jv *v;

    assert_int_equal(template_compile(&t, TEMPLATE_JSON, text, NULL, NULL), 0);
    buf_init(&b, TEMPLATE_OUTPUT_MAX);
    assert_int_equal(template_write(t, &s, &b), 0);
    v = jv_parse(b.data, b.len, NULL);
    assert_non_null(v);
    buf_release(&b);
    template_free(t);
    return v;
}

static void no_message_is_too_long_to_be_whole(void **state)
{
    char *values = repeated("${message}", TEMPLATE_VALUES_MAX - 2), *text;
    jv *v;

    (void)state;
    assert_true(asprintf(&text, "[\"%s\", [${#events|,}1${/events}]]", values) > 0);
    v = worst_json(text, 200); /* small events find room beside */
    assert_int_equal(jv_len(jv_at(v, 1)), 200);
    jv_free(v);
    free(text);
    assert_true(asprintf(&text, "[${#events|,}\"%s\"${/events}, 1]", values) > 0);
    v = worst_json(text, 200); /* of such events two */
    assert_int_equal(jv_len(v), 3);
    jv_free(v);
    free(text);
    v = worst_json("[${#events|,}{\"a\": ${message}, \"b\": ${instance}}${/events}]", 200);
    assert_in_range(jv_len(v), 150, 199);
    jv_free(v);
    free(values);
}

static void a_line_is_cut_between_characters(void **state)
{
    char *wide = repeated("\xe2\x82\xac", TEMPLATE_VALUE_MAX / 3);
    const struct world w = {.itself = {[TEMPLATE_MESSAGE] = wide}};
    const char *line = made(TEMPLATE_LINE, "${message}${message}${message}${message}", &w, 1);

    (void)state;
    assert_int_equal(strlen(line), TEMPLATE_LINE_MAX / 3 * 3);
    assert_true(utf8_valid(line, strlen(line)));
    free(wide);
}

/* ---- anybody's values ---- */

static uint32_t next_random(uint32_t *state) /* xorshift32 */
{
    *state ^= *state << 13;
    *state ^= *state >> 17;
    *state ^= *state << 5;
    return *state;
}

static void random_value(const void *arg, int event, enum template_name name,
                         char ret[TEMPLATE_VALUE_MAX + 1])
{
    static const char *const parts[] = {
        "\"",      "\\",   "<", ">", "&", "'",    "\n",           "\r\n",
        "\\u0041", "]",    "}", ",", "$", "${",   "\x7f",         "\xff",
        "--",      "</p>", "=", " ", "a", "\xc3", "\xe2\x82\xac", "javascript:"};
    uint32_t *random = *(uint32_t *const *)arg;
    size_t n = 0;

    (void)event;
    (void)name;
    for (uint32_t i = next_random(random) % 12; i > 0; i--) {
        const char *part = parts[next_random(random) % COUNT(parts)];

        memcpy(ret + n, part, strlen(part));
        n += strlen(part);
    }
    ret[n] = '\0';
}

static void values_never_leave_their_place(void **state)
{
    static const struct {
        enum template_place place;
        const char *text;
    } templates[] = {
        {TEMPLATE_JSON, "{\"a\": \"${message}\", \"b\": ${value}, \"c\": ${sequence|-1}}"},
        {TEMPLATE_HTML, "<p title=\"${message}\">${value}</p>\n"},
        {TEMPLATE_LINE, "${message} ${value}"},
        {TEMPLATE_TEXT, "${message}\n${value}"},
        {TEMPLATE_FORM, "a=${message}&${value}=b"},
    };
    uint32_t random = 2463534242, *p = &random;
    const struct template_source s = {random_value, &p, 1};

    (void)state;
    for (size_t i = 0; i < COUNT(templates); i++) {
        struct template *t = NULL;
        struct buf b;

        assert_int_equal(template_compile(&t, templates[i].place, templates[i].text, NULL, NULL),
                         0);
        buf_init(&b, TEMPLATE_OUTPUT_MAX);
        for (int round = 0; round < 20000; round++) {
            const char *out;
            size_t marks = 0, lines = 0, fields = 0;
            jv *v = NULL;

            buf_clear(&b);
            assert_int_equal(template_write(t, &s, &b), 0);
            out = buf_cstr(&b);
            assert_true(utf8_valid(out, b.len));
            assert_int_equal(strlen(out), b.len);
            for (const char *c = out; *c; c++) {
                marks += *c == '<' || *c == '>' || *c == '"' || *c == '\'';
                lines += *c == '\n';
                fields += *c == '&' || *c == '=';
                assert_true(templates[i].place == TEMPLATE_JSON || *c == '\n' ||
                            ((unsigned char)*c >= ' ' && *c != 0x7f));
            }
            if (templates[i].place == TEMPLATE_HTML)
                assert_int_equal(marks, 6);
            else if (templates[i].place == TEMPLATE_JSON)
                assert_non_null(v = jv_parse(out, b.len, NULL));
            else
                assert_int_equal(lines, templates[i].place == TEMPLATE_TEXT);
            if (templates[i].place == TEMPLATE_FORM)
                assert_int_equal(fields, 3);
            if (v) {
                assert_int_equal(jv_len(v), 3);
                assert_int_equal(jv_kind(jv_get(v, "a")), JV_STRING);
                jv_free(v);
            }
        }
        buf_release(&b);
        template_free(t);
    }
}

static void names_are_told_apart(void **state)
{
    (void)state;
    for (size_t i = 0; i < TEMPLATE_NAMES; i++) {
        assert_non_null(template_names[i].name);
        assert_non_null(template_names[i].help);
        assert_string_not_equal(template_names[i].name, "events");
        for (size_t k = 0; k < i; k++)
            assert_string_not_equal(template_names[i].name, template_names[k].name);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_are_filled_in),
        cmocka_unit_test(events_are_told_one_by_one),
        cmocka_unit_test(html_is_escaped),
        cmocka_unit_test(links_lead_to_pages_only),
        cmocka_unit_test(json_is_escaped),
        cmocka_unit_test(form_is_escaped),
        cmocka_unit_test(refusals_say_where_and_what),
        cmocka_unit_test(html_refuses_places_that_escaping_does_not_hold),
        cmocka_unit_test(json_refuses_what_makes_no_document),
        cmocka_unit_test(form_refuses_what_no_form_has),
        cmocka_unit_test(position_is_told),
        cmocka_unit_test(what_is_too_long_is_refused),
        cmocka_unit_test(no_message_is_too_long_to_be_whole),
        cmocka_unit_test(a_line_is_cut_between_characters),
        cmocka_unit_test(values_never_leave_their_place),
        cmocka_unit_test(names_are_told_apart),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
