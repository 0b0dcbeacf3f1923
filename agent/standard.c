/* Invariants: a read transaction lives within one call of the handler. A SET's `struct set` lives
 * from RESERVE1 until its last phase, or until the session died; net-snmp calls the handler for
 * each registration that a PDU touches, and all of these calls share it. */
#include "agent/standard.h"

#include <stdlib.h>
#include <string.h>

#include <net-snmp/net-snmp-config.h>
#include <net-snmp/net-snmp-includes.h>
#include <net-snmp/agent/net-snmp-agent-includes.h>

#include "agent/context.h"
#include "agent/pending.h"
#include "agent/reason.h"
#include "agent/registration.h"
#include "alerts/standard.h"
#include "base/clock.h"
#include "base/log.h"
#include "store/set.h"

static const char pending_name[] = "snmpalert_standard_set";

enum { SUBTREES_MAX = 16 };

struct subtree {
    struct agent_standard *of;
    const struct std_subtree *what;
    const char *owner; /* NULL: everything, in the default context; else that owner's, in its own */
    netsnmp_handler_registration *registration; /* NULL: not registered */
    bool refused, said;
};

/* A module in the contexts of the owners. */
struct contexts_module {
    struct agent_standard *of;
    const struct std_subtree *what;
    oid root[MAX_OID_LEN];
    struct agent_contexts *contexts; /* NULL: it is switched off */
    bool refused, said;
};

struct agent_standard {
    struct agent_standard_options options;
    struct subtree subtrees[SUBTREES_MAX];
    struct contexts_module modules[STD_MODULES];
    unsigned at; /* of them: where the next step goes on */
    struct pending *pending;
};

/* ---- names and values ----------------------------------------------------------------------- */

/* What is below mib-2, where all registrations are. */
static size_t below_mib2(const netsnmp_variable_list *vb, uint32_t *ret)
{
    size_t n = 0;

    for (size_t i = std_nmib2; i < vb->name_length; i++)
        ret[n++] = (uint32_t)vb->name[i];
    return n;
}

static size_t full_name(const uint32_t *subids, size_t n, oid ret[MAX_OID_LEN])
{
    size_t len = 0;

    for (size_t i = 0; i < std_nmib2; i++)
        ret[len++] = std_mib2[i];
    for (size_t i = 0; i < n && len < MAX_OID_LEN; i++)
        ret[len++] = subids[i];
    return len;
}

static const u_char asn_of[] = {
    [STD_COUNTER32] = ASN_COUNTER, [STD_UNSIGNED32] = ASN_GAUGE, [STD_TICKS] = ASN_TIMETICKS,
    [STD_INTEGER32] = ASN_INTEGER, [STD_IPADDRESS] = ASN_NULL,   [STD_OCTETS] = ASN_OCTET_STR,
    [STD_OID] = ASN_OBJECT_ID,     [STD_COUNTER64] = ASN_NULL, /* no variable has these three */
    [STD_OPAQUE] = ASN_NULL,
};

static int put_cell(netsnmp_variable_list *vb, const struct standard_cell *c)
{
    u_char asn = asn_of[c->object->syntax];
    oid value[MAX_OID_LEN];
    long number;

    switch (asn) {
    case ASN_NULL:
        return -1;
    case ASN_OCTET_STR:
        return snmp_set_var_typed_value(vb, asn, c->bytes.len ? c->bytes.data : (const u_char *)"",
                                        c->bytes.len);
    case ASN_OBJECT_ID:
        for (size_t i = 0; i < c->noid; i++)
            value[i] = c->oid[i];
        return snmp_set_var_typed_value(vb, asn, value, c->noid * sizeof(oid));
    case ASN_INTEGER:
        number = (long)c->number;
        return snmp_set_var_typed_value(vb, asn, &number, sizeof(number));
    default:
        number = (long)(c->number & 0xffffffff);
        return snmp_set_var_typed_value(vb, asn, &number, sizeof(number));
    }
}

/* ---- reading -------------------------------------------------------------------------------- */

static void get_one(struct txn *x, const struct standard_scope *scope,
                    netsnmp_agent_request_info *info, netsnmp_request_info *r)
{
    uint32_t subids[MAX_OID_LEN];
    size_t n = below_mib2(r->requestvb, subids);
    struct standard_cell c;
    int err = standard_get(x, scope, subids, n, &c);

    if (err == ERR_UNSUPPORTED)
        netsnmp_set_request_error(info, r, SNMP_NOSUCHOBJECT);
    else if (err == ERR_NOTFOUND)
        netsnmp_set_request_error(info, r, SNMP_NOSUCHINSTANCE);
    else if (err || put_cell(r->requestvb, &c))
        netsnmp_set_request_error(info, r, SNMP_ERR_GENERR);
}

