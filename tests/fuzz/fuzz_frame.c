/* Octets of a peer on a channel, cut into reads of any size: the first octet says how. Frames come
 * out in order, none is longer than allowed, and the channel is closed once, with a reason. */
#include <sys/socket.h>
#include <unistd.h>

#include "base/frame.h"
#include "tests/fuzz/fuzz.h"

enum { PAYLOAD_MAX = 4096 };

struct seen {
    size_t frames, octets;
    int closed;
};

static int on_frame(void *arg, uint16_t type, const uint8_t *payload, size_t len, const int *fds,
                    int nfds)
{
    struct seen *s = arg;

    (void)fds, (void)payload;
    REQUIRE(len <= PAYLOAD_MAX && nfds == 0);
    s->frames++;
    s->octets += FRAME_HEADER_LEN + len;
    return type == 0xffff ? ERR_PROTOCOL : 0; /* the callee may refuse, too */
}

static void on_close(void *arg, int code)
{
    struct seen *s = arg;

    REQUIRE(code == ERR_CLOSED || code == ERR_PROTOCOL || code == ERR_IO);
    s->closed++;
}

static void by_channel(const uint8_t *data, size_t size)
{
    struct seen seen = {0};
    struct chan_options o = {
        .max_payload = PAYLOAD_MAX, .on_frame = on_frame, .on_close = on_close, .arg = &seen};
    size_t step = data[0] % 64 + 1;
    struct loop *l = loop_new();
    struct chan *c;
    int fds[2];

    REQUIRE(l && socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) == 0);
    c = chan_new(l, fds[0], &o);
    REQUIRE(c);
    for (size_t at = 1; at < size && !seen.closed; at += step) {
        size_t n = size - at < step ? size - at : step;

        REQUIRE(send(fds[1], data + at, n, MSG_NOSIGNAL) == (ssize_t)n);
        REQUIRE(loop_turn(l, 0) >= 0);
    }
    close(fds[1]);
    for (int i = 0; i < 8 && !seen.closed; i++)
        REQUIRE(loop_turn(l, 0) >= 0);
    REQUIRE(seen.closed == 1 && seen.octets <= size);
    chan_free(c);
    loop_free(l);
}

static void by_blocking(const uint8_t *data, size_t size)
{
    uint16_t type;
    struct buf b;
    int fds[2], err;
    size_t octets = 0;

    REQUIRE(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) == 0);
    REQUIRE(size == 0 || send(fds[1], data, size, MSG_NOSIGNAL) == (ssize_t)size);
    close(fds[1]);
    buf_init(&b, PAYLOAD_MAX);
    while ((err = frame_read(fds[0], &type, &b, PAYLOAD_MAX)) == 0) {
        REQUIRE(b.len <= PAYLOAD_MAX);
        octets += FRAME_HEADER_LEN + b.len;
    }
    REQUIRE(octets <= size);
    REQUIRE(err == ERR_CLOSED ? octets == size : err == ERR_PROTOCOL);
    buf_release(&b);
    close(fds[0]);
}

FUZZ_TARGET(frame)
{
    if (size == 0 || size > 32768)
        return 0;
    by_channel(data, size);
    by_blocking(data + 1, size - 1);
    return 0;
}
