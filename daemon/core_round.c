/* Handlers that hand on to others. A notice of such a one goes to every handler that it leads to in
 * the end, as one job each; what a job comes to is in the recipient's row with the turn that took
 * it in, so that nobody who was reached is told again, whatever becomes of the others or of the
 * core. The notice itself is finished, or tried again, when all jobs of the round are answered. */
#include "daemon/core.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "alerts/recipient.h"
#include "base/log.h"
#include "daemon/kinds.h"

/* ---- where handlers lead ---- */

static const struct kind *kind_in_force(void *arg, const char *owner, const char *name)
{
    const struct core_handler *h = core_handler_at(arg, core_handler_id(arg, owner, name));

    return h ? h->config->kind : NULL;
}

static const char *text_in_force(void *arg, const char *owner, const char *name,
                                 const char *property, char buf[LEADS_TEXT_MAX + 1])
{
    const struct core_handler *h = core_handler_at(arg, core_handler_id(arg, owner, name));
    const struct kind *kind = h->config->kind;

    (void)buf;
    return values_text(&h->values, kind->properties, kind->nproperties, property);
}

/* As far as it goes: what is wrong with it, the file and SETs were told. */
static void leads_in_force(struct core *c, const struct config_handler *h, struct leads *ret)
{
    const struct leads_from from = {kind_in_force, text_in_force, c};

    leads_follow(ret, &from, h->owner, h->name, NULL);
}

static const struct kind *kind_in_store(void *arg, const char *owner, const char *name)
{
    struct key k = key_of_names(owner, name);
    char kind[33];
    struct row r;

    return row_get(arg, sa_table_by_id(SA_HANDLER), &k, &r)
               ? NULL
               : kind_find(&daemon_kinds, KIND_HANDLER,
                           row_str(&r, HANDLER_KIND, kind, sizeof kind));
}

static const char *text_in_store(void *arg, const char *owner, const char *name,
                                 const char *property, char buf[LEADS_TEXT_MAX + 1])
{
    struct key k = key_of_names(owner, name);
    struct row r;

    key_str(&k, property);
    if (row_get(arg, sa_table_by_id(SA_HANDLER_PROPERTY), &k, &r))
        return "";
    return row_str(&r, HANDLER_PROPERTY_VALUE, buf, LEADS_TEXT_MAX + 1);
}

static int check_in_store(struct txn *t, const struct config_handler *h, struct err *e)
{
    const struct leads_from from = {kind_in_store, text_in_store, t};
    struct leads leads;

    return h->kind->leads_to ? leads_follow(&leads, &from, h->owner, h->name, e) : 0;
}

int core_leads_check(struct txn *t, const struct config *f, struct err *e)
{
    for (size_t i = 0; i < f->nhandlers; i++) {
        const struct config_handler *h = &f->handlers[i];

        if (check_in_store(t, h, e))
            return err_prefix(e, "%s:%d: <%s> '%s' of %s, with what managers set", f->file, h->line,
                              h->kind->name, h->name, h->owner);
    }
    return txn_error(t);
}

/* Whoever leads to one that does not work does not either, and the file's own work: once is enough.
 */
int core_leads_mend(struct core *c, struct txn *t)
{
    int err = 0;

    for (size_t i = 0; i < c->nhandlers && !err; i++) {
        struct core_handler *h = c->handlers[i];
        struct err why;

        if (!h || !check_in_store(t, h->config, &why))
            continue;
        log_warning(h->config->name, "owner=%s what managers set in this handler is given up: %s",
                    h->config->owner, why.text);
        err = core_properties_revert(t, h->config->owner, h->config->name);
        if (!err)
            err = core_properties_put(t, h->config);
        h->follow = c->parts_follow = true;
    }
    return err;
}

/* ---- whom a notice is for ---- */

static bool is_up(const struct core *c, enum core_way way)
{
    return core_way_chan(c, way) && (way != WAY_AGENT || c->agent_has_master);
}

