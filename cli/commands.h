/* The commands. Each returns the exit status, or a negative error with its words. */
#ifndef CLI_COMMANDS_H
#define CLI_COMMANDS_H

#include "cli/options.h"

enum { EXIT_FINE = 0, EXIT_FAILED = 1, EXIT_CANNOT_ASK = 3, EXIT_USAGE = 64 };

/* WORDS: what stands behind the command. C is NULL for commands that ask nobody. */
typedef int command_run(struct options *o, struct client *c, const char *const *words, size_t n,
                        struct err *e);

struct command {
    const char *name, *arguments, *help;
    size_t min_words, max_words;
    bool asks; /* needs an agent */
    command_run *run;
};
extern const struct command commands[];
extern const size_t ncommands;
/* ERR_INVALID, with a suggestion. */
int command_find(const struct command **ret, const char *name, struct err *e);

command_run command_status, command_list, command_show, command_tables; /* read.c */
command_run command_set, command_delete, command_enable, command_disable, command_acknowledge,
    command_cancel, command_resend, command_test;            /* change.c */
command_run command_validate, command_try, command_evaluate; /* trial.c */

#endif
