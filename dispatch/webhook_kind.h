/* What a webhook handler may be told, and what that means for one job. */
#ifndef DISPATCH_WEBHOOK_KIND_H
#define DISPATCH_WEBHOOK_KIND_H

#include "base/secret.h"
#include "dispatch/dispatch.h"
#include "http/client.h"
#include "http/url.h"

extern const struct kind webhook_kind;

enum {
    WEBHOOK_IN_FLIGHT_MAX = 256, /* of one server */
    WEBHOOK_HEADERS_MAX = 32,    /* of the handler, and those that are always there */
};

#define WEBHOOK_NO_RECIPIENTS "a webhook has no recipients: where it goes is the property url"

/* Where a job goes, and how. */
struct webhook_aim {
    char url[HTTP_URL_MAX + 1];
    struct http_place place; /* of the URL */
    enum http_method method;
    bool verify;
    bool trusted; /* it may have the handler's secrets */
};

/* The target's values before the handler's. The URL may be a secret itself: no error repeats it.
 * LAST: an aim taken before, or zeroed: a URL that is the same is not taken apart again.
 * ERR_INVALID: this will never go anywhere; others (the file of the URL cannot be read): later. */
int webhook_aim(struct webhook_aim *ret, const struct webhook_aim *last, const struct service *s,
                const struct job *j, struct err *e);

/* What a request has besides: read for each, so that a changed file is noticed. */
struct webhook_head {
    char *headers[WEBHOOK_HEADERS_MAX];
    size_t nheaders;
    char password[SECRET_MAX + 1];
    const char *username, *cert_file, *key_file; /* the handler's; "": none */
};
/* UUID: of the message. TYPE: of the body; NULL: there is none. With SECRETS also what comes from
 * files. ERR_DENIED and others of base/secret.h; ERR_INVALID: a file holds what no header may;
 * ERR_NOMEM. */
int webhook_head_read(struct webhook_head *ret, const struct service *s, const char *uuid,
                      const char *type, bool secrets, struct err *e);
void webhook_head_release(struct webhook_head *h); /* overwrites the secrets */

#endif
