/* Invariants: feeds are sorted by id. A feed's timer is set exactly while no poll of it runs and
 * the core is there. Feeds are never dropped while a kind's code is on the stack above: `busy`
 * counts that, and the last one out drops them. */
#include "poll/poll.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "base/array.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/text.h"
#include "mibs/schema.h"
#include "poll/feed.h"
#include "poll/names.h"
#include "poll/schedule.h"
#include "snmp/session.h"

enum {
    /* A core that is this far behind gets nothing new: polls are left out. */
    CORE_BEHIND_MAX = 32 << 20,
    FRAME_MAX = POLL_JSON_MAX + 4096,
};

static const struct feed_kind *const feed_kinds[] = {&feed_kind_snmp, &feed_kind_http};

struct feed {
    struct poller *poller;
    struct poll_source source;
    const struct feed_kind *kind;
    void *state; /* NULL: to be opened */
    struct schedule schedule;
    struct loop_timer *timer;
    bool running;
    bool again; /* asked for while running */
    int64_t began_mono_ms, began_wall_ms;
    unsigned failures;
    uint8_t status;
    uint32_t sent; /* samples of this poll */
    int send_err;
    struct names before, now; /* topics of the last good poll, and of this one */
};

struct poller {
    struct feed_env env;
    const struct kinds *kinds;
    struct chan *core;
    struct feed **feeds;
    size_t n, cap;
    unsigned busy;
    bool drop; /* when no longer busy */
    struct buf frame;
};

static void begin(void *arg);

/* ---- frames to the core
 * --------------------------------------------------------------------------*/

static int send_frame(struct poller *p, uint16_t type)
{
    if (p->frame.err)
        return p->frame.err;
    return p->core ? chan_send(p->core, type, p->frame.data, p->frame.len) : ERR_CLOSED;
}

static void send_status(struct feed *f, uint8_t status, const struct err *e)
{
    struct poll_status s = {
        .source = f->source.id, .status = status, .wall_ms = f->began_wall_ms, .topics = f->sent};
    int64_t latency = clock_mono_ms() - f->began_mono_ms;
    s.latency_ms = latency > 0 ? (uint32_t)latency : 0;
    if (e)
        utf8_clean(s.error, sizeof s.error, e->text, strlen(e->text), false);
    buf_clear(&f->poller->frame);
    poll_status_write(&s, &f->poller->frame);
    int err = send_frame(f->poller, POLL_STATUS);
    if (err)
        log_warning(f->source.name, "status not sent to the core: %s", err_name(err));
}

static int send_gone(void *arg, const char *topic)
{
    struct feed *f = arg;
    struct poll_gone g = {.source = f->source.id};
    snprintf(g.topic, sizeof g.topic, "%s", topic);
    buf_clear(&f->poller->frame);
    poll_gone_write(&g, &f->poller->frame);
    return send_frame(f->poller, POLL_TOPIC_GONE);
}

/* ---- what kinds call
 * -------------------------------------------------------------------------------*/

const struct feed_env *feed_env(const struct feed *f)
{
    return &f->poller->env;
}

const struct poll_source *feed_source(const struct feed *f)
{
    return &f->source;
}

unsigned feed_failures(const struct feed *f)
{
    return f->failures;
}

void feed_sample(struct feed *f, const char *suffix, struct slice json)
{
    struct poll_sample s = {.source = f->source.id,
                            .wall_ms = clock_wall_ms(),
                            .mono_ms = clock_mono_ms(),
                            .json = json};
    int len = snprintf(s.topic, sizeof s.topic, "%s%s%s", f->source.name, suffix ? "." : "",
                       suffix ? suffix : "");
    if (f->send_err || len < 0 || (size_t)len >= sizeof s.topic)
        return;
    buf_clear(&f->poller->frame);
    poll_sample_write(&s, &f->poller->frame);
    f->poller->busy++; /* the channel may close while sending; feed_done, which follows, drops */
    f->send_err = send_frame(f->poller, POLL_SAMPLE);
    f->poller->busy--;
    if (!f->send_err)
        f->send_err = names_add(&f->now, s.topic);
    if (!f->send_err)
        f->sent++;
}

static uint8_t status_of(int code)
{
    if (!code)
        return STATUS_UP;
    return code == ERR_SYNTAX || code == ERR_PROTOCOL ? STATUS_MALFORMED : STATUS_FAILING;
}

