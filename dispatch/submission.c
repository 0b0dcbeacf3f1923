/* libesmtp, held by the guards that it needs. Its return value and its error number are hints and
 * not looked at: what counts is what the monitor saw the server say, each recipient's own status,
 * and how the transport ended. All deadlines are the transport's; libesmtp's own are set beyond
 * them, because a write that it gives up leaves a hole in the message without an error. */
#include "dispatch/submission.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <auth-client.h>
#include <libesmtp.h>

#include "base/secret.h"
#include "base/text.h"

enum {
    REPLY_MAX = 256,
    LIBRARY_SLACK_MS = 60 * 1000,
    DESCRIPTORS_MAX = 65536, /* looked through for libesmtp's */
};

struct dialogue {
    const struct submission_settings *settings;
    struct transport *transport;
    char password[CREDENTIAL_MAX + 1];
    const char *step;     /* the last command but QUIT: "DATA" */
    char line[REPLY_MAX]; /* of the server, as far as it has come */
    size_t line_len;
    char reply[REPLY_MAX]; /* the server's last */
    bool quitting;         /* replies to QUIT say nothing */
    bool checking, passed; /* MAIL is not to be sent; libesmtp wanted to send it */
    bool auth_running, auth_done;
    bool cut;      /* libesmtp wanted to go on without authentication */
    int auth_code; /* of the last refusal */
    char auth_reply[REPLY_MAX];
    bool unserved; /* libesmtp's connection did not come through */
};

/* ---- the password ---- */

int password_read(char ret[CREDENTIAL_MAX + 1], const char *file, struct err *e)
{
    int err = secret_read(ret, CREDENTIAL_MAX + 1, file, e);

    if (!err)
        return 0;
    if (err == ERR_RANGE)
        e->code = ERR_INVALID; /* libesmtp's limit is as final as an empty line */
    return err_prefix(e, "password file");
}

/* ---- what goes by ---- */

static void auth_begins(struct dialogue *d)
{
    d->auth_running = true;
}

/* libesmtp goes on without authentication when it was refused. Nothing of that leaves this host:
 * the transport is cut before libesmtp writes what it shows us here. */
static void require_auth(struct dialogue *d)
{
    if (!*d->settings->username || d->auth_done)
        return;
    d->cut = true;
    transport_cancel(d->transport);
}

static void mail_begins(struct dialogue *d)
{
    d->auth_running = false;
    require_auth(d);
    if (d->checking && !d->cut) {
        d->passed = true;
        transport_leave(d->transport);
    }
}

static void quit_begins(struct dialogue *d)
{
    d->quitting = true;
}

static const struct {
    const char *start, *name;
    void (*on)(struct dialogue *);
} commands[] = {
    {"EHLO ", "EHLO", NULL},         {"HELO ", "HELO", NULL},
    {"AUTH ", "AUTH", auth_begins},  {"MAIL FROM:", "MAIL", mail_begins},
    {"RCPT TO:", "RCPT", NULL},      {"DATA\r\n", "DATA", NULL},
    {"BDAT ", "BDAT", NULL},         {"RSET\r\n", "RSET", NULL},
    {"QUIT\r\n", NULL, quit_begins},
};

static void saw_command(struct dialogue *d, const char *line, size_t n)
{
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++) {
        size_t len = strlen(commands[i].start);

        if (n < len || strncasecmp(line, commands[i].start, len) != 0)
            continue;
        if (commands[i].name)
            d->step = commands[i].name;
        if (commands[i].on)
            commands[i].on(d);
        return;
    }
}

static void saw_written(struct dialogue *d, const char *p, size_t n)
{
    while (n > 0) {
        const char *end = memchr(p, '\n', n);
        size_t len = end ? (size_t)(end - p) + 1 : n;

        saw_command(d, p, len);
        p += len;
        n -= len;
    }
}

static void saw_auth_reply(struct dialogue *d, int code)
{
    if (code == 235) {
        d->auth_done = true;
        d->auth_running = false;
    } else if (code >= 400) {
        d->auth_code = code;
        memcpy(d->auth_reply, d->reply, sizeof d->auth_reply);
        d->auth_running = false;
    }
}

static void saw_reply(struct dialogue *d)
{
    if (d->line_len > 3 && d->line[3] == '-')
        return;
    if (d->quitting)
        return;
    utf8_clean(d->reply, sizeof d->reply, d->line, d->line_len, false);
    if (d->auth_running)
        saw_auth_reply(d, atoi(d->reply));
}

