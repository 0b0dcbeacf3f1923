/* How fast mails are handed to a server on loopback that takes everything:
 *   ours      jobs through the dispatcher's frames to an smtp handler, up to 4 sessions at a time
 *   libcurl   one easy handle with its connection kept, the same octets
 *   program   a process for each mail: msmtp, or else curl
 * They take turns in one run. Exit status 1 when a ratio is out of its limit. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <curl/curl.h>

#include "base/frame.h"
#include "base/loop.h"
#include "bench/sink.h"
#include "dispatch/dispatch.h"

enum {
    ROUNDS = 5,
    MAILS = 4000,  /* of one round, ours and libcurl's */
    PROGRAMS = 40, /* of one round */
    WINDOW = 1000, /* jobs under way: few of what the core has */
};
static const double least_curl = 0.8, least_program = 20;

static struct sink sink;

static void die(const char *what, const char *why)
{
    fprintf(stderr, "mail: %s: %s\n", what, why);
    exit(2); /* the sink ends with this process */
}

static double seconds(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static double median(double *values)
{
    qsort(values, ROUNDS, sizeof *values, by_size);
    return values[ROUNDS / 2];
}

/* Mails per second, of N that have come since FROM, when there were BEFORE. */
static double rate(const char *who, uint64_t before, uint64_t n, double from)
{
    double time = seconds() - from;

    if (atomic_load(&sink.shared->mails) - before != n)
        die(who, "not as many mails arrived as were sent");
    return (double)n / time;
}

/* ---- ours ---- */

static struct ours {
    struct loop *loop;
    struct dispatcher *dispatcher;
    struct chan *core, *stage;
    uint64_t sent, answered;
} ours;

static int on_outcome(void *arg, uint16_t type, const uint8_t *payload, size_t len, const int *fds,
                      int nfds)
{
    struct outcome o;
    struct err e;
    struct rd r;

    (void)arg, (void)fds, (void)nfds;
    rd_init(&r, payload, len);
    if (type != DISPATCH_OUTCOME || outcome_read(&o, &r, &e))
        die("outcome", "cannot be read");
    if (o.result != OUTCOME_DELIVERED)
        die("outcome", o.error);
    outcome_release(&o);
    ours.answered++;
    return 0;
}

static int on_frame(void *arg, uint16_t type, const uint8_t *payload, size_t len, const int *fds,
                    int nfds)
{
    (void)arg, (void)fds, (void)nfds;
    return dispatcher_frame(ours.dispatcher, type, payload, len);
}

static void on_close(void *arg, int code)
{
    (void)arg;
    die("channel", err_name(code));
}

static void set(struct values *v, const char *name, const char *text)
{
    const struct kind *k = dispatch_kind_smtp.kind;
    struct err e;

    if (values_set(v, property_find(k->properties, k->nproperties, name), text, &e))
        die(name, e.text);
}

static void open_handler(void)
{
    struct dispatch_handler h = {
        .id = 1, .owner = "admin", .name = "mail", .kind = dispatch_kind_smtp.kind};
    char port[8];
    struct buf b;

    snprintf(port, sizeof port, "%u", sink.port);
    set(&h.values, "host", "127.0.0.1");
    set(&h.values, "port", port);
    set(&h.values, "encryption", "none");
    set(&h.values, "fromAddress", "alerts@example.net");
    set(&h.values, "subject", "[${state}] ${instance}: ${message}");
    set(&h.values, "html",
        "<h1>${state}: ${message}</h1>${#events}<p>${instance} since ${since}, "
        "<a href=\"${url}\">${definition}</a></p>${/events}");
    buf_init(&b, 64 << 10);
    dispatch_handler_write(&h, &b);
    if (b.err || chan_send(ours.core, DISPATCH_HANDLER, b.data, b.len))
        die("handler", "cannot be sent");
    buf_release(&b);
    values_release(&h.values);
}

static void open_ours(void)
{
    static const struct dispatch_kind *const kinds[] = {&dispatch_kind_smtp};
    struct err e;
    int ends[2];

    ours.loop = loop_new();
    if (!ours.loop || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends))
        die("loop", strerror(errno));
    if (dispatcher_new(&ours.dispatcher, ours.loop, kinds, 1, NULL, &e))
        die("dispatcher", e.text);
    ours.core = chan_new(ours.loop, ends[0],
                         &(struct chan_options){.on_frame = on_outcome, .on_close = on_close});
    ours.stage = chan_new(ours.loop, ends[1],
                          &(struct chan_options){.on_frame = on_frame, .on_close = on_close});
    if (!ours.core || !ours.stage)
        die("channel", "out of memory");
    dispatcher_set_core(ours.dispatcher, ours.stage);
    open_handler();
}

