#include "base/frame.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/clock.h"

enum {
    QUEUE_MAX = 64 << 20,
    READ_STEP = 64 << 10,    /* grown by, never by what a header claims */
    READ_TURN_MAX = 1 << 20, /* octets per turn, so that one channel does not starve the rest */
    WRITE_BATCH = 64,        /* frames per sendmsg() */
    SMALL_FRAME = 4096 - FRAME_HEADER_LEN,
};

struct passed {
    int fds[FRAME_FDS_MAX];
    int n;
};

struct out {
    struct out *next;
    size_t len, sent;
    struct passed fds; /* not yet sent; sent with the first octet */
    uint8_t bytes[];
};

/* Descriptors and octets: the sender gives every frame with descriptors a sendmsg() of its own, and
 * recvmsg() ends behind the message that brought some (unix(7)); therefore they belong to the last
 * frame that begins in what that recvmsg() returned. */
struct chan {
    struct loop *loop;
    struct loop_fd *watch;
    struct chan_options o;
    int fd;
    uint8_t *in;
    size_t in_len, in_cap;
    struct passed in_fds; /* of the incomplete frame at the start of `in` */
    struct out *out, **out_tail;
    size_t out_len;
    bool held;     /* what is sent waits for the end of a burst */
    bool broken;   /* nothing can be written any more; what came in is still read */
    bool finished; /* on_close was called */
    bool freed;    /* chan_free() from inside a callback */
    int busy;      /* depth of callbacks */
};

static void close_fds(struct passed *s)
{
    for (int i = 0; i < s->n; i++)
        close(s->fds[i]);
    s->n = 0;
}

static void put_header(uint8_t *p, uint16_t type, size_t len)
{
    put_u32(p, (uint32_t)len);
    put_u16(p + 4, type);
    put_u16(p + 6, 0);
}

/* The payload's length and type, or ERR_PROTOCOL. */
static int check_header(const uint8_t *p, size_t max_payload, size_t *ret_len, uint16_t *ret_type)
{
    if (get_u32(p) > max_payload || get_u16(p + 6) != 0)
        return ERR_PROTOCOL;
    *ret_len = get_u32(p);
    *ret_type = get_u16(p + 4);
    return 0;
}

/* Freeing and finishing */

static void drop_queue(struct chan *c)
{
    while (c->out) {
        struct out *o = c->out;

        c->out = o->next;
        close_fds(&o->fds);
        free(o);
    }
    c->out_tail = &c->out;
    c->out_len = 0;
}

static void destroy(struct chan *c)
{
    loop_fd_del(c->watch);
    drop_queue(c);
    close_fds(&c->in_fds);
    close(c->fd);
    free(c->in);
    free(c);
}

void chan_free(struct chan *c)
{
    if (!c)
        return;
    c->freed = true;
    if (c->busy == 0)
        destroy(c);
}

static void finish(struct chan *c, int code)
{
    if (c->finished || c->freed)
        return;
    c->finished = true;
    loop_fd_del(c->watch);
    c->watch = NULL;
    drop_queue(c);
    if (c->o.on_close)
        c->o.on_close(c->o.arg, code);
}

static bool done(const struct chan *c)
{
    return c->finished || c->freed;
}

/* Writing */

static void update_events(struct chan *c)
{
    if (c->watch)
        loop_fd_events(c->watch, (short)(POLLIN | (c->out ? POLLOUT : 0)));
}

/* Nothing more goes out. Reading ends by itself: first what is there, then an end of file. */
static void break_off(struct chan *c)
{
    c->broken = true;
    drop_queue(c);
    shutdown(c->fd, SHUT_RDWR);
}

/* As many frames as fit one sendmsg(); one with descriptors goes alone. */
static size_t gather(const struct chan *c, struct iovec *iov)
{
    size_t n = 0;

    for (struct out *o = c->out; o && n < WRITE_BATCH; o = o->next) {
        if (n > 0 && o->fds.n > 0)
            break;
        iov[n].iov_base = o->bytes + o->sent;
        iov[n++].iov_len = o->len - o->sent;
        if (o->fds.n > 0)
            break;
    }
    return n;
}

