/* What the core keeps outside of rows (routes, told state, queue, holds, the changes ring), with
 * other octets in it than were written. Whatever is found there: every call ends, and answers with
 * an error or a number. Nothing is committed, so each input meets the same store.
 *
 * The input: steps, each an octet that says which, and what that needs (see `steps'). */
#include <stdio.h>
#include <string.h>

#include "alerts/acknowledge.h"
#include "alerts/instance.h"
#include "alerts/retention.h"
#include "base/log.h"
#include "tests/fuzz/world.h"

enum { STEPS_MAX = 64, CLAIMED_MAX = NOTICE_BATCH_MAX };

static const char *const databases[] = {
    "pending",         "due",         "told",           "instances",        "held",
    INDEX_DEF_SERVICE, INDEX_GLOBALS, INDEX_DEF_GROUPS, INDEX_SERVICE_DEFS, INDEX_TARGET_GROUPS,
    "ownerDefs",       "historyAge",  "noticeAge",      "acknowledged",
};
enum { DATABASES = sizeof databases / sizeof *databases };

struct context {
    struct txn *t;
    struct judge_now now;
    struct notice_ref claimed[CLAIMED_MAX];
    size_t nclaimed;
};

static const char *const owners[] = {"a", "admin", "b", "zz"};

static int64_t no_digest(void *arg, struct txn *t, const struct row *target)
{
    (void)arg, (void)t;
    return row_int(target, TARGET_STATES) & 1 ? 5000 : 0;
}

/* ---- the store ---- */

static void put_row(struct txn *t, unsigned table, struct key k, unsigned column, int64_t number)
{
    uint32_t all[8];
    struct edit d;
    struct err e;

    memset(all, 0xff, sizeof all);
    edit_begin(&d, t, sa_table_by_id(table), &k);
    edit_int(&d, column, number);
    if (d.table->row_status)
        edit_int(&d, d.table->row_status, ROW_ACTIVE);
    REQUIRE(row_put(&d, &e) == 0);
    changes_append(t, table, CHANGE_CREATED, key_slice(&k), all);
}

static void take_in(struct txn *t)
{
    uint64_t seq = changes_consumed(t);
    struct change c;

    while (changes_next(t, seq, &c) == 0) {
        struct key k = key_copy(c.key);

        c.key = key_slice(&k);
        seq = c.seq;
        REQUIRE(index_apply(t, &c) == 0);
    }
    REQUIRE(changes_consume(t, seq) == 0);
}

static bool load(struct txn *t, const char *owner, struct definition *ret)
{
    struct key k = key_of_names(owner, "hot");
    struct row r;

    return row_get(t, sa_table_by_id(SA_DEFINITION), &k, &r) == 0 && definition_read(ret, &r);
}

static void fill_more(struct store *s)
{
    struct judge_now now = {1700000000000, 1000000};
    struct instance_verdict v = {.kind = VERDICT_TRUE, .value = "1", .message = "m", .error = ""};
    struct txn *t = txn_begin(s, TXN_WRITE);
    struct instance_result r;
    struct definition d;
    struct err e;

    for (size_t i = 0; i < sizeof owners / sizeof *owners; i++) {
        struct key two = key_of_names(owners[i], "hot"), three = two;

        key_str(&three, "hot");
        put_row(t, SA_DEFINITION, two, DEFINITION_STATUS, ROW_ACTIVE);
        put_row(t, SA_TARGET, two, TARGET_STATUS, ROW_ACTIVE);
        put_row(t, SA_GROUP, two, GROUP_STATUS, ROW_ACTIVE);
        put_row(t, SA_GROUP_DEFINITION, three, GROUP_DEFINITION_STORAGE, STORAGE_NON_VOLATILE);
        put_row(t, SA_GROUP_TARGET, three, GROUP_TARGET_STORAGE, STORAGE_NON_VOLATILE);
    }
    take_in(t);
    for (size_t i = 0; i < sizeof owners / sizeof *owners; i++) {
        REQUIRE(load(t, owners[i], &d));
        REQUIRE(instance_apply(t, &d, "cpu0", &v, &now, no_digest, NULL, &r) == 0);
        REQUIRE(r.changed && r.transition.happened);
    }
    REQUIRE(notice_pending(t) > 0 && txn_commit(t, &e) == 0);
}

