#include "dispatch/notice_text.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"

/* Rank: what "highest" means. */
static const struct {
    const char *name;
    unsigned rank;
} levels[] = {
    [0] = {"", 0},
    [LEVEL_OK] = {"OK", 1},
    [LEVEL_INFO] = {"INFO", 2},
    [LEVEL_WARNING] = {"WARNING", 4},
    [LEVEL_CRITICAL] = {"CRITICAL", 5},
    [LEVEL_UNKNOWN] = {"UNKNOWN", 3},
};

/* Kinds that say something else than a level. */
static const char *const tags[KIND_SELF + 1] = {
    [KIND_ACKNOWLEDGE] = "ACKNOWLEDGED", [KIND_FLAPPING] = "FLAPPING", [KIND_DISABLE] = "DISABLED",
    [KIND_ENABLE] = "ENABLED",           [KIND_TEST] = "TEST",
};

const char *notice_level(unsigned level)
{
    return level <= LEVEL_UNKNOWN ? levels[level].name : "";
}

static const char *tag_of(const struct job_event *v)
{
    const char *tag = v->kind <= KIND_SELF ? tags[v->kind] : NULL;

    return tag ? tag : notice_level(v->level);
}

static int64_t duration_ms(const struct job_event *v)
{
    bool known = v->active_since_ms > 0 && v->at_ms >= v->active_since_ms;

    return known ? v->at_ms - v->active_since_ms : -1;
}

/* "3d 4h 0m 12s", beginning with the first unit that is not 0; "" when it is not known. */
static void duration_words(char ret[TEMPLATE_VALUE_MAX + 1], const struct job_event *v)
{
    static const struct {
        int64_t seconds;
        char unit;
    } units[] = {{86400, 'd'}, {3600, 'h'}, {60, 'm'}, {1, 's'}};
    int64_t left = duration_ms(v) / 1000;
    size_t n = 0;

    ret[0] = '\0';
    if (duration_ms(v) < 0)
        return;
    for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
        int64_t count = left / units[i].seconds;

        left %= units[i].seconds;
        if (count > 0 || n > 0 || units[i].seconds == 1)
            n += (size_t)snprintf(ret + n, TEMPLATE_VALUE_MAX + 1 - n, "%s%" PRId64 "%c",
                                  n ? " " : "", count, units[i].unit);
    }
}

/* One line whatever the text holds. */
static void put_line(struct buf *b, const char *s)
{
    char line[256];

    utf8_clean(line, sizeof line, s, strlen(s), false);
    buf_printf(b, "%s", line);
}

/* "alice/hot cpu0" */
static void put_what(struct buf *b, const struct job_event *v)
{
    put_line(b, v->owner);
    if (*v->definition) {
        buf_printf(b, "/");
        put_line(b, v->definition);
    }
    if (*v->instance) {
        buf_printf(b, " ");
        put_line(b, v->instance);
    }
}

static void put_headline(struct buf *b, const struct job_event *v)
{
    buf_printf(b, "[%s] ", tag_of(v));
    put_what(b, v);
    if (*v->message) {
        buf_printf(b, ": ");
        put_line(b, v->message);
    }
}

static const struct job_event *highest(const struct job *j)
{
    const struct job_event *top = &j->events[0];

    for (size_t i = 1; i < j->nevents; i++)
        if (levels[j->events[i].level].rank > levels[top->level].rank)
            top = &j->events[i];
    return top;
}

void notice_subject(const struct job *j, struct buf *b)
{
    const struct job_event *top;

    if (j->nevents == 1) {
        put_headline(b, &j->events[0]);
        return;
    }
    top = highest(j);
    buf_printf(b, "[%s] %zu notices: ", tag_of(top), j->nevents);
    put_what(b, top);
    buf_printf(b, " and %zu more", j->nevents - 1);
}

/* ---- body ---- */

static void put_field(struct buf *b, const char *name, const char *value)
{
    if (!*value)
        return;
    buf_printf(b, "%-13s", name);
    put_line(b, value);
    buf_printf(b, "\n");
}

static void put_time(struct buf *b, const char *name, int64_t ms)
{
    char text[CLOCK_ISO_LEN];

    if (ms <= 0)
        return;
    clock_iso(ms, text);
    put_field(b, name, text);
}

static void put_level(struct buf *b, const struct job_event *v)
{
    if (v->level == 0)
        return;
    buf_printf(b, "%-13s%s", "Level:", notice_level(v->level));
    if (v->previous_level != 0)
        buf_printf(b, " (was %s)", notice_level(v->previous_level));
    buf_printf(b, "\n");
}

static void put_definition(struct buf *b, const struct job_event *v)
{
    if (!*v->definition)
        return;
    buf_printf(b, "%-13s", "Definition:");
    put_line(b, v->owner);
    buf_printf(b, "/");
    put_line(b, v->definition);
    buf_printf(b, "\n");
}

static void put_duration(struct buf *b, const struct job_event *v)
{
    char text[TEMPLATE_VALUE_MAX + 1];

    duration_words(text, v);
    put_field(b, "Duration:", text);
}

static void put_event(struct buf *b, const struct job_event *v)
{
    put_headline(b, v);
    buf_printf(b, "\n\n");
    put_level(b, v);
    put_definition(b, v);
    put_field(b, "Instance:", v->instance);
    put_field(b, "Service:", v->service);
    put_field(b, "Value:", v->value);
    put_field(b, "Message:", v->message);
    put_field(b, "Description:", v->description);
    put_field(b, "URL:", v->url);
    put_time(b, "At:", v->at_ms);
    put_time(b, "Since:", v->active_since_ms);
    put_duration(b, v);
    put_field(b, "Notice:", v->uuid);
    buf_printf(b, "%-13s%" PRIu32 "\n", "Sequence:", v->sequence);
}

