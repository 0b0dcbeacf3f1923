/* Handler kind "smtp". Jobs become mails on the loop's thread and wait in a queue; a session takes
 * up to SUBMISSION_MAILS_MAX of them that want the same server to a thread of its own, which ends
 * with it. Threads share nothing but the outbox, under its lock: there a finished session waits
 * for the loop. Once the outbox is closed, what still runs belongs to its thread, which throws it
 * away. */
#include "dispatch/dispatch.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/loop.h"
#include "dispatch/link.h"
#include "dispatch/mailmsg.h"
#include "dispatch/notice_text.h"
#include "dispatch/submission.h"

enum {
    SESSIONS_MAX = 4,      /* of one handler at a time */
    SESSIONS_MAX_ALL = 64, /* of the process */
    BUSY_MS = 100,         /* until the process may have room for another session */
    BODY_MAX = 1 << 20,
    SUBJECT_MAX = 1024,
};

/* ---- properties ---- */

static const char *const encryptions[] = {"none", "tls", "ssl", NULL};
static const uint16_t ports[] = {25, 587, 465}; /* of each */
static const enum transport_encryption transports[] = {TRANSPORT_PLAIN, TRANSPORT_STARTTLS,
                                                       TRANSPORT_TLS};
static const char *const auths[] = {"none", "password", NULL};

static const struct property properties[] = {
    {.name = "host",
     .type = PROPERTY_TEXT,
     .required = true,
     .target_may_override = true,
     .transport = true,
     .min = 1,
     .max = 255,
     .help = "Name or address of the mail server."},
    {.name = "port",
     .type = PROPERTY_NUMBER,
     .target_may_override = true,
     .transport = true,
     .min = 1,
     .max = 65535,
     .help = "Its port; without one 587 for tls, 465 for ssl, 25 for none."},
    {.name = "encryption",
     .type = PROPERTY_ENUM,
     .target_may_override = true,
     .transport = true,
     .def = "tls",
     .names = encryptions,
     .help = "tls: STARTTLS, and nothing is sent where it is not offered; ssl: TLS from the first "
             "octet; none: plain text."},
    {.name = "verify",
     .type = PROPERTY_BOOLEAN,
     .target_may_override = true,
     .transport = true,
     .def = "true",
     .help = "Whether the server's certificate must be good and name the host."},
    {.name = "caFile",
     .type = PROPERTY_FILE,
     .transport = true,
     .help = "Certificates (PEM) to trust instead of the system's."},
    {.name = "auth",
     .type = PROPERTY_ENUM,
     .target_may_override = true,
     .def = "none",
     .names = auths,
     .help = "password: authenticate, and send nothing when the server refuses."},
    {.name = "username",
     .type = PROPERTY_TEXT,
     .min = 1,
     .max = CREDENTIAL_MAX,
     .help = "Name for auth=\"password\"."},
    {.name = "passwordFile",
     .type = PROPERTY_FILE,
     .help = "File whose first line is the password; other users must not be able to read it."},
    {.name = "allowPlainAuth",
     .type = PROPERTY_BOOLEAN,
     .def = "false",
     .help = "Allows auth=\"password\" with encryption=\"none\": the password is readable on "
             "the way."},
    {.name = "fromAddress",
     .type = PROPERTY_TEXT,
     .required = true,
     .target_may_override = true,
     .min = 3,
     .max = MAIL_ADDRESS_MAX,
     .help = "Sender of the mails, in the envelope and in From."},
    {.name = "fromName",
     .type = PROPERTY_TEXT,
     .target_may_override = true,
     .max = 128,
     .help = "Name beside the sender's address."},
    {.name = "helo",
     .type = PROPERTY_TEXT,
     .min = 1,
     .max = 255,
     .help = "What this host calls itself to the server; without it its host name."},
    {.name = "connectTimeout",
     .type = PROPERTY_DURATION,
     .min = 100,
     .max = 120 * 1000,
     .def = "10s",
     .help = "Longest time to connect to one address of the server."},
    {.name = "timeout",
     .type = PROPERTY_DURATION,
     .min = 100,
     .max = 600 * 1000,
     .def = "60s",
     .help = "Longest time to wait for the server's next octet."},
    {.name = "deadline",
     .type = PROPERTY_DURATION,
     .min = 1000,
     .max = 3600 * 1000,
     .def = "5m",
     .help = "Longest time for a whole session, which carries up to 50 mails."},
};
enum { NPROPERTIES = sizeof properties / sizeof *properties };

