#include "bench/site.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <libgen.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <netinet/in.h>
#include <time.h>
#include <unistd.h>

#include "alerts/index.h"
#include "base/clock.h"

enum {
    START_MS = 60000,
    STOP_MS = 30000,
    SINK_BUFFER = 64 << 20, /* no trap of a burst may be lost */
    FILL_CHUNK = 20000,     /* rows of one transaction */
    REQUEST_MAX = 4096,
};

static struct site site;

struct request { /* one connection of the daemon's */
    struct loop_fd *watch;
    int fd;
    size_t len;
    char text[REQUEST_MAX + 1];
};

/* ---- the end ---- */

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st, (void)type, (void)ftw;
    return remove(path);
}

static void kill_child(pid_t *pid)
{
    if (*pid > 0) {
        kill(*pid, SIGKILL); /* its own children end with it (PR_SET_PDEATHSIG) */
        waitpid(*pid, NULL, 0);
    }
    *pid = 0;
}

void site_close(void)
{
    kill_child(&site.daemon);
    kill_child(&site.snmpd);
    if (*site.folder)
        nftw(site.folder, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
    *site.folder = '\0';
}

static void show_log(void)
{
    char path[96], line[512];
    FILE *f;

    snprintf(path, sizeof path, "%s/log", site.folder);
    f = fopen(path, "r");
    for (int n = 0; f && n < 20 && fgets(line, sizeof line, f); n++)
        fputs(line, stderr);
    if (f)
        fclose(f);
}

noreturn void site_die(const char *fmt, ...)
{
    va_list ap;

    fprintf(stderr, "bench/%s: ", site.name);
    va_start(ap, fmt);
    vfprintf(stderr, fmt, ap);
    va_end(ap);
    fputc('\n', stderr);
    if (*site.folder)
        show_log();
    site_close();
    exit(1);
}

/* ---- time ---- */

int64_t site_now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static int by_value(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

    return (x > y) - (x < y);
}

int64_t site_quantile(int64_t *values, size_t n, double p)
{
    size_t i = (size_t)((double)n * p);

    qsort(values, n, sizeof *values, by_value);
    return values[i < n ? i : n - 1];
}

/* ---- the web server ---- */

static void request_end(struct request *r)
{
    loop_fd_del(r->watch);
    close(r->fd);
    free(r);
}

static bool answer(struct request *r)
{
    char body[64], text[256];
    int n = snprintf(body, sizeof body, "{\"v\": %d}", site.document);

    n = snprintf(
        text, sizeof text,
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", n,
        body);
    r->len = 0;
    if (!site.published_ns)
        site.published_ns = site_now_ns();
    site.fetches++;
    return send(r->fd, text, (size_t)n, MSG_NOSIGNAL | MSG_DONTWAIT) == n;
}

static void on_request(void *arg, short revents)
{
    struct request *r = arg;
    ssize_t n = recv(r->fd, r->text + r->len, REQUEST_MAX - r->len, MSG_DONTWAIT);

    (void)revents;
    if (n < 0 && errno == EAGAIN)
        return;
    if (n > 0) {
        r->len += (size_t)n;
        r->text[r->len] = 0;
        if (r->len < 4 || strcmp(r->text + r->len - 4, "\r\n\r\n") || answer(r))
            return;
    }
    request_end(r);
}

static void on_connection(void *arg, short revents)
{
    const int *listener = arg;
    struct request *r = calloc(1, sizeof *r);

    (void)revents;
    if (!r)
        site_die("out of memory");
    r->fd = accept4(*listener, NULL, NULL, SOCK_CLOEXEC);
    if (r->fd < 0) {
        free(r);
        return;
    }
    r->watch = loop_fd_add(site.loop, r->fd, POLLIN, on_request, r);
    if (!r->watch)
        site_die("out of memory");
}

/* ---- the sink ---- */

static void on_trap(void *arg, short revents)
{
    const int *fd = arg;
    uint8_t b[2048];
    ssize_t n;

    (void)revents;
    while ((n = recv(*fd, b, sizeof b, MSG_DONTWAIT)) > 0) {
        if (n < 10 || b[0] != 0x30) /* SEQUENCE */
            site_die("what came is no SNMP message");
        site.traps++;
        site.last_trap_ns = site_now_ns();
    }
}

/* ---- sockets ---- */

static int open_socket(int type, uint16_t *ret_port)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t len = sizeof a;
    int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0);

    if (fd < 0 || bind(fd, (struct sockaddr *)&a, sizeof a) ||
        getsockname(fd, (struct sockaddr *)&a, &len))
        site_die("no free port: %s", strerror(errno));
    *ret_port = ntohs(a.sin_port);
    return fd;
}

