/* How fast the dispatcher sends notifications, against a bare net-snmp session in this process that
 * sends the same ones to the same sink: nothing but PDUs, built by its API and sent one by one.
 *   v2c traps, v3 traps    authPriv with SHA-256 and AES, as rates
 *   v2c informs            as rates, both with as many without an answer as the dispatcher allows;
 *                          a process of its own answers them
 * The dispatcher's side is all of it: jobs come as frames through a channel, and each is answered
 * by an outcome through another. Both sides take turns. Exit status 1 when a ratio is below its
 * limit. An argument names the one part to run. */
#include <net-snmp/net-snmp-config.h>
#include <net-snmp/net-snmp-includes.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <signal.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/frame.h"
#include "base/log.h"
#include "dispatch/dispatch.h"
#include "snmp/session.h"

enum {
    ROUNDS = 5,
    TRAPS = 40000, /* of one round */
    INFORMS = 20000,
    OPEN_MOST = 100,  /* informs without an answer */
    JOBS_MOST = 1024, /* with the dispatcher, as the core has them */
    VARBINDS = 8,
    DATAGRAM_MAX = 65536,
    TIMEOUT_US = 20000000,
};
static const double least_ratio = 0.5;

static const struct engine_id engine = {{0x80, 0, 0x1f, 0x88, 4, 'b', 'e', 'n', 'c', 'h'}, 10};
static const char password[] = "the same for both";

static void die(const char *what)
{
    fprintf(stderr, "bench/notify: %s\n", what);
    exit(2);
}

static double seconds(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* ---- the sink ---- */

struct sink {
    int fd;
    uint16_t port;
    pid_t answerer; /* 0: nobody reads */
};

static int open_sink(uint16_t *ret_port)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof a;
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), room = 4 << 20;

    if (fd < 0 || bind(fd, (struct sockaddr *)&a, sizeof a) ||
        getsockname(fd, (struct sockaddr *)&a, &len))
        die("no socket");
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof room);
    *ret_port = ntohs(a.sin_port);
    return fd;
}

/* A response is the inform with another tag, which is the first of its kind in these messages. */
static void answer_forever(int fd)
{
    static uint8_t datagram[DATAGRAM_MAX];
    struct sockaddr_storage from;
    socklen_t len = sizeof from;
    ssize_t n;

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    while ((n = recvfrom(fd, datagram, sizeof datagram, 0, (struct sockaddr *)&from, &len)) >= 0) {
        uint8_t *tag = memchr(datagram, SNMP_MSG_INFORM, (size_t)n);

        if (tag)
            *tag = SNMP_MSG_RESPONSE;
        sendto(fd, datagram, (size_t)n, 0, (struct sockaddr *)&from, len);
        len = sizeof from;
    }
    _exit(0);
}

static void sink_init(struct sink *s, bool answers)
{
    s->answerer = 0;
    s->fd = open_sink(&s->port);
    if (!answers)
        return;
    s->answerer = fork();
    if (s->answerer < 0)
        die("cannot fork");
    if (s->answerer == 0)
        answer_forever(s->fd);
}

static void sink_release(struct sink *s)
{
    if (s->answerer) {
        kill(s->answerer, SIGKILL);
        waitpid(s->answerer, NULL, 0);
    }
    close(s->fd);
}

/* ---- what is told ---- */

struct news {
    struct job_event event;
    struct job_varbind varbinds[VARBINDS];
};

static void news_init(struct news *w)
{
    static uint8_t text[] = "too hot: 93 degrees, which is more than the 80 that are allowed";

    *w = (struct news){.event = {.notice_id = 1,
                                 .uuid = "00000000-0000-4000-8000-000000000000",
                                 .sequence = 1,
                                 .kind = KIND_RAISE,
                                 .notification = SA_ALERT_RAISED,
                                 .level = LEVEL_CRITICAL,
                                 .previous_level = LEVEL_OK,
                                 .owner = "alice",
                                 .definition = "hot",
                                 .varbinds = w->varbinds,
                                 .nvarbinds = VARBINDS}};
    for (uint32_t i = 0; i < VARBINDS; i++)
        w->varbinds[i] =
            (struct job_varbind){.subids = {17, 1, i + 1, 5, 97, 108, 105, 99, 101, 42},
                                 .nsubids = 10,
                                 .syntax = i % 2 ? SA_TEXT : SA_UNSIGNED,
                                 .number = 4242,
                                 .bytes = i % 2 ? text : NULL,
                                 .len = i % 2 ? sizeof text - 1 : 0};
}

