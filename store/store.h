/* The store: two LMDB environments below one folder, `state` (synced at every commit) and `samples`
 * (unsynced, at most once a second, emptied when the boot id changed without a clean mark).
 * One database per table of mibs/schema.h, named like the table; a row's key is its index, each
 * sub-identifier as four big-endian octets, so that byte order is OID order. A row's durable cells
 * are in `state`, its volatile ones under the same key in `samples`.
 *
 * Disk format, version 2. Row value: u8 format (2), u32 sum, then cells in ascending order of
 * column number: u8 number, u16 length, octets; integers are 8 octets, two's complement,
 * big-endian. Unknown numbers are kept by every edit. The folder's version, boot id and id counters
 * are in the database `meta`. (store/FORMAT.md shows one row in hex.) Every value has a sum, which
 * is looked at whenever it is read: what is not what was written is ERR_CORRUPT. */
#ifndef STORE_STORE_H
#define STORE_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/buf.h"
#include "base/err.h"
#include "mibs/schema.h"

struct store;
struct txn;

struct store_options {
    const char *path; /* folder, made (0750) if absent; its parent must exist */
    size_t map_bytes; /* reservation for each environment; 0: 16 GiB, sparse */
    bool no_sync;     /* tests and benchmarks only */
    /* The core sets it: `samples` of an earlier boot that was not marked clean are thrown away.
     * Others are refused with ERR_AGAIN until the core has done that. There is one core: while a
     * process has the store open like this, another one is refused with ERR_AGAIN. */
    bool recover_samples;
    /* For a guest in another program: the store as its core has it, or not at all. Nothing is made,
     * verified or waited for, MAP_BYTES is what it is. ERR_NOTFOUND: there is none; ERR_AGAIN:
     * somebody is opening it. */
    bool join;
    /* The tables that this store has (tests); NULL: sa_tables. Ascending by id. */
    const struct sa_table *const *tables;
    size_t ntables;
};

/* Opens or makes the store; several processes may have it open, a process has a folder open once
 * (LMDB's locks want it so) and opens it anew after fork(). Clears stale readers. ERR_VERSION: made
 * by a newer version (nothing is touched); ERR_CORRUPT, ERR_DENIED, ERR_IO with words. */
int store_open(struct store **ret, const struct store_options *o, struct err *e);
/* Which process has the store in the folder PATH open as its core? ERR_NOTFOUND: none; ERR_DENIED,
 * ... Costs some system calls. */
int store_core(const char *path, pid_t *ret, struct err *e);
void store_close(struct store *s); /* NULL is fine */
/* Members of GROUP (the caller must be one) may open it, too: what it consists of is theirs to read
 * and write, its folders to enter. ERR_DENIED, ERR_IO with words. */
int store_share(struct store *s, gid_t group, struct err *e);
/* Clears reader slots of dead processes; returns how many. */
int store_clear_readers(struct store *s);
/* Used and greatest size in octets of `state` (the lesser of map and what the file system has). */
void store_usage(struct store *s, uint64_t *ret_used, uint64_t *ret_size);
/* How many transactions of `state` have been committed since it was made, by all processes. */
uint64_t store_commits(struct store *s);
/* Copies `state` as it is at one instant, compacted, while it is in use: PATH, which must not
 * exist, can be opened as a store. */
int store_backup(struct store *s, const char *path, struct err *e);
/* Marks `samples` as cleanly closed (core, at its end). */
int store_mark_clean(struct store *s);
/* CB is called, once, when a transaction meets what only a new start can mend: what is stored is
 * not what was written (ERR_CORRUPT; not what a caller of txn_fail makes of it), or a disk refused
 * in the middle of a commit (ERR_IO: LMDB wants to be opened anew). It is called from within the
 * failing call: log WORDS and leave the process, with EXIT_CORRUPT for ERR_CORRUPT, so that the
 * next core verifies and repairs. */
void store_on_fatal(struct store *s, void (*cb)(void *arg, int code, const char *words), void *arg);
/* Reads the next MOST rows and values of all that is stored, round and round, so that damage is met
 * that nobody asks for: call it now and then. 0, or the error, which the callback has been told. */
int store_scrub(struct store *s, unsigned most);

/* ---- transactions ------------------------------------------------------------------------------
 * A transaction carries a sticky error: every call after a failure does nothing and returns it, and
 * txn_commit() reports it. TXN_READ sees both environments and shows one instant of each.
 * TXN_WRITE writes durable cells, TXN_WRITE_SAMPLES volatile ones; each reads what it writes and
 * what the other environment held when it was first looked at. No read transaction may outlive a
 * request. A process has at most one of each kind for writing and four for reading (one more is a
 * mistake of ours: ERR_INVALID, no deadlock); read transactions are renewed, not made, so they cost
 * less than a microsecond. */
enum txn_kind { TXN_READ, TXN_WRITE, TXN_WRITE_SAMPLES };

