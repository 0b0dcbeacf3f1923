/* The view: GET, GETNEXT over tables, scalars, holes and rows that change, against brute force. */
#include "tests/unit/store/fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"

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

/* ---- helpers
 * -----------------------------------------------------------------------------------*/

struct oid {
    size_t n;
    uint32_t ids[128];
};

static int oid_compare(const struct oid *a, const struct oid *b)
{
    for (size_t i = 0; i < a->n && i < b->n; i++)
        if (a->ids[i] != b->ids[i])
            return a->ids[i] < b->ids[i] ? -1 : 1;
    return a->n < b->n ? -1 : a->n > b->n;
}

static struct oid instance(const struct sa_table *table, unsigned column, const struct key *k)
{
    struct oid o;
    struct slice key = key_slice(k);
    o.n = view_oid(table, column, &key, o.ids, 128);
    return o;
}

static struct oid thing(unsigned column, const char *owner, const char *name)
{
    struct key k = key_of_names(owner, name);
    return instance(&thing_table, column, &k);
}

static int get(struct txn *t, struct oid o, struct cell *ret)
{
    return view_get(t, o.ids, o.n, ret);
}

static void twice(void *arg, struct txn *t, const struct row *r, struct cell *ret)
{
    (void)t;
    ret->number = row_int(r, THING_NUMBER) * *(int *)arg + row_int(r, THING_COUNT);
}

static void empty(void *arg, struct txn *t, const struct row *r, struct cell *ret)
{
    (void)arg, (void)t, (void)r;
    ret->bytes.len = 0;
}

static void edit_thing(struct store *s, const char *owner, const char *name,
                       void (*change)(struct edit *))
{
    struct edit d;
    struct key k = key_of_names(owner, name);
    struct txn *t = txn_begin(s, TXN_WRITE);
    edit_begin(&d, t, &thing_table, &k);
    change(&d);
    assert_int_equal(row_put(&d, NULL), 0);
    assert_int_equal(txn_commit(t, NULL), 0);
}

static void fill_thing(struct edit *d)
{
    edit_int(d, THING_NUMBER, -3);
    edit_int(d, THING_BITS, 1 << 1 | 1 << 9);
    edit_int(d, THING_MADE, 1700000000123);
    edit_int(d, THING_MILLIS, 1700000000123);
    edit_str(d, THING_SECRET, "hush");
    edit_int(d, THING_HIDDEN, 5);
}

static void count_thing(struct store *s, const char *owner, const char *name, int64_t count)
{
    struct edit d;
    struct key k = key_of_names(owner, name);
    struct txn *t = txn_begin(s, TXN_WRITE_SAMPLES);
    edit_begin(&d, t, &thing_table, &k);
    edit_int(&d, THING_COUNT, count);
    assert_int_equal(row_put(&d, NULL), 0);
    assert_int_equal(txn_commit(t, NULL), 0);
}

static void assert_bytes(const struct cell *c, const char *want, size_t n)
{
    assert_int_equal(c->bytes.len, n);
    assert_memory_equal(c->bytes.data, want, n);
}

/* ---- GET ---------------------------------------------------------------------------------------
 */

