/* A command to the raise API as a line of JSON, and its answer: what the local door takes.
 *
 *   {"owner": "alice", "resourceType": "node", "alertType": "disk-full", "resourceId": "n1",
 *    "verb": "raise", "severity": "critical", "message": "...", "ttl": 3600}
 *   {"result": "done", "alert": 12}
 *   {"result": "refused", "error": "..."}
 *
 * owner, resourceType and alertType must be there; the others are as in saRaiseTable by default. */
#ifndef ALERTS_RAISE_LINE_H
#define ALERTS_RAISE_LINE_H

#include "alerts/raise.h"

enum { RAISE_LINE_MAX = 8192 }; /* octets */

/* Foreign text. 0, or ERR_SYNTAX, ERR_RANGE, ERR_INVALID with words. */
int raise_line_read(struct raise *ret, const void *text, size_t len, struct err *e);
/* The answer, without an end of line, appended to B. */
void raise_line_answer(const struct raise_result *r, struct buf *b);

/* The members that are texts, by number, NULL behind the last: for who makes lines. ttl is not
 * among them: it is a number. */
const char *raise_line_text(size_t n);
#define RAISE_LINE_TTL "ttl"

#endif
