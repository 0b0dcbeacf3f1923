/* Validations and tests that managers ask for. The trigger's cell counts what was asked for, a
 * hidden one beside it what was answered: where they differ one is running, from the SET's own
 * commit on, and an answer is one commit with the count. So a SET that is told twice starts nothing
 * twice, one that is undone leaves nothing running, and what a core that died had under way is
 * found. */
#include "daemon/core.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "alerts/trial.h"
#include "base/clock.h"
#include "base/log.h"
#include "dispatch/trial.h"

enum {
    CHECK_SLACK_MS = 5000, /* who delivers knows more of why nothing comes */
    CHECKS_MAX = 1000,     /* at a time */
};

/* What can be asked for, and the columns of it. */
static const struct check_trigger {
    uint8_t table, trigger, answered, result, message, time;
    bool send; /* or only validate */
} triggers[] = {
    {SA_HANDLER, HANDLER_VALIDATE, HANDLER_VALIDATED, HANDLER_CHECKED, HANDLER_CHECK_MESSAGE,
     HANDLER_CHECK_TIME, false},
    {SA_HANDLER, HANDLER_TEST, HANDLER_TESTED, HANDLER_CHECKED, HANDLER_CHECK_MESSAGE,
     HANDLER_CHECK_TIME, true},
    {SA_TARGET, TARGET_VALIDATE, TARGET_VALIDATED, TARGET_CHECKED, TARGET_CHECK_MESSAGE,
     TARGET_CHECK_TIME, false},
};
enum { TRIGGERS = sizeof triggers / sizeof *triggers };

struct core_check {
    struct core_check *next;
    const struct check_trigger *trigger;
    char owner[33], name[33]; /* of the row */
    int64_t value;            /* of the trigger, when it was asked for */
    uint64_t id;
    enum { WANTED, SENT, ANSWERED } state;
    enum core_way way; /* of one that was sent */
    int64_t deadline_mono;
    bool good;
    char message[256];
};

/* ---- the list ---- */

static void answer(struct core_check *x, bool good, const char *words)
{
    x->state = ANSWERED;
    x->good = good;
    utf8_clean(x->message, sizeof x->message, words, strlen(words), false);
}

static struct core_check *find_sent(struct core *c, uint64_t id)
{
    struct core_check *x = c->trials;

    while (x && (x->state != SENT || x->id != id))
        x = x->next;
    return x;
}

/* The one that is under way for a row's trigger, whatever its value was. */
static struct core_check *find(struct core *c, const struct check_trigger *g, const char *owner,
                               const char *name)
{
    struct core_check *x = c->trials;

    while (x && (x->trigger != g || strcmp(x->name, name) || strcmp(x->owner, owner)))
        x = x->next;
    return x;
}

static void drop(struct core *c, struct core_check *x)
{
    struct core_check **at = &c->trials;

    while (*at != x)
        at = &(*at)->next;
    *at = x->next;
    c->ntrials--;
    free(x);
}

void core_checks_free(struct core *c)
{
    while (c->trials)
        drop(c, c->trials);
}

/* ---- what is asked for ---- */

static int want(struct core *c, const struct check_trigger *g, const char *owner, const char *name,
                int64_t value)
{
    struct core_check *x = find(c, g, owner, name);

    if (x && x->value == value)
        return 0;
    if (x)
        drop(c, x); /* whoever asks again wants to know how it is now */
    if (c->ntrials == CHECKS_MAX)
        return ERR_FULL;
    x = calloc(1, sizeof *x);
    if (!x)
        return ERR_NOMEM;
    *x = (struct core_check){.next = c->trials, .trigger = g, .value = value, .state = WANTED};
    snprintf(x->owner, sizeof x->owner, "%s", owner);
    snprintf(x->name, sizeof x->name, "%s", name);
    c->trials = x;
    c->ntrials++;
    return 0;
}

static int write_answer(struct txn *t, const struct check_trigger *g, const struct key *k,
                        int64_t value, bool good, const char *words, int64_t now_ms)
{
    struct edit d;

    edit_begin(&d, t, sa_table_by_id(g->table), k);
    edit_int(&d, g->answered, value);
    edit_int(&d, g->result, good ? CHECK_SUCCEEDED : CHECK_FAILED);
    edit_str(&d, g->message, words);
    edit_int(&d, g->time, now_ms);
    return row_put(&d, NULL);
}

