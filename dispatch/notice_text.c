#include "dispatch/notice_text.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

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

/* "3d 4h 0m 12s", beginning with the first unit that is not 0. */
static void put_duration(struct buf *b, const struct job_event *v)
{
    static const struct {
        int64_t seconds;
        char unit;
    } units[] = {{86400, 'd'}, {3600, 'h'}, {60, 'm'}, {1, 's'}};
    bool begun = false;
    int64_t left;

    if (v->active_since_ms <= 0 || v->at_ms < v->active_since_ms)
        return;
    left = (v->at_ms - v->active_since_ms) / 1000;
    buf_printf(b, "%-13s", "Duration:");
    for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
        int64_t n = left / units[i].seconds;

        left %= units[i].seconds;
        if (n == 0 && !begun && units[i].seconds > 1)
            continue;
        buf_printf(b, "%s%" PRId64 "%c", begun ? " " : "", n, units[i].unit);
        begun = true;
    }
    buf_printf(b, "\n");
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

void notice_body(const struct job *j, struct buf *b)
{
    const struct job_event *order[JOB_EVENTS_MAX];

    for (size_t i = 0; i < j->nevents; i++)
        order[i] = &j->events[i];
    qsort(order, j->nevents, sizeof order[0], newer_first);
    if (j->nevents > 1)
        buf_printf(b, "%zu notices for %s/%s, the newest first.\n\n", j->nevents, j->target_owner,
                   j->target);
    for (size_t i = 0; i < j->nevents; i++) {
        if (i > 0)
            buf_printf(b, "\n%s\n\n", "----------------------------------------");
        put_event(b, order[i]);
    }
}
