/* Invariants: a session is destroyed only by its set, at the start of a turn or with the set, so
 * no net-snmp call is ever on the stack above its own close. An exchange lives until net-snmp's
 * last callback for it or its session's end, even if its caller was answered before. */
#include "snmp/internal.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"

enum {
    TIMEOUT_MAX_MS = 600000,
    RETRIES_MAX = 100,
    COMMUNITY_MAX = 255,
    READS_PER_TURN = 64, /* datagrams of one session before the others have their turn */
};

int snmp_start(const char *program, struct err *e)
{
    static const int flags[] = {
        NETSNMP_DS_LIB_DONT_READ_CONFIGS,       NETSNMP_DS_LIB_DONT_PERSIST_STATE,
        NETSNMP_DS_LIB_DISABLE_PERSISTENT_LOAD, NETSNMP_DS_LIB_DISABLE_PERSISTENT_SAVE,
        NETSNMP_DS_LIB_ALARM_DONT_USE_SIG,
    };
    static bool started;
    if (started)
        return 0;
    if (setenv("MIBS", "", 1) || setenv("MIBDIRS", "", 1))
        return err_errno(e, "net-snmp");
    for (size_t i = 0; i < sizeof flags / sizeof *flags; i++)
        netsnmp_ds_set_boolean(NETSNMP_DS_LIBRARY_ID, flags[i], 1);
    /* Its lines quote what a peer sent, and without any handler they would go to stderr. */
    snmp_disable_log();
    if (!netsnmp_register_loghandler(NETSNMP_LOGHANDLER_NONE, LOG_DEBUG))
        return err_set(e, ERR_NOMEM, "out of memory");
    init_snmp(program);
    started = true;
    return 0;
}

/* ---- opening and closing
 * -------------------------------------------------------------------------*/

static int check_options(const struct session_options *o, struct err *e)
{
    size_t len = o->community ? strlen(o->community) : 0;
    if (o->version != SNMP_V3 && (len < 1 || len > COMMUNITY_MAX))
        return err_set(e, ERR_INVALID, "a community has 1 to %d octets", COMMUNITY_MAX);
    if (o->timeout_ms < 1 || o->timeout_ms > TIMEOUT_MAX_MS)
        return err_set(e, ERR_INVALID, "a timeout is from 1 to %d ms", TIMEOUT_MAX_MS);
    if (o->retries > RETRIES_MAX)
        return err_set(e, ERR_INVALID, "at most %d retries", RETRIES_MAX);
    int family = o->address.storage.ss_family;
    if (family != AF_INET && family != AF_INET6)
        return err_set(e, ERR_INVALID, "not an IPv4 or IPv6 address");
    return 0;
}

static int net_error(struct err *e, const char *what, int code)
{
    return err_set(e, ERR_NETWORK, "%s: %s", what, snmp_api_errstring(code));
}

/* Both flags are missing on what net-snmp opens; without the first a full socket buffer would stop
 * the loop, without the second children would inherit the socket. */
int session_socket_flags(int fd, struct err *e)
{
    int status = fcntl(fd, F_GETFL);
    if (status < 0 || fcntl(fd, F_SETFL, status | O_NONBLOCK) || fcntl(fd, F_SETFD, FD_CLOEXEC))
        return err_errno(e, "SNMP socket");
    return 0;
}

static int open_handle(struct session *s, const struct session_options *o, struct err *e)
{
    netsnmp_session options;
    char address[ADDRESS_TEXT_MAX], peer[ADDRESS_TEXT_MAX + 8];
    address_text(&o->address, address);
    bool v6 = o->address.storage.ss_family == AF_INET6;
    snprintf(peer, sizeof peer, "%s:%s", v6 ? "udp6" : "udp", address);
    snmp_sess_init(&options);
    options.version = o->version == SNMP_V1 ? SNMP_VERSION_1 : SNMP_VERSION_2c;
    options.peername = peer;
    options.community = (u_char *)(uintptr_t)o->community; /* copied, not changed */
    options.community_len = strlen(o->community);
    options.timeout = (long)o->timeout_ms * 1000;
    options.retries = (int)o->retries;
    s->handle = snmp_sess_open(&options);
    if (!s->handle)
        return net_error(e, address, snmp_errno);
    s->fd = snmp_sess_transport(s->handle)->sock;
    return session_socket_flags(s->fd, e);
}

