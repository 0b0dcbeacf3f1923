/* One fixed run of memory that holds the whole heap of an interpreter, the allocator's own notes
 * included: copying the used part back restores the interpreter exactly as it was. */
#ifndef EVAL_ARENA_H
#define EVAL_ARENA_H

#include <stddef.h>

struct arena;

/* An image of an arena at one moment. */
struct arena_image {
    void *bytes; /* owned */
    size_t len;
};

/* SIZE octets in all. When they are used up ON_FULL is called; it must not return (leave by
 * siglongjmp and restore): an interpreter that is given NULL corrupts itself. NULL: out of memory.
 */
struct arena *arena_new(size_t size, void (*on_full)(void));
void arena_free(struct arena *a);

void arena_clear(struct arena *a); /* as new */

/* A js_Alloc with the arena as its context: size 0 frees, ptr NULL allocates. 16-byte aligned. */
void *arena_realloc(void *arena, void *ptr, int size);

/* Leave out of an image what is free in it. Do the same deterministic work twice: after
 * arena_rehearse(), and after arena_replay(), which begins anew and puts aside what was freed by
 * the end of the first time. arena_settle() then forgets what is aside. ERR_NOMEM; ERR_INVALID if
 * something that was put aside is in use: then the arena must be cleared. */
void arena_rehearse(struct arena *a);
int arena_replay(struct arena *a);
int arena_settle(struct arena *a);

size_t arena_used(const struct arena *a);

/* ERR_NOMEM. */
int arena_save(const struct arena *a, struct arena_image *ret);
void arena_restore(struct arena *a, const struct arena_image *image);
void arena_image_release(struct arena_image *image);

#endif
