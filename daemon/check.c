#include "daemon/check.h"

#include <errno.h>
#include <ftw.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "daemon/core.h"
#include "daemon/kinds.h"
#include "eval/compile.h"
#include "eval/spawn.h"

enum {
    COMPILE_DEADLINE_MS = 2000,
    UNCONFINED_DEADLINE_MS = 60 * 1000, /* valgrind takes its time */
    CHECK_MAP_BYTES = 1 << 30
};

struct compiler {
    int fd, deadline_ms;
};

static int compile(void *arg, const void *text, size_t len, struct err *e)
{
    const struct compiler *c = arg;

    return eval_compile(c->fd, text, len, c->deadline_ms, e);
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

static void remove_folder(const char *path)
{
    nftw(path, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static int check_in(struct core *c, const char *folder, struct err *e)
{
    struct store_options o = {.path = folder, .map_bytes = CHECK_MAP_BYTES, .no_sync = true};
    int err = store_open(&c->store, &o, e);

    remove_folder(folder); /* what is open stays, and nothing is left by who is killed meanwhile */
    if (!err)
        err = checks_register(c->store, &c->checks);
    if (!err)
        err = core_config_apply(c, c->config, e);
    store_close(c->store);
    return err;
}

static int check_rows(struct core *c, const char *evaluator, bool unconfined, struct err *e)
{
    const char *tmp = getenv("TMPDIR");
    struct compiler compiler = {.deadline_ms =
                                    unconfined ? UNCONFINED_DEADLINE_MS : COMPILE_DEADLINE_MS};
    char folder[512];
    int pidfd, err;
    pid_t pid;

    if ((size_t)snprintf(folder, sizeof folder, "%s/snmpalertd-check-XXXXXX",
                         tmp && *tmp ? tmp : "/tmp") >= sizeof folder ||
        !mkdtemp(folder))
        return err_errno(e, "cannot make a folder to check in");
    err = eval_spawn(evaluator, unconfined, &compiler.fd, &pidfd, &pid, e);
    if (!err) {
        c->checks.compile = compile;
        c->checks.arg = &compiler;
        err = check_in(c, folder, e);
        close(compiler.fd);
        close(pidfd);
        kill(pid, SIGKILL);
        while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
            ;
    }
    remove_folder(folder);
    return err;
}

int check_parsed(struct config *config, const char *evaluator, bool unconfined, struct err *e)
{
    struct core c = {.config = config, .checks = {.kinds = &daemon_kinds}};

    return check_rows(&c, evaluator, unconfined, e);
}

int check_config(const char *file, const char *evaluator, bool unconfined, struct err *e)
{
    struct config *config = NULL;
    int err = config_load(&config, file, &daemon_kinds, e);

    if (!err)
        err = check_parsed(config, evaluator, unconfined, e);
    config_free(config);
    return err;
}
