#include "base/array.h"

#include <stdint.h>
#include <stdlib.h>

enum { FIRST = 16 };

void *array_room(void *items, size_t *cap, size_t n, size_t size)
{
    size_t want = *cap ? *cap : FIRST;
    void *grown = NULL;

    if (items && n <= *cap)
        return items;
    while (want < n && want <= SIZE_MAX / 2)
        want *= 2;
    if (want >= n && want <= PTRDIFF_MAX / size)
        grown = realloc(items, want * size);
    if (grown)
        *cap = want;
    return grown;
}
