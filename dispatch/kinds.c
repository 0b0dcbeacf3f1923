#include "dispatch/kinds.h"

#define DECLARE(name) extern const struct kind name##_kind;
DISPATCH_KINDS(DECLARE)
AGENT_KINDS(DECLARE)
RUNNER_KINDS(DECLARE)
CORE_KINDS(DECLARE)

#define TABLE_OF(name) &name##_kind,
static const struct kind *const tables[] = {DISPATCH_KINDS(TABLE_OF) AGENT_KINDS(TABLE_OF)
                                                RUNNER_KINDS(TABLE_OF) CORE_KINDS(TABLE_OF)};

const struct kinds dispatch_kinds = {tables, sizeof tables / sizeof *tables};
