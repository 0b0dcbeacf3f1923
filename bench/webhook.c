/* How fast webhooks are sent: the dispatcher, a process of its own as in use, with jobs as frames
 * in and outcomes as frames out, against a bare loop of libcurl's multi interface that sends the
 * same octets, each request with its own key, with handles that it keeps. Both have as many
 * requests under way, to the same server (bench/websink.h), and take turns, all on one CPU, so that
 * what is compared meets the same load whatever else the machine does. Exit status 1 when the ratio
 * is out of its limit. */
#include <curl/curl.h>
#include <inttypes.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <stdnoreturn.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "base/loop.h"
#include "bench/websink.h"
#include "dispatch/dispatch.h"
#include "dispatch/document.h"
#include "dispatch/webhook_kind.h"

enum {
    WINDOW = 16,      /* requests under way */
    OUTSTANDING = 64, /* jobs with the dispatcher */
    REQUESTS = 1000,  /* of one round and side: short, so that other load meets both alike */
    ROUNDS = 31,
    HANDLER = 1,
};
static const double least_ratio = 0.7;

extern const struct dispatch_kind dispatch_kind_webhook;
static const struct dispatch_kind *const kinds[] = {&dispatch_kind_webhook};

static noreturn void die(const char *what)
{
    fprintf(stderr, "bench/webhook: %s\n", what);
    exit(2);
}

static int64_t now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
}

static double rate(int64_t from_ns)
{
    return REQUESTS * 1e9 / (double)(now_ns() - from_ns);
}

/* ---- what is told ---- */

static struct job_event event = {
    .notice_id = 1,
    .uuid = "0a0b0c0d-1111-4222-8333-444455556666",
    .sequence = 1,
    .kind = KIND_RAISE,
    .notification = SA_ALERT_RAISED,
    .level = LEVEL_CRITICAL,
    .previous_level = LEVEL_OK,
    .at_ms = 1795000000000,
    .active_since_ms = 1795000000000,
    .owner = "alice",
    .definition = "queue-length",
    .service = "mail",
    .instance = "relay1.example.net",
    .value = "1729",
    .message = "1729 messages wait, the oldest for 3 hours",
    .description = "More mail waits than the relay sends in an hour.",
    .url = "https://wiki.example.net/mail/queues",
};
static const struct job job = {
    .handler = HANDLER,
    .target_owner = "alice",
    .target = "desk",
    .uuid = "0a0b0c0d-1111-4222-8333-444455556666",
    .created_ms = 1795000000000,
    .events = &event,
    .nevents = 1,
};

/* ---- the dispatcher ---- */

struct ours { /* the core's side */
    struct loop *loop;
    struct chan *core;
    struct buf frame; /* of a job */
    uint64_t sent, done;
};

/* Only the id, in front, differs: what it takes to make frames is the core's. */
static void send_job(struct ours *o)
{
    put_u64(o->frame.data, ++o->sent);
    if (chan_send(o->core, DISPATCH_JOB, o->frame.data, o->frame.len))
        die("a job does not fit");
}

static int on_core_frame(void *arg, uint16_t type, const uint8_t *payload, size_t len,
                         const int *fds, int nfds)
{
    struct ours *o = arg;
    struct outcome r;
    struct err e;
    struct rd rd;

    (void)type, (void)fds, (void)nfds;
    rd_init(&rd, payload, len);
    if (outcome_read(&r, &rd, &e))
        die(e.text);
    if (r.result != OUTCOME_DELIVERED)
        die(r.error);
    outcome_release(&r);
    o->done++;
    if (o->sent % REQUESTS)
        send_job(o);
    return 0;
}

static void on_close(void *arg, int code)
{
    (void)arg, (void)code;
    die("the channel is closed");
}

static void set(struct values *v, const char *name, const char *text)
{
    const struct property *p =
        property_find(webhook_kind.properties, webhook_kind.nproperties, name);
    struct err e;

    if (values_set(v, p, text, &e))
        die(e.text);
}

