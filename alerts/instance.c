#include "alerts/instance.h"

#include <stdio.h>
#include <string.h>

#include "alerts/acknowledge.h"
#include "alerts/alarms.h"
#include "alerts/checks.h"
#include "alerts/retention.h"

/* Databases:
 *   instances  owner,definition,hash128(instance) -> u32 alert; verified against the row
 *   held       u32 alert -> owner; alerts whose hold or no-data time runs (for a restart) */
#define DB_INSTANCES "instances"
#define DB_HELD      "held"

static const struct sa_table *alerts(void)
{
    return sa_table_by_id(SA_ALERT);
}

/* ---- definitions ---- */

bool definition_read(struct definition *ret, const struct row *r)
{
    size_t pos = 0;

    if (!key_read_name(&r->key, &pos, ret->owner) || !key_read_name(&r->key, &pos, ret->name))
        return false;
    row_str(r, DEFINITION_SERVICE, ret->service, sizeof ret->service);
    if (!ret->service[0])
        memcpy(ret->service, SERVICE_DEFAULT, sizeof SERVICE_DEFAULT);
    row_str(r, DEFINITION_DESCRIPTION, ret->description, sizeof ret->description);
    ret->interval_ms = row_int(r, DEFINITION_INTERVAL);
    ret->stale_multiplier = row_int(r, DEFINITION_STALE_MULTIPLIER);
    ret->notify_recovery = row_int(r, DEFINITION_NOTIFY_RECOVERY) == TRUTH_TRUE;
    ret->disabled = row_int(r, DEFINITION_DISABLED) == TRUTH_TRUE;
    ret->rules = (struct judge_rules){
        .severity = (enum sa_level)row_int(r, DEFINITION_SEVERITY),
        .hold_ms = row_int(r, DEFINITION_TIME_THRESHOLD),
        .stale_ms = ret->stale_multiplier * ret->interval_ms,
        .no_data = (enum sa_policy)row_int(r, DEFINITION_NO_DATA),
        .on_error = (enum sa_policy)row_int(r, DEFINITION_ON_ERROR),
        .clear_ms = row_int(r, DEFINITION_CLEAR_DELAY),
        .tolerance = (unsigned)row_int(r, DEFINITION_REPEAT_TOLERANCE),
        .flap_history = (unsigned)row_int(r, DEFINITION_FLAP_HISTORY),
        .flap_low = (unsigned)row_int(r, DEFINITION_FLAP_LOW),
        .flap_high = (unsigned)row_int(r, DEFINITION_FLAP_HIGH),
    };
    return true;
}

int script_text(struct txn *t, const struct key *script, struct buf *b)
{
    struct cursor c;
    struct row r;

    buf_clear(b);
    for (cursor_first(&c, t, sa_table_by_id(SA_SCRIPT_TEXT), script); cursor_row(&c, &r);
         cursor_next(&c)) {
        struct slice text = row_text(&r, SCRIPT_TEXT_TEXT);

        if (row_active(&r))
            buf_bytes(b, text.data, text.len);
    }
    cursor_close(&c);
    return txn_error(t) ? txn_error(t) : b->err;
}

static int find_script(struct txn *t, const char *owner, const char *name, struct key *ret)
{
    char whose[33];
    struct row r;
    int err = ref_find(t, SA_SCRIPT, owner, name, &r, whose);

    if (err)
        return err;
    *ret = key_of_names(whose, name);
    return row_active(&r) ? 0 : ERR_NOTFOUND;
}

int condition_text(struct txn *t, const char *owner, struct slice condition, const char *script,
                   struct buf *b)
{
    struct key k;
    int err;

    buf_clear(b);
    if (!script[0]) {
        buf_bytes(b, condition.data, condition.len);
        return b->err;
    }
    err = find_script(t, owner, script, &k);
    if (!err)
        err = script_text(t, &k, b);
    return err || b->len ? err : ERR_NOTFOUND;
}

bool definition_has_levels(const struct row *definition)
{
    for (unsigned c = DEFINITION_CRIT; c <= DEFINITION_INFO_RESET; c++)
        if (row_text(definition, c).len)
            return true;
    return false;
}

