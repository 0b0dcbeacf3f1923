/* Rows of the configuration file that managers override: what they changed stays when the file
 * comes again, the rest follows the file, and the revert trigger takes the row back to it. */
#include "tests/unit/store/fixture.h"

#include <string.h>

enum { T_DEF = SA_DEFINITION };

struct cellv {
    unsigned column;
    int64_t number;
    const char *text; /* NULL: a number */
};
#define N(column, number)                                                                          \
    {                                                                                              \
        column, number, NULL                                                                       \
    }
#define T(column, text)                                                                            \
    {                                                                                              \
        column, 0, text                                                                            \
    }

static int setup(void **state)
{
    static struct world w;
    struct store_options o;
    struct err e;
    struct txn *t;
    struct edit d;
    struct key k = key_of_name("alice");

    world_init(&w);
    store_close(w.store);
    w.store = NULL;
    remove_folder(w.path);
    o = world_options(&w);
    o.tables = NULL;
    if (store_open(&w.store, &o, &e))
        fail_msg("%s", e.text);
    t = txn_begin(w.store, TXN_WRITE);
    edit_begin(&d, t, sa_table_by_id(SA_OWNER), &k);
    assert_int_equal(row_put(&d, NULL), 0);
    assert_int_equal(txn_commit(t, NULL), 0);
    *state = &w;
    return 0;
}

static int teardown(void **state)
{
    world_release(*state);
    return 0;
}

static struct set_value value_of(const struct sa_column *c, const struct cellv *v)
{
    struct set_value x = {.type = SET_INT32, .number = v->number};

    if (c->syntax == SA_UNSIGNED)
        x.type = SET_UNSIGNED32;
    if (v->text) {
        x.type = SET_OCTETS;
        x.bytes = (struct slice){(const uint8_t *)v->text, strlen(v->text)};
    }
    return x;
}

static int add(struct set *x, const struct sa_table *table, const struct key *k,
               const struct cellv *v, struct err *e)
{
    struct set_value value = value_of(sa_column_by_number(table, v->column), v);
    struct slice key = key_slice(k);
    uint32_t subids[128];
    size_t n = view_oid(table, v->column, &key, subids, 128);

    return set_add(x, (int)v->column, subids, n, &value, e);
}

/* As the core writes a row of the file: RowStatus is not named for a row that is kept. */
static void file_says(struct store *s, const char *name, enum sa_storage storage,
                      const struct cellv *cells, size_t n)
{
    const struct sa_table *table = sa_table_by_id(T_DEF);
    struct set *x = set_new(s, SET_XML);
    struct key k = key_of_names("alice", name);
    struct cellv go = N(DEFINITION_STATUS, ROW_CREATE_AND_GO);
    struct txn *t = txn_begin(s, TXN_READ);
    struct row r;
    struct err e = {.text = ""};
    bool kept = !row_get(t, table, &k, &r) &&
                row_int(&r, DEFINITION_STORAGE) == STORAGE_PERMANENT &&
                storage == STORAGE_PERMANENT;
    int tag;

    txn_abort(t);
    set_whole_rows(x);
    set_storage(x, storage);
    if (kept)
        assert_int_equal(set_add_row(x, 0, table, &k, &e), 0);
    else
        assert_int_equal(add(x, table, &k, &go, &e), 0);
    for (size_t i = 0; i < n; i++)
        assert_int_equal(add(x, table, &k, &cells[i], &e), 0);
    if (set_commit(x, &tag, &e))
        fail_msg("%s", e.text);
    set_free(x);
}
#define FILE_SAYS(s, name, storage, ...)                                                           \
    do {                                                                                           \
        const struct cellv cells_[] = {__VA_ARGS__};                                               \
        file_says(s, name, storage, cells_, sizeof cells_ / sizeof *cells_);                       \
    } while (0)

