/* Validations and tests that managers ask for, with a dispatcher that the test plays. */
#include "tests/unit/alerts/fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "alerts/computed.h"
#include "base/clock.h"
#include "daemon/core.h"
#include "daemon/kinds.h"
#include "dispatch/agentx_kind.h"
#include "store/set.h"
#include "store/view.h"

enum { FRAMES_MAX = 16 };

struct bench {
    struct world *w;
    struct core c;
    struct loop *loop;
    struct chan *peer; /* the dispatcher's end */
    struct frame {
        uint16_t type;
        struct job job;
    } frames[FRAMES_MAX]; /* that the dispatcher got */
    size_t nframes;
    int64_t wall_ms, mono_ms;
};

static struct config_handler mail = {.owner = "admin", .name = "mail"};
static struct config_handler master = {.owner = "admin", .name = "master"};
static struct core_handler handlers[2];
static struct core_handler *handler_list[] = {&handlers[0], &handlers[1]};

/* ---- the dispatcher ---- */

static const struct kind *mail_kind(void *arg, uint32_t handler)
{
    (void)arg;
    return handler == 1 ? mail.kind : NULL;
}

static int on_frame(void *arg, uint16_t type, const uint8_t *payload, size_t len, const int *fds,
                    int nfds)
{
    struct bench *b = arg;
    struct frame *f = &b->frames[b->nframes++];
    struct err e;
    struct rd r;

    (void)fds;
    assert_int_equal(nfds, 0);
    assert_true(b->nframes <= FRAMES_MAX);
    f->type = type;
    rd_init(&r, payload, len);
    assert_int_equal(job_read(&f->job, mail_kind, NULL, &r, &e), 0);
    return 0;
}

static void on_close(void *arg, int code)
{
    (void)arg;
    assert_int_equal(code, ERR_CLOSED);
}

static int checked_by(struct bench *b, enum core_way way, uint64_t id, bool good, const char *words)
{
    struct checked a = {.job = id, .good = good};
    struct buf f;
    int err;

    snprintf(a.message, sizeof a.message, "%s", words);
    buf_init(&f, 1024);
    checked_write(&a, &f);
    err = way == WAY_AGENT ? core_agent_frame(&b->c, DISPATCH_CHECKED, f.data, f.len, NULL, 0)
                           : core_dispatcher_frame(&b->c, DISPATCH_CHECKED, f.data, f.len, NULL, 0);
    buf_release(&f);
    return err;
}

static void checked(struct bench *b, uint64_t id, bool good, const char *words)
{
    assert_int_equal(checked_by(b, WAY_DISPATCHER, id, good, words), 0);
}

static int delivered(struct bench *b, uint64_t id)
{
    struct outcome o = {
        .job = id, .result = OUTCOME_DELIVERED, .confirmation = CONFIRM_ACKNOWLEDGED};
    struct buf f;
    int err;

    buf_init(&f, 1024);
    outcome_write(&o, &f);
    err = core_dispatcher_frame(&b->c, DISPATCH_OUTCOME, f.data, f.len, NULL, 0);
    buf_release(&f);
    return err;
}

/* ---- the core's turn, as far as it is about this ---- */

static void turn(struct bench *b)
{
    struct judge_now now = {clock_wall_ms(), clock_mono_ms()};
    struct core_touched touched = {.items = NULL};
    struct txn *t = begin(b->w);

    assert_int_equal(core_changes_apply(&b->c, t, &now, &touched), 0);
    assert_int_equal(core_checks_recover(&b->c, t, now.wall_ms), 0);
    assert_int_equal(core_checks_apply(&b->c, t, now.wall_ms), 0);
    done(t);
    core_checks_clear(&b->c);
    core_checks_send(&b->c);
    core_touched_release(&touched);
    for (int i = 0; i < 3; i++)
        loop_turn(b->loop, 0);
}

/* ---- the manager ---- */

static struct key handler_key(void)
{
    return key_of_names("admin", "mail");
}

static struct key target_key(void)
{
    return key_of_names("alice", "ops");
}

/* The SET is kept: undo() or set_free() ends it. */
static int begin_set(struct bench *b, struct set **ret, unsigned table, struct key k,
                     unsigned column, int64_t number)
{
    struct set_value v = {.type = SET_INT32, .number = number};
    struct slice key = key_slice(&k);
    uint32_t subids[128];
    size_t n = view_oid(sa_table_by_id(table), column, &key, subids, 128);
    struct err e;
    int tag, err;

    *ret = set_new(b->w->store, SET_SNMP);
    err = set_add(*ret, 1, subids, n, &v, &e);
    if (!err)
        err = set_check(*ret, &tag, &e);
    return err ? err : set_commit(*ret, &tag, &e);
}

