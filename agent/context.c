/* Invariant: the list is in the order of keys, and begins with the default context, if that is in
 * it, whose key is empty; so it and saOwnerTable are walked side by side. */
#include "agent/context.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/registration.h"
#include "base/log.h"

struct agent_contexts {
    struct agent_contexts_options options;
    struct agent_context *first;
    struct agent_context **at; /* where the next step goes on: what is before it is settled */
    uint64_t commits;          /* of the store, when the owners were last looked at */
    bool looked;
};

const struct key *agent_context_owner(const struct agent_context *x)
{
    return x->owner[0] ? &x->key : NULL;
}

/* ---- the list ------------------------------------------------------------------------------- */

static struct agent_context *context_new(const struct agent_contexts *c, struct slice key)
{
    struct agent_context *x = calloc(1, sizeof(*x));
    size_t pos = 0;

    if (!x)
        return NULL;
    x->arg = c->options.arg;
    x->wanted = true;
    if (key.len) {
        x->key = key_copy(key);
        key_read_name(&key, &pos, x->owner);
    }
    return x;
}

/* Of an owner that is: AT is where the search goes on, in the list behind the owner before. */
static struct agent_context **want(struct agent_contexts *c, struct agent_context **at,
                                   struct slice key)
{
    struct agent_context *x;

    while (*at && slice_compare(key_slice(&(*at)->key), key) < 0)
        at = &(*at)->next;
    if (*at && !slice_compare(key_slice(&(*at)->key), key)) {
        (*at)->wanted = true;
        return at;
    }
    x = context_new(c, key);
    if (x) {
        x->next = *at;
        *at = x;
    }
    return at;
}

void agent_contexts_store(struct agent_contexts *c, struct store *s)
{
    c->options.store = s;
    c->looked = false;
}

static void look(struct agent_contexts *c)
{
    struct txn *t;
    struct agent_context **at = &c->first;
    struct cursor rows;
    struct row r;
    uint64_t commits = c->options.store ? store_commits(c->options.store) : c->commits;

    if (!c->options.store || (c->looked && commits == c->commits))
        return;
    t = txn_begin(c->options.store, TXN_READ);
    for (struct agent_context *x = c->first; x; x = x->next)
        x->wanted = !x->owner[0];
    for (cursor_first(&rows, t, sa_table_by_id(SA_OWNER), NULL); cursor_row(&rows, &r);
         cursor_next(&rows))
        at = want(c, at, r.key);
    cursor_close(&rows);
    c->looked = !txn_error(t);
    if (!c->looked) /* not knowing is no reason to take anything away */
        for (struct agent_context *x = c->first; x; x = x->next)
            x->wanted = true;
    c->commits = commits;
    c->at = &c->first;
    txn_abort(t);
}

/* ---- with net-snmp -------------------------------------------------------------------------- */

static struct registration_place place_of(const struct agent_contexts *c, struct agent_context *x)
{
    return (struct registration_place){
        .name = c->options.root,
        .len = c->options.root_len,
        .priority = c->options.priority,
        .context = x->owner,
        .myvoid = x,
    };
}

static int add(const struct agent_contexts *c, struct agent_context *x, struct err *e)
{
    struct registration_place p = place_of(c, x);
    netsnmp_handler_registration *reg =
        registration_new(&p, c->options.name, c->options.handler, c->options.modes);

    if (!reg)
        return err_set(e, ERR_NOMEM, "cannot register an OID");
    if (netsnmp_register_handler(reg) != MIB_REGISTERED_OK)
        return err_set(e, ERR_EXISTS, "%s is registered already", c->options.name);
    x->registration = reg;
    return 0;
}

/* Is it registered, and does net-snmp have it still? */
static bool is_known(const struct agent_contexts *c, struct agent_context *x)
{
    struct registration_place p = place_of(c, x);

    return x->registration && registration_known(&p);
}

static void ask_again(const struct agent_contexts *c, struct agent_context *x)
{
    struct registration_place p = place_of(c, x);

    x->renew = false;
    registration_ask_again(&p);
}

static void take_back(const struct agent_contexts *c, struct agent_context *x)
{
    struct registration_place p = place_of(c, x);

    if (x->registration)
        registration_take_back(&p);
    x->registration = NULL;
    x->renew = false;
}

/* True: it was the one step. */
static bool settle(struct agent_contexts *c, struct agent_context **at)
{
    struct agent_context *x = *at;
    struct err e;

    if (x->registration && !is_known(c, x))
        x->registration = NULL;
    if (x->registration && !x->wanted) {
        take_back(c, x);
        return true;
    }
    if (x->registration && x->renew) {
        ask_again(c, x);
        return true;
    }
    if (!x->wanted) {
        *at = x->next;
        free(x);
        return true;
    }
    if (x->registration || x->failed)
        return false;
    x->failed = add(c, x, &e) != 0;
    if (x->failed)
        log_error("agentx", "context '%s': %s", x->owner, e.text);
    return true;
}

bool agent_contexts_step(struct agent_contexts *c)
{
    look(c);
    for (; *c->at; c->at = &(*c->at)->next)
        if (settle(c, c->at))
            return true;
    c->at = &c->first;
    return false;
}

void agent_contexts_renew(struct agent_contexts *c)
{
    for (struct agent_context *x = c->first; x; x = x->next) {
        x->renew = true;
        x->failed = false;
    }
    c->at = &c->first;
}

int agent_contexts_open(struct agent_contexts *c, struct err *e)
{
    return is_known(c, c->first) ? 0 : add(c, c->first, e);
}

bool agent_contexts_known(const struct agent_contexts *c)
{
    return is_known(c, c->first);
}

void agent_contexts_forget(struct agent_contexts *c)
{
    for (struct agent_context *x = c->first; x; x = x->next)
        x->registration = NULL;
}

void agent_contexts_close(struct agent_contexts *c)
{
    for (struct agent_context *x = c->first; x; x = x->next)
        take_back(c, x);
    c->at = &c->first;
}

/* ---- life ----------------------------------------------------------------------------------- */

int agent_contexts_new(struct agent_contexts **ret, const struct agent_contexts_options *o,
                       struct err *e)
{
    struct agent_contexts *c = calloc(1, sizeof(*c));

    if (c)
        c->options = *o;
    if (!c || (!o->owners_only && !(c->first = context_new(c, (struct slice){NULL, 0})))) {
        free(c);
        return err_set(e, ERR_NOMEM, "cannot set up the contexts");
    }
    c->at = &c->first;
    *ret = c;
    return 0;
}

void agent_contexts_free(struct agent_contexts *c)
{
    if (!c)
        return;
    agent_contexts_close(c);
    for (struct agent_context *x = c->first, *next; x; x = next) {
        next = x->next;
        free(x);
    }
    free(c);
}
