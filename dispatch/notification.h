/* A job's event as an SNMPv2 notification (RFC 3416 section 4.2.6): sysUpTime.0, snmpTrapOID.0, and
 * the event's varbinds. Whatever the texts hold it stays within NOTIFICATION_MAX, the payload of
 * one unfragmented Ethernet frame: the longest text is cut until it fits. */
#ifndef DISPATCH_NOTIFICATION_H
#define DISPATCH_NOTIFICATION_H

#include "dispatch/dispatch.h"
#include "snmp/pdu.h"

enum { NOTIFICATION_MAX = 1472 };

/* COMMUNITY_LEN octets of community count too. COMMAND: PDU_TRAP or PDU_INFORM. ERR_RANGE (does not
 * fit even without texts, or an OID too long), ERR_UNSUPPORTED (a type that notifications cannot
 * carry, or an event without a notification), ERR_NOMEM. */
int notification_new(struct pdu **ret, const struct job_event *v, enum pdu_command command,
                     size_t community_len, struct err *e);

/* The same as varbinds alone, for a master agent that makes the message (RFC 2741 section 6.2.10):
 * UPTIME_CS is its sysUpTime, in 1/100 s. They fit as above with a community of
 * NOTIFICATION_COMMUNITY_MOST octets. The caller's then (snmp_free_varbind). */
enum { NOTIFICATION_COMMUNITY_MOST = 64 };
int notification_varbinds(struct variable_list **ret, const struct job_event *v, uint32_t uptime_cs,
                          struct err *e);

/* Octets of V as a whole message, texts cut to LENS (one for each varbind; NULL: whole). An upper
 * bound: lengths are counted in their longest form. For tests too. */
size_t notification_size(const struct job_event *v, const size_t *lens, size_t community_len);

#endif
