#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <stdio.h>

#include "base/clock.h"
#include "snmp/resolve.h"

static const struct {
    const char *host, *text; /* text NULL: not numeric */
} numeric[] = {
    {"127.0.0.1", "127.0.0.1:161"},
    {"::1", "[::1]:161"},
    {"[2001:db8::1]", "[2001:db8::1]:161"},
    {"2001:DB8:0:0::1", "[2001:db8::1]:161"},
    {"::ffff:192.0.2.1", "[::ffff:192.0.2.1]:161"},
    {"127.1", NULL},
    {"1", NULL},
    {"localhost", NULL},
    {"[127.0.0.1]", NULL},
    {"[::1", NULL},
    {"", NULL},
    {"[]", NULL},
    {":", NULL},
    {"192.0.2.1:161", NULL},
};

static void test_numeric(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof numeric / sizeof *numeric; i++) {
        struct address a;
        char text[ADDRESS_TEXT_MAX];
        assert_int_equal(address_parse(&a, numeric[i].host, 161), numeric[i].text != NULL);
        if (!numeric[i].text)
            continue;
        address_text(&a, text);
        assert_string_equal(text, numeric[i].text);
    }
}

static void test_choose(void **state)
{
    static const char *const hosts[] = {"::1", "192.0.2.1", "2001:db8::1", "192.0.2.2"};
    static const size_t order[] = {1, 3, 0, 2, 1, 3};
    struct address a[4];
    (void)state;
    for (size_t i = 0; i < 4; i++)
        assert_true(address_parse(&a[i], hosts[i], 162));
    for (unsigned i = 0; i < sizeof order / sizeof *order; i++)
        assert_ptr_equal(address_choose(a, 4, i), &a[order[i]]);
    assert_ptr_equal(address_choose(a, 1, 7), &a[0]);
}

struct world {
    struct loop *loop;
    struct resolver *resolver;
    int calls, result;
    size_t n;
    struct address first;
    char why[128];
    bool free_inside;
};

static int set_up(void **state)
{
    static struct world w;
    w = (struct world){.result = 1};
    w.loop = loop_new();
    w.resolver = resolver_new(w.loop);
    assert_non_null(w.resolver);
    *state = &w;
    return 0;
}

static int tear_down(void **state)
{
    struct world *w = *state;
    resolver_free(w->resolver);
    loop_free(w->loop);
    return 0;
}

static void on_done(void *arg, int result, const struct address *addresses, size_t n,
                    const char *why)
{
    struct world *w = arg;
    w->calls++;
    w->result = result;
    w->n = n;
    snprintf(w->why, sizeof w->why, "%s", why);
    if (n)
        w->first = addresses[0];
    if (w->free_inside) {
        resolver_free(w->resolver);
        w->resolver = NULL;
    }
}

static void turn_until(struct world *w, int calls)
{
    int64_t end = clock_mono_ms() + 30000;
    while (w->calls < calls && clock_mono_ms() < end)
        assert_true(loop_turn(w->loop, 50) >= 0);
    assert_int_equal(w->calls, calls);
}

static struct lookup *start(struct world *w, const char *host)
{
    struct lookup *l = NULL;
    assert_int_equal(resolve_start(&l, w->resolver, host, 161, on_done, w, NULL), 0);
    assert_non_null(l);
    return l;
}

static void test_numeric_is_answered_soon_but_later(void **state)
{
    struct world *w = *state;
    char text[ADDRESS_TEXT_MAX];
    start(w, "192.0.2.7");
    assert_int_equal(w->calls, 0);
    turn_until(w, 1);
    assert_int_equal(w->result, 0);
    assert_int_equal(w->n, 1);
    address_text(&w->first, text);
    assert_string_equal(text, "192.0.2.7:161");
}

static void test_localhost(void **state)
{
    struct world *w = *state;
    char text[ADDRESS_TEXT_MAX];
    start(w, "localhost");
    turn_until(w, 1);
    assert_int_equal(w->result, 0);
    assert_in_range(w->n, 1, RESOLVE_ADDRESSES_MAX);
    address_text(&w->first, text);
    assert_true(!strcmp(text, "127.0.0.1:161") || !strcmp(text, "[::1]:161"));
}

