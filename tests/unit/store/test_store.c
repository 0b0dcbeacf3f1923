/* Opening, transactions, rows, edits, cursors, ids, own databases, the changes ring; and what
 * several processes and killed ones leave. */
#include "tests/unit/store/fixture.h"

#include <fcntl.h>
#include <grp.h>
#include <lmdb.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "store/cells.h"
#include "store/impl.h"

static int setup(void **state)
{
    static struct world w;
    world_init(&w);
    *state = &w;
    return 0;
}

static int teardown(void **state)
{
    world_release(*state);
    return 0;
}

static struct slice text(const char *s)
{
    return (struct slice){(const uint8_t *)s, strlen(s)};
}

static void assert_text(struct slice got, const char *want)
{
    assert_int_equal(got.len, strlen(want));
    assert_memory_equal(got.data, want, got.len);
}

/* ---- rows and edits ---------------------------------------------------------------------------*/

static void rows_are_put_read_and_deleted(void **state)
{
    struct world *w = *state;
    struct row r;
    struct key k = key_of_names("alice", "disk");
    char str[6];
    put_thing(w->store, "alice", "disk", "caf\xc3\xa9 au lait");
    world_reopen(w);
    struct txn *t = txn_begin(w->store, TXN_READ);
    assert_int_equal(row_get(t, &thing_table, &k, &r), 0);
    assert_text(row_text(&r, THING_TEXT), "caf\xc3\xa9 au lait");
    assert_string_equal(row_str(&r, THING_TEXT, str, sizeof str), "caf\xc3\xa9");
    assert_string_equal(row_str(&r, THING_TEXT, str, 5), "caf");
    assert_string_equal(row_str(&r, THING_NAME, str, sizeof str), "disk");
    assert_int_equal(row_int(&r, THING_NUMBER), 7);
    assert_false(row_has(&r, THING_NUMBER));
    assert_true(row_has(&r, THING_TEXT));
    assert_true(row_active(&r));
    assert_int_equal(table_count(t, &thing_table), 1);
    txn_abort(t);

    t = txn_begin(w->store, TXN_WRITE);
    assert_int_equal(row_delete(t, &thing_table, &k), 0);
    assert_int_equal(row_delete(t, &thing_table, &k), ERR_NOTFOUND);
    assert_int_equal(txn_commit(t, NULL), 0);
    t = txn_begin(w->store, TXN_READ);
    assert_int_equal(row_get(t, &thing_table, &k, &r), ERR_NOTFOUND);
    assert_int_equal(txn_commit(t, NULL), 0);
}

static void an_abort_leaves_nothing(void **state)
{
    struct world *w = *state;
    struct edit d;
    struct key k = key_of_names("alice", "x");
    struct txn *t = txn_begin(w->store, TXN_WRITE);
    edit_begin(&d, t, &thing_table, &k);
    edit_str(&d, THING_TEXT, "x");
    assert_int_equal(row_put(&d, NULL), 0);
    assert_true(row_exists(t, &thing_table, &k));
    txn_abort(t);
    t = txn_begin(w->store, TXN_READ);
    assert_false(row_exists(t, &thing_table, &k));
    txn_abort(t);
}

static void errors_stick(void **state)
{
    struct world *w = *state;
    struct err e;
    struct edit d;
    struct key k = key_of_names("alice", "x");
    struct txn *t = txn_begin(w->store, TXN_WRITE);
    assert_int_equal(txn_fail(t, ERR_RANGE), ERR_RANGE);
    edit_begin(&d, t, &thing_table, &k);
    edit_str(&d, THING_TEXT, "x");
    assert_int_equal(row_put(&d, &e), ERR_RANGE);
    assert_int_equal(kv_put(t, "index", text("a"), text("b")), ERR_RANGE);
    assert_int_equal(txn_error(t), ERR_RANGE);
    assert_int_equal(txn_commit(t, &e), ERR_RANGE);
    t = txn_begin(w->store, TXN_READ);
    assert_false(row_exists(t, &thing_table, &k));
    txn_abort(t);
}

/* One cell that an edit must refuse, the transaction going on. */
static void refuses(struct world *w, unsigned column, const char *s, int64_t v, int want)
{
    struct edit d;
    struct err e;
    struct key k = key_of_names("alice", "disk");
    struct txn *t = txn_begin(w->store, TXN_WRITE);
    edit_begin(&d, t, &thing_table, &k);
    if (s)
        edit_text(&d, column, s, strlen(s));
    else
        edit_int(&d, column, v);
    assert_int_equal(row_put(&d, &e), want);
    if (sa_column_by_number(&thing_table, column))
        assert_non_null(strstr(e.text, sa_column_by_number(&thing_table, column)->name));
    assert_int_equal(txn_error(t), 0);
    assert_false(row_exists(t, &thing_table, &k));
    assert_int_equal(txn_commit(t, NULL), 0);
}

static void edits_check_every_cell(void **state)
{
    struct world *w = *state;
    char longer[66];
    memset(longer, 'a', 65);
    longer[65] = 0;
    refuses(w, THING_TEXT, longer, 0, ERR_WRONG_LENGTH);
    refuses(w, THING_TEXT, "", 0, ERR_WRONG_LENGTH);
    refuses(w, THING_TEXT, "\xff\xfe", 0, ERR_WRONG_VALUE);
    refuses(w, THING_TEXT, NULL, 1, ERR_WRONG_TYPE);
    refuses(w, THING_NUMBER, NULL, 101, ERR_WRONG_VALUE);
    refuses(w, THING_NUMBER, NULL, -11, ERR_WRONG_VALUE);
    refuses(w, THING_NUMBER, "7", 0, ERR_WRONG_TYPE);
    refuses(w, THING_KIND, NULL, 2, ERR_WRONG_VALUE);
    refuses(w, THING_BITS, NULL, 4, ERR_WRONG_VALUE);
    refuses(w, THING_FROZEN, NULL, INT64_C(1) << 32, ERR_WRONG_VALUE);
    refuses(w, THING_OTHER, "a\nb", 0, ERR_WRONG_VALUE);
    refuses(w, THING_COUNT, NULL, 1, ERR_INVALID);  /* volatile */
    refuses(w, THING_TWICE, NULL, 1, ERR_INVALID);  /* computed */
    refuses(w, THING_NAME, "disk", 0, ERR_INVALID); /* the index */
    refuses(w, 99, NULL, 1, ERR_INVALID);
    longer[64] = 0;
    put_thing(w->store, "alice", "disk", longer);
}

static void an_index_must_be_whole(void **state)
{
    struct world *w = *state;
    struct edit d;
    struct key bad[3] = {key_of_name("alice"), key_of_names("alice", ""), key_of_id("alice", 4)};
    for (int i = 0; i < 3; i++) {
        struct txn *t = txn_begin(w->store, TXN_WRITE);
        edit_begin(&d, t, &thing_table, &bad[i]);
        edit_str(&d, THING_TEXT, "x");
        assert_int_equal(row_put(&d, NULL), ERR_INVALID);
        txn_abort(t);
    }
}

