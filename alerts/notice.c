#include "alerts/notice.h"

#include <string.h>

#include "alerts/checks.h"
#include "alerts/recipient.h"
#include "alerts/retention.h"

/* Invariants, between calls:
 *   a notice is in `pending` exactly while its state is PENDING or DISPATCHED
 *   the first notice of every line in `pending` has one entry in `due`, at its cell nextAttempt:
 *     unsorted, or set aside for a way; what is set aside was due then
 *   another one of the line may have one only while it is DISPATCHED: an older one was put before
 *     it by a resend; or if those before it have handlers for recipients
 *   saTargetPending is the number of a target's notices in `pending`
 *   a notice whose NOTICE_MATCHING is not 0, if it is PENDING, is in `matching`, was never tried,
 *     and its NOTICE_READY is that much later than it will be
 *   only told_put() writes `told`, so that `toldCount` agrees with it */

#define DB_PENDING  "pending"
#define DB_DUE      "due"
#define DB_TOLD     "told"
#define DB_COUNT    "toldCount"
#define DB_MATCHING "matching"

enum {
    LINE_LEN = 8,
    PENDING_LEN = 12,
    DUE_LEN = 20,
    TOLD_LEN = 5,
    TOLD_FORGOTTEN_LEN = 9,
    RECIPIENTS_MAX = 64,
    UNSORTED = 0,   /* way */
    WAY_SHIFT = 56, /* no time has these bits */
};

static const struct sa_table *notices(void)
{
    return sa_table_by_id(SA_NOTICE);
}

static const char by_manager[] = "cancelled by a manager";

static bool is_problem(enum sa_notice_kind kind)
{
    return kind == KIND_RAISE || kind == KIND_CHANGE;
}

/* ---- keys of the queue ---- */

struct place { /* where a notice stands */
    uint32_t incarnation, alert, id;
};

static struct slice pending_key(uint8_t k[PENDING_LEN], const struct place *p)
{
    put_u32(k, p->incarnation);
    put_u32(k + 4, p->alert);
    put_u32(k + 8, p->id);
    return (struct slice){k, PENDING_LEN};
}

static struct slice due_key(uint8_t k[DUE_LEN], unsigned way, int64_t due_ms, const struct place *p)
{
    put_u64(k, (uint64_t)way << WAY_SHIFT | (uint64_t)due_ms);
    pending_key(k + 8, p);
    return (struct slice){k, DUE_LEN};
}

static bool place_read(struct slice k, struct place *ret)
{
    if (k.len != PENDING_LEN)
        return false;
    ret->incarnation = get_u32(k.data);
    ret->alert = get_u32(k.data + 4);
    ret->id = get_u32(k.data + 8);
    return true;
}

static bool owner_read(struct slice v, char ret[33])
{
    if (!v.len || v.len > NAME_MAX_LEN)
        return false;
    memcpy(ret, v.data, v.len);
    ret[v.len] = 0;
    return true;
}

static struct slice str_slice(const char *s)
{
    return (struct slice){(const uint8_t *)s, strlen(s)};
}

/* The first notice behind OF in its line. */
static int line_next(struct txn *t, const struct place *of, struct place *ret, char owner[33])
{
    const struct place at = *of; /* RET may be OF */
    uint8_t k[PENDING_LEN];
    struct slice key, v;
    int err = kv_seek(t, DB_PENDING, pending_key(k, &at), true, &key, &v);

    if (err)
        return err;
    if (!place_read(key, ret) || !owner_read(v, owner))
        return txn_fail(t, ERR_CORRUPT);
    return ret->incarnation == at.incarnation && ret->alert == at.alert ? 0 : ERR_NOTFOUND;
}

/* The oldest notice of the line that OF is in, or would be. */
static int line_head(struct txn *t, const struct place *of, struct place *ret, char owner[33])
{
    return line_next(t, &(struct place){of->incarnation, of->alert, 0}, ret, owner);
}

static int due_put(struct txn *t, int64_t due_ms, const struct place *p, const char *owner)
{
    uint8_t k[DUE_LEN];

    return kv_put(t, DB_DUE, due_key(k, UNSORTED, due_ms, p), str_slice(owner));
}

/* Wherever it is. */
static int due_drop(struct txn *t, int64_t due_ms, const struct place *p)
{
    int err = ERR_NOTFOUND;

    for (unsigned way = UNSORTED; way <= NOTICE_WAYS && err == ERR_NOTFOUND; way++) {
        uint8_t k[DUE_LEN];

        err = kv_del(t, DB_DUE, due_key(k, way, due_ms, p));
    }
    return err == ERR_NOTFOUND ? 0 : err;
}

struct due { /* an entry of `due` */
    unsigned way;
    int64_t ms;
    struct place place;
    char owner[33];
};

/* The earliest of WAY. ERR_NOTFOUND, ERR_CORRUPT. */
static int due_first(struct txn *t, unsigned way, struct due *ret)
{
    uint8_t from[8];
    struct slice k, v;
    int err;

    put_u64(from, (uint64_t)way << WAY_SHIFT);
    err = kv_seek(t, DB_DUE, (struct slice){from, sizeof from}, false, &k, &v);
    if (err)
        return err;
    if (k.len != DUE_LEN || !owner_read(v, ret->owner) ||
        !place_read((struct slice){k.data + 8, PENDING_LEN}, &ret->place))
        return ERR_CORRUPT;
    ret->way = (unsigned)(get_u64(k.data) >> WAY_SHIFT);
    ret->ms = (int64_t)(get_u64(k.data) & (((uint64_t)1 << WAY_SHIFT) - 1));
    return ret->way == way ? 0 : ERR_NOTFOUND;
}

static int due_move(struct txn *t, const struct due *d, unsigned way)
{
    uint8_t k[DUE_LEN];
    int err = kv_del(t, DB_DUE, due_key(k, d->way, d->ms, &d->place));

    return err ? err : kv_put(t, DB_DUE, due_key(k, way, d->ms, &d->place), str_slice(d->owner));
}

/* Would P be the head of its line? Lines of alert 0 and of others alike. */
static bool line_empty(struct txn *t, const struct place *p)
{
    struct place head;
    char owner[33];

    return line_head(t, p, &head, owner) == ERR_NOTFOUND;
}

/* ---- told ---- */

enum { TOLD_SUPPRESSED = 0x80 }; /* in the octet of the level */

struct told {
    enum sa_level level; /* 0: not told */
    uint32_t owed;
    uint32_t forgotten; /* problems still under way whose end nobody waits for: older than owed */
    bool suppressed;    /* the last problem was held back: the target does not know of it */
    bool counted;       /* as it is stored: it has a level, and so is in toldCount */
};

static struct slice told_key(uint8_t k[LINE_LEN], const struct place *p)
{
    put_u32(k, p->alert);
    put_u32(k + 4, p->incarnation);
    return (struct slice){k, LINE_LEN};
}

static struct told told_read(struct slice v)
{
    struct told told = {0};

    if (v.len != TOLD_LEN && v.len != TOLD_FORGOTTEN_LEN)
        return told;
    told.level = v.data[0] & ~TOLD_SUPPRESSED;
    told.counted = told.level != 0;
    told.suppressed = v.data[0] & TOLD_SUPPRESSED;
    told.owed = get_u32(v.data + 1);
    if (v.len == TOLD_FORGOTTEN_LEN)
        told.forgotten = get_u32(v.data + TOLD_LEN);
    return told;
}

static struct told told_get(struct txn *t, const struct place *p)
{
    uint8_t k[LINE_LEN];
    struct slice v;

    return kv_get(t, DB_TOLD, told_key(k, p), &v) ? (struct told){0} : told_read(v);
}

static uint32_t count_get(struct txn *t, struct slice key)
{
    struct slice v;

    return kv_get(t, DB_COUNT, key, &v) || v.len != 4 ? 0 : get_u32(v.data);
}

static int count_add(struct txn *t, uint32_t incarnation, int by)
{
    uint8_t k[4], v[4];
    struct slice key = {k, sizeof k};
    uint32_t n;

    put_u32(k, incarnation);
    n = count_get(t, key);
    if (by < 0 && n <= 1)
        return n ? kv_del(t, DB_COUNT, key) : 0;
    put_u32(v, n + (uint32_t)by);
    return kv_put(t, DB_COUNT, key, (struct slice){v, sizeof v});
}

/* TOLD: as it was read at P, and changed; not written meanwhile. */
static int told_put(struct txn *t, const struct place *p, const struct told *told)
{
    uint8_t k[LINE_LEN], v[TOLD_FORGOTTEN_LEN];
    int by = (told->level != 0) - told->counted;
    int err = by ? count_add(t, p->incarnation, by) : 0;

    if (err)
        return err;
    if (told->level || told->owed || told->forgotten || told->suppressed) {
        v[0] = (uint8_t)(told->level | (told->suppressed ? TOLD_SUPPRESSED : 0));
        put_u32(v + 1, told->owed);
        put_u32(v + TOLD_LEN, told->forgotten);
        return kv_put(
            t, DB_TOLD, told_key(k, p),
            (struct slice){v, told->forgotten ? (size_t)TOLD_FORGOTTEN_LEN : (size_t)TOLD_LEN});
    }
    err = kv_del(t, DB_TOLD, told_key(k, p));
    return err == ERR_NOTFOUND ? 0 : err;
}

uint32_t notice_told(struct txn *t, uint32_t incarnation)
{
    uint8_t k[4];

    put_u32(k, incarnation);
    return count_get(t, (struct slice){k, sizeof k});
}

int notice_count_told(struct txn *t)
{
    uint8_t at[LINE_LEN];
    struct slice from = {at, 0}, k, v;
    int err = kv_clear(t, DB_COUNT);

    while (!err && !kv_seek(t, DB_TOLD, from, from.len > 0, &k, &v)) {
        bool told = told_read(v).level != 0;

        if (k.len != LINE_LEN)
            return txn_fail(t, ERR_CORRUPT);
        memcpy(at, k.data, LINE_LEN);
        from.len = LINE_LEN;
        err = told ? count_add(t, get_u32(at + 4), 1) : 0;
    }
    return err ? err : txn_error(t);
}

/* The problem is over for this target without a recovery. What is on its way to it still arrives,
 * but is not remembered then. */
static int told_forget(struct txn *t, const struct place *p, struct told told)
{
    told.level = 0;
    told.forgotten += told.owed;
    told.owed = 0;
    told.suppressed = false;
    return told_put(t, p, &told);
}

