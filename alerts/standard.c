/* A table's rows are those of a base, a database or a table of ours in the order of OIDs, each
 * followed by a few fixed tails: the states of a model, the numbers of variables. What a variable's
 * syntax is follows from its number, so that a column of values knows without looking which tails
 * it has. */
#include "alerts/standard.h"

#include <stdio.h>
#include <string.h>

#include "alerts/alarms.h"
#include "alerts/index.h"
#include "alerts/judge.h"
#include "base/clock.h"
#include "base/text.h"
#include "store/view.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

enum { TAIL_MAX = 2, VARIABLES = 9, TRAP_VARIABLES = VARIABLES + 2 };

/* ---- rows ---- */

struct tail {
    uint32_t subids[TAIL_MAX];
};
static const struct tail states[] = {
    {{STD_MODEL, 1}}, {{STD_MODEL, 2}}, {{STD_MODEL, 3}}, {{STD_MODEL, 4}}, {{STD_MODEL, 6}}};
static const struct tail severities[] = {
    {{STD_MODEL, 1}}, {{STD_MODEL, 2}}, {{STD_MODEL, 3}}, {{STD_MODEL, 5}}, {{STD_MODEL, 6}}};
static const struct tail variables[TRAP_VARIABLES] = {{{1}}, {{2}}, {{3}}, {{4}},  {{5}}, {{6}},
                                                      {{7}}, {{8}}, {{9}}, {{10}}, {{11}}};
static const struct tail none[1];

static const struct rows {
    const char *parts; /* of the base's key: n name, d date, i number */
    const char *db;    /* NULL: the table */
    uint8_t table;
    uint8_t taillen, ntails;
    const struct tail *tails;
} kinds[STD_ROWS_KINDS] = {
    [STD_OWNERS] = {"n", NULL, SA_OWNER, 0, 1, none},
    [STD_MODELS] = {"n", NULL, SA_OWNER, 2, COUNT(states), states},
    [STD_ITU_MODELS] = {"n", NULL, SA_OWNER, 2, COUNT(severities), severities},
    [STD_ACTIVE] = {"ndi", ALARMS_ACTIVE, 0, 0, 1, none},
    [STD_ACTIVE_VARIABLES] = {"ni", ALARMS_BY_ID, 0, 1, TRAP_VARIABLES, variables},
    [STD_CLEARED] = {"ndi", ALARMS_CLEAR, 0, 0, 1, none},
    [STD_LOG] = {"ni", NULL, SA_HISTORY, 0, 1, none},
    [STD_LOG_VARIABLES] = {"ni", NULL, SA_HISTORY, 1, VARIABLES, variables},
};

/* Octets of K that are a whole base key; 0: it is shorter, or not of that shape. */
static size_t base_len(const struct rows *rows, const struct key *k)
{
    size_t pos = 0;

    for (const char *p = rows->parts; *p; p++) {
        size_t room = k->len - pos, want = 4;

        if (room < 4)
            return 0;
        if (*p != 'i') {
            uint32_t n = get_u32(k->data + pos);

            if (n > SA_KEY_MAX / 4)
                return 0;
            want += (size_t)n * 4;
        }
        if (room < want)
            return 0;
        pos += want;
    }
    return pos;
}

/* The first row of the base at or behind FROM. VALUE: of a database. */
static int seek_base(struct txn *t, const struct rows *rows, const struct key *from, bool after,
                     struct key *ret, struct slice *ret_value)
{
    struct cursor c;
    struct slice k;
    struct row r;
    int err;

    if (rows->db) {
        err = kv_seek(t, rows->db, key_slice(from), after, &k, ret_value);
        if (!err)
            *ret = key_copy(k);
        return err;
    }
    cursor_seek(&c, t, sa_table_by_id(rows->table), NULL, from, after);
    if (cursor_row(&c, &r)) {
        *ret = key_copy(r.key);
        err = 0;
    } else {
        err = txn_error(t) ? txn_error(t) : ERR_NOTFOUND;
    }
    cursor_close(&c);
    return err;
}

/* ---- what a row tells ---- */

/* An alert as it is, or as it was by a row of history. Texts live as long as the row. */
struct event {
    char owner[33], definition[33];
    uint32_t alert, history;
    enum sa_level level, previous;
    int64_t at_ms;
    struct slice instance, message, value;
};

