/* The part of BER (X.690) that SNMP messages use: definite lengths, tags of one octet. The writer
 * goes from the back to the front, so that a length is known when it is written; the reader is
 * base/buf.h's, with its sticky error. */
#ifndef SNMP_BER_H
#define SNMP_BER_H

#include "base/buf.h"
#include "base/err.h"

enum ber_tag {
    BER_INTEGER = 0x02,
    BER_OCTETS = 0x04,
    BER_OBJID = 0x06,
    BER_SEQUENCE = 0x30,
};

/* Writes into the caller's memory: what has been written is [AT, END). */
struct ber_out {
    uint8_t *begin, *at, *end;
    bool full; /* sticky: something did not fit */
};

void ber_out_init(struct ber_out *o, uint8_t *dst, size_t cap);
size_t ber_out_len(const struct ber_out *o);
/* In front of what is there: N octets as they are; N octets as a value; V in its shortest form; tag
 * and length of the value that ends at MARK (an `at` from before; END for all). */
void ber_put_raw(struct ber_out *o, const void *p, size_t n);
void ber_put_octets(struct ber_out *o, enum ber_tag tag, const void *p, size_t n);
void ber_put_int(struct ber_out *o, int32_t v);
void ber_put_header(struct ber_out *o, enum ber_tag tag, const uint8_t *mark);

/* The content of the next value, which must have TAG; borrowed. Anything else, and a length that
 * goes beyond the end, is R's error. */
struct slice ber_get(struct rd *r, enum ber_tag tag);
/* An INTEGER from MIN to MAX, else R's error and MIN. */
int32_t ber_get_int(struct rd *r, int32_t min, int32_t max);

#endif
