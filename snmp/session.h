/* SNMP sessions with remote entities, v1 and v2c, over UDP on IPv4 and IPv6, asynchronous. Nothing
 * here blocks: addresses are numeric (snmp/resolve.h makes them so), sockets are non-blocking, time
 * is kept by the loop (snmp/source.h).
 *
 * net-snmp's library is started once per process by snmp_start(): no configuration files, no MIB
 * files, nothing persistent, no SIGALRM, no log output. Its client half is not re-entrant: use it
 * from one thread. */
#ifndef SNMP_SESSION_H
#define SNMP_SESSION_H

#include "snmp/pdu.h"
#include "snmp/resolve.h"
#include "snmp/source.h"

/* PROGRAM is what net-snmp calls the application. Calling it again does nothing. */
int snmp_start(const char *program, struct err *e);

struct session_options {
    enum snmp_version version;
    const char *community; /* 1..255 octets; copied; a secret */
    struct address address;
    uint32_t timeout_ms; /* for each attempt, 1 .. 600000 */
    unsigned retries;    /* attempts after the first, at most 100 */
    /* That version 1's traps name, in network order; 0: this host's address on the way to ADDRESS,
     * 0.0.0.0 where that is IPv6 (RFC 3584 section 3.2). */
    uint32_t agent_address;
};

/* One socket with one remote entity. */
struct session;
/* Joins SET. ERR_INVALID, ERR_NETWORK, ERR_NOMEM. */
int session_open(struct session **ret, struct session_set *set, const struct session_options *o,
                 struct err *e);
/* Allowed from inside the session's own callbacks. Callbacks of requests that wait are not called.
 * NULL is fine. */
void session_close(struct session *s);

/* RESULT 0: A is the answer (look at error_status); ERR_TIMEOUT: all attempts went unanswered;
 * ERR_NETWORK, ERR_PROTOCOL. A is NULL unless 0. Called from the loop, never inside session_send.
 */
typedef void session_answered(void *arg, int result, struct answer *a);

/* Send P, which is taken over in every case. Requests and informs: CB is called once, if 0 was
 * returned. Traps: CB must be NULL; 0 means handed to the network. ERR_NOMEM, ERR_RANGE (does not
 * fit a datagram, or more varbinds than one may have), ERR_NETWORK, ERR_INVALID. */
int session_send(struct session *s, struct pdu *p, session_answered *cb, void *arg, struct err *e);
unsigned session_waiting(const struct session *s); /* requests and informs without answer yet */

#endif
