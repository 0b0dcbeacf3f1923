/* libcurl's multi interface with its sockets and its one timer on the loop. Invariants: callbacks
 * to callers are made only from collect(), never from inside libcurl, so they may start and cancel
 * requests; a request is either in `running` or freed. */
#include "http/client.h"

#include <curl/curl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "http/retry.h"
#include "http/url.h"

enum {
    CONNECTIONS_KEPT = 256,
    HANDLES_KEPT = 64,   /* libcurl's are large, and making them takes a while */
    HEAD_MAX = 64 << 10, /* octets of all headers, with those of interim responses and trailers */
    RESOLVE_TEXT_MAX = 256 + RESOLVE_ADDRESSES_MAX * ADDRESS_TEXT_MAX,
};

struct http_client {
    struct loop *loop;
    CURLM *multi;
    struct loop_timer *timer;
    struct http_request *running;
    CURL *handles[HANDLES_KEPT]; /* at rest, with nothing of their requests */
    size_t nhandles, handles_max;
};

struct http_request {
    struct http_client *client;
    struct http_request *next, **pprev;
    CURL *easy;
    struct curl_slist *headers, *addresses;
    struct buf body;
    size_t head_len;
    bool in_head;   /* behind a status line */
    bool malformed; /* what came is no status line */
    bool answered;  /* the head of the final response is complete */
    bool connect_only;
    char why[CURL_ERROR_SIZE];
    uint32_t timeout_ms;
    http_done *cb;
    void *arg;
};

/* ---- sockets and time ---- */

static void collect(struct http_client *c);

struct watch { /* one of libcurl's sockets */
    struct http_client *client;
    struct loop_fd *fd;
    curl_socket_t socket;
};

static void on_ready(void *arg, short revents)
{
    struct watch *w = arg;
    struct http_client *c = w->client;
    int running, events = 0;

    if (revents & (POLLIN | POLLHUP))
        events |= CURL_CSELECT_IN;
    if (revents & POLLOUT)
        events |= CURL_CSELECT_OUT;
    if (revents & (POLLERR | POLLNVAL))
        events |= CURL_CSELECT_ERR;
    curl_multi_socket_action(c->multi, w->socket, events, &running);
    collect(c);
}

static void watch_free(struct watch *w)
{
    if (!w)
        return;
    loop_fd_del(w->fd);
    free(w);
}

static struct watch *watch_new(struct http_client *c, curl_socket_t s, short events)
{
    struct watch *w = calloc(1, sizeof *w);

    if (!w)
        return NULL;
    w->client = c;
    w->socket = s;
    w->fd = loop_fd_add(c->loop, s, events, on_ready, w);
    if (!w->fd || curl_multi_assign(c->multi, s, w)) {
        watch_free(w);
        return NULL;
    }
    return w;
}

static int on_socket(CURL *easy, curl_socket_t s, int what, void *arg, void *socket_arg)
{
    static const short events[] = {
        [CURL_POLL_NONE] = 0,
        [CURL_POLL_IN] = POLLIN,
        [CURL_POLL_OUT] = POLLOUT,
        [CURL_POLL_INOUT] = POLLIN | POLLOUT,
    };
    struct watch *w = socket_arg;

    (void)easy;
    if (what == CURL_POLL_REMOVE) {
        watch_free(w);
        return 0;
    }
    if (what < CURL_POLL_NONE || what > CURL_POLL_INOUT)
        return 0;
    if (w)
        loop_fd_events(w->fd, events[what]);
    else if (!watch_new(arg, s, events[what]))
        return -1; /* libcurl fails its transfers */
    return 0;
}

static int on_timeout_wanted(CURLM *multi, long ms, void *arg)
{
    struct http_client *c = arg;

    (void)multi;
    if (ms < 0)
        loop_timer_cancel(c->timer);
    else
        loop_timer_set(c->timer, ms);
    return 0;
}

static void on_timer(void *arg)
{
    struct http_client *c = arg;
    int running;

    curl_multi_socket_action(c->multi, CURL_SOCKET_TIMEOUT, 0, &running);
    collect(c);
}

