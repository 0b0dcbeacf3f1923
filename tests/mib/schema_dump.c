/* Prints the schema of mibs/schema.c as JSON, for tests that compare it with SNMPALERT-MIB.txt. */
#include "mibs/schema.h"

#include <inttypes.h>
#include <stdio.h>

static const char *const syntax_names[] = {
    [SA_INTEGER] = "integer",
    [SA_TEST_AND_INCR] = "testAndIncr",
    [SA_ENUM] = "enum",
    [SA_TRUTH] = "truth",
    [SA_ROW_STATUS] = "rowStatus",
    [SA_STORAGE_TYPE] = "storage",
    [SA_UNSIGNED] = "unsigned",
    [SA_GAUGE] = "gauge",
    [SA_COUNTER] = "counter",
    [SA_MILLIS] = "millis",
    [SA_GAUGE64] = "gauge64",
    [SA_DATE] = "date",
    [SA_TEXT] = "text",
    [SA_NAME] = "name",
    [SA_NAME_OR_EMPTY] = "nameOrEmpty",
    [SA_BITS] = "bits",
    [SA_OCTETS] = "octets",
};
static const char *const access_names[] = {
    [SA_HIDDEN] = "hidden",
    [SA_NOT_ACCESSIBLE] = "not-accessible",
    [SA_NOTIFY] = "accessible-for-notify",
    [SA_READ_ONLY] = "read-only",
    [SA_READ_WRITE] = "read-write",
    [SA_READ_CREATE] = "read-create",
};
static const char *const keep_names[] = {
    [SA_DURABLE] = "durable",
    [SA_VOLATILE] = "volatile",
    [SA_COMPUTED] = "computed",
};

/* A string or null; the schema's texts are printable ASCII. */
static void put_text(const char *key, const char *s)
{
    printf("\"%s\": ", key);
    if (!s) {
        printf("null, ");
        return;
    }
    putchar('"');
    for (; *s; s++) {
        if (*s == '"' || *s == '\\')
            putchar('\\');
        putchar(*s);
    }
    printf("\", ");
}

static void put_number(const char *key, int64_t v)
{
    printf("\"%s\": %" PRId64 ", ", key, v);
}

static void put_names(const struct sa_name *n)
{
    const char *comma = "";

    printf("\"names\": {");
    for (; n && n->name; n++, comma = ", ")
        printf("%s\"%s\": %" PRId32, comma, n->name, n->value);
    printf("}");
}

static void put_column(const struct sa_table *t, const struct sa_column *c)
{
    printf("    {");
    put_number("number", c->number);
    put_text("name", c->name);
    put_text("xml", c->xml);
    put_text("syntax", syntax_names[c->syntax]);
    put_text("access", access_names[c->access]);
    put_text("keep", keep_names[c->keep]);
    put_number("min", c->min);
    put_number("max", c->max);
    put_number("required", c->required);
    put_number("frozen", c->frozen);
    put_number("def", c->def);
    put_text("def_text", c->def_text);
    put_number("part", sa_index_part(t, c));
    put_text("help", c->help);
    put_names(c->names);
    printf("}");
}

static void put_table(const struct sa_table *t)
{
    printf("  {");
    put_number("id", t->id);
    put_text("name", t->name);
    put_text("xml", t->xml);
    put_number("scalars", t->scalars);
    put_text("keep", keep_names[t->keep]);
    put_number("row_status", t->row_status);
    put_number("storage_type", t->storage_type);
    put_text("help", t->help);
    printf("\n   \"index\": [");
    for (size_t i = 0; i < t->nindex; i++) {
        printf("%s{", i ? ", " : "");
        put_text("name", t->index[i].name);
        put_text("xml", t->index[i].xml);
        put_text("syntax", syntax_names[t->index[i].syntax]);
        put_number("min", t->index[i].min);
        printf("\"max\": %" PRId64 "}", t->index[i].max);
    }
    printf("],\n   \"columns\": [\n");
    for (size_t i = 0; i < t->ncolumns; i++) {
        put_column(t, &t->columns[i]);
        printf("%s\n", i + 1 < t->ncolumns ? "," : "");
    }
    printf("  ]}");
}

static void put_notification(const struct sa_notification_type *n)
{
    printf("  {");
    put_number("number", n->number);
    put_text("name", n->name);
    put_text("help", n->help);
    printf("\"objects\": [");
    for (size_t i = 0; i < n->nobjects; i++)
        printf("%s[%d, %d]", i ? ", " : "", n->objects[i].table, n->objects[i].column);
    printf("]}");
}

int main(void)
{
    printf("{\"root\": [");
    for (size_t i = 0; i < sa_root_len; i++)
        printf("%s%" PRIu32, i ? ", " : "", sa_root[i]);
    printf("],\n \"tables\": [\n");
    for (size_t i = 0; i < sa_ntables; i++) {
        put_table(sa_tables[i]);
        printf("%s\n", i + 1 < sa_ntables ? "," : "");
    }
    printf(" ],\n \"notifications\": [\n");
    for (size_t i = 0; i < sa_nnotifications; i++) {
        put_notification(&sa_notifications[i]);
        printf("%s\n", i + 1 < sa_nnotifications ? "," : "");
    }
    printf(" ]}\n");
    return 0;
}
