/* Sums over what is stored. LMDB trusts its file: a flipped bit would be served as truth. So each
 * value carries 32 bits over the name of its database, its key and itself (store/FORMAT.md has the
 * recipe), which are looked at whenever it is read. They tell damage, not forgery. */
#ifndef STORE_SUM_H
#define STORE_SUM_H

#include "base/buf.h"

enum {
    SUM_LEN = 4,    /* in front of the values of meta, changes and the own databases */
    ROW_PLAIN = 1,  /* formats of rows: u8 format, cells; in memory, and as version 1 wrote them */
    ROW_SUMMED = 2, /* u8 format, u32 sum, cells */
    ROW_HEAD_PLAIN = 1, /* octets before the cells */
    ROW_HEAD_SUMMED = 5,
};

/* What the sums of a database start from. */
uint64_t sum_seed(const char *database);
uint32_t sum_of(uint64_t seed, struct slice key, struct slice value);

/* Is it what was written? RET is then the value without its sum. */
bool sum_open(uint64_t seed, struct slice key, struct slice stored, struct slice *ret);
/* A row's value: is it what was written? */
bool row_sound(uint64_t seed, struct slice key, struct slice stored);

#endif
