/* The document of a job: every field under its name, whatever the texts hold. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/json.h"
#include "dispatch/document.h"

#define UUID_A "0a0b0c0d-1111-4222-8333-444455556666"
#define UUID_B "11111111-2222-4333-8444-555555555555"

static char bob[] = "bob@example.net", alice[] = "alice@example.net";
static char *recipients[] = {bob, alice};
static struct job_event events[2] = {
    {.notice_id = UINT32_MAX,
     .uuid = UUID_A,
     .sequence = 12,
     .kind = KIND_RAISE,
     .notification = SA_ALERT_RAISED,
     .level = LEVEL_CRITICAL,
     .previous_level = LEVEL_OK,
     .at_ms = 1795000000123,
     .active_since_ms = 1,
     .owner = "alice",
     .definition = "hot",
     .service = "lab",
     .instance = "cpu0",
     .value = "93",
     .message = "too \"hot\": \xc2\xb0\n",
     .description = "d",
     .url = "https://example.net/d"},
    {.uuid = UUID_B, .kind = KIND_TEST, .owner = "alice"},
};
static const struct job job = {.id = 9,
                               .target_owner = "alice",
                               .target = "ops",
                               .uuid = UUID_B,
                               .created_ms = 1795000001000,
                               .recipients = recipients,
                               .nrecipients = 2,
                               .events = events,
                               .nevents = 2};

/* One line, and what it says; the caller frees it. */
static jv *parsed(struct buf *b)
{
    struct err e = {.text = ""};
    jv *v;

    assert_int_equal(b->err, 0);
    assert_null(memchr(b->data, '\n', b->len));
    v = jv_parse(b->data, b->len, &e);
    if (!v)
        fail_msg("%s", e.text);
    buf_release(b);
    return v;
}

static jv *document_of(const struct job *j)
{
    struct buf b;

    buf_init(&b, DOCUMENT_MAX);
    document_write(j, &b);
    return parsed(&b);
}

static void assert_text(const jv *object, const char *key, const char *text)
{
    const jv *v = jv_get(object, key);

    assert_non_null(v);
    assert_int_equal(jv_kind(v), JV_STRING);
    assert_string_equal((const char *)jv_string(v).data, text);
}

static void assert_number(const jv *object, const char *key, int64_t n)
{
    assert_int_equal(jv_kind(jv_get(object, key)), JV_INT);
    assert_int_equal(jv_int(jv_get(object, key)), n);
}

static void assert_null_word(const jv *object, const char *key)
{
    assert_non_null(jv_get(object, key));
    assert_int_equal(jv_kind(jv_get(object, key)), JV_NULL);
}

static void assert_first_notice(const jv *n)
{
    assert_text(n, "uuid", UUID_A);
    assert_number(n, "id", UINT32_MAX);
    assert_number(n, "sequence", 12);
    assert_text(n, "kind", "raise");
    assert_text(n, "notification", "saAlertRaised");
    assert_text(n, "level", "CRITICAL");
    assert_text(n, "previousLevel", "OK");
    assert_text(n, "at", "2026-11-18T11:06:40.123Z");
    assert_text(n, "activeSince", "1970-01-01T00:00:00.001Z");
    assert_text(n, "owner", "alice");
    assert_text(n, "definition", "hot");
    assert_text(n, "service", "lab");
    assert_text(n, "instance", "cpu0");
    assert_text(n, "value", "93");
    assert_text(n, "message", "too \"hot\": \xc2\xb0\n");
    assert_text(n, "description", "d");
    assert_text(n, "url", "https://example.net/d");
}

static void every_field_is_there(void **state)
{
    jv *d = document_of(&job);

    (void)state;
    assert_int_equal(jv_len(d), 7);
    assert_number(d, "version", DOCUMENT_VERSION);
    assert_text(d, "uuid", UUID_B);
    assert_text(d, "created", "2026-11-18T11:06:41.000Z");
    assert_text(d, "owner", "alice");
    assert_text(d, "target", "ops");
    assert_int_equal(jv_len(jv_get(d, "recipients")), 2);
    assert_string_equal((const char *)jv_string(jv_at(jv_get(d, "recipients"), 1)).data, alice);
    assert_int_equal(jv_len(jv_get(d, "notices")), 2);
    assert_int_equal(jv_len(jv_at(jv_get(d, "notices"), 0)), 17);
    assert_first_notice(jv_at(jv_get(d, "notices"), 0));
    jv_free(d);
}

