#include "eval/client.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/text.h"
#include "eval/flight.h"
#include "eval/ledger.h"
#include "eval/peer.h"

/* How a change finds its way: a topic changes -> who depends on it is marked dirty -> flush moves
 * the dirty to the queue -> pump() sends them, a window at a time -> they are in flight -> answers
 * come, in the order sent. Each sending carries the count of changes, so that an answer older than
 * a change of what, as only it tells, it depends on is recognised; that one goes back to the queue.
 *
 * An evaluator that dies is taken down by one of its flight, or by something else. If it is not
 * known by which, it was one of the EVAL under way, for the answers of each are sent when it is
 * done: as many as an EVAL holds are sent again one by one. Whoever is alone when the next one dies
 * is to blame. */

enum { CHUNK = 256 }; /* conditions of one EVAL */

struct eval_client {
    struct eval_client_options o;
    struct ledger ledger;
    struct peer *peer;
    struct flight flight;
    struct buf out;
    size_t alone;     /* so many of the next are sent one by one */
    uint32_t slow_id; /* what the evaluator said to be busy with; 0: nothing */
    bool idle_owed;
    struct loop_timer *idle; /* for when the last one waited for is deleted */
    uint64_t octets_seen;    /* by the evaluator, as its last answer shows */
    struct eval_stats stats;
    struct verdict verdict;
};

/* ---- telling the evaluator ---- */

static void send_topic(struct eval_client *c, const struct known_topic *t, const struct text *text)
{
    struct eval_topic m = {.id = t->id,
                           .version = text->version,
                           .taken_ms = text->taken_ms,
                           .readers = t->readers,
                           .nreaders = t->nreaders,
                           .json = {text->data, text->len}};

    snprintf(m.name, sizeof m.name, "%s", t->name);
    eval_put_topic(&c->out, &m);
    peer_send(c->peer, EVAL_TOPIC, &c->out);
}

static void send_same(struct eval_client *c, const struct known_topic *t)
{
    eval_put_same(&c->out, t->id, t->now.taken_ms);
    peer_send(c->peer, EVAL_SAME, &c->out);
}

static void send_id(struct eval_client *c, enum eval_frame type, uint32_t id)
{
    buf_u32(&c->out, id);
    peer_send(c->peer, type, &c->out);
}

static void send_condition(struct eval_client *c, const struct condition *k)
{
    eval_put_define(&c->out, k->id, k->owner, k->text);
    peer_send(c->peer, EVAL_DEFINE, &c->out);
    if (!k->event.data)
        return;
    eval_put_event(&c->out, k->id, k->event);
    peer_send(c->peer, EVAL_EVENT, &c->out);
}

static void send_everything(struct eval_client *c)
{
    const struct known_topic *t;
    const struct condition *k;

    for (size_t i = 0; (t = idmap_next(&c->ledger.topics, &i));) {
        if (t->before.data)
            send_topic(c, t, &t->before);
        struct text now = t->now;
        if (t->before_same)
            now.taken_ms = t->before.taken_ms;
        if (now.data)
            send_topic(c, t, &now);
        if (t->before_same)
            send_same(c, t);
    }
    for (size_t i = 0; (k = idmap_next(&c->ledger.conditions, &i));)
        send_condition(c, k);
}

static size_t chunk_size(const struct eval_client *c)
{
    if (c->alone)
        return c->flight.n ? 0 : 1;
    return CHUNK;
}

static void send_chunk(struct eval_client *c, const uint32_t *ids, size_t n)
{
    const struct eval_now now = {clock_wall_ms(), clock_mono_ms()};

    eval_put_eval(&c->out, &now, ids, n);
    peer_send(c->peer, EVAL_EVAL, &c->out);
    for (size_t i = 0; i < n; i++) {
        struct condition *k = ledger_condition(&c->ledger, ids[i]);
        k->in_flight = true;
        flight_push(&c->flight, (struct flight_entry){k->id, k->generation, c->ledger.change,
                                                      peer_octets(c->peer)});
    }
}

static void pump(struct eval_client *c)
{
    uint32_t ids[CHUNK];

    while (peer_ready(c->peer) && c->ledger.queue.n && FLIGHT_MAX - c->flight.n >= CHUNK) {
        size_t n = 0, most = chunk_size(c);
        while (n < most && c->ledger.queue.n)
            ids[n++] = ledger_next(&c->ledger)->id;
        if (!n)
            break;
        send_chunk(c, ids, n);
    }
    peer_flush(c->peer);
    peer_expect(c->peer, c->flight.n > 0);
}

