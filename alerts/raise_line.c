#include "alerts/raise_line.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "base/text.h"
#include "config/kind.h"

/* Members by the columns of saRaiseTable, which say what is allowed; the owner has none. */
static const struct member {
    const char *name;
    unsigned column; /* 0: a name */
    size_t at;       /* in struct raise */
    bool required;
} members[] = {
    {"owner", 0, offsetof(struct raise, owner), true},
    {"resourceType", RAISE_RESOURCE_TYPE, offsetof(struct raise, resource_type), true},
    {"alertType", RAISE_ALERT_TYPE, offsetof(struct raise, alert_type), true},
    {"resourceId", RAISE_RESOURCE_ID, offsetof(struct raise, resource_id), false},
    {"verb", RAISE_VERB, offsetof(struct raise, verb), false},
    {"severity", RAISE_SEVERITY, offsetof(struct raise, severity), false},
    {"message", RAISE_MESSAGE, offsetof(struct raise, message), false},
    {RAISE_LINE_TTL, RAISE_TTL, offsetof(struct raise, ttl_s), false},
};
enum { MEMBERS = sizeof members / sizeof *members };

static const struct sa_column *column_of(const struct member *m)
{
    return m->column ? sa_column_by_number(sa_table_by_id(SA_RAISE), m->column) : NULL;
}

const char *raise_line_text(size_t n)
{
    return n < MEMBERS - 1 ? members[n].name : NULL;
}

static const struct member *find(const char *name)
{
    for (size_t i = 0; i < MEMBERS; i++)
        if (!strcmp(members[i].name, name))
            return &members[i];
    return NULL;
}

static int unknown(const char *name, struct err *e)
{
    const char *names[MEMBERS], *near;
    char shown[64];

    for (size_t i = 0; i < MEMBERS; i++)
        names[i] = members[i].name;
    near = name_suggest(name, names, MEMBERS);
    utf8_clean(shown, sizeof shown, name, strlen(name), false);
    return err_set(e, ERR_INVALID, "there is no '%s'%s%s%s", shown, near ? "; did you mean '" : "",
                   near ? near : "", near ? "'?" : "");
}

static int read_number(const struct member *m, const struct sa_column *c, const jv *v, int64_t *ret,
                       struct err *e)
{
    int64_t n = jv_int(v);

    if (jv_kind(v) != JV_INT)
        return err_set(e, ERR_INVALID, "'%s' must be a whole number", m->name);
    if (n < c->min || n > c->max)
        return err_set(e, ERR_RANGE, "'%s' must be from %lld to %lld", m->name, (long long)c->min,
                       (long long)c->max);
    *ret = n;
    return 0;
}

static int read_enum(const struct member *m, const struct sa_column *c, const char *text, int *ret,
                     struct err *e)
{
    int64_t n = sa_value_of(c->names, text);

    if (n < 0)
        return err_set(e, ERR_INVALID, "'%s' must be one of %s, %s and %s", m->name,
                       c->names[0].name, c->names[1].name, c->names[2].name);
    *ret = (int)n;
    return 0;
}

static int read_text(const struct member *m, const struct sa_column *c, struct slice s, char *ret,
                     struct err *e)
{
    if (!c || c->syntax == SA_NAME) {
        if (!name_valid(s.data, s.len))
            return err_set(e, ERR_RANGE,
                           "'%s' must be a name: 1 to 32 octets, without control characters",
                           m->name);
    } else if (s.len > (size_t)c->max) {
        return err_set(e, ERR_RANGE, "'%s' has %d octets at most", m->name, (int)c->max);
    }
    memcpy(ret, s.data, s.len);
    ret[s.len] = 0;
    return 0;
}

static int read_member(struct raise *ret, const struct member *m, const jv *v, struct err *e)
{
    const struct sa_column *c = column_of(m);
    char *place = (char *)ret + m->at;
    struct slice s;

    if (c && c->syntax == SA_UNSIGNED)
        return read_number(m, c, v, &ret->ttl_s, e);
    if (jv_kind(v) != JV_STRING)
        return err_set(e, ERR_INVALID, "'%s' must be a text", m->name);
    s = jv_string(v);
    if (memchr(s.data, 0, s.len))
        return err_set(e, ERR_INVALID, "'%s' has a zero octet", m->name);
    if (!c || c->syntax != SA_ENUM)
        return read_text(m, c, s, place, e);
    return read_enum(m, c, (const char *)s.data, (int *)(void *)place, e);
}

static int read_members(struct raise *ret, const jv *o, struct err *e)
{
    unsigned seen = 0;

    for (void *it = jv_iter(o); it; it = jv_iter_next(o, it)) {
        const struct member *m = find(jv_iter_key(it));
        int err = m ? read_member(ret, m, jv_iter_value(it), e) : unknown(jv_iter_key(it), e);

        if (err)
            return err;
        seen |= 1U << (m - members);
    }
    for (size_t i = 0; i < MEMBERS; i++)
        if (members[i].required && !(seen & 1U << i))
            return err_set(e, ERR_INVALID, "'%s' is missing", members[i].name);
    return 0;
}

int raise_line_read(struct raise *ret, const void *text, size_t len, struct err *e)
{
    struct raise c = {.verb = VERB_RAISE, .severity = LEVEL_CRITICAL};
    jv *root;
    int err;

    if (len > RAISE_LINE_MAX)
        return err_set(e, ERR_RANGE, "a line has %d octets at most", RAISE_LINE_MAX);
    root = jv_parse(text, len, e);
    if (!root)
        return ERR_SYNTAX;
    err = jv_kind(root) == JV_OBJECT ? read_members(&c, root, e)
                                     : err_set(e, ERR_SYNTAX, "a line must be a JSON object");
    jv_free(root);
    if (!err)
        *ret = c;
    return err;
}

void raise_line_answer(const struct raise_result *r, struct buf *b)
{
    bool good = r->result == RAISE_DONE;
    char number[32];

    if (good) {
        int n = snprintf(number, sizeof number, "\"alert\": %u}", r->alert);

        buf_bytes(b, "{\"result\": \"done\", ", 19);
        buf_bytes(b, number, (size_t)n);
        return;
    }
    buf_bytes(b, "{\"result\": \"refused\", \"error\": ", 31);
    json_put_text(b, r->error, strlen(r->error));
    buf_bytes(b, "}", 1);
}
