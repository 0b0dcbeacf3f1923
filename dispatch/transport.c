/* Invariants: the carrying thread alone touches the link and the accepted socket while it runs.
 * What libesmtp writes is always taken off its hands (up to UP_MAX, more than a message has), since
 * libesmtp drops what it cannot write in time and goes on as if nothing had happened. `cancelled`
 * is looked at after each read and before each write: what libesmtp writes after a cancel never
 * reaches the server. Neither does what it writes after `leaving`; but the link is whole then, for
 * QUIT. */
#include "dispatch/transport.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/text.h"
#include "dispatch/link.h"

enum {
    UP_MAX = 8 << 20,      /* octets on their way to the server */
    DOWN_MAX = 16 << 10,   /* octets on their way to libesmtp */
    LINE_MAX_OCTETS = 512, /* RFC 5321 section 4.5.3.1.5 */
    REPLY_LINES_MAX = 100,
    GOODBYE_MS = 2000,
    TURN_MAX_MS = 60 * 1000,
    BACKLOG = 64, /* strangers on the port must not keep libesmtp out */
};

struct transport {
    const struct transport_options *options;
    struct link link;
    struct patience patience;
    atomic_bool cancelled, leaving;
    int listener, client;
    uint16_t port;
    pthread_t thread;
    bool carrying;
    int result;      /* of the carrying */
    const char *why; /* it ended so, if TLS has words for it */

    /* the carrying thread's */
    struct buf up;
    size_t up_done;
    uint8_t down[DOWN_MAX];
    size_t down_len, down_done;
    struct greeting_talk {
        char command[4]; /* the beginning of libesmtp's last line */
        size_t ncommand; /* octets of that line */
        size_t nkeyword; /* octets of the keyword that the server's last octets are */
    } talk;
    bool client_ended, server_ended;
    short up_wants, down_wants;
    bool client_ready, server_ready; /* to be read from, as far as is known */
    int64_t moved_ms;                /* when an octet moved last */
};

int transport_new(struct transport **ret, struct err *e)
{
    struct transport *t = calloc(1, sizeof *t);

    if (!t)
        return err_set(e, ERR_NOMEM, "out of memory");
    t->link.fd = t->listener = t->client = -1;
    buf_init(&t->up, UP_MAX);
    t->patience.cancel_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (t->patience.cancel_fd < 0) {
        free(t);
        return err_errno(e, "eventfd");
    }
    *ret = t;
    return 0;
}

