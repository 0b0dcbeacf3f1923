/* The agent's work without the process around it: the MIB of a store, served through a master
 * agent, on the caller's loop. */
#ifndef AGENT_STAGE_H
#define AGENT_STAGE_H

#include <stddef.h>

#include "base/loop.h"
#include "config/kind.h"
#include "dispatch/dispatch.h"
#include "mibs/standard.h"
#include "store/store.h"

struct agent;

struct agent_options {
    struct loop *loop;
    struct store *store;
    const char *address; /* of the master agent, as in agent/session.h */
    /* For the checks of alerts/checks.h, which the agent registers with the store. KINDS NULL: no
     * such checks (types, ranges and RowStatus only). */
    const struct kinds *kinds;
    bool standard_off[STD_MODULES]; /* standard modules that are not served */
    /* Compiles JavaScript: 0, ERR_WRONG_VALUE with words, or ERR_RESOURCE_UNAVAILABLE. May be NULL:
     * not asked. */
    int (*compile)(void *arg, const void *text, size_t len, struct err *e);
    /* A SET committed (or was undone): the core may look into the changes ring now rather than
     * within the second. A hint; may be NULL. */
    void (*on_set)(void *arg);
    /* There is a master agent now that takes notifications, or there is none any more, or it does
     * not answer them (agent/notify.h). May be NULL. */
    void (*on_master)(void *arg, bool there);
    /* Kinds of handlers that deliver through it (by_agent). */
    const struct dispatch_kind *const *deliverers;
    size_t ndeliverers;
    void *arg;
};

/* Serves from here on, as the loop runs; the master agent may come later, go and come back. At most
 * one in a process. O is copied, what it points to is kept. ERR_NOMEM, ERR_EXISTS (another one in
 * this process serves the MIB), or as checks_register() and dispatcher_new(). */
int agent_new(struct agent **ret, const struct agent_options *o, struct err *e);
/* What the core has delivered: frames of dispatch/dispatch.h, as dispatcher_frame() takes them. */
int agent_frame(struct agent *a, uint16_t type, const uint8_t *payload, size_t len);
void agent_set_core(struct agent *a, struct chan *core); /* NULL: none now */
bool agent_has_master(const struct agent *a);
/* NULL is fine. Nothing may be SET through the store afterwards: its checks point into A. */
void agent_free(struct agent *a);

#endif