static void put_says_what_changed(void **state)
{
    struct world *w = *state;
    struct edit d;
    struct key k = key_of_names("alice", "disk");
    put_thing(w->store, "alice", "disk", "one");
    struct txn *t = txn_begin(w->store, TXN_WRITE);
    edit_begin(&d, t, &thing_table, &k);
    assert_true(d.existed);
    edit_str(&d, THING_TEXT, "one");
    edit_int(&d, THING_NUMBER, 50);
    edit_int(&d, THING_NUMBER, 7);
    edit_clear(&d, THING_BITS);
    assert_int_equal(row_put(&d, NULL), 0);
    assert_true(bits_has(d.changed, THING_NUMBER));
    assert_false(bits_has(d.changed, THING_TEXT));
    assert_false(bits_has(d.changed, THING_BITS));
    edit_begin(&d, t, &thing_table, &k);
    edit_clear(&d, THING_NUMBER);
    assert_int_equal(row_put(&d, NULL), 0);
    assert_true(bits_has(d.changed, THING_NUMBER));
    txn_abort(t);
}

/* What an edit read when it began is not what it lays its cells over, if others wrote meanwhile. */
static void edits_of_one_row_meet(void **state)
{
    struct world *w = *state;
    struct edit first, second;
    struct row r;
    struct key k = key_of_names("alice", "disk");
    char text[32];
    put_thing(w->store, "alice", "disk", "one");
    struct txn *t = txn_begin(w->store, TXN_WRITE);
    edit_begin(&first, t, &thing_table, &k);
    edit_begin(&second, t, &thing_table, &k);
    edit_str(&first, THING_TEXT, "two");
    edit_int(&second, THING_NUMBER, 50);
    assert_int_equal(row_put(&first, NULL), 0);
    assert_int_equal(row_put(&second, NULL), 0);
    assert_int_equal(row_get(t, &thing_table, &k, &r), 0);
    assert_string_equal(row_str(&r, THING_TEXT, text, sizeof text), "two");
    assert_int_equal(row_int(&r, THING_NUMBER), 50);
    edit_begin(&first, t, &thing_table, &k);
    assert_int_equal(row_delete(t, &thing_table, &k), 0);
    edit_str(&first, THING_TEXT, "three");
    assert_int_equal(row_put(&first, NULL), 0);
    assert_int_equal(row_get(t, &thing_table, &k, &r), 0);
    assert_false(row_has(&r, THING_NUMBER));
    txn_abort(t);
}

/* A database that got its name in a transaction that failed has none in the next. */
static void a_name_goes_with_its_transaction(void **state)
{
    struct world *w = *state;
    struct slice key = {(const uint8_t *)"k", 1}, v;
    struct txn *t = txn_begin(w->store, TXN_WRITE);
    assert_int_equal(kv_put(t, "lost", key, key), 0);
    assert_int_equal(kv_get(t, "lost", key, &v), 0);
    txn_abort(t);
    t = txn_begin(w->store, TXN_WRITE);
    assert_int_equal(kv_put(t, "kept", key, key), 0);
    assert_int_equal(kv_get(t, "lost", key, &v), ERR_NOTFOUND);
    assert_int_equal(kv_put(t, "lost", key, (struct slice){(const uint8_t *)"2", 1}), 0);
    assert_int_equal(kv_get(t, "kept", key, &v), 0);
    assert_memory_equal(v.data, "k", 1);
    assert_int_equal(txn_commit(t, NULL), 0);
    t = txn_begin(w->store, TXN_READ);
    assert_int_equal(kv_get(t, "lost", key, &v), 0);
    assert_memory_equal(v.data, "2", 1);
    assert_int_equal(kv_get(t, "kept", key, &v), 0);
    assert_memory_equal(v.data, "k", 1);
    txn_abort(t);
}

static void counters_wrap_and_gauges_clamp(void **state)
{
    struct world *w = *state;
    struct edit d;
    struct row r;
    struct key k = key_of_names("alice", "disk");
    put_thing(w->store, "alice", "disk", "one");
    struct txn *t = txn_begin(w->store, TXN_WRITE_SAMPLES);
    edit_begin(&d, t, &thing_table, &k);
    edit_add(&d, THING_COUNT, 4294967290);
    edit_add(&d, THING_COUNT, 10);
    edit_add(&d, THING_GAUGE, 49);
    edit_add(&d, THING_GAUGE, 49);
    assert_int_equal(row_put(&d, NULL), 0);
    assert_int_equal(row_get(t, &thing_table, &k, &r), 0);
    assert_int_equal(row_int(&r, THING_COUNT), 4);
    assert_int_equal(row_int(&r, THING_GAUGE), 50);
    edit_begin(&d, t, &thing_table, &k);
    edit_add(&d, THING_GAUGE, -60);
    edit_add(&d, THING_COUNT, 1);
    assert_int_equal(row_put(&d, NULL), 0);
    assert_int_equal(row_get(t, &thing_table, &k, &r), 0);
    assert_int_equal(row_int(&r, THING_COUNT), 5);
    assert_int_equal(row_int(&r, THING_GAUGE), 0);
    assert_int_equal(txn_commit(t, NULL), 0);
}

/* What a manager takes the difference of: modulo 2^32, whatever was added at once. */
static void counters_count_modulo_2_to_the_32(void **state)
{
    static const struct {
        int64_t add, want;
    } steps[] = {
        {UINT32_MAX, UINT32_MAX}, {1, 0}, {0, 0},
        {INT64_C(1) << 32, 0},    {5, 5}, {(INT64_C(7) << 32) + UINT32_MAX, 4},
    };
    struct world *w = *state;
    struct key k = key_of_names("alice", "disk");
    put_thing(w->store, "alice", "disk", "one");
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
        struct txn *t = txn_begin(w->store, TXN_WRITE_SAMPLES);
        struct edit d;
        struct row r;
        edit_begin(&d, t, &thing_table, &k);
        edit_add(&d, THING_COUNT, steps[i].add);
        assert_int_equal(row_put(&d, NULL), 0);
        assert_int_equal(row_get(t, &thing_table, &k, &r), 0);
        assert_int_equal(row_int(&r, THING_COUNT), steps[i].want);
        assert_int_equal(txn_commit(t, NULL), 0);
    }
}

/* A cell that a newer program wrote stays, whatever this one changes. */
static void unknown_cells_are_kept(void **state)
{
    struct world *w = *state;
    static const struct sa_column more_columns[] = {
        {.number = 2, .name = "saThingText", .syntax = SA_TEXT, .access = SA_READ_ONLY, .max = 64},
        {.number = 100, .name = "saThingNew", .syntax = SA_TEXT, .access = SA_READ_ONLY, .max = 64},
    };
    struct sa_table newer = thing_table;
    newer.columns = more_columns;
    newer.ncolumns = 2;
    newer.row_status = newer.storage_type = 0;
    const struct sa_table *const tables[] = {&newer};
    struct store_options o = world_options(w);
    struct edit d;
    struct key k = key_of_names("alice", "disk");
    put_thing(w->store, "alice", "disk", "one");
    store_close(w->store);
    o.tables = tables;
    o.ntables = 1;
    assert_int_equal(store_open(&w->store, &o, NULL), 0);
    struct txn *t = txn_begin(w->store, TXN_WRITE);
    edit_begin(&d, t, &newer, &k);
    edit_str(&d, 100, "later");
    assert_int_equal(row_put(&d, NULL), 0);
    assert_int_equal(txn_commit(t, NULL), 0);
    world_reopen(w);
    put_thing(w->store, "alice", "disk", "two");
    store_close(w->store);
    assert_int_equal(store_open(&w->store, &o, NULL), 0);
    struct row r;
    t = txn_begin(w->store, TXN_READ);
    assert_int_equal(row_get(t, &newer, &k, &r), 0);
    assert_text(row_text(&r, 100), "later");
    assert_text(row_text(&r, 2), "two");
    txn_abort(t);
}

