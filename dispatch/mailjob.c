#include "dispatch/mailjob.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "dispatch/mailmsg.h"
#include "dispatch/notice_text.h"
#include "dispatch/smtp_kind.h"

enum {
    BODY_MAX = 1 << 20,
    SUBJECT_MAX = 1024,
    CHECK_SLACK_MS = 5000, /* of CHECK_MS, for the answer's way */
    THREAD_MAX = 2 * 16 + sizeof ".alert" + MAIL_ADDRESS_MAX + 1,
};
_Static_assert((int)SUBJECT_MAX >= (int)TEMPLATE_LINE_MAX &&
                   (int)BODY_MAX >= (int)TEMPLATE_OUTPUT_MAX,
               "what templates make fits");
_Static_assert((int)MAILMSG_MAX > ((int)BODY_MAX + (int)TEMPLATE_OUTPUT_MAX) / 10 * 32,
               "so does a mail whose every octet is quoted, three for one, with its line ends");

static void copy(char *dst, size_t cap, const char *src)
{
    snprintf(dst, cap, "%s", src);
}

/* ---- from a job ---- */

void mailjob_free(struct mailjob *m)
{
    if (!m)
        return;
    buf_release(&m->mail.message);
    free(m->recipients);
    free(m);
}

/* Addresses that are some come first and are the mail's; the others have failed already. */
static int set_recipients(struct mailjob *m, const struct job *j)
{
    size_t bad = j->nrecipients;

    m->recipients = calloc(j->nrecipients ? j->nrecipients : 1, sizeof *m->recipients);
    if (!m->recipients)
        return ERR_NOMEM;
    m->nrecipients = j->nrecipients;
    for (size_t i = 0; i < j->nrecipients; i++) {
        bool valid = mail_address_valid(j->recipients[i]);
        struct outcome_recipient *r = &m->recipients[valid ? m->mail.nrecipients++ : --bad];

        copy(r->address, sizeof r->address, j->recipients[i]);
        r->state = valid ? NOTICE_PENDING : NOTICE_FAILED;
        copy(r->reply, sizeof r->reply, valid ? "" : "not a mail address in ASCII");
    }
    m->mail.recipients = m->recipients;
    return 0;
}

/* ---- what it says ---- */

struct texts {
    struct buf subject, text, html;
};

static void texts_init(struct texts *t)
{
    buf_init(&t->subject, SUBJECT_MAX);
    buf_init(&t->text, BODY_MAX);
    buf_init(&t->html, BODY_MAX);
}

static void texts_release(struct texts *t)
{
    buf_release(&t->subject);
    buf_release(&t->text);
    buf_release(&t->html);
}

/* By the template if there is one; WITHOUT may be NULL. */
static int fill(struct buf *b, const struct service *s, const struct job *j, const char *property,
                void (*without)(const struct job *, struct buf *))
{
    const struct template *t = service_template(s, j, property);

    if (t)
        notice_fill(t, j, b);
    else if (without)
        without(j, b);
    return b->err;
}

static int texts_fill(struct texts *t, const struct service *s, const struct job *j, struct err *e)
{
    int err = fill(&t->subject, s, j, "subject", notice_subject);

    if (!err)
        err = fill(&t->text, s, j, "text", notice_body);
    if (!err)
        err = fill(&t->html, s, j, "html", NULL);
    return err ? err_set(e, err, "the message: %s", err_name(err)) : 0;
}

static int write_message(struct mailjob *m, struct mailmsg *msg, const struct service *s,
                         const struct job *j, struct err *e)
{
    struct texts t;
    int err;

    texts_init(&t);
    err = texts_fill(&t, s, j, e);
    if (!err) {
        msg->subject = buf_cstr(&t.subject);
        msg->text = buf_cstr(&t.text);
        msg->html = service_template(s, j, "html") ? buf_cstr(&t.html) : NULL;
        err = mailmsg_write(msg, &m->mail.message, e);
    }
    texts_release(&t);
    return err;
}

/* What all mails about one alert answer to, from its raise on: the id of a mail that never was,
 * made of what the alert is and when it left OK, so that it is the same after every restart and in
 * every target. False: the event is not about an alert. */
static bool write_thread(char ret[THREAD_MAX], const struct job_event *v, const char *domain)
{
    uint8_t hash[16];
    struct buf b;
    int n = 0;

    if (v->active_since_ms <= 0)
        return false;
    buf_init(&b, 1024);
    buf_str(&b, v->owner);
    buf_str(&b, v->definition);
    buf_str(&b, v->instance);
    buf_u64(&b, (uint64_t)v->active_since_ms);
    hash128(b.data, b.len, hash);
    if (!b.err)
        for (size_t i = 0; i < sizeof hash; i++)
            n += snprintf(ret + n, THREAD_MAX - (size_t)n, "%02x", hash[i]);
    snprintf(ret + n, THREAD_MAX - (size_t)n, ".alert%s", domain);
    buf_release(&b);
    return n > 0;
}