static void tell_idle(struct eval_client *c)
{
    if (!c->idle_owed || c->flight.n || c->ledger.queue.n)
        return;
    c->idle_owed = false;
    if (c->o.on_idle)
        c->o.on_idle(c->o.arg);
}

static void on_idle_timer(void *arg)
{
    tell_idle(arg);
}

/* ---- answers ---- */

/* The next of the flight has come back; NULL if it was deleted or changed meanwhile. */
static struct condition *land(struct eval_client *c, struct flight_entry *ret)
{
    *ret = flight_pop(&c->flight);
    struct condition *k = ledger_condition(&c->ledger, ret->condition_id);
    if (!k || k->generation != ret->generation)
        return NULL;
    k->in_flight = false;
    return k;
}

static void queue_again(struct eval_client *c, struct condition *k, bool old)
{
    if (!old && !k->again)
        return;
    k->again = false;
    c->idle_owed = true;
    ledger_queue(&c->ledger, k, false);
}

static void tell_verdict(struct eval_client *c, uint32_t id, const struct verdict *v)
{
    c->stats.evaluations++;
    c->stats.faults += v->kind == VERDICT_ERROR || v->failed;
    c->o.on_verdict(c->o.arg, id, v);
}

static void take_text(char *dst, size_t cap, struct slice s, bool lines)
{
    if (s.len)
        utf8_clean(dst, cap, s.data, s.len, lines);
    else
        dst[0] = 0;
}

static void take_verdict(struct verdict *v, const struct eval_result *r)
{
    v->kind = (enum verdict_kind)r->kind;
    v->level = r->level;
    v->asked = r->asked;
    v->holds = r->holds;
    v->failed = r->failed;
    v->reads_clock = r->flags & RESULT_CLOCK;
    v->over_budget = r->flags & RESULT_OVER;
    v->cost_us = r->cost_us;
    take_text(v->value, sizeof v->value, r->value, false);
    take_text(v->message, sizeof v->message, r->message, true);
    take_text(v->error, sizeof v->error, r->error, false);
}

static int take_result(struct eval_client *c, const struct eval_result *r)
{
    const struct flight_entry *first = flight_first(&c->flight);
    struct flight_entry sent;

    if (!first || first->condition_id != r->condition_id)
        return ERR_PROTOCOL;
    struct condition *k = land(c, &sent);
    c->octets_seen = sent.octets;
    c->alone -= c->alone > 0;
    c->slow_id = 0;
    if (!k)
        return 0;
    bool old = !(r->flags & RESULT_SAME_DEPS) &&
               ledger_learn(&c->ledger, k, r->deps, r->ndeps, sent.change);
    queue_again(c, k, old);
    take_verdict(&c->verdict, r);
    tell_verdict(c, r->condition_id, &c->verdict);
    return 0;
}

/* A callback may have ended this evaluator, and even brought the next: then the rest is of no use.
 */
static int on_results(struct eval_client *c, const uint8_t *p, size_t len)
{
    uint32_t serial = peer_serial(c->peer);
    struct eval_result r;
    struct rd rd;
    int err = 0;

    rd_init(&rd, p, len);
    while (!err && rd.left && peer_serial(c->peer) == serial) {
        err = eval_get_result(&rd, &r);
        if (!err)
            err = take_result(c, &r);
    }
    if (err || peer_serial(c->peer) != serial)
        return err;
    peer_progress(c->peer, c->octets_seen);
    pump(c);
    tell_idle(c);
    return 0;
}

static int on_busy(struct eval_client *c, const uint8_t *p, size_t len)
{
    const struct flight_entry *first = flight_first(&c->flight);
    uint32_t id;

    if (eval_get_id(p, len, &id) || !first || first->condition_id != id)
        return ERR_PROTOCOL;
    c->slow_id = id;
    return 0;
}

static int on_topic_error(struct eval_client *c, const uint8_t *p, size_t len)
{
    uint32_t id;
    uint64_t version;
    struct slice s;
    char text[ERR_TEXT_MAX];

    if (eval_get_topic_error(p, len, &id, &version, &s))
        return ERR_PROTOCOL;
    ledger_topic_refused(&c->ledger, id, version);
    utf8_clean(text, sizeof text, s.data, s.len, false);
    if (c->o.on_topic_error)
        c->o.on_topic_error(c->o.arg, id, text);
    c->idle_owed |= c->ledger.queue.n > 0;
    pump(c);
    return 0;
}

