/* Notifications through a master agent that does what snmpd does not on demand. net-snmp has one
 * session a process: all tests share it, and the loop, with the core's end of a channel. */
#include "agent/notify.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <net-snmp/net-snmp-config.h>
#include <net-snmp/net-snmp-includes.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/log.h"
#include "tests/unit/agent/fakemaster.h"

enum {
    HANDLER = 3,
    PATIENCE_MS = 30000,
    ALARM_S = 300,
    FLOOD = 100000,
    IN_FLIGHT = 256,   /* as the core gives at a time */
    STOPPED_MS = 1000, /* for so long the master is stopped in the flood ... */
    TURN_MS = 500,     /* ... and no turn of the loop takes longer */
};

static struct {
    struct loop *loop;
    struct fakemaster *master;
    struct agent_notifier *notifier;
    struct agent_session *session;
    struct dispatcher *dispatcher;
    struct chan *core, *stage;
    bool connected, takes;
    uint64_t job; /* the last */
    size_t outcomes, delivered;
    struct outcome last;
    int64_t longest_turn_ms;
} w;
static char folder[] = "/tmp/snmpalert-notify-XXXXXX";

/* ---- the core's end ---- */

static int on_outcome(void *arg, uint16_t type, const uint8_t *payload, size_t len, const int *fds,
                      int nfds)
{
    struct err e;
    struct rd r;

    (void)arg, (void)fds;
    rd_init(&r, payload, len);
    assert_int_equal(type, DISPATCH_OUTCOME);
    assert_int_equal(nfds, 0);
    assert_int_equal(outcome_read(&w.last, &r, &e), 0);
    assert_int_equal(w.last.nrecipients, 0);
    w.outcomes++;
    w.delivered += w.last.result == OUTCOME_DELIVERED;
    if (w.last.result == OUTCOME_DELIVERED)
        assert_int_equal(w.last.confirmation, CONFIRM_HANDED_OFF);
    return 0;
}

static void on_close(void *arg, int code)
{
    (void)arg;
    fail_msg("a channel was closed: %s", err_name(code));
}

static void turn(void)
{
    int64_t began = clock_mono_ms(), took;

    assert_true(loop_turn(w.loop, 10) >= 0);
    took = clock_mono_ms() - began;
    if (took > w.longest_turn_ms)
        w.longest_turn_ms = took;
}

