/* What the core tells dispatcher and agent, and the messages made of it: handlers, jobs and cancels
 * as frames, with kinds whose `deliver' goes as far as the message. A mail keeps the promises of
 * dispatch/mailmsg.h, a notification arrives in one datagram of NOTIFICATION_MAX octets at most,
 * the same goes as varbinds to a master agent, and each job that was taken is answered once, as is
 * each that is only checked.
 *
 * The input: type of the frame (one octet), its length (two), its payload; again. */
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <net-snmp/net-snmp-config.h>
#include <net-snmp/net-snmp-includes.h>

#include "agent/notify.h"
#include "base/log.h"
#include "daemon/kinds.h"
#include "dispatch/dispatch.h"
#include "dispatch/mailjob.h"
#include "dispatch/notice_text.h"
#include "dispatch/notification.h"
#include "snmp/session.h"
#include "tests/fuzz/world.h"

enum { TEXT_MAX = 4 << 20, COMMUNITY_LEN = 6 };

static struct loop *loop;
static struct session_set *sessions;
static struct session *manager, *manager_v3;
static int sink; /* where notifications arrive */
static size_t jobs, outcomes;

/* ---- messages ---- */

static void check_mail(const struct buf *b)
{
    size_t length = 0;

    REQUIRE(b->len >= 2 && b->data[b->len - 1] == '\n');
    for (size_t i = 0; i < b->len; i++) {
        REQUIRE(b->data[i] < 128 && b->data[i] != 0);
        if (b->data[i] == '\r') {
            REQUIRE(i + 1 < b->len && b->data[i + 1] == '\n');
        } else if (b->data[i] == '\n') {
            REQUIRE(i && b->data[i - 1] == '\r');
            length = 0;
        } else {
            REQUIRE(++length <= 998);
        }
    }
}

/* Each field of the head is one of ours, once. */
static void check_head(const char *p)
{
    static const char *const names[] = {"From: ",
                                        "To: ",
                                        "Subject: ",
                                        "Date: ",
                                        "Message-ID: ",
                                        "In-Reply-To: ",
                                        "References: ",
                                        "MIME-Version: ",
                                        "Content-Type: ",
                                        "Content-Transfer-Encoding: ",
                                        "Auto-Submitted: ",
                                        "X-SNMPAlert-Level: ",
                                        "X-SNMPAlert-Definition: ",
                                        "X-SNMPAlert-Instance: ",
                                        "X-SNMPAlert-Notice: ",
                                        "X-SNMPAlert-Sequence: "};
    unsigned seen = 0;

    while (strncmp(p, "\r\n", 2) != 0) {
        const char *end = strstr(p, "\r\n");
        bool known = *p == ' ' || *p == '\t';

        REQUIRE(end);
        for (size_t i = 0; i < sizeof names / sizeof *names && !known; i++)
            if (strncmp(p, names[i], strlen(names[i])) == 0) {
                REQUIRE(!(seen & 1u << i));
                seen |= 1u << i;
                known = true;
            }
        REQUIRE(known);
        p = end + 2;
    }
}

static void make_mail(struct service *s, struct job *j, bool check)
{
    struct mailjob *m = NULL;
    struct err e = {0};
    int err = mailjob_new(&m, s, j, check, &e);

    if (err) {
        REQUIRE(m && e.code == err && e.text[0]);
        mailjob_refuse(m, s, &e);
    } else {
        check_mail(&m->mail.message);
        check_head(buf_cstr(&m->mail.message));
        REQUIRE(m->mail.nrecipients >= 1 && m->mail.nrecipients <= j->nrecipients);
        for (size_t i = 0; i < m->nrecipients; i++)
            m->recipients[i].state = NOTICE_DELIVERED;
        mailjob_answer(m, s, &e);
    }
    mailjob_free(m);
}

static void check_words(const struct job *j)
{
    struct buf b;

    buf_init(&b, TEXT_MAX);
    notice_subject(j, &b);
    REQUIRE(b.err == 0 && utf8_valid(b.data, b.len) && !memchr(b.data, '\n', b.len));
    buf_clear(&b);
    notice_body(j, &b);
    REQUIRE(b.err == 0 && utf8_valid(b.data, b.len) && b.data[b.len - 1] == '\n');
    buf_release(&b);
}

