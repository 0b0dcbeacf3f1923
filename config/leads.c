/* A walk, depth first. Who was met is not looked at again, so that it ends whatever leads where. */
#include "config/leads.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"

static const char admin[] = "admin";

struct walk {
    const struct leads_from *from;
    struct leads *ret;
    struct err *e;                    /* NULL: nothing is wrong */
    struct leads_end seen[LEADS_MAX]; /* who hands on */
    size_t nseen;
    size_t way[LEADS_DEPTH_MAX]; /* to where the walk is: positions in seen */
    size_t depth;
};

static int refuse(const struct walk *w, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static int refuse(const struct walk *w, const char *fmt, ...)
{
    char words[ERR_TEXT_MAX];
    va_list ap;

    if (!w->e)
        return 0;
    va_start(ap, fmt);
    vsnprintf(words, sizeof words, fmt, ap);
    va_end(ap);
    return err_set(w->e, ERR_INVALID, "%s", words);
}

static bool same(const struct leads_end *a, const struct leads_end *b)
{
    return !strcmp(a->owner, b->owner) && !strcmp(a->name, b->name);
}

bool leads_has(const struct leads *x, const struct leads_end *h)
{
    for (size_t i = 0; i < x->n; i++) {
        if (same(&x->ends[i], h))
            return true;
    }
    return false;
}

/* "leads back to itself: all > most > all" */
static int refuse_cycle(const struct walk *w, size_t at)
{
    char way[ERR_TEXT_MAX];
    size_t i = 0, len = 0;

    while (w->way[i] != at)
        i++;
    for (; i < w->depth && len < sizeof way; i++)
        len += (size_t)snprintf(way + len, sizeof way - len, "%s > ", w->seen[w->way[i]].name);
    return refuse(w, "it leads back to itself: %s%s", way, w->seen[at].name);
}

static int refuse_unknown(const struct walk *w, const struct leads_end *h)
{
    return strcmp(h->owner, admin)
               ? refuse(w, "there is no handler '%s', neither of %s nor of admin", h->name,
                        h->owner)
               : refuse(w, "admin has no handler '%s'", h->name);
}

/* It is there, and delivers. */
static int check_end(const struct walk *w, const struct leads_end *h, const struct kind *kind)
{
    char buf[LEADS_TEXT_MAX + 1];

    if (!w->e || !w->depth)
        return 0;
    if (kind->needs_recipients)
        return refuse(w,
                      "handler '%s' is of kind %s, which needs recipients: a target has to name "
                      "it",
                      h->name, kind->name);
    if (kind->destination &&
        !*w->from->text_of(w->from->arg, h->owner, h->name, kind->destination, buf))
        return refuse(w, "handler '%s' has no %s of its own to send to", h->name,
                      kind->destination);
    return 0;
}

static int add_end(struct walk *w, const struct leads_end *h)
{
    if (leads_has(w->ret, h))
        return 0;
    if (w->ret->n == LEADS_MAX)
        return refuse(w, "it leads to more than %d handlers", LEADS_MAX);
    w->ret->ends[w->ret->n++] = *h;
    return 0;
}

static bool is_on_way(const struct walk *w, size_t at)
{
    for (size_t i = 0; i < w->depth; i++) {
        if (w->way[i] == at)
            return true;
    }
    return false;
}

static int follow_text(struct walk *w, const struct leads_end *h, const struct kind *kind);

/* H hands on. */
static int go_through(struct walk *w, const struct leads_end *h, const struct kind *kind)
{
    size_t at = 0;
    int err;

    while (at < w->nseen && !same(&w->seen[at], h))
        at++;
    if (at < w->nseen)
        return is_on_way(w, at) ? refuse_cycle(w, at) : 0;
    if (kind->gathers && w->depth && w->e)
        return refuse(w,
                      "handler '%s' is of kind %s, which gathers for a target: one has to name "
                      "it",
                      h->name, kind->name);
    if (at == LEADS_MAX || w->depth == LEADS_DEPTH_MAX)
        return refuse(w, "it leads through more than %d handlers%s",
                      at == LEADS_MAX ? LEADS_MAX : LEADS_DEPTH_MAX,
                      at == LEADS_MAX ? "" : " in a row");
    w->seen[w->nseen++] = *h;
    w->way[w->depth++] = at;
    err = follow_text(w, h, kind);
    w->depth--;
    return err;
}

static int follow_one(struct walk *w, const struct leads_end *h, const struct kind *kind)
{
    int err;

    if (kind && kind->leads_to)
        return go_through(w, h, kind);
    err = kind ? check_end(w, h, kind) : refuse_unknown(w, h);
    return err ? err : add_end(w, h);
}

/* NAME, as OWNER means it. */
static int follow_name(struct walk *w, const char *owner, const char *name, size_t len)
{
    struct leads_end h;
    const struct kind *kind;

    snprintf(h.owner, sizeof h.owner, "%s", owner);
    snprintf(h.name, sizeof h.name, "%.*s", (int)len, name);
    kind = w->from->kind_of(w->from->arg, h.owner, h.name);
    if (!kind && strcmp(owner, admin)) {
        kind = w->from->kind_of(w->from->arg, admin, h.name);
        if (kind)
            memcpy(h.owner, admin, sizeof admin);
    }
    return follow_one(w, &h, kind);
}

static int follow_text(struct walk *w, const struct leads_end *h, const struct kind *kind)
{
    char buf[LEADS_TEXT_MAX + 1];
    const char *s = w->from->text_of(w->from->arg, h->owner, h->name, kind->leads_to, buf);
    int err = 0;

    for (s += strspn(s, " "); *s && !err; s += strspn(s, " ")) {
        size_t len = strcspn(s, " ");

        err = follow_name(w, h->owner, s, len);
        s += len;
    }
    return err;
}

int leads_follow(struct leads *ret, const struct leads_from *from, const char *owner,
                 const char *name, struct err *e)
{
    struct walk w = {.from = from, .ret = ret, .e = e};
    struct leads_end h;

    ret->n = 0;
    snprintf(h.owner, sizeof h.owner, "%s", owner);
    snprintf(h.name, sizeof h.name, "%s", name);
    return follow_one(&w, &h, from->kind_of(from->arg, owner, name));
}

int leads_check(const char *text, struct err *e)
{
    static const struct property names = {.name = "", .type = PROPERTY_NAMES};

    if (!text[strspn(text, " ")])
        return err_set(e, ERR_INVALID, "it names no handler");
    return property_check(&names, text, e);
}
