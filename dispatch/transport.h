/* The way from libesmtp to a mail server. libesmtp dials by itself and knows neither deadlines nor
 * TLS that can be trusted; so it is given a loopback port, and everything behind that port is ours:
 * the dialled link (dispatch/link.h), STARTTLS (RFC 3207) and a thread that carries octets both
 * ways until a side ends, nothing moves for too long, time is up, or someone cancels. */
#ifndef DISPATCH_TRANSPORT_H
#define DISPATCH_TRANSPORT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

enum transport_encryption {
    TRANSPORT_PLAIN,
    TRANSPORT_STARTTLS, /* RFC 3207 */
    TRANSPORT_TLS,      /* from the first octet: RFC 8314 */
};

struct transport_options {
    const char *host;
    uint16_t port;
    enum transport_encryption encryption;
    const char *ca_file;              /* "": the system's */
    const char *cert_file, *key_file; /* as in dispatch/link.h */
    bool verify;
    const char *helo;   /* checked by the caller */
    int64_t connect_ms; /* for each address of the host */
    int64_t silence_ms; /* longest time without an octet */
    int64_t total_ms;   /* from transport_open() to the end */
};

struct transport;

int transport_new(struct transport **ret, struct err *e);
void transport_free(struct transport *t); /* NULL is fine */

/* Dial, STARTTLS, listen. Blocks. The options must stay until transport_close. ERR_PROTOCOL,
 * ERR_TEMPORARY or ERR_PERMANENT (the server's reply is in the words), ERR_UNSUPPORTED (no STARTTLS
 * there), or an error of dispatch/link.h. */
int transport_open(struct transport *t, const struct transport_options *o, struct err *e);
uint16_t transport_port(const struct transport *t); /* on 127.0.0.1 */

/* Serve FD, a descriptor that has connected to that port and has neither read nor written yet: it
 * becomes one end of a socket pair, and nobody else is served. ERR_IO, ERR_NOMEM. */
int transport_serve(struct transport *t, int fd);

/* From any thread, at any time: nothing is sent to the server any more, all calls return soon. */
void transport_cancel(struct transport *t);

/* From libesmtp's thread, before it writes what shall not be sent: the server gets nothing more of
 * it, but QUIT from transport_close(). */
void transport_leave(struct transport *t);

/* Ends the carrying. Why it had ended before, if it had: 0 (libesmtp was done, or it is only over
 * now), ERR_CLOSED (the server hung up), ERR_TIMEOUT (silence, or time is up), ERR_AGAIN
 * (cancelled, or left), ERR_NETWORK, ERR_RANGE (more octets than a message may have). */
int transport_close(struct transport *t);
/* After ERR_NETWORK or ERR_CLOSED of that: what TLS has to say of it, NULL: nothing. */
const char *transport_why(const struct transport *t);

#endif
