#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <stdlib.h>

#include "mibs/schema.h"
#include "poll/poll.h"

static const struct kind *const kind_list[] = {&poll_kind_snmp, &poll_kind_http};
static const struct kinds kinds = {kind_list, 2};

static void set(struct values *v, const struct property *props, size_t n, const char *name,
                const char *text)
{
    struct err e;
    const struct property *p = property_find(props, n, name);
    assert_non_null(p);
    assert_int_equal(values_set(v, p, text, &e), 0);
}

static void add_child(struct poll_source *s, size_t element, const char *name, const char *oid,
                      const char *columns)
{
    struct child *c = &s->children[s->nchildren++];
    c->element = &s->kind->children[element];
    const struct property *props = c->element->properties;
    size_t n = c->element->nproperties;
    set(&c->values, props, n, "name", name);
    set(&c->values, props, n, "oid", oid);
    if (columns)
        set(&c->values, props, n, "columns", columns);
}

static void make_source(struct poll_source *s)
{
    *s = (struct poll_source){
        .id = 7, .name = "router1", .kind = &poll_kind_snmp, .interval_ms = 10000};
    const struct property *props = s->kind->properties;
    set(&s->values, props, s->kind->nproperties, "host", "192.0.2.1");
    set(&s->values, props, s->kind->nproperties, "community", "public");
    s->children = calloc(2, sizeof *s->children);
    assert_non_null(s->children);
    add_child(s, 0, "up", "1.3.6.1.2.1.1.3.0", NULL);
    add_child(s, 1, "if", "1.3.6.1.2.1.2.2", "ifDescr=2 ifInOctets=10");
}

static const char *child_text(const struct poll_source *s, size_t child, const char *name)
{
    const struct child *c = &s->children[child];
    return values_text(&c->values, c->element->properties, c->element->nproperties, name);
}

static int read_source(struct poll_source *s, const void *p, size_t n)
{
    struct rd r;
    struct err e = {0};
    rd_init(&r, p, n);
    int err = poll_source_read(s, &kinds, &r, &e);
    if (err)
        assert_true(*e.text);
    return err;
}

static void test_source(void **state)
{
    struct poll_source s, back;
    struct buf b;
    (void)state;
    buf_init(&b, 65536);
    make_source(&s);
    poll_source_write(&s, &b);
    assert_int_equal(b.err, 0);
    assert_int_equal(read_source(&back, b.data, b.len), 0);
    assert_int_equal(back.id, 7);
    assert_string_equal(back.name, "router1");
    assert_ptr_equal(back.kind, &poll_kind_snmp);
    assert_int_equal(back.interval_ms, 10000);
    assert_string_equal(
        values_text(&back.values, back.kind->properties, back.kind->nproperties, "host"),
        "192.0.2.1");
    assert_int_equal(back.nchildren, 2);
    assert_string_equal(back.children[1].element->name, "table");
    assert_string_equal(child_text(&back, 1, "columns"), "ifDescr=2 ifInOctets=10");
    poll_source_release(&back);
    poll_source_release(&s);
    buf_release(&b);
}

