/* The stage: exactly one outcome for each job, whatever becomes of its handler. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/log.h"
#include "dispatch/dispatch.h"

#define UUID "0a0b0c0d-1111-4222-8333-444455556666"

/* ---- a kind that answers when it is told to ---- */

enum { PARKED_MAX = 8192 };
struct parking {
    struct service *service;
    uint64_t jobs[PARKED_MAX];
    size_t n;
    uint64_t check; /* the last one that was not to be sent */
};

static struct parking *newest;
static unsigned opened, closed, told;
static bool refuse_open;
static char seen_secret[64], seen_file[64];

static int parking_open(struct service *s, void **ret_state, struct err *e)
{
    if (refuse_open)
        return err_set(e, ERR_INVALID, "not today");
    newest = calloc(1, sizeof *newest);
    assert_non_null(newest);
    newest->service = s;
    *ret_state = newest;
    opened++;
    return 0;
}

static void parking_close(void *state)
{
    closed++;
    if (newest == state)
        newest = NULL;
    free(state);
}

static void parking_deliver(void *state, struct job *j)
{
    struct parking *p = state;

    snprintf(seen_secret, sizeof seen_secret, "%s", service_text(p->service, j, "secret"));
    snprintf(seen_file, sizeof seen_file, "%s", service_text(p->service, j, "secretFile"));
    p->jobs[p->n++] = j->id;
    job_release(j);
    free(j);
}

static void parking_validate(void *state, struct job *j)
{
    struct parking *p = state;

    p->check = j->id;
    job_release(j);
    free(j);
}

static void parking_changed(void *state)
{
    assert_ptr_equal(state, newest);
    told++;
}

static void parking_answer(struct parking *p, enum outcome_result result)
{
    while (p->n > 0) {
        struct outcome o = {.job = p->jobs[--p->n],
                            .result = (uint8_t)result,
                            .confirmation = CONFIRM_ACKNOWLEDGED};

        service_done(p->service, &o);
    }
}

static void parking_cancel(void *state, uint64_t job)
{
    struct parking *p = state;

    assert_int_equal(p->jobs[p->n - 1], job);
    p->n--;
    service_done(
        p->service,
        &(struct outcome){.job = job, .result = OUTCOME_RETRY, .confirmation = CONFIRM_NONE});
}

static const struct property properties[] = {
    {.name = "host",
     .type = PROPERTY_TEXT,
     .target_may_override = true,
     .transport = true,
     .max = 99},
    {.name = "secret", .type = PROPERTY_SECRET, .target_may_override = true, .max = 99},
    {.name = "secretFile", .type = PROPERTY_FILE, .max = 99},
    {.name = "subject", .type = PROPERTY_TEXT, .target_may_override = true, .max = 99},
};
static const struct kind parking_kind = {
    .class_ = KIND_HANDLER, .name = "parking", .properties = properties, .nproperties = 4};
static const struct dispatch_kind parking = {.kind = &parking_kind,
                                             .open = parking_open,
                                             .close = parking_close,
                                             .deliver = parking_deliver,
                                             .cancel = parking_cancel,
                                             .validate = parking_validate,
                                             .changed = parking_changed};
/* The same, of which nothing is known but by sending. */
static const struct kind blind_kind = {
    .class_ = KIND_HANDLER, .name = "blind", .properties = properties, .nproperties = 4};
static const struct dispatch_kind blind = {
    .kind = &blind_kind, .open = parking_open, .close = parking_close, .deliver = parking_deliver};

/* ---- a core that counts ---- */

struct world {
    struct loop *loop;
    struct dispatcher *dispatcher;
    struct chan *core, *stage;
    unsigned results[OUTCOME_FAILED + 1];
    unsigned outcomes;
    char error[256];
    struct checked checked; /* the last */
    unsigned checks;
};

static int on_core_frame(void *arg, uint16_t type, const uint8_t *payload, size_t len,
                         const int *fds, int nfds)
{
    struct world *w = arg;
    struct outcome o;
    struct err e;
    struct rd r;

    (void)fds;
    (void)nfds;
    rd_init(&r, payload, len);
    if (type == DISPATCH_CHECKED) {
        assert_int_equal(checked_read(&w->checked, &r, &e), 0);
        w->checks++;
        return 0;
    }
    assert_int_equal(type, DISPATCH_OUTCOME);
    assert_int_equal(outcome_read(&o, &r, &e), 0);
    w->results[o.result]++;
    w->outcomes++;
    memcpy(w->error, o.error, sizeof w->error);
    outcome_release(&o);
    return 0;
}

