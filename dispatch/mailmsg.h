/* Internet messages: RFC 5322 headers, RFC 2047 encoded-words, RFC 2045 quoted-printable bodies,
 * RFC 2046 multipart/alternative, RFC 3834 Auto-Submitted. Whatever the texts hold, the result is
 * 7-bit, has CR LF line ends and no line beyond 998 octets (RFC 5322 section 2.1.1), and no text
 * gets out of its header or body. */
#ifndef DISPATCH_MAILMSG_H
#define DISPATCH_MAILMSG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

enum { MAILMSG_MAX = 5 << 20, MAIL_ADDRESS_MAX = 254 /* RFC 5321 section 4.5.3.1.3 */ };

/* An addr-spec in dot-atom form with a domain name (RFC 5321 section 4.1.2): ASCII only, no
 * comments, no quotes, no controls, no source routes, no address literals. */
bool mail_address_valid(const char *address);
/* A domain name in LDH form: at least one label, ASCII only. */
bool mail_domain_valid(const char *domain);

struct mailmsg_header {
    const char *name;  /* ours, a constant */
    const char *value; /* anybody's */
};
struct mailmsg {
    const char *from_address, *from_name; /* name "": none */
    char *const *to;                      /* valid addresses */
    size_t nto;
    const char *subject;
    const char *message_id; /* without the brackets; of id-left "@" domain */
    const char *thread_id;  /* the same; what it is an answer to. NULL: to nothing */
    int64_t date_ms;
    const struct mailmsg_header *headers;
    size_t nheaders;
    const char *text; /* UTF-8, lines end with '\n' */
    const char *html; /* the same for who wants it; NULL: none */
};
/* Append the message to B. ERR_INVALID: an address or an id is none; ERR_FULL, ERR_NOMEM of B. */
int mailmsg_write(const struct mailmsg *m, struct buf *b, struct err *e);

/* Parts of it, for tests: "NAME: VALUE" folded and encoded, with its end of line; a body. */
void mailmsg_header_write(const char *name, const char *value, struct buf *b);
void mailmsg_quoted_printable(const char *text, struct buf *b);

#endif
