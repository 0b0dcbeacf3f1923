#include "dispatch/agentx_kind.h"

static const struct property properties[] = {
    {.name = "context",
     .type = PROPERTY_TEXT,
     .target_may_override = true,
     .max = CONTEXT_MAX,
     .help = "SNMPv3 context that the notifications are sent in; empty: the default one."},
};

const struct kind agentx_kind = {
    .class_ = KIND_HANDLER,
    .name = "agentx",
    .properties = properties,
    .nproperties = sizeof properties / sizeof *properties,
    .by_agent = true,
    .help = "SNMP notifications through the master agent: to all trap2sink, trapsess and "
            "informsink of its snmpd.conf. A target's recipients are not used.",
};
