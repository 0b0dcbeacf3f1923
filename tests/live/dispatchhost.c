/* Runs the dispatcher for tests: a line of JSON on standard input is a frame for it, each outcome
 * is a line of JSON on standard output. Everything goes through real channels and the real codecs.
 *   {"handler": {"id": 1, "kind": "smtp", "name": "mail", "values": {"host": "127.0.0.1"}}}
 *   with "elements": [{"element": "header", "name": "X-A", "value": "1"}]
 *   {"engine": {"id": "0x80001f880461626364", "boots": 1, "age": 0}}   before any other line
 *   {"gone": 1}   {"cancel": 7}
 *   {"check": {"kind": "smtp", "values": {...}}}    answers {"check": "why not, or empty"}
 *   {"job": {"id": 7, "handler": 1, "recipients": ["..."], "overrides": {}, "events": [{...}]}}
 *   {"validate": the same}    answers {"job": 7, "good": true, "message": "..."}
 * ends with standard input. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/frame.h"
#include "base/json.h"
#include "base/log.h"
#include "dispatch/dispatch.h"
#include "dispatch/kinds.h"
#include "dispatch/run.h"

enum { HANDLERS_MAX = 16, LINE_MAX_OCTETS = 4 << 20 };

#define DECLARE(name) extern const struct dispatch_kind dispatch_kind_##name;
DISPATCH_KINDS(DECLARE)
RUNNER_KINDS(DECLARE)
#define KIND(name) &dispatch_kind_##name,
static const struct dispatch_kind *const kinds[] = {DISPATCH_KINDS(KIND) RUNNER_KINDS(KIND)};
enum { NKINDS = sizeof kinds / sizeof *kinds };

struct host {
    struct loop *loop;
    struct dispatcher *dispatcher;
    struct chan *core, *stage; /* both ends */
    struct loop_fd *input;
    struct buf line;
    const struct kind *kind_of[HANDLERS_MAX]; /* by handler id */
};

static void die(const char *what, const char *why)
{
    fprintf(stderr, "dispatchhost: %s: %s\n", what, why);
    exit(2);
}

/* ---- JSON in ---- */

static const char *text(jv *o, const char *key, const char *def)
{
    jv *v = jv_get(o, key);

    return v ? (const char *)jv_string(v).data : def;
}

static int64_t number(jv *o, const char *key, int64_t def)
{
    jv *v = jv_get(o, key);

    return v ? jv_int(v) : def;
}

static void copy(char *dst, size_t cap, const char *src)
{
    if (strlen(src) >= cap)
        die("text too long", src);
    memcpy(dst, src, strlen(src) + 1);
}

static const struct kind *kind_named(const char *name)
{
    for (size_t i = 0; i < NKINDS; i++)
        if (strcmp(kinds[i]->kind->name, name) == 0)
            return kinds[i]->kind;
    die("no such kind", name);
    return NULL;
}

static void read_some(struct values *ret, const struct property *props, size_t nprops, jv *o)
{
    struct err e;

    for (void *it = o ? jv_iter(o) : NULL; it; it = jv_iter_next(o, it)) {
        const char *name = jv_iter_key(it);
        const struct property *p = property_find(props, nprops, name);

        if (!p && strcmp(name, "element") == 0)
            continue;
        if (!p)
            die("no such property", name);
        if (values_set(ret, p, (const char *)jv_string(jv_iter_value(it)).data, &e))
            die(name, e.text);
    }
}

static void read_values(struct values *ret, const struct kind *k, jv *o)
{
    read_some(ret, k->properties, k->nproperties, o);
}

/* [{"element": "header", "name": "...", ...}] */
static void read_children(struct dispatch_handler *d, jv *list)
{
    d->children = calloc(jv_len(list) + 1, sizeof *d->children);
    for (size_t i = 0; i < jv_len(list); i++) {
        struct child *c = &d->children[d->nchildren++];
        struct err e;

        c->element = kind_child(d->kind, text(jv_at(list, i), "element", ""));
        if (!c->element)
            die("no such element of", d->kind->name);
        read_some(&c->values, c->element->properties, c->element->nproperties, jv_at(list, i));
        if (c->element->check && c->element->check(&c->values, &e))
            die(c->element->name, e.text);
    }
}