static int no_frame(void *arg, uint16_t type, const uint8_t *payload, size_t len, const int *fds,
                    int nfds)
{
    (void)arg, (void)type, (void)payload, (void)len, (void)fds, (void)nfds;
    return ERR_PROTOCOL;
}

static void no_close(void *arg, int code)
{
    (void)arg, (void)code;
}

static int set_up(void **state)
{
    static const struct dispatch_kind *const kinds[] = {&parking, &blind};
    struct world *w = calloc(1, sizeof *w);
    struct err e;
    int pair[2];

    assert_non_null(w);
    w->loop = loop_new();
    assert_non_null(w->loop);
    assert_int_equal(dispatcher_new(&w->dispatcher, w->loop, kinds, 2, NULL, &e), 0);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    w->core =
        chan_new(w->loop, pair[0],
                 &(struct chan_options){.on_frame = on_core_frame, .on_close = no_close, .arg = w});
    w->stage = chan_new(
        w->loop, pair[1],
        &(struct chan_options){.on_frame = no_frame, .on_close = no_close, .max_queue = 64 << 10});
    assert_non_null(w->core);
    assert_non_null(w->stage);
    dispatcher_set_core(w->dispatcher, w->stage);
    opened = closed = told = 0;
    refuse_open = false;
    *state = w;
    return 0;
}

static int tear_down(void **state)
{
    struct world *w = *state;

    dispatcher_free(w->dispatcher);
    assert_int_equal(opened, closed);
    chan_free(w->core);
    chan_free(w->stage);
    loop_free(w->loop);
    free(w);
    return 0;
}

/* Turns until N outcomes have come, and a little on, in case there are more. */
static void expect_outcomes(struct world *w, unsigned n)
{
    int64_t end = clock_mono_ms() + 10000;

    while (w->outcomes < n && clock_mono_ms() < end)
        loop_turn(w->loop, 50);
    loop_turn(w->loop, 0);
    loop_turn(w->loop, 0);
    assert_int_equal(w->outcomes, n);
}

static void set(struct values *v, const char *name, const char *text)
{
    const struct property *p = property_find(properties, 4, name);

    if (text)
        assert_int_equal(values_set(v, p, text, NULL), 0);
}

static void tell_handler(struct world *w, uint16_t type, uint32_t id, const struct kind *kind)
{
    struct dispatch_handler h = {.id = id, .owner = "admin", .name = "p", .kind = kind};
    struct buf b;

    set(&h.values, "host", "192.0.2.1");
    set(&h.values, "secret", "s3cret");
    set(&h.values, "secretFile", "/run/secret");
    buf_init(&b, 4096);
    dispatch_handler_write(&h, &b);
    assert_int_equal(dispatcher_frame(w->dispatcher, type, b.data, b.len), 0);
    buf_release(&b);
    values_release(&h.values);
}

static void add_handler(struct world *w, uint32_t id)
{
    tell_handler(w, DISPATCH_HANDLER, id, &parking_kind);
}

static int frame_u32(struct world *w, uint16_t type, uint32_t v)
{
    uint8_t p[4];

    put_u32(p, v);
    return dispatcher_frame(w->dispatcher, type, p, sizeof p);
}

static int send_frame(struct world *w, uint16_t type, uint64_t id, uint32_t handler,
                      const char *override, const char *text)
{
    struct job_event v = {.uuid = UUID, .kind = KIND_RAISE};
    struct job j = {.id = id, .handler = handler, .uuid = UUID, .events = &v, .nevents = 1};
    struct buf b;
    int err;

    if (override)
        set(&j.overrides, override, text);
    buf_init(&b, 4096);
    job_write(&j, &b);
    err = dispatcher_frame(w->dispatcher, type, b.data, b.len);
    buf_release(&b);
    values_release(&j.overrides);
    return err;
}

static int send_job(struct world *w, uint64_t id, uint32_t handler, const char *override,
                    const char *text)
{
    return send_frame(w, DISPATCH_JOB, id, handler, override, text);
}

