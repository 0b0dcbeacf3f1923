/* What an SNMP agent answers to the poller, from BER through net-snmp to topics. The target plays
 * the agent: the input tells what its answers hold, and they carry the request's id, without which
 * nothing would look at them. Answers of raw octets, of other types and with wrong ids come too.
 * When the input is at its end, so is the agent's MIB.
 *
 * The first octet chooses the source. Then, for each request: how (see `struct how'), error status,
 * error index, number of varbinds; each varbind: kind of name, what that needs, the value's tag,
 * length and octets. */
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/fuzz/polled.h"
#include "tests/fuzz/world.h"

enum {
    TURNS_MAX = 4000,
    WAIT_MS = 100,
    REQUESTED_MAX = 64,
    VARBINDS_MAX = 200,
    NAME_MAX_OCTETS = 300,
    DATAGRAM_MAX = 60000,
};

enum { BER_INTEGER = 2, BER_OID = 6, BER_SEQUENCE = 0x30, BER_RESPONSE = 0xa2, BER_END = 0x82 };

static struct polled *polled;
static int agent;

static void start(void)
{
    char sources[2048];
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof a;

    if (polled)
        return;
    world_alone();
    agent = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    REQUIRE(agent >= 0 && bind(agent, (struct sockaddr *)&a, sizeof a) == 0);
    REQUIRE(getsockname(agent, (struct sockaddr *)&a, &len) == 0);
    snprintf(
        sources, sizeof sources,
        "<snmp name='v2' host='127.0.0.1' port='%u' community='public' interval='1d'"
        " timeout='20ms' retries='0' maxRepetitions='5'><get name='up' oid='1.3.6.1.2.1.1.3.0'/>"
        "<get name='x' oid='1.3.6.1.4.1.2.0'/><table name='if' oid='1.3.6.1.2.1.2.2'"
        " columns='d=2 o=10 last=22'/></snmp>"
        "<snmp name='v1' host='127.0.0.1' port='%u' community='public' interval='1d' version='1'"
        " timeout='20ms' retries='1'><get name='up' oid='1.3.6.1.2.1.1.3.0'/>"
        "<table name='t' oid='1.3.6.1.2.1.2.2' columns='a=1 b=2'/></snmp>",
        ntohs(a.sin_port), ntohs(a.sin_port));
    polled = polled_new(sources);
}

/* ---- the request, which net-snmp wrote ---- */

struct request {
    struct slice version, community, id; /* whole elements */
    struct slice names[REQUESTED_MAX];   /* contents */
    size_t n;
    struct sockaddr_in from;
};

/* One element: its content, or the whole of it. */
static struct slice element(const uint8_t **p, const uint8_t *end, bool whole)
{
    const uint8_t *start = *p, *content = start + 2;
    size_t len;

    REQUIRE(end - start >= 2);
    len = start[1];
    if (len & 0x80) {
        size_t octets = len & 0x7f;

        REQUIRE((size_t)(end - start) >= 2 + octets && octets <= 4);
        for (len = 0; octets; octets--)
            len = len << 8 | *content++;
    }
    REQUIRE(len <= (size_t)(end - content));
    *p = content + len;
    return whole ? (struct slice){start, (size_t)(*p - start)} : (struct slice){content, len};
}

static void read_request(struct request *q, const uint8_t *p, size_t len)
{
    const uint8_t *end = p + len;
    struct slice in = element(&p, end, false), list;

    p = in.data, end = in.data + in.len;
    q->version = element(&p, end, true);
    q->community = element(&p, end, true);
    in = element(&p, end, false);
    p = in.data, end = in.data + in.len;
    q->id = element(&p, end, true);
    element(&p, end, true);
    element(&p, end, true);
    list = element(&p, end, false);
    p = list.data, end = list.data + list.len;
    while (p < end && q->n < REQUESTED_MAX) {
        struct slice varbind = element(&p, end, false);
        const uint8_t *at = varbind.data;

        q->names[q->n++] = element(&at, varbind.data + varbind.len, false);
    }
    REQUIRE(q->n > 0);
}

/* ---- the answer, written from its end to its start ---- */

struct ber {
    uint8_t octets[DATAGRAM_MAX];
    size_t at; /* what is written begins here */
    bool full;
};

static void put(struct ber *b, const void *p, size_t n)
{
    if (n > b->at)
        b->full = true;
    if (b->full || n == 0)
        return;
    b->at -= n;
    memcpy(b->octets + b->at, p, n);
}

static void put_head(struct ber *b, uint8_t tag, size_t len)
{
    uint8_t head[] = {tag, 0x82, (uint8_t)(len >> 8), (uint8_t)len};

    if (len < 128) {
        head[1] = (uint8_t)len;
        put(b, head, 2);
    } else {
        put(b, head, 4);
    }
}

/* The head of all that was written since END. */
static void wrap(struct ber *b, uint8_t tag, size_t end)
{
    put_head(b, tag, end - b->at);
}

struct varbind {
    uint8_t name[NAME_MAX_OCTETS];
    size_t name_len;
    uint8_t tag;
    struct slice value;
};

static void put_varbind(struct ber *b, const struct varbind *v)
{
    size_t end = b->at;

    put(b, v->value.data, v->value.len);
    put_head(b, v->tag, v->value.len);
    put(b, v->name, v->name_len);
    put_head(b, BER_OID, v->name_len);
    wrap(b, BER_SEQUENCE, end);
}

struct how {
    uint8_t pdu; /* its tag */
    uint8_t error_status, error_index;
    bool wrong_id;
};

