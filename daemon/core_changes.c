#include "daemon/core.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "alerts/acknowledge.h"
#include "alerts/raise.h"
#include "base/array.h"
#include "base/log.h"

/* Database: definitions that were told to be disabled, or were made so: each change is told once.
 * One that was taken out of service while it had active alerts is among them: its targets have
 * heard of problems, and will hear of no end.
 *   disabled  owner,definition -> "" */
#define DB_DISABLED "disabled"

enum { CHANGES_PER_TURN = 10000 };

static bool two_names(const struct slice *key, char owner[33], char name[33])
{
    size_t pos = 0;

    return key_read_name(key, &pos, owner) && key_read_name(key, &pos, name);
}

/* ---- definitions ---- */

/* The notice that a definition was disabled or enabled, to each of its targets. */
static int tell_definition(struct core *c, struct txn *t, const struct definition *d,
                           enum sa_notice_kind kind, const char *message,
                           const struct judge_now *now)
{
    struct notice_text n = {
        .kind = kind,
        .notification = kind == KIND_DISABLE ? SA_DEFINITION_DISABLED : SA_DEFINITION_ENABLED,
        .owner = d->owner,
        .definition = d->name,
        .service = d->service,
        .instance = "",
        .value = "",
        .message = message,
        .level = LEVEL_OK,
        .previous_level = LEVEL_OK,
        .at_ms = now->wall_ms,
    };
    struct route route;
    int err = route_find(t, d->owner, d->name, &route);

    for (size_t i = 0; i < route.n && !err; i++) {
        err = notice_create(t, &route.targets[i], &n, core_gathers_ms(c, t, &route.targets[i]),
                            now->wall_ms);
        if (err == ERR_FULL && !txn_error(t))
            err = 0;
    }
    return err;
}

static bool known_disabled(struct txn *t, const struct key *k)
{
    struct slice v;

    return !kv_get(t, DB_DISABLED, key_slice(k), &v);
}

static int know_disabled(struct txn *t, const struct key *k, bool disabled)
{
    int err = disabled ? kv_put(t, DB_DISABLED, key_slice(k), (struct slice){NULL, 0})
                       : kv_del(t, DB_DISABLED, key_slice(k));

    return err == ERR_NOTFOUND ? 0 : err;
}

/* Its alerts, whoever made them. *RET_CLOSED: how many were active. */
static int close_alerts(struct txn *t, const char *owner, const char *name, enum sa_reason reason,
                        const struct judge_now *now, unsigned *ret_closed)
{
    int err = instances_close(t, owner, name, reason, now, ret_closed);

    return err ? err : raise_close(t, owner, name, reason, now, ret_closed);
}

static int disable(struct core *c, struct txn *t, const struct definition *d,
                   const struct judge_now *now)
{
    unsigned closed;
    int err = close_alerts(t, d->owner, d->name, REASON_DISABLED, now, &closed);

    return err ? err : tell_definition(c, t, d, KIND_DISABLE, "the definition was disabled", now);
}

/* Its targets may be known no more by the index, if it was out of service. */
static int enable(struct core *c, struct txn *t, const struct change *ch,
                  const struct definition *d, const struct judge_now *now)
{
    int err = index_apply(t, ch);

    return err ? err : tell_definition(c, t, d, KIND_ENABLE, "the definition was enabled", now);
}

static int apply_disabled(struct core *c, struct txn *t, const struct change *ch,
                          const struct definition *d, const struct key *k,
                          const struct judge_now *now)
{
    int err;

    if (known_disabled(t, k) == d->disabled)
        return txn_error(t);
    err = know_disabled(t, k, d->disabled);
    if (err || ch->op == CHANGE_CREATED) /* made like this: no change to tell */
        return err;
    return d->disabled ? disable(c, t, d, now) : enable(c, t, ch, d, now);
}

/* It is not active: as if it were disabled, but told only to those who wait for an end. */
static int apply_out_of_service(struct core *c, struct txn *t, const struct definition *d,
                                const struct key *k, const struct judge_now *now)
{
    unsigned closed;
    int err = close_alerts(t, d->owner, d->name, REASON_DISABLED, now, &closed);

    if (err || !closed || known_disabled(t, k))
        return err;
    err = know_disabled(t, k, true);
    return err ? err
               : tell_definition(c, t, d, KIND_DISABLE, "the definition was taken out of service",
                                 now);
}

