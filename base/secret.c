#include "base/secret.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int check_file(int fd, const char *path, struct err *e)
{
    struct stat st;
    if (fstat(fd, &st))
        return err_errno(e, "%s", path);
    if (!S_ISREG(st.st_mode))
        return err_set(e, ERR_INVALID, "%s: not a regular file", path);
    if (st.st_mode & (S_IROTH | S_IWOTH))
        return err_set(e, ERR_DENIED,
                       "%s is open to every user: everybody may read or write it, chmod o-rw it",
                       path);
    return 0;
}

static ssize_t read_all(int fd, char *dst, size_t cap)
{
    size_t len = 0;
    while (len < cap) {
        ssize_t n = read(fd, dst + len, cap - len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -1;
        if (!n)
            break;
        len += (size_t)n;
    }
    return (ssize_t)len;
}

static int first_line(char *dst, size_t len, size_t cap, const char *path, struct err *e)
{
    char *end = memchr(dst, '\n', len);
    size_t n = end ? (size_t)(end - dst) : len;
    if (n && dst[n - 1] == '\r')
        n--;
    if (n >= cap)
        return err_set(e, ERR_RANGE, "%s: a secret has at most %zu octets", path, cap - 1);
    if (!n)
        return err_set(e, ERR_INVALID, "%s: the first line is empty", path);
    if (memchr(dst, 0, n))
        return err_set(e, ERR_INVALID, "%s: a secret is text", path);
    dst[n] = 0;
    return 0;
}

static int open_file(int *ret_fd, const char *path, struct err *e)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    int err;

    if (fd < 0)
        return err_errno(e, "%s", path);
    err = check_file(fd, path, e);
    if (err)
        close(fd);
    else
        *ret_fd = fd;
    return err;
}

int secret_read(char *dst, size_t cap, const char *path, struct err *e)
{
    int fd = -1;
    int err = open_file(&fd, path, e);
    if (!err) {
        ssize_t len = read_all(fd, dst, cap);
        err = len < 0 ? err_errno(e, "%s", path) : first_line(dst, (size_t)len, cap, path, e);
        close(fd);
    }
    if (err)
        secret_clear(dst, cap);
    return err;
}

int secret_check(const char *path, struct err *e)
{
    int fd = -1;
    int err = open_file(&fd, path, e);
    if (!err)
        close(fd);
    return err;
}

void secret_clear(char *dst, size_t cap)
{
    explicit_bzero(dst, cap);
}
