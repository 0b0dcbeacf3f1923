/* The compile check, with a real evaluator: it says what is wrong and where, and runs nothing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/frame.h"
#include "eval/compile.h"
#include "eval/compiler.h"
#include "eval/protocol.h"
#include "eval/spawn.h"
#include "tests/unit/eval/world.h"

enum { DEADLINE_MS = 10000 };

static struct {
    int fd, pidfd;
    pid_t pid;
} it;

static int setup(void **state)
{
    struct err e;

    (void)state;
    signal(SIGPIPE, SIG_IGN);
    return eval_spawn(world_evaluator(), false, &it.fd, &it.pidfd, &it.pid, &e);
}

static int teardown(void **state)
{
    int status;

    (void)state;
    close(it.fd);
    close(it.pidfd);
    assert_int_equal(waitpid(it.pid, &status, 0), it.pid);
    assert_true(status == 0 || WIFSIGNALED(status)); /* not so if a sanitizer has complaints */
    return 0;
}

static const struct {
    const char *text, *error; /* error: its beginning; NULL: it compiles */
} table[] = {
    {"", NULL},
    {"_topic['a'].x > 5", NULL},
    {"for (;;);", NULL}, /* compiled, not run */
    {"throw 1", NULL},
    {"nope.nope()", NULL},
    {"var a = [1, 2, {b: /x/}];\n'\xc3\xbc'", NULL},
    {"1 +", "line 1: SyntaxError: unexpected token"},
    {"\n\nvar 5", "line 3: SyntaxError: unexpected token"},
    {"'open", "line 1: SyntaxError: "},
    {"/*", "line 1: SyntaxError: "},
    {"if (true) {\n", "line 2: SyntaxError: "},
    {"return 1", "line 1: SyntaxError: "},
    {"\"use strict\"; with (a) b", "line 1: SyntaxError: "},
    {"let x = 5", "line 1: SyntaxError: "},
};

static void what_compiles_and_what_does_not(void **state)
{
    struct err e;

    (void)state;
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        const char *error = table[i].error;
        int r = eval_compile(it.fd, table[i].text, strlen(table[i].text), DEADLINE_MS, &e);
        if (r != (error ? ERR_WRONG_VALUE : 0) || (error && strncmp(e.text, error, strlen(error))))
            fail_msg("%s\n  gives %d %s", table[i].text, r, r ? e.text : "");
    }
}

static void deep_and_long_texts_are_borne(void **state)
{
    static char text[EVAL_SCRIPT_MAX + 1];
    struct err e;

    (void)state;
    memset(text, '[', sizeof text);
    assert_int_equal(eval_compile(it.fd, text, EVAL_SCRIPT_MAX, DEADLINE_MS, &e), ERR_WRONG_VALUE);
    memset(text, '(', sizeof text);
    assert_int_equal(eval_compile(it.fd, text, EVAL_SCRIPT_MAX, DEADLINE_MS, &e), ERR_WRONG_VALUE);
    assert_int_equal(eval_compile(it.fd, text, EVAL_SCRIPT_MAX + 1, DEADLINE_MS, &e),
                     ERR_WRONG_LENGTH);
    assert_int_equal(eval_compile(it.fd, "a\0b", 3, DEADLINE_MS, &e), ERR_WRONG_VALUE);
    assert_int_equal(eval_compile(it.fd, "\n'\xff'", 4, DEADLINE_MS, &e), ERR_WRONG_VALUE);
    assert_non_null(strstr(e.text, "line 2"));
    assert_int_equal(eval_compile(it.fd, "1", 1, DEADLINE_MS, &e), 0);
}

static void a_dead_evaluator_is_no_answer(void **state)
{
    struct err e;

    (void)state;
    assert_int_equal(eval_compile(it.fd, "1", 1, DEADLINE_MS, &e), 0);
    kill(it.pid, SIGKILL);
    assert_int_equal(eval_compile(it.fd, "1", 1, DEADLINE_MS, &e), ERR_RESOURCE_UNAVAILABLE);
}

