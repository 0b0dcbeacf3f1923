#include "eval/counter.h"

#include <stddef.h>
#include <stdint.h>

/* A wrap is believed if the way from BEFORE over the end of the range to NOW is at most a quarter
 * of the range. */
static bool wrapped_gain(uint64_t now, uint64_t before, unsigned bits, uint64_t *ret)
{
    uint64_t mask = bits == 64 ? UINT64_MAX : (UINT64_C(1) << bits) - 1;

    if (before > mask)
        return false;
    *ret = (now - before) & mask;
    return *ret <= mask / 4;
}

static double integer_gain(int64_t now, int64_t before)
{
    uint64_t gain;

    if (now < 0 || before < 0)
        return (double)((__int128)now - before);
    if (now >= before)
        return (double)(now - before);
    if (wrapped_gain((uint64_t)now, (uint64_t)before, 32, &gain) ||
        wrapped_gain((uint64_t)now, (uint64_t)before, 64, &gain))
        return (double)gain;
    return (double)now;
}

/* Integers beyond 2^63 are here too: their sample is rounded, the way round is not. */
static double real_gain(double now, double before)
{
    const double range = 18446744073709551616.0;
    double round = now + (range - before);

    if (now >= before || now < 0 || before < 0)
        return now - before;
    return before < range && round <= range / 4 ? round : now;
}

static bool is_number(const jv *v)
{
    return v && (jv_kind(v) == JV_INT || jv_kind(v) == JV_REAL);
}

bool counter_delta(const jv *now, const jv *before, double *ret)
{
    if (!is_number(now) || !is_number(before))
        return false;
    if (jv_kind(now) == JV_INT && jv_kind(before) == JV_INT)
        *ret = integer_gain(jv_int(now), jv_int(before));
    else
        *ret = real_gain(jv_number(now), jv_number(before));
    return true;
}
