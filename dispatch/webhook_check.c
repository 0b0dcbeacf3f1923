/* First the name, then the connection: one of LOOKUP and REQUEST is under way. */
#include "dispatch/webhook_check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/text.h"
#include "dispatch/webhook_kind.h"

struct webhook_check {
    struct webhook_check *next, **pprev;
    struct webhook_checks *of;
    struct job *job;
    struct webhook_aim aim;
    int64_t end_ms; /* mono */
    struct lookup *lookup;
    struct http_request *request;
};

static const char *text(const struct webhook_check *x, const char *name)
{
    return values_text(&service_handler(x->of->service)->values, webhook_kind.properties,
                       webhook_kind.nproperties, name);
}

static int64_t number(const struct webhook_check *x, const char *name)
{
    return values_number(&service_handler(x->of->service)->values, webhook_kind.properties,
                         webhook_kind.nproperties, name);
}

static void check_free(struct webhook_check *x)
{
    *x->pprev = x->next;
    if (x->next)
        x->next->pprev = x->pprev;
    resolve_cancel(x->lookup);
    http_cancel(x->request);
    explicit_bzero(&x->aim, sizeof x->aim);
    job_release(x->job);
    free(x->job);
    free(x);
}

static void finish(struct webhook_check *x, bool good, const char *words)
{
    char place[HTTP_PLACE_TEXT_MAX + 1] = "", line[HTTP_PLACE_TEXT_MAX + ERR_TEXT_MAX + 3];
    char said[256];

    if (*x->aim.place.host)
        http_place_text(&x->aim.place, place);
    snprintf(line, sizeof line, "%s%s%s", place, *place ? ": " : "", words);
    utf8_clean(said, sizeof said, line, strlen(line), false);
    service_checked(x->of->service, x->job->id, good, said);
    check_free(x);
}

/* ---- the connection ---- */

static void on_connected(void *arg, const struct http_answer *a)
{
    struct webhook_check *x = arg;
    char words[ERR_TEXT_MAX];

    x->request = NULL;
    if (a->failure) {
        finish(x, false, a->failure->text);
        return;
    }
    snprintf(words, sizeof words, "connected%s%s", *text(x, "proxy") ? " through the proxy" : "",
             !x->aim.place.tls ? " without TLS"
             : x->aim.verify   ? " with TLS and a good certificate"
                               : " with TLS, no certificate looked at");
    finish(x, true, words);
}

static int start(struct webhook_check *x, const struct address *addresses, size_t n, struct err *e)
{
    int64_t left_ms = x->end_ms - clock_mono_ms();
    struct webhook_head head;
    struct http_options o = {
        .connect_only = true,
        .url = x->aim.url,
        .proxy = text(x, "proxy"),
        .addresses = addresses,
        .naddresses = n,
        .connect_ms = (uint32_t)number(x, "connectTimeout"),
        .timeout_ms = left_ms > 0 ? (uint32_t)left_ms : 1,
        .ca_file = text(x, "caFile"),
        .verify = x->aim.verify,
    };
    int err = webhook_head_read(&head, x->of->service, x->job->uuid, NULL, x->aim.trusted, e);

    if (err)
        return err;
    o.cert_file = head.cert_file;
    o.key_file = head.key_file;
    err = http_start(&x->request, x->of->client, &o, on_connected, x, e);
    webhook_head_release(&head);
    return err;
}

static void start_or_finish(struct webhook_check *x, const struct address *addresses, size_t n)
{
    struct err e;

    if (start(x, addresses, n, &e))
        finish(x, false, e.text);
}

/* ---- the name ---- */

static void on_resolved(void *arg, int result, const struct address *addresses, size_t n,
                        const char *why)
{
    struct webhook_check *x = arg;
    char words[ERR_TEXT_MAX];

    x->lookup = NULL;
    snprintf(words, sizeof words, "cannot resolve: %s", why ? why : "");
    if (result)
        finish(x, false, words);
    else
        start_or_finish(x, addresses, n < RESOLVE_ADDRESSES_MAX ? n : RESOLVE_ADDRESSES_MAX);
}

/* X may be gone after this. */
static void look_up(struct webhook_check *x)
{
    struct http_place to = x->aim.place;
    struct address numeric;
    struct err e;

    if (*text(x, "proxy"))
        http_place(&to, text(x, "proxy"), NULL); /* the kind has checked it */
    if (address_parse(&numeric, to.host, to.port)) {
        start_or_finish(x, NULL, 0);
    } else if (resolve_start(&x->lookup, x->of->resolver, to.host, to.port, on_resolved, x, &e)) {
        x->lookup = NULL;
        finish(x, false, e.text);
    }
}

/* ---- a check ---- */

void webhook_check_start(struct webhook_checks *c, struct job *j)
{
    static const struct webhook_aim none;
    struct webhook_check *x = calloc(1, sizeof *x);
    int64_t most_ms;
    struct err e;

    if (!x) {
        service_checked(c->service, j->id, false, "out of memory");
        job_release(j);
        free(j);
        return;
    }
    *x = (struct webhook_check){.next = c->first, .pprev = &c->first, .of = c, .job = j};
    if (x->next)
        x->next->pprev = &x->next;
    c->first = x;
    most_ms = number(x, "timeout");
    x->end_ms = clock_mono_ms() + (most_ms < CHECK_MS / 2 ? most_ms : CHECK_MS / 2);
    if (j->nrecipients)
        finish(x, false, WEBHOOK_NO_RECIPIENTS);
    else if (webhook_aim(&x->aim, &none, c->service, j, &e))
        finish(x, false, e.text);
    else
        look_up(x);
}

void webhook_checks_release(struct webhook_checks *c)
{
    while (c->first)
        check_free(c->first);
}
