/* Invariants: a read transaction lives within one call of the handler, so that no wait for the
 * master keeps one open. A `struct pending` lives from RESERVE1 until net-snmp frees the request's
 * data; its `set` ends earlier (last phase, or session lost). */
#include "agent/table.h"

#include <stdlib.h>
#include <string.h>

#include <net-snmp/net-snmp-config.h>
#include <net-snmp/net-snmp-includes.h>
#include <net-snmp/agent/net-snmp-agent-includes.h>

#include "agent/context.h"
#include "agent/pending.h"
#include "agent/reason.h"
#include "base/log.h"
#include "store/set.h"
#include "store/view.h"

static const char pending_name[] = "snmpalert_set";

/* How soon agent_table_follow() wants to be called again. */
enum { FOLLOW_AT_ONCE_MS = 0, FOLLOW_BUSY_MS = 20, FOLLOW_IDLE_MS = 1000 };

struct agent_table {
    struct agent_table_options options;
    struct agent_contexts *contexts;
    struct pending *pending;
    oid base[MAX_OID_LEN]; /* ROOT.1, below which the view begins */
    size_t base_len;
};

/* ---- values --------------------------------------------------------------------------------- */

static const u_char asn_of[] = {
    [SA_INTEGER] = ASN_INTEGER,       [SA_ENUM] = ASN_INTEGER,
    [SA_TRUTH] = ASN_INTEGER,         [SA_ROW_STATUS] = ASN_INTEGER,
    [SA_STORAGE_TYPE] = ASN_INTEGER,  [SA_UNSIGNED] = ASN_GAUGE,
    [SA_GAUGE] = ASN_GAUGE,           [SA_COUNTER] = ASN_COUNTER,
    [SA_MILLIS] = ASN_COUNTER64,      [SA_GAUGE64] = ASN_COUNTER64,
    [SA_DATE] = ASN_OCTET_STR,        [SA_TEXT] = ASN_OCTET_STR,
    [SA_NAME] = ASN_OCTET_STR,        [SA_NAME_OR_EMPTY] = ASN_OCTET_STR,
    [SA_BITS] = ASN_OCTET_STR,        [SA_OCTETS] = ASN_OCTET_STR,
    [SA_TEST_AND_INCR] = ASN_INTEGER,
};

static int put_cell(netsnmp_variable_list *vb, const struct cell *c)
{
    u_char asn = asn_of[c->syntax];
    long number = (long)c->number;
    struct counter64 wide;

    switch (asn) {
    case ASN_OCTET_STR:
        return snmp_set_var_typed_value(vb, asn, c->bytes.len ? c->bytes.data : (const u_char *)"",
                                        c->bytes.len);
    case ASN_COUNTER64:
        wide.high = (u_long)((uint64_t)c->number >> 32);
        wide.low = (u_long)((uint64_t)c->number & 0xffffffffu);
        return snmp_set_var_typed_value(vb, asn, &wide, sizeof(wide));
    default:
        return snmp_set_var_typed_value(vb, asn, &number, sizeof(number));
    }
}

static struct set_value get_value(const netsnmp_variable_list *vb)
{
    struct set_value v = {.type = SET_OTHER};

    switch (vb->type) {
    case ASN_INTEGER:
        v.type = SET_INT32;
        v.number = *vb->val.integer;
        break;
    case ASN_GAUGE: /* Unsigned32 has the same tag */
        v.type = SET_UNSIGNED32;
        v.number = (int64_t)((u_long)*vb->val.integer & 0xffffffffu);
        break;
    case ASN_COUNTER64:
        v.type = SET_COUNTER64;
        v.number = (int64_t)((uint64_t)vb->val.counter64->high << 32 |
                             (vb->val.counter64->low & 0xffffffffu));
        break;
    case ASN_OCTET_STR:
        v.type = SET_OCTETS;
        v.bytes.data = vb->val.string;
        v.bytes.len = vb->val_len;
        break;
    default:
        break;
    }
    return v;
}

/* ---- names ---------------------------------------------------------------------------------- */

