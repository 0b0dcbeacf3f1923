/* A disk that refuses. Whatever writes, syncs, grows or reserves is counted, and one of these calls
 * (once, or that one and all behind it) fails; for each of them, and each way to fail, a life of
 * the store is led. What was acknowledged is there afterwards, what was refused is not, and when
 * the disk takes again, the store goes on: by itself, or opened anew when it said that it wants
 * that. */
#include "tests/unit/store/fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "store/verify.h"

/* ---- the disk ----------------------------------------------------------------------------------
 */

static struct {
    unsigned count, at;    /* calls; the one that fails, 0: none */
    bool on, always, part; /* on and on; half is written before it fails */
    int error;
} disk;

static bool refuses(void)
{
    if (!disk.on)
        return false;
    disk.count++;
    return disk.at && (disk.count == disk.at || (disk.always && disk.count > disk.at));
}

static int refusal(void)
{
    errno = disk.error;
    return -1;
}

/* In place of the C library's, also for LMDB. */
ssize_t pwrite(int fd, const void *p, size_t n, off_t at)
{
    if (!refuses())
        return syscall(SYS_pwrite64, fd, p, n, at);
    if (disk.part && n > 1)
        return syscall(SYS_pwrite64, fd, p, n / 2, at);
    return refusal();
}
ssize_t pwrite64(int fd, const void *p, size_t n, off_t at)
{
    return pwrite(fd, p, n, at);
}
ssize_t write(int fd, const void *p, size_t n)
{
    return fd > 2 && refuses() ? refusal() : syscall(SYS_write, fd, p, n);
}
ssize_t writev(int fd, const struct iovec *v, int n)
{
    return fd > 2 && refuses() ? refusal() : syscall(SYS_writev, fd, v, n);
}
ssize_t pwritev(int fd, const struct iovec *v, int n, off_t at)
{
    return refuses() ? refusal() : syscall(SYS_pwritev, fd, v, n, at, 0);
}
int fdatasync(int fd)
{
    return refuses() ? refusal() : (int)syscall(SYS_fdatasync, fd);
}
int fsync(int fd)
{
    return refuses() ? refusal() : (int)syscall(SYS_fsync, fd);
}
int ftruncate(int fd, off_t n)
{
    return refuses() ? refusal() : (int)syscall(SYS_ftruncate, fd, n);
}
int ftruncate64(int fd, off_t n)
{
    return ftruncate(fd, n);
}
int fallocate(int fd, int mode, off_t at, off_t n)
{
    return refuses() ? refusal() : (int)syscall(SYS_fallocate, fd, mode, at, n);
}
int fallocate64(int fd, int mode, off_t at, off_t n)
{
    return fallocate(fd, mode, at, n);
}

/* ---- a life ------------------------------------------------------------------------------------
 */

enum { OPS = 14 };

struct life {
    struct world w;
    bool there[OPS];       /* thing N, by what was acknowledged */
    bool pair[OPS];        /* pair N of an own database */
    uint32_t last_id;      /* the greatest that was acknowledged */
    uint64_t changes;      /* records in the ring */
    unsigned acknowledged; /* transactions */
    unsigned opened, repaired;
    bool fatal;
};

static void on_fatal(void *arg, int code, const char *words)
{
    struct life *l = arg;
    assert_true(code == ERR_IO || code == ERR_CORRUPT);
    assert_true(words[0]);
    l->fatal = true;
}

static void close_life(struct life *l)
{
    store_close(l->w.store);
    l->w.store = NULL;
}

/* As a daemon's core does. */
static bool open_life(struct life *l)
{
    struct store_options o = world_options(&l->w);
    struct verify_report r;
    struct err e = {.text = ""};
    char kept[200];
    o.no_sync = false;
    l->fatal = false;
    int rc = store_open(&l->w.store, &o, &e);
    if (rc == ERR_CORRUPT && !store_repair(&o, &r, kept, sizeof kept, &e)) {
        l->repaired++;
        rc = store_open(&l->w.store, &o, &e);
    }
    if (rc && !strstr(e.text, l->w.path))
        fail_msg("%d: %s", rc, e.text);
    if (rc)
        return false;
    store_on_fatal(l->w.store, on_fatal, l);
    l->opened++;
    return true;
}

static struct key thing_key(int n)
{
    char name[32];
    snprintf(name, sizeof name, "thing%d", n);
    return key_of_names("alice", name);
}

static struct slice pair_key(uint8_t *n)
{
    return (struct slice){n, 1};
}

/* Thing N comes; every third of them is big, so that it has pages of its own. */
static void put_thing_n(struct txn *t, int n)
{
    static uint8_t blob[3900];
    struct key k = thing_key(n);
    struct edit d;
    memset(blob, n + 1, sizeof blob);
    edit_begin(&d, t, &thing_table, &k);
    edit_str(&d, THING_TEXT, "text");
    edit_int(&d, THING_NUMBER, n);
    if (n % 3 == 0)
        edit_text(&d, THING_BLOB, blob, sizeof blob);
    edit_int(&d, THING_STATUS, ROW_ACTIVE);
    row_put(&d, NULL);
}

