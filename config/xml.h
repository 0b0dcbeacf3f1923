/* An XML file as a tree of elements, with the line of each element and attribute. The only file of
 * the project that knows libxml2 (with config/xml.c). What it refuses, whatever the file means:
 * text that is not UTF-8, a document type (so no entities but XML's own five, no amplification),
 * elements of another namespace, more than XML_DEPTH_MAX levels, XML_NODES_MAX elements or
 * XML_ATTRIBUTES_MAX attributes of one element. Nothing is ever fetched. */
#ifndef CONFIG_XML_H
#define CONFIG_XML_H

#include <stddef.h>

#include "base/err.h"

#define XML_NAMESPACE "urn:snmpalertd:config"

enum { XML_DEPTH_MAX = 8, XML_NODES_MAX = 1000000, XML_ATTRIBUTES_MAX = 64 };

struct xml_attribute {
    const char *name; /* "prefix:name" when it has a prefix */
    const char *value;
    int line;
};

struct xml_node {
    const char *name;
    int line; /* of its '<' */
    const struct xml_attribute *attributes;
    size_t nattributes;
    struct xml_node *children, *next;
    const char *text; /* without blanks at both ends, which may be "" */
    int text_line;
};

/* All is owned by the tree. */
struct xml_tree;

/* FILE stands before errors: "FILE:LINE: ...". ERR_SYNTAX, ERR_RANGE (a limit), ERR_NOMEM. */
int xml_parse(struct xml_tree **ret, const char *file, const void *text, size_t len, struct err *e);
const struct xml_node *xml_root(const struct xml_tree *t);
void xml_free(struct xml_tree *t); /* NULL is fine */

#endif
