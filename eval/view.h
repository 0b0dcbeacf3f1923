/* How topics look to a script: read-only JavaScript objects that are made only when they are
 * touched, and that tell the record what was read.
 *
 *   _topic[name]     the topic's content, undefined if there is none or the owner may not read it
 *   _previous[name]  the content of the sample before
 *   _age[name]       seconds since the sample was taken
 *   glob(pattern)    the names that match, in order
 *   delta(name, path), rate(name, path)
 *                    what a counter of the topic gained since the sample before, in all or in a
 *                    second; undefined if it is not there twice. Path: 'if.0.in', or ['if', 0,
 * 'in']
 *
 * A node is the same object whenever it is reached in one evaluation. Writing to one throws a
 * TypeError. In scripts that may walk keys (script.h) arrays are plain arrays of their own, so that
 * they are walked in the order of their indices; only there a script can change its own copy. */
#ifndef EVAL_VIEW_H
#define EVAL_VIEW_H

#include <mujs.h>
#include <stdbool.h>
#include <stdint.h>

#include "eval/script.h"
#include "eval/topics.h"

/* Once, before the image is taken: the globals, and what belongs to them. */
void view_install(js_State *J);

/* From now on, for this owner at this time. */
void view_begin(const struct topics *topics, const struct script *s, int64_t now_ms);
/* Inside the evaluation, before the script: what it needs beforehand. */
void view_prepare(js_State *J);
/* Did the script look at _age? */
bool view_clock_read(void);

/* For builtins.h. _topic, _previous and _age are userdata with this tag; ROOT is its data. */
#define VIEW_TAG_ROOT "Topics"
struct root;
int view_root_has(js_State *J, void *root, const char *name); /* the userdata's hook */
/* Calls CB for each name that ROOT shows, in order; the set of names is a dependency. */
void view_each_name(js_State *J, const struct root *root,
                    void (*cb)(js_State *J, const char *name, void *arg), void *arg);
/* A CB: appends to the array on the top of the stack, which has *COUNT (int) items. */
void view_append_name(js_State *J, const char *name, void *count);

#endif
