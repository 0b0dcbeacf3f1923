/* The poller behind text, for tests: sources come as JSON lines on standard input, what the poller
 * sends to the core goes as JSON lines to standard output.
 *
 * In:  {"id":1,"name":"r1","kind":"snmp","interval":200,"values":{"host":"127.0.0.1"},
 *       "children":[{"element":"get","values":{"name":"up","oid":"1.3.6.1.2.1.1.3.0"}}]}
 *      {"now":1}, {"gone":1}
 * Out: {"sample":1,"topic":"r1","at":MONO_MS,"json":{...}}, {"gone":1,"topic":"r1.if.2"},
 *      {"status":1,"code":2,"latency":3,"topics":1,"at":MONO_MS,"error":""}, {"refused":"why"}
 * It ends at the end of its input. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/log.h"
#include "poll/poll.h"

enum { LINE_MAX_LEN = 4 << 20 };

struct host {
    struct loop *loop;
    struct poller *poller;
    struct chan *core_end, *poller_end;
    struct buf line, out;
};

static const struct kind *const kind_list[] = {&poll_kind_snmp, &poll_kind_http};
static const struct kinds kinds = {kind_list, 2};

static void die(const char *what)
{
    fprintf(stderr, "pollhost: %s\n", what);
    exit(1);
}

/* ---- out
 * -------------------------------------------------------------------------------------------*/

static void print_line(struct buf *b)
{
    buf_u8(b, '\n');
    if (b->err)
        die("a line does not fit");
    for (size_t at = 0; at < b->len;) {
        ssize_t n = write(STDOUT_FILENO, b->data + at, b->len - at);
        if (n < 0 && errno != EINTR)
            exit(0); /* the test is gone */
        if (n > 0)
            at += (size_t)n;
    }
}

static void print_object(struct host *h, jv *o)
{
    buf_clear(&h->out);
    jv_dump(o, &h->out);
    jv_free(o);
    print_line(&h->out);
}

static void text_member(jv *o, const char *key, const char *text)
{
    jv_set(o, key, jv_new_string(text, strlen(text)));
}

static int print_sample(struct host *h, struct rd *r)
{
    struct poll_sample s;
    if (poll_sample_read(&s, r))
        return ERR_PROTOCOL;
    jv *o = jv_new_object();
    jv_set(o, "sample", jv_new_int(s.source));
    text_member(o, "topic", s.topic);
    jv_set(o, "at", jv_new_int(clock_mono_ms()));
    jv_set(o, "json", jv_parse(s.json.data, s.json.len, NULL));
    print_object(h, o);
    return 0;
}

static int print_gone(struct host *h, struct rd *r)
{
    struct poll_gone g;
    if (poll_gone_read(&g, r))
        return ERR_PROTOCOL;
    jv *o = jv_new_object();
    jv_set(o, "gone", jv_new_int(g.source));
    text_member(o, "topic", g.topic);
    print_object(h, o);
    return 0;
}

static int print_status(struct host *h, struct rd *r)
{
    struct poll_status s;
    if (poll_status_read(&s, r))
        return ERR_PROTOCOL;
    jv *o = jv_new_object();
    jv_set(o, "status", jv_new_int(s.source));
    jv_set(o, "code", jv_new_int(s.status));
    jv_set(o, "latency", jv_new_int(s.latency_ms));
    jv_set(o, "topics", jv_new_int(s.topics));
    jv_set(o, "at", jv_new_int(clock_mono_ms()));
    text_member(o, "error", s.error);
    print_object(h, o);
    return 0;
}

static int on_core_frame(void *arg, uint16_t type, const uint8_t *payload, size_t len,
                         const int *fds, int nfds)
{
    struct host *h = arg;
    struct rd r;
    (void)fds;
    if (nfds)
        return ERR_PROTOCOL;
    rd_init(&r, payload, len);
    switch (type) {
    case POLL_SAMPLE:
        return print_sample(h, &r);
    case POLL_TOPIC_GONE:
        return print_gone(h, &r);
    case POLL_STATUS:
        return print_status(h, &r);
    default:
        return ERR_PROTOCOL;
    }
}

/* ---- in
 * --------------------------------------------------------------------------------------------*/

static const char *string_of(const jv *o, const char *key)
{
    const jv *v = jv_get(o, key);
    return v && jv_kind(v) == JV_STRING ? (const char *)jv_string(v).data : "";
}

static int read_values(struct values *v, const struct property *props, size_t n, const jv *o,
                       struct err *e)
{
    for (void *it = o ? jv_iter(o) : NULL; it; it = jv_iter_next(o, it)) {
        const struct property *p = property_find(props, n, jv_iter_key(it));
        if (!p)
            return err_set(e, ERR_INVALID, "unknown property '%s'", jv_iter_key(it));
        int err = values_set(v, p, (const char *)jv_string(jv_iter_value(it)).data, e);
        if (err)
            return err;
    }
    return 0;
}

static int read_child(struct poll_source *s, const jv *o, struct err *e)
{
    struct child *c = &s->children[s->nchildren];
    for (size_t i = 0; i < s->kind->nchildren; i++)
        if (!strcmp(s->kind->children[i].name, string_of(o, "element")))
            c->element = &s->kind->children[i];
    if (!c->element)
        return err_set(e, ERR_INVALID, "unknown element '%s'", string_of(o, "element"));
    s->nchildren++;
    int err = read_values(&c->values, c->element->properties, c->element->nproperties,
                          jv_get(o, "values"), e);
    if (!err && c->element->check)
        err = c->element->check(&c->values, e);
    return err;
}

