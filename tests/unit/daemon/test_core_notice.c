/* Jobs for dispatcher and agent, and whose their answers are. */
#include "tests/unit/alerts/fixture.h"

#include <stdlib.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "daemon/core.h"

/* As after the commit of core_claim(), but nothing is sent. */
static void keep(struct core *c, struct core_job *jobs)
{
    while (jobs) {
        struct core_job *j = jobs;

        jobs = j->next;
        j->next = c->jobs[j->id % CORE_JOB_BUCKETS];
        c->jobs[j->id % CORE_JOB_BUCKETS] = j;
        c->in_flight[j->way] += core_weight(j);
    }
}

/* A core that has just begun takes what waits; returns the id of one job. */
static uint64_t begin_core(struct core *c, struct world *w)
{
    struct core_job *jobs = NULL;
    uint64_t id;
    struct txn *t = begin(w);

    *c = (struct core){.store = w->store};
    c->dispatcher = (struct chan *)c; /* it is there: nobody looks closer */
    assert_true(notice_recover(t, clock_wall_ms()) >= 0);
    assert_int_equal(core_claim(c, t, clock_wall_ms(), &jobs), 0);
    done(t);
    assert_non_null(jobs);
    id = jobs->id;
    keep(c, jobs);
    return id;
}

/* The job, if there is one of this id, or the end. */
static struct core_job **job_of(struct core *c, uint64_t id)
{
    struct core_job **p = &c->jobs[id % CORE_JOB_BUCKETS];

    while (*p && (*p)->id != id)
        p = &(*p)->next;
    return p;
}

static void end_core(struct core *c)
{
    for (size_t i = 0; i < CORE_JOB_BUCKETS; i++)
        core_jobs_free(c->jobs[i]);
    free(c->outcomes);
}

/* Notices of one alert are sent one after the other. */
static void put_notice(struct world *w, uint32_t alert)
{
    struct notice_text n = test_notice_of(alert);
    struct txn *t = begin(w);
    struct route_target to = target_of(t, "alice", "ops");

    assert_int_equal(notice_create(t, &to, &n, 0, clock_wall_ms()), 0);
    done(t);
}

static void answer(struct core *c, uint64_t job)
{
    struct outcome o = {
        .job = job, .result = OUTCOME_DELIVERED, .confirmation = CONFIRM_HANDED_OFF};
    struct buf b;

    buf_init(&b, 4096);
    outcome_write(&o, &b);
    assert_int_equal(b.err, 0);
    assert_int_equal(core_dispatcher_frame(c, DISPATCH_OUTCOME, b.data, b.len, NULL, 0), 0);
    buf_release(&b);
}

static int64_t state_of_the_notice(struct world *w)
{
    struct txn *t = txn_begin(w->store, TXN_READ);
    int64_t state = cell_of(t, SA_NOTICE, key_of_id("alice", 1), NOTICE_STATE);

    txn_abort(t);
    return state;
}

static void apply(struct core *c, struct world *w)
{
    struct txn *t = begin(w);

    assert_int_equal(core_outcomes_apply(c, t, clock_wall_ms()), 0);
    done(t);
    core_outcomes_clear(c);
}

/* The dispatcher outlives a core. */
static void test_answers_for_the_last_core_are_nobodys(void **state)
{
    struct world *w = *state;
    struct core *c = calloc(1, sizeof *c);
    int64_t wall_ms = 1000000, mono_ms = 5000;
    uint64_t last, id;

    clock_fake(&wall_ms, &mono_ms);
    assert_non_null(c);
    IN(w, put_target(t, "alice", "ops"));
    put_notice(w, 0);
    last = begin_core(c, w);
    end_core(c);
    mono_ms++;
    id = begin_core(c, w);
    assert_true(id > last);
    answer(c, last);
    apply(c, w);
    assert_int_equal(state_of_the_notice(w), NOTICE_DISPATCHED);
    answer(c, id);
    apply(c, w);
    assert_int_equal(state_of_the_notice(w), NOTICE_DELIVERED);
    end_core(c);
    free(c);
    clock_fake(NULL, NULL);
}

static void test_each_answers_for_its_own_jobs_only(void **state)
{
    struct world *w = *state;
    struct core *c = calloc(1, sizeof *c);
    struct outcome o = {.result = OUTCOME_DELIVERED, .confirmation = CONFIRM_HANDED_OFF};
    struct buf b;

    assert_non_null(c);
    IN(w, put_target(t, "alice", "ops"));
    put_notice(w, 1);
    o.job = begin_core(c, w);
    buf_init(&b, 4096);
    outcome_write(&o, &b);
    assert_int_equal(core_agent_frame(c, DISPATCH_OUTCOME, b.data, b.len, NULL, 0), ERR_PROTOCOL);
    apply(c, w);
    assert_int_equal(state_of_the_notice(w), NOTICE_DISPATCHED);
    buf_release(&b);
    end_core(c);
    free(c);
}

