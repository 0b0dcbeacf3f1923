/* Handler kind "smtp". Jobs become mails on the loop's thread and wait in a queue; a session takes
 * up to SUBMISSION_MAILS_MAX of them that want the same server to a thread of its own, which ends
 * with it. Threads share nothing but the outbox, under its lock: there a finished session waits
 * for the loop. Once the outbox is closed, what still runs belongs to its thread, which throws it
 * away. */
#include "dispatch/dispatch.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/log.h"
#include "base/loop.h"
#include "dispatch/link.h"
#include "dispatch/mailjob.h"
#include "dispatch/smtp_kind.h"
#include "dispatch/transport.h"

enum {
    SESSIONS_MAX = 4,      /* of one handler at a time */
    SESSIONS_MAX_ALL = 64, /* of the process */
    BUSY_MS = 100,         /* until the process may have room for another session */
};

/* ---- sessions ---- */

struct outbox;
struct batch {          /* what one session carries */
    struct batch *next; /* of the handler's */
    struct outbox *outbox;
    struct transport *transport;
    struct mailjob *mails[SUBMISSION_MAILS_MAX];
    size_t n;
    struct err error;
    bool finished; /* under the outbox's lock */
};

struct outbox {
    pthread_mutex_t lock;
    int event_fd;
    unsigned running; /* threads that will still come here */
    bool closed;
};

struct smtp {
    struct service *service;
    struct loop_timer *start;
    struct loop_fd *watch;
    struct outbox *outbox;
    struct mailjob *queue, **queue_end;
    struct batch *sessions; /* of the loop's thread */
    unsigned nsessions;
    uint64_t unknown; /* mails that may have arrived and are sent again */
};

static atomic_uint sessions_of_process;

static struct outbox *outbox_new(void)
{
    struct outbox *o = calloc(1, sizeof *o);

    if (!o)
        return NULL;
    o->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (o->event_fd < 0 || pthread_mutex_init(&o->lock, NULL)) {
        if (o->event_fd >= 0)
            close(o->event_fd);
        free(o);
        return NULL;
    }
    return o;
}

static void outbox_free(struct outbox *o)
{
    pthread_mutex_destroy(&o->lock);
    close(o->event_fd);
    free(o);
}

static void batch_free(struct batch *b)
{
    for (size_t i = 0; i < b->n; i++)
        mailjob_free(b->mails[i]);
    transport_free(b->transport);
    free(b);
}

/* The thread's last act. */
static void batch_finish(struct batch *b)
{
    struct outbox *o = b->outbox;
    uint64_t one = 1;
    bool closed, last;

    atomic_fetch_sub(&sessions_of_process, 1);
    pthread_mutex_lock(&o->lock);
    closed = o->closed;
    last = --o->running == 0;
    b->finished = true;
    if (!closed && write(o->event_fd, &one, sizeof one) < 0) {
        /* the counter is full: it is readable already */
    }
    pthread_mutex_unlock(&o->lock);
    if (!closed)
        return; /* the loop's from here */
    batch_free(b);
    if (last)
        outbox_free(o);
}

static void *batch_thread(void *arg)
{
    struct batch *b = arg;
    struct mail *mails[SUBMISSION_MAILS_MAX];

    for (size_t i = 0; i < b->n; i++)
        mails[i] = &b->mails[i]->mail;
    if (b->mails[0]->check)
        submission_check(&b->mails[0]->settings, b->transport, &b->error);
    else
        submission_run(&b->mails[0]->settings, b->transport, mails, b->n, &b->error);
    batch_finish(b);
    return NULL;
}

/* A detached thread that takes no signal. */
static int start_thread(void *(*run)(void *), void *arg)
{
    pthread_attr_t attr;
    pthread_t thread;
    sigset_t all, old;
    int err;

    if (pthread_attr_init(&attr))
        return ERR_NOMEM;
    pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    err = pthread_create(&thread, &attr, run, arg);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    pthread_attr_destroy(&attr);
    return err ? ERR_NOMEM : 0;
}

/* ---- from the queue to sessions and back ---- */

static struct mailjob *queue_take(struct smtp *m, struct mailjob **at)
{
    struct mailjob *it = *at;