/* NULL only when the store is NULL; failures are the sticky error. */
struct txn *txn_begin(struct store *s, enum txn_kind kind);
int txn_commit(struct txn *t, struct err *e); /* frees t in any case; a read one just ends */
void txn_abort(struct txn *t);                /* NULL is fine */
int txn_error(const struct txn *t);
/* Makes the transaction fail (a check of the caller's said no). */
int txn_fail(struct txn *t, int code);
/* Growth is refused at 90 % of store_usage (ERR_FULL) unless this is called on the transaction. */
void txn_allow_growth(struct txn *t);

/* ---- keys
 * ---------------------------------------------------------------------------------------*/
struct key {
    uint16_t len;
    uint8_t data[SA_KEY_MAX];
};
/* Build: key_init, then each index part in order. A name is its length, then its octets, each a
 * sub-identifier. Over-long: len stays and `false` comes back. */
void key_init(struct key *k);
bool key_name(struct key *k, const void *name, size_t len);
bool key_str(struct key *k, const char *name);
bool key_u32(struct key *k, uint32_t v);
/* The common shapes: an owner; an owner and a name; an owner and an id; a row of scalars. */
struct key key_of_name(const char *owner);
struct key key_of_names(const char *owner, const char *name);
struct key key_of_id(const char *owner, uint32_t id);
struct key key_of_scalars(void);
/* A key that outlives what K borrows; empty, which no row has, when K is longer than SA_KEY_MAX. */
struct key key_copy(struct slice k);
/* Read parts back in order; *pos starts at 0. false when the bytes are not such a part. NAME_BUF
 * holds NAME_MAX_LEN + 1. */
bool key_read_name(const struct slice *k, size_t *pos, char name_buf[33]);
bool key_read_u32(const struct slice *k, size_t *pos, uint32_t *ret);
/* Is K N names and nothing else? They are in NAMES then. */
bool key_read_names(const struct slice *k, char (*names)[33], size_t n);
/* Does K begin with an owner and an id? They are in OWNER and RET then. */
bool key_read_id(const struct slice *k, char owner[33], uint32_t *ret);
bool key_begins(struct slice k, const struct key *front);
/* From and to sub-identifiers. key_from_subids: any OID suffix, also partial and over-long (cut at
 * SA_KEY_MAX); each sub-identifier must fit 32 bits. */
bool key_from_subids(struct key *k, const uint32_t *subids, size_t n);
size_t key_to_subids(const struct slice *k, uint32_t *subids, size_t cap);
/* Is K a complete, well-formed index of T (name lengths, ranges, nothing left)? */
bool key_valid(const struct sa_table *t, const struct slice *k);
static inline struct slice key_slice(const struct key *k)
{
    struct slice s = {k->data, k->len};
    return s;
}

/* ---- reading rows
 * -------------------------------------------------------------------------------*/
/* A row as it is stored; everything it points to is valid until its transaction ends or writes. */
struct row {
    const struct sa_table *table;
    struct slice key;
    struct slice durable, volatile_; /* encoded cells; empty when there are none */
};

/* 0, ERR_NOTFOUND (not sticky), or the sticky error. */
int row_get(struct txn *t, const struct sa_table *table, const struct key *k, struct row *ret);
bool row_exists(struct txn *t, const struct sa_table *table, const struct key *k);
/* Has the cell been set? (row_int and row_text answer the column's default when it has not.) */
bool row_has(const struct row *r, unsigned column);
int64_t row_int(const struct row *r, unsigned column);
struct slice row_text(const struct row *r, unsigned column); /* not terminated */
/* Copy, terminated, cut at CAP - 1 at a UTF-8 boundary; returns DST. */
char *row_str(const struct row *r, unsigned column, char *dst, size_t cap);
/* What the configuration file says of the cell, in a row of a table with a `file` column; false
 * when it says nothing. Borrowed like other cells. */
bool row_file_text(const struct row *r, unsigned column, struct slice *ret);
/* Does it say so, and does the cell, a text, say the same? */
bool row_as_in_file(const struct row *r, unsigned column);
/* Is the row in force: no RowStatus column, or RowStatus active? */
bool row_active(const struct row *r);

/* Walk a table in key order. PREFIX (may be NULL) bounds the walk to keys that start with it.
 *   struct cursor c; struct row r;
 *   for (cursor_first(&c, t, table, prefix); cursor_row(&c, &r); cursor_next(&c)) ...
 *   cursor_close(&c);
 * Rows may be deleted or edited under way (the cursor keeps a copy of its key). */
struct cursor {
    struct txn *txn;
    const struct sa_table *table;
    void *impl;
    struct key prefix, at;
    bool valid;
};
void cursor_first(struct cursor *c, struct txn *t, const struct sa_table *table,
                  const struct key *prefix);
/* The first row with key >= K (or > K when AFTER), within PREFIX if not NULL. */
void cursor_seek(struct cursor *c, struct txn *t, const struct sa_table *table,
                 const struct key *prefix, const struct key *k, bool after);
bool cursor_row(struct cursor *c, struct row *ret);
void cursor_next(struct cursor *c);
void cursor_close(struct cursor *c);
/* Rows in the table, O(1). */
uint64_t table_count(struct txn *t, const struct sa_table *table);