/* Transaction N: thing N comes, N - 4 goes; a pair comes, another goes; an id and a change. */
static void act(struct life *l, int n)
{
    uint8_t pair = (uint8_t)n, old = (uint8_t)(n - 2);
    uint32_t id = 0;
    struct key gone = thing_key(n - 4);
    struct err e = {.text = ""};
    struct txn *t = txn_begin(l->w.store, TXN_WRITE);
    put_thing_n(t, n);
    if (n >= 4 && l->there[n - 4])
        row_delete(t, &thing_table, &gone);
    kv_put(t, "pairs", pair_key(&pair), pair_key(&pair));
    if (n >= 2)
        kv_del(t, "pairs", pair_key(&old));
    id_next(t, &thing_table, &id);
    changes_append(t, T_THING, CHANGE_CREATED, (struct slice){&pair, 1}, NULL);
    if (txn_commit(t, &e)) {
        assert_true(e.text[0]);
        return;
    }
    assert_true(id > l->last_id);
    l->there[n] = l->pair[n] = true;
    if (n >= 4)
        l->there[n - 4] = false;
    if (n >= 2)
        l->pair[n - 2] = false;
    l->last_id = id;
    l->changes++;
    l->acknowledged++;
}

/* The volatile side is written too; nobody relies on it. */
static void sample(struct life *l, int n)
{
    struct edit d;
    struct key k = key_of_id("alice", (uint32_t)n + 1);
    struct txn *t = txn_begin(l->w.store, TXN_WRITE_SAMPLES);
    edit_begin(&d, t, &sample_table, &k);
    edit_int(&d, SAMPLE_VALUE, n);
    row_put(&d, NULL);
    txn_commit(t, NULL);
}

/* What is there is what was acknowledged. */
static void compare(struct life *l)
{
    struct txn *t = txn_begin(l->w.store, TXN_READ);
    struct change ch;
    struct row r;
    struct slice v;
    uint64_t changes = 0, seq = 0;
    for (int n = 0; n < OPS; n++) {
        uint8_t pair = (uint8_t)n;
        struct key k = thing_key(n);
        int rc = row_get(t, &thing_table, &k, &r);
        if (rc != (l->there[n] ? 0 : ERR_NOTFOUND))
            fail_msg("thing %d: %d", n, rc);
        if (!rc)
            assert_int_equal(row_int(&r, THING_NUMBER), n);
        if (!rc && n % 3 == 0)
            assert_int_equal(row_text(&r, THING_BLOB).data[3899], n + 1);
        rc = kv_get(t, "pairs", pair_key(&pair), &v);
        assert_int_equal(rc, l->pair[n] ? 0 : ERR_NOTFOUND);
    }
    while (!changes_next(t, seq, &ch)) {
        seq = ch.seq;
        changes++;
    }
    assert_int_equal(changes, l->changes);
    assert_int_equal(txn_commit(t, NULL), 0);
}

/* Everything, with the disk as it is; a store that wants to be opened anew is, as the parent does.
 */
static void live(struct life *l)
{
    for (int n = 0; n < OPS; n++) {
        if (l->fatal)
            close_life(l);
        if (!l->w.store && !open_life(l))
            continue;
        act(l, n);
        sample(l, n);
    }
}

static void begin_life(struct life *l)
{
    memset(l, 0, sizeof *l);
    snprintf(l->w.path, sizeof l->w.path, "%s/store.XXXXXX",
             access("/dev/shm", W_OK) ? "/tmp" : "/dev/shm");
    assert_non_null(mkdtemp(l->w.path));
}

static void end_life(struct life *l)
{
    close_life(l);
    remove_folder(l->w.path);
}

/* How many calls there are when none fails. */
static unsigned count_calls(void)
{
    struct life l;
    disk.on = true;
    disk.at = disk.count = 0;
    begin_life(&l);
    live(&l);
    disk.on = false;
    assert_int_equal(l.acknowledged, OPS);
    compare(&l);
    end_life(&l);
    return disk.count;
}

struct sums {
    unsigned lives, acknowledged, opened, repaired;
};

static void one_life(unsigned at, struct sums *sum)
{
    struct life l;
    struct store_options o;
    struct verify_report r;
    struct err e;
    disk.at = at;
    disk.count = 0;
    disk.on = true;
    begin_life(&l);
    live(&l);
    disk.on = false; /* there is room again */
    unsigned before = l.acknowledged;
    if (l.fatal)
        close_life(&l);
    if (!l.w.store && !open_life(&l))
        fail_msg("call %u: it cannot be opened any more", at);
    compare(&l);
    act(&l, OPS - 1); /* goes on without being opened anew */
    assert_int_equal(l.acknowledged, before + 1);
    compare(&l);
    close_life(&l);
    o = world_options(&l.w);
    if (store_verify(&o, &r, &e))
        fail_msg("call %u: %s", at, e.text);
    assert_true(open_life(&l));
    compare(&l);
    sum->lives++;
    sum->acknowledged += before;
    sum->opened += l.opened;
    sum->repaired += l.repaired;
    end_life(&l);
}

static void every_call(int error, bool always, bool part, const char *words)
{
    struct sums sum = {0};
    unsigned calls = count_calls();
    disk.error = error;
    disk.always = always;
    disk.part = part;
    for (unsigned at = 1; at <= calls; at++)
        one_life(at, &sum);
    printf("%s: %u calls; of %u transactions %u were acknowledged; opened anew %u times, repaired "
           "%u times\n",
           words, calls, sum.lives * OPS, sum.acknowledged, sum.opened - 2 * sum.lives,
           sum.repaired);
    assert_true(calls > 3 * OPS);
    if (!always) /* one refusal costs one transaction, or one opening */
        assert_true(sum.acknowledged >= sum.lives * (OPS - 2));
}

static void a_full_disk(void **state)
{
    (void)state;
    every_call(ENOSPC, false, false, "full, once");
    every_call(ENOSPC, true, false, "full for ever");
    every_call(ENOSPC, true, true, "full in the middle");
}

static void a_failing_disk(void **state)
{
    (void)state;
    every_call(EIO, false, false, "an error, once");
    every_call(EIO, true, false, "errors for ever");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_full_disk),
        cmocka_unit_test(a_failing_disk),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
