#include "bench/websink.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { READ_MAX = 64 << 10, EVENTS = 64 };
static const char answer[] = "HTTP/1.1 204 No Content\r\n\r\n";

struct peer {
    int fd;
    size_t len;
    char data[READ_MAX];
};

/* The octets of the first request in P; 0: it is not complete. */
static size_t request_len(struct peer *p)
{
    char *end = memmem(p->data, p->len, "\r\n\r\n", 4), *length;
    size_t head, body = 0;

    if (!end)
        return 0;
    head = (size_t)(end - p->data) + 4;
    *end = '\0';
    length = strcasestr(p->data, "\r\ncontent-length:");
    *end = '\r';
    if (length)
        body = strtoul(length + strlen("\r\ncontent-length:"), NULL, 10);
    return p->len >= head + body ? head + body : 0;
}

/* False: the connection is over. */
static bool serve(struct peer *p)
{
    ssize_t n = read(p->fd, p->data + p->len, sizeof p->data - p->len);
    size_t used;

    if (n <= 0)
        return false;
    p->len += (size_t)n;
    while ((used = request_len(p)) > 0) {
        if (write(p->fd, answer, sizeof answer - 1) != (ssize_t)sizeof answer - 1)
            return false;
        memmove(p->data, p->data + used, p->len - used);
        p->len -= used;
    }
    return p->len < sizeof p->data;
}

static void welcome(int poller, int listener)
{
    struct epoll_event e = {.events = EPOLLIN};
    struct peer *p = malloc(sizeof *p);
    int one = 1;

    if (!p)
        return;
    p->len = 0;
    p->fd = accept(listener, NULL, NULL);
    if (p->fd < 0) {
        free(p);
        return;
    }
    setsockopt(p->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    e.data.ptr = p;
    epoll_ctl(poller, EPOLL_CTL_ADD, p->fd, &e);
}

static void run(int listener)
{
    struct epoll_event events[EVENTS], e = {.events = EPOLLIN};
    int poller = epoll_create1(EPOLL_CLOEXEC);

    epoll_ctl(poller, EPOLL_CTL_ADD, listener, &e); /* its pointer is NULL */
    for (;;) {
        int n = epoll_wait(poller, events, EVENTS, -1);

        for (int i = 0; i < n; i++) {
            struct peer *p = events[i].data.ptr;

            if (!p) {
                welcome(poller, listener);
            } else if (!serve(p)) {
                close(p->fd);
                free(p);
            }
        }
    }
}

int sink_start(struct sink *s)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof a;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd < 0 || bind(fd, (struct sockaddr *)&a, sizeof a) || listen(fd, 256) ||
        getsockname(fd, (struct sockaddr *)&a, &len))
        return -1;
    s->port = ntohs(a.sin_port);
    s->pid = fork();
    if (s->pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        run(fd);
    }
    close(fd);
    return s->pid < 0 ? -1 : 0;
}

void sink_stop(struct sink *s)
{
    kill(s->pid, SIGKILL);
    waitpid(s->pid, NULL, 0);
}
