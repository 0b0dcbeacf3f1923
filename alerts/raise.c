#include "alerts/raise.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "alerts/acknowledge.h"
#include "base/text.h"

enum part { PART_COUNT, PART_KEY, PART_EXPIRE, PART_PURGE, PART_COMMAND };

static const struct sa_table *alerts(void)
{
    return sa_table_by_id(SA_ALERT);
}

static const struct sa_table *commands(void)
{
    return sa_table_by_id(SA_RAISE);
}

static int not_found_is_fine(int err)
{
    return err == ERR_NOTFOUND ? 0 : err;
}

/* ---- keys of the database ---- */

struct place { /* a key of it: its part, then what that has */
    size_t len;
    uint8_t data[1 + 8 + SA_KEY_MAX];
};

static struct slice place_slice(const struct place *p)
{
    return (struct slice){p->data, p->len};
}

static struct place place_of(enum part part, const struct key *k)
{
    struct place p = {.len = 1 + (size_t)k->len, .data = {(uint8_t)part}};

    memcpy(p.data + 1, k->data, k->len);
    return p;
}

static struct place place_of_timer(enum part part, int64_t at_ms, const struct key *row)
{
    struct place p = {.len = 9 + (size_t)row->len, .data = {(uint8_t)part}};

    put_u64(p.data + 1, at_ms > 0 ? (uint64_t)at_ms : 0);
    memcpy(p.data + 9, row->data, row->len);
    return p;
}

/* What an alert is found by: a name holds no control character, so that the two parts cannot be
 * taken for others. */
static struct place place_of_resource(const char *owner, const char *alert_type, const char *type,
                                      const char *id)
{
    struct key k = key_of_names(owner, alert_type);
    char text[33 + RAISE_ID_LEN + 1];
    int n = snprintf(text, sizeof text, "%s\n%s", type, id);
    uint8_t hash[16];

    hash128(text, (size_t)n, hash);
    for (size_t i = 0; i < sizeof hash; i += 4)
        key_u32(&k, get_u32(hash + i));
    return place_of(PART_KEY, &k);
}

/* ---- how many an owner has ---- */

static struct place place_of_count(const char *owner)
{
    struct key k = key_of_name(owner);

    return place_of(PART_COUNT, &k);
}

static uint32_t count(struct txn *t, const char *owner)
{
    struct place p = place_of_count(owner);
    struct slice v;

    return !kv_get(t, RAISE_DB, place_slice(&p), &v) && v.len == 4 ? get_u32(v.data) : 0;
}

static int count_add(struct txn *t, const char *owner, int by)
{
    struct place p = place_of_count(owner);
    uint32_t n = count(t, owner);
    uint8_t octets[4];

    if (by < 0 && n < (uint32_t)-by)
        return txn_fail(t, ERR_CORRUPT);
    put_u32(octets, n + (uint32_t)by);
    return kv_put(t, RAISE_DB, place_slice(&p), (struct slice){octets, sizeof octets});
}

/* ---- timers ---- */

static int timer_put(struct txn *t, enum part part, int64_t at_ms, const struct key *row)
{
    struct place p = place_of_timer(part, at_ms, row);

    return kv_put(t, RAISE_DB, place_slice(&p), (struct slice){NULL, 0});
}

static int timer_drop(struct txn *t, enum part part, int64_t at_ms, const struct key *row)
{
    struct place p = place_of_timer(part, at_ms, row);

    return at_ms ? not_found_is_fine(kv_del(t, RAISE_DB, place_slice(&p))) : txn_error(t);
}

/* The first of PART: its time, and the row that it is of. */
static int timer_first(struct txn *t, enum part part, int64_t *ret_at_ms, struct key *ret_row)
{
    const uint8_t front = (uint8_t)part;
    struct slice k, v;
    int err = kv_seek(t, RAISE_DB, (struct slice){&front, 1}, false, &k, &v);

    if (err)
        return err;
    if (k.data[0] != part)
        return ERR_NOTFOUND;
    if (k.len <= 9 || get_u64(k.data + 1) > INT64_MAX)
        return txn_fail(t, ERR_CORRUPT);
    *ret_at_ms = (int64_t)get_u64(k.data + 1);
    *ret_row = key_copy((struct slice){k.data + 9, k.len - 9});
    return 0;
}

