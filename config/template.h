/* Templates: texts of the configuration with names in them, which each message fills in.
 *
 *   ${name}                    the value
 *   ${name|text}               TEXT, as it stands, when the value is empty
 *   ${#name}...${/name}        what is between, when the value is not empty (not in JSON)
 *   ${#events}...${/events}    what is between, once for each event of the message, newest first
 *   ${#events|text}...         the same, with TEXT between two events
 *   $$                         a dollar
 *
 * Names inside an events section are the event's, elsewhere those of the one event that the message
 * is about. Neither a default nor what divides events holds '$' or '}'. Whatever the values hold,
 * they never leave their place: everything that could fail does so when a template is compiled. */
#ifndef CONFIG_TEMPLATE_H
#define CONFIG_TEMPLATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

/* What the outcome is, and so how values are escaped and what a template may look like. */
enum template_place {
    TEMPLATE_TEXT, /* text of several lines; each value stays on its line */
    TEMPLATE_LINE, /* one line: a header, a string of a trap */
    TEMPLATE_HTML, /* values in text and in quoted attributes (links: http, https and mailto only),
                      never in scripts, styles, comments or unquoted */
    TEMPLATE_JSON, /* one document; "${name}" within a string, ${name} as a whole value: then a
                      number, a string, or null when it is empty */
    TEMPLATE_FORM, /* fields of a form, "a=1&b=${value}"; names and values of them */
};

enum template_name {
    TEMPLATE_LEVEL,
    TEMPLATE_PREVIOUS_LEVEL,
    TEMPLATE_STATE,
    TEMPLATE_KIND,
    TEMPLATE_OWNER,
    TEMPLATE_DEFINITION,
    TEMPLATE_INSTANCE,
    TEMPLATE_SERVICE,
    TEMPLATE_MESSAGE,
    TEMPLATE_VALUE,
    TEMPLATE_DESCRIPTION,
    TEMPLATE_URL,
    TEMPLATE_AT,
    TEMPLATE_AT_MILLIS,
    TEMPLATE_SINCE,
    TEMPLATE_SINCE_MILLIS,
    TEMPLATE_DURATION,
    TEMPLATE_DURATION_MILLIS,
    TEMPLATE_UUID,
    TEMPLATE_SEQUENCE,
    TEMPLATE_TARGET,
    TEMPLATE_COUNT,
    TEMPLATE_DIGEST,
    TEMPLATE_HOST,
    TEMPLATE_NAMES
};
struct template_name_info {
    const char *name;
    bool number; /* JSON writes it without quotes */
    const char *help;
};
extern const struct template_name_info template_names[TEMPLATE_NAMES];

enum {
    TEMPLATE_MAX = 16 << 10,         /* octets of a template */
    TEMPLATE_VALUES_MAX = 128,       /* values and sections in it */
    TEMPLATE_VALUE_MAX = 256,        /* octets of a value; the rest is cut off */
    TEMPLATE_LINE_MAX = 1000,        /* octets of an outcome that is a line; the rest is cut off */
    TEMPLATE_OUTPUT_MAX = 512 << 10, /* octets of another; events that have no room are left out */
};

/* Where in a template something is wrong; both from 1, columns count characters. */
struct template_position {
    unsigned line, column;
};

/* Immutable once compiled, and free of references to what it was made of. */
struct template;

/* ERR_INVALID with "column 7: unknown name 'lvel'; did you mean 'level'?" ("line 3, column 7: ..."
 * when TEXT has several lines) and RET_WHERE (may be NULL); ERR_NOMEM. RET may be NULL: only
 * check. */
int template_compile(struct template **ret, enum template_place place, const char *text,
                     struct template_position *ret_where, struct err *e);
void template_free(struct template *t); /* NULL is fine */

/* Who knows the values. */
enum { TEMPLATE_MESSAGE_ITSELF = -1 }; /* as EVENT: outside of events sections */
struct template_source {
    /* Of NAME in EVENT, which is 0..nevents-1 in the order in which they are told, into RET as
     * UTF-8; "" when there is none. A number's is digits, with a '-' before them or not. */
    void (*value)(const void *arg, int event, enum template_name name,
                  char ret[TEMPLATE_VALUE_MAX + 1]);
    const void *arg;
    int nevents;
};
/* Append to B, which needs room for the place's maximum. Fails only by B's own error (ERR_NOMEM,
 * ERR_FULL), which is returned. */
int template_write(const struct template *t, const struct template_source *s, struct buf *b);

#endif
