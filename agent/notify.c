/* Invariants: a flight is net-snmp's from the send to its one callback (an answer, or that the
 * session was closed); what it was for may be answered before, then it flies for nobody. Deliveries
 * are in the order in which they came, and sent in that order.
 *
 * Why this cannot lock up. A Unix socket counts an unread message as up to twice its size against
 * the sender's buffer, 208 KiB by default; a quarter of it in use and POLLOUT is gone. With the
 * window's octets in either direction, notifications and the answers that repeat them, more than
 * half of a buffer is left for what the library writes without asking. */
#include "agent/notify.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <net-snmp/net-snmp-config.h>
#include <net-snmp/net-snmp-includes.h>
#include <net-snmp/agent/net-snmp-agent-includes.h>

#include "agent/agentx.h"
#include "base/clock.h"
#include "dispatch/agentx_kind.h"
#include "dispatch/notification.h"

enum {
    BUSY_MS = 20,                  /* the socket has no room: looked at again after */
    NEVER_RESENT_S = 24 * 60 * 60, /* on a stream a second copy helps nobody */
};

struct delivery {
    struct service *service;
    struct job *job;
    char context[CONTEXT_MAX + 1];
    size_t sent, answered; /* events */
    int64_t due_mono_ms;
    enum outcome_result result;
    char why[256]; /* the first reason of a result that is not DELIVERED */
    struct delivery *next, **pprev;
};

struct flight {
    struct agent_notifier *notifier;
    struct delivery *delivery; /* NULL: nobody waits any more */
    size_t bytes;              /* 0: it is free */
};

struct agent_notifier {
    struct loop *loop;
    const struct agent_session *session;
    struct delivery *first, **end;
    struct flight flights[AGENT_NOTIFY_WINDOW];
    size_t nflights, flight_bytes, most;
    struct loop_timer *pump, *deadline;
    int64_t answer_ms;
    bool takes; /* as on_takes was told */
    void (*on_takes)(void *arg, bool takes);
    void *arg;
};

static void tell_takes(struct agent_notifier *n, bool takes)
{
    bool news = takes != n->takes;

    n->takes = takes;
    if (news && n->on_takes)
        n->on_takes(n->arg, takes);
}

bool agent_notifier_takes(const struct agent_notifier *n)
{
    return n->takes;
}

/* ---- deliveries ---- */

static void delivery_free(struct delivery *d)
{
    struct agent_notifier *n = service_place(d->service);

    for (size_t i = 0; i < AGENT_NOTIFY_WINDOW; i++) {
        if (n->flights[i].delivery == d)
            n->flights[i].delivery = NULL;
    }
    *d->pprev = d->next;
    if (d->next)
        d->next->pprev = d->pprev;
    else
        n->end = d->pprev;
    job_release(d->job);
    free(d->job);
    free(d);
}

static void finish(struct delivery *d)
{
    struct outcome o = {.job = d->job->id, .result = (uint8_t)d->result};

    o.confirmation = d->result == OUTCOME_DELIVERED ? CONFIRM_HANDED_OFF : CONFIRM_NONE;
    snprintf(o.error, sizeof o.error, "%s", d->why);
    service_done(d->service, &o);
    delivery_free(d);
}

static void worsen(struct delivery *d, enum outcome_result result, const char *why)
{
    if (d->result == OUTCOME_DELIVERED)
        utf8_clean(d->why, sizeof d->why, why, strlen(why), false);
    if (d->result != OUTCOME_RETRY) /* one event that may succeed later has all sent again */
        d->result = result;
}

static void give_up(struct delivery *d, enum outcome_result result, const char *why)
{
    worsen(d, result, why);
    finish(d);
}

/* One of D's events has come to its end; D may be gone after this. */
static void event_ends(struct delivery *d)
{
    if (++d->answered == d->job->nevents)
        finish(d);
}

static const char *master_address(const struct agent_notifier *n)
{
    return n->session ? agent_session_address(n->session) : "";
}

static void watch(struct agent_notifier *n)
{
    if (n->first)
        loop_timer_set_at(n->deadline, n->first->due_mono_ms);
    else
        loop_timer_cancel(n->deadline);
}

static void on_deadline(void *arg)
{
    struct agent_notifier *n = arg;
    char why[256];

    snprintf(why, sizeof why, "the master agent at %s did not answer in time", master_address(n));
    /* Before the answers, so that nothing comes for them. What flies tells of its end. */
    if (n->nflights && n->first && n->first->due_mono_ms <= clock_mono_ms())
        tell_takes(n, false);
    while (n->first && n->first->due_mono_ms <= clock_mono_ms())
        give_up(n->first, OUTCOME_RETRY, why);
    watch(n);
}

/* ---- flights ---- */

static void land(struct flight *f)
{
    struct agent_notifier *n = f->notifier;

    n->nflights--;
    n->flight_bytes -= f->bytes;
    *f = (struct flight){.notifier = n};
    loop_timer_set(n->pump, 0); /* not now: net-snmp is on the stack */
}