static int newer_first(const void *a, const void *b)
{
    const struct job_event *x = *(const struct job_event *const *)a;
    const struct job_event *y = *(const struct job_event *const *)b;

    if (x->at_ms != y->at_ms)
        return x->at_ms < y->at_ms ? 1 : -1;
    return x->notice_id < y->notice_id ? 1 : x->notice_id > y->notice_id ? -1 : 0;
}

/* The newest first. */
static void order_events(const struct job_event *order[JOB_EVENTS_MAX], const struct job *j)
{
    for (size_t i = 0; i < j->nevents; i++)
        order[i] = &j->events[i];
    qsort(order, j->nevents, sizeof order[0], newer_first);
}

void notice_body(const struct job *j, struct buf *b)
{
    const struct job_event *order[JOB_EVENTS_MAX];

    order_events(order, j);
    if (j->nevents > 1)
        buf_printf(b, "%zu notices for %s/%s, the newest first.\n\n", j->nevents, j->target_owner,
                   j->target);
    for (size_t i = 0; i < j->nevents; i++) {
        if (i > 0)
            buf_printf(b, "\n%s\n\n", "----------------------------------------");
        put_event(b, order[i]);
    }
}

/* ---- templates ---- */

struct told { /* what a value may come from */
    const struct job *job;
    const struct job_event *event;
    size_t count;
};

/* The texts of an event that are values as they are. */
static const struct {
    enum template_name name;
    size_t offset;
} texts[] = {
    {TEMPLATE_OWNER, offsetof(struct job_event, owner)},
    {TEMPLATE_DEFINITION, offsetof(struct job_event, definition)},
    {TEMPLATE_INSTANCE, offsetof(struct job_event, instance)},
    {TEMPLATE_SERVICE, offsetof(struct job_event, service)},
    {TEMPLATE_MESSAGE, offsetof(struct job_event, message)},
    {TEMPLATE_VALUE, offsetof(struct job_event, value)},
    {TEMPLATE_DESCRIPTION, offsetof(struct job_event, description)},
    {TEMPLATE_URL, offsetof(struct job_event, url)},
    {TEMPLATE_UUID, offsetof(struct job_event, uuid)},
};

static const char *text_of(const struct told *t, enum template_name name)
{
    const struct job_event *v = t->event;
    const char *kind;

    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        if (texts[i].name == name)
            return (const char *)v + texts[i].offset;
    switch (name) {
    case TEMPLATE_LEVEL:
        return notice_level(v->level);
    case TEMPLATE_PREVIOUS_LEVEL:
        return notice_level(v->previous_level);
    case TEMPLATE_STATE:
        return tag_of(v);
    case TEMPLATE_KIND:
        kind =
            sa_name_of(sa_column_by_number(sa_table_by_id(SA_NOTICE), NOTICE_KIND)->names, v->kind);
        return kind ? kind : "";
    case TEMPLATE_TARGET:
        return t->job->target;
    case TEMPLATE_DIGEST:
        return t->job->uuid;
    default:
        return NULL;
    }
}

/* -1: it has none. */
static int64_t number_of(const struct told *t, enum template_name name)
{
    switch (name) {
    case TEMPLATE_AT:
    case TEMPLATE_AT_MILLIS:
        return t->event->at_ms > 0 ? t->event->at_ms : -1;
    case TEMPLATE_SINCE:
    case TEMPLATE_SINCE_MILLIS:
        return t->event->active_since_ms > 0 ? t->event->active_since_ms : -1;
    case TEMPLATE_DURATION_MILLIS:
        return duration_ms(t->event);
    case TEMPLATE_SEQUENCE:
        return t->event->sequence;
    case TEMPLATE_COUNT:
        return (int64_t)t->count;
    default:
        return -1;
    }
}

static void write_value(char ret[TEMPLATE_VALUE_MAX + 1], const struct told *t,
                        enum template_name name)
{
    const char *text = text_of(t, name);
    int64_t number = number_of(t, name);

    ret[0] = '\0';
    if (text)
        snprintf(ret, TEMPLATE_VALUE_MAX + 1, "%s", text);
    else if (name == TEMPLATE_HOST && gethostname(ret, TEMPLATE_VALUE_MAX))
        ret[0] = '\0';
    else if (name == TEMPLATE_DURATION)
        duration_words(ret, t->event);
    else if (number >= 0 && (name == TEMPLATE_AT || name == TEMPLATE_SINCE))
        clock_iso(number, ret);
    else if (number >= 0)
        snprintf(ret, TEMPLATE_VALUE_MAX + 1, "%" PRId64, number);
}

struct filling {
    const struct job *job;
    const struct job_event *top, *order[JOB_EVENTS_MAX];
    size_t count;
};

static void value_of(const void *arg, int event, enum template_name name,
                     char ret[TEMPLATE_VALUE_MAX + 1])
{
    const struct filling *f = arg;

    write_value(ret, &(struct told){f->job, event < 0 ? f->top : f->order[event], f->count}, name);
}

int notice_fill(const struct template *t, const struct job *j, struct buf *b)
{
    return notice_fill_many(t, j, j->nevents, b);
}

int notice_fill_many(const struct template *t, const struct job *j, size_t count, struct buf *b)
{
    struct filling f = {.job = j, .top = highest(j), .count = count};
    const struct template_source s = {value_of, &f, (int)j->nevents};

    order_events(f.order, j);
    return template_write(t, &s, b);
}
