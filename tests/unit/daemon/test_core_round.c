/* Handlers that hand on to others, in a core whose dispatcher and agent the test plays: who gets
 * what, once and only once, whatever of it dies; and the one event that is made of many notices. */
#include "tests/unit/alerts/fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "alerts/recipient.h"
#include "base/clock.h"
#include "daemon/core.h"
#include "daemon/kinds.h"

#define FILE_OF(handlers)                                                                          \
    "<snmpalertd xmlns='urn:snmpalertd:config'><store path='/s'/>"                                 \
    "<owners><owner name='alice'/></owners><handlers>" handlers "</handlers></snmpalertd>"
#define PAGER  "<snmp name='pager' host='127.0.0.1'/>"
#define SCREEN "<snmp name='screen' host='127.0.0.1' owner='alice'/>"
#define MASTER "<agentx name='master'/>"

static const char published[] =
    FILE_OF(PAGER SCREEN MASTER "<publish owner='alice' name='all' handlers='pager most'/>"
                                "<publish owner='alice' name='most' handlers='screen pager'/>"
                                "<publish owner='alice' name='every' handlers='master pager'/>");
static const char summed[] =
    FILE_OF(PAGER SCREEN "<publish owner='alice' name='all' handlers='pager screen'/>"
                         "<aggregate owner='alice' name='sum' interval='5m' handler='pager'/>"
                         "<aggregate owner='alice' name='sums' interval='5m' handler='all'/>"
                         "<aggregate owner='alice' name='words' interval='5m' handler='pager'>"
                         "<message>${count} for ${target}, worst ${level}: ${message}; "
                         "${#events|, }${definition}${/events}</message></aggregate>");

enum { JOBS_MAX = 64, START_MS = 1000000, INTERVAL_MS = 5 * 60 * 1000 };

struct got { /* a job as it came */
    uint64_t id;
    char to[33], uuid[UUID_TEXT_LEN + 1], message[256], varbinds[1024];
    size_t nevents, nrecipients;
    uint32_t sequence, notice;
    uint8_t level;
    bool answered;
};

struct play {
    struct world w;
    struct core *c;
    struct config *file;
    struct loop *loop;
    struct chan *ends[WAY_END]; /* of dispatcher and agent: the test's */
    struct got got[WAY_END][JOBS_MAX];
    size_t ngot[WAY_END];
    int64_t wall_ms, mono_ms;
};

/* ---- who delivers ---- */

static const struct kind *no_kind(void *arg, uint32_t handler)
{
    (void)arg, (void)handler;
    return NULL;
}

/* Texts of the varbinds, divided by bars. */
static void note_varbinds(const struct job_event *v, struct got *g)
{
    size_t at = 0;

    for (size_t i = 0; i < v->nvarbinds && at < sizeof g->varbinds; i++)
        at += (size_t)snprintf(g->varbinds + at, sizeof g->varbinds - at, "%.*s|",
                               (int)v->varbinds[i].len, (const char *)v->varbinds[i].bytes);
}

static int take(struct play *p, enum core_way way, uint16_t type, const uint8_t *payload,
                size_t len)
{
    struct got *g = &p->got[way][p->ngot[way]];
    struct job j;
    struct err e;
    struct rd r;

    if (type == DISPATCH_CANCEL)
        return 0;
    assert_int_equal(type, DISPATCH_JOB);
    assert_true(p->ngot[way]++ < JOBS_MAX);
    rd_init(&r, payload, len);
    assert_int_equal(job_read(&j, no_kind, NULL, &r, &e), 0);
    *g = (struct got){.id = j.id,
                      .nevents = j.nevents,
                      .nrecipients = j.nrecipients,
                      .sequence = j.events[0].sequence,
                      .notice = j.events[0].notice_id,
                      .level = j.events[0].level};
    snprintf(g->to, sizeof g->to, "%s", core_handler_at(p->c, j.handler)->config->name);
    memcpy(g->uuid, j.uuid, sizeof g->uuid);
    memcpy(g->message, j.events[0].message, sizeof g->message);
    note_varbinds(&j.events[0], g);
    job_release(&j);
    return 0;
}

static int to_dispatcher(void *arg, uint16_t type, const uint8_t *payload, size_t len,
                         const int *fds, int nfds)
{
    (void)fds, (void)nfds;
    return take(arg, WAY_DISPATCHER, type, payload, len);
}

static int to_agent(void *arg, uint16_t type, const uint8_t *payload, size_t len, const int *fds,
                    int nfds)
{
    (void)fds, (void)nfds;
    return take(arg, WAY_AGENT, type, payload, len);
}

static void on_close(void *arg, int code)
{
    (void)arg, (void)code;
}

static struct chan *link_with(struct play *p, enum core_way way)
{
    struct chan_options there = {.on_frame = way == WAY_AGENT ? to_agent : to_dispatcher,
                                 .on_close = on_close,
                                 .arg = p},
                        here = {.on_close = on_close};
    int fds[2];

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    p->ends[way] = chan_new(p->loop, fds[1], &there);
    return chan_new(p->loop, fds[0], &here);
}

/* ---- a core ---- */

