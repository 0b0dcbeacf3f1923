#include "eval/view.h"

#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "eval/counter.h"
#include "eval/record.h"

/* The tags show in Object.prototype.toString. */
#define TAG_OBJECT "Object"
#define TAG_ARRAY  "Array"
#define TAG_ROOT   "Topics"

/* Registry names. */
#define REG_NODES        "nodes"
#define REG_OBJECT_PROTO "object"
#define REG_ARRAY_PROTO  "array"
#define REG_ROOT_PROTO   "root"
#define REG_ORIGINALS    "originals" /* one object, so that the registry stays small and quick */

enum root_kind { ROOT_TOPIC, ROOT_PREVIOUS, ROOT_AGE, ROOTS };

struct root {
    enum root_kind kind;
    enum script_needs names; /* of a script that may walk it */
    const char *global;
};

static const struct root roots[ROOTS] = {
    {ROOT_TOPIC, NEEDS_TOPIC, "_topic"},
    {ROOT_PREVIOUS, NEEDS_PREVIOUS, "_previous"},
    {ROOT_AGE, NEEDS_AGE, "_age"},
};

/* Which node is which object of this evaluation: REG_NODES[index]. An entry of another evaluation
 * is a free one. */
enum { SEEN_SLOTS = 4096, SEEN_MAX = SEEN_SLOTS / 4 * 3 };
struct seen {
    const jv *node;
    uint32_t evaluation;
    int index;
};

static struct {
    const struct topics *topics;
    const struct script *script;
    int64_t now_ms;
    uint32_t evaluation;
    int nodes;     /* entries of `seen` in use */
    bool defining; /* keys are being put on a node: the one time that it can be written */
    bool clock_read;
    struct seen seen[SEEN_SLOTS];
} view;

/* ---- nodes ---- */

static struct seen *seen_find(const jv *node)
{
    size_t i = (size_t)(((uintptr_t)node * 0x9e3779b97f4a7c15u) >> 40) & (SEEN_SLOTS - 1);

    while (view.seen[i].evaluation == view.evaluation && view.seen[i].node != node)
        i = (i + 1) & (SEEN_SLOTS - 1);
    return &view.seen[i];
}

static int refuse_put(js_State *J, void *data, const char *name)
{
    (void)data;
    if (view.defining)
        return 0;
    js_typeerror(J, "topics are read-only: '%s' cannot be set", name);
}

static int refuse_delete(js_State *J, void *data, const char *name)
{
    (void)data;
    js_typeerror(J, "topics are read-only: '%s' cannot be deleted", name);
}

static void push_node(js_State *J, const jv *node);

static int object_has(js_State *J, void *data, const char *name)
{
    const jv *member = jv_get(data, name);

    if (!member)
        return 0;
    push_node(J, member);
    return 1;
}

/* "0", "1", "17"; not "017", "-1" or "1e3". */
static bool is_index(const char *name, size_t *ret)
{
    size_t n = 0, len = 0;

    for (; name[len] >= '0' && name[len] <= '9' && len < 10; len++)
        n = 10 * n + (size_t)(name[len] - '0');
    if (!len || name[len] || (name[0] == '0' && len > 1))
        return false;
    *ret = n;
    return true;
}

static int array_has(js_State *J, void *data, const char *name)
{
    size_t i;

    if (is_index(name, &i)) {
        const jv *item = jv_at(data, i);
        if (!item)
            return 0;
        push_node(J, item);
        return 1;
    }
    if (strcmp(name, "length"))
        return 0;
    js_pushnumber(J, (double)jv_len(data));
    return 1;
}

/* Keys as properties, for `for in`. Their values do not matter: reading asks object_has() first. */
static void define_key(js_State *J, const char *key)
{
    js_pushundefined(J);
    view.defining = true;
    js_defproperty(J, -2, key, JS_READONLY | JS_DONTCONF);
    view.defining = false;
}

static void define_keys(js_State *J, const jv *object)
{
    for (void *it = jv_iter(object); it; it = jv_iter_next(object, it))
        define_key(J, jv_iter_key(it));
}