static void saw_read(struct dialogue *d, const char *p, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (p[i] == '\n') {
            saw_reply(d);
            d->line_len = 0;
        } else if (p[i] != '\r' && d->line_len < sizeof d->line - 1) {
            d->line[d->line_len++] = p[i];
        }
    }
}

static void monitor(const char *p, int n, int writing, void *arg)
{
    if (n <= 0)
        return;
    if (writing == SMTP_CB_READING)
        saw_read(arg, p, (size_t)n);
    else if (writing == SMTP_CB_WRITING)
        saw_written(arg, p, (size_t)n);
}

/* ---- the connection ---- */

/* Is FD connected to PORT on loopback? */
static bool leads_to(int fd, uint16_t port)
{
    struct sockaddr_in peer;
    socklen_t len = sizeof peer;

    return !getpeername(fd, (struct sockaddr *)&peer, &len) && len == sizeof peer &&
           peer.sin_family == AF_INET && ntohs(peer.sin_port) == port &&
           peer.sin_addr.s_addr == htonl(INADDR_LOOPBACK);
}

/* libesmtp does not say which descriptor it made, and no other is connected to our port. All are
 * tried, since a process that is not dumpable may not list /proc/self/fd. -1: none. */
static int find_connection(uint16_t port)
{
    struct rlimit limit;
    int end = DESCRIPTORS_MAX;

    if (!getrlimit(RLIMIT_NOFILE, &limit) && limit.rlim_cur < DESCRIPTORS_MAX)
        end = (int)limit.rlim_cur;
    for (int fd = STDERR_FILENO + 1; fd < end; fd++)
        if (leads_to(fd, port))
            return fd;
    return -1;
}

static void on_event(smtp_session_t session, int event, void *arg, ...)
{
    struct dialogue *d = arg;
    int fd;

    (void)session;
    if (event != SMTP_EV_CONNECT)
        return;
    fd = find_connection(transport_port(d->transport));
    d->unserved = fd < 0 || transport_serve(d->transport, fd);
    if (d->unserved)
        transport_cancel(d->transport);
}

/* ---- what libesmtp asks for ---- */

static int on_interact(auth_client_request_t request, char **result, int fields, void *arg)
{
    struct dialogue *d = arg;

    for (int i = 0; i < fields; i++) {
        if (request[i].flags & AUTH_USER)
            result[i] = (char *)(uintptr_t)d->settings->username; /* it is only read */
        else if (request[i].flags & AUTH_PASS)
            result[i] = d->password;
        else
            return 0; /* a mechanism that wants more is not for us */
    }
    return 1;
}

struct body {
    struct dialogue *dialogue;
    struct mail *mail;
    bool started;
};

/* The whole message at the first call, its end at the second. LEN NULL: from the beginning. */
static const char *on_body(void **context, int *len, void *arg)
{
    struct body *body = arg;
    struct dialogue *d = body->dialogue;

    (void)context;
    if (!len) {
        body->started = body->mail->given = false;
        return NULL;
    }
    *len = 0;
    require_auth(d); /* never reached: MAIL came before */
    if (d->cut) {
        errno = EACCES;
        return NULL;
    }
    if (body->started) {
        body->mail->given = true;
        return NULL;
    }
    body->started = true;
    *len = (int)body->mail->message.len;
    return (const char *)body->mail->message.data;
}

/* ---- the session ---- */

/* The library looks for the plug-in sasl-cram-md5, which is called sasl-crammd5; once it is loaded
 * under its file's name it is found by its mechanism's. */
static void start_library(void)
{
    auth_context_t a;

    auth_client_init();
    a = auth_create_context();
    if (!a)
        return;
    auth_set_mechanism(a, "CRAMMD5");
    auth_destroy_context(a);
}

static void set_timeouts(smtp_session_t session, int64_t total_ms)
{
    static const int which[] = {Timeout_GREETING, Timeout_ENVELOPE, Timeout_DATA, Timeout_TRANSFER,
                                Timeout_DATA2};

    for (size_t i = 0; i < sizeof which / sizeof *which; i++)
        smtp_set_timeout(session, which[i] | Timeout_OVERRIDE_RFC2822_MINIMUM,
                         (long)total_ms + LIBRARY_SLACK_MS);
}

