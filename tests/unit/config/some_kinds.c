#include "tests/unit/config/some_kinds.h"

#include <string.h>

#define COUNT(a) (sizeof(a) / sizeof *(a))

static const char *const encryptions[] = {"none", "tls", "ssl", NULL};
static const char *const auths[] = {"none", "password", NULL};
static const char *const versions[] = {"1", "2c", "3", NULL};

static const struct property smtp_properties[] = {
    {.name = "host",
     .type = PROPERTY_TEXT,
     .required = true,
     .min = 1,
     .max = 255,
     .help = "Name or address of the server."},
    {.name = "port", .type = PROPERTY_NUMBER, .min = 1, .max = 65535, .def = "25"},
    {.name = "encryption", .type = PROPERTY_ENUM, .names = encryptions, .def = "tls"},
    {.name = "auth", .type = PROPERTY_ENUM, .names = auths, .def = "none"},
    {.name = "username", .type = PROPERTY_TEXT, .max = 255},
    {.name = "password", .type = PROPERTY_SECRET, .max = 32},
    {.name = "passwordFile", .type = PROPERTY_FILE},
    {.name = "timeout", .type = PROPERTY_DURATION, .min = 1000, .max = 300000, .def = "30s"},
    {.name = "verify", .type = PROPERTY_BOOLEAN, .def = "true", .help = "Checks <names> & dates."},
    {.name = "subject", .type = PROPERTY_TEMPLATE, .place = TEMPLATE_LINE, .help = "A line."},
    {.name = "html", .type = PROPERTY_TEMPLATE, .place = TEMPLATE_HTML},
};

static int check_smtp(const struct values *v, struct err *e)
{
    bool password =
        *values_text(v, smtp_properties, COUNT(smtp_properties), "passwordFile") != '\0';

    if (values_number(v, smtp_properties, COUNT(smtp_properties), "auth") == 1 && !password)
        return err_set(e, ERR_INVALID, "auth='password' needs a passwordFile");
    return 0;
}

static const struct kind smtp = {
    .class_ = KIND_HANDLER,
    .name = "smtp",
    .properties = smtp_properties,
    .nproperties = COUNT(smtp_properties),
    .needs_recipients = true,
    .help = "Mail.",
    .check = check_smtp,
};

static const struct property trap_properties[] = {{.name = "to", .type = PROPERTY_TEXT}};

static const struct kind trap = {
    .class_ = KIND_HANDLER,
    .name = "trap",
    .properties = trap_properties,
    .nproperties = COUNT(trap_properties),
    .destination = "to",
    .help = "Traps.",
};

static const struct property all_properties[] = {
    {.name = "handlers", .type = PROPERTY_TEXT, .required = true, .help = "Names."}};

static const struct kind all = {
    .class_ = KIND_HANDLER,
    .name = "all",
    .properties = all_properties,
    .nproperties = COUNT(all_properties),
    .leads_to = "handlers",
    .help = "Several handlers.",
};

static const struct property sum_properties[] = {
    {.name = "handler", .type = PROPERTY_TEXT, .required = true, .help = "Name."},
    {.name = "time", .type = PROPERTY_DURATION, .max = 60000, .def = "10s"},
};

static const struct kind sum = {
    .class_ = KIND_HANDLER,
    .name = "sum",
    .properties = sum_properties,
    .nproperties = COUNT(sum_properties),
    .leads_to = "handler",
    .gathers = "time",
    .help = "One for many.",
};

static const struct property snmp_properties[] = {
    {.name = "host",
     .type = PROPERTY_TEXT,
     .required = true,
     .min = 1,
     .max = 255,
     .help = "Agent."},
    {.name = "version", .type = PROPERTY_ENUM, .names = versions, .def = "2c"},
    {.name = "community", .type = PROPERTY_SECRET, .max = 255, .def = "public"},
};

static const struct property get_properties[] = {
    {.name = "name", .type = PROPERTY_NAME, .required = true, .help = "Key in the topic."},
    {.name = "oid", .type = PROPERTY_OID, .required = true, .help = "Instance to read."},
};

static const struct property table_properties[] = {
    {.name = "name", .type = PROPERTY_NAME, .required = true, .help = "Key in the topic."},
    {.name = "oid", .type = PROPERTY_OID, .required = true, .help = "Table to walk."},
    {.name = "columns", .type = PROPERTY_TEXT, .required = true, .min = 1, .help = "name=arc ..."},
};

static int check_table(const struct values *v, struct err *e)
{
    const char *columns = values_text(v, table_properties, COUNT(table_properties), "columns");

    return strchr(columns, '=') ? 0 : err_set(e, ERR_INVALID, "expected columns as name=arc");
}

static const struct child_element snmp_children[] = {
    {.name = "get",
     .properties = get_properties,
     .nproperties = COUNT(get_properties),
     .help = "One instance."},
    {.name = "table",
     .properties = table_properties,
     .nproperties = COUNT(table_properties),
     .help = "A table by GETBULK.",
     .check = check_table},
};

static const struct kind snmp = {
    .class_ = KIND_SOURCE,
    .name = "snmp",
    .properties = snmp_properties,
    .nproperties = COUNT(snmp_properties),
    .children = snmp_children,
    .nchildren = COUNT(snmp_children),
    .help = "An SNMP agent.",
};

static const struct property http_properties[] = {
    {.name = "url", .type = PROPERTY_TEXT, .required = true, .min = 8, .max = 1024, .help = "URL."},
};

static const struct kind http = {
    .class_ = KIND_SOURCE,
    .name = "http",
    .properties = http_properties,
    .nproperties = COUNT(http_properties),
    .help = "A JSON document.",
};

static const struct property header_properties[] = {
    {.name = "name", .type = PROPERTY_NAME, .required = true, .help = "Of the header."},
    {.name = "value", .type = PROPERTY_TEXT, .max = 255, .help = "Shown to everybody."},
    {.name = "valueFile", .type = PROPERTY_FILE, .help = "File with a value that nobody sees."},
};

static const struct child_element post_children[] = {
    {.name = "header",
     .properties = header_properties,
     .nproperties = COUNT(header_properties),
     .help = "A header."},
};

static const struct kind post = {
    .class_ = KIND_HANDLER,
    .name = "post",
    .properties = http_properties,
    .nproperties = COUNT(http_properties),
    .children = post_children,
    .nchildren = COUNT(post_children),
    .help = "A web server.",
};

static const struct kind *const list[] = {&smtp, &trap, &all, &sum, &snmp, &http, &post};
const struct kinds some_kinds = {list, COUNT(list)};