static void send_handler(struct ours *o, const char *url)
{
    struct dispatch_handler h = {
        .id = HANDLER, .owner = "admin", .name = "desk", .kind = &webhook_kind};
    char window[12];
    struct buf b;

    snprintf(window, sizeof window, "%d", WINDOW);
    set(&h.values, "url", url);
    set(&h.values, "maxInFlight", window);
    buf_init(&b, FRAME_PAYLOAD_MAX);
    dispatch_handler_write(&h, &b);
    if (b.err || chan_send(o->core, DISPATCH_HANDLER, b.data, b.len))
        die("the handler does not fit");
    buf_release(&b);
    dispatch_handler_release(&h);
}

static int on_stage_frame(void *arg, uint16_t type, const uint8_t *payload, size_t len,
                          const int *fds, int nfds)
{
    (void)fds, (void)nfds;
    return dispatcher_frame(arg, type, payload, len);
}

static void on_stage_close(void *arg, int code)
{
    (void)arg, (void)code;
    _exit(0);
}

/* The dispatcher's process, until the core's end of FD is closed. */
static noreturn void dispatch(int fd)
{
    struct chan_options stage = {.on_frame = on_stage_frame, .on_close = on_stage_close};
    struct loop *l = loop_new();
    struct dispatcher *d;
    struct chan *c;
    struct err e;

    if (!l || dispatcher_new(&d, l, kinds, 1, NULL, &e))
        die("no dispatcher");
    stage.arg = d;
    c = chan_new(l, fd, &stage);
    if (!c)
        die("out of memory");
    dispatcher_set_core(d, c);
    loop_run(l);
    die("the loop ended");
}

static void ours_open(struct ours *o, const char *url)
{
    struct chan_options core = {.on_frame = on_core_frame, .on_close = on_close, .arg = o};
    int ends[2];
    pid_t pid;

    *o = (struct ours){.core = NULL};
    buf_init(&o->frame, FRAME_PAYLOAD_MAX);
    job_write(&job, &o->frame);
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends))
        die("no sockets");
    pid = fork();
    if (pid < 0)
        die("no process");
    if (pid == 0) {
        close(ends[0]);
        dispatch(ends[1]);
    }
    close(ends[1]);
    o->loop = loop_new();
    o->core = o->loop ? chan_new(o->loop, ends[0], &core) : NULL;
    if (!o->core)
        die("out of memory");
    send_handler(o, url);
}

static double ours_rate(struct ours *o)
{
    int64_t from = now_ns();
    uint64_t end = o->done + REQUESTS;

    for (int i = 0; i < OUTSTANDING; i++)
        send_job(o);
    while (o->done < end)
        if (loop_turn(o->loop, 1000) < 0)
            die("the loop ended");
    return rate(from);
}

static void ours_close(struct ours *o)
{
    chan_free(o->core);
    loop_free(o->loop);
    buf_release(&o->frame);
}

/* ---- bare libcurl ---- */

struct bare {
    CURLM *multi;
    CURL *handles[WINDOW];
    struct buf body;
};

static size_t swallow(char *data, size_t size, size_t n, void *arg)
{
    (void)data, (void)arg;
    return size * n;
}

static void bare_open(struct bare *b, const char *url)
{
    b->multi = curl_multi_init();
    buf_init(&b->body, FRAME_PAYLOAD_MAX);
    document_write(&job, &b->body);
    for (size_t i = 0; i < WINDOW; i++) {
        CURL *h = b->handles[i] = curl_easy_init();

        curl_easy_setopt(h, CURLOPT_URL, url);
        curl_easy_setopt(h, CURLOPT_NOSIGNAL, 1L);
        curl_easy_setopt(h, CURLOPT_USERAGENT, "snmpalertd");
        curl_easy_setopt(h, CURLOPT_WRITEFUNCTION, swallow);
    }
}

