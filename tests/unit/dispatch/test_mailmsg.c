/* Messages: addresses, headers and bodies, checked by decoding them again. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/text.h"
#include "dispatch/mailmsg.h"

static void addresses(void **state)
{
    static const char *const good[] = {
        "bob@example.net",
        "b@x",
        "first.last+tag@mail.example.net",
        "x!#$%&'*+-/=?^_`{|}~@a-b.c",
        "bob@xn--bcher-kva.example",
        "1@2.3",
    };
    static const char *const bad[] = {
        "",
        "bob",
        "@example.net",
        "bob@",
        "bob@@example.net",
        "a@b@c",
        ".bob@x.net",
        "bob.@x.net",
        "bo..b@x.net",
        "bob@.x.net",
        "bob@x.net.",
        "bob@x..net",
        "bob@-x.net",
        "bob@x-.net",
        "bob@x.-y",
        "bob@x-.y",
        "b b@x.net",
        "bob@x net",
        "bob@x.net ",
        " bob@x.net",
        "<bob@x.net>",
        "bob@x.net>",
        "bob@x.net\r\nRCPT TO:<eve@x.net>",
        "bob\n@x.net",
        "bob@x.net\n",
        "\"b\"@x.net",
        "bob(c)@x.net",
        "bob,eve@x.net",
        "bob@[192.0.2.1]",
        "b\xc3\xb6"
        "b@x.net",
        "bob@b\xc3\xbc.net",
        "bob@x_y.net",
        "bob@x.net\t",
        "bob;@x.net",
        "bob:@x.net",
        "b\x7f@x.net",
    };
    char longest[300];

    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        if (!mail_address_valid(good[i]))
            fail_msg("refused: %s", good[i]);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        if (mail_address_valid(bad[i]))
            fail_msg("accepted: %s", bad[i]);
    snprintf(longest, sizeof longest, "%064d@x.net", 1);
    assert_true(mail_address_valid(longest));
    snprintf(longest, sizeof longest, "%065d@x.net", 1);
    assert_false(mail_address_valid(longest));
    snprintf(longest, sizeof longest, "a@%063d.net", 1);
    assert_true(mail_address_valid(longest));
    snprintf(longest, sizeof longest, "a@%064d.net", 1);
    assert_false(mail_address_valid(longest));
}

/* ---- decoding, by other means than the code under test ---- */

