/* What the command line and the environment say. */
#ifndef CLI_OPTIONS_H
#define CLI_OPTIONS_H

#include "cli/client.h"
#include "cli/print.h"

enum { WORDS_MAX = 4096, CHOSEN_MAX = 255 };

struct options {
    struct client_options client;
    struct print_options print;
    const char *owner;        /* NULL: none was named */
    const char *columns;      /* --columns, divided by commas, or NULL */
    uint32_t wait_ms;         /* of `test', `try', `evaluate' and `validate' */
    const char *const *words; /* the command and what belongs to it */
    size_t nwords;
    bool help, version;
};

/* Options may stand before and behind the command; all behind "--" (the first one that stands
 * before any column=value) are words. ERR_INVALID with words for the user. ARGV's texts are
 * borrowed. */
int options_parse(struct options *o, int argc, char **argv, struct err *e);
/* "5", "0.5": seconds into ms, from 1 ms to 10 min. ERR_INVALID. */
int seconds_parse(uint32_t *ret_ms, const char *text, struct err *e);
/* The owner for commands that change something. */
const char *options_owner(const struct options *o);
/* The list of options for --help and the manual. */
void options_help(FILE *f);

#endif
