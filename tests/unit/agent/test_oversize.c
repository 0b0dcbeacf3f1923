/* The stream of AgentX messages with what is too large taken out, however it is cut into reads. */
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <setjmp.h>
#include <cmocka.h>

#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "agent/oversize.h"

enum {
    HEADER = 20,
    GET = 5,
    TEST_SET = 8,
    COMMIT_SET = 9,
    CLEANUP_SET = 11,
    RESPONSE = 18,
    MOST = AGENTX_MESSAGE_MAX - HEADER, /* of a message's rest */
    CAP = 1 << 20,
};

struct octets {
    uint8_t *data;
    size_t len;
};

static struct octets wire, sent; /* what comes from the master, and what goes to it */
static size_t wire_at;
static int most_at_once, ends[2]; /* ends[0]: of the transport, with something to read */
static unsigned nrecv;

static int fake_recv(netsnmp_transport *t, void *buf, int size, void **opaque, int *olength)
{
    size_t n = wire.len - wire_at;

    (void)t;
    nrecv++;
    *opaque = n ? malloc(1) : NULL;
    *olength = !!n;
    if (n > (size_t)size)
        n = (size_t)size;
    if (n > (size_t)most_at_once)
        n = (size_t)most_at_once;
    memcpy(buf, wire.data + wire_at, n);
    wire_at += n;
    return (int)n;
}

static int fake_send(netsnmp_transport *t, const void *buf, int size, void **opaque, int *olength)
{
    (void)t, (void)opaque, (void)olength;
    memcpy(sent.data + sent.len, buf, (size_t)size);
    sent.len += (size_t)size;
    return size;
}

static void put(struct octets *o, unsigned type, bool big_endian, unsigned transaction, size_t rest)
{
    uint8_t h[HEADER] = {1, (uint8_t)type, big_endian ? 0x10 : 0};

    assert_true(o->len + HEADER + rest <= CAP);
    for (int i = 0; i < 4; i++) {
        int at = big_endian ? 3 - i : i;

        h[4 + at] = (uint8_t)(0x01020304u >> 8 * i);
        h[8 + at] = (uint8_t)(transaction >> 8 * i);
        h[12 + at] = (uint8_t)(7 >> 8 * i);
        h[16 + at] = (uint8_t)(rest >> 8 * i);
    }
    memcpy(o->data + o->len, h, HEADER);
    memset(o->data + o->len + HEADER, (int)type, rest);
    o->len += HEADER + rest;
}

/* tooBig, of the first varbind, to the message that put() makes. */
static void put_refusal(struct octets *o, bool big_endian, unsigned transaction)
{
    size_t low = big_endian ? 1 : 0;

    put(o, RESPONSE, big_endian, transaction, 8);
    memset(o->data + o->len - 8, 0, 8);
    o->data[o->len - 4 + low] = 1;
    o->data[o->len - 2 + low] = 1;
}

static void same(const struct octets *a, const struct octets *b)
{
    assert_int_equal(a->len, b->len);
    assert_memory_equal(a->data, b->data, a->len);
}

static struct octets octets_new(void)
{
    return (struct octets){calloc(1, CAP), 0};
}

static int setup(void **state)
{
    static netsnmp_transport t;

    wire = octets_new();
    sent = octets_new();
    wire_at = 0;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    assert_int_equal(send(ends[1], "x", 1, 0), 1);
    t = (netsnmp_transport){.sock = ends[0], .f_recv = fake_recv, .f_send = fake_send};
    oversize_guard(&t);
    nrecv = 0;
    *state = &t;
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    free(wire.data);
    free(sent.data);
    close(ends[0]);
    if (ends[1] >= 0)
        close(ends[1]);
    return 0;
}

