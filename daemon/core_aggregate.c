/* One event of many notices: that of the highest level, the newest among equals, with a message
 * that says how many there were and names the worst, or what the handler's template makes of them.
 */
#include "daemon/core.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dispatch/notice_text.h"

enum { NAMED_MAX = 8 };

struct named { /* an alert that the message names */
    uint32_t alert, notice;
    enum sa_level level;
    int64_t at_ms;
    size_t ref;
};

struct sum {
    struct named worst[NAMED_MAX]; /* worst first, each alert once */
    size_t n;
    bool more; /* others, for which there is no room */
    int64_t sequence, created_ms;
};

static bool is_worse(const struct named *a, const struct named *b)
{
    int rank = level_rank(a->level) - level_rank(b->level);

    if (rank)
        return rank > 0;
    return a->at_ms != b->at_ms ? a->at_ms > b->at_ms : a->notice > b->notice;
}

static void drop(struct sum *s, size_t at)
{
    s->n--;
    memmove(&s->worst[at], &s->worst[at + 1], (s->n - at) * sizeof *s->worst);
}

static void add(struct sum *s, const struct named *x)
{
    size_t at = 0;

    for (size_t i = 0; i < s->n && x->alert; i++) {
        if (s->worst[i].alert != x->alert)
            continue;
        if (!is_worse(x, &s->worst[i]))
            return;
        drop(s, i);
        break;
    }
    while (at < s->n && is_worse(&s->worst[at], x))
        at++;
    s->more = s->more || s->n == NAMED_MAX;
    if (at == NAMED_MAX)
        return;
    if (s->n == NAMED_MAX)
        s->n--;
    memmove(&s->worst[at + 1], &s->worst[at], (s->n - at) * sizeof *s->worst);
    s->worst[at] = *x;
    s->n++;
}

static int look(struct txn *t, const struct notice_ref *ref, size_t at, struct sum *s)
{
    struct key k = key_of_id(ref->owner, ref->id);
    struct named x = {.notice = ref->id, .ref = at};
    struct row r;
    int err = row_get(t, sa_table_by_id(SA_NOTICE), &k, &r);

    if (err)
        return err;
    x.alert = (uint32_t)row_int(&r, NOTICE_ALERT);
    x.level = (enum sa_level)row_int(&r, NOTICE_LEVEL);
    x.at_ms = row_int(&r, NOTICE_SINCE);
    if (row_int(&r, NOTICE_TARGET_SEQUENCE) > s->sequence)
        s->sequence = row_int(&r, NOTICE_TARGET_SEQUENCE);
    if (row_int(&r, NOTICE_CREATED) > s->created_ms)
        s->created_ms = row_int(&r, NOTICE_CREATED);
    add(s, &x);
    return 0;
}

/* "alice/hot cpu0 CRITICAL" */
static void put_name(struct txn *t, const struct core_job *cj, const struct named *x, char *dst,
                     size_t cap)
{
    const struct notice_ref *ref = &cj->refs[x->ref];
    struct key k = key_of_id(ref->owner, ref->id);
    char definition[33] = "", instance[256] = "";
    struct row r;

    if (!row_get(t, sa_table_by_id(SA_NOTICE), &k, &r)) {
        row_str(&r, NOTICE_DEFINITION, definition, sizeof definition);
        row_str(&r, NOTICE_INSTANCE, instance, sizeof instance);
    }
    snprintf(dst, cap, "%s%s%s%s%s %s", ref->owner, *definition ? "/" : "", definition,
             *instance ? " " : "", instance, notice_level(x->level));
}

/* "5 notices, worst CRITICAL: alice/hot cpu0 CRITICAL, alice/full WARNING, ...". What has no room
 * is left out as a whole, but for the first. */
