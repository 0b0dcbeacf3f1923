/* Opening and closing. Invariants: the two environments are opened one after the other below an
 * exclusive lock on `path/lock`, so that of several starting processes one decides what becomes of
 * `samples`; every database is opened here, so that no later transaction ever opens one. What says
 * whether `samples` can be trusted lives in `state`, which is synced. */
#include "store/impl.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store/verify_impl.h"

enum {
    MAX_DBS = SLOT_MAX + KV_MAX + 8,
    MAX_READERS = 510,
    BOOT_LEN = 36,
    LOCK_BYTES = 40960,
    READ_ALL_MOST = 512 << 20
};

/* A reservation of addresses, not of memory or disk. */
const size_t store_default_map = SIZE_MAX > UINT32_MAX ? (size_t)(UINT64_C(16) << 30) : 1 << 30;
const char *const store_env_names[ENV_COUNT] = {"state", "samples"};

static const struct {
    int lmdb, code;
} codes[] = {
    {0, 0},
    {MDB_NOTFOUND, ERR_NOTFOUND},
    {MDB_KEYEXIST, ERR_EXISTS},
    {MDB_MAP_FULL, ERR_FULL},
    {MDB_TXN_FULL, ERR_FULL},
    {MDB_DBS_FULL, ERR_FULL},
    {ENOSPC, ERR_FULL},
    {EDQUOT, ERR_FULL},
    {MDB_READERS_FULL, ERR_AGAIN},
    {MDB_MAP_RESIZED, ERR_AGAIN},
    {MDB_CORRUPTED, ERR_CORRUPT},
    {MDB_PAGE_NOTFOUND, ERR_CORRUPT},
    {MDB_INVALID, ERR_CORRUPT},
    {MDB_PANIC, ERR_IO}, /* a disk refused; the file may well be sound */
    {MDB_INCOMPATIBLE, ERR_CORRUPT},
    {MDB_VERSION_MISMATCH, ERR_VERSION},
    {MDB_BAD_VALSIZE, ERR_INVALID},
    {ENOMEM, ERR_NOMEM},
    {EACCES, ERR_DENIED},
    {EPERM, ERR_DENIED},
    {EROFS, ERR_DENIED},
};

int lmdb_code(int rc)
{
    for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++)
        if (codes[i].lmdb == rc)
            return codes[i].code;
    return ERR_IO;
}

/* Words for a failure while opening. */
static int open_err(struct err *e, const struct store *s, int env, int rc)
{
    return err_set(e, lmdb_code(rc), "%s/%s: %s", s->path, store_env_names[env], mdb_strerror(rc));
}

int store_boot_id(char ret[BOOT_LEN + 1])
{
    FILE *f = fopen("/proc/sys/kernel/random/boot_id", "re");
    size_t n = f ? fread(ret, 1, BOOT_LEN, f) : 0;
    if (f)
        fclose(f);
    ret[n] = 0;
    return n == BOOT_LEN ? 0 : ERR_IO;
}

static int make_folder(const char *path, struct err *e)
{
    if (mkdir(path, 0750) && errno != EEXIST)
        return err_errno(e, "making the folder %s as user %ld", path, (long)geteuid());
    return 0;
}

static char *path_of(const struct store *s, const char *name)
{
    char *p;
    return asprintf(&p, "%s/%s", s->path, name) < 0 ? NULL : p;
}

/* ---- tables --------------------------------------------------------------------------------- */

int column_env(const struct sa_table *t, const struct sa_column *c)
{
    if (c->keep == SA_COMPUTED || sa_index_part(t, c) >= 0)
        return ENV_COUNT;
    return t->keep == SA_VOLATILE || c->keep == SA_VOLATILE ? ENV_SAMPLES : ENV_STATE;
}

static void slot_columns(struct slot *slot)
{
    const struct sa_table *t = slot->table;
    for (size_t i = 0; i < t->ncolumns; i++) {
        const struct sa_column *c = &t->columns[i];
        int env = column_env(t, c);
        slot->by_number[c->number] = c;
        if (env < ENV_COUNT)
            slot->in[env] = true;
        if (c->access >= SA_READ_ONLY)
            slot->readable[slot->nreadable++] = c;
    }
    slot->home = t->keep == SA_VOLATILE ? ENV_SAMPLES : ENV_STATE;
    slot->in[slot->home] = true;
}

