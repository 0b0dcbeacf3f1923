#include "alerts/checks.h"

#include <stdio.h>
#include <string.h>

#include "alerts/acknowledge.h"
#include "alerts/instance.h"
#include "alerts/override.h"
#include "alerts/raise.h"
#include "alerts/trial.h"
#include "base/clock.h"
#include "base/text.h"
#include "config/leads.h"
#include "store/view.h"

enum { SCRIPT_MAX = 16 * 1024, TRIALS_PER_OWNER = 100 };

static const char ADMIN[] = "admin";

int ref_find(struct txn *t, unsigned table, const char *owner, const char *name, struct row *ret,
             char ret_owner[33])
{
    const char *owners[] = {owner, ADMIN};
    int err = ERR_NOTFOUND;

    for (size_t i = 0; i < 2 && err == ERR_NOTFOUND; i++) {
        struct key k = key_of_names(owners[i], name);

        err = row_get(t, sa_table_by_id(table), &k, ret);
        if (!err && ret_owner)
            snprintf(ret_owner, 33, "%s", owners[i]);
    }
    return err;
}

static int look_ref(const struct set_check_context *c, unsigned table, const char *owner,
                    const char *name, struct row *ret)
{
    struct key k = key_of_names(owner, name);
    int err = set_look_row(c->look, sa_table_by_id(table), &k, ret);

    if (err == ERR_NOTFOUND && strcmp(owner, ADMIN)) {
        k = key_of_names(ADMIN, name);
        err = set_look_row(c->look, sa_table_by_id(table), &k, ret);
    }
    return err;
}

static int look_own(const struct set_check_context *c, unsigned table, const char *owner,
                    const char *name, struct row *ret)
{
    struct key k = key_of_names(owner, name);

    return set_look_row(c->look, sa_table_by_id(table), &k, ret);
}

static bool cell_differs(const struct set_check_context *c, unsigned column)
{
    struct slice a, b;

    if (!c->before)
        return true;
    a = row_text(c->before, column);
    b = row_text(c->after, column);
    return a.len != b.len || (a.len && memcmp(a.data, b.data, a.len));
}

/* ---- scripts ---- */

static int add_segment(void *arg, const struct row *r)
{
    struct buf *b = arg;
    struct slice s = row_text(r, SCRIPT_TEXT_TEXT);

    if (row_active(r))
        buf_bytes(b, s.data, s.len);
    return b->err;
}

static int too_long(struct err *e)
{
    return err_set(e, ERR_INCONSISTENT_VALUE, "the script is longer than %d octets", SCRIPT_MAX);
}

/* The segments of a script as they will be, compiled. */
static int check_script_text(const struct checks *k, const struct set_check_context *c,
                             const char *owner, const char *script, struct err *e)
{
    struct key prefix = key_of_names(owner, script);
    struct buf b;
    int err;

    buf_init(&b, SCRIPT_MAX);
    err = set_look_each(c->look, sa_table_by_id(SA_SCRIPT_TEXT), &prefix, add_segment, &b);
    if (b.err == ERR_FULL)
        err = too_long(e);
    else if (!err && b.len && k->compile && !c->final)
        err = k->compile(k->arg, b.data, b.len, e);
    buf_release(&b);
    return err;
}

/* Segments of a script that is not active may be anything: it is compiled when it becomes so. A
 * segment that goes changes the script as one that comes does. */
static int check_segment(void *arg, const struct set_check_context *c, unsigned *ret_column,
                         struct err *e)
{
    bool was = c->before && row_active(c->before), is = !c->gone && row_active(c->after);
    char n[2][33];
    struct row script;
    size_t pos = 0;
    int err;