static int manager_sets(struct store *s, unsigned table_id, const struct key *k,
                        const struct cellv *cells, size_t n, struct err *e)
{
    struct set *x = set_new(s, SET_SNMP);
    int tag, rc = 0;

    for (size_t i = 0; i < n && !rc; i++)
        rc = add(x, sa_table_by_id(table_id), k, &cells[i], e);
    if (!rc)
        rc = set_check(x, &tag, e);
    if (!rc)
        rc = set_commit(x, &tag, e);
    set_free(x);
    return rc;
}

static int manager(struct store *s, const char *name, const struct cellv *cells, size_t n)
{
    struct err e = {.text = ""};
    struct key k = key_of_names("alice", name);

    return manager_sets(s, T_DEF, &k, cells, n, &e);
}
#define MANAGER(s, name, ...)                                                                      \
    manager(s, name, (const struct cellv[]){__VA_ARGS__},                                          \
            sizeof((const struct cellv[]){__VA_ARGS__}) / sizeof(struct cellv))

static int64_t number(struct store *s, const char *name, unsigned column)
{
    struct key k = key_of_names("alice", name);
    struct txn *t = txn_begin(s, TXN_READ);
    struct row r;
    int64_t v;

    assert_int_equal(row_get(t, sa_table_by_id(T_DEF), &k, &r), 0);
    v = row_int(&r, column);
    txn_abort(t);
    return v;
}

static const char *text(struct store *s, const char *name, unsigned column)
{
    static char buf[2048];
    struct key k = key_of_names("alice", name);
    struct txn *t = txn_begin(s, TXN_READ);
    struct row r;

    assert_int_equal(row_get(t, sa_table_by_id(T_DEF), &k, &r), 0);
    row_str(&r, column, buf, sizeof buf);
    txn_abort(t);
    return buf;
}

static void an_override_outlives_the_file(void **state)
{
    struct store *s = ((struct world *)*state)->store;

    FILE_SAYS(s, "d", STORAGE_PERMANENT, T(DEFINITION_CONDITION, "1"),
              T(DEFINITION_DESCRIPTION, "old"), N(DEFINITION_INTERVAL, 5000));
    assert_int_equal(MANAGER(s, "d", T(DEFINITION_CONDITION, "2")), 0);
    FILE_SAYS(s, "d", STORAGE_PERMANENT, T(DEFINITION_CONDITION, "3"),
              T(DEFINITION_DESCRIPTION, "new"), N(DEFINITION_SEVERITY, LEVEL_INFO));
    assert_string_equal(text(s, "d", DEFINITION_CONDITION), "2"); /* the manager's */
    assert_string_equal(text(s, "d", DEFINITION_DESCRIPTION), "new");
    assert_int_equal(number(s, "d", DEFINITION_SEVERITY), LEVEL_INFO);
    assert_int_equal(number(s, "d", DEFINITION_INTERVAL), 60000); /* taken out of the file */
}

static void a_revert_is_what_the_file_says_now(void **state)
{
    struct store *s = ((struct world *)*state)->store;

    FILE_SAYS(s, "d", STORAGE_PERMANENT, T(DEFINITION_CONDITION, "1"));
    assert_int_equal(MANAGER(s, "d", T(DEFINITION_CONDITION, "2"), N(DEFINITION_INTERVAL, 7000),
                             N(DEFINITION_STATUS, ROW_NOT_IN_SERVICE)),
                     0);
    FILE_SAYS(s, "d", STORAGE_PERMANENT, T(DEFINITION_CONDITION, "3"));
    assert_int_equal(number(s, "d", DEFINITION_STATUS), ROW_NOT_IN_SERVICE);
    assert_int_equal(MANAGER(s, "d", N(DEFINITION_REVERT, TRIGGER_IDLE)), 0);
    assert_string_equal(text(s, "d", DEFINITION_CONDITION), "2");
    assert_int_equal(MANAGER(s, "d", N(DEFINITION_REVERT, TRIGGER_RUN)), 0);
    assert_string_equal(text(s, "d", DEFINITION_CONDITION), "3");
    assert_int_equal(number(s, "d", DEFINITION_INTERVAL), 60000);
    assert_int_equal(number(s, "d", DEFINITION_STATUS), ROW_ACTIVE);
    assert_int_equal(number(s, "d", DEFINITION_STORAGE), STORAGE_PERMANENT);
    FILE_SAYS(s, "d", STORAGE_PERMANENT, T(DEFINITION_CONDITION, "4"));
    assert_string_equal(text(s, "d", DEFINITION_CONDITION), "4"); /* no override any more */
}

