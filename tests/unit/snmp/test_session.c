/* Sessions against a socket of this test's own, which sees the octets and answers what it likes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "snmp/session.h"

static const struct objid sys_descr = {9, {1, 3, 6, 1, 2, 1, 1, 1, 0}};

struct world {
    struct loop *loop;
    struct session_set *set;
    int agent;
    struct session_options options;
    struct session *session;
    int answers, result, error_status;
    struct varbind varbinds[4];
    int nvarbinds;
    char text[64];
    bool close_in_callback;
};

static int open_agent(struct address *ret)
{
    struct sockaddr_in in = {.sin_family = AF_INET};
    socklen_t len = sizeof in;
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_int_equal(bind(fd, (struct sockaddr *)&in, sizeof in), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&in, &len), 0);
    assert_true(address_parse(ret, "127.0.0.1", ntohs(in.sin_port)));
    return fd;
}

static int set_up(void **state)
{
    static struct world w;
    w = (struct world){.result = 1};
    assert_int_equal(snmp_start("test", NULL), 0);
    w.loop = loop_new();
    w.set = session_set_new(w.loop);
    w.options = (struct session_options){
        .version = SNMP_V2C, .community = "public", .timeout_ms = 100, .retries = 1};
    w.agent = open_agent(&w.options.address);
    *state = &w;
    return 0;
}

static int tear_down(void **state)
{
    struct world *w = *state;
    session_set_free(w->set);
    loop_free(w->loop);
    close(w->agent);
    return 0;
}

static void open_session(struct world *w)
{
    struct err e;
    assert_int_equal(session_open(&w->session, w->set, &w->options, &e), 0);
}

static void on_answer(void *arg, int result, struct answer *a)
{
    struct world *w = arg;
    w->answers++;
    w->result = result;
    w->nvarbinds = 0;
    if (a) {
        w->error_status = a->error_status;
        while (w->nvarbinds < 4 && answer_next(a, &w->varbinds[w->nvarbinds]))
            w->nvarbinds++;
        if (w->nvarbinds && w->varbinds[0].value.type == SNMP_TYPE_OCTETS)
            snprintf(w->text, sizeof w->text, "%.*s", (int)w->varbinds[0].value.octets.len,
                     (const char *)w->varbinds[0].value.octets.data);
    } else {
        assert_true(result < 0);
    }
    if (w->close_in_callback) {
        session_close(w->session);
        w->session = NULL;
    }
}

static void turn_until(struct world *w, int answers)
{
    int64_t end = clock_mono_ms() + 5000;
    while (w->answers < answers && clock_mono_ms() < end)
        assert_true(loop_turn(w->loop, 50) >= 0);
    assert_int_equal(w->answers, answers);
}

static void send_get(struct world *w)
{
    struct pdu *p = pdu_new(w->options.version, PDU_GET);
    struct err e;
    pdu_add_null(p, &sys_descr);
    assert_int_equal(session_send(w->session, p, on_answer, w, &e), 0);
}

struct message {
    uint8_t data[2048];
    size_t len;
    struct sockaddr_in from;
};

static void receive(struct world *w, struct message *m)
{
    socklen_t len = sizeof m->from;
    ssize_t n = recvfrom(w->agent, m->data, sizeof m->data, 0, (struct sockaddr *)&m->from, &len);
    assert_true(n > 0);
    m->len = (size_t)n;
}

static void reply(struct world *w, const struct message *m, size_t len)
{
    assert_int_equal(
        sendto(w->agent, m->data, len, 0, (const struct sockaddr *)&m->from, sizeof m->from),
        (ssize_t)len);
}

/* SEQUENCE { INTEGER version, "public", PDU ... }: where the PDU's tag is. */
enum { PDU_AT = 2 + 3 + 2 + 6 };

/* The request's varbinds with NULL values as an answer: only the tag changes. */
static void echo(struct world *w, struct message *m)
{
    receive(w, m);
    assert_int_equal(m->data[PDU_AT], 0xa0);
    m->data[PDU_AT] = 0xa2;
    reply(w, m, m->len);
}

static void test_answer(void **state)
{
    struct world *w = *state;
    struct message m;
    open_session(w);
    send_get(w);
    assert_int_equal(session_waiting(w->session), 1);
    echo(w, &m);
    turn_until(w, 1);
    assert_int_equal(w->result, 0);
    assert_int_equal(w->nvarbinds, 1);
    assert_int_equal(objid_compare(&w->varbinds[0].name, &sys_descr), 0);
    assert_int_equal(w->varbinds[0].value.type, SNMP_TYPE_NULL);
    assert_int_equal(session_waiting(w->session), 0);
}

