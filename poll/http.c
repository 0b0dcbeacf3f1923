/* Sources of kind "http": one JSON document by GET; the topic has the source's name. */
#include "poll/feed.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/secret.h"
#include "http/url.h"

static const struct property properties[] = {
    {.name = "url",
     .type = PROPERTY_TEXT,
     .required = true,
     .transport = true,
     .min = 8,
     .max = 2048,
     .help = "Where the document is; http or https. Redirects are not followed."},
    {.name = "timeout",
     .type = PROPERTY_DURATION,
     .min = 10,
     .max = 60000,
     .def = "5s",
     .help = "Longest time for the whole exchange."},
    {.name = "maxSize",
     .type = PROPERTY_NUMBER,
     .min = 2,
     .max = POLL_JSON_MAX,
     .def = "1048576",
     .help = "Largest document in octets."},
    {.name = "username",
     .type = PROPERTY_TEXT,
     .min = 0,
     .max = 255,
     .help = "User for HTTP basic authentication."},
    {.name = "passwordFile",
     .type = PROPERTY_FILE,
     .min = 1,
     .max = 1023,
     .help = "File whose first line is the user's password; others may not read it."},
    {.name = "header",
     .type = PROPERTY_SECRET,
     .min = 0,
     .max = 2048,
     .help = "One more request header, such as \"Authorization: Bearer ...\"."},
    {.name = "verify",
     .type = PROPERTY_BOOLEAN,
     .transport = true,
     .def = "true",
     .help = "Check the server's certificate and name (https)."},
    {.name = "caFile",
     .type = PROPERTY_FILE,
     .transport = true,
     .min = 1,
     .max = 1023,
     .help = "Certificates to trust instead of the system's (PEM)."},
};
enum { NPROPERTIES = sizeof properties / sizeof *properties };

/* "Name: value"; the value may be empty, which takes the header away. */
static bool header_valid(const char *h)
{
    char name[256];
    size_t n = strcspn(h, ":");
    if (h[n] != ':' || n >= sizeof name)
        return false;
    memcpy(name, h, n);
    name[n] = 0;
    h += n + 1 + strspn(h + n + 1, " \t");
    return http_header_name_valid(name) && (!*h || http_header_value_valid(h));
}

static int check(const struct values *v, struct err *e)
{
    struct http_place place;
    const char *header = values_text(v, properties, NPROPERTIES, "header");
    const char *user = values_text(v, properties, NPROPERTIES, "username");
    const char *file = values_text(v, properties, NPROPERTIES, "passwordFile");
    if (*header && !header_valid(header))
        return err_set(e, ERR_INVALID, "'header' is not of the form \"Name: value\"");
    if (*file && !*user)
        return err_set(e, ERR_INVALID, "'passwordFile' needs a 'username'");
    return http_place(&place, values_text(v, properties, NPROPERTIES, "url"), e);
}

const struct kind poll_kind_http = {
    .class_ = KIND_SOURCE,
    .name = "http",
    .properties = properties,
    .nproperties = NPROPERTIES,
    .help = "Fetches a JSON document and publishes it as the topic of the source's name.",
    .check = check,
};

struct http {
    struct feed *feed;
    struct lookup *lookup;
    struct http_request *request;
    struct http_place place;
    char password[SECRET_MAX + 1];
};

static const char *text(const struct http *h, const char *property)
{
    return values_text(&feed_source(h->feed)->values, properties, NPROPERTIES, property);
}

static int64_t number(const struct http *h, const char *property)
{
    return values_number(&feed_source(h->feed)->values, properties, NPROPERTIES, property);
}

static void http_close(void *state)
{
    struct http *h = state;
    if (!h)
        return;
    resolve_cancel(h->lookup);
    http_cancel(h->request);
    secret_clear(h->password, sizeof h->password);
    free(h);
}

