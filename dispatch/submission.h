/* Message submission (RFC 6409): one session with one mail server, several messages, a state for
 * each recipient. The dialogue is libesmtp's, the connection ours (dispatch/transport.h). Blocks:
 * for worker threads only. */
#ifndef DISPATCH_SUBMISSION_H
#define DISPATCH_SUBMISSION_H

#include "base/buf.h"
#include "dispatch/dispatch.h"
#include "dispatch/transport.h"

enum {
    CREDENTIAL_MAX = 255, /* octets of a user name or password: libesmtp's own limit */
    SUBMISSION_MAILS_MAX = 50,
};

/* All that two mails must have in common to go in one session. Zeroed before it is filled, so that
 * memcmp compares. */
struct submission_settings {
    char host[256];
    char helo[256];
    char username[CREDENTIAL_MAX + 1]; /* "": no authentication */
    char password_file[1025];
    char ca_file[1025], cert_file[1025], key_file[1025];
    uint16_t port;
    enum transport_encryption encryption;
    bool verify;
    int64_t connect_ms, silence_ms, total_ms;
};

struct mail {
    char from[256];
    struct buf message;                   /* dispatch/mailmsg.h */
    struct outcome_recipient *recipients; /* in: address; out: state and reply */
    size_t nrecipients;
    bool given;   /* libesmtp took all of the message */
    bool unknown; /* out: the server may have it, but did not say so */
};

/* Send MAILS over T, fresh from transport_new(). Afterwards each recipient is delivered, failed, or
 * pending. A recipient is delivered only if the server took it, took all of the message, and said
 * so; when the connection was lost in between, nobody can know, and the mail is `unknown' and its
 * recipients pending. What went wrong with the session as a whole, in words with host and port,
 * goes to E (code 0: nothing); mails that it did not reach are pending. */
void submission_run(const struct submission_settings *s, struct transport *t,
                    struct mail *const *mails, size_t n, struct err *e);

/* The same as far as the first message's MAIL, which is not sent: dial, TLS, EHLO, AUTH, and QUIT.
 * 0, or E's code: why a message would not get that far, in words with host and port. */
int submission_check(const struct submission_settings *s, struct transport *t, struct err *e);

/* The first line of FILE, without its end of line: 1..CREDENTIAL_MAX octets. ERR_DENIED when other
 * users may read it; ERR_NOTFOUND, ERR_INVALID, ERR_IO. */
int password_read(char ret[CREDENTIAL_MAX + 1], const char *file, struct err *e);

#endif
