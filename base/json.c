#include "base/json.h"

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"

enum { DUMP_DEPTH_MAX = 1000 };

static const char replacement[] = "\xef\xbf\xbd"; /* U+FFFD */

/* What jansson cannot be told is looked for before: the depth, integers beyond 64 bits, and a 0
 * octet behind the document. */
struct scan {
    const char *text;
    size_t len, at;
    int depth;
    struct buf *copy; /* the text with ".0" behind each such integer */
    size_t copied;
    bool wide;
};

static void skip_string(struct scan *s)
{
    for (s->at++; s->at < s->len && s->text[s->at] != '"'; s->at++) {
        if (s->text[s->at] == '\\')
            s->at++;
    }
    if (s->at < s->len)
        s->at++;
}

static bool in_number(char c)
{
    return (c >= '0' && c <= '9') || c == '+' || c == '-' || c == '.' || c == 'e' || c == 'E';
}

/* Does an integer of these octets, which are no more than in_number() allows, not fit int64_t? */
static bool is_wide(const char *p, size_t n)
{
    static const char most[] = "9223372036854775807", least[] = "9223372036854775808";
    bool negative = n > 0 && *p == '-';

    if (negative) {
        p++;
        n--;
    }
    for (size_t i = 0; i < n; i++) {
        if (p[i] < '0' || p[i] > '9')
            return false;
    }
    if (n != sizeof most - 1)
        return n > sizeof most - 1;
    return memcmp(p, negative ? least : most, n) > 0;
}

static void skip_number(struct scan *s)
{
    size_t first = s->at;

    while (s->at < s->len && in_number(s->text[s->at]))
        s->at++;
    if (!is_wide(s->text + first, s->at - first))
        return;
    s->wide = true;
    buf_bytes(s->copy, s->text + s->copied, s->at - s->copied);
    buf_bytes(s->copy, ".0", 2);
    s->copied = s->at;
}

static int refuse(const struct scan *s, struct err *e, const char *why)
{
    size_t line = 1, column = 0;

    for (size_t i = 0; i <= s->at; i++, column++) {
        if (i < s->at && s->text[i] == '\n') {
            line++;
            column = (size_t)-1;
        }
    }
    return err_set(e, ERR_SYNTAX, "%zu:%zu: %s", line, column, why);
}

static int scan(struct scan *s, struct err *e)
{
    while (s->at < s->len) {
        char c = s->text[s->at];

        if (c == '"') {
            skip_string(s);
        } else if (in_number(c)) {
            skip_number(s);
        } else {
            if ((c == '[' || c == '{') && ++s->depth > JV_DEPTH_MAX)
                return refuse(s, e, "nested too deep");
            if (c == ']' || c == '}')
                s->depth--;
            if (c == '\0') /* which jansson takes for the end */
                return refuse(s, e, "a 0 octet");
            s->at++;
        }
    }
    if (s->wide)
        buf_bytes(s->copy, s->text + s->copied, s->len - s->copied);
    return s->copy->err ? err_set(e, s->copy->err, "out of memory") : 0;
}

jv *jv_parse(const void *text, size_t len, struct err *e)
{
    struct buf copy;
    struct scan s = {.text = text, .len = len, .copy = &copy};
    json_error_t error;
    jv *root = NULL;

    buf_init(&copy, SIZE_MAX - 1);
    if (scan(&s, e) != 0)
        goto out;
    if (s.wide) {
        text = copy.data;
        len = copy.len;
    }
    root = json_loadb(len > 0 ? text : "", len, JSON_DECODE_ANY | JSON_ALLOW_NUL, &error);
    if (!root && !error.text[0]) /* it has words for everything else, and no code for this */
        err_set(e, ERR_NOMEM, "out of memory");
    else if (!root)
        err_set(e, ERR_SYNTAX, "%d:%d: %s", error.line, error.column, error.text);
out:
    buf_release(&copy);
    return root;
}

void jv_free(jv *root)
{
    json_decref(root);
}

