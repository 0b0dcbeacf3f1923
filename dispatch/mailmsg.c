#include "dispatch/mailmsg.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/text.h"

enum {
    LINE_WANTED = 76,    /* RFC 2047 section 2 for encoded-words; RFC 2045 section 6.7 for bodies */
    LINE_HARD = 900,     /* a word of a header that is longer cannot be folded: it is encoded */
    WORD_OVERHEAD = 12,  /* "=?UTF-8?B?" and "?=" */
    WORD_MAX = 75,       /* RFC 2047 section 2 */
    VALUE_MAX = 4 << 10, /* octets of a header's value */
    LABEL_MAX = 63,      /* RFC 1035 section 2.3.4 */
    LOCAL_PART_MAX = 64, /* RFC 5321 section 4.5.3.1.1 */
    PLAIN_LINE_MAX = 200, /* a longer line of a body is made quoted-printable for old relays */
};

/* ---- addresses ---- */

#define ALNUM "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789" /* as in base64 */

/* Runs of ATOM characters with single dots between them; no run longer than MAX. */
static bool dotted(const char *s, size_t n, const char *atom, size_t max)
{
    size_t run = 0;

    for (size_t i = 0; i < n; i++) {
        if (s[i] == '\0')
            return false;
        if (s[i] == '.') {
            if (run == 0)
                return false;
            run = 0;
        } else if (!strchr(atom, s[i]) || ++run > max) {
            return false;
        }
    }
    return run > 0;
}

bool mail_domain_valid(const char *domain)
{
    size_t n = strlen(domain);

    if (n > MAIL_ADDRESS_MAX || !dotted(domain, n, ALNUM "-", LABEL_MAX))
        return false;
    return domain[0] != '-' && domain[n - 1] != '-' && !strstr(domain, ".-") &&
           !strstr(domain, "-.");
}

/* The form that addresses and message ids share (RFC 5322 section 3.6.4). */
static bool is_addr_spec(const char *s)
{
    const char *at = strchr(s, '@');
    size_t local = at ? (size_t)(at - s) : 0;

    return at && local <= LOCAL_PART_MAX &&
           dotted(s, local, ALNUM "!#$%&'*+-/=?^_`{|}~", LOCAL_PART_MAX) &&
           mail_domain_valid(at + 1);
}

bool mail_address_valid(const char *address)
{
    return strlen(address) <= MAIL_ADDRESS_MAX && is_addr_spec(address);
}

/* ---- headers ---- */

static void put(struct buf *b, const char *s)
{
    buf_bytes(b, s, strlen(s));
}

static void base64(const uint8_t *p, size_t n, struct buf *b)
{
    static const char order[] = ALNUM "+/";

    for (size_t i = 0; i < n; i += 3) {
        uint32_t v = (uint32_t)p[i] << 16;

        v |= i + 1 < n ? (uint32_t)p[i + 1] << 8 : 0;
        v |= i + 2 < n ? (uint32_t)p[i + 2] : 0;
        buf_u8(b, (uint8_t)order[v >> 18]);
        buf_u8(b, (uint8_t)order[v >> 12 & 63]);
        buf_u8(b, i + 1 < n ? (uint8_t)order[v >> 6 & 63] : '=');
        buf_u8(b, i + 2 < n ? (uint8_t)order[v & 63] : '=');
    }
}

/* Octets of text that fit an encoded-word of at most ROOM characters. */
static size_t word_capacity(size_t room)
{
    return room > WORD_OVERHEAD ? (room - WORD_OVERHEAD) / 4 * 3 : 0;
}

/* Encoded-words (RFC 2047), none of which cuts a character; COLUMN characters are on the line. */
static void encode_words(const char *s, size_t n, size_t column, struct buf *b)
{
    size_t capacity = word_capacity(column < LINE_WANTED ? LINE_WANTED - column : 0);

    while (n > 0) {
        size_t m = utf8_cut(s, n, capacity);

        if (m > 0) {
            put(b, "=?UTF-8?B?");
            base64((const uint8_t *)s, m, b);
            put(b, "?=");
            s += m;
            n -= m;
        }
        if (n > 0)
            put(b, "\r\n ");
        capacity = word_capacity(WORD_MAX);
    }
}