/* A varbind's name as the store sees it: what is below ROOT.1. */
struct suffix {
    int side; /* < 0: before ROOT.1, 0: below it, > 0: behind it */
    size_t n;
    uint32_t subids[MAX_OID_LEN];
};

static void suffix_of(const struct agent_table *t, const netsnmp_variable_list *vb,
                      struct suffix *ret)
{
    ret->n = 0;
    ret->side = snmp_oid_ncompare(vb->name, vb->name_length, t->base, t->base_len, t->base_len);
    if (ret->side)
        return;
    ret->n = vb->name_length - t->base_len;
    for (size_t i = 0; i < ret->n; i++)
        ret->subids[i] = (uint32_t)vb->name[t->base_len + i];
}

static int put_name(const struct agent_table *t, netsnmp_variable_list *vb, const struct suffix *s)
{
    oid name[MAX_OID_LEN];

    if (t->base_len + s->n > MAX_OID_LEN)
        return -1;
    memcpy(name, t->base, t->base_len * sizeof(oid));
    for (size_t i = 0; i < s->n; i++)
        name[t->base_len + i] = s->subids[i];
    return snmp_set_var_objid(vb, name, t->base_len + s->n);
}

/* ---- reading -------------------------------------------------------------------------------- */

static void get_one(const struct agent_context *at, struct txn *x, netsnmp_agent_request_info *info,
                    netsnmp_request_info *r)
{
    struct suffix s;
    struct cell c;
    int err;

    suffix_of(at->arg, r->requestvb, &s);
    err = s.side ? ERR_UNSUPPORTED : view_get_of(x, agent_context_owner(at), s.subids, s.n, &c);
    if (err == ERR_UNSUPPORTED)
        netsnmp_set_request_error(info, r, SNMP_NOSUCHOBJECT);
    else if (err == ERR_NOTFOUND)
        netsnmp_set_request_error(info, r, SNMP_NOSUCHINSTANCE);
    else if (err || put_cell(r->requestvb, &c))
        netsnmp_set_request_error(info, r, SNMP_ERR_GENERR);
}

static int put_or_fail(const struct agent_table *t, netsnmp_agent_request_info *info,
                       netsnmp_request_info *r, const struct suffix *name, const struct cell *c)
{
    int failed = put_name(t, r->requestvb, name) || put_cell(r->requestvb, c);

    if (failed)
        netsnmp_set_request_error(info, r, SNMP_ERR_GENERR);
    return failed;
}

/* True when an instance was filled in. At the end of the view the varbind stays as it is, which
 * tells net-snmp to look on behind our registration. An inclusive search (where another
 * registration ends within ours) may find the name itself. */
static bool next_one(const struct agent_context *at, struct txn *x,
                     netsnmp_agent_request_info *info, netsnmp_request_info *r)
{
    struct suffix from, to = {.side = 0};
    struct cell c;
    int err;

    suffix_of(at->arg, r->requestvb, &from);
    if (from.side > 0)
        return false;
    if (r->inclusive && !from.side &&
        !view_get_of(x, agent_context_owner(at), from.subids, from.n, &c))
        return !put_or_fail(at->arg, info, r, &from, &c);
    err = view_next_of(x, agent_context_owner(at), from.subids, from.n, to.subids, &to.n, &c);
    if (err == ERR_NOTFOUND)
        return false;
    if (err)
        netsnmp_set_request_error(info, r, SNMP_ERR_GENERR);
    return !err && !put_or_fail(at->arg, info, r, &to, &c);
}

static bool in_range(const netsnmp_request_info *r)
{
    return snmp_oid_compare(r->requestvb->name, r->requestvb->name_length, r->range_end,
                            r->range_end_len) < 0;
}

/* Is all that is ours to be seen by who asks? Then nobody need look at each instance. */
static bool sees_all(struct agent_table *t, netsnmp_agent_request_info *info)
{
    return netsnmp_acm_check_subtree(info->asp->pdu, t->base, t->base_len) == VACM_SUCCESS;
}

