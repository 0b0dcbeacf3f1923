/* What managers made of a handler that the configuration file describes: properties whose value in
 * saHandlerPropertyTable is another than the file's. Files and secrets are never overridden. */
#ifndef ALERTS_OVERRIDE_H
#define ALERTS_OVERRIDE_H

#include "config/kind.h"
#include "store/store.h"

/* Gathered from a handler's property rows. File: what the file says, without secrets. */
struct overrides {
    const struct kind *kind;
    struct values file, set;
    bool unfit; /* something did not fit the kind (another one by now), and was left out */
};
void overrides_init(struct overrides *o, const struct kind *kind);
void overrides_release(struct overrides *o);
/* Takes in a row of saHandlerPropertyTable. 0 or ERR_NOMEM. */
int overrides_add(struct overrides *o, const struct row *property);
/* The values in force: FILE (the configuration's own, with the names of files of secrets; NULL:
 * what the rows say) with what was set laid over. ERR_INVALID with words: they do not go together.
 */
int overrides_lay(const struct overrides *o, const struct values *file, struct values *ret,
                  struct err *e);

/* A handler of the configuration with its overrides in T. What does not fit (any more) is left out,
 * all of it if together it would not work: RET_WHY has words then, else "". 0 or ERR_NOMEM. */
int overrides_in_force(struct txn *t, const char *owner, const char *name, const struct kind *kind,
                       const struct values *file, struct values *ret, struct err *ret_why);

#endif
