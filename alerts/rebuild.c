#include "alerts/rebuild.h"

#include <stdlib.h>
#include <string.h>

#include "alerts/acknowledge.h"
#include "alerts/alarms.h"
#include "alerts/index.h"
#include "alerts/notice.h"
#include "alerts/raise.h"
#include "base/array.h"
#include "base/text.h"

/* Formats: alerts/index.h, alerts/instance.c, alerts/notice.h, daemon/core_changes.c. */
enum { LINE_LEN = 8, PENDING_LEN = 12, DUE_LEN = 20, TOLD_MOST = 9, TOLD_SUPPRESSED = 0x80 };

#define TABLE(id) sa_table_by_id(id)

/* What is known of one target's telling of one alert. */
struct line {
    uint32_t alert, incarnation;
    uint32_t open;  /* notices of problems that are not finished */
    bool under_way; /* some notice is not */
    uint32_t id;    /* of the notice; of the last that was delivered since the problem began */
    uint8_t level;  /* that it told; 0: the end, or nothing */
    bool delivered, suppressed;
    uint32_t newest;  /* id of the last of the present problem, held back or not */
    int64_t since_ms; /* when the problem began that it is about */
};

struct known_alert {
    uint32_t id;
    bool problem;
    int64_t since_ms;
};

struct rebuild {
    struct txn *t;
    int64_t now_ms;
    struct rebuild_report *ret;
    struct line *lines; /* one a notice first, then one a line, in order */
    size_t nlines, cap;
    struct known_alert *alerts; /* by id */
    size_t nalerts, alerts_cap;
    uint32_t most_alert, most_history, most_incarnation, most_notice;
};

static bool failed(const struct rebuild *b)
{
    return txn_error(b->t) != 0;
}

static void at_least(uint32_t *most, int64_t v)
{
    if (v > *most && v <= UINT32_MAX)
        *most = (uint32_t)v;
}

/* ---- every row of a table ----------------------------------------------------------------------
 */

/* CB may write, and delete the row; KEY is its own. */
static void each(struct rebuild *b, unsigned table,
                 void (*cb)(struct rebuild *b, const struct row *r, const struct key *key))
{
    struct cursor c;
    struct row r;

    for (cursor_first(&c, b->t, TABLE(table), NULL); cursor_row(&c, &r); cursor_next(&c)) {
        struct key k = key_copy(r.key);

        cb(b, &r, &k);
    }
    cursor_close(&c);
}

static void drop(struct rebuild *b, unsigned table, const struct key *k)
{
    if (!row_delete(b->t, TABLE(table), k))
        b->ret->dangling++;
}

/* The first N parts of K, names all. */
static struct key front(const struct key *k, size_t n)
{
    struct slice s = key_slice(k);
    char name[NAME_MAX_LEN + 1];
    size_t pos = 0;
    struct key ret = *k;

    while (n-- && key_read_name(&s, &pos, name))
        ;
    ret.len = (uint16_t)pos;
    return ret;
}

/* ---- links -------------------------------------------------------------------------------------
 */

static void look_again(struct rebuild *b, unsigned table, const struct key *k)
{
    struct change c = {.table = (uint8_t)table, .op = CHANGE_UPDATED, .key = key_slice(k)};
    int err = index_apply(b->t, &c);

    if (err)
        txn_fail(b->t, err);
}

static void definition_row(struct rebuild *b, const struct row *r, const struct key *k)
{
    (void)r;
    look_again(b, SA_DEFINITION, k);
}

static void target_row(struct rebuild *b, const struct row *r, const struct key *k)
{
    at_least(&b->most_incarnation, row_int(r, TARGET_INCARNATION));
    look_again(b, SA_TARGET, k);
}

/* owner,group,member: both ends must be there, and the default group must still want it. */
static void link_row(struct rebuild *b, unsigned table, unsigned end, const struct key *k)
{
    char n[3][33];
    struct slice s = key_slice(k);
    struct key group = front(k, 2), member;
    struct slice v;
    struct row r;

    if (!key_read_names(&s, n, 3))
        return;
    member = key_of_names(n[0], n[2]);
    if (row_get(b->t, TABLE(SA_GROUP), &group, &r) || !row_exists(b->t, TABLE(end), &member) ||
        (end == SA_DEFINITION && row_int(&r, GROUP_DEFAULT) == TRUTH_TRUE &&
         kv_get(b->t, INDEX_SERVICE_DEFS, key_slice(k), &v)))
        drop(b, table, k);
    else
        look_again(b, table, k);
}

