#include "poll/poll.h"

#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "mibs/schema.h"

/* ---- sources
 * -------------------------------------------------------------------------------------*/

void poll_source_write(const struct poll_source *s, struct buf *b)
{
    buf_u32(b, s->id);
    buf_str(b, s->name);
    buf_str(b, s->kind->name);
    buf_u32(b, s->interval_ms);
    values_write(&s->values, b);
    children_write(s->children, s->nchildren, b);
}

/* Everything in front of the values, which need the kind's properties. */
static int read_head(struct poll_source *s, const struct kinds *kinds, struct rd *r, struct err *e)
{
    char kind[NAME_MAX_LEN + 1];
    s->id = rd_u32(r);
    rd_str(r, s->name, sizeof s->name);
    rd_str(r, kind, sizeof kind);
    s->interval_ms = rd_u32(r);
    if (r->err)
        return err_set(e, ERR_SYNTAX, "source: cut short");
    if (!name_valid(s->name, strlen(s->name)))
        return err_set(e, ERR_SYNTAX, "source: bad name");
    if (s->interval_ms < POLL_INTERVAL_MIN_MS || s->interval_ms > POLL_INTERVAL_MAX_MS)
        return err_set(e, ERR_RANGE, "source: bad interval");
    s->kind = kind_find(kinds, KIND_SOURCE, kind);
    if (!s->kind)
        return err_set(e, ERR_NOTFOUND, "source: there is no kind '%s'", kind);
    return 0;
}

int poll_source_read(struct poll_source *ret, const struct kinds *kinds, struct rd *r,
                     struct err *e)
{
    struct poll_source s = {0};
    int err = read_head(&s, kinds, r, e);
    if (!err)
        err = values_read(&s.values, s.kind->properties, s.kind->nproperties, r, e);
    if (!err)
        err = children_read(&s.children, &s.nchildren, s.kind, r, e);
    if (!err && rd_end(r))
        err = err_set(e, ERR_SYNTAX, "source: octets behind its end");
    if (err)
        poll_source_release(&s);
    else
        *ret = s;
    return err;
}

void poll_source_release(struct poll_source *s)
{
    values_release(&s->values);
    children_release(s->children, s->nchildren);
    *s = (struct poll_source){0};
}

/* ---- samples, topics gone, status
 * --------------------------------------------------------------------*/

static void read_topic(struct rd *r, char topic[POLL_TOPIC_NAME_MAX + 1])
{
    rd_str(r, topic, POLL_TOPIC_NAME_MAX + 1);
    if (!r->err && (!*topic || !utf8_valid(topic, strlen(topic))))
        r->err = ERR_SYNTAX;
}

/* The core stores it: as a time that saSourceTable takes. */
static bool wall_valid(int64_t wall_ms)
{
    const struct sa_column *c = sa_column_by_number(sa_table_by_id(SA_SOURCE), SOURCE_LAST_POLL);
    return wall_ms >= c->min && wall_ms <= c->max;
}

void poll_sample_write(const struct poll_sample *s, struct buf *b)
{
    buf_u32(b, s->source);
    buf_str(b, s->topic);
    buf_u64(b, (uint64_t)s->wall_ms);
    buf_u64(b, (uint64_t)s->mono_ms);
    buf_blob(b, s->json.data, s->json.len);
}

int poll_sample_read(struct poll_sample *ret, struct rd *r)
{
    struct poll_sample s = {.source = rd_u32(r)};
    read_topic(r, s.topic);
    s.wall_ms = (int64_t)rd_u64(r);
    s.mono_ms = (int64_t)rd_u64(r);
    s.json = rd_blob(r);
    if (rd_end(r) || !s.json.len || s.json.len > POLL_JSON_MAX || !wall_valid(s.wall_ms) ||
        s.mono_ms < 0 || !utf8_valid(s.json.data, s.json.len))
        return ERR_SYNTAX;
    *ret = s;
    return 0;
}

void poll_gone_write(const struct poll_gone *g, struct buf *b)
{
    buf_u32(b, g->source);
    buf_str(b, g->topic);
}

int poll_gone_read(struct poll_gone *ret, struct rd *r)
{
    struct poll_gone g = {.source = rd_u32(r)};
    read_topic(r, g.topic);
    if (rd_end(r))
        return ERR_SYNTAX;
    *ret = g;
    return 0;
}

void poll_status_write(const struct poll_status *s, struct buf *b)
{
    buf_u32(b, s->source);
    buf_u8(b, s->status);
    buf_u32(b, s->latency_ms);
    buf_u64(b, (uint64_t)s->wall_ms);
    buf_u32(b, s->topics);
    buf_str(b, s->error);
}

static bool status_known(uint8_t s)
{
    return s == STATUS_UP || s == STATUS_FAILING || s == STATUS_MALFORMED;
}

int poll_status_read(struct poll_status *ret, struct rd *r)
{
    struct poll_status s = {.source = rd_u32(r)};
    s.status = rd_u8(r);
    s.latency_ms = rd_u32(r);
    s.wall_ms = (int64_t)rd_u64(r);
    s.topics = rd_u32(r);
    rd_str(r, s.error, sizeof s.error);
    if (rd_end(r) || !status_known(s.status) || !wall_valid(s.wall_ms) ||
        s.topics > POLL_TOPICS_MAX + 1 || !utf8_valid(s.error, strlen(s.error)))
        return ERR_SYNTAX;
    *ret = s;
    return 0;
}
