/* libcurl's multi interface with its sockets and its one timer on the loop. Invariants: callbacks
 * to callers are made only from collect(), never from inside libcurl, so they may start and cancel
 * fetches; a fetch is either in `running` or freed. */
#include "poll/fetch.h"

#include <curl/curl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    CONNECTIONS_KEPT = 256,
    RESOLVE_TEXT_MAX = 256 + RESOLVE_ADDRESSES_MAX * ADDRESS_TEXT_MAX,
};

struct fetcher {
    struct loop *loop;
    CURLM *multi;
    struct loop_timer *timer;
    struct fetch *running;
};

struct fetch {
    struct fetcher *fetcher;
    struct fetch *next, **pprev;
    CURL *easy;
    struct curl_slist *headers, *addresses;
    struct buf body;
    char why[CURL_ERROR_SIZE];
    uint32_t timeout_ms;
    fetch_done *cb;
    void *arg;
};

/* ---- sockets and time
 * ------------------------------------------------------------------------------*/

static void collect(struct fetcher *f);

struct watch { /* one of libcurl's sockets */
    struct fetcher *fetcher;
    struct loop_fd *fd;
    curl_socket_t socket;
};

static void on_ready(void *arg, short revents)
{
    struct watch *w = arg;
    struct fetcher *f = w->fetcher;
    int running, events = 0;
    if (revents & (POLLIN | POLLHUP))
        events |= CURL_CSELECT_IN;
    if (revents & POLLOUT)
        events |= CURL_CSELECT_OUT;
    if (revents & (POLLERR | POLLNVAL))
        events |= CURL_CSELECT_ERR;
    curl_multi_socket_action(f->multi, w->socket, events, &running);
    collect(f);
}

static void watch_free(struct watch *w)
{
    if (!w)
        return;
    loop_fd_del(w->fd);
    free(w);
}

static struct watch *watch_new(struct fetcher *f, curl_socket_t s, short events)
{
    struct watch *w = calloc(1, sizeof *w);
    if (!w)
        return NULL;
    w->fetcher = f;
    w->socket = s;
    w->fd = loop_fd_add(f->loop, s, events, on_ready, w);
    if (!w->fd || curl_multi_assign(f->multi, s, w)) {
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
    struct fetcher *f = arg;
    (void)multi;
    if (ms < 0)
        loop_timer_cancel(f->timer);
    else
        loop_timer_set(f->timer, ms);
    return 0;
}

static void on_timer(void *arg)
{
    struct fetcher *f = arg;
    int running;
    curl_multi_socket_action(f->multi, CURL_SOCKET_TIMEOUT, 0, &running);
    collect(f);
}

/* ---- results
 * ---------------------------------------------------------------------------------------*/

static const struct {
    CURLcode code;
    int err;
} curl_errors[] = {
    {CURLE_OUT_OF_MEMORY, ERR_NOMEM},         {CURLE_OPERATION_TIMEDOUT, ERR_TIMEOUT},
    {CURLE_FILESIZE_EXCEEDED, ERR_RANGE},     {CURLE_PEER_FAILED_VERIFICATION, ERR_DENIED},
    {CURLE_SSL_CACERT_BADFILE, ERR_DENIED},   {CURLE_SSL_ISSUER_ERROR, ERR_DENIED},
    {CURLE_URL_MALFORMAT, ERR_INVALID},       {CURLE_UNSUPPORTED_PROTOCOL, ERR_INVALID},
    {CURLE_WEIRD_SERVER_REPLY, ERR_PROTOCOL}, {CURLE_PARTIAL_FILE, ERR_NETWORK},
};

static int err_of(CURLcode code)
{
    for (size_t i = 0; i < sizeof curl_errors / sizeof *curl_errors; i++)
        if (curl_errors[i].code == code)
            return curl_errors[i].err;
    return ERR_NETWORK;
}

static int status_error(struct err *e, long status)
{
    const char *hint = "";
    if (status >= 300 && status < 400)
        hint = " (redirects are not followed: give the final address)";
    else if (status == 401 || status == 403)
        hint = " (check username and password)";
    return err_set(e, status == 429 || status >= 500 ? ERR_TEMPORARY : ERR_PERMANENT,
                   "HTTP status %ld%s", status, hint);
}

static int judge(struct fetch *t, CURLcode code, struct err *e)
{
    long status = 0;
    curl_easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &status);
    if (t->body.err == ERR_FULL || code == CURLE_FILESIZE_EXCEEDED)
        return err_set(e, ERR_RANGE, "the document is larger than %zu octets", t->body.limit);
    if (t->body.err)
        return err_set(e, t->body.err, "out of memory");
    if (code == CURLE_OPERATION_TIMEDOUT)
        return err_set(e, ERR_TIMEOUT, "no complete answer within %u ms", t->timeout_ms);
    if (code)
        return err_set(e, err_of(code), "%s", *t->why ? t->why : curl_easy_strerror(code));
    if (status < 200 || status > 299)
        return status_error(e, status);
    return 0;
}

