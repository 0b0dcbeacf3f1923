/* The schema: what lookups find, that its data hold together, and that no number ever changes. */
#include "mibs/schema.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

enum { ROOT_MAX = 12, OID_MAX = 128, LINE_LEN = 128 };

typedef void (*column_check)(const struct sa_table *t, const struct sa_column *c);

static void each_column(column_check check)
{
    for (size_t i = 0; i < sa_ntables; i++) {
        for (size_t j = 0; j < sa_tables[i]->ncolumns; j++)
            check(sa_tables[i], &sa_tables[i]->columns[j]);
    }
}

static bool is_text(enum sa_syntax s)
{
    return s == SA_TEXT || s == SA_NAME || s == SA_NAME_OR_EMPTY || s == SA_OCTETS;
}

/* ---- lookups --------------------------------------------------------------------------------- */

static void tables_are_found_by_id(void **state)
{
    size_t found = 0;

    (void)state;
    for (unsigned id = 0; id <= 1000; id++) {
        const struct sa_table *t = sa_table_by_id(id);

        if (t) {
            assert_int_equal(t->id, id);
            assert_ptr_equal(t, sa_tables[found]); /* ascending, none left out */
            found++;
        }
    }
    assert_int_equal(found, sa_ntables);
    assert_null(sa_table_by_id(0));
    assert_null(sa_table_by_id(~0U));
    assert_string_equal(sa_table_by_id(SA_NOTICE)->name, "saNoticeTable");
}

static void tables_are_found_by_xml_name(void **state)
{
    static const struct {
        const char *xml;
        unsigned id;
    } cases[] = {
        {"definition", SA_DEFINITION},
        {"script", SA_SCRIPT},
        {"scriptText", SA_SCRIPT_TEXT},
        {"group", SA_GROUP},
        {"groupDefinition", SA_GROUP_DEFINITION},
        {"groupTarget", SA_GROUP_TARGET},
        {"target", SA_TARGET},
        {"targetProperty", SA_TARGET_PROPERTY},
    };
    size_t named = 0;

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        assert_int_equal(sa_table_by_xml(cases[i].xml)->id, cases[i].id);
    for (size_t i = 0; i < sa_ntables; i++)
        named += sa_tables[i]->xml != NULL;
    assert_int_equal(named, sizeof(cases) / sizeof(cases[0]));
    assert_null(sa_table_by_xml("Definition"));
    assert_null(sa_table_by_xml("definitions"));
    assert_null(sa_table_by_xml(""));
    assert_null(sa_table_by_xml(NULL));
}

static void column_is_found(const struct sa_table *t, const struct sa_column *c)
{
    assert_ptr_equal(sa_column_by_number(t, c->number), c);
    if (c->xml)
        assert_ptr_equal(sa_column_by_xml(t, c->xml), c);
}

static void columns_are_found(void **state)
{
    const struct sa_table *t = sa_table_by_id(SA_DEFINITION);

    (void)state;
    each_column(column_is_found);
    assert_string_equal(sa_column_by_number(t, DEFINITION_SEVERITY)->name, "saDefinitionSeverity");
    assert_int_equal(sa_column_by_xml(t, "timeThresholdMillis")->number, DEFINITION_TIME_THRESHOLD);
    assert_null(sa_column_by_number(t, 0));
    assert_null(sa_column_by_number(t, 100));
    assert_null(sa_column_by_number(t, 256 + DEFINITION_SEVERITY));
    assert_null(sa_column_by_xml(t, "nothing"));
    assert_null(sa_column_by_xml(t, NULL));
}

static void names_and_values_translate(void **state)
{
    const struct sa_column *level = sa_column_by_number(sa_table_by_id(SA_ALERT), ALERT_LEVEL);

    (void)state;
    assert_string_equal(sa_name_of(level->names, LEVEL_CRITICAL), "critical");
    assert_int_equal(sa_value_of(level->names, "critical"), LEVEL_CRITICAL);
    assert_null(sa_name_of(level->names, 0));
    assert_null(sa_name_of(level->names, 6));
    assert_null(sa_name_of(NULL, 1));
    assert_int_equal(sa_value_of(level->names, "Critical"), -1);
    assert_int_equal(sa_value_of(NULL, "critical"), -1);
}

static void notifications_are_found(void **state)
{
    (void)state;
    for (size_t i = 0; i < sa_nnotifications; i++)
        assert_ptr_equal(sa_notification_by_number(sa_notifications[i].number),
                         &sa_notifications[i]);
    assert_string_equal(sa_notification_by_number(SA_TEST)->name, "saTest");
    assert_null(sa_notification_by_number(0));
    assert_null(sa_notification_by_number(4));
}

