/* Everything on the AgentX socket is synchronous inside net-snmp: a stopped master stalls the loop
 * until it times out. That is why the agent is a process of its own.
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

#include "base/log.h"

static const char app_name[] = "snmpalertd-agent";
static const char refused_line[] = "registering pdu failed";

enum {
    RESPONSE = 18, /* RFC 2741 section 6.1 */
    SEEN_MAX = 64, /* requests that may be open at once and be sent again; SETs are alone */
};

struct agent_session {
    struct agent_session_options options;
    char *address;
    struct loop_source source;
    netsnmp_large_fd_set fds;
    netsnmp_callback forward; /* net-snmp's own, which takes what the master sends */
    long seen[SEEN_MAX];      /* packet ids of its last requests; a ring */
    size_t nseen;
    netsnmp_session *master;
    bool started, connected, refused;
};

/* on_packet() can be told nothing by net-snmp. */
static struct agent_session *the_session;

/* ---- what net-snmp tells us ----------------------------------------------------------------- */

static void reconnect_every(int seconds)
{
    netsnmp_ds_set_int(NETSNMP_DS_APPLICATION_ID, NETSNMP_DS_AGENT_AGENTX_PING_INTERVAL, seconds);
}

static bool is_seen(struct agent_session *s, long packet)
{
    size_t n = s->nseen < SEEN_MAX ? s->nseen : SEEN_MAX;

    for (size_t i = 0; i < n; i++)
        if (s->seen[i] == packet)
            return true;
    s->seen[s->nseen++ % SEEN_MAX] = packet;
    return false;
}

/* A master that waits longer than its agentXTimeout sends the request again, with the packet id
 * that it has. The stream loses nothing, so the answer to the first one is the answer; net-snmp
 * would refuse a second CommitSet, often before it answers the first, and the master undo what was
 * committed. */
static int on_packet(int op, netsnmp_session *from, int id, netsnmp_pdu *pdu, void *magic)
{
    struct agent_session *s = the_session;

    if (op == NETSNMP_CALLBACK_OP_RECEIVED_MESSAGE && pdu->command != RESPONSE &&
        is_seen(s, pdu->reqid)) {
        log_debug("agentx", "the master agent sent request %ld again", pdu->reqid);
        return 1;
    }
    return s->forward(op, from, id, pdu, magic);
}

/* One setting is both the interval of pings, read right after this callback, and that of attempts
 * to reconnect, read when the master is lost (prepare() has set it back by then). */
static int on_connected(int major, int minor, void *server_arg, void *client_arg)
{
    struct agent_session *s = client_arg;
    netsnmp_session *master = server_arg;

    (void)major, (void)minor;
    reconnect_every(AGENT_PING_S);
    s->nseen = 0;
    s->forward = master->callback;
    master->callback = on_packet;
    s->connected = true;
    s->master = master;
    log_info("agentx", "connected to the master agent at %s", s->address);
    if (s->options.on_connected)
        s->options.on_connected(s->options.arg);
    return SNMPERR_SUCCESS;
}

static int on_lost(int major, int minor, void *server_arg, void *client_arg)
{
    struct agent_session *s = client_arg;

    (void)major, (void)minor, (void)server_arg;
    reconnect_every(AGENT_RECONNECT_S);
    s->connected = false;
    s->master = NULL;
    log_warning("agentx", "lost the master agent at %s, trying every %d s", s->address,
                AGENT_RECONNECT_S);
    if (s->options.on_lost)
        s->options.on_lost(s->options.arg);
    return SNMPERR_SUCCESS;
}

static int on_log(int major, int minor, void *server_arg, void *client_arg)
{
    const struct snmp_log_message *m = server_arg;
    struct agent_session *s = client_arg;
    size_t len = strcspn(m->msg, "\n");
    enum log_level level = m->priority <= LOG_ERR       ? LOG_LEVEL_ERROR
                           : m->priority <= LOG_WARNING ? LOG_LEVEL_WARNING
                                                        : LOG_LEVEL_DEBUG;

    (void)major, (void)minor;
    log_line(level, "net-snmp", "%.*s", (int)len, m->msg);
    if (!strncmp(m->msg, refused_line, sizeof(refused_line) - 1))
        s->refused = true;
    return SNMPERR_SUCCESS;
}