static void add_handlers(struct core *c, const struct config *f)
{
    c->handlers = calloc(f->nhandlers, sizeof *c->handlers);
    assert_non_null(c->handlers);
    c->nhandlers = f->nhandlers;
    for (size_t i = 0; i < f->nhandlers; i++) {
        struct core_handler *h = calloc(1, sizeof *h);

        assert_non_null(h);
        h->config = &f->handlers[i];
        h->enabled = true;
        assert_int_equal(values_copy(&h->values, &f->handlers[i].values), 0);
        c->handlers[i] = h;
    }
}

static void read_file(struct play *p, const char *xml)
{
    struct err e;

    if (config_parse(&p->file, "t.xml", xml, strlen(xml), &daemon_kinds, &e))
        fail_msg("%s", e.text);
}

static void start(struct play *p)
{
    struct txn *t;

    p->c = calloc(1, sizeof *p->c);
    assert_non_null(p->c);
    p->c->store = p->w.store;
    p->c->config = p->file;
    add_handlers(p->c, p->file);
    p->c->dispatcher = link_with(p, WAY_DISPATCHER);
    p->c->agent = link_with(p, WAY_AGENT);
    p->c->runner = link_with(p, WAY_RUNNER);
    p->c->agent_has_master = true;
    t = begin(&p->w);
    assert_true(notice_recover(t, p->wall_ms) >= 0);
    done(t);
}

/* As kill -9: what it did not commit is forgotten. */
static void kill_core(struct play *p)
{
    for (enum core_way way = WAY_DISPATCHER; way < WAY_END; way++)
        chan_free(p->ends[way]);
    chan_free(p->c->dispatcher);
    chan_free(p->c->agent);
    chan_free(p->c->runner);
    for (size_t i = 0; i < CORE_JOB_BUCKETS; i++)
        core_jobs_free(p->c->jobs[i]);
    for (size_t i = 0; i < p->c->noutcomes; i++)
        outcome_release(&p->c->outcomes[i]);
    free(p->c->outcomes);
    free(p->c->lost);
    core_parts_free(p->c);
    free(p->c);
    memset(p->ngot, 0, sizeof p->ngot);
    p->mono_ms++; /* or its jobs would have the ids of the one before */
}

static void restart(struct play *p)
{
    kill_core(p);
    start(p);
}

static int setup_with(void **state, const char *xml)
{
    struct play *p = calloc(1, sizeof *p);

    assert_non_null(p);
    world_init(&p->w);
    p->loop = loop_new();
    p->wall_ms = START_MS;
    p->mono_ms = 5000;
    clock_fake(&p->wall_ms, &p->mono_ms);
    read_file(p, xml);
    start(p);
    *state = p;
    return 0;
}

static int setup_published(void **state)
{
    return setup_with(state, published);
}

static int setup_summed(void **state)
{
    return setup_with(state, summed);
}

static int teardown(void **state)
{
    struct play *p = *state;

    kill_core(p);
    config_free(p->file);
    loop_free(p->loop);
    clock_fake(NULL, NULL);
    world_release(&p->w);
    free(p);
    return 0;
}

/* One turn. Not COMMITTED: it is tried and comes to nothing. */
static void turn(struct play *p, bool committed)
{
    struct core_job *jobs = NULL;
    struct txn *t = begin(&p->w);

    assert_int_equal(core_outcomes_apply(p->c, t, p->wall_ms), 0);
    assert_int_equal(core_claim(p->c, t, p->wall_ms, &jobs), 0);
    if (!committed) {
        txn_abort(t);
        core_jobs_free(jobs);
        return;
    }
    done(t);
    core_outcomes_clear(p->c);
    core_jobs_send(p->c, jobs);
    for (int i = 0; i < 3; i++)
        assert_int_equal(loop_turn(p->loop, 0), 0);
}

/* ---- notices ---- */

static void add_target(struct play *p, const char *name, const char *handler)
{
    IN(&p->w, PUT(t, SA_TARGET, key_of_names("alice", name), {TARGET_HANDLER, 0, handler},
                  {TARGET_DIGEST, -1, NULL}));
}

static void tell(struct play *p, const char *target, const char *definition, uint32_t alert,
                 enum sa_level level, const char *message)
{
    struct notice_text n = {.kind = level == LEVEL_OK ? KIND_CLEAR : KIND_RAISE,
                            .notification = level == LEVEL_OK ? SA_ALERT_CLEARED : SA_ALERT_RAISED,
                            .owner = "alice",
                            .definition = definition,
                            .service = "",
                            .instance = "cpu0",
                            .value = "7",
                            .message = message,
                            .alert = alert,
                            .level = level,
                            .previous_level = LEVEL_INFO,
                            .at_ms = p->wall_ms,
                            .active_since_ms = p->wall_ms};
    struct txn *t = begin(&p->w);
    struct route_target to = target_of(t, "alice", target);
    struct key k = key_of_names("alice", target);
    struct row r;
    int64_t digest_ms;

    assert_int_equal(row_get(t, sa_table_by_id(SA_TARGET), &k, &r), 0);
    digest_ms = core_digest_ms(p->c, t, &r);
    assert_int_equal(notice_create(t, &to, &n, digest_ms, p->wall_ms), 0);
    done(t);
}

static int64_t number_of(struct play *p, uint32_t notice, unsigned column)
{
    struct txn *t = txn_begin(p->w.store, TXN_READ);
    int64_t v = cell_of(t, SA_NOTICE, key_of_id("alice", notice), column);

    txn_abort(t);
    return v;
}

