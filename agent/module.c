/* Invariants: the table is registered only while the store is open; the store is open only while
 * the core that had it when it was opened still has it. Everything happens in a tick, from snmpd's
 * main loop, or within the handler of agent/table.c. */
#include "agent/module.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#include <net-snmp/net-snmp-config.h>
#include <net-snmp/net-snmp-includes.h>
#include <net-snmp/agent/net-snmp-agent-includes.h>

#include "agent/standard.h"
#include "agent/table.h"
#include "alerts/checks.h"
#include "alerts/computed.h"
#include "base/clock.h"
#include "base/log.h"
#include "dispatch/kinds.h"
#include "eval/compiler.h"
#include "eval/spawn.h"

enum {
    TICK_MS = 1000,
    FIRST_TICK_MS = 10,
    CONTEXTS_A_TICK = 64,
    REAP_MS = 500, /* at the end, for one that was killed */
    PATH_MAX_LEN = 1024,
    WORDS_MAX = 2 * ERR_TEXT_MAX,
};

static const char default_store[] = "/var/lib/snmpalertd";
static const char default_evaluator[] = SA_LIBEXECDIR "/snmpalertd-evaluator";

static struct guest {
    char store_path[PATH_MAX_LEN + 1], evaluator[PATH_MAX_LEN + 1]; /* "": the default */
    unsigned alarm;                                                 /* 0: not loaded */
    struct agent_table *table;
    struct agent_standard *standard; /* NULL: not served */
    bool no_standard;                /* snmpalertStandard no */
    struct checks checks;
    struct store *store; /* NULL: not open */
    pid_t core;          /* who had it then */
    bool served;         /* registered, and told */
    bool damaged;
    struct compiler compiler;
    pid_t compiler_pid; /* to be reaped, 0: none */
    char told[2][WORDS_MAX];
} m;

/* ---- words ---------------------------------------------------------------------------------- */

/* What came from elsewhere (a file's name, say) ends no line of the log. */
static void to_snmpd_log(enum log_level level, const char *object, unsigned left_out,
                         const char *message)
{
    static const int priorities[] = {LOG_ERR, LOG_WARNING, LOG_INFO, LOG_DEBUG};
    char text[WORDS_MAX], more[32] = "";

    snprintf(text, sizeof text, "%s", message);
    for (char *p = text; *p; p++)
        if ((unsigned char)*p < ' ')
            *p = '?';
    if (left_out)
        snprintf(more, sizeof more, " (and %u more)", left_out);
    snmp_log(priorities[level], "snmpalert: %s%s%s%s\n", object ? object : "", object ? ": " : "",
             text, more);
}

/* Of what is tried again every second is told what has changed. TOPICS have nothing to do with each
 * other. */
enum topic { ABOUT_STORE, ABOUT_EVALUATOR };

static void say(enum topic topic, enum log_level level, const char *text)
{
    char *told = m.told[topic];

    if (!strcmp(told, text))
        return;
    snprintf(told, WORDS_MAX, "%s", text);
    if (*text)
        log_line(level, NULL, "%s", text);
}

/* ---- snmpd.conf ----------------------------------------------------------------------------- */

static const char *store_path(void)
{
    return *m.store_path ? m.store_path : default_store;
}

static const char *evaluator_path(void)
{
    return *m.evaluator ? m.evaluator : default_evaluator;
}

static void parse_path(const char *token, char *line, char dst[PATH_MAX_LEN + 1])
{
    char path[PATH_MAX_LEN + 1];

    if (strlen(line) > PATH_MAX_LEN)
        netsnmp_config_error("%s: more than %d octets", token, PATH_MAX_LEN);
    else if (copy_nword(line, path, sizeof path))
        netsnmp_config_error("%s: one path is expected, not '%s'", token, line);
    else if (path[0] != '/')
        netsnmp_config_error("%s: an absolute path is expected, not '%s'", token, path);
    else
        memcpy(dst, path, sizeof path);
}

static void parse_store(const char *token, char *line)
{
    parse_path(token, line, m.store_path);
}

static void parse_evaluator(const char *token, char *line)
{
    parse_path(token, line, m.evaluator);
}

