/* An SNMP context (RFC 3411) for each owner, named like the owner: a root registered once more,
 * with nothing below it but this owner's rows (store/view.h, view_next_of). A line of snmpd.conf
 * lets a user into a context, and the walk of an owner with one row costs what it would if nobody
 * else had any. The default context, in which everything is, is one of the list.
 *
 * The list follows saOwnerTable, which a reload changes, by single steps: a registration is a round
 * trip to the master agent, which may be slow or refuse it, and there can be a thousand. What is
 * registered is told to the master again by net-snmp whenever one is connected. */
#ifndef AGENT_CONTEXT_H
#define AGENT_CONTEXT_H

#include <stdbool.h>

#include <net-snmp/net-snmp-config.h>
#include <net-snmp/net-snmp-includes.h>
#include <net-snmp/agent/net-snmp-agent-includes.h>

#include "store/store.h"

struct agent_contexts;

/* The `myvoid` of a registration's handler; lives as long as that. */
struct agent_context {
    void *arg;      /* of the options */
    char owner[33]; /* "": the default context */
    struct key key; /* key_of_name(owner) */
    struct agent_context *next;
    netsnmp_handler_registration *registration; /* NULL: not registered */
    bool wanted, renew, failed;
};
/* As store/view.h wants it: NULL in the default context. */
const struct key *agent_context_owner(const struct agent_context *x);

struct agent_contexts_options {
    struct store *store;
    Netsnmp_Node_Handler *handler;
    const oid *root; /* kept, as are the store and ARG */
    size_t root_len;
    int priority, modes; /* of the registrations: HANDLER_CAN_... */
    bool owners_only;    /* not in the default context, which then is none of the list */
    const char *name;    /* of the handler; kept */
    void *arg;
};

/* Registers nothing yet. ERR_NOMEM. */
int agent_contexts_new(struct agent_contexts **ret, const struct agent_contexts_options *o,
                       struct err *e);
void agent_contexts_free(
    struct agent_contexts *c); /* takes back what is registered; NULL is fine */

/* Another store than before; NULL: none for now, the contexts stay as they are. */
void agent_contexts_store(struct agent_contexts *c, struct store *s);

/* Registers the default context, unless it is. ERR_NOMEM; ERR_EXISTS: another one in this process
 * has it. */
int agent_contexts_open(struct agent_contexts *c, struct err *e);
/* Takes everything back. */
void agent_contexts_close(struct agent_contexts *c);
/* Does net-snmp know the default context? In snmpd a subagent may have unregistered it, which frees
 * the registration. */
bool agent_contexts_known(const struct agent_contexts *c);
/* Net-snmp is to be shut down, which frees the registrations: nothing is taken back any more. */
void agent_contexts_forget(struct agent_contexts *c);
/* The master refused one, nobody knows which: the next steps ask for all of them again. It takes an
 * Unregister from whoever sends it, so that nothing is unregistered before. */
void agent_contexts_renew(struct agent_contexts *c);
/* At most one registration or its contrary, as the owners want it. True: there may be more to do.
 * Looks at the owners only when something was committed since. */
bool agent_contexts_step(struct agent_contexts *c);

#endif
