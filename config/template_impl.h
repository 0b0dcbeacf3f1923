/* Where in its place a template's value stands, and how it is written there; inside config/ only.
 */
#ifndef CONFIG_TEMPLATE_IMPL_H
#define CONFIG_TEMPLATE_IMPL_H

#include "config/template.h"

/* How a value is written where it stands. */
enum template_spot {
    SPOT_LINE,   /* one line of text */
    SPOT_HTML,   /* text or a quoted attribute */
    SPOT_LINK,   /* a quoted attribute that is a link whose scheme is not known yet */
    SPOT_STRING, /* within the quotes of a JSON string */
    SPOT_WHOLE,  /* a JSON value of its own */
    SPOT_FIELD,  /* within a form's field, or its name */
};

/* How far the reading of a template's own text has come. Equal ones go on in the same way, so what
 * may or may not be there, or more than once, must begin and end with equal ones. */
struct template_scan {
    uint8_t place;
    uint8_t state;
    uint8_t attribute; /* HTML: what the quoted one that it is in is */
    bool style;        /* HTML: the tag that it is in is <style> */
};
static inline bool template_scan_equal(struct template_scan a, struct template_scan b)
{
    return a.place == b.place && a.state == b.state && a.attribute == b.attribute &&
           a.style == b.style;
}
/* Read on over TEXT[from, to); all of TEXT, terminated, may be looked at. NULL, or what is wrong
 * with it, in words, and where (*RET_AT). */
const char *template_scan(struct template_scan *s, const char *text, size_t from, size_t to,
                          size_t *ret_at);
/* What a value is here; NULL, or why none may stand here. */
const char *template_spot(struct template_scan s, enum template_spot *ret);
/* Would TEXT[from, to), instead of a value at SPOT, leave everything as it is? Why not, or NULL. */
const char *template_default(struct template_scan s, enum template_spot spot, const char *text,
                             size_t from, size_t to);

/* Octets that a value at most becomes for each of its own, and besides. */
enum { ESCAPE_FACTOR = 6, ESCAPE_BESIDES = 2 };
/* VALUE, which is not empty, or null at SPOT_WHOLE. NUMBER: it is to be a JSON number. */
void template_escape(struct buf *b, enum template_spot spot, bool number, const char *value);

#endif
