/* agenthost STORE-FOLDER AGENTX-ADDRESS < ROWS: the agent's stage in a process for the
 * tests of the MIB. Fills the store with rows, serves them through the master agent until SIGTERM;
 * with the address "-" it only keeps the store open, as a core does, for others to serve.
 *
 * A row is a line of fields divided by tabs: the table's name, the parts of its index, then
 * COLUMN=VALUE for each cell (the column's number; texts as they are, all else as integers).
 * Prints "ready" and the root OID when it serves, and "set" whenever a SET was committed or undone.
 * Its JavaScript "compiler" is a stand-in that knows what answers a real one has: a text with a '?'
 * in it does not compile, one with a '!' takes too long. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/stage.h"
#include "alerts/alarms.h"
#include "alerts/computed.h"
#include "base/log.h"
#include "daemon/kinds.h"
#include "store/store.h"

enum { LINE_MAX_LEN = 16384 };

static bool is_text(const struct sa_column *c)
{
    return c->syntax == SA_TEXT || c->syntax == SA_NAME || c->syntax == SA_NAME_OR_EMPTY ||
           c->syntax == SA_OCTETS;
}

static const struct sa_table *table_by_name(const char *name)
{
    for (size_t i = 0; i < sa_ntables; i++)
        if (!strcmp(sa_tables[i]->name, name))
            return sa_tables[i];
    return NULL;
}

static int read_key(const struct sa_table *t, char **fields, struct key *k, struct err *e)
{
    key_init(k);
    if (t->scalars) {
        key_u32(k, 0);
        return 0;
    }
    for (size_t i = 0; i < t->nindex; i++) {
        const char *part = strsep(fields, "\t");
        bool ok =
            part && (t->index[i].syntax == SA_NAME ? key_str(k, part)
                                                   : key_u32(k, (uint32_t)strtoul(part, NULL, 10)));

        if (!ok)
            return err_set(e, ERR_SYNTAX, "%s: bad index", t->name);
    }
    return 0;
}

static int set_cell(struct edit *d, const char *field, enum sa_keep keep, struct err *e)
{
    const char *value = strchr(field, '=');
    const struct sa_column *c = sa_column_by_number(d->table, (unsigned)strtoul(field, NULL, 10));

    if (!c || !value)
        return err_set(e, ERR_SYNTAX, "%s: bad cell '%s'", d->table->name, field);
    if (c->keep != keep)
        return 0;
    if (is_text(c))
        edit_text(d, c->number, value + 1, strlen(value + 1));
    else
        edit_int(d, c->number, strtoll(value + 1, NULL, 10));
    return 0;
}

/* The durable and the volatile cells of a row are written by transactions of their own. */
static int put_cells(struct txn *t, const struct sa_table *table, const struct key *k,
                     const char *fields, enum sa_keep keep, struct err *e)
{
    char *copy = strdup(fields), *rest = copy, *field;
    struct edit d;
    int err = copy ? 0 : err_set(e, ERR_NOMEM, "out of memory");

    edit_begin(&d, t, table, k);
    while (!err && (field = strsep(&rest, "\t")))
        if (*field)
            err = set_cell(&d, field, keep, e);
    if (err)
        edit_cancel(&d);
    else
        err = row_put(&d, e);
    free(copy);
    return err;
}

static bool has_volatile(const struct sa_table *t)
{
    for (size_t i = 0; i < t->ncolumns; i++)
        if (t->columns[i].keep == SA_VOLATILE)
            return true;
    return false;
}

static int put_line(struct txn *t, char *line, enum sa_keep keep, struct err *e)
{
    char *fields = line;
    const char *name = strsep(&fields, "\t");
    const struct sa_table *table = table_by_name(name);
    struct key k;
    int err;

    if (!table)
        return err_set(e, ERR_SYNTAX, "no table '%s'", name);
    if (keep == SA_DURABLE ? table->keep != SA_DURABLE : !has_volatile(table))
        return 0;
    if ((err = read_key(table, &fields, &k, e)))
        return err;
    return put_cells(t, table, &k, fields ? fields : "", keep, e);
}

