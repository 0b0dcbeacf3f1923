/* Repair. The new `state` is built in the folder state.new; when it is complete and synced, `state`
 * is renamed to state.damaged-TIME, then state.new to `state` (within one folder: more is not
 * allowed to a confined process). Killed before the first rename, `state` is as it was, and
 * state.new is thrown away by the next; killed between them, there is no `state`, and whoever opens
 * the store next takes the second step. To be made consistent, state.new is opened as the store
 * `repair`.
 *
 * What is taken over: every page that is not in the free list is current, and every value's sum
 * tells the database and the key that it was written for. So a page is of use wherever it is found:
 * first by the trees, in order, then, if the free list is sound, those pages that no tree leads to
 * any more because a page above them is lost. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "store/set_impl.h"
#include "store/verify_impl.h"

enum {
    KEEP_MAX = 3,        /* damaged ones that stay */
    BATCH = 20000,       /* pairs in a transaction */
    ID_MARGIN = 1 << 16, /* ids that may have been given, for all we know */
    BLOCK_MARGIN = 1 << 20,
};
#define DAMAGED "state.damaged-"

/* ---- folders ------------------------------------------------------------------------------------
 */

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
    (void)st, (void)flag, (void)ftw;
    return remove(path);
}

static void remove_tree(const char *path)
{
    nftw(path, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static int sync_folder(const char *path, struct err *e)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int rc = fd < 0 || fsync(fd) ? err_errno(e, "syncing the folder %s", path) : 0;
    if (fd >= 0)
        close(fd);
    return rc;
}

struct names {
    char state[VERIFY_PATH_MAX], made[VERIFY_PATH_MAX];
    char work[VERIFY_PATH_MAX], link[VERIFY_PATH_MAX]; /* the store, and made in it */
};

static void names_of(struct names *n, const char *path)
{
    snprintf(n->state, sizeof n->state, "%s/state", path);
    snprintf(n->work, sizeof n->work, "%s/repair", path);
    snprintf(n->made, sizeof n->made, "%s/state.new", path);
    snprintf(n->link, sizeof n->link, "%s/repair/state", path);
}

static int move(const char *from, const char *to, struct err *e)
{
    return rename(from, to) ? err_errno(e, "renaming %s to %s", from, to) : 0;
}

int repair_finish(const char *path, struct err *e)
{
    struct names n;
    names_of(&n, path);
    remove_tree(n.work);
    if (access(n.made, F_OK))
        return 0;
    if (access(n.state, F_OK)) {
        int rc = move(n.made, n.state, e);
        return rc ? rc : sync_folder(path, e);
    }
    remove_tree(n.made);
    return 0;
}

static int damaged_only(const struct dirent *d)
{
    return !strncmp(d->d_name, DAMAGED, sizeof DAMAGED - 1);
}

/* All but the LEAVE newest: the names are in the order of time. */
static void remove_oldest(const char *path, int leave)
{
    struct dirent **list;
    char name[VERIFY_PATH_MAX];
    int n = scandir(path, &list, damaged_only, alphasort);
    for (int i = 0; i < n; i++) {
        if (i < n - leave &&
            snprintf(name, sizeof name, "%s/%s", path, list[i]->d_name) < (int)sizeof name)
            remove_tree(name);
        free(list[i]);
    }
    if (n >= 0)
        free(list);
}

static void make_room(const char *path)
{
    char reserve[VERIFY_PATH_MAX];
    snprintf(reserve, sizeof reserve, "%s/reserve", path);
    remove_oldest(path, 0);
    if (truncate(reserve, 0))
        errno = 0; /* there is none */
}

/* A name that is not taken: repairs within one second are told apart. */
static void damaged_name(const char *path, char *ret, size_t cap)
{
    time_t now = (time_t)(clock_wall_ms() / 1000);
    struct tm tm;
    char at[32];
    gmtime_r(&now, &tm);
    strftime(at, sizeof at, "%Y%m%dT%H%M%SZ", &tm);
    snprintf(ret, cap, "%s/" DAMAGED "%s", path, at);
    for (int i = 1; i < 1000 && !access(ret, F_OK); i++)
        snprintf(ret, cap, "%s/" DAMAGED "%s.%d", path, at, i);
}

/* ---- taking over --------------------------------------------------------------------------------
 */

struct salvage {
    struct scan *s;
    const struct scan_db *d; /* where the walk is; NULL: at a page that no tree leads to */
    MDB_env *env;
    MDB_txn *txn;
    MDB_dbi *dbi; /* by number in s->dbs */
    unsigned pending;
    struct buf row; /* of an earlier version, as it is written now */
    struct verify_report *r;
    int rc; /* LMDB's, sticky */
};

static void commit(struct salvage *v)
{
    if (v->rc || !v->txn)
        return;
    v->rc = mdb_txn_commit(v->txn);
    v->txn = NULL;
    v->pending = 0;
}

static void begin(struct salvage *v)
{
    if (!v->rc && !v->txn)
        v->rc = mdb_txn_begin(v->env, NULL, 0, &v->txn);
}

/* The database that the pair was written for: the one it was found in, if its sum is right. */
static const struct scan_db *belongs(const struct salvage *v, const struct page_pair *pair)
{
    if (v->d && scan_sound(v->s, v->d, pair))
        return v->d;
    if (v->s->version < VERSION_SUMS)
        return NULL;
    for (size_t i = 0; i < v->s->n; i++) {
        const struct scan_db *d = &v->s->dbs[i];
        bool bare = i == 0 && slice_equal(pair->key, LITERAL(VERSION_KEY));
        if (!bare && scan_sound(v->s, d, pair))
            return d;
    }
    return NULL;
}

/* Both records of the version are made anew. */
static bool is_version(const struct scan *s, const struct scan_db *d, struct slice key)
{
    return d == s->dbs && s->version >= VERSION_SUMS &&
           (slice_equal(key, LITERAL(VERSION_KEY)) || slice_equal(key, LITERAL(FORMAT_KEY)));
}

/* Refused by the schema: the key is no index of the table, or the cells do not read. */
static bool acceptable(const struct scan_db *d, const struct page_pair *pair)
{
    return !d->table || (key_valid(d->table, &pair->key) && !cells_check(pair->value));
}

/* What is copied gets the version of this program. One without sums is copied as it is. */
static struct slice as_written_now(struct salvage *v, const struct scan_db *d,
                                   const struct page_pair *pair)
{
    uint64_t version = v->s->version;
    if (!d->rows || !d->table || version < VERSION_SUMS || version >= VERSION_SHORT)
        return pair->value;
    buf_clear(&v->row);
    if (row_upgrade(d->table, d->seed, pair->key, pair->value, &v->row)) {
        v->rc = v->row.err ? ENOMEM : v->rc;
        return pair->value;
    }
    return (struct slice){v->row.data, v->row.len};
}

static void take_over(void *arg, const struct page_pair *pair)
{
    struct salvage *v = arg;
    if (v->rc || pair->database)
        return;
    const struct scan_db *d = belongs(v, pair);
    if (d && is_version(v->s, d, pair->key))
        return;
    if (!d || !acceptable(d, pair)) {
        v->r->bad_rows++;
        return;
    }
    begin(v);
    MDB_val k = val_of(pair->key), value = val_of(as_written_now(v, d, pair));
    MDB_dbi dbi = v->dbi[d - v->s->dbs];
    if (v->rc)
        return;
    int rc = mdb_put(v->txn, dbi, &k, &value, MDB_APPEND);
    if (rc == MDB_KEYEXIST) /* not behind the last one */
        rc = mdb_put(v->txn, dbi, &k, &value, MDB_NOOVERWRITE);
    if (rc == MDB_KEYEXIST) {
        v->r->bad_rows++;
        return;
    }
    v->rc = rc;
    if (d->rows)
        v->r->rows++;
    else
        v->r->values++;
    if (++v->pending >= BATCH)
        commit(v);
}

static void open_all(struct salvage *v)
{
    begin(v);
    for (size_t i = 0; !v->rc && i < v->s->n; i++)
        v->rc = mdb_dbi_open(v->txn, v->s->dbs[i].name, MDB_CREATE, &v->dbi[i]);
    commit(v);
}

static void ignore(void *arg, const struct page_pair *pair)
{
    (void)arg;
    (void)pair;
}

static void walk_all(struct salvage *v, bool free_sound)
{
    struct page_file *p = &v->s->file;
    struct page_walk w = {.skip_unused = free_sound, .pair = take_over, .arg = v};
    struct page_walk none = {.db = "", .pair = ignore};
    page_forget(p);
    page_walk(p, &p->meta[p->newest].free, &none);
    page_walk(p, &p->meta[p->newest].main, &none);
    for (size_t i = 0; !v->rc && i < v->s->n; i++) {
        v->d = &v->s->dbs[i];
        w.db = v->d->name;
        if (v->d->found)
            page_walk(p, &v->d->tree, &w);
    }
    v->d = NULL;
    w.db = "lost page";
    for (uint64_t page = 0; !v->rc && free_sound && page < p->npages; page++)
        if (!page_is_seen(p, page) && !page_is_unused(p, page))
            page_walk_leaf(p, page, &w);
    commit(v);
    mdb_txn_abort(v->txn);
    v->txn = NULL;
}

static int make_env(MDB_env **ret, const struct store_options *o, const char *folder, size_t dbs,
                    struct err *e)
{
    int rc = mdb_env_create(ret);
    if (!rc)
        rc = mdb_env_set_maxdbs(*ret, (MDB_dbi)dbs + 1);
    if (!rc)
        rc = mdb_env_set_mapsize(*ret, o->map_bytes ? o->map_bytes : store_default_map);
    if (!rc)
        rc = mdb_env_open(*ret, folder, MDB_NOSYNC | MDB_NOTLS, 0640);
    return rc ? err_set(e, lmdb_code(rc), "making %s: %s", folder, mdb_strerror(rc)) : 0;
}

/* What can be read goes to FOLDER, synced. */
static int copy_good(struct scan *s, const struct store_options *o, const char *folder,
                     struct verify_report *r, struct err *e)
{
    struct salvage v = {.s = s, .r = r, .dbi = calloc(s->n, sizeof *v.dbi)};
    struct verify_report ignored = {0};
    buf_init(&v.row, 2 * ROW_MAX);
    int rc = v.dbi ? make_env(&v.env, o, folder, s->n, e) : err_set(e, ERR_NOMEM, "out of memory");
    bool free_sound = verify_scan(s, false, &ignored);
    if (!rc) {
        open_all(&v);
        walk_all(&v, free_sound);
        if (!v.rc)
            v.rc = mdb_env_sync(v.env, 1);
        if (v.rc)
            rc = err_set(e, lmdb_code(v.rc), "writing %s: %s", folder, mdb_strerror(v.rc));
    }
    r->bad_pages = ignored.bad_pages;
    memcpy(r->first, ignored.first, sizeof r->first);
    if (v.env)
        mdb_env_close(v.env);
    buf_release(&v.row);
    free(v.dbi);
    return rc;
}

/* ---- making it consistent
 * ------------------------------------------------------------------------ With the store open as
 * such. Indexes that the core derives are its own (alerts/rebuild.h). */

static int meta_missing(struct txn *t, const char *kind, const char *name)
{
    uint64_t v;
    char key[96];
    snprintf(key, sizeof key, "%s=%s", kind, name);
    return meta_get(t, ENV_STATE, key, &v) == ERR_NOTFOUND;
}

static int meta_number(struct txn *t, const char *kind, const char *name, uint64_t value)
{
    char key[96];
    snprintf(key, sizeof key, "%s=%s", kind, name);
    return meta_put(t, ENV_STATE, key, value < UINT32_MAX ? value : UINT32_MAX);
}

/* The last sub-identifier of the rows' keys, which is what ids are. */
static uint32_t greatest_id(struct txn *t, const struct sa_table *table)
{
    struct cursor c;
    struct row r;
    uint32_t most = 0;
    for (cursor_first(&c, t, table, NULL); cursor_row(&c, &r); cursor_next(&c)) {
        uint32_t id = r.key.len >= 4 ? get_u32(r.key.data + r.key.len - 4) : 0;
        if (id > most)
            most = id;
    }
    cursor_close(&c);
    return most;
}

static bool numbered(const struct sa_table *table)
{
    return table->nindex && table->index[table->nindex - 1].syntax == SA_UNSIGNED;
}

/* Counters that are lost go on behind all that can have been given. */
static void restore_ids(struct txn *t, struct store *s)
{
    for (size_t i = 0; i < s->nslots && !t->err.code; i++) {
        const struct sa_table *table = s->slots[i]->table;
        if (s->slots[i]->home == ENV_SAMPLES) {
            if (meta_missing(t, "block", table->name))
                meta_number(t, "block", table->name, BLOCK_MARGIN);
        } else if (meta_missing(t, "id", table->name)) {
            uint64_t most = numbered(table) ? greatest_id(t, table) : 0;
            meta_number(t, "id", table->name, most + ID_MARGIN);
        }
    }
}

struct known_names {
    char key[KV_MAX][META_KEY_MAX]; /* "kv=NAME", by number; "": nobody's */
    uint64_t next;
};

static void read_names(struct txn *t, MDB_dbi dbi, uint64_t seed, struct known_names *ret)
{
    MDB_cursor *c;
    MDB_val k, v;
    struct slice value;
    if (txn_lmdb(t, mdb_cursor_open(txn_mdb(t, ENV_STATE), dbi, &c), "names"))
        return;
    while (!mdb_cursor_get(c, &k, &v, MDB_NEXT)) {
        bool name = k.mv_size > 3 && k.mv_size < META_KEY_MAX && !memcmp(k.mv_data, "kv=", 3) &&
                    sum_open(seed, slice_of(k), slice_of(v), &value) && value.len == 8;
        uint64_t n = name ? get_u64(value.data) : KV_MAX;
        if (n >= KV_MAX || ret->key[n][0])
            continue;
        memcpy(ret->key[n], k.mv_data, k.mv_size);
        ret->next = n >= ret->next ? n + 1 : ret->next;
    }
    mdb_cursor_close(c);
}

/* Which own database is whose, from both places where it stands. One without a name is emptied, for
 * nobody will ever look at it. */
static void restore_names(struct txn *t, struct store *s)
{
    struct known_names names = {.next = 0};
    MDB_txn *x = txn_mdb(t, ENV_STATE);
    if (!x)
        return;
    read_names(t, s->meta[ENV_STATE], s->meta_seed, &names);
    read_names(t, s->names, s->names_seed, &names);
    t->writes++;
    for (uint64_t i = 0; i < KV_MAX; i++) {
        if (names.key[i][0] && !meta_put(t, ENV_STATE, names.key[i], i))
            name_put(t, names.key[i], i);
        else
            txn_lmdb(t, mdb_drop(x, s->kv[i], 0), "an own database");
    }
    meta_put(t, ENV_STATE, "kv.count", names.next);
}

/* The ring goes on behind its records; if nothing is known, behind what can ever have been. */
static void restore_ring(struct txn *t)
{
    uint64_t consumed;
    struct change ch;
    if (meta_get(t, ENV_STATE, "changes.consumed", &consumed) != ERR_NOTFOUND)
        return;
    int rc = changes_next(t, 0, &ch);
    consumed = rc ? (uint64_t)clock_wall_ms() : ch.seq - 1;
    if (!rc || rc == ERR_NOTFOUND)
        meta_put(t, ENV_STATE, "changes.consumed", consumed);
}

/* Rows of an owner, and rows that were never active: by the rows. */
static void restore_counts(struct txn *t, struct store *s)
{
    struct cursor c;
    struct row r;
    struct slice k, v;
    while (!kv_seek(t, "set.count", (struct slice){NULL, 0}, false, &k, &v)) {
        uint8_t copy[511];
        memcpy(copy, k.data, k.len);
        if (kv_del(t, "set.count", (struct slice){copy, k.len}))
            return;
    }
    for (size_t i = 0; i < s->nslots && !t->err.code; i++) {
        const struct slot *slot = s->slots[i];
        if (!slot->table->row_status || slot->home != ENV_STATE)
            continue;
        for (cursor_first(&c, t, slot->table, NULL); cursor_row(&c, &r); cursor_next(&c)) {
            struct key key = key_copy(r.key);
            bool waits = !row_active(&r) && row_int(&r, slot->table->row_status) == ROW_NOT_READY &&
                         !unready_get(t, slot, &key);
            count_add(t, slot, key_slice(&key), 1);
            if (waits)
                unready_put(t, slot, &key, clock_wall_ms());
        }
        cursor_close(&c);
    }
}

static int make_consistent(const struct store_options *o, const char *folder, struct err *e)
{
    struct store *s = NULL;
    struct store_options own = *o;
    own.path = folder;
    own.recover_samples = true;
    int rc = store_open_as_is(&s, &own, e);
    if (rc)
        return rc;
    struct txn *t = txn_begin(s, TXN_WRITE);
    txn_allow_growth(t);
    restore_names(t, s);
    restore_ids(t, s);
    restore_ring(t);
    restore_counts(t, s);
    meta_put(t, ENV_STATE, REBUILD_KEY, 1);
    rc = txn_commit(t, e);
    store_close(s);
    return rc;
}

/* ---- the whole ----------------------------------------------------------------------------------
 */

static int build(const struct store_options *o, const struct names *n, struct verify_report *r,
                 struct err *e)
{
    struct scan s;
    char file[VERIFY_PATH_MAX];
    remove_tree(n->work);
    remove_tree(n->made);
    if (mkdir(n->made, 0750) || mkdir(n->work, 0750) || symlink("../state.new", n->link))
        return err_errno(e, "making the folder %s", n->made);
    verify_file_name(file, o, ENV_STATE);
    int rc = scan_open(&s, o, ENV_STATE, file, e);
    if (rc == ERR_NOTFOUND || rc == ERR_CORRUPT) { /* nothing can be read: a new one */
        r->bad_pages++;
        snprintf(r->first, sizeof r->first, "%.250s", e ? e->text : file);
        return make_consistent(o, n->work, e);
    }
    if (rc)
        return rc;
    rc = copy_good(&s, o, n->made, r, e);
    scan_close(&s);
    return rc ? rc : make_consistent(o, n->work, e);
}

static int swap(const struct store_options *o, const struct names *n, const char *kept,
                struct err *e)
{
    int rc = sync_folder(n->made, e);
    if (!rc && !access(n->state, F_OK))
        rc = move(n->state, kept, e);
    if (!rc)
        rc = sync_folder(o->path, e);
    return rc ? rc : repair_finish(o->path, e);
}

static int repair_state(const struct store_options *o, struct verify_report *ret, char *ret_kept,
                        size_t cap, struct err *e)
{
    struct names n;
    char kept[VERIFY_PATH_MAX];
    names_of(&n, o->path);
    remove_oldest(o->path, KEEP_MAX - 1);
    int rc = build(o, &n, ret, e);
    if (rc == ERR_FULL) { /* that it goes on counts for more than what is kept for the curious */
        make_room(o->path);
        memset(ret, 0, sizeof *ret);
        rc = build(o, &n, ret, e);
    }
    if (rc) {
        remove_tree(n.work);
        remove_tree(n.made);
        return rc;
    }
    damaged_name(o->path, kept, sizeof kept);
    rc = swap(o, &n, kept, e);
    if (!rc && !access(kept, F_OK))
        snprintf(ret_kept, cap, "%s", kept);
    return rc;
}

int store_repair(const struct store_options *o, struct verify_report *ret, char *ret_kept,
                 size_t cap, struct err *e)
{
    struct verify_report samples = {0};
    struct verify_report state = {0};
    memset(ret, 0, sizeof *ret);
    if (cap)
        ret_kept[0] = 0;
    if (verify_in_use(o))
        return err_set(e, ERR_AGAIN, "%s is in use", o->path);
    int rc = repair_finish(o->path, e);
    if (!rc)
        rc = verify_both(o, &state, &samples, e);
    if (rc != ERR_CORRUPT) {
        *ret = state;
        return rc;
    }
    rc = 0;
    if (state.first[0])
        rc = repair_state(o, ret, ret_kept, cap, e);
    else
        *ret = samples;
    /* Volatile cells go with their rows, and those of lost ones must not come back. */
    return rc ? rc : store_wipe_samples(o->path, e);
}