/* Of one that has gone: a job by any way says so. */
static enum core_way way_to(struct core *c, const struct leads_end *to, uint32_t *ret_id)
{
    const struct core_handler *h;
    enum core_way way = WAY_NONE;

    *ret_id = core_handler_id(c, to->owner, to->name);
    h = core_handler_at(c, *ret_id);
    if (h)
        way = core_way_of(h->config->kind);
    return way == WAY_NONE ? WAY_DISPATCHER : way;
}

/* The handler that hands NOTICE on, NULL: it has gone, is disabled, or delivers itself; *RET_ID is
 * 0 only if it has gone. */
static const struct config_handler *hands_on(struct core *c, const struct row *notice,
                                             const struct row *target, uint32_t *ret_id)
{
    char owner[33], name[33];
    const struct config_handler *h;

    row_str(notice, NOTICE_TARGET_OWNER, owner, sizeof owner);
    row_str(notice, NOTICE_HANDLER, name, sizeof name);
    h = core_handler_for(c, owner, name, target, ret_id);
    return h && h->kind->leads_to && core_handler_at(c, *ret_id)->enabled ? h : NULL;
}

static bool ref_of(const struct row *notice, struct notice_ref *ret)
{
    return key_read_id(&notice->key, ret->owner, &ret->id);
}

/* Who is to be told of NOTICE: those in its rows, or, at first, those that its handler leads to.
 * False: it is not handed on, or not now. RET_ID: the handler, 0: gone. */
static bool find_ends(struct core *c, struct txn *t, const struct row *notice,
                      const struct row *target, struct leads *ret, uint32_t *ret_id)
{
    const struct config_handler *h = hands_on(c, notice, target, ret_id);
    struct notice_ref ref;

    if (!ref_of(notice, &ref))
        return false;
    /* They come with the first attempt, as its number does. */
    if (row_int(notice, NOTICE_TARGET_SEQUENCE) && recipient_handlers(t, &ref, ret))
        return h || !*ret_id || core_handler_at(c, *ret_id)->enabled;
    if (!h)
        return false;
    leads_in_force(c, h, ret);
    return ret->n > 0;
}

enum core_way core_round_way(struct core *c, struct txn *t, const struct row *notice,
                             const struct row *target)
{
    enum core_way up = WAY_NONE, down = WAY_NONE;
    struct leads ends;
    uint32_t id;

    c->claim_hands_on = find_ends(c, t, notice, target, &ends, &id);
    if (!c->claim_hands_on)
        return WAY_NONE;
    for (size_t i = 0; i < ends.n; i++) {
        enum core_way way = way_to(c, &ends.ends[i], &id);

        if (!is_up(c, way))
            down = way; /* others do not wait for it: it is tried again */
        else if (c->claim_room & 1u << way)
            up = way;
        else
            return way; /* what is only busy is waited for */
    }
    return up != WAY_NONE ? up : down != WAY_NONE ? down : WAY_DISPATCHER;
}

size_t core_aggregates(void *arg, const struct row *notice, const struct row *target)
{
    char owner[33], name[33];
    const struct config_handler *h;
    uint32_t id;

    row_str(notice, NOTICE_TARGET_OWNER, owner, sizeof owner);
    row_str(notice, NOTICE_HANDLER, name, sizeof name);
    h = core_handler_for(arg, owner, name, target, &id);
    if (!h || !h->kind->gathers)
        return 0;
    return row_int(notice, NOTICE_KIND) == KIND_TEST ? 1 : NOTICE_QUEUE_MAX;
}

/* ---- a round begins ---- */

/* Everything of J but what says for whom it is. */
static struct core_job *twin(struct core *c, const struct core_job *j)
{
    struct core_job *x = core_job_new(c, j->refs, j->nrefs);

