/* The file as a whole: read, parsed to a tree, and its sections in the order of the table below,
 * whatever their order in the file (owners come before what names them). */
#include "config/config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "config/parse.h"
#include "config/units.h"

static const char admin[] = "admin";

/* ---- store and agentx ------------------------------------------------------------------------ */

/* The attributes of an element that has no children; RET is the caller's to release. */
static int parse_leaf(const struct parse *p, const struct xml_node *n,
                      const struct format_element *f, struct values *ret)
{
    struct parse_set set = {f->attributes, f->nattributes, ret};
    int err = parse_attributes(p, n, &set, 1);

    return err ? err : parse_no_children(p, n);
}

static int parse_store(const struct parse *p, const struct xml_node *n)
{
    const struct format_element *f = &format_store;
    struct config *c = p->config;
    struct values v = {0};
    int err = parse_leaf(p, n, f, &v);

    if (err)
        goto out;
    const char *group = values_text(&v, f->attributes, f->nattributes, "group");

    c->store_path = strdup(values_text(&v, f->attributes, f->nattributes, "path"));
    c->store_group = *group ? strdup(group) : NULL;
    if (!c->store_path || (*group && !c->store_group))
        err = parse_nomem(p);
    size_parse(values_text(&v, f->attributes, f->nattributes, "mapSize"), &c->store_map_bytes);
out:
    values_release(&v);
    return err;
}

static int parse_agentx(const struct parse *p, const struct xml_node *n)
{
    const struct format_element *f = &format_agentx;
    struct values v = {0};
    int err = parse_leaf(p, n, f, &v);
    char *address;

    if (err)
        goto out;
    address = strdup(values_text(&v, f->attributes, f->nattributes, "socket"));
    if (address) {
        free(p->config->agentx_address);
        p->config->agentx_address = address;
        p->config->agentx_enabled = values_true(&v, f->attributes, f->nattributes, "enabled");
        p->config->alarm_mib = values_true(&v, f->attributes, f->nattributes, "alarmMib");
        p->config->notification_log_mib =
            values_true(&v, f->attributes, f->nattributes, "notificationLogMib");
    } else {
        err = parse_nomem(p);
    }
out:
    values_release(&v);
    return err;
}

/* ---- owners ---------------------------------------------------------------------------------- */

/* The admin that is always there stands first, with line 0, until the file names it. */
static int add_owner(const struct parse *p, const char *name, uint32_t max_definitions, int line)
{
    struct config *c = p->config;
    bool replaces = c->nowners && c->owners[0].line == 0 && strcmp(name, admin) == 0;
    struct config_owner *o = c->owners;

    if (!replaces) {
        o = parse_grow(c->owners, c->nowners, sizeof *o);
        if (!o)
            return parse_nomem(p);
        c->owners = o;
        o += c->nowners++;
    }
    snprintf(o->name, sizeof o->name, "%s", name);
    o->max_definitions = max_definitions;
    o->line = line;
    return 0;
}

static int owner_order(const void *a, const void *b)
{
    const struct config_owner *x = a, *y = b;
    int c = strcmp(x->name, y->name);

    return c ? c : (x->line > y->line) - (x->line < y->line);
}

static int sort_owners(const struct parse *p)
{
    struct config *c = p->config;
    const struct config_owner *twice = NULL;

    qsort(c->owners, c->nowners, sizeof *c->owners, owner_order);
    for (size_t i = 1; i < c->nowners; i++) {
        const struct config_owner *o = &c->owners[i];

        if (strcmp(o->name, o[-1].name) == 0 && (!twice || o->line < twice->line))
            twice = o;
    }
    if (twice)
        return parse_duplicate(p, twice->line, twice[-1].line, "<owner> '%s'", twice->name);
    return 0;
}

static int parse_owner(const struct parse *p, const struct xml_node *n)
{
    const struct format_element *f = &format_owner;
    struct values v = {0};
    int err;

    if (p->config->nowners == CONFIG_OWNERS_MAX)
        return parse_fail(p, n->line, "more than %d owners", CONFIG_OWNERS_MAX);
    err = parse_leaf(p, n, f, &v);
    if (!err)
        err = add_owner(
            p, values_text(&v, f->attributes, f->nattributes, "name"),
            (uint32_t)values_number(&v, f->attributes, f->nattributes, "maxDefinitions"), n->line);
    values_release(&v);
    return err;
}

static int parse_owners(const struct parse *p, const struct xml_node *n)
{
    struct parse_names expected = {{format_owner.name}, 1};
    int err = parse_container(p, n);

    for (const struct xml_node *o = n->children; !err && o; o = o->next) {
        if (strcmp(o->name, format_owner.name) == 0)
            err = parse_owner(p, o);
        else
            err = parse_unknown_element(p, o, n->name, &expected);
    }
    return err ? err : sort_owners(p);
}

/* ---- the whole ------------------------------------------------------------------------------- */

const struct format_section format_sections[] = {
    {.name = "store",
     .parse = parse_store,
     .required = true,
     .leaf = &format_store,
     .help = "Where state, history and notices are kept."},
    {.name = "agentx",
     .parse = parse_agentx,
     .leaf = &format_agentx,
     .help = "The SNMP agent that serves SNMPALERT-MIB for the daemon."},
    {.name = "owners", .parse = parse_owners, .item = &format_owner, .help = "Who may own rows."},
    {.name = "sources",
     .parse = parse_sources,
     .common = &format_source,
     .class_ = KIND_SOURCE,
     .help = "What is polled; each element is named by its kind."},
    {.name = "handlers",
     .parse = parse_handlers,
     .common = &format_handler,
     .class_ = KIND_HANDLER,
     .help = "Through what notices are delivered; each element is named by its kind."},
    {.name = "rows",
     .parse = parse_rows,
     .common = &format_row,
     .help = "Initial rows of the MIB's tables, each named by its table."},
};
const size_t format_nsections = sizeof format_sections / sizeof *format_sections;