static ssize_t send_batch(struct chan *c)
{
    struct iovec iov[WRITE_BATCH];
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(FRAME_FDS_MAX * sizeof(int))];
    } control = {.bytes = {0}};
    struct msghdr msg = {.msg_iov = iov, .msg_iovlen = gather(c, iov)};
    struct passed *fds = &c->out->fds;

    if (fds->n > 0) {
        size_t size = (size_t)fds->n * sizeof(int);
        struct cmsghdr *head;

        msg.msg_control = control.bytes;
        msg.msg_controllen = CMSG_SPACE(size);
        head = CMSG_FIRSTHDR(&msg);
        head->cmsg_level = SOL_SOCKET;
        head->cmsg_type = SCM_RIGHTS;
        head->cmsg_len = CMSG_LEN(size);
        memcpy(CMSG_DATA(head), fds->fds, size);
    }
    return sendmsg(c->fd, &msg, MSG_NOSIGNAL | MSG_DONTWAIT);
}

static void account_sent(struct chan *c, size_t n)
{
    close_fds(&c->out->fds);
    c->out_len -= n;
    while (n > 0) {
        struct out *o = c->out;
        size_t part = o->len - o->sent < n ? o->len - o->sent : n;

        o->sent += part;
        n -= part;
        if (o->sent < o->len)
            break;
        c->out = o->next;
        if (!c->out)
            c->out_tail = &c->out;
        free(o);
    }
}

static void write_some(struct chan *c)
{
    while (c->out) {
        ssize_t n = send_batch(c);

        if (n > 0) {
            account_sent(c, (size_t)n);
        } else if (n < 0 && errno != EINTR) {
            if (errno != EAGAIN && errno != EWOULDBLOCK)
                break_off(c);
            break;
        }
    }
    update_events(c);
}

/* Reading */

static bool room_in(struct chan *c)
{
    size_t cap = c->in_cap > READ_STEP ? c->in_cap * 2 : (size_t)2 * READ_STEP;
    uint8_t *grown;

    if (c->in_len == 0 && c->in_cap > READ_TURN_MAX) { /* a big frame came; it is gone */
        free(c->in);
        c->in = NULL;
        c->in_cap = 0;
        cap = (size_t)2 * READ_STEP;
    }
    if (c->in_cap - c->in_len >= READ_STEP / 2)
        return true;
    grown = realloc(c->in, cap);
    if (!grown)
        return false;
    c->in = grown;
    c->in_cap = cap;
    return true;
}

/* Every descriptor that came with a message; -1 if there were more than a frame may have. */
static int take_fds(struct msghdr *msg, struct passed *ret)
{
    int err = msg->msg_flags & MSG_CTRUNC ? -1 : 0;

    for (struct cmsghdr *h = CMSG_FIRSTHDR(msg); h; h = CMSG_NXTHDR(msg, h)) {
        size_t n = (h->cmsg_len - CMSG_LEN(0)) / sizeof(int);

        if (h->cmsg_level != SOL_SOCKET || h->cmsg_type != SCM_RIGHTS)
            continue;
        for (size_t i = 0; i < n; i++) {
            int fd;

            memcpy(&fd, CMSG_DATA(h) + i * sizeof fd, sizeof fd);
            if (ret->n < FRAME_FDS_MAX) {
                ret->fds[ret->n++] = fd;
            } else {
                close(fd);
                err = -1;
            }
        }
    }
    if (err)
        close_fds(ret);
    return err;
}

