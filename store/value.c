#include "store/value.h"

#include <time.h>

#include "base/text.h"
#include "store/impl.h"

bool value_is_text(enum sa_syntax s)
{
    return s == SA_TEXT || s == SA_NAME || s == SA_NAME_OR_EMPTY || s == SA_OCTETS;
}

static const struct {
    int64_t min, max;
} natural[] = {
    [SA_INTEGER] = {INT32_MIN, INT32_MAX},
    [SA_TEST_AND_INCR] = {0, INT32_MAX},
    [SA_ENUM] = {INT32_MIN, INT32_MAX},
    [SA_TRUTH] = {TRUTH_TRUE, TRUTH_FALSE},
    [SA_ROW_STATUS] = {ROW_ACTIVE, ROW_NOT_READY},
    [SA_STORAGE_TYPE] = {STORAGE_OTHER, STORAGE_READ_ONLY},
    [SA_UNSIGNED] = {0, UINT32_MAX},
    [SA_GAUGE] = {0, UINT32_MAX},
    [SA_COUNTER] = {0, UINT32_MAX},
    [SA_MILLIS] = {0, INT64_MAX},
    [SA_GAUGE64] = {0, INT64_MAX},
    [SA_DATE] = {0, INT64_MAX},
    [SA_TEXT] = {0, SA_CELL_MAX},
    [SA_NAME] = {1, NAME_MAX_LEN},
    [SA_NAME_OR_EMPTY] = {0, NAME_MAX_LEN},
    [SA_BITS] = {0, INT64_MAX},
    [SA_OCTETS] = {0, SA_CELL_MAX},
};

/* Their range is the type's, whatever the schema's min and max say. */
static bool fixed_range(enum sa_syntax s)
{
    return s == SA_TRUTH || s == SA_ROW_STATUS || s == SA_STORAGE_TYPE || s == SA_BITS ||
           s == SA_NAME || s == SA_NAME_OR_EMPTY || s == SA_ENUM;
}

void value_range(const struct sa_column *c, int64_t *ret_min, int64_t *ret_max)
{
    *ret_min = natural[c->syntax].min;
    *ret_max = natural[c->syntax].max;
    if (c->access == SA_HIDDEN) {
        if (value_is_text(c->syntax) && !fixed_range(c->syntax))
            *ret_max = HIDDEN_MAX;
        else if (c->syntax == SA_INTEGER)
            *ret_min = INT64_MIN, *ret_max = INT64_MAX;
    }
    if (fixed_range(c->syntax) || (!c->min && !c->max))
        return;
    *ret_min = c->min;
    *ret_max = c->max;
}

int value_number(const struct sa_column *c, int64_t v, struct err *e)
{
    int64_t min, max;
    if (value_is_text(c->syntax))
        return err_set(e, ERR_WRONG_TYPE, "a number where octets belong");
    if (c->syntax == SA_BITS) {
        if ((uint64_t)v & ~bits_named(c))
            return err_set(e, ERR_WRONG_VALUE, "a bit that has no name");
        return 0;
    }
    value_range(c, &min, &max);
    if (v < min || v > max)
        return err_set(e, ERR_WRONG_VALUE, "%lld is not between %lld and %lld", (long long)v,
                       (long long)min, (long long)max);
    if (c->syntax == SA_ENUM && !sa_name_of(c->names, v))
        return err_set(e, ERR_WRONG_VALUE, "%lld is none of its values", (long long)v);
    return 0;
}

int value_text(const struct sa_column *c, const void *p, size_t n, struct err *e)
{
    int64_t min, max;
    if (!value_is_text(c->syntax))
        return err_set(e, ERR_WRONG_TYPE, "octets where a number belongs");
    value_range(c, &min, &max);
    if ((int64_t)n < min || (int64_t)n > max)
        return err_set(e, ERR_WRONG_LENGTH, "%zu octets, not between %lld and %lld", n,
                       (long long)min, (long long)max);
    if (c->syntax == SA_OCTETS)
        return 0;
    if (!utf8_valid(p, n))
        return err_set(e, ERR_WRONG_VALUE, "not UTF-8");
    if (c->syntax != SA_TEXT && n && !name_valid(p, n))
        return err_set(e, ERR_WRONG_VALUE, "not a valid name");
    return 0;
}