static void make_object(js_State *J, const jv *node)
{
    js_getregistry(J, REG_OBJECT_PROTO);
    js_newuserdatax(J, TAG_OBJECT, (void *)node, object_has, refuse_put, refuse_delete, NULL);
    if (view.script->needs & NEEDS_KEYS)
        define_keys(J, node);
}

static void make_plain_array(js_State *J, const jv *node)
{
    size_t n = jv_len(node);

    js_newarray(J);
    for (size_t i = 0; i < n; i++) {
        push_node(J, jv_at(node, i));
        js_setindex(J, -2, (int)i);
    }
}

static void make_array(js_State *J, const jv *node)
{
    if (view.script->needs & NEEDS_KEYS) {
        make_plain_array(J, node);
        return;
    }
    js_getregistry(J, REG_ARRAY_PROTO);
    js_newuserdatax(J, TAG_ARRAY, (void *)node, array_has, refuse_put, refuse_delete, NULL);
}

/* Pushes the object of NODE; the same one each time. */
static void push_same(js_State *J, const jv *node, void (*make)(js_State *, const jv *))
{
    struct seen *s = seen_find(node);

    js_getregistry(J, REG_NODES);
    if (s->evaluation == view.evaluation) {
        js_getindex(J, -1, s->index);
    } else {
        make(J, node);
        if (view.nodes < SEEN_MAX) {
            js_copy(J, -1);
            js_setindex(J, -3, view.nodes);
            *seen_find(node) = (struct seen){node, view.evaluation, view.nodes};
            view.nodes++;
        }
    }
    js_rot2pop1(J);
}

static void push_container(js_State *J, const jv *node, void (*make)(js_State *, const jv *))
{
    if (view.script->needs & NEEDS_IDENTITY)
        push_same(J, node, make);
    else
        make(J, node);
}

static void push_node(js_State *J, const jv *node)
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

/* ---- roots ---- */

static bool root_shows(const struct root *root, const struct topic *t)
{
    return topic_readable(t, view.script->owner) && (root->kind != ROOT_PREVIOUS || t->before);
}

static int root_has(js_State *J, void *data, const char *name)
{
    const struct root *root = data;
    const struct topic *t = topics_find(view.topics, name, view.script->owner);

    if (!t) {
        record_read(eval_dep_missing(name));
        return 0;
    }
    record_read(
        eval_dep_make(root->kind == ROOT_PREVIOUS ? EVAL_DEP_PREVIOUS : EVAL_DEP_CONTENT, t->id));
    if (!root_shows(root, t))
        return 0;
    if (root->kind == ROOT_AGE) {
        view.clock_read = true;
        int64_t age_ms = view.now_ms - t->wall_ms;
        js_pushnumber(J, age_ms > 0 ? (double)age_ms / 1000 : 0);
    } else {
        push_node(J, sample_root(root->kind == ROOT_PREVIOUS ? t->before : t->now));
    }
    return 1;
}

/* Calls CB for each name that ROOT shows, in order; the set of names is a dependency. */
static void each_name(js_State *J, const struct root *root,
                      void (*cb)(js_State *J, const char *name, void *arg), void *arg)
{
    record_read(eval_dep_make(EVAL_DEP_NAMES, 0));
    for (size_t i = 0; i < view.topics->n; i++) {
        const struct topic *t = view.topics->by_name[i];
        if (root_shows(root, t))
            cb(J, t->name, arg);
        if (root->kind == ROOT_PREVIOUS && topic_readable(t, view.script->owner))
            record_read(eval_dep_make(EVAL_DEP_PREVIOUS, t->id));
    }
}

static void append_name(js_State *J, const char *name, void *count)
{
    js_pushstring(J, name);
    js_setindex(J, -2, (*(int *)count)++);
}

static void define_name(js_State *J, const char *name, void *arg)
{
    (void)arg;
    define_key(J, name);
}

struct glob {
    const char *pattern;
    int count;
};

static void append_match(js_State *J, const char *name, void *arg)
{
    struct glob *g = arg;

    if (glob_match(g->pattern, name))
        append_name(J, name, &g->count);
}

