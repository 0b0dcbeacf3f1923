#include "base/array.h"

#include <stdint.h>
#include <stdlib.h>

#include "tests/unit/base/cm.h"

static void grows_and_keeps_what_it_holds(void **state)
{
    uint32_t *items = NULL;
    size_t cap = 0, moves = 0;

    (void)state;
    for (size_t n = 0; n < 10000; n++) {
        size_t before = cap;
        uint32_t *p = array_room(items, &cap, n + 1, sizeof *p);

        assert_non_null(p);
        assert_true(cap > n);
        moves += cap != before;
        items = p;
        items[n] = (uint32_t)n;
    }
    for (size_t n = 0; n < 10000; n++)
        assert_int_equal(items[n], n);
    assert_true(moves <= 11); /* it doubles */
    assert_ptr_equal(array_room(items, &cap, cap, sizeof *items), items);
    free(items);
}

static void no_room_is_no_error_yet(void **state)
{
    size_t cap = 0;
    char *p = array_room(NULL, &cap, 0, 1);

    (void)state;
    assert_non_null(p);
    assert_true(cap > 0);
    free(p);
}

static void refuses_what_cannot_be(void **state)
{
    size_t cap = 0, before;
    char *p = array_room(NULL, &cap, 1, 1);

    (void)state;
    assert_non_null(p);
    before = cap;
    assert_null(array_room(p, &cap, SIZE_MAX, 1));
    assert_null(array_room(p, &cap, SIZE_MAX / 4, 8)); /* their product is beyond size_t */
    assert_int_equal(cap, before);
    p[before - 1] = 1; /* it is still there */
    free(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(grows_and_keeps_what_it_holds),
        cmocka_unit_test(no_room_is_no_error_yet),
        cmocka_unit_test(refuses_what_cannot_be),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
