/* Keys, cells and values: what is on disk is what store/FORMAT.md says, and bytes that are not are
 * seen. */
#include "tests/unit/store/fixture.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/cells.h"
#include "store/impl.h"
#include "store/value.h"

/* ---- keys ---------------------------------------------------------------------------------------
 */

static void keys_hold_their_parts(void **state)
{
    (void)state;
    struct key k = key_of_names("alice", "d\xc3\xa9");
    assert_true(key_u32(&k, 4000000000u));
    struct slice s = key_slice(&k);
    char name[33];
    uint32_t v;
    size_t pos = 0;
    assert_int_equal(k.len, 4 * (6 + 4 + 1));
    assert_true(key_read_name(&s, &pos, name));
    assert_string_equal(name, "alice");
    assert_true(key_read_name(&s, &pos, name));
    assert_string_equal(name, "d\xc3\xa9");
    assert_false(key_read_name(&s, &pos, name)); /* 4,000,000,000 is no length */
    assert_true(key_read_u32(&s, &pos, &v));
    assert_int_equal(v, 4000000000u);
    assert_false(key_read_u32(&s, &pos, &v));
    s.len -= 2;
    pos = s.len - 2;
    assert_false(key_read_u32(&s, &pos, &v));
}

static void keys_are_copied_and_read_as_names(void **state)
{
    (void)state;
    static const uint8_t too_long[SA_KEY_MAX + 1] = {0};
    struct key k = key_of_names("alice", "disk"), copy = key_copy(key_slice(&k));
    struct slice s = key_slice(&copy);
    char n[3][33];
    key_init(&k); /* the copy does not borrow */
    assert_false(key_read_names(&s, n, 1));
    assert_false(key_read_names(&s, n, 3));
    assert_true(key_read_names(&s, n, 2));
    assert_string_equal(n[0], "alice");
    assert_string_equal(n[1], "disk");
    assert_int_equal(key_copy((struct slice){too_long, SA_KEY_MAX}).len, SA_KEY_MAX);
    assert_int_equal(key_copy((struct slice){too_long, sizeof too_long}).len, 0);
}

static void keys_do_not_overflow(void **state)
{
    (void)state;
    static const uint32_t subids[125] = {0};
    char longest[125];
    struct key k;
    memset(longest, 'x', sizeof longest);
    assert_true(key_from_subids(&k, subids, 124));
    assert_int_equal(k.len, SA_KEY_MAX);
    assert_false(key_from_subids(&k, subids, 125));
    assert_int_equal(k.len, SA_KEY_MAX); /* cut */
    assert_false(key_u32(&k, 1));
    key_init(&k);
    assert_false(key_name(&k, longest, 124));
    assert_int_equal(k.len, 0);
    assert_true(key_name(&k, longest, 123));
    assert_int_equal(k.len, SA_KEY_MAX);
    assert_false(key_name(&k, "", 0));
}

static void subids_come_back(void **state)
{
    (void)state;
    static const uint32_t in[] = {1, 97, 256, 4294967295, 0};
    uint32_t out[5];
    struct key k;
    assert_true(key_from_subids(&k, in, 5));
    struct slice s = key_slice(&k);
    assert_int_equal(key_to_subids(&s, out, 5), 5);
    assert_memory_equal(in, out, sizeof in);
    assert_int_equal(key_to_subids(&s, out, 2), 2);
}