/* Calls CB for each target that knows or will know of ALERT. */
static int told_each(struct txn *t, uint32_t alert,
                     int (*cb)(struct txn *t, const struct place *p, struct told told,
                               const void *arg),
                     const void *arg)
{
    struct place p = {.alert = alert};
    uint8_t at[LINE_LEN];
    struct slice k, v;
    bool after = false;

    while (!kv_seek(t, DB_TOLD, told_key(at, &p), after, &k, &v) && k.len == LINE_LEN &&
           get_u32(k.data) == alert) {
        p.incarnation = get_u32(k.data + 4);
        after = true;
        if (cb(t, &p, told_read(v), arg))
            break;
    }
    return txn_error(t);
}

/* The problem is over, but for those in the route ARG, if not NULL. */
static int forget_one(struct txn *t, const struct place *p, struct told told, const void *arg)
{
    const struct route *but = arg;

    for (size_t i = 0; but && i < but->n; i++) {
        if (but->targets[i].incarnation == p->incarnation)
            return 0;
    }
    return told_forget(t, p, told);
}

int notice_forget(struct txn *t, uint32_t alert)
{
    return told_each(t, alert, forget_one, NULL);
}

static int drop_settled(struct txn *t, const struct place *p, struct told told, const void *arg)
{
    (void)arg;
    return line_empty(t, p) ? told_put(t, p, &(struct told){.counted = told.counted}) : 0;
}

int notice_alert_gone(struct txn *t, uint32_t alert)
{
    return told_each(t, alert, drop_settled, NULL);
}

/* ---- the target's row ---- */

struct key notice_target_key(const struct row *notice)
{
    char owner[33], name[33];

    row_str(notice, NOTICE_TARGET_OWNER, owner, sizeof owner);
    row_str(notice, NOTICE_TARGET, name, sizeof name);
    return key_of_names(owner, name);
}

static bool is_incarnation(const struct row *target, uint32_t incarnation)
{
    return row_int(target, TARGET_INCARNATION) == incarnation;
}

/* The target that a notice was made for, if it still lives. */
static bool target_get(struct txn *t, const struct key *k, uint32_t incarnation, struct row *ret)
{
    return !row_get(t, sa_table_by_id(SA_TARGET), k, ret) && is_incarnation(ret, incarnation);
}

/* Begins an edit of it. RET, as it was, is good until something is written; NULL: not wanted. */
static bool target_edit(struct edit *d, struct txn *t, const struct key *k, uint32_t incarnation,
                        struct row *ret)
{
    struct row r = {.table = sa_table_by_id(SA_TARGET), .key = key_slice(k)};

    edit_begin(d, t, r.table, k);
    if (d->existed) {
        r.durable = d->before;
        if (is_incarnation(&r, incarnation)) {
            if (ret)
                *ret = r;
            return true;
        }
    }
    edit_cancel(d);
    return false;
}

/* ---- recipients ---- */

int recipients_each(const void *text, size_t len, int (*cb)(void *arg, const char *address),
                    void *arg)
{
    const char *p = text, *end = len ? p + len : p; /* an empty cell may have no address */
    int n = 0;

    while (p < end) {
        const char *start;
        char address[256];
        size_t m;

        while (p < end && strchr(", \t\r\n;", *p))
            p++;
        for (start = p; p < end && !strchr(", \t\r\n;", *p);)
            p++;
        m = (size_t)(p - start);
        if (!m)
            break;
        if (m >= sizeof address || n == RECIPIENTS_MAX)
            return ERR_RANGE;
        memcpy(address, start, m);
        address[m] = 0;
        n++;
        if (cb) {
            int err = cb(arg, address);

            if (err)
                return err;
        }
    }
    return n;
}

struct recipient_maker {
    struct txn *t;
    struct key notice;
    uint32_t n;
};

static int make_recipient(void *arg, const char *address)
{
    struct recipient_maker *m = arg;
    struct key k = m->notice;
    struct edit d;

    key_u32(&k, ++m->n);
    edit_begin(&d, m->t, sa_table_by_id(SA_NOTICE_RECIPIENT), &k);
    edit_str(&d, NOTICE_RECIPIENT_ADDRESS, address);
    edit_int(&d, NOTICE_RECIPIENT_STATE, NOTICE_PENDING);
    return row_put(&d, NULL);
}

static int recipients_drop(struct txn *t, const struct key *notice)
{
    struct cursor c;
    struct row r;
    int err = 0;

    for (cursor_first(&c, t, sa_table_by_id(SA_NOTICE_RECIPIENT), notice);
         cursor_row(&c, &r) && !err; cursor_next(&c)) {
        struct key k = key_copy(r.key);

        err = row_delete(t, r.table, &k);
    }
    cursor_close(&c);
    return err ? err : txn_error(t);
}

/* One recipient reached is told, whatever became of the others. */
static bool one_reached(struct txn *t, const struct key *notice)
{
    bool reached = false;
    struct cursor c;
    struct row r;

    for (cursor_first(&c, t, sa_table_by_id(SA_NOTICE_RECIPIENT), notice);
         cursor_row(&c, &r) && !reached; cursor_next(&c))
        reached = row_int(&r, NOTICE_RECIPIENT_STATE) == NOTICE_DELIVERED;
    cursor_close(&c);
    return reached;
}

/* A hash of those who are still to be reached. */
static uint64_t still_to_reach(struct txn *t, const struct notice_ref *n)
{
    struct key prefix = key_of_id(n->owner, n->id);
    uint64_t hash = 0;
    struct cursor c;
    struct row r;

    for (cursor_first(&c, t, sa_table_by_id(SA_NOTICE_RECIPIENT), &prefix); cursor_row(&c, &r);
         cursor_next(&c)) {
        struct slice address = row_text(&r, NOTICE_RECIPIENT_ADDRESS);

        if (row_int(&r, NOTICE_RECIPIENT_STATE) == NOTICE_PENDING)
            hash = hash64(address.data, address.len, hash);
    }
    cursor_close(&c);
    return hash;
}

/* ---- making ---- */

/* One more in a counter of saSystem. */
static int count(struct txn *t, unsigned column)
{
    struct key k = key_of_scalars();
    struct edit d;

    edit_begin(&d, t, sa_table_by_id(SA_SYSTEM), &k);
    edit_add(&d, column, 1);
    return row_put(&d, NULL);
}

static void fill(struct edit *d, const struct route_target *to, const struct notice_text *n,
                 const char *handler, const char *uuid)
{
    edit_str(d, NOTICE_UUID, uuid);
    edit_str(d, NOTICE_TARGET, to->name);
    edit_str(d, NOTICE_TARGET_OWNER, to->owner);
    edit_int(d, NOTICE_INCARNATION, to->incarnation);
    edit_str(d, NOTICE_HANDLER, handler);
    edit_int(d, NOTICE_ALERT, n->alert);
    edit_int(d, NOTICE_HISTORY, n->history);
    edit_int(d, NOTICE_KIND, n->kind);
    edit_int(d, NOTICE_NOTIFICATION, n->notification);
    edit_int(d, NOTICE_STATE, n->suppression ? NOTICE_SUPPRESSED : NOTICE_PENDING);
    edit_int(d, NOTICE_CONFIRMATION, CONFIRM_NONE);
    if (n->suppression)
        edit_int(d, NOTICE_SUPPRESSION, n->suppression);
    edit_str(d, NOTICE_DEFINITION, n->definition);
    edit_str(d, NOTICE_SERVICE, n->service);
    edit_str(d, NOTICE_INSTANCE, n->instance);
    edit_int(d, NOTICE_LEVEL, n->level);
    edit_int(d, NOTICE_PREVIOUS_LEVEL, n->previous_level);
    edit_str(d, NOTICE_VALUE, n->value);
    edit_str(d, NOTICE_MESSAGE, n->message);
    edit_int(d, NOTICE_SINCE, n->at_ms);
    edit_int(d, NOTICE_ACTIVE_SINCE, n->active_since_ms);
}

static int64_t digest_of(struct txn *t, const struct row *target, notice_digest_fn digest_ms_of,
                         void *arg)
{
    int64_t own = row_int(target, TARGET_DIGEST);

    return own >= 0 ? own : digest_ms_of ? digest_ms_of(arg, t, target) : 0;
}

static int cancel(struct txn *t, const struct notice_ref *n, const char *why, int64_t now_ms);
static int pass_line(struct txn *t, const struct place *of, int64_t now_ms);

/* The oldest notice of the same line that nobody is sending. */
static int oldest_waiting(struct txn *t, const struct place *line, struct notice_ref *ret)
{
    struct place at = {line->incarnation, line->alert, 0};
    int err;

    while (!(err = line_next(t, &at, &at, ret->owner))) {
        struct key k = key_of_id(ret->owner, at.id);
        struct row r;

        ret->id = at.id;
        if (!row_get(t, notices(), &k, &r) && row_int(&r, NOTICE_STATE) == NOTICE_PENDING)
            return 0;
    }
    return err;
}

/* Room in a full queue for one of KIND. A recovery needs none: whoever knows of the problem hears
 * of its end, and of each alert there is one at most, since the next change takes its place. */
static int make_room(struct txn *t, const struct place *line, enum sa_notice_kind kind,
                     int64_t now_ms)
{
    struct notice_ref ref;
    int err = oldest_waiting(t, line, &ref);

    if (err == ERR_NOTFOUND)
        return kind == KIND_CLEAR ? 0 : ERR_FULL;
    return err ? err : cancel(t, &ref, "superseded: the target's queue is full", now_ms);
}

/* HEAD: nothing else of its line is there. */
static int enqueue(struct txn *t, const struct place *p, const char *owner, int64_t ready_ms,
                   bool head)
{
    uint8_t k[PENDING_LEN];
    int err = kv_put(t, DB_PENDING, pending_key(k, p), str_slice(owner));

    return err || !head ? err : due_put(t, ready_ms, p, owner);
}

/* Is TARGET's match to be asked about N? The end of a problem goes to whoever was told of it. */
static bool asks_match(const struct row *target, const struct notice_text *n)
{
    return row_text(target, TARGET_MATCH).len && n->level != LEVEL_OK &&
           n->kind != KIND_ACKNOWLEDGE && n->kind != KIND_TEST;
}

static struct slice matching_key(uint8_t k[4], uint32_t id)
{
    put_u32(k, id);
    return (struct slice){k, 4};
}

static int matching_put(struct txn *t, uint32_t id, const char *owner)
{
    uint8_t k[4];

    return kv_put(t, DB_MATCHING, matching_key(k, id), str_slice(owner));
}