static void read_varbind(struct job_varbind *v, jv *o)
{
    jv *oid = jv_get(o, "oid"), *bytes = jv_get(o, "bytes");

    for (size_t i = 0; i < jv_len(oid) && i < 128; i++)
        v->subids[v->nsubids++] = (uint32_t)jv_int(jv_at(oid, i));
    v->syntax = (enum sa_syntax)number(o, "syntax", SA_TEXT);
    v->number = number(o, "number", 0);
    if (bytes) {
        struct slice s = jv_string(bytes);

        v->bytes = malloc(s.len + 1);
        if (!v->bytes)
            die("varbind", "out of memory");
        memcpy(v->bytes, s.data, s.len);
        v->len = s.len;
    }
}

static void read_event(struct job_event *v, jv *o)
{
    jv *varbinds = jv_get(o, "varbinds");

    v->notice_id = (uint32_t)number(o, "notice", 1);
    copy(v->uuid, sizeof v->uuid, text(o, "uuid", "00000000-0000-4000-8000-000000000000"));
    v->sequence = (uint32_t)number(o, "sequence", 1);
    v->kind = (uint8_t)number(o, "kind", KIND_RAISE);
    v->notification = (uint8_t)number(o, "notification", SA_ALERT_RAISED);
    v->level = (uint8_t)number(o, "level", LEVEL_CRITICAL);
    v->previous_level = (uint8_t)number(o, "previous", LEVEL_OK);
    v->at_ms = number(o, "at", 1795000000000);
    v->active_since_ms = number(o, "since", 0);
    copy(v->owner, sizeof v->owner, text(o, "owner", "alice"));
    copy(v->definition, sizeof v->definition, text(o, "definition", "hot"));
    copy(v->service, sizeof v->service, text(o, "service", ""));
    copy(v->instance, sizeof v->instance, text(o, "instance", ""));
    copy(v->value, sizeof v->value, text(o, "value", ""));
    copy(v->message, sizeof v->message, text(o, "message", ""));
    copy(v->description, sizeof v->description, text(o, "description", ""));
    copy(v->url, sizeof v->url, text(o, "url", ""));
    v->nvarbinds = varbinds ? jv_len(varbinds) : 0;
    v->varbinds = calloc(v->nvarbinds + 1, sizeof *v->varbinds);
    for (size_t i = 0; i < v->nvarbinds; i++)
        read_varbind(&v->varbinds[i], jv_at(varbinds, i));
}

static void read_job(struct job *j, const struct kind *kind, jv *o)
{
    jv *recipients = jv_get(o, "recipients"), *events = jv_get(o, "events");

    j->id = (uint64_t)number(o, "id", 1);
    j->handler = (uint32_t)number(o, "handler", 1);
    copy(j->target_owner, sizeof j->target_owner, text(o, "targetOwner", "alice"));
    copy(j->target, sizeof j->target, text(o, "target", "ops"));
    copy(j->uuid, sizeof j->uuid, text(o, "uuid", "11111111-2222-4333-8444-555555555555"));
    j->created_ms = number(o, "created", 1795000000000);
    if (kind)
        read_values(&j->overrides, kind, jv_get(o, "overrides"));
    j->nrecipients = recipients ? jv_len(recipients) : 0;
    j->recipients = calloc(j->nrecipients + 1, sizeof *j->recipients);
    for (size_t i = 0; i < j->nrecipients; i++)
        j->recipients[i] = strdup((const char *)jv_string(jv_at(recipients, i)).data);
    j->nevents = jv_len(events);
    j->events = calloc(j->nevents + 1, sizeof *j->events);
    for (size_t i = 0; i < j->nevents; i++)
        read_event(&j->events[i], jv_at(events, i));
}

/* ---- to the dispatcher ---- */

static void send_frame(struct host *h, uint16_t type, struct buf *b)
{
    if (b->err || chan_send(h->core, type, b->data, b->len))
        die("send", "frame does not fit");
}