static int sets(struct bench *b, unsigned table, struct key k, unsigned column, int64_t number)
{
    struct set *x;
    int err = begin_set(b, &x, table, k, column, number);

    set_free(x);
    return err;
}

static int validate(struct bench *b, int64_t spin)
{
    return sets(b, SA_HANDLER, handler_key(), HANDLER_VALIDATE, spin);
}

static int64_t shown(struct bench *b, unsigned table, struct key k, unsigned column)
{
    struct slice key = key_slice(&k);
    uint32_t subids[128];
    size_t n = view_oid(sa_table_by_id(table), column, &key, subids, 128);
    struct txn *t = txn_begin(b->w->store, TXN_READ);
    struct cell cell;

    assert_int_equal(view_get(t, subids, n, &cell), 0);
    txn_abort(t);
    return cell.number;
}

static void expect(struct bench *b, enum sa_check state, const char *words)
{
    struct txn *t;

    assert_int_equal(shown(b, SA_HANDLER, handler_key(), HANDLER_CHECK), state);
    t = txn_begin(b->w->store, TXN_READ);
    assert_string_equal(text_of(t, SA_HANDLER, handler_key(), HANDLER_CHECK_MESSAGE), words);
    txn_abort(t);
}

static void expect_target(struct bench *b, enum sa_check state, const char *words)
{
    struct txn *t;

    assert_int_equal(shown(b, SA_TARGET, target_key(), TARGET_CHECK), state);
    t = txn_begin(b->w->store, TXN_READ);
    assert_string_equal(text_of(t, SA_TARGET, target_key(), TARGET_CHECK_MESSAGE), words);
    txn_abort(t);
}

/* ---- set-up ---- */

static void make_handlers(void)
{
    static const char *const values[][2] = {{"host", "mail.example.net"},
                                            {"fromAddress", "alerts@example.net"}};

    mail.kind = dispatch_kind_smtp.kind;
    master.kind = &agentx_kind;
    handlers[0] = (struct core_handler){.config = &mail, .enabled = true};
    handlers[1] = (struct core_handler){.config = &master, .enabled = true};
    for (size_t i = 0; i < COUNT(values); i++)
        assert_int_equal(
            values_set(&handlers[0].values,
                       property_find(mail.kind->properties, mail.kind->nproperties, values[i][0]),
                       values[i][1], NULL),
            0);
}

static void link_up(struct bench *b)
{
    struct chan_options core = {.on_frame = core_dispatcher_frame, .on_close = on_close};
    struct chan_options peer = {.on_frame = on_frame, .on_close = on_close, .arg = b};
    int ends[2];

    core.arg = &b->c;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    b->c.dispatcher = chan_new(b->loop, ends[0], &core);
    b->peer = chan_new(b->loop, ends[1], &peer);
    assert_true(b->c.dispatcher && b->peer);
}

static void on_due(void *arg)
{
    (void)arg;
}

static int setup(void **state)
{
    struct bench *b = calloc(1, sizeof *b);

    assert_non_null(b);
    assert_int_equal(world_setup((void **)&b->w), 0);
    b->wall_ms = 1795000000000;
    b->mono_ms = 5000;
    clock_fake(&b->wall_ms, &b->mono_ms);
    make_handlers();
    b->loop = loop_new();
    b->c = (struct core){.store = b->w->store,
                         .loop = b->loop,
                         .handlers = handler_list,
                         .nhandlers = COUNT(handler_list)};
    b->c.due = loop_timer_new(b->loop, on_due, NULL);
    link_up(b);
    assert_int_equal(computed_register(b->w->store, &daemon_kinds), 0);
    IN(b->w, PUT(t, SA_HANDLER, handler_key(), {HANDLER_KIND, 0, "smtp"}));
    turn(b);
    *state = b;
    return 0;
}

static int teardown(void **state)
{
    struct bench *b = *state;

    core_checks_free(&b->c);
    for (size_t i = 0; i < b->nframes; i++)
        job_release(&b->frames[i].job);
    values_release(&handlers[0].values);
    chan_free(b->c.dispatcher);
    chan_free(b->peer);
    loop_timer_del(b->c.due);
    loop_free(b->loop);
    clock_fake(NULL, NULL);
    world_teardown((void **)&b->w);
    free(b);
    return 0;
}

