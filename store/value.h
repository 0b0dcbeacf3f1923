/* What a column accepts, from any side. */
#ifndef STORE_VALUE_H
#define STORE_VALUE_H

#include "base/buf.h"
#include "base/err.h"
#include "mibs/schema.h"

/* Is the cell octets (text, name) rather than a number? BITS and DateAndTime are numbers inside. */
bool value_is_text(enum sa_syntax s);
/* The range of the number, or of the length in octets; 0..0 in the schema is the syntax's own. */
void value_range(const struct sa_column *c, int64_t *ret_min, int64_t *ret_max);
/* 0, ERR_WRONG_TYPE, ERR_WRONG_VALUE with words (the reason only, without the column's name). */
int value_number(const struct sa_column *c, int64_t v, struct err *e);
/* 0, ERR_WRONG_TYPE, ERR_WRONG_LENGTH, ERR_WRONG_VALUE likewise. */
int value_text(const struct sa_column *c, const void *p, size_t n, struct err *e);

enum { BITS_OCTETS_MAX = 8, NEVER_LEN = 8 };
/* BITS: the mask of all named bits, octets needed for them, and to and from the wire. */
uint64_t bits_named(const struct sa_column *c);
size_t bits_encode(const struct sa_column *c, int64_t mask, uint8_t ret[BITS_OCTETS_MAX]);
int bits_decode(const struct sa_column *c, struct slice wire, int64_t *ret, struct err *e);
/* DateAndTime of 8 or 11 octets to ms since 1970; eight zero octets are 0. */
int date_decode(struct slice wire, int64_t *ret, struct err *e);

#endif
