/* The RELAX NG schema of the file, printed from the tables that the reader walks, so that neither
 * can know more than the other. What a pattern cannot say (ranges of durations, names that exist,
 * duplicates, UTF-8 lengths) is left to the reader: the schema never refuses what the reader
 * takes. */
#include <inttypes.h>
#include <string.h>

#include "config/parse.h"

/* ---- XML ------------------------------------------------------------------------------------- */

static void put_escaped(struct buf *b, const char *s)
{
    for (; *s; s++) {
        switch (*s) {
        case '<':
            buf_bytes(b, "&lt;", 4);
            break;
        case '>':
            buf_bytes(b, "&gt;", 4);
            break;
        case '&':
            buf_bytes(b, "&amp;", 5);
            break;
        case '"':
            buf_bytes(b, "&quot;", 6);
            break;
        default:
            buf_u8(b, (uint8_t)*s);
        }
    }
}

static void put(struct buf *b, const char *s)
{
    buf_bytes(b, s, strlen(s));
}

static void put_named(struct buf *b, const char *what, const char *name)
{
    buf_printf(b, "<%s name=\"", what);
    put_escaped(b, name);
    put(b, "\">\n");
}

static void put_help(struct buf *b, const char *help)
{
    if (!help || !*help)
        return;
    put(b, "<a:documentation>");
    put_escaped(b, help);
    put(b, "</a:documentation>\n");
}

static void put_value(struct buf *b, const char *value)
{
    put(b, "<value type=\"string\">");
    put_escaped(b, value);
    put(b, "</value>");
}

/* ---- what a text may be ---------------------------------------------------------------------- */

/* Lengths are octets to us and characters to the schema, which is the wider measure. */
static void put_string(struct buf *b, const char *type, int64_t min, int64_t max)
{
    buf_printf(b,
               "<data type=\"%s\"><param name=\"minLength\">%d</param>"
               "<param name=\"maxLength\">%" PRId64 "</param></data>\n",
               type, min > 0, max);
}

static void put_number(struct buf *b, int64_t min, int64_t max)
{
    buf_printf(b,
               "<data type=\"integer\"><param name=\"minInclusive\">%" PRId64
               "</param><param name=\"maxInclusive\">%" PRId64 "</param></data>\n",
               min, max);
}

static void put_pattern(struct buf *b, const char *pattern)
{
    buf_printf(b, "<data type=\"string\"><param name=\"pattern\">%s</param></data>\n", pattern);
}

static void put_boolean(struct buf *b)
{
    static const char *const words[] = {"true", "false", "yes", "no", "1", "0"};

    put(b, "<choice>");
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        put_value(b, words[i]);
    put(b, "</choice>\n");
}

static void put_choice(struct buf *b, const char *const *names)
{
    put(b, "<choice>");
    for (size_t i = 0; names[i]; i++)
        put_value(b, names[i]);
    put(b, "</choice>\n");
}

static void put_property_data(struct buf *b, const struct property *p)
{
    static const char *const patterns[] = {
        [PROPERTY_FILE] = "/.*",
        [PROPERTY_DURATION] = "[0-9]+(ms|s|m|h|d)?",
        [PROPERTY_OID] = "\\.?[0-2](\\.[0-9]+)+",
        [PROPERTY_SIZE] = "[0-9]+(KiB|MiB|GiB|TiB)?",
        [PROPERTY_ADDRESS] = "/.*|unix:/.*|tcp:.+:[0-9]+",
    };

    switch (p->type) {
    case PROPERTY_TEXT:
    case PROPERTY_SECRET:
        put_string(b, "string", p->min, p->max ? p->max : PROPERTY_TEXT_DEFAULT_MAX);
        break;
    case PROPERTY_NUMBER:
        put_number(b, p->min, p->max);
        break;
    case PROPERTY_BOOLEAN:
        put_boolean(b);
        break;
    case PROPERTY_ENUM:
        put_choice(b, p->names);
        break;
    case PROPERTY_NAME:
        put_string(b, "string", 1, 32);
        break;
    case PROPERTY_TEMPLATE:
        put_string(b, "string", 0, TEMPLATE_MAX);
        break;
    case PROPERTY_NAMES:
        put(b, "<text/>\n");
        break;
    default:
        put_pattern(b, patterns[p->type]);
    }
}

