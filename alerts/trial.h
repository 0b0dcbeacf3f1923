/* Options of a handler's test, as saTestTable and `snmpalertd --test' have them: what it says
 * (message, level), who gets it (recipients), and each property that a target may override, but for
 * secrets. Where nothing is set, each is as in the live configuration. */
#ifndef ALERTS_TRIAL_H
#define ALERTS_TRIAL_H

#include "config/kind.h"
#include "mibs/schema.h"

/* NULL: there is no such option, or no more. I from 0, in no order that matters. */
const struct property *trial_option(const struct kind *k, const char *name);
const struct property *trial_option_at(const struct kind *k, size_t i);

/* Is TEXT a value of the option? 0, or ERR_INVALID with words. */
int trial_check(const struct property *option, const char *text, struct err *e);

/* What the option is as long as nobody sets it, of a handler with the values LIVE. Never NULL;
 * valid as long as LIVE is. */
const char *trial_default(const struct kind *k, const struct values *live,
                          const struct property *option);

/* The options that are no properties: of VALUES, which hold options, else the default. */
const char *trial_message(const struct values *options);
enum sa_level trial_level(const struct values *options);
const char *trial_recipients(const struct kind *k, const struct values *live,
                             const struct values *options);

#endif
