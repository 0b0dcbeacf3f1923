/* Checks of configuration rows that need more than type and range: references between rows, and
 * JavaScript. Registered once with the store; SNMP and XML go through them alike. */
#ifndef ALERTS_CHECKS_H
#define ALERTS_CHECKS_H

#include "config/kind.h"
#include "store/set.h"

struct checks {
    const struct kinds *kinds; /* for target properties */
    /* Does this text compile? 0, ERR_WRONG_VALUE with words, ERR_RESOURCE_UNAVAILABLE. NULL: not
     * asked (rows that another process has checked). What is active is compiled: conditions, and
     * scripts as wholes, by the SET that makes or changes them. */
    int (*compile)(void *arg, const void *text, size_t len, struct err *e);
    void *arg;
};

/* C is kept by pointer. Also answers saScriptError, which asks the same compiler. */
int checks_register(struct store *s, const struct checks *c);

/* A row that NAME refers to: of the own owner, then of admin. RET_OWNER may be NULL. */
int ref_find(struct txn *t, unsigned table, const char *owner, const char *name, struct row *ret,
             char ret_owner[33]);

#endif
