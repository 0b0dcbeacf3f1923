/* What the tests of the handlers share: a store in a private folder, and a net-snmp that neither
 * reads the machine's configuration nor writes to it. One at a time. */
#ifndef TESTS_UNIT_AGENT_FIXTURE_H
#define TESTS_UNIT_AGENT_FIXTURE_H

#include "store/store.h"

struct store *fixture_open(void);
void fixture_close(struct store *s); /* removes the folder */

#endif
