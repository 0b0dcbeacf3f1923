/* Topics and their rows: under each reader, with ids that stay, and no more written than what
 * changed. */
#include "tests/unit/alerts/fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "alerts/topics.h"
#include "base/text.h"

static char readers[2][33] = {"alice", "admin"};
static const struct topic_source router = {1, "router1", readers, 2};
static const struct topic_source other = {2, "other", readers, 1};

static void sample(struct topics *x, const char *name, const char *json, int64_t ms)
{
    assert_non_null(topics_sample(x, &router, name, ms, ms, json, strlen(json)));
}

static void flush(struct world *w, struct topics *x)
{
    struct txn *t = txn_begin(w->store, TXN_WRITE_SAMPLES);

    assert_int_equal(topics_flush(x, t), 0);
    done(t);
    topics_flushed(x, true);
    assert_false(topics_dirty(x));
}

/* The row of a topic under OWNER, by its name; 0: none. */
static uint32_t row_of(struct txn *t, const char *owner, const char *name)
{
    struct key prefix = key_of_name(owner);
    uint32_t found = 0;
    struct cursor c;
    struct row r;

    for (cursor_first(&c, t, sa_table_by_id(SA_TOPIC), &prefix); cursor_row(&c, &r);
         cursor_next(&c)) {
        char text[256], who[33];
        size_t pos = 0;
        uint32_t id;

        assert_true(key_read_name(&r.key, &pos, who) && key_read_u32(&r.key, &pos, &id));
        if (!strcmp(row_str(&r, TOPIC_NAME, text, sizeof text), name)) {
            assert_int_equal(found, 0);
            found = id;
        }
    }
    cursor_close(&c);
    return found;
}

/* "1:a=5 2:b.c=x": the metrics of a topic under OWNER. */
static const char *metrics_of(struct world *w, const char *owner, const char *name)
{
    static char text[2048];
    struct txn *t = txn_begin(w->store, TXN_READ);
    struct key prefix = key_of_id(owner, row_of(t, owner, name));
    struct cursor c;
    struct row r;

    text[0] = 0;
    for (cursor_first(&c, t, sa_table_by_id(SA_METRIC), &prefix); cursor_row(&c, &r);
         cursor_next(&c)) {
        char path[256], value[256], who[33];
        uint32_t topic, id;
        size_t pos = 0;

        assert_true(key_read_name(&r.key, &pos, who) && key_read_u32(&r.key, &pos, &topic) &&
                    key_read_u32(&r.key, &pos, &id));
        snprintf(text + strlen(text), sizeof text - strlen(text), "%s%u:%s=%s", text[0] ? " " : "",
                 id, row_str(&r, METRIC_PATH, path, sizeof path),
                 row_str(&r, METRIC_TEXT, value, sizeof value));
    }
    cursor_close(&c);
    txn_abort(t);
    return text;
}

#define IN_READ(w, what)                                                                           \
    do {                                                                                           \
        struct txn *t = txn_begin((w)->store, TXN_READ);                                           \
        what;                                                                                      \
        txn_abort(t);                                                                              \
    } while (0)

static uint64_t count(struct world *w, unsigned table)
{
    struct txn *t = txn_begin(w->store, TXN_READ);
    uint64_t n = table_count(t, sa_table_by_id(table));

    txn_abort(t);
    return n;
}

/* ---- rows ---- */

