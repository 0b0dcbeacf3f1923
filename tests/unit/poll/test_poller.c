/* The stage on a fake clock. The sources have nothing to poll, so each poll ends at once with a
 * status, and hours of schedule pass in milliseconds. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/log.h"
#include "mibs/schema.h"
#include "poll/poll.h"

enum { SOURCES = 100, INTERVAL_MS = 10000, POLLS_MAX = 64 };

static const struct kind *const kind_list[] = {&poll_kind_snmp, &poll_kind_http};
static const struct kinds kinds = {kind_list, 2};

struct world {
    struct loop *loop;
    struct poller *poller;
    struct chan *core, *stage;
    int64_t polls[SOURCES + 1][POLLS_MAX]; /* when, by source */
    int n[SOURCES + 1];
    char error[256];
    uint8_t status;
};

static int64_t wall_ms = 1795216655000, mono_ms = 1000000;

static int on_status(void *arg, uint16_t type, const uint8_t *payload, size_t len, const int *fds,
                     int nfds)
{
    struct world *w = arg;
    struct poll_status s;
    struct rd r;
    (void)fds;
    (void)nfds;
    assert_int_equal(type, POLL_STATUS);
    rd_init(&r, payload, len);
    assert_int_equal(poll_status_read(&s, &r), 0);
    assert_in_range(s.source, 1, SOURCES);
    assert_true(w->n[s.source] < POLLS_MAX);
    w->polls[s.source][w->n[s.source]++] = mono_ms;
    w->status = s.status;
    memcpy(w->error, s.error, sizeof w->error);
    return 0;
}

static int on_frame(void *arg, uint16_t type, const uint8_t *payload, size_t len, const int *fds,
                    int nfds)
{
    struct world *w = arg;
    (void)fds;
    (void)nfds;
    return poller_frame(w->poller, type, payload, len);
}

static void on_close(void *arg, int code)
{
    (void)arg;
    fail_msg("channel closed: %s", err_name(code));
}

static int set_up(void **state)
{
    struct world *w = calloc(1, sizeof *w);
    struct chan_options core = {.on_frame = on_status, .on_close = on_close, .arg = w};
    struct chan_options stage = {.on_frame = on_frame, .on_close = on_close, .arg = w};
    int ends[2];
    log_open("test", LOG_LEVEL_ERROR);
    clock_fake(&wall_ms, &mono_ms);
    w->loop = loop_new();
    assert_int_equal(poller_new(&w->poller, w->loop, &kinds, NULL), 0);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    w->core = chan_new(w->loop, ends[0], &core);
    w->stage = chan_new(w->loop, ends[1], &stage);
    poller_set_core(w->poller, w->stage);
    *state = w;
    return 0;
}

static int tear_down(void **state)
{
    struct world *w = *state;
    poller_free(w->poller);
    chan_free(w->core);
    chan_free(w->stage);
    loop_free(w->loop);
    clock_fake(NULL, NULL);
    free(w);
    return 0;
}

/* Until nothing more happens at this instant. */
static void settle(struct world *w)
{
    for (int i = 0; i < 4; i++)
        assert_true(loop_turn(w->loop, 0) >= 0);
}

static void advance(struct world *w, int64_t ms, int64_t step)
{
    for (int64_t end = mono_ms + ms; mono_ms < end;) {
        mono_ms += step;
        wall_ms += step;
        settle(w);
    }
}

static void send_source(struct world *w, uint32_t id, const char *name, uint32_t interval_ms)
{
    struct poll_source s = {.id = id, .kind = &poll_kind_snmp, .interval_ms = interval_ms};
    const struct property *p = poll_kind_snmp.properties;
    size_t n = poll_kind_snmp.nproperties;
    struct buf b;
    buf_init(&b, 4096);
    snprintf(s.name, sizeof s.name, "%s", name);
    assert_int_equal(values_set(&s.values, property_find(p, n, "host"), "127.0.0.1", NULL), 0);
    assert_int_equal(values_set(&s.values, property_find(p, n, "community"), "public", NULL), 0);
    poll_source_write(&s, &b);
    assert_int_equal(chan_send(w->core, POLL_SOURCE, b.data, b.len), 0);
    poll_source_release(&s);
    buf_release(&b);
    settle(w);
}

