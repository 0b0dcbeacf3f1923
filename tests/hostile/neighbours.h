/* Honest conditions of all sorts, and the topics that they read: they must not notice what happens
 * beside them. */
#ifndef TESTS_HOSTILE_NEIGHBOURS_H
#define TESTS_HOSTILE_NEIGHBOURS_H

#include <stddef.h>
#include <stdint.h>

enum { NEIGHBOURS = 1000, NEIGHBOUR_TOPICS = 60, NEIGHBOUR_TEXT_MAX = 512 };

/* Condition I of NEIGHBOURS. */
void neighbour_text(size_t i, char ret[NEIGHBOUR_TEXT_MAX]);

/* Topic I of NEIGHBOUR_TOPICS; its name, and sample SAMPLE of it: another size and other values
 * each time. Owned by the caller; NULL: out of memory. */
void neighbour_topic_name(size_t i, char *ret, size_t cap);
char *neighbour_topic_json(size_t i, unsigned sample);

#endif
