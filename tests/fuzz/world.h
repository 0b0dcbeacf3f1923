/* A small store for the targets that need one, and OIDs out of octets. */
#ifndef TESTS_FUZZ_WORLD_H
#define TESTS_FUZZ_WORLD_H

#include "store/view.h"
#include "tests/fuzz/fuzz.h"

enum { SUBIDS_MAX = 128 };

/* Opened once for each process; its files are already removed. */
struct store *world_store(void);

/* One octet a sub-identifier, but 255 begins one of four more: short inputs make long OIDs. */
size_t world_subids(const uint8_t *p, size_t size, uint32_t ret[SUBIDS_MAX]);

/* As GETNEXT orders them: negative, 0, positive. */
int world_compare(const uint32_t *a, size_t na, const uint32_t *b, size_t nb);

#endif