static const struct {
    int major, minor;
    SNMPCallback *callback;
} callbacks[] = {
    {SNMP_CALLBACK_LIBRARY, SNMP_CALLBACK_LOGGING, on_log},
    {SNMP_CALLBACK_APPLICATION, SNMPD_CALLBACK_INDEX_START, on_connected},
    {SNMP_CALLBACK_APPLICATION, SNMPD_CALLBACK_INDEX_STOP, on_lost},
};
enum { NCALLBACKS = sizeof(callbacks) / sizeof(*callbacks) };

/* Told at the end of a turn, not from inside net-snmp, so that the callee may register again. */
static void tell_refused(struct agent_session *s)
{
    if (!s->refused)
        return;
    s->refused = false;
    log_error("agentx",
              "the master agent at %s refused our registration: does another subagent "
              "serve the same OIDs?",
              s->address);
    if (s->options.on_refused)
        s->options.on_refused(s->options.arg);
}

/* ---- the loop ------------------------------------------------------------------------------- */

/* Asked anew every turn: net-snmp closes and reopens descriptors under the same number. */
static int prepare(void *arg, struct pollfd *fds, int cap, int *timeout_ms)
{
    struct agent_session *s = arg;
    struct timeval wait = {0, 0};
    int end = 0, n = 0, block = 1;

    reconnect_every(AGENT_RECONNECT_S);
    NETSNMP_LARGE_FD_ZERO(&s->fds);
    snmp_select_info2(&end, &s->fds, &wait, &block);
    for (int fd = 0; fd < end; fd++) {
        if (!NETSNMP_LARGE_FD_ISSET(fd, &s->fds))
            continue;
        if (n < cap)
            fds[n] = (struct pollfd){.fd = fd, .events = POLLIN};
        n++;
    }
    if (s->refused)
        *timeout_ms = 0;
    if (!block) {
        int64_t ms = (int64_t)wait.tv_sec * 1000 + (wait.tv_usec + 999) / 1000;

        if (*timeout_ms < 0 || ms < *timeout_ms)
            *timeout_ms = (int)ms;
    }
    return n;
}

static void dispatch(void *arg, struct pollfd *fds, int n)
{
    struct agent_session *s = arg;
    bool ready = false;

    NETSNMP_LARGE_FD_ZERO(&s->fds);
    for (int i = 0; i < n; i++) {
        if (!fds[i].revents)
            continue;
        NETSNMP_LARGE_FD_SET(fds[i].fd, &s->fds);
        ready = true;
    }
    if (ready)
        snmp_read2(&s->fds);
    else
        snmp_timeout();
    run_alarms();
    netsnmp_check_outstanding_agent_requests();
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

int agent_session_new(struct agent_session **ret, const struct agent_session_options *o,
                      struct err *e)
{
    struct agent_session *s = calloc(1, sizeof(*s));

    if (!s || !(s->address = strdup(o->address))) {
        free(s);
        return err_set(e, ERR_NOMEM, "cannot set up the AgentX session");
    }
    s->options = *o;
    s->source = (struct loop_source){prepare, dispatch, s};
    netsnmp_large_fd_set_init(&s->fds, FD_SETSIZE);
    snmp_disable_log();
    snmp_enable_calllog();
    for (int i = 0; i < NCALLBACKS; i++)
        snmp_register_callback(callbacks[i].major, callbacks[i].minor, callbacks[i].callback, s);
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
    reconnect_every(AGENT_RECONNECT_S);
    init_snmp(app_name);
    if (!s->connected)
        log_warning("agentx", "no master agent at %s yet, trying every %d s", s->address,
                    AGENT_RECONNECT_S);
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
    if (s->started) {
        loop_source_del(s->options.loop, &s->source);
        snmp_shutdown(app_name);
    }
    shutdown_agent();
    netsnmp_large_fd_set_cleanup(&s->fds);
    free(s->address);
    free(s);
}