/* Cut anywhere it is refused; with any bit turned it is refused or a source within all limits. */
static void test_source_damaged(void **state)
{
    struct poll_source s, back;
    struct buf b;
    (void)state;
    buf_init(&b, 65536);
    make_source(&s);
    poll_source_write(&s, &b);
    poll_source_release(&s);
    for (size_t len = 0; len < b.len; len++) {
        uint8_t *cut = malloc(len ? len : 1); /* exactly that long, for the sanitizer */
        memcpy(cut, b.data, len);
        assert_true(read_source(&back, cut, len) < 0);
        free(cut);
    }
    for (size_t bit = 0; bit < b.len * 8; bit++) {
        b.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
        if (!read_source(&back, b.data, b.len)) {
            assert_true(back.interval_ms >= POLL_INTERVAL_MIN_MS &&
                        back.interval_ms <= POLL_INTERVAL_MAX_MS);
            assert_true(*back.name && strlen(back.name) < sizeof back.name);
            poll_source_release(&back);
        }
        b.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    buf_u8(&b, 0);
    assert_int_equal(read_source(&back, b.data, b.len), ERR_SYNTAX);
    buf_release(&b);
}

static int read_sample(struct poll_sample *s, const void *p, size_t n)
{
    struct rd r;
    rd_init(&r, p, n);
    return poll_sample_read(s, &r);
}

static void test_sample(void **state)
{
    static const char json[] = "{\"a\":1}";
    struct poll_sample s = {.source = 9,
                            .topic = "router1.if.2",
                            .wall_ms = 1795216655123,
                            .mono_ms = 77123,
                            .json = {(const uint8_t *)json, sizeof json - 1}},
                       back;
    struct buf b;
    (void)state;
    buf_init(&b, 65536);
    poll_sample_write(&s, &b);
    assert_int_equal(read_sample(&back, b.data, b.len), 0);
    assert_int_equal(back.source, 9);
    assert_string_equal(back.topic, "router1.if.2");
    assert_true(back.wall_ms == s.wall_ms);
    assert_true(back.mono_ms == s.mono_ms);
    assert_int_equal(back.json.len, sizeof json - 1);
    assert_memory_equal(back.json.data, json, back.json.len);
    for (size_t len = 0; len < b.len; len++)
        assert_int_equal(read_sample(&back, b.data, len), ERR_SYNTAX);
    buf_u8(&b, 1);
    assert_int_equal(read_sample(&back, b.data, b.len), ERR_SYNTAX);
    buf_release(&b);
}

static void refuse_sample(const char *topic, size_t json_len)
{
    static uint8_t json[POLL_JSON_MAX + 1];
    struct poll_sample s = {.json = {json, json_len}}, back;
    struct buf b;
    strncpy(s.topic, topic, sizeof s.topic - 1);
    buf_init(&b, 4 << 20);
    poll_sample_write(&s, &b);
    assert_int_equal(b.err, 0);
    assert_int_equal(read_sample(&back, b.data, b.len), ERR_SYNTAX);
    buf_release(&b);
}

static void refuse_text(const char *json)
{
    struct poll_sample s = {.topic = "t", .json = {(const uint8_t *)json, strlen(json)}}, back;
    struct buf b;
    buf_init(&b, 4096);
    poll_sample_write(&s, &b);
    assert_int_equal(read_sample(&back, b.data, b.len), ERR_SYNTAX);
    buf_release(&b);
}

static void test_sample_limits(void **state)
{
    (void)state;
    refuse_sample("", 2);
    refuse_sample("bad\xff", 2);
    refuse_sample("topic", 0);
    refuse_sample("topic", POLL_JSON_MAX + 1);
    refuse_text("\xff");
}

static int read_status(struct poll_status *s, const void *p, size_t n)
{
    struct rd r;
    rd_init(&r, p, n);
    return poll_status_read(s, &r);
}

static void test_status(void **state)
{
    struct poll_status s = {.source = 3,
                            .status = STATUS_MALFORMED,
                            .latency_ms = 12,
                            .wall_ms = 1795216655123,
                            .topics = 4,
                            .error = "line 1 column 5"},
                       back;
    struct buf b;
    (void)state;
    buf_init(&b, 4096);
    poll_status_write(&s, &b);
    assert_int_equal(read_status(&back, b.data, b.len), 0);
    assert_int_equal(back.source, 3);
    assert_int_equal(back.status, STATUS_MALFORMED);
    assert_int_equal(back.latency_ms, 12);
    assert_true(back.wall_ms == s.wall_ms);
    assert_int_equal(back.topics, 4);
    assert_string_equal(back.error, "line 1 column 5");
    for (size_t len = 0; len < b.len; len++)
        assert_int_equal(read_status(&back, b.data, len), ERR_SYNTAX);
    b.data[4] = STATUS_UNKNOWN;
    assert_int_equal(read_status(&back, b.data, b.len), ERR_SYNTAX);
    b.data[4] = 99;
    assert_int_equal(read_status(&back, b.data, b.len), ERR_SYNTAX);
    buf_release(&b);
}

/* Times that the core could not store, or not count ages from. */
static void test_times(void **state)
{
    static const int64_t wall[] = {0,  1795216655123,   253402300799999,
                                   -1, 253402300800000, INT64_MIN};
    struct poll_sample sample = {.topic = "t", .json = {(const uint8_t *)"1", 1}};
    struct poll_status status = {.status = STATUS_UP};
    struct buf b;
    (void)state;
    buf_init(&b, 4096);
    for (size_t i = 0; i < sizeof wall / sizeof *wall; i++) {
        int expected = i < 3 ? 0 : ERR_SYNTAX;
        sample.wall_ms = status.wall_ms = wall[i];
        buf_clear(&b);
        poll_sample_write(&sample, &b);
        assert_int_equal(read_sample(&(struct poll_sample){0}, b.data, b.len), expected);
        buf_clear(&b);
        poll_status_write(&status, &b);
        assert_int_equal(read_status(&(struct poll_status){0}, b.data, b.len), expected);
    }
    sample.wall_ms = 0;
    sample.mono_ms = INT64_MIN;
    buf_clear(&b);
    poll_sample_write(&sample, &b);
    assert_int_equal(read_sample(&(struct poll_sample){0}, b.data, b.len), ERR_SYNTAX);
    buf_release(&b);
}

static void test_gone(void **state)
{
    struct poll_gone g = {.source = 5, .topic = "router1.if.3"}, back;
    struct buf b;
    struct rd r;
    (void)state;
    buf_init(&b, 4096);
    poll_gone_write(&g, &b);
    rd_init(&r, b.data, b.len);
    assert_int_equal(poll_gone_read(&back, &r), 0);
    assert_int_equal(back.source, 5);
    assert_string_equal(back.topic, "router1.if.3");
    for (size_t len = 0; len < b.len; len++) {
        rd_init(&r, b.data, len);
        assert_int_equal(poll_gone_read(&back, &r), ERR_SYNTAX);
    }
    buf_release(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_source), cmocka_unit_test(test_source_damaged),
        cmocka_unit_test(test_sample), cmocka_unit_test(test_sample_limits),
        cmocka_unit_test(test_status), cmocka_unit_test(test_times),
        cmocka_unit_test(test_gone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
