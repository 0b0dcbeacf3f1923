/* Passwords in files of their own. */
#ifndef BASE_SECRET_H
#define BASE_SECRET_H

#include <stddef.h>

#include "base/err.h"

enum { SECRET_MAX = 1024 };

/* The first line of the file, without its line end, terminated. It must be a regular file that
 * others than owner and group can neither read nor write, and may not hold a 0 octet. ERR_NOTFOUND,
 * ERR_DENIED, ERR_RANGE, ERR_INVALID, ERR_IO; the words name the file, never its content. */
int secret_read(char *dst, size_t cap, const char *path, struct err *e);
/* Is it such a file? Of those that a library reads. The same errors. */
int secret_check(const char *path, struct err *e);
/* Overwrite; not optimised away. */
void secret_clear(char *dst, size_t cap);

#endif
