#include "eval/deps.h"

#include <stdlib.h>

#include "base/buf.h"

/* Invariant: an edge is in the list of its dependency, whose head the map holds as long as the list
 * is not empty; a dependent's edges are one allocation, replaced as a whole. */
struct dep_edge {
    eval_dep dep;
    struct dependent *who;
    struct dep_edge *next, *prev; /* prev: NULL for the first */
};

void deps_release(struct deps *d)
{
    idmap_release(&d->heads);
}

static int link_edge(struct deps *d, struct dep_edge *e)
{
    struct dep_edge *head = idmap_get(&d->heads, e->dep);
    int err = idmap_set(&d->heads, e->dep, e);

    if (err)
        return err;
    e->next = head;
    e->prev = NULL;
    if (head)
        head->prev = e;
    return 0;
}

static void unlink_edge(struct deps *d, struct dep_edge *e)
{
    if (e->next)
        e->next->prev = e->prev;
    if (e->prev)
        e->prev->next = e->next;
    else if (e->next)
        idmap_set(&d->heads, e->dep, e->next); /* the key is there: cannot fail */
    else
        idmap_del(&d->heads, e->dep);
}

void deps_clear(struct deps *d, struct dependent *who)
{
    for (uint32_t i = 0; i < who->n; i++)
        unlink_edge(d, &who->edges[i]);
    free(who->edges);
    *who = (struct dependent){0};
}

static int fill(struct deps *d, struct dependent *who, const uint8_t *deps, uint32_t n)
{
    who->edges = calloc(n, sizeof *who->edges);
    if (!who->edges)
        return ERR_NOMEM;
    while (who->n < n) {
        struct dep_edge *e = &who->edges[who->n];
        e->dep = get_u64(deps + 8 * (size_t)who->n);
        e->who = who;
        if (link_edge(d, e))
            return ERR_NOMEM;
        who->n++;
    }
    return 0;
}

int deps_set(struct deps *d, struct dependent *who, const uint8_t *deps, uint32_t n)
{
    uint8_t any[8];

    deps_clear(d, who);
    if (!n || !fill(d, who, deps, n))
        return 0;
    deps_clear(d, who);
    put_u64(any, eval_dep_make(EVAL_DEP_ANY, 0));
    if (fill(d, who, any, 1))
        deps_clear(d, who);
    return ERR_NOMEM;
}

eval_dep deps_at(const struct dependent *who, uint32_t i)
{
    return who->edges[i].dep;
}

void deps_each(const struct deps *d, eval_dep dep, void (*cb)(void *arg, struct dependent *who),
               void *arg)
{
    for (struct dep_edge *e = idmap_get(&d->heads, dep); e; e = e->next)
        cb(arg, e->who);
}