/* Whatever the order of the varbinds is. */
static void what_else_a_set_names_is_laid_over_the_revert(void **state)
{
    struct store *s = ((struct world *)*state)->store;

    FILE_SAYS(s, "d", STORAGE_PERMANENT, T(DEFINITION_CONDITION, "1"));
    assert_int_equal(
        MANAGER(s, "d", T(DEFINITION_DESCRIPTION, "mine"), T(DEFINITION_CONDITION, "2")), 0);
    assert_int_equal(MANAGER(s, "d", T(DEFINITION_DESCRIPTION, "still mine"),
                             N(DEFINITION_REVERT, TRIGGER_RUN),
                             N(DEFINITION_STATUS, ROW_NOT_IN_SERVICE)),
                     0);
    assert_string_equal(text(s, "d", DEFINITION_CONDITION), "1");
    assert_string_equal(text(s, "d", DEFINITION_DESCRIPTION), "still mine");
    assert_int_equal(number(s, "d", DEFINITION_STATUS), ROW_NOT_IN_SERVICE);
}

static void only_rows_of_the_file_go_back(void **state)
{
    struct store *s = ((struct world *)*state)->store;
    struct err e = {.text = ""};
    struct key k = key_of_names("alice", "own");
    const struct cellv run = N(DEFINITION_REVERT, TRIGGER_RUN);

    assert_int_equal(
        MANAGER(s, "own", T(DEFINITION_CONDITION, "1"), N(DEFINITION_STATUS, ROW_CREATE_AND_GO)),
        0);
    assert_int_equal(manager_sets(s, T_DEF, &k, &run, 1, &e), ERR_INCONSISTENT_VALUE);
    assert_string_equal(e.text, "saDefinitionRevert.\"alice\".\"own\": the row is not of the "
                                "configuration file: there is nothing to go back to");
    assert_int_equal(MANAGER(s, "none", N(DEFINITION_REVERT, TRIGGER_RUN)), ERR_INCONSISTENT_VALUE);
    FILE_SAYS(s, "fixed", STORAGE_READ_ONLY, T(DEFINITION_CONDITION, "1"));
    assert_int_equal(MANAGER(s, "fixed", N(DEFINITION_REVERT, TRIGGER_RUN)), 0);
    assert_string_equal(text(s, "fixed", DEFINITION_CONDITION), "1");
    assert_int_equal(number(s, "fixed", DEFINITION_STORAGE), STORAGE_READ_ONLY);
}

/* A row that may not be overridden any more is the file's, whole. */
static void no_override_any_more_is_as_the_file_says(void **state)
{
    struct store *s = ((struct world *)*state)->store;
    struct slice file;
    struct txn *t;
    struct row r;
    struct key k = key_of_names("alice", "d");

    FILE_SAYS(s, "d", STORAGE_PERMANENT, T(DEFINITION_CONDITION, "1"));
    assert_int_equal(
        MANAGER(s, "d", T(DEFINITION_CONDITION, "2"), N(DEFINITION_STATUS, ROW_NOT_IN_SERVICE)), 0);
    FILE_SAYS(s, "d", STORAGE_READ_ONLY, T(DEFINITION_CONDITION, "1"));
    assert_string_equal(text(s, "d", DEFINITION_CONDITION), "1");
    assert_int_equal(number(s, "d", DEFINITION_STATUS), ROW_ACTIVE);
    t = txn_begin(s, TXN_READ);
    assert_int_equal(row_get(t, sa_table_by_id(T_DEF), &k, &r), 0);
    assert_false(row_file_text(&r, DEFINITION_CONDITION, &file));
    txn_abort(t);
}

