/* Sources and handlers in force. Whatever needs memory is done by core_parts_prepare(), so that
 * core_parts_install(), behind a commit, cannot fail half-way. What a file leaves as it was keeps
 * its id and its state, and nobody is told of it. */
#include "daemon/core.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "alerts/override.h"
#include "base/log.h"

/* ---- ids ---- */

struct core_source *core_source_at(const struct core *c, uint32_t id)
{
    return id && id <= c->nsources ? c->sources[id - 1] : NULL;
}

struct core_handler *core_handler_at(const struct core *c, uint32_t id)
{
    return id && id <= c->nhandlers ? c->handlers[id - 1] : NULL;
}

uint32_t core_source_id(const struct core *c, const char *owner, const char *name)
{
    for (size_t i = 0; i < c->nsources; i++) {
        const struct core_source *s = c->sources[i];

        if (s && !strcmp(s->config->name, name) && !strcmp(s->config->owner, owner))
            return (uint32_t)i + 1;
    }
    return 0;
}

uint32_t core_handler_id(const struct core *c, const char *owner, const char *name)
{
    for (size_t i = 0; i < c->nhandlers; i++) {
        const struct core_handler *h = c->handlers[i];

        if (h && !strcmp(h->config->name, name) && !strcmp(h->config->owner, owner))
            return (uint32_t)i + 1;
    }
    return 0;
}

/* ---- is it another one? ---- */

static bool same_source(const struct config_source *a, const struct config_source *b)
{
    return a->kind == b->kind && a->interval_ms == b->interval_ms &&
           values_same(&a->values, &b->values, a->kind->properties, a->kind->nproperties) &&
           children_same(a->children, a->nchildren, b->children, b->nchildren);
}

static bool same_handler(const struct core_handler *a, const struct core_handler *b)
{
    const struct config_handler *x = a->config, *y = b->config;

    return x->kind == y->kind &&
           values_same(&a->values, &b->values, x->kind->properties, x->kind->nproperties) &&
           children_same(x->children, x->nchildren, y->children, y->nchildren);
}

static bool same_readers(const struct core_source *a, const struct core_source *b)
{
    return a->nreaders == b->nreaders &&
           !memcmp(a->reader_ids, b->reader_ids, a->nreaders * sizeof *a->reader_ids);
}

/* ---- telling poller, dispatcher, agent and runner ---- */

static int send_source(struct core *c, uint32_t id)
{
    const struct config_source *s = c->sources[id - 1]->config;
    struct poll_source p = {.id = id,
                            .kind = s->kind,
                            .interval_ms = s->interval_ms,
                            .values = s->values,
                            .children = s->children,
                            .nchildren = s->nchildren};
    struct buf b;
    int err;

    snprintf(p.name, sizeof p.name, "%s", s->name);
    buf_init(&b, FRAME_PAYLOAD_MAX);
    poll_source_write(&p, &b);
    err = b.err ? b.err : chan_send(c->poller, POLL_SOURCE, b.data, b.len);
    buf_release(&b);
    return err;
}

static void tell_source(struct core *c, uint32_t id)
{
    bool wanted = c->poller && c->sources[id - 1]->enabled;
    int err = wanted ? send_source(c, id) : 0;

    if (err)
        log_error(c->sources[id - 1]->config->name, "cannot be given to the poller: %s",
                  err_name(err));
}

enum core_way core_way_of(const struct kind *k)
{
    if (k->leads_to)
        return WAY_NONE;
    return k->by_agent ? WAY_AGENT : k->by_runner ? WAY_RUNNER : WAY_DISPATCHER;
}

bool core_needs_runner(const struct config *f)
{
    for (size_t i = 0; i < f->nhandlers; i++) {
        if (core_way_of(f->handlers[i].kind) == WAY_RUNNER)
            return true;
    }
    return false;
}

struct chan *core_way_chan(const struct core *c, enum core_way way)
{
    switch (way) {
    case WAY_NONE:
        return NULL;
    case WAY_AGENT:
        return c->agent;
    case WAY_RUNNER:
        return c->runner;
    default:
        return c->dispatcher;
    }
}

