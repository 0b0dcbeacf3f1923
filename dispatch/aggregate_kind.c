/* One event for all of an interval: the core makes it (daemon/core_aggregate.c). */
#include "config/leads.h"

static const struct property properties[] = {
    {.name = "interval",
     .type = PROPERTY_DURATION,
     .min = 1000,
     .max = 12 * 60 * 60 * 1000, /* what fails then is still tried for as long */
     .def = "5m",
     .help = "For how long notices are gathered, from the first on."},
    {.name = "handler",
     .type = PROPERTY_TEXT,
     .required = true,
     .min = 1,
     .max = 32,
     .help = "Name of the handler that gets the event, also one of kind publish: the owner's, or "
             "admin's."},
    {.name = "message",
     .type = PROPERTY_TEMPLATE,
     .place = TEMPLATE_LINE,
     .help = "Message of the event: count says how many notices it stands for, an events section "
             "names the worst of them; without it both are said."},
};
enum { NPROPERTIES = sizeof properties / sizeof *properties };

static int check(const struct values *v, struct err *e)
{
    return leads_check(values_text(v, properties, NPROPERTIES, "handler"), e);
}

const struct kind aggregate_kind = {
    .class_ = KIND_HANDLER,
    .name = "aggregate",
    .properties = properties,
    .nproperties = NPROPERTIES,
    .leads_to = "handler",
    .gathers = "interval",
    .summary = "message",
    .help =
        "One event for all notices of an interval: it is that of the highest level, its message "
        "says how many there were and what. A target's recipients are not used; its "
        "digestMillis, if it is not -1, is its interval.",
    .check = check,
};