/* What is a request's own: its key and its body. */
static void bare_start(struct bare *b, CURL *h)
{
    struct curl_slist *headers = curl_slist_append(NULL, "Content-Type: application/json");
    char key[80];

    snprintf(key, sizeof key, "Idempotency-Key: \"%s\"", job.uuid);
    headers = curl_slist_append(headers, key);
    curl_easy_setopt(h, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(h, CURLOPT_PRIVATE, (void *)headers);
    curl_easy_setopt(h, CURLOPT_POSTFIELDS, (char *)b->body.data);
    curl_easy_setopt(h, CURLOPT_POSTFIELDSIZE, (long)b->body.len);
    curl_multi_add_handle(b->multi, h);
}

static void bare_done(struct bare *b, const CURLMsg *m)
{
    CURL *h = m->easy_handle;
    char *headers = NULL;
    long status = 0;

    curl_easy_getinfo(h, CURLINFO_RESPONSE_CODE, &status);
    if (m->msg != CURLMSG_DONE || m->data.result || status != 204)
        die("a bare request failed");
    curl_multi_remove_handle(b->multi, h);
    curl_easy_getinfo(h, CURLINFO_PRIVATE, &headers);
    curl_slist_free_all((struct curl_slist *)(void *)headers);
}

/* The handles that are done start again, until so many were started. Returns those done. */
static int bare_turn(struct bare *b, int *left)
{
    int running, done = 0, queued;
    CURLMsg *m;

    curl_multi_perform(b->multi, &running);
    while ((m = curl_multi_info_read(b->multi, &queued))) {
        CURL *h = m->easy_handle;

        bare_done(b, m);
        done++;
        if (*left > 0) {
            --*left;
            bare_start(b, h);
        }
    }
    return done;
}

static double bare_rate(struct bare *b)
{
    int64_t from = now_ns();
    int left = REQUESTS - WINDOW;

    for (size_t i = 0; i < WINDOW; i++)
        bare_start(b, b->handles[i]);
    for (int done = 0; done < REQUESTS;) {
        int n = bare_turn(b, &left);

        done += n;
        if (n == 0)
            curl_multi_poll(b->multi, NULL, 0, 1000, NULL);
    }
    return rate(from);
}

static void bare_close(struct bare *b)
{
    for (size_t i = 0; i < WINDOW; i++)
        curl_easy_cleanup(b->handles[i]);
    curl_multi_cleanup(b->multi);
    buf_release(&b->body);
}

/* ---- both ---- */

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static double middle(double *values)
{
    qsort(values, ROUNDS, sizeof *values, by_size);
    return values[ROUNDS / 2];
}

static bool report(double ours, double bare, double ratio)
{
    bool good = ratio >= least_ratio;

    printf("webhooks, %d under way: %.0f/s, bare libcurl %.0f/s: %.2f (at least %.1f)%s\n", WINDOW,
           ours, bare, ratio, least_ratio, good ? "" : "   MISSED");
    return good;
}

static void take_one_cpu(void)
{
    cpu_set_t set;
    int cpu = 0;

    if (sched_getaffinity(0, sizeof set, &set))
        die("sched_getaffinity");
    while (cpu < CPU_SETSIZE && !CPU_ISSET(cpu, &set))
        cpu++;
    CPU_ZERO(&set);
    CPU_SET(cpu, &set);
    if (sched_setaffinity(0, sizeof set, &set))
        die("sched_setaffinity");
}

int main(void)
{
    double told[ROUNDS], bare_told[ROUNDS], ratios[ROUNDS];
    struct sink sink;
    struct ours o;
    struct bare b;
    char url[64];
    bool good;

    log_open("bench", LOG_LEVEL_ERROR);
    take_one_cpu();
    if (sink_start(&sink))
        die("no server");
    snprintf(url, sizeof url, "http://127.0.0.1:%u/hook", sink.port);
    ours_open(&o, url);
    bare_open(&b, url);
    ours_rate(&o); /* warms up */
    bare_rate(&b);
    for (size_t i = 0; i < ROUNDS; i++) {
        told[i] = ours_rate(&o);
        bare_told[i] = bare_rate(&b);
        ratios[i] = told[i] / bare_told[i];
    }
    good = report(middle(told), middle(bare_told), middle(ratios));
    ours_close(&o);
    bare_close(&b);
    sink_stop(&sink);
    return good ? 0 : 1;
}
