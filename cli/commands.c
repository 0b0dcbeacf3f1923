#include "cli/commands.h"

#include <string.h>

#include "config/kind.h"

const struct command commands[] = {
    {"status", "",
     "how the daemon is, which sources fail, and how many alerts there are of each level; "
     "exit status 0: none is active, 1: some are, 2: critical ones are, 3: cannot ask",
     0, 0, true, command_status},
    {"list", "TABLE", "every row of a table", 1, 1, true, command_list},
    {"show", "TABLE INDEX...", "one row, a column a line", 1, 1 + SA_INDEX_MAX, true, command_show},
    {"set", "TABLE INDEX... COLUMN=VALUE... [-- TABLE INDEX... COLUMN=VALUE...]...",
     "create or change rows, all of them or none", 2, WORDS_MAX, true, command_set},
    {"delete", "TABLE INDEX... [-- TABLE INDEX...]...", "delete rows, all of them or none", 2,
     WORDS_MAX, true, command_delete},
    {"enable", "[OWNER] DEFINITION", "evaluate a definition again", 1, 2, true, command_enable},
    {"disable", "[OWNER] DEFINITION", "evaluate a definition no more", 1, 2, true, command_disable},
    {"acknowledge", "[OWNER] ALERT [COLUMN=VALUE]...",
     "take an alert on: nothing new is told of it; normal by your name, unless said otherwise", 1,
     WORDS_MAX, true, command_acknowledge},
    {"cancel", "[OWNER] NOTICE", "give a notice up", 1, 2, true, command_cancel},
    {"resend", "[OWNER] NOTICE", "send a notice again", 1, 2, true, command_resend},
    {"test", "[OWNER] TARGET", "send one test notice to a target and wait for its outcome", 1, 2,
     true, command_test},
    {"try", "[OWNER] HANDLER", "send one test by a handler alone, and wait for its outcome", 1, 2,
     true, command_try},
    {"evaluate", "[OWNER] CONDITION",
     "evaluate a condition once over the topics as they are, and print what it came to and read", 1,
     2, true, command_evaluate},
    {"validate", "handler|target [OWNER] NAME",
     "find out whether a handler could deliver, or a target be reached, without sending", 2, 3,
     true, command_validate},
    {"tables", "[TABLE]", "the tables and their columns", 0, 1, false, command_tables},
};
const size_t ncommands = sizeof(commands) / sizeof(commands[0]);

int command_find(const struct command **ret, const char *name, struct err *e)
{
    const char *names[sizeof(commands) / sizeof(commands[0])], *near;

    if (!*name)
        return err_set(e, ERR_INVALID, "a command is missing; see: snmpalert --help");
    for (size_t i = 0; i < ncommands; i++) {
        names[i] = commands[i].name;
        if (strcmp(name, commands[i].name) == 0) {
            *ret = &commands[i];
            return 0;
        }
    }
    near = name_suggest(name, names, ncommands);
    if (near)
        return err_set(e, ERR_INVALID, "there is no command '%s'; did you mean '%s'?", name, near);
    return err_set(e, ERR_INVALID, "there is no command '%s'; see: snmpalert --help", name);
}
