#include "alerts/index.h"

#include <string.h>

#include "alerts/judge.h"
#include "base/text.h"

#define TABLE(id) sa_table_by_id(id)

static const char ADMIN[] = "admin";

/* ---- keys ---- */

static struct key key3(const char *a, const char *b, const char *c)
{
    struct key k = key_of_names(a, b);

    key_str(&k, c);
    return k;
}

static int put_mark(struct txn *t, const char *db, const struct key *k)
{
    return kv_put(t, db, key_slice(k), (struct slice){NULL, 0});
}

static int drop_mark(struct txn *t, const char *db, const struct key *k)
{
    int err = kv_del(t, db, key_slice(k));

    return err == ERR_NOTFOUND ? 0 : err;
}

static bool any_below(struct txn *t, const char *db, const struct key *prefix)
{
    struct slice k, v;

    return !kv_seek(t, db, key_slice(prefix), false, &k, &v) && key_begins(k, prefix);
}

/* ---- default groups ---- */

static int make_default_group(struct txn *t, const char *owner, const char *service)
{
    struct key k = key_of_names(owner, service);
    struct edit d;

    if (row_exists(t, TABLE(SA_GROUP), &k))
        return txn_error(t);
    edit_begin(&d, t, TABLE(SA_GROUP), &k);
    edit_int(&d, GROUP_DEFAULT, TRUTH_TRUE);
    edit_int(&d, GROUP_STORAGE, STORAGE_READ_ONLY);
    edit_int(&d, GROUP_STATUS, ROW_ACTIVE);
    return row_put(&d, NULL);
}

static int join_default_group(struct txn *t, const char *owner, const char *service,
                              const char *definition)
{
    struct key k = key3(owner, service, definition);
    struct edit d;
    int err = make_default_group(t, owner, service);

    if (err)
        return err;
    edit_begin(&d, t, TABLE(SA_GROUP_DEFINITION), &k);
    edit_int(&d, GROUP_DEFINITION_STORAGE, STORAGE_READ_ONLY);
    edit_int(&d, GROUP_DEFINITION_STATUS, ROW_ACTIVE);
    err = row_put(&d, NULL);
    return err ? err : put_mark(t, INDEX_SERVICE_DEFS, &k);
}

/* Deletes every row of TABLE below PREFIX. */
static int drop_rows(struct txn *t, unsigned table, const struct key *prefix)
{
    struct cursor c;
    struct row r;

    for (cursor_first(&c, t, TABLE(table), prefix); cursor_row(&c, &r); cursor_next(&c)) {
        struct key k = key_copy(r.key);

        if (row_delete(t, TABLE(table), &k))
            break;
    }
    cursor_close(&c);
    return txn_error(t);
}

/* Deletes the links (rows owner,group,member of TABLE) that DB lists as owner,member,group. */
static int drop_links(struct txn *t, const char *db, unsigned table, const struct key *prefix)
{
    struct slice k, v;
    char n[3][33];

    while (!kv_seek(t, db, key_slice(prefix), false, &k, &v) && key_begins(k, prefix)) {
        struct key mark = key_copy(k), row_key;

        if (key_read_names(&k, n, 3)) {
            row_key = key3(n[0], n[2], n[1]);
            row_delete(t, TABLE(table), &row_key);
        }
        if (kv_del(t, db, key_slice(&mark)))
            break;
    }
    return txn_error(t);
}

/* Deletes a group's links, rows group,member of TABLE, and their marks in DB. */
static int drop_members(struct txn *t, const char *db, unsigned table, const struct key *group)
{
    struct cursor c;
    struct row r;
    char n[3][33];

    for (cursor_first(&c, t, TABLE(table), group); cursor_row(&c, &r); cursor_next(&c)) {
        struct key k = key_copy(r.key), mark;

        if (key_read_names(&r.key, n, 3)) {
            mark = key3(n[0], n[2], n[1]);
            drop_mark(t, db, &mark);
        }
        if (row_delete(t, TABLE(table), &k))
            break;
    }
    cursor_close(&c);
    return txn_error(t);
}