    if (!x)
        return NULL;
    memcpy(x->uuid, j->uuid, sizeof x->uuid);
    x->one_event = j->one_event;
    return x;
}

static void join(struct core *c, struct core_round *r, struct core_job *j,
                 const struct leads_end *to)
{
    j->round = r;
    r->njobs++;
    if (!to)
        return; /* nobody is left: this job says so */
    j->to = *to;
    j->way = way_to(c, to, &j->handler);
}

static int start(struct core *c, struct core_job *j, const struct leads *ends, uint32_t handler)
{
    struct core_round *r = calloc(1, sizeof *r);

    if (!r)
        return ERR_NOMEM;
    r->handler = handler;
    join(c, r, j, ends->n ? &ends->ends[0] : NULL);
    for (size_t i = 1; i < ends->n; i++) {
        j->next = twin(c, j);
        if (!j->next)
            return ERR_NOMEM;
        j = j->next;
        join(c, r, j, &ends->ends[i]);
    }
    return 0;
}

static int64_t alert_of(struct txn *t, const struct notice_ref *n)
{
    struct key k = key_of_id(n->owner, n->id);
    struct row r;

    return row_get(t, sa_table_by_id(SA_NOTICE), &k, &r) ? 0 : row_int(&r, NOTICE_ALERT);
}

/* Nobody is told of one of J's notices before an earlier one of its line that is not in J. Notices
 * of one line are side by side in it. */
static void leave_out_who_waits(struct txn *t, const struct core_job *j, struct leads *ends)
{
    int64_t before = -1;

    for (size_t i = 0; i < j->nrefs && ends->n; i++) {
        int64_t alert = alert_of(t, &j->refs[i]);
        struct leads waits;
        size_t kept = 0;
        bool known;

        if (alert == before)
            continue;
        before = alert;
        known = notice_waits_for(t, &j->refs[i], &waits);
        for (size_t k = 0; k < ends->n; k++) {
            if (known && !leads_has(&waits, &ends->ends[k]))
                ends->ends[kept++] = ends->ends[k];
        }
        ends->n = kept;
    }
}

int core_round_begin(struct core *c, struct txn *t, struct core_job *j)
{
    struct key k = key_of_id(j->refs[0].owner, j->refs[0].id), target_key;
    struct row notice, target;
    struct leads ends;
    uint32_t id;
    int err = row_get(t, sa_table_by_id(SA_NOTICE), &k, &notice);
    bool lives;

    if (err)
        return txn_fail(t, err);
    target_key = notice_target_key(&notice);
    lives = !row_get(t, sa_table_by_id(SA_TARGET), &target_key, &target);
    if (!find_ends(c, t, &notice, lives ? &target : NULL, &ends, &id))
        return txn_error(t);
    j->one_event = core_aggregates(c, &notice, lives ? &target : NULL) > 0;
    for (size_t i = 0; i < j->nrefs && !err; i++)
        err = recipients_become(t, &j->refs[i], &ends);
    if (!err)
        leave_out_who_waits(t, j, &ends);
    if (!err)
        err = start(c, j, &ends, id);
    return err ? txn_fail(t, err) : 0;
}

void core_round_leave(struct core_job *j)
{
    if (j->round && --j->round->njobs == 0)
        free(j->round);
    j->round = NULL;
}

/* ---- a round ends ---- */

void core_round_outcomes_begin(struct core_job *j)
{
    if (!j || !j->round)
        return;
    j->answered = false;
    j->round->answered = 0;
}

static const char *reply_of(const struct outcome *o)
{
    if (o->result != OUTCOME_DELIVERED)
        return o->error;
    if (o->confirmation != CONFIRM_ACKNOWLEDGED)
        return recipient_handed_off;
    return o->nrecipients ? o->recipients[0].reply : "acknowledged";
}