static const char *words_of(struct play *p, uint32_t notice, unsigned column)
{
    struct txn *t = txn_begin(p->w.store, TXN_READ);
    const char *s = text_of(t, SA_NOTICE, key_of_id("alice", notice), column);

    txn_abort(t);
    return s;
}

/* "handler pager of admin=delivered:handed off;..." */
static const char *recipients(struct play *p, uint32_t notice)
{
    static char text[1024];
    const struct sa_column *state =
        sa_column_by_number(sa_table_by_id(SA_NOTICE_RECIPIENT), NOTICE_RECIPIENT_STATE);
    struct txn *t = txn_begin(p->w.store, TXN_READ);
    struct key k = key_of_id("alice", notice);
    size_t at = 0;
    struct cursor c;
    struct row r;

    text[0] = '\0';
    for (cursor_first(&c, t, sa_table_by_id(SA_NOTICE_RECIPIENT), &k); cursor_row(&c, &r);
         cursor_next(&c)) {
        char a[2][256];

        at += (size_t)snprintf(text + at, sizeof text - at, "%s=%s:%s;",
                               row_str(&r, NOTICE_RECIPIENT_ADDRESS, a[0], sizeof a[0]),
                               sa_name_of(state->names, row_int(&r, NOTICE_RECIPIENT_STATE)),
                               row_str(&r, NOTICE_RECIPIENT_REPLY, a[1], sizeof a[1]));
    }
    cursor_close(&c);
    txn_abort(t);
    return text;
}

/* The only job to handler TO that is not answered. */
static struct got *job_to(struct play *p, const char *to)
{
    struct got *found = NULL;

    for (enum core_way way = WAY_DISPATCHER; way < WAY_END; way++) {
        for (size_t i = 0; i < p->ngot[way]; i++) {
            struct got *g = &p->got[way][i];

            if (strcmp(g->to, to) || g->answered)
                continue;
            assert_null(found);
            found = g;
        }
    }
    if (!found)
        fail_msg("no job to %s", to);
    return found;
}

static size_t jobs(const struct play *p)
{
    return p->ngot[WAY_DISPATCHER] + p->ngot[WAY_AGENT];
}

/* O but for the job. */
static void answer_by(struct play *p, const char *to, struct outcome o)
{
    struct got *g = job_to(p, to);
    bool by_agent = g >= p->got[WAY_AGENT];
    struct buf b;

    g->answered = true;
    o.job = g->id;
    buf_init(&b, 4096);
    outcome_write(&o, &b);
    assert_int_equal((by_agent ? core_agent_frame : core_dispatcher_frame)(p->c, DISPATCH_OUTCOME,
                                                                           b.data, b.len, NULL, 0),
                     0);
    buf_release(&b);
}

static void answer_as(struct play *p, const char *to, enum outcome_result result,
                      enum sa_confirmation confirmation, const char *error)
{
    struct outcome o = {.result = (uint8_t)result, .confirmation = (uint8_t)confirmation};

    snprintf(o.error, sizeof o.error, "%s", error);
    answer_by(p, to, o);
}

static void wants_pause(struct play *p, const char *to, uint32_t pause_ms)
{
    answer_by(p, to,
              (struct outcome){.result = OUTCOME_RETRY,
                               .confirmation = CONFIRM_NONE,
                               .pause_ms = pause_ms,
                               .error = "busy"});
}

static void answer(struct play *p, const char *to, enum outcome_result result, const char *error)
{
    answer_as(p, to, result, result == OUTCOME_DELIVERED ? CONFIRM_HANDED_OFF : CONFIRM_NONE,
              error);
}

static void delivered(struct play *p, const char *to)
{
    answer(p, to, OUTCOME_DELIVERED, "");
}

static void check_state(struct play *p, uint32_t notice, enum sa_notice_state state)
{
    assert_int_equal(number_of(p, notice, NOTICE_STATE), state);
}

/* ---- publish ---- */

static void each_handler_gets_it_once(void **state)
{
    struct play *p = *state;

    add_target(p, "ops", "all"); /* pager, and by another list screen and pager */
    tell(p, "ops", "hot", 1, LEVEL_CRITICAL, "too hot");
    turn(p, true);
    assert_int_equal(jobs(p), 2);
    assert_string_equal(job_to(p, "pager")->uuid, job_to(p, "screen")->uuid);
    assert_string_equal(job_to(p, "pager")->uuid, words_of(p, 1, NOTICE_UUID));
    assert_int_equal(job_to(p, "pager")->nrecipients, 0);
    assert_string_equal(recipients(p, 1),
                        "handler pager of admin=pending:;handler screen of alice=pending:;");
    delivered(p, "screen");
    turn(p, true);
    check_state(p, 1, NOTICE_DISPATCHED);
    assert_string_equal(
        recipients(p, 1),
        "handler pager of admin=pending:;handler screen of alice=delivered:handed off;");
    delivered(p, "pager");
    turn(p, true);
    check_state(p, 1, NOTICE_DELIVERED);
    assert_int_equal(number_of(p, 1, NOTICE_CONFIRMATION), CONFIRM_HANDED_OFF);
    assert_int_equal(number_of(p, 1, NOTICE_ATTEMPTS), 1);
    assert_int_equal(jobs(p), 2);
    assert_int_equal(p->c->in_flight[WAY_DISPATCHER], 0);
}