/* Lines end before a run of blanks, which then begins the next line. */
static void fold(const char *s, size_t column, struct buf *b)
{
    while (*s) {
        size_t blanks = strspn(s, " "), n = blanks + strcspn(s + blanks, " ");

        if (column + n > LINE_WANTED && blanks > 0) {
            put(b, "\r\n");
            column = 0;
        }
        buf_bytes(b, s, n);
        column += n;
        s += n;
    }
}

static bool is_ascii(const char *s)
{
    for (; *s; s++)
        if ((unsigned char)*s >= 0x80)
            return false;
    return true;
}

/* A word with the blanks before it, which is what fold() keeps on one line. */
static bool has_long_word(const char *s)
{
    while (*s) {
        size_t blanks = strspn(s, " "), n = blanks + strcspn(s + blanks, " ");

        if (n > LINE_HARD)
            return true;
        s += n;
    }
    return false;
}

static bool must_encode(const char *s)
{
    return !is_ascii(s) || strstr(s, "=?") || s[0] == ' ' || has_long_word(s);
}

/* Valid UTF-8 without control characters and without blanks at its end, as a header wants it. */
static size_t clean(char dst[VALUE_MAX], const char *s)
{
    size_t n = utf8_clean(dst, VALUE_MAX, s, strlen(s), false);

    while (n > 0 && dst[n - 1] == ' ')
        dst[--n] = '\0';
    return n;
}

void mailmsg_header_write(const char *name, const char *value, struct buf *b)
{
    char text[VALUE_MAX];
    size_t n = clean(text, value), column = strlen(name) + 2;

    put(b, name);
    put(b, ": ");
    if (must_encode(text))
        encode_words(text, n, column, b);
    else
        fold(text, column, b);
    put(b, "\r\n");
}

static void quoted_string(const char *s, struct buf *b)
{
    put(b, "\"");
    for (; *s; s++) {
        if (*s == '"' || *s == '\\')
            put(b, "\\");
        buf_u8(b, (uint8_t)*s);
    }
    put(b, "\"");
}

static void write_from(const struct mailmsg *m, struct buf *b)
{
    char name[VALUE_MAX];
    size_t n = clean(name, m->from_name), start = b->len;
    bool one_line;

    put(b, "From: ");
    if (n == 0) {
        buf_printf(b, "%s\r\n", m->from_address);
        return;
    }
    if (must_encode(name) || n > LINE_WANTED / 2)
        encode_words(name, n, strlen("From: "), b);
    else
        quoted_string(name, b);
    one_line = b->len - start + strlen(" <>") + strlen(m->from_address) <= LINE_WANTED;
    buf_printf(b, "%s <%s>\r\n", one_line ? "" : "\r\n", m->from_address);
}

static void write_to(const struct mailmsg *m, struct buf *b)
{
    put(b, "To: ");
    for (size_t i = 0; i < m->nto; i++)
        buf_printf(b, "%s%s", i ? ",\r\n " : "", m->to[i]);
    put(b, "\r\n");
}