/* Which elements of a handler go with it: those with secrets only to where the file says. RET has
 * room for them all. */
static size_t choose_children(const struct core_handler *from, struct child *ret)
{
    const struct config_handler *c = from->config;
    bool as_in_file =
        values_same_transport(&c->values, &from->values, c->kind->properties, c->kind->nproperties);
    size_t n = 0;

    for (size_t i = 0; i < c->nchildren; i++)
        if (as_in_file || !child_has_secret(&c->children[i]))
            ret[n++] = c->children[i];
    return n;
}

static int send_handler(struct chan *to, uint16_t type, uint32_t id,
                        const struct core_handler *from)
{
    const struct config_handler *config = from->config;
    struct dispatch_handler h = {.id = id, .kind = config->kind, .values = from->values};
    struct buf b;
    int err;

    h.children = calloc(config->nchildren + 1, sizeof *h.children);
    if (!h.children)
        return ERR_NOMEM;
    h.nchildren = choose_children(from, h.children);
    snprintf(h.owner, sizeof h.owner, "%s", config->owner);
    snprintf(h.name, sizeof h.name, "%s", config->name);
    buf_init(&b, FRAME_PAYLOAD_MAX);
    dispatch_handler_write(&h, &b);
    err = b.err ? b.err : chan_send(to, type, b.data, b.len);
    buf_release(&b);
    free(h.children); /* their values are the configuration's */
    return err;
}

/* TYPE: whether whoever delivers is new, or what is in force of the handler. */
static void tell_handler(struct core *c, uint16_t type, uint32_t id)
{
    const struct config_handler *h = c->handlers[id - 1]->config;
    struct chan *to = core_way_chan(c, core_way_of(h->kind));
    int err = to ? send_handler(to, type, id, c->handlers[id - 1]) : 0;

    if (err)
        log_error(h->name, "cannot be given to who delivers: %s", err_name(err));
}

static void tell_gone(struct chan *to, uint16_t type, uint32_t id, const char *name)
{
    uint8_t payload[4];
    int err;

    put_u32(payload, id);
    err = to ? chan_send(to, type, payload, sizeof payload) : 0;
    if (err)
        log_error(name, "cannot be taken back: %s", err_name(err));
}

void core_poller_greet(struct core *c)
{
    for (uint32_t i = 1; i <= c->nsources; i++) {
        if (c->sources[i - 1])
            tell_source(c, i);
    }
}

void core_handlers_greet(struct core *c, enum core_way way)
{
    for (uint32_t i = 1; i <= c->nhandlers; i++) {
        if (c->handlers[i - 1] && core_way_of(c->handlers[i - 1]->config->kind) == way)
            tell_handler(c, DISPATCH_HANDLER, i);
    }
}

/* ---- making them ---- */

static int add_reader(struct core *c, struct core_source *s, const char *name)
{
    uint32_t id = core_owner_intern(c, name);

    if (!id)
        return ERR_NOMEM;
    for (size_t i = 0; !s->config->all_readers && i < s->nreaders; i++) {
        if (s->reader_ids[i] == id)
            return 0;
    }
    snprintf(s->readers[s->nreaders], 33, "%s", name);
    s->reader_ids[s->nreaders++] = id;
    return 0;
}

static int add_readers(struct core *c, struct core_source *s, const struct config *f)
{
    const struct config_source *config = s->config;
    int err = 0;

    for (size_t i = 0; config->all_readers && i < f->nowners && !err; i++)
        err = add_reader(c, s, f->owners[i].name);
    if (err || config->all_readers)
        return err;
    err = add_reader(c, s, config->owner);
    if (!err)
        err = add_reader(c, s, "admin");
    for (size_t i = 0; i < config->nreaders && !err; i++)
        err = add_reader(c, s, config->readers[i]);
    return err;
}

static void source_free(struct core_source *s)
{
    if (!s)
        return;
    free(s->readers);
    free(s->reader_ids);
    free(s);
}