/* Reads all of the wire as net-snmp does; nothing but the end reads as the end. */
static void read_all(netsnmp_transport *t, struct octets *ret)
{
    enum { AT_ONCE = 65536 };
    void *end = NULL;
    int none;

    ret->len = 0;
    while (wire_at < wire.len) {
        void *opaque = NULL;
        int olength, n = t->f_recv(t, ret->data + ret->len, AT_ONCE, &opaque, &olength);

        assert_true(n >= 0);
        assert_int_equal(!n, !opaque); /* net-snmp frees it with a message */
        free(opaque);
        assert_int_equal(!n, !!(t->flags & NETSNMP_TRANSPORT_FLAG_EMPTY_PKT));
        t->flags = 0;
        ret->len += (size_t)n;
    }
    assert_int_equal(t->f_recv(t, ret->data + ret->len, AT_ONCE, &end, &none), 0);
    assert_int_equal(t->flags, 0);
}

static void test_what_is_too_large_is_answered(void **state)
{
    static const int cuts[] = {1, 2, 7, 19, 20, 21, 4096, 65516, CAP};
    struct octets want = octets_new(), answers = octets_new(), got = octets_new();

    for (int big = 0; big < 2; big++) {
        put(&wire, GET, big, 1, 40);
        put(&want, GET, big, 1, 40);
        put(&wire, TEST_SET, big, 2, MOST); /* just what is taken */
        put(&want, TEST_SET, big, 2, MOST);
        put(&wire, CLEANUP_SET, big, 2, 0);
        put(&want, CLEANUP_SET, big, 2, 0);
        put(&wire, TEST_SET, big, 3, MOST + 1);
        put_refusal(&answers, big, 3);
        put(&wire, CLEANUP_SET, big, 3, 0); /* of what never was */
        put(&wire, GET, big, 4, 2 * MOST);
        put_refusal(&answers, big, 4);
        put(&wire, RESPONSE, big, 5, MOST + 1); /* is nothing to answer */
        put(&wire, COMMIT_SET, big, 6, 0);
        put(&want, COMMIT_SET, big, 6, 0);
    }
    for (size_t i = 0; i < sizeof(cuts) / sizeof(*cuts); i++) {
        most_at_once = cuts[i];
        wire_at = sent.len = 0;
        read_all(*state, &got);
        same(&got, &want);
        same(&sent, &answers);
    }
    free(want.data);
    free(answers.data);
    free(got.data);
}

static void test_a_response_that_is_too_large_is_none(void **state)
{
    netsnmp_transport *t = *state;
    struct octets message = octets_new(), want = octets_new();

    for (int big = 0; big < 2; big++) {
        message.len = 0;
        put(&message, RESPONSE, big, 1, MOST);
        assert_int_equal(t->f_send(t, message.data, (int)message.len, NULL, NULL), message.len);
        put(&want, RESPONSE, big, 1, MOST);
        message.len = 0;
        put(&message, RESPONSE, big, 2, MOST + 1);
        assert_int_equal(t->f_send(t, message.data, (int)message.len, NULL, NULL), message.len);
        put_refusal(&want, big, 2);
    }
    same(&sent, &want);
    free(message.data);
    free(want.data);
}

/* net-snmp is not asked for what fails: it would lose memory. */
static void test_a_master_that_is_killed(void **state)
{
    netsnmp_transport *t = *state;
    uint8_t buf[100];
    void *opaque = NULL;
    int olength;

    assert_int_equal(recv(ends[0], buf, sizeof buf, 0), 1);
    assert_int_equal(t->f_recv(t, buf, sizeof buf, &opaque, &olength), 0);
    assert_true(t->flags & NETSNMP_TRANSPORT_FLAG_EMPTY_PKT); /* nothing yet, and not the end */
    t->flags = 0;
    assert_int_equal(send(ends[0], "y", 1, 0), 1); /* which it will not read */
    close(ends[1]);
    ends[1] = -1;
    assert_int_equal(t->f_recv(t, buf, sizeof buf, &opaque, &olength), -1);
    assert_int_equal(t->flags, 0);
    assert_int_equal(nrecv, 0);
    assert_null(opaque);
    /* The error is told once; then it is the end. */
    assert_int_equal(t->f_recv(t, buf, sizeof buf, &opaque, &olength), 0);
    assert_int_equal(t->flags, 0);
}

#define GUARDED(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        GUARDED(test_what_is_too_large_is_answered),
        GUARDED(test_a_response_that_is_too_large_is_none),
        GUARDED(test_a_master_that_is_killed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
