#include "dispatch/document.h"

#include <string.h>

#include "base/clock.h"
#include "base/json.h"
#include "dispatch/notice_text.h"

/* Written straight on, not built: a storm of alerts is as many documents. */

/* A key and its colon, behind whatever stands before it. */
static void put_key(struct buf *b, const char *key)
{
    if (b->len > 0 && b->data[b->len - 1] != '{')
        buf_u8(b, ',');
    buf_u8(b, '"');
    buf_bytes(b, key, strlen(key));
    buf_bytes(b, "\":", 2);
}

static void put_text(struct buf *b, const char *key, const char *text)
{
    put_key(b, key);
    json_put_text(b, text, strlen(text));
}

/* What has a name, else null. */
static void put_word(struct buf *b, const char *key, const char *word)
{
    if (word && *word) {
        put_text(b, key, word);
        return;
    }
    put_key(b, key);
    buf_bytes(b, "null", 4);
}

static void put_number(struct buf *b, const char *key, uint32_t n)
{
    char digits[10];
    size_t at = sizeof digits;

    do {
        digits[--at] = (char)('0' + n % 10);
        n /= 10;
    } while (n);
    put_key(b, key);
    buf_bytes(b, digits + at, sizeof digits - at);
}

static void put_time(struct buf *b, const char *key, int64_t wall_ms)
{
    char text[CLOCK_ISO_LEN] = "";

    if (wall_ms > 0)
        clock_iso(wall_ms, text);
    put_word(b, key, text);
}

/* ---- notices ---- */

const char *document_kind(unsigned kind)
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

static void put_notice(struct buf *b, const struct job_event *v)
{
    put_text(b, "uuid", v->uuid);
    put_number(b, "id", v->notice_id);
    put_number(b, "sequence", v->sequence);
    put_word(b, "kind", document_kind(v->kind));
    put_word(b, "notification", notification_word(v->notification));
    put_word(b, "level", notice_level(v->level));
    put_word(b, "previousLevel", notice_level(v->previous_level));
    put_time(b, "at", v->at_ms);
    put_time(b, "activeSince", v->active_since_ms);
    put_text(b, "owner", v->owner);
    put_text(b, "definition", v->definition);
    put_text(b, "service", v->service);
    put_text(b, "instance", v->instance);
    put_text(b, "value", v->value);
    put_text(b, "message", v->message);
    put_text(b, "description", v->description);
    put_text(b, "url", v->url);
}

/* ---- messages ---- */

static void put_notices(struct buf *b, const struct job *j)
{
    put_key(b, "notices");
    for (size_t i = 0; i < j->nevents; i++) {
        buf_bytes(b, i ? ",{" : "[{", 2);
        put_notice(b, &j->events[i]);
        buf_u8(b, '}');
    }
    buf_bytes(b, j->nevents ? "]" : "[]", j->nevents ? 1 : 2);
}

static void put_recipients(struct buf *b, const struct job *j)
{
    put_key(b, "recipients");
    buf_u8(b, '[');
    for (size_t i = 0; i < j->nrecipients; i++) {
        if (i)
            buf_u8(b, ',');
        json_put_text(b, j->recipients[i], strlen(j->recipients[i]));
    }
    buf_u8(b, ']');
}

void document_write(const struct job *j, struct buf *b)
{
    buf_u8(b, '{');
    put_number(b, "version", DOCUMENT_VERSION);
    put_text(b, "uuid", j->uuid);
    put_time(b, "created", j->created_ms);
    put_text(b, "owner", j->target_owner);
    put_text(b, "target", j->target);
    put_recipients(b, j);
    put_notices(b, j);
    buf_u8(b, '}');
}

void document_notice_write(const struct job *j, size_t i, struct buf *b)
{
    buf_u8(b, '{');
    put_number(b, "version", DOCUMENT_VERSION);
    put_text(b, "targetOwner", j->target_owner);
    put_text(b, "target", j->target);
    put_notice(b, &j->events[i]);
    buf_u8(b, '}');
}