/* A domain, or an address literal in brackets (RFC 5321 section 4.1.3). */
static bool helo_valid(const char *s)
{
    size_t n = strlen(s);

    if (s[0] != '[')
        return mail_domain_valid(s);
    return n > 2 && s[n - 1] == ']' && strspn(s + 1, "0123456789abcdefABCDEFIPv.:") == n - 2;
}

/* What auth="password" needs; NULL when it is there. */
static const char *auth_obstacle(const char *username, const char *password_file, bool encrypted,
                                 bool allow_plain)
{
    if (!*username)
        return "auth=\"password\" needs a username";
    if (!*password_file)
        return "auth=\"password\" needs a passwordFile";
    if (!encrypted && !allow_plain)
        return "auth=\"password\" with encryption=\"none\" would show the password to everybody "
               "on the way: use encryption=\"tls\", or allowPlainAuth=\"true\" if you must";
    return NULL;
}

static const char *text(const struct values *v, const char *name)
{
    return values_text(v, properties, NPROPERTIES, name);
}

static int check(const struct values *v, struct err *e)
{
    const char *helo = text(v, "helo"), *why = NULL;

    if (!mail_address_valid(text(v, "fromAddress")))
        return err_set(e, ERR_INVALID,
                       "fromAddress: expected a mail address in ASCII such as "
                       "alerts@example.net");
    if (*helo && !helo_valid(helo))
        return err_set(e, ERR_INVALID, "helo: expected a domain name");
    if (strcmp(text(v, "auth"), "password") == 0)
        why = auth_obstacle(text(v, "username"), text(v, "passwordFile"),
                            strcmp(text(v, "encryption"), "none") != 0,
                            values_true(v, properties, NPROPERTIES, "allowPlainAuth"));
    return why ? err_set(e, ERR_INVALID, "%s", why) : 0;
}

static const struct kind kind = {
    .class_ = KIND_HANDLER,
    .name = "smtp",
    .properties = properties,
    .nproperties = NPROPERTIES,
    .digest_ms = 30 * 1000,
    .help = "Mail through a mail server. A target's recipients are mail addresses.",
    .check = check,
};

/* ---- settings of a job ---- */

static void copy(char *dst, size_t cap, const char *src)
{
    snprintf(dst, cap, "%s", src); /* the properties' limits are the fields' */
}

/* "localhost" where the host has no name that SMTP knows. */
static void set_helo(struct submission_settings *st, const char *configured)
{
    char name[sizeof st->helo] = "";

    copy(st->helo, sizeof st->helo, configured);
    if (*st->helo)
        return;
    if (gethostname(name, sizeof name - 1) || !mail_domain_valid(name))
        copy(name, sizeof name, "localhost");
    copy(st->helo, sizeof st->helo, name);
}

static int set_auth(struct submission_settings *st, const struct service *s, const struct job *j,
                    struct err *e)
{
    const char *why;

    if (strcmp(service_text(s, j, "auth"), "password") != 0)
        return 0;
    copy(st->username, sizeof st->username, service_text(s, j, "username"));
    copy(st->password_file, sizeof st->password_file, service_text(s, j, "passwordFile"));
    why = auth_obstacle(st->username, st->password_file, st->encryption != TRANSPORT_PLAIN,
                        service_true(s, j, "allowPlainAuth"));
    if (why && !*st->password_file && *text(&service_handler(s)->values, "passwordFile"))
        why = "the target names another server or other TLS checks: the handler's password is not "
              "sent there";
    return why ? err_set(e, ERR_INVALID, "%s", why) : 0;
}

static int set_settings(struct submission_settings *st, const struct service *s,
                        const struct job *j, struct err *e)
{
    int64_t port = service_number(s, j, "port"), encryption = service_number(s, j, "encryption");

    memset(st, 0, sizeof *st); /* padding too: settings are compared */
    copy(st->host, sizeof st->host, service_text(s, j, "host"));
    copy(st->ca_file, sizeof st->ca_file, service_text(s, j, "caFile"));
    set_helo(st, service_text(s, j, "helo"));
    st->encryption = transports[encryption];
    st->verify = service_true(s, j, "verify");
    st->port = port ? (uint16_t)port : ports[encryption];
    st->connect_ms = service_number(s, j, "connectTimeout");
    st->silence_ms = service_number(s, j, "timeout");
    st->total_ms = service_number(s, j, "deadline");
    return set_auth(st, s, j, e);
}

