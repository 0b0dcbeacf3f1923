/* A walk keeps one cursor a column and merges what comes by index: a row that appears or goes while
 * the table is being read leaves a hole in that row and never shifts the others. Cursors only move
 * forward, so that an agent which answers nonsense cannot keep the walk going for ever. */
#include "cli/rows.h"

#include <stdlib.h>
#include <string.h>

#include "store/value.h"

enum {
    ANSWER_OCTETS = 8192, /* what one answer is to hold at most, by the columns' limits */
    CELL_OCTETS = 48,     /* a varbind's name and lengths, and a value that is no long text */
    REPETITIONS_MAX = 40,
};

void rows_init(struct rows *r, const struct sa_table *t)
{
    memset(r, 0, sizeof(*r));
    r->table = t;
    for (size_t i = 0; i < t->ncolumns; i++)
        if (column_readable(&t->columns[i]))
            r->columns[r->ncolumns++] = &t->columns[i];
}

void rows_choose(struct rows *r, const uint8_t *numbers, size_t n)
{
    r->ncolumns = 0;
    for (size_t i = 0; i < n; i++)
        r->columns[r->ncolumns++] = sa_column_by_number(r->table, numbers[i]);
}

void rows_release(struct rows *r)
{
    for (size_t i = 0; i < r->n; i++) {
        for (size_t k = 0; k < r->ncolumns; k++)
            datum_release(&r->items[i].cells[k]);
        free(r->items[i].cells);
    }
    free(r->items);
    r->items = NULL;
    r->n = r->cap = 0;
}

int rows_column(const struct rows *r, unsigned number)
{
    for (size_t i = 0; i < r->ncolumns; i++)
        if (r->columns[i]->number == number)
            return (int)i;
    return -1;
}

/* ---- merging -------------------------------------------------------------------------------- */