/* ---- a raised alert ---- */

bool raise_is_raised(const struct row *alert)
{
    return row_text(alert, ALERT_RESOURCE_TYPE).len > 0;
}

/* As its row was. */
struct raised {
    uint32_t id;
    char owner[33];
    struct definition d;
    char type[33], resource[RAISE_ID_LEN + 1], instance[256];
    bool cleared;
    int64_t timer_ms, ack_due_ms;
};

static enum part timer_part(const struct raised *x)
{
    return x->cleared ? PART_PURGE : PART_EXPIRE;
}

/* That of the definition that is named as the alert's type, or what holds without one. */
static void definition_of(struct txn *t, const char *owner, const char *type,
                          struct definition *ret)
{
    struct key k = key_of_names(owner, type);
    struct slice service;
    struct row r;

    *ret = (struct definition){.notify_recovery = true};
    if (!row_get(t, sa_table_by_id(SA_DEFINITION), &k, &r) && row_active(&r) &&
        definition_read(ret, &r))
        return;
    snprintf(ret->owner, sizeof ret->owner, "%s", owner);
    snprintf(ret->name, sizeof ret->name, "%s", type);
    if (!kv_get(t, INDEX_DEF_SERVICE, key_slice(&k), &service) && service.len < sizeof ret->service)
        memcpy(ret->service, service.data, service.len); /* it was deleted just now */
    else
        memcpy(ret->service, SERVICE_DEFAULT, sizeof SERVICE_DEFAULT);
}

/* From R, which is ID's row and a raised one. Reads other rows, which ends R. */
static void raised_read(struct txn *t, const char *owner, uint32_t id, const struct row *r,
                        struct raised *ret)
{
    char type[33];

    ret->id = id;
    snprintf(ret->owner, sizeof ret->owner, "%s", owner);
    row_str(r, ALERT_RESOURCE_TYPE, ret->type, sizeof ret->type);
    row_str(r, ALERT_RESOURCE_ID, ret->resource, sizeof ret->resource);
    row_str(r, ALERT_INSTANCE, ret->instance, sizeof ret->instance);
    row_str(r, ALERT_TYPE, type, sizeof type);
    ret->cleared = row_int(r, ALERT_CLEARED) == TRUTH_TRUE;
    ret->timer_ms = row_int(r, ALERT_RAISE_TIMER);
    ret->ack_due_ms = ack_read(r).due_ms;
    definition_of(t, owner, type, &ret->d);
}

static bool same_text(struct slice s, const char *text)
{
    return s.len == strlen(text) && !memcmp(s.data, text, s.len);
}

/* 0, or ERR_NOTFOUND. */
static int find(struct txn *t, const struct raise *c, struct raised *ret)
{
    struct place p = place_of_resource(c->owner, c->alert_type, c->resource_type, c->resource_id);
    struct slice v;
    struct key k;
    struct row r;
    uint32_t id;
    int err = kv_get(t, RAISE_DB, place_slice(&p), &v);

    if (err)
        return err;
    if (v.len != 4)
        return txn_fail(t, ERR_CORRUPT);
    id = get_u32(v.data);
    k = key_of_id(c->owner, id);
    err = row_get(t, alerts(), &k, &r);
    if (err)
        return err == ERR_NOTFOUND ? txn_fail(t, ERR_CORRUPT) : err;
    if (!same_text(row_text(&r, ALERT_RESOURCE_TYPE), c->resource_type) ||
        !same_text(row_text(&r, ALERT_RESOURCE_ID), c->resource_id))
        return txn_fail(t, ERR_CORRUPT); /* two names, one 128-bit hash */
    raised_read(t, c->owner, id, &r, ret);
    return 0;
}

static int put_key(struct txn *t, const struct raised *x)
{
    struct place p = place_of_resource(x->owner, x->d.name, x->type, x->resource);
    uint8_t id[4];
    int err;

    put_u32(id, x->id);
    err = kv_put(t, RAISE_DB, place_slice(&p), (struct slice){id, sizeof id});
    return err ? err : count_add(t, x->owner, 1);
}

