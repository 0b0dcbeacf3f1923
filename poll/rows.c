#include "poll/rows.h"

#include <stdlib.h>
#include <string.h>

#include "base/array.h"

struct cell {
    uint32_t index_at, json_at;
    uint32_t json_len;
    uint16_t index_len; /* sub-identifiers */
};

struct cells {
    struct cell *items;
    size_t n, cap;
};

enum { INDEXES_MAX = 16 << 20 };

int polled_rows_init(struct polled_rows *r, size_t ncolumns, size_t json_max)
{
    *r = (struct polled_rows){0};
    buf_init(&r->indexes, INDEXES_MAX);
    buf_init(&r->json, json_max);
    r->columns = calloc(ncolumns, sizeof *r->columns);
    if (!r->columns)
        return ERR_NOMEM;
    r->n = ncolumns;
    return 0;
}

void polled_rows_release(struct polled_rows *r)
{
    for (size_t i = 0; i < r->n; i++)
        free(r->columns[i].items);
    free(r->columns);
    buf_release(&r->indexes);
    buf_release(&r->json);
    r->columns = NULL;
    r->n = 0;
}

static struct cell *cells_grow(struct cells *c)
{
    struct cell *items = array_room(c->items, &c->cap, c->n + 1, sizeof *items);
    if (!items)
        return NULL;
    c->items = items;
    return &c->items[c->n];
}

int polled_rows_add(struct polled_rows *r, size_t column, const uint32_t *index, size_t n,
                    const struct snmp_value *v)
{
    struct cells *column_cells = &r->columns[column];
    if (column_cells->n == ROWS_MAX)
        return ERR_FULL;
    struct cell *c = cells_grow(column_cells);
    if (!c)
        return ERR_NOMEM;
    c->index_at = (uint32_t)r->indexes.len;
    c->index_len = (uint16_t)n;
    for (size_t i = 0; i < n; i++)
        buf_u32(&r->indexes, index[i]);
    c->json_at = (uint32_t)r->json.len;
    snmp_value_json(v, &r->json);
    c->json_len = (uint32_t)(r->json.len - c->json_at);
    column_cells->n++;
    return r->indexes.err ? r->indexes.err : r->json.err;
}

/* Big-endian numbers: the order of the octets is the order of the indexes. */
static int compare(const struct polled_rows *r, const struct cell *a, const struct cell *b)
{
    size_t n = a->index_len < b->index_len ? a->index_len : b->index_len;
    int order = memcmp(r->indexes.data + a->index_at, r->indexes.data + b->index_at, n * 4);
    return order ? order : (int)a->index_len - (int)b->index_len;
}

static const struct cell *head(const struct polled_rows *r, const size_t *position, size_t column)
{
    const struct cells *c = &r->columns[column];
    return position[column] < c->n ? &c->items[position[column]] : NULL;
}

static void copy_index(const struct polled_rows *r, const struct cell *c, struct row *ret)
{
    ret->n = c->index_len < OBJID_MAX ? c->index_len : OBJID_MAX;
    for (size_t i = 0; i < ret->n; i++)
        ret->index[i] = get_u32(r->indexes.data + c->index_at + i * 4);
}

bool polled_rows_next(const struct polled_rows *r, size_t position[COLUMNS_MAX], struct row *ret)
{
    const struct cell *first = NULL;
    for (size_t i = 0; i < r->n; i++) {
        const struct cell *c = head(r, position, i);
        if (c && (!first || compare(r, c, first) < 0))
            first = c;
    }
    if (!first)
        return false;
    copy_index(r, first, ret);
    for (size_t i = 0; i < r->n; i++) {
        const struct cell *c = head(r, position, i);
        ret->cells[i] = (struct slice){0};
        if (!c || compare(r, c, first))
            continue;
        ret->cells[i] = (struct slice){r->json.data + c->json_at, c->json_len};
        position[i]++;
    }
    return true;
}
