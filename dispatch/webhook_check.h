/* Could a job be sent by HTTP? Looks the name up, reads the secrets' files, connects to the server
 * (through the proxy, if there is one) and shakes hands with it (TLS). No request is sent, so what
 * the server thinks of the URL and of who asks only a test can show. */
#ifndef DISPATCH_WEBHOOK_CHECK_H
#define DISPATCH_WEBHOOK_CHECK_H

#include "dispatch/dispatch.h"
#include "http/client.h"
#include "snmp/resolve.h"

struct webhook_check;
struct webhook_checks { /* of one handler; SERVICE, RESOLVER and CLIENT outlive it */
    struct service *service;
    struct resolver *resolver;
    struct http_client *client;
    struct webhook_check *first;
};
/* Takes J over, and answers it by service_checked(). */
void webhook_check_start(struct webhook_checks *c, struct job *j);
/* Gives up what is under way; nothing of it is answered. */
void webhook_checks_release(struct webhook_checks *c);

#endif
