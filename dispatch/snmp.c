/* Handler kind "snmp": traps and informs, sent by ourselves. Everything happens on the
 * loop's thread and nothing blocks. A job is one notification for each event and destination; it is
 * answered when the last of them is. Destinations are kept: one socket each, names looked up again
 * after ADDRESS_AGE_MS or a failure. Invariant: a notification is in one of its destination's two
 * lists, queued or in flight, and holds its job. */
#include "dispatch/dispatch.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/loop.h"
#include "dispatch/notice_text.h"
#include "dispatch/notification.h"
#include "dispatch/snmp_check.h"
#include "dispatch/snmp_kind.h"
#include "snmp/session.h"

enum {
    IN_FLIGHT_MAX = 100,            /* informs without answer; more makes net-snmp slow */
    TRAPS_PER_TURN = 100,           /* then the others have their turn */
    DESTINATIONS_MAX = 256,         /* kept for one handler */
    TEXT_MAX = 64 << 10,            /* of a text, before it is cut to a datagram */
    ADDRESS_AGE_MS = 5 * 60 * 1000, /* a name's address is believed for so long */
};

/* ---- what there is ---- */

struct notification {
    struct notification *next, **pprev;
    struct list *list; /* where it is */
    struct snmp_job *job;
    struct destination *destination;
    size_t recipient, event;
};

struct list {
    struct notification *first, **end;
    size_t n;
};

struct destination {
    struct destination *next;
    struct snmp *snmp;
    struct endpoint endpoint;
    struct lookup *lookup;   /* runs */
    struct session *session; /* NULL: no address yet */
    int64_t resolved_ms;
    bool stale;                /* look its name up again */
    bool silent;               /* an inform was not answered, and no later one was */
    unsigned turn;             /* of its name's addresses */
    struct list queue, flight; /* not sent yet; informs without answer */
    struct loop_timer *pump;
};

struct texts {
    struct notification_texts of;
    struct buf subject, body;
};

struct snmp_job {
    struct snmp_job *next, **pprev; /* of the handler's jobs */
    struct snmp *snmp;
    struct job *job;
    enum snmp_version version;
    enum pdu_command command;
    struct outcome_recipient *recipients; /* one stands for the handler's host if there is none */
    size_t nrecipients;
    size_t left;         /* notifications, and one while they are being made */
    struct texts *texts; /* one notification for all events; NULL: one for each */
    bool started;        /* something was sent */
    char error[256];     /* the first */
};

struct snmp {
    struct service *service;
    struct resolver *resolver;
    struct session_set *sessions;
    struct destination *destinations; /* most recently used first */
    size_t ndestinations;
    struct snmp_job *jobs;
    struct snmp_checks checks;
};

/* ---- lists of notifications ---- */

static void list_init(struct list *l)
{
    *l = (struct list){.end = &l->first};
}

static void list_append(struct list *l, struct notification *n)
{
    n->list = l;
    n->next = NULL;
    n->pprev = l->end;
    *l->end = n;
    l->end = &n->next;
    l->n++;
}

static void list_remove(struct notification *n)
{
    *n->pprev = n->next;
    if (n->next)
        n->next->pprev = n->pprev;
    else
        n->list->end = n->pprev;
    n->list->n--;
}

static void list_free(struct list *l)
{
    while (l->first) {
        struct notification *n = l->first;

        list_remove(n);
        free(n);
    }
}

/* ---- jobs ---- */

static void texts_free(struct texts *t)
{
    if (!t)
        return;
    buf_release(&t->subject);
    buf_release(&t->body);
    free(t);
}

static void snmp_job_free(struct snmp_job *x)
{
    *x->pprev = x->next;
    if (x->next)
        x->next->pprev = x->pprev;
    job_release(x->job);
    free(x->job);
    texts_free(x->texts);
    free(x->recipients);
    free(x);
}

static enum outcome_result result_of(const struct snmp_job *x, bool *ret_delivered)
{
    enum outcome_result result = OUTCOME_FAILED;

