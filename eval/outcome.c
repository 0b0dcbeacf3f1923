#include "eval/outcome.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"

static const struct {
    const char *name;
    enum verdict_kind kind;
    uint8_t level;
} levels[] = {
    {"OK", VERDICT_LEVEL, 1},       {"INFO", VERDICT_LEVEL, 2},    {"WARNING", VERDICT_LEVEL, 3},
    {"CRITICAL", VERDICT_LEVEL, 4}, {"UNKNOWN", VERDICT_LEVEL, 5}, {"SKIPPED", VERDICT_SKIPPED, 0},
};

static void set_text(char *dst, size_t cap, const char *text)
{
    utf8_clean(dst, cap, text, strlen(text), false);
}

static void set_error(struct verdict *v, const char *what)
{
    char text[2 * VERDICT_ERROR_MAX];

    snprintf(
        text, sizeof text,
        "the value is %s; wanted true, false, a level such as 'WARNING' or {level, value, message}",
        what);
    v->kind = VERDICT_ERROR;
    set_text(v->error, sizeof v->error, text);
}

static void of_string(const char *s, struct verdict *v)
{
    char what[VERDICT_ERROR_MAX];

    for (size_t i = 0; i < sizeof levels / sizeof *levels; i++) {
        if (!strcmp(levels[i].name, s)) {
            v->kind = levels[i].kind;
            v->level = levels[i].level;
            return;
        }
    }
    snprintf(what, sizeof what, "the string '%.60s'", s);
    set_error(v, what);
}

static void of_number(double d, struct verdict *v)
{
    char what[64];

    if (isnan(d)) {
        v->kind = VERDICT_NODATA;
        return;
    }
    snprintf(what, sizeof what, "the number %.15g", d);
    set_error(v, what);
}

/* Anything but an object. */
static void of_scalar(js_State *J, struct verdict *v)
{
    switch (js_type(J, -1)) {
    case JS_ISBOOLEAN:
        v->kind = js_toboolean(J, -1) ? VERDICT_TRUE : VERDICT_FALSE;
        break;
    case JS_ISNUMBER:
        of_number(js_tonumber(J, -1), v);
        break;
    case JS_ISSTRING:
        of_string(js_tostring(J, -1), v);
        break;
    case JS_ISFUNCTION:
        set_error(v, "a function");
        break;
    case JS_ISOBJECT:
        set_error(v, "an object within an object");
        break;
    default:
        v->kind = VERDICT_NODATA;
    }
}

/* A text member; absent, undefined and null are none. A message keeps its lines. */
static void member_text(js_State *J, const char *name, char *dst, size_t cap, bool lines)
{
    if (!js_hasproperty(J, -1, name))
        return;
    if (js_iscoercible(J, -1)) {
        const char *s = js_tostring(J, -1);
        utf8_clean(dst, cap, s, strlen(s), lines);
    }
    js_pop(J, 1);
}

static void of_object(js_State *J, struct verdict *v)
{
    if (!js_hasproperty(J, -1, "level")) {
        set_error(v, "an object without 'level'");
        return;
    }
    of_scalar(J, v);
    js_pop(J, 1);
    if (v->kind == VERDICT_ERROR)
        return;
    member_text(J, "value", v->value, sizeof v->value, false);
    member_text(J, "message", v->message, sizeof v->message, true);
}

void outcome_of_value(js_State *J, struct verdict *ret)
{
    if (js_isobject(J, -1) && !js_iscallable(J, -1))
        of_object(J, ret);
    else
        of_scalar(J, ret);
}

/* The number behind "condition:", or 0. */
static int line_in(const char *text)
{
    const char *at = strstr(text, SCRIPT_NAME ":");

    return at ? atoi(at + strlen(SCRIPT_NAME ":")) : 0;
}

static int line_thrown(js_State *J, int thrown)
{
    int line = 0;

    if (!js_iserror(J, thrown))
        return 0;
    if (js_hasproperty(J, thrown, "stackTrace")) {
        line = js_isstring(J, -1) ? line_in(js_tostring(J, -1)) : 0;
        js_pop(J, 1);
    }
    return line;
}

/* The interpreter throws these bare words, without a line, for its fixed limits. */
static bool is_overflow(js_State *J, int thrown)
{
    return js_isstring(J, thrown) && (!strcmp(js_tostring(J, thrown), "stack overflow") ||
                                      !strcmp(js_tostring(J, thrown), "exception stack overflow"));
}

/* "SyntaxError: condition:3: unexpected" -> line 3, "SyntaxError: unexpected". */
static int cut_place(char *text)
{
    char *at = strstr(text, SCRIPT_NAME ":"), *end;

    if (!at || strncmp(text, "SyntaxError: ", 13) || at != text + 13)
        return 0;
    long line = strtol(at + strlen(SCRIPT_NAME ":"), &end, 10);
    if (!strncmp(end, ": ", 2))
        memmove(at, end + 2, strlen(end + 2) + 1);
    return (int)line;
}

void outcome_of_exception(js_State *J, int thrown, char *ret, size_t cap)
{
    char text[512], full[600];
    int line = line_thrown(J, thrown);

    if (is_overflow(J, thrown)) {
        snprintf(ret, cap,
                 "stack overflow: too many calls, values or try statements within "
                 "one another");
        return;
    }
    snprintf(text, sizeof text, "%s", js_tostring(J, thrown));
    int place = cut_place(text);
    if (place || line)
        snprintf(full, sizeof full, "line %d: %s", place ? place : line, text);
    else
        snprintf(full, sizeof full, "thrown: %s", text);
    set_text(ret, cap, full);
}