static void parse_standard(const char *token, char *line)
{
    if (!strcmp(line, "yes") || !strcmp(line, "no"))
        m.no_standard = !strcmp(line, "no");
    else
        netsnmp_config_error("%s: yes or no is expected, not '%s'", token, line);
}

static void forget_standard(void)
{
    m.no_standard = false;
}

static void forget_store(void)
{
    m.store_path[0] = '\0';
}

static void forget_evaluator(void)
{
    m.evaluator[0] = '\0';
}

static const struct {
    const char *token, *help;
    void (*parse)(const char *token, char *line);
    void (*forget)(void); /* before snmpd reads its configuration anew */
} tokens[] = {
    {"snmpalertStore", "PATH", parse_store, forget_store},
    {"snmpalertEvaluator", "PATH", parse_evaluator, forget_evaluator},
    {"snmpalertStandard", "yes|no", parse_standard, forget_standard},
};

/* ---- the compiler --------------------------------------------------------------------------- */

static int compile(void *arg, const void *text, size_t len, struct err *e)
{
    (void)arg;
    return compiler_check(&m.compiler, text, len, COMPILER_DEADLINE_MS, e);
}

/* Nobody else waits for it: snmpd waits for its own children by their numbers, and gets no SIGCHLD
 * from us that it has not asked for. */
static void reap_compiler(void)
{
    if (!m.compiler_pid || !waitpid(m.compiler_pid, NULL, WNOHANG))
        return;
    m.compiler_pid = 0;
    compiler_drop(&m.compiler);
}

static void start_compiler(void)
{
    struct err e = {.text = ""};
    char text[WORDS_MAX];
    int fd, pidfd;

    if (m.compiler_pid)
        return;
    if (eval_spawn(evaluator_path(), false, &fd, &pidfd, &m.compiler_pid, &e)) {
        m.compiler_pid = 0;
        snprintf(text, sizeof text, "snmpalertEvaluator: no JavaScript can be SET: %s", e.text);
        say(ABOUT_EVALUATOR, LOG_LEVEL_ERROR, text);
        return;
    }
    compiler_take(&m.compiler, fd, pidfd);
    say(ABOUT_EVALUATOR, LOG_LEVEL_INFO, "");
}

static void stop_compiler(void)
{
    int64_t end = clock_mono_ms() + REAP_MS;

    compiler_drop(&m.compiler);
    for (reap_compiler(); m.compiler_pid && clock_mono_ms() < end; reap_compiler())
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    m.compiler_pid = 0;
}

/* ---- the store ------------------------------------------------------------------------------ */

/* From within a transaction: the store is closed at the next tick. */
static void on_damage(void *arg, int code, const char *words)
{
    (void)arg, (void)code;
    log_error("snmpalertStore", "%s", words);
    m.damaged = true;
}

static void close_store(void)
{
    agent_standard_free(m.standard);
    m.standard = NULL;
    agent_table_unregister(m.table);
    agent_table_set_store(m.table, NULL);
    store_close(m.store);
    m.store = NULL;
    m.served = m.damaged = false;
}

static int open_store(struct err *e)
{
    const struct store_options o = {.path = store_path(), .join = true};
    int err = store_open(&m.store, &o, e);

    if (err)
        return err;
    store_on_fatal(m.store, on_damage, NULL);
    err = checks_register(m.store, &m.checks);
    if (!err)
        err = computed_register(m.store, &dispatch_kinds);
    if (err) {
        close_store();
        return err_set(e, err, "%s", err_name(err));
    }
    agent_table_set_store(m.table, m.store);
    return 0;
}

/* Is the root anybody's? (To try, and be refused, is a line in snmpd's log each time.) */
static bool is_taken(void)
{
    oid root[MAX_OID_LEN];
    const netsnmp_subtree *t;

    for (size_t i = 0; i < sa_root_len; i++)
        root[i] = sa_root[i];
    t = netsnmp_subtree_find(root, sa_root_len, NULL, "");
    return t && !snmp_oid_compare(t->name_a, t->namelen, root, sa_root_len);
}

/* What another one serves is left to it: it is said, and asked for again with the next core. */
static void register_standard(void)
{
    const struct agent_standard_options o = {.store = m.store};
    struct err e;

    if (m.standard || m.no_standard)
        return;
    if (agent_standard_new(&m.standard, &o, &e) || agent_standard_register(m.standard, &e))
        log_error(NULL, "%s", e.text);
}