enum jv_kind jv_kind(const jv *v)
{
    static const enum jv_kind kinds[] = {
        [JSON_OBJECT] = JV_OBJECT, [JSON_ARRAY] = JV_ARRAY, [JSON_STRING] = JV_STRING,
        [JSON_INTEGER] = JV_INT,   [JSON_REAL] = JV_REAL,   [JSON_TRUE] = JV_BOOL,
        [JSON_FALSE] = JV_BOOL,    [JSON_NULL] = JV_NULL,
    };

    return v ? kinds[json_typeof(v)] : JV_NULL;
}

bool jv_bool(const jv *v)
{
    return json_is_true(v);
}

int64_t jv_int(const jv *v)
{
    return json_integer_value(v);
}

double jv_number(const jv *v)
{
    return json_number_value(v);
}

struct slice jv_string(const jv *v)
{
    return (struct slice){(const uint8_t *)json_string_value(v), json_string_length(v)};
}

size_t jv_len(const jv *v)
{
    return json_is_array(v) ? json_array_size(v) : json_object_size(v);
}

jv *jv_at(const jv *array, size_t i)
{
    return json_array_get(array, i);
}

jv *jv_get(const jv *object, const char *key)
{
    return json_object_get(object, key);
}

/* jansson's iterators take a non-const object, which they do not change. */
void *jv_iter(const jv *object)
{
    return json_object_iter((json_t *)(uintptr_t)object);
}

void *jv_iter_next(const jv *object, void *it)
{
    return json_object_iter_next((json_t *)(uintptr_t)object, it);
}

const char *jv_iter_key(void *it)
{
    return json_object_iter_key(it);
}

jv *jv_iter_value(void *it)
{
    return json_object_iter_value(it);
}

jv *jv_new_object(void)
{
    return json_object();
}

jv *jv_new_array(void)
{
    return json_array();
}

jv *jv_new_null(void)
{
    return json_null();
}

jv *jv_new_bool(bool b)
{
    return json_boolean(b);
}

jv *jv_new_int(int64_t i)
{
    return json_integer(i);
}

jv *jv_new_real(double d)
{
    return isfinite(d) ? json_real(d) : json_null();
}

static jv *repaired(const char *p, size_t n)
{
    struct buf b;
    jv *v = NULL;

    buf_init(&b, SIZE_MAX - 1);
    while (n > 0) {
        uint32_t cp;
        size_t len = utf8_decode(p, n, &cp);

        if (len > 0)
            buf_bytes(&b, p, len);
        else
            buf_bytes(&b, replacement, sizeof replacement - 1);
        len = len > 0 ? len : 1;
        p += len;
        n -= len;
    }
    if (!b.err)
        v = json_stringn_nocheck(buf_cstr(&b), b.len);
    buf_release(&b);
    return v;
}

jv *jv_new_string(const void *utf8, size_t len)
{
    if (utf8_valid(utf8, len))
        return json_stringn_nocheck(len > 0 ? utf8 : "", len);
    return repaired(utf8, len);
}

int jv_set(jv *object, const char *key, jv *v)
{
    if (!v)
        return ERR_NOMEM;
    if (!json_is_object(object) || !utf8_valid(key, strlen(key))) {
        json_decref(v);
        return ERR_INVALID;
    }
    return json_object_set_new_nocheck(object, key, v) == 0 ? 0 : ERR_NOMEM;
}

int jv_append(jv *array, jv *v)
{
    if (!v)
        return ERR_NOMEM;
    if (!json_is_array(array)) {
        json_decref(v);
        return ERR_INVALID;
    }
    return json_array_append_new(array, v) == 0 ? 0 : ERR_NOMEM;
}

/* Writing: jansson's own prints 0.1 as 0.10000000000000001. */

static void dump_string(const char *s, size_t n, struct buf *b)
{
    static const char from[] = "\"\\\b\f\n\r\t", to[] = "\"\\bfnrt";
    size_t plain = 0;

    buf_u8(b, '"');
    for (size_t i = 0; i < n; i++) {
        const char *f = s[i] ? strchr(from, s[i]) : NULL;

        if (!f && (unsigned char)s[i] >= 0x20)
            continue;
        buf_bytes(b, s + plain, i - plain);
        if (f)
            buf_printf(b, "\\%c", to[f - from]);
        else
            buf_printf(b, "\\u%04x", (unsigned)(unsigned char)s[i]);
        plain = i + 1;
    }
    buf_bytes(b, s + plain, n - plain);
    buf_u8(b, '"');
}

