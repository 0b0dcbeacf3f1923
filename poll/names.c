#include "poll/names.h"

#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/err.h"
#include "poll/poll.h"

void names_init(struct names *s)
{
    *s = (struct names){0};
    buf_init(&s->text, (size_t)(POLL_TOPICS_MAX + 1) * (POLL_TOPIC_NAME_MAX + 1));
}

void names_release(struct names *s)
{
    buf_release(&s->text);
    free(s->at);
    s->at = NULL;
    s->n = s->cap = 0;
}

void names_clear(struct names *s)
{
    buf_clear(&s->text);
    s->n = 0;
    s->sorted = false;
}

int names_add(struct names *s, const char *name)
{
    if (s->n > POLL_TOPICS_MAX)
        return ERR_FULL;
    uint32_t *room = array_room(s->at, &s->cap, s->n + 1, sizeof *room);
    if (!room)
        return ERR_NOMEM;
    s->at = room;
    uint32_t at = (uint32_t)s->text.len;
    buf_bytes(&s->text, name, strlen(name) + 1);
    if (s->text.err)
        return s->text.err;
    s->at[s->n++] = at;
    s->sorted = false;
    return 0;
}

static const char *name_at(const struct names *s, size_t i)
{
    return (const char *)s->text.data + s->at[i];
}

static int compare(const void *a, const void *b, void *text)
{
    return strcmp((const char *)text + *(const uint32_t *)a,
                  (const char *)text + *(const uint32_t *)b);
}

static void sort(struct names *s)
{
    if (!s->sorted && s->n > 1)
        qsort_r(s->at, s->n, sizeof *s->at, compare, s->text.data);
    s->sorted = true;
}

int names_missing(struct names *before, struct names *now, int (*cb)(void *arg, const char *name),
                  void *arg)
{
    size_t j = 0;
    sort(before);
    sort(now);
    for (size_t i = 0; i < before->n; i++) {
        int order = 1;
        while (j < now->n && (order = strcmp(name_at(now, j), name_at(before, i))) < 0)
            j++;
        int err = order ? cb(arg, name_at(before, i)) : 0;
        if (err)
            return err;
    }
    return 0;
}