static void open_sockets(void)
{
    static int listener, sink;
    int size = SINK_BUFFER;

    listener = open_socket(SOCK_STREAM | SOCK_NONBLOCK, &site.web_port);
    sink = open_socket(SOCK_DGRAM, &site.trap_port);
    if (setsockopt(sink, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof size))
        setsockopt(sink, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
    if (listen(listener, 16) ||
        !loop_fd_add(site.loop, listener, POLLIN, on_connection, &listener) ||
        !loop_fd_add(site.loop, sink, POLLIN, on_trap, &sink))
        site_die("cannot listen");
}

struct site *site_open(const char *name)
{
    site.name = name;
    site.loop = loop_new();
    if (!site.loop)
        site_die("out of memory");
    snprintf(site.folder, sizeof site.folder, "/tmp/snmpalert-%s-XXXXXX", name);
    if (!mkdtemp(site.folder)) {
        *site.folder = '\0';
        site_die("mkdtemp: %s", strerror(errno));
    }
    open_sockets();
    return &site;
}

/* ---- the daemon ---- */

static void write_file(const char *name, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
static void write_file(const char *name, const char *fmt, ...)
{
    char path[128];
    va_list ap;
    FILE *f;

    snprintf(path, sizeof path, "%s/%s", site.folder, name);
    f = fopen(path, "w");
    if (!f)
        site_die("%s: %s", path, strerror(errno));
    va_start(ap, fmt);
    vfprintf(f, fmt, ap);
    va_end(ap);
    if (fclose(f))
        site_die("%s: %s", path, strerror(errno));
}

/* Forks; in the child, what it prints goes to LOG. */
static pid_t fork_child(const char *log)
{
    char path[128];
    pid_t pid = fork();
    int fd;

    if (pid < 0)
        site_die("fork: %s", strerror(errno));
    if (pid)
        return pid;
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    snprintf(path, sizeof path, "%s/%s", site.folder, log);
    fd = open(path, O_WRONLY | O_CREAT | O_APPEND, 0600);
    if (fd < 0 || dup2(fd, 1) < 0 || dup2(fd, 2) < 0)
        _exit(126);
    return 0;
}

static void exec_daemon(void)
{
    char self[PATH_MAX] = "", exe[PATH_MAX + 16], evaluator[PATH_MAX + 48], config[128], user[32];
    char *build;

    if (readlink("/proc/self/exe", self, sizeof self - 1) < 0)
        _exit(127);
    build = dirname(dirname(self));
    snprintf(exe, sizeof exe, "%s/snmpalertd", build);
    snprintf(evaluator, sizeof evaluator, "--evaluator=%s/snmpalertd-evaluator", build);
    snprintf(config, sizeof config, "%s/snmpalertd.xml", site.folder);
    snprintf(user, sizeof user, "--user=%u", (unsigned)geteuid()); /* stays who we are */
    execl(exe, exe, "-c", config, evaluator, user, (char *)NULL);
    perror(exe);
    _exit(127);
}

void site_launch(struct site *s, const char *interval, const char *rows)
{
    write_file("snmpalertd.xml",
               "<snmpalertd xmlns=\"urn:snmpalertd:config\">\n"
               "  <store path=\"%s/store\"/>\n"
               "  <agentx socket=\"%s/agentx\"/>\n"
               "  <sources><http name=\"" BENCH_TOPIC "\" url=\"http://127.0.0.1:%u/\" "
               "interval=\"%s\"/></sources>\n"
               "  <handlers><snmp name=\"traps\" host=\"127.0.0.1\" port=\"%u\" "
               "community=\"public\"/></handlers>\n"
               "  <rows>%s</rows>\n"
               "</snmpalertd>\n",
               s->folder, s->folder, s->web_port, interval, s->trap_port, rows);
    s->fetches = 0;
    s->daemon = fork_child("log");
    if (!s->daemon)
        exec_daemon();
}

static bool has_fetched(struct site *s, void *arg)
{
    (void)arg;
    return s->fetches > 0;
}

void site_start(struct site *s, const char *interval, const char *rows)
{
    site_launch(s, interval, rows);
    site_wait(s, has_fetched, NULL, START_MS, "the daemon to poll");
}

static bool has_ended(struct site *s, void *arg)
{
    return waitpid(s->daemon, arg, WNOHANG) == s->daemon;
}

void site_stop(struct site *s)
{
    int status;

    kill(s->daemon, SIGTERM);
    site_wait(s, has_ended, &status, STOP_MS, "the daemon to end");
    s->daemon = 0;
    if (!WIFEXITED(status) || WEXITSTATUS(status))
        site_die("the daemon ended with status 0x%x", (unsigned)status);
}

static bool takes_connection(struct site *s, void *arg)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), failed;

    (void)arg;
    snprintf(a.sun_path, sizeof a.sun_path, "%s/agentx", s->folder);
    failed = connect(fd, (struct sockaddr *)&a, sizeof a);
    close(fd);
    return !failed;
}

