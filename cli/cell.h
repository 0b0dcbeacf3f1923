/* Values of columns: from the wire, for people, as JSON, and from words on the command line. */
#ifndef CLI_CELL_H
#define CLI_CELL_H

#include "base/buf.h"
#include "base/err.h"
#include "base/json.h"
#include "cli/names.h"
#include "mibs/schema.h"
#include "snmp/value.h"

enum { CELL_TEXT_LIMIT = 65536 }; /* of a buffer that takes one cell's text */

struct datum {
    bool present;   /* false: the agent has no such instance, or it is of a type that is not ours */
    int64_t number; /* also of BITS (a mask) and times (ms since 1970, 0: never) */
    uint8_t *bytes; /* of texts; owned */
    size_t len;
};
void datum_release(struct datum *d);

/* RET is to be empty. ERR_NOMEM; a value that does not fit the column is simply not present. */
int datum_from(struct datum *ret, const struct sa_column *c, const struct snmp_value *v);

/* What every text of the command line goes through: octets that are no UTF-8 and characters that
 * are not printable become '?', blanks of any kind one blank each; with LINES a newline stays. */
void text_clean(struct buf *b, const void *p, size_t n, bool lines);
/* Columns of a terminal that N octets of text_clean's take; and how many octets fit COLUMNS. */
size_t text_width(const void *p, size_t n);
size_t text_fit(const void *p, size_t n, size_t columns);

/* How times are shown. */
enum time_style { TIMES_LOCAL, TIMES_UTC };

/* Appended to B. Absent: "", never: "-". */
void datum_text(const struct datum *d, const struct sa_column *c, enum time_style style, bool lines,
                struct buf *b);
/* Numbers, booleans, names of enumerations, arrays of names (BITS), UTC times; null when absent or
 * never. NULL when out of memory. */
jv *datum_json(const struct datum *d, const struct sa_column *c);
void part_text(const struct part *p, struct buf *b);
jv *part_json(const struct part *p);

/* WORD as a value for C: names of enumerations and bits (divided by commas), numbers, text, times
 * ("2026-12-01T18:00:00Z", without Z local; "+2h" from now: s, m, h or d). Octets
 * are borrowed from WORD or from SCRATCH. ERR_WRONG_VALUE, ERR_WRONG_LENGTH, ... with words. */
int value_from_word(struct snmp_value *ret, const struct sa_column *c, const char *word,
                    struct buf *scratch, struct err *e);
/* What the column takes, in words: "info, warning or critical", "1000 to 86400000". Appended. */
void column_accepts(const struct sa_column *c, struct buf *b);

#endif
