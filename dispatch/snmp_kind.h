/* What an snmp handler may be told, and where that sends a job. */
#ifndef DISPATCH_SNMP_KIND_H
#define DISPATCH_SNMP_KIND_H

#include "dispatch/dispatch.h"
#include "snmp/pdu.h"

enum { HOST_MAX = 255, COMMUNITY_MAX = 255 };

extern const struct kind snmp_kind;

struct endpoint {
    char host[HOST_MAX + 1];
    uint16_t port;
    char community[COMMUNITY_MAX + 1];
};

enum snmp_version snmp_version_of(const struct service *s);
/* IPv4 address that version 1's traps name, in network order; 0: whichever leads there. */
uint32_t snmp_agent_address(const struct service *s);

/* Where RECIPIENT ("host", "host:port", "[2001:db8::1]:port"; NULL: the handler's own host, or the
 * target's) of J is, and with which community. ERR_INVALID: nowhere. ERR_DENIED: at a host that
 * must not learn the handler's community. */
int snmp_endpoint(struct endpoint *ret, const struct service *s, const struct job *j,
                  const char *recipient, struct err *e);

#endif
