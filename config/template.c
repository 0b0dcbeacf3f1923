/* Compiling makes a list of pieces: own text, values, and sections whose two ends know each other.
 * It proves what writing relies upon: values stand only where escaping holds them, sections begin
 * and end in equal places, and all that is outside of events fits TEMPLATE_OUTPUT_MAX. */
#include "config/template_impl.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/text.h"
#include "config/kind.h"

enum {
    PIECES_MAX = 2 * TEMPLATE_VALUES_MAX + 1,
    DEPTH_MAX = 8, /* sections within sections */
    EVENTS = TEMPLATE_NAMES,
    SHOWN_MAX = 40,
    VALUE_WORST = ESCAPE_FACTOR * TEMPLATE_VALUE_MAX + ESCAPE_BESIDES,
};
_Static_assert(TEMPLATE_VALUES_MAX *VALUE_WORST + TEMPLATE_MAX <= TEMPLATE_OUTPUT_MAX,
               "one event and all that is around it fit");

const struct template_name_info template_names[TEMPLATE_NAMES] = {
    [TEMPLATE_LEVEL] = {"level", false, "OK, INFO, WARNING, CRITICAL or UNKNOWN."},
    [TEMPLATE_PREVIOUS_LEVEL] = {"previousLevel", false, "The level that there was before."},
    [TEMPLATE_STATE] = {"state", false,
                        "What happened in one word: the level, or ACKNOWLEDGED, FLAPPING, "
                        "DISABLED, ENABLED or TEST."},
    [TEMPLATE_KIND] = {"kind", false, "What the notice tells, as in saNoticeKind."},
    [TEMPLATE_OWNER] = {"owner", false, "Owner of the alert."},
    [TEMPLATE_DEFINITION] = {"definition", false, "Name of the alert's definition."},
    [TEMPLATE_INSTANCE] = {"instance", false, "The topic or key that the alert is about."},
    [TEMPLATE_SERVICE] = {"service", false, "The definition's service."},
    [TEMPLATE_MESSAGE] = {"message", false, "What the condition says, in words."},
    [TEMPLATE_VALUE] = {"value", false, "The value that the condition tells."},
    [TEMPLATE_DESCRIPTION] = {"description", false, "The definition's description."},
    [TEMPLATE_URL] = {"url", false, "The definition's URL."},
    [TEMPLATE_AT] = {"at", false, "When it happened, such as 2026-01-31T12:00:00.000Z."},
    [TEMPLATE_AT_MILLIS] = {"atMillis", true, "The same in milliseconds since 1970."},
    [TEMPLATE_SINCE] = {"since", false, "When the alert left OK; empty when it is unknown."},
    [TEMPLATE_SINCE_MILLIS] = {"sinceMillis", true, "The same in milliseconds since 1970."},
    [TEMPLATE_DURATION] = {"duration", false, "From since to at, such as 3d 4h 0m 12s."},
    [TEMPLATE_DURATION_MILLIS] = {"durationMillis", true, "The same in milliseconds."},
    [TEMPLATE_UUID] = {"uuid", false, "UUID of the notice, the same at every attempt."},
    [TEMPLATE_SEQUENCE] = {"sequence", true, "The notice's number among those of its target."},
    [TEMPLATE_TARGET] = {"target", false, "Name of the target that the message goes to."},
    [TEMPLATE_COUNT] = {"count", true, "How many events the message has."},
    [TEMPLATE_DIGEST] = {"digest", false,
                         "UUID of the message; that of its notice when it has one event."},
    [TEMPLATE_HOST] = {"host", false, "Name of the host that snmpalertd runs on."},
};

enum piece_type { PIECE_TEXT, PIECE_VALUE, PIECE_BEGIN, PIECE_END };

struct piece {
    uint8_t type;
    uint8_t name; /* of values and sections; EVENTS */
    uint8_t spot; /* of values */
    bool has_text;
    uint16_t at, len; /* in the template: own text, a value's default, what divides events */
    uint16_t other;   /* a section's other end */
    uint32_t worst;   /* the beginning of events: octets of one and all that follows */
};

