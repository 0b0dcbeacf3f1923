/* The XML file: what a good one becomes, the exact error of every bad one, and the RELAX NG schema,
 * which takes the good ones and refuses what is bad by its structure. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include <libxml/relaxng.h>

#include "tests/unit/config/bad_files.h"
#include "config/config.h"
#include "tests/unit/config/some_kinds.h"

#define COUNT(a) (sizeof(a) / sizeof *(a))

static const char good[] =
    "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n"
    "<!-- all sections, in another order than the schema's -->\n"
    "<c:snmpalertd xmlns:c=\"urn:snmpalertd:config\" xmlns=\"urn:snmpalertd:config\">\n"
    "  <handlers>\n"
    "    <smtp name=\"mail\" host=\"smtp.example.net\" port=\"587\" auth=\"password\"\n"
    "          passwordFile=\"/etc/secret\" timeout=\"1m\" verify=\"no\"/>\n"
    "    <smtp owner=\"alice\" name=\"mail\" host=\"localhost\" subject=\"${level}\">\n"
    "      <html><![CDATA[\n"
    "<p>${message}</p>\n"
    "<p>$$5</p>\n"
    "      ]]></html>\n"
    "    </smtp>\n"
    "  </handlers>\n"
    "  <sources>\n"
    "    <snmp name=\"router1\" host=\"192.0.2.1\" interval=\"1500ms\" readers=\"alice  bob\">\n"
    "      <get name=\"sysUpTime\" oid=\"1.3.6.1.2.1.1.3.0\"/>\n"
    "      <table name=\"if\" oid=\".1.3.6.1.2.1.2.2\" columns=\"ifDescr=2 ifOperStatus=8\"/>\n"
    "    </snmp>\n"
    "    <http owner=\"alice\" name=\"cluster\" url=\"http://127.0.0.1/?a=1&amp;b=2\" "
    "readers=\"*\"/>\n"
    "  </sources>\n"
    "  <rows>\n"
    "    <definition name=\"hot\" condition=\"_topic['a'].x > 5 &amp;&amp; true\" "
    "severity=\"warning\"\n"
    "                intervalMillis=\"10s\" timeThresholdMillis=\"90000\" override=\"yes\"/>\n"
    "    <definition owner=\"alice\" name=\"cold\">\n"
    "      <condition><![CDATA[\n"
    "        _topic['a'].x < \"5\" && true\n"
    "      ]]></condition>\n"
    "      <description/>\n"
    "    </definition>\n"
    "    <target name=\"ops\" handler=\"mail\" recipients=\"ops@example.net\" states=\"critical "
    "ok\"\n"
    "            digestMillis=\"-1\" global=\"true\"/>\n"
    "    <scriptText script=\"s\" segment=\"16\" text=\"1\"/>\n"
    "    <group name=\"g\"/>\n"
    "    <groupTarget group=\"g\" target=\"ops\"/>\n"
    "  </rows>\n"
    "  <owners><owner name=\"bob\"/><owner name=\"alice\" maxDefinitions=\"1000\"/></owners>\n"
    "  <agentx socket=\"tcp:localhost:705\" enabled=\"no\" alarmMib=\"no\"/>\n"
    "  <store path=\"/var/lib/snmpalertd\" mapSize=\"1GiB\" group=\"snmpalert-store\"/>\n"
    "</c:snmpalertd>\n";

static const char least[] =
    "<snmpalertd xmlns=\"urn:snmpalertd:config\"><store path=\"/s\"/></snmpalertd>";

static struct config *parsed(const char *text)
{
    struct config *c = NULL;
    struct err e = {0};

    if (config_parse(&c, "t.xml", text, strlen(text), &some_kinds, &e))
        fail_msg("%s", e.text);
    return c;
}

static const struct config_cell *cell(const struct config_row *r, const char *xml)
{
    for (size_t i = 0; i < r->ncells; i++)
        if (strcmp(r->cells[i].column->xml, xml) == 0)
            return &r->cells[i];
    fail_msg("no cell '%s' in the row of line %d", xml, r->line);
    return NULL;
}

static void everything_has_a_default(void **state)
{
    struct config *c = parsed(least);

    (void)state;
    assert_string_equal(c->store_path, "/s");
    assert_true(c->store_map_bytes == 16ull << 30);
    assert_null(c->store_group);
    assert_string_equal(c->agentx_address, "/var/agentx/master");
    assert_true(c->agentx_enabled);
    assert_true(c->alarm_mib && c->notification_log_mib);
    assert_int_equal(c->nowners, 1);
    assert_string_equal(c->owners[0].name, "admin");
    assert_int_equal(c->nsources + c->nhandlers + c->nrows, 0);
    config_free(c);
}

static void sections(void **state)
{
    struct config *c = parsed(good);

    (void)state;
    assert_string_equal(c->file, "t.xml");
    assert_string_equal(c->store_path, "/var/lib/snmpalertd");
    assert_true(c->store_map_bytes == 1 << 30);
    assert_string_equal(c->store_group, "snmpalert-store");
    assert_string_equal(c->agentx_address, "tcp:localhost:705");
    assert_false(c->agentx_enabled);
    assert_true(!c->alarm_mib && c->notification_log_mib);
    assert_int_equal(c->nowners, 3);
    assert_string_equal(c->owners[0].name, "admin");
    assert_string_equal(c->owners[1].name, "alice");
    assert_int_equal(c->owners[1].max_definitions, 1000);
    assert_string_equal(c->owners[2].name, "bob");
    assert_int_equal(c->owners[2].max_definitions, 0);
    config_free(c);
}

static void elements_of_a_handler(void **state)
{
    struct config *c =
        parsed("<snmpalertd xmlns='urn:snmpalertd:config'><store path='/s'/><handlers>"
               "<post name='p' url='http://h/'><header name='a' value='1'/>"
               "<header name='b' valueFile='/s'/></post></handlers></snmpalertd>");
    const struct config_handler *h = c->handlers;

    (void)state;
    assert_int_equal(h->nchildren, 2);
    assert_string_equal(h->children[0].element->name, "header");
    assert_false(child_has_secret(&h->children[0]));
    assert_true(child_has_secret(&h->children[1]));
    assert_true(children_same(h->children, 2, h->children, 2));
    assert_false(children_same(h->children, 2, h->children, 1));
    assert_false(children_same(h->children, 1, h->children + 1, 1));
    config_free(c);
}

static void children_round_trip(void **state)
{
    struct config *c =
        parsed("<snmpalertd xmlns='urn:snmpalertd:config'><store path='/s'/><handlers>"
               "<post name='p' url='http://h/'><header name='a' value='1'/>"
               "<header name='b' valueFile='/s'/></post></handlers></snmpalertd>");
    const struct config_handler *h = c->handlers;
    struct child *back;
    struct err e;
    struct buf b;
    struct rd r;
    size_t n;

    (void)state;
    buf_init(&b, 4096);
    children_write(h->children, h->nchildren, &b);
    rd_init(&r, b.data, b.len);
    assert_int_equal(children_read(&back, &n, h->kind, &r, &e), 0);
    assert_int_equal(rd_end(&r), 0);
    assert_true(children_same(h->children, h->nchildren, back, n));
    children_release(back, n);
    for (size_t len = 0; len < b.len; len++) {
        rd_init(&r, b.data, len);
        assert_int_equal(children_read(&back, &n, h->kind, &r, &e), ERR_SYNTAX);
    }
    *(uint8_t *)memmem(b.data, b.len, "header", 6) = 'H';
    rd_init(&r, b.data, b.len);
    assert_int_equal(children_read(&back, &n, h->kind, &r, &e), ERR_NOTFOUND);
    rd_init(&r, "\377\377", 2);
    assert_int_equal(children_read(&back, &n, h->kind, &r, &e), ERR_SYNTAX);
    buf_release(&b);
    config_free(c);
}

static void sources(void **state)
{
    struct config *c = parsed(good);
    const struct config_source *s = c->sources;
    const struct child_element *table;

    (void)state;
    assert_int_equal(c->nsources, 2);
    assert_string_equal(s->owner, "admin");
    assert_string_equal(s->name, "router1");
    assert_string_equal(s->kind->name, "snmp");
    assert_int_equal(s->kind->class_, KIND_SOURCE);
    assert_int_equal(s->interval_ms, 1500);
    assert_int_equal(s->line, 15);
    assert_int_equal(s->nreaders, 2);
    assert_string_equal(s->readers[0], "alice");
    assert_string_equal(s->readers[1], "bob");
    assert_false(s->all_readers);
    assert_string_equal(
        values_text(&s->values, s->kind->properties, s->kind->nproperties, "community"), "public");
    assert_int_equal(s->nchildren, 2);
    assert_string_equal(s->children[0].element->name, "get");
    table = s->children[1].element;
    assert_string_equal(table->name, "table");
    assert_string_equal(
        values_text(&s->children[1].values, table->properties, table->nproperties, "columns"),
        "ifDescr=2 ifOperStatus=8");
    s++;
    assert_string_equal(s->owner, "alice");
    assert_int_equal(s->interval_ms, 10000);
    assert_true(s->all_readers);
    assert_int_equal(s->nreaders, 0);
    assert_string_equal(values_text(&s->values, s->kind->properties, s->kind->nproperties, "url"),
                        "http://127.0.0.1/?a=1&b=2");
    config_free(c);
}

static void handlers(void **state)
{
    struct config *c = parsed(good);
    const struct config_handler *h = c->handlers;
    const struct kind *k = h->kind;

    (void)state;
    assert_int_equal(c->nhandlers, 2);
    assert_string_equal(h->owner, "admin");
    assert_string_equal(h->name, "mail");
    assert_int_equal(h->line, 5);
    assert_int_equal(values_number(&h->values, k->properties, k->nproperties, "port"), 587);
    assert_int_equal(values_number(&h->values, k->properties, k->nproperties, "timeout"), 60000);
    assert_false(values_true(&h->values, k->properties, k->nproperties, "verify"));
    assert_string_equal(h[1].owner, "alice");
    assert_int_equal(values_number(&h[1].values, k->properties, k->nproperties, "port"), 25);
    assert_string_equal(values_text(&h[1].values, k->properties, k->nproperties, "subject"),
                        "${level}");
    assert_string_equal(values_text(&h[1].values, k->properties, k->nproperties, "html"),
                        "<p>${message}</p>\n<p>$$5</p>");
    config_free(c);
}

static void rows(void **state)
{
    struct config *c = parsed(good);
    const struct config_row *r = c->rows;
    char where[64];

    (void)state;
    assert_int_equal(c->nrows, 6);
    assert_int_equal(r->table->id, SA_DEFINITION);
    assert_string_equal(r->names[0], "admin");
    assert_string_equal(r->names[1], "hot");
    assert_true(r->override);
    assert_string_equal(cell(r, "condition")->text, "_topic['a'].x > 5 && true");
    assert_int_equal(cell(r, "condition")->len, 25);
    assert_int_equal(cell(r, "severity")->number, LEVEL_WARNING);
    assert_int_equal(cell(r, "intervalMillis")->number, 10000);
    assert_int_equal(cell(r, "timeThresholdMillis")->number, 90000);
    config_where(c, r, where, sizeof where);
    assert_string_equal(where, "t.xml:22");
    r++;
    assert_string_equal(r->names[0], "alice");
    assert_false(r->override);
    assert_string_equal(cell(r, "condition")->text, "_topic['a'].x < \"5\" && true");
    assert_string_equal(cell(r, "description")->text, "");
    r++;
    assert_int_equal(r->table->id, SA_TARGET);
    assert_int_equal(cell(r, "states")->number, 1 << 3 | 1 << 0);
    assert_int_equal(cell(r, "digestMillis")->number, -1);
    assert_int_equal(cell(r, "global")->number, TRUTH_TRUE);
    r++;
    assert_int_equal(r->table->id, SA_SCRIPT_TEXT);
    assert_string_equal(r->names[1], "s");
    assert_int_equal(r->ids[2], 16);
    assert_int_equal(r[2].table->id, SA_GROUP_TARGET);
    assert_string_equal(r[2].names[2], "ops");
    config_free(c);
}

static void bad_files_say_why(void **state)
{
    (void)state;
    for (size_t i = 0; i < nbad_files; i++) {
        const struct bad_file *f = &bad_files[i];
        struct config *c = NULL;
        struct err e = {0};

        if (config_parse(&c, "t.xml", f->text, strlen(f->text), &some_kinds, &e) == 0) {
            config_free(c);
            fail_msg("file %zu was accepted; expected: %s", i, f->error);
        }
        assert_null(c);
        if (strcmp(e.text, f->error) != 0)
            fail_msg("file %zu:\n  said     %s\n  expected %s", i, e.text, f->error);
    }
}

/* ---- RELAX NG -------------------------------------------------------------------------------- */

