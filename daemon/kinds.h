/* What kinds of sources and handlers there are: a new kind of source is added to the list in
 * daemon/kinds.c, one of handlers to that in dispatch/kinds.h. */
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

/* For the runner (by_runner). */
extern const struct dispatch_kind *const daemon_runner_kinds[];
extern const size_t daemon_nrunner_kinds;

#endif