static int base64_digit(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

/* Decodes one encoded-word at *P, which must be whole UTF-8 by itself (RFC 2047 section 5). */
static void decode_word(const char **p, struct buf *out)
{
    const char *s = *p + strlen("=?UTF-8?B?"), *end = strstr(s, "?=");
    uint32_t bits = 0;
    int nbits = 0;
    size_t from = out->len;

    assert_non_null(end);
    assert_true(end + 2 - *p <= 75);
    for (; s < end && *s != '='; s++) {
        assert_true(base64_digit(*s) >= 0);
        bits = bits << 6 | (uint32_t)base64_digit(*s);
        nbits += 6;
        if (nbits >= 8) {
            nbits -= 8;
            buf_u8(out, (uint8_t)(bits >> nbits));
        }
    }
    assert_true(utf8_valid(out->data + from, out->len - from));
    *p = end + 2;
}

/* The value of a header "X: ..." as a reader sees it. */
static void decode_header(const char *s, struct buf *out)
{
    bool after_word = false;

    assert_memory_equal(s, "X: ", 3);
    for (s += 3; strcmp(s, "\r\n") != 0;) {
        if (strncmp(s, "\r\n ", 3) == 0) {
            s += 2;
            if (after_word && strncmp(s, " =?", 3) == 0)
                s++; /* white space between encoded-words is not text */
        } else if (strncmp(s, "=?UTF-8?B?", 10) == 0) {
            decode_word(&s, out);
            after_word = true;
        } else {
            assert_true(*s >= 0x20 && *s < 0x7f);
            buf_u8(out, (uint8_t)*s++);
            after_word = false;
        }
    }
}

static void check_lines(const struct buf *b, size_t max)
{
    size_t column = 0;

    for (size_t i = 0; i < b->len; i++) {
        assert_true(b->data[i] < 0x80);
        if (b->data[i] == '\n') {
            assert_true(i > 0 && b->data[i - 1] == '\r');
            assert_true(column - 1 <= max);
            column = 0;
        } else {
            assert_true(b->data[i] != '\r' || b->data[i + 1] == '\n');
            column++;
        }
    }
    assert_int_equal(column, 0);
}

static void check_header(const char *value)
{
    char clean[5000];
    struct buf b, out;
    size_t n = utf8_clean(clean, 4096, value, strlen(value), false), lead;

    while (n > 0 && clean[n - 1] == ' ')
        clean[--n] = '\0';
    lead = 0;
    buf_init(&b, 1 << 20);
    buf_init(&out, 1 << 20);
    mailmsg_header_write("X", value, &b);
    check_lines(&b, 998);
    decode_header(buf_cstr(&b), &out);
    /* a folded value may begin behind its line's end: one blank more */
    if (out.len > n && out.data[0] == ' ')
        lead = 1;
    if (out.len - lead != n || (n > 0 && memcmp(out.data + lead, clean, n) != 0))
        fail_msg("<%s> became <%s>", clean, buf_cstr(&out));
    buf_release(&b);
    buf_release(&out);
}

static void headers(void **state)
{
    char words[2000] = "", one[1500];

    (void)state;
    check_header("plain");
    check_header("");
    check_header("a\r\nBcc: eve@example.org");
    check_header("a\nb\rc\x01\x7f");
    check_header(" leading");
    check_header("trailing   ");
    check_header("=?utf-8?q?fake?=");
    check_header("\xc3\xa9");
    check_header("broken \xff\xc3 utf-8 \xed\xa0\x80");
    for (int i = 0; i < 180; i++)
        strcat(words, "\xf0\x9f\x94\xa5 word  ");
    check_header(words);
    memset(one, 'x', sizeof one - 1);
    one[sizeof one - 1] = '\0';
    check_header(one); /* nowhere to fold */
    memset(one, ' ', 1200);
    check_header(one);
}

/* What blanks are kept with the word behind them make no line that is too long. */
static void many_blanks(void **state)
{
    char value[1200];
    struct buf b;

    (void)state;
    for (size_t blanks = 1; blanks < sizeof value - 2; blanks += 97) {
        memset(value, ' ', sizeof value);
        value[0] = 'a';
        value[blanks + 1] = 'b';
        value[blanks + 2 < sizeof value ? blanks + 2 : sizeof value - 1] = '\0';
        buf_init(&b, 8192);
        mailmsg_header_write("Subject", value, &b);
        for (const char *line = buf_cstr(&b); *line; line = strstr(line, "\r\n") + 2)
            assert_true(strcspn(line, "\r") <= 998);
        buf_release(&b);
    }
}

static void headers_of_random_text(void **state)
{
    char text[400];

    (void)state;
    srandom(2);
    for (int round = 0; round < 20000; round++) {
        size_t n = (size_t)random() % (sizeof text - 1);
        int alphabet = (int)(random() % 3);

        for (size_t i = 0; i < n; i++) {
            static const char some[] = "ab =?\r\n\t\"\\<>";
            text[i] = alphabet == 0   ? (char)(' ' + random() % 95)
                      : alphabet == 1 ? some[random() % (long)(sizeof some - 1)]
                                      : (char)(1 + random() % 255);
        }
        text[n] = '\0';
        check_header(text);
    }
}

/* ---- bodies ---- */

static int hex(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

static void decode_quoted_printable(const char *s, struct buf *out)
{
    while (*s) {
        if (strncmp(s, "=\r\n", 3) == 0) {
            s += 3;
        } else if (*s == '=') {
            assert_true(hex(s[1]) >= 0 && hex(s[2]) >= 0);
            buf_u8(out, (uint8_t)(hex(s[1]) << 4 | hex(s[2])));
            s += 3;
        } else if (strncmp(s, "\r\n", 2) == 0) {
            assert_true(out->len == 0 || s[-1] != ' ' || s[-2] == '=');
            buf_u8(out, '\n');
            s += 2;
        } else {
            buf_u8(out, (uint8_t)*s++);
        }
    }
}

static void check_quoted_printable(const char *text)
{
    struct buf b, out;
    size_t n = strlen(text);

    buf_init(&b, 1 << 20);
    buf_init(&out, 1 << 20);
    mailmsg_quoted_printable(text, &b);
    check_lines(&b, 76);
    decode_quoted_printable(buf_cstr(&b), &out);
    assert_true(out.len == n || (out.len == n + 1 && out.data[n] == '\n'));
    assert_memory_equal(out.data, text, n);
    buf_release(&b);
    buf_release(&out);
}

static void quoted_printable(void **state)
{
    char text[600];

    (void)state;
    check_quoted_printable("x\n");
    check_quoted_printable("blank at the end \nand a tab\t\n");
    check_quoted_printable("=\n==\n.\n..\n");
    srandom(3);
    for (int round = 0; round < 20000; round++) {
        size_t n = (size_t)random() % (sizeof text - 1);

        for (size_t i = 0; i < n; i++)
            text[i] = random() % 20 == 0 ? '\n' : (char)(1 + random() % 255);
        if (random() % 2)
            memset(text, random() % 2 ? ' ' : 'x', n);
        text[n] = '\0';
        check_quoted_printable(text);
    }
}

static void a_message(void **state)
{
    static char to[] = "bob@example.net";
    char *list[] = {to};
    const struct mailmsg_header more = {"X-SNMPAlert-Level", "CRITICAL"};
    struct mailmsg m = {.from_address = "alerts@example.net",
                        .from_name = "say \"hi\"",
                        .to = list,
                        .nto = 1,
                        .subject = "[OK] x",
                        .message_id = "1@example.net",
                        .date_ms = 951782400000, /* a leap day */
                        .headers = &more,
                        .nheaders = 1,
                        .text = "one\ntwo\n"};
    struct buf b;
    struct err e;

    (void)state;
    buf_init(&b, MAILMSG_MAX);
    assert_int_equal(mailmsg_write(&m, &b, &e), 0);
    assert_string_equal(buf_cstr(&b), "Date: Tue, 29 Feb 2000 00:00:00 +0000\r\n"
                                      "From: \"say \\\"hi\\\"\" <alerts@example.net>\r\n"
                                      "To: bob@example.net\r\n"
                                      "Subject: [OK] x\r\n"
                                      "Message-ID: <1@example.net>\r\n"
                                      "Auto-Submitted: auto-generated\r\n"
                                      "X-SNMPAlert-Level: CRITICAL\r\n"
                                      "MIME-Version: 1.0\r\n"
                                      "Content-Type: text/plain; charset=us-ascii\r\n"
                                      "Content-Transfer-Encoding: 7bit\r\n\r\n"
                                      "one\r\ntwo\r\n");
    buf_clear(&b);
    m.message_id = "1>\r\nX: y";
    assert_int_equal(mailmsg_write(&m, &b, &e), ERR_INVALID);
    m.message_id = "1@example.net";
    m.from_address = "x\r\n@y";
    assert_int_equal(mailmsg_write(&m, &b, &e), ERR_INVALID);
    m.from_address = "alerts@example.net";
    m.nto = 0;
    assert_int_equal(mailmsg_write(&m, &b, &e), ERR_INVALID);
    assert_int_equal(b.len, 0);
    buf_release(&b);
    m.nto = 1;
    buf_init(&b, 100);
    assert_int_equal(mailmsg_write(&m, &b, &e), ERR_FULL);
    buf_release(&b);
}

/* RFC 2046 section 5.1: the parts in order, none of them with a boundary of its own. */
static void a_message_with_html(void **state)
{
    static char to[] = "bob@example.net";
    char *list[] = {to};
    struct mailmsg m = {.from_address = "alerts@example.net",
                        .from_name = "",
                        .to = list,
                        .nto = 1,
                        .subject = "x",
                        .message_id = "1@example.net",
                        .thread_id = "0@example.net",
                        .text = "one\n--=_alternative--\n",
                        .html = "<p>\xe2\x82\xac</p>"};
    struct buf b;
    struct err e;

    (void)state;
    buf_init(&b, MAILMSG_MAX);
    assert_int_equal(mailmsg_write(&m, &b, &e), 0);
    assert_string_equal(strstr(buf_cstr(&b), "Message-ID"),
                        "Message-ID: <1@example.net>\r\n"
                        "Auto-Submitted: auto-generated\r\n"
                        "In-Reply-To: <0@example.net>\r\n"
                        "References: <0@example.net>\r\n"
                        "MIME-Version: 1.0\r\n"
                        "Content-Type: multipart/alternative; boundary=\"=_alternative\"\r\n\r\n"
                        "--=_alternative\r\n"
                        "Content-Type: text/plain; charset=utf-8\r\n"
                        "Content-Transfer-Encoding: quoted-printable\r\n\r\n"
                        "one\r\n"
                        "--=3D_alternative--\r\n"
                        "--=_alternative\r\n"
                        "Content-Type: text/html; charset=utf-8\r\n"
                        "Content-Transfer-Encoding: quoted-printable\r\n\r\n"
                        "<p>=E2=82=AC</p>\r\n"
                        "--=_alternative--\r\n");
    buf_clear(&b);
    m.thread_id = "0@example.net>\r\nBcc: eve@example.net";
    assert_int_equal(mailmsg_write(&m, &b, &e), ERR_INVALID);
    assert_int_equal(b.len, 0);
    buf_release(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(addresses),           cmocka_unit_test(headers),
        cmocka_unit_test(many_blanks),         cmocka_unit_test(headers_of_random_text),
        cmocka_unit_test(quoted_printable),    cmocka_unit_test(a_message),
        cmocka_unit_test(a_message_with_html),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