static void only_whole_indexes_are_valid(void **state)
{
    (void)state;
    static const struct {
        uint32_t ids[8];
        size_t n;
        bool thing, link, scalars;
    } cases[] = {
        {{1, 'a', 2, 'b', 'c'}, 5, true, false, false},
        {{1, 'a', 2, 'b', 'c', 1}, 6, false, true, false},
        {{1, 'a', 2, 'b', 'c', 0}, 6, false, false, false},
        {{1, 'a', 2, 'b', 'c', 17}, 6, false, false, false},
        {{1, 'a', 2, 'b'}, 4, false, false, false},
        {{1, 'a', 2, 'b', 256}, 5, false, false, false},
        {{1, 'a', 2, 'b', 0xff}, 5, false, false, false},
        {{0, 1, 'b'}, 3, false, false, false},
        {{0}, 1, false, false, true},
        {{1}, 1, false, false, false},
        {{0}, 0, false, false, false},
        {{0, 0}, 2, false, false, false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct key k;
        key_from_subids(&k, cases[i].ids, cases[i].n);
        struct slice s = key_slice(&k);
        assert_int_equal(key_valid(&thing_table, &s), cases[i].thing);
        assert_int_equal(key_valid(&link_table, &s), cases[i].link);
        assert_int_equal(key_valid(&scalars_table, &s), cases[i].scalars);
    }
}

/* ---- cells --------------------------------------------------------------------------------------
 */

static struct slice bytes(const char *p, size_t n)
{
    return (struct slice){(const uint8_t *)p, n};
}
#define BYTES(s) bytes(s, sizeof(s) - 1)

static void malformed_cells_are_seen(void **state)
{
    (void)state;
    struct slice cell;
    const struct {
        struct slice value;
        int want;
        bool two; /* is the cell with number 2 to be had? */
    } cases[] = {
        {{NULL, 0}, 0, false},
        {BYTES("\1"), 0, false},
        {BYTES("\1\2\0\1x"), 0, true},
        {BYTES("\1\2\0\0"), 0, true},
        {BYTES("\1\1\0\0\2\0\1x"), 0, true},
        {BYTES("\3\2\0\1x"), ERR_CORRUPT, false}, /* format */
        {BYTES("\2sum!\2\0\1x"), 0, true},
        {BYTES("\2sum!"), 0, false},
        {BYTES("\2sum"), ERR_CORRUPT, false},           /* truncated sum */
        {BYTES("\0"), ERR_CORRUPT, false},              /* format */
        {BYTES("\1\0\0\1x"), ERR_CORRUPT, false},       /* number 0 */
        {BYTES("\1\2"), ERR_CORRUPT, false},            /* truncated head */
        {BYTES("\1\2\0"), ERR_CORRUPT, false},          /* truncated head */
        {BYTES("\1\2\0\2x"), ERR_CORRUPT, false},       /* truncated cell */
        {BYTES("\1\2\xff\xffx"), ERR_CORRUPT, false},   /* length beyond */
        {BYTES("\1\2\0\1x\1\0\0"), ERR_CORRUPT, true},  /* unsorted behind it */
        {BYTES("\1\3\0\0\2\0\1x"), ERR_CORRUPT, false}, /* unsorted before it */
        {BYTES("\1\2\0\1x\2\0\1y"), ERR_CORRUPT, true}, /* twice */
        {BYTES("\1\2\0\1x\3"), ERR_CORRUPT, true},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        if (cells_check(cases[i].value) != cases[i].want)
            fail_msg("case %zu: not %d", i, cases[i].want);
        if (cells_find(cases[i].value, 2, &cell) != cases[i].two)
            fail_msg("case %zu: found, or not", i);
    }
}

/* Whatever the bytes, reading stays inside them (the sanitizer build watches) and ends. */
static void random_bytes_do_no_harm(void **state)
{
    (void)state;
    unsigned seed = 7;
    uint8_t raw[64];
    struct slice cell;
    for (int i = 0; i < 200000; i++) {
        size_t n = (size_t)rand_r(&seed) % sizeof raw;
        uint8_t *p = malloc(n + 1);
        for (size_t j = 0; j < n; j++)
            p[j] = (uint8_t)(rand_r(&seed) >> 8) & (j % 3 == 2 ? 7 : 0xff);
        if (n)
            p[0] = i % 2 ? ROW_PLAIN : ROW_SUMMED;
        p = realloc(p, n ? n : 1);
        struct slice value = {p, n};
        struct cells c;
        struct stored one;
        if (!cells_open(&c, value))
            while (cells_next(&c, &one) == 1)
                assert_true(one.bytes.data + one.bytes.len <= p + n);
        cells_find(value, 1 + (unsigned)rand_r(&seed) % 255, &cell);
        free(p);
    }
}

static void merging_keeps_what_it_does_not_know(void **state)
{
    (void)state;
    struct buf staged, ret;
    uint32_t changed[8];
    buf_init(&staged, 1000);
    buf_init(&ret, 1000);
    staged_put(&staged, 4, "old", 3);
    staged_put(&staged, 4, "new", 3);
    staged_clear(&staged, 2);
    staged_clear(&staged, 9);
    staged_put(&staged, 1, "", 0);
    staged_put(&staged, 255, "z", 1);
    staged_put(&staged, 3, "c", 1);
    assert_int_equal(cells_merge(BYTES("\1\2\0\1b\3\0\1c\x63\0\1?"), &staged, &ret, changed), 0);
    const struct slice want = BYTES("\1\1\0\0\3\0\1c\4\0\3new\x63\0\1?\xff\0\1z");
    assert_int_equal(ret.len, want.len);
    assert_memory_equal(ret.data, want.data, want.len);
    for (unsigned n = 0; n < 256; n++)
        assert_int_equal(bits_has(changed, n), n == 1 || n == 2 || n == 4 || n == 255);
    buf_clear(&ret);
    assert_int_equal(cells_merge(BYTES("\1\2\0\2b"), &staged, &ret, changed), ERR_CORRUPT);
    buf_release(&staged);
    buf_release(&ret);
}

static void numbers_take_what_they_need(void **state)
{
    (void)state;
    static const struct {
        int64_t v;
        size_t octets;
    } cases[] = {
        {0, 1},
        {1, 1},
        {127, 1},
        {128, 2},
        {-1, 1},
        {-128, 1},
        {-129, 2},
        {32767, 2},
        {32768, 3},
        {UINT32_MAX, 5},
        {1700000000000, 6},
        {INT64_MAX, 8},
        {INT64_MIN, 8},
        {INT64_MAX >> 8, 7},
        {(INT64_MAX >> 8) + 1, 8},
    };
    struct slice cell;
    int64_t v;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct buf staged;
        buf_init(&staged, 100);
        staged_number(&staged, 9, cases[i].v);
        assert_int_equal(staged_find(&staged, 9, &cell), 1);
        assert_int_equal(cell.len, cases[i].octets);
        assert_true(cells_number(cell, &v) && v == cases[i].v);
        buf_release(&staged);
    }
    assert_false(cells_number(BYTES(""), &v));
    assert_false(cells_number(BYTES("\0\0\0\0\0\0\0\0\1"), &v));
    assert_true(cells_number(BYTES("\0\0\0\0\0\0\0\1"), &v) && v == 1); /* version 2's */
}