static void send_job(void)
{
    char *to[] = {(char *)"operators@example.net"};
    struct job_event v = {.notice_id = 1,
                          .kind = KIND_RAISE,
                          .level = LEVEL_CRITICAL,
                          .previous_level = LEVEL_OK,
                          .at_ms = INT64_C(1795000000000),
                          .active_since_ms = INT64_C(1794999000000),
                          .owner = "alice",
                          .definition = "interface-down",
                          .service = "network",
                          .instance = "router1.if.17",
                          .value = "2",
                          .message = "eth17 is down, and should be up",
                          .description =
                              "An interface that should be up is not. Look at the cable, "
                              "then at the other end.",
                          .url = "https://example.net/runbook/interface-down"};
    struct job j = {.id = ++ours.sent,
                    .handler = 1,
                    .target_owner = "alice",
                    .target = "operators",
                    .created_ms = v.at_ms,
                    .recipients = to,
                    .nrecipients = 1,
                    .events = &v,
                    .nevents = 1};
    struct buf b;

    snprintf(j.uuid, sizeof j.uuid, "00000000-0000-4000-8000-%012" PRIx64, ours.sent);
    memcpy(v.uuid, j.uuid, sizeof v.uuid);
    buf_init(&b, FRAME_PAYLOAD_MAX);
    job_write(&j, &b);
    if (b.err || chan_send(ours.core, DISPATCH_JOB, b.data, b.len))
        die("job", "cannot be sent");
    buf_release(&b);
}

static double run_ours(uint64_t n)
{
    uint64_t before = atomic_load(&sink.shared->mails), end = ours.answered + n;
    double from = seconds();

    while (ours.answered < end) {
        while (ours.sent < end && ours.sent - ours.answered < WINDOW)
            send_job();
        if (loop_turn(ours.loop, 1000) < 0)
            die("loop", "failed");
    }
    return rate("ours", before, n, from);
}

/* ---- libcurl ---- */

static size_t read_mail(char *dst, size_t size, size_t n, void *arg)
{
    size_t *at = arg, left = atomic_load(&sink.shared->len) - *at;

    n = size * n < left ? size * n : left;
    memcpy(dst, sink.shared->mail + *at, n);
    *at += n;
    return n;
}

static double run_curl(uint64_t n)
{
    static CURL *c;
    uint64_t before = atomic_load(&sink.shared->mails);
    char url[64];
    size_t at = 0;
    double from;

    if (!c) {
        c = curl_easy_init();
        snprintf(url, sizeof url, "smtp://127.0.0.1:%u/client.example.net", sink.port);
        curl_easy_setopt(c, CURLOPT_URL, url);
        curl_easy_setopt(c, CURLOPT_MAIL_FROM, "<alerts@example.net>");
        curl_easy_setopt(c, CURLOPT_MAIL_RCPT, curl_slist_append(NULL, "<operators@example.net>"));
        curl_easy_setopt(c, CURLOPT_UPLOAD, 1L);
        curl_easy_setopt(c, CURLOPT_READFUNCTION, read_mail);
        curl_easy_setopt(c, CURLOPT_READDATA, &at);
    }
    curl_easy_setopt(c, CURLOPT_READDATA, &at);
    from = seconds();
    for (uint64_t i = 0; i < n; i++) {
        CURLcode rc;

        at = 0;
        rc = curl_easy_perform(c);
        if (rc)
            die("libcurl", curl_easy_strerror(rc));
    }
    return rate("libcurl", before, n, from);
}