/* ---- items: jobs as mails ---- */

struct item {
    struct item *next;
    uint64_t job;
    struct submission_settings settings;
    struct mail mail; /* its recipients are the first of ours */
    struct outcome_recipient *recipients;
    size_t nrecipients;
};

static void item_free(struct item *it)
{
    if (!it)
        return;
    buf_release(&it->mail.message);
    free(it->recipients);
    free(it);
}

/* Addresses that are some come first and are the mail's; the others have failed already. */
static int set_recipients(struct item *it, const struct job *j)
{
    size_t bad = j->nrecipients;

    it->recipients = calloc(j->nrecipients ? j->nrecipients : 1, sizeof *it->recipients);
    if (!it->recipients)
        return ERR_NOMEM;
    it->nrecipients = j->nrecipients;
    for (size_t i = 0; i < j->nrecipients; i++) {
        bool valid = mail_address_valid(j->recipients[i]);
        struct outcome_recipient *r = &it->recipients[valid ? it->mail.nrecipients++ : --bad];

        copy(r->address, sizeof r->address, j->recipients[i]);
        r->state = valid ? NOTICE_PENDING : NOTICE_FAILED;
        copy(r->reply, sizeof r->reply, valid ? "" : "not a mail address in ASCII");
    }
    it->mail.recipients = it->recipients;
    return 0;
}

static int write_message(struct item *it, const struct mailmsg *m, const struct job *j,
                         struct err *e)
{
    struct mailmsg msg = *m;
    struct buf subject, body;
    int err;

    buf_init(&subject, SUBJECT_MAX);
    buf_init(&body, BODY_MAX);
    notice_subject(j, &subject);
    notice_body(j, &body);
    msg.subject = buf_cstr(&subject);
    msg.text = buf_cstr(&body);
    err = subject.err ? subject.err : body.err;
    if (err)
        err_set(e, err, "the message: %s", err_name(err));
    else
        err = mailmsg_write(&msg, &it->mail.message, e);
    buf_release(&subject);
    buf_release(&body);
    return err;
}

static int build_message(struct item *it, const struct service *s, const struct job *j,
                         struct err *e)
{
    const struct job_event *v = &j->events[0];
    char id[UUID_TEXT_LEN + MAIL_ADDRESS_MAX + 2], *to[JOB_RECIPIENTS_MAX], sequence[16];
    const struct mailmsg_header headers[] = {
        {"X-SNMPAlert-Level", notice_level(v->level)},
        {"X-SNMPAlert-Definition", v->definition},
        {"X-SNMPAlert-Instance", v->instance},
        {"X-SNMPAlert-Notice", v->uuid},
        {"X-SNMPAlert-Sequence", sequence},
    };
    struct mailmsg m = {
        .from_address = it->mail.from,
        .from_name = service_text(s, j, "fromName"),
        .to = to,
        .nto = it->mail.nrecipients,
        .message_id = id,
        .date_ms = j->created_ms,
        .headers = headers,
        .nheaders = j->nevents == 1 ? sizeof headers / sizeof *headers : 0,
    };
    const char *at = strchr(it->mail.from, '@');

    snprintf(sequence, sizeof sequence, "%u", (unsigned)v->sequence);
    snprintf(id, sizeof id, "%s%.*s", j->uuid, MAIL_ADDRESS_MAX, at ? at : "");
    for (size_t i = 0; i < m.nto; i++)
        to[i] = it->recipients[i].address;
    return write_message(it, &m, j, e);
}

/* ERR_INVALID: this will never be a mail. */
static int item_new(struct item **ret, const struct service *s, const struct job *j, struct err *e)
{
    struct item *it = calloc(1, sizeof *it);
    int err;

    if (!it)
        return err_set(e, ERR_NOMEM, "out of memory");
    it->job = j->id;
    buf_init(&it->mail.message, MAILMSG_MAX);
    *ret = it;
    err = set_settings(&it->settings, s, j, e);
    if (!err && set_recipients(it, j))
        err = err_set(e, ERR_NOMEM, "out of memory");
    if (err || it->mail.nrecipients == 0)
        return err ? err
                   : err_set(e, ERR_INVALID,
                             "the target has no recipient that is a mail "
                             "address");
    copy(it->mail.from, sizeof it->mail.from, service_text(s, j, "fromAddress"));
    return build_message(it, s, j, e);
}

/* ---- sessions ---- */

