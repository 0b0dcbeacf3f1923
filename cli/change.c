/* Commands that change something. Whatever rows one command names go into one SET, which the agent
 * takes whole or not at all. */
#include "cli/change.h"

#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "base/clock.h"
#include "cli/commands.h"

enum { EDITS_MAX = 256, OWNERS_MAX = 8, REFUSAL_WORDS_MAX = 512, POLL_MS = 100 };

/* One row of a SET. */
struct edit {
    const struct sa_table *table;
    struct objid index;
    const char *const *assignments;
    size_t n;
    const char *text; /* its last index word, for messages */
    bool exists;
};

/* What the owner's last refusal was before we asked: only a newer one is ours. */
struct refusal {
    char owner[PART_TEXT_MAX];
    int64_t at;
    char words[REFUSAL_WORDS_MAX + 1];
};

/* Where a varbind of the SET comes from. */
struct origin {
    const struct edit *edit;
    const struct sa_column *column;
};

struct change {
    struct client *client;
    struct edit edits[EDITS_MAX];
    size_t nedits;
    struct pdu *pdu;
    struct origin *origins;
    size_t norigins;
    struct refusal before[OWNERS_MAX]; /* of the owners whose rows are named */
    size_t nowners;
};

static struct objid instance(const struct sa_table *t, unsigned column, const struct objid *index)
{
    struct objid name;

    column_objid(&name, t, column);
    for (uint32_t i = 0; i < index->n; i++)
        objid_append(&name, index->subids[i]); /* checked by edit_index */
    return name;
}

/* ---- what is to be changed ------------------------------------------------------------------ */

static bool is_assignment(const struct sa_table *t, const char *word)
{
    const char *sign = strchr(word, '=');
    const struct sa_column *c;

    return sign && column_find(&c, t, word, (size_t)(sign - word), NULL) == 0;
}

/* The index has as many words as the table has parts, or one less when the owner is left out. A
 * name may hold '=': a word is an assignment only if what is before it is a column. */
static size_t index_words(const struct sa_table *t, const char *const *words, size_t n)
{
    size_t least = t->scalars ? 0 : t->nindex - (table_has_owner(t) && t->nindex > 1 ? 1 : 0);

    if (n <= least)
        return n;
    if (least == t->nindex || t->scalars)
        return least;
    if (!strchr(words[least], '='))
        return least + 1;
    return !is_assignment(t, words[least]) && n > least + 1 && is_assignment(t, words[least + 1])
               ? least + 1
               : least;
}

static int edit_index(struct edit *d, const char *const *words, size_t n, const char *owner,
                      struct err *e)
{
    struct objid longest;
    int err = index_append(&d->index, d->table, words, n, owner, e);

    column_objid(&longest, d->table, 1);
    if (!err && longest.n + d->index.n > OBJID_MAX)
        err = err_set(e, ERR_RANGE, "the index is too long");
    d->text = n ? words[n - 1] : d->table->name;
    return err;
}

static int add_edit(struct change *x, const char *const *words, size_t n, const char *owner,
                    bool assigns, struct err *e)
{
    struct edit *d = &x->edits[x->nedits];
    size_t parts;
    int err;

    if (x->nedits == EDITS_MAX)
        return err_set(e, ERR_RANGE, "more than %d rows", EDITS_MAX);
    if (n == 0)
        return err_set(e, ERR_INVALID, "a row is missing between '--' and '--'");
    *d = (struct edit){0};
    if (table_find(&d->table, words[0], e))
        return ERR_INVALID;
    parts = assigns ? index_words(d->table, words + 1, n - 1) : n - 1;
    err = edit_index(d, words + 1, parts, owner, e);
    d->assignments = words + 1 + parts;
    d->n = n - 1 - parts;
    x->nedits++;
    return err;
}

/* "row -- row -- row"; without ASSIGNS all words of a row are its index. */
static int parse_edits(struct change *x, const char *const *words, size_t n, const char *owner,
                       bool assigns, struct err *e)
{
    int err = 0;

    for (size_t at = 0; !err && at <= n;) {
        size_t len = 0;

        while (at + len < n && strcmp(words[at + len], "--") != 0)
            len++;
        err = add_edit(x, words + at, len, owner, assigns, e);
        at += len + 1;
    }
    return err;
}

static int change_begin(struct change **ret, struct client *c, struct err *e)
{
    struct change *x = calloc(1, sizeof(*x));

    if (!x)
        return err_set(e, ERR_NOMEM, "out of memory");
    x->client = c;
    *ret = x;
    return 0;
}