static int matching_drop(struct txn *t, uint32_t id)
{
    uint8_t k[4];
    int err = kv_del(t, DB_MATCHING, matching_key(k, id));

    return err == ERR_NOTFOUND ? 0 : err;
}

struct moments {
    int64_t matching_ms;                                /* as NOTICE_MATCHING */
    int64_t created_ms, ready_ms, next_ms, finished_ms; /* 0: none */
};

struct recipient_source { /* of a target's row, which goes stale with the first write */
    char handler[33], recipients[SA_CELL_MAX + 1];
};

static void recipients_of(struct recipient_source *ret, const struct row *target)
{
    row_str(target, TARGET_HANDLER, ret->handler, sizeof ret->handler);
    row_str(target, TARGET_RECIPIENTS, ret->recipients, sizeof ret->recipients);
}

/* The row of a new notice, and those of its recipients. */
static int write_new(struct txn *t, const struct route_target *to, const struct notice_text *n,
                     const struct recipient_source *from, const struct moments *at,
                     uint32_t *ret_id)
{
    struct recipient_maker maker = {.t = t};
    char uuid[UUID_TEXT_LEN + 1];
    struct edit d;
    int err = id_next(t, notices(), ret_id);

    if (!err)
        err = uuid_new(uuid);
    if (err)
        return err;
    maker.notice = key_of_id(n->owner, *ret_id);
    edit_new(&d, t, notices(), &maker.notice);
    fill(&d, to, n, from->handler, uuid);
    edit_int(&d, NOTICE_CREATED, at->created_ms);
    edit_int(&d, NOTICE_READY, at->ready_ms);
    edit_int(&d, NOTICE_NEXT_ATTEMPT, at->next_ms);
    if (at->matching_ms)
        edit_int(&d, NOTICE_MATCHING, at->matching_ms);
    if (at->finished_ms)
        edit_int(&d, NOTICE_FINISHED, at->finished_ms);
    err = row_put(&d, NULL);
    if (!err)
        err = recipients_each(from->recipients, strlen(from->recipients), make_recipient, &maker);
    return err < 0 ? err : 0;
}

/* The notice ID, which may be a test: the last one is what the target's check is about. */
static int target_add_pending(struct txn *t, const struct key *k, enum sa_notice_kind kind,
                              uint32_t id)
{
    struct edit d;

    edit_begin(&d, t, sa_table_by_id(SA_TARGET), k);
    edit_add(&d, TARGET_PENDING, 1);
    if (kind == KIND_TEST)
        edit_int(&d, TARGET_TEST_NOTICE, id);
    return row_put(&d, NULL);
}

/* TARGET: its row, read since the last write. */
static int create(struct txn *t, const struct route_target *to, const struct row *target,
                  const struct notice_text *n, int64_t digest_ms, int64_t now_ms)
{
    struct key target_key = key_of_names(to->owner, to->name);
    struct place place = {.incarnation = to->incarnation, .alert = n->alert};
    struct moments at = {.created_ms = now_ms, .ready_ms = now_ms + digest_ms};
    struct recipient_source from;
    bool head;
    int err = 0;

    recipients_of(&from, target);
    if (asks_match(target, n))
        at.matching_ms = NOTICE_MATCH_MS;
    at.ready_ms += at.matching_ms;
    if (row_int(target, TARGET_PENDING) >= NOTICE_QUEUE_MAX) {
        err = make_room(t, &place, n->kind, now_ms);
        if (err)
            return err;
    }
    head = line_empty(t, &place);
    at.next_ms = head ? at.ready_ms : 0;
    err = write_new(t, to, n, &from, &at, &place.id);
    if (!err)
        err = enqueue(t, &place, n->owner, at.ready_ms, head);
    if (!err && at.matching_ms)
        err = matching_put(t, place.id, n->owner);
    if (!err && !head)
        err = pass_line(t, &place, now_ms);
    return err ? err : target_add_pending(t, &target_key, n->kind, place.id);
}

/* A row that says what would have been told, and why it was not. */
static int create_suppressed(struct txn *t, const struct route_target *to, const struct row *target,
                             const struct notice_text *n, int64_t now_ms)
{
    struct moments at = {.created_ms = now_ms, .finished_ms = now_ms};
    struct recipient_source from;
    uint32_t id;
    int err;

    recipients_of(&from, target);
    err = write_new(t, to, n, &from, &at, &id);
    if (!err)
        err = retention_add(t, RETAINED_NOTICES, n->owner, id, now_ms);
    return err ? err : count(t, SYSTEM_NOTICES_SUPPRESSED);
}

int notice_create(struct txn *t, const struct route_target *to, const struct notice_text *n,
                  int64_t digest_ms, int64_t now_ms)
{
    struct key k = key_of_names(to->owner, to->name);
    struct row target;
    int err = row_get(t, sa_table_by_id(SA_TARGET), &k, &target);

    return err ? err : create(t, to, &target, n, digest_ms, now_ms);
}

/* ---- telling ---- */

static int cancel_untold(struct txn *t, const struct place *done, int64_t now_ms);

/* Is it the end of a problem? What flaps may do so between levels one of which is OK. */
static bool is_end(const struct notice_text *n)
{
    return n->level == LEVEL_OK && n->kind != KIND_FLAPPING;
}

static bool wants_level(const struct row *target, enum sa_level level)
{
    return route_wants(row_int(target, TARGET_STATES),
                       (enum sa_level)row_int(target, TARGET_MIN_LEVEL), level);
}

static bool wants_problem(const struct row *target, enum sa_level level)
{
    return level != LEVEL_OK && wants_level(target, level);
}

static bool wants(const struct told *told, const struct notice_text *n, const struct row *target,
                  bool notify_recovery)
{
    bool knows = told->level || told->owed;

    if (n->kind == KIND_ACKNOWLEDGE) /* whoever knows of the problem may stop to worry */
        return knows;
    if (n->kind == KIND_FLAPPING)
        return knows || wants_problem(target, n->level) || wants_problem(target, n->previous_level);
    return wants_level(target, n->level) && (n->level != LEVEL_OK || (notify_recovery && knows));
}

/* A problem that N tells is held back for the target of LINE. */
static int suppress(struct txn *t, const struct place *line, const struct route_target *to,
                    const struct row *target, const struct notice_text *n, struct told *told,
                    int64_t now_ms)
{
    int err = create_suppressed(t, to, target, n, now_ms);

    told->suppressed = true;
    return err ? err : told_put(t, line, told);
}

/* It does not want to hear this: nor will it hear of the end, if this is one. */
static int not_wanted(struct txn *t, const struct place *line, struct told told,
                      const struct notice_text *n)
{
    if (is_end(n))
        return told_forget(t, line, told);
    if (!told.suppressed || n->suppression || !is_problem(n->kind))
        return 0;
    told.suppressed = false; /* what was held back is no longer so */
    return told_put(t, line, &told);
}

static int tell_one(struct txn *t, const struct route_target *to, const struct notice_text *n,
                    const struct row *target, bool notify_recovery, int64_t digest_ms,
                    int64_t now_ms)
{
    struct place line = {to->incarnation, n->alert, 0};
    struct told told = told_get(t, &line);
    bool full;
    int err;

    if (!wants(&told, n, target, notify_recovery))
        return not_wanted(t, &line, told, n);
    if (n->suppression)
        return suppress(t, &line, to, target, n, &told, now_ms);
    full = row_int(target, TARGET_PENDING) >= NOTICE_QUEUE_MAX;
    err = create(t, to, target, n, digest_ms, now_ms);
    if (err == ERR_FULL && !txn_error(t))
        return 0; /* the cap: newest lost, the queue keeps what it has */
    if (err)
        return err;
    if (full) /* an older notice of the line has gone for it */
        told = told_get(t, &line);
    if (is_problem(n->kind) || (is_end(n) && told.suppressed)) {
        told.owed += is_problem(n->kind);
        told.suppressed = false;
        err = told_put(t, &line, &told);
    }
    return err || told.level || told.owed ? err : cancel_untold(t, &line, now_ms);
}

int notice_tell(struct txn *t, const struct route *route, const struct notice_text *n,
                bool notify_recovery, notice_digest_fn digest_ms_of, void *arg, int64_t now_ms)
{
    for (size_t i = 0; i < route->n; i++) {
        const struct route_target *to = &route->targets[i];
        struct key k = key_of_names(to->owner, to->name);
        struct row target;
        int err = row_get(t, sa_table_by_id(SA_TARGET), &k, &target);

        if (!err)
            err = tell_one(t, to, n, &target, notify_recovery,
                           digest_of(t, &target, digest_ms_of, arg), now_ms);
        if (err && err != ERR_NOTFOUND)
            return err;
    }
    /* Targets that were told and are no longer led to, or are no more, do not hear of it either. */
    return is_end(n) && n->alert ? told_each(t, n->alert, forget_one, route) : 0;
}

static int unmark(struct txn *t, const struct place *p, struct told told, const void *arg)
{
    (void)arg;
    if (!told.suppressed)
        return 0;
    told.suppressed = false;
    return told_put(t, p, &told);
}

/* To a target that was never told of the problem it is a new one. */
static struct notice_text as_known(const struct told *told, const struct notice_text *n)
{
    bool known = told->level || told->owed;
    struct notice_text ret = *n;

    ret.kind = known ? KIND_CHANGE : KIND_RAISE;
    ret.notification = known ? SA_ALERT_CHANGED : SA_ALERT_RAISED;
    return ret;
}

static bool was_held_back(const struct told *told, const struct notice_text *n)
{
    (void)n;
    return told->suppressed;
}

static bool lacks_level(const struct told *told, const struct notice_text *n)
{
    return told->level != n->level || told->owed || told->suppressed;
}

/* N to each target in ROUTE that NEEDS it, as what it is to that. */
static int tell_as_known(struct txn *t, const struct route *route, const struct notice_text *n,
                         bool (*needs)(const struct told *told, const struct notice_text *n),
                         notice_digest_fn digest_ms_of, void *arg, int64_t now_ms)
{
    for (size_t i = 0; i < route->n; i++) {
        const struct route_target *to = &route->targets[i];
        struct key k = key_of_names(to->owner, to->name);
        struct place line = {to->incarnation, n->alert, 0};
        struct told told = told_get(t, &line);
        struct notice_text text = as_known(&told, n);
        bool needed = needs(&told, n);
        struct row target;
        int err = needed ? row_get(t, sa_table_by_id(SA_TARGET), &k, &target) : 0;

        if (!err && needed)
            err = tell_one(t, to, &text, &target, true, digest_of(t, &target, digest_ms_of, arg),
                           now_ms);
        if (err && err != ERR_NOTFOUND)
            return err;
    }
    return txn_error(t);
}

