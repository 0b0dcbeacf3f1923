/* What stands inside a handler or source. */
#include <stdlib.h>
#include <string.h>

#include "config/kind.h"

enum { ELEMENT_NAME_MAX = 32 };

void children_release(struct child *c, size_t n)
{
    for (size_t i = 0; i < n; i++)
        values_release(&c[i].values);
    free(c);
}

static bool same_child(const struct child *a, const struct child *b)
{
    return a->element == b->element &&
           values_same(&a->values, &b->values, a->element->properties, a->element->nproperties);
}

bool children_same(const struct child *a, size_t na, const struct child *b, size_t nb)
{
    if (na != nb)
        return false;
    for (size_t i = 0; i < na; i++)
        if (!same_child(&a[i], &b[i]))
            return false;
    return true;
}

bool child_has_secret(const struct child *c)
{
    for (size_t i = 0; i < c->values.n; i++)
        if (property_is_secret(c->values.items[i].property) && *c->values.items[i].text)
            return true;
    return false;
}

const struct child_element *kind_child(const struct kind *k, const char *name)
{
    for (size_t i = 0; i < k->nchildren; i++)
        if (strcmp(k->children[i].name, name) == 0)
            return &k->children[i];
    return NULL;
}

void children_write(const struct child *c, size_t n, struct buf *b)
{
    buf_u16(b, (uint16_t)n);
    for (size_t i = 0; i < n; i++) {
        buf_str(b, c[i].element->name);
        values_write(&c[i].values, b);
    }
}

static int read_one(struct child *ret, const struct kind *k, struct rd *r, struct err *e)
{
    char name[ELEMENT_NAME_MAX + 1];

    rd_str(r, name, sizeof name);
    if (r->err)
        return err_set(e, ERR_SYNTAX, "elements: cut short");
    ret->element = kind_child(k, name);
    if (!ret->element)
        return err_set(e, ERR_NOTFOUND, "<%s> has no element <%s>", k->name, name);
    return values_read(&ret->values, ret->element->properties, ret->element->nproperties, r, e);
}

int children_read(struct child **ret, size_t *ret_n, const struct kind *k, struct rd *r,
                  struct err *e)
{
    size_t n = rd_u16(r), done = 0;
    struct child *c = NULL;
    int err = 0;

    if (r->err || n > CHILDREN_MAX)
        return err_set(e, ERR_SYNTAX, "elements: a bad number of them");
    if (n) {
        c = calloc(n, sizeof *c);
        if (!c)
            return err_set(e, ERR_NOMEM, "out of memory");
    }
    while (done < n && !err)
        err = read_one(&c[done++], k, r, e); /* a half-read one is released like a whole one */
    if (err) {
        children_release(c, done);
        return err;
    }
    *ret = c;
    *ret_n = n;
    return 0;
}
