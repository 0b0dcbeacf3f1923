/* A job in words, for people: subject and body of a mail. */
#ifndef DISPATCH_NOTICE_TEXT_H
#define DISPATCH_NOTICE_TEXT_H

#include "base/buf.h"
#include "dispatch/dispatch.h"

/* "[CRITICAL] alice/hot cpu0: too hot", "[OK] ...", "[TEST] ...", "[CRITICAL] 5 notices: ...". One
 * line, not yet fit for a header. */
void notice_subject(const struct job *j, struct buf *b);
/* Every event, newest first; lines end with '\n'. */
void notice_body(const struct job *j, struct buf *b);
/* "CRITICAL"; "" for none. */
const char *notice_level(unsigned level);

#endif