/* The default group goes with its last definition; so do the links to its targets. */
static int drop_default_group(struct txn *t, const char *owner, const char *service)
{
    struct key k = key_of_names(owner, service);
    int err = drop_members(t, INDEX_TARGET_GROUPS, SA_GROUP_TARGET, &k);

    if (!err)
        err = row_delete(t, TABLE(SA_GROUP), &k);
    return err == ERR_NOTFOUND ? txn_error(t) : err;
}

static int leave_default_group(struct txn *t, const char *owner, const char *service,
                               const char *definition)
{
    struct key k = key3(owner, service, definition);
    struct key group = key_of_names(owner, service);
    int err = row_delete(t, TABLE(SA_GROUP_DEFINITION), &k);

    if (err && err != ERR_NOTFOUND)
        return err;
    err = drop_mark(t, INDEX_SERVICE_DEFS, &k);
    if (!err && !any_below(t, INDEX_SERVICE_DEFS, &group))
        err = drop_default_group(t, owner, service);
    return err;
}

/* ---- one row of each table ---- */

static void service_of(struct txn *t, const struct key *k, char ret[33])
{
    struct row r;

    ret[0] = 0;
    if (row_get(t, TABLE(SA_DEFINITION), k, &r) || !row_active(&r))
        return;
    row_str(&r, DEFINITION_SERVICE, ret, 33);
    if (!ret[0])
        memcpy(ret, SERVICE_DEFAULT, sizeof SERVICE_DEFAULT);
}

#define DB_OWNER_DEFS "ownerDefs"

int64_t index_definitions(struct txn *t, const char *owner)
{
    struct key k = key_of_name(owner);
    struct slice v;

    return !kv_get(t, DB_OWNER_DEFS, key_slice(&k), &v) && v.len == 4 ? get_u32(v.data) : 0;
}

static int count_definition(struct txn *t, const char *owner, int delta)
{
    struct key k = key_of_name(owner);
    uint8_t v[4];

    put_u32(v, (uint32_t)(index_definitions(t, owner) + delta));
    return kv_put(t, DB_OWNER_DEFS, key_slice(&k), (struct slice){v, sizeof v});
}

/* From one default group to another; "" is none. */
static int change_service(struct txn *t, const char *owner, const char *definition,
                          const char *before, const char *now)
{
    struct key k = key_of_names(owner, definition);
    int err;

    /* Join first: a group that both name must not go in between. */
    if (now[0]) {
        err = join_default_group(t, owner, now, definition);
        if (!err)
            err = kv_put(t, INDEX_DEF_SERVICE, key_slice(&k),
                         (struct slice){(const uint8_t *)now, strlen(now)});
    } else {
        err = drop_mark(t, INDEX_DEF_SERVICE, &k);
    }
    if (!err && before[0])
        err = leave_default_group(t, owner, before, definition);
    if (!err && !before[0] != !now[0])
        err = count_definition(t, owner, now[0] ? 1 : -1);
    return err;
}

/* ---- targets, and those of definitions' own recipients ---- */

static int target_gone(struct txn *t, const struct key *k)
{
    int err = drop_mark(t, INDEX_GLOBALS, k);

    if (!err)
        err = drop_rows(t, SA_TARGET_PROPERTY, k);
    return err ? err : drop_links(t, INDEX_TARGET_GROUPS, SA_GROUP_TARGET, k);
}

static int apply_target(struct txn *t, const struct slice *key)
{
    char n[2][33];
    struct key k;
    struct row r;
    struct edit d;
    uint32_t id;
    int err = 0;

    if (!key_read_names(key, n, 2))
        return 0;
    k = key_of_names(n[0], n[1]);
    if (row_get(t, TABLE(SA_TARGET), &k, &r))
        return target_gone(t, &k);
    if (row_active(&r) && row_int(&r, TARGET_GLOBAL) == TRUTH_TRUE)
        err = put_mark(t, INDEX_GLOBALS, &k);
    else
        err = drop_mark(t, INDEX_GLOBALS, &k);
    if (err)
        return err;
    /* A row that was made anew has lost its hidden cells, and so gets a new life here. */
    if (row_get(t, TABLE(SA_TARGET), &k, &r) || row_has(&r, TARGET_INCARNATION))
        return txn_error(t);
    err = id_next(t, TABLE(SA_TARGET), &id);
    if (err)
        return err;
    edit_begin(&d, t, TABLE(SA_TARGET), &k);
    edit_int(&d, TARGET_INCARNATION, id);
    return row_put(&d, NULL);
}