static int send_check(struct world *w, uint64_t id, uint32_t handler)
{
    return send_frame(w, DISPATCH_CHECK, id, handler, NULL, NULL);
}

/* The Nth answer to a check so far. */
static void expect_checked(struct world *w, unsigned n, uint64_t id, bool good, const char *words)
{
    int64_t end = clock_mono_ms() + 10000;

    while (w->checks < n && clock_mono_ms() < end)
        loop_turn(w->loop, 50);
    loop_turn(w->loop, 0);
    assert_int_equal(w->checks, n);
    assert_int_equal(w->checked.job, id);
    assert_int_equal(w->checked.good, good);
    assert_string_equal(w->checked.message, words);
}

/* ---- tests ---- */

static void one_outcome_for_each_job(void **state)
{
    struct world *w = *state;

    add_handler(w, 1);
    for (uint64_t id = 1; id <= 100; id++)
        assert_int_equal(send_job(w, id, 1, NULL, NULL), 0);
    assert_int_equal(newest->n, 100);
    parking_answer(newest, OUTCOME_DELIVERED);
    expect_outcomes(w, 100);
    assert_int_equal(w->results[OUTCOME_DELIVERED], 100);
}

static void an_answer_too_many_is_dropped(void **state)
{
    struct world *w = *state;

    add_handler(w, 1);
    send_job(w, 5, 1, NULL, NULL);
    newest->jobs[newest->n++] = 5;
    newest->jobs[newest->n++] = 6;
    parking_answer(newest, OUTCOME_DELIVERED);
    expect_outcomes(w, 1);
}

static void unknown_handler_is_retried(void **state)
{
    struct world *w = *state;

    assert_int_equal(send_job(w, 1, 9, "host", "x"), 0);
    expect_outcomes(w, 1);
    assert_int_equal(w->results[OUTCOME_RETRY], 1);
    assert_non_null(strstr(w->error, "no such handler"));
}

static void too_many_are_retried(void **state)
{
    struct world *w = *state;

    add_handler(w, 1);
    for (uint64_t id = 1; id <= 5000; id++)
        assert_int_equal(send_job(w, id, 1, NULL, NULL), 0);
    expect_outcomes(w, 5000 - 4096);
    assert_string_equal(w->error, "the dispatcher is busy");
    parking_answer(newest, OUTCOME_FAILED); /* more than the channel's queue has room for */
    expect_outcomes(w, 5000);
    assert_int_equal(w->results[OUTCOME_FAILED], 4096);
}

static void the_same_job_twice_is_a_broken_core(void **state)
{
    struct world *w = *state;

    add_handler(w, 1);
    assert_int_equal(send_job(w, 1, 1, NULL, NULL), 0);
    assert_int_equal(send_job(w, 1, 1, NULL, NULL), ERR_PROTOCOL);
    parking_answer(newest, OUTCOME_DELIVERED);
    expect_outcomes(w, 1);
}

static void a_replaced_handler_finishes_its_jobs(void **state)
{
    struct world *w = *state;
    struct parking *first;

    add_handler(w, 1);
    first = newest;
    send_job(w, 1, 1, NULL, NULL);
    add_handler(w, 1);
    assert_ptr_not_equal(newest, first);
    assert_int_equal(opened, 2);
    assert_int_equal(closed, 0);
    send_job(w, 2, 1, NULL, NULL);
    assert_int_equal(first->n, 1);
    parking_answer(first, OUTCOME_DELIVERED);
    assert_int_equal(closed, 0); /* not under its own feet */
    expect_outcomes(w, 1);
    assert_int_equal(closed, 1);
    parking_answer(newest, OUTCOME_DELIVERED);
    expect_outcomes(w, 2);
}

static void a_handler_that_does_not_open_leaves_the_old_one(void **state)
{
    struct world *w = *state;
    struct parking *first;

    add_handler(w, 1);
    first = newest;
    refuse_open = true;
    add_handler(w, 1);
    send_job(w, 1, 1, NULL, NULL);
    assert_int_equal(first->n, 1);
    add_handler(w, 2);
    send_job(w, 2, 2, NULL, NULL);
    expect_outcomes(w, 1);
    assert_int_equal(w->results[OUTCOME_RETRY], 1);
    assert_string_equal(w->error, "not today");
}

