/* Could a job be sent by SNMP? Whether its names have addresses, and, where version 3's informs go,
 * whether the receiver knows the user and its passwords (session_prove()). A trap is not answered,
 * and what a community is good for only an inform would show, which is a message: a test sends it.
 */
#ifndef DISPATCH_SNMP_CHECK_H
#define DISPATCH_SNMP_CHECK_H

#include "dispatch/dispatch.h"
#include "snmp/resolve.h"

struct snmp_check;
struct snmp_checks { /* of one handler; SERVICE, RESOLVER and SESSIONS outlive it */
    struct service *service;
    struct resolver *resolver;
    struct session_set *sessions;
    struct snmp_check *first;
};
/* Takes J over, and answers it by service_checked(). */
void snmp_check_start(struct snmp_checks *c, struct job *j);
/* Gives up what is under way; nothing of it is answered. */
void snmp_checks_release(struct snmp_checks *c);

#endif
