/* Where things stand in the octets of an XML file, for the lines of errors. */
#ifndef CONFIG_XML_TEXT_H
#define CONFIG_XML_TEXT_H

#include <stdbool.h>

bool text_is_blank(char c); /* XML's blanks: space, tab, carriage return, newline */
const char *text_skip_blanks(const char *p, const char *end);
/* Newlines in [P, END). */
int text_count_lines(const char *p, const char *end);
/* The first line, from 1, that is not UTF-8; a line's end never cuts a character. */
int text_foreign_line(const char *p, const char *end);
/* Where attribute NAME stands in the well-formed start tag [P, END); P when it is not found. */
const char *tag_find_attribute(const char *p, const char *end, const char *name);

#endif
