#include "eval/interpose.h"

#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <time.h>

unsigned interpose_sorts;
bool interpose_clock_read;

static int64_t offset_ms; /* what is added to the system's monotonic clock */

static int64_t monotonic_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

void interpose_set_now(int64_t wall_ms)
{
    offset_ms = wall_ms - monotonic_ms();
}

__attribute__((visibility("default"))) int gettimeofday(struct timeval *restrict tv,
                                                        void *restrict tz)
{
    int64_t now_ms = offset_ms + monotonic_ms();

    (void)tz;
    interpose_clock_read = true;
    tv->tv_sec = now_ms / 1000;
    tv->tv_usec = now_ms % 1000 * 1000;
    return 0;
}

static void swap(char *a, char *b, size_t n)
{
    char keep[64];

    while (n) {
        size_t k = n < sizeof keep ? n : sizeof keep;
        memcpy(keep, a, k);
        memcpy(a, b, k);
        memcpy(b, keep, k);
        a += k;
        b += k;
        n -= k;
    }
}

struct heap {
    char *base;
    size_t size; /* of one element */
    int (*compare)(const void *, const void *);
};

static void sift_down(const struct heap *h, size_t root, size_t n)
{
    for (size_t child; (child = 2 * root + 1) < n; root = child) {
        char *c = h->base + child * h->size;
        if (child + 1 < n && h->compare(c, c + h->size) < 0) {
            child++;
            c += h->size;
        }
        if (h->compare(h->base + root * h->size, c) >= 0)
            return;
        swap(h->base + root * h->size, c, h->size);
    }
}

/* Heapsort: in place, no memory of its own, safe with a comparison that contradicts itself and with
 * being left in the middle. */
__attribute__((visibility("default"))) void qsort(void *base, size_t n, size_t size,
                                                  int (*compare)(const void *, const void *))
{
    struct heap h = {base, size, compare};

    interpose_sorts++;
    for (size_t i = n / 2; i-- > 0;)
        sift_down(&h, i, n);
    for (size_t end = n; end-- > 1;) {
        swap(h.base, h.base + end * size, size);
        sift_down(&h, 0, end);
    }
}