/* The shortest text that reads back as the same number, and as a real. */
static void dump_real(double d, struct buf *b)
{
    char text[40];

    for (int digits = 15; digits <= 17; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, d);
        if (strtod(text, NULL) == d)
            break;
    }
    buf_bytes(b, text, strlen(text));
    if (!strpbrk(text, ".e"))
        buf_bytes(b, ".0", 2);
}

static void dump(const jv *v, struct buf *b, int depth);

static void dump_array(const jv *v, struct buf *b, int depth)
{
    buf_u8(b, '[');
    for (size_t i = 0; i < jv_len(v) && !b->err; i++) {
        if (i > 0)
            buf_u8(b, ',');
        dump(jv_at(v, i), b, depth);
    }
    buf_u8(b, ']');
}

static void dump_object(const jv *v, struct buf *b, int depth)
{
    void *first = jv_iter(v);

    buf_u8(b, '{');
    for (void *it = first; it && !b->err; it = jv_iter_next(v, it)) {
        if (it != first)
            buf_u8(b, ',');
        dump_string(jv_iter_key(it), strlen(jv_iter_key(it)), b);
        buf_u8(b, ':');
        dump(jv_iter_value(it), b, depth);
    }
    buf_u8(b, '}');
}

static void dump(const jv *v, struct buf *b, int depth)
{
    if (depth > DUMP_DEPTH_MAX && !b->err)
        b->err = ERR_RANGE;
    if (b->err)
        return;
    switch (jv_kind(v)) {
    case JV_NULL:
        buf_bytes(b, "null", 4);
        break;
    case JV_BOOL:
        buf_printf(b, "%s", jv_bool(v) ? "true" : "false");
        break;
    case JV_INT:
        buf_printf(b, "%lld", (long long)jv_int(v));
        break;
    case JV_REAL:
        dump_real(jv_number(v), b);
        break;
    case JV_STRING:
        dump_string(json_string_value(v), json_string_length(v), b);
        break;
    case JV_ARRAY:
        dump_array(v, b, depth + 1);
        break;
    case JV_OBJECT:
        dump_object(v, b, depth + 1);
        break;
    }
}

void jv_dump(const jv *v, struct buf *b)
{
    dump(v, b, 0);
}

/* ---- without building ---- */

static void put_escape(struct buf *b, uint8_t c)
{
    static const char named[] = "b\bf\fn\nr\rt\t\"\"\\\\";

    for (const char *n = named; *n; n += 2) {
        if ((uint8_t)n[1] != c)
            continue;
        buf_u8(b, '\\');
        buf_u8(b, (uint8_t)n[0]);
        return;
    }
    buf_printf(b, "\\u%04x", c);
}

/* How many octets of P stand for themselves, at the most N. */
static size_t plain_run(const uint8_t *p, size_t n)
{
    size_t i = 0, octets;
    uint32_t cp;

    while (i < n && p[i] >= 0x20 && p[i] != '"' && p[i] != '\\') {
        octets = p[i] < 0x80 ? 1 : utf8_decode(p + i, n - i, &cp);
        if (!octets)
            break;
        i += octets;
    }
    return i;
}

void json_put_text(struct buf *b, const char *text, size_t len)
{
    const uint8_t *p = (const uint8_t *)text, *end = p + len;

    buf_u8(b, '"');
    while (p < end) {
        size_t n = plain_run(p, (size_t)(end - p));

        buf_bytes(b, p, n);
        p += n;
        if (p == end)
            break;
        if (*p < 0x80)
            put_escape(b, *p);
        else
            buf_bytes(b, replacement, sizeof replacement - 1);
        p++;
    }
    buf_u8(b, '"');
}
