/* Sources of kind "snmp": single objects and tables of one agent. The topic NAME holds everything,
 * {"sysUpTime": 123, "if": {"2": {"ifDescr": "eth0"}}}; each row is a topic NAME.TABLE.INDEX. */
#include "poll/feed.h"

#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/clock.h"
#include "poll/walk.h"

/* ---- what stands in the configuration
 * ----------------------------------------------------------------*/

static const char *const version_names[] = {"1", "2c", NULL};

static const struct property properties[] = {
    {.name = "host",
     .type = PROPERTY_TEXT,
     .required = true,
     .transport = true,
     .min = 1,
     .max = RESOLVE_NAME_MAX,
     .help = "Name or address (IPv4, IPv6) of the agent."},
    {.name = "port",
     .type = PROPERTY_NUMBER,
     .transport = true,
     .min = 1,
     .max = 65535,
     .def = "161",
     .help = "UDP port of the agent."},
    {.name = "version",
     .type = PROPERTY_ENUM,
     .def = "2c",
     .names = version_names,
     .help = "Version of SNMP."},
    {.name = "community",
     .type = PROPERTY_SECRET,
     .required = true,
     .min = 1,
     .max = 255,
     .help = "Community that may read the objects."},
    {.name = "timeout",
     .type = PROPERTY_DURATION,
     .min = 10,
     .max = 60000,
     .def = "2s",
     .help = "How long to wait for each answer before asking again."},
    {.name = "retries",
     .type = PROPERTY_NUMBER,
     .min = 0,
     .max = 10,
     .def = "1",
     .help = "How often to ask again when no answer comes."},
    {.name = "maxRepetitions",
     .type = PROPERTY_NUMBER,
     .min = 1,
     .max = 1000,
     .def = "25",
     .help = "Rows of a table to ask for at once (GETBULK; not in version 1)."},
};
enum { NPROPERTIES = sizeof properties / sizeof *properties };

static const struct property get_properties[] = {
    {.name = "name",
     .type = PROPERTY_TEXT,
     .required = true,
     .min = 1,
     .max = COLUMN_NAME_MAX,
     .help = "Name of the value in the topic."},
    {.name = "oid",
     .type = PROPERTY_OID,
     .required = true,
     .help = "The object's instance, such as 1.3.6.1.2.1.1.3.0."},
};
enum { NGET_PROPERTIES = sizeof get_properties / sizeof *get_properties };

static const struct property table_properties[] = {
    {.name = "name",
     .type = PROPERTY_TEXT,
     .required = true,
     .min = 1,
     .max = COLUMN_NAME_MAX,
     .help = "Name of the table in the topic and of its rows' topics."},
    {.name = "oid",
     .type = PROPERTY_OID,
     .required = true,
     .help = "The table (not its entry), such as 1.3.6.1.2.1.2.2."},
    {.name = "columns",
     .type = PROPERTY_TEXT,
     .required = true,
     .min = 1,
     .max = 8192,
     .help = "Names and numbers of the columns to read: \"ifDescr=2 ifInOctets=10\"."},
};
enum { NTABLE_PROPERTIES = sizeof table_properties / sizeof *table_properties };

static int check_get(const struct values *v, struct err *e)
{
    return column_name_check(values_text(v, get_properties, NGET_PROPERTIES, "name"), e);
}

static int check_table(const struct values *v, struct err *e)
{
    struct columns columns;
    int err = column_name_check(values_text(v, table_properties, NTABLE_PROPERTIES, "name"), e);
    if (err)
        return err;
    return columns_parse(&columns, values_text(v, table_properties, NTABLE_PROPERTIES, "columns"),
                         e);
}

enum { CHILD_GET, CHILD_TABLE };