uint64_t bits_named(const struct sa_column *c)
{
    uint64_t mask = 0;
    for (const struct sa_name *n = c->names; n && n->name; n++)
        mask |= UINT64_C(1) << (n->value & 63);
    return mask;
}

size_t bits_encode(const struct sa_column *c, int64_t mask, uint8_t ret[BITS_OCTETS_MAX])
{
    uint64_t named = bits_named(c);
    size_t n = 0;
    for (unsigned i = 0; i < BITS_OCTETS_MAX; i++) {
        ret[i] = 0;
        for (unsigned bit = 0; bit < 8; bit++)
            ret[i] |= (uint8_t)(((uint64_t)mask >> (8 * i + bit) & 1) << (7 - bit));
        if (named >> (8 * i) & 0xff)
            n = i + 1;
    }
    return n;
}

int bits_decode(const struct sa_column *c, struct slice wire, int64_t *ret, struct err *e)
{
    uint64_t mask = 0;
    for (size_t i = 0; i < wire.len; i++) {
        if (i >= BITS_OCTETS_MAX && wire.data[i])
            return err_set(e, ERR_WRONG_VALUE, "a bit that has no name");
        for (unsigned bit = 0; i < BITS_OCTETS_MAX && bit < 8; bit++)
            if (wire.data[i] >> (7 - bit) & 1)
                mask |= UINT64_C(1) << (8 * i + bit);
    }
    if (mask & ~bits_named(c))
        return err_set(e, ERR_WRONG_VALUE, "a bit that has no name");
    *ret = (int64_t)mask;
    return 0;
}

/* timegm() makes the 30th of February the 1st or 2nd of March. */
static bool day_exists(const uint8_t *p)
{
    struct tm day = {.tm_year = get_u16(p) - 1900, .tm_mon = p[2] - 1, .tm_mday = p[3]};
    timegm(&day);
    return day.tm_mday == p[3];
}

static bool date_fields_valid(const uint8_t *p, size_t n)
{
    return p[2] >= 1 && p[2] <= 12 && p[3] >= 1 && p[3] <= 31 && p[4] <= 23 && p[5] <= 59 &&
           p[6] <= 60 && p[7] <= 9 && day_exists(p) &&
           (n == 8 || ((p[8] == '+' || p[8] == '-') && p[9] <= 14 && p[10] <= 59));
}

int date_decode(struct slice wire, int64_t *ret, struct err *e)
{
    static const uint8_t never[NEVER_LEN];
    const uint8_t *p = wire.data;
    if (wire.len != 8 && wire.len != 11)
        return err_set(e, ERR_WRONG_LENGTH, "a DateAndTime has 8 or 11 octets");
    *ret = 0;
    if (wire.len == 8 && !__builtin_memcmp(p, never, sizeof never))
        return 0;
    if (!date_fields_valid(p, wire.len))
        return err_set(e, ERR_WRONG_VALUE, "not a DateAndTime");
    struct tm tm = {
        .tm_year = get_u16(p) - 1900,
        .tm_mon = p[2] - 1,
        .tm_mday = p[3],
        .tm_hour = p[4],
        .tm_min = p[5],
        .tm_sec = p[6],
    };
    int64_t ms = (int64_t)timegm(&tm) * 1000 + p[7] * 100;
    if (wire.len == 11)
        ms -= (p[8] == '-' ? -1 : 1) * (p[9] * 60 + p[10]) * INT64_C(60000);
    if (ms < 0)
        return err_set(e, ERR_WRONG_VALUE, "a time before 1970");
    *ret = ms;
    return 0;
}