/* Rows that are not there yet say what their columns' defaults do. */
static bool row_enabled(struct txn *t, unsigned table, unsigned column, const char *owner,
                        const char *name)
{
    struct key k = key_of_names(owner, name);
    struct row r;

    return row_get(t, sa_table_by_id(table), &k, &r) || row_int(&r, column) == TRUTH_TRUE;
}

static bool source_enabled(struct txn *t, const struct core_source *s)
{
    return row_enabled(t, SA_SOURCE, SOURCE_ENABLED, s->config->owner, s->config->name);
}

static void source_rests(struct core_source *s)
{
    s->status = (struct poll_status){.status = STATUS_DISABLED, .wall_ms = s->status.wall_ms};
    s->dirty = true;
}

static struct core_source *source_new(struct core *c, struct txn *t, const struct config *f,
                                      size_t at)
{
    const struct config_source *config = &f->sources[at];
    size_t most = config->all_readers ? f->nowners : config->nreaders + 2;
    struct core_source *s = calloc(1, sizeof *s);

    if (!s)
        return NULL;
    s->config = config;
    s->readers = calloc(most + 1, sizeof *s->readers);
    s->reader_ids = calloc(most + 1, sizeof *s->reader_ids);
    s->enabled = source_enabled(t, s);
    if (!s->enabled)
        source_rests(s);
    if (s->readers && s->reader_ids && !add_readers(c, s, f))
        return s;
    source_free(s);
    return NULL;
}

static void handler_free(struct core_handler *h)
{
    if (!h)
        return;
    values_release(&h->values);
    free(h);
}

/* What is in force of a handler. What had to be given up is told where the rows are put. */
static int handler_values(struct txn *t, const struct config_handler *h, struct values *ret)
{
    struct err why;

    return overrides_in_force(t, h->owner, h->name, h->kind, &h->values, ret, &why);
}

static struct core_handler *handler_new(struct txn *t, const struct config *f, size_t at)
{
    const struct config_handler *config = &f->handlers[at];
    struct core_handler *h = calloc(1, sizeof *h);

    if (!h)
        return NULL;
    h->config = config;
    h->shown = UINT32_MAX; /* what an earlier core left there is not known */
    h->enabled = row_enabled(t, SA_HANDLER, HANDLER_ENABLED, config->owner, config->name);
    if (!handler_values(t, config, &h->values))
        return h;
    handler_free(h);
    return NULL;
}

/* A slot for each part of the file: that of the one which it goes on from, or a new one. */
static int place_sources(struct core *c, struct txn *t, const struct config *f,
                         const struct core_names *names, struct core_parts *x)
{
    bool *placed = calloc(f->nsources + 1, sizeof *placed);
    int err = 0;

    if (!placed)
        return ERR_NOMEM;
    for (size_t i = 0; i < c->nsources && !err; i++) {
        const struct config_source *old = c->sources[i] ? c->sources[i]->config : NULL;
        uint32_t at = old ? core_names_find(names, old->owner, old->name) : 0;

        if (!at)
            continue;
        placed[at - 1] = true;
        x->sources[i] = source_new(c, t, f, at - 1);
        err = x->sources[i] ? 0 : ERR_NOMEM;
    }
    for (size_t i = 0; i < f->nsources && !err; i++) {
        if (placed[i])
            continue;
        x->sources[x->nsources] = source_new(c, t, f, i);
        err = x->sources[x->nsources++] ? 0 : ERR_NOMEM;
    }
    free(placed);
    return err;
}

static int place_handlers(struct core *c, struct txn *t, const struct config *f,
                          const struct core_names *names, struct core_parts *x)
{
    bool *placed = calloc(f->nhandlers + 1, sizeof *placed);
    int err = 0;

    if (!placed)
        return ERR_NOMEM;
    for (size_t i = 0; i < c->nhandlers && !err; i++) {
        const struct config_handler *old = c->handlers[i] ? c->handlers[i]->config : NULL;
        uint32_t at = old ? core_names_find(names, old->owner, old->name) : 0;

        if (!at)
            continue;
        placed[at - 1] = true;
        x->handlers[i] = handler_new(t, f, at - 1);
        err = x->handlers[i] ? 0 : ERR_NOMEM;
    }
    for (size_t i = 0; i < f->nhandlers && !err; i++) {
        if (placed[i])
            continue;
        x->handlers[x->nhandlers] = handler_new(t, f, i);
        err = x->handlers[x->nhandlers++] ? 0 : ERR_NOMEM;
    }
    free(placed);
    return err;
}