/* Columns that say so; 0: the row's own id. */
static const struct event_columns {
    uint8_t table, alert, history, definition, instance, level, previous, at, message, value;
} of_alert = {SA_ALERT,       0,           ALERT_HISTORY,        ALERT_DEFINITION,
              ALERT_INSTANCE, ALERT_LEVEL, ALERT_PREVIOUS_LEVEL, ALERT_SINCE,
              ALERT_MESSAGE,  ALERT_VALUE},
  of_history = {SA_HISTORY, HISTORY_ALERT, 0,          HISTORY_DEFINITION, HISTORY_INSTANCE,
                HISTORY_TO, HISTORY_FROM,  HISTORY_AT, HISTORY_MESSAGE,    HISTORY_VALUE};

static int event_read(struct txn *t, const struct event_columns *c, const char *owner, uint32_t id,
                      struct event *ret)
{
    struct key k = key_of_id(owner, id);
    struct row r;
    int err = row_get(t, sa_table_by_id(c->table), &k, &r);

    if (err)
        return err;
    snprintf(ret->owner, sizeof ret->owner, "%s", owner);
    row_str(&r, c->definition, ret->definition, sizeof ret->definition);
    ret->alert = c->alert ? (uint32_t)row_int(&r, c->alert) : id;
    ret->history = c->history ? (uint32_t)row_int(&r, c->history) : id;
    ret->level = (enum sa_level)row_int(&r, c->level);
    ret->previous = (enum sa_level)row_int(&r, c->previous);
    ret->at_ms = row_int(&r, c->at);
    ret->instance = row_text(&r, c->instance);
    ret->message = row_text(&r, c->message);
    ret->value = row_text(&r, c->value);
    return 0;
}

static enum sa_notification notification_of(const struct event *v)
{
    return v->level == LEVEL_OK      ? SA_ALERT_CLEARED
           : v->previous == LEVEL_OK ? SA_ALERT_RAISED
                                     : SA_ALERT_CHANGED;
}

/* ---- one instance ---- */

struct instance {
    struct txn *t;
    const struct standard_scope *scope;
    const struct std_object *object;
    char owner[33]; /* "": a scalar */
    const uint32_t *tail;
    struct event event; /* of rows that have one */
};

static int load(struct instance *i, const struct key *base, struct slice value)
{
    enum std_rows rows = i->object->rows;
    struct slice k = key_slice(base);
    size_t pos = 0;
    uint32_t id;

    if (!key_read_name(&k, &pos, i->owner))
        return txn_fail(i->t, ERR_CORRUPT);
    if (rows == STD_OWNERS || rows == STD_MODELS || rows == STD_ITU_MODELS)
        return 0;
    pos = k.len - 4;
    if (!key_read_u32(&k, &pos, &id) || (rows == STD_CLEARED && value.len != 4))
        return txn_fail(i->t, ERR_CORRUPT);
    if (rows == STD_CLEARED)
        id = get_u32(value.data);
    return event_read(i->t,
                      rows == STD_ACTIVE || rows == STD_ACTIVE_VARIABLES ? &of_alert : &of_history,
                      i->owner, id, &i->event);
}

/* ---- OIDs as values ---- */

static void oid_clear(struct standard_cell *c)
{
    c->noid = 0;
}

static void oid_add(struct standard_cell *c, const uint32_t *subids, size_t n)
{
    for (size_t i = 0; i < n && c->noid < COUNT(c->oid); i++)
        c->oid[c->noid++] = subids[i];
}

/* 0.0: there is none. */
static int nowhere(struct standard_cell *c)
{
    const uint32_t zero[2] = {0, 0};

    oid_clear(c);
    oid_add(c, zero, 2);
    return 0;
}

/* What is below our root: BRANCH 0 for notifications, 1 for objects. */
static void oid_ours(struct standard_cell *c, uint32_t branch, const uint32_t *subids, size_t n)
{
    oid_clear(c);
    oid_add(c, sa_root, sa_root_len);
    oid_add(c, &branch, 1);
    oid_add(c, subids, n);
}

static int oid_notification(struct standard_cell *c, uint32_t number)
{
    oid_ours(c, 0, &number, 1);
    return 0;
}