static void close_fd(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

void transport_free(struct transport *t)
{
    if (!t)
        return;
    transport_close(t);
    close_fd(&t->patience.cancel_fd);
    buf_release(&t->up);
    free(t);
}

void transport_cancel(struct transport *t)
{
    uint64_t one = 1;

    atomic_store(&t->cancelled, true);
    if (write(t->patience.cancel_fd, &one, sizeof one) < 0) {
        /* the counter is full: it is readable already */
    }
}

void transport_leave(struct transport *t)
{
    atomic_store(&t->leaving, true); /* what libesmtp writes next wakes the carrying thread */
}

/* ---- before TLS: the dialogue that libesmtp does not see ---- */

struct reply {
    int code;
    bool starttls;                  /* a line offered it */
    char line[LINE_MAX_OCTETS + 1]; /* the last */
};

/* One octet at a time, so that nothing behind the reply is taken for part of the TLS dialogue's
 * past: whatever a stranger puts there breaks the handshake. */
static int read_octet(struct transport *t, char *ret)
{
    for (;;) {
        int n = link_read(&t->link, ret, 1), err;

        if (n != ERR_AGAIN)
            return n < 0 ? n : 0;
        err = patience_wait(&t->patience, t->link.fd, t->link.wants);
        if (err)
            return err;
    }
}

static int read_line(struct transport *t, char line[LINE_MAX_OCTETS + 1])
{
    size_t n = 0;

    for (;;) {
        char c;
        int err = read_octet(t, &c);

        if (err)
            return err;
        if (c == '\n')
            break;
        if (n == LINE_MAX_OCTETS)
            return ERR_PROTOCOL;
        line[n++] = c;
    }
    if (n > 0 && line[n - 1] == '\r')
        n--;
    line[n] = '\0';
    return 0;
}

static bool is_reply_line(const char *s)
{
    return s[0] >= '2' && s[0] <= '5' && s[1] >= '0' && s[1] <= '9' && s[2] >= '0' && s[2] <= '9' &&
           (s[3] == '\0' || s[3] == ' ' || s[3] == '-');
}

static int read_reply(struct transport *t, struct reply *ret)
{
    *ret = (struct reply){0};
    for (int lines = 0; lines < REPLY_LINES_MAX; lines++) {
        int err = read_line(t, ret->line);

        if (err)
            return err;
        if (!is_reply_line(ret->line))
            return ERR_PROTOCOL;
        if (ret->line[3] != '\0' && strcasecmp(ret->line + 4, "STARTTLS") == 0)
            ret->starttls = true;
        if (ret->line[3] != '-') {
            ret->code = atoi(ret->line);
            return 0;
        }
    }
    return ERR_PROTOCOL;
}

static int say(struct transport *t, const char *text)
{
    size_t left = strlen(text);

    while (left > 0) {
        int n = link_write(&t->link, text, left), err;

        if (n > 0) {
            text += n;
            left -= (size_t)n;
            continue;
        }
        err = n == ERR_AGAIN ? patience_wait(&t->patience, t->link.fd, t->link.wants) : n;
        if (err)
            return err;
    }
    return 0;
}

static const char *failure_words(int err)
{
    switch (err) {
    case ERR_TIMEOUT:
        return "no reply in time";
    case ERR_AGAIN:
        return "given up";
    case ERR_PROTOCOL:
        return "a reply that is not SMTP";
    default:
        return "the server hung up";
    }
}

/* Say COMMAND (NULL: the server begins) and expect the reply EXPECTED. */
static int exchange(struct transport *t, const char *step, const char *command, int expected,
                    struct reply *r, struct err *e)
{
    char clean[200];
    int err = command ? say(t, command) : 0;

    if (!err)
        err = read_reply(t, r);
    if (err)
        return err_set(e, err, "%s: %s", step, failure_words(err));
    if (r->code == expected)
        return 0;
    utf8_clean(clean, sizeof clean, r->line, strlen(r->line), false);
    return err_set(e, r->code < 500 ? ERR_TEMPORARY : ERR_PERMANENT, "%s: %s", step, clean);
}

static int secure(struct transport *t, struct err *e)
{
    const struct transport_options *o = t->options;
    const struct link_tls_options tls = {
        .host = o->host,
        .ca_file = o->ca_file,
        .cert_file = o->cert_file,
        .key_file = o->key_file,
        .verify = o->verify,
    };

    return link_tls(&t->link, &tls, &t->patience, e);
}

static int starttls(struct transport *t, struct err *e)
{
    const struct transport_options *o = t->options;
    struct reply r;
    char ehlo[300];
    int err;

    snprintf(ehlo, sizeof ehlo, "EHLO %s\r\n", o->helo);
    err = exchange(t, "greeting", NULL, 220, &r, e);
    if (!err)
        err = exchange(t, "EHLO", ehlo, 250, &r, e);
    if (!err && !r.starttls) {
        say(t, "QUIT\r\n");
        return err_set(e, ERR_UNSUPPORTED, "the server does not offer STARTTLS");
    }
    if (!err)
        err = exchange(t, "STARTTLS", "STARTTLS\r\n", 220, &r, e);
    if (!err)
        err = secure(t, e);
    return err;
}

/* ---- open ---- */

static int listen_loopback(struct transport *t, struct err *e)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof a;

    t->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (t->listener < 0 || bind(t->listener, (struct sockaddr *)&a, sizeof a) ||
        listen(t->listener, BACKLOG) || getsockname(t->listener, (struct sockaddr *)&a, &len))
        return err_errno(e, "a port on loopback");
    t->port = ntohs(a.sin_port);
    return 0;
}

/* libesmtp begins its dialogue anew behind STARTTLS and wants a greeting, which the server gave
 * before it. */
static void greet(struct transport *t)
{
    static const char greeting[] = "220 ready\r\n";

    t->down_len = sizeof greeting - 1;
    memcpy(t->down, greeting, t->down_len);
}

int transport_open(struct transport *t, const struct transport_options *o, struct err *e)
{
    int err;

    t->options = o;
    t->patience.end_mono_ms = clock_mono_ms() + o->total_ms;
    t->patience.step_ms = o->silence_ms;
    err = link_dial(&t->link, o->host, o->port, o->connect_ms, &t->patience, e);
    if (!err && o->encryption == TRANSPORT_STARTTLS) {
        err = starttls(t, e);
        greet(t);
    }
    if (!err && o->encryption == TRANSPORT_TLS)
        err = secure(t, e);
    return err ? err : listen_loopback(t, e);
}

