/* The whole MIB as one net-snmp handler: ONE registration of the root for the default context, one
 * for each owner's context (agent/context.h), and nothing in here knows a table by name. GET and
 * GETNEXT read through store/view.h; a SET, whatever rows and tables it names, is one `struct set`
 * (store/set.h):
 *
 *   net-snmp (RFC 2741 section 7.2.4)       store
 *   RESERVE1  (TestSet)                     set_add for each varbind: types, lengths, values
 *   RESERVE2  (TestSet)                     set_check: the whole PDU
 *   ACTION    (CommitSet)                   set_commit: checked again, written, synced
 *   UNDO      (UndoSet)                     set_undo
 *   COMMIT, FREE (CleanupSet)               set_free
 *
 * GETBULK comes only inside snmpd (agent/module.c): a master agent makes GETNEXT of it for
 * subagents. All repetitions are one walk of the store, and what VACM hides is left out here, since
 * net-snmp looks at the first of several varbinds only.
 *
 * No write transaction is held from one phase to the next. A refused SET leaves its reason in
 * saOwnerLastError of the owner whose row is to blame; in an owner's context always of this owner,
 * for nothing else can be seen or set there.
 *
 * net-snmp's agent is global to the process, so there is at most one of these. */
#ifndef AGENT_TABLE_H
#define AGENT_TABLE_H

#include <stdbool.h>

#include "store/store.h"

struct agent_table;

struct agent_table_options {
    struct store *store;
    /* What a SET committed (or undid) may be acted on. May be NULL. */
    void (*on_set)(void *arg);
    void *arg;
};

/* After init_agent(). Does not register yet. ERR_NOMEM. The store is kept. */
int agent_table_new(struct agent_table **ret, const struct agent_table_options *o, struct err *e);
void agent_table_free(struct agent_table *t); /* NULL is fine */

/* Another store than before, NULL: none for now, all is answered with genErr. SETs between two
 * phases are over. */
void agent_table_set_store(struct agent_table *t, struct store *s);

/* Registers the root, in the default context, with net-snmp, which passes it on to the master agent
 * whenever one is connected (whether the master takes it: agent/session.h, on_refused).
 * Unregister: that and the contexts of owners. Both idempotent. ERR_NOMEM; ERR_EXISTS: another one
 * in this process has it. */
int agent_table_register(struct agent_table *t, struct err *e);
void agent_table_unregister(struct agent_table *t);
/* Does net-snmp know the root in the default context? A master agent takes an Unregister from any
 * of its subagents, whoever has registered: in snmpd it can be gone, and freed. */
bool agent_table_registered(const struct agent_table *t);
/* Registers the contexts of the owners in saOwnerTable and takes back those of others, at most one
 * a call. Returns in how many ms to call it again: 0 while there is more to do. */
int agent_table_follow(struct agent_table *t);
/* The master did not take a registration: agent_table_follow() asks for all of them again, one
 * after the other. (To unregister what it has not taken from us would take it from who serves.) */
void agent_table_register_anew(struct agent_table *t);
/* Net-snmp is to be shut down, which frees the registrations: nothing is unregistered any more. */
void agent_table_forget(struct agent_table *t);

/* The session died: SETs between two phases will hear no more, net-snmp forgets them. What was
 * committed stays. */
void agent_table_session_lost(struct agent_table *t);

#endif