static void log_change(const struct feed *f, uint8_t status, const struct err *e)
{
    char object[sizeof f->source.name + 8];
    if (status == f->status)
        return;
    snprintf(object, sizeof object, "source/%s", f->source.name);
    if (status == STATUS_UP)
        log_info(object, "polled, %u topics", f->sent);
    else
        log_warning(object, "%s: %s", status == STATUS_MALFORMED ? "malformed" : "failing",
                    e->text);
}

static void close_state(struct feed *f)
{
    if (f->state)
        f->kind->close(f->state);
    f->state = NULL;
}

/* The topics of this poll take the place of the last good one's, and what is missing is told. If
 * the core cannot be told now, the next poll will find the same missing. */
static int settle_names(struct feed *f)
{
    int err = f->send_err;
    if (!err)
        err = names_missing(&f->before, &f->now, send_gone, f);
    if (err)
        return err;
    struct names old = f->before;
    f->before = f->now;
    f->now = old;
    return 0;
}

static void set_timer(struct feed *f)
{
    int64_t now = clock_mono_ms();
    if (f->again)
        schedule_restart(&f->schedule, now);
    loop_timer_set_at(f->timer,
                      f->again ? now : schedule_next(&f->schedule, f->began_mono_ms, now));
    f->again = false;
}

static void drop_feeds(struct poller *p);

void feed_done(struct feed *f, const struct err *e)
{
    struct err unsent;
    struct poller *p = f->poller;
    p->busy++;
    if (!e) {
        int err = settle_names(f);
        if (err) {
            err_set(&unsent, err, "the core did not take the samples: %s", err_name(err));
            e = &unsent;
        }
    }
    uint8_t status = status_of(e ? e->code : 0);
    send_status(f, status, e);
    log_change(f, status, e);
    f->status = status;
    f->running = false;
    f->failures = e ? f->failures + 1 : 0;
    if (e)
        close_state(f);
    set_timer(f);
    p->busy--;
    if (p->drop && !p->busy)
        drop_feeds(p);
}

/* ---- one poll
 * --------------------------------------------------------------------------------------*/

static void begin(void *arg)
{
    struct feed *f = arg;
    struct err e = {0};
    f->began_mono_ms = clock_mono_ms();
    f->began_wall_ms = clock_wall_ms();
    if (!f->poller->core || chan_queued(f->poller->core) > CORE_BEHIND_MAX) {
        set_timer(f);
        return;
    }
    f->running = true;
    f->sent = 0;
    f->send_err = 0;
    names_clear(&f->now);
    int err = f->state ? 0 : f->kind->open(f, &f->state, &e);
    if (err)
        feed_done(f, &e);
    else
        f->kind->poll(f->state);
}

/* ---- feeds
 * -----------------------------------------------------------------------------------------*/

