/* What verification, repair and opening share. */
#ifndef STORE_VERIFY_IMPL_H
#define STORE_VERIFY_IMPL_H

#include "store/cells.h"
#include "store/impl.h"
#include "store/scan.h"
#include "store/verify.h"

enum { VERIFY_PATH_MAX = 4096 };

/* Looks at all that S has; QUICK: not at leaf pages of tables. Adds to R. False: the free list
 * cannot be relied on. */
bool verify_scan(struct scan *s, bool quick, struct verify_report *r);
/* One environment; adds to R. ERR_NOTFOUND: it is not there, and never was. */
int verify_env(const struct store_options *o, int env, bool quick, struct verify_report *r,
               struct err *e);
/* `state`, and if that is sound, `samples`. */
int verify_both(const struct store_options *o, struct verify_report *state,
                struct verify_report *samples, struct err *e);
void verify_file_name(char ret[VERIFY_PATH_MAX], const struct store_options *o, int env);
/* Has anybody the store open? Not for a process that has it open itself. */
bool verify_in_use(const struct store_options *o);
/* A repair that was killed between its last steps is brought to its end. */
int repair_finish(const char *path, struct err *e);

#endif
