/* Arrays that grow by doubling. */
#ifndef BASE_ARRAY_H
#define BASE_ARRAY_H

#include <stddef.h>

/* ITEMS with room for at least N elements of SIZE octets: where it was, or moved, and *CAP is
 * then how many elements there is room for. ITEMS may be NULL if *CAP is 0. NULL without memory, or
 * if so many cannot be: ITEMS and *CAP are as they were. What is new is not cleared. */
void *array_room(void *items, size_t *cap, size_t n, size_t size);

#endif
