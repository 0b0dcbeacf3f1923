/* The AgentX session: net-snmp's subagent on our event loop. It connects to the master agent,
 * pings it, comes back after it was gone, and replays the registrations; net-snmp does that, this
 * gives it the loop, the settings and a voice. No configuration file is read, nothing is kept on
 * disk, and net-snmp's own log lines go through base/log.h.
 *
 * net-snmp is global to the process: one session at a time, and not again after it was freed. */
#ifndef AGENT_SESSION_H
#define AGENT_SESSION_H

#include "base/err.h"
#include "base/loop.h"

struct agent_session;

enum {
    AGENT_PING_S = 15,     /* a silent master is noticed after this long */
    AGENT_RECONNECT_S = 2, /* while there is no master, one attempt each */
};

struct agent_session_options {
    struct loop *loop;
    const char *address; /* "unix:/var/agentx/master", "tcp:localhost:705", or a path; copied */
    void (*on_connected)(void *arg); /* there is a master; it is not written to from here */
    void (*on_lost)(void *arg);      /* the master is gone; requests under way will hear no more */
    void (*on_refused)(void *arg);   /* the master did not take a registration (RFC 2741 7.1.4) */
    void *arg;
};

/* Settings, and init_agent(): register handlers after this and before start. */
int agent_session_new(struct agent_session **ret, const struct agent_session_options *o,
                      struct err *e);
/* Joins the loop and tries to connect; that there is no master (yet) is no error. */
int agent_session_start(struct agent_session *s, struct err *e);
/* net-snmp's session with the master (a netsnmp_session); NULL: there is none. */
struct snmp_session;
struct snmp_session *agent_session_master(const struct agent_session *s);
const char *agent_session_address(const struct agent_session *s); /* for messages */
/* Says goodbye to the master. Free the handlers' registrations before. NULL is fine. */
void agent_session_free(struct agent_session *s);

#endif
