/* Frames of its children as the core takes them: a whole core in a thread, over a store of its own,
 * and the input says what poller, dispatcher, agent and evaluator write to it. Each input has
 * connections of its own, and the core hangs up on each in the end; it goes on itself.
 *
 * The input: frames, each a child (see `children'; bit 7: closed first, and connected anew), a
 * type, two octets of length, and the payload. */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"
#include "daemon/stage.h"
#include "eval/protocol.h"
#include "tests/fuzz/world.h"

enum { PATIENCE_MS = 20000, FRAMES_MAX = 64 };

static const enum stage_id children[] = {STAGE_POLLER, STAGE_DISPATCHER, STAGE_AGENT,
                                         STAGE_EVALUATOR};
enum { CHILDREN = sizeof children / sizeof *children };

/* Its parts are those of a real file; nothing in it is ever dialled, since no child is there. */
static const char config_text[] =
    "<snmpalertd xmlns='urn:snmpalertd:config'><store path='%s' mapSize='64MiB'/>"
    "<owners><owner name='alice'/></owners>"
    "<sources><http name='web' url='http://192.0.2.1/' interval='1d' readers='alice'/>"
    "<http name='own' owner='alice' url='http://192.0.2.1/' interval='1d'/></sources>"
    "<handlers><snmp name='traps' host='192.0.2.1'/><agentx name='master'/></handlers>"
    "<rows><definition name='hot' owner='alice'>"
    "<condition>_topic['web'].cpu &gt; 90</condition></definition>"
    "<definition name='cold' owner='alice'><condition>_topic['own'] == 1</condition></definition>"
    "<target name='ops' owner='alice' handler='traps' global='true'/>"
    "<target name='told' owner='alice' handler='master' global='true'/></rows></snmpalertd>";

static struct {
    struct stage_context stage;
    int parent; /* our end of its channel to the parent */
    pid_t gone; /* a child that has ended: whoever is sent a signal instead of an evaluator */
    bool running;
} core;
static int links[CHILDREN];

/* ---- the core's thread ---- */

static int on_parent_frame(void *arg, uint16_t type, const uint8_t *payload, size_t len,
                           const int *fds, int nfds)
{
    struct stage_context *s = arg;
    struct stage_link l;
    struct rd r;

    rd_init(&r, payload, len);
    REQUIRE(type == PARENT_LINK && stage_link_read(&l, &r) == 0 && nfds > 0 && s->on_link);
    s->on_link(s->arg, &l, fds[0], nfds > 1 ? fds[1] : -1);
    return 0;
}

static void on_parent_close(void *arg, int code)
{
    (void)arg, (void)code;
    REQUIRE(!"the parent's channel is closed");
}

static void *run_core(void *arg)
{
    (void)arg;
    core_main(&core.stage);
    REQUIRE(!"the core ended");
    return NULL;
}

/* ---- the parent's part ---- */

static char folder[32] = "/dev/shm/fuzz_core.XXXXXX";

static void make_folder(void)
{
    if (!mkdtemp(folder)) {
        snprintf(folder, sizeof folder, "/tmp/fuzz_core.XXXXXX");
        REQUIRE(mkdtemp(folder));
    }
}

static int config_fd(void)
{
    char path[64], text[2048];
    int fd = memfd_create("config", MFD_CLOEXEC), n;

    snprintf(path, sizeof path, "%s/store", folder);
    n = snprintf(text, sizeof text, config_text, path);
    REQUIRE(fd >= 0 && write(fd, text, (size_t)n) == n);
    return fd;
}

/* Reads frames of the core's until READY, and from then on whatever it tells. */
static void drain_parent(bool until_ready)
{
    struct buf b;
    uint16_t type = 0;

    buf_init(&b, FRAME_PAYLOAD_MAX);
    while (until_ready && type != STAGE_READY)
        REQUIRE(frame_read(core.parent, &type, &b, FRAME_PAYLOAD_MAX) == 0);
    buf_release(&b);
    if (!until_ready) {
        char rest[4096];

        while (recv(core.parent, rest, sizeof rest, MSG_DONTWAIT) > 0) {
        }
    }
}

