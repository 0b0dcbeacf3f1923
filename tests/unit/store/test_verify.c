/* Damage: bits flipped in every page of a real store with every kind of page, pages overwritten,
 * the file cut short. Verification never crashes and tells what is not sound; repair leaves a store
 * that opens, in which a row is what it was or is not there, and only what was on the damaged page
 * itself is missing. */
#include "tests/unit/store/fixture.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "store/verify_impl.h"

enum { FLIPS_PER_PAGE = 24, FLIPS_PER_FREE_PAGE = 1, THINGS = 420, SAMPLES = 30, ID_LAST = 7 };

/* ---- what the store had ------------------------------------------------------------------------
 */

struct item {
    char db[64];
    uint8_t key[512];
    size_t key_len, value_len;
    uint8_t *value;
    uint64_t page, big; /* where it was; the first page of its own, 0 */
    bool found;
};

struct image {
    uint8_t *octets;
    size_t size;
    unsigned page_size;
    struct item *items;
    size_t n, cap;
    bool used[1024]; /* by page */
};

struct place {
    struct world w;
    struct image good;
    char file[96];
};

static int by_key(const void *a, const void *b)
{
    const struct item *x = a, *y = b;
    int c = strcmp(x->db, y->db);
    size_t n = x->key_len < y->key_len ? x->key_len : y->key_len;
    if (!c)
        c = memcmp(x->key, y->key, n);
    return c ? c : (x->key_len > y->key_len) - (x->key_len < y->key_len);
}

struct reader {
    struct image *im;
    const char *db;
};

static void read_item(void *arg, const struct page_pair *pair)
{
    struct reader *r = arg;
    struct image *im = r->im;
    if (im->n == im->cap) {
        im->cap = im->cap ? 2 * im->cap : 256;
        im->items = realloc(im->items, im->cap * sizeof *im->items);
    }
    struct item *i = &im->items[im->n++];
    memset(i, 0, sizeof *i);
    snprintf(i->db, sizeof i->db, "%s", r->db);
    memcpy(i->key, pair->key.data, pair->key.len);
    i->key_len = pair->key.len;
    i->value_len = pair->value.len;
    i->value = malloc(pair->value.len + 1);
    memcpy(i->value, pair->value.data, pair->value.len);
    i->page = pair->page;
    const uint8_t *end = pair->key.data + pair->key.len;
    if (pair->value.data != end) /* not behind its key: it has pages of its own */
        memcpy(&i->big, end, sizeof i->big);
}

/* Every page is in use or free, and the file is what LMDB says it is. */
static void read_image(struct place *p)
{
    struct scan s;
    struct store_options o = world_options(&p->w);
    struct reader r = {.im = &p->good};
    struct stat st;
    int fd = open(p->file, O_RDONLY);
    assert_true(fd >= 0 && !fstat(fd, &st));
    p->good.size = (size_t)st.st_size;
    p->good.octets = malloc(p->good.size);
    assert_int_equal(read(fd, p->good.octets, p->good.size), p->good.size);
    close(fd);
    assert_int_equal(scan_open(&s, &o, ENV_STATE, p->file, NULL), 0);
    p->good.page_size = s.file.page_size;
    for (size_t i = 0; i < s.n; i++) {
        struct page_walk w = {.db = s.dbs[i].name, .pair = read_item, .arg = &r};
        r.db = s.dbs[i].name;
        if (s.dbs[i].found)
            page_walk(&s.file, &s.dbs[i].tree, &w);
    }
    assert_true(page_free_list(&s.file));
    for (uint64_t page = 2; page < s.file.npages; page++) {
        if (page_is_seen(&s.file, page) == page_is_unused(&s.file, page))
            fail_msg("page %llu is lost, or twice", (unsigned long long)page);
        assert_true(page < 1024);
        p->good.used[page] = page_is_seen(&s.file, page);
    }
    p->good.used[0] = p->good.used[1] = true;
    assert_string_equal(s.file.first, "");
    scan_close(&s);
    qsort(p->good.items, p->good.n, sizeof *p->good.items, by_key);
}

