/* Could a job be sent by SNMP? A trap is not answered and an inform would be a message, so no more
 * is found out than where it would go: whether its names have addresses. */
#ifndef DISPATCH_SNMP_CHECK_H
#define DISPATCH_SNMP_CHECK_H

#include "dispatch/dispatch.h"
#include "snmp/resolve.h"

struct snmp_check;
struct snmp_checks { /* of one handler; SERVICE and RESOLVER outlive it */
    struct service *service;
    struct resolver *resolver;
    struct snmp_check *first;
};
/* Takes J over, and answers it by service_checked(). */
void snmp_check_start(struct snmp_checks *c, struct job *j);
/* Gives up what is under way; nothing of it is answered. */
void snmp_checks_release(struct snmp_checks *c);

#endif
