/* What an snmp handler may be told, and where that sends a job. */
#ifndef DISPATCH_SNMP_KIND_H
#define DISPATCH_SNMP_KIND_H

#include "dispatch/dispatch.h"

enum { HOST_MAX = 255, COMMUNITY_MAX = 255 };

extern const struct kind snmp_kind;

struct endpoint {
    char host[HOST_MAX + 1];
    uint16_t port;
    char community[COMMUNITY_MAX + 1];
};

/* Where RECIPIENT ("host", "host:port", "[2001:db8::1]:port"; NULL: the handler's own host, or the
 * target's) of J is, and with which community. ERR_INVALID: nowhere. ERR_DENIED: at a host that
 * must not learn the handler's community. */
int snmp_endpoint(struct endpoint *ret, const struct service *s, const struct job *j,
                  const char *recipient, struct err *e);

#endif
