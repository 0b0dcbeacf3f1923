/* Handing notices to dispatcher, agent and runner, and what they answer. */
#include "daemon/core.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "alerts/checks.h"
#include "base/array.h"
#include "base/clock.h"
#include "base/log.h"
#include "daemon/kinds.h"
#include "store/view.h"

enum { CORE_JOB_BITS = 20 }; /* no core has so many jobs in a millisecond */

/* ---- handlers ---- */

const struct config_handler *core_handler_of(struct core *c, const char *target_owner,
                                             const char *name, uint32_t *ret_id)
{
    *ret_id = core_handler_id(c, target_owner, name);
    if (!*ret_id)
        *ret_id = core_handler_id(c, "admin", name);
    return *ret_id ? core_handler_at(c, *ret_id)->config : NULL;
}

int64_t core_digest_ms(void *arg, struct txn *t, const struct row *target)
{
    char owner[33], name[33];
    const struct config_handler *h;
    size_t pos = 0;
    uint32_t id;

    (void)t;
    if (!key_read_name(&target->key, &pos, owner))
        return 0;
    h = core_handler_of(arg, owner, row_str(target, TARGET_HANDLER, name, sizeof name), &id);
    if (h && h->kind->gathers)
        return values_number(&core_handler_at(arg, id)->values, h->kind->properties,
                             h->kind->nproperties, h->kind->gathers);
    return h ? h->kind->digest_ms : 0;
}

/* ---- jobs ---- */

void core_jobs_free(struct core_job *j)
{
    while (j) {
        struct core_job *next = j->next;

        core_round_leave(j);
        free(j->refs);
        free(j);
        j = next;
    }
}

static struct core_job **job_bucket(struct core *c, uint64_t id)
{
    return &c->jobs[id % CORE_JOB_BUCKETS];
}

/* Who delivers may outlive a core, and answer the next one for jobs of the last: ids go on with
 * the clock, so that such an answer finds no job. */
uint64_t core_next_job(struct core *c)
{
    if (!c->next_job)
        c->next_job = (uint64_t)clock_mono_ms() << CORE_JOB_BITS;
    return ++c->next_job;
}

struct core_job *core_job_new(struct core *c, const struct notice_ref *refs, size_t n)
{
    struct core_job *j = calloc(1, sizeof *j);

    if (!j || !(j->refs = calloc(n, sizeof *j->refs))) {
        free(j);
        return NULL;
    }
    j->id = core_next_job(c);
    j->nrefs = n;
    memcpy(j->refs, refs, n * sizeof *refs);
    return j;
}

size_t core_weight(const struct core_job *j)
{
    return j->way == WAY_AGENT && !j->one_event ? j->nrefs : 1;
}

static unsigned room(const struct core *c, const size_t in_flight[WAY_END])
{
    unsigned ways = 0;

    if (c->dispatcher && in_flight[WAY_DISPATCHER] < CORE_JOBS_MAX)
        ways |= 1u << WAY_DISPATCHER;
    /* Without a master there is no hurry: what is not handed out counts no attempt. */
    if (c->agent && c->agent_has_master && in_flight[WAY_AGENT] < CORE_AGENT_EVENTS_MAX)
        ways |= 1u << WAY_AGENT;
    if (c->runner && in_flight[WAY_RUNNER] < CORE_RUNNER_JOBS_MAX)
        ways |= 1u << WAY_RUNNER;
    return ways;
}

unsigned core_room(const struct core *c)
{
    return room(c, c->in_flight);
}

const struct config_handler *core_handler_for(struct core *c, const char *target_owner,
                                              const char *made_for, const struct row *target,
                                              uint32_t *ret_id)
{
    const struct config_handler *h = core_handler_of(c, target_owner, made_for, ret_id);
    char name[33];

    return h || !target
               ? h
               : core_handler_of(c, target_owner,
                                 row_str(target, TARGET_HANDLER, name, sizeof name), ret_id);
}

static unsigned way_of_notice(void *arg, struct txn *t, const struct row *notice,
                              const struct row *target)
{
    const struct config_handler *h;
    char owner[33] = "", handler[33];
    enum core_way way = core_round_way(arg, t, notice, target);
    size_t pos = 0;
    uint32_t id;

    if (way != WAY_NONE)
        return way;
    key_read_name(&target->key, &pos, owner);
    h = core_handler_for(arg, owner, row_str(notice, NOTICE_HANDLER, handler, sizeof handler),
                         target, &id);
    way = h ? core_way_of(h->kind) : WAY_NONE;
    return way == WAY_NONE ? WAY_DISPATCHER : way; /* it will say why not */
}