/* What was asked is in front of the registration, or in it; where net-snmp goes on from another
 * one, it is the registration itself, inclusive: that may be an instance. At the end the varbind
 * stays as it is, which tells net-snmp to look on behind. */
static void next_one(const struct subtree *tree, struct txn *x, const struct standard_scope *scope,
                     netsnmp_agent_request_info *info, netsnmp_request_info *r)
{
    const netsnmp_handler_registration *reg = tree->registration;
    netsnmp_variable_list *vb = r->requestvb;
    uint32_t from[MAX_OID_LEN], to[MAX_OID_LEN];
    oid name[MAX_OID_LEN];
    struct standard_cell c;
    size_t n = 0, nto = 0;
    int side = snmp_oid_compare(vb->name, vb->name_length, reg->rootoid, reg->rootoid_len), err;

    if (side > 0 || (!side && !r->inclusive)) {
        n = below_mib2(vb, from);
    } else {
        for (; n < tree->what->noid; n++)
            from[n] = tree->what->oid[n];
        if (n && from[n - 1] == 0) /* an instance: from its object on */
            n--;
    }
    err = standard_next(x, scope, from, n, to, &nto, &c);
    if (err == ERR_NOTFOUND)
        return;
    n = full_name(to, nto, name);
    if (!err && snmp_oid_ncompare(name, n, reg->rootoid, reg->rootoid_len, reg->rootoid_len))
        return;
    if (err || snmp_set_var_objid(vb, name, n) || put_cell(vb, &c))
        netsnmp_set_request_error(info, r, SNMP_ERR_GENERR);
}

static void on_read(struct subtree *tree, netsnmp_agent_request_info *info,
                    netsnmp_request_info *requests)
{
    struct txn *x = txn_begin(tree->of->options.store, TXN_READ);
    const struct standard_scope scope = {
        .owner = tree->owner,
        .uptime = (uint32_t)netsnmp_get_agent_uptime(),
        .now_ms = clock_wall_ms(),
    };

    for (netsnmp_request_info *r = requests; r; r = r->next) {
        if (r->processed)
            continue;
        if (info->mode == MODE_GET)
            get_one(x, &scope, info, r);
        else
            next_one(tree, x, &scope, info, r);
    }
    txn_abort(x);
}

/* ---- a SET between its phases --------------------------------------------------------------- */

/* All registrations that a PDU touches share one. */
static struct pending *begin_set(struct agent_standard *s, netsnmp_agent_request_info *info)
{
    struct pending *p = pending_of(info, pending_name);

    return p ? p : pending_new(&s->pending, s->options.store, pending_name, info);
}

void agent_standard_session_lost(struct agent_standard *s)
{
    pending_end_all(&s->pending);
    for (size_t i = 0; i < std_nsubtrees; i++) /* the next master may take them */
        s->subtrees[i].refused = s->subtrees[i].said = false;
    for (size_t i = 0; i < STD_MODULES; i++)
        s->modules[i].refused = s->modules[i].said = false;
}

/* ---- the phases ----------------------------------------------------------------------------- */

/* The object that R's name is below; *RET_SCALAR: it is followed by .0. NULL: there is none. */
static const struct std_object *object_of(const netsnmp_request_info *r, bool *ret_scalar)
{
    uint32_t subids[MAX_OID_LEN];
    size_t n = below_mib2(r->requestvb, subids);

    for (size_t i = 0; i < std_nobjects; i++) {
        const struct std_object *o = &std_objects[i];
        size_t same = 0;

        while (same < o->noid && same < n && o->oid[same] == subids[same])
            same++;
        *ret_scalar = n == same + 1u && subids[same] == 0;
        if (same == o->noid)
            return o;
    }
    return NULL;
}

static int may_set(const struct subtree *tree, const netsnmp_request_info *r,
                   const struct std_object **ret, struct err *e)
{
    bool scalar = false;
    const struct std_object *o = object_of(r, &scalar);

    if (!o)
        return err_set(e, ERR_NOT_WRITABLE, "there is no such object");
    if (!o->writable)
        return err_set(e, ERR_NOT_WRITABLE, "%s is read-only", o->name);
    if (tree->owner)
        return err_set(e, ERR_NOT_WRITABLE, "%s is everyone's: not in the context of an owner",
                       o->name);
    if (!scalar)
        return err_set(e, ERR_NOT_WRITABLE, "%s has the instance 0 only", o->name);
    if (r->requestvb->type != ASN_UNSIGNED)
        return err_set(e, ERR_WRONG_TYPE, "%s takes an Unsigned32", o->name);
    *ret = o;
    return 0;
}

