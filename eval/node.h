/* Objects and arrays of a topic's document as JavaScript objects: made when they are reached, read
 * only, and each the same one however it is reached. */
#ifndef EVAL_NODE_H
#define EVAL_NODE_H

#include <mujs.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/json.h"
#include "eval/script.h"

/* The tags of their userdata, whose data is the jv. They show in Object.prototype.toString. */
#define NODE_TAG_OBJECT "Object"
#define NODE_TAG_ARRAY  "Array"

/* Once, before the image is taken. */
void node_install(js_State *J);
/* Before each evaluation; NEEDS: enum script_needs. */
void node_begin(unsigned needs);

/* Pushes the value of V, whatever it is. */
void node_push(js_State *J, const jv *v);
/* The userdata's hooks: push the member of that name and return 1, or return 0. */
int node_object_has(js_State *J, void *jv_object, const char *name);
int node_array_has(js_State *J, void *jv_array, const char *name);
/* The hooks that throw. */
int node_refuse_put(js_State *J, void *data, const char *name);
int node_refuse_delete(js_State *J, void *data, const char *name);

/* Gives the userdata on the top of the stack a key that `for in` finds. Its value does not matter:
 * reading asks the `has` hook first. */
void node_define_key(js_State *J, const char *key);
/* Puts into the registry a prototype like that of a global constructor, with toJSON. */
void node_prototype(js_State *J, const char *global, const char *registry, js_CFunction to_json);
/* "0", "1", "17"; not "017", "-1" or "1e3". */
bool node_is_index(const char *name, size_t *ret);

#endif
