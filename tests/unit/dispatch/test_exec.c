/* What a configuration may say of programs and logs, what a program is started with, and what its
 * end means. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/text.h"
#include "config/config.h"
#include "dispatch/exec_kind.h"
#include "dispatch/kinds.h"

/* ---- configuration ---- */

static const struct {
    const char *xml;   /* behind <exec name='x' or <log name='x' */
    const char *words; /* NULL: it is taken */
} execs[] =
    {
        {"program='/bin/true'/>", NULL},
        {"program='/bin/true' timeout='100ms' maxRunning='64'/>", NULL},
        {"program='/bin/true'><arg value='a'/><arg value='a'/><arg value=''/></exec>", NULL},
        {"/>", "needs the attribute 'program'"},
        {"program='true'/>", "absolute path"},
        {"program='/bin/true -x' timeout='0s'/>", "a duration from"},
        {"program='/bin/true' timeout='121s'/>", "a duration from"},
        {"program='/bin/true' maxRunning='0'/>", "a number from 1 to 64"},
        {"program='/bin/true' maxRunning='65'/>", "a number from 1 to 64"},
        {"program='/bin/true' args='-x'/>", "unknown attribute 'args'"},
        {"program='/bin/true' shell='true'/>", "unknown attribute 'shell'"},
        {"program='/bin/true'><arg value='y'>x</arg></exec>", "text in <arg>"},
        {"program='/bin/true'><arg/></exec>", "needs the attribute 'value'"},
        {"program='/bin/true'><env name='A' value='b'/></exec>", "unknown element <env>"},
},
  logs[] = {
      {"/>", NULL},
      {"file='/var/log/a'/>", NULL},
      {"file='/var/log/a' format='text' sync='true'/>", NULL},
      {"facility='local0' ident='alerts' socket='/run/log'/>", NULL},
      {"file='a'/>", "absolute path"},
      {"format='xml'/>", "one of json, text"},
      {"facility='kern'/>", "one of user"},
      {"file='/a' facility='user'/>", "facility is of syslog"},
      {"sync='true'/>", "sync is of files"},
      {"ident='a b'/>", "ident: expected"},
};

static void check_case(const char *kind, const char *xml, const char *words)
{
    struct config *c = NULL;
    struct err e = {.text = ""};
    char text[512];
    int n = snprintf(text, sizeof text,
                     "<snmpalertd xmlns='urn:snmpalertd:config'><store path='/s'/>"
                     "<handlers><%s name='x' %s</handlers></snmpalertd>",
                     kind, xml);
    int err = config_parse(&c, "x.xml", text, (size_t)n, &dispatch_kinds, &e);

    if (!words != !err || (words && !strstr(e.text, words)))
        fail_msg("%s: %s", xml, e.text);
    config_free(c);
}

static void what_a_configuration_may_say(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof execs / sizeof *execs; i++)
        check_case("exec", execs[i].xml, execs[i].words);
    for (size_t i = 0; i < sizeof logs / sizeof *logs; i++)
        check_case("log", logs[i].xml, logs[i].words);
}

/* Neither by SNMP for a handler, nor by a target. */
static void nobody_else_may_say_what_runs_or_where_it_goes(void **state)
{
    const char *const names[] = {"exec", "log"};

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        const struct kind *k = kind_find(&dispatch_kinds, KIND_HANDLER, names[i]);

        assert_true(k->by_runner);
        for (size_t j = 0; j < k->nproperties; j++) {
            const struct property *p = &k->properties[j];

            assert_false(p->target_may_override);
            if (strstr("program file socket", p->name)) {
                assert_int_equal(p->type, PROPERTY_FILE);
                assert_false(property_overridable(p));
            }
        }
    }
}

/* ---- what it is started with ---- */

static void add(struct dispatch_handler *h, const char *value)
{
    struct child *c = &h->children[h->nchildren++];

    c->element = &exec_kind.children[0];
    assert_int_equal(values_set(&c->values, &c->element->properties[0], value, NULL), 0);
}

static void arguments_are_in_their_order(void **state)
{
    struct dispatch_handler h = {.kind = &exec_kind};
    const char *argv[EXEC_ARGS_MAX + 2];

    (void)state;
    h.children = calloc(EXEC_ARGS_MAX + 1, sizeof *h.children);
    assert_non_null(h.children);
    assert_int_equal(values_set(&h.values, &exec_kind.properties[0], "/bin/true", NULL), 0);
    exec_argv(argv, &h);
    assert_string_equal(argv[0], "/bin/true");
    assert_null(argv[1]);
    add(&h, "b");
    add(&h, "");
    add(&h, "a");
    exec_argv(argv, &h);
    assert_string_equal(argv[1], "b");
    assert_string_equal(argv[2], "");
    assert_string_equal(argv[3], "a");
    assert_null(argv[4]);
    while (h.nchildren < EXEC_ARGS_MAX)
        add(&h, "x");
    exec_argv(argv, &h);
    assert_string_equal(argv[EXEC_ARGS_MAX], "x");
    assert_null(argv[EXEC_ARGS_MAX + 1]);
    dispatch_handler_release(&h);
}

static const char *find(const char *const *env, const char *name)
{
    size_t n = strlen(name);

    while (*env && (strncmp(*env, name, n) || (*env)[n] != '='))
        env++;
    return *env ? *env + n + 1 : NULL;
}

