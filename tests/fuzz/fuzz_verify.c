/* A damaged file of the store, read page by page by store/verify.h. Whatever the octets: it ends,
 * with a verdict. What is called sound LMDB can open and read to its end; what is called damaged
 * can be repaired to something sound.
 *
 * The input changes the file of a small store: bit 0 of the first octet asks for a repair; then
 * changes, each an octet that says which, and what that needs (see `change'). */
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "store/verify.h"
#include "tests/fuzz/world.h"

enum { IMAGE_MAX = 4 << 20, PAGE = 4096, CHANGES_MAX = 64, ROWS = 120, BIG = 6000 };

static char folder[32] = "/dev/shm/fuzz_verify.XXXXXX", path[64], file[80];
static uint8_t sound[IMAGE_MAX], image[IMAGE_MAX]; /* as written; as changed */
static size_t sound_size, image_size;

/* ---- the store ---- */

/* Enough for branch pages, values with pages of their own, and a free list. */
static void fill_more(struct store *s)
{
    static char big[BIG];
    struct slice value = {(const uint8_t *)big, sizeof big};
    struct err e;

    memset(big, 'x', sizeof big);
    for (int round = 0; round < 3; round++) {
        struct txn *t = txn_begin(s, TXN_WRITE);

        for (uint32_t id = 1; id <= ROWS; id++) {
            struct key k = key_of_id("a", id);
            struct edit d;

            if (round == 2 && id % 3 == 0) {
                REQUIRE(row_delete(t, sa_table_by_id(SA_HISTORY), &k) == 0);
                continue;
            }
            edit_begin(&d, t, sa_table_by_id(SA_HISTORY), &k);
            edit_str(&d, HISTORY_DEFINITION, "hot");
            edit_int(&d, HISTORY_FROM, 1 + (int)(id + (uint32_t)round) % 5);
            REQUIRE(row_put(&d, &e) == 0);
        }
        for (uint8_t i = 0; i < 4; i++)
            REQUIRE(kv_put(t, "fuzz", (struct slice){&i, 1}, value) == 0);
        REQUIRE(txn_commit(t, &e) == 0);
    }
}

static size_t read_file(const char *name, uint8_t *to, size_t cap)
{
    int fd = open(name, O_RDONLY | O_CLOEXEC);
    ssize_t n = read(fd, to, cap);

    REQUIRE(fd >= 0 && n > 0 && (size_t)n < cap);
    close(fd);
    return (size_t)n;
}

static void leave(void)
{
    world_remove(folder);
}

static void start(void)
{
    struct store_options o = {.path = path, .map_bytes = 32 << 20, .no_sync = true};
    struct store *s;
    struct err e;

    if (sound_size)
        return;
    log_open("fuzz", LOG_LEVEL_ERROR);
    if (!mkdtemp(folder)) { /* memory is faster: a repair syncs */
        snprintf(folder, sizeof folder, "/tmp/fuzz_verify.XXXXXX");
        REQUIRE(mkdtemp(folder));
    }
    atexit(leave);
    snprintf(path, sizeof path, "%s/store", folder);
    snprintf(file, sizeof file, "%s/state/data.mdb", path);
    REQUIRE(store_open(&s, &o, &e) == 0);
    world_fill(s);
    fill_more(s);
    store_close(s);
    sound_size = read_file(file, sound, sizeof sound);
}

/* ---- damage ---- */

/* Page and octet, as far as the file goes. */
static size_t place(const uint8_t **p, size_t *left)
{
    size_t page = world_octet(p, left), octet = world_octet(p, left);

    octet = (octet << 8 | world_octet(p, left)) % PAGE;
    return (page * PAGE + octet) % sound_size;
}

static void change(const uint8_t **p, size_t *left)
{
    uint8_t what = world_octet(p, left);
    size_t at = place(p, left), from;
    struct slice octets;

    switch (what % 4) {
    case 0: /* other octets */
        octets = world_take(p, left, world_octet(p, left));
        if (octets.len > image_size - at)
            octets.len = image_size - at;
        if (octets.len)
            memcpy(image + at, octets.data, octets.len);
        break;
    case 1: /* a bit */
        image[at] ^= (uint8_t)(1u << (what >> 5));
        break;
    case 2: /* a page where another one should be */
        from = place(p, left) / PAGE * PAGE;
        if (image_size % PAGE == 0)
            memmove(image + at / PAGE * PAGE, image + from, PAGE);
        break;
    default: /* an end, perhaps within a page */
        if (what & 0x80)
            image_size = at;
    }
}

static void write_image(void)
{
    char state[72];
    int fd;

    snprintf(state, sizeof state, "%s/state", path);
    mkdir(path, 0750);
    mkdir(state, 0750);
    fd = open(file, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0640);
    REQUIRE(fd >= 0 && write(fd, image, image_size) == (ssize_t)image_size);
    close(fd);
}

/* ---- what must be so ---- */

static void check_report(const struct verify_report *r, int rc, const struct err *e)
{
    if (rc == 0)
        REQUIRE(r->bad_pages == 0 && r->bad_rows == 0 && r->first[0] == '\0');
    else
        REQUIRE(e->code == rc && e->text[0]);
    if (rc == ERR_CORRUPT)
        REQUIRE(r->first[0] && r->bad_pages + r->bad_rows > 0);
}

/* LMDB reads, and writes. */
static void use(const struct store_options *o)
{
    uint32_t at[SUBIDS_MAX], next[SUBIDS_MAX];
    struct slice none = {NULL, 0}, key, value, v = {(const uint8_t *)"v", 1};
    size_t n = 0, nnext;
    struct cell cell;
    struct store *s;
    struct txn *t;
    struct err e;

    REQUIRE(store_open(&s, o, &e) == 0);
    t = txn_begin(s, TXN_READ);
    while (view_next(t, at, n, next, &nnext, &cell) == 0) {
        memcpy(at, next, nnext * sizeof *at);
        n = nnext;
    }
    (void)kv_seek(t, "fuzz", none, false, &key, &value);
    REQUIRE(txn_error(t) == 0);
    txn_abort(t);
    t = txn_begin(s, TXN_WRITE);
    (void)kv_put(t, "fuzz", v, v);
    REQUIRE(txn_commit(t, &e) == 0);
    store_close(s);
}

static void repair(const struct store_options *o)
{
    struct verify_report r;
    struct err e = {0};
    char kept[256];
    int rc = store_repair(o, &r, kept, sizeof kept, &e);

    REQUIRE(rc == 0);
    REQUIRE(store_verify(o, &r, &e) == 0);
    use(o);
}

FUZZ_TARGET(verify)
{
    struct store_options o = {
        .path = path, .map_bytes = 32 << 20, .no_sync = true, .recover_samples = true};
    struct verify_report r;
    struct err e = {0};
    bool repairs;
    int rc;

    start();
    repairs = world_octet(&data, &size) & 1;
    memcpy(image, sound, sound_size);
    image_size = sound_size;
    for (int i = 0; size && i < CHANGES_MAX; i++)
        change(&data, &size);
    world_remove(path);
    write_image();
    rc = store_verify(&o, &r, &e);
    REQUIRE(rc == 0 || rc == ERR_CORRUPT || rc == ERR_VERSION || rc == ERR_NOTFOUND);
    check_report(&r, rc, &e);
    if (rc == 0)
        use(&o);
    if (rc == ERR_CORRUPT && repairs)
        repair(&o);
    return 0;
}
