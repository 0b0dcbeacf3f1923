/* Options of a handler's test, and the job that comes of them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "alerts/trial.h"
#include "dispatch/notice_text.h"
#include "dispatch/trial.h"

static const struct property properties[] = {
    {.name = "host",
     .type = PROPERTY_TEXT,
     .target_may_override = true,
     .transport = true,
     .max = 99},
    {.name = "port", .type = PROPERTY_NUMBER, .target_may_override = true, .min = 1, .max = 99},
    {.name = "secret", .type = PROPERTY_SECRET, .target_may_override = true, .max = 99},
    {.name = "file", .type = PROPERTY_FILE, .target_may_override = true, .max = 99},
    {.name = "fixed", .type = PROPERTY_TEXT, .max = 99},
    {.name = "message", .type = PROPERTY_TEXT, .target_may_override = true, .max = 99, .def = "M"},
    {.name = "testAddress", .type = PROPERTY_TEXT, .max = 99},
    {.name = "fromAddress", .type = PROPERTY_TEXT, .target_may_override = true, .max = 99},
};
static const struct kind kind = {.class_ = KIND_HANDLER,
                                 .name = "post",
                                 .properties = properties,
                                 .nproperties = sizeof properties / sizeof *properties};

static struct values live, options;
static struct job job;

static void live_is(const char *name, const char *text)
{
    const struct property *p = property_find(properties, kind.nproperties, name);

    assert_int_equal(values_set(&live, p, text, NULL), 0);
}

static int option_is(const char *name, const char *text)
{
    const struct property *p = trial_option(&kind, name);

    assert_non_null(p);
    return values_set(&options, p, text, NULL);
}

static int make(void)
{
    const struct trial x = {.id = 7,
                            .kind = &kind,
                            .owner = "alice",
                            .name = "mail",
                            .handler = 3,
                            .live = &live,
                            .options = &options};
    struct err e;

    return trial_job(&job, &x, 1795000000000, &e);
}

static int set_up(void **state)
{
    (void)state;
    live_is("host", "mail.example.net");
    live_is("secret", "s3cret");
    live_is("fromAddress", "alerts@example.net");
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    values_release(&live);
    values_release(&options);
    job_release(&job);
    return 0;
}

/* ---- tests ---- */

static void options_are_what_a_target_may_override_but_secrets(void **state)
{
    const char *names[] = {"message", "level", "recipients", "host", "port", "fromAddress"};
    size_t n = sizeof names / sizeof *names;

    (void)state;
    for (size_t i = 0; i < n; i++) {
        assert_string_equal(trial_option_at(&kind, i)->name, names[i]);
        assert_ptr_equal(trial_option(&kind, names[i]), trial_option_at(&kind, i));
    }
    assert_null(trial_option_at(&kind, n));
    assert_null(trial_option(&kind, "secret"));
    assert_null(trial_option(&kind, "file"));
    assert_null(trial_option(&kind, "fixed"));
    assert_string_equal(trial_option(&kind, "message")->def, "This is a test.");
}

static const char *default_of(const char *name)
{
    return trial_default(&kind, &live, trial_option(&kind, name));
}

static void defaults_are_those_of_the_live_handler(void **state)
{
    (void)state;
    assert_string_equal(default_of("host"), "mail.example.net");
    assert_string_equal(default_of("message"), "This is a test.");
    assert_string_equal(default_of("level"), "ok");
    assert_string_equal(default_of("recipients"), "alerts@example.net");
    live_is("testAddress", "bob@example.net");
    live_is("host", "other.example.net");
    assert_string_equal(default_of("recipients"), "bob@example.net");
    assert_string_equal(default_of("host"), "other.example.net");
}

static void a_job_of_nothing_but_defaults(void **state)
{
    const struct job_event *v;

    (void)state;
    assert_int_equal(make(), 0);
    assert_int_equal(job.id, 7);
    assert_int_equal(job.handler, 3);
    assert_int_equal(job.overrides.n, 0);
    assert_int_equal(job.nrecipients, 1);
    assert_string_equal(job.recipients[0], "alerts@example.net");
    assert_int_equal(job.nevents, 1);
    v = &job.events[0];
    assert_int_equal(v->kind, KIND_TEST);
    assert_int_equal(v->level, LEVEL_OK);
    assert_string_equal(v->message, "This is a test.");
    assert_string_equal(v->uuid, job.uuid);
    assert_int_equal(v->at_ms, 1795000000000);
}