    *ret_delivered = false;
    for (size_t i = 0; i < x->nrecipients; i++) {
        if (x->recipients[i].state == NOTICE_PENDING)
            result = OUTCOME_RETRY;
        else if (x->recipients[i].state == NOTICE_DELIVERED)
            *ret_delivered = true;
    }
    return result == OUTCOME_FAILED && *ret_delivered ? OUTCOME_DELIVERED : result;
}

/* One of its notifications is done. The last answers the job. */
static void job_unref(struct snmp_job *x)
{
    struct outcome o = {.job = x->job->id, .confirmation = CONFIRM_NONE};
    bool delivered;

    if (--x->left > 0)
        return;
    o.result = (uint8_t)result_of(x, &delivered);
    if (delivered)
        o.confirmation = x->command == PDU_INFORM ? CONFIRM_ACKNOWLEDGED : CONFIRM_HANDED_OFF;
    if (o.result != OUTCOME_DELIVERED)
        memcpy(o.error, x->error, sizeof o.error);
    if (x->job->nrecipients > 0) {
        o.recipients = x->recipients;
        o.nrecipients = x->nrecipients;
    }
    service_done(x->snmp->service, &o);
    snmp_job_free(x);
}

static void write_words(char dst[256], const char *words)
{
    utf8_clean(dst, 256, words, strlen(words), false);
}

/* What became of a part of the recipient's message. Waiting beats failed beats delivered. */
static void recipient_note(struct snmp_job *x, size_t i, uint8_t state, const char *words)
{
    static const uint8_t rank[NOTICE_FAILED + 1] = {
        [NOTICE_DELIVERED] = 1, [NOTICE_FAILED] = 2, [NOTICE_PENDING] = 3};
    struct outcome_recipient *r = &x->recipients[i];

    if (rank[state] > rank[r->state] || !r->reply[0]) {
        r->state = state;
        write_words(r->reply, words);
    }
    if (state != NOTICE_DELIVERED && !x->error[0]) {
        char line[520];

        snprintf(line, sizeof line, "%s: %s", r->address, words);
        write_words(x->error, line);
    }
}

static void notification_done(struct notification *n, uint8_t state, const char *words)
{
    struct snmp_job *x = n->job;

    list_remove(n);
    recipient_note(x, n->recipient, state, words);
    free(n);
    job_unref(x);
}

/* ---- sending ---- */

static void queue_fail(struct destination *d, uint8_t state, const char *words)
{
    while (d->queue.first)
        notification_done(d->queue.first, state, words);
}

/* What a receiver of version 3 said instead of an acknowledgement. */
static void on_report(struct notification *n, int result, const char *report)
{
    char words[160];

    if (result == ERR_TIMEOUT)
        snprintf(words, sizeof words,
                 "the inform was not acknowledged in time; without proof the receiver said %s",
                 report);
    else
        snprintf(words, sizeof words, "the receiver said %s", report);
    notification_done(n, result == ERR_PERMANENT ? NOTICE_FAILED : NOTICE_PENDING, words);
}

static void on_answer(void *arg, int result, struct answer *a)
{
    struct notification *n = arg;
    struct destination *d = n->destination;
    char words[96];

    loop_timer_set(d->pump, 0);
    d->silent = result && !a;
    d->stale |= result != 0; /* its file of passwords may be another by then */
    if (result && a) {
        on_report(n, result, a->report);
    } else if (result) {
        notification_done(n, NOTICE_PENDING,
                          result == ERR_TIMEOUT ? "the inform was not acknowledged in time"
                                                : "the inform could not be sent");
    } else if (a->error_status != PDU_NO_ERROR) {
        snprintf(words, sizeof words, "the receiver answered %s", pdu_error_name(a->error_status));
        notification_done(n, NOTICE_FAILED, words);
    } else {
        notification_done(n, NOTICE_DELIVERED, "acknowledged");
    }
}

/* Errors of our own making never go away; the network's may. */
static uint8_t state_of(int err)
{
    return err == ERR_RANGE || err == ERR_UNSUPPORTED || err == ERR_INVALID ? NOTICE_FAILED
                                                                            : NOTICE_PENDING;
}

