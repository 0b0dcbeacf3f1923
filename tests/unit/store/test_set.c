/* SET: the schema's answers, RowStatus and StorageType by table, references within one PDU, the
 * ring, undo, expiry. */
#include "tests/unit/store/fixture.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "store/cells.h"

static int64_t wall = 1000000;

/* The owner alice exists, and two of her things: "on" (active), "off" (notInService). */
static int setup(void **state)
{
    static struct world w;
    struct edit d;
    world_init(&w);
    put_owner(w.store, "alice");
    put_thing(w.store, "alice", "on", "text");
    put_thing(w.store, "alice", "off", "text");
    struct key k = key_of_names("alice", "off");
    struct txn *t = txn_begin(w.store, TXN_WRITE);
    edit_begin(&d, t, &thing_table, &k);
    edit_int(&d, THING_STATUS, ROW_NOT_IN_SERVICE);
    assert_int_equal(row_put(&d, NULL), 0);
    assert_int_equal(txn_commit(t, NULL), 0);
    wall = 1000000;
    clock_fake(&wall, NULL);
    *state = &w;
    return 0;
}

static int teardown(void **state)
{
    clock_fake(NULL, NULL);
    world_release(*state);
    return 0;
}

/* ---- helpers -----------------------------------------------------------------------------------
 */

/* A varbind on a thing of alice's. Text wins over the number. */
struct vb {
    unsigned column;
    const char *name;
    int64_t number;
    const char *text;
};

static enum set_type type_of(enum sa_syntax s)
{
    if (s == SA_UNSIGNED || s == SA_GAUGE || s == SA_COUNTER)
        return SET_UNSIGNED32;
    if (s == SA_MILLIS || s == SA_GAUGE64)
        return SET_COUNTER64;
    return s >= SA_DATE ? SET_OCTETS : SET_INT32;
}

static int add_to(struct set *x, int tag, const struct sa_table *table, unsigned column,
                  const struct key *k, const struct set_value *v, struct err *e)
{
    uint32_t ids[128];
    struct slice key = key_slice(k);
    size_t n = view_oid(table, column, &key, ids, 128);
    return set_add(x, tag, ids, n, v, e);
}

static int add(struct set *x, int tag, const struct vb *v, struct err *e)
{
    struct key k = key_of_names("alice", v->name);
    const struct sa_column *c = sa_column_by_number(&thing_table, v->column);
    struct set_value value = {
        .type = type_of(c->syntax),
        .number = v->number,
        .bytes = {(const uint8_t *)v->text, v->text ? strlen(v->text) : 0},
    };
    return add_to(x, tag, &thing_table, v->column, &k, &value, e);
}

/* The whole SET; the tag of the blamed varbind is its number from 1. */
static int set(struct store *s, const struct vb *v, size_t n, int *ret_tag, struct err *e)
{
    struct set *x = set_new(s, SET_SNMP);
    int rc = 0;
    *ret_tag = 0;
    for (size_t i = 0; !rc && i < n && v[i].column; i++) {
        *ret_tag = (int)i + 1;
        rc = add(x, (int)i + 1, &v[i], e);
    }
    if (!rc)
        rc = set_check(x, ret_tag, e);
    if (!rc)
        rc = set_commit(x, ret_tag, e);
    set_free(x);
    return rc;
}

/* The status of a thing, 0: there is none. */
static int64_t status(struct store *s, const char *name)
{
    struct row r;
    struct key k = key_of_names("alice", name);
    struct txn *t = txn_begin(s, TXN_READ);
    int64_t v = row_get(t, &thing_table, &k, &r) ? 0 : row_int(&r, THING_STATUS);
    txn_abort(t);
    return v;
}

static int64_t number(struct store *s, const char *name, unsigned column)
{
    struct row r;
    struct key k = key_of_names("alice", name);
    struct txn *t = txn_begin(s, TXN_READ);
    assert_int_equal(row_get(t, &thing_table, &k, &r), 0);
    int64_t v = row_int(&r, column);
    txn_abort(t);
    return v;
}

static void store_cell(struct store *s, const char *name, unsigned column, int64_t v)
{
    struct edit d;
    struct key k = key_of_names("alice", name);
    struct txn *t = txn_begin(s, TXN_WRITE);
    edit_begin(&d, t, &thing_table, &k);
    edit_int(&d, column, v);
    assert_int_equal(row_put(&d, NULL), 0);
    assert_int_equal(txn_commit(t, NULL), 0);
}

static unsigned ring_length(struct store *s)
{
    struct change ch;
    unsigned n = 0;
    struct txn *t = txn_begin(s, TXN_READ);
    for (uint64_t seq = 0; !changes_next(t, seq, &ch); seq = ch.seq)
        n++;
    txn_abort(t);
    return n;
}

/* ---- the schema's answers -----------------------------------------------------------------------
 */

