/* Reads what one SNMP source names from one agent: single objects by GET, tables by GETBULK (v1:
 * GETNEXT), one request at a time. Nothing that an agent answers is trusted: names must be the ones
 * asked for, or rise; sizes and numbers have limits. */
#ifndef POLL_WALK_H
#define POLL_WALK_H

#include "poll/rows.h"
#include "snmp/session.h"

enum {
    WALK_LONGEST_MS = 300000, /* an agent that answers and answers is given up then */
    WALK_GETS_PER_PDU = 50,
    WALK_CELLS_PER_PDU = 1000,
};

struct walk_plan {
    enum snmp_version version;
    unsigned repetitions;
    struct walk_get {
        char name[COLUMN_NAME_MAX + 1];
        struct objid oid;
    } * gets;
    size_t ngets;
    struct walk_table {
        char name[COLUMN_NAME_MAX + 1];
        struct objid entry; /* the table's OID and .1 */
        struct columns columns;
    } * tables;
    size_t ntables;
    size_t json_max; /* of all values together */
};
void walk_plan_release(struct walk_plan *p);

struct walk;
/* E NULL: complete. ERR_PROTOCOL: the agent breaks the protocol; ERR_TIMEOUT, ERR_RANGE (a limit),
 * ERR_PERMANENT (it answers an error), ERR_NETWORK, ERR_NOMEM. The walk may be freed in it. */
typedef void walk_done(void *arg, const struct err *e);

/* PLAN and S are borrowed. CB is called once, later from the loop, unless the session is closed
 * before. */
int walk_start(struct walk **ret, struct session *s, const struct walk_plan *plan, walk_done *cb,
               void *arg, struct err *e);
/* Close the session first. NULL is fine. */
void walk_free(struct walk *w);

/* After a complete walk. "null" where the agent has no such object. */
struct slice walk_get_json(const struct walk *w, size_t get);
const struct polled_rows *walk_rows(const struct walk *w, size_t table);

#endif