static void change_end(struct change *x)
{
    if (!x)
        return;
    pdu_free(x->pdu);
    free(x->origins);
    free(x);
}

/* ---- refusals ------------------------------------------------------------------------------- */

/* The owner of a row's index, "" when it has none. */
static void owner_of(const struct edit *d, char dst[PART_TEXT_MAX])
{
    struct part parts[SA_INDEX_MAX];

    dst[0] = '\0';
    if (!d->table->scalars && table_has_owner(d->table) &&
        index_parse(parts, d->table, d->index.subids, d->index.n) == 0)
        memcpy(dst, parts[0].name, PART_TEXT_MAX);
}

/* RET: the owner's last refusal as it is now; no words when nothing tells it. */
static void read_refusal(struct client *c, const char *owner, struct refusal *ret)
{
    static const uint8_t columns[] = {OWNER_LAST_ERROR, OWNER_LAST_ERROR_TIME};
    struct objid index = {0};
    struct rows r;

    *ret = (struct refusal){0};
    snprintf(ret->owner, sizeof(ret->owner), "%s", owner);
    if (!*owner || index_append_name(&index, owner, NULL))
        return;
    rows_init(&r, sa_table_by_id(SA_OWNER));
    rows_choose(&r, columns, sizeof(columns));
    if (rows_get(&r, c, &index, NULL) == 0) {
        const struct datum *words = &r.items[0].cells[0];

        ret->at = r.items[0].cells[1].number;
        snprintf(ret->words, sizeof(ret->words), "%.*s", (int)words->len,
                 words->bytes ? (const char *)words->bytes : "");
    }
    rows_release(&r);
}

static void remember_refusal(struct change *x, const struct edit *d)
{
    char owner[PART_TEXT_MAX];

    owner_of(d, owner);
    for (size_t i = 0; i < x->nowners; i++)
        if (strcmp(x->before[i].owner, owner) == 0)
            return;
    if (*owner && x->nowners < OWNERS_MAX)
        read_refusal(x->client, owner, &x->before[x->nowners++]);
}

/* The refused varbind, and the words that the daemon has for it. */
static int explain(const struct change *x, const struct reply *a, struct err *e)
{
    const char *name = pdu_error_name(a->error_status);
    struct refusal now = {0};
    char where[4 * SHORT_NAME_MAX] = "";

    if (a->error_index >= 1 && (size_t)a->error_index <= x->norigins) {
        const struct origin *o = &x->origins[a->error_index - 1];
        char table[SHORT_NAME_MAX], column[SHORT_NAME_MAX];

        table_short(o->edit->table, table);
        column_short(o->edit->table, o->column, column);
        snprintf(where, sizeof(where), "%s %.64s, %s: ", table, o->edit->text, column);
    }
    for (size_t i = 0; i < x->nowners && !now.words[0]; i++) {
        read_refusal(x->client, x->before[i].owner, &now);
        if (now.at == x->before[i].at && strcmp(now.words, x->before[i].words) == 0)
            now.words[0] = '\0'; /* an old one */
    }
    if (!now.words[0])
        return err_set(e, ERR_DENIED, "refused: %s%s", where, name);
    if (strncmp(now.words, name, strlen(name)) == 0)
        return err_set(e, ERR_DENIED, "refused: %s%s", where, now.words);
    return err_set(e, ERR_DENIED, "refused: %s%s: %s", where, name, now.words);
}

/* ---- one SET -------------------------------------------------------------------------------- */

static int put(struct change *x, const struct edit *d, const struct sa_column *c,
               const struct snmp_value *v, struct err *e)
{
    struct objid name = instance(d->table, c->number, &d->index);
    struct origin *more = realloc(x->origins, (x->norigins + 1) * sizeof(*more));

    if (!more)
        return err_set(e, ERR_NOMEM, "out of memory");
    x->origins = more;
    x->origins[x->norigins++] = (struct origin){d, c};
    pdu_add(x->pdu, name.subids, name.n, v);
    return 0;
}

static int put_status(struct change *x, const struct edit *d, int64_t status, struct err *e)
{
    const struct sa_column *c = sa_column_by_number(d->table, d->table->row_status);
    struct snmp_value v = {.type = SNMP_TYPE_INTEGER, .integer = status};

    if (!c)
        return err_set(e, ERR_NOT_WRITABLE, "rows of %s cannot be made or deleted over SNMP",
                       d->table->name);
    return put(x, d, c, &v, e);
}