static void send_one(struct destination *d, struct notification *n)
{
    struct notification_form form = {.version = n->job->version,
                                     .command = n->job->command,
                                     .security_len = n->job->version == SNMP_V3
                                                         ? USM_OVERHEAD_MAX
                                                         : strlen(d->endpoint.community)};
    bool inform = form.command == PDU_INFORM;
    struct pdu *p = NULL;
    struct err e;
    int err;

    n->job->started = true;
    if (n->job->texts)
        err = notification_new_texts(&p, &n->job->texts->of, &form, &e);
    else
        err = notification_new(&p, &n->job->job->events[n->event], &form, &e);
    if (!err)
        err = session_send(d->session, p, inform ? on_answer : NULL, n, &e);
    if (err) {
        d->stale |= err == ERR_NETWORK;
        notification_done(n, state_of(err), e.text);
    } else if (inform) {
        list_remove(n);
        list_append(&d->flight, n);
    } else {
        notification_done(n, NOTICE_DELIVERED, "handed off");
    }
}

static void look_up(struct destination *d);

/* The timer's: sends what may be sent now. */
static void on_pump(void *arg)
{
    struct destination *d = arg;
    int sent = 0;

    if (d->lookup || !d->queue.first)
        return;
    if (clock_mono_ms() - d->resolved_ms > ADDRESS_AGE_MS)
        d->stale = true;
    if (d->stale || !d->session) {
        if (d->flight.n == 0)
            look_up(d);
        return;
    }
    while (!d->stale && d->queue.first && d->flight.n < IN_FLIGHT_MAX && sent++ < TRAPS_PER_TURN)
        send_one(d, d->queue.first);
    if (d->queue.first && d->flight.n < IN_FLIGHT_MAX)
        loop_timer_set(d->pump, 0);
}

static void on_resolved(void *arg, int result, const struct address *addresses, size_t n,
                        const char *why)
{
    struct destination *d = arg;
    struct err e = {0};
    int err = result;

    d->lookup = NULL;
    if (result)
        err_set(&e, result, "%s", why);
    /* Where nobody answered, the name's next address gets its turn. */
    d->turn += d->silent;
    d->silent = false;
    for (size_t i = 0; !result && i < n; i++) {
        err = snmp_session(&d->session, d->snmp->sessions, d->snmp->service, &d->endpoint,
                           address_choose(addresses, n, d->turn), &e);
        if (!err)
            break;
        d->turn++;
    }
    if (err) {
        queue_fail(d, NOTICE_PENDING, e.text);
        return;
    }
    d->stale = false;
    d->resolved_ms = clock_mono_ms();
    on_pump(d);
}

static void look_up(struct destination *d)
{
    struct err e;
    int err;

    session_close(d->session);
    d->session = NULL;
    err = resolve_start(&d->lookup, d->snmp->resolver, d->endpoint.host, d->endpoint.port,
                        on_resolved, d, &e);
    if (err) {
        d->lookup = NULL;
        queue_fail(d, state_of(err), e.text);
    }
}

/* ---- destinations ---- */

static void destination_free(struct destination *d)
{
    resolve_cancel(d->lookup);
    session_close(d->session);
    loop_timer_del(d->pump);
    explicit_bzero(&d->endpoint, sizeof d->endpoint);
    free(d);
}

static bool is_idle(const struct destination *d)
{
    return !d->queue.first && d->flight.n == 0 && !d->lookup;
}

/* Let the idle one go that was used longest ago. */
static void make_room(struct snmp *m)
{
    struct destination **last = NULL, *d;

    if (m->ndestinations < DESTINATIONS_MAX)
        return;
    for (struct destination **at = &m->destinations; *at; at = &(*at)->next)
        if (is_idle(*at))
            last = at;
    if (!last)
        return; /* then there are a few more for a while */
    d = *last;
    *last = d->next;
    m->ndestinations--;
    destination_free(d);
}

