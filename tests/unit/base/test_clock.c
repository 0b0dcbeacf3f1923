#include "base/clock.h"

#include <time.h>

#include "tests/unit/base/cm.h"

/* The second is RFC 2579's example, "1992-5-26,13:30:15.0,-4:0", moved to UTC. */
static void date_and_time_vectors(void **state)
{
    static const struct {
        int64_t ms;
        uint8_t want[DATE_AND_TIME_LEN];
        const char *iso;
    } table[] = {
        {0, {0x07, 0xb2, 1, 1, 0, 0, 0, 0, '+', 0, 0}, "1970-01-01T00:00:00.000Z"},
        {INT64_C(706901415000),
         {0x07, 0xc8, 5, 26, 17, 30, 15, 0, '+', 0, 0},
         "1992-05-26T17:30:15.000Z"},
        {INT64_C(951782399999),
         {0x07, 0xd0, 2, 28, 23, 59, 59, 9, '+', 0, 0},
         "2000-02-28T23:59:59.999Z"},
        {INT64_C(951782400000),
         {0x07, 0xd0, 2, 29, 0, 0, 0, 0, '+', 0, 0},
         "2000-02-29T00:00:00.000Z"},
        {-1, {0x07, 0xb1, 12, 31, 23, 59, 59, 9, '+', 0, 0}, "1969-12-31T23:59:59.999Z"},
        {-1000, {0x07, 0xb1, 12, 31, 23, 59, 59, 0, '+', 0, 0}, "1969-12-31T23:59:59.000Z"},
        {INT64_C(4102444799123),
         {0x08, 0x33, 12, 31, 23, 59, 59, 1, '+', 0, 0},
         "2099-12-31T23:59:59.123Z"},
        {INT64_MIN, {0, 1, 1, 1, 0, 0, 0, 0, '+', 0, 0}, "0001-01-01T00:00:00.000Z"},
        {INT64_MAX, {0xff, 0xff, 12, 31, 23, 59, 59, 9, '+', 0, 0}, "9999-12-31T23:59:59.999Z"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        uint8_t got[DATE_AND_TIME_LEN];
        char iso[CLOCK_ISO_LEN];

        clock_date_and_time(table[i].ms, got);
        assert_memory_equal(got, table[i].want, sizeof got);
        clock_iso(table[i].ms, iso);
        assert_string_equal(iso, table[i].iso);
    }
}

static void real_clocks_run(void **state)
{
    int64_t wall = clock_wall_ms(), mono = clock_mono_ms();
    time_t now = time(NULL);

    (void)state;
    assert_in_range(wall, (uint64_t)(now - 2) * 1000, (uint64_t)(now + 2) * 1000);
    assert_true(mono > 0);
    assert_true(clock_mono_ms() >= mono);
}

static void fake_clocks_stand(void **state)
{
    int64_t wall = 5, mono = 7;

    (void)state;
    clock_fake(&wall, &mono);
    assert_int_equal(clock_wall_ms(), 5);
    assert_int_equal(clock_mono_ms(), 7);
    mono += 3600000;
    assert_int_equal(clock_mono_ms(), 3600007);
    clock_fake(NULL, NULL);
    assert_true(clock_wall_ms() > 1000000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(date_and_time_vectors),
        cmocka_unit_test(real_clocks_run),
        cmocka_unit_test(fake_clocks_stand),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
