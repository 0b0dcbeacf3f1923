/* The exec handler. Invariants: at most maxRunning runs are there; a job is in `waiting` or with a
 * run until it is answered, and a run may be there after that, for what its program has left. So
 * many wait as will have their turn in WAIT_MOST_MS, by how long programs take now: the others go
 * back to the core, whose room is for other handlers, too. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "dispatch/dispatch.h"
#include "dispatch/document.h"
#include "dispatch/exec_kind.h"
#include "dispatch/run.h"

enum {
    WAITING_MAX = 768, /* less than CORE_RUNNER_JOBS_MAX of daemon/core.h */
    /* Well below NOTICE_LEASE_MS of alerts/notice.h, after which the core sends the job again. */
    WAIT_MOST_MS = 4 * 60 * 1000,
    FORGET = 8, /* how fast a slow program is forgotten: by an eighth with each that is faster */
    ENVIRONMENT_MAX = 16 << 10,
};

struct exec_run {
    struct exec *exec;
    struct job *job; /* NULL: answered */
    struct run *run;
    int64_t started_ms;
    struct exec_run *next;
};

struct waiting {
    struct job *job;
    struct waiting *next;
};

struct exec {
    struct service *service;
    struct exec_run *runs;
    size_t nruns, nwaiting;
    int64_t taken_ms; /* how long programs took lately */
    struct waiting *waiting, **waiting_end;
};

static int64_t number(const struct exec *x, const char *name)
{
    const struct dispatch_handler *h = service_handler(x->service);

    return values_number(&h->values, h->kind->properties, h->kind->nproperties, name);
}

static void drop(struct job *j)
{
    if (j)
        job_release(j);
    free(j);
}

static void retry(struct exec *x, struct job *j, const char *why)
{
    service_retry(x->service, j->id, why);
    drop(j);
}

/* ---- a run ---- */

static void answer(struct exec *x, const struct job *j, const struct run_result *r)
{
    static const uint8_t states[] = {[OUTCOME_DELIVERED] = NOTICE_DELIVERED,
                                     [OUTCOME_RETRY] = NOTICE_PENDING,
                                     [OUTCOME_FAILED] = NOTICE_FAILED};
    struct outcome_recipient all[JOB_RECIPIENTS_MAX];
    struct outcome o = {.job = j->id, .recipients = all, .nrecipients = j->nrecipients};
    const char *argv[EXEC_ARGS_MAX + 2];
    char reply[256];

    exec_argv(argv, service_handler(x->service));
    exec_outcome(&o, reply, r, argv[0], number(x, "timeout"));
    for (size_t i = 0; i < j->nrecipients; i++) {
        all[i].state = states[o.result];
        snprintf(all[i].address, sizeof all[i].address, "%s", j->recipients[i]);
        memcpy(all[i].reply, reply, sizeof reply);
    }
    service_done(x->service, &o);
}

static void on_result(void *arg, const struct run_result *r)
{
    struct exec_run *e = arg;

    answer(e->exec, e->job, r);
    drop(e->job);
    e->job = NULL;
}

/* ---- how many may wait ---- */

static void note_time(struct exec *x, int64_t ms)
{
    x->taken_ms = ms > x->taken_ms ? ms : x->taken_ms - (x->taken_ms - ms) / FORGET;
}

/* How long a program takes now, also if none has ended yet. */
static int64_t expected_ms(const struct exec *x)
{
    int64_t now = clock_mono_ms(), most = x->taken_ms > 0 ? x->taken_ms : 1;

    for (const struct exec_run *e = x->runs; e; e = e->next)
        most = now - e->started_ms > most ? now - e->started_ms : most;
    return most;
}

static size_t most_waiting(const struct exec *x)
{
    int64_t most = number(x, "maxRunning") * WAIT_MOST_MS / expected_ms(x);

    return most < 1 ? 1 : most < WAITING_MAX ? (size_t)most : WAITING_MAX;
}

static const char too_many[] = "too many notices wait for their turn with this program";

static void start_waiting(struct exec *x);
static void shed(struct exec *x);

static void run_remove(struct exec_run *e)
{
    struct exec_run **p = &e->exec->runs;

    while (*p != e)
        p = &(*p)->next;
    *p = e->next;
    e->exec->nruns--;
    free(e);
}

static void on_end(void *arg)
{
    struct exec_run *e = arg;
    struct exec *x = e->exec;

    note_time(x, clock_mono_ms() - e->started_ms);
    run_remove(e);
    start_waiting(x);
    shed(x);
}

static int start_program(struct exec_run *e, struct buf *document, struct buf *text,
                         struct err *why)
{
    const struct exec *x = e->exec;
    const struct run_calls calls = {on_result, on_end, e};
    const char *argv[EXEC_ARGS_MAX + 2], *envp[EXEC_ENV_MAX + 1];
    struct run_options o = {argv, envp, NULL, 0, number(x, "timeout")};