static void test_rows_stand_under_each_reader(void **state)
{
    struct world *w = *state;
    struct topics *x = topics_new();
    struct key k;
    struct txn *t;
    uint32_t id;

    sample(x, "router1", "{\"a\":5}", 12345);
    assert_true(topics_dirty(x));
    flush(w, x);
    t = txn_begin(w->store, TXN_READ);
    id = row_of(t, "alice", "router1");
    assert_int_not_equal(id, 0);
    assert_int_equal(row_of(t, "admin", "router1"), id);
    assert_int_equal(row_of(t, "bob", "router1"), 0);
    k = key_of_id("alice", id);
    assert_string_equal(text_of(t, SA_TOPIC, k, TOPIC_SOURCE), "router1");
    assert_string_equal(text_of(t, SA_TOPIC, k, TOPIC_HEAD), "{\"a\":5}");
    assert_int_equal(cell_of(t, SA_TOPIC, k, TOPIC_UPDATED), 12345);
    assert_int_equal(cell_of(t, SA_TOPIC, k, TOPIC_SIZE), 7);
    txn_abort(t);
    assert_string_equal(metrics_of(w, "alice", "router1"), "1:a=5");
    assert_string_equal(metrics_of(w, "admin", "router1"), "1:a=5");
    assert_string_equal(metrics_of(w, "bob", "router1"), "");
    topics_free(x);
}

static void test_metrics_keep_their_ids(void **state)
{
    struct world *w = *state;
    struct topics *x = topics_new();

    sample(x, "r", "{\"a\":1,\"b\":2,\"c\":3}", 1);
    flush(w, x);
    assert_string_equal(metrics_of(w, "alice", "r"), "1:a=1 2:b=2 3:c=3");
    sample(x, "r", "{\"c\":4,\"a\":5}", 2);
    flush(w, x);
    assert_string_equal(metrics_of(w, "alice", "r"), "1:a=5 3:c=4");
    assert_string_equal(metrics_of(w, "admin", "r"), "1:a=5 3:c=4");
    sample(x, "r", "{\"b\":6,\"a\":5,\"d\":7}", 3);
    flush(w, x);
    assert_string_equal(metrics_of(w, "alice", "r"), "1:a=5 4:b=6 5:d=7");
    topics_free(x);
}

static void test_a_topic_that_is_gone_takes_its_rows_with_it(void **state)
{
    struct world *w = *state;
    struct topics *x = topics_new();
    const struct topic *first;
    uint32_t id;

    sample(x, "r", "{\"a\":1}", 1);
    sample(x, "s", "{\"a\":1}", 1);
    first = topics_find(x, "r");
    id = first->id;
    flush(w, x);
    assert_int_equal(topics_gone(x, 2, "r"), 0); /* another source has no say */
    assert_int_equal(topics_gone(x, 1, "r"), id);
    assert_null(topics_find(x, "r"));
    assert_null(topics_by_id(x, id));
    assert_int_equal(topics_count(x), 1);
    flush(w, x);
    assert_int_equal(count(w, SA_TOPIC), 2);
    assert_int_equal(count(w, SA_METRIC), 2);
    assert_int_equal(topics_gone(x, 1, "r"), 0);
    sample(x, "r", "{\"a\":2}", 2);
    assert_true(topics_find(x, "r")->id > id);
    flush(w, x);
    assert_string_equal(metrics_of(w, "alice", "r"), "1:a=2");
    topics_free(x);
}

/* A reader that comes or goes changes no id, and nobody sees half a topic. */
static void test_other_readers(void **state)
{
    static char bobs[2][33] = {"admin", "bob"};
    static const struct topic_source shared = {1, "router1", bobs, 2};
    struct topics *x = topics_new();
    struct world *w = *state;
    uint32_t id, row;

    sample(x, "r", "{\"a\":1,\"b\":2}", 1);
    flush(w, x);
    id = topics_find(x, "r")->id;
    IN_READ(w, row = row_of(t, "admin", "r"));
    assert_int_equal(topics_set_readers(x, id + 1, &shared), ERR_NOTFOUND);
    assert_int_equal(topics_set_readers(x, id, &shared), 0);
    flush(w, x);
    assert_int_equal(topics_find(x, "r")->id, id);
    IN_READ(w, assert_int_equal(row_of(t, "alice", "r"), 0));
    IN_READ(w, assert_int_equal(row_of(t, "admin", "r"), row));
    IN_READ(w, assert_int_equal(row_of(t, "bob", "r"), row));
    assert_string_equal(metrics_of(w, "bob", "r"), "1:a=1 2:b=2");
    assert_string_equal(metrics_of(w, "admin", "r"), "1:a=1 2:b=2");
    assert_int_equal(count(w, SA_TOPIC), 2);
    assert_int_equal(count(w, SA_METRIC), 4);
    /* There and back before it was written, then gone. */
    assert_int_equal(topics_set_readers(x, id, &router), 0);
    assert_int_equal(topics_set_readers(x, id, &shared), 0);
    assert_int_equal(topics_set_readers(x, id, &router), 0);
    flush(w, x);
    assert_int_equal(count(w, SA_METRIC), 4);
    IN_READ(w, assert_int_equal(row_of(t, "bob", "r"), 0));
    assert_int_equal(topics_set_readers(x, id, &shared), 0);
    assert_int_equal(topics_gone(x, 1, "r"), id);
    flush(w, x);
    assert_int_equal(count(w, SA_TOPIC), 0);
    assert_int_equal(count(w, SA_METRIC), 0);
    topics_free(x);
}

