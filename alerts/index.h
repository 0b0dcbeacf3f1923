/* What the core derives from configuration rows so that nothing has to be scanned: default groups,
 * which groups a definition is in, which targets are global, and each target row's incarnation.
 * Kept up by the core from the changes ring, in the transaction that consumes it; every function
 * is idempotent, looks at the rows as they are now, and costs only what it touches. */
#ifndef ALERTS_INDEX_H
#define ALERTS_INDEX_H

#include "store/store.h"

/* Databases (store/store.h, kv_*):
 *   defService   owner,definition        -> name of its default group
 *   defGroups    owner,definition,group  -> ""   custom groups only; not in force ones too
 *   globals      owner,target            -> ""
 *   serviceDefs  owner,group,definition  -> ""   members of default groups
 *   targetGroups owner,target,group      -> ""
 *   ownerDefs    owner                   -> u32 number of definitions in defService
 * A link goes with either of its ends: that of a deleted group, definition or target is removed. */
#define INDEX_DEF_SERVICE   "defService"
#define INDEX_DEF_GROUPS    "defGroups"
#define INDEX_GLOBALS       "globals"
#define INDEX_SERVICE_DEFS  "serviceDefs"
#define INDEX_TARGET_GROUPS "targetGroups"

/* The service of definitions that name none. */
#define SERVICE_DEFAULT "default"

/* The target of a definition's own recipients is a row that follows the definition's, as default
 * groups do: "@" and the definition's name, readOnly. That of a definition that is no longer in
 * force stays until its queue is empty: what was told is told to be over. */
enum { DIRECT_NAME_MAX = 31 }; /* octets of the definition's name */
#define DIRECT_HANDLER "mail"  /* of definitions that name none */
bool direct_is_name(const char *target);
/* The handler that DEFINITION (its row) names for them. Returns RET. */
const char *direct_handler(const struct row *definition, char ret[33]);
/* A notice to TARGET, any target, has ended. */
int direct_settled(struct txn *t, const struct key *target);

/* Take in what change C says of its row. 0 or the transaction's error. */
int index_apply(struct txn *t, const struct change *c);

/* How many definitions an owner has in force (active, disabled ones too). */
int64_t index_definitions(struct txn *t, const char *owner);

/* A target that notices of a definition go to. */
struct route_target {
    char owner[33], name[33];
    uint32_t incarnation;
};
enum { ROUTE_TARGETS_MAX = 256 };
struct route {
    struct route_target targets[ROUTE_TARGETS_MAX];
    size_t n;
    bool cut; /* there were more */
};
/* Is it active and enabled? TARGET: its row. */
bool target_in_force(const struct row *target);
/* Every target in force that DEFINITION leads to: by its default group, by its custom groups, its
 * own recipients, the owner's global targets, admin's global targets; each once. One that is not in
 * force, as that of a raised alert may be, leads where one without a service does. */
int route_find(struct txn *t, const char *owner, const char *definition, struct route *ret);

/* Calls CB for each group in force by which DEFINITION leads to the owner's target TARGET, the
 * default group first. 0 or the transaction's error. */
int route_groups(struct txn *t, const char *owner, const char *definition, const char *target,
                 void (*cb)(void *arg, const char *group), void *arg);

/* Does a target with these `states` (BITS, 0: all) and this `minLevel`, which says nothing of
 * recoveries, want to hear of LEVEL? */
bool route_wants(int64_t states, enum sa_level least, enum sa_level level);

#endif