static bool same_endpoint(const struct endpoint *a, const struct endpoint *b)
{
    return a->port == b->port && a->auth == b->auth && a->priv == b->priv &&
           strcmp(a->host, b->host) == 0 && strcmp(a->community, b->community) == 0 &&
           strcmp(a->user, b->user) == 0 && strcmp(a->context, b->context) == 0 &&
           strcmp(a->auth_password, b->auth_password) == 0 &&
           strcmp(a->priv_password, b->priv_password) == 0;
}

static struct destination *destination_new(struct snmp *m, const struct endpoint *to)
{
    struct destination *d = calloc(1, sizeof *d);

    if (!d)
        return NULL;
    d->snmp = m;
    d->endpoint = *to;
    list_init(&d->queue);
    list_init(&d->flight);
    d->pump = loop_timer_new(service_loop(m->service), on_pump, d);
    if (!d->pump) {
        free(d);
        return NULL;
    }
    m->ndestinations++;
    return d;
}

/* NULL when out of memory. */
static struct destination *destination_get(struct snmp *m, const struct endpoint *to)
{
    struct destination **at = &m->destinations, *d;

    while (*at && !same_endpoint(&(*at)->endpoint, to))
        at = &(*at)->next;
    d = *at;
    if (d) {
        *at = d->next;
    } else {
        make_room(m);
        d = destination_new(m, to);
        if (!d)
            return NULL;
    }
    d->next = m->destinations;
    m->destinations = d;
    return d;
}

/* ---- from jobs to notifications ---- */

/* The oldest goes first: who hears of an alert twice takes what came last for what is. */
static void enqueue(struct snmp_job *x, struct destination *d, size_t recipient)
{
    for (size_t i = x->texts ? 1 : x->job->nevents; i-- > 0;) {
        struct notification *n = malloc(sizeof *n);

        if (!n) {
            recipient_note(x, recipient, NOTICE_PENDING, "out of memory");
            return;
        }
        *n = (struct notification){.job = x, .destination = d, .recipient = recipient, .event = i};
        x->left++;
        list_append(&d->queue, n);
    }
    loop_timer_set(d->pump, 0);
}

/* Nothing goes to it. */
static void refuse(struct snmp_job *x, size_t recipient, uint8_t state, const char *words)
{
    const char *address = x->job->nrecipients ? x->job->recipients[recipient] : "snmp";

    snprintf(x->recipients[recipient].address, 256, "%s", address);
    recipient_note(x, recipient, state, words);
}

static void send_to(struct snmp_job *x, size_t recipient)
{
    const char *address = x->job->nrecipients ? x->job->recipients[recipient] : NULL;
    struct destination *d;
    struct endpoint to;
    struct err e;

    if (snmp_endpoint(&to, x->snmp->service, x->job, address, &e)) {
        refuse(x, recipient, NOTICE_FAILED, e.text);
        return;
    }
    if (address)
        snprintf(x->recipients[recipient].address, 256, "%s", address);
    else
        snprintf(x->recipients[recipient].address, 256, "%.240s:%u", to.host, to.port);
    d = destination_get(x->snmp, &to);
    if (d)
        enqueue(x, d, recipient);
    else
        recipient_note(x, recipient, NOTICE_PENDING, "out of memory");
    explicit_bzero(&to, sizeof to);
}

/* ---- the kind ---- */

static struct snmp_job *snmp_job_new(struct snmp *m, struct job *j)
{
    struct snmp_job *x = calloc(1, sizeof *x);

    if (!x)
        return NULL;
    x->nrecipients = j->nrecipients ? j->nrecipients : 1;
    x->recipients = calloc(x->nrecipients, sizeof *x->recipients);
    if (!x->recipients) {
        free(x);
        return NULL;
    }
    x->snmp = m;
    x->job = j;
    x->left = 1;
    x->version = snmp_version_of(m->service);
    x->command =
        strcmp(service_text(m->service, j, "confirm"), "inform") == 0 ? PDU_INFORM : PDU_TRAP;
    x->next = m->jobs;
    x->pprev = &m->jobs;
    if (x->next)
        x->next->pprev = &x->next;
    m->jobs = x;
    return x;
}

