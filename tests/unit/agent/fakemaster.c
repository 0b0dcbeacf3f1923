#include "tests/unit/agent/fakemaster.h"

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

enum { /* RFC 2741 section 6.1 */
       OPEN = 1,
       CLOSE = 2,
       NOTIFY = 12,
       RESPONSE = 18,
       NETWORK_BYTE_ORDER = 0x10,
       HEADER_LEN = 20,
       RESPONSE_LEN = HEADER_LEN + 8,
       SESSION = 7,
       HELD_MAX = 1024,
       TURN_MS = 5,
};

struct peer {
    struct fakemaster *m;
    int fd;
    uint8_t in[2 * FAKE_PDU_MAX];
    size_t len;
    uint8_t held[HELD_MAX][HEADER_LEN]; /* notifications to be answered later */
    size_t nheld;
};

static void must(bool good)
{
    if (!good)
        _exit(1);
}

static uint32_t number(const uint8_t *head, size_t at)
{
    const uint8_t *p = head + at;
    uint32_t big = (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];

    return head[2] & NETWORK_BYTE_ORDER ? big : __builtin_bswap32(big);
}

/* In the byte order of the request. */
static void put(uint8_t *pdu, size_t at, uint32_t v, size_t n)
{
    for (size_t i = 0; i < n; i++)
        pdu[at + i] = (uint8_t)(v >> 8 * (pdu[2] & NETWORK_BYTE_ORDER ? n - 1 - i : i));
}

static bool respond(int fd, const uint8_t *head, int error)
{
    uint8_t pdu[RESPONSE_LEN] = {0};

    memcpy(pdu, head, HEADER_LEN);
    pdu[1] = RESPONSE;
    pdu[2] &= NETWORK_BYTE_ORDER;
    if (head[1] == OPEN)
        put(pdu, 4, SESSION, 4);
    put(pdu, 16, RESPONSE_LEN - HEADER_LEN, 4);
    put(pdu, HEADER_LEN, 4242, 4); /* sysUpTime */
    put(pdu, HEADER_LEN + 4, (uint32_t)error, 2);
    put(pdu, HEADER_LEN + 6, error ? 1 : 0, 2);
    return send(fd, pdu, sizeof pdu, MSG_NOSIGNAL) == (ssize_t)sizeof pdu;
}

static void on_notify(struct peer *p, const uint8_t *pdu, size_t len)
{
    struct fakemaster *m = p->m;

    must(p->nheld < HELD_MAX && number(pdu, 4) == SESSION);
    memcpy(p->held[p->nheld++], pdu, HEADER_LEN);
    memcpy(m->last, pdu, len);
    m->last_len = len;
    m->notifies++;
    m->unanswered = p->nheld;
    if (p->nheld > m->most)
        m->most = p->nheld;
}

static bool on_pdu(struct peer *p, const uint8_t *pdu, size_t len)
{
    p->m->registrations += pdu[1] == OPEN;
    if (pdu[1] == NOTIFY)
        on_notify(p, pdu, len);
    return pdu[1] == NOTIFY || pdu[1] == RESPONSE || respond(p->fd, pdu, 0);
}

static bool take_in(struct peer *p)
{
    ssize_t n = recv(p->fd, p->in + p->len, sizeof p->in - p->len, 0);
    size_t at = 0, len;

    if (n <= 0)
        return false;
    p->len += (size_t)n;
    for (; p->len - at >= HEADER_LEN; at += len) {
        len = HEADER_LEN + number(p->in + at, 16);
        must(len <= FAKE_PDU_MAX);
        if (p->len - at < len)
            break;
        if (!on_pdu(p, p->in + at, len))
            return false;
    }
    memmove(p->in, p->in + at, p->len -= at);
    return true;
}

/* All that came with one read are told of before the first of them is answered. */
static bool answer(struct peer *p)
{
    bool good = true;

    if (p->m->hold)
        return true;
    for (size_t i = 0; i < p->nheld && good; i++)
        good = respond(p->fd, p->held[i], p->m->error);
    p->nheld = 0;
    p->m->unanswered = 0;
    return good;
}

static void serve(struct fakemaster *m, int fd)
{
    static struct peer p;
    bool good = true;

    p = (struct peer){.m = m, .fd = fd};
    while (good) {
        struct pollfd in = {.fd = fd, .events = POLLIN};

        if (poll(&in, 1, TURN_MS) > 0)
            good = take_in(&p);
        if (good)
            good = answer(&p);
    }
    close(fd);
    m->unanswered = 0;
}

struct fakemaster *fakemaster_new(const char *path)
{
    struct fakemaster *m =
        mmap(NULL, sizeof *m, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    if (m == MAP_FAILED)
        abort();
    snprintf(m->path, sizeof m->path, "%s", path);
    return m;
}

void fakemaster_start(struct fakemaster *m)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), fd;
    pid_t pid;

    memcpy(a.sun_path, m->path, sizeof a.sun_path);
    unlink(m->path);
    if (listener < 0 || bind(listener, (struct sockaddr *)&a, sizeof a) || listen(listener, 8))
        abort();
    pid = fork(); /* not into the memory that both share */
    if (pid < 0)
        abort();
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        while ((fd = accept(listener, NULL, NULL)) >= 0)
            serve(m, fd);
        _exit(0);
    }
    close(listener);
    m->pid = pid;
}

void fakemaster_end(struct fakemaster *m)
{
    if (m->pid > 0) {
        kill(m->pid, SIGKILL);
        waitpid(m->pid, NULL, 0);
    }
    m->pid = 0;
}

void fakemaster_free(struct fakemaster *m)
{
    fakemaster_end(m);
    unlink(m->path);
    munmap(m, sizeof *m);
}
