/* What a webhook's request carries: the document (dispatch/document.h), or what a template of the
 * target's or the handler's makes of the job. */
#ifndef DISPATCH_WEBHOOK_BODY_H
#define DISPATCH_WEBHOOK_BODY_H

#include "base/buf.h"
#include "dispatch/dispatch.h"

/* Do the templates and contentType of V fit together? At most one template; a media type that is
 * one (RFC 9110 section 8.3.1), and in which the template's values are escaped. ERR_INVALID. */
int webhook_body_check(const struct values *v, struct err *e);

/* Append it to B, whose sticky error tells whether it could. A target with a template of its own
 * has none of the handler's; with an empty one it has the document. Returns the media type, which
 * can stand in a header and lives as long as S. */
const char *webhook_body(const struct service *s, const struct job *j, struct buf *b);

#endif