static void the_schema_answers_first(void **state)
{
    struct world *w = *state;
    static const struct {
        uint32_t ids[8];
        size_t n;
        struct set_value v;
        int want;
    } cases[] = {
        {{9, 1, 3, 1, 'a', 1, 'b'}, 7, {SET_INT32, 5, {NULL, 0}}, 0},
        {{9, 1, 3, 1, 'a', 1, 'b'}, 7, {SET_UNSIGNED32, 5, {NULL, 0}}, ERR_WRONG_TYPE},
        {{9, 1, 3, 1, 'a', 1, 'b'}, 7, {SET_OTHER, 5, {NULL, 0}}, ERR_WRONG_TYPE},
        {{9, 1, 3, 1, 'a', 1, 'b'}, 7, {SET_INT32, 101, {NULL, 0}}, ERR_WRONG_VALUE},
        {{9, 1, 2, 1, 'a', 1, 'b'}, 7, {SET_OCTETS, 0, {NULL, 0}}, ERR_WRONG_LENGTH},
        {{9, 1, 2, 1, 'a', 1, 'b'},
         7,
         {SET_OCTETS, 0, {(const uint8_t *)"\xc3", 1}},
         ERR_WRONG_VALUE},
        {{9, 1, 6, 1, 'a', 1, 'b'}, 7, {SET_INT32, 2, {NULL, 0}}, ERR_WRONG_VALUE},
        {{9, 1, 5, 1, 'a', 1, 'b'}, 7, {SET_OCTETS, 0, {(const uint8_t *)"\xc0\x40", 2}}, 0},
        {{9, 1, 5, 1, 'a', 1, 'b'},
         7,
         {SET_OCTETS, 0, {(const uint8_t *)"\x20", 1}},
         ERR_WRONG_VALUE},
        {{9, 1, 5, 1, 'a', 1, 'b'},
         7,
         {SET_OCTETS, 0, {(const uint8_t *)"\0\0\0\0\0\0\0\0\1", 9}},
         ERR_WRONG_VALUE},
        {{9, 1, 15, 1, 'a', 1, 'b'}, 7, {SET_INT32, ROW_NOT_READY, {NULL, 0}}, ERR_WRONG_VALUE},
        {{9, 1, 15, 1, 'a', 1, 'b'}, 7, {SET_INT32, 7, {NULL, 0}}, ERR_WRONG_VALUE},
        {{9, 1, 14, 1, 'a', 1, 'b'}, 7, {SET_INT32, 6, {NULL, 0}}, ERR_WRONG_VALUE},
        /* read-only, computed, volatile, hidden, an index, no column, no table, no entry */
        {{9, 1, 7, 1, 'a', 1, 'b'}, 7, {SET_OCTETS, 0, {NULL, 0}}, ERR_NOT_WRITABLE},
        {{9, 1, 10, 1, 'a', 1, 'b'}, 7, {SET_INT32, 0, {NULL, 0}}, ERR_NOT_WRITABLE},
        {{9, 1, 8, 1, 'a', 1, 'b'}, 7, {SET_UNSIGNED32, 0, {NULL, 0}}, ERR_NOT_WRITABLE},
        {{9, 1, 200, 1, 'a', 1, 'b'}, 7, {SET_INT32, 0, {NULL, 0}}, ERR_NOT_WRITABLE},
        {{9, 1, 1, 1, 'a', 1, 'b'}, 7, {SET_OCTETS, 0, {NULL, 0}}, ERR_NOT_WRITABLE},
        {{9, 1, 99, 1, 'a', 1, 'b'}, 7, {SET_INT32, 0, {NULL, 0}}, ERR_NOT_WRITABLE},
        {{9, 1, 70000, 1, 'a', 1, 'b'}, 7, {SET_INT32, 0, {NULL, 0}}, ERR_NOT_WRITABLE},
        {{99, 1, 3, 1, 'a', 1, 'b'}, 7, {SET_INT32, 0, {NULL, 0}}, ERR_NOT_WRITABLE},
        {{9, 2, 3, 1, 'a', 1, 'b'}, 7, {SET_INT32, 0, {NULL, 0}}, ERR_NOT_WRITABLE},
        {{9}, 0, {SET_INT32, 0, {NULL, 0}}, ERR_NOT_WRITABLE},
        {{9, 1}, 2, {SET_INT32, 0, {NULL, 0}}, ERR_NOT_WRITABLE},
        /* indexes that no row can have */
        {{9, 1, 3}, 3, {SET_INT32, 0, {NULL, 0}}, ERR_NO_CREATION},
        {{9, 1, 3, 1, 'a', 0}, 6, {SET_INT32, 0, {NULL, 0}}, ERR_NO_CREATION},
        {{9, 1, 3, 1, 'a', 2, 'b'}, 7, {SET_INT32, 0, {NULL, 0}}, ERR_NO_CREATION},
        {{9, 1, 3, 1, 'a', 1, 'b', 0}, 8, {SET_INT32, 0, {NULL, 0}}, ERR_NO_CREATION},
        {{9, 1, 3, 1, 'a', 1, 300}, 7, {SET_INT32, 0, {NULL, 0}}, ERR_NO_CREATION},
        {{9, 1, 3, 1, 'a', 1, 10}, 7, {SET_INT32, 0, {NULL, 0}}, ERR_NO_CREATION},
        {{9, 1, 3, 33, 'a', 1, 'b'}, 7, {SET_INT32, 0, {NULL, 0}}, ERR_NO_CREATION},
        {{12, 1, 3, 1, 'a', 1, 'b', 17}, 8, {SET_INT32, 4, {NULL, 0}}, ERR_NO_CREATION},
        {{12, 1, 3, 1, 'a', 1, 'b', 16}, 8, {SET_INT32, 4, {NULL, 0}}, 0},
        {{1, 5, 0}, 3, {SET_UNSIGNED32, 4, {NULL, 0}}, 0},
        {{1, 5, 1}, 3, {SET_UNSIGNED32, 4, {NULL, 0}}, ERR_NO_CREATION},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct err e = {.text = ""};
        struct set *x = set_new(w->store, SET_SNMP);
        int rc = set_add(x, 1, cases[i].ids, cases[i].n, &cases[i].v, &e);
        if (rc != cases[i].want)
            fail_msg("case %zu: %s, not %s (%s)", i, err_name(rc), err_name(cases[i].want), e.text);
        if (rc)
            assert_true(strlen(e.text) > 10);
        set_free(x);
    }
}

static void words_name_object_and_reason(void **state)
{
    struct world *w = *state;
    struct err e;
    int tag;
    struct vb v = {THING_NUMBER, "on", 101, NULL};
    assert_int_equal(set(w->store, &v, 1, &tag, &e), ERR_WRONG_VALUE);
    assert_string_equal(e.text, "saThingNumber.\"alice\".\"on\": 101 is not between -10 and 100");
}

static void a_set_has_limits(void **state)
{
    struct world *w = *state;
    char name[32];
    struct err e;
    int rc = 0, i;
    struct set *x = set_new(w->store, SET_SNMP);
    for (i = 0; !rc && i < 5000; i++) {
        snprintf(name, sizeof name, "n%d", i);
        rc = add(x, i, &(struct vb){THING_NUMBER, name, 1, NULL}, &e);
    }
    assert_int_equal(rc, ERR_RESOURCE_UNAVAILABLE);
    assert_int_equal(i, 4097);
    assert_int_equal(set_rows(x), 4096);
    assert_string_equal(set_owner(x), "alice");
    set_free(x);
}

static void an_instance_named_twice_must_agree(void **state)
{
    struct world *w = *state;
    struct err e;
    int tag;
    struct vb same[] = {{THING_TEXT, "on", 0, "a"}, {THING_TEXT, "on", 0, "a"}};
    struct vb other[] = {{THING_NUMBER, "on", 1, NULL}, {THING_NUMBER, "on", 2, NULL}};
    assert_int_equal(set(w->store, same, 2, &tag, &e), 0);
    assert_int_equal(set(w->store, other, 2, &tag, &e), ERR_INCONSISTENT_VALUE);
    assert_int_equal(tag, 2);
}

/* ---- RowStatus ----------------------------------------------------------------------------------
 */

