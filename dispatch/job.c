/* Handlers, jobs and outcomes as frames. Reading trusts nothing: every count is checked before it
 * allocates, every text is UTF-8 within its field, every enumeration is one of its values, and what
 * was half read is released. */
#include "dispatch/dispatch.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum {
    ADDRESS_MAX = 255,     /* octets of a recipient */
    SUBIDS_MAX = 128,      /* RFC 3416 section 4.1 */
    VALUES_SKIP_MAX = 256, /* overrides of a handler that is not here */
};

/* ---- small pieces ---- */

static void read_text(struct rd *r, char *dst, size_t cap)
{
    rd_str(r, dst, cap);
    if (!r->err && !utf8_valid(dst, strlen(dst)))
        r->err = ERR_SYNTAX;
    if (r->err)
        dst[0] = '\0';
}

/* UUIDs become parts of mail headers: nothing but what a UUID is made of. */
static void read_uuid(struct rd *r, char dst[UUID_TEXT_LEN + 1])
{
    rd_str(r, dst, UUID_TEXT_LEN + 1);
    if (r->err)
        return;
    if (strlen(dst) != UUID_TEXT_LEN || strspn(dst, "0123456789abcdef-") != UUID_TEXT_LEN)
        r->err = ERR_SYNTAX;
}

static uint8_t read_enum(struct rd *r, unsigned first, unsigned last)
{
    uint8_t v = rd_u8(r);

    if (!r->err && (v < first || v > last))
        r->err = ERR_SYNTAX;
    return v;
}

/* A count of at most MAX things, each of at least SIZE octets. */
static size_t read_count(struct rd *r, size_t max, size_t size)
{
    size_t n = rd_u32(r);

    if (!r->err && (n > max || n > r->left / size))
        r->err = ERR_SYNTAX;
    return r->err ? 0 : n;
}

static int broken(struct err *e, const char *what)
{
    return err_set(e, ERR_SYNTAX, "%s frame that does not parse", what);
}

/* ---- handlers ---- */

void dispatch_handler_release(struct dispatch_handler *h)
{
    values_release(&h->values);
    children_release(h->children, h->nchildren);
    h->children = NULL;
    h->nchildren = 0;
}

void dispatch_handler_write(const struct dispatch_handler *h, struct buf *b)
{
    buf_u32(b, h->id);
    buf_str(b, h->owner);
    buf_str(b, h->name);
    buf_str(b, h->kind->name);
    values_write(&h->values, b);
    children_write(h->children, h->nchildren, b);
}

int dispatch_handler_read(struct dispatch_handler *ret, const struct kinds *kinds, struct rd *r,
                          struct err *e)
{
    struct dispatch_handler h = {0};
    char kind[33];
    int err;

    h.id = rd_u32(r);
    read_text(r, h.owner, sizeof h.owner);
    read_text(r, h.name, sizeof h.name);
    read_text(r, kind, sizeof kind);
    if (r->err)
        return broken(e, "handler");
    h.kind = kind_find(kinds, KIND_HANDLER, kind);
    if (!h.kind)
        return err_set(e, ERR_INVALID, "handler %s/%s: unknown kind '%s'", h.owner, h.name, kind);
    err = values_read(&h.values, h.kind->properties, h.kind->nproperties, r, e);
    if (!err)
        err = children_read(&h.children, &h.nchildren, h.kind, r, e);
    if (!err && rd_end(r))
        err = broken(e, "handler");
    if (err)
        dispatch_handler_release(&h);
    else
        *ret = h;
    return err;
}

/* ---- the engine ---- */

void dispatch_engine_write(const struct dispatch_engine *x, struct buf *b)
{
    buf_blob(b, x->id.octets, x->id.len);
    buf_u32(b, x->clock.boots);
    buf_u64(b, (uint64_t)x->clock.started_mono_ms);
}

