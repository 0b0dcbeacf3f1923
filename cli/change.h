/* What commands that change something share. */
#ifndef CLI_CHANGE_H
#define CLI_CHANGE_H

#include "cli/options.h"

/* SETs one cell, an integer, of the row that WORDS name, which must be there. ERR_NOTFOUND; a
 * refusal has the agent's words. */
int change_cell(const struct options *o, struct client *c, unsigned table, unsigned column,
                int64_t value, const char *const *words, size_t n, struct err *e);

#endif