static void put_names(struct buf *b, const struct sa_name *names)
{
    put(b, "<choice>");
    for (; names->name; names++)
        put_value(b, names->name);
    put(b, "</choice>\n");
}

static void put_bits(struct buf *b, const struct sa_name *names)
{
    put(b, "<list><zeroOrMore>");
    put_names(b, names);
    put(b, "</zeroOrMore></list>\n");
}

static void put_number_or_duration(struct buf *b, const struct sa_column *c)
{
    put(b, "<choice>\n");
    put_number(b, c->min, c->max);
    put_pattern(b, "[0-9]+(ms|s|m|h|d)");
    put(b, "</choice>\n");
}

static void put_column_data(struct buf *b, const struct sa_column *c)
{
    switch (c->syntax) {
    case SA_ENUM:
        put_names(b, c->names);
        break;
    case SA_TRUTH:
        put_boolean(b);
        break;
    case SA_BITS:
        put_bits(b, c->names);
        break;
    case SA_TEXT:
    case SA_NAME:
    case SA_NAME_OR_EMPTY:
        put_string(b, "string", c->min, c->max);
        break;
    default:
        if (column_is_duration(c))
            put_number_or_duration(b, c);
        else
            put_number(b, c->min, c->max);
    }
}

/* ---- elements -------------------------------------------------------------------------------- */

static void put_property(struct buf *b, const struct property *p)
{
    bool element = p->type == PROPERTY_TEMPLATE;

    if (!p->required)
        put(b, "<optional>");
    if (element)
        put(b, "<choice>\n");
    put_named(b, "attribute", p->name);
    put_help(b, p->help);
    put_property_data(b, p);
    put(b, "</attribute>");
    if (element) {
        put(b, "\n");
        put_named(b, "element", p->name);
        put(b, "<text/></element>\n</choice>"); /* blanks around it do not count */
    }
    put(b, p->required ? "\n" : "</optional>\n");
}

static void put_properties(struct buf *b, const struct property *props, size_t n)
{
    for (size_t i = 0; i < n; i++)
        put_property(b, &props[i]);
}

static bool has_templates(const struct kind *k)
{
    for (size_t i = 0; i < k->nproperties; i++)
        if (k->properties[i].type == PROPERTY_TEMPLATE)
            return true;
    return false;
}

static void put_leaf(struct buf *b, const struct format_element *f)
{
    put_named(b, "element", f->name);
    put_help(b, f->help);
    put_properties(b, f->attributes, f->nattributes);
    put(b, "<empty/></element>\n");
}

static void put_child(struct buf *b, const struct child_element *c)
{
    put_named(b, "element", c->name);
    put_help(b, c->help);
    put_properties(b, c->properties, c->nproperties);
    put(b, "<empty/></element>\n");
}

static void put_kind(struct buf *b, const struct kind *k, const struct format_element *common)
{
    put_named(b, "element", k->name);
    put_help(b, k->help);
    if (has_templates(k)) /* elements in any order */
        put(b, "<interleave>\n");
    put_properties(b, common->attributes, common->nattributes);
    put_properties(b, k->properties, k->nproperties);
    if (k->nchildren)
        put(b, "<zeroOrMore><choice>\n");
    for (size_t i = 0; i < k->nchildren; i++)
        put_child(b, &k->children[i]);
    if (k->nchildren)
        put(b, "</choice></zeroOrMore>");
    else if (!has_templates(k))
        put(b, "<empty/>");
    put(b, has_templates(k) ? "</interleave></element>\n" : "</element>\n");
}

