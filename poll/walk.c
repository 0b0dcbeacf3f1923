/* Each step sends one request for what is still missing, and its answer takes something off that:
 * gets become answered, columns move on or end, sizes of requests shrink. An answer that takes
 * nothing off is an error, so a walk ends. */
#include "poll/walk.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"

struct get_state {
    bool answered;
    uint32_t json_at, json_len;
};

struct column_state {
    struct objid root; /* entry.column */
    struct objid last; /* the next request goes on behind it */
    bool ended;
};

struct table_state {
    struct polled_rows rows;
    struct column_state *columns;
};

enum { ASKED_MAX = COLUMNS_MAX };
_Static_assert((int)ASKED_MAX >= (int)WALK_GETS_PER_PDU, "gets fit as well");

struct walk {
    struct session *session;
    const struct walk_plan *plan;
    walk_done *cb;
    void *arg;
    int64_t began_mono_ms;
    bool heard; /* any answer so far */
    struct get_state *gets;
    struct buf json; /* of the gets */
    struct table_state *tables;
    size_t table; /* the one being read */
    size_t gets_per_pdu, columns_per_pdu;
    unsigned repetitions;
    size_t asked[ASKED_MAX]; /* gets or columns in the request, by position */
    size_t nasked;
    int (*take)(struct walk *w, struct answer *a, struct err *e); /* what reads the answer */
};

void walk_plan_release(struct walk_plan *p)
{
    free(p->gets);
    free(p->tables);
    *p = (struct walk_plan){0};
}

static int full(struct err *e, int code)
{
    if (code == ERR_NOMEM)
        return err_set(e, code, "out of memory");
    return err_set(e, ERR_RANGE, "the values are more than a topic may hold");
}

/* An error answer that a smaller request may not get: 0 when N became smaller. */
static int shrink(size_t *n, struct err *e)
{
    if (*n <= 1)
        return err_set(e, ERR_PERMANENT, "the agent says that one value is tooBig");
    *n /= 2;
    return 0;
}

/* ---- single objects
 * --------------------------------------------------------------------------------*/

static int set_get(struct walk *w, size_t get, const struct snmp_value *v, struct err *e)
{
    struct get_state *g = &w->gets[get];
    g->json_at = (uint32_t)w->json.len;
    snmp_value_json(v, &w->json);
    g->json_len = (uint32_t)(w->json.len - g->json_at);
    g->answered = true;
    return w->json.err ? full(e, w->json.err) : 0;
}

/* v1 names one object that it does not have and answers nothing else; the rest is asked again. */
static int take_missing_get(struct walk *w, const struct answer *a, struct err *e)
{
    static const struct snmp_value missing = {.type = SNMP_TYPE_NO_SUCH_OBJECT};
    if (a->error_index < 1 || (size_t)a->error_index > w->nasked)
        return err_set(e, ERR_PROTOCOL, "the agent says noSuchName of none of the objects asked");
    return set_get(w, w->asked[a->error_index - 1], &missing, e);
}

static int take_get_error(struct walk *w, const struct answer *a, struct err *e)
{
    if (a->error_status == PDU_TOO_BIG)
        return shrink(&w->gets_per_pdu, e);
    if (a->error_status == PDU_NO_SUCH_NAME)
        return take_missing_get(w, a, e);
    size_t at = a->error_index >= 1 && (size_t)a->error_index <= w->nasked
                    ? w->asked[a->error_index - 1]
                    : w->asked[0];
    return err_set(e, ERR_PERMANENT, "the agent answers %s for '%s'",
                   pdu_error_name(a->error_status), w->plan->gets[at].name);
}

static int take_gets(struct walk *w, struct answer *a, struct err *e)
{
    struct varbind v;
    if (a->error_status)
        return take_get_error(w, a, e);
    for (size_t i = 0; i < w->nasked; i++) {
        const struct walk_get *g = &w->plan->gets[w->asked[i]];
        if (!answer_next(a, &v) || objid_compare(&v.name, &g->oid))
            return err_set(e, ERR_PROTOCOL, "the agent answers other objects than '%s'", g->name);
        int err = set_get(w, w->asked[i], &v.value, e);
        if (err)
            return err;
    }
    return 0;
}

