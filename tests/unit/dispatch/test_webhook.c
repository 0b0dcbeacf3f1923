/* What a configuration may say of webhooks, and what URLs and headers are. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "config/config.h"
#include "dispatch/kinds.h"
#include "http/retry.h"
#include "http/url.h"

static const struct {
    const char *xml;
    const char *words; /* NULL: it is taken */
} cases[] = {
    {"url='http://h.example.net/x'/>", NULL},
    {"url='https://[2001:db8::1]:8443/x?y' method='PUT'/>", NULL},
    {"urlFile='/s'/>", NULL},
    {"url='http://h/' username='u'/>", NULL},
    {"url='http://h/' username='u' passwordFile='/s'/>", NULL},
    {"url='http://h/' certFile='/c' keyFile='/k' caFile='/a'/>", NULL},
    {"url='http://h/' proxy='http://p.example.net:3128'/>", NULL},
    {"url='http://h/' maxInFlight='256' followRedirects='5'/>", NULL},
    {"url='http://h/'><header name='X-A' value='1'/><header name='X-B' valueFile='/s'/></webhook>",
     NULL},
    {"url='http://h/' body='{&quot;text&quot;: &quot;${message}&quot;, &quot;n&quot;: "
     "${sequence}}'/>",
     NULL},
    {"url='http://h/'>\n<body><![CDATA[\n[${#events|,}{\"text\": ${message}}${/events}]\n]]></body>"
     "</webhook>",
     NULL},
    {"url='http://h/' body='{}' contentType='application/cloudevents+json; charset=UTF-8'/>", NULL},
    {"url='http://h/' contentType='application/vnd.example+json'/>", NULL},
    {"url='http://h/' text='${message}'/>", NULL},
    {"url='http://h/' text='${message}' contentType='Text/Plain; charset=&quot;utf-8&quot;'/>",
     NULL},
    {"url='http://h/' text='x' contentType='text/plain;CHARSET=UTF-8; format=flowed'/>", NULL},
    {"url='http://h/' text='x' contentType='text/plain; charset=utf-7'/>",
     "contentType: expected text/plain, in UTF-8"},
    {"url='http://h/' body='{}' contentType='application/json; charset=utf-8; charset=utf-16'/>",
     "in UTF-8"},
    {"url='http://h/' body='{}' contentType='application/json; charset=&quot;utf-80&quot;'/>",
     "in UTF-8"},
    {"url='http://h/' text='${message}' body=''/>", NULL},
    {"url='http://h/' form='to=bob&amp;text=${message}'/>", NULL},
    {"url='http://h/' contentType='application/x-www-form-urlencoded'><form>\n m=${message}\n"
     "</form></webhook>",
     NULL},
    {"url='http://h/' form='to=bob, alice'/>", "column 7: a character that no form has"},
    {"url='http://h/' form='m=1' text='m'/>", "either a text or a form, not both"},
    {"url='http://h/' form='m=1' contentType='text/plain'/>",
     "contentType: expected application/x-www-form-urlencoded"},
    {"url='http://h/' contentType='application/x-www-form-urlencoded'/>",
     "contentType: expected application/json"},
    {"url='http://h/' body='{&quot;text&quot;: ${mesage}}'/>",
     "t.xml:1: 'body' of <webhook> is '{\"text\": ${mesage}}'; column 12: unknown name 'mesage'; "
     "did "
     "you mean 'message'?"},
    {"url='http://h/'>\n<body>\n{\"text\":\n ${lvel}}</body></webhook>",
     "t.xml:4: 'body' of <webhook>: line 2, column 4: unknown name 'lvel'; did you mean 'level'?"},
    {"url='http://h/' body='{&quot;text&quot;: ${message},}'/>", "it makes no JSON document"},
    {"url='http://h/'>\n<body>{\"a\": 1</body></webhook>",
     "t.xml:2: 'body' of <webhook>: column 1: it makes no JSON document"},
    {"url='http://h/' body='[${#events}${message}${/events}]'/>", "it makes no JSON document"},
    {"url='http://h/' body='plain ${message}'/>", "it makes no JSON document"},
    {"url='http://h/'><body><x/></body></webhook>", "<x>"},
    {"url='http://h/' body='{}'><body>{}</body></webhook>", "is given twice"},
    {"url='http://h/' body='{}' text='x'/>", "either a body or a text, not both"},
    {"url='http://h/' contentType='text/plain'/>", "contentType: expected application/json"},
    {"url='http://h/' body='{}' contentType='text/html'/>",
     "contentType: expected application/json"},
    {"url='http://h/' text='x' contentType='application/json'/>",
     "contentType: expected text/plain"},
    {"url='http://h/' text='x' contentType='text/html'/>", "contentType: expected text/plain"},
    {"url='http://h/' contentType='application/json;'/>", "contentType: expected"},
    {"url='http://h/' contentType='application/json&#13;&#10;X-A: 1'/>", "control"},
    {"url='http://h/'><header name='content-type' value='text/html'/></webhook>",
     "the property contentType says"},
    {"method='POST'/>", "either a url or a urlFile"},
    {"url='http://h/' urlFile='/s'/>", "either a url or a urlFile"},
    {"url='ftp://h/xyz'/>", "begins with http:// or https://"},
    {"url='file:///etc/passwd'/>", "begins with http:// or https://"},
    {"url='http://:80/x'/>", "not a URL"},
    {"url='http://u:p@h/'/>", "is shown to everybody"},
    {"url='http://u@h/x'/>", "is shown to everybody"},
    {"url='h.example.net/'/>", "not a URL"},
    {"url='http://h/a b'/>", "not a URL"},
    {"url='http://h:99999/'/>", "not a URL"},
    {"url='http://h/' method='GET'/>", "one of POST, PUT"},
    {"url='http://h/' passwordFile='/s'/>", "needs a username"},
    {"url='http://h/' keyFile='/s'/>", "needs a certFile"},
    {"url='http://h/' passwordFile='s' username='u'/>", "absolute path"},
    {"url='http://h/' proxy='https://p:1'/>", "proxy: expected"},
    {"url='http://h/' proxy='socks5://p:1'/>", "proxy: expected"},
    {"url='http://h/' proxy='http://u:p@p:1'/>", "proxy: expected"},
    {"url='http://h/' proxy='http://p:1/x'/>", "proxy: expected"},
    {"url='http://h/' maxInFlight='0'/>", "a number from 1 to 256"},
    {"url='http://h/' maxInFlight='257'/>", "a number from 1 to 256"},
    {"url='http://h/' followRedirects='6'/>", "a number from 0 to 5"},
    {"url='http://h/' timeout='99ms'/>", "a duration from"},
    {"url='http://h/'><header name='X-A'/></webhook>", "either a value or a valueFile"},
    {"url='http://h/'><header name='X-A' value='1' valueFile='/s'/></webhook>", "either a value"},
    {"url='http://h/'><header name='X:A' value='1'/></webhook>", "letters, digits and hyphens"},
    {"url='http://h/'><header name='X A' value='1'/></webhook>", "letters, digits and hyphens"},
    {"url='http://h/'><header name='X-A' value='  '/></webhook>", "not blank"},
    {"url='http://h/'><header name='X-A' value='1&#13;&#10;X-B: 2'/></webhook>", "control"},
    {"url='http://h/'><header name='Host' value='x'/></webhook>", "not one that can be given"},
    {"url='http://h/'><header name='content-length' value='1'/></webhook>", "not one that can"},
    {"url='http://h/'><header name='Transfer-Encoding' value='chunked'/></webhook>",
     "not one that"},
    {"url='http://h/'><header name='Idempotency-Key' value='1'/></webhook>", "not one that can"},
    {"url='http://h/'><header name='authorization' value='Bearer x'/></webhook>", "is a secret"},
    {"url='http://h/'><header name='Cookie' value='x'/></webhook>", "is a secret"},
    {"url='http://h/'><header name='X-A' value='1'/><header name='X-A' value='2'/></webhook>",
     "is already on line"},
    {"url='http://h/'><footer name='X-A' value='1'/></webhook>", "unknown element <footer>"},
};