static bool is_seen(netsnmp_agent_request_info *info, netsnmp_variable_list *vb)
{
    return in_a_view(vb->name, &vb->name_length, info->asp->pdu, vb->type) == VACM_SUCCESS;
}

/* As next_one(), past what is not to be seen. net-snmp's own check (check_acm() of snmp_agent.c)
 * looks at as many varbinds as are left to be filled, and one: of those that are filled in one call
 * it sees the first. */
static bool next_seen(const struct agent_context *at, struct txn *x,
                      netsnmp_agent_request_info *info, netsnmp_request_info *r, bool all)
{
    bool found = next_one(at, x, info, r);

    while (found && !all && in_range(r) && !is_seen(info, r->requestvb)) {
        r->inclusive = 0;
        found = next_one(at, x, info, r);
    }
    return found;
}

/* Nothing (more) of ours: net-snmp goes on behind our registration with what is of type null; where
 * another one begins within ours, at its beginning. (It would do that itself, but not before it had
 * looked whether the instance that is out of range may be seen, and counted it if not.) */
static void leave_rest(netsnmp_request_info *r, bool found)
{
    if (r->status)
        return;
    snmp_set_var_typed_value(r->requestvb, ASN_NULL, NULL, 0);
    if (!found)
        return;
    snmp_set_var_objid(r->requestvb, r->range_end, r->range_end_len);
    r->inclusive = 2; /* as check_getnext_results() of snmp_agent.c has it */
}

/* The varbinds that repeat one are chained behind it; the one that is left in the request is where
 * net-snmp goes on. */
static void bulk_one(const struct agent_context *at, struct txn *x,
                     netsnmp_agent_request_info *info, netsnmp_request_info *r, bool all)
{
    bool found;

    while ((found = next_seen(at, x, info, r, all)) && in_range(r)) {
        netsnmp_variable_list *next = r->requestvb->next_variable;

        if (r->repeat <= 0 || !next)
            return;
        if (snmp_set_var_objid(next, r->requestvb->name, r->requestvb->name_length)) {
            netsnmp_set_request_error(info, r, SNMP_ERR_GENERR);
            return;
        }
        r->repeat--;
        r->requestvb = next;
        r->inclusive = 0;
    }
    leave_rest(r, found);
}

static void on_read(const struct agent_context *at, netsnmp_agent_request_info *info,
                    netsnmp_request_info *requests)
{
    struct agent_table *t = at->arg;
    struct txn *x = txn_begin(t->options.store, TXN_READ);
    bool all = info->mode != MODE_GETBULK || sees_all(t, info);

    for (netsnmp_request_info *r = requests; r; r = r->next) {
        if (r->processed)
            continue;
        if (info->mode == MODE_GET)
            get_one(at, x, info, r);
        else if (info->mode == MODE_GETNEXT)
            next_one(at, x, info, r);
        else
            bulk_one(at, x, info, r, all);
    }
    txn_abort(x);
}

/* ---- a SET between its phases --------------------------------------------------------------- */

static struct pending *begin_set(const struct agent_context *at, netsnmp_agent_request_info *info)
{
    struct agent_table *t = at->arg;
    struct pending *p = pending_new(&t->pending, t->options.store, pending_name, info);

    if (p && at->owner[0])
        set_only_of(p->set, at->owner);
    return p;
}

void agent_table_session_lost(struct agent_table *t)
{
    pending_end_all(&t->pending);
}

/* ---- refusing ------------------------------------------------------------------------------- */

/* The owner in a varbind's index; false when it has none (no such table, cut short). What has no
 * owner is everyone's, and so admin's. */
static bool owner_of(const struct suffix *s, char owner[33])
{
    const struct sa_table *table = s->n > 2 ? sa_table_by_id(s->subids[0]) : NULL;
    struct slice part;
    struct key k;
    size_t pos = 0;

    if (table && table->scalars) {
        snprintf(owner, 33, REASON_OWNER_OF_ALL);
        return true;
    }
    if (!table || s->n <= 3 || table->index[0].syntax != SA_NAME)
        return false;
    key_init(&k);
    if (!key_from_subids(&k, s->subids + 3, s->n - 3))
        return false;
    part = key_slice(&k);
    return key_read_name(&part, &pos, owner);
}

