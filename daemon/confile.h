/* The configuration's text between the processes: a sealed memfd, so that what was checked is what
 * the core gets, whatever becomes of the file. */
#ifndef DAEMON_CONFILE_H
#define DAEMON_CONFILE_H

#include "config/config.h"

/* Copies FILE, a regular file of at most CONFIG_FILE_MAX octets, of which nothing is looked at.
 * RET_FD (close-on-exec) is the caller's. ERR_NOTFOUND, ERR_DENIED, ERR_IO, ERR_RANGE, ERR_INVALID
 * (no regular file), with words that begin with its name. */
int confile_read(const char *file, int *ret_fd, struct err *e);

/* config_parse() on the text in FD, which may be asked again; FILE stands for it in errors. */
int confile_parse(struct config **ret, const char *file, int fd, const struct kinds *kinds,
                  struct err *e);

#endif