/* The thread of J; a digest of several alerts belongs to none. */
static bool find_thread(char ret[THREAD_MAX], const struct job *j, const char *domain)
{
    char other[THREAD_MAX];

    if (!write_thread(ret, &j->events[0], domain))
        return false;
    for (size_t i = 1; i < j->nevents; i++)
        if (!write_thread(other, &j->events[i], domain) || strcmp(ret, other) != 0)
            return false;
    return true;
}

enum { HEADERS_MAX = 5 };

/* For filters in mail programs: what a message about one event is about. */
static size_t list_headers(struct mailmsg_header list[HEADERS_MAX], const struct job *j,
                           const char *sequence)
{
    const struct job_event *v = &j->events[0];
    const struct mailmsg_header all[HEADERS_MAX] = {
        {"X-SNMPAlert-Level", notice_level(v->level)},
        {"X-SNMPAlert-Definition", v->definition},
        {"X-SNMPAlert-Instance", v->instance},
        {"X-SNMPAlert-Notice", v->uuid},
        {"X-SNMPAlert-Sequence", sequence},
    };
    size_t n = 0;

    for (size_t i = 0; i < HEADERS_MAX && j->nevents == 1; i++)
        if (*all[i].value)
            list[n++] = all[i];
    return n;
}

static int build_message(struct mailjob *m, const struct service *s, const struct job *j,
                         struct err *e)
{
    char id[UUID_TEXT_LEN + MAIL_ADDRESS_MAX + 2], thread[THREAD_MAX];
    char *to[JOB_RECIPIENTS_MAX], sequence[16];
    struct mailmsg_header headers[HEADERS_MAX];
    const char *at = strchr(m->mail.from, '@'), *domain = at ? at : "";
    struct mailmsg msg = {
        .from_address = m->mail.from,
        .from_name = service_text(s, j, "fromName"),
        .to = to,
        .nto = m->mail.nrecipients,
        .message_id = id,
        .thread_id = find_thread(thread, j, domain) ? thread : NULL,
        .date_ms = j->created_ms,
        .headers = headers,
    };

    snprintf(sequence, sizeof sequence, "%u", (unsigned)j->events[0].sequence);
    msg.nheaders = list_headers(headers, j, sequence);
    snprintf(id, sizeof id, "%s%.*s", j->uuid, MAIL_ADDRESS_MAX, domain);
    for (size_t i = 0; i < msg.nto; i++)
        to[i] = m->recipients[i].address;
    return write_message(m, &msg, s, j, e);
}

int mailjob_new(struct mailjob **ret, const struct service *s, const struct job *j, bool check,
                struct err *e)
{
    struct mailjob *m = calloc(1, sizeof *m);
    int err;

    if (!m)
        return err_set(e, ERR_NOMEM, "out of memory");
    m->job = j->id;
    m->check = check;
    buf_init(&m->mail.message, MAILMSG_MAX);
    *ret = m;
    err = smtp_settings(&m->settings, s, j, e);
    if (check && m->settings.total_ms > CHECK_MS - CHECK_SLACK_MS)
        m->settings.total_ms = CHECK_MS - CHECK_SLACK_MS;
    if (!err && set_recipients(m, j))
        err = err_set(e, ERR_NOMEM, "out of memory");
    if (!err && m->mail.nrecipients == 0)
        err = err_set(e, ERR_INVALID, "the target has no recipient that is a mail address");
    if (err)
        return err;
    copy(m->mail.from, sizeof m->mail.from, service_text(s, j, "fromAddress"));
    return build_message(m, s, j, e);
}

int mailjob_new_test(struct mailjob **ret, const struct service *s, struct err *e)
{
    const struct dispatch_handler *h = service_handler(s);
    struct job_event v = {.kind = KIND_TEST, .level = LEVEL_INFO, .at_ms = clock_wall_ms()};
    struct job j = {.created_ms = v.at_ms, .events = &v, .nevents = 1};
    const char *to = service_text(s, &j, "testAddress");
    char *recipients[] = {(char *)(uintptr_t)to}; /* only read */
    int err;

    if (!*to)
        return 0;
    if (uuid_new(j.uuid))
        return err_set(e, ERR_IO, "no random numbers for a Message-ID");
    j.recipients = recipients;
    j.nrecipients = 1;
    copy(v.uuid, sizeof v.uuid, j.uuid);
    copy(v.owner, sizeof v.owner, h->owner);
    copy(v.service, sizeof v.service, "snmpalertd");
    snprintf(v.message, sizeof v.message, "the configuration of the mail handler %s has changed",
             h->name);
    err = mailjob_new(ret, s, &j, false, e);
    if (*ret)
        (*ret)->own = to;
    return err;
}

