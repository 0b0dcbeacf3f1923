#include "base/frame.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/clock.h"
#include "tests/unit/base/cm.h"

enum { DEADLINE_MS = 20000 };

struct side {
    struct loop *loop;
    struct chan *c;
    struct buf got; /* every payload, one behind the other */
    int frames, closes, code;
    uint16_t last_type;
    int fds[16], nfds;
    int fds_of_frame[16]; /* which frame brought them */
    int answer;           /* what on_frame returns */
    bool free_in_frame, free_in_close, echo;
};

static int on_frame(void *arg, uint16_t type, const uint8_t *payload, size_t len, const int *fds,
                    int nfds)
{
    struct side *s = arg;

    for (int i = 0; i < nfds; i++) {
        assert_true(s->nfds < 16);
        s->fds_of_frame[s->nfds] = s->frames;
        s->fds[s->nfds++] = fds[i];
    }
    s->frames++;
    s->last_type = type;
    buf_bytes(&s->got, payload, len);
    if (s->echo)
        chan_send(s->c, type, payload, len);
    if (s->free_in_frame) {
        chan_free(s->c);
        s->c = NULL;
    }
    return s->answer;
}

static void on_close(void *arg, int code)
{
    struct side *s = arg;

    s->closes++;
    s->code = code;
    if (s->free_in_close) {
        chan_free(s->c);
        s->c = NULL;
    }
}

static void open_side(struct side *s, struct loop *l, int fd, size_t max_payload, size_t max_queue)
{
    struct chan_options o = {max_payload, max_queue, on_frame, on_close, s};

    *s = (struct side){.loop = l};
    buf_init(&s->got, (size_t)1 << 30);
    s->c = chan_new(l, fd, &o);
    assert_non_null(s->c);
}

static void close_side(struct side *s)
{
    chan_free(s->c);
    for (int i = 0; i < s->nfds; i++)
        close(s->fds[i]);
    buf_release(&s->got);
}

struct world {
    struct loop *loop;
    struct side a, b;
    int fd; /* the plain end where there is no b */
};

static void open_two(struct world *w, size_t max_payload, size_t max_queue)
{
    int sv[2];

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, sv), 0);
    w->loop = loop_new();
    open_side(&w->a, w->loop, sv[0], max_payload, max_queue);
    open_side(&w->b, w->loop, sv[1], max_payload, max_queue);
}

static void open_one(struct world *w, size_t max_payload)
{
    int sv[2];

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, sv), 0);
    w->loop = loop_new();
    open_side(&w->a, w->loop, sv[0], max_payload, 0);
    w->fd = sv[1];
}

static void close_two(struct world *w)
{
    close_side(&w->a);
    close_side(&w->b);
    loop_free(w->loop);
}

static void close_one(struct world *w)
{
    close_side(&w->a);
    loop_free(w->loop);
    if (w->fd >= 0)
        close(w->fd);
}

#define TURN_UNTIL(l, condition)                                                                   \
    do {                                                                                           \
        int64_t until_ = clock_mono_ms() + DEADLINE_MS;                                            \
        while (!(condition)) {                                                                     \
            assert_true(clock_mono_ms() < until_);                                                 \
            assert_int_equal(loop_turn((l), 10), 0);                                               \
        }                                                                                          \
    } while (0)

static void raw(struct world *w, const void *p, size_t n)
{
    assert_int_equal(write(w->fd, p, n), n);
}

/* Open descriptors of this process: nothing may leak. */
static int open_fds(void)
{
    int n = 0;

    for (int fd = 0; fd < 1024; fd++)
        n += fcntl(fd, F_GETFD) >= 0;
    return n;
}

static void header_bytes(void **state)
{
    static const uint8_t want[] = {0, 0, 0, 2, 0x12, 0x34, 0, 0, 'h', 'i'};
    struct world w;
    uint8_t got[32];

    (void)state;
    open_one(&w, 0);
    assert_int_equal(chan_send(w.a.c, 0x1234, "hi", 2), 0); /* at once */
    assert_int_equal(chan_queued(w.a.c), 0);
    assert_int_equal(read(w.fd, got, sizeof got), sizeof want);
    assert_memory_equal(got, want, sizeof want);
    close_one(&w);
}