/* ---- cursors --------------------------------------------------------------------------------- */

static int count(struct txn *t, const struct key *prefix)
{
    struct cursor c;
    struct row r;
    int n = 0;
    for (cursor_first(&c, t, &thing_table, prefix); cursor_row(&c, &r); cursor_next(&c))
        n++;
    cursor_close(&c);
    return n;
}

static void cursors_stay_in_their_prefix(void **state)
{
    struct world *w = *state;
    struct cursor c;
    struct row r;
    char name[33];
    put_thing(w->store, "al", "z", "x");
    put_thing(w->store, "alice", "a", "x");
    put_thing(w->store, "alice", "bb", "x");
    put_thing(w->store, "bob", "a", "x");
    struct key alice = key_of_name("alice"), none = key_of_name("eve"),
               a = key_of_names("alice", "a");
    struct txn *t = txn_begin(w->store, TXN_READ);
    assert_int_equal(count(t, NULL), 4);
    assert_int_equal(count(t, &alice), 2);
    assert_int_equal(count(t, &none), 0);
    cursor_seek(&c, t, &thing_table, &alice, &a, true);
    assert_true(cursor_row(&c, &r));
    assert_string_equal(row_str(&r, THING_NAME, name, sizeof name), "bb");
    cursor_next(&c);
    assert_false(cursor_row(&c, &r));
    cursor_close(&c);
    cursor_seek(&c, t, &thing_table, &alice, &a, false);
    assert_true(cursor_row(&c, &r));
    assert_string_equal(row_str(&r, THING_NAME, name, sizeof name), "a");
    /* another one over the same table at once */
    assert_int_equal(count(t, &alice), 2);
    cursor_next(&c);
    assert_true(cursor_row(&c, &r));
    assert_string_equal(row_str(&r, THING_NAME, name, sizeof name), "bb");
    cursor_close(&c);
    txn_abort(t);
}

static void rows_change_under_a_cursor(void **state)
{
    struct world *w = *state;
    struct cursor c;
    struct row r;
    struct edit d;
    char name[32];
    int seen = 0;
    for (int i = 0; i < 300; i++) {
        snprintf(name, sizeof name, "n%03d", i);
        put_thing(w->store, "alice", name, "some text that fills the page");
    }
    struct txn *t = txn_begin(w->store, TXN_WRITE);
    for (cursor_first(&c, t, &thing_table, NULL); cursor_row(&c, &r); cursor_next(&c), seen++) {
        struct key k = key_copy(r.key);
        row_str(&r, THING_NAME, name, sizeof name);
        assert_int_equal(atoi(name + 1), seen);
        if (seen % 3 == 0) {
            assert_int_equal(row_delete(t, &thing_table, &k), 0);
            continue;
        }
        edit_begin(&d, t, &thing_table, &k);
        edit_str(&d, THING_TEXT, "a text that is rather longer than the one before it was");
        edit_int(&d, THING_NUMBER, 1);
        assert_int_equal(row_put(&d, NULL), 0);
        assert_true(cursor_row(&c, &r)); /* the new bytes */
        assert_int_equal(row_int(&r, THING_NUMBER), 1);
    }
    cursor_close(&c);
    assert_int_equal(seen, 300);
    assert_int_equal(txn_commit(t, NULL), 0);
    t = txn_begin(w->store, TXN_READ);
    assert_int_equal(count(t, NULL), 200);
    assert_int_equal(table_count(t, &thing_table), 200);
    txn_abort(t);
}

static void readers_see_one_instant(void **state)
{
    struct world *w = *state;
    put_thing(w->store, "alice", "a", "x");
    struct txn *t = txn_begin(w->store, TXN_READ);
    assert_int_equal(count(t, NULL), 1);
    put_thing(w->store, "alice", "b", "x");
    assert_int_equal(count(t, NULL), 1);
    struct txn *second = txn_begin(w->store, TXN_READ);
    assert_int_equal(count(second, NULL), 2);
    txn_abort(second);
    txn_abort(t);
    /* A second writer in this process is our own mistake, not a deadlock. */
    t = txn_begin(w->store, TXN_WRITE);
    second = txn_begin(w->store, TXN_WRITE);
    assert_int_equal(txn_error(second), ERR_INVALID);
    txn_abort(second);
    assert_int_equal(txn_commit(t, NULL), 0);
}

/* ---- ids --------------------------------------------------------------------------------------
 */

static uint32_t next_id(struct store *s, const struct sa_table *table, enum txn_kind kind)
{
    uint32_t id = 0;
    struct txn *t = txn_begin(s, kind);
    assert_int_equal(id_next(t, table, &id), 0);
    assert_int_equal(txn_commit(t, NULL), 0);
    return id;
}

static void ids_are_never_given_twice(void **state)
{
    struct world *w = *state;
    uint32_t id;
    assert_int_equal(next_id(w->store, &thing_table, TXN_WRITE), 1);
    assert_int_equal(next_id(w->store, &thing_table, TXN_WRITE), 2);
    assert_int_equal(next_id(w->store, &link_table, TXN_WRITE), 1);
    world_reopen(w);
    assert_int_equal(next_id(w->store, &thing_table, TXN_WRITE), 3);
    struct txn *t = txn_begin(w->store, TXN_WRITE_SAMPLES);
    assert_int_equal(id_next(t, &thing_table, &id), ERR_INVALID);
    txn_abort(t);
}

/* `samples` may be lost with a crash of the machine; its ids must not come again. */
static void ids_survive_lost_samples(void **state)
{
    struct world *w = *state;
    char path[128];
    uint32_t first = next_id(w->store, &sample_table, TXN_WRITE_SAMPLES);
    uint32_t last = next_id(w->store, &sample_table, TXN_WRITE_SAMPLES);
    assert_int_equal(last, first + 1);
    world_reopen(w);
    assert_int_equal(next_id(w->store, &sample_table, TXN_WRITE_SAMPLES), last + 1);
    store_close(w->store);
    w->store = NULL;
    snprintf(path, sizeof path, "%s/samples", w->path);
    remove_folder(path);
    world_reopen(w);
    assert_true(next_id(w->store, &sample_table, TXN_WRITE_SAMPLES) > last + 1);
    /* with a durable transaction of ours under way, too */
    for (int i = 0; i < 2; i++) {
        struct txn *t = txn_begin(w->store, TXN_WRITE);
        uint32_t id = next_id(w->store, &sample_table, TXN_WRITE_SAMPLES);
        assert_true(id > last);
        last = id;
        if (i)
            assert_int_equal(txn_commit(t, NULL), 0);
        else
            txn_abort(t);
    }
}

/* ---- own databases and the ring ---------------------------------------------------------------
 */

