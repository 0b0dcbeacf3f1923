/* What is carried between a server and libesmtp, whose part the test plays. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "dispatch/transport.h"

struct world {
    struct transport *transport;
    struct transport_options options;
    int server, client; /* the two ends */
};

static struct sockaddr_in loopback(uint16_t port)
{
    return (struct sockaddr_in){
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
}

static uint16_t port_of(int fd)
{
    struct sockaddr_in a;
    socklen_t len = sizeof a;

    assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &len), 0);
    return ntohs(a.sin_port);
}

static int set_up(void **state)
{
    static struct world w;
    struct sockaddr_in a = loopback(0);
    struct timeval patience = {10, 0};
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct err e;

    assert_int_equal(bind(listener, (struct sockaddr *)&a, sizeof a), 0);
    assert_int_equal(listen(listener, 1), 0);
    w.options = (struct transport_options){.host = "127.0.0.1",
                                           .port = port_of(listener),
                                           .ca_file = "",
                                           .cert_file = "",
                                           .key_file = "",
                                           .helo = "client.example.net",
                                           .connect_ms = 10000,
                                           .silence_ms = 10000,
                                           .total_ms = 10000};
    assert_int_equal(transport_new(&w.transport, &e), 0);
    assert_int_equal(transport_open(w.transport, &w.options, &e), 0);
    w.server = accept(listener, NULL, NULL);
    close(listener);
    w.client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    a = loopback(transport_port(w.transport));
    assert_int_equal(connect(w.client, (struct sockaddr *)&a, sizeof a), 0);
    assert_int_equal(transport_serve(w.transport, w.client), 0);
    setsockopt(w.client, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    setsockopt(w.server, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    *state = &w;
    return 0;
}

static int tear_down(void **state)
{
    struct world *w = *state;

    close(w->client);
    close(w->server);
    transport_free(w->transport);
    return 0;
}

/* SENT goes in at FROM in pieces of STEP octets, and what comes out at TO is ARRIVES. */
static void carry(int from, int to, const char *sent, const char *arrives, size_t step)
{
    size_t len = strlen(sent), got = 0;
    char text[512] = "";

    assert_int_equal(len, strlen(arrives));
    for (size_t at = 0; at < len; at += step) {
        size_t n = len - at < step ? len - at : step;

        assert_int_equal(send(from, sent + at, n, MSG_NOSIGNAL), n);
        while (got < at + n) {
            ssize_t r = recv(to, text + got, at + n - got, 0);

            assert_true(r > 0);
            got += (size_t)r;
        }
    }
    assert_string_equal(text, arrives);
}

static void pipelining_is_hidden(void **state)
{
    struct world *w = *state;

    for (size_t step = 100; step > 0; step /= 7)
        carry(w->server, w->client, "220 mx\r\n250-mx\r\n250-PIPELINING\r\n250 SIZE\r\n",
              "220 mx\r\n250-mx\r\n250-PIPELININX\r\n250 SIZE\r\n", step);
    carry(w->client, w->server, "EHLO client.example.net\r\n", "EHLO client.example.net\r\n", 3);
    carry(w->server, w->client, "250-PipipipeLining x\r\n", "250-PipipipeLininX x\r\n", 1);
    carry(w->server, w->client, "250-pipxipelining\r\n", "250-pipxipelining\r\n", 50);
}

static void other_replies_stay(void **state)
{
    static const char reply[] = "503 5.5.0 Improper use of SMTP command pipelining\r\n";
    struct world *w = *state;

    carry(w->client, w->server, "EHLO client.example.net\r\n", "EHLO client.example.net\r\n", 50);
    carry(w->client, w->server, "MAIL FROM:<a@example.net>\r\n", "MAIL FROM:<a@example.net>\r\n",
          50);
    carry(w->server, w->client, reply, reply, 50);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(pipelining_is_hidden, set_up, tear_down),
        cmocka_unit_test_setup_teardown(other_replies_stay, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
