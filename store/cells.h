/* The cells of a row as they are on disk (store/FORMAT.md): u8 format, then cells in ascending
 * order of column number: u8 number, u16 length, octets. Stored bytes are foreign bytes. On disk a
 * u32 sum stands behind the format (store/sum.h); what is read may have it, what is made here has
 * not: it gets it as it is put. */
#ifndef STORE_CELLS_H
#define STORE_CELLS_H

#include "base/buf.h"

struct stored {
    uint8_t number;
    struct slice bytes;
};

struct cells {
    struct slice rest;
    int last; /* number of the cell before */
};

/* The empty value is a row without cells. 0 or ERR_CORRUPT. */
int cells_open(struct cells *c, struct slice value);
/* 1 with a cell, 0 at the end, ERR_CORRUPT (truncated, unsorted, number 0). */
int cells_next(struct cells *c, struct stored *ret);
/* 0 if every cell is well-formed, else ERR_CORRUPT. */
int cells_check(struct slice value);
/* False when absent (or behind malformed bytes). */
bool cells_find(struct slice value, unsigned number, struct slice *ret);
/* An integer cell's octets, 1 to 8 in two's complement; false when there are others. */
bool cells_number(struct slice bytes, int64_t *ret);

/* Staged cells: u8 number, u8 clear?, u16 length, octets; the last of a number counts. */
void staged_put(struct buf *staged, unsigned number, const void *p, size_t n);
void staged_number(struct buf *staged, unsigned number, int64_t v);
void staged_clear(struct buf *staged, unsigned number);
/* 1 staged (RET), 0 cleared, -1 not in there. */
int staged_find(const struct buf *staged, unsigned number, struct slice *ret);

/* RET = OLD with STAGED laid over, CHANGED the bits of the columns that differ. Cells with numbers
 * nobody knows stay. 0, ERR_CORRUPT or the buffer's error. */
int cells_merge(struct slice old, const struct buf *staged, struct buf *ret, uint32_t changed[8]);

static inline void bits_set(uint32_t bits[8], unsigned n)
{
    bits[n / 32] |= UINT32_C(1) << n % 32;
}
static inline bool bits_has(const uint32_t bits[8], unsigned n)
{
    return bits[n / 32] >> n % 32 & 1;
}
static inline bool bits_any(const uint32_t bits[8])
{
    uint32_t all = 0;
    for (int i = 0; i < 8; i++)
        all |= bits[i];
    return all != 0;
}

#endif
