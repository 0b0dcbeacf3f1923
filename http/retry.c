#include "http/retry.h"

#include <stdbool.h>
#include <string.h>
#include <time.h>

#define DIGITS "0123456789"

/* The last two are of old servers. Names of days and months are those of the C locale, which no
 * stage leaves. */
static const char *const forms[] = {"%a, %d %b %Y %H:%M:%S GMT", "%A, %d-%b-%y %H:%M:%S GMT",
                                    "%a %b %e %H:%M:%S %Y"};

static bool is_date(const char *value, const char *form, time_t *ret)
{
    struct tm tm = {0};
    const char *end = strptime(value, form, &tm);
    int day = tm.tm_mday;

    if (!end || *end)
        return false;
    *ret = timegm(&tm);
    return tm.tm_mday == day; /* no 31st of February */
}

static int64_t limited(int64_t ms)
{
    return ms < 0 ? 0 : ms < HTTP_RETRY_AFTER_MAX_MS ? ms : HTTP_RETRY_AFTER_MAX_MS;
}

static int64_t number(const char *digits)
{
    int64_t seconds = 0;

    for (; *digits && seconds < HTTP_RETRY_AFTER_MAX_MS; digits++)
        seconds = 10 * seconds + (*digits - '0');
    return limited(seconds * 1000);
}

int64_t http_retry_after_ms(const char *value, int64_t now_ms)
{
    time_t date;

    if (*value && value[strspn(value, DIGITS)] == '\0')
        return number(value);
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++)
        if (is_date(value, forms[i], &date))
            return limited((int64_t)date * 1000 - now_ms);
    return -1;
}
