/* Several handlers under one name: the core hands on to each (daemon/core_round.c). */
#include "config/leads.h"

static const struct property properties[] = {
    {.name = "handlers",
     .type = PROPERTY_TEXT,
     .required = true,
     .min = 1,
     .help = "Names of the handlers to hand on to, divided by blanks: the owner's, or admin's."},
};

static int check(const struct values *v, struct err *e)
{
    return leads_check(values_text(v, properties, 1, "handlers"), e);
}

const struct kind publish_kind = {
    .class_ = KIND_HANDLER,
    .name = "publish",
    .properties = properties,
    .nproperties = 1,
    .leads_to = "handlers",
    .help = "To other handlers: each gets the message, under one UUID, and is tried again for "
            "itself. Handlers that need recipients cannot be named. A target's recipients are not "
            "used: they are the handlers.",
    .check = check,
};