/* ---- the data -------------------------------------------------------------------------------- */

static void sentence_is_sane(const char *help)
{
    size_t n = strlen(help);

    assert_in_range(n, 5, 255);
    assert_int_equal(help[n - 1], '.');
    assert_null(strpbrk(help, "\"\\\n")); /* they would not fit a DESCRIPTION */
}

static void names_are_sane(const struct sa_column *c)
{
    size_t n = 0;

    if (!c->names)
        return;
    for (; c->names[n].name; n++) {
        assert_ptr_equal(sa_name_of(c->names, c->names[n].value), c->names[n].name);
        assert_int_equal(sa_value_of(c->names, c->names[n].name), c->names[n].value);
        if (c->syntax != SA_BITS)
            assert_in_range(c->names[n].value, c->min, c->max);
        if (n > 0)
            assert_true(c->names[n].value > c->names[n - 1].value);
    }
    assert_true(n >= 2);
}

static void column_is_sane(const struct sa_table *t, const struct sa_column *c)
{
    assert_true(c->number >= 1);
    assert_true(c == t->columns || c->number > c[-1].number);
    assert_int_equal(c->number >= 200, c->access == SA_HIDDEN);
    assert_int_equal(strncmp(c->name, "sa", 2), 0);
    assert_true(c->min <= c->max);
    sentence_is_sane(c->help);
    names_are_sane(c);
    if (is_text(c->syntax)) {
        assert_true(c->min >= 0 && c->max <= (c->access == SA_HIDDEN ? 16384 : SA_CELL_MAX));
        assert_true(!c->def_text || strlen(c->def_text) <= (size_t)c->max);
        assert_int_equal(c->def, 0);
    } else {
        assert_null(c->def_text);
        if (sa_index_part(t, c) < 0)
            assert_true(c->def >= c->min && c->def <= c->max);
    }
    if (c->syntax == SA_NAME)
        assert_true(c->min == 1 && c->max == 32);
    if (c->syntax == SA_NAME_OR_EMPTY)
        assert_true(c->min == 0 && c->max == 32);
    if (c->syntax == SA_UNSIGNED || c->syntax == SA_GAUGE || c->syntax == SA_COUNTER)
        assert_true(c->min >= 0 && c->max <= UINT32_MAX);
    if (c->syntax == SA_INTEGER && c->access != SA_HIDDEN)
        assert_true(c->min >= INT32_MIN && c->max <= INT32_MAX);
    assert_int_equal(c->names != NULL, c->syntax == SA_ENUM || c->syntax == SA_TRUTH ||
                                           c->syntax == SA_ROW_STATUS ||
                                           c->syntax == SA_STORAGE_TYPE || c->syntax == SA_BITS);
}

static void columns_are_sane(void **state)
{
    (void)state;
    each_column(column_is_sane);
}

/* Where a cell is kept follows from where its row is. What a manager writes is durable, but a
 * trigger only leaves a mark in the changes ring. */
static void column_is_kept(const struct sa_table *t, const struct sa_column *c)
{
    bool index = c->access == SA_NOT_ACCESSIBLE || c->access == SA_NOTIFY;

    if (t->keep == SA_VOLATILE)
        assert_true(c->keep != SA_DURABLE);
    if (c->access == SA_READ_CREATE || c->access == SA_READ_WRITE)
        assert_int_equal(c->keep, sa_value_of(c->names, "run") > 0 ? SA_COMPUTED : SA_DURABLE);
    if (c->xml)
        assert_int_equal(c->access, SA_READ_CREATE);
    assert_int_equal(sa_index_part(t, c) >= 0, index);
    if (index)
        assert_int_equal(c->keep, SA_COMPUTED);
    if (c->required || c->frozen)
        assert_int_equal(c->access, SA_READ_CREATE);
}

static void columns_are_kept_where_they_can_be(void **state)
{
    (void)state;
    each_column(column_is_kept);
}

