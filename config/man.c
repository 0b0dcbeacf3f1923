/* The manual page of the file, printed from the tables that the reader walks. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "config/parse.h"

static void put(struct buf *b, const char *s)
{
    buf_bytes(b, s, strlen(s));
}

/* Text that roff shall take as it is. */
static void put_text(struct buf *b, const char *s)
{
    bool begins = true;

    for (; *s; s++) {
        if (begins && (*s == '.' || *s == '\''))
            put(b, "\\&");
        if (*s == '\\')
            put(b, "\\e");
        else if (*s == '-')
            put(b, "\\-");
        else
            buf_u8(b, (uint8_t)*s);
        begins = *s == '\n';
    }
}

static void put_section(struct buf *b, const char *macro, const char *title)
{
    buf_printf(b, ".%s \"", macro);
    put_text(b, title);
    put(b, "\"\n");
}

/* ".TP", the name in bold and what stands behind it in brackets. */
static void put_item(struct buf *b, const char *name, const char *expectation, bool required,
                     const char *def)
{
    put(b, ".TP\n\\fB");
    put_text(b, name);
    put(b, "\\fR (");
    put_text(b, expectation);
    if (required) {
        put(b, "; required");
    } else if (def && *def) {
        put(b, "; default ");
        put_text(b, def);
    }
    put(b, ")\n");
}

static void put_help(struct buf *b, const char *help)
{
    if (help && *help) {
        put_text(b, help);
        put(b, "\n");
    }
}

static void put_properties(struct buf *b, const struct property *props, size_t n)
{
    char expectation[200];

    for (size_t i = 0; i < n; i++) {
        property_expectation(&props[i], expectation, sizeof expectation);
        put_item(b, props[i].name, expectation, props[i].required, props[i].def);
        put_help(b, props[i].help);
        if (props[i].type == PROPERTY_TEMPLATE)
            put(b, "See TEMPLATES.\n");
        if (props[i].type == PROPERTY_SECRET)
            put(b, "It is a secret: never shown, never logged.\n");
        if (props[i].target_may_override)
            put(b, "A target may override it.\n");
    }
}

static void put_kind(struct buf *b, const struct kind *k)
{
    char title[80];

    snprintf(title, sizeof title, "<%s>", k->name);
    put_section(b, "SS", title);
    put_help(b, k->help);
    put_properties(b, k->properties, k->nproperties);
    for (size_t i = 0; i < k->nchildren; i++) {
        put(b, ".PP\nElements \\fB<");
        put_text(b, k->children[i].name);
        put(b, ">\\fR within it: ");
        put_help(b, k->children[i].help);
        put(b, ".RS\n");
        put_properties(b, k->children[i].properties, k->children[i].nproperties);
        put(b, ".RE\n");
    }
}

/* ---- tables ---------------------------------------------------------------------------------- */

static void names_print(const char *what, const struct sa_name *names, char *dst, size_t cap)
{
    size_t n = (size_t)snprintf(dst, cap, "%s ", what);

    for (size_t i = 0; names[i].name && n < cap; i++)
        n += (size_t)snprintf(dst + n, cap - n, "%s%s", i ? ", " : "", names[i].name);
}

static void column_expectation(const struct sa_column *c, char *dst, size_t cap)
{
    switch (c->syntax) {
    case SA_ENUM:
        names_print("one of", c->names, dst, cap);
        break;
    case SA_TRUTH:
        snprintf(dst, cap, "true or false");
        break;
    case SA_BITS:
        names_print("names divided by blanks out of", c->names, dst, cap);
        break;
    case SA_TEXT:
        snprintf(dst, cap, "a text of %" PRId64 " to %" PRId64 " octets", c->min, c->max);
        break;
    case SA_NAME:
    case SA_NAME_OR_EMPTY:
        snprintf(dst, cap, "a name of %" PRId64 " to %" PRId64 " octets", c->min, c->max);
        break;
    default:
        snprintf(dst, cap, "%s from %" PRId64 " to %" PRId64 " ms", "a duration or number", c->min,
                 c->max);
        if (!column_is_duration(c))
            snprintf(dst, cap, "a number from %" PRId64 " to %" PRId64, c->min, c->max);
    }
}

static void bits_print(const struct sa_column *c, char *dst, size_t cap)
{
    size_t n = 0;

    dst[0] = '\0';
    for (const struct sa_name *bit = c->names; bit->name && n < cap; bit++)
        if (c->def >> bit->value & 1)
            n += (size_t)snprintf(dst + n, cap - n, "%s%s", n ? " " : "", bit->name);
}