    document_write(e->job, document);
    buf_u8(document, '\n');
    exec_argv(argv, service_handler(x->service));
    exec_environment(envp, text, e->job);
    if (document->err || text->err)
        return err_set(why, ERR_NOMEM, "out of memory");
    o.input = document->data;
    o.len = document->len;
    return run_start(&e->run, service_loop(x->service), &o, &calls, why);
}

static void start(struct exec *x, struct job *j)
{
    struct exec_run *e = calloc(1, sizeof *e);
    struct buf document, text;
    struct err why;

    if (!e) {
        retry(x, j, "out of memory");
        return;
    }
    *e = (struct exec_run){.exec = x, .job = j, .started_ms = clock_mono_ms(), .next = x->runs};
    buf_init(&document, DOCUMENT_MAX);
    buf_init(&text, ENVIRONMENT_MAX);
    if (start_program(e, &document, &text, &why)) {
        free(e);
        retry(x, j, why.text);
    } else {
        x->runs = e;
        x->nruns++;
    }
    buf_release(&text);
    buf_release(&document);
}

/* ---- waiting ---- */

static struct job *take_waiting(struct exec *x, struct waiting **slot)
{
    struct waiting *w = *slot;
    struct job *j = w->job;

    *slot = w->next;
    if (!w->next)
        x->waiting_end = slot;
    x->nwaiting--;
    free(w);
    return j;
}

static void start_waiting(struct exec *x)
{
    while (x->waiting && x->nruns < (size_t)number(x, "maxRunning"))
        start(x, take_waiting(x, &x->waiting));
}

/* Those that came last go back. */
static void shed(struct exec *x)
{
    size_t most = most_waiting(x);
    struct waiting **p = &x->waiting;

    for (size_t i = 0; i < most && *p; i++)
        p = &(*p)->next;
    while (*p)
        retry(x, take_waiting(x, p), too_many);
}

static void wait_for_turn(struct exec *x, struct job *j)
{
    struct waiting *w = x->nwaiting < most_waiting(x) ? malloc(sizeof *w) : NULL;

    if (!w) {
        retry(x, j, too_many);
        return;
    }
    *w = (struct waiting){j, NULL};
    *x->waiting_end = w;
    x->waiting_end = &w->next;
    x->nwaiting++;
}

/* ---- the kind ---- */

static void exec_deliver(void *state, struct job *j)
{
    struct exec *x = state;

    if (x->nruns < (size_t)number(x, "maxRunning"))
        start(x, j);
    else
        wait_for_turn(x, j);
}

static void exec_cancel(void *state, uint64_t job)
{
    struct exec *x = state;
    struct waiting **p = &x->waiting;

    while (*p && (*p)->job->id != job)
        p = &(*p)->next;
    if (*p)
        retry(x, take_waiting(x, p), "cancelled");
}

/* A file that may be run: what it does with a notice only a test can show. */
static int check_program(const char *path, struct err *e)
{
    struct stat st;

    if (stat(path, &st))
        return err_errno(e, "%s", path);
    if (!S_ISREG(st.st_mode))
        return err_set(e, ERR_INVALID, "%s is no regular file", path);
    return faccessat(AT_FDCWD, path, X_OK, AT_EACCESS) ? err_errno(e, "%s", path) : 0;
}

static void exec_validate(void *state, struct job *j)
{
    struct exec *x = state;
    const char *argv[EXEC_ARGS_MAX + 2];
    struct err e = {.text = ""};
    int err;

    exec_argv(argv, service_handler(x->service));
    err = check_program(argv[0], &e);
    if (!err)
        err_set(&e, 0, "%s can be run", argv[0]);
    service_checked(x->service, j->id, !err, e.text);
    drop(j);
}

/* The dispatcher answers the jobs. */
static void exec_close(void *state)
{
    struct exec *x = state;

    while (x->waiting)
        drop(take_waiting(x, &x->waiting));
    while (x->runs) {
        run_stop(x->runs->run);
        drop(x->runs->job);
        run_remove(x->runs);
    }
    free(x);
}

static int exec_open(struct service *s, void **ret_state, struct err *e)
{
    struct exec *x = calloc(1, sizeof *x);

    if (!x)
        return err_set(e, ERR_NOMEM, "out of memory");
    x->service = s;
    x->waiting_end = &x->waiting;
    run_prepare();
    *ret_state = x;
    return 0;
}

const struct dispatch_kind dispatch_kind_exec = {
    .kind = &exec_kind,
    .open = exec_open,
    .close = exec_close,
    .deliver = exec_deliver,
    .cancel = exec_cancel,
    .validate = exec_validate,
};