static void member_row(struct rebuild *b, const struct row *r, const struct key *k)
{
    (void)r;
    link_row(b, SA_GROUP_DEFINITION, SA_DEFINITION, k);
}

static void group_target_row(struct rebuild *b, const struct row *r, const struct key *k)
{
    (void)r;
    link_row(b, SA_GROUP_TARGET, SA_TARGET, k);
}

/* A default group goes with its last definition. */
static void group_row(struct rebuild *b, const struct row *r, const struct key *k)
{
    struct slice found, v, prefix = key_slice(k);

    if (row_int(r, GROUP_DEFAULT) != TRUTH_TRUE)
        return;
    if (kv_seek(b->t, INDEX_SERVICE_DEFS, prefix, false, &found, &v) || found.len < prefix.len ||
        memcmp(found.data, prefix.data, prefix.len))
        drop(b, SA_GROUP, k);
}

static void segment_row(struct rebuild *b, const struct row *r, const struct key *k)
{
    struct key script = front(k, 2);

    (void)r;
    if (!row_exists(b->t, TABLE(SA_SCRIPT), &script))
        drop(b, SA_SCRIPT_TEXT, k);
}

static void property_row(struct rebuild *b, const struct row *r, const struct key *k)
{
    struct key target = front(k, 2);

    (void)r;
    if (!row_exists(b->t, TABLE(SA_TARGET), &target))
        drop(b, SA_TARGET_PROPERTY, k);
}

static void rebuild_links(struct rebuild *b)
{
    static const char *const dbs[] = {INDEX_DEF_SERVICE,  INDEX_DEF_GROUPS,    INDEX_GLOBALS,
                                      INDEX_SERVICE_DEFS, INDEX_TARGET_GROUPS, "ownerDefs"};

    for (size_t i = 0; i < sizeof dbs / sizeof *dbs; i++)
        kv_clear(b->t, dbs[i]);
    each(b, SA_DEFINITION, definition_row);
    each(b, SA_TARGET, target_row);
    each(b, SA_GROUP, group_row);
    each(b, SA_GROUP_DEFINITION, member_row);
    each(b, SA_GROUP_TARGET, group_target_row);
    each(b, SA_SCRIPT_TEXT, segment_row);
    each(b, SA_TARGET_PROPERTY, property_row);
}

/* ---- alerts ------------------------------------------------------------------------------------
 */

static struct key instance_key(const char *owner, const char *definition, const char *instance)
{
    struct key k = key_of_names(owner, definition);
    uint8_t hash[16];

    hash128(instance, strlen(instance), hash);
    for (size_t i = 0; i < sizeof hash; i += 4)
        key_u32(&k, get_u32(hash + i));
    return k;
}

/* The core closes what has lost its definition; one that the configuration file makes again before
 * is looked at as if it had been edited. */
static void tell_core(struct rebuild *b, const struct key *definition)
{
    if (row_exists(b->t, TABLE(SA_DEFINITION), definition))
        return;
    b->ret->orphans++;
    changes_append(b->t, SA_DEFINITION, CHANGE_UPDATED, key_slice(definition), NULL);
}

static void know_alert(struct rebuild *b, uint32_t id, const struct row *r)
{
    struct known_alert *room = array_room(b->alerts, &b->alerts_cap, b->nalerts + 1, sizeof *room);

    if (!room) {
        txn_fail(b->t, ERR_NOMEM);
        return;
    }
    b->alerts = room;
    b->alerts[b->nalerts++] = (struct known_alert){id, row_int(r, ALERT_LEVEL) != LEVEL_OK,
                                                   row_int(r, ALERT_ACTIVE_SINCE)};
}