/* ---- answers ---- */

/* Shared: what other requests to the same server may expect, too. */
static const struct {
    CURLcode code;
    int err;
    bool shared;
} curl_errors[] = {
    {CURLE_OUT_OF_MEMORY, ERR_NOMEM, false},
    {CURLE_OPERATION_TIMEDOUT, ERR_TIMEOUT, true},
    {CURLE_FILESIZE_EXCEEDED, ERR_RANGE, false},
    {CURLE_PEER_FAILED_VERIFICATION, ERR_DENIED, true},
    {CURLE_SSL_CACERT_BADFILE, ERR_DENIED, true},
    {CURLE_SSL_CERTPROBLEM, ERR_DENIED, true},
    {CURLE_SSL_ISSUER_ERROR, ERR_DENIED, true},
    {CURLE_SSL_CONNECT_ERROR, ERR_NETWORK, true},
    {CURLE_COULDNT_CONNECT, ERR_NETWORK, true},
    {CURLE_URL_MALFORMAT, ERR_INVALID, false},
    {CURLE_UNSUPPORTED_PROTOCOL, ERR_PROTOCOL, false}, /* HTTP/0.9: the URL was checked */
    {CURLE_WEIRD_SERVER_REPLY, ERR_PROTOCOL, false},
    {CURLE_PARTIAL_FILE, ERR_NETWORK, false},
};
enum { NERRORS = sizeof curl_errors / sizeof *curl_errors };

static int set_failure(const struct http_request *r, CURLcode code, struct err *e, bool *ret_shared)
{
    int err = ERR_NETWORK;

    *ret_shared = false;
    for (size_t i = 0; i < NERRORS; i++) {
        if (curl_errors[i].code != code)
            continue;
        err = curl_errors[i].err;
        *ret_shared = curl_errors[i].shared && !r->answered;
        break;
    }
    return err_set(e, err, "%s", *r->why ? r->why : curl_easy_strerror(code));
}

/* 0: the exchange is complete. */
static int judge(const struct http_request *r, CURLcode code, struct err *e, bool *ret_shared)
{
    *ret_shared = false;
    if (r->head_len > HEAD_MAX)
        return err_set(e, ERR_PROTOCOL, "the headers are larger than %d octets", HEAD_MAX);
    if (r->malformed)
        return err_set(e, ERR_PROTOCOL, "the answer's status line makes no sense");
    if (r->body.err == ERR_FULL || code == CURLE_FILESIZE_EXCEEDED)
        return err_set(e, ERR_RANGE, "the document is larger than %zu octets", r->body.limit);
    if (r->body.err)
        return err_set(e, r->body.err, "out of memory");
    if (code == CURLE_OPERATION_TIMEDOUT) {
        *ret_shared = !r->answered;
        return err_set(e, ERR_TIMEOUT, "no %s within %u ms",
                       r->connect_only ? "connection" : "complete answer", r->timeout_ms);
    }
    if (code)
        return set_failure(r, code, e, ret_shared);
    return r->answered || r->connect_only
               ? 0
               : err_set(e, ERR_PROTOCOL, "the server sent no HTTP response");
}

/* Before 8.1.1 a handle that is used again may add the first line of the next response to a header
 * of the one before, which is freed (curl issue 11101): servers could have that. */
static size_t handles_max(void)
{
    return curl_version_info(CURLVERSION_NOW)->version_num < 0x080101 ? 0 : HANDLES_KEPT;
}

static CURL *handle_get(struct http_client *c)
{
    return c->nhandles ? c->handles[--c->nhandles] : curl_easy_init();
}

static void handle_put(struct http_client *c, CURL *easy)
{
    if (c->nhandles == c->handles_max) {
        curl_easy_cleanup(easy);
        return;
    }
    curl_easy_reset(easy);
    c->handles[c->nhandles++] = easy;
}

