/* The small parts: columns, names, rows, schedule, secret files. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/secret.h"
#include "base/text.h"
#include "poll/columns.h"
#include "poll/names.h"
#include "poll/poll.h"
#include "poll/rows.h"
#include "poll/schedule.h"

/* ---- columns
 * ---------------------------------------------------------------------------------------*/

static const struct {
    const char *text;
    int err;
    size_t n;
} column_texts[] = {
    {"ifDescr=2", 0, 1},
    {"  ifDescr=2\n\t ifInOctets=10 ", 0, 2},
    {"a_b-C9=4294967295", 0, 1},
    {"", ERR_SYNTAX, 0},
    {"   ", ERR_SYNTAX, 0},
    {"ifDescr", ERR_SYNTAX, 0},
    {"ifDescr 2", ERR_SYNTAX, 0},
    {"ifDescr= 2", ERR_RANGE, 0},
    {"=2", ERR_RANGE, 0},
    {"2=ifDescr", ERR_SYNTAX, 0},
    {"_x=1", ERR_SYNTAX, 0},
    {"a.b=1", ERR_SYNTAX, 0},
    {"a\"b=1", ERR_SYNTAX, 0},
    {"gr\xc3\xbc=1", ERR_SYNTAX, 0},
    {"a=0", ERR_RANGE, 0},
    {"a=-1", ERR_RANGE, 0},
    {"a=+1", ERR_RANGE, 0},
    {"a=1x", ERR_RANGE, 0},
    {"a=1=2", ERR_RANGE, 0},
    {"a=4294967296", ERR_RANGE, 0},
    {"a=99999999999999999999999", ERR_RANGE, 0},
    {"a=1 a=2", ERR_EXISTS, 0},
    {"a=1 b=1", ERR_EXISTS, 0},
    {"a=1, b=2", ERR_RANGE, 0},
};

static void test_columns(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof column_texts / sizeof *column_texts; i++) {
        struct columns c;
        struct err e = {0};
        assert_int_equal(columns_parse(&c, column_texts[i].text, &e), column_texts[i].err);
        if (column_texts[i].err)
            assert_true(*e.text);
        else
            assert_int_equal(c.n, column_texts[i].n);
    }
}

static void test_columns_content(void **state)
{
    struct columns c;
    (void)state;
    assert_int_equal(columns_parse(&c, "ifDescr=2 ifInOctets=10", NULL), 0);
    assert_string_equal(c.items[0].name, "ifDescr");
    assert_int_equal(c.items[0].subid, 2);
    assert_string_equal(c.items[1].name, "ifInOctets");
    assert_int_equal(c.items[1].subid, 10);
}

static void test_columns_limits(void **state)
{
    char text[COLUMNS_MAX * 16] = "";
    char name[COLUMN_NAME_MAX + 8];
    struct columns c;
    (void)state;
    for (int i = 1; i <= COLUMNS_MAX; i++)
        snprintf(text + strlen(text), sizeof text - strlen(text), "c%d=%d ", i, i);
    assert_int_equal(columns_parse(&c, text, NULL), 0);
    assert_int_equal(c.n, COLUMNS_MAX);
    snprintf(text + strlen(text), sizeof text - strlen(text), "more=1000");
    assert_int_equal(columns_parse(&c, text, NULL), ERR_RANGE);
    memset(name, 'n', COLUMN_NAME_MAX + 1);
    memcpy(name + COLUMN_NAME_MAX, "=1", 3);
    assert_int_equal(columns_parse(&c, name, NULL), 0);
    memcpy(name + COLUMN_NAME_MAX, "n=1", 4);
    assert_int_equal(columns_parse(&c, name, NULL), ERR_RANGE);
}

/* ---- names
 * -----------------------------------------------------------------------------------------*/

static int gather(void *arg, const char *name)
{
    struct buf *all = arg;
    buf_printf(all, "%s ", name);
    return all->err;
}

static void check_missing(const char *before, const char *now, const char *expected)
{
    struct names a, b;
    char one[2] = "";
    struct buf all;
    buf_init(&all, 256);
    names_init(&a);
    names_init(&b);
    for (const char *p = before; *p; p++) {
        *one = *p;
        assert_int_equal(names_add(&a, one), 0);
    }
    for (const char *p = now; *p; p++) {
        *one = *p;
        assert_int_equal(names_add(&b, one), 0);
    }
    assert_int_equal(names_missing(&a, &b, gather, &all), 0);
    assert_string_equal(buf_cstr(&all), expected);
    buf_release(&all);
    names_release(&a);
    names_release(&b);
}

