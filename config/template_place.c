/* The places of templates. Reading HTML is made simple by being strict: of the ways to write a tag
 * only those are taken on which no two readers disagree (HTML standard, section 13.2.5), so that a
 * value is known to be in text or within quotes, where escaping holds it. */
#include "config/template_impl.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/json.h"
#include "base/text.h"

enum { JSON_OUTSIDE, JSON_STRING, JSON_ESCAPE };
enum { HTML_TEXT, HTML_TAG, HTML_DOUBLE, HTML_SINGLE, HTML_DECLARATION, HTML_COMMENT, HTML_STYLE };
enum { ATTRIBUTE_PLAIN, ATTRIBUTE_LINK, ATTRIBUTE_LINK_BEGUN, ATTRIBUTE_CODE };

/* ---- JSON ---- */

static void json_step(struct template_scan *s, char c)
{
    if (s->state == JSON_ESCAPE)
        s->state = JSON_STRING;
    else if (c == '"')
        s->state = s->state == JSON_STRING ? JSON_OUTSIDE : JSON_STRING;
    else if (c == '\\' && s->state == JSON_STRING)
        s->state = JSON_ESCAPE;
}

/* ---- HTML ---- */

#define LETTERS    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define NAME_CHARS LETTERS "0123456789:_-"
#define BLANKS     " \t\n"

static const struct {
    const char *name;
    uint8_t is;
} attributes[] = {
    {"href", ATTRIBUTE_LINK},       {"src", ATTRIBUTE_LINK},    {"action", ATTRIBUTE_LINK},
    {"formaction", ATTRIBUTE_LINK}, {"data", ATTRIBUTE_LINK},   {"background", ATTRIBUTE_LINK},
    {"poster", ATTRIBUTE_LINK},     {"cite", ATTRIBUTE_LINK},   {"ping", ATTRIBUTE_LINK},
    {"style", ATTRIBUTE_CODE},      {"srcdoc", ATTRIBUTE_CODE}, {"srcset", ATTRIBUTE_CODE},
};

/* In these, other rules hold than those here. */
static const char *const foreign_elements[] = {"script", "svg", "math", "plaintext"};

static bool one_of(char c, const char *set)
{
    return c && strchr(set, c);
}

static bool starts(const char *text, const char *with)
{
    return strncasecmp(text, with, strlen(with)) == 0;
}

static const char *html_open(struct template_scan *s, const char *at)
{
    if (starts(at, "<!-->") || starts(at, "<!--->"))
        return "a comment that ends before it begins";
    for (size_t i = 0; i < sizeof foreign_elements / sizeof *foreign_elements; i++)
        if (starts(at + 1, foreign_elements[i]))
            return "an element that a template must not have: <script>, <svg>, <math> or "
                   "<plaintext>";
    s->style = starts(at, "<style");
    if (starts(at, "<!--"))
        s->state = HTML_COMMENT;
    else if (at[1] == '!' || at[1] == '?')
        s->state = HTML_DECLARATION;
    else if (one_of(at[1], LETTERS) || (at[1] == '/' && one_of(at[2], LETTERS)))
        s->state = HTML_TAG;
    else
        return "a '<' that begins no tag; write '&lt;' for one";
    return NULL;
}

static uint8_t attribute_is(const char *name, size_t n)
{
    if (n > 2 && starts(name, "on"))
        return ATTRIBUTE_CODE;
    for (size_t i = 0; i < sizeof attributes / sizeof *attributes; i++)
        if (n == strlen(attributes[i].name) && starts(name, attributes[i].name))
            return attributes[i].is;
    return ATTRIBUTE_PLAIN;
}

/* At '=': a name behind a blank, and a quote. Nothing else is taken for an attribute's value. */
static const char *html_attribute(struct template_scan *s, const char *text, size_t at)
{
    size_t begin = at;

    while (begin > 0 && one_of(text[begin - 1], NAME_CHARS))
        begin--;
    if (begin == at || begin == 0 || !one_of(text[begin - 1], BLANKS) ||
        (text[at + 1] != '"' && text[at + 1] != '\''))
        return "an attribute that is not written name=\"value\"";
    s->attribute = attribute_is(text + begin, at - begin);
    return NULL;
}