static void configurations(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct config *c = NULL;
        struct err e = {.text = ""};
        struct buf b;
        int err;

        buf_init(&b, 4096);
        buf_printf(&b,
                   "<snmpalertd xmlns='urn:snmpalertd:config'><store path='/s'/><handlers>"
                   "<webhook name='w' %s</handlers></snmpalertd>",
                   cases[i].xml);
        err = config_parse(&c, "t.xml", b.data, b.len, &dispatch_kinds, &e);
        if (!err == !!cases[i].words || (err && !strstr(e.text, cases[i].words)))
            fail_msg("%s: %s", cases[i].xml, err ? e.text : "taken");
        if (err && strstr(cases[i].xml, "u:p@"))
            assert_null(strstr(e.text, "u:p"));
        config_free(c);
        buf_release(&b);
    }
}

static const struct {
    const char *url, *origin, *host, *text;
    uint16_t port;
} places[] = {
    {"http://Example.NET/x", "http://example.net:80", "example.net", "example.net:80", 80},
    {"HTTPS://example.net", "https://example.net:443", "example.net", "example.net:443", 443},
    {"https://example.net:80/", "https://example.net:80", "example.net", "example.net:80", 80},
    {"http://192.0.2.1:8080?a@b", "http://192.0.2.1:8080", "192.0.2.1", "192.0.2.1:8080", 8080},
    {"http://[2001:DB8::1]/", "http://[2001:db8::1]:80", "2001:db8::1", "[2001:db8::1]:80", 80},
    {"http://example.net#@evil.example", "http://example.net:80", "example.net", "example.net:80",
     80},
};