static void cells_are_shown_as_managers_see_them(void **state)
{
    struct world *w = *state;
    struct cell c;
    int factor = 2;
    assert_int_equal(view_register(w->store, T_THING, THING_TWICE, twice, &factor), 0);
    assert_int_equal(view_register(w->store, T_THING, THING_SECRET, empty, NULL), 0);
    assert_int_equal(view_register(w->store, T_THING, 99, empty, NULL), ERR_NOTFOUND);
    assert_int_equal(view_register(w->store, 77, 1, empty, NULL), ERR_NOTFOUND);
    put_thing(w->store, "alice", "disk", "full");
    put_thing(w->store, "alice", "bare", "x");
    edit_thing(w->store, "alice", "disk", fill_thing);
    count_thing(w->store, "alice", "disk", 1000);
    struct txn *t = txn_begin(w->store, TXN_READ);
    assert_int_equal(get(t, thing(THING_TEXT, "alice", "disk"), &c), 0);
    assert_bytes(&c, "full", 4);
    assert_int_equal(get(t, thing(THING_NUMBER, "alice", "disk"), &c), 0);
    assert_int_equal(c.number, -3);
    assert_int_equal(get(t, thing(THING_BITS, "alice", "disk"), &c), 0);
    assert_bytes(&c, "\x40\x40", 2);
    assert_int_equal(get(t, thing(THING_BITS, "alice", "bare"), &c), 0);
    assert_bytes(&c, "\0\0", 2);
    assert_int_equal(get(t, thing(THING_MADE, "alice", "disk"), &c), 0);
    assert_bytes(&c, "\x07\xe7\x0b\x0e\x16\x0d\x14\x01+\0\0", 11);
    assert_int_equal(get(t, thing(THING_MADE, "alice", "bare"), &c), 0);
    assert_bytes(&c, "\0\0\0\0\0\0\0\0", 8);
    assert_int_equal(get(t, thing(THING_MILLIS, "alice", "disk"), &c), 0);
    assert_true(c.number == 1700000000123);
    assert_int_equal(get(t, thing(THING_COUNT, "alice", "disk"), &c), 0);
    assert_int_equal(c.number, 1000);
    assert_int_equal(get(t, thing(THING_COUNT, "alice", "bare"), &c), 0);
    assert_int_equal(c.number, 0);
    assert_int_equal(get(t, thing(THING_TWICE, "alice", "disk"), &c), 0);
    assert_int_equal(c.number, 994);
    assert_int_equal(get(t, thing(THING_SECRET, "alice", "disk"), &c), 0);
    assert_bytes(&c, "", 0);
    assert_int_equal(get(t, thing(THING_TEST, "alice", "disk"), &c), 0);
    assert_int_equal(c.number, 1);
    assert_int_equal(c.syntax, SA_ENUM);
    txn_abort(t);
}

static void what_is_not_there_is_not_got(void **state)
{
    struct world *w = *state;
    struct cell c;
    struct edit d;
    struct key k = key_of_names("alice", "unready");
    put_thing(w->store, "alice", "disk", "full");
    struct txn *t = txn_begin(w->store, TXN_WRITE);
    edit_begin(&d, t, &thing_table, &k);
    edit_int(&d, THING_STATUS, ROW_NOT_READY);
    assert_int_equal(row_put(&d, NULL), 0);
    assert_int_equal(txn_commit(t, NULL), 0);
    t = txn_begin(w->store, TXN_READ);
    assert_int_equal(get(t, thing(THING_TEXT, "alice", "unready"), &c), ERR_NOTFOUND);
    assert_int_equal(get(t, thing(THING_NUMBER, "alice", "unready"), &c), 0);
    assert_int_equal(get(t, thing(THING_TEXT, "alice", "dis"), &c), ERR_NOTFOUND);
    assert_int_equal(get(t, thing(THING_NAME, "alice", "disk"), &c), ERR_UNSUPPORTED);
    assert_int_equal(get(t, thing(THING_HIDDEN, "alice", "disk"), &c), ERR_UNSUPPORTED);
    assert_int_equal(get(t, thing(99, "alice", "disk"), &c), ERR_UNSUPPORTED);
    struct oid o = thing(THING_TEXT, "alice", "disk");
    o.ids[o.n++] = 0;
    assert_int_equal(get(t, o, &c), ERR_NOTFOUND);
    o.n -= 2;
    assert_int_equal(get(t, o, &c), ERR_NOTFOUND);
    o.n = 3;
    assert_int_equal(get(t, o, &c), ERR_NOTFOUND);
    o.n = 2;
    assert_int_equal(get(t, o, &c), ERR_UNSUPPORTED);
    o.n = 0;
    assert_int_equal(get(t, o, &c), ERR_UNSUPPORTED);
    o = thing(THING_TEXT, "alice", "disk");
    o.ids[1] = 2;
    assert_int_equal(get(t, o, &c), ERR_UNSUPPORTED);
    for (o.ids[1] = 1; o.n < 128; o.n++)
        o.ids[o.n] = 1;
    assert_int_equal(get(t, o, &c), ERR_NOTFOUND);
    o.ids[0] = 4294967295;
    assert_int_equal(get(t, o, &c), ERR_UNSUPPORTED);
    txn_abort(t);
}

static void rows_give_cells_of_their_index(void **state)
{
    struct world *w = *state;
    struct cell c;
    struct row r;
    struct key k = key_of_names("alice", "a name of thirty-two octets long");
    put_thing(w->store, "alice", "a name of thirty-two octets long", "x");
    struct txn *t = txn_begin(w->store, TXN_READ);
    assert_int_equal(row_get(t, &thing_table, &k, &r), 0);
    assert_int_equal(view_cell(t, &r, &thing_table.columns[0], &c), 0);
    assert_bytes(&c, "a name of thirty-two octets long", 32);
    txn_abort(t);
}

