#include "cli/print.h"

#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "store/value.h"

enum {
    OUTPUT_MAX = 1 << 30,
    CELL_COLUMNS = 40, /* of a long text in a list that is not --wide */
    NARROWEST = 25,    /* no column is cut below this, a time, to make room for others */
    GAP = 2,
};

size_t terminal_width(FILE *f)
{
    struct winsize w;

    return isatty(fileno(f)) && ioctl(fileno(f), TIOCGWINSZ, &w) == 0 ? w.ws_col : 0;
}

static int flush(struct buf *b, FILE *f)
{
    int err = b->err;

    if (!err && b->len && fwrite(b->data, 1, b->len, f) != b->len)
        err = ERR_IO;
    buf_release(b);
    return err;
}

/* ---- grid ----------------------------------------------------------------------------------- */

void grid_init(struct grid *g, size_t ncolumns)
{
    *g = (struct grid){.ncolumns = ncolumns};
}

void grid_release(struct grid *g)
{
    for (size_t i = 0; i < g->nlines; i++)
        free(g->cells[i]);
    free(g->cells);
    *g = (struct grid){0};
}

void grid_add(struct grid *g, const char *text, size_t len)
{
    if (g->err)
        return;
    if (g->nlines == g->cap) {
        size_t cap = g->cap ? 2 * g->cap : 64;
        char **more = realloc(g->cells, cap * sizeof(*more));

        if (!more) {
            g->err = ERR_NOMEM;
            return;
        }
        g->cells = more;
        g->cap = cap;
    }
    g->cells[g->nlines] = strndup(text, len);
    if (g->cells[g->nlines])
        g->nlines++;
    else
        g->err = ERR_NOMEM;
}

static size_t widest(const struct grid *g, size_t column, size_t most)
{
    size_t width = 0;

    for (size_t i = column; i < g->nlines; i += g->ncolumns) {
        size_t w = text_width(g->cells[i], strlen(g->cells[i]));

        width = w > width ? w : width;
    }
    return most && width > most ? most : width;
}

/* Takes from the widest column until a line fits or nothing more can be taken; how many of the
 * columns fit then. */
static size_t squeeze(size_t *widths, size_t n, size_t width)
{
    size_t total = n ? (n - 1) * GAP : 0, fit = 0, used = 0;

    for (size_t i = 0; i < n; i++)
        total += widths[i];
    while (width && total > width) {
        size_t most = 0;

        for (size_t i = 1; i < n; i++)
            most = widths[i] > widths[most] ? i : most;
        if (n == 0 || widths[most] <= NARROWEST)
            break;
        widths[most]--;
        total--;
    }
    while (fit < n && (!width || fit == 0 || used + widths[fit] <= width))
        used += widths[fit++] + GAP;
    return fit;
}

static void put_cell(struct buf *out, const char *text, size_t width, bool last)
{
    size_t n = strlen(text), w = text_width(text, n);

    if (w <= width) {
        buf_bytes(out, text, n);
    } else {
        size_t dots = width > 4 ? 3 : 0;

        n = text_fit(text, n, width - dots);
        w = text_width(text, n) + dots;
        buf_bytes(out, text, n);
        buf_bytes(out, "...", dots);
    }
    if (last)
        buf_u8(out, '\n');
    else
        buf_printf(out, "%*s", (int)(width - w + GAP), "");
}

void grid_print(const struct grid *g, size_t width, size_t cell, struct buf *out)
{
    size_t *widths = calloc(g->ncolumns ? g->ncolumns : 1, sizeof(*widths));
    size_t fit;

    if (!widths || g->err) {
        out->err = ERR_NOMEM;
        free(widths);
        return;
    }
    for (size_t i = 0; i < g->ncolumns; i++)
        widths[i] = widest(g, i, cell);
    fit = squeeze(widths, g->ncolumns, width);
    for (size_t i = 0; i + g->ncolumns <= g->nlines; i += g->ncolumns)
        for (size_t k = 0; k < fit; k++)
            put_cell(out, g->cells[i + k], widths[k], k + 1 == fit);
    if (fit < g->ncolumns)
        buf_printf(out,
                   "(columns left out, for want of room: %zu; see --wide, --columns, --json)\n",
                   g->ncolumns - fit);
    free(widths);
}

/* ---- lists ---------------------------------------------------------------------------------- */

/* Index parts go first; the index of the scalars says nothing. */
static size_t shown_parts(const struct rows *r)
{
    return r->table->scalars ? 0 : r->table->nindex;
}

static void add_head(struct grid *g, const struct rows *r)
{
    char name[SHORT_NAME_MAX];

    for (size_t i = 0; i < shown_parts(r); i++)
        grid_add(g, r->table->index[i].xml, strlen(r->table->index[i].xml));
    for (size_t i = 0; i < r->ncolumns; i++) {
        column_short(r->table, r->columns[i], name);
        grid_add(g, name, strlen(name));
    }
}