    *at = it->next;
    if (m->queue_end == &it->next)
        m->queue_end = at;
    it->next = NULL;
    return it;
}

/* The queue's first and what goes with it, in order. */
static void fill_session(struct smtp *m, struct batch *b)
{
    struct mailjob **at = &m->queue;

    while (*at && b->n < SUBMISSION_MAILS_MAX) {
        if (b->n > 0 &&
            memcmp(&(*at)->settings, &b->mails[0]->settings, sizeof(*at)->settings) != 0) {
            at = &(*at)->next;
            continue;
        }
        b->mails[b->n++] = queue_take(m, at);
    }
}

static void refuse(struct smtp *m, struct mailjob *it, const struct err *e)
{
    mailjob_refuse(it, m->service, e);
    mailjob_free(it);
}

static void give_back(struct smtp *m, struct batch *b, const struct err *e)
{
    for (size_t i = 0; i < b->n; i++)
        mailjob_refuse(b->mails[i], m->service, e);
    batch_free(b);
}

/* Hands B to a thread of its own. */
static int launch(struct batch *b, struct err *e)
{
    int err;

    atomic_fetch_add(&sessions_of_process, 1);
    pthread_mutex_lock(&b->outbox->lock);
    b->outbox->running++;
    err = start_thread(batch_thread, b);
    if (err)
        b->outbox->running--;
    pthread_mutex_unlock(&b->outbox->lock);
    if (!err)
        return 0;
    atomic_fetch_sub(&sessions_of_process, 1);
    return err_set(e, err, "no thread for a mail session");
}

/* With CHECK alone, which it takes over, else (NULL) with what is first in the queue. */
static int start_session(struct smtp *m, struct mailjob *check)
{
    struct batch *b = calloc(1, sizeof *b);
    struct err e;
    int err;

    if (!b) {
        err = err_set(&e, ERR_NOMEM, "out of memory");
        if (check)
            refuse(m, check, &e);
        return err;
    }
    b->outbox = m->outbox;
    err = transport_new(&b->transport, &e);
    if (check)
        b->mails[b->n++] = check;
    else
        fill_session(m, b);
    if (!err)
        err = launch(b, &e);
    if (err) {
        give_back(m, b, &e);
        return err;
    }
    b->next = m->sessions;
    m->sessions = b;
    m->nsessions += !check;
    return 0;
}

static void on_start(void *arg)
{
    struct smtp *m = arg;

    while (m->queue && m->nsessions < SESSIONS_MAX) {
        if (atomic_load(&sessions_of_process) >= SESSIONS_MAX_ALL || start_session(m, NULL)) {
            loop_timer_set(m->start, BUSY_MS);
            return;
        }
    }
}

static struct batch *take_finished(struct smtp *m)
{
    struct batch **at = &m->sessions, *b = NULL;

    pthread_mutex_lock(&m->outbox->lock);
    while (*at && !(*at)->finished)
        at = &(*at)->next;
    pthread_mutex_unlock(&m->outbox->lock);
    if (!*at)
        return NULL;
    b = *at;
    *at = b->next;
    m->nsessions -= !b->mails[0]->check;
    return b;
}

/* One by one, since each is one that somebody may have twice. */
static void count_unknown(struct smtp *m, const struct mailjob *it)
{
    if (!it->mail.unknown)
        return;
    m->unknown++;
    log_warning(service_handler(m->service)->name,
                "the connection was lost before the server's answer to a whole message, which may "
                "arrive twice under its Message-ID: %" PRIu64 " since the handler was opened",
                m->unknown);
}

static void on_finished(void *arg, short revents)
{
    struct smtp *m = arg;
    struct batch *b;
    uint64_t n;

    (void)revents;
    if (read(m->outbox->event_fd, &n, sizeof n) < 0 && errno != EAGAIN)
        return;
    while ((b = take_finished(m))) {
        for (size_t i = 0; i < b->n; i++) {
            count_unknown(m, b->mails[i]);
            mailjob_answer(b->mails[i], m->service, &b->error);
        }
        batch_free(b);
    }
    on_start(m);
}

/* ---- the kind ---- */

static void smtp_close(void *state);