static void default_print(const struct sa_column *c, char *dst, size_t cap)
{
    const char *name;

    switch (c->syntax) {
    case SA_ENUM:
    case SA_TRUTH:
        name = sa_name_of(c->names, c->def);
        snprintf(dst, cap, "%s", name ? name : "");
        break;
    case SA_BITS:
        bits_print(c, dst, cap);
        break;
    case SA_TEXT:
    case SA_NAME:
    case SA_NAME_OR_EMPTY:
        snprintf(dst, cap, "%s", c->def_text ? c->def_text : "");
        break;
    default:
        snprintf(dst, cap, "%" PRId64, c->def);
    }
}

static void put_index(struct buf *b, const struct sa_index *x)
{
    char expectation[80];
    bool owner = strcmp(x->xml, "owner") == 0;

    if (x->syntax == SA_NAME)
        snprintf(expectation, sizeof expectation, "a name of 1 to 32 octets");
    else
        snprintf(expectation, sizeof expectation, "a number from %" PRId64 " to %" PRId64, x->min,
                 x->max);
    put_item(b, x->xml, expectation, !owner, owner ? "admin" : NULL);
    put(b, "Part of the index.\n");
}

static void put_table(struct buf *b, const struct sa_table *t)
{
    char title[80], expectation[200], def[200];

    snprintf(title, sizeof title, "<%s>", t->xml);
    put_section(b, "SS", title);
    buf_printf(b, "A row of %s. ", t->name);
    put_help(b, t->help);
    for (size_t i = 0; i < t->nindex; i++)
        put_index(b, &t->index[i]);
    for (size_t i = 0; i < t->ncolumns; i++) {
        const struct sa_column *c = &t->columns[i];

        if (!column_from_xml(c))
            continue;
        column_expectation(c, expectation, sizeof expectation);
        default_print(c, def, sizeof def);
        put_item(b, c->xml, expectation, c->required, def);
        put_help(b, c->help);
    }
}

/* ---- the page -------------------------------------------------------------------------------- */

static const char head[] =
    ".TH SNMPALERTD.XML 5 \"\" \"snmpalertd\" \"File formats\"\n"
    ".nh\n"
    ".ad l\n"
    ".SH NAME\n"
    "snmpalertd.xml \\- configuration of the SNMP alert manager\n"
    ".SH DESCRIPTION\n"
    ".BR snmpalertd (8)\n"
    "reads this file when it starts. It says what SNMP should not: where the\n"
    "store is, who the owners are, what is polled and through what notices are delivered; and it "
    "may\n"
    "hold rows of the tables of SNMPALERT\\-MIB as initial content. A file with an error is "
    "refused as\n"
    "a whole, with file, line and what was expected. To change it, edit it, check it with\n"
    ".BR \"snmpalertd \\-\\-check\\-config\" ,\n"
    "and send the daemon SIGHUP, or set saConfigReload: what the file leaves as it was goes on\n"
    "without a gap.\n"
    ".PP\n"
    "The file is UTF\\-8 without a document type. All elements are in the namespace\n"
    "\\fBurn:snmpalertd:config\\fR and below the root element \\fB<snmpalertd>\\fR. Its sections, "
    "in "
    "any\n"
    "order, are the chapters from \\fB<store>\\fR to \\fB<rows>\\fR below; only \\fB<store>\\fR "
    "must "
    "be there.\n"
    "What ties them together are names: a definition reads the topics of sources, a target uses a\n"
    "handler, groups lead from definitions to targets.\n"
    ".PP\n"
    "Durations are a number and a unit, ms, s, m, h or d: 500ms, 10s, 5m; a number alone counts\n"
    "milliseconds, also where a name ends in Millis. Names are UTF\\-8 without control "
    "characters, and\n"
    "capitals count. Booleans are true or false (yes, no, 1 and 0 are read, too). Attributes that "
    "name\n"
    "programs or files can be set here only, never by SNMP.\n";

static const char rows_head[] =
    "Rows become StorageType readOnly, or permanent where \\fBoverride\\fR says so: then managers "
    "may\n"
    "change them by SNMP. What they change stays when this file is read again, what they did not\n"
    "touch follows the file, and the column named ...Revert takes the row back. A column that\n"
    "is a text may stand as a child element instead of an attribute, so that a condition needs no\n"
    "quoting in a CDATA section; blanks at both its ends do not count.\n"
    "A row may refer to one that stands further down. What rows refer to must be in the file: "
    "rows\n"
    "that managers made may refer to the file's, not the other way round.\n";