int notice_unsuppress(struct txn *t, const struct route *route, const struct notice_text *n,
                      notice_digest_fn digest_ms_of, void *arg, int64_t now_ms)
{
    int err = tell_as_known(t, route, n, was_held_back, digest_ms_of, arg, now_ms);

    return err ? err : told_each(t, n->alert, unmark, NULL);
}

int notice_level_known(struct txn *t, const struct route *route, const struct notice_text *n,
                       notice_digest_fn digest_ms_of, void *arg, int64_t now_ms)
{
    return tell_as_known(t, route, n, lacks_level, digest_ms_of, arg, now_ms);
}

/* ---- finishing ---- */

/* What the end of a notice needs of it: read once, since what is written makes its row stale. */
struct ending {
    const struct notice_ref *ref;
    struct key key, target;
    struct place place;
    int64_t due_ms; /* 0: it is not the head of its line */
    enum sa_notice_kind kind;
    enum sa_level level;
    bool bygone; /* what it tells was over when it was sent again: it is nobody's news */
    bool acted;  /* its saNoticeAction is not idle */
};

static void ending_read(struct ending *ret, const struct notice_ref *n, const struct row *r)
{
    ret->ref = n;
    ret->key = key_of_id(n->owner, n->id);
    ret->target = notice_target_key(r);
    ret->place = (struct place){(uint32_t)row_int(r, NOTICE_INCARNATION),
                                (uint32_t)row_int(r, NOTICE_ALERT), n->id};
    ret->due_ms = row_int(r, NOTICE_NEXT_ATTEMPT);
    ret->kind = (enum sa_notice_kind)row_int(r, NOTICE_KIND);
    ret->level = (enum sa_level)row_int(r, NOTICE_LEVEL);
    ret->bygone = row_int(r, NOTICE_BYGONE);
    ret->acted = row_int(r, NOTICE_ACTION) != ACTION_IDLE;
}

/* A test of the target has come to its end. */
static void test_ends(struct edit *d, enum sa_notice_state state, const char *error, int64_t now_ms)
{
    bool delivered = state == NOTICE_DELIVERED;

    edit_clear(d, TARGET_TEST_NOTICE);
    edit_int(d, TARGET_CHECKED, delivered ? CHECK_SUCCEEDED : CHECK_FAILED);
    edit_str(d, TARGET_CHECK_MESSAGE, delivered ? "the test was delivered" : error);
    edit_int(d, TARGET_CHECK_TIME, now_ms);
}

/* Its target, if it still lives, has one less in its queue. ERROR: why it was not delivered; TRIED:
 * so an attempt ended. */
static int target_finish(struct txn *t, const struct ending *x, enum sa_notice_state state,
                         const char *error, bool tried, int64_t now_ms, bool *ret_lives)
{
    static const unsigned counter[] = {[NOTICE_DELIVERED] = TARGET_DELIVERED,
                                       [NOTICE_FAILED] = TARGET_FAILED,
                                       [NOTICE_CANCELLED] = 0};
    struct row target;
    struct edit d;

    *ret_lives = target_edit(&d, t, &x->target, x->place.incarnation, &target);
    if (!*ret_lives)
        return txn_error(t);
    if (row_int(&target, TARGET_TEST_NOTICE) == x->place.id)
        test_ends(&d, state, error, now_ms);
    edit_add(&d, TARGET_PENDING, -1);
    if (counter[state])
        edit_add(&d, counter[state], 1);
    if (tried)
        edit_str(&d, TARGET_LAST_ERROR, error);
    return row_put(&d, NULL);
}

/* What the target of X knows, when that has ended. True: it is a problem that it never heard of,
 * nor of an earlier one of the same alert. */
static bool told_learn(struct told *told, const struct ending *x, bool reached)
{
    bool problem = is_problem(x->kind);

    if (x->bygone)
        return false;
    if (problem && told->forgotten) {
        told->forgotten--;
    } else if (problem) {
        told->owed -= told->owed > 0;
        if (reached)
            told->level = x->level;
        return !told->level;
    } else if (x->kind == KIND_CLEAR && reached) {
        told->level = 0;
    }
    return false;
}

/* Its alert's row has gone, and nothing more of it is under way: what notice_alert_gone() left. */
static bool is_settled(struct txn *t, const struct ending *x)
{
    struct key k = key_of_id(x->ref->owner, x->place.alert);

    return line_empty(t, &x->place) && !row_exists(t, sa_table_by_id(SA_ALERT), &k);
}

/* What the end of a notice, which is in the queue no more, means for what its target, which LIVES
 * or not, knows. RET_UNTOLD: as told_learn(). */
static int told_after(struct txn *t, const struct ending *x, bool reached, bool lives,
                      bool *ret_untold)
{
    struct told told = told_get(t, &x->place);

    *ret_untold = false;
    if (!x->place.alert)
        return 0;
    *ret_untold = told_learn(&told, x, reached);
    if (!lives)
        told.level = 0; /* who knew it is no more */
    if ((told.level || told.suppressed) && is_settled(t, x))
        told = (struct told){.counted = told.counted};
    return told_put(t, &x->place, &told);
}

static int64_t ready_ms(const struct row *notice, int64_t now_ms)
{
    int64_t ready = row_int(notice, NOTICE_READY);

    return ready > now_ms ? ready : now_ms;
}

/* OWNER's notice at P, which has no due time, gets one. */
static int due_set(struct txn *t, const struct place *p, const char *owner, int64_t due_ms)
{
    struct key k = key_of_id(owner, p->id);
    struct edit d;
    int err = due_put(t, due_ms, p, owner);

    if (err)
        return err;
    edit_begin(&d, t, notices(), &k);
    edit_int(&d, NOTICE_NEXT_ATTEMPT, due_ms);
    return row_put(&d, NULL);
}

/* The next of the line moves up. */
static int advance(struct txn *t, const struct place *done, int64_t now_ms)
{
    struct place head;
    char owner[33];
    struct key k;
    struct row r;
    int64_t due;
    int err = line_head(t, done, &head, owner);

    if (err)
        return err == ERR_NOTFOUND ? 0 : err;
    k = key_of_id(owner, head.id);
    err = row_get(t, notices(), &k, &r);
    if (err)
        return txn_fail(t, ERR_CORRUPT);
    if (row_int(&r, NOTICE_NEXT_ATTEMPT))
        return 0; /* it was the head already */
    due = ready_ms(&r, now_ms);
    if (row_int(&r, NOTICE_STATE) == NOTICE_DISPATCHED)
        due = now_ms + NOTICE_LEASE_MS; /* the same digest carries it */
    return due_set(t, &head, owner, due);
}

/* Is a problem before DONE in its line? Then what comes behind may be that one's. Mostly DONE was
 * the head. */
static bool problem_before(struct txn *t, const struct place *done)
{
    struct place p = {done->incarnation, done->alert, 0};
    char owner[33];

    while (!line_next(t, &p, &p, owner) && p.id < done->id) {
        struct key k = key_of_id(owner, p.id);
        struct row r;

        if (row_get(t, notices(), &k, &r))
            return false;
        if (is_problem((enum sa_notice_kind)row_int(&r, NOTICE_KIND)) &&
            !row_int(&r, NOTICE_BYGONE))
            return true;
    }
    return false;
}

/* The next of the line, RET, if it says nothing without a problem that was told. What is older and
 * was sent again has nothing to do with that. */
static bool is_sequel(struct txn *t, const struct place *done, struct notice_ref *ret,
                      enum sa_notice_kind *ret_kind)
{
    struct place next;
    struct key k;
    struct row r;

    if (line_next(t, done, &next, ret->owner))
        return false;
    ret->id = next.id;
    k = key_of_id(ret->owner, ret->id);
    if (row_get(t, notices(), &k, &r) || row_int(&r, NOTICE_STATE) != NOTICE_PENDING ||
        row_int(&r, NOTICE_BYGONE))
        return false;
    *ret_kind = (enum sa_notice_kind)row_int(&r, NOTICE_KIND);
    return *ret_kind == KIND_CLEAR || *ret_kind == KIND_ACKNOWLEDGE;
}

/* The acknowledgements and the recovery of a problem that nobody was told of are cancelled with it.
 */
static int cancel_untold(struct txn *t, const struct place *done, int64_t now_ms)
{
    enum sa_notice_kind kind = KIND_ACKNOWLEDGE;
    struct notice_ref ref;
    int err = 0;

    if (problem_before(t, done))
        return txn_error(t);
    while (!err && kind == KIND_ACKNOWLEDGE && is_sequel(t, done, &ref, &kind))
        err = cancel(t, &ref, "its problem was never told", now_ms);
    return err ? err : txn_error(t);
}

static int leave_queue(struct txn *t, const struct place *p, int64_t due_ms)
{
    uint8_t k[PENDING_LEN];
    int err = kv_del(t, DB_PENDING, pending_key(k, p));

    if (err == ERR_NOTFOUND)
        err = 0;
    if (!err && due_ms)
        err = due_drop(t, due_ms, p);
    return err;
}

/* TRIED: an attempt has come to this. */
static int finish_as(struct txn *t, const struct ending *x, enum sa_notice_state state,
                     enum sa_confirmation confirmation, const char *error, bool tried,
                     int64_t now_ms)
{
    struct edit d;
    bool reached, lives = false, untold = false;
    int err = leave_queue(t, &x->place, x->due_ms);

    if (!err)
        err = target_finish(t, x, state, error, tried, now_ms, &lives);
    reached = state == NOTICE_DELIVERED || one_reached(t, &x->key);
    if (!err)
        err = told_after(t, x, reached, lives, &untold);
    if (err)
        return err;
    edit_begin(&d, t, notices(), &x->key);
    edit_int(&d, NOTICE_STATE, state);
    edit_int(&d, NOTICE_NEXT_ATTEMPT, 0);
    edit_int(&d, NOTICE_FINISHED, now_ms);
    edit_int(&d, NOTICE_CONFIRMATION, confirmation);
    edit_str(&d, NOTICE_LAST_ERROR, error);
    if (x->acted)
        edit_clear(&d, NOTICE_ACTION);
    err = row_put(&d, NULL);
    if (!err && state == NOTICE_CANCELLED)
        err = count(t, SYSTEM_NOTICES_CANCELLED);
    if (!err)
        err = retention_add(t, RETAINED_NOTICES, x->ref->owner, x->ref->id, now_ms);
    if (!err)
        err = advance(t, &x->place, now_ms);
    if (!err && untold)
        err = cancel_untold(t, &x->place, now_ms);
    return err;
}

