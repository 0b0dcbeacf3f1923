/* What an HTTP server answers to the poller: status line, headers and body through libcurl to
 * topics. The first octet says in how many pieces the answer comes; behind it the server closes. */
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "tests/fuzz/polled.h"
#include "tests/fuzz/world.h"

enum { TURNS_MAX = 200, WAIT_MS = 100, ANSWER_MAX = 32 << 10 };

static struct polled *polled;
static int listener;

static void start(void)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof a;
    char source[256];

    if (polled)
        return;
    world_alone();
    listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    REQUIRE(listener >= 0 && bind(listener, (struct sockaddr *)&a, sizeof a) == 0);
    REQUIRE(listen(listener, 8) == 0 && getsockname(listener, (struct sockaddr *)&a, &len) == 0);
    snprintf(source, sizeof source,
             "<http name='web' interval='1d' timeout='5s' maxSize='8192'"
             " url='http://127.0.0.1:%u/metrics'/>",
             ntohs(a.sin_port));
    polled = polled_new(source);
}

static int accept_one(void)
{
    int fd = -1;

    for (int i = 0; fd < 0 && i < TURNS_MAX; i++) {
        REQUIRE(!polled_turn(polled, WAIT_MS));
        fd = accept(listener, NULL, NULL);
    }
    REQUIRE(fd >= 0);
    return fd;
}

FUZZ_TARGET(http)
{
    struct linger at_once = {1, 0};
    size_t step, at;
    int fd;

    if (size == 0 || size > ANSWER_MAX)
        return 0;
    start();
    step = size / (data[0] % 8 + 1) + 1;
    polled_begin(polled, 0);
    fd = accept_one();
    for (at = 1; at < size; at += step) {
        size_t n = size - at < step ? size - at : step;

        if (send(fd, data + at, n, MSG_NOSIGNAL) != (ssize_t)n)
            break; /* it has heard enough */
        polled_turn(polled, 0);
    }
    shutdown(fd, SHUT_WR);
    for (int i = 0; !polled_turn(polled, WAIT_MS); i++)
        REQUIRE(i < TURNS_MAX);
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    close(fd);
    return 0;
}
