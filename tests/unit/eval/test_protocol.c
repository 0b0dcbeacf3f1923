/* The codecs: what is put is got; cut short or with a changed octet nothing is read that is not
 * there, and no result is let through that makes no sense. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "eval/protocol.h"

static struct buf out;

static int setup(void **state)
{
    (void)state;
    buf_init(&out, 1 << 20);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    assert_int_equal(out.err, 0);
    buf_release(&out);
    return 0;
}

static void a_topic_goes_there_and_back(void **state)
{
    const uint8_t readers[] = {0, 0, 0, 1, 0, 0, 0, 9};
    struct eval_topic in = {.id = 7,
                            .version = 1ull << 40,
                            .taken_ms = -5,
                            .name = "router1.if.2",
                            .readers = readers,
                            .nreaders = 2,
                            .json = {(const uint8_t *)"{}", 2}};
    struct eval_topic got;

    (void)state;
    eval_put_topic(&out, &in);
    assert_int_equal(eval_get_topic(out.data, out.len, &got), 0);
    assert_int_equal(got.id, 7);
    assert_true(got.version == in.version && got.taken_ms == -5);
    assert_string_equal(got.name, in.name);
    assert_int_equal(got.nreaders, 2);
    assert_memory_equal(got.readers, readers, 8);
    assert_int_equal(got.json.len, 2);
    for (size_t n = 0; n < out.len; n++)
        assert_int_equal(eval_get_topic(out.data, n, &got), ERR_PROTOCOL);
    buf_u8(&out, 0);
    assert_int_equal(eval_get_topic(out.data, out.len, &got), ERR_PROTOCOL);
}

static int get_event(const char *json, size_t len, struct slice *ret)
{
    uint32_t id;
    int err;

    out.len = 0;
    eval_put_event(&out, 7, (struct slice){(const uint8_t *)json, len});
    err = eval_get_event(out.data, out.len, &id, ret);
    if (!err)
        assert_int_equal(id, 7);
    return err;
}

static void an_event_goes_there_and_back(void **state)
{
    static char longest[EVAL_EVENT_MAX + 1];
    struct slice got;
    uint32_t id;

    (void)state;
    assert_int_equal(get_event("{\"a\":1}", 7, &got), 0);
    assert_int_equal(got.len, 7);
    assert_memory_equal(got.data, "{\"a\":1}", 7);
    for (size_t n = 0; n < out.len; n++)
        assert_int_equal(eval_get_event(out.data, n, &id, &got), ERR_PROTOCOL);
    assert_int_equal(get_event("{\0}", 3, &got), ERR_PROTOCOL);
    assert_int_equal(get_event("{\xff}", 3, &got), ERR_PROTOCOL);
    memset(longest, ' ', sizeof longest);
    assert_int_equal(get_event(longest, EVAL_EVENT_MAX, &got), 0);
    assert_int_equal(get_event(longest, EVAL_EVENT_MAX + 1, &got), ERR_PROTOCOL);
}

static void put_results(void)
{
    struct verdict v = {.kind = VERDICT_LEVEL, .level = 3, .cost_us = 17, .reads_clock = true};
    const eval_dep deps[] = {eval_dep_make(EVAL_DEP_CONTENT, 5), eval_dep_missing("gone")};

    snprintf(v.value, sizeof v.value, "92 %%");
    snprintf(v.message, sizeof v.message, "hot");
    eval_put_result(&out, &v, 1, false, deps, 2);
    v = (struct verdict){.kind = VERDICT_ERROR, .over_budget = true, .error = "stopped"};
    eval_put_result(&out, &v, 2, true, NULL, 0);
    v = (struct verdict){.kind = VERDICT_FALSE, .asked = 14, .holds = 8, .failed = 2};
    eval_put_result(&out, &v, 3, false, NULL, 0);
}

static void results_go_there_and_back(void **state)
{
    struct eval_result r;
    struct rd rd;

    (void)state;
    put_results();
    rd_init(&rd, out.data, out.len);
    assert_int_equal(eval_get_result(&rd, &r), 0);
    assert_int_equal(r.condition_id, 1);
    assert_int_equal(r.kind, VERDICT_LEVEL);
    assert_int_equal(r.level, 3);
    assert_int_equal(r.flags, RESULT_TEXTS | RESULT_CLOCK);
    assert_int_equal(r.cost_us, 17);
    assert_memory_equal(r.value.data, "92 %", 4);
    assert_int_equal(r.ndeps, 2);
    assert_true(get_u64(r.deps + 8) == eval_dep_missing("gone"));
    assert_int_equal(eval_get_result(&rd, &r), 0);
    assert_int_equal(r.flags, RESULT_TEXTS | RESULT_SAME_DEPS | RESULT_OVER);
    assert_int_equal(eval_get_result(&rd, &r), 0);
    assert_int_equal(r.condition_id, 3);
    assert_int_equal(r.flags, RESULT_PARTS);
    assert_int_equal(r.asked, 14);
    assert_int_equal(r.holds, 8);
    assert_int_equal(r.failed, 2);
    assert_int_equal(r.ndeps, 0);
    assert_int_equal(rd.left, 0);
    assert_int_equal(eval_get_result(&rd, &r), ERR_PROTOCOL);
}

static int get_parts(uint8_t asked, uint8_t holds, uint8_t failed)
{
    struct verdict v = {.kind = VERDICT_FALSE, .asked = asked, .holds = holds, .failed = failed};
    struct eval_result r;
    struct rd rd;

    buf_clear(&out);
    eval_put_result(&out, &v, 3, false, NULL, 0);
    rd_init(&rd, out.data, out.len);
    return eval_get_result(&rd, &r);
}

static void parts_that_make_no_sense_are_refused(void **state)
{
    (void)state;
    assert_int_equal(get_parts(14, 8, 2), 0);
    assert_int_equal(get_parts(14, 1, 0), ERR_PROTOCOL); /* it was not asked */
    assert_int_equal(get_parts(14, 0, 32), ERR_PROTOCOL);
    assert_int_equal(get_parts(14, 2, 2), ERR_PROTOCOL); /* true, and failed */
    assert_int_equal(get_parts(128, 0, 0), ERR_PROTOCOL);
}

