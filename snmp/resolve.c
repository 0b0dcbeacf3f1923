/* Invariants: a thread knows its job and the mailbox, never a lookup or the loop; a job belongs to
 * its thread until it lies in the mailbox, then to the loop. The mailbox lives until the resolver
 * and the last thread have let go of it, so a resolver can be freed while name servers are silent.
 * `job.lookup` is the loop's alone. */
#include "snmp/resolve.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum { THREAD_STACK = 256 * 1024, WHY_MAX = 128 };

/* ---- addresses
 * -----------------------------------------------------------------------------------*/

static bool parse_v4(struct address *ret, const char *host, uint16_t port)
{
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(port)};
    if (inet_pton(AF_INET, host, &in.sin_addr) != 1)
        return false;
    *ret = (struct address){.len = sizeof in};
    memcpy(&ret->storage, &in, sizeof in);
    return true;
}

/* getaddrinfo because of scopes; with AI_NUMERICHOST it asks nobody. */
static bool parse_v6(struct address *ret, const char *host, uint16_t port)
{
    struct addrinfo hints = {.ai_family = AF_INET6, .ai_flags = AI_NUMERICHOST}, *found;
    struct sockaddr_in6 in;
    if (!strchr(host, ':') || getaddrinfo(host, NULL, &hints, &found))
        return false;
    memcpy(&in, found->ai_addr, sizeof in);
    freeaddrinfo(found);
    in.sin6_port = htons(port);
    *ret = (struct address){.len = sizeof in};
    memcpy(&ret->storage, &in, sizeof in);
    return true;
}

bool address_parse(struct address *ret, const char *host, uint16_t port)
{
    char bare[ADDRESS_TEXT_MAX];
    size_t len = strlen(host);
    if (len >= sizeof bare)
        return false;
    if (len < 2 || host[0] != '[' || host[len - 1] != ']')
        return parse_v4(ret, host, port) || parse_v6(ret, host, port);
    memcpy(bare, host + 1, len - 2);
    bare[len - 2] = 0;
    return parse_v6(ret, bare, port);
}

void address_host(const struct address *a, char dst[ADDRESS_TEXT_MAX])
{
    if (getnameinfo((const struct sockaddr *)&a->storage, a->len, dst, ADDRESS_TEXT_MAX, NULL, 0,
                    NI_NUMERICHOST))
        snprintf(dst, ADDRESS_TEXT_MAX, "?");
}

static uint16_t port_of(const struct address *a)
{
    if (a->storage.ss_family == AF_INET6)
        return ntohs(((const struct sockaddr_in6 *)&a->storage)->sin6_port);
    return ntohs(((const struct sockaddr_in *)&a->storage)->sin_port);
}

void address_text(const struct address *a, char dst[ADDRESS_TEXT_MAX])
{
    char host[ADDRESS_TEXT_MAX];
    bool v6 = a->storage.ss_family == AF_INET6;
    address_host(a, host);
    snprintf(dst, ADDRESS_TEXT_MAX, v6 ? "[%.70s]:%u" : "%.70s:%u", host, port_of(a));
}

const struct address *address_choose(const struct address *a, size_t n, unsigned nth)
{
    size_t wanted = nth % n, seen = 0;
    for (int v6 = 0; v6 < 2; v6++)
        for (size_t i = 0; i < n; i++)
            if ((a[i].storage.ss_family == AF_INET6) == (v6 == 1) && seen++ == wanted)
                return &a[i];
    return a;
}

/* ---- what threads and loop share
 * -------------------------------------------------------------------*/

struct answer_of_names {
    int result;
    size_t n;
    struct address addresses[RESOLVE_ADDRESSES_MAX];
    char why[WHY_MAX];
};

struct job {
    struct mailbox *box;
    struct job *next;
    struct lookup *lookup; /* NULL: cancelled */
    char host[RESOLVE_NAME_MAX + 1];
    uint16_t port;
    struct answer_of_names answer;
};

struct mailbox {
    pthread_mutex_t lock;
    int fd; /* eventfd; readable while there is something in `done` */
    struct job *done;
    unsigned users; /* the resolver and each thread */
    bool closed;    /* the resolver is gone: jobs are thrown away */
};

static struct mailbox *mailbox_new(void)
{
    struct mailbox *box = calloc(1, sizeof *box);
    if (!box)
        return NULL;
    box->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (box->fd < 0) {
        free(box);
        return NULL;
    }
    pthread_mutex_init(&box->lock, NULL);
    box->users = 1;
    return box;
}

static void jobs_free(struct job *j)
{
    while (j) {
        struct job *next = j->next;
        free(j);
        j = next;
    }
}

/* Called with the lock held, which it gives back. */
static void mailbox_leave(struct mailbox *box)
{
    bool last = !--box->users;
    pthread_mutex_unlock(&box->lock);
    if (!last)
        return;
    jobs_free(box->done);
    close(box->fd);
    pthread_mutex_destroy(&box->lock);
    free(box);
}