#define WAIT(condition)                                                                            \
    for (int64_t end_ms = clock_mono_ms() + PATIENCE_MS; !(condition); turn()) {                   \
        if (clock_mono_ms() > end_ms)                                                              \
            fail_msg("waited in vain for %s", #condition);                                         \
    }

static void tell(uint16_t type, const struct buf *b)
{
    assert_int_equal(b->err, 0);
    assert_int_equal(dispatcher_frame(w.dispatcher, type, b->data, b->len), 0);
}

static void send_handler(const char *context)
{
    struct dispatch_handler h = {.id = HANDLER, .owner = "admin", .name = "master"};
    const struct kind *k = dispatch_kind_agentx.kind;
    struct buf b;

    h.kind = k;
    assert_int_equal(values_set(&h.values, property_find(k->properties, k->nproperties, "context"),
                                context, NULL),
                     0);
    buf_init(&b, 4096);
    dispatch_handler_write(&h, &b);
    tell(DISPATCH_HANDLER, &b);
    buf_release(&b);
    values_release(&h.values);
}

static uint8_t full[] = "it is full";
static const struct job_varbind small = {.subids = {1, 12, 1, 17, 5, 'a', 'l', 'i', 'c', 'e', 4},
                                         .nsubids = 11,
                                         .syntax = SA_TEXT,
                                         .bytes = full,
                                         .len = sizeof full - 1};

static uint64_t send_list(struct job_event *events, size_t nevents)
{
    struct job j = {.id = ++w.job,
                    .handler = HANDLER,
                    .target_owner = "alice",
                    .target = "told",
                    .uuid = "6ba7b810-9dad-41d1-80b4-00c04fd430c8",
                    .events = events,
                    .nevents = nevents};
    struct buf b;

    for (size_t i = 0; i < nevents; i++) {
        events[i].notice_id = (uint32_t)(nevents - i);
        memcpy(events[i].uuid, j.uuid, sizeof j.uuid);
    }
    buf_init(&b, 4 << 20);
    job_write(&j, &b);
    tell(DISPATCH_JOB, &b);
    buf_release(&b);
    return j.id;
}

static uint64_t send_events(size_t nevents, const struct job_event *like)
{
    static struct job_event events[JOB_EVENTS_MAX];

    for (size_t i = 0; i < nevents; i++)
        events[i] = *like;
    return send_list(events, nevents);
}

static struct job_event event(uint8_t notification, struct job_varbind *varbinds, size_t n)
{
    return (struct job_event){.kind = KIND_RAISE,
                              .notification = notification,
                              .level = LEVEL_CRITICAL,
                              .previous_level = LEVEL_OK,
                              .owner = "alice",
                              .varbinds = varbinds,
                              .nvarbinds = n};
}

static uint64_t send_job(size_t nevents, uint8_t notification)
{
    struct job_varbind vb = small;
    struct job_event like = event(notification, &vb, 1);

    return send_events(nevents, &like);
}

/* With the longest names that there are: each part takes four octets (RFC 2741 section 5.1). */
static uint64_t send_large_job(void)
{
    enum { PARTS = 100, N = 10 };
    struct job_varbind many[N];
    struct job_event like = event(SA_ALERT_RAISED, many, N);

    for (size_t i = 0; i < N; i++) {
        many[i] = small;
        while (many[i].nsubids < PARTS)
            many[i].subids[many[i].nsubids++] = 'x';
    }
    return send_events(1, &like);
}

static void cancel_job(uint64_t id)
{
    struct buf b;

    buf_init(&b, 64);
    buf_u64(&b, id);
    tell(DISPATCH_CANCEL, &b);
    buf_release(&b);
}

static void assert_outcome(uint64_t job, enum outcome_result result, const char *words)
{
    WAIT(w.last.job == job);
    assert_int_equal(w.last.result, result);
    if (!strstr(w.last.error, words) || !*words != !*w.last.error)
        fail_msg("'%s' does not say '%s'", w.last.error, words);
}

/* ---- the tests ---- */

static int reset(void **state)
{
    (void)state;
    w.master->hold = false;
    w.master->error = 0;
    if (!w.master->pid)
        fakemaster_start(w.master);
    WAIT(w.connected);
    w.master->notifies = w.master->most = 0;
    w.outcomes = w.delivered = 0;
    w.longest_turn_ms = 0;
    send_handler("");
    return 0;
}

/* A varbind's name, as dotted numbers; returns where its value begins. */
static size_t name_at(size_t at, char *ret, size_t cap)
{
    const uint8_t *p = w.master->last + at + 4; /* type, reserved */
    uint32_t subid;
    size_t n = 0;

    ret[0] = '\0';
    if (p[1])
        n = (size_t)snprintf(ret, cap, ".1.3.6.1.%u", p[1]);
    for (size_t i = 0; i < p[0]; i++) {
        memcpy(&subid, p + 4 + 4 * i, 4); /* net-snmp sends in the order of the machine */
        n += (size_t)snprintf(ret + n, cap - n, ".%u", subid);
    }
    return at + 8 + 4 * (size_t)p[0];
}

/* RFC 2741 section 6.2.10: sysUpTime.0, snmpTrapOID.0, then the objects. */
static void test_a_notification_and_its_answer(void **state)
{
    char name[1024];
    size_t at;
    uint64_t job = send_job(1, SA_ALERT_RAISED);

    (void)state;
    assert_outcome(job, OUTCOME_DELIVERED, "");
    assert_int_equal(w.master->notifies, 1);
    assert_int_equal(w.master->last[2] & 0x10, 0); /* see name_at() */
    at = name_at(20, name, sizeof name);
    assert_string_equal(name, ".1.3.6.1.2.1.1.3.0");
    at = name_at(at + 4, name, sizeof name);
    assert_string_equal(name, ".1.3.6.1.6.3.1.1.4.1.0");
    assert_non_null(memmem(w.master->last + at, w.master->last_len - at, "it is full", 10));
}

static void test_a_context(void **state)
{
    (void)state;
    send_handler("alice");
    assert_outcome(send_job(1, SA_ALERT_RAISED), OUTCOME_DELIVERED, "");
    assert_int_equal(w.master->last[2] & 0x08, 0x08); /* NON_DEFAULT_CONTEXT */
    assert_memory_equal(w.master->last + 24, "alice", 5);
}

static void test_each_event_of_a_digest_is_a_notification(void **state)
{
    uint64_t job = send_job(JOB_EVENTS_MAX, SA_ALERT_RAISED);

    (void)state;
    assert_outcome(job, OUTCOME_DELIVERED, "");
    assert_int_equal(w.outcomes, 1);
    assert_int_equal(w.master->notifies, JOB_EVENTS_MAX);
    assert_in_range(w.master->most, 1, AGENT_NOTIFY_WINDOW);
}

/* A job has the newest first; receivers take what comes last for what is. */
static void test_the_newest_event_of_a_digest_goes_last(void **state)
{
    static uint8_t well[] = "it is well";
    struct job_varbind newer = small, older = small;
    struct job_event events[] = {event(SA_ALERT_CLEARED, &newer, 1),
                                 event(SA_ALERT_RAISED, &older, 1)};

    (void)state;
    newer.bytes = well;
    newer.len = sizeof well - 1;
    assert_outcome(send_list(events, 2), OUTCOME_DELIVERED, "");
    assert_int_equal(w.master->notifies, 2);
    assert_non_null(memmem(w.master->last, w.master->last_len, "it is well", 10));
}

static void test_what_no_notification_tells_fails(void **state)
{
    (void)state;
    assert_outcome(send_job(1, 0), OUTCOME_FAILED, "no SNMP notification");
    assert_int_equal(w.master->notifies, 0);
}

static void test_an_error_is_told_in_words(void **state)
{
    static const struct {
        int error;
        const char *words;
    } errors[] = {{268, "answered processingError (268, index 1)"},
                  {262, "unsupportedContext"},
                  {999, "an error (999"}};

    (void)state;
    for (size_t i = 0; i < sizeof errors / sizeof *errors; i++) {
        w.master->error = errors[i].error;
        assert_outcome(send_job(3, SA_ALERT_RAISED), OUTCOME_RETRY, errors[i].words);
    }
    assert_int_equal(w.master->notifies, 9);
}

/* The window, as the master sees it. */
static void test_so_many_are_without_an_answer(void **state)
{
    (void)state;
    w.master->hold = true;
    for (int i = 0; i < 2 * AGENT_NOTIFY_WINDOW; i++)
        send_job(2, SA_ALERT_RAISED);
    WAIT(w.master->unanswered == AGENT_NOTIFY_WINDOW);
    for (int i = 0; i < 20; i++)
        turn();
    assert_int_equal(w.master->notifies, AGENT_NOTIFY_WINDOW);
    assert_int_equal(w.outcomes, 0);
    w.master->hold = false;
    WAIT(w.outcomes == 2 * AGENT_NOTIFY_WINDOW);
    assert_int_equal(w.delivered, w.outcomes);
    assert_int_equal(w.master->notifies, 4 * AGENT_NOTIFY_WINDOW);
    assert_int_equal(w.master->most, AGENT_NOTIFY_WINDOW);
}

static void turn_for(int64_t ms)
{
    for (int64_t until = clock_mono_ms() + ms; clock_mono_ms() < until;)
        turn();
}

/* Large ones count by their octets, for a master that does not answer, ... */
static void test_so_many_octets_are_without_an_answer(void **state)
{
    enum { N = 3 * AGENT_NOTIFY_WINDOW };
    size_t most;

    (void)state;
    w.master->hold = true;
    for (int i = 0; i < N; i++)
        send_large_job();
    turn_for(300);
    most = w.master->unanswered;
    assert_in_range(w.master->last_len, 4000, 5000);
    assert_in_range(most * w.master->last_len, AGENT_NOTIFY_WINDOW_BYTES / 2,
                    AGENT_NOTIFY_WINDOW_BYTES + w.master->last_len);
    w.master->hold = false;
    WAIT(w.outcomes == N);
    assert_int_equal(w.delivered, N);
    assert_int_equal(w.master->most, most);
}

/* ... and none is written when the socket of one that does not read has no room. */
static void test_a_socket_without_room(void **state)
{
    enum { N = 3 * AGENT_NOTIFY_WINDOW, ROOM = 8 << 10 };
    netsnmp_session *session = agent_session_master(w.session);
    int fd = snmp_sess_transport(snmp_sess_pointer(session))->sock, status, room = ROOM;

    (void)state;
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &room, sizeof room), 0);
    assert_int_equal(kill(w.master->pid, SIGSTOP), 0);
    assert_int_equal(waitpid(w.master->pid, &status, WUNTRACED), w.master->pid);
    for (int i = 0; i < N; i++)
        send_large_job();
    turn_for(300);
    assert_int_equal(w.outcomes, 0);
    assert_in_range(w.longest_turn_ms, 0, TURN_MS);
    assert_int_equal(kill(w.master->pid, SIGCONT), 0);
    WAIT(w.outcomes == N);
    assert_int_equal(w.delivered, N);
    assert_in_range(w.master->most, 1, 2 * ROOM / w.master->last_len + 1);
    room = 208 << 10;
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &room, sizeof room), 0);
}

