/* Inside set: what its files share. */
#ifndef STORE_SET_IMPL_H
#define STORE_SET_IMPL_H

#include "store/impl.h"

enum { SET_VARBINDS_MAX = 4096, SET_XML_VARBINDS_MAX = 1000000, SET_BUCKETS = 1024 };

struct varbind {
    struct varbind *next;
    int tag;
    const struct sa_column *column; /* NULL: only that the row shall exist (XML) */
    int64_t number;
    struct buf bytes;
};

/* A row that the set names. What is below VARBINDS is the result of the last evaluation. */
struct set_row {
    struct set_row *chain; /* in its bucket */
    struct slot *slot;
    struct key key;
    struct varbind *varbinds; /* in the order in which they came */
    bool existed, exists;     /* before and after */
    bool triggered;
    int64_t unready_since;    /* ms, 0: it was active once, or is new */
    struct buf before, after; /* durable parts */
    uint32_t changed[8];      /* cells that differ */
    uint32_t touched[8];      /* what the ring says was set */
};

struct set {
    struct store *store;
    enum set_origin origin;
    enum sa_storage storage;
    struct set_row **rows; /* in the order in which they were named */
    size_t nrows, rows_cap, nvarbinds;
    struct set_row *buckets[SET_BUCKETS];
    char owner[33];
    struct key only; /* of the owner whose rows it takes; empty: of all */
    bool committed, whole_rows;
};

struct set_look {
    const struct set *set;
    struct txn *txn;
};

struct set_row *set_find(const struct set *x, const struct slot *slot, struct slice key);
struct varbind *set_varbind(const struct set_row *r, unsigned column); /* NULL: not named */
/* Is it one whose SET is an event rather than a value? */
bool set_is_trigger(const struct sa_column *c);

/* Is it one that the configuration file says (or leaves to its default)? */
bool set_of_file(const struct sa_table *t, const struct sa_column *c);

/* A refusal: fills E with "column.index: words" and RET_TAG with the varbind of COLUMN (else that
 * of the RowStatus, else the first); returns CODE. */
int set_blame(const struct set_row *r, unsigned column, int code, int *ret_tag, struct err *e,
              const char *fmt, ...) __attribute__((format(printf, 6, 7)));
/* "column.1.2.3", cut when long. */
void set_name_of(const struct sa_table *t, const struct sa_column *c, struct slice key, char *ret,
                 size_t cap);

/* Works out every row's AFTER within T and asks every check. */
int set_evaluate(struct set *x, struct txn *t, bool final, int *ret_tag, struct err *e);

/* The index of rows that were never active (own database): when they were made. */
int64_t unready_get(struct txn *t, const struct slot *slot, const struct key *k); /* 0: not one */
int unready_put(struct txn *t, const struct slot *slot, const struct key *k, int64_t since);
int unready_del(struct txn *t, const struct slot *slot, const struct key *k);

static inline struct row set_row_of(const struct set_row *r, const struct buf *part)
{
    return (struct row){
        .table = r->slot->table,
        .key = key_slice(&r->key),
        .durable = {part->data, part->len},
    };
}

#endif
