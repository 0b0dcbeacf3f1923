/* Links between stages when descriptors run out: said once, tried again, and nobody is left alone.
 */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "daemon/parent.h"

static struct loop *loop;
static struct parent parent;
static int64_t wall_ms = 1000, mono_ms = 1000;

/* The stages' side: what came, and the last socket of each peer. */
struct side {
    struct chan *chan;
    unsigned links;
    int fd;
    enum stage_id peer;
};
static struct side sides[STAGE_LAST + 1];

static int on_frame(void *arg, uint16_t type, const uint8_t *payload, size_t len, const int *fds,
                    int nfds)
{
    struct side *s = arg;
    struct stage_link l;
    struct rd r;

    if (type != PARENT_LINK)
        return 0; /* what the core is told of processes */
    assert_int_equal(nfds, 1);
    rd_init(&r, payload, len);
    assert_int_equal(stage_link_read(&l, &r), 0);
    s->links++;
    s->peer = l.peer;
    if (s->fd >= 0)
        close(s->fd);
    s->fd = fds[0];
    return 0;
}

static void run_stage(enum stage_id id)
{
    struct chan_options o = {.on_frame = on_frame, .arg = &sides[id]};
    struct child *c = &parent.children[id];
    int sv[2];

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv), 0);
    c->pid = 100 + (pid_t)id;
    c->chan = chan_new(loop, sv[0], &o);
    sides[id] = (struct side){.chan = chan_new(loop, sv[1], &o), .fd = -1};
    assert_non_null(c->chan);
    assert_non_null(sides[id].chan);
}

static int setup(void **state)
{
    (void)state;
    clock_fake(&wall_ms, &mono_ms);
    loop = loop_new();
    memset(&parent, 0, sizeof parent);
    parent.loop = loop;
    parent.relink = loop_timer_new(loop, link_all, &parent);
    for (unsigned i = STAGE_CORE; i <= STAGE_LAST; i++) {
        assert_int_equal(child_init(&parent.children[i], &parent, (enum stage_id)i), 0);
        sides[i] = (struct side){.fd = -1};
    }
    run_stage(STAGE_CORE);
    run_stage(STAGE_AGENT);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    for (unsigned i = STAGE_CORE; i <= STAGE_LAST; i++) {
        chan_free(parent.children[i].chan);
        chan_free(sides[i].chan);
        if (sides[i].fd >= 0)
            close(sides[i].fd);
    }
    loop_free(loop);
    clock_fake(NULL, NULL);
    return 0;
}

static void turn(void)
{
    for (unsigned i = 0; i < 8; i++)
        loop_turn(loop, 0);
}

/* Leaves so many descriptors; what the limit was comes back. */
static rlim_t use_up(unsigned spare)
{
    struct rlimit limit, low;
    int fd = 0;

    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    for (unsigned unused = 0; unused <= spare; fd++)
        unused += fcntl(fd, F_GETFD) < 0;
    low = (struct rlimit){(rlim_t)fd - 1, limit.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
    return limit.rlim_cur;
}

static void give_back(rlim_t limit)
{
    struct rlimit l;

    assert_int_equal(getrlimit(RLIMIT_NOFILE, &l), 0);
    l.rlim_cur = limit;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &l), 0);
}

/* Both have the ends of one pair. */
static void check_linked(void)
{
    struct side *core = &sides[STAGE_CORE], *agent = &sides[STAGE_AGENT];
    char c = 0;

    assert_true(parent.linked[0]);
    assert_int_equal(core->peer, STAGE_AGENT);
    assert_int_equal(agent->peer, STAGE_CORE);
    assert_int_equal(write(core->fd, "x", 1), 1);
    assert_int_equal(recv(agent->fd, &c, 1, MSG_DONTWAIT), 1);
    assert_int_equal(c, 'x');
}

static void two_that_run_are_linked_once(void **state)
{
    (void)state;
    link_all(&parent);
    link_all(&parent);
    turn();
    check_linked();
    assert_int_equal(sides[STAGE_CORE].links, 1);
    assert_int_equal(sides[STAGE_AGENT].links, 1);
    link_lost(&parent, STAGE_AGENT);
    link_all(&parent);
    turn();
    check_linked();
    assert_int_equal(sides[STAGE_CORE].links, 2);
}

/* With none, or with those of a pair but none to hand it over with. */
static void what_no_descriptor_was_there_for_is_linked_later(void **state)
{
    (void)state;
    for (unsigned spare = 0; spare < 3; spare++) {
        rlim_t limit;

        link_lost(&parent, STAGE_CORE);
        limit = use_up(spare);
        link_all(&parent);
        assert_false(parent.linked[0]);
        assert_true(parent.link_told);
        mono_ms += 1000;
        loop_turn(loop, 0); /* in vain again */
        assert_false(parent.linked[0]);
        give_back(limit);
        mono_ms += 1000;
        turn();
        check_linked();
        assert_false(parent.link_told);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(two_that_run_are_linked_once, setup, teardown),
        cmocka_unit_test_setup_teardown(what_no_descriptor_was_there_for_is_linked_later, setup,
                                        teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