static void test_another_source_cannot_take_a_topic_over(void **state)
{
    struct world *w = *state;
    struct topics *x = topics_new();
    struct topic *t;

    sample(x, "r", "{\"secret\":1}", 1);
    t = topics_sample(x, &other, "r", 2, 2, "{\"other\":2}", 11);
    assert_non_null(t);
    assert_int_equal(t->source, 1);
    assert_int_equal(t->updated_ms, 1);
    flush(w, x);
    assert_string_equal(metrics_of(w, "alice", "r"), "1:secret=1");
    topics_free(x);
}

static void test_a_time_before_all_time(void **state)
{
    struct world *w = *state;
    struct topics *x = topics_new();

    sample(x, "r", "{\"a\":1}", INT64_MIN);
    sample(x, "s", "{\"a\":1}", INT64_MAX);
    flush(w, x);
    assert_int_equal(count(w, SA_TOPIC), 4);
    topics_free(x);
}

/* The poller promises documents; one that breaks the promise must not keep other rows from being
 * written. */
static void test_what_is_no_document_has_no_metrics(void **state)
{
    struct world *w = *state;
    struct topics *x = topics_new();

    sample(x, "r", "{\"a\":1}", 1);
    flush(w, x);
    sample(x, "r", "{\"a\":", 2);
    flush(w, x);
    assert_string_equal(metrics_of(w, "alice", "r"), "");
    sample(x, "r", "{\"a\":2}", 3);
    flush(w, x);
    assert_string_equal(metrics_of(w, "alice", "r"), "2:a=2");
    topics_free(x);
}

/* ---- restarts ---- */

static void test_a_restart_keeps_ids_and_drops_old_samples(void **state)
{
    struct world *w = *state;
    struct topics *x = topics_new();
    uint32_t r, s;
    struct txn *t;

    sample(x, "r", "{\"a\":1}", 1);
    sample(x, "s", "{\"a\":1}", 1);
    flush(w, x);
    topics_free(x);
    t = txn_begin(w->store, TXN_WRITE_SAMPLES);
    r = row_of(t, "alice", "r");
    s = row_of(t, "alice", "s");
    x = topics_new();
    assert_int_equal(topics_load(x, t), 0);
    done(t);
    assert_int_equal(count(w, SA_TOPIC), 0);
    assert_int_equal(count(w, SA_METRIC), 0);
    sample(x, "new", "{\"a\":1}", 2);
    sample(x, "s", "{\"a\":1}", 2);
    flush(w, x);
    t = txn_begin(w->store, TXN_READ);
    assert_int_equal(row_of(t, "alice", "r"), 0);
    assert_int_equal(row_of(t, "alice", "s"), s);
    assert_true(row_of(t, "alice", "new") > r && row_of(t, "alice", "new") > s);
    txn_abort(t);
    topics_free(x);
}

