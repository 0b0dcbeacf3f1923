#include "dispatch/webhook_kind.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "dispatch/webhook_body.h"

#define COUNT(a) (sizeof(a) / sizeof *(a))

/* ---- properties ---- */

static const char *const methods[] = {"POST", "PUT", NULL};
static const enum http_method method_of[] = {HTTP_POST, HTTP_PUT};

static const struct property properties[] = {
    {.name = "url",
     .type = PROPERTY_TEXT,
     .target_may_override = true,
     .transport = true,
     .min = 8,
     .max = HTTP_URL_MAX,
     .help =
         "Where notices are sent to, unless there is a urlFile: http or https, without user and "
         "password."},
    {.name = "urlFile",
     .type = PROPERTY_FILE,
     .help = "File whose first line is the URL, where that is a secret (as chat services have it); "
             "other users must not be able to read it."},
    {.name = "method",
     .type = PROPERTY_ENUM,
     .target_may_override = true,
     .def = "POST",
     .names = methods,
     .help = "Method of the requests."},
    {.name = "body",
     .type = PROPERTY_TEMPLATE,
     .place = TEMPLATE_JSON,
     .target_may_override = true,
     .help =
         "What they carry, as JSON; without it a document with all that is known of each event. "
         "A target that gathers sends one request for several events, of which "
         "${#events|,}...${/events} tells each, and names outside of it the worst."},
    {.name = "text",
     .type = PROPERTY_TEMPLATE,
     .place = TEMPLATE_TEXT,
     .target_may_override = true,
     .help = "The same as plain text, instead of a body."},
    {.name = "form",
     .type = PROPERTY_TEMPLATE,
     .place = TEMPLATE_FORM,
     .target_may_override = true,
     .help = "The same as a form's fields, such as to=bob&text=${message}."},
    {.name = "contentType",
     .type = PROPERTY_TEXT,
     .min = 3,
     .max = 255,
     .help = "Media type of what they carry: application/json or one that ends with +json, "
             "text/plain of a text, application/x-www-form-urlencoded of a form; without it "
             "application/json, text/plain in UTF-8, or the last."},
    {.name = "username",
     .type = PROPERTY_TEXT,
     .min = 1,
     .max = 255,
     .help = "User for HTTP basic authentication."},
    {.name = "passwordFile",
     .type = PROPERTY_FILE,
     .help = "File whose first line is the user's password; other users must not be able to read "
             "it."},
    {.name = "verify",
     .type = PROPERTY_BOOLEAN,
     .target_may_override = true,
     .transport = true,
     .def = "true",
     .help = "Whether the server's certificate must be good and name the host (https)."},
    {.name = "caFile",
     .type = PROPERTY_FILE,
     .transport = true,
     .help = "Certificates (PEM) to trust instead of the system's."},
    {.name = "certFile",
     .type = PROPERTY_FILE,
     .help = "Certificate (PEM) to show to servers that ask for one."},
    {.name = "keyFile",
     .type = PROPERTY_FILE,
     .help =
         "Its private key (PEM), unless it is in certFile, too; other users must not be able to "
         "read it."},
    {.name = "proxy",
     .type = PROPERTY_TEXT,
     .transport = true,
     .min = 8,
     .max = 300,
     .help = "Proxy to go through, such as http://proxy.example.net:3128; the environment's is not "
             "looked at."},
    {.name = "connectTimeout",
     .type = PROPERTY_DURATION,
     .min = 100,
     .max = 60 * 1000,
     .def = "5s",
     .help = "Longest time to connect, with TLS."},
    {.name = "timeout",
     .type = PROPERTY_DURATION,
     .min = 100,
     .max = 120 * 1000,
     .def = "10s",
     .help = "Longest time for the whole exchange, redirects included."},
    {.name = "followRedirects",
     .type = PROPERTY_NUMBER,
     .max = 5,
     .def = "0",
     .help = "How many redirects of one request are followed, with the same method and body; never "
             "from https to http, and what comes from files stays with the server of the url."},
    {.name = "maxInFlight",
     .type = PROPERTY_NUMBER,
     .min = 1,
     .max = WEBHOOK_IN_FLIGHT_MAX,
     .def = "8",
     .help = "Most requests under way at a time to one server."},
};

