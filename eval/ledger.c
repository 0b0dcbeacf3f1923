#include "eval/ledger.h"

#include <stdlib.h>
#include <string.h>

#include "base/text.h"

/* ---- lists of conditions ---- */

static struct condition_list *list_of(struct ledger *l, const struct condition *c)
{
    return c->listed == LISTED_DIRTY ? &l->dirty : &l->queue;
}

static void unlist(struct ledger *l, struct condition *c)
{
    struct condition_list *list = list_of(l, c);

    if (c->listed == LISTED_NOT)
        return;
    *(c->prev ? &c->prev->next : &list->first) = c->next;
    *(c->next ? &c->next->prev : &list->last) = c->prev;
    list->n--;
    c->next = c->prev = NULL;
    c->listed = LISTED_NOT;
}

static void enlist(struct ledger *l, struct condition *c, enum listed where, bool first)
{
    c->listed = where;
    struct condition_list *list = list_of(l, c);
    c->next = first ? list->first : NULL;
    c->prev = first ? NULL : list->last;
    *(c->prev ? &c->prev->next : &list->first) = c;
    *(c->next ? &c->next->prev : &list->last) = c;
    list->n++;
}

void ledger_mark(struct ledger *l, struct condition *c)
{
    if (c->listed == LISTED_NOT)
        enlist(l, c, LISTED_DIRTY, false);
}

void ledger_queue(struct ledger *l, struct condition *c, bool first)
{
    if (c->in_flight) {
        c->again = true;
        return;
    }
    if (c->listed == LISTED_QUEUED && !first)
        return;
    unlist(l, c);
    enlist(l, c, LISTED_QUEUED, first);
}

size_t ledger_flush(struct ledger *l)
{
    struct condition *c;
    size_t n = 0;

    for (; (c = l->dirty.first); n++) {
        unlist(l, c);
        ledger_queue(l, c, false);
    }
    return n;
}

struct condition *ledger_next(struct ledger *l)
{
    struct condition *c = l->queue.first;

    if (c)
        unlist(l, c);
    return c;
}

/* ---- what a change concerns ---- */

struct marking {
    struct ledger *ledger;
    const struct known_topic *topic;
    bool now;       /* queue, do not wait for a flush */
    uint32_t owner; /* whether this one may read the topic was asked last; 0: nobody */
    bool reads;
};

static bool may_read(const struct known_topic *t, uint32_t owner)
{
    for (uint32_t i = 0; i < t->nreaders; i++)
        if (get_u32(t->readers + 4 * (size_t)i) == owner)
            return true;
    return !t->nreaders;
}

/* Whoever may not read the topic is not evaluated for it: that could be seen, too. */
static void mark_one(void *arg, struct dependent *who)
{
    struct marking *m = arg;
    struct condition *c = (struct condition *)who;

    if (!m->owner || m->owner != c->owner) {
        m->owner = c->owner;
        m->reads = may_read(m->topic, c->owner);
    }
    if (!m->reads)
        return;
    if (m->now)
        ledger_queue(m->ledger, c, false);
    else
        ledger_mark(m->ledger, c);
}

static void mark_dep(struct marking *m, eval_dep dep)
{
    deps_each(&m->ledger->deps, dep, mark_one, m);
}

enum change_kind {
    CHANGE_CONTENT = 1,
    CHANGE_PREVIOUS = 2,
    CHANGE_NAMES = 4, /* it came, went, or is shown to others */
    CHANGE_ALL = 7,
};

/* Those whom it concerns among the readers that T has. */
static void mark_readers(struct ledger *l, const struct known_topic *t, unsigned what, bool now)
{
    struct marking m = {.ledger = l, .topic = t, .now = now};

    if (what & (CHANGE_CONTENT | CHANGE_NAMES)) {
        mark_dep(&m, eval_dep_make(EVAL_DEP_CONTENT, t->id));
        mark_dep(&m, eval_dep_missing(t->name)); /* also one whose first text did not parse */
    }
    if (what) {
        mark_dep(&m, eval_dep_make(EVAL_DEP_PREVIOUS, t->id));
        mark_dep(&m, eval_dep_make(EVAL_DEP_ANY, 0));
    }
    if (what & CHANGE_NAMES)
        mark_dep(&m, eval_dep_make(EVAL_DEP_NAMES, 0));
}

static void note_change(struct ledger *l, struct known_topic *t, unsigned what, bool now)
{
    l->change += what != 0;
    if (what & (CHANGE_CONTENT | CHANGE_NAMES))
        t->changed = l->change;
    if (what)
        t->sampled = l->change;
    if (what & CHANGE_NAMES)
        l->names_changed = l->change;
    mark_readers(l, t, what, now);
}

/* ---- topics ---- */

static void text_clear(struct text *t)
{
    free(t->data);
    *t = (struct text){0};
}

