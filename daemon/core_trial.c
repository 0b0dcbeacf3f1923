/* Trials of conditions (saTrialTable): one at a time, in the order in which they were asked for.
 * saTrialRun counts what was asked for, a hidden cell what was answered: where they differ a trial
 * waits or runs, from the SET's own commit on, and its result is one commit with that count. So a
 * trial that the daemon does not live to answer is found and run by the next core, which changes
 * nothing.
 *
 * The evaluator knows a trial as one more condition, which it evaluates once: by the same text and
 * readers, in the same sandbox, with the same budget as a definition's. */
#include "daemon/core.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "alerts/judge.h"
#include "base/clock.h"
#include "base/log.h"

enum {
    TRIALS_MAX = 1000,   /* that wait */
    TRIAL_MS = 30000,    /* for an answer, whatever the evaluator has to do before */
    TRIAL_PAUSE = 9,     /* after each, so many times what it took: a tenth for trials at most */
    TRIAL_KILL_MS = 200, /* what one took whose evaluator had to be ended, or died */
};

struct trial { /* asked for */
    struct trial *next;
    char owner[33], name[33];
    int64_t value; /* of saTrialRun */
};

struct core_trials {
    struct core *core;
    struct loop_timer *timer; /* the end of patience, or of the pause */
    struct trial *first;      /* the one that runs, or whose turn is next */
    size_t n;
    bool more;                         /* rows wait that found no room */
    enum { RESTS, RUNS, ENDED } state; /* of the first */
    int64_t next_mono;                 /* the next starts then; of one that runs: time is up */
    struct definition d;               /* by which the first is judged */

    /* Its result: */
    enum sa_trial_state ended;
    enum sa_answer answer;
    enum sa_level level;
    struct verdict v;
    bool missed;
    char topics[SA_CELL_MAX + 1];
};

/* ---- the list ---- */

static struct trial **find(struct core_trials *x, const char *owner, const char *name)
{
    struct trial **at = &x->first;

    while (*at && (strcmp((*at)->name, name) || strcmp((*at)->owner, owner)))
        at = &(*at)->next;
    return at;
}

/* Whatever the evaluator says of the first from now on is of no interest. */
static void forget(struct core_trials *x)
{
    if (x->state == RUNS)
        eval_client_condition_del(x->core->eval, CORE_TRIAL_CONDITION);
    x->state = RESTS;
}

static void drop(struct core_trials *x, struct trial **at)
{
    struct trial *gone = *at;

    if (gone == x->first)
        forget(x);
    *at = gone->next;
    x->n--;
    free(gone);
}

/* ---- the result ---- */

static void end(struct core_trials *x, enum sa_trial_state ended, uint32_t cost_us)
{
    forget(x);
    x->state = ENDED;
    x->ended = ended;
    x->next_mono = clock_mono_ms() + (int64_t)cost_us * TRIAL_PAUSE / 1000;
    loop_timer_set(x->core->due, 0); /* for a turn that writes it */
}

static void fail(struct core_trials *x, const char *why)
{
    x->v = (struct verdict){.kind = VERDICT_ERROR};
    utf8_clean(x->v.error, sizeof x->v.error, why, strlen(why), false);
    x->answer = ANSWER_ERROR;
    x->level = LEVEL_OK;
    x->missed = false;
    x->topics[0] = 0;
    end(x, TRIAL_FAILED, 0);
}

static void add_topic(void *arg, uint32_t id)
{
    static const char more[] = "\n...";
    enum { MORE = sizeof more - 1, ROOM = SA_CELL_MAX - MORE };
    struct core_trials *x = arg;
    const struct topic *topic = topics_by_id(x->core->topics, id);
    size_t len = strlen(x->topics);

    if (!topic || (len >= MORE && !strcmp(x->topics + len - MORE, more)))
        return;
    if (len + 1 + strlen(topic->name) <= ROOM)
        snprintf(x->topics + len, sizeof x->topics - len, "%s%s", len ? "\n" : "", topic->name);
    else
        memcpy(x->topics + len, more, sizeof more);
}

/* The level that an alert takes which was ok, and which waits for nothing. */
static enum sa_level level_of(const struct definition *d, const struct core_verdict *cv,
                              const struct instance_verdict *iv)
{
    const struct judge_rules rules = {.severity = d->rules.severity,
                                      .stale_ms = cv->stale_ms,
                                      .no_data = d->rules.no_data,
                                      .on_error = d->rules.on_error};
    struct judge_said said = {
        .kind = iv->kind, .level = iv->level, .asked = iv->asked, .holds = iv->holds};
    struct judge_now now = {clock_wall_ms(), clock_mono_ms()};
    struct judge_state s;
    int64_t due;

    judge_init(&s, &now);
    judge(&s, &rules, &said, &now, &due);
    return s.level;
}

