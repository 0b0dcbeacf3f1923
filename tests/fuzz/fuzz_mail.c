/* Mails made of anybody's texts keep the promises of dispatch/mailmsg.h: 7-bit, CR LF, no line
 * beyond 998 octets, as many headers as were asked for, and a body that holds no header; with HTML,
 * two parts and no more. */
#include <string.h>

#include "base/text.h"
#include "dispatch/mailmsg.h"
#include "tests/fuzz/fuzz.h"

static void check_lines(const uint8_t *p, size_t n)
{
    size_t length = 0;

    for (size_t i = 0; i < n; i++) {
        REQUIRE(p[i] < 128 && p[i] != 0);
        if (p[i] == '\r') {
            REQUIRE(i + 1 < n && p[i + 1] == '\n');
        } else if (p[i] == '\n') {
            REQUIRE(i && p[i - 1] == '\r');
            length = 0;
        } else {
            REQUIRE(++length <= 998);
        }
    }
    REQUIRE(n >= 2 && p[n - 1] == '\n');
}

/* Header fields before the first empty line; folded lines begin with a blank. */
static size_t count_headers(const char *p)
{
    size_t n = 0;

    while (strncmp(p, "\r\n", 2) != 0) {
        const char *end = strstr(p, "\r\n");

        REQUIRE(end);
        n += *p != ' ' && *p != '\t';
        p = end + 2;
    }
    return n;
}

static size_t count_boundaries(const char *p)
{
    size_t n = 0;

    for (; (p = strstr(p, "\r\n--=_alternative")); p++)
        n++;
    return n;
}

static size_t write_mail(const char *name, const char *subject, const char *value, const char *text,
                         const char *html)
{
    char *to[] = {(char *)"ops@example.net"};
    struct mailmsg_header header = {"X-Alert-Instance", value};
    struct mailmsg m = {
        .from_address = "alerts@example.net",
        .from_name = name,
        .to = to,
        .nto = 1,
        .subject = subject,
        .message_id = "0b3f2a52-7f1c-4b7e-9d55-3d2b2c9b7a10@example.net",
        .headers = &header,
        .nheaders = 1,
        .text = text,
        .html = html,
    };
    struct buf b;
    struct err e;
    size_t n = 0;

    buf_init(&b, MAILMSG_MAX);
    if (mailmsg_write(&m, &b, &e) == 0) {
        check_lines(b.data, b.len);
        n = count_headers(buf_cstr(&b));
        if (html)
            REQUIRE(count_boundaries(buf_cstr(&b)) == 3);
    }
    buf_release(&b);
    return n;
}

FUZZ_TARGET(mail)
{
    char name[256], subject[2048], value[1024], text[8192];
    size_t expected;

    next_text(&data, &size, name, sizeof name);
    next_text(&data, &size, subject, sizeof subject);
    next_text(&data, &size, value, sizeof value);
    next_text(&data, &size, text, sizeof text);
    (void)mail_address_valid(name);
    (void)mail_domain_valid(name);
    expected = write_mail("Alerts", "subject", "value", "text\n", NULL);
    REQUIRE(expected > 0);
    REQUIRE(write_mail(name[0] ? name : "n", subject, value, text, NULL) == expected);
    /* the parts say themselves how they are encoded */
    REQUIRE(write_mail("n", subject, value, text, value) == expected - 1);
    REQUIRE(write_mail("n", subject, value, value, text) == expected - 1);
    return 0;
}
