/* Both ends of the dispatcher's link are on one loop: what it is told and what it answers go the
 * same way as between core and dispatcher. */
#include "daemon/trial_command.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "agent/notify.h"
#include "agent/session.h"
#include "alerts/trial.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/log.h"
#include "base/text.h"
#include "config/config.h"
#include "daemon/kinds.h"
#include "dispatch/run.h"
#include "dispatch/trial.h"

enum {
    USAGE = 64,        /* EX_USAGE */
    MASTER_MS = 10000, /* for a master agent to answer */
    SLACK_MS = 5000,   /* a dispatcher that answers late says more than we could */
    HANDLER_ID = 1,
    JOB_ID = 1,
    SUGGESTIONS_MAX = 64,
};

struct tryout {
    const struct trial_command *command;
    struct config *config;
    const struct config_handler *handler;
    struct values options;
    struct loop *loop;
    struct chan *core, *stage; /* the two ends */
    struct dispatcher *dispatcher;
    struct agent_notifier *notifier; /* of what only the agent delivers */
    struct agent_session *session;
    struct loop_timer *deadline;
    bool sent, success;
    char message[256];
};

/* ---- the handler and the options ---- */

static bool is_called(const struct config_handler *h, const char *name)
{
    char full[80];

    snprintf(full, sizeof full, "%s/%s", h->owner, h->name);
    return !strcmp(name, full) || !strcmp(name, h->name);
}

static int find_handler(struct tryout *x)
{
    const char *name = x->command->handler;

    for (size_t i = 0; i < x->config->nhandlers; i++) {
        const struct config_handler *h = &x->config->handlers[i];

        if (!is_called(h, name))
            continue;
        if (x->handler) {
            fprintf(stderr, "snmpalertd: both %s and %s have a handler '%s': say whose, as %s/%s\n",
                    x->handler->owner, h->owner, name, h->owner, name);
            return USAGE;
        }
        x->handler = h;
    }
    if (x->handler)
        return 0;
    fprintf(stderr, "snmpalertd: %s has no handler '%s'\n", x->command->config_file, name);
    return USAGE;
}

static int no_such_option(const struct kind *k, const char *name)
{
    const char *names[SUGGESTIONS_MAX], *near;
    const struct property *p;
    size_t n = 0;

    while (n < SUGGESTIONS_MAX && (p = trial_option_at(k, n)))
        names[n++] = p->name;
    near = name_suggest(name, names, n);
    fprintf(stderr, "snmpalertd: a test of an %s handler has no option '%s'%s%s%s\n", k->name, name,
            near ? "; did you mean '" : "", near ? near : "", near ? "'?" : "");
    return USAGE;
}

static int read_option(struct tryout *x, const char *text)
{
    const struct kind *k = x->handler->kind;
    const char *equals = strchr(text, '=');
    const struct property *p;
    char name[64];
    struct err e;

    if (!equals) {
        fprintf(stderr, "snmpalertd: '%s': expected OPTION=VALUE\n", text);
        return USAGE;
    }
    snprintf(name, sizeof name, "%.*s", (int)(equals - text), text);
    p = trial_option(k, name);
    if (!p)
        return no_such_option(k, name);
    if (values_set(&x->options, p, equals + 1, &e)) {
        fprintf(stderr, "snmpalertd: %s: %s\n", name, e.text);
        return USAGE;
    }
    return 0;
}

static int read_command(struct tryout *x)
{
    struct err e = {.text = ""};
    int status;

    if (config_load(&x->config, x->command->config_file, &daemon_kinds, &e)) {
        fprintf(stderr, "snmpalertd: %s\n", e.text);
        return EXIT_CONFIG;
    }
    status = find_handler(x);
    for (int i = 0; i < x->command->noptions && !status; i++)
        status = read_option(x, x->command->options[i]);
    return status;
}

/* ---- what is asked ---- */

static void finish(struct tryout *x, bool success, const char *words)
{
    x->success = success;
    utf8_clean(x->message, sizeof x->message, words, strlen(words), false);
    loop_stop(x->loop, 0);
}

static void send_frame(struct tryout *x, uint16_t type, struct buf *b)
{
    if (b->err || chan_send(x->core, type, b->data, b->len))
        finish(x, false, "out of memory");
    buf_release(b);
}