static void what_all_get_does_not_end_it(void **state)
{
    struct err e;

    (void)state;
    assert_int_equal(eval_compile(it.fd, "1", 1, DEADLINE_MS, &e), 0);
    kill(it.pid, SIGINT);
    kill(it.pid, SIGHUP);
    kill(it.pid, SIGTERM);
    assert_int_equal(eval_compile(it.fd, "1", 1, DEADLINE_MS, &e), 0);
}

static void a_late_answer_is_not_the_next_ones(void **state)
{
    struct err e;

    (void)state;
    assert_int_equal(eval_compile(it.fd, "1", 1, DEADLINE_MS, &e), 0);
    kill(it.pid, SIGSTOP);
    assert_int_equal(eval_compile(it.fd, "1 +", 3, 20, &e), ERR_RESOURCE_UNAVAILABLE);
    kill(it.pid, SIGCONT);
    assert_int_equal(eval_compile(it.fd, "1", 1, DEADLINE_MS, &e), 0);
}

static void nonsense_is_no_answer(void **state)
{
    struct err e;
    int pair[2];

    (void)state;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    assert_int_equal(frame_write(pair[1], EVAL_RESULTS, "x", 1), 0);
    assert_int_equal(eval_compile(pair[0], "1", 1, DEADLINE_MS, &e), ERR_RESOURCE_UNAVAILABLE);
    assert_int_equal(frame_write(pair[1], EVAL_COMPILED, "x", 1), 0);
    assert_int_equal(eval_compile(pair[0], "1", 1, DEADLINE_MS, &e), ERR_RESOURCE_UNAVAILABLE);
    close(pair[0]);
    close(pair[1]);
}

static void what_is_not_there_cannot_be_spawned(void **state)
{
    struct err e;
    int fd = -5, pidfd = -5;
    pid_t pid;

    (void)state;
    assert_int_equal(eval_spawn("/nonexistent/evaluator", false, &fd, &pidfd, &pid, &e),
                     ERR_NOTFOUND);
    assert_non_null(strstr(e.text, "/nonexistent/evaluator"));
    assert_int_equal(fd, -5);
}

static void a_compiler_that_is_late_is_dropped(void **state)
{
    struct compiler c;
    struct err e;

    (void)state;
    compiler_init(&c);
    assert_int_equal(compiler_check(&c, "1", 1, DEADLINE_MS, &e), ERR_RESOURCE_UNAVAILABLE);
    compiler_take(&c, dup(it.fd), dup(it.pidfd));
    assert_int_equal(compiler_check(&c, "1", 1, DEADLINE_MS, &e), 0);
    assert_int_equal(compiler_check(&c, "1 +", 3, DEADLINE_MS, &e), ERR_WRONG_VALUE);
    assert_true(compiler_there(&c));
    kill(it.pid, SIGSTOP);
    assert_int_equal(compiler_check(&c, "1", 1, 20, &e), ERR_RESOURCE_UNAVAILABLE);
    assert_false(compiler_there(&c));
    compiler_drop(&c); /* again */
}

/* It may need longer to start than a SET can wait: it is not killed for that, or none would ever
 * be there on a busy machine. */
static void a_compiler_that_starts_is_waited_for(void **state)
{
    struct compiler c;
    struct err e;
    int pair[2];

    (void)state;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    compiler_init(&c);
    compiler_take(&c, pair[0], -1);
    assert_int_equal(compiler_check(&c, "1", 1, 20, &e), ERR_RESOURCE_UNAVAILABLE);
    assert_true(compiler_there(&c));
    close(pair[1]); /* it died */
    assert_int_equal(compiler_check(&c, "1", 1, 20, &e), ERR_RESOURCE_UNAVAILABLE);
    assert_false(compiler_there(&c));
}

#define WITH_EVALUATOR(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_EVALUATOR(what_compiles_and_what_does_not),
        WITH_EVALUATOR(deep_and_long_texts_are_borne),
        WITH_EVALUATOR(a_dead_evaluator_is_no_answer),
        WITH_EVALUATOR(what_all_get_does_not_end_it),
        WITH_EVALUATOR(a_late_answer_is_not_the_next_ones),
        WITH_EVALUATOR(a_compiler_that_is_late_is_dropped),
        cmocka_unit_test(a_compiler_that_starts_is_waited_for),
        cmocka_unit_test(nonsense_is_no_answer),
        cmocka_unit_test(what_is_not_there_cannot_be_spawned),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
