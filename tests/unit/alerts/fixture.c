#include "tests/unit/alerts/fixture.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/text.h"
#include "store/cells.h"

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *f)
{
    (void)st;
    (void)type;
    (void)f;
    return remove(path);
}

void world_init(struct world *w)
{
    struct store_options o = {.map_bytes = 256 << 20, .no_sync = true, .recover_samples = true};
    static const char *const owners[] = {"admin", "alice", "bob"};
    struct txn *t;
    struct err e;

    snprintf(w->path, sizeof w->path, "/tmp/sa-alerts-XXXXXX");
    assert_non_null(mkdtemp(w->path));
    o.path = w->path;
    if (store_open(&w->store, &o, &e))
        fail_msg("%s", e.text);
    t = begin(w);
    for (size_t i = 0; i < COUNT(owners); i++)
        PUT(t, SA_OWNER, key_of_name(owners[i]), {OWNER_MAX_DEFINITIONS, 0, NULL});
    take_in(t, 1);
    done(t);
}

void world_release(struct world *w)
{
    store_close(w->store);
    nftw(w->path, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
}

int world_setup(void **state)
{
    struct world *w = calloc(1, sizeof *w);

    assert_non_null(w);
    world_init(w);
    *state = w;
    return 0;
}

int world_teardown(void **state)
{
    world_release(*state);
    free(*state);
    return 0;
}

struct txn *begin(struct world *w)
{
    return txn_begin(w->store, TXN_WRITE);
}

void done(struct txn *t)
{
    struct err e;

    if (txn_commit(t, &e))
        fail_msg("not committed: %s", e.text);
}

/* ---- rows ---- */

struct key key3(const char *a, const char *b, const char *c)
{
    struct key k = key_of_names(a, b);

    assert_true(key_str(&k, c));
    return k;
}

void put_row(struct txn *t, unsigned table, struct key k, const struct with *cells, size_t n)
{
    const struct sa_table *s = sa_table_by_id(table);
    struct edit d;
    struct err e = {.text = ""};

    edit_begin(&d, t, s, &k);
    if (s->row_status && !d.existed)
        edit_int(&d, s->row_status, ROW_ACTIVE);
    for (size_t i = 0; i < n; i++) {
        if (cells[i].text)
            edit_str(&d, cells[i].column, cells[i].text);
        else
            edit_int(&d, cells[i].column, cells[i].number);
    }
    if (row_put(&d, &e))
        fail_msg("%s", e.text);
    assert_int_equal(0, changes_append(t, table, d.existed ? CHANGE_UPDATED : CHANGE_CREATED,
                                       key_slice(&k), d.changed));
}

void drop_row(struct txn *t, unsigned table, struct key k)
{
    assert_int_equal(row_delete(t, sa_table_by_id(table), &k), 0);
    assert_int_equal(changes_append(t, table, CHANGE_DELETED, key_slice(&k), NULL), 0);
}

void put_definition(struct txn *t, const char *owner, const char *name, const char *service)
{
    PUT(t, SA_DEFINITION, key_of_names(owner, name), {DEFINITION_CONDITION, 0, "true"},
        {DEFINITION_SERVICE, 0, service});
}

void put_target(struct txn *t, const char *owner, const char *name)
{
    PUT(t, SA_TARGET, key_of_names(owner, name), {TARGET_HANDLER, 0, "traps"});
}

void put_group(struct txn *t, const char *owner, const char *name)
{
    PUT(t, SA_GROUP, key_of_names(owner, name), {GROUP_DESCRIPTION, 0, "custom"});
}

void put_member(struct txn *t, const char *owner, const char *group, const char *definition)
{
    PUT(t, SA_GROUP_DEFINITION, key3(owner, group, definition),
        {GROUP_DEFINITION_STORAGE, STORAGE_NON_VOLATILE, NULL});
}

void put_link(struct txn *t, const char *owner, const char *group, const char *target)
{
    PUT(t, SA_GROUP_TARGET, key3(owner, group, target),
        {GROUP_TARGET_STORAGE, STORAGE_NON_VOLATILE, NULL});
}

void take_in(struct txn *t, unsigned times)
{
    uint64_t seq = changes_consumed(t);
    struct change ch;

    while (!changes_next(t, seq, &ch)) {
        struct key key = key_copy(ch.key);

        ch.key = key_slice(&key);
        seq = ch.seq;
        for (unsigned i = 0; i < times; i++)
            assert_int_equal(index_apply(t, &ch), 0);
    }
    assert_int_equal(changes_consume(t, seq), 0);
}

/* ---- reading ---- */

int64_t cell_of(struct txn *t, unsigned table, struct key k, unsigned column)
{
    struct row r;

    assert_int_equal(row_get(t, sa_table_by_id(table), &k, &r), 0);
    return row_int(&r, column);
}

const char *text_of(struct txn *t, unsigned table, struct key k, unsigned column)
{
    static char texts[4][SA_CELL_MAX + 1];
    static unsigned next;
    struct row r;

    assert_int_equal(row_get(t, sa_table_by_id(table), &k, &r), 0);
    return row_str(&r, column, texts[next++ % 4], sizeof texts[0]);
}

bool is_there(struct txn *t, unsigned table, struct key k)
{
    return row_exists(t, sa_table_by_id(table), &k);
}

uint32_t incarnation_of(struct txn *t, const char *owner, const char *target)
{
    return (uint32_t)cell_of(t, SA_TARGET, key_of_names(owner, target), TARGET_INCARNATION);
}

struct route_target target_of(struct txn *t, const char *owner, const char *name)
{
    struct route_target to = {.incarnation = incarnation_of(t, owner, name)};

    snprintf(to.owner, sizeof to.owner, "%s", owner);
    snprintf(to.name, sizeof to.name, "%s", name);
    return to;
}

struct notice_text test_notice_of(uint32_t alert)
{
    return (struct notice_text){.kind = KIND_TEST,
                                .notification = SA_TEST,
                                .owner = "alice",
                                .definition = "",
                                .service = "",
                                .instance = "",
                                .value = "",
                                .message = "This is a test.",
                                .alert = alert,
                                .level = LEVEL_OK,
                                .previous_level = LEVEL_OK};
}

uint64_t dump(struct txn *t, const char *const *dbs, size_t ndbs)
{
    uint64_t hash = 1;
    struct slice k, v;
    struct cursor c;
    struct row r;

    for (size_t i = 0; i < sa_ntables; i++) {
        for (cursor_first(&c, t, sa_tables[i], NULL); cursor_row(&c, &r); cursor_next(&c))
            hash = hash64(r.durable.data, r.durable.len, hash64(r.key.data, r.key.len, hash));
        cursor_close(&c);
    }
    for (size_t i = 0; i < ndbs; i++) {
        struct slice at = {NULL, 0};

        while (!kv_seek(t, dbs[i], at, at.len > 0, &k, &v)) {
            hash = hash64(v.data, v.len, hash64(k.data, k.len, hash));
            at = k;
        }
    }
    return hash;
}

uint32_t dice(uint64_t *seed, uint32_t n)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    return (uint32_t)(*seed >> 33) % n;
}