/* What the file says of a row is a row in a cell of it. */
static void old_rows_are_shortened_to_the_bottom(void **state)
{
    (void)state;
    const struct sa_table *t = sa_table_by_id(SA_DEFINITION);
    const uint8_t number = DEFINITION_STATUS, text = DEFINITION_CONDITION, file = t->file;
    const uint8_t inner[] = {ROW_PLAIN, text, 0, 1, 'x', number, 0, 8, 0, 0, 0, 0, 0, 0, 0, 4};
    const uint8_t shorter[] = {ROW_PLAIN, text, 0, 1, 'x', number, 0, 1, 4};
    struct slice key = BYTES("a key");
    struct buf old, ret, want;
    buf_init(&old, 1000);
    buf_init(&ret, 1000);
    buf_init(&want, 1000);
    assert_true(file && text < number && number < file);
    buf_bytes(&old, inner, sizeof inner);
    buf_u8(&old, file);
    buf_u16(&old, sizeof inner);
    buf_bytes(&old, inner, sizeof inner);
    buf_bytes(&want, shorter + 1, sizeof shorter - 1);
    buf_u8(&want, file);
    buf_u16(&want, sizeof shorter);
    buf_bytes(&want, shorter, sizeof shorter);
    assert_int_equal(row_upgrade(t, 5, key, (struct slice){old.data, old.len}, &ret), 0);
    assert_int_equal(ret.len, ROW_HEAD_SUMMED + want.len);
    assert_memory_equal(ret.data + ROW_HEAD_SUMMED, want.data, want.len);
    assert_true(row_sound(5, key, (struct slice){ret.data, ret.len}));
    old.data[old.len - 9]++; /* the inner cell is longer than its row */
    buf_clear(&ret);
    assert_int_equal(row_upgrade(t, 5, key, (struct slice){old.data, old.len}, &ret), ERR_CORRUPT);
    assert_int_equal(ret.len, 0);
    buf_release(&old);
    buf_release(&ret);
    buf_release(&want);
}

