/* Codecs: what is written is read, and foreign bytes never do more than be refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "dispatch/dispatch.h"

#define UUID_A "0a0b0c0d-1111-4222-8333-444455556666"
#define UUID_B "11111111-2222-4333-8444-555555555555"

static const struct property properties[] = {
    {.name = "host", .type = PROPERTY_TEXT, .target_may_override = true, .min = 1, .max = 255},
    {.name = "port", .type = PROPERTY_NUMBER, .target_may_override = true, .min = 1, .max = 65535},
    {.name = "fixed", .type = PROPERTY_TEXT, .max = 10},
};
static const struct kind kind = {
    .class_ = KIND_HANDLER, .name = "post", .properties = properties, .nproperties = 3};
static const struct kind *const kind_items[] = {&kind};
static const struct kinds kinds = {kind_items, 1};

static const struct kind *kind_of(void *arg, uint32_t handler)
{
    (void)arg;
    return handler == 7 ? &kind : NULL;
}

static void set(struct values *v, const char *name, const char *text)
{
    const struct property *p = property_find(properties, 3, name);

    assert_int_equal(values_set(v, p, text, NULL), 0);
}

/* A job with something in every field; static parts, so that nothing needs freeing but overrides.
 */
static void make_job(struct job *j, uint32_t handler)
{
    static char bob[] = "bob@example.net", receiver[] = "192.0.2.1:162";
    static char *recipients[] = {bob, receiver};
    static uint8_t octets[] = {0xe2, 0x82, 0xac, 0};
    static struct job_varbind varbinds[] = {
        {.subids = {17, 1, 4, UINT32_MAX}, .nsubids = 4, .syntax = SA_ENUM, .number = -5},
        {.subids = {17, 1, 9}, .nsubids = 3, .syntax = SA_TEXT, .bytes = octets, .len = 4},
    };
    static struct job_event events[2] = {
        {.notice_id = 4294967295U,
         .uuid = UUID_A,
         .sequence = 12,
         .kind = KIND_RAISE,
         .notification = SA_ALERT_RAISED,
         .level = LEVEL_CRITICAL,
         .previous_level = LEVEL_OK,
         .at_ms = 1795000000000,
         .active_since_ms = 1,
         .owner = "alice",
         .definition = "hot",
         .service = "lab",
         .instance = "cpu0",
         .value = "93",
         .message = "too hot: \xc2\xb0",
         .description = "d",
         .url = "https://example.net/d",
         .varbinds = varbinds,
         .nvarbinds = 2},
        {.uuid = UUID_B, .kind = KIND_TEST},
    };

    *j = (struct job){.id = 0x0102030405060708,
                      .handler = handler,
                      .target_owner = "alice",
                      .target = "ops",
                      .uuid = UUID_B,
                      .created_ms = 1795000001000,
                      .recipients = recipients,
                      .nrecipients = 2,
                      .events = events,
                      .nevents = 2};
    set(&j->overrides, "host", "192.0.2.9");
    set(&j->overrides, "port", "25");
}

static void write_job(struct buf *b, uint32_t handler)
{
    struct job j;

    make_job(&j, handler);
    buf_init(b, 1 << 20);
    job_write(&j, b);
    assert_int_equal(b->err, 0);
    values_release(&j.overrides);
}

static int read_job(struct job *j, const void *p, size_t n, struct err *e)
{
    struct rd r;

    rd_init(&r, p, n);
    return job_read(j, kind_of, NULL, &r, e);
}

