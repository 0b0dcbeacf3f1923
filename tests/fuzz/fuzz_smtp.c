/* What an SMTP server says: a whole session of dispatch/submission.h (libesmtp, the carrying
 * thread, and before TLS our own dialogue) with a server that says all of the input and hangs up.
 * Nobody counts as reached unless the server let the message come and then took it, and without a
 * successful AUTH that was asked for no mail begins.
 *
 * The first octet: bit 0 STARTTLS, bit 1 authentication, bit 2 two mails. */
#include <netinet/in.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "base/text.h"
#include "dispatch/mailmsg.h"
#include "dispatch/submission.h"
#include "tests/fuzz/world.h"

enum { SAID_MAX = 64 << 10, HEARD_MAX = 64 << 10, RECIPIENTS = 2, MAILS = 2, PATIENCE_MS = 20000 };

/* ---- the server, a thread ---- */

static struct {
    int listener;
    uint16_t port;
    sem_t begin, over;
    const uint8_t *said;
    size_t nsaid;
    char heard[HEARD_MAX + 1];
    size_t nheard;
} server;

static void say_all(int fd)
{
    size_t done = 0;

    while (done < server.nsaid) {
        ssize_t n = send(fd, server.said + done, server.nsaid - done, MSG_NOSIGNAL);

        if (n <= 0)
            break;
        done += (size_t)n;
    }
    shutdown(fd, SHUT_WR);
}

static void hear_all(int fd)
{
    char rest[4096];
    ssize_t n;

    server.nheard = 0;
    while ((n = recv(fd, rest, sizeof rest, 0)) > 0) {
        size_t room = HEARD_MAX - server.nheard, take = (size_t)n < room ? (size_t)n : room;

        memcpy(server.heard + server.nheard, rest, take);
        server.nheard += take;
    }
    server.heard[server.nheard] = '\0';
}

static void *serve(void *arg)
{
    (void)arg;
    for (;;) {
        int fd;

        while (sem_wait(&server.begin)) {
        }
        fd = accept(server.listener, NULL, NULL);
        REQUIRE(fd >= 0);
        say_all(fd);
        hear_all(fd);
        close(fd);
        sem_post(&server.over);
    }
    return NULL;
}

static char password_file[64];

static void start(void)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof a;
    pthread_t thread;
    int fd;

    if (server.port)
        return;
    world_alone();
    log_open("fuzz", LOG_LEVEL_ERROR);
    signal(SIGPIPE, SIG_IGN); /* as the loop of a process does */
    fd = memfd_create("password", MFD_CLOEXEC);
    REQUIRE(fd >= 0 && fchmod(fd, 0600) == 0 && write(fd, "secret\n", 7) == 7);
    snprintf(password_file, sizeof password_file, "/proc/self/fd/%d", fd);
    server.listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    REQUIRE(server.listener >= 0 && bind(server.listener, (struct sockaddr *)&a, sizeof a) == 0);
    REQUIRE(listen(server.listener, 4) == 0);
    REQUIRE(getsockname(server.listener, (struct sockaddr *)&a, &len) == 0);
    server.port = ntohs(a.sin_port);
    REQUIRE(sem_init(&server.begin, 0, 0) == 0 && sem_init(&server.over, 0, 0) == 0);
    REQUIRE(pthread_create(&thread, NULL, serve, NULL) == 0 && pthread_detach(thread) == 0);
}

/* ---- what must be so ---- */

/* Is there a line whose code begins with DIGIT, at *AT or behind it? *AT goes behind it. libesmtp
 * reads codes by strtol: " 0250" is one, too. */
static bool line_with(const uint8_t *p, size_t n, char digit, size_t *at)
{
    for (size_t i = *at; i < n; i++) {
        if (i > 0 && p[i - 1] != '\n')
            continue;
        while (i < n && p[i] && strchr(" \t\v\f\r+0", p[i]))
            i++;
        if (i < n && p[i] == (uint8_t)digit) {
            *at = i + 1;
            return true;
        }
    }
    return false;
}

static bool has(const uint8_t *p, size_t n, const char *word)
{
    return memmem(p, n, word, strlen(word)) != NULL;
}

static void check_recipient(const struct outcome_recipient *r, const uint8_t *said, size_t n)
{
    size_t at = 0;

    REQUIRE(r->state == NOTICE_PENDING || r->state == NOTICE_DELIVERED ||
            r->state == NOTICE_FAILED);
    REQUIRE(utf8_valid(r->reply, strlen(r->reply)));
    if (r->state == NOTICE_DELIVERED)
        REQUIRE(line_with(said, n, '3', &at) && line_with(said, n, '2', &at));
    if (r->state == NOTICE_FAILED)
        REQUIRE(has(said, n, "5"));
}

static void make_mail(struct mail *m, struct outcome_recipient *r)
{
    static const char message[] = "Subject: x\r\n\r\ntext\r\n.dot\r\n";

    snprintf(m->from, sizeof m->from, "alerts@example.net");
    buf_init(&m->message, MAILMSG_MAX);
    buf_bytes(&m->message, message, sizeof message - 1);
    for (size_t i = 0; i < RECIPIENTS; i++)
        snprintf(r[i].address, sizeof r[i].address, "ops%zu@example.net", i);
    m->recipients = r;
    m->nrecipients = RECIPIENTS;
}

static void submit(const struct submission_settings *s, struct mail *const *mails, size_t n,
                   struct err *e)
{
    struct transport *t;

    REQUIRE(transport_new(&t, e) == 0);
    sem_post(&server.begin);
    submission_run(s, t, mails, n, e);
    transport_free(t);
    while (sem_wait(&server.over)) {
    }
}

FUZZ_TARGET(smtp)
{
    static struct submission_settings s; /* zeroed as a whole */
    struct outcome_recipient recipients[MAILS][RECIPIENTS] = {0};
    struct mail mails[MAILS] = {0}, *list[MAILS] = {&mails[0], &mails[1]};
    struct err e;
    uint8_t how;

    if (size == 0 || size > SAID_MAX)
        return 0;
    start();
    how = world_octet(&data, &size);
    snprintf(s.host, sizeof s.host, "127.0.0.1");
    snprintf(s.helo, sizeof s.helo, "client.example.net");
    snprintf(s.username, sizeof s.username, "%s", how & 2 ? "alerts" : "");
    snprintf(s.password_file, sizeof s.password_file, "%s", password_file);
    snprintf(s.ca_file, sizeof s.ca_file, "/dev/null"); /* TLS itself is OpenSSL's: it ends there */
    s.port = server.port;
    s.encryption = how & 1 ? TRANSPORT_STARTTLS : TRANSPORT_PLAIN;
    s.verify = true;
    s.connect_ms = s.silence_ms = s.total_ms = PATIENCE_MS;
    server.said = data;
    server.nsaid = size;
    for (size_t i = 0; i < MAILS; i++)
        make_mail(&mails[i], recipients[i]);
    submit(&s, list, how & 4 ? 2 : 1, &e);
    REQUIRE(utf8_valid(e.text, strlen(e.text)) || e.code == 0);
    if (how & 2 && !has(data, size, "235"))
        REQUIRE(!strstr(server.heard, "MAIL FROM"));
    if (how & 1)
        REQUIRE(e.code && !strstr(server.heard, "MAIL FROM"));
    for (size_t i = 0; i < MAILS; i++) {
        for (size_t k = 0; k < RECIPIENTS; k++)
            if (i == 0 || how & 4)
                check_recipient(&recipients[i][k], data, size);
        buf_release(&mails[i].message);
    }
    return 0;
}