/* An instance of COLUMN of a table of ours. */
static int oid_cell(struct standard_cell *c, unsigned table, unsigned column, const struct key *k)
{
    uint32_t subids[128];
    struct slice s = key_slice(k);
    size_t n = view_oid(sa_table_by_id(table), column, &s, subids, COUNT(subids));

    oid_ours(c, 1, subids, n);
    return 0;
}

/* The row K of the table in which NAME is the first column. */
static int pointer(struct standard_cell *c, const char *name, const struct key *k)
{
    const struct std_object *o = std_object_by_name(name);
    uint32_t subids[SA_KEY_MAX / 4];
    struct slice s = key_slice(k);

    oid_clear(c);
    oid_add(c, std_mib2, std_nmib2);
    for (size_t i = 0; i < o->noid; i++)
        oid_add(c, &(const uint32_t){o->oid[i]}, 1);
    oid_add(c, subids, key_to_subids(&s, subids, COUNT(subids)));
    return 0;
}

static struct key model_key(const char *owner, uint32_t state)
{
    struct key k = key_of_id(owner, STD_MODEL);

    key_u32(&k, state);
    return k;
}

/* ---- where values come from ---- */

static int text(struct standard_cell *c, const void *p, size_t n)
{
    c->bytes = (struct slice){p, n};
    return 0;
}

/* sysUpTime at AT_MS of the wall clock; 0: never, or before the agent was there. */
static int64_t ticks_at(const struct standard_scope *s, int64_t at_ms)
{
    int64_t ago = (s->now_ms - at_ms) / 10;

    if (!at_ms || ago >= s->uptime)
        return 0;
    return ago > 0 ? s->uptime - ago : s->uptime;
}

static int get_constant(struct instance *i, struct standard_cell *c)
{
    c->number = i->object->arg;
    c->bytes = (struct slice){(const uint8_t *)"", 0};
    return i->object->syntax == STD_OID ? nowhere(c) : 0;
}

static int get_column(struct instance *i, struct standard_cell *c)
{
    const uint32_t subids[] = {(uint32_t)i->object->arg >> 8, 1, i->object->arg & 255};

    oid_ours(c, 1, subids, COUNT(subids));
    return 0;
}

static int64_t system_cell(struct txn *t, unsigned column)
{
    struct row r = {.table = sa_table_by_id(SA_SYSTEM)};
    struct key k = key_of_scalars();

    row_get(t, r.table, &k, &r);
    return row_int(&r, column);
}

static int get_config_time(struct instance *i, struct standard_cell *c)
{
    c->number = ticks_at(i->scope, system_cell(i->t, SYSTEM_CONFIG_LOADED));
    return txn_error(i->t);
}

static int get_count(struct instance *i, struct standard_cell *c)
{
    const char *owner = i->owner[0] ? i->owner : i->scope->owner ? i->scope->owner : "";
    struct alarm_counts counts;
    int err = alarms_counts(i->t, owner, &counts);

    c->number = counts.n[i->object->arg];
    return err;
}

static int get_count_time(struct instance *i, struct standard_cell *c)
{
    int err = get_count(i, c);

    c->number = ticks_at(i->scope, c->number);
    return err;
}

static int get_limit(struct instance *i, struct standard_cell *c)
{
    c->number = system_cell(i->t, (unsigned)i->object->arg);
    return txn_error(i->t);
}

static int get_limit_minutes(struct instance *i, struct standard_cell *c)
{
    int err = get_limit(i, c);

    c->number = (c->number + 59) / 60;
    return err;
}

static int get_limit_or_most(struct instance *i, struct standard_cell *c)
{
    int err = get_limit(i, c);

    if (!c->number)
        c->number = UINT32_MAX;
    return err;
}

static int get_list(struct instance *i, struct standard_cell *c)
{
    memcpy(c->scratch, i->owner, sizeof i->owner);
    return text(c, c->scratch, strlen(i->owner));
}

/* The state that an instance is about: its own, or its alarm's. */
static const struct std_state *state_of(const struct instance *i)
{
    for (size_t n = 0; n < STD_STATES; n++) {
        const struct std_state *s = &std_states[n];

        if ((i->object->rows == STD_MODELS && i->tail[1] == s->state) ||
            (i->object->rows == STD_ITU_MODELS && i->tail[1] == s->severity))
            return s;
    }
    return std_state_of(i->event.level);
}