static int slot_add(struct store *s, const struct sa_table *t)
{
    if (s->nslots == SLOT_MAX || t->ncolumns > SA_COLUMN_MAX)
        return ERR_FULL;
    struct slot *slot = calloc(1, sizeof *slot);
    if (!slot)
        return ERR_NOMEM;
    slot->table = t;
    slot->number = (unsigned)s->nslots;
    slot->seed = sum_seed(t->name);
    snprintf(slot->id_key, sizeof slot->id_key, "id=%s", t->name);
    slot_columns(slot);
    s->slots[s->nslots++] = slot;
    if (t->id)
        s->by_id[t->id] = slot;
    if (t->nindex == 1 && !strcmp(t->index[0].name, "saOwner"))
        s->owners = slot;
    return 0;
}

static int slots_make(struct store *s, const struct store_options *o)
{
    const struct sa_table *const *tables = o->tables ? o->tables : sa_tables;
    size_t n = o->tables ? o->ntables : sa_ntables;
    int rc = 0;
    for (size_t i = 0; !rc && i < n; i++)
        rc = slot_add(s, tables[i]);
    return rc;
}

struct slot *slot_of(struct store *s, const struct sa_table *table)
{
    if (s->recent && s->recent->table == table)
        return s->recent;
    for (size_t i = 0; i < s->nslots; i++)
        if (s->slots[i]->table == table)
            return s->recent = s->slots[i];
    return NULL;
}

/* ---- opening -------------------------------------------------------------------------------- */

/* LMDB maps its lock file and writes to it as memory: on a full disk that would kill the process.
 * So all of it gets its place before. (Nobody else closes that file in this process: that would
 * take LMDB's locks away.) */
static int reserve_lock(const char *folder, struct err *e)
{
    char *p = NULL;
    struct stat st;
    if (asprintf(&p, "%s/lock.mdb", folder) < 0)
        return err_set(e, ERR_NOMEM, "out of memory");
    int fd = open(p, O_RDWR | O_CREAT | O_CLOEXEC, 0640);
    int rc = fd < 0 || fstat(fd, &st) ? err_errno(e, "opening %s", p) : 0;
    if (!rc) {
        int failed = fallocate(fd, 0, 0, st.st_size > LOCK_BYTES ? st.st_size : LOCK_BYTES);
        if (failed && (errno == ENOSPC || errno == EDQUOT))
            rc = err_set(e, ERR_FULL, "no room for %s: the disk is full", p);
        else if (failed && errno != EOPNOTSUPP && errno != ENOSYS) /* not every file system can */
            rc = err_errno(e, "making room for %s", p);
    }
    if (fd >= 0)
        close(fd);
    free(p);
    return rc;
}

/* LMDB does that for its other descriptors. */
static int close_on_exec(MDB_env *env)
{
    int fd, rc = mdb_env_get_fd(env, &fd);
    return rc ? rc : fcntl(fd, F_SETFD, FD_CLOEXEC) ? errno : 0;
}

/* LMDB would make what is missing. */
static int must_exist(const struct store *s, int env, struct err *e)
{
    char *p = NULL;
    if (asprintf(&p, "%s/%s/data.mdb", s->path, store_env_names[env]) < 0)
        return err_set(e, ERR_NOMEM, "out of memory");
    int rc =
        access(p, R_OK | W_OK) ? err_errno(e, "opening %s as user %ld", p, (long)geteuid()) : 0;
    free(p);
    return rc;
}

static int env_make(struct store *s, const struct store_options *o, int env, struct err *e)
{
    unsigned flags = MDB_NOTLS;
    if (env == ENV_SAMPLES)
        flags |= MDB_NOSYNC | MDB_NOMETASYNC;
    else if (o->no_sync)
        flags |= MDB_NOSYNC;
    char *path = path_of(s, store_env_names[env]);
    int rc = path ? mdb_env_create(&s->env[env]) : ENOMEM;
    if (!rc)
        rc = mdb_env_set_maxdbs(s->env[env], MAX_DBS);
    if (!rc)
        rc = mdb_env_set_maxreaders(s->env[env], MAX_READERS);
    if (!rc && !o->join)
        rc = mdb_env_set_mapsize(s->env[env], o->map_bytes ? o->map_bytes : store_default_map);
    int code = rc ? 0 : o->join ? must_exist(s, env, e) : make_folder(path, e);
    if (!rc && !code)
        code = reserve_lock(path, e);
    if (!rc && !code)
        rc = mdb_env_open(s->env[env], path, flags, 0640);
    free(path);
    if (code)
        return code;
    if (!rc)
        rc = close_on_exec(s->env[env]);
    if (!rc)
        rc = mdb_reader_check(s->env[env], NULL);
    return rc ? open_err(e, s, env, rc) : 0;
}