static const char conditions[] =
    ".SH CONDITIONS\n"
    "A condition is ECMAScript 5; the value of its last expression is the answer:\n"
    ".TP\n"
    "true, false\n"
    "the level \\fBseverity\\fR, the level ok\n"
    ".TP\n"
    "\\(aqWARNING\\(aq\n"
    "the level of that name, in capitals: OK, INFO, WARNING, CRITICAL or UNKNOWN\n"
    ".TP\n"
    "\\(aqSKIPPED\\(aq\n"
    "the level that there was\n"
    ".TP\n"
    "({level, value, message})\n"
    "a level (a name, true or false), what is to be told as its value, and in which words\n"
    ".TP\n"
    "undefined, null, NaN\n"
    "there are no data: see \\fBnoData\\fR and \\fBstaleMultiplier\\fR\n"
    ".TP\n"
    "anything else\n"
    "an error, as are exceptions and more than 10 ms of processor time or 8 MiB: see\n"
    "\\fBonError\\fR; saDefinitionError has the words\n"
    ".PP\n"
    "\\fB_topic[\\(aqNAME\\(aq]\\fR is what the source NAME brought last: the JSON document of "
    "\\fB<http>\\fR, or\n"
    "an object with the values of \\fB<get>\\fR and the tables of \\fB<snmp>\\fR, whose rows are "
    "named by\n"
    "their index. Each row of a table is also a topic of its own:\n"
    ".RS\n"
    "_topic[\\(aqrouter1\\(aq].sysUpTime\n"
    ".br\n"
    "_topic[\\(aqrouter1\\(aq].if[\\(aq2\\(aq].ifOperStatus\n"
    ".br\n"
    "_topic[\\(aqrouter1.if.2\\(aq].ifOperStatus\n"
    ".RE\n"
    ".PP\n"
    "saTopicHead shows what there is. A topic that has not come, does not exist or may not be read "
    "by\n"
    "the owner (\\fBreaders\\fR) is undefined; a member of it is an exception then, which shows a "
    "misspelt name\n"
    "in saDefinitionError. A condition is evaluated when a topic that it read last time has "
    "changed,\n"
    "and at least every \\fBintervalMillis\\fR.\n"
    ".SS What targets match\n"
    "The \\fBmatch\\fR of a \\fB<target>\\fR is such a script, too. It is asked of each notice of "
    "a "
    "problem that\n"
    "\\fBstates\\fR and \\fBminLevel\\fR let through; true sends it, false leaves nothing of it. "
    "It "
    "sees:\n"
    ".TP\n"
    "level, previousLevel\n"
    "names of levels, in capitals\n"
    ".TP\n"
    "changed\n"
    "whether these differ\n"
    ".TP\n"
    "definition, instance, service\n"
    "texts\n"
    ".TP\n"
    "groups, group\n"
    "the names of the groups that lead from the definition to the target, and the first of them; "
    "a\n"
    "global target has none, and an empty text\n"
    ".TP\n"
    "duration\n"
    "the seconds that the alert had been active\n"
    ".TP\n"
    "labels\n"
    "an object, which has no members yet\n"
    ".PP\n"
    "That a problem is over, and an acknowledgement, goes to whoever was told of the problem, "
    "whatever\n"
    "the script says. When it fails, answers anything else, or gives no answer within a minute, "
    "the\n"
    "notice is sent, and saTargetMatchError says why.\n";

/* ---- templates --------------------------------------------------------------------------------
 */

static const char templates_head[] =
    ".SH TEMPLATES\n"
    "What messages say may be a template: a text with names in it, which each message fills in. A\n"
    "template is an attribute, or a child element of the same name, which may have lines and "
    "stand in\n"
    "a CDATA section; blanks at both its ends do not count.\n"
    ".TP\n"
    "${name}\n"
    "the value\n"
    ".TP\n"
    "${name|text}\n"
    "\\fItext\\fR, as it stands, when the value is empty\n"
    ".TP\n"
    "${#name}...${/name}\n"
    "what is between, when the value is not empty (not in JSON)\n"
    ".TP\n"
    "${#events}...${/events}\n"
    "what is between, once for each event of the message, the newest first\n"
    ".TP\n"
    "${#events|text}...${/events}\n"
    "the same, with \\fItext\\fR between two of them\n"
    ".TP\n"
    "$$\n"
    "a dollar\n"
    ".PP\n"
    "A message may bring several events (\\fBdigestMillis\\fR). Within an events section names "
    "are the\n"
    "event's, elsewhere those of the event with the highest level. Values are escaped for where "
    "they\n"
    "go: in a line and in plain text each stays on one line; in HTML they stand in text and in "
    "quoted\n"
    "attributes, and as links lead to http, https and mailto only; in JSON \"${name}\" is within "
    "a string\n"
    "and ${name} is a whole value: a number, a string, or null when it is empty; in a form they "
    "are written\n"
    "as %XX. A template with an unknown name, or with a value where no escaping would hold it, is "
    "refused\n"
    "with its line and column.\n"
    "The names:\n";