static void own_databases_hold_pairs(void **state)
{
    struct world *w = *state;
    struct slice k, v;
    struct txn *t = txn_begin(w->store, TXN_READ);
    assert_int_equal(kv_get(t, "index", text("a"), &v), ERR_NOTFOUND);
    assert_int_equal(kv_count(t, "index"), 0);
    assert_int_equal(kv_put(t, "index", text("a"), text("1")), ERR_INVALID);
    txn_abort(t);
    t = txn_begin(w->store, TXN_WRITE);
    kv_put(t, "index", text("a"), text("1"));
    kv_put(t, "index", text("c"), text("3"));
    kv_put(t, "queue", text("b"), text("2"));
    assert_int_equal(txn_commit(t, NULL), 0);
    world_reopen(w);
    t = txn_begin(w->store, TXN_WRITE);
    assert_int_equal(kv_count(t, "index"), 2);
    assert_int_equal(kv_get(t, "index", text("c"), &v), 0);
    assert_text(v, "3");
    assert_int_equal(kv_seek(t, "index", text("a"), true, &k, &v), 0);
    assert_text(k, "c");
    assert_int_equal(kv_seek(t, "index", text("a"), false, &k, &v), 0);
    assert_text(k, "a");
    assert_int_equal(kv_seek(t, "index", text(""), false, &k, &v), 0);
    assert_text(k, "a");
    assert_int_equal(kv_seek(t, "index", text("c"), true, &k, &v), ERR_NOTFOUND);
    assert_int_equal(kv_del(t, "index", text("b")), ERR_NOTFOUND);
    assert_int_equal(kv_del(t, "index", text("a")), 0);
    assert_int_equal(kv_count(t, "index"), 1);
    assert_int_equal(txn_commit(t, NULL), 0);
    char name[32];
    t = txn_begin(w->store, TXN_WRITE);
    for (int i = 0; i < 30; i++) {
        snprintf(name, sizeof name, "db%d", i);
        assert_int_equal(kv_put(t, name, text("a"), text("1")), 0);
    }
    assert_int_equal(kv_put(t, "onemore", text("a"), text("1")), ERR_FULL);
    txn_abort(t);
}

static void the_ring_is_consumed_in_order(void **state)
{
    struct world *w = *state;
    struct change ch;
    struct key k = key_of_names("alice", "disk");
    uint32_t columns[8] = {0};
    bits_set(columns, 3);
    bits_set(columns, 201);
    struct txn *t = txn_begin(w->store, TXN_WRITE);
    assert_int_equal(changes_consumed(t), 0);
    changes_append(t, T_THING, CHANGE_CREATED, key_slice(&k), columns);
    changes_append(t, T_THING, CHANGE_DELETED, key_slice(&k), NULL);
    assert_int_equal(txn_commit(t, NULL), 0);
    t = txn_begin(w->store, TXN_WRITE);
    assert_int_equal(changes_next(t, 0, &ch), 0);
    assert_int_equal(ch.seq, 1);
    assert_int_equal(ch.table, T_THING);
    assert_int_equal(ch.op, CHANGE_CREATED);
    assert_memory_equal(ch.columns, columns, sizeof columns);
    assert_int_equal(ch.key.len, k.len);
    assert_memory_equal(ch.key.data, k.data, k.len);
    assert_int_equal(changes_next(t, 1, &ch), 0);
    assert_int_equal(ch.op, CHANGE_DELETED);
    assert_int_equal(changes_next(t, 2, &ch), ERR_NOTFOUND);
    assert_int_equal(changes_consume(t, 1), 0);
    txn_abort(t); /* the effects did not commit: it comes again */
    t = txn_begin(w->store, TXN_WRITE);
    assert_int_equal(changes_next(t, changes_consumed(t), &ch), 0);
    assert_int_equal(ch.seq, 1);
    assert_int_equal(changes_consume(t, 2), 0);
    assert_int_equal(txn_commit(t, NULL), 0);
    world_reopen(w);
    t = txn_begin(w->store, TXN_WRITE);
    assert_int_equal(changes_consumed(t), 2);
    assert_int_equal(changes_next(t, 0, &ch), ERR_NOTFOUND);
    changes_append(t, T_THING, CHANGE_UPDATED, key_slice(&k), columns);
    assert_int_equal(changes_next(t, 2, &ch), 0);
    assert_int_equal(ch.seq, 3);
    assert_int_equal(txn_commit(t, NULL), 0);
}

/* ---- processes --------------------------------------------------------------------------------
 */

/* As the agent does, beside others. */
static struct store *open_again(const struct world *w)
{
    struct store *s = NULL;
    struct store_options o = world_options(w);
    o.recover_samples = false;
    return store_open(&s, &o, NULL) ? NULL : s;
}

static void add_one(struct store *s)
{
    struct edit d;
    struct row r;
    struct key k = key_of_names("alice", "sum");
    struct txn *t = txn_begin(s, TXN_WRITE);
    int64_t now = row_get(t, &thing_table, &k, &r) ? 0 : row_int(&r, THING_HIDDEN);
    edit_begin(&d, t, &thing_table, &k);
    edit_int(&d, THING_HIDDEN, now + 1);
    row_put(&d, NULL);
    txn_commit(t, NULL);
}

static void two_processes_write(void **state)
{
    enum { TIMES = 2000 };
    struct world *w = *state;
    int status;
    store_close(w->store);
    w->store = NULL;
    pid_t pid = fork();
    assert_true(pid >= 0);
    struct store *s = open_again(w);
    for (int i = 0; s && i < TIMES; i++)
        add_one(s);
    if (!pid) {
        store_close(s);
        _exit(s ? 0 : 1);
    }
    assert_non_null(s);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    w->store = s;
    struct row r;
    struct key k = key_of_names("alice", "sum");
    struct txn *t = txn_begin(s, TXN_READ);
    assert_int_equal(row_get(t, &thing_table, &k, &r), 0);
    assert_int_equal(row_int(&r, THING_HIDDEN), 2 * TIMES);
    txn_abort(t);
}

/* The child says when it is in the middle of a transaction (and of a read), then is killed. */
static void writers_may_be_killed(void **state)
{
    struct world *w = *state;
    int fds[2], go[2], status;
    char c;
    put_thing(w->store, "alice", "before", "x");
    store_close(w->store);
    w->store = NULL;
    assert_int_equal(pipe(fds), 0);
    assert_int_equal(pipe(go), 0);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (!pid) {
        struct edit d;
        struct key k = key_of_names("alice", "during");
        struct store *s = open_again(w);
        if (read(go[0], &c, 1) != 1)
            _exit(1);
        struct txn *reader = txn_begin(s, TXN_READ);
        struct txn *t = txn_begin(s, TXN_WRITE);
        edit_begin(&d, t, &thing_table, &k);
        edit_str(&d, THING_TEXT, "x");
        row_put(&d, NULL);
        if (write(fds[1], txn_error(reader) ? "e" : "k", 1) == 1)
            for (;;)
                pause();
        _exit(1);
    }
    struct store *s = open_again(w); /* before the other one holds the writers' lock for good */
    w->store = s;
    assert_non_null(s);
    assert_int_equal(write(go[1], "g", 1), 1);
    assert_int_equal(read(fds[0], &c, 1), 1);
    assert_int_equal(c, 'k');
    kill(pid, SIGKILL);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status));
    close(fds[0]);
    close(fds[1]);
    close(go[0]);
    close(go[1]);
    assert_true(store_clear_readers(s) >= 1);
    put_thing(s, "alice", "after", "x");
    struct txn *t = txn_begin(s, TXN_READ);
    assert_int_equal(count(t, NULL), 2);
    struct key k = key_of_names("alice", "during");
    assert_false(row_exists(t, &thing_table, &k));
    txn_abort(t);
}

/* One transaction writes a row and the ring; ACK says that it is committed. */
static void write_until_killed(const struct world *w, int ack)
{
    struct edit d;
    struct row r;
    struct key k = key_of_names("alice", "sum");
    struct store *s = open_again(w);
    for (;;) {
        struct txn *t = txn_begin(s, TXN_WRITE);
        int64_t now = row_get(t, &thing_table, &k, &r) ? 0 : row_int(&r, THING_HIDDEN);
        edit_begin(&d, t, &thing_table, &k);
        edit_int(&d, THING_HIDDEN, now + 1);
        if (row_put(&d, NULL) || changes_append(t, T_THING, CHANGE_UPDATED, key_slice(&k), NULL) ||
            txn_commit(t, NULL) || write(ack, "a", 1) != 1)
            _exit(1);
    }
}

