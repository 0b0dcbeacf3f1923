#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/log.h"
#include "daemon/check.h"
#include "daemon/confine.h"
#include "daemon/door.h"
#include "daemon/repair.h"
#include "daemon/stage.h"
#include "daemon/trial_command.h"
#include "mibs/schema.h"

#include "config.h"

static const char default_config[] = SA_SYSCONFDIR "/snmpalertd/snmpalertd.xml";
static const char default_evaluator[] = SA_LIBEXECDIR "/snmpalertd-evaluator";

static const char usage[] =
    "Usage: snmpalertd [OPTION]...\n"
    "       snmpalertd [OPTION]... --validate HANDLER\n"
    "       snmpalertd [OPTION]... --test HANDLER [NAME=VALUE]...\n"
    "       snmpalertd [OPTION]... --raise [NAME=VALUE]...\n"
    "Alert manager for SNMP: polls, evaluates conditions, and sends traps, informs and mail.\n"
    "It runs in the foreground; a service manager or the shell puts it elsewhere.\n"
    "\n"
    "  -c, --config=FILE      configuration (default %s)\n"
    "      --check-config     check the configuration, say what is wrong with it, and end\n"
    "      --check-store      look for damage in the store that the configuration names, while\n"
    "                         the daemon does not run, and end\n"
    "      --repair-store     the same, and repair what is damaged\n"
    "      --validate=HANDLER try whether HANDLER (NAME or OWNER/NAME) of the configuration could\n"
    "                         deliver: connect, authenticate, send nothing; say so, and end\n"
    "      --test=HANDLER     send a test by HANDLER, say what became of it, and end; options of\n"
    "                         the test follow as NAME=VALUE (message, level, recipients, ...)\n"
    "      --raise            tell the daemon that runs of an alert: owner, resourceType,\n"
    "                         alertType, ... follow as NAME=VALUE; without, each line of standard\n"
    "                         input is a JSON object of these\n"
    "      --log-level=LEVEL  error, warning, info (default) or debug\n"
    "      --evaluator=FILE   program that runs conditions (default %s;\n"
    "                         the environment's SNMPALERTD_EVALUATOR goes before that)\n"
    "      --user=USER        started by root: run as USER (default %s)\n"
    "      --network-user=USER\n"
    "                         run what touches the network as USER (default %s, or as\n"
    "                         --user says)\n"
    "      --program-user=USER\n"
    "                         run handlers' programs, and write their logs, as USER (default\n"
    "                         %s, or as the network user)\n"
    "      --unconfined       without sandbox and filters of system calls, for valgrind and\n"
    "                         sanitizers\n"
    "      --version          print the version and end\n"
    "      --help             print this and end\n"
    "\n"
    "Exit status: 0, 64 for wrong options, 65 if the store is damaged, 66 if there is none to\n"
    "check, 67 if there is no such user, 69 if no daemon runs that could be told, 75 if it should\n"
    "be started again or the store is in use, 78 if the configuration is refused, 1 for other\n"
    "failures.\n";

enum {
    OPT_CHECK = 256,
    OPT_LEVEL,
    OPT_EVALUATOR,
    OPT_UNCONFINED,
    OPT_VERSION,
    OPT_HELP,
    OPT_STAGE,
    OPT_VERIFY,
    OPT_CHECK_STORE,
    OPT_REPAIR_STORE,
    OPT_USER,
    OPT_NETWORK_USER,
    OPT_VALIDATE,
    OPT_TEST,
    OPT_PROGRAM_USER,
    OPT_RAISE,
};