/* ---- the tests ---- */

static void test_a_set_is_running_until_it_is_answered(void **state)
{
    struct bench *b = *state;

    expect(b, CHECK_NONE, "");
    assert_int_equal(validate(b, 0), 0);
    expect(b, CHECK_RUNNING, ""); /* from its own commit on */
    turn(b);
    assert_int_equal(b->nframes, 1);
    assert_int_equal(b->frames[0].type, DISPATCH_CHECK);
    assert_int_equal(b->frames[0].job.handler, 1);
    assert_string_equal(b->frames[0].job.recipients[0], "alerts@example.net");
    turn(b);
    expect(b, CHECK_RUNNING, "");
    checked(b, b->frames[0].job.id, false, "mail.example.net:587: no");
    assert_true(core_checks_wait(&b->c));
    turn(b);
    expect(b, CHECK_FAILED, "mail.example.net:587: no");
    assert_int_equal(shown(b, SA_HANDLER, handler_key(), HANDLER_VALIDATE), 1);
    assert_false(core_checks_wait(&b->c));
    assert_int_equal(b->c.ntrials, 0);
    assert_int_equal(b->nframes, 1);
}

static void test_a_resent_request_asks_once(void **state)
{
    struct bench *b = *state;

    assert_int_equal(validate(b, 0), 0);
    assert_int_equal(validate(b, 0), ERR_INCONSISTENT_VALUE);
    turn(b);
    assert_int_equal(validate(b, 0), ERR_INCONSISTENT_VALUE);
    turn(b);
    assert_int_equal(b->nframes, 1);
}

static void test_whoever_asks_again_gets_the_later_answer(void **state)
{
    struct bench *b = *state;

    validate(b, 0);
    turn(b);
    validate(b, 1);
    turn(b);
    assert_int_equal(b->nframes, 2);
    checked(b, b->frames[0].job.id, true, "early");
    turn(b);
    expect(b, CHECK_RUNNING, "");
    checked(b, b->frames[1].job.id, true, "late");
    checked(b, b->frames[1].job.id, false, "twice");
    turn(b);
    expect(b, CHECK_SUCCEEDED, "late");
}

static void test_two_sets_of_one_turn_are_one_check(void **state)
{
    struct bench *b = *state;

    validate(b, 0);
    validate(b, 1);
    turn(b);
    assert_int_equal(b->nframes, 1);
    checked(b, b->frames[0].job.id, true, "good");
    turn(b);
    expect(b, CHECK_SUCCEEDED, "good");
}

static void test_what_was_undone_asks_for_nothing(void **state)
{
    struct bench *b = *state;
    struct set *x;
    struct err e;

    assert_int_equal(begin_set(b, &x, SA_HANDLER, handler_key(), HANDLER_TEST, 0), 0);
    assert_int_equal(set_undo(x, &e), 0);
    set_free(x);
    turn(b);
    assert_int_equal(b->nframes, 0);
    expect(b, CHECK_NONE, "");
    /* The same after the test went out: it is not sent twice, nor answered. */
    assert_int_equal(begin_set(b, &x, SA_HANDLER, handler_key(), HANDLER_TEST, 0), 0);
    turn(b);
    assert_int_equal(set_undo(x, &e), 0);
    set_free(x);
    turn(b);
    assert_int_equal(b->nframes, 1);
    assert_int_equal(delivered(b, b->frames[0].job.id), 0);
    turn(b);
    expect(b, CHECK_NONE, "");
}

static void test_a_test_is_a_job_of_no_notice(void **state)
{
    struct bench *b = *state;
    const struct job *j = &b->frames[0].job;

    assert_int_equal(sets(b, SA_HANDLER, handler_key(), HANDLER_TEST, 0), 0);
    turn(b);
    assert_int_equal(b->frames[0].type, DISPATCH_JOB);
    assert_int_equal(j->events[0].kind, KIND_TEST);
    assert_string_equal(j->events[0].message, "This is a test.");
    assert_int_equal(delivered(b, j->id), 0);
    assert_int_equal(b->c.noutcomes, 0);
    turn(b);
    expect(b, CHECK_SUCCEEDED, "acknowledged");
    IN(b->w, assert_false(is_there(t, SA_NOTICE, key_of_id("admin", 1))));
}

static void put_option(struct bench *b, const char *name, const char *value)
{
    struct key k = key3("admin", "mail", name);

    IN(b->w, PUT(t, SA_TEST_OPTION, k, {TEST_OPTION_VALUE, 0, value}));
}

