/* The AgentX session: net-snmp's subagent on our event loop. net-snmp connects to the master agent
 * and replays the registrations; this gives it the loop, the settings and a voice, says when to
 * connect (agent/master.h), and sees whether the master answers. A master that is stopped keeps its
 * session, however long: its socket has what we say, and it goes on when it does. No configuration
 * file is read, nothing is kept on disk, and net-snmp's own log lines go through base/log.h.
 *
 * net-snmp is global to the process: one session at a time, and not again after it was freed. */
#ifndef AGENT_SESSION_H
#define AGENT_SESSION_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/loop.h"

struct agent_session;

enum { AGENT_PING_S = 5 }; /* a master that says nothing for so long is asked whether it lives */

struct agent_session_options {
    struct loop *loop;
    const char *address; /* "unix:/var/agentx/master", "tcp:localhost:705", or a path; copied */
    void (*on_connected)(void *arg); /* there is a master; it is not written to from here */
    void (*on_lost)(void *arg);      /* the master is gone; requests under way will hear no more */
    /* The master did not take the registration of an OID (RFC 2741 section 7.1.4); CONTEXT "" is
     * the default one. */
    void (*on_refused)(void *arg, const char *context, const uint32_t *oid, size_t n);
    void *arg;
};

/* Settings, and init_agent(): register handlers after this and before start. ERR_NOMEM. */
int agent_session_new(struct agent_session **ret, const struct agent_session_options *o,
                      struct err *e);
/* Joins the loop and tries to connect; that there is no master (yet) is no error.
 * ERR_NOMEM. */
int agent_session_start(struct agent_session *s, struct err *e);
/* net-snmp's session with the master (a netsnmp_session), until it is lost; NULL: there is none. */
struct snmp_session;
struct snmp_session *agent_session_master(const struct agent_session *s);
const char *agent_session_address(const struct agent_session *s); /* for messages */
/* Before what leads to the end: a master that does not answer is waited for no longer. */
void agent_session_hurry(struct agent_session *s);
/* Says goodbye to the master. Free the handlers' registrations before. NULL is fine. */
void agent_session_free(struct agent_session *s);

#endif