uint16_t transport_port(const struct transport *t)
{
    return t->port;
}

/* ---- carry ---- */

static size_t up_left(const struct transport *t)
{
    return t->up.len - t->up_done;
}

static bool down_empty(const struct transport *t)
{
    return t->down_done == t->down_len;
}

/* libesmtp with PIPELINING (RFC 2920) jumps to nowhere when a session ends early and the server's
 * replies to what it had sent ahead are still to be read. So it is not told that the server could:
 * in the reply to EHLO the keyword's last letter changes. Replies to other commands stay as they
 * are. */
static const char pipelining[] = "PIPELINING";
enum { NPIPELINING = sizeof pipelining - 1 };

static void watch_commands(struct greeting_talk *g, const uint8_t *p, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (g->ncommand < sizeof g->command)
            g->command[g->ncommand] = (char)p[i];
        g->ncommand = p[i] == '\n' ? 0 : g->ncommand + 1;
    }
}

/* Also while that line is still coming. */
static bool is_in_greeting(const struct greeting_talk *g)
{
    for (size_t i = 0; i < sizeof g->command; i++)
        if (g->command[i] && toupper((unsigned char)g->command[i]) != "EHLO"[i])
            return false;
    return true;
}

static void hide_pipelining(struct greeting_talk *g, uint8_t *p, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        char c = (char)toupper(p[i]);

        while (g->nkeyword > 0 && c != pipelining[g->nkeyword])
            g->nkeyword = g->nkeyword == 3 ? 1 : 0; /* "PIP" ends as it begins */
        if (c == pipelining[g->nkeyword])
            g->nkeyword++;
        if (g->nkeyword == NPIPELINING) {
            p[i] = 'X';
            g->nkeyword = 0;
        }
    }
}

/* Each step returns 0 or why the carrying is over. */

static int read_client(struct transport *t)
{
    uint8_t chunk[16 << 10];
    ssize_t n;

    if (!t->client_ready)
        return 0;
    t->client_ready = false;
    n = recv(t->client, chunk, sizeof chunk, 0);
    if (n < 0)
        return errno == EAGAIN || errno == EINTR ? 0 : ERR_NETWORK;
    if (atomic_load(&t->cancelled) || atomic_load(&t->leaving))
        return ERR_AGAIN;
    if (n == 0)
        t->client_ended = true;
    else
        t->moved_ms = clock_mono_ms();
    watch_commands(&t->talk, chunk, (size_t)n);
    buf_bytes(&t->up, chunk, (size_t)n);
    return t->up.err == ERR_FULL ? ERR_RANGE : t->up.err;
}

static int write_server(struct transport *t)
{
    t->up_wants = 0;
    while (up_left(t) > 0 && !t->server_ended) {
        int n = link_write(&t->link, t->up.data + t->up_done, up_left(t));

        if (n == ERR_AGAIN) {
            t->up_wants = t->link.wants;
            return 0;
        }
        if (n < 0) {
            /* What the server said before it hung up may still be read. */
            t->server_ended = down_empty(t);
            return t->server_ended ? n : 0;
        }
        t->up_done += (size_t)n;
        t->moved_ms = clock_mono_ms();
    }
    if (up_left(t) == 0) {
        buf_clear(&t->up);
        t->up_done = 0;
    }
    return 0;
}

static int read_server(struct transport *t)
{
    int n;

    if (!down_empty(t) || t->server_ended || !t->server_ready)
        return 0;
    n = link_read(&t->link, t->down, sizeof t->down);
    if (n == ERR_AGAIN) {
        t->down_wants = t->link.wants;
        return 0;
    }
    t->down_done = t->down_len = 0;
    if (n < 0) {
        t->server_ended = true;
        return 0;
    }
    t->down_len = (size_t)n;
    if (is_in_greeting(&t->talk))
        hide_pipelining(&t->talk, t->down, t->down_len);
    t->down_wants = link_pending(&t->link) ? 0 : POLLIN; /* 0: poll(2) would not see it */
    t->moved_ms = clock_mono_ms();
    return 0;
}

static int write_client(struct transport *t)
{
    while (!down_empty(t)) {
        ssize_t n =
            send(t->client, t->down + t->down_done, t->down_len - t->down_done, MSG_NOSIGNAL);

        if (n < 0)
            return errno == EAGAIN || errno == EINTR ? 0 : ERR_NETWORK;
        t->down_done += (size_t)n;
    }
    return 0;
}

