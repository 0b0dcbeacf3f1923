/* net-snmp drops every AgentX message of more than 65,536 octets as it parses it, and says nothing:
 * a master that sent one (a SET of about 60 KiB, or a GET of 700 objects) waits until its time-out,
 * answers genErr and closes the session, on which everybody else's requests were. So such requests
 * are taken out of the stream here and answered with tooBig at once, as is what would get a
 * response that is too large for the master. A master that was killed is noticed without the 110
 * octets that net-snmp 5.9.3 loses then. */
#ifndef AGENT_OVERSIZE_H
#define AGENT_OVERSIZE_H

#include <net-snmp/net-snmp-config.h>
#include <net-snmp/net-snmp-includes.h>

enum { AGENTX_MESSAGE_MAX = 65536 }; /* octets, with the header: what agentx_parse() takes */

/* From now on T, the transport of a session that is between two messages, is guarded. One at a
 * time in a process: the last one. */
void oversize_guard(netsnmp_transport *t);

#endif