int dispatch_engine_read(struct dispatch_engine *ret, struct rd *r, struct err *e)
{
    struct slice id = rd_blob(r);
    struct dispatch_engine x = {0};

    x.clock.boots = rd_u32(r);
    x.clock.started_mono_ms = (int64_t)rd_u64(r);
    if (rd_end(r) || engine_id_set(&x.id, id.data, id.len) || x.clock.boots == 0 ||
        x.clock.boots > USM_BOOTS_MAX)
        return broken(e, "engine");
    *ret = x;
    return 0;
}

/* ---- varbinds and events ---- */

enum { VARBIND_LEN_MIN = 17 }; /* count, syntax, number, blob's length */

static void varbind_write(const struct job_varbind *v, struct buf *b)
{
    buf_u32(b, (uint32_t)v->nsubids);
    for (size_t i = 0; i < v->nsubids; i++)
        buf_u32(b, v->subids[i]);
    buf_u8(b, (uint8_t)v->syntax);
    buf_u64(b, (uint64_t)v->number);
    buf_blob(b, v->bytes, v->len);
}

static void varbind_read(struct job_varbind *v, struct rd *r)
{
    struct slice bytes;

    v->nsubids = read_count(r, SUBIDS_MAX, 4);
    for (size_t i = 0; i < v->nsubids; i++)
        v->subids[i] = rd_u32(r);
    v->syntax = (enum sa_syntax)read_enum(r, SA_INTEGER, SA_OCTETS);
    v->number = (int64_t)rd_u64(r);
    bytes = rd_blob(r);
    if (r->err || bytes.len == 0)
        return;
    v->bytes = bytes.len <= SA_CELL_MAX ? malloc(bytes.len) : NULL;
    if (!v->bytes) {
        r->err = ERR_SYNTAX;
        return;
    }
    memcpy(v->bytes, bytes.data, bytes.len);
    v->len = bytes.len;
}

enum { EVENT_LEN_MIN = 4 + 4 + UUID_TEXT_LEN + 4 + 4 + 16 + 8 * 4 + 4 };

static void event_write(const struct job_event *v, struct buf *b)
{
    buf_u32(b, v->notice_id);
    buf_str(b, v->uuid);
    buf_u32(b, v->sequence);
    buf_u8(b, v->kind);
    buf_u8(b, v->notification);
    buf_u8(b, v->level);
    buf_u8(b, v->previous_level);
    buf_u64(b, (uint64_t)v->at_ms);
    buf_u64(b, (uint64_t)v->active_since_ms);
    buf_str(b, v->owner);
    buf_str(b, v->definition);
    buf_str(b, v->service);
    buf_str(b, v->instance);
    buf_str(b, v->value);
    buf_str(b, v->message);
    buf_str(b, v->description);
    buf_str(b, v->url);
    buf_u32(b, (uint32_t)v->nvarbinds);
    for (size_t i = 0; i < v->nvarbinds; i++)
        varbind_write(&v->varbinds[i], b);
}

static void event_read(struct job_event *v, struct rd *r)
{
    size_t n;

    v->notice_id = rd_u32(r);
    read_uuid(r, v->uuid);
    v->sequence = rd_u32(r);
    v->kind = read_enum(r, KIND_RAISE, KIND_SELF);
    v->notification = rd_u8(r);
    v->level = read_enum(r, 0, LEVEL_UNKNOWN);
    v->previous_level = read_enum(r, 0, LEVEL_UNKNOWN);
    v->at_ms = (int64_t)rd_u64(r);
    v->active_since_ms = (int64_t)rd_u64(r);
    read_text(r, v->owner, sizeof v->owner);
    read_text(r, v->definition, sizeof v->definition);
    read_text(r, v->service, sizeof v->service);
    read_text(r, v->instance, sizeof v->instance);
    read_text(r, v->value, sizeof v->value);
    read_text(r, v->message, sizeof v->message);
    read_text(r, v->description, sizeof v->description);
    read_text(r, v->url, sizeof v->url);
    n = read_count(r, JOB_VARBINDS_MAX, VARBIND_LEN_MIN);
    if (n == 0)
        return;
    v->varbinds = calloc(n, sizeof *v->varbinds);
    if (!v->varbinds) {
        r->err = ERR_SYNTAX;
        return;
    }
    v->nvarbinds = n;
    for (size_t i = 0; i < n; i++)
        varbind_read(&v->varbinds[i], r);
}