static const struct format_section *section_find(const char *name)
{
    for (size_t i = 0; i < format_nsections; i++)
        if (strcmp(format_sections[i].name, name) == 0)
            return &format_sections[i];
    return NULL;
}

/* Every child of the root is a section, and each is there once. */
static int check_sections(const struct parse *p, const struct xml_node *root)
{
    struct parse_names expected = {.n = 0};

    for (size_t i = 0; i < format_nsections; i++)
        parse_names_add(&expected, format_sections[i].name);
    for (const struct xml_node *n = root->children; n; n = n->next) {
        if (!section_find(n->name))
            return parse_unknown_element(p, n, root->name, &expected);
        for (const struct xml_node *m = root->children; m != n; m = m->next)
            if (strcmp(m->name, n->name) == 0)
                return parse_duplicate(p, n->line, m->line, "<%s>", n->name);
    }
    return 0;
}

static int parse_section(const struct parse *p, const struct xml_node *root,
                         const struct format_section *s)
{
    for (const struct xml_node *n = root->children; n; n = n->next)
        if (strcmp(n->name, s->name) == 0)
            return s->parse(p, n);
    if (s->required)
        return parse_fail(p, root->line, "<%s> needs the element <%s>: %s", root->name, s->name,
                          s->help);
    return 0;
}

static int parse_root(const struct parse *p, const struct xml_node *root)
{
    int err;

    if (strcmp(root->name, FORMAT_ROOT) != 0)
        return parse_fail(p, root->line, "the root element is <%.40s>; expected <%s>", root->name,
                          FORMAT_ROOT);
    err = parse_container(p, root);
    if (!err)
        err = check_sections(p, root);
    for (size_t i = 0; !err && i < format_nsections; i++)
        err = parse_section(p, root, &format_sections[i]);
    return err;
}

static int config_new(struct parse *p, const char *file)
{
    struct config *c = p->config = calloc(1, sizeof *c);

    if (c) {
        c->file = strdup(file);
        c->agentx_address = strdup(format_agentx.attributes[0].def);
        c->agentx_enabled = true;
        c->alarm_mib = c->notification_log_mib = true;
    }
    if (!c || !c->file || !c->agentx_address)
        return err_set(p->e, ERR_NOMEM, "%s: out of memory", file);
    return add_owner(p, admin, 0, 0);
}

int config_parse(struct config **ret, const char *name, const void *text, size_t len,
                 const struct kinds *kinds, struct err *e)
{
    struct parse p = {.kinds = kinds, .e = e};
    struct xml_tree *tree = NULL;
    int err;

    if (len > CONFIG_FILE_MAX)
        return err_set(e, ERR_RANGE, "%s:1: larger than %d MiB", name, CONFIG_FILE_MAX >> 20);
    err = xml_parse(&tree, name, text, len, e);
    if (!err)
        err = config_new(&p, name);
    if (!err)
        err = parse_root(&p, xml_root(tree));
    xml_free(tree);
    if (err)
        config_free(p.config);
    else
        *ret = p.config;
    return err;
}

/* At most CONFIG_FILE_MAX + 1 octets, so that config_parse sees what is too large. */
static int read_whole(int fd, const char *file, struct buf *b, struct err *e)
{
    char part[16384];
    ssize_t n;

    do {
        n = read(fd, part, sizeof part);
        if (n > 0)
            buf_bytes(b, part, (size_t)n);
    } while ((n > 0 && !b->err && b->len <= CONFIG_FILE_MAX) || (n < 0 && errno == EINTR));
    if (n < 0)
        return err_errno(e, "%s: cannot be read", file);
    if (b->err)
        return err_set(e, b->err, "%s: out of memory", file);
    return 0;
}

int config_load(struct config **ret, const char *file, const struct kinds *kinds, struct err *e)
{
    struct buf b;
    int fd = open(file, O_RDONLY | O_CLOEXEC | O_NOCTTY), err;

    if (fd < 0)
        return err_errno(e, "%s: cannot be opened", file);
    buf_init(&b, CONFIG_FILE_MAX + 16384);
    err = read_whole(fd, file, &b, e);
    close(fd);
    if (!err)
        err = config_parse(ret, file, b.data, b.len, kinds, e);
    buf_release(&b);
    return err;
}

/* ---- release --------------------------------------------------------------------------------- */

static void source_release(struct config_source *s)
{
    values_release(&s->values);
    for (size_t i = 0; i < s->nreaders; i++)
        free(s->readers[i]);
    free(s->readers);
    children_release(s->children, s->nchildren);
}

static void handler_release(struct config_handler *h)
{
    values_release(&h->values);
    children_release(h->children, h->nchildren);
}

static void row_release(struct config_row *r)
{
    for (size_t i = 0; i < r->ncells; i++)
        free(r->cells[i].text);
    free(r->cells);
}

void config_free(struct config *c)
{
    if (!c)
        return;
    for (size_t i = 0; i < c->nsources; i++)
        source_release(&c->sources[i]);
    for (size_t i = 0; i < c->nhandlers; i++)
        handler_release(&c->handlers[i]);
    for (size_t i = 0; i < c->nrows; i++)
        row_release(&c->rows[i]);
    free(c->sources);
    free(c->handlers);
    free(c->rows);
    free(c->owners);
    free(c->store_path);
    free(c->store_group);
    free(c->agentx_address);
    free(c->file);
    free(c);
}

void config_where(const struct config *c, const struct config_row *r, char *dst, size_t cap)
{
    snprintf(dst, cap, "%s:%d", c->file, r->line);
}
