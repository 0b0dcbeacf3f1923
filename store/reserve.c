/* What the disk always has left for alerts: a file of nothing, which the core keeps while there is
 * room and gives up when a commit finds none. LMDB writes what it changes to other pages first, so
 * that on a full disk not even a notice could be finished; with a few hundred pages it goes on for
 * as long as it takes. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "store/impl.h"

static uint64_t available(const struct store *s)
{
    struct statvfs fs;
    return statvfs(s->path, &fs) ? 0 : (uint64_t)fs.f_bavail * fs.f_frsize;
}

static bool is_held(const struct store *s)
{
    struct stat st;
    return s->reserve >= 0 && !fstat(s->reserve, &st) && st.st_size >= RESERVE_BYTES;
}

void reserve_open(struct store *s)
{
    char *p = NULL;
    if (asprintf(&p, "%s/reserve", s->path) < 0)
        return;
    s->reserve = open(p, O_RDWR | O_CREAT | O_CLOEXEC, 0640);
    free(p);
    if (available(s) < RESERVE_BYTES / 4)
        reserve_give(s);
}

void reserve_keep(struct store *s)
{
    if (s->reserve < 0 || is_held(s) || available(s) < 4 * RESERVE_BYTES)
        return;
    if (fallocate(s->reserve, 0, 0, RESERVE_BYTES))
        reserve_give(s);
}

void reserve_give(struct store *s)
{
    if (s->reserve < 0 || !ftruncate(s->reserve, 0))
        return;
    close(s->reserve);
    s->reserve = -1;
}

uint64_t reserve_missing(const struct store *s)
{
    struct stat st;
    char *p = NULL;
    bool there = asprintf(&p, "%s/reserve", s->path) >= 0 && !stat(p, &st);
    uint64_t size =
        there ? (uint64_t)st.st_size : RESERVE_BYTES; /* without a core nobody wants it */
    free(p);
    return size < RESERVE_BYTES ? RESERVE_BYTES - size : 0;
}