int definition_text(struct txn *t, const struct row *definition, struct buf *b)
{
    char owner[33], script[33];
    size_t pos = 0;
    int err;

    if (!key_read_name(&definition->key, &pos, owner))
        return ERR_CORRUPT;
    row_str(definition, DEFINITION_SCRIPT, script, sizeof script);
    err = condition_text(t, owner, row_text(definition, DEFINITION_CONDITION), script, b);
    if (err || !definition_has_levels(definition))
        return err;
    for (unsigned c = DEFINITION_CRIT; c <= DEFINITION_INFO_RESET; c++) { /* enum verdict_part */
        struct slice text = row_text(definition, c);

        buf_u8(b, 0);
        buf_bytes(b, text.data, text.len);
    }
    return b->err;
}

/* ---- finding ---- */

static void instance_key(struct key *k, const char *owner, const char *definition,
                         const char *instance)
{
    uint8_t hash[16];

    *k = key_of_names(owner, definition);
    hash128(instance, strlen(instance), hash);
    for (size_t i = 0; i < sizeof hash; i += 4)
        key_u32(k, get_u32(hash + i));
}

/* 0 and the row, or ERR_NOTFOUND. */
static int find(struct txn *t, const struct definition *d, const char *instance, uint32_t *ret_id,
                struct row *ret)
{
    struct key k, row_key;
    struct slice v, text;
    int err;

    instance_key(&k, d->owner, d->name, instance);
    err = kv_get(t, DB_INSTANCES, key_slice(&k), &v);
    if (err)
        return err;
    if (v.len != 4)
        return txn_fail(t, ERR_CORRUPT);
    *ret_id = get_u32(v.data);
    row_key = key_of_id(d->owner, *ret_id);
    err = row_get(t, alerts(), &row_key, ret);
    if (err)
        return err == ERR_NOTFOUND ? txn_fail(t, ERR_CORRUPT) : err;
    text = row_text(ret, ALERT_INSTANCE);
    if (text.len != strlen(instance) || memcmp(text.data, instance, text.len))
        return txn_fail(t, ERR_CORRUPT); /* two names, one 128-bit hash */
    return 0;
}

static int create(struct txn *t, const struct definition *d, const char *instance, uint32_t *ret_id)
{
    uint8_t id[4];
    struct key k;
    int err = id_next(t, alerts(), ret_id);

    if (err)
        return err;
    put_u32(id, *ret_id);
    instance_key(&k, d->owner, d->name, instance);
    return kv_put(t, DB_INSTANCES, key_slice(&k), (struct slice){id, sizeof id});
}

/* ---- state to cells and back ---- */

static void state_read(struct judge_state *s, const struct row *r)
{
    struct slice ring = row_text(r, ALERT_RING);

    *s = (struct judge_state){
        .ring_len = (uint8_t)(ring.len < JUDGE_FLAP_MOST ? ring.len : JUDGE_FLAP_MOST)};
    if (s->ring_len)
        memcpy(s->ring, ring.data, s->ring_len);
    s->level = (enum sa_level)row_int(r, ALERT_LEVEL);
    s->previous_level = (enum sa_level)row_int(r, ALERT_PREVIOUS_LEVEL);
    s->phase = (enum sa_phase)row_int(r, ALERT_PHASE);
    s->firmness = (enum sa_firmness)row_int(r, ALERT_FIRMNESS);
    s->results = (unsigned)row_int(r, ALERT_RESULTS);
    s->flags = (unsigned)row_int(r, ALERT_FLAGS);
    s->since_ms = row_int(r, ALERT_SINCE);
    s->active_since_ms = row_int(r, ALERT_ACTIVE_SINCE);
    s->pending_level = (enum sa_level)row_int(r, ALERT_PENDING_LEVEL);
    s->held_ms = row_int(r, ALERT_HELD);
    s->pending_since_mono = row_int(r, ALERT_PENDING_SINCE);
    s->no_data_since_mono = row_int(r, ALERT_DATA_SINCE);
}

static void state_write(struct edit *e, const struct judge_state *s)
{
    edit_int(e, ALERT_LEVEL, s->level);
    edit_int(e, ALERT_PREVIOUS_LEVEL, s->previous_level);
    edit_int(e, ALERT_PHASE, s->phase);
    edit_int(e, ALERT_FIRMNESS, s->firmness);
    edit_int(e, ALERT_RESULTS, s->results);
    edit_int(e, ALERT_FLAGS, s->flags);
    edit_int(e, ALERT_SINCE, s->since_ms);
    edit_int(e, ALERT_ACTIVE_SINCE, s->active_since_ms);
    edit_int(e, ALERT_PENDING_LEVEL, s->pending_level);
    edit_int(e, ALERT_HELD, s->held_ms);
    edit_int(e, ALERT_PENDING_SINCE, s->pending_since_mono);
    edit_int(e, ALERT_DATA_SINCE, s->no_data_since_mono);
    if (s->ring_len)
        edit_text(e, ALERT_RING, s->ring, s->ring_len);
    else
        edit_clear(e, ALERT_RING);
}