/* One message more, behind *TAIL: several jobs, if it is handed on. */
static int claim_one(struct core *c, struct txn *t, int64_t now_ms, struct notice_ways *w,
                     size_t in_flight[WAY_END], struct core_job **tail)
{
    static struct notice_ref refs[NOTICE_QUEUE_MAX]; /* large, and there is one core in a process */
    char uuid[UUID_TEXT_LEN + 1];
    size_t n;
    int err = notice_claim(t, now_ms, w, refs, &n, uuid);

    if (err)
        return err;
    *tail = core_job_new(c, refs, n);
    if (!*tail)
        return txn_fail(t, ERR_NOMEM);
    memcpy((*tail)->uuid, uuid, sizeof uuid);
    (*tail)->way = (enum core_way)w->way;
    if (c->claim_hands_on)
        err = core_round_begin(c, t, *tail);
    for (const struct core_job *j = *tail; j; j = j->next)
        in_flight[j->way] += core_weight(j);
    return err;
}

int core_claim(struct core *c, struct txn *t, int64_t now_ms, struct core_job **ret_new)
{
    struct notice_ways w = {.way_of = way_of_notice,
                            .digest_ms_of = core_digest_ms,
                            .aggregates = core_aggregates,
                            .arg = c};
    struct core_job **tail = ret_new;
    size_t in_flight[WAY_END];
    int err = c->unsort_wanted ? notice_unsort(t) : 0;

    *ret_new = NULL;
    memcpy(in_flight, c->in_flight, sizeof in_flight);
    while (!err && (w.room = c->claim_room = room(c, in_flight))) {
        err = claim_one(c, t, now_ms, &w, in_flight, tail);
        while (*tail)
            tail = &(*tail)->next;
    }
    return err == ERR_NOTFOUND ? 0 : err;
}

/* ---- from rows to a job ---- */

static void *grow(void *items, size_t n, size_t size)
{
    /* Powers of two: room is made when n reaches one. */
    if (n && n & (n - 1))
        return items;
    return realloc(items, (n ? 2 * n : 1) * size);
}

static int add_recipient(struct job *j, const char *address)
{
    char **p = grow(j->recipients, j->nrecipients, sizeof *p);

    if (!p)
        return ERR_NOMEM;
    j->recipients = p;
    p[j->nrecipients] = strdup(address);
    return p[j->nrecipients] ? (j->nrecipients++, 0) : ERR_NOMEM;
}

/* Those of the first notice who are still to be reached; all notices of a message have the same. */
static int fill_recipients(struct txn *t, const struct notice_ref *n, struct job *j)
{
    struct key prefix = key_of_id(n->owner, n->id);
    struct cursor cur;
    struct row r;
    int err = 0;

    for (cursor_first(&cur, t, sa_table_by_id(SA_NOTICE_RECIPIENT), &prefix);
         cursor_row(&cur, &r) && !err && j->nrecipients < JOB_RECIPIENTS_MAX; cursor_next(&cur)) {
        char address[256];

        if (row_int(&r, NOTICE_RECIPIENT_STATE) != NOTICE_PENDING)
            continue;
        err = add_recipient(j, row_str(&r, NOTICE_RECIPIENT_ADDRESS, address, sizeof address));
    }
    cursor_close(&cur);
    return err ? err : txn_error(t);
}

int core_fill_overrides(struct txn *t, const struct kind *kind, struct job *j)
{
    struct key prefix = key_of_names(j->target_owner, j->target);
    struct cursor cur;
    struct row r;
    int err = 0;

    for (cursor_first(&cur, t, sa_table_by_id(SA_TARGET_PROPERTY), &prefix);
         cursor_row(&cur, &r) && !err; cursor_next(&cur)) {
        char n[3][33], text[SA_CELL_MAX + 1];
        const struct property *p;

        if (!row_active(&r) || !key_read_names(&r.key, n, 3))
            continue;
        p = property_find(kind->properties, kind->nproperties, n[2]);
        row_str(&r, TARGET_PROPERTY_VALUE, text, sizeof text);
        if (p && p->target_may_override && values_set(&j->overrides, p, text, NULL) == ERR_NOMEM)
            err = ERR_NOMEM;
    }
    cursor_close(&cur);
    return err ? err : txn_error(t);
}

/* An alert's cells as they were when the notice was made, not as they are now. */
static unsigned notice_column(unsigned alert_column)
{
    switch (alert_column) {
    case ALERT_INSTANCE:
        return NOTICE_INSTANCE;
    case ALERT_LEVEL:
        return NOTICE_LEVEL;
    case ALERT_PREVIOUS_LEVEL:
        return NOTICE_PREVIOUS_LEVEL;
    case ALERT_VALUE:
        return NOTICE_VALUE;
    case ALERT_MESSAGE:
        return NOTICE_MESSAGE;
    case ALERT_SINCE:
        return NOTICE_SINCE;
    default:
        return 0;
    }
}

