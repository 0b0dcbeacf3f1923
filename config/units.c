#include "config/units.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "base/err.h"

struct unit {
    const char *name;
    int64_t factor;
};

static const struct unit durations[] = {
    {"", 1},           {"ms", 1},           {"s", 1000},
    {"m", 60 * 1000L}, {"h", 3600 * 1000L}, {"d", 24 * 3600 * 1000L},
};

static const struct unit sizes[] = {
    {"", 1}, {"KiB", 1L << 10}, {"MiB", 1L << 20}, {"GiB", 1L << 30}, {"TiB", 1L << 40},
};

/* Reads the digits at *P and leaves *P behind them. Strict on purpose: strtoll would take blanks,
 * signs and "0x". */
static int digits(const char **p, int64_t *ret)
{
    const char *s = *p;
    int64_t v = 0;

    if (*s < '0' || *s > '9')
        return ERR_SYNTAX;
    for (; *s >= '0' && *s <= '9'; s++)
        if (__builtin_mul_overflow(v, 10, &v) || __builtin_add_overflow(v, *s - '0', &v))
            return ERR_RANGE;
    *p = s;
    *ret = v;
    return 0;
}

static int quantity_parse(const char *text, const struct unit *units, size_t n, int64_t *ret)
{
    int64_t v;
    int err = digits(&text, &v);

    if (err)
        return err;
    for (size_t i = 0; i < n; i++) {
        if (strcmp(text, units[i].name) != 0)
            continue;
        if (__builtin_mul_overflow(v, units[i].factor, &v))
            return ERR_RANGE;
        *ret = v;
        return 0;
    }
    return ERR_SYNTAX;
}

int duration_parse(const char *text, int64_t *ret_ms)
{
    return quantity_parse(text, durations, sizeof durations / sizeof *durations, ret_ms);
}

int size_parse(const char *text, uint64_t *ret_bytes)
{
    int64_t v;
    int err = quantity_parse(text, sizes, sizeof sizes / sizeof *sizes, &v);

    if (!err)
        *ret_bytes = (uint64_t)v;
    return err;
}

int number_parse(const char *text, int64_t *ret)
{
    bool negative = *text == '-';
    int64_t v;
    int err;

    if (negative)
        text++;
    err = digits(&text, &v);
    if (err)
        return err;
    if (*text)
        return ERR_SYNTAX;
    *ret = negative ? -v : v;
    return 0;
}

/* Days are left out: "24h" is what people say of a poll. */
void duration_print(int64_t ms, char *dst, size_t cap)
{
    size_t i = sizeof durations / sizeof *durations - 2;

    while (i > 1 && (ms < durations[i].factor || ms % durations[i].factor != 0))
        i--;
    snprintf(dst, cap, "%" PRId64 "%s", ms / durations[i].factor, durations[i].name);
}
