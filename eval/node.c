#include "eval/node.h"

#include <string.h>

/* A node is userdata whose data is the jv, and which asks it for members one by one. */
#define REG_NODES        "nodes"
#define REG_OBJECT_PROTO "object"
#define REG_ARRAY_PROTO  "array"

/* An evaluation may be left anywhere by siglongjmp: node_begin() must make good whatever it finds.
 */

/* Which node is which object of this evaluation: REG_NODES[index]. An entry of another evaluation
 * is a free one. */
enum { SEEN_SLOTS = 4096, SEEN_MAX = SEEN_SLOTS / 4 * 3 };
struct seen {
    const jv *node;
    uint32_t evaluation;
    int index;
};

static struct {
    unsigned needs; /* enum script_needs */
    uint32_t evaluation;
    int nodes;     /* entries of `seen` in use */
    bool defining; /* keys are being put on a node: the one time that it can be written */
    struct seen seen[SEEN_SLOTS];
} state;

static struct seen *seen_find(const jv *node)
{
    size_t i = (size_t)(((uintptr_t)node * 0x9e3779b97f4a7c15u) >> 40) & (SEEN_SLOTS - 1);

    while (state.seen[i].evaluation == state.evaluation && state.seen[i].node != node)
        i = (i + 1) & (SEEN_SLOTS - 1);
    return &state.seen[i];
}

int node_refuse_put(js_State *J, void *data, const char *name)
{
    (void)data;
    if (state.defining)
        return 0;
    js_typeerror(J, "topics are read-only: '%s' cannot be set", name);
}

int node_refuse_delete(js_State *J, void *data, const char *name)
{
    (void)data;
    js_typeerror(J, "topics are read-only: '%s' cannot be deleted", name);
}

int node_object_has(js_State *J, void *data, const char *name)
{
    const jv *member = jv_get(data, name);

    if (!member)
        return 0;
    node_push(J, member);
    return 1;
}

bool node_is_index(const char *name, size_t *ret)
{
    size_t n = 0, len = 0;

    for (; name[len] >= '0' && name[len] <= '9' && len < 10; len++)
        n = 10 * n + (size_t)(name[len] - '0');
    if (!len || name[len] || (name[0] == '0' && len > 1))
        return false;
    *ret = n;
    return true;
}

int node_array_has(js_State *J, void *data, const char *name)
{
    size_t i;

    if (node_is_index(name, &i)) {
        const jv *item = jv_at(data, i);
        if (!item)
            return 0;
        node_push(J, item);
        return 1;
    }
    if (strcmp(name, "length"))
        return 0;
    js_pushnumber(J, (double)jv_len(data));
    return 1;
}

void node_define_key(js_State *J, const char *key)
{
    js_pushundefined(J);
    state.defining = true;
    js_defproperty(J, -2, key, JS_READONLY | JS_DONTCONF);
    state.defining = false;
}

static void define_keys(js_State *J, const jv *object)
{
    for (void *it = jv_iter(object); it; it = jv_iter_next(object, it))
        node_define_key(J, jv_iter_key(it));
}

static void make_object(js_State *J, const jv *node)
{
    js_getregistry(J, REG_OBJECT_PROTO);
    js_newuserdatax(J, NODE_TAG_OBJECT, (void *)node, node_object_has, node_refuse_put,
                    node_refuse_delete, NULL);
    if (state.needs & NEEDS_KEYS)
        define_keys(J, node);
}

static void make_plain_array(js_State *J, const jv *node)
{
    size_t n = jv_len(node);

    js_newarray(J);
    for (size_t i = 0; i < n; i++) {
        node_push(J, jv_at(node, i));
        js_setindex(J, -2, (int)i);
    }
}

static void make_array(js_State *J, const jv *node)
{
    if (state.needs & NEEDS_KEYS) {
        make_plain_array(J, node);
        return;
    }
    js_getregistry(J, REG_ARRAY_PROTO);
    js_newuserdatax(J, NODE_TAG_ARRAY, (void *)node, node_array_has, node_refuse_put,
                    node_refuse_delete, NULL);
}

/* Pushes the object of NODE; the same one each time. */
static void push_same(js_State *J, const jv *node, void (*make)(js_State *, const jv *))
{
    struct seen *s = seen_find(node);

    js_getregistry(J, REG_NODES);
    if (s->evaluation == state.evaluation) {
        js_getindex(J, -1, s->index);
    } else {
        make(J, node);
        if (state.nodes < SEEN_MAX) {
            js_copy(J, -1);
            js_setindex(J, -3, state.nodes);
            *seen_find(node) = (struct seen){node, state.evaluation, state.nodes};
            state.nodes++;
        }
    }
    js_rot2pop1(J);
}

static void push_container(js_State *J, const jv *node, void (*make)(js_State *, const jv *))
{
    if (state.needs & NEEDS_IDENTITY)
        push_same(J, node, make);
    else
        make(J, node);
}

void node_push(js_State *J, const jv *node)
{
    struct slice s;

    switch (jv_kind(node)) {
    case JV_NULL:
        js_pushnull(J);
        break;
    case JV_BOOL:
        js_pushboolean(J, jv_bool(node));
        break;
    case JV_INT:
    case JV_REAL:
        js_pushnumber(J, jv_number(node));
        break;
    case JV_STRING:
        s = jv_string(node);
        js_pushlstring(J, (const char *)s.data, (int)s.len);
        break;
    case JV_ARRAY:
        push_container(J, node, make_array);
        break;
    case JV_OBJECT:
        push_container(J, node, make_object);
        break;
    }
}

/* JSON.stringify asks every object for this: a plain copy, one level deep. */
static void js_to_json(js_State *J)
{
    const jv *node;

    if (js_isuserdata(J, 0, NODE_TAG_ARRAY)) {
        make_plain_array(J, js_touserdata(J, 0, NODE_TAG_ARRAY));
        return;
    }
    js_newobject(J);
    if (!js_isuserdata(J, 0, NODE_TAG_OBJECT))
        return;
    node = js_touserdata(J, 0, NODE_TAG_OBJECT);
    for (void *it = jv_iter(node); it; it = jv_iter_next(node, it)) {
        node_push(J, jv_iter_value(it));
        js_setproperty(J, -2, jv_iter_key(it));
    }
}

void node_prototype(js_State *J, const char *global, const char *registry, js_CFunction to_json)
{
    js_getglobal(J, global);
    js_getproperty(J, -1, "prototype");
    js_rot2pop1(J);
    js_newuserdatax(J, "Prototype", NULL, NULL, NULL, NULL, NULL);
    js_newcfunction(J, to_json, "toJSON", 0);
    js_defproperty(J, -2, "toJSON", JS_DONTENUM | JS_READONLY | JS_DONTCONF);
    js_setregistry(J, registry);
}

void node_install(js_State *J)
{
    node_prototype(J, "Object", REG_OBJECT_PROTO, js_to_json);
    node_prototype(J, "Array", REG_ARRAY_PROTO, js_to_json);
    js_newarray(J);
    js_setregistry(J, REG_NODES);
}

void node_begin(unsigned needs)
{
    state.needs = needs;
    state.nodes = 0;
    state.defining = false;
    if (++state.evaluation == 0) { /* once in 2^32: the old entries would come to life again */
        memset(state.seen, 0, sizeof state.seen);
        state.evaluation = 1;
    }
}
