#include "base/clock.h"

#include <stddef.h>
#include <stdio.h>
#include <time.h>

#include "base/buf.h"

#define YEAR_1_MS     INT64_C(-62135596800000)  /* 0001-01-01T00:00:00.000Z */
#define YEAR_9999_MS  INT64_C(253402300799999)  /* 9999-12-31T23:59:59.999Z */
#define YEAR_65535_MS INT64_C(2005949145599999) /* 65535-12-31T23:59:59.999Z */

static const int64_t *fake_wall, *fake_mono;

static int64_t now_ms(clockid_t id)
{
    struct timespec ts;

    clock_gettime(id, &ts);
    return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

int64_t clock_wall_ms(void)
{
    return fake_wall ? *fake_wall : now_ms(CLOCK_REALTIME);
}

int64_t clock_mono_ms(void)
{
    return fake_mono ? *fake_mono : now_ms(CLOCK_BOOTTIME);
}

void clock_fake(const int64_t *wall_ms, const int64_t *mono_ms)
{
    fake_wall = wall_ms;
    fake_mono = mono_ms;
}

/* WALL_MS, clamped to year 1 .. LAST, in UTC; returns the milliseconds within the second. */
static int split(int64_t wall_ms, int64_t last, struct tm *ret)
{
    int64_t ms;
    time_t s;

    if (wall_ms < YEAR_1_MS)
        wall_ms = YEAR_1_MS;
    if (wall_ms > last)
        wall_ms = last;
    ms = wall_ms % 1000;
    if (ms < 0)
        ms += 1000;
    s = (time_t)((wall_ms - ms) / 1000);
    gmtime_r(&s, ret);
    return (int)ms;
}

void clock_date_and_time(int64_t wall_ms, uint8_t ret[DATE_AND_TIME_LEN])
{
    struct tm tm;
    int ms = split(wall_ms, YEAR_65535_MS, &tm);

    put_u16(ret, (uint16_t)(tm.tm_year + 1900));
    ret[2] = (uint8_t)(tm.tm_mon + 1);
    ret[3] = (uint8_t)tm.tm_mday;
    ret[4] = (uint8_t)tm.tm_hour;
    ret[5] = (uint8_t)tm.tm_min;
    ret[6] = (uint8_t)tm.tm_sec;
    ret[7] = (uint8_t)(ms / 100);
    ret[8] = '+';
    ret[9] = 0;
    ret[10] = 0;
}

/* The last N digits of V. */
static void put_digits(char *dst, int n, int v)
{
    for (; n-- > 0; v /= 10)
        dst[n] = (char)('0' + v % 10);
}

void clock_iso(int64_t wall_ms, char ret[CLOCK_ISO_LEN])
{
    struct tm tm;
    int ms = split(wall_ms, YEAR_9999_MS, &tm);

    memcpy(ret, "0000-00-00T00:00:00.000Z", CLOCK_ISO_LEN);
    put_digits(ret, 4, tm.tm_year + 1900);
    put_digits(ret + 5, 2, tm.tm_mon + 1);
    put_digits(ret + 8, 2, tm.tm_mday);
    put_digits(ret + 11, 2, tm.tm_hour);
    put_digits(ret + 14, 2, tm.tm_min);
    put_digits(ret + 17, 2, tm.tm_sec);
    put_digits(ret + 20, 3, ms);
}