static void both_ways(void **state)
{
    struct world w;

    (void)state;
    open_two(&w, 0, 0);
    w.b.echo = true;
    chan_send(w.a.c, 1, "one", 3);
    chan_send(w.a.c, 2, NULL, 0);
    chan_send(w.a.c, 65535, "three", 5);
    TURN_UNTIL(w.loop, w.a.frames == 3);
    assert_int_equal(w.a.last_type, 65535);
    assert_string_equal(buf_cstr(&w.a.got), "onethree");
    assert_true(fcntl(chan_fd(w.a.c), F_GETFL) & O_NONBLOCK);
    assert_true(fcntl(chan_fd(w.a.c), F_GETFD) & FD_CLOEXEC);
    close_two(&w);
}

static void a_burst_waits_for_its_end(void **state)
{
    struct world w;
    char octet;

    (void)state;
    open_one(&w, 0);
    chan_hold(w.a.c, true);
    for (uint16_t i = 1; i <= 3; i++)
        assert_int_equal(chan_send(w.a.c, i, "xyz", i), 0);
    assert_int_equal(chan_queued(w.a.c), 3 * FRAME_HEADER_LEN + 6);
    assert_int_equal(recv(w.fd, &octet, 1, MSG_DONTWAIT), -1);
    chan_hold(w.a.c, false);
    assert_int_equal(chan_queued(w.a.c), 0);
    for (uint16_t i = 1; i <= 3; i++) {
        uint8_t frame[FRAME_HEADER_LEN + 3];

        assert_int_equal(recv(w.fd, frame, FRAME_HEADER_LEN + i, MSG_DONTWAIT),
                         FRAME_HEADER_LEN + i);
        assert_int_equal(get_u16(frame + 4), i);
    }
    chan_hold(NULL, true);
    close_one(&w);
}

/* However the stream is cut, the frames are the same. */
static void octet_by_octet(void **state)
{
    static const uint8_t stream[] = {0, 0, 0, 3, 0, 1, 0, 0, 'a', 'b', 'c', 0, 0, 0,
                                     0, 0, 2, 0, 0, 0, 0, 0, 1,   0,   3,   0, 0, 'd'};
    struct world w;

    (void)state;
    for (size_t step = 1; step <= sizeof stream; step++) {
        open_one(&w, 0);
        for (size_t at = 0; at < sizeof stream; at += step) {
            raw(&w, stream + at, sizeof stream - at < step ? sizeof stream - at : step);
            loop_turn(w.loop, 0);
        }
        assert_int_equal(w.a.frames, 3);
        assert_int_equal(w.a.last_type, 3);
        assert_string_equal(buf_cstr(&w.a.got), "abcd");
        assert_int_equal(w.a.closes, 0);
        close_one(&w);
    }
}

static void big_frames(void **state)
{
    size_t n = FRAME_PAYLOAD_MAX;
    uint8_t *big = malloc(n);
    struct world w;

    (void)state;
    for (size_t i = 0; i < n; i++)
        big[i] = (uint8_t)(i * 2654435761u >> 24);
    open_two(&w, 0, 0);
    assert_int_equal(chan_send(w.a.c, 1, big, n), 0);
    assert_int_equal(chan_send(w.a.c, 2, big, 7), 0);
    assert_true(chan_queued(w.a.c) > 0);
    TURN_UNTIL(w.loop, w.b.frames == 2);
    assert_int_equal(w.b.got.len, n + 7);
    assert_memory_equal(w.b.got.data, big, n);
    assert_memory_equal(w.b.got.data + n, big, 7);
    assert_int_equal(chan_queued(w.a.c), 0);
    assert_int_equal(chan_send(w.a.c, 1, big, n + 1), ERR_RANGE);
    close_two(&w);
    free(big);
}

static void expect_close(const void *bytes, size_t n, bool eof, int code, int frames)
{
    struct world w;

    open_one(&w, 100);
    raw(&w, bytes, n);
    if (eof) {
        close(w.fd);
        w.fd = -1;
    }
    TURN_UNTIL(w.loop, w.a.closes > 0);
    assert_int_equal(w.a.code, code);
    assert_int_equal(w.a.frames, frames);
    assert_int_equal(chan_send(w.a.c, 1, "x", 1), ERR_CLOSED);
    loop_turn(w.loop, 0);
    assert_int_equal(w.a.closes, 1);
    close_one(&w);
}