static int smtp_open(struct service *s, void **ret_state, struct err *e)
{
    struct smtp *m = calloc(1, sizeof *m);
    int err;

    if (!m)
        return err_set(e, ERR_NOMEM, "out of memory");
    link_start();
    m->service = s;
    m->queue_end = &m->queue;
    m->outbox = outbox_new();
    m->start = loop_timer_new(service_loop(s), on_start, m);
    if (m->outbox)
        m->watch = loop_fd_add(service_loop(s), m->outbox->event_fd, POLLIN, on_finished, m);
    err = m->watch && m->start ? smtp_kind.check(&service_handler(s)->values, e)
                               : err_set(e, ERR_NOMEM, "out of memory or descriptors");
    if (err) {
        smtp_close(m);
        return err;
    }
    *ret_state = m;
    return 0;
}

/* Cancels what runs. The threads end soon, but a name look-up may keep one for seconds: nobody
 * waits for it. */
static void close_sessions(struct smtp *m)
{
    struct batch *b, *next;
    bool last;

    pthread_mutex_lock(&m->outbox->lock);
    m->outbox->closed = true;
    for (b = m->sessions; b; b = next) {
        next = b->next;
        if (b->finished)
            batch_free(b);
        else
            transport_cancel(b->transport);
    }
    last = m->outbox->running == 0;
    pthread_mutex_unlock(&m->outbox->lock);
    if (last)
        outbox_free(m->outbox);
}

static void smtp_close(void *state)
{
    struct smtp *m = state;

    loop_fd_del(m->watch);
    loop_timer_del(m->start);
    if (m->outbox)
        close_sessions(m);
    while (m->queue)
        mailjob_free(queue_take(m, &m->queue));
    free(m);
}

static void enqueue(struct smtp *m, struct mailjob *it)
{
    *m->queue_end = it;
    m->queue_end = &it->next;
    /* Not at once: what comes in this turn may go in one session. */
    loop_timer_set(m->start, 0);
}

static void smtp_deliver(void *state, struct job *j)
{
    struct smtp *m = state;
    struct mailjob *it = NULL;
    struct err e;
    int err = mailjob_new(&it, m->service, j, false, &e);

    job_release(j);
    if (!err) {
        enqueue(m, it);
    } else if (it) {
        refuse(m, it, &e);
    } else {
        service_retry(m->service, j->id, "out of memory");
    }
    free(j);
}

/* At once, however long the queue is: whoever mends a handler should not have to wait for what is
 * wrong with it. */
static void smtp_validate(void *state, struct job *j)
{
    struct smtp *m = state;
    struct mailjob *it = NULL;
    struct err e = {.text = ""};
    int err = mailjob_new(&it, m->service, j, true, &e);

    if (!it) {
        service_checked(m->service, j->id, false, "out of memory");
    } else if (err) {
        refuse(m, it, &e);
    } else if (atomic_load(&sessions_of_process) >= SESSIONS_MAX_ALL) {
        err_set(&e, ERR_AGAIN, "there are too many mail sessions: try again later");
        refuse(m, it, &e);
    } else {
        start_session(m, it);
    }
    job_release(j);
    free(j);
}

static void smtp_cancel(void *state, uint64_t job)
{
    struct smtp *m = state;
    struct mailjob **at = &m->queue, *it;
    struct err e;

    while (*at && (*at)->job != job)
        at = &(*at)->next;
    if (!*at)
        return;
    it = queue_take(m, at);
    err_set(&e, ERR_AGAIN, "cancelled");
    refuse(m, it, &e);
}

/* Whoever has configured it shall see what its mails look like, and that they arrive. */
static void smtp_changed(void *state)
{
    struct smtp *m = state;
    struct mailjob *it = NULL;
    struct err e;
    int err = mailjob_new_test(&it, m->service, &e);

    if (!err && it) {
        enqueue(m, it);
        return;
    }
    if (err)
        log_warning(service_handler(m->service)->name, "no test mail: %s", e.text);
    mailjob_free(it);
}

const struct dispatch_kind dispatch_kind_smtp = {
    .kind = &smtp_kind,
    .open = smtp_open,
    .close = smtp_close,
    .deliver = smtp_deliver,
    .cancel = smtp_cancel,
    .validate = smtp_validate,
    .changed = smtp_changed,
};
