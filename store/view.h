/* The MIB as a sorted list of instances, without any SNMP library: GET and GETNEXT over OID
 * suffixes (below ROOT.1). The agent, the core's notifications and the tests read cells through
 * this and nothing else. */
#ifndef STORE_VIEW_H
#define STORE_VIEW_H

#include "store/store.h"

/* A value as a manager sees it. */
struct cell {
    const struct sa_column *column;
    enum sa_syntax syntax;
    int64_t number;       /* all syntaxes but texts */
    struct slice bytes;   /* texts; SA_DATE and SA_BITS in their wire form */
    uint8_t scratch[256]; /* bytes may point here: do not copy the struct by value and keep it */
};

/* Computed columns: CB fills RET (number, also for SA_DATE (ms) and SA_BITS (mask), which are put
 * into their wire form afterwards; or bytes that live until the transaction ends, or in
 * RET->scratch). RET comes with column and syntax filled in and the default as its value. A
 * function that is registered for a stored column wins over what is stored, so that a secret can be
 * read as empty. Registered once at start, by whoever knows the answer. ERR_NOTFOUND: no such
 * table or column. */
typedef void (*view_compute)(void *arg, struct txn *t, const struct row *r, struct cell *ret);
int view_register(struct store *s, unsigned table, unsigned column, view_compute cb, void *arg);

/* The cell of a row. ERR_NOTFOUND: the row has no such instance (a required column of a row that
 * is not ready). Index columns answer their part of the key. */
int view_cell(struct txn *t, const struct row *r, const struct sa_column *c, struct cell *ret);

/* GET: SUBIDS is the OID below ROOT.1 (table arc first). 0; ERR_NOTFOUND: no such instance;
 * ERR_UNSUPPORTED: no such object. */
int view_get(struct txn *t, const uint32_t *subids, size_t n, struct cell *ret);

/* GETNEXT: the first instance after SUBIDS, which may be anything (empty, partial, over-long).
 * RET_SUBIDS has room for 128. ERR_NOTFOUND at the end of the view. What follows the instance that
 * the call before it answered, in the same transaction, costs no search. */
int view_next(struct txn *t, const uint32_t *subids, size_t n, uint32_t *ret_subids, size_t *ret_n,
              struct cell *ret);

/* The same within one owner's part of the view. OWNER is key_of_name(NAME), or NULL for the whole.
 * Part of it are the tables whose first index is saOwner (the row of saOwnerTable, too), and of
 * them the rows that begin with this owner; tables that are nobody's (saSystem, saProcessTable) are
 * not: they answer ERR_UNSUPPORTED, a foreign row ERR_NOTFOUND whether it exists or not. Each step
 * is a seek to the owner's rows: what others have costs nothing. */
int view_get_of(struct txn *t, const struct key *owner, const uint32_t *subids, size_t n,
                struct cell *ret);
int view_next_of(struct txn *t, const struct key *owner, const uint32_t *subids, size_t n,
                 uint32_t *ret_subids, size_t *ret_n, struct cell *ret);
/* Is the table's first index saOwner? */
bool view_owned(const struct sa_table *table);

/* The OID suffix of a cell (for varbinds); returns the number of sub-identifiers. */
size_t view_oid(const struct sa_table *table, unsigned column, const struct slice *key,
                uint32_t *ret_subids, size_t cap);

#endif