/* ---- the version ------------------------------------------------------------------------------
 * It is there twice: without a sum, which programs of all versions can read, and with one. */

static int version_put(struct store *s, MDB_txn *x, int env)
{
    uint8_t octets[8];
    put_u64(octets, FORMAT_VERSION);
    MDB_val k = val_of(LITERAL(VERSION_KEY)), v = {sizeof octets, octets};
    int rc = mdb_put(x, s->meta[env], &k, &v, 0);
    return rc ? rc
              : sealed_put(x, s->meta[env], s->meta_seed, LITERAL(FORMAT_KEY),
                           (struct slice){octets, sizeof octets}, 0);
}

/* 0 in RET: it is not there. False: it is not a version. */
static bool version_get(struct store *s, MDB_txn *x, int env, struct slice key, bool summed,
                        uint64_t *ret)
{
    MDB_val k = val_of(key), v;
    int rc = mdb_get(x, s->meta[env], &k, &v);
    struct slice value = slice_of(v);
    *ret = 0;
    if (rc)
        return rc == MDB_NOTFOUND;
    if ((summed && !sum_open(s->meta_seed, key, value, &value)) || value.len != 8)
        return false;
    *ret = get_u64(value.data);
    return *ret;
}

/* Reads or, when new, writes the version. Before anything else is touched. */
static int version_check(struct store *s, MDB_txn *x, int env, uint64_t *ret, struct err *e)
{
    uint64_t plain = 0, summed = 0;
    bool good = version_get(s, x, env, LITERAL(VERSION_KEY), false, &plain) &&
                version_get(s, x, env, LITERAL(FORMAT_KEY), true, &summed);
    bool new = good && !plain && !summed;
    *ret = new ? FORMAT_VERSION : plain;
    if (good && plain > FORMAT_VERSION && (!summed || summed == plain))
        return err_set(e, ERR_VERSION,
                       "%s/%s was made by a newer snmpalertd: its format is %llu, this program "
                       "knows up to %d",
                       s->path, store_env_names[env], (unsigned long long)plain, FORMAT_VERSION);
    if (!new && (!good || !plain || (summed ? summed != plain : plain >= VERSION_SUMS)))
        return err_set(e, ERR_CORRUPT, "%s/%s: its version is damaged", s->path,
                       store_env_names[env]);
    int rc = new ? version_put(s, x, env) : 0;
    return rc ? open_err(e, s, env, rc) : 0;
}

static int open_tables(struct store *s, MDB_txn *x, int env)
{
    int rc = 0;
    for (size_t i = 0; !rc && i < s->nslots; i++) {
        struct slot *slot = s->slots[i];
        if (slot->in[env])
            rc = mdb_dbi_open(x, slot->table->name, MDB_CREATE, &slot->dbi[env]);
    }
    return rc;
}

static int open_own(struct store *s, MDB_txn *x)
{
    char name[16];
    int rc = mdb_dbi_open(x, "changes", MDB_CREATE, &s->changes);
    if (!rc)
        rc = mdb_dbi_open(x, "names", MDB_CREATE, &s->names);
    for (int i = 0; !rc && i < KV_MAX; i++) {
        snprintf(name, sizeof name, "kv.%d", i);
        rc = mdb_dbi_open(x, name, MDB_CREATE, &s->kv[i]);
    }
    return rc;
}

static void seeds_make(struct store *s)
{
    char name[16];
    s->meta_seed = sum_seed("meta");
    s->changes_seed = sum_seed("changes");
    s->names_seed = sum_seed("names");
    for (int i = 0; i < KV_MAX; i++) {
        snprintf(name, sizeof name, "kv.%d", i);
        s->kv_seed[i] = sum_seed(name);
    }
}

static int open_databases(struct store *s, int env, struct err *e)
{
    uint64_t version;
    MDB_txn *x = NULL;
    int rc = mdb_txn_begin(s->env[env], NULL, 0, &x);
    if (!rc)
        rc = mdb_dbi_open(x, "meta", MDB_CREATE, &s->meta[env]);
    if (rc) {
        mdb_txn_abort(x);
        return open_err(e, s, env, rc);
    }
    int code = version_check(s, x, env, &version, e);
    if (code) {
        mdb_txn_abort(x);
        return code;
    }
    rc = open_tables(s, x, env);
    if (!rc && env == ENV_STATE)
        rc = open_own(s, x);
    if (!rc && version < FORMAT_VERSION)
        rc = store_upgrade(s, x, env, version);
    if (!rc && version < FORMAT_VERSION)
        rc = version_put(s, x, env);
    if (rc)
        mdb_txn_abort(x);
    else
        rc = mdb_txn_commit(x);
    return rc ? open_err(e, s, env, rc) : 0;
}