static void request_free(struct http_request *r)
{
    if (!r)
        return;
    if (r->pprev) {
        *r->pprev = r->next;
        if (r->next)
            r->next->pprev = r->pprev;
    }
    if (r->easy) {
        curl_multi_remove_handle(r->client->multi, r->easy);
        handle_put(r->client, r->easy);
    }
    curl_slist_free_all(r->headers);
    curl_slist_free_all(r->addresses);
    buf_release(&r->body);
    free(r);
}

/* Of the final response, the first of this NAME; NULL: there is none. */
static const char *header_of(const struct http_request *r, const char *name)
{
    struct curl_header *h;
    CURLHcode code = curl_easy_header(r->easy, name, 0, CURLH_HEADER, -1, &h);

    return code == CURLHE_OK ? h->value : NULL;
}

static void read_head(const struct http_request *r, struct http_answer *a)
{
    long status = 0;
    const char *after;

    curl_easy_getinfo(r->easy, CURLINFO_RESPONSE_CODE, &status);
    a->status = (int)status;
    /* Not CURLINFO_RETRY_AFTER, which is also there for what only begins with a number. */
    after = header_of(r, "Retry-After");
    if (after)
        a->retry_after_ms = http_retry_after_ms(after, clock_wall_ms());
    /* Not CURLINFO_REDIRECT_URL, into which libcurl puts user and password. */
    if (status >= 300 && status < 400)
        a->location = header_of(r, "Location");
    if (!a->location)
        a->location = "";
}

/* The request goes before its callback is called, which may free the client: what is told is taken
 * out first. */
static void finish(struct http_request *r, CURLcode code)
{
    struct err e = {0};
    struct http_answer a = {.retry_after_ms = -1, .location = ""};
    struct buf body = r->body;
    http_done *cb = r->cb;
    void *arg = r->arg;
    char *location = NULL;

    if (judge(r, code, &e, &a.unreachable))
        a.failure = &e;
    if (r->answered) {
        read_head(r, &a);
        location = strdup(a.location);
    }
    a.location = location ? location : "";
    a.body = (struct slice){body.data, body.len};
    buf_init(&r->body, 0);
    request_free(r);
    cb(arg, &a);
    free(location);
    buf_release(&body);
}

/* libcurl's message is void once its handle is removed, so everything is taken out first. */
static void collect(struct http_client *c)
{
    CURLMsg *m;
    int left;

    while ((m = curl_multi_info_read(c->multi, &left))) {
        char *private = NULL;
        CURLcode code = m->data.result;

        if (m->msg != CURLMSG_DONE)
            continue;
        curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, &private);
        finish((struct http_request *)(void *)private, code);
    }
}

/* ---- what comes in ---- */

static size_t on_body(char *data, size_t size, size_t n, void *arg)
{
    struct http_request *r = arg;
    size_t len = size * n, room = r->body.limit - r->body.len;

    buf_bytes(&r->body, data, len < room ? len : room);
    if (len > room)
        r->body.err = ERR_FULL;
    return r->body.err ? CURL_WRITEFUNC_ERROR : len;
}

/* RFC 9112 section 4: "HTTP/1.1 204 No Content". libcurl takes lines that only begin so as 200. */
static bool is_status_line(const char *p, size_t n)
{
    static const char form[] = "HTTP/d.d ddd";
    size_t i = 0;

    for (const char *f = form; *f; f++) {
        if (*f == '.' && i < n && p[i] == ' ')
            f += 2; /* "HTTP/2 204" */
        if (i == n || (*f == 'd' ? p[i] < '0' || p[i] > '9' : p[i] != *f))
            return false;
        i++;
    }
    return i < n && (p[i] == ' ' || p[i] == '\r' || p[i] == '\n');
}

/* A line at a time; an empty one ends a head. */
static size_t on_head(char *data, size_t size, size_t n, void *arg)
{
    struct http_request *r = arg;
    size_t len = size * n;
    long status = 0;

    r->head_len += len;
    r->malformed |= !r->answered && !r->in_head && !is_status_line(data, len);
    if (r->head_len > HEAD_MAX || r->malformed)
        return 0; /* libcurl ends the transfer */
    r->in_head = true;
    if ((len == 2 && data[0] == '\r') || (len == 1 && data[0] == '\n')) {
        curl_easy_getinfo(r->easy, CURLINFO_RESPONSE_CODE, &status);
        r->answered |= status >= 200;
        r->in_head = false;
    }
    return len;
}

