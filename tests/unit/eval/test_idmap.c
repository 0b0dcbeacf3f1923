/* The map against a plain array, over random steps; keys are few, so that they collide and return.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "eval/idmap.h"

enum { KEYS = 600, STEPS = 300000 };

static uint64_t key_of(int k)
{
    return k % 3 ? (uint64_t)k : (uint64_t)k << 40;
}

static void check_all(const struct idmap *m, void *const *model)
{
    size_t n = 0, seen = 0;

    for (int k = 0; k < KEYS; k++) {
        assert_ptr_equal(idmap_get(m, key_of(k)), model[k]);
        n += model[k] != NULL;
    }
    for (size_t i = 0; idmap_next(m, &i);)
        seen++;
    assert_int_equal(seen, n);
    assert_int_equal(m->n, n);
}

static void it_agrees_with_an_array(void **state)
{
    static char values[16];
    void *model[KEYS] = {0};
    struct idmap m = {0};

    (void)state;
    srand(7);
    for (int step = 0; step < STEPS; step++) {
        int k = rand() % KEYS;
        if (rand() % 2) {
            model[k] = &values[rand() % 16];
            assert_int_equal(idmap_set(&m, key_of(k), model[k]), 0);
        } else {
            assert_ptr_equal(idmap_del(&m, key_of(k)), model[k]);
            model[k] = NULL;
        }
        assert_ptr_equal(idmap_get(&m, key_of(k)), model[k]);
        if (step % 1000 == 0)
            check_all(&m, model);
    }
    check_all(&m, model);
    idmap_release(&m);
    assert_null(idmap_get(&m, 1));
    assert_null(idmap_del(&m, 1));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(it_agrees_with_an_array)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
