/* The core as a process, with a parent, a poller, a dispatcher and an agent that the test plays:
 * what a reload tells whom, what it leaves alone, and who gets what is to be delivered. */
#include "tests/unit/alerts/fixture.h"

#include <errno.h>
#include <ftw.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "alerts/notice.h"
#include "base/clock.h"
#include "daemon/kinds.h"
#include "daemon/stage.h"
#include "dispatch/dispatch.h"
#include "poll/poll.h"
#include "store/set.h"
#include "store/view.h"

enum { DEADLINE_MS = 20000, LOG_MAX = 16 << 10 };
enum { POLLER, DISPATCHER, AGENT, RUNNER, PARENT, PEERS };

struct play {
    char folder[64];
    struct loop *loop;
    struct chan *parent, *poller, *dispatcher, *agent,
        *runner; /* a runner only where it is wanted */
    pid_t core;
    struct world w; /* its store, seen by another process */
    bool ready, runs;
    /* What came, a word or two each: "source 1 router;". Nothing orders one channel's frames by
     * those of another. */
    char log[PEERS][LOG_MAX], all[PEERS * LOG_MAX];
    size_t log_len[PEERS];
    char why[1024];      /* of the last STAGE_RELOADED */
    const char *refused; /* what a core is told at its start */
    uint64_t jobs[512];
    size_t njobs;
};

/* ---- what the core says ---- */

static void note(struct play *p, int peer, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

static void note(struct play *p, int peer, const char *fmt, ...)
{
    size_t *len = &p->log_len[peer];
    va_list ap;
    int n;

    va_start(ap, fmt);
    n = vsnprintf(p->log[peer] + *len, LOG_MAX - *len, fmt, ap);
    va_end(ap);
    assert_true(n >= 0 && *len + (size_t)n < LOG_MAX);
    *len += (size_t)n;
}

static const char *all_said(struct play *p)
{
    snprintf(p->all, sizeof p->all, "%s%s%s%s%s", p->log[POLLER], p->log[DISPATCHER], p->log[AGENT],
             p->log[RUNNER], p->log[PARENT]);
    return p->all;
}

static int from_core(void *arg, uint16_t type, const uint8_t *payload, size_t len, const int *fds,
                     int nfds)
{
    struct play *p = arg;
    bool accepted;
    struct rd r;

    for (int i = 0; i < nfds; i++)
        close(fds[i]);
    rd_init(&r, payload, len);
    if (type == STAGE_READY)
        p->ready = true;
    if (type == STAGE_RELOAD_WANTED)
        note(p, PARENT, "wanted;");
    if (type == STAGE_AGENT_WANTED)
        note(p, PARENT, rd_u8(&r) ? "agent;" : "no agent;");
    if (type == STAGE_RUNNER_WANTED && p->runs != rd_u8(&r)) {
        p->runs = !p->runs;
        note(p, PARENT, p->runs ? "runner;" : "no runner;");
    }
    if (type == STAGE_RELOADED) {
        assert_int_equal(stage_answer_read(&r, &accepted, p->why, sizeof p->why), 0);
        note(p, PARENT, "%s", accepted ? "accepted;" : "refused;");
    }
    return 0;
}

static int to_poller(void *arg, uint16_t type, const uint8_t *payload, size_t len, const int *fds,
                     int nfds)
{
    struct play *p = arg;
    struct poll_source s;
    struct err e;
    struct rd r;

    (void)fds;
    (void)nfds;
    rd_init(&r, payload, len);
    if (type == POLL_SOURCE_GONE) {
        note(p, POLLER, "source %u gone;", rd_u32(&r));
        return 0;
    }
    assert_int_equal(type, POLL_SOURCE);
    assert_int_equal(poll_source_read(&s, &daemon_kinds, &r, &e), 0);
    note(p, POLLER, "source %u %s %u;", s.id, s.name, s.interval_ms);
    poll_source_release(&s);
    return 0;
}

/* Overrides are looked at by nobody here. */
static const struct kind *no_kind(void *arg, uint32_t handler)
{
    (void)arg;
    (void)handler;
    return NULL;
}

static int to_deliver(struct play *p, int peer, uint16_t type, const uint8_t *payload, size_t len)
{
    struct dispatch_engine engine;
    struct dispatch_handler h;
    struct job j;
    struct err e;
    struct rd r;

    rd_init(&r, payload, len);
    if (type == DISPATCH_HANDLER_GONE) {
        note(p, peer, "handler %u gone;", rd_u32(&r));
    } else if (type == DISPATCH_JOB) {
        assert_int_equal(job_read(&j, no_kind, NULL, &r, &e), 0);
        note(p, peer, "job to %u;", j.handler);
        p->jobs[p->njobs++ % COUNT(p->jobs)] = j.id;
        job_release(&j);
    } else if (type == DISPATCH_ENGINE) {
        assert_int_equal(peer, DISPATCHER);
        assert_int_equal(dispatch_engine_read(&engine, &r, &e), 0);
    } else {
        assert_true(type == DISPATCH_HANDLER || type == DISPATCH_HANDLER_CHANGED);
        assert_int_equal(dispatch_handler_read(&h, &daemon_kinds, &r, &e), 0);
        note(p, peer, "handler %u %s;", h.id, h.name);
        dispatch_handler_release(&h);
    }
    return 0;
}

static int to_dispatcher(void *arg, uint16_t type, const uint8_t *payload, size_t len,
                         const int *fds, int nfds)
{
    (void)fds;
    (void)nfds;
    return to_deliver(arg, DISPATCHER, type, payload, len);
}

static int to_runner(void *arg, uint16_t type, const uint8_t *payload, size_t len, const int *fds,
                     int nfds)
{
    (void)fds;
    (void)nfds;
    return to_deliver(arg, RUNNER, type, payload, len);
}

static int to_agent(void *arg, uint16_t type, const uint8_t *payload, size_t len, const int *fds,
                    int nfds)
{
    char path[128], address[128];
    struct rd r;

    (void)fds;
    (void)nfds;
    if (type != CORE_AGENT_CONFIG)
        return to_deliver(arg, AGENT, type, payload, len);
    rd_init(&r, payload, len);
    rd_str(&r, path, sizeof path);
    rd_u64(&r);
    rd_str(&r, address, sizeof address);
    assert_int_equal(rd_u8(&r), true);
    assert_int_equal(rd_u8(&r), true);
    assert_int_equal(rd_end(&r), 0);
    note(arg, AGENT, "master %s;", address);
    return 0;
}

static void on_close(void *arg, int code)
{
    (void)arg;
    fail_msg("the core closed a channel: %s", err_name(code));
}

/* ---- waiting ---- */

static void wait_until(struct play *p, bool (*is)(struct play *p, const void *arg), const void *arg,
                       const char *what)
{
    int64_t end = clock_mono_ms() + DEADLINE_MS;

    while (!is(p, arg)) {
        if (clock_mono_ms() > end)
            fail_msg("waited in vain for %s; log: %s (%s)", what, all_said(p), p->why);
        loop_turn(p->loop, 20);
    }
}

static bool is_ready(struct play *p, const void *arg)
{
    (void)arg;
    return p->ready;
}

static bool is_said(struct play *p, const void *words)
{
    return strstr(all_said(p), words);
}

static void forget(struct play *p)
{
    for (int i = 0; i < PEERS; i++) {
        p->log_len[i] = 0;
        p->log[i][0] = 0;
    }
}

static void wait_said(struct play *p, const char *words)
{
    wait_until(p, is_said, words, words);
}

/* ---- the parent ---- */

static int text_fd(const char *text)
{
    int fd = memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    size_t n = strlen(text);

    assert_true(fd >= 0 && write(fd, text, n) == (ssize_t)n);
    return fd;
}

static void send_config(struct play *p, const char *text, const char *error)
{
    struct stage_config c = {.accepted = text != NULL};
    int fd = text ? text_fd(text) : -1;
    struct buf b;

    snprintf(c.file, sizeof c.file, "the.xml");
    snprintf(c.error, sizeof c.error, "%s", error);
    buf_init(&b, 8192);
    stage_config_write(&c, &b);
    assert_int_equal(chan_send_fds(p->parent, PARENT_CONFIG, b.data, b.len, &fd, text ? 1 : 0), 0);
    buf_release(&b);
    if (fd >= 0)
        close(fd);
}

static struct chan *channel(struct play *p, int fd,
                            int (*on_frame)(void *, uint16_t, const uint8_t *, size_t, const int *,
                                            int))
{
    struct chan_options o = {.on_frame = on_frame, .on_close = on_close, .arg = p};
    struct chan *c = chan_new(p->loop, fd, &o);

    assert_non_null(c);
    return c;
}

static struct chan *link_with(struct play *p, enum stage_id s,
                              int (*on_frame)(void *, uint16_t, const uint8_t *, size_t,
                                              const int *, int))
{
    struct stage_link l = {s, getpid()};
    struct buf b;
    int sv[2];

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv), 0);
    buf_init(&b, 64);
    stage_link_write(&l, &b);
    assert_int_equal(chan_send_fds(p->parent, PARENT_LINK, b.data, b.len, &sv[1], 1), 0);
    buf_release(&b);
    close(sv[1]);
    return channel(p, sv[0], on_frame);
}

