#include "daemon/kinds.h"

#include "agent/notify.h"
#include "dispatch/kinds.h"
#include "poll/poll.h"

#define COUNT(a) (sizeof(a) / sizeof *(a))

static const struct kind *const source_kinds[] = {&poll_kind_snmp, &poll_kind_http};
#define DECLARE(name) extern const struct dispatch_kind dispatch_kind_##name;
DISPATCH_KINDS(DECLARE)
RUNNER_KINDS(DECLARE)
#define KIND(name) &dispatch_kind_##name,
const struct dispatch_kind *const daemon_dispatch_kinds[] = {DISPATCH_KINDS(KIND)};
const size_t daemon_ndispatch_kinds = COUNT(daemon_dispatch_kinds);
const struct dispatch_kind *const daemon_agent_kinds[] = {AGENT_KINDS(KIND)};
const size_t daemon_nagent_kinds = COUNT(daemon_agent_kinds);
const struct dispatch_kind *const daemon_runner_kinds[] = {RUNNER_KINDS(KIND)};
const size_t daemon_nrunner_kinds = COUNT(daemon_runner_kinds);

#define DECLARE_TABLE(name) extern const struct kind name##_kind;
CORE_KINDS(DECLARE_TABLE)
#define TABLE_OF(name) &name##_kind,
static const struct kind *const core_kinds[] = {CORE_KINDS(TABLE_OF)};

static const struct kind *all[COUNT(source_kinds) + COUNT(daemon_dispatch_kinds) +
                              COUNT(daemon_agent_kinds) + COUNT(daemon_runner_kinds) +
                              COUNT(core_kinds)];
const struct kinds daemon_kinds = {all, COUNT(all)};

/* A handler's kind is reached through its dispatch_kind, which is no constant expression; so the
 * list is joined before main(), once, and is constant from there. */
static void __attribute__((constructor)) join(void)
{
    size_t n = 0;

    for (size_t i = 0; i < COUNT(source_kinds); i++)
        all[n++] = source_kinds[i];
    for (size_t i = 0; i < COUNT(daemon_dispatch_kinds); i++)
        all[n++] = daemon_dispatch_kinds[i]->kind;
    for (size_t i = 0; i < COUNT(daemon_agent_kinds); i++)
        all[n++] = daemon_agent_kinds[i]->kind;
    for (size_t i = 0; i < COUNT(daemon_runner_kinds); i++)
        all[n++] = daemon_runner_kinds[i]->kind;
    for (size_t i = 0; i < COUNT(core_kinds); i++)
        all[n++] = core_kinds[i];
}