static bool same_state(const struct judge_state *a, const struct judge_state *b)
{
    return a->level == b->level && a->previous_level == b->previous_level && a->phase == b->phase &&
           a->firmness == b->firmness && a->results == b->results && a->flags == b->flags &&
           a->since_ms == b->since_ms && a->active_since_ms == b->active_since_ms &&
           a->pending_level == b->pending_level && a->held_ms == b->held_ms &&
           a->pending_since_mono == b->pending_since_mono &&
           a->no_data_since_mono == b->no_data_since_mono && a->ring_len == b->ring_len &&
           !memcmp(a->ring, b->ring, a->ring_len);
}

static int mark_held(struct txn *t, const char *owner, uint32_t alert, const struct judge_state *s)
{
    uint8_t id[4];
    struct slice k = {id, sizeof id}, v = {(const uint8_t *)owner, strlen(owner)};
    int err;

    put_u32(id, alert);
    if (s->pending_level || s->no_data_since_mono)
        return kv_put(t, DB_HELD, k, v);
    err = kv_del(t, DB_HELD, k);
    return err == ERR_NOTFOUND ? 0 : err;
}

/* ---- history and telling ---- */

struct step { /* one transition on its way to the store */
    const struct definition *d;
    const char *instance, *value, *message;
    uint32_t alert, history;
    const struct judge_transition *t;
    const struct judge_state *after;
    struct ack ack;
};

/* The transition as a list of alarms has it. */
static int list_alarm(struct txn *t, const struct step *s, int64_t now_ms)
{
    const struct alarm_step step = {
        .owner = s->d->owner,
        .alert = s->alert,
        .history = s->history,
        .from = s->t->from,
        .to = s->t->to,
        .at_ms = now_ms,
    };

    return alarms_step(t, &step);
}

static int write_history(struct txn *t, struct step *s, int64_t now_ms)
{
    struct key k;
    struct edit e;
    int err = id_next(t, sa_table_by_id(SA_HISTORY), &s->history);

    if (err)
        return err;
    k = key_of_id(s->d->owner, s->history);
    edit_new(&e, t, sa_table_by_id(SA_HISTORY), &k);
    edit_int(&e, HISTORY_ALERT, s->alert);
    edit_str(&e, HISTORY_DEFINITION, s->d->name);
    edit_str(&e, HISTORY_INSTANCE, s->instance);
    edit_int(&e, HISTORY_FROM, s->t->from);
    edit_int(&e, HISTORY_TO, s->t->to);
    edit_int(&e, HISTORY_AT, now_ms);
    edit_int(&e, HISTORY_IN_TIME, s->t->in_ms);
    edit_int(&e, HISTORY_OUT_TIME, s->t->out_ms);
    edit_int(&e, HISTORY_REASON, s->t->reason);
    edit_str(&e, HISTORY_VALUE, s->value);
    edit_str(&e, HISTORY_MESSAGE, s->message);
    edit_int(&e, HISTORY_FIRMNESS, s->after->firmness);
    err = row_put(&e, NULL);
    if (!err)
        err = retention_add(t, RETAINED_HISTORY, s->d->owner, s->history, now_ms);
    return err ? err : list_alarm(t, s, now_ms);
}

/* What a notice of the transition says, but for its kind. */
static struct notice_text text_of(const struct step *s, int64_t now_ms)
{
    const struct judge_transition *t = s->t;

    return (struct notice_text){
        .owner = s->d->owner,
        .definition = s->d->name,
        .service = s->d->service,
        .instance = s->instance,
        .value = s->value,
        .message = s->message,
        .alert = s->alert,
        .history = s->history,
        .level = t->to,
        .previous_level = t->kind == KIND_RAISE ? LEVEL_OK /* as it is known */
                          : t->happened         ? t->from
                                                : s->after->previous_level,
        .at_ms = t->happened ? now_ms : s->after->since_ms,
        .active_since_ms = t->in_ms,
        .suppression = s->ack.suppresses ? SUPPRESSION_ACKNOWLEDGED : 0,
    };
}