void core_trials_verdict(struct core *c, const struct verdict *v)
{
    struct core_verdict cv = {.condition = CORE_TRIAL_CONDITION, .v = *v};
    struct core_trials *x = c->tryouts;
    struct instance_verdict iv;

    if (!x || x->state != RUNS)
        return;
    x->missed = cv.missed = eval_client_missed(c->eval, CORE_TRIAL_CONDITION);
    x->topics[0] = 0;
    eval_client_reads(c->eval, CORE_TRIAL_CONDITION, add_topic, x);
    core_verdict_age(c, &cv, &x->d);
    iv = core_verdict_judged(&cv);
    x->v = *v;
    snprintf(x->v.value, sizeof x->v.value, "%s", iv.value);
    x->answer = (enum sa_answer)(ANSWER_FALSE + iv.kind);
    x->level = level_of(&x->d, &cv, &iv);
    end(x, TRIAL_DONE, v->kind == VERDICT_ERROR && !v->cost_us ? TRIAL_KILL_MS * 1000 : v->cost_us);
}

static int write_result(struct txn *t, const struct key *k, int64_t value,
                        const struct core_trials *x, int64_t now_ms)
{
    bool error = x->v.kind == VERDICT_ERROR;
    struct edit d;

    edit_begin(&d, t, sa_table_by_id(SA_TRIAL), k);
    edit_int(&d, TRIAL_ANSWERED, value);
    edit_int(&d, TRIAL_ENDED, x->ended);
    edit_int(&d, TRIAL_OUTCOME, x->answer);
    edit_int(&d, TRIAL_LEVEL, x->level);
    edit_str(&d, TRIAL_VALUE, x->v.value);
    edit_str(&d, TRIAL_MESSAGE, x->v.message);
    edit_str(&d, TRIAL_ERROR, error ? x->v.error : "");
    edit_str(&d, TRIAL_TOPICS, x->topics);
    edit_int(&d, TRIAL_MISSED, x->missed ? TRUTH_TRUE : TRUTH_FALSE);
    edit_int(&d, TRIAL_COST, x->v.cost_us);
    edit_int(&d, TRIAL_TIME, now_ms);
    return row_put(&d, NULL);
}

bool core_trials_wait(const struct core *c)
{
    return c->tryouts && c->tryouts->state == ENDED;
}

int core_trials_apply(struct core *c, struct txn *t, int64_t now_ms)
{
    const struct core_trials *x = c->tryouts;
    struct key k;
    struct row r;
    int err;

    if (!core_trials_wait(c))
        return 0;
    k = key_of_names(x->first->owner, x->first->name);
    err = row_get(t, sa_table_by_id(SA_TRIAL), &k, &r);
    if (err == ERR_NOTFOUND || (!err && row_int(&r, TRIAL_RUN) != x->first->value))
        return txn_error(t); /* it is gone, or the SET was undone */
    return err ? err : write_result(t, &k, x->first->value, x, now_ms);
}

/* ---- what is asked for ---- */

static int want(struct core_trials *x, const char *owner, const char *name, int64_t value)
{
    struct trial **at = find(x, owner, name);

    if (*at && (*at)->value == value)
        return 0;
    if (*at) { /* whoever asks again wants to know how it is now */
        drop(x, at);
        at = find(x, owner, name);
    }
    if (x->n == TRIALS_MAX)
        return ERR_FULL;
    *at = calloc(1, sizeof **at);
    if (!*at)
        return ERR_NOMEM;
    snprintf((*at)->owner, sizeof(*at)->owner, "%s", owner);
    snprintf((*at)->name, sizeof(*at)->name, "%s", name);
    (*at)->value = value;
    x->n++;
    return 0;
}

/* The row asks for one, if its cells differ. */
static int look(struct core_trials *x, const struct row *r)
{
    char n[2][33];
    bool asks = row_int(r, TRIAL_RUN) != row_int(r, TRIAL_ANSWERED);

    return asks && key_read_names(&r->key, n, 2) ? want(x, n[0], n[1], row_int(r, TRIAL_RUN)) : 0;
}

/* Rows of which an earlier core has not answered: as many as there is room for. */
static int find_waiting(struct core_trials *x)
{
    struct txn *t = txn_begin(x->core->store, TXN_READ);
    struct cursor cur;
    struct row r;
    int err = 0;

    for (cursor_first(&cur, t, sa_table_by_id(SA_TRIAL), NULL); cursor_row(&cur, &r) && !err;
         cursor_next(&cur))
        err = look(x, &r);
    cursor_close(&cur);
    x->more = err == ERR_FULL;
    if (!err || x->more)
        err = txn_error(t);
    txn_abort(t);
    return err;
}

static int refuse(struct txn *t, const struct key *k, int64_t value, int64_t now_ms)
{
    static const struct core_trials busy = {
        .ended = TRIAL_FAILED,
        .answer = ANSWER_ERROR,
        .level = LEVEL_OK,
        .v = {.kind = VERDICT_ERROR, .error = "too many trials wait: try again later"}};

    return write_result(t, k, value, &busy, now_ms);
}

