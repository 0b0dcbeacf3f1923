#include "eval/compiler.h"

#include <signal.h>
#include <unistd.h>

#include "base/pidfd.h"
#include "eval/compile.h"

void compiler_init(struct compiler *c)
{
    c->fd = c->pidfd = -1;
}

void compiler_drop(struct compiler *c)
{
    if (c->pidfd >= 0) {
        pidfd_signal(c->pidfd, SIGKILL);
        close(c->pidfd);
    }
    if (c->fd >= 0)
        close(c->fd);
    compiler_init(c);
}

void compiler_take(struct compiler *c, int fd, int pidfd)
{
    compiler_drop(c);
    c->fd = fd;
    c->pidfd = pidfd;
}

bool compiler_there(const struct compiler *c)
{
    return c->fd >= 0;
}

int compiler_check(struct compiler *c, const void *text, size_t len, int deadline_ms, struct err *e)
{
    int err;

    if (!compiler_there(c))
        return err_set(e, ERR_RESOURCE_UNAVAILABLE, "the compiler is being started");
    err = eval_compile(c->fd, text, len, deadline_ms, e);
    if (err == ERR_RESOURCE_UNAVAILABLE)
        compiler_drop(c);
    return err;
}