bool direct_is_name(const char *target)
{
    return target[0] == '@';
}

const char *direct_handler(const struct row *definition, char ret[33])
{
    row_str(definition, DEFINITION_HANDLER, ret, 33);
    if (!ret[0])
        memcpy(ret, DIRECT_HANDLER, sizeof DIRECT_HANDLER);
    return ret;
}

static bool direct_name(char ret[33], const char *definition)
{
    size_t n = strlen(definition);

    if (n > DIRECT_NAME_MAX)
        return false;
    ret[0] = '@';
    memcpy(ret + 1, definition, n + 1);
    return true;
}

/* The target of DEFINITION, whose row says HANDLER and RECIPIENTS. */
static int put_direct(struct txn *t, const struct key *target, const char *handler,
                      const char *recipients)
{
    struct slice k = key_slice(target);
    struct edit d;
    int err;

    edit_begin(&d, t, TABLE(SA_TARGET), target);
    edit_str(&d, TARGET_HANDLER, handler);
    edit_str(&d, TARGET_RECIPIENTS, recipients);
    edit_int(&d, TARGET_STORAGE, STORAGE_READ_ONLY);
    edit_int(&d, TARGET_STATUS, ROW_ACTIVE);
    err = row_put(&d, NULL);
    return err ? err : apply_target(t, &k);
}

static int drop_direct(struct txn *t, const struct key *target)
{
    int err = row_delete(t, TABLE(SA_TARGET), target);

    return err ? err : target_gone(t, target);
}

static bool in_force(struct txn *t, const char *owner, const char *definition, struct row *ret)
{
    struct key k = key_of_names(owner, definition);

    return !row_get(t, TABLE(SA_DEFINITION), &k, ret) && row_active(ret);
}

/* The target of a definition that is not in force goes, unless notices wait for it. */
static int drop_idle(struct txn *t, const struct key *target)
{
    struct row r;

    if (row_get(t, TABLE(SA_TARGET), target, &r) || row_int(&r, TARGET_PENDING))
        return txn_error(t);
    return drop_direct(t, target);
}

/* Makes, changes or drops the target of a definition as its row is now. */
static int follow_direct(struct txn *t, const char *owner, const char *definition)
{
    char name[33], handler[33], recipients[SA_CELL_MAX + 1];
    struct key target;
    struct row r;

    if (!direct_name(name, definition))
        return 0;
    target = key_of_names(owner, name);
    if (!in_force(t, owner, definition, &r))
        return drop_idle(t, &target);
    if (*row_str(&r, DEFINITION_RECIPIENTS, recipients, sizeof recipients))
        return put_direct(t, &target, direct_handler(&r, handler), recipients);
    return row_exists(t, TABLE(SA_TARGET), &target) ? drop_direct(t, &target) : txn_error(t);
}

int direct_settled(struct txn *t, const struct key *target)
{
    struct slice k = key_slice(target);
    char n[2][33];
    struct row r;

    if (!key_read_names(&k, n, 2) || !direct_is_name(n[1]) || in_force(t, n[0], n[1] + 1, &r))
        return txn_error(t);
    return drop_idle(t, target);
}

/* ---- definitions ---- */

static int apply_definition(struct txn *t, const struct slice *key)
{
    char n[2][33], now[33], before[33] = "";
    struct key k;
    struct slice v;
    int err = 0;

    if (!key_read_names(key, n, 2))
        return 0;
    k = key_of_names(n[0], n[1]);
    service_of(t, &k, now);
    if (!kv_get(t, INDEX_DEF_SERVICE, key_slice(&k), &v) && v.len < sizeof before) {
        memcpy(before, v.data, v.len);
        before[v.len] = 0;
    }
    if (strcmp(now, before))
        err = change_service(t, n[0], n[1], before, now);
    if (!err && !row_exists(t, TABLE(SA_DEFINITION), &k))
        err = drop_links(t, INDEX_DEF_GROUPS, SA_GROUP_DEFINITION, &k);
    if (!err)
        err = follow_direct(t, n[0], n[1]);
    return err ? err : txn_error(t);
}