static const struct child_element children[] = {
    [CHILD_GET] = {.name = "get",
                   .properties = get_properties,
                   .nproperties = NGET_PROPERTIES,
                   .help = "One object.",
                   .check = check_get},
    [CHILD_TABLE] = {.name = "table",
                     .properties = table_properties,
                     .nproperties = NTABLE_PROPERTIES,
                     .help = "Columns of a table, all rows.",
                     .check = check_table},
};

const struct kind poll_kind_snmp = {
    .class_ = KIND_SOURCE,
    .name = "snmp",
    .properties = properties,
    .nproperties = NPROPERTIES,
    .children = children,
    .nchildren = sizeof children / sizeof *children,
    .help = "Polls an SNMP agent (versions 1 and 2c). Its topic holds everything; each row of a "
            "table is also a topic of its own.",
};

/* ---- the plan
 * ----------------------------------------------------------------------------------------*/

static int plan_get(struct walk_plan *p, const struct values *v, struct err *e)
{
    struct walk_get *g = &p->gets[p->ngets++];
    const char *name = values_text(v, get_properties, NGET_PROPERTIES, "name");
    int err = column_name_check(name, e);
    if (err)
        return err;
    memcpy(g->name, name, strlen(name) + 1);
    return objid_parse(&g->oid, values_text(v, get_properties, NGET_PROPERTIES, "oid"), e);
}

static int plan_table(struct walk_plan *p, const struct values *v, struct err *e)
{
    struct walk_table *t = &p->tables[p->ntables++];
    const char *name = values_text(v, table_properties, NTABLE_PROPERTIES, "name");
    int err = column_name_check(name, e);
    if (err)
        return err;
    memcpy(t->name, name, strlen(name) + 1);
    err = objid_parse(&t->entry, values_text(v, table_properties, NTABLE_PROPERTIES, "oid"), e);
    if (err)
        return err;
    /* entry, column and at least one index number follow */
    if (t->entry.n > OBJID_MAX - 3 || objid_append(&t->entry, 1))
        return err_set(e, ERR_RANGE, "table '%s': the OID is too long", name);
    return columns_parse(&t->columns,
                         values_text(v, table_properties, NTABLE_PROPERTIES, "columns"), e);
}

static int make_plan(struct walk_plan *p, const struct poll_source *s, struct err *e)
{
    int err = 0;
    p->gets = calloc(s->nchildren + 1, sizeof *p->gets);
    p->tables = calloc(s->nchildren + 1, sizeof *p->tables);
    if (!p->gets || !p->tables)
        return err_set(e, ERR_NOMEM, "out of memory");
    if (!s->nchildren)
        return err_set(e, ERR_INVALID, "nothing to poll: no <get> and no <table>");
    for (size_t i = 0; !err && i < s->nchildren; i++) {
        const struct child *c = &s->children[i];
        err = c->element == &children[CHILD_GET] ? plan_get(p, &c->values, e)
                                                 : plan_table(p, &c->values, e);
    }
    return err;
}

/* ---- one source
 * --------------------------------------------------------------------------------------*/

enum { ADDRESS_KEPT_MS = 60000 };

struct snmp {
    struct feed *feed;
    struct walk_plan plan;
    struct session_options options;
    struct lookup *lookup;
    struct session *session;
    struct walk *walk;
    bool resolved;
    int64_t resolved_mono_ms;
};

static const char *text(const struct snmp *s, const char *property)
{
    return values_text(&feed_source(s->feed)->values, properties, NPROPERTIES, property);
}

static int64_t number(const struct snmp *s, const char *property)
{
    return values_number(&feed_source(s->feed)->values, properties, NPROPERTIES, property);
}

static void end_walk(struct snmp *s)
{
    session_close(s->session); /* a new port for each poll: late answers go astray */
    walk_free(s->walk);
    s->session = NULL;
    s->walk = NULL;
}

static void snmp_close_state(void *state)
{
    struct snmp *s = state;
    if (!s)
        return;
    resolve_cancel(s->lookup);
    end_walk(s);
    walk_plan_release(&s->plan);
    free(s);
}