static const struct {
    int code, result;
} gai_errors[] = {
    {EAI_NONAME, ERR_NOTFOUND},     {EAI_NODATA, ERR_NOTFOUND}, {EAI_AGAIN, ERR_TEMPORARY},
    {EAI_ADDRFAMILY, ERR_NOTFOUND}, {EAI_MEMORY, ERR_NOMEM},
};

static int error_of_gai(int code)
{
    for (size_t i = 0; i < sizeof gai_errors / sizeof *gai_errors; i++)
        if (gai_errors[i].code == code)
            return gai_errors[i].result;
    return ERR_NETWORK;
}

static void take_addresses(struct answer_of_names *a, const struct addrinfo *found)
{
    for (; found && a->n < RESOLVE_ADDRESSES_MAX; found = found->ai_next) {
        if (found->ai_family != AF_INET && found->ai_family != AF_INET6)
            continue;
        struct address *to = &a->addresses[a->n++];
        memcpy(&to->storage, found->ai_addr, found->ai_addrlen);
        to->len = found->ai_addrlen;
    }
    a->result = a->n ? 0 : ERR_NOTFOUND;
    if (a->result)
        snprintf(a->why, sizeof a->why, "no IPv4 or IPv6 address");
}

static void look_up(struct job *j)
{
    struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_DGRAM}, *found = NULL;
    char service[8];
    snprintf(service, sizeof service, "%u", j->port);
    hints.ai_flags = AI_NUMERICSERV;
    int code = getaddrinfo(j->host, service, &hints, &found);
    if (code) {
        j->answer.result = error_of_gai(code);
        snprintf(j->answer.why, sizeof j->answer.why, "%s", gai_strerror(code));
        return;
    }
    take_addresses(&j->answer, found);
    freeaddrinfo(found);
}

static void *lookup_thread(void *arg)
{
    struct job *j = arg;
    struct mailbox *box = j->box;
    uint64_t one = 1;
    look_up(j);
    pthread_mutex_lock(&box->lock);
    if (box->closed) {
        free(j);
    } else {
        j->next = box->done;
        box->done = j;
        if (write(box->fd, &one, sizeof one) < 0) {
            /* cannot happen: the counter never nears its end; the next job would wake the loop */
        }
    }
    mailbox_leave(box);
    return NULL;
}

/* Signals are the loop's: the thread must not take one that signalfd waits for. */
static int start_thread(struct job *j)
{
    pthread_attr_t attr;
    pthread_t thread;
    sigset_t all, before;
    if (pthread_attr_init(&attr))
        return ERR_NOMEM;
    pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    pthread_attr_setstacksize(&attr, THREAD_STACK);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int err = pthread_create(&thread, &attr, lookup_thread, j);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attr);
    return err ? ERR_NOMEM : 0;
}

/* ---- the loop's side
 * -------------------------------------------------------------------------------*/

enum lookup_place { PLACE_WAITING, PLACE_RUNNING, PLACE_READY };

struct lookup {
    struct resolver *resolver;
    struct lookup *prev, *next; /* in the list of its place */
    enum lookup_place place;
    struct job *job;
    struct loop_timer *deadline;
    resolve_done *cb;
    void *arg;
};

struct lookups { /* a queue */
    struct lookup *first, *last;
    size_t n;
};

struct resolver {
    struct loop *loop;
    struct mailbox *box;
    struct loop_fd *wake;
    struct loop_timer *soon; /* set while `ready` has something */
    unsigned threads;        /* those of cancelled lookups included */
    struct lookups lists[3]; /* by place */
};

static void enlist(struct lookup *l, enum lookup_place place)
{
    struct lookups *list = &l->resolver->lists[place];
    l->place = place;
    l->next = NULL;
    l->prev = list->last;
    if (list->last)
        list->last->next = l;
    else
        list->first = l;
    list->last = l;
    list->n++;
}

static void unlist(struct lookup *l)
{
    struct lookups *list = &l->resolver->lists[l->place];
    if (l->prev)
        l->prev->next = l->next;
    else
        list->first = l->next;
    if (l->next)
        l->next->prev = l->prev;
    else
        list->last = l->prev;
    list->n--;
}

static void lookup_free(struct lookup *l)
{
    loop_timer_del(l->deadline);
    free(l);
}

/* Answers and forgets; the callback may do anything, freeing the resolver included. */
static void answer(struct lookup *l)
{
    struct job *j = l->job;
    resolve_done *cb = l->cb;
    void *arg = l->arg;
    unlist(l);
    lookup_free(l);
    cb(arg, j->answer.result, j->answer.addresses, j->answer.n, j->answer.why);
    free(j);
}

/* The thread goes on and its answer is thrown away. */
static void on_deadline(void *arg)
{
    struct lookup *l = arg;
    resolve_done *cb = l->cb;
    void *cb_arg = l->arg;
    if (l->place == PLACE_READY)
        return; /* answered in this very turn */
    resolve_cancel(l);
    cb(cb_arg, ERR_TEMPORARY, NULL, 0, "the name servers do not answer");
}

static void make_ready(struct lookup *l)
{
    enlist(l, PLACE_READY);
    loop_timer_set(l->resolver->soon, 0);
}