static void on_handler(struct host *h, jv *o)
{
    struct dispatch_handler d = {0};
    struct buf b;

    d.id = (uint32_t)number(o, "id", 1);
    d.kind = kind_named(text(o, "kind", ""));
    copy(d.owner, sizeof d.owner, text(o, "owner", "admin"));
    copy(d.name, sizeof d.name, text(o, "name", "handler"));
    read_values(&d.values, d.kind, jv_get(o, "values"));
    read_children(&d, jv_get(o, "elements"));
    if (d.id >= HANDLERS_MAX)
        die("handler", "id too large");
    h->kind_of[d.id] = d.kind;
    buf_init(&b, 1 << 20);
    dispatch_handler_write(&d, &b);
    send_frame(h, jv_get(o, "changed") ? DISPATCH_HANDLER_CHANGED : DISPATCH_HANDLER, &b);
    buf_release(&b);
    dispatch_handler_release(&d);
}

static void send_job(struct host *h, uint16_t type, jv *o)
{
    int64_t handler = number(o, "handler", 1);
    struct job j = {0};
    struct buf b;

    read_job(&j, handler < HANDLERS_MAX ? h->kind_of[handler] : NULL, o);
    buf_init(&b, FRAME_PAYLOAD_MAX);
    job_write(&j, &b);
    send_frame(h, type, &b);
    buf_release(&b);
    job_release(&j);
}

static void on_job(struct host *h, jv *o)
{
    send_job(h, DISPATCH_JOB, o);
}

static void on_validate(struct host *h, jv *o)
{
    send_job(h, DISPATCH_CHECK, o);
}

static void on_engine(struct host *h, jv *o)
{
    struct dispatch_engine x = {
        .clock = {.boots = (uint32_t)number(o, "boots", 1),
                  .started_mono_ms = clock_mono_ms() - 1000 * number(o, "age", 0)}};
    struct buf b;

    if (engine_id_parse(&x.id, text(o, "id", "0x80001f880461626364")))
        die("engine", "no id");
    buf_init(&b, 256);
    dispatch_engine_write(&x, &b);
    send_frame(h, DISPATCH_ENGINE, &b);
    buf_release(&b);
}

static void on_gone(struct host *h, jv *o)
{
    struct buf b;

    buf_init(&b, 16);
    buf_u32(&b, (uint32_t)jv_int(o));
    send_frame(h, DISPATCH_HANDLER_GONE, &b);
    buf_release(&b);
}

static void on_cancel(struct host *h, jv *o)
{
    struct buf b;

    buf_init(&b, 16);
    buf_u64(&b, (uint64_t)jv_int(o));
    send_frame(h, DISPATCH_CANCEL, &b);
    buf_release(&b);
}

/* ---- answers ---- */

static jv *new_text(const char *s)
{
    return jv_new_string(s, strlen(s));
}

static void print(jv *v)
{
    struct buf b;

    buf_init(&b, 1 << 20);
    jv_dump(v, &b);
    printf("%s\n", buf_cstr(&b));
    fflush(stdout);
    buf_release(&b);
    jv_free(v);
}

static void on_check(struct host *h, jv *o)
{
    const struct kind *k = kind_named(text(o, "kind", ""));
    struct values v = {0};
    struct err e = {0};
    jv *answer = jv_new_object();

    (void)h;
    read_values(&v, k, jv_get(o, "values"));
    if (k->check)
        k->check(&v, &e);
    jv_set(answer, "check", new_text(e.text));
    print(answer);
    values_release(&v);
}

static void print_outcome(const struct outcome *o)
{
    jv *v = jv_new_object(), *list = jv_new_array();

    jv_set(v, "job", jv_new_int((int64_t)o->job));
    jv_set(v, "result", jv_new_int(o->result));
    jv_set(v, "confirmation", jv_new_int(o->confirmation));
    jv_set(v, "response", jv_new_string(o->response, strlen(o->response)));
    jv_set(v, "inDoubt", jv_new_bool(o->in_doubt));
    jv_set(v, "pause", jv_new_int(o->pause_ms));
    jv_set(v, "error", new_text(o->error));
    for (size_t i = 0; i < o->nrecipients; i++) {
        jv *r = jv_new_object();

        jv_set(r, "address", new_text(o->recipients[i].address));
        jv_set(r, "state", jv_new_int(o->recipients[i].state));
        jv_set(r, "reply", new_text(o->recipients[i].reply));
        jv_append(list, r);
    }
    jv_set(v, "recipients", list);
    print(v);
}