static void put_templates(struct buf *b)
{
    put(b, templates_head);
    for (size_t i = 0; i < TEMPLATE_NAMES; i++) {
        put(b, ".TP\n\\fB");
        put_text(b, template_names[i].name);
        put(b, template_names[i].number ? "\\fR (a number)\n" : "\\fR\n");
        put_help(b, template_names[i].help);
    }
    buf_printf(b,
               ".PP\n"
               "A template has at most %d octets and %d values and sections; of a value the first "
               "%d octets\n"
               "are written, of a line the first %d. Events for which a message of %d KiB has no "
               "room are left\n"
               "out.\n",
               TEMPLATE_MAX, TEMPLATE_VALUES_MAX, TEMPLATE_VALUE_MAX, TEMPLATE_LINE_MAX,
               TEMPLATE_OUTPUT_MAX >> 10);
}

static const char tail[] =
    ".SH EXAMPLE\n"
    ".nf\n"
    "<snmpalertd xmlns=\"urn:snmpalertd:config\">\n"
    "  <store path=\"/var/lib/snmpalertd\"/>\n"
    "  <sources>\n"
    "    <http name=\"cluster.metrics\" url=\"http://127.0.0.1:9090/ws/v2/cluster/metrics\"/>\n"
    "  </sources>\n"
    "  <handlers>\n"
    "    <smtp name=\"mail\" host=\"smtp.example.net\" fromAddress=\"alerts@example.net\"/>\n"
    "  </handlers>\n"
    "  <rows>\n"
    "    <definition name=\"busy\">\n"
    "      <condition>_topic[\\(aqcluster.metrics\\(aq].numAppsRunning &gt; 5</condition>\n"
    "    </definition>\n"
    "    <target name=\"ops\" handler=\"mail\" recipients=\"ops@example.net\" global=\"true\"/>\n"
    "  </rows>\n"
    "</snmpalertd>\n"
    ".fi\n"
    ".SH DIAGNOSTICS\n"
    "\\fBsnmpalertd \\-\\-check\\-config\\fR checks a file and exits with 78 when it is refused:\n"
    ".PP\n"
    "snmpalertd.xml:14: unknown attribute \\(aqprot\\(aq of <smtp>; did you mean \\(aqport\\(aq?\n"
    ".PP\n"
    "It tells the first error only: mend it and check again. Whether servers answer, passwords "
    "are\n"
    "right and recipients are addresses is seen when it runs: \\fBsnmpalert test\\fR "
    "\\fITARGET\\fR "
    "sends one\n"
    "message, saSourceLastError and saTargetLastError have the words.\n"
    ".SH FILES\n"
    "snmpalertd.rng, a RELAX NG schema, and snmpalertd.xml.sample, which has every element, are "
    "where\n"
    ".BR snmpalertd (8)\n"
    "says. The schema is for editors and for\n"
    ".BR xmllint (1);\n"
    "what \\fB\\-\\-check\\-config\\fR checks is more.\n"
    ".SH SEE ALSO\n"
    ".BR snmpalert (1),\n"
    ".BR snmpalertd (8),\n"
    ".BR snmpd.conf (5)\n";

static void put_kinds(struct buf *b, const struct kinds *kinds, enum kind_class class_)
{
    for (size_t i = 0; i < kinds->n; i++)
        if (kinds->items[i]->class_ == class_)
            put_kind(b, kinds->items[i]);
}

static void put_format_section(struct buf *b, const struct format_section *s,
                               const struct kinds *kinds)
{
    const struct format_element *f = s->leaf ? s->leaf : s->item ? s->item : s->common;
    char title[80];

    snprintf(title, sizeof title, "<%s>%s", s->name, s->required ? " (required)" : "");
    put_section(b, "SH", title);
    put_help(b, s->help);
    if (s->common == &format_row)
        put(b, rows_head);
    if (s->item) {
        put(b, "Each is an element \\fB<");
        put_text(b, f->name);
        put(b, ">\\fR: ");
    }
    if (!s->leaf)
        put_help(b, f->help);
    put_properties(b, f->attributes, f->nattributes);
    if (s->common && s->common != &format_row)
        put_kinds(b, kinds, s->class_);
    for (size_t i = 0; s->common == &format_row && i < sa_ntables; i++)
        if (sa_tables[i]->xml)
            put_table(b, sa_tables[i]);
}

int config_man(struct buf *out, const struct kinds *kinds)
{
    put(out, head);
    for (size_t i = 0; i < format_nsections; i++)
        put_format_section(out, &format_sections[i], kinds);
    put(out, conditions);
    put_templates(out);
    put(out, tail);
    return out->err;
}