static void a_kind_hears_of_a_changed_configuration(void **state)
{
    struct world *w = *state;

    add_handler(w, 1);
    add_handler(w, 1);
    assert_int_equal(told, 0);
    tell_handler(w, DISPATCH_HANDLER_CHANGED, 1, &parking_kind);
    assert_int_equal(told, 1);
    tell_handler(w, DISPATCH_HANDLER_CHANGED, 2, &parking_kind);
    assert_int_equal(told, 2);
    refuse_open = true;
    tell_handler(w, DISPATCH_HANDLER_CHANGED, 1, &parking_kind); /* goes on as it was */
    tell_handler(w, DISPATCH_HANDLER_CHANGED, 3, &parking_kind);
    assert_int_equal(told, 2);
}

static void a_handler_that_goes_has_time_to_finish(void **state)
{
    struct world *w = *state;
    int64_t wall = 1, mono = 1000;

    clock_fake(&wall, &mono);
    add_handler(w, 1);
    send_job(w, 1, 1, NULL, NULL);
    assert_int_equal(frame_u32(w, DISPATCH_HANDLER_GONE, 1), 0);
    mono += 9999;
    loop_turn(w->loop, 0);
    assert_int_equal(w->outcomes, 0);
    mono += 1;
    loop_turn(w->loop, 0);
    loop_turn(w->loop, 0);
    clock_fake(NULL, NULL);
    expect_outcomes(w, 1);
    assert_int_equal(w->results[OUTCOME_RETRY], 1);
    assert_int_equal(closed, 1);
    assert_int_equal(frame_u32(w, DISPATCH_HANDLER_GONE, 1), 0); /* gone is gone */
}

/* A core that was started again may call another handler 1, and have no 2. */
static void handlers_go_with_their_core(void **state)
{
    struct world *w = *state;
    struct parking *first;

    add_handler(w, 1);
    first = newest;
    add_handler(w, 2);
    send_job(w, 1, 1, NULL, NULL);
    dispatcher_set_core(w->dispatcher, NULL);
    dispatcher_set_core(w->dispatcher, w->stage);
    loop_turn(w->loop, 0);
    assert_int_equal(closed, 1); /* which had nothing to do */
    refuse_open = true;
    add_handler(w, 1);
    send_job(w, 2, 1, NULL, NULL); /* not by what was handler 1 before */
    send_job(w, 3, 2, NULL, NULL);
    expect_outcomes(w, 2);
    assert_int_equal(w->results[OUTCOME_RETRY], 2);
    assert_int_equal(first->n, 1);
    parking_answer(first, OUTCOME_DELIVERED);
    expect_outcomes(w, 3);
}

static void cancelled(void **state)
{
    struct world *w = *state;
    uint8_t p[8];

    add_handler(w, 1);
    send_job(w, 77, 1, NULL, NULL);
    put_u64(p, 77);
    assert_int_equal(dispatcher_frame(w->dispatcher, DISPATCH_CANCEL, p, 8), 0);
    assert_int_equal(dispatcher_frame(w->dispatcher, DISPATCH_CANCEL, p, 8), 0);
    expect_outcomes(w, 1);
    assert_int_equal(w->results[OUTCOME_RETRY], 1);
}

static void a_check_is_answered_once_and_not_delivered(void **state)
{
    struct world *w = *state;

    add_handler(w, 1);
    assert_int_equal(send_check(w, 5, 1), 0);
    assert_int_equal(newest->check, 5);
    assert_int_equal(newest->n, 0);
    service_done(newest->service, &(struct outcome){.job = 5, .result = OUTCOME_DELIVERED});
    service_checked(newest->service, 6, true, "never asked");
    service_checked(newest->service, 5, true, "connected");
    service_checked(newest->service, 5, false, "again");
    expect_checked(w, 1, 5, true, "connected");
    assert_int_equal(w->outcomes, 0);
    send_job(w, 7, 1, NULL, NULL);
    service_checked(newest->service, 7, true, "a job is no check");
    parking_answer(newest, OUTCOME_DELIVERED);
    expect_outcomes(w, 1);
    assert_int_equal(w->checks, 1);
}

