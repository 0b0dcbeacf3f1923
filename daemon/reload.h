/* The parent's side of the configuration: the file is copied, a checker tries the copy, the core
 * gets it and answers, one reload at a time. What is in force outlives the core. */
#ifndef DAEMON_RELOAD_H
#define DAEMON_RELOAD_H

#include "base/loop.h"
#include "daemon/launch.h"

struct reload;

struct reload_options {
    struct loop *loop;
    const struct launch *launch;
    const char *file;
    /* The first check is done: 0, or an exit status, whose reason was logged. */
    void (*on_first)(void *arg, int status);
    /* A reload begins, ends. */
    void (*on_busy)(void *arg, bool busy);
    /* A core that could not start with what was in force has something else now. */
    void (*on_replaced)(void *arg);
    void *arg;
};

/* NULL: out of memory. O is copied. */
struct reload *reload_new(const struct reload_options *o);
void reload_free(struct reload *r); /* ends and reaps the checker; NULL is fine */

void reload_first(struct reload *r);
/* SIGHUP or a manager's wish. While a reload is under way: one more after it. */
void reload_wish(struct reload *r);
/* No more reloads; the checker is ended. */
void reload_stop(struct reload *r);

/* The core was started: what it gets first is sent. CORE is borrowed until reload_core_ended().
 * Negative: it will never get it. */
int reload_core_started(struct reload *r, struct chan *core);
void reload_core_ready(struct reload *r);
void reload_core_ended(struct reload *r);
/* STAGE_RELOADED. ERR_PROTOCOL. */
int reload_answered(struct reload *r, const uint8_t *payload, size_t len);

#endif
