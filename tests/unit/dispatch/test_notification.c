/* Notifications stay within one frame, and texts are cut between characters. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "dispatch/notification.h"

static struct job_varbind text_varbind(uint32_t column, char *text)
{
    return (struct job_varbind){.subids = {17, 1, column, 1},
                                .nsubids = 4,
                                .syntax = SA_TEXT,
                                .bytes = (uint8_t *)text,
                                .len = strlen(text)};
}

static int build(const struct job_event *v, struct err *e)
{
    struct pdu *p = NULL;
    int err = notification_new(&p, v, &(struct notification_form){SNMP_V2C, PDU_TRAP, 6}, e);

    pdu_free(p);
    return err;
}

static void size_counts_every_octet(void **state)
{
    char text[1025] = "";
    struct job_varbind vb = text_varbind(9, text);
    struct job_event v = {.notification = SA_ALERT_RAISED, .varbinds = &vb, .nvarbinds = 1};
    size_t before = 0;

    (void)state;
    memset(text, 'x', sizeof text);
    for (vb.len = 0; vb.len <= 1024; vb.len++) {
        size_t n = notification_size(&v, NULL, 6);

        assert_true(vb.len == 0 || n > before);
        assert_true(n > vb.len);
        before = n;
    }
    vb.len = 10;
    assert_int_equal(notification_size(&v, NULL, 16), notification_size(&v, NULL, 6) + 10);
}

static void texts_are_cut_names_are_not(void **state)
{
    char a[1025], b[1025], c[33];
    struct job_varbind list[3];
    struct job_event v = {.notification = SA_ALERT_RAISED, .varbinds = list, .nvarbinds = 3};
    struct err e;

    (void)state;
    memset(a, 'a', sizeof a - 1);
    memset(b, 'b', sizeof b - 1);
    memset(c, 'c', sizeof c - 1);
    a[sizeof a - 1] = b[sizeof b - 1] = c[sizeof c - 1] = '\0';
    list[0] = text_varbind(9, a);
    list[1] = text_varbind(10, b);
    list[2] = text_varbind(2, c);
    list[2].syntax = SA_NAME;
    assert_true(notification_size(&v, NULL, 6) > NOTIFICATION_MAX);
    assert_int_equal(build(&v, &e), 0);
    list[0].syntax = list[1].syntax = SA_NAME;
    assert_int_equal(build(&v, &e), ERR_RANGE);
}

static void what_cannot_be_sent(void **state)
{
    struct job_varbind vb = {.subids = {6, 1, 4, 1}, .nsubids = 4, .syntax = SA_MILLIS};
    struct job_event v = {.notification = SA_ALERT_RAISED, .varbinds = &vb, .nvarbinds = 1};
    struct err e;

    (void)state;
    assert_int_equal(build(&v, &e), ERR_UNSUPPORTED);
    vb.syntax = SA_GAUGE64;
    assert_int_equal(build(&v, &e), ERR_UNSUPPORTED);
    vb.syntax = SA_INTEGER;
    assert_int_equal(build(&v, &e), 0);
    vb.nsubids = 128;
    assert_int_equal(build(&v, &e), ERR_RANGE);
    vb.nsubids = 4;
    v.notification = 0;
    assert_int_equal(build(&v, &e), ERR_UNSUPPORTED);
}

static void random_events_fit_or_are_refused(void **state)
{
    static char texts[JOB_VARBINDS_MAX][SA_CELL_MAX + 1];
    struct job_varbind list[JOB_VARBINDS_MAX];
    unsigned built = 0;

    (void)state;
    srandom(4);
    for (int round = 0; round < 3000; round++) {
        struct job_event v = {.notification = 3, .varbinds = list};
        struct err e;
        int err;

        v.nvarbinds = (size_t)random() % (JOB_VARBINDS_MAX + 1);
        for (size_t i = 0; i < v.nvarbinds; i++) {
            size_t n = (size_t)random() % SA_CELL_MAX / 3;

            memset(texts[i], 0, sizeof texts[i]);
            for (size_t k = 0; k < n; k++)
                memcpy(texts[i] + 3 * k, "\xe2\x82\xac", 3);
            list[i] = text_varbind((uint32_t)i + 1, texts[i]);
            list[i].nsubids = (size_t)random() % 60;
        }
        err = build(&v, &e);
        built += err == 0;
        assert_true(err == 0 || err == ERR_RANGE);
    }
    assert_true(built > 1000);
}

static struct notification_texts two_texts(const char *subject, const char *body)
{
    struct notification_texts t = {.subject = {(const uint8_t *)subject, strlen(subject)},
                                   .body = {(const uint8_t *)body, strlen(body)}};

    assert_int_equal(objid_parse(&t.trap, "1.3.6.1.4.1.8072.1.1", NULL), 0);
    assert_int_equal(objid_parse(&t.subject_name, "1.3.6.1.4.1.8072.1.2", NULL), 0);
    assert_int_equal(objid_parse(&t.body_name, "1.3.6.1.4.1.8072.1.3", NULL), 0);
    return t;
}

static int build_texts(const struct notification_texts *t, struct err *e)
{
    static const struct notification_form form = {SNMP_V2C, PDU_TRAP, 6};
    struct pdu *p = NULL;
    int err = notification_new_texts(&p, t, &form, e);

    pdu_free(p);
    return err;
}

static void two_texts_are_cut_the_body_first(void **state)
{
    static char a[5001], b[70001];
    struct notification_texts t;
    struct err e;

    (void)state;
    for (size_t i = 0; i + 1 < sizeof a; i++)
        a[i] = "\xc3\xa4"[i % 2];
    for (size_t i = 0; i + 1 < sizeof b; i++)
        b[i] = 'b';
    t = two_texts("short", b);
    assert_int_equal(build_texts(&t, &e), 0);
    t = two_texts(a, b);
    assert_int_equal(build_texts(&t, &e), 0);
    t = two_texts("", "");
    assert_int_equal(build_texts(&t, &e), 0);
}

/* Around the size where a length takes more octets. */
static void two_texts_of_each_length(void **state)
{
    static char a[NOTIFICATION_MAX + 1];
    struct notification_texts t;
    struct err e;

    (void)state;
    memset(a, 'a', sizeof a - 1);
    for (size_t n = 0; n < sizeof a; n++) {
        t = two_texts("", "");
        t.subject = (struct slice){(const uint8_t *)a, n};
        t.body = (struct slice){(const uint8_t *)a, 130};
        assert_int_equal(build_texts(&t, &e), 0);
    }
}