/* The kernel's choice of where a datagram to TO would come from; nothing is sent for it. */
static uint32_t local_ipv4(const struct address *to)
{
    struct sockaddr_in in = {0};
    socklen_t len = sizeof in;
    int fd;

    if (to->storage.ss_family != AF_INET)
        return 0;
    fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return 0;
    if (connect(fd, (const struct sockaddr *)&to->storage, to->len) ||
        getsockname(fd, (struct sockaddr *)&in, &len))
        in.sin_addr.s_addr = 0;
    close(fd);
    return in.sin_addr.s_addr;
}

int session_open(struct session **ret, struct session_set *set, const struct session_options *o,
                 struct err *e)
{
    struct session *s = NULL;
    int err = check_options(o, e);
    if (err)
        return err;
    s = calloc(1, sizeof *s);
    if (!s)
        return err_set(e, ERR_NOMEM, "out of memory");
    s->set = set;
    s->fd = -1;
    s->due_mono_ms = INT64_MAX;
    err = o->version == SNMP_V3 ? v3_open(s, o, e) : open_handle(s, o, e);
    if (err)
        goto out;
    if (o->version == SNMP_V1)
        s->agent_address = o->agent_address ? o->agent_address : local_ipv4(&o->address);
    err = session_set_add(set, s);
    if (err) {
        err_set(e, err, "too many SNMP sessions");
        goto out;
    }
    *ret = s;
    s = NULL;
out:
    session_destroy(s);
    return err;
}

void session_close(struct session *s)
{
    if (!s || s->dead)
        return;
    s->dead = true;
    s->set->dead++;
}

void exchange_free(struct exchange *x)
{
    *x->pprev = x->next;
    if (x->next)
        x->next->pprev = x->pprev;
    x->session->nwaiting--;
    v3_state_free(x->v3);
    free(x);
}

void session_destroy(struct session *s)
{
    if (!s)
        return;
    s->dead = true; /* silences callbacks from inside snmp_sess_close */
    if (s->handle)
        snmp_sess_close(s->handle);
    while (s->waiting)
        exchange_free(s->waiting);
    v3_close(s);
    free(s);
}

/* ---- sending and answers
 * -------------------------------------------------------------------------*/

/* The result for the caller, and whether net-snmp is done with the request. After a failed resend
 * it keeps the request and calls again, so that one is answered but kept. */
static const struct outcome_of_op {
    int op, result;
    bool last;
} outcomes[] = {
    {NETSNMP_CALLBACK_OP_RECEIVED_MESSAGE, 0, true},
    {NETSNMP_CALLBACK_OP_TIMED_OUT, ERR_TIMEOUT, true},
    {NETSNMP_CALLBACK_OP_SEND_FAILED, ERR_NETWORK, false},
    {NETSNMP_CALLBACK_OP_DISCONNECT, ERR_NETWORK, false},
    {NETSNMP_CALLBACK_OP_SEC_ERROR, ERR_PROTOCOL, false},
};

static const struct outcome_of_op *outcome_find(int op)
{
    for (size_t i = 0; i < sizeof outcomes / sizeof *outcomes; i++)
        if (outcomes[i].op == op)
            return &outcomes[i];
    return NULL;
}

void session_answer(struct session *s, session_answered *cb, void *arg, int result,
                    const netsnmp_pdu *pdu, const char *report)
{
    struct answer a = {.report = report};
    if (!cb || s->dead)
        return;
    if (!result && (!pdu || pdu->command != SNMP_MSG_RESPONSE))
        result = ERR_PROTOCOL;
    if (result) {
        cb(arg, result, report ? &a : NULL);
        return;
    }
    a.error_status = (int)pdu->errstat;
    a.error_index = (int)pdu->errindex;
    a.next = pdu->variables;
    cb(arg, 0, &a);
}

static int on_callback(int op, netsnmp_session *session, int reqid, netsnmp_pdu *pdu, void *magic)
{
    struct exchange *x = magic;
    struct session *s = x->session;
    const struct outcome_of_op *o = outcome_find(op);
    (void)session;
    (void)reqid;
    if (!o || s->dead)
        return 1;
    session_answered *cb = x->cb;
    void *arg = x->arg;
    x->cb = NULL;
    if (o->last)
        exchange_free(x);
    session_answer(s, cb, arg, o->result, pdu, NULL);
    return 1;
}