    *ret_column = 0;
    if (!key_read_name(&c->after->key, &pos, n[0]) || !key_read_name(&c->after->key, &pos, n[1]))
        return 0;
    if (look_own(c, SA_SCRIPT, n[0], n[1], &script))
        return c->gone
                   ? 0
                   : err_set(e, ERR_INCONSISTENT_NAME, "owner %s has no script '%s'", n[0], n[1]);
    if (!row_active(&script) || (!was && !is))
        return 0;
    err = check_script_text(arg, c, n[0], n[1], e);
    if (is)
        *ret_column = SCRIPT_TEXT_TEXT;
    else if (err == ERR_WRONG_VALUE)
        err = ERR_INCONSISTENT_VALUE; /* it is not the RowStatus that is wrong */
    return err;
}

struct user_search {
    const char *script;
    char found[33];
};

static int uses_script(void *arg, const struct row *r)
{
    struct user_search *u = arg;
    char n[2][33], script[33];

    row_str(r, DEFINITION_SCRIPT, script, sizeof script);
    if (strcmp(script, u->script) || !key_read_names(&r->key, n, 2))
        return 0;
    memcpy(u->found, n[1], sizeof u->found);
    return 1;
}

static int script_unused(const struct set_check_context *c, const char *owner, const char *script,
                         struct err *e)
{
    struct user_search u = {.script = script, .found = ""};
    struct key prefix = key_of_name(owner);

    if (set_look_each(c->look, sa_table_by_id(SA_DEFINITION), strcmp(owner, ADMIN) ? &prefix : NULL,
                      uses_script, &u) == 1)
        return err_set(e, ERR_INCONSISTENT_VALUE, "script '%s' is used by definition '%s'", script,
                       u.found);
    return 0;
}

static int check_script(void *arg, const struct set_check_context *c, unsigned *ret_column,
                        struct err *e)
{
    char n[2][33];
    int err;

    *ret_column = 0;
    if (!key_read_names(&c->after->key, n, 2))
        return 0;
    if (c->gone)
        return script_unused(c, n[0], n[1], e);
    if (!row_active(c->after) || (c->before && row_active(c->before)))
        return 0;
    err = check_script_text(arg, c, n[0], n[1], e);
    if (err != ERR_WRONG_VALUE)
        return err;
    err_prefix(e, "the script does not compile");
    return ERR_INCONSISTENT_VALUE;
}

/* saScriptError: an active script has been compiled, any other one is as one looks. */
static void script_error(void *arg, struct txn *t, const struct row *r, struct cell *ret)
{
    const struct checks *k = arg;
    struct key script = key_copy(r->key);
    struct err e = {.text = ""};
    struct buf b;
    int err;

    if (row_active(r) || !k->compile)
        return;
    buf_init(&b, SCRIPT_MAX);
    err = script_text(t, &script, &b);
    if (err == ERR_FULL)
        too_long(&e);
    else if (!err && b.len)
        k->compile(k->arg, b.data, b.len, &e);
    buf_release(&b);
    ret->bytes.data = ret->scratch;
    ret->bytes.len =
        utf8_clean((char *)ret->scratch, sizeof ret->scratch, e.text, strlen(e.text), false);
}

/* An owner may refer to what is admin's, too. */
static int no_such(struct err *e, const char *what, const char *name, const char *owner)
{
    if (!strcmp(owner, ADMIN))
        return err_set(e, ERR_INCONSISTENT_VALUE, "%s has no %s '%s'", owner, what, name);
    return err_set(e, ERR_INCONSISTENT_VALUE, "no %s '%s', neither of %s nor of admin", what, name,
                   owner);
}

/* ---- definitions ---- */

static bool raises_to_levels(const struct row *definition)
{
    return row_text(definition, DEFINITION_CRIT).len || row_text(definition, DEFINITION_WARN).len ||
           row_text(definition, DEFINITION_INFO).len;
}