static void test_a_cancelled_job_is_not_sent(void **state)
{
    uint64_t sent, waiting;

    (void)state;
    w.master->hold = true;
    sent = send_job(AGENT_NOTIFY_WINDOW, SA_ALERT_RAISED);
    waiting = send_job(1, SA_ALERT_RAISED);
    WAIT(w.master->unanswered == AGENT_NOTIFY_WINDOW);
    cancel_job(sent);
    cancel_job(waiting);
    assert_outcome(waiting, OUTCOME_RETRY, "cancelled");
    w.master->hold = false;
    assert_outcome(sent, OUTCOME_DELIVERED, "");
    assert_int_equal(w.master->notifies, AGENT_NOTIFY_WINDOW);
}

/* What was for the last core flies on, for nobody, and still counts in the window. */
static void test_jobs_go_with_their_core(void **state)
{
    uint64_t job;

    (void)state;
    w.master->hold = true;
    for (int i = 0; i < AGENT_NOTIFY_WINDOW; i++)
        send_job(1, SA_ALERT_RAISED);
    WAIT(w.master->unanswered == AGENT_NOTIFY_WINDOW);
    cancel_job(w.job); /* on the wire: nothing to be done */
    dispatcher_set_core(w.dispatcher, w.stage);
    send_handler("");
    job = send_job(1, SA_ALERT_RAISED);
    for (int i = 0; i < 20; i++)
        turn();
    assert_int_equal(w.master->notifies, AGENT_NOTIFY_WINDOW);
    w.master->hold = false;
    WAIT(w.outcomes == AGENT_NOTIFY_WINDOW + 1);
    assert_int_equal(w.last.job, job);
    assert_int_equal(w.master->most, AGENT_NOTIFY_WINDOW);
}

