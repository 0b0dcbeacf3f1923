/* The core's side of the local door (daemon/door.h). Lines wait in memory for the end of the turn,
 * which does those of all clients in its transaction; they are answered when that is committed, and
 * stay as they are when it is not. */
#include "daemon/core.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "alerts/raise_line.h"
#include "base/array.h"
#include "base/log.h"
#include "daemon/door.h"

enum {
    CLIENTS_MAX = 64,
    LINES_PER_TURN = 256,   /* of a client */
    ANSWERS_MAX = 16 << 20, /* octets that a client leaves unread */
    PAUSE_MS = 1000,        /* after there was nothing to accept with */
};

struct door_line {
    struct raise command;
    struct raise_result result; /* 0: to be done */
};

struct door_client {
    struct core_door *door;
    struct chan *chan;
    struct door_line *lines; /* in their order */
    size_t n, cap, done;     /* done: in the transaction under way */
    struct door_client *next;
};

struct core_door {
    struct core *core;
    int fd;
    struct loop_fd *watch;
    struct loop_timer *resume;
    struct door_client *clients;
    size_t nclients;
};

static void client_free(struct door_client *x)
{
    struct core_door *d = x->door;
    struct door_client **at = &d->clients;

    while (*at != x)
        at = &(*at)->next;
    *at = x->next;
    if (d->nclients-- == CLIENTS_MAX)
        loop_fd_events(d->watch, POLLIN);
    chan_free(x->chan);
    free(x->lines);
    free(x);
}

/* ---- lines ---- */

static int on_frame(void *arg, uint16_t type, const uint8_t *payload, size_t len, const int *fds,
                    int nfds)
{
    struct door_client *x = arg;
    struct door_line *line;
    struct err e;

    for (int i = 0; i < nfds; i++)
        close(fds[i]);
    if (type != DOOR_RAISE || nfds || x->n >= DOOR_OPEN_MAX)
        return ERR_PROTOCOL;
    line = array_room(x->lines, &x->cap, x->n + 1, sizeof *line);
    if (!line)
        return ERR_NOMEM;
    x->lines = line;
    line += x->n++;
    *line = (struct door_line){.result = {.result = 0}};
    if (raise_line_read(&line->command, payload, len, &e)) {
        line->result.result = RAISE_REFUSED;
        utf8_clean(line->result.error, sizeof line->result.error, e.text, strlen(e.text), false);
    }
    return 0;
}

static void on_close(void *arg, int code)
{
    if (code != ERR_CLOSED)
        log_warning("door", "a client was sent away: %s", err_name(code));
    client_free(arg);
}

bool core_door_waits(const struct core *c)
{
    const struct door_client *x = c->door ? c->door->clients : NULL;

    while (x && !x->n)
        x = x->next;
    return x;
}

static int do_lines(struct door_client *x, struct txn *t, const struct judge_now *now,
                    uint32_t *moved)
{
    struct core *c = x->door->core;
    int err = 0;

    for (x->done = 0; x->done < x->n && x->done < LINES_PER_TURN && !err; x->done++) {
        struct door_line *line = &x->lines[x->done];

        if (line->result.result == RAISE_REFUSED && !line->command.verb)
            continue; /* it could not be read */
        err = raise_do(t, &line->command, now, core_digest_ms, c, &line->result);
        *moved += line->result.moved;
    }
    return err;
}

int core_door_apply(struct core *c, struct txn *t, const struct judge_now *now)
{
    int err = 0;

    for (struct door_client *x = c->door ? c->door->clients : NULL; x && !err; x = x->next)
        err = do_lines(x, t, now, &c->transitions);
    return err;
}

/* Whether its client is still there. */
static bool answer(struct door_client *x, struct buf *b)
{
    int err = 0;

    chan_hold(x->chan, true);
    for (size_t i = 0; i < x->done && !err; i++) {
        buf_clear(b);
        raise_line_answer(&x->lines[i].result, b);
        err = b->err ? b->err : chan_send(x->chan, DOOR_ANSWER, b->data, b->len);
    }
    chan_hold(x->chan, false);
    x->n -= x->done;
    memmove(x->lines, x->lines + x->done, x->n * sizeof *x->lines);
    x->done = 0;
    if (err)
        on_close(x, err);
    return !err;
}

void core_door_answer(struct core *c)
{
    bool more = false;
    struct buf b;

    buf_init(&b, RAISE_LINE_MAX);
    for (struct door_client *x = c->door ? c->door->clients : NULL, *next; x; x = next) {
        next = x->next;
        if (x->done && answer(x, &b))
            more |= x->n > 0;
    }
    buf_release(&b);
    if (more)
        loop_timer_set(c->due, 0); /* another turn for them */
}

/* ---- clients ---- */

static bool is_welcome(int fd)
{
    struct ucred peer;
    socklen_t len = sizeof peer;

    return !getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) && len == sizeof peer &&
           (peer.uid == 0 || peer.uid == geteuid());
}

static void welcome(struct core_door *d, int fd)
{
    struct chan_options o = {.max_payload = RAISE_LINE_MAX + 1,
                             .max_queue = ANSWERS_MAX,
                             .on_frame = on_frame,
                             .on_close = on_close};
    struct door_client *x = calloc(1, sizeof *x);

    o.arg = x;
    if (!x || !(x->chan = chan_new(d->core->loop, fd, &o))) {
        log_error("door", "out of memory");
        free(x);
        close(fd);
        return;
    }
    x->door = d;
    x->next = d->clients;
    d->clients = x;
    if (++d->nclients == CLIENTS_MAX)
        loop_fd_events(d->watch, 0); /* the others wait in the kernel's queue */
}

static void on_resume(void *arg)
{
    struct core_door *d = arg;

    if (d->nclients < CLIENTS_MAX)
        loop_fd_events(d->watch, POLLIN);
}

static void on_knock(void *arg, short revents)
{
    struct core_door *d = arg;
    int fd = accept4(d->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

    (void)revents;
    if (fd < 0) { /* gone again; or no descriptor is left: not at every turn */
        loop_fd_events(d->watch, 0);
        loop_timer_set(d->resume, PAUSE_MS);
    } else if (is_welcome(fd)) {
        welcome(d, fd);
    } else {
        log_warning("door", "a client of another user was sent away");
        close(fd);
    }
}

int core_door_open(struct core *c)
{
    struct core_door *d = calloc(1, sizeof *d);
    struct err e;

    if (!d)
        return ERR_NOMEM;
    c->door = d;
    d->core = c;
    d->fd = door_listen(c->config->store_path, &e);
    if (d->fd < 0) {
        log_warning("door", "no alerts can be raised by snmpalertd --raise: %s", e.text);
        return 0;
    }
    d->watch = loop_fd_add(c->loop, d->fd, POLLIN, on_knock, d);
    d->resume = loop_timer_new(c->loop, on_resume, d);
    return d->watch && d->resume ? 0 : ERR_NOMEM;
}

void core_door_close(struct core *c)
{
    struct core_door *d = c->door;

    if (!d)
        return;
    while (d->clients)
        client_free(d->clients);
    loop_timer_del(d->resume);
    loop_fd_del(d->watch);
    if (d->fd >= 0)
        close(d->fd);
    free(d);
    c->door = NULL;
}