static struct pdu *ask_gets(struct walk *w)
{
    struct pdu *p = NULL;
    w->nasked = 0;
    for (size_t i = 0; i < w->plan->ngets && w->nasked < w->gets_per_pdu; i++) {
        if (w->gets[i].answered)
            continue;
        if (!p)
            p = pdu_new(w->plan->version, PDU_GET);
        pdu_add_null(p, &w->plan->gets[i].oid);
        w->asked[w->nasked++] = i;
    }
    w->take = take_gets;
    return p;
}

/* ---- tables
 * ----------------------------------------------------------------------------------------*/

static int take_column_error(struct walk *w, const struct answer *a, struct err *e)
{
    struct table_state *t = &w->tables[w->table];
    if (a->error_status == PDU_TOO_BIG && w->repetitions > 1) {
        w->repetitions /= 2;
        return 0;
    }
    if (a->error_status == PDU_TOO_BIG)
        return shrink(&w->columns_per_pdu, e);
    if (a->error_status == PDU_NO_SUCH_NAME && a->error_index >= 1 &&
        (size_t)a->error_index <= w->nasked) {
        t->columns[w->asked[a->error_index - 1]].ended = true; /* v1's end of the MIB */
        return 0;
    }
    return err_set(e, ERR_PERMANENT, "the agent answers %s in table '%s'",
                   pdu_error_name(a->error_status), w->plan->tables[w->table].name);
}

/* The index is what the name has behind the column's. */
static int take_cell(struct walk *w, size_t column, const struct varbind *v, struct err *e)
{
    const struct walk_table *plan = &w->plan->tables[w->table];
    struct table_state *t = &w->tables[w->table];
    struct column_state *c = &t->columns[column];
    if (c->ended)
        return 0; /* repetitions behind the end */
    if (snmp_value_is_exception(&v->value) || !objid_below(&c->root, &v->name)) {
        c->ended = true;
        return 0;
    }
    if (objid_compare(&v->name, &c->last) <= 0)
        return err_set(e, ERR_PROTOCOL,
                       "the agent's objects do not rise in table '%s', column '%s'", plan->name,
                       plan->columns.items[column].name);
    c->last = v->name;
    int err = polled_rows_add(&t->rows, column, v->name.subids + c->root.n, v->name.n - c->root.n,
                              &v->value);
    return err ? full(e, err) : 0;
}

static int take_columns(struct walk *w, struct answer *a, struct err *e)
{
    struct varbind v;
    size_t n = 0;
    int err = 0;
    if (a->error_status)
        return take_column_error(w, a, e);
    for (; !err && answer_next(a, &v); n++)
        err = take_cell(w, w->asked[n % w->nasked], &v, e);
    if (!err && !n)
        return err_set(e, ERR_PROTOCOL, "the agent answers nothing in table '%s'",
                       w->plan->tables[w->table].name);
    return err;
}

static struct pdu *new_table_pdu(const struct walk *w, size_t ncolumns)
{
    size_t most = WALK_CELLS_PER_PDU / ncolumns;
    if (w->plan->version == SNMP_V1)
        return pdu_new(SNMP_V1, PDU_GETNEXT);
    return pdu_new_bulk(0, w->repetitions < most ? w->repetitions : (unsigned)most);
}

static void choose_columns(struct walk *w)
{
    const struct table_state *t = &w->tables[w->table];
    w->nasked = 0;
    for (size_t i = 0; i < t->rows.n && w->nasked < w->columns_per_pdu; i++)
        if (!t->columns[i].ended)
            w->asked[w->nasked++] = i;
}

/* NULL with nasked 0: no table is left. */
static struct pdu *ask_columns(struct walk *w)
{
    w->nasked = 0;
    for (; w->table < w->plan->ntables; w->table++) {
        choose_columns(w);
        if (w->nasked)
            break;
    }
    if (!w->nasked)
        return NULL;
    struct pdu *p = new_table_pdu(w, w->nasked);
    for (size_t i = 0; i < w->nasked; i++)
        pdu_add_null(p, &w->tables[w->table].columns[w->asked[i]].last);
    w->take = take_columns;
    return p;
}

/* ---- steps
 * -----------------------------------------------------------------------------------------*/

static void on_answer(void *arg, int result, struct answer *a);

