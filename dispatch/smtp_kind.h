/* What an smtp handler may be told, and what that means for one job. */
#ifndef DISPATCH_SMTP_KIND_H
#define DISPATCH_SMTP_KIND_H

#include "dispatch/dispatch.h"
#include "dispatch/submission.h"

extern const struct kind smtp_kind;

/* The server and the way to it for J: the target's values before the handler's. ERR_INVALID when
 * they make no sense together (a password that is not sent to another server, for one). */
int smtp_settings(struct submission_settings *ret, const struct service *s, const struct job *j,
                  struct err *e);

#endif
