/* Anybody's template, filled with anybody's values. What is refused is told in words; what is taken
 * never fails, is as long as it may be at most, and what a value holds changes nothing around it:
 * JSON stays a document of the same shape, the marks of HTML stay as many, lines stay as many. The
 * input: an octet for the place, the template, a 0 octet, values divided by 0 octets. */
#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "base/text.h"
#include "config/template.h"
#include "tests/fuzz/fuzz.h"

enum { TEXT_MAX = 20000, VALUES_MAX = 8 };

struct values {
    char texts[VALUES_MAX][TEMPLATE_VALUE_MAX + 1];
    size_t n;
};

/* Which values there are hangs on name and event alone, so that two sets take the same paths. */
static void value_of(const void *arg, int event, enum template_name name,
                     char ret[TEMPLATE_VALUE_MAX + 1])
{
    const struct values *v = arg;
    size_t i = (size_t)(event + 1) * 5 + name;

    ret[0] = '\0';
    if (i % 3 == 0 || v->n == 0)
        return;
    if (template_names[name].number)
        snprintf(ret, TEMPLATE_VALUE_MAX + 1, "%zu", i);
    else
        memcpy(ret, v->texts[i % v->n], sizeof v->texts[0]);
}

static void write(const struct template *t, const struct values *v, struct buf *b)
{
    const struct template_source s = {value_of, v, 2}; /* so many always have room */

    buf_init(b, TEMPLATE_OUTPUT_MAX);
    REQUIRE(template_write(t, &s, b) == 0);
    REQUIRE(utf8_valid(b->data, b->len) && (!b->len || !memchr(b->data, 0, b->len)));
}

static size_t count(const struct buf *b, const char *marks)
{
    size_t n = 0;

    for (size_t i = 0; i < b->len; i++)
        n += strchr(marks, b->data[i]) != NULL;
    return n;
}

/* The same kinds of values in the same places; texts and names of members may differ. */
static void check_shape(jv *a, jv *b)
{
    void *i, *k;

    REQUIRE(jv_kind(a) == jv_kind(b));
    if (jv_kind(a) == JV_ARRAY) {
        REQUIRE(jv_len(a) == jv_len(b));
        for (size_t n = 0; n < jv_len(a); n++)
            check_shape(jv_at(a, n), jv_at(b, n));
    }
    if (jv_kind(a) != JV_OBJECT || jv_len(a) != jv_len(b))
        return; /* two members may have got the same name */
    for (i = jv_iter(a), k = jv_iter(b); i && k; i = jv_iter_next(a, i), k = jv_iter_next(b, k))
        if (strcmp(jv_iter_key(i), jv_iter_key(k)) == 0)
            check_shape(jv_iter_value(i), jv_iter_value(k));
}

static void check_same(enum template_place place, const struct buf *plain, const struct buf *b)
{
    if (place == TEMPLATE_JSON) {
        jv *x = jv_parse(plain->data, plain->len, NULL), *y = jv_parse(b->data, b->len, NULL);

        REQUIRE(x && y);
        check_shape(x, y);
        jv_free(x);
        jv_free(y);
    } else if (place == TEMPLATE_HTML) {
        REQUIRE(count(plain, "<>\"'`") == count(b, "<>\"'`"));
    } else if (place == TEMPLATE_TEXT) {
        REQUIRE(count(plain, "\n\r") == count(b, "\n\r"));
    } else if (place == TEMPLATE_FORM) {
        REQUIRE(count(plain, "&=") == count(b, "&=") && count(b, "\n\r #;\"\x7f") == 0);
    } else {
        REQUIRE(b->len <= TEMPLATE_LINE_MAX && count(b, "\n\r") == 0);
    }
}

static void refused(const struct err *e, const struct template_position *w)
{
    REQUIRE(e->code == ERR_INVALID && e->text[0]);
    REQUIRE(w->line >= 1 && w->column >= 1 && w->line <= TEMPLATE_MAX + 1);
}

FUZZ_TARGET(template)
{
    static const struct values plain = {.texts = {"x"}, .n = 1};
    enum template_place place = size ? data[0] % (TEMPLATE_FORM + 1) : TEMPLATE_TEXT;
    struct values v = {.n = 0};
    struct template_position where;
    struct template *t = NULL;
    char text[TEXT_MAX];
    struct buf a, b;
    struct err e;

    data += size > 0;
    size -= size > 0;
    next_text(&data, &size, text, sizeof text);
    while (v.n < VALUES_MAX && size)
        if (*next_text(&data, &size, v.texts[v.n], sizeof v.texts[0]))
            v.n++;
    if (template_compile(&t, place, text, &where, &e)) {
        refused(&e, &where);
        return 0;
    }
    write(t, v.n ? &plain : &v, &a);
    write(t, &v, &b);
    check_same(place, &a, &b);
    buf_release(&a);
    buf_release(&b);
    template_free(t);
    return 0;
}
