/* Stored rows: whatever octets are on disk, reading any column of any table stays inside them, and
 * an edit of a sound row gives a sound row that keeps the cells it does not know. */
#include <string.h>

#include "store/cells.h"
#include "store/store.h"
#include "tests/fuzz/fuzz.h"

static void read_all(const struct sa_table *t, struct slice value)
{
    struct row r = {.table = t, .durable = value, .volatile_ = value};
    char text[64];

    for (size_t i = 0; i < t->ncolumns; i++) {
        struct slice s = row_text(&r, t->columns[i].number);

        REQUIRE(s.len == 0 || s.data != NULL);
        (void)row_has(&r, t->columns[i].number);
        (void)row_int(&r, t->columns[i].number);
        REQUIRE(strlen(row_str(&r, t->columns[i].number, text, sizeof text)) < sizeof text);
    }
    (void)row_active(&r);
}

static void merge(struct slice value, const uint8_t *p, size_t n)
{
    uint32_t changed[8] = {0};
    struct buf staged, merged;
    struct slice result, found;
    unsigned number = p[0] ? p[0] : 1;

    buf_init(&staged, 1 << 16);
    buf_init(&merged, 1 << 20);
    buf_u8(&staged, (uint8_t)number);
    buf_u8(&staged, 0);
    buf_u16(&staged, (uint16_t)(n - 1));
    buf_bytes(&staged, p + 1, n - 1);
    if (cells_merge(value, &staged, &merged, changed) == 0) {
        result = (struct slice){merged.data, merged.len};
        REQUIRE(cells_check(result) == 0);
        REQUIRE(cells_find(result, number, &found));
        REQUIRE(found.len == n - 1 && (n == 1 || memcmp(found.data, p + 1, n - 1) == 0));
        for (unsigned i = 1; i < 256; i++) {
            struct slice before;

            if (i == number || !cells_find(value, i, &before))
                continue;
            REQUIRE(cells_find(result, i, &found) && found.len == before.len);
            REQUIRE(before.len == 0 || memcmp(found.data, before.data, before.len) == 0);
        }
    }
    buf_release(&staged);
    buf_release(&merged);
}

FUZZ_TARGET(row)
{
    size_t tail = size && data[0] % 16u + 1u < size ? data[0] % 16u + 1u : 0;
    struct slice value = {data, size - tail};

    for (size_t i = 0; i < sa_ntables; i++)
        read_all(sa_tables[i], value);
    if (tail && cells_check(value) == 0)
        merge(value, data + size - tail, tail);
    return 0;
}
