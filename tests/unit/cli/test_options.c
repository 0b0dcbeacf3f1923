#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cli/options.h"

enum { WORDS = 12 };

/* Parses the words up to NULL. */
static int parse(struct options *o, struct err *e, const char *const *words)
{
    static char copies[WORDS][100];
    static char *argv[WORDS];
    int argc = 0;

    for (; words[argc]; argc++) {
        snprintf(copies[argc], sizeof(copies[argc]), "%s", words[argc]);
        argv[argc] = copies[argc];
    }
    return options_parse(o, argc, argv, e);
}
#define PARSE(o, e, ...) parse(o, e, (const char *const[]){"snmpalert", __VA_ARGS__, NULL})

static void options_stand_anywhere(void **state)
{
    struct options o;
    struct err e;

    (void)state;
    assert_int_equal(
        PARSE(&o, &e, "-a", "host:99", "list", "--json", "alerts", "-obob", "--timeout=0.5"), 0);
    assert_string_equal(o.client.agent, "host:99");
    assert_string_equal(o.owner, "bob");
    assert_true(o.print.json);
    assert_int_equal(o.client.timeout_ms, 500);
    assert_int_equal(o.nwords, 2);
    assert_string_equal(o.words[0], "list");
    assert_string_equal(o.words[1], "alerts");
}

static void dashes_divide_rows_or_end_options(void **state)
{
    struct options o;
    struct err e;

    (void)state;
    assert_int_equal(PARSE(&o, &e, "set", "group", "a", "--", "group", "b"), 0);
    assert_int_equal(o.nwords, 6);
    assert_string_equal(o.words[3], "--");
    assert_int_equal(PARSE(&o, &e, "--", "show", "group", "-x"), 0);
    assert_int_equal(o.nwords, 3);
    assert_string_equal(o.words[2], "-x");
}

static void the_environment_comes_before_the_words(void **state)
{
    struct options o;
    struct err e;

    (void)state;
    setenv("SNMPALERT_AGENT", "there", 1);
    setenv("SNMPALERT_COMMUNITY", "secret", 1);
    setenv("SNMPALERT_OWNER", "carol", 1);
    assert_int_equal(PARSE(&o, &e, "-a", "here", "status"), 0);
    assert_string_equal(o.client.agent, "here");
    assert_string_equal(o.client.community, "secret");
    assert_string_equal(options_owner(&o), "carol");
    unsetenv("SNMPALERT_AGENT");
    unsetenv("SNMPALERT_COMMUNITY");
    unsetenv("SNMPALERT_OWNER");
    assert_int_equal(PARSE(&o, &e, "status"), 0);
    assert_null(o.owner);
    assert_string_equal(options_owner(&o), "admin");
}

static void wrong_options_are_refused(void **state)
{
    static const char *const wrong[][3] = {
        {"-x", NULL},         {"--jsn", NULL},        {"--json=1", NULL},  {"-t", "0", NULL},
        {"-t", "x", NULL},    {"-t", "601", NULL},    {"-t", NULL},        {"-r", "101", NULL},
        {"-r", "-1", NULL},   {"-v", "3", NULL},      {"-a", "h:0", NULL}, {"-a", "h:65536", NULL},
        {"-a", ":161", NULL}, {"-a", "[::1]x", NULL}, {"-c", "", NULL},    {"-o", "", NULL},
        {"-o", "a\nb", NULL}, {"-t", "nan", NULL},
    };
    struct options o;
    struct err e;

    (void)state;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        assert_true(PARSE(&o, &e, wrong[i][0], wrong[i][1]) < 0);
    PARSE(&o, &e, "--jsn");
    assert_string_equal(e.text, "there is no option '--jsn'; did you mean '--json'?");
}

static void agents_have_all_forms(void **state)
{
    static const struct {
        const char *text, *host;
        uint16_t port;
    } agents[] = {{"host", "host", 161},
                  {"192.0.2.1:99", "192.0.2.1", 99},
                  {"2001:db8::1", "2001:db8::1", 161},
                  {"[2001:db8::1]", "2001:db8::1", 161},
                  {"[2001:db8::1]:99", "2001:db8::1", 99}};

    (void)state;
    for (size_t i = 0; i < sizeof(agents) / sizeof(agents[0]); i++) {
        char host[RESOLVE_NAME_MAX + 1];
        uint16_t port;

        assert_int_equal(agent_parse(agents[i].text, host, &port, NULL), 0);
        assert_string_equal(host, agents[i].host);
        assert_int_equal(port, agents[i].port);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(options_stand_anywhere),
        cmocka_unit_test(dashes_divide_rows_or_end_options),
        cmocka_unit_test(the_environment_comes_before_the_words),
        cmocka_unit_test(wrong_options_are_refused),
        cmocka_unit_test(agents_have_all_forms),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
