#include "tests/hostile/corpus.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/json.h"
#include "eval/protocol.h"

static const char over_time[] = "stopped: over 10 ms of CPU time";
static const char over_memory[] = "stopped: over 8 MiB of memory";

static const struct {
    const char *word;
    enum expected expected;
    enum verdict_kind kind;
} words[] = {
    {"time", EXPECT_TIME, VERDICT_ERROR},    {"memory", EXPECT_MEMORY, VERDICT_ERROR},
    {"limit", EXPECT_LIMIT, VERDICT_ERROR},  {"true", EXPECT_VALUE, VERDICT_TRUE},
    {"false", EXPECT_VALUE, VERDICT_FALSE},  {"nodata", EXPECT_VALUE, VERDICT_NODATA},
    {"error ", EXPECT_ERROR, VERDICT_ERROR}, {"level ", EXPECT_VALUE, VERDICT_LEVEL},
};

/* ---- reading ---- */

static bool parse_expected(struct hostile *h, const char *text)
{
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        size_t n = strlen(words[i].word);
        if (strncmp(text, words[i].word, n))
            continue;
        h->expected = words[i].expected;
        h->kind = words[i].kind;
        if (h->expected == EXPECT_ERROR)
            snprintf(h->error, sizeof h->error, "%s", text + n);
        else if (h->kind == VERDICT_LEVEL)
            return sscanf(text + n, "%d %zu %zu", &h->level, &h->value_len, &h->message_len) == 3;
        return h->expected == EXPECT_ERROR || !text[n];
    }
    return false;
}

/* "== GROUP NAME: EXPECTED" */
static bool parse_heading(struct hostile *h, const char *line)
{
    int at = 0;

    *h = (struct hostile){0};
    return sscanf(line, "== %15s %63[^:]: %n", h->group, h->name, &at) == 2 && at &&
           parse_expected(h, line + at);
}

static bool add(struct corpus *c, const char *line)
{
    struct hostile *bigger = realloc(c->scripts, (c->n + 1) * sizeof *bigger);

    if (!bigger)
        return false;
    c->scripts = bigger;
    return parse_heading(&c->scripts[c->n++], line);
}

static void add_line(struct buf *text, const char *line)
{
    int times, at = 0;

    if (sscanf(line, "%%repeat %d%n", &times, &at) != 1 || !at) {
        buf_printf(text, "%s%s", text->len ? "\n" : "", line);
        return;
    }
    while (times-- > 0)
        buf_bytes(text, line + at + 1, strlen(line + at + 1));
}

/* What was gathered is the text of the last script. */
static bool finish(struct corpus *c, struct buf *text)
{
    if (c->n)
        c->scripts[c->n - 1].text = strdup(buf_cstr(text));
    bool good = !c->n || (c->scripts[c->n - 1].text && text->len && !text->err);
    buf_clear(text);
    return good;
}

static bool load_lines(struct corpus *c, FILE *f, const char *path)
{
    char line[4096];
    struct buf text;
    bool good = true;

    buf_init(&text, EVAL_SCRIPT_MAX + 1);
    for (int no = 1; good && fgets(line, sizeof line, f); no++) {
        line[strcspn(line, "\n")] = 0;
        if (!strncmp(line, "== ", 3))
            good = finish(c, &text) && add(c, line);
        else if (line[0] && line[0] != '#')
            add_line(&text, line);
        if (!good)
            fprintf(stderr, "%s:%d: not a heading, or the script before has no text: %s\n", path,
                    no, line);
    }
    good = good && finish(c, &text) && c->n;
    buf_release(&text);
    return good;
}

bool corpus_load(struct corpus *c, const char *path)
{
    const char *dir = getenv("top_srcdir");
    char full[4096];

    *c = (struct corpus){0};
    snprintf(full, sizeof full, "%s/%s", dir ? dir : ".", path);
    FILE *f = fopen(full, "r");
    if (!f) {
        perror(full);
        return false;
    }
    bool good = load_lines(c, f, path);
    fclose(f);
    return good;
}