/* It is given up without an attempt. */
static int cancel(struct txn *t, const struct notice_ref *n, const char *why, int64_t now_ms)
{
    struct key k = key_of_id(n->owner, n->id);
    struct ending x;
    struct row r;
    int err = row_get(t, notices(), &k, &r);

    if (err)
        return err;
    ending_read(&x, n, &r);
    return finish_as(t, &x, NOTICE_CANCELLED, CONFIRM_NONE, why, false, now_ms);
}

/* ---- a target's match ---- */

bool notice_matching(struct txn *t, uint32_t after, struct notice_ref *ret)
{
    uint8_t at[4];
    struct slice k, v;

    if (kv_seek(t, DB_MATCHING, matching_key(at, after), true, &k, &v))
        return false;
    if (k.len != sizeof at || !owner_read(v, ret->owner)) {
        txn_fail(t, ERR_CORRUPT);
        return false;
    }
    ret->id = get_u32(k.data);
    return true;
}

bool notice_waits_for_match(const struct row *notice)
{
    return row_int(notice, NOTICE_MATCHING) && row_int(notice, NOTICE_STATE) == NOTICE_PENDING;
}

/* What its target's script came to; "": to an answer. Mostly that is known. */
static int match_failed(struct txn *t, const struct ending *x, const char *error)
{
    char known[256];
    struct row target;
    struct edit d;

    if (!target_get(t, &x->target, x->place.incarnation, &target) ||
        !strcmp(row_str(&target, TARGET_MATCH_ERROR, known, sizeof known), error))
        return txn_error(t);
    edit_begin(&d, t, sa_table_by_id(SA_TARGET), &x->target);
    edit_str(&d, TARGET_MATCH_ERROR, error);
    return row_put(&d, NULL);
}

/* It leaves no trace but in what its target knows: that did not want it. */
static int match_refused(struct txn *t, const struct ending *x, int64_t now_ms)
{
    bool lives = false, untold = false;
    struct edit d;
    int err = leave_queue(t, &x->place, x->due_ms);

    if (!err && (lives = target_edit(&d, t, &x->target, x->place.incarnation, NULL))) {
        edit_add(&d, TARGET_PENDING, -1);
        err = row_put(&d, NULL);
    }
    if (!err)
        err = told_after(t, x, false, lives, &untold);
    if (!err)
        err = recipients_drop(t, &x->key);
    if (!err)
        err = row_delete(t, notices(), &x->key);
    if (!err)
        err = advance(t, &x->place, now_ms);
    return err || !untold ? err : cancel_untold(t, &x->place, now_ms);
}

/* It is due when it would have been without a match. */
static int match_allowed(struct txn *t, const struct ending *x, int64_t ready, int64_t now_ms)
{
    int64_t due = ready > now_ms ? ready : now_ms;
    struct edit d;
    int err = 0;

    if (x->due_ms) {
        err = due_drop(t, x->due_ms, &x->place);
        if (!err)
            err = due_put(t, due, &x->place, x->ref->owner);
    }
    if (err)
        return err;
    edit_begin(&d, t, notices(), &x->key);
    edit_clear(&d, NOTICE_MATCHING);
    edit_int(&d, NOTICE_READY, ready);
    if (x->due_ms)
        edit_int(&d, NOTICE_NEXT_ATTEMPT, due);
    return row_put(&d, NULL);
}

int notice_matched(struct txn *t, const struct notice_ref *n, enum notice_match answer,
                   const char *error, int64_t now_ms)
{
    struct key k = key_of_id(n->owner, n->id);
    struct ending x;
    struct row r;
    int64_t ready;
    int err = matching_drop(t, n->id);

    if (!err)
        err = row_get(t, notices(), &k, &r);
    if (err || !notice_waits_for_match(&r))
        return err == ERR_NOTFOUND ? 0 : err;
    ending_read(&x, n, &r);
    ready = row_int(&r, NOTICE_READY) - row_int(&r, NOTICE_MATCHING);
    err = match_failed(t, &x, answer == MATCH_FAILED ? error : "");
    if (err)
        return err;
    return answer == MATCH_NO ? match_refused(t, &x, now_ms) : match_allowed(t, &x, ready, now_ms);
}

int64_t notice_retry_ms(uint32_t attempts, uint32_t random)
{
    int64_t ms = NOTICE_RETRY_FIRST_MS;

    while (attempts-- > 1 && ms < NOTICE_RETRY_MOST_MS)
        ms *= 2;
    if (ms > NOTICE_RETRY_MOST_MS)
        ms = NOTICE_RETRY_MOST_MS;
    return ms * (800 + random % 401) / 1000;
}

/* Is P the oldest of its line? */
static bool is_first(struct txn *t, const struct place *p)
{
    struct place head;
    char owner[33];

    return !line_head(t, p, &head, owner) && head.id == p->id;
}

/* PENDING again, from WHEN on. Only the head of a line has a due time; one that an older one was
 * put before meanwhile waits for that. */
static int requeue(struct txn *t, const struct notice_ref *n, const struct row *r, int64_t when,
                   const char *error, int attempts)
{
    struct place p = {(uint32_t)row_int(r, NOTICE_INCARNATION), (uint32_t)row_int(r, NOTICE_ALERT),
                      n->id};
    struct key k = key_of_id(n->owner, n->id);
    int64_t due = row_int(r, NOTICE_NEXT_ATTEMPT);
    bool first = due && is_first(t, &p);
    struct edit d;
    int err = 0;

    if (due)
        err = due_drop(t, due, &p);
    if (!err && first)
        err = due_put(t, when, &p, n->owner);
    if (err)
        return err;
    edit_begin(&d, t, notices(), &k);
    edit_int(&d, NOTICE_STATE, NOTICE_PENDING);
    edit_int(&d, NOTICE_READY, when);
    if (attempts >= 0)
        edit_int(&d, NOTICE_ATTEMPTS, attempts);
    if (due)
        edit_int(&d, NOTICE_NEXT_ATTEMPT, first ? when : 0);
    if (error)
        edit_str(&d, NOTICE_LAST_ERROR, error);
    return row_put(&d, NULL);
}

/* The delay's random part: the same for all notices of a digest, so that they stay together. */
static uint32_t jitter(const struct row *r, uint32_t id)
{
    struct slice digest = row_text(r, NOTICE_DIGEST);
    uint64_t attempts = (uint64_t)row_int(r, NOTICE_ATTEMPTS);

    if (digest.len)
        return (uint32_t)hash64(digest.data, digest.len, attempts);
    return (uint32_t)hash64(&id, sizeof id, attempts);
}

static int retry(struct txn *t, const struct ending *x, const struct row *r, const char *error,
                 int64_t now_ms)
{
    int64_t ms = notice_retry_ms((uint32_t)row_int(r, NOTICE_ATTEMPTS), jitter(r, x->ref->id));
    struct edit d;
    int err = requeue(t, x->ref, r, now_ms + ms, error, -1);

    if (err || !target_edit(&d, t, &x->target, x->place.incarnation, NULL))
        return err ? err : txn_error(t);
    edit_str(&d, TARGET_LAST_ERROR, error ? error : "");
    return row_put(&d, NULL);
}

/* A manager has called it back while it was under way. */
static bool cancel_wanted(const struct row *r)
{
    return row_int(r, NOTICE_ACTION) == ACTION_CANCEL;
}

/* From when on the time counts after which it is given up. */
static int64_t tried_since(const struct row *r)
{
    int64_t resent = row_int(r, NOTICE_RESENT);

    return resent ? resent : row_int(r, NOTICE_CREATED);
}

int notice_outcome(struct txn *t, const struct notice_ref *n, enum notice_end end,
                   enum sa_confirmation confirmation, const char *error,
                   const struct notice_recipient *recipients, size_t nrecipients, int64_t now_ms,
                   enum sa_notice_state *ret_state)
{
    static const enum sa_notice_state states[] = {[NOTICE_END_DELIVERED] = NOTICE_DELIVERED,
                                                  [NOTICE_END_FAILED] = NOTICE_FAILED,
                                                  [NOTICE_END_CANCELLED] = NOTICE_CANCELLED};
    struct key k = key_of_id(n->owner, n->id);
    bool delivered = end == NOTICE_END_DELIVERED;
    struct ending x;
    struct row r;
    int err = 0;

    for (size_t i = 0; i < nrecipients && !err; i++) {
        const struct notice_recipient *to = &recipients[i];

        err = recipient_answer(t, n, to->address, to->state, to->reply);
    }
    if (!err)
        err = row_get(t, notices(), &k, &r);
    if (err)
        return err == ERR_NOTFOUND ? 0 : err;
    *ret_state = (enum sa_notice_state)row_int(&r, NOTICE_STATE);
    if (*ret_state != NOTICE_DISPATCHED && *ret_state != NOTICE_PENDING)
        return 0;
    ending_read(&x, n, &r);
    if (!delivered && cancel_wanted(&r)) {
        end = NOTICE_END_CANCELLED;
        error = by_manager;
    }
    if (end == NOTICE_END_RETRY) {
        if (now_ms - tried_since(&r) < NOTICE_GIVE_UP_MS) {
            *ret_state = NOTICE_PENDING;
            return retry(t, &x, &r, error, now_ms);
        }
        end = NOTICE_END_FAILED;
    }
    *ret_state = states[end];
    return finish_as(t, &x, states[end], delivered ? confirmation : CONFIRM_NONE,
                     delivered || !error ? "" : error, end != NOTICE_END_CANCELLED, now_ms);
}

int notice_defer(struct txn *t, const struct notice_ref *n, int64_t pause_ms, int64_t now_ms)
{
    struct key k = key_of_id(n->owner, n->id);
    int64_t until = now_ms + (pause_ms < NOTICE_RETRY_MOST_MS ? pause_ms : NOTICE_RETRY_MOST_MS);
    struct row r;
    int err = row_get(t, notices(), &k, &r);

    if (err)
        return err == ERR_NOTFOUND ? 0 : err;
    if (row_int(&r, NOTICE_STATE) != NOTICE_PENDING || row_int(&r, NOTICE_READY) >= until)
        return 0;
    return requeue(t, n, &r, until, NULL, -1);
}

int notice_respond(struct txn *t, const struct notice_ref *n, const char *response)
{
    struct key k = key_of_id(n->owner, n->id);
    struct edit d;

    if (!row_exists(t, notices(), &k))
        return txn_error(t);
    edit_begin(&d, t, notices(), &k);
    edit_str(&d, NOTICE_RESPONSE, response);
    return row_put(&d, NULL);
}