/* An alert that a condition made. */
static void evaluated_row(struct rebuild *b, const char *owner, uint32_t id, const struct row *r)
{
    char definition[33], instance[256];
    bool held = row_int(r, ALERT_PENDING_LEVEL) || row_int(r, ALERT_DATA_SINCE);
    uint8_t octets[4];
    struct key k, of;

    row_str(r, ALERT_DEFINITION, definition, sizeof definition);
    row_str(r, ALERT_INSTANCE, instance, sizeof instance);
    k = instance_key(owner, definition, instance);
    of = key_of_names(owner, definition);
    put_u32(octets, id);
    kv_put(b->t, "instances", key_slice(&k), (struct slice){octets, sizeof octets});
    if (held)
        kv_put(b->t, "held", (struct slice){octets, sizeof octets},
               (struct slice){(const uint8_t *)owner, strlen(owner)});
    tell_core(b, &of);
}

/* One that was raised needs no definition. */
static void alert_row(struct rebuild *b, const struct row *r, const struct key *key)
{
    int64_t ack_due_ms = row_int(r, ALERT_ACK_DUE);
    struct slice s = key_slice(key);
    char owner[33];
    uint32_t id;

    if (!key_read_id(&s, owner, &id))
        return;
    at_least(&b->most_alert, id);
    at_least(&b->most_history, row_int(r, ALERT_HISTORY));
    b->ret->alerts++;
    know_alert(b, id, r);
    if (raise_is_raised(r))
        raise_restore(b->t, r);
    else
        evaluated_row(b, owner, id, r);
    ack_watch(b->t, owner, id, ack_due_ms);
}

static void command_row(struct rebuild *b, const struct row *r, const struct key *key)
{
    (void)key;
    raise_restore_command(b->t, r);
}

static int by_id(const void *a, const void *c)
{
    const struct known_alert *x = a, *y = c;

    return (x->id > y->id) - (x->id < y->id);
}

static const struct known_alert *find_alert(const struct rebuild *b, uint32_t id)
{
    struct known_alert a = {.id = id};

    return b->nalerts ? bsearch(&a, b->alerts, b->nalerts, sizeof a, by_id) : NULL;
}

/* ---- notices -----------------------------------------------------------------------------------
 */

/* The end of a problem that was sent again may have been told before. */
static bool may_be_told(const struct row *r)
{
    return row_int(r, NOTICE_STATE) == NOTICE_DELIVERED ||
           (row_int(r, NOTICE_KIND) == KIND_CLEAR && row_int(r, NOTICE_RESENT));
}

/* Acknowledgements, and what was sent again when it was over, are under way, but change nothing of
 * what is known. */
static void add_line(struct rebuild *b, uint32_t id, const struct row *r, bool open)
{
    int64_t level = row_int(r, NOTICE_LEVEL);
    bool news = !row_int(r, NOTICE_BYGONE) && row_int(r, NOTICE_KIND) <= KIND_CHANGE;
    bool told = may_be_told(r) && row_int(r, NOTICE_KIND) <= KIND_CHANGE;
    bool suppressed = row_int(r, NOTICE_STATE) == NOTICE_SUPPRESSED;
    bool problem = row_int(r, NOTICE_KIND) == KIND_RAISE || row_int(r, NOTICE_KIND) == KIND_CHANGE;
    struct line *room = array_room(b->lines, &b->cap, b->nlines + 1, sizeof *room);

    if (!room) {
        txn_fail(b->t, ERR_NOMEM);
        return;
    }
    b->lines = room;
    b->lines[b->nlines++] = (struct line){
        .alert = (uint32_t)row_int(r, NOTICE_ALERT),
        .incarnation = (uint32_t)row_int(r, NOTICE_INCARNATION),
        .open = open && problem && news,
        .under_way = open,
        .id = id,
        .level = problem ? (uint8_t)level : 0,
        .delivered = told,
        .suppressed = suppressed,
        .since_ms = news || told ? row_int(r, NOTICE_ACTIVE_SINCE) : 0,
    };
}

