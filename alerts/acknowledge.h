/* Acknowledgements: somebody has taken an alert on, by a SET of cells of its row. The row is all
 * there is of it; the core takes in what a SET left there, in the transaction that consumes the
 * change, by comparing it with what it took in last (saAlertAckTaken).
 *
 *   normal   ends with the next change of the level
 *   sticky   ends when the alert is OK; changes meanwhile are held back
 *   until    likewise, or at a time of the wall clock. A clock that is set does not move it: it is
 *            a moment that a person named, not a delay
 *
 * Database:
 *   acknowledged   u64 wall ms, u32 alert -> owner   those that end by time (saAlertAckDue) */
#ifndef ALERTS_ACKNOWLEDGE_H
#define ALERTS_ACKNOWLEDGE_H

#include "alerts/notice.h"
#include "store/set.h"

/* What a transition makes of an acknowledgement. */
struct ack {
    enum sa_acknowledge kind;
    int64_t due_ms;  /* saAlertAckDue */
    bool over;       /* the transition has ended it */
    bool suppresses; /* it goes on, and the transition is not to be told */
};
struct ack ack_read(const struct row *alert);
/* Pure. FLAGS of the alert follow. Nothing, if there is no acknowledgement, or nothing to tell. */
void ack_follow(struct ack *a, const struct judge_transition *move, unsigned *flags);
/* Of one that is over: its cells, in an edit of the alert's row. */
void ack_wipe(struct edit *alert);
/* Its timer begins and ends, if it has one: DUE_MS is not 0. */
int ack_watch(struct txn *t, const char *owner, uint32_t alert, int64_t due_ms);
int ack_unwatch(struct txn *t, uint32_t alert, int64_t due_ms);

/* May the cells of AFTER be set? For the store's checks: 0, or ERR_INCONSISTENT_VALUE with words
 * and the column to blame. */
int ack_check(const struct row *after, int64_t now_ms, unsigned *ret_column, struct err *e);

/* Takes in what a SET left in the row of an alert: tells it, or, if it was taken back, what it held
 * back. DIGEST_MS_OF as in notice_tell. */
int ack_take_in(struct txn *t, const char *owner, uint32_t alert, int64_t now_ms,
                notice_digest_fn digest_ms_of, void *arg);

/* Wall ms when the next one ends by time, 0: none does. */
int64_t ack_next_due(struct txn *t);
/* Ends those whose time has come, at most ACK_EXPIRE_MOST of them; what they held back is told. */
enum { ACK_EXPIRE_MOST = 1000 };
int ack_expire(struct txn *t, int64_t now_ms, notice_digest_fn digest_ms_of, void *arg);

#endif