static int tell_flapping(struct txn *t, const struct step *s, const struct route *route,
                         int64_t now_ms, notice_digest_fn digest_ms_of, void *arg)
{
    struct notice_text n = text_of(s, now_ms);

    n.kind = KIND_FLAPPING;
    n.notification = SA_ALERT_FLAPPING;
    n.message =
        s->t->flap == FLAP_BEGAN ? "flapping: the level changes too often" : "no longer flapping";
    return notice_tell(t, route, &n, true, digest_ms_of, arg, now_ms);
}

static int tell_level(struct txn *t, const struct step *s, const struct route *route,
                      int64_t now_ms, notice_digest_fn digest_ms_of, void *arg)
{
    static const enum sa_notification by_kind[] = {[KIND_RAISE] = SA_ALERT_RAISED,
                                                   [KIND_CLEAR] = SA_ALERT_CLEARED,
                                                   [KIND_CHANGE] = SA_ALERT_CHANGED};
    struct notice_text n = text_of(s, now_ms);

    n.kind = s->t->kind;
    n.notification = by_kind[s->t->kind];
    if (s->t->flap == FLAP_ENDED && n.kind == KIND_CHANGE)
        return notice_level_known(t, route, &n, digest_ms_of, arg, now_ms);
    return notice_tell(t, route, &n, s->d->notify_recovery, digest_ms_of, arg, now_ms);
}

static bool is_told(const struct judge_transition *t)
{
    return t->kind || t->flap;
}

static int tell(struct txn *t, const struct step *s, int64_t now_ms, notice_digest_fn digest_ms_of,
                void *arg)
{
    struct route route;
    int err = route_find(t, s->d->owner, s->d->name, &route);

    if (!err && s->t->flap)
        err = tell_flapping(t, s, &route, now_ms, digest_ms_of, arg);
    if (!err && s->t->kind)
        err = tell_level(t, s, &route, now_ms, digest_ms_of, arg);
    return err;
}

/* The words of a transition: the condition's own, else what is known. */
static void words(const struct definition *d, const char *instance,
                  const struct instance_verdict *v, const struct judge_transition *t, char *dst,
                  size_t cap)
{
    const struct sa_column *level = sa_column_by_number(alerts(), ALERT_LEVEL);
    const char *name = sa_name_of(level->names, t->to);
    char text[VERDICT_MESSAGE_MAX + 1]; /* the longest of them */
    size_t n;

    if (v->kind == VERDICT_ERROR)
        snprintf(text, sizeof text, "condition failed: %s", v->error ? v->error : "");
    else if (v->message && v->message[0])
        snprintf(text, sizeof text, "%s", v->message);
    else if (v->kind == VERDICT_NODATA)
        snprintf(text, sizeof text, "no data");
    else if (d->description[0] && t->to != LEVEL_OK) /* it tells the problem */
        snprintf(text, sizeof text, "%s", d->description);
    else
        snprintf(text, sizeof text, "%s%s%s is %s", d->name, instance[0] ? " " : "", instance,
                 name ? name : "?");
    n = utf8_cut(text, strlen(text), cap - 1);
    memcpy(dst, text, n);
    dst[n] = 0;
}

/* ---- verdicts ---- */

/* The definition's, with what stands for the whole daemon where it leaves that open. */
static struct judge_rules rules_now(struct txn *t, const struct definition *d)
{
    struct key k = key_of_scalars();
    struct row r = {.table = sa_table_by_id(SA_SYSTEM), .key = key_slice(&k)};
    struct judge_rules rules = d->rules;

    if (rules.tolerance)
        return rules;
    (void)row_get(t, r.table, &k, &r); /* not there: a row of defaults */
    rules.tolerance = (unsigned)row_int(&r, SYSTEM_REPEAT_TOLERANCE);
    return rules;
}

static struct judge_said said_by(const struct instance_verdict *v)
{
    return (struct judge_said){
        .kind = v->kind, .level = v->level, .asked = v->asked, .holds = v->holds};
}

static void outcome_of(const struct judge_state *before, const struct judge_state *after,
                       bool existed, struct instance_result *ret)
{
    ret->changed = !existed || !same_state(before, after);
}