/* ---- making it ---------------------------------------------------------------------------------
 */

static void put_big(struct txn *t, int i)
{
    static uint8_t blob[4000];
    struct edit d;
    char name[16];
    snprintf(name, sizeof name, "big%d", i);
    struct key k = key_of_names("bob", name);
    memset(blob, i, sizeof blob);
    edit_begin(&d, t, &thing_table, &k);
    edit_str(&d, THING_TEXT, name);
    edit_text(&d, THING_BLOB, blob, sizeof blob);
    edit_int(&d, THING_STATUS, ROW_ACTIVE);
    assert_int_equal(row_put(&d, NULL), 0);
}

static void put_one(struct txn *t, int i, int round)
{
    struct edit d;
    char name[32];
    snprintf(name, sizeof name, "thing-with-a-name-%03d", i);
    struct key k = key_of_names("alice", name);
    edit_begin(&d, t, &thing_table, &k);
    edit_str(&d, THING_TEXT, name);
    edit_int(&d, THING_NUMBER, round);
    edit_int(&d, THING_STATUS, ROW_ACTIVE);
    assert_int_equal(row_put(&d, NULL), 0);
    assert_int_equal(changes_append(t, T_THING, CHANGE_CREATED, key_slice(&k), NULL), 0);
    assert_int_equal(kv_put(t, "mine", key_slice(&k), (struct slice){k.data, 20}), 0);
}

/* Several rounds, so that there is a free list, and stale copies of nearly everything. */
static void fill_store(struct store *s)
{
    uint32_t id;
    for (int round = 0; round < 4; round++) {
        struct txn *t = txn_begin(s, TXN_WRITE);
        for (int i = round ? round : 0; i < THINGS; i += round ? 7 : 1)
            put_one(t, i, round);
        for (int i = 0; i < 6; i++)
            put_big(t, i);
        assert_int_equal(txn_commit(t, NULL), 0);
    }
    struct txn *t = txn_begin(s, TXN_WRITE);
    for (int i = 0; i < 3; i++) {
        char name[16];
        snprintf(name, sizeof name, "big%d", i);
        struct key k = key_of_names("bob", name);
        assert_int_equal(row_delete(t, &thing_table, &k), 0);
    }
    for (int i = 0; i < ID_LAST; i++)
        assert_int_equal(id_next(t, &thing_table, &id), 0);
    assert_int_equal(txn_commit(t, NULL), 0);
    put_owner(s, "alice");
    /* The meta page before the last one shows the same rows. */
    for (uint8_t i = 0; i < 2; i++) {
        t = txn_begin(s, TXN_WRITE);
        assert_int_equal(kv_put(t, "last", (struct slice){&i, 1}, (struct slice){&i, 1}), 0);
        assert_int_equal(kv_del(t, "last", (struct slice){&i, 1}), 0);
        assert_int_equal(txn_commit(t, NULL), 0);
    }
}

static int setup(void **state)
{
    static struct place p;
    memset(&p, 0, sizeof p);
    setenv("TMPDIR", access("/dev/shm", W_OK) ? "/tmp" : "/dev/shm", 0); /* thousands of syncs */
    world_init(&p.w);
    fill_store(p.w.store);
    store_close(p.w.store);
    p.w.store = NULL;
    snprintf(p.file, sizeof p.file, "%s/state/data.mdb", p.w.path);
    read_image(&p);
    *state = &p;
    return 0;
}

static int teardown(void **state)
{
    struct place *p = *state;
    for (size_t i = 0; i < p->good.n; i++)
        free(p->good.items[i].value);
    free(p->good.items);
    free(p->good.octets);
    world_release(&p->w);
    return 0;
}

/* ---- comparing ---------------------------------------------------------------------------------
 */

static bool derived(const char *db)
{
    return !strcmp(db, "meta") || !strcmp(db, "kv.0"); /* counters; set.count */
}

