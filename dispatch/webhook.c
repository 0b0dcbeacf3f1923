/* Handler kind "webhook": a job is a request. Everything happens on the loop's thread and nothing
 * blocks. Requests to one server (scheme, host and port) wait in its queue, so that one that does
 * not answer holds up nobody else: maxInFlight of them are under way at a time. When it turns out
 * that a server cannot be reached, what waits for it is given back to the core at once, which tries
 * again later. Invariant: a delivery is in its server's queue or in its flight. */
#include "dispatch/dispatch.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/loop.h"
#include "dispatch/document.h"
#include "dispatch/webhook_body.h"
#include "dispatch/webhook_check.h"
#include "dispatch/webhook_kind.h"
#include "http/client.h"
#include "snmp/resolve.h"

enum {
    SERVERS_MAX = 256,          /* kept for one handler */
    ADDRESS_AGE_MS = 60 * 1000, /* a name's address is believed for so long */
    ANSWER_MAX = 64 << 10,      /* of an answer; one with more ends its connection */
    REPLY_MAX = 1024,           /* of these, what is looked at */
};

/* ---- what there is ---- */

struct delivery {
    struct delivery *next, **pprev;
    struct list *list;
    struct server *server;
    uint64_t job;
    char uuid[UUID_TEXT_LEN + 1];
    struct buf body;
    const char *type;       /* of the body; the service's */
    struct webhook_aim aim; /* of a redirect, when one is followed */
    int64_t end_ms;         /* of its time, mono */
    unsigned redirects;
    struct lookup *lookup; /* of a redirect's host */
    struct http_request *request;
};

struct list {
    struct delivery *first, **end;
    size_t n;
};

struct server {
    struct server *next;
    struct webhook *webhook;
    char origin[HTTP_ORIGIN_MAX + 1];
    struct http_place place; /* what is connected to: the proxy, if there is one */
    struct lookup *lookup;   /* runs */
    struct address addresses[RESOLVE_ADDRESSES_MAX];
    size_t naddresses; /* 0: a numeric host, or not looked up yet */
    int64_t resolved_ms;
    bool numeric, stale;
    struct list queue, flight;
    struct loop_timer *pump;
};

struct webhook {
    struct service *service;
    struct http_client *client;
    struct resolver *resolver;
    const char *proxy;       /* "": none */
    struct webhook_aim last; /* of a job */
    struct server *servers;  /* most recently used first */
    size_t nservers;
    struct webhook_checks checks;
};

static int64_t number(const struct webhook *w, const char *name)
{
    return values_number(&service_handler(w->service)->values, webhook_kind.properties,
                         webhook_kind.nproperties, name);
}

static const char *text(const struct webhook *w, const char *name)
{
    return values_text(&service_handler(w->service)->values, webhook_kind.properties,
                       webhook_kind.nproperties, name);
}

/* ---- lists ---- */

static void list_init(struct list *l)
{
    *l = (struct list){.end = &l->first};
}

static void list_append(struct list *l, struct delivery *d)
{
    d->list = l;
    d->next = NULL;
    d->pprev = l->end;
    *l->end = d;
    l->end = &d->next;
    l->n++;
}

static void list_remove(struct delivery *d)
{
    *d->pprev = d->next;
    if (d->next)
        d->next->pprev = d->pprev;
    else
        d->list->end = d->pprev;
    d->list->n--;
}

/* ---- the end of a delivery ---- */

static void delivery_free(struct delivery *d)
{
    list_remove(d);
    resolve_cancel(d->lookup);
    http_cancel(d->request);
    buf_release(&d->body);
    explicit_bzero(&d->aim, sizeof d->aim);
    free(d);
}