/* ---- bare ---- */

struct bare {
    void *session;
    long version;
    int command;
    unsigned open;
};

static void add_security(netsnmp_session *o)
{
    o->version = SNMP_VERSION_3;
    o->securityName = strdup("alice");
    o->securityNameLen = 5;
    o->securityLevel = SNMP_SEC_LEVEL_AUTHPRIV;
    o->securityAuthProto =
        snmp_duplicate_objid(usmHMAC192SHA256AuthProtocol, USM_AUTH_PROTO_SHA_LEN);
    o->securityAuthProtoLen = USM_AUTH_PROTO_SHA_LEN;
    o->securityPrivProto = snmp_duplicate_objid(usmAESPrivProtocol, USM_PRIV_PROTO_AES_LEN);
    o->securityPrivProtoLen = USM_PRIV_PROTO_AES_LEN;
    o->securityAuthKeyLen = o->securityPrivKeyLen = USM_AUTH_KU_LEN;
    if (generate_Ku(o->securityAuthProto, (u_int)o->securityAuthProtoLen, (const u_char *)password,
                    strlen(password), o->securityAuthKey, &o->securityAuthKeyLen) ||
        generate_Ku(o->securityAuthProto, (u_int)o->securityAuthProtoLen, (const u_char *)password,
                    strlen(password), o->securityPrivKey, &o->securityPrivKeyLen))
        die("no keys");
    o->securityEngineID = netsnmp_memdup(engine.octets, engine.len);
    o->securityEngineIDLen = engine.len;
    o->engineBoots = 1;
    o->engineTime = 1;
}

static void bare_open(struct bare *b, uint16_t port, enum snmp_version version,
                      enum pdu_command command)
{
    static const char community[] = "public";
    netsnmp_session o;
    char peer[32];

    snmp_sess_init(&o);
    snprintf(peer, sizeof peer, "udp:127.0.0.1:%u", port);
    o.peername = peer;
    o.version = SNMP_VERSION_2c;
    o.community = (u_char *)(uintptr_t)community;
    o.community_len = strlen(community);
    o.timeout = TIMEOUT_US;
    o.retries = 0;
    if (version == SNMP_V3)
        add_security(&o);
    *b = (struct bare){.session = snmp_sess_open(&o),
                       .version = o.version,
                       .command = command == PDU_INFORM ? SNMP_MSG_INFORM : SNMP_MSG_TRAP2};
    if (!b->session)
        die("no session");
}

static netsnmp_pdu *bare_pdu(const struct bare *b, const struct news *w)
{
    static const oid uptime[] = {1, 3, 6, 1, 2, 1, 1, 3, 0};
    static const oid trap_oid[] = {1, 3, 6, 1, 6, 3, 1, 1, 4, 1, 0};
    static const oid trap[] = {1, 3, 6, 1, 4, 1, 8072, 9999, 9999, 1, 0, 1};
    netsnmp_pdu *p = snmp_pdu_create(b->command);
    u_long ticks = 4242;
    oid name[64];

    p->version = b->version;
    snmp_pdu_add_variable(p, uptime, OID_LENGTH(uptime), ASN_TIMETICKS, &ticks, sizeof ticks);
    snmp_pdu_add_variable(p, trap_oid, OID_LENGTH(trap_oid), ASN_OBJECT_ID, trap, sizeof trap);
    memcpy(name, trap, sizeof trap);
    name[10] = 1;
    for (size_t i = 0; i < VARBINDS; i++) {
        const struct job_varbind *v = &w->varbinds[i];
        u_long number = (u_long)v->number;

        for (size_t k = 0; k < v->nsubids; k++)
            name[11 + k] = v->subids[k];
        if (v->len)
            snmp_pdu_add_variable(p, name, 11 + v->nsubids, ASN_OCTET_STR, v->bytes, v->len);
        else
            snmp_pdu_add_variable(p, name, 11 + v->nsubids, ASN_GAUGE, &number, sizeof number);
    }
    return p;
}

