/* The dispatcher's stage. Invariants: every job that came in, to be delivered or only checked, is
 * in `flights` until its one answer is queued for the core, and a service lives until its last
 * flight is answered. A handler that is replaced or gone gets no more jobs and DRAIN_MS to finish
 * those it has. */
#include "dispatch/dispatch.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/loop.h"

enum {
    FLIGHTS_MAX = 4096,           /* jobs in flight */
    FLIGHT_BYTES_MAX = 128 << 20, /* of their frames */
    FLIGHT_BUCKETS = 1024,
    HANDLERS_MAX = 4096,
    KINDS_MAX = 16,
    DRAIN_MS = 10 * 1000,
    ANSWER_LEN_MAX = 64 << 10,
    BACKLOG_MS = 20, /* how often answers that the channel had no room for are tried again */
};

struct service {
    struct dispatcher *dispatcher;
    struct dispatch_handler handler;
    const struct dispatch_kind *kind;
    void *state;        /* NULL: could not be opened */
    struct err failure; /* why */
    size_t nflights;
    bool retired;
    struct loop_timer *end; /* of the drain */
    struct service *next;   /* of the retired */
};

struct flight {
    uint64_t job;
    struct service *service;
    size_t bytes;
    bool check;
    struct flight *next;
};

struct answer_frame {
    struct answer_frame *next;
    uint16_t type;
    struct buf payload;
};

struct dispatcher {
    struct loop *loop;
    void *place;
    struct chan *core;
    struct dispatch_engine engine;
    const struct dispatch_kind *kinds[KINDS_MAX];
    const struct kind *kind_items[KINDS_MAX];
    struct kinds kind_list;
    struct service **services;
    size_t nservices;
    struct service *retired;
    struct flight *flights[FLIGHT_BUCKETS];
    size_t nflights, flight_bytes;
    struct answer_frame *backlog, **backlog_end;
    struct loop_timer *backlog_timer;
};

/* ---- answers ---- */

static void backlog_flush(void *arg)
{
    struct dispatcher *d = arg;
    struct answer_frame *f;

    chan_hold(d->core, true);
    while ((f = d->backlog) && d->core) {
        if (chan_send(d->core, f->type, f->payload.data, f->payload.len) == ERR_FULL) {
            loop_timer_set(d->backlog_timer, BACKLOG_MS);
            break;
        }
        d->backlog = f->next;
        if (!d->backlog)
            d->backlog_end = &d->backlog;
        buf_release(&f->payload);
        free(f);
    }
    chan_hold(d->core, false);
}

/* Takes PAYLOAD over. An answer is never lost while the core is there: it waits for the others of
 * this turn, and for room in the channel. */
static void tell_core(struct dispatcher *d, uint16_t type, uint64_t job, struct buf *payload)
{
    struct answer_frame *f = payload->err ? NULL : calloc(1, sizeof *f);

    if (!f) {
        log_error(NULL, "the answer for job %" PRIu64 " is lost: %s", job,
                  err_name(payload->err ? payload->err : ERR_NOMEM));
        buf_release(payload);
        return;
    }
    f->type = type;
    f->payload = *payload;
    if (!d->backlog)
        loop_timer_set(d->backlog_timer, 0);
    *d->backlog_end = f;
    d->backlog_end = &f->next;
}

static void tell_outcome(struct dispatcher *d, const struct outcome *o)
{
    struct buf b;

    buf_init(&b, ANSWER_LEN_MAX);
    outcome_write(o, &b);
    tell_core(d, DISPATCH_OUTCOME, o->job, &b);
}

static void tell_checked(struct dispatcher *d, uint64_t job, bool good, const char *words)
{
    struct checked c = {.job = job, .good = good};
    struct buf b;

    utf8_clean(c.message, sizeof c.message, words, strlen(words), false);
    buf_init(&b, ANSWER_LEN_MAX);
    checked_write(&c, &b);
    tell_core(d, DISPATCH_CHECKED, job, &b);
}

/* Of what no handler answers. */
static void answer(struct dispatcher *d, uint64_t job, bool check, enum outcome_result result,
                   const char *why)
{
    struct outcome o = {.job = job, .result = (uint8_t)result, .confirmation = CONFIRM_NONE};

    if (check) {
        tell_checked(d, job, false, why);
        return;
    }
    utf8_clean(o.error, sizeof o.error, why, strlen(why), false);
    tell_outcome(d, &o);
}

/* ---- flights ---- */

static struct flight **flight_slot(struct dispatcher *d, uint64_t job)
{
    struct flight **f = &d->flights[job % FLIGHT_BUCKETS];

    while (*f && (*f)->job != job)
        f = &(*f)->next;
    return f;
}

