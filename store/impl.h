/* Inside the store: what its own files share. Nobody else includes this (nor lmdb.h). */
#ifndef STORE_IMPL_H
#define STORE_IMPL_H

#include <lmdb.h>

#include "store/set.h"
#include "store/store.h"
#include "store/sum.h"
#include "store/view.h"

enum { ENV_STATE, ENV_SAMPLES, ENV_COUNT };
extern const char *const store_env_names[ENV_COUNT]; /* their folders */

#define LITERAL(s) ((struct slice){(const uint8_t *)(s), sizeof(s) - 1})

/* In `meta`: the version as every program reads it, and again with a sum. */
#define VERSION_KEY "version"
#define FORMAT_KEY  "format"
enum {
    FORMAT_VERSION = 3,
    VERSION_SUMS = 2,  /* since then values have sums */
    VERSION_SHORT = 3, /* since then numbers take as few octets as hold them */
};

/* Also in `meta`: boot id and clean mark of `samples`; whether derived databases are to be made. */
#define SAMPLES_BOOT_KEY  "samples.boot"
#define SAMPLES_CLEAN_KEY "samples.clean"
#define REBUILD_KEY       "rebuild"

/* Limits. */
enum {
    SLOT_MAX = 64,     /* tables */
    KV_MAX = 32,       /* own databases */
    META_KEY_MAX = 80, /* with a nul */
    KV_NAME_MAX = 31,  /* octets of a name that is remembered */
    KV_HINTS = 257,
    READ_TXN_MAX = 4,  /* read transactions at once in this process */
    HIDDEN_MAX = 16384, /* octets of a hidden cell */
    ROW_MAX = 262144,  /* octets of a row's part */
    FULL_PERCENT = 90,
    RESERVE_BYTES = 2 << 20, /* of the disk, for when it is full */
};

struct compute {
    view_compute cb;
    void *arg;
};

/* A table as it is open here. */
struct slot {
    const struct sa_table *table;
    unsigned number; /* in store.slots */
    int home;        /* the environment whose part makes the row exist */
    bool in[ENV_COUNT];
    MDB_dbi dbi[ENV_COUNT];
    uint64_t seed;             /* of the sums */
    char id_key[META_KEY_MAX]; /* of its last id, in `meta` */
    const struct sa_column *by_number[SA_COLUMN_MAX + 1];
    const struct sa_column *readable[SA_COLUMN_MAX]; /* by GET and GETNEXT, ascending */
    size_t nreadable;
    struct compute compute[SA_COLUMN_MAX + 1];
    set_check_fn check;
    void *check_arg;
};

/* An LMDB cursor that outlives its read transaction: renewed when BOUND is not the transaction's
 * generation, lent to a struct cursor while BUSY is. */
struct curs {
    struct curs *next;
    MDB_cursor *mdb;
    uint64_t bound, busy;
    uint64_t walked; /* the transaction in which the view left it at k; 0: it was moved since */
    uint64_t writes; /* of the transaction, when k and v were read */
    MDB_val k, v;
};

struct txn {
    struct store *store;
    enum txn_kind kind;
    bool open, allow_growth;
    uint64_t generation; /* another one at every begin */
    uint64_t writes;     /* counts what makes borrowed values stale */
    uint64_t growths;
    bool named;              /* a database got its name in this transaction */
    struct err err;          /* sticky */
    MDB_txn *mdb[ENV_COUNT]; /* readers stay, reset, between transactions */
    bool live[ENV_COUNT];    /* renewed (or begun) in this transaction */
    struct curs *curs[ENV_COUNT][SLOT_MAX];
    struct buf scratch, spare; /* spare: of the last edit, for the next one */
};

/* Where store_scrub is: the number of a database, and its key before the next; len 0: its start. */
struct scrub {
    size_t db, len;
    uint8_t key[511];
};

struct store {
    char *path;
    int core_lock; /* descriptor of the one core's lock, -1 */
    MDB_env *env[ENV_COUNT];
    MDB_dbi meta[ENV_COUNT];
    MDB_dbi changes, names;
    MDB_dbi kv[KV_MAX];
    uint64_t meta_seed, changes_seed, names_seed, kv_seed[KV_MAX]; /* of the sums */
    char kv_names[KV_MAX][KV_NAME_MAX + 1]; /* those that are known to be committed */
    uint8_t kv_hints[KV_HINTS];             /* where a name was, by its address */
    struct slot *slots[SLOT_MAX];
    size_t nslots;
    struct slot *by_id[256];
    struct slot *owners; /* the table whose only index is saOwner, or NULL */
    struct slot *recent;
    uint32_t block_end[SLOT_MAX]; /* ids reserved for volatile tables, as committed */
    uint64_t generation;
    void (*on_fatal)(void *arg, int code, const char *words);
    void *fatal_arg;
    bool fatal; /* it was called */
    struct scrub scrub;
    int reserve; /* the core's descriptor of that file, -1 */
    struct txn read[READ_TXN_MAX], write, samples, broken;
};