static bool expressions_changed(const struct change *ch)
{
    for (unsigned c = DEFINITION_CRIT; c <= DEFINITION_INFO_RESET; c++)
        if (change_has(ch, c))
            return true;
    return change_has(ch, DEFINITION_CONDITION) || change_has(ch, DEFINITION_SCRIPT);
}

static int apply_definition(struct core *c, struct txn *t, const struct change *ch,
                            const struct judge_now *now)
{
    char owner[33], name[33];
    struct definition d;
    unsigned closed;
    struct key k;
    struct row r;
    int err;

    if (!two_names(&ch->key, owner, name))
        return 0;
    k = key_of_names(owner, name);
    err = row_get(t, sa_table_by_id(SA_DEFINITION), &k, &r);
    /* Tell while its targets are still known. A row that is there was made again since: the alerts
     * are those of the old one all the same. */
    if (err == ERR_NOTFOUND || (!err && ch->op == CHANGE_DELETED)) {
        err = close_alerts(t, owner, name, REASON_DELETED, now, &closed);
        return err ? err : know_disabled(t, &k, false);
    }
    if (err || !definition_read(&d, &r))
        return err;
    if (!row_active(&r))
        return apply_out_of_service(c, t, &d, &k, now);
    if (expressions_changed(ch)) {
        err = instances_edited(t, owner, name);
        if (err)
            return err;
    }
    return apply_disabled(c, t, ch, &d, &k, now);
}

/* ---- targets ---- */

static int no_test(struct txn *t, const struct key *target, int64_t now_ms)
{
    struct edit d;

    if (txn_error(t))
        return txn_error(t);
    edit_begin(&d, t, sa_table_by_id(SA_TARGET), target);
    edit_int(&d, TARGET_CHECKED, CHECK_FAILED);
    edit_str(&d, TARGET_CHECK_MESSAGE, "too many notices wait for the target: no test was made");
    edit_int(&d, TARGET_CHECK_TIME, now_ms);
    return row_put(&d, NULL);
}

static int apply_test(struct core *c, struct txn *t, const char *owner, const char *name,
                      const struct judge_now *now)
{
    struct notice_text n = {
        .kind = KIND_TEST,
        .notification = SA_TEST,
        .owner = owner,
        .definition = "",
        .service = "",
        .instance = "",
        .value = "",
        .message = "This is a test.",
        .level = LEVEL_OK,
        .previous_level = LEVEL_OK,
        .at_ms = now->wall_ms,
    };
    struct route_target to = {.incarnation = 0};
    struct key k = key_of_names(owner, name);
    struct row r;
    int err = row_get(t, sa_table_by_id(SA_TARGET), &k, &r);

    (void)c;
    if (err)
        return err == ERR_NOTFOUND ? 0 : err;
    snprintf(to.owner, sizeof to.owner, "%s", owner);
    snprintf(to.name, sizeof to.name, "%s", name);
    to.incarnation = (uint32_t)row_int(&r, TARGET_INCARNATION);
    err = notice_create(t, &to, &n, 0, now->wall_ms);
    return err == ERR_FULL ? no_test(t, &k, now->wall_ms) : err;
}

static bool may_be_told(struct txn *t, const struct slice *target)
{
    struct key k = key_copy(*target);
    struct row r;

    return !row_get(t, sa_table_by_id(SA_TARGET), &k, &r) && target_in_force(&r);
}

/* May what change CH says be the end of a target's notices? */
static bool untold(struct txn *t, const struct change *ch)
{
    return (ch->table == SA_TARGET && !may_be_told(t, &ch->key)) ||
           (ch->table == SA_DEFINITION && change_has(ch, DEFINITION_RECIPIENTS));
}

/* ---- alerts and notices ---- */

static int call_back(struct core_touched *x, const struct notice_ref *n)
{
    struct notice_ref *p =
        array_room(x->called_back, &x->cap_called_back, x->ncalled_back + 1, sizeof *p);

    if (!p)
        return ERR_NOMEM;
    x->called_back = p;
    p[x->ncalled_back++] = *n;
    return 0;
}

static int apply_notice(struct txn *t, const struct notice_ref *n, int64_t now_ms,
                        struct core_touched *touched)
{
    bool wanted;
    int err = notice_act(t, n, now_ms, &wanted);

