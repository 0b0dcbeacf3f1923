/* Rows: elements named by their table, with attributes for index parts and columns. What type and
 * range a cell has is the schema's to say; a long text may be a child element instead of an
 * attribute. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "config/parse.h"
#include "config/units.h"

static const char owner_part[] = "owner", admin[] = "admin";

/* ---- cells ----------------------------------------------------------------------------------- */

/* Each fills CELL from the text of an attribute or element, or says what was expected. */
typedef int cell_parser(const struct sa_column *c, const char *text, struct config_cell *cell,
                        struct err *e);

bool column_is_duration(const struct sa_column *c)
{
    static const char end[] = "Millis";
    size_t n = strlen(c->xml), m = sizeof end - 1;

    return n >= m && strcmp(c->xml + n - m, end) == 0;
}

static int cell_number(const struct sa_column *c, const char *text, struct config_cell *cell,
                       struct err *e)
{
    bool duration = column_is_duration(c);
    int err = number_parse(text, &cell->number);

    if (err && duration)
        err = duration_parse(text, &cell->number);
    if (err || cell->number < c->min || cell->number > c->max)
        return err_set(e, ERR_INVALID, "expected a number from %" PRId64 " to %" PRId64 "%s",
                       c->min, c->max, duration ? " (milliseconds) or a duration such as 10s" : "");
    return 0;
}

static void names_print(const struct sa_name *names, char *dst, size_t cap)
{
    size_t at = 0;

    dst[0] = '\0';
    for (const struct sa_name *n = names; n->name && at < cap; n++)
        at += (size_t)snprintf(dst + at, cap - at, "%s%s", n == names ? "" : ", ", n->name);
}

static int cell_enum(const struct sa_column *c, const char *text, struct config_cell *cell,
                     struct err *e)
{
    char names[200];

    cell->number = sa_value_of(c->names, text);
    if (cell->number >= c->min && cell->number <= c->max)
        return 0;
    names_print(c->names, names, sizeof names);
    return err_set(e, ERR_INVALID, "expected one of %s", names);
}

static int cell_truth(const struct sa_column *c, const char *text, struct config_cell *cell,
                      struct err *e)
{
    static const struct property boolean = {.type = PROPERTY_BOOLEAN};
    int err = property_check(&boolean, text, e);

    (void)c;
    if (!err)
        cell->number = property_number(&boolean, text) ? TRUTH_TRUE : TRUTH_FALSE;
    return err;
}

static int cell_bits(const struct sa_column *c, const char *text, struct config_cell *cell,
                     struct err *e)
{
    char name[64], names[200];

    cell->number = 0;
    for (text += strspn(text, " "); *text; text += strspn(text, " ")) {
        size_t len = strcspn(text, " ");
        int64_t bit = -1;

        if (len < sizeof name) {
            memcpy(name, text, len);
            name[len] = '\0';
            bit = sa_value_of(c->names, name);
        }
        if (bit < 0) {
            names_print(c->names, names, sizeof names);
            return err_set(e, ERR_INVALID, "expected names divided by blanks out of %s", names);
        }
        cell->number |= INT64_C(1) << bit;
        text += len;
    }
    return 0;
}

static int cell_text(const struct sa_column *c, const char *text, struct config_cell *cell,
                     struct err *e)
{
    cell->len = strlen(text);
    if ((int64_t)cell->len < c->min || (int64_t)cell->len > c->max)
        return err_set(e, ERR_INVALID, "expected a text of %" PRId64 " to %" PRId64 " octets",
                       c->min, c->max);
    cell->text = strdup(text);
    return cell->text ? 0 : err_set(e, ERR_NOMEM, "out of memory");
}

static int cell_name(const struct sa_column *c, const char *text, struct config_cell *cell,
                     struct err *e)
{
    if (!(c->min == 0 && *text == '\0') && !name_valid(text, strlen(text)))
        return err_set(e, ERR_INVALID, "expected a name of %" PRId64 " to 32 octets", c->min);
    return cell_text(c, text, cell, e);
}

/* NULL: a syntax that the file cannot give. */
static cell_parser *const cell_parsers[] = {
    [SA_INTEGER] = cell_number,  [SA_ENUM] = cell_enum,          [SA_TRUTH] = cell_truth,
    [SA_UNSIGNED] = cell_number, [SA_GAUGE] = cell_number,       [SA_COUNTER] = cell_number,
    [SA_MILLIS] = cell_number,   [SA_GAUGE64] = cell_number,     [SA_TEXT] = cell_text,
    [SA_NAME] = cell_name,       [SA_NAME_OR_EMPTY] = cell_name, [SA_BITS] = cell_bits,
    [SA_OCTETS] = NULL,          [SA_TEST_AND_INCR] = NULL,
};

bool column_from_xml(const struct sa_column *c)
{
    return c->xml && cell_parsers[c->syntax];
}

static struct config_cell *cell_find(const struct config_row *r, const struct sa_column *c)
{
    for (size_t i = 0; i < r->ncells; i++)
        if (r->cells[i].column == c)
            return &r->cells[i];
    return NULL;
}