static void start(void)
{
    struct chan_options o = {
        .on_frame = on_parent_frame, .on_close = on_parent_close, .arg = &core.stage};
    static const struct stage_options options;
    pthread_t thread;
    int ends[2];

    if (core.running)
        return;
    core.running = true;
    log_open("fuzz", LOG_LEVEL_ERROR);
    make_folder();
    core.gone = fork();
    REQUIRE(core.gone >= 0);
    if (core.gone == 0)
        _exit(0);
    for (size_t i = 0; i < CHILDREN; i++)
        links[i] = -1;
    REQUIRE(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
    core.parent = ends[1];
    core.stage.options = &options;
    core.stage.config.accepted = true;
    snprintf(core.stage.config.file, sizeof core.stage.config.file, "fuzz.xml");
    core.stage.config_fd = config_fd();
    core.stage.loop = loop_new();
    REQUIRE(core.stage.loop);
    core.stage.parent = chan_new(core.stage.loop, ends[0], &o);
    REQUIRE(core.stage.parent && pthread_create(&thread, NULL, run_core, NULL) == 0);
    drain_parent(true);
    world_remove(folder); /* mapped files stay while they are open */
}

/* A frame of the parent's, with descriptors. */
static void send_link(enum stage_id peer, pid_t pid, const int *fds, size_t nfds)
{
    struct stage_link l = {peer, pid};
    union {
        char octets[CMSG_SPACE(2 * sizeof(int))];
        struct cmsghdr align;
    } control = {{0}};
    struct buf b;
    struct iovec io;
    struct msghdr m = {.msg_iov = &io,
                       .msg_iovlen = 1,
                       .msg_control = control.octets,
                       .msg_controllen = CMSG_SPACE(nfds * sizeof(int))};
    struct cmsghdr *c;

    buf_init(&b, 256);
    buf_u32(&b, 0); /* of what follows the header */
    buf_u16(&b, PARENT_LINK);
    while (b.len < FRAME_HEADER_LEN)
        buf_u8(&b, 0);
    stage_link_write(&l, &b);
    put_u32(b.data, (uint32_t)(b.len - FRAME_HEADER_LEN));
    io = (struct iovec){b.data, b.len};
    c = CMSG_FIRSTHDR(&m);
    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(nfds * sizeof(int));
    memcpy(CMSG_DATA(c), fds, nfds * sizeof(int));
    REQUIRE(sendmsg(core.parent, &m, MSG_NOSIGNAL) == (ssize_t)b.len);
    buf_release(&b);
}

/* ---- a child ---- */

static int connect_child(enum stage_id peer)
{
    int ends[2], fds[2], pidfd = -1;

    REQUIRE(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
    fds[0] = ends[0];
    if (peer == STAGE_EVALUATOR) {
        pidfd = fds[1] = (int)syscall(SYS_pidfd_open, core.gone, 0);
        REQUIRE(pidfd >= 0);
    }
    send_link(peer, core.gone, fds, pidfd >= 0 ? 2 : 1);
    close(ends[0]);
    if (pidfd >= 0)
        close(pidfd);
    return ends[1];
}

/* Until the core has read all and hung up. */
static void hang_up(int *fd)
{
    char rest[4096];
    ssize_t n;

    if (*fd < 0)
        return;
    shutdown(*fd, SHUT_WR);
    do {
        struct pollfd p = {*fd, POLLIN, 0};
        int ready = poll(&p, 1, PATIENCE_MS);

        REQUIRE(ready == 1 || (ready < 0 && errno == EINTR)); /* libFuzzer has an alarm clock */
        n = recv(*fd, rest, sizeof rest, MSG_DONTWAIT);
    } while (n > 0 || (n < 0 && (errno == EAGAIN || errno == EINTR)));
    close(*fd);
    *fd = -1;
}

/* As much as the core takes; one that has hung up takes nothing. */
static void say(int fd, uint8_t type, struct slice payload)
{
    uint8_t header[FRAME_HEADER_LEN] = {0};
    char heard[4096];

    put_u32(header, (uint32_t)payload.len);
    header[5] = type;
    if (send(fd, header, sizeof header, MSG_NOSIGNAL | MSG_DONTWAIT) == sizeof header &&
        payload.len)
        (void)!send(fd, payload.data, payload.len, MSG_NOSIGNAL | MSG_DONTWAIT);
    while (recv(fd, heard, sizeof heard, MSG_DONTWAIT) > 0) {
    }
}

/* What begins a dialogue, and no fuzzer could guess: this build's name. */
static void greet(size_t child)
{
    struct buf b;

    if (children[child] != STAGE_EVALUATOR)
        return;
    buf_init(&b, 256);
    eval_put_hello(&b);
    say(links[child], EVAL_HELLO, (struct slice){b.data, b.len});
    buf_release(&b);
}

FUZZ_TARGET(core)
{
    start();
    for (int i = 0; size > 3 && i < FRAMES_MAX; i++) {
        uint8_t head = world_octet(&data, &size), type = world_octet(&data, &size);
        size_t child = head % CHILDREN, len = (size_t)world_octet(&data, &size) << 8;
        struct slice payload = world_take(&data, &size, len | world_octet(&data, &size));

        if (head & 0x80)
            hang_up(&links[child]);
        if (links[child] < 0) {
            links[child] = connect_child(children[child]);
            if (!(head & 0x40))
                greet(child);
        }
        say(links[child], type, payload);
    }
    for (size_t i = 0; i < CHILDREN; i++)
        hang_up(&links[i]);
    drain_parent(false);
    return 0;
}