static bool object_key(const struct sa_object *o, const struct job_event *ev,
                       const struct row *notice, const struct config_handler *h, struct key *ret)
{
    switch (o->row) {
    case ROW_OF_OWNER:
        *ret = key_of_name(ev->owner);
        return true;
    case ROW_OF_DEFINITION:
        *ret = key_of_names(ev->owner, ev->definition);
        return true;
    case ROW_OF_ALERT:
        *ret = key_of_id(ev->owner, (uint32_t)row_int(notice, NOTICE_ALERT));
        return true;
    case ROW_OF_NOTICE:
        *ret = key_of_id(ev->owner, ev->notice_id);
        return true;
    case ROW_OF_HANDLER:
        *ret = key_of_names(h->owner, h->name);
        return true;
    }
    return false;
}

/* The value of an index column is in the key, that of a deleted row in the notice. */
static int object_cell(struct txn *t, const struct sa_object *o, const struct key *k,
                       const struct job_event *ev, const struct row *notice, struct cell *ret)
{
    const struct sa_table *table = sa_table_by_id(o->table);
    const struct sa_column *column = sa_column_by_number(table, o->column);
    const char *text = NULL;
    unsigned from = o->row == ROW_OF_ALERT ? notice_column(o->column) : 0;
    struct row r;
    int err;

    if (o->table == SA_OWNER && o->column == OWNER_NAME)
        text = ev->owner;
    else if (o->table == SA_DEFINITION && o->column == DEFINITION_NAME)
        text = ev->definition;
    else if (o->table == SA_DEFINITION && o->column == DEFINITION_SERVICE)
        text = ev->service;
    else if (o->table == SA_DEFINITION && o->column == DEFINITION_DESCRIPTION)
        text = ev->description;
    else if (o->table == SA_NOTICE && o->column == NOTICE_UUID)
        text = ev->uuid;
    else if (from == NOTICE_MESSAGE || (o->table == SA_NOTICE && o->column == NOTICE_MESSAGE))
        text = ev->message; /* an event of several notices has its own */
    if (text) {
        *ret = (struct cell){.column = column,
                             .syntax = column->syntax,
                             .bytes = {(const uint8_t *)text, strlen(text)}};
        return 0;
    }
    if (from) {
        const struct sa_column *c = sa_column_by_number(notice->table, from);

        err = view_cell(t, notice, c, ret);
        if (!err && column->syntax == SA_DATE) { /* kept as a plain number there */
            clock_date_and_time(row_int(notice, from), ret->scratch);
            ret->bytes = (struct slice){ret->scratch, DATE_AND_TIME_LEN};
        }
        ret->column = column;
        ret->syntax = column->syntax;
        return err;
    }
    err = row_get(t, table, k, &r);
    return err ? err : view_cell(t, &r, column, ret);
}

static int add_varbind(struct job_event *ev, const struct sa_object *o, const struct key *k,
                       const struct cell *cell)
{
    struct job_varbind *vb = &ev->varbinds[ev->nvarbinds];
    struct slice key = key_slice(k);

    vb->nsubids = view_oid(sa_table_by_id(o->table), o->column, &key, vb->subids, 128);
    vb->syntax = cell->syntax;
    vb->number = cell->number;
    vb->bytes = NULL;
    vb->len = cell->bytes.len;
    if (cell->bytes.len) {
        vb->bytes = malloc(cell->bytes.len);
        if (!vb->bytes)
            return ERR_NOMEM;
        memcpy(vb->bytes, cell->bytes.data, cell->bytes.len);
    }
    ev->nvarbinds++;
    return 0;
}

static int fill_varbinds(struct txn *t, struct job_event *ev, const struct row *notice,
                         const struct config_handler *h)
{
    const struct sa_notification_type *n = sa_notification_by_number(ev->notification);
    int err = 0;

    if (!n)
        return 0;
    ev->varbinds = calloc(n->nobjects, sizeof *ev->varbinds);
    if (!ev->varbinds)
        return ERR_NOMEM;
    for (size_t i = 0; i < n->nobjects && !err; i++) {
        const struct sa_object *o = &n->objects[i];
        struct cell cell;
        struct key k;

        if (!object_key(o, ev, notice, h, &k))
            continue;
        if (o->table == SA_HANDLER && o->column == HANDLER_NAME)
            cell = (struct cell){.syntax = SA_NAME,
                                 .bytes = {(const uint8_t *)h->name, strlen(h->name)}};
        else
            err = object_cell(t, o, &k, ev, notice, &cell);
        if (!err)
            err = add_varbind(ev, o, &k, &cell);
        else if (err == ERR_NOTFOUND)
            err = 0;
    }
    return err;
}