static int get_model_notification(struct instance *i, struct standard_cell *c)
{
    return oid_notification(c, state_of(i)->level == LEVEL_OK ? SA_ALERT_CLEARED : SA_ALERT_RAISED);
}

static int get_model_level(struct instance *i, struct standard_cell *c)
{
    c->number = state_of(i)->level;
    return 0;
}

static int get_model_name(struct instance *i, struct standard_cell *c)
{
    const struct sa_column *level = sa_column_by_number(sa_table_by_id(SA_ALERT), ALERT_LEVEL);
    const char *name = sa_name_of(level->names, state_of(i)->level);

    return text(c, name, strlen(name));
}

static int get_model_pointer(struct instance *i, struct standard_cell *c)
{
    struct key k = model_key(i->owner, state_of(i)->state);

    return pointer(c, "alarmModelNotificationId", &k);
}

static int get_itu_model_pointer(struct instance *i, struct standard_cell *c)
{
    struct key k = model_key(i->owner, state_of(i)->severity);

    return pointer(c, "ituAlarmEventType", &k);
}

static int get_notification(struct instance *i, struct standard_cell *c)
{
    return oid_notification(c, notification_of(&i->event));
}

static int get_resource(struct instance *i, struct standard_cell *c)
{
    struct key k = key_of_id(i->owner, i->event.alert);

    return oid_cell(c, SA_ALERT, ALERT_DEFINITION, &k);
}

static int get_message(struct instance *i, struct standard_cell *c)
{
    return text(c, i->event.message.data, i->event.message.len);
}

static int get_log_pointer(struct instance *i, struct standard_cell *c)
{
    struct key k = key_of_id(i->owner, i->event.history);

    if (!row_exists(i->t, sa_table_by_id(SA_HISTORY), &k))
        return nowhere(c);
    return pointer(c, "nlmLogTime", &k);
}

static int get_log_index(struct instance *i, struct standard_cell *c)
{
    c->number = i->event.history;
    return 0;
}

static int get_itu_pointer(struct instance *i, struct standard_cell *c)
{
    struct key k = alarms_key(i->owner, i->event.at_ms, i->event.alert);

    return pointer(c, "ituAlarmActiveTrendIndication", &k);
}

/* ItuTrendIndication: moreSevere(1), noChange(2), lessSevere(3) */
static int get_trend(struct instance *i, struct standard_cell *c)
{
    int now = level_rank(i->event.level), before = level_rank(i->event.previous);

    c->number = now > before ? 1 : now < before ? 3 : 2;
    return 0;
}

static int date(struct standard_cell *c, int64_t at_ms)
{
    clock_date_and_time(at_ms, c->scratch);
    return text(c, c->scratch, DATE_AND_TIME_LEN);
}

static int get_at(struct instance *i, struct standard_cell *c)
{
    return date(c, i->event.at_ms);
}

static int get_at_time(struct instance *i, struct standard_cell *c)
{
    c->number = ticks_at(i->scope, i->event.at_ms);
    return 0;
}

/* ---- variables ---- */

/* The objects of an alert's notification that are the same whoever is told: not the notice's. */
static const struct sa_object *object_of(uint32_t number)
{
    const struct sa_notification_type *n = sa_notification_by_number(SA_ALERT_RAISED);

    for (size_t i = 0; i < n->nobjects; i++)
        if (n->objects[i].row != ROW_OF_NOTICE && --number == 0)
            return &n->objects[i];
    return NULL;
}

/* As in an SNMPv2-Trap-PDU (RFC 3877): sysUpTime.0 and snmpTrapOID.0 come first. The log (RFC 3014)
 * has them in columns of their own. 0 and -1 are these two. */
static int variable_of(const struct std_object *o, uint32_t tail)
{
    return o->rows == STD_ACTIVE_VARIABLES ? (int)tail - 2 : (int)tail;
}

static const struct sa_column *column_of(int variable)
{
    const struct sa_object *o = object_of((uint32_t)variable);

    return sa_column_by_number(sa_table_by_id(o->table), o->column);
}