static void start(void)
{
    static bool started;

    if (started)
        return;
    started = true;
    log_open("fuzz", LOG_LEVEL_ERROR);
    fill_more(world_store());
}

/* ---- other octets ---- */

static const char *which(const uint8_t **p, size_t *left)
{
    return databases[world_octet(p, left) % DATABASES];
}

/* The Nth pair gets other octets, or goes. */
static void spoil_value(struct context *c, const uint8_t **p, size_t *left)
{
    const char *db = which(p, left);
    uint8_t nth = world_octet(p, left) % 8;
    struct slice octets = world_take(p, left, world_octet(p, left)), from = {NULL, 0}, key, value;
    uint8_t name[511];

    for (; kv_seek(c->t, db, from, from.len > 0, &key, &value) == 0; nth--) {
        if (key.len > sizeof name)
            return;
        memcpy(name, key.data, key.len);
        from = (struct slice){name, key.len};
        if (nth)
            continue;
        if (octets.len)
            kv_put(c->t, db, from, octets);
        else
            kv_del(c->t, db, from);
        return;
    }
}

static void put_pair(struct context *c, const uint8_t **p, size_t *left)
{
    const char *db = which(p, left);
    struct slice key = world_take(p, left, world_octet(p, left)),
                 value = world_take(p, left, world_octet(p, left));

    if (key.len)
        kv_put(c->t, db, key, value);
}

static void put_change(struct context *c, const uint8_t **p, size_t *left)
{
    uint8_t table = world_octet(p, left), op = world_octet(p, left);
    uint32_t columns[8] = {0}, subids[SUBIDS_MAX];
    struct slice octets = world_take(p, left, world_octet(p, left));
    struct key k;

    for (size_t i = 0; i < 4; i++)
        columns[i / 2] = columns[i / 2] << 8 | world_octet(p, left);
    key_init(&k);
    if (op & 0x80) /* as they are */
        changes_append(c->t, table, op & 3, octets, columns);
    else if (key_from_subids(&k, subids, world_subids(octets.data, octets.len, subids)))
        changes_append(c->t, table, op & 3, key_slice(&k), columns);
}

/* A cell of a row: what points at the databases. */
static void spoil_row(struct context *c, const uint8_t **p, size_t *left)
{
    static const uint8_t tables[] = {SA_ALERT, SA_NOTICE, SA_TARGET, SA_DEFINITION, SA_HISTORY};
    const struct sa_table *table = sa_table_by_id(tables[world_octet(p, left) % sizeof tables]);
    const struct sa_column *column = &table->columns[world_octet(p, left) % table->ncolumns];
    struct cursor at;
    struct row r;
    struct edit d;
    struct key k;
    bool found;

    cursor_first(&at, c->t, table, NULL);
    found = cursor_row(&at, &r);
    if (found)
        k = key_copy(r.key);
    cursor_close(&at);
    if (!found || sa_index_part(table, column) >= 0)
        return;
    edit_begin(&d, c->t, table, &k);
    edit_int(&d, column->number, (int8_t)world_octet(p, left));
    (void)row_put(&d, NULL);
}

/* ---- what reads them ---- */

static const char *owner(const uint8_t **p, size_t *left)
{
    return owners[world_octet(p, left) % (sizeof owners / sizeof *owners)];
}