/* A row that is ok, and was never raised. */
static int create(struct txn *t, const struct raise *c, const struct judge_now *now,
                  struct raised *ret)
{
    struct edit e;
    struct key k;
    int err = id_next(t, alerts(), &ret->id);

    if (err)
        return err;
    snprintf(ret->owner, sizeof ret->owner, "%s", c->owner);
    snprintf(ret->type, sizeof ret->type, "%s", c->resource_type);
    snprintf(ret->resource, sizeof ret->resource, "%s", c->resource_id);
    snprintf(ret->instance, sizeof ret->instance, "%s%s%s", c->resource_type,
             c->resource_id[0] ? "/" : "", c->resource_id);
    definition_of(t, c->owner, c->alert_type, &ret->d);
    ret->cleared = false;
    ret->timer_ms = ret->ack_due_ms = 0;
    k = key_of_id(c->owner, ret->id);
    edit_new(&e, t, alerts(), &k);
    edit_str(&e, ALERT_DEFINITION, c->alert_type);
    edit_str(&e, ALERT_INSTANCE, ret->instance);
    edit_int(&e, ALERT_LEVEL, LEVEL_OK);
    edit_int(&e, ALERT_SINCE, now->wall_ms);
    edit_str(&e, ALERT_RESOURCE_TYPE, c->resource_type);
    edit_str(&e, ALERT_TYPE, c->alert_type);
    edit_str(&e, ALERT_RESOURCE_ID, c->resource_id);
    edit_int(&e, ALERT_FIRST_SEEN, now->wall_ms);
    err = row_put(&e, NULL);
    return err ? err : put_key(t, ret);
}

/* ---- what is done with it ---- */

/* Its timer runs until AT_MS (0: there is none) from now on, that of PART. */
static int set_timer(struct txn *t, const struct raised *x, struct edit *e, enum part part,
                     int64_t at_ms)
{
    struct key k = key_of_id(x->owner, x->id);
    int err;

    edit_int(e, ALERT_RAISE_TIMER, at_ms);
    edit_int(e, ALERT_CLEARED, part == PART_PURGE ? TRUTH_TRUE : TRUTH_FALSE);
    err = row_put(e, NULL);
    if (!err)
        err = timer_drop(t, timer_part(x), x->timer_ms, &k);
    return err || !at_ms ? err : timer_put(t, part, at_ms, &k);
}

static int count_raise(struct txn *t, const struct raised *x, const struct raise *c,
                       const struct judge_now *now)
{
    struct key k = key_of_id(x->owner, x->id);
    struct edit e;

    edit_begin(&e, t, alerts(), &k);
    edit_add(&e, ALERT_COUNT, 1);
    edit_int(&e, ALERT_LAST_SEEN, now->wall_ms);
    edit_int(&e, ALERT_CHANGED, now->wall_ms);
    edit_int(&e, ALERT_CLEARED_AT, 0);
    edit_int(&e, ALERT_TTL, c->ttl_s);
    if (c->message[0])
        edit_str(&e, ALERT_MESSAGE, c->message);
    return set_timer(t, x, &e, PART_EXPIRE, c->ttl_s ? now->wall_ms + c->ttl_s * 1000 : 0);
}

static int mark_cleared(struct txn *t, const struct raised *x, const struct judge_now *now)
{
    struct key k = key_of_id(x->owner, x->id);
    struct edit e;

    edit_begin(&e, t, alerts(), &k);
    edit_int(&e, ALERT_CHANGED, now->wall_ms);
    edit_int(&e, ALERT_CLEARED_AT, now->wall_ms);
    return set_timer(t, x, &e, PART_PURGE, now->wall_ms);
}