struct slot *slot_of(struct store *s, const struct sa_table *table); /* NULL: not open here */
/* Where the column's cells live, ENV_COUNT when nowhere (computed). */
int column_env(const struct sa_table *t, const struct sa_column *c);

/* The LMDB transaction of an environment, renewed on first use; NULL with the sticky error. */
MDB_txn *txn_mdb(struct txn *t, int env);
/* The environment a write transaction writes, ENV_COUNT for read ones. */
int txn_env(const struct txn *t);
/* Converts, and makes it sticky unless 0 or MDB_NOTFOUND. */
int txn_lmdb(struct txn *t, int rc, const char *what);
int txn_fail_words(struct txn *t, int code, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* 0, or ERR_FULL (sticky) when the environment may not grow. */
int txn_growth(struct txn *t);
struct curs *txn_cursor(struct txn *t, int env, const struct slot *slot);
int lmdb_code(int rc);
/* What an environment holds that VERSION made, as it is written now; the version's own records
 * aside. 0 or LMDB's code. */
int store_upgrade(struct store *s, MDB_txn *x, int env, uint64_t version);
/* Appends to RET the row OLD, of whatever version, as it is put now. 0, ERR_CORRUPT (it does not
 * read) or the buffer's error. */
int row_upgrade(const struct sa_table *table, uint64_t seed, struct slice key, struct slice old,
                struct buf *ret);
/* What is there is not looked at before. */
int store_open_as_is(struct store **ret, const struct store_options *o, struct err *e);
int store_wipe_samples(const char *path, struct err *e);
int store_boot_id(char ret[37]);
extern const size_t store_default_map;
/* The key as an OID, as far as it fits. */
enum { KEY_WORDS_MAX = 128 };
const char *key_words(struct slice key, char ret[KEY_WORDS_MAX]);
/* What DB has at KEY is damaged: ERR_CORRUPT, sticky, and the process is told. */
int txn_damage(struct txn *t, const char *db, struct slice key);
/* Puts VALUE with its sum in front; LMDB's code. */
int sealed_put(MDB_txn *x, MDB_dbi dbi, uint64_t seed, struct slice key, struct slice value,
               unsigned flags);
/* What was read is checked: RET is the value behind its sum. ERR_CORRUPT (sticky) if it is not what
 * was written; DB is its name for people. */
int sealed_open(struct txn *t, const char *db, uint64_t seed, struct slice key, MDB_val v,
                struct slice *ret);
bool env_full(struct store *s, int env);
/* The disk's reserve (reserve.c). keep: the core takes it, or again, when there is plenty of room;
 * give: it is room for others now. missing: octets that are, and that only alerts may use. */
void reserve_open(struct store *s);
void reserve_keep(struct store *s);
void reserve_give(struct store *s);
uint64_t reserve_missing(const struct store *s);

/* Raw parts of rows. ERR_NOTFOUND is not sticky. part_check: is what was read what was written, or
 * ERR_CORRUPT (sticky)? */
int part_check(struct txn *t, const struct slot *slot, struct slice key, struct slice value);
int part_get(struct txn *t, int env, const struct slot *slot, struct slice key, struct slice *ret);
int part_put(struct txn *t, const struct slot *slot, struct slice key, struct slice value,
             bool grows);
int part_del(struct txn *t, const struct slot *slot, struct slice key);

/* Rows of an owner (count.c): OWNER is a key that begins with it. */
int64_t count_get(struct txn *t, const struct slot *slot, struct slice owner);
void count_add(struct txn *t, const struct slot *slot, struct slice key, int delta);

int meta_get(struct txn *t, int env, const char *key, uint64_t *ret);
int meta_put(struct txn *t, int env, const char *key, uint64_t value);
int name_put(struct txn *t, const char *key, uint64_t n);

static inline MDB_val val_of(struct slice s)
{
    MDB_val v = {s.len, (void *)(uintptr_t)s.data};
    return v;
}
static inline struct slice slice_of(MDB_val v)
{
    struct slice s = {v.mv_data, v.mv_size};
    return s;
}

#endif