static int put_assignment(struct change *x, const struct edit *d, const char *word,
                          bool *ret_status, struct err *e)
{
    const char *sign = strchr(word, '=');
    const struct sa_column *c;
    struct snmp_value v;
    struct buf scratch;
    int err;

    if (!sign)
        return err_set(e, ERR_INVALID, "'%s' is not COLUMN=VALUE", word);
    if (column_find(&c, d->table, word, (size_t)(sign - word), e))
        return ERR_INVALID;
    if (!column_writable(c))
        return err_set(e, ERR_NOT_WRITABLE, "%s can be read, not set", c->name);
    *ret_status |= c->number == d->table->row_status;
    buf_init(&scratch, CELL_TEXT_LIMIT);
    err = value_from_word(&v, c, sign + 1, &scratch, e);
    if (err)
        err_prefix(e, "%.*s", (int)(sign - word), word);
    else
        err = put(x, d, c, &v, e);
    buf_release(&scratch);
    return err;
}

static int put_edit(struct change *x, const struct edit *d, struct err *e)
{
    bool status = false;
    int err = 0;

    for (size_t i = 0; !err && i < d->n; i++)
        err = put_assignment(x, d, d->assignments[i], &status, e);
    if (!err && !status && !d->exists)
        err = put_status(x, d, ROW_CREATE_AND_GO, e);
    if (!err && !status && d->exists && d->n == 0)
        err = err_set(e, ERR_INVALID,
                      "%s is there already, and no COLUMN=VALUE says what to change", d->text);
    return err;
}

/* Is each row there, and what was the last refusal? */
static int look(struct change *x, struct err *e)
{
    int err = 0;

    for (size_t i = 0; !err && i < x->nedits; i++) {
        struct edit *d = &x->edits[i];
        struct rows r;

        rows_init(&r, d->table);
        if (d->table->row_status)
            rows_choose(&r, &d->table->row_status, 1);
        err = rows_get(&r, x->client, &d->index, e);
        d->exists = err == 0;
        if (err == ERR_NOTFOUND)
            err = 0;
        rows_release(&r);
        if (!err)
            remember_refusal(x, d);
    }
    return err;
}

static int change_new_pdu(struct change *x, struct err *e)
{
    x->pdu = pdu_new(client_version(x->client), PDU_SET);
    return x->pdu ? 0 : err_set(e, ERR_NOMEM, "out of memory");
}

static int change_send(struct change *x, struct err *e)
{
    struct pdu *p = x->pdu;
    struct reply a;
    int err;

    x->pdu = NULL; /* taken over */
    err = client_ask(x->client, p, &a, e);
    if (err)
        return err;
    if (a.error_status)
        err = explain(x, &a, e);
    reply_release(&a);
    return err;
}

int command_set(struct options *o, struct client *c, const char *const *words, size_t n,
                struct err *e)
{
    struct change *x = NULL;
    int err = change_begin(&x, c, e);

    if (!err)
        err = parse_edits(x, words, n, options_owner(o), true, e);
    if (!err)
        err = look(x, e);
    if (!err)
        err = change_new_pdu(x, e);
    for (size_t i = 0; !err && i < x->nedits; i++)
        err = put_edit(x, &x->edits[i], e);
    if (!err)
        err = change_send(x, e);
    change_end(x);
    return err;
}

int command_delete(struct options *o, struct client *c, const char *const *words, size_t n,
                   struct err *e)
{
    struct change *x = NULL;
    int err = change_begin(&x, c, e);

    if (!err)
        err = parse_edits(x, words, n, options_owner(o), false, e);
    if (!err)
        err = look(x, e);
    if (!err)
        err = change_new_pdu(x, e);
    for (size_t i = 0; !err && i < x->nedits; i++) {
        const struct edit *d = &x->edits[i];

        if (!d->exists) /* destroying what is not there is no error for SNMP, but it is for
                                people */
            err =
                err_set(e, ERR_NOTFOUND, "there is no such row of %s: %s", d->table->name, d->text);
        else
            err = put_status(x, d, ROW_DESTROY, e);
    }
    if (!err)
        err = change_send(x, e);
    change_end(x);
    return err;
}