static int check_texts(const char *text, size_t len, struct slice parts[VERDICT_PARTS])
{
    return eval_check_texts(text, len, parts);
}

static void texts_are_one_or_all(void **state)
{
    static char longest[EVAL_TEXTS_MAX + 1];
    struct slice parts[VERDICT_PARTS];

    (void)state;
    assert_int_equal(check_texts("", 0, parts), 0);
    assert_int_equal(check_texts("ab", 2, parts), 0);
    assert_int_equal(parts[0].len, 2);
    assert_int_equal(check_texts("a\0b\0\0\0\0\0c", 9, parts), 0);
    assert_int_equal(parts[PART_CRIT].len, 1);
    assert_int_equal(parts[PART_CRIT_RESET].len, 0);
    assert_memory_equal(parts[PART_INFO_RESET].data, "c", 1);
    assert_int_equal(check_texts("a\0b", 3, parts), ERR_WRONG_VALUE);
    assert_int_equal(check_texts("a\0b\0\0\0\0\0c\0", 10, parts), ERR_WRONG_VALUE);
    assert_int_equal(check_texts("\xff", 1, parts), ERR_WRONG_VALUE);
    memset(longest, ' ', sizeof longest);
    for (size_t i = 0; i < VERDICT_PARTS - 1; i++)
        longest[EVAL_SCRIPT_MAX + i * (EVAL_LEVEL_MAX + 1)] = 0;
    assert_int_equal(check_texts(longest, EVAL_TEXTS_MAX, parts), 0);
    assert_int_equal(check_texts(longest, EVAL_TEXTS_MAX + 1, parts), ERR_WRONG_LENGTH);
}

/* Read a copy of exactly this size, so that a tool that watches memory sees any step beyond. */
static void read_results(const uint8_t *p, size_t n)
{
    uint8_t *copy = malloc(n + !n);
    struct eval_result r;
    struct rd rd;

    memcpy(copy, p, n);
    rd_init(&rd, copy, n);
    while (rd.left && !eval_get_result(&rd, &r)) {
        assert_true(r.kind <= VERDICT_ERROR && r.level <= 5);
        assert_true(r.value.len <= VERDICT_VALUE_MAX && r.error.len <= VERDICT_ERROR_MAX);
        for (uint16_t i = 0; i < r.ndeps; i++)
            assert_true(get_u64(r.deps + 8 * (size_t)i) != 1);
    }
    free(copy);
}

