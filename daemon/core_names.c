#include "daemon/core.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"

/* ---- what a file names ---- */

static int compare(const void *a, const void *b)
{
    const struct core_name_ref *x = a, *y = b;
    int d = strcmp(x->owner, y->owner);

    return d ? d : strcmp(x->name, y->name);
}

static int names_init(struct core_names *x, size_t n)
{
    *x = (struct core_names){calloc(n + 1, sizeof *x->items), n};
    return x->items ? 0 : ERR_NOMEM;
}

static int sorted(struct core_names *x)
{
    qsort(x->items, x->n, sizeof *x->items, compare);
    return 0;
}

int core_names_of_owners(struct core_names *ret, const struct config *f)
{
    if (names_init(ret, f->nowners))
        return ERR_NOMEM;
    for (uint32_t i = 0; i < f->nowners; i++)
        ret->items[i] = (struct core_name_ref){"", f->owners[i].name, i};
    return sorted(ret);
}

int core_names_of_sources(struct core_names *ret, const struct config *f)
{
    if (names_init(ret, f->nsources))
        return ERR_NOMEM;
    for (uint32_t i = 0; i < f->nsources; i++)
        ret->items[i] = (struct core_name_ref){f->sources[i].owner, f->sources[i].name, i};
    return sorted(ret);
}

int core_names_of_handlers(struct core_names *ret, const struct config *f)
{
    if (names_init(ret, f->nhandlers))
        return ERR_NOMEM;
    for (uint32_t i = 0; i < f->nhandlers; i++)
        ret->items[i] = (struct core_name_ref){f->handlers[i].owner, f->handlers[i].name, i};
    return sorted(ret);
}

uint32_t core_names_find(const struct core_names *x, const char *owner, const char *name)
{
    struct core_name_ref key = {owner, name, 0};
    const struct core_name_ref *found = bsearch(&key, x->items, x->n, sizeof key, compare);

    return found ? found->at + 1 : 0;
}

void core_names_release(struct core_names *x)
{
    free(x->items);
    *x = (struct core_names){NULL, 0};
}

/* ---- ids of owners ---- */

uint32_t core_owner_id(const struct core *c, const char *name)
{
    for (size_t i = 0; i < c->nowners; i++) {
        if (!strcmp(c->owners[i], name))
            return (uint32_t)i + 1;
    }
    return 0;
}

uint32_t core_owner_intern(struct core *c, const char *name)
{
    uint32_t id = core_owner_id(c, name);
    char(*p)[33];

    if (id)
        return id;
    p = array_room(c->owners, &c->cap_owners, c->nowners + 1, sizeof *p);
    if (!p)
        return 0;
    c->owners = p;
    snprintf(c->owners[c->nowners++], 33, "%s", name);
    return (uint32_t)c->nowners;
}