/* Rows: "new" (none), "waits" (made with createAndWait, not ready), "off", "on". */
static void row_status_follows_rfc_2579(void **state)
{
    struct world *w = *state;
    enum { N = THING_NUMBER, T = THING_TEXT, F = THING_FROZEN, S = THING_STATUS };
    static const struct {
        struct vb v[4];
        int want, tag;
        const char *name;
        int64_t after;
    } cases[] = {
        /* createAndGo */
        {{{S, "new", ROW_CREATE_AND_GO, 0}}, ERR_INCONSISTENT_VALUE, 1, "new", 0},
        {{{S, "new", ROW_CREATE_AND_GO, 0}, {T, "new", 0, "x"}}, 0, 0, "new", ROW_ACTIVE},
        {{{T, "new", 0, "x"}, {S, "new", ROW_CREATE_AND_GO, 0}}, 0, 0, "new", ROW_ACTIVE},
        {{{N, "new", 1, 0}, {S, "new", ROW_CREATE_AND_GO, 0}}, ERR_INCONSISTENT_VALUE, 2, "new", 0},
        {{{T, "on", 0, "x"}, {S, "on", ROW_CREATE_AND_GO, 0}},
         ERR_INCONSISTENT_VALUE,
         2,
         "on",
         ROW_ACTIVE},
        {{{S, "off", ROW_CREATE_AND_GO, 0}}, ERR_INCONSISTENT_VALUE, 1, "off", ROW_NOT_IN_SERVICE},
        {{{S, "waits", ROW_CREATE_AND_GO, 0}}, ERR_INCONSISTENT_VALUE, 1, "waits", ROW_NOT_READY},
        /* createAndWait */
        {{{S, "new", ROW_CREATE_AND_WAIT, 0}}, 0, 0, "new", ROW_NOT_READY},
        {{{N, "new", 3, 0}, {S, "new", ROW_CREATE_AND_WAIT, 0}}, 0, 0, "new", ROW_NOT_READY},
        {{{S, "new", ROW_CREATE_AND_WAIT, 0}, {T, "new", 0, "x"}}, 0, 0, "new", ROW_NOT_IN_SERVICE},
        {{{S, "on", ROW_CREATE_AND_WAIT, 0}}, ERR_INCONSISTENT_VALUE, 1, "on", ROW_ACTIVE},
        {{{S, "waits", ROW_CREATE_AND_WAIT, 0}}, ERR_INCONSISTENT_VALUE, 1, "waits", ROW_NOT_READY},
        /* active */
        {{{S, "new", ROW_ACTIVE, 0}, {T, "new", 0, "x"}}, ERR_INCONSISTENT_VALUE, 1, "new", 0},
        {{{S, "waits", ROW_ACTIVE, 0}}, ERR_INCONSISTENT_VALUE, 1, "waits", ROW_NOT_READY},
        {{{S, "waits", ROW_ACTIVE, 0}, {T, "waits", 0, "x"}}, 0, 0, "waits", ROW_ACTIVE},
        {{{S, "off", ROW_ACTIVE, 0}}, 0, 0, "off", ROW_ACTIVE},
        {{{S, "on", ROW_ACTIVE, 0}}, 0, 0, "on", ROW_ACTIVE},
        /* notInService */
        {{{S, "new", ROW_NOT_IN_SERVICE, 0}}, ERR_INCONSISTENT_VALUE, 1, "new", 0},
        {{{S, "waits", ROW_NOT_IN_SERVICE, 0}}, ERR_INCONSISTENT_VALUE, 1, "waits", ROW_NOT_READY},
        {{{T, "waits", 0, "x"}, {S, "waits", ROW_NOT_IN_SERVICE, 0}},
         0,
         0,
         "waits",
         ROW_NOT_IN_SERVICE},
        {{{S, "off", ROW_NOT_IN_SERVICE, 0}}, 0, 0, "off", ROW_NOT_IN_SERVICE},
        {{{S, "on", ROW_NOT_IN_SERVICE, 0}}, 0, 0, "on", ROW_NOT_IN_SERVICE},
        /* destroy */
        {{{S, "new", ROW_DESTROY, 0}}, 0, 0, "new", 0},
        {{{S, "waits", ROW_DESTROY, 0}}, 0, 0, "waits", 0},
        {{{S, "off", ROW_DESTROY, 0}, {N, "off", 1, 0}}, 0, 0, "off", 0},
        {{{S, "on", ROW_DESTROY, 0}}, 0, 0, "on", 0},
        /* another column */
        {{{N, "new", 1, 0}}, ERR_INCONSISTENT_NAME, 1, "new", 0},
        {{{N, "waits", 1, 0}}, 0, 0, "waits", ROW_NOT_READY},
        {{{T, "waits", 0, "x"}}, 0, 0, "waits", ROW_NOT_IN_SERVICE},
        {{{N, "off", 1, 0}}, 0, 0, "off", ROW_NOT_IN_SERVICE},
        {{{N, "on", 1, 0}}, 0, 0, "on", ROW_ACTIVE},
        /* a frozen column */
        {{{F, "on", 5, 0}}, ERR_INCONSISTENT_VALUE, 1, "on", ROW_ACTIVE},
        {{{N, "on", 5, 0}, {F, "on", 5, 0}, {S, "on", ROW_ACTIVE, 0}},
         ERR_INCONSISTENT_VALUE,
         2,
         "on",
         ROW_ACTIVE},
        {{{F, "on", 5, 0}, {S, "on", ROW_NOT_IN_SERVICE, 0}}, 0, 0, "on", ROW_NOT_IN_SERVICE},
        {{{F, "off", 5, 0}, {S, "off", ROW_ACTIVE, 0}}, 0, 0, "off", ROW_ACTIVE},
        {{{F, "waits", 5, 0}}, 0, 0, "waits", ROW_NOT_READY},
        /* one refusal refuses all */
        {{{N, "on", 1, 0}, {S, "new", ROW_DESTROY, 0}, {N, "new2", 1, 0}},
         ERR_INCONSISTENT_NAME,
         3,
         "on",
         ROW_ACTIVE},
    };
    struct vb wait = {THING_STATUS, "waits", ROW_CREATE_AND_WAIT, NULL};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct err e = {.text = ""};
        int tag = 0;
        assert_int_equal(set(w->store, &wait, 1, &tag, &e), 0);
        unsigned before = ring_length(w->store);
        int rc = set(w->store, cases[i].v, 4, &tag, &e);
        if (rc != cases[i].want || (rc && tag != cases[i].tag) ||
            status(w->store, cases[i].name) != cases[i].after)
            fail_msg("case %zu: %s (tag %d), status %d: %s", i, err_name(rc), tag,
                     (int)status(w->store, cases[i].name), e.text);
        if (rc)
            assert_int_equal(ring_length(w->store), before);
        teardown(state);
        setup(state);
    }
}

static void rows_need_their_owner(void **state)
{
    struct world *w = *state;
    struct err e;
    int tag;
    struct key k = key_of_names("bob", "x");
    struct set *x = set_new(w->store, SET_SNMP);
    struct set_value go = {.type = SET_INT32, .number = ROW_CREATE_AND_GO},
                     t = {.type = SET_OCTETS, .bytes = {(const uint8_t *)"x", 1}};
    assert_int_equal(add_to(x, 1, &thing_table, THING_TEXT, &k, &t, &e), 0);
    assert_int_equal(add_to(x, 2, &thing_table, THING_STATUS, &k, &go, &e), 0);
    assert_int_equal(set_check(x, &tag, &e), ERR_NO_CREATION);
    assert_int_equal(tag, 2);
    assert_non_null(strstr(e.text, "no owner 'bob'"));
    assert_int_equal(set_commit(x, &tag, &e), ERR_NO_CREATION);
    put_owner(w->store, "bob");
    assert_int_equal(set_commit(x, &tag, &e), 0);
    set_free(x);
}

