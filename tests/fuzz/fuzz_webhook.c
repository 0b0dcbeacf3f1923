/* What a web server answers to a webhook: status line, headers and body through libcurl to an
 * outcome, redirects included. The first octet says in how many pieces the answer comes (bits 0 to
 * 2) and whether redirects are followed (bit 3); behind the answer the server closes. Whoever has
 * not said 2xx has not got it, and what the server says stays within the words. */
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "base/text.h"
#include "daemon/kinds.h"
#include "dispatch/webhook_kind.h"
#include "http/retry.h"
#include "tests/fuzz/world.h"

enum { TURNS_MAX = 400, WAIT_MS = 50, ANSWER_MAX = 32 << 10, CONNECTIONS_MAX = 4 };

static struct {
    struct loop *loop;
    struct dispatcher *dispatcher;
    struct chan *core, *stage;
    int listener;
    uint16_t port;
    uint64_t job;
    struct outcome outcome;
    bool running;
} f;

/* ---- the dispatcher ---- */

static int on_core_frame(void *arg, uint16_t type, const uint8_t *payload, size_t len,
                         const int *fds, int nfds)
{
    struct err e;
    struct rd r;

    (void)arg, (void)fds, (void)nfds;
    REQUIRE(f.running && type == DISPATCH_OUTCOME);
    rd_init(&r, payload, len);
    REQUIRE(outcome_read(&f.outcome, &r, &e) == 0 && f.outcome.job == f.job);
    outcome_release(&f.outcome);
    f.running = false;
    return 0;
}

static int on_stage_frame(void *arg, uint16_t type, const uint8_t *payload, size_t len,
                          const int *fds, int nfds)
{
    (void)arg, (void)fds, (void)nfds;
    return dispatcher_frame(f.dispatcher, type, payload, len);
}

static void on_close(void *arg, int code)
{
    (void)arg, (void)code;
    REQUIRE(!"the channel is closed");
}

static void listen_anywhere(void)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof a;

    f.listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    REQUIRE(f.listener >= 0 && bind(f.listener, (struct sockaddr *)&a, sizeof a) == 0);
    REQUIRE(listen(f.listener, 8) == 0 &&
            getsockname(f.listener, (struct sockaddr *)&a, &len) == 0);
    f.port = ntohs(a.sin_port);
}

static void start(void)
{
    struct chan_options core = {.on_frame = on_core_frame, .on_close = on_close};
    struct chan_options stage = {.on_frame = on_stage_frame, .on_close = on_close};
    struct err e;
    int ends[2];

    if (f.loop)
        return;
    world_alone();
    log_open("fuzz", LOG_LEVEL_ERROR);
    listen_anywhere();
    f.loop = loop_new();
    REQUIRE(f.loop && dispatcher_new(&f.dispatcher, f.loop, daemon_dispatch_kinds,
                                     daemon_ndispatch_kinds, NULL, &e) == 0);
    REQUIRE(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
    f.core = chan_new(f.loop, ends[0], &core);
    f.stage = chan_new(f.loop, ends[1], &stage);
    REQUIRE(f.core && f.stage);
    dispatcher_set_core(f.dispatcher, f.stage);
}

static void set(struct values *v, const char *name, const char *text)
{
    const struct property *p =
        property_find(webhook_kind.properties, webhook_kind.nproperties, name);

    REQUIRE(values_set(v, p, text, NULL) == 0);
}

static void give(uint16_t type, struct buf *b)
{
    REQUIRE(b->err == 0 && dispatcher_frame(f.dispatcher, type, b->data, b->len) == 0);
    buf_clear(b);
}

/* A handler as new, so that an input meets nothing of the one before, and a job for it. */
static void begin(bool follow)
{
    struct dispatch_handler h = {.id = 1, .owner = "admin", .name = "w", .kind = &webhook_kind};
    struct job_event v = {.kind = KIND_RAISE, .level = LEVEL_CRITICAL, .owner = "alice"};
    struct job j = {.handler = 1, .target = "t", .events = &v, .nevents = 1};
    char url[64];
    struct buf b;

    snprintf(url, sizeof url, "http://127.0.0.1:%u/hook", f.port);
    snprintf(v.uuid, sizeof v.uuid, "0a0b0c0d-1111-4222-8333-444455556666");
    memcpy(j.uuid, v.uuid, sizeof j.uuid);
    set(&h.values, "url", url);
    set(&h.values, "timeout", "5s");
    set(&h.values, "followRedirects", follow ? "2" : "0");
    buf_init(&b, FRAME_PAYLOAD_MAX);
    dispatch_handler_write(&h, &b);
    give(DISPATCH_HANDLER, &b);
    j.id = ++f.job;
    f.running = true;
    job_write(&j, &b);
    give(DISPATCH_JOB, &b);
    buf_release(&b);
    dispatch_handler_release(&h);
}

static void end(void)
{
    struct buf b;

    buf_init(&b, 16);
    buf_u32(&b, 1);
    give(DISPATCH_HANDLER_GONE, &b);
    buf_release(&b);
    REQUIRE(loop_turn(f.loop, 0) >= 0);
}

/* ---- the server ---- */

static void say(int fd, const uint8_t *data, size_t size, size_t pieces)
{
    struct linger at_once = {1, 0};
    size_t step = size / pieces + 1;

    for (size_t at = 0; at < size; at += step) {
        size_t n = size - at < step ? size - at : step;

        if (send(fd, data + at, n, MSG_NOSIGNAL) != (ssize_t)n)
            break; /* it has heard enough */
        loop_turn(f.loop, 0);
    }
    shutdown(fd, SHUT_WR);
    for (int i = 0; f.running && i < 4; i++)
        loop_turn(f.loop, 1);
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    close(fd);
}

FUZZ_TARGET(webhook)
{
    size_t pieces;
    int served = 0;

    if (size == 0 || size > ANSWER_MAX)
        return 0;
    start();
    pieces = data[0] % 8 + 1;
    begin(data[0] & 8);
    for (int i = 0; f.running; i++) {
        int fd = accept(f.listener, NULL, NULL);

        REQUIRE(i < TURNS_MAX);
        if (fd >= 0 && served++ < CONNECTIONS_MAX)
            say(fd, data + 1, size - 1, pieces);
        else if (fd >= 0)
            close(fd);
        if (f.running)
            REQUIRE(loop_turn(f.loop, WAIT_MS) >= 0);
    }
    REQUIRE(utf8_valid(f.outcome.error, strlen(f.outcome.error)));
    REQUIRE((f.outcome.result == OUTCOME_DELIVERED) == (f.outcome.error[0] == '\0'));
    REQUIRE((f.outcome.confirmation == CONFIRM_ACKNOWLEDGED) ==
            (f.outcome.result == OUTCOME_DELIVERED));
    REQUIRE(f.outcome.pause_ms <= HTTP_RETRY_AFTER_MAX_MS);
    REQUIRE(f.outcome.pause_ms == 0 || f.outcome.result == OUTCOME_RETRY);
    if (f.outcome.result == OUTCOME_DELIVERED)
        REQUIRE(memchr(data + 1, '2', size - 1));
    end();
    return 0;
}