static void js_glob(js_State *J)
{
    struct glob g = {js_tostring(J, 1), 0};

    js_newarray(J);
    each_name(J, &roots[ROOT_TOPIC], append_match, &g);
}

/* ---- counters ---- */

static const jv *child(const jv *node, const char *name)
{
    size_t i;

    if (!node)
        return NULL;
    if (jv_kind(node) == JV_ARRAY)
        return is_index(name, &i) ? jv_at(node, i) : NULL;
    return jv_kind(node) == JV_OBJECT ? jv_get(node, name) : NULL;
}

/* What is at the path: argument 2, an array of names or one text with points. NULL: nothing. */
static const jv *at_path(js_State *J, const jv *node)
{
    char name[EVAL_NAME_MAX + 1];

    if (js_isarray(J, 2)) {
        int n = js_getlength(J, 2);
        for (int i = 0; i < n; i++) {
            js_getindex(J, 2, i);
            node = child(node, js_tostring(J, -1));
            js_pop(J, 1);
        }
        return node;
    }
    const char *path = js_isdefined(J, 2) ? js_tostring(J, 2) : "";
    while (*path) {
        size_t n = strcspn(path, ".");
        snprintf(name, sizeof name, "%.*s", (int)n, path);
        node = n < sizeof name ? child(node, name) : NULL;
        path += n + (path[n] == '.');
    }
    return node;
}

/* The topic that argument 1 names and its counter's gain; NULL: there is none. */
static const struct topic *counter_at(js_State *J, double *ret_gain)
{
    const char *name = js_tostring(J, 1);
    const struct topic *t = topics_find(view.topics, name, view.script->owner);

    if (!t) {
        record_read(eval_dep_missing(name));
        return NULL;
    }
    record_read(eval_dep_make(EVAL_DEP_CONTENT, t->id));
    record_read(eval_dep_make(EVAL_DEP_PREVIOUS, t->id));
    if (!t->before)
        return NULL;
    const jv *now = at_path(J, sample_root(t->now));
    return counter_delta(now, at_path(J, sample_root(t->before)), ret_gain) ? t : NULL;
}

static void js_delta(js_State *J)
{
    double gain;

    if (counter_at(J, &gain))
        js_pushnumber(J, gain);
    else
        js_pushundefined(J);
}

static void js_rate(js_State *J)
{
    double gain;
    const struct topic *t = counter_at(J, &gain);

    if (t && t->wall_ms > t->before_wall_ms)
        js_pushnumber(J, gain * 1000 / (double)(t->wall_ms - t->before_wall_ms));
    else
        js_pushundefined(J);
}

/* ---- built-in functions that must know nodes ---- */

enum node_kind { NOT_A_NODE, NODE_OBJECT, NODE_ARRAY, NODE_ROOT };

/* IDX counts from the bottom of the frame. *RET: a jv, or a struct root. */
static enum node_kind node_at(js_State *J, int idx, const void **ret)
{
    static const struct {
        const char *tag;
        enum node_kind kind;
    } tags[] = {{TAG_OBJECT, NODE_OBJECT}, {TAG_ARRAY, NODE_ARRAY}, {TAG_ROOT, NODE_ROOT}};

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
    append_name(J, name, count);
}

/* Pushes an array of the node's own names. */
static void push_names(js_State *J, enum node_kind kind, const void *node, bool with_length)
{
    int count = 0;

    js_newarray(J);
    if (kind == NODE_ROOT)
        each_name(J, node, append_name, &count);
    if (kind == NODE_OBJECT)
        for (void *it = jv_iter(node); it; it = jv_iter_next(node, it))
            append_name(J, jv_iter_key(it), &count);
    if (kind == NODE_ARRAY)
        for (size_t i = 0; i < jv_len(node); i++)
            append_index(J, i, &count);
    if (kind == NODE_ARRAY && with_length)
        append_name(J, "length", &count);
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
        return root_has(J, (void *)node, name);
    case NODE_OBJECT:
        return object_has(J, (void *)node, name);
    case NODE_ARRAY:
        return array_has(J, (void *)node, name);
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
    js_pushboolean(J, js_isarray(J, 1) || js_isuserdata(J, 1, TAG_ARRAY));
}