static bool flight_add(struct dispatcher *d, struct service *s, uint64_t job, bool check,
                       size_t bytes)
{
    struct flight **slot = flight_slot(d, job);

    *slot = malloc(sizeof **slot);
    if (!*slot)
        return false;
    **slot = (struct flight){.job = job, .service = s, .bytes = bytes, .check = check};
    s->nflights++;
    d->nflights++;
    d->flight_bytes += bytes;
    return true;
}

static void flight_remove(struct dispatcher *d, struct flight **slot)
{
    struct flight *f = *slot;

    *slot = f->next;
    f->service->nflights--;
    d->nflights--;
    d->flight_bytes -= f->bytes;
    free(f);
}

/* ---- services ---- */

static void answer_all(struct service *s, const char *why)
{
    struct dispatcher *d = s->dispatcher;

    for (size_t i = 0; i < FLIGHT_BUCKETS && s->nflights > 0; i++)
        for (struct flight **f = &d->flights[i]; *f;) {
            if ((*f)->service != s) {
                f = &(*f)->next;
                continue;
            }
            answer(d, (*f)->job, (*f)->check, OUTCOME_RETRY, why);
            flight_remove(d, f);
        }
}

static void service_free(struct service *s)
{
    if (!s)
        return;
    if (s->state)
        s->kind->close(s->state);
    answer_all(s, "the handler was closed before it had an answer");
    loop_timer_del(s->end);
    dispatch_handler_release(&s->handler);
    free(s);
}

/* A retired service's last job is answered, or its time is over. */
static void on_drained(void *arg)
{
    struct service *s = arg, **p = &s->dispatcher->retired;

    while (*p != s)
        p = &(*p)->next;
    *p = s->next;
    service_free(s);
}

static void service_retire(struct service *s)
{
    s->end = loop_timer_new(s->dispatcher->loop, on_drained, s);
    if (!s->end) {
        service_free(s);
        return;
    }
    s->retired = true;
    s->next = s->dispatcher->retired;
    s->dispatcher->retired = s;
    loop_timer_set(s->end, s->nflights ? DRAIN_MS : 0);
}

struct loop *service_loop(struct service *s)
{
    return s->dispatcher->loop;
}

void *service_place(const struct service *s)
{
    return s->dispatcher->place;
}

const struct dispatch_handler *service_handler(const struct service *s)
{
    return &s->handler;
}

const struct dispatch_engine *service_engine(const struct service *s)
{
    return &s->dispatcher->engine;
}

/* Its handler has answered: false if it was not asked. */
static bool land(struct service *s, uint64_t job, bool check)
{
    struct flight **slot = flight_slot(s->dispatcher, job);

    if (!*slot || (*slot)->service != s || (*slot)->check != check) {
        log_error(s->handler.name, "answered job %" PRIu64 ", which it does not have", job);
        return false;
    }
    flight_remove(s->dispatcher, slot);
    if (s->retired && s->nflights == 0)
        loop_timer_set(s->end, 0); /* not now: the kind is still on the stack */
    return true;
}

void service_done(struct service *s, const struct outcome *o)
{
    if (land(s, o->job, false))
        tell_outcome(s->dispatcher, o);
}

void service_checked(struct service *s, uint64_t job, bool good, const char *words)
{
    if (land(s, job, true))
        tell_checked(s->dispatcher, job, good, words);
}

void service_retry(struct service *s, uint64_t job, const char *why)
{
    struct outcome o = {.job = job, .result = OUTCOME_RETRY, .confirmation = CONFIRM_NONE};

    utf8_clean(o.error, sizeof o.error, why, strlen(why), false);
    service_done(s, &o);
}

/* ---- values of a job ---- */

static bool overrides(const struct values *v, const char *name)
{
    for (size_t i = 0; i < v->n; i++)
        if (strcmp(v->items[i].property->name, name) == 0)
            return true;
    return false;
}

bool service_trusts(const struct service *s, const struct job *j)
{
    (void)s;
    return !values_touch_transport(&j->overrides);
}

const char *service_text(const struct service *s, const struct job *j, const char *name)
{
    const struct kind *k = s->handler.kind;
    const struct property *p = property_find(k->properties, k->nproperties, name);

    if (overrides(&j->overrides, name))
        return values_text(&j->overrides, k->properties, k->nproperties, name);
    if (p && property_is_secret(p) && !service_trusts(s, j))
        return "";
    return values_text(&s->handler.values, k->properties, k->nproperties, name);
}

static const struct values *values_of(const struct service *s, const struct job *j,
                                      const char *name)
{
    return overrides(&j->overrides, name) ? &j->overrides : &s->handler.values;
}

int64_t service_number(const struct service *s, const struct job *j, const char *name)
{
    const struct kind *k = s->handler.kind;

    return values_number(values_of(s, j, name), k->properties, k->nproperties, name);
}

