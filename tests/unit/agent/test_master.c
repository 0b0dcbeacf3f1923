/* The search for a master agent, of which the test plays the part, on a fake clock. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "agent/master.h"
#include "base/clock.h"

enum { PING_LEN = 20 };

static struct world {
    int64_t wall, mono;
    struct loop *loop;
    struct master_search *search;
    char folder[32], address[64];
    int found, listener;
} w;

static void on_found(void *arg)
{
    (void)arg;
    w.found++;
}

static int set_up(void **state)
{
    (void)state;
    memset(&w, 0, sizeof(w));
    strcpy(w.folder, "/tmp/test_master.XXXXXX");
    assert_non_null(mkdtemp(w.folder));
    snprintf(w.address, sizeof(w.address), "unix:%s/agentx", w.folder);
    w.mono = 1000;
    clock_fake(&w.wall, &w.mono);
    w.listener = -1;
    w.loop = loop_new();
    w.search = master_search_new(w.loop, w.address, on_found, NULL);
    assert_non_null(w.search);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    master_search_free(w.search);
    loop_free(w.loop);
    clock_fake(NULL, NULL);
    if (w.listener >= 0)
        close(w.listener);
    unlink(w.address + strlen("unix:"));
    rmdir(w.folder);
    return 0;
}

/* ---- the master's part ---- */

static void listen_at(const char *address, int queue)
{
    struct sockaddr_storage at;
    unsigned len;
    struct err e;

    assert_int_equal(master_address(address, &at, &len, &e), 0);
    w.listener = socket(at.ss_family, SOCK_STREAM | SOCK_NONBLOCK, 0);
    assert_int_equal(bind(w.listener, (struct sockaddr *)&at, len), 0);
    assert_int_equal(listen(w.listener, queue), 0);
}

static void turns(int n)
{
    while (n-- > 0)
        assert_int_equal(loop_turn(w.loop, 0), 0);
}

static void later(int64_t ms)
{
    w.mono += ms;
    turns(4);
}

static int taken(void)
{
    return accept(w.listener, NULL, NULL);
}

static void answer(int fd, const void *octets, size_t len)
{
    uint8_t asked[PING_LEN + 1];

    assert_int_equal(recv(fd, asked, sizeof(asked), 0), PING_LEN);
    assert_int_equal(asked[0], 1);
    assert_int_equal(asked[1], 13);
    assert_int_equal(send(fd, octets, len, 0), (ssize_t)len);
    turns(2);
}

/* notOpen, as snmpd answers a Ping of no session */
static const uint8_t pong[] = {1, 18, 0x10, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
                               0, 1,  0,    0, 0, 8, 0, 0, 0, 0, 1, 1, 0, 0};

/* ---- tests ---- */

static void test_finds_one_that_answers(void **state)
{
    int fd;
    char end;

    (void)state;
    listen_at(w.address, 5);
    master_search_start(w.search, 0);
    turns(4);
    fd = taken();
    assert_int_equal(w.found, 0);
    answer(fd, pong, sizeof(pong));
    assert_int_equal(w.found, 1);
    assert_true(recv(fd, &end, 1, 0) <= 0); /* it is let go of */
    close(fd);
    later(60 * 1000);
    assert_int_equal(w.found, 1);
    assert_int_equal(taken(), -1);
}

static void test_an_answer_in_pieces(void **state)
{
    int fd;

    (void)state;
    listen_at(w.address, 5);
    master_search_start(w.search, 0);
    turns(4);
    fd = taken();
    answer(fd, pong, 1);
    send(fd, pong + 1, 12, 0);
    turns(2);
    assert_int_equal(w.found, 0);
    send(fd, pong + 13, sizeof(pong) - 13, 0);
    turns(2);
    assert_int_equal(w.found, 1);
    close(fd);
}

static void test_comes_later(void **state)
{
    int fd;

    (void)state;
    master_search_start(w.search, 0);
    turns(4);
    listen_at(w.address, 5);
    later(MASTER_AGAIN_MS - 1);
    assert_int_equal(taken(), -1);
    later(1);
    fd = taken();
    answer(fd, pong, sizeof(pong));
    assert_int_equal(w.found, 1);
    close(fd);
}

/* However long it is stopped, one connection waits in its queue. */
static void test_one_that_is_silent_is_waited_for(void **state)
{
    int fd;

    (void)state;
    listen_at(w.address, 5);
    master_search_start(w.search, 0);
    for (int i = 0; i < 100; i++)
        later(MASTER_SILENT_MS);
    fd = taken();
    assert_true(fd >= 0);
    assert_int_equal(taken(), -1);
    answer(fd, pong, sizeof(pong));
    assert_int_equal(w.found, 1);
    close(fd);
}

static void test_what_is_no_master_is_asked_again(void **state)
{
    static const char *const words[] = {"220 mail.example.net\r\n", "\1\15xxxxxxxxxxxxxxxxxx", ""};

    (void)state;
    listen_at(w.address, 5);
    master_search_start(w.search, 0);
    turns(4);
    for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++) {
        int fd = taken();

        assert_true(fd >= 0);
        answer(fd, words[i], strlen(words[i]));
        close(fd);
        turns(2);
        assert_int_equal(w.found, 0);
        later(MASTER_AGAIN_MS);
    }
}