/* WORDS: why it is not delivered. A: what the server says, NULL: nothing. */
static void finish_as(struct delivery *d, enum outcome_result result, const char *words,
                      const struct http_answer *a)
{
    struct webhook *w = d->server->webhook;
    char place[HTTP_PLACE_TEXT_MAX + 1], line[2 * REPLY_MAX];
    struct outcome o = {.job = d->job, .result = (uint8_t)result, .confirmation = CONFIRM_NONE};

    if (result == OUTCOME_DELIVERED) {
        o.confirmation = CONFIRM_ACKNOWLEDGED;
    } else {
        http_place_text(&d->aim.place, place);
        snprintf(line, sizeof line, "%s: %s", place, words);
        utf8_clean(o.error, sizeof o.error, line, strlen(line), false);
    }
    if (a)
        utf8_clean(o.response, sizeof o.response, a->body.data, a->body.len, true);
    if (a && result == OUTCOME_RETRY && a->retry_after_ms > 0)
        o.pause_ms = (uint32_t)a->retry_after_ms;
    loop_timer_set(d->server->pump, 0);
    delivery_free(d);
    service_done(w->service, &o);
}

static void finish(struct delivery *d, enum outcome_result result, const char *words)
{
    finish_as(d, result, words, NULL);
}

/* Errors of our own making never go away; those of the network and of files may. */
static enum outcome_result result_of(int err)
{
    return err == ERR_INVALID || err == ERR_FULL || err == ERR_RANGE ? OUTCOME_FAILED
                                                                     : OUTCOME_RETRY;
}

/* What waits for S, which cannot be reached now. */
static void give_back(struct server *s, const char *words)
{
    while (s->queue.first)
        finish(s->queue.first, OUTCOME_RETRY, words);
}

/* ---- what the server says ---- */

static enum outcome_result result_of_status(int status)
{
    if (status >= 200 && status <= 299)
        return OUTCOME_DELIVERED;
    if (status >= 300 && status <= 499)
        return status == 408 || status == 425 || status == 429 ? OUTCOME_RETRY : OUTCOME_FAILED;
    return OUTCOME_RETRY;
}

static const char *hint_of(const struct delivery *d, const struct http_answer *a)
{
    if (*a->location)
        return d->redirects ? " (too many redirects)" : " (redirects are not followed)";
    if ((a->status == 401 || a->status == 403) && !d->aim.trusted)
        return " (what the handler has from files is not sent there)";
    return "";
}

/* "HTTP status 503, again in 120 s: <what the server says>" */
static void describe(const struct delivery *d, const struct http_answer *a, char *dst, size_t cap)
{
    char reply[REPLY_MAX + 1], again[48] = "";
    size_t len = a->body.len < REPLY_MAX ? a->body.len : REPLY_MAX;

    utf8_clean(reply, sizeof reply, a->body.data, len, false);
    if (a->retry_after_ms > 0 && result_of_status(a->status) == OUTCOME_RETRY)
        snprintf(again, sizeof again, ", again in %lld s", (long long)a->retry_after_ms / 1000);
    snprintf(dst, cap, "HTTP status %d%s%s%s%s", a->status, again, hint_of(d, a),
             *reply ? ": " : "", reply);
}

/* ---- requests ---- */

static void on_answer(void *arg, const struct http_answer *a);

static int start(struct delivery *d, const struct address *addresses, size_t n, struct err *e)
{
    const struct server *s = d->server;
    struct webhook *w = s->webhook;
    int64_t left_ms = d->end_ms - clock_mono_ms();
    struct webhook_head head;
    struct http_options o = {
        .method = d->aim.method,
        .url = d->aim.url,
        .proxy = w->proxy,
        .addresses = addresses,
        .naddresses = n,
        .body = {d->body.data, d->body.len},
        .connect_ms = (uint32_t)number(w, "connectTimeout"),
        .timeout_ms = left_ms > 0 ? (uint32_t)left_ms : 1,
        .size_max = ANSWER_MAX,
        .ca_file = text(w, "caFile"),
        .verify = d->aim.verify,
    };
    int err = webhook_head_read(&head, w->service, d->uuid, d->type, d->aim.trusted, e);

    if (err)
        return err;
    o.headers = (const char *const *)head.headers;
    o.nheaders = head.nheaders;
    o.username = head.username;
    o.password = head.password;
    o.cert_file = head.cert_file;
    o.key_file = head.key_file;
    err = http_start(&d->request, w->client, &o, on_answer, d, e);
    webhook_head_release(&head);
    return err;
}

