/* The topics of one good poll, to tell which of them the next one did not find. */
#ifndef POLL_NAMES_H
#define POLL_NAMES_H

#include "base/buf.h"

struct names {
    struct buf text; /* terminated strings, one behind the other */
    uint32_t *at;    /* where each begins in text */
    size_t n, cap;
    bool sorted;
};

void names_init(struct names *s);
void names_release(struct names *s);
void names_clear(struct names *s);
int names_add(struct names *s, const char *name); /* 0, ERR_NOMEM, ERR_FULL */
/* Calls CB for every name of BEFORE that is not in NOW, in order; stops at its first error, which
 * it returns. Sorts both. */
int names_missing(struct names *before, struct names *now, int (*cb)(void *arg, const char *name),
                  void *arg);

#endif