static void test_gone_and_back_before_it_was_written(void **state)
{
    struct world *w = *state;
    struct topics *x = topics_new();
    struct txn *t;

    sample(x, "r", "{\"a\":1}", 1);
    flush(w, x);
    topics_free(x);
    x = topics_new();
    t = txn_begin(w->store, TXN_WRITE_SAMPLES);
    assert_int_equal(topics_load(x, t), 0);
    done(t);
    /* Both have the row that is known from before. */
    sample(x, "r", "{\"a\":2}", 2);
    flush(w, x);
    topics_gone(x, 1, "r");
    sample(x, "r", "{\"a\":3}", 3);
    flush(w, x);
    assert_string_equal(metrics_of(w, "alice", "r"), "1:a=3");
    sample(x, "r", "{\"a\":3}", 4);
    flush(w, x);
    assert_string_equal(metrics_of(w, "alice", "r"), "1:a=3");
    topics_free(x);
}

static void test_what_was_not_committed_is_written_again(void **state)
{
    struct world *w = *state;
    struct topics *x = topics_new();
    uint32_t r, s;
    struct txn *t;

    sample(x, "gone", "{\"a\":0}", 1);
    flush(w, x);
    topics_gone(x, 1, "gone");
    sample(x, "r", "{\"a\":1}", 1);
    t = txn_begin(w->store, TXN_WRITE_SAMPLES);
    assert_int_equal(topics_flush(x, t), 0);
    txn_abort(t);
    topics_flushed(x, false);
    assert_true(topics_dirty(x));
    sample(x, "s", "{\"b\":2}", 1);
    flush(w, x);
    assert_string_equal(metrics_of(w, "alice", "r"), "1:a=1");
    assert_string_equal(metrics_of(w, "alice", "s"), "1:b=2");
    t = txn_begin(w->store, TXN_READ);
    r = row_of(t, "alice", "r");
    s = row_of(t, "alice", "s");
    assert_int_not_equal(r, s);
    assert_int_equal(row_of(t, "alice", "gone"), 0);
    txn_abort(t);
    topics_free(x);
}

/* ---- how much is written ---- */

static void test_an_unchanged_document_writes_one_row_a_reader(void **state)
{
    struct world *w = *state;
    struct topics *x = topics_new();
    struct txn *t;
    struct key k;
    struct edit d;

    sample(x, "r", "{\"a\":1}", 1);
    flush(w, x);
    /* A mark in the metric's row that a second writing would take away. */
    t = txn_begin(w->store, TXN_WRITE_SAMPLES);
    k = key_of_id("alice", row_of(t, "alice", "r"));
    key_u32(&k, 1);
    edit_begin(&d, t, sa_table_by_id(SA_METRIC), &k);
    edit_str(&d, METRIC_TEXT, "mark");
    assert_int_equal(row_put(&d, NULL), 0);
    done(t);
    sample(x, "r", "{\"a\":1}", 2);
    flush(w, x);
    assert_string_equal(metrics_of(w, "alice", "r"), "1:a=mark");
    t = txn_begin(w->store, TXN_READ);
    assert_int_equal(
        cell_of(t, SA_TOPIC, key_of_id("alice", row_of(t, "alice", "r")), TOPIC_UPDATED), 2);
    txn_abort(t);
    sample(x, "r", "{\"a\":2}", 3);
    flush(w, x);
    assert_string_equal(metrics_of(w, "alice", "r"), "1:a=2");
    topics_free(x);
}

/* ---- the map ---- */

static void add_one(void *arg, struct topic *t)
{
    (void)t;
    ++*(size_t *)arg;
}