/* ---- one request ---- */

static bool given(const char *text)
{
    return text && *text;
}

static int add_line(struct curl_slist **list, const char *line)
{
    struct curl_slist *longer = curl_slist_append(*list, line);

    if (!longer)
        return ERR_NOMEM;
    *list = longer;
    return 0;
}

/* "host:port:address,address", which goes to libcurl's cache of names, so that it never looks one
 * up itself. */
static int set_addresses(struct http_request *r, const struct http_options *o, struct err *e)
{
    char one[ADDRESS_TEXT_MAX], line[RESOLVE_TEXT_MAX];
    struct http_place place;
    int err, len;

    if (!o->naddresses)
        return 0;
    err = http_place(&place, given(o->proxy) ? o->proxy : o->url, e);
    if (err)
        return err;
    len = snprintf(line, sizeof line, "+%s:%u:", place.host, place.port);
    for (size_t i = 0; i < o->naddresses && i < RESOLVE_ADDRESSES_MAX; i++) {
        bool v6 = o->addresses[i].storage.ss_family == AF_INET6;

        address_host(&o->addresses[i], one);
        len += snprintf(line + len, sizeof line - (size_t)len, v6 ? "%s[%.70s]" : "%s%.70s",
                        i ? "," : "", one);
    }
    return add_line(&r->addresses, line) ? err_set(e, ERR_NOMEM, "out of memory") : 0;
}

static int set_headers(struct http_request *r, const struct http_options *o)
{
    int err = add_line(&r->headers, "Expect:"); /* no waiting for an interim response */

    for (size_t i = 0; i < o->nheaders && !err; i++)
        err = add_line(&r->headers, o->headers[i]);
    return err;
}

#define SET(option, value)                                                                         \
    do {                                                                                           \
        if (curl_easy_setopt(r->easy, option, value))                                              \
            return ERR_INVALID;                                                                    \
    } while (0)

static int set_method(struct http_request *r, const struct http_options *o)
{
    if (o->method == HTTP_GET) {
        SET(CURLOPT_HTTPGET, 1L);
        return 0;
    }
    SET(CURLOPT_POST, 1L);
    SET(CURLOPT_POSTFIELDS, (const char *)o->body.data);
    SET(CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)o->body.len);
    if (o->method == HTTP_PUT)
        SET(CURLOPT_CUSTOMREQUEST, "PUT");
    return 0;
}

