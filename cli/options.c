#include "cli/options.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "config/kind.h"

enum { TIMEOUT_MS = 2000, RETRIES = 2, RETRIES_MAX = 100, WAIT_MS = 30000, COMMUNITY_MAX = 255 };

/* What an option does with its value. */
typedef int option_set(struct options *o, const char *value, struct err *e);

int seconds_parse(uint32_t *ret_ms, const char *text, struct err *e)
{
    char *end;
    double s = strtod(text, &end);

    if (!(isdigit((unsigned char)text[0]) || text[0] == '.') || *end || !(s >= 0.001 && s <= 600))
        return err_set(e, ERR_INVALID, "'%s' is no time from 0.001 to 600 seconds", text);
    *ret_ms = (uint32_t)(s * 1000 + 0.5);
    return 0;
}

static int set_agent(struct options *o, const char *value, struct err *e)
{
    char host[RESOLVE_NAME_MAX + 1];
    uint16_t port;

    o->client.agent = value;
    return agent_parse(value, host, &port, e);
}

static int set_community(struct options *o, const char *value, struct err *e)
{
    o->client.community = value;
    if (value[0] == '\0' || strlen(value) > COMMUNITY_MAX)
        return err_set(e, ERR_INVALID, "the community has 1 to %d octets", COMMUNITY_MAX);
    return 0;
}

static int set_version(struct options *o, const char *value, struct err *e)
{
    if (snmp_version_parse(&o->client.version, value))
        return err_set(e, ERR_INVALID, "'%s' is no SNMP version: 1 or 2c", value);
    return 0;
}

static int set_timeout(struct options *o, const char *value, struct err *e)
{
    return seconds_parse(&o->client.timeout_ms, value, e);
}

static int set_retries(struct options *o, const char *value, struct err *e)
{
    char *end;
    unsigned long n = strtoul(value, &end, 10);

    if (!isdigit((unsigned char)value[0]) || *end || n > RETRIES_MAX)
        return err_set(e, ERR_INVALID, "'%s' is no number of retries from 0 to %d", value,
                       RETRIES_MAX);
    o->client.retries = (unsigned)n;
    return 0;
}

static int set_owner(struct options *o, const char *value, struct err *e)
{
    struct objid scratch = {0};

    o->owner = value;
    return index_append_name(&scratch, value, e);
}

static int set_columns(struct options *o, const char *value, struct err *e)
{
    (void)e;
    o->columns = value;
    return 0;
}

static int set_wait(struct options *o, const char *value, struct err *e)
{
    return seconds_parse(&o->wait_ms, value, e);
}

static int set_json(struct options *o, const char *value, struct err *e)
{
    (void)value, (void)e;
    o->print.json = true;
    return 0;
}

static int set_wide(struct options *o, const char *value, struct err *e)
{
    (void)value, (void)e;
    o->print.wide = true;
    return 0;
}

static int set_help_texts(struct options *o, const char *value, struct err *e)
{
    (void)value, (void)e;
    o->print.help_texts = true;
    return 0;
}

static int set_utc(struct options *o, const char *value, struct err *e)
{
    (void)value, (void)e;
    o->print.times = TIMES_UTC;
    return 0;
}

static int set_help(struct options *o, const char *value, struct err *e)
{
    (void)value, (void)e;
    o->help = true;
    return 0;
}

static int set_show_version(struct options *o, const char *value, struct err *e)
{
    (void)value, (void)e;
    o->version = true;
    return 0;
}

static const struct option_kind {
    char letter;
    const char *name;
    const char *value; /* what it takes, NULL: nothing */
    option_set *set;
    const char *help;
} kinds[] = {
    {'a', "agent", "HOST[:PORT]", set_agent, "whom to ask [SNMPALERT_AGENT, else localhost:161]"},
    {'c', "community", "COMMUNITY", set_community,
     "the community [SNMPALERT_COMMUNITY, else public]"},
    {'v', "snmp-version", "1|2c", set_version, "SNMP's version [2c]"},
    {'t', "timeout", "SECONDS", set_timeout, "for each attempt [2]"},
    {'r', "retries", "NUMBER", set_retries, "attempts after the first [2]"},
    {'o', "owner", "OWNER", set_owner,
     "whose rows [SNMPALERT_OWNER, else admin's; lists: everybody's]"},
    {0, "json", NULL, set_json, "print JSON"},
    {0, "wide", NULL, set_wide, "list: cut nothing"},
    {0, "columns", "NAME,...", set_columns, "list, show: these columns only"},
    {0, "utc", NULL, set_utc, "times in UTC, not in local time"},
    {0, "help-texts", NULL, set_help_texts, "show: explain each column"},
    {0, "wait", "SECONDS", set_wait, "test, try, validate: how long to wait for the outcome [30]"},
    {'h', "help", NULL, set_help, "print this"},
    {'V', "version", NULL, set_show_version, "print the version"},
};
enum { KINDS = sizeof(kinds) / sizeof(kinds[0]) };