int instance_look(struct txn *t, const struct definition *d, const char *instance,
                  const struct instance_verdict *v, const struct judge_now *now,
                  struct instance_result *ret)
{
    const struct judge_said said = said_by(v);
    struct judge_rules rules = rules_now(t, d);
    struct judge_state before, after;
    struct row r;
    int err;

    *ret = (struct instance_result){.alert = 0};
    err = find(t, d, instance, &ret->alert, &r);
    if (err && err != ERR_NOTFOUND)
        return err;
    if (err)
        judge_init(&before, now);
    else
        state_read(&before, &r);
    after = before;
    ret->transition = judge(&after, &rules, &said, now, &ret->due_mono);
    outcome_of(&before, &after, !err, ret);
    return 0;
}

static int write_alert(struct txn *t, const struct step *s, const struct judge_state *state,
                       bool existed, int64_t now_ms)
{
    struct key k = key_of_id(s->d->owner, s->alert);
    struct edit e;
    int err;

    edit_begin(&e, t, alerts(), &k);
    if (!existed) {
        edit_str(&e, ALERT_DEFINITION, s->d->name);
        edit_str(&e, ALERT_INSTANCE, s->instance);
    }
    state_write(&e, state);
    edit_int(&e, ALERT_CHANGED, now_ms);
    if (s->t->happened) {
        edit_str(&e, ALERT_VALUE, s->value);
        edit_str(&e, ALERT_MESSAGE, s->message);
        edit_int(&e, ALERT_HISTORY, s->history);
    }
    if (s->ack.over)
        ack_wipe(&e);
    err = row_put(&e, NULL);
    if (!err && s->ack.over)
        err = ack_unwatch(t, s->alert, s->ack.due_ms);
    return err ? err : mark_held(t, s->d->owner, s->alert, state);
}

int instance_apply(struct txn *t, const struct definition *d, const char *instance,
                   const struct instance_verdict *v, const struct judge_now *now,
                   notice_digest_fn digest_ms_of, void *arg, struct instance_result *ret)
{
    char message[256];
    struct judge_state before, after;
    struct step s = {.d = d,
                     .instance = instance,
                     .value = v->value ? v->value : "",
                     .message = message,
                     .t = &ret->transition,
                     .after = &after,
                     .ack = {.kind = ACK_NONE}};
    const struct judge_said said = said_by(v);
    struct judge_rules rules = rules_now(t, d);
    struct row r;
    bool existed;
    int err;

    *ret = (struct instance_result){.alert = 0};
    err = find(t, d, instance, &ret->alert, &r);
    if (err && err != ERR_NOTFOUND)
        return err;
    existed = !err;
    if (existed) {
        state_read(&before, &r);
        s.ack = ack_read(&r);
        s.history = (uint32_t)row_int(&r, ALERT_HISTORY);
    } else {
        judge_init(&before, now);
    }
    after = before;
    ret->transition = judge(&after, &rules, &said, now, &ret->due_mono);
    ack_follow(&s.ack, &ret->transition, &after.flags);
    outcome_of(&before, &after, existed, ret);
    if (!ret->changed)
        return 0;
    err = existed ? 0 : create(t, d, instance, &ret->alert);
    s.alert = ret->alert;
    words(d, instance, v, &ret->transition, message, sizeof message);
    if (!err && ret->transition.happened)
        err = write_history(t, &s, now->wall_ms);
    if (!err)
        err = write_alert(t, &s, &after, existed, now->wall_ms);
    if (!err && is_told(&ret->transition))
        err = tell(t, &s, now->wall_ms, digest_ms_of, arg);
    return err;
}

/* ---- what others make of an alert ---- */

static struct judge_transition push_state(struct judge_state *s, const struct instance_push *p,
                                          const struct judge_now *now)
{
    static const struct judge_rules at_once = {.hold_ms = 0};
    const struct judge_said said = {.kind = VERDICT_LEVEL, .level = p->to};
    struct judge_transition move;
    int64_t due_mono;

    if (p->to == LEVEL_OK)
        return judge_close(s, p->reason, now);
    move = judge(s, &at_once, &said, now, &due_mono);
    move.reason = p->reason;
    return move;
}

static int push_tell(struct txn *t, const struct step *s, enum sa_reason reason, int64_t now_ms,
                     notice_digest_fn digest_ms_of, void *arg)
{
    return reason == REASON_DISABLED ? notice_forget(t, s->alert)
                                     : tell(t, s, now_ms, digest_ms_of, arg);
}