static int set_transfer(struct http_request *r, const struct http_options *o)
{
    SET(CURLOPT_URL, o->url);
    SET(CURLOPT_PROTOCOLS_STR, "http,https");
    SET(CURLOPT_FOLLOWLOCATION, 0L);
    SET(CURLOPT_PROXY, given(o->proxy) ? o->proxy : ""); /* not even from the environment */
    SET(CURLOPT_NOPROXY, "");
    SET(CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
    SET(CURLOPT_HEADEROPT, (long)CURLHEADER_SEPARATE); /* a proxy is shown none of ours */
    SET(CURLOPT_NOSIGNAL, 1L);
    SET(CURLOPT_USERAGENT, "snmpalertd");
    SET(CURLOPT_TIMEOUT_MS, (long)o->timeout_ms);
    SET(CURLOPT_CONNECTTIMEOUT_MS, (long)(o->connect_ms ? o->connect_ms : o->timeout_ms));
    SET(CURLOPT_WRITEFUNCTION, on_body);
    SET(CURLOPT_WRITEDATA, r);
    SET(CURLOPT_HEADERFUNCTION, on_head);
    SET(CURLOPT_HEADERDATA, r);
    SET(CURLOPT_ERRORBUFFER, r->why);
    SET(CURLOPT_PRIVATE, (void *)r);
    SET(CURLOPT_HTTPHEADER, r->headers);
    if (r->addresses)
        SET(CURLOPT_RESOLVE, r->addresses);
    if (o->connect_only)
        SET(CURLOPT_CONNECT_ONLY, 1L);
    return 0;
}

static int set_security(struct http_request *r, const struct http_options *o)
{
    SET(CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    SET(CURLOPT_SSL_VERIFYPEER, o->verify ? 1L : 0L);
    SET(CURLOPT_SSL_VERIFYHOST, o->verify ? 2L : 0L);
    SET(CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
    if (given(o->ca_file))
        SET(CURLOPT_CAINFO, o->ca_file);
    if (given(o->cert_file))
        SET(CURLOPT_SSLCERT, o->cert_file);
    if (given(o->key_file))
        SET(CURLOPT_SSLKEY, o->key_file);
    if (!given(o->username))
        return 0;
    SET(CURLOPT_HTTPAUTH, (long)CURLAUTH_BASIC);
    SET(CURLOPT_USERNAME, o->username);
    SET(CURLOPT_PASSWORD, o->password ? o->password : "");
    return 0;
}

#undef SET

static int set_options(struct http_request *r, const struct http_options *o, struct err *e)
{
    int err = set_addresses(r, o, e);

    if (err)
        return err;
    err = set_headers(r, o);
    if (!err)
        err = set_method(r, o);
    if (!err)
        err = set_transfer(r, o);
    if (!err)
        err = set_security(r, o);
    return err ? err_set(e, err, "libcurl does not take the options of this request") : 0;
}

int http_start(struct http_request **ret, struct http_client *c, const struct http_options *o,
               http_done *cb, void *arg, struct err *e)
{
    struct http_request *r = calloc(1, sizeof *r);
    int err;

    if (!r)
        return err_set(e, ERR_NOMEM, "out of memory");
    r->client = c;
    r->cb = cb;
    r->arg = arg;
    r->timeout_ms = o->timeout_ms;
    r->connect_only = o->connect_only;
    buf_init(&r->body, o->size_max);
    r->easy = handle_get(c);
    err = r->easy ? set_options(r, o, e) : err_set(e, ERR_NOMEM, "out of memory");
    if (!err && curl_multi_add_handle(c->multi, r->easy))
        err = err_set(e, ERR_NOMEM, "libcurl does not take the request");
    if (err) {
        request_free(r);
        return err;
    }
    r->next = c->running;
    r->pprev = &c->running;
    if (r->next)
        r->next->pprev = &r->next;
    c->running = r;
    *ret = r;
    return 0;
}

void http_cancel(struct http_request *r)
{
    request_free(r);
}

/* ---- life ---- */

int http_client_new(struct http_client **ret, struct loop *l, struct err *e)
{
    struct http_client *c = calloc(1, sizeof *c);

    if (!c)
        return err_set(e, ERR_NOMEM, "out of memory");
    c->loop = l;
    c->handles_max = handles_max();
    if (curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK)
        c->multi = curl_multi_init();
    c->timer = loop_timer_new(l, on_timer, c);
    if (!c->multi || !c->timer) {
        http_client_free(c);
        return err_set(e, ERR_NOMEM, "libcurl does not start");
    }
    curl_multi_setopt(c->multi, CURLMOPT_SOCKETFUNCTION, on_socket);
    curl_multi_setopt(c->multi, CURLMOPT_SOCKETDATA, c);
    curl_multi_setopt(c->multi, CURLMOPT_TIMERFUNCTION, on_timeout_wanted);
    curl_multi_setopt(c->multi, CURLMOPT_TIMERDATA, c);
    curl_multi_setopt(c->multi, CURLMOPT_MAXCONNECTS, (long)CONNECTIONS_KEPT);
    *ret = c;
    return 0;
}

void http_client_free(struct http_client *c)
{
    if (!c)
        return;
    while (c->running)
        request_free(c->running);
    while (c->nhandles)
        curl_easy_cleanup(c->handles[--c->nhandles]);
    if (c->multi)
        curl_multi_cleanup(c->multi);
    loop_timer_del(c->timer);
    free(c);
}
