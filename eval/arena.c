#include "eval/arena.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/err.h"

/* The first bytes of the mapping are struct arena itself. Blocks follow, each behind an 8-byte
 * header that ends on a 16-byte boundary; `top` is where the next one goes. Free blocks are kept in
 * lists by size class: steps of 16 octets to 1 KiB, doubling beyond. Nothing is merged: an
 * evaluation is short. */
enum {
    STEP = 16,
    HEADER = 8,
    SMALL_MAX = 1024 - HEADER,
    SMALL_CLASSES = 1024 / STEP,
    CLASSES = SMALL_CLASSES + 22,
};

#define FREED 0x80000000u /* in size_class, while it rehearses and replays */

enum mode { NORMAL, REHEARSE, REPLAY };

struct block {
    uint32_t size; /* of the content */
    uint32_t size_class;
    struct block *next; /* while it is free: in its content */
};
_Static_assert(offsetof(struct block, next) == HEADER, "the content follows the header");

struct arena {
    size_t size, top; /* top: 8 below a boundary */
    void (*on_full)(void);
    struct block *free[CLASSES];
    enum mode mode;
    size_t ordinal;     /* of the next allocation, while it replays */
    size_t aside;       /* as top, for those that are put aside */
    uint8_t *put_aside; /* by ordinal; owned */
    size_t put_aside_n;
};

static void *content_of(struct block *b)
{
    return (char *)b + HEADER;
}

static struct block *block_of(void *content)
{
    return (struct block *)((char *)content - HEADER);
}

struct arena *arena_new(size_t size, void (*on_full)(void))
{
    void *m = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (m == MAP_FAILED)
        return NULL;
    struct arena *a = m;
    *a = (struct arena){.size = size, .on_full = on_full};
    arena_clear(a);
    return a;
}

/* Where the first block's header goes, at or behind AT. */
static size_t first_at(size_t at)
{
    return ((at + STEP - 1) & ~(size_t)(STEP - 1)) + STEP - HEADER;
}

void arena_clear(struct arena *a)
{
    memset(a->free, 0, sizeof a->free);
    a->top = first_at(sizeof *a);
    a->mode = NORMAL;
}

void arena_free(struct arena *a)
{
    if (!a)
        return;
    free(a->put_aside);
    munmap(a, a->size);
}

static uint32_t class_of(size_t n, uint32_t *ret_size)
{
    if (n <= SMALL_MAX) {
        uint32_t cls = (uint32_t)(n + HEADER + STEP - 1) / STEP - 1;
        *ret_size = (cls + 1) * STEP - HEADER;
        return cls;
    }
    uint32_t cls = SMALL_CLASSES;
    size_t whole = 2048;
    for (; whole < n + HEADER; whole *= 2)
        cls++;
    *ret_size = (uint32_t)whole - HEADER;
    return cls;
}

static bool goes_aside(struct arena *a)
{
    if (a->mode != REPLAY)
        return false;
    size_t i = a->ordinal++;
    return i < a->put_aside_n && a->put_aside[i];
}

static void *allocate(struct arena *a, size_t n)
{
    uint32_t size, cls = class_of(n, &size);
    struct block *b = a->free[cls]; /* none unless NORMAL */

    if (b) {
        a->free[cls] = b->next;
        return content_of(b);
    }
    size_t *top = goes_aside(a) ? &a->aside : &a->top;
    if (a->size - *top < HEADER + (size_t)size) {
        a->on_full();
        abort();
    }
    b = (struct block *)((char *)a + *top);
    *top += HEADER + (size_t)size;
    b->size = size;
    b->size_class = cls;
    return content_of(b);
}

static void release(struct arena *a, struct block *b)
{
    if (a->mode != NORMAL) {
        b->size_class |= FREED;
        return;
    }
    b->next = a->free[b->size_class];
    a->free[b->size_class] = b;
}

/* The last block may grow where it is: a long array or string would else leave each of its earlier
 * halves behind. */
static bool extend(struct arena *a, struct block *b, size_t n)
{
    uint32_t size;

    if (a->mode != NORMAL || (char *)content_of(b) + b->size != (char *)a + a->top)
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
    struct block *b = ptr ? block_of(ptr) : NULL;

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

void arena_rehearse(struct arena *a)
{
    arena_clear(a);
    a->mode = REHEARSE;
}

/* How many blocks there are from FROM to TO, how many are in use, and which are not. */
static size_t walk(const struct arena *a, size_t from, size_t to, uint8_t *note, size_t *ret_used)
{
    size_t n = 0;

    *ret_used = 0;
    while (from < to) {
        const struct block *b = (const struct block *)((const char *)a + from);
        bool freed = b->size_class & FREED;
        if (note)
            note[n] = freed;
        *ret_used += !freed;
        n++;
        from += HEADER + (size_t)b->size;
    }
    return n;
}

int arena_replay(struct arena *a)
{
    size_t used, n = walk(a, first_at(sizeof *a), a->top, NULL, &used);

    free(a->put_aside);
    a->put_aside_n = n;
    a->put_aside = malloc(n + 1);
    if (!a->put_aside)
        return ERR_NOMEM;
    walk(a, first_at(sizeof *a), a->top, a->put_aside, &used);
    arena_clear(a);
    a->mode = REPLAY;
    a->ordinal = 0;
    a->aside = first_at(a->size / 2);
    return 0;
}

int arena_settle(struct arena *a)
{
    size_t used;

    walk(a, first_at(a->size / 2), a->aside, NULL, &used);
    a->mode = NORMAL;
    free(a->put_aside);
    a->put_aside = NULL;
    return used || a->top > a->size / 2 ? ERR_INVALID : 0;
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