static int notice_get(struct txn *t, const struct notice_ref *ref, struct row *ret, struct key *k)
{
    *k = key_of_id(ref->owner, ref->id);
    return row_get(t, sa_table_by_id(SA_NOTICE), k, ret);
}

int core_event_fill(struct txn *t, const struct notice_ref *ref, const struct row *r,
                    struct job_event *ev)
{
    struct key def_key;
    struct row def;

    ev->notice_id = ref->id;
    row_str(r, NOTICE_UUID, ev->uuid, sizeof ev->uuid);
    ev->sequence = (uint32_t)row_int(r, NOTICE_TARGET_SEQUENCE);
    ev->kind = (uint8_t)row_int(r, NOTICE_KIND);
    ev->notification = (uint8_t)row_int(r, NOTICE_NOTIFICATION);
    ev->level = (uint8_t)row_int(r, NOTICE_LEVEL);
    ev->previous_level = (uint8_t)row_int(r, NOTICE_PREVIOUS_LEVEL);
    /* Not of a level: news of their own; the alert has had its level for longer. */
    ev->at_ms =
        row_int(r, ev->kind == KIND_ACKNOWLEDGE || ev->kind == KIND_FLAPPING ? NOTICE_CREATED
                                                                             : NOTICE_SINCE);
    ev->active_since_ms = row_int(r, NOTICE_ACTIVE_SINCE);
    snprintf(ev->owner, sizeof ev->owner, "%s", ref->owner);
    row_str(r, NOTICE_DEFINITION, ev->definition, sizeof ev->definition);
    row_str(r, NOTICE_SERVICE, ev->service, sizeof ev->service);
    row_str(r, NOTICE_INSTANCE, ev->instance, sizeof ev->instance);
    row_str(r, NOTICE_VALUE, ev->value, sizeof ev->value);
    row_str(r, NOTICE_MESSAGE, ev->message, sizeof ev->message);
    def_key = key_of_names(ref->owner, ev->definition);
    if (!row_get(t, sa_table_by_id(SA_DEFINITION), &def_key, &def)) {
        row_str(&def, DEFINITION_DESCRIPTION, ev->description, sizeof ev->description);
        row_str(&def, DEFINITION_URL, ev->url, sizeof ev->url);
    }
    return txn_error(t);
}

static void newest_created(struct job *j, const struct row *r)
{
    if (row_int(r, NOTICE_CREATED) > j->created_ms)
        j->created_ms = row_int(r, NOTICE_CREATED);
}

static int fill_event(struct txn *t, const struct notice_ref *ref, const struct row *r,
                      struct job *j, const struct config_handler *h)
{
    struct job_event *ev = &j->events[j->nevents++];
    int err = core_event_fill(t, ref, r, ev);

    newest_created(j, r);
    return err ? err : fill_varbinds(t, ev, r, h);
}

/* "newest state per instance first" */
static int newest_first(const void *a, const void *b)
{
    const struct job_event *x = a, *y = b;

    if (x->at_ms != y->at_ms)
        return x->at_ms > y->at_ms ? -1 : 1;
    return x->notice_id > y->notice_id ? -1 : x->notice_id < y->notice_id;
}

/* The target of a notice, as its row is now, RET, which borrows K; NULL when it is gone or another
 * one. */
static const struct row *target_of(struct txn *t, const struct job *j, const struct row *notice,
                                   struct key *k, struct row *ret)
{
    *k = key_of_names(j->target_owner, j->target);
    if (row_get(t, sa_table_by_id(SA_TARGET), k, ret) ||
        row_int(ret, TARGET_INCARNATION) != row_int(notice, NOTICE_INCARNATION))
        return NULL;
    return ret;
}

/* Who delivers CJ; of a message that is handed on, the one that this job is for. NOTICE: of CJ. */
static const struct config_handler *deliverer(struct core *c, struct txn *t, struct core_job *cj,
                                              const struct job *j, const struct row *notice,
                                              struct err *e)
{
    const struct config_handler *h;
    char name[33];
    struct key target_key;
    struct row target;