/* Two requests, answered in the other order; each caller gets its own. */
static void test_matching(void **state)
{
    struct world *w = *state;
    struct message first, second;
    open_session(w);
    send_get(w);
    send_get(w);
    receive(w, &first);
    receive(w, &second);
    first.data[PDU_AT] = second.data[PDU_AT] = 0xa2;
    reply(w, &second, second.len);
    turn_until(w, 1);
    assert_int_equal(session_waiting(w->session), 1);
    reply(w, &second, second.len); /* twice: nobody waits for it any more */
    reply(w, &first, first.len);
    turn_until(w, 2);
    assert_int_equal(session_waiting(w->session), 0);
}

static void test_timeout(void **state)
{
    struct world *w = *state;
    struct message m, again;
    open_session(w);
    int64_t began = clock_mono_ms();
    send_get(w);
    turn_until(w, 1);
    assert_int_equal(w->result, ERR_TIMEOUT);
    assert_true(clock_mono_ms() - began >= 195); /* two attempts of 100 ms */
    receive(w, &m);
    receive(w, &again);
    assert_int_equal(m.len, again.len);
    char octet;
    assert_true(recv(w->agent, &octet, 1, MSG_DONTWAIT) < 0); /* and no third */
}

/* Cut short anywhere, or with any bit turned, an answer is never more than an answer or silence. */
static void test_garbage(void **state)
{
    struct world *w = *state;
    struct message m, bad;
    w->options.retries = 0;
    w->options.timeout_ms = 2000;
    open_session(w);
    send_get(w);
    receive(w, &m);
    m.data[PDU_AT] = 0xa2;
    for (size_t len = 0; len < m.len; len++) {
        reply(w, &m, len);
        loop_turn(w->loop, 50);
        assert_int_equal(w->answers, 0);
    }
    for (size_t bit = 0; bit < m.len * 8; bit++) {
        bad = m;
        bad.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
        reply(w, &bad, bad.len);
        loop_turn(w->loop, 50);
        if (!session_waiting(w->session)) { /* it passed: ask again, go on with the next bit */
            send_get(w);
            receive(w, &m);
            m.data[PDU_AT] = 0xa2;
        }
    }
    int before = w->answers;
    reply(w, &m, m.len);
    turn_until(w, before + 1);
    assert_int_equal(w->result, 0);
}

static void test_close_inside(void **state)
{
    struct world *w = *state;
    struct message m;
    open_session(w);
    w->close_in_callback = true;
    send_get(w);
    send_get(w); /* never answered, and its callback never called */
    echo(w, &m);
    turn_until(w, 1);
    assert_int_equal(session_set_count(w->set), 0);
    for (int i = 0; i < 3; i++)
        loop_turn(w->loop, 10);
    assert_int_equal(w->answers, 1);
}

static void test_close_while_waiting(void **state)
{
    struct world *w = *state;
    open_session(w);
    send_get(w);
    session_close(w->session);
    assert_int_equal(session_set_count(w->set), 0);
    for (int i = 0; i < 3; i++)
        loop_turn(w->loop, 10);
    assert_int_equal(w->answers, 0);
}

static void expect_octets(const struct message *m, const uint8_t *expected, size_t len)
{
    assert_int_equal(m->len, len);
    assert_memory_equal(m->data, expected, len);
}

/* RFC 1157 section 4.1.6 after RFC 3584 section 3.2: enterprise without the 0, specific 7; the
 * agent is where the datagram comes from. */
static void test_trap_v1(void **state)
{
    static const uint8_t expected[] = {
        0x30, 0x38, 0x02, 0x01, 0x00, 0x04, 0x06, 'p',  'u',  'b',  'l',  'i',  'c',
        0xa4, 0x2b, 0x06, 0x07, 0x2b, 0x06, 0x01, 0x04, 0x01, 0xbf, 0x08, /* 1.3.6.1.4.1.8072 */
        0x40, 0x04, 0x7f, 0x00, 0x00, 0x01, 0x02, 0x01, 0x06, 0x02, 0x01, 0x07, 0x43,
        0x02, 0x01, 0x00, 0x30, 0x10, 0x30, 0x0e, 0x06, 0x08, 0x2b, 0x06, 0x01, 0x02,
        0x01, 0x01, 0x01, 0x00, 0x04, 0x02, 'h',  'i'};
    struct world *w = *state;
    struct objid trap;
    struct message m;
    struct snmp_value v = {.type = SNMP_TYPE_OCTETS, .octets = {(const uint8_t *)"hi", 2}};
    w->options.version = SNMP_V1;
    open_session(w);
    assert_int_equal(objid_parse(&trap, "1.3.6.1.4.1.8072.0.7", NULL), 0);
    struct pdu *p = pdu_new_notification(SNMP_V1, PDU_TRAP, 256, &trap);
    pdu_add(p, sys_descr.subids, sys_descr.n, &v);
    assert_int_equal(session_send(w->session, p, NULL, NULL, NULL), 0);
    receive(w, &m);
    expect_octets(&m, expected, sizeof expected);
}