/* The row goes, and what is known of it. */
static int forget(struct txn *t, const struct raised *x)
{
    struct place p = place_of_resource(x->owner, x->d.name, x->type, x->resource);
    struct key k = key_of_id(x->owner, x->id);
    struct row r;
    int64_t timer_ms, ack_due_ms;
    bool cleared;
    int err = row_get(t, alerts(), &k, &r);

    if (err)
        return err == ERR_NOTFOUND ? txn_fail(t, ERR_CORRUPT) : err;
    timer_ms = row_int(&r, ALERT_RAISE_TIMER);
    ack_due_ms = row_int(&r, ALERT_ACK_DUE);
    cleared = row_int(&r, ALERT_CLEARED) == TRUTH_TRUE;
    err = row_delete(t, alerts(), &k);
    if (!err)
        err = timer_drop(t, cleared ? PART_PURGE : PART_EXPIRE, timer_ms, &k);
    if (!err)
        err = ack_unwatch(t, x->id, ack_due_ms);
    if (!err)
        err = kv_del(t, RAISE_DB, place_slice(&p));
    if (!err)
        err = count_add(t, x->owner, -1);
    return err ? err : notice_alert_gone(t, x->id);
}

struct doing { /* with whom to talk */
    struct txn *t;
    const struct judge_now *now;
    notice_digest_fn digest_ms_of;
    void *arg;
};

static int move(const struct doing *x, const struct raised *r, enum sa_level to,
                enum sa_reason reason, const char *message, bool *ret_moved)
{
    const struct instance_push push = {.d = &r->d,
                                       .alert = r->id,
                                       .instance = r->instance,
                                       .message = message,
                                       .to = to,
                                       .reason = reason};

    return instance_push(x->t, &push, x->now, x->digest_ms_of, x->arg, ret_moved);
}

/* Nothing, if it is cleared already. */
static int clear(const struct doing *x, const struct raised *r, enum sa_reason reason,
                 const char *message, bool *ret_moved)
{
    int err;

    *ret_moved = false;
    if (r->cleared)
        return 0;
    err = mark_cleared(x->t, r, x->now);
    return err ? err : move(x, r, LEVEL_OK, reason, message, ret_moved);
}

/* ---- commands ---- */

__attribute__((format(printf, 2, 3))) static int refuse(struct raise_result *ret, const char *f,
                                                        ...)
{
    va_list args;

    ret->result = RAISE_REFUSED;
    va_start(args, f);
    vsnprintf(ret->error, sizeof ret->error, f, args);
    va_end(args);
    return 0;
}

static int do_raise(const struct doing *x, const struct raise *c, struct raise_result *ret)
{
    struct raised r;
    int err = find(x->t, c, &r);

    if (err && err != ERR_NOTFOUND)
        return err;
    if (err)
        definition_of(x->t, c->owner, c->alert_type, &r.d);
    if (r.d.disabled)
        return refuse(ret, "definition '%s' is disabled", r.d.name);
    if (err && count(x->t, c->owner) >= RAISED_MAX)
        return refuse(ret, "owner %s has %d raised alerts", c->owner, RAISED_MAX);
    if (err && (err = create(x->t, c, x->now, &r)))
        return err;
    ret->alert = r.id;
    err = count_raise(x->t, &r, c, x->now);
    return err ? err : move(x, &r, c->severity, REASON_RAISED, c->message, &ret->moved);
}

static int do_clear(const struct doing *x, const struct raise *c, struct raise_result *ret)
{
    struct raised r;
    int err = find(x->t, c, &r);

    if (err)
        return err == ERR_NOTFOUND ? refuse(ret, "there is no such alert") : err;
    ret->alert = r.id;
    return clear(x, &r, REASON_CLEARED, c->message, &ret->moved);
}

static int do_delete(const struct doing *x, const struct raise *c, struct raise_result *ret)
{
    struct raised r;
    int err = find(x->t, c, &r);

    if (err)
        return err == ERR_NOTFOUND ? refuse(ret, "there is no such alert") : err;
    ret->alert = r.id;
    err = clear(x, &r, REASON_DELETED, c->message, &ret->moved);
    return err ? err : forget(x->t, &r);
}