static enum std_syntax syntax_of(int variable)
{
    if (variable <= 0)
        return variable ? STD_TICKS : STD_OID;
    return column_of(variable)->syntax == SA_ENUM ? STD_INTEGER32 : STD_OCTETS;
}

static int get_variable_syntax(struct instance *i, struct standard_cell *c)
{
    c->number = syntax_of(variable_of(i->object, i->tail[0]));
    return 0;
}

static int get_variable_name(struct instance *i, struct standard_cell *c)
{
    static const uint32_t uptime[] = {1, 3, 6, 1, 2, 1, 1, 3, 0};
    static const uint32_t trap_oid[] = {1, 3, 6, 1, 6, 3, 1, 1, 4, 1, 0};
    int variable = variable_of(i->object, i->tail[0]);
    const struct sa_object *o;
    struct key k;

    oid_clear(c);
    if (variable <= 0) {
        oid_add(c, variable ? uptime : trap_oid, variable ? COUNT(uptime) : COUNT(trap_oid));
        return 0;
    }
    o = object_of((uint32_t)variable);
    k = o->row == ROW_OF_OWNER        ? key_of_name(i->owner)
        : o->row == ROW_OF_DEFINITION ? key_of_names(i->owner, i->event.definition)
                                      : key_of_id(i->owner, i->event.alert);
    return oid_cell(c, o->table, o->column, &k);
}

/* The service that the definition has now; of one that is gone, the default. */
static int get_service(struct instance *i, struct standard_cell *c)
{
    struct key k = key_of_names(i->owner, i->event.definition);
    struct slice service;
    int err = kv_get(i->t, INDEX_DEF_SERVICE, key_slice(&k), &service);

    if (err == ERR_NOTFOUND)
        return text(c, SERVICE_DEFAULT, strlen(SERVICE_DEFAULT));
    return err ? err : text(c, service.data, service.len);
}

static int alert_variable(struct instance *i, unsigned column, struct standard_cell *c)
{
    const struct event *v = &i->event;

    switch (column) {
    case ALERT_INSTANCE:
        return text(c, v->instance.data, v->instance.len);
    case ALERT_LEVEL:
        c->number = v->level;
        return 0;
    case ALERT_PREVIOUS_LEVEL:
        c->number = v->previous;
        return 0;
    case ALERT_MESSAGE:
        return text(c, v->message.data, v->message.len);
    case ALERT_VALUE:
        return text(c, v->value.data, v->value.len);
    default:
        return date(c, v->at_ms);
    }
}

static int get_variable(struct instance *i, struct standard_cell *c)
{
    int variable = variable_of(i->object, i->tail[0]);
    const struct sa_object *o;

    if (variable <= 0)
        return variable ? get_at_time(i, c) : get_notification(i, c);
    o = object_of((uint32_t)variable);
    if (o->row == ROW_OF_OWNER)
        return get_list(i, c);
    if (o->row == ROW_OF_ALERT)
        return alert_variable(i, o->column, c);
    return o->column == DEFINITION_SERVICE
               ? get_service(i, c)
               : text(c, i->event.definition, strlen(i->event.definition));
}

/* ---- all of them ---- */

static int (*const getters[STD_SOURCES])(struct instance *i, struct standard_cell *c) = {
    [STD_CONSTANT] = get_constant,
    [STD_COLUMN] = get_column,
    [STD_CONFIG_TIME] = get_config_time,
    [STD_COUNT] = get_count,
    [STD_COUNT_TIME] = get_count_time,
    [STD_LIMIT] = get_limit,
    [STD_LIMIT_MINUTES] = get_limit_minutes,
    [STD_LIMIT_OR_MOST] = get_limit_or_most,
    [STD_LIST] = get_list,
    [STD_MODEL_NOTIFICATION] = get_model_notification,
    [STD_MODEL_LEVEL] = get_model_level,
    [STD_MODEL_NAME] = get_model_name,
    [STD_MODEL_POINTER] = get_model_pointer,
    [STD_ITU_MODEL_POINTER] = get_itu_model_pointer,
    [STD_NOTIFICATION] = get_notification,
    [STD_RESOURCE] = get_resource,
    [STD_MESSAGE] = get_message,
    [STD_LOG_POINTER] = get_log_pointer,
    [STD_LOG_INDEX] = get_log_index,
    [STD_ITU_POINTER] = get_itu_pointer,
    [STD_TREND] = get_trend,
    [STD_AT] = get_at,
    [STD_AT_TIME] = get_at_time,
    [STD_VARIABLE_NAME] = get_variable_name,
    [STD_VARIABLE_SYNTAX] = get_variable_syntax,
    [STD_VARIABLE] = get_variable,
};