/* Elements of a section in any order and number; NONE closes a choice without any. */
static void put_kinds(struct buf *b, const struct kinds *kinds, enum kind_class class_,
                      const struct format_element *common)
{
    put(b, "<zeroOrMore><choice>\n<notAllowed/>\n");
    for (size_t i = 0; i < kinds->n; i++)
        if (kinds->items[i]->class_ == class_)
            put_kind(b, kinds->items[i], common);
    put(b, "</choice></zeroOrMore>\n");
}

static void put_column(struct buf *b, const struct sa_column *c)
{
    bool text = c->syntax == SA_TEXT;

    if (!c->required)
        put(b, "<optional>");
    if (text)
        put(b, "<choice>\n");
    put_named(b, "attribute", c->xml);
    put_help(b, c->help);
    put_column_data(b, c);
    put(b, "</attribute>\n");
    if (text) {
        put_named(b, "element", c->xml);
        put_string(b, "token", c->min, c->max); /* blanks around it do not count */
        put(b, "</element>\n</choice>");
    }
    put(b, c->required ? "\n" : "</optional>\n");
}

static void put_index(struct buf *b, const struct sa_index *x)
{
    bool optional = strcmp(x->xml, "owner") == 0;

    if (optional)
        put(b, "<optional>");
    put_named(b, "attribute", x->xml);
    if (x->syntax == SA_NAME)
        put_string(b, "string", 1, 32);
    else
        put_number(b, x->min, x->max);
    put(b, "</attribute>");
    put(b, optional ? "</optional>\n" : "\n");
}

static void put_table(struct buf *b, const struct sa_table *t)
{
    size_t n = 0;

    put_named(b, "element", t->xml);
    put_help(b, t->help);
    for (size_t i = 0; i < t->nindex; i++)
        put_index(b, &t->index[i]);
    put_properties(b, format_row.attributes, format_row.nattributes);
    for (size_t i = 0; i < t->ncolumns; i++) {
        if (!column_from_xml(&t->columns[i]))
            continue;
        if (n++ == 0)
            put(b, "<interleave>\n");
        put_column(b, &t->columns[i]);
    }
    put(b, n ? "</interleave></element>\n" : "<empty/></element>\n");
}

static void put_tables(struct buf *b)
{
    put(b, "<zeroOrMore><choice>\n");
    for (size_t i = 0; i < sa_ntables; i++)
        if (sa_tables[i]->xml)
            put_table(b, sa_tables[i]);
    put(b, "</choice></zeroOrMore>\n");
}

/* ---- sections -------------------------------------------------------------------------------- */

static void put_section(struct buf *b, const struct format_section *s, const struct kinds *kinds)
{
    if (!s->required)
        put(b, "<optional>");
    if (s->leaf) {
        put_leaf(b, s->leaf);
    } else {
        put_named(b, "element", s->name);
        put_help(b, s->help);
        if (s->item) {
            put(b, "<zeroOrMore>\n");
            put_leaf(b, s->item);
            put(b, "</zeroOrMore>\n");
        } else if (s->common == &format_row) {
            put_tables(b);
        } else {
            put_kinds(b, kinds, s->class_, s->common);
        }
        put(b, "</element>");
    }
    put(b, s->required ? "\n" : "</optional>\n");
}

int config_rng(struct buf *out, const struct kinds *kinds)
{
    put(out, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
             "<!-- Made from the tables of snmpalertd; do not edit. -->\n"
             "<grammar xmlns=\"http://relaxng.org/ns/structure/1.0\"\n"
             "    xmlns:a=\"http://relaxng.org/ns/compatibility/annotations/1.0\"\n"
             "    datatypeLibrary=\"http://www.w3.org/2001/XMLSchema-datatypes\"\n"
             "    ns=\"" XML_NAMESPACE "\">\n<start>\n");
    put_named(out, "element", FORMAT_ROOT);
    put(out, "<interleave>\n");
    for (size_t i = 0; i < format_nsections; i++)
        put_section(out, &format_sections[i], kinds);
    put(out, "</interleave></element>\n</start>\n</grammar>\n");
    return out->err;
}
