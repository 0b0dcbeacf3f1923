/* What is asked is an AgentX Ping of no session. RFC 2741 section 7.1.11 has any master answer it
 * with notOpen, so it leaves no trace there. */
#include "agent/master.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pwd.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "agent/agentx.h"
#include "base/log.h"

enum { TEXT_MAX = 400 };
enum { HANGS_UP = -1, SILENT = -2, NO_HOST = -3 }; /* reasons beside those of errno(3) */

/* Version, type, flags, reserved; then session, transaction, packet and length of what follows. */
static const uint8_t ping[AGENTX_HEADER] = {AGENTX_VERSION, AGENTX_PING, AGENTX_NETWORK_BYTE_ORDER,
                                            0, [15] = 1};

struct master_search {
    struct loop *loop;
    const char *address;
    void (*on_found)(void *arg);
    void *arg;
    struct loop_timer *timer;
    struct loop_fd *watch;
    int fd;
    bool asked;
    int told; /* the reason that was logged last, 0: none */
    uint8_t answer[AGENTX_HEADER];
    size_t answered; /* octets of it */
};

/* ---- addresses ------------------------------------------------------------------------------ */

static const char *after(const char *s, const char *prefix)
{
    size_t n = strlen(prefix);

    return strncmp(s, prefix, n) ? NULL : s + n;
}

static const char *socket_path(const char *address)
{
    const char *path = after(address, "unix:");

    return path ? path : *address == '/' ? address : NULL;
}

static int unix_address(const char *path, struct sockaddr_storage *ret, unsigned *len,
                        struct err *e)
{
    struct sockaddr_un *un = (struct sockaddr_un *)ret;
    size_t n = strlen(path);

    if (n >= sizeof(un->sun_path))
        return err_set(e, ERR_UNSUPPORTED, "the path of the socket is too long");
    memset(ret, 0, sizeof(*ret));
    un->sun_family = AF_UNIX;
    memcpy(un->sun_path, path, n + 1);
    *len = (unsigned)(offsetof(struct sockaddr_un, sun_path) + n + 1);
    return 0;
}

/* "host:port", "[host]:port" or "port" alone, in BUF; the port is separated from it. */
static const char *split_port(char *buf, const char **ret_port)
{
    char *colon = strrchr(buf, ':');
    size_t n;

    if (!colon) {
        *ret_port = buf;
        return "localhost";
    }
    *colon = '\0';
    *ret_port = colon + 1;
    n = strlen(buf);
    if (n > 2 && *buf == '[' && buf[n - 1] == ']') {
        buf[n - 1] = '\0';
        return buf + 1;
    }
    return buf;
}

static int tcp_address(const char *text, int family, struct sockaddr_storage *ret, unsigned *len,
                       struct err *e)
{
    struct addrinfo hints = {.ai_family = family, .ai_socktype = SOCK_STREAM}, *found = NULL;
    char buf[300];
    const char *host, *port;
    int rc;

    if (snprintf(buf, sizeof(buf), "%s", text) >= (int)sizeof(buf))
        return err_set(e, ERR_UNSUPPORTED, "the address is too long");
    host = split_port(buf, &port);
    if (!*port || port[strspn(port, "0123456789")])
        return err_set(e, ERR_UNSUPPORTED, "'%s' is no port", port);
    rc = getaddrinfo(host, port, &hints, &found);
    if (rc || !found)
        return err_set(e, ERR_NOTFOUND, "host '%s': %s", host, gai_strerror(rc));
    memcpy(ret, found->ai_addr, found->ai_addrlen);
    *len = found->ai_addrlen;
    freeaddrinfo(found);
    return 0;
}

int master_address(const char *address, struct sockaddr_storage *ret, unsigned *len, struct err *e)
{
    const char *path = socket_path(address), *tcp = after(address, "tcp:");
    const char *tcp6 = after(address, "tcp6:");

    if (path)
        return unix_address(path, ret, len, e);
    if (tcp)
        return tcp_address(tcp, AF_INET, ret, len, e);
    if (tcp6)
        return tcp_address(tcp6, AF_INET6, ret, len, e);
    return err_set(e, ERR_UNSUPPORTED, "an address that only net-snmp knows");
}

/* ---- what to do about it -------------------------------------------------------------------- */

void master_advice(char *buf, unsigned size, const char *address, int err_no, const char *user)
{
    const char *path = socket_path(address);

    if (err_no == HANGS_UP)
        snprintf(buf, size,
                 "what is there hangs up: is it an AgentX master, and does hosts.allow "
                 "let us in?");
    else if (err_no == SILENT)
        snprintf(buf, size, "it takes connections but does not answer: is snmpd stopped?");
    else if (err_no == NO_HOST)
        snprintf(buf, size, "there is no such host");
    else if (err_no == EACCES || err_no == EPERM)
        snprintf(buf, size,
                 "user %s may not use the socket: say 'agentXPerms 0600 0755 %s' in "
                 "snmpd.conf, restart snmpd, and see that its folder may be entered",
                 user, user);
    else if (err_no == ENOENT && path)
        snprintf(buf, size,
                 "there is no such socket: does snmpd run, with 'master agentx' (and "
                 "'agentXSocket %s', if that is not its default) in snmpd.conf?",
                 path);
    else if (err_no == ECONNREFUSED && path)
        snprintf(buf, size, "nobody listens on the socket: snmpd has ended");
    else if (err_no == ECONNREFUSED)
        snprintf(buf, size,
                 "nobody listens there: does snmpd run, with 'master agentx' and "
                 "'agentXSocket %s' in snmpd.conf?",
                 address);
    else
        snprintf(buf, size, "%s", strerror(err_no));
}

