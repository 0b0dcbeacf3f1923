/* A job in words, for people: what templates are filled with, and the subject and body of mails
 * that have no template. */
#ifndef DISPATCH_NOTICE_TEXT_H
#define DISPATCH_NOTICE_TEXT_H

#include "base/buf.h"
#include "config/template.h"
#include "dispatch/dispatch.h"

/* "[CRITICAL] alice/hot cpu0: too hot", "[OK] ...", "[TEST] ...", "[CRITICAL] 5 notices: ...". One
 * line, not yet fit for a header. */
void notice_subject(const struct job *j, struct buf *b);
/* Every event, newest first; lines end with '\n'. */
void notice_body(const struct job *j, struct buf *b);
/* "CRITICAL"; "" for none. */
const char *notice_level(unsigned level);
/* T with J's values, appended to B (template_write). Outside of events sections they are those of
 * the event with the highest level, the first among equals. */
int notice_fill(const struct template *t, const struct job *j, struct buf *b);
/* The same of a message that stands for COUNT notices, of which J has those that matter. */
int notice_fill_many(const struct template *t, const struct job *j, size_t count, struct buf *b);

#endif