static const char *html_tag_step(struct template_scan *s, const char *text, size_t at)
{
    switch (text[at]) {
    case '=':
        return html_attribute(s, text, at);
    case '"':
    case '\'':
        if (text[at - 1] != '=')
            return "a quote in a tag that begins no attribute's value";
        s->state = text[at] == '"' ? HTML_DOUBLE : HTML_SINGLE;
        return NULL;
    case '<':
        return "a '<' within a tag";
    case '>':
        s->state = s->style ? HTML_STYLE : HTML_TEXT;
        s->style = false;
        return NULL;
    default:
        return NULL;
    }
}

static void html_quoted_step(struct template_scan *s, char c)
{
    if (c == (s->state == HTML_DOUBLE ? '"' : '\'')) {
        s->state = HTML_TAG;
        s->attribute = ATTRIBUTE_PLAIN;
    } else if (s->attribute == ATTRIBUTE_LINK && one_of(c, ":/?#")) {
        s->attribute = ATTRIBUTE_LINK_BEGUN; /* its scheme is the template's own */
    }
}

static const char *html_step(struct template_scan *s, const char *text, size_t at)
{
    const char *p = text + at;

    switch (s->state) {
    case HTML_TEXT:
        return *p == '<' ? html_open(s, p) : NULL;
    case HTML_TAG:
        return html_tag_step(s, text, at);
    case HTML_DOUBLE:
    case HTML_SINGLE:
        html_quoted_step(s, *p);
        return NULL;
    case HTML_COMMENT:
        if (starts(p, "--!>"))
            return "a comment that ends with '--!>'";
        if (*p == '>' && at >= 2 && p[-1] == '-' && p[-2] == '-')
            s->state = HTML_TEXT;
        return NULL;
    case HTML_STYLE:
        if (starts(p, "</style") && one_of(p[strlen("</style")], BLANKS "/>"))
            s->state = HTML_TAG;
        return NULL;
    default:
        if (*p == '>')
            s->state = HTML_TEXT;
        return NULL;
    }
}

/* ---- forms (URL standard, application/x-www-form-urlencoded) ---- */

#define DIGITS "0123456789"
#define HEX    DIGITS "abcdefABCDEF"
#define PLAIN  LETTERS DIGITS "*-._" /* what stands for itself */

static const char *form_step(const char *text, size_t at)
{
    const char *p = text + at;

    if (*p == '%' && !(one_of(p[1], HEX) && one_of(p[2], HEX)))
        return "a '%' without two hexadecimal digits behind it; write '%25' for one";
    return one_of(*p, PLAIN "%+&=") ? NULL
                                    : "a character that no form has: write it as '%' and two "
                                      "hexadecimal digits, a blank as '+'";
}

/* ---- reading ---- */

const char *template_scan(struct template_scan *s, const char *text, size_t from, size_t to,
                          size_t *ret_at)
{
    const char *wrong = NULL;

    for (size_t i = from; i < to && !wrong; i++) {
        if (s->place == TEMPLATE_JSON)
            json_step(s, text[i]);
        else if (s->place == TEMPLATE_HTML)
            wrong = html_step(s, text, i);
        else if (s->place == TEMPLATE_FORM)
            wrong = form_step(text, i);
        if (wrong)
            *ret_at = i;
    }
    return wrong;
}

static const char *html_spot(struct template_scan s, enum template_spot *ret)
{
    bool quoted = s.state == HTML_DOUBLE || s.state == HTML_SINGLE;

    if (quoted && s.attribute == ATTRIBUTE_CODE)
        return "no value may stand in an attribute that is a script, a style or a document";
    if (!quoted && s.state == HTML_TAG)
        return "within a tag, values and sections must stand in quotes";
    if (!quoted && s.state != HTML_TEXT)
        return "neither value nor section may stand in a style, a comment or a declaration";
    *ret = s.attribute == ATTRIBUTE_LINK ? SPOT_LINK : SPOT_HTML;
    return NULL;
}

const char *template_spot(struct template_scan s, enum template_spot *ret)
{
    *ret = s.place == TEMPLATE_FORM ? SPOT_FIELD : SPOT_LINE;
    if (s.place == TEMPLATE_HTML)
        return html_spot(s, ret);
    if (s.place == TEMPLATE_JSON && s.state == JSON_ESCAPE)
        return "neither value nor section may stand behind a '\\'";
    if (s.place == TEMPLATE_JSON)
        *ret = s.state == JSON_STRING ? SPOT_STRING : SPOT_WHOLE;
    return NULL;
}

