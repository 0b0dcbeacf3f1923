/* A job of an smtp handler as a mail on its way. */
#ifndef DISPATCH_MAILJOB_H
#define DISPATCH_MAILJOB_H

#include "dispatch/dispatch.h"
#include "dispatch/submission.h"

struct mailjob {
    struct mailjob *next; /* in a queue */
    uint64_t job;
    bool check; /* it is not to be sent, and answered by service_checked() */
    const char *own; /* the address of the handler's own test mail, of the service's values */
    struct submission_settings settings;
    struct mail mail; /* its recipients are the first of ours */
    struct outcome_recipient *recipients;
    size_t nrecipients;
};

/* CHECK: to be done in CHECK_MS, whatever the handler says. On failure RET is NULL or what there is
 * of it, to be refused and freed. ERR_INVALID, ERR_FULL: this will never be a mail; ERR_NOMEM. */
int mailjob_new(struct mailjob **ret, const struct service *s, const struct job *j, bool check,
                struct err *e);
/* The mail to testAddress; RET stays NULL when there is none. */
int mailjob_new_test(struct mailjob **ret, const struct service *s, struct err *e);
void mailjob_free(struct mailjob *m); /* NULL is fine */

/* Answer the job (an own mail's outcome goes to the log), after a session (E: what went wrong with
 * it as a whole), or without one. */
void mailjob_answer(const struct mailjob *m, struct service *s, const struct err *e);
void mailjob_refuse(struct mailjob *m, struct service *s, const struct err *e);

#endif