static int bare_answered(int op, netsnmp_session *s, int reqid, netsnmp_pdu *p, void *arg)
{
    struct bare *b = arg;

    (void)s;
    (void)reqid;
    (void)p;
    if (op != NETSNMP_CALLBACK_OP_RECEIVED_MESSAGE)
        die("an inform of the bare side was not acknowledged");
    b->open--;
    return 1;
}

static void bare_wait(struct bare *b, unsigned most)
{
    while (b->open > most) {
        struct timeval wait = {.tv_sec = 20};
        int n = 0, block = 0;
        fd_set fds;

        FD_ZERO(&fds);
        snmp_sess_select_info(b->session, &n, &fds, &wait, &block);
        if (select(n, &fds, NULL, NULL, &wait) <= 0)
            die("the bare side's informs are not answered");
        snmp_sess_read(b->session, &fds);
    }
}

static double bare_rate(struct bare *b, const struct news *w, uint32_t n)
{
    double begin = seconds();
    bool inform = b->command == SNMP_MSG_INFORM;

    for (uint32_t i = 0; i < n; i++) {
        netsnmp_pdu *p = bare_pdu(b, w);

        if (inform)
            bare_wait(b, OPEN_MOST - 1);
        b->open += inform;
        if (!snmp_sess_async_send(b->session, p, inform ? bare_answered : NULL, b))
            die("the bare side cannot send");
    }
    bare_wait(b, 0);
    return n / (seconds() - begin);
}

/* ---- the dispatcher ---- */

struct side {
    struct loop *loop;
    struct dispatcher *dispatcher;
    struct chan *core, *stage;
    struct buf job;
    uint32_t sent, answered, wanted;
};

static void send_jobs(struct side *s)
{
    chan_hold(s->core, true);
    while (s->sent < s->wanted && s->sent - s->answered < JOBS_MOST) {
        put_u32(s->job.data, 0); /* the job's id: u64 in front */
        put_u32(s->job.data + 4, ++s->sent);
        if (chan_send(s->core, DISPATCH_JOB, s->job.data, s->job.len))
            die("the channel is full");
    }
    chan_hold(s->core, false);
}

static int on_outcome(void *arg, uint16_t type, const uint8_t *payload, size_t len, const int *fds,
                      int nfds)
{
    struct side *s = arg;
    struct outcome o;
    struct err e;
    struct rd r;

    (void)fds;
    (void)nfds;
    rd_init(&r, payload, len);
    if (type != DISPATCH_OUTCOME || outcome_read(&o, &r, &e) || o.result != OUTCOME_DELIVERED)
        die("the dispatcher cannot deliver");
    outcome_release(&o);
    if (++s->answered == s->wanted)
        loop_stop(s->loop, 0);
    else if (s->sent - s->answered <= JOBS_MOST / 2)
        send_jobs(s);
    return 0;
}

static int on_frame(void *arg, uint16_t type, const uint8_t *payload, size_t len, const int *fds,
                    int nfds)
{
    struct side *s = arg;

    (void)fds;
    (void)nfds;
    return dispatcher_frame(s->dispatcher, type, payload, len);
}

static void on_close(void *arg, int code)
{
    (void)arg;
    die(err_name(code));
}

static void set(struct values *v, const char *name, const char *text)
{
    const struct kind *k = dispatch_kind_snmp.kind;
    struct err e;

    if (values_set(v, property_find(k->properties, k->nproperties, name), text, &e))
        die(e.text);
}

static void send_handler(struct side *s, uint16_t port, enum snmp_version version,
                         enum pdu_command command)
{
    struct dispatch_handler h = {
        .id = 1, .owner = "admin", .name = "bench", .kind = dispatch_kind_snmp.kind};
    char text[8];
    struct buf b;

    snprintf(text, sizeof text, "%u", port);
    set(&h.values, "host", "127.0.0.1");
    set(&h.values, "port", text);
    set(&h.values, "confirm", command == PDU_INFORM ? "inform" : "trap");
    set(&h.values, "timeout", "20s");
    if (version == SNMP_V3) {
        set(&h.values, "version", "3");
        set(&h.values, "user", "alice");
        set(&h.values, "authPassword", password);
        set(&h.values, "privPassword", password);
    }
    buf_init(&b, 4096);
    dispatch_handler_write(&h, &b);
    if (b.err || chan_send(s->core, DISPATCH_HANDLER, b.data, b.len))
        die("no handler");
    buf_release(&b);
    values_release(&h.values);
}