/* A spoilt row reads as far as it can, is never written over, and says so. */
static void a_spoilt_row_is_not_written_over(void **state)
{
    (void)state;
    struct world w;
    struct err e;
    struct edit d;
    struct row r;
    struct key k = key_of_names("alice", "disk");
    world_init(&w);
    struct txn *t = txn_begin(w.store, TXN_WRITE);
    part_put(t, slot_of(w.store, &thing_table), key_slice(&k), BYTES("\1\2\0\1x\3\0\x9"), true);
    assert_int_equal(txn_commit(t, NULL), 0);
    t = txn_begin(w.store, TXN_WRITE);
    assert_int_equal(row_get(t, &thing_table, &k, &r), 0);
    assert_int_equal(row_text(&r, THING_TEXT).len, 1);
    assert_int_equal(row_int(&r, THING_NUMBER), 7);
    edit_begin(&d, t, &thing_table, &k);
    edit_int(&d, THING_NUMBER, 1);
    assert_int_equal(row_put(&d, &e), ERR_CORRUPT);
    assert_non_null(strstr(e.text, "saThingTable"));
    assert_int_equal(txn_commit(t, &e), ERR_CORRUPT);
    t = txn_begin(w.store, TXN_WRITE);
    assert_int_equal(row_delete(t, &thing_table, &k), 0);
    assert_int_equal(txn_commit(t, NULL), 0);
    world_release(&w);
}

/* ---- sums ---------------------------------------------------------------------------------------
 */

/* Computed by another program, by what store/FORMAT.md says. */
static void sums_are_as_documented(void **state)
{
    (void)state;
    uint8_t p[133];
    for (size_t i = 0; i < sizeof p; i++)
        p[i] = (uint8_t)i;
    assert_int_equal(sum_of(sum_seed("a"), BYTES(""), BYTES("")), 0x3fafec93);
    assert_int_equal(sum_of(sum_seed("meta"), BYTES("abc"), BYTES("12345")), 0xc13c355);
    assert_int_equal(sum_of(sum_seed("kv.0"), (struct slice){p, 40}, (struct slice){p + 100, 33}),
                     0x199c7b7c);
}

static void every_bit_counts(void **state)
{
    (void)state;
    enum { MOST = 70 };
    uint8_t p[2 * MOST];
    uint64_t seed = sum_seed("saThingTable");
    for (size_t i = 0; i < sizeof p; i++)
        p[i] = (uint8_t)(i * 7);
    for (size_t n = 0; n <= MOST; n++) {
        struct slice key = {p, n}, value = {p + MOST, MOST - n};
        uint32_t sum = sum_of(seed, key, value);
        for (size_t bit = 0; bit < 8 * (n + value.len); bit++) {
            uint8_t *q = bit / 8 < n ? p + bit / 8 : p + MOST + (bit / 8 - n);
            *q ^= (uint8_t)(1 << bit % 8);
            assert_int_not_equal(sum_of(seed, key, value), sum);
            *q ^= (uint8_t)(1 << bit % 8);
        }
        assert_int_not_equal(sum_of(sum_seed("saLinkTable"), key, value), sum);
    }
}

/* ---- values -------------------------------------------------------------------------------------
 */