static void places_of_urls(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        char text[HTTP_PLACE_TEXT_MAX + 1];
        struct http_place p;
        struct err e;

        assert_int_equal(http_place(&p, places[i].url, &e), 0);
        assert_string_equal(p.origin, places[i].origin);
        assert_string_equal(p.host, places[i].host);
        assert_int_equal(p.port, places[i].port);
        assert_int_equal(p.tls, places[i].origin[4] == 's');
        http_place_text(&p, text);
        assert_string_equal(text, places[i].text);
    }
}

static const struct {
    const char *base, *reference, *url; /* NULL: none */
} joins[] = {
    {"http://a.example/b/c?d", "/x", "http://a.example/x"},
    {"http://a.example/b/c?d", "x?y", "http://a.example/b/x?y"},
    {"http://a.example/b/c", "../x", "http://a.example/x"},
    {"http://a.example:81/b", "//c.example/x", "http://c.example/x"},
    {"http://a.example/b", "https://c.example/x", "https://c.example/x"},
    {"http://a.example/b", "http://", NULL},
    {"http://a.example/b", "http://c.example/\n", NULL},
};

static void references(void **state)
{
    char url[64];
    struct err e;

    (void)state;
    for (size_t i = 0; i < sizeof joins / sizeof *joins; i++) {
        int err = http_join(url, sizeof url, joins[i].base, joins[i].reference, &e);

        assert_int_equal(err, joins[i].url ? 0 : ERR_INVALID);
        if (joins[i].url)
            assert_string_equal(url, joins[i].url);
    }
    assert_int_equal(http_join(url, 19, "http://a.example/b", "/x", &e), 0);
    assert_int_equal(http_join(url, 18, "http://a.example/b", "/x", &e), ERR_INVALID);
}

