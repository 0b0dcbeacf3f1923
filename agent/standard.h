/* The standard modules of mibs/standard.h, served by net-snmp beside our own root: in the default
 * context one registration for each std_subtree; in each owner's context (agent/context.h) one for
 * each module, with what is this owner's, read-only. They read through alerts/standard.h. The two
 * limits that a manager may SET are those of saSystem, by one `struct set` as in agent/table.h; why
 * they were refused is in saOwnerLastError of admin or, in an owner's context, of that owner.
 *
 * net-snmp's agent is global to the process, so there is at most one of these. */
#ifndef AGENT_STANDARD_H
#define AGENT_STANDARD_H

#include <stdbool.h>

#include "mibs/standard.h"
#include "store/store.h"

struct agent_standard;

struct agent_standard_options {
    struct store *store;   /* kept: it outlives this */
    bool off[STD_MODULES]; /* not served */
    /* A SET was committed or undone. May be NULL. */
    void (*on_set)(void *arg);
    void *arg;
};

/* After init_agent(). Does not register yet. ERR_NOMEM. */
int agent_standard_new(struct agent_standard **ret, const struct agent_standard_options *o,
                       struct err *e);
void agent_standard_free(struct agent_standard *s); /* NULL is fine */

/* As agent_table_register() and its mirror. What another one in this process has at our priority is
 * said in the log and left out. ERR_NOMEM: some may be registered. */
int agent_standard_register(struct agent_standard *s, struct err *e);
void agent_standard_unregister(struct agent_standard *s);

/* Registers the contexts of the owners in saOwnerTable and takes back those of others, at most one
 * step a call. True: there may be more to do. */
bool agent_standard_follow(struct agent_standard *s);
/* Net-snmp is to be shut down, and the session with it: the contexts are left to their ends. */
void agent_standard_forget(struct agent_standard *s);

/* The master did not take what begins with OID (agent/session.h). False: that is none of ours in
 * CONTEXT. Said in the log, with what to do about it, once for each session. */
bool agent_standard_refused(struct agent_standard *s, const char *context, const uint32_t *oid,
                            size_t n);
/* Registers again what was refused. False: nothing was. */
bool agent_standard_again(struct agent_standard *s);

/* The session died: see agent/table.h. */
void agent_standard_session_lost(struct agent_standard *s);

#endif