    if (cj->round) {
        h = cj->handler ? core_handler_at(c, cj->handler)->config : NULL;
        snprintf(name, sizeof name, "%s", cj->to.name);
    } else {
        row_str(notice, NOTICE_HANDLER, name, sizeof name);
        h = core_handler_for(c, j->target_owner, name,
                             target_of(t, j, notice, &target_key, &target), &cj->handler);
    }
    if (!h) {
        err_set(e, ERR_NOTFOUND, "there is no handler '%s'", name);
        return NULL;
    }
    if (!core_handler_at(c, cj->handler)->enabled) {
        cj->handler = 0; /* this says nothing of whether it works */
        err_set(e, ERR_AGAIN, "handler '%s' is disabled", h->name);
        return NULL;
    }
    if (!h->kind->leads_to)
        return h;
    err_set(e, ERR_NOTFOUND, "handler '%s' leads to no handler that delivers", h->name);
    return NULL;
}

static int fill_events(struct core *c, struct txn *t, const struct core_job *cj, struct job *j,
                       const struct config_handler *h)
{
    struct key k;
    struct row r;
    int err = 0;

    if (cj->one_event) {
        j->nevents = 1;
        err = core_aggregate(c, t, cj, j, &j->events[0], &r, &k);
        return err ? err : fill_varbinds(t, &j->events[0], &r, h);
    }
    for (size_t i = 0; i < cj->nrefs && !err; i++) {
        err = notice_get(t, &cj->refs[i], &r, &k);
        if (!err)
            err = fill_event(t, &cj->refs[i], &r, j, h);
    }
    if (j->nevents > 1)
        qsort(j->events, j->nevents, sizeof *j->events, newest_first);
    return err;
}

static int build_job(struct core *c, struct txn *t, struct core_job *cj, struct job *j,
                     struct err *e)
{
    const struct config_handler *h;
    struct key k;
    struct row r;
    int err = notice_get(t, &cj->refs[0], &r, &k);

    if (err)
        return err_set(e, err, "the notice is gone");
    row_str(&r, NOTICE_TARGET_OWNER, j->target_owner, sizeof j->target_owner);
    row_str(&r, NOTICE_TARGET, j->target, sizeof j->target);
    h = deliverer(c, t, cj, j, &r, e);
    if (!h)
        return e->code;
    j->id = cj->id;
    j->handler = cj->handler;
    memcpy(j->uuid, cj->uuid, sizeof j->uuid);
    j->events = calloc(cj->one_event ? 1 : cj->nrefs, sizeof *j->events);
    if (!j->events)
        return err_set(e, ERR_NOMEM, "out of memory");
    /* Who is handed on to has a destination of its own: the target knows nothing of it. */
    err = cj->round ? 0 : fill_recipients(t, &cj->refs[0], j);
    if (!err && !cj->round)
        err = core_fill_overrides(t, h->kind, j);
    if (!err)
        err = fill_events(c, t, cj, j, h);
    return err ? err_set(e, err, "cannot be read back: %s", err_name(err)) : 0;
}

static int push_outcome(struct core *c, struct outcome *o)
{
    struct outcome *p = array_room(c->outcomes, &c->cap_outcomes, c->noutcomes + 1, sizeof *p);

    if (!p)
        return ERR_NOMEM;
    c->outcomes = p;
    p[c->noutcomes++] = *o;
    return 0;
}

int core_job_answer(struct core *c, const struct core_job *cj, enum outcome_result result,
                    const char *why)
{
    struct outcome o = {.job = cj->id, .result = (uint8_t)result, .confirmation = CONFIRM_NONE};

    utf8_clean(o.error, sizeof o.error, why, strlen(why), false);
    return push_outcome(c, &o);
}

/* It could not even be sent: the same way as an outcome. */
static void fail_job(struct core *c, const struct core_job *cj, int code, const char *why)
{
    core_job_answer(c, cj, code == ERR_NOTFOUND ? OUTCOME_FAILED : OUTCOME_RETRY, why);
}

const char *core_way_name(enum core_way way)
{
    static const char *const names[WAY_END] = {
        [WAY_DISPATCHER] = "dispatcher", [WAY_AGENT] = "agent", [WAY_RUNNER] = "runner"};

    return names[way];
}

static void send_job(struct core *c, struct txn *t, struct core_job *cj)
{
    struct chan *to = core_way_chan(c, cj->way);
    struct job j = {.id = 0};
    struct err e = {.text = ""};
    struct buf b;
    int err = build_job(c, t, cj, &j, &e);

    buf_init(&b, FRAME_PAYLOAD_MAX);
    if (!err) {
        job_write(&j, &b);
        err = b.err;
        if (!err && cj->way == WAY_AGENT && !c->agent_has_master)
            err = ERR_CLOSED; /* others got it all the same */
        else if (!err && to)
            err = chan_send(to, DISPATCH_JOB, b.data, b.len);
        else if (!err)
            err = ERR_CLOSED;
        if (err)
            err_set(&e, err, "the %s cannot take it: %s", core_way_name(cj->way), err_name(err));
    }
    if (err)
        fail_job(c, cj, err, e.text);
    buf_release(&b);
    job_release(&j);
}

