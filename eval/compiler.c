#include "eval/compiler.h"

#include <poll.h>
#include <signal.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/pidfd.h"
#include "eval/compile.h"

void compiler_init(struct compiler *c)
{
    *c = (struct compiler){.fd = -1, .pidfd = -1};
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
    *c = (struct compiler){.fd = fd, .pidfd = pidfd, .taken_mono = clock_mono_ms()};
}

bool compiler_there(const struct compiler *c)
{
    return c->fd >= 0;
}

/* Its greeting is left for eval_compile() to read; so is its end. */
static bool has_greeted(struct compiler *c, int wait_ms)
{
    struct pollfd p = {.fd = c->fd, .events = POLLIN};

    if (!c->greeted)
        c->greeted = poll(&p, 1, wait_ms) == 1;
    return c->greeted;
}

int compiler_check(struct compiler *c, const void *text, size_t len, int deadline_ms, struct err *e)
{
    int err;

    if (!compiler_there(c) || !has_greeted(c, deadline_ms)) {
        if (compiler_there(c) && clock_mono_ms() - c->taken_mono > COMPILER_START_MS)
            compiler_drop(c);
        return err_set(e, ERR_RESOURCE_UNAVAILABLE, "the compiler is being started");
    }
    err = eval_compile(c->fd, text, len, deadline_ms, e);
    if (err == ERR_RESOURCE_UNAVAILABLE)
        compiler_drop(c);
    return err;
}
