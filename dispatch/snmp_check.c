/* Recipients are looked at one after the other, up to the first that is bad. */
#include "dispatch/snmp_check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "dispatch/snmp_kind.h"

struct snmp_check {
    struct snmp_check *next, **pprev;
    struct snmp_checks *of;
    struct job *job;
    size_t at; /* the recipient that is looked up */
    struct lookup *lookup;
    struct session *session;     /* with it, where it is asked whether it knows our user */
    char user[USM_USER_MAX + 1]; /* whom it is asked about */
    bool encrypts;
    char found[512]; /* of it: "snmp.example.net:162 is 192.0.2.1:162" */
};

static void check_free(struct snmp_check *x)
{
    *x->pprev = x->next;
    if (x->next)
        x->next->pprev = x->pprev;
    resolve_cancel(x->lookup);
    session_close(x->session);
    job_release(x->job);
    free(x->job);
    free(x);
}

static void finish(struct snmp_check *x, bool good, const char *words)
{
    service_checked(x->of->service, x->job->id, good, words);
    check_free(x);
}

static size_t count(const struct snmp_check *x)
{
    return x->job->nrecipients ? x->job->nrecipients : 1;
}

/* What comes of it holds secrets: it is wiped by who asks. */
static int endpoint(struct snmp_check *x, struct endpoint *ret, struct err *e)
{
    const char *recipient = x->job->nrecipients ? x->job->recipients[x->at] : NULL;
    int err = snmp_endpoint(ret, x->of->service, x->job, recipient, e);

    if (err && recipient)
        err_prefix(e, "%s", recipient);
    return err;
}

static void look_up(struct snmp_check *x);

/* X may be gone after this, as after each of those below. */
static void go_on(struct snmp_check *x)
{
    session_close(x->session);
    x->session = NULL;
    if (++x->at < count(x))
        look_up(x);
    else
        finish(x, true, x->found);
}

/* ---- does the receiver know our user? ---- */

static void append(struct snmp_check *x, const char *text)
{
    size_t n = strlen(x->found);

    utf8_clean(x->found + n, sizeof x->found - n, text, strlen(text), false);
}

static void say_why_not(struct snmp_check *x, const struct engine_id *engine, int result,
                        const char *report)
{
    char words[ERR_TEXT_MAX + sizeof x->found];

    if (report)
        snprintf(words, sizeof words, "%s, which reports about user %s: %s", x->found, x->user,
                 report);
    else if (result == ERR_TIMEOUT && engine->len)
        snprintf(words, sizeof words, "%s, and answers nothing that user %s signs", x->found,
                 x->user);
    else if (result == ERR_TIMEOUT)
        snprintf(words, sizeof words, "%s, where no SNMPv3 engine answers", x->found);
    else
        snprintf(words, sizeof words, "%s: %s", x->found, err_name(result));
    finish(x, false, words);
}

static void on_proven(void *arg, int result, struct answer *a)
{
    struct snmp_check *x = arg;
    struct engine_id engine;
    char id[ENGINE_ID_TEXT_MAX], words[ENGINE_ID_TEXT_MAX + USM_USER_MAX + 64];

    session_engine(x->session, &engine);
    if (engine.len) {
        engine_id_text(&engine, id);
        snprintf(words, sizeof words, ", engine %s", id);
        append(x, words);
    }
    if (result) {
        say_why_not(x, &engine, result, a ? a->report : NULL);
        return;
    }
    snprintf(words, sizeof words, ", and knows user %s", x->user);
    append(x, words);
    if (x->encrypts && !a)
        append(x, "; if the privacy password is right only a test can show");
    go_on(x);
}

/* Traps are not answered, and are of our own engine: nobody can say who knows their user. */
static bool answers(const struct snmp_check *x)
{
    return snmp_version_of(x->of->service) == SNMP_V3 &&
           strcmp(service_text(x->of->service, x->job, "confirm"), "inform") == 0;
}

static void ask(struct snmp_check *x, const struct endpoint *to, const struct address *address)
{
    struct err e;
    int err;

    snprintf(x->user, sizeof x->user, "%s", to->user);
    x->encrypts = to->priv != USM_NO_PRIV;
    err = snmp_session(&x->session, x->of->sessions, x->of->service, to, address, &e);
    if (!err)
        err = session_prove(x->session, on_proven, x, &e);
    if (err)
        finish(x, false, e.text);
}

/* ---- where is it? ---- */

/* "192.0.2.1:162", "[2001:db8::1]:162" */
static void endpoint_text(const struct endpoint *to, char dst[HOST_MAX + 16])
{
    bool v6 = strchr(to->host, ':') != NULL;

    snprintf(dst, HOST_MAX + 16, "%s%s%s:%u", v6 ? "[" : "", to->host, v6 ? "]" : "", to->port);
}

static void on_address(struct snmp_check *x, const struct endpoint *to,
                       const struct address *address)
{
    char host[HOST_MAX + 16], words[HOST_MAX + ADDRESS_TEXT_MAX + 32], text[ADDRESS_TEXT_MAX];

    endpoint_text(to, host);
    address_text(address, text);
    snprintf(words, sizeof words, "%s is %s", host, text);
    x->found[0] = '\0';
    append(x, words);
    if (answers(x))
        ask(x, to, address);
    else
        go_on(x);
}

static void on_resolved(void *arg, int result, const struct address *addresses, size_t n,
                        const char *why)
{
    struct snmp_check *x = arg;
    char words[ERR_TEXT_MAX + HOST_MAX], host[HOST_MAX + 16];
    struct endpoint to;
    struct err e;

    x->lookup = NULL;
    if (endpoint(x, &to, &e)) {
        finish(x, false, e.text);
    } else if (result) {
        endpoint_text(&to, host);
        snprintf(words, sizeof words, "%s: %s", host, why);
        finish(x, false, words);
    } else {
        on_address(x, &to, address_choose(addresses, n, 0));
    }
    explicit_bzero(&to, sizeof to);
}

static void look_up(struct snmp_check *x)
{
    struct endpoint to;
    struct err e;
    int err = endpoint(x, &to, &e);

    if (!err)
        err = resolve_start(&x->lookup, x->of->resolver, to.host, to.port, on_resolved, x, &e);
    explicit_bzero(&to, sizeof to);
    if (err) {
        x->lookup = NULL;
        finish(x, false, e.text);
    }
}

void snmp_check_start(struct snmp_checks *c, struct job *j)
{
    struct snmp_check *x = calloc(1, sizeof *x);

    if (!x) {
        service_checked(c->service, j->id, false, "out of memory");
        job_release(j);
        free(j);
        return;
    }
    *x = (struct snmp_check){.next = c->first, .pprev = &c->first, .of = c, .job = j};
    if (x->next)
        x->next->pprev = &x->next;
    c->first = x;
    look_up(x);
}

void snmp_checks_release(struct snmp_checks *c)
{
    while (c->first)
        check_free(c->first);
}