static void options_become_the_job(void **state)
{
    (void)state;
    assert_int_equal(option_is("level", "critical"), 0);
    assert_int_equal(option_is("level", "loud"), ERR_INVALID);
    assert_int_equal(option_is("message", "hello"), 0);
    assert_int_equal(option_is("recipients", "bob@example.net, alice@example.net"), 0);
    assert_int_equal(option_is("port", "25"), 0);
    assert_int_equal(make(), 0);
    assert_int_equal(job.events[0].level, LEVEL_CRITICAL);
    assert_string_equal(job.events[0].message, "hello");
    assert_int_equal(job.nrecipients, 2);
    assert_string_equal(job.recipients[1], "alice@example.net");
    assert_int_equal(job.overrides.n, 1);
    assert_string_equal(job.overrides.items[0].text, "25");
}

/* Naming the handler's own host is no reason to withhold its secrets. */
static void what_is_as_the_handler_has_it_is_no_override(void **state)
{
    (void)state;
    assert_int_equal(option_is("host", "mail.example.net"), 0);
    assert_int_equal(make(), 0);
    assert_int_equal(job.overrides.n, 0);
    job_release(&job);
    assert_int_equal(option_is("host", "evil.example.org"), 0);
    assert_int_equal(make(), 0);
    assert_true(values_touch_transport(&job.overrides));
}

static void too_many_recipients(void **state)
{
    char text[1025] = "";

    (void)state;
    for (int i = 0; i < 65; i++)
        strcat(text, "a@b.net,");
    assert_int_equal(option_is("recipients", text), 0);
    assert_int_equal(make(), ERR_INVALID);
    assert_null(job.events);
}

/* Every object of saTest, fully instanced; no notice is kept, which is its number 0. */
static void the_notification_has_all_its_objects(void **state)
{
    const struct sa_notification_type *n = sa_notification_by_number(SA_TEST);
    static const uint32_t message[] = {20, 1};
    const struct job_event *v;

    (void)state;
    assert_int_equal(make(), 0);
    v = &job.events[0];
    assert_int_equal(v->nvarbinds, n->nobjects);
    for (size_t i = 0; i < v->nvarbinds; i++) {
        assert_int_equal(v->varbinds[i].subids[0], n->objects[i].table);
        assert_int_equal(v->varbinds[i].subids[2], n->objects[i].column);
    }
    assert_memory_equal(v->varbinds[2].subids, message, sizeof message);
    assert_int_equal(v->varbinds[2].nsubids, 3 + 6 + 1);
    assert_int_equal(v->varbinds[2].subids[9], 0);
    assert_int_equal(v->varbinds[2].len, strlen("This is a test."));
    assert_int_equal(v->varbinds[1].nsubids, 3 + 6 + 5);
}

static void a_target_has_its_own_recipients(void **state)
{
    const struct trial x = {
        .id = 8, .kind = &kind, .owner = "admin", .name = "mail", .handler = 3, .live = &live};
    struct err e;

    (void)state;
    assert_int_equal(trial_target_job(&job, &x, "alice", "ops", "", 1, &e), 0);
    assert_int_equal(job.nrecipients, 0);
    assert_string_equal(job.target_owner, "alice");
    assert_string_equal(job.target, "ops");
    assert_int_equal(job.overrides.n, 0);
}

static void what_hands_on_is_not_tried(void **state)
{
    const struct kind hands_on = {.name = "publish", .leads_to = "handlers"};

    (void)state;
    assert_null(trial_obstacle(&kind));
    assert_string_equal(trial_obstacle(&hands_on), "it hands on to other handlers: try those");
}

static void outcomes_in_words(void **state)
{
    struct outcome_recipient bob = {
        .address = "bob@example.net", .state = NOTICE_DELIVERED, .reply = "250 queued"};
    struct outcome o = {.result = OUTCOME_DELIVERED, .confirmation = CONFIRM_HANDED_OFF};
    char words[256];

    (void)state;
    assert_true(trial_outcome(&o, words));
    assert_string_equal(words, "sent; nobody says that it arrived");
    o.confirmation = CONFIRM_ACKNOWLEDGED;
    assert_true(trial_outcome(&o, words));
    assert_string_equal(words, "acknowledged");
    o.recipients = &bob;
    o.nrecipients = 1;
    assert_true(trial_outcome(&o, words));
    assert_string_equal(words, "bob@example.net: 250 queued");
    o = (struct outcome){.result = OUTCOME_RETRY, .error = "mail:25: busy"};
    assert_false(trial_outcome(&o, words));
    assert_string_equal(words, "mail:25: busy");
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(options_are_what_a_target_may_override_but_secrets),
        TEST(defaults_are_those_of_the_live_handler),
        TEST(a_job_of_nothing_but_defaults),
        TEST(options_become_the_job),
        TEST(what_is_as_the_handler_has_it_is_no_override),
        TEST(too_many_recipients),
        TEST(the_notification_has_all_its_objects),
        TEST(a_target_has_its_own_recipients),
        TEST(what_hands_on_is_not_tried),
        TEST(outcomes_in_words),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
