#include "cli/cell.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <wchar.h>

#include "base/clock.h"
#include "base/text.h"
#include "store/value.h"

enum { AHEAD_MOST = 1000000 };

void datum_release(struct datum *d)
{
    free(d->bytes);
    *d = (struct datum){0};
}

/* ---- from the wire -------------------------------------------------------------------------- */

static bool number_from(struct datum *d, const struct snmp_value *v)
{
    switch (v->type) {
    case SNMP_TYPE_INTEGER:
        d->number = v->integer;
        return true;
    case SNMP_TYPE_COUNTER32:
    case SNMP_TYPE_GAUGE32:
    case SNMP_TYPE_COUNTER64:
        d->number = v->unsigned_ > INT64_MAX ? INT64_MAX : (int64_t)v->unsigned_;
        return true;
    default:
        return false;
    }
}

int datum_from(struct datum *d, const struct sa_column *c, const struct snmp_value *v)
{
    bool octets = v->type == SNMP_TYPE_OCTETS;

    if (c->syntax == SA_BITS) {
        d->present = octets && bits_decode(c, v->octets, &d->number, NULL) == 0;
    } else if (c->syntax == SA_DATE) {
        d->present = octets && date_decode(v->octets, &d->number, NULL) == 0;
    } else if (!value_is_text(c->syntax)) {
        d->present = number_from(d, v);
    } else if (octets) {
        d->bytes = malloc(v->octets.len + 1);
        if (!d->bytes)
            return ERR_NOMEM;
        if (v->octets.len)
            memcpy(d->bytes, v->octets.data, v->octets.len);
        d->len = v->octets.len;
        d->present = true;
    }
    return 0;
}

/* ---- text ----------------------------------------------------------------------------------- */

/* Columns of one character; negative: not to be shown. Bidirectional overrides and other characters
 * without a shape of their own would let a value rearrange the line it stands in. */
static int shape(uint32_t cp)
{
    if ((cp >= 0x200b && cp <= 0x200f) || (cp >= 0x2028 && cp <= 0x202e) ||
        (cp >= 0x2060 && cp <= 0x206f) || cp == 0xfeff)
        return -1;
    return wcwidth((wchar_t)cp);
}

void text_clean(struct buf *b, const void *p, size_t n, bool lines)
{
    const uint8_t *at = p, *end = at + n;

    while (at < end) {
        uint32_t cp;
        size_t len = utf8_decode(at, (size_t)(end - at), &cp);

        if (len == 1 && (cp == '\n' || cp == '\t' || cp == '\r'))
            buf_u8(b, lines && cp == '\n' ? '\n' : ' ');
        else if (len == 0 || utf8_control(cp) || shape(cp) < 0)
            buf_u8(b, '?');
        else
            buf_bytes(b, at, len);
        at += len ? len : 1;
    }
}

size_t text_fit(const void *p, size_t n, size_t columns)
{
    const uint8_t *s = p;
    size_t at = 0, used = 0;

    while (at < n) {
        uint32_t cp;
        size_t len = utf8_decode(s + at, n - at, &cp);
        int w = len ? shape(cp) : 1;

        used += w > 0 ? (size_t)w : 0;
        if (used > columns)
            break;
        at += len ? len : 1;
    }
    return at;
}

size_t text_width(const void *p, size_t n)
{
    const uint8_t *s = p;
    size_t width = 0;

    for (size_t at = 0; at < n;) {
        uint32_t cp;
        size_t len = utf8_decode(s + at, n - at, &cp);
        int w = len ? shape(cp) : 1;

        width += w > 0 ? (size_t)w : 0;
        at += len ? len : 1;
    }
    return width;
}

/* ISO 8601 in seconds: "2026-11-20T22:38:45Z", or local time with its offset. */
static void put_time(struct buf *b, int64_t ms, enum time_style style)
{
    time_t seconds = (time_t)(ms / 1000);
    char text[64], zone[8];
    struct tm tm;

    if (style == TIMES_UTC) {
        if (gmtime_r(&seconds, &tm) && strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &tm))
            buf_printf(b, "%s", text);
    } else if (localtime_r(&seconds, &tm) &&
               strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &tm) &&
               strftime(zone, sizeof(zone), "%z", &tm)) {
        buf_printf(b, "%s%.3s:%s", text, zone, zone + 3);
    }
}

static void put_bits(struct buf *b, const struct datum *d, const struct sa_column *c)
{
    const char *comma = "";

    for (const struct sa_name *n = c->names; n && n->name; n++)
        if (d->number >> n->value & 1) {
            buf_printf(b, "%s%s", comma, n->name);
            comma = ",";
        }
}

