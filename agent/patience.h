/* How long the master agent waits for an answer, as far as it shows. It is snmpd's agentXTimeout
 * for each of 1 + agentXRetries attempts; AgentX cannot ask for it, snmpd takes no notice of what a
 * subagent asks for in Open and Register (RFC 2741 sections 6.2.1, 6.2.3), and serves it nowhere.
 * So nothing can be known at the start. Two things can be seen later: a request that comes again
 * while we are at it (agentXTimeout is shorter than that), and a session that ends behind one
 * (nor were there attempts enough). Each is said once in a process, with what to write into
 * snmpd.conf.
 *
 * Times are clock_mono_ms(). Pure but for the log. */
#ifndef AGENT_PATIENCE_H
#define AGENT_PATIENCE_H

#include <stdbool.h>
#include <stdint.h>

enum {
    PATIENCE_SLOW_MS = 800, /* shorter ones are no reason to give up: agentXTimeout is in seconds */
    PATIENCE_NEAR_MS = 3000,  /* half of what snmpd has unless told: 1 s, 1 + 5 times */
    PATIENCE_BEHIND_MS = 500, /* a session that ends so soon behind a slow request ends for it */
};

struct patience {
    const char *address;               /* of the master, for messages; borrowed */
    int64_t request_ms;                /* when the last request came, 0: none in this session */
    int64_t turn_ms;                   /* since when we are at it, 0: we are not */
    int64_t slow_end_ms, slow_took_ms; /* of the last that was slow */
    bool said_again, said_near, said_lost;
};

void patience_connected(struct patience *p); /* another session */
void patience_request(struct patience *p, int64_t now_ms);
/* A request that came first at FIRST_MS has come again. */
void patience_again(struct patience *p, int64_t first_ms, int64_t now_ms);
/* Around whatever answers requests, and may have done so for one that came earlier. */
void patience_turn_begins(struct patience *p, int64_t now_ms);
void patience_turn_ends(struct patience *p, int64_t now_ms);
/* The session has ended, maybe within a turn. */
void patience_lost(struct patience *p, int64_t now_ms);

#endif