static int env_open(struct store *s, const struct store_options *o, int env, struct err *e)
{
    int rc = env_make(s, o, env, e);
    return rc ? rc : open_databases(s, env, e);
}

/* ---- samples and the boot ---------------------------------------------------------------------*/

int store_wipe_samples(const char *path, struct err *e)
{
    static const char *const files[] = {"data.mdb", "lock.mdb"};
    for (size_t i = 0; i < 2; i++) {
        char *p = NULL;
        if (asprintf(&p, "%s/%s/%s", path, store_env_names[ENV_SAMPLES], files[i]) < 0)
            return err_set(e, ERR_NOMEM, "out of memory");
        int rc = unlink(p) && errno != ENOENT ? err_errno(e, "removing %s", p) : 0;
        free(p);
        if (rc)
            return rc;
    }
    return 0;
}

static int mark_put(struct store *s, MDB_txn *x, struct slice key, const void *p, size_t n)
{
    return sealed_put(x, s->meta[ENV_STATE], s->meta_seed, key, (struct slice){p, n}, 0);
}

/* Remembers in `state` whether and under which boot `samples` is open. */
static int samples_mark(struct store *s, bool clean)
{
    char boot[BOOT_LEN + 1];
    uint8_t flag = clean;
    MDB_txn *x;
    int code = store_boot_id(boot);
    if (code)
        return code;
    int rc = mdb_txn_begin(s->env[ENV_STATE], NULL, 0, &x);
    if (rc)
        return lmdb_code(rc);
    rc = mark_put(s, x, LITERAL(SAMPLES_BOOT_KEY), boot, BOOT_LEN);
    if (!rc)
        rc = mark_put(s, x, LITERAL(SAMPLES_CLEAN_KEY), &flag, 1);
    if (rc)
        mdb_txn_abort(x);
    else
        rc = mdb_txn_commit(x);
    return lmdb_code(rc);
}

/* MDB_CORRUPTED: it is not what was written, and so says nothing. */
static int mark_get(struct store *s, MDB_txn *x, struct slice key, struct slice *ret)
{
    MDB_val k = val_of(key), v;
    int rc = mdb_get(x, s->meta[ENV_STATE], &k, &v);
    if (rc)
        return rc;
    return sum_open(s->meta_seed, key, slice_of(v), ret) ? 0 : MDB_CORRUPTED;
}

/* Were the samples written under this boot, or closed cleanly, or are there none? The page cache
 * outlives killed processes, not the machine. */
static int samples_trusted(struct store *s, bool *ret_trusted, bool *ret_marked)
{
    char boot[BOOT_LEN + 1];
    struct slice v;
    MDB_txn *x;
    int code = store_boot_id(boot);
    if (code)
        return code;
    int rc = mdb_txn_begin(s->env[ENV_STATE], NULL, MDB_RDONLY, &x);
    if (rc)
        return lmdb_code(rc);
    rc = mark_get(s, x, LITERAL(SAMPLES_BOOT_KEY), &v);
    bool none = rc == MDB_NOTFOUND;
    bool same = !rc && v.len == BOOT_LEN && !memcmp(v.data, boot, BOOT_LEN);
    rc = mark_get(s, x, LITERAL(SAMPLES_CLEAN_KEY), &v);
    bool clean = !rc && v.len == 1 && v.data[0] == 1;
    mdb_txn_abort(x);
    *ret_trusted = none || same || clean;
    *ret_marked = same && !clean;
    return 0;
}

static int samples_open(struct store *s, const struct store_options *o, struct err *e)
{
    bool trusted = false, marked = false;
    int rc = samples_trusted(s, &trusted, &marked);
    if (rc)
        return err_set(e, rc, "%s: reading the boot id", s->path);
    if (!trusted && !o->recover_samples)
        return err_set(e, ERR_AGAIN,
                       "%s/samples is of an earlier boot; the core has to clear it first", s->path);
    if (!trusted && (rc = store_wipe_samples(s->path, e)))
        return rc;
    if (o->recover_samples && !marked && (rc = samples_mark(s, false)))
        return err_set(e, rc, "%s/state: writing the boot id", s->path);
    rc = env_open(s, o, ENV_SAMPLES, e);
    if (rc != ERR_CORRUPT || !o->recover_samples)
        return rc;
    mdb_env_close(s->env[ENV_SAMPLES]);
    s->env[ENV_SAMPLES] = NULL;
    rc = store_wipe_samples(s->path, e);
    return rc ? rc : env_open(s, o, ENV_SAMPLES, e);
}