int core_checks_mark(struct core *c, struct txn *t, const struct change *ch, int64_t now_ms)
{
    static const char busy[] = "too many at a time: try again later";
    struct key k = key_copy(ch->key);
    char n[2][33];
    struct row r;
    int err = 0;

    if (ch->op == CHANGE_DELETED || !key_read_names(&ch->key, n, 2))
        return 0;
    for (size_t i = 0; i < TRIGGERS && !err; i++) {
        const struct check_trigger *g = &triggers[i];
        int64_t value;

        if (g->table != ch->table || !change_has(ch, g->trigger))
            continue;
        err = row_get(t, sa_table_by_id(g->table), &k, &r);
        if (err)
            return err == ERR_NOTFOUND ? 0 : err;
        value = row_int(&r, g->trigger);
        if (value == row_int(&r, g->answered))
            continue; /* undone */
        err = want(c, g, n[0], n[1], value);
        if (err)
            err = write_answer(t, g, &k, value, false, busy, now_ms);
    }
    return err;
}

/* ---- what an earlier core had under way ---- */

static int give_up(struct core *c, struct txn *t, const struct check_trigger *g,
                   const struct row *r, int64_t now_ms)
{
    int64_t value = row_int(r, g->trigger);
    struct key k = key_copy(r->key);
    char n[2][33];

    if (value == row_int(r, g->answered) || !key_read_names(&r->key, n, 2) ||
        find(c, g, n[0], n[1]))
        return 0;
    return write_answer(t, g, &k, value, false, "the daemon ended before there was an answer",
                        now_ms);
}

int core_checks_recover(struct core *c, struct txn *t, int64_t now_ms)
{
    int err = 0;

    for (size_t i = 0; i < TRIGGERS && !c->trials_recovered; i++) {
        struct cursor cur;
        struct row r;

        for (cursor_first(&cur, t, sa_table_by_id(triggers[i].table), NULL);
             !err && cursor_row(&cur, &r); cursor_next(&cur))
            err = give_up(c, t, &triggers[i], &r, now_ms);
        cursor_close(&cur);
        if (err)
            return err;
    }
    return txn_error(t);
}

/* ---- to who delivers ---- */

/* Those that a manager has set: the others are as in the live configuration. */
static int read_options(struct txn *t, const struct config_handler *h, struct values *ret)
{
    struct key prefix = key_of_names(h->owner, h->name);
    struct cursor cur;
    struct row r;
    int err = 0;

    for (cursor_first(&cur, t, sa_table_by_id(SA_TEST_OPTION), &prefix);
         cursor_row(&cur, &r) && err != ERR_NOMEM; cursor_next(&cur)) {
        char n[3][33], text[SA_CELL_MAX + 1];
        const struct property *p;

        if (!key_read_names(&r.key, n, 3) || !(p = trial_option(h->kind, n[2])) ||
            row_as_in_file(&r, TEST_OPTION_VALUE))
            continue;
        err = values_set(ret, p, row_str(&r, TEST_OPTION_VALUE, text, sizeof text), NULL);
    }
    cursor_close(&cur);
    return err == ERR_NOMEM ? err : txn_error(t);
}

/* A job that tries the row of X by the handler H: the row's own handler, or the target's. */
static int build(struct core *c, struct txn *t, const struct core_check *x, struct job *ret,
                 uint32_t *ret_handler, struct err *e)
{
    struct key k = key_of_names(x->owner, x->name);
    char handler[33], recipients[SA_CELL_MAX + 1];
    struct trial trial = {.id = x->id};
    const struct config_handler *h;
    struct values options = {NULL, 0};
    struct row r;
    int err;

    if (row_get(t, sa_table_by_id(x->trigger->table), &k, &r))
        return err_set(e, ERR_NOTFOUND, "its row is gone");
    if (x->trigger->table == SA_TARGET)
        row_str(&r, TARGET_HANDLER, handler, sizeof handler);
    else
        snprintf(handler, sizeof handler, "%s", x->name);
    h = core_handler_of(c, x->owner, handler, ret_handler);
    if (!h)
        return err_set(e, ERR_NOTFOUND, "there is no handler '%s'", handler);
    if (trial_obstacle(h->kind))
        return err_set(e, ERR_UNSUPPORTED, "%s", trial_obstacle(h->kind));
    trial.kind = h->kind;
    trial.owner = h->owner;
    trial.name = h->name;
    trial.handler = *ret_handler;
    trial.live = &core_handler_at(c, *ret_handler)->values;
    trial.options = &options;
    if (x->trigger->table == SA_TARGET) {
        row_str(&r, TARGET_RECIPIENTS, recipients, sizeof recipients);
        err = trial_target_job(ret, &trial, x->owner, x->name, recipients, clock_wall_ms(), e);
        return err ? err : core_fill_overrides(t, h->kind, ret);
    }
    err = x->trigger->send ? read_options(t, h, &options) : 0;
    if (err)
        err_set(e, err, "its options cannot be read");
    else
        err = trial_job(ret, &trial, clock_wall_ms(), e);
    values_release(&options);
    return err;
}

