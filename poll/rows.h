/* The cells of one polled table, as they arrive column by column, and the rows that they make. */
#ifndef POLL_ROWS_H
#define POLL_ROWS_H

#include "poll/columns.h"
#include "snmp/value.h"

struct cells; /* of one column, in index order */

struct polled_rows {
    struct cells *columns;
    size_t n;
    struct buf indexes; /* sub-identifiers as u32, big-endian */
    struct buf json;    /* the values' JSON texts */
};

/* JSON_MAX: limit of all values' texts together. 0 or ERR_NOMEM. */
int polled_rows_init(struct polled_rows *r, size_t ncolumns, size_t json_max);
void polled_rows_release(struct polled_rows *r);
/* Cells of one column come with rising index (the caller has checked that). ERR_NOMEM; ERR_FULL:
 * more than ROWS_MAX rows or JSON_MAX octets. */
enum { ROWS_MAX = 10000 };
int polled_rows_add(struct polled_rows *r, size_t column, const uint32_t *index, size_t n,
                    const struct snmp_value *v);

struct row {
    uint32_t index[OBJID_MAX];
    size_t n;
    struct slice cells[COLUMNS_MAX]; /* JSON; len 0: the row has no such cell; borrowed */
};
/* Rows in index order: zero the array POSITION (one for each column), then call until it is
 * false. */
bool polled_rows_next(const struct polled_rows *r, size_t position[COLUMNS_MAX], struct row *ret);

#endif