/* ---- a program for each ---- */

static char url[64], port[16], mail_file[64];
static const char *const msmtp[] = {"msmtp", "--file=/dev/null",          "--host=127.0.0.1",
                                    port,    "--from=alerts@example.net", "operators@example.net",
                                    NULL};
static const char *const curl[] = {"curl",
                                   "--silent",
                                   "--mail-from",
                                   "alerts@example.net",
                                   "--mail-rcpt",
                                   "operators@example.net",
                                   "--upload-file",
                                   "-",
                                   url,
                                   NULL};

static int run_program(const char *const *argv)
{
    pid_t pid = fork();
    int status = 0;

    if (pid == 0) {
        if (!freopen(mail_file, "r", stdin) || !freopen("/dev/null", "w", stdout) ||
            !freopen("/dev/null", "w", stderr))
            _exit(127);
        execvp(argv[0], (char *const *)(uintptr_t)argv);
        _exit(127);
    }
    return pid < 0 || waitpid(pid, &status, 0) < 0 ? -1 : status;
}

static double run_programs(const char *const *argv, uint64_t n)
{
    uint64_t before = atomic_load(&sink.shared->mails);
    double from = seconds();

    for (uint64_t i = 0; i < n; i++)
        if (run_program(argv))
            die(argv[0], "failed");
    return rate(argv[0], before, n, from);
}

/* The first that can send a mail here; NULL: none. */
static const char *const *find_program(void)
{
    static const char *const *const all[] = {msmtp, curl};

    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if (run_program(all[i]) == 0)
            return all[i];
    return NULL;
}

static void write_mail_file(void)
{
    FILE *f;
    int fd;

    snprintf(mail_file, sizeof mail_file, "/tmp/snmpalert-bench-mail.XXXXXX");
    fd = mkstemp(mail_file);
    f = fd < 0 ? NULL : fdopen(fd, "w");
    if (!f || fwrite(sink.shared->mail, 1, atomic_load(&sink.shared->len), f) == 0 || fclose(f))
        die(mail_file, strerror(errno));
}

/* ---- figures ---- */

static bool report(const char *what, double ratio, double least)
{
    printf("  to %s: %.2f (at least %.1f)%s\n", what, ratio, least,
           ratio < least ? "   MISSED" : "");
    return ratio >= least;
}

static bool measure(const char *const *program)
{
    double mine[ROUNDS], reused[ROUNDS], each[ROUNDS], to_curl[ROUNDS], to_program[ROUNDS];
    bool good;

    for (size_t i = 0; i < ROUNDS; i++) {
        mine[i] = run_ours(MAILS);
        reused[i] = run_curl(MAILS);
        each[i] = program ? run_programs(program, PROGRAMS) : 1;
        to_curl[i] = mine[i] / reused[i];
        to_program[i] = mine[i] / each[i];
    }
    printf("mails of %zu octets: %.0f/s; libcurl with its connection kept %.0f/s; ",
           atomic_load(&sink.shared->len), median(mine), median(reused));
    printf("a process each %.0f/s\n", program ? median(each) : 0.0);
    good = report("libcurl", median(to_curl), least_curl);
    if (!program)
        printf("  neither msmtp nor curl is here: not compared with a process for each\n");
    return (!program || report(program[0], median(to_program), least_program)) && good;
}

int main(void)
{
    const char *const *program;
    bool good;

    if (sink_start(&sink))
        die("sink", strerror(errno));
    curl_global_init(CURL_GLOBAL_DEFAULT);
    snprintf(url, sizeof url, "smtp://127.0.0.1:%u", sink.port);
    snprintf(port, sizeof port, "--port=%u", sink.port);
    open_ours();
    run_ours(200); /* warms up, and makes the mail that the others send */
    run_curl(200);
    write_mail_file();
    program = find_program();
    good = measure(program);
    unlink(mail_file);
    dispatcher_free(ours.dispatcher);
    chan_free(ours.core);
    chan_free(ours.stage);
    loop_free(ours.loop);
    sink_stop(&sink);
    return good ? 0 : 1;
}
