/* Validations, tests and trials, whose triggers are TestAndIncr and whose results are cells of
 * their rows. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "cli/change.h"
#include "cli/commands.h"

enum { POLL_MS = 100 };

struct trial {
    unsigned table;
    uint8_t columns[4]; /* the trigger, the result, its message and time */
};
enum { AT_TRIGGER, AT_RESULT };
_Static_assert((int)CHECK_RUNNING == (int)TRIAL_RUNNING, "both are waited for alike");

static const struct trial validate_handler = {
    SA_HANDLER, {HANDLER_VALIDATE, HANDLER_CHECK, HANDLER_CHECK_MESSAGE, HANDLER_CHECK_TIME}};
static const struct trial test_handler = {
    SA_HANDLER, {HANDLER_TEST, HANDLER_CHECK, HANDLER_CHECK_MESSAGE, HANDLER_CHECK_TIME}};
static const struct trial validate_target = {
    SA_TARGET, {TARGET_VALIDATE, TARGET_CHECK, TARGET_CHECK_MESSAGE, TARGET_CHECK_TIME}};

static int64_t cell(const struct rows *r, size_t at)
{
    return r->items[0].cells[at].number;
}

static int wait_result(struct rows *r, const struct options *o, struct client *c,
                       const struct objid *index, struct err *e)
{
    int64_t end = clock_mono_ms() + o->wait_ms;
    int err;

    for (;;) {
        rows_release(r);
        err = rows_get(r, c, index, e);
        if (err || cell(r, AT_RESULT) != CHECK_RUNNING || clock_mono_ms() >= end)
            return err;
        client_wait(c, POLL_MS);
    }
}

/* GOOD: that is what was hoped for. LEFT: what becomes of it when it has not ended. */
static int report(const struct rows *r, const struct options *o, bool good, const char *left,
                  struct err *e)
{
    int err = print_row(r, 0, &o->print, stdout);

    if (err)
        return err_set(e, err, "cannot print: %s", err_name(err));
    if (cell(r, AT_RESULT) == CHECK_RUNNING)
        fprintf(stderr, "snmpalert: no result within %.3g s; %s\n", o->wait_ms / 1000.0, left);
    return good ? EXIT_FINE : EXIT_FAILED;
}

static int run(const struct trial *x, struct options *o, struct client *c, const char *const *words,
               size_t n, struct err *e)
{
    const struct sa_table *t = sa_table_by_id(x->table);
    struct objid index = {0};
    struct rows r;
    int err = index_append(&index, t, words, n, options_owner(o), e);

    if (err)
        return err;
    rows_init(&r, t);
    rows_choose(&r, x->columns, sizeof x->columns);
    err = rows_get(&r, c, &index, e);
    if (err == ERR_NOTFOUND)
        err = err_set(e, err, "there is no such row of %s: %s", t->name, words[n - 1]);
    if (!err)
        err =
            change_cell(o, c, x->table, x->columns[AT_TRIGGER], cell(&r, AT_TRIGGER), words, n, e);
    if (!err)
        err = wait_result(&r, o, c, &index, e);
    if (!err)
        err = report(&r, o, cell(&r, AT_RESULT) == CHECK_SUCCEEDED, "it goes on", e);
    rows_release(&r);
    return err;
}

int command_validate(struct options *o, struct client *c, const char *const *words, size_t n,
                     struct err *e)
{
    const struct sa_table *t;
    int err = table_find(&t, words[0], e);

    if (err)
        return err;
    if (t->id != SA_HANDLER && t->id != SA_TARGET)
        return err_set(e, ERR_INVALID, "a handler or a target is validated, no row of %s", t->name);
    return run(t->id == SA_TARGET ? &validate_target : &validate_handler, o, c, words + 1, n - 1,
               e);
}

int command_try(struct options *o, struct client *c, const char *const *words, size_t n,
                struct err *e)
{
    return run(&test_handler, o, c, words, n, e);
}

/* ---- a condition ---- */

static const uint8_t trial_columns[] = {
    TRIAL_RUN,   TRIAL_STATE,      TRIAL_OUTCOME, TRIAL_LEVEL,  TRIAL_VALUE, TRIAL_MESSAGE,
    TRIAL_ERROR, TRIAL_ERROR_LINE, TRIAL_TOPICS,  TRIAL_MISSED, TRIAL_COST};
enum { AT_OUTCOME = 2 };

/* What the row named by WORDS, which runs, came to. */
static int report_trial(struct options *o, struct client *c, const char *const *words,
                        struct err *e)
{
    const struct sa_table *t = sa_table_by_id(SA_TRIAL);
    struct objid index = {0};
    struct rows r;
    int err = index_append(&index, t, words, 2, options_owner(o), e);

    if (err)
        return err;
    rows_init(&r, t);
    rows_choose(&r, trial_columns, sizeof trial_columns);
    err = wait_result(&r, o, c, &index, e);
    if (!err)
        err =
            report(&r, o, cell(&r, AT_RESULT) == TRIAL_DONE && cell(&r, AT_OUTCOME) != ANSWER_ERROR,
                   "it is given up", e);
    rows_release(&r);
    return err;
}

/* By a row of our own, which goes with us. */
int command_evaluate(struct options *o, struct client *c, const char *const *words, size_t n,
                     struct err *e)
{
    char name[33], condition[sizeof "condition=" + SA_CELL_MAX];
    const char *row[] = {"trial", n > 1 ? words[0] : options_owner(o), name, condition, "run=0"};
    struct err gone;
    int err, status;

    if (strlen(words[n - 1]) > SA_CELL_MAX)
        return err_set(e, ERR_INVALID, "the condition is longer than %d octets: make it a script",
                       SA_CELL_MAX);
    snprintf(name, sizeof name, "snmpalert-%ld", (long)getpid());
    snprintf(condition, sizeof condition, "condition=%s", words[n - 1]);
    err = command_set(o, c, row, 5, e);
    if (err)
        return err;
    status = report_trial(o, c, row + 1, e);
    err = command_delete(o, c, row, 3, &gone);
    if (err < 0 && status >= 0) {
        *e = gone;
        return err;
    }
    return status;
}
