/* Validations and tests, whose triggers are TestAndIncr and whose results are cells of their rows.
 */
#include <stdio.h>

#include "base/clock.h"
#include "cli/change.h"
#include "cli/commands.h"

enum { POLL_MS = 100 };

struct trial {
    unsigned table;
    uint8_t columns[4]; /* the trigger, the result, its message and time */
};
enum { AT_TRIGGER, AT_RESULT };

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

static int report(const struct rows *r, const struct options *o, struct err *e)
{
    int err = print_row(r, 0, &o->print, stdout);

    if (err)
        return err_set(e, err, "cannot print: %s", err_name(err));
    if (cell(r, AT_RESULT) == CHECK_RUNNING)
        fprintf(stderr, "snmpalert: no result within %.3g s; it goes on\n", o->wait_ms / 1000.0);
    return cell(r, AT_RESULT) == CHECK_SUCCEEDED ? EXIT_FINE : EXIT_FAILED;
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
        err = report(&r, o, e);
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