static void tables_without_row_status_have_their_rows(void **state)
{
    struct world *w = *state;
    struct err e;
    int tag;
    struct key k = key_of_names("alice", "x");
    struct set_value five = {.type = SET_UNSIGNED32, .number = 5};
    struct set *x = set_new(w->store, SET_SNMP);
    assert_int_equal(add_to(x, 7, &bare_table, BARE_LIMIT, &k, &five, &e), 0);
    assert_int_equal(set_check(x, &tag, &e), ERR_NO_CREATION);
    assert_int_equal(tag, 7);
    set_free(x);
    x = set_new(w->store, SET_XML);
    assert_int_equal(set_add_row(x, 1, &bare_table, &k, &e), 0);
    assert_int_equal(set_check(x, &tag, &e), 0);
    assert_int_equal(set_commit(x, &tag, &e), 0);
    set_free(x);
    x = set_new(w->store, SET_SNMP);
    assert_int_equal(add_to(x, 7, &bare_table, BARE_LIMIT, &k, &five, &e), 0);
    assert_int_equal(set_commit(x, &tag, &e), 0);
    set_free(x);
    /* scalars are always there */
    static const uint32_t limit[] = {T_SCALARS, 5, 0};
    struct cell c;
    x = set_new(w->store, SET_SNMP);
    assert_int_equal(set_add(x, 1, limit, 3, &five, &e), 0);
    assert_int_equal(set_check(x, &tag, &e), 0);
    assert_int_equal(set_commit(x, &tag, &e), 0);
    set_free(x);
    struct txn *t = txn_begin(w->store, TXN_READ);
    assert_int_equal(view_get(t, limit, 3, &c), 0);
    assert_int_equal(c.number, 5);
    txn_abort(t);
}

/* ---- TestAndIncr ------------------------------------------------------------------------------
 */

static int set_spin(struct world *w, int64_t v)
{
    static const uint32_t spin[] = {T_SCALARS, 6, 0};
    struct set_value value = {.type = SET_INT32, .number = v};
    struct set *x = set_new(w->store, SET_SNMP);
    struct err e;
    int tag, rc = set_add(x, 1, spin, 3, &value, &e);
    if (!rc)
        rc = set_check(x, &tag, &e);
    if (!rc)
        rc = set_commit(x, &tag, &e);
    set_free(x);
    return rc;
}

static int64_t spin(struct world *w)
{
    static const uint32_t ids[] = {T_SCALARS, 6, 0};
    struct cell c;
    struct txn *t = txn_begin(w->store, TXN_READ);
    assert_int_equal(view_get(t, ids, 3, &c), 0);
    txn_abort(t);
    return c.number;
}

static void test_and_incr_advances(void **state)
{
    struct world *w = *state;
    struct change ch;
    uint64_t seq = 0;
    assert_int_equal(set_spin(w, 1), ERR_INCONSISTENT_VALUE);
    assert_int_equal(set_spin(w, INT64_C(1) << 31), ERR_WRONG_VALUE);
    assert_int_equal(set_spin(w, 0), 0);
    assert_int_equal(set_spin(w, 0), ERR_INCONSISTENT_VALUE);
    assert_int_equal(set_spin(w, 1), 0);
    assert_int_equal(spin(w), 2);
    /* each is told, though the column is nothing but a lock */
    struct txn *t = txn_begin(w->store, TXN_READ);
    for (int i = 0; i < 2; i++, seq = ch.seq) {
        do
            assert_int_equal(changes_next(t, seq, &ch), 0);
        while (ch.table != T_SCALARS && (seq = ch.seq));
        assert_true(ch.columns[0] == 1u << 6);
    }
    assert_int_equal(changes_next(t, seq, &ch), ERR_NOTFOUND);
    txn_abort(t);
}

static void test_and_incr_wraps(void **state)
{
    struct world *w = *state;
    struct edit d;
    struct key k;
    struct txn *t = txn_begin(w->store, TXN_WRITE);
    key_init(&k);
    key_u32(&k, 0);
    edit_begin(&d, t, &scalars_table, &k);
    edit_int(&d, 6, INT32_MAX);
    assert_int_equal(row_put(&d, NULL), 0);
    assert_int_equal(txn_commit(t, NULL), 0);
    assert_int_equal(set_spin(w, INT32_MAX), 0);
    assert_int_equal(spin(w), 0);
}

static void test_and_incr_is_undone(void **state)
{
    static const uint32_t ids[] = {T_SCALARS, 6, 0};
    struct world *w = *state;
    struct set_value value = {.type = SET_INT32, .number = 0};
    struct err e;
    int tag;
    struct set *x = set_new(w->store, SET_SNMP);
    assert_int_equal(set_add(x, 1, ids, 3, &value, &e), 0);
    assert_int_equal(set_check(x, &tag, &e), 0);
    assert_int_equal(set_commit(x, &tag, &e), 0);
    assert_int_equal(spin(w), 1);
    /* two who asked at once: the other one's check was good too */
    struct set *other = set_new(w->store, SET_SNMP);
    assert_int_equal(set_add(other, 1, ids, 3, &value, &e), 0);
    assert_int_equal(set_commit(other, &tag, &e), ERR_INCONSISTENT_VALUE);
    set_free(other);
    assert_int_equal(set_undo(x, &e), 0);
    assert_int_equal(spin(w), 0);
    set_free(x);
}

/* ---- several sets as one ----------------------------------------------------------------------
 */

static struct set *set_of(struct world *w, const struct vb *v, size_t n)
{
    struct set *x = set_new(w->store, SET_SNMP);
    struct err e;
    for (size_t i = 0; i < n; i++)
        assert_int_equal(add(x, (int)i + 1, &v[i], &e), 0);
    return x;
}

static void several_sets_are_one(void **state)
{
    enum { S = THING_STATUS, T = THING_TEXT, N = THING_NUMBER };
    static const struct vb first[] = {{T, "new", 0, "x"}, {S, "new", ROW_CREATE_AND_GO, NULL}};
    static const struct vb second[] = {{N, "new", 5, NULL}}, third[] = {{N, "none", 5, NULL}};
    struct world *w = *state;
    struct buf stale;
    struct err e;
    int tag;
    buf_init(&stale, 4096);
    for (int last = 0; last < 2; last++) { /* the first time it does not come to an end */
        struct set *x = set_of(w, first, 2), *y = set_of(w, second, 1), *z = set_of(w, third, 1);
        struct txn *t = txn_begin(w->store, TXN_WRITE);
        assert_int_equal(set_write(x, t, &stale, &tag, &e), 0);
        assert_int_equal(set_write(y, t, &stale, &tag, &e), 0); /* sees the first one's row */
        assert_int_equal(set_write(z, t, &stale, &tag, &e), ERR_INCONSISTENT_NAME);
        if (!last) {
            txn_abort(t);
            assert_int_equal(status(w->store, "new"), 0);
        } else {
            assert_int_equal(txn_commit(t, &e), 0);
            assert_int_equal(status(w->store, "new"), ROW_ACTIVE);
            assert_int_equal(number(w->store, "new", N), 5);
        }
        set_free(x);
        set_free(y);
        set_free(z);
        if (!last)
            buf_clear(&stale);
    }
    /* What somebody of that name had is dropped, with the whole of them. */
    struct edit d;
    struct key k = key_of_names("alice", "new");
    struct txn *t = txn_begin(w->store, TXN_WRITE_SAMPLES);
    edit_begin(&d, t, &thing_table, &k);
    edit_add(&d, THING_COUNT, 3);
    assert_int_equal(row_put(&d, &e), 0);
    assert_int_equal(txn_commit(t, &e), 0);
    assert_int_equal(number(w->store, "new", THING_COUNT), 3);
    assert_int_equal(stale_drop(w->store, &stale, &e), 0);
    assert_int_equal(stale.len, 0);
    assert_int_equal(number(w->store, "new", THING_COUNT), 0);
    buf_release(&stale);
}

