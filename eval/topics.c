#include "eval/topics.h"

#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/text.h"

struct sample {
    jv *root;
    unsigned refs;
};

static void sample_unref(struct sample *s)
{
    if (!s || --s->refs)
        return;
    jv_free(s->root);
    free(s);
}

static struct sample *sample_parse(struct slice json, struct err *e)
{
    struct sample *s = malloc(sizeof *s);

    if (!s) {
        err_set(e, ERR_NOMEM, "out of memory");
        return NULL;
    }
    *s = (struct sample){.root = jv_parse(json.data, json.len, e), .refs = 1};
    if (!s->root) {
        free(s);
        return NULL;
    }
    return s;
}

const jv *sample_root(const struct sample *s)
{
    return s->root;
}

static uint64_t hash_of(const char *name)
{
    return hash64(name, strlen(name), 0);
}

static void topic_free(struct topic *topic)
{
    if (!topic)
        return;
    sample_unref(topic->now);
    sample_unref(topic->before);
    free(topic->readers);
    free(topic);
}

static int compare_u32(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

    return (x > y) - (x < y);
}

static int set_readers(struct topic *topic, const struct eval_topic *in)
{
    uint32_t *readers = NULL;

    if (in->nreaders) {
        readers = malloc(in->nreaders * sizeof *readers);
        if (!readers)
            return ERR_NOMEM;
        for (uint32_t i = 0; i < in->nreaders; i++)
            readers[i] = get_u32(in->readers + 4 * (size_t)i);
        qsort(readers, in->nreaders, sizeof *readers, compare_u32);
    }
    free(topic->readers);
    topic->readers = readers;
    topic->nreaders = in->nreaders;
    return 0;
}

static void new_sample(struct topic *topic, struct sample *s, int64_t taken_ms)
{
    sample_unref(topic->before);
    topic->before = topic->now;
    topic->before_taken_ms = topic->taken_ms;
    topic->now = s;
    topic->taken_ms = taken_ms;
}

static int reserve(struct topics *t)
{
    struct topic **bigger = array_room(t->by_name, &t->cap, t->n + 1, sizeof(*bigger));
    if (!bigger)
        return ERR_NOMEM;
    t->by_name = bigger;
    return 0;
}

static int add(struct topics *t, struct topic *topic)
{
    uint64_t hash = hash_of(topic->name);

    if (reserve(t) || idmap_set(&t->by_id, topic->id, topic))
        return ERR_NOMEM;
    topic->same_hash = idmap_get(&t->by_hash, hash);
    if (idmap_set(&t->by_hash, hash, topic)) {
        idmap_del(&t->by_id, topic->id);
        return ERR_NOMEM;
    }
    t->by_name[t->n++] = topic;
    t->sorted = false;
    return 0;
}

static struct topic *create(struct topics *t, const struct eval_topic *in, struct err *e)
{
    size_t name_size = strlen(in->name) + 1;
    struct topic *topic = calloc(1, sizeof *topic + name_size);

    if (topic) {
        topic->id = in->id;
        memcpy(topic->name, in->name, name_size);
        if (!set_readers(topic, in) && !add(t, topic))
            return topic;
    }
    topic_free(topic);
    err_set(e, ERR_NOMEM, "out of memory");
    return NULL;
}

int topics_put(struct topics *t, const struct eval_topic *in, struct err *e)
{
    struct topic *topic = idmap_get(&t->by_id, in->id);

    if (topic && set_readers(topic, in))
        return err_set(e, ERR_NOMEM, "out of memory");
    struct sample *s = sample_parse(in->json, e);
    if (!s)
        return e->code;
    if (!topic)
        topic = create(t, in, e);
    if (!topic) {
        sample_unref(s);
        return e->code;
    }
    new_sample(topic, s, in->taken_ms);
    return 0;
}

void topics_same(struct topics *t, uint32_t id, int64_t taken_ms)
{
    struct topic *topic = idmap_get(&t->by_id, id);

    if (!topic)
        return;
    topic->now->refs++;
    new_sample(topic, topic->now, taken_ms);
}

static void forget_hash(struct topics *t, struct topic *topic)
{
    uint64_t hash = hash_of(topic->name);
    struct topic *first = idmap_get(&t->by_hash, hash);

    if (first == topic) {
        if (topic->same_hash)
            idmap_set(&t->by_hash, hash, topic->same_hash); /* the key is there: cannot fail */
        else
            idmap_del(&t->by_hash, hash);
        return;
    }
    while (first->same_hash != topic)
        first = first->same_hash;
    first->same_hash = topic->same_hash;
}

void topics_drop(struct topics *t, uint32_t id)
{
    struct topic *topic = idmap_del(&t->by_id, id);
    size_t i = 0;

    if (!topic)
        return;
    forget_hash(t, topic);
    while (t->by_name[i] != topic)
        i++;
    t->by_name[i] = t->by_name[--t->n];
    t->sorted = false;
    topic_free(topic);
}

void topics_release(struct topics *t)
{
    for (size_t i = 0; i < t->n; i++)
        topic_free(t->by_name[i]);
    free(t->by_name);
    idmap_release(&t->by_id);
    idmap_release(&t->by_hash);
    *t = (struct topics){0};
}

bool topic_readable(const struct topic *topic, uint32_t owner)
{
    return !topic->nreaders ||
           bsearch(&owner, topic->readers, topic->nreaders, sizeof *topic->readers, compare_u32);
}

const struct topic *topics_find(const struct topics *t, const char *name, uint32_t owner)
{
    const struct topic *topic = idmap_get(&t->by_hash, hash_of(name));

    while (topic && strcmp(topic->name, name))
        topic = topic->same_hash;
    return topic && topic_readable(topic, owner) ? topic : NULL;
}

static int compare_names(const void *a, const void *b)
{
    return strcmp((*(struct topic *const *)a)->name, (*(struct topic *const *)b)->name);
}

void topics_sort(struct topics *t)
{
    if (t->sorted)
        return;
    if (t->n)
        qsort(t->by_name, t->n, sizeof(*t->by_name), compare_names);
    t->sorted = true;
}
