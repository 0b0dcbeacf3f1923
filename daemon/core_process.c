#include "daemon/core.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

void core_process_usage(struct edit *d, pid_t pid)
{
    unsigned long long user = 0, system = 0;
    char path[64], line[1024], *p;
    long pages = 0;
    FILE *f;

    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    f = pid > 0 ? fopen(path, "re") : NULL;
    if (!f)
        return;
    /* Fields 14, 15 (user and system time in ticks) and 24 (resident pages), proc(5); the second
     * field may hold anything, so count from its closing parenthesis. */
    p = fgets(line, sizeof line, f) ? strrchr(line, ')') : NULL;
    fclose(f);
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