static void compare_db(struct place *p, MDB_txn *x, const char *db)
{
    MDB_dbi dbi;
    MDB_cursor *c;
    MDB_val k, v;
    assert_int_equal(mdb_dbi_open(x, db, 0, &dbi), 0);
    assert_int_equal(mdb_cursor_open(x, dbi, &c), 0);
    while (!mdb_cursor_get(c, &k, &v, MDB_NEXT)) {
        struct item want = {.key_len = k.mv_size};
        snprintf(want.db, sizeof want.db, "%s", db);
        assert_true(k.mv_size <= sizeof want.key);
        memcpy(want.key, k.mv_data, k.mv_size);
        struct item *i = bsearch(&want, p->good.items, p->good.n, sizeof *p->good.items, by_key);
        if (!i || i->value_len != v.mv_size || memcmp(i->value, v.mv_data, v.mv_size))
            fail_msg("%s has a value that it did not have", db);
        i->found = true;
    }
    mdb_cursor_close(c);
}

/* What LMDB finds is what was there. */
static void compare_all(struct place *p)
{
    char folder[96];
    MDB_env *env;
    MDB_txn *x;
    snprintf(folder, sizeof folder, "%s/state", p->w.path);
    for (size_t i = 0; i < p->good.n; i++)
        p->good.items[i].found = derived(p->good.items[i].db);
    assert_int_equal(mdb_env_create(&env), 0);
    mdb_env_set_maxdbs(env, 100);
    assert_int_equal(mdb_env_open(env, folder, MDB_RDONLY, 0), 0);
    assert_int_equal(mdb_txn_begin(env, NULL, MDB_RDONLY, &x), 0);
    for (size_t i = 0; i < p->good.n; i++) {
        const char *db = p->good.items[i].db;
        if (!derived(db) && (!i || strcmp(db, p->good.items[i - 1].db)))
            compare_db(p, x, db);
    }
    mdb_txn_abort(x);
    mdb_env_close(env);
}

static size_t overflow_pages(const struct image *im, const struct item *i)
{
    return i->big ? (16 + i->value_len + im->page_size - 1) / im->page_size : 0;
}

/* Lost is only what stood on PAGE; -1: nothing; -2: whatever. Returns how many are. */
static size_t check_lost(const struct place *p, int64_t page)
{
    size_t lost = 0;
    for (size_t n = 0; n < p->good.n; n++) {
        const struct item *i = &p->good.items[n];
        if (i->found)
            continue;
        lost++;
        uint64_t at = (uint64_t)page;
        if (page != -2 && i->page != at &&
            !(i->big && at >= i->big && at < i->big + overflow_pages(&p->good, i)))
            fail_msg("a pair of %s on page %llu is lost, and page %lld was damaged", i->db,
                     (unsigned long long)i->page, (long long)page);
    }
    return lost;
}

static void remove_others(const struct place *p)
{
    char sub[96];
    static const char *const names[] = {"state", "samples", "repair", "state.new"};
    for (size_t i = 0; i < 4; i++) {
        snprintf(sub, sizeof sub, "%s/%s", p->w.path, names[i]);
        remove_folder(sub);
    }
}

/* The store as it was, but for the OCTETS of `state`. */
static void put_state(struct place *p, const uint8_t *octets, size_t size)
{
    char sub[96];
    remove_others(p);
    snprintf(sub, sizeof sub, "%s/state", p->w.path);
    assert_int_equal(mkdir(sub, 0750), 0);
    int fd = open(p->file, O_WRONLY | O_CREAT | O_TRUNC, 0640);
    assert_int_equal(write(fd, octets, size), size);
    close(fd);
}