static void send_engine(struct side *s)
{
    struct dispatch_engine x = {engine, {1, clock_mono_ms()}};
    struct buf b;

    buf_init(&b, 256);
    dispatch_engine_write(&x, &b);
    if (b.err || chan_send(s->core, DISPATCH_ENGINE, b.data, b.len))
        die("no engine");
    buf_release(&b);
}

static void side_open(struct side *s, const struct news *w, uint16_t port,
                      enum snmp_version version, enum pdu_command command)
{
    static const struct dispatch_kind *const kinds[] = {&dispatch_kind_snmp};
    struct job_event event = w->event;
    struct job j = {.handler = 1,
                    .target_owner = "alice",
                    .target = "noc",
                    .uuid = "00000000-0000-4000-8000-000000000000",
                    .events = &event,
                    .nevents = 1};
    int pair[2];
    struct err e;

    *s = (struct side){.loop = loop_new()};
    if (!s->loop || socketpair(AF_UNIX, SOCK_STREAM, 0, pair) ||
        dispatcher_new(&s->dispatcher, s->loop, kinds, 1, NULL, &e))
        die("no dispatcher");
    s->core =
        chan_new(s->loop, pair[0],
                 &(struct chan_options){.on_frame = on_outcome, .on_close = on_close, .arg = s});
    s->stage =
        chan_new(s->loop, pair[1],
                 &(struct chan_options){.on_frame = on_frame, .on_close = on_close, .arg = s});
    if (!s->core || !s->stage)
        die("no channel");
    dispatcher_set_core(s->dispatcher, s->stage);
    send_engine(s);
    send_handler(s, port, version, command);
    buf_init(&s->job, 1 << 16);
    job_write(&j, &s->job);
    if (s->job.err)
        die("no job");
}

static double side_rate(struct side *s, uint32_t n)
{
    double begin = seconds();

    s->sent = s->answered = 0;
    s->wanted = n;
    send_jobs(s);
    loop_run(s->loop);
    return n / (seconds() - begin);
}

static void side_close(struct side *s)
{
    dispatcher_free(s->dispatcher);
    chan_free(s->core);
    chan_free(s->stage);
    loop_free(s->loop);
    buf_release(&s->job);
}

/* ---- both ---- */

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static double middle(double *v)
{
    qsort(v, ROUNDS, sizeof *v, by_value);
    return v[ROUNDS / 2];
}

static bool measure(const char *name, enum snmp_version version, enum pdu_command command)
{
    uint32_t n = command == PDU_INFORM ? INFORMS : TRAPS;
    double ours[ROUNDS], bare[ROUNDS], ratio[ROUNDS];
    struct sink sink;
    struct side side;
    struct bare b;
    struct news w;

    news_init(&w);
    sink_init(&sink, command == PDU_INFORM);
    side_open(&side, &w, sink.port, version, command);
    bare_open(&b, sink.port, version, command);
    side_rate(&side, 1000);
    bare_rate(&b, &w, 1000);
    for (int i = 0; i < ROUNDS; i++) {
        ours[i] = side_rate(&side, n);
        bare[i] = bare_rate(&b, &w, n);
        ratio[i] = ours[i] / bare[i];
    }
    snmp_sess_close(b.session);
    side_close(&side);
    sink_release(&sink);
    printf("%-12s %8.0f/s, a bare session %8.0f/s: %.2f (at least %.2f)\n", name, middle(ours),
           middle(bare), middle(ratio), least_ratio);
    fflush(stdout);
    return ratio[ROUNDS / 2] >= least_ratio;
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        enum snmp_version version;
        enum pdu_command command;
    } parts[] = {{"v2c-traps", SNMP_V2C, PDU_TRAP},
                 {"v3-traps", SNMP_V3, PDU_TRAP},
                 {"v2c-informs", SNMP_V2C, PDU_INFORM}};
    bool good = true;
    struct err e;

    log_open("bench", LOG_LEVEL_ERROR);
    if (snmp_start("bench", &e))
        die(e.text);
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        if (argc < 2 || strcmp(argv[1], parts[i].name) == 0)
            good &= measure(parts[i].name, parts[i].version, parts[i].command);
    return !good;
}