static void malformed_frames_close(void **state)
{
    (void)state;
    expect_close("\0\0\0\x65\0\1\0\0", 8, false, ERR_PROTOCOL, 0); /* 101 octets */
    expect_close("\xff\xff\xff\xff\0\1\0\0", 8, false, ERR_PROTOCOL, 0);
    expect_close("\0\0\0\0\0\1\0\1", 8, false, ERR_PROTOCOL, 0); /* not zero */
    expect_close("\0\0\0\1\0\1\0\0x\0\0\0\0\0\1\1\0", 17, false, ERR_PROTOCOL,
                 1); /* behind a good */
    expect_close("", 0, true, ERR_CLOSED, 0);
    expect_close("\0\0\0\1\0\1\0\0x", 9, true, ERR_CLOSED, 1);
    expect_close("\0\0\0\1", 4, true, ERR_PROTOCOL, 0);          /* within a header */
    expect_close("\0\0\0\2\0\1\0\0x", 9, true, ERR_PROTOCOL, 0); /* within a payload */
}

static void the_owner_refuses(void **state)
{
    struct world w;

    (void)state;
    open_two(&w, 0, 0);
    w.b.answer = ERR_INVALID;
    chan_send(w.a.c, 1, "x", 1);
    chan_send(w.a.c, 1, "y", 1);
    TURN_UNTIL(w.loop, w.b.closes);
    assert_int_equal(w.b.code, ERR_INVALID);
    assert_int_equal(w.b.frames, 1);
    chan_free(w.b.c);
    w.b.c = NULL;
    TURN_UNTIL(w.loop, w.a.closes);
    assert_int_equal(w.a.code, ERR_CLOSED);
    close_two(&w);
}

static void freed_inside_callbacks(void **state)
{
    int before = open_fds();
    struct world w;

    (void)state;
    open_two(&w, 0, 0);
    w.b.free_in_frame = true;
    w.a.free_in_close = true;
    chan_send(w.a.c, 1, "x", 1);
    chan_send(w.a.c, 1, "y", 1);
    TURN_UNTIL(w.loop, w.a.closes);
    assert_int_equal(w.b.frames, 1);
    assert_int_equal(w.b.closes, 0);
    assert_null(w.a.c);
    assert_null(w.b.c);
    loop_turn(w.loop, 0);
    close_two(&w);
    assert_int_equal(open_fds(), before);
    chan_free(NULL);
}

/* What a peer said before it died is still heard, also when it is found out by writing. */
static void last_words(void **state)
{
    struct world w;

    (void)state;
    open_one(&w, 0);
    raw(&w, "\0\0\0\3\0\1\0\0bye", 11);
    close(w.fd);
    w.fd = -1;
    assert_int_equal(chan_send(w.a.c, 1, "x", 1), ERR_CLOSED);
    assert_int_equal(w.a.closes, 0); /* not from inside a send */
    assert_int_equal(chan_send(w.a.c, 1, "x", 1), ERR_CLOSED);
    TURN_UNTIL(w.loop, w.a.closes);
    assert_string_equal(buf_cstr(&w.a.got), "bye");
    assert_int_equal(w.a.code, ERR_CLOSED);
    close_one(&w);
}

static void a_full_queue_refuses_and_recovers(void **state)
{
    static char payload[1000];
    struct world w;
    int sent = 0, err;

    (void)state;
    open_two(&w, 0, 100000);
    while ((err = chan_send(w.a.c, 1, payload, sizeof payload)) == 0)
        sent++;
    assert_int_equal(err, ERR_FULL);
    assert_true(sent >= 99);
    assert_in_range(chan_queued(w.a.c), 98000, 100000);
    assert_int_equal(chan_send(w.a.c, 1, payload, sizeof payload), ERR_FULL);
    TURN_UNTIL(w.loop, chan_queued(w.a.c) == 0);
    assert_int_equal(chan_send(w.a.c, 2, "end", 3), 0);
    TURN_UNTIL(w.loop, w.b.last_type == 2);
    assert_int_equal(w.b.frames, sent + 1); /* all that was taken, nothing that was refused */
    close_two(&w);
}

