/* Targets' scripts that say which notices they get (saTargetMatch). The notices that wait for an
 * answer are in the store; here is only what the evaluator has been asked, each as a condition of
 * its own that goes with its verdict. What is asked is asked in the order of the notices' numbers,
 * by each core from the first on, and a core that ends owes nothing: the next one asks again. */
#include "daemon/core.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "alerts/match.h"
#include "base/log.h"

enum { MATCH_BIT = 1u << 30 }; /* ids of conditions: definitions have lower ones, a trial a higher */

struct core_match {
    struct notice_ref notice; /* its id is 0: free */
    bool answered;
    enum notice_match answer;
    char error[VERDICT_ERROR_MAX + 1];
};

bool core_is_match(uint32_t condition)
{
    return condition >> 30 == 1;
}

static struct core_match *match_free_slot(struct core *c)
{
    if (c->nmatches == CORE_MATCHES_MAX)
        return NULL;
    if (!c->matches)
        c->matches = calloc(CORE_MATCHES_MAX, sizeof *c->matches);
    for (size_t i = 0; c->matches && i < CORE_MATCHES_MAX; i++) {
        if (!c->matches[i].notice.id)
            return &c->matches[i];
    }
    return NULL;
}

static void answer(struct core *c, struct core_match *m, enum notice_match what, const char *error)
{
    m->answered = true;
    m->answer = what;
    snprintf(m->error, sizeof m->error, "%s", error);
    c->nmatched++;
}

/* ---- asking ---- */

/* What cannot be asked is answered here: nothing but an answer takes a notice from its target. */
static void ask(struct core *c, struct txn *t, struct core_match *m)
{
    uint32_t id = MATCH_BIT | (uint32_t)(m - c->matches);
    struct buf script, event;
    char owner[33];
    int err;

    buf_init(&script, EVAL_SCRIPT_MAX);
    buf_init(&event, EVAL_EVENT_MAX);
    err = match_ask(t, &m->notice, owner, &script, &event);
    if (!err)
        err = script.err ? script.err : event.err;
    if (!err && script.len)
        err = eval_client_event_set(c->eval, id, core_owner_id(c, owner),
                                    (struct slice){script.data, script.len},
                                    (struct slice){event.data, event.len});
    if (err && err != ERR_NOTFOUND)
        answer(c, m, MATCH_FAILED, err_name(err));
    else if (err || !script.len)
        answer(c, m, MATCH_YES, "");
    buf_release(&script);
    buf_release(&event);
}

void core_match_follow(struct core *c)
{
    struct notice_ref next;
    struct core_match *m;
    struct txn *t;

    if (!c->match_wanted)
        return;
    t = txn_begin(c->store, TXN_READ);
    while ((m = match_free_slot(c)) && notice_matching(t, c->last_match, &next)) {
        m->notice = next;
        m->answered = false;
        c->nmatches++;
        c->last_match = next.id;
        ask(c, t, m);
    }
    c->match_wanted = !m; /* the rest when there is room */
    if (txn_error(t))
        log_error("store", "cannot read what waits for a match: %s", err_name(txn_error(t)));
    txn_abort(t);
    if (c->nmatches)
        eval_client_flush(c->eval);
}

/* ---- answers ---- */

static struct core_match *match_at(struct core *c, uint32_t condition)
{
    size_t i = condition & ~(uint32_t)MATCH_BIT;
    struct core_match *m = c->matches && i < CORE_MATCHES_MAX ? &c->matches[i] : NULL;

    return m && m->notice.id && !m->answered ? m : NULL;
}

void core_match_verdict(struct core *c, uint32_t condition, const struct verdict *v)
{
    struct core_match *m = match_at(c, condition);

    eval_client_condition_del(c->eval, condition);
    if (!m)
        return;
    if (v->kind == VERDICT_TRUE || v->kind == VERDICT_FALSE)
        answer(c, m, v->kind == VERDICT_TRUE ? MATCH_YES : MATCH_NO, "");
    else
        answer(c, m, MATCH_FAILED,
               v->kind == VERDICT_ERROR ? v->error : "the value is neither true nor false");
}

int core_match_apply(struct core *c, struct txn *t, int64_t now_ms)
{
    int err = 0;

    for (size_t i = 0; c->nmatched && i < CORE_MATCHES_MAX && !err; i++) {
        struct core_match *m = &c->matches[i];

        if (m->notice.id && m->answered)
            err = notice_matched(t, &m->notice, m->answer, m->error, now_ms);
    }
    return err;
}

void core_match_clear(struct core *c)
{
    for (size_t i = 0; c->nmatched && i < CORE_MATCHES_MAX; i++) {
        struct core_match *m = &c->matches[i];

        if (!m->notice.id || !m->answered)
            continue;
        m->notice.id = 0;
        c->nmatches--;
        c->nmatched--;
    }
}

void core_match_free(struct core *c)
{
    free(c->matches);
    c->matches = NULL;
    c->nmatches = c->nmatched = 0;
}
