/* What benchmarks of the agent share: a private folder, and in it stations, each a snmpd of its own
 * with a subagent of ours behind it, all on one CPU together with who asks them, so that what is
 * compared meets the same load. Whatever fails ends the benchmark, with nothing left behind. */
#ifndef BENCH_RIG_H
#define BENCH_RIG_H

#include <stdint.h>
#include <stdnoreturn.h>
#include <sys/types.h>

#include <net-snmp/net-snmp-config.h>
#include <net-snmp/net-snmp-includes.h>

enum { RIG_STATIONS_MAX = 8 };

struct station {
    pid_t snmpd, host; /* 0: does not run */
    uint16_t port;     /* UDP, where snmpd answers (v2c, community "public", read-write) */
    char folder[96];
};

/* Makes the folder, and leaves this process and its children one CPU. There is one rig in a
 * process. */
void rig_open(const char *name);
void rig_close(void);
/* A path below the rig's folder. RET has room for 128 octets. */
void rig_path(const char *name, char ret[128]);
noreturn void rig_die(const char *what);

/* A station's process: it opens or makes the store at STORE_PATH, serves it through the master at
 * ADDRESS, calls rig_ready(READY) once, and never returns; what it returns is its exit status. */
typedef int (*rig_host)(void *arg, const char *store_path, const char *address, int ready);
/* Waits until its host is ready. S lives until rig_close(). All start before the first session. */
void rig_start(struct station *s, rig_host host, void *arg);
/* A snmpd that serves the store of KEEPER's host from within (agent/module.h), without a host. The
 * programs are those below $top_builddir. It does not wait until the store is served. */
void rig_start_module(struct station *s, const struct station *keeper);
int rig_ready(int ready); /* 0, or it cannot be told */

/* A session that waits 20 s for an answer and repeats nothing. */
netsnmp_session *rig_session(const struct station *s);

int64_t rig_now_ns(void);
/* The median; sorts them. */
double rig_median(double *values, size_t n);

#endif