/* All that is JavaScript in the row, and new. */
static int check_expressions(const struct checks *k, const struct set_check_context *c,
                             unsigned *ret_column, struct err *e)
{
    static const uint8_t columns[] = {
        DEFINITION_CONDITION,  DEFINITION_CRIT, DEFINITION_CRIT_RESET, DEFINITION_WARN,
        DEFINITION_WARN_RESET, DEFINITION_INFO, DEFINITION_INFO_RESET};
    int err = 0;

    for (size_t i = 0; i < sizeof columns && !err && !c->final && k->compile; i++) {
        struct slice text = row_text(c->after, columns[i]);

        *ret_column = columns[i];
        if (text.len && cell_differs(c, columns[i]))
            err = k->compile(k->arg, text.data, text.len, e);
    }
    return err;
}

static int check_condition(const struct checks *k, const struct set_check_context *c,
                           const char *owner, unsigned *ret_column, struct err *e)
{
    struct slice condition = row_text(c->after, DEFINITION_CONDITION);
    char script[33];
    struct row r;

    row_str(c->after, DEFINITION_SCRIPT, script, sizeof script);
    *ret_column = DEFINITION_SCRIPT;
    if (script[0] && condition.len)
        return err_set(e, ERR_INCONSISTENT_VALUE, "both a condition and a script ('%s') are given",
                       script);
    if (script[0] && look_ref(c, SA_SCRIPT, owner, script, &r))
        return no_such(e, "script", script, owner);
    *ret_column = DEFINITION_CONDITION;
    if (!script[0] && !condition.len && !raises_to_levels(c->after))
        return row_active(c->after)
                   ? err_set(e, ERR_INCONSISTENT_VALUE, "neither a condition nor a script is given")
                   : 0;
    return check_expressions(k, c, ret_column, e);
}

static int check_flapping(const struct set_check_context *c, unsigned *ret_column, struct err *e)
{
    int64_t low = row_int(c->after, DEFINITION_FLAP_LOW);
    int64_t high = row_int(c->after, DEFINITION_FLAP_HIGH);

    if (low <= high)
        return 0;
    *ret_column = cell_differs(c, DEFINITION_FLAP_LOW) ? DEFINITION_FLAP_LOW : DEFINITION_FLAP_HIGH;
    return err_set(e, ERR_INCONSISTENT_VALUE,
                   "an alert would begin to flap above %d %% and cease to below %d %%", (int)high,
                   (int)low);
}

static int check_service(const struct set_check_context *c, const char *owner, struct err *e)
{
    char service[33];
    struct row group;

    row_str(c->after, DEFINITION_SERVICE, service, sizeof service);
    if (!service[0])
        memcpy(service, SERVICE_DEFAULT, sizeof SERVICE_DEFAULT);
    if (!look_own(c, SA_GROUP, owner, service, &group) &&
        row_int(&group, GROUP_DEFAULT) != TRUTH_TRUE)
        return err_set(e, ERR_INCONSISTENT_VALUE,
                       "service '%s' is the name of a custom group of owner %s", service, owner);
    return 0;
}

static int check_quota(const struct set_check_context *c, const char *owner, struct err *e)
{
    struct key k = key_of_name(owner);
    int64_t most;
    struct row r;

    if (c->before || set_look_row(c->look, sa_table_by_id(SA_OWNER), &k, &r))
        return 0;
    most = row_int(&r, OWNER_MAX_DEFINITIONS);
    if (most && set_look_count(c->look, sa_table_by_id(SA_DEFINITION), owner) > most)
        return err_set(e, ERR_RESOURCE_UNAVAILABLE, "owner %s may have %lld definitions at most",
                       owner, (long long)most);
    return 0;
}

static int too_many_recipients(struct err *e)
{
    return err_set(e, ERR_WRONG_VALUE,
                   "at most 64 recipients of at most 255 octets, divided by commas or blanks");
}

