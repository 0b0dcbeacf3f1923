/* What SMTP asks of a server, without a look at what it is told: a line that begins with D opens a
 * mail, one with Q ends the session, and everything else is fine. */
#include "bench/sink.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { BACKLOG = 128, EVENTS_MAX = 64, CHUNK = 64 << 10, LINE_KEPT = 5 };

struct session {
    int fd;
    bool in_mail, keeps;  /* the first mail is kept */
    char line[LINE_KEPT]; /* how this line begins */
    size_t nline;         /* octets of it so far */
};

static struct sink_shared *shared;
static bool kept; /* a session has been given the first mail */

static void answer(const struct session *s, const char *text)
{
    if (send(s->fd, text, strlen(text), MSG_NOSIGNAL) < 0) {
        /* the sender is gone, which reading will say */
    }
}

static void keep(const struct session *s, char c)
{
    size_t n = atomic_load_explicit(&shared->len, memory_order_relaxed);

    if (s->keeps && n < SINK_MAIL_MAX) {
        shared->mail[n] = c;
        atomic_store_explicit(&shared->len, n + 1, memory_order_relaxed);
    }
}

static void mail_ends(struct session *s)
{
    if (s->keeps)
        atomic_fetch_sub(&shared->len, 3); /* the dot's line */
    s->in_mail = s->keeps = false;
    atomic_fetch_add(&shared->mails, 1);
    answer(s, "250 2.0.0 taken\r\n");
}

/* False: the session is over. */
static bool line_ends(struct session *s)
{
    size_t n = s->nline;

    s->nline = 0;
    if (s->in_mail) {
        if (n == 3 && s->line[0] == '.')
            mail_ends(s);
        return true;
    }
    switch (s->line[0]) {
    case 'D':
        s->in_mail = true;
        s->keeps = !kept;
        kept = true;
        answer(s, "354 go on\r\n");
        return true;
    case 'Q':
        answer(s, "221 2.0.0 bye\r\n");
        return false;
    case 'E':
        answer(s, "250-sink\r\n250-8BITMIME\r\n250 ENHANCEDSTATUSCODES\r\n");
        return true;
    default:
        answer(s, "250 2.0.0 fine\r\n");
        return true;
    }
}

static bool serve(struct session *s)
{
    static char chunk[CHUNK];
    ssize_t n = recv(s->fd, chunk, sizeof chunk, 0);

    if (n <= 0)
        return false;
    for (ssize_t i = 0; i < n; i++) {
        if (s->nline < LINE_KEPT)
            s->line[s->nline] = chunk[i];
        s->nline++;
        if (s->in_mail)
            keep(s, chunk[i]);
        if (chunk[i] == '\n' && !line_ends(s))
            return false;
    }
    return true;
}

static void welcome(int epoll, int listener)
{
    struct session *s = calloc(1, sizeof *s);
    struct epoll_event e = {.events = EPOLLIN, .data.ptr = s};
    int one = 1;

    if (!s)
        return;
    s->fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    if (s->fd < 0 || epoll_ctl(epoll, EPOLL_CTL_ADD, s->fd, &e)) {
        if (s->fd >= 0)
            close(s->fd);
        free(s);
        return;
    }
    setsockopt(s->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    atomic_fetch_add(&shared->sessions, 1);
    answer(s, "220 sink ESMTP\r\n");
}

static void run(int listener)
{
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event e = {.events = EPOLLIN, .data.ptr = NULL};

    if (epoll < 0 || epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &e))
        _exit(2);
    for (;;) {
        struct epoll_event events[EVENTS_MAX];
        int n = epoll_wait(epoll, events, EVENTS_MAX, -1);

        for (int i = 0; i < n; i++) {
            struct session *s = events[i].data.ptr;

            if (!s) {
                welcome(epoll, listener);
            } else if (!serve(s)) {
                close(s->fd);
                free(s);
            }
        }
    }
}

int sink_start(struct sink *s)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof a;
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (listener < 0 || bind(listener, (struct sockaddr *)&a, sizeof a) ||
        listen(listener, BACKLOG) || getsockname(listener, (struct sockaddr *)&a, &len))
        return -1;
    shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED)
        return -1;
    *s = (struct sink){.port = ntohs(a.sin_port), .shared = shared, .pid = fork()};
    if (s->pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        run(listener);
    }
    close(listener);
    return s->pid < 0 ? -1 : 0;
}

void sink_stop(struct sink *s)
{
    kill(s->pid, SIGKILL);
    waitpid(s->pid, NULL, 0);
    munmap(s->shared, sizeof *s->shared);
}