/* ---- GETNEXT against brute force ------------------------------------------------------------- */

enum { INSTANCES_MAX = 20000 };
static struct oid all[INSTANCES_MAX];
static size_t nall;

static int compare_oids(const void *a, const void *b)
{
    return oid_compare(a, b);
}

/* Every instance that there should be, found by asking each row for each column. */
static void brute_force(struct txn *t)
{
    struct cursor c;
    struct row r;
    struct cell cell;
    static const uint8_t zero[4];
    nall = 0;
    for (size_t i = 0; i < test_ntables; i++) {
        const struct sa_table *table = test_tables[i];
        for (size_t j = 0; j < table->ncolumns; j++) {
            const struct sa_column *column = &table->columns[j];
            if (column->access < SA_READ_ONLY)
                continue;
            if (table->scalars) {
                struct slice key = {zero, 4};
                all[nall].n = view_oid(table, column->number, &key, all[nall].ids, 128);
                nall++;
                continue;
            }
            for (cursor_first(&c, t, table, NULL); cursor_row(&c, &r); cursor_next(&c)) {
                if (view_cell(t, &r, column, &cell))
                    continue;
                assert_true(nall < INSTANCES_MAX);
                all[nall].n = view_oid(table, column->number, &r.key, all[nall].ids, 128);
                nall++;
            }
            cursor_close(&c);
        }
    }
    qsort(all, nall, sizeof all[0], compare_oids);
}

/* The first that is greater, by binary search in the sorted list. */
static const struct oid *expected(const struct oid *o)
{
    size_t low = 0, high = nall;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (oid_compare(&all[middle], o) <= 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low < nall ? &all[low] : NULL;
}

static void check_next(struct txn *t, const struct oid *o)
{
    struct oid got;
    struct cell c;
    const struct oid *want = expected(o);
    int rc = view_next(t, o->ids, o->n, got.ids, &got.n, &c);
    if (want ? rc || oid_compare(&got, want) : rc != ERR_NOTFOUND) {
        for (size_t i = 0; i < o->n; i++)
            fprintf(stderr, ".%u", o->ids[i]);
        fail_msg("wrong successor (%s)", err_name(rc));
    }
}

static uint64_t seed = 88172645463325252u;

static uint32_t dice(uint32_t sides)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return (uint32_t)(seed >> 11) % sides;
}

/* An instance, bent: cut, extended, a sub-identifier changed by a little or by a lot. */
static struct oid bent(void)
{
    static const uint32_t odd[] = {0, 1, 255, 256, 257, 65536, 2147483647, 4294967295};
    struct oid o = all[dice((uint32_t)nall)];
    switch (dice(6)) {
    case 0:
        o.n = dice((uint32_t)o.n + 1);
        break;
    case 1:
        for (uint32_t more = 1 + dice(60); more && o.n < 128; more--)
            o.ids[o.n++] = dice(2) ? odd[dice(8)] : dice(300);
        break;
    case 2:
        o.ids[dice((uint32_t)o.n)] += dice(2) ? 1 : 4294967295;
        break;
    case 3:
        o.ids[dice((uint32_t)o.n)] = odd[dice(8)];
        break;
    case 4:
        o.ids[dice(3)] = dice(32);
        o.n = dice(2) ? o.n : 1 + dice((uint32_t)o.n);
        break;
    default:
        break;
    }
    return o;
}

static void fill_world(struct store *s)
{
    static const char *const owners[] = {"a", "alice", "al", "admin", "z\xc3\xa9", "bob"};
    char name[33];
    struct edit d;
    struct txn *t = txn_begin(s, TXN_WRITE);
    for (int i = 0; i < 400; i++) {
        size_t n = 1 + dice(32);
        for (size_t j = 0; j < n; j++)
            name[j] = (char)(dice(3) ? 'a' + dice(3) : ' ' + dice(90));
        name[n] = 0;
        struct key k = key_of_names(owners[dice(6)], name);
        edit_begin(&d, t, &thing_table, &k);
        edit_int(&d, THING_STATUS, ROW_ACTIVE);
        if (dice(4))
            edit_str(&d, THING_TEXT, "text");
        assert_int_equal(row_put(&d, NULL), 0);
        key_u32(&k, 1 + dice(16));
        edit_begin(&d, t, &link_table, &k);
        assert_int_equal(row_put(&d, NULL), 0);
    }
    assert_int_equal(txn_commit(t, NULL), 0);
    put_owner(s, "alice");
    put_owner(s, "admin");
    t = txn_begin(s, TXN_WRITE_SAMPLES);
    for (int i = 0; i < 200; i++) {
        struct key k = key_of_id(owners[dice(6)], dice(3) ? 1 + dice(500) : 4294967295 - dice(9));
        edit_begin(&d, t, &sample_table, &k);
        edit_int(&d, SAMPLE_VALUE, i);
        assert_int_equal(row_put(&d, NULL), 0);
    }
    assert_int_equal(txn_commit(t, NULL), 0);
}