static void apply_changes(struct context *c, const uint8_t **p, size_t *left)
{
    uint64_t seq = changes_consumed(c->t);
    struct change ch;
    int err = 0;

    (void)p, (void)left;
    for (int i = 0; i < 64 && !err && changes_next(c->t, seq, &ch) == 0; i++) {
        struct key k;

        if (ch.key.len > sizeof k.data)
            return;
        k = key_copy(ch.key);
        ch.key = key_slice(&k);
        seq = ch.seq;
        err = index_apply(c->t, &ch);
    }
    (void)changes_consume(c->t, seq);
}

static void find_route(struct context *c, const uint8_t **p, size_t *left)
{
    struct route route;

    if (route_find(c->t, owner(p, left), "hot", &route) >= 0)
        REQUIRE(route.n <= ROUTE_TARGETS_MAX);
    (void)index_definitions(c->t, owner(p, left));
}

static void give_verdict(struct context *c, const uint8_t **p, size_t *left)
{
    struct instance_verdict v = {.value = "2", .message = "x", .error = "e"};
    struct instance_result looked, r;
    struct definition d;
    uint8_t what = world_octet(p, left);

    v.kind = (enum verdict_kind)(what % 5);
    v.level = (enum sa_level)(1 + what / 5 % 5);
    c->now.wall_ms += world_octet(p, left) * INT64_C(1000);
    c->now.mono_ms += 1000;
    if (!load(c->t, owner(p, left), &d))
        return;
    if (instance_look(c->t, &d, "cpu0", &v, &c->now, &looked) == 0)
        (void)instance_apply(c->t, &d, what & 0x80 ? "cpu1" : "cpu0", &v, &c->now, no_digest, NULL,
                             &r);
}

static unsigned a_way(void *arg, struct txn *t, const struct row *notice, const struct row *target)
{
    (void)arg, (void)t, (void)notice;
    return row_int(target, TARGET_STATES) & 2 ? 2 : 1;
}

static void claim(struct context *c, const uint8_t **p, size_t *left)
{
    uint8_t octet = world_octet(p, left);
    struct notice_ways ways = {.room = octet & 3 ? NOTICE_ANY_WAY : 1u << 1 << (octet >> 2 & 1),
                               .way_of = a_way,
                               .digest_ms_of = no_digest};
    char uuid[UUID_TEXT_LEN + 1];
    int err;

    c->now.wall_ms += octet * INT64_C(100000);
    (void)notice_next_due(c->t, ways.room);
    if (octet == 0xff)
        (void)notice_unsort(c->t);
    c->nclaimed = 0;
    err = notice_claim(c->t, c->now.wall_ms, &ways, c->claimed, &c->nclaimed, uuid);
    if (err)
        c->nclaimed = 0;
    REQUIRE(err <= 0 && c->nclaimed <= CLAIMED_MAX);
}

static void answer(struct context *c, const uint8_t **p, size_t *left)
{
    struct notice_recipient recipient = {"a@example.net", NOTICE_DELIVERED, "250 ok"};
    uint8_t octet = world_octet(p, left);
    enum notice_end end = (enum notice_end)(octet % 4);
    enum sa_notice_state state;

    for (size_t i = 0; i < c->nclaimed; i++) {
        (void)notice_outcome(c->t, &c->claimed[i], end, CONFIRM_NONE, "e", &recipient, 1,
                             c->now.wall_ms, &state);
        if (octet >= 4)
            (void)notice_defer(c->t, &c->claimed[i], octet * INT64_C(5000), c->now.wall_ms);
    }
    c->nclaimed = 0;
}

static void release(struct context *c, const uint8_t **p, size_t *left)
{
    (void)p, (void)left;
    for (size_t i = 0; i < c->nclaimed; i++)
        (void)notice_release(c->t, &c->claimed[i], c->now.wall_ms);
}

static void recover(struct context *c, const uint8_t **p, size_t *left)
{
    (void)p, (void)left;
    (void)notice_recover(c->t, c->now.wall_ms);
    (void)instances_resume(c->t, c->now.mono_ms - 100, c->now.mono_ms);
}

