/* Sources and handlers in force. Whatever needs memory is done by core_parts_prepare(), so that
 * core_parts_install(), behind a commit, cannot fail half-way. What a file leaves as it was keeps
 * its id and its state, and nobody is told of it. */
#include "daemon/core.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

/* An attribute that says what is the default anyway changes nothing. */
static bool same_values(const struct values *a, const struct values *b,
                        const struct property *properties, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const char *name = properties[i].name;

        if (strcmp(values_text(a, properties, n, name), values_text(b, properties, n, name)))
            return false;
    }
    return true;
}

static bool same_source(const struct config_source *a, const struct config_source *b)
{
    if (a->kind != b->kind || a->interval_ms != b->interval_ms || a->nchildren != b->nchildren ||
        !same_values(&a->values, &b->values, a->kind->properties, a->kind->nproperties))
        return false;
    for (size_t i = 0; i < a->nchildren; i++) {
        const struct child_element *element = a->children[i].element;

        if (element != b->children[i].element ||
            !same_values(&a->children[i].values, &b->children[i].values, element->properties,
                         element->nproperties))
            return false;
    }
    return true;
}

static bool same_handler(const struct config_handler *a, const struct config_handler *b)
{
    return a->kind == b->kind &&
           same_values(&a->values, &b->values, a->kind->properties, a->kind->nproperties);
}

static bool same_readers(const struct core_source *a, const struct core_source *b)
{
    return a->nreaders == b->nreaders &&
           !memcmp(a->reader_ids, b->reader_ids, a->nreaders * sizeof *a->reader_ids);
}

/* ---- telling poller and dispatcher ---- */

static int send_source(struct core *c, uint32_t id)
{
    const struct config_source *s = c->sources[id - 1]->config;
    struct poll_source p = {.id = id,
                            .kind = s->kind,
                            .interval_ms = s->interval_ms,
                            .values = s->values,
                            .nchildren = s->nchildren};
    struct buf b;
    int err;

    snprintf(p.name, sizeof p.name, "%s", s->name);
    p.children = calloc(s->nchildren + 1, sizeof *p.children);
    if (!p.children)
        return ERR_NOMEM;
    for (size_t i = 0; i < s->nchildren; i++) {
        p.children[i].element = s->children[i].element;
        p.children[i].values = s->children[i].values;
    }
    buf_init(&b, FRAME_PAYLOAD_MAX);
    poll_source_write(&p, &b);
    err = b.err ? b.err : chan_send(c->poller, POLL_SOURCE, b.data, b.len);
    buf_release(&b);
    free(p.children);
    return err;
}

static void tell_source(struct core *c, uint32_t id)
{
    int err = c->poller ? send_source(c, id) : 0;

    if (err)
        log_error(c->sources[id - 1]->config->name, "cannot be given to the poller: %s",
                  err_name(err));
}

static int send_handler(struct core *c, uint32_t id)
{
    const struct config_handler *from = c->handlers[id - 1]->config;
    struct dispatch_handler h = {.id = id, .kind = from->kind, .values = from->values};
    struct buf b;
    int err;

    snprintf(h.owner, sizeof h.owner, "%s", from->owner);
    snprintf(h.name, sizeof h.name, "%s", from->name);
    buf_init(&b, FRAME_PAYLOAD_MAX);
    dispatch_handler_write(&h, &b);
    err = b.err ? b.err : chan_send(c->dispatcher, DISPATCH_HANDLER, b.data, b.len);
    buf_release(&b);
    return err;
}

static void tell_handler(struct core *c, uint32_t id)
{
    int err = c->dispatcher ? send_handler(c, id) : 0;

    if (err)
        log_error(c->handlers[id - 1]->config->name, "cannot be given to the dispatcher: %s",
                  err_name(err));
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

void core_dispatcher_greet(struct core *c)
{
    for (uint32_t i = 1; i <= c->nhandlers; i++) {
        if (c->handlers[i - 1])
            tell_handler(c, i);
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

static struct core_source *source_new(struct core *c, const struct config *f, size_t at)
{
    const struct config_source *config = &f->sources[at];
    size_t most = config->all_readers ? f->nowners : config->nreaders + 2;
    struct core_source *s = calloc(1, sizeof *s);

    if (!s)
        return NULL;
    s->config = config;
    s->readers = calloc(most + 1, sizeof *s->readers);
    s->reader_ids = calloc(most + 1, sizeof *s->reader_ids);
    if (s->readers && s->reader_ids && !add_readers(c, s, f))
        return s;
    source_free(s);
    return NULL;
}

static struct core_handler *handler_new(const struct config *f, size_t at)
{
    struct core_handler *h = calloc(1, sizeof *h);

    if (h) {
        h->config = &f->handlers[at];
        h->shown = UINT32_MAX; /* what an earlier core left there is not known */
    }
    return h;
}

/* A slot for each part of the file: that of the one which it goes on from, or a new one. */
static int place_sources(struct core *c, const struct config *f, const struct core_names *names,
                         struct core_parts *x)
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
        x->sources[i] = source_new(c, f, at - 1);
        err = x->sources[i] ? 0 : ERR_NOMEM;
    }
    for (size_t i = 0; i < f->nsources && !err; i++) {
        if (placed[i])
            continue;
        x->sources[x->nsources] = source_new(c, f, i);
        err = x->sources[x->nsources++] ? 0 : ERR_NOMEM;
    }
    free(placed);
    return err;
}

static int place_handlers(struct core *c, const struct config *f, const struct core_names *names,
                          struct core_parts *x)
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
        x->handlers[i] = handler_new(f, at - 1);
        err = x->handlers[i] ? 0 : ERR_NOMEM;
    }
    for (size_t i = 0; i < f->nhandlers && !err; i++) {
        if (placed[i])
            continue;
        x->handlers[x->nhandlers] = handler_new(f, i);
        err = x->handlers[x->nhandlers++] ? 0 : ERR_NOMEM;
    }
    free(placed);
    return err;
}

int core_parts_prepare(struct core *c, const struct config *f, struct core_parts *ret)
{
    struct core_names sources = {NULL, 0}, handlers = {NULL, 0};
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
        err = place_sources(c, f, &sources, ret);
    if (!err)
        err = place_handlers(c, f, &handlers, ret);
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
        free(x->handlers[i]);
    free(x->sources);
    free(x->handlers);
    *x = (struct core_parts){.sources = NULL};
}

/* ---- into force ---- */

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
            tell_gone(c->dispatcher, DISPATCH_HANDLER_GONE, i + 1, x->handlers[i]->config->name);
            x->gone++;
        }
    }
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
            now->dirty = before->dirty;
        }
        if (!now || same)
            continue;
        tell_source(c, i + 1);
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
        if (!now || (before && same_handler(now->config, before->config)))
            continue;
        tell_handler(c, i + 1);
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
    take_back(c, x);
    bring_sources(c, x);
    bring_handlers(c, x);
    chan_hold(c->dispatcher, false);
    chan_hold(c->poller, false);
    topics_each(c->topics, retopic, &r);
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
