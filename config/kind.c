/* Properties: what a text must look like to be one's value. The words of a refusal always say what
 * was expected and never repeat the text, which may be a secret. */
#include "config/kind.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/text.h"
#include "config/units.h"

enum {
    OID_ARCS_MAX = 128,
    SUGGEST_LEN_MAX = 64, /* longer names are never "nearly right" */
};

static bool has_control(const char *s)
{
    for (; *s; s++)
        if ((unsigned char)*s < 0x20 || *s == 0x7f)
            return true;
    return false;
}

static int64_t text_max(const struct property *p)
{
    return p->max ? p->max : PROPERTY_TEXT_DEFAULT_MAX;
}

static bool is_text(const struct property *p, const char *text)
{
    size_t len = strlen(text);

    return (int64_t)len >= p->min && (int64_t)len <= text_max(p) && utf8_valid(text, len) &&
           !has_control(text);
}

static bool is_number(const struct property *p, const char *text)
{
    int64_t v;

    return !number_parse(text, &v) && v >= p->min && v <= p->max;
}

static const struct {
    const char *name;
    bool value;
} booleans[] = {
    {"true", true}, {"false", false}, {"yes", true}, {"no", false}, {"1", true}, {"0", false},
};

static int boolean_parse(const char *text, bool *ret)
{
    for (size_t i = 0; i < sizeof booleans / sizeof *booleans; i++) {
        if (strcmp(text, booleans[i].name) != 0)
            continue;
        *ret = booleans[i].value;
        return 0;
    }
    return ERR_SYNTAX;
}

static bool is_boolean(const struct property *p, const char *text)
{
    bool v;

    (void)p;
    return !boolean_parse(text, &v);
}

/* -1 when it is none of them. */
static int enum_position(const struct property *p, const char *text)
{
    for (int i = 0; p->names[i]; i++)
        if (strcmp(p->names[i], text) == 0)
            return i;
    return -1;
}

static bool is_enum(const struct property *p, const char *text)
{
    return enum_position(p, text) >= 0;
}

static bool is_file(const struct property *p, const char *text)
{
    return text[0] == '/' && is_text(p, text);
}

static bool is_duration(const struct property *p, const char *text)
{
    int64_t ms;

    return !duration_parse(text, &ms) && ms >= p->min && ms <= p->max;
}

/* One arc at *P; *P comes to stand behind it. */
static bool oid_arc(const char **p, uint64_t *ret)
{
    const char *s = *p;
    uint64_t v = 0;

    if (*s < '0' || *s > '9')
        return false;
    for (; *s >= '0' && *s <= '9'; s++) {
        v = v * 10 + (uint64_t)(*s - '0');
        if (v > UINT32_MAX)
            return false;
    }
    *p = s;
    *ret = v;
    return true;
}

/* X.660: the first arc is 0, 1 or 2; below 0 and 1 the second is at most 39. */
static bool is_oid(const struct property *p, const char *s)
{
    uint64_t arc, first = 0;
    int n = 0;

    (void)p;
    if (*s == '.')
        s++;
    for (;; s++) {
        if (n == OID_ARCS_MAX || !oid_arc(&s, &arc))
            return false;
        if ((n == 0 && arc > 2) || (n == 1 && first < 2 && arc > 39))
            return false;
        if (n++ == 0)
            first = arc;
        if (*s == '\0')
            return n >= 2;
        if (*s != '.')
            return false;
    }
}

static bool is_name(const struct property *p, const char *text)
{
    (void)p;
    return name_valid(text, strlen(text));
}

static bool is_names(const struct property *p, const char *text)
{
    (void)p;
    for (text += strspn(text, " "); *text; text += strspn(text, " ")) {
        size_t len = strcspn(text, " ");

        if (!name_valid(text, len))
            return false;
        text += len;
    }
    return true;
}

static bool is_template(const struct property *p, const char *text)
{
    return !*text || !template_compile(NULL, p->place, text, NULL, NULL);
}

