/* Purging, a few rows at a time and in commits of its own: nobody waits longer than for one of
 * them, and a store that refuses one costs no alert. */
#include "daemon/core.h"

#include <stdlib.h>

#include "alerts/alarms.h"
#include "alerts/retention.h"
#include "base/clock.h"
#include "base/log.h"

enum {
    STEP_ROWS = 256,           /* of each kind */
    STEP_PAUSE_MS = 20,        /* between two steps */
    LOOK_MS = 1000,            /* when there is nothing to do */
    REFUSED_MS = 10000,        /* when the store refused */
    JUMP_MS = 60 * 1000,       /* of the wall clock, that make ages doubtful ... */
    DOUBT_MS = 60 * 60 * 1000, /* ... for so long */
};

struct core_retention {
    struct core *core;
    struct loop_timer *timer;
    int64_t wall_offset;      /* of the wall clock to the monotonic one */
    int64_t doubt_until_mono; /* rows are not purged by age before */
    unsigned filling;         /* enum retained; RETAINED_KINDS: nothing is missing */
    struct key filled;        /* up to there */
    bool listing;             /* cleared alarms are not all listed */
};

/* A clock that jumped ahead would make everything old at once, and may be put right soon. */
static bool ages_are_good(struct core_retention *x)
{
    int64_t mono = clock_mono_ms(), offset = clock_wall_ms() - mono;
    int64_t moved = offset - x->wall_offset;

    if (moved > JUMP_MS || moved < -JUMP_MS)
        x->doubt_until_mono = mono + DOUBT_MS;
    x->wall_offset = offset;
    return mono >= x->doubt_until_mono;
}

/* The first kind at or behind KIND that has rows without an entry. */
static unsigned incomplete(struct core *c, unsigned kind)
{
    struct txn *t = txn_begin(c->store, TXN_READ);

    while (kind < RETAINED_KINDS && retention_complete(t, (enum retained)kind))
        kind++;
    txn_abort(t);
    return kind;
}

/* Ends a step that came to N, rows or an error. WHAT it was to do, for who reads that it cannot. */
static int commit(struct txn *t, int n, const char *what)
{
    struct err e;
    int err;

    if (n < 0)
        txn_fail(t, n);
    err = txn_commit(t, &e);
    if (err)
        log_error("store", "cannot %s: %s", what, e.text);
    return err ? err : n;
}

/* Some more entries for a store that lacks them. How many rows were looked at. */
static int fill(struct core_retention *x)
{
    struct txn *t = txn_begin(x->core->store, TXN_WRITE);
    struct key at = x->filled;
    int n;

    txn_allow_growth(t);
    n = commit(t, retention_fill(t, (enum retained)x->filling, &at, STEP_ROWS),
               "note what may be purged");
    if (n < 0)
        return n;
    x->filled = at;
    if (!n) {
        key_init(&x->filled);
        x->filling = incomplete(x->core, x->filling + 1);
    }
    return n;
}

/* The same for the list of cleared alarms. */
static int list(struct core_retention *x)
{
    struct txn *t = txn_begin(x->core->store, TXN_WRITE);
    int n;

    txn_allow_growth(t);
    n = commit(t, alarms_fill(t, STEP_ROWS), "list cleared alarms");
    if (n >= 0)
        x->listing = n > 0;
    return n;
}

/* How many rows went. */
static int purge(struct core_retention *x, bool by_age)
{
    int64_t now_ms = clock_wall_ms();
    struct txn *t = txn_begin(x->core->store, TXN_READ);
    bool due = retention_due(t, now_ms, by_age);

    txn_abort(t);
    if (!due)
        return 0;
    t = txn_begin(x->core->store, TXN_WRITE);
    txn_allow_growth(t); /* it makes room */
    return commit(t, retention_purge(t, now_ms, by_age, STEP_ROWS), "purge");
}

static void step(void *arg)
{
    struct core_retention *x = arg;
    bool by_age = ages_are_good(x);
    int n = x->filling < RETAINED_KINDS ? fill(x) : x->listing ? list(x) : purge(x, by_age);

    loop_timer_set(x->timer, n < 0 ? REFUSED_MS : n > 0 ? STEP_PAUSE_MS : LOOK_MS);
}

static bool unlisted(struct core *c)
{
    struct txn *t = txn_begin(c->store, TXN_READ);
    bool yes = alarms_incomplete(t);

    txn_abort(t);
    return yes;
}

int core_retention_start(struct core *c)
{
    struct core_retention *x = calloc(1, sizeof *x);

    if (!x)
        return ERR_NOMEM;
    c->retention = x;
    x->core = c;
    x->wall_offset = clock_wall_ms() - clock_mono_ms();
    x->filling = incomplete(c, 0);
    x->listing = unlisted(c);
    key_init(&x->filled);
    x->timer = loop_timer_new(c->loop, step, x);
    if (!x->timer)
        return ERR_NOMEM;
    loop_timer_set(x->timer, LOOK_MS);
    return 0;
}

void core_retention_stop(struct core *c)
{
    if (c->retention)
        loop_timer_del(c->retention->timer);
    free(c->retention);
    c->retention = NULL;
}