static int apply_membership(struct txn *t, const struct slice *key)
{
    char n[3][33];
    struct key row_key, k, group_key;
    struct row group;
    bool in;

    if (!key_read_names(key, n, 3))
        return 0;
    row_key = key3(n[0], n[1], n[2]);
    group_key = key_of_names(n[0], n[1]);
    k = key3(n[0], n[2], n[1]);
    in = row_exists(t, TABLE(SA_GROUP_DEFINITION), &row_key);
    if (in && !row_get(t, TABLE(SA_GROUP), &group_key, &group) &&
        row_int(&group, GROUP_DEFAULT) == TRUTH_TRUE)
        in = false; /* default groups are found by the service */
    return in ? put_mark(t, INDEX_DEF_GROUPS, &k) : drop_mark(t, INDEX_DEF_GROUPS, &k);
}

static int apply_target_link(struct txn *t, const struct slice *key)
{
    char n[3][33];
    struct key row_key, k;

    if (!key_read_names(key, n, 3))
        return 0;
    row_key = key3(n[0], n[1], n[2]);
    k = key3(n[0], n[2], n[1]);
    if (row_exists(t, TABLE(SA_GROUP_TARGET), &row_key))
        return put_mark(t, INDEX_TARGET_GROUPS, &k);
    return drop_mark(t, INDEX_TARGET_GROUPS, &k);
}

static int apply_group(struct txn *t, const struct slice *key)
{
    struct key k = key_copy(*key);
    int err;

    if (row_exists(t, TABLE(SA_GROUP), &k))
        return txn_error(t);
    err = drop_members(t, INDEX_DEF_GROUPS, SA_GROUP_DEFINITION, &k);
    return err ? err : drop_members(t, INDEX_TARGET_GROUPS, SA_GROUP_TARGET, &k);
}

static int apply_script(struct txn *t, const struct slice *key)
{
    struct key k = key_copy(*key);

    return row_exists(t, TABLE(SA_SCRIPT), &k) ? txn_error(t) : drop_rows(t, SA_SCRIPT_TEXT, &k);
}

int index_apply(struct txn *t, const struct change *c)
{
    struct key copy = key_copy(c->key); /* the change is borrowed until the first write */
    struct slice key = key_slice(&copy);

    switch (c->table) {
    case SA_DEFINITION:
        return apply_definition(t, &key);
    case SA_GROUP_DEFINITION:
        return apply_membership(t, &key);
    case SA_SCRIPT:
        return apply_script(t, &key);
    case SA_GROUP:
        return apply_group(t, &key);
    case SA_GROUP_TARGET:
        return apply_target_link(t, &key);
    case SA_TARGET:
        return apply_target(t, &key);
    default:
        return 0;
    }
}

/* ---- routing ---- */

bool target_in_force(const struct row *target)
{
    return row_active(target) && row_int(target, TARGET_ENABLED) == TRUTH_TRUE;
}

static void route_add(struct txn *t, struct route *ret, const char *owner, const char *name)
{
    struct key k = key_of_names(owner, name);
    struct route_target *to;
    struct row r;
    uint32_t incarnation;

    if (row_get(t, TABLE(SA_TARGET), &k, &r) || !target_in_force(&r))
        return;
    incarnation = (uint32_t)row_int(&r, TARGET_INCARNATION);
    if (!incarnation) /* its change has not been taken in yet */
        return;
    for (size_t i = 0; i < ret->n; i++) {
        if (ret->targets[i].incarnation == incarnation)
            return;
    }
    if (ret->n == ROUTE_TARGETS_MAX) {
        ret->cut = true;
        return;
    }
    to = &ret->targets[ret->n++];
    memcpy(to->owner, owner, strlen(owner) + 1);
    memcpy(to->name, name, strlen(name) + 1);
    to->incarnation = incarnation;
}

