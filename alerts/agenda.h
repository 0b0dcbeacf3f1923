/* Databases of rows in the order of a time, for what is to be done with them then:
 *   u64 wall ms, u32 id -> owner   of the row; a time before 1970 counts as 0 */
#ifndef ALERTS_AGENDA_H
#define ALERTS_AGENDA_H

#include "store/store.h"

struct agenda_entry {
    int64_t at_ms; /* wall */
    uint32_t id;
    char owner[33];
};

/* 0, or the transaction's error. One that is not there is dropped already. */
int agenda_add(struct txn *t, const char *db, const char *owner, uint32_t id, int64_t at_ms);
int agenda_drop(struct txn *t, const char *db, uint32_t id, int64_t at_ms);
/* The first at or behind FROM_MS. ERR_NOTFOUND; ERR_CORRUPT, which makes T fail. */
int agenda_first(struct txn *t, const char *db, int64_t from_ms, struct agenda_entry *ret);

#endif