static void test_a_test_has_the_options_that_were_set(void **state)
{
    struct bench *b = *state;
    const struct job *j = &b->frames[0].job;

    IN(b->w, assert_int_equal(core_properties_put(t, &mail), 0));
    put_option(b, "recipients", "bob@example.net");
    put_option(b, "message", "hello");
    put_option(b, "level", "warning");
    put_option(b, "port", "2525");
    sets(b, SA_HANDLER, handler_key(), HANDLER_TEST, 0);
    turn(b);
    assert_int_equal(j->nrecipients, 1);
    assert_string_equal(j->recipients[0], "bob@example.net");
    assert_string_equal(j->events[0].message, "hello");
    assert_int_equal(j->events[0].level, LEVEL_WARNING);
    assert_int_equal(j->overrides.n, 1); /* of all that may be: the others follow the handler */
    assert_string_equal(j->overrides.items[0].text, "2525");
    validate(b, 0);
    turn(b);
    assert_string_equal(b->frames[1].job.recipients[0], "alerts@example.net");
    assert_int_equal(b->frames[1].job.overrides.n, 0); /* they are for tests alone */
}

static void test_both_at_a_time_run_until_both_have_ended(void **state)
{
    struct bench *b = *state;
    uint64_t ids[2]; /* by type */

    validate(b, 0);
    sets(b, SA_HANDLER, handler_key(), HANDLER_TEST, 0);
    turn(b);
    assert_int_equal(b->nframes, 2);
    for (size_t i = 0; i < 2; i++)
        ids[b->frames[i].type == DISPATCH_JOB] = b->frames[i].job.id;
    assert_int_equal(checked_by(b, WAY_DISPATCHER, ids[1], true, "a job"), ERR_PROTOCOL);
    assert_int_equal(delivered(b, ids[0]), ERR_PROTOCOL);
    assert_int_equal(delivered(b, ids[1]), 0);
    turn(b);
    expect(b, CHECK_RUNNING, "acknowledged");
    checked(b, ids[0], false, "refused");
    turn(b);
    expect(b, CHECK_FAILED, "refused");
}

static void test_each_answers_for_its_own_only(void **state)
{
    struct bench *b = *state;

    validate(b, 0);
    turn(b);
    assert_int_equal(checked_by(b, WAY_AGENT, b->frames[0].job.id, true, "mine"), ERR_PROTOCOL);
    assert_int_equal(checked_by(b, WAY_AGENT, 99, true, "nobody's"), 0);
    turn(b);
    expect(b, CHECK_RUNNING, "");
}

static void test_a_dispatcher_that_ends(void **state)
{
    struct bench *b = *state;

    validate(b, 0);
    turn(b);
    core_way_lost(&b->c, WAY_AGENT);
    turn(b);
    expect(b, CHECK_RUNNING, "");
    core_way_lost(&b->c, WAY_DISPATCHER);
    turn(b);
    expect(b, CHECK_FAILED, "the dispatcher ended");
}

static void test_nobody_there(void **state)
{
    struct bench *b = *state;

    chan_free(b->c.dispatcher);
    b->c.dispatcher = NULL;
    validate(b, 0);
    turn(b);
    turn(b);
    expect(b, CHECK_FAILED, "the dispatcher is not there: try again later");
    IN(b->w, PUT(t, SA_HANDLER, key_of_names("admin", "master"), {HANDLER_KIND, 0, "agentx"}));
    sets(b, SA_HANDLER, key_of_names("admin", "master"), HANDLER_VALIDATE, 0);
    turn(b);
    turn(b);
    IN(b->w, assert_string_equal(
                 text_of(t, SA_HANDLER, key_of_names("admin", "master"), HANDLER_CHECK_MESSAGE),
                 "the agent is not there: try again later"));
}

static void test_time_is_up(void **state)
{
    struct bench *b = *state;

    validate(b, 0);
    turn(b);
    b->mono_ms += CHECK_MS;
    core_checks_tick(&b->c);
    turn(b);
    expect(b, CHECK_RUNNING, "");
    b->mono_ms += 5000;
    core_checks_tick(&b->c);
    turn(b);
    expect(b, CHECK_FAILED, "no answer in time");
    checked(b, b->frames[0].job.id, true, "late");
    turn(b);
    expect(b, CHECK_FAILED, "no answer in time");
}

/* What was asked for and never told to a core is done; what one had under way when it died is not,
 * since a test may have been sent. */
