#include "eval/script.h"

#include <stdlib.h>
#include <string.h>

enum word {
    WORD_FOR = 1 << 8,
    WORD_IN = 1 << 9,
    WORD_CODE = 1 << 10, /* can bring in more text than is seen here */
    WORD_THIS = 1 << 11, /* has _topic as a member */
    WORD_SAME = 1 << 12, /* compares */
};

/* The names of the topics count where they are used as a whole. */
static const struct {
    const char *text;
    unsigned word;
} words[] = {
    {"for", WORD_FOR},
    {"in", WORD_IN},
    {"eval", WORD_CODE},
    {"Function", WORD_CODE},
    {"constructor", WORD_CODE},
    {"this", WORD_THIS},
    {"_topic", NEEDS_TOPIC},
    {"_age", NEEDS_AGE},
    {"_previous", NEEDS_PREVIOUS},
    {"switch", WORD_SAME},
    {"indexOf", WORD_SAME},
    {"lastIndexOf", WORD_SAME},
};

static bool is_word_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '$';
}

/* Does `_topic` stand alone here, or is one of its members taken? */
static bool stands_alone(const char *after)
{
    after += strspn(after, " \t\r\n");
    return *after != '[' && *after != '.';
}

static unsigned classify(const char *p, size_t n)
{
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (strlen(words[i].text) == n && !memcmp(words[i].text, p, n))
            return words[i].word & NEEDS_NAMES && !stands_alone(p + n) ? 0 : words[i].word;
    return 0;
}

static unsigned find_words(const char *p)
{
    unsigned found = 0;

    while (*p) {
        size_t n = 0;
        while (is_word_char(p[n]))
            n++;
        if (n)
            found |= classify(p, n);
        else if (p[0] == '\\' && p[1] == 'u') /* any word can be written so */
            found |= WORD_CODE;
        else if ((p[0] == '=' || p[0] == '!') && p[1] == '=')
            found |= WORD_SAME;
        p += n ? n : 1;
    }
    return found;
}

unsigned script_scan(const char *text)
{
    unsigned found = find_words(text);
    unsigned needs = found & WORD_SAME ? NEEDS_IDENTITY : 0;

    if (found & WORD_CODE)
        return NEEDS_ALL;
    if ((found & WORD_FOR) && (found & WORD_IN)) /* its arrays are plain ones, and can be changed */
        needs |=
            NEEDS_KEYS | NEEDS_IDENTITY | (found & WORD_THIS ? NEEDS_NAMES : found & NEEDS_NAMES);
    return needs;
}

static void find_parts(struct script *s, size_t len)
{
    size_t at = 0;

    for (size_t part = 0; part < VERDICT_PARTS && at <= len; part++) {
        size_t n = strlen(s->text + at);

        s->at[part] = (uint16_t)at;
        s->needs |= script_scan(s->text + at);
        if (n)
            s->asked |= 1U << part;
        at += n + 1;
    }
    if (!(s->asked & PARTS_LEVELS))
        s->asked = 0;
}

struct script *script_new(uint32_t id, uint32_t owner, struct slice text)
{
    struct script *s = malloc(sizeof *s + text.len + 1);

    if (!s)
        return NULL;
    *s = (struct script){.id = id, .owner = owner};
    if (text.len)
        memcpy(s->text, text.data, text.len);
    s->text[text.len] = 0;
    find_parts(s, text.len);
    return s;
}

void script_free(struct script *s)
{
    if (s) {
        free(s->far);
        free(s->event);
    }
    free(s);
}

int script_event(struct script *s, struct slice json)
{
    char *copy = malloc(json.len + 1);

    if (!copy)
        return ERR_NOMEM;
    if (json.len)
        memcpy(copy, json.data, json.len);
    copy[json.len] = 0;
    free(s->event);
    s->event = copy;
    return 0;
}

bool script_told(struct script *s, const eval_dep *deps, size_t n)
{
    const eval_dep *told = s->far ? s->far : s->near;

    if (s->has_told && s->told_n == n && !memcmp(told, deps, n * sizeof *deps))
        return true;
    free(s->far);
    s->far = n > SCRIPT_TOLD_NEAR ? malloc(n * sizeof *deps) : NULL;
    s->has_told = n <= SCRIPT_TOLD_NEAR || s->far;
    if (s->has_told)
        memcpy(s->far ? s->far : s->near, deps, n * sizeof *deps);
    s->told_n = n;
    return false;
}