/* 100,000 notifications, of a core that gives as many as it does, and a master that is stopped in
 * the middle of them: no write waits for it, nothing is lost, nothing comes twice. */
static void test_a_flood_and_a_stopped_master(void **state)
{
    size_t sent = 0, before;
    int64_t until;
    int status;

    (void)state;
    while (w.outcomes < FLOOD / 2) {
        while (sent < FLOOD && sent - w.outcomes < IN_FLIGHT)
            sent += send_job(1, SA_ALERT_RAISED) > 0;
        turn();
    }
    assert_int_equal(kill(w.master->pid, SIGSTOP), 0);
    assert_int_equal(waitpid(w.master->pid, &status, WUNTRACED), w.master->pid);
    assert_true(WIFSTOPPED(status));
    before = w.outcomes;
    for (until = clock_mono_ms() + STOPPED_MS; clock_mono_ms() < until; turn()) {
        while (sent < FLOOD && sent - w.outcomes < IN_FLIGHT)
            sent += send_job(1, SA_ALERT_RAISED) > 0;
    }
    assert_in_range(w.outcomes - before, 0, AGENT_NOTIFY_WINDOW); /* answered before it stopped */
    assert_in_range(w.longest_turn_ms, 0, TURN_MS);
    assert_int_equal(kill(w.master->pid, SIGCONT), 0);
    while (w.outcomes < FLOOD) {
        while (sent < FLOOD && sent - w.outcomes < IN_FLIGHT)
            sent += send_job(1, SA_ALERT_RAISED) > 0;
        before = w.outcomes;
        WAIT(w.outcomes > before);
    }
    assert_int_equal(w.delivered, FLOOD);
    assert_int_equal(w.master->notifies, FLOOD);
    assert_in_range(w.master->most, 1, AGENT_NOTIFY_WINDOW);
    assert_in_range(agent_notifier_most(w.notifier), 1, AGENT_NOTIFY_WINDOW);
}