/* Both queues are full before either side reads. */
static void two_full_sides_do_not_deadlock(void **state)
{
    static char payload[50000];
    struct world w;
    int a = 0, b = 0;

    (void)state;
    open_two(&w, 0, 4 << 20);
    while (chan_send(w.a.c, 1, payload, sizeof payload) == 0)
        a++;
    while (chan_send(w.b.c, 1, payload, sizeof payload) == 0)
        b++;
    assert_true(a > 80 && b > 80);
    TURN_UNTIL(w.loop, w.a.frames == b && w.b.frames == a);
    assert_int_equal(chan_queued(w.a.c) + chan_queued(w.b.c), 0);
    close_two(&w);
}

/* Descriptors */

static int temp_fd(void)
{
    int p[2];

    assert_int_equal(pipe(p), 0);
    close(p[1]);
    return p[0];
}

static bool same_file(int x, int y)
{
    struct stat a, b;

    return fstat(x, &a) == 0 && fstat(y, &b) == 0 && a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

static void descriptors_stay_with_their_frame(void **state)
{
    int before = open_fds(), fds[5];
    struct world w;

    (void)state;
    for (int i = 0; i < 5; i++)
        fds[i] = temp_fd();
    open_two(&w, 0, 0);
    chan_send(w.a.c, 0, "plain", 5);
    assert_int_equal(chan_send_fds(w.a.c, 1, "one", 3, fds, 1), 0);
    chan_send(w.a.c, 0, "plain", 5);
    assert_int_equal(chan_send_fds(w.a.c, 1, NULL, 0, fds + 1, 4), 0);
    assert_int_equal(chan_send_fds(w.a.c, 1, NULL, 0, fds, 2), 0);
    chan_send(w.a.c, 0, "plain", 5);
    assert_int_equal(chan_send_fds(w.a.c, 1, NULL, 0, fds, 5), ERR_RANGE);
    TURN_UNTIL(w.loop, w.b.frames == 6);
    assert_int_equal(w.b.nfds, 7);
    for (int i = 0; i < 7; i++) {
        static const int frame[] = {1, 3, 3, 3, 3, 4, 4}, which[] = {0, 1, 2, 3, 4, 0, 1};

        assert_int_equal(w.b.fds_of_frame[i], frame[i]);
        assert_true(same_file(w.b.fds[i], fds[which[i]]));
        assert_true(fcntl(w.b.fds[i], F_GETFD) & FD_CLOEXEC);
    }
    close_two(&w);
    for (int i = 0; i < 5; i++)
        close(fds[i]); /* they stayed ours */
    assert_int_equal(open_fds(), before);
}

/* Behind a queue that had to wait, and with payloads that take many reads. */
static void descriptors_through_a_full_socket(void **state)
{
    static char payload[300000];
    int before = open_fds(), fds[3];
    struct world w;

    (void)state;
    for (int i = 0; i < 3; i++)
        fds[i] = temp_fd();
    open_two(&w, 0, 0);
    for (int i = 0; i < 3; i++) {
        chan_send(w.a.c, 0, payload, sizeof payload);
        chan_send(w.a.c, 0, "x", 1);
        assert_int_equal(chan_send_fds(w.a.c, 1, payload, sizeof payload, fds + i, 1), 0);
        close(fds[i]); /* dup'ed into the queue */
    }
    TURN_UNTIL(w.loop, w.b.frames == 9);
    assert_int_equal(w.b.nfds, 3);
    for (int i = 0; i < 3; i++)
        assert_int_equal(w.b.fds_of_frame[i], 3 * i + 2);
    close_two(&w);
    assert_int_equal(open_fds(), before);
}

static void unsent_descriptors_are_closed(void **state)
{
    static char payload[1 << 20];
    int before = open_fds(), fd = temp_fd();
    struct world w;

    (void)state;
    open_two(&w, 0, 0);
    chan_send(w.a.c, 0, payload, sizeof payload);
    assert_int_equal(chan_send_fds(w.a.c, 1, "x", 1, &fd, 1), 0);
    close(fd);
    close_two(&w);
    assert_int_equal(open_fds(), before);
}

static void send_raw_fds(int sock, const void *p, size_t n, const int *fds, size_t nfds)
{
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(16 * sizeof(int))];
    } control = {.bytes = {0}};
    struct iovec iov = {(void *)(uintptr_t)p, n};
    struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = control.bytes};
    struct cmsghdr *h;

    msg.msg_controllen = CMSG_SPACE(nfds * sizeof(int));
    h = CMSG_FIRSTHDR(&msg);
    h->cmsg_level = SOL_SOCKET;
    h->cmsg_type = SCM_RIGHTS;
    h->cmsg_len = CMSG_LEN(nfds * sizeof(int));
    memcpy(CMSG_DATA(h), fds, nfds * sizeof(int));
    assert_int_equal(sendmsg(sock, &msg, 0), n);
}

