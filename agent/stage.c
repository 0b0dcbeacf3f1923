#include "agent/stage.h"

#include <stdlib.h>

#include "agent/session.h"
#include "agent/table.h"
#include "alerts/checks.h"
#include "base/log.h"

/* After the master refused our registration: long enough for it to notice that the subagent which
 * holds it (one of ours that was killed, most likely) is gone. */
enum { REGISTER_AGAIN_MS = 5000 };

struct agent {
    struct agent_session *session;
    struct agent_table *table;
    struct loop_timer *again;
    struct checks checks;
};

static void on_lost(void *arg)
{
    struct agent *a = arg;

    agent_table_session_lost(a->table);
}

static void on_refused(void *arg)
{
    struct agent *a = arg;

    loop_timer_set(a->again, REGISTER_AGAIN_MS);
}

static void register_again(void *arg)
{
    struct agent *a = arg;
    struct err e;

    agent_table_unregister(a->table);
    if (agent_table_register(a->table, &e)) {
        log_error("agentx", "%s", e.text);
        loop_timer_set(a->again, REGISTER_AGAIN_MS);
    }
}

int agent_new(struct agent **ret, const struct agent_options *o, struct err *e)
{
    struct agent *a = calloc(1, sizeof(*a));
    struct agent_session_options session = {
        .loop = o->loop,
        .address = o->address,
        .on_lost = on_lost,
        .on_refused = on_refused,
        .arg = a,
    };
    struct agent_table_options table = {.store = o->store, .on_set = o->on_set, .arg = o->arg};
    int err;

    if (!a || !(a->again = loop_timer_new(o->loop, register_again, a))) {
        err = err_set(e, ERR_NOMEM, "cannot set up the agent");
        goto out;
    }
    a->checks = (struct checks){.kinds = o->kinds, .compile = o->compile, .arg = o->arg};
    if (o->kinds && (err = checks_register(o->store, &a->checks))) {
        err_set(e, err, "cannot register the checks of rows");
        goto out;
    }
    if ((err = agent_table_new(&a->table, &table, e)))
        goto out;
    if ((err = agent_session_new(&a->session, &session, e)))
        goto out;
    if ((err = agent_table_register(a->table, e)))
        goto out;
    err = agent_session_start(a->session, e);
out:
    if (err)
        agent_free(a);
    else
        *ret = a;
    return err;
}

void agent_free(struct agent *a)
{
    if (!a)
        return;
    if (a->table)
        agent_table_unregister(a->table);
    agent_session_free(a->session);
    agent_table_free(a->table);
    loop_timer_del(a->again);
    free(a);
}