/* Killed at any instant, again and again: what was acknowledged is there, what is there is whole.
 */
static void kills_tear_nothing(void **state)
{
    enum { ROUNDS = 25 };
    struct world *w = *state;
    struct row r;
    struct key k = key_of_names("alice", "sum");
    unsigned seed = 3;
    int64_t acknowledged = 0;
    char c;
    store_close(w->store);
    w->store = NULL;
    for (int i = 0; i < ROUNDS; i++) {
        int fds[2], status;
        assert_int_equal(pipe(fds), 0);
        pid_t pid = fork();
        assert_true(pid >= 0);
        if (!pid) {
            close(fds[0]);
            write_until_killed(w, fds[1]);
        }
        close(fds[1]);
        for (int n = 1 + rand_r(&seed) % 200; n > 0 && read(fds[0], &c, 1) == 1; n--)
            acknowledged++;
        kill(pid, SIGKILL);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFSIGNALED(status));
        while (read(fds[0], &c, 1) == 1)
            acknowledged++;
        close(fds[0]);

        struct store *s = open_again(w);
        assert_non_null(s);
        struct change ch = {.seq = 0};
        struct txn *t = txn_begin(s, TXN_READ);
        assert_int_equal(row_get(t, &thing_table, &k, &r), 0);
        int64_t sum = row_int(&r, THING_HIDDEN);
        while (!changes_next(t, ch.seq, &ch))
            ;
        assert_int_equal(txn_commit(t, NULL), 0);
        store_close(s);
        assert_int_equal(sum, ch.seq);
        assert_true(sum == acknowledged || sum == acknowledged + 1);
        acknowledged = sum;
    }
    world_reopen(w);
}

/* ---- versions, boots, sizes -------------------------------------------------------------------
 */

/* What is written behind the store's back. */
struct raw {
    MDB_env *env;
    MDB_txn *x;
    MDB_dbi dbi;
};

static void raw_open(struct raw *r, const struct world *w, const char *env, const char *db)
{
    char path[128];
    snprintf(path, sizeof path, "%s/%s", w->path, env);
    assert_int_equal(mdb_env_create(&r->env), 0);
    mdb_env_set_maxdbs(r->env, 200);
    assert_int_equal(mdb_env_open(r->env, path, 0, 0640), 0);
    assert_int_equal(mdb_txn_begin(r->env, NULL, 0, &r->x), 0);
    assert_int_equal(mdb_dbi_open(r->x, db, 0, &r->dbi), 0);
}

static void raw_close(struct raw *r)
{
    assert_int_equal(mdb_txn_commit(r->x), 0);
    mdb_env_close(r->env);
}

/* One record of `meta`, as it is, or with its sum. */
static void poke(const struct world *w, const char *env, const char *key, const void *p, size_t n)
{
    struct raw r;
    struct slice k = text(key), v = {p, n};
    MDB_val mk = val_of(k), mv = val_of(v);
    raw_open(&r, w, env, "meta");
    if (strcmp(key, "version"))
        assert_int_equal(sealed_put(r.x, r.dbi, sum_seed("meta"), k, v, 0), 0);
    else
        assert_int_equal(mdb_put(r.x, r.dbi, &mk, &mv, 0), 0);
    raw_close(&r);
}

static void a_newer_version_is_refused(void **state)
{
    struct world *w = *state;
    struct err e;
    struct store *s;
    struct store_options o = world_options(w);
    static const uint8_t next[8] = {0, 0, 0, 0, 0, 0, 0, 4}, now[8] = {0, 0, 0, 0, 0, 0, 0, 3};
    store_close(w->store);
    w->store = NULL;
    poke(w, "state", "version", next, 8); /* without the other record: a flipped bit */
    assert_int_equal(store_open(&s, &o, &e), ERR_CORRUPT);
    poke(w, "state", "format", next, 8);
    assert_int_equal(store_open(&s, &o, &e), ERR_VERSION);
    assert_non_null(strstr(e.text, "newer"));
    poke(w, "state", "version", now, 8);
    poke(w, "state", "format", now, 8);
    world_reopen(w);
}

/* Turns DB back into what version 1 wrote. */
static void strip_sums(const struct world *w, const char *env, const char *db)
{
    struct raw r;
    MDB_cursor *c;
    MDB_val k, v;
    uint8_t copy[512], key[512];
    raw_open(&r, w, env, db);
    assert_int_equal(mdb_cursor_open(r.x, r.dbi, &c), 0);
    while (!mdb_cursor_get(c, &k, &v, MDB_NEXT)) {
        bool row = !strncmp(db, "sa", 2);
        if (k.mv_size == 7 && !memcmp(k.mv_data, VERSION_KEY, 7))
            continue;
        if (k.mv_size == 6 && !memcmp(k.mv_data, FORMAT_KEY, 6)) {
            assert_int_equal(mdb_cursor_del(c, 0), 0);
            continue;
        }
        assert_true(v.mv_size >= SUM_LEN && v.mv_size <= sizeof copy);
        memcpy(copy, (uint8_t *)v.mv_data + SUM_LEN, v.mv_size - SUM_LEN);
        if (row)
            copy[0] = ROW_PLAIN;
        memcpy(key, k.mv_data, k.mv_size); /* LMDB moves the page under it */
        k.mv_data = key;
        v = (MDB_val){v.mv_size - SUM_LEN, copy};
        assert_int_equal(mdb_cursor_put(c, &k, &v, MDB_CURRENT), 0);
    }
    mdb_cursor_close(c);
    raw_close(&r);
}

static void version_1_is_taken_over(void **state)
{
    struct world *w = *state;
    static const uint8_t one[8] = {0, 0, 0, 0, 0, 0, 0, 1};
    static const char *const bare[] = {"meta", "changes", "kv.0", "kv.1", "saThingTable"};
    struct key k = key_of_names("alice", "old");
    struct change ch;
    struct edit d;
    struct row r;
    struct slice v;
    uint32_t id;
    put_thing(w->store, "alice", "old", "kept");
    struct txn *t = txn_begin(w->store, TXN_WRITE);
    assert_int_equal(id_next(t, &thing_table, &id), 0);
    assert_int_equal(kv_put(t, "mine", text("key"), text("value")), 0);
    assert_int_equal(changes_append(t, T_THING, CHANGE_CREATED, key_slice(&k), NULL), 0);
    assert_int_equal(txn_commit(t, NULL), 0);
    store_close(w->store);
    w->store = NULL;
    for (size_t i = 0; i < sizeof bare / sizeof bare[0]; i++)
        strip_sums(w, "state", bare[i]);
    strip_sums(w, "samples", "meta");
    poke(w, "state", "version", one, 8);
    poke(w, "samples", "version", one, 8);

    for (int again = 0; again < 2; again++) {
        world_reopen(w);
        t = txn_begin(w->store, TXN_WRITE);
        assert_int_equal(row_get(t, &thing_table, &k, &r), 0);
        assert_text(row_text(&r, THING_TEXT), "kept");
        assert_int_equal(r.durable.data[0], ROW_SUMMED);
        assert_int_equal(kv_get(t, "mine", text("key"), &v), 0);
        assert_text(v, "value");
        assert_int_equal(changes_next(t, 0, &ch), 0);
        assert_int_equal(ch.key.len, k.len);
        assert_int_equal(id_next(t, &thing_table, &id), 0);
        assert_int_equal(id, 2 + again);
        edit_begin(&d, t, &thing_table, &k);
        edit_int(&d, THING_NUMBER, 50 + again);
        assert_int_equal(row_put(&d, NULL), 0);
        assert_int_equal(txn_commit(t, NULL), 0);
    }
}