static int send_check(struct core *c, struct txn *t, struct core_check *x, struct err *e)
{
    struct job j = {.id = 0};
    struct chan *to = NULL;
    uint32_t handler;
    struct buf b;
    int err;

    x->id = core_next_job(c);
    err = build(c, t, x, &j, &handler, e);
    if (err)
        return err;
    x->way = core_way_of(core_handler_at(c, handler)->config->kind);
    to = core_way_chan(c, x->way);
    buf_init(&b, FRAME_PAYLOAD_MAX);
    job_write(&j, &b);
    job_release(&j);
    err = b.err ? b.err : !to ? ERR_CLOSED : 0;
    if (!err)
        err = chan_send(to, x->trigger->send ? DISPATCH_JOB : DISPATCH_CHECK, b.data, b.len);
    buf_release(&b);
    return err ? err_set(e, err, "the %s is not there: try again later", core_way_name(x->way)) : 0;
}

void core_checks_send(struct core *c)
{
    struct txn *t = NULL;
    struct err e;

    for (struct core_check *x = c->trials; x; x = x->next) {
        if (x->state != WANTED)
            continue;
        if (!t)
            t = txn_begin(c->store, TXN_READ);
        x->state = SENT;
        x->deadline_mono = clock_mono_ms() + CHECK_MS + CHECK_SLACK_MS;
        if (send_check(c, t, x, &e)) {
            answer(x, false, e.text);
            loop_timer_set(c->due, 0); /* for a turn that writes it */
        }
    }
    txn_abort(t);
}

/* ---- what is answered ---- */

/* A job's id and a check's are of one count. */
int core_checks_outcome(struct core *c, enum core_way from, const struct outcome *o)
{
    struct core_check *x = find_sent(c, o->job);
    char words[256];
    bool good;

    if (!x)
        return ERR_NOTFOUND;
    if (x->way != from || !x->trigger->send)
        return ERR_PROTOCOL;
    good = trial_outcome(o, words);
    answer(x, good, words);
    return 0;
}

int core_checks_checked(struct core *c, enum core_way from, const uint8_t *payload, size_t len)
{
    struct core_check *x;
    struct checked a;
    struct err e;
    struct rd r;
    int err;

    rd_init(&r, payload, len);
    err = checked_read(&a, &r, &e);
    if (err)
        return err;
    x = find_sent(c, a.job);
    if (!x)
        return 0; /* too late, or of an earlier core */
    if (x->way != from || x->trigger->send)
        return ERR_PROTOCOL;
    answer(x, a.good, a.message);
    return 0;
}

void core_checks_lost(struct core *c, enum core_way way)
{
    char words[64];

    snprintf(words, sizeof words, "the %s ended", core_way_name(way));
    for (struct core_check *x = c->trials; x; x = x->next)
        if (x->state == SENT && x->way == way)
            answer(x, false, words);
}

void core_checks_tick(struct core *c)
{
    for (struct core_check *x = c->trials; x; x = x->next)
        if (x->state == SENT && x->deadline_mono <= clock_mono_ms())
            answer(x, false,
                   x->trigger->send ? "no answer in time: it may still arrive"
                                    : "no answer in time");
}

bool core_checks_wait(const struct core *c)
{
    const struct core_check *x = c->trials;

    while (x && x->state != ANSWERED)
        x = x->next;
    return x || !c->trials_recovered;
}

int core_checks_apply(struct core *c, struct txn *t, int64_t now_ms)
{
    int err = 0;

    for (const struct core_check *x = c->trials; x && !err; x = x->next) {
        const struct check_trigger *g = x->trigger;
        struct key k = key_of_names(x->owner, x->name);
        struct row r;

        if (x->state != ANSWERED)
            continue;
        err = row_get(t, sa_table_by_id(g->table), &k, &r);
        if (err == ERR_NOTFOUND || (!err && row_int(&r, g->trigger) != x->value))
            err = 0; /* it is gone, was made anew, or the SET was undone */
        else if (!err)
            err = write_answer(t, g, &k, x->value, x->good, x->message, now_ms);
    }
    return err;
}

void core_checks_clear(struct core *c)
{
    for (struct core_check *x = c->trials, *next; x; x = next) {
        next = x->next;
        if (x->state != ANSWERED)
            continue;
        log_info(x->name, "owner=%s %s %s: %s", x->owner, x->trigger->send ? "test" : "validation",
                 x->good ? "succeeded" : "failed", x->message);
        drop(c, x);
    }
    c->trials_recovered = true;
}