static int stage_one(const struct subtree *tree, struct set *set, netsnmp_request_info *r,
                     struct err *e)
{
    struct set_value v = {.type = SET_UNSIGNED32};
    const struct std_object *o = NULL;
    int err = may_set(tree, r, &o, e);

    if (err)
        return err;
    v.number = (int64_t)((u_long)*r->requestvb->val.integer & 0xffffffffu);
    if (o->source == STD_LIMIT_MINUTES && v.number > UINT32_MAX / 60)
        return err_set(e, ERR_WRONG_VALUE, "%s is at most %d minutes", o->name,
                       (int)(UINT32_MAX / 60));
    if (o->source == STD_LIMIT_MINUTES)
        v.number *= 60;
    return set_add(set, r->index, (const uint32_t[]){SA_SYSTEM, o->writable, 0}, 3, &v, e);
}

/* E->code is set. What has no owner is admin's, but what was done in an owner's context. */
static void refuse(const struct subtree *tree, netsnmp_agent_request_info *info,
                   netsnmp_request_info *r, int snmp_error, const struct err *e)
{
    netsnmp_set_request_error(info, r, snmp_error);
    reason_keep(tree->of->options.store, tree->owner ? tree->owner : REASON_OWNER_OF_ALL, e);
}

static void on_reserve1(struct subtree *tree, netsnmp_agent_request_info *info,
                        netsnmp_request_info *requests)
{
    struct pending *p = begin_set(tree->of, info);
    struct err e = {.code = ERR_OK};

    for (netsnmp_request_info *r = requests; r; r = r->next) {
        e.code = p ? stage_one(tree, p->set, r, &e)
                   : err_set(&e, ERR_NOMEM, "there is no memory for a SET");
        if (e.code) {
            refuse(tree, info, r, pending_snmp_error(e.code), &e);
            return;
        }
    }
}

static void on_reserve2(struct subtree *tree, netsnmp_agent_request_info *info,
                        netsnmp_request_info *requests)
{
    struct pending *p = pending_of(info, pending_name);
    struct err e = {.code = ERR_OK};
    int tag;

    if (p && p->checked)
        return;
    e.code = p ? set_check(p->set, &tag, &e) : err_set(&e, ERR_NOMEM, "the SET is lost");
    if (e.code)
        refuse(tree, info, requests, pending_snmp_error(e.code), &e);
    else
        p->checked = true;
}

static void on_action(struct subtree *tree, netsnmp_agent_request_info *info,
                      netsnmp_request_info *requests)
{
    struct pending *p = pending_of(info, pending_name);
    struct err e = {.code = ERR_OK};
    int tag;

    if (p && p->committed)
        return;
    e.code = p ? set_commit(p->set, &tag, &e) : err_set(&e, ERR_NOMEM, "the SET is lost");
    if (e.code)
        refuse(tree, info, requests, SNMP_ERR_COMMITFAILED, &e);
    else
        p->committed = true;
}

static void changed(struct agent_standard *s)
{
    if (s->options.on_set)
        s->options.on_set(s->options.arg);
}

static void on_undo(struct subtree *tree, netsnmp_agent_request_info *info,
                    netsnmp_request_info *requests)
{
    if (pending_undo(info, pending_name, requests, "agentx", "a SET of a limit"))
        changed(tree->of);
}

static void on_cleanup(struct subtree *tree, netsnmp_agent_request_info *info,
                       netsnmp_request_info *requests)
{
    (void)requests;
    if (pending_finish(info, pending_name))
        changed(tree->of);
}

/* ---- the handler ---------------------------------------------------------------------------- */

static const struct {
    int mode;
    void (*run)(struct subtree *tree, netsnmp_agent_request_info *info,
                netsnmp_request_info *requests);
} phases[] = {
    {MODE_GETNEXT, on_read},          {MODE_GET, on_read},
    {MODE_SET_RESERVE1, on_reserve1}, {MODE_SET_RESERVE2, on_reserve2},
    {MODE_SET_ACTION, on_action},     {MODE_SET_UNDO, on_undo},
    {MODE_SET_COMMIT, on_cleanup},    {MODE_SET_FREE, on_cleanup},
};

