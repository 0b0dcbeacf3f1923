/* A store that may be damaged, and what is said about it. */
#ifndef DAEMON_REPAIR_H
#define DAEMON_REPAIR_H

#include <stdbool.h>

#include "store/store.h"

/* Before the core opens the store: verifies it and repairs what is damaged; what was lost and where
 * the damaged file is kept is logged. 0: it is sound now, or there is none. */
int repair_store(const struct store_options *o, struct err *e);
/* The process ends by itself when the open store turns out to be damaged (EXIT_CORRUPT), or wants
 * to be opened anew: its parent starts the next one. */
void repair_watch(struct store *s);
/* Derived databases, after a repair; FORCE: whatever became of it. */
int repair_derived(struct store *s, bool force, struct err *e);

/* --check-store and --repair-store of the store that FILE, a configuration, names, while no daemon
 * has it open. The report is printed. Returns the exit status: 0: it is sound, or was repaired;
 * EXIT_CORRUPT: it is damaged (and was not to be repaired, or cannot be); 66: there is no store;
 * 75: it is in use; EXIT_CONFIG; 1. */
int repair_command(const char *file, bool repair);

#endif
