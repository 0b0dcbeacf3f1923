/* What an snmp handler may be told, and where that sends a job. */
#ifndef DISPATCH_SNMP_KIND_H
#define DISPATCH_SNMP_KIND_H

#include "dispatch/dispatch.h"
#include "dispatch/notification.h"
#include "snmp/session.h"

enum { HOST_MAX = 255, COMMUNITY_MAX = 255 };

extern const struct kind snmp_kind;

struct endpoint {
    char host[HOST_MAX + 1];
    uint16_t port;
    char community[COMMUNITY_MAX + 1]; /* versions 1 and 2c */
    /* version 3 */
    char user[USM_USER_MAX + 1], context[USM_CONTEXT_MAX + 1];
    enum usm_auth auth;
    enum usm_priv priv;
    /* "": what the handler's file says, read when a session is opened */
    char auth_password[USM_PASSWORD_MAX + 1], priv_password[USM_PASSWORD_MAX + 1];
};

enum snmp_version snmp_version_of(const struct service *s);
/* IPv4 address that version 1's traps name, in network order; 0: whichever leads there. */
uint32_t snmp_agent_address(const struct service *s);

/* The engine that traps of version 3 come from: the handler's, else the daemon's. */
struct engine_id snmp_engine_id(const struct service *s);
/* Opens a session with TO at ADDRESS, whose passwords are read from the handler's files where it
 * has none of its own. As session_open(), and ERR_AGAIN: our engine is not known yet. */
int snmp_session(struct session **ret, struct session_set *set, const struct service *s,
                 const struct endpoint *to, const struct address *address, struct err *e);

/* Does J go as two texts (dispatch/notification.h)? Only the names are set. ERR_INVALID: some of
 * the three OIDs are there, and some are not. */
int snmp_texts(struct notification_texts *ret, bool *ret_wanted, const struct service *s,
               const struct job *j, struct err *e);

/* Where RECIPIENT ("host", "host:port", "[2001:db8::1]:port"; NULL: the handler's own host, or the
 * target's) of J is, and with which community or user. ERR_INVALID: nowhere. ERR_DENIED: at a
 * host that must not learn the handler's secrets. */
int snmp_endpoint(struct endpoint *ret, const struct service *s, const struct job *j,
                  const char *recipient, struct err *e);

#endif
