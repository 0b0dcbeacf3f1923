/* A stream to a mail server: dialled with deadlines, plain or TLS (OpenSSL, 1.2 and later, name
 * checked), and given up at once when its owner cancels. Calls block, for worker threads only;
 * link_read and link_write do not. */
#ifndef DISPATCH_LINK_H
#define DISPATCH_LINK_H

#include <openssl/types.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

/* How long whoever waits will wait. */
struct patience {
    int64_t end_mono_ms; /* never beyond this */
    int64_t step_ms;     /* nor longer than this for one step */
    int cancel_fd;       /* an eventfd: readable means give up */
};
/* Until FD is ready for EVENTS (POLLIN, POLLOUT). 0, ERR_TIMEOUT, ERR_AGAIN (cancelled), ERR_IO. */
int patience_wait(const struct patience *p, int fd, short events);

/* Once, from the main thread, before any other call: OpenSSL must not clean up at exit, when a
 * thread that waits for a name server may still be in it. */
void link_start(void);

struct link {
    int fd;          /* non-blocking; -1: none */
    SSL *ssl;        /* NULL: plain */
    short wants;     /* what link_read or link_write waits for after ERR_AGAIN: POLLIN or POLLOUT */
    const char *why; /* after their ERR_NETWORK, in words that stay; NULL: it is not known */
};

/* HOST is a name or a numeric address of either family; each of its addresses is tried in turn, for
 * CONNECT_MS each. ERR_NOTFOUND, ERR_TEMPORARY (name service), ERR_NETWORK, ERR_TIMEOUT,
 * ERR_AGAIN. */
int link_dial(struct link *l, const char *host, uint16_t port, int64_t connect_ms,
              const struct patience *p, struct err *e);

struct link_tls_options {
    const char *host;      /* whose certificate is wanted, and the name to ask for (SNI) */
    const char *ca_file;   /* PEM; "": the system's */
    const char *cert_file; /* PEM, our own certificate and those above it; "": none */
    const char *key_file;  /* PEM, without a passphrase; "": it is in cert_file */
    bool verify;           /* false takes any certificate */
};
/* TLS from here on. ERR_DENIED: the certificate is not the host's or nobody known vouches for it,
 * or the key is readable by everybody; ERR_PROTOCOL, ERR_TIMEOUT, ERR_INVALID (a file). */
int link_tls(struct link *l, const struct link_tls_options *o, const struct patience *p,
             struct err *e);

/* Octets moved (> 0), ERR_CLOSED (end of file), ERR_AGAIN (see wants), ERR_NETWORK. */
int link_read(struct link *l, void *dst, size_t n);
int link_write(struct link *l, const void *src, size_t n);

/* Whether octets may be there to be read that poll(2) does not see. */
bool link_pending(const struct link *l);

void link_close(struct link *l); /* also one that was never dialled: fd -1 */

#endif