int raise_do(struct txn *t, const struct raise *c, const struct judge_now *now,
             notice_digest_fn digest_ms_of, void *arg, struct raise_result *ret)
{
    const struct doing x = {t, now, digest_ms_of, arg};
    struct key k = key_of_name(c->owner);

    *ret = (struct raise_result){.result = RAISE_DONE};
    /* What an owner who is gone has left can still be cleared away. */
    if (c->verb == VERB_RAISE && !row_exists(t, sa_table_by_id(SA_OWNER), &k))
        return txn_error(t) ? txn_error(t) : refuse(ret, "there is no owner '%s'", c->owner);
    switch (c->verb) {
    case VERB_RAISE:
        return do_raise(&x, c, ret);
    case VERB_CLEAR:
        return do_clear(&x, c, ret);
    case VERB_DELETE:
        return do_delete(&x, c, ret);
    }
    return refuse(ret, "there is no such verb");
}

/* ---- rows of saRaiseTable ---- */

static void command_read(const char *owner, const struct row *r, struct raise *ret)
{
    ret->verb = (enum sa_raise_verb)row_int(r, RAISE_VERB);
    snprintf(ret->owner, sizeof ret->owner, "%s", owner);
    row_str(r, RAISE_RESOURCE_TYPE, ret->resource_type, sizeof ret->resource_type);
    row_str(r, RAISE_ALERT_TYPE, ret->alert_type, sizeof ret->alert_type);
    row_str(r, RAISE_RESOURCE_ID, ret->resource_id, sizeof ret->resource_id);
    ret->severity = (enum sa_level)row_int(r, RAISE_SEVERITY);
    ret->ttl_s = row_int(r, RAISE_TTL);
    row_str(r, RAISE_MESSAGE, ret->message, sizeof ret->message);
}

static int write_result(struct txn *t, const struct key *k, const struct raise_result *res,
                        int64_t now_ms)
{
    struct edit e;
    int err;

    edit_begin(&e, t, commands(), k);
    edit_int(&e, RAISE_RESULT, res->result);
    edit_str(&e, RAISE_ERROR, res->error);
    edit_int(&e, RAISE_ALERT, res->alert);
    edit_int(&e, RAISE_DONE_AT, now_ms);
    edit_int(&e, RAISE_TIMER, now_ms);
    err = row_put(&e, NULL);
    return err ? err : timer_put(t, PART_COMMAND, now_ms, k);
}

int raise_take_in(struct txn *t, const char *owner, uint32_t id, const struct judge_now *now,
                  notice_digest_fn digest_ms_of, void *arg, bool *ret_moved)
{
    struct key k = key_of_id(owner, id);
    struct raise_result res;
    struct raise c;
    struct row r;
    int err = row_get(t, commands(), &k, &r);

    *ret_moved = false;
    if (err || !row_active(&r) || row_int(&r, RAISE_RESULT) != RAISE_QUEUED)
        return not_found_is_fine(err);
    command_read(owner, &r, &c);
    err = raise_do(t, &c, now, digest_ms_of, arg, &res);
    *ret_moved = res.moved;
    return err ? err : write_result(t, &k, &res, now->wall_ms);
}

int raise_check(const struct set_check_context *c, unsigned *ret_column, struct err *e)
{
    char owner[33];
    size_t pos = 0;

    *ret_column = 0;
    if (c->gone || !key_read_name(&c->after->key, &pos, owner))
        return 0;
    if (c->before && row_active(c->before) && !row_active(c->after))
        return err_set(e, ERR_INCONSISTENT_VALUE, "a command is done once, and not taken back");
    if (!c->before && set_look_count(c->look, commands(), owner) > RAISE_QUEUE_MAX)
        return err_set(e, ERR_RESOURCE_UNAVAILABLE, "owner %s has %d commands: they go in %d min",
                       owner, RAISE_QUEUE_MAX, RAISE_KEEP_MS / 60000);
    return 0;
}

/* ---- all of a definition ---- */