int instance_push(struct txn *t, const struct instance_push *p, const struct judge_now *now,
                  notice_digest_fn digest_ms_of, void *arg, bool *ret_moved)
{
    const struct instance_verdict v = {.kind = VERDICT_LEVEL, .message = p->message};
    struct key k = key_of_id(p->d->owner, p->alert);
    struct judge_transition move;
    struct judge_state before, state;
    char message[256];
    struct step s = {.d = p->d,
                     .instance = p->instance,
                     .value = "",
                     .message = message,
                     .alert = p->alert,
                     .t = &move,
                     .after = &state};
    struct row r;
    int err = row_get(t, alerts(), &k, &r);

    if (err)
        return err == ERR_NOTFOUND ? txn_fail(t, ERR_CORRUPT) : err;
    state_read(&before, &r);
    s.ack = ack_read(&r);
    state = before;
    move = push_state(&state, p, now);
    ack_follow(&s.ack, &move, &state.flags);
    *ret_moved = move.happened;
    if (move.happened) {
        words(p->d, p->instance, &v, &move, message, sizeof message);
        err = write_history(t, &s, now->wall_ms);
    }
    if (!err && !same_state(&before, &state))
        err = write_alert(t, &s, &state, true, now->wall_ms);
    return err || !is_told(&move) ? err
                                  : push_tell(t, &s, p->reason, now->wall_ms, digest_ms_of, arg);
}

/* ---- all instances of a definition ---- */

int instances_each(struct txn *t, const char *owner, const char *definition,
                   int (*cb)(void *arg, struct txn *t, uint32_t alert), void *arg)
{
    struct key prefix = key_of_names(owner, definition), at = prefix;
    struct slice k, v;
    bool after = false;

    while (!kv_seek(t, DB_INSTANCES, key_slice(&at), after, &k, &v)) {
        int err;

        if (k.len < prefix.len || k.len > sizeof at.data || v.len != 4 ||
            memcmp(k.data, prefix.data, prefix.len))
            break;
        at.len = (uint16_t)k.len;
        memcpy(at.data, k.data, k.len);
        after = true;
        err = cb(arg, t, get_u32(v.data));
        if (err)
            return err;
    }
    return txn_error(t);
}

struct closer {
    struct definition d;
    enum sa_reason reason;
    const struct judge_now *now;
    unsigned closed;
};

static int forget_row(struct txn *t, const char *owner, const char *definition,
                      const char *instance, uint32_t alert)
{
    struct judge_state none = {0};
    struct key k = key_of_id(owner, alert);
    int err = row_delete(t, alerts(), &k);

    if (!err)
        err = mark_held(t, owner, alert, &none);
    if (err)
        return err;
    instance_key(&k, owner, definition, instance);
    return kv_del(t, DB_INSTANCES, key_slice(&k));
}

static int close_one(void *arg, struct txn *t, uint32_t alert)
{
    struct closer *c = arg;
    struct key k = key_of_id(c->d.owner, alert);
    struct judge_transition move;
    struct judge_state before, state;
    char instance[256], message[256];
    struct step s = {.d = &c->d,
                     .instance = instance,
                     .value = "",
                     .message = message,
                     .alert = alert,
                     .t = &move,
                     .after = &state};
    struct row r;
    int err = row_get(t, alerts(), &k, &r);

    if (err)
        return err == ERR_NOTFOUND ? txn_fail(t, ERR_CORRUPT) : err;
    row_str(&r, ALERT_INSTANCE, instance, sizeof instance);
    state_read(&before, &r);
    s.ack = ack_read(&r);
    state = before;
    move = judge_close(&state, c->reason, c->now);
    ack_follow(&s.ack, &move, &state.flags);
    snprintf(message, sizeof message, "the definition was %s",
             c->reason == REASON_DELETED ? "deleted" : "disabled");
    if (move.happened) {
        c->closed++;
        err = write_history(t, &s, c->now->wall_ms);
    }
    if (!err && !same_state(&before, &state))
        err = write_alert(t, &s, &state, true, c->now->wall_ms);
    if (!err && move.kind && c->reason == REASON_DELETED)
        err = tell(t, &s, c->now->wall_ms, NULL, NULL);
    if (!err && c->reason == REASON_DISABLED)
        err = notice_forget(t, alert);
    if (!err && c->reason == REASON_DELETED)
        err = notice_alert_gone(t, alert);
    if (!err && c->reason == REASON_DELETED)
        err = forget_row(t, c->d.owner, c->d.name, instance, alert);
    return err;
}