/* After a repair the store works, and no id is given again. */
static void use_store(struct place *p)
{
    uint32_t id = 0;
    struct store_options o = world_options(&p->w);
    struct verify_report r;
    struct err e;
    struct key k = key_of_names("carol", "new");
    struct row row;
    struct cursor c;
    assert_int_equal(store_verify(&o, &r, &e), 0);
    world_reopen(&p->w);
    struct txn *t = txn_begin(p->w.store, TXN_WRITE);
    assert_true(rebuild_wanted(t));
    assert_int_equal(rebuild_done(t), 0);
    assert_int_equal(id_next(t, &thing_table, &id), 0);
    assert_true(id > ID_LAST);
    put_one(t, 1000, 0);
    int64_t n = 0;
    k = key_of_name("alice");
    for (cursor_first(&c, t, &thing_table, &k); cursor_row(&c, &row); cursor_next(&c))
        n++;
    cursor_close(&c);
    assert_int_equal(count_get(t, slot_of(p->w.store, &thing_table), key_slice(&k)), n);
    assert_int_equal(txn_commit(t, &e), 0);
    store_close(p->w.store);
    p->w.store = NULL;
}

enum { SOUND, REPAIRED };

/* Verifies, repairs, compares. PAGE as for check_lost. */
static int judge(struct place *p, int64_t page, size_t *ret_lost)
{
    struct store_options o = world_options(&p->w);
    struct verify_report r;
    struct err e = {.text = ""};
    char kept[200];
    int rc = store_verify(&o, &r, &e);
    if (ret_lost)
        *ret_lost = 0;
    if (!rc) {
        compare_all(p);
        assert_int_equal(check_lost(p, -1), 0);
        return SOUND;
    }
    if (rc != ERR_CORRUPT || !r.first[0] || !strstr(e.text, p->w.path))
        fail_msg("%d: %s: %s", rc, e.text, r.first);
    rc = store_repair(&o, &r, kept, sizeof kept, &e);
    if (rc)
        fail_msg("%d: %s", rc, e.text);
    assert_int_equal(access(kept, F_OK), 0);
    remove_folder(kept);
    compare_all(p);
    size_t lost = check_lost(p, page);
    if (ret_lost)
        *ret_lost = lost;
    use_store(p);
    return REPAIRED;
}

/* ---- tests -------------------------------------------------------------------------------------
 */

static void a_sound_store_is_sound(void **state)
{
    struct place *p = *state;
    struct store_options o = world_options(&p->w);
    struct verify_report r;
    struct err e;
    char kept[100] = "?";
    put_state(p, p->good.octets, p->good.size);
    assert_int_equal(store_verify(&o, &r, &e), 0);
    assert_int_equal(r.rows, THINGS + 3 + 1);
    assert_int_equal(r.bad_pages + r.bad_rows, 0);
    assert_true(r.values > 2 * THINGS);
    assert_int_equal(store_repair(&o, &r, kept, sizeof kept, &e), 0);
    assert_string_equal(kept, "");
    o.path = "/nonexistent";
    assert_int_equal(store_verify(&o, &r, &e), ERR_NOTFOUND);
}

static const char *kind_of(const struct image *im, uint64_t page)
{
    static const char *const kinds[] = {
        [1] = "branch", [2] = "leaf", [4] = "overflow", [8] = "meta"};
    unsigned flags = im->octets[page * im->page_size + 10] & 15;
    return flags <= 8 && kinds[flags] ? kinds[flags] : "no";
}

static void flipped_bits_are_told_and_repaired(void **state)
{
    struct place *p = *state;
    struct image *im = &p->good;
    uint8_t *copy = malloc(im->size);
    size_t pages = im->size / im->page_size, cases = 0, sound = 0, lost_sum = 0, lost;
    unsigned seed = 42;
    size_t kinds[128] = {0};
    for (size_t page = 0; page < pages; page++) {
        int flips = im->used[page] ? FLIPS_PER_PAGE : FLIPS_PER_FREE_PAGE;
        kinds[(unsigned char)kind_of(im, page)[0]] += im->used[page];
        for (int i = 0; i < flips; i++, cases++) {
            memcpy(copy, im->octets, im->size);
            for (int bits = 1 + (i % 6 == 5) * 7; bits; bits--) {
                /* half of them in the header, where they hurt */
                size_t at = (size_t)rand_r(&seed) % (i % 2 ? 48 : im->page_size);
                if (page < 2) /* of a meta page, what is in use */
                    at %= 160;
                copy[page * im->page_size + at] ^= (uint8_t)(1 << rand_r(&seed) % 8);
            }
            put_state(p, copy, im->size);
            sound += judge(p, (int64_t)page, &lost) == SOUND;
            lost_sum += lost;
        }
    }
    printf("%zu cases on %zu pages (in use: %zu branch, %zu leaf, %zu overflow): %zu harmless, "
           "%zu pairs lost\n",
           cases, pages, kinds['b'], kinds['l'], kinds['o'], sound, lost_sum);
    assert_true(kinds['b'] && kinds['l'] && kinds['o'] && kinds['m'] == 2);
    assert_true(sound < cases / 2);
    free(copy);
}