void datum_text(const struct datum *d, const struct sa_column *c, enum time_style style, bool lines,
                struct buf *b)
{
    const char *name;

    if (!d->present)
        return;
    if (value_is_text(c->syntax))
        text_clean(b, d->bytes, d->len, lines);
    else if (c->syntax == SA_BITS)
        put_bits(b, d, c);
    else if ((c->syntax == SA_DATE || c->syntax == SA_MILLIS) && d->number == 0)
        buf_printf(b, "-");
    else if (c->syntax == SA_DATE || c->syntax == SA_MILLIS)
        put_time(b, d->number, style);
    else if ((name = c->names ? sa_name_of(c->names, d->number) : NULL))
        buf_printf(b, "%s", name);
    else
        buf_printf(b, "%lld", (long long)d->number);
}

static jv *bits_json(const struct datum *d, const struct sa_column *c)
{
    jv *a = jv_new_array();

    for (const struct sa_name *n = c->names; a && n && n->name; n++)
        if (d->number >> n->value & 1)
            jv_append(a, jv_new_string(n->name, strlen(n->name)));
    return a;
}

jv *datum_json(const struct datum *d, const struct sa_column *c)
{
    bool time = c->syntax == SA_DATE || c->syntax == SA_MILLIS;
    char iso[CLOCK_ISO_LEN];
    const char *name;

    if (!d->present || (time && d->number == 0))
        return jv_new_null();
    if (value_is_text(c->syntax))
        return jv_new_string(d->bytes, d->len);
    if (c->syntax == SA_BITS)
        return bits_json(d, c);
    if (c->syntax == SA_TRUTH)
        return jv_new_bool(d->number == TRUTH_TRUE);
    if (time) {
        clock_iso(d->number, iso);
        return jv_new_string(iso, strlen(iso));
    }
    name = c->names ? sa_name_of(c->names, d->number) : NULL;
    return name ? jv_new_string(name, strlen(name)) : jv_new_int(d->number);
}

void part_text(const struct part *p, struct buf *b)
{
    if (p->is_number)
        buf_printf(b, "%lu", (unsigned long)p->number);
    else
        text_clean(b, p->name, p->len, false);
}

jv *part_json(const struct part *p)
{
    return p->is_number ? jv_new_int(p->number) : jv_new_string(p->name, p->len);
}

/* ---- from words ----------------------------------------------------------------------------- */

static const enum snmp_type types[] = {
    [SA_INTEGER] = SNMP_TYPE_INTEGER,       [SA_ENUM] = SNMP_TYPE_INTEGER,
    [SA_TRUTH] = SNMP_TYPE_INTEGER,         [SA_ROW_STATUS] = SNMP_TYPE_INTEGER,
    [SA_STORAGE_TYPE] = SNMP_TYPE_INTEGER,  [SA_UNSIGNED] = SNMP_TYPE_GAUGE32,
    [SA_GAUGE] = SNMP_TYPE_GAUGE32,         [SA_COUNTER] = SNMP_TYPE_COUNTER32,
    [SA_MILLIS] = SNMP_TYPE_COUNTER64,      [SA_GAUGE64] = SNMP_TYPE_COUNTER64,
    [SA_DATE] = SNMP_TYPE_OCTETS,           [SA_TEXT] = SNMP_TYPE_OCTETS,
    [SA_NAME] = SNMP_TYPE_OCTETS,           [SA_NAME_OR_EMPTY] = SNMP_TYPE_OCTETS,
    [SA_BITS] = SNMP_TYPE_OCTETS,           [SA_OCTETS] = SNMP_TYPE_OCTETS,
    [SA_TEST_AND_INCR] = SNMP_TYPE_INTEGER,
};

static int refuse(const struct sa_column *c, const char *word, struct err *e)
{
    struct buf b;

    buf_init(&b, ERR_TEXT_MAX);
    column_accepts(c, &b);
    err_set(e, ERR_WRONG_VALUE, "'%s': expected %s", word, buf_cstr(&b));
    buf_release(&b);
    return ERR_WRONG_VALUE;
}

static const struct sa_name *name_find(const struct sa_column *c, const char *word, size_t len)
{
    for (const struct sa_name *n = c->names; n && n->name; n++)
        if (strlen(n->name) == len && strncasecmp(n->name, word, len) == 0)
            return n;
    return NULL;
}

static int number_from_word(const struct sa_column *c, const char *word, int64_t *ret,
                            struct err *e)
{
    const struct sa_name *name = name_find(c, word, strlen(word));
    char *end;

