#include "poll/schedule.h"

int64_t schedule_init(struct schedule *s, uint64_t spread, int64_t interval_ms, int64_t now_ms)
{
    int64_t window =
        interval_ms < SCHEDULE_FIRST_WITHIN_MS ? interval_ms : SCHEDULE_FIRST_WITHIN_MS;
    s->interval_ms = interval_ms;
    s->phase_ms = (int64_t)(spread % (uint64_t)interval_ms);
    return now_ms + (int64_t)((spread >> 32) % (uint64_t)window);
}

void schedule_restart(struct schedule *s, int64_t now_ms)
{
    s->phase_ms = now_ms % s->interval_ms;
}

int64_t schedule_next(const struct schedule *s, int64_t began_ms, int64_t now_ms)
{
    int64_t earliest = began_ms + s->interval_ms / 2;
    if (earliest <= now_ms)
        earliest = now_ms + 1;
    int64_t behind = (earliest - s->phase_ms) % s->interval_ms;
    if (behind < 0)
        behind += s->interval_ms;
    return behind ? earliest + s->interval_ms - behind : earliest;
}
