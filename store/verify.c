#include "store/verify.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store/verify_impl.h"

enum { BOOT_LEN = 36 };

/* ---- one environment --------------------------------------------------------------------------
 */

struct verifying {
    struct scan *s;
    const struct scan_db *d;
    struct verify_report *r;
};

static void check_pair(void *arg, const struct page_pair *pair)
{
    struct verifying *v = arg;
    if (!scan_sound(v->s, v->d, pair)) {
        scan_damage(v->s, v->d, pair);
        v->r->bad_rows++;
    } else if (v->d->rows) {
        v->r->rows++;
    } else {
        v->r->values++;
    }
}

bool verify_scan(struct scan *s, bool quick, struct verify_report *r)
{
    struct verifying v = {.s = s, .r = r};
    uint64_t bad_rows = r->bad_rows;
    for (size_t i = 0; i < s->n; i++) {
        v.d = &s->dbs[i];
        struct page_walk w = {.db = v.d->name, .quick = quick, .pair = check_pair, .arg = &v};
        if (v.d->found)
            page_walk(&s->file, &v.d->tree, &w);
    }
    bool free_sound = page_free_list(&s->file);
    r->pages += s->file.looked;
    r->bad_pages += s->file.bad - (r->bad_rows - bad_rows);
    if (!r->first[0])
        memcpy(r->first, s->file.first, sizeof r->first);
    return free_sound;
}

void verify_file_name(char ret[VERIFY_PATH_MAX], const struct store_options *o, int env)
{
    snprintf(ret, VERIFY_PATH_MAX, "%s/%s/data.mdb", o->path, store_env_names[env]);
}

static bool has_content(const struct store_options *o, int env)
{
    char name[VERIFY_PATH_MAX];
    struct stat st;
    verify_file_name(name, o, env);
    return !stat(name, &st) && st.st_size;
}

/* `samples` is made after `state` was: so a `state` that is not there has been lost. */
static int nothing_there(const struct store_options *o, int env, struct verify_report *r,
                         struct err *e)
{
    if (env != ENV_STATE || !has_content(o, ENV_SAMPLES))
        return ERR_NOTFOUND;
    r->bad_pages++;
    snprintf(r->first, sizeof r->first, "%.200s/state is empty, or gone", o->path);
    return err_set(e, ERR_CORRUPT, "%s", r->first);
}

int verify_env(const struct store_options *o, int env, bool quick, struct verify_report *r,
               struct err *e)
{
    struct scan s;
    char name[VERIFY_PATH_MAX];
    verify_file_name(name, o, env);
    int rc = scan_open(&s, o, env, name, e);
    if (rc == ERR_NOTFOUND)
        return nothing_there(o, env, r, e);
    if (rc == ERR_CORRUPT) {
        r->bad_pages++;
        snprintf(r->first, sizeof r->first, "%.250s", e ? e->text : name);
    }
    if (rc)
        return rc;
    if (s.version > FORMAT_VERSION)
        rc = err_set(e, ERR_VERSION,
                     "%s was made by a newer snmpalertd: its format is %llu, this program knows up "
                     "to %d",
                     name, (unsigned long long)s.version, FORMAT_VERSION);
    else
        verify_scan(&s, quick, r);
    scan_close(&s);
    if (!rc && r->first[0])
        rc = err_set(e, ERR_CORRUPT, "damage: %s", r->first);
    return rc;
}

/* ---- who else ----------------------------------------------------------------------------------
 */

/* LMDB locks the first octet of its lock file, shared, while it is open. */
bool verify_in_use(const struct store_options *o)
{
    char name[VERIFY_PATH_MAX];
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_len = 1};
    snprintf(name, sizeof name, "%s/%s/lock.mdb", o->path, store_env_names[ENV_STATE]);
    int fd = open(name, O_RDWR | O_CLOEXEC);
    if (fd < 0)
        return false;
    bool used = !fcntl(fd, F_GETLK, &lock) && lock.l_type != F_UNLCK;
    close(fd);
    return used;
}

/* ---- samples -----------------------------------------------------------------------------------
 */

struct marks {
    const struct scan_db *meta;
    struct slice boot;
    bool none, same, clean;
};

static void take_mark(void *arg, const struct page_pair *pair)
{
    struct marks *m = arg;
    struct slice value;
    if (!sum_open(m->meta->seed, pair->key, pair->value, &value))
        return;
    if (slice_equal(pair->key, LITERAL(SAMPLES_BOOT_KEY))) {
        m->none = false;
        m->same = slice_equal(value, m->boot);
    } else if (slice_equal(pair->key, LITERAL(SAMPLES_CLEAN_KEY))) {
        m->clean = value.len == 1 && value.data[0] == 1;
    }
}

/* Samples of an earlier boot are thrown away as they are: their damage is none. */
static bool samples_matter(const struct store_options *o)
{
    struct scan s;
    char name[VERIFY_PATH_MAX], boot[BOOT_LEN + 1];
    struct marks m = {.none = true};
    struct page_walk w = {.db = "meta", .pair = take_mark, .arg = &m};
    verify_file_name(name, o, ENV_STATE);
    if (store_boot_id(boot) || scan_open(&s, o, ENV_STATE, name, NULL))
        return false;
    m.meta = &s.dbs[0];
    m.boot = (struct slice){(const uint8_t *)boot, BOOT_LEN};
    if (m.meta->found)
        page_walk(&s.file, &m.meta->tree, &w);
    scan_close(&s);
    return m.none || m.same || m.clean;
}

int verify_both(const struct store_options *o, struct verify_report *state,
                struct verify_report *samples, struct err *e)
{
    int rc = verify_env(o, ENV_STATE, false, state, e);
    if (rc || !samples_matter(o))
        return rc;
    rc = verify_env(o, ENV_SAMPLES, false, samples, e);
    return rc == ERR_NOTFOUND ? 0 : rc;
}

int store_verify(const struct store_options *o, struct verify_report *ret, struct err *e)
{
    struct verify_report samples = {0};
    memset(ret, 0, sizeof *ret);
    if (verify_in_use(o))
        return err_set(e, ERR_AGAIN, "%s is in use", o->path);
    int rc = repair_finish(o->path, e);
    if (!rc)
        rc = verify_both(o, ret, &samples, e);
    ret->pages += samples.pages;
    ret->rows += samples.rows;
    ret->values += samples.values;
    ret->bad_pages += samples.bad_pages;
    ret->bad_rows += samples.bad_rows;
    if (!ret->first[0])
        memcpy(ret->first, samples.first, sizeof ret->first);
    return rc;
}