static size_t place_of(const struct rows *r, const struct objid *index)
{
    size_t low = 0, high = r->n;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (objid_compare(&r->items[middle].index, index) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static int make_room(struct rows *r)
{
    size_t cap = r->cap ? 2 * r->cap : 64;
    struct row *more;

    if (r->n < r->cap)
        return 0;
    if (r->n >= ROWS_MAX)
        return ERR_FULL;
    more = realloc(r->items, cap * sizeof(*more));
    if (!more)
        return ERR_NOMEM;
    r->items = more;
    r->cap = cap;
    return 0;
}

/* The row of INDEX, made when it is new. ERR_PROTOCOL when no row of the table has such an index.
 */
static int row_at(struct row **ret, struct rows *r, const struct objid *index)
{
    size_t at = place_of(r, index);
    struct row row = {.index = *index};
    int err;

    if (at == r->n || objid_compare(&r->items[at].index, index) != 0) {
        if (!r->table->scalars && index_parse(row.parts, r->table, index->subids, index->n))
            return ERR_PROTOCOL;
        err = make_room(r);
        if (err)
            return err;
        row.cells = calloc(r->ncolumns, sizeof(*row.cells));
        if (!row.cells)
            return ERR_NOMEM;
        memmove(&r->items[at + 1], &r->items[at], (r->n - at) * sizeof(row));
        r->items[at] = row;
        r->n++;
    }
    *ret = &r->items[at];
    return 0;
}

static int merge(struct rows *r, size_t column, const struct varbind *v, size_t stem)
{
    struct objid index;
    struct row *row;
    int err;

    objid_set(&index, v->name.subids + stem, v->name.n - stem);
    err = row_at(&row, r, &index);
    if (err == ERR_PROTOCOL)
        return 0; /* an instance that no version of the MIB has: not ours to show */
    if (err)
        return err;
    datum_release(&row->cells[column]);
    return datum_from(&row->cells[column], r->columns[column], &v->value);
}

/* ---- walking -------------------------------------------------------------------------------- */

struct cursor {
    struct objid root; /* column and prefix: what an instance must be below */
    struct objid at;
    size_t stem; /* sub-identifiers of the column's name, of its table and the root */
    bool done;
};

struct walk {
    struct rows *rows;
    struct cursor *cursors;
    size_t asked[SA_COLUMN_MAX]; /* columns of the open question */
    size_t nasked;
    unsigned repetitions;
    unsigned width; /* columns of a question, at most */
};

static int cursors_init(struct walk *w, const struct objid *prefix)
{
    struct rows *r = w->rows;

    w->cursors = calloc(r->ncolumns, sizeof(*w->cursors));
    if (!w->cursors)
        return ERR_NOMEM;
    for (size_t i = 0; i < r->ncolumns; i++) {
        struct cursor *c = &w->cursors[i];

        column_objid(&c->root, r->table, r->columns[i]->number);
        c->stem = c->root.n;
        for (uint32_t k = 0; k < prefix->n; k++)
            if (objid_append(&c->root, prefix->subids[k]))
                return ERR_RANGE;
        c->at = c->root;
    }
    return 0;
}

static unsigned repetitions_for(const struct rows *r)
{
    size_t octets = 0;

    for (size_t i = 0; i < r->ncolumns; i++) {
        int64_t min, max = 8;

        if (value_is_text(r->columns[i]->syntax))
            value_range(r->columns[i], &min, &max);
        octets += CELL_OCTETS + (size_t)(max > SA_CELL_MAX ? SA_CELL_MAX : max);
    }
    if (octets == 0 || octets > ANSWER_OCTETS)
        return 1;
    return ANSWER_OCTETS / octets > REPETITIONS_MAX ? REPETITIONS_MAX
                                                    : (unsigned)(ANSWER_OCTETS / octets);
}

static struct pdu *question(struct walk *w, struct client *c)
{
    struct pdu *p = client_version(c) == SNMP_V1 ? pdu_new(SNMP_V1, PDU_GETNEXT)
                                                 : pdu_new_bulk(0, w->repetitions);

    w->nasked = 0;
    for (size_t i = 0; i < w->rows->ncolumns && w->nasked < w->width; i++) {
        if (w->cursors[i].done)
            continue;
        pdu_add_null(p, &w->cursors[i].at);
        w->asked[w->nasked++] = i;
    }
    return p;
}

/* An error status: less of it, or none of that column (RFC 1157's end of the view). */
static int recover(struct walk *w, const struct reply *a, struct err *e)
{
    if (a->error_status == PDU_NO_SUCH_NAME && a->error_index >= 1 &&
        (size_t)a->error_index <= w->nasked) {
        w->cursors[w->asked[a->error_index - 1]].done = true;
        return 0;
    }
    if (a->error_status == PDU_TOO_BIG && (w->repetitions > 1 || w->nasked > 1)) {
        if (w->repetitions > 1)
            w->repetitions /= 2;
        else
            w->width = (unsigned)w->nasked / 2;
        return 0;
    }
    return err_set(e, ERR_PROTOCOL, "the agent refuses to tell %s: %s", w->rows->table->name,
                   pdu_error_name(a->error_status));
}

static int take(struct walk *w, const struct reply *a, struct err *e)
{
    if (a->error_status)
        return recover(w, a, e);
    if (a->n == 0)
        return err_set(e, ERR_PROTOCOL, "the agent answers with nothing");
    for (size_t i = 0; i < a->n; i++) {
        size_t column = w->asked[i % w->nasked];
        struct cursor *c = &w->cursors[column];
        const struct varbind *v = &a->items[i];
        int err;

        if (c->done)
            continue;
        c->done = snmp_value_is_exception(&v->value) || !objid_below(&c->root, &v->name) ||
                  objid_compare(&c->at, &v->name) >= 0;
        if (c->done)
            continue;
        c->at = v->name;
        err = merge(w->rows, column, v, c->stem);
        if (err)
            return err_set(e, err, "%s: %s", w->rows->table->name,
                           err == ERR_FULL ? "too many rows" : "out of memory");
    }
    return 0;
}

int rows_walk(struct rows *r, struct client *c, const struct objid *prefix, struct err *e)
{
    struct walk w = {.rows = r, .width = SA_COLUMN_MAX, .repetitions = repetitions_for(r)};
    struct reply a;
    int err = cursors_init(&w, prefix);

    if (err)
        err_set(e, err, "out of memory");
    while (!err) {
        struct pdu *p = question(&w, c);

        if (w.nasked == 0) {
            pdu_free(p);
            break;
        }
        err = client_ask(c, p, &a, e);
        if (!err) {
            err = take(&w, &a, e);
            reply_release(&a);
        }
    }
    free(w.cursors);
    return err;
}

/* ---- one row -------------------------------------------------------------------------------- */

static int get_cells(struct rows *r, struct client *c, const struct objid *index, size_t first,
                     size_t n, struct err *e)
{
    struct pdu *p = pdu_new(client_version(c), PDU_GET);
    struct objid name;
    struct reply a;
    size_t stem = 0;
    int err;

    for (size_t i = first; i < first + n; i++) {
        column_objid(&name, r->table, r->columns[i]->number);
        stem = name.n;
        for (uint32_t k = 0; k < index->n; k++)
            objid_append(&name, index->subids[k]);
        pdu_add_null(p, &name);
    }
    err = client_ask(c, p, &a, e);
    if (err)
        return err;
    if (a.error_status && n > 1) { /* v1 tells nothing when one is missing; and tooBig */
        reply_release(&a);
        err = get_cells(r, c, index, first, n / 2, e);
        return err ? err : get_cells(r, c, index, first + n / 2, n - n / 2, e);
    }
    if (a.error_status && a.error_status != PDU_NO_SUCH_NAME)
        err = err_set(e, ERR_PROTOCOL, "the agent refuses to tell %s: %s", r->columns[first]->name,
                      pdu_error_name(a.error_status));
    for (size_t i = 0; !err && !a.error_status && i < a.n && i < n; i++)
        if (!snmp_value_is_exception(&a.items[i].value) && a.items[i].name.n > stem)
            err = merge(r, first + i, &a.items[i], stem);
    reply_release(&a);
    return err;
}

int rows_get(struct rows *r, struct client *c, const struct objid *index, struct err *e)
{
    int err = get_cells(r, c, index, 0, r->ncolumns, e);

    if (!err && r->n == 0)
        err = err_set(e, ERR_NOTFOUND, "there is no such row of %s", r->table->name);
    return err;
}