static int check_direct(const struct set_check_context *c, const char *owner, const char *name,
                        unsigned *ret_column, struct err *e)
{
    struct slice recipients = row_text(c->after, DEFINITION_RECIPIENTS);
    int n = recipients_each(recipients.data, recipients.len, NULL, NULL);
    char handler[33];
    struct row r;

    *ret_column = DEFINITION_RECIPIENTS;
    if (n < 0)
        return too_many_recipients(e);
    if (!recipients.len)
        return 0;
    if (strlen(name) > DIRECT_NAME_MAX)
        return err_set(e, ERR_INCONSISTENT_VALUE,
                       "the name of a definition with recipients has %d octets at most",
                       DIRECT_NAME_MAX);
    *ret_column = DEFINITION_HANDLER;
    direct_handler(c->after, handler);
    return look_ref(c, SA_HANDLER, owner, handler, &r) ? no_such(e, "handler", handler, owner) : 0;
}

static int check_definition(void *arg, const struct set_check_context *c, unsigned *ret_column,
                            struct err *e)
{
    char n[2][33];
    int err;

    *ret_column = 0;
    if (c->gone || !key_read_names(&c->after->key, n, 2))
        return 0;
    err = check_quota(c, n[0], e);
    if (!err) {
        *ret_column = DEFINITION_SERVICE;
        err = check_service(c, n[0], e);
    }
    if (!err)
        err = check_direct(c, n[0], n[1], ret_column, e);
    if (!err)
        err = check_flapping(c, ret_column, e);
    return err ? err : check_condition(arg, c, n[0], ret_column, e);
}

/* ---- trials ---- */

static int check_trial_text(const struct checks *k, const struct set_check_context *c,
                            const char *owner, unsigned *ret_column, struct err *e)
{
    struct slice condition = row_text(c->after, TRIAL_CONDITION);
    char script[33];
    struct row r;

    row_str(c->after, TRIAL_SCRIPT, script, sizeof script);
    *ret_column = TRIAL_SCRIPT;
    if (script[0] && condition.len)
        return err_set(e, ERR_INCONSISTENT_VALUE, "both a condition and a script ('%s') are given",
                       script);
    if (script[0] && cell_differs(c, TRIAL_SCRIPT) && look_ref(c, SA_SCRIPT, owner, script, &r))
        return no_such(e, "script", script, owner);
    *ret_column = TRIAL_CONDITION;
    if (condition.len && !c->final && k->compile && cell_differs(c, TRIAL_CONDITION))
        return k->compile(k->arg, condition.data, condition.len, e);
    return 0;
}

/* Names are looked at when they are set: what they name may go afterwards, and the trial fails. */
static int check_trial(void *arg, const struct set_check_context *c, unsigned *ret_column,
                       struct err *e)
{
    char n[2][33], definition[33];
    struct row r;

    *ret_column = 0;
    if (c->gone || !key_read_names(&c->after->key, n, 2))
        return 0;
    if (!c->before && set_look_count(c->look, sa_table_by_id(SA_TRIAL), n[0]) > TRIALS_PER_OWNER)
        return err_set(e, ERR_RESOURCE_UNAVAILABLE, "owner %s may have %d trials at most", n[0],
                       TRIALS_PER_OWNER);
    row_str(c->after, TRIAL_DEFINITION, definition, sizeof definition);
    *ret_column = TRIAL_DEFINITION;
    if (definition[0] && cell_differs(c, TRIAL_DEFINITION) &&
        look_own(c, SA_DEFINITION, n[0], definition, &r))
        return err_set(e, ERR_INCONSISTENT_VALUE, "owner %s has no definition '%s'", n[0],
                       definition);
    *ret_column = TRIAL_STATUS;
    if (row_active(c->after) && !definition[0] && !row_text(c->after, TRIAL_CONDITION).len &&
        !row_text(c->after, TRIAL_SCRIPT).len)
        return err_set(e, ERR_INCONSISTENT_VALUE,
                       "neither a condition nor a script nor a definition is given");
    return check_trial_text(arg, c, n[0], ret_column, e);
}

/* ---- groups, targets, links ---- */

