#include "alerts/acknowledge.h"

#include <stdio.h>
#include <string.h>

#include "alerts/agenda.h"
#include "alerts/instance.h"

#define DB_ACKNOWLEDGED "acknowledged"

static const struct sa_table *alerts(void)
{
    return sa_table_by_id(SA_ALERT);
}

/* ---- what is in a row ---- */

struct ack ack_read(const struct row *alert)
{
    return (struct ack){.kind = (enum sa_acknowledge)row_int(alert, ALERT_ACKNOWLEDGE),
                        .due_ms = row_int(alert, ALERT_ACK_DUE)};
}

void ack_follow(struct ack *a, const struct judge_transition *move, unsigned *flags)
{
    if (a->kind == ACK_NONE)
        return;
    a->over = move->happened && (move->to == LEVEL_OK || a->kind == ACK_NORMAL);
    a->suppresses = !a->over && (move->kind || move->flap);
    if (a->over)
        *flags &= ~(unsigned)(ALERT_FLAG_ACKNOWLEDGED | ALERT_FLAG_SUPPRESSED);
    else if (a->suppresses)
        *flags |= ALERT_FLAG_SUPPRESSED;
}

void ack_wipe(struct edit *alert)
{
    static const uint8_t columns[] = {ALERT_ACKNOWLEDGE, ALERT_ACK_AUTHOR, ALERT_ACK_TEXT,
                                      ALERT_ACK_UNTIL,   ALERT_ACK_AT,     ALERT_ACK_TAKEN,
                                      ALERT_ACK_DUE};

    for (size_t i = 0; i < sizeof columns; i++)
        edit_clear(alert, columns[i]);
}

/* What there is to take in, as a number; 0: no acknowledgement. */
static int64_t sum_of(const struct row *alert)
{
    struct slice author = row_text(alert, ALERT_ACK_AUTHOR), text = row_text(alert, ALERT_ACK_TEXT);
    int64_t cells[] = {row_int(alert, ALERT_ACKNOWLEDGE), row_int(alert, ALERT_ACK_UNTIL)};
    uint64_t hash;

    if (cells[0] == ACK_NONE)
        return 0;
    hash = hash64(cells, sizeof cells, author.len);
    hash = hash64(text.data, text.len, hash64(author.data, author.len, hash));
    return hash ? (int64_t)hash : 1;
}

int ack_check(const struct row *after, int64_t now_ms, unsigned *ret_column, struct err *e)
{
    enum sa_acknowledge kind = (enum sa_acknowledge)row_int(after, ALERT_ACKNOWLEDGE);
    int64_t until_ms = row_int(after, ALERT_ACK_UNTIL);

    *ret_column = ALERT_ACKNOWLEDGE;
    if (kind == ACK_NONE &&
        row_text(after, ALERT_ACK_AUTHOR).len + row_text(after, ALERT_ACK_TEXT).len)
        return err_set(e, ERR_INCONSISTENT_VALUE,
                       "who takes an acknowledgement back leaves neither author nor text");
    if (kind != ACK_NONE && row_int(after, ALERT_LEVEL) == LEVEL_OK)
        return err_set(e, ERR_INCONSISTENT_VALUE,
                       "the alert is ok: there is nothing to acknowledge");
    if (kind == ACK_UNTIL && !until_ms)
        return err_set(e, ERR_INCONSISTENT_VALUE, "until wants a time, in saAlertAckUntil");
    *ret_column = ALERT_ACK_UNTIL;
    if (kind == ACK_UNTIL && until_ms <= now_ms)
        return err_set(e, ERR_INCONSISTENT_VALUE, "the time is past");
    if (kind != ACK_UNTIL && until_ms)
        return err_set(e, ERR_INCONSISTENT_VALUE,
                       "only an acknowledgement of the kind until has a time");
    return 0;
}

/* ---- those that end by time ---- */

int ack_watch(struct txn *t, const char *owner, uint32_t alert, int64_t due_ms)
{
    return due_ms ? agenda_add(t, DB_ACKNOWLEDGED, owner, alert, due_ms) : 0;
}