static const struct property header_properties[] = {
    {.name = "name",
     .type = PROPERTY_TEXT,
     .required = true,
     .min = 1,
     .max = 64,
     .help = "Its name."},
    {.name = "value", .type = PROPERTY_TEXT, .min = 1, .max = 1024, .help = "Its value."},
    {.name = "valueFile",
     .type = PROPERTY_FILE,
     .help = "File whose first line is the value, where that is a secret; other users must not be "
             "able to read it."},
};

/* ---- headers ---- */

static const char *header_text(const struct child *c, const char *name)
{
    return values_text(&c->values, header_properties, COUNT(header_properties), name);
}

static bool is_one_of(const char *name, const char *const *list, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (strcasecmp(name, list[i]) == 0)
            return true;
    return false;
}

/* What a request is framed by, or goes by. */
static const char *const ours[] = {
    "Connection",      "Content-Length",      "Expect",           "Host",
    "Idempotency-Key", "Proxy-Authorization", "Proxy-Connection", "TE",
    "Trailer",         "Transfer-Encoding",   "Upgrade"};
static const char *const secret_ones[] = {"Authorization", "Cookie"};

static int check_header(const struct values *v, struct err *e)
{
    const struct child c = {.values = *v};
    const char *name = header_text(&c, "name"), *value = header_text(&c, "value");
    bool from_file = *header_text(&c, "valueFile");

    if (!http_header_name_valid(name))
        return err_set(e, ERR_INVALID, "name: expected letters, digits and hyphens");
    if (strcasecmp(name, "Content-Type") == 0)
        return err_set(e, ERR_INVALID, "the property contentType says the '%s'", name);
    if (is_one_of(name, ours, COUNT(ours)))
        return err_set(e, ERR_INVALID, "the header '%s' is not one that can be given", name);
    if (!*value == !from_file)
        return err_set(e, ERR_INVALID, "expected either a value or a valueFile");
    if (*value && !http_header_value_valid(value))
        return err_set(e, ERR_INVALID, "value: expected a text that is not blank");
    if (*value && is_one_of(name, secret_ones, COUNT(secret_ones)))
        return err_set(e, ERR_INVALID, "the value of '%s' is a secret: give a valueFile", name);
    return 0;
}

static const struct child_element elements[] = {
    {.name = "header",
     .properties = header_properties,
     .nproperties = COUNT(header_properties),
     .help = "A header of the requests, each name once.",
     .check = check_header},
};

/* ---- the kind ---- */

static const char *text(const struct values *v, const char *name)
{
    return values_text(v, properties, COUNT(properties), name);
}

static int check_proxy(const char *proxy, struct err *e)
{
    struct http_place place;

    if (!*proxy)
        return 0;
    if (http_place(&place, proxy, e) || place.tls || strchr(proxy + strlen("http://"), '/'))
        return err_set(e, ERR_INVALID,
                       "proxy: expected http://host:port, without user and password");
    return 0;
}

static int check(const struct values *v, struct err *e)
{
    const char *url = text(v, "url");
    struct http_place place;

    if (!*url == !*text(v, "urlFile"))
        return err_set(e, ERR_INVALID, "expected either a url or a urlFile");
    if (*text(v, "passwordFile") && !*text(v, "username"))
        return err_set(e, ERR_INVALID, "passwordFile needs a username");
    if (*text(v, "keyFile") && !*text(v, "certFile"))
        return err_set(e, ERR_INVALID, "keyFile needs a certFile");
    if (check_proxy(text(v, "proxy"), e))
        return ERR_INVALID;
    if (webhook_body_check(v, e))
        return ERR_INVALID;
    return *url ? http_place(&place, url, e) : 0;
}

const struct kind webhook_kind = {
    .class_ = KIND_HANDLER,
    .name = "webhook",
    .properties = properties,
    .nproperties = COUNT(properties),
    .children = elements,
    .nchildren = COUNT(elements),
    .help =
        "Requests to a web server, which acknowledges by a status of 200 to 299. A target has no "
        "recipients; one that goes elsewhere overrides url.",
    .check = check,
};

/* ---- one job ---- */

