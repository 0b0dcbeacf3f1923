/* What net-snmp does on the AgentX socket of its own it does with the loop at a stand: connecting,
 * registering, pinging, saying goodbye. Left to itself it would ping a stopped master for 6 s, say
 * goodbye for 6 s, and open one connection after the other, until the queue of the master's socket
 * is full and connect(2) blocks. So it is told not to ping and not to reconnect; pings are sent
 * without waiting, and it connects to a master that has just answered.
 *
 * net-snmp tells of a refused registration in a log line only (netsnmp_register_handler() answers 0
 * all the same, and callbacks' results are dropped), so the log callback looks for that line. */
#include "agent/session.h"

#include <stdlib.h>
#include <string.h>
#include <syslog.h>

#include <net-snmp/net-snmp-config.h>
#include <net-snmp/net-snmp-includes.h>
#include <net-snmp/agent/net-snmp-agent-includes.h>
#include <net-snmp/agent/agent_callbacks.h>
#include <net-snmp/library/large_fd_set.h>

#include "agent/agentx.h"
#include "agent/master.h"
#include "agent/oversize.h"
#include "agent/patience.h"
#include "base/clock.h"
#include "base/log.h"

static const char app_name[] = "snmpalertd-agent";
static const char refused_line[] = "registering pdu failed";

enum {
    SEEN_MAX = 64, /* requests that may be open at once and be sent again; SETs are alone */
    NEVER_S = 1000000,
    GOODBYE_MS = 300, /* for each answer of a master at the end */
    REFUSALS_MAX = 64,
    CONTEXT_MAX = 32,
};

/* A registration on its way to the master, or that it refused. */
struct registration {
    char context[CONTEXT_MAX + 1];
    size_t n;
    uint32_t oid[MAX_OID_LEN];
};

struct agent_session {
    struct agent_session_options options;
    char *address;
    struct loop_source source;
    netsnmp_large_fd_set fds;
    struct master_search *search;
    struct loop_timer *ping;
    netsnmp_session *master;  /* NULL: not connected */
    netsnmp_callback forward; /* net-snmp's own, which takes what the master sends */
    struct request {
        long packet;
        int64_t at_ms;
    } seen[SEEN_MAX]; /* its last requests; a ring */
    size_t nseen;
    struct patience patience; /* the master's */
    bool started, initialised;
    bool heard;  /* since the last ping */
    bool silent; /* a ping was not answered in time */
    struct registration under_way;
    struct registration refused[REFUSALS_MAX]; /* one more is forgotten: the first were told */
    size_t nrefused;
};

/* on_packet() can be told nothing by net-snmp. */
static struct agent_session *the_session;

/* ---- what net-snmp tells us ----------------------------------------------------------------- */

static bool is_seen(struct agent_session *s, long packet)
{
    size_t n = s->nseen < SEEN_MAX ? s->nseen : SEEN_MAX;
    int64_t now_ms = clock_mono_ms();

    for (size_t i = 0; i < n; i++) {
        if (s->seen[i].packet != packet)
            continue;
        patience_again(&s->patience, s->seen[i].at_ms, now_ms);
        return true;
    }
    s->seen[s->nseen++ % SEEN_MAX] = (struct request){packet, now_ms};
    patience_request(&s->patience, now_ms);
    return false;
}

static void hear(struct agent_session *s)
{
    s->heard = true;
    if (!s->silent)
        return;
    s->silent = false;
    loop_timer_set(s->ping, AGENT_PING_S * 1000);
    log_info("agentx", "the master agent at %s answers again", s->address);
}

/* A master that waits longer than its agentXTimeout sends the request again, with the packet id
 * that it has. The stream loses nothing, so the answer to the first one is the answer; net-snmp
 * would refuse a second CommitSet, often before it answers the first, and the master undo what was
 * committed. */
static int on_packet(int op, netsnmp_session *from, int id, netsnmp_pdu *pdu, void *magic)
{
    struct agent_session *s = the_session;

    if (op == NETSNMP_CALLBACK_OP_RECEIVED_MESSAGE)
        hear(s);
    if (op == NETSNMP_CALLBACK_OP_RECEIVED_MESSAGE && pdu->command != AGENTX_RESPONSE &&
        is_seen(s, pdu->reqid)) {
        log_debug("agentx", "the master agent sent request %ld again", pdu->reqid);
        return 1;
    }
    return s->forward(op, from, id, pdu, magic);
}

static int master_socket(const struct agent_session *s)
{
    netsnmp_transport *t = snmp_sess_transport(snmp_sess_pointer(s->master));

    return t ? t->sock : -1;
}