static void fetch_free(struct fetch *t)
{
    if (!t)
        return;
    if (t->pprev) {
        *t->pprev = t->next;
        if (t->next)
            t->next->pprev = t->pprev;
    }
    if (t->easy) {
        curl_multi_remove_handle(t->fetcher->multi, t->easy);
        curl_easy_cleanup(t->easy);
    }
    curl_slist_free_all(t->headers);
    curl_slist_free_all(t->addresses);
    buf_release(&t->body);
    free(t);
}

static void finish(struct fetch *t, CURLcode code)
{
    struct err e = {0};
    int err = judge(t, code, &e);
    struct buf body = t->body;
    fetch_done *cb = t->cb;
    void *arg = t->arg;
    buf_init(&t->body, 0);
    fetch_free(t);
    cb(arg, err ? (struct slice){0} : (struct slice){body.data, body.len}, err ? &e : NULL);
    buf_release(&body);
}

/* libcurl's message is void once its handle is removed, so everything is taken out first. */
static void collect(struct fetcher *f)
{
    CURLMsg *m;
    int left;
    while ((m = curl_multi_info_read(f->multi, &left))) {
        char *private = NULL;
        CURLcode code = m->data.result;
        if (m->msg != CURLMSG_DONE)
            continue;
        curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, &private);
        finish((struct fetch *)(void *)private, code);
    }
}

/* ---- one fetch
 * -------------------------------------------------------------------------------------*/

static size_t on_body(char *data, size_t size, size_t n, void *arg)
{
    struct fetch *t = arg;
    buf_bytes(&t->body, data, size * n);
    return t->body.err ? CURL_WRITEFUNC_ERROR : size * n;
}

/* Why the parts of URL that matter are not as they must be; NULL: they are. */
static const char *url_fault(CURLU *u, const char *url, char **scheme, char **host, char **port,
                             char **user)
{
    if (curl_url_set(u, CURLUPART_URL, url, 0) || curl_url_get(u, CURLUPART_SCHEME, scheme, 0))
        return "'url' is not a URL such as http://host:port/path";
    if (strcmp(*scheme, "http") && strcmp(*scheme, "https"))
        return "'url' begins with http:// or https://";
    if (curl_url_get(u, CURLUPART_HOST, host, 0) ||
        curl_url_get(u, CURLUPART_PORT, port, CURLU_DEFAULT_PORT))
        return "'url' is not a URL such as http://host:port/path";
    if (!curl_url_get(u, CURLUPART_USER, user, 0))
        return "'url' is shown to everybody: put the user into 'username' and the password into "
               "'passwordFile'";
    return NULL;
}

static int copy_host(char *dst, size_t cap, const char *host, struct err *e)
{
    size_t len = strlen(host);
    if (len > 2 && *host == '[') { /* IPv6 */
        host++;
        len -= 2;
    }
    if (!len || len >= cap)
        return err_set(e, ERR_INVALID, "the host's name in 'url' is empty or too long");
    memcpy(dst, host, len);
    dst[len] = 0;
    return 0;
}

int fetch_url_host(const char *url, char *host, size_t cap, uint16_t *ret_port, struct err *e)
{
    char *scheme = NULL, *name = NULL, *port = NULL, *user = NULL;
    CURLU *u = curl_url();
    if (!u)
        return err_set(e, ERR_NOMEM, "out of memory");
    const char *fault = url_fault(u, url, &scheme, &name, &port, &user);
    int err = fault ? err_set(e, ERR_INVALID, "%s", fault) : copy_host(host, cap, name, e);
    if (!err)
        *ret_port = (uint16_t)strtoul(port, NULL, 10);
    curl_free(scheme);
    curl_free(name);
    curl_free(port);
    curl_free(user);
    curl_url_cleanup(u);
    return err;
}

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
static int set_addresses(struct fetch *t, const struct fetch_options *o, struct err *e)
{
    char host[RESOLVE_NAME_MAX + 1], one[ADDRESS_TEXT_MAX], line[RESOLVE_TEXT_MAX];
    uint16_t port;
    int err = fetch_url_host(o->url, host, sizeof host, &port, e);
    if (err || !o->naddresses)
        return err;
    int len = snprintf(line, sizeof line, "+%s:%u:", host, port);
    for (size_t i = 0; i < o->naddresses && i < RESOLVE_ADDRESSES_MAX; i++) {
        bool v6 = o->addresses[i].storage.ss_family == AF_INET6;
        address_host(&o->addresses[i], one);
        len += snprintf(line + len, sizeof line - (size_t)len, v6 ? "%s[%.70s]" : "%s%.70s",
                        i ? "," : "", one);
    }
    return add_line(&t->addresses, line) ? err_set(e, ERR_NOMEM, "out of memory") : 0;
}

static int set_headers(struct fetch *t, const struct fetch_options *o)
{
    int err = add_line(&t->headers, "Accept: application/json");
    if (!err && given(o->header))
        err = add_line(&t->headers, o->header);
    return err;
}

