/* What net-snmp's registry holds of ours. A master agent takes an Unregister from any of its
 * subagents, whoever has registered: what it refused must be asked for again by a Register alone,
 * and never be unregistered; and inside snmpd, what is ours may have been taken back, and freed. */
#ifndef AGENT_REGISTRATION_H
#define AGENT_REGISTRATION_H

#include <stdbool.h>
#include <stddef.h>

#include <net-snmp/net-snmp-config.h>
#include <net-snmp/net-snmp-includes.h>

/* One that we made, and net-snmp has (or had). */
struct registration_place {
    const oid *name;
    size_t len;
    int priority;
    const char *context; /* "": the default one */
    const void *myvoid;  /* of its handler: tells it from others */
};

/* Does net-snmp have it still? */
bool registration_known(const struct registration_place *p);
/* Asks the master once more for what it refused. */
void registration_ask_again(const struct registration_place *p);
/* Takes it back, if it is known. */
void registration_take_back(const struct registration_place *p);

#endif
