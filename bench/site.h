/* What benchmarks of the whole daemon share: a private folder, snmpalertd and its configuration, a
 * web server with one document, a UDP sink that counts. One loop serves them; whatever fails ends
 * the benchmark, with nothing left behind. */
#ifndef BENCH_SITE_H
#define BENCH_SITE_H

#include <stdnoreturn.h>
#include <sys/types.h>

#include "base/loop.h"
#include "store/store.h"

#define BENCH_TOPIC "bench" /* the document: {"v": N} */

struct site {
    const char *name; /* of the benchmark */
    char folder[64];
    struct loop *loop;
    pid_t daemon, snmpd; /* 0: does not run */
    uint16_t web_port, trap_port, snmpd_port;
    int document;         /* N */
    int64_t published_ns; /* when this N was first given to the daemon; 0: not yet */
    uint32_t fetches;
    uint64_t traps;       /* that came */
    int64_t last_trap_ns; /* when the last one came */
};

/* Exits when it cannot. There is one site in a process. */
struct site *site_open(const char *name);
void site_close(void);
noreturn void site_die(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* The daemon of the build folder, polling every INTERVAL, with one snmp handler "traps" to the sink
 * and ROWS in its file; it waits until the daemon has fetched the document. */
void site_start(struct site *s, const char *interval, const char *rows);
void site_launch(struct site *s, const char *interval, const char *rows); /* without waiting */
void site_stop(struct site *s); /* SIGTERM, and until it has ended with 0 */
/* A master agent for it; the daemon knows its socket from the start. */
void site_start_snmpd(struct site *s);

/* A new value of the document. */
void site_publish(struct site *s, int n);
/* Serves until DONE says so. */
void site_wait(struct site *s, bool (*done)(struct site *s, void *arg), void *arg,
               int64_t timeout_ms, const char *what);

/* The site's store, while no daemon runs; without syncing, the rows are only to be there. */
struct store *site_store(const struct site *s);
/* The same, to look at while the daemon runs. */
struct store *site_look(const struct site *s);
/* Definitions "d000001" ... of owner admin, each with a condition of its own: true when N >= 1. */
void site_fill_definitions(struct store *s, uint32_t n);

int64_t site_now_ns(void);
/* The value below which the part P of the values is; sorts them. */
int64_t site_quantile(int64_t *values, size_t n, double p);

#endif
