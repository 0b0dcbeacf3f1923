/* The smaller stages: poller, dispatcher, runner and agent, each a body from its folder and a link
 * to the core. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/stage.h"
#include "alerts/computed.h"
#include "base/log.h"
#include "daemon/kinds.h"
#include "daemon/repair.h"
#include "daemon/stage.h"
#include "dispatch/dispatch.h"
#include "dispatch/run.h"
#include "eval/compiler.h"
#include "poll/poll.h"
#include "store/store.h"

/* ---- the link to the core ---- */

struct side { /* one stage and its core */
    struct stage_context *stage;
    struct chan *core;
    int (*frame)(void *body, uint16_t type, const uint8_t *payload, size_t len);
    void (*set_core)(void *body, struct chan *core);
    void *body;
};

static int side_frame(void *arg, uint16_t type, const uint8_t *payload, size_t len, const int *fds,
                      int nfds)
{
    struct side *s = arg;

    for (int i = 0; i < nfds; i++)
        close(fds[i]);
    return s->frame(s->body, type, payload, len);
}

static void side_close(void *arg, int code)
{
    struct side *s = arg;

    if (code != ERR_CLOSED)
        log_error("core", "the link is closed: %s", err_name(code));
    s->set_core(s->body, NULL);
    chan_free(s->core);
    s->core = NULL;
}

static void side_link(void *arg, const struct stage_link *l, int fd, int pidfd)
{
    struct side *s = arg;
    struct chan_options o = {.on_frame = side_frame, .on_close = side_close, .arg = s};

    if (pidfd >= 0)
        close(pidfd);
    if (l->peer != STAGE_CORE) {
        close(fd);
        return;
    }
    if (s->core)
        side_close(s, ERR_CLOSED);
    s->core = chan_new(s->stage->loop, fd, &o);
    if (s->core)
        s->set_core(s->body, s->core);
    else
        close(fd);
}

static int side_run(struct side *s)
{
    int err;

    s->stage->arg = s;
    s->stage->on_link = side_link;
    stage_ready(s->stage);
    err = loop_run(s->stage->loop);
    if (s->core)
        side_close(s, ERR_CLOSED);
    return err < 0;
}

/* ---- poller ---- */

static int poller_side_frame(void *body, uint16_t type, const uint8_t *payload, size_t len)
{
    return poller_frame(body, type, payload, len);
}

static void poller_side_core(void *body, struct chan *core)
{
    poller_set_core(body, core);
}

int poller_main(struct stage_context *c)
{
    struct side s = {.stage = c, .frame = poller_side_frame, .set_core = poller_side_core};
    struct poller *p = NULL;
    struct err e;
    int status = 1;

    if (poller_new(&p, c->loop, &daemon_kinds, &e)) {
        log_error(NULL, "%s", e.text);
        return 1;
    }
    s.body = p;
    status = side_run(&s);
    poller_free(p);
    return status;
}

/* ---- dispatcher and runner ---- */

static int dispatcher_side_frame(void *body, uint16_t type, const uint8_t *payload, size_t len)
{
    return dispatcher_frame(body, type, payload, len);
}

static void dispatcher_side_core(void *body, struct chan *core)
{
    dispatcher_set_core(body, core);
}

static int dispatch(struct stage_context *c, const struct dispatch_kind *const *kinds, size_t n)
{
    struct side s = {.stage = c, .frame = dispatcher_side_frame, .set_core = dispatcher_side_core};
    struct dispatcher *d = NULL;
    struct err e;
    int status;

    if (dispatcher_new(&d, c->loop, kinds, n, NULL, &e)) {
        log_error(NULL, "%s", e.text);
        return 1;
    }
    s.body = d;
    status = side_run(&s);
    dispatcher_free(d);
    return status;
}

int dispatcher_main(struct stage_context *c)
{
    return dispatch(c, daemon_dispatch_kinds, daemon_ndispatch_kinds);
}

int runner_main(struct stage_context *c)
{
    int status = dispatch(c, daemon_runner_kinds, daemon_nrunner_kinds);

    run_finish(c->loop);
    return status;
}

/* ---- agent ---- */

enum { UNCONFINED_DEADLINE_MS = 10 * 1000 /* valgrind */ };

struct agent_side {
    struct stage_context *stage;
    struct chan *core;
    struct store *store;
    struct agent *agent;
    char *store_path, *address;
    struct compiler compiler;
    bool standard_off[STD_MODULES];
};

static int compile(void *arg, const void *text, size_t len, struct err *e)
{
    struct agent_side *s = arg;
    int deadline_ms = s->stage->options->unconfined ? UNCONFINED_DEADLINE_MS : COMPILER_DEADLINE_MS;

    return compiler_check(&s->compiler, text, len, deadline_ms, e);
}