static void test_names(void **state)
{
    (void)state;
    check_missing("", "", "");
    check_missing("abc", "", "a b c ");
    check_missing("", "abc", "");
    check_missing("abc", "cab", "");
    check_missing("cba", "b", "a c ");
    check_missing("aceg", "bdfh", "a c e g ");
    check_missing("hgfa", "zyh", "a f g ");
}

static void test_names_limit(void **state)
{
    struct names n;
    char name[16];
    (void)state;
    names_init(&n);
    for (int i = 0; i <= POLL_TOPICS_MAX; i++) {
        snprintf(name, sizeof name, "%d", i);
        assert_int_equal(names_add(&n, name), 0);
    }
    assert_int_equal(names_add(&n, "more"), ERR_FULL);
    names_clear(&n);
    assert_int_equal(names_add(&n, "again"), 0);
    names_release(&n);
}

/* ---- rows
 * ------------------------------------------------------------------------------------------*/

static void add(struct polled_rows *r, size_t column, uint32_t first, uint32_t second,
                int64_t number)
{
    struct snmp_value v = {.type = SNMP_TYPE_INTEGER, .integer = number};
    uint32_t index[2] = {first, second};
    assert_int_equal(polled_rows_add(r, column, index, second ? 2 : 1, &v), 0);
}

/* Columns with holes come together by index, shorter before longer, numbers in number order. */
static void test_rows(void **state)
{
    struct polled_rows r;
    struct row row;
    size_t position[COLUMNS_MAX] = {0};
    char text[512] = "";
    (void)state;
    assert_int_equal(polled_rows_init(&r, 3, 1000), 0);
    add(&r, 0, 1, 0, 10);
    add(&r, 0, 2, 0, 20);
    add(&r, 0, 300, 0, 30);
    add(&r, 2, 1, 0, 11);
    add(&r, 2, 1, 7, 17);
    add(&r, 2, 255, 0, 25);
    add(&r, 2, 300, 0, 31);
    while (polled_rows_next(&r, position, &row)) {
        char index[64];
        assert_true(objid_text(row.index, row.n, index, sizeof index) > 0);
        snprintf(text + strlen(text), sizeof text - strlen(text), "%s:", index);
        for (size_t i = 0; i < 3; i++)
            snprintf(text + strlen(text), sizeof text - strlen(text), "%.*s,",
                     (int)row.cells[i].len, (const char *)row.cells[i].data);
        snprintf(text + strlen(text), sizeof text - strlen(text), " ");
    }
    assert_string_equal(text, "1:10,,11, 1.7:,,17, 2:20,,, 255:,,25, 300:30,,31, ");
    polled_rows_release(&r);
}

static void test_rows_limits(void **state)
{
    struct polled_rows r;
    struct snmp_value v = {.type = SNMP_TYPE_INTEGER, .integer = 1};
    (void)state;
    assert_int_equal(polled_rows_init(&r, 1, 5), 0);
    for (uint32_t i = 1; i <= 5; i++)
        assert_int_equal(polled_rows_add(&r, 0, &i, 1, &v), 0);
    assert_int_equal(polled_rows_add(&r, 0, &(uint32_t){6}, 1, &v), ERR_FULL);
    polled_rows_release(&r);
    assert_int_equal(polled_rows_init(&r, 1, 1 << 20), 0);
    for (uint32_t i = 1; i <= ROWS_MAX; i++)
        assert_int_equal(polled_rows_add(&r, 0, &i, 1, &v), 0);
    assert_int_equal(polled_rows_add(&r, 0, &(uint32_t){ROWS_MAX + 1}, 1, &v), ERR_FULL);
    polled_rows_release(&r);
}

/* ---- schedule
 * --------------------------------------------------------------------------------------*/

static void check_schedule(uint64_t spread, int64_t interval, int64_t now)
{
    struct schedule s;
    int64_t due = schedule_init(&s, spread, interval, now);
    assert_true(due >= now && due < now + SCHEDULE_FIRST_WITHIN_MS && due < now + interval);
    int64_t next = schedule_next(&s, due, due + 3);
    assert_true(next > due + 3 && next - due >= interval / 2);
    assert_true(next - due <= interval + interval / 2 + 4);
    for (int i = 0; i < 5; i++) { /* from then on exactly one interval apart */
        due = next;
        next = schedule_next(&s, due, due + interval / 3);
        assert_true(next - due == interval);
    }
}