/* The longest pause that a handler asks for counts. */
static void a_pause_is_kept(void **state)
{
    struct play *p = *state;
    int64_t asked;

    add_target(p, "ops", "all");
    tell(p, "ops", "hot", 1, LEVEL_CRITICAL, "too hot");
    turn(p, true);
    wants_pause(p, "pager", 120000);
    wants_pause(p, "screen", 60000);
    asked = p->wall_ms;
    turn(p, true);
    check_state(p, 1, NOTICE_PENDING);
    assert_int_equal(number_of(p, 1, NOTICE_NEXT_ATTEMPT), asked + 120000);
    p->wall_ms = asked + 119999;
    turn(p, true);
    assert_int_equal(jobs(p), 2);
    p->wall_ms = asked + 120000;
    turn(p, true);
    assert_int_equal(jobs(p), 4);
    delivered(p, "screen");
    wants_pause(p, "pager", UINT32_MAX);
    turn(p, true);
    assert_int_equal(number_of(p, 1, NOTICE_NEXT_ATTEMPT), p->wall_ms + NOTICE_RETRY_MOST_MS);
    p->wall_ms += NOTICE_RETRY_MOST_MS;
    turn(p, true);
    delivered(p, "pager");
    turn(p, true);
    check_state(p, 1, NOTICE_DELIVERED);
}

static void only_who_was_not_reached_is_tried_again(void **state)
{
    struct play *p = *state;

    add_target(p, "ops", "all");
    tell(p, "ops", "hot", 1, LEVEL_CRITICAL, "too hot");
    turn(p, true);
    answer(p, "pager", OUTCOME_RETRY, "127.0.0.1:162: connection refused");
    delivered(p, "screen");
    turn(p, true);
    check_state(p, 1, NOTICE_PENDING);
    assert_string_equal(words_of(p, 1, NOTICE_LAST_ERROR),
                        "handler pager of admin: 127.0.0.1:162: connection refused");
    for (int i = 0; i < 3; i++) {
        p->wall_ms += NOTICE_RETRY_MOST_MS * 2;
        turn(p, true);
        answer(p, "pager", OUTCOME_RETRY, "no");
        turn(p, true);
    }
    p->wall_ms += NOTICE_RETRY_MOST_MS * 2;
    turn(p, true);
    assert_int_equal(jobs(p), 6); /* 5 to the pager */
    delivered(p, "pager");
    turn(p, true);
    check_state(p, 1, NOTICE_DELIVERED);
    assert_string_equal(words_of(p, 1, NOTICE_LAST_ERROR), "");
}

/* It is known to have arrived only if all say so, whenever they did. */
static void the_least_that_is_known_counts(void **state)
{
    static const struct {
        enum sa_confirmation first, second, want;
    } cases[] = {
        {CONFIRM_ACKNOWLEDGED, CONFIRM_ACKNOWLEDGED, CONFIRM_ACKNOWLEDGED},
        {CONFIRM_HANDED_OFF, CONFIRM_ACKNOWLEDGED, CONFIRM_HANDED_OFF},
        {CONFIRM_ACKNOWLEDGED, CONFIRM_HANDED_OFF, CONFIRM_HANDED_OFF},
    };
    struct play *p = *state;

    add_target(p, "ops", "all");
    for (uint32_t i = 0; i < COUNT(cases); i++) {
        tell(p, "ops", "hot", i + 1, LEVEL_CRITICAL, "too hot");
        turn(p, true);
        answer_as(p, "screen", OUTCOME_DELIVERED, cases[i].first, "");
        answer(p, "pager", OUTCOME_RETRY, "later");
        turn(p, true);
        p->wall_ms += NOTICE_RETRY_MOST_MS;
        restart(p);
        turn(p, true);
        answer_as(p, "pager", OUTCOME_DELIVERED, cases[i].second, "");
        turn(p, true);
        assert_int_equal(number_of(p, i + 1, NOTICE_CONFIRMATION), cases[i].want);
    }
}

/* The one that answered is not told again by the next core; the other is, under the same UUID. */
static void a_killed_core_tells_the_rest(void **state)
{
    struct play *p = *state;
    char uuid[UUID_TEXT_LEN + 1];

    add_target(p, "ops", "all");
    tell(p, "ops", "hot", 1, LEVEL_CRITICAL, "too hot");
    turn(p, true);
    memcpy(uuid, job_to(p, "pager")->uuid, sizeof uuid);
    delivered(p, "screen");
    turn(p, true);
    restart(p);
    turn(p, true);
    assert_int_equal(jobs(p), 1);
    assert_string_equal(job_to(p, "pager")->uuid, uuid);
    delivered(p, "pager");
    turn(p, false); /* the store refuses: nothing has happened, and it comes to the same */
    turn(p, false);
    check_state(p, 1, NOTICE_DISPATCHED);
    turn(p, true);
    check_state(p, 1, NOTICE_DELIVERED);
}

static void outcomes_in_a_turn_that_fails_count_once(void **state)
{
    struct play *p = *state;

    add_target(p, "ops", "all");
    tell(p, "ops", "hot", 1, LEVEL_CRITICAL, "too hot");
    turn(p, true);
    delivered(p, "screen");
    answer(p, "pager", OUTCOME_FAILED, "no such receiver");
    turn(p, false);
    turn(p, true);
    check_state(p, 1, NOTICE_DELIVERED); /* somebody was reached, and nobody is left */
    assert_string_equal(recipients(p, 1), "handler pager of admin=failed:no such receiver;"
                                          "handler screen of alice=delivered:handed off;");
}