void site_start_snmpd(struct site *s)
{
    char address[32], config[128];

    close(open_socket(SOCK_DGRAM, &s->snmpd_port));
    write_file("snmpd.conf",
               "master agentx\nagentXSocket unix:%s/agentx\nagentXTimeout 5\nagentXRetries 0\n"
               "dontLogTCPWrappersConnects yes\nrocommunity public 127.0.0.1\n",
               s->folder);
    s->snmpd = fork_child("snmpd.log");
    if (!s->snmpd) {
        snprintf(address, sizeof address, "udp:127.0.0.1:%u", s->snmpd_port);
        snprintf(config, sizeof config, "%s/snmpd.conf", s->folder);
        setenv("SNMP_PERSISTENT_DIR", s->folder, 1);
        setenv("SNMPCONFPATH", s->folder, 1);
        setenv("MIBS", "", 1);
        setenv("PATH", "/usr/local/sbin:/usr/sbin:/sbin:/usr/local/bin:/usr/bin:/bin", 1);
        execlp("snmpd", "snmpd", "-f", "-Le", "-C", "-c", config, "-I", "-smux", address,
               (char *)NULL);
        _exit(127);
    }
    site_wait(s, takes_connection, NULL, START_MS, "snmpd to listen");
}

/* ---- running ---- */

void site_publish(struct site *s, int n)
{
    s->document = n;
    s->published_ns = 0;
}

void site_wait(struct site *s, bool (*done)(struct site *s, void *arg), void *arg,
               int64_t timeout_ms, const char *what)
{
    int64_t end = clock_mono_ms() + timeout_ms;

    while (!done(s, arg)) {
        if (done != has_ended && s->daemon && waitpid(s->daemon, NULL, WNOHANG)) {
            s->daemon = 0;
            site_die("the daemon ended");
        }
        if (clock_mono_ms() > end)
            site_die("waited in vain for %s", what);
        loop_turn(s->loop, 10);
    }
}

/* ---- the store ---- */

static struct store *open_store(const struct site *s, bool core)
{
    char path[96];
    struct store_options o = {.path = path, .no_sync = true, .recover_samples = core};
    struct store *ret;
    struct err e;

    snprintf(path, sizeof path, "%s/store", s->folder);
    if (store_open(&ret, &o, &e))
        site_die("%s", e.text);
    return ret;
}

struct store *site_store(const struct site *s)
{
    return open_store(s, true);
}

struct store *site_look(const struct site *s)
{
    return open_store(s, false);
}

static void fill_definition(struct txn *t, uint32_t number)
{
    char name[16], condition[64];
    struct change ch = {.table = SA_DEFINITION, .op = CHANGE_CREATED};
    struct key k;
    struct edit d;
    struct err e;

    snprintf(name, sizeof name, "d%06u", number);
    snprintf(condition, sizeof condition, "_topic['" BENCH_TOPIC "'].v > %u / %u", number,
             number + 1);
    k = key_of_names("admin", name);
    edit_begin(&d, t, sa_table_by_id(SA_DEFINITION), &k);
    edit_str(&d, DEFINITION_CONDITION, condition);
    edit_int(&d, DEFINITION_STALE_MULTIPLIER, 1000);
    edit_int(&d, DEFINITION_STORAGE, STORAGE_NON_VOLATILE);
    edit_int(&d, DEFINITION_STATUS, ROW_ACTIVE);
    if (row_put(&d, &e))
        site_die("%s", e.text);
    ch.key = key_slice(&k);
    memset(ch.columns, 0xff, sizeof ch.columns);
    if (index_apply(t, &ch))
        site_die("the index of definition %u", number);
}

void site_fill_definitions(struct store *s, uint32_t n)
{
    for (uint32_t i = 1; i <= n;) {
        struct txn *t = txn_begin(s, TXN_WRITE);
        struct err e;

        for (uint32_t m = 0; m < FILL_CHUNK && i <= n; m++)
            fill_definition(t, i++);
        if (txn_commit(t, &e))
            site_die("%s", e.text);
    }
}