int store_mark_clean(struct store *s)
{
    int rc = mdb_env_sync(s->env[ENV_SAMPLES], 1);
    return rc ? lmdb_code(rc) : samples_mark(s, true);
}

/* ---- the whole ------------------------------------------------------------------------------ */

static void txn_init(struct store *s, struct txn *t, enum txn_kind kind)
{
    t->store = s;
    t->kind = kind;
    buf_init(&t->scratch, ROW_MAX);
    buf_init(&t->spare, ROW_MAX);
}

/* Takes the lock that all who open hold; RET_FD gives it back when closed. */
static int lock_folder(const struct store *s, bool join, int *ret_fd, struct err *e)
{
    char *p = path_of(s, "lock");
    int fd = p ? open(p, O_RDWR | O_CLOEXEC | (join ? 0 : O_CREAT), 0640) : -1;
    int rc = 0;
    if (fd < 0 || flock(fd, LOCK_EX | (join ? LOCK_NB : 0))) {
        if (fd >= 0 && errno == EWOULDBLOCK)
            rc = err_set(e, ERR_AGAIN, "%s is being opened", s->path);
        else
            rc = err_errno(e, "locking %s/lock as user %ld", s->path, (long)geteuid());
        if (fd >= 0)
            close(fd);
    }
    free(p);
    *ret_fd = fd;
    return rc;
}

/* The core's lock lives as long as the store is open; the file tells whose it is. */
static int claim_core(struct store *s, struct err *e)
{
    char *p = path_of(s, "core.lock"), pid[16] = "";
    s->core_lock = p ? open(p, O_RDWR | O_CREAT | O_CLOEXEC, 0640) : -1;
    free(p);
    if (s->core_lock < 0)
        return err_errno(e, "opening %s/core.lock", s->path);
    if (flock(s->core_lock, LOCK_EX | LOCK_NB)) {
        if (errno != EWOULDBLOCK)
            return err_errno(e, "locking %s/core.lock", s->path);
        ssize_t n = pread(s->core_lock, pid, sizeof pid - 1, 0);
        pid[n > 0 ? n : 0] = 0;
        return err_set(e, ERR_AGAIN, "another snmpalertd (its core is process %s) has the store %s",
                       pid[strspn(pid, "0123456789")] || !pid[0] ? "?" : pid, s->path);
    }
    int len = snprintf(pid, sizeof pid, "%ld", (long)getpid());
    /* The number is for people; on a full disk the lock holds without it. */
    if (ftruncate(s->core_lock, 0) || pwrite(s->core_lock, pid, (size_t)len, 0) != len)
        errno = 0;
    return 0;
}

static int no_core(const char *path, struct err *e)
{
    return err_set(e, ERR_NOTFOUND, "no snmpalertd has the store %s open", path);
}

/* A core that comes at this very moment finds the file locked, and tries again. */
static int core_of(int fd, const char *path, pid_t *ret, struct err *e)
{
    char text[16] = "";
    if (!flock(fd, LOCK_SH | LOCK_NB))
        return no_core(path, e);
    if (errno != EWOULDBLOCK)
        return err_errno(e, "locking %s/core.lock", path);
    long pid = pread(fd, text, sizeof text - 1, 0) > 0 ? strtol(text, NULL, 10) : 0;
    if (pid <= 0)
        return err_set(e, ERR_AGAIN, "%s is being opened", path);
    *ret = (pid_t)pid;
    return 0;
}

int store_core(const char *path, pid_t *ret, struct err *e)
{
    char *p = NULL;
    if (asprintf(&p, "%s/core.lock", path) < 0)
        return err_set(e, ERR_NOMEM, "out of memory");
    int fd = open(p, O_RDONLY | O_CLOEXEC);
    int rc = 0;
    if (fd >= 0)
        rc = core_of(fd, path, ret, e);
    else
        rc = errno == ENOENT ? no_core(path, e)
                             : err_errno(e, "opening %s as user %ld", p, (long)geteuid());
    if (fd >= 0)
        close(fd);
    free(p);
    return rc;
}