static void test_many_come_and_go(void **state)
{
    enum { N = 400, STEPS = 40000 };
    struct topics *x = topics_new();
    struct world *w = *state;
    static bool there[N];
    uint64_t seed = 5;
    size_t n = 0, seen = 0;

    memset(there, 0, sizeof there);
    for (int step = 0; step < STEPS; step++) {
        uint32_t i = dice(&seed, N);
        char name[16];

        snprintf(name, sizeof name, "t%u", i);
        if (dice(&seed, 2)) {
            sample(x, name, "{\"a\":1}", step);
            n += !there[i];
            there[i] = true;
        } else {
            assert_int_equal(topics_gone(x, 1, name) != 0, there[i]);
            n -= there[i];
            there[i] = false;
        }
        assert_int_equal(topics_count(x), n);
        assert_int_equal(topics_find(x, name) != NULL, there[i]);
        if (step % 4000 == 0) {
            flush(w, x);
            assert_int_equal(count(w, SA_TOPIC), 2 * n);
            assert_int_equal(count(w, SA_METRIC), 2 * n);
        }
    }
    for (uint32_t i = 0; i < N; i++) {
        char name[16];

        snprintf(name, sizeof name, "t%u", i);
        assert_int_equal(topics_find(x, name) != NULL, there[i]);
        if (there[i])
            assert_ptr_equal(topics_by_id(x, topics_find(x, name)->id), topics_find(x, name));
    }
    topics_each(x, add_one, &seen);
    assert_int_equal(seen, n);
    topics_free(x); /* with much that was never flushed */
}

/* ---- leaves ---- */

static int list_metric(void *arg, const struct metric *m)
{
    char *text = arg;

    assert_true(utf8_valid(m->path, strlen(m->path)) && utf8_valid(m->text, strlen(m->text)));
    snprintf(text + strlen(text), 4096 - strlen(text), "%s=%d:%s:%lld:%lld|", m->path, m->type,
             m->text, (long long)m->integer, (long long)m->gauge);
    return 0;
}

static void test_leaves(void **state)
{
    static const struct {
        const char *json, *want;
    } cases[] = {
        {"5", "=3:5:5:5|"},
        {"null", "=1::0:0|"},
        {"{}", ""},
        {"[]", ""},
        {"[[],{},{\"a\":[]}]", ""},
        {"{\"a\":null,\"b\":true,\"c\":false}", "a=1::0:0|b=2:true:1:1|c=2:false:0:0|"},
        {"{\"a\":{\"b\":{\"c\":1}}}", "a.b.c=3:1:1:1|"},
        {"[1,[2,3]]", "[0]=3:1:1:1|[1][0]=3:2:2:2|[1][1]=3:3:3:3|"},
        {"{\"apps\":[{\"state\":\"UP\"},{\"state\":\"DOWN\"}]}",
         "apps[0].state=4:UP:0:0|apps[1].state=4:DOWN:0:0|"},
        {"[2147483647,2147483648,-2147483648,-2147483649]",
         "[0]=3:2147483647:2147483647:2147483647|[1]=3:2147483648:2147483647:2147483648|"
         "[2]=3:-2147483648:-2147483648:0|[3]=3:-2147483649:-2147483648:0|"},
        {"9223372036854775807", "=3:9223372036854775807:2147483647:9223372036854775807|"},
        {"-5", "=3:-5:-5:0|"},
        {"[1.5,2.4,-1.5,-0.4]", "[0]=3:1.5:2:2|[1]=3:2.4:2:2|[2]=3:-1.5:-2:0|[3]=3:-0.4:0:0|"},
        {"[0.1,1e300,-1e300]", "[0]=3:0.1:0:0|[1]=3:1e+300:2147483647:9223372036854775807|"
                               "[2]=3:-1e+300:-2147483648:0|"},
        {"{\"a b\":\"l\\u00e4nge\",\"\\u20ac\":\"x\\ny\"}", "a b=4:l\xc3\xa4nge:0:0|"
                                                            "\xe2\x82\xac=4:x y:0:0|"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        char got[4096] = "";

        print_message("%s\n", cases[i].json);
        assert_int_equal(metrics_each(cases[i].json, strlen(cases[i].json), list_metric, got), 0);
        assert_string_equal(got, cases[i].want);
    }
}

static void test_what_is_no_document(void **state)
{
    static const char *const cases[] = {"", "{", "nul", "{\"a\":}", "[1,]"};

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++)
        assert_int_equal(metrics_each(cases[i], strlen(cases[i]), list_metric, NULL), ERR_SYNTAX);
}

static int count_metric(void *arg, const struct metric *m)
{
    (void)m;
    ++*(int *)arg;
    return 0;
}