int notice_release(struct txn *t, const struct notice_ref *n, int64_t now_ms)
{
    struct key k = key_of_id(n->owner, n->id);
    struct row r;
    int err = row_get(t, notices(), &k, &r);
    int attempts;

    if (err)
        return err == ERR_NOTFOUND ? 0 : err;
    if (row_int(&r, NOTICE_STATE) != NOTICE_DISPATCHED)
        return 0;
    if (cancel_wanted(&r))
        return cancel(t, n, by_manager, now_ms);
    attempts = (int)row_int(&r, NOTICE_ATTEMPTS);
    return requeue(t, n, &r, now_ms, NULL, attempts > 0 ? attempts - 1 : 0);
}

/* ---- lines of several handlers ---- */

static void add_leads(struct leads *x, const struct leads *more)
{
    for (size_t i = 0; i < more->n && x->n < LEADS_MAX; i++) {
        if (!leads_has(x, &more->ends[i]))
            x->ends[x->n++] = more->ends[i];
    }
}

static bool place_of(struct txn *t, const struct notice_ref *n, struct place *ret)
{
    struct key k = key_of_id(n->owner, n->id);
    struct row r;

    if (row_get(t, notices(), &k, &r))
        return false;
    *ret = (struct place){(uint32_t)row_int(&r, NOTICE_INCARNATION),
                          (uint32_t)row_int(&r, NOTICE_ALERT), n->id};
    return true;
}

bool notice_is_head(struct txn *t, const struct notice_ref *n)
{
    struct place p;

    return place_of(t, n, &p) && is_first(t, &p);
}

bool notice_waits_for(struct txn *t, const struct notice_ref *n, struct leads *ret)
{
    struct notice_ref before;
    struct place at;

    ret->n = 0;
    if (!place_of(t, n, &at))
        return true;
    at.id = 0;
    while (!line_next(t, &at, &at, before.owner) && at.id < n->id) {
        struct leads pending;

        before.id = at.id;
        if (!recipient_handlers(t, &before, &pending))
            return false;
        add_leads(ret, &pending);
    }
    return true;
}

/* Is Q for somebody who is not among WAITING? */
static bool has_free(const struct leads *waiting, const struct leads *pending, bool known)
{
    for (size_t i = 0; i < pending->n; i++) {
        if (!leads_has(waiting, &pending->ends[i]))
            return true;
    }
    return !known; /* it is not known yet whom it is for */
}

/* Q of the line AT is due, if it is not. */
static int come_due(struct txn *t, const struct notice_ref *q, const struct place *at,
                    int64_t now_ms)
{
    struct key k = key_of_id(q->owner, q->id);
    struct row r;

    if (row_get(t, notices(), &k, &r))
        return txn_fail(t, ERR_CORRUPT);
    if (row_int(&r, NOTICE_STATE) != NOTICE_PENDING || row_int(&r, NOTICE_NEXT_ATTEMPT))
        return 0;
    return due_set(t, at, q->owner, ready_ms(&r, now_ms));
}

static int pass_line(struct txn *t, const struct place *of, int64_t now_ms)
{
    struct place at = {of->incarnation, of->alert, 0};
    struct leads waiting = {.n = 0};
    struct notice_ref q;
    int err = 0;

    while (!err && !line_next(t, &at, &at, q.owner)) {
        struct leads pending;
        bool known;

        q.id = at.id;
        known = recipient_handlers(t, &q, &pending);
        if (has_free(&waiting, &pending, known))
            err = come_due(t, &q, &at, now_ms);
        if (!known)
            break; /* nothing passes it */
        add_leads(&waiting, &pending);
    }
    return err ? err : txn_error(t);
}

int notice_pass(struct txn *t, const struct notice_ref *n, int64_t now_ms)
{
    struct place of;

    return place_of(t, n, &of) ? pass_line(t, &of, now_ms) : txn_error(t);
}

static int pass_one(struct txn *t, const struct notice_ref *n, const struct place *p,
                    const void *arg)
{
    (void)p;
    return recipients_partly(t, n) ? notice_pass(t, n, *(const int64_t *)arg) : 0;
}

/* Calls CB for every notice of the queue; their number, or the first error. */
static int pending_each(struct txn *t, const void *arg,
                        int (*cb)(struct txn *t, const struct notice_ref *n, const struct place *p,
                                  const void *arg))
{
    uint8_t at[PENDING_LEN] = {0};
    struct slice from = {at, 0}, k, v;
    bool after = false;
    int n = 0;

    while (!kv_seek(t, DB_PENDING, from, after, &k, &v)) {
        struct notice_ref ref;
        struct place p;
        int err;

        if (!place_read(k, &p) || !owner_read(v, ref.owner))
            return txn_fail(t, ERR_CORRUPT);
        ref.id = p.id;
        from = pending_key(at, &p);
        after = true;
        err = cb(t, &ref, &p, arg);
        if (err)
            return err;
        n++;
    }
    return txn_error(t) ? txn_error(t) : n;
}

struct times { /* of a row, by the wall clock */
    int64_t created_ms, resent_ms, ready_ms, due_ms;
};

static struct times times_of(const struct row *r)
{
    return (struct times){row_int(r, NOTICE_CREATED), row_int(r, NOTICE_RESENT),
                          row_int(r, NOTICE_READY), row_int(r, NOTICE_NEXT_ATTEMPT)};
}

/* Its row with other times; a notice that is no line's head has no due time. */
static int move_times(struct txn *t, const struct notice_ref *n, const struct place *p,
                      const struct row *r, const struct times *to)
{
    struct key k = key_of_id(n->owner, n->id);
    int64_t before_ms = row_int(r, NOTICE_NEXT_ATTEMPT);
    struct edit d;
    int err = 0;

    if (before_ms && before_ms != to->due_ms) {
        err = due_drop(t, before_ms, p);
        if (!err)
            err = due_put(t, to->due_ms, p, n->owner);
    }
    if (err)
        return err;
    edit_begin(&d, t, notices(), &k);
    edit_int(&d, NOTICE_CREATED, to->created_ms);
    edit_int(&d, NOTICE_READY, to->ready_ms);
    if (to->resent_ms)
        edit_int(&d, NOTICE_RESENT, to->resent_ms);
    if (before_ms)
        edit_int(&d, NOTICE_NEXT_ATTEMPT, to->due_ms);
    return row_put(&d, NULL);
}

static int64_t at_least_1(int64_t ms)
{
    return ms > 0 ? ms : 1; /* 0 would be no time at all */
}

static int shift_one(struct txn *t, const struct notice_ref *n, const struct place *p,
                     const void *arg)
{
    int64_t delta_ms = *(const int64_t *)arg;
    struct key k = key_of_id(n->owner, n->id);
    struct row r;
    struct times to;
    int err = row_get(t, notices(), &k, &r);

    if (err)
        return err == ERR_NOTFOUND ? txn_fail(t, ERR_CORRUPT) : err;
    to = times_of(&r);
    to.created_ms = at_least_1(to.created_ms + delta_ms);
    to.resent_ms = to.resent_ms ? at_least_1(to.resent_ms + delta_ms) : 0;
    to.ready_ms = at_least_1(to.ready_ms + delta_ms);
    to.due_ms = at_least_1(to.due_ms + delta_ms);
    return move_times(t, n, p, &r, &to);
}

int notice_shift(struct txn *t, int64_t delta_ms)
{
    return pending_each(t, &delta_ms, shift_one);
}

static bool is_queued(const struct row *r)
{
    return row_int(r, NOTICE_STATE) == NOTICE_PENDING ||
           row_int(r, NOTICE_STATE) == NOTICE_DISPATCHED;
}

/* Times that lie farther ahead than any can come from a clock that was set back meanwhile. */
static int recover_one(struct txn *t, const struct notice_ref *n, const struct place *p,
                       const void *arg)
{
    int64_t now_ms = *(const int64_t *)arg, latest_ms = now_ms + NOTICE_GIVE_UP_MS;
    struct key k = key_of_id(n->owner, n->id);
    struct row r;
    struct times to;
    int err = notice_release(t, n, now_ms);

    if (!err)
        err = row_get(t, notices(), &k, &r);
    if (err)
        return err == ERR_NOTFOUND ? txn_fail(t, ERR_CORRUPT) : err;
    if (!is_queued(&r)) /* it had been called back */
        return 0;
    to = times_of(&r);
    if (to.created_ms <= now_ms && to.resent_ms <= now_ms && to.ready_ms <= latest_ms &&
        to.due_ms <= latest_ms)
        return 0;
    to.created_ms = to.created_ms < now_ms ? to.created_ms : now_ms;
    to.resent_ms = to.resent_ms < now_ms ? to.resent_ms : now_ms;
    to.ready_ms = to.ready_ms <= latest_ms ? to.ready_ms : now_ms;
    to.due_ms = to.due_ms <= latest_ms ? to.due_ms : now_ms;
    return move_times(t, n, p, &r, &to);
}

int notice_recover(struct txn *t, int64_t now_ms)
{
    int err = notice_unsort(t); /* handlers may be other ones by now */

    if (!err && !kv_count(t, DB_COUNT))
        err = notice_count_told(t);
    if (!err)
        err = pending_each(t, &now_ms, recover_one);
    return err < 0 ? err : pending_each(t, &now_ms, pass_one);
}

struct hurry {
    const char *owner, *handler;
    int64_t now_ms;
};

/* Was the notice R made for OWNER's HANDLER? */
static bool is_for(struct txn *t, const struct row *r, const char *owner, const char *handler)
{
    char target_owner[33], made_for[33], found_owner[33];
    struct row found;

    row_str(r, NOTICE_TARGET_OWNER, target_owner, sizeof target_owner);
    row_str(r, NOTICE_HANDLER, made_for, sizeof made_for);
    return !strcmp(made_for, handler) &&
           !ref_find(t, SA_HANDLER, target_owner, made_for, &found, found_owner) &&
           !strcmp(found_owner, owner);
}

