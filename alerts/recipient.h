/* Recipients of notices that are handlers: of targets whose handler hands on to others. They are
 * rows of saNoticeRecipientTable like any other, "handler NAME of OWNER"; an address has no blanks,
 * so that none is taken for one. They come with the first attempt, and say, each for itself, who is
 * still to be reached. */
#ifndef ALERTS_RECIPIENT_H
#define ALERTS_RECIPIENT_H

#include "alerts/notice.h"
#include "config/leads.h"

enum { RECIPIENT_MAX = 255 }; /* octets of saNoticeRecipientAddress */

void recipient_of_handler(const struct leads_end *h, char ret[RECIPIENT_MAX + 1]);
/* False: it is an address. */
bool recipient_is_handler(const char *recipient, struct leads_end *ret);

/* RET: the handlers that are still to be reached. Returns whether there are rows of handlers at
 * all, in whatever state. */
bool recipient_handlers(struct txn *t, const struct notice_ref *n, struct leads *ret);
/* Those in X take the place of the addresses that are still to be reached. Nothing, if N has
 * handlers already. */
int recipients_become(struct txn *t, const struct notice_ref *n, const struct leads *x);
/* What RECIPIENT, a handler or an address, answered; 0 too if there is no such one. Of rows that
 * say the same it is the first. */
int recipient_answer(struct txn *t, const struct notice_ref *n, const char *recipient,
                     enum sa_notice_state state, const char *reply);
/* Is HANDLER of OWNER still to be reached? */
bool recipient_waits(struct txn *t, const struct notice_ref *n, const char *owner,
                     const char *handler);

/* Has it reached, or been given up for, some of its handlers, and not all? */
bool recipients_partly(struct txn *t, const struct notice_ref *n);

extern const char recipient_handed_off[]; /* the reply of one who never answers */

struct recipients_sum {                    /* what the rows come to */
    size_t pending, delivered, handed_off; /* handed off: of those delivered */
    char words[RECIPIENT_MAX + 1];         /* why one was not reached, "" */
};
void recipients_sum(struct txn *t, const struct notice_ref *n, struct recipients_sum *ret);

#endif