static int look_for_end(struct transport *t)
{
    if (t->server_ended && down_empty(t))
        return ERR_CLOSED;
    return 0;
}

static int64_t turn_ms(const struct transport *t)
{
    int64_t now = clock_mono_ms(), silence = t->moved_ms + t->options->silence_ms - now;
    int64_t left = t->patience.end_mono_ms - now;

    return silence < left ? silence : left;
}

static int wait_turn(struct transport *t)
{
    struct pollfd fds[3] = {
        {t->client, 0, 0}, {t->link.fd, 0, 0}, {t->patience.cancel_fd, POLLIN, 0}};
    bool reads_server = down_empty(t) && !t->server_ended;
    int64_t left = turn_ms(t);

    if (left <= 0)
        return ERR_TIMEOUT;
    if (reads_server && t->down_wants == 0)
        left = 0;
    fds[0].events = (short)((t->client_ended ? 0 : POLLIN) | (down_empty(t) ? 0 : POLLOUT));
    fds[1].events = (short)((reads_server ? t->down_wants : 0) | t->up_wants);
    for (int i = 0; i < 2; i++)
        if (fds[i].events == 0)
            fds[i].fd = -1; /* else a hang-up that nobody handles would spin */
    if (poll(fds, 3, left > TURN_MAX_MS ? TURN_MAX_MS : (int)left) < 0 && errno != EINTR)
        return ERR_NETWORK;
    t->client_ready = fds[0].revents & (POLLIN | POLLHUP | POLLERR);
    t->server_ready = fds[1].revents || (reads_server && t->down_wants == 0);
    return atomic_load(&t->cancelled) ? ERR_AGAIN : 0;
}

static int carry_turn(struct transport *t)
{
    static int (*const steps[])(struct transport *) = {
        read_server, write_client, read_client, write_server, look_for_end, wait_turn,
    };

    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
        int err = steps[i](t);

        if (err)
            return err;
        if (t->client_ended && up_left(t) == 0)
            return 1; /* libesmtp is done, and the server has all of it */
    }
    return 0;
}

static void *carry(void *arg)
{
    struct transport *t = arg;
    int err;

    t->moved_ms = clock_mono_ms();
    t->down_wants = POLLIN;
    t->client_ready = t->server_ready = true;
    do
        err = carry_turn(t);
    while (err == 0);
    t->result = err > 0 ? 0 : err;
    shutdown(t->client, SHUT_RDWR); /* libesmtp returns at once */
    return NULL;
}

/* ---- serve and close ---- */

/* Instead of TCP through loopback: half the work for each octet, and nothing waits for more. */
static int replace_by_pair(struct transport *t, int fd)
{
    int flags = fcntl(fd, F_GETFL), ends[2];

    if (flags < 0 || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends))
        return ERR_IO;
    t->client = ends[0];
    if (fcntl(ends[0], F_SETFL, O_NONBLOCK) || fcntl(ends[1], F_SETFL, flags) ||
        dup3(ends[1], fd, O_CLOEXEC) < 0) {
        close(ends[1]);
        close_fd(&t->client);
        return ERR_IO;
    }
    close(ends[1]);
    return 0;
}

int transport_serve(struct transport *t, int fd)
{
    int err = replace_by_pair(t, fd);

    close_fd(&t->listener); /* the port is nobody's any more */
    if (err)
        return err;
    if (pthread_create(&t->thread, NULL, carry, t)) {
        close_fd(&t->client);
        return ERR_NOMEM;
    }
    t->carrying = true;
    return 0;
}

/* What the server says to it is of no interest, but that it is there to say it: a connection that
 * is closed on its reply would look to it like one that broke. */
static void say_goodbye(struct transport *t)
{
    struct reply r;

    t->patience.step_ms = GOODBYE_MS;
    if (!atomic_load(&t->cancelled) && !t->server_ended && !say(t, "QUIT\r\n"))
        read_reply(t, &r);
}

int transport_close(struct transport *t)
{
    int result = 0;

    if (t->carrying) {
        /* libesmtp has closed its side, so that this ends when the server has the rest. */
        pthread_join(t->thread, NULL);
        t->carrying = false;
        result = t->result;
        t->why = t->link.why;
        if (atomic_load(&t->leaving))
            say_goodbye(t);
    }
    close_fd(&t->client);
    close_fd(&t->listener);
    link_close(&t->link);
    return result;
}

const char *transport_why(const struct transport *t)
{
    return t->why;
}