static void put_answer(struct ber *b, const struct request *q, const struct how *h,
                       const struct varbind *list, size_t n)
{
    size_t end = b->at = sizeof b->octets;
    uint8_t wrong[] = {BER_INTEGER, 1, 1};

    b->full = false;
    while (n)
        put_varbind(b, &list[--n]);
    wrap(b, BER_SEQUENCE, end);
    put(b, &h->error_index, 1);
    put_head(b, BER_INTEGER, 1);
    put(b, &h->error_status, 1);
    put_head(b, BER_INTEGER, 1);
    if (h->wrong_id)
        put(b, wrong, sizeof wrong);
    else
        put(b, q->id.data, q->id.len);
    wrap(b, h->pdu, end);
    put(b, q->community.data, q->community.len);
    put(b, q->version.data, q->version.len);
    wrap(b, BER_SEQUENCE, end);
}

static void answer(const struct request *q, const uint8_t *p, size_t n)
{
    sendto(agent, p, n, MSG_DONTWAIT, (const struct sockaddr *)&q->from, sizeof q->from);
}

/* ---- what the input tells ---- */

enum { NAME_ASKED, NAME_BELOW, NAME_NEXT, NAME_RAW };

static void set_name(struct varbind *v, struct slice name)
{
    v->name_len = name.len < sizeof v->name ? name.len : sizeof v->name;
    if (v->name_len)
        memcpy(v->name, name.data, v->name_len);
}

static void take_varbind(struct varbind *v, const struct varbind *before, const struct request *q,
                         size_t i, const uint8_t **p, size_t *left)
{
    uint8_t how = world_octet(p, left);

    switch (how % 4) {
    case NAME_RAW:
        set_name(v, world_take(p, left, world_octet(p, left)));
        break;
    case NAME_NEXT: /* of the one as many back as the table has columns, or what was asked */
        set_name(v, before ? (struct slice){before->name, before->name_len} : q->names[i % q->n]);
        if (v->name_len)
            v->name[v->name_len - 1] =
                (uint8_t)((v->name[v->name_len - 1] + 1 + how / 4 % 8) & 0x7f);
        break;
    default:
        set_name(v, q->names[i % q->n]);
        if (how % 4 == NAME_BELOW && v->name_len < sizeof v->name)
            v->name[v->name_len++] = world_octet(p, left) & 0x7f;
    }
    v->tag = world_octet(p, left);
    v->value = world_take(p, left, world_octet(p, left));
}

/* The agent's MIB ends here. */
static void answer_end(const struct request *q, size_t source)
{
    static struct ber b;
    static struct varbind list[REQUESTED_MAX];
    struct how h = {.pdu = BER_RESPONSE};

    if (source == 1) { /* noSuchName */
        h.error_status = 2;
        h.error_index = 1;
    }
    for (size_t i = 0; i < q->n; i++) {
        set_name(&list[i], q->names[i]);
        list[i].tag = source == 1 ? 5 : BER_END;
        list[i].value.len = 0;
    }
    put_answer(&b, q, &h, list, q->n);
    answer(q, b.octets + b.at, sizeof b.octets - b.at);
}

/* False: nothing that this request's sender would take for its answer. */
static bool answer_from(const struct request *q, const uint8_t **p, size_t *left)
{
    static struct ber b;
    static struct varbind list[VARBINDS_MAX];
    uint8_t head = world_octet(p, left);
    struct how h = {.pdu = BER_RESPONSE, .wrong_id = head & 0x10};
    size_t n;

    if (head & 0x20) {
        struct slice raw = world_take(p, left, 1 + world_octet(p, left));

        answer(q, raw.data, raw.len);
        return false;
    }
    if (head & 0x40)
        h.pdu = world_octet(p, left);
    h.error_status = world_octet(p, left);
    h.error_index = world_octet(p, left);
    n = world_octet(p, left) % VARBINDS_MAX;
    for (size_t i = 0; i < n; i++)
        take_varbind(&list[i], i >= q->n ? &list[i - q->n] : NULL, q, i, p, left);
    put_answer(&b, q, &h, list, n);
    if (!b.full)
        answer(q, b.octets + b.at, sizeof b.octets - b.at);
    return !b.full && !h.wrong_id && h.pdu == BER_RESPONSE;
}

static bool receive(struct request *q, uint8_t *datagram, size_t cap)
{
    socklen_t len = sizeof q->from;
    ssize_t n = recvfrom(agent, datagram, cap, MSG_DONTWAIT, (struct sockaddr *)&q->from, &len);

    if (n > 0)
        read_request(q, datagram, (size_t)n);
    return n > 0;
}

/* All requests that have come; how many. RET: the last. */
static int serve(struct request *ret, size_t source, const uint8_t **p, size_t *left)
{
    static uint8_t datagram[DATAGRAM_MAX];
    struct request q = {.n = 0};
    int n = 0;

    for (; receive(&q, datagram, sizeof datagram); n++) {
        if (*left == 0 || !answer_from(&q, p, left))
            answer_end(&q, source);
        *ret = q;
        q.n = 0;
    }
    return n;
}

FUZZ_TARGET(walk)
{
    struct request last = {.n = 0};
    size_t source;
    int idle = 0;

    start();
    source = world_octet(&data, &size) & 1;
    polled_begin(polled, source);
    /* A request may be sent in the turn that waits: wait only when nothing is under way. What was
     * not taken for an answer is followed by one, since waiting for the timeout is slow. */
    for (int i = 0; !polled_turn(polled, idle > 6 ? WAIT_MS : 0); i++) {
        REQUIRE(i < TURNS_MAX);
        idle = serve(&last, source, &data, &size) ? 0 : idle + 1;
        if (idle == 3 && last.n)
            answer_end(&last, source);
    }
    return 0;
}
