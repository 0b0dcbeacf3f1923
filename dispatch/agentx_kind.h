/* What an agentx handler may be told. Who delivers is the agent (agent/notify.h). */
#ifndef DISPATCH_AGENTX_KIND_H
#define DISPATCH_AGENTX_KIND_H

#include "config/kind.h"

enum { CONTEXT_MAX = 32 }; /* octets of an SNMPv3 context (RFC 3411) */

extern const struct kind agentx_kind;

#endif