static void what_is_not_known_is_null(void **state)
{
    jv *d = document_of(&job);
    const jv *n = jv_at(jv_get(d, "notices"), 1);

    (void)state;
    assert_int_equal(jv_len(n), 17);
    assert_text(n, "kind", "test");
    assert_null_word(n, "notification");
    assert_null_word(n, "level");
    assert_null_word(n, "previousLevel");
    assert_null_word(n, "at");
    assert_null_word(n, "activeSince");
    assert_text(n, "instance", "");
    jv_free(d);
}

static void one_notice_is_a_list_of_one(void **state)
{
    struct job one = job;
    jv *d;

    (void)state;
    one.nevents = 1;
    one.nrecipients = 0;
    d = document_of(&one);
    assert_int_equal(jv_len(jv_get(d, "notices")), 1);
    assert_int_equal(jv_kind(jv_get(d, "recipients")), JV_ARRAY);
    assert_int_equal(jv_len(jv_get(d, "recipients")), 0);
    jv_free(d);
}

static void a_notice_alone_names_its_target(void **state)
{
    struct buf b;
    jv *n;

    (void)state;
    buf_init(&b, DOCUMENT_MAX);
    document_notice_write(&job, 0, &b);
    n = parsed(&b);
    assert_int_equal(jv_len(n), 20);
    assert_number(n, "version", DOCUMENT_VERSION);
    assert_text(n, "targetOwner", "alice");
    assert_text(n, "target", "ops");
    assert_first_notice(n);
    jv_free(n);
}

static void every_kind_has_a_word(void **state)
{
    struct job_event v = events[0];
    struct job one = job;

    (void)state;
    one.events = &v;
    one.nevents = 1;
    for (unsigned kind = KIND_RAISE; kind <= KIND_SELF; kind++) {
        jv *d;

        v.kind = (uint8_t)kind;
        d = document_of(&one);
        assert_int_equal(jv_kind(jv_get(jv_at(jv_get(d, "notices"), 0), "kind")), JV_STRING);
        jv_free(d);
    }
}

/* Fills it with what takes most room once it is escaped. */
static void fill(char *text, size_t size)
{
    memset(text, 1, size - 1);
    text[size - 1] = '\0';
}

static void the_largest_job_fits(void **state)
{
    struct job_event *many = calloc(JOB_EVENTS_MAX, sizeof *many);
    char address[256], *all[JOB_RECIPIENTS_MAX];
    struct job large = job;
    jv *d;

    (void)state;
    assert_non_null(many);
    fill(address, sizeof address);
    for (size_t i = 0; i < JOB_RECIPIENTS_MAX; i++)
        all[i] = address;
    for (size_t i = 0; i < JOB_EVENTS_MAX; i++) {
        many[i] = events[0];
        fill(many[i].owner, sizeof many[i].owner);
        fill(many[i].definition, sizeof many[i].definition);
        fill(many[i].service, sizeof many[i].service);
        fill(many[i].instance, sizeof many[i].instance);
        fill(many[i].value, sizeof many[i].value);
        fill(many[i].message, sizeof many[i].message);
        fill(many[i].description, sizeof many[i].description);
        fill(many[i].url, sizeof many[i].url);
    }
    large.events = many;
    large.nevents = JOB_EVENTS_MAX;
    large.recipients = all;
    large.nrecipients = JOB_RECIPIENTS_MAX;
    d = document_of(&large);
    assert_int_equal(jv_len(jv_get(d, "notices")), JOB_EVENTS_MAX);
    jv_free(d);
    free(many);
}

static void what_does_not_fit_is_said(void **state)
{
    struct buf b;

    (void)state;
    buf_init(&b, 100);
    document_write(&job, &b);
    assert_int_equal(b.err, ERR_FULL);
    buf_release(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_field_is_there),
        cmocka_unit_test(what_is_not_known_is_null),
        cmocka_unit_test(one_notice_is_a_list_of_one),
        cmocka_unit_test(a_notice_alone_names_its_target),
        cmocka_unit_test(every_kind_has_a_word),
        cmocka_unit_test(the_largest_job_fits),
        cmocka_unit_test(what_does_not_fit_is_said),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