static bool is_json(const char *text, size_t n, bool quoted)
{
    struct buf b;
    jv *v;

    buf_init(&b, TEMPLATE_MAX + 2);
    buf_printf(&b, quoted ? "\"%.*s\"" : "%.*s", (int)n, text);
    v = b.err ? NULL : jv_parse(b.data, b.len, NULL);
    buf_release(&b);
    jv_free(v);
    return v != NULL;
}

const char *template_default(struct template_scan s, enum template_spot spot, const char *text,
                             size_t from, size_t to)
{
    struct template_scan before = s;
    const char *wrong;
    size_t at;

    if (spot == SPOT_WHOLE && !is_json(text + from, to - from, false))
        return "the default is no JSON value";
    if (spot == SPOT_STRING && !is_json(text + from, to - from, true))
        return "the default is no part of a JSON string";
    wrong = template_scan(&s, text, from, to, &at);
    if (!wrong && !template_scan_equal(s, before))
        wrong = "the default does not end where it begins";
    return wrong;
}

/* ---- escaping ---- */

static void put(struct buf *b, const char *s)
{
    buf_bytes(b, s, strlen(s));
}

static void escape_html(struct buf *b, const char *value)
{
    static const struct {
        char c;
        const char *entity;
    } special[] = {{'&', "&amp;"}, {'<', "&lt;"},   {'>', "&gt;"},
                   {'"', "&#34;"}, {'\'', "&#39;"}, {'`', "&#96;"}};

    for (; *value; value++) {
        size_t i = 0;

        while (i < sizeof special / sizeof *special && special[i].c != *value)
            i++;
        if (i < sizeof special / sizeof *special)
            put(b, special[i].entity);
        else
            buf_u8(b, (uint8_t)*value);
    }
}

/* A link that leads anywhere but to a page or a mailbox leads nowhere. */
static void escape_link(struct buf *b, const char *value)
{
    static const char *const schemes[] = {"http:", "https:", "mailto:"};
    bool allowed = value[strcspn(value, ":/?#")] != ':';

    for (size_t i = 0; i < sizeof schemes / sizeof *schemes; i++)
        allowed |= starts(value, schemes[i]);
    escape_html(b, allowed ? value : "#");
}

/* RFC 8259 section 7. */
static void escape_json(struct buf *b, const char *value)
{
    for (; *value; value++) {
        unsigned char c = (unsigned char)*value;

        if (c < 0x20)
            buf_printf(b, "\\u%04x", c);
        else if (c == '"' || c == '\\')
            buf_printf(b, "\\%c", c);
        else
            buf_u8(b, c);
    }
}

/* An integer as JSON has it. */
static bool is_number(const char *s)
{
    s += *s == '-';
    return strspn(s, "0123456789") == strlen(s) && *s && (*s != '0' || !s[1]);
}

static void escape_whole(struct buf *b, bool number, const char *value)
{
    if (!*value || (number && !is_number(value))) {
        put(b, "null");
    } else if (number) {
        put(b, value);
    } else {
        put(b, "\"");
        escape_json(b, value);
        put(b, "\"");
    }
}

static void escape_field(struct buf *b, const char *value)
{
    for (; *value; value++) {
        if (one_of(*value, PLAIN))
            buf_u8(b, (uint8_t)*value);
        else if (*value == ' ')
            buf_u8(b, '+');
        else
            buf_printf(b, "%%%02X", (unsigned char)*value);
    }
}

void template_escape(struct buf *b, enum template_spot spot, bool number, const char *value)
{
    size_t n = strlen(value);
    char line[TEMPLATE_VALUE_MAX + 1];

    if (spot != SPOT_STRING && spot != SPOT_WHOLE && spot != SPOT_FIELD) {
        utf8_clean(line, sizeof line, value, n, spot != SPOT_LINE);
        value = line;
    }
    switch (spot) {
    case SPOT_LINE:
        put(b, value);
        break;
    case SPOT_HTML:
        escape_html(b, value);
        break;
    case SPOT_LINK:
        escape_link(b, value);
        break;
    case SPOT_STRING:
        escape_json(b, value);
        break;
    case SPOT_WHOLE:
        escape_whole(b, number, value);
        break;
    case SPOT_FIELD:
        escape_field(b, value);
        break;
    }
}