static bool is_size(const struct property *p, const char *text)
{
    uint64_t bytes;

    return !size_parse(text, &bytes) && (int64_t)bytes >= p->min && (int64_t)bytes <= p->max;
}

/* "host:port"; an IPv6 host stands in brackets. */
static bool is_host_and_port(const char *text)
{
    const char *colon = strrchr(text, ':');
    int64_t port;

    return colon && colon != text && !number_parse(colon + 1, &port) && port >= 1 && port <= 65535;
}

static bool is_address(const struct property *p, const char *text)
{
    if (!is_text(p, text))
        return false;
    return text[0] == '/' || strncmp(text, "unix:/", 6) == 0 ||
           (strncmp(text, "tcp:", 4) == 0 && is_host_and_port(text + 4));
}

/* ---- in words -------------------------------------------------------------------------------- */

static void enum_print(const struct property *p, char *dst, size_t cap)
{
    size_t n = (size_t)snprintf(dst, cap, "one of ");

    for (int i = 0; p->names[i] && n < cap; i++)
        n += (size_t)snprintf(dst + n, cap - n, "%s%s", i ? ", " : "", p->names[i]);
}

void property_expectation(const struct property *p, char *dst, size_t cap)
{
    static const char *const fixed[] = {
        [PROPERTY_BOOLEAN] = "true or false",
        [PROPERTY_FILE] = "the absolute path of a file",
        [PROPERTY_OID] = "an OID in numbers, such as 1.3.6.1.2.1.1.3.0",
        [PROPERTY_TEMPLATE] = "a template",
        [PROPERTY_NAME] = "a name of 1 to 32 octets",
        [PROPERTY_NAMES] = "names of 1 to 32 octets divided by blanks",
        [PROPERTY_ADDRESS] = "/path, unix:/path or tcp:host:port",
    };
    char min[24], max[24];

    switch (p->type) {
    case PROPERTY_TEXT:
    case PROPERTY_SECRET:
        snprintf(dst, cap, "a text of %" PRId64 " to %" PRId64 " octets", p->min, text_max(p));
        break;
    case PROPERTY_NUMBER:
        snprintf(dst, cap, "a number from %" PRId64 " to %" PRId64, p->min, p->max);
        break;
    case PROPERTY_ENUM:
        enum_print(p, dst, cap);
        break;
    case PROPERTY_DURATION:
        duration_print(p->min, min, sizeof min);
        duration_print(p->max, max, sizeof max);
        snprintf(dst, cap, "a duration from %s to %s, such as 500ms, 10s, 5m", min, max);
        break;
    case PROPERTY_SIZE:
        snprintf(dst, cap, "a size from %" PRId64 "MiB to %" PRId64 "TiB, such as 16GiB",
                 p->min >> 20, p->max >> 40);
        break;
    default:
        snprintf(dst, cap, "%s", fixed[p->type]);
    }
}

/* What is wrong with a text can be told more closely than by its range. */
static int refuse_text(const struct property *p, const char *text, struct err *e)
{
    size_t len = strlen(text);

    if (p->type == PROPERTY_TEMPLATE)
        return template_compile(NULL, p->place, text, NULL, e);
    if (p->type != PROPERTY_TEXT && p->type != PROPERTY_SECRET)
        return ERR_OK;
    if (len == 0)
        return err_set(e, ERR_INVALID, "expected a text that is not empty");
    if ((int64_t)len >= p->min && (int64_t)len <= text_max(p))
        return err_set(e, ERR_INVALID, "expected UTF-8 text without control characters");
    return ERR_OK;
}

