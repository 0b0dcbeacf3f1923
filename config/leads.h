/* Handlers that hand on to others (kinds with `leads_to`), which may hand on, too: where that ends,
 * and that it does. */
#ifndef CONFIG_LEADS_H
#define CONFIG_LEADS_H

#include "config/kind.h"

enum {
    LEADS_MAX = 64,       /* handlers that one leads to; and those that it leads through */
    LEADS_DEPTH_MAX = 16, /* in a row */
    LEADS_TEXT_MAX = 1024 /* octets of what a property says */
};

/* Who knows the handlers, as they are or as they will be. */
struct leads_from {
    /* The kind of OWNER's handler NAME; NULL: there is none. */
    const struct kind *(*kind_of)(void *arg, const char *owner, const char *name);
    /* What PROPERTY of a handler that is there says: in BUF, or elsewhere until the next call. */
    const char *(*text_of)(void *arg, const char *owner, const char *name, const char *property,
                           char buf[LEADS_TEXT_MAX + 1]);
    void *arg;
};

struct leads_end {
    char owner[33], name[33]; /* NAME has no blanks, but for a handler that leads nowhere */
};
struct leads {
    struct leads_end ends[LEADS_MAX]; /* each once, in the order in which they are named */
    size_t n;
};

/* Where OWNER's handler NAME leads: to itself, if it delivers. Names are looked for with the owner
 * of who names them, then with admin. ERR_INVALID with words: one is not there, cannot do without
 * recipients, or gathers; it leads back to itself (the way is in the words); too many. With E NULL
 * it goes as far as it can: who is not there is an end, too, of the owner of who names it. */
int leads_follow(struct leads *ret, const struct leads_from *from, const char *owner,
                 const char *name, struct err *e);

bool leads_has(const struct leads *x, const struct leads_end *h);

/* Is TEXT names divided by blanks, at least one? ERR_INVALID with words. */
int leads_check(const char *text, struct err *e);

#endif