static void send_handler(struct tryout *x)
{
    struct dispatch_handler h = {
        .id = HANDLER_ID, .kind = x->handler->kind, .values = x->handler->values};
    struct buf b;

    snprintf(h.owner, sizeof h.owner, "%s", x->handler->owner);
    snprintf(h.name, sizeof h.name, "%s", x->handler->name);
    buf_init(&b, FRAME_PAYLOAD_MAX);
    dispatch_handler_write(&h, &b);
    send_frame(x, DISPATCH_HANDLER, &b);
}

static void send_job(struct tryout *x)
{
    struct trial t = {.id = JOB_ID,
                      .kind = x->handler->kind,
                      .owner = x->handler->owner,
                      .name = x->handler->name,
                      .handler = HANDLER_ID,
                      .live = &x->handler->values,
                      .options = &x->options};
    struct job j;
    struct err e;
    struct buf b;

    if (trial_job(&j, &t, clock_wall_ms(), &e)) {
        finish(x, false, e.text);
        return;
    }
    buf_init(&b, FRAME_PAYLOAD_MAX);
    job_write(&j, &b);
    job_release(&j);
    send_frame(x, x->command->test ? DISPATCH_JOB : DISPATCH_CHECK, &b);
}

static void ask(struct tryout *x)
{
    if (x->sent)
        return;
    x->sent = true;
    loop_timer_set(x->deadline, CHECK_MS + SLACK_MS);
    send_handler(x);
    send_job(x);
}

/* ---- what is answered ---- */

static int on_core_frame(void *arg, uint16_t type, const uint8_t *payload, size_t len,
                         const int *fds, int nfds)
{
    struct tryout *x = arg;
    char words[256];
    struct checked c;
    struct outcome o;
    struct err e;
    struct rd r;
    bool good;

    (void)fds;
    rd_init(&r, payload, len);
    if (nfds)
        return ERR_PROTOCOL;
    if (type == DISPATCH_CHECKED && !checked_read(&c, &r, &e)) {
        finish(x, c.good, c.message);
        return 0;
    }
    if (type != DISPATCH_OUTCOME || outcome_read(&o, &r, &e))
        return ERR_PROTOCOL;
    good = trial_outcome(&o, words);
    finish(x, good, words);
    outcome_release(&o);
    return 0;
}

static int on_stage_frame(void *arg, uint16_t type, const uint8_t *payload, size_t len,
                          const int *fds, int nfds)
{
    struct tryout *x = arg;

    (void)fds;
    return nfds ? ERR_PROTOCOL : dispatcher_frame(x->dispatcher, type, payload, len);
}

static void on_close(void *arg, int code)
{
    (void)code;
    finish(arg, false, "the dispatcher broke the protocol");
}

static void on_deadline(void *arg)
{
    struct tryout *x = arg;
    char words[256];

    if (x->sent)
        snprintf(words, sizeof words, "no answer in %d s", (CHECK_MS + SLACK_MS) / 1000);
    else
        snprintf(words, sizeof words, "no master agent answers at %s", x->config->agentx_address);
    finish(x, false, words);
}

/* ---- who delivers ---- */

static void on_takes(void *arg, bool takes)
{
    if (takes)
        ask(arg);
}

static void on_connected(void *arg)
{
    struct tryout *x = arg;

    agent_notifier_connected(x->notifier);
}

static void on_lost(void *arg)
{
    struct tryout *x = arg;

    agent_notifier_lost(x->notifier);
}

static int open_agent(struct tryout *x, struct err *e)
{
    struct agent_session_options o = {.loop = x->loop,
                                      .address = x->config->agentx_address,
                                      .on_connected = on_connected,
                                      .on_lost = on_lost,
                                      .arg = x};
    int err = agent_notifier_new(&x->notifier, x->loop, on_takes, x, e);

    if (!err)
        err = dispatcher_new(&x->dispatcher, x->loop, daemon_agent_kinds, daemon_nagent_kinds,
                             x->notifier, e);
    if (!err)
        err = agent_session_new(&x->session, &o, e);
    if (err)
        return err;
    agent_notifier_session(x->notifier, x->session);
    dispatcher_set_core(x->dispatcher, x->stage);
    loop_timer_set(x->deadline, MASTER_MS);
    return agent_session_start(x->session, e);
}

