/* Raised alerts: those that outside systems make, by a key of their own (resource type, alert type,
 * resource id), and not a condition. They are rows of saAlertTable like the others, with history,
 * notices and acknowledgements like the others.
 *
 * A raised alert belongs to the definition of its owner that is named as its alert type, if there
 * is one in force: its groups, targets, notifyRecovery and description count, and while it is
 * disabled raises are refused. Else it belongs to the owner's default group "default", and recovery
 * is told. Its instance is "TYPE/ID" of the resource, or "TYPE" without an id.
 *
 *   raise    makes the row, or counts in it: level by severity, last seen now, not cleared
 *   clear    ok, told to who was told the problem; the row is purged saSystemClearedTtl later
 *   delete   the same, and the row goes at once
 *
 * Without a raise for its ttl it is cleared by itself. Both times are counted by the wall clock,
 * and moved along when that is set.
 *
 * Database:
 *   raised  u8 0, owner                             -> u32 how many rows it has
 *           u8 1, owner,definition,hash128(resource) -> u32 alert; verified against the row
 *           u8 2, u64 wall ms, owner,alert          -> ""   when it expires
 *           u8 3, u64 wall ms, owner,alert          -> ""   when it was cleared
 *           u8 4, u64 wall ms, owner,raise          -> ""   when a row of saRaiseTable was done
 * Each row has the time of its timer (saAlertRaiseTimer, saRaiseTimer). */
#ifndef ALERTS_RAISE_H
#define ALERTS_RAISE_H

#include "alerts/instance.h"
#include "store/set.h"

enum {
    RAISE_ID_LEN = 222,         /* octets of a resource's id */
    RAISE_KEEP_MS = 10 * 60000, /* rows of saRaiseTable, after they were done */
    RAISE_QUEUE_MAX = 100000,   /* of these, of one owner */
    RAISED_MAX = 100000,        /* raised alerts of one owner */
    RAISE_EXPIRE_MOST = 1000,   /* timers at a time */
};

/* A command. Names are valid, texts UTF-8. */
struct raise {
    enum sa_raise_verb verb;
    char owner[33], resource_type[33], alert_type[33], resource_id[RAISE_ID_LEN + 1];
    enum sa_level severity; /* info, warning or critical; of a raise, as is the next */
    int64_t ttl_s;          /* 0: never; at most 100 years */
    char message[256];      /* "": what the daemon has to say */
};

struct raise_result {
    enum sa_raise_result result; /* RAISE_DONE or RAISE_REFUSED, with why: */
    char error[256];
    uint32_t alert; /* 0: refused */
    bool moved;     /* there was a transition */
};

/* Does C: its rows, history and notices are in T when it answers. 0, or the transaction's error.
 * DIGEST_MS_OF as in notice_tell. */
int raise_do(struct txn *t, const struct raise *c, const struct judge_now *now,
             notice_digest_fn digest_ms_of, void *arg, struct raise_result *ret);

/* Takes in the row ID of saRaiseTable, if it is active and queued: it is done once, however often
 * it is taken in. *RET_MOVED: whether there was a transition. */
int raise_take_in(struct txn *t, const char *owner, uint32_t id, const struct judge_now *now,
                  notice_digest_fn digest_ms_of, void *arg, bool *ret_moved);

/* May a row of saRaiseTable be set so? For the store's checks: 0, ERR_INCONSISTENT_VALUE or
 * ERR_RESOURCE_UNAVAILABLE with words, and the column to blame. */
int raise_check(const struct set_check_context *c, unsigned *ret_column, struct err *e);

/* The definition was disabled, taken out of service or deleted: its raised alerts are cleared, with
 * REASON. Only of a deleted one is that told here. *CLOSED grows by those that were active. */
int raise_close(struct txn *t, const char *owner, const char *definition, enum sa_reason reason,
                const struct judge_now *now, unsigned *closed);

/* Wall ms when the next timer is due, 0: none runs. */
int64_t raise_next_due(struct txn *t);
/* What is due: expired ones are cleared, cleared ones purged, done commands removed; at most
 * RAISE_EXPIRE_MOST of them. *RET_MOVED: how many transitions there were. */
int raise_expire(struct txn *t, const struct judge_now *now, notice_digest_fn digest_ms_of,
                 void *arg, unsigned *ret_moved);
/* The wall clock was set ahead by DELTA_MS (back, if negative): timers go on as before. Costs as
 * much as there are raised alerts and done commands. */
int raise_shift(struct txn *t, int64_t delta_ms);

/* Is this row of saAlertTable a raised one? */
bool raise_is_raised(const struct row *alert);
/* What the database has of a raised row of saAlertTable, and of any row of saRaiseTable, after
 * kv_clear(RAISE_DB): a command that is still queued is in the changes ring again. */
#define RAISE_DB "raised"
int raise_restore(struct txn *t, const struct row *alert);
int raise_restore_command(struct txn *t, const struct row *command);

#endif