/* LINE: of the attribute or element NAME that gives the cell. */
static int add_cell(const struct parse *p, const struct xml_node *n, struct config_row *r,
                    const struct sa_column *c, const char *text, int line)
{
    struct config_cell *cell = parse_grow(r->cells, r->ncells, sizeof *cell);
    struct err why;
    int err;

    if (!cell)
        return parse_nomem(p);
    r->cells = cell;
    cell += r->ncells;
    cell->column = c;
    err = cell_parsers[c->syntax](c, text, cell, &why);
    if (err == ERR_NOMEM)
        return parse_nomem(p);
    if (err)
        return parse_bad_value(p, line, n, c->xml, text, false, why.text);
    r->ncells++;
    return 0;
}

/* ---- attributes ------------------------------------------------------------------------------ */

static int set_index(const struct parse *p, const struct xml_node *n, struct config_row *r,
                     size_t part, const struct xml_attribute *a)
{
    const struct sa_index *x = &r->table->index[part];
    int64_t number;
    char words[120];

    if (x->syntax == SA_NAME) {
        if (!name_valid(a->value, strlen(a->value)))
            return parse_bad_value(p, a->line, n, a->name, a->value, false,
                                   "expected a name of 1 to 32 octets");
        snprintf(r->names[part], sizeof r->names[part], "%s", a->value);
        return 0;
    }
    if (number_parse(a->value, &number) || number < x->min || number > x->max) {
        snprintf(words, sizeof words, "expected a number from %" PRId64 " to %" PRId64, x->min,
                 x->max);
        return parse_bad_value(p, a->line, n, a->name, a->value, false, words);
    }
    r->ids[part] = (uint32_t)number;
    return 0;
}

static int unknown_attribute(const struct parse *p, const struct xml_node *n,
                             const struct xml_attribute *a, const struct sa_table *t)
{
    struct parse_names expected = {.n = 0};

    for (size_t i = 0; i < t->nindex; i++)
        parse_names_add(&expected, t->index[i].xml);
    for (size_t i = 0; i < t->ncolumns; i++)
        if (column_from_xml(&t->columns[i]))
            parse_names_add(&expected, t->columns[i].xml);
    for (size_t i = 0; i < format_row.nattributes; i++)
        parse_names_add(&expected, format_row.attributes[i].name);
    return parse_unknown_attribute(p, n, a, &expected);
}

static int set_override(const struct parse *p, const struct xml_node *n, struct config_row *r,
                        const struct xml_attribute *a, const struct property *property)
{
    struct err why;

    if (property_check(property, a->value, &why))
        return parse_bad_value(p, a->line, n, a->name, a->value, false, why.text);
    r->override = property_number(property, a->value) != 0;
    return 0;
}

static int set_attribute(const struct parse *p, const struct xml_node *n, struct config_row *r,
                         const struct xml_attribute *a)
{
    const struct sa_table *t = r->table;
    const struct property *common =
        property_find(format_row.attributes, format_row.nattributes, a->name);
    const struct sa_column *c;

    for (size_t i = 0; i < t->nindex; i++)
        if (strcmp(t->index[i].xml, a->name) == 0)
            return set_index(p, n, r, i, a);
    c = sa_column_by_xml(t, a->name);
    if (c && column_from_xml(c))
        return add_cell(p, n, r, c, a->value, a->line);
    if (common)
        return set_override(p, n, r, a, common);
    return unknown_attribute(p, n, a, t);
}

static int check_index(const struct parse *p, const struct xml_node *n, struct config_row *r)
{
    for (size_t i = 0; i < r->table->nindex; i++) {
        const struct sa_index *x = &r->table->index[i];
        bool there = false;

        for (size_t j = 0; j < n->nattributes && !there; j++)
            there = strcmp(n->attributes[j].name, x->xml) == 0;
        if (strcmp(x->xml, owner_part) == 0) {
            int err;

            if (!there)
                snprintf(r->names[i], sizeof r->names[i], "%s", admin);
            err = parse_owner_exists(p, n, owner_part, r->names[i]);
            if (err)
                return err;
        } else if (!there) {
            return parse_fail(p, n->line, "<%s> needs the attribute '%s', a part of its index",
                              n->name, x->xml);
        }
    }
    return 0;
}

/* ---- rows ------------------------------------------------------------------------------------ */

static int unknown_child(const struct parse *p, const struct xml_node *n, const struct xml_node *in,
                         const struct sa_table *t)
{
    struct parse_names expected = {.n = 0};

    for (size_t i = 0; i < t->ncolumns; i++)
        if (column_from_xml(&t->columns[i]) && t->columns[i].syntax == SA_TEXT)
            parse_names_add(&expected, t->columns[i].xml);
    return parse_unknown_element(p, n, in->name, &expected);
}