static void what_cannot_be_checked_says_so(void **state)
{
    struct world *w = *state;

    send_check(w, 1, 9);
    expect_checked(w, 1, 1, false, "the dispatcher has no such handler");
    tell_handler(w, DISPATCH_HANDLER, 1, &blind_kind);
    send_check(w, 2, 1);
    expect_checked(w, 2, 2, false,
                   "this cannot be known of a handler of its kind but by sending: test it");
    refuse_open = true;
    add_handler(w, 2);
    send_check(w, 3, 2);
    expect_checked(w, 3, 3, false, "not today");
    assert_int_equal(send_frame(w, DISPATCH_CHECK, 4, 1, "secretFile", "/x"), 0);
    expect_checked(w, 4, 4, false, "a target may not override property 'secretFile'");
    assert_int_equal(w->outcomes, 0);
}

static void a_check_of_a_handler_that_goes_is_answered(void **state)
{
    struct world *w = *state;
    int64_t wall = 1, mono = 1000;
    uint8_t p[8];

    clock_fake(&wall, &mono);
    add_handler(w, 1);
    send_check(w, 1, 1);
    put_u64(p, 1);
    assert_int_equal(dispatcher_frame(w->dispatcher, DISPATCH_CANCEL, p, 8), 0); /* no job */
    assert_int_equal(frame_u32(w, DISPATCH_HANDLER_GONE, 1), 0);
    mono += 10000;
    loop_turn(w->loop, 0);
    clock_fake(NULL, NULL);
    expect_checked(w, 1, 1, false, "the handler was closed before it had an answer");
}

static void secrets_do_not_follow_to_another_server(void **state)
{
    struct world *w = *state;

    add_handler(w, 1);
    send_job(w, 1, 1, "subject", "x");
    assert_string_equal(seen_secret, "s3cret");
    assert_string_equal(seen_file, "/run/secret");
    send_job(w, 2, 1, "host", "192.0.2.66");
    assert_string_equal(seen_secret, "");
    assert_string_equal(seen_file, "");
    send_job(w, 3, 1, "secret", "own");
    assert_string_equal(seen_secret, "own");
    parking_answer(newest, OUTCOME_DELIVERED);
    expect_outcomes(w, 3);
}

static void an_override_that_is_not_allowed_fails(void **state)
{
    struct world *w = *state;

    add_handler(w, 1);
    assert_int_equal(send_job(w, 1, 1, "secretFile", "/etc/shadow"), 0);
    expect_outcomes(w, 1);
    assert_int_equal(w->results[OUTCOME_FAILED], 1);
    assert_non_null(strstr(w->error, "secretFile"));
}

static void broken_frames(void **state)
{
    static const uint8_t zeros[64];
    struct world *w = *state;

    for (uint16_t type = 0; type < 20; type++)
        for (size_t n = 0; n < sizeof zeros; n++) {
            bool short_ok =
                (type == DISPATCH_HANDLER_GONE && n == 4) || (type == DISPATCH_CANCEL && n == 8);
            int err = dispatcher_frame(w->dispatcher, type, zeros, n);

            /* A handler whose kind has no name parses: it is refused in words. */
            if (type != DISPATCH_HANDLER && type != DISPATCH_HANDLER_CHANGED)
                assert_int_equal(err, short_ok ? 0 : ERR_PROTOCOL);
        }
    assert_int_equal(w->outcomes, 0);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(one_outcome_for_each_job),
        TEST(an_answer_too_many_is_dropped),
        TEST(unknown_handler_is_retried),
        TEST(too_many_are_retried),
        TEST(the_same_job_twice_is_a_broken_core),
        TEST(a_replaced_handler_finishes_its_jobs),
        TEST(a_handler_that_does_not_open_leaves_the_old_one),
        TEST(a_kind_hears_of_a_changed_configuration),
        TEST(a_handler_that_goes_has_time_to_finish),
        TEST(handlers_go_with_their_core),
        TEST(cancelled),
        TEST(a_check_is_answered_once_and_not_delivered),
        TEST(what_cannot_be_checked_says_so),
        TEST(a_check_of_a_handler_that_goes_is_answered),
        TEST(secrets_do_not_follow_to_another_server),
        TEST(an_override_that_is_not_allowed_fails),
        TEST(broken_frames),
    };

    log_open("test", LOG_LEVEL_ERROR);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
