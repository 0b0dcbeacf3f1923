/* Target kind `agentx': notifications through the master agent (RFC 2741 sections 6.2.10 and
 * 7.1.11), which sends them to whoever its administrator named (trap2sink, trapsess, informsink in
 * snmpd.conf). Its answer says that it took one, not that anybody received it: handedOff.
 *
 * A master that does not read must never make this process wait in a write, nor may it wait for us
 * to read: so few notifications are without an answer at a time that they fit the socket, and none
 * is written while the socket has no room. The rest waits in the store. */
#ifndef AGENT_NOTIFY_H
#define AGENT_NOTIFY_H

#include "agent/session.h"
#include "dispatch/dispatch.h"

enum {
    AGENT_NOTIFY_WINDOW = 32,             /* notifications without an answer at a time, of ... */
    AGENT_NOTIFY_WINDOW_BYTES = 48 << 10, /* ... about so many octets together */
    AGENT_NOTIFY_ANSWER_MS = 60 * 1000,   /* a job without an answer by then is to be retried */
};

/* Its place (service_place) is a struct agent_notifier. */
extern const struct dispatch_kind dispatch_kind_agentx;

struct agent_notifier;
/* Both outlive it; S may be set later, as long as nothing was delivered. ON_TAKES: there is a
 * master now that takes notifications; or none any more, since it went away, or did not answer one
 * in AGENT_NOTIFY_ANSWER_MS: then it is one again when it answers. What is delivered meanwhile is
 * only tried in vain. May be NULL. ERR_NOMEM. */
int agent_notifier_new(struct agent_notifier **ret, struct loop *l,
                       void (*on_takes)(void *arg, bool takes), void *arg, struct err *e);
bool agent_notifier_takes(const struct agent_notifier *n);
void agent_notifier_session(struct agent_notifier *n, const struct agent_session *s);
/* After the session was freed, which still calls back. NULL is fine. */
void agent_notifier_free(struct agent_notifier *n);
/* The session's on_connected and on_lost: what was not answered by then is to be retried. */
void agent_notifier_connected(struct agent_notifier *n);
void agent_notifier_lost(struct agent_notifier *n);
/* For tests: how many were without an answer at a time, at most; a job's time, not
 * AGENT_NOTIFY_ANSWER_MS. */
size_t agent_notifier_most(const struct agent_notifier *n);
void agent_notifier_patience(struct agent_notifier *n, int64_t answer_ms);

#endif
