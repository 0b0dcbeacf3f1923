/* `snmpalertd --validate HANDLER' and `snmpalertd --test HANDLER [OPTION=VALUE ...]': tries a
 * handler of the configuration file as the daemon would, in this process, confined as the one that
 * delivers. No daemon need run, and one that does is not disturbed: the store is not touched, so
 * that what managers set is not in it. */
#ifndef DAEMON_TRIAL_COMMAND_H
#define DAEMON_TRIAL_COMMAND_H

#include <stdbool.h>

#include "daemon/confine.h"

struct trial_command {
    const char *config_file;
    const char *handler;  /* "NAME", or "OWNER/NAME" */
    bool test;            /* or only validate */
    char *const *options; /* "OPTION=VALUE" (alerts/trial.h); noptions of them */
    int noptions;
    const struct confine *confine;
    bool unconfined;
};

/* Prints one line of JSON, {"handler": "OWNER/NAME", "success": ..., "message": "..."}, and returns
 * the exit status: 0 for success, 1; with words on standard error 64 (no such handler or option, a
 * value that is none) or EXIT_CONFIG. */
int trial_command(const struct trial_command *o);

#endif