static void a_million_successors_are_right(void **state)
{
    struct world *w = *state;
    struct cell c;
    fill_world(w->store);
    struct txn *t = txn_begin(w->store, TXN_READ);
    brute_force(t);
    assert_true(nall > 5000);
    for (int i = 0; i < 1000000; i++) {
        struct oid o = bent();
        check_next(t, &o);
        if (i % 16 == 0) { /* GET agrees about what is there */
            const struct oid *near = expected(&o);
            bool there = bsearch(&o, all, nall, sizeof all[0], compare_oids) != NULL;
            assert_int_equal(view_get(t, o.ids, o.n, &c) == 0, there);
            assert_true(!near || view_get(t, near->ids, near->n, &c) == 0);
        }
    }
    txn_abort(t);
}

static void a_walk_sees_every_instance_once(void **state)
{
    struct world *w = *state;
    struct oid at = {.n = 0};
    struct cell c;
    size_t i = 0;
    fill_world(w->store);
    struct txn *t = txn_begin(w->store, TXN_READ);
    brute_force(t);
    txn_abort(t);
    for (;; i++) { /* a transaction for each, as the agent has it */
        t = txn_begin(w->store, TXN_READ);
        int rc = view_next(t, at.ids, at.n, at.ids, &at.n, &c);
        txn_abort(t);
        if (rc)
            break;
        assert_true(i < nall);
        assert_int_equal(oid_compare(&at, &all[i]), 0);
    }
    assert_int_equal(i, nall);
}

/* Cursors are kept between transactions; what they show is of now. */
static void every_transaction_sees_what_was_committed(void **state)
{
    enum { NAMES = 97, ROUNDS = 3000 };
    struct world *w = *state;
    bool there[NAMES] = {false};
    char name[32];
    struct cell c;
    for (int i = 0; i < ROUNDS; i++) {
        uint32_t j = dice(NAMES), next = j + 1;
        snprintf(name, sizeof name, "a name that fills pages: %04u", j);
        if (!there[j]) {
            put_thing(w->store, "alice", name, "and a text that fills them, too");
        } else {
            struct key k = key_of_names("alice", name);
            struct txn *t = txn_begin(w->store, TXN_WRITE);
            assert_int_equal(row_delete(t, &thing_table, &k), 0);
            assert_int_equal(txn_commit(t, NULL), 0);
        }
        there[j] = !there[j];
        while (next < NAMES && !there[next])
            next++;
        struct oid at = thing(THING_TEXT, "alice", name), got;
        struct txn *t = txn_begin(w->store, TXN_READ);
        assert_int_equal(get(t, at, &c) == 0, there[j]);
        int rc = view_next(t, at.ids, at.n, got.ids, &got.n, &c);
        snprintf(name, sizeof name, "a name that fills pages: %04u", next);
        at = thing(THING_TEXT, "alice", name);
        if (next < NAMES)
            assert_int_equal(rc || oid_compare(&got, &at), 0);
        else
            assert_true(rc || got.ids[2] != THING_TEXT);
        txn_abort(t);
    }
}

static void an_empty_store_has_scalars_only(void **state)
{
    struct world *w = *state;
    struct oid at = {.n = 0};
    struct cell c;
    static const unsigned columns[] = {1, 2, 5, 6};
    static const int64_t defaults[] = {0, 0, 4, 0};
    struct txn *t = txn_begin(w->store, TXN_READ);
    for (int i = 0; i < 4; i++) {
        assert_int_equal(view_next(t, at.ids, at.n, at.ids, &at.n, &c), 0);
        assert_int_equal(at.n, 3);
        assert_int_equal(at.ids[0], T_SCALARS);
        assert_int_equal(at.ids[1], columns[i]);
        assert_int_equal(at.ids[2], 0);
        assert_int_equal(c.number, defaults[i]);
    }
    assert_int_equal(view_next(t, at.ids, at.n, at.ids, &at.n, &c), ERR_NOTFOUND);
    txn_abort(t);
}