static void job_round_trip(void **state)
{
    struct job j, k;
    struct err e;
    struct buf b;

    (void)state;
    make_job(&k, 7);
    write_job(&b, 7);
    assert_int_equal(read_job(&j, b.data, b.len, &e), 0);
    assert_int_equal(j.id, k.id);
    assert_string_equal(j.target, "ops");
    assert_string_equal(j.uuid, UUID_B);
    assert_int_equal(j.created_ms, k.created_ms);
    assert_int_equal(j.nrecipients, 2);
    assert_string_equal(j.recipients[1], "192.0.2.1:162");
    assert_string_equal(values_text(&j.overrides, properties, 3, "host"), "192.0.2.9");
    assert_int_equal(values_number(&j.overrides, properties, 3, "port"), 25);
    assert_int_equal(j.nevents, 2);
    assert_int_equal(j.events[0].notice_id, UINT32_MAX);
    assert_string_equal(j.events[0].message, k.events[0].message);
    assert_int_equal(j.events[0].active_since_ms, 1);
    assert_int_equal(j.events[0].nvarbinds, 2);
    assert_int_equal(j.events[0].varbinds[0].subids[3], UINT32_MAX);
    assert_int_equal(j.events[0].varbinds[0].number, -5);
    assert_memory_equal(j.events[0].varbinds[1].bytes, k.events[0].varbinds[1].bytes, 4);
    assert_int_equal(j.events[1].kind, KIND_TEST);
    job_release(&j);
    values_release(&k.overrides);
    buf_release(&b);
}

static void job_without_its_handler_is_read_all_the_same(void **state)
{
    struct job j;
    struct err e;
    struct buf b;

    (void)state;
    write_job(&b, 8);
    assert_int_equal(read_job(&j, b.data, b.len, &e), 0);
    assert_int_equal(j.overrides.n, 0);
    assert_int_equal(j.handler, 8);
    job_release(&j);
    buf_release(&b);
}

static void job_override_that_is_not_allowed(void **state)
{
    struct job j;
    struct err e;
    struct buf b;

    (void)state;
    make_job(&j, 7);
    set(&j.overrides, "fixed", "x");
    buf_init(&b, 1 << 20);
    job_write(&j, &b);
    values_release(&j.overrides);
    assert_int_equal(read_job(&j, b.data, b.len, &e), ERR_INVALID);
    assert_non_null(strstr(e.text, "fixed"));
    assert_int_equal(j.id, 0x0102030405060708); /* to answer it */
    assert_null(j.events);
    buf_release(&b);
}

static void job_cut_anywhere_is_refused(void **state)
{
    struct job j;
    struct err e;
    struct buf b;

    (void)state;
    write_job(&b, 7);
    for (size_t n = 0; n < b.len; n++) {
        uint8_t *exact = malloc(n ? n : 1); /* so that a read behind it is seen */

        assert_non_null(exact);
        memcpy(exact, b.data, n);
        assert_int_not_equal(read_job(&j, exact, n, &e), 0);
        free(exact);
    }
    buf_u8(&b, 0);
    assert_int_equal(read_job(&j, b.data, b.len, &e), ERR_SYNTAX); /* nor one octet more */
    buf_release(&b);
}

/* Whatever is accepted is within its limits. */
static void check_limits(const struct job *j)
{
    assert_in_range(j->nevents, 1, JOB_EVENTS_MAX);
    assert_true(j->nrecipients <= JOB_RECIPIENTS_MAX);
    assert_int_equal(strspn(j->uuid, "0123456789abcdef-"), UUID_TEXT_LEN);
    for (size_t i = 0; i < j->nevents; i++) {
        const struct job_event *v = &j->events[i];

        assert_in_range(v->kind, KIND_RAISE, KIND_SELF);
        assert_true(v->level <= LEVEL_UNKNOWN && v->previous_level <= LEVEL_UNKNOWN);
        assert_true(utf8_valid(v->message, strlen(v->message)));
        assert_true(v->nvarbinds <= JOB_VARBINDS_MAX);
        for (size_t k = 0; k < v->nvarbinds; k++)
            assert_true(v->varbinds[k].nsubids <= 128 && v->varbinds[k].len <= SA_CELL_MAX &&
                        v->varbinds[k].syntax <= SA_OCTETS);
    }
}

