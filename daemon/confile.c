#include "daemon/confile.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { STEP = 64 << 10, SEALS = F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE };

/* Not to be held up by a pipe that nobody writes into. */
static int open_regular(const char *file, int *ret_fd, struct err *e)
{
    struct stat st;
    int fd = open(file, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);

    if (fd < 0)
        return err_errno(e, "%s: cannot be opened", file);
    if (fstat(fd, &st) || !S_ISREG(st.st_mode)) {
        close(fd);
        return err_set(e, ERR_INVALID, "%s: is no regular file", file);
    }
    *ret_fd = fd;
    return 0;
}

static int write_whole(int to, const char *p, size_t n)
{
    while (n) {
        ssize_t w = write(to, p, n);

        if (w < 0 && errno == EINTR)
            continue;
        if (w <= 0)
            return ERR_IO;
        p += w;
        n -= (size_t)w;
    }
    return 0;
}

static int copy(int from, int to, const char *file, struct err *e)
{
    static char part[STEP];
    size_t total = 0;
    ssize_t n;

    while ((n = read(from, part, sizeof part)) != 0) {
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return err_errno(e, "%s: cannot be read", file);
        total += (size_t)n;
        if (total > CONFIG_FILE_MAX)
            return err_set(e, ERR_RANGE, "%s:1: larger than %d MiB", file, CONFIG_FILE_MAX >> 20);
        if (write_whole(to, part, (size_t)n))
            return err_errno(e, "%s: cannot be copied", file);
    }
    return 0;
}

int confile_read(const char *file, int *ret_fd, struct err *e)
{
    int from = -1, to = -1, err = open_regular(file, &from, e);

    if (err)
        return err;
    to = memfd_create("snmpalertd.xml", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    err = to < 0 ? err_errno(e, "%s: memfd_create", file) : copy(from, to, file, e);
    if (!err && fcntl(to, F_ADD_SEALS, SEALS))
        err = err_errno(e, "%s: cannot be sealed", file);
    close(from);
    if (err && to >= 0)
        close(to);
    if (!err)
        *ret_fd = to;
    return err;
}

/* By pread, since the offset is shared with every process that has it. */
static int read_text(int fd, const char *file, struct buf *b, struct err *e)
{
    struct stat st;
    uint8_t *p;

    if (fstat(fd, &st))
        return err_errno(e, "%s: fstat", file);
    if (st.st_size > CONFIG_FILE_MAX)
        return err_set(e, ERR_RANGE, "%s:1: larger than %d MiB", file, CONFIG_FILE_MAX >> 20);
    p = buf_append(b, (size_t)st.st_size);
    if (b->err)
        return err_set(e, b->err, "%s: out of memory", file);
    for (off_t at = 0; at < st.st_size;) {
        ssize_t n = pread(fd, p + at, (size_t)(st.st_size - at), at);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return err_errno(e, "%s: cannot be read", file);
        at += n;
    }
    return 0;
}

int confile_parse(struct config **ret, const char *file, int fd, const struct kinds *kinds,
                  struct err *e)
{
    struct buf b;
    int err;

    buf_init(&b, CONFIG_FILE_MAX);
    err = read_text(fd, file, &b, e);
    if (!err)
        err = config_parse(ret, file, b.data, b.len, kinds, e);
    buf_release(&b);
    return err;
}
