/* Rows of a table, read from an agent. */
#ifndef CLI_ROWS_H
#define CLI_ROWS_H

#include "cli/cell.h"
#include "cli/client.h"

enum { ROWS_MAX = 500000 };

struct row {
    struct objid index;              /* what stands behind the column's name */
    struct part parts[SA_INDEX_MAX]; /* the same for people */
    struct datum *cells;             /* one a column */
};
struct rows {
    const struct sa_table *table;
    const struct sa_column *columns[SA_COLUMN_MAX]; /* what was asked for, in order */
    size_t ncolumns;
    struct row *items; /* ascending by index */
    size_t n, cap;
};
/* Asks for all columns that can be read, until rows_choose says otherwise. */
void rows_init(struct rows *r, const struct sa_table *t);
void rows_release(struct rows *r);
/* Only the N columns of these numbers. */
void rows_choose(struct rows *r, const uint8_t *numbers, size_t n);
/* Where column NUMBER is among the columns, or -1. */
int rows_column(const struct rows *r, unsigned number);

/* All rows whose index begins with PREFIX (which may be empty), by GETBULK (v1: GETNEXT). */
int rows_walk(struct rows *r, struct client *c, const struct objid *prefix, struct err *e);
/* The one row INDEX, by GET. ERR_NOTFOUND when there is none. */
int rows_get(struct rows *r, struct client *c, const struct objid *index, struct err *e);

#endif