#define SET(option, value)                                                                         \
    do {                                                                                           \
        if (curl_easy_setopt(t->easy, option, value))                                              \
            return ERR_INVALID;                                                                    \
    } while (0)

static int set_transfer(struct fetch *t, const struct fetch_options *o)
{
    SET(CURLOPT_URL, o->url);
    SET(CURLOPT_PROTOCOLS_STR, "http,https");
    SET(CURLOPT_FOLLOWLOCATION, 0L);
    SET(CURLOPT_PROXY, ""); /* not even from the environment */
    SET(CURLOPT_NOSIGNAL, 1L);
    SET(CURLOPT_HTTPGET, 1L);
    SET(CURLOPT_USERAGENT, "snmpalertd");
    SET(CURLOPT_TIMEOUT_MS, (long)o->timeout_ms);
    SET(CURLOPT_CONNECTTIMEOUT_MS, (long)o->timeout_ms);
    SET(CURLOPT_MAXFILESIZE_LARGE, (curl_off_t)o->size_max);
    SET(CURLOPT_WRITEFUNCTION, on_body);
    SET(CURLOPT_WRITEDATA, t);
    SET(CURLOPT_ERRORBUFFER, t->why);
    SET(CURLOPT_PRIVATE, (void *)t);
    SET(CURLOPT_HTTPHEADER, t->headers);
    if (t->addresses)
        SET(CURLOPT_RESOLVE, t->addresses);
    return 0;
}

static int set_security(struct fetch *t, const struct fetch_options *o)
{
    SET(CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    SET(CURLOPT_SSL_VERIFYPEER, o->verify ? 1L : 0L);
    SET(CURLOPT_SSL_VERIFYHOST, o->verify ? 2L : 0L);
    SET(CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
    if (given(o->ca_file))
        SET(CURLOPT_CAINFO, o->ca_file);
    if (!given(o->username))
        return 0;
    SET(CURLOPT_HTTPAUTH, (long)CURLAUTH_BASIC);
    SET(CURLOPT_USERNAME, o->username);
    SET(CURLOPT_PASSWORD, o->password ? o->password : "");
    return 0;
}

#undef SET

static int set_options(struct fetch *t, const struct fetch_options *o, struct err *e)
{
    int err = set_addresses(t, o, e);
    if (err)
        return err;
    err = set_headers(t, o);
    if (!err)
        err = set_transfer(t, o);
    if (!err)
        err = set_security(t, o);
    return err ? err_set(e, err, "libcurl does not take the options of this request") : 0;
}

int fetch_start(struct fetch **ret, struct fetcher *f, const struct fetch_options *o,
                fetch_done *cb, void *arg, struct err *e)
{
    struct fetch *t = calloc(1, sizeof *t);
    if (!t)
        return err_set(e, ERR_NOMEM, "out of memory");
    t->fetcher = f;
    t->cb = cb;
    t->arg = arg;
    t->timeout_ms = o->timeout_ms;
    buf_init(&t->body, o->size_max);
    t->easy = curl_easy_init();
    int err = t->easy ? set_options(t, o, e) : err_set(e, ERR_NOMEM, "out of memory");
    if (!err && curl_multi_add_handle(f->multi, t->easy))
        err = err_set(e, ERR_NOMEM, "libcurl does not take the request");
    if (err) {
        fetch_free(t);
        return err;
    }
    t->next = f->running;
    t->pprev = &f->running;
    if (t->next)
        t->next->pprev = &t->next;
    f->running = t;
    *ret = t;
    return 0;
}

void fetch_cancel(struct fetch *t)
{
    fetch_free(t);
}

/* ---- life
 * ------------------------------------------------------------------------------------------*/

int fetcher_new(struct fetcher **ret, struct loop *l, struct err *e)
{
    struct fetcher *f = calloc(1, sizeof *f);
    if (!f)
        return err_set(e, ERR_NOMEM, "out of memory");
    f->loop = l;
    if (curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK)
        f->multi = curl_multi_init();
    f->timer = loop_timer_new(l, on_timer, f);
    if (!f->multi || !f->timer) {
        fetcher_free(f);
        return err_set(e, ERR_NOMEM, "libcurl does not start");
    }
    curl_multi_setopt(f->multi, CURLMOPT_SOCKETFUNCTION, on_socket);
    curl_multi_setopt(f->multi, CURLMOPT_SOCKETDATA, f);
    curl_multi_setopt(f->multi, CURLMOPT_TIMERFUNCTION, on_timeout_wanted);
    curl_multi_setopt(f->multi, CURLMOPT_TIMERDATA, f);
    curl_multi_setopt(f->multi, CURLMOPT_MAXCONNECTS, (long)CONNECTIONS_KEPT);
    *ret = f;
    return 0;
}

void fetcher_free(struct fetcher *f)
{
    if (!f)
        return;
    while (f->running)
        fetch_free(f->running);
    if (f->multi)
        curl_multi_cleanup(f->multi);
    loop_timer_del(f->timer);
    free(f);
}