static int open_dispatcher(struct tryout *x, const struct dispatch_kind *const *kinds, size_t n,
                           struct err *e)
{
    int err = dispatcher_new(&x->dispatcher, x->loop, kinds, n, NULL, e);

    if (err)
        return err;
    dispatcher_set_core(x->dispatcher, x->stage);
    ask(x);
    return 0;
}

static int open_link(struct tryout *x, struct err *e)
{
    struct chan_options core = {.on_frame = on_core_frame, .on_close = on_close, .arg = x};
    struct chan_options stage = {.on_frame = on_stage_frame, .on_close = on_close, .arg = x};
    int ends[2];

    x->loop = loop_new();
    if (!x->loop || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends))
        return err_errno(e, "cannot set up the test");
    x->core = chan_new(x->loop, ends[0], &core);
    x->stage = chan_new(x->loop, ends[1], &stage);
    if (!x->core)
        close(ends[0]);
    if (!x->stage)
        close(ends[1]);
    x->deadline = loop_timer_new(x->loop, on_deadline, x);
    return x->core && x->stage && x->deadline ? 0 : err_set(e, ERR_NOMEM, "out of memory");
}

/* The process that would deliver. */
static enum stage_id stage_of(const struct kind *k)
{
    return k->by_agent ? STAGE_AGENT : k->by_runner ? STAGE_RUNNER : STAGE_DISPATCHER;
}

static int open_stage(struct tryout *x, enum stage_id stage, struct err *e)
{
    switch (stage) {
    case STAGE_AGENT:
        return open_agent(x, e);
    case STAGE_RUNNER:
        return open_dispatcher(x, daemon_runner_kinds, daemon_nrunner_kinds, e);
    default:
        return open_dispatcher(x, daemon_dispatch_kinds, daemon_ndispatch_kinds, e);
    }
}

static int try_it(struct tryout *x, struct err *e)
{
    enum stage_id stage = stage_of(x->handler->kind);
    const char *obstacle = trial_obstacle(x->handler->kind);
    int err = obstacle ? err_set(e, ERR_UNSUPPORTED, "%s", obstacle)
                       : confine_become(x->command->confine, stage, e);

    if (!err)
        err = confine_stage(stage, x->command->unconfined, e);
    if (!err)
        err = open_link(x, e);
    if (!err)
        err = open_stage(x, stage, e);
    return err ? err : loop_run(x->loop);
}

static void clean_up(struct tryout *x)
{
    if (x->session)
        agent_session_hurry(x->session);
    dispatcher_free(x->dispatcher);
    if (x->loop)
        run_finish(x->loop); /* programs that run */
    agent_session_free(x->session);
    agent_notifier_free(x->notifier);
    loop_timer_del(x->deadline);
    chan_free(x->stage);
    chan_free(x->core);
    loop_free(x->loop);
    values_release(&x->options);
    config_free(x->config);
}

/* ---- the command ---- */

static void set_text(jv *o, const char *key, const char *text)
{
    jv_set(o, key, jv_new_string(text, strlen(text)));
}

static int print(const struct tryout *x)
{
    char name[80];
    struct buf b;
    jv *o = jv_new_object();
    int err;

    snprintf(name, sizeof name, "%s/%s", x->handler->owner, x->handler->name);
    set_text(o, "handler", name);
    jv_set(o, "success", jv_new_bool(x->success));
    set_text(o, "message", x->message);
    buf_init(&b, 4096);
    jv_dump(o, &b);
    err = b.err || printf("%s\n", buf_cstr(&b)) < 0 || fflush(stdout);
    buf_release(&b);
    jv_free(o);
    return err ? 1 : !x->success;
}

int trial_command(const struct trial_command *o)
{
    struct tryout x = {.command = o};
    struct err e = {.text = ""};
    int status = read_command(&x);

    if (!status) {
        if (try_it(&x, &e))
            utf8_clean(x.message, sizeof x.message, e.text, strlen(e.text), false);
        status = print(&x);
    }
    clean_up(&x);
    return status;
}