static void test_a_full_queue_is_tried_again(void **state)
{
    int others[2], fd, n = 0;
    struct sockaddr_storage at;
    unsigned len;
    struct err e;

    (void)state;
    listen_at(w.address, 0);
    assert_int_equal(master_address(w.address, &at, &len, &e), 0);
    for (size_t i = 0; i < 2; i++) {
        others[i] = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
        n += connect(others[i], (struct sockaddr *)&at, len) == 0;
    }
    assert_int_equal(n, 1);
    master_search_start(w.search, 0);
    turns(4);
    close(taken());
    later(MASTER_AGAIN_MS);
    fd = taken();
    answer(fd, pong, sizeof(pong));
    assert_int_equal(w.found, 1);
    close(fd);
    close(others[0]);
    close(others[1]);
}

static void test_by_tcp(void **state)
{
    struct sockaddr_in at;
    socklen_t len = sizeof(at);
    char address[64];
    int fd;

    (void)state;
    listen_at("tcp:127.0.0.1:0", 5);
    assert_int_equal(getsockname(w.listener, (struct sockaddr *)&at, &len), 0);
    snprintf(address, sizeof(address), "tcp:127.0.0.1:%u", (unsigned)ntohs(at.sin_port));
    master_search_free(w.search);
    w.search = master_search_new(w.loop, address, on_found, NULL);
    master_search_start(w.search, 0);
    turns(4);
    fd = taken();
    answer(fd, pong, sizeof(pong));
    assert_int_equal(w.found, 1);
    close(fd);
}

static void test_a_form_that_only_net_snmp_knows(void **state)
{
    (void)state;
    master_search_free(w.search);
    w.search = master_search_new(w.loop, "ssh:example.net", on_found, NULL);
    master_search_start(w.search, 0);
    turns(2);
    assert_int_equal(w.found, 1);
}

static void test_addresses(void **state)
{
    static const struct {
        const char *text;
        int code, family, port;
    } cases[] = {
        {"unix:/var/agentx/master", 0, AF_UNIX, 0},
        {"/var/agentx/master", 0, AF_UNIX, 0},
        {"tcp:127.0.0.1:705", 0, AF_INET, 705},
        {"tcp:705", 0, AF_INET, 705},
        {"tcp6:[::1]:705", 0, AF_INET6, 705},
        {"tcp:127.0.0.1:agentx", ERR_UNSUPPORTED, 0, 0},
        {"tcp:127.0.0.1:", ERR_UNSUPPORTED, 0, 0},
        {"tcp:no.such.host.invalid:705", ERR_NOTFOUND, 0, 0},
        {"localhost:705", ERR_UNSUPPORTED, 0, 0},
        {"", ERR_UNSUPPORTED, 0, 0},
    };
    char path[200];
    struct sockaddr_storage at;
    unsigned len;
    struct err e;

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        assert_int_equal(master_address(cases[i].text, &at, &len, &e), cases[i].code);
        if (cases[i].code)
            continue;
        assert_int_equal(at.ss_family, cases[i].family);
        if (cases[i].port) /* at the same place for both families */
            assert_int_equal(ntohs(((struct sockaddr_in *)&at)->sin_port), cases[i].port);
    }
    memset(path, 'x', sizeof(path));
    path[0] = '/';
    path[sizeof(path) - 1] = '\0';
    assert_int_equal(master_address(path, &at, &len, &e), ERR_UNSUPPORTED);
}

static void test_advice(void **state)
{
    static const struct {
        const char *address;
        int err_no;
        const char *words;
    } cases[] = {
        {"unix:/x/master", EACCES, "agentXPerms 0600 0755 alice"},
        {"/x/master", ENOENT, "'agentXSocket /x/master'"},
        {"unix:/x/master", ENOENT, "'master agentx'"},
        {"unix:/x/master", ECONNREFUSED, "snmpd has ended"},
        {"tcp:localhost:705", ECONNREFUSED, "'agentXSocket tcp:localhost:705'"},
        {"tcp:localhost:705", ENETUNREACH, "unreachable"},
    };
    char text[400];

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        master_advice(text, sizeof(text), cases[i].address, cases[i].err_no, "alice");
        assert_non_null(strstr(text, cases[i].words));
    }
}

#define IN_WORLD(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_WORLD(test_finds_one_that_answers),
        IN_WORLD(test_an_answer_in_pieces),
        IN_WORLD(test_comes_later),
        IN_WORLD(test_one_that_is_silent_is_waited_for),
        IN_WORLD(test_what_is_no_master_is_asked_again),
        IN_WORLD(test_a_full_queue_is_tried_again),
        IN_WORLD(test_by_tcp),
        IN_WORLD(test_a_form_that_only_net_snmp_knows),
        cmocka_unit_test(test_addresses),
        cmocka_unit_test(test_advice),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