static void core_process(int fd)
{
    static const struct stage_options options = {.evaluator = "", .unconfined = true};

    if (fd != STAGE_PARENT_FD && dup2(fd, STAGE_PARENT_FD) < 0)
        _exit(99);
    _exit(stage_main(STAGE_CORE, &options));
}

static void start_core(struct play *p, const char *text)
{
    int sv[2];

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv), 0);
    p->core = fork();
    assert_true(p->core >= 0);
    if (!p->core)
        core_process(sv[1]);
    close(sv[1]);
    p->ready = false;
    p->parent = channel(p, sv[0], from_core);
    send_config(p, text, p->refused ? p->refused : "");
    wait_until(p, is_ready, NULL, "the core");
    p->poller = link_with(p, STAGE_POLLER, to_poller);
    p->dispatcher = link_with(p, STAGE_DISPATCHER, to_dispatcher);
    p->agent = link_with(p, STAGE_AGENT, to_agent);
}

static int end_core(struct play *p, int signo)
{
    int status;

    kill(p->core, signo);
    while (waitpid(p->core, &status, 0) < 0)
        assert_int_equal(errno, EINTR);
    chan_free(p->parent);
    chan_free(p->poller);
    chan_free(p->dispatcher);
    chan_free(p->agent);
    chan_free(p->runner);
    p->runner = NULL;
    p->core = 0;
    return status;
}

/* ---- files ---- */

#define HEAD                                                                                       \
    "<snmpalertd xmlns='urn:snmpalertd:config'>\n"                                                 \
    "<store path='%s' mapSize='256MiB'/>\n"
#define ALICE   "<owners><owner name='alice'/></owners>\n"
#define ROUTER  "<http name='router' url='http://127.0.0.1:1/r' interval='1s' readers='alice'/>\n"
#define ROUTER2 "<http name='router' url='http://127.0.0.1:1/r' interval='2s' readers='alice'/>\n"
#define UNREAD  "<http name='router' url='http://127.0.0.1:1/r' interval='1s'/>\n"
#define SWITCH  "<http name='switch' url='http://127.0.0.1:1/s' interval='1s' readers='*'/>\n"
#define TRAPS   "<snmp name='traps' host='127.0.0.1' community='secret'/>\n"
#define TRAPS2  "<snmp name='traps' host='127.0.0.2' community='secret'/>\n"
#define MORE    "<snmp name='more' host='127.0.0.1'/>\n"
#define MASTER  "<agentx name='master'/>\n"
#define TARGET(handler)                                                                            \
    "<rows><target owner='alice' name='ops' handler='" handler "' override='yes'/></rows>"
#define FILE_OF(sources, handlers, rows)                                                           \
    HEAD ALICE "<sources>" sources "</sources><handlers>" handlers "</handlers>" rows              \
               "</snmpalertd>\n"

static const char *in_folder(struct play *p, const char *xml)
{
    static char text[1 << 16];
    const char *at = strstr(xml, "%s");

    assert_non_null(at);
    snprintf(text, sizeof text, "%.*s%s%s", (int)(at - xml), xml, p->folder, at + 2);
    return text;
}