static bool add_mail(smtp_session_t session, struct mail *m, struct body *body)
{
    smtp_message_t message = smtp_add_message(session);

    if (!message || !smtp_set_reverse_path(message, m->from) ||
        !smtp_set_messagecb(message, on_body, body))
        return false;
    smtp_message_set_application_data_release(message, m, NULL);
    smtp_size_set_estimate(message, m->message.len);
    for (size_t i = 0; i < m->nrecipients; i++) {
        smtp_recipient_t r = smtp_add_recipient(message, m->recipients[i].address);

        if (!r)
            return false;
        smtp_recipient_set_application_data_release(r, &m->recipients[i], NULL);
    }
    return true;
}

static bool set_up(smtp_session_t session, auth_context_t auth, struct dialogue *d)
{
    char server[32];

    snprintf(server, sizeof server, "127.0.0.1:%u", transport_port(d->transport));
    if (!smtp_set_server(session, server) || !smtp_set_hostname(session, d->settings->helo) ||
        !smtp_set_monitorcb(session, monitor, d, 0) || !smtp_set_eventcb(session, on_event, d) ||
        !smtp_starttls_enable(session, Starttls_DISABLED))
        return false;
    set_timeouts(session, d->settings->total_ms);
    if (!auth)
        return true;
    auth_set_mechanism_flags(auth, AUTH_PLUGIN_PLAIN, 0);
    auth_set_interact_cb(auth, on_interact, d);
    return smtp_auth_set_context(session, auth) != 0;
}

/* ---- the verdict ---- */

static void write_reply(struct outcome_recipient *r, const smtp_status_t *s)
{
    char text[REPLY_MAX + 40];
    int n = snprintf(text, sizeof text, "%d ", s->code);

    if (s->enh_class)
        n += snprintf(text + n, sizeof text - (size_t)n, "%d.%d.%d ", s->enh_class, s->enh_subject,
                      s->enh_detail);
    snprintf(text + n, sizeof text - (size_t)n, "%.200s", s->text ? s->text : "");
    for (n = (int)strlen(text); n > 0 && isspace((unsigned char)text[n - 1]);)
        n--;
    utf8_clean(r->reply, sizeof r->reply, text, (size_t)n, false);
}

static bool is_positive(const smtp_status_t *s)
{
    return s->code / 100 == 2 && s->text; /* no text: a line that is no reply */
}

static void judge_recipient(smtp_recipient_t handle, const char *mailbox, void *arg)
{
    smtp_message_t message = arg;
    const struct mail *m = smtp_message_get_application_data(message);
    struct outcome_recipient *r = smtp_recipient_get_application_data(handle);
    const smtp_status_t *s = smtp_recipient_status(handle);

    (void)mailbox;
    if (is_positive(s))
        s = smtp_message_transfer_status(message);
    else if (s->code == 0)
        s = smtp_reverse_path_status(message);
    else if (s->code < 400)
        return; /* not even SMTP */
    if (s == smtp_message_transfer_status(message) && is_positive(s) && m->given) {
        r->state = NOTICE_DELIVERED;
        write_reply(r, s);
    } else if (s->code >= 400) {
        r->state = s->code / 100 == 5 ? NOTICE_FAILED : NOTICE_PENDING;
        write_reply(r, s);
    }
}

static void judge_message(smtp_message_t message, void *arg)
{
    struct mail *m = smtp_message_get_application_data(message);

    (void)arg;
    smtp_enumerate_recipients(message, judge_recipient, message);
    m->unknown = m->given && smtp_message_transfer_status(message)->code == 0;
}

static bool any_silent(struct mail *const *mails, size_t n)
{
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < mails[i]->nrecipients; k++)
            if (mails[i]->recipients[k].reply[0] == '\0')
                return true;
    return false;
}

static void auth_failed(struct dialogue *d, struct mail *const *mails, size_t n, struct err *e)
{
    bool refused = d->auth_code / 100 == 5;

    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < mails[i]->nrecipients; k++) {
            struct outcome_recipient *r = &mails[i]->recipients[k];

            r->state = refused ? NOTICE_FAILED : NOTICE_PENDING;
            memcpy(r->reply, d->auth_reply, sizeof r->reply);
        }
    if (*d->auth_reply)
        err_set(e, refused ? ERR_PERMANENT : ERR_TEMPORARY, "authentication refused: %s",
                d->auth_reply);
    else
        err_set(e, ERR_UNSUPPORTED, "the server offers no AUTH mechanism that fits");
}