static const struct option options[] = {
    {"config", required_argument, NULL, 'c'},
    {"check-config", no_argument, NULL, OPT_CHECK},
    {"check-store", no_argument, NULL, OPT_CHECK_STORE},
    {"repair-store", no_argument, NULL, OPT_REPAIR_STORE},
    {"validate", required_argument, NULL, OPT_VALIDATE},
    {"test", required_argument, NULL, OPT_TEST},
    {"raise", no_argument, NULL, OPT_RAISE},
    {"log-level", required_argument, NULL, OPT_LEVEL},
    {"evaluator", required_argument, NULL, OPT_EVALUATOR},
    {"user", required_argument, NULL, OPT_USER},
    {"network-user", required_argument, NULL, OPT_NETWORK_USER},
    {"program-user", required_argument, NULL, OPT_PROGRAM_USER},
    {"unconfined", no_argument, NULL, OPT_UNCONFINED},
    {"version", no_argument, NULL, OPT_VERSION},
    {"help", no_argument, NULL, OPT_HELP},
    {"stage", required_argument, NULL, OPT_STAGE}, /* how the parent starts its children */
    {"verify-store", no_argument, NULL, OPT_VERIFY},
    {NULL, 0, NULL, 0},
};

static const char *const level_names[] = {"error", "warning", "info", "debug", NULL};

struct command {
    struct parent_options parent;
    enum stage_id stage;
    bool check, verify_store, check_store, repair_store, raise;
    const char *validate, *test; /* a handler */
    struct confine_names names;
    struct confine confine;
    enum log_level level;
};

static bool take_level(struct command *c, const char *name)
{
    for (unsigned i = 0; level_names[i]; i++) {
        if (!strcmp(level_names[i], name)) {
            c->level = (enum log_level)i;
            c->parent.log_level = level_names[i];
            return true;
        }
    }
    fprintf(stderr, "snmpalertd: unknown log level '%s': error, warning, info or debug\n", name);
    return false;
}

static void print_version(void)
{
    printf("snmpalertd %s (root ", PACKAGE_VERSION);
    for (size_t i = 0; i < sa_root_len; i++)
        printf("%s%u", i ? "." : "", sa_root[i]);
    printf(")\n");
}

/* -1: go on; else the exit status. */
static int take_option(struct command *c, int opt)
{
    switch (opt) {
    case 'c':
        c->parent.config_file = optarg;
        return -1;
    case OPT_CHECK:
        c->check = true;
        return -1;
    case OPT_LEVEL:
        return take_level(c, optarg) ? -1 : 64;
    case OPT_EVALUATOR:
        c->parent.evaluator = optarg;
        return -1;
    case OPT_UNCONFINED:
        c->parent.unconfined = true;
        return -1;
    case OPT_USER:
        c->names.user = optarg;
        return -1;
    case OPT_NETWORK_USER:
        c->names.network_user = optarg;
        return -1;
    case OPT_PROGRAM_USER:
        c->names.program_user = optarg;
        return -1;
    case OPT_CHECK_STORE:
        c->check_store = true;
        return -1;
    case OPT_REPAIR_STORE:
        c->repair_store = true;
        return -1;
    case OPT_VALIDATE:
        c->validate = optarg;
        return -1;
    case OPT_TEST:
        c->test = optarg;
        return -1;
    case OPT_RAISE:
        c->raise = true;
        return -1;
    case OPT_VERIFY:
        c->verify_store = true;
        return -1;
    case OPT_VERSION:
        print_version();
        return 0;
    case OPT_HELP:
        printf(usage, default_config, default_evaluator, SA_SERVICE_USER, SA_NETWORK_USER,
               SA_PROGRAM_USER);
        return 0;
    case OPT_STAGE:
        c->stage = stage_by_name(optarg);
        if (c->stage && c->stage != STAGE_EVALUATOR && c->stage != STAGE_COMPILER)
            return -1;
        fprintf(stderr, "snmpalertd: unknown stage '%s'\n", optarg);
        return 64;
    default:
        fprintf(stderr, "Try 'snmpalertd --help'.\n");
        return 64; /* EX_USAGE */
    }
}