static void event_release(struct job_event *v)
{
    for (size_t i = 0; i < v->nvarbinds; i++)
        free(v->varbinds[i].bytes);
    free(v->varbinds);
}

/* ---- jobs ---- */

void job_write(const struct job *j, struct buf *b)
{
    buf_u64(b, j->id);
    buf_u32(b, j->handler);
    buf_str(b, j->target_owner);
    buf_str(b, j->target);
    buf_str(b, j->uuid);
    buf_u64(b, (uint64_t)j->created_ms);
    buf_u32(b, (uint32_t)j->nrecipients);
    for (size_t i = 0; i < j->nrecipients; i++)
        buf_str(b, j->recipients[i]);
    buf_u32(b, (uint32_t)j->nevents);
    for (size_t i = 0; i < j->nevents; i++)
        event_write(&j->events[i], b);
    values_write(&j->overrides, b); /* last: only they need the handler to be read */
}

void job_release(struct job *j)
{
    for (size_t i = 0; i < j->nrecipients; i++)
        free(j->recipients[i]);
    free(j->recipients);
    for (size_t i = 0; i < j->nevents; i++)
        event_release(&j->events[i]);
    free(j->events);
    values_release(&j->overrides);
    *j = (struct job){.id = j->id};
}

static void recipients_read(struct job *j, struct rd *r)
{
    size_t n = read_count(r, JOB_RECIPIENTS_MAX, 5);

    if (n == 0)
        return;
    j->recipients = calloc(n, sizeof *j->recipients);
    if (!j->recipients) {
        r->err = ERR_SYNTAX;
        return;
    }
    for (j->nrecipients = 0; j->nrecipients < n && !r->err; j->nrecipients++) {
        char *s = rd_strdup(r, ADDRESS_MAX);

        j->recipients[j->nrecipients] = s;
        if (!s || !*s || !utf8_valid(s, strlen(s)))
            r->err = ERR_SYNTAX;
    }
}

static void events_read(struct job *j, struct rd *r)
{
    size_t n = read_count(r, JOB_EVENTS_MAX, EVENT_LEN_MIN);

    if (n == 0) {
        r->err = ERR_SYNTAX; /* a message about nothing */
        return;
    }
    j->events = calloc(n, sizeof *j->events);
    if (!j->events) {
        r->err = ERR_SYNTAX;
        return;
    }
    j->nevents = n;
    for (size_t i = 0; i < n && !r->err; i++)
        event_read(&j->events[i], r);
}

/* The overrides of a handler that is not here: nobody can check them, and nobody will use them. */
static void overrides_skip(struct rd *r)
{
    unsigned n = rd_u16(r);

    if (n > VALUES_SKIP_MAX)
        r->err = ERR_SYNTAX;
    for (unsigned i = 0; i < n && !r->err; i++) {
        rd_blob(r);
        rd_blob(r);
    }
}

static int check_overrides(const struct values *v, struct err *e)
{
    for (size_t i = 0; i < v->n; i++)
        if (!v->items[i].property->target_may_override)
            return err_set(e, ERR_INVALID, "a target may not override property '%s'",
                           v->items[i].property->name);
    return 0;
}

static int overrides_read(struct job *j, const struct kind *kind, struct rd *r, struct err *e)
{
    int err;

    if (!kind) {
        overrides_skip(r);
        return r->err ? broken(e, "job") : 0;
    }
    err = values_read(&j->overrides, kind->properties, kind->nproperties, r, e);
    return err ? err : check_overrides(&j->overrides, e);
}