bool service_true(const struct service *s, const struct job *j, const char *name)
{
    const struct kind *k = s->handler.kind;

    return values_true(values_of(s, j, name), k->properties, k->nproperties, name);
}

const struct template *service_template(const struct service *s, const struct job *j,
                                        const char *name)
{
    return values_template(values_of(s, j, name), name);
}

/* ---- handlers come and go ---- */

static struct service **find_service(struct dispatcher *d, uint32_t id)
{
    for (size_t i = 0; i < d->nservices; i++)
        if (d->services[i]->handler.id == id)
            return &d->services[i];
    return NULL;
}

static const struct dispatch_kind *kind_of(struct dispatcher *d, const struct kind *kind)
{
    for (size_t i = 0; i < d->kind_list.n; i++)
        if (d->kinds[i]->kind == kind)
            return d->kinds[i];
    return NULL;
}

/* Takes H over in every case. A service that does not open is kept too: it says why. */
static struct service *service_new(struct dispatcher *d, struct dispatch_handler *h)
{
    struct service *s = calloc(1, sizeof *s);

    if (!s) {
        dispatch_handler_release(h);
        return NULL;
    }
    s->dispatcher = d;
    s->handler = *h;
    s->kind = kind_of(d, h->kind);
    if (s->kind->open(s, &s->state, &s->failure)) {
        s->state = NULL;
        log_error(s->handler.name, "cannot open: %s", s->failure.text);
    }
    return s;
}

static int add_service(struct dispatcher *d, struct service *s)
{
    struct service **items;

    if (d->nservices == HANDLERS_MAX)
        return ERR_FULL;
    items = reallocarray(d->services, d->nservices + 1, sizeof(struct service *));
    if (!items)
        return ERR_NOMEM;
    d->services = items;
    items[d->nservices++] = s;
    return 0;
}

/* Makes S the one that gets the jobs of its id. */
static int bring_service(struct dispatcher *d, struct service *s)
{
    struct service **old = find_service(d, s->handler.id);
    int err = 0;

    if (old) {
        service_retire(*old);
        *old = s;
        return 0;
    }
    err = add_service(d, s);
    if (err)
        service_free(s);
    return err;
}

static int take_handler(struct dispatcher *d, struct rd *r, bool changed)
{
    struct dispatch_handler h;
    struct service *s, **old;
    struct err e;
    int err = dispatch_handler_read(&h, &d->kind_list, r, &e);

    if (err) {
        log_error(NULL, "%s", e.text);
        return err == ERR_INVALID ? 0 : ERR_PROTOCOL; /* its jobs will be told */
    }
    s = service_new(d, &h);
    if (!s)
        return ERR_NOMEM;
    old = find_service(d, s->handler.id);
    if (!s->state && old && (*old)->state) {
        log_error(s->handler.name, "goes on as it was");
        service_free(s);
        return 0;
    }
    err = bring_service(d, s);
    if (!err && changed && s->state && s->kind->changed)
        s->kind->changed(s->state);
    return err;
}

static int on_handler(struct dispatcher *d, struct rd *r)
{
    return take_handler(d, r, false);
}

static int on_handler_changed(struct dispatcher *d, struct rd *r)
{
    return take_handler(d, r, true);
}

static int on_handler_gone(struct dispatcher *d, struct rd *r)
{
    uint32_t id = rd_u32(r);
    struct service **s = rd_end(r) ? NULL : find_service(d, id);

    if (r->err)
        return ERR_PROTOCOL;
    if (!s)
        return 0;
    service_retire(*s);
    *s = d->services[--d->nservices];
    return 0;
}

static int on_engine(struct dispatcher *d, struct rd *r)
{
    struct err e;

    return dispatch_engine_read(&d->engine, r, &e) ? ERR_PROTOCOL : 0;
}

/* ---- jobs ---- */

static const struct kind *kind_of_handler(void *arg, uint32_t handler)
{
    struct service **s = find_service(arg, handler);

    return s ? (*s)->handler.kind : NULL;
}

/* Why J cannot start now; NULL when it can. */
static const char *obstacle(const struct dispatcher *d, struct service *const *s, size_t bytes)
{
    if (!s)
        return "the dispatcher has no such handler";
    if (!(*s)->state)
        return (*s)->failure.text;
    if (d->nflights >= FLIGHTS_MAX || d->flight_bytes + bytes > FLIGHT_BYTES_MAX)
        return "the dispatcher is busy";
    return NULL;
}

