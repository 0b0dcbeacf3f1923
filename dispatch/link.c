#include "dispatch/link.h"

#include <arpa/inet.h>
#include <errno.h>
#include <limits.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/secret.h"

void link_start(void)
{
    OPENSSL_init_ssl(OPENSSL_INIT_NO_ATEXIT, NULL); /* it remembers that it was called */
}

/* ---- waiting ---- */

int patience_wait(const struct patience *p, int fd, short events)
{
    int64_t step_end = clock_mono_ms() + p->step_ms;
    int64_t end = step_end < p->end_mono_ms ? step_end : p->end_mono_ms;

    for (;;) {
        struct pollfd fds[2] = {{.fd = fd, .events = events}, {p->cancel_fd, POLLIN, 0}};
        int64_t left = end - clock_mono_ms();
        int n;

        if (left < 0)
            left = 0;
        n = poll(fds, 2, left > INT_MAX ? INT_MAX : (int)left);
        if (n < 0 && errno != EINTR)
            return ERR_IO;
        if (n > 0 && fds[1].revents)
            return ERR_AGAIN;
        if (n > 0)
            return 0;
        if (n == 0 && clock_mono_ms() >= end)
            return ERR_TIMEOUT;
    }
}

static const char *wait_words(int err)
{
    return err == ERR_TIMEOUT ? "timed out" : err == ERR_AGAIN ? "given up" : "poll failed";
}

/* ---- dial ---- */

static int resolve(struct addrinfo **ret, const char *host, uint16_t port, struct err *e)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
    char service[8];
    int rc;

    snprintf(service, sizeof service, "%u", port);
    rc = getaddrinfo(host, service, &hints, ret);
    if (rc == 0)
        return 0;
    return err_set(e, rc == EAI_AGAIN ? ERR_TEMPORARY : ERR_NOTFOUND, "cannot resolve the name: %s",
                   rc == EAI_SYSTEM ? strerror(errno) : gai_strerror(rc));
}

/* The outcome of a connect that went on in the background. */
static int await_connect(int fd, const struct patience *p, struct err *e)
{
    int failure = 0, err;
    socklen_t len = sizeof failure;

    err = patience_wait(p, fd, POLLOUT);
    if (err)
        return err_set(e, err, "connect: %s", wait_words(err));
    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &failure, &len))
        failure = errno;
    return failure ? err_set(e, ERR_NETWORK, "connect: %s", strerror(failure)) : 0;
}

static int connect_to(struct link *l, const struct addrinfo *a, const struct patience *p,
                      struct err *e)
{
    int fd = socket(a->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), err = 0, one = 1;

    if (fd < 0)
        return err_set(e, ERR_NETWORK, "socket: %s", strerror(errno));
    if (connect(fd, a->ai_addr, a->ai_addrlen))
        err = errno == EINPROGRESS ? await_connect(fd, p, e)
                                   : err_set(e, ERR_NETWORK, "connect: %s", strerror(errno));
    if (err) {
        close(fd);
        return err;
    }
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one); /* at worst slower */
    *l = (struct link){.fd = fd};
    return 0;
}

int link_dial(struct link *l, const char *host, uint16_t port, int64_t connect_ms,
              const struct patience *p, struct err *e)
{
    struct patience each = *p;
    struct addrinfo *list = NULL;
    int err = resolve(&list, host, port, e);

    if (err)
        return err;
    each.step_ms = connect_ms;
    for (struct addrinfo *a = list; a; a = a->ai_next) { /* there is one at least */
        err = connect_to(l, a, &each, e);
        if (!err || err == ERR_AGAIN)
            break;
    }
    freeaddrinfo(list);
    return err;
}

/* ---- TLS ---- */

static const char *ssl_words(void)
{
    unsigned long code = ERR_peek_error();
    const char *words = code ? ERR_reason_error_string(code) : NULL;

    ERR_clear_error();
    return words ? words : "connection lost";
}

static int trust(SSL_CTX *ctx, const char *ca_file, struct err *e)
{
    if (*ca_file ? SSL_CTX_load_verify_locations(ctx, ca_file, NULL) == 1
                 : SSL_CTX_set_default_verify_paths(ctx) == 1)
        return 0;
    return err_set(e, ERR_INVALID, "TLS: cannot use %s: %s",
                   *ca_file ? ca_file : "the system's certificates", ssl_words());
}

/* Nobody is there to type a key's passphrase. */
static int no_passphrase(char *dst, int cap, int writing, void *arg)
{
    (void)dst;
    (void)cap;
    (void)writing;
    (void)arg;
    return -1;
}

static int introduce(SSL_CTX *ctx, const struct link_tls_options *o, struct err *e)
{
    const char *key = *o->key_file ? o->key_file : o->cert_file;

    if (!*o->cert_file)
        return 0;
    if (secret_check(key, e))
        return err_prefix(e, "TLS key file");
    SSL_CTX_set_default_passwd_cb(ctx, no_passphrase);
    if (SSL_CTX_use_certificate_chain_file(ctx, o->cert_file) != 1)
        return err_set(e, ERR_INVALID, "TLS: cannot use %s: %s", o->cert_file, ssl_words());
    if (SSL_CTX_use_PrivateKey_file(ctx, key, SSL_FILETYPE_PEM) != 1) /* and it is the cert's */
        return err_set(e, ERR_INVALID, "TLS: cannot use the key in %s: %s", key, ssl_words());
    return 0;
}