static void overwritten_pages_are_repaired(void **state)
{
    struct place *p = *state;
    struct image *im = &p->good;
    uint8_t *copy = malloc(im->size);
    size_t pages = im->size / im->page_size;
    unsigned seed = 7;
    for (size_t i = 0; i < 200; i++) {
        size_t page = (size_t)rand_r(&seed) % pages;
        memcpy(copy, im->octets, im->size);
        for (size_t at = 0; at < im->page_size; at++)
            copy[page * im->page_size + at] = i % 2 ? (uint8_t)rand_r(&seed) : 0;
        if (i % 5 == 0) /* another page of the store in its place, as a wrong write leaves it */
            memcpy(copy + page * im->page_size,
                   im->octets + (size_t)rand_r(&seed) % pages * im->page_size, im->page_size);
        put_state(p, copy, im->size);
        judge(p, (int64_t)page, NULL);
    }
    free(copy);
}

static void a_file_cut_short_is_repaired(void **state)
{
    struct place *p = *state;
    struct image *im = &p->good;
    unsigned seed = 3;
    for (int i = 0; i < 60; i++) {
        size_t size = 2 * im->page_size + (size_t)rand_r(&seed) % (im->size - 2 * im->page_size);
        put_state(p, im->octets, size);
        judge(p, -2, NULL);
    }
}

/* Everything at random: nothing is expected but that it ends well. */
static void ruins_do_no_harm(void **state)
{
    struct place *p = *state;
    struct image *im = &p->good;
    uint8_t *copy = malloc(im->size);
    struct store_options o = world_options(&p->w);
    struct verify_report r;
    struct err e;
    char kept[200];
    unsigned seed = 11;
    for (int i = 0; i < 150; i++) {
        memcpy(copy, im->octets, im->size);
        for (int bits = 0; bits < 400; bits++) {
            size_t page = (size_t)rand_r(&seed) % (im->size / im->page_size);
            size_t at = (size_t)rand_r(&seed) % (bits % 2 ? 64 : im->page_size);
            copy[page * im->page_size + at] ^= (uint8_t)(1 << rand_r(&seed) % 8);
        }
        if (i % 3) /* the way in is there */
            memcpy(copy, im->octets, 2 * im->page_size);
        put_state(p, copy, im->size);
        int rc = store_verify(&o, &r, &e);
        if (rc == ERR_VERSION)
            continue;
        assert_int_equal(rc, ERR_CORRUPT);
        rc = store_repair(&o, &r, kept, sizeof kept, &e);
        if (rc)
            fail_msg("%s", e.text);
        remove_folder(kept);
        use_store(p);
    }
    free(copy);
}

static void a_lost_state_is_told(void **state)
{
    struct place *p = *state;
    struct store_options o = world_options(&p->w);
    struct verify_report r;
    struct store *s;
    struct err e;
    char kept[200];
    put_state(p, p->good.octets, p->good.size);
    world_reopen(&p->w); /* makes samples */
    store_close(p->w.store);
    p->w.store = NULL;
    assert_int_equal(truncate(p->file, 0), 0);
    assert_int_equal(store_open(&s, &o, &e), ERR_CORRUPT);
    assert_non_null(strstr(e.text, "empty, or gone"));
    assert_int_equal(store_verify(&o, &r, &e), ERR_CORRUPT);
    assert_int_equal(store_repair(&o, &r, kept, sizeof kept, &e), 0);
    use_store(p);
}

