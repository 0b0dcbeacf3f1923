/* The objects of mibs/standard.h out of the store, without any SNMP library: GET and GETNEXT over
 * OIDs below mib-2, as store/view.h does it for our own. GETNEXT is a seek: rows that are not
 * touched are not read. */
#ifndef ALERTS_STANDARD_H
#define ALERTS_STANDARD_H

#include "mibs/standard.h"
#include "store/store.h"

/* Who asks, and when: sysUpTime (hundredths of a second) and the wall clock at one instant. */
struct standard_scope {
    const char *owner; /* nothing else is there, and counts are this owner's; NULL: all of them */
    uint32_t uptime;
    int64_t now_ms;
};

/* A value as a manager sees it. Do not copy the struct by value and keep it. */
struct standard_cell {
    const struct std_object *object;
    int64_t number;
    struct slice bytes; /* STD_OCTETS; lives until the transaction ends, or is in SCRATCH */
    size_t noid;
    uint32_t oid[128]; /* STD_OID, whole */
    uint8_t scratch[40];
};

/* 0; ERR_NOTFOUND: no such instance; ERR_UNSUPPORTED: no such object; or the transaction's. */
int standard_get(struct txn *t, const struct standard_scope *s, const uint32_t *subids, size_t n,
                 struct standard_cell *ret);
/* The first instance behind SUBIDS, whatever they are. RET_SUBIDS has room for 128. ERR_NOTFOUND at
 * the end. */
int standard_next(struct txn *t, const struct standard_scope *s, const uint32_t *subids, size_t n,
                  uint32_t *ret_subids, size_t *ret_n, struct standard_cell *ret);

#endif