static void enqueue(struct rebuild *b, uint32_t id, const struct row *r, const char *owner)
{
    uint8_t k[PENDING_LEN];

    put_u32(k, (uint32_t)row_int(r, NOTICE_INCARNATION));
    put_u32(k + 4, (uint32_t)row_int(r, NOTICE_ALERT));
    put_u32(k + 8, id);
    kv_put(b->t, "pending", (struct slice){k, sizeof k},
           (struct slice){(const uint8_t *)owner, strlen(owner)});
    if (row_int(r, NOTICE_MATCHING))
        kv_put(b->t, "matching", (struct slice){k + 8, 4},
               (struct slice){(const uint8_t *)owner, strlen(owner)});
    b->ret->notices++;
}

static void notice_row(struct rebuild *b, const struct row *r, const struct key *key)
{
    char owner[33];
    struct slice s = key_slice(key);
    int64_t state = row_int(r, NOTICE_STATE);
    bool open = state == NOTICE_PENDING || state == NOTICE_DISPATCHED;
    uint32_t id;

    if (!key_read_id(&s, owner, &id))
        return;
    at_least(&b->most_notice, id);
    at_least(&b->most_alert, row_int(r, NOTICE_ALERT));
    at_least(&b->most_history, row_int(r, NOTICE_HISTORY));
    at_least(&b->most_incarnation, row_int(r, NOTICE_INCARNATION));
    if (row_int(r, NOTICE_ALERT) && (open || may_be_told(r) || state == NOTICE_SUPPRESSED))
        add_line(b, id, r, open);
    if (open)
        enqueue(b, id, r, owner);
}

static void recipient_row(struct rebuild *b, const struct row *r, const struct key *k)
{
    struct key notice = *k;

    (void)r;
    notice.len -= 4;
    if (!row_exists(b->t, TABLE(SA_NOTICE), &notice))
        drop(b, SA_NOTICE_RECIPIENT, k);
}

struct maker {
    struct rebuild *b;
    struct key notice;
    uint32_t n;
};

static int make_recipient(void *arg, const char *address)
{
    struct maker *m = arg;
    struct key k = m->notice;
    struct edit d;

    key_u32(&k, ++m->n);
    edit_begin(&d, m->b->t, TABLE(SA_NOTICE_RECIPIENT), &k);
    edit_str(&d, NOTICE_RECIPIENT_ADDRESS, address);
    edit_int(&d, NOTICE_RECIPIENT_STATE, NOTICE_PENDING);
    return row_put(&d, NULL);
}

static bool any_recipient(struct rebuild *b, const struct key *notice)
{
    struct cursor c;
    struct row r;
    bool any;

    cursor_first(&c, b->t, TABLE(SA_NOTICE_RECIPIENT), notice);
    any = cursor_row(&c, &r);
    cursor_close(&c);
    return any;
}

/* A notice whose recipients are all lost goes to those that its target has now. */
static void restore_recipients(struct rebuild *b, const struct key *notice,
                               const struct key *target)
{
    struct maker m = {.b = b, .notice = *notice};
    char recipients[SA_CELL_MAX + 1];
    struct row r;

    if (any_recipient(b, notice) || row_get(b->t, TABLE(SA_TARGET), target, &r))
        return;
    row_str(&r, TARGET_RECIPIENTS, recipients, sizeof recipients);
    recipients_each(recipients, strlen(recipients), make_recipient, &m);
}

/* The head of a line is due when it said; the others are not due. */
static void put_due(struct rebuild *b, const struct key *notice, struct slice place,
                    const char *owner, bool head, int64_t due_ms)
{
    uint8_t k[DUE_LEN];
    struct edit d;

    put_u64(k, (uint64_t)due_ms);
    memcpy(k + 8, place.data, PENDING_LEN);
    if (head)
        kv_put(b->t, "due", (struct slice){k, sizeof k},
               (struct slice){(const uint8_t *)owner, strlen(owner)});
    edit_begin(&d, b->t, TABLE(SA_NOTICE), notice);
    edit_int(&d, NOTICE_NEXT_ATTEMPT, head ? due_ms : 0);
    row_put(&d, NULL);
}