static void route_group(void *ret, struct txn *t, const char *owner, const char *group)
{
    struct key k = key_of_names(owner, group);
    char n[3][33];
    struct cursor c;
    struct row r;

    if (row_get(t, TABLE(SA_GROUP), &k, &r) || !row_active(&r))
        return;
    for (cursor_first(&c, t, TABLE(SA_GROUP_TARGET), &k); cursor_row(&c, &r); cursor_next(&c)) {
        if (row_active(&r) && key_read_names(&r.key, n, 3))
            route_add(t, ret, owner, n[2]);
    }
    cursor_close(&c);
}

static void route_globals(struct txn *t, struct route *ret, const char *owner)
{
    struct key prefix = key_of_name(owner), at = prefix;
    struct slice k, v;
    char n[2][33];
    bool after = false;

    while (!kv_seek(t, INDEX_GLOBALS, key_slice(&at), after, &k, &v) && key_begins(k, &prefix)) {
        at = key_copy(k);
        after = true;
        if (key_read_names(&k, n, 2))
            route_add(t, ret, n[0], n[1]);
    }
}

static bool is_member(struct txn *t, const char *owner, const char *group, const char *definition)
{
    struct key k = key3(owner, group, definition);
    struct row r;

    return !row_get(t, TABLE(SA_GROUP_DEFINITION), &k, &r) && row_active(&r);
}

typedef void group_fn(void *arg, struct txn *t, const char *owner, const char *group);

/* The default group of DEFINITION, then the custom ones that it is in. */
static void each_group(struct txn *t, const char *owner, const char *definition, group_fn *cb,
                       void *arg)
{
    struct key prefix = key_of_names(owner, definition), at = prefix;
    char service[33] = "", n[3][33];
    struct slice k, v;
    bool after = false;

    if (!kv_get(t, INDEX_DEF_SERVICE, key_slice(&prefix), &v) && v.len < sizeof service) {
        memcpy(service, v.data, v.len);
        service[v.len] = 0;
    }
    cb(arg, t, owner, service[0] ? service : SERVICE_DEFAULT);
    while (!kv_seek(t, INDEX_DEF_GROUPS, key_slice(&at), after, &k, &v) && key_begins(k, &prefix)) {
        at = key_copy(k);
        after = true;
        if (key_read_names(&k, n, 3) && is_member(t, owner, n[2], definition))
            cb(arg, t, owner, n[2]);
    }
}

int route_find(struct txn *t, const char *owner, const char *definition, struct route *ret)
{
    char direct[33];

    ret->n = 0;
    ret->cut = false;
    each_group(t, owner, definition, route_group, ret);
    if (direct_name(direct, definition))
        route_add(t, ret, owner, direct);
    route_globals(t, ret, owner);
    if (strcmp(owner, ADMIN))
        route_globals(t, ret, ADMIN);
    return txn_error(t);
}

struct leading { /* groups that lead to a target */
    const char *target;
    void (*cb)(void *arg, const char *group);
    void *arg;
};

static void leading_group(void *arg, struct txn *t, const char *owner, const char *group)
{
    const struct leading *x = arg;
    struct key k = key_of_names(owner, group), link = key3(owner, group, x->target);
    struct row r;

    if (!row_get(t, TABLE(SA_GROUP), &k, &r) && row_active(&r) &&
        !row_get(t, TABLE(SA_GROUP_TARGET), &link, &r) && row_active(&r))
        x->cb(x->arg, group);
}

int route_groups(struct txn *t, const char *owner, const char *definition, const char *target,
                 void (*cb)(void *arg, const char *group), void *arg)
{
    struct leading x = {target, cb, arg};

    each_group(t, owner, definition, leading_group, &x);
    return txn_error(t);
}

bool route_wants(int64_t states, enum sa_level least, enum sa_level level)
{
    return (level == LEVEL_OK || level_rank(level) >= level_rank(least)) &&
           (states == 0 || (states >> (level - 1) & 1));
}
