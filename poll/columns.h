/* The columns attribute of a polled table: "ifDescr=2 ifInOctets=10". */
#ifndef POLL_COLUMNS_H
#define POLL_COLUMNS_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

enum { COLUMNS_MAX = 64, COLUMN_NAME_MAX = 64 };

struct columns {
    struct column {
        char name[COLUMN_NAME_MAX + 1]; /* a letter, then letters, digits, '_' or '-' */
        uint32_t subid;                 /* 1 .. 2^32 - 1 */
    } items[COLUMNS_MAX];
    size_t n; /* at least 1 */
};

/* Is NAME one that a column may have? The same rule holds for objects and tables, so that every
 * name can stand in JSON, in a topic's name and behind a dot in JavaScript. 0, ERR_RANGE,
 * ERR_SYNTAX. */
int column_name_check(const char *name, struct err *e);

/* Items are divided by blanks; names and numbers occur once. ERR_SYNTAX, ERR_RANGE, ERR_EXISTS. */
int columns_parse(struct columns *ret, const char *text, struct err *e);

#endif