static ssize_t receive(struct chan *c, struct passed *ret_fds)
{
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(FRAME_FDS_MAX * sizeof(int))];
    } control;
    struct iovec iov = {c->in + c->in_len, c->in_cap - c->in_len};
    struct msghdr msg = {.msg_iov = &iov,
                         .msg_iovlen = 1,
                         .msg_control = control.bytes,
                         .msg_controllen = sizeof control.bytes};
    ssize_t n;

    ret_fds->n = 0;
    do {
        n = recvmsg(c->fd, &msg, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
    } while (n < 0 && errno == EINTR);
    if (n >= 0 && take_fds(&msg, ret_fds) != 0) {
        errno = EPROTO;
        return -1;
    }
    return n;
}

/* Where the last frame begins that has begun, whole or not. */
static int find_last(const struct chan *c, size_t *ret_last)
{
    size_t at = 0;

    *ret_last = 0;
    while (at < c->in_len) {
        size_t len;
        uint16_t type;

        *ret_last = at;
        if (c->in_len - at < FRAME_HEADER_LEN)
            break;
        if (check_header(c->in + at, c->o.max_payload, &len, &type) != 0)
            return ERR_PROTOCOL;
        if (c->in_len - at - FRAME_HEADER_LEN < len)
            break;
        at += FRAME_HEADER_LEN + len;
    }
    return 0;
}

/* One whole frame to its owner, who owns the descriptors from here. */
static int deliver(struct chan *c, const uint8_t *frame, uint16_t type, size_t len,
                   struct passed *fds)
{
    int n = fds->n, err;

    fds->n = 0;
    err = c->o.on_frame(c->o.arg, type, frame + FRAME_HEADER_LEN, len, n > 0 ? fds->fds : NULL, n);
    return err < 0 ? err : 0;
}

/* Hand over all whole frames. FRESH belongs to the one that begins at FRESH_AT. */
static int deliver_all(struct chan *c, struct passed *fresh, size_t fresh_at)
{
    size_t at = 0;
    int err = 0;

    while (!err && !done(c) && c->in_len - at >= FRAME_HEADER_LEN) {
        struct passed fds = {.n = 0};
        uint16_t type;
        size_t len;

        err = check_header(c->in + at, c->o.max_payload, &len, &type);
        if (err || c->in_len - at - FRAME_HEADER_LEN < len)
            break;
        if (at == 0) {
            fds = c->in_fds;
            c->in_fds.n = 0;
        }
        if (at == fresh_at && fresh->n > 0) {
            fds = *fresh;
            fresh->n = 0;
        }
        err = deliver(c, c->in + at, type, len, &fds);
        at += FRAME_HEADER_LEN + len;
    }
    c->in_len -= at;
    memmove(c->in, c->in + at, c->in_len);
    if (fresh->n > 0 && at == fresh_at) {
        c->in_fds = *fresh;
        fresh->n = 0;
    }
    return err;
}

/* What recvmsg() brought: N octets behind in_len, and descriptors. */
static int take(struct chan *c, size_t n, struct passed *fresh)
{
    size_t before = c->in_len, last;
    int err;

    c->in_len += n;
    err = find_last(c, &last);
    if (fresh->n > 0 && (err || last < before)) {
        close_fds(fresh); /* no frame begins there */
        return ERR_PROTOCOL;
    }
    /* A malformed header is met again, behind the good frames before it. */
    err = deliver_all(c, fresh, last);
    close_fds(fresh);
    return err;
}

static int end_of_file(const struct chan *c)
{
    return c->in_len > 0 ? ERR_PROTOCOL : ERR_CLOSED;
}

static int read_error(const struct chan *c)
{
    switch (errno) {
    case ECONNRESET:
        return ERR_CLOSED;
    case EPROTO:
        return ERR_PROTOCOL;
    default:
        return c->broken ? ERR_CLOSED : ERR_IO;
    }
}

static void read_some(struct chan *c)
{
    size_t total = 0;
    int err = 0;

    while (!err && !done(c) && total < READ_TURN_MAX) {
        struct passed fresh;
        ssize_t n;

        if (!room_in(c)) {
            err = ERR_NOMEM;
            break;
        }
        n = receive(c, &fresh);
        if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
            break;
        if (n <= 0) {
            err = n < 0 ? read_error(c) : end_of_file(c);
            break;
        }
        total += (size_t)n;
        err = take(c, (size_t)n, &fresh);
    }
    if (err)
        finish(c, err);
}