static void quiet(void *arg, const char *fmt, ...)
{
    (void)arg, (void)fmt;
}

static bool schema_takes(xmlRelaxNGPtr schema, const char *text)
{
    xmlDocPtr doc = xmlReadMemory(text, (int)strlen(text), "t.xml", NULL,
                                  XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING);
    xmlRelaxNGValidCtxtPtr v;
    bool takes = false;

    if (!doc)
        return false;
    v = xmlRelaxNGNewValidCtxt(schema);
    assert_non_null(v);
    xmlRelaxNGSetValidErrors(v, quiet, quiet, NULL);
    takes = xmlRelaxNGValidateDoc(v, doc) == 0;
    xmlRelaxNGFreeValidCtxt(v);
    xmlFreeDoc(doc);
    return takes;
}

static void schema_agrees(void **state)
{
    struct buf b;
    xmlRelaxNGParserCtxtPtr parser;
    xmlRelaxNGPtr schema;

    (void)state;
    buf_init(&b, 4 << 20);
    assert_int_equal(config_rng(&b, &some_kinds), 0);
    parser = xmlRelaxNGNewMemParserCtxt((const char *)b.data, (int)b.len);
    assert_non_null(parser);
    schema = xmlRelaxNGParse(parser);
    xmlRelaxNGFreeParserCtxt(parser);
    assert_non_null(schema);
    assert_true(schema_takes(schema, good));
    assert_true(schema_takes(schema, least));
    for (size_t i = 0; i < nbad_files; i++)
        if (bad_files[i].schema && schema_takes(schema, bad_files[i].text))
            fail_msg("the schema takes file %zu: %s", i, bad_files[i].error);
    xmlRelaxNGFree(schema);
    xmlRelaxNGCleanupTypes();
    buf_release(&b);
}