static void put_message(struct txn *t, const struct core_job *cj, const struct sum *s,
                        char ret[static 256])
{
    static const char more[] = ", ...";
    char text[1024], name[512];
    size_t len, most = 255 - (sizeof more - 1), shown = 0;

    len = (size_t)snprintf(text, sizeof text, "%zu notice%s, worst %s: ", cj->nrefs,
                           cj->nrefs == 1 ? "" : "s", notice_level(s->worst[0].level));
    for (size_t i = 0; i < s->n; i++) {
        size_t more_len;

        put_name(t, cj, &s->worst[i], name, sizeof name);
        more_len = strlen(name) + (i ? 2 : 0);
        if (i && len + more_len > most)
            break;
        len += (size_t)snprintf(text + len, sizeof text - len, "%s%s", i ? ", " : "", name);
        shown++;
    }
    if (shown < s->n || s->more)
        snprintf(text + len, sizeof text - len, "%s", more);
    utf8_clean(ret, 256, text, strlen(text), false);
}

/* The template that the handler has for it, NULL: none. */
static const struct template *template_of(const struct core *c, const struct core_job *cj)
{
    const struct core_handler *h = core_handler_at(c, cj->round->handler);
    const char *summary = h ? h->config->kind->summary : NULL;

    return summary ? values_template(&h->values, summary) : NULL;
}

/* Those that are named are its events. */
static int fill_message(struct txn *t, const struct template *template, const struct core_job *cj,
                        const struct sum *s, const struct job *j, char ret[static 256])
{
    struct job some = {.nevents = s->n};
    struct buf b;
    int err = 0;

    memcpy(some.target, j->target, sizeof some.target);
    memcpy(some.uuid, cj->uuid, sizeof some.uuid);
    some.events = calloc(s->n, sizeof *some.events);
    if (!some.events)
        return ERR_NOMEM;
    for (size_t i = 0; i < s->n && !err; i++) {
        const struct notice_ref *ref = &cj->refs[s->worst[i].ref];
        struct key k = key_of_id(ref->owner, ref->id);
        struct row r;

        err = row_get(t, sa_table_by_id(SA_NOTICE), &k, &r);
        if (!err)
            err = core_event_fill(t, ref, &r, &some.events[i]);
    }
    buf_init(&b, TEMPLATE_OUTPUT_MAX);
    if (!err)
        err = notice_fill_many(template, &some, cj->nrefs, &b);
    if (!err)
        utf8_clean(ret, 256, (const char *)b.data, b.len, false);
    buf_release(&b);
    free(some.events);
    return err;
}

int core_aggregate(struct core *c, struct txn *t, const struct core_job *cj, struct job *j,
                   struct job_event *ret, struct row *ret_notice, struct key *ret_key)
{
    const struct template *template = template_of(c, cj);
    const struct notice_ref *worst;
    struct sum s = {.n = 0};
    int err = 0;

    for (size_t i = 0; i < cj->nrefs && !err; i++)
        err = look(t, &cj->refs[i], i, &s);
    if (err)
        return err;
    worst = &cj->refs[s.worst[0].ref];
    *ret_key = key_of_id(worst->owner, worst->id);
    err = row_get(t, sa_table_by_id(SA_NOTICE), ret_key, ret_notice);
    if (!err)
        err = core_event_fill(t, worst, ret_notice, ret);
    if (err)
        return err;
    memcpy(ret->uuid, cj->uuid, sizeof ret->uuid);
    ret->sequence = (uint32_t)s.sequence;
    j->created_ms = s.created_ms;
    if (row_int(ret_notice, NOTICE_KIND) == KIND_TEST)
        return 0;
    if (template)
        return fill_message(t, template, cj, &s, j, ret->message);
    put_message(t, cj, &s, ret->message);
    return 0;
}

int64_t core_gathers_ms(struct core *c, struct txn *t, const struct route_target *target)
{
    struct key k = key_of_names(target->owner, target->name);
    char handler[33];
    const struct config_handler *h;
    struct row r;
    uint32_t id;

    if (row_get(t, sa_table_by_id(SA_TARGET), &k, &r))
        return 0;
    h = core_handler_for(c, target->owner, row_str(&r, TARGET_HANDLER, handler, sizeof handler),
                         NULL, &id);
    if (!h || !h->kind->gathers)
        return 0;
    return row_int(&r, TARGET_DIGEST) >= 0 ? row_int(&r, TARGET_DIGEST) : core_digest_ms(c, t, &r);
}