static void test_schedule(void **state)
{
    static const int64_t intervals[] = {100, 999, 1000, 10000, 60000, 86400000};
    (void)state;
    for (size_t i = 0; i < sizeof intervals / sizeof *intervals; i++)
        for (uint64_t n = 0; n < 200; n++)
            check_schedule(hash64(&n, sizeof n, 1), intervals[i], 1000003 + (int64_t)n * 37);
    check_schedule(UINT64_MAX, 10000, 0);
    check_schedule(0, 10000, 0);
}

static void test_schedule_leaves_out_what_passed(void **state)
{
    struct schedule s = {.interval_ms = 1000, .phase_ms = 250};
    (void)state;
    assert_true(schedule_next(&s, 5250, 5251) == 6250);
    assert_true(schedule_next(&s, 5250, 6249) == 6250);
    assert_true(schedule_next(&s, 5250, 6250) == 7250); /* took a whole interval */
    assert_true(schedule_next(&s, 5250, 9999) == 10250);
    schedule_restart(&s, 10777);
    assert_true(schedule_next(&s, 10777, 10778) == 11777);
}

static void test_schedule_spreads(void **state)
{
    int per_second[10] = {0};
    (void)state;
    for (uint64_t n = 0; n < 1000; n++) {
        struct schedule s;
        int64_t due = schedule_init(&s, hash64(&n, sizeof n, 1), 10000, 0);
        int64_t next = schedule_next(&s, due, due);
        per_second[next / 1000 % 10]++;
    }
    for (int i = 0; i < 10; i++)
        assert_in_range(per_second[i], 60, 140);
}

/* ---- secrets
 * ---------------------------------------------------------------------------------------*/

static char folder[] = "/tmp/snmpalert-secret-XXXXXX";
static char path[sizeof folder + 16];

static void write_secret(const char *content, size_t len, mode_t mode)
{
    unlink(path); /* it may be read-only */
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    assert_int_equal(fwrite(content, 1, len, f), len);
    assert_int_equal(fclose(f), 0);
    assert_int_equal(chmod(path, mode), 0);
}

static int make_folder(void **state)
{
    (void)state;
    if (!mkdtemp(folder))
        return -1;
    snprintf(path, sizeof path, "%s/secret", folder);
    return 0;
}

static int remove_folder(void **state)
{
    (void)state;
    unlink(path);
    return rmdir(folder);
}

static const struct {
    const char *content;
    size_t len;
    mode_t mode;
    int err;
    const char *secret;
} secrets[] = {
    {"s3cret\n", 7, 0600, 0, "s3cret"},
    {"s3cret", 6, 0640, 0, "s3cret"},
    {"s3cret\r\nsecond\n", 15, 0400, 0, "s3cret"},
    {" blanks stay \n", 14, 0600, 0, " blanks stay "},
    {"s3cret\n", 7, 0604, ERR_DENIED, NULL},
    {"s3cret\n", 7, 0602, ERR_DENIED, NULL},
    {"", 0, 0600, ERR_INVALID, NULL},
    {"\n", 1, 0600, ERR_INVALID, NULL},
    {"a\0b\n", 4, 0600, ERR_INVALID, NULL},
};

static void test_secrets(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof secrets / sizeof *secrets; i++) {
        char got[SECRET_MAX + 1];
        struct err e = {0};
        write_secret(secrets[i].content, secrets[i].len, secrets[i].mode);
        assert_int_equal(secret_read(got, sizeof got, path, &e), secrets[i].err);
        if (secrets[i].err) {
            assert_non_null(strstr(e.text, path));
            assert_null(strstr(e.text, "s3cret"));
        } else {
            assert_string_equal(got, secrets[i].secret);
        }
    }
}

static void test_secret_files(void **state)
{
    char got[SECRET_MAX + 1], big[SECRET_MAX + 2];
    struct err e;
    (void)state;
    memset(big, 'x', sizeof big);
    write_secret(big, SECRET_MAX, 0600);
    assert_int_equal(secret_read(got, sizeof got, path, &e), 0);
    write_secret(big, SECRET_MAX + 1, 0600);
    assert_int_equal(secret_read(got, sizeof got, path, &e), ERR_RANGE);
    assert_int_equal(secret_read(got, sizeof got, folder, &e), ERR_INVALID);
    assert_int_equal(secret_read(got, sizeof got, "/nowhere/secret", &e), ERR_NOTFOUND);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_columns),
        cmocka_unit_test(test_columns_content),
        cmocka_unit_test(test_columns_limits),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_names_limit),
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_rows_limits),
        cmocka_unit_test(test_schedule),
        cmocka_unit_test(test_schedule_leaves_out_what_passed),
        cmocka_unit_test(test_schedule_spreads),
        cmocka_unit_test(test_secrets),
        cmocka_unit_test(test_secret_files),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
