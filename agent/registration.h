/* What net-snmp's registry holds of ours. A master agent takes an Unregister from any of its
 * subagents, whoever has registered: what it refused must be asked for again by a Register alone,
 * and never be unregistered; and inside snmpd, what is ours may have been taken back, and freed. */
#ifndef AGENT_REGISTRATION_H
#define AGENT_REGISTRATION_H

#include <stdbool.h>
#include <stddef.h>

#include <net-snmp/net-snmp-config.h>
#include <net-snmp/net-snmp-includes.h>
#include <net-snmp/agent/net-snmp-agent-includes.h>

/* One that we make, and net-snmp has (or had). */
struct registration_place {
    const oid *name;
    size_t len;
    int priority;
    const char *context; /* "": the default one */
    void *myvoid;        /* of its handler: tells it from others */
};

/* For netsnmp_register_handler(), which frees it when it does not take it. NAME: of the handler;
 * MODES: HANDLER_CAN_... NULL: out of memory. */
netsnmp_handler_registration *registration_new(const struct registration_place *p, const char *name,
                                               Netsnmp_Node_Handler *handler, int modes);

/* Does net-snmp have it still? */
bool registration_known(const struct registration_place *p);
/* Asks the master once more for what it refused. */
void registration_ask_again(const struct registration_place *p);
/* Takes it back, if it is known. */
void registration_take_back(const struct registration_place *p);

#endif