/* ---- StorageType --------------------------------------------------------------------------------
 */

static void storage_type_is_kept(void **state)
{
    struct world *w = *state;
    enum { N = THING_NUMBER, K = THING_STORAGE, S = THING_STATUS };
    static const struct {
        int64_t storage;
        struct vb v[2];
        int want, tag;
    } cases[] = {
        {STORAGE_READ_ONLY, {{N, "on", 1, 0}}, ERR_NOT_WRITABLE, 1},
        {STORAGE_READ_ONLY, {{S, "on", ROW_DESTROY, 0}}, ERR_NOT_WRITABLE, 1},
        {STORAGE_READ_ONLY, {{S, "on", ROW_NOT_IN_SERVICE, 0}}, ERR_NOT_WRITABLE, 1},
        {STORAGE_READ_ONLY, {{K, "on", STORAGE_NON_VOLATILE, 0}}, ERR_NOT_WRITABLE, 1},
        {STORAGE_READ_ONLY, {{THING_TEST, "on", 2, 0}}, 0, 0},
        {STORAGE_READ_ONLY, {{THING_TEST, "on", 2, 0}, {N, "on", 1, 0}}, ERR_NOT_WRITABLE, 2},
        {STORAGE_PERMANENT, {{N, "on", 1, 0}}, 0, 0},
        {STORAGE_PERMANENT, {{S, "on", ROW_NOT_IN_SERVICE, 0}}, 0, 0},
        {STORAGE_PERMANENT,
         {{N, "on", 1, 0}, {S, "on", ROW_DESTROY, 0}},
         ERR_INCONSISTENT_VALUE,
         2},
        {STORAGE_PERMANENT, {{K, "on", STORAGE_NON_VOLATILE, 0}}, ERR_INCONSISTENT_VALUE, 1},
        {STORAGE_PERMANENT, {{K, "on", STORAGE_PERMANENT, 0}}, 0, 0},
        {STORAGE_NON_VOLATILE, {{K, "on", STORAGE_NON_VOLATILE, 0}}, 0, 0},
        {STORAGE_NON_VOLATILE, {{K, "on", STORAGE_PERMANENT, 0}}, ERR_WRONG_VALUE, 1},
        {STORAGE_NON_VOLATILE, {{K, "on", STORAGE_READ_ONLY, 0}}, ERR_WRONG_VALUE, 1},
        {STORAGE_NON_VOLATILE, {{K, "on", STORAGE_VOLATILE, 0}}, ERR_WRONG_VALUE, 1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct err e = {.text = ""};
        int tag;
        store_cell(w->store, "on", THING_STORAGE, cases[i].storage);
        int rc = set(w->store, cases[i].v, 2, &tag, &e);
        if (rc != cases[i].want || (rc && tag != cases[i].tag))
            fail_msg("case %zu: %s (tag %d): %s", i, err_name(rc), tag, e.text);
        if (cases[i].v[0].column != THING_STORAGE || cases[i].want)
            assert_int_equal(number(w->store, "on", THING_STORAGE), cases[i].storage);
        store_cell(w->store, "on", THING_STATUS, ROW_ACTIVE);
    }
}

static void new_rows_are_non_volatile(void **state)
{
    struct world *w = *state;
    struct err e;
    int tag;
    struct vb v[] = {{THING_STATUS, "new", ROW_CREATE_AND_GO, NULL}, {THING_TEXT, "new", 0, "x"}};
    assert_int_equal(set(w->store, v, 2, &tag, &e), 0);
    assert_int_equal(number(w->store, "new", THING_STORAGE), STORAGE_NON_VOLATILE);
}

static void the_configuration_file_has_its_way(void **state)
{
    struct world *w = *state;
    struct err e;
    int tag;
    struct set *x = set_new(w->store, SET_XML);
    struct key k = key_of_names("carol", "x"), owner = key_of_name("carol");
    struct set_value text = {.type = SET_OCTETS, .bytes = {(const uint8_t *)"x", 1}},
                     millis = {.type = SET_COUNTER64, .number = 5};
    /* a row before its owner, read-only columns, no RowStatus */
    assert_int_equal(add_to(x, 1, &thing_table, THING_TEXT, &k, &text, &e), 0);
    assert_int_equal(add_to(x, 2, &thing_table, THING_MILLIS, &k, &millis, &e), 0);
    assert_int_equal(set_add_row(x, 3, &owner_table, &owner, &e), 0);
    assert_int_equal(set_check(x, &tag, &e), 0);
    assert_int_equal(set_commit(x, &tag, &e), 0);
    set_free(x);
    struct row r;
    struct txn *t = txn_begin(w->store, TXN_READ);
    assert_int_equal(row_get(t, &thing_table, &k, &r), 0);
    assert_true(row_active(&r));
    assert_int_equal(row_int(&r, THING_STORAGE), STORAGE_READ_ONLY);
    assert_int_equal(row_int(&r, THING_MILLIS), 5);
    txn_abort(t);
    unsigned before = ring_length(w->store);
    x = set_new(w->store, SET_XML); /* again: nothing changes; then permanent, and gone */
    assert_int_equal(add_to(x, 1, &thing_table, THING_TEXT, &k, &text, &e), 0);
    assert_int_equal(set_commit(x, &tag, &e), 0);
    assert_int_equal(ring_length(w->store), before);
    set_storage(x, STORAGE_PERMANENT);
    assert_int_equal(set_commit(x, &tag, &e), 0);
    set_free(x);
    t = txn_begin(w->store, TXN_READ);
    assert_int_equal(row_get(t, &thing_table, &k, &r), 0);
    assert_int_equal(row_int(&r, THING_STORAGE), STORAGE_PERMANENT);
    txn_abort(t);
    struct set_value destroy = {.type = SET_INT32, .number = ROW_DESTROY};
    x = set_new(w->store, SET_XML);
    assert_int_equal(add_to(x, 1, &thing_table, THING_STATUS, &k, &destroy, &e), 0);
    assert_int_equal(set_commit(x, &tag, &e), 0);
    set_free(x);
    t = txn_begin(w->store, TXN_READ);
    assert_false(row_exists(t, &thing_table, &k));
    txn_abort(t);
    x = set_new(w->store, SET_SNMP);
    assert_int_equal(set_add_row(x, 3, &owner_table, &owner, &e), ERR_NOT_WRITABLE);
    set_free(x);
}

/* A column that was taken out of the file goes from the row; what is not the file's stays. */
static void whole_rows_forget_what_is_not_named(void **state)
{
    struct world *w = *state;
    struct err e;
    int tag;
    struct key k = key_of_names("alice", "x"), owner = key_of_name("alice");
    struct set_value note = {.type = SET_OCTETS, .bytes = {(const uint8_t *)"note", 4}},
                     five = {.type = SET_UNSIGNED32, .number = 5};
    for (int i = 0; i < 3; i++) {
        struct set *x = set_new(w->store, SET_XML);
        if (i)
            set_whole_rows(x);
        if (i < 2)
            assert_int_equal(add_to(x, 1, &bare_table, BARE_NOTE, &k, &note, &e), 0);
        else
            assert_int_equal(set_add_row(x, 1, &bare_table, &k, &e), 0);
        if (!i)
            assert_int_equal(add_to(x, 2, &bare_table, BARE_LIMIT, &k, &five, &e), 0);
        assert_int_equal(set_add_row(x, 3, &owner_table, &owner, &e), 0);
        assert_int_equal(set_commit(x, &tag, &e), 0);
        set_free(x);
        struct row r;
        struct txn *t = txn_begin(w->store, TXN_READ);
        assert_int_equal(row_get(t, &bare_table, &k, &r), 0);
        assert_int_equal(row_int(&r, BARE_LIMIT), 5); /* it has no name in the file */
        assert_int_equal(row_has(&r, BARE_NOTE), i < 2);
        txn_abort(t);
    }
}

static void a_new_row_inherits_nothing_volatile(void **state)
{
    struct world *w = *state;
    struct err e;
    struct edit d;
    int tag;
    struct key k = key_of_names("alice", "on");
    struct txn *t = txn_begin(w->store, TXN_WRITE_SAMPLES);
    edit_begin(&d, t, &thing_table, &k);
    edit_int(&d, THING_COUNT, 12);
    assert_int_equal(row_put(&d, NULL), 0);
    assert_int_equal(txn_commit(t, NULL), 0);
    assert_int_equal(number(w->store, "on", THING_COUNT), 12);
    struct vb gone = {THING_STATUS, "on", ROW_DESTROY, NULL};
    struct vb made[] = {{THING_STATUS, "on", ROW_CREATE_AND_GO, NULL}, {THING_TEXT, "on", 0, "x"}};
    assert_int_equal(set(w->store, &gone, 1, &tag, &e), 0);
    assert_int_equal(set(w->store, made, 2, &tag, &e), 0);
    assert_int_equal(number(w->store, "on", THING_COUNT), 0);
}

/* ---- checks and references
 * ----------------------------------------------------------------------*/

struct checked {
    int calls, finals, gone, new;
};

static int count_rows(void *arg, const struct row *r)
{
    struct key *last = arg;
    /* in key order, each once */
    assert_true(last->len == 0 ||
                memcmp(last->data, r->key.data, r->key.len < last->len ? r->key.len : last->len) <
                    0 ||
                last->len < r->key.len);
    last->len = (uint16_t)r->key.len;
    memcpy(last->data, r->key.data, r->key.len);
    return 0;
}

/* saThingOther must name another thing of the same owner; a thing that is named stays. */
static int refers(void *arg, const struct row *r)
{
    char other[33];
    return strcmp(row_str(r, THING_OTHER, other, sizeof other), arg) == 0 ? 77 : 0;
}

static int check_thing(void *arg, const struct set_check_context *c, unsigned *ret_column,
                       struct err *e)
{
    struct checked *n = arg;
    char name[33], other[33];
    struct row r;
    struct key alice = key_of_name("alice"), last = {.len = 0};
    n->calls++;
    n->finals += c->final;
    n->gone += c->gone;
    n->new += !c->before;
    assert_int_equal(c->origin, SET_SNMP);
    assert_int_equal(set_look_each(c->look, &thing_table, NULL, count_rows, &last), 0);
    row_str(c->after, THING_NAME, name, sizeof name);
    row_str(c->after, THING_OTHER, other, sizeof other);
    if (c->gone)
        return set_look_each(c->look, &thing_table, &alice, refers, name) == 77
                   ? err_set(e, ERR_INCONSISTENT_VALUE, "another thing refers to it")
                   : 0;
    struct key k = key_of_names("alice", other);
    *ret_column = THING_OTHER;
    if (other[0] && set_look_row(c->look, &thing_table, &k, &r))
        return err_set(e, ERR_INCONSISTENT_VALUE, "no thing '%s' for owner alice", other);
    return 0;
}

static void references_hold_in_either_order(void **state)
{
    struct world *w = *state;
    struct err e;
    int tag;
    struct checked n = {0, 0, 0, 0};
    enum { T = THING_TEXT, O = THING_OTHER, S = THING_STATUS };
    assert_int_equal(set_register_check(w->store, T_THING, check_thing, &n), 0);
    struct vb dangling[] = {{T, "a", 0, "x"}, {O, "a", 0, "b"}, {S, "a", ROW_CREATE_AND_GO, NULL}};
    assert_int_equal(set(w->store, dangling, 3, &tag, &e), ERR_INCONSISTENT_VALUE);
    assert_int_equal(tag, 2);
    assert_string_equal(e.text, "saThingOther.\"alice\".\"a\": no thing 'b' for owner alice");
    assert_int_equal(n.finals, 0);
    struct vb both[] = {{T, "a", 0, "x"}, {O, "a", 0, "b"}, {S, "a", ROW_CREATE_AND_GO, NULL},
                        {T, "b", 0, "x"}, {O, "b", 0, "a"}, {S, "b", ROW_CREATE_AND_GO, NULL}};
    n = (struct checked){0, 0, 0, 0};
    assert_int_equal(set(w->store, both, 6, &tag, &e), 0);
    assert_int_equal(n.calls, 4);
    assert_int_equal(n.finals, 2);
    assert_int_equal(n.new, 4);
    struct vb used[] = {{S, "b", ROW_DESTROY, NULL}};
    assert_int_equal(set(w->store, used, 1, &tag, &e), ERR_INCONSISTENT_VALUE);
    assert_int_equal(tag, 1);
    struct vb swap[] = {{S, "b", ROW_DESTROY, NULL}, {O, "a", 0, "on"}};
    n = (struct checked){0, 0, 0, 0};
    assert_int_equal(set(w->store, swap, 2, &tag, &e), 0);
    assert_int_equal(n.gone, 2);
    assert_int_equal(status(w->store, "b"), 0);
    struct vb all[] = {{S, "a", ROW_DESTROY, NULL}, {S, "on", ROW_DESTROY, NULL}};
    assert_int_equal(set(w->store, all, 2, &tag, &e), 0);
}

/* What was right when checked is checked again when it is written. */
static void a_commit_checks_again(void **state)
{
    struct world *w = *state;
    struct err e;
    int tag = 0;
    struct checked n = {0, 0, 0, 0};
    set_register_check(w->store, T_THING, check_thing, &n);
    struct set *x = set_new(w->store, SET_SNMP);
    struct vb v = {THING_OTHER, "on", 0, "off"}, gone = {THING_STATUS, "off", ROW_DESTROY, NULL};
    assert_int_equal(add(x, 5, &v, &e), 0);
    assert_int_equal(set_check(x, &tag, &e), 0);
    assert_int_equal(set(w->store, &gone, 1, &tag, &e), 0);
    assert_int_equal(set_commit(x, &tag, &e), ERR_INCONSISTENT_VALUE);
    assert_int_equal(tag, 5);
    assert_int_equal(set_undo(x, &e), ERR_INVALID);
    set_free(x);
}

/* ---- the ring -----------------------------------------------------------------------------------
 */

static void the_ring_tells_what_was_set(void **state)
{
    struct world *w = *state;
    struct err e;
    struct change ch;
    int tag;
    struct vb made[] = {{THING_STATUS, "new", ROW_CREATE_AND_GO, NULL},
                        {THING_TEXT, "new", 0, "x"}},
              changed[] = {{THING_NUMBER, "on", 9, NULL}}, same[] = {{THING_NUMBER, "on", 9, NULL}},
              idle[] = {{THING_TEST, "on", 1, NULL}}, run[] = {{THING_TEST, "on", 2, NULL}},
              gone[] = {{THING_STATUS, "new", ROW_DESTROY, NULL}};
    struct txn *t = txn_begin(w->store, TXN_WRITE);
    assert_int_equal(changes_consume(t, 100), 0);
    assert_int_equal(txn_commit(t, NULL), 0);
    assert_int_equal(set(w->store, made, 2, &tag, &e), 0);
    assert_int_equal(set(w->store, changed, 1, &tag, &e), 0);
    assert_int_equal(set(w->store, same, 1, &tag, &e), 0);
    assert_int_equal(set(w->store, idle, 1, &tag, &e), 0);
    assert_int_equal(set(w->store, run, 1, &tag, &e), 0);
    assert_int_equal(set(w->store, gone, 1, &tag, &e), 0);
    assert_int_equal(set(w->store, gone, 1, &tag, &e), 0);
    static const struct {
        int op;
        unsigned column;
    } want[] = {{CHANGE_CREATED, THING_TEXT},
                {CHANGE_UPDATED, THING_NUMBER},
                {CHANGE_UPDATED, THING_TEST},
                {CHANGE_DELETED, 0}};
    t = txn_begin(w->store, TXN_READ);
    for (unsigned i = 0; i < 4; i++) {
        assert_int_equal(changes_next(t, 100 + i, &ch), 0);
        assert_int_equal(ch.seq, 101 + i);
        assert_int_equal(ch.table, T_THING);
        assert_int_equal(ch.op, want[i].op);
        if (want[i].column)
            assert_true(bits_has(ch.columns, want[i].column));
        assert_int_equal(bits_has(ch.columns, THING_TEST), want[i].column == THING_TEST);
    }
    assert_int_equal(changes_next(t, 104, &ch), ERR_NOTFOUND);
    txn_abort(t);
    assert_int_equal(number(w->store, "on", THING_TEST), 1); /* it stays idle */
}

/* ---- undo ---------------------------------------------------------------------------------------
 */

static void undo_restores_untouched_cells_only(void **state)
{
    struct world *w = *state;
    struct err e;
    int tag;
    struct set *x = set_new(w->store, SET_SNMP);
    static const struct vb v[] = {
        {THING_NUMBER, "on", 42, NULL}, {THING_TEXT, "on", 0, "changed"},
        {THING_KIND, "on", 3, NULL},    {THING_STATUS, "off", ROW_DESTROY, NULL},
        {THING_TEXT, "new", 0, "x"},    {THING_STATUS, "new", ROW_CREATE_AND_WAIT, NULL},
    };
    store_cell(w->store, "on", THING_NUMBER, 5);
    store_cell(w->store, "off", THING_HIDDEN, 99);
    for (int i = 0; i < 6; i++)
        assert_int_equal(add(x, i, &v[i], &e), 0);
    assert_int_equal(set_rows(x), 3);
    assert_int_equal(set_check(x, &tag, &e), 0);
    assert_int_equal(set_commit(x, &tag, &e), 0);
    assert_int_equal(status(w->store, "off"), 0);
    assert_int_equal(status(w->store, "new"), ROW_NOT_IN_SERVICE);
    store_cell(w->store, "on", THING_NUMBER, 50); /* by somebody else, since */
    store_cell(w->store, "on", THING_HIDDEN, 11); /* and what the set never named */
    unsigned before = ring_length(w->store);
    assert_int_equal(set_undo(x, &e), 0);
    assert_int_equal(set_undo(x, &e), ERR_INVALID);
    set_free(x);
    assert_int_equal(ring_length(w->store), before + 3);
    assert_int_equal(status(w->store, "new"), 0);
    assert_int_equal(status(w->store, "off"), ROW_NOT_IN_SERVICE);
    assert_int_equal(number(w->store, "off", THING_HIDDEN), 99);
    assert_int_equal(number(w->store, "on", THING_NUMBER), 50);
    assert_int_equal(number(w->store, "on", THING_HIDDEN), 11);
    struct row r;
    struct key k = key_of_names("alice", "on");
    struct txn *t = txn_begin(w->store, TXN_READ);
    assert_int_equal(row_get(t, &thing_table, &k, &r), 0);
    assert_memory_equal(row_text(&r, THING_TEXT).data, "text", 4);
    assert_false(row_has(&r, THING_KIND)); /* it was absent before */
    txn_abort(t);
    assert_int_equal(set_expire_unready(w->store, wall + 1000000, 1), 0);
}

/* ---- expiry -------------------------------------------------------------------------------------
 */

static void rows_that_never_were_active_expire(void **state)
{
    struct world *w = *state;
    struct err e;
    int tag;
    static const struct vb wait = {THING_STATUS, "w1", ROW_CREATE_AND_WAIT, NULL},
                           later = {THING_STATUS, "w2", ROW_CREATE_AND_WAIT, NULL};
    static const struct vb used[] = {{THING_STATUS, "w3", ROW_CREATE_AND_WAIT, NULL},
                                     {THING_TEXT, "w3", 0, "x"}};
    static const struct vb on = {THING_STATUS, "w3", ROW_ACTIVE, NULL},
                           off = {THING_STATUS, "w3", ROW_NOT_IN_SERVICE, NULL};
    assert_int_equal(set(w->store, &wait, 1, &tag, &e), 0);
    assert_int_equal(set(w->store, used, 2, &tag, &e), 0);
    wall += 200000;
    assert_int_equal(set(w->store, &later, 1, &tag, &e), 0);
    assert_int_equal(set(w->store, &on, 1, &tag, &e), 0);
    assert_int_equal(set(w->store, &off, 1, &tag, &e), 0);
    assert_int_equal(set_expire_unready(w->store, wall, 300000), 0);
    wall += 100001;
    unsigned before = ring_length(w->store);
    assert_int_equal(set_expire_unready(w->store, wall, 300000), 1);
    assert_int_equal(ring_length(w->store), before + 1);
    assert_int_equal(status(w->store, "w1"), 0);
    assert_int_equal(status(w->store, "w2"), ROW_NOT_READY);
    assert_int_equal(status(w->store, "w3"), ROW_NOT_IN_SERVICE); /* it was active once */
    assert_int_equal(status(w->store, "off"), ROW_NOT_IN_SERVICE);
    wall += 300000;
    assert_int_equal(set_expire_unready(w->store, wall, 300000), 1);
    assert_int_equal(set_expire_unready(w->store, wall, 300000), 0);
    assert_int_equal(status(w->store, "w2"), 0);
}

/* ---- a full store -------------------------------------------------------------------------------
 */

static void a_full_store_refuses_more_but_lets_go(void **state)
{
    struct world *w = *state;
    struct store_options o = world_options(w);
    struct err e;
    char name[32];
    int tag, rc = 0, i;
    store_close(w->store);
    w->store = NULL;
    remove_folder(w->path);
    o.map_bytes = 2 << 20;
    assert_int_equal(store_open(&w->store, &o, &e), 0);
    put_owner(w->store, "alice");
    for (i = 0; !rc && i < 100000; i++) {
        snprintf(name, sizeof name, "n%d", i);
        struct vb v[] = {{THING_STATUS, name, ROW_CREATE_AND_GO, NULL},
                         {THING_TEXT, name, 0, "a text of some length, to fill it up sooner"}};
        rc = set(w->store, v, 2, &tag, &e);
    }
    assert_int_equal(rc, ERR_RESOURCE_UNAVAILABLE);
    assert_non_null(strstr(e.text, "full"));
    for (i = 0; i < 50; i++) {
        snprintf(name, sizeof name, "n%d", i);
        struct vb v = {THING_STATUS, name, ROW_DESTROY, NULL};
        assert_int_equal(set(w->store, &v, 1, &tag, &e), 0);
    }
}

/* ---- counting ---- */

static int note_count(void *arg, const struct set_check_context *c, unsigned *ret_column,
                      struct err *e)
{
    (void)ret_column;
    (void)e;
    *(int64_t *)arg = set_look_count(c->look, &thing_table, "alice");
    return 0;
}

static void an_owners_rows_are_counted(void **state)
{
    struct world *w = *state;
    static const struct vb go[] = {{THING_STATUS, "c1", ROW_CREATE_AND_WAIT, NULL},
                                   {THING_STATUS, "c2", ROW_CREATE_AND_WAIT, NULL},
                                   {THING_STATUS, "c3", ROW_CREATE_AND_WAIT, NULL}},
                           gone = {THING_STATUS, "c1", ROW_DESTROY, NULL},
                           text = {THING_TEXT, "c2", 0, "y"};
    int64_t count = -1, before;
    struct key k = key_of_names("alice", "c3");
    struct err e;
    int tag;
    assert_int_equal(set_register_check(w->store, thing_table.id, note_count, &count), 0);
    assert_int_equal(set(w->store, go, 1, &tag, &e), 0);
    before = count;
    assert_int_equal(set(w->store, go + 1, 2, &tag, &e), 0);
    assert_int_equal(count, before + 2);
    assert_int_equal(set(w->store, &text, 1, &tag, &e), 0);
    assert_int_equal(count, before + 2);
    assert_int_equal(set(w->store, &gone, 1, &tag, &e), 0);
    assert_int_equal(count, before + 1);
    struct txn *t = txn_begin(w->store, TXN_WRITE);
    assert_int_equal(row_delete(t, &thing_table, &k), 0);
    assert_int_equal(txn_commit(t, NULL), 0);
    assert_int_equal(set(w->store, &(struct vb){THING_TEXT, "c2", 0, "z"}, 1, &tag, &e), 0);
    assert_int_equal(count, before);
}

/* One varbind on a thing of OWNER's, in a set of alice's alone. */
static int add_as_alice(struct store *s, const char *owner, const char *name, unsigned column,
                        struct set_value v, struct err *e)
{
    struct set *x = set_new(s, SET_SNMP);
    struct key k = key_of_names(owner, name);
    int rc;
    set_only_of(x, "alice");
    assert_string_equal(set_owner(x), "alice");
    rc = add_to(x, 1, &thing_table, column, &k, &v, e);
    assert_string_equal(set_owner(x), "alice");
    set_free(x);
    return rc;
}

/* The answer, words included, tells neither whether the row is there nor what is in it. */
static void a_set_of_one_owner_takes_no_foreign_row(void **state)
{
    static const char *const others[] = {"bob", "alic", "alicia", "admin", "nobody"};
    const struct set_value text = {.type = SET_OCTETS, .bytes = {(const uint8_t *)"x", 1}},
                           none = {.type = SET_OTHER};
    struct world *w = *state;
    struct err there, missing, e;
    put_owner(w->store, "bob");
    put_thing(w->store, "bob", "here", "secret");
    assert_int_equal(add_as_alice(w->store, "alice", "on", THING_TEXT, text, &e), 0);
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        assert_int_equal(add_as_alice(w->store, others[i], "on", THING_TEXT, text, &e),
                         ERR_NO_CREATION);
    assert_int_equal(add_as_alice(w->store, "bob", "here", THING_TEXT, text, &there),
                     ERR_NO_CREATION);
    assert_string_equal(there.text, "saThingText.\"bob\".\"here\": not a row of owner 'alice'");
    assert_int_equal(add_as_alice(w->store, "bob", "gone", THING_TEXT, text, &missing),
                     ERR_NO_CREATION);
    assert_string_equal(missing.text, "saThingText.\"bob\".\"gone\": not a row of owner 'alice'");
    assert_int_equal(add_as_alice(w->store, "bob", "here", THING_TEXT, none, &there),
                     ERR_WRONG_TYPE);
    assert_int_equal(add_as_alice(w->store, "bob", "gone", THING_TEXT, none, &missing),
                     ERR_WRONG_TYPE);
}

static void a_set_of_one_owner_has_no_scalars(void **state)
{
    const uint32_t spin[] = {T_SCALARS, 6, 0};
    const struct set_value v = {.type = SET_INT32, .number = 0};
    struct world *w = *state;
    struct err e;
    struct set *x = set_new(w->store, SET_SNMP);
    assert_int_equal(set_add(x, 1, spin, 3, &v, &e), 0);
    set_free(x);
    x = set_new(w->store, SET_SNMP);
    set_only_of(x, "admin");
    assert_int_equal(set_add(x, 1, spin, 3, &v, &e), ERR_NOT_WRITABLE);
    set_free(x);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(the_schema_answers_first),
        T(words_name_object_and_reason),
        T(a_set_has_limits),
        T(an_instance_named_twice_must_agree),
        T(row_status_follows_rfc_2579),
        T(rows_need_their_owner),
        T(tables_without_row_status_have_their_rows),
        T(test_and_incr_advances),
        T(test_and_incr_wraps),
        T(test_and_incr_is_undone),
        T(several_sets_are_one),
        T(storage_type_is_kept),
        T(new_rows_are_non_volatile),
        T(the_configuration_file_has_its_way),
        T(whole_rows_forget_what_is_not_named),
        T(a_new_row_inherits_nothing_volatile),
        T(references_hold_in_either_order),
        T(a_commit_checks_again),
        T(the_ring_tells_what_was_set),
        T(undo_restores_untouched_cells_only),
        T(rows_that_never_were_active_expire),
        T(a_full_store_refuses_more_but_lets_go),
        T(an_owners_rows_are_counted),
        T(a_set_of_one_owner_takes_no_foreign_row),
        T(a_set_of_one_owner_has_no_scalars),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