/* The end is told to who knows of the problem, while the other one waits for both, in order. */
static void a_dead_handler_does_not_hold_up_the_next_notice(void **state)
{
    struct play *p = *state;

    add_target(p, "ops", "all");
    tell(p, "ops", "hot", 1, LEVEL_CRITICAL, "too hot");
    turn(p, true);
    delivered(p, "screen");
    answer(p, "pager", OUTCOME_RETRY, "dead");
    turn(p, true);
    tell(p, "ops", "hot", 1, LEVEL_WARNING, "warm");
    tell(p, "ops", "hot", 1, LEVEL_OK, "over");
    turn(p, true); /* at once: the dead one is not even tried again */
    assert_int_equal(jobs(p), 3);
    assert_string_equal(job_to(p, "screen")->message, "warm");
    delivered(p, "screen");
    turn(p, true);
    turn(p, true);
    assert_string_equal(job_to(p, "screen")->message, "over");
    restart(p); /* it is told again, and the dead one of the first */
    turn(p, true);
    assert_string_equal(job_to(p, "screen")->message, "over");
    delivered(p, "screen");
    p->wall_ms += NOTICE_RETRY_MOST_MS;
    turn(p, true);
    assert_string_equal(job_to(p, "pager")->message, "too hot");
    for (uint32_t i = 1; i <= 3; i++) {
        delivered(p, "pager");
        turn(p, true);
        check_state(p, i, NOTICE_DELIVERED);
        if (i < 3)
            assert_string_equal(job_to(p, "pager")->message, i == 1 ? "warm" : "over");
    }
    assert_int_equal(jobs(p), 4); /* of this core */
}

/* Whoever says the same twice says nothing for others. */
static void an_answer_counts_once(void **state)
{
    struct play *p = *state;

    add_target(p, "ops", "all");
    tell(p, "ops", "hot", 1, LEVEL_CRITICAL, "too hot");
    turn(p, true);
    delivered(p, "screen");
    p->got[WAY_DISPATCHER][1].answered = false;
    delivered(p, "screen");
    turn(p, true);
    check_state(p, 1, NOTICE_DISPATCHED);
    delivered(p, "pager");
    turn(p, true);
    check_state(p, 1, NOTICE_DELIVERED);
}

static void nobody_reached_is_failed(void **state)
{
    struct play *p = *state;

    add_target(p, "ops", "all");
    tell(p, "ops", "hot", 1, LEVEL_CRITICAL, "too hot");
    turn(p, true);
    answer(p, "screen", OUTCOME_FAILED, "b");
    answer(p, "pager", OUTCOME_FAILED, "a");
    turn(p, true);
    check_state(p, 1, NOTICE_FAILED);
    assert_string_equal(words_of(p, 1, NOTICE_LAST_ERROR), "handler pager of admin: a");
}

/* It is with the dispatcher, which answers; the agent dies, and only its part is told again. */
static void a_dead_agent_loses_its_part(void **state)
{
    struct play *p = *state;

    add_target(p, "ops", "every");
    tell(p, "ops", "hot", 1, LEVEL_CRITICAL, "too hot");
    turn(p, true);
    assert_int_equal(p->ngot[WAY_AGENT], 1);
    job_to(p, "master")->answered = true;
    core_way_lost(p->c, WAY_AGENT);
    turn(p, true);
    check_state(p, 1, NOTICE_DISPATCHED); /* the pager still has it */
    assert_int_equal(p->c->in_flight[WAY_AGENT], 0);
    delivered(p, "pager");
    turn(p, true);
    check_state(p, 1, NOTICE_PENDING);
    p->wall_ms += NOTICE_RETRY_MOST_MS;
    turn(p, true);
    assert_int_equal(p->ngot[WAY_DISPATCHER], 1);
    delivered(p, "master");
    turn(p, true);
    check_state(p, 1, NOTICE_DELIVERED);
}

/* Without a master the others get theirs at once, and then it is no attempt to wait. */
static void a_way_that_is_down_delays_no_other(void **state)
{
    struct play *p = *state;
    int64_t attempts;

    p->c->agent_has_master = false;
    add_target(p, "ops", "every");
    tell(p, "ops", "hot", 1, LEVEL_CRITICAL, "too hot");
    turn(p, true);
    assert_int_equal(p->ngot[WAY_AGENT], 0);
    delivered(p, "pager");
    turn(p, true);
    turn(p, true);
    check_state(p, 1, NOTICE_PENDING);
    attempts = number_of(p, 1, NOTICE_ATTEMPTS);
    p->wall_ms += NOTICE_GIVE_UP_MS / 2;
    for (int i = 0; i < 5; i++)
        turn(p, true);
    assert_int_equal(number_of(p, 1, NOTICE_ATTEMPTS), attempts);
    p->c->agent_has_master = true;
    turn(p, true);
    delivered(p, "master");
    turn(p, true);
    check_state(p, 1, NOTICE_DELIVERED);
    assert_int_equal(p->ngot[WAY_DISPATCHER], 1);
}

