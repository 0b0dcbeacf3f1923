/* Who knows whom: socket pairs between the stages, and evaluators for their users. Whatever is
 * refused (descriptors may run out) is tried again. */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "daemon/parent.h"

enum { AGAIN_MS = 1000 };

static const struct {
    enum stage_id a, b;
} links[LINKS] = {
    {STAGE_CORE, STAGE_AGENT},
    {STAGE_CORE, STAGE_POLLER},
    {STAGE_CORE, STAGE_DISPATCHER},
    {STAGE_CORE, STAGE_RUNNER},
};

static enum stage_id user_of(enum stage_id evaluator)
{
    return evaluator == STAGE_EVALUATOR ? STAGE_CORE : STAGE_AGENT;
}

/* Once, until it works again. */
static bool fail(struct parent *p, enum stage_id a, enum stage_id b, const char *why)
{
    if (!p->link_told)
        log_error(stage_name(a), "cannot be linked with %s, which is tried again: %s",
                  stage_name(b), why);
    p->link_told = true;
    loop_timer_set(p->relink, AGAIN_MS);
    return false;
}

static int send_link(struct child *to, enum stage_id peer, pid_t pid, const int *fds, int nfds)
{
    struct stage_link l = {peer, pid};
    struct buf b;
    int err;

    buf_init(&b, 64);
    stage_link_write(&l, &b);
    err = b.err ? b.err : chan_send_fds(to->chan, PARENT_LINK, b.data, b.len, fds, nfds);
    buf_release(&b);
    return err;
}

/* A stage that gets a second socket for the same peer lets go of the first. */
static bool link_pair(struct parent *p, size_t i)
{
    struct child *x = &p->children[links[i].a], *y = &p->children[links[i].b];
    int sv[2], err;

    if (!x->chan || !y->chan || p->linked[i])
        return true;
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv))
        return fail(p, x->stage, y->stage, strerror(errno));
    err = send_link(x, y->stage, y->pid, &sv[0], 1);
    if (!err)
        err = send_link(y, x->stage, x->pid, &sv[1], 1);
    close(sv[0]);
    close(sv[1]);
    p->linked[i] = !err;
    return err ? fail(p, x->stage, y->stage, err_name(err)) : true;
}

/* An evaluator goes to its user as soon as both are there. */
static bool hand_over(struct parent *p, enum stage_id evaluator)
{
    struct child *c = &p->children[evaluator], *user = &p->children[user_of(evaluator)];
    int fds[2] = {c->fd, c->pidfd}, err;

    if (c->fd < 0 || !user->chan)
        return true;
    err = send_link(user, evaluator, c->pid, fds, 2);
    if (err)
        return fail(p, evaluator, user->stage, err_name(err));
    close(c->fd);
    close(c->pidfd);
    c->fd = c->pidfd = -1;
    return true;
}

void link_all(void *parent)
{
    struct parent *p = parent;
    bool all = true;

    loop_timer_cancel(p->relink);
    for (size_t i = 0; i < LINKS; i++)
        all = link_pair(p, i) && all;
    all = hand_over(p, STAGE_EVALUATOR) && all;
    all = hand_over(p, STAGE_COMPILER) && all;
    if (all)
        p->link_told = false;
}

void link_lost(struct parent *p, enum stage_id s)
{
    for (size_t i = 0; i < LINKS; i++) {
        if (links[i].a == s || links[i].b == s)
            p->linked[i] = false;
    }
}