/* ---- one owner's part ------------------------------------------------------------------------ */

/* Is the instance of a table with owners, and of this one? */
static bool is_of(const struct oid *o, const struct key *owner)
{
    uint32_t ids[64];
    struct slice key = key_slice(owner);
    size_t n = key_to_subids(&key, ids, 64);
    return o->ids[0] != T_SCALARS && o->n >= 3 + n && !memcmp(o->ids + 3, ids, n * sizeof ids[0]);
}

/* What brute_force() found, without all that is not OWNER's. */
static void keep_of(const struct key *owner)
{
    size_t n = 0;
    for (size_t i = 0; i < nall; i++)
        if (is_of(&all[i], owner))
            all[n++] = all[i];
    nall = n;
}

static void check_next_of(struct txn *t, const struct key *owner, const struct oid *o)
{
    struct oid got;
    struct cell c;
    const struct oid *want = expected(o);
    int rc = view_next_of(t, owner, o->ids, o->n, got.ids, &got.n, &c);
    if (want ? rc || oid_compare(&got, want) : rc != ERR_NOTFOUND) {
        for (size_t i = 0; i < o->n; i++)
            fprintf(stderr, ".%u", o->ids[i]);
        fail_msg("wrong successor (%s)", err_name(rc));
    }
}

/* Any OID asked of any owner's part, also of one who has nothing, against the whole view without
 * what is others'. OIDs are bent from everybody's, so that most are foreign. */
static void an_owner_has_a_view_of_the_own_rows(void **state)
{
    static const char *const owners[] = {"a",         "al",  "alice",  "admin",
                                         "z\xc3\xa9", "bob", "nobody", "alicf"};
    static struct oid asked[40000];
    struct world *w = *state;
    struct cell c;
    fill_world(w->store);
    struct txn *t = txn_begin(w->store, TXN_READ);
    brute_force(t);
    for (size_t i = 0; i < 40000; i++)
        asked[i] = bent();
    asked[0].n = 0;
    for (size_t j = 0; j < 8; j++) {
        struct key owner = key_of_name(owners[j]);
        brute_force(t);
        keep_of(&owner);
        assert_true((nall > 200) == (j < 6));
        for (size_t i = 0; i < 40000; i++) {
            bool there = bsearch(&asked[i], all, nall, sizeof all[0], compare_oids) != NULL;
            int rc = view_get_of(t, &owner, asked[i].ids, asked[i].n, &c);
            check_next_of(t, &owner, &asked[i]);
            assert_int_equal(rc == 0, there);
            /* what is not there is so in the same way as in the whole, but what is nobody's */
            if (!there && asked[i].n && asked[i].ids[0] != T_SCALARS && !is_of(&asked[i], &owner))
                assert_true(rc == ERR_NOTFOUND || rc == view_get(t, asked[i].ids, asked[i].n, &c));
        }
    }
    txn_abort(t);
}

static void an_owner_walks_the_own_rows(void **state)
{
    struct world *w = *state;
    struct key alice = key_of_name("alice");
    struct oid at = {.n = 0};
    struct cell c;
    size_t i = 0;
    fill_world(w->store);
    struct txn *t = txn_begin(w->store, TXN_READ);
    brute_force(t);
    keep_of(&alice);
    for (; !view_next_of(t, &alice, at.ids, at.n, at.ids, &at.n, &c); i++) {
        assert_true(i < nall);
        assert_int_equal(oid_compare(&at, &all[i]), 0);
    }
    assert_int_equal(i, nall);
    assert_true(all[0].ids[0] == T_OWNER); /* the own row of saOwnerTable is a part of it */
    txn_abort(t);
}

static void what_is_nobodys_is_in_no_owners_part(void **state)
{
    const uint32_t scalar[] = {T_SCALARS, 1, 0};
    struct world *w = *state;
    struct key admin = key_of_name("admin");
    struct cell c;
    size_t n;
    uint32_t ids[128];
    put_owner(w->store, "admin");
    struct txn *t = txn_begin(w->store, TXN_READ);
    assert_int_equal(view_get(t, scalar, 3, &c), 0);
    assert_int_equal(view_get_of(t, &admin, scalar, 3, &c), ERR_UNSUPPORTED);
    assert_int_equal(view_next_of(t, &admin, scalar, 1, ids, &n, &c), 0);
    assert_int_equal(ids[0], T_OWNER);
    txn_abort(t);
}