static void the_environment_is_the_newest_notice(void **state)
{
    struct job_event events[2] = {
        {.kind = KIND_CLEAR, .level = LEVEL_OK, .previous_level = LEVEL_WARNING, .owner = "bob"},
        {.kind = KIND_RAISE, .message = "older"}};
    struct job j = {.target_owner = "alice", .target = "ops", .events = events, .nevents = 2};
    const char *env[EXEC_ENV_MAX + 1];
    struct buf text;

    (void)state;
    memset(events[0].message, 'x', sizeof events[0].message - 1);
    memcpy(j.uuid, "11111111-2222-4333-8444-555555555555", UUID_TEXT_LEN + 1);
    buf_init(&text, 1 << 16);
    exec_environment(env, &text, &j);
    assert_int_equal(text.err, 0);
    assert_string_equal(find(env, "SNMPALERT_UUID"), j.uuid);
    assert_string_equal(find(env, "SNMPALERT_OWNER"), "alice");
    assert_string_equal(find(env, "SNMPALERT_DEFINITION_OWNER"), "bob");
    assert_string_equal(find(env, "SNMPALERT_NOTICES"), "2");
    assert_string_equal(find(env, "SNMPALERT_KIND"), "clear");
    assert_string_equal(find(env, "SNMPALERT_LEVEL"), "OK");
    assert_string_equal(find(env, "SNMPALERT_PREVIOUS_LEVEL"), "WARNING");
    assert_string_equal(find(env, "SNMPALERT_MESSAGE"), events[0].message);
    assert_string_equal(find(env, "LANG"), "C.UTF-8");
    assert_null(find(env, "HOME"));
    buf_release(&text);
    buf_init(&text, 100); /* without memory it is not used, but it ends */
    exec_environment(env, &text, &j);
    assert_int_not_equal(text.err, 0);
    assert_null(find(env, "SNMPALERT_UUID"));
    buf_release(&text);
}

/* ---- what its end means ---- */

static void its_end_decides(void **state)
{
    static const struct {
        enum run_end end;
        int code;
        bool flooded;
        enum outcome_result result;
        const char *words;
    } ends[] = {
        {RUN_EXITED, 0, false, OUTCOME_DELIVERED, ""},
        {RUN_EXITED, 0, true, OUTCOME_DELIVERED, ""},
        {RUN_EXITED, 1, false, OUTCOME_FAILED, "exit status 1: said"},
        {RUN_EXITED, 74, false, OUTCOME_FAILED, "exit status 74: said"},
        {RUN_EXITED, 75, false, OUTCOME_RETRY, "exit status 75 (to be tried again): said"},
        {RUN_SIGNALLED, 9, false, OUTCOME_RETRY, "ended by signal 9 (Killed): said"},
        {RUN_TIMED_OUT, 0, false, OUTCOME_RETRY, "ended after its time of 5000 ms: said"},
        {RUN_TIMED_OUT, 0, true, OUTCOME_RETRY,
         "ended after its time of 5000 ms, standing still for more than 1 MiB of output: said"},
        {RUN_NOT_STARTED, 2, false, OUTCOME_RETRY,
         "/bin/x cannot be run: No such file or directory: said"},
        {RUN_LOST, 0, false, OUTCOME_RETRY,
         "nobody knows how it ended: its keeper was killed: said"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        struct run_result r = {
            .end = ends[i].end, .code = ends[i].code, .flooded = ends[i].flooded, .len = 6};
        struct outcome o = {.job = 1};
        char reply[256];

        memcpy(r.output, "said\r\n", 6);
        exec_outcome(&o, reply, &r, "/bin/x", 5000);
        assert_int_equal(o.result, ends[i].result);
        assert_string_equal(o.error, ends[i].words);
        assert_string_equal(reply, *ends[i].words ? ends[i].words : "said");
        assert_int_equal(o.confirmation,
                         o.result == OUTCOME_DELIVERED ? CONFIRM_ACKNOWLEDGED : CONFIRM_NONE);
    }
}

/* Whatever it wrote, and however long its name is, an outcome can carry it. */
static void words_are_clean_and_bounded(void **state)
{
    struct run_result r = {.end = RUN_NOT_STARTED, .code = 2, .len = RUN_OUTPUT_KEPT};
    char program[1025], reply[256];
    struct outcome o = {.job = 1};

    (void)state;
    for (int octet = 0; octet < 256; octet++) {
        memset(program, 'p', sizeof program - 1);
        program[1024] = '\0';
        memcpy(program + 200, "\xc3\xbc", 2);
        memset(r.output, octet, sizeof r.output);
        r.end = octet % 2 ? RUN_EXITED : RUN_NOT_STARTED;
        exec_outcome(&o, reply, &r, program, 5000);
        assert_true(utf8_valid(o.error, strlen(o.error)) && strlen(o.error) < 256);
        assert_true(utf8_valid(reply, strlen(reply)) && strlen(reply) < 256);
        for (const char *p = o.error; *p; p++)
            assert_true((unsigned char)*p >= ' ' && *p != 127);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_a_configuration_may_say),
        cmocka_unit_test(nobody_else_may_say_what_runs_or_where_it_goes),
        cmocka_unit_test(arguments_are_in_their_order),
        cmocka_unit_test(the_environment_is_the_newest_notice),
        cmocka_unit_test(its_end_decides),
        cmocka_unit_test(words_are_clean_and_bounded),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