/* All but commands, which are not of the file and go by themselves. */
static void writable_tables_have_status_and_storage(void **state)
{
    (void)state;
    for (size_t i = 0; i < sa_ntables; i++) {
        const struct sa_table *t = sa_tables[i];
        const struct sa_column *status = sa_column_by_number(t, t->row_status);
        const struct sa_column *storage = sa_column_by_number(t, t->storage_type);

        if (t->xml) /* a trial is a manager's alone */
            assert_int_not_equal(t->row_status, 0);
        assert_int_equal(t->row_status != 0, t->storage_type != 0 || t->id == SA_RAISE);
        if (t->row_status)
            assert_int_equal(status->syntax, SA_ROW_STATUS);
        if (t->storage_type) {
            assert_int_equal(storage->syntax, SA_STORAGE_TYPE);
            assert_int_equal(storage->def, STORAGE_NON_VOLATILE);
        }
        sentence_is_sane(t->help);
    }
}

/* The object that an index part names: a column of some table with the same syntax and range. */
static const struct sa_column *index_object(const char *name)
{
    for (size_t i = 0; i < sa_ntables; i++) {
        for (size_t j = 0; j < sa_tables[i]->ncolumns; j++) {
            if (strcmp(sa_tables[i]->columns[j].name, name) == 0)
                return &sa_tables[i]->columns[j];
        }
    }
    return NULL;
}

static void index_parts_are_columns(void **state)
{
    (void)state;
    for (size_t i = 0; i < sa_ntables; i++) {
        const struct sa_table *t = sa_tables[i];

        assert_in_range(t->nindex, 1, SA_INDEX_MAX);
        for (size_t j = 0; j < t->nindex && !t->scalars; j++) {
            const struct sa_column *c = index_object(t->index[j].name);

            assert_non_null(c);
            assert_int_equal(c->syntax, t->index[j].syntax);
            assert_int_equal(c->min, t->index[j].min);
            assert_int_equal(c->max, t->index[j].max);
            assert_non_null(t->index[j].xml);
        }
        if (!t->scalars && t->id != SA_PROCESS)
            assert_string_equal(t->index[0].name, "saOwner");
    }
}

static size_t longest_index(const struct sa_table *t)
{
    size_t n = 0;

    for (size_t i = 0; i < t->nindex; i++)
        n += t->index[i].syntax == SA_NAME ? 1 + (size_t)t->index[i].max : 1;
    return n;
}

/* Root, objects, table, entry, column, index: SNMP has room for 128, and a key for 496 octets. */
static void longest_index_fits(void **state)
{
    (void)state;
    assert_in_range(sa_root_len, 2, ROOT_MAX);
    for (size_t i = 0; i < sa_ntables; i++) {
        size_t n = longest_index(sa_tables[i]);

        assert_true(ROOT_MAX + 4 + n <= OID_MAX);
        assert_true(4 * n <= SA_KEY_MAX);
    }
}

static void notification_objects_exist(void **state)
{
    static const unsigned table_of[] = {
        [ROW_OF_OWNER] = SA_OWNER,   [ROW_OF_DEFINITION] = SA_DEFINITION, [ROW_OF_ALERT] = SA_ALERT,
        [ROW_OF_NOTICE] = SA_NOTICE, [ROW_OF_HANDLER] = SA_HANDLER,
    };

    (void)state;
    for (size_t i = 0; i < sa_nnotifications; i++) {
        const struct sa_notification_type *n = &sa_notifications[i];

        sentence_is_sane(n->help);
        for (size_t j = 0; j < n->nobjects; j++) {
            const struct sa_object *o = &n->objects[j];
            const struct sa_column *c = sa_column_by_number(sa_table_by_id(o->table), o->column);

            assert_non_null(c);
            assert_true(c->access != SA_HIDDEN && c->access != SA_NOT_ACCESSIBLE);
            assert_int_equal(o->table, table_of[o->row]);
        }
    }
}

/* ---- numbers that were given ----------------------------------------------------------------- */

enum { LINES_MAX = 2000 };

struct lines {
    char text[LINES_MAX][LINE_LEN];
    size_t n;
};