/* TEST: the number of a test that is in its queue, 0: none. */
static void set_pending(struct rebuild *b, const struct key *target, int64_t n, int64_t test)
{
    struct edit d;

    edit_begin(&d, b->t, TABLE(SA_TARGET), target);
    if (!d.existed) {
        edit_cancel(&d);
        return;
    }
    edit_int(&d, TARGET_PENDING, n);
    if (test)
        edit_int(&d, TARGET_TEST_NOTICE, test);
    else
        edit_clear(&d, TARGET_TEST_NOTICE);
    row_put(&d, NULL);
}

static void no_pending(struct rebuild *b, const struct row *r, const struct key *k)
{
    if (row_int(r, TARGET_PENDING) || row_int(r, TARGET_TEST_NOTICE))
        set_pending(b, k, 0, 0);
}

/* One of the queue, AT; BEFORE is that before it, or empty. */
static void queued(struct rebuild *b, const uint8_t at[PENDING_LEN], const char *owner, bool head)
{
    struct key notice = key_of_id(owner, get_u32(at + 8)), target;
    char target_owner[33], name[33];
    int64_t due, incarnation = get_u32(at);
    struct row r, to;
    bool test;

    if (row_get(b->t, TABLE(SA_NOTICE), &notice, &r))
        return;
    due = row_int(&r, NOTICE_NEXT_ATTEMPT);
    test = row_int(&r, NOTICE_KIND) == KIND_TEST;
    /* One that is under way has its lease, also when an older one was put before it. */
    head = head || (due && row_int(&r, NOTICE_STATE) == NOTICE_DISPATCHED);
    if (!due)
        due = row_int(&r, NOTICE_READY) > b->now_ms ? row_int(&r, NOTICE_READY) : b->now_ms;
    row_str(&r, NOTICE_TARGET_OWNER, target_owner, sizeof target_owner);
    row_str(&r, NOTICE_TARGET, name, sizeof name);
    target = key_of_names(target_owner, name);
    put_due(b, &notice, (struct slice){at, PENDING_LEN}, owner, head, due);
    restore_recipients(b, &notice, &target);
    if (!row_get(b->t, TABLE(SA_TARGET), &target, &to) &&
        row_int(&to, TARGET_INCARNATION) == incarnation)
        set_pending(b, &target, row_int(&to, TARGET_PENDING) + 1,
                    test ? get_u32(at + 8) : row_int(&to, TARGET_TEST_NOTICE));
}

static void rebuild_queue(struct rebuild *b)
{
    uint8_t at[PENDING_LEN] = {0}, before[LINE_LEN];
    struct slice from = {at, 0}, k, v;
    bool first = true;

    each(b, SA_TARGET, no_pending);
    while (!failed(b) && !kv_seek(b->t, "pending", from, !first, &k, &v) && k.len == PENDING_LEN) {
        char owner[33] = "";
        bool head = first || memcmp(before, k.data, LINE_LEN) != 0;

        memcpy(at, k.data, PENDING_LEN);
        memcpy(before, at, LINE_LEN);
        memcpy(owner, v.data, v.len < sizeof owner ? v.len : 0);
        from = (struct slice){at, PENDING_LEN};
        first = false;
        queued(b, at, owner, head);
    }
}

/* ---- what has been told ------------------------------------------------------------------------
 */

static int by_line(const void *a, const void *c)
{
    const struct line *x = a, *y = c;

    if (x->alert != y->alert)
        return x->alert < y->alert ? -1 : 1;
    return (x->incarnation > y->incarnation) - (x->incarnation < y->incarnation);
}

/* When the present problem of the line at FROM began: it is the alert's, or, if that is over, the
 * one whose end is under way; 0: nobody waits for anything. */
static int64_t present_since(const struct rebuild *b, size_t from, size_t to)
{
    const struct known_alert *a = find_alert(b, b->lines[from].alert);
    int64_t since_ms = a && a->problem ? a->since_ms : 0;

    for (size_t i = from; i < to && !(a && a->problem); i++)
        if (b->lines[i].under_way && b->lines[i].since_ms > since_ms)
            since_ms = b->lines[i].since_ms;
    return since_ms;
}