static int parse_text_child(const struct parse *p, const struct xml_node *n,
                            const struct xml_node *in, struct config_row *r)
{
    const struct sa_column *c = sa_column_by_xml(r->table, n->name);
    struct parse_names none = {.n = 0};

    if (!c || !column_from_xml(c) || c->syntax != SA_TEXT)
        return unknown_child(p, n, in, r->table);
    if (n->nattributes)
        return parse_unknown_attribute(p, n, &n->attributes[0], &none);
    if (n->children)
        return parse_unknown_element(p, n->children, n->name, &none);
    if (cell_find(r, c))
        return parse_fail(p, n->line, "'%s' of <%s> is given twice; expected it once", c->xml,
                          in->name);
    return add_cell(p, in, r, c, n->text, n->line);
}

static int check_required(const struct parse *p, const struct xml_node *n,
                          const struct config_row *r)
{
    for (size_t i = 0; i < r->table->ncolumns; i++) {
        const struct sa_column *c = &r->table->columns[i];

        if (c->required && column_from_xml(c) && !cell_find(r, c))
            return parse_fail(p, n->line, "<%s> needs the attribute '%s': %s", n->name, c->xml,
                              c->help ? c->help : "");
    }
    return 0;
}

static int fill_row(const struct parse *p, const struct xml_node *n, struct config_row *r)
{
    int err = parse_no_text(p, n);

    for (size_t i = 0; !err && i < n->nattributes; i++)
        err = set_attribute(p, n, r, &n->attributes[i]);
    if (!err)
        err = check_index(p, n, r);
    for (const struct xml_node *child = n->children; !err && child; child = child->next)
        err = parse_text_child(p, child, n, r);
    return err ? err : check_required(p, n, r);
}

static int parse_row(const struct parse *p, const struct xml_node *n, const struct sa_table *t)
{
    struct config *c = p->config;
    struct config_row *r;

    if (c->nrows == CONFIG_ROWS_MAX)
        return parse_fail(p, n->line, "more than %d rows", CONFIG_ROWS_MAX);
    r = parse_grow(c->rows, c->nrows, sizeof *r);
    if (!r)
        return parse_nomem(p);
    c->rows = r;
    r += c->nrows++;
    r->table = t;
    r->line = n->line;
    return fill_row(p, n, r);
}

static int row_index_order(const struct config_row *x, const struct config_row *y)
{
    int c = (x->table->id > y->table->id) - (x->table->id < y->table->id);

    for (size_t i = 0; c == 0 && i < x->table->nindex; i++) {
        c = strcmp(x->names[i], y->names[i]);
        if (c == 0)
            c = (x->ids[i] > y->ids[i]) - (x->ids[i] < y->ids[i]);
    }
    return c;
}

static int row_order(const void *a, const void *b)
{
    const struct config_row *x = *(const struct config_row *const *)a;
    const struct config_row *y = *(const struct config_row *const *)b;
    int c = row_index_order(x, y);

    return c ? c : (x->line > y->line) - (x->line < y->line);
}

static void index_print(const struct config_row *r, char *dst, size_t cap)
{
    size_t at = 0;

    for (size_t i = 0; i < r->table->nindex && at < cap; i++) {
        const struct sa_index *x = &r->table->index[i];

        if (x->syntax == SA_NAME)
            at += (size_t)snprintf(dst + at, cap - at, " %s='%s'", x->xml, r->names[i]);
        else
            at += (size_t)snprintf(dst + at, cap - at, " %s='%" PRIu32 "'", x->xml, r->ids[i]);
    }
}

static int check_unique(const struct parse *p)
{
    const struct config *c = p->config;
    const struct config_row **list = calloc(c->nrows + 1, sizeof *list), **twice = NULL;
    char index[160];
    int err = 0;

    if (!list)
        return parse_nomem(p);
    for (size_t i = 0; i < c->nrows; i++)
        list[i] = &c->rows[i];
    qsort(list, c->nrows, sizeof *list, row_order);
    for (size_t i = 1; i < c->nrows; i++)
        if (row_index_order(list[i], list[i - 1]) == 0 &&
            (!twice || list[i]->line < (*twice)->line))
            twice = &list[i];
    if (twice) {
        index_print(*twice, index, sizeof index);
        err = parse_duplicate(p, (*twice)->line, twice[-1]->line, "<%s%s>", (*twice)->table->xml,
                              index);
    }
    free(list);
    return err;
}

static int unknown_table(const struct parse *p, const struct xml_node *n, const char *in)
{
    struct parse_names expected = {.n = 0};

    for (size_t i = 0; i < sa_ntables; i++)
        if (sa_tables[i]->xml)
            parse_names_add(&expected, sa_tables[i]->xml);
    return parse_unknown_element(p, n, in, &expected);
}

int parse_rows(const struct parse *p, const struct xml_node *n)
{
    int err = parse_container(p, n);

    for (const struct xml_node *child = n->children; !err && child; child = child->next) {
        const struct sa_table *t = sa_table_by_xml(child->name);

        err = t ? parse_row(p, child, t) : unknown_table(p, child, n->name);
    }
    return err ? err : check_unique(p);
}