static int on_connected(int major, int minor, void *server_arg, void *client_arg)
{
    struct agent_session *s = client_arg;
    netsnmp_transport *t = snmp_sess_transport(snmp_sess_pointer(server_arg));

    (void)major, (void)minor;
    if (t)
        oversize_guard(t);
    s->master = server_arg;
    s->nseen = 0;
    patience_connected(&s->patience);
    s->forward = s->master->callback;
    s->master->callback = on_packet;
    s->heard = s->silent = false;
    master_keepalive(master_socket(s));
    loop_timer_set(s->ping, AGENT_PING_S * 1000);
    log_info("agentx", "connected to the master agent at %s", s->address);
    if (s->options.on_connected)
        s->options.on_connected(s->options.arg);
    return SNMPERR_SUCCESS;
}

static int on_lost(int major, int minor, void *server_arg, void *client_arg)
{
    struct agent_session *s = client_arg;

    (void)major, (void)minor, (void)server_arg;
    if (!s->master) /* it went while the session was being opened */
        return SNMPERR_SUCCESS;
    s->master = NULL;
    loop_timer_cancel(s->ping);
    master_search_start(s->search, 0);
    log_warning("agentx", "lost the master agent at %s, trying every %d s", s->address,
                MASTER_AGAIN_MS / 1000);
    patience_lost(&s->patience, clock_mono_ms());
    if (s->options.on_lost)
        s->options.on_lost(s->options.arg);
    return SNMPERR_SUCCESS;
}

/* Called before net-snmp's own, which asks the master and says in a log line what became of it. */
static int on_register(int major, int minor, void *server_arg, void *client_arg)
{
    const struct register_parameters *p = server_arg;
    struct agent_session *s = client_arg;
    struct registration *r = &s->under_way;

    (void)major, (void)minor;
    snprintf(r->context, sizeof(r->context), "%s", p->contextName ? p->contextName : "");
    r->n = p->namelen < MAX_OID_LEN ? p->namelen : MAX_OID_LEN;
    for (size_t i = 0; i < r->n; i++)
        r->oid[i] = (uint32_t)p->name[i];
    return SNMPERR_SUCCESS;
}

/* When a context is new, net-snmp registers the three top nodes in it (.0, .1, .2); the master has
 * its own, and refuses them. */
static bool is_top_node(const struct registration *r)
{
    return r->n == 1;
}

static int on_log(int major, int minor, void *server_arg, void *client_arg)
{
    const struct snmp_log_message *m = server_arg;
    struct agent_session *s = client_arg;
    size_t len = strcspn(m->msg, "\n");
    enum log_level level = m->priority <= LOG_ERR       ? LOG_LEVEL_ERROR
                           : m->priority <= LOG_WARNING ? LOG_LEVEL_WARNING
                                                        : LOG_LEVEL_DEBUG;

    bool refused = !strncmp(m->msg, refused_line, sizeof(refused_line) - 1);

    (void)major, (void)minor;
    if (refused && (is_top_node(&s->under_way) || s->nrefused)) /* one line a turn */
        level = LOG_LEVEL_DEBUG;
    log_line(level, "net-snmp", "%.*s", (int)len, m->msg);
    if (refused && !is_top_node(&s->under_way) && s->nrefused < REFUSALS_MAX)
        s->refused[s->nrefused++] = s->under_way;
    return SNMPERR_SUCCESS;
}

static const struct {
    int major, minor;
    SNMPCallback *callback;
    int priority;
} callbacks[] = {
    {SNMP_CALLBACK_LIBRARY, SNMP_CALLBACK_LOGGING, on_log, NETSNMP_CALLBACK_DEFAULT_PRIORITY},
    {SNMP_CALLBACK_APPLICATION, SNMPD_CALLBACK_REGISTER_OID, on_register,
     NETSNMP_CALLBACK_HIGHEST_PRIORITY},
    {SNMP_CALLBACK_APPLICATION, SNMPD_CALLBACK_INDEX_START, on_connected,
     NETSNMP_CALLBACK_DEFAULT_PRIORITY},
    {SNMP_CALLBACK_APPLICATION, SNMPD_CALLBACK_INDEX_STOP, on_lost,
     NETSNMP_CALLBACK_DEFAULT_PRIORITY},
};
enum { NCALLBACKS = sizeof(callbacks) / sizeof(*callbacks) };

/* Told at the end of a turn, not from inside net-snmp, so that the callee may register again. */
static void tell_refused(struct agent_session *s)
{
    size_t n = s->nrefused;

    s->nrefused = 0; /* what the callee registers is told in the next turn */
    for (size_t i = 0; i < n && s->options.on_refused; i++) {
        struct registration r = s->refused[i];

        s->options.on_refused(s->options.arg, r.context, r.oid, r.n);
    }
}