/* What was not tried yet keeps its turn: it waits for others of its digest, if for anything. */
static int hurry_one(struct txn *t, const struct notice_ref *n, const struct place *p,
                     const void *arg)
{
    const struct hurry *h = arg;
    struct key k = key_of_id(n->owner, n->id);
    struct times to;
    struct row r;
    int err = row_get(t, notices(), &k, &r);

    if (err)
        return err == ERR_NOTFOUND ? txn_fail(t, ERR_CORRUPT) : err;
    if (row_int(&r, NOTICE_STATE) != NOTICE_PENDING || !row_int(&r, NOTICE_ATTEMPTS) ||
        row_int(&r, NOTICE_NEXT_ATTEMPT) <= h->now_ms)
        return 0;
    if (!is_for(t, &r, h->owner, h->handler) && !recipient_waits(t, n, h->owner, h->handler))
        return txn_error(t);
    to = times_of(&r);
    to.due_ms = h->now_ms;
    return move_times(t, n, p, &r, &to);
}

int notice_hurry(struct txn *t, const char *owner, const char *handler, int64_t now_ms)
{
    struct hurry h = {owner, handler, now_ms};

    return pending_each(t, &h, hurry_one);
}

uint64_t notice_pending(struct txn *t)
{
    return kv_count(t, DB_PENDING);
}

/* ---- by a manager ---- */

static int may_resend(const struct row *target, const struct row *notice, struct err *e)
{
    if (is_queued(notice))
        return err_set(e, ERR_INCONSISTENT_VALUE, "the notice is still to be told");
    if (!target || !is_incarnation(target, (uint32_t)row_int(notice, NOTICE_INCARNATION)))
        return err_set(e, ERR_INCONSISTENT_VALUE, "the notice's target is gone");
    if (!target_in_force(target))
        return err_set(e, ERR_INCONSISTENT_VALUE, "the notice's target is disabled");
    if (row_int(target, TARGET_PENDING) >= NOTICE_QUEUE_MAX)
        return err_set(e, ERR_RESOURCE_UNAVAILABLE, "the target's queue is full");
    return 0;
}

int notice_may(enum sa_notice_action action, const struct row *notice, const struct row *target,
               struct err *e)
{
    const struct sa_column *state = sa_column_by_number(notices(), NOTICE_STATE);

    if (action == ACTION_RESEND)
        return may_resend(target, notice, e);
    if (action == ACTION_CANCEL && !is_queued(notice))
        return err_set(e, ERR_INCONSISTENT_VALUE, "the notice is %s already: nothing to cancel",
                       sa_name_of(state->names, row_int(notice, NOTICE_STATE)));
    return 0;
}

/* Who is to be told again: ALL, or those who were not reached. */
static int recipients_again(struct txn *t, const struct key *notice, bool all)
{
    struct cursor c;
    struct row r;
    int err = 0;

    for (cursor_first(&c, t, sa_table_by_id(SA_NOTICE_RECIPIENT), notice);
         cursor_row(&c, &r) && !err; cursor_next(&c)) {
        struct key k = key_copy(r.key);
        struct edit d;

        if (!all && row_int(&r, NOTICE_RECIPIENT_STATE) == NOTICE_DELIVERED)
            continue;
        edit_begin(&d, t, sa_table_by_id(SA_NOTICE_RECIPIENT), &k);
        edit_int(&d, NOTICE_RECIPIENT_STATE, NOTICE_PENDING);
        edit_str(&d, NOTICE_RECIPIENT_REPLY, "");
        err = row_put(&d, NULL);
    }
    cursor_close(&c);
    return err ? err : txn_error(t);
}

/* A head that an older one was put before waits for its turn; one that is under way comes back. */
static int stand_back(struct txn *t, const struct place *head, const char *owner)
{
    struct key k = key_of_id(owner, head->id);
    struct edit d;
    struct row r;
    int64_t due;
    int err = row_get(t, notices(), &k, &r);

    if (err)
        return txn_fail(t, ERR_CORRUPT);
    due = row_int(&r, NOTICE_NEXT_ATTEMPT);
    if (row_int(&r, NOTICE_STATE) != NOTICE_PENDING || !due)
        return 0;
    err = due_drop(t, due, head);
    if (err)
        return err;
    edit_begin(&d, t, notices(), &k);
    edit_int(&d, NOTICE_NEXT_ATTEMPT, 0);
    return row_put(&d, NULL);
}

/* Into its line, at the place of its number. *RET_NEXT: its next attempt, 0: when its turn comes.
 */
static int rejoin(struct txn *t, const struct place *p, const char *owner, int64_t now_ms,
                  int64_t *ret_next)
{
    struct place head;
    char head_owner[33];
    int err = line_head(t, p, &head, head_owner);
    bool first = err || head.id > p->id;

    if (err && err != ERR_NOTFOUND)
        return err;
    err = !err && first ? stand_back(t, &head, head_owner) : 0;
    *ret_next = first ? now_ms : 0;
    return err ? err : enqueue(t, p, owner, now_ms, first);
}

/* What a notice that is sent again is to its alert. */
struct standing {
    bool bygone; /* it tells of what is over, or is not over any more */
    bool latest; /* it tells the last transition */
};

static struct standing standing_of(struct txn *t, const struct notice_ref *n, const struct row *r)
{
    struct key k = key_of_id(n->owner, (uint32_t)row_int(r, NOTICE_ALERT));
    struct standing s = {.bygone = row_int(r, NOTICE_ALERT) != 0};
    struct row alert;

    if (!s.bygone || row_get(t, sa_table_by_id(SA_ALERT), &k, &alert))
        return s;
    s.latest = row_int(&alert, ALERT_HISTORY) == row_int(r, NOTICE_HISTORY);
    s.bygone = row_int(r, NOTICE_KIND) == KIND_CLEAR
                   ? row_int(&alert, ALERT_LEVEL) != LEVEL_OK || !s.latest
                   : row_int(&alert, ALERT_ACTIVE_SINCE) != row_int(r, NOTICE_ACTIVE_SINCE);
    return s;
}

/* A problem that is under way again is owed again. */
static int owe_again(struct txn *t, const struct ending *x, const struct standing *s)
{
    struct told told = told_get(t, &x->place);

    if (!x->place.alert || s->bygone || !is_problem(x->kind))
        return 0;
    told.owed++;
    if (s->latest)
        told.suppressed = false;
    return told_put(t, &x->place, &told);
}

/* R: its row, read since the last write. */
static int resend(struct txn *t, const struct notice_ref *n, const struct row *r, int64_t now_ms)
{
    struct standing standing = standing_of(t, n, r);
    bool all = row_int(r, NOTICE_STATE) == NOTICE_DELIVERED;
    int64_t finished = row_int(r, NOTICE_FINISHED), next = 0;
    struct ending x;
    struct edit d;
    int err;

    ending_read(&x, n, r);
    err = retention_drop(t, RETAINED_NOTICES, n->id, finished);
    if (!err)
        err = recipients_again(t, &x.key, all);
    if (!err)
        err = rejoin(t, &x.place, n->owner, now_ms, &next);
    if (!err)
        err = owe_again(t, &x, &standing);
    if (!err)
        err = target_add_pending(t, &x.target, x.kind, x.place.id);
    if (err)
        return err;
    edit_begin(&d, t, notices(), &x.key);
    edit_clear(&d, NOTICE_ACTION);
    edit_int(&d, NOTICE_STATE, NOTICE_PENDING);
    edit_clear(&d, NOTICE_SUPPRESSION);
    edit_int(&d, NOTICE_CONFIRMATION, CONFIRM_NONE);
    edit_int(&d, NOTICE_FINISHED, 0);
    edit_int(&d, NOTICE_READY, now_ms);
    edit_clear(&d, NOTICE_MATCHING);
    edit_int(&d, NOTICE_NEXT_ATTEMPT, next);
    edit_int(&d, NOTICE_RESENT, now_ms);
    edit_int(&d, NOTICE_BYGONE, standing.bygone);
    edit_str(&d, NOTICE_LAST_ERROR, "");
    return row_put(&d, NULL);
}

static int no_action(struct txn *t, const struct key *k)
{
    struct edit d;

    edit_begin(&d, t, notices(), k);
    edit_clear(&d, NOTICE_ACTION);
    return row_put(&d, NULL);
}

int notice_act(struct txn *t, const struct notice_ref *n, int64_t now_ms, bool *ret_call_back)
{
    struct key k = key_of_id(n->owner, n->id), target_key;
    enum sa_notice_action action;
    struct row r, target;
    struct err e;
    bool lives;
    int err = row_get(t, notices(), &k, &r);

    *ret_call_back = false;
    if (err)
        return err == ERR_NOTFOUND ? 0 : err;
    action = (enum sa_notice_action)row_int(&r, NOTICE_ACTION);
    if (action == ACTION_IDLE)
        return 0;
    target_key = notice_target_key(&r);
    lives = !row_get(t, sa_table_by_id(SA_TARGET), &target_key, &target);
    if (notice_may(action, &r, lives ? &target : NULL, &e)) /* no longer, by now */
        return txn_error(t) ? txn_error(t) : no_action(t, &k);
    if (action == ACTION_RESEND)
        return resend(t, n, &r, now_ms);
    *ret_call_back = row_int(&r, NOTICE_STATE) == NOTICE_DISPATCHED;
    return *ret_call_back ? 0 : cancel(t, n, by_manager, now_ms);
}

int notice_settled(struct txn *t, const struct notice_ref *n)
{
    struct key k = key_of_id(n->owner, n->id), target;
    struct row r;
    int err = row_get(t, notices(), &k, &r);

    if (err)
        return err == ERR_NOTFOUND ? 0 : err;
    target = notice_target_key(&r);
    return direct_settled(t, &target);
}

/* ---- claiming ---- */

static bool has_room(const struct notice_ways *w, unsigned way)
{
    return !w || w->room & 1u << way;
}

/* A damaged entry is due at once: who claims it is told. */
int64_t notice_next_due(struct txn *t, unsigned room)
{
    int64_t first = 0;

    for (unsigned way = UNSORTED; way <= NOTICE_WAYS; way++) {
        struct due d = {.ms = 1};
        int err;

        if (way == UNSORTED ? !room : !(room & 1u << way))
            continue;
        err = due_first(t, way, &d);
        if ((!err || err == ERR_CORRUPT) && (!first || d.ms < first))
            first = d.ms;
    }
    return first;
}

int notice_unsort(struct txn *t)
{
    int err = 0;

    for (unsigned way = 1; way <= NOTICE_WAYS; way++) {
        struct due d;

        while (!(err = due_first(t, way, &d)) && !(err = due_move(t, &d, UNSORTED)))
            ;
        if (err != ERR_NOTFOUND)
            return txn_fail(t, err);
    }
    return txn_error(t);
}