static int refuse_third(void *arg, const struct metric *m)
{
    (void)m;
    return ++*(int *)arg == 3 ? ERR_NOMEM : 0;
}

static void test_so_many_leaves_and_no_more(void **state)
{
    static char json[32768];
    size_t at = 0;
    int n = 0;

    (void)state;
    at += (size_t)snprintf(json, sizeof json, "[[],{\"x\":[");
    for (int i = 0; i < TOPIC_METRICS_MAX + 500; i++)
        at += (size_t)snprintf(json + at, sizeof json - at, "%s%d", i ? "," : "", i);
    at += (size_t)snprintf(json + at, sizeof json - at, "]},1,2]");
    assert_int_equal(metrics_each(json, at, count_metric, &n), 0);
    assert_int_equal(n, TOPIC_METRICS_MAX);
    n = 0;
    assert_int_equal(metrics_each(json, at, refuse_third, &n), ERR_NOMEM);
    assert_int_equal(n, 3);
}

static void test_long_paths_are_left_out(void **state)
{
    char json[1024], name[300], got[4096];

    (void)state;
    for (size_t len = 254; len <= 257; len++) {
        memset(name, 'n', len);
        name[len] = 0;
        snprintf(json, sizeof json, "{\"%s\":1,\"after\":{\"x\":2}}", name);
        got[0] = 0;
        assert_int_equal(metrics_each(json, strlen(json), list_metric, got), 0);
        assert_int_equal(!strncmp(got, name, len), len <= TOPIC_PATH_MAX);
        assert_non_null(strstr(got, "after.x=3:2:2:2|"));
    }
}

static void test_long_texts_are_cut_between_characters(void **state)
{
    char json[1200] = "\"x";
    char got[4096] = "";

    (void)state;
    for (int i = 0; i < 300; i++)
        strcat(json, "\xe2\x82\xac");
    strcat(json, "\"");
    assert_int_equal(metrics_each(json, strlen(json), list_metric, got), 0);
    assert_int_equal(strlen(got), strlen("=4:x:0:0|") + 84 * 3);
}

static void test_a_long_document_shows_its_head(void **state)
{
    struct world *w = *state;
    struct topics *x = topics_new();
    static char json[4096] = "\"x";
    struct txn *t;

    for (int i = 0; i < 1000; i++)
        strcat(json, "\xe2\x82\xac");
    strcat(json, "\"");
    sample(x, "r", json, 1);
    flush(w, x);
    t = txn_begin(w->store, TXN_READ);
    assert_int_equal(
        strlen(text_of(t, SA_TOPIC, key_of_id("alice", row_of(t, "alice", "r")), TOPIC_HEAD)),
        2 + 340 * 3);
    txn_abort(t);
    topics_free(x);
}

#define IN_WORLD(test) cmocka_unit_test_setup_teardown(test, world_setup, world_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_WORLD(test_rows_stand_under_each_reader),
        IN_WORLD(test_metrics_keep_their_ids),
        IN_WORLD(test_a_topic_that_is_gone_takes_its_rows_with_it),
        IN_WORLD(test_other_readers),
        IN_WORLD(test_another_source_cannot_take_a_topic_over),
        IN_WORLD(test_a_time_before_all_time),
        IN_WORLD(test_what_is_no_document_has_no_metrics),
        IN_WORLD(test_a_restart_keeps_ids_and_drops_old_samples),
        IN_WORLD(test_gone_and_back_before_it_was_written),
        IN_WORLD(test_what_was_not_committed_is_written_again),
        IN_WORLD(test_an_unchanged_document_writes_one_row_a_reader),
        IN_WORLD(test_many_come_and_go),
        cmocka_unit_test(test_leaves),
        cmocka_unit_test(test_what_is_no_document),
        cmocka_unit_test(test_so_many_leaves_and_no_more),
        cmocka_unit_test(test_long_paths_are_left_out),
        cmocka_unit_test(test_long_texts_are_cut_between_characters),
        IN_WORLD(test_a_long_document_shows_its_head),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