static void send_id(struct world *w, uint16_t type, uint32_t id)
{
    uint8_t payload[4];
    put_u32(payload, id);
    assert_int_equal(chan_send(w->core, type, payload, sizeof payload), 0);
    settle(w);
}

static void check_rhythm(const struct world *w, uint32_t id, int64_t began)
{
    const int64_t *at = w->polls[id];
    assert_in_range(w->n[id], 10, 12);
    assert_true(at[0] - began <= 1000 + 20);
    assert_true(at[1] - at[0] >= INTERVAL_MS / 2 - 20);
    assert_true(at[1] - at[0] <= INTERVAL_MS * 3 / 2 + 20);
    for (int i = 2; i < w->n[id]; i++)
        assert_true(labs(at[i] - at[i - 1] - INTERVAL_MS) <= 20);
}

static void test_rhythm(void **state)
{
    struct world *w = *state;
    int per_second[10] = {0};
    char name[16];
    for (uint32_t id = 1; id <= SOURCES; id++) {
        snprintf(name, sizeof name, "source%u", id);
        send_source(w, id, name, INTERVAL_MS);
    }
    int64_t began = mono_ms;
    advance(w, 106000, 20);
    for (uint32_t id = 1; id <= SOURCES; id++) {
        check_rhythm(w, id, began);
        per_second[w->polls[id][5] / 1000 % 10]++;
    }
    for (int i = 0; i < 10; i++)
        assert_true(per_second[i] <= 3 * SOURCES / 10); /* no burst */
    assert_int_equal(w->status, STATUS_FAILING);
    assert_non_null(strstr(w->error, "nothing to poll"));
}

static void test_now(void **state)
{
    struct world *w = *state;
    send_source(w, 1, "one", INTERVAL_MS);
    advance(w, 25000, 10);
    int before = w->n[1];
    mono_ms += 10;
    int64_t asked = mono_ms;
    send_id(w, POLL_NOW, 1);
    assert_int_equal(w->n[1], before + 1);
    assert_true(w->polls[1][before] == asked);
    advance(w, INTERVAL_MS + 100, 10);
    assert_int_equal(w->n[1], before + 2); /* the interval began anew */
    assert_true(labs(w->polls[1][before + 1] - asked - INTERVAL_MS) <= 10);
    send_id(w, POLL_NOW, 99); /* nobody: no harm */
}

static void test_gone_and_replaced(void **state)
{
    struct world *w = *state;
    send_source(w, 1, "one", INTERVAL_MS);
    send_source(w, 2, "two", INTERVAL_MS);
    advance(w, 21000, 20);
    send_id(w, POLL_SOURCE_GONE, 1);
    int one = w->n[1], two = w->n[2];
    send_source(w, 2, "two", 1000);
    advance(w, 10000, 20);
    assert_int_equal(w->n[1], one);
    assert_in_range(w->n[2] - two, 9, 11);
}

static void test_core_restarted(void **state)
{
    struct world *w = *state;
    send_source(w, 1, "one", 1000);
    advance(w, 3000, 20);
    poller_set_core(w->poller, NULL);
    int before = w->n[1];
    advance(w, 5000, 20);
    assert_int_equal(w->n[1], before);
    poller_set_core(w->poller, w->stage);
    advance(w, 5000, 20);
    assert_int_equal(w->n[1], before); /* until the core sends it again */
    send_source(w, 1, "one", 1000);
    advance(w, 5000, 20);
    assert_true(w->n[1] > before + 2);
}

static void test_bad_frames(void **state)
{
    struct world *w = *state;
    static const uint8_t bytes[64] = {0};
    assert_int_equal(poller_frame(w->poller, 99, bytes, 0), ERR_PROTOCOL);
    for (size_t len = 0; len < sizeof bytes; len++) {
        assert_int_equal(poller_frame(w->poller, POLL_SOURCE, bytes, len), ERR_PROTOCOL);
        if (len != 4) {
            assert_int_equal(poller_frame(w->poller, POLL_SOURCE_GONE, bytes, len), ERR_PROTOCOL);
            assert_int_equal(poller_frame(w->poller, POLL_NOW, bytes, len), ERR_PROTOCOL);
        }
    }
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_rhythm),         TEST(test_now),        TEST(test_gone_and_replaced),
        TEST(test_core_restarted), TEST(test_bad_frames),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