int core_parts_prepare(struct core *c, const struct config *f, struct core_parts *ret)
{
    struct core_names sources = {NULL, 0}, handlers = {NULL, 0};
    struct txn *t = txn_begin(c->store, TXN_READ);
    int err = 0;

    *ret = (struct core_parts){.nsources = c->nsources, .nhandlers = c->nhandlers};
    ret->sources = calloc(c->nsources + f->nsources + 1, sizeof(struct core_source *));
    ret->handlers = calloc(c->nhandlers + f->nhandlers + 1, sizeof(struct core_handler *));
    if (!ret->sources || !ret->handlers || core_names_of_sources(&sources, f) ||
        core_names_of_handlers(&handlers, f))
        err = ERR_NOMEM;
    for (size_t i = 0; i < f->nowners && !err; i++)
        err = core_owner_intern(c, f->owners[i].name) ? 0 : ERR_NOMEM;
    if (!err)
        err = place_sources(c, t, f, &sources, ret);
    if (!err)
        err = place_handlers(c, t, f, &handlers, ret);
    txn_abort(t);
    core_names_release(&sources);
    core_names_release(&handlers);
    if (err)
        core_parts_release(ret);
    return err;
}

void core_parts_release(struct core_parts *x)
{
    for (size_t i = 0; x->sources && i < x->nsources; i++)
        source_free(x->sources[i]);
    for (size_t i = 0; x->handlers && i < x->nhandlers; i++)
        handler_free(x->handlers[i]);
    free(x->sources);
    free(x->handlers);
    *x = (struct core_parts){.sources = NULL};
}

/* ---- into force ---- */

static void handler_leaves(struct core *c, uint32_t id, const struct config_handler *was)
{
    tell_gone(core_way_chan(c, core_way_of(was->kind)), DISPATCH_HANDLER_GONE, id, was->name);
}

/* What is gone goes first: it makes room. C has the new ones, X those from before. */
static void take_back(struct core *c, struct core_parts *x)
{
    for (uint32_t i = 0; i < x->nsources; i++) {
        if (x->sources[i] && !c->sources[i]) {
            tell_gone(c->poller, POLL_SOURCE_GONE, i + 1, x->sources[i]->config->name);
            x->gone++;
        }
    }
    for (uint32_t i = 0; i < x->nhandlers; i++) {
        if (x->handlers[i] && !c->handlers[i]) {
            handler_leaves(c, i + 1, x->handlers[i]->config);
            x->gone++;
        }
    }
}

static void bring_source(struct core *c, uint32_t id)
{
    if (c->sources[id - 1]->enabled)
        tell_source(c, id);
    else
        tell_gone(c->poller, POLL_SOURCE_GONE, id, c->sources[id - 1]->config->name);
}

static void bring_sources(struct core *c, struct core_parts *x)
{
    for (uint32_t i = 0; i < c->nsources; i++) {
        struct core_source *now = c->sources[i], *before = i < x->nsources ? x->sources[i] : NULL;
        bool same = now && before && same_source(now->config, before->config);

        if (now && before) {
            now->status = before->status;
            now->samples = before->samples;
            now->failures = before->failures;
            now->dirty |= before->dirty;
            if (!now->enabled)
                source_rests(now);
        }
        if (!now || (same && now->enabled == before->enabled))
            continue;
        bring_source(c, i + 1);
        x->added += !before;
        x->changed += before != NULL;
    }
}

static void bring_handlers(struct core *c, struct core_parts *x)
{
    for (uint32_t i = 0; i < c->nhandlers; i++) {
        struct core_handler *now = c->handlers[i],
                            *before = i < x->nhandlers ? x->handlers[i] : NULL;

        if (now && before)
            now->shown = before->shown;
        if (!now || (before && same_handler(now, before)))
            continue;
        if (before && core_way_of(before->config->kind) != core_way_of(now->config->kind))
            handler_leaves(c, i + 1, before->config);
        tell_handler(c, DISPATCH_HANDLER_CHANGED, i + 1);
        x->added += !before;
        x->changed += before != NULL;
    }
}