static int on_frame(void *arg, uint16_t type, const uint8_t *payload, size_t len)
{
    struct eval_client *c = arg;

    switch (type) {
    case EVAL_RESULTS:
        return on_results(c, payload, len);
    case EVAL_BUSY:
        return on_busy(c, payload, len);
    case EVAL_TOPIC_ERROR:
        return on_topic_error(c, payload, len);
    default:
        return ERR_PROTOCOL;
    }
}

static void on_greeting(void *arg)
{
    struct eval_client *c = arg;

    send_everything(c);
    pump(c);
}

/* ---- the end of an evaluator ---- */

/* Whose evaluation brought it down? 0: not known. */
static uint32_t find_culprit(const struct eval_client *c, enum peer_loss loss)
{
    const struct flight_entry *first = flight_first(&c->flight);
    const struct condition *k = first ? ledger_condition(&c->ledger, first->condition_id) : NULL;
    bool lonely = c->flight.n == 1;

    if (!k || k->generation != first->generation)
        return 0;
    switch (loss) {
    case PEER_DEADLINE:
        return lonely || c->slow_id == k->id ? k->id : 0;
    case PEER_DIED:
    case PEER_PROTOCOL:
        return lonely && c->alone ? k->id : 0;
    default:
        return 0;
    }
}

static void blame(struct eval_client *c, const char *why, bool over_budget)
{
    struct flight_entry sent;
    struct condition *k = land(c, &sent);
    struct verdict *v = &c->verdict;

    queue_again(c, k, false);
    *v = (struct verdict){.kind = VERDICT_ERROR, .over_budget = over_budget};
    snprintf(v->error, sizeof v->error, "%s", why);
    tell_verdict(c, sent.condition_id, v);
}

/* What was in flight is to be sent again, first and in the same order. How many there were. */
static size_t take_back_flight(struct eval_client *c)
{
    size_t n = 0;

    while (c->flight.n) {
        struct flight_entry e = flight_pop_last(&c->flight);
        struct condition *k = ledger_condition(&c->ledger, e.condition_id);
        if (!k || k->generation != e.generation)
            continue;
        k->in_flight = k->again = false;
        ledger_queue(&c->ledger, k, true);
        n++;
    }
    c->idle_owed |= n > 0;
    return n;
}

static void on_lost(void *arg, enum peer_loss loss, const char *why)
{
    struct eval_client *c = arg;
    uint32_t culprit = find_culprit(c, loss);

    c->stats.kills++;
    if (culprit)
        blame(c, why, loss == PEER_DEADLINE);
    size_t n = take_back_flight(c);
    c->alone = culprit ? 0 : n < CHUNK ? n : CHUNK;
    c->slow_id = 0;
    if (c->o.on_kill)
        c->o.on_kill(c->o.arg, culprit, why);
    if (c->o.need_evaluator)
        c->o.need_evaluator(c->o.arg);
}

/* ---- the caller's side ---- */

struct eval_client *eval_client_new(const struct eval_client_options *o)
{
    struct eval_client *c = calloc(1, sizeof *c);
    struct peer_options po = {o->loop, on_frame, on_greeting, on_lost, c};

    if (!c)
        return NULL;
    c->o = *o;
    buf_init(&c->out, EVAL_REQUEST_MAX);
    c->peer = peer_new(&po);
    c->idle = loop_timer_new(o->loop, on_idle_timer, c);
    if (!c->peer || !c->idle) {
        eval_client_free(c);
        return NULL;
    }
    return c;
}

void eval_client_free(struct eval_client *c)
{
    if (!c)
        return;
    peer_free(c->peer);
    loop_timer_del(c->idle);
    ledger_release(&c->ledger);
    buf_release(&c->out);
    free(c);
}

int eval_client_attach(struct eval_client *c, int fd, int pidfd, pid_t pid)
{
    int err = peer_open(c->peer, fd, pidfd, pid);

    c->stats.attached += !err;
    return err;
}

void eval_client_detach(struct eval_client *c)
{
    peer_close(c->peer);
    c->slow_id = 0;
    take_back_flight(c);
}

static void put_readers(uint8_t *raw, const uint32_t *readers, size_t n)
{
    for (size_t i = 0; i < n; i++)
        put_u32(raw + 4 * i, readers[i]);
}

