/* The sessions' descriptors and timers on the event loop. The list is rebuilt every turn, since
 * net-snmp closes and opens sockets as it likes; descriptors above 1023 are fine. */
#ifndef SNMP_SOURCE_H
#define SNMP_SOURCE_H

#include "base/loop.h"

struct session_set;

/* A set joins the loop when made. NULL when out of memory. */
struct session_set *session_set_new(struct loop *l);
/* Closes every session that is still in it. NULL is fine. Not from inside a session's callback. */
void session_set_free(struct session_set *set);
unsigned session_set_count(const struct session_set *set);

#endif