static int read_source(struct poll_source *s, const jv *o, struct err *e)
{
    const jv *list = jv_get(o, "children");
    size_t n = list ? jv_len(list) : 0;
    s->id = (uint32_t)jv_int(jv_get(o, "id"));
    snprintf(s->name, sizeof s->name, "%s", string_of(o, "name"));
    s->interval_ms = (uint32_t)jv_int(jv_get(o, "interval"));
    s->kind = kind_find(&kinds, KIND_SOURCE, string_of(o, "kind"));
    if (!s->kind)
        return err_set(e, ERR_INVALID, "unknown kind '%s'", string_of(o, "kind"));
    int err =
        read_values(&s->values, s->kind->properties, s->kind->nproperties, jv_get(o, "values"), e);
    if (!err && s->kind->check)
        err = s->kind->check(&s->values, e);
    s->children = calloc(n + 1, sizeof *s->children);
    for (size_t i = 0; !err && i < n; i++)
        err = read_child(s, jv_at(list, i), e);
    return err;
}

static void refuse(struct host *h, const struct err *e)
{
    jv *o = jv_new_object();
    text_member(o, "refused", e->text);
    print_object(h, o);
}

static void send_source(struct host *h, const jv *o)
{
    struct poll_source s = {0};
    struct err e = {0};
    struct buf b;
    buf_init(&b, 1 << 20);
    if (read_source(&s, o, &e)) {
        refuse(h, &e);
    } else {
        poll_source_write(&s, &b);
        if (b.err || chan_send(h->core_end, POLL_SOURCE, b.data, b.len))
            die("source not sent");
    }
    poll_source_release(&s);
    buf_release(&b);
}

static void send_id(struct host *h, uint16_t type, const jv *id)
{
    uint8_t payload[4];
    put_u32(payload, (uint32_t)jv_int(id));
    if (chan_send(h->core_end, type, payload, sizeof payload))
        die("frame not sent");
}

static void on_line(struct host *h, const char *text, size_t len)
{
    struct err e;
    jv *o = jv_parse(text, len, &e);
    if (!o)
        die(e.text);
    if (jv_get(o, "now"))
        send_id(h, POLL_NOW, jv_get(o, "now"));
    else if (jv_get(o, "gone"))
        send_id(h, POLL_SOURCE_GONE, jv_get(o, "gone"));
    else
        send_source(h, o);
    jv_free(o);
}

static void take_lines(struct host *h)
{
    uint8_t *end;
    while (h->line.len && (end = memchr(h->line.data, '\n', h->line.len))) {
        size_t len = (size_t)(end - h->line.data);
        on_line(h, (const char *)h->line.data, len);
        h->line.len -= len + 1;
        memmove(h->line.data, end + 1, h->line.len);
    }
}

static void on_input(void *arg, short revents)
{
    struct host *h = arg;
    char chunk[65536];
    ssize_t n = read(STDIN_FILENO, chunk, sizeof chunk);
    (void)revents;
    if (n <= 0) {
        loop_stop(h->loop, 0);
        return;
    }
    buf_bytes(&h->line, chunk, (size_t)n);
    if (h->line.err)
        die("a line is too long");
    take_lines(h);
}

/* ---- life
 * ------------------------------------------------------------------------------------------*/

static int on_poller_frame(void *arg, uint16_t type, const uint8_t *payload, size_t len,
                           const int *fds, int nfds)
{
    struct host *h = arg;
    (void)fds;
    return nfds ? ERR_PROTOCOL : poller_frame(h->poller, type, payload, len);
}

static void on_close(void *arg, int code)
{
    (void)arg;
    fprintf(stderr, "pollhost: channel closed: %s\n", err_name(code));
    exit(1);
}

static struct chan *new_end(struct host *h, int fd,
                            int (*on_frame)(void *, uint16_t, const uint8_t *, size_t, const int *,
                                            int))
{
    struct chan_options o = {.on_frame = on_frame, .on_close = on_close, .arg = h};
    struct chan *c = chan_new(h->loop, fd, &o);
    if (!c)
        die("out of memory");
    return c;
}

/* "-f N": take so many descriptors first that sockets get numbers above N. */
static void take_descriptors(int n)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit))
        die("getrlimit");
    limit.rlim_cur = limit.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &limit))
        die("setrlimit");
    for (int fd = 0; fd >= 0 && fd < n;)
        fd = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
}

int main(int argc, char **argv)
{
    struct host h = {0};
    struct err e = {0};
    int ends[2];
    log_open("pollhost", LOG_LEVEL_INFO);
    if (argc == 3 && !strcmp(argv[1], "-f"))
        take_descriptors(atoi(argv[2]));
    buf_init(&h.line, LINE_MAX_LEN);
    buf_init(&h.out, 2 * POLL_JSON_MAX);
    h.loop = loop_new();
    if (!h.loop || socketpair(AF_UNIX, SOCK_STREAM, 0, ends))
        die("no loop or socket pair");
    if (poller_new(&h.poller, h.loop, &kinds, &e))
        die(e.text);
    h.core_end = new_end(&h, ends[0], on_core_frame);
    h.poller_end = new_end(&h, ends[1], on_poller_frame);
    poller_set_core(h.poller, h.poller_end);
    struct loop_fd *input = loop_fd_add(h.loop, STDIN_FILENO, POLLIN, on_input, &h);
    int result = input ? loop_run(h.loop) : 1;
    poller_free(h.poller);
    chan_free(h.core_end);
    chan_free(h.poller_end);
    loop_free(h.loop);
    buf_release(&h.line);
    buf_release(&h.out);
    return result ? 1 : 0;
}
