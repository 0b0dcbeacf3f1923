/* A SET between its phases: the `struct set` (store/set.h) that lives from RESERVE1 until net-snmp
 * frees the request's data, or until the session died, which net-snmp does not tell in any other
 * way; the `struct pending` stays until then as a husk. */
#ifndef AGENT_PENDING_H
#define AGENT_PENDING_H

#include <stdbool.h>

#include <net-snmp/net-snmp-config.h>
#include <net-snmp/net-snmp-includes.h>
#include <net-snmp/agent/net-snmp-agent-includes.h>

#include "store/set.h"

struct pending {
    struct set *set; /* NULL: over, or the session died */
    bool checked, committed;
    struct pending *next, **link; /* in its list */
};

/* Begins one, kept with the request as NAME (which must stay), and in LIST. NULL: out of memory. */
struct pending *pending_new(struct pending **list, struct store *s, const char *name,
                            netsnmp_agent_request_info *info);
/* NULL when there is none, or only the husk of one. */
struct pending *pending_of(netsnmp_agent_request_info *info, const char *name);
void pending_end(struct pending *p);
/* UNDO and COMMIT or FREE, of the SET kept as NAME: it is over, if there is one. True when the
 * store was changed, or was and is as before; a SET that cannot be undone is told to net-snmp, and
 * in the log as WHAT of OBJECT (NULL: its owner). */
bool pending_undo(netsnmp_agent_request_info *info, const char *name,
                  netsnmp_request_info *requests, const char *object, const char *what);
bool pending_finish(netsnmp_agent_request_info *info, const char *name);
/* The session died: none of LIST will hear more. What was committed stays. */
void pending_end_all(struct pending **list);

/* SNMP's error (RFC 3416) for one of the store's; genErr for what has none. */
int pending_snmp_error(int code);

#endif
