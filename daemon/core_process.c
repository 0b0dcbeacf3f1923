#include "daemon/core.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

void core_on_process(void *arg, const struct stage_process *p, int stat)
{
    struct core *c = arg;

    c->processes[p->stage] = *p;
    if (c->stats[p->stage] > 0)
        close(c->stats[p->stage]);
    c->stats[p->stage] = stat > 0 ? stat : 0;
}

void core_process_usage(struct edit *d, int stat)
{
    unsigned long long user = 0, system = 0;
    char text[1024], *p;
    long pages = 0;
    ssize_t n = stat > 0 ? pread(stat, text, sizeof text - 1, 0) : 0;

    if (n <= 0)
        return;
    text[n] = 0;
    /* Fields 14, 15 (user and system time in ticks) and 24 (resident pages), proc(5); the second
     * field may hold anything, so count from its closing parenthesis. */
    p = strrchr(text, ')');
    if (!p || sscanf(p + 1,
                     " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %llu %llu %*d %*d %*d %*d %*d "
                     "%*d %*u %*u %ld",
                     &user, &system, &pages) != 3)
        return;
    edit_int(d, PROCESS_CPU,
             (int64_t)((user + system) * 100 / (unsigned long long)sysconf(_SC_CLK_TCK)) &
                 UINT32_MAX);
    edit_int(d, PROCESS_MEMORY, pages * (sysconf(_SC_PAGESIZE) / 1024));
}
