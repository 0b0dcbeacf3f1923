#include "daemon/backoff.h"

#include <stdio.h>
#include <string.h>

enum {
    QUICK_MS = 50,        /* an evaluator that did not live longer never worked */
    SPARED_MOST = 50,     /* at once, then one more */
    SPARED_EACH_MS = 200, /* for each so many milliseconds */
};

int64_t backoff_ended(struct backoff *b, int64_t ran_ms, const char *why, enum backoff_say *ret_say)
{
    bool same = !strncmp(b->why, why, sizeof b->why - 1);

    if (ran_ms >= BACKOFF_SETTLED_MS)
        b->delay_ms = b->ends = b->most = 0;
    b->delay_ms = b->delay_ms ? 2 * b->delay_ms : BACKOFF_FIRST_MS;
    if (b->delay_ms > BACKOFF_MOST_MS)
        b->delay_ms = BACKOFF_MOST_MS;
    *ret_say = !b->ends++ || !same ? BACKOFF_SAY_ENDED : BACKOFF_SAY_NOTHING;
    if (b->delay_ms == BACKOFF_MOST_MS && !b->most) {
        *ret_say = BACKOFF_SAY_LOOPS;
        b->most = true;
    }
    snprintf(b->why, sizeof b->why, "%s", why);
    return b->delay_ms;
}

bool backoff_spare(struct backoff *b, int64_t ran_ms, int64_t now_mono_ms)
{
    int64_t regained = (now_mono_ms - b->spared_mono_ms) / SPARED_EACH_MS;

    b->spared = regained < b->spared ? b->spared - (uint32_t)regained : 0;
    if (regained > 0)
        b->spared_mono_ms = now_mono_ms;
    if (ran_ms <= QUICK_MS || b->spared >= SPARED_MOST)
        return false;
    b->spared++;
    return true;
}

bool backoff_settled(struct backoff *b, int64_t ran_ms, uint32_t *ret_ends)
{
    if (!b->ends || ran_ms < BACKOFF_SETTLED_MS)
        return false;
    *ret_ends = b->ends;
    b->delay_ms = b->ends = b->most = 0;
    return true;
}