static void tell_core(void *arg)
{
    struct agent_side *s = arg;

    if (s->core)
        chan_send(s->core, CORE_AGENT_SET, NULL, 0);
}

static void tell_master(void *arg, bool there)
{
    struct agent_side *s = arg;
    uint8_t payload = there;

    if (s->core)
        chan_send(s->core, CORE_AGENT_MASTER, &payload, sizeof payload);
}

static int open_agent(struct agent_side *s, uint64_t map_bytes, struct err *e)
{
    struct store_options store = {.path = s->store_path, .map_bytes = map_bytes};
    struct agent_options o = {.loop = s->stage->loop,
                              .address = s->address,
                              .kinds = &daemon_kinds,
                              .compile = compile,
                              .on_set = tell_core,
                              .on_master = tell_master,
                              .deliverers = daemon_agent_kinds,
                              .ndeliverers = daemon_nagent_kinds,
                              .arg = s};
    int err = store_open(&s->store, &store, e);

    memcpy(o.standard_off, s->standard_off, sizeof o.standard_off);
    if (!err)
        repair_watch(s->store);
    if (!err)
        err = computed_register(s->store, &daemon_kinds);
    o.store = s->store;
    if (!err)
        err = agent_new(&s->agent, &o, e);
    if (!err)
        agent_set_core(s->agent, s->core);
    return err;
}

static int agent_config(struct agent_side *s, const uint8_t *payload, size_t len)
{
    char *path, *address;
    struct err e = {.text = ""};
    bool off[STD_MODULES];
    uint64_t map;
    struct rd r;
    int err = 0;

    rd_init(&r, payload, len);
    path = rd_strdup(&r, 4096);
    map = rd_u64(&r);
    address = rd_strdup(&r, 4096);
    off[STD_ALARM_MIB] = off[STD_ITU_ALARM_MIB] = !rd_u8(&r);
    off[STD_NOTIFICATION_LOG_MIB] = !rd_u8(&r);
    if (rd_end(&r)) {
        free(path);
        free(address);
        return ERR_PROTOCOL;
    }
    if (s->agent && !strcmp(path, s->store_path) && !strcmp(address, s->address) &&
        !memcmp(off, s->standard_off, sizeof off)) {
        free(path); /* the core was restarted; we serve on */
        free(address);
        return 0;
    }
    if (s->agent) { /* another store or master: start anew, net-snmp does not do it twice */
        free(path);
        free(address);
        loop_stop(s->stage->loop, -1);
        return 0;
    }
    s->store_path = path;
    s->address = address;
    memcpy(s->standard_off, off, sizeof off);
    err = open_agent(s, map, &e);
    if (err) {
        log_error(NULL, "cannot serve: %s", e.text[0] ? e.text : err_name(err));
        loop_stop(s->stage->loop, err);
    } else {
        stage_ready(s->stage);
    }
    return 0;
}

static int agent_core_frame(void *arg, uint16_t type, const uint8_t *payload, size_t len,
                            const int *fds, int nfds)
{
    struct agent_side *s = arg;

    for (int i = 0; i < nfds; i++)
        close(fds[i]);
    if (type == CORE_AGENT_CONFIG)
        return agent_config(s, payload, len);
    return s->agent ? agent_frame(s->agent, type, payload, len) : ERR_PROTOCOL;
}

static void drop_core(struct agent_side *s)
{
    if (s->agent)
        agent_set_core(s->agent, NULL);
    chan_free(s->core);
    s->core = NULL;
}

static void agent_close(void *arg, int code)
{
    (void)code;
    drop_core(arg);
}

static void take_core(struct agent_side *s, int fd)
{
    struct chan_options o = {.on_frame = agent_core_frame, .on_close = agent_close, .arg = s};

    drop_core(s);
    s->core = chan_new(s->stage->loop, fd, &o);
    if (!s->core) {
        close(fd);
        return;
    }
    if (s->agent) {
        agent_set_core(s->agent, s->core);
        tell_master(s, agent_has_master(s->agent));
    }
}

static void agent_link(void *arg, const struct stage_link *l, int fd, int pidfd)
{
    struct agent_side *s = arg;

    if (l->peer == STAGE_COMPILER) {
        compiler_take(&s->compiler, fd, pidfd);
        return;
    }
    if (pidfd >= 0)
        close(pidfd);
    if (l->peer == STAGE_CORE)
        take_core(s, fd);
    else
        close(fd);
}

int agent_main(struct stage_context *c)
{
    struct agent_side s = {.stage = c};
    int err;

    compiler_init(&s.compiler);
    c->arg = &s;
    c->on_link = agent_link;
    err = loop_run(c->loop);
    drop_core(&s);
    agent_free(s.agent);
    store_close(s.store);
    compiler_drop(&s.compiler);
    free(s.store_path);
    free(s.address);
    return err == ERR_CORRUPT ? EXIT_CORRUPT : err < 0;
}