/* One that is only busy is waited for: nobody is told too little in a storm. */
static void a_way_that_is_busy_is_waited_for(void **state)
{
    struct play *p = *state;

    p->c->in_flight[WAY_AGENT] = CORE_AGENT_EVENTS_MAX;
    add_target(p, "ops", "every");
    add_target(p, "few", "all");
    tell(p, "ops", "hot", 1, LEVEL_CRITICAL, "too hot");
    tell(p, "few", "hot", 1, LEVEL_CRITICAL, "too hot");
    turn(p, true);
    check_state(p, 1, NOTICE_PENDING);
    check_state(p, 2, NOTICE_DISPATCHED);
    assert_int_equal(jobs(p), 2);
    p->c->in_flight[WAY_AGENT] = 0;
    turn(p, true);
    check_state(p, 1, NOTICE_DISPATCHED);
    assert_int_equal(jobs(p), 4);
    assert_int_equal(number_of(p, 1, NOTICE_ATTEMPTS), 1);
}

static struct core_handler *handler(struct play *p, const char *owner, const char *name)
{
    return core_handler_at(p->c, core_handler_id(p->c, owner, name));
}

static void disabled_handlers_wait(void **state)
{
    struct play *p = *state;
    struct txn *t;

    handler(p, "admin", "pager")->enabled = false;
    add_target(p, "ops", "all");
    tell(p, "ops", "hot", 1, LEVEL_CRITICAL, "too hot");
    turn(p, true);
    delivered(p, "screen");
    turn(p, true);
    turn(p, true);
    check_state(p, 1, NOTICE_PENDING);
    assert_string_equal(words_of(p, 1, NOTICE_LAST_ERROR),
                        "handler pager of admin: handler 'pager' is disabled");
    handler(p, "admin", "pager")->enabled = true;
    t = begin(&p->w);
    assert_true(notice_hurry(t, "admin", "pager", p->wall_ms) > 0);
    done(t);
    turn(p, true);
    delivered(p, "pager");
    turn(p, true);
    check_state(p, 1, NOTICE_DELIVERED);

    handler(p, "alice", "all")->enabled = false;
    tell(p, "ops", "hot", 1, LEVEL_OK, "over");
    turn(p, true);
    turn(p, true);
    check_state(p, 2, NOTICE_PENDING);
    assert_string_equal(words_of(p, 2, NOTICE_LAST_ERROR), "handler 'all' is disabled");
    assert_string_equal(recipients(p, 2), "");
}

/* What has begun goes on to those that it was for, as far as they are there. */
static void another_file_changes_nothing_of_what_has_begun(void **state)
{
    struct play *p = *state;
    struct config *before = p->file;

    add_target(p, "ops", "all");
    tell(p, "ops", "hot", 1, LEVEL_CRITICAL, "too hot");
    turn(p, true);
    answer(p, "screen", OUTCOME_RETRY, "later");
    answer(p, "pager", OUTCOME_RETRY, "later");
    turn(p, true);
    kill_core(p);
    config_free(before);
    read_file(p, FILE_OF(SCREEN MASTER "<snmp owner='alice' name='all' host='127.0.0.1'/>"));
    start(p);
    p->wall_ms += NOTICE_RETRY_MOST_MS;
    turn(p, true);
    assert_int_equal(jobs(p), 1);
    delivered(p, "screen");
    turn(p, true);
    check_state(p, 1, NOTICE_DELIVERED);
    assert_string_equal(recipients(p, 1),
                        "handler pager of admin=failed:there is no handler 'pager';"
                        "handler screen of alice=delivered:handed off;");
}

/* Addresses that a target has for another handler are none for those that are led to. */
static void recipients_of_the_target_are_not_used(void **state)
{
    struct play *p = *state;

    add_target(p, "ops", "most");
    IN(&p->w, PUT(t, SA_TARGET, key_of_names("alice", "ops"),
                  {TARGET_RECIPIENTS, 0, "192.0.2.1 192.0.2.2"}));
    tell(p, "ops", "hot", 1, LEVEL_CRITICAL, "too hot");
    turn(p, true);
    assert_string_equal(recipients(p, 1),
                        "handler screen of alice=pending:;handler pager of admin=pending:;");
    assert_int_equal(job_to(p, "pager")->nrecipients, 0);
}

static void what_was_delivered_is_sent_again_to_all(void **state)
{
    struct play *p = *state;
    struct notice_ref ref = {"alice", 1};
    struct txn *t;
    bool called_back;

    add_target(p, "ops", "all");
    tell(p, "ops", "hot", 1, LEVEL_CRITICAL, "too hot");
    turn(p, true);
    delivered(p, "pager");
    delivered(p, "screen");
    turn(p, true);
    t = begin(&p->w);
    PUT(t, SA_NOTICE, key_of_id("alice", 1), {NOTICE_ACTION, ACTION_RESEND, NULL});
    assert_int_equal(notice_act(t, &ref, p->wall_ms, &called_back), 0);
    done(t);
    turn(p, true);
    assert_int_equal(jobs(p), 4);
    delivered(p, "pager");
    delivered(p, "screen");
    turn(p, true);
    check_state(p, 1, NOTICE_DELIVERED);
}

/* ---- aggregate ---- */