void options_help(FILE *f)
{
    for (size_t i = 0; i < KINDS; i++) {
        char left[64];
        const char *v = kinds[i].value;

        if (kinds[i].letter)
            snprintf(left, sizeof(left), "-%c, --%s%s%s", kinds[i].letter, kinds[i].name,
                     v ? " " : "", v ? v : "");
        else
            snprintf(left, sizeof(left), "    --%s%s%s", kinds[i].name, v ? " " : "", v ? v : "");
        fprintf(f, "  %-30s %s\n", left, kinds[i].help);
    }
}

static int from_environment(struct options *o, struct err *e)
{
    static const struct {
        const char *name;
        option_set *set;
    } variables[] = {{"SNMPALERT_AGENT", set_agent},
                     {"SNMPALERT_COMMUNITY", set_community},
                     {"SNMPALERT_OWNER", set_owner}};

    for (size_t i = 0; i < sizeof(variables) / sizeof(variables[0]); i++) {
        const char *value = getenv(variables[i].name);

        if (value && *value && variables[i].set(o, value, e))
            return err_prefix(e, "%s", variables[i].name);
    }
    return 0;
}

static int unknown_option(const char *arg, struct err *e)
{
    const char *names[KINDS], *near;

    for (size_t i = 0; i < KINDS; i++)
        names[i] = kinds[i].name;
    near = strncmp(arg, "--", 2) == 0 ? name_suggest(arg + 2, names, KINDS) : NULL;
    if (near)
        return err_set(e, ERR_INVALID, "there is no option '%s'; did you mean '--%s'?", arg, near);
    return err_set(e, ERR_INVALID, "there is no option '%s'; see: snmpalert --help", arg);
}

/* The option that ARG is; *RET_VALUE is what is in the same word, or NULL. */
static const struct option_kind *find(const char *arg, const char **ret_value)
{
    bool is_long = arg[1] == '-';

    for (size_t i = 0; i < KINDS; i++) {
        size_t n = strlen(kinds[i].name);

        *ret_value = NULL;
        if (!is_long && kinds[i].letter == arg[1]) {
            *ret_value = arg[2] ? arg + 2 : NULL;
            return *ret_value && !kinds[i].value ? NULL : &kinds[i];
        }
        if (!is_long || strncmp(arg + 2, kinds[i].name, n) != 0)
            continue;
        if (arg[2 + n] == '=' && kinds[i].value)
            *ret_value = arg + 3 + n;
        if (arg[2 + n] == '\0' || *ret_value)
            return &kinds[i];
    }
    return NULL;
}

/* ARGV[*I] is an option: with its value, when that is a word of its own. */
static int take_option(struct options *o, int argc, char **argv, int *i, struct err *e)
{
    const char *arg = argv[*i], *value;
    const struct option_kind *k = find(arg, &value);

    if (!k)
        return unknown_option(arg, e);
    if (k->value && !value) {
        if (*i + 1 >= argc)
            return err_set(e, ERR_INVALID, "%s needs %s", arg, k->value);
        value = argv[++*i];
    }
    return k->set(o, value, e);
}

/* "--" divides the rows of one `set`; elsewhere it ends the options, as everywhere. */
static bool is_option(const char *arg)
{
    return arg[0] == '-' && arg[1] && strcmp(arg, "--") != 0;
}

int options_parse(struct options *o, int argc, char **argv, struct err *e)
{
    const char **words = (const char **)argv; /* words move to the front */
    bool over = false;
    int err;

    *o = (struct options){.wait_ms = WAIT_MS, .words = words + 1};
    o->client = (struct client_options){.agent = "localhost",
                                        .community = "public",
                                        .version = SNMP_V2C,
                                        .timeout_ms = TIMEOUT_MS,
                                        .retries = RETRIES};
    err = from_environment(o, e);
    for (int i = 1; !err && i < argc; i++) {
        bool divides = strcmp(argv[i], "--") == 0;

        if (!over && is_option(argv[i])) {
            err = take_option(o, argc, argv, &i, e);
        } else if (divides && !over && o->nwords == 0) {
            over = true;
        } else if (o->nwords >= WORDS_MAX) {
            err = err_set(e, ERR_INVALID, "more than %d words", WORDS_MAX);
        } else {
            words[1 + o->nwords++] = argv[i];
        }
    }
    return err;
}

const char *options_owner(const struct options *o)
{
    return o->owner ? o->owner : "admin";
}