/* Opening looks before LMDB does. */
static void opening_refuses_what_is_damaged(void **state)
{
    struct place *p = *state;
    struct image *im = &p->good;
    struct store_options o = world_options(&p->w);
    struct store *s;
    struct err e;
    uint8_t *copy = malloc(im->size);
    size_t refused = 0;
    for (size_t page = 0; page < im->size / im->page_size; page++) {
        bool branch = kind_of(im, page)[0] == 'b', meta = page < 2;
        if (!branch && !meta)
            continue;
        memcpy(copy, im->octets, im->size);
        memset(copy + page * im->page_size, 0xff, 200);
        put_state(p, copy, im->size);
        int rc = store_open(&s, &o, &e);
        if (!rc)
            store_close(s);
        else
            assert_int_equal(rc, ERR_CORRUPT);
        refused += rc != 0;
    }
    assert_true(refused >= 4); /* stale branches are nobody's */
    put_state(p, im->octets, im->size / 2);
    assert_int_equal(store_open(&s, &o, &e), ERR_CORRUPT);
    assert_non_null(strstr(e.text, p->file));
    free(copy);
}

static void other_machines_are_named(void **state)
{
    struct place *p = *state;
    struct image *im = &p->good;
    struct store_options o = world_options(&p->w);
    struct verify_report r;
    struct store *s;
    struct err e;
    uint8_t *copy = malloc(im->size);
    static const uint8_t swapped[] = {0xbe, 0xef, 0xc0, 0xde}, same[] = {0xde, 0xc0, 0xef, 0xbe};
    static const struct {
        size_t at;
        const uint8_t *magic;
        const char *words;
    } cases[] = {{16, swapped, "other byte order, 64-bit"},
                 {12, same, "this byte order, 32-bit"},
                 {12, swapped, "other byte order, 32-bit"}};
    for (size_t i = 0; i < 3; i++) {
        memcpy(copy, im->octets, im->size);
        memset(copy, 0, 150);
        memset(copy + im->page_size, 0, 150);
        memcpy(copy + cases[i].at, cases[i].magic, 4);
        memcpy(copy + im->page_size + cases[i].at, cases[i].magic, 4);
        put_state(p, copy, im->size);
        assert_int_equal(store_open(&s, &o, &e), ERR_VERSION);
        assert_non_null(strstr(e.text, cases[i].words));
        assert_non_null(strstr(e.text, "little-endian 64-bit"));
        assert_int_equal(store_verify(&o, &r, &e), ERR_VERSION);
    }
    free(copy);
}

