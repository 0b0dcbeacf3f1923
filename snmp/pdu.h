/* SNMP requests, notifications and answers, so that nobody above snmp/ includes net-snmp. */
#ifndef SNMP_PDU_H
#define SNMP_PDU_H

#include "snmp/value.h"

enum snmp_version { SNMP_V1, SNMP_V2C, SNMP_V3 };

/* "1" and "2c" (and "v1", "v2c"), those with a community: 0 or ERR_SYNTAX. */
int snmp_version_parse(enum snmp_version *ret, const char *text);

enum pdu_command { PDU_GET, PDU_GETNEXT, PDU_GETBULK, PDU_SET, PDU_TRAP, PDU_INFORM };

/* RFC 3416 section 3; those that callers look at. */
enum {
    PDU_NO_ERROR = 0,
    PDU_TOO_BIG = 1,
    PDU_NO_SUCH_NAME = 2, /* v1 only */
    PDU_GEN_ERR = 5,
};
/* "tooBig", "noSuchName", "wrongValue", ...; "error 99" never: unknown codes are "unknownError". */
const char *pdu_error_name(int error_status);

/* A message being built, with a sticky error that session_send() reports. NULL when out of memory;
 * every function below takes NULL, so the one check is session_send()'s (ERR_NOMEM). */
struct pdu;
struct pdu *pdu_new(enum snmp_version version, enum pdu_command command);
/* GETBULK; ERR_INVALID for version 1. */
struct pdu *pdu_new_bulk(unsigned non_repeaters, unsigned max_repetitions);
/* A notification: v2c begins with sysUpTime.0 and snmpTrapOID.0 (RFC 3416 section 4.2.6); v1 gives
 * enterprise, generic and specific number after RFC 3584 section 3.2; the session that sends it
 * adds the agent address.
 * UPTIME_CS in 1/100 s. COMMAND: PDU_TRAP or (v2c) PDU_INFORM. */
struct pdu *pdu_new_notification(enum snmp_version version, enum pdu_command command,
                                 uint32_t uptime_cs, const struct objid *trap);
/* Append a varbind; V NULL: a NULL value (requests). Everything is copied. */
void pdu_add(struct pdu *p, const uint32_t *subids, size_t n, const struct snmp_value *v);
void pdu_add_null(struct pdu *p, const struct objid *name);
void pdu_free(struct pdu *p); /* one that was never sent; NULL is fine */
/* Its varbinds as net-snmp has them, the caller's from here (snmp_free_varbind), for who sends them
 * in a message of its own. The sticky error, or ERR_NOMEM. P is only to be freed then. */
struct variable_list;
int pdu_take_varbinds(struct pdu *p, struct variable_list **ret);

struct varbind {
    struct objid name;
    struct snmp_value value; /* borrowed parts are valid while the answer is */
};

/* An answer, borrowed for the call that hands it over. */
struct answer {
    int error_status;
    int error_index;    /* 1-based; 0: none */
    const char *report; /* it is none, but a report: "unknownUserNames (no such ...)"; else NULL */
    const void *next;   /* private */
};
/* The next varbind; false at the end. A varbind whose type nobody knows reads as NULL. */
bool answer_next(struct answer *a, struct varbind *ret);

#endif