static int http_open(struct feed *f, void **ret_state, struct err *e)
{
    struct http *h = calloc(1, sizeof *h);
    if (!h)
        return err_set(e, ERR_NOMEM, "out of memory");
    h->feed = f;
    int err = check(&feed_source(f)->values, e);
    if (!err)
        err = http_place(&h->place, text(h, "url"), e);
    if (!err && *text(h, "passwordFile"))
        err = secret_read(h->password, sizeof h->password, text(h, "passwordFile"), e);
    if (err)
        http_close(h);
    else
        *ret_state = h;
    return err;
}

/* "2:10: words", as base/json.h gives it, for people. */
static void name_place(struct err *e)
{
    char words[ERR_TEXT_MAX];
    unsigned line, column;
    int at = 0;
    if (sscanf(e->text, "%u:%u: %n", &line, &column, &at) != 2 || !at)
        return;
    snprintf(words, sizeof words, "%s", e->text + at);
    err_set(e, e->code, "not JSON: line %u, column %u: %s", line, column, words);
}

static int status_error(struct err *e, int status)
{
    const char *hint = "";
    if (status >= 300 && status < 400)
        hint = " (redirects are not followed: give the final address)";
    else if (status == 401 || status == 403)
        hint = " (check username and password)";
    return err_set(e, status == 429 || status >= 500 ? ERR_TEMPORARY : ERR_PERMANENT,
                   "HTTP status %d%s", status, hint);
}

static void on_answer(void *arg, const struct http_answer *a)
{
    struct http *h = arg;
    struct err e = {0};
    h->request = NULL;
    if (a->failure)
        e = *a->failure;
    else if (a->status < 200 || a->status > 299)
        status_error(&e, a->status);
    if (e.code) {
        feed_done(h->feed, &e);
        return;
    }
    jv *document = jv_parse(a->body.data, a->body.len, &e);
    if (!document) {
        if (e.code != ERR_NOMEM)
            e.code = ERR_SYNTAX;
        name_place(&e);
        feed_done(h->feed, &e);
        return;
    }
    jv_free(document);
    feed_sample(h->feed, NULL, a->body);
    feed_done(h->feed, NULL);
}

static void fetch(struct http *h, const struct address *addresses, size_t n)
{
    struct err e = {0};
    const char *headers[] = {"Accept: application/json", text(h, "header")};
    struct http_options o = {
        .method = HTTP_GET,
        .url = text(h, "url"),
        .addresses = addresses,
        .naddresses = n,
        .timeout_ms = (uint32_t)number(h, "timeout"),
        .size_max = (size_t)number(h, "maxSize"),
        .username = text(h, "username"),
        .password = h->password,
        .headers = headers,
        .nheaders = *headers[1] ? 2 : 1,
        .ca_file = text(h, "caFile"),
        .verify = values_true(&feed_source(h->feed)->values, properties, NPROPERTIES, "verify"),
    };
    if (http_start(&h->request, feed_env(h->feed)->client, &o, on_answer, h, &e))
        feed_done(h->feed, &e);
}

static void on_resolved(void *arg, int result, const struct address *addresses, size_t n,
                        const char *why)
{
    struct http *h = arg;
    struct err e;
    h->lookup = NULL;
    if (!result) {
        fetch(h, addresses, n);
        return;
    }
    err_set(&e, result, "%s: %s", h->place.host, why);
    feed_done(h->feed, &e);
}

static void http_poll(void *state)
{
    struct http *h = state;
    struct err e = {0};
    struct address numeric;
    if (address_parse(&numeric, h->place.host, h->place.port))
        fetch(h, NULL, 0);
    else if (resolve_start(&h->lookup, feed_env(h->feed)->resolver, h->place.host, h->place.port,
                           on_resolved, h, &e))
        feed_done(h->feed, &e);
}

const struct feed_kind feed_kind_http = {
    .kind = &poll_kind_http,
    .open = http_open,
    .poll = http_poll,
    .close = http_close,
};
