#include "dispatch/exec_kind.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dispatch/document.h"
#include "dispatch/notice_text.h"

/* ---- properties ---- */

static const struct property properties[] = {
    {.name = "program",
     .type = PROPERTY_FILE,
     .required = true,
     .help =
         "Program to run for each notice; no shell sees it or its arguments. It gets the notice "
         "as a JSON document on its standard input."},
    {.name = "timeout",
     .type = PROPERTY_DURATION,
     .min = 100,
     .max = 120 * 1000,
     .def = "5s",
     .help = "How long the program, and what it starts, may run: then all of it gets SIGTERM, and "
             "SIGKILL two seconds later."},
    {.name = "maxRunning",
     .type = PROPERTY_NUMBER,
     .min = 1,
     .max = 64,
     .def = "4",
     .help = "How many may run at a time, what a program has left behind included."},
};

static const struct property arg_properties[] = {
    {.name = "value",
     .type = PROPERTY_TEXT,
     .required = true,
     .max = PROPERTY_TEXT_DEFAULT_MAX,
     .help = "The argument as it is: nothing is put into it."},
};

static const struct child_element children[] = {
    {.name = "arg",
     .properties = arg_properties,
     .nproperties = sizeof arg_properties / sizeof *arg_properties,
     .help = "An argument of the program, in this order."},
};

const struct kind exec_kind = {
    .class_ = KIND_HANDLER,
    .name = "exec",
    .properties = properties,
    .nproperties = sizeof properties / sizeof *properties,
    .children = children,
    .nchildren = sizeof children / sizeof *children,
    .by_runner = true,
    .help = "A program that is run for each notice. Its exit status says what became of it: 0, "
            "delivered; 75, to be tried again; another, failed. Ended by a signal, or by its time, "
            "or not to be started, it is tried again. A target's recipients are in the document. "
            "snmpalertd(8) has all of it under PROGRAMS.",
};

/* ---- what it is started with ---- */

void exec_argv(const char *ret[EXEC_ARGS_MAX + 2], const struct dispatch_handler *h)
{
    size_t n = 0;

    ret[n++] = values_text(&h->values, properties, exec_kind.nproperties, "program");
    for (size_t i = 0; i < h->nchildren && n <= EXEC_ARGS_MAX; i++)
        ret[n++] =
            values_text(&h->children[i].values, arg_properties, children[0].nproperties, "value");
    ret[n] = NULL;
}

struct environment {
    struct buf *text;
    size_t at[EXEC_ENV_MAX];
    size_t n;
};

static void put(struct environment *x, const char *name, const char *value)
{
    if (x->n < EXEC_ENV_MAX)
        x->at[x->n++] = x->text->len;
    buf_printf(x->text, "%s=%s", name, value);
    buf_u8(x->text, '\0');
}

static void put_number(struct environment *x, const char *name, uint64_t n)
{
    char text[24];

    snprintf(text, sizeof text, "%" PRIu64, n);
    put(x, name, text);
}

/* Of a digest that of the newest. */
static void put_notice(struct environment *x, const struct job_event *v)
{
    const char *kind = document_kind(v->kind);

    put(x, "SNMPALERT_KIND", kind ? kind : "");
    put(x, "SNMPALERT_LEVEL", notice_level(v->level));
    put(x, "SNMPALERT_PREVIOUS_LEVEL", notice_level(v->previous_level));
    put(x, "SNMPALERT_DEFINITION_OWNER", v->owner);
    put(x, "SNMPALERT_DEFINITION", v->definition);
    put(x, "SNMPALERT_SERVICE", v->service);
    put(x, "SNMPALERT_INSTANCE", v->instance);
    put(x, "SNMPALERT_VALUE", v->value);
    put(x, "SNMPALERT_MESSAGE", v->message);
}

void exec_environment(const char *ret[EXEC_ENV_MAX + 1], struct buf *text, const struct job *j)
{
    struct environment x = {.text = text};
    const char *zone = getenv("TZ");

    put(&x, "PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
    put(&x, "LANG", "C.UTF-8");
    if (zone)
        put(&x, "TZ", zone);
    put(&x, "SNMPALERT_UUID", j->uuid);
    put(&x, "SNMPALERT_OWNER", j->target_owner);
    put(&x, "SNMPALERT_TARGET", j->target);
    put_number(&x, "SNMPALERT_NOTICES", j->nevents);
    put_notice(&x, &j->events[0]);
    for (size_t i = 0; i < x.n; i++) /* the text may have moved until now */
        ret[i] = text->err ? "" : (const char *)text->data + x.at[i];
    ret[x.n] = NULL;
}

/* ---- what its end means ---- */

static enum outcome_result result_of(const struct run_result *r)
{
    if (r->end != RUN_EXITED)
        return OUTCOME_RETRY;
    if (r->code == 0)
        return OUTCOME_DELIVERED;
    return r->code == EXEC_TEMPORARY ? OUTCOME_RETRY : OUTCOME_FAILED;
}

static void print_end(char *dst, size_t cap, const struct run_result *r, const char *program,
                      int64_t timeout_ms)
{
    switch (r->end) {
    case RUN_EXITED:
        snprintf(dst, cap, "exit status %d%s", r->code,
                 r->code == EXEC_TEMPORARY ? " (to be tried again)" : "");
        return;
    case RUN_SIGNALLED:
        snprintf(dst, cap, "ended by signal %d (%s)", r->code, strsignal(r->code));
        return;
    case RUN_TIMED_OUT:
        snprintf(dst, cap, "ended after its time of %" PRId64 " ms%s", timeout_ms,
                 r->flooded ? ", standing still for more than 1 MiB of output" : "");
        return;
    case RUN_NOT_STARTED:
        snprintf(dst, cap, "%s cannot be run: %s", program, strerror(r->code));
        return;
    case RUN_LOST:
        break;
    }
    snprintf(dst, cap, "nobody knows how it ended: its keeper was killed");
}

void exec_outcome(struct outcome *ret, char reply[256], const struct run_result *r,
                  const char *program, int64_t timeout_ms)
{
    char end[ERR_TEXT_MAX], output[256], words[sizeof end + sizeof output + 2];
    size_t len = r->len;

    while (len > 0 && (r->output[len - 1] == '\n' || r->output[len - 1] == '\r'))
        len--;
    utf8_clean(output, sizeof output, r->output, len, false);
    utf8_clean(ret->response, sizeof ret->response, r->output, len, true);
    ret->result = (uint8_t)result_of(r);
    ret->confirmation = ret->result == OUTCOME_DELIVERED ? CONFIRM_ACKNOWLEDGED : CONFIRM_NONE;
    ret->error[0] = '\0';
    if (ret->result == OUTCOME_DELIVERED) {
        memcpy(reply, output, sizeof output);
        return;
    }
    print_end(end, sizeof end, r, program, timeout_ms);
    snprintf(words, sizeof words, "%s%s%s", end, *output ? ": " : "", output);
    utf8_clean(ret->error, sizeof ret->error, words, strlen(words), false);
    memcpy(reply, ret->error, sizeof ret->error);
}