static void print_checked(const struct checked *c)
{
    jv *v = jv_new_object();

    jv_set(v, "job", jv_new_int((int64_t)c->job));
    jv_set(v, "good", jv_new_bool(c->good));
    jv_set(v, "message", new_text(c->message));
    print(v);
}

static int on_core_frame(void *arg, uint16_t type, const uint8_t *payload, size_t len,
                         const int *fds, int nfds)
{
    struct checked c;
    struct outcome o;
    struct err e;
    struct rd r;

    (void)arg;
    (void)fds;
    (void)nfds;
    rd_init(&r, payload, len);
    if (type == DISPATCH_CHECKED && !checked_read(&c, &r, &e)) {
        print_checked(&c);
        return 0;
    }
    if (type != DISPATCH_OUTCOME || outcome_read(&o, &r, &e))
        die("outcome", "cannot be read");
    print_outcome(&o);
    outcome_release(&o);
    return 0;
}

static int on_stage_frame(void *arg, uint16_t type, const uint8_t *payload, size_t len,
                          const int *fds, int nfds)
{
    struct host *h = arg;

    (void)fds;
    (void)nfds;
    return dispatcher_frame(h->dispatcher, type, payload, len);
}

static void on_close(void *arg, int code)
{
    (void)arg;
    die("channel", err_name(code));
}

/* ---- lines ---- */

static const struct {
    const char *name;
    void (*on)(struct host *, jv *);
} commands[] = {
    {"handler", on_handler}, {"job", on_job},     {"gone", on_gone},
    {"cancel", on_cancel},   {"check", on_check}, {"validate", on_validate},
    {"engine", on_engine},
};

static void on_line(struct host *h, const uint8_t *p, size_t n)
{
    struct err e;
    jv *root = jv_parse(p, n, &e);

    if (!root)
        die("input", e.text);
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++) {
        jv *v = jv_get(root, commands[i].name);

        if (v)
            commands[i].on(h, v);
    }
    jv_free(root);
}

static void take_lines(struct host *h)
{
    size_t done = 0;

    for (size_t i = 0; i < h->line.len; i++)
        if (h->line.data[i] == '\n') {
            on_line(h, h->line.data + done, i - done);
            done = i + 1;
        }
    memmove(h->line.data, h->line.data + done, h->line.len - done);
    h->line.len -= done;
}

static void on_input(void *arg, short revents)
{
    struct host *h = arg;
    uint8_t chunk[65536];
    ssize_t n = read(STDIN_FILENO, chunk, sizeof chunk);

    (void)revents;
    if (n < 0 && errno == EAGAIN)
        return;
    if (n <= 0) {
        loop_stop(h->loop, 0);
        return;
    }
    buf_bytes(&h->line, chunk, (size_t)n);
    take_lines(h);
}

int main(void)
{
    struct host h = {0};
    int pair[2];
    struct err e;

    log_open("dispatchhost", LOG_LEVEL_DEBUG);
    h.loop = loop_new();
    buf_init(&h.line, LINE_MAX_OCTETS);
    if (!h.loop || socketpair(AF_UNIX, SOCK_STREAM, 0, pair))
        die("start", strerror(errno));
    if (dispatcher_new(&h.dispatcher, h.loop, kinds, NKINDS, NULL, &e))
        die("start", e.text);
    h.core = chan_new(h.loop, pair[0],
                      &(struct chan_options){.on_frame = on_core_frame, .on_close = on_close});
    h.stage = chan_new(
        h.loop, pair[1],
        &(struct chan_options){.on_frame = on_stage_frame, .on_close = on_close, .arg = &h});
    dispatcher_set_core(h.dispatcher, h.stage);
    fcntl(STDIN_FILENO, F_SETFL, O_NONBLOCK);
    h.input = loop_fd_add(h.loop, STDIN_FILENO, POLLIN, on_input, &h);
    if (!h.core || !h.stage || !h.input)
        die("start", "out of memory");
    on_engine(&h, NULL);
    loop_run(h.loop);
    dispatcher_free(h.dispatcher);
    run_finish(h.loop);
    chan_free(h.core);
    chan_free(h.stage);
    loop_fd_del(h.input);
    loop_free(h.loop);
    buf_release(&h.line);
    return 0;
}
