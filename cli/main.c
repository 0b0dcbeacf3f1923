/* snmpalert: what snmpalertd keeps, seen and changed from the command line, over SNMP. */
#include <locale.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "cli/commands.h"
#include "config.h"

static void print_help(FILE *f)
{
    fprintf(f, "Usage: snmpalert [OPTION]... COMMAND [ARGUMENT]...\n\nCommands:\n");
    for (size_t i = 0; i < ncommands; i++)
        fprintf(f, "  %s %s\n      %s\n", commands[i].name, commands[i].arguments,
                commands[i].help);
    fprintf(f, "\nOptions:\n");
    options_help(f);
}

static void complain(const struct err *e)
{
    struct buf b;

    buf_init(&b, 4 * ERR_TEXT_MAX);
    text_clean(&b, e->text, strlen(e->text), true);
    fprintf(stderr, "snmpalert: %s\n", buf_cstr(&b));
    buf_release(&b);
}

/* Who could not ask knows nothing; monitoring plug-ins say UNKNOWN with 3. */
static int exit_of(int err)
{
    switch (err) {
    case ERR_INVALID:
    case ERR_WRONG_VALUE:
    case ERR_WRONG_LENGTH:
    case ERR_WRONG_TYPE:
    case ERR_SYNTAX:
    case ERR_RANGE:
        return EXIT_USAGE;
    case ERR_NOTFOUND:
    case ERR_DENIED:
    case ERR_NOT_WRITABLE:
        return EXIT_FAILED;
    default:
        return EXIT_CANNOT_ASK;
    }
}

static int run(struct options *o, struct err *e)
{
    const struct command *command;
    struct client *c = NULL;
    int result = command_find(&command, o->nwords ? o->words[0] : "", e);

    if (result < 0)
        return result;
    if (o->nwords - 1 < command->min_words || o->nwords - 1 > command->max_words)
        return err_set(e, ERR_INVALID, "usage: snmpalert %s %s", command->name, command->arguments);
    if (command->asks && client_open(&c, &o->client, e))
        return ERR_NETWORK;
    result = command->run(o, c, o->words + 1, o->nwords - 1, e);
    client_close(c);
    return result;
}

int main(int argc, char **argv)
{
    struct options o;
    struct err e = {0};
    int result;

    setlocale(LC_CTYPE, "C.UTF-8"); /* widths of characters; all texts are UTF-8 */
    tzset();
    result = options_parse(&o, argc, argv, &e);
    if (!result && (o.help || o.version)) {
        if (o.version)
            printf("snmpalert %s\n", PACKAGE_VERSION);
        else
            print_help(stdout);
        return fflush(stdout) ? EXIT_CANNOT_ASK : EXIT_FINE;
    }
    o.print.width = terminal_width(stdout);
    if (!result)
        result = run(&o, &e);
    if (result < 0) {
        complain(&e);
        result = exit_of(result);
    }
    if (fflush(stdout) || ferror(stdout))
        return EXIT_CANNOT_ASK;
    return result;
}