void core_jobs_send(struct core *c, struct core_job *new_jobs)
{
    struct txn *t = new_jobs ? txn_begin(c->store, TXN_READ) : NULL;

    for (unsigned way = WAY_DISPATCHER; way < WAY_END; way++)
        chan_hold(core_way_chan(c, way), true);
    while (new_jobs) {
        struct core_job *j = new_jobs;

        new_jobs = j->next;
        send_job(c, t, j);
        j->next = *job_bucket(c, j->id);
        *job_bucket(c, j->id) = j;
        c->in_flight[j->way] += core_weight(j);
    }
    for (unsigned way = WAY_DISPATCHER; way < WAY_END; way++)
        chan_hold(core_way_chan(c, way), false);
    txn_abort(t);
}

/* ---- calling back ---- */

static bool is_called_back(struct txn *t, const struct notice_ref *n)
{
    struct key k;
    struct row r;

    return notice_get(t, n, &r, &k) || row_int(&r, NOTICE_ACTION) == ACTION_CANCEL;
}

static bool carries(const struct core_job *j, const struct notice_ref *refs, size_t n)
{
    for (size_t i = 0; i < j->nrefs; i++) {
        for (size_t k = 0; k < n; k++) {
            if (j->refs[i].id == refs[k].id && !strcmp(j->refs[i].owner, refs[k].owner))
                return true;
        }
    }
    return false;
}

/* A digest goes on for those who are still to be told of the rest. What the agent has is with the
 * master in a moment, and is not called back from there: its outcome says what became of it. */
static void call_job_back(struct core *c, struct txn *t, const struct core_job *j)
{
    struct chan *to = j->way == WAY_AGENT ? NULL : core_way_chan(c, j->way);
    uint8_t id[8];

    if (!to)
        return;
    for (size_t i = 0; i < j->nrefs; i++) {
        if (!is_called_back(t, &j->refs[i]))
            return;
    }
    put_u64(id, j->id);
    chan_send(to, DISPATCH_CANCEL, id, sizeof id);
}

void core_jobs_call_back(struct core *c, const struct notice_ref *refs, size_t n)
{
    struct txn *t;

    if (!n)
        return;
    t = txn_begin(c->store, TXN_READ);
    for (size_t i = 0; i < CORE_JOB_BUCKETS; i++) {
        for (const struct core_job *j = c->jobs[i]; j; j = j->next) {
            if (carries(j, refs, n))
                call_job_back(c, t, j);
        }
    }
    txn_abort(t);
}

/* ---- outcomes ---- */

/* Where the job is, or the end of its bucket. */
static struct core_job **job_slot(struct core *c, uint64_t id)
{
    struct core_job **p = job_bucket(c, id);

    while (*p && (*p)->id != id)
        p = &(*p)->next;
    return p;
}

/* Each answers for its own jobs only. */
static int on_outcome(struct core *c, enum core_way from, const uint8_t *payload, size_t len)
{
    struct outcome o = {.job = 0};
    const struct core_job *j;
    struct err e;
    struct rd r;
    int err;

    rd_init(&r, payload, len);
    err = outcome_read(&o, &r, &e);
    if (err)
        return err;
    err = core_checks_outcome(c, from, &o);
    if (err != ERR_NOTFOUND) {
        outcome_release(&o);
        return err;
    }
    j = *job_slot(c, o.job);
    err = j && j->way != from ? ERR_PROTOCOL : push_outcome(c, &o);
    if (err)
        outcome_release(&o);
    return err;
}

/* Of a process that does nothing but deliver. */
static int deliverer_frame(struct core *c, enum core_way from, uint16_t type,
                           const uint8_t *payload, size_t len, int nfds)
{
    if (nfds)
        return ERR_PROTOCOL;
    switch (type) {
    case DISPATCH_OUTCOME:
        return on_outcome(c, from, payload, len);
    case DISPATCH_CHECKED:
        return core_checks_checked(c, from, payload, len);
    default:
        return ERR_PROTOCOL;
    }
}

int core_dispatcher_frame(void *arg, uint16_t type, const uint8_t *payload, size_t len,
                          const int *fds, int nfds)
{
    (void)fds;
    return deliverer_frame(arg, WAY_DISPATCHER, type, payload, len, nfds);
}