static const struct notification_form form_v2c = {SNMP_V2C, PDU_TRAP, COMMUNITY_LEN},
                                      form_v3 = {SNMP_V3, PDU_TRAP, USM_OVERHEAD_MAX};

static int send_one(struct session *s, struct pdu *p, struct err *e)
{
    uint8_t datagram[NOTIFICATION_MAX + 1];
    int err = session_send(s, p, NULL, NULL, e);
    ssize_t n = recv(sink, datagram, sizeof datagram, MSG_DONTWAIT);

    REQUIRE(err || (n > 0 && n <= NOTIFICATION_MAX));
    return err;
}

static int notify(const struct job_event *v, struct err *e)
{
    struct pdu *p = NULL, *p3 = NULL;
    int err = notification_new(&p, v, &form_v2c, e);

    if (err)
        return err;
    if (!notification_new(&p3, v, &form_v3, e)) /* has less room */
        REQUIRE(send_one(manager_v3, p3, e) == 0);
    return send_one(manager, p, e);
}

/* Fits whatever the texts are, and so is never refused. */
static void notify_texts(const struct job *j)
{
    struct notification_texts t = {.trap = {4, {1, 3, 6, 1}},
                                   .subject_name = {4, {1, 3, 6, 2}},
                                   .body_name = {4, {1, 3, 6, 3}}};
    struct buf subject, body;
    struct pdu *p = NULL;
    struct err e;

    buf_init(&subject, TEXT_MAX);
    buf_init(&body, TEXT_MAX);
    notice_subject(j, &subject);
    notice_body(j, &body);
    t.subject = (struct slice){subject.data, subject.len};
    t.body = (struct slice){body.data, body.len};
    REQUIRE(notification_new_texts(&p, &t, &form_v3, &e) == 0);
    REQUIRE(send_one(manager_v3, p, &e) == 0);
    buf_release(&subject);
    buf_release(&body);
}

/* What fits a datagram whatever the community, and begins as RFC 2741 section 6.2.10 wants. */
static int tell_master(const struct job_event *v, struct err *e)
{
    netsnmp_variable_list *vars = NULL;
    size_t n = 0;
    int err = notification_varbinds(&vars, v, 4242, e);

    if (err)
        return err;
    REQUIRE(vars->type == ASN_TIMETICKS && vars->next_variable->type == ASN_OBJECT_ID);
    for (const netsnmp_variable_list *at = vars; at; at = at->next_variable)
        n++;
    REQUIRE(n == 2 + v->nvarbinds);
    snmp_free_varbind(vars);
    return 0;
}

static void make_notifications(struct service *s, struct job *j,
                               int (*make)(const struct job_event *v, struct err *e))
{
    struct outcome o = {.job = j->id, .confirmation = CONFIRM_NONE, .result = OUTCOME_DELIVERED};
    struct err e = {0};

    if (make == notify)
        notify_texts(j);
    for (size_t i = 0; i < j->nevents; i++)
        if (make(&j->events[i], &e)) {
            REQUIRE(e.code < 0 && e.text[0]);
            o.result = OUTCOME_FAILED;
            utf8_clean(o.error, sizeof o.error, e.text, strlen(e.text), false);
        }
    service_done(s, &o);
}

/* ---- the kinds ---- */

static int open_state(struct service *s, void **ret_state, struct err *e)
{
    (void)e;
    *ret_state = s;
    return 0;
}

static void close_state(void *state)
{
    (void)state;
}

static void deliver_mail(void *state, struct job *j)
{
    check_words(j);
    make_mail(state, j, false);
    job_release(j);
    free(j);
}

static void validate_mail(void *state, struct job *j)
{
    make_mail(state, j, true);
    job_release(j);
    free(j);
}

static void deliver_notifications(void *state, struct job *j)
{
    check_words(j);
    make_notifications(state, j, notify);
    job_release(j);
    free(j);
}

static void deliver_to_master(void *state, struct job *j)
{
    make_notifications(state, j, tell_master);
    job_release(j);
    free(j);
}

static struct dispatch_kind mail_kind = {
    .open = open_state, .close = close_state, .deliver = deliver_mail, .validate = validate_mail};
static struct dispatch_kind notification_kind = {
    .open = open_state, .close = close_state, .deliver = deliver_notifications};
