/* How long a server wants to be left alone: Retry-After (RFC 9110 section 10.2.3). */
#ifndef HTTP_RETRY_H
#define HTTP_RETRY_H

#include <stdint.h>

enum { HTTP_RETRY_AFTER_MAX_MS = 24 * 3600 * 1000 };

/* For how many ms from NOW_MS (wall) on VALUE asks to wait: 0 to HTTP_RETRY_AFTER_MAX_MS, 0 also
 * for a date that has passed. -1: it is neither a number of seconds nor a date in one of the three
 * forms of section 5.6.7. */
int64_t http_retry_after_ms(const char *value, int64_t now_ms);

#endif