/* One that is stopped for long keeps its session. What it has and does not answer is given up, it
 * is told of, and nothing more is written to it until it answers again. */
static void test_a_master_that_does_not_answer(void **state)
{
    uint64_t job;

    (void)state;
    assert_true(w.takes);
    agent_notifier_patience(w.notifier, 300);
    w.master->hold = true;
    for (int i = 0; i < AGENT_NOTIFY_WINDOW + 10; i++)
        send_job(1, SA_ALERT_RAISED);
    WAIT(w.outcomes == AGENT_NOTIFY_WINDOW + 10);
    assert_int_equal(w.delivered, 0);
    assert_outcome(w.job, OUTCOME_RETRY, "did not answer in time");
    assert_true(w.connected && !w.takes);
    assert_outcome(send_job(1, SA_ALERT_RAISED), OUTCOME_RETRY, "did not answer in time");
    assert_int_equal(w.master->notifies, AGENT_NOTIFY_WINDOW);
    agent_notifier_patience(w.notifier, AGENT_NOTIFY_ANSWER_MS);
    job = send_job(1, SA_ALERT_RAISED);
    w.master->hold = false;
    WAIT(w.takes);
    assert_outcome(job, OUTCOME_DELIVERED, "");
    assert_int_equal(w.master->notifies, AGENT_NOTIFY_WINDOW + 1);
    assert_int_equal(w.master->most, AGENT_NOTIFY_WINDOW);
}

