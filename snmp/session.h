/* SNMP sessions with remote entities, v1, v2c and v3, over UDP on IPv4 and IPv6, asynchronous.
 * Nothing here blocks: addresses are numeric (snmp/resolve.h makes them so), sockets are
 * non-blocking, time is kept by the loop (snmp/source.h), and with version 3 the engine of the
 * other side is discovered while requests wait (RFC 3414 section 4), and known to later sessions of
 * the same set.
 *
 * net-snmp's library is started once per process by snmp_start(): no configuration files, no MIB
 * files, nothing persistent, no SIGALRM, no log output. Its client half is not re-entrant: use it
 * from one thread. */
#ifndef SNMP_SESSION_H
#define SNMP_SESSION_H

#include "snmp/engine.h"
#include "snmp/pdu.h"
#include "snmp/resolve.h"
#include "snmp/source.h"

/* PROGRAM is what net-snmp calls the application. Calling it again does nothing. */
int snmp_start(const char *program, struct err *e);

/* A user of version 3, and our own engine, which is the authority for its traps. All is copied but
 * the clock, which must live as long as the session. */
struct session_user {
    const char *name;                          /* 1..USM_USER_MAX octets */
    enum usm_auth auth;                        /* USM_NO_AUTH: noAuthNoPriv */
    enum usm_priv priv;                        /* USM_NO_PRIV: no more than authNoPriv */
    const char *auth_password, *priv_password; /* USM_PASSWORD_MIN..MAX octets; secrets */
    const char *context;                       /* at most USM_CONTEXT_MAX octets */
    struct engine_id engine;
    const struct engine_clock *clock;
};

struct session_options {
    enum snmp_version version;
    const char *community;           /* v1, v2c: 1..255 octets; copied; a secret */
    const struct session_user *user; /* v3 */
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
 * ERR_NETWORK, ERR_PROTOCOL. A is NULL then. With version 3 the other side may have refused with a
 * report, of which A has the name and nothing else: ERR_PERMANENT (an unknown user, a wrong
 * digest ...), ERR_TEMPORARY (not in its time window, whatever we do), or ERR_TIMEOUT, A not NULL
 * (there was a report that proves nothing). Called from the loop, never inside session_send. */
typedef void session_answered(void *arg, int result, struct answer *a);

/* Send P, which is taken over in every case. Requests and informs: CB is called once, if 0 was
 * returned. Traps: CB must be NULL; 0 means handed to the network. ERR_NOMEM, ERR_RANGE (does not
 * fit a datagram, or more varbinds than one may have), ERR_NETWORK, ERR_INVALID. */
int session_send(struct session *s, struct pdu *p, session_answered *cb, void *arg, struct err *e);
/* Version 3: find out whether the other side knows the session's user, without anything that it
 * would act upon. CB is called as for session_send, but with RESULT 0 also where A is NULL: the
 * user is known, and a request with all the protection there is was passed over in silence, as
 * receivers of notifications may do; so the privacy password is not proven. ERR_INVALID (another
 * version), ERR_NOMEM, ERR_NETWORK. */
int session_prove(struct session *s, session_answered *cb, void *arg, struct err *e);
/* The engine that was found on the other side; len 0: none yet, or another version. */
void session_engine(const struct session *s, struct engine_id *ret);
unsigned session_waiting(const struct session *s); /* requests and informs without answer yet */

#endif
