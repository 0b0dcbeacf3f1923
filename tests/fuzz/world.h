/* A small store for the targets that need one, and OIDs out of octets. */
#ifndef TESTS_FUZZ_WORLD_H
#define TESTS_FUZZ_WORLD_H

#include "store/view.h"
#include "tests/fuzz/fuzz.h"

enum { SUBIDS_MAX = 128 };

/* Opened once for each process; its files are already removed. */
struct store *world_store(void);
/* The next world_store() is as at the start. For inputs that committed something: an input must do
 * the same whatever ran before it. Nothing may hold the old one. */
void world_renew(void);

/* The rows that it has; for stores of one's own. */
void world_fill(struct store *s);
/* Takes away the folder PATH with all that is in it. */
void world_remove(const char *path);

/* A sum over all that a manager can see, but for the reasons that refused SETs leave. */
uint64_t world_sum(void);
/* The same without the rows of OWNER. */
uint64_t world_sum_but(const char *owner);

/* The next N octets of P, fewer if there are no more. */
struct slice world_take(const uint8_t **p, size_t *left, size_t n);
uint8_t world_octet(const uint8_t **p, size_t *left); /* 0: there are no more */

/* A network of this process's own, with loopback and nothing else, so that thousands of short
 * connections take no port from anybody and no octet leaves. Where that is not allowed, nothing
 * changes. Before the first thread. */
void world_alone(void);

/* One octet a sub-identifier, but 255 begins one of four more: short inputs make long OIDs. */
size_t world_subids(const uint8_t *p, size_t size, uint32_t ret[SUBIDS_MAX]);

/* As GETNEXT orders them: negative, 0, positive. */
int world_compare(const uint32_t *a, size_t na, const uint32_t *b, size_t nb);

#endif