static void topic_free(struct known_topic *t)
{
    if (!t)
        return;
    text_clear(&t->now);
    text_clear(&t->before);
    free(t->readers);
    free(t->name);
    free(t);
}

/* A copy that is never NULL for lack of content. */
static uint8_t *copy_bytes(const void *p, size_t n)
{
    uint8_t *copy = malloc(n + 1);

    if (copy && n)
        memcpy(copy, p, n);
    return copy;
}

static int check_topic(const struct ledger *l, const struct eval_topic *in)
{
    size_t n = strlen(in->name);
    const struct known_topic *t = idmap_get(&l->topics, in->id);

    if (!n || n > EVAL_NAME_MAX || in->json.len > EVAL_TOPIC_MAX || in->nreaders > EVAL_READERS_MAX)
        return ERR_RANGE;
    if (!in->id || !utf8_valid(in->name, n))
        return ERR_INVALID;
    if (t)
        return strcmp(t->name, in->name) ? ERR_INVALID : 0;
    return idmap_get(&l->topics_by_name, eval_dep_missing(in->name)) ? ERR_EXISTS : 0;
}

static int add_topic(struct ledger *l, struct known_topic *t)
{
    if (idmap_set(&l->topics, t->id, t))
        return ERR_NOMEM;
    if (idmap_set(&l->topics_by_name, eval_dep_missing(t->name), t)) {
        idmap_del(&l->topics, t->id);
        return ERR_NOMEM;
    }
    return 0;
}

static int create_topic(struct ledger *l, const struct eval_topic *in, struct text now)
{
    struct known_topic *t = calloc(1, sizeof *t);

    if (t) {
        t->id = in->id;
        t->name = strdup(in->name);
        t->readers = copy_bytes(in->readers, 4 * (size_t)in->nreaders);
        t->nreaders = in->nreaders;
    }
    if (!t || !t->name || !t->readers || add_topic(l, t)) {
        topic_free(t);
        return ERR_NOMEM;
    }
    t->now = now;
    note_change(l, t, CHANGE_ALL, false);
    return 0;
}

static bool same_readers(const struct known_topic *t, const struct eval_topic *in)
{
    return t->nreaders == in->nreaders &&
           (!t->nreaders || !memcmp(t->readers, in->readers, 4 * (size_t)t->nreaders));
}

static bool same_text(const struct known_topic *t, struct slice json)
{
    return t->now.data && t->now.len == json.len &&
           (!json.len || !memcmp(t->now.data, json.data, json.len));
}

static int set_readers(struct known_topic *t, const struct eval_topic *in)
{
    uint8_t *readers = copy_bytes(in->readers, 4 * (size_t)in->nreaders);

    if (!readers)
        return ERR_NOMEM;
    free(t->readers);
    t->readers = readers;
    t->nreaders = in->nreaders;
    return 0;
}

/* The same content once more: now the sample before is like it too. */
static void set_same(struct ledger *l, struct known_topic *t, int64_t taken_ms)
{
    bool news = !t->before_same;

    text_clear(&t->before);
    t->before_same = true;
    t->before.taken_ms = t->now.taken_ms;
    t->now.taken_ms = taken_ms;
    note_change(l, t, news ? CHANGE_PREVIOUS : 0, false);
}

static int change_topic(struct ledger *l, struct known_topic *t, const struct eval_topic *in,
                        struct text now)
{
    unsigned what = CHANGE_CONTENT;

    if (!same_readers(t, in)) {
        mark_readers(l, t, CHANGE_ALL, false); /* those who may not read it any more */
        if (set_readers(t, in))
            return ERR_NOMEM;
        what |= CHANGE_NAMES;
    }
    if (!t->now.data)
        what |= CHANGE_NAMES;
    text_clear(&t->before);
    t->before = t->now;
    t->before_same = false;
    t->now = now;
    note_change(l, t, what, false);
    return 0;
}

int ledger_topic_set(struct ledger *l, struct eval_topic *in, bool *ret_same)
{
    int err = check_topic(l, in);

    if (err)
        return err;
    in->version = l->change + 1;
    struct known_topic *t = idmap_get(&l->topics, in->id);
    *ret_same = t && same_readers(t, in) && same_text(t, in->json);
    if (*ret_same) {
        set_same(l, t, in->taken_ms);
        return 0;
    }
    struct text now = {copy_bytes(in->json.data, in->json.len), in->json.len, in->version,
                       in->taken_ms};
    if (!now.data)
        return ERR_NOMEM;
    err = t ? change_topic(l, t, in, now) : create_topic(l, in, now);
    if (err)
        free(now.data);
    return err;
}

int ledger_topic_del(struct ledger *l, uint32_t id)
{
    struct known_topic *t = idmap_del(&l->topics, id);

    if (!t)
        return ERR_NOTFOUND;
    idmap_del(&l->topics_by_name, eval_dep_missing(t->name));
    note_change(l, t, CHANGE_ALL, false);
    topic_free(t);
    return 0;
}