static void one_event_for_all_of_an_interval(void **state)
{
    struct play *p = *state;
    const struct got *g;

    add_target(p, "ops", "sum");
    tell(p, "ops", "warm", 1, LEVEL_WARNING, "a");
    p->wall_ms += INTERVAL_MS / 2;
    tell(p, "ops", "hot", 2, LEVEL_CRITICAL, "b");
    tell(p, "ops", "slow", 3, LEVEL_UNKNOWN, "c");
    p->wall_ms += INTERVAL_MS / 2 - 1;
    tell(p, "ops", "warm", 1, LEVEL_OK, "d");
    turn(p, true);
    assert_int_equal(jobs(p), 0);
    p->wall_ms++; /* the interval began with the first */
    turn(p, true);
    assert_int_equal(jobs(p), 1);
    g = job_to(p, "pager");
    assert_int_equal(g->nevents, 1);
    assert_int_equal(g->level, LEVEL_CRITICAL);
    assert_int_equal(g->notice, 2);
    assert_string_equal(g->message, "4 notices, worst CRITICAL: alice/hot cpu0 CRITICAL, "
                                    "alice/warm cpu0 WARNING, alice/slow cpu0 UNKNOWN");
    /* Traps say the same. */
    assert_non_null(strstr(g->varbinds, g->uuid));
    assert_non_null(strstr(g->varbinds, g->message));
    for (uint32_t i = 1; i <= 4; i++) {
        check_state(p, i, NOTICE_DISPATCHED);
        assert_string_equal(words_of(p, i, NOTICE_DIGEST), g->uuid);
        assert_int_equal(number_of(p, i, NOTICE_TARGET_SEQUENCE), 1); /* one message, one number */
        assert_true(strcmp(words_of(p, i, NOTICE_UUID), g->uuid) != 0);
    }
    assert_int_equal(g->sequence, 1);
    delivered(p, "pager");
    turn(p, true);
    for (uint32_t i = 1; i <= 4; i++)
        check_state(p, i, NOTICE_DELIVERED);
    /* The next interval begins with the next notice. */
    tell(p, "ops", "hot", 2, LEVEL_OK, "e");
    p->wall_ms += INTERVAL_MS - 1;
    turn(p, true);
    assert_int_equal(jobs(p), 1);
    p->wall_ms++;
    turn(p, true);
    g = job_to(p, "pager");
    assert_int_equal(g->sequence, 2);
    assert_string_equal(g->message, "1 notice, worst OK: alice/hot cpu0 OK");
}

static void an_interval_goes_on_after_a_kill(void **state)
{
    struct play *p = *state;
    char uuid[UUID_TEXT_LEN + 1];

    add_target(p, "ops", "sum");
    tell(p, "ops", "warm", 1, LEVEL_WARNING, "a");
    p->wall_ms += INTERVAL_MS - 1;
    restart(p);
    tell(p, "ops", "hot", 2, LEVEL_CRITICAL, "b");
    turn(p, true);
    assert_int_equal(jobs(p), 0);
    p->wall_ms++;
    turn(p, true);
    assert_int_equal(jobs(p), 1);
    assert_int_equal(job_to(p, "pager")->level, LEVEL_CRITICAL);
    memcpy(uuid, job_to(p, "pager")->uuid, sizeof uuid);
    restart(p); /* while it is under way: all of it comes again, as the same event */
    turn(p, true);
    assert_int_equal(jobs(p), 1);
    assert_string_equal(job_to(p, "pager")->uuid, uuid);
    assert_int_equal(job_to(p, "pager")->sequence, 1);
    assert_string_equal(job_to(p, "pager")->message,
                        "2 notices, worst CRITICAL: alice/hot cpu0 CRITICAL, "
                        "alice/warm cpu0 WARNING");
    delivered(p, "pager");
    turn(p, true);
    check_state(p, 1, NOTICE_DELIVERED);
    check_state(p, 2, NOTICE_DELIVERED);
}

/* More than a digest holds, more than the message names, and two who get it. */
static void a_storm_is_one_event(void **state)
{
    enum { MANY = 1000 };
    struct play *p = *state;
    const struct got *g;

    add_target(p, "ops", "sums");
    for (uint32_t i = 1; i <= MANY; i++) {
        char name[16];

        snprintf(name, sizeof name, "d%u", i);
        tell(p, "ops", name, i, i % 10 ? LEVEL_WARNING : LEVEL_CRITICAL, "x");
    }
    p->wall_ms += INTERVAL_MS;
    turn(p, true);
    assert_int_equal(jobs(p), 2);
    g = job_to(p, "screen");
    assert_int_equal(g->nevents, 1);
    assert_string_equal(g->message, "1000 notices, worst CRITICAL: alice/d1000 cpu0 CRITICAL, "
                                    "alice/d990 cpu0 CRITICAL, alice/d980 cpu0 CRITICAL, "
                                    "alice/d970 cpu0 CRITICAL, alice/d960 cpu0 CRITICAL, "
                                    "alice/d950 cpu0 CRITICAL, alice/d940 cpu0 CRITICAL, "
                                    "alice/d930 cpu0 CRITICAL, ...");
    delivered(p, "screen");
    turn(p, true);
    answer(p, "pager", OUTCOME_RETRY, "later");
    turn(p, true);
    p->wall_ms += NOTICE_RETRY_MOST_MS;
    /* What comes meanwhile is for both, and no part of what one still waits for. */
    tell(p, "ops", "new", MANY + 1, LEVEL_CRITICAL, "y");
    turn(p, true);
    assert_int_equal(jobs(p), 3);
    assert_non_null(strstr(job_to(p, "pager")->message, "1000 notices"));
    delivered(p, "pager");
    turn(p, true);
    check_state(p, 1, NOTICE_DELIVERED);
    check_state(p, MANY, NOTICE_DELIVERED);
    check_state(p, MANY + 1, NOTICE_PENDING);
    p->wall_ms += INTERVAL_MS;
    turn(p, true);
    assert_int_equal(jobs(p), 5);
    assert_int_equal(job_to(p, "pager")->sequence, 2);
}

