/* Alerts as a manager of alarms looks at them (RFC 3877): those that are active by the time at
 * which they took their level, those that are over by the time at which they were cleared, and
 * counts. Each transition is taken in by the transaction that makes it, so that these are what a
 * scan of saAlertTable and saHistoryTable would find, without one.
 *
 * Databases; keys are OIDs as in a table (store/store.h), a date is DateAndTime as an octet string:
 *   alarmActive  owner, date, alert -> ""    level is not OK; date: since when
 *   alarmById    owner, alert -> u64 wall ms of that date
 *   alarmClear   owner, date, alert -> u32 history; for each row of history that ends in OK (of two
 *                in one tenth of a second the later)
 *   alarmCounts  owner -> STD_COUNTERS times u64; "" of all owners together; and behind all of
 *                these, while cleared ones are filled in, the key of the last row that was */
#ifndef ALERTS_ALARMS_H
#define ALERTS_ALARMS_H

#include "mibs/standard.h"
#include "store/store.h"

#define ALARMS_ACTIVE "alarmActive"
#define ALARMS_BY_ID  "alarmById"
#define ALARMS_CLEAR  "alarmClear"
#define ALARMS_COUNTS "alarmCounts"

struct alarm_counts {
    int64_t n[STD_COUNTERS];
};

/* OWNER "": of all. What was never counted is 0. */
int alarms_counts(struct txn *t, const char *owner, struct alarm_counts *ret);

/* A transition, with the history row that it has. */
struct alarm_step {
    const char *owner;
    uint32_t alert, history;
    enum sa_level from, to;
    int64_t at_ms;
};
int alarms_step(struct txn *t, const struct alarm_step *s);

/* R, a row of history, is about to go; BUMPED: not for its age. */
int alarms_forget(struct txn *t, const struct row *r, bool bumped);

/* Makes all but the totals anew, from the rows. */
int alarms_rebuild(struct txn *t);
/* For a store that an earlier version made, once: the active ones now, and a note that the cleared
 * ones are to be filled in, which takes as long as there is history. Costs one read else. */
int alarms_prepare(struct store *s, struct err *e);
/* Is that note there? Then fill them in by steps of MOST rows: how many were looked at, 0 at the
 * end, or an error. How far it has come is part of the transaction. */
bool alarms_incomplete(struct txn *t);
int alarms_fill(struct txn *t, unsigned most);

/* owner, date of AT_MS, alert: the index of an active or cleared alarm. */
struct key alarms_key(const char *owner, int64_t at_ms, uint32_t alert);

#endif