int change_cell(const struct options *o, struct client *c, unsigned table, unsigned column,
                int64_t value, const char *const *words, size_t n, struct err *e)
{
    struct snmp_value v = {.type = SNMP_TYPE_INTEGER, .integer = value};
    struct change *x = NULL;
    int err = change_begin(&x, c, e);

    if (err)
        return err;
    x->nedits = 1;
    x->edits[0].table = sa_table_by_id(table);
    err = edit_index(&x->edits[0], words, n, options_owner(o), e);
    if (!err)
        err = look(x, e);
    if (!err && !x->edits[0].exists)
        err = err_set(e, ERR_NOTFOUND, "there is no such row of %s: %s", x->edits[0].table->name,
                      x->edits[0].text);
    if (!err)
        err = change_new_pdu(x, e);
    if (!err)
        err = put(x, &x->edits[0], sa_column_by_number(x->edits[0].table, column), &v, e);
    if (!err)
        err = change_send(x, e);
    change_end(x);
    return err;
}

int command_enable(struct options *o, struct client *c, const char *const *words, size_t n,
                   struct err *e)
{
    return change_cell(o, c, SA_DEFINITION, DEFINITION_DISABLED, TRUTH_FALSE, words, n, e);
}

int command_disable(struct options *o, struct client *c, const char *const *words, size_t n,
                    struct err *e)
{
    return change_cell(o, c, SA_DEFINITION, DEFINITION_DISABLED, TRUTH_TRUE, words, n, e);
}

/* ---- alerts and notices -------------------------------------------------------------------- */

int command_cancel(struct options *o, struct client *c, const char *const *words, size_t n,
                   struct err *e)
{
    return change_cell(o, c, SA_NOTICE, NOTICE_ACTION, ACTION_CANCEL, words, n, e);
}

int command_resend(struct options *o, struct client *c, const char *const *words, size_t n,
                   struct err *e)
{
    return change_cell(o, c, SA_NOTICE, NOTICE_ACTION, ACTION_RESEND, words, n, e);
}

/* What the words set COLUMN of saAlertTable to, or NULL. */
static const char *assigned(const char *const *words, size_t n, unsigned column)
{
    const struct sa_table *t = sa_table_by_id(SA_ALERT);
    const struct sa_column *c;

    for (size_t i = 0; i < n; i++) {
        const char *sign = strchr(words[i], '=');

        if (sign && !column_find(&c, t, words[i], (size_t)(sign - words[i]), NULL) &&
            c->number == column)
            return sign + 1;
    }
    return NULL;
}

/* As `set alert` with what goes without saying. */
int command_acknowledge(struct options *o, struct client *c, const char *const *words, size_t n,
                        struct err *e)
{
    const char *kind = assigned(words, n, ALERT_ACKNOWLEDGE);
    const struct passwd *user = getpwuid(geteuid());
    const char *all[WORDS_MAX + 3] = {"alert"};
    char author[64], how[64];
    size_t nall = 1 + n;

    memcpy(all + 1, words, n * sizeof(*words));
    if (!kind) {
        kind = assigned(words, n, ALERT_ACK_UNTIL) ? "until" : "normal";
        snprintf(how, sizeof(how), "acknowledge=%s", kind);
        all[nall++] = how;
    }
    snprintf(author, sizeof(author), "ackAuthor=%.32s", user ? user->pw_name : "");
    if (!assigned(words, n, ALERT_ACK_AUTHOR) && strcasecmp(kind, "none") != 0)
        all[nall++] = author;
    return command_set(o, c, all, nall, e);
}

/* ---- test ----------------------------------------------------------------------------------- */

/* The owner's first notice behind number AFTER; 0: none. */
static int next_notice(struct client *c, const char *owner, uint32_t after, uint32_t *ret,
                       struct err *e)
{
    const struct sa_table *t = sa_table_by_id(SA_NOTICE);
    struct objid root, at;
    struct reply a;
    int err;

    *ret = 0;
    column_objid(&root, t, NOTICE_STATE);
    err = index_append_name(&root, owner, e);
    if (err)
        return err;
    at = root;
    objid_append(&at, after);
    struct pdu *p = pdu_new(client_version(c), PDU_GETNEXT);
    pdu_add_null(p, &at);
    err = client_ask(c, p, &a, e);
    if (err)
        return err;
    if (!a.error_status && a.n == 1 && objid_below(&root, &a.items[0].name) &&
        a.items[0].name.n == root.n + 1 && !snmp_value_is_exception(&a.items[0].value))
        *ret = a.items[0].name.subids[root.n];
    reply_release(&a);
    return 0;
}

