/* The job by which a handler or a target is tried: a test, or what is only checked. */
#ifndef DISPATCH_TRIAL_H
#define DISPATCH_TRIAL_H

#include "dispatch/dispatch.h"

struct trial {
    uint64_t id;
    const struct kind *kind;      /* of the handler */
    const char *owner, *name;     /* of the handler */
    uint32_t handler;             /* its dispatch_handler.id */
    const struct values *live;    /* its values in force */
    const struct values *options; /* of alerts/trial.h */
};
/* RET, the caller's then (job_release), is about one event of KIND_TEST that no notice is kept of:
 * where one is named by its number, that is 0. ERR_NOMEM, ERR_INVALID (recipients), with words;
 * RET holds nothing then. */
int trial_job(struct job *ret, const struct trial *x, int64_t now_wall_ms, struct err *e);

/* Why no handler of KIND can be tried; NULL: they can. */
const char *trial_obstacle(const struct kind *kind);

/* The same for a target of that handler, with RECIPIENTS as saTargetRecipients has them, and
 * without overrides, which the caller adds. X->options are not looked at. */
int trial_target_job(struct job *ret, const struct trial *x, const char *target_owner,
                     const char *target, const char *recipients, int64_t now_wall_ms,
                     struct err *e);

/* What became of it, in words: valid UTF-8. True: it was delivered. */
bool trial_outcome(const struct outcome *o, char ret_words[256]);

#endif