/* Calls CB, which may write, with each raised alert whose place begins with FRONT. */
static int each_raised(struct txn *t, const struct place *front,
                       int (*cb)(void *arg, struct txn *t, struct raised *r), void *arg)
{
    struct place at = *front;
    struct slice k, v;
    bool after = false;

    while (!kv_seek(t, RAISE_DB, place_slice(&at), after, &k, &v) && k.len >= front->len &&
           !memcmp(k.data, front->data, front->len)) {
        struct slice of = {k.data + 1, k.len - 1};
        char owner[33];
        struct raised r;
        size_t pos = 0;
        struct row row;
        struct key key;
        uint32_t id;
        int err;

        if (k.len > sizeof at.data || v.len != 4 || !key_read_name(&of, &pos, owner))
            return txn_fail(t, ERR_CORRUPT);
        at.len = k.len;
        memcpy(at.data, k.data, k.len);
        after = true;
        id = get_u32(v.data);
        key = key_of_id(owner, id);
        err = row_get(t, alerts(), &key, &row);
        if (err)
            return err == ERR_NOTFOUND ? txn_fail(t, ERR_CORRUPT) : err;
        raised_read(t, owner, id, &row, &r);
        err = cb(arg, t, &r);
        if (err)
            return err;
    }
    return txn_error(t);
}

struct closer {
    struct doing doing;
    enum sa_reason reason;
    unsigned closed;
};

static int close_one(void *arg, struct txn *t, struct raised *r)
{
    struct closer *c = arg;
    bool moved;
    int err = clear(&c->doing, r, c->reason,
                    c->reason == REASON_DELETED ? "the definition was deleted"
                                                : "the definition was disabled",
                    &moved);

    (void)t;
    c->closed += moved;
    return err;
}

int raise_close(struct txn *t, const char *owner, const char *definition, enum sa_reason reason,
                const struct judge_now *now, unsigned *closed)
{
    struct closer c = {.doing = {.t = t, .now = now}, .reason = reason};
    struct key k = key_of_names(owner, definition);
    struct place front = place_of(PART_KEY, &k);
    int err = each_raised(t, &front, close_one, &c);

    *closed += c.closed;
    return err;
}

/* ---- time ---- */

/* How long after the time of its timer something of PART is due; negative: never. */
static int64_t delay_of(struct txn *t, enum part part)
{
    struct key k = key_of_scalars();
    int64_t keep_s;
    struct row r;

    if (part == PART_EXPIRE)
        return 0;
    if (part == PART_COMMAND)
        return RAISE_KEEP_MS;
    keep_s = row_get(t, sa_table_by_id(SA_SYSTEM), &k, &r)
                 ? sa_column_by_number(sa_table_by_id(SA_SYSTEM), SYSTEM_CLEARED_TTL)->def
                 : row_int(&r, SYSTEM_CLEARED_TTL);
    return keep_s ? keep_s * 1000 : -1;
}

/* The first timer of PART, and when it is due; ERR_NOTFOUND: there is none. */
static int first_due(struct txn *t, enum part part, int64_t *ret_due_ms, int64_t *ret_at_ms,
                     struct key *ret_row)
{
    int err = timer_first(t, part, ret_at_ms, ret_row);
    int64_t delay_ms = err ? 0 : delay_of(t, part);

    if (delay_ms < 0)
        return ERR_NOTFOUND;
    if (!err)
        *ret_due_ms = *ret_at_ms + delay_ms;
    return err;
}

int64_t raise_next_due(struct txn *t)
{
    int64_t least = 0, due, at;
    struct key k;

    for (enum part p = PART_EXPIRE; p <= PART_COMMAND; p++)
        if (!first_due(t, p, &due, &at, &k) && (!least || due < least))
            least = due > 0 ? due : 1;
    return least;
}

/* The time of a row of saRaiseTable has come: that it went is in nobody's changes. */
static int drop_command(struct txn *t, const struct key *k, int64_t at_ms)
{
    struct row r;
    int err = row_get(t, commands(), k, &r);

    if (!err && row_int(&r, RAISE_TIMER) == at_ms)
        err = row_delete(t, commands(), k);
    return not_found_is_fine(err) ? err : timer_drop(t, PART_COMMAND, at_ms, k);
}

