/* The dependency index against a plain table, over random steps. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "eval/deps.h"

enum { WHO = 50, WHAT = 40, STEPS = 20000 };

static struct dependent whos[WHO];
static bool model[WHO][WHAT];

static void count(void *arg, struct dependent *who)
{
    ((int *)arg)[who - whos]++;
}

static void check(const struct deps *d)
{
    for (int what = 0; what < WHAT; what++) {
        int seen[WHO] = {0};
        deps_each(d, eval_dep_make(EVAL_DEP_CONTENT, (uint64_t)what), count, seen);
        for (int who = 0; who < WHO; who++)
            assert_int_equal(seen[who], model[who][what]);
    }
}

static void set_random(struct deps *d, int who)
{
    uint8_t deps[8 * WHAT];
    uint32_t n = 0;

    for (int what = 0; what < WHAT; what++) {
        model[who][what] = rand() % 4 == 0;
        if (model[who][what])
            put_u64(deps + 8 * (size_t)n++, eval_dep_make(EVAL_DEP_CONTENT, (uint64_t)what));
    }
    assert_int_equal(deps_set(d, &whos[who], deps, n), 0);
}

static void it_agrees_with_a_table(void **state)
{
    struct deps d = {0};

    (void)state;
    srand(11);
    for (int step = 0; step < STEPS; step++) {
        int who = rand() % WHO;
        if (rand() % 3) {
            set_random(&d, who);
        } else {
            deps_clear(&d, &whos[who]);
            memset(model[who], 0, sizeof model[who]);
        }
        if (step % 50 == 0)
            check(&d);
    }
    check(&d);
    for (int who = 0; who < WHO; who++)
        deps_clear(&d, &whos[who]);
    assert_int_equal(d.heads.n, 0);
    deps_release(&d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(it_agrees_with_a_table)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