static int new_context(SSL_CTX **ret, const struct link_tls_options *o, struct err *e)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
    int err;

    if (!ctx)
        return err_set(e, ERR_NOMEM, "TLS: %s", ssl_words());
    SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION);
    err = trust(ctx, o->ca_file, e);
    if (!err)
        err = introduce(ctx, o, e);
    if (err)
        SSL_CTX_free(ctx);
    else
        *ret = ctx;
    return err;
}

static bool is_address(const char *host)
{
    struct in6_addr a;

    return inet_pton(AF_INET, host, &a) == 1 || inet_pton(AF_INET6, host, &a) == 1;
}

/* Whose certificate is wanted: SNI (RFC 6066 section 3: never for addresses) and the check. */
static bool set_peer(SSL *ssl, const char *host, bool verify)
{
    bool address = is_address(host);

    if (!address && SSL_set_tlsext_host_name(ssl, host) != 1)
        return false;
    SSL_set_verify(ssl, verify ? SSL_VERIFY_PEER : SSL_VERIFY_NONE, NULL);
    if (!verify)
        return true;
    SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    return address ? X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), host) == 1
                   : SSL_set1_host(ssl, host) == 1;
}

static int handshake(struct link *l, const struct patience *p, struct err *e)
{
    for (;;) {
        int rc = SSL_connect(l->ssl), why = SSL_get_error(l->ssl, rc), err;
        long verdict;

        if (rc == 1)
            return 0;
        if (why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE) {
            err = patience_wait(p, l->fd, why == SSL_ERROR_WANT_WRITE ? POLLOUT : POLLIN);
            if (err)
                return err_set(e, err, "TLS handshake: %s", wait_words(err));
            continue;
        }
        verdict = SSL_get_verify_result(l->ssl);
        if (verdict != X509_V_OK) {
            ERR_clear_error();
            return err_set(e, ERR_DENIED, "TLS certificate refused: %s",
                           X509_verify_cert_error_string(verdict));
        }
        return err_set(e, ERR_PROTOCOL, "TLS handshake: %s", ssl_words());
    }
}

int link_tls(struct link *l, const struct link_tls_options *o, const struct patience *p,
             struct err *e)
{
    SSL_CTX *ctx = NULL;
    int err = new_context(&ctx, o, e);

    if (err)
        return err;
    l->ssl = SSL_new(ctx);
    SSL_CTX_free(ctx); /* the SSL keeps its own reference */
    if (!l->ssl || !set_peer(l->ssl, o->host, o->verify) || SSL_set_fd(l->ssl, l->fd) != 1)
        return err_set(e, ERR_NOMEM, "TLS: %s", ssl_words());
    SSL_set_mode(l->ssl, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    return handshake(l, p, e);
}

/* ---- octets ---- */

static int ssl_result(struct link *l, int rc)
{
    int why = SSL_get_error(l->ssl, rc);

    if (why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE) {
        l->wants = why == SSL_ERROR_WANT_WRITE ? POLLOUT : POLLIN;
        return ERR_AGAIN;
    }
    if (why == SSL_ERROR_SSL) /* an alert, say: that our certificate is missing or not trusted */
        l->why = ERR_reason_error_string(ERR_peek_error());
    ERR_clear_error();
    return why == SSL_ERROR_ZERO_RETURN ? ERR_CLOSED : ERR_NETWORK;
}

static int socket_result(struct link *l, ssize_t rc, short wants)
{
    if (rc == 0)
        return ERR_CLOSED;
    if (errno != EAGAIN && errno != EINTR)
        return ERR_NETWORK;
    l->wants = wants;
    return ERR_AGAIN;
}

static int limited(size_t n)
{
    return n > INT_MAX ? INT_MAX : (int)n;
}

int link_read(struct link *l, void *dst, size_t n)
{
    ssize_t rc = l->ssl ? SSL_read(l->ssl, dst, limited(n)) : recv(l->fd, dst, n, 0);

    if (rc > 0)
        return (int)rc;
    return l->ssl ? ssl_result(l, (int)rc) : socket_result(l, rc, POLLIN);
}

int link_write(struct link *l, const void *src, size_t n)
{
    ssize_t rc = l->ssl ? SSL_write(l->ssl, src, limited(n))
                        : send(l->fd, src, (size_t)limited(n), MSG_NOSIGNAL);

    if (rc > 0)
        return (int)rc;
    return l->ssl ? ssl_result(l, (int)rc) : socket_result(l, rc, POLLOUT);
}

bool link_pending(const struct link *l)
{
    return l->ssl && SSL_has_pending(l->ssl);
}

void link_close(struct link *l)
{
    if (l->ssl) {
        SSL_shutdown(l->ssl); /* best effort: the socket does not block */
        ERR_clear_error();
        SSL_free(l->ssl);
    }
    if (l->fd >= 0)
        close(l->fd);
    *l = (struct link){.fd = -1};
}
