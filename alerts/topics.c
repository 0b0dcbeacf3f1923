#include "alerts/topics.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/json.h"
#include "base/text.h"

/* A topic's rows stand under each of its readers with the same ids. The two maps are open-addressed
 * by hash64 of the name (topics) and of the path (a topic's metrics). */

struct path { /* a metric's id, by its path */
    char *text;
    uint32_t id;
    uint32_t seen; /* flush in which it was last there */
};

struct entry {
    struct topic topic;
    struct entry *next_dirty;
    bool dirty, changed, gone;
    bool rewrite;   /* metrics: what is stored is not known */
    bool row_given; /* in the flush under way */
    uint32_t row;   /* topicId, 0: none yet */
    char source[33];
    char (*readers)[33];
    size_t nreaders;
    char (*former)[33]; /* who may not read it any more, but has rows of it */
    size_t nformer;
    struct path *paths;
    size_t npaths, cap_paths, next_path; /* next_path: where the last one was found, plus one */
    uint32_t next_metric, flushes;
};

struct topics {
    struct entry **slots; /* NULL: free; TOMBSTONE: deleted */
    size_t cap, used, count;
    uint32_t next_id;
    struct entry **by_id; /* by id - 1; NULL: gone */
    size_t cap_ids;
    struct entry *dirty, **dirty_end; /* oldest first: one that is gone before its successor */
    struct known {                    /* rows from before: topicId by name */
        char *name;
        uint32_t row;
    } * known;
    size_t nknown;
};

static struct entry tombstone;

struct topics *topics_new(void)
{
    struct topics *x = calloc(1, sizeof *x);

    if (!x)
        return NULL;
    x->cap = 64;
    x->slots = calloc(x->cap, sizeof *x->slots);
    if (!x->slots) {
        free(x);
        return NULL;
    }
    x->next_id = 1;
    x->dirty_end = &x->dirty;
    return x;
}

static void entry_free(struct entry *e)
{
    for (size_t i = 0; i < e->npaths; i++)
        free(e->paths[i].text);
    free(e->paths);
    free(e->readers);
    free(e->former);
    free(e->topic.name);
    free(e->topic.json);
    free(e);
}

void topics_free(struct topics *x)
{
    struct entry *e, *next;

    if (!x)
        return;
    for (e = x->dirty; e; e = next) {
        next = e->next_dirty;
        if (e->gone)
            entry_free(e);
    }
    for (size_t i = 0; i < x->cap; i++) {
        if (x->slots[i] && x->slots[i] != &tombstone)
            entry_free(x->slots[i]);
    }
    for (size_t i = 0; i < x->nknown; i++)
        free(x->known[i].name);
    free(x->known);
    free(x->by_id);
    free(x->slots);
    free(x);
}

/* ---- the map ---- */

static struct entry **slot_of(struct entry **slots, size_t cap, const char *name)
{
    size_t i = hash64(name, strlen(name), 0) & (cap - 1);
    struct entry **free_slot = NULL;

    for (;; i = (i + 1) & (cap - 1)) {
        struct entry *e = slots[i];

        if (!e)
            return free_slot ? free_slot : &slots[i];
        if (e == &tombstone)
            free_slot = free_slot ? free_slot : &slots[i];
        else if (!strcmp(e->topic.name, name))
            return &slots[i];
    }
}

static bool grow(struct topics *x)
{
    size_t cap = x->count * 4 > x->cap ? x->cap * 2 : x->cap;
    struct entry **slots;

    if ((x->used + 1) * 4 <= x->cap * 3)
        return true;
    slots = calloc(cap, sizeof *slots);
    if (!slots)
        return false;
    for (size_t i = 0; i < x->cap; i++) {
        struct entry *e = x->slots[i];

        if (e && e != &tombstone)
            *slot_of(slots, cap, e->topic.name) = e;
    }
    free(x->slots);
    x->slots = slots;
    x->cap = cap;
    x->used = x->count;
    return true;
}

static struct entry *lookup(const struct topics *x, const char *name)
{
    struct entry *e = *slot_of(x->slots, x->cap, name);

    return e == &tombstone ? NULL : e;
}

const struct topic *topics_find(const struct topics *x, const char *name)
{
    struct entry *e = lookup(x, name);

    return e ? &e->topic : NULL;
}

