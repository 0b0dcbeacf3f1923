/* How full the store is, and copying it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include "store/impl.h"

/* Pages that deleted data left behind: the sum of the counts that head the free list's records. */
static uint64_t free_pages(MDB_env *env)
{
    MDB_txn *x;
    MDB_cursor *c;
    MDB_val k, v;
    uint64_t sum = 0;
    if (mdb_txn_begin(env, NULL, MDB_RDONLY, &x))
        return 0;
    if (!mdb_cursor_open(x, 0, &c)) {
        while (!mdb_cursor_get(c, &k, &v, MDB_NEXT)) {
            size_t n = 0;
            if (v.mv_size >= sizeof n)
                memcpy(&n, v.mv_data, sizeof n);
            sum += n;
        }
        mdb_cursor_close(c);
    }
    mdb_txn_abort(x);
    return sum;
}

struct size {
    uint64_t reached; /* octets of the file that were ever in use */
    uint64_t most;    /* the lesser of map and what the file system can still hold */
    unsigned page;
    bool tight; /* the disk is full, what is left of it is for alerts */
};

static void env_size(struct store *s, int env, struct size *ret)
{
    MDB_envinfo info;
    MDB_stat stat;
    struct statvfs fs;
    ret->tight = false;
    mdb_env_info(s->env[env], &info);
    mdb_env_stat(s->env[env], &stat);
    ret->page = stat.ms_psize;
    ret->reached = (uint64_t)(info.me_last_pgno + 1) * stat.ms_psize;
    ret->most = info.me_mapsize;
    if (!statvfs(s->path, &fs)) {
        uint64_t avail = (uint64_t)fs.f_bavail * fs.f_frsize, kept;
        kept = env == ENV_STATE ? reserve_missing(s) : 0; /* `samples` hardly grows */
        ret->tight = kept && avail < kept + RESERVE_BYTES;
        uint64_t room = ret->reached + (avail > kept ? avail - kept : 0);
        if (room < ret->most)
            ret->most = room;
    }
}

bool env_full(struct store *s, int env)
{
    struct size z;
    env_size(s, env, &z);
    if (z.tight)
        return true;
    uint64_t limit = z.most / 100 * FULL_PERCENT;
    if (z.reached < limit)
        return false;
    return z.reached - free_pages(s->env[env]) * z.page >= limit;
}

void store_usage(struct store *s, uint64_t *ret_used, uint64_t *ret_size)
{
    struct size z;
    env_size(s, ENV_STATE, &z);
    uint64_t spare = free_pages(s->env[ENV_STATE]) * z.page;
    *ret_used = spare < z.reached ? z.reached - spare : 0;
    *ret_size = z.most;
}

uint64_t store_commits(struct store *s)
{
    MDB_envinfo info;
    mdb_env_info(s->env[ENV_STATE], &info);
    return info.me_last_txnid;
}

int store_backup(struct store *s, const char *path, struct err *e)
{
    char *into = NULL;
    if (mkdir(path, 0750))
        return err_errno(e, "making the folder %s", path);
    if (asprintf(&into, "%s/%s", path, store_env_names[ENV_STATE]) < 0)
        return err_set(e, ERR_NOMEM, "out of memory");
    int rc = mkdir(into, 0750) ? err_errno(e, "making the folder %s", into) : 0;
    int code = rc ? 0 : mdb_env_copy2(s->env[ENV_STATE], into, MDB_CP_COMPACT);
    if (code)
        rc = err_set(e, lmdb_code(code), "copying to %s: %s", into, mdb_strerror(code));
    free(into);
    return rc;
}