static void dates_are_understood(void **state)
{
    (void)state;
    static const struct {
        const char *wire;
        size_t n;
        int want;
        int64_t ms;
    } cases[] = {
        {"\0\0\0\0\0\0\0\0", 8, 0, 0},
        {"\x07\xe7\x0b\x0e\x16\x0d\x14\x01", 8, 0, 1700000000100},
        {"\x07\xe7\x0b\x0e\x16\x0d\x14\x01+\0\0", 11, 0, 1700000000100},
        {"\x07\xe7\x0b\x0e\x17\x2b\x14\x01+\1\x1e", 11, 0, 1700000000100},
        {"\x07\xe7\x0b\x0e\x15\x0d\x14\x01-\1\0", 11, 0, 1700000000100},
        {"\x07\xe7\x0b\x0e\x16\x0d\x14", 7, ERR_WRONG_LENGTH, 0},
        {"\x07\xe7\x0b\x0e\x16\x0d\x14\x01+", 9, ERR_WRONG_LENGTH, 0},
        {"\x07\xe7\x0d\x0e\x16\x0d\x14\x01", 8, ERR_WRONG_VALUE, 0},
        {"\x07\xe7\x0b\x0e\x18\x0d\x14\x01", 8, ERR_WRONG_VALUE, 0},
        {"\x07\xe7\x0b\x0e\x16\x0d\x14\x01*\0\0", 11, ERR_WRONG_VALUE, 0},
        {"\x07\x9e\x0b\x0e\x16\x0d\x14\x01", 8, ERR_WRONG_VALUE, 0},
        /* 1970 is the first year, by UTC wherever the time was taken */
        {"\x07\xb2\1\1\0\0\0\0", 8, 0, 0},
        {"\x07\xb2\1\1\5\x2d\0\0+\5\x2d", 11, 0, 0},
        {"\x07\xb2\1\1\5\x2c\0\0+\5\x2d", 11, ERR_WRONG_VALUE, 0},
        {"\x07\xb1\x0c\x1f\x17\x3b\x3b\x09", 8, ERR_WRONG_VALUE, 0},
        {"\x27\x0f\x0c\x1f\x17\x3b\x3b\x09", 8, 0, 253402300799900},
        {"\xff\xff\x0c\x1f\x17\x3b\x3b\x09", 8, 0, 2005949145599900},
        /* leap years, leap seconds, and days that no month has */
        {"\x07\xd0\x02\x1d\0\0\0\0", 8, 0, 951782400000},
        {"\x07\xd1\x02\x1d\0\0\0\0", 8, ERR_WRONG_VALUE, 0},
        {"\x07\xd0\x02\x1e\0\0\0\0", 8, ERR_WRONG_VALUE, 0},
        {"\x07\xd0\x04\x1f\0\0\0\0", 8, ERR_WRONG_VALUE, 0},
        {"\x07\xe0\x0c\x1f\x17\x3b\x3c\0", 8, 0, 1483228800000},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        int64_t ms = -1;
        int rc = date_decode(bytes(cases[i].wire, cases[i].n), &ms, NULL);
        if (rc != cases[i].want || (!rc && ms != cases[i].ms))
            fail_msg("case %zu: %d, %lld", i, rc, (long long)ms);
    }
}

static void bits_take_the_octets_of_their_names(void **state)
{
    (void)state;
    const struct sa_column *c = sa_column_by_number(&thing_table, THING_BITS);
    uint8_t wire[BITS_OCTETS_MAX];
    int64_t mask;
    assert_int_equal(bits_encode(c, 0, wire), 2);
    assert_int_equal(bits_encode(c, 1 | 1 << 9, wire), 2);
    assert_memory_equal(wire, "\x80\x40", 2);
    assert_int_equal(bits_decode(c, (struct slice){wire, 2}, &mask, NULL), 0);
    assert_int_equal(mask, 1 | 1 << 9);
    assert_int_equal(bits_decode(c, BYTES(""), &mask, NULL), 0);
    assert_int_equal(mask, 0);
    assert_int_equal(bits_decode(c, BYTES("\x40\0\0\0\0\0\0\0\0\0"), &mask, NULL), 0);
    assert_int_equal(mask, 2);
    assert_int_equal(bits_decode(c, BYTES("\x01"), &mask, NULL), ERR_WRONG_VALUE);
}