/* E->code is set. The owner is the context's; in the default context that of the row to blame, else
 * of the first row of the PDU. */
static void refuse(const struct agent_context *at, netsnmp_agent_request_info *info,
                   netsnmp_request_info *r, int snmp_error, const struct err *e)
{
    struct agent_table *t = at->arg;
    struct pending *p = pending_of(info, pending_name);
    struct suffix s;
    char named[33];
    const char *owner = at->owner;

    netsnmp_set_request_error(info, r, snmp_error);
    suffix_of(t, r->requestvb, &s);
    if (!*owner)
        owner = !s.side && owner_of(&s, named) ? named : p ? set_owner(p->set) : "";
    if (*owner)
        reason_keep(t->options.store, owner, e);
    else
        log_debug(NULL, "SET refused: %s: %s", err_name(e->code), e->text);
}

/* The request whose varbind set_add() got as TAG; the first if it is none of them. */
static netsnmp_request_info *tagged(netsnmp_request_info *requests, int tag)
{
    for (netsnmp_request_info *r = requests; r; r = r->next)
        if (r->index == tag)
            return r;
    return requests;
}

/* ---- the phases ----------------------------------------------------------------------------- */

static void on_reserve1(const struct agent_context *at, netsnmp_agent_request_info *info,
                        netsnmp_request_info *requests)
{
    struct pending *p = begin_set(at, info);
    struct err e = {.code = ERR_OK};

    if (!p) {
        netsnmp_set_request_error(info, requests, SNMP_ERR_RESOURCEUNAVAILABLE);
        return;
    }
    for (netsnmp_request_info *r = requests; r; r = r->next) {
        struct set_value v = get_value(r->requestvb);
        struct suffix s;

        suffix_of(at->arg, r->requestvb, &s);
        e.code = s.side ? err_set(&e, ERR_NOT_WRITABLE, "there is no such object")
                        : set_add(p->set, r->index, s.subids, s.n, &v, &e);
        if (e.code) {
            refuse(at, info, r, pending_snmp_error(e.code), &e);
            return;
        }
    }
}

/* A set that is checked or committed again forgets what was before it: UNDO needs that. */
static void on_reserve2(const struct agent_context *at, netsnmp_agent_request_info *info,
                        netsnmp_request_info *requests)
{
    struct pending *p = pending_of(info, pending_name);
    struct err e = {.code = ERR_OK};
    int tag = -1;

    if (!p || p->committed) {
        netsnmp_set_request_error(info, requests, SNMP_ERR_GENERR);
        return;
    }
    e.code = set_check(p->set, &tag, &e);
    if (e.code)
        refuse(at, info, tagged(requests, tag), pending_snmp_error(e.code), &e);
}

/* RFC 2741 section 7.2.4.2: a CommitSet fails by commitFailed and nothing else. */
static void on_action(const struct agent_context *at, netsnmp_agent_request_info *info,
                      netsnmp_request_info *requests)
{
    struct pending *p = pending_of(info, pending_name);
    struct err e = {.code = ERR_OK};
    int tag = -1;

    if (!p || p->committed) {
        netsnmp_set_request_error(info, requests, SNMP_ERR_COMMITFAILED);
        return;
    }
    e.code = set_commit(p->set, &tag, &e);
    p->committed = !e.code;
    if (e.code)
        refuse(at, info, tagged(requests, tag), SNMP_ERR_COMMITFAILED, &e);
}

static void changed(struct agent_table *t)
{
    if (t->options.on_set)
        t->options.on_set(t->options.arg);
}

static void on_undo(const struct agent_context *at, netsnmp_agent_request_info *info,
                    netsnmp_request_info *requests)
{
    if (pending_undo(info, pending_name, requests, NULL, "a SET"))
        changed(at->arg);
}

