#include "eval/view.h"

#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "eval/builtins.h"
#include "eval/counter.h"
#include "eval/node.h"
#include "eval/record.h"

#define REG_ROOT_PROTO "root"

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

static struct {
    const struct topics *topics;
    const struct script *script;
    int64_t now_ms;
    bool clock_read;
} view;

/* ---- roots ---- */

static bool root_shows(const struct root *root, const struct topic *t)
{
    return topic_readable(t, view.script->owner) && (root->kind != ROOT_PREVIOUS || t->before);
}

int view_root_has(js_State *J, void *data, const char *name)
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
        int64_t age_ms = view.now_ms - t->taken_ms;
        js_pushnumber(J, age_ms > 0 ? (double)age_ms / 1000 : 0);
    } else {
        node_push(J, sample_root(root->kind == ROOT_PREVIOUS ? t->before : t->now));
    }
    return 1;
}

void view_each_name(js_State *J, const struct root *root,
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

void view_append_name(js_State *J, const char *name, void *count)
{
    js_pushstring(J, name);
    js_setindex(J, -2, (*(int *)count)++);
}

static void define_name(js_State *J, const char *name, void *arg)
{
    (void)arg;
    node_define_key(J, name);
}

struct glob {
    const char *pattern;
    int count;
};

static void append_match(js_State *J, const char *name, void *arg)
{
    struct glob *g = arg;

    if (glob_match(g->pattern, name))
        view_append_name(J, name, &g->count);
}

static void js_glob(js_State *J)
{
    struct glob g = {js_tostring(J, 1), 0};

    js_newarray(J);
    view_each_name(J, &roots[ROOT_TOPIC], append_match, &g);
}

/* ---- counters ---- */

static const jv *child(const jv *node, const char *name)
{
    size_t i;

    if (!node)
        return NULL;
    if (jv_kind(node) == JV_ARRAY)
        return node_is_index(name, &i) ? jv_at(node, i) : NULL;
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

    if (t && t->taken_ms > t->before_taken_ms)
        js_pushnumber(J, gain * 1000 / (double)(t->taken_ms - t->before_taken_ms));
    else
        js_pushundefined(J);
}

static void copy_member(js_State *J, const char *name, void *root)
{
    if (view_root_has(J, root, name))
        js_setproperty(J, -2, name);
}

static void js_root_to_json(js_State *J)
{
    struct root *root =
        js_isuserdata(J, 0, VIEW_TAG_ROOT) ? js_touserdata(J, 0, VIEW_TAG_ROOT) : NULL;

    js_newobject(J);
    if (root)
        view_each_name(J, root, copy_member, root);
}

static void install_root(js_State *J, const struct root *root)
{
    js_getregistry(J, REG_ROOT_PROTO);
    js_newuserdatax(J, VIEW_TAG_ROOT, (void *)root, view_root_has, node_refuse_put,
                    node_refuse_delete, NULL);
    js_defglobal(J, root->global, JS_READONLY | JS_DONTENUM | JS_DONTCONF);
}

static const struct {
    const char *name;
    js_CFunction function;
    int length;
} functions[] = {{"glob", js_glob, 1}, {"delta", js_delta, 2}, {"rate", js_rate, 2}};

void view_install(js_State *J)
{
    builtins_install(J);
    node_install(J);
    node_prototype(J, "Object", REG_ROOT_PROTO, js_root_to_json);
    for (size_t i = 0; i < ROOTS; i++)
        install_root(J, &roots[i]);
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
    view.clock_read = false;
    node_begin(s->needs);
}

void view_prepare(js_State *J)
{
    for (size_t i = 0; i < ROOTS; i++) {
        if (!(view.script->needs & roots[i].names))
            continue;
        js_getglobal(J, roots[i].global);
        view_each_name(J, &roots[i], define_name, NULL);
        js_pop(J, 1);
    }
}

bool view_clock_read(void)
{
    return view.clock_read;
}
