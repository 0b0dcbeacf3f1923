/* What a log handler may be told. */
#ifndef DISPATCH_LOG_KIND_H
#define DISPATCH_LOG_KIND_H

#include "config/kind.h"

extern const struct kind log_kind;

/* Codes of RFC 5424 section 6.2.1, of the property "facility" by its position. */
extern const unsigned log_facilities[];

#endif
