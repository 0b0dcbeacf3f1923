/* Whether there is a master agent that answers, and why not. net-snmp connects, and waits for
 * answers, with all else at a stand: it is let do so only when this has had an answer. One
 * connection at a time, so that the queue of a master that takes connections but answers none (it
 * is stopped, say) does not fill. */
#ifndef AGENT_MASTER_H
#define AGENT_MASTER_H

#include "base/err.h"
#include "base/loop.h"

enum {
    MASTER_AGAIN_MS = 1000,  /* from one attempt to the next, while there is none */
    MASTER_SILENT_MS = 5000, /* a master that does not answer is told of then, and waited for */
};

struct master_search;
struct sockaddr_storage;

/* ADDRESS as in agent/session.h; kept, as is ARG. ON_FOUND is called by the loop, once for each
 * start. An address of a form that this does not know is found at once. NULL: out of memory. */
struct master_search *master_search_new(struct loop *l, const char *address,
                                        void (*on_found)(void *arg), void *arg);
void master_search_free(struct master_search *m); /* NULL is fine */

/* Looks DELAY_MS from now, and then until it has an answer; started again: from the beginning. Each
 * reason why there is no master is logged once in a row, with advice. */
void master_search_start(struct master_search *m, int64_t delay_ms);

/* Has the kernel notice within 25 s that the host at the other end of FD is gone. A process that is
 * stopped is not gone. Does nothing to a local socket. */
void master_keepalive(int fd);

/* The socket address of ADDRESS in *RET, or ERR_UNSUPPORTED (a form that only net-snmp knows),
 * ERR_NOTFOUND (no such host), with words. For the above; declared for its test. */
int master_address(const char *address, struct sockaddr_storage *ret, unsigned *len, struct err *e);

/* What the administrator can do about ERR_NO (an errno of connect(2) to ADDRESS, by user USER), in
 * BUF. Declared for its test. */
void master_advice(char *buf, unsigned size, const char *address, int err_no, const char *user);

#endif