struct retopic {
    struct core *core;
    const struct core_parts *before;
};

static void topic_goes(struct core *c, const struct topic *topic)
{
    uint32_t id = topics_gone(c->topics, topic->source, topic->name);

    if (id)
        eval_client_topic_del(c->eval, id);
}

/* A topic of a source that is gone goes; one that others may read now is shown to them. */
static void retopic(void *arg, struct topic *topic)
{
    const struct retopic *x = arg;
    struct core *c = x->core;
    const struct core_source *now = core_source_at(c, topic->source);
    const struct core_source *before =
        topic->source <= x->before->nsources ? x->before->sources[topic->source - 1] : NULL;
    struct topic_source from = {.id = topic->source};

    if (now && before && same_readers(now, before))
        return;
    if (now) {
        from.name = now->config->name;
        from.readers = now->readers;
        from.nreaders = now->nreaders;
    }
    /* Without memory it goes, and comes again with its next sample. */
    if (!now || topics_set_readers(c->topics, topic->id, &from) ||
        eval_client_topic_set(c->eval, topic->id, topic->name, now->reader_ids, now->nreaders,
                              topic->updated_mono_ms, topic->json, topic->len))
        topic_goes(c, topic);
}

void core_parts_install(struct core *c, struct core_parts *x)
{
    struct core_parts now = *x;
    struct retopic r = {c, x};

    *x = (struct core_parts){.sources = c->sources,
                             .nsources = c->nsources,
                             .handlers = c->handlers,
                             .nhandlers = c->nhandlers};
    c->sources = now.sources;
    c->nsources = now.nsources;
    c->handlers = now.handlers;
    c->nhandlers = now.nhandlers;
    chan_hold(c->poller, true);
    chan_hold(c->dispatcher, true);
    chan_hold(c->agent, true);
    take_back(c, x);
    bring_sources(c, x);
    bring_handlers(c, x);
    chan_hold(c->agent, false);
    chan_hold(c->dispatcher, false);
    chan_hold(c->poller, false);
    c->unsort_wanted = true;
    topics_each(c->topics, retopic, &r);
}

/* ---- what managers change ---- */

/* All properties as the file has them; core_properties_put() does the rest. */
int core_properties_revert(struct txn *t, const char *owner, const char *name)
{
    const struct sa_table *table = sa_table_by_id(SA_HANDLER_PROPERTY);
    struct key prefix = key_of_names(owner, name);
    struct cursor c;
    struct row r;
    int err = 0;

    for (cursor_first(&c, t, table, &prefix); cursor_row(&c, &r) && !err; cursor_next(&c)) {
        struct key k = key_copy(r.key);
        struct slice file;
        char text[SA_CELL_MAX + 1];
        struct edit d;

        if (!row_file_text(&r, HANDLER_PROPERTY_VALUE, &file) || file.len >= sizeof text)
            continue;
        memcpy(text, file.data, file.len);
        edit_begin(&d, t, table, &k);
        edit_text(&d, HANDLER_PROPERTY_VALUE, text, file.len);
        err = row_put(&d, NULL);
    }
    cursor_close(&c);
    return err;
}

static int enable_handler(struct txn *t, const char *owner, const char *name)
{
    struct key k = key_of_names(owner, name);
    struct edit d;

    edit_begin(&d, t, sa_table_by_id(SA_HANDLER), &k);
    edit_clear(&d, HANDLER_ENABLED);
    return row_put(&d, NULL);
}

