/* A target's match: JavaScript that says which notices of problems it gets. What is asked of it:
 * its text, and what it sees as globals (saTargetMatch lists them). */
#ifndef ALERTS_MATCH_H
#define ALERTS_MATCH_H

#include "alerts/notice.h"
#include "base/buf.h"

/* What to ask about notice N: the script of its target as it is now, and the JSON of an object,
 * appended to buffers whose sticky errors the caller looks at. OWNER: whose script it is, the
 * target's owner, by whose rights it reads topics. ERR_NOTFOUND: N waits for no answer; its script
 * may be empty by now, which stands for yes. */
int match_ask(struct txn *t, const struct notice_ref *n, char owner[33], struct buf *script,
              struct buf *event);

#endif
