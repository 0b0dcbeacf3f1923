#include "snmp/value.h"

#include <arpa/inet.h>
#include <errno.h>
#include <float.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"

/* How a type is written is a property of the type; min and max_ bound what may be parsed. */
enum form {
    FORM_NONE, /* NULL, exceptions */
    FORM_INTEGER,
    FORM_UNSIGNED,
    FORM_REAL,
    FORM_OCTETS,
    FORM_OPAQUE,
    FORM_OBJID,
    FORM_IPADDRESS,
};

static const struct type_info {
    const char *name;
    enum form form;
    int64_t min;
    uint64_t max_;
} types[] = {
    [SNMP_TYPE_NULL] = {"NULL", FORM_NONE, 0, 0},
    [SNMP_TYPE_INTEGER] = {"INTEGER", FORM_INTEGER, INT32_MIN, INT32_MAX},
    [SNMP_TYPE_OCTETS] = {"OCTET STRING", FORM_OCTETS, 0, 0},
    [SNMP_TYPE_OBJID] = {"OBJECT IDENTIFIER", FORM_OBJID, 0, 0},
    [SNMP_TYPE_IPADDRESS] = {"IpAddress", FORM_IPADDRESS, 0, 0},
    [SNMP_TYPE_COUNTER32] = {"Counter32", FORM_UNSIGNED, 0, UINT32_MAX},
    [SNMP_TYPE_GAUGE32] = {"Gauge32", FORM_UNSIGNED, 0, UINT32_MAX},
    [SNMP_TYPE_TIMETICKS] = {"TimeTicks", FORM_UNSIGNED, 0, UINT32_MAX},
    [SNMP_TYPE_COUNTER64] = {"Counter64", FORM_UNSIGNED, 0, UINT64_MAX},
    [SNMP_TYPE_UNSIGNED64] = {"Unsigned64", FORM_UNSIGNED, 0, UINT64_MAX},
    [SNMP_TYPE_INTEGER64] = {"Integer64", FORM_INTEGER, INT64_MIN, INT64_MAX},
    [SNMP_TYPE_OPAQUE] = {"Opaque", FORM_OPAQUE, 0, 0},
    [SNMP_TYPE_FLOAT] = {"Float", FORM_REAL, 0, 0},
    [SNMP_TYPE_DOUBLE] = {"Double", FORM_REAL, 0, 0},
    [SNMP_TYPE_NO_SUCH_OBJECT] = {"noSuchObject", FORM_NONE, 0, 0},
    [SNMP_TYPE_NO_SUCH_INSTANCE] = {"noSuchInstance", FORM_NONE, 0, 0},
    [SNMP_TYPE_END_OF_MIB_VIEW] = {"endOfMibView", FORM_NONE, 0, 0},
};

static const struct type_info *info_of(enum snmp_type t)
{
    return (size_t)t < sizeof types / sizeof *types ? &types[t] : &types[SNMP_TYPE_NULL];
}

bool snmp_value_is_exception(const struct snmp_value *v)
{
    return v->type == SNMP_TYPE_NO_SUCH_OBJECT || v->type == SNMP_TYPE_NO_SUCH_INSTANCE ||
           v->type == SNMP_TYPE_END_OF_MIB_VIEW;
}

/* ---- to text
 * -------------------------------------------------------------------------------------*/

/* Text that a person can read: UTF-8 with no control characters but tab and line ends. */
static bool printable(struct slice s)
{
    if (!utf8_valid(s.data, s.len))
        return false;
    for (size_t i = 0; i < s.len; i++) {
        uint8_t c = s.data[i];
        if ((c < 0x20 && c != '\t' && c != '\n' && c != '\r') || c == 0x7f)
            return false;
        if (c == 0xc2 && s.data[i + 1] < 0xa0) /* C1 controls; valid UTF-8 has an octet behind */
            return false;
    }
    return true;
}

static void hex(struct slice s, struct buf *b)
{
    static const char digits[] = "0123456789abcdef";
    buf_bytes(b, "0x", 2);
    for (size_t i = 0; i < s.len; i++) {
        buf_u8(b, (uint8_t)digits[s.data[i] >> 4]);
        buf_u8(b, (uint8_t)digits[s.data[i] & 15]);
    }
}