static void on_ready(void *arg, short revents)
{
    struct chan *c = arg;

    c->busy++;
    if (revents & (POLLIN | POLLHUP | POLLERR | POLLNVAL))
        read_some(c);
    if (!done(c))
        write_some(c);
    c->busy--;
    if (c->freed && c->busy == 0)
        destroy(c);
}

/* The public half */

struct chan *chan_new(struct loop *l, int fd, const struct chan_options *o)
{
    struct chan *c = calloc(1, sizeof *c);

    if (!c)
        return NULL;
    c->loop = l;
    c->fd = fd;
    c->o = *o;
    if (c->o.max_payload == 0 || c->o.max_payload > FRAME_PAYLOAD_MAX)
        c->o.max_payload = FRAME_PAYLOAD_MAX;
    if (c->o.max_queue == 0)
        c->o.max_queue = QUEUE_MAX;
    c->out_tail = &c->out;
    c->watch = loop_fd_add(l, fd, POLLIN, on_ready, c);
    if (!c->watch) {
        free(c);
        return NULL;
    }
    fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
    fcntl(fd, F_SETFD, FD_CLOEXEC);
    return c;
}

static int dup_fds(struct passed *dst, const int *fds, int n)
{
    while (dst->n < n) {
        int fd = fcntl(fds[dst->n], F_DUPFD_CLOEXEC, 0);

        if (fd < 0) {
            close_fds(dst);
            return err_errno(NULL, "dup");
        }
        dst->fds[dst->n++] = fd;
    }
    return 0;
}

static struct out *make_out(uint16_t type, const void *payload, size_t len)
{
    struct out *o = malloc(sizeof *o + FRAME_HEADER_LEN + len);

    if (!o)
        return NULL;
    *o = (struct out){.len = FRAME_HEADER_LEN + len};
    put_header(o->bytes, type, len);
    if (len > 0)
        memcpy(o->bytes + FRAME_HEADER_LEN, payload, len);
    return o;
}

int chan_send_fds(struct chan *c, uint16_t type, const void *payload, size_t len, const int *fds,
                  int nfds)
{
    bool idle = c->out == NULL;
    struct out *o;
    int err;

    if (c->broken || done(c))
        return ERR_CLOSED;
    if (len > FRAME_PAYLOAD_MAX || nfds < 0 || nfds > FRAME_FDS_MAX)
        return ERR_RANGE;
    if (c->out_len + FRAME_HEADER_LEN + len > c->o.max_queue)
        return ERR_FULL;
    o = make_out(type, payload, len);
    if (!o)
        return ERR_NOMEM;
    err = dup_fds(&o->fds, fds, nfds);
    if (err) {
        free(o);
        return err;
    }
    *c->out_tail = o;
    c->out_tail = &o->next;
    c->out_len += o->len;
    if (idle && !c->held)
        write_some(c);
    return c->broken ? ERR_CLOSED : 0;
}

void chan_hold(struct chan *c, bool hold)
{
    if (!c)
        return;
    c->held = hold;
    if (!hold && c->out && !c->broken && !done(c))
        write_some(c);
}

int chan_send(struct chan *c, uint16_t type, const void *payload, size_t len)
{
    return chan_send_fds(c, type, payload, len, NULL, 0);
}

size_t chan_queued(const struct chan *c)
{
    return c->out_len;
}

int chan_fd(const struct chan *c)
{
    return c->fd;
}

/* Blocking use */