int job_read(struct job *ret, const struct kind *(*kind_of)(void *arg, uint32_t handler), void *arg,
             struct rd *r, struct err *e)
{
    struct job j = {0};
    int err;

    j.id = rd_u64(r);
    j.handler = rd_u32(r);
    read_text(r, j.target_owner, sizeof j.target_owner);
    read_text(r, j.target, sizeof j.target);
    read_uuid(r, j.uuid);
    j.created_ms = (int64_t)rd_u64(r);
    recipients_read(&j, r);
    if (!r->err)
        events_read(&j, r);
    err = r->err ? broken(e, "job") : overrides_read(&j, kind_of(arg, j.handler), r, e);
    if (!err && rd_end(r))
        err = broken(e, "job");
    if (err)
        job_release(&j);
    *ret = j; /* on failure nothing but the id, 0 if that could not be read */
    return err;
}

/* ---- outcomes ---- */

void outcome_write(const struct outcome *o, struct buf *b)
{
    buf_u64(b, o->job);
    buf_u8(b, o->result);
    buf_u8(b, o->confirmation);
    buf_u8(b, o->in_doubt);
    buf_u32(b, o->pause_ms);
    buf_str(b, o->error);
    buf_str(b, o->response);
    buf_u32(b, (uint32_t)o->nrecipients);
    for (size_t i = 0; i < o->nrecipients; i++) {
        buf_str(b, o->recipients[i].address);
        buf_u8(b, o->recipients[i].state);
        buf_str(b, o->recipients[i].reply);
    }
}

static void recipient_read(struct outcome_recipient *o, struct rd *r)
{
    read_text(r, o->address, sizeof o->address);
    o->state = rd_u8(r);
    read_text(r, o->reply, sizeof o->reply);
    if (o->state != NOTICE_PENDING && o->state != NOTICE_DELIVERED && o->state != NOTICE_FAILED)
        r->err = ERR_SYNTAX;
}

int outcome_read(struct outcome *ret, struct rd *r, struct err *e)
{
    struct outcome o = {0};
    size_t n;

    o.job = rd_u64(r);
    o.result = read_enum(r, OUTCOME_DELIVERED, OUTCOME_FAILED);
    o.confirmation = read_enum(r, CONFIRM_NONE, CONFIRM_ACKNOWLEDGED);
    o.in_doubt = read_enum(r, 0, 1);
    o.pause_ms = rd_u32(r);
    read_text(r, o.error, sizeof o.error);
    read_text(r, o.response, sizeof o.response);
    n = read_count(r, JOB_RECIPIENTS_MAX, 9);
    if (n > 0) {
        o.recipients = calloc(n, sizeof *o.recipients);
        if (!o.recipients)
            return err_set(e, ERR_NOMEM, "out of memory");
        o.nrecipients = n;
    }
    for (size_t i = 0; i < n && !r->err; i++)
        recipient_read(&o.recipients[i], r);
    if (rd_end(r)) {
        outcome_release(&o);
        return broken(e, "outcome");
    }
    *ret = o;
    return 0;
}

void outcome_release(struct outcome *o)
{
    free(o->recipients);
    o->recipients = NULL;
    o->nrecipients = 0;
}

/* ---- checks ---- */

void checked_write(const struct checked *c, struct buf *b)
{
    buf_u64(b, c->job);
    buf_u8(b, c->good);
    buf_str(b, c->message);
}

int checked_read(struct checked *ret, struct rd *r, struct err *e)
{
    struct checked c = {.job = rd_u64(r)};

    c.good = read_enum(r, 0, 1);
    read_text(r, c.message, sizeof c.message);
    if (rd_end(r))
        return broken(e, "check's answer");
    *ret = c;
    return 0;
}