int core_trials_mark(struct core *c, struct txn *t, const struct change *ch, int64_t now_ms)
{
    struct core_trials *x = c->tryouts;
    struct key k = key_copy(ch->key);
    struct trial **at;
    char n[2][33];
    struct row r;
    int err;

    if (!x || !key_read_names(&ch->key, n, 2))
        return 0;
    at = find(x, n[0], n[1]);
    if (ch->op == CHANGE_DELETED && *at)
        drop(x, at);
    err = row_get(t, sa_table_by_id(SA_TRIAL), &k, &r);
    if (err)
        return err == ERR_NOTFOUND ? txn_error(t) : err;
    err = look(x, &r);
    return err == ERR_FULL ? refuse(t, &k, row_int(&r, TRIAL_RUN), now_ms) : err;
}

void core_trials_clear(struct core *c)
{
    struct core_trials *x = c->tryouts;

    if (!core_trials_wait(c))
        return;
    log_info(x->first->name, "owner=%s trial: %s", x->first->owner,
             x->ended == TRIAL_FAILED ? x->v.error : "done");
    drop(x, &x->first);
    if (!x->first && x->more && find_waiting(x))
        log_error(NULL, "trials that wait cannot be read");
}

/* ---- to the evaluator ---- */

/* By what the first is judged: a definition's settings, or those of a new one. The row is the
 * definition's, and its key is in K. */
static int read_settings(struct core_trials *x, struct txn *t, const char *definition,
                         struct key *k, struct row *ret, struct err *e)
{
    *k = key_of_names(x->first->owner, definition[0] ? definition : x->first->name);
    *ret = (struct row){.table = sa_table_by_id(SA_DEFINITION), .key = key_slice(k)};
    if (definition[0] && row_get(t, ret->table, k, ret))
        return err_set(e, ERR_NOTFOUND, "there is no definition '%s'", definition);
    return definition_read(&x->d, ret) ? 0 : err_set(e, ERR_CORRUPT, "its key is none");
}

static int read_first(struct core_trials *x, struct txn *t, struct buf *text, struct err *e)
{
    struct key k = key_of_names(x->first->owner, x->first->name), of;
    char script[33], definition[33];
    struct row r, d;
    int err;

    if (row_get(t, sa_table_by_id(SA_TRIAL), &k, &r))
        return err_set(e, ERR_NOTFOUND, "its row is gone");
    if (!row_active(&r))
        return err_set(e, ERR_INVALID, "the row is not active");
    row_str(&r, TRIAL_DEFINITION, definition, sizeof definition);
    row_str(&r, TRIAL_SCRIPT, script, sizeof script);
    err = read_settings(x, t, definition, &of, &d, e);
    if (err)
        return err;
    if (script[0] || row_text(&r, TRIAL_CONDITION).len)
        err = condition_text(t, x->first->owner, row_text(&r, TRIAL_CONDITION), script, text);
    else
        err = definition_text(t, &d, text);
    if (err == ERR_NOTFOUND)
        return err_set(e, err, "its script is not there, not active, or empty");
    return err ? err_set(e, err, "its text cannot be read: %s", err_name(err)) : 0;
}

static int send_first(struct core_trials *x, struct err *e)
{
    struct core *c = x->core;
    struct txn *t = txn_begin(c->store, TXN_READ);
    uint32_t owner = core_owner_id(c, x->first->owner);
    struct buf text;
    int err;

    buf_init(&text, EVAL_TEXTS_MAX + 1);
    err = owner ? read_first(x, t, &text, e)
                : err_set(e, ERR_NOTFOUND, "the configuration has no such owner");
    txn_abort(t);
    if (!err) {
        err = eval_client_condition_set(c->eval, CORE_TRIAL_CONDITION, owner, text.data, text.len);
        if (err)
            err_set(e, err, "it cannot be evaluated: %s", err_name(err));
    }
    buf_release(&text);
    return err;
}

void core_trials_next(struct core *c)
{
    struct core_trials *x = c->tryouts;
    int64_t now = clock_mono_ms();
    struct err e;

    if (!x || !x->first || x->state != RESTS)
        return;
    if (now >= x->next_mono) {
        if (send_first(x, &e)) {
            fail(x, e.text);
            return;
        }
        x->state = RUNS;
        x->next_mono = now + TRIAL_MS;
        eval_client_flush(c->eval);
    }
    loop_timer_set_at(x->timer, x->next_mono);
}

static void on_timer(void *arg)
{
    struct core_trials *x = arg;

    if (x->state == RUNS && clock_mono_ms() >= x->next_mono)
        fail(x, "the evaluator gave no answer in time");
    core_trials_next(x->core);
}

/* ---- start and stop ---- */

int core_trials_load(struct core *c)
{
    struct core_trials *x = calloc(1, sizeof *x);

    if (!x)
        return ERR_NOMEM;
    c->tryouts = x;
    x->core = c;
    x->timer = loop_timer_new(c->loop, on_timer, x);
    if (!x->timer)
        return ERR_NOMEM;
    loop_timer_set(x->timer, 0);
    return find_waiting(x);
}

void core_trials_free(struct core *c)
{
    struct core_trials *x = c->tryouts;

    if (!x)
        return;
    while (x->first)
        drop(x, &x->first);
    loop_timer_del(x->timer);
    free(x);
    c->tryouts = NULL;
}
