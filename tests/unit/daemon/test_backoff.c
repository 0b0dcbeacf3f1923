/* When what ended is started again, and what of that is said. */
#include "daemon/backoff.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static enum backoff_say said;

static void a_row_of_ends_is_said_twice(void **state)
{
    static const int64_t delays[] = {1000, 2000, 4000, 8000, 16000, 32000, 60000, 60000, 60000};
    struct backoff b = {0};

    (void)state;
    for (size_t i = 0; i < sizeof delays / sizeof *delays; i++) {
        assert_int_equal(backoff_ended(&b, 10, "exit 1", &said), delays[i]);
        assert_int_equal(said, i == 0   ? BACKOFF_SAY_ENDED
                               : i == 6 ? BACKOFF_SAY_LOOPS
                                        : BACKOFF_SAY_NOTHING);
    }
    assert_int_equal(b.ends, sizeof delays / sizeof *delays);
}

static void another_reason_is_said(void **state)
{
    struct backoff b = {0};

    (void)state;
    backoff_ended(&b, 10, "exit 1", &said);
    assert_int_equal(backoff_ended(&b, 10, "exit 2", &said), 2000);
    assert_int_equal(said, BACKOFF_SAY_ENDED);
    backoff_ended(&b, 10, "exit 2", &said);
    assert_int_equal(said, BACKOFF_SAY_NOTHING);
}

/* Reasons that differ only behind what is kept of them are one reason. */
static void a_long_reason_is_cut(void **state)
{
    char why[2 * BACKOFF_WHY_MAX];
    struct backoff b = {0};

    (void)state;
    memset(why, 'x', sizeof why - 1);
    why[sizeof why - 1] = 0;
    backoff_ended(&b, 10, why, &said);
    why[sizeof why - 2] = 'y';
    backoff_ended(&b, 10, why, &said);
    assert_int_equal(said, BACKOFF_SAY_NOTHING);
}

static void a_minute_settles_it(void **state)
{
    struct backoff b = {0};
    uint32_t ends = 0;

    (void)state;
    assert_false(backoff_settled(&b, BACKOFF_SETTLED_MS, &ends));
    for (unsigned i = 0; i < 3; i++)
        backoff_ended(&b, 10, "exit 1", &said);
    assert_false(backoff_settled(&b, BACKOFF_SETTLED_MS - 1, &ends));
    assert_true(backoff_settled(&b, BACKOFF_SETTLED_MS, &ends));
    assert_int_equal(ends, 3);
    assert_false(backoff_settled(&b, BACKOFF_SETTLED_MS, &ends));
    assert_int_equal(backoff_ended(&b, BACKOFF_SETTLED_MS, "exit 1", &said), BACKOFF_FIRST_MS);
    assert_int_equal(said, BACKOFF_SAY_ENDED);
}

/* Also where nobody looked between its settling and its end. */
static void an_end_after_a_minute_is_a_first_one(void **state)
{
    struct backoff b = {0};

    (void)state;
    for (unsigned i = 0; i < 9; i++)
        backoff_ended(&b, 10, "exit 1", &said);
    assert_int_equal(backoff_ended(&b, BACKOFF_SETTLED_MS, "exit 1", &said), BACKOFF_FIRST_MS);
    assert_int_equal(said, BACKOFF_SAY_ENDED);
    assert_int_equal(b.ends, 1);
}

static void evaluators_are_spared_but_not_for_ever(void **state)
{
    struct backoff b = {0};
    int64_t now = 1000000;
    unsigned spared = 0;

    (void)state;
    assert_false(backoff_spare(&b, 50, now)); /* it never worked */
    while (backoff_spare(&b, 51, now) && spared < 1000)
        spared++;
    assert_in_range(spared, 40, 100);
    assert_false(backoff_spare(&b, 51, now + 100));
    assert_true(backoff_spare(&b, 51, now + 300));
    assert_false(backoff_spare(&b, 51, now + 300));
    /* At a pace that a machine bears it goes on for ever. */
    for (unsigned i = 0; i < 1000; i++)
        assert_true(backoff_spare(&b, 51, now + 1000 + 250 * (int64_t)i));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_row_of_ends_is_said_twice),
        cmocka_unit_test(another_reason_is_said),
        cmocka_unit_test(a_long_reason_is_cut),
        cmocka_unit_test(a_minute_settles_it),
        cmocka_unit_test(an_end_after_a_minute_is_a_first_one),
        cmocka_unit_test(evaluators_are_spared_but_not_for_ever),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