static int snmp_open_state(struct feed *f, void **ret_state, struct err *e)
{
    struct snmp *s = calloc(1, sizeof *s);
    if (!s)
        return err_set(e, ERR_NOMEM, "out of memory");
    s->feed = f;
    int err = make_plan(&s->plan, feed_source(f), e);
    if (err) {
        snmp_close_state(s);
        return err;
    }
    s->options.version = number(s, "version") ? SNMP_V2C : SNMP_V1;
    s->options.community = text(s, "community");
    s->options.timeout_ms = (uint32_t)number(s, "timeout");
    s->options.retries = (unsigned)number(s, "retries");
    s->plan.version = s->options.version;
    s->plan.repetitions = (unsigned)number(s, "maxRepetitions");
    s->plan.json_max = POLL_JSON_MAX;
    *ret_state = s;
    return 0;
}

/* ---- what was read, as topics
 * ------------------------------------------------------------------------*/

struct row_topic { /* where its name and value lie in a document's buffers */
    uint32_t name_at, json_at, json_len;
};

struct document {
    struct buf json;  /* the whole topic */
    struct buf names; /* of the rows' topics, terminated */
    struct row_topic *rows;
    size_t n, cap;
    size_t members; /* of the object that is being written */
};

static void member(struct document *d, const char *name)
{
    buf_printf(&d->json, "%s\"%s\":", d->members++ ? "," : "", name);
}

static void write_row(struct document *d, const struct columns *c, const struct row *row)
{
    buf_u8(&d->json, '{');
    for (size_t i = 0; i < c->n; i++) {
        buf_printf(&d->json, "%s\"%s\":", i ? "," : "", c->items[i].name);
        if (row->cells[i].len)
            buf_bytes(&d->json, row->cells[i].data, row->cells[i].len);
        else
            buf_bytes(&d->json, "null", 4);
    }
    buf_u8(&d->json, '}');
}

static struct row_topic *new_row(struct document *d, struct err *e)
{
    if (d->n == POLL_TOPICS_MAX) {
        err_set(e, ERR_RANGE, "more than %d rows", POLL_TOPICS_MAX);
        return NULL;
    }
    struct row_topic *rows = array_room(d->rows, &d->cap, d->n + 1, sizeof *rows);
    if (!rows) {
        err_set(e, ERR_NOMEM, "out of memory");
        return NULL;
    }
    d->rows = rows;
    return &d->rows[d->n++];
}

static int write_table_row(struct document *d, const struct walk_table *t, const struct row *row,
                           struct err *e)
{
    char index[OBJID_TEXT_MAX];
    struct row_topic *topic = new_row(d, e);
    if (!topic)
        return e->code;
    objid_text(row->index, row->n, index, sizeof index);
    topic->name_at = (uint32_t)d->names.len;
    buf_printf(&d->names, "%s.%s", t->name, index);
    buf_u8(&d->names, 0);
    member(d, index);
    topic->json_at = (uint32_t)d->json.len;
    write_row(d, &t->columns, row);
    topic->json_len = (uint32_t)(d->json.len - topic->json_at);
    return 0;
}

static int write_table(struct document *d, const struct walk_table *t,
                       const struct polled_rows *rows, struct err *e)
{
    size_t position[COLUMNS_MAX] = {0};
    struct row row;
    int err = 0;
    member(d, t->name);
    buf_u8(&d->json, '{');
    d->members = 0;
    while (!err && polled_rows_next(rows, position, &row))
        err = write_table_row(d, t, &row, e);
    buf_u8(&d->json, '}');
    d->members = 1;
    return err;
}

