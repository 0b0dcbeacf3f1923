/* The one list of what kinds of sources and handlers there are. A new kind is added here and in its
 * own file, nowhere else. */
#ifndef DAEMON_KINDS_H
#define DAEMON_KINDS_H

#include "config/kind.h"
#include "dispatch/dispatch.h"

/* Of sources and handlers: for the configuration, its schema, the poller and the dispatcher. */
extern const struct kinds daemon_kinds;

/* For the dispatcher. */
extern const struct dispatch_kind *const daemon_dispatch_kinds[];
extern const size_t daemon_ndispatch_kinds;

/* For the agent: those that only it can deliver (by_agent). */
extern const struct dispatch_kind *const daemon_agent_kinds[];
extern const size_t daemon_nagent_kinds;

#endif