/* Has the object a value in rows with this tail? */
static bool has_tail(const struct std_object *o, const struct tail *tail)
{
    return o->source != STD_VARIABLE || syntax_of(variable_of(o, tail->subids[0])) == o->syntax;
}

/* The octets that values point to outlive this: copy what is in the instance. */
static int value_of(struct txn *t, const struct standard_scope *s, const struct std_object *o,
                    const struct key *base, struct slice value, const struct tail *tail,
                    struct standard_cell *ret)
{
    struct instance i = {.t = t, .scope = s, .object = o, .tail = tail->subids};
    int err = o->rows == STD_SCALAR ? 0 : load(&i, base, value);

    ret->object = o;
    ret->number = 0;
    ret->noid = 0;
    ret->bytes = (struct slice){NULL, 0};
    if (!err)
        err = getters[o->source](&i, ret);
    if (ret->bytes.data == (const uint8_t *)i.event.definition) {
        memcpy(ret->scratch, i.event.definition, sizeof i.event.definition);
        ret->bytes.data = ret->scratch;
    }
    return err ? err : txn_error(t);
}

/* ---- GET and GETNEXT ---- */

/* Where SUBIDS stand to the object: before it, at or below it, behind it. */
static int side_of(const struct std_object *o, const uint32_t *subids, size_t n)
{
    for (size_t i = 0; i < o->noid; i++) {
        if (i == n)
            return -1;
        if (subids[i] != o->oid[i])
            return subids[i] < o->oid[i] ? -1 : 1;
    }
    return 0;
}

/* Is K before all that begins with FRONT? */
static bool is_before(const struct key *k, const struct key *front)
{
    return slice_compare(key_slice(k), key_slice(front)) < 0;
}

/* How K's octets behind LEN compare with TAIL's. */
static int compare_rest(const struct key *k, size_t len, const struct key *tail)
{
    return slice_compare((struct slice){k->data + len, k->len - len}, key_slice(tail));
}

static struct key tail_key(const struct rows *rows, const struct tail *tail)
{
    struct key k;

    key_init(&k);
    for (size_t i = 0; i < rows->taillen; i++)
        key_u32(&k, tail->subids[i]);
    return k;
}

/* The first tail that is at or behind (AFTER: behind) what K has behind LEN octets. */
static const struct tail *next_tail(const struct std_object *o, const struct key *k, size_t len,
                                    bool after)
{
    const struct rows *rows = &kinds[o->rows];

    for (size_t i = 0; i < rows->ntails; i++) {
        struct key tail = tail_key(rows, &rows->tails[i]);
        int diff = compare_rest(k, len, &tail);

        if (has_tail(o, &rows->tails[i]) && (diff < 0 || (!diff && !after)))
            return &rows->tails[i];
    }
    return NULL;
}

static int get_row(struct txn *t, const struct standard_scope *s, const struct std_object *o,
                   const struct key *k, struct standard_cell *ret)
{
    const struct rows *rows = &kinds[o->rows];
    size_t len = base_len(rows, k);
    struct key base = *k, found, front;
    const struct tail *tail;
    struct slice value = {NULL, 0};
    int err;

    if (!len)
        return ERR_NOTFOUND;
    base.len = (uint16_t)len;
    tail = next_tail(o, k, len, false);
    if (!tail)
        return ERR_NOTFOUND;
    found = tail_key(rows, tail);
    if (compare_rest(k, len, &found))
        return ERR_NOTFOUND;
    front = key_of_name(s->owner ? s->owner : "");
    if (s->owner && !key_begins(key_slice(&base), &front))
        return ERR_NOTFOUND;
    err = seek_base(t, rows, &base, false, &found, &value);
    if (err)
        return err;
    if (!slice_equal(key_slice(&found), key_slice(&base)))
        return ERR_NOTFOUND;
    return value_of(t, s, o, &base, value, tail, ret);
}

