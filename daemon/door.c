#include "daemon/door.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum { BACKLOG = 64 };

static int bind_as_ours(int fd, const struct sockaddr_un *a)
{
    mode_t before = umask(0177);
    int rc;

    unlink(a->sun_path); /* of a core that was killed: the store's lock says that there is none */
    rc = bind(fd, (const struct sockaddr *)a, sizeof *a);
    umask(before);
    return rc ? rc : listen(fd, BACKLOG);
}

static int join(int fd, const struct sockaddr_un *a)
{
    return connect(fd, (const struct sockaddr *)a, sizeof *a);
}

/* ACT on the address, from within the folder. */
static int open_in(const char *path, int flags, int (*act)(int fd, const struct sockaddr_un *a),
                   struct err *e)
{
    const struct sockaddr_un a = {.sun_family = AF_UNIX, .sun_path = DOOR_NAME};
    int here = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | flags, 0), err = 0;

    if (here < 0 || fd < 0 || chdir(path))
        err = err_errno(e, "%s", path);
    else {
        if (act(fd, &a))
            err = err_errno(e, "%s/%s", path, DOOR_NAME);
        if (fchdir(here))
            err = err_errno(e, "the working directory");
    }
    if (here >= 0)
        close(here);
    if (err && fd >= 0)
        close(fd);
    return err ? err : fd;
}

int door_listen(const char *path, struct err *e)
{
    return open_in(path, SOCK_NONBLOCK, bind_as_ours, e);
}

int door_connect(const char *path, struct err *e)
{
    return open_in(path, 0, join, e);
}