int core_runner_frame(void *arg, uint16_t type, const uint8_t *payload, size_t len, const int *fds,
                      int nfds)
{
    (void)fds;
    return deliverer_frame(arg, WAY_RUNNER, type, payload, len, nfds);
}

int core_agent_frame(void *arg, uint16_t type, const uint8_t *payload, size_t len, const int *fds,
                     int nfds)
{
    struct core *c = arg;

    (void)fds;
    if (nfds)
        return ERR_PROTOCOL;
    switch (type) {
    case DISPATCH_OUTCOME:
        return on_outcome(c, WAY_AGENT, payload, len);
    case DISPATCH_CHECKED:
        return core_checks_checked(c, WAY_AGENT, payload, len);
    case CORE_AGENT_SET: /* a hint only: the turn that carries it looks at the ring */
        return len ? ERR_PROTOCOL : 0;
    case CORE_AGENT_MASTER:
        if (len != 1 || payload[0] > 1)
            return ERR_PROTOCOL;
        c->agent_has_master = payload[0];
        return 0;
    default:
        return ERR_PROTOCOL;
    }
}

static struct core_job *take_job(struct core *c, struct core_job **slot)
{
    struct core_job *j = *slot;

    if (j) {
        *slot = j->next;
        j->next = NULL;
        c->in_flight[j->way] -= core_weight(j);
    }
    return j;
}

/* What a turn's outcomes say of a handler becomes one edit of its row. */
void core_outcome_count(struct core *c, uint32_t handler, const struct outcome *o, size_t n)
{
    struct core_handler *h = core_handler_at(c, handler);

    if (!h) /* it never was, or has gone meanwhile */
        return;
    h->last = o;
    if (o->result == OUTCOME_DELIVERED)
        h->delivered += (uint32_t)n;
    else if (o->result == OUTCOME_FAILED)
        h->failed += (uint32_t)n;
    if (o->in_doubt)
        h->in_doubt += (uint32_t)n;
}

static void uncount_outcomes(struct core *c)
{
    for (size_t i = 0; i < c->nhandlers; i++) {
        struct core_handler *h = c->handlers[i];

        if (!h)
            continue;
        h->delivered = h->failed = h->in_doubt = 0;
        h->last = NULL;
    }
}

static int write_counts(struct txn *t, const struct core_handler *h)
{
    bool delivered = h->last->result == OUTCOME_DELIVERED;
    struct key k = key_of_names(h->config->owner, h->config->name);
    struct edit d;

    edit_begin(&d, t, sa_table_by_id(SA_HANDLER), &k);
    edit_int(&d, HANDLER_STATUS, delivered ? STATUS_UP : STATUS_FAILING);
    edit_str(&d, HANDLER_LAST_MESSAGE, delivered ? "delivered" : h->last->error);
    edit_add(&d, HANDLER_DELIVERED, h->delivered);
    edit_add(&d, HANDLER_FAILED, h->failed);
    edit_add(&d, HANDLER_IN_DOUBT, h->in_doubt);
    return row_put(&d, NULL);
}

static int apply_outcome(struct core *c, struct txn *t, const struct core_job *j,
                         const struct outcome *o, int64_t now_ms)
{
    static const enum notice_end ends[] = {[OUTCOME_DELIVERED] = NOTICE_END_DELIVERED,
                                           [OUTCOME_RETRY] = NOTICE_END_RETRY,
                                           [OUTCOME_FAILED] = NOTICE_END_FAILED};
    struct notice_recipient recipients[JOB_RECIPIENTS_MAX];
    size_t n = o->nrecipients < JOB_RECIPIENTS_MAX ? o->nrecipients : JOB_RECIPIENTS_MAX;
    int err = 0;

    for (size_t i = 0; i < n; i++)
        recipients[i] = (struct notice_recipient){o->recipients[i].address,
                                                  (enum sa_notice_state)o->recipients[i].state,
                                                  o->recipients[i].reply};
    for (size_t i = 0; i < j->nrefs && !err; i++) {
        enum sa_notice_state state = NOTICE_PENDING;

        if (*o->response)
            err = notice_respond(t, &j->refs[i], o->response);
        if (err)
            break;
        err = notice_outcome(t, &j->refs[i], ends[o->result], (enum sa_confirmation)o->confirmation,
                             o->error, recipients, n, now_ms, &state);
        if (!err && state == NOTICE_PENDING && o->pause_ms)
            err = notice_defer(t, &j->refs[i], o->pause_ms, now_ms);
        if (!err && state != NOTICE_PENDING)
            err = notice_settled(t, &j->refs[i]);
        c->delivered += state == NOTICE_DELIVERED;
        c->failed += state == NOTICE_FAILED;
    }
    core_outcome_count(c, j->handler, o, j->nrefs);
    return err;
}