static void headers(void **state)
{
    (void)state;
    assert_true(http_header_name_valid("X-Api_Key.1"));
    assert_false(http_header_name_valid(""));
    assert_false(http_header_name_valid("X:"));
    assert_false(http_header_name_valid("gr\xc3\xbc"));
    assert_true(http_header_value_valid("a\tb \xc3\xbc"));
    assert_false(http_header_value_valid(""));
    assert_false(http_header_value_valid(" \t"));
    assert_false(http_header_value_valid("a\rb"));
    assert_false(http_header_value_valid("a\nb"));
    assert_false(http_header_value_valid("a\x7f"));
}

static void media_types(void **state)
{
    static const struct {
        const char *text;
        size_t n;
    } types[] = {
        {"text/plain", 10},
        {"application/vnd.a-b+json;charset=utf-8", 24},
        {"a/b ; c=d;e=\"f \\\" ; g\"; h=\"\"", 3},
        {"", 0},
        {"text", 0},
        {"/plain", 0},
        {"text/", 0},
        {"text /plain", 0},
        {"text/plain ", 0},
        {" text/plain", 0},
        {"text/plain;", 0},
        {"text/plain; charset", 0},
        {"text/plain; charset=", 0},
        {"text/plain; =utf-8", 0},
        {"text/plain; charset=utf-8;", 0},
        {"text/plain; a=\"", 0},
        {"text/plain; a=\"\\", 0},
        {"text/plain; a=\"b\"c", 0},
        {"text/plain; a=\"\r\n\"", 0},
        {"text/plain\r\nX-A: 1", 0},
        {"text/pl\xc3\xa4in", 0},
        {"text/plain, text/html", 0},
    };

    (void)state;
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (http_media_type(types[i].text) != types[i].n)
            fail_msg("%s: %zu", types[i].text, http_media_type(types[i].text));
}

/* From 2026-11-20T22:38:45Z on. */
static void pauses(void **state)
{
    static const struct {
        const char *value;
        int64_t ms;
    } asked[] = {
        {"120", 120000},
        {"0", 0},
        {"007", 7000},
        {"86399", 86399000},
        {"86401", HTTP_RETRY_AFTER_MAX_MS},
        {"99999999999999999999999999999999999999999", HTTP_RETRY_AFTER_MAX_MS},
        {"Fri, 20 Nov 2026 22:40:45 GMT", 120000},
        {"Friday, 20-Nov-26 22:40:45 GMT", 120000},
        {"Fri Nov 20 22:40:45 2026", 120000},
        {"Tue Dec  1 00:00:00 2026", HTTP_RETRY_AFTER_MAX_MS},
        {"Fri, 20 Nov 2026 22:38:45 GMT", 0},
        {"Sun, 06 Nov 1994 08:49:37 GMT", 0},
        {"Fri, 31 Dec 9999 23:59:59 GMT", HTTP_RETRY_AFTER_MAX_MS},
        {"", -1},
        {"-1", -1},
        {"+1", -1},
        {"1.5", -1},
        {"120 s", -1},
        {"0x10", -1},
        {"soon", -1},
        {"Fri, 20 Nov 2026 22:40:45", -1},
        {"Fri, 20 Nov 2026 22:40:45 GMT, 1", -1},
        {"Fri, 20 Nov 2026 22:40:45 CET", -1},
        {"Fri, 31 Feb 2026 22:40:45 GMT", -1},
        {"Fri, 20 Nov 2026 25:40:45 GMT", -1},
        {"2026-11-20T22:40:45Z", -1},
        {"\xff\xfe", -1},
    };

    (void)state;
    for (size_t i = 0; i < sizeof asked / sizeof *asked; i++) {
        int64_t ms = http_retry_after_ms(asked[i].value, 1795214325000);

        if (ms != asked[i].ms)
            fail_msg("%s: %lld", asked[i].value, (long long)ms);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(configurations), cmocka_unit_test(places_of_urls),
        cmocka_unit_test(references),     cmocka_unit_test(headers),
        cmocka_unit_test(media_types),    cmocka_unit_test(pauses),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