static const char *user_name(char buf[24])
{
    const struct passwd *p = getpwuid(geteuid());

    if (p)
        return p->pw_name;
    snprintf(buf, 24, "%u", (unsigned)geteuid());
    return buf;
}

/* Once in a row for each reason: an attempt follows the other. */
static void tell(struct master_search *m, int reason)
{
    char text[TEXT_MAX], user[24];

    if (m->told == reason)
        return;
    m->told = reason;
    master_advice(text, sizeof(text), m->address, reason, user_name(user));
    log_warning("agentx", "no master agent at %s yet, trying every %d s: %s", m->address,
                MASTER_AGAIN_MS / 1000, text);
}

/* ---- looking -------------------------------------------------------------------------------- */

void master_keepalive(int fd)
{
    static const struct {
        int level, name, value;
    } options[] = {
        {SOL_SOCKET, SO_KEEPALIVE, 1},
        {IPPROTO_TCP, TCP_KEEPIDLE, 10},
        {IPPROTO_TCP, TCP_KEEPINTVL, 5},
        {IPPROTO_TCP, TCP_KEEPCNT, 3},
        {IPPROTO_TCP, TCP_USER_TIMEOUT, 25 * 1000},
    };

    for (size_t i = 0; i < sizeof(options) / sizeof(*options); i++)
        (void)setsockopt(fd, options[i].level, options[i].name, &options[i].value, sizeof(int));
}

static void hang_up(struct master_search *m)
{
    loop_fd_del(m->watch);
    m->watch = NULL;
    if (m->fd >= 0)
        close(m->fd);
    m->fd = -1;
}

static void found(struct master_search *m)
{
    hang_up(m);
    loop_timer_cancel(m->timer);
    m->told = 0;
    m->on_found(m->arg);
}

static void failed(struct master_search *m, int reason)
{
    hang_up(m);
    tell(m, reason);
    loop_timer_set(m->timer, MASTER_AGAIN_MS);
}

static void ask(struct master_search *m)
{
    int err_no = 0;
    socklen_t len = sizeof(err_no);

    if (getsockopt(m->fd, SOL_SOCKET, SO_ERROR, &err_no, &len))
        err_no = errno;
    if (!err_no && send(m->fd, ping, sizeof(ping), MSG_NOSIGNAL) != (ssize_t)sizeof(ping))
        err_no = errno ? errno : EPIPE;
    if (err_no) {
        failed(m, err_no);
        return;
    }
    m->asked = true;
    loop_fd_events(m->watch, POLLIN);
}

static void hear(struct master_search *m)
{
    ssize_t n = recv(m->fd, m->answer + m->answered, sizeof(m->answer) - m->answered, 0);

    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n < 0 && errno != ECONNRESET) {
        failed(m, errno);
        return;
    }
    m->answered += n > 0 ? (size_t)n : 0;
    if (n <= 0 || m->answer[0] != AGENTX_VERSION ||
        (m->answered > 1 && m->answer[1] != AGENTX_RESPONSE))
        failed(m, HANGS_UP);
    else if (m->answered == sizeof(m->answer))
        found(m);
}

static void on_ready(void *arg, short revents)
{
    struct master_search *m = arg;

    (void)revents;
    if (m->asked)
        hear(m);
    else
        ask(m);
}

static void look(struct master_search *m)
{
    struct sockaddr_storage to;
    unsigned len;
    struct err e;
    int err = master_address(m->address, &to, &len, &e);

    if (err == ERR_UNSUPPORTED) {
        found(m);
        return;
    }
    m->asked = false;
    m->answered = 0;
    m->fd = err ? -1 : socket(to.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (m->fd < 0) {
        failed(m, err ? NO_HOST : errno);
        return;
    }
    master_keepalive(m->fd);
    /* EAGAIN: the queue of a local socket is full, which is no connection under way */
    if (connect(m->fd, (const struct sockaddr *)&to, len) && errno != EINPROGRESS) {
        failed(m, errno == EAGAIN ? SILENT : errno);
        return;
    }
    m->watch = loop_fd_add(m->loop, m->fd, POLLOUT, on_ready, m);
    if (!m->watch) {
        failed(m, ENOMEM);
        return;
    }
    loop_timer_set(m->timer, MASTER_SILENT_MS);
}

/* Who took our question has it, and its kernel says if its host goes; a connection that is not made
 * may wait long for its next attempt. */
static void on_timer(void *arg)
{
    struct master_search *m = arg;

    if (m->fd < 0) {
        look(m);
        return;
    }
    tell(m, SILENT);
    if (m->asked)
        return;
    hang_up(m);
    look(m);
}

void master_search_start(struct master_search *m, int64_t delay_ms)
{
    hang_up(m);
    loop_timer_set(m->timer, delay_ms);
}

struct master_search *master_search_new(struct loop *l, const char *address,
                                        void (*on_found)(void *arg), void *arg)
{
    struct master_search *m = calloc(1, sizeof(*m));

    if (!m)
        return NULL;
    *m = (struct master_search){
        .loop = l, .address = address, .on_found = on_found, .arg = arg, .fd = -1};
    m->timer = loop_timer_new(l, on_timer, m);
    if (!m->timer) {
        free(m);
        return NULL;
    }
    return m;
}

void master_search_free(struct master_search *m)
{
    if (!m)
        return;
    hang_up(m);
    loop_timer_del(m->timer);
    free(m);
}