/* The ring tells what a revert changed, and nothing when it changed nothing. */
static void the_ring_tells_what_went_back(void **state)
{
    struct store *s = ((struct world *)*state)->store;
    struct change ch;
    struct txn *t;
    uint64_t seq = 0;

    FILE_SAYS(s, "d", STORAGE_PERMANENT, T(DEFINITION_CONDITION, "1"));
    assert_int_equal(MANAGER(s, "d", T(DEFINITION_CONDITION, "2")), 0);
    assert_int_equal(MANAGER(s, "d", N(DEFINITION_REVERT, TRIGGER_RUN)), 0);
    assert_int_equal(MANAGER(s, "d", N(DEFINITION_REVERT, TRIGGER_RUN)), 0);
    t = txn_begin(s, TXN_READ);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(changes_next(t, seq, &ch), 0);
        seq = ch.seq;
    }
    assert_int_equal(ch.op, CHANGE_UPDATED);
    assert_int_equal(ch.columns[0], UINT32_C(1) << DEFINITION_CONDITION);
    assert_int_equal(changes_next(t, seq, &ch), ERR_NOTFOUND);
    txn_abort(t);
}

/* A handler's property has no RowStatus, and is the file's always. */
static void a_property_goes_back(void **state)
{
    struct store *s = ((struct world *)*state)->store;
    const struct sa_table *table = sa_table_by_id(SA_HANDLER_PROPERTY);
    const struct cellv other = T(HANDLER_PROPERTY_VALUE, "mail2.example.net");
    const struct cellv run = N(HANDLER_PROPERTY_REVERT, TRIGGER_RUN);
    struct key k = key_of_names("alice", "mail");
    struct err e = {.text = ""};
    struct slice file;
    struct row r;
    struct edit d;
    struct txn *t = txn_begin(s, TXN_WRITE);
    char value[64];

    key_str(&k, "host");
    edit_begin(&d, t, table, &k);
    edit_str(&d, HANDLER_PROPERTY_VALUE, "mail.example.net");
    edit_file_text(&d, HANDLER_PROPERTY_VALUE, "mail.example.net", 16);
    assert_int_equal(row_put(&d, &e), 0);
    assert_int_equal(txn_commit(t, NULL), 0);
    assert_int_equal(manager_sets(s, SA_HANDLER_PROPERTY, &k, &other, 1, &e), 0);
    t = txn_begin(s, TXN_READ);
    assert_int_equal(row_get(t, table, &k, &r), 0);
    assert_string_equal(row_str(&r, HANDLER_PROPERTY_VALUE, value, sizeof value),
                        "mail2.example.net");
    assert_true(row_file_text(&r, HANDLER_PROPERTY_VALUE, &file));
    assert_memory_equal(file.data, "mail.example.net", 16);
    txn_abort(t);
    assert_int_equal(manager_sets(s, SA_HANDLER_PROPERTY, &k, &run, 1, &e), 0);
    t = txn_begin(s, TXN_READ);
    assert_int_equal(row_get(t, table, &k, &r), 0);
    assert_string_equal(row_str(&r, HANDLER_PROPERTY_VALUE, value, sizeof value),
                        "mail.example.net");
    txn_abort(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(an_override_outlives_the_file, setup, teardown),
        cmocka_unit_test_setup_teardown(a_revert_is_what_the_file_says_now, setup, teardown),
        cmocka_unit_test_setup_teardown(what_else_a_set_names_is_laid_over_the_revert, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(only_rows_of_the_file_go_back, setup, teardown),
        cmocka_unit_test_setup_teardown(no_override_any_more_is_as_the_file_says, setup, teardown),
        cmocka_unit_test_setup_teardown(the_ring_tells_what_went_back, setup, teardown),
        cmocka_unit_test_setup_teardown(a_property_goes_back, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
