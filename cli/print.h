/* Rows on the screen. */
#ifndef CLI_PRINT_H
#define CLI_PRINT_H

#include <stdio.h>

#include "cli/rows.h"

struct print_options {
    bool json, wide, help_texts;
    enum time_style times;
    size_t width; /* of the terminal in columns; 0: there is none */
};
/* Width from the terminal that F is, or 0. */
size_t terminal_width(FILE *f);

/* A table of texts that are clean already: the first line is its head. */
struct grid {
    size_t ncolumns, nlines, cap;
    char **cells; /* line by line; owned */
    int err;      /* ERR_NOMEM, sticky */
};
void grid_init(struct grid *g, size_t ncolumns);
void grid_release(struct grid *g);
/* The next cell, TEXT copied; a line is full after ncolumns of them. */
void grid_add(struct grid *g, const char *text, size_t len);
/* Widths from the data; longer cells are cut (and end in "...") at CELL columns (0: never), and the
 * widest further, so that a line fits WIDTH (0: any). Columns that still have no place are left
 * out, and the last line says how many. */
void grid_print(const struct grid *g, size_t width, size_t cell, struct buf *out);

int print_list(const struct rows *r, const struct print_options *o, FILE *f);
/* One row, a column a line. */
int print_row(const struct rows *r, size_t row, const struct print_options *o, FILE *f);
/* {"owner": ..., "name": ..., "condition": ...}. NULL when out of memory. */
jv *row_json(const struct rows *r, size_t row);
/* Text and a newline; V is taken over. 0, ERR_NOMEM or ERR_IO. */
int print_json(jv *v, FILE *f);

#endif