static void add_row(struct grid *g, const struct rows *r, const struct row *row,
                    enum time_style times, struct buf *b)
{
    for (size_t i = 0; i < shown_parts(r); i++) {
        buf_clear(b);
        part_text(&row->parts[i], b);
        grid_add(g, buf_cstr(b), b->len);
    }
    for (size_t i = 0; i < r->ncolumns; i++) {
        buf_clear(b);
        datum_text(&row->cells[i], r->columns[i], times, false, b);
        grid_add(g, buf_cstr(b), b->len);
    }
}

static int list_json(const struct rows *r, FILE *f)
{
    jv *a = jv_new_array();

    for (size_t i = 0; a && i < r->n; i++)
        if (jv_append(a, row_json(r, i))) {
            jv_free(a);
            a = NULL;
        }
    return print_json(a, f);
}

int print_list(const struct rows *r, const struct print_options *o, FILE *f)
{
    struct buf out, cell;
    struct grid g;

    if (o->json)
        return list_json(r, f);
    buf_init(&out, OUTPUT_MAX);
    buf_init(&cell, CELL_TEXT_LIMIT);
    grid_init(&g, shown_parts(r) + r->ncolumns);
    add_head(&g, r);
    for (size_t i = 0; i < r->n; i++)
        add_row(&g, r, &r->items[i], o->times, &cell);
    grid_print(&g, o->wide ? 0 : o->width, o->wide ? 0 : CELL_COLUMNS, &out);
    grid_release(&g);
    buf_release(&cell);
    return flush(&out, f);
}

/* ---- one row -------------------------------------------------------------------------------- */

static void put_line(struct buf *out, const char *name, size_t width, const char *text)
{
    buf_printf(out, "%-*s  ", (int)width, name);
    for (const char *nl; (nl = strchr(text, '\n')); text = nl + 1) {
        buf_bytes(out, text, (size_t)(nl - text));
        buf_printf(out, "\n%*s  ", (int)width, "");
    }
    buf_printf(out, "%s\n", text);
}

static size_t longest_name(const struct rows *r)
{
    char name[SHORT_NAME_MAX];
    size_t width = 0;

    for (size_t i = 0; i < shown_parts(r); i++)
        width = strlen(r->table->index[i].xml) > width ? strlen(r->table->index[i].xml) : width;
    for (size_t i = 0; i < r->ncolumns; i++) {
        column_short(r->table, r->columns[i], name);
        width = strlen(name) > width ? strlen(name) : width;
    }
    return width;
}

int print_row(const struct rows *r, size_t row, const struct print_options *o, FILE *f)
{
    const struct row *w = &r->items[row];
    size_t width = longest_name(r);
    char name[SHORT_NAME_MAX];
    struct buf out, cell;

    if (o->json)
        return print_json(row_json(r, row), f);
    buf_init(&out, OUTPUT_MAX);
    buf_init(&cell, CELL_TEXT_LIMIT);
    for (size_t i = 0; i < shown_parts(r); i++) {
        buf_clear(&cell);
        part_text(&w->parts[i], &cell);
        put_line(&out, r->table->index[i].xml, width, buf_cstr(&cell));
    }
    for (size_t i = 0; i < r->ncolumns; i++) {
        column_short(r->table, r->columns[i], name);
        buf_clear(&cell);
        datum_text(&w->cells[i], r->columns[i], o->times, true, &cell);
        put_line(&out, name, width, buf_cstr(&cell));
        if (o->help_texts && r->columns[i]->help)
            buf_printf(&out, "%*s  # %s\n", (int)width, "", r->columns[i]->help);
    }
    buf_release(&cell);
    return flush(&out, f);
}

/* ---- JSON ----------------------------------------------------------------------------------- */

jv *row_json(const struct rows *r, size_t row)
{
    const struct row *w = &r->items[row];
    char name[SHORT_NAME_MAX];
    jv *o = jv_new_object();
    int err = o ? 0 : ERR_NOMEM;

    for (size_t i = 0; !err && i < shown_parts(r); i++)
        err = jv_set(o, r->table->index[i].xml, part_json(&w->parts[i]));
    for (size_t i = 0; !err && i < r->ncolumns; i++) {
        column_short(r->table, r->columns[i], name);
        err = jv_set(o, name, datum_json(&w->cells[i], r->columns[i]));
    }
    if (err) {
        jv_free(o);
        return NULL;
    }
    return o;
}

/* Characters 0x7f..0x9f are no control characters for JSON, but they are for a terminal. */
static void escape_controls(struct buf *dst, const struct buf *src)
{
    for (size_t i = 0; i < src->len; i++) {
        bool c1 = src->data[i] == 0xc2 && i + 1 < src->len && src->data[i + 1] < 0xa0;

        if (c1)
            buf_printf(dst, "\\u00%02x", src->data[++i]);
        else if (src->data[i] == 0x7f)
            buf_printf(dst, "\\u007f");
        else
            buf_u8(dst, src->data[i]);
    }
}

int print_json(jv *v, FILE *f)
{
    struct buf raw, out;

    if (!v)
        return ERR_NOMEM;
    buf_init(&raw, OUTPUT_MAX);
    buf_init(&out, OUTPUT_MAX);
    jv_dump(v, &raw);
    jv_free(v);
    escape_controls(&out, &raw);
    buf_u8(&out, '\n');
    if (raw.err)
        out.err = raw.err;
    buf_release(&raw);
    return flush(&out, f);
}
