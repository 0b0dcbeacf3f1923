/* HTTP requests by libcurl on the event loop. Nothing blocks: names are resolved by snmp/resolve.h
 * and handed to libcurl. No redirects, no cookies, nothing from the environment or ~/.netrc, http
 * and https (TLS 1.2 and later) only. */
#ifndef HTTP_CLIENT_H
#define HTTP_CLIENT_H

#include <stdbool.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/loop.h"
#include "snmp/resolve.h"

enum { HTTP_URL_MAX = 2048 /* octets */ };

struct http_client;
struct http_request;

enum http_method { HTTP_GET, HTTP_POST, HTTP_PUT };

struct http_options { /* all copied, but the body, which must stay until the answer */
    enum http_method method;
    const char *url;
    const char *proxy;               /* "http://host:port"; "" or NULL: none */
    const struct address *addresses; /* of the host that is connected to: the proxy's, or the */
    size_t naddresses;               /* URL's; 0 when that is numeric */
    struct slice body;               /* of POST and PUT */
    const char *const *headers;      /* "Name: value" each */
    size_t nheaders;
    uint32_t connect_ms;              /* to connect, TLS included; 0: no limit of its own */
    uint32_t timeout_ms;              /* for the whole exchange */
    size_t size_max;                  /* of the answer's body; more is an error */
    const char *username, *password;  /* "" or NULL: none */
    const char *ca_file;              /* "" or NULL: the system's */
    const char *cert_file, *key_file; /* the client's own, PEM; "" or NULL: none */
    bool verify;                      /* certificate and host name */
    bool connect_only;                /* complete when the server could be asked: nothing is sent */
};

/* Borrowed for the call. Status and what follows it are there once the head of the final response
 * was complete, also if what came behind it FAILED. */
struct http_answer {
    int status; /* 0: there was no response */
    struct slice body;
    int64_t retry_after_ms; /* what Retry-After says (http/retry.h); -1: nothing */
    const char *location;   /* of a redirect, as it came, perhaps relative; "" none */
    /* NULL: the exchange is complete. ERR_TIMEOUT, ERR_NETWORK, ERR_RANGE (too large), ERR_DENIED
     * (certificate), ERR_PROTOCOL, ERR_INVALID, ERR_NOMEM, with words that name no more of the URL
     * than its host. */
    const struct err *failure;
    bool unreachable; /* it failed in a way that other requests to this server would share */
};

/* The request is gone when this is called. */
typedef void http_done(void *arg, const struct http_answer *a);

int http_client_new(struct http_client **ret, struct loop *l, struct err *e);
/* Its requests are cancelled. NULL is fine. */
void http_client_free(struct http_client *c);

/* CB is called once from the loop, in a later turn, unless cancelled. ERR_INVALID, ERR_NOMEM. */
int http_start(struct http_request **ret, struct http_client *c, const struct http_options *o,
               http_done *cb, void *arg, struct err *e);
void http_cancel(struct http_request *r); /* NULL is fine */

#endif