/* Nothing can be SET in the context of an owner: it ends in the first phase. */
static int handle_in_context(netsnmp_mib_handler *handler,
                             netsnmp_handler_registration *registration,
                             netsnmp_agent_request_info *info, netsnmp_request_info *requests)
{
    const struct agent_context *at = handler->myvoid;
    const struct contexts_module *m = at->arg;
    struct subtree tree = {
        .of = m->of, .what = m->what, .owner = at->owner, .registration = registration};
    const struct std_object *o;
    struct err e;

    if (info->mode == MODE_GET || info->mode == MODE_GETNEXT) {
        on_read(&tree, info, requests);
    } else if (info->mode == MODE_SET_RESERVE1) {
        e.code = may_set(&tree, requests, &o, &e);
        refuse(&tree, info, requests, SNMP_ERR_NOTWRITABLE, &e);
    }
    return SNMP_ERR_NOERROR;
}

static int handle(netsnmp_mib_handler *handler, netsnmp_handler_registration *registration,
                  netsnmp_agent_request_info *info, netsnmp_request_info *requests)
{
    (void)registration;
    for (size_t i = 0; i < sizeof(phases) / sizeof(*phases); i++) {
        if (phases[i].mode != info->mode)
            continue;
        phases[i].run(handler->myvoid, info, requests);
        return SNMP_ERR_NOERROR;
    }
    return SNMP_ERR_GENERR;
}

/* ---- registrations -------------------------------------------------------------------------- */

static struct registration_place place_of(struct subtree *tree, oid name[MAX_OID_LEN])
{
    const struct std_subtree *what = tree->what;
    uint32_t subids[STD_OID_MAX];

    for (size_t i = 0; i < what->noid; i++)
        subids[i] = what->oid[i];
    return (struct registration_place){
        .name = name,
        .len = full_name(subids, what->noid, name),
        .priority = what->priority,
        .context = "",
        .myvoid = tree,
    };
}

static int register_one(struct subtree *tree)
{
    const struct std_subtree *what = tree->what;
    oid name[MAX_OID_LEN];
    struct registration_place p = place_of(tree, name);
    netsnmp_handler_registration *reg;

    if (tree->registration || tree->of->options.off[what->module])
        return 0;
    reg = registration_new(&p, std_module_names[what->module], handle, HANDLER_CAN_RWRITE);
    if (!reg)
        return ERR_NOMEM;
    tree->registration = reg; /* the master may refuse it from within the call */
    if (netsnmp_register_handler(reg) != MIB_REGISTERED_OK) { /* it has freed reg */
        tree->registration = NULL;
        return ERR_EXISTS;
    }
    return 0;
}

/* To unregister what the master has not taken from us would take it from who serves. */
static void unregister_one(struct subtree *tree)
{
    oid name[MAX_OID_LEN];
    struct registration_place p = place_of(tree, name);

    if (tree->registration && !tree->refused)
        registration_take_back(&p);
    tree->registration = NULL;
}

static bool ask_again(struct subtree *tree)
{
    oid name[MAX_OID_LEN];
    struct registration_place p = place_of(tree, name);

    if (!tree->registration)
        return !register_one(tree);
    registration_ask_again(&p);
    return true;
}

/* "1.3.6.1.2.1.92.1.3.1" */
static const char *oid_text(const struct std_subtree *what, char dst[64])
{
    size_t n = (size_t)snprintf(dst, 64, "1.3.6.1.2.1");

    for (size_t i = 0; i < what->noid; i++)
        n += (size_t)snprintf(dst + n, 64 - n, ".%u", what->oid[i]);
    return dst;
}

/* CONTEXT "": the default one. *SAID: of WHAT it was. */
static void say_refused(const struct std_subtree *what, const char *context, bool *said)
{
    char oid[64];

    if (!*said)
        log_error("agentx",
                  "the master agent does not take %s of %s%s%s: another one serves it at our "
                  "priority (%u); end that, or switch the module off in <agentx>",
                  oid_text(what, oid), std_module_names[what->module],
                  *context ? " in context " : "", context, what->priority);
    *said = true;
}

int agent_standard_register(struct agent_standard *s, struct err *e)
{
    for (size_t i = 0; i < std_nsubtrees; i++) {
        struct subtree *tree = &s->subtrees[i];
        char oid[64];
        int err = register_one(tree);

        if (err == ERR_EXISTS) { /* inside snmpd, another module's */
            tree->refused = true;
            say_refused(tree->what, "", &tree->said);
        } else if (err) {
            return err_set(e, err, "%s: %s cannot be registered",
                           std_module_names[tree->what->module], oid_text(tree->what, oid));
        }
    }
    return 0;
}

void agent_standard_unregister(struct agent_standard *s)
{
    for (size_t i = 0; i < std_nsubtrees; i++)
        unregister_one(&s->subtrees[i]);
}