int eval_client_topic_set(struct eval_client *c, uint32_t topic_id, const char *name,
                          const uint32_t *readers, size_t nreaders, int64_t taken_ms,
                          const void *json, size_t len)
{
    uint8_t raw[4 * EVAL_READERS_MAX];
    struct eval_topic in = {.id = topic_id,
                            .taken_ms = taken_ms,
                            .readers = raw,
                            .nreaders = (uint32_t)nreaders,
                            .json = {json, len}};
    bool same;

    if (nreaders > EVAL_READERS_MAX || strlen(name) > EVAL_NAME_MAX)
        return ERR_RANGE;
    put_readers(raw, readers, nreaders);
    snprintf(in.name, sizeof in.name, "%s", name);
    int err = ledger_topic_set(&c->ledger, &in, &same);
    if (err)
        return err;
    const struct known_topic *t = idmap_get(&c->ledger.topics, topic_id);
    if (same)
        send_same(c, t);
    else
        send_topic(c, t, &t->now);
    return 0;
}

int eval_client_topic_del(struct eval_client *c, uint32_t topic_id)
{
    int err = ledger_topic_del(&c->ledger, topic_id);

    if (!err)
        send_id(c, EVAL_DROP, topic_id);
    return err;
}

int eval_client_condition_set(struct eval_client *c, uint32_t condition_id, uint32_t owner_id,
                              const void *text, size_t len)
{
    bool same;
    int err =
        ledger_condition_set(&c->ledger, condition_id, owner_id, (struct slice){text, len}, &same);

    if (!err && !same)
        send_condition(c, ledger_condition(&c->ledger, condition_id));
    return err;
}

int eval_client_event_set(struct eval_client *c, uint32_t condition_id, uint32_t owner_id,
                          struct slice text, struct slice json)
{
    struct condition *k;
    bool same;
    int err = ledger_condition(&c->ledger, condition_id)
                  ? ERR_EXISTS
                  : ledger_condition_set(&c->ledger, condition_id, owner_id, text, &same);

    if (err)
        return err;
    k = ledger_condition(&c->ledger, condition_id);
    err = ledger_condition_event(k, json);
    if (err)
        ledger_condition_del(&c->ledger, condition_id);
    else
        send_condition(c, k);
    return err;
}

int eval_client_condition_del(struct eval_client *c, uint32_t condition_id)
{
    int err = ledger_condition_del(&c->ledger, condition_id);

    if (err)
        return err;
    send_id(c, EVAL_UNDEFINE, condition_id);
    if (c->idle_owed)
        loop_timer_set(c->idle, 0);
    return 0;
}

int eval_client_run(struct eval_client *c, uint32_t condition_id)
{
    struct condition *k = ledger_condition(&c->ledger, condition_id);

    if (!k)
        return ERR_NOTFOUND;
    ledger_mark(&c->ledger, k);
    return 0;
}

void eval_client_reads(const struct eval_client *c, uint32_t condition_id,
                       void (*cb)(void *arg, uint32_t topic_id), void *arg)
{
    const struct condition *k = ledger_condition(&c->ledger, condition_id);

    for (uint32_t i = 0; k && i < k->deps.n; i++) {
        eval_dep dep = deps_at(&k->deps, i);

        if (eval_dep_kind(dep) == EVAL_DEP_CONTENT)
            cb(arg, eval_dep_topic(dep));
    }
}

bool eval_client_missed(const struct eval_client *c, uint32_t condition_id)
{
    const struct condition *k = ledger_condition(&c->ledger, condition_id);

    for (uint32_t i = 0; k && i < k->deps.n; i++) {
        if (eval_dep_kind(deps_at(&k->deps, i)) == EVAL_DEP_MISSING)
            return true;
    }
    return false;
}

int eval_client_flush(struct eval_client *c)
{
    size_t n = ledger_flush(&c->ledger);

    c->stats.saved += c->ledger.conditions.n - n;
    c->idle_owed |= n > 0;
    pump(c);
    return 0;
}

void eval_client_stats(const struct eval_client *c, struct eval_stats *ret)
{
    *ret = c->stats;
    ret->conditions = (uint32_t)c->ledger.conditions.n;
    ret->topics = (uint32_t)c->ledger.topics.n;
    ret->in_flight = (uint32_t)c->flight.n;
    ret->queued = (uint32_t)c->ledger.queue.n;
}
