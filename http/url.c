#include "http/url.h"

#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct parts {
    char *scheme, *host, *port, *user;
};

static void parts_free(struct parts *p)
{
    curl_free(p->scheme);
    curl_free(p->host);
    curl_free(p->port);
    curl_free(p->user);
}

/* Why URL is not as it must be; NULL: it is. */
static const char *take_apart(struct parts *p, CURLU *u, const char *url)
{
    if (curl_url_set(u, CURLUPART_URL, url, 0) || curl_url_get(u, CURLUPART_SCHEME, &p->scheme, 0))
        return "'url' is not a URL such as http://host:port/path";
    if (strcmp(p->scheme, "http") != 0 && strcmp(p->scheme, "https") != 0)
        return "'url' begins with http:// or https://";
    if (curl_url_get(u, CURLUPART_HOST, &p->host, 0) ||
        curl_url_get(u, CURLUPART_PORT, &p->port, CURLU_DEFAULT_PORT))
        return "'url' is not a URL such as http://host:port/path";
    if (!curl_url_get(u, CURLUPART_USER, &p->user, 0))
        return "'url' is shown to everybody: put the user into 'username' and the password into "
               "'passwordFile'";
    return NULL;
}

static void lower(char *s)
{
    for (; *s; s++)
        if (*s >= 'A' && *s <= 'Z')
            *s = (char)(*s - 'A' + 'a');
}

static int copy_place(struct http_place *ret, const struct parts *p, struct err *e)
{
    size_t len = strlen(p->host), skip = 0;

    if (len > 2 && *p->host == '[') { /* IPv6 */
        skip = 1;
        len -= 2;
    }
    if (!len || len >= sizeof ret->host)
        return err_set(e, ERR_INVALID, "the host's name in 'url' is empty or too long");
    memcpy(ret->host, p->host + skip, len);
    ret->host[len] = '\0';
    lower(ret->host);
    ret->port = (uint16_t)strtoul(p->port, NULL, 10);
    ret->tls = strcmp(p->scheme, "https") == 0;
    snprintf(ret->origin, sizeof ret->origin, "%s://%s%s%s:%u", p->scheme, skip ? "[" : "",
             ret->host, skip ? "]" : "", ret->port);
    return 0;
}

int http_place(struct http_place *ret, const char *url, struct err *e)
{
    struct http_place place = {0};
    struct parts p = {0};
    CURLU *u = curl_url();
    const char *fault;
    int err;

    if (!u)
        return err_set(e, ERR_NOMEM, "out of memory");
    fault = take_apart(&p, u, url);
    err = fault ? err_set(e, ERR_INVALID, "%s", fault) : copy_place(&place, &p, e);
    if (!err)
        *ret = place;
    parts_free(&p);
    curl_url_cleanup(u);
    return err;
}

int http_join(char *dst, size_t cap, const char *base, const char *reference, struct err *e)
{
    CURLU *u = curl_url();
    char *url = NULL;
    int err = 0;

    if (!u)
        return err_set(e, ERR_NOMEM, "out of memory");
    if (curl_url_set(u, CURLUPART_URL, base, 0) || curl_url_set(u, CURLUPART_URL, reference, 0) ||
        curl_url_get(u, CURLUPART_URL, &url, 0))
        err = err_set(e, ERR_INVALID, "no URL of http or https");
    else if (strlen(url) >= cap)
        err = err_set(e, ERR_INVALID, "a URL that is too long");
    else
        memcpy(dst, url, strlen(url) + 1);
    curl_free(url);
    curl_url_cleanup(u);
    return err;
}

void http_place_text(const struct http_place *p, char dst[HTTP_PLACE_TEXT_MAX + 1])
{
    bool v6 = strchr(p->host, ':') != NULL;

    snprintf(dst, HTTP_PLACE_TEXT_MAX + 1, "%s%s%s:%u", v6 ? "[" : "", p->host, v6 ? "]" : "",
             p->port);
}

static const char token[] = "!#$%&'*+-.^_`|~0123456789"
                            "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

bool http_header_name_valid(const char *name)
{
    return *name && name[strspn(name, token)] == '\0';
}

bool http_header_value_valid(const char *value)
{
    bool seen = false;

    for (; *value; value++) {
        if (((unsigned char)*value < 0x20 && *value != '\t') || *value == 0x7f)
            return false;
        seen |= *value != ' ' && *value != '\t';
    }
    return seen;
}

/* At a quote: a quoted string in ASCII; NULL: it is none. */
static const char *skip_quoted(const char *p)
{
    for (p++; *p != '"'; p++) {
        p += *p == '\\';
        if (*p < ' ' || *p > '~')
            return NULL;
    }
    return p + 1;
}

static const char *skip_token(const char *p)
{
    size_t n = strspn(p, token);

    return n ? p + n : NULL;
}

/* "; name=value", the value a token or quoted; NULL: it is no parameter. */
static const char *skip_parameter(const char *p)
{
    p += strspn(p, " ");
    if (*p++ != ';')
        return NULL;
    p = skip_token(p + strspn(p, " "));
    if (!p || *p++ != '=')
        return NULL;
    return *p == '"' ? skip_quoted(p) : skip_token(p);
}

size_t http_media_type(const char *text)
{
    const char *p = skip_token(text);
    size_t n = 0;

    if (p && *p == '/') {
        p = skip_token(p + 1);
        n = p ? (size_t)(p - text) : 0;
    }
    while (n && p && *p)
        p = skip_parameter(p);
    return p ? n : 0;
}