static void job_with_changed_octets_is_refused_or_sane(void **state)
{
    unsigned accepted = 0, refused = 0;
    struct job j;
    struct err e;
    struct buf b;

    (void)state;
    write_job(&b, 7);
    for (size_t at = 0; at < b.len; at++)
        for (unsigned bit = 0; bit < 8; bit++) {
            b.data[at] ^= (uint8_t)(1U << bit);
            if (read_job(&j, b.data, b.len, &e) == 0) {
                check_limits(&j);
                job_release(&j);
                accepted++;
            } else {
                refused++;
            }
            b.data[at] ^= (uint8_t)(1U << bit);
        }
    assert_true(accepted > 0 && refused > 0);
    buf_release(&b);
}

static void job_of_random_octets(void **state)
{
    uint8_t noise[512];
    struct job j;
    struct err e;

    (void)state;
    srandom(1);
    for (int round = 0; round < 20000; round++) {
        size_t n = (size_t)random() % sizeof noise;

        for (size_t i = 0; i < n; i++)
            noise[i] = (uint8_t)(random() % 4 ? random() % 8 : random());
        if (read_job(&j, noise, n, &e) == 0)
            job_release(&j);
    }
}

static void job_uuid_of_other_characters(void **state)
{
    struct job j;
    struct err e;
    struct buf b;
    uint8_t *uuid;

    (void)state;
    write_job(&b, 7);
    uuid = memmem(b.data, b.len, UUID_B, UUID_TEXT_LEN);
    assert_non_null(uuid);
    uuid[3] = '\r';
    assert_int_equal(read_job(&j, b.data, b.len, &e), ERR_SYNTAX);
    buf_release(&b);
}

static void handler_round_trip(void **state)
{
    struct dispatch_handler h = {.id = 3, .owner = "admin", .name = "mail", .kind = &kind}, k;
    struct err e;
    struct buf b;
    struct rd r;

    (void)state;
    set(&h.values, "host", "192.0.2.1");
    buf_init(&b, 4096);
    dispatch_handler_write(&h, &b);
    rd_init(&r, b.data, b.len);
    assert_int_equal(dispatch_handler_read(&k, &kinds, &r, &e), 0);
    assert_int_equal(k.id, 3);
    assert_ptr_equal(k.kind, &kind);
    assert_string_equal(values_text(&k.values, properties, 3, "host"), "192.0.2.1");
    values_release(&k.values);
    for (size_t n = 0; n < b.len; n++) {
        rd_init(&r, b.data, n);
        assert_int_not_equal(dispatch_handler_read(&k, &kinds, &r, &e), 0);
    }
    *(uint8_t *)memmem(b.data, b.len, "post", 4) = 'h';
    rd_init(&r, b.data, b.len);
    assert_int_equal(dispatch_handler_read(&k, &kinds, &r, &e), ERR_INVALID);
    assert_non_null(strstr(e.text, "unknown kind 'host'"));
    values_release(&h.values);
    buf_release(&b);
}

static void engine_round_trip(void **state)
{
    struct dispatch_engine x = {.id = {{0x80, 0, 0x1f, 0x88, 4, 'a'}, 6}, .clock = {7, 70000}}, y;
    static const struct dispatch_engine bad[] = {
        {.id = {{1, 2, 3, 4}, 4}, .clock = {1, 0}},
        {.id = {{1, 2, 3, 4, 5}, 5}, .clock = {0, 0}},
        {.id = {{1, 2, 3, 4, 5}, 5}, .clock = {UINT32_C(1) << 31, 0}},
        {.id = {{0, 0, 0, 0, 0}, 5}, .clock = {1, 0}},
    };
    struct buf b;
    struct rd r;

    (void)state;
    buf_init(&b, 256);
    dispatch_engine_write(&x, &b);
    rd_init(&r, b.data, b.len);
    assert_int_equal(dispatch_engine_read(&y, &r, NULL), 0);
    assert_true(engine_id_equal(&x.id, &y.id));
    assert_int_equal(y.clock.boots, 7);
    assert_int_equal(y.clock.started_mono_ms, 70000);
    for (size_t n = 0; n < b.len; n++) {
        rd_init(&r, b.data, n);
        assert_int_equal(dispatch_engine_read(&y, &r, NULL), ERR_SYNTAX);
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        buf_clear(&b);
        dispatch_engine_write(&bad[i], &b);
        rd_init(&r, b.data, b.len);
        assert_int_equal(dispatch_engine_read(&y, &r, NULL), ERR_SYNTAX);
    }
    buf_release(&b);
}