/* Without the look that opening takes at the files. */
static void reopen_unseen(struct world *w)
{
    struct store_options o = world_options(w);
    struct err e;
    assert_int_equal(store_open(&w->store, &o, &e), ERR_CORRUPT);
    if (store_open_as_is(&w->store, &o, &e))
        fail_msg("%s", e.text);
}

/* The value of the only row of saThingTable. */
static struct slice stored_row(struct raw *r, MDB_val *k, MDB_val *v)
{
    MDB_cursor *c;
    assert_int_equal(mdb_cursor_open(r->x, r->dbi, &c), 0);
    assert_int_equal(mdb_cursor_get(c, k, v, MDB_FIRST), 0);
    assert_int_equal(mdb_cursor_get(c, k, v, MDB_NEXT), MDB_NOTFOUND);
    assert_int_equal(mdb_cursor_get(c, k, v, MDB_FIRST), 0);
    mdb_cursor_close(c);
    return slice_of(*v);
}

/* The only row gets CELLS with their sum, or with one that is wrong. */
static void poke_row(const struct world *w, struct slice cells, bool sound)
{
    struct raw r;
    MDB_val k, v;
    uint8_t row[512];
    raw_open(&r, w, "state", "saThingTable");
    stored_row(&r, &k, &v);
    row[0] = ROW_SUMMED;
    put_u32(row + 1, sum_of(sum_seed("saThingTable"), slice_of(k), cells) ^ !sound);
    memcpy(row + ROW_HEAD_SUMMED, cells.data, cells.len);
    v = (MDB_val){ROW_HEAD_SUMMED + cells.len, row};
    struct key copy = key_copy(slice_of(k));
    k = val_of(key_slice(&copy));
    assert_int_equal(mdb_put(r.x, r.dbi, &k, &v, 0), 0);
    raw_close(&r);
}

static void assert_row(const struct world *w, struct slice cells, bool sound)
{
    struct raw r;
    MDB_val k, v;
    raw_open(&r, w, "state", "saThingTable");
    struct slice row = stored_row(&r, &k, &v);
    assert_int_equal(row.len, ROW_HEAD_SUMMED + cells.len);
    assert_memory_equal(row.data + ROW_HEAD_SUMMED, cells.data, cells.len);
    assert_int_equal(row_sound(sum_seed("saThingTable"), slice_of(k), row), sound);
    raw_close(&r);
}

static void numbers_of_version_2_are_made_short(void **state)
{
    struct world *w = *state;
    static const uint8_t two[8] = {0, 0, 0, 0, 0, 0, 0, 2};
    /* number 2 is a text of eight octets, 99 nobody's */
    static const char before[] = "\2\0\x08"
                                 "12345678"
                                 "\3\0\x08"
                                 "\0\0\0\0\0\0\0\x2a"
                                 "\x63\0\x08"
                                 "\0\0\0\0\0\0\0\1";
    static const char after[] = "\2\0\x08"
                                "12345678"
                                "\3\0\1"
                                "\x2a"
                                "\x63\0\x08"
                                "\0\0\0\0\0\0\0\1";
    const struct slice old = {(const uint8_t *)before, sizeof before - 1};
    const struct slice new = {(const uint8_t *)after, sizeof after - 1};
    struct key k = key_of_names("alice", "old");
    struct row r;
    put_thing(w->store, "alice", "old", "kept");
    for (int sound = 1; sound >= 0; sound--) {
        store_close(w->store);
        w->store = NULL;
        poke_row(w, old, sound);
        for (size_t i = 0; i < 2; i++) {
            poke(w, i ? "state" : "samples", "version", two, 8);
            poke(w, i ? "state" : "samples", "format", two, 8);
        }
        if (sound)
            world_reopen(w);
        else
            reopen_unseen(w);
        struct txn *t = txn_begin(w->store, TXN_READ);
        assert_int_equal(row_get(t, &thing_table, &k, &r), sound ? 0 : ERR_CORRUPT);
        assert_true(!sound || row_int(&r, THING_NUMBER) == 42);
        txn_abort(t);
        store_close(w->store);
        w->store = NULL;
        assert_row(w, sound ? new : old, sound);
    }
}

static void put_sample(struct store *s)
{
    struct edit d;
    struct key k = key_of_id("alice", 5);
    struct txn *t = txn_begin(s, TXN_WRITE_SAMPLES);
    edit_begin(&d, t, &sample_table, &k);
    edit_int(&d, SAMPLE_VALUE, 42);
    assert_int_equal(row_put(&d, NULL), 0);
    assert_int_equal(txn_commit(t, NULL), 0);
}

/* ---- what is not what was written -------------------------------------------------------------
 */

static void count_fatal(void *arg, int code, const char *words)
{
    assert_int_equal(code, ERR_CORRUPT);
    assert_non_null(strstr(words, "saThingTable"));
    ++*(int *)arg;
}

/* Flips a bit of the value of the first pair of DB, by its place from the end. */
static void flip(const struct world *w, const char *env, const char *db, size_t from_end)
{
    struct raw r;
    MDB_cursor *c;
    MDB_val k, v;
    uint8_t copy[512];
    raw_open(&r, w, env, db);
    assert_int_equal(mdb_cursor_open(r.x, r.dbi, &c), 0);
    assert_int_equal(mdb_cursor_get(c, &k, &v, MDB_FIRST), 0);
    assert_true(v.mv_size <= sizeof copy && from_end < v.mv_size);
    memcpy(copy, v.mv_data, v.mv_size);
    copy[v.mv_size - 1 - from_end] ^= 1;
    v.mv_data = copy;
    assert_int_equal(mdb_cursor_put(c, &k, &v, MDB_CURRENT), 0);
    mdb_cursor_close(c);
    raw_close(&r);
}

static void assert_damaged(struct txn *t, int got, const char *table, const char *words)
{
    struct err e;
    assert_int_equal(got, ERR_CORRUPT);
    assert_int_equal(txn_commit(t, &e), ERR_CORRUPT);
    if (!strstr(e.text, table) || !strstr(e.text, words))
        fail_msg("%s", e.text);
}

/* Nobody asks for it, and it is met all the same. */
static void what_nobody_asks_for_is_looked_at(void **state)
{
    struct world *w = *state;
    char name[16];
    int fatal = 0, rc = 0;
    for (int i = 0; i < 300; i++) {
        snprintf(name, sizeof name, "thing%03d", i);
        put_thing(w->store, "alice", name, "text");
    }
    put_sample(w->store);
    for (int i = 0; i < 200; i++)
        assert_int_equal(store_scrub(w->store, 1 + (unsigned)i), 0);
    store_close(w->store);
    w->store = NULL;
    flip(w, "state", "saThingTable", 9);
    reopen_unseen(w);
    store_on_fatal(w->store, count_fatal, &fatal);
    for (int i = 0; !rc && i < 100; i++)
        rc = store_scrub(w->store, 10);
    assert_int_equal(rc, ERR_CORRUPT);
    assert_int_equal(fatal, 1);
}

