#include "snmp/internal.h"

#include <stdlib.h>

#include "base/array.h"
#include "base/clock.h"

enum { SESSIONS_MAX = 65536 };

static void sweep(struct session_set *set)
{
    size_t kept = 0;
    if (!set->dead)
        return;
    for (size_t i = 0; i < set->n; i++) {
        if (set->items[i]->dead)
            session_destroy(set->items[i]);
        else
            set->items[kept++] = set->items[i];
    }
    set->n = kept;
    set->dead = 0;
}

/* The nearest deadline as a wait, rounded so that the loop never spins on a fraction. */
static void lower_timeout(int *timeout_ms, int64_t due_mono_ms, int64_t now_mono_ms)
{
    if (due_mono_ms == INT64_MAX)
        return;
    int64_t wait = due_mono_ms > now_mono_ms ? due_mono_ms - now_mono_ms : 0;
    if (wait > INT_MAX)
        wait = INT_MAX;
    if (*timeout_ms < 0 || wait < *timeout_ms)
        *timeout_ms = (int)wait;
}

static int prepare(void *arg, struct pollfd *fds, int cap, int *timeout_ms)
{
    struct session_set *set = arg;
    int64_t now = clock_mono_ms();
    sweep(set);
    for (size_t i = 0; i < set->n; i++) {
        struct session *s = set->items[i];
        session_find_due(s);
        lower_timeout(timeout_ms, s->due_mono_ms, now);
        if (i < (size_t)cap)
            fds[i] = (struct pollfd){.fd = s->fd, .events = POLLIN};
    }
    return (int)set->n;
}

static void dispatch(void *arg, struct pollfd *fds, int n)
{
    struct session_set *set = arg;
    int64_t now = clock_mono_ms();
    for (size_t i = 0; i < (size_t)n && i < set->n; i++) {
        struct session *s = set->items[i];
        if (!s->dead && fds[i].revents)
            session_read(s);
        if (!s->dead && s->due_mono_ms <= now)
            session_run_timers(s);
    }
}

struct session_set *session_set_new(struct loop *l)
{
    struct session_set *set = calloc(1, sizeof *set);
    if (!set)
        return NULL;
    set->loop = l;
    set->source = (struct loop_source){.prepare = prepare, .dispatch = dispatch, .arg = set};
    netsnmp_large_fd_set_init(&set->fds, FD_SETSIZE);
    NETSNMP_LARGE_FD_ZERO(&set->fds);
    if (loop_source_add(l, &set->source)) {
        netsnmp_large_fd_set_cleanup(&set->fds);
        free(set);
        return NULL;
    }
    return set;
}

void session_set_free(struct session_set *set)
{
    if (!set)
        return;
    loop_source_del(set->loop, &set->source);
    for (size_t i = 0; i < set->n; i++)
        session_destroy(set->items[i]);
    free(set->items);
    engine_cache_free(set->engines);
    keyring_free(set->keyring);
    netsnmp_large_fd_set_cleanup(&set->fds);
    free(set);
}

unsigned session_set_count(const struct session_set *set)
{
    return (unsigned)(set->n - set->dead);
}

int session_set_add(struct session_set *set, struct session *s)
{
    if (set->n == SESSIONS_MAX)
        return ERR_FULL;
    struct session **items =
        array_room(set->items, &set->cap, set->n + 1, sizeof(struct session *));
    if (!items)
        return ERR_NOMEM;
    set->items = items;
    set->items[set->n++] = s;
    return 0;
}