static void test_what_an_agent_may_say(void **state)
{
    static const struct {
        uint16_t type;
        uint8_t octet;
        size_t len;
        int want;
    } frames[] = {
        {CORE_AGENT_SET, 0, 0, 0},
        {CORE_AGENT_SET, 0, 1, ERR_PROTOCOL},
        {CORE_AGENT_MASTER, 1, 1, 0},
        {CORE_AGENT_MASTER, 0, 1, 0},
        {CORE_AGENT_MASTER, 2, 1, ERR_PROTOCOL},
        {CORE_AGENT_MASTER, 1, 0, ERR_PROTOCOL},
        {CORE_AGENT_CONFIG, 0, 0, ERR_PROTOCOL},
        {DISPATCH_JOB, 0, 0, ERR_PROTOCOL},
    };
    struct core *c = calloc(1, sizeof *c);

    (void)state;
    assert_non_null(c);
    for (size_t i = 0; i < COUNT(frames); i++) {
        bool before = c->agent_has_master;

        assert_int_equal(
            core_agent_frame(c, frames[i].type, &frames[i].octet, frames[i].len, NULL, 0),
            frames[i].want);
        assert_int_equal(c->agent_has_master, frames[i].type == CORE_AGENT_MASTER && !frames[i].want
                                                  ? frames[i].octet
                                                  : before);
    }
    free(c);
}

/* ---- calling back ---- */

/* What the dispatcher is asked for. */
struct asked {
    uint64_t jobs[8];
    size_t n;
};

static int on_frame(void *arg, uint16_t type, const uint8_t *payload, size_t len, const int *fds,
                    int nfds)
{
    struct asked *a = arg;

    (void)fds, (void)nfds;
    assert_int_equal(type, DISPATCH_CANCEL);
    assert_int_equal(len, 8);
    assert_true(a->n < COUNT(a->jobs));
    a->jobs[a->n++] = get_u64(payload);
    return 0;
}

static void on_close(void *arg, int code)
{
    (void)arg, (void)code;
}

/* Marks alice's notice as a manager's cancel does, and has the core look for it. */
static void call_back(struct core *c, struct world *w, uint32_t id)
{
    struct notice_ref ref = {"alice", id};
    struct txn *t = begin(w);
    bool wanted = false;

    PUT(t, SA_NOTICE, key_of_id("alice", id), {NOTICE_ACTION, ACTION_CANCEL, NULL});
    assert_int_equal(notice_act(t, &ref, clock_wall_ms(), &wanted), 0);
    assert_true(wanted);
    done(t);
    core_jobs_call_back(c, &ref, 1);
}

/* What DIGEST_MS makes of three notices: as many messages, or one. */
static void check_called_back(struct world *w, int64_t digest_ms, size_t messages)
{
    struct core *c = calloc(1, sizeof *c);
    struct loop *loop = loop_new();
    struct asked asked = {.n = 0};
    struct chan_options here = {.on_close = on_close},
                        there = {.on_frame = on_frame, .on_close = on_close, .arg = &asked};
    struct chan *dispatcher;
    int fds[2];

    assert_true(c && loop);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    IN(w, put_target(t, "alice", "ops"));
    for (uint32_t alert = 1; alert <= 3; alert++)
        put_notice(w, alert);
    IN(w, PUT(t, SA_TARGET, key_of_names("alice", "ops"), {TARGET_DIGEST, digest_ms, NULL}));
    begin_core(c, w);
    assert_int_equal(c->in_flight[WAY_DISPATCHER], messages);
    c->dispatcher = chan_new(loop, fds[0], &here);
    dispatcher = chan_new(loop, fds[1], &there);
    for (uint32_t id = 1; id <= 3; id++) {
        call_back(c, w, id);
        for (int turns = 0; turns < 3; turns++)
            assert_int_equal(loop_turn(loop, 0), 0);
        /* A digest is asked for when nobody waits for any of its notices. */
        assert_int_equal(asked.n, messages == 3 ? id : id == 3);
    }
    for (size_t i = 0; i < asked.n; i++)
        assert_non_null(*job_of(c, asked.jobs[i]));
    chan_free(dispatcher);
    chan_free(c->dispatcher);
    loop_free(loop);
    end_core(c);
    free(c);
}

static void test_messages_are_called_back(void **state)
{
    check_called_back(*state, 0, 3);
}

static void test_a_digest_is_called_back_as_a_whole(void **state)
{
    check_called_back(*state, 1000, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_answers_for_the_last_core_are_nobodys, world_setup,
                                        world_teardown),
        cmocka_unit_test_setup_teardown(test_each_answers_for_its_own_jobs_only, world_setup,
                                        world_teardown),
        cmocka_unit_test(test_what_an_agent_may_say),
        cmocka_unit_test_setup_teardown(test_messages_are_called_back, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_a_digest_is_called_back_as_a_whole, world_setup,
                                        world_teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