int instances_close(struct txn *t, const char *owner, const char *definition, enum sa_reason reason,
                    const struct judge_now *now, unsigned *ret_closed)
{
    struct closer c = {.reason = reason, .now = now};
    struct key k = key_of_names(owner, definition);
    struct slice service;
    struct row r;
    int err;

    if (row_get(t, sa_table_by_id(SA_DEFINITION), &k, &r) || !definition_read(&c.d, &r)) {
        if (!kv_get(t, INDEX_DEF_SERVICE, key_slice(&k), &service) &&
            service.len < sizeof c.d.service)
            memcpy(c.d.service, service.data, service.len);
        snprintf(c.d.owner, sizeof c.d.owner, "%s", owner);
        snprintf(c.d.name, sizeof c.d.name, "%s", definition);
        c.d.notify_recovery = true;
    }
    err = instances_each(t, owner, definition, close_one, &c);
    *ret_closed = c.closed;
    return err;
}

static int edit_one(void *arg, struct txn *t, uint32_t alert)
{
    const char *owner = arg;
    struct key k = key_of_id(owner, alert);
    struct judge_state before, state;
    struct row r;
    struct edit e;
    int err = row_get(t, alerts(), &k, &r);

    if (err)
        return err == ERR_NOTFOUND ? txn_fail(t, ERR_CORRUPT) : err;
    state_read(&before, &r);
    state = before;
    judge_edited(&state);
    if (same_state(&before, &state))
        return 0;
    edit_begin(&e, t, alerts(), &k);
    state_write(&e, &state);
    err = row_put(&e, NULL);
    return err ? err : mark_held(t, owner, alert, &state);
}

int instances_edited(struct txn *t, const char *owner, const char *definition)
{
    char copy[33];

    snprintf(copy, sizeof copy, "%s", owner);
    return instances_each(t, owner, definition, edit_one, copy);
}

int instances_resume(struct txn *t, int64_t alive_mono, int64_t now_mono)
{
    uint8_t at[4] = {0};
    struct slice from = {at, 0}, k, v;
    bool after = false;

    while (!kv_seek(t, DB_HELD, from, after, &k, &v)) {
        char owner[33];
        struct judge_state s;
        struct key key;
        struct row r;
        struct edit e;

        if (k.len != sizeof at || v.len >= sizeof owner)
            return txn_fail(t, ERR_CORRUPT);
        memcpy(at, k.data, sizeof at);
        memcpy(owner, v.data, v.len);
        owner[v.len] = 0;
        from = (struct slice){at, sizeof at};
        after = true;
        key = key_of_id(owner, get_u32(at));
        if (row_get(t, alerts(), &key, &r))
            continue;
        state_read(&s, &r);
        judge_resume(&s, alive_mono, now_mono);
        edit_begin(&e, t, alerts(), &key);
        state_write(&e, &s);
        if (row_put(&e, NULL))
            break;
    }
    return txn_error(t);
}

struct highest {
    const char *owner;
    enum sa_level level;
    uint32_t counts[LEVEL_UNKNOWN + 1];
};

static int take_higher(void *arg, struct txn *t, uint32_t alert)
{
    struct highest *h = arg;
    struct key k = key_of_id(h->owner, alert);
    enum sa_level l;
    struct row r;

    if (row_get(t, alerts(), &k, &r))
        return 0;
    l = (enum sa_level)row_int(&r, ALERT_LEVEL);
    if (l >= LEVEL_OK && l <= LEVEL_UNKNOWN)
        h->counts[l]++;
    if (level_rank(l) > level_rank(h->level))
        h->level = l;
    return 0;
}

enum sa_level instances_level(struct txn *t, const char *owner, const char *definition)
{
    struct highest h = {.owner = owner, .level = LEVEL_OK};

    instances_each(t, owner, definition, take_higher, &h);
    return h.level;
}

void instances_count(struct txn *t, const char *owner, const char *definition,
                     uint32_t ret[LEVEL_UNKNOWN + 1])
{
    struct highest h = {.owner = owner, .level = LEVEL_OK};

    instances_each(t, owner, definition, take_higher, &h);
    memcpy(ret, h.counts, sizeof h.counts);
}
