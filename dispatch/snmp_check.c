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
    char found[256]; /* of the last: "snmp.example.net:162 is 192.0.2.1:162" */
};

static void check_free(struct snmp_check *x)
{
    *x->pprev = x->next;
    if (x->next)
        x->next->pprev = x->pprev;
    resolve_cancel(x->lookup);
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

static int endpoint(struct snmp_check *x, struct endpoint *ret, struct err *e)
{
    const char *recipient = x->job->nrecipients ? x->job->recipients[x->at] : NULL;
    int err = snmp_endpoint(ret, x->of->service, x->job, recipient, e);

    explicit_bzero(ret->community, sizeof ret->community);
    explicit_bzero(ret->auth_password, sizeof ret->auth_password);
    explicit_bzero(ret->priv_password, sizeof ret->priv_password);
    if (err && recipient)
        err_prefix(e, "%s", recipient);
    return err;
}

static void look_up(struct snmp_check *x);

static void on_resolved(void *arg, int result, const struct address *addresses, size_t n,
                        const char *why)
{
    struct snmp_check *x = arg;
    char words[ERR_TEXT_MAX + HOST_MAX], host[HOST_MAX + 16], address[ADDRESS_TEXT_MAX];
    struct endpoint to;
    struct err e;
    bool v6;

    x->lookup = NULL;
    if (endpoint(x, &to, &e)) {
        finish(x, false, e.text);
        return;
    }
    v6 = strchr(to.host, ':') != NULL;
    snprintf(host, sizeof host, "%s%s%s:%u", v6 ? "[" : "", to.host, v6 ? "]" : "", to.port);
    if (result) {
        snprintf(words, sizeof words, "%s: %s", host, why);
        finish(x, false, words);
        return;
    }
    address_text(address_choose(addresses, n, 0), address);
    snprintf(words, sizeof words, "%s is %s", host, address);
    utf8_clean(x->found, sizeof x->found, words, strlen(words), false);
    if (++x->at < count(x))
        look_up(x);
    else
        finish(x, true, x->found);
}

/* X may be gone after this. */
static void look_up(struct snmp_check *x)
{
    struct endpoint to;
    struct err e;
    int err = endpoint(x, &to, &e);

    if (!err)
        err = resolve_start(&x->lookup, x->of->resolver, to.host, to.port, on_resolved, x, &e);
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
