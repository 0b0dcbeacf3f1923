#include "eval/builtins.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "eval/node.h"
#include "eval/view.h"

/* The originals, by their full names: one object, so that the registry stays small and quick. */
#define REG_ORIGINALS "originals"

enum node_kind { NOT_A_NODE, NODE_OBJECT, NODE_ARRAY, NODE_ROOT };

/* IDX counts from the bottom of the frame. *RET: a jv, or a struct root. */
static enum node_kind node_at(js_State *J, int idx, const void **ret)
{
    static const struct {
        const char *tag;
        enum node_kind kind;
    } tags[] = {
        {NODE_TAG_OBJECT, NODE_OBJECT}, {NODE_TAG_ARRAY, NODE_ARRAY}, {VIEW_TAG_ROOT, NODE_ROOT}};

    for (size_t i = 0; i < sizeof tags / sizeof *tags; i++) {
        if (js_isuserdata(J, idx, tags[i].tag)) {
            *ret = js_touserdata(J, idx, tags[i].tag);
            return tags[i].kind;
        }
    }
    return NOT_A_NODE;
}

/* The function that was there before, with the same `this` and arguments. */
static void call_original(js_State *J, const char *name)
{
    int n = js_gettop(J);

    js_getregistry(J, REG_ORIGINALS);
    js_getproperty(J, -1, name);
    for (int i = 0; i < n; i++)
        js_copy(J, i);
    js_call(J, n - 1);
}

static void append_index(js_State *J, size_t i, int *count)
{
    char name[24];

    snprintf(name, sizeof name, "%zu", i);
    view_append_name(J, name, count);
}

/* Pushes an array of the node's own names. */
static void push_names(js_State *J, enum node_kind kind, const void *node, bool with_length)
{
    int count = 0;

    js_newarray(J);
    if (kind == NODE_ROOT)
        view_each_name(J, node, view_append_name, &count);
    if (kind == NODE_OBJECT)
        for (void *it = jv_iter(node); it; it = jv_iter_next(node, it))
            view_append_name(J, jv_iter_key(it), &count);
    if (kind == NODE_ARRAY)
        for (size_t i = 0; i < jv_len(node); i++)
            append_index(J, i, &count);
    if (kind == NODE_ARRAY && with_length)
        view_append_name(J, "length", &count);
}

static void js_object_keys(js_State *J)
{
    const void *node;
    enum node_kind kind = node_at(J, 1, &node);

    if (kind)
        push_names(J, kind, node, false);
    else
        call_original(J, "Object.keys");
}

static void js_object_own_names(js_State *J)
{
    const void *node;
    enum node_kind kind = node_at(J, 1, &node);

    if (kind)
        push_names(J, kind, node, true);
    else
        call_original(J, "Object.getOwnPropertyNames");
}

/* Pushes the node's own property of that name; false, and nothing pushed, if it has none. */
static bool push_own(js_State *J, enum node_kind kind, const void *node, const char *name)
{
    switch (kind) {
    case NODE_ROOT:
        return view_root_has(J, (void *)node, name);
    case NODE_OBJECT:
        return node_object_has(J, (void *)node, name);
    case NODE_ARRAY:
        return node_array_has(J, (void *)node, name);
    case NOT_A_NODE:
        break;
    }
    return false;
}

static void js_has_own(js_State *J)
{
    const void *node;
    enum node_kind kind = node_at(J, 0, &node);

    if (kind)
        js_pushboolean(J, push_own(J, kind, node, js_tostring(J, 1)));
    else
        call_original(J, "Object.prototype.hasOwnProperty");
}

static void js_is_enumerable(js_State *J)
{
    const void *node;
    enum node_kind kind = node_at(J, 0, &node);

    if (!kind) {
        call_original(J, "Object.prototype.propertyIsEnumerable");
        return;
    }
    const char *name = js_tostring(J, 1);
    bool hidden = kind == NODE_ARRAY && !strcmp(name, "length");
    js_pushboolean(J, !hidden && push_own(J, kind, node, name));
}