/* ---- files ----------------------------------------------------------------------------------- */

static void files(void **state)
{
    char path[] = "/tmp/test_config.XXXXXX", expected[128];
    struct config *c = NULL;
    struct err e;
    int fd = mkstemp(path);

    (void)state;
    assert_true(fd >= 0);
    assert_int_equal(write(fd, least, strlen(least)), strlen(least));
    assert_int_equal(config_load(&c, path, &some_kinds, &e), 0);
    assert_string_equal(c->file, path);
    config_free(c);
    c = NULL;

    assert_int_equal(ftruncate(fd, CONFIG_FILE_MAX + 1), 0);
    close(fd);
    assert_int_equal(config_load(&c, path, &some_kinds, &e), ERR_RANGE);
    snprintf(expected, sizeof expected, "%s:1: larger than 16 MiB", path);
    assert_string_equal(e.text, expected);
    unlink(path);
    assert_int_equal(config_load(&c, path, &some_kinds, &e), ERR_NOTFOUND);
    snprintf(expected, sizeof expected, "%s: cannot be opened: No such file or directory", path);
    assert_string_equal(e.text, expected);
    assert_true(config_load(&c, "/", &some_kinds, &e) < 0);
    assert_null(c);
}

static void zero_octet(void **state)
{
    static const char text[] = "<snmpalertd xmlns=\"urn:snmpalertd:config\">\n\0</snmpalertd>";
    struct config *c = NULL;
    struct err e;

    (void)state;
    assert_int_equal(config_parse(&c, "t.xml", text, sizeof text - 1, &some_kinds, &e), ERR_SYNTAX);
    assert_string_equal(e.text, "t.xml:2: a 0 octet; expected UTF-8 text");
}

