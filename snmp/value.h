/* SNMP object identifiers and values, and their forms as text and JSON. No net-snmp here: values
 * come out of snmp/pdu.h and go into it. */
#ifndef SNMP_VALUE_H
#define SNMP_VALUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

/* ---- object identifiers
 * ------------------------------------------------------------------------*/
enum { OBJID_MAX = 128, OBJID_TEXT_MAX = OBJID_MAX * 11 }; /* RFC 3416 section 4.1 */

struct objid {
    uint32_t n;
    uint32_t subids[OBJID_MAX];
};

/* "1.3.6.1.2.1" or ".1.3.6.1.2.1": 2..128 sub-identifiers of at most 2^32 - 1, the first at most 2,
 * the second below 40 unless the first is 2. ERR_SYNTAX, ERR_RANGE; RET untouched then. */
int objid_parse(struct objid *ret, const char *text, struct err *e);
/* Copy N sub-identifiers; ERR_RANGE when there are more than OBJID_MAX. */
int objid_set(struct objid *ret, const uint32_t *subids, size_t n);
int objid_append(struct objid *o, uint32_t subid); /* 0 or ERR_RANGE */
/* Lexicographic order, as GETNEXT walks: negative, 0, positive. */
int objid_compare(const struct objid *a, const struct objid *b);
/* Does O begin with ROOT and go on behind it? */
bool objid_below(const struct objid *root, const struct objid *o);
/* "1.3.6" into DST, terminated; the length, or ERR_RANGE when CAP is too small (DST is ""). */
int objid_text(const uint32_t *subids, size_t n, char *dst, size_t cap);

/* ---- values
 * --------------------------------------------------------------------------------------*/
enum snmp_type {
    SNMP_TYPE_NULL,
    SNMP_TYPE_INTEGER,   /* INTEGER, Integer32; integer */
    SNMP_TYPE_OCTETS,    /* OCTET STRING, BITS; octets */
    SNMP_TYPE_OBJID,     /* objid */
    SNMP_TYPE_IPADDRESS, /* octets, 4 of them */
    SNMP_TYPE_COUNTER32, /* unsigned_, like the next four */
    SNMP_TYPE_GAUGE32,   /* Unsigned32 as well */
    SNMP_TYPE_TIMETICKS, /* 1/100 s */
    SNMP_TYPE_COUNTER64,
    SNMP_TYPE_UNSIGNED64, /* net-snmp's opaque U64 */
    SNMP_TYPE_INTEGER64,  /* net-snmp's opaque I64; integer */
    SNMP_TYPE_OPAQUE,     /* octets */
    SNMP_TYPE_FLOAT,      /* opaque float; real */
    SNMP_TYPE_DOUBLE,     /* opaque double; real */
    SNMP_TYPE_NO_SUCH_OBJECT,
    SNMP_TYPE_NO_SUCH_INSTANCE,
    SNMP_TYPE_END_OF_MIB_VIEW,
};

enum { SNMP_OCTETS_MAX = 65535 }; /* RFC 2578 section 7.1.2 */

struct snmp_value {
    enum snmp_type type;
    union {
        int64_t integer;
        uint64_t unsigned_;
        double real;
        struct slice octets; /* borrowed from the answer or from who built the value */
        struct objid objid;
    };
};

/* noSuchObject, noSuchInstance or endOfMibView? (RFC 3416 section 3) */
bool snmp_value_is_exception(const struct snmp_value *v);

/* For people: numbers in decimal, octets as text when they are printable UTF-8, else as
 * "0x00ff12"; exceptions by name. Appended to B, whose sticky error tells what failed. */
void snmp_value_text(const struct snmp_value *v, struct buf *b);
/* As a JSON value. Integers (64-bit too) are exact decimal numbers; float and double are numbers,
 * null when not finite; octets, OIDs and addresses are strings in the form of snmp_value_text;
 * NULL and the exceptions are null. */
void snmp_value_json(const struct snmp_value *v, struct buf *b);
/* Text as a JSON string with its quotes; invalid UTF-8 becomes U+FFFD. */
void snmp_json_string(const void *utf8, size_t len, struct buf *b);

/* The other way, for requests: TEXT of type T. Octets: the text itself, or hexadecimal behind "0x"
 * (which needs an even number of digits). Octets go to SCRATCH, and the value borrows them until
 * SCRATCH is written again. ERR_SYNTAX, ERR_RANGE, ERR_UNSUPPORTED (exceptions). */
int snmp_value_parse(struct snmp_value *ret, enum snmp_type t, const char *text,
                     struct buf *scratch, struct err *e);

#endif