/* Sends the next request; *RET_DONE when there is none. */
static int step(struct walk *w, bool *ret_done, struct err *e)
{
    *ret_done = false;
    if (clock_mono_ms() - w->began_mono_ms > WALK_LONGEST_MS)
        return err_set(e, ERR_TIMEOUT, "not complete after %d s", WALK_LONGEST_MS / 1000);
    struct pdu *p = ask_gets(w);
    if (!w->nasked)
        p = ask_columns(w);
    if (!w->nasked) {
        *ret_done = true;
        return 0;
    }
    return session_send(w->session, p, on_answer, w, e);
}

/* Agents are known that cannot send a large GETBULK answer and are silent instead. */
static bool ask_for_less(struct walk *w, int result)
{
    if (result != ERR_TIMEOUT || !w->heard || w->take != take_columns || w->repetitions <= 1)
        return false;
    w->repetitions = w->repetitions >= 8 ? w->repetitions / 4 : 1;
    return true;
}

static int take(struct walk *w, int result, struct answer *a, struct err *e)
{
    if (ask_for_less(w, result))
        return 0;
    if (result == ERR_TIMEOUT)
        return err_set(e, result, "no answer");
    if (result)
        return err_set(e, result, "%s", err_name(result));
    w->heard = true;
    return w->take(w, a, e);
}

static void on_answer(void *arg, int result, struct answer *a)
{
    struct walk *w = arg;
    struct err e = {0};
    bool done = false;
    int err = take(w, result, a, &e);
    if (!err)
        err = step(w, &done, &e);
    if (err || done)
        w->cb(w->arg, err ? &e : NULL);
}

/* ---- life
 * ------------------------------------------------------------------------------------------*/

static int init_table(struct table_state *t, const struct walk_table *plan, size_t json_max)
{
    size_t n = plan->columns.n;
    t->columns = calloc(n, sizeof *t->columns);
    if (!t->columns || polled_rows_init(&t->rows, n, json_max))
        return ERR_NOMEM;
    for (size_t i = 0; i < n; i++) {
        struct column_state *c = &t->columns[i];
        c->root = plan->entry;
        if (objid_append(&c->root, plan->columns.items[i].subid))
            return ERR_RANGE;
        c->last = c->root;
    }
    return 0;
}

static int init_states(struct walk *w)
{
    const struct walk_plan *p = w->plan;
    int err = 0;
    w->gets = calloc(p->ngets + 1, sizeof *w->gets);
    w->tables = calloc(p->ntables + 1, sizeof *w->tables);
    if (!w->gets || !w->tables)
        return ERR_NOMEM;
    for (size_t i = 0; !err && i < p->ntables; i++)
        err = init_table(&w->tables[i], &p->tables[i], p->json_max);
    return err;
}

int walk_start(struct walk **ret, struct session *s, const struct walk_plan *plan, walk_done *cb,
               void *arg, struct err *e)
{
    bool done = false;
    struct walk *w = calloc(1, sizeof *w);
    if (!w)
        return err_set(e, ERR_NOMEM, "out of memory");
    *w = (struct walk){
        .session = s,
        .plan = plan,
        .cb = cb,
        .arg = arg,
        .began_mono_ms = clock_mono_ms(),
        .gets_per_pdu = WALK_GETS_PER_PDU,
        .columns_per_pdu = COLUMNS_MAX,
        .repetitions = plan->repetitions,
    };
    buf_init(&w->json, plan->json_max);
    int err = init_states(w);
    if (err)
        err_set(e, err, "%s", err_name(err));
    else
        err = step(w, &done, e);
    if (!err && done)
        err = err_set(e, ERR_INVALID, "there is nothing to poll");
    if (err)
        walk_free(w);
    else
        *ret = w;
    return err;
}

void walk_free(struct walk *w)
{
    if (!w)
        return;
    for (size_t i = 0; w->tables && i < w->plan->ntables; i++) {
        polled_rows_release(&w->tables[i].rows);
        free(w->tables[i].columns);
    }
    free(w->tables);
    free(w->gets);
    buf_release(&w->json);
    free(w);
}

struct slice walk_get_json(const struct walk *w, size_t get)
{
    const struct get_state *g = &w->gets[get];
    return (struct slice){w->json.data + g->json_at, g->json_len};
}

const struct polled_rows *walk_rows(const struct walk *w, size_t table)
{
    return &w->tables[table].rows;
}
