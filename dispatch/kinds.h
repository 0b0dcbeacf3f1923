/* The one list of what kinds of handlers there are: NAME for each, of which there are a NAME_kind
 * (its table of properties) and a dispatch_kind_NAME (dispatch/dispatch.h). */
#ifndef DISPATCH_KINDS_H
#define DISPATCH_KINDS_H

#include "config/kind.h"

/* More of them, of a build that has its own (tests/kind/). */
#ifndef DISPATCH_MORE_KINDS
#define DISPATCH_MORE_KINDS(X)
#endif

#define DISPATCH_KINDS(X)                                                                          \
    X(smtp)                                                                                        \
    X(snmp)                                                                                        \
    X(webhook)                                                                                     \
    DISPATCH_MORE_KINDS(X)

/* Those that the agent delivers (agent/notify.h). */
#define AGENT_KINDS(X) X(agentx)

/* Those that the runner delivers. */
#define RUNNER_KINDS(X)                                                                            \
    X(exec)                                                                                        \
    X(log)

/* Those that the core hands on to others: a table alone. */
#define CORE_KINDS(X)                                                                              \
    X(aggregate)                                                                                   \
    X(publish)

/* Their tables alone, for who checks rows and delivers nothing. */
extern const struct kinds dispatch_kinds;

#endif
