/* Where handlers lead that hand on to others. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "config/leads.h"

#define COUNT(a) (sizeof(a) / sizeof *(a))

static const struct property list_properties[] = {{.name = "to", .type = PROPERTY_TEXT}};
static const struct kind list = {
    .name = "list", .properties = list_properties, .nproperties = 1, .leads_to = "to"};
static const struct kind plain = {.name = "plain"};
static const struct kind gatherer = {.name = "gatherer", .leads_to = "to", .gathers = "time"};
static const struct kind mail = {.name = "mail", .needs_recipients = true};

struct handler {
    const char *owner, *name;
    const struct kind *kind;
    const char *to;
};
struct world {
    const struct handler *items;
    size_t n;
};

static const struct handler *find(const struct world *w, const char *owner, const char *name)
{
    for (size_t i = 0; i < w->n; i++) {
        if (!strcmp(w->items[i].owner, owner) && !strcmp(w->items[i].name, name))
            return &w->items[i];
    }
    return NULL;
}

static const struct kind *kind_of(void *arg, const char *owner, const char *name)
{
    const struct handler *h = find(arg, owner, name);

    return h ? h->kind : NULL;
}

static const char *text_of(void *arg, const char *owner, const char *name, const char *property,
                           char buf[LEADS_TEXT_MAX + 1])
{
    const struct handler *h = find(arg, owner, name);

    (void)property;
    assert_non_null(h);
    snprintf(buf, LEADS_TEXT_MAX + 1, "%s", h->to);
    return buf;
}

/* "admin/a alice/b" */
static const char *ends(const struct handler *items, size_t n, const char *owner, const char *name,
                        struct err *e)
{
    static char text[4096];
    struct world w = {items, n};
    const struct leads_from from = {kind_of, text_of, &w};
    struct leads leads;
    size_t at = 0;

    text[0] = '\0';
    if (leads_follow(&leads, &from, owner, name, e))
        return e->text;
    for (size_t i = 0; i < leads.n; i++)
        at += (size_t)snprintf(text + at, sizeof text - at, "%s%s/%s", i ? " " : "",
                               leads.ends[i].owner, leads.ends[i].name);
    return text;
}

static void each_end_is_there_once(void **state)
{
    static const struct handler h[] = {
        {"admin", "p", &plain, ""},         {"admin", "q", &plain, ""},
        {"alice", "p", &plain, ""},         {"alice", "all", &list, "  q  p more q "},
        {"alice", "more", &list, "q p ps"}, {"admin", "ps", &list, "p"},
    };
    struct err e;

    (void)state;
    assert_string_equal(ends(h, COUNT(h), "alice", "all", &e), "admin/q alice/p admin/p");
    assert_string_equal(ends(h, COUNT(h), "admin", "ps", &e), "admin/p");
    assert_string_equal(ends(h, COUNT(h), "alice", "p", &e), "alice/p");
}

/* What slips through, as after the file has changed, still ends, and what is right of it counts. */
static void what_is_wrong_ends_too(void **state)
{
    static const struct handler h[] = {
        {"admin", "p", &plain, ""},     {"admin", "m", &mail, ""},
        {"admin", "a", &list, "b p x"}, {"admin", "b", &list, "a b m s"},
        {"admin", "s", &gatherer, "p"}, {"admin", "self", &list, "self"},
    };
    struct err e;

    (void)state;
    assert_string_equal(ends(h, COUNT(h), "admin", "a", NULL), "admin/m admin/p admin/x");
    assert_string_equal(ends(h, COUNT(h), "admin", "self", NULL), "");
    assert_string_equal(ends(h, COUNT(h), "admin", "a", &e), "it leads back to itself: a > b > a");
    assert_string_equal(ends(h, COUNT(h), "admin", "self", &e),
                        "it leads back to itself: self > self");
    assert_string_equal(ends(h, COUNT(h), "admin", "m", &e), "admin/m"); /* nobody leads to it */
}

/* Each list names the next one twice: as many ways as there are octets in the world. */
static void wide_ones_end_soon(void **state)
{
    enum { DEEP = LEADS_DEPTH_MAX, ALL = DEEP + 2 };
    static char names[ALL][8], texts[ALL][32];
    struct handler h[ALL];
    struct err e;

    (void)state;
    for (size_t i = 0; i < ALL; i++) {
        snprintf(names[i], sizeof names[i], "h%zu", i);
        snprintf(texts[i], sizeof texts[i], "h%zu end h%zu", i + 1, i + 1);
        h[i] = (struct handler){"admin", names[i], &list, texts[i]};
    }
    h[DEEP] = (struct handler){"admin", names[DEEP], &plain, ""};
    h[DEEP + 1] = (struct handler){"admin", "end", &plain, ""};
    assert_string_equal(ends(h, ALL, "admin", "h0", &e), "admin/h16 admin/end");
    h[DEEP] = (struct handler){"admin", names[DEEP], &list, "end"};
    assert_string_equal(ends(h, ALL, "admin", "h0", &e),
                        "it leads through more than 16 handlers in a row");
    assert_string_equal(ends(h, ALL, "admin", "h0", NULL), "admin/end");
}

static void there_are_limits(void **state)
{
    enum { MANY = LEADS_MAX + 2 };
    static char names[MANY][8], texts[2][LEADS_TEXT_MAX];
    struct handler h[MANY + 1];
    size_t at[2] = {0, 0};
    struct err e;

    (void)state;
    for (size_t i = 0; i < MANY; i++) {
        snprintf(names[i], sizeof names[i], "h%zu", i);
        h[i] = (struct handler){"admin", names[i], i ? &plain : &list, i ? "" : texts[0]};
        for (size_t k = 0; k < 2; k++) /* 0: all others, 1: but the last */
            if (i && i < MANY - k)
                at[k] += (size_t)snprintf(texts[k] + at[k], LEADS_TEXT_MAX - at[k], " h%zu", i);
    }
    assert_string_equal(ends(h, MANY, "admin", "h0", &e), "it leads to more than 64 handlers");
    h[0].to = texts[1];
    assert_non_null(strstr(ends(h, MANY, "admin", "h0", &e), "admin/h64"));
    for (size_t i = 1; i < MANY; i++) /* lists that lead to one */
        h[i] = (struct handler){"admin", names[i], &list, "end"};
    h[MANY] = (struct handler){"admin", "end", &plain, ""};
    assert_string_equal(ends(h, COUNT(h), "admin", "h0", &e),
                        "it leads through more than 64 handlers");
}

static void names_are_names(void **state)
{
    static const char long_name[] = "a 123456789012345678901234567890123";
    struct err e;

    (void)state;
    assert_int_equal(leads_check(" a  b ", &e), 0);
    assert_int_equal(leads_check("  ", &e), ERR_INVALID);
    assert_string_equal(e.text, "it names no handler");
    assert_int_equal(leads_check(long_name, &e), ERR_INVALID);
    assert_string_equal(e.text, "expected names of 1 to 32 octets divided by blanks");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_end_is_there_once), cmocka_unit_test(what_is_wrong_ends_too),
        cmocka_unit_test(wide_ones_end_soon),     cmocka_unit_test(there_are_limits),
        cmocka_unit_test(names_are_names),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