static void a_dead_handler_does_not_hold_up_the_next_interval(void **state)
{
    static const char first[] =
        "2 notices, worst WARNING: alice/dry cpu0 WARNING, alice/warm cpu0 WARNING";
    static const char second[] =
        "2 notices, worst CRITICAL: alice/dry cpu0 CRITICAL, alice/warm cpu0 OK";
    struct play *p = *state;

    add_target(p, "ops", "sums");
    tell(p, "ops", "warm", 1, LEVEL_WARNING, "a");
    tell(p, "ops", "dry", 3, LEVEL_WARNING, "b");
    p->wall_ms += INTERVAL_MS;
    turn(p, true);
    delivered(p, "screen");
    answer(p, "pager", OUTCOME_RETRY, "dead");
    turn(p, true);
    tell(p, "ops", "warm", 1, LEVEL_OK, "c");
    tell(p, "ops", "dry", 3, LEVEL_CRITICAL, "d");
    p->wall_ms += INTERVAL_MS;
    turn(p, true);
    assert_string_equal(job_to(p, "pager")->message, first);
    assert_string_equal(job_to(p, "screen")->message, second);
    delivered(p, "screen");
    turn(p, true);
    check_state(p, 3, NOTICE_PENDING);
    delivered(p, "pager");
    turn(p, true);
    check_state(p, 1, NOTICE_DELIVERED);
    check_state(p, 2, NOTICE_DELIVERED);
    assert_string_equal(job_to(p, "pager")->message, second);
    delivered(p, "pager");
    turn(p, true);
    check_state(p, 3, NOTICE_DELIVERED);
    check_state(p, 4, NOTICE_DELIVERED);
    assert_int_equal(jobs(p), 5);
}

static void a_template_says_it_in_other_words(void **state)
{
    struct play *p = *state;

    add_target(p, "ops", "words");
    for (uint32_t i = 1; i <= 300; i++)
        tell(p, "ops", "warm", i, LEVEL_WARNING, "a");
    tell(p, "ops", "hot", 301, LEVEL_CRITICAL, "too hot");
    p->wall_ms += INTERVAL_MS;
    turn(p, true);
    assert_string_equal(job_to(p, "pager")->message,
                        "301 for ops, worst CRITICAL: too hot; "
                        "hot, warm, warm, warm, warm, warm, warm, warm");
}

/* Who asks whether notices arrive does not wait for the interval, nor ends it. */
static void a_test_goes_at_once_and_alone(void **state)
{
    struct play *p = *state;
    struct notice_text n = test_notice_of(0);
    struct route_target to;
    struct txn *t;

    add_target(p, "ops", "sum");
    tell(p, "ops", "warm", 1, LEVEL_WARNING, "a");
    t = begin(&p->w);
    to = target_of(t, "alice", "ops");
    assert_int_equal(notice_create(t, &to, &n, 0, p->wall_ms), 0);
    done(t);
    turn(p, true);
    assert_int_equal(jobs(p), 1);
    assert_string_equal(job_to(p, "pager")->message, "This is a test.");
    assert_string_equal(job_to(p, "pager")->uuid, words_of(p, 2, NOTICE_UUID));
    check_state(p, 1, NOTICE_PENDING);
}

#define TEST(name, setup) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(each_handler_gets_it_once, setup_published),
        TEST(a_pause_is_kept, setup_published),
        TEST(only_who_was_not_reached_is_tried_again, setup_published),
        TEST(the_least_that_is_known_counts, setup_published),
        TEST(a_killed_core_tells_the_rest, setup_published),
        TEST(outcomes_in_a_turn_that_fails_count_once, setup_published),
        TEST(an_answer_counts_once, setup_published),
        TEST(a_dead_handler_does_not_hold_up_the_next_notice, setup_published),
        TEST(nobody_reached_is_failed, setup_published),
        TEST(a_dead_agent_loses_its_part, setup_published),
        TEST(a_way_that_is_down_delays_no_other, setup_published),
        TEST(a_way_that_is_busy_is_waited_for, setup_published),
        TEST(disabled_handlers_wait, setup_published),
        TEST(another_file_changes_nothing_of_what_has_begun, setup_published),
        TEST(recipients_of_the_target_are_not_used, setup_published),
        TEST(what_was_delivered_is_sent_again_to_all, setup_published),
        TEST(one_event_for_all_of_an_interval, setup_summed),
        TEST(an_interval_goes_on_after_a_kill, setup_summed),
        TEST(a_storm_is_one_event, setup_summed),
        TEST(a_dead_handler_does_not_hold_up_the_next_interval, setup_summed),
        TEST(a_template_says_it_in_other_words, setup_summed),
        TEST(a_test_goes_at_once_and_alone, setup_summed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
