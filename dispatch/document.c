#include "dispatch/document.h"

#include <string.h>

#include "base/clock.h"
#include "base/json.h"
#include "dispatch/notice_text.h"

/* An object that is built: the first error stays, and nothing is added after it. */
struct object {
    jv *root;
    int err;
};

static void object_begin(struct object *o)
{
    o->root = jv_new_object();
    o->err = o->root ? 0 : ERR_NOMEM;
}

static void put(struct object *o, const char *key, jv *v)
{
    if (o->err)
        jv_free(v);
    else
        o->err = jv_set(o->root, key, v);
}

static void put_text(struct object *o, const char *key, const char *text)
{
    put(o, key, jv_new_string(text, strlen(text)));
}

/* What has a name, else null. */
static void put_word(struct object *o, const char *key, const char *word)
{
    put(o, key, word && *word ? jv_new_string(word, strlen(word)) : jv_new_null());
}

static void put_number(struct object *o, const char *key, int64_t n)
{
    put(o, key, jv_new_int(n));
}

static void put_time(struct object *o, const char *key, int64_t wall_ms)
{
    char text[CLOCK_ISO_LEN] = "";

    if (wall_ms > 0)
        clock_iso(wall_ms, text);
    put_word(o, key, text);
}

/* ---- notices ---- */

static const char *kind_word(unsigned kind)
{
    const struct sa_name *n = sa_column_by_number(sa_table_by_id(SA_NOTICE), NOTICE_KIND)->names;

    while (n->name && (unsigned)n->value != kind)
        n++;
    return n->name;
}

static const char *notification_word(unsigned number)
{
    const struct sa_notification_type *n = sa_notification_by_number(number);

    return n ? n->name : NULL;
}

static void put_notice(struct object *o, const struct job_event *v)
{
    put_text(o, "uuid", v->uuid);
    put_number(o, "id", v->notice_id);
    put_number(o, "sequence", v->sequence);
    put_word(o, "kind", kind_word(v->kind));
    put_word(o, "notification", notification_word(v->notification));
    put_word(o, "level", notice_level(v->level));
    put_word(o, "previousLevel", notice_level(v->previous_level));
    put_time(o, "at", v->at_ms);
    put_time(o, "activeSince", v->active_since_ms);
    put_text(o, "owner", v->owner);
    put_text(o, "definition", v->definition);
    put_text(o, "service", v->service);
    put_text(o, "instance", v->instance);
    put_text(o, "value", v->value);
    put_text(o, "message", v->message);
    put_text(o, "description", v->description);
    put_text(o, "url", v->url);
}

/* ---- messages ---- */

static jv *notice_new(const struct job_event *v)
{
    struct object o;

    object_begin(&o);
    put_notice(&o, v);
    if (!o.err)
        return o.root;
    jv_free(o.root);
    return NULL;
}

static void put_notices(struct object *o, const struct job *j)
{
    jv *list = jv_new_array();

    for (size_t i = 0; i < j->nevents && !o->err; i++)
        o->err = jv_append(list, notice_new(&j->events[i]));
    put(o, "notices", list);
}

static void put_recipients(struct object *o, const struct job *j)
{
    jv *list = jv_new_array();

    for (size_t i = 0; i < j->nrecipients && !o->err; i++)
        o->err = jv_append(list, jv_new_string(j->recipients[i], strlen(j->recipients[i])));
    put(o, "recipients", list);
}

static void object_end(struct object *o, struct buf *b)
{
    if (!o->err)
        jv_dump(o->root, b);
    else if (!b->err)
        b->err = o->err;
    jv_free(o->root);
}

void document_write(const struct job *j, struct buf *b)
{
    struct object o;

    object_begin(&o);
    put_number(&o, "version", DOCUMENT_VERSION);
    put_text(&o, "uuid", j->uuid);
    put_time(&o, "created", j->created_ms);
    put_text(&o, "owner", j->target_owner);
    put_text(&o, "target", j->target);
    put_recipients(&o, j);
    put_notices(&o, j);
    object_end(&o, b);
}

void document_notice_write(const struct job *j, size_t i, struct buf *b)
{
    struct object o;

    object_begin(&o);
    put_number(&o, "version", DOCUMENT_VERSION);
    put_text(&o, "targetOwner", j->target_owner);
    put_text(&o, "target", j->target);
    put_notice(&o, &j->events[i]);
    object_end(&o, b);
}