static void count_queues(struct core *c)
{
    for (size_t i = 0; i < c->nhandlers; i++) {
        if (c->handlers[i])
            c->handlers[i]->now = 0;
    }
    for (size_t i = 0; i < CORE_JOB_BUCKETS; i++) {
        for (const struct core_job *j = c->jobs[i]; j; j = j->next) {
            struct core_handler *h = core_handler_at(c, j->handler);

            if (h)
                h->now += (uint32_t)j->nrefs;
        }
    }
}

int core_flush_handlers(struct core *c, struct txn *t)
{
    int err = 0;

    count_queues(c);
    for (size_t i = 0; i < c->nhandlers && !err; i++) {
        struct core_handler *h = c->handlers[i];
        struct key k;
        struct edit d;

        if (!h || h->now == h->shown)
            continue;
        k = key_of_names(h->config->owner, h->config->name);
        edit_begin(&d, t, sa_table_by_id(SA_HANDLER), &k);
        edit_int(&d, HANDLER_QUEUE, h->now);
        err = row_put(&d, NULL);
        h->shown = h->now;
    }
    return err;
}

int core_outcomes_apply(struct core *c, struct txn *t, int64_t now_ms)
{
    int err = 0;

    uncount_outcomes(c); /* a turn before may have failed */
    for (size_t i = 0; i < c->noutcomes; i++)
        core_round_outcomes_begin(*job_slot(c, c->outcomes[i].job));
    for (size_t i = 0; i < c->noutcomes && !err; i++) {
        const struct outcome *o = &c->outcomes[i];
        struct core_job *j = *job_slot(c, o->job);

        if (j)
            err = j->round ? core_round_outcome(c, t, j, o, now_ms)
                           : apply_outcome(c, t, j, o, now_ms);
    }
    for (size_t i = 0; i < c->nhandlers && !err; i++) {
        if (c->handlers[i] && c->handlers[i]->last)
            err = write_counts(t, c->handlers[i]);
    }
    for (size_t i = 0; i < c->nlost && !err; i++)
        err = notice_release(t, &c->lost[i], now_ms);
    return err;
}

static void log_outcome(const struct core_job *j, const struct outcome *o)
{
    char object[64];

    snprintf(object, sizeof object, "notice/%s/%u", j->refs[0].owner, j->refs[0].id);
    if (o->result == OUTCOME_DELIVERED)
        log_debug(object, "delivered (%zu in one message)", j->nrefs);
    else
        log_warning(object, "%s: %s", o->result == OUTCOME_RETRY ? "not delivered yet" : "failed",
                    o->error);
}

void core_outcomes_clear(struct core *c)
{
    for (size_t i = 0; i < c->noutcomes; i++) {
        struct core_job *j = take_job(c, job_slot(c, c->outcomes[i].job));

        if (j)
            log_outcome(j, &c->outcomes[i]);
        core_jobs_free(j);
        outcome_release(&c->outcomes[i]);
    }
    c->noutcomes = 0;
    c->nlost = 0;
}

static bool is_answered(const struct core *c, const struct core_job *j)
{
    for (size_t i = 0; i < c->noutcomes; i++) {
        if (c->outcomes[i].job == j->id)
            return true;
    }
    return false;
}

static int lose(struct core *c, const struct core_job *j)
{
    struct notice_ref *p = array_room(c->lost, &c->cap_lost, c->nlost + j->nrefs, sizeof *p);

    if (!p)
        return ERR_NOMEM;
    c->lost = p;
    memcpy(c->lost + c->nlost, j->refs, j->nrefs * sizeof *j->refs);
    c->nlost += j->nrefs;
    return 0;
}

/* What it answered before it ended counts: only the rest is sent again. */
static void lose_bucket(struct core *c, struct core_job **slot, enum core_way way)
{
    while (*slot) {
        if ((*slot)->way != way || is_answered(c, *slot))
            slot = &(*slot)->next;
        else if ((*slot)->round) { /* others may have got it: only this one is told again */
            if (core_job_answer(c, *slot, OUTCOME_RETRY,
                                "who delivers it ended before it answered"))
                return;
            slot = &(*slot)->next;
        } else if (lose(c, *slot))
            return; /* their leases run out */
        else
            core_jobs_free(take_job(c, slot));
    }
}

void core_way_lost(struct core *c, enum core_way way)
{
    core_checks_lost(c, way);
    for (size_t i = 0; i < CORE_JOB_BUCKETS; i++)
        lose_bucket(c, &c->jobs[i], way);
}
