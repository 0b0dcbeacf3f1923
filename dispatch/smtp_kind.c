#include "dispatch/smtp_kind.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "dispatch/mailmsg.h"

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
    {.name = "certFile",
     .type = PROPERTY_FILE,
     .help = "Own certificate (PEM) for servers that ask for one, with those above it."},
    {.name = "keyFile",
     .type = PROPERTY_FILE,
     .help = "Its key (PEM, without a passphrase), which other users must not be able to read; "
             "without it the key is in certFile."},
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
    {.name = "testAddress",
     .type = PROPERTY_TEXT,
     .min = 3,
     .max = MAIL_ADDRESS_MAX,
     .help = "Address that gets a mail whenever the configuration of this handler has changed."},
    {.name = "subject",
     .type = PROPERTY_TEMPLATE,
     .place = TEMPLATE_LINE,
     .target_may_override = true,
     .help = "Subject of the mails; without it level, alert and message."},
    {.name = "text",
     .type = PROPERTY_TEMPLATE,
     .place = TEMPLATE_TEXT,
     .target_may_override = true,
     .help = "Their text; without it all that is known of each event."},
    {.name = "html",
     .type = PROPERTY_TEMPLATE,
     .place = TEMPLATE_HTML,
     .target_may_override = true,
     .help = "The same as HTML, for mail programs that show it; without it there is text only."},
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

/* What there is of a client certificate makes sense; NULL, or why not. */
static const char *certificate_obstacle(const struct values *v)
{
    if (!*text(v, "certFile"))
        return *text(v, "keyFile") ? "keyFile is of no use without certFile" : NULL;
    return strcmp(text(v, "encryption"), "none") == 0
               ? "certFile is of no use with encryption=\"none\""
               : NULL;
}

static int check(const struct values *v, struct err *e)
{
    const char *helo = text(v, "helo"), *test = text(v, "testAddress");
    const char *why = certificate_obstacle(v);

    if (!mail_address_valid(text(v, "fromAddress")))
        return err_set(e, ERR_INVALID,
                       "fromAddress: expected a mail address in ASCII such as "
                       "alerts@example.net");
    if (*test && !mail_address_valid(test))
        return err_set(e, ERR_INVALID,
                       "testAddress: expected a mail address in ASCII such as bob@example.net");
    if (*helo && !helo_valid(helo))
        return err_set(e, ERR_INVALID, "helo: expected a domain name");
    if (!why && strcmp(text(v, "auth"), "password") == 0)
        why = auth_obstacle(text(v, "username"), text(v, "passwordFile"),
                            strcmp(text(v, "encryption"), "none") != 0,
                            values_true(v, properties, NPROPERTIES, "allowPlainAuth"));
    return why ? err_set(e, ERR_INVALID, "%s", why) : 0;
}

const struct kind smtp_kind = {
    .class_ = KIND_HANDLER,
    .name = "smtp",
    .properties = properties,
    .nproperties = NPROPERTIES,
    .digest_ms = 30 * 1000,
    .needs_recipients = true,
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

int smtp_settings(struct submission_settings *st, const struct service *s, const struct job *j,
                  struct err *e)
{
    int64_t port = service_number(s, j, "port"), encryption = service_number(s, j, "encryption");

    memset(st, 0, sizeof *st); /* padding too: settings are compared */
    copy(st->host, sizeof st->host, service_text(s, j, "host"));
    copy(st->ca_file, sizeof st->ca_file, service_text(s, j, "caFile"));
    copy(st->cert_file, sizeof st->cert_file, service_text(s, j, "certFile"));
    copy(st->key_file, sizeof st->key_file, service_text(s, j, "keyFile"));
    set_helo(st, service_text(s, j, "helo"));
    st->encryption = transports[encryption];
    st->verify = service_true(s, j, "verify");
    st->port = port ? (uint16_t)port : ports[encryption];
    st->connect_ms = service_number(s, j, "connectTimeout");
    st->silence_ms = service_number(s, j, "timeout");
    st->total_ms = service_number(s, j, "deadline");
    return set_auth(st, s, j, e);
}
