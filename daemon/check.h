/* --check-config: the whole file, with its rows and their JavaScript, against a store of its own
 * that is thrown away. */
#ifndef DAEMON_CHECK_H
#define DAEMON_CHECK_H

#include "base/err.h"
#include "config/config.h"

/* 0, or the first error with file and line. EVALUATOR: path of the program that compiles. */
int check_config(const char *file, const char *evaluator, bool unconfined, struct err *e);
/* The same of a file that was parsed. CONFIG stays the caller's. */
int check_parsed(struct config *config, const char *evaluator, bool unconfined, struct err *e);

#endif