static int read_url(struct webhook_aim *a, const struct webhook_aim *last, const struct service *s,
                    const struct job *j, struct err *e)
{
    const char *url = service_text(s, j, "url"), *file = service_text(s, j, "urlFile");
    int err = 0;

    if (*url)
        snprintf(a->url, sizeof a->url, "%s", url); /* the property's limit is the field's */
    else if (*file)
        err = secret_read(a->url, sizeof a->url, file, e);
    else
        err = err_set(e, ERR_INVALID,
                      "the target changes the way to the server: it needs a url of its own, the "
                      "handler's urlFile is not for there");
    if (err || strcmp(a->url, last->url) != 0)
        return err ? err : http_place(&a->place, a->url, e);
    a->place = last->place;
    return 0;
}

int webhook_aim(struct webhook_aim *ret, const struct webhook_aim *last, const struct service *s,
                const struct job *j, struct err *e)
{
    struct webhook_aim a = {
        .method = method_of[service_number(s, j, "method")],
        .verify = service_true(s, j, "verify"),
        .trusted = service_trusts(s, j),
    };
    int err = read_url(&a, last, s, j, e);

    if (!err)
        *ret = a;
    explicit_bzero(a.url, sizeof a.url);
    return err;
}

static int add_header(struct webhook_head *h, const char *name, const char *value)
{
    char *line;

    if (h->nheaders == WEBHOOK_HEADERS_MAX)
        return ERR_RANGE;
    if (asprintf(&line, "%s: %s", name, value) < 0)
        return ERR_NOMEM;
    h->headers[h->nheaders++] = line;
    return 0;
}

static int add_child(struct webhook_head *h, const struct child *c, bool secrets, struct err *e)
{
    const char *name = header_text(c, "name"), *file = header_text(c, "valueFile");
    char secret[SECRET_MAX + 1];
    int err;

    if (!*file)
        return add_header(h, name, header_text(c, "value"));
    if (!secrets)
        return 0;
    err = secret_read(secret, sizeof secret, file, e);
    if (err)
        return err;
    if (http_header_value_valid(secret))
        err = add_header(h, name, secret);
    else
        err = err_set(e, ERR_INVALID, "%s: its first line cannot be the value of a header", file);
    secret_clear(secret, sizeof secret);
    return err;
}

static int add_headers(struct webhook_head *h, const struct dispatch_handler *d, const char *uuid,
                       const char *type, bool secrets, struct err *e)
{
    char key[UUID_TEXT_LEN + 3];
    int err = 0;

    /* A string, as draft-ietf-httpapi-idempotency-key-header has it. */
    snprintf(key, sizeof key, "\"%s\"", uuid);
    err = add_header(h, "Idempotency-Key", key);
    if (!err && type)
        err = add_header(h, "Content-Type", type);
    for (size_t i = 0; i < d->nchildren && !err; i++)
        err = add_child(h, &d->children[i], secrets, e);
    if (err == ERR_RANGE)
        err_set(e, ERR_INVALID, "more than %d headers", WEBHOOK_HEADERS_MAX - 2);
    return err == ERR_RANGE ? ERR_INVALID : err;
}

static int add_credentials(struct webhook_head *h, const struct values *v, struct err *e)
{
    const char *password = text(v, "passwordFile"), *key;

    h->username = text(v, "username");
    h->cert_file = text(v, "certFile");
    h->key_file = text(v, "keyFile");
    key = *h->key_file ? h->key_file : h->cert_file;
    if (*key && secret_check(key, e))
        return e->code;
    return *password ? secret_read(h->password, sizeof h->password, password, e) : 0;
}

int webhook_head_read(struct webhook_head *ret, const struct service *s, const char *uuid,
                      const char *type, bool secrets, struct err *e)
{
    struct webhook_head *h = ret;
    int err;

    *h = (struct webhook_head){.username = "", .cert_file = "", .key_file = ""};
    *e = (struct err){.text = ""};
    err = add_headers(h, service_handler(s), uuid, type, secrets, e);
    if (!err && secrets)
        err = add_credentials(h, &service_handler(s)->values, e);
    if (!err)
        return 0;
    if (!e->code)
        err_set(e, err, "out of memory");
    webhook_head_release(h);
    return err;
}

void webhook_head_release(struct webhook_head *h)
{
    for (size_t i = 0; i < h->nheaders; i++) {
        explicit_bzero(h->headers[i], strlen(h->headers[i]));
        free(h->headers[i]);
    }
    h->nheaders = 0;
    secret_clear(h->password, sizeof h->password);
}
