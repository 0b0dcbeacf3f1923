/* Why a SET was refused, in words, where the manager who was refused can read it. */
#ifndef AGENT_REASON_H
#define AGENT_REASON_H

#include "store/store.h"

#define REASON_OWNER_OF_ALL "admin" /* of what has no owner */

/* In saOwnerLastError of OWNER, with the name of E->code in front; nothing where there is no such
 * owner. Best effort: the answer to the SET does not depend on it. */
void reason_keep(struct store *s, const char *owner, const struct err *e);

#endif