static int check_group_definition(void *arg, const struct set_check_context *c,
                                  unsigned *ret_column, struct err *e)
{
    char n[3][33];
    struct row r;

    (void)arg;
    *ret_column = 0;
    if (!key_read_names(&c->after->key, n, 3))
        return 0;
    if (look_own(c, SA_GROUP, n[0], n[1], &r))
        return c->gone
                   ? 0
                   : err_set(e, ERR_INCONSISTENT_NAME, "owner %s has no group '%s'", n[0], n[1]);
    if (row_int(&r, GROUP_DEFAULT) == TRUTH_TRUE)
        return err_set(e, ERR_INCONSISTENT_VALUE,
                       "group '%s' is a default group: its members follow from their service",
                       n[1]);
    if (!c->gone && look_own(c, SA_DEFINITION, n[0], n[2], &r))
        return err_set(e, ERR_INCONSISTENT_NAME, "owner %s has no definition '%s'", n[0], n[2]);
    return 0;
}

/* Default groups come with their first definition: one that this set makes will do. */
struct service_search {
    const char *service;
};

static int has_service(void *arg, const struct row *r)
{
    struct service_search *s = arg;
    char service[33];

    row_str(r, DEFINITION_SERVICE, service, sizeof service);
    return !strcmp(service[0] ? service : SERVICE_DEFAULT, s->service);
}

/* A custom group that took the name of a service would be in the way of its default group. */
static int check_group(void *arg, const struct set_check_context *c, unsigned *ret_column,
                       struct err *e)
{
    char n[2][33];
    struct service_search s = {n[1]};
    struct key k;

    (void)arg;
    *ret_column = 0;
    if (c->gone || !key_read_names(&c->after->key, n, 2))
        return 0;
    k = key_of_name(n[0]);
    if (c->before ? row_int(c->before, GROUP_DEFAULT) == TRUTH_TRUE
                  : set_look_each(c->look, sa_table_by_id(SA_DEFINITION), &k, has_service, &s) == 1)
        return err_set(e, ERR_INCONSISTENT_NAME,
                       "'%s' is a service of owner %s: its group is made with its definitions",
                       n[1], n[0]);
    return 0;
}

static bool group_will_be(const struct set_check_context *c, const char *owner, const char *group)
{
    struct key k = key_of_name(owner);
    struct service_search s = {group};
    struct row r;

    return !look_own(c, SA_GROUP, owner, group, &r) ||
           set_look_each(c->look, sa_table_by_id(SA_DEFINITION), &k, has_service, &s) == 1;
}

static int check_group_target(void *arg, const struct set_check_context *c, unsigned *ret_column,
                              struct err *e)
{
    char n[3][33];
    struct row r;

    (void)arg;
    *ret_column = 0;
    if (c->gone || !key_read_names(&c->after->key, n, 3))
        return 0;
    if (!group_will_be(c, n[0], n[1]))
        return err_set(e, ERR_INCONSISTENT_NAME, "owner %s has no group '%s'", n[0], n[1]);
    if (look_own(c, SA_TARGET, n[0], n[2], &r))
        return err_set(e, ERR_INCONSISTENT_NAME, "owner %s has no target '%s'", n[0], n[2]);
    if (row_int(&r, TARGET_GLOBAL) == TRUTH_TRUE)
        return err_set(e, ERR_INCONSISTENT_VALUE, "target '%s' is global: it is in no group", n[2]);
    return 0;
}

struct link_search {
    const char *target;
    char group[33];
};

static int links_target(void *arg, const struct row *r)
{
    struct link_search *s = arg;
    char n[3][33];

    if (!key_read_names(&r->key, n, 3) || strcmp(n[2], s->target))
        return 0;
    memcpy(s->group, n[1], sizeof s->group);
    return 1;
}

static int check_global(const struct set_check_context *c, const char *owner, const char *name,
                        struct err *e)
{
    struct link_search s = {.target = name};
    struct key k = key_of_name(owner);