static void js_own_descriptor(js_State *J)
{
    const void *node;
    enum node_kind kind = node_at(J, 1, &node);

    if (!kind) {
        call_original(J, "Object.getOwnPropertyDescriptor");
        return;
    }
    if (!push_own(J, kind, node, js_tostring(J, 2))) {
        js_pushundefined(J);
        return;
    }
    js_newobject(J);
    js_rot2(J);
    js_setproperty(J, -2, "value");
    js_pushboolean(J, 0);
    js_setproperty(J, -2, "writable");
    js_pushboolean(J, 1);
    js_setproperty(J, -2, "enumerable");
    js_pushboolean(J, 0);
    js_setproperty(J, -2, "configurable");
}

/* Object.isFrozen and isSealed; isExtensible is their contrary. */
static void js_is_frozen(js_State *J)
{
    const void *node;

    if (node_at(J, 1, &node))
        js_pushboolean(J, 1);
    else
        call_original(J, "Object.isFrozen");
}

static void js_is_sealed(js_State *J)
{
    const void *node;

    if (node_at(J, 1, &node))
        js_pushboolean(J, 1);
    else
        call_original(J, "Object.isSealed");
}

static void js_is_extensible(js_State *J)
{
    const void *node;

    if (node_at(J, 1, &node))
        js_pushboolean(J, 0);
    else
        call_original(J, "Object.isExtensible");
}

static void js_is_array(js_State *J)
{
    js_pushboolean(J, js_isarray(J, 1) || js_isuserdata(J, 1, NODE_TAG_ARRAY));
}

/* Array.prototype.concat: arrays of both sorts are spread. */
static void js_concat_arrays(js_State *J)
{
    int top = js_gettop(J), n = 0;

    js_newarray(J);
    for (int i = 0; i < top; i++) {
        if (!js_isarray(J, i) && !js_isuserdata(J, i, NODE_TAG_ARRAY)) {
            js_copy(J, i);
            js_setindex(J, -2, n++);
            continue;
        }
        int len = js_getlength(J, i);
        for (int k = 0; k < len; k++, n++)
            if (js_hasindex(J, i, k))
                js_setindex(J, -2, n);
    }
}

static const struct {
    const char *global;
    bool on_prototype;
    const char *name;
    const char *full_name; /* under which the original is kept */
    js_CFunction function;
    int length;
} overrides[] = {
    {"Object", false, "keys", "Object.keys", js_object_keys, 1},
    {"Object", false, "getOwnPropertyNames", "Object.getOwnPropertyNames", js_object_own_names, 1},
    {"Object", false, "getOwnPropertyDescriptor", "Object.getOwnPropertyDescriptor",
     js_own_descriptor, 2},
    {"Object", false, "isFrozen", "Object.isFrozen", js_is_frozen, 1},
    {"Object", false, "isSealed", "Object.isSealed", js_is_sealed, 1},
    {"Object", false, "isExtensible", "Object.isExtensible", js_is_extensible, 1},
    {"Object", true, "hasOwnProperty", "Object.prototype.hasOwnProperty", js_has_own, 1},
    {"Object", true, "propertyIsEnumerable", "Object.prototype.propertyIsEnumerable",
     js_is_enumerable, 1},
    {"Array", false, "isArray", "Array.isArray", js_is_array, 1},
    {"Array", true, "concat", "Array.prototype.concat", js_concat_arrays, 0},
};

/* The original function is on the top of the stack; it leaves it. */
static void keep_original(js_State *J, const char *full_name)
{
    js_getregistry(J, REG_ORIGINALS);
    js_rot2(J);
    js_setproperty(J, -2, full_name);
    js_pop(J, 1);
}

void builtins_install(js_State *J)
{
    js_newobject(J);
    js_setregistry(J, REG_ORIGINALS);
    for (size_t i = 0; i < sizeof overrides / sizeof *overrides; i++) {
        js_getglobal(J, overrides[i].global);
        if (overrides[i].on_prototype) {
            js_getproperty(J, -1, "prototype");
            js_rot2pop1(J);
        }
        js_getproperty(J, -1, overrides[i].name);
        keep_original(J, overrides[i].full_name);
        js_newcfunction(J, overrides[i].function, overrides[i].full_name, overrides[i].length);
        js_defproperty(J, -2, overrides[i].name, JS_DONTENUM);
        js_pop(J, 1);
    }
}