static void a_store_in_use_is_left_alone(void **state)
{
    struct place *p = *state;
    struct store_options o = world_options(&p->w);
    struct verify_report r;
    struct err e;
    char kept[100];
    put_state(p, p->good.octets, p->good.size);
    world_reopen(&p->w);
    pid_t pid = fork();
    if (!pid) {
        int rc = store_verify(&o, &r, &e);
        _exit(rc == ERR_AGAIN && store_repair(&o, &r, kept, sizeof kept, &e) == ERR_AGAIN ? 0 : 1);
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    store_close(p->w.store);
    p->w.store = NULL;
}

/* Every step of the dance, as a kill leaves it. */
static void a_repair_may_be_killed(void **state)
{
    struct place *p = *state;
    struct store_options o = world_options(&p->w);
    char from[96], to[96], work[96];
    put_state(p, p->good.octets, p->good.size);
    snprintf(work, sizeof work, "%s/repair", p->w.path);
    snprintf(from, sizeof from, "%s/state", p->w.path);
    snprintf(to, sizeof to, "%s/state.new", p->w.path);
    assert_int_equal(mkdir(work, 0750), 0); /* half built, state in its place */
    assert_int_equal(mkdir(to, 0750), 0);
    world_reopen(&p->w);
    assert_int_not_equal(access(work, F_OK), 0);
    assert_int_not_equal(access(to, F_OK), 0);
    store_close(p->w.store);
    p->w.store = NULL;
    compare_all(p);
    assert_int_equal(check_lost(p, -1), 0);

    /* complete, state moved away */
    assert_int_equal(mkdir(work, 0750), 0);
    assert_int_equal(rename(from, to), 0);
    struct verify_report r;
    struct err e;
    assert_int_equal(store_verify(&o, &r, &e), 0);
    assert_int_not_equal(access(work, F_OK), 0);
    compare_all(p);
    assert_int_equal(check_lost(p, -1), 0);
}

static void few_damaged_ones_are_kept(void **state)
{
    struct place *p = *state;
    struct store_options o = world_options(&p->w);
    struct verify_report r;
    struct err e;
    char kept[5][200], sub[96];
    for (int i = 0; i < 5; i++) {
        put_state(p, p->good.octets, p->good.size / 2);
        assert_int_equal(store_repair(&o, &r, kept[i], sizeof kept[i], &e), 0);
        assert_non_null(strstr(kept[i], "/state.damaged-2"));
    }
    int n = 0;
    assert_int_equal(access(kept[4], F_OK), 0);
    for (int i = 0; i < 5; i++) { /* within one second names come again */
        n += !access(kept[i], F_OK);
        remove_folder(kept[i]);
    }
    assert_int_equal(n, 3);
    snprintf(sub, sizeof sub, "%s/repair", p->w.path);
    assert_int_not_equal(access(sub, F_OK), 0);
}

/* Damage to `samples` costs what is volatile, and no more. */
static void damaged_samples_are_thrown_away(void **state)
{
    struct place *p = *state;
    struct store_options o = world_options(&p->w);
    struct verify_report r;
    struct err e;
    struct edit d;
    struct key k = key_of_id("alice", 5);
    char name[96], kept[100];
    put_state(p, p->good.octets, p->good.size);
    world_reopen(&p->w);
    struct txn *t = txn_begin(p->w.store, TXN_WRITE_SAMPLES);
    edit_begin(&d, t, &sample_table, &k);
    edit_str(&d, SAMPLE_TEXT, "a text that is easily found");
    assert_int_equal(row_put(&d, NULL), 0);
    assert_int_equal(txn_commit(t, NULL), 0);
    store_close(p->w.store);
    p->w.store = NULL;
    snprintf(name, sizeof name, "%s/samples/data.mdb", p->w.path);
    assert_int_equal(store_verify(&o, &r, &e), 0);
    static uint8_t octets[1 << 20];
    int fd = open(name, O_RDWR);
    ssize_t n = read(fd, octets, sizeof octets);
    for (uint8_t *q = octets; (q = memmem(q, (size_t)(octets + n - q), "easily", 6)); q++)
        assert_int_equal(pwrite(fd, "Easily", 6, q - octets), 6);
    close(fd);
    assert_int_equal(store_verify(&o, &r, &e), ERR_CORRUPT);
    assert_non_null(strstr(e.text, "saSampleTable: 5.97.108.105.99.101.5 "));
    assert_int_equal(store_repair(&o, &r, kept, sizeof kept, &e), 0);
    assert_string_equal(kept, "");
    compare_all(p);
    assert_int_equal(check_lost(p, -1), 0);
    world_reopen(&p->w);
    t = txn_begin(p->w.store, TXN_READ);
    assert_false(row_exists(t, &sample_table, &k));
    txn_abort(t);
    store_close(p->w.store);
    p->w.store = NULL;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_sound_store_is_sound),
        cmocka_unit_test(flipped_bits_are_told_and_repaired),
        cmocka_unit_test(overwritten_pages_are_repaired),
        cmocka_unit_test(a_file_cut_short_is_repaired),
        cmocka_unit_test(ruins_do_no_harm),
        cmocka_unit_test(a_lost_state_is_told),
        cmocka_unit_test(opening_refuses_what_is_damaged),
        cmocka_unit_test(other_machines_are_named),
        cmocka_unit_test(a_store_in_use_is_left_alone),
        cmocka_unit_test(a_repair_may_be_killed),
        cmocka_unit_test(few_damaged_ones_are_kept),
        cmocka_unit_test(damaged_samples_are_thrown_away),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
