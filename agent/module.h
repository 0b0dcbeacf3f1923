/* The MIB inside snmpd, instead of the agent process: a loadable module. In snmpd.conf, in this
 * order,
 *
 *     dlmod snmpalert /usr/local/lib/snmpalertd/snmpalert.so
 *     snmpalertStore /var/lib/snmpalertd                             the default
 *     snmpalertEvaluator /usr/local/libexec/snmpalertd-evaluator     the default
 *     snmpalertStandard yes    the default; no: ALARM-MIB, NOTIFICATION-LOG-MIB are left to others
 *
 * and <agentx enabled="no"/> in snmpalertd.xml: of two that serve the same OIDs the second is
 * refused, and says so in its log, until the first is gone.
 *
 * It serves the store while a core (store_core()) has it open, as the agent process does: the MIB
 * is there while the daemon runs, and comes and goes with it. What the core must do anew (the store
 * was damaged, or another core has it) has the store closed and opened again; from then to the next
 * tick, at most TICK_MS, all is answered with genErr. Nothing wakes the core up after a SET: it
 * looks at the ring of changes every second.
 *
 * It is a guest. It ends nothing, handles no signal, changes no setting of snmpd and writes to
 * snmpd's log; its descriptors are closed on exec; its one child (the evaluator that checks a SET's
 * JavaScript) is reaped by its number. The store is opened from snmpd's main loop, hence as the
 * user that snmpd has become, and after it has gone into the background.
 *
 * What snmpd must bear with it: a SET waits for a commit of the core's that is under way, and at
 * most COMPILER_DEADLINE_MS for the evaluator. As for every process that has the store open, a
 * database file that is cut short while it is open is a SIGBUS. */
#ifndef AGENT_MODULE_H
#define AGENT_MODULE_H

/* What dlmod calls. deinit_snmpalert() leaves nothing behind, and init_snmpalert() may follow it:
 * so snmpd reads its configuration anew. */
void init_snmpalert(void);
void deinit_snmpalert(void);

#endif