static void fill(struct buf *b, const struct snmp_job *x, const char *property,
                 void (*without)(const struct job *, struct buf *))
{
    const struct template *t = service_template(x->snmp->service, x->job, property);

    if (t)
        notice_fill(t, x->job, b);
    else
        without(x->job, b);
}

/* What is longer than a buffer is longer than a datagram: its beginning will do. */
static int fill_texts(struct texts *t, const struct snmp_job *x, struct err *e)
{
    buf_init(&t->subject, TEXT_MAX);
    buf_init(&t->body, TEXT_MAX);
    fill(&t->subject, x, "subject", notice_subject);
    fill(&t->body, x, "text", notice_body);
    if (t->subject.err == ERR_NOMEM || t->body.err == ERR_NOMEM)
        return err_set(e, ERR_NOMEM, "out of memory");
    t->of.subject = (struct slice){t->subject.data, t->subject.len};
    t->of.body = (struct slice){t->body.data, t->body.len};
    return 0;
}

static int make_texts(struct snmp_job *x, struct err *e)
{
    struct notification_texts of;
    bool wanted = false;
    int err = snmp_texts(&of, &wanted, x->snmp->service, x->job, e);

    if (err || !wanted)
        return err;
    x->texts = calloc(1, sizeof *x->texts);
    if (!x->texts)
        return err_set(e, ERR_NOMEM, "out of memory");
    x->texts->of = of;
    return fill_texts(x->texts, x, e);
}

static void snmp_deliver(void *state, struct job *j)
{
    struct snmp *m = state;
    struct snmp_job *x = snmp_job_new(m, j);
    struct err e;
    int err;

    if (!x) {
        service_retry(m->service, j->id, "out of memory");
        job_release(j);
        free(j);
        return;
    }
    err = make_texts(x, &e);
    for (size_t i = 0; i < x->nrecipients; i++) {
        if (err)
            refuse(x, i, state_of(err), e.text);
        else
            send_to(x, i);
    }
    job_unref(x);
}

static void snmp_cancel(void *state, uint64_t job)
{
    struct snmp *m = state;
    struct snmp_job *x = m->jobs;

    while (x && x->job->id != job)
        x = x->next;
    if (!x || x->started)
        return;
    x->left++; /* it must outlive its notifications */
    for (struct destination *d = m->destinations; d; d = d->next)
        for (struct notification *n = d->queue.first, *next; n; n = next) {
            next = n->next;
            if (n->job == x)
                notification_done(n, NOTICE_PENDING, "cancelled");
        }
    job_unref(x);
}

static void snmp_validate(void *state, struct job *j)
{
    struct snmp *m = state;

    snmp_check_start(&m->checks, j);
}

static void snmp_close(void *state)
{
    struct snmp *m = state;

    snmp_checks_release(&m->checks);
    while (m->destinations) {
        struct destination *d = m->destinations;

        m->destinations = d->next;
        list_free(&d->queue);
        list_free(&d->flight);
        destination_free(d);
    }
    session_set_free(m->sessions);
    resolver_free(m->resolver);
    while (m->jobs)
        snmp_job_free(m->jobs);
    free(m);
}

static int snmp_open(struct service *s, void **ret_state, struct err *e)
{
    struct snmp *m;
    int err = snmp_start("snmpalertd", e);

    if (err)
        return err;
    m = calloc(1, sizeof *m);
    if (!m)
        return err_set(e, ERR_NOMEM, "out of memory");
    m->service = s;
    m->resolver = resolver_new(service_loop(s));
    m->sessions = session_set_new(service_loop(s));
    if (!m->resolver || !m->sessions) {
        snmp_close(m);
        return err_set(e, ERR_NOMEM, "out of memory or descriptors");
    }
    m->checks =
        (struct snmp_checks){.service = s, .resolver = m->resolver, .sessions = m->sessions};
    *ret_state = m;
    return 0;
}

const struct dispatch_kind dispatch_kind_snmp = {
    .kind = &snmp_kind,
    .open = snmp_open,
    .close = snmp_close,
    .deliver = snmp_deliver,
    .cancel = snmp_cancel,
    .validate = snmp_validate,
};