    if (row_int(c->after, TARGET_GLOBAL) != TRUTH_TRUE ||
        (c->before && row_int(c->before, TARGET_GLOBAL) == TRUTH_TRUE))
        return 0;
    if (set_look_each(c->look, sa_table_by_id(SA_GROUP_TARGET), &k, links_target, &s) == 1)
        return err_set(e, ERR_INCONSISTENT_VALUE,
                       "target '%s' is in group '%s': it cannot become global", name, s.group);
    return 0;
}

static int check_match(const struct checks *k, const struct set_check_context *c, struct err *e)
{
    struct slice match = row_text(c->after, TARGET_MATCH);

    return match.len && !c->final && k->compile && cell_differs(c, TARGET_MATCH)
               ? k->compile(k->arg, match.data, match.len, e)
               : 0;
}

static int check_target(void *arg, const struct set_check_context *c, unsigned *ret_column,
                        struct err *e)
{
    char n[2][33], handler[33];
    struct slice recipients;
    struct row r;
    int err;

    *ret_column = TARGET_HANDLER;
    if (c->gone || !key_read_names(&c->after->key, n, 2))
        return 0;
    if (direct_is_name(n[1]))
        return err_set(e, ERR_INCONSISTENT_NAME,
                       "names that begin with @ are those of definitions' own recipients");
    row_str(c->after, TARGET_HANDLER, handler, sizeof handler);
    if (handler[0] && look_ref(c, SA_HANDLER, n[0], handler, &r))
        return no_such(e, "handler", handler, n[0]);
    *ret_column = TARGET_RECIPIENTS;
    recipients = row_text(c->after, TARGET_RECIPIENTS);
    if (recipients_each(recipients.data, recipients.len, NULL, NULL) < 0)
        return too_many_recipients(e);
    *ret_column = TARGET_GLOBAL;
    err = check_global(c, n[0], n[1], e);
    if (err)
        return err;
    *ret_column = TARGET_MATCH;
    return check_match(arg, c, e);
}

static int check_property(void *arg, const struct set_check_context *c, unsigned *ret_column,
                          struct err *e)
{
    const struct checks *k = arg;
    const struct property *p = NULL;
    const struct kind *kind = NULL;
    char n[3][33], name[33], value[SA_CELL_MAX + 1];
    struct row r;
    int err;

    *ret_column = 0;
    if (c->gone || !key_read_names(&c->after->key, n, 3))
        return 0;
    if (look_own(c, SA_TARGET, n[0], n[1], &r))
        return err_set(e, ERR_INCONSISTENT_NAME, "owner %s has no target '%s'", n[0], n[1]);
    row_str(&r, TARGET_HANDLER, name, sizeof name);
    if (!look_ref(c, SA_HANDLER, n[0], name, &r)) {
        char kind_name[33];

        kind = kind_find(k->kinds, KIND_HANDLER,
                         row_str(&r, HANDLER_KIND, kind_name, sizeof kind_name));
    }
    if (kind)
        p = property_find(kind->properties, kind->nproperties, n[2]);
    if (!p)
        return err_set(e, ERR_INCONSISTENT_NAME, "handler '%s' has no property '%s'", name, n[2]);
    if (!p->target_may_override)
        return err_set(e, ERR_INCONSISTENT_NAME, "property '%s' cannot be overridden by a target",
                       n[2]);
    *ret_column = TARGET_PROPERTY_VALUE;
    row_str(c->after, TARGET_PROPERTY_VALUE, value, sizeof value);
    err = property_check(p, value, e);
    return err ? ((void)err_prefix(e, "property '%s'", n[2]), ERR_WRONG_VALUE) : 0;
}

/* ---- handlers ---- */

static int add_property(void *arg, const struct row *r)
{
    return overrides_add(arg, r);
}

/* Will the handler work with all its properties as they will be? Secrets are not in the store: what
 * the file has of them is taken for granted as long as the transport stays. */
