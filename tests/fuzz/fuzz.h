/* What the fuzz targets share. A target is compiled twice: by clang for libFuzzer (`make fuzz'),
 * and into tests/fuzz/replay, which `make check' runs over the seeds with any compiler. */
#ifndef TESTS_FUZZ_FUZZ_H
#define TESTS_FUZZ_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#ifdef FUZZ_REPLAY
#define FUZZ_TARGET(name)                                                                          \
    int fuzz_##name(const uint8_t *data, size_t size);                                             \
    int fuzz_##name(const uint8_t *data, size_t size)
#else
#define FUZZ_TARGET(name)                                                                          \
    int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);                                  \
    int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
#endif

/* A check that stays in every build. */
#define REQUIRE(condition)                                                                         \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition);                \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

/* Octets up to the next 0, terminated. */
static inline const char *next_text(const uint8_t **p, size_t *left, char *dst, size_t cap)
{
    size_t n = 0;

    while (*left && n + 1 < cap) {
        uint8_t c = *(*p)++;

        --*left;
        if (c == 0)
            break;
        dst[n++] = (char)c;
    }
    dst[n] = '\0';
    return dst;
}

#endif