/* ---- whether it answers --------------------------------------------------------------------- */

/* net-snmp sees the end of the stream in the next turn, and tells on_lost(). */
static void break_off(struct agent_session *s)
{
    shutdown(master_socket(s), SHUT_RDWR);
}

/* Not sent again while the master is silent: its socket would fill, and send(2) block. Whatever it
 * says then ends the silence. */
static int on_pong(int op, netsnmp_session *from, int id, netsnmp_pdu *pdu, void *arg)
{
    struct agent_session *s = arg;

    (void)id;
    if (from != s->master)
        return 1;
    if (op == NETSNMP_CALLBACK_OP_TIMED_OUT) {
        s->silent = true;
        log_warning("agentx", "the master agent at %s does not answer: is it stopped?", s->address);
    } else if (op == NETSNMP_CALLBACK_OP_RECEIVED_MESSAGE) {
        hear(s);
        if (pdu->errstat != SNMP_ERR_NOERROR)
            break_off(s); /* it does not know our session */
    }
    return 1;
}

static void on_ping(void *arg)
{
    struct agent_session *s = arg;
    netsnmp_pdu *pdu = s->heard ? NULL : snmp_pdu_create(AGENTX_PING);

    s->heard = false;
    if (pdu) {
        pdu->sessid = s->master->sessid;
        if (!snmp_async_send(s->master, pdu, on_pong, s))
            snmp_free_pdu(pdu);
    }
    if (!s->silent)
        loop_timer_set(s->ping, AGENT_PING_S * 1000);
}

/* ---- connecting ----------------------------------------------------------------------------- */

static void reconnect_every(int seconds)
{
    netsnmp_ds_set_int(NETSNMP_DS_APPLICATION_ID, NETSNMP_DS_AGENT_AGENTX_PING_INTERVAL, seconds);
}

/* net-snmp connects when a configuration has been read, and replays the registrations if it may
 * also ping. That interval is then its ping's, and after a failure that of another attempt. */
static void on_found(void *arg)
{
    struct agent_session *s = arg;

    reconnect_every(NEVER_S);
    if (!s->initialised)
        init_snmp(app_name);
    else
        snmp_call_callbacks(SNMP_CALLBACK_LIBRARY, SNMP_CALLBACK_POST_READ_CONFIG, NULL);
    s->initialised = true;
    reconnect_every(0);
    if (s->master)
        return;
    log_warning("agentx", "no session with the master agent at %s, trying every %d s", s->address,
                MASTER_AGAIN_MS / 1000);
    master_search_start(s->search, MASTER_AGAIN_MS);
}

/* ---- the loop ------------------------------------------------------------------------------- */

/* Asked anew every turn: net-snmp closes and reopens descriptors under the same number. */
static int prepare(void *arg, struct pollfd *fds, int cap, int *timeout_ms)
{
    struct agent_session *s = arg;
    struct timeval wait = {0, 0};
    int end = 0, n = 0, block = 1;

    NETSNMP_LARGE_FD_ZERO(&s->fds);
    snmp_select_info2(&end, &s->fds, &wait, &block);
    for (int fd = 0; fd < end; fd++) {
        if (!NETSNMP_LARGE_FD_ISSET(fd, &s->fds))
            continue;
        if (n < cap)
            fds[n] = (struct pollfd){.fd = fd, .events = POLLIN};
        n++;
    }
    if (s->nrefused)
        *timeout_ms = 0;
    if (!block) {
        int64_t ms = (int64_t)wait.tv_sec * 1000 + (wait.tv_usec + 999) / 1000;

        if (*timeout_ms < 0 || ms < *timeout_ms)
            *timeout_ms = (int)ms;
    }
    return n;
}

/* net-snmp hands a request on to itself and its answer back through pipes of its own. Those go
 * first: a request that is under way still points to the session, which the master's next word may
 * end. */
static bool is_busy_inside(const struct pollfd *fds, int n, int master)
{
    for (int i = 0; i < n; i++)
        if (fds[i].revents && fds[i].fd != master)
            return true;
    return false;
}