static void on_cleanup(const struct agent_context *at, netsnmp_agent_request_info *info,
                       netsnmp_request_info *requests)
{
    (void)requests;
    if (pending_finish(info, pending_name))
        changed(at->arg);
}

/* ---- the handler ---------------------------------------------------------------------------- */

static const struct {
    int mode;
    void (*run)(const struct agent_context *at, netsnmp_agent_request_info *info,
                netsnmp_request_info *requests);
} phases[] = {
    {MODE_GETNEXT, on_read},          {MODE_GET, on_read},
    {MODE_GETBULK, on_read},          {MODE_SET_RESERVE1, on_reserve1},
    {MODE_SET_RESERVE2, on_reserve2}, {MODE_SET_ACTION, on_action},
    {MODE_SET_UNDO, on_undo},         {MODE_SET_COMMIT, on_cleanup},
    {MODE_SET_FREE, on_cleanup},
};

static int handle(netsnmp_mib_handler *handler, netsnmp_handler_registration *registration,
                  netsnmp_agent_request_info *info, netsnmp_request_info *requests)
{
    const struct agent_context *at = handler->myvoid;
    const struct agent_table *t = at->arg;

    (void)registration;
    if (!t->options.store) {
        netsnmp_set_request_error(info, requests,
                                  info->mode == MODE_SET_ACTION ? SNMP_ERR_COMMITFAILED
                                                                : SNMP_ERR_GENERR);
        return SNMP_ERR_NOERROR;
    }
    for (size_t i = 0; i < sizeof(phases) / sizeof(*phases); i++) {
        if (phases[i].mode != info->mode)
            continue;
        phases[i].run(at, info, requests);
        return SNMP_ERR_NOERROR;
    }
    return SNMP_ERR_GENERR;
}

void agent_table_set_store(struct agent_table *t, struct store *s)
{
    agent_table_session_lost(t);
    t->options.store = s;
    agent_contexts_store(t->contexts, s);
}

int agent_table_register(struct agent_table *t, struct err *e)
{
    return agent_contexts_open(t->contexts, e);
}

bool agent_table_registered(const struct agent_table *t)
{
    return agent_contexts_known(t->contexts);
}

void agent_table_unregister(struct agent_table *t)
{
    agent_contexts_close(t->contexts);
}

void agent_table_register_anew(struct agent_table *t)
{
    agent_contexts_renew(t->contexts);
}

void agent_table_forget(struct agent_table *t)
{
    agent_contexts_forget(t->contexts);
}

/* net-snmp keeps pointers to the registration of a SET from one phase to the next. */
int agent_table_follow(struct agent_table *t)
{
    if (t->pending)
        return FOLLOW_BUSY_MS;
    return agent_contexts_step(t->contexts) ? FOLLOW_AT_ONCE_MS : FOLLOW_IDLE_MS;
}

int agent_table_new(struct agent_table **ret, const struct agent_table_options *o, struct err *e)
{
    struct agent_table *t = calloc(1, sizeof(*t));
    struct agent_contexts_options contexts = {
        .store = o->store,
        .handler = handle,
        .priority = DEFAULT_MIB_PRIORITY,
        .modes = HANDLER_CAN_RWRITE | HANDLER_CAN_GETBULK,
        .name = "snmpalert",
        .arg = t,
    };
    int err;

    if (!t)
        return err_set(e, ERR_NOMEM, "cannot set up the agent's table");
    t->options = *o;
    for (size_t i = 0; i < sa_root_len; i++)
        t->base[i] = sa_root[i];
    t->base[sa_root_len] = 1;
    t->base_len = sa_root_len + 1;
    contexts.root = t->base;
    contexts.root_len = sa_root_len;
    err = agent_contexts_new(&t->contexts, &contexts, e);
    if (err)
        free(t);
    else
        *ret = t;
    return err;
}

void agent_table_free(struct agent_table *t)
{
    if (!t)
        return;
    agent_contexts_free(t->contexts);
    agent_table_session_lost(t);
    free(t);
}