/* Limits that many elements reach; each body is repeated. */
static void limits(void **state)
{
    static const struct {
        const char *open, *item, *close;
        int n;
        const char *error;
    } cases[] = {
        {"<owners>\n", "<owner name='%d'/>\n", "</owners>", CONFIG_OWNERS_MAX + 1,
         "t.xml:1026: more than 1024 owners"},
        {"<sources>\n", "<http name='%d' url='http://h/'/>\n", "</sources>", CONFIG_SOURCES_MAX + 1,
         "t.xml:10003: more than 10000 elements in <sources>"},
        {"<handlers>\n", "<smtp name='%d' host='h'/>\n", "</handlers>", CONFIG_HANDLERS_MAX + 1,
         "t.xml:1003: more than 1000 elements in <handlers>"},
        {"<rows>\n", "<group name='%d'/>\n", "</rows>", CONFIG_ROWS_MAX + 1,
         "t.xml:200003: more than 200000 rows"},
        {"<sources><snmp name='s' host='h'>\n", "<get name='%d' oid='1.3'/>\n", "</snmp></sources>",
         1001, "t.xml:1003: more than 1000 elements in <snmp>"},
        {"<handlers><post name='p' url='http://h/'>\n", "<header name='%d' value='v'/>\n",
         "</post></handlers>", 1001, "t.xml:1003: more than 1000 elements in <post>"},
        {"<rows>\n", "<group name='%d'/>\n", "<group name='7'/></rows>", CONFIG_ROWS_MAX - 1,
         "t.xml:200002: <group owner='admin' name='7'> is already on line 10; expected it once"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct config *c = NULL;
        struct err e = {0};
        struct buf b;

        buf_init(&b, CONFIG_FILE_MAX);
        buf_printf(&b, "<snmpalertd xmlns='urn:snmpalertd:config'><store path='/s'/>\n%s",
                   cases[i].open);
        for (int k = 0; k < cases[i].n; k++) {
            char item[80], *percent;
            size_t n = strlen(cases[i].item);

            memcpy(item, cases[i].item, n + 1);
            percent = strstr(item, "%d");
            assert_non_null(percent);
            buf_bytes(&b, item, (size_t)(percent - item));
            buf_printf(&b, "%d", k);
            buf_bytes(&b, percent + 2, n - (size_t)(percent - item) - 2);
        }
        buf_printf(&b, "%s</snmpalertd>", cases[i].close);
        assert_int_equal(b.err, 0);
        assert_int_equal(config_parse(&c, "t.xml", b.data, b.len, &some_kinds, &e), ERR_INVALID);
        assert_string_equal(e.text, cases[i].error);
        buf_release(&b);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(everything_has_a_default),
        cmocka_unit_test(sections),
        cmocka_unit_test(elements_of_a_handler),
        cmocka_unit_test(children_round_trip),
        cmocka_unit_test(sources),
        cmocka_unit_test(handlers),
        cmocka_unit_test(rows),
        cmocka_unit_test(bad_files_say_why),
        cmocka_unit_test(schema_agrees),
        cmocka_unit_test(files),
        cmocka_unit_test(zero_octet),
        cmocka_unit_test(limits),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
