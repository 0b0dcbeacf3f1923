/* How long history and finished notices are kept: until they are too old or too many, oldest first
 * (saSystemHistoryMaxAge and its neighbours). What still has to be told is never purged.
 *
 * Databases, one entry a row that may go, so that a step costs what it purges, however many rows
 * are kept and however many owners have them:
 *   historyAge   u64 wall ms of the transition, u32 history -> owner
 *   noticeAge    u64 wall ms at which it was finished, u32 notice -> owner
 * What points at a purged row (saAlertHistory, saNoticeHistory, saNoticeAlert) keeps its number:
 * ids are never given again, so nothing else is ever found there. */
#ifndef ALERTS_RETENTION_H
#define ALERTS_RETENTION_H

#include "store/store.h"

enum retained { RETAINED_HISTORY, RETAINED_NOTICES, RETAINED_KINDS };
enum { RETENTION_AHEAD_MS = 24 * 60 * 60 * 1000 };

/* The row may go from now on: in the transaction that writes history, or finishes a notice. */
int retention_add(struct txn *t, enum retained what, const char *owner, uint32_t id, int64_t at_ms);
/* The same, from a row that is there; nothing to do for a notice that is not finished. */
int retention_add_row(struct txn *t, enum retained what, const struct row *r);
/* It may go no longer: a notice that is to be sent again. AT_MS as it was added with. */
int retention_drop(struct txn *t, enum retained what, uint32_t id, int64_t at_ms);

/* Is there something to purge? BY_AGE false: the wall clock is not to be trusted at present, only
 * the number of rows counts. */
bool retention_due(struct txn *t, int64_t now_ms, bool by_age);
/* Purges at most MOST rows of each kind (a notice goes with its recipients), and counts them in
 * saSystem. Of rows beyond the greatest number, those go first whose time is more than
 * RETENTION_AHEAD_MS ahead of NOW_MS: of a clock that was wrong. Returns how many went, or an
 * error. */
int retention_purge(struct txn *t, int64_t now_ms, bool by_age, unsigned most);

/* Wall ms of the oldest, 0 when there is none. */
int64_t retention_oldest(struct txn *t, enum retained what);

/* A store whose databases do not hold every row (it is older than they are, or was repaired) has
 * them filled in steps: rows behind *AT, at most MOST. Returns how many were looked at, 0 at the
 * end. */
bool retention_complete(struct txn *t, enum retained what);
int retention_fill(struct txn *t, enum retained what, struct key *at, unsigned most);

#endif
