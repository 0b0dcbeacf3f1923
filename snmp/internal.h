/* What the files of snmp/ tell each other; nobody else includes it. */
#ifndef SNMP_INTERNAL_H
#define SNMP_INTERNAL_H

#include <net-snmp/net-snmp-config.h>
#include <net-snmp/net-snmp-includes.h>
#include <net-snmp/library/large_fd_set.h>

#include "snmp/session.h"

enum { PDU_VARBINDS_MAX = 4096 };

struct pdu {
    netsnmp_pdu *raw; /* NULL once handed to net-snmp */
    enum snmp_version version;
    enum pdu_command command;
    unsigned n; /* varbinds */
    int err;
};

/* A request that waits. net-snmp holds a pointer to it until it calls back for the last time. */
struct exchange {
    struct session *session;
    struct exchange *next, **pprev;
    session_answered *cb; /* NULL: the caller has its result already */
    void *arg;
    struct v3_state *v3; /* of version 3; ends with the exchange */
};

/* Sessions leave the set only at the start of a turn: descriptors that the loop polled keep their
 * positions until it hands them back, whatever callbacks close in between. */
struct session_set {
    struct loop *loop;
    struct loop_source source;
    struct session **items;
    size_t n, cap, dead;
    netsnmp_large_fd_set fds;     /* scratch: net-snmp speaks fd sets only; always left empty */
    struct engine_cache *engines; /* of version 3, as is the next; NULL until the first */
    struct keyring *keyring;
};

struct session {
    struct session_set *set;
    void *handle;  /* of net-snmp's single-session API; NULL: version 3 */
    struct v3 *v3; /* else NULL */
    int fd;
    struct exchange *waiting;
    unsigned nwaiting;
    uint32_t agent_address; /* of version 1's traps, network order */
    int64_t due_mono_ms;    /* when net-snmp wants to resend or give up; INT64_MAX: never */
    bool dead;
};

struct exchange *exchange_new(struct session *s, session_answered *cb, void *arg);
void exchange_free(struct exchange *x);
/* For the caller of what waited, with CB: PDU is its response, if there is a RESULT of 0; REPORT:
 * the name of what came instead, or NULL. */
void session_answer(struct session *s, session_answered *cb, void *arg, int result,
                    const netsnmp_pdu *pdu, const char *report);
int session_socket_flags(int fd, struct err *e);

/* v3.c: the same for sessions of version 3, with a socket, timers and messages of our own. net-snmp
 * encodes and parses PDUs, as with the other versions. */
int v3_open(struct session *s, const struct session_options *o, struct err *e);
void v3_close(struct session *s);
int v3_send(struct session *s, struct pdu *p, session_answered *cb, void *arg, struct err *e);
int v3_prove(struct session *s, session_answered *cb, void *arg, struct err *e);
void v3_engine(const struct session *s, struct engine_id *ret);
void v3_read(struct session *s);
int64_t v3_due(const struct session *s);
void v3_run_timers(struct session *s);
void v3_state_free(struct v3_state *v);

int session_set_add(struct session_set *set, struct session *s);
void session_find_due(struct session *s);
void session_read(struct session *s);
void session_run_timers(struct session *s);
void session_destroy(struct session *s);

#endif