/* The shortest text that reads back as the same number. */
static void real_text(const struct snmp_value *v, struct buf *b)
{
    bool single = v->type == SNMP_TYPE_FLOAT;
    char text[40];
    for (int digits = single ? FLT_DIG : DBL_DIG;; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, v->real);
        if (digits == (single ? FLT_DECIMAL_DIG : DBL_DECIMAL_DIG) || !isfinite(v->real))
            break;
        if (single ? strtof(text, NULL) == (float)v->real : strtod(text, NULL) == v->real)
            break;
    }
    buf_bytes(b, text, strlen(text));
}

static void objid_to_buf(const struct objid *o, struct buf *b)
{
    for (uint32_t i = 0; i < o->n && i < OBJID_MAX; i++)
        buf_printf(b, "%s%" PRIu32, i ? "." : "", o->subids[i]);
}

static void octets_text(const struct snmp_value *v, struct buf *b)
{
    if (v->type == SNMP_TYPE_OCTETS && printable(v->octets))
        buf_bytes(b, v->octets.data, v->octets.len);
    else
        hex(v->octets, b);
}

static void ipaddress_text(struct slice s, struct buf *b)
{
    if (s.len == 4)
        buf_printf(b, "%d.%d.%d.%d", s.data[0], s.data[1], s.data[2], s.data[3]);
    else
        hex(s, b);
}

void snmp_value_text(const struct snmp_value *v, struct buf *b)
{
    const struct type_info *info = info_of(v->type);
    switch (info->form) {
    case FORM_NONE:
        buf_bytes(b, info->name, strlen(info->name));
        break;
    case FORM_INTEGER:
        buf_printf(b, "%" PRId64, v->integer);
        break;
    case FORM_UNSIGNED:
        buf_printf(b, "%" PRIu64, v->unsigned_);
        break;
    case FORM_REAL:
        real_text(v, b);
        break;
    case FORM_OCTETS:
    case FORM_OPAQUE:
        octets_text(v, b);
        break;
    case FORM_OBJID:
        objid_to_buf(&v->objid, b);
        break;
    case FORM_IPADDRESS:
        ipaddress_text(v->octets, b);
        break;
    }
}

/* ---- to JSON
 * -------------------------------------------------------------------------------------*/

/* RFC 8259 section 7: what must be escaped is the quote, the backslash and controls. */
static void json_octet(uint8_t c, struct buf *b)
{
    if (c == '"' || c == '\\')
        buf_printf(b, "\\%c", c);
    else if (c < 0x20 || c == 0x7f)
        buf_printf(b, "\\u%04x", c);
    else
        buf_u8(b, c);
}

/* The length of the well-formed character at P, 0 when there is none. */
static size_t character(const uint8_t *p, size_t left)
{
    for (size_t n = 1; n <= 4 && n <= left; n++)
        if (utf8_valid(p, n))
            return n;
    return 0;
}

void snmp_json_string(const void *utf8, size_t len, struct buf *b)
{
    const uint8_t *p = utf8;
    buf_u8(b, '"');
    for (size_t i = 0; i < len;) {
        size_t n = p[i] < 0x80 ? 1 : character(p + i, len - i);
        if (n == 1)
            json_octet(p[i], b);
        else if (n)
            buf_bytes(b, p + i, n);
        else
            buf_bytes(b, "\xef\xbf\xbd", 3);
        i += n ? n : 1;
    }
    buf_u8(b, '"');
}

static void json_text(const struct snmp_value *v, struct buf *b)
{
    if (v->type == SNMP_TYPE_OCTETS && printable(v->octets)) {
        snmp_json_string(v->octets.data, v->octets.len, b);
        return;
    }
    buf_u8(b, '"'); /* digits, dots and hexadecimal need no escapes */
    snmp_value_text(v, b);
    buf_u8(b, '"');
}

void snmp_value_json(const struct snmp_value *v, struct buf *b)
{
    switch (info_of(v->type)->form) {
    case FORM_NONE:
        buf_bytes(b, "null", 4);
        break;
    case FORM_REAL:
        if (isfinite(v->real))
            real_text(v, b);
        else
            buf_bytes(b, "null", 4);
        break;
    case FORM_INTEGER:
    case FORM_UNSIGNED:
        snmp_value_text(v, b);
        break;
    case FORM_OCTETS:
    case FORM_OPAQUE:
    case FORM_OBJID:
    case FORM_IPADDRESS:
        json_text(v, b);
        break;
    }
}