static struct flight *take_off(struct agent_notifier *n, struct delivery *d, size_t bytes)
{
    struct flight *f = n->flights;

    while (f->bytes)
        f++;
    *f = (struct flight){n, d, bytes};
    n->flight_bytes += bytes;
    if (++n->nflights > n->most)
        n->most = n->nflights;
    return f;
}

static const char *error_name(long error)
{
    static const struct {
        long number;
        const char *name;
    } errors[] = {/* RFC 2741 section 6.2.16, those that a Notify may get */
                  {257, "notOpen"},
                  {262, "unsupportedContext"},
                  {266, "parseError"},
                  {267, "requestDenied"},
                  {268, "processingError"}};

    for (size_t i = 0; i < sizeof errors / sizeof *errors; i++) {
        if (errors[i].number == error)
            return errors[i].name;
    }
    return "an error";
}

static void on_response(const struct agent_notifier *n, struct delivery *d, const netsnmp_pdu *pdu)
{
    char why[256];

    if (pdu->command != AGENTX_RESPONSE || pdu->errstat) {
        snprintf(why, sizeof why, "the master agent at %s answered %s (%ld, index %ld)",
                 master_address(n), error_name(pdu->errstat), pdu->errstat, pdu->errindex);
        worsen(d, OUTCOME_RETRY, why);
    }
    event_ends(d);
}

/* What cannot be sent is told by snmp_async_send(), too, and dealt with there. */
static int on_answer(int op, netsnmp_session *session, int reqid, netsnmp_pdu *pdu, void *arg)
{
    struct flight *f = arg;
    struct delivery *d = f->delivery;

    (void)session, (void)reqid;
    if (op != NETSNMP_CALLBACK_OP_RECEIVED_MESSAGE && op != NETSNMP_CALLBACK_OP_TIMED_OUT)
        return 1;
    land(f);
    if (op == NETSNMP_CALLBACK_OP_RECEIVED_MESSAGE)
        tell_takes(f->notifier, true);
    if (d && op == NETSNMP_CALLBACK_OP_RECEIVED_MESSAGE) {
        on_response(f->notifier, d, pdu);
    } else if (d) {
        worsen(d, OUTCOME_RETRY, "the session with the master agent ended before it answered");
        event_ends(d);
    }
    watch(f->notifier);
    return 1;
}

/* ---- sending ---- */

static size_t padded(size_t n)
{
    return (n + 3) & ~(size_t)3;
}

/* Octets of the PDU (RFC 2741 section 5), at most. */
static size_t notify_size(const netsnmp_variable_list *v, const char *context)
{
    size_t n = 20 + 4 + padded(strlen(context));

    for (; v; v = v->next_variable)
        n += 4 + 4 + 4 * v->name_length + 4 +
             (v->type == ASN_OBJECT_ID ? 4 * v->val_len / sizeof(oid) : padded(v->val_len));
    return n;
}

/* Takes VARS over. False: net-snmp did not take it. */
static bool transmit(struct agent_notifier *n, struct delivery *d, netsnmp_variable_list *vars)
{
    netsnmp_session *master = agent_session_master(n->session);
    netsnmp_pdu *pdu = snmp_pdu_create(AGENTX_NOTIFY);
    struct flight *f;

    if (!pdu) {
        snmp_free_varbind(vars);
        return false;
    }
    pdu->variables = vars;
    pdu->sessid = master->sessid;
    pdu->flags |= UCD_MSG_FLAG_PDU_TIMEOUT;
    pdu->time = NEVER_RESENT_S;
    if (*d->context && (pdu->contextName = strdup(d->context)))
        pdu->contextNameLen = strlen(d->context);
    f = take_off(n, d, notify_size(vars, d->context));
    if ((!*d->context || pdu->contextName) && snmp_async_send(master, pdu, on_answer, f))
        return true;
    snmp_free_pdu(pdu);
    land(f);
    return false;
}

/* The oldest goes first: who hears of an alert twice takes what came last for what is. */
static void send_event(struct agent_notifier *n, struct delivery *d)
{
    const struct job_event *v = &d->job->events[d->job->nevents - ++d->sent];
    netsnmp_variable_list *vars = NULL;
    struct err e = {.text = ""};
    int err = notification_varbinds(&vars, v, (uint32_t)netsnmp_get_agent_uptime(), &e);

    if (err) {
        worsen(d, err == ERR_NOMEM ? OUTCOME_RETRY : OUTCOME_FAILED, e.text);
        event_ends(d);
    } else if (!transmit(n, d, vars)) {
        worsen(d, OUTCOME_RETRY, "it cannot be written to the master agent");
        event_ends(d);
    }
}

static struct delivery *unsent(const struct agent_notifier *n)
{
    struct delivery *d = n->first;

    while (d && d->sent == d->job->nevents)
        d = d->next;
    return d;
}

static bool socket_has_room(netsnmp_session *master)
{
    netsnmp_transport *t = snmp_sess_transport(snmp_sess_pointer(master));
    struct pollfd p = {.fd = t ? t->sock : -1, .events = POLLOUT};

    return p.fd >= 0 && poll(&p, 1, 0) == 1 && p.revents == POLLOUT;
}

