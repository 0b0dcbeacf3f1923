/* Damage to `state`, found and repaired without LMDB, which trusts its file: page by page, every
 * number checked before it is used. Nobody else may have the store open meanwhile. */
#ifndef STORE_VERIFY_H
#define STORE_VERIFY_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct store_options;

struct verify_report {
    uint64_t pages;               /* looked at */
    uint64_t rows, values;        /* good rows of tables, good values of own databases */
    uint64_t bad_pages, bad_rows; /* pages and rows (or values) that cannot be used */
    char first[256];              /* the first damage in words: file, page, table, key as an OID */
};

/* Walks all of `state`. 0: sound. ERR_CORRUPT: damage, told in RET and E. ERR_NOTFOUND: there is no
 * store. ERR_VERSION: of a newer version, or of a machine with another byte order or word size. */
int store_verify(const struct store_options *o, struct verify_report *ret, struct err *e);

/* Puts what can be read into a new `state`; the damaged one is kept beside it under a name that
 * comes back in RET_KEPT. Indexes are made anew from the rows that they index, so that what is left
 * is consistent. Killed at any instant, it has happened or it has not. */
int store_repair(const struct store_options *o, struct verify_report *ret, char *ret_kept,
                 size_t cap, struct err *e);

#endif