/* The notices of one line, as one. */
static struct line summed(const struct rebuild *b, size_t from, size_t to)
{
    struct line sum = {.alert = b->lines[from].alert, .incarnation = b->lines[from].incarnation};
    int64_t since_ms = present_since(b, from, to);

    for (size_t i = from; i < to; i++) {
        const struct line *l = &b->lines[i];

        sum.open += l->open;
        sum.under_way = sum.under_way || l->under_way;
        if (l->since_ms == since_ms && l->id > sum.newest) {
            sum.newest = l->id;
            sum.suppressed = l->suppressed;
        }
        if (!l->delivered || l->since_ms != since_ms || l->id < sum.id)
            continue;
        sum.id = l->id;
        sum.level = l->level;
    }
    return sum;
}

static void gather_lines(struct rebuild *b)
{
    size_t n = 0, end;

    if (b->nlines)
        qsort(b->lines, b->nlines, sizeof *b->lines, by_line);
    for (size_t i = 0; i < b->nlines; i = end) {
        end = i + 1;
        while (end < b->nlines && !by_line(&b->lines[i], &b->lines[end]))
            end++;
        b->lines[n++] = summed(b, i, end);
    }
    b->nlines = n;
}

static struct slice line_key(uint8_t k[LINE_LEN], const struct line *l)
{
    put_u32(k, l->alert);
    put_u32(k + 4, l->incarnation);
    return (struct slice){k, LINE_LEN};
}

static void put_told(struct rebuild *b, const struct line *l, uint8_t level, uint32_t owed,
                     uint32_t forgotten)
{
    uint8_t k[LINE_LEN], v[TOLD_MOST];

    if (!level && !owed && !forgotten) {
        kv_del(b->t, "told", line_key(k, l));
        return;
    }
    v[0] = level;
    put_u32(v + 1, owed);
    put_u32(v + 5, forgotten);
    kv_put(b->t, "told", line_key(k, l), (struct slice){v, forgotten ? TOLD_MOST : 5});
}

/* An entry that is there says who was told what; only the numbers on their way follow the queue. */
static void settle_told(struct rebuild *b, const struct line *l, struct slice v)
{
    uint32_t forgotten = v.len == TOLD_MOST ? get_u32(v.data + 5) : 0;
    uint8_t level = v.len ? v.data[0] : 0;

    if (!l->under_way && !find_alert(b, l->alert))
        level = 0; /* with the alert */
    if (forgotten > l->open)
        forgotten = l->open;
    put_told(b, l, level, l->open - forgotten, forgotten);
}

/* Lines that have lost their entry: what was delivered last since the problem began. */
static void told_lines(struct rebuild *b, const uint8_t *seen)
{
    for (size_t i = 0; i < b->nlines && !failed(b); i++)
        if (!seen[i])
            put_told(b, &b->lines[i],
                     b->lines[i].level | (b->lines[i].suppressed ? TOLD_SUPPRESSED : 0),
                     b->lines[i].open, 0);
}

static struct line *find_line(struct rebuild *b, const struct line *l)
{
    return b->nlines ? bsearch(l, b->lines, b->nlines, sizeof *b->lines, by_line) : NULL;
}

/* Entries first; SEEN: those lines have one. */
static void told_entries(struct rebuild *b, uint8_t *seen)
{
    uint8_t at[LINE_LEN] = {0};
    struct slice from = {at, 0}, k, v;

    while (!failed(b) && !kv_seek(b->t, "told", from, from.len > 0, &k, &v) && k.len == LINE_LEN) {
        struct line l = {.alert = get_u32(k.data), .incarnation = get_u32(k.data + 4)};
        const struct line *known = find_line(b, &l);

        at_least(&b->most_alert, l.alert);
        at_least(&b->most_incarnation, l.incarnation);
        if (known)
            seen[known - b->lines] = 1;
        memcpy(at, k.data, LINE_LEN);
        from = (struct slice){at, LINE_LEN};
        settle_told(b, known ? known : &l, v);
    }
}