static const char *end_words(int result)
{
    switch (result) {
    case ERR_TIMEOUT:
        return "timed out";
    case ERR_AGAIN:
        return "given up";
    case ERR_CLOSED:
    case 0:
        return "the server hung up";
    case ERR_RANGE:
        return "the messages are too long";
    default:
        return "the connection broke";
    }
}

/* Why some recipients have no answer. */
static void session_failed(const struct dialogue *d, int result, struct err *e)
{
    const char *step = d->step ? d->step : "connecting", *why = transport_why(d->transport);

    if (d->unserved)
        err_set(e, ERR_IO, "no way through loopback");
    else if (result != ERR_TIMEOUT && result != ERR_AGAIN && atoi(d->reply) >= 400)
        err_set(e, ERR_TEMPORARY, "%s: %s", step, d->reply);
    else
        err_set(e, result ? result : ERR_CLOSED, "%s: %s%s%s", step, end_words(result),
                why ? ": " : "", why ? why : "");
}

/* ---- run ---- */

static void converse(struct dialogue *d, smtp_session_t session, struct mail *const *mails,
                     size_t n, struct err *e)
{
    int result;

    smtp_start_session(session);
    result = transport_close(d->transport);
    if (*d->settings->username && !d->auth_done && (d->auth_code || d->cut)) {
        auth_failed(d, mails, n, e);
        return;
    }
    if (!d->checking)
        smtp_enumerate_messages(session, judge_message, NULL);
    if (d->checking ? !d->passed : any_silent(mails, n))
        session_failed(d, result, e);
}

static int start_dialogue(struct dialogue *d, struct mail *const *mails, size_t n, struct err *e)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    struct body bodies[SUBMISSION_MAILS_MAX];
    bool authenticate = *d->settings->username;
    smtp_session_t session;
    auth_context_t auth;
    bool ready;

    pthread_once(&once, start_library);
    session = smtp_create_session();
    auth = authenticate ? auth_create_context() : NULL;
    ready = session && !authenticate == !auth && set_up(session, auth, d);
    for (size_t i = 0; ready && i < n; i++) {
        bodies[i] = (struct body){.dialogue = d, .mail = mails[i]};
        ready = add_mail(session, mails[i], &bodies[i]);
    }
    if (ready)
        converse(d, session, mails, n, e);
    if (session)
        smtp_destroy_session(session);
    if (auth)
        auth_destroy_context(auth);
    return ready ? 0 : err_set(e, ERR_NOMEM, "libesmtp cannot make a session");
}

static void run(struct dialogue *d, struct mail *const *mails, size_t n, struct err *e)
{
    const struct submission_settings *s = d->settings;
    struct transport_options options = {
        .host = s->host,
        .port = s->port,
        .encryption = s->encryption,
        .ca_file = s->ca_file,
        .cert_file = s->cert_file,
        .key_file = s->key_file,
        .verify = s->verify,
        .helo = s->helo,
        .connect_ms = s->connect_ms,
        .silence_ms = s->silence_ms,
        .total_ms = s->total_ms,
    };
    int err = 0;

    *e = (struct err){0};
    for (size_t i = 0; i < n; i++) {
        mails[i]->unknown = false;
        for (size_t k = 0; k < mails[i]->nrecipients; k++)
            mails[i]->recipients[k].state = NOTICE_PENDING;
    }
    if (*s->username)
        err = password_read(d->password, s->password_file, e);
    if (!err)
        err = transport_open(d->transport, &options, e);
    if (!err) {
        *e = (struct err){0}; /* of an address that did not answer before the one that did */
        start_dialogue(d, mails, n, e);
    }
    transport_close(d->transport);
    explicit_bzero(d->password, sizeof d->password);
    if (e->code) {
        bool v6 = strchr(s->host, ':') != NULL;

        err_prefix(e, "%s%s%s:%u", v6 ? "[" : "", s->host, v6 ? "]" : "", s->port);
    }
}

void submission_run(const struct submission_settings *s, struct transport *t,
                    struct mail *const *mails, size_t n, struct err *e)
{
    struct dialogue d = {.settings = s, .transport = t};

    run(&d, mails, n, e);
}

/* libesmtp makes no session without a message. */
int submission_check(const struct submission_settings *s, struct transport *t, struct err *e)
{
    struct outcome_recipient nobody = {.address = "postmaster"};
    struct mail mail = {.recipients = &nobody, .nrecipients = 1};
    struct mail *mails[] = {&mail};
    struct dialogue d = {.settings = s, .transport = t, .checking = true};

    run(&d, mails, 1, e);
    return e->code;
}