static bool is_named(const struct std_subtree *what, const uint32_t *oid, size_t n)
{
    if (n != std_nmib2 + what->noid)
        return false;
    for (size_t i = 0; i < n; i++)
        if (oid[i] != (i < std_nmib2 ? std_mib2[i] : what->oid[i - std_nmib2]))
            return false;
    return true;
}

static bool refused_in_context(struct agent_standard *s, const char *context, const uint32_t *oid,
                               size_t n)
{
    for (size_t i = 0; i < STD_MODULES; i++) {
        struct contexts_module *m = &s->modules[i];

        if (!m->contexts || !is_named(m->what, oid, n))
            continue;
        m->refused = true;
        say_refused(m->what, context, &m->said);
        return true;
    }
    return false;
}

bool agent_standard_refused(struct agent_standard *s, const char *context, const uint32_t *oid,
                            size_t n)
{
    if (*context)
        return refused_in_context(s, context, oid, n);
    for (size_t i = 0; i < std_nsubtrees; i++) {
        struct subtree *tree = &s->subtrees[i];

        if (!tree->registration || !is_named(tree->what, oid, n))
            continue;
        tree->refused = true;
        say_refused(tree->what, "", &tree->said);
        return true;
    }
    return false;
}

static bool again_in_contexts(struct agent_standard *s)
{
    bool any = false;

    for (size_t i = 0; i < STD_MODULES; i++) {
        if (!s->modules[i].refused)
            continue;
        any = true;
        s->modules[i].refused = false;
        agent_contexts_renew(s->modules[i].contexts);
    }
    return any;
}

bool agent_standard_again(struct agent_standard *s)
{
    bool any = again_in_contexts(s);

    for (size_t i = 0; i < std_nsubtrees; i++) {
        struct subtree *tree = &s->subtrees[i];

        if (!tree->refused)
            continue;
        any = true;
        tree->refused = !ask_again(tree);
    }
    return any;
}

/* ---- contexts ------------------------------------------------------------------------------- */

static int open_module(struct agent_standard *s, enum std_module which, struct err *e)
{
    struct contexts_module *m = &s->modules[which];
    struct agent_contexts_options o = {
        .store = s->options.store,
        .handler = handle_in_context,
        .root = m->root,
        .priority = std_roots[which].priority,
        .modes = HANDLER_CAN_RWRITE,
        .owners_only = true,
        .name = std_module_names[which],
        .arg = m,
    };
    uint32_t subids[STD_OID_MAX];

    m->of = s;
    m->what = &std_roots[which];
    for (size_t i = 0; i < m->what->noid; i++)
        subids[i] = m->what->oid[i];
    o.root_len = full_name(subids, m->what->noid, m->root);
    return s->options.off[which] ? 0 : agent_contexts_new(&m->contexts, &o, e);
}

/* A module that is settled is looked at again when the others are: a look costs as much as there
 * are owners. */
bool agent_standard_follow(struct agent_standard *s)
{
    for (; s->at < STD_MODULES && !s->pending; s->at++) {
        struct contexts_module *m = &s->modules[s->at];

        if (m->contexts && agent_contexts_step(m->contexts))
            return true;
    }
    s->at = s->at < STD_MODULES ? s->at : 0;
    return false;
}

void agent_standard_forget(struct agent_standard *s)
{
    for (size_t i = 0; i < STD_MODULES; i++)
        if (s->modules[i].contexts)
            agent_contexts_forget(s->modules[i].contexts);
}

/* ---- life ----------------------------------------------------------------------------------- */

int agent_standard_new(struct agent_standard **ret, const struct agent_standard_options *o,
                       struct err *e)
{
    struct agent_standard *s = calloc(1, sizeof(*s));
    int err = 0;

    _Static_assert(STD_OID_MAX >= 5, "the longest registration");
    if (!s || std_nsubtrees > SUBTREES_MAX) {
        free(s);
        return err_set(e, ERR_NOMEM, "cannot set up the standard modules");
    }
    s->options = *o;
    for (size_t i = 0; i < std_nsubtrees; i++)
        s->subtrees[i] = (struct subtree){.of = s, .what = &std_subtrees[i]};
    for (unsigned i = 0; i < STD_MODULES && !err; i++)
        err = open_module(s, i, e);
    if (err)
        agent_standard_free(s);
    else
        *ret = s;
    return err;
}

void agent_standard_free(struct agent_standard *s)
{
    if (!s)
        return;
    agent_standard_unregister(s);
    agent_standard_session_lost(s);
    for (size_t i = 0; i < STD_MODULES; i++)
        agent_contexts_free(s->modules[i].contexts);
    free(s);
}
