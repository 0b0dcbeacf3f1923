/* URLs of http and https, and what may stand in a header. */
#ifndef HTTP_URL_H
#define HTTP_URL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "snmp/resolve.h"

/* scheme://host:port with the port always there, the host in lower case. */
enum { HTTP_ORIGIN_MAX = 8 + RESOLVE_NAME_MAX + 2 + 6 };

struct http_place {
    char origin[HTTP_ORIGIN_MAX + 1];
    char host[RESOLVE_NAME_MAX + 1]; /* an IPv6 address without brackets */
    uint16_t port;
    bool tls;
};

/* Where URL is. ERR_INVALID says what is wrong with it, and does not repeat it: a scheme that is
 * neither, a user or password in it, no host. */
int http_place(struct http_place *ret, const char *url, struct err *e);
/* What REFERENCE, perhaps relative (RFC 3986 section 5), is as seen from BASE. ERR_INVALID: no URL,
 * or one of more than CAP - 1 octets. */
int http_join(char *dst, size_t cap, const char *base, const char *reference, struct err *e);
/* "host:port", "[2001:db8::1]:port": for people. Terminated. */
enum { HTTP_PLACE_TEXT_MAX = RESOLVE_NAME_MAX + 2 + 6 };
void http_place_text(const struct http_place *p, char dst[HTTP_PLACE_TEXT_MAX + 1]);

/* RFC 9110 sections 5.1 and 5.5: a token; octets without controls (but tabs), not empty. */
bool http_header_name_valid(const char *name);
bool http_header_value_valid(const char *value);
/* Octets of "type/subtype" in TEXT, which is that and perhaps parameters behind it; 0: TEXT is no
 * media type (RFC 9110 section 8.3.1). One that is can be a header's value. */
size_t http_media_type(const char *text);

#endif
