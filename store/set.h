/* One SNMP SET (or one <row> list of the XML file) as one transaction: staged, checked whole,
 * checked again inside the write transaction, committed and synced, or nothing. No SNMP library
 * here: the agent translates. RowStatus and StorageType follow RFC 2579.
 *
 * Tables whose first index is saOwner take new rows only under an owner that has a saOwnerTable row
 * (noCreation). Rows that are readOnly take nothing from managers but triggers, permanent ones
 * cannot be destroyed, managers' own are nonVolatile. A writable column that is SA_COMPUTED is a
 * trigger: nothing is stored, but a SET to another value than its default is told by the changes
 * ring. A table's `revert` trigger is done by the set itself: the row's cells are what the
 * configuration file says, and it is active, but for what else the set names. The ring is told by
 * every origin; a row that a SET leaves as it was is not in it. A column that goes `with` another
 * one is refused without it (inconsistentValue), and gets its default back from managers who set
 * that one alone. */
#ifndef STORE_SET_H
#define STORE_SET_H

#include "store/store.h"

struct set;

enum set_origin {
    SET_SNMP, /* read-only columns and rows refuse; new rows are nonVolatile */
    SET_XML,  /* may set what is read-only in the MIB; rows become readOnly, or permanent */
};

/* Checks that need more than type and range: references between rows, JavaScript. Called once for
 * each row that the set leaves active or changes, on the state as it would be after it (AFTER: the
 * merged row; GONE true: the row is being deleted), both in set_check and again in set_commit.
 * They say no by ERR_WRONG_VALUE, ERR_INCONSISTENT_VALUE, ERR_INCONSISTENT_NAME or
 * ERR_RESOURCE_UNAVAILABLE; RET_COLUMN (0: the RowStatus) says which varbind is to blame. LOOK sees
 * other rows as they will be. */
struct set_look; /* the store with the set laid over it */
int set_look_row(struct set_look *l, const struct sa_table *table, const struct key *k,
                 struct row *ret); /* ERR_NOTFOUND when absent or destroyed by this set */
/* Walk rows of TABLE with PREFIX in the store with the set laid over; CB returns nonzero to stop,
 * which is then returned. */
int set_look_each(struct set_look *l, const struct sa_table *table, const struct key *prefix,
                  int (*cb)(void *arg, const struct row *r), void *arg);
/* How many rows of TABLE (one with a RowStatus) OWNER will have; does not visit them. */
int64_t set_look_count(struct set_look *l, const struct sa_table *table, const char *owner);
struct set_check_context {
    struct set_look *look;
    const struct row *before; /* NULL: the row is new */
    const struct row *after;  /* the row as it will be (when GONE: as it was) */
    bool gone;
    bool final; /* inside the write transaction: do not repeat what is slow */
    enum set_origin origin;
};
typedef int (*set_check_fn)(void *arg, const struct set_check_context *c, unsigned *ret_column,
                            struct err *e);
/* At most one per table. */
int set_register_check(struct store *s, unsigned table, set_check_fn fn, void *arg);

/* A value as it came from outside. */
enum set_type { SET_INT32, SET_UNSIGNED32, SET_COUNTER64, SET_OCTETS, SET_OTHER };
struct set_value {
    enum set_type type;
    int64_t number;
    struct slice bytes; /* copied */
};

struct set *set_new(struct store *s, enum set_origin origin);
void set_free(struct set *x); /* NULL is fine; undoes nothing */
/* For XML: rows made by this set get this StorageType (readOnly or permanent). */
void set_storage(struct set *x, enum sa_storage storage);

/* For XML: a row that this set names gets its defaults back in columns of the file (those with an
 * `xml` name) that the set does not name, so that what was taken out of the file goes. In a row
 * that was permanent and stays it, a cell in which a manager had another word than the file keeps
 * it, and so does its RowStatus when the set does not name it. What the file says of a permanent
 * row is kept in the table's `file` column, for its `revert` trigger. */
void set_whole_rows(struct set *x);

/* Before the first set_add: X takes rows of OWNER (a valid name) and nothing else. Another's row is
 * one that can never be (noCreation), an object of a table that has no owners is none
 * (notWritable), whatever the store has there. */
void set_only_of(struct set *x, const char *owner);

/* Stage one varbind; SUBIDS below ROOT.1. Answers what needs nothing but the schema: notWritable,
 * noCreation, wrongType, wrongLength, wrongValue. TAG comes back with errors of the later calls. At
 * most 4,096 varbinds. Naming the same instance twice: the last one counts if equal values, else
 * ERR_INCONSISTENT_VALUE. */
int set_add(struct set *x, int tag, const uint32_t *subids, size_t n, const struct set_value *v,
            struct err *e);
/* SET_XML only: the row shall exist, if need be without a cell. */
int set_add_row(struct set *x, int tag, const struct sa_table *table, const struct key *k,
                struct err *e);
/* The whole: RowStatus transitions, required columns, frozen columns, StorageType, references
 * within the set in any order, registered checks. Uses a read transaction of its own. RET_TAG: the
 * varbind to blame. */
int set_check(struct set *x, int *ret_tag, struct err *e);
/* Checks again, writes rows and the changes ring, keeps the images from before, commits and syncs.
 * ERR_COMMIT_FAILED (the store said no) or what set_check says. */
int set_commit(struct set *x, int *ret_tag, struct err *e);
/* After a commit: puts back, in one transaction, every cell that still holds what this set wrote,
 * rows it made go, rows it deleted come back; appends to the changes ring. */
int set_undo(struct set *x, struct err *e);
/* set_check and set_commit in one, as a part of T, a TXN_WRITE of the caller's, who commits or
 * aborts it: several sets become one, each of which sees those before it. Checks are asked once, as
 * by set_check. Nothing can be undone. The rows that were made or deleted are added to STALE. */
int set_write(struct set *x, struct txn *t, struct buf *stale, int *ret_tag, struct err *e);

/* Rows whose volatile part is of an earlier life of their name: noted in a transaction that makes
 * or deletes them, dropped when it has been committed. STALE is a buffer of the caller's. */
void stale_add(struct buf *stale, const struct sa_table *table, struct slice key);
int stale_drop(struct store *s, struct buf *stale, struct err *e);

/* How many rows it touches, and the owner of the first (for saOwnerLastError; "" when none). */
size_t set_rows(const struct set *x);
const char *set_owner(const struct set *x);

/* Rows that were never activated (notReady, notInService since creation) for longer than AGE_MS are
 * removed (RFC 2579: 5 minutes). Returns how many, or a negative error. Cost: those rows only. */
int set_expire_unready(struct store *s, int64_t now_wall_ms, int64_t age_ms);

#endif