static void test_trap_v2c(void **state)
{
    static const uint8_t before_id[] = {0x30, 0x4b, 0x02, 0x01, 0x01, 0x04, 0x06, 'p', 'u',
                                        'b',  'l',  'i',  'c',  0xa7, 0x3e, 0x02, 0x04};
    static const uint8_t behind_id[] = {
        0x02, 0x01, 0x00, 0x02, 0x01, 0x00, 0x30, 0x30, 0x30, 0x0e, 0x06, 0x08, 0x2b, 0x06,
        0x01, 0x02, 0x01, 0x01, 0x03, 0x00, 0x43, 0x02, 0x01, 0x00, 0x30, 0x1e, 0x06, 0x0a,
        0x2b, 0x06, 0x01, 0x06, 0x03, 0x01, 0x01, 0x04, 0x01, 0x00, 0x06, 0x10, 0x2b, 0x06,
        0x01, 0x04, 0x01, 0xbf, 0x08, 0xce, 0x0f, 0xce, 0x0f, 0x01, 0x00, 0x87, 0xff, 0x7f};
    struct world *w = *state;
    struct objid trap;
    struct message m;
    open_session(w);
    assert_int_equal(objid_parse(&trap, "1.3.6.1.4.1.8072.9999.9999.1.0.131071", NULL), 0);
    struct pdu *p = pdu_new_notification(SNMP_V2C, PDU_TRAP, 256, &trap);
    assert_int_equal(session_send(w->session, p, NULL, NULL, NULL), 0);
    receive(w, &m);
    assert_int_equal(m.len, sizeof before_id + 4 + sizeof behind_id);
    assert_memory_equal(m.data, before_id, sizeof before_id);
    assert_memory_equal(m.data + sizeof before_id + 4, behind_id, sizeof behind_id);
}

static const struct {
    const char *text;
    enum snmp_type type;
} carried[] = {
    {"-7", SNMP_TYPE_INTEGER},
    {"some text", SNMP_TYPE_OCTETS},
    {"0x00ff", SNMP_TYPE_OCTETS},
    {"", SNMP_TYPE_OCTETS},
    {"1.3.6.1.4.1.8072.4294967295", SNMP_TYPE_OBJID},
    {"192.0.2.9", SNMP_TYPE_IPADDRESS},
    {"4294967295", SNMP_TYPE_COUNTER32},
    {"2147483648", SNMP_TYPE_GAUGE32},
    {"4294967295", SNMP_TYPE_TIMETICKS},
    {"18446744073709551615", SNMP_TYPE_COUNTER64},
    {"18446744073709551614", SNMP_TYPE_UNSIGNED64},
    {"-9223372036854775808", SNMP_TYPE_INTEGER64},
    {"-2.5", SNMP_TYPE_FLOAT},
    {"1e+300", SNMP_TYPE_DOUBLE},
};

/* A SET whose values come back unchanged: each type goes out to the wire and in again. */
static void test_values_on_the_wire(void **state)
{
    struct world *w = *state;
    struct message m;
    struct buf scratch, text;
    open_session(w);
    buf_init(&scratch, 1024);
    buf_init(&text, 1024);
    for (size_t i = 0; i < sizeof carried / sizeof *carried; i++) {
        struct snmp_value v;
        buf_clear(&scratch);
        assert_int_equal(snmp_value_parse(&v, carried[i].type, carried[i].text, &scratch, NULL), 0);
        struct pdu *p = pdu_new(SNMP_V2C, PDU_SET);
        pdu_add(p, sys_descr.subids, sys_descr.n, &v);
        w->answers = 0;
        assert_int_equal(session_send(w->session, p, on_answer, w, NULL), 0);
        receive(w, &m);
        assert_int_equal(m.data[PDU_AT], 0xa3);
        m.data[PDU_AT] = 0xa2;
        reply(w, &m, m.len);
        turn_until(w, 1);
        assert_int_equal(w->nvarbinds, 1);
        assert_int_equal(w->varbinds[0].value.type, carried[i].type);
        if (carried[i].type == SNMP_TYPE_OCTETS || carried[i].type == SNMP_TYPE_IPADDRESS)
            continue; /* their octets were the answer's; see below */
        buf_clear(&text);
        snmp_value_text(&w->varbinds[0].value, &text);
        assert_string_equal(buf_cstr(&text), carried[i].text);
    }
    buf_release(&scratch);
    buf_release(&text);
}