/* RFC 6761: names below "invalid" never exist; without a network the servers are silent. */
static void test_unknown(void **state)
{
    struct world *w = *state;
    start(w, "no-such-host.invalid");
    turn_until(w, 1);
    assert_true(w->result == ERR_NOTFOUND || w->result == ERR_TEMPORARY);
    assert_true(*w->why);
}

/* More than there may be threads; all are answered, none twice. */
static void test_many(void **state)
{
    struct world *w = *state;
    for (int i = 0; i < 3 * RESOLVE_LOOKUPS_MAX; i++)
        start(w, i % 2 ? "localhost" : "127.0.0.1");
    turn_until(w, 3 * RESOLVE_LOOKUPS_MAX);
    loop_turn(w->loop, 10);
    assert_int_equal(w->calls, 3 * RESOLVE_LOOKUPS_MAX);
}

static void test_cancel(void **state)
{
    struct world *w = *state;
    struct lookup *numeric_one = start(w, "192.0.2.1"), *running = start(w, "localhost");
    struct lookup *waiting = NULL;
    for (int i = 0; i < RESOLVE_LOOKUPS_MAX; i++)
        waiting = start(w, "localhost");
    resolve_cancel(numeric_one);
    resolve_cancel(running);
    resolve_cancel(waiting);
    turn_until(w, RESOLVE_LOOKUPS_MAX - 1);
    for (int i = 0; i < 3; i++)
        loop_turn(w->loop, 10);
    assert_int_equal(w->calls, RESOLVE_LOOKUPS_MAX - 1);
}

/* On a fake clock, so that no name server is fast enough. */
static void test_deadline(void **state)
{
    struct world *w = *state;
    int64_t wall_ms = 1795216655000, mono_ms = 1000;
    clock_fake(&wall_ms, &mono_ms);
    for (int i = 0; i < 2 * RESOLVE_LOOKUPS_MAX; i++) /* running and waiting ones */
        start(w, "no-such-host.invalid");
    mono_ms += RESOLVE_LONGEST_MS;
    loop_turn(w->loop, 0);
    clock_fake(NULL, NULL);
    assert_int_equal(w->calls, 2 * RESOLVE_LOOKUPS_MAX);
    assert_int_equal(w->result, ERR_TEMPORARY);
    for (int i = 0; i < 3; i++)
        loop_turn(w->loop, 10);
    assert_int_equal(w->calls, 2 * RESOLVE_LOOKUPS_MAX);
}

static void test_free_while_running(void **state)
{
    struct world *w = *state;
    for (int i = 0; i < 8; i++)
        start(w, "no-such-host.invalid");
    resolver_free(w->resolver);
    w->resolver = NULL;
    loop_turn(w->loop, 10);
    assert_int_equal(w->calls, 0);
}

static void test_free_inside(void **state)
{
    struct world *w = *state;
    w->free_inside = true;
    start(w, "192.0.2.1");
    start(w, "192.0.2.2");
    turn_until(w, 1);
    loop_turn(w->loop, 10);
    assert_int_equal(w->calls, 1);
}

static void test_refused(void **state)
{
    static const char *const hosts[] = {"", "a b", "host;rm", "h\xc3\xb6st", "host/path", "a:b"};
    char long_name[RESOLVE_NAME_MAX + 2];
    struct world *w = *state;
    struct lookup *l = NULL;
    struct err e;
    for (size_t i = 0; i < sizeof hosts / sizeof *hosts; i++)
        assert_int_equal(resolve_start(&l, w->resolver, hosts[i], 1, on_done, w, &e), ERR_INVALID);
    memset(long_name, 'a', sizeof long_name - 1);
    long_name[sizeof long_name - 1] = 0;
    assert_int_equal(resolve_start(&l, w->resolver, long_name, 1, on_done, w, &e), ERR_INVALID);
    assert_null(l);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_numeric),
        cmocka_unit_test(test_choose),
        TEST(test_numeric_is_answered_soon_but_later),
        TEST(test_localhost),
        TEST(test_unknown),
        TEST(test_many),
        TEST(test_cancel),
        TEST(test_deadline),
        TEST(test_free_while_running),
        TEST(test_free_inside),
        TEST(test_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