    errno = 0;
    *ret = name ? name->value : strtoll(word, &end, 10);
    if (!name &&
        (!(isdigit((unsigned char)word[0]) || word[0] == '-') || *end || end == word || errno))
        return refuse(c, word, e);
    if (c->syntax != SA_ROW_STATUS && value_number(c, *ret, NULL))
        return refuse(c, word, e);
    return 0;
}

static int bits_from_word(struct snmp_value *ret, const struct sa_column *c, const char *word,
                          struct buf *scratch, struct err *e)
{
    uint8_t octets[BITS_OCTETS_MAX];
    int64_t mask = 0;
    size_t n;

    for (const char *at = word; *at;) {
        size_t len = strcspn(at, ", ");
        const struct sa_name *name = name_find(c, at, len);

        if (len && !name)
            return refuse(c, word, e);
        if (len)
            mask |= INT64_C(1) << name->value;
        at += len;
        at += strspn(at, ", ");
    }
    n = bits_encode(c, mask, octets);
    buf_clear(scratch);
    buf_bytes(scratch, octets, n);
    ret->octets = (struct slice){scratch->data, n};
    return scratch->err;
}

/* "+30m": from now on. */
static bool moment_ahead(const char *word, int64_t *ret_ms)
{
    static const struct {
        char unit;
        int64_t ms;
    } units[] = {{'s', 1000}, {'m', 60 * 1000}, {'h', 3600 * 1000}, {'d', 24 * 3600 * 1000}};
    char *end;
    long n = word[0] == '+' && isdigit((unsigned char)word[1]) ? strtol(word + 1, &end, 10) : 0;

    if (n <= 0 || n > AHEAD_MOST || !end[0] || end[1])
        return false;
    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++)
        if (*end == units[i].unit) {
            *ret_ms = clock_wall_ms() + n * units[i].ms;
            return true;
        }
    return false;
}

/* "2026-12-01T18:00", with seconds if need be; 'Z' behind it is UTC, nothing is local time. */
static bool moment_named(const char *word, int64_t *ret_ms)
{
    static const char *const forms[] = {"%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M"};
    time_t seconds;

    for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
        struct tm tm = {.tm_isdst = -1};
        const char *end = strptime(word, forms[i], &tm);
        bool utc = end && strcmp(end, "Z") == 0;

        if (!end || (*end && !utc))
            continue;
        seconds = utc ? timegm(&tm) : mktime(&tm);
        *ret_ms = (int64_t)seconds * 1000;
        return seconds > 0;
    }
    return false;
}

static int date_from_word(struct snmp_value *ret, const struct sa_column *c, const char *word,
                          struct buf *scratch, struct err *e)
{
    uint8_t octets[DATE_AND_TIME_LEN];
    int64_t ms;

    if (!moment_ahead(word, &ms) && !moment_named(word, &ms))
        return refuse(c, word, e);
    clock_date_and_time(ms, octets);
    buf_clear(scratch);
    buf_bytes(scratch, octets, sizeof(octets));
    ret->octets = (struct slice){scratch->data, sizeof(octets)};
    return scratch->err;
}

int value_from_word(struct snmp_value *ret, const struct sa_column *c, const char *word,
                    struct buf *scratch, struct err *e)
{
    int64_t number;
    int err;

    *ret = (struct snmp_value){.type = types[c->syntax]};
    if (c->syntax == SA_BITS)
        return bits_from_word(ret, c, word, scratch, e);
    if (c->syntax == SA_DATE)
        return date_from_word(ret, c, word, scratch, e);
    if (ret->type == SNMP_TYPE_OCTETS) {
        ret->octets = (struct slice){(const uint8_t *)word, strlen(word)};
        return value_text(c, word, strlen(word), e);
    }
    err = number_from_word(c, word, &number, e);
    if (!err && ret->type == SNMP_TYPE_INTEGER)
        ret->integer = number;
    else if (!err)
        ret->unsigned_ = (uint64_t)number;
    return err;
}

void column_accepts(const struct sa_column *c, struct buf *b)
{
    int64_t min, max;
    const char *comma = "";

    if (c->names) {
        for (const struct sa_name *n = c->names; n->name; n++) {
            buf_printf(b, "%s%s", comma, n->name);
            comma = ", ";
        }
        if (c->syntax == SA_BITS)
            buf_printf(b, " (any of them, divided by commas)");
        return;
    }
    if (c->syntax == SA_DATE || c->syntax == SA_MILLIS) {
        buf_printf(b, "a time: 2026-12-01T18:00 (with Z behind it: in UTC), or +2h from now");
        return;
    }
    value_range(c, &min, &max);
    buf_printf(b, value_is_text(c->syntax) ? "%lld to %lld octets" : "a number from %lld to %lld",
               (long long)min, (long long)max);
}