static int fill(struct store *s, FILE *rows, enum sa_keep keep, struct err *e)
{
    struct txn *t = txn_begin(s, keep == SA_DURABLE ? TXN_WRITE : TXN_WRITE_SAMPLES);
    char line[LINE_MAX_LEN];
    int err = 0;

    while (!err && fgets(line, sizeof(line), rows)) {
        line[strcspn(line, "\n")] = '\0';
        if (*line)
            err = put_line(t, line, keep, e);
    }
    if (err) {
        txn_abort(t);
        return err;
    }
    return txn_commit(t, e);
}

/* What instance.c keeps up for the standard modules. */
static int list_alarms(struct store *s, struct err *e)
{
    struct txn *t = txn_begin(s, TXN_WRITE);
    int err = alarms_rebuild(t);

    if (err)
        txn_fail(t, err);
    return txn_commit(t, e);
}

static int fill_from(struct store *s, FILE *in, struct err *e)
{
    FILE *rows = tmpfile();
    char line[LINE_MAX_LEN];
    int err;

    if (!rows)
        return err_errno(e, "temporary file");
    while (fgets(line, sizeof(line), in))
        fputs(line, rows);
    rewind(rows);
    err = fill(s, rows, SA_DURABLE, e);
    rewind(rows);
    if (!err)
        err = fill(s, rows, SA_VOLATILE, e);
    fclose(rows);
    return err ? err : list_alarms(s, e);
}

static void on_set(void *arg)
{
    (void)arg;
    puts("set");
}

static int compile(void *arg, const void *text, size_t len, struct err *e)
{
    (void)arg;
    if (memchr(text, '?', len))
        return err_set(e, ERR_WRONG_VALUE, "SyntaxError: unexpected '?'");
    if (memchr(text, '!', len))
        return err_set(e, ERR_RESOURCE_UNAVAILABLE, "the compiler did not answer in time");
    return 0;
}

static void print_ready(void)
{
    printf("ready ");
    for (size_t i = 0; i < sa_root_len; i++)
        printf("%s%u", i ? "." : "", sa_root[i]);
    putchar('\n');
}

static void on_term(void *arg, int signo)
{
    (void)signo;
    loop_stop(arg, 0);
}

static int serve(struct loop *l, struct store *s, const char *address, struct err *e)
{
    struct agent_options o = {
        .loop = l,
        .store = s,
        .address = address,
        .kinds = &daemon_kinds,
        .compile = compile,
        .on_set = on_set,
    };
    struct agent *a = NULL;
    int err = computed_register(s, &daemon_kinds);

    if (!err && strcmp(address, "-"))
        err = agent_new(&a, &o, e);
    if (!err) {
        print_ready();
        err = loop_run(l);
    }
    agent_free(a);
    return err;
}

int main(int argc, char **argv)
{
    struct loop *l = loop_new();
    struct store *s = NULL;
    struct err e = {.code = 0};
    int err;

    if (argc != 3 || !l) {
        fprintf(stderr, "usage: agenthost STORE-FOLDER AGENTX-ADDRESS < ROWS\n");
        return 2;
    }
    struct store_options options = {.path = argv[1], .no_sync = true, .recover_samples = true};

    setvbuf(stdout, NULL, _IOLBF, 0);
    log_open("agenthost", LOG_LEVEL_DEBUG);
    err = store_open(&s, &options, &e);
    if (err == ERR_AGAIN) { /* beside another one, as a second agent is */
        options.recover_samples = false;
        err = store_open(&s, &options, &e);
    }
    if (err)
        goto out;
    if ((err = fill_from(s, stdin, &e)))
        goto out;
    if ((err = loop_signal(l, SIGTERM, on_term, l)))
        goto out;
    err = serve(l, s, argv[2], &e);
out:
    if (err)
        fprintf(stderr, "agenthost: %s: %s\n", err_name(err), e.text);
    store_close(s);
    loop_free(l);
    return err ? 1 : 0;
}