struct outbox;
struct session_job {
    struct session_job *next; /* of the running, or of the finished once it is in the outbox */
    struct outbox *outbox;
    struct transport *transport;
    struct item *items[SUBMISSION_MAILS_MAX];
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
    struct item *queue, **queue_end;
    struct session_job *sessions; /* of the loop's thread */
    unsigned nsessions;
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

static void session_free(struct session_job *b)
{
    for (size_t i = 0; i < b->n; i++)
        item_free(b->items[i]);
    transport_free(b->transport);
    free(b);
}

/* The thread's last act. */
static void session_finish(struct session_job *b)
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
    session_free(b);
    if (last)
        outbox_free(o);
}

static void *session_thread(void *arg)
{
    struct session_job *b = arg;
    struct mail *mails[SUBMISSION_MAILS_MAX];

    for (size_t i = 0; i < b->n; i++)
        mails[i] = &b->items[i]->mail;
    submission_run(&b->items[0]->settings, b->transport, mails, b->n, &b->error);
    session_finish(b);
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

/* ---- outcomes ---- */

static enum outcome_result result_of(const struct item *it)
{
    bool delivered = false;

    for (size_t i = 0; i < it->nrecipients; i++) {
        if (it->recipients[i].state == NOTICE_PENDING)
            return OUTCOME_RETRY;
        delivered |= it->recipients[i].state == NOTICE_DELIVERED;
    }
    return delivered ? OUTCOME_DELIVERED : OUTCOME_FAILED;
}

static bool any_delivered(const struct item *it)
{
    for (size_t i = 0; i < it->nrecipients; i++)
        if (it->recipients[i].state == NOTICE_DELIVERED)
            return true;
    return false;
}

/* The recipient that decided: the first that waits, else the first that failed. */
static const struct outcome_recipient *culprit(const struct item *it)
{
    const struct outcome_recipient *failed = NULL;

    for (size_t i = 0; i < it->nrecipients; i++) {
        const struct outcome_recipient *r = &it->recipients[i];

        if (r->state == NOTICE_PENDING)
            return r;
        if (r->state == NOTICE_FAILED && !failed)
            failed = r;
    }
    return failed;
}

static void write_error(char *dst, size_t cap, const struct item *it, const struct err *e)
{
    const struct outcome_recipient *r = culprit(it);
    char words[ERR_TEXT_MAX + 600];

    if (r && r->reply[0] && (!e->code || r->state == NOTICE_FAILED))
        snprintf(words, sizeof words, "%s:%u: %s: %s", it->settings.host, it->settings.port,
                 r->address, r->reply);
    else
        snprintf(words, sizeof words, "%s", e->code ? e->text : "not delivered");
    utf8_clean(dst, cap, words, strlen(words), false);
}

static void answer(struct smtp *m, const struct item *it, const struct err *e)
{
    struct outcome o = {
        .job = it->job,
        .result = (uint8_t)result_of(it),
        .confirmation = any_delivered(it) ? CONFIRM_ACKNOWLEDGED : CONFIRM_NONE,
        .recipients = it->recipients,
        .nrecipients = it->nrecipients,
    };

    if (o.result != OUTCOME_DELIVERED)
        write_error(o.error, sizeof o.error, it, e);
    service_done(m->service, &o);
}

/* A mail that never came to a session. */
static void refuse(struct smtp *m, struct item *it, const struct err *e)
{
    bool forever = e->code == ERR_INVALID || e->code == ERR_FULL;
    enum outcome_result result = forever ? OUTCOME_FAILED : OUTCOME_RETRY;
    struct outcome o = {.job = it->job, .result = (uint8_t)result, .confirmation = CONFIRM_NONE};

    for (size_t i = 0; i < it->nrecipients; i++)
        if (it->recipients[i].state == NOTICE_PENDING && result == OUTCOME_FAILED)
            it->recipients[i].state = NOTICE_FAILED;
    o.recipients = it->recipients;
    o.nrecipients = it->nrecipients;
    utf8_clean(o.error, sizeof o.error, e->text, strlen(e->text), false);
    service_done(m->service, &o);
}

/* ---- from the queue to sessions and back ---- */

static struct item *queue_take(struct smtp *m, struct item **at)
{
    struct item *it = *at;

    *at = it->next;
    if (m->queue_end == &it->next)
        m->queue_end = at;
    it->next = NULL;
    return it;
}

/* The queue's first and what goes with it, in order. */
static void fill_session(struct smtp *m, struct session_job *b)
{
    struct item **at = &m->queue;

    while (*at && b->n < SUBMISSION_MAILS_MAX) {
        if (b->n > 0 &&
            memcmp(&(*at)->settings, &b->items[0]->settings, sizeof(*at)->settings) != 0) {
            at = &(*at)->next;
            continue;
        }
        b->items[b->n++] = queue_take(m, at);
    }
}

static void give_back(struct smtp *m, struct session_job *b, const struct err *e)
{
    for (size_t i = 0; i < b->n; i++)
        refuse(m, b->items[i], e);
    session_free(b);
}

static int start_session(struct smtp *m)
{
    struct session_job *b = calloc(1, sizeof *b);
    struct err e;
    int err;

    if (!b)
        return ERR_NOMEM;
    b->outbox = m->outbox;
    err = transport_new(&b->transport, &e);
    fill_session(m, b);
    if (!err) {
        atomic_fetch_add(&sessions_of_process, 1);
        pthread_mutex_lock(&m->outbox->lock);
        m->outbox->running++;
        err = start_thread(session_thread, b);
        if (err)
            m->outbox->running--;
        pthread_mutex_unlock(&m->outbox->lock);
        if (err) {
            atomic_fetch_sub(&sessions_of_process, 1);
            err_set(&e, err, "no thread for a mail session");
        }
    }
    if (err) {
        give_back(m, b, &e);
        return err;
    }
    b->next = m->sessions;
    m->sessions = b;
    m->nsessions++;
    return 0;
}

static void on_start(void *arg)
{
    struct smtp *m = arg;

    while (m->queue && m->nsessions < SESSIONS_MAX) {
        if (atomic_load(&sessions_of_process) >= SESSIONS_MAX_ALL || start_session(m)) {
            loop_timer_set(m->start, BUSY_MS);
            return;
        }
    }
}

static struct session_job *take_finished(struct smtp *m)
{
    struct session_job **at = &m->sessions, *b = NULL;

    pthread_mutex_lock(&m->outbox->lock);
    while (*at && !(*at)->finished)
        at = &(*at)->next;
    pthread_mutex_unlock(&m->outbox->lock);
    if (!*at)
        return NULL;
    b = *at;
    *at = b->next;
    m->nsessions--;
    return b;
}

static void on_finished(void *arg, short revents)
{
    struct smtp *m = arg;
    struct session_job *b;
    uint64_t n;

    (void)revents;
    if (read(m->outbox->event_fd, &n, sizeof n) < 0 && errno != EAGAIN)
        return;
    while ((b = take_finished(m))) {
        for (size_t i = 0; i < b->n; i++)
            answer(m, b->items[i], &b->error);
        session_free(b);
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
    err = m->watch && m->start ? check(&service_handler(s)->values, e)
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
    struct session_job *b, *next;
    bool last;

    pthread_mutex_lock(&m->outbox->lock);
    m->outbox->closed = true;
    for (b = m->sessions; b; b = next) {
        next = b->next;
        if (b->finished)
            session_free(b);
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
        item_free(queue_take(m, &m->queue));
    free(m);
}

static void smtp_deliver(void *state, struct job *j)
{
    struct smtp *m = state;
    struct item *it = NULL;
    struct err e;
    int err = item_new(&it, m->service, j, &e);

    job_release(j);
    if (!err) {
        *m->queue_end = it;
        m->queue_end = &it->next;
        /* Not at once: what comes in this turn may go in one session. */
        loop_timer_set(m->start, 0);
    } else if (it) {
        refuse(m, it, &e);
        item_free(it);
    } else {
        struct outcome o = {.job = j->id, .result = OUTCOME_RETRY, .confirmation = CONFIRM_NONE};

        copy(o.error, sizeof o.error, "out of memory");
        service_done(m->service, &o);
    }
    free(j);
}

static void smtp_cancel(void *state, uint64_t job)
{
    struct smtp *m = state;
    struct item **at = &m->queue, *it;
    struct err e;

    while (*at && (*at)->job != job)
        at = &(*at)->next;
    if (!*at)
        return;
    it = queue_take(m, at);
    err_set(&e, ERR_AGAIN, "cancelled");
    refuse(m, it, &e);
    item_free(it);
}

const struct dispatch_kind dispatch_kind_smtp = {
    .kind = &kind,
    .open = smtp_open,
    .close = smtp_close,
    .deliver = smtp_deliver,
    .cancel = smtp_cancel,
};