static int check_together(const struct set_check_context *c, const struct kind *kind,
                          const char *owner, const char *handler, struct err *e)
{
    struct key prefix = key_of_names(owner, handler);
    struct values v = {NULL, 0};
    struct overrides o;
    int err;

    overrides_init(&o, kind);
    err = set_look_each(c->look, sa_table_by_id(SA_HANDLER_PROPERTY), &prefix, add_property, &o);
    if (!err)
        err = overrides_lay(&o, NULL, &v, e);
    values_release(&v);
    overrides_release(&o);
    if (err == ERR_NOMEM)
        return err_set(e, ERR_RESOURCE_UNAVAILABLE, "out of memory");
    return err ? ERR_INCONSISTENT_VALUE : 0;
}

struct handlers { /* as they will be */
    const struct checks *checks;
    const struct set_check_context *c;
};

static const struct kind *kind_will_be(void *arg, const char *owner, const char *name)
{
    const struct handlers *x = arg;
    char kind[33];
    struct row r;

    return look_own(x->c, SA_HANDLER, owner, name, &r)
               ? NULL
               : kind_find(x->checks->kinds, KIND_HANDLER,
                           row_str(&r, HANDLER_KIND, kind, sizeof kind));
}

static const char *text_will_be(void *arg, const char *owner, const char *name,
                                const char *property, char buf[LEADS_TEXT_MAX + 1])
{
    const struct handlers *x = arg;
    struct key k = key_of_names(owner, name);
    struct row r;

    if (!key_str(&k, property) ||
        set_look_row(x->c->look, sa_table_by_id(SA_HANDLER_PROPERTY), &k, &r))
        return "";
    return row_str(&r, HANDLER_PROPERTY_VALUE, buf, LEADS_TEXT_MAX + 1);
}

/* Where a handler leads, P says: that may not be in a circle. */
static int check_leads(const struct checks *k, const struct set_check_context *c,
                       const struct kind *kind, const struct property *p, const char *owner,
                       const char *handler, struct err *e)
{
    struct handlers x = {k, c};
    const struct leads_from from = {kind_will_be, text_will_be, &x};
    struct leads leads;

    if (!kind->leads_to || strcmp(kind->leads_to, p->name) ||
        !leads_follow(&leads, &from, owner, handler, e))
        return 0;
    err_prefix(e, "property '%s'", p->name);
    return ERR_INCONSISTENT_VALUE;
}

static int check_handler_property(void *arg, const struct set_check_context *c,
                                  unsigned *ret_column, struct err *e)
{
    const struct checks *k = arg;
    const struct property *p = NULL;
    const struct kind *kind = NULL;
    char n[3][33], kind_name[33], value[SA_CELL_MAX + 1];
    struct row r;
    int err;

    *ret_column = HANDLER_PROPERTY_VALUE;
    if (c->gone || !cell_differs(c, HANDLER_PROPERTY_VALUE) ||
        !key_read_names(&c->after->key, n, 3))
        return 0;
    if (!look_own(c, SA_HANDLER, n[0], n[1], &r))
        kind = kind_find(k->kinds, KIND_HANDLER,
                         row_str(&r, HANDLER_KIND, kind_name, sizeof kind_name));
    if (kind)
        p = property_find(kind->properties, kind->nproperties, n[2]);
    if (!p)
        return err_set(e, ERR_INCONSISTENT_NAME, "handler '%s' has no property '%s'", n[1], n[2]);
    if (!row_as_in_file(c->after, HANDLER_PROPERTY_VALUE)) {
        if (!property_overridable(p))
            return err_set(e, ERR_NOT_WRITABLE, "property '%s' comes from the configuration file",
                           n[2]);
        row_str(c->after, HANDLER_PROPERTY_VALUE, value, sizeof value);
        if (property_check(p, value, e))
            return (void)err_prefix(e, "property '%s'", n[2]), ERR_WRONG_VALUE;
    }
    err = check_together(c, kind, n[0], n[1], e);
    return err ? err : check_leads(k, c, kind, p, n[0], n[1], e);
}