static void dispatch(void *arg, struct pollfd *fds, int n)
{
    struct agent_session *s = arg;
    int master = s->master ? master_socket(s) : -1;
    bool busy = is_busy_inside(fds, n, master), ready = false;

    NETSNMP_LARGE_FD_ZERO(&s->fds);
    for (int i = 0; i < n; i++) {
        if (!fds[i].revents || (busy && fds[i].fd == master))
            continue;
        NETSNMP_LARGE_FD_SET(fds[i].fd, &s->fds);
        ready = true;
    }
    patience_turn_begins(&s->patience, clock_mono_ms());
    if (ready)
        snmp_read2(&s->fds);
    else
        snmp_timeout();
    run_alarms();
    netsnmp_check_outstanding_agent_requests();
    patience_turn_ends(&s->patience, clock_mono_ms());
    tell_refused(s);
}

/* ---- life ----------------------------------------------------------------------------------- */

static void set_options(const char *address)
{
    static const int library_flags[] = {
        NETSNMP_DS_LIB_DONT_READ_CONFIGS,       NETSNMP_DS_LIB_DONT_PERSIST_STATE,
        NETSNMP_DS_LIB_DISABLE_PERSISTENT_LOAD, NETSNMP_DS_LIB_DISABLE_PERSISTENT_SAVE,
        NETSNMP_DS_LIB_ALARM_DONT_USE_SIG,
    };

    for (size_t i = 0; i < sizeof(library_flags) / sizeof(*library_flags); i++)
        netsnmp_ds_set_boolean(NETSNMP_DS_LIBRARY_ID, library_flags[i], 1);
    netsnmp_ds_set_boolean(NETSNMP_DS_APPLICATION_ID, NETSNMP_DS_AGENT_NO_CONNECTION_WARNINGS, 1);
    netsnmp_ds_set_boolean(NETSNMP_DS_APPLICATION_ID, NETSNMP_DS_AGENT_NO_ROOT_ACCESS, 1);
    netsnmp_ds_set_string(NETSNMP_DS_APPLICATION_ID, NETSNMP_DS_AGENT_X_SOCKET, address);
    /* Not a folder: net-snmp makes some for certificates wherever it can. */
    set_persistent_directory("/dev/null");
    set_configuration_directory("/dev/null");
    /* no MIB is ever parsed here */
    netsnmp_set_mib_directory("");
    setenv("MIBS", "", 1);
}

void agent_session_hurry(struct agent_session *s)
{
    if (!s->master)
        return;
    s->master->timeout = GOODBYE_MS * 1000L;
    s->master->retries = 0;
}

static void release(struct agent_session *s)
{
    master_search_free(s->search);
    loop_timer_del(s->ping);
    free(s->address);
    free(s);
}

int agent_session_new(struct agent_session **ret, const struct agent_session_options *o,
                      struct err *e)
{
    struct agent_session *s = calloc(1, sizeof(*s));

    if (!s)
        return err_set(e, ERR_NOMEM, "cannot set up the AgentX session");
    s->options = *o;
    s->address = strdup(o->address);
    s->search = s->address ? master_search_new(o->loop, s->address, on_found, s) : NULL;
    s->ping = loop_timer_new(o->loop, on_ping, s);
    if (!s->search || !s->ping) {
        release(s);
        return err_set(e, ERR_NOMEM, "cannot set up the AgentX session");
    }
    s->source = (struct loop_source){prepare, dispatch, s};
    s->patience.address = s->address;
    netsnmp_large_fd_set_init(&s->fds, FD_SETSIZE);
    snmp_disable_log();
    snmp_enable_calllog();
    for (int i = 0; i < NCALLBACKS; i++)
        netsnmp_register_callback(callbacks[i].major, callbacks[i].minor, callbacks[i].callback, s,
                                  callbacks[i].priority);
    set_options(s->address);
    netsnmp_enable_subagent();
    init_agent(app_name);
    the_session = s;
    *ret = s;
    return 0;
}

int agent_session_start(struct agent_session *s, struct err *e)
{
    int err = loop_source_add(s->options.loop, &s->source);

    if (err)
        return err_set(e, err, "cannot set up the AgentX session");
    s->started = true;
    master_search_start(s->search, 0);
    return 0;
}

struct snmp_session *agent_session_master(const struct agent_session *s)
{
    return s->master;
}

const char *agent_session_address(const struct agent_session *s)
{
    return s->address;
}

/* Callbacks go first: net-snmp's shutdown would free() their argument. */
void agent_session_free(struct agent_session *s)
{
    if (!s)
        return;
    for (int i = 0; i < NCALLBACKS; i++)
        snmp_unregister_callback(callbacks[i].major, callbacks[i].minor, callbacks[i].callback, s,
                                 1);
    if (s->started)
        loop_source_del(s->options.loop, &s->source);
    s->master = NULL;
    if (s->initialised)
        snmp_shutdown(app_name);
    shutdown_agent();
    netsnmp_large_fd_set_cleanup(&s->fds);
    the_session = NULL;
    release(s);
}