/* 0, or the exit status. */
static int become_service(struct command *c)
{
    struct err e = {.text = ""};

    switch (confine_parent(&c->confine, &c->names, c->parent.unconfined, &e)) {
    case 0:
        c->parent.confine = &c->confine;
        return 0;
    case ERR_NOTFOUND:
        log_error(NULL, "%s", e.text);
        return EXIT_USER;
    default:
        log_error(NULL, "%s", e.text);
        return 1;
    }
}

static int check_only(const struct command *c)
{
    struct err e = {.text = ""};

    if (confine_become(&c->confine, STAGE_CHECKER, &e)) {
        fprintf(stderr, "snmpalertd: %s\n", e.text);
        return 1;
    }
    if (check_config(c->parent.config_file, c->parent.evaluator, c->parent.unconfined, &e)) {
        fprintf(stderr, "snmpalertd: %s\n", e.text);
        return EXIT_CONFIG;
    }
    printf("%s: ok\n", c->parent.config_file);
    return 0;
}

/* As who else has the store open. */
static int store_only(const struct command *c)
{
    struct err e = {.text = ""};

    if (confine_become(&c->confine, STAGE_CORE, &e)) {
        fprintf(stderr, "snmpalertd: %s\n", e.text);
        return 1;
    }
    return repair_command(c->parent.config_file, c->repair_store);
}

static int try_handler(const struct command *c, char *const *given, int n)
{
    const struct trial_command t = {.config_file = c->parent.config_file,
                                    .handler = c->test ? c->test : c->validate,
                                    .test = c->test != NULL,
                                    .options = given,
                                    .noptions = n,
                                    .confine = &c->confine,
                                    .unconfined = c->parent.unconfined};

    return trial_command(&t);
}

static int raise_alerts(const struct command *c, char *const *given, int n)
{
    const struct raise_command r = {.config_file = c->parent.config_file,
                                    .options = given,
                                    .noptions = n,
                                    .confine = &c->confine};

    return raise_command(&r);
}

static int run_stage(const struct command *c)
{
    struct stage_options o = {c->parent.evaluator, c->parent.unconfined, c->verify_store};

    prctl(PR_SET_NAME, "snmpalertd"); /* whatever name it was run by */
    return stage_main(c->stage, &o);
}

int main(int argc, char **argv)
{
    const char *evaluator = getenv("SNMPALERTD_EVALUATOR");
    char exe[PATH_MAX];
    struct command c = {
        .parent = {.evaluator = evaluator && *evaluator ? evaluator : default_evaluator,
                   .config_file = default_config,
                   .log_level = "info"},
        .level = LOG_LEVEL_INFO,
    };
    ssize_t n = readlink("/proc/self/exe", exe, sizeof exe - 1);
    int opt, status;

    while ((opt = getopt_long(argc, argv, "c:", options, NULL)) != -1) {
        status = take_option(&c, opt);
        if (status >= 0)
            return status;
    }
    if (optind < argc && !c.test && !c.raise) {
        fprintf(stderr, "snmpalertd: unexpected argument '%s'\nTry 'snmpalertd --help'.\n",
                argv[optind]);
        return 64;
    }
    if (c.check + c.check_store + c.repair_store + c.raise + !!c.validate + !!c.test > 1) {
        fprintf(stderr, "snmpalertd: only one of --check-config, --check-store, --repair-store, "
                        "--validate, --test and --raise at a time\n");
        return 64;
    }
    log_open(c.stage ? stage_name(c.stage) : "parent", c.level);
    if (c.stage)
        return run_stage(&c);
    status = become_service(&c);
    if (status)
        return status;
    if (c.check)
        return check_only(&c);
    if (c.check_store || c.repair_store)
        return store_only(&c);
    if (c.validate || c.test)
        return try_handler(&c, argv + optind, argc - optind);
    if (c.raise)
        return raise_alerts(&c, argv + optind, argc - optind);
    if (n < 0) {
        fprintf(stderr, "snmpalertd: /proc/self/exe cannot be read\n");
        return 1;
    }
    exe[n] = 0;
    c.parent.exe = exe;
    return parent_main(&c.parent);
}