static void start_waiting(struct resolver *r)
{
    struct lookup *l;
    while (r->threads < RESOLVE_LOOKUPS_MAX && (l = r->lists[PLACE_WAITING].first)) {
        unlist(l);
        enlist(l, PLACE_RUNNING);
        pthread_mutex_lock(&r->box->lock);
        r->box->users++;
        pthread_mutex_unlock(&r->box->lock);
        int err = start_thread(l->job);
        if (!err) {
            r->threads++;
            continue;
        }
        pthread_mutex_lock(&r->box->lock);
        mailbox_leave(r->box);
        l->job->answer.result = err;
        snprintf(l->job->answer.why, WHY_MAX, "no thread for the lookup");
        unlist(l);
        make_ready(l);
    }
}

static struct job *take_done(struct mailbox *box)
{
    uint64_t count;
    pthread_mutex_lock(&box->lock);
    struct job *j = box->done;
    box->done = NULL;
    if (read(box->fd, &count, sizeof count) < 0)
        count = 0; /* woken for what was taken already */
    pthread_mutex_unlock(&box->lock);
    return j;
}

static void on_wake(void *arg, short revents)
{
    struct resolver *r = arg;
    struct job *j = take_done(r->box), *next;
    (void)revents;
    for (; j; j = next) {
        next = j->next;
        r->threads--;
        if (!j->lookup) {
            free(j);
            continue;
        }
        unlist(j->lookup);
        make_ready(j->lookup);
    }
    start_waiting(r);
}

/* One callback a time, since each may free the resolver. */
static void on_soon(void *arg)
{
    struct resolver *r = arg;
    struct lookup *l = r->lists[PLACE_READY].first;
    if (r->lists[PLACE_READY].n > 1)
        loop_timer_set(r->soon, 0);
    if (l)
        answer(l);
}

struct resolver *resolver_new(struct loop *l)
{
    struct resolver *r = calloc(1, sizeof *r);
    if (!r)
        return NULL;
    r->loop = l;
    r->box = mailbox_new();
    if (r->box)
        r->wake = loop_fd_add(l, r->box->fd, POLLIN, on_wake, r);
    r->soon = loop_timer_new(l, on_soon, r);
    if (!r->box || !r->wake || !r->soon) {
        resolver_free(r);
        return NULL;
    }
    return r;
}

void resolver_free(struct resolver *r)
{
    if (!r)
        return;
    for (int place = 0; place < 3; place++)
        while (r->lists[place].first)
            resolve_cancel(r->lists[place].first);
    loop_fd_del(r->wake);
    loop_timer_del(r->soon);
    if (r->box) {
        pthread_mutex_lock(&r->box->lock);
        r->box->closed = true;
        mailbox_leave(r->box);
    }
    free(r);
}

static bool host_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '.' || c == '_';
}

static int check_host(const char *host, struct err *e)
{
    size_t len = strlen(host);
    if (!len || len > RESOLVE_NAME_MAX)
        return err_set(e, ERR_INVALID, "a host name has 1 to %d octets", RESOLVE_NAME_MAX);
    for (const char *p = host; *p; p++)
        if (!host_char(*p))
            return err_set(e, ERR_INVALID, "'%s' is not a host name or an address", host);
    return 0;
}

static struct lookup *lookup_new(struct resolver *r, const char *host, uint16_t port,
                                 resolve_done *cb, void *arg)
{
    struct lookup *l = calloc(1, sizeof *l);
    struct job *j = calloc(1, sizeof *j);
    struct loop_timer *deadline = loop_timer_new(r->loop, on_deadline, l);
    if (!l || !j || !deadline) {
        loop_timer_del(deadline);
        free(l);
        free(j);
        return NULL;
    }
    *l = (struct lookup){.resolver = r, .job = j, .deadline = deadline, .cb = cb, .arg = arg};
    loop_timer_set(deadline, RESOLVE_LONGEST_MS);
    j->box = r->box;
    j->lookup = l;
    j->port = port;
    snprintf(j->host, sizeof j->host, "%s", host);
    return l;
}

int resolve_start(struct lookup **ret, struct resolver *r, const char *host, uint16_t port,
                  resolve_done *cb, void *arg, struct err *e)
{
    struct address numeric;
    bool is_numeric = address_parse(&numeric, host, port);
    int err = is_numeric ? 0 : check_host(host, e);
    if (err)
        return err;
    struct lookup *l = lookup_new(r, host, port, cb, arg);
    if (!l)
        return err_set(e, ERR_NOMEM, "out of memory");
    if (is_numeric) {
        l->job->answer.addresses[0] = numeric;
        l->job->answer.n = 1;
        make_ready(l);
    } else {
        enlist(l, PLACE_WAITING);
        start_waiting(r);
    }
    *ret = l;
    return 0;
}

void resolve_cancel(struct lookup *l)
{
    if (!l)
        return;
    unlist(l);
    if (l->place == PLACE_RUNNING)
        l->job->lookup = NULL; /* its thread ends by itself */
    else
        free(l->job);
    lookup_free(l);
}