int standard_get(struct txn *t, const struct standard_scope *s, const uint32_t *subids, size_t n,
                 struct standard_cell *ret)
{
    for (size_t i = 0; i < std_nobjects; i++) {
        const struct std_object *o = &std_objects[i];
        struct key k, zero;

        if (side_of(o, subids, n))
            continue;
        if (!key_from_subids(&k, subids + o->noid, n - o->noid))
            return ERR_NOTFOUND;
        if (o->rows != STD_SCALAR)
            return get_row(t, s, o, &k, ret);
        zero = key_of_scalars();
        if (!slice_equal(key_slice(&k), key_slice(&zero)))
            return ERR_NOTFOUND;
        return value_of(t, s, o, NULL, (struct slice){NULL, 0}, &none[0], ret);
    }
    return ERR_UNSUPPORTED;
}

/* The first row with a value at or behind (AFTER: behind) *K, which it becomes. */
static int next_row(struct txn *t, const struct standard_scope *s, const struct std_object *o,
                    struct key *k, bool after, struct standard_cell *ret)
{
    const struct rows *rows = &kinds[o->rows];
    struct key front = key_of_name(s->owner ? s->owner : ""), empty = {.len = 0};

    if (!next_tail(o, &empty, 0, false))
        return ERR_NOTFOUND;
    if (s->owner && is_before(k, &front)) {
        *k = front;
        after = false;
    }
    for (;;) {
        size_t len = base_len(rows, k);
        struct key from = *k, base, tail_octets;
        struct slice value = {NULL, 0};
        const struct tail *tail;
        int err;

        if (len)
            from.len = (uint16_t)len;
        err = seek_base(t, rows, &from, false, &base, &value);
        tail = NULL;
        if (!err && len && slice_equal(key_slice(&base), key_slice(&from))) {
            tail = next_tail(o, k, len, after);
            if (!tail)
                err = seek_base(t, rows, &from, true, &base, &value);
        }
        if (err || (s->owner && !key_begins(key_slice(&base), &front)))
            return err ? err : ERR_NOTFOUND;
        if (!tail)
            tail = next_tail(o, &empty, 0, false);
        tail_octets = tail_key(rows, tail);
        err = value_of(t, s, o, &base, value, tail, ret);
        *k = base;
        memcpy(k->data + k->len, tail_octets.data, tail_octets.len);
        k->len = (uint16_t)(k->len + tail_octets.len);
        if (err != ERR_NOTFOUND)
            return err;
        after = true; /* a row that is gone from under its entry */
    }
}

/* The first instance of O; behind FROM, if that is not NULL. */
static int next_in(struct txn *t, const struct standard_scope *s, const struct std_object *o,
                   const struct key *from, struct key *ret_key, struct standard_cell *ret)
{
    *ret_key = from ? *from : (struct key){.len = 0};
    if (o->rows != STD_SCALAR)
        return next_row(t, s, o, ret_key, from && from->len, ret);
    if (from && from->len)
        return ERR_NOTFOUND;
    *ret_key = key_of_scalars();
    return value_of(t, s, o, NULL, (struct slice){NULL, 0}, &none[0], ret);
}

int standard_next(struct txn *t, const struct standard_scope *s, const uint32_t *subids, size_t n,
                  uint32_t *ret_subids, size_t *ret_n, struct standard_cell *ret)
{
    for (size_t i = 0; i < std_nobjects; i++) {
        const struct std_object *o = &std_objects[i];
        int side = side_of(o, subids, n), err;
        struct key from = {.len = 0}, k;
        struct slice octets;

        if (side > 0)
            continue;
        if (!side)
            key_from_subids(&from, subids + o->noid, n - o->noid); /* cut: behind every key */
        err = next_in(t, s, o, side ? NULL : &from, &k, ret);
        if (err == ERR_NOTFOUND)
            continue;
        if (err)
            return err;
        for (size_t j = 0; j < o->noid; j++)
            ret_subids[j] = o->oid[j];
        octets = key_slice(&k);
        *ret_n = o->noid + key_to_subids(&octets, ret_subids + o->noid, 128 - o->noid);
        return 0;
    }
    return txn_error(t) ? txn_error(t) : ERR_NOTFOUND;
}