static void start_or_finish(struct delivery *d, const struct address *addresses, size_t n)
{
    struct err e;
    int err = start(d, addresses, n, &e);

    if (err)
        finish(d, result_of(err), e.text);
}

/* ---- redirects ---- */

static void on_redirect_resolved(void *arg, int result, const struct address *addresses, size_t n,
                                 const char *why)
{
    struct delivery *d = arg;

    d->lookup = NULL;
    if (result)
        finish(d, OUTCOME_RETRY, why);
    else
        start_or_finish(d, addresses, n);
}

/* Not 303, which says that there is something to be read elsewhere: a notice would be lost. */
static bool may_follow(const struct delivery *d, const struct http_answer *a)
{
    static const int again[] = {301, 302, 307, 308};
    int64_t most = number(d->server->webhook, "followRedirects");
    bool is_one = false;

    for (size_t i = 0; i < sizeof again / sizeof *again; i++)
        is_one |= a->status == again[i];
    return is_one && *a->location && d->redirects < most;
}

static int aim_anew(struct delivery *d, const char *location, struct err *e)
{
    char url[sizeof d->aim.url] = "";
    struct http_place place;
    int err = http_join(url, sizeof url, d->aim.url, location, e);

    if (!err && http_place(&place, url, e))
        err = err_set(e, ERR_INVALID, "no URL of http or https");
    if (err)
        return err_prefix(e, "a redirect to");
    if (d->aim.place.tls && !place.tls)
        return err_set(e, ERR_INVALID, "a redirect from https to http is not followed");
    if (strcmp(place.origin, d->aim.place.origin) != 0)
        d->aim.trusted = false;
    memcpy(d->aim.url, url, sizeof url);
    d->aim.place = place;
    return 0;
}

static void follow(struct delivery *d, const char *location)
{
    const struct server *s = d->server;
    struct http_place *place = &d->aim.place;
    struct address numeric;
    struct err e;
    int err = aim_anew(d, location, &e);

    d->redirects++;
    if (err) {
        finish(d, OUTCOME_FAILED, e.text);
    } else if (*s->webhook->proxy || strcmp(place->origin, s->origin) == 0) {
        start_or_finish(d, s->addresses, s->naddresses);
    } else if (address_parse(&numeric, place->host, place->port)) {
        start_or_finish(d, NULL, 0);
    } else {
        err = resolve_start(&d->lookup, s->webhook->resolver, place->host, place->port,
                            on_redirect_resolved, d, &e);
        if (err)
            finish(d, result_of(err), e.text);
    }
}

/* The status counts once it is there, whatever became of the rest: who has said 204 has the notice.
 */
static void on_answer(void *arg, const struct http_answer *a)
{
    struct delivery *d = arg;
    struct server *s = d->server;
    char words[REPLY_MAX + 256] = "";

    d->request = NULL;
    if (a->status && may_follow(d, a)) {
        follow(d, a->location);
        return;
    }
    if (a->status) {
        enum outcome_result result = result_of_status(a->status);

        if (result != OUTCOME_DELIVERED)
            describe(d, a, words, sizeof words);
        finish_as(d, result, words, a);
        return;
    }
    snprintf(words, sizeof words, "%s", a->failure->text);
    if (a->unreachable && !d->redirects) {
        s->stale = true;
        give_back(s, words);
    }
    finish(d, result_of(a->failure->code), words);
}

/* ---- servers ---- */

static bool room(const struct server *s)
{
    return s->queue.first && (int64_t)s->flight.n < number(s->webhook, "maxInFlight");
}