/* A hostile peer's descriptors: too many, or where no frame begins. None may stay open. */
static void stray_descriptors_close_the_channel(void **state)
{
    int before = open_fds(), fds[6];
    struct world w;

    (void)state;
    for (int i = 0; i < 6; i++)
        fds[i] = temp_fd();
    open_one(&w, 0);
    send_raw_fds(w.fd, "\0\0\0\1\0\1\0\0x", 9, fds, 6);
    TURN_UNTIL(w.loop, w.a.closes);
    assert_int_equal(w.a.code, ERR_PROTOCOL);
    assert_int_equal(w.a.nfds, 0);
    close_one(&w);

    open_one(&w, 0);
    raw(&w, "\0\0\0\4\0\1\0\0x", 9);
    assert_int_equal(loop_turn(w.loop, 0), 0);
    send_raw_fds(w.fd, "yz", 2, fds, 2);
    TURN_UNTIL(w.loop, w.a.closes);
    assert_int_equal(w.a.code, ERR_PROTOCOL);
    close_one(&w);

    open_one(&w, 0); /* of a frame that never ends */
    send_raw_fds(w.fd, "\0\0\0\4\0\1\0\0x", 9, fds, 2);
    assert_int_equal(loop_turn(w.loop, 0), 0);
    close_one(&w);
    for (int i = 0; i < 6; i++)
        close(fds[i]);
    assert_int_equal(open_fds(), before);
}

/* Blocking use */

static void blocking_round_trip(void **state)
{
    static uint8_t payload[20000];
    struct buf b;
    uint16_t type = 0;
    int sv[2];

    (void)state;
    for (size_t i = 0; i < sizeof payload; i++)
        payload[i] = (uint8_t)(i % 251);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, sv), 0);
    buf_init(&b, 1 << 20);
    for (size_t n = 0; n <= sizeof payload; n += n < 8 ? 1 : 1021) {
        assert_int_equal(frame_write(sv[0], (uint16_t)n, payload, n), 0);
        assert_int_equal(frame_read(sv[1], &type, &b, 0), 0);
        assert_int_equal(type, n);
        assert_int_equal(b.len, n);
        assert_true(n == 0 || memcmp(b.data, payload, n) == 0);
    }
    assert_int_equal(frame_write(sv[0], 1, "last", 4), 0);
    close(sv[0]);
    assert_int_equal(frame_read(sv[1], &type, &b, 0), 0);
    assert_int_equal(frame_read(sv[1], &type, &b, 0), ERR_CLOSED);
    assert_int_equal(frame_write(sv[1], 1, "x", 1), ERR_CLOSED);
    close(sv[1]);
    buf_release(&b);
}

static void blocking_checks(void **state)
{
    static const struct {
        const char *bytes;
        size_t n;
        int err;
    } table[] = {
        {"\0\0\0\x65\0\1\0\0", 8, ERR_PROTOCOL},
        {"\0\0\0\0\0\1\1\0", 8, ERR_PROTOCOL},
        {"\0\0\0", 3, ERR_PROTOCOL},
        {"\0\0\0\4\0\1\0\0abc", 11, ERR_PROTOCOL},
        {"\0\0\0\4\0\1\0\0", 8, ERR_PROTOCOL},
        {"\0\0\0\x14\0\1\0\0abcdefghijklmnopqrst", 28, ERR_FULL},
        {"", 0, ERR_CLOSED},
    };
    struct buf b;
    uint16_t type = 77;
    int sv[2];

    (void)state;
    buf_init(&b, 10);
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, sv), 0);
        assert_int_equal(write(sv[0], table[i].bytes, table[i].n), table[i].n);
        close(sv[0]);
        assert_int_equal(frame_read(sv[1], &type, &b, 100), table[i].err);
        assert_int_equal(type, 77);
        close(sv[1]);
    }
    buf_release(&b);
}