/* Until FD is ready for EVENTS; DEADLINE < 0: as long as it takes. */
static int wait_for(int fd, short events, int64_t deadline_ms)
{
    for (;;) {
        struct pollfd p = {.fd = fd, .events = events};
        int64_t left = -1;
        int n;

        if (deadline_ms >= 0) {
            left = deadline_ms - clock_mono_ms();
            left = left < 0 ? 0 : left > 60000 ? 60000 : left;
        }
        n = poll(&p, 1, (int)left);
        if (n > 0)
            return 0;
        if (n < 0 && errno != EINTR)
            return ERR_IO;
        if (n == 0 && left == 0)
            return ERR_TIMEOUT;
    }
}

/* N octets, or ERR_CLOSED at an end of file before the first, ERR_PROTOCOL at a later one. Waits by
 * read() alone if there is no deadline and FD blocks: a confined evaluator has no poll(2). */
static int read_all(int fd, uint8_t *p, size_t n, int64_t deadline_ms)
{
    size_t got = 0;

    while (got < n) {
        int err = deadline_ms >= 0 ? wait_for(fd, POLLIN, deadline_ms) : 0;
        ssize_t r;

        if (err)
            return err;
        r = read(fd, p + got, n - got);
        if (r > 0)
            got += (size_t)r;
        else if (r == 0 || errno == ECONNRESET)
            return got > 0 ? ERR_PROTOCOL : ERR_CLOSED;
        else if (errno == EAGAIN || errno == EWOULDBLOCK)
            err = wait_for(fd, POLLIN, deadline_ms);
        else if (errno != EINTR)
            return ERR_IO;
        if (err)
            return err;
    }
    return 0;
}

static int read_frame(int fd, uint16_t *ret_type, struct buf *b, size_t max_payload,
                      int64_t deadline_ms)
{
    uint8_t header[FRAME_HEADER_LEN];
    uint16_t type;
    size_t left;
    int err;

    buf_clear(b);
    err = read_all(fd, header, sizeof header, deadline_ms);
    if (!err)
        err = check_header(header, max_payload ? max_payload : FRAME_PAYLOAD_MAX, &left, &type);
    while (!err && left > 0) {
        size_t step = left < READ_STEP ? left : READ_STEP;
        uint8_t *room = buf_append(b, step);

        if (!room)
            return b->err;
        err = read_all(fd, room, step, deadline_ms);
        if (err == ERR_CLOSED)
            err = ERR_PROTOCOL; /* within a frame */
        left -= step;
    }
    if (!err)
        *ret_type = type;
    return err;
}

int frame_read(int fd, uint16_t *ret_type, struct buf *b, size_t max_payload)
{
    return read_frame(fd, ret_type, b, max_payload, -1);
}

int frame_read_until(int fd, uint16_t *ret_type, struct buf *b, size_t max_payload,
                     int64_t deadline_mono_ms)
{
    return read_frame(fd, ret_type, b, max_payload, deadline_mono_ms < 0 ? 0 : deadline_mono_ms);
}

static int write_all(int fd, const uint8_t *p, size_t n)
{
    while (n > 0) {
        ssize_t w = write(fd, p, n);
        int err = 0;

        if (w >= 0) {
            p += w;
            n -= (size_t)w;
        } else if (errno == EPIPE || errno == ECONNRESET) {
            err = ERR_CLOSED;
        } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
            err = wait_for(fd, POLLOUT, -1);
        } else if (errno != EINTR) {
            err = ERR_IO;
        }
        if (err)
            return err;
    }
    return 0;
}

int frame_write(int fd, uint16_t type, const void *payload, size_t len)
{
    uint8_t head[FRAME_HEADER_LEN + SMALL_FRAME];
    size_t first = len < SMALL_FRAME ? len : SMALL_FRAME;
    int err;

    if (len > FRAME_PAYLOAD_MAX)
        return ERR_RANGE;
    put_header(head, type, len);
    if (first > 0)
        memcpy(head + FRAME_HEADER_LEN, payload, first);
    err = write_all(fd, head, FRAME_HEADER_LEN + first);
    if (!err && len > first)
        err = write_all(fd, (const uint8_t *)payload + first, len - first);
    return err;
}