static void look_up(struct server *s);

/* The timer's: starts what may be started now. */
static void on_pump(void *arg)
{
    struct server *s = arg;
    int64_t now = clock_mono_ms();

    if (s->lookup || !room(s))
        return;
    if (!s->numeric && (s->stale || !s->naddresses || now - s->resolved_ms > ADDRESS_AGE_MS)) {
        look_up(s);
        return;
    }
    while (room(s)) {
        struct delivery *d = s->queue.first;

        list_remove(d);
        list_append(&s->flight, d);
        d->end_ms = now + number(s->webhook, "timeout");
        start_or_finish(d, s->addresses, s->naddresses);
    }
}

static void on_resolved(void *arg, int result, const struct address *addresses, size_t n,
                        const char *why)
{
    struct server *s = arg;

    s->lookup = NULL;
    if (result) {
        give_back(s, why);
        return;
    }
    s->naddresses = n < RESOLVE_ADDRESSES_MAX ? n : RESOLVE_ADDRESSES_MAX;
    memcpy(s->addresses, addresses, s->naddresses * sizeof *addresses);
    s->resolved_ms = clock_mono_ms();
    s->stale = false;
    on_pump(s);
}

static void look_up(struct server *s)
{
    struct err e;

    if (resolve_start(&s->lookup, s->webhook->resolver, s->place.host, s->place.port, on_resolved,
                      s, &e))
        give_back(s, e.text);
}

static void server_free(struct server *s)
{
    while (s->queue.first)
        delivery_free(s->queue.first);
    while (s->flight.first)
        delivery_free(s->flight.first);
    resolve_cancel(s->lookup);
    loop_timer_del(s->pump);
    free(s);
}

static bool is_idle(const struct server *s)
{
    return !s->queue.first && !s->flight.first && !s->lookup;
}

/* Let the idle one go that was used longest ago. */
static void make_room(struct webhook *w)
{
    struct server **last = NULL, *s;

    if (w->nservers < SERVERS_MAX)
        return;
    for (struct server **at = &w->servers; *at; at = &(*at)->next)
        if (is_idle(*at))
            last = at;
    if (!last)
        return; /* then there are a few more for a while */
    s = *last;
    *last = s->next;
    w->nservers--;
    server_free(s);
}

static struct server *server_new(struct webhook *w, const struct http_place *place)
{
    struct server *s = calloc(1, sizeof *s);
    struct address numeric;

    if (!s)
        return NULL;
    s->webhook = w;
    snprintf(s->origin, sizeof s->origin, "%s", place->origin);
    s->place = *place;
    if (*w->proxy)
        http_place(&s->place, w->proxy, NULL); /* the kind has checked it */
    s->numeric = address_parse(&numeric, s->place.host, s->place.port);
    list_init(&s->queue);
    list_init(&s->flight);
    s->pump = loop_timer_new(service_loop(w->service), on_pump, s);
    if (!s->pump) {
        free(s);
        return NULL;
    }
    w->nservers++;
    return s;
}

/* NULL when out of memory. */
static struct server *server_get(struct webhook *w, const struct http_place *place)
{
    struct server **at = &w->servers, *s;

    while (*at && strcmp((*at)->origin, place->origin) != 0)
        at = &(*at)->next;
    s = *at;
    if (s) {
        *at = s->next;
    } else {
        make_room(w);
        s = server_new(w, place);
        if (!s)
            return NULL;
    }
    s->next = w->servers;
    w->servers = s;
    return s;
}

/* ---- from jobs to deliveries ---- */

static int fill(struct delivery *d, struct webhook *w, const struct job *j, struct err *e)
{
    int err = webhook_aim(&d->aim, &w->last, w->service, j, e);

    if (err)
        return err;
    w->last = d->aim;
    d->type = webhook_body(w->service, j, &d->body);
    if (d->body.err)
        return err_set(e, d->body.err, "the document does not fit");
    d->server = server_get(w, &d->aim.place);
    return d->server ? 0 : err_set(e, ERR_NOMEM, "out of memory");
}

