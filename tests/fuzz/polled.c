#include "tests/fuzz/polled.h"

#include <string.h>
#include <sys/socket.h>

#include "base/json.h"
#include "base/log.h"
#include "base/text.h"
#include "config/config.h"
#include "daemon/kinds.h"
#include "mibs/schema.h"
#include "tests/fuzz/fuzz.h"

struct polled {
    struct loop *loop;
    struct poller *poller;
    struct chan *core, *stage;
    struct config *config;
    struct poll_status status;
    uint32_t samples;
    bool running;
};

static void take_sample(struct polled *p, struct rd *r)
{
    struct poll_sample s;
    struct err e;
    jv *document;

    REQUIRE(poll_sample_read(&s, r) == 0);
    document = jv_parse(s.json.data, s.json.len, &e);
    REQUIRE(document);
    jv_free(document);
    p->samples++;
}

static void take_status(struct polled *p, struct rd *r)
{
    REQUIRE(p->running && poll_status_read(&p->status, r) == 0);
    REQUIRE(p->status.topics == p->samples);
    REQUIRE((p->status.status == STATUS_UP) == (p->status.error[0] == '\0'));
    REQUIRE(p->status.status == STATUS_UP || p->samples == 0);
    p->running = false;
}

static int on_core_frame(void *arg, uint16_t type, const uint8_t *payload, size_t len,
                         const int *fds, int nfds)
{
    struct poll_gone gone;
    struct rd r;

    (void)fds;
    REQUIRE(nfds == 0);
    rd_init(&r, payload, len);
    if (type == POLL_SAMPLE)
        take_sample(arg, &r);
    else if (type == POLL_STATUS)
        take_status(arg, &r);
    else
        REQUIRE(type == POLL_TOPIC_GONE && poll_gone_read(&gone, &r) == 0);
    return 0;
}

static int on_stage_frame(void *arg, uint16_t type, const uint8_t *payload, size_t len,
                          const int *fds, int nfds)
{
    struct polled *p = arg;

    (void)fds, (void)nfds;
    return poller_frame(p->poller, type, payload, len);
}

static void on_close(void *arg, int code)
{
    (void)arg, (void)code;
    REQUIRE(!"the channel is closed");
}

struct polled *polled_new(const char *sources)
{
    struct polled *p = calloc(1, sizeof *p);
    struct chan_options core = {.on_frame = on_core_frame, .on_close = on_close, .arg = p};
    struct chan_options stage = {.on_frame = on_stage_frame, .on_close = on_close, .arg = p};
    char text[4096];
    struct err e = {0};
    int ends[2];

    REQUIRE(p);
    log_open("fuzz", LOG_LEVEL_ERROR);
    snprintf(text, sizeof text,
             "<snmpalertd xmlns='urn:snmpalertd:config'><store path='/s'/><sources>%s</sources>"
             "</snmpalertd>",
             sources);
    REQUIRE(config_parse(&p->config, "fuzz", text, strlen(text), &daemon_kinds, &e) == 0);
    p->loop = loop_new();
    REQUIRE(p->loop && poller_new(&p->poller, p->loop, &daemon_kinds, &e) == 0);
    REQUIRE(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
    p->core = chan_new(p->loop, ends[0], &core);
    p->stage = chan_new(p->loop, ends[1], &stage);
    REQUIRE(p->core && p->stage);
    poller_set_core(p->poller, p->stage);
    return p;
}

/* Straight to the poller: the channel has a target of its own. */
static void give(struct polled *p, uint16_t type, struct buf *b)
{
    REQUIRE(b->err == 0 && poller_frame(p->poller, type, b->data, b->len) == 0);
    buf_clear(b);
}

void polled_begin(struct polled *p, size_t n)
{
    const struct config_source *from = &p->config->sources[n];
    struct poll_source s = {
        .id = 1, .kind = from->kind, .interval_ms = from->interval_ms, .values = from->values};
    struct buf b;

    REQUIRE(n < p->config->nsources);
    p->samples = 0;
    p->running = true;
    buf_init(&b, FRAME_PAYLOAD_MAX);
    snprintf(s.name, sizeof s.name, "%s", from->name);
    s.nchildren = from->nchildren;
    s.children = calloc(s.nchildren + 1, sizeof *s.children);
    REQUIRE(s.children);
    for (size_t i = 0; i < s.nchildren; i++) {
        s.children[i].element = from->children[i].element;
        s.children[i].values = from->children[i].values;
    }
    buf_u32(&b, s.id);
    give(p, POLL_SOURCE_GONE, &b);
    poll_source_write(&s, &b);
    give(p, POLL_SOURCE, &b);
    buf_u32(&b, s.id);
    give(p, POLL_NOW, &b);
    free(s.children);
    buf_release(&b);
}

bool polled_turn(struct polled *p, int max_wait_ms)
{
    if (p->running)
        REQUIRE(loop_turn(p->loop, max_wait_ms) >= 0);
    return !p->running;
}

const struct poll_status *polled_status(const struct polled *p)
{
    return &p->status;
}