static void test_a_core_that_died_in_between(void **state)
{
    struct bench *b = *state;

    sets(b, SA_HANDLER, handler_key(), HANDLER_TEST, 0);
    turn(b);
    core_checks_free(&b->c);
    b->c.trials_recovered = false;
    assert_true(core_checks_wait(&b->c));
    expect(b, CHECK_RUNNING, "");
    validate(b, 0); /* while there is none */
    turn(b);
    assert_int_equal(b->nframes, 2);
    assert_int_equal(b->frames[1].type, DISPATCH_CHECK);
    expect(b, CHECK_RUNNING, "the daemon ended before there was an answer");
    checked(b, b->frames[1].job.id, true, "good");
    turn(b);
    expect(b, CHECK_SUCCEEDED, "good");
    assert_int_equal(b->nframes, 2);
}

static void test_a_target_with_what_it_overrides(void **state)
{
    struct bench *b = *state;
    const struct job *j = &b->frames[0].job;

    IN(b->w, PUT(t, SA_TARGET, target_key(), {TARGET_HANDLER, 0, "mail"},
                 {TARGET_RECIPIENTS, 0, "bob@example.net alice@example.net"},
                 {TARGET_STORAGE, STORAGE_READ_ONLY, NULL}));
    IN(b->w, PUT(t, SA_TARGET_PROPERTY, key3("alice", "ops", "port"),
                 {TARGET_PROPERTY_VALUE, 0, "2525"}));
    expect_target(b, CHECK_NONE, "");
    /* A row of the file takes nothing but triggers. */
    assert_int_equal(sets(b, SA_TARGET, target_key(), TARGET_DIGEST, 0), ERR_NOT_WRITABLE);
    assert_int_equal(sets(b, SA_TARGET, target_key(), TARGET_VALIDATE, 0), 0);
    expect_target(b, CHECK_RUNNING, "");
    turn(b);
    assert_int_equal(b->nframes, 1);
    assert_string_equal(j->target_owner, "alice");
    assert_string_equal(j->target, "ops");
    assert_int_equal(j->nrecipients, 2);
    assert_int_equal(j->overrides.n, 1);
    assert_string_equal(j->overrides.items[0].text, "2525");
    checked(b, j->id, true, "mail.example.net:2525: connected");
    turn(b);
    expect_target(b, CHECK_SUCCEEDED, "mail.example.net:2525: connected");
    expect(b, CHECK_NONE, "");
}

static void test_a_row_that_goes_meanwhile(void **state)
{
    struct bench *b = *state;

    IN(b->w, PUT(t, SA_TARGET, target_key(), {TARGET_HANDLER, 0, "mail"}));
    sets(b, SA_TARGET, target_key(), TARGET_VALIDATE, 0);
    turn(b);
    IN(b->w, drop_row(t, SA_TARGET, target_key()));
    IN(b->w, PUT(t, SA_TARGET, target_key(), {TARGET_HANDLER, 0, "mail"}));
    checked(b, b->frames[0].job.id, true, "of the old one");
    turn(b);
    expect_target(b, CHECK_NONE, "");
}

static void test_a_target_without_its_handler(void **state)
{
    struct bench *b = *state;

    IN(b->w, PUT(t, SA_TARGET, target_key(), {TARGET_HANDLER, 0, "nobody"}));
    sets(b, SA_TARGET, target_key(), TARGET_VALIDATE, 0);
    turn(b);
    turn(b);
    expect_target(b, CHECK_FAILED, "there is no handler 'nobody'");
    assert_int_equal(b->nframes, 0);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_a_set_is_running_until_it_is_answered),
        TEST(test_a_resent_request_asks_once),
        TEST(test_whoever_asks_again_gets_the_later_answer),
        TEST(test_two_sets_of_one_turn_are_one_check),
        TEST(test_what_was_undone_asks_for_nothing),
        TEST(test_a_test_is_a_job_of_no_notice),
        TEST(test_a_test_has_the_options_that_were_set),
        TEST(test_both_at_a_time_run_until_both_have_ended),
        TEST(test_each_answers_for_its_own_only),
        TEST(test_a_dispatcher_that_ends),
        TEST(test_nobody_there),
        TEST(test_time_is_up),
        TEST(test_a_core_that_died_in_between),
        TEST(test_a_target_with_what_it_overrides),
        TEST(test_a_row_that_goes_meanwhile),
        TEST(test_a_target_without_its_handler),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
