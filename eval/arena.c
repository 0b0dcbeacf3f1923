#include "eval/arena.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/err.h"

/* The first bytes of the mapping are struct arena itself. Blocks follow, each behind a 16-byte
 * header; `top` is where the next one goes. Free blocks are kept in lists by size class: steps of
 * 16 octets to 1 KiB, doubling beyond. Nothing is merged: an evaluation is short. */
enum {
    STEP = 16,
    SMALL_MAX = 1024,
    SMALL_CLASSES = SMALL_MAX / STEP,
    CLASSES = SMALL_CLASSES + 22,
};

struct block {
    uint32_t size; /* of the content */
    uint32_t size_class;
    struct block *next; /* while it is free */
};
_Static_assert(sizeof(struct block) == STEP, "content stays aligned");

struct arena {
    size_t size, top;
    void (*on_full)(void);
    struct block *free[CLASSES];
};

struct arena *arena_new(size_t size, void (*on_full)(void))
{
    void *m = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (m == MAP_FAILED)
        return NULL;
    struct arena *a = m;
    a->size = size;
    a->top = (sizeof *a + STEP - 1) & ~(size_t)(STEP - 1);
    a->on_full = on_full;
    return a;
}

void arena_free(struct arena *a)
{
    if (a)
        munmap(a, a->size);
}

static uint32_t class_of(size_t n, uint32_t *ret_size)
{
    if (n <= SMALL_MAX) {
        uint32_t cls = (uint32_t)(n + STEP - 1) / STEP - 1;
        *ret_size = (cls + 1) * STEP;
        return cls;
    }
    uint32_t cls = SMALL_CLASSES;
    size_t size = 2 * SMALL_MAX;
    for (; size < n; size *= 2)
        cls++;
    *ret_size = (uint32_t)size;
    return cls;
}

static void *allocate(struct arena *a, size_t n)
{
    uint32_t size, cls = class_of(n, &size);
    struct block *b = a->free[cls];

    if (b) {
        a->free[cls] = b->next;
        return b + 1;
    }
    if (a->size - a->top < sizeof *b + size) {
        a->on_full();
        abort();
    }
    b = (struct block *)((char *)a + a->top);
    a->top += sizeof *b + size;
    b->size = size;
    b->size_class = cls;
    return b + 1;
}

static void release(struct arena *a, struct block *b)
{
    b->next = a->free[b->size_class];
    a->free[b->size_class] = b;
}

/* The last block may grow where it is: a long array or string would else leave each of its earlier
 * halves behind. */
static bool extend(struct arena *a, struct block *b, size_t n)
{
    uint32_t size;
    char *end = (char *)(b + 1) + b->size;

    if (end != (char *)a + a->top)
        return false;
    uint32_t cls = class_of(n, &size);
    if (a->size - a->top < size - b->size)
        return false;
    a->top += size - b->size;
    b->size = size;
    b->size_class = cls;
    return true;
}

void *arena_realloc(void *arena, void *ptr, int size)
{
    struct arena *a = arena;
    struct block *b = ptr ? (struct block *)ptr - 1 : NULL;

    if (size <= 0) {
        if (b)
            release(a, b);
        return NULL;
    }
    if (!b)
        return allocate(a, (size_t)size);
    if ((uint32_t)size <= b->size || extend(a, b, (size_t)size))
        return ptr;
    void *bigger = allocate(a, (size_t)size);
    memcpy(bigger, ptr, b->size);
    release(a, b);
    return bigger;
}

size_t arena_used(const struct arena *a)
{
    return a->top;
}

int arena_save(const struct arena *a, struct arena_image *ret)
{
    void *bytes = malloc(a->top);

    if (!bytes)
        return ERR_NOMEM;
    memcpy(bytes, a, a->top);
    *ret = (struct arena_image){bytes, a->top};
    return 0;
}

void arena_restore(struct arena *a, const struct arena_image *image)
{
    memcpy(a, image->bytes, image->len);
}

void arena_image_release(struct arena_image *image)
{
    free(image->bytes);
    *image = (struct arena_image){0};
}