size_t topics_count(const struct topics *x)
{
    return x->count;
}

void topics_each(struct topics *x, void (*cb)(void *arg, struct topic *topic), void *arg)
{
    for (size_t i = 0; i < x->cap; i++) {
        if (x->slots[i] && x->slots[i] != &tombstone)
            cb(arg, &x->slots[i]->topic);
    }
}

/* ---- samples ---- */

static void make_dirty(struct topics *x, struct entry *e)
{
    if (e->dirty)
        return;
    e->dirty = true;
    e->next_dirty = NULL;
    *x->dirty_end = e;
    x->dirty_end = &e->next_dirty;
}

static uint32_t known_row(const struct topics *x, const char *name)
{
    size_t lo = 0, hi = x->nknown;

    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        int cmp = strcmp(x->known[mid].name, name);

        if (!cmp)
            return x->known[mid].row;
        if (cmp < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    return 0;
}

static bool room_for_id(struct topics *x)
{
    size_t cap = x->cap_ids ? x->cap_ids * 2 : 64;
    struct entry **p;

    if (x->next_id <= x->cap_ids)
        return true;
    p = realloc(x->by_id, cap * sizeof *p);
    if (!p)
        return false;
    memset(p + x->cap_ids, 0, (cap - x->cap_ids) * sizeof *p);
    x->by_id = p;
    x->cap_ids = cap;
    return true;
}

const struct topic *topics_by_id(const struct topics *x, uint32_t id)
{
    return id && id < x->next_id && x->by_id[id - 1] ? &x->by_id[id - 1]->topic : NULL;
}

static struct entry *entry_new(struct topics *x, const struct topic_source *s, const char *name)
{
    struct entry *e = calloc(1, sizeof *e), **slot;

    if (!e)
        return NULL;
    e->topic.name = strdup(name);
    e->readers = calloc(s->nreaders ? s->nreaders : 1, sizeof *e->readers);
    if (!e->topic.name || !e->readers || !grow(x) || !room_for_id(x)) {
        entry_free(e);
        return NULL;
    }
    memcpy(e->readers, s->readers, s->nreaders * sizeof *e->readers);
    e->nreaders = s->nreaders;
    e->topic.id = x->next_id++;
    x->by_id[e->topic.id - 1] = e;
    e->topic.source = s->id;
    e->row = known_row(x, name);
    e->next_metric = 1;
    snprintf(e->source, sizeof e->source, "%s", s->name);
    slot = slot_of(x->slots, x->cap, name);
    if (!*slot)
        x->used++;
    *slot = e;
    x->count++;
    return e;
}

struct topic *topics_sample(struct topics *x, const struct topic_source *s, const char *name,
                            int64_t wall_ms, int64_t mono_ms, const void *json, size_t len)
{
    struct entry *e = lookup(x, name);
    void *copy;

    if (!e && x->count >= TOPICS_MAX)
        return NULL;
    if (e && e->topic.source != s->id)
        return &e->topic;
    if (!e)
        e = entry_new(x, s, name);
    if (!e)
        return NULL;
    if (e->topic.len != len || !e->topic.json || memcmp(e->topic.json, json, len)) {
        copy = malloc(len + 1);
        if (!copy)
            return NULL;
        memcpy(copy, json, len);
        ((char *)copy)[len] = 0;
        free(e->topic.json);
        e->topic.json = copy;
        e->topic.len = len;
        e->changed = true;
    }
    e->topic.updated_ms = wall_ms > 0 ? wall_ms : 0; /* foreign, and no row takes another one */
    e->topic.updated_mono_ms = mono_ms;
    make_dirty(x, e);
    return &e->topic;
}

/* Rows under all who had them are dropped, and written for those who have them now. */
int topics_set_readers(struct topics *x, uint32_t id, const struct topic_source *s)
{
    struct entry *e = id && id < x->next_id ? x->by_id[id - 1] : NULL;
    size_t n = e ? e->nformer + e->nreaders : 0;
    char(*former)[33], (*readers)[33];

    if (!e)
        return ERR_NOTFOUND;
    former = calloc(n + 1, sizeof *former);
    readers = calloc(s->nreaders + 1, sizeof *readers);
    if (!former || !readers) {
        free(former);
        free(readers);
        return ERR_NOMEM;
    }
    if (e->nformer)
        memcpy(former, e->former, e->nformer * sizeof *former);
    memcpy(former + e->nformer, e->readers, e->nreaders * sizeof *former);
    memcpy(readers, s->readers, s->nreaders * sizeof *readers);
    free(e->former);
    free(e->readers);
    e->former = former;
    e->nformer = n;
    e->readers = readers;
    e->nreaders = s->nreaders;
    e->changed = true;
    make_dirty(x, e);
    return 0;
}

uint32_t topics_gone(struct topics *x, uint32_t source, const char *name)
{
    struct entry **slot = slot_of(x->slots, x->cap, name), *e = *slot;

    if (!e || e == &tombstone || e->topic.source != source)
        return 0;
    *slot = &tombstone;
    x->count--;
    e->gone = true;
    x->by_id[e->topic.id - 1] = NULL;
    make_dirty(x, e);
    return e->topic.id;
}

bool topics_dirty(const struct topics *x)
{
    return x->dirty != NULL;
}

/* ---- leaves ---- */

struct flattener {
    int (*cb)(void *arg, const struct metric *m);
    void *arg;
    unsigned n;
    struct metric m;
};

static int64_t round_clamped(double d, int64_t lo, int64_t hi)
{
    if (!(d > (double)lo))
        return lo;
    if (d >= (double)hi)
        return hi;
    return llround(d);
}

/* The fewest digits that are this number again. */
static void shortest(char *dst, size_t cap, double d)
{
    for (int digits = 15; digits <= 17; digits++) {
        snprintf(dst, cap, "%.*g", digits, d);
        if (strtod(dst, NULL) == d)
            return;
    }
}

static void leaf_number(struct metric *m, const jv *v)
{
    m->type = 3;
    if (jv_kind(v) == JV_INT) {
        int64_t i = jv_int(v);

        snprintf(m->text, sizeof m->text, "%lld", (long long)i);
        m->integer = i > INT32_MAX ? INT32_MAX : i < INT32_MIN ? INT32_MIN : i;
        m->gauge = i > 0 ? i : 0;
        return;
    }
    shortest(m->text, sizeof m->text, jv_number(v));
    m->integer = round_clamped(jv_number(v), INT32_MIN, INT32_MAX);
    m->gauge = round_clamped(jv_number(v), 0, INT64_MAX);
}

static int leaf(struct flattener *f, const jv *v)
{
    struct metric *m = &f->m;
    struct slice s;

    m->integer = m->gauge = 0;
    m->text[0] = 0;
    switch (jv_kind(v)) {
    case JV_NULL:
        m->type = 1;
        break;
    case JV_BOOL:
        m->type = 2;
        snprintf(m->text, sizeof m->text, "%s", jv_bool(v) ? "true" : "false");
        m->integer = m->gauge = jv_bool(v);
        break;
    case JV_STRING:
        m->type = 4;
        s = jv_string(v);
        utf8_clean(m->text, sizeof m->text, s.data, s.len, false);
        break;
    default:
        leaf_number(m, v);
    }
    return f->cb(f->arg, m);
}

static int flatten(struct flattener *f, const jv *v, size_t at);

/* Go on below one member, its path's piece appended at AT. */
static int descend(struct flattener *f, const jv *v, size_t at, int written)
{
    int err = 0;

    if (written >= 0 && at + (size_t)written < sizeof f->m.path)
        err = flatten(f, v, at + (size_t)written);
    f->m.path[at] = 0;
    return err;
}

static int flatten(struct flattener *f, const jv *v, size_t at)
{
    size_t room = sizeof f->m.path - at;
    int err = 0;

    if (jv_kind(v) == JV_ARRAY) {
        for (size_t i = 0; i < jv_len(v) && !err && f->n < TOPIC_METRICS_MAX; i++)
            err = descend(f, jv_at(v, i), at, snprintf(f->m.path + at, room, "[%zu]", i));
        return err;
    }
    if (jv_kind(v) == JV_OBJECT) {
        for (void *it = jv_iter(v); it && !err && f->n < TOPIC_METRICS_MAX;
             it = jv_iter_next(v, it))
            err = descend(f, jv_iter_value(it), at,
                          snprintf(f->m.path + at, room, "%s%s", at ? "." : "", jv_iter_key(it)));
        return err;
    }
    if (f->n++ >= TOPIC_METRICS_MAX)
        return 0;
    return leaf(f, v);
}

int metrics_each(const void *json, size_t len, int (*cb)(void *arg, const struct metric *m),
                 void *arg)
{
    struct flattener f = {.cb = cb, .arg = arg};
    jv *root = jv_parse(json, len, NULL);
    int err;

    if (!root)
        return ERR_SYNTAX;
    err = flatten(&f, root, 0);
    jv_free(root);
    return err;
}

/* ---- rows ---- */

static struct key topic_key(const char *reader, uint32_t row)
{
    return key_of_id(reader, row);
}

static int delete_below(struct txn *t, unsigned table, const struct key *prefix)
{
    struct cursor c;
    struct row r;

    for (cursor_first(&c, t, sa_table_by_id(table), prefix); cursor_row(&c, &r); cursor_next(&c)) {
        struct key k = key_copy(r.key);

        if (row_delete(t, sa_table_by_id(table), &k))
            break;
    }
    cursor_close(&c);
    return txn_error(t);
}

static int delete_rows(struct txn *t, const struct entry *e, char (*readers)[33], size_t n)
{
    int err = 0;

    for (size_t i = 0; i < n && e->row && !err; i++) {
        struct key k = topic_key(readers[i], e->row);

        err = delete_below(t, SA_METRIC, &k);
        if (!err)
            err = row_delete(t, sa_table_by_id(SA_TOPIC), &k);
        if (err == ERR_NOTFOUND)
            err = 0;
    }
    return err;
}

struct metric_writer {
    struct txn *t;
    struct entry *e;
};

static struct path *path_find(struct entry *e, const char *text)
{
    /* Documents keep their order, so the next one is nearly always the right one. */
    for (size_t n = 0; n < e->npaths; n++) {
        size_t i = (e->next_path + n) % e->npaths;

        if (!strcmp(e->paths[i].text, text)) {
            e->next_path = i + 1;
            return &e->paths[i];
        }
    }
    return NULL;
}

static struct path *path_add(struct entry *e, const char *text)
{
    struct path *p = array_room(e->paths, &e->cap_paths, e->npaths + 1, sizeof *p);

    if (!p)
        return NULL;
    e->paths = p;
    e->paths[e->npaths] = (struct path){.text = strdup(text), .id = e->next_metric};
    if (!e->paths[e->npaths].text)
        return NULL;
    e->next_metric++;
    return &e->paths[e->npaths++];
}

static int write_metric(void *arg, const struct metric *m)
{
    struct metric_writer *w = arg;
    struct path *p = path_find(w->e, m->path);
    int err = 0;

    if (!p)
        p = path_add(w->e, m->path);
    if (!p)
        return ERR_NOMEM;
    p->seen = w->e->flushes;
    for (size_t i = 0; i < w->e->nreaders && !err; i++) {
        struct key k = topic_key(w->e->readers[i], w->e->row);
        struct edit d;

        key_u32(&k, p->id);
        edit_begin(&d, w->t, sa_table_by_id(SA_METRIC), &k);
        edit_str(&d, METRIC_PATH, m->path);
        edit_int(&d, METRIC_TYPE, m->type);
        edit_str(&d, METRIC_TEXT, m->text);
        edit_int(&d, METRIC_INTEGER, m->integer);
        edit_int(&d, METRIC_GAUGE, m->gauge);
        err = row_put(&d, NULL);
    }
    return err;
}

/* Metrics that this document no longer has. */
static int drop_unseen(struct txn *t, struct entry *e)
{
    size_t kept = 0;

    for (size_t i = 0; i < e->npaths; i++) {
        struct path *p = &e->paths[i];

        if (p->seen == e->flushes) {
            e->paths[kept++] = *p;
            continue;
        }
        for (size_t r = 0; r < e->nreaders; r++) {
            struct key k = topic_key(e->readers[r], e->row);

            key_u32(&k, p->id);
            row_delete(t, sa_table_by_id(SA_METRIC), &k);
        }
        free(p->text);
    }
    e->npaths = kept;
    return txn_error(t);
}

static int write_metrics(struct txn *t, struct entry *e)
{
    struct metric_writer w = {t, e};
    int err = 0;

    for (size_t i = 0; i < e->nreaders && e->rewrite && !err; i++) {
        struct key k = topic_key(e->readers[i], e->row);

        err = delete_below(t, SA_METRIC, &k);
    }
    if (err)
        return err;
    e->flushes++;
    err = metrics_each(e->topic.json, e->topic.len, write_metric, &w);
    if (err == ERR_SYNTAX) /* no document: it has no metrics */
        err = 0;
    return err ? err : drop_unseen(t, e);
}

static int write_topic(struct txn *t, struct entry *e)
{
    size_t head = utf8_cut(e->topic.json, e->topic.len, SA_CELL_MAX);
    int err = 0;

    if (!e->row) {
        err = id_next(t, sa_table_by_id(SA_TOPIC), &e->row);
        e->row_given = !err;
    }
    for (size_t i = 0; i < e->nreaders && !err; i++) {
        struct key k = topic_key(e->readers[i], e->row);
        struct edit d;

        edit_begin(&d, t, sa_table_by_id(SA_TOPIC), &k);
        edit_str(&d, TOPIC_NAME, e->topic.name);
        edit_str(&d, TOPIC_SOURCE, e->source);
        edit_int(&d, TOPIC_UPDATED, e->topic.updated_ms);
        edit_int(&d, TOPIC_SIZE, (int64_t)e->topic.len);
        edit_text(&d, TOPIC_HEAD, e->topic.json, head);
        err = row_put(&d, NULL);
    }
    if (!err && e->changed)
        err = write_metrics(t, e);
    return err;
}

static int flush_entry(struct txn *t, struct entry *e)
{
    int err = delete_rows(t, e, e->former, e->nformer);

    if (err)
        return err;
    return e->gone ? delete_rows(t, e, e->readers, e->nreaders) : write_topic(t, e);
}

int topics_flush(struct topics *x, struct txn *t)
{
    int err = 0;

    for (struct entry *e = x->dirty; e && !err; e = e->next_dirty)
        err = flush_entry(t, e);
    return err;
}

/* It is in the store. */
static void written(struct entry *e)
{
    e->dirty = e->changed = e->rewrite = e->row_given = false;
    free(e->former);
    e->former = NULL;
    e->nformer = 0;
    if (e->gone)
        entry_free(e);
}

/* It is not, and an id that it was given there may be given to another one. */
static void unwritten(struct entry *e)
{
    if (e->row_given)
        e->row = 0;
    e->row_given = false;
    e->rewrite = e->changed;
}

void topics_flushed(struct topics *x, bool committed)
{
    struct entry *next;

    for (struct entry *e = x->dirty; e; e = next) {
        next = e->next_dirty;
        if (committed)
            written(e);
        else
            unwritten(e);
    }
    if (committed) {
        x->dirty = NULL;
        x->dirty_end = &x->dirty;
    }
}

/* ---- start ---- */

static int by_name(const void *a, const void *b)
{
    const struct known *x = a, *y = b;

    return strcmp(x->name, y->name);
}

static int remember(struct topics *x, const char *name, uint32_t row)
{
    struct known *k;

    if (x->nknown && !(x->nknown & (x->nknown - 1))) {
        k = realloc(x->known, 2 * x->nknown * sizeof *k);
        if (!k)
            return ERR_NOMEM;
        x->known = k;
    } else if (!x->nknown && !(x->known = malloc(sizeof *x->known))) {
        return ERR_NOMEM;
    }
    x->known[x->nknown] = (struct known){strdup(name), row};
    return x->known[x->nknown].name ? (x->nknown++, 0) : ERR_NOMEM;
}

int topics_load(struct topics *x, struct txn *t)
{
    struct cursor c;
    struct row r;
    int err = 0;

    for (cursor_first(&c, t, sa_table_by_id(SA_TOPIC), NULL); cursor_row(&c, &r) && !err;
         cursor_next(&c)) {
        char owner[33], name[256];
        struct key k = key_copy(r.key);
        uint32_t row;

        if (!key_read_id(&r.key, owner, &row))
            continue;
        row_str(&r, TOPIC_NAME, name, sizeof name);
        err = remember(x, name, row);
        if (!err)
            err = delete_below(t, SA_METRIC, &k);
        if (!err)
            err = row_delete(t, sa_table_by_id(SA_TOPIC), &k);
    }
    cursor_close(&c);
    if (!err && x->nknown)
        qsort(x->known, x->nknown, sizeof *x->known, by_name);
    return err ? err : txn_error(t);
}