/* Array.prototype.concat: arrays of both sorts are spread. */
static void js_concat_arrays(js_State *J)
{
    int top = js_gettop(J), n = 0;

    js_newarray(J);
    for (int i = 0; i < top; i++) {
        if (!js_isarray(J, i) && !js_isuserdata(J, i, TAG_ARRAY)) {
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

/* JSON.stringify asks every object for this: a plain copy, one level deep. */
static void js_to_json(js_State *J)
{
    const void *node;
    enum node_kind kind = node_at(J, 0, &node);

    if (kind == NODE_ARRAY) {
        make_plain_array(J, node);
        return;
    }
    js_newobject(J);
    if (kind == NODE_OBJECT) {
        for (void *it = jv_iter(node); it; it = jv_iter_next(node, it)) {
            push_node(J, jv_iter_value(it));
            js_setproperty(J, -2, jv_iter_key(it));
        }
    }
}

static void copy_member(js_State *J, const char *name, void *root)
{
    if (root_has(J, root, name))
        js_setproperty(J, -2, name);
}

static void js_root_to_json(js_State *J)
{
    const void *root;

    js_newobject(J);
    if (node_at(J, 0, &root) == NODE_ROOT)
        each_name(J, root, copy_member, (void *)root);
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

static void install_overrides(js_State *J)
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

/* A prototype for nodes: the global's own one, and toJSON. */
static void install_prototype(js_State *J, const char *global, const char *registry,
                              js_CFunction to_json)
{
    js_getglobal(J, global);
    js_getproperty(J, -1, "prototype");
    js_rot2pop1(J);
    js_newuserdatax(J, "Prototype", NULL, NULL, NULL, NULL, NULL);
    js_newcfunction(J, to_json, "toJSON", 0);
    js_defproperty(J, -2, "toJSON", JS_DONTENUM | JS_READONLY | JS_DONTCONF);
    js_setregistry(J, registry);
}

static void install_root(js_State *J, const struct root *root)
{
    js_getregistry(J, REG_ROOT_PROTO);
    js_newuserdatax(J, TAG_ROOT, (void *)root, root_has, refuse_put, refuse_delete, NULL);
    js_defglobal(J, root->global, JS_READONLY | JS_DONTENUM | JS_DONTCONF);
}

static const struct {
    const char *name;
    js_CFunction function;
    int length;
} functions[] = {{"glob", js_glob, 1}, {"delta", js_delta, 2}, {"rate", js_rate, 2}};

void view_install(js_State *J)
{
    install_overrides(J);
    install_prototype(J, "Object", REG_OBJECT_PROTO, js_to_json);
    install_prototype(J, "Array", REG_ARRAY_PROTO, js_to_json);
    install_prototype(J, "Object", REG_ROOT_PROTO, js_root_to_json);
    for (size_t i = 0; i < ROOTS; i++)
        install_root(J, &roots[i]);
    js_newarray(J);
    js_setregistry(J, REG_NODES);
    for (size_t i = 0; i < sizeof functions / sizeof *functions; i++) {
        js_newcfunction(J, functions[i].function, functions[i].name, functions[i].length);
        js_defglobal(J, functions[i].name, JS_DONTENUM);
    }
}

void view_begin(const struct topics *topics, const struct script *s, int64_t now_ms)
{
    view.topics = topics;
    view.script = s;
    view.now_ms = now_ms;
    view.nodes = 0;
    view.defining = view.clock_read = false;
    if (++view.evaluation == 0) { /* once in 2^32: the old entries would come to life again */
        memset(view.seen, 0, sizeof view.seen);
        view.evaluation = 1;
    }
}

void view_prepare(js_State *J)
{
    for (size_t i = 0; i < ROOTS; i++) {
        if (!(view.script->needs & roots[i].names))
            continue;
        js_getglobal(J, roots[i].global);
        each_name(J, &roots[i], define_name, NULL);
        js_pop(J, 1);
    }
}

bool view_clock_read(void)
{
    return view.clock_read;
}
