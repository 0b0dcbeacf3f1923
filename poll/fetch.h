/* HTTP GET by libcurl on the event loop. Nothing blocks: names are resolved by snmp/resolve.h and
 * handed to libcurl. No redirects, no proxies, no cookies, http and https only. */
#ifndef POLL_FETCH_H
#define POLL_FETCH_H

#include <stdbool.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/loop.h"
#include "snmp/resolve.h"

struct fetcher;
struct fetch;

struct fetch_options { /* all copied */
    const char *url;
    const struct address *addresses; /* of the URL's host; N 0 when that is numeric */
    size_t naddresses;
    uint32_t timeout_ms;             /* for the whole exchange */
    size_t size_max;                 /* of the body; more is an error */
    const char *username, *password; /* "" or NULL: none */
    const char *header;              /* one more, "Name: value"; "" or NULL: none */
    const char *ca_file;             /* "" or NULL: the system's */
    bool verify;                     /* certificate and host name */
};

/* E NULL: the status was 2xx and BODY is complete (borrowed for the call). Otherwise ERR_TIMEOUT,
 * ERR_NETWORK, ERR_RANGE (too large), ERR_DENIED (certificate), ERR_TEMPORARY or ERR_PERMANENT
 * (HTTP status), with words. The fetch is gone when this is called. */
typedef void fetch_done(void *arg, struct slice body, const struct err *e);

int fetcher_new(struct fetcher **ret, struct loop *l, struct err *e);
/* After all fetches are done or cancelled. NULL is fine. */
void fetcher_free(struct fetcher *f);

/* CB is called once from the loop, unless cancelled. ERR_INVALID, ERR_NOMEM. */
int fetch_start(struct fetch **ret, struct fetcher *f, const struct fetch_options *o,
                fetch_done *cb, void *arg, struct err *e);
void fetch_cancel(struct fetch *t); /* NULL is fine */

/* The host (IPv6 without brackets) and port of an http or https URL without user and password.
 * ERR_INVALID says what is wrong. */
int fetch_url_host(const char *url, char *host, size_t cap, uint16_t *ret_port, struct err *e);

#endif