static void deadline(void **state)
{
    int64_t begin = clock_mono_ms();
    struct buf b;
    uint16_t type;
    int sv[2];

    (void)state;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, sv), 0);
    buf_init(&b, 100);
    assert_int_equal(frame_read_until(sv[1], &type, &b, 0, begin + 30), ERR_TIMEOUT);
    assert_true(clock_mono_ms() - begin >= 30);
    assert_int_equal(frame_read_until(sv[1], &type, &b, 0, begin), ERR_TIMEOUT); /* past */
    assert_int_equal(write(sv[0], "\0\0\0\2\0\1\0\0a", 9), 9);
    begin = clock_mono_ms();
    assert_int_equal(frame_read_until(sv[1], &type, &b, 0, begin + 30), ERR_TIMEOUT); /* half */
    assert_int_equal(frame_write(sv[0], 9, "ok", 2), 0);
    close(sv[0]);
    close(sv[1]);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, sv), 0);
    assert_int_equal(frame_write(sv[0], 9, "ok", 2), 0);
    assert_int_equal(frame_read_until(sv[1], &type, &b, 0, clock_mono_ms() + DEADLINE_MS), 0);
    assert_int_equal(type, 9);
    assert_string_equal(buf_cstr(&b), "ok");
    close(sv[0]);
    close(sv[1]);
    buf_release(&b);
}

static void *echo_thread(void *arg)
{
    int fd = *(int *)arg;
    struct buf b;
    uint16_t type;

    buf_init(&b, FRAME_PAYLOAD_MAX);
    while (frame_read(fd, &type, &b, 0) == 0 && frame_write(fd, type, b.data, b.len) == 0)
        ;
    buf_release(&b);
    close(fd);
    return NULL;
}

/* A channel and a blocking peer, as core and evaluator. */
static void channel_meets_blocking_peer(void **state)
{
    static char payload[3000];
    struct world w;
    pthread_t thread;

    (void)state;
    open_one(&w, 0);
    assert_int_equal(pthread_create(&thread, NULL, echo_thread, &w.fd), 0);
    for (int i = 0; i < 2000; i++)
        assert_int_equal(chan_send(w.a.c, (uint16_t)i, payload, (size_t)(i % 3000)), 0);
    TURN_UNTIL(w.loop, w.a.frames == 2000);
    assert_int_equal(w.a.last_type, 1999);
    shutdown(chan_fd(w.a.c), SHUT_WR);
    TURN_UNTIL(w.loop, w.a.closes);
    assert_int_equal(w.a.code, ERR_CLOSED);
    pthread_join(thread, NULL);
    w.fd = -1;
    close_one(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(header_bytes),
        cmocka_unit_test(both_ways),
        cmocka_unit_test(a_burst_waits_for_its_end),
        cmocka_unit_test(octet_by_octet),
        cmocka_unit_test(big_frames),
        cmocka_unit_test(malformed_frames_close),
        cmocka_unit_test(the_owner_refuses),
        cmocka_unit_test(freed_inside_callbacks),
        cmocka_unit_test(last_words),
        cmocka_unit_test(a_full_queue_refuses_and_recovers),
        cmocka_unit_test(two_full_sides_do_not_deadlock),
        cmocka_unit_test(descriptors_stay_with_their_frame),
        cmocka_unit_test(descriptors_through_a_full_socket),
        cmocka_unit_test(unsent_descriptors_are_closed),
        cmocka_unit_test(stray_descriptors_close_the_channel),
        cmocka_unit_test(blocking_round_trip),
        cmocka_unit_test(blocking_checks),
        cmocka_unit_test(deadline),
        cmocka_unit_test(channel_meets_blocking_peer),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
