/* Asking an agent and waiting for its answer: what a command line does. A loop of its own runs
 * while a question is open. */
#ifndef CLI_CLIENT_H
#define CLI_CLIENT_H

#include "snmp/session.h"

enum { AGENT_PORT = 161 };

struct client_options {
    const char *agent; /* HOST, HOST:PORT, [IPv6]:PORT or an IPv6 address */
    const char *community;
    enum snmp_version version;
    uint32_t timeout_ms;
    unsigned retries;
};

struct client;
/* Looks the host up and opens a socket. ERR_INVALID, ERR_NOTFOUND, ERR_NETWORK, ... */
int client_open(struct client **ret, const struct client_options *o, struct err *e);
void client_close(struct client *c); /* NULL is fine */
enum snmp_version client_version(const struct client *c);

/* Splits AGENT; HOST has room for RESOLVE_NAME_MAX + 1. ERR_INVALID. */
int agent_parse(const char *agent, char *host, uint16_t *ret_port, struct err *e);

/* An answer that belongs to who asked. */
struct reply {
    int error_status, error_index;
    struct varbind *items;
    size_t n;
};
void reply_release(struct reply *r);

/* Sends P, which is taken over, and waits. ERR_TIMEOUT, ERR_NETWORK, ERR_PROTOCOL, ERR_NOMEM; an
 * error status is no error here. */
int client_ask(struct client *c, struct pdu *p, struct reply *ret, struct err *e);
/* Lets DELAY_MS pass. */
void client_wait(struct client *c, int64_t delay_ms);

#endif