static void test_a_master_that_ends(void **state)
{
    uint64_t job;

    (void)state;
    w.master->hold = true;
    for (int i = 0; i < 2 * AGENT_NOTIFY_WINDOW; i++)
        send_job(1, SA_ALERT_RAISED);
    WAIT(w.master->unanswered == AGENT_NOTIFY_WINDOW);
    fakemaster_end(w.master);
    WAIT(w.outcomes == 2 * AGENT_NOTIFY_WINDOW); /* those that were not sent, too */
    assert_int_equal(w.delivered, 0);
    assert_outcome(w.job, OUTCOME_RETRY, "went away before it answered");
    assert_non_null(strstr(w.last.error, w.master->path));
    assert_false(w.connected || w.takes);
    assert_outcome(send_job(1, SA_ALERT_RAISED), OUTCOME_RETRY, "there is no master agent");
    w.master->hold = false;
    fakemaster_start(w.master);
    WAIT(w.connected);
    job = send_job(1, SA_ALERT_RAISED);
    assert_outcome(job, OUTCOME_DELIVERED, "");
}

/* ---- life ---- */

static void on_takes(void *arg, bool takes)
{
    (void)arg;
    assert_true(takes != w.takes);
    w.takes = takes;
}

static void on_connected(void *arg)
{
    (void)arg;
    w.connected = true;
    agent_notifier_connected(w.notifier);
}

static void on_lost(void *arg)
{
    (void)arg;
    w.connected = false;
    agent_notifier_lost(w.notifier);
}

static int setup(void **state)
{
    static const struct dispatch_kind *const kinds[] = {&dispatch_kind_agentx};
    struct chan_options o = {.on_frame = on_outcome, .on_close = on_close};
    struct agent_session_options so = {.on_connected = on_connected, .on_lost = on_lost};
    char path[64];
    struct err e;
    int ends[2];

    (void)state;
    log_open("test", LOG_LEVEL_ERROR);
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/agentx", folder);
    w.master = fakemaster_new(path);
    fakemaster_start(w.master);
    w.loop = loop_new();
    assert_non_null(w.loop);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    w.core = chan_new(w.loop, ends[0], &o);
    w.stage = chan_new(w.loop, ends[1], &o);
    assert_true(w.core && w.stage);
    assert_int_equal(agent_notifier_new(&w.notifier, w.loop, on_takes, NULL, &e), 0);
    assert_int_equal(dispatcher_new(&w.dispatcher, w.loop, kinds, 1, w.notifier, &e), 0);
    dispatcher_set_core(w.dispatcher, w.stage);
    so.loop = w.loop;
    so.address = path;
    assert_int_equal(agent_session_new(&w.session, &so, &e), 0);
    agent_notifier_session(w.notifier, w.session);
    assert_int_equal(agent_session_start(w.session, &e), 0);
    return 0;
}

/* With notifications that nobody answered. */
static int teardown(void **state)
{
    (void)state;
    w.master->hold = true;
    send_handler("");
    for (int i = 0; i < 5; i++)
        send_job(1, SA_ALERT_RAISED);
    WAIT(w.master->unanswered == 5);
    dispatcher_free(w.dispatcher);
    agent_session_free(w.session);
    agent_notifier_free(w.notifier);
    chan_free(w.stage);
    chan_free(w.core);
    loop_free(w.loop);
    fakemaster_free(w.master);
    rmdir(folder);
    return 0;
}

#define TEST(name) cmocka_unit_test_setup(name, reset)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_a_notification_and_its_answer),
        TEST(test_a_context),
        TEST(test_each_event_of_a_digest_is_a_notification),
        TEST(test_the_newest_event_of_a_digest_goes_last),
        TEST(test_what_no_notification_tells_fails),
        TEST(test_an_error_is_told_in_words),
        TEST(test_so_many_are_without_an_answer),
        TEST(test_so_many_octets_are_without_an_answer),
        TEST(test_a_socket_without_room),
        TEST(test_a_cancelled_job_is_not_sent),
        TEST(test_jobs_go_with_their_core),
        TEST(test_a_flood_and_a_stopped_master),
        TEST(test_a_master_that_does_not_answer),
        TEST(test_a_master_that_ends),
    };

    alarm(ALARM_S); /* a write that waits for a stopped master waits for ever */
    return cmocka_run_group_tests(tests, setup, teardown);
}
