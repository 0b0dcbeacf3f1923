/* A job's event as an SNMP notification: sysUpTime.0, snmpTrapOID.0, and the event's varbinds
 * (RFC 3416 section 4.2.6), or version 1's Trap-PDU with the event's varbinds (RFC 3584 section
 * 3.2). Whatever the texts hold it stays within NOTIFICATION_MAX, the payload of one unfragmented
 * Ethernet frame: the longest text is cut until it fits. */
#ifndef DISPATCH_NOTIFICATION_H
#define DISPATCH_NOTIFICATION_H

#include "dispatch/dispatch.h"
#include "snmp/pdu.h"

enum { NOTIFICATION_MAX = 1472 };

struct notification_form {
    enum snmp_version version;
    enum pdu_command command; /* PDU_TRAP, or PDU_INFORM, which version 1 does not have */
    size_t security_len;      /* octets of the community, which count too */
};

/* ERR_RANGE (does not fit even without texts, or an OID too long), ERR_UNSUPPORTED (a type that
 * notifications cannot carry, an event without a notification, version 1's inform), ERR_NOMEM. */
int notification_new(struct pdu **ret, const struct job_event *v, const struct notification_form *f,
                     struct err *e);

/* For receivers that know no SNMPALERT-MIB, but two objects of their own for texts: notification
 * TRAP with SUBJECT and BODY (UTF-8), as OCTET STRINGs. The body is cut first. As above. */
struct notification_texts {
    struct objid trap, subject_name, body_name;
    struct slice subject, body;
};
int notification_new_texts(struct pdu **ret, const struct notification_texts *t,
                           const struct notification_form *f, struct err *e);

/* The same as varbinds alone, for a master agent that makes the message (RFC 2741 section 6.2.10):
 * UPTIME_CS is its sysUpTime, in 1/100 s. They fit as above with a community of
 * NOTIFICATION_COMMUNITY_MOST octets. The caller's then (snmp_free_varbind). */
enum { NOTIFICATION_COMMUNITY_MOST = 64 };
int notification_varbinds(struct variable_list **ret, const struct job_event *v, uint32_t uptime_cs,
                          struct err *e);

/* Octets of V as a whole message, texts cut to LENS (one for each varbind; NULL: whole). An upper
 * bound: lengths are counted in their longest form. For tests too. */
size_t notification_size(const struct job_event *v, const size_t *lens, size_t security_len);

#endif