/* ---- cost
 * ---------------------------------------------------------------------------------------*/

static void fill_many(struct store *s, uint32_t n)
{
    struct edit d;
    struct txn *t = txn_begin(s, TXN_WRITE_SAMPLES);
    for (uint32_t i = 1; i <= n; i++) {
        struct key k = key_of_id("alice", i);
        edit_begin(&d, t, &sample_table, &k);
        edit_int(&d, SAMPLE_VALUE, i);
        row_put(&d, NULL);
    }
    assert_int_equal(txn_commit(t, NULL), 0);
}

/* CPU nanoseconds of bob's whole walk of saSampleTable; RET_N: the instances on it. */
static double cost_of_walk(struct store *s, size_t *ret_n)
{
    enum { TIMES = 2000 };
    const struct key bob = key_of_name("bob");
    struct timespec from, to;
    struct cell c;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &from);
    for (int i = 0; i < TIMES; i++) {
        struct oid at = {.n = 1, .ids = {T_SAMPLE}};
        struct txn *t = txn_begin(s, TXN_READ);
        *ret_n = 0;
        while (!view_next_of(t, &bob, at.ids, at.n, at.ids, &at.n, &c))
            ++*ret_n;
        txn_abort(t);
    }
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &to);
    return ((double)(to.tv_sec - from.tv_sec) * 1e9 + (double)(to.tv_nsec - from.tv_nsec)) / TIMES;
}

/* CPU nanoseconds of a GETNEXT, transaction included, at random places. */
static double cost(struct store *s, uint32_t rows)
{
    enum { TIMES = 100000 };
    struct timespec from, to;
    struct cell c;
    size_t n;
    uint32_t ids[128];
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &from);
    for (int i = 0; i < TIMES; i++) {
        struct key k = key_of_id("alice", dice(rows));
        struct oid o = instance(&sample_table, SAMPLE_VALUE, &k);
        struct txn *t = txn_begin(s, TXN_READ);
        assert_int_equal(view_next(t, o.ids, o.n, ids, &n, &c), 0);
        txn_abort(t);
    }
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &to);
    return ((double)(to.tv_sec - from.tv_sec) * 1e9 + (double)(to.tv_nsec - from.tv_nsec)) / TIMES;
}

/* Far more rows may not cost far more: the tree is a little deeper, nothing is scanned. */
static void cost_does_not_grow_with_the_table(void **state)
{
    struct world *w = *state;
    fill_many(w->store, 1000);
    double few = cost(w->store, 1000);
    fill_many(w->store, 200000);
    double many = cost(w->store, 200000);
    print_message("GETNEXT: %.0f ns at 1,000 rows, %.0f ns at 200,000\n", few, many);
    assert_true(many < 8 * few);
}

/* Bob's row lies behind alice's: nothing of hers is visited on the way to it, nor behind it. */
static void what_others_have_costs_an_owner_nothing(void **state)
{
    struct world *w = *state;
    struct key k = key_of_id("bob", 7);
    struct edit d;
    size_t n;
    struct txn *t = txn_begin(w->store, TXN_WRITE_SAMPLES);
    edit_begin(&d, t, &sample_table, &k);
    edit_int(&d, SAMPLE_VALUE, 1);
    assert_int_equal(row_put(&d, NULL), 0);
    assert_int_equal(txn_commit(t, NULL), 0);
    double alone = cost_of_walk(w->store, &n);
    assert_int_equal(n, 2);
    fill_many(w->store, 200000);
    double among = cost_of_walk(w->store, &n);
    print_message("one row's walk: %.0f ns alone, %.0f ns behind 200,000 others\n", alone, among);
    assert_int_equal(n, 2);
    assert_true(among < 8 * alone);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(cells_are_shown_as_managers_see_them), T(what_is_not_there_is_not_got),
        T(rows_give_cells_of_their_index),       T(a_million_successors_are_right),
        T(a_walk_sees_every_instance_once),      T(every_transaction_sees_what_was_committed),
        T(an_empty_store_has_scalars_only),      T(cost_does_not_grow_with_the_table),
        T(an_owner_has_a_view_of_the_own_rows),  T(an_owner_walks_the_own_rows),
        T(what_is_nobodys_is_in_no_owners_part), T(what_others_have_costs_an_owner_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
