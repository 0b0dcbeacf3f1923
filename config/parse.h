/* What the parts of the file's reader share; inside config/ only. The first error ends the
 * reading. */
#ifndef CONFIG_PARSE_H
#define CONFIG_PARSE_H

#include <stdbool.h>
#include <stddef.h>

#include "config/config.h"
#include "config/xml.h"

struct parse {
    struct config *config;
    const struct kinds *kinds;
    struct err *e;
};

/* "FILE:LINE: words"; returns ERR_INVALID. */
int parse_fail(const struct parse *p, int line, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
int parse_nomem(const struct parse *p);

/* The names that would have been right, for the errors below. */
enum { PARSE_NAMES_MAX = 256 };
struct parse_names {
    const char *items[PARSE_NAMES_MAX];
    size_t n;
};
void parse_names_add(struct parse_names *l, const char *name);

int parse_unknown_attribute(const struct parse *p, const struct xml_node *n,
                            const struct xml_attribute *a, const struct parse_names *expected);
int parse_unknown_element(const struct parse *p, const struct xml_node *n, const char *in,
                          const struct parse_names *expected);
/* The value of NAME (attribute or element) is not what it should be; WORDS say what that is.
 * SECRET: it is not repeated. */
int parse_bad_value(const struct parse *p, int line, const struct xml_node *n, const char *name,
                    const char *value, bool secret, const char *words);
int parse_no_text(const struct parse *p, const struct xml_node *n);
/* An element that holds elements only. */
int parse_container(const struct parse *p, const struct xml_node *n);
int parse_no_children(const struct parse *p, const struct xml_node *n);

/* Attributes of N, each into the values of the set whose properties name it; required ones must be
 * there. RET is empty before; on error what is in it is still the caller's to release. */
struct parse_set {
    const struct property *properties;
    size_t n;
    struct values *ret;
};
int parse_attributes(const struct parse *p, const struct xml_node *n, const struct parse_set *sets,
                     size_t nsets);

/* ERR_INVALID with words when NAME is no owner; ATTRIBUTE of N names it. Owners come first. */
int parse_owner_exists(const struct parse *p, const struct xml_node *n, const char *attribute,
                       const char *name);

/* The two on one line: "already on line 3". */
int parse_duplicate(const struct parse *p, int line, int first, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

/* ITEMS with room for one more than its N, which is zeroed; it may have moved. NULL when out of
 * memory (ITEMS is as it was). */
void *parse_grow(void *items, size_t n, size_t size);

/* ---- the parts --------------------------------------------------------------------------------
 */
int parse_sources(const struct parse *p, const struct xml_node *n);
int parse_handlers(const struct parse *p, const struct xml_node *n);
int parse_rows(const struct parse *p, const struct xml_node *n);

/* ---- the fixed part of the format: attributes that do not come from kinds or tables -------------
 */
#define FORMAT_ROOT "snmpalertd"

struct format_element {
    const char *name;
    const struct property *attributes;
    size_t nattributes;
    const char *help;
};
extern const struct format_element format_store, format_agentx, format_owner;
extern const struct format_element format_source, format_handler, format_row; /* common ones */

/* Whether the file may give C, and whether it then also takes "10s". */
bool column_from_xml(const struct sa_column *c);
bool column_is_duration(const struct sa_column *c);

/* Sections below the root: at most one of each, in any order. */
struct format_section {
    const char *name;
    int (*parse)(const struct parse *p, const struct xml_node *n);
    bool required;
    const char *help;
    /* what it holds: its own attributes, or elements of one name, or elements that are named by
     * kinds (of class_) or tables and have COMMON's attributes */
    const struct format_element *leaf, *item, *common;
    enum kind_class class_;
};
extern const struct format_section format_sections[];
extern const size_t format_nsections;

#endif