static void end_alerts(struct context *c, const uint8_t **p, size_t *left)
{
    unsigned closed;

    (void)instances_edited(c->t, owner(p, left), "hot");
    (void)instances_level(c->t, owner(p, left), "hot");
    (void)instances_close(c->t, owner(p, left), "hot", (enum sa_reason)1, &c->now, &closed);
    (void)notice_forget(c->t, world_octet(p, left));
    (void)notice_alert_gone(c->t, world_octet(p, left));
}

static void purge(struct context *c, const uint8_t **p, size_t *left)
{
    struct key at;

    key_init(&at);
    c->now.wall_ms += world_octet(p, left) * INT64_C(86400000);
    for (int what = 0; what < RETAINED_KINDS; what++) {
        (void)retention_oldest(c->t, (enum retained)what);
        if (!retention_complete(c->t, (enum retained)what))
            (void)retention_fill(c->t, (enum retained)what, &at, 100);
    }
    if (retention_due(c->t, c->now.wall_ms, true))
        (void)retention_purge(c->t, c->now.wall_ms, true, 100);
}

/* A cell as a SET leaves it, of the row that has this number. */
static bool set_cell(struct context *c, unsigned table, const char *of, uint32_t id,
                     unsigned column, int64_t number)
{
    struct key k = key_of_id(of, id);
    struct edit d;

    if (!row_exists(c->t, sa_table_by_id(table), &k))
        return false;
    edit_begin(&d, c->t, sa_table_by_id(table), &k);
    edit_int(&d, column, number);
    return row_put(&d, NULL) == 0;
}

static void acknowledge(struct context *c, const uint8_t **p, size_t *left)
{
    const char *of = owner(p, left);
    uint32_t alert = world_octet(p, left);
    int64_t kind = ACK_NONE + world_octet(p, left) % 4,
            until = c->now.wall_ms + world_octet(p, left) * INT64_C(1000);

    if (set_cell(c, SA_ALERT, of, alert, ALERT_ACKNOWLEDGE, kind) &&
        set_cell(c, SA_ALERT, of, alert, ALERT_ACK_UNTIL, kind == ACK_UNTIL ? until : 0))
        (void)ack_take_in(c->t, of, alert, c->now.wall_ms, no_digest, NULL);
}

static void expire(struct context *c, const uint8_t **p, size_t *left)
{
    c->now.wall_ms += world_octet(p, left) * INT64_C(1000);
    if (ack_expire(c->t, c->now.wall_ms, no_digest, NULL) == 0 && !txn_error(c->t))
        REQUIRE(!ack_next_due(c->t) || ack_next_due(c->t) > c->now.wall_ms);
}

static void act(struct context *c, const uint8_t **p, size_t *left)
{
    struct notice_ref ref = {.id = 0};
    bool call_back;

    snprintf(ref.owner, sizeof ref.owner, "%s", owner(p, left));
    ref.id = world_octet(p, left);
    if (set_cell(c, SA_NOTICE, ref.owner, ref.id, NOTICE_ACTION, 1 + world_octet(p, left) % 3))
        (void)notice_act(c->t, &ref, c->now.wall_ms, &call_back);
}

FUZZ_TARGET(alerts)
{
    static void (*const steps[])(struct context *, const uint8_t **, size_t *) = {
        spoil_value,  put_pair,    put_change, spoil_row, apply_changes, find_route,
        give_verdict, claim,       answer,     release,   recover,       end_alerts,
        purge,        acknowledge, expire,     act,
    };
    struct context c = {.now = {1700000001000, 1001000}};

    start();
    c.t = txn_begin(world_store(), TXN_WRITE);
    for (int i = 0; size && i < STEPS_MAX; i++)
        steps[world_octet(&data, &size) % (sizeof steps / sizeof *steps)](&c, &data, &size);
    (void)notice_pending(c.t);
    txn_abort(c.t);
    return 0;
}