static void outcome_round_trip(void **state)
{
    struct outcome_recipient list[] = {
        {"bob@example.net", NOTICE_DELIVERED, "250 2.0.0 ok"},
        {"temp@example.net", NOTICE_PENDING, "450 busy"},
    };
    struct outcome o = {.job = UINT64_MAX,
                        .result = OUTCOME_RETRY,
                        .confirmation = CONFIRM_ACKNOWLEDGED,
                        .in_doubt = true,
                        .pause_ms = 120000,
                        .error = "temp: 450",
                        .response = "ticket\n17",
                        .recipients = list,
                        .nrecipients = 2},
                   k;
    struct err e;
    struct buf b;
    struct rd r;

    (void)state;
    buf_init(&b, 4096);
    outcome_write(&o, &b);
    rd_init(&r, b.data, b.len);
    assert_int_equal(outcome_read(&k, &r, &e), 0);
    assert_int_equal(k.job, UINT64_MAX);
    assert_int_equal(k.result, OUTCOME_RETRY);
    assert_true(k.in_doubt);
    assert_int_equal(k.pause_ms, 120000);
    assert_string_equal(k.response, "ticket\n17");
    assert_string_equal(k.error, "temp: 450");
    assert_string_equal(k.recipients[1].reply, "450 busy");
    assert_int_equal(k.recipients[0].state, NOTICE_DELIVERED);
    outcome_release(&k);
    for (size_t n = 0; n < b.len; n++) {
        rd_init(&r, b.data, n);
        assert_int_equal(outcome_read(&k, &r, &e), ERR_SYNTAX);
    }
    b.data[8] = 9; /* no such result */
    rd_init(&r, b.data, b.len);
    assert_int_equal(outcome_read(&k, &r, &e), ERR_SYNTAX);
    buf_release(&b);
}

static void checked_round_trip(void **state)
{
    struct checked c = {.job = 1ull << 40, .good = true, .message = "connected to \xe2\x82\xac"};
    struct checked d;
    struct buf b;
    struct err e;
    struct rd r;

    (void)state;
    buf_init(&b, 1024);
    checked_write(&c, &b);
    for (size_t n = 0; n < b.len; n++) {
        rd_init(&r, b.data, n);
        assert_int_equal(checked_read(&d, &r, &e), ERR_SYNTAX);
    }
    rd_init(&r, b.data, b.len);
    assert_int_equal(checked_read(&d, &r, &e), 0);
    assert_true(d.job == c.job && d.good);
    assert_string_equal(d.message, c.message);
    b.data[8] = 2; /* neither yes nor no */
    rd_init(&r, b.data, b.len);
    assert_int_equal(checked_read(&d, &r, &e), ERR_SYNTAX);
    b.data[8] = 0;
    b.data[b.len - 1] = 0xff; /* no UTF-8 */
    rd_init(&r, b.data, b.len);
    assert_int_equal(checked_read(&d, &r, &e), ERR_SYNTAX);
    buf_u8(&b, 0);
    rd_init(&r, b.data, b.len);
    assert_int_equal(checked_read(&d, &r, &e), ERR_SYNTAX);
    buf_release(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(job_round_trip),
        cmocka_unit_test(job_without_its_handler_is_read_all_the_same),
        cmocka_unit_test(job_override_that_is_not_allowed),
        cmocka_unit_test(job_cut_anywhere_is_refused),
        cmocka_unit_test(job_with_changed_octets_is_refused_or_sane),
        cmocka_unit_test(job_of_random_octets),
        cmocka_unit_test(job_uuid_of_other_characters),
        cmocka_unit_test(handler_round_trip),
        cmocka_unit_test(engine_round_trip),
        cmocka_unit_test(outcome_round_trip),
        cmocka_unit_test(checked_round_trip),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