/* Whoever SETs properties sees what that makes of others (secrets are not for another server). */
static int mark_handler(struct core *c, struct txn *t, const struct change *ch, const char *owner,
                        const char *name, int64_t now_ms)
{
    struct core_handler *h = core_handler_at(c, core_handler_id(c, owner, name));
    bool reverts = ch->table == SA_HANDLER && change_has(ch, HANDLER_REVERT);
    int err = 0;

    if (!h)
        return 0;
    h->follow = c->parts_follow = true;
    if (reverts) {
        err = enable_handler(t, owner, name);
        if (!err)
            err = core_properties_revert(t, owner, name);
    }
    if (!err && (reverts || ch->table == SA_HANDLER_PROPERTY))
        err = core_properties_put(t, h->config);
    if (!err && reverts)
        err = core_leads_mend(c, t);
    if (!err && ch->table == SA_HANDLER &&
        row_enabled(t, SA_HANDLER, HANDLER_ENABLED, owner, name)) {
        err = notice_hurry(t, owner, name, now_ms);
        err = err < 0 ? err : 0;
    }
    return err;
}

int core_parts_mark(struct core *c, struct txn *t, const struct change *ch, int64_t now_ms)
{
    char owner[33], name[33];
    struct core_source *s;
    size_t pos = 0;

    if (!key_read_name(&ch->key, &pos, owner) || !key_read_name(&ch->key, &pos, name))
        return 0;
    if (ch->table != SA_SOURCE)
        return mark_handler(c, t, ch, owner, name, now_ms);
    s = core_source_at(c, core_source_id(c, owner, name));
    if (!s)
        return 0;
    s->follow = c->parts_follow = true;
    s->poll_now |= change_has(ch, SOURCE_POLL_NOW);
    return 0;
}

static void follow_source(struct core *c, struct txn *t, uint32_t id)
{
    struct core_source *s = c->sources[id - 1];
    bool enabled = source_enabled(t, s);
    uint8_t payload[4];

    if (enabled != s->enabled) {
        s->enabled = enabled;
        log_info(s->config->name, "source is %s", enabled ? "polled again" : "not polled any more");
        if (!enabled)
            source_rests(s);
        bring_source(c, id);
    } else if (s->poll_now && enabled && c->poller) {
        put_u32(payload, id);
        if (chan_send(c->poller, POLL_NOW, payload, sizeof payload))
            log_error(s->config->name, "cannot be polled now");
    }
    s->follow = s->poll_now = false;
}

/* Without memory it stays as it is until the next turn. */
static void follow_handler(struct core *c, struct txn *t, uint32_t id)
{
    struct core_handler *h = c->handlers[id - 1];
    const struct kind *kind = h->config->kind;
    struct values now;
    bool enabled = row_enabled(t, SA_HANDLER, HANDLER_ENABLED, h->config->owner, h->config->name);

    if (enabled != h->enabled)
        log_info(h->config->name, "handler is %s", enabled ? "enabled" : "disabled");
    h->enabled = enabled;
    if (handler_values(t, h->config, &now)) {
        log_error(h->config->name, "what was set is not in force yet: out of memory");
        c->parts_follow = true;
        return;
    }
    h->follow = false;
    if (values_same(&now, &h->values, kind->properties, kind->nproperties)) {
        values_release(&now);
        return;
    }
    values_release(&h->values);
    h->values = now;
    log_info(h->config->name, "handler changes: a manager set its properties");
    tell_handler(c, DISPATCH_HANDLER_CHANGED, id);
}

void core_parts_follow(struct core *c)
{
    struct txn *t;

    if (!c->parts_follow)
        return;
    c->parts_follow = false;
    t = txn_begin(c->store, TXN_READ);
    for (uint32_t i = 1; i <= c->nsources; i++) {
        if (c->sources[i - 1] && c->sources[i - 1]->follow)
            follow_source(c, t, i);
    }
    for (uint32_t i = 1; i <= c->nhandlers; i++) {
        if (c->handlers[i - 1] && c->handlers[i - 1]->follow)
            follow_handler(c, t, i);
    }
    txn_abort(t);
}

void core_parts_free(struct core *c)
{
    struct core_parts x = {.sources = c->sources,
                           .nsources = c->nsources,
                           .handlers = c->handlers,
                           .nhandlers = c->nhandlers};

    core_parts_release(&x);
    free(c->owners);
    c->sources = NULL;
    c->handlers = NULL;
    c->owners = NULL;
    c->nsources = c->nhandlers = c->nowners = c->cap_owners = 0;
}