static int enqueue(struct webhook *w, const struct job *j, struct err *e)
{
    struct delivery *d = calloc(1, sizeof *d);
    int err;

    if (!d)
        return err_set(e, ERR_NOMEM, "out of memory");
    d->job = j->id;
    memcpy(d->uuid, j->uuid, sizeof d->uuid);
    buf_init(&d->body, DOCUMENT_MAX);
    err = fill(d, w, j, e);
    if (err) {
        buf_release(&d->body);
        explicit_bzero(&d->aim, sizeof d->aim);
        free(d);
        return err;
    }
    list_append(&d->server->queue, d);
    loop_timer_set(d->server->pump, 0);
    return 0;
}

/* Nothing of J will be sent. */
static void refuse(struct webhook *w, const struct job *j, const struct err *e)
{
    struct outcome_recipient all[JOB_RECIPIENTS_MAX];
    struct outcome o = {.job = j->id,
                        .result = (uint8_t)result_of(e->code),
                        .confirmation = CONFIRM_NONE,
                        .recipients = all,
                        .nrecipients = j->nrecipients};

    for (size_t i = 0; i < j->nrecipients; i++) {
        all[i] = (struct outcome_recipient){.state = NOTICE_FAILED};
        snprintf(all[i].address, sizeof all[i].address, "%s", j->recipients[i]);
    }
    utf8_clean(o.error, sizeof o.error, e->text, strlen(e->text), false);
    service_done(w->service, &o);
}

/* ---- the kind ---- */

static void webhook_deliver(void *state, struct job *j)
{
    struct webhook *w = state;
    struct err e;
    int err = 0;

    if (j->nrecipients)
        err = err_set(&e, ERR_INVALID, "%s", WEBHOOK_NO_RECIPIENTS);
    if (!err)
        err = enqueue(w, j, &e);
    if (err)
        refuse(w, j, &e);
    job_release(j);
    free(j);
}

static void webhook_cancel(void *state, uint64_t job)
{
    struct webhook *w = state;

    for (struct server *s = w->servers; s; s = s->next)
        for (struct delivery *d = s->queue.first; d; d = d->next)
            if (d->job == job) {
                finish(d, OUTCOME_RETRY, "cancelled");
                return;
            }
}

static void webhook_validate(void *state, struct job *j)
{
    struct webhook *w = state;

    webhook_check_start(&w->checks, j);
}

static void webhook_close(void *state)
{
    struct webhook *w = state;

    webhook_checks_release(&w->checks);
    while (w->servers) {
        struct server *s = w->servers;

        w->servers = s->next;
        server_free(s);
    }
    http_client_free(w->client);
    resolver_free(w->resolver);
    explicit_bzero(&w->last, sizeof w->last);
    free(w);
}

static int webhook_open(struct service *s, void **ret_state, struct err *e)
{
    struct webhook *w = calloc(1, sizeof *w);
    int err;

    if (!w)
        return err_set(e, ERR_NOMEM, "out of memory");
    w->service = s;
    w->proxy = text(w, "proxy");
    w->resolver = resolver_new(service_loop(s));
    err = w->resolver ? http_client_new(&w->client, service_loop(s), e)
                      : err_set(e, ERR_NOMEM, "out of memory or descriptors");
    w->checks = (struct webhook_checks){s, w->resolver, w->client, NULL};
    if (!err)
        err = webhook_kind.check(&service_handler(s)->values, e);
    if (err)
        webhook_close(w);
    else
        *ret_state = w;
    return err;
}

const struct dispatch_kind dispatch_kind_webhook = {
    .kind = &webhook_kind,
    .open = webhook_open,
    .close = webhook_close,
    .deliver = webhook_deliver,
    .cancel = webhook_cancel,
    .validate = webhook_validate,
};