static int start_job(struct dispatcher *d, struct job *j, bool check, size_t bytes)
{
    struct service **s = find_service(d, j->handler);
    const char *why = obstacle(d, s, bytes);

    if (!why && check && !(*s)->kind->validate)
        why = "this cannot be known of a handler of its kind but by sending: test it";
    if (!why && !flight_add(d, *s, j->id, check, bytes))
        why = "out of memory";
    if (why) {
        answer(d, j->id, check, OUTCOME_RETRY, why);
        job_release(j);
        free(j);
        return 0;
    }
    if (check)
        (*s)->kind->validate((*s)->state, j);
    else
        (*s)->kind->deliver((*s)->state, j);
    return 0;
}

static int take_job(struct dispatcher *d, struct rd *r, bool check)
{
    size_t bytes = r->left;
    struct job *j = malloc(sizeof *j);
    struct err e;
    int err;

    if (!j)
        return ERR_NOMEM;
    err = job_read(j, kind_of_handler, d, r, &e);
    if (!err && *flight_slot(d, j->id)) {
        err = err_set(&e, ERR_PROTOCOL, "job %" PRIu64 " is here already", j->id);
        job_release(j);
    }
    if (!err)
        return start_job(d, j, check, bytes);
    log_error(NULL, "job %" PRIu64 ": %s", j->id, e.text);
    if (err == ERR_INVALID) {
        answer(d, j->id, check, OUTCOME_FAILED, e.text);
        err = 0;
    }
    free(j);
    return err ? ERR_PROTOCOL : 0;
}

static int on_job(struct dispatcher *d, struct rd *r)
{
    return take_job(d, r, false);
}

static int on_check(struct dispatcher *d, struct rd *r)
{
    return take_job(d, r, true);
}

static int on_cancel(struct dispatcher *d, struct rd *r)
{
    uint64_t job = rd_u64(r);
    struct flight *f;

    if (rd_end(r))
        return ERR_PROTOCOL;
    f = *flight_slot(d, job);
    if (f && !f->check && f->service->kind->cancel)
        f->service->kind->cancel(f->service->state, job);
    return 0;
}

static const struct {
    uint16_t type;
    int (*on)(struct dispatcher *, struct rd *);
} frames[] = {
    {DISPATCH_HANDLER, on_handler}, {DISPATCH_HANDLER_GONE, on_handler_gone},
    {DISPATCH_JOB, on_job},         {DISPATCH_CANCEL, on_cancel},
    {DISPATCH_CHECK, on_check},     {DISPATCH_HANDLER_CHANGED, on_handler_changed},
    {DISPATCH_ENGINE, on_engine},
};

int dispatcher_frame(struct dispatcher *d, uint16_t type, const uint8_t *payload, size_t len)
{
    struct rd r;

    rd_init(&r, payload, len);
    for (size_t i = 0; i < sizeof frames / sizeof *frames; i++)
        if (frames[i].type == type)
            return frames[i].on(d, &r);
    return ERR_PROTOCOL;
}

/* ---- start and stop ---- */

int dispatcher_new(struct dispatcher **ret, struct loop *l,
                   const struct dispatch_kind *const *kinds, size_t nkinds, void *place,
                   struct err *e)
{
    struct dispatcher *d;

    if (nkinds > KINDS_MAX)
        return err_set(e, ERR_RANGE, "more than %d handler kinds", KINDS_MAX);
    d = calloc(1, sizeof *d);
    if (!d)
        return err_set(e, ERR_NOMEM, "out of memory");
    d->loop = l;
    d->place = place;
    d->backlog_end = &d->backlog;
    d->kind_list = (struct kinds){d->kind_items, nkinds};
    for (size_t i = 0; i < nkinds; i++) {
        d->kinds[i] = kinds[i];
        d->kind_items[i] = kinds[i]->kind;
    }
    d->backlog_timer = loop_timer_new(l, backlog_flush, d);
    if (!d->backlog_timer) {
        free(d);
        return err_set(e, ERR_NOMEM, "out of memory");
    }
    *ret = d;
    return 0;
}

void dispatcher_free(struct dispatcher *d)
{
    if (!d)
        return;
    for (size_t i = 0; i < d->nservices; i++)
        service_free(d->services[i]);
    free(d->services);
    while (d->retired)
        on_drained(d->retired);
    backlog_flush(d);
    while (d->backlog) {
        struct answer_frame *f = d->backlog;

        d->backlog = f->next;
        buf_release(&f->payload);
        free(f);
    }
    loop_timer_del(d->backlog_timer);
    free(d);
}

/* Handlers go with the core that sent them: another one gives the same ids to others. */
void dispatcher_set_core(struct dispatcher *d, struct chan *core)
{
    backlog_flush(d); /* the old one may still read it */
    d->core = core;
    while (d->nservices > 0)
        service_retire(d->services[--d->nservices]);
    backlog_flush(d);
}
