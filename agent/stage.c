#include "agent/stage.h"

#include <stdlib.h>
#include <string.h>

#include "agent/notify.h"
#include "agent/session.h"
#include "agent/standard.h"
#include "agent/table.h"
#include "alerts/checks.h"
#include "base/log.h"

/* After the master refused our registration: long enough for it to notice that the subagent which
 * holds it (one of ours that was killed, most likely) is gone. */
enum { REGISTER_AGAIN_MS = 5000, STANDARD_AGAIN_MS = 15000 };

struct agent {
    struct agent_session *session;
    struct agent_table *table;
    struct agent_standard *standard;
    struct loop_timer *again, *standard_again, *follow;
    bool refused;          /* and not asked again since */
    bool standards_follow; /* the owners' contexts of our own are settled, for IDLE_MS */
    int idle_ms;
    struct checks checks;
    struct agent_notifier *notifier;
    struct dispatcher *dispatcher;
    void (*on_master)(void *arg, bool there);
    void *arg;
};

static void on_takes(void *arg, bool takes)
{
    struct agent *a = arg;

    if (a->on_master)
        a->on_master(a->arg, takes);
}

static void on_connected(void *arg)
{
    struct agent *a = arg;

    agent_notifier_connected(a->notifier);
}

static void on_lost(void *arg)
{
    struct agent *a = arg;

    agent_table_session_lost(a->table);
    agent_notifier_lost(a->notifier);
    agent_standard_session_lost(a->standard);
}

static void on_refused(void *arg, const char *context, const uint32_t *oid, size_t n)
{
    struct agent *a = arg;

    if (agent_standard_refused(a->standard, context, oid, n)) {
        loop_timer_set(a->standard_again, STANDARD_AGAIN_MS);
        return;
    }
    if (!a->refused)
        log_error("agentx",
                  "the master agent at %s refused our registration: does another subagent "
                  "serve the same OIDs?",
                  agent_session_address(a->session));
    a->refused = true;
    loop_timer_cancel(a->follow);
    loop_timer_set(a->again, REGISTER_AGAIN_MS);
}

/* Our own contexts first, then those of the standard modules: a look at what is settled costs as
 * much as there are owners, and is not taken between two steps. */
static void follow_owners(void *arg)
{
    struct agent *a = arg;

    if (!a->standards_follow) {
        a->idle_ms = agent_table_follow(a->table);
        a->standards_follow = a->idle_ms > 0;
    } else if (!agent_standard_follow(a->standard)) {
        a->standards_follow = false;
        loop_timer_set(a->follow, a->idle_ms);
        return;
    }
    loop_timer_set(a->follow, 0);
}

static void standard_again(void *arg)
{
    struct agent *a = arg;

    agent_standard_again(a->standard);
}

static void register_again(void *arg)
{
    struct agent *a = arg;

    a->refused = a->standards_follow = false;
    agent_table_register_anew(a->table);
    follow_owners(a);
}

static int prepare_deliveries(struct agent *a, const struct agent_options *o, struct err *e)
{
    int err = agent_notifier_new(&a->notifier, o->loop, on_takes, a, e);

    a->on_master = o->on_master;
    a->arg = o->arg;
    return err ? err
               : dispatcher_new(&a->dispatcher, o->loop, o->deliverers, o->ndeliverers, a->notifier,
                                e);
}

int agent_new(struct agent **ret, const struct agent_options *o, struct err *e)
{
    struct agent *a = calloc(1, sizeof(*a));
    struct agent_session_options session = {
        .loop = o->loop,
        .address = o->address,
        .on_connected = on_connected,
        .on_lost = on_lost,
        .on_refused = on_refused,
        .arg = a,
    };
    struct agent_table_options table = {.store = o->store, .on_set = o->on_set, .arg = o->arg};
    struct agent_standard_options standard = {
        .store = o->store, .on_set = o->on_set, .arg = o->arg};
    int err;

    if (!a || !(a->again = loop_timer_new(o->loop, register_again, a)) ||
        !(a->follow = loop_timer_new(o->loop, follow_owners, a)) ||
        !(a->standard_again = loop_timer_new(o->loop, standard_again, a))) {
        err = err_set(e, ERR_NOMEM, "cannot set up the agent");
        goto out;
    }
    memcpy(standard.off, o->standard_off, sizeof standard.off);
    a->checks = (struct checks){.kinds = o->kinds, .compile = o->compile, .arg = o->arg};
    if (o->kinds && (err = checks_register(o->store, &a->checks))) {
        err_set(e, err, "cannot register the checks of rows");
        goto out;
    }
    if ((err = agent_table_new(&a->table, &table, e)))
        goto out;
    if ((err = prepare_deliveries(a, o, e)))
        goto out;
    if ((err = agent_standard_new(&a->standard, &standard, e)))
        goto out;
    if ((err = agent_session_new(&a->session, &session, e)))
        goto out;
    agent_notifier_session(a->notifier, a->session);
    if ((err = agent_table_register(a->table, e)))
        goto out;
    if ((err = agent_standard_register(a->standard, e)))
        goto out;
    if ((err = agent_session_start(a->session, e)))
        goto out;
    loop_timer_set(a->follow, 0);
out:
    if (err)
        agent_free(a);
    else
        *ret = a;
    return err;
}

int agent_frame(struct agent *a, uint16_t type, const uint8_t *payload, size_t len)
{
    return dispatcher_frame(a->dispatcher, type, payload, len);
}

void agent_set_core(struct agent *a, struct chan *core)
{
    dispatcher_set_core(a->dispatcher, core);
}

bool agent_has_master(const struct agent *a)
{
    return agent_notifier_takes(a->notifier);
}

void agent_free(struct agent *a)
{
    if (!a)
        return;
    if (a->session)
        agent_session_hurry(a->session);
    if (a->refused)
        agent_table_forget(a->table);
    else if (a->table)
        agent_table_unregister(a->table);
    if (a->standard) {
        agent_standard_forget(a->standard);
        agent_standard_unregister(a->standard);
    }
    dispatcher_free(a->dispatcher);
    agent_session_free(a->session); /* calls back for what is still without an answer */
    agent_notifier_free(a->notifier);
    agent_standard_free(a->standard);
    agent_table_free(a->table);
    loop_timer_del(a->standard_again);
    loop_timer_del(a->again);
    loop_timer_del(a->follow);
    free(a);
}
