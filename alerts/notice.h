/* Notices: made in the transaction of the transition that they tell of, queued durably, handed out
 * in order, and finished by outcomes. The core alone calls this; it holds what is in flight.
 *
 * Databases:
 *   pending  u32 incarnation, u32 alert, u32 notice -> owner of the notice   PENDING or DISPATCHED
 *   due      u8 way, u56 wall ms, u32 incarnation, u32 alert, u32 notice -> owner   heads of the
 *            line only; way 0: not sorted yet
 *   told     u32 alert, u32 incarnation -> u8 level told (0: none; top bit: the last problem was
 *            held back), u32 problems owed, and, if not 0, u32 problems under way that are
 *            forgotten: their end will not be told
 *   toldCount u32 incarnation -> u32 lines of it in `told` whose level is not 0; none: no entry
 *   matching u32 notice -> owner     the target's `match` has not answered yet, and is asked in the
 *            order of the numbers; of one that is none of these any more: nothing
 * The head of a line (one target and one alert) is its oldest pending notice: only it may be sent,
 * so that order is kept, and one dead target delays no other (nor one handler another: see
 * notice_pass()). While a notice is with the
 * dispatcher its due time is a lease: an outcome that never comes sends it again.
 *
 * A notice of a problem for a target with `match` is PENDING as any other, and holds back what is
 * behind it in its line, but its time is put off by NOTICE_MATCH_MS; the answer takes that back, or
 * the notice. If none comes, it is sent: the script may take notices from its target, but nothing
 * that happens to who runs it may.
 *
 * saNoticeAction is what a manager wants done. It stays in the row until it is: a notice that is
 * under way when it is cancelled is DISPATCHED, with that mark, until its outcome is known. */
#ifndef ALERTS_NOTICE_H
#define ALERTS_NOTICE_H

#include "alerts/index.h"
#include "alerts/judge.h"
#include "base/text.h"

enum {
    NOTICE_LEASE_MS = 10 * 60 * 1000,
    NOTICE_RETRY_FIRST_MS = 5000,
    NOTICE_RETRY_MOST_MS = 15 * 60 * 1000,
    NOTICE_GIVE_UP_MS = 24 * 60 * 60 * 1000,
    NOTICE_QUEUE_MAX = 10000, /* of one target */
    NOTICE_BATCH_MAX = 200,   /* of one digest */
    NOTICE_WAYS = 3,          /* 1 .. NOTICE_WAYS */
    NOTICE_MATCH_MS = 60 * 1000,
    NOTICE_SORT_MAX = 1000, /* set aside by one claim */
};
#define NOTICE_ANY_WAY (~0u)

/* What a new notice says. Texts are valid UTF-8; they are cut to their columns. */
struct notice_text {
    enum sa_notice_kind kind;
    enum sa_notification notification;
    const char *owner, *definition, *service, *instance;
    const char *value, *message;
    uint32_t alert, history; /* 0: none */
    enum sa_level level, previous_level;
    int64_t at_ms, active_since_ms;
    enum sa_suppression suppression; /* not 0: of a problem, which is not to be told for this */
};

/* One notice for one target, PENDING, due now plus the target's digest time. DIGEST_MS: of the
 * handler's kind, for targets that leave it open. At the target's cap the oldest superseded notice
 * of the same line that is not under way is CANCELLED; if there is none, a recovery goes beyond the
 * cap, and all else is ERR_FULL. */
int notice_create(struct txn *t, const struct route_target *to, const struct notice_text *n,
                  int64_t digest_ms, int64_t now_ms);

/* The digest time of the kind of handler that TARGET (its row) has, in ms. */
typedef int64_t (*notice_digest_fn)(void *arg, struct txn *t, const struct row *target);

/* Told state: which targets are told of a transition, and making their notices. Answers for each
 * target in ROUTE whether it wants this level, was told the problem or is owed it. DIGEST_MS_OF is
 * asked for targets that leave it open; NULL: 0. With a suppression, problems become rows that are
 * SUPPRESSED. KIND_ACKNOWLEDGE goes to those that know of the problem or will,
 * KIND_FLAPPING to those as well that want the level or the one before it. */
int notice_tell(struct txn *t, const struct route *route, const struct notice_text *n,
                bool notify_recovery, notice_digest_fn digest_ms_of, void *arg, int64_t now_ms);

