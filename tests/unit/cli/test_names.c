#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cli/names.h"

static void every_table_and_column_is_found_by_its_names(void **state)
{
    (void)state;
    for (size_t i = 0; i < sa_ntables; i++) {
        const struct sa_table *t = sa_tables[i], *found;
        char name[SHORT_NAME_MAX];

        table_short(t, name);
        assert_int_equal(table_find(&found, name, NULL), 0);
        assert_ptr_equal(found, t);
        assert_int_equal(table_find(&found, t->name, NULL), 0);
        assert_ptr_equal(found, t);
        for (size_t k = 0; k < t->ncolumns; k++) {
            const struct sa_column *c;

            if (t->columns[k].access == SA_HIDDEN)
                continue;
            column_short(t, &t->columns[k], name);
            assert_int_equal(column_find(&c, t, name, strlen(name), NULL), 0);
            assert_ptr_equal(c, &t->columns[k]);
        }
    }
}

static void tables_have_plurals_and_no_case(void **state)
{
    static const struct {
        const char *name;
        unsigned id;
    } names[] = {{"alerts", SA_ALERT},
                 {"ALERT", SA_ALERT},
                 {"saalerttable", SA_ALERT},
                 {"processes", SA_PROCESS},
                 {"targetProperties", SA_TARGET_PROPERTY},
                 {"histories", SA_HISTORY},
                 {"system", SA_SYSTEM}};

    (void)state;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        const struct sa_table *t = NULL;

        assert_int_equal(table_find(&t, names[i].name, NULL), 0);
        assert_int_equal(t->id, names[i].id);
    }
}

static void typos_get_a_suggestion(void **state)
{
    const struct sa_table *t;
    const struct sa_column *c;
    struct err e;

    (void)state;
    assert_int_equal(table_find(&t, "defintion", &e), ERR_NOTFOUND);
    assert_string_equal(e.text, "there is no table 'defintion'; did you mean 'definition'?");
    assert_int_equal(column_find(&c, sa_table_by_id(SA_DEFINITION), "severty", 7, &e),
                     ERR_NOTFOUND);
    assert_non_null(strstr(e.text, "did you mean 'severity'?"));
    assert_int_equal(table_find(&t, "", &e), ERR_NOTFOUND);
}

static void an_index_survives_both_ways(void **state)
{
    static const char *const words[] = {"admin", "night", "h\303\266he"};
    const struct sa_table *t = sa_table_by_id(SA_GROUP_TARGET);
    struct objid o = {0}, shorter = {0};
    struct part parts[SA_INDEX_MAX];
    struct err e;

    (void)state;
    assert_int_equal(index_append(&o, t, words, 3, "other", &e), 0);
    assert_int_equal(o.n, 6 + 6 + 6);
    assert_int_equal(index_parse(parts, t, o.subids, o.n), 0);
    for (size_t i = 0; i < 3; i++)
        assert_string_equal(parts[i].name, words[i]);
    assert_int_equal(index_append(&shorter, t, words + 1, 2, "admin", &e), 0);
    assert_int_equal(objid_compare(&o, &shorter), 0);
}

static void wrong_indexes_are_refused(void **state)
{
    static const char *const number[] = {"admin", "5"}, *const sign[] = {"-5"},
                             *const large[] = {"4294967296"}, *const control[] = {"a\nb"};
    const struct sa_table *alert = sa_table_by_id(SA_ALERT), *target = sa_table_by_id(SA_TARGET);
    struct objid o = {0};
    struct err e;

    (void)state;
    assert_int_equal(index_append(&o, alert, number, 2, "admin", &e), 0);
    assert_true(index_append(&o, alert, sign, 1, "admin", &e) < 0);
    assert_true(index_append(&o, alert, large, 1, "admin", &e) < 0);
    assert_true(index_append(&o, target, control, 1, "admin", &e) < 0);
    assert_true(index_append(&o, target, number, 0, "admin", &e) < 0);
    assert_string_equal(e.text, "a row of target is named by [owner] name, not by 0 words");
    assert_true(index_append(&o, sa_table_by_id(SA_SYSTEM), number, 1, "admin", &e) < 0);
}

/* What an agent may answer that is none of ours. */
static void foreign_indexes_are_refused(void **state)
{
    static const struct {
        uint32_t subids[8];
        size_t n;
    } wrong[] = {
        {{0}, 0},         {{1, 'a'}, 2},         {{1, 'a', 2, 'b'}, 4},    {{1, 256, 1, 'b'}, 4},
        {{0, 1, 'b'}, 3}, {{4294967295u, 1}, 2}, {{1, 'a', 1, 'b', 7}, 5},
    };
    struct part parts[SA_INDEX_MAX];

    (void)state;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        assert_int_equal(index_parse(parts, sa_table_by_id(SA_TARGET), wrong[i].subids, wrong[i].n),
                         ERR_PROTOCOL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_table_and_column_is_found_by_its_names),
        cmocka_unit_test(tables_have_plurals_and_no_case),
        cmocka_unit_test(typos_get_a_suggestion),
        cmocka_unit_test(an_index_survives_both_ways),
        cmocka_unit_test(wrong_indexes_are_refused),
        cmocka_unit_test(foreign_indexes_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