static void two_texts_with_names_too_long(void **state)
{
    struct notification_texts t = two_texts("", "");
    struct err e;

    (void)state;
    t.body_name.n = t.subject_name.n = t.trap.n = OBJID_MAX;
    for (size_t i = 9; i < OBJID_MAX; i++)
        t.body_name.subids[i] = t.subject_name.subids[i] = t.trap.subids[i] = UINT32_MAX;
    assert_int_equal(build_texts(&t, &e), ERR_RANGE);
}

static void version_1_has_no_informs(void **state)
{
    static const struct notification_form form = {SNMP_V1, PDU_INFORM, 6};
    struct job_event v = {.notification = SA_ALERT_RAISED};
    struct notification_texts t = two_texts("", "");
    struct pdu *p = NULL;
    struct err e;

    (void)state;
    assert_int_equal(notification_new(&p, &v, &form, &e), ERR_UNSUPPORTED);
    assert_int_equal(notification_new_texts(&p, &t, &form, &e), ERR_UNSUPPORTED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(size_counts_every_octet),
        cmocka_unit_test(texts_are_cut_names_are_not),
        cmocka_unit_test(two_texts_are_cut_the_body_first),
        cmocka_unit_test(two_texts_of_each_length),
        cmocka_unit_test(two_texts_with_names_too_long),
        cmocka_unit_test(version_1_has_no_informs),
        cmocka_unit_test(what_cannot_be_sent),
        cmocka_unit_test(random_events_fit_or_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
