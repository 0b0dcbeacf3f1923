/* Host names to addresses without blocking the loop. Lookups run in detached threads that touch
 * nothing but their own request (getaddrinfo has no other portable form); answers come back through
 * an eventfd on the loop. */
#ifndef SNMP_RESOLVE_H
#define SNMP_RESOLVE_H

#include <stdbool.h>
#include <sys/socket.h>

#include "base/err.h"
#include "base/loop.h"

struct address {
    struct sockaddr_storage storage; /* AF_INET or AF_INET6, with port */
    socklen_t len;
};

enum {
    ADDRESS_TEXT_MAX = 80,      /* "[fe80::1%eth0]:161" */
    RESOLVE_NAME_MAX = 255,     /* octets of a host name */
    RESOLVE_LOOKUPS_MAX = 64,   /* threads; more lookups wait for their turn */
    RESOLVE_LONGEST_MS = 15000, /* of one lookup, its wait for a thread included */
    RESOLVE_ADDRESSES_MAX = 8,  /* of one answer, in the order of RFC 6724 */
};

/* Numeric IPv4 or IPv6 (brackets and a scope are allowed). False: it is a name, or nothing. */
bool address_parse(struct address *ret, const char *host, uint16_t port);
/* "192.0.2.1:161", "[2001:db8::1]:161"; HOST only without the port and the brackets. Terminated. */
void address_text(const struct address *a, char dst[ADDRESS_TEXT_MAX]);
void address_host(const struct address *a, char dst[ADDRESS_TEXT_MAX]);

/* Which of N (at least 1) addresses to use at the NTH attempt, 0 the first: IPv4 first, as SNMP
 * agents and tools do, since who listens on a datagram address is not told; then around. */
const struct address *address_choose(const struct address *a, size_t n, unsigned nth);

struct resolver;
struct lookup;

struct resolver *resolver_new(struct loop *l); /* NULL when out of memory or descriptors */
/* Cancels all lookups; threads that still run end by themselves. NULL is fine. */
void resolver_free(struct resolver *r);

/* RESULT 0: N (1..RESOLVE_ADDRESSES_MAX) addresses, borrowed for the call; ERR_NOTFOUND: there is
 * no such host; ERR_TEMPORARY: the name servers do not answer (within RESOLVE_LONGEST_MS);
 * ERR_NETWORK, ERR_NOMEM. WHY says it in words. The lookup is gone when this is called. */
typedef void resolve_done(void *arg, int result, const struct address *addresses, size_t n,
                          const char *why);

/* Look HOST up. CB is called once from the loop, in a later turn (soon for a numeric HOST), unless
 * cancelled. ERR_INVALID (empty, too long, characters that no host has), ERR_NOMEM. */
int resolve_start(struct lookup **ret, struct resolver *r, const char *host, uint16_t port,
                  resolve_done *cb, void *arg, struct err *e);
void resolve_cancel(struct lookup *l); /* NULL is fine */

#endif