/* ---- from text
 * -----------------------------------------------------------------------------------*/

static int parse_integer(struct snmp_value *v, const struct type_info *info, const char *text,
                         struct err *e)
{
    char *end;
    errno = 0;
    long long n = strtoll(text, &end, 10);
    if (end == text || *end || (*text != '-' && (*text < '0' || *text > '9')))
        return err_set(e, ERR_SYNTAX, "expected a whole number");
    if (errno == ERANGE || n < info->min || (n > 0 && (uint64_t)n > info->max_))
        return err_set(e, ERR_RANGE, "%s is from %" PRId64 " to %" PRIu64, info->name, info->min,
                       info->max_);
    v->integer = n;
    return 0;
}

static int parse_unsigned(struct snmp_value *v, const struct type_info *info, const char *text,
                          struct err *e)
{
    char *end;
    errno = 0;
    unsigned long long n = strtoull(text, &end, 10);
    if (*text < '0' || *text > '9' || *end)
        return err_set(e, ERR_SYNTAX, "expected a whole number that is not negative");
    if (errno == ERANGE || n > info->max_)
        return err_set(e, ERR_RANGE, "%s is at most %" PRIu64, info->name, info->max_);
    v->unsigned_ = n;
    return 0;
}

static int parse_real(struct snmp_value *v, const char *text, struct err *e)
{
    char *end;
    v->real = strtod(text, &end);
    if (end == text || *end)
        return err_set(e, ERR_SYNTAX, "expected a number");
    return 0;
}

static int digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static int parse_hex(const char *digits, struct buf *scratch, struct err *e)
{
    for (; *digits; digits += 2) {
        int high = digit(digits[0]);
        int low = high < 0 ? -1 : digit(digits[1]);
        if (low < 0)
            return err_set(e, ERR_SYNTAX, "expected pairs of hexadecimal digits behind 0x");
        buf_u8(scratch, (uint8_t)(high << 4 | low));
    }
    return 0;
}

static int parse_octets(struct snmp_value *v, const char *text, struct buf *scratch, struct err *e)
{
    size_t at = scratch->len;
    if (text[0] == '0' && text[1] == 'x') {
        int err = parse_hex(text + 2, scratch, e);
        if (err)
            return err;
    } else {
        buf_bytes(scratch, text, strlen(text));
    }
    if (scratch->err)
        return err_set(e, scratch->err, "the value does not fit");
    if (scratch->len - at > SNMP_OCTETS_MAX)
        return err_set(e, ERR_RANGE, "at most %d octets", SNMP_OCTETS_MAX);
    v->octets = (struct slice){NULL, scratch->len - at};
    if (v->octets.len > 0)
        v->octets.data = scratch->data + at;
    return 0;
}

static int parse_ipaddress(struct snmp_value *v, const char *text, struct buf *scratch,
                           struct err *e)
{
    struct in_addr a;
    if (inet_pton(AF_INET, text, &a) != 1)
        return err_set(e, ERR_SYNTAX, "expected an IPv4 address such as 192.0.2.1");
    size_t at = scratch->len;
    buf_bytes(scratch, &a, sizeof a);
    if (scratch->err)
        return err_set(e, scratch->err, "the value does not fit");
    v->octets = (struct slice){scratch->data + at, sizeof a};
    return 0;
}

int snmp_value_parse(struct snmp_value *ret, enum snmp_type t, const char *text,
                     struct buf *scratch, struct err *e)
{
    const struct type_info *info = info_of(t);
    struct snmp_value v = {.type = t};
    int err = 0;
    switch (info->form) {
    case FORM_NONE:
        if (t != SNMP_TYPE_NULL)
            err = err_set(e, ERR_UNSUPPORTED, "%s is not a value", info->name);
        break;
    case FORM_INTEGER:
        err = parse_integer(&v, info, text, e);
        break;
    case FORM_UNSIGNED:
        err = parse_unsigned(&v, info, text, e);
        break;
    case FORM_REAL:
        err = parse_real(&v, text, e);
        break;
    case FORM_OCTETS:
    case FORM_OPAQUE:
        err = parse_octets(&v, text, scratch, e);
        break;
    case FORM_OBJID:
        err = objid_parse(&v.objid, text, e);
        break;
    case FORM_IPADDRESS:
        err = parse_ipaddress(&v, text, scratch, e);
        break;
    }
    if (!err)
        *ret = v;
    return err;
}