struct template
{
    enum template_place place;
    size_t npieces;
    char *text;
    struct piece pieces[];
};

/* ---- compiling ---- */

struct compiler {
    struct template *t;
    size_t at; /* in the text */
    struct template_scan scan;
    struct open {
        size_t piece, at;
        struct template_scan scan;
    } open[DEPTH_MAX];
    size_t depth;
    size_t ndollars; /* of values, sections, and for themselves */
    bool in_events;
    struct template_position *where; /* may be NULL */
    struct err *e;
};

static int refuse(struct compiler *c, size_t at, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* Words, and before them where in the text AT is. */
static int refuse(struct compiler *c, size_t at, const char *fmt, ...)
{
    struct template_position w = {1, 1};
    char words[ERR_TEXT_MAX];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(words, sizeof words, fmt, ap);
    va_end(ap);
    for (size_t i = 0; i < at; i++) {
        w.column += ((unsigned char)c->t->text[i] & 0xc0) != 0x80;
        if (c->t->text[i] == '\n')
            w = (struct template_position){w.line + 1, 1};
    }
    if (c->where)
        *c->where = w;
    if (strchr(c->t->text, '\n'))
        return err_set(c->e, ERR_INVALID, "line %u, column %u: %s", w.line, w.column, words);
    return err_set(c->e, ERR_INVALID, "column %u: %s", w.column, words);
}

static struct piece *add_piece(struct compiler *c, enum piece_type type)
{
    struct piece *p = &c->t->pieces[c->t->npieces++];

    p->type = (uint8_t)type;
    return p;
}

/* Own text, of which END octets have been read. */
static int add_text(struct compiler *c, size_t end)
{
    size_t wrong_at = 0, begin = c->at;
    const char *wrong = template_scan(&c->scan, c->t->text, begin, end, &wrong_at);
    struct piece *p;

    if (wrong)
        return refuse(c, wrong_at, "%s", wrong);
    c->at = end;
    if (begin == end)
        return 0;
    p = add_piece(c, PIECE_TEXT);
    p->at = (uint16_t)begin;
    p->len = (uint16_t)(end - begin);
    return 0;
}

/* The name at FROM, LEN octets long; EVENTS only where a section's is wanted. */
static int find_name(struct compiler *c, size_t from, size_t len, bool section, uint8_t *ret)
{
    const char *names[TEMPLATE_NAMES + 1], *near;
    char wrong[SHOWN_MAX + 1];
    size_t n = TEMPLATE_NAMES;

    for (size_t i = 0; i < TEMPLATE_NAMES; i++)
        names[i] = template_names[i].name;
    if (section)
        names[n++] = "events";
    for (size_t i = 0; i < n; i++)
        if (strlen(names[i]) == len && memcmp(names[i], c->t->text + from, len) == 0) {
            *ret = (uint8_t)i;
            return 0;
        }
    utf8_clean(wrong, sizeof wrong, c->t->text + from, len, false);
    near = name_suggest(wrong, names, n);
    if (near)
        return refuse(c, from, "unknown name '%s'; did you mean '%s'?", wrong, near);
    return refuse(c, from, "unknown name '%s'; snmpalertd.xml(5) lists them", wrong);
}

/* ${name} or ${name|default}; the name is TEXT[from, name_end), the default ends before END. */
static int add_value(struct compiler *c, size_t from, size_t name_end, size_t end)
{
    enum template_spot spot;
    const char *wrong = template_spot(c->scan, &spot);
    struct piece *p;
    uint8_t name;
    int err = find_name(c, from, name_end - from, false, &name);

    if (err)
        return err;
    if (wrong)
        return refuse(c, from, "%s", wrong);
    p = add_piece(c, PIECE_VALUE);
    p->name = name;
    p->spot = (uint8_t)spot;
    if (name_end == end)
        return 0;
    p->has_text = true;
    p->at = (uint16_t)(name_end + 1);
    p->len = (uint16_t)(end - name_end - 1);
    wrong = template_default(c->scan, spot, c->t->text, name_end + 1, end);
    return wrong ? refuse(c, name_end + 1, "%s", wrong) : 0;
}

static int open_section(struct compiler *c, size_t from, size_t name_end, size_t end)
{
    enum template_spot spot;
    const char *wrong = template_spot(c->scan, &spot);
    struct piece *p;
    uint8_t name;
    int err = find_name(c, from, name_end - from, true, &name);

    if (err)
        return err;
    if (name == EVENTS && c->in_events)
        return refuse(c, from, "events within events");
    if (name != EVENTS && name_end < end)
        return refuse(c, name_end, "only events can be divided by a text");
    if (name != EVENTS && c->t->place == TEMPLATE_JSON)
        return refuse(c, from,
                      "in JSON there are no sections but events; a value may have a "
                      "default: ${%s|null}",
                      template_names[name].name);
    if (wrong)
        return refuse(c, from, "%s", wrong);
    if (c->depth == DEPTH_MAX)
        return refuse(c, from, "sections are more than %d deep", DEPTH_MAX);
    c->open[c->depth++] = (struct open){c->t->npieces, c->at, c->scan};
    c->in_events |= name == EVENTS;
    p = add_piece(c, PIECE_BEGIN);
    p->name = name;
    p->has_text = name_end < end;
    p->at = (uint16_t)(name_end + p->has_text);
    p->len = (uint16_t)(end - p->at);
    return 0;
}

/* What stands between two events must lead back to where the next begins. */
static int check_divider(struct compiler *c, const struct piece *begin)
{
    struct template_scan scan = c->scan;
    size_t at = 0;
    const char *wrong =
        template_scan(&scan, c->t->text, begin->at, (size_t)begin->at + begin->len, &at);

    if (wrong)
        return refuse(c, at, "%s", wrong);
    if (!template_scan_equal(scan, c->scan))
        return refuse(c, begin->at, "what divides events does not end where it begins");
    return 0;
}

static int close_section(struct compiler *c, size_t from, size_t end)
{
    struct open *o = c->depth ? &c->open[c->depth - 1] : NULL;
    struct piece *begin = o ? &c->t->pieces[o->piece] : NULL, *p;
    uint8_t name;
    int err = find_name(c, from, end - from, true, &name);

    if (err)
        return err;
    if (!o || begin->name != name)
        return refuse(c, from, "no such section is open here");
    if (!template_scan_equal(o->scan, c->scan))
        return refuse(c, o->at,
                      "a section that does not end where it begins, but within a tag or "
                      "a string, or out of it");
    c->depth--;
    c->in_events &= name != EVENTS;
    begin->other = (uint16_t)c->t->npieces;
    p = add_piece(c, PIECE_END);
    p->name = name;
    p->other = (uint16_t)o->piece;
    return begin->has_text ? check_divider(c, begin) : 0;
}

/* "${...}" at c->at. */
static int add_braces(struct compiler *c)
{
    const char *text = c->t->text;
    size_t from = c->at + 2, end = from + strcspn(text + from, "}$"), name_end;
    char mark = text[from];
    int err;

    if (text[end] != '}')
        return refuse(c, c->at, text[end] ? "a '$' within '${'" : "'${' without its '}'");
    from += mark == '#' || mark == '/';
    name_end = from + strcspn(text + from, "|}");
    if (mark == '#')
        err = open_section(c, from, name_end, end);
    else if (mark == '/')
        err = close_section(c, from, end);
    else
        err = add_value(c, from, name_end, end);
    c->at = end + 1;
    return err;
}

static int compile_pieces(struct compiler *c)
{
    const char *text = c->t->text;

    while (text[c->at]) {
        size_t end = c->at + strcspn(text + c->at, "$");
        bool dollar = text[end] && text[end + 1] == '$';
        int err = add_text(c, end + dollar);

        if (err || !text[end])
            return err;
        if (c->ndollars++ == TEMPLATE_VALUES_MAX)
            return refuse(c, end, "more than %d values and sections", TEMPLATE_VALUES_MAX);
        if (dollar)
            c->at++;
        else
            err = text[end + 1] == '{' ? add_braces(c)
                                       : refuse(c, end, "a single '$'; write '$$' for one");
        if (err)
            return err;
    }
    return 0;
}

/* Octets that the pieces from I to END become at most, not counting events within. */
static uint32_t worst_of(const struct template *t, size_t i, size_t end)
{
    uint32_t sum = 0;

    for (; i < end; i++) {
        const struct piece *p = &t->pieces[i];

        if (p->type == PIECE_TEXT)
            sum += p->len;
        else if (p->type == PIECE_VALUE)
            sum += p->len > VALUE_WORST ? p->len : VALUE_WORST;
        else if (p->type == PIECE_BEGIN && p->name == EVENTS)
            i = p->other;
    }
    return sum;
}

static void measure(struct template *t)
{
    for (size_t i = 0; i < t->npieces; i++) {
        struct piece *p = &t->pieces[i];

        if (p->type == PIECE_BEGIN && p->name == EVENTS)
            p->worst = p->len + worst_of(t, i + 1, p->other) +
                       worst_of(t, (size_t)p->other + 1, t->npieces);
    }
}

static void value_for_trial(const void *arg, int event, enum template_name name,
                            char ret[TEMPLATE_VALUE_MAX + 1])
{
    const char *const *text = arg;

    (void)event;
    snprintf(ret, TEMPLATE_VALUE_MAX + 1, "%s",
             template_names[name].number && **text ? "1" : *text);
}

/* Values are complete wherever they stand, so it is enough to try one of each kind. */
static int try_json(struct compiler *c)
{
    static const char *const values[] = {"", " "};
    int err = 0;

    for (size_t i = 0; i < 4 && !err; i++) {
        const struct template_source s = {value_for_trial, &values[i & 1], (int)(i / 2) + 1};
        struct err why;
        struct buf b;
        jv *v = NULL;

        buf_init(&b, TEMPLATE_OUTPUT_MAX);
        err = template_write(c->t, &s, &b);
        if (err)
            err_set(c->e, err, "%s", err_name(err));
        else if (!(v = jv_parse(b.data, b.len, &why)))
            err = refuse(c, 0, "it makes no JSON document: %s", why.text);
        jv_free(v);
        buf_release(&b);
    }
    return err;
}

static int check_text(const char *text, bool lines, struct err *e)
{
    size_t n = strlen(text);

    if (n > TEMPLATE_MAX)
        return err_set(e, ERR_INVALID, "expected a template of at most %d octets", TEMPLATE_MAX);
    if (!utf8_valid(text, n))
        return err_set(e, ERR_INVALID, "expected a template in UTF-8");
    for (const char *p = text; *p; p++)
        if (((unsigned char)*p < ' ' && !(lines && (*p == '\n' || *p == '\t'))) || *p == 0x7f)
            return err_set(e, ERR_INVALID, "expected a template %s",
                           lines ? "without control characters but tabs and newlines"
                                 : "of one line without control characters");
    return 0;
}

static int compile(struct compiler *c)
{
    int err = compile_pieces(c);

    if (!err && c->depth)
        err = refuse(c, c->open[c->depth - 1].at, "a section without its '${/...}'");
    if (err)
        return err;
    measure(c->t);
    return c->t->place == TEMPLATE_JSON ? try_json(c) : 0;
}

int template_compile(struct template **ret, enum template_place place, const char *text,
                     struct template_position *ret_where, struct err *e)
{
    struct compiler c = {.scan = {.place = (uint8_t)place}, .where = ret_where, .e = e};
    int err = check_text(text, place != TEMPLATE_LINE, e);

    if (ret_where)
        *ret_where = (struct template_position){1, 1};
    if (err)
        return err;
    c.t = calloc(1, sizeof *c.t + PIECES_MAX * sizeof c.t->pieces[0]);
    if (c.t)
        c.t->text = strdup(text);
    if (!c.t || !c.t->text) {
        template_free(c.t);
        return err_set(e, ERR_NOMEM, "out of memory");
    }
    c.t->place = place;
    err = compile(&c);
    if (err || !ret)
        template_free(c.t);
    else
        *ret = c.t;
    return err;
}

void template_free(struct template *t)
{
    if (!t)
        return;
    free(t->text);
    free(t);
}

/* ---- writing ---- */

struct writer {
    const struct template *t;
    const struct template_source *s;
    struct buf *b;
    size_t start; /* where in B the outcome begins */
    int event;
    char value[TEMPLATE_VALUE_MAX + 1];
};

static bool get_value(struct writer *w, uint8_t name)
{
    w->value[0] = '\0';
    w->s->value(w->s->arg, w->event, (enum template_name)name, w->value);
    w->value[TEMPLATE_VALUE_MAX] = '\0';
    if (!utf8_valid(w->value, strlen(w->value))) {
        char clean[TEMPLATE_VALUE_MAX + 1];

        utf8_clean(clean, sizeof clean, w->value, strlen(w->value), true);
        memcpy(w->value, clean, sizeof clean);
    }
    return w->value[0] != '\0';
}

static void write_text(struct writer *w, const struct piece *p)
{
    buf_bytes(w->b, w->t->text + p->at, p->len);
}

static void write_value(struct writer *w, const struct piece *p)
{
    bool there = get_value(w, p->name);

    if (!there && p->has_text)
        write_text(w, p);
    else
        template_escape(w->b, (enum template_spot)p->spot, template_names[p->name].number,
                        w->value);
}

/* Is there another event, and room for it and what follows the section? */
static bool next_event(struct writer *w, const struct piece *begin)
{
    size_t used = w->b->len - w->start;

    if (w->event + 1 < w->s->nevents && used + begin->worst <= TEMPLATE_OUTPUT_MAX) {
        w->event++;
        return true;
    }
    w->event = TEMPLATE_MESSAGE_ITSELF;
    return false;
}

/* At a section's beginning or end: the piece to go on behind. */
static size_t step_section(struct writer *w, size_t i)
{
    const struct piece *p = &w->t->pieces[i];
    const struct piece *begin = p->type == PIECE_END ? &w->t->pieces[p->other] : p;

    if (p->name != EVENTS)
        return p->type == PIECE_END || get_value(w, p->name) ? i : p->other;
    if (!next_event(w, begin))
        return begin->other;
    if (p->type == PIECE_END)
        write_text(w, begin);
    return p->type == PIECE_END ? p->other : i;
}

static void write_pieces(struct writer *w)
{
    for (size_t i = 0; i < w->t->npieces && !w->b->err; i++) {
        const struct piece *p = &w->t->pieces[i];

        if (p->type == PIECE_TEXT)
            write_text(w, p);
        else if (p->type == PIECE_VALUE)
            write_value(w, p);
        else
            i = step_section(w, i);
    }
}

int template_write(const struct template *t, const struct template_source *s, struct buf *b)
{
    struct writer w = {.t = t, .s = s, .b = b, .start = b->len, .event = TEMPLATE_MESSAGE_ITSELF};
    struct buf line;

    if (t->place != TEMPLATE_LINE) {
        write_pieces(&w);
        return b->err;
    }
    buf_init(&line, TEMPLATE_OUTPUT_MAX);
    w.b = &line;
    w.start = 0;
    write_pieces(&w);
    if (line.err && !b->err)
        b->err = line.err;
    buf_bytes(b, line.data, utf8_cut(line.data, line.len, TEMPLATE_LINE_MAX));
    buf_release(&line);
    return b->err;
}