static void add_line(struct lines *l, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static void add_line(struct lines *l, const char *fmt, ...)
{
    va_list ap;

    assert_true(l->n < LINES_MAX);
    va_start(ap, fmt);
    assert_in_range(vsnprintf(l->text[l->n++], LINE_LEN, fmt, ap), 1, LINE_LEN - 1);
    va_end(ap);
}

/* What numbers.txt should say. */
static void all_numbers(struct lines *ret)
{
    ret->n = 0;
    for (size_t i = 0; i < sa_nnotifications; i++)
        add_line(ret, "0.%u %s", sa_notifications[i].number, sa_notifications[i].name);
    for (size_t i = 0; i < sa_ntables; i++) {
        const struct sa_table *t = sa_tables[i];

        add_line(ret, "%u %s", t->id, t->name);
        for (size_t j = 0; j < t->ncolumns; j++)
            add_line(ret, "%u.%u %s", t->id, t->columns[j].number, t->columns[j].name);
    }
}

static void add_values(struct lines *l, const struct sa_column *c)
{
    for (const struct sa_name *v = c->names; v->name; v++)
        add_line(l, "%s %d %s", c->name, (int)v->value, v->name);
}

/* What values.txt should say. */
static void all_values(struct lines *ret)
{
    ret->n = 0;
    for (size_t i = 0; i < sa_ntables; i++) {
        for (size_t j = 0; j < sa_tables[i]->ncolumns; j++) {
            const struct sa_column *c = &sa_tables[i]->columns[j];

            if (c->syntax == SA_ENUM || c->syntax == SA_BITS)
                add_values(ret, c);
        }
    }
}

/* The file's lines but for comments. */
static void read_lines(const char *name, struct lines *ret)
{
    const char *top = getenv("top_srcdir");
    char path[4096], line[LINE_LEN];
    FILE *f;

    snprintf(path, sizeof(path), "%s/mibs/%s", top ? top : ".", name);
    f = fopen(path, "re");
    assert_non_null(f);
    ret->n = 0;
    while (fgets(line, sizeof(line), f)) {
        line[strcspn(line, "\n")] = '\0';
        if (line[0] != '#')
            add_line(ret, "%s", line);
    }
    fclose(f);
}

/* The first line in which they differ, or SIZE_MAX. */
static size_t first_difference(const struct lines *a, const struct lines *b)
{
    for (size_t i = 0; i < a->n || i < b->n; i++) {
        if (i >= a->n || i >= b->n || strcmp(a->text[i], b->text[i]) != 0)
            return i;
    }
    return SIZE_MAX;
}

static void file_agrees(const char *name, void (*all)(struct lines *ret))
{
    static struct lines ours, theirs;
    size_t at;

    all(&ours);
    read_lines(name, &theirs);
    at = first_difference(&theirs, &ours);
    if (at != SIZE_MAX)
        fail_msg("%s says '%s' where the schema says '%s'", name,
                 at < theirs.n ? theirs.text[at] : "(no more)",
                 at < ours.n ? ours.text[at] : "(no more)");
}

static void numbers_never_change(void **state)
{
    (void)state;
    file_agrees("numbers.txt", all_numbers);
}

static void values_never_change(void **state)
{
    (void)state;
    file_agrees("values.txt", all_values);
}

static void drop_line(struct lines *l, size_t at)
{
    memmove(l->text[at], l->text[at + 1], (--l->n - at) * LINE_LEN);
}

/* Each line that vanished, has another number, or whose number has another name is noticed. */
static void each_change_is_noticed(const char *name)
{
    static struct lines whole, changed;

    read_lines(name, &whole);
    assert_true(whole.n > 50);
    for (size_t i = 0; i < whole.n; i++) {
        char *digit, *end;

        changed = whole;
        assert_int_equal(first_difference(&whole, &changed), SIZE_MAX);
        drop_line(&changed, i);
        assert_int_equal(first_difference(&whole, &changed), i);
        changed = whole;
        digit = changed.text[i] + strcspn(changed.text[i], "0123456789");
        assert_true(*digit);
        *digit = *digit == '9' ? '8' : (char)(*digit + 1);
        assert_int_equal(first_difference(&whole, &changed), i);
        changed = whole;
        end = changed.text[i] + strlen(changed.text[i]) - 1;
        *end = *end == 'x' ? 'y' : 'x';
        assert_int_equal(first_difference(&whole, &changed), i);
    }
}

static void changed_numbers_are_noticed(void **state)
{
    (void)state;
    each_change_is_noticed("numbers.txt");
    each_change_is_noticed("values.txt");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tables_are_found_by_id),
        cmocka_unit_test(tables_are_found_by_xml_name),
        cmocka_unit_test(columns_are_found),
        cmocka_unit_test(names_and_values_translate),
        cmocka_unit_test(notifications_are_found),
        cmocka_unit_test(columns_are_sane),
        cmocka_unit_test(columns_are_kept_where_they_can_be),
        cmocka_unit_test(writable_tables_have_status_and_storage),
        cmocka_unit_test(index_parts_are_columns),
        cmocka_unit_test(longest_index_fits),
        cmocka_unit_test(notification_objects_exist),
        cmocka_unit_test(numbers_never_change),
        cmocka_unit_test(values_never_change),
        cmocka_unit_test(changed_numbers_are_noticed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