/* ---- the document -------------------------------------------------------------------------------
 */

/* The octets of the indented lines behind the line LABEL. */
static size_t octets_behind(const char *text, const char *label, uint8_t *ret, size_t cap)
{
    size_t n = 0;
    const char *p = strstr(text, label);
    assert_non_null(p);
    for (p = strchr(p + 1, '\n'); p && (p[1] == '\n' || !strncmp(p + 1, "    ", 4));
         p = strchr(p + 1, '\n')) {
        for (const char *h = p + 1; *h && *h != '\n';) {
            unsigned v;
            if (!isxdigit((unsigned char)*h)) {
                h++;
                continue;
            }
            assert_int_equal(sscanf(h, "%2x", &v), 1);
            assert_true(n < cap);
            ret[n++] = (uint8_t)v;
            h += 2;
        }
    }
    return n;
}

static char *read_document(void)
{
    char path[4096];
    const char *top = getenv("srcdir");
    snprintf(path, sizeof path, "%s/store/FORMAT.md", top ? top : ".");
    FILE *f = fopen(path, "r");
    if (!f)
        fail_msg("%s is not there", path);
    char *text = calloc(1, 65536);
    assert_true(fread(text, 1, 65535, f) > 1000);
    fclose(f);
    return text;
}

static void the_document_shows_what_is_written(void **state)
{
    (void)state;
    struct world w;
    struct edit d;
    struct row r;
    uint8_t want[512];
    struct key k = key_of_names("al", "ops");
    const struct sa_table *table = sa_table_by_id(SA_TARGET);
    struct store_options o;
    world_init(&w);
    store_close(w.store);
    w.store = NULL;
    remove_folder(w.path);
    o = world_options(&w);
    o.tables = NULL; /* the real ones */
    assert_int_equal(store_open(&w.store, &o, NULL), 0);
    struct txn *t = txn_begin(w.store, TXN_WRITE);
    edit_begin(&d, t, table, &k);
    edit_int(&d, TARGET_STATUS, ROW_ACTIVE);
    edit_int(&d, TARGET_STATES, 1 << 2 | 1 << 3);
    edit_int(&d, TARGET_ENABLED, TRUTH_FALSE);
    edit_str(&d, TARGET_HANDLER, "mail");
    assert_int_equal(row_put(&d, NULL), 0);
    assert_int_equal(row_get(t, table, &k, &r), 0);
    char *text = read_document();
    size_t n = octets_behind(text, "\nKey:\n", want, sizeof want);
    assert_int_equal(n, r.key.len);
    assert_memory_equal(want, r.key.data, n);
    n = octets_behind(text, "\nValue:\n", want, sizeof want);
    assert_int_equal(n, r.durable.len);
    assert_memory_equal(want, r.durable.data, n);
    free(text);
    txn_abort(t);
    world_release(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys_hold_their_parts),
        cmocka_unit_test(keys_are_copied_and_read_as_names),
        cmocka_unit_test(keys_do_not_overflow),
        cmocka_unit_test(subids_come_back),
        cmocka_unit_test(only_whole_indexes_are_valid),
        cmocka_unit_test(sums_are_as_documented),
        cmocka_unit_test(every_bit_counts),
        cmocka_unit_test(malformed_cells_are_seen),
        cmocka_unit_test(random_bytes_do_no_harm),
        cmocka_unit_test(merging_keeps_what_it_does_not_know),
        cmocka_unit_test(numbers_take_what_they_need),
        cmocka_unit_test(old_rows_are_shortened_to_the_bottom),
        cmocka_unit_test(a_spoilt_row_is_not_written_over),
        cmocka_unit_test(dates_are_understood),
        cmocka_unit_test(bits_take_the_octets_of_their_names),
        cmocka_unit_test(the_document_shows_what_is_written),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