static struct dispatch_kind master_kind = {
    .open = open_state, .close = close_state, .deliver = deliver_to_master};
static const struct dispatch_kind *const kinds[] = {&mail_kind, &notification_kind, &master_kind};

/* ---- the core's end ---- */

static int on_answer(void *arg, uint16_t type, const uint8_t *payload, size_t len, const int *fds,
                     int nfds)
{
    struct outcome o = {0};
    struct checked c;
    struct err e;
    struct rd r;

    (void)arg, (void)fds;
    rd_init(&r, payload, len);
    REQUIRE(nfds == 0);
    outcomes++;
    if (type == DISPATCH_CHECKED) {
        REQUIRE(checked_read(&c, &r, &e) == 0 && c.message[0]);
        return 0;
    }
    REQUIRE(type == DISPATCH_OUTCOME && outcome_read(&o, &r, &e) == 0);
    REQUIRE((o.result == OUTCOME_DELIVERED) == (o.error[0] == '\0'));
    outcome_release(&o);
    return 0;
}

static void on_close(void *arg, int code)
{
    (void)arg, (void)code;
}

static void start(void)
{
    static const struct engine_clock clock = {.boots = 1};
    const struct session_user user = {.name = "alice",
                                      .auth = USM_SHA_512, /* the longest digest */
                                      .auth_password = "fuzzfuzz",
                                      .priv = USM_DES, /* and padding */
                                      .priv_password = "fuzzfuzz",
                                      .context = "a context of thirty-two octets..",
                                      .engine = {{0x80, 0, 0x1f, 0x88, 4, 'a'}, 6},
                                      .clock = &clock};
    struct session_options o = {.version = SNMP_V2C, .community = "public", .timeout_ms = 1000};
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof a;
    struct err e;

    if (loop)
        return;
    world_alone();
    log_open("fuzz", LOG_LEVEL_ERROR);
    mail_kind.kind = dispatch_kind_smtp.kind;
    notification_kind.kind = dispatch_kind_snmp.kind;
    master_kind.kind = dispatch_kind_agentx.kind;
    loop = loop_new();
    REQUIRE(loop && snmp_start("fuzz", &e) == 0);
    sessions = session_set_new(loop);
    sink = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    REQUIRE(sessions && sink >= 0 && bind(sink, (struct sockaddr *)&a, sizeof a) == 0);
    REQUIRE(getsockname(sink, (struct sockaddr *)&a, &len) == 0);
    REQUIRE(address_parse(&o.address, "127.0.0.1", ntohs(a.sin_port)));
    REQUIRE(session_open(&manager, sessions, &o, &e) == 0);
    o.version = SNMP_V3;
    o.user = &user;
    REQUIRE(session_open(&manager_v3, sessions, &o, &e) == 0);
}

static void frames(struct dispatcher *d, const uint8_t *data, size_t size)
{
    int err = 0;

    while (size >= 3 && !err) {
        uint8_t type = world_octet(&data, &size);
        size_t len = (size_t)world_octet(&data, &size) << 8;
        struct slice payload = world_take(&data, &size, len | world_octet(&data, &size));

        err = dispatcher_frame(d, type, payload.data, payload.len);
        REQUIRE(err <= 0);
        jobs += (type == DISPATCH_JOB || type == DISPATCH_CHECK) && !err;
        REQUIRE(loop_turn(loop, 0) >= 0);
    }
}

FUZZ_TARGET(jobs)
{
    struct chan_options o = {.on_frame = on_answer, .on_close = on_close};
    struct chan *core, *stage;
    struct dispatcher *d;
    struct err e;
    int ends[2];

    start();
    jobs = outcomes = 0;
    REQUIRE(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
    core = chan_new(loop, ends[0], &o);
    stage = chan_new(loop, ends[1], &o);
    REQUIRE(core && stage && dispatcher_new(&d, loop, kinds, 3, NULL, &e) == 0);
    dispatcher_set_core(d, stage);
    frames(d, data, size);
    for (int i = 0; i < 1000 && outcomes < jobs; i++)
        REQUIRE(loop_turn(loop, 0) >= 0);
    REQUIRE(outcomes == jobs);
    dispatcher_free(d);
    chan_free(stage);
    chan_free(core);
    return 0;
}