static void a_flipped_bit_is_told(void **state)
{
    struct world *w = *state;
    struct key k = key_of_names("a", "b");
    struct cursor c;
    struct cell cell;
    struct change ch;
    struct slice key, v;
    struct row r;
    uint32_t subids[128];
    size_t n;
    put_thing(w->store, "a", "b", "text");
    put_sample(w->store);
    struct txn *t = txn_begin(w->store, TXN_WRITE);
    kv_put(t, "mine", text("key"), text("value"));
    changes_append(t, T_THING, CHANGE_CREATED, key_slice(&k), NULL);
    assert_int_equal(txn_commit(t, NULL), 0);
    store_close(w->store);
    w->store = NULL;
    flip(w, "state", "saThingTable", 9);
    flip(w, "samples", "saSampleTable", 0);
    flip(w, "state", "kv.1", 0);
    flip(w, "state", "changes", 0);
    reopen_unseen(w);

    struct store *s = w->store;
    t = txn_begin(s, TXN_READ);
    assert_damaged(t, row_get(t, &thing_table, &k, &r), "saThingTable", "1.97.1.98 ");
    t = txn_begin(s, TXN_READ);
    cursor_first(&c, t, &thing_table, NULL);
    assert_false(cursor_row(&c, &r));
    cursor_close(&c);
    assert_damaged(t, txn_error(t), "saThingTable", "1.97.1.98 ");
    t = txn_begin(s, TXN_READ);
    assert_damaged(t, view_next(t, (const uint32_t[]){T_THING}, 1, subids, &n, &cell),
                   "saThingTable", "1.97.1.98 ");
    t = txn_begin(s, TXN_READ);
    k = key_of_id("alice", 5);
    assert_damaged(t, row_get(t, &sample_table, &k, &r), "saSampleTable", "97.108.105.99.101.5 ");
    t = txn_begin(s, TXN_READ);
    assert_damaged(t, kv_get(t, "mine", text("key"), &v), "mine", "damaged");
    t = txn_begin(s, TXN_READ);
    assert_damaged(t, kv_seek(t, "mine", text(""), false, &key, &v), "mine", "damaged");
    t = txn_begin(s, TXN_READ);
    assert_damaged(t, changes_next(t, 0, &ch), "changes", "damaged");
}

static bool sample_there(struct store *s)
{
    struct key k = key_of_id("alice", 5);
    struct txn *t = txn_begin(s, TXN_READ);
    bool there = row_exists(t, &sample_table, &k);
    txn_abort(t);
    return there;
}

static void samples_go_with_the_boot(void **state)
{
    struct world *w = *state;
    struct err e;
    struct store *s;
    struct store_options o = world_options(w);
    static const char other[] = "00000000-0000-0000-0000-000000000000";
    put_thing(w->store, "alice", "stays", "x");
    put_sample(w->store);
    world_reopen(w); /* killed and restarted under the same boot */
    assert_true(sample_there(w->store));

    store_close(w->store);
    w->store = NULL;
    poke(w, "state", "samples.boot", other, 36);
    o.recover_samples = false;
    assert_int_equal(store_open(&s, &o, &e), ERR_AGAIN);
    assert_non_null(strstr(e.text, "earlier boot"));
    world_reopen(w);
    assert_false(sample_there(w->store));
    struct txn *t = txn_begin(w->store, TXN_READ);
    assert_int_equal(count(t, NULL), 1);
    txn_abort(t);

    put_sample(w->store);
    assert_int_equal(store_mark_clean(w->store), 0);
    store_close(w->store);
    w->store = NULL;
    poke(w, "state", "samples.boot", other, 36);
    world_reopen(w);
    assert_true(sample_there(w->store));
    /* and the mark was for once */
    store_close(w->store);
    w->store = NULL;
    poke(w, "state", "samples.boot", other, 36);
    world_reopen(w);
    assert_false(sample_there(w->store));
}

static void spoilt_files_are_said_or_thrown_away(void **state)
{
    struct world *w = *state;
    struct err e;
    struct store *s;
    struct store_options o = world_options(w);
    char path[128], junk[8192];
    memset(junk, 0x5a, sizeof junk);
    store_close(w->store);
    w->store = NULL;
    for (int i = 0; i < 2; i++) {
        snprintf(path, sizeof path, "%s/%s/data.mdb", w->path, i ? "state" : "samples");
        int fd = open(path, O_WRONLY);
        assert_int_equal(write(fd, junk, sizeof junk), sizeof junk);
        close(fd);
        if (!i)
            world_reopen(w);
    }
    store_close(w->store);
    w->store = NULL;
    assert_int_equal(store_open(&s, &o, &e), ERR_CORRUPT);
    assert_non_null(strstr(e.text, "/state"));
    o.path = "/nonexistent/store";
    assert_int_not_equal(store_open(&s, &o, &e), 0);
    assert_non_null(strstr(e.text, "/nonexistent/store"));
}

static void folders_are_private(void **state)
{
    struct world *w = *state;
    static const struct {
        const char *name;
        unsigned mode;
    } want[] = {{"state", 0750},
                {"samples", 0750},
                {"state/data.mdb", 0640},
                {"samples/data.mdb", 0640},
                {"lock", 0640}};
    char path[128];
    struct stat st;
    for (size_t i = 0; i < sizeof want / sizeof want[0]; i++) {
        snprintf(path, sizeof path, "%s/%s", w->path, want[i].name);
        assert_int_equal(stat(path, &st), 0);
        assert_int_equal(st.st_mode & 0777 & ~want[i].mode, 0);
    }
}

static void a_backup_is_a_store(void **state)
{
    struct world *w = *state;
    struct err e;
    struct store *copy;
    struct store_options o = world_options(w);
    char path[128];
    snprintf(path, sizeof path, "%s/backup", w->path);
    put_thing(w->store, "alice", "a", "x");
    assert_int_equal(next_id(w->store, &thing_table, TXN_WRITE), 1);
    assert_int_equal(store_backup(w->store, path, &e), 0);
    assert_int_not_equal(store_backup(w->store, path, &e), 0);
    put_thing(w->store, "alice", "b", "x");
    o.path = path;
    assert_int_equal(store_open(&copy, &o, &e), 0);
    struct txn *t = txn_begin(copy, TXN_READ);
    assert_int_equal(count(t, NULL), 1);
    txn_abort(t);
    assert_int_equal(next_id(copy, &thing_table, TXN_WRITE), 2);
    store_close(copy);
}

static int fill(struct store *s, int from, bool allow, int *ret_code)
{
    char name[32], filler[65];
    int i = from;
    memset(filler, 'f', 64);
    filler[64] = 0;
    for (*ret_code = 0; !*ret_code && i < 100000; i++) {
        struct edit d;
        struct err e;
        struct txn *t = txn_begin(s, TXN_WRITE);
        if (allow)
            txn_allow_growth(t);
        for (int j = 0; j < 50; j++) {
            snprintf(name, sizeof name, "%d.%d", i, j);
            struct key k = key_of_names("alice", name);
            edit_begin(&d, t, &thing_table, &k);
            edit_str(&d, THING_TEXT, filler);
            row_put(&d, NULL);
        }
        *ret_code = txn_commit(t, &e);
    }
    return i - 1;
}

