/* After a repair of the store (store/verify.h) rows may be missing, and what is derived from rows
 * may be missing or point nowhere. This makes the own databases of alerts/ anew from the rows, and
 * lets what the missing rows leave behind come to its regular end: an alert without its definition
 * is closed as if that had been deleted, a link goes with either of its ends, a notice that was not
 * finished is in its queue, ids go on behind all that rows still mention. */
#ifndef ALERTS_REBUILD_H
#define ALERTS_REBUILD_H

#include "store/store.h"

struct rebuild_report {
    bool done;         /* there was something to do */
    uint64_t alerts;   /* found again by their names */
    uint64_t orphans;  /* alerts without their definitions: they will be closed */
    uint64_t notices;  /* put in their queues */
    uint64_t dangling; /* rows that led nowhere, deleted */
};

/* One durable transaction, by the core before it looks at anything else. Does nothing unless the
 * store was repaired, or FORCE (what is there was found not to fit together). Idempotent. */
int rebuild_derived(struct store *s, bool force, int64_t now_ms, struct rebuild_report *ret,
                    struct err *e);

#endif