static void damaged_results_are_borne(void **state)
{
    (void)state;
    put_results();
    for (size_t n = 0; n <= out.len; n++)
        read_results(out.data, n);
    for (size_t i = 0; i < out.len; i++) {
        uint8_t was = out.data[i];
        for (int v = 0; v < 256; v++) {
            out.data[i] = (uint8_t)v;
            read_results(out.data, out.len);
        }
        out.data[i] = was;
    }
}

static void bundles_hold_whole_frames(void **state)
{
    struct slice payload;
    struct rd rd;
    uint16_t type;

    (void)state;
    eval_put_frame(&out, EVAL_DROP, "abcd", 4);
    eval_put_frame(&out, EVAL_SAME, "", 0);
    rd_init(&rd, out.data, out.len);
    assert_int_equal(eval_get_frame(&rd, &type, &payload), 0);
    assert_int_equal(type, EVAL_DROP);
    assert_memory_equal(payload.data, "abcd", 4);
    assert_int_equal(eval_get_frame(&rd, &type, &payload), 0);
    assert_int_equal(payload.len, 0);
    assert_int_equal(rd.left, 0);
    rd_init(&rd, out.data, 11);
    assert_int_equal(eval_get_frame(&rd, &type, &payload), ERR_PROTOCOL);
    buf_clear(&out);
    eval_put_frame(&out, EVAL_BUNDLE, "", 0);
    rd_init(&rd, out.data, out.len);
    assert_int_equal(eval_get_frame(&rd, &type, &payload), ERR_PROTOCOL);
}

static void a_greeting_names_the_build(void **state)
{
    struct err e;

    (void)state;
    eval_put_hello(&out);
    assert_int_equal(eval_get_hello(out.data, out.len, &e), 0);
    out.data[out.len - 1] ^= 1;
    assert_int_equal(eval_get_hello(out.data, out.len, &e), ERR_VERSION);
    assert_int_equal(eval_get_hello(out.data, out.len - 1, &e), ERR_PROTOCOL);
    assert_int_equal(eval_get_hello(out.data, 0, NULL), ERR_PROTOCOL);
}

static void texts_are_checked(void **state)
{
    static char big[EVAL_SCRIPT_MAX + 1];
    struct err e;

    (void)state;
    assert_int_equal(eval_check_text("", 0, &e), 0);
    assert_int_equal(eval_check_text(NULL, 0, &e), 0);
    assert_int_equal(eval_check_text("'\xc3\xbc' == 1", 9, &e), 0);
    assert_int_equal(eval_check_text("a\n\nb\0c", 6, &e), ERR_WRONG_VALUE);
    assert_string_equal(e.text, "line 3: the script holds a 0 octet");
    assert_int_equal(eval_check_text("\xe2\x82\xac\n\xc3(", 6, &e), ERR_WRONG_VALUE);
    assert_string_equal(e.text, "line 2: the script is not valid UTF-8");
    assert_int_equal(eval_check_text("\xc0\x80", 2, &e), ERR_WRONG_VALUE);
    memset(big, ' ', sizeof big);
    assert_int_equal(eval_check_text(big, sizeof big - 1, &e), 0);
    assert_int_equal(eval_check_text(big, sizeof big, &e), ERR_WRONG_LENGTH);
}

#define WITH_BUFFER(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_BUFFER(a_topic_goes_there_and_back),
        WITH_BUFFER(an_event_goes_there_and_back),
        WITH_BUFFER(results_go_there_and_back),
        WITH_BUFFER(parts_that_make_no_sense_are_refused),
        WITH_BUFFER(texts_are_one_or_all),
        WITH_BUFFER(damaged_results_are_borne),
        WITH_BUFFER(bundles_hold_whole_frames),
        WITH_BUFFER(a_greeting_names_the_build),
        WITH_BUFFER(texts_are_checked),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
