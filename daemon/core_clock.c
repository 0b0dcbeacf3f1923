/* The wall clock may be set at any time, by hand or when the network's time arrives. Holds, ages
 * and intervals are counted by the boot clock; what the store keeps by the wall clock and waits for
 * is moved along, before anything else is done by the new time. */
#include "daemon/core.h"

#include "alerts/raise.h"
#include "base/clock.h"
#include "base/log.h"

enum { STEP_MS = 1000 }; /* less is no step: clocks are also slowed and sped up a little */

void core_clock_start(struct core *c)
{
    c->wall_offset_ms = clock_wall_ms() - clock_mono_ms();
}

static int move_timers(struct core *c, int64_t step_ms, struct err *e)
{
    struct txn *t = txn_begin(c->store, TXN_WRITE);
    int err;

    txn_allow_growth(t);
    err = notice_shift(t, step_ms);
    if (err >= 0)
        err = raise_shift(t, step_ms);
    if (err < 0)
        txn_fail(t, err);
    return txn_commit(t, e);
}

int core_clock_follow(struct core *c, const struct judge_now *now)
{
    int64_t offset_ms = now->wall_ms - now->mono_ms, step_ms = offset_ms - c->wall_offset_ms;
    int64_t size_ms = step_ms < 0 ? -step_ms : step_ms;
    struct err e;
    int err;

    if (size_ms < STEP_MS) {
        c->wall_offset_ms = offset_ms;
        return 0;
    }
    err = move_timers(c, step_ms, &e);
    if (err) {
        log_error("store", "cannot move what waits as the clock was set: %s", e.text);
        return err;
    }
    log_warning("clock", "the clock was set %s by %lld.%03lld s: what waits goes on as before",
                step_ms < 0 ? "back" : "ahead", (long long)size_ms / 1000,
                (long long)size_ms % 1000);
    c->wall_offset_ms = offset_ms;
    return 0;
}