static void rebuild_told(struct rebuild *b)
{
    uint8_t *seen;

    gather_lines(b);
    seen = calloc(1, b->nlines + 1);
    if (!seen) {
        txn_fail(b->t, ERR_NOMEM);
        return;
    }
    told_entries(b, seen);
    told_lines(b, seen);
    free(seen);
    notice_count_told(b->t);
}

/* ---- the rest ----------------------------------------------------------------------------------
 */

static void disabled_row(struct rebuild *b, const struct row *r, const struct key *k)
{
    if (row_active(r) && row_int(r, DEFINITION_DISABLED) == TRUTH_TRUE)
        kv_put(b->t, "disabled", key_slice(k), (struct slice){NULL, 0});
}

/* Of a definition that is gone, once its queue is known to be empty. */
static void direct_row(struct rebuild *b, const struct row *r, const struct key *k)
{
    (void)r;
    if (direct_settled(b->t, k))
        txn_fail(b->t, ERR_CORRUPT);
}

/* Those that are gone, or are active again. One that is out of service may have been told. */
static void drop_known(struct rebuild *b)
{
    struct key at = {.len = 0};
    struct slice k, v;

    while (!failed(b) && !kv_seek(b->t, "disabled", key_slice(&at), at.len > 0, &k, &v)) {
        struct row r;

        at = key_copy(k);
        if (!at.len)
            txn_fail(b->t, ERR_CORRUPT);
        else if (row_get(b->t, TABLE(SA_DEFINITION), &at, &r) || row_active(&r))
            kv_del(b->t, "disabled", key_slice(&at));
    }
}

/* The core is told of none of these a second time; but a change that waits must still find that it
 * is one. */
static void rebuild_disabled(struct rebuild *b)
{
    struct change ch;

    if (changes_next(b->t, changes_consumed(b->t), &ch) != ERR_NOTFOUND)
        return;
    drop_known(b);
    each(b, SA_DEFINITION, disabled_row);
}

static void rebuild_ids(struct rebuild *b)
{
    const struct {
        unsigned table;
        uint32_t most;
    } list[] = {{SA_ALERT, b->most_alert},
                {SA_HISTORY, b->most_history},
                {SA_NOTICE, b->most_notice},
                {SA_TARGET, b->most_incarnation}};

    for (size_t i = 0; i < sizeof list / sizeof *list; i++)
        id_at_least(b->t, TABLE(list[i].table), list[i].most);
}

static void rebuild_alarms(struct rebuild *b)
{
    int err = alarms_rebuild(b->t);

    if (err)
        txn_fail(b->t, err);
}

static void rebuild_all(struct rebuild *b)
{
    static const char *const dbs[] = {"instances",  "held",      "acknowledged",
                                      "pending",    "matching",  "due",
                                      "historyAge", "noticeAge", RAISE_DB};

    for (size_t i = 0; i < sizeof dbs / sizeof *dbs; i++)
        kv_clear(b->t, dbs[i]);
    rebuild_disabled(b);
    rebuild_links(b);
    each(b, SA_ALERT, alert_row);
    each(b, SA_RAISE, command_row);
    if (b->nalerts)
        qsort(b->alerts, b->nalerts, sizeof *b->alerts, by_id);
    each(b, SA_NOTICE, notice_row);
    each(b, SA_NOTICE_RECIPIENT, recipient_row);
    rebuild_queue(b);
    each(b, SA_TARGET, direct_row);
    rebuild_told(b);
    rebuild_ids(b);
    rebuild_alarms(b);
}

static bool wanted(struct store *s)
{
    struct txn *t = txn_begin(s, TXN_READ);
    bool yes = rebuild_wanted(t);

    txn_abort(t);
    return yes;
}

int rebuild_derived(struct store *s, bool force, int64_t now_ms, struct rebuild_report *ret,
                    struct err *e)
{
    struct rebuild b = {.now_ms = now_ms, .ret = ret};

    memset(ret, 0, sizeof *ret);
    if (!force && !wanted(s))
        return 0;
    ret->done = true;
    b.t = txn_begin(s, TXN_WRITE);
    txn_allow_growth(b.t);
    rebuild_all(&b);
    rebuild_done(b.t);
    free(b.lines);
    free(b.alerts);
    return txn_commit(b.t, e);
}