/* What suppressed is over, and the problem is not: N, what the alert is now, is told to each target
 * in ROUTE from which the last problem was held back, as KIND_RAISE or KIND_CHANGE by what it
 * knows.
 */
int notice_unsuppress(struct txn *t, const struct route *route, const struct notice_text *n,
                      notice_digest_fn digest_ms_of, void *arg, int64_t now_ms);

/* The problem N, what the alert is now, is told likewise to each target in ROUTE that was not told
 * its level. */
int notice_level_known(struct txn *t, const struct route *route, const struct notice_text *n,
                       notice_digest_fn digest_ms_of, void *arg, int64_t now_ms);

struct notice_ref {
    char owner[33];
    uint32_t id;
};

/* The first notice behind AFTER whose target's match is to be asked. False: none. */
bool notice_matching(struct txn *t, uint32_t after, struct notice_ref *ret);
/* Is it still waiting for that? NOTICE: its row. */
bool notice_waits_for_match(const struct row *notice);
enum notice_match { MATCH_NO, MATCH_YES, MATCH_FAILED };
/* The answer. NO: nothing is left of the notice, as if the target did not want its level. YES: it
 * is due as one that was never asked of. FAILED: the same; ERROR, in words, is kept with the
 * target. Nothing happens if it has been sent, cancelled or answered before. */
int notice_matched(struct txn *t, const struct notice_ref *n, enum notice_match answer,
                   const char *error, int64_t now_ms);

/* Which way notices go now, and how they are gathered. */
struct notice_ways {
    unsigned room; /* 1 << way: it takes more; at least one does */
    /* The way of NOTICE; NULL: 1. */
    unsigned (*way_of)(void *arg, struct txn *t, const struct row *notice,
                       const struct row *target);
    notice_digest_fn digest_ms_of; /* may be NULL */
    /* How many notices, at most NOTICE_QUEUE_MAX, become one event when NOTICE goes out; 0: each is
     * one of its own. NULL: 0. */
    size_t (*aggregates)(void *arg, const struct row *notice, const struct row *target);
    void *arg;
    unsigned way; /* notice_claim() says which way goes what it claimed */
};

/* What is to be sent next: the notices of one message, at most NOTICE_BATCH_MAX or what
 * `aggregates` says, all of one target; more than one only when the target gathers (digest). They
 * are marked DISPATCHED, given their sequence (those of one event the same) and counted as an
 * attempt in this transaction; send after it is committed. ERR_NOTFOUND: nothing that may go is due
 * at NOW_MS, or NOTICE_SORT_MAX were set aside before such a one was found (notice_next_due() then
 * says so). Notices whose target is gone or disabled are CANCELLED on the way. W NULL: all may go.
 * RET_UUID: the message's (the notice's own, or a digest's, which stays when nothing is new in it).
 */
int notice_claim(struct txn *t, int64_t now_ms, struct notice_ways *w, struct notice_ref *ret,
                 size_t *ret_n, char ret_uuid[UUID_TEXT_LEN + 1]);
/* When there is something to claim: wall ms of the earliest entry that is not set aside for a way
 * without ROOM (bits as in struct notice_ways). 0: never, as things are. */
int64_t notice_next_due(struct txn *t, unsigned room);
/* Handlers or targets are other ones now: what is set aside is to be sorted anew. Costs as much as
 * there is of it. */
int notice_unsort(struct txn *t);

enum notice_end { NOTICE_END_DELIVERED, NOTICE_END_RETRY, NOTICE_END_FAILED, NOTICE_END_CANCELLED };
struct notice_recipient {
    const char *address;
    enum sa_notice_state state;
    const char *reply;
};
/* The outcome of a claimed notice. Ignored (0) if it is finished already. RETRY beyond
 * NOTICE_GIVE_UP_MS becomes FAILED, and all but DELIVERED CANCELLED if a manager has called it
 * back. *RET_STATE: the state it has now. */
int notice_outcome(struct txn *t, const struct notice_ref *n, enum notice_end end,
                   enum sa_confirmation confirmation, const char *error,
                   const struct notice_recipient *recipients, size_t nrecipients, int64_t now_ms,
                   enum sa_notice_state *ret_state);