static int check_test_option(void *arg, const struct set_check_context *c, unsigned *ret_column,
                             struct err *e)
{
    const struct checks *k = arg;
    const struct property *p = NULL;
    const struct kind *kind = NULL;
    char n[3][33], kind_name[33], value[SA_CELL_MAX + 1];
    struct row r;

    *ret_column = TEST_OPTION_VALUE;
    if (c->gone || !cell_differs(c, TEST_OPTION_VALUE) || !key_read_names(&c->after->key, n, 3))
        return 0;
    if (!look_own(c, SA_HANDLER, n[0], n[1], &r))
        kind = kind_find(k->kinds, KIND_HANDLER,
                         row_str(&r, HANDLER_KIND, kind_name, sizeof kind_name));
    if (kind)
        p = trial_option(kind, n[2]);
    if (!p)
        return err_set(e, ERR_INCONSISTENT_NAME, "a test of handler '%s' has no option '%s'", n[1],
                       n[2]);
    row_str(c->after, TEST_OPTION_VALUE, value, sizeof value);
    if (!row_as_in_file(c->after, TEST_OPTION_VALUE) && trial_check(p, value, e))
        return (void)err_prefix(e, "option '%s'", n[2]), ERR_WRONG_VALUE;
    return 0;
}

/* ---- alerts and notices ---- */

/* Managers set nothing of an alert but its acknowledgement. */
static int check_alert(void *arg, const struct set_check_context *c, unsigned *ret_column,
                       struct err *e)
{
    (void)arg;
    return c->gone ? 0 : ack_check(c->after, clock_wall_ms(), ret_column, e);
}

static int check_notice(void *arg, const struct set_check_context *c, unsigned *ret_column,
                        struct err *e)
{
    int64_t before = c->before ? row_int(c->before, NOTICE_ACTION) : ACTION_IDLE;
    int64_t action = row_int(c->after, NOTICE_ACTION);
    struct row target;
    struct key k;
    bool lives;

    (void)arg;
    *ret_column = NOTICE_ACTION;
    if (c->gone || action == before)
        return 0;
    if (before != ACTION_IDLE)
        return err_set(e, ERR_INCONSISTENT_VALUE, "%s is still to be done",
                       before == ACTION_CANCEL ? "cancel" : "resend");
    k = notice_target_key(c->after);
    lives = !set_look_row(c->look, sa_table_by_id(SA_TARGET), &k, &target);
    return notice_may((enum sa_notice_action)action, c->after, lives ? &target : NULL, e);
}

static int check_raise(void *arg, const struct set_check_context *c, unsigned *ret_column,
                       struct err *e)
{
    (void)arg;
    return raise_check(c, ret_column, e);
}

int checks_register(struct store *s, const struct checks *c)
{
    static const struct {
        unsigned table;
        set_check_fn fn;
    } list[] = {
        {SA_DEFINITION, check_definition},
        {SA_SCRIPT, check_script},
        {SA_SCRIPT_TEXT, check_segment},
        {SA_GROUP_DEFINITION, check_group_definition},
        {SA_GROUP_TARGET, check_group_target},
        {SA_TARGET, check_target},
        {SA_TARGET_PROPERTY, check_property},
        {SA_GROUP, check_group},
        {SA_ALERT, check_alert},
        {SA_NOTICE, check_notice},
        {SA_RAISE, check_raise},
        {SA_HANDLER_PROPERTY, check_handler_property},
        {SA_TEST_OPTION, check_test_option},
        {SA_TRIAL, check_trial},
    };
    int err = 0;

    for (size_t i = 0; i < sizeof list / sizeof *list && !err; i++)
        err = set_register_check(s, list[i].table, list[i].fn, (void *)(uintptr_t)c);
    return err ? err
               : view_register(s, SA_SCRIPT, SCRIPT_ERROR, script_error, (void *)(uintptr_t)c);
}