static int alert_due(const struct doing *x, enum part part, const struct key *k, int64_t at_ms,
                     bool *ret_moved)
{
    struct slice key = key_slice(k);
    char owner[33];
    struct raised r;
    struct row row;
    uint32_t id;

    if (!key_read_id(&key, owner, &id) || row_get(x->t, alerts(), k, &row))
        return txn_fail(x->t, ERR_CORRUPT);
    raised_read(x->t, owner, id, &row, &r);
    if (r.timer_ms != at_ms || timer_part(&r) != part)
        return txn_fail(x->t, ERR_CORRUPT);
    if (part == PART_EXPIRE)
        return clear(x, &r, REASON_EXPIRED, "", ret_moved);
    return forget(x->t, &r);
}

int raise_expire(struct txn *t, const struct judge_now *now, notice_digest_fn digest_ms_of,
                 void *arg, unsigned *ret_moved)
{
    const struct doing x = {t, now, digest_ms_of, arg};
    int n = 0;

    *ret_moved = 0;
    for (enum part p = PART_EXPIRE; p <= PART_COMMAND; p++) {
        int64_t due, at;
        struct key k;
        int err;

        while (!(err = first_due(t, p, &due, &at, &k)) && due <= now->wall_ms &&
               n++ < RAISE_EXPIRE_MOST) {
            bool moved = false;

            err = p == PART_COMMAND ? drop_command(t, &k, at) : alert_due(&x, p, &k, at, &moved);
            if (err)
                return err;
            *ret_moved += moved;
        }
        if (err && err != ERR_NOTFOUND)
            return err;
    }
    return txn_error(t);
}

/* ---- the clock is set ---- */

static int64_t shifted(int64_t at_ms, int64_t delta_ms)
{
    return at_ms + delta_ms > 0 ? at_ms + delta_ms : 1;
}

static int shift_alert(void *arg, struct txn *t, struct raised *r)
{
    int64_t at_ms = shifted(r->timer_ms, *(const int64_t *)arg);
    struct key k = key_of_id(r->owner, r->id);
    struct edit e;

    if (!r->timer_ms)
        return 0;
    edit_begin(&e, t, alerts(), &k);
    return set_timer(t, r, &e, timer_part(r), at_ms);
}

static int shift_command(struct txn *t, const struct row *r, int64_t delta_ms)
{
    int64_t was_ms = row_int(r, RAISE_TIMER), at_ms = shifted(was_ms, delta_ms);
    struct key k = key_copy(r->key);
    struct edit e;
    int err;

    if (!was_ms)
        return 0;
    edit_begin(&e, t, commands(), &k);
    edit_int(&e, RAISE_TIMER, at_ms);
    err = row_put(&e, NULL);
    if (!err)
        err = timer_drop(t, PART_COMMAND, was_ms, &k);
    return err ? err : timer_put(t, PART_COMMAND, at_ms, &k);
}

int raise_shift(struct txn *t, int64_t delta_ms)
{
    const struct place front = {.len = 1, .data = {PART_KEY}};
    struct cursor c;
    struct row r;
    int err = each_raised(t, &front, shift_alert, &delta_ms);

    for (cursor_first(&c, t, commands(), NULL); !err && cursor_row(&c, &r); cursor_next(&c))
        err = shift_command(t, &r, delta_ms);
    cursor_close(&c);
    return err ? err : txn_error(t);
}

/* ---- after a repair ---- */

int raise_restore(struct txn *t, const struct row *alert)
{
    struct key k = key_copy(alert->key);
    char owner[33];
    struct raised r;
    uint32_t id;
    int err;

    if (!key_read_id(&alert->key, owner, &id))
        return txn_fail(t, ERR_CORRUPT);
    raised_read(t, owner, id, alert, &r);
    err = put_key(t, &r);
    return err || !r.timer_ms ? err : timer_put(t, timer_part(&r), r.timer_ms, &k);
}

int raise_restore_command(struct txn *t, const struct row *command)
{
    int64_t at_ms = row_int(command, RAISE_TIMER);
    struct key k = key_copy(command->key);

    if (at_ms)
        return timer_put(t, PART_COMMAND, at_ms, &k);
    return changes_append(t, SA_RAISE, CHANGE_UPDATED, key_slice(&k), NULL);
}
