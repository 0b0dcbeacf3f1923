#include "eval/idmap.h"

#include <stdlib.h>

#include "base/err.h"

/* Invariant: from a key's home slot to the slot that holds it no slot is free. */

enum { CAP_MIN = 64 };

static size_t home_of(const struct idmap *m, uint64_t key)
{
    key *= 0x9e3779b97f4a7c15u;
    return (size_t)(key >> 32) & (m->cap - 1);
}

static struct idmap_slot *find(const struct idmap *m, uint64_t key)
{
    size_t i = home_of(m, key);

    while (m->slots[i].value && m->slots[i].key != key)
        i = (i + 1) & (m->cap - 1);
    return &m->slots[i];
}

void idmap_release(struct idmap *m)
{
    free(m->slots);
    *m = (struct idmap){0};
}

void *idmap_get(const struct idmap *m, uint64_t key)
{
    return m->n ? find(m, key)->value : NULL;
}

static int grow(struct idmap *m)
{
    struct idmap bigger = {.cap = m->cap ? 2 * m->cap : CAP_MIN, .n = m->n};

    bigger.slots = calloc(bigger.cap, sizeof *bigger.slots);
    if (!bigger.slots)
        return ERR_NOMEM;
    for (size_t i = 0; i < m->cap; i++)
        if (m->slots[i].value)
            *find(&bigger, m->slots[i].key) = m->slots[i];
    free(m->slots);
    *m = bigger;
    return 0;
}

int idmap_set(struct idmap *m, uint64_t key, void *value)
{
    struct idmap_slot *s = m->cap ? find(m, key) : NULL;

    if (!s || (!s->value && 2 * (m->n + 1) > m->cap)) {
        int err = grow(m);
        if (err)
            return err;
        s = find(m, key);
    }
    m->n += !s->value;
    *s = (struct idmap_slot){key, value};
    return 0;
}

/* Close the gap: whoever behind it may move into it without passing its home, does. */
static void close_gap(struct idmap *m, size_t gap)
{
    size_t mask = m->cap - 1;

    for (size_t i = (gap + 1) & mask; m->slots[i].value; i = (i + 1) & mask) {
        size_t home = home_of(m, m->slots[i].key);
        if (((i - home) & mask) < ((i - gap) & mask))
            continue;
        m->slots[gap] = m->slots[i];
        gap = i;
    }
    m->slots[gap].value = NULL;
}

void *idmap_del(struct idmap *m, uint64_t key)
{
    struct idmap_slot *s = m->n ? find(m, key) : NULL;
    void *was = s ? s->value : NULL;

    if (!was)
        return NULL;
    m->n--;
    close_gap(m, (size_t)(s - m->slots));
    return was;
}

void *idmap_next(const struct idmap *m, size_t *i)
{
    while (*i < m->cap) {
        void *v = m->slots[(*i)++].value;
        if (v)
            return v;
    }
    return NULL;
}