/* Two cores on one store would tell everything twice. */
static void there_is_one_core(void **state)
{
    struct world *w = *state;
    struct store_options o = world_options(w);
    int status;
    pid_t pid = fork();
    if (!pid) {
        struct store *second = NULL;
        struct err e;
        int rc = store_open(&second, &o, &e);
        _exit(rc == ERR_AGAIN && strstr(e.text, "another snmpalertd") && !second ? 0 : 1);
    }
    assert_true(pid > 0);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status) && !WEXITSTATUS(status));
    store_close(w->store); /* the lock goes with it */
    w->store = NULL;
    assert_int_equal(store_open(&w->store, &o, NULL), 0);
}

/* What a guest in another program sees, in a process of its own: store_core(), and an open that
 * writes a row (or CODE, what refuses it). */
static void guest(const struct world *w, const uid_t *uid, const gid_t *gid, int code)
{
    struct store_options o = world_options(w);
    pid_t pid = fork(), core = 0, parent;
    struct store *s = NULL;
    struct err e = {.text = ""};
    int status;
    o.recover_samples = false;
    o.join = true;
    o.map_bytes = 1; /* is not looked at */
    if (pid) {
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_int_equal(status, 0);
        return;
    }
    parent = getppid();
    if (uid && (setgroups(0, NULL) || setresgid(*gid, *gid, *gid) || setresuid(*uid, *uid, *uid)))
        _exit(1);
    int rc = store_core(w->path, &core, &e);
    if (!rc)
        rc = store_open(&s, &o, &e);
    if (rc != code)
        fprintf(stderr, "%s: %s\n", err_name(rc), e.text);
    if (!rc)
        put_thing(s, "alice", "from-a-guest", "x");
    _exit(rc != code || (!rc && core != parent) ? 2 : 0);
}

static void a_guest_joins_what_is_there(void **state)
{
    struct world *w = *state;
    struct store_options o = world_options(w);
    char path[128];
    pid_t core;
    struct err e;
    guest(w, NULL, NULL, 0);
    struct txn *t = txn_begin(w->store, TXN_READ);
    assert_int_equal(count(t, NULL), 1);
    txn_abort(t);
    store_close(w->store);
    w->store = NULL;
    guest(w, NULL, NULL, ERR_NOTFOUND); /* no core */
    o.recover_samples = false;
    o.join = true;
    assert_int_equal(store_open(&w->store, &o, &e), 0); /* but a store */
    store_close(w->store);
    w->store = NULL;
    snprintf(path, sizeof path, "%s/state/data.mdb", w->path);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(store_open(&w->store, &o, &e), ERR_NOTFOUND);
    assert_non_null(strstr(e.text, "state/data.mdb"));
    assert_int_not_equal(access(path, F_OK), 0); /* nothing is made */
    remove_folder(w->path);
    assert_int_equal(store_open(&w->store, &o, &e), ERR_NOTFOUND);
    assert_int_equal(store_core(w->path, &core, &e), ERR_NOTFOUND);
    assert_int_not_equal(access(w->path, F_OK), 0);
}

/* Who has the group may read and write it, nobody else, and no name in it can be changed. */
static void a_group_may_share_it(void **state)
{
    static const char *const files[] = {"lock", "state/data.mdb", "state/lock.mdb",
                                        "samples/data.mdb", "samples/lock.mdb"};
    static const char *const folders[] = {".", "state", "samples"};
    const uid_t nobody = 65534;
    const gid_t members = geteuid() ? getegid() : 54321, others = 54322;
    struct world *w = *state;
    char path[128];
    struct stat st;
    struct err e = {.text = ""};
    if (!geteuid())
        guest(w, &nobody, &members, ERR_DENIED);
    if (store_share(w->store, members, &e))
        fail_msg("%s", e.text);
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        snprintf(path, sizeof path, "%s/%s", w->path, files[i]);
        assert_int_equal(stat(path, &st), 0);
        assert_int_equal(st.st_mode & 07777, 0660);
        assert_int_equal(st.st_gid, members);
    }
    for (size_t i = 0; i < sizeof folders / sizeof *folders; i++) {
        snprintf(path, sizeof path, "%s/%s", w->path, folders[i]);
        assert_int_equal(stat(path, &st), 0);
        assert_int_equal(st.st_mode & 07777, 0710);
    }
    if (geteuid())
        return;
    guest(w, &nobody, &members, 0);
    guest(w, &nobody, &others, ERR_DENIED);
}

static void growth_ends_at_nine_tenths(void **state)
{
    struct world *w = *state;
    struct store_options o = world_options(w);
    uint64_t used, size;
    int code;
    store_close(w->store);
    w->store = NULL;
    remove_folder(w->path);
    o.map_bytes = 4 << 20;
    assert_int_equal(store_open(&w->store, &o, NULL), 0);
    int n = fill(w->store, 0, false, &code);
    assert_int_equal(code, ERR_FULL);
    store_usage(w->store, &used, &size);
    assert_int_equal(size, 4 << 20);
    assert_true(used >= size / 100 * 90 && used < size / 100 * 97);
    /* a change in place and a delete still work, and so does who may */
    struct edit d;
    struct key k = key_of_names("alice", "0.0");
    struct txn *t = txn_begin(w->store, TXN_WRITE);
    edit_begin(&d, t, &thing_table, &k);
    edit_str(&d, THING_TEXT, "short");
    assert_int_equal(row_put(&d, NULL), 0);
    assert_int_equal(txn_commit(t, NULL), 0);
    t = txn_begin(w->store, TXN_WRITE);
    txn_allow_growth(t);
    k = key_of_names("alice", "allowed");
    edit_begin(&d, t, &thing_table, &k);
    assert_int_equal(row_put(&d, NULL), 0);
    assert_int_equal(txn_commit(t, NULL), 0);
    char name[32];
    for (int i = 0; i < n / 2; i++) {
        t = txn_begin(w->store, TXN_WRITE);
        for (int j = 0; j < 50; j++) {
            snprintf(name, sizeof name, "%d.%d", i, j);
            k = key_of_names("alice", name);
            assert_int_equal(row_delete(t, &thing_table, &k), 0);
        }
        assert_int_equal(txn_commit(t, NULL), 0);
    }
    uint64_t after;
    store_usage(w->store, &after, &size);
    assert_true(after < used);
    assert_true(fill(w->store, n + 1, false, &code) > n + 1);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(rows_are_put_read_and_deleted),
        T(an_abort_leaves_nothing),
        T(errors_stick),
        T(edits_check_every_cell),
        T(an_index_must_be_whole),
        T(put_says_what_changed),
        T(edits_of_one_row_meet),
        T(a_name_goes_with_its_transaction),
        T(counters_wrap_and_gauges_clamp),
        T(counters_count_modulo_2_to_the_32),
        T(unknown_cells_are_kept),
        T(cursors_stay_in_their_prefix),
        T(rows_change_under_a_cursor),
        T(readers_see_one_instant),
        T(ids_are_never_given_twice),
        T(ids_survive_lost_samples),
        T(own_databases_hold_pairs),
        T(the_ring_is_consumed_in_order),
        T(two_processes_write),
        T(writers_may_be_killed),
        T(kills_tear_nothing),
        T(a_newer_version_is_refused),
        T(version_1_is_taken_over),
        T(numbers_of_version_2_are_made_short),
        T(a_flipped_bit_is_told),
        T(what_nobody_asks_for_is_looked_at),
        T(samples_go_with_the_boot),
        T(spoilt_files_are_said_or_thrown_away),
        T(folders_are_private),
        T(a_backup_is_a_store),
        T(there_is_one_core),
        T(a_guest_joins_what_is_there),
        T(a_group_may_share_it),
        T(growth_ends_at_nine_tenths),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