static int setup(void **state)
{
    struct play *p = calloc(1, sizeof *p);

    assert_non_null(p);
    snprintf(p->folder, sizeof p->folder, "/tmp/sa-reload-XXXXXX");
    assert_non_null(mkdtemp(p->folder));
    p->loop = loop_new();
    assert_non_null(p->loop);
    *state = p;
    return 0;
}

static void see_store(struct play *p)
{
    struct store_options o = {.path = p->folder, .map_bytes = 256 << 20};
    struct err e;

    if (store_open(&p->w.store, &o, &e))
        fail_msg("%s", e.text);
}

/* The core works, and has told what the file holds. */
static void play(struct play *p, const char *xml)
{
    start_core(p, in_folder(p, xml));
    if (!p->w.store)
        see_store(p);
    wait_said(p, "source 1");
    wait_said(p, "handler 1");
    if (strstr(xml, MORE))
        wait_said(p, "handler 2 more;");
    if (strstr(xml, MASTER))
        wait_said(p, "handler 2 master;");
    wait_said(p, "master ");
    forget(p);
}

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *f)
{
    (void)st;
    (void)type;
    (void)f;
    return remove(path);
}

static int teardown(void **state)
{
    struct play *p = *state;

    if (p->core)
        end_core(p, SIGKILL);
    store_close(p->w.store);
    loop_free(p->loop);
    nftw(p->folder, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
    free(p);
    return 0;
}

/* What was sent before the answer is there when it is, but may not have been read. */
static void reload(struct play *p, const char *xml)
{
    forget(p);
    send_config(p, in_folder(p, xml), "");
    wait_said(p, "ed;");
    loop_turn(p->loop, 0);
}

static void must_accept(struct play *p, const char *xml)
{
    reload(p, xml);
    if (!strstr(all_said(p), "accepted;"))
        fail_msg("refused: %s", p->why);
    assert_string_equal(p->why, "");
}

/* ---- what managers read ---- */

static int64_t read_cell(struct play *p, unsigned table, struct key k, unsigned column)
{
    struct txn *t = txn_begin(p->w.store, TXN_READ);
    int64_t v = cell_of(t, table, k, column);

    txn_abort(t);
    return v;
}

static const char *read_text(struct play *p, unsigned table, struct key k, unsigned column)
{
    struct txn *t = txn_begin(p->w.store, TXN_READ);
    const char *v = text_of(t, table, k, column);

    txn_abort(t);
    return v;
}

static bool there(struct play *p, unsigned table, struct key k)
{
    struct txn *t = txn_begin(p->w.store, TXN_READ);
    bool yes = is_there(t, table, k);

    txn_abort(t);
    return yes;
}

static struct key system_key(void)
{
    struct key k;

    key_init(&k);
    key_u32(&k, 0);
    return k;
}

/* The number of changes that were ever told. */
static uint64_t changes_told(struct play *p)
{
    struct txn *t = txn_begin(p->w.store, TXN_READ);
    uint64_t seq = changes_consumed(t);
    struct change ch;

    while (!changes_next(t, seq, &ch))
        seq = ch.seq;
    txn_abort(t);
    return seq;
}

/* The id of the topic's row under OWNER, 0: none. */
static uint32_t topic_row(struct play *p, const char *owner, const char *name)
{
    struct txn *t = txn_begin(p->w.store, TXN_READ);
    struct key prefix = key_of_name(owner);
    uint32_t found = 0;
    struct cursor cur;
    struct row r;

    for (cursor_first(&cur, t, sa_table_by_id(SA_TOPIC), &prefix); cursor_row(&cur, &r);
         cursor_next(&cur)) {
        char who[33], text[256];
        size_t pos = 0;
        uint32_t id;

        if (key_read_name(&r.key, &pos, who) && key_read_u32(&r.key, &pos, &id) &&
            !strcmp(row_str(&r, TOPIC_NAME, text, sizeof text), name))
            found = id;
    }
    cursor_close(&cur);
    txn_abort(t);
    return found;
}

struct seen {
    const char *owner, *name;
    bool there;
};

static bool topic_seen(struct play *p, const void *arg)
{
    const struct seen *s = arg;

    return (topic_row(p, s->owner, s->name) != 0) == s->there;
}

static void wait_topic(struct play *p, const char *owner, const char *name, bool shall)
{
    struct seen s = {owner, name, shall};

    wait_until(p, topic_seen, &s, name);
}

/* ---- what the poller and the dispatcher say ---- */

static void sample(struct play *p, uint32_t source, const char *topic)
{
    static const char json[] = "{\"load\": 5}";
    struct poll_sample s = {.source = source,
                            .wall_ms = clock_wall_ms(),
                            .mono_ms = clock_mono_ms(),
                            .json = {(const uint8_t *)json, sizeof json - 1}};
    struct poll_status status = {.source = source, .status = STATUS_UP, .wall_ms = s.wall_ms};
    struct buf b;

    snprintf(s.topic, sizeof s.topic, "%s", topic);
    buf_init(&b, 4096);
    poll_sample_write(&s, &b);
    assert_int_equal(chan_send(p->poller, POLL_SAMPLE, b.data, b.len), 0);
    buf_clear(&b);
    poll_status_write(&status, &b);
    assert_int_equal(chan_send(p->poller, POLL_STATUS, b.data, b.len), 0);
    buf_release(&b);
}

static void answer_by(struct chan *who, uint64_t job, enum outcome_result result)
{
    struct outcome o = {.job = job, .result = (uint8_t)result, .confirmation = CONFIRM_HANDED_OFF};
    struct buf b;

    snprintf(o.error, sizeof o.error, "%s", result == OUTCOME_DELIVERED ? "" : "no");
    buf_init(&b, 4096);
    outcome_write(&o, &b);
    assert_int_equal(chan_send(who, DISPATCH_OUTCOME, b.data, b.len), 0);
    buf_release(&b);
}

static void answer(struct play *p, uint64_t job, enum outcome_result result)
{
    answer_by(p->dispatcher, job, result);
}

static void master_is(struct play *p, bool there)
{
    uint8_t payload = there;

    assert_int_equal(chan_send(p->agent, CORE_AGENT_MASTER, &payload, sizeof payload), 0);
}

/* What a manager's SET does, and the agent. */
static int manager_sets(struct play *p, unsigned table, unsigned column, struct key k,
                        int64_t number)
{
    struct set *x = set_new(p->w.store, SET_SNMP);
    struct set_value v = {.type = SET_INT32, .number = number};
    struct slice key = key_slice(&k);
    uint32_t subids[128];
    size_t n = view_oid(sa_table_by_id(table), column, &key, subids, 128);
    struct err e;
    int tag, err = set_add(x, 1, subids, n, &v, &e);

    if (!err)
        err = set_check(x, &tag, &e);
    if (!err)
        err = set_commit(x, &tag, &e);
    set_free(x);
    if (!err)
        assert_int_equal(chan_send(p->agent, CORE_AGENT_SET, NULL, 0), 0);
    return err;
}

struct wanted_cell {
    unsigned table, column;
    struct key key;
    int64_t value;
};

static bool cell_is(struct play *p, const void *arg)
{
    const struct wanted_cell *c = arg;

    return read_cell(p, c->table, c->key, c->column) == c->value;
}

static void wait_cell(struct play *p, unsigned table, struct key k, unsigned column, int64_t value)
{
    struct wanted_cell c = {table, column, k, value};

    wait_until(p, cell_is, &c, "a cell");
}

/* ---- the tests ---- */

static void test_an_unchanged_file_tells_nobody(void **state)
{
    static const char file[] =
        FILE_OF(ROUTER SWITCH, TRAPS,
                "<rows><definition owner='alice' name='d' condition='false'/>"
                "<target owner='alice' name='ops' handler='traps'/></rows>");
    struct play *p = *state;
    uint64_t told;

    play(p, file);
    sample(p, 1, "router");
    wait_topic(p, "alice", "router", true);
    told = changes_told(p);
    must_accept(p, file);
    assert_string_equal(all_said(p), "accepted;");
    assert_int_equal(changes_told(p), told);
    /* The default said in words is no change either. */
    must_accept(p, FILE_OF(ROUTER SWITCH,
                           "<snmp name='traps' host='127.0.0.1' port='162' community='secret'/>",
                           "<rows><definition owner='alice' name='d' condition='false'/>"
                           "<target owner='alice' name='ops' handler='traps'/></rows>"));
    assert_string_equal(all_said(p), "accepted;");
    assert_int_equal(topic_row(p, "alice", "router") != 0, 1);
}

static void test_what_is_new_changed_and_gone(void **state)
{
    struct play *p = *state;
    struct key router = key_of_names("admin", "router"), sw = key_of_names("admin", "switch");

    play(p, FILE_OF(ROUTER, TRAPS MORE, ""));
    must_accept(p, FILE_OF(ROUTER2 SWITCH, TRAPS2 MORE, ""));
    assert_string_equal(all_said(p), "source 1 router 2000;source 2 switch 1000;handler 1 traps;"
                                     "accepted;");
    assert_int_equal(read_cell(p, SA_SOURCE, router, SOURCE_INTERVAL), 2000);
    sample(p, 1, "router");
    sample(p, 2, "switch");
    wait_topic(p, "alice", "router", true);
    wait_topic(p, "alice", "switch", true);
    wait_cell(p, SA_SOURCE, router, SOURCE_SAMPLES, 1);
    must_accept(p, FILE_OF(SWITCH, TRAPS2, ""));
    assert_string_equal(all_said(p), "source 1 gone;handler 2 gone;accepted;");
    assert_false(there(p, SA_SOURCE, router));
    wait_topic(p, "alice", "router", false);
    assert_true(topic_row(p, "alice", "switch"));
    /* What was still on its way is no harm. */
    sample(p, 1, "router");
    sample(p, 2, "switch");
    wait_cell(p, SA_SOURCE, sw, SOURCE_SAMPLES, 2);
    assert_int_equal(topic_row(p, "alice", "router"), 0);
    /* One that comes back is a new one, and has nothing of the old one's. */
    must_accept(p, FILE_OF(SWITCH ROUTER, MORE TRAPS2, ""));
    assert_string_equal(all_said(p), "source 3 router 1000;handler 3 more;accepted;");
    assert_int_equal(read_cell(p, SA_SOURCE, router, SOURCE_SAMPLES), 0);
    assert_int_equal(read_cell(p, SA_SOURCE, sw, SOURCE_SAMPLES), 2);
}

static void test_a_poller_that_comes_later_gets_what_is_in_force(void **state)
{
    struct play *p = *state;

    play(p, FILE_OF(ROUTER SWITCH, TRAPS, ""));
    must_accept(p, FILE_OF(SWITCH, MORE, ""));
    forget(p);
    chan_free(p->poller);
    p->poller = link_with(p, STAGE_POLLER, to_poller);
    wait_said(p, "source 2 switch 1000;");
    chan_free(p->dispatcher);
    p->dispatcher = link_with(p, STAGE_DISPATCHER, to_dispatcher);
    wait_said(p, "handler 2 more;");
    assert_string_equal(all_said(p), "source 2 switch 1000;handler 2 more;");
}

static void test_other_readers_see_the_same_topics(void **state)
{
    struct play *p = *state;
    uint32_t row;

    play(p, FILE_OF(ROUTER SWITCH, TRAPS, ""));
    sample(p, 1, "router");
    sample(p, 2, "switch");
    wait_topic(p, "alice", "router", true);
    wait_topic(p, "alice", "switch", true);
    row = topic_row(p, "admin", "router");
    must_accept(p, FILE_OF(UNREAD SWITCH, TRAPS, ""));
    assert_string_equal(all_said(p), "accepted;"); /* none of the poller's business */
    wait_topic(p, "alice", "router", false);
    assert_int_equal(topic_row(p, "admin", "router"), row);
    must_accept(p, HEAD
                "<owners><owner name='bob'/><owner name='alice'/></owners><sources>" ROUTER SWITCH
                "</sources><handlers>" TRAPS "</handlers></snmpalertd>");
    wait_topic(p, "alice", "router", true);
    wait_topic(p, "bob", "switch", true);
    assert_int_equal(topic_row(p, "alice", "router"), row);
    assert_int_equal(topic_row(p, "bob", "router"), 0);
    must_accept(p, HEAD "<sources>" UNREAD SWITCH "</sources><handlers>" TRAPS
                        "</handlers></snmpalertd>");
    wait_topic(p, "bob", "switch", false);
    wait_topic(p, "alice", "router", false);
    assert_int_equal(topic_row(p, "admin", "router"), row);
}

static bool is_settled(struct play *p, const void *arg)
{
    struct txn *t = txn_begin(p->w.store, TXN_READ);
    struct change ch;
    bool settled = changes_next(t, changes_consumed(t), &ch) == ERR_NOTFOUND;

    (void)arg;
    txn_abort(t);
    return settled;
}

/* A hash of all that is durable, without what the daemon tells of itself. */
static uint64_t all_but_system(struct play *p)
{
    static const char *const dbs[] = {"defService",  "defGroups",    "globals",
                                      "serviceDefs", "targetGroups", "ownerDefs"};
    struct key k = system_key();
    struct txn *t = begin(&p->w);
    uint64_t hash;

    assert_int_equal(row_delete(t, sa_table_by_id(SA_SYSTEM), &k), 0);
    hash = dump(t, dbs, COUNT(dbs));
    txn_abort(t);
    return hash;
}

static void must_refuse(struct play *p, const char *xml, const char *words)
{
    struct key sys = system_key();
    uint64_t before, told;

    wait_until(p, is_settled, NULL, "the core to take in what the file changed");
    before = all_but_system(p);
    told = changes_told(p);
    reload(p, xml);
    assert_string_equal(all_said(p), "refused;");
    if (!strstr(p->why, words) || strncmp(p->why, "the.xml", 7))
        fail_msg("said '%s', not '%s'", p->why, words);
    assert_int_equal(read_cell(p, SA_SYSTEM, sys, SYSTEM_CONFIG_STATUS), 2);
    assert_string_equal(read_text(p, SA_SYSTEM, sys, SYSTEM_CONFIG_ERROR), p->why);
    assert_int_equal(changes_told(p), told);
    assert_true(all_but_system(p) == before);
    must_accept(p, FILE_OF(ROUTER, TRAPS, TARGET("traps")));
    assert_string_equal(all_said(p), "accepted;");
    assert_int_equal(read_cell(p, SA_SYSTEM, sys, SYSTEM_CONFIG_STATUS), 1);
    assert_string_equal(read_text(p, SA_SYSTEM, sys, SYSTEM_CONFIG_ERROR), "");
}

static void test_a_refused_file_changes_nothing(void **state)
{
    struct play *p = *state;

    play(p, FILE_OF(ROUTER, TRAPS, TARGET("traps")));
    must_refuse(p, HEAD "\n<nonsense/></snmpalertd>", "the.xml:4: ");
    /* Everything before the last row is good, and has been written when that is looked at. */
    must_refuse(p,
                FILE_OF(ROUTER2 SWITCH, TRAPS2 MORE,
                        "<rows><script owner='alice' name='s'/>"
                        "<definition owner='alice' name='d' condition='true'/>\n"
                        "<groupTarget owner='alice' group='none' target='ops'/></rows>"),
                "owner alice has no group 'none'");
    assert_false(there(p, SA_SOURCE, key_of_names("admin", "switch")));
    assert_false(there(p, SA_DEFINITION, key_of_names("alice", "d")));
    assert_false(there(p, SA_SCRIPT, key_of_names("alice", "s")));
    assert_int_equal(read_cell(p, SA_SOURCE, key_of_names("admin", "router"), SOURCE_INTERVAL),
                     1000);
    must_refuse(p, FILE_OF(ROUTER, MORE, TARGET("traps")),
                "handler 'traps' is gone, but target alice/ops uses it");
    must_refuse(p,
                "<snmpalertd xmlns='urn:snmpalertd:config'><store path='%s/other'/></snmpalertd>",
                "moving it needs a restart");
    must_refuse(p, "<snmpalertd xmlns='urn:snmpalertd:config'><store path='%s'/></snmpalertd>",
                "that needs a restart");
    must_refuse(p,
                "<snmpalertd xmlns='urn:snmpalertd:config'>"
                "<store path='%s' mapSize='256MiB' group='daemon'/></snmpalertd>",
                "the store's group changes: that needs a restart");
}

static void test_what_the_checker_refused_is_shown(void **state)
{
    struct play *p = *state;
    struct key sys = system_key();

    play(p, FILE_OF(ROUTER, TRAPS, ""));
    send_config(p, NULL, "the.xml:7: no such thing\xff");
    wait_said(p, "refused;");
    assert_string_equal(p->why, "the.xml:7: no such thing?");
    assert_int_equal(read_cell(p, SA_SYSTEM, sys, SYSTEM_CONFIG_STATUS), 2);
    assert_string_equal(read_text(p, SA_SYSTEM, sys, SYSTEM_CONFIG_ERROR), p->why);
    must_accept(p, FILE_OF(ROUTER, TRAPS, ""));
    assert_int_equal(read_cell(p, SA_SYSTEM, sys, SYSTEM_CONFIG_STATUS), 1);
    /* A core that is started again is told of it, and works all the same. */
    end_core(p, SIGKILL);
    p->refused = "the.xml:8: no \xff";
    play(p, FILE_OF(ROUTER, TRAPS, ""));
    assert_int_equal(read_cell(p, SA_SYSTEM, sys, SYSTEM_CONFIG_STATUS), 2);
    assert_string_equal(read_text(p, SA_SYSTEM, sys, SYSTEM_CONFIG_ERROR), "the.xml:8: no ?");
    must_accept(p, FILE_OF(ROUTER, TRAPS, ""));
    assert_int_equal(read_cell(p, SA_SYSTEM, sys, SYSTEM_CONFIG_STATUS), 1);
}

static void test_messages_outlive_their_handler(void **state)
{
    struct play *p = *state;
    struct key ops = key_of_names("alice", "ops"), traps = key_of_names("admin", "traps"),
               more = key_of_names("admin", "more");

    play(p, FILE_OF(ROUTER, TRAPS MORE, TARGET("traps")));
    assert_int_equal(manager_sets(p, SA_TARGET, TARGET_TEST, ops, 2), 0);
    wait_said(p, "job to 1;");
    /* Its handler changes while it is on its way: it is neither sent again nor lost. */
    must_accept(p, FILE_OF(ROUTER, TRAPS2 MORE, TARGET("traps")));
    assert_string_equal(all_said(p), "handler 1 traps;accepted;");
    answer(p, p->jobs[0], OUTCOME_DELIVERED);
    wait_cell(p, SA_HANDLER, traps, HANDLER_DELIVERED, 1);
    wait_cell(p, SA_TARGET, ops, TARGET_DELIVERED, 1);
    /* Its handler goes, and its target has another one by then. */
    assert_int_equal(manager_sets(p, SA_TARGET, TARGET_TEST, ops, 2), 0);
    wait_said(p, "job to 1;");
    must_accept(
        p, FILE_OF(ROUTER, MORE, "<rows><target owner='alice' name='ops' handler='more'/></rows>"));
    assert_string_equal(all_said(p), "handler 1 gone;accepted;");
    assert_int_equal(p->njobs, 2);
    chan_free(p->dispatcher); /* so that it is due again at once */
    p->dispatcher = link_with(p, STAGE_DISPATCHER, to_dispatcher);
    wait_said(p, "job to 2;");
    assert_int_equal(p->njobs, 3);
    answer(p, p->jobs[2], OUTCOME_DELIVERED);
    wait_cell(p, SA_TARGET, ops, TARGET_DELIVERED, 2);
    wait_cell(p, SA_HANDLER, more, HANDLER_DELIVERED, 1);
    assert_false(there(p, SA_HANDLER, traps));
}

/* ---- two ways ---- */

#define OPS_AND_TOLD                                                                               \
    "<rows><target owner='alice' name='ops' handler='traps' override='yes'/>"                      \
    "<target owner='alice' name='told' handler='master' override='yes'/></rows>"

static int64_t first_notice(struct play *p, unsigned column)
{
    return read_cell(p, SA_NOTICE, key_of_id("alice", 1), column);
}

static void test_the_agent_delivers_through_its_master(void **state)
{
    struct key ops = key_of_names("alice", "ops"), told = key_of_names("alice", "told");
    struct play *p = *state;

    start_core(p, in_folder(p, FILE_OF(ROUTER, TRAPS MASTER, OPS_AND_TOLD)));
    see_store(p);
    wait_said(p, "handler 1 traps;");
    wait_said(p, "handler 2 master;");
    assert_string_equal(p->log[DISPATCHER], "handler 1 traps;");
    /* Without a master it stays where it is, and delays no other. */
    forget(p);
    assert_int_equal(manager_sets(p, SA_TARGET, TARGET_TEST, told, 2), 0);
    wait_cell(p, SA_TARGET, told, TARGET_PENDING, 1);
    assert_int_equal(manager_sets(p, SA_TARGET, TARGET_TEST, ops, 2), 0);
    wait_said(p, "job to 1;");
    assert_string_equal(p->log[AGENT], "");
    assert_int_equal(first_notice(p, NOTICE_STATE), NOTICE_PENDING);
    assert_int_equal(first_notice(p, NOTICE_ATTEMPTS), 0);
    master_is(p, true);
    wait_said(p, "job to 2;");
    answer_by(p->agent, p->jobs[1], OUTCOME_DELIVERED);
    wait_cell(p, SA_TARGET, told, TARGET_DELIVERED, 1);
    assert_int_equal(first_notice(p, NOTICE_CONFIRMATION), CONFIRM_HANDED_OFF);
    assert_int_equal(first_notice(p, NOTICE_ATTEMPTS), 1);
    wait_cell(p, SA_HANDLER, key_of_names("admin", "master"), HANDLER_DELIVERED, 1);
}

static void test_what_an_agent_had_that_ended_is_due_again(void **state)
{
    struct key ops = key_of_names("alice", "ops"), told = key_of_names("alice", "told");
    struct play *p = *state;

    play(p, FILE_OF(ROUTER, TRAPS MASTER, OPS_AND_TOLD));
    master_is(p, true);
    assert_int_equal(manager_sets(p, SA_TARGET, TARGET_TEST, told, 2), 0);
    wait_said(p, "job to 2;");
    assert_int_equal(manager_sets(p, SA_TARGET, TARGET_TEST, ops, 2), 0);
    wait_said(p, "job to 1;");
    forget(p);
    chan_free(p->agent);
    wait_cell(p, SA_NOTICE, key_of_id("alice", 1), NOTICE_STATE, NOTICE_PENDING);
    assert_int_equal(first_notice(p, NOTICE_ATTEMPTS), 0);
    assert_int_equal(read_cell(p, SA_NOTICE, key_of_id("alice", 2), NOTICE_STATE),
                     NOTICE_DISPATCHED); /* not the dispatcher's fault */
    p->agent = link_with(p, STAGE_AGENT, to_agent);
    wait_said(p, "handler 2 master;");
    assert_null(strstr(all_said(p), "job to")); /* that the last one had a master says nothing */
    master_is(p, true);
    wait_said(p, "job to 2;");
    answer_by(p->agent, p->jobs[2], OUTCOME_DELIVERED);
    wait_cell(p, SA_TARGET, told, TARGET_DELIVERED, 1);
    assert_int_equal(first_notice(p, NOTICE_ATTEMPTS), 1);
}

/* The core numbers a target in its first turn. */
static bool is_numbered(struct play *p, const void *name)
{
    return read_cell(p, SA_TARGET, key_of_names("alice", name), TARGET_INCARNATION);
}

/* Notices of N alerts to alice's target NAME. */
static void queue_up(struct play *p, const char *name, uint32_t n)
{
    struct notice_text text = {.kind = KIND_RAISE,
                               .notification = SA_ALERT_RAISED,
                               .owner = "alice",
                               .definition = "d",
                               .service = "",
                               .instance = "",
                               .value = "",
                               .message = "",
                               .level = LEVEL_CRITICAL,
                               .previous_level = LEVEL_OK};
    struct route_target to;
    struct txn *t;
    struct err e;

    wait_until(p, is_numbered, name, "the target's number");
    t = txn_begin(p->w.store, TXN_WRITE);
    to = target_of(t, "alice", name);

    for (text.alert = 1; text.alert <= n; text.alert++)
        assert_int_equal(notice_create(t, &to, &text, 0, clock_wall_ms()), 0);
    assert_int_equal(txn_commit(t, &e), 0);
}

static bool has_jobs(struct play *p, const void *n)
{
    return p->njobs >= *(const size_t *)n;
}

static void wait_jobs(struct play *p, size_t n)
{
    wait_until(p, has_jobs, &n, "jobs");
    assert_int_equal(p->njobs, n);
}

static void test_an_agent_holds_so_many(void **state)
{
    enum { MOST = 256, ALL = MOST + 40 };
    struct key ops = key_of_names("alice", "ops"), told = key_of_names("alice", "told");
    struct play *p = *state;

    play(p, FILE_OF(ROUTER, TRAPS MASTER, OPS_AND_TOLD));
    queue_up(p, "told", ALL);
    master_is(p, true);
    wait_jobs(p, MOST);
    /* It answers none, and the others do not wait for it. */
    assert_int_equal(manager_sets(p, SA_TARGET, TARGET_TEST, ops, 2), 0);
    wait_said(p, "job to 1;");
    assert_int_equal(p->njobs, MOST + 1);
    answer(p, p->jobs[MOST], OUTCOME_DELIVERED);
    wait_cell(p, SA_TARGET, ops, TARGET_DELIVERED, 1);
    assert_int_equal(read_cell(p, SA_TARGET, told, TARGET_PENDING), ALL);
    assert_int_equal(read_cell(p, SA_NOTICE, key_of_id("alice", ALL), NOTICE_ATTEMPTS), 0);
    /* As many as it answers come. */
    for (size_t i = 0; i < MOST; i++)
        answer_by(p->agent, p->jobs[i], OUTCOME_DELIVERED);
    wait_jobs(p, ALL + 1);
    for (size_t i = MOST + 1; i <= ALL; i++)
        answer_by(p->agent, p->jobs[i], OUTCOME_DELIVERED);
    wait_cell(p, SA_TARGET, told, TARGET_DELIVERED, ALL);
    assert_int_equal(read_cell(p, SA_TARGET, told, TARGET_PENDING), 0);
}

static void test_a_runner_is_wanted_by_its_handlers_and_holds_so_many(void **state)
{
    enum { MOST = 1024, ALL = MOST + 40 };
    struct key ops = key_of_names("alice", "ops"), told = key_of_names("alice", "told");
    struct play *p = *state;

    play(p, FILE_OF(ROUTER, TRAPS MASTER, OPS_AND_TOLD));
    assert_false(p->runs);
    must_accept(p, FILE_OF(ROUTER, TRAPS "<log name='master'/>", OPS_AND_TOLD));
    wait_said(p, "runner;");
    assert_string_equal(p->log[AGENT], "handler 2 gone;");
    queue_up(p, "told", ALL);
    p->runner = link_with(p, STAGE_RUNNER, to_runner);
    wait_jobs(p, MOST);
    assert_memory_equal(p->log[RUNNER], "handler 2 master;job to 2;", 26);
    /* It answers none, and the others do not wait for it. */
    forget(p);
    assert_int_equal(manager_sets(p, SA_TARGET, TARGET_TEST, ops, 2), 0);
    wait_said(p, "job to 1;");
    assert_string_equal(p->log[DISPATCHER], "job to 1;");
    /* What one has that ends is the next one's. */
    chan_free(p->runner);
    p->runner = NULL;
    wait_cell(p, SA_NOTICE, key_of_id("alice", 1), NOTICE_STATE, NOTICE_PENDING);
    assert_int_equal(read_cell(p, SA_TARGET, told, TARGET_PENDING), ALL);
    must_accept(p, FILE_OF(ROUTER, TRAPS MASTER, OPS_AND_TOLD));
    wait_said(p, "no runner;");
}

static void test_a_handler_goes_another_way(void **state)
{
    struct play *p = *state;

    play(p, FILE_OF(ROUTER, TRAPS MASTER, OPS_AND_TOLD));
    queue_up(p, "told", 3);
    /* Set aside for a master that never came. */
    assert_int_equal(manager_sets(p, SA_TARGET, TARGET_TEST, key_of_names("alice", "ops"), 2), 0);
    wait_jobs(p, 1);
    must_accept(p, FILE_OF(ROUTER, TRAPS "<snmp name='master' host='127.0.0.1'/>", OPS_AND_TOLD));
    assert_string_equal(p->log[AGENT], "handler 2 gone;");
    wait_jobs(p, 4);
    assert_string_equal(p->log[DISPATCHER], "handler 2 master;job to 2;job to 2;job to 2;");
}

static void test_what_waits_for_a_disabled_target_is_cancelled(void **state)
{
    struct key told = key_of_names("alice", "told");
    struct play *p = *state;

    play(p, FILE_OF(ROUTER, TRAPS MASTER, OPS_AND_TOLD));
    queue_up(p, "told", 3);
    assert_int_equal(manager_sets(p, SA_TARGET, TARGET_TEST, key_of_names("alice", "ops"), 2), 0);
    wait_jobs(p, 1);
    assert_int_equal(read_cell(p, SA_TARGET, told, TARGET_PENDING), 3);
    assert_int_equal(manager_sets(p, SA_TARGET, TARGET_ENABLED, told, TRUTH_FALSE), 0);
    wait_cell(p, SA_TARGET, told, TARGET_PENDING, 0);
    assert_int_equal(first_notice(p, NOTICE_STATE), NOTICE_CANCELLED);
}

static void test_a_managers_wish(void **state)
{
    struct play *p = *state;
    struct key sys = system_key();

    play(p, FILE_OF(ROUTER, TRAPS, ""));
    assert_int_equal(manager_sets(p, SA_SYSTEM, SYSTEM_RELOAD, sys, 7), ERR_INCONSISTENT_VALUE);
    assert_int_equal(manager_sets(p, SA_SYSTEM, SYSTEM_RELOAD, sys, 0), 0);
    wait_said(p, "wanted;");
    must_accept(p, FILE_OF(ROUTER, TRAPS, ""));
    assert_int_equal(read_cell(p, SA_SYSTEM, sys, SYSTEM_RELOAD), 1);
    assert_string_equal(all_said(p), "accepted;"); /* once */
}

static void test_another_master(void **state)
{
    struct play *p = *state;

    play(p, FILE_OF(ROUTER, TRAPS, ""));
    must_accept(p, FILE_OF(ROUTER, TRAPS, "<agentx socket='/there'/>"));
    assert_string_equal(all_said(p), "master /there;accepted;");
    must_accept(p, FILE_OF(ROUTER, TRAPS, "<agentx socket='/there'/>"));
    assert_string_equal(all_said(p), "accepted;");
}

/* The parent is told when that changes, and by a core that starts; the others go on. */
static void test_without_an_agent(void **state)
{
    struct play *p = *state;

    play(p, FILE_OF(ROUTER, TRAPS, ""));
    must_accept(p, FILE_OF(ROUTER, TRAPS, "<agentx enabled='no'/>"));
    assert_string_equal(all_said(p), "no agent;accepted;");
    must_accept(p, FILE_OF(ROUTER, TRAPS, "<agentx enabled='no' socket='/there'/>"));
    assert_string_equal(all_said(p), "master /there;accepted;");
    must_accept(p, FILE_OF(ROUTER, TRAPS, ""));
    assert_string_equal(all_said(p), "agent;accepted;");
}

static void test_a_core_that_dies_in_between(void **state)
{
    struct play *p = *state;

    play(p, FILE_OF(ROUTER, TRAPS, TARGET("traps")));
    must_accept(p, FILE_OF(ROUTER2, TRAPS, TARGET("traps")));
    end_core(p, SIGKILL);
    /* The parent had no answer in time: the next one goes on with what it knew. */
    play(p, FILE_OF(ROUTER, TRAPS, TARGET("traps")));
    assert_int_equal(read_cell(p, SA_SOURCE, key_of_names("admin", "router"), SOURCE_INTERVAL),
                     1000);
    assert_int_equal(end_core(p, SIGTERM), 0);
}

/* How many definitions there are whose name begins with C. */
static int definitions_of(struct play *p, char c)
{
    struct txn *t = txn_begin(p->w.store, TXN_READ);
    struct cursor cur;
    struct row r;
    int n = 0;

    for (cursor_first(&cur, t, sa_table_by_id(SA_DEFINITION), NULL); cursor_row(&cur, &r);
         cursor_next(&cur)) {
        char names[2][33];

        n += key_read_names(&r.key, names, 2) && names[1][0] == c;
    }
    cursor_close(&cur);
    txn_abort(t);
    return n;
}

static const char *many(char c, const char *source, int n)
{
    static char text[32 << 10];
    size_t at = (size_t)snprintf(
        text, sizeof text, HEAD ALICE "<sources>%s</sources><handlers>" TRAPS "</handlers><rows>",
        "%s", source);

    for (int i = 0; i < n; i++)
        at += (size_t)snprintf(text + at, sizeof text - at,
                               "<definition owner='alice' name='%c%d' condition='false'/>", c, i);
    assert_true(at + 64 < sizeof text);
    snprintf(text + at, sizeof text - at, "</rows></snmpalertd>");
    return text;
}

/* Killed at any instant, the store has one file or the other. */
static void test_a_core_killed_under_way(void **state)
{
    enum { N = 100, TIMES = 30, LATEST_US = 30000 };
    struct key router = key_of_names("admin", "router"), sw = key_of_names("admin", "switch");
    struct play *p = *state;
    uint64_t seed = 11;
    int taken = 0;

    for (int i = 0; i < TIMES; i++) {
        struct timespec pause = {.tv_nsec = (long)dice(&seed, LATEST_US) * 1000};
        bool b;

        play(p, many('a', ROUTER, N));
        assert_int_equal(definitions_of(p, 'a'), N);
        assert_int_equal(definitions_of(p, 'b'), 0);
        send_config(p, in_folder(p, many('b', SWITCH, N)), "");
        clock_nanosleep(CLOCK_MONOTONIC, 0, &pause, NULL); /* anywhere in what it does now */
        end_core(p, SIGKILL);
        b = there(p, SA_SOURCE, sw);
        assert_int_equal(there(p, SA_SOURCE, router), !b);
        assert_int_equal(definitions_of(p, 'a'), b ? 0 : N);
        assert_int_equal(definitions_of(p, 'b'), b ? N : 0);
        taken += b;
    }
    if (!taken || taken == TIMES)
        print_message("all kills were on the same side of the commit\n");
}

static void test_a_storm(void **state)
{
    struct play *p = *state;
    uint32_t last = 0;

    play(p, FILE_OF(ROUTER, TRAPS, ""));
    for (int i = 0; i < 200; i++) {
        const char *xml = i % 4 == 0   ? FILE_OF(ROUTER SWITCH, TRAPS MORE, "")
                          : i % 4 == 1 ? FILE_OF(ROUTER2, TRAPS2, "")
                          : i % 4 == 2 ? FILE_OF(SWITCH, MORE, "")
                                       : FILE_OF(ROUTER, TRAPS, "");
        const char *at;

        must_accept(p, xml);
        for (at = p->log[POLLER]; (at = strstr(at, "source ")); at++) {
            uint32_t id = (uint32_t)strtoul(at + 7, NULL, 10);

            assert_true(id <= last + 1 || !last); /* no number is left out, none given twice */
            last = id > last ? id : last;
        }
    }
    assert_in_range(last, 100, 250);
    sample(p, last, "router");
    wait_topic(p, "alice", "router", true);
}

#define IN_PLAY(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_PLAY(test_an_unchanged_file_tells_nobody),
        IN_PLAY(test_what_is_new_changed_and_gone),
        IN_PLAY(test_a_poller_that_comes_later_gets_what_is_in_force),
        IN_PLAY(test_other_readers_see_the_same_topics),
        IN_PLAY(test_a_refused_file_changes_nothing),
        IN_PLAY(test_what_the_checker_refused_is_shown),
        IN_PLAY(test_messages_outlive_their_handler),
        IN_PLAY(test_the_agent_delivers_through_its_master),
        IN_PLAY(test_what_an_agent_had_that_ended_is_due_again),
        IN_PLAY(test_an_agent_holds_so_many),
        IN_PLAY(test_a_runner_is_wanted_by_its_handlers_and_holds_so_many),
        IN_PLAY(test_a_handler_goes_another_way),
        IN_PLAY(test_what_waits_for_a_disabled_target_is_cancelled),
        IN_PLAY(test_a_managers_wish),
        IN_PLAY(test_another_master),
        IN_PLAY(test_without_an_agent),
        IN_PLAY(test_a_core_that_dies_in_between),
        IN_PLAY(test_a_core_killed_under_way),
        IN_PLAY(test_a_storm),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