struct exchange *exchange_new(struct session *s, session_answered *cb, void *arg)
{
    struct exchange *x = calloc(1, sizeof *x);
    if (!x)
        return NULL;
    x->session = s;
    x->cb = cb;
    x->arg = arg;
    x->next = s->waiting;
    x->pprev = &s->waiting;
    if (x->next)
        x->next->pprev = &x->next;
    s->waiting = x;
    s->nwaiting++;
    return x;
}

static int send_error(const struct session *s, struct err *e)
{
    int code = snmp_sess_session(s->handle)->s_snmp_errno;
    if (code == SNMPERR_TOO_LONG)
        return err_set(e, ERR_RANGE, "the message does not fit a datagram");
    return net_error(e, "sending", code);
}

/* net-snmp frees the raw PDU when it took it, that is, when it gave a request id. */
static int send_raw(struct session *s, struct pdu *p, session_answered *cb, void *arg,
                    struct err *e)
{
    struct exchange *x = NULL;
    if (p->raw->command == SNMP_MSG_TRAP)
        memcpy(p->raw->agent_addr, &s->agent_address, sizeof p->raw->agent_addr);
    if (cb) {
        x = exchange_new(s, cb, arg);
        if (!x)
            return err_set(e, ERR_NOMEM, "out of memory");
    }
    if (!snmp_sess_async_send(s->handle, p->raw, x ? on_callback : NULL, x)) {
        if (x)
            exchange_free(x);
        return send_error(s, e);
    }
    p->raw = NULL;
    return 0;
}

int session_send(struct session *s, struct pdu *p, session_answered *cb, void *arg, struct err *e)
{
    int err;
    if (!p)
        return err_set(e, ERR_NOMEM, "out of memory");
    if (p->err)
        err = err_set(e, p->err, "the SNMP message cannot be built: %s", err_name(p->err));
    else if (s->dead)
        err = err_set(e, ERR_CLOSED, "the session is closed");
    else if (!cb != (p->command == PDU_TRAP))
        err = err_set(e, ERR_INVALID, "requests are answered, traps are not");
    else
        err = s->v3 ? v3_send(s, p, cb, arg, e) : send_raw(s, p, cb, arg, e);
    pdu_free(p);
    return err;
}

int session_prove(struct session *s, session_answered *cb, void *arg, struct err *e)
{
    if (!s->v3)
        return err_set(e, ERR_INVALID, "only version 3 has users");
    if (s->dead)
        return err_set(e, ERR_CLOSED, "the session is closed");
    return v3_prove(s, cb, arg, e);
}

void session_engine(const struct session *s, struct engine_id *ret)
{
    *ret = (struct engine_id){.len = 0};
    if (s->v3)
        v3_engine(s, ret);
}

unsigned session_waiting(const struct session *s)
{
    return s->nwaiting;
}

/* ---- for the set
 * ---------------------------------------------------------------------------------*/

void session_find_due(struct session *s)
{
    struct timeval wait = {0};
    int nfds = 0, block = 1;
    s->due_mono_ms = INT64_MAX;
    if (!s->nwaiting)
        return;
    if (s->v3) {
        s->due_mono_ms = v3_due(s);
        return;
    }
    snmp_sess_select_info2_flags(s->handle, &nfds, &s->set->fds, &wait, &block,
                                 NETSNMP_SELECT_NOALARMS);
    NETSNMP_LARGE_FD_CLR(s->fd, &s->set->fds);
    if (!block)
        s->due_mono_ms =
            clock_mono_ms() + (int64_t)wait.tv_sec * 1000 + (wait.tv_usec + 999) / 1000;
}

static bool has_datagram(int fd)
{
    char octet;
    return recv(fd, &octet, 1, MSG_PEEK | MSG_DONTWAIT) >= 0;
}

void session_read(struct session *s)
{
    int reads = 0;
    if (s->v3) {
        v3_read(s);
        return;
    }
    do {
        NETSNMP_LARGE_FD_SET(s->fd, &s->set->fds);
        snmp_sess_read2(s->handle, &s->set->fds);
        NETSNMP_LARGE_FD_CLR(s->fd, &s->set->fds);
    } while (++reads < READS_PER_TURN && !s->dead && has_datagram(s->fd));
}

void session_run_timers(struct session *s)
{
    if (s->v3)
        v3_run_timers(s);
    else
        snmp_sess_timeout(s->handle);
}