int ack_unwatch(struct txn *t, uint32_t alert, int64_t due_ms)
{
    return due_ms ? agenda_drop(t, DB_ACKNOWLEDGED, alert, due_ms) : 0;
}

/* The first; ERR_NOTFOUND: there is none. */
static int first_watched(struct txn *t, struct agenda_entry *ret)
{
    int err = agenda_first(t, DB_ACKNOWLEDGED, 0, ret);

    return !err && !ret->at_ms ? txn_fail(t, ERR_CORRUPT) : err;
}

int64_t ack_next_due(struct txn *t)
{
    struct agenda_entry first;

    return first_watched(t, &first) ? 0 : first.at_ms;
}

/* ---- telling ---- */

/* An alert as its row was, so that it can be told of after the row was changed. */
struct portrait {
    char definition[33], service[33], instance[256], value[256], message[256];
    char author[33], text[256];
    unsigned flags;
    struct ack ack;
    struct notice_text n;
};

static void service_of(struct txn *t, const char *owner, struct portrait *p)
{
    struct key k = key_of_names(owner, p->definition);
    struct definition d;
    struct row r;

    p->service[0] = 0;
    if (!row_get(t, sa_table_by_id(SA_DEFINITION), &k, &r) && definition_read(&d, &r))
        memcpy(p->service, d.service, sizeof p->service);
}

static void portray(struct txn *t, const char *owner, uint32_t alert, const struct row *r,
                    struct portrait *p)
{
    row_str(r, ALERT_DEFINITION, p->definition, sizeof p->definition);
    row_str(r, ALERT_INSTANCE, p->instance, sizeof p->instance);
    row_str(r, ALERT_VALUE, p->value, sizeof p->value);
    row_str(r, ALERT_MESSAGE, p->message, sizeof p->message);
    row_str(r, ALERT_ACK_AUTHOR, p->author, sizeof p->author);
    row_str(r, ALERT_ACK_TEXT, p->text, sizeof p->text);
    p->flags = (unsigned)row_int(r, ALERT_FLAGS);
    p->ack = ack_read(r);
    p->n = (struct notice_text){
        .owner = owner,
        .definition = p->definition,
        .service = p->service,
        .instance = p->instance,
        .value = p->value,
        .message = p->message,
        .alert = alert,
        .history = (uint32_t)row_int(r, ALERT_HISTORY),
        .level = (enum sa_level)row_int(r, ALERT_LEVEL),
        .previous_level = (enum sa_level)row_int(r, ALERT_PREVIOUS_LEVEL),
        .at_ms = row_int(r, ALERT_SINCE),
        .active_since_ms = row_int(r, ALERT_ACTIVE_SINCE),
    };
    service_of(t, owner, p);
}

static int tell_acknowledged(struct txn *t, const struct portrait *p, int64_t now_ms,
                             notice_digest_fn digest_ms_of, void *arg)
{
    char words[sizeof p->author + sizeof p->text + 32];
    struct notice_text n = p->n;
    struct route route;
    int err = route_find(t, p->n.owner, p->definition, &route);

    snprintf(words, sizeof words, "acknowledged%s%s%s%s", p->author[0] ? " by " : "", p->author,
             p->text[0] ? ": " : "", p->text);
    n.kind = KIND_ACKNOWLEDGE;
    n.notification = SA_ALERT_ACKNOWLEDGED;
    n.message = words;
    return err ? err : notice_tell(t, &route, &n, true, digest_ms_of, arg, now_ms);
}

static int tell_suppressed(struct txn *t, const struct portrait *p, int64_t now_ms,
                           notice_digest_fn digest_ms_of, void *arg)
{
    struct route route;
    int err = route_find(t, p->n.owner, p->definition, &route);

    return err ? err : notice_unsuppress(t, &route, &p->n, digest_ms_of, arg, now_ms);
}

/* ---- beginning and end ---- */

static int set_flags(struct edit *d, unsigned flags, int64_t now_ms)
{
    edit_int(d, ALERT_FLAGS, flags);
    edit_int(d, ALERT_CHANGED, now_ms);
    return row_put(d, NULL);
}