int property_check(const struct property *p, const char *text, struct err *e)
{
    static bool (*const is[])(const struct property *, const char *) = {
        [PROPERTY_TEXT] = is_text,         [PROPERTY_NUMBER] = is_number,
        [PROPERTY_BOOLEAN] = is_boolean,   [PROPERTY_ENUM] = is_enum,
        [PROPERTY_FILE] = is_file,         [PROPERTY_SECRET] = is_text,
        [PROPERTY_DURATION] = is_duration, [PROPERTY_OID] = is_oid,
        [PROPERTY_TEMPLATE] = is_template, [PROPERTY_NAME] = is_name,
        [PROPERTY_NAMES] = is_names,       [PROPERTY_SIZE] = is_size,
        [PROPERTY_ADDRESS] = is_address,
    };
    char expected[200];

    if (is[p->type](p, text))
        return 0;
    if (refuse_text(p, text, e))
        return ERR_INVALID;
    property_expectation(p, expected, sizeof expected);
    return err_set(e, ERR_INVALID, "expected %s", expected);
}

const struct property *property_find(const struct property *props, size_t nprops, const char *name)
{
    for (size_t i = 0; i < nprops; i++)
        if (strcmp(props[i].name, name) == 0)
            return &props[i];
    return NULL;
}

int64_t property_number(const struct property *p, const char *text)
{
    int64_t v = 0;
    bool b = false;

    switch (p->type) {
    case PROPERTY_NUMBER:
        number_parse(text, &v);
        return v;
    case PROPERTY_DURATION:
        duration_parse(text, &v);
        return v;
    case PROPERTY_BOOLEAN:
        boolean_parse(text, &b);
        return b;
    case PROPERTY_ENUM:
        return enum_position(p, text);
    default:
        return 0;
    }
}

const struct kind *kind_find(const struct kinds *k, enum kind_class c, const char *name)
{
    for (size_t i = 0; i < k->n; i++)
        if (k->items[i]->class_ == c && strcmp(k->items[i]->name, name) == 0)
            return k->items[i];
    return NULL;
}

static size_t min3(size_t a, size_t b, size_t c)
{
    size_t m = a < b ? a : b;

    return m < c ? m : c;
}

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

/* Optimal string alignment distance without regard to case: insert, drop, change a character or
 * swap two neighbours ("prot", "port") costs 1 each. Both at most SUGGEST_LEN_MAX. */
static size_t distance(const char *a, size_t na, const char *b, size_t nb)
{
    size_t rows[3][SUGGEST_LEN_MAX + 1];
    size_t *before = rows[0], *last = rows[1], *now = rows[2], *swap;

    for (size_t j = 0; j <= nb; j++)
        last[j] = j;
    for (size_t i = 1; i <= na; i++) {
        now[0] = i;
        for (size_t j = 1; j <= nb; j++) {
            size_t cost = lower(a[i - 1]) != lower(b[j - 1]);

            now[j] = min3(last[j] + 1, now[j - 1] + 1, last[j - 1] + cost);
            if (i > 1 && j > 1 && lower(a[i - 1]) == lower(b[j - 2]) &&
                lower(a[i - 2]) == lower(b[j - 1]) && before[j - 2] + 1 < now[j])
                now[j] = before[j - 2] + 1;
        }
        swap = before;
        before = last;
        last = now;
        now = swap;
    }
    return last[nb];
}

const char *name_suggest(const char *wrong, const char *const *names, size_t n)
{
    size_t len = strlen(wrong), best = 1 + len / 5; /* so many may be wrong */
    const char *found = NULL;

    if (len == 0 || len > SUGGEST_LEN_MAX)
        return NULL;
    for (size_t i = 0; i < n; i++) {
        size_t nlen = strlen(names[i]), d;

        if (nlen > SUGGEST_LEN_MAX)
            continue;
        d = distance(wrong, len, names[i], nlen);
        if (d >= nlen || d >= len)
            continue; /* nothing in common */
        if (d < best || (d == best && !found)) {
            best = d;
            found = names[i];
        }
    }
    for (size_t i = 0; !found && len >= 3 && i < n; i++)
        if (strncasecmp(wrong, names[i], len) == 0)
            found = names[i]; /* "pass" for "password" */
    return found;
}