/* ---- changing rows
 * ------------------------------------------------------------------------------- One way for SNMP,
 * XML and the stages. An edit collects cells; row_put() checks every one against the schema
 * (syntax, range, length, UTF-8; the keep class must fit the transaction) and writes the row if
 * anything differs. Cells are at most SA_CELL_MAX octets (hidden ones 4,096). */
struct edit {
    struct txn *txn;
    const struct sa_table *table;
    struct key key;
    struct buf cells;    /* staged: u8 number, u8 clear?, u16 length, octets */
    bool existed;        /* at edit_begin */
    struct slice before; /* the part that is edited, as read then */
    uint64_t before_at;  /* good while the transaction has written nothing since; 0: not read */
    int err;             /* sticky: the first cell that was refused */
    uint8_t err_column;
    uint32_t changed[8]; /* after row_put: bit per column number */
};
/* Row need not exist. */
void edit_begin(struct edit *d, struct txn *t, const struct sa_table *table, const struct key *k);
/* Of a row that cannot be there, since its id was given just now: it is not looked for. */
void edit_new(struct edit *d, struct txn *t, const struct sa_table *table, const struct key *k);
void edit_int(struct edit *d, unsigned column, int64_t v);
void edit_text(struct edit *d, unsigned column, const void *p, size_t n);
void edit_str(struct edit *d, unsigned column,
              const char *s); /* cut to the column's max at a boundary */
void edit_clear(struct edit *d, unsigned column);
/* What the configuration file says of a row of which it says one text: kept in the `file` column.
 */
void edit_file_text(struct edit *d, unsigned column, const void *p, size_t n);
void edit_add(struct edit *d, unsigned column, int64_t delta); /* counters: wraps; gauges: clamps */
/* Writes and ends the edit. ERR_WRONG_TYPE/_LENGTH/_VALUE with words naming table and column. A
 * refused cell does not make the transaction fail; an LMDB failure does. */
int row_put(struct edit *d, struct err *e);
void edit_cancel(struct edit *d);
/* Deletes the row's durable (or, in TXN_WRITE_SAMPLES, volatile) part. ERR_NOTFOUND if absent.
 * Whoever deletes a durable row by this deletes its volatile part too (store/set.h does), or a
 * later row of the same name inherits it. */
int row_delete(struct txn *t, const struct sa_table *table, const struct key *k);

/* The next id for TABLE's rows (1, 2, ...): never given twice, also over deletes and restarts.
 * ERR_FULL at 2^32. In its keep class's transaction. */
int id_next(struct txn *t, const struct sa_table *table, uint32_t *ret);

/* ---- own databases
 * -------------------------------------------------------------------------------- Named key-value
 * databases outside the schema (secondary indexes, queues), in `state`. Names are fixed at compile
 * time (at most 24 of them); keys at most 511 octets. Values are borrowed until the transaction
 * ends or writes. */
int kv_get(struct txn *t, const char *db, struct slice key, struct slice *ret);
int kv_put(struct txn *t, const char *db, struct slice key, struct slice value);
int kv_del(struct txn *t, const char *db, struct slice key); /* ERR_NOTFOUND is not sticky */
/* The first pair with key >= FROM (or > FROM when AFTER); ERR_NOTFOUND at the end. Results are
 * borrowed likewise. */
int kv_seek(struct txn *t, const char *db, struct slice from, bool after, struct slice *ret_key,
            struct slice *ret_value);
uint64_t kv_count(struct txn *t, const char *db);

/* ---- after a repair ------------------------------------------------------------------------- */

/* Derived databases must be made anew (alerts/rebuild.h does), and are. */
bool rebuild_wanted(struct txn *t);
int rebuild_done(struct txn *t);
/* Ids of TABLE go on behind LAST, if they have not come as far. */
int id_at_least(struct txn *t, const struct sa_table *table, uint32_t last);
/* Removes all pairs of an own database. */
int kv_clear(struct txn *t, const char *db);

/* ---- the changes ring
 * ----------------------------------------------------------------------------- What SETs touched,
 * for the core: appended in the SET's own transaction, consumed in the transaction that commits the
 * effects. */
struct change {
    uint64_t seq;
    uint8_t table; /* enum sa_table_id */
    enum { CHANGE_CREATED = 1, CHANGE_UPDATED, CHANGE_DELETED } op;
    struct slice key;
    uint32_t columns[8]; /* bit per column number that was set */
};
bool change_has(const struct change *c, unsigned column);
int changes_append(struct txn *t, unsigned table, int op, struct slice key,
                   const uint32_t columns[8]);
/* The first change with seq > AFTER; ERR_NOTFOUND when there is none. */
int changes_next(struct txn *t, uint64_t after, struct change *ret);
/* The consumed sequence (0 at first), and setting it, which also removes what is consumed. */
uint64_t changes_consumed(struct txn *t);
int changes_consume(struct txn *t, uint64_t seq);

#endif
