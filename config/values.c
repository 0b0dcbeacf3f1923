/* Values: every text in them has passed property_check, whether it came from XML, SET or a frame.
 * A property has at most one. */
#include <stdlib.h>
#include <string.h>

#include "config/kind.h"

enum { VALUES_MAX = 256, VALUE_TEXT_MAX = 65536 }; /* of one frame */

static void value_release(struct value *v)
{
    free(v->text);
    template_free(v->template);
}

void values_release(struct values *v)
{
    for (size_t i = 0; i < v->n; i++)
        value_release(&v->items[i]);
    free(v->items);
    *v = (struct values){0};
}

static struct value *find(const struct values *v, const char *name)
{
    for (size_t i = 0; i < v->n; i++)
        if (strcmp(v->items[i].property->name, name) == 0)
            return &v->items[i];
    return NULL;
}

/* ERR_NOMEM is all that can go wrong: P takes TEXT. */
static int value_init(struct value *ret, const struct property *p, const char *text)
{
    struct value v = {.property = p, .text = strdup(text)};

    if (v.text && p->type == PROPERTY_TEMPLATE && *text)
        template_compile(&v.template, p->place, text, NULL, NULL);
    if (!v.text || (p->type == PROPERTY_TEMPLATE && *text && !v.template)) {
        value_release(&v);
        return ERR_NOMEM;
    }
    *ret = v;
    return 0;
}

static int put(struct values *v, const struct property *p, const char *text)
{
    struct value *old = find(v, p->name), *items, new;

    if (value_init(&new, p, text))
        return ERR_NOMEM;
    if (old) {
        value_release(old);
        *old = new;
        return 0;
    }
    items = reallocarray(v->items, v->n + 1, sizeof *items);
    if (!items) {
        value_release(&new);
        return ERR_NOMEM;
    }
    v->items = items;
    v->items[v->n++] = new;
    return 0;
}

int values_copy(struct values *dst, const struct values *src)
{
    struct values copy = {0};

    for (size_t i = 0; i < src->n; i++) {
        int err = put(&copy, src->items[i].property, src->items[i].text);

        if (err) {
            values_release(&copy);
            return err;
        }
    }
    *dst = copy;
    return 0;
}

int values_set(struct values *v, const struct property *p, const char *text, struct err *e)
{
    int err = property_check(p, text, e);

    if (err)
        return err;
    if (put(v, p, text))
        return err_set(e, ERR_NOMEM, "out of memory");
    return 0;
}

bool property_is_secret(const struct property *p)
{
    return p->type == PROPERTY_SECRET || (p->type == PROPERTY_FILE && !p->transport);
}

bool property_overridable(const struct property *p)
{
    return p->type != PROPERTY_SECRET && p->type != PROPERTY_FILE;
}

static bool same(const struct values *a, const struct values *b, const struct property *props,
                 size_t nprops, bool transport_only)
{
    for (size_t i = 0; i < nprops; i++) {
        const char *name = props[i].name;

        if (!props[i].transport && transport_only)
            continue;
        if (strcmp(values_text(a, props, nprops, name), values_text(b, props, nprops, name)) != 0)
            return false;
    }
    return true;
}

bool values_same(const struct values *a, const struct values *b, const struct property *props,
                 size_t nprops)
{
    return same(a, b, props, nprops, false);
}

bool values_same_transport(const struct values *a, const struct values *b,
                           const struct property *props, size_t nprops)
{
    return same(a, b, props, nprops, true);
}

bool values_touch_transport(const struct values *v)
{
    for (size_t i = 0; i < v->n; i++)
        if (v->items[i].property->transport)
            return true;
    return false;
}

static void drop_secrets(struct values *v)
{
    size_t kept = 0;

    for (size_t i = 0; i < v->n; i++) {
        if (property_is_secret(v->items[i].property))
            value_release(&v->items[i]);
        else
            v->items[kept++] = v->items[i];
    }
    v->n = kept;
}

int values_override(struct values *v, const struct values *over)
{
    int err = 0;

    if (values_touch_transport(over))
        drop_secrets(v);
    for (size_t i = 0; i < over->n && !err; i++)
        err = put(v, over->items[i].property, over->items[i].text);
    return err;
}

const char *values_text(const struct values *v, const struct property *props, size_t nprops,
                        const char *name)
{
    const struct value *have = find(v, name);
    const struct property *p;

    if (have)
        return have->text;
    p = property_find(props, nprops, name);
    return p && p->def ? p->def : "";
}

int64_t values_number(const struct values *v, const struct property *props, size_t nprops,
                      const char *name)
{
    const struct property *p = property_find(props, nprops, name);

    return p ? property_number(p, values_text(v, props, nprops, name)) : 0;
}

bool values_true(const struct values *v, const struct property *props, size_t nprops,
                 const char *name)
{
    const struct property *p = property_find(props, nprops, name);

    return p && p->type == PROPERTY_BOOLEAN && values_number(v, props, nprops, name);
}

const struct template *values_template(const struct values *v, const char *name)
{
    const struct value *have = find(v, name);

    return have ? have->template : NULL;
}

void values_write(const struct values *v, struct buf *b)
{
    buf_u16(b, (uint16_t)v->n);
    for (size_t i = 0; i < v->n; i++) {
        buf_str(b, v->items[i].property->name);
        buf_str(b, v->items[i].text);
    }
}

static int read_one(struct values *v, const struct property *props, size_t nprops, struct rd *r,
                    struct err *e)
{
    char name[33];
    char *text;
    const struct property *p;
    int err;

    rd_str(r, name, sizeof name);
    text = rd_strdup(r, VALUE_TEXT_MAX);
    if (r->err || !text) {
        free(text);
        return err_set(e, ERR_SYNTAX, "values: a frame that ends early or holds too long a text");
    }
    p = property_find(props, nprops, name);
    if (!p)
        err = err_set(e, ERR_INVALID, "values: unknown property '%s'", name);
    else if (find(v, name))
        err = err_set(e, ERR_INVALID, "values: property '%s' twice", name);
    else
        err = values_set(v, p, text, e);
    free(text);
    return err;
}

int values_read(struct values *ret, const struct property *props, size_t nprops, struct rd *r,
                struct err *e)
{
    struct values v = {0};
    unsigned n = rd_u16(r);

    if (r->err || n > VALUES_MAX || n > nprops)
        return err_set(e, ERR_SYNTAX, "values: %u of them, expected at most %zu", n, nprops);
    while (n--) {
        int err = read_one(&v, props, nprops, r, e);

        if (err) {
            values_release(&v);
            return err;
        }
    }
    *ret = v;
    return 0;
}
