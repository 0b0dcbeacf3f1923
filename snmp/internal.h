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
};

/* Sessions leave the set only at the start of a turn: descriptors that the loop polled keep their
 * positions until it hands them back, whatever callbacks close in between. */
struct session_set {
    struct loop *loop;
    struct loop_source source;
    struct session **items;
    size_t n, cap, dead;
    netsnmp_large_fd_set fds; /* scratch: net-snmp speaks fd sets only; always left empty */
};

struct session {
    struct session_set *set;
    void *handle; /* of net-snmp's single-session API */
    int fd;
    struct exchange *waiting;
    unsigned nwaiting;
    uint32_t agent_address; /* of version 1's traps, network order */
    int64_t due_mono_ms;    /* when net-snmp wants to resend or give up; INT64_MAX: never */
    bool dead;
};

int session_set_add(struct session_set *set, struct session *s);
void session_find_due(struct session *s);
void session_read(struct session *s);
void session_run_timers(struct session *s);
void session_destroy(struct session *s);

#endif