static int write_document(struct document *d, const struct snmp *s, struct err *e)
{
    int err = 0;
    buf_u8(&d->json, '{');
    for (size_t i = 0; i < s->plan.ngets; i++) {
        struct slice json = walk_get_json(s->walk, i);
        member(d, s->plan.gets[i].name);
        buf_bytes(&d->json, json.data, json.len);
    }
    for (size_t i = 0; !err && i < s->plan.ntables; i++)
        err = write_table(d, &s->plan.tables[i], walk_rows(s->walk, i), e);
    buf_u8(&d->json, '}');
    if (!err && (d->json.err == ERR_NOMEM || d->names.err))
        err = err_set(e, ERR_NOMEM, "out of memory");
    if (!err && d->json.err)
        err = err_set(e, ERR_RANGE, "the values are more than the %d octets of a topic",
                      POLL_JSON_MAX);
    return err;
}

static void send_document(const struct document *d, struct feed *f)
{
    feed_sample(f, NULL, (struct slice){d->json.data, d->json.len});
    for (size_t i = 0; i < d->n; i++) {
        const struct row_topic *r = &d->rows[i];
        feed_sample(f, (const char *)d->names.data + r->name_at,
                    (struct slice){d->json.data + r->json_at, r->json_len});
    }
}

static int publish(const struct snmp *s, struct err *e)
{
    struct document d = {0};
    buf_init(&d.json, POLL_JSON_MAX);
    buf_init(&d.names, (size_t)POLL_TOPICS_MAX * (COLUMN_NAME_MAX + OBJID_TEXT_MAX + 2));
    int err = write_document(&d, s, e);
    if (!err)
        send_document(&d, s->feed);
    buf_release(&d.json);
    buf_release(&d.names);
    free(d.rows);
    return err;
}

/* ---- one poll
 * ----------------------------------------------------------------------------------------*/

/* Failures name the address, since a name may have several. */
static void done(struct snmp *s, struct err *e)
{
    char address[ADDRESS_TEXT_MAX];
    if (e && s->resolved) {
        address_text(&s->options.address, address);
        err_prefix(e, "%s", address);
    }
    end_walk(s);
    feed_done(s->feed, e);
}

static void on_walked(void *arg, const struct err *failure)
{
    struct snmp *s = arg;
    struct err e = {0};
    if (failure)
        e = *failure;
    else
        publish(s, &e);
    if (e.code == ERR_TIMEOUT && failure)
        err_set(&e, ERR_TIMEOUT, "%s (%u attempts of %u ms)", failure->text, s->options.retries + 1,
                s->options.timeout_ms);
    done(s, e.code ? &e : NULL);
}

static void walk(struct snmp *s)
{
    struct err e = {0};
    int err = session_open(&s->session, feed_env(s->feed)->sessions, &s->options, &e);
    if (!err)
        err = walk_start(&s->walk, s->session, &s->plan, on_walked, s, &e);
    if (err)
        done(s, &e);
}

static void on_resolved(void *arg, int result, const struct address *addresses, size_t n,
                        const char *why)
{
    struct snmp *s = arg;
    struct err e;
    s->lookup = NULL;
    if (result) {
        err_set(&e, result, "%s: %s", text(s, "host"), why);
        done(s, &e);
        return;
    }
    s->options.address = *address_choose(addresses, n, feed_failures(s->feed));
    s->resolved = true;
    s->resolved_mono_ms = clock_mono_ms();
    walk(s);
}

static void snmp_poll(void *state)
{
    struct snmp *s = state;
    struct err e = {0};
    if (s->resolved && clock_mono_ms() - s->resolved_mono_ms < ADDRESS_KEPT_MS) {
        walk(s);
        return;
    }
    s->resolved = false;
    if (resolve_start(&s->lookup, feed_env(s->feed)->resolver, text(s, "host"),
                      (uint16_t)number(s, "port"), on_resolved, s, &e))
        done(s, &e);
}

const struct feed_kind feed_kind_snmp = {
    .kind = &poll_kind_snmp,
    .open = snmp_open_state,
    .poll = snmp_poll,
    .close = snmp_close_state,
};