static void test_octets_on_the_wire(void **state)
{
    struct world *w = *state;
    struct message m;
    struct snmp_value v = {.type = SNMP_TYPE_OCTETS, .octets = {(const uint8_t *)"carried", 7}};
    open_session(w);
    struct pdu *p = pdu_new(SNMP_V2C, PDU_SET);
    pdu_add(p, sys_descr.subids, sys_descr.n, &v);
    assert_int_equal(session_send(w->session, p, on_answer, w, NULL), 0);
    receive(w, &m);
    m.data[PDU_AT] = 0xa2;
    reply(w, &m, m.len);
    turn_until(w, 1);
    assert_string_equal(w->text, "carried");
}

static void test_refusals(void **state)
{
    struct world *w = *state;
    struct err e;
    struct session *s = NULL;
    struct session_options o = w->options;
    struct snmp_value wide = {.type = SNMP_TYPE_COUNTER64, .unsigned_ = 1};
    struct snmp_value exception = {.type = SNMP_TYPE_END_OF_MIB_VIEW};
    o.community = "";
    assert_int_equal(session_open(&s, w->set, &o, &e), ERR_INVALID);
    o = w->options;
    o.timeout_ms = 0;
    assert_int_equal(session_open(&s, w->set, &o, &e), ERR_INVALID);
    o = w->options;
    o.address = (struct address){0};
    assert_int_equal(session_open(&s, w->set, &o, &e), ERR_INVALID);
    assert_null(s);
    open_session(w);
    assert_int_equal(session_send(w->session, NULL, on_answer, w, &e), ERR_NOMEM);
    assert_int_equal(session_send(w->session, pdu_new(SNMP_V1, PDU_GETBULK), on_answer, w, &e),
                     ERR_INVALID);
    struct pdu *p = pdu_new(SNMP_V1, PDU_SET);
    pdu_add(p, sys_descr.subids, sys_descr.n, &wide);
    assert_int_equal(session_send(w->session, p, on_answer, w, &e), ERR_UNSUPPORTED);
    p = pdu_new(SNMP_V2C, PDU_SET);
    pdu_add(p, sys_descr.subids, sys_descr.n, &exception);
    assert_int_equal(session_send(w->session, p, on_answer, w, &e), ERR_INVALID);
    p = pdu_new(SNMP_V2C, PDU_GET);
    pdu_add_null(p, &sys_descr);
    assert_int_equal(session_send(w->session, p, NULL, NULL, &e), ERR_INVALID);
    assert_int_equal(w->answers, 0);
}

static void test_too_long(void **state)
{
    struct world *w = *state;
    static uint8_t big[SNMP_OCTETS_MAX];
    struct snmp_value v = {.type = SNMP_TYPE_OCTETS, .octets = {big, sizeof big}};
    struct err e = {0};
    open_session(w);
    struct pdu *p = pdu_new(SNMP_V2C, PDU_SET);
    pdu_add(p, sys_descr.subids, sys_descr.n, &v);
    pdu_add(p, sys_descr.subids, sys_descr.n, &v);
    int err = session_send(w->session, p, on_answer, w, &e);
    assert_true(err == ERR_RANGE || err == ERR_NETWORK);
    assert_true(*e.text);
    assert_int_equal(session_waiting(w->session), 0);
}

static void test_names(void **state)
{
    enum snmp_version v;
    (void)state;
    assert_int_equal(snmp_version_parse(&v, "1"), 0);
    assert_int_equal(v, SNMP_V1);
    assert_int_equal(snmp_version_parse(&v, "v2c"), 0);
    assert_int_equal(v, SNMP_V2C);
    assert_int_equal(snmp_version_parse(&v, "3"), ERR_SYNTAX);
    assert_string_equal(pdu_error_name(PDU_TOO_BIG), "tooBig");
    assert_string_equal(pdu_error_name(18), "inconsistentName");
    assert_string_equal(pdu_error_name(19), "unknownError");
    assert_string_equal(pdu_error_name(-1), "unknownError");
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_answer),
        TEST(test_matching),
        TEST(test_timeout),
        TEST(test_garbage),
        TEST(test_close_inside),
        TEST(test_close_while_waiting),
        TEST(test_trap_v1),
        TEST(test_trap_v2c),
        TEST(test_values_on_the_wire),
        TEST(test_octets_on_the_wire),
        TEST(test_refusals),
        TEST(test_too_long),
        cmocka_unit_test(test_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
