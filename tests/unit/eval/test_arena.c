/* The arena: contents, alignment, limit, images, and leaving out what was freed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/err.h"
#include "eval/arena.h"

enum { SIZE = 1 << 20, BLOCKS = 200 };

static jmp_buf escape;

static void on_full(void)
{
    longjmp(escape, 1);
}

static struct block {
    uint8_t *p;
    int size;
    uint8_t fill;
} blocks[BLOCKS];

static void check_block(const struct block *b)
{
    assert_int_equal((uintptr_t)b->p % 16, 0);
    for (int i = 0; i < b->size; i++)
        assert_int_equal(b->p[i], b->fill);
}

/* Grow, shrink or free a random block. */
static void step(struct arena *a)
{
    struct block *b = &blocks[rand() % BLOCKS];
    int size = rand() % 4 == 0 ? 0 : rand() % (rand() % 10 ? 200 : 3000);

    check_block(b);
    b->p = arena_realloc(a, b->p, size);
    if (size > b->size)
        for (int i = 0; i < b->size; i++)
            assert_int_equal(b->p[i], b->fill);
    b->size = size;
    b->fill = (uint8_t)rand();
    if (b->p)
        memset(b->p, b->fill, (size_t)size);
}

static void contents_are_kept(void **state)
{
    struct arena *a = arena_new(SIZE, on_full);

    (void)state;
    srand(3);
    memset(blocks, 0, sizeof blocks);
    if (setjmp(escape))
        fail_msg("the arena is full");
    for (int i = 0; i < 20000; i++)
        step(a);
    for (int i = 0; i < BLOCKS; i++)
        check_block(&blocks[i]);
    arena_free(a);
}

static void an_image_brings_everything_back(void **state)
{
    struct arena *a = arena_new(SIZE, on_full);
    struct arena_image image;
    struct block kept[BLOCKS];

    (void)state;
    srand(5);
    memset(blocks, 0, sizeof blocks);
    if (setjmp(escape))
        fail_msg("the arena is full");
    for (int i = 0; i < 1000; i++)
        step(a);
    assert_int_equal(arena_save(a, &image), 0);
    memcpy(kept, blocks, sizeof kept);
    for (int round = 0; round < 20; round++) {
        for (int i = 0; i < 500; i++)
            step(a);
        arena_restore(a, &image);
        assert_int_equal(arena_used(a), image.len);
        memcpy(blocks, kept, sizeof kept);
        for (int i = 0; i < BLOCKS; i++)
            check_block(&blocks[i]);
    }
    arena_image_release(&image);
    arena_free(a);
}

static void a_full_arena_is_left(void **state)
{
    struct arena *a = arena_new(SIZE, on_full);
    volatile size_t got = 0;

    (void)state;
    if (!setjmp(escape))
        for (;;) {
            assert_non_null(arena_realloc(a, NULL, 1000));
            got += 1000;
        }
    assert_in_range(got, SIZE * 9 / 10, SIZE);
    if (!setjmp(escape)) {
        arena_realloc(a, NULL, 0x7fffffff);
        fail_msg("two gigabytes in one megabyte");
    }
    arena_clear(a);
    if (setjmp(escape))
        fail_msg("a cleared arena is full");
    assert_non_null(arena_realloc(a, NULL, SIZE / 3));
    arena_free(a);
}

/* Of twenty blocks every other one is freed. WAVER: another one the second time. */
static void work(struct arena *a, int waver)
{
    void *p[20];

    for (int i = 0; i < 20; i++)
        p[i] = arena_realloc(a, NULL, 1000);
    for (int i = 0; i < 20; i += 2)
        if (i != waver)
            arena_realloc(a, p[i], 0);
}

static void what_was_freed_is_left_out(void **state)
{
    struct arena *a = arena_new(SIZE, on_full);

    (void)state;
    if (setjmp(escape))
        fail_msg("the arena is full");
    arena_rehearse(a);
    size_t empty = arena_used(a);
    work(a, -1);
    size_t holes = arena_used(a) - empty;
    assert_int_equal(arena_replay(a), 0);
    work(a, -1);
    assert_int_equal(arena_settle(a), 0);
    assert_int_equal(arena_used(a) - empty, holes / 2);

    arena_rehearse(a);
    work(a, -1);
    assert_int_equal(arena_replay(a), 0);
    work(a, 4); /* this one was put aside and is in use */
    assert_int_equal(arena_settle(a), ERR_INVALID);
    arena_free(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(contents_are_kept),
        cmocka_unit_test(an_image_brings_everything_back),
        cmocka_unit_test(a_full_arena_is_left),
        cmocka_unit_test(what_was_freed_is_left_out),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