/* Of what is longer, only the pages that lead to others are looked at: a few per cent of all. */
static bool too_long_to_read(const struct store_options *o, int env)
{
    char name[VERIFY_PATH_MAX];
    struct stat st;
    verify_file_name(name, o, env);
    return !stat(name, &st) && st.st_size > READ_ALL_MOST;
}

/* Before LMDB, which trusts them, sees the files. Only while nobody writes to them: then they are
 * what they were when they were opened, which was looked at. */
static int check_files(struct store *s, const struct store_options *o, struct err *e)
{
    struct verify_report r = {0};
    if (verify_in_use(o))
        return 0;
    int rc = verify_env(o, ENV_STATE, too_long_to_read(o, ENV_STATE), &r, e);
    if (rc && rc != ERR_NOTFOUND)
        return rc;
    rc = verify_env(o, ENV_SAMPLES, too_long_to_read(o, ENV_SAMPLES), &r, e);
    if (rc != ERR_CORRUPT)
        return rc == ERR_NOTFOUND ? 0 : rc;
    return o->recover_samples ? store_wipe_samples(s->path, e) : rc;
}

static void txns_init(struct store *s)
{
    for (int i = 0; i < READ_TXN_MAX; i++)
        txn_init(s, &s->read[i], TXN_READ);
    txn_init(s, &s->write, TXN_WRITE);
    txn_init(s, &s->samples, TXN_WRITE_SAMPLES);
    txn_init(s, &s->broken, TXN_READ);
}

static int open_store(struct store *s, const struct store_options *o, bool check, int *fd,
                      struct err *e)
{
    int rc = slots_make(s, o);
    if (rc)
        err_set(e, rc, "opening the store: too many tables, or out of memory");
    if (!rc && !o->join)
        rc = make_folder(s->path, e);
    if (!rc && o->recover_samples)
        rc = claim_core(s, e);
    if (!rc)
        rc = lock_folder(s, o->join, fd, e);
    if (!rc && check && o->recover_samples)
        reserve_open(s);
    if (!rc && check)
        rc = repair_finish(s->path, e);
    if (!rc && check)
        rc = check_files(s, o, e);
    if (!rc)
        rc = env_open(s, o, ENV_STATE, e);
    return rc ? rc : samples_open(s, o, e);
}

static int open_or_not(struct store **ret, const struct store_options *o, bool check, struct err *e)
{
    int fd = -1;
    struct store *s = calloc(1, sizeof *s);
    if (!s || !(s->path = strdup(o->path))) {
        free(s);
        return err_set(e, ERR_NOMEM, "opening the store: out of memory");
    }
    s->core_lock = s->reserve = -1;
    txns_init(s);
    seeds_make(s);
    int rc = open_store(s, o, check, &fd, e);
    if (fd >= 0)
        close(fd);
    if (rc)
        store_close(s);
    else
        *ret = s;
    return rc;
}

int store_open(struct store **ret, const struct store_options *o, struct err *e)
{
    return open_or_not(ret, o, !o->join, e);
}

int store_open_as_is(struct store **ret, const struct store_options *o, struct err *e)
{
    return open_or_not(ret, o, false, e);
}

static void txn_release(struct txn *t)
{
    if (t->open)
        txn_abort(t);
    for (int env = 0; env < ENV_COUNT; env++) {
        for (int i = 0; i < SLOT_MAX; i++) {
            for (struct curs *c = t->curs[env][i], *next; c; c = next) {
                next = c->next;
                mdb_cursor_close(c->mdb);
                free(c);
            }
        }
        mdb_txn_abort(t->mdb[env]);
    }
    buf_release(&t->scratch);
    buf_release(&t->spare);
}

void store_close(struct store *s)
{
    if (!s)
        return;
    for (int i = 0; i < READ_TXN_MAX; i++)
        txn_release(&s->read[i]);
    txn_release(&s->write);
    txn_release(&s->samples);
    buf_release(&s->broken.scratch);
    buf_release(&s->broken.spare);
    for (int env = 0; env < ENV_COUNT; env++)
        if (s->env[env])
            mdb_env_close(s->env[env]);
    for (size_t i = 0; i < s->nslots; i++)
        free(s->slots[i]);
    if (s->core_lock >= 0)
        close(s->core_lock);
    if (s->reserve >= 0)
        close(s->reserve);
    free(s->path);
    free(s);
}

int store_clear_readers(struct store *s)
{
    int sum = 0;
    for (int env = 0; env < ENV_COUNT; env++) {
        int dead = 0;
        if (!mdb_reader_check(s->env[env], &dead))
            sum += dead;
    }
    return sum;
}