/* ---- outcomes ---- */

static enum outcome_result result_of(const struct mailjob *m)
{
    bool delivered = false;

    for (size_t i = 0; i < m->nrecipients; i++) {
        if (m->recipients[i].state == NOTICE_PENDING)
            return OUTCOME_RETRY;
        delivered |= m->recipients[i].state == NOTICE_DELIVERED;
    }
    return delivered ? OUTCOME_DELIVERED : OUTCOME_FAILED;
}

static bool any_delivered(const struct mailjob *m)
{
    for (size_t i = 0; i < m->nrecipients; i++)
        if (m->recipients[i].state == NOTICE_DELIVERED)
            return true;
    return false;
}

/* The recipient that decided: the first that waits, else the first that failed. */
static const struct outcome_recipient *culprit(const struct mailjob *m)
{
    const struct outcome_recipient *failed = NULL;

    for (size_t i = 0; i < m->nrecipients; i++) {
        const struct outcome_recipient *r = &m->recipients[i];

        if (r->state == NOTICE_PENDING)
            return r;
        if (r->state == NOTICE_FAILED && !failed)
            failed = r;
    }
    return failed;
}

static void write_error(char *dst, size_t cap, const struct mailjob *m, const struct err *e)
{
    const struct outcome_recipient *r = culprit(m);
    char words[ERR_TEXT_MAX + 600];

    if (r && r->reply[0] && (!e->code || r->state == NOTICE_FAILED))
        snprintf(words, sizeof words, "%s:%u: %s: %s", m->settings.host, m->settings.port,
                 r->address, r->reply);
    else
        snprintf(words, sizeof words, "%s%s", e->code ? e->text : "not delivered",
                 m->mail.unknown ? "; it may have arrived, and is sent again" : "");
    utf8_clean(dst, cap, words, strlen(words), false);
}

/* "mail.example.net:587: connected with TLS and a good certificate, authenticated as alice" */
static void answer_check(const struct mailjob *m, struct service *s, const struct err *e)
{
    static const char *const ways[] = {[TRANSPORT_PLAIN] = "without TLS",
                                       [TRANSPORT_STARTTLS] = "with STARTTLS",
                                       [TRANSPORT_TLS] = "with TLS"};
    const struct submission_settings *st = &m->settings;
    const char *certificate = st->verify ? " and a good certificate" : ", the certificate unseen";
    bool tls = st->encryption != TRANSPORT_PLAIN;
    char words[ERR_TEXT_MAX + 600];

    snprintf(words, sizeof words, "%s:%u: connected %s%s%s%s", st->host, st->port,
             ways[st->encryption], tls ? certificate : "",
             *st->username ? ", authenticated as " : "", st->username);
    service_checked(s, m->job, !e->code, e->code ? e->text : words);
}

/* The handler's own mail is no job of the core's. */
static void tell(const struct mailjob *m, struct service *s, const struct outcome *o)
{
    const char *handler = service_handler(s)->name;

    if (!m->own)
        service_done(s, o);
    else if (o->result == OUTCOME_DELIVERED)
        log_info(handler, "the test mail to %s is delivered", m->own);
    else
        log_warning(handler, "the test mail to %s is not delivered: %s", m->own, o->error);
}

void mailjob_answer(const struct mailjob *m, struct service *s, const struct err *e)
{
    struct outcome o = {
        .job = m->job,
        .result = (uint8_t)result_of(m),
        .confirmation = any_delivered(m) ? CONFIRM_ACKNOWLEDGED : CONFIRM_NONE,
        .in_doubt = m->mail.unknown,
        .recipients = m->recipients,
        .nrecipients = m->nrecipients,
    };

    if (m->check) {
        answer_check(m, s, e);
        return;
    }
    if (o.result != OUTCOME_DELIVERED)
        write_error(o.error, sizeof o.error, m, e);
    tell(m, s, &o);
}

void mailjob_refuse(struct mailjob *m, struct service *s, const struct err *e)
{
    bool forever = e->code == ERR_INVALID || e->code == ERR_FULL;
    enum outcome_result result = forever ? OUTCOME_FAILED : OUTCOME_RETRY;
    struct outcome o = {.job = m->job, .result = (uint8_t)result, .confirmation = CONFIRM_NONE};

    if (m->check) {
        answer_check(m, s, e);
        return;
    }
    for (size_t i = 0; i < m->nrecipients; i++)
        if (m->recipients[i].state == NOTICE_PENDING && result == OUTCOME_FAILED)
            m->recipients[i].state = NOTICE_FAILED;
    o.recipients = m->recipients;
    o.nrecipients = m->nrecipients;
    utf8_clean(o.error, sizeof o.error, e->text, strlen(e->text), false);
    tell(m, s, &o);
}