void corpus_release(struct corpus *c)
{
    for (size_t i = 0; i < c->n; i++)
        free(c->scripts[i].text);
    free(c->scripts);
    *c = (struct corpus){0};
}

/* ---- topics ---- */

enum { DEEP = JV_DEPTH_MAX, WIDE = 20000, LONG = 200000 };

static void deep_json(struct buf *b)
{
    for (int i = 0; i < 2 * DEEP; i++)
        buf_u8(b, i < DEEP ? '[' : ']');
}

static void wide_json(struct buf *b)
{
    for (int i = 0; i < WIDE; i++)
        buf_printf(b, "%c%d", i ? ',' : '[', i);
    buf_u8(b, ']');
}

static void long_json(struct buf *b)
{
    buf_printf(b, "{\"text\":\"%0*d\"}", LONG, 0);
}

static void older_json(struct buf *b)
{
    buf_printf(b, "{\"x\":6}");
}

static void plain_json(struct buf *b)
{
    buf_printf(b, "{\"x\":7,\"s\":\"text\",\"list\":[1,2,3]}");
}

static const struct {
    const char *name;
    uint32_t owner;
    void (*json)(struct buf *b);
} special_topics[] = {
    {"t", 0, older_json},   {"deep", 0, deep_json},     {"wide", 0, wide_json},
    {"long", 0, long_json}, {"secret", 99, plain_json},
};
enum { SPECIAL = sizeof special_topics / sizeof *special_topics };

void corpus_topics(uint32_t first_id, uint32_t many,
                   void (*put)(void *arg, uint32_t id, uint32_t owner, const char *name,
                               const char *json),
                   void *arg)
{
    char name[32];
    struct buf json;

    buf_init(&json, 1 << 20);
    for (uint32_t i = 0; i < SPECIAL; i++) {
        buf_clear(&json);
        special_topics[i].json(&json);
        put(arg, first_id + i, special_topics[i].owner, special_topics[i].name, buf_cstr(&json));
    }
    buf_clear(&json);
    plain_json(&json);
    put(arg, first_id, 0, special_topics[0].name, buf_cstr(&json));
    for (uint32_t i = 0; i < many; i++) {
        buf_clear(&json);
        buf_printf(&json, "{\"n\":%u}", i);
        snprintf(name, sizeof name, "many.%u", i);
        put(arg, first_id + SPECIAL + i, 0, name, buf_cstr(&json));
    }
    buf_release(&json);
}

/* ---- judging ---- */

static const char *check_stopped(const struct hostile *h, const struct verdict *v)
{
    bool timed = !strcmp(v->error, over_time), full = !strcmp(v->error, over_memory);

    if (v->over_budget != timed)
        return "a flag and a text that agree";
    if (h->expected == EXPECT_TIME && !timed)
        return over_time;
    if (h->expected == EXPECT_MEMORY && !full)
        return over_memory;
    return timed || full ? NULL : "an end by the budget of time or of memory";
}

static const char *check_value(const struct hostile *h, const struct verdict *v)
{
    if (v->error[0] || v->over_budget)
        return "no error";
    if (v->level != h->level)
        return "another level";
    if (strlen(v->value) != h->value_len || strlen(v->message) != h->message_len)
        return "a value and a message of another length";
    return NULL;
}

const char *hostile_check(const struct hostile *h, const struct verdict *v)
{
    if (v->kind != h->kind)
        return "another kind of verdict";
    if (h->expected == EXPECT_VALUE)
        return check_value(h, v);
    if (v->level || v->value[0] || v->message[0])
        return "nothing of what it said before it failed";
    if (h->expected == EXPECT_ERROR)
        return v->over_budget || strcmp(v->error, h->error) ? h->error : NULL;
    return check_stopped(h, v);
}
