#include "store/scan.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "store/cells.h"
#include "store/impl.h"

enum { DATABASES_MAX = 1024 };

static struct scan_db *find(struct scan *s, struct slice name)
{
    for (size_t i = 0; i < s->n; i++)
        if (strlen(s->dbs[i].name) == name.len && !memcmp(s->dbs[i].name, name.data, name.len))
            return &s->dbs[i];
    return NULL;
}

static struct scan_db *add(struct scan *s, const char *name, const struct sa_table *table)
{
    struct scan_db *room =
        s->n < DATABASES_MAX ? array_room(s->dbs, &s->cap, s->n + 1, sizeof *room) : NULL;
    if (!room)
        return NULL;
    s->dbs = room;
    struct scan_db *d = &s->dbs[s->n++];
    memset(d, 0, sizeof *d);
    snprintf(d->name, sizeof d->name, "%s", name);
    d->table = table;
    d->rows = table || !strncmp(name, "sa", 2);
    d->seed = sum_seed(d->name);
    return d;
}

/* Has the table a database in this environment? */
static bool lives_in(const struct sa_table *t, int env)
{
    bool here = env == (t->keep == SA_VOLATILE ? ENV_SAMPLES : ENV_STATE);
    for (size_t i = 0; !here && i < t->ncolumns; i++)
        here = column_env(t, &t->columns[i]) == env;
    return here;
}

static bool add_known(struct scan *s, const struct store_options *o, int env)
{
    const struct sa_table *const *tables = o->tables ? o->tables : sa_tables;
    size_t n = o->tables ? o->ntables : sa_ntables;
    char name[16];
    bool good = add(s, "meta", NULL);
    for (size_t i = 0; good && i < n; i++)
        if (lives_in(tables[i], env))
            good = add(s, tables[i]->name, tables[i]);
    if (env != ENV_STATE)
        return good;
    good = good && add(s, "changes", NULL) && add(s, "names", NULL);
    for (int i = 0; good && i < KV_MAX; i++) {
        snprintf(name, sizeof name, "kv.%d", i);
        good = add(s, name, NULL);
    }
    return good;
}

static void catalogue(void *arg, const struct page_pair *pair)
{
    struct scan *s = arg;
    char name[SCAN_NAME_MAX + 1] = "";
    struct page_tree tree;
    if (!page_tree_read(pair, &tree) || pair->key.len > SCAN_NAME_MAX ||
        memchr(pair->key.data, 0, pair->key.len)) {
        page_damage(&s->file, pair->page, "an entry that is no database");
        return;
    }
    struct scan_db *d = find(s, pair->key);
    memcpy(name, pair->key.data, pair->key.len);
    if (!d)
        d = add(s, name, NULL);
    if (!d || d->found)
        return;
    d->found = true;
    d->tree = tree;
}

/* ---- the version ------------------------------------------------------------------------------
 */

struct versions {
    const struct scan_db *meta;
    uint64_t plain, summed;
};

static bool key_is(const struct page_pair *pair, const char *name)
{
    return pair->key.len == strlen(name) && !memcmp(pair->key.data, name, pair->key.len);
}

static void take_version(void *arg, const struct page_pair *pair)
{
    struct versions *v = arg;
    struct slice value;
    if (key_is(pair, VERSION_KEY) && pair->value.len == 8)
        v->plain = get_u64(pair->value.data);
    else if (key_is(pair, FORMAT_KEY) && sum_open(v->meta->seed, pair->key, pair->value, &value) &&
             value.len == 8)
        v->summed = get_u64(value.data);
}

/* The one with a sum is believed. False: the other one is not the same. */
static bool read_version(struct scan *s)
{
    struct versions v = {.meta = &s->dbs[0]};
    struct page_walk w = {.db = "meta", .pair = take_version, .arg = &v};
    if (v.meta->found)
        page_walk(&s->file, &v.meta->tree, &w);
    bool new = s->file.meta[s->file.newest].main.root == PAGE_NONE;
    s->version = v.summed ? v.summed : v.plain ? v.plain : FORMAT_VERSION;
    return new || v.plain == s->version;
}

/* What is found out on the first way counts on the second. */
static void learn(struct scan *s)
{
    struct page_file *p = &s->file;
    const struct page_tree *main = &p->meta[p->newest].main;
    struct page_walk w = {.db = "main database", .pair = catalogue, .arg = s};
    char first[sizeof p->first];
    uint64_t bad = p->bad;
    memcpy(first, p->first, sizeof first);
    page_walk(p, main, &w);
    bool same = read_version(s);
    page_forget(p);
    p->looked = 0;
    p->bad = bad;
    memcpy(p->first, first, sizeof first);
    page_walk(p, main, &w);
    if (!same)
        page_damage(p, s->dbs[0].tree.root, "meta: the version is damaged");
}

int scan_open(struct scan *s, const struct store_options *o, int env, const char *file,
              struct err *e)
{
    memset(s, 0, sizeof *s);
    int rc = page_file_open(&s->file, file, e);
    if (rc)
        return rc;
    if (!add_known(s, o, env)) {
        scan_close(s);
        return err_set(e, ERR_NOMEM, "%s: out of memory", file);
    }
    learn(s);
    return 0;
}

void scan_close(struct scan *s)
{
    page_file_close(&s->file);
    free(s->dbs);
    s->dbs = NULL;
    s->n = s->cap = 0;
}

/* ---- pairs ------------------------------------------------------------------------------------
 */

bool scan_sound(const struct scan *s, const struct scan_db *d, const struct page_pair *pair)
{
    struct slice value;
    if (pair->database || (d->table && (pair->key.len > SA_KEY_MAX || pair->key.len % 4)))
        return false;
    if (d == s->dbs && key_is(pair, VERSION_KEY))
        return pair->value.len == 8;
    if (s->version < VERSION_SUMS)
        return !d->rows || (pair->value.len && !cells_check(pair->value));
    return d->rows ? row_sound(d->seed, pair->key, pair->value)
                   : sum_open(d->seed, pair->key, pair->value, &value);
}

struct slice scan_value(const struct scan *s, struct slice stored)
{
    size_t head = s->version < VERSION_SUMS ? 0 : SUM_LEN;
    return (struct slice){stored.data + head, stored.len - head};
}

void scan_damage(struct scan *s, const struct scan_db *d, const struct page_pair *pair)
{
    char words[KEY_WORDS_MAX];
    page_damage(&s->file, pair->page, "%s: %s is not what was written", d->name,
                d->table ? key_words(pair->key, words) : "a value");
}