/* The position of ID, or where it would have to be. */
static size_t position(const struct poller *p, uint32_t id)
{
    size_t low = 0, high = p->n;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        if (p->feeds[mid]->source.id < id)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

static struct feed *find(const struct poller *p, uint32_t id)
{
    size_t i = position(p, id);
    return i < p->n && p->feeds[i]->source.id == id ? p->feeds[i] : NULL;
}

static void feed_free(struct feed *f)
{
    if (!f)
        return;
    close_state(f);
    loop_timer_del(f->timer);
    names_release(&f->before);
    names_release(&f->now);
    poll_source_release(&f->source);
    free(f);
}

static void drop_feeds(struct poller *p)
{
    for (size_t i = 0; i < p->n; i++)
        feed_free(p->feeds[i]);
    p->n = 0;
    p->drop = false;
}

static const struct feed_kind *feed_kind_find(const struct kind *k)
{
    for (size_t i = 0; i < sizeof feed_kinds / sizeof *feed_kinds; i++)
        if (feed_kinds[i]->kind == k)
            return feed_kinds[i];
    return NULL;
}

static int insert(struct poller *p, struct feed *f)
{
    size_t at = position(p, f->source.id);
    if (p->n == POLL_SOURCES_MAX)
        return ERR_FULL;
    struct feed **feeds = array_room(p->feeds, &p->cap, p->n + 1, sizeof(struct feed *));
    if (!feeds)
        return ERR_NOMEM;
    p->feeds = feeds;
    memmove(p->feeds + at + 1, p->feeds + at, (p->n - at) * sizeof(struct feed *));
    p->feeds[at] = f;
    p->n++;
    return 0;
}

static int feed_new(struct feed **ret, struct poller *p, uint32_t id)
{
    struct feed *f = calloc(1, sizeof *f);
    if (!f)
        return ERR_NOMEM;
    f->poller = p;
    f->source.id = id;
    names_init(&f->before);
    names_init(&f->now);
    f->timer = loop_timer_new(p->env.loop, begin, f);
    int err = f->timer ? insert(p, f) : ERR_NOMEM;
    if (err)
        feed_free(f);
    else
        *ret = f;
    return err;
}

/* Takes S over. What the old source had published stays known, so that its topics are told gone
 * once the new one has been polled. */
static void set_source(struct feed *f, struct poll_source *s, const struct feed_kind *kind)
{
    close_state(f);
    poll_source_release(&f->source);
    f->source = *s;
    *s = (struct poll_source){0};
    f->kind = kind;
    f->running = f->again = false;
    f->failures = 0;
    f->status = 0;
    uint64_t spread = hash64(f->source.name, strlen(f->source.name), f->source.id);
    loop_timer_set_at(f->timer,
                      schedule_init(&f->schedule, spread, f->source.interval_ms, clock_mono_ms()));
}

/* ---- frames from the core
 * ------------------------------------------------------------------------*/

static int on_source(struct poller *p, struct rd *r)
{
    struct poll_source s = {0};
    struct err e = {0};
    int err = poll_source_read(&s, p->kinds, r, &e);
    if (err) {
        log_error(NULL, "%s", e.text);
        return ERR_PROTOCOL;
    }
    const struct feed_kind *kind = feed_kind_find(s.kind);
    struct feed *f = find(p, s.id);
    if (!kind)
        err = ERR_UNSUPPORTED;
    else if (!f)
        err = feed_new(&f, p, s.id);
    if (!err)
        set_source(f, &s, kind);
    else
        log_error(s.name, "source not taken: %s", err_name(err));
    poll_source_release(&s);
    return err;
}

static int on_gone(struct poller *p, struct rd *r)
{
    uint32_t id = rd_u32(r);
    if (rd_end(r))
        return ERR_PROTOCOL;
    struct feed *f = find(p, id);
    if (!f)
        return 0;
    size_t at = position(p, id);
    memmove(p->feeds + at, p->feeds + at + 1, (p->n - at - 1) * sizeof(struct feed *));
    p->n--;
    feed_free(f);
    return 0;
}

static int on_now(struct poller *p, struct rd *r)
{
    uint32_t id = rd_u32(r);
    if (rd_end(r))
        return ERR_PROTOCOL;
    struct feed *f = find(p, id);
    if (!f)
        return 0; /* gone meanwhile */
    if (f->running) {
        f->again = true;
    } else {
        schedule_restart(&f->schedule, clock_mono_ms());
        loop_timer_set(f->timer, 0);
    }
    return 0;
}

int poller_frame(struct poller *p, uint16_t type, const uint8_t *payload, size_t len)
{
    struct rd r;
    rd_init(&r, payload, len);
    switch (type) {
    case POLL_SOURCE:
        return on_source(p, &r);
    case POLL_SOURCE_GONE:
        return on_gone(p, &r);
    case POLL_NOW:
        return on_now(p, &r);
    default:
        return ERR_PROTOCOL;
    }
}

/* ---- life
 * ------------------------------------------------------------------------------------------*/

/* One socket for each host that is being polled. */
static void raise_descriptor_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) || limit.rlim_cur == limit.rlim_max)
        return;
    limit.rlim_cur = limit.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &limit))
        log_warning(NULL, "the limit of open files stays at its default");
}

static int open_env(struct feed_env *env, struct loop *l, struct err *e)
{
    int err = snmp_start("snmpalertd", e);
    if (err)
        return err;
    env->loop = l;
    env->sessions = session_set_new(l);
    env->resolver = resolver_new(l);
    if (!env->sessions || !env->resolver)
        return err_set(e, ERR_NOMEM, "out of memory");
    return http_client_new(&env->client, l, e);
}

int poller_new(struct poller **ret, struct loop *l, const struct kinds *kinds, struct err *e)
{
    struct poller *p = calloc(1, sizeof *p);
    if (!p)
        return err_set(e, ERR_NOMEM, "out of memory");
    p->kinds = kinds;
    buf_init(&p->frame, FRAME_MAX);
    raise_descriptor_limit();
    int err = open_env(&p->env, l, e);
    if (err)
        poller_free(p);
    else
        *ret = p;
    return err;
}

void poller_free(struct poller *p)
{
    if (!p)
        return;
    drop_feeds(p);
    free(p->feeds);
    http_client_free(p->env.client);
    resolver_free(p->env.resolver);
    session_set_free(p->env.sessions);
    buf_release(&p->frame);
    free(p);
}

void poller_set_core(struct poller *p, struct chan *core)
{
    p->core = core;
    if (p->busy)
        p->drop = true;
    else
        drop_feeds(p);
}
