/* What each process may do: as which user, with which capabilities, behind which filter of system
 * calls. Started by root:
 *
 *   process                                user     capabilities
 *   parent                                 service  CAP_SETUID, CAP_SETGID, CAP_KILL
 *   core, agent, checker, the evaluators   service  none
 *   poller, dispatcher                     network  none
 *   runner, and the programs that it runs  program  none
 *
 * all but the last with the service's group, so that a secret that is readable by it is readable by
 * who needs it; only those of the service's user have its other groups (an AgentX socket's). The
 * program user has its own group and no other: what a handler runs reads no secret, opens no store
 * and signals no process of ours. The parent's filter lets it become these two and nobody else, so
 * that it cannot be root again. Where there is one user only (not started by root, or --user),
 * nobody has any capability. */
#ifndef DAEMON_CONFINE_H
#define DAEMON_CONFINE_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/err.h"
#include "daemon/stage.h"

struct confine {
    uid_t service, network, program; /* the same: one user for all */
    gid_t program_group;             /* the service's, unless the program user is one of its own */
};

/* As options name them, or NULL. */
struct confine_names {
    const char *user, *network_user, *program_user;
};

/* In the parent, before anything else is done: finds the users, becomes the service's one and gives
 * away the rest. NAMES: names or numbers. Without a user those of ./configure if root asks, else
 * oneself for all; with one the network user is the same, and the program user as the network user.
 * ERR_NOTFOUND: there is no such user; ERR_DENIED: only root can become somebody; ERR_UNSUPPORTED:
 * the kernel has no filters. UNCONFINED: without filters, which valgrind and the sanitizers do not
 * bear. */
int confine_parent(struct confine *ret, const struct confine_names *names, bool unconfined,
                   struct err *e);

/* Between the parent's fork and exec: becomes whom stage S runs as. Forgets PR_SET_PDEATHSIG. */
int confine_become(const struct confine *c, enum stage_id s, struct err *e);

/* In stage S, which has read nothing yet: no capability, no new one by exec, no core dump, not to
 * be traced or looked into by its siblings, its filter. */
int confine_stage(enum stage_id s, bool unconfined, struct err *e);

#endif