    if (!err)
        err = notice_settled(t, n);
    return err || !wanted ? err : call_back(touched, n);
}

static int apply_raise(struct core *c, struct txn *t, const struct notice_ref *command,
                       const struct judge_now *now)
{
    bool moved;
    int err = raise_take_in(t, command->owner, command->id, now, core_digest_ms, c, &moved);

    c->transitions += moved;
    return err;
}

/* A row that has a number: what managers set of alerts and notices, and their commands. */
static int apply_numbered(struct core *c, struct txn *t, const struct change *ch,
                          const struct judge_now *now, struct core_touched *touched)
{
    struct notice_ref ref;

    if (!key_read_id(&ch->key, ref.owner, &ref.id))
        return 0;
    if (ch->table == SA_RAISE)
        return apply_raise(c, t, &ref, now);
    if (ch->table == SA_ALERT)
        return ack_take_in(t, ref.owner, ref.id, now->wall_ms, core_digest_ms, c);
    return apply_notice(t, &ref, now->wall_ms, touched);
}

/* ---- the ring ---- */

void core_touched_release(struct core_touched *x)
{
    free(x->items);
    free(x->called_back);
    *x = (struct core_touched){.items = NULL};
}

static int touch(struct core_touched *x, const char *owner, const char *name)
{
    struct core_name *p = array_room(x->items, &x->cap, x->n + 1, sizeof *p);

    if (!p)
        return ERR_NOMEM;
    x->items = p;
    snprintf(x->items[x->n].owner, 33, "%s", owner);
    snprintf(x->items[x->n++].name, 33, "%s", name);
    return 0;
}

static int apply_one(struct core *c, struct txn *t, const struct change *ch,
                     const struct judge_now *now, struct core_touched *touched)
{
    char owner[33] = "", name[33] = "";
    int err = 0;

    if (ch->table == SA_ALERT || ch->table == SA_NOTICE || ch->table == SA_RAISE)
        return apply_numbered(c, t, ch, now, touched);
    two_names(&ch->key, owner, name);
    if (ch->table == SA_DEFINITION) {
        err = apply_definition(c, t, ch, now);
        if (!err)
            err = touch(touched, owner, name);
    } else if (ch->table == SA_SCRIPT || ch->table == SA_SCRIPT_TEXT) {
        touched->all = true;
    } else if (ch->table == SA_SOURCE || ch->table == SA_HANDLER ||
               ch->table == SA_HANDLER_PROPERTY) {
        err = core_parts_mark(c, t, ch, now->wall_ms);
    } else if (ch->table == SA_TRIAL) {
        err = core_trials_mark(c, t, ch, now->wall_ms);
    } else if (ch->table == SA_SYSTEM && change_has(ch, SYSTEM_RELOAD)) {
        touched->reload = ch->seq;
    }
    if (!err)
        err = index_apply(t, ch);
    if (!err && untold(t, ch))
        c->unsort_wanted = true; /* what waits for it is cancelled, wherever it waits */
    if (!err && (ch->table == SA_HANDLER || ch->table == SA_TARGET))
        err = core_checks_mark(c, t, ch, now->wall_ms);
    if (!err && ch->table == SA_TARGET && change_has(ch, TARGET_TEST))
        err = apply_test(c, t, owner, name, now);
    return err;
}

bool core_changes_waiting(struct txn *t)
{
    struct change ch;

    return !changes_next(t, changes_consumed(t), &ch);
}

int core_changes_apply(struct core *c, struct txn *t, const struct judge_now *now,
                       struct core_touched *ret)
{
    uint64_t seq = changes_consumed(t), first = seq;
    struct change ch;
    int err = 0;

    for (int n = 0; n < CHANGES_PER_TURN && !err; n++) {
        struct key key;

        err = changes_next(t, seq, &ch);
        if (err)
            break;
        if (ch.key.len > sizeof key.data)
            return txn_fail(t, ERR_CORRUPT);
        key = key_copy(ch.key); /* it is borrowed until the first write */
        ch.key = key_slice(&key);
        seq = ch.seq;
        err = apply_one(c, t, &ch, now, ret);
    }
    if (err && err != ERR_NOTFOUND)
        return err;
    return seq == first ? txn_error(t) : changes_consume(t, seq);
}