/* SUM: of what is in the row; UNTIL_MS: when it ends by time, 0: not. */
static int begin(struct txn *t, const struct portrait *p, int64_t sum, int64_t until_ms,
                 int64_t now_ms, notice_digest_fn digest_ms_of, void *arg)
{
    struct key k = key_of_id(p->n.owner, p->n.alert);
    struct edit d;
    int err = ack_unwatch(t, p->n.alert, p->ack.due_ms);

    if (!err)
        err = ack_watch(t, p->n.owner, p->n.alert, until_ms);
    if (err)
        return err;
    edit_begin(&d, t, alerts(), &k);
    edit_int(&d, ALERT_ACK_AT, now_ms);
    edit_int(&d, ALERT_ACK_TAKEN, sum);
    edit_int(&d, ALERT_ACK_DUE, until_ms);
    err = set_flags(&d, p->flags | ALERT_FLAG_ACKNOWLEDGED, now_ms);
    return err ? err : tell_acknowledged(t, p, now_ms, digest_ms_of, arg);
}

static int end(struct txn *t, const struct portrait *p, int64_t now_ms,
               notice_digest_fn digest_ms_of, void *arg)
{
    struct key k = key_of_id(p->n.owner, p->n.alert);
    bool suppressed = p->flags & ALERT_FLAG_SUPPRESSED && p->n.level != LEVEL_OK;
    struct edit d;
    int err = ack_unwatch(t, p->n.alert, p->ack.due_ms);

    if (err)
        return err;
    edit_begin(&d, t, alerts(), &k);
    ack_wipe(&d);
    err = set_flags(&d, p->flags & ~(unsigned)(ALERT_FLAG_ACKNOWLEDGED | ALERT_FLAG_SUPPRESSED),
                    now_ms);
    return err || !suppressed ? err : tell_suppressed(t, p, now_ms, digest_ms_of, arg);
}

int ack_take_in(struct txn *t, const char *owner, uint32_t alert, int64_t now_ms,
                notice_digest_fn digest_ms_of, void *arg)
{
    struct key k = key_of_id(owner, alert);
    struct portrait p;
    int64_t sum, until_ms;
    struct row r;
    int err = row_get(t, alerts(), &k, &r);

    if (err)
        return err == ERR_NOTFOUND ? 0 : err;
    sum = sum_of(&r);
    if (sum == row_int(&r, ALERT_ACK_TAKEN))
        return 0;
    until_ms = row_int(&r, ALERT_ACK_UNTIL);
    portray(t, owner, alert, &r, &p);
    if (!sum || p.n.level == LEVEL_OK)
        return end(t, &p, now_ms, digest_ms_of, arg);
    return begin(t, &p, sum, p.ack.kind == ACK_UNTIL ? until_ms : 0, now_ms, digest_ms_of, arg);
}

/* The time of WHICH has come; of a row that is gone nothing is left but the timer. */
static int expire_one(struct txn *t, const struct agenda_entry *which, int64_t now_ms,
                      notice_digest_fn digest_ms_of, void *arg)
{
    struct key k = key_of_id(which->owner, which->id);
    struct portrait p;
    struct row r;
    int err = row_get(t, alerts(), &k, &r);

    if (err && err != ERR_NOTFOUND)
        return err;
    if (err || row_int(&r, ALERT_ACK_DUE) != which->at_ms)
        return ack_unwatch(t, which->id, which->at_ms);
    portray(t, which->owner, which->id, &r, &p);
    return end(t, &p, now_ms, digest_ms_of, arg);
}

int ack_expire(struct txn *t, int64_t now_ms, notice_digest_fn digest_ms_of, void *arg)
{
    for (int n = 0; n < ACK_EXPIRE_MOST; n++) {
        struct agenda_entry first;
        int err = first_watched(t, &first);

        if (err || first.at_ms > now_ms)
            return err == ERR_NOTFOUND ? 0 : err;
        err = expire_one(t, &first, now_ms, digest_ms_of, arg);
        if (err)
            return err;
    }
    return 0;
}
