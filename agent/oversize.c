#include "agent/oversize.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "agent/agentx.h"
#include "base/log.h"

/* RFC 2741 section 6.1: the header is u8 version, type, flags, reserved; u32 session, transaction,
 * packet, length of the rest. */
enum {
    TYPE = 1,
    FLAGS = 2,
    SESSION = 4,
    TRANSACTION = 8,
    LENGTH = 16,
    REFUSAL = AGENTX_HEADER + 8, /* u32 time, u16 error, u16 index */
    TOO_BIG = 1,
};

static struct {
    int (*recv)(netsnmp_transport *t, void *buf, int size, void **opaque, int *olength);
    int (*send)(netsnmp_transport *t, const void *buf, int size, void **opaque, int *olength);
    uint8_t head[AGENTX_HEADER]; /* the beginning of a message whose header is not whole yet */
    size_t have;                 /* octets of it */
    size_t pass, skip;           /* that are left of the message that is being read */
    uint8_t refused[4];          /* transaction of the last SET that was refused */
    bool has_refused;
} guard;

static uint32_t number_at(const uint8_t *message, size_t at)
{
    const uint8_t *p = message + at;

    if (message[FLAGS] & AGENTX_NETWORK_BYTE_ORDER)
        return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
    return (uint32_t)p[3] << 24 | (uint32_t)p[2] << 16 | (uint32_t)p[1] << 8 | p[0];
}

/* The answer to the request with this header, or in place of a response with it. */
static void make_refusal(const uint8_t *header, uint8_t ret[REFUSAL])
{
    bool big_endian = header[FLAGS] & AGENTX_NETWORK_BYTE_ORDER;
    size_t low = big_endian ? 1 : 0; /* of a u16; of a u32 it is three times that */

    memset(ret, 0, REFUSAL);
    ret[0] = header[0];
    ret[TYPE] = AGENTX_RESPONSE;
    ret[FLAGS] = header[FLAGS] & AGENTX_NETWORK_BYTE_ORDER;
    memcpy(ret + SESSION, header + SESSION, LENGTH - SESSION);
    ret[LENGTH + 3 * low] = REFUSAL - AGENTX_HEADER;
    ret[AGENTX_HEADER + 4 + low] = TOO_BIG;
    ret[AGENTX_HEADER + 6 + low] = 1; /* the first varbind, as good as any */
}

static void refuse(netsnmp_transport *t, const uint8_t *header, size_t size)
{
    uint8_t answer[REFUSAL];

    if (header[TYPE] < AGENTX_GET || header[TYPE] > AGENTX_TEST_SET)
        return;
    log_warning("agentx", "refused a request that is too large for AgentX: %zu octets of %d", size,
                AGENTX_MESSAGE_MAX);
    make_refusal(header, answer);
    guard.send(t, answer, REFUSAL, NULL, NULL);
    guard.has_refused = header[TYPE] == AGENTX_TEST_SET;
    memcpy(guard.refused, header + TRANSACTION, sizeof(guard.refused));
}

/* The master cleans up after a refused SET, too; net-snmp would wonder which. */
static bool is_its_cleanup(const uint8_t *header)
{
    return guard.has_refused && header[TYPE] == AGENTX_CLEANUP_SET &&
           !memcmp(guard.refused, header + TRANSACTION, sizeof(guard.refused));
}

/* A message begins: what becomes of it? */
static void judge(netsnmp_transport *t, const uint8_t *header)
{
    size_t size = (size_t)AGENTX_HEADER + number_at(header, LENGTH);

    if (size > AGENTX_MESSAGE_MAX) {
        refuse(t, header, size);
        guard.skip = size;
    } else if (is_its_cleanup(header)) {
        guard.skip = size;
    } else {
        guard.pass = size;
    }
}

/* Takes out of BUF what is refused; returns what is left. The beginning of a message that cannot be
 * judged yet waits in guard.head. */
static size_t sift(netsnmp_transport *t, uint8_t *buf, size_t n)
{
    size_t in = 0, out = 0;

    while (in < n) {
        size_t left = n - in, k;

        if (!guard.pass && !guard.skip) {
            if (left < AGENTX_HEADER) {
                memcpy(guard.head, buf + in, left);
                guard.have = left;
                break;
            }
            judge(t, buf + in);
        }
        if (guard.skip) {
            k = guard.skip < left ? guard.skip : left;
            guard.skip -= k;
        } else {
            k = guard.pass < left ? guard.pass : left;
            memmove(buf + out, buf + in, k);
            guard.pass -= k;
            out += k;
        }
        in += k;
    }
    return out;
}

/* Nothing can be read from T: asked for before net-snmp 5.9.3 asks, which would lose what it holds
 * the address in, and take what would only block for the end. */
static bool has_failed(const netsnmp_transport *t, bool *ret_later)
{
    char c;
    bool failed = recv(t->sock, &c, 1, MSG_PEEK | MSG_DONTWAIT) < 0;

    *ret_later = failed && (errno == EAGAIN || errno == EINTR);
    return failed;
}

static int guarded_recv(netsnmp_transport *t, void *buf, int size, void **opaque, int *olength)
{
    size_t had = guard.have, out;
    bool later;
    int n;

    if (size <= AGENTX_HEADER) /* net-snmp reads by many KiB */
        return -1;
    if (has_failed(t, &later)) {
        t->flags |= later ? NETSNMP_TRANSPORT_FLAG_EMPTY_PKT : 0; /* 0 is not the end */
        return later ? 0 : -1;
    }
    memcpy(buf, guard.head, had);
    n = guard.recv(t, (uint8_t *)buf + had, size - (int)had, opaque, olength);
    if (n <= 0)
        return n;
    guard.have = 0;
    out = sift(t, buf, had + (size_t)n);
    if (!out) {
        t->flags |= NETSNMP_TRANSPORT_FLAG_EMPTY_PKT;
        SNMP_FREE(*opaque); /* net-snmp would lose it */
    }
    return (int)out;
}

/* net-snmp sends a message by one call. */
static int guarded_send(netsnmp_transport *t, const void *buf, int size, void **opaque,
                        int *olength)
{
    const uint8_t *message = buf;
    uint8_t answer[REFUSAL];

    if (size <= AGENTX_MESSAGE_MAX || message[TYPE] != AGENTX_RESPONSE)
        return guard.send(t, buf, size, opaque, olength);
    log_warning("agentx", "a response is too large for AgentX: %d octets of %d", size,
                AGENTX_MESSAGE_MAX);
    make_refusal(message, answer);
    return guard.send(t, answer, REFUSAL, opaque, olength) == REFUSAL ? size : -1;
}

void oversize_guard(netsnmp_transport *t)
{
    memset(&guard, 0, sizeof(guard));
    guard.recv = t->f_recv;
    guard.send = t->f_send;
    t->f_recv = guarded_recv;
    t->f_send = guarded_send;
}