/* N, which has just become PENDING by RETRY, is not due before PAUSE_MS from NOW_MS on: its
 * receiver has asked for that. At most NOTICE_RETRY_MOST_MS are granted, and never less than
 * without. Nothing if it is in another state. */
int notice_defer(struct txn *t, const struct notice_ref *n, int64_t pause_ms, int64_t now_ms);
/* What the receiver of N said. */
int notice_respond(struct txn *t, const struct notice_ref *n, const char *response);
/* Of notices that are handed on to several handlers (alerts/recipient.h) the line is kept for each
 * of these. RET: whom N's handlers have to wait for: those to whom an earlier notice of its line is
 * still to be told. False: to all of them. */
struct leads;
bool notice_waits_for(struct txn *t, const struct notice_ref *n, struct leads *ret);
/* Who has got N need not wait for who has not: what is behind it in its line, and is for somebody
 * who waits for nobody, is due, too. */
int notice_pass(struct txn *t, const struct notice_ref *n, int64_t now_ms);
/* Is nothing before it in its line? Only then it may be finished. */
bool notice_is_head(struct txn *t, const struct notice_ref *n);
/* The dispatcher died with it, or a restart: due at once, without counting an attempt more; or
 * CANCELLED, if it had been called back. */
int notice_release(struct txn *t, const struct notice_ref *n, int64_t now_ms);
/* The handler OWNER/HANDLER delivers again: what waits for another attempt by it is due now.
 * Returns and costs the queue's length, or a negative error. */
int notice_hurry(struct txn *t, const char *owner, const char *handler, int64_t now_ms);
/* Can NOTICE be cancelled or sent again? TARGET: the row at notice_target_key(), NULL if there is
 * none. 0, or why not: ERR_INCONSISTENT_VALUE, ERR_RESOURCE_UNAVAILABLE. */
int notice_may(enum sa_notice_action action, const struct row *notice, const struct row *target,
               struct err *e);
struct key notice_target_key(const struct row *notice);
/* Does what its saNoticeAction says; nothing, if it cannot be done any more. Sent again, it is the
 * same notice, due at once in the place of its number. *RET_CALL_BACK: it is with the dispatcher,
 * which is to be asked for it; its outcome ends it. */
int notice_act(struct txn *t, const struct notice_ref *n, int64_t now_ms, bool *ret_call_back);
/* The alert was closed by other means (disabled, deleted): nobody is owed its recovery any more. */
int notice_forget(struct txn *t, uint32_t alert);
/* N has ended, or may have: the last one of a target that goes with its queue (alerts/index.h). */
int notice_settled(struct txn *t, const struct notice_ref *n);

/* The alert's row goes: so does what is known of it, but what notices under way will settle. */
int notice_alert_gone(struct txn *t, uint32_t alert);
/* At start: everything DISPATCHED is due now, and so is what a clock that was set back meanwhile
 * would keep waiting. Returns the queue's length, which is also what it costs, or a negative error.
 * In a store of an earlier version, what is told is counted. */
int notice_recover(struct txn *t, int64_t now_ms);
/* The wall clock was set ahead by DELTA_MS (back, if negative): what waits keeps its age and its
 * turn. Returns and costs the same. */
int notice_shift(struct txn *t, int64_t delta_ms);

/* Alerts that a target, by its INCARNATION, was told a problem of and not yet the end. One read. */
uint32_t notice_told(struct txn *t, uint32_t incarnation);
/* Counts them anew, for all targets; costs as much as there are. 0, or an error. */
int notice_count_told(struct txn *t);

/* Is it still to be told or on its way? For counts: notices PENDING or DISPATCHED, all targets. */
uint64_t notice_pending(struct txn *t);

/* Delay before the next attempt after ATTEMPTS have been made: 5 s doubling to 15 min, times 0.8
 * to 1.2 by RANDOM (any number). */
int64_t notice_retry_ms(uint32_t attempts, uint32_t random);

/* Addresses in a target's recipients, divided by commas or blanks: calls CB for each; returns their
 * number, or ERR_RANGE beyond 64 or when one is longer than 255 octets. */
int recipients_each(const void *text, size_t len, int (*cb)(void *arg, const char *address),
                    void *arg);

#endif