/* RFC 5322 section 3.3, whatever the locale. */
static void write_date(int64_t ms, struct buf *b)
{
    static const char days[][4] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
    static const char months[][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                     "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    time_t t = (time_t)(ms / 1000);
    struct tm tm;

    if (!gmtime_r(&t, &tm))
        tm = (struct tm){.tm_mday = 1, .tm_year = 70, .tm_wday = 4};
    buf_printf(b, "Date: %s, %d %s %d %02d:%02d:%02d +0000\r\n", days[tm.tm_wday], tm.tm_mday,
               months[tm.tm_mon], tm.tm_year + 1900, tm.tm_hour, tm.tm_min, tm.tm_sec);
}

/* ---- body ---- */

static bool is_plain(const char *text)
{
    while (*text) {
        size_t n = strcspn(text, "\n");

        if (n > PLAIN_LINE_MAX)
            return false;
        for (size_t i = 0; i < n; i++)
            if ((unsigned char)text[i] < 0x20 || (unsigned char)text[i] > 0x7e)
                return false;
        text += n + (text[n] == '\n');
    }
    return true;
}

static void write_plain(const char *text, struct buf *b)
{
    while (*text) {
        size_t n = strcspn(text, "\n");

        buf_bytes(b, text, n);
        put(b, "\r\n");
        text += n + (text[n] == '\n');
    }
}

static bool is_literal(unsigned char c, bool last_of_line)
{
    if (c == ' ' || c == '\t')
        return !last_of_line;
    return c > 0x20 && c < 0x7f && c != '=';
}

void mailmsg_quoted_printable(const char *text, struct buf *b)
{
    size_t column = 0;

    for (; *text; text++) {
        unsigned char c = (unsigned char)*text;
        bool last = text[1] == '\n' || text[1] == '\0', literal = is_literal(c, last);
        size_t width = literal ? 1 : 3;

        if (c == '\n') {
            put(b, "\r\n");
            column = 0;
            continue;
        }
        if (column + width > LINE_WANTED - (last ? 0 : 1)) {
            put(b, "=\r\n");
            column = 0;
        }
        if (literal)
            buf_u8(b, c);
        else
            buf_printf(b, "=%02X", c);
        column += width;
    }
    if (column > 0)
        put(b, "\r\n");
}

static void write_text(const char *text, struct buf *b)
{
    bool plain = is_plain(text);

    buf_printf(b,
               "Content-Type: text/plain; charset=%s\r\n"
               "Content-Transfer-Encoding: %s\r\n\r\n",
               plain ? "us-ascii" : "utf-8", plain ? "7bit" : "quoted-printable");
    if (plain)
        write_plain(text, b);
    else
        mailmsg_quoted_printable(text, b);
}

/* Quoted-printable has no "=_" in it, so no part has a line that is a boundary. */
#define BOUNDARY "=_alternative"

static void write_part(const char *subtype, const char *text, struct buf *b)
{
    buf_printf(b,
               "--" BOUNDARY "\r\n"
               "Content-Type: text/%s; charset=utf-8\r\n"
               "Content-Transfer-Encoding: quoted-printable\r\n\r\n",
               subtype);
    mailmsg_quoted_printable(text, b);
}

static void write_body(const struct mailmsg *m, struct buf *b)
{
    put(b, "MIME-Version: 1.0\r\n");
    if (!m->html) {
        write_text(m->text, b);
        return;
    }
    put(b, "Content-Type: multipart/alternative; boundary=\"" BOUNDARY "\"\r\n\r\n");
    write_part("plain", m->text, b); /* the plainest first: RFC 2046 section 5.1.4 */
    write_part("html", m->html, b);
    put(b, "--" BOUNDARY "--\r\n");
}

/* ---- the whole ---- */

static int check(const struct mailmsg *m, struct err *e)
{
    if (!mail_address_valid(m->from_address))
        return err_set(e, ERR_INVALID, "the sender is no mail address");
    if (!is_addr_spec(m->message_id))
        return err_set(e, ERR_INVALID, "the Message-ID is none");
    if (m->thread_id && !is_addr_spec(m->thread_id))
        return err_set(e, ERR_INVALID, "the thread's Message-ID is none");
    if (m->nto == 0)
        return err_set(e, ERR_INVALID, "the message has no recipient");
    for (size_t i = 0; i < m->nto; i++)
        if (!mail_address_valid(m->to[i]))
            return err_set(e, ERR_INVALID, "a recipient is no mail address");
    return 0;
}

int mailmsg_write(const struct mailmsg *m, struct buf *b, struct err *e)
{
    int err = check(m, e);

    if (err)
        return err;
    write_date(m->date_ms, b);
    write_from(m, b);
    write_to(m, b);
    mailmsg_header_write("Subject", m->subject, b);
    buf_printf(b, "Message-ID: <%s>\r\nAuto-Submitted: auto-generated\r\n", m->message_id);
    if (m->thread_id)
        buf_printf(b, "In-Reply-To: <%s>\r\nReferences: <%s>\r\n", m->thread_id, m->thread_id);
    for (size_t i = 0; i < m->nheaders; i++)
        mailmsg_header_write(m->headers[i].name, m->headers[i].value, b);
    write_body(m, b);
    return b->err ? err_set(e, b->err, "the message: %s", err_name(b->err)) : 0;
}