/* The owner's last notice, by halving: at most 32 questions, however long the table is. */
static int last_notice(struct client *c, const char *owner, uint32_t *ret, struct err *e)
{
    uint32_t low = 0, high = UINT32_MAX; /* the last is in low..high; 0: none */
    int err = 0;

    while (!err && low < high) {
        uint32_t middle = low + (high - low) / 2, found;

        err = next_notice(c, owner, middle, &found, e);
        if (!err && found > middle)
            low = found;
        else
            high = middle;
    }
    *ret = low;
    return err;
}

static bool is_text(const struct datum *d, const char *text)
{
    return d->present && d->len == strlen(text) && memcmp(d->bytes, text, d->len) == 0;
}

/* Where a test notice is: its row's columns. */
static const uint8_t notice_columns[] = {NOTICE_TARGET,   NOTICE_KIND,       NOTICE_STATE,
                                         NOTICE_ATTEMPTS, NOTICE_LAST_ERROR, NOTICE_CONFIRMATION};
enum { AT_TARGET, AT_KIND, AT_STATE, AT_ATTEMPTS, AT_LAST_ERROR, AT_CONFIRMATION };

static void notice_rows(struct rows *r)
{
    rows_init(r, sa_table_by_id(SA_NOTICE));
    rows_choose(r, notice_columns, sizeof(notice_columns));
}

static int notice_get(struct rows *r, struct client *c, const char *owner, uint32_t id,
                      struct err *e)
{
    struct objid index = {0};
    int err = index_append_name(&index, owner, e);

    rows_release(r);
    objid_append(&index, id);
    return err ? err : rows_get(r, c, &index, e);
}

/* The test notice to TARGET behind *ID, into R; *ID moves on. R stays empty when there is none yet.
 */
static int find_test(struct rows *r, struct client *c, const char *owner, const char *target,
                     uint32_t *id, struct err *e)
{
    for (;;) {
        uint32_t found;
        int err = next_notice(c, owner, *id, &found, e);

        if (err || found <= *id)
            return err;
        err = notice_get(r, c, owner, found, e);
        if (err && err != ERR_NOTFOUND)
            return err;
        *id = found;
        if (!err && is_text(&r->items[0].cells[AT_TARGET], target) &&
            r->items[0].cells[AT_KIND].number == KIND_TEST)
            return 0;
        rows_release(r);
    }
}

static bool is_over(const struct rows *r)
{
    int64_t state = r->n ? r->items[0].cells[AT_STATE].number : NOTICE_PENDING;

    return state != NOTICE_PENDING && state != NOTICE_DISPATCHED;
}

static int wait_outcome(struct rows *r, const struct options *o, struct client *c,
                        const char *owner, const char *target, uint32_t id, struct err *e)
{
    int64_t end = clock_mono_ms() + o->wait_ms;
    int err;

    for (;;) {
        err = r->n ? notice_get(r, c, owner, id, e) : find_test(r, c, owner, target, &id, e);
        if (err || is_over(r) || clock_mono_ms() >= end)
            return err;
        client_wait(c, POLL_MS);
    }
}

static int report(const struct rows *r, const struct options *o, struct err *e)
{
    int64_t state = r->n ? r->items[0].cells[AT_STATE].number : 0;
    int err;

    if (r->n == 0)
        return err_set(e, ERR_TIMEOUT, "no test notice was made within %.3g s",
                       o->wait_ms / 1000.0);
    err = print_row(r, 0, &o->print, stdout);
    if (err)
        return err_set(e, err, "cannot print: %s", err_name(err));
    if (!is_over(r))
        fprintf(stderr, "snmpalert: no outcome within %.3g s; the notice goes on\n",
                o->wait_ms / 1000.0);
    return state == NOTICE_DELIVERED ? EXIT_FINE : EXIT_FAILED;
}

int command_test(struct options *o, struct client *c, const char *const *words, size_t n,
                 struct err *e)
{
    const char *owner = n == 2 ? words[0] : options_owner(o), *target = words[n - 1];
    struct objid scratch = {0};
    struct rows r;
    uint32_t last;
    int err = index_append_name(&scratch, owner, e);

    if (err)
        return err;
    notice_rows(&r);
    err = last_notice(c, owner, &last, e);
    if (!err)
        err = change_cell(o, c, SA_TARGET, TARGET_TEST, 2, words, n, e); /* run(2) */
    if (!err)
        err = wait_outcome(&r, o, c, owner, target, last, e);
    if (!err)
        err = report(&r, o, e);
    rows_release(&r);
    return err;
}
