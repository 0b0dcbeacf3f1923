/* Counters that rise, wrap and start anew. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

#include "eval/counter.h"

static const struct {
    const char *before, *now;
    double gain; /* -999: none */
} table[] = {
    {"0", "0", 0},
    {"1", "5", 4},
    {"9007199254740992", "9007199254740993", 1},
    {"9223372036854775800", "9223372036854775807", 7},
    {"4294967295", "0", 1},
    {"4294967290", "10", 16},
    {"4294967290", "4294967300", 10}, /* 64 bits: no wrap */
    {"3221225472", "5", 5},           /* more than a quarter of the range: anew */
    {"3221225474", "1", 1073741823},
    {"1000000", "5", 5},
    {"100", "99", 99},
    {"4294967296000", "7", 7},
    {"9223372036854775807", "3", 3},
    {"18446744073709551615", "0", 0},         /* read as 2^64, which no counter has: anew, at 0 */
    {"18446744073709540000", "20000", 32288}, /* rounded to 2048 when read */
    {"-5", "5", 10},
    {"5", "-5", -10},
    {"-9223372036854775807", "9223372036854775807", 18446744073709551614.0},
    {"1.5", "2.25", 0.75},
    {"2.25", "1.5", 1.5},
    {"1", "1.5", 0.5},
    {"\"1\"", "2", -999},
    {"1", "null", -999},
    {"true", "false", -999},
    {"[1]", "[2]", -999},
};

static void gains(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        jv *before = jv_parse(table[i].before, strlen(table[i].before), NULL);
        jv *now = jv_parse(table[i].now, strlen(table[i].now), NULL);
        double gain = -999;
        assert_non_null(before);
        assert_non_null(now);
        if (counter_delta(now, before, &gain) != (table[i].gain != -999) || gain != table[i].gain)
            fail_msg("from %s to %s: %.17g", table[i].before, table[i].now, gain);
        jv_free(before);
        jv_free(now);
    }
    double gain;
    assert_false(counter_delta(NULL, NULL, &gain));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(gains)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