/* As many as may go now; an answer, or time, brings the next. */
static void pump(void *arg)
{
    struct agent_notifier *n = arg;
    struct delivery *d;

    while (agent_session_master(n->session) && n->nflights < AGENT_NOTIFY_WINDOW &&
           n->flight_bytes < AGENT_NOTIFY_WINDOW_BYTES && (d = unsent(n))) {
        if (!socket_has_room(agent_session_master(n->session))) {
            loop_timer_set(n->pump, BUSY_MS);
            break;
        }
        send_event(n, d);
    }
    watch(n);
}

/* ---- the kind ---- */

static int open_outlet(struct service *s, void **ret_state, struct err *e)
{
    (void)e;
    *ret_state = s;
    return 0;
}

/* What flies may still arrive; the dispatcher has it sent again. */
static void close_outlet(void *state)
{
    struct agent_notifier *n = service_place(state);
    struct delivery *next;

    for (struct delivery *d = n->first; d; d = next) {
        next = d->next;
        if (d->service == state)
            delivery_free(d);
    }
    watch(n);
}

static void answer_at_once(struct service *s, struct job *j, const char *why)
{
    service_retry(s, j->id, why);
    job_release(j);
    free(j);
}

static void deliver(void *state, struct job *j)
{
    struct service *s = state;
    struct agent_notifier *n = service_place(s);
    struct delivery *d;

    if (!n->session || !agent_session_master(n->session)) {
        answer_at_once(s, j, "there is no master agent");
        return;
    }
    d = calloc(1, sizeof *d);
    if (!d) {
        answer_at_once(s, j, "out of memory");
        return;
    }
    *d = (struct delivery){.service = s, .job = j, .result = OUTCOME_DELIVERED, .pprev = n->end};
    d->due_mono_ms = clock_mono_ms() + n->answer_ms;
    snprintf(d->context, sizeof d->context, "%s", service_text(s, j, "context"));
    *n->end = d;
    n->end = &d->next;
    loop_timer_set(n->pump, 0);
}

static void cancel(void *state, uint64_t job)
{
    struct agent_notifier *n = service_place(state);

    for (struct delivery *d = n->first; d; d = d->next) {
        if (d->job->id != job || d->service != state)
            continue;
        if (!d->sent)
            give_up(d, OUTCOME_RETRY, "cancelled before it was sent");
        return;
    }
}

/* More than that there is a master cannot be known without sending. */
static void validate(void *state, struct job *j)
{
    struct service *s = state;
    const struct agent_notifier *n = service_place(s);
    char words[256];

    snprintf(words, sizeof words, "the master agent at %s %s", master_address(n),
             n->takes ? "takes notifications" : "does not answer");
    service_checked(s, j->id, n->takes, words);
    job_release(j);
    free(j);
}

const struct dispatch_kind dispatch_kind_agentx = {
    .kind = &agentx_kind,
    .open = open_outlet,
    .close = close_outlet,
    .deliver = deliver,
    .cancel = cancel,
    .validate = validate,
};

/* ---- life ---- */

int agent_notifier_new(struct agent_notifier **ret, struct loop *l,
                       void (*on_takes)(void *arg, bool takes), void *arg, struct err *e)
{
    struct agent_notifier *n = calloc(1, sizeof *n);

    if (!n)
        return err_set(e, ERR_NOMEM, "out of memory");
    n->loop = l;
    n->answer_ms = AGENT_NOTIFY_ANSWER_MS;
    n->on_takes = on_takes;
    n->arg = arg;
    n->end = &n->first;
    for (size_t i = 0; i < AGENT_NOTIFY_WINDOW; i++)
        n->flights[i].notifier = n;
    n->pump = loop_timer_new(l, pump, n);
    n->deadline = loop_timer_new(l, on_deadline, n);
    if (!n->pump || !n->deadline) {
        agent_notifier_free(n);
        return err_set(e, ERR_NOMEM, "out of memory");
    }
    *ret = n;
    return 0;
}

void agent_notifier_session(struct agent_notifier *n, const struct agent_session *s)
{
    n->session = s;
}

void agent_notifier_free(struct agent_notifier *n)
{
    if (!n)
        return;
    loop_timer_del(n->pump);
    loop_timer_del(n->deadline);
    free(n);
}

void agent_notifier_connected(struct agent_notifier *n)
{
    tell_takes(n, true);
    loop_timer_set(n->pump, 0);
}

void agent_notifier_lost(struct agent_notifier *n)
{
    char why[256];

    tell_takes(n, false);
    snprintf(why, sizeof why, "the master agent at %s went away before it answered",
             master_address(n));
    while (n->first)
        give_up(n->first, OUTCOME_RETRY, why);
    watch(n);
}

void agent_notifier_patience(struct agent_notifier *n, int64_t answer_ms)
{
    n->answer_ms = answer_ms;
}

size_t agent_notifier_most(const struct agent_notifier *n)
{
    return n->most;
}