/* The number of its next message to a target. */
static int target_number(struct txn *t, const struct ending *x, int64_t *ret)
{
    struct row target;
    struct edit d;

    if (!target_edit(&d, t, &x->target, x->place.incarnation, &target))
        return txn_error(t);
    *ret = (row_int(&target, TARGET_SEQUENCE) + 1) & UINT32_MAX;
    edit_int(&d, TARGET_SEQUENCE, *ret);
    return row_put(&d, NULL);
}

/* Give it a sequence, count the attempt, put its lease. R: its row, read since the last write.
 * DIGEST may be "". SHARED: the sequence of the event that it is part of, 0: not given yet; NULL:
 * of none. */
static int dispatch_mark(struct txn *t, const struct notice_ref *n, const struct row *r,
                         const char *digest, int64_t *shared, int64_t now_ms)
{
    int64_t sequence = row_int(r, NOTICE_TARGET_SEQUENCE), due;
    bool unanswered;
    struct ending x;
    struct edit d;
    int err = 0;

    ending_read(&x, n, r);
    unanswered = notice_waits_for_match(r);
    if (!sequence && shared && *shared)
        sequence = *shared;
    else if (!sequence)
        err = target_number(t, &x, &sequence);
    if (!err && unanswered)
        err = match_failed(t, &x, "no answer in time");
    if (shared)
        *shared = sequence;
    due = x.due_ms;
    if (!err && due) {
        err = due_drop(t, due, &x.place);
        due = now_ms + NOTICE_LEASE_MS;
        if (!err)
            err = due_put(t, due, &x.place, n->owner);
    }
    if (err)
        return err;
    edit_begin(&d, t, notices(), &x.key);
    edit_int(&d, NOTICE_STATE, NOTICE_DISPATCHED);
    if (unanswered)
        edit_clear(&d, NOTICE_MATCHING);
    edit_add(&d, NOTICE_ATTEMPTS, 1);
    edit_int(&d, NOTICE_TARGET_SEQUENCE, sequence);
    edit_int(&d, NOTICE_NEXT_ATTEMPT, due);
    edit_str(&d, NOTICE_DIGEST, digest);
    return row_put(&d, NULL);
}

/* All notices, but not more than MOST, of the target that may go along with FIRST: whole lines from
 * their heads on, but no line whose head is on its way or waits for a retry, and each only as far
 * as those who are still to be reached are the same. */
static int gather(struct txn *t, const struct notice_ref *first, uint32_t incarnation,
                  int64_t now_ms, size_t most, struct notice_ref *ret, size_t *ret_n)
{
    struct place at = {incarnation, 0, 0};
    uint64_t same = still_to_reach(t, first);
    uint8_t kb[PENDING_LEN];
    struct slice k, v;
    bool after = false, have_line = false, blocked = false;
    uint32_t line = 0;

    *ret_n = 0;
    while (*ret_n < most && !kv_seek(t, DB_PENDING, pending_key(kb, &at), after, &k, &v)) {
        struct notice_ref *ref = &ret[*ret_n];
        struct key key;
        struct row r;

        if (!place_read(k, &at) || !owner_read(v, ref->owner))
            return txn_fail(t, ERR_CORRUPT);
        if (at.incarnation != incarnation)
            break;
        after = true;
        ref->id = at.id;
        key = key_of_id(ref->owner, ref->id);
        if (row_get(t, notices(), &key, &r))
            return txn_fail(t, ERR_CORRUPT);
        if (!have_line || at.alert != line) {
            line = at.alert;
            have_line = true;
            blocked = row_int(&r, NOTICE_ATTEMPTS) && row_int(&r, NOTICE_NEXT_ATTEMPT) > now_ms;
        }
        if (still_to_reach(t, ref) != same && recipients_partly(t, ref)) {
            blocked = false; /* those behind it are for who has got it */
            continue;
        }
        blocked = blocked || row_int(&r, NOTICE_STATE) == NOTICE_DISPATCHED ||
                  notice_waits_for_match(&r) || still_to_reach(t, ref) != same;
        if (!blocked && row_int(&r, NOTICE_STATE) == NOTICE_PENDING)
            ++*ret_n;
    }
    return txn_error(t);
}

/* The rows of notice D, in R, and of its target; their keys are in KEYS, which they borrow.
 * ERR_AGAIN: it was cancelled. */
static int due_rows(struct txn *t, const struct due *d, int64_t now_ms, struct row *r,
                    struct row *target, struct key keys[2])
{
    struct notice_ref ref = {.id = d->place.id};
    int err;

    memcpy(ref.owner, d->owner, sizeof ref.owner);
    keys[0] = key_of_id(ref.owner, ref.id);
    /* With another due time than its row has, it would stay here, and be found again for ever. */
    if (row_get(t, notices(), &keys[0], r) || row_int(r, NOTICE_NEXT_ATTEMPT) != d->ms)
        return txn_fail(t, ERR_CORRUPT);
    keys[1] = notice_target_key(r);
    if (!target_get(t, &keys[1], d->place.incarnation, target))
        err = cancel(t, &ref, "the target is gone", now_ms);
    else if (!target_in_force(target))
        err = cancel(t, &ref, "the target is disabled", now_ms);
    else if (cancel_wanted(r)) /* it was called back, and nobody knows what became of it */
        err = cancel(t, &ref, by_manager, now_ms);
    else
        return 0;
    return err ? err : ERR_AGAIN;
}

/* The earliest of those set aside for a way that has room; else the earliest of those unsorted. */
static int due_next(struct txn *t, int64_t now_ms, const struct notice_ways *w, struct due *ret)
{
    for (unsigned i = 1; i <= NOTICE_WAYS + 1; i++) {
        unsigned way = i <= NOTICE_WAYS ? i : UNSORTED;
        int err = way == UNSORTED || has_room(w, way) ? due_first(t, way, ret) : ERR_NOTFOUND;

        if (err && err != ERR_NOTFOUND)
            return txn_fail(t, err);
        if (!err && ret->ms <= now_ms)
            return 0;
    }
    return ERR_NOTFOUND;
}

static unsigned way_of(struct txn *t, const struct notice_ways *w, const struct row *r,
                       const struct row *target)
{
    unsigned way = w && w->way_of ? w->way_of(w->arg, t, r, target) : 1;

    return way < 1 || way > NOTICE_WAYS ? 1 : way;
}

/* The first due head that may go. ERR_AGAIN: it was cancelled or set aside, look again. */
static int first_due(struct txn *t, int64_t now_ms, struct notice_ways *w, struct due *ret,
                     struct row *r, struct row *target, struct key keys[2])
{
    int err = due_next(t, now_ms, w, ret);
    unsigned way;

    if (!err)
        err = due_rows(t, ret, now_ms, r, target, keys);
    if (err)
        return err;
    way = way_of(t, w, r, target);
    if (has_room(w, way)) { /* set aside for another way or not */
        if (w)
            w->way = way;
        return 0;
    }
    err = due_move(t, ret, way);
    return err ? err : ERR_AGAIN;
}

/* Marks each of a digest; ONE: of which one event is made. */
static int dispatch_all(struct txn *t, const struct notice_ref *refs, size_t n, const char *digest,
                        bool one, int64_t now_ms)
{
    int64_t shared = 0;
    int err = 0;

    for (size_t i = 0; i < n && !err; i++) {
        struct key k = key_of_id(refs[i].owner, refs[i].id);
        struct row r;

        err = row_get(t, notices(), &k, &r);
        if (!err)
            err = dispatch_mark(t, &refs[i], &r, digest, one ? &shared : NULL, now_ms);
    }
    return err;
}

/* A digest that is sent again, with nothing in it that was not in it before, is the same message:
 * who has got it may ignore the copy. */
static int digest_uuid(struct txn *t, const struct notice_ref *refs, size_t n,
                       char ret[UUID_TEXT_LEN + 1])
{
    char digest[UUID_TEXT_LEN + 1], first[UUID_TEXT_LEN + 1] = "";

    for (size_t i = 0; i < n; i++) {
        struct key k = key_of_id(refs[i].owner, refs[i].id);
        struct row r;

        if (row_get(t, notices(), &k, &r))
            return txn_fail(t, ERR_CORRUPT);
        row_str(&r, NOTICE_DIGEST, i ? digest : first, sizeof digest);
        if (!*first || (i && strcmp(digest, first)))
            return uuid_new(ret);
    }
    memcpy(ret, first, sizeof first);
    return 0;
}

/* Its own, not that of the head of another line that was looked at first. */
static int notice_uuid(struct txn *t, const struct notice_ref *n, char ret[UUID_TEXT_LEN + 1])
{
    struct key k = key_of_id(n->owner, n->id);
    struct row r;

    if (row_get(t, notices(), &k, &r))
        return txn_fail(t, ERR_CORRUPT);
    row_str(&r, NOTICE_UUID, ret, UUID_TEXT_LEN + 1);
    return 0;
}

int notice_claim(struct txn *t, int64_t now_ms, struct notice_ways *w, struct notice_ref *ret,
                 size_t *ret_n, char ret_uuid[UUID_TEXT_LEN + 1])
{
    struct notice_ref head;
    struct row r, target;
    struct key keys[2];
    struct due first;
    int err, most = NOTICE_SORT_MAX;
    size_t one;

    do {
        err = first_due(t, now_ms, w, &first, &r, &target, keys);
    } while (err == ERR_AGAIN && --most);
    if (err)
        return err == ERR_AGAIN ? ERR_NOTFOUND : err;
    ret[0].id = first.place.id;
    memcpy(ret[0].owner, first.owner, sizeof ret[0].owner);
    *ret_n = 1;
    row_str(&r, NOTICE_UUID, ret_uuid, UUID_TEXT_LEN + 1);
    one = w && w->aggregates ? w->aggregates(w->arg, &r, &target) : 0;
    if (one == 1 || digest_of(t, &target, w ? w->digest_ms_of : NULL, w ? w->arg : NULL) <= 0)
        return dispatch_mark(t, &ret[0], &r, "", NULL, now_ms);
    head = ret[0];
    err =
        gather(t, &head, first.place.incarnation, now_ms, one ? one : NOTICE_BATCH_MAX, ret, ret_n);
    if (err)
        return err;
    if (*ret_n <= 1) {
        if (!*ret_n) /* its own lease ran out: alone */
            ret[0] = head;
        *ret_n = 1;
        err = notice_uuid(t, &ret[0], ret_uuid);
        return err ? err : dispatch_all(t, ret, 1, "", false, now_ms);
    }
    err = digest_uuid(t, ret, *ret_n, ret_uuid);
    return err ? err : dispatch_all(t, ret, *ret_n, ret_uuid, one > 0, now_ms);
}