/* Into the rows. */
static int take_in(struct txn *t, const struct core_job *j, const struct outcome *o)
{
    static const enum sa_notice_state states[] = {[OUTCOME_DELIVERED] = NOTICE_DELIVERED,
                                                  [OUTCOME_RETRY] = NOTICE_PENDING,
                                                  [OUTCOME_FAILED] = NOTICE_FAILED};
    char recipient[RECIPIENT_MAX + 1];
    int err = 0;

    if (!j->to.name[0])
        return 0;
    recipient_of_handler(&j->to, recipient);
    for (size_t i = 0; i < j->nrefs && !err; i++) {
        err = recipient_answer(t, &j->refs[i], recipient, states[o->result], reply_of(o));
        if (!err && *o->response)
            err = notice_respond(t, &j->refs[i], o->response);
    }
    return err;
}

static enum outcome_result result_of(const struct recipients_sum *s)
{
    return s->pending ? OUTCOME_RETRY : s->delivered ? OUTCOME_DELIVERED : OUTCOME_FAILED;
}

/* The notice's end. One whose handlers only wait for earlier notices has not failed. */
static int end_notice(struct txn *t, const struct core_round *r, const struct notice_ref *n,
                      const struct recipients_sum *sum, int64_t now_ms,
                      enum sa_notice_state *ret_state)
{
    static const enum notice_end ends[] = {[OUTCOME_DELIVERED] = NOTICE_END_DELIVERED,
                                           [OUTCOME_RETRY] = NOTICE_END_RETRY,
                                           [OUTCOME_FAILED] = NOTICE_END_FAILED};
    int err;

    if (r->sum.result == OUTCOME_RETRY && r->done && !r->again)
        return notice_release(t, n, now_ms);
    err = notice_outcome(t, n, ends[r->sum.result],
                         sum->handed_off ? CONFIRM_HANDED_OFF : CONFIRM_ACKNOWLEDGED, sum->words,
                         NULL, 0, now_ms, ret_state);
    if (!err && *ret_state == NOTICE_PENDING && r->pause_ms)
        err = notice_defer(t, n, r->pause_ms, now_ms);
    return err;
}

/* All have answered: what their rows come to is the notice's end. */
static int settle(struct core *c, struct txn *t, const struct core_job *j, int64_t now_ms)
{
    struct core_round *r = j->round;
    int err = 0;

    for (size_t i = 0; i < j->nrefs && !err; i++) {
        enum sa_notice_state state = NOTICE_PENDING;
        struct recipients_sum sum;

        recipients_sum(t, &j->refs[i], &sum);
        if (!notice_is_head(t, &j->refs[i])) /* they end in order */
            sum.pending++;
        r->sum = (struct outcome){.result = (uint8_t)result_of(&sum)};
        snprintf(r->sum.error, sizeof r->sum.error, "%s", sum.words);
        err = end_notice(t, r, &j->refs[i], &sum, now_ms, &state);
        if (!err)
            err = notice_pass(t, &j->refs[i], now_ms);
        c->delivered += state == NOTICE_DELIVERED;
        c->failed += state == NOTICE_FAILED;
    }
    core_outcome_count(c, r->handler, &r->sum, j->nrefs);
    return err;
}

/* Everything here comes to the same when the turn could not be committed and is tried again. */
int core_round_outcome(struct core *c, struct txn *t, struct core_job *j, const struct outcome *o,
                       int64_t now_ms)
{
    struct core_round *r = j->round;
    int err;

    if (j->answered)
        return 0; /* twice in a turn: the first counts */
    err = take_in(t, j, o);
    j->answered = true;
    r->answered++;
    r->again = r->again || o->result == OUTCOME_RETRY;
    r->pause_ms = o->pause_ms > r->pause_ms ? o->pause_ms : r->pause_ms;
    r->done = r->done || (o->result != OUTCOME_RETRY && j->to.name[0]);
    core_outcome_count(c, j->handler, o, j->nrefs);
    return err || r->answered < r->njobs ? err : settle(c, t, j, now_ms);
}
