#include "agent/registration.h"

#include <string.h>

#include <net-snmp/agent/agent_callbacks.h>

/* net-snmp wants NULL for the default context in some calls. */
static const char *context_of(const struct registration_place *p)
{
    return *p->context ? p->context : NULL;
}

/* Its names are copies of its own. */
netsnmp_handler_registration *registration_new(const struct registration_place *p, const char *name,
                                               Netsnmp_Node_Handler *handler, int modes)
{
    netsnmp_handler_registration *reg =
        netsnmp_create_handler_registration(name, handler, p->name, p->len, modes);

    if (reg && *p->context && !(reg->contextName = strdup(p->context))) {
        netsnmp_handler_registration_free(reg);
        reg = NULL;
    }
    if (!reg)
        return NULL;
    reg->priority = p->priority;
    reg->handler->myvoid = p->myvoid;
    return reg;
}

/* Helpers of net-snmp (bulk_to_next) may stand in front of our handler. */
static bool is_handled_by(const netsnmp_subtree *s, const void *myvoid)
{
    const netsnmp_mib_handler *h = s->reginfo ? s->reginfo->handler : NULL;

    while (h && h->myvoid != myvoid)
        h = h->next;
    return h;
}

bool registration_known(const struct registration_place *p)
{
    const netsnmp_subtree *s = netsnmp_subtree_find(p->name, p->len, NULL, p->context);

    while (s && !is_handled_by(s, p->myvoid))
        s = s->children;
    return s;
}

void registration_ask_again(const struct registration_place *p)
{
    oid name[MAX_OID_LEN];
    struct register_parameters r = {
        .name = name,
        .namelen = p->len,
        .priority = p->priority,
        .contextName = context_of(p),
    };

    memcpy(name, p->name, p->len * sizeof(*name));
    snmp_call_callbacks(SNMP_CALLBACK_APPLICATION, SNMPD_CALLBACK_REGISTER_OID, &r);
}

/* netsnmp_unregister_handler() would hand on the registration's own names, which net-snmp 5.9.3
 * reads after it has freed them with the registration. */
void registration_take_back(const struct registration_place *p)
{
    oid name[MAX_OID_LEN];

    if (!registration_known(p))
        return;
    memcpy(name, p->name, p->len * sizeof(*name));
    unregister_mib_context(name, p->len, p->priority, 0, 0, context_of(p));
}