/* Contexts of owners: inside snmpd each is a call, and no wait for anybody. */
static void follow_owners(void)
{
    int n = 0;

    while (n < CONTEXTS_A_TICK && agent_table_follow(m.table) == 0)
        n++;
    while (m.standard && n < CONTEXTS_A_TICK && agent_standard_follow(m.standard))
        n++;
}

static void register_table(void)
{
    static const char refused[] =
        "the root OID is registered already, by the agent process of snmpalertd? With "
        "<agentx enabled=\"no\"/> in its configuration this module serves";
    struct err e;

    if (is_taken() || agent_table_register(m.table, &e)) {
        say(ABOUT_STORE, LOG_LEVEL_ERROR, refused);
        return;
    }
    say(ABOUT_STORE, LOG_LEVEL_INFO, "");
    if (m.served)
        log_warning(NULL, "registers anew: a subagent has unregistered it");
    else
        log_info(NULL, "serves the store %s", store_path());
    m.served = true;
}

/* A core that is starting is no news. */
static void cannot(int err, const struct err *e)
{
    char text[WORDS_MAX];

    if (err == ERR_AGAIN)
        return;
    snprintf(text, sizeof text, "snmpalertStore: %s%s", e->text,
             err == ERR_DENIED ? " (snmpalertd(8), section SNMPD MODULE, has what it takes)" : "");
    say(ABOUT_STORE, err == ERR_NOTFOUND ? LOG_LEVEL_WARNING : LOG_LEVEL_ERROR, text);
}

static void follow_store(void)
{
    struct err e = {.text = ""};
    pid_t core = 0;
    int err = store_core(store_path(), &core, &e);

    if (m.store && (err || core != m.core || m.damaged)) {
        close_store();
        log_info(NULL, "has closed the store %s", store_path());
    }
    if (!err && !m.store) {
        err = open_store(&e);
        m.core = core;
    }
    if (err)
        cannot(err, &e);
    else if (!agent_table_registered(m.table))
        register_table();
    if (m.store && m.served) {
        register_standard();
        follow_owners();
    }
}

/* ---- life ----------------------------------------------------------------------------------- */

static void tick(unsigned alarm, void *arg);

/* snmpd runs alarms from its main loop (init_agent() has turned SIGALRM off for that). */
static void tick_in(int ms)
{
    struct timeval wait = {ms / 1000, ms % 1000 * 1000};

    m.alarm = snmp_alarm_register_hr(wait, 0, tick, NULL);
}

static void tick(unsigned alarm, void *arg)
{
    (void)alarm, (void)arg;
    tick_in(TICK_MS);
    follow_store();
    reap_compiler();
    if (m.store && !compiler_there(&m.compiler))
        start_compiler();
    log_repeats(false);
}

__attribute__((visibility("default"))) void init_snmpalert(void)
{
    const struct agent_table_options o = {.store = NULL};
    struct err e = {.text = ""};

    log_divert(to_snmpd_log);
    if (m.alarm) {
        log_error(NULL, "is loaded already");
        return;
    }
    memset(&m, 0, sizeof m);
    compiler_init(&m.compiler);
    m.checks = (struct checks){.kinds = &dispatch_kinds, .compile = compile};
    if (agent_table_new(&m.table, &o, &e)) {
        log_error(NULL, "%s", e.text);
        return;
    }
    for (size_t i = 0; i < sizeof tokens / sizeof *tokens; i++)
        snmpd_register_config_handler(tokens[i].token, tokens[i].parse, tokens[i].forget,
                                      tokens[i].help);
    tick_in(FIRST_TICK_MS);
}

/* The tokens stay with snmpd, which is going through their list when it calls this; so this file
 * stays in memory (-z nodelete). */
__attribute__((visibility("default"))) void deinit_snmpalert(void)
{
    if (!m.alarm)
        return;
    snmp_alarm_unregister(m.alarm);
    m.alarm = 0;
    if (m.store)
        close_store();
    agent_table_free(m.table);
    m.table = NULL;
    stop_compiler();
    log_repeats(true);
}