void ledger_topic_refused(struct ledger *l, uint32_t id, uint64_t version)
{
    struct known_topic *t = idmap_get(&l->topics, id);

    if (!t)
        return;
    if (t->now.version == version && t->now.data) {
        text_clear(&t->now);
        t->now = t->before;
        t->before = (struct text){0};
    } else if (t->before.version == version) {
        text_clear(&t->before);
    }
    note_change(l, t, CHANGE_ALL, true);
}

/* ---- conditions ---- */

static void condition_free(struct condition *c)
{
    free((void *)c->text.data);
    free((void *)c->event.data);
    free(c);
}

void ledger_release(struct ledger *l)
{
    struct known_topic *t;
    struct condition *c;

    for (size_t i = 0; (c = idmap_next(&l->conditions, &i));) {
        deps_clear(&l->deps, &c->deps);
        condition_free(c);
    }
    for (size_t i = 0; (t = idmap_next(&l->topics, &i));)
        topic_free(t);
    idmap_release(&l->conditions);
    idmap_release(&l->topics);
    idmap_release(&l->topics_by_name);
    deps_release(&l->deps);
    *l = (struct ledger){0};
}

struct condition *ledger_condition(const struct ledger *l, uint32_t id)
{
    return idmap_get(&l->conditions, id);
}

static bool same_condition(const struct condition *c, uint32_t owner, struct slice text)
{
    return c->owner == owner && c->text.len == text.len &&
           (!text.len || !memcmp(c->text.data, text.data, text.len));
}

static struct condition *create_condition(struct ledger *l, uint32_t id)
{
    struct condition *c = calloc(1, sizeof *c);

    if (!c || idmap_set(&l->conditions, id, c)) {
        free(c);
        return NULL;
    }
    c->id = id;
    return c;
}

int ledger_condition_set(struct ledger *l, uint32_t id, uint32_t owner, struct slice text,
                         bool *ret_same)
{
    struct slice parts[VERDICT_PARTS];
    int err = eval_check_texts(text.data, text.len, parts);
    struct condition *c = ledger_condition(l, id);

    if (err || !id)
        return err == ERR_WRONG_LENGTH ? ERR_RANGE : ERR_INVALID;
    *ret_same = c && same_condition(c, owner, text);
    if (*ret_same)
        return 0;
    uint8_t *copy = copy_bytes(text.data, text.len);
    if (!c && copy)
        c = create_condition(l, id);
    if (!copy || !c) {
        free(copy);
        return ERR_NOMEM;
    }
    free((void *)c->text.data);
    c->text = (struct slice){copy, text.len};
    c->owner = owner;
    c->generation = ++l->generation;
    c->in_flight = c->again = false; /* that was another text */
    deps_clear(&l->deps, &c->deps);
    ledger_mark(l, c);
    return 0;
}

int ledger_condition_event(struct condition *c, struct slice json)
{
    uint8_t *copy;

    if (json.len > EVAL_EVENT_MAX)
        return ERR_RANGE;
    copy = copy_bytes(json.data, json.len);
    if (!copy)
        return ERR_NOMEM;
    free((void *)c->event.data);
    c->event = (struct slice){copy, json.len};
    return 0;
}

int ledger_condition_del(struct ledger *l, uint32_t id)
{
    struct condition *c = idmap_del(&l->conditions, id);

    if (!c)
        return ERR_NOTFOUND;
    unlist(l, c);
    deps_clear(&l->deps, &c->deps);
    condition_free(c);
    return 0;
}

/* ---- answers ---- */

static bool topic_newer(const struct known_topic *t, uint64_t sent)
{
    return t && t->changed > sent;
}

static bool dep_newer(const struct ledger *l, eval_dep dep, uint64_t sent)
{
    const struct known_topic *t;

    switch (eval_dep_kind(dep)) {
    case EVAL_DEP_CONTENT:
        t = idmap_get(&l->topics, eval_dep_topic(dep));
        return topic_newer(t, sent) || (!t && l->names_changed > sent);
    case EVAL_DEP_PREVIOUS:
        t = idmap_get(&l->topics, eval_dep_topic(dep));
        return t ? t->sampled > sent : l->names_changed > sent;
    case EVAL_DEP_MISSING:
        return l->names_changed > sent || topic_newer(idmap_get(&l->topics_by_name, dep), sent);
    case EVAL_DEP_NAMES:
        return l->names_changed > sent;
    default:
        return l->change > sent;
    }
}

bool ledger_learn(struct ledger *l, struct condition *c, const uint8_t *deps, uint32_t n,
                  uint64_t sent)
{
    bool old = false;

    if (deps_set(&l->deps, &c->deps, deps, n))
        return false; /* no memory: its interval will bring it back */
    for (uint32_t i = 0; i < n && !old && l->change > sent; i++)
        old = dep_newer(l, get_u64(deps + 8 * (size_t)i), sent);
    return old;
}
