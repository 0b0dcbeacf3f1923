#include "bench/rig.h"

#include <errno.h>
#include <ftw.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <netinet/in.h>
#include <arpa/inet.h>
#include <fcntl.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"

enum { START_DEADLINE_MS = 120000, CLIENT_TIMEOUT_US = 20000000 };

static struct {
    const char *name; /* of the benchmark */
    char folder[64];
    struct station *stations[RIG_STATIONS_MAX];
    size_t nstations;
} rig;

/* ---- the end ---- */

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st, (void)type, (void)ftw;
    return remove(path);
}

static void stop_child(pid_t *pid)
{
    if (*pid > 0) {
        kill(*pid, SIGKILL);
        waitpid(*pid, NULL, 0);
    }
    *pid = 0;
}

void rig_close(void)
{
    for (size_t i = 0; i < rig.nstations; i++) {
        stop_child(&rig.stations[i]->host);
        stop_child(&rig.stations[i]->snmpd);
    }
    rig.nstations = 0;
    if (*rig.folder)
        nftw(rig.folder, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
    *rig.folder = '\0';
}

noreturn void rig_die(const char *what)
{
    fprintf(stderr, "bench/%s: %s\n", rig.name, what);
    rig_close();
    exit(1);
}

/* ---- the beginning ---- */

static void pin_to_one_cpu(void)
{
    cpu_set_t set;
    int cpu = 0;

    if (sched_getaffinity(0, sizeof(set), &set))
        rig_die("sched_getaffinity");
    while (cpu < CPU_SETSIZE && !CPU_ISSET(cpu, &set))
        cpu++;
    CPU_ZERO(&set);
    CPU_SET(cpu, &set);
    if (sched_setaffinity(0, sizeof(set), &set))
        rig_die("sched_setaffinity");
}

void rig_open(const char *name)
{
    rig.name = name;
    snprintf(rig.folder, sizeof(rig.folder), "/tmp/snmpalert-%s-XXXXXX", name);
    if (!mkdtemp(rig.folder)) {
        *rig.folder = '\0';
        rig_die("mkdtemp");
    }
    pin_to_one_cpu();
}

void rig_path(const char *name, char ret[128])
{
    snprintf(ret, 128, "%s/%s", rig.folder, name);
}

/* ---- a station ---- */

static uint16_t free_udp_port(void)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t len = sizeof(a);
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    if (fd < 0 || bind(fd, (struct sockaddr *)&a, sizeof(a)) ||
        getsockname(fd, (struct sockaddr *)&a, &len))
        rig_die("no free UDP port");
    close(fd);
    return ntohs(a.sin_port);
}

static pid_t fork_child(void)
{
    pid_t pid = fork();

    if (pid < 0)
        rig_die("fork");
    if (!pid)
        prctl(PR_SET_PDEATHSIG, SIGKILL);
    return pid;
}

static FILE *open_config(const char *path)
{
    FILE *f = fopen(path, "w");

    if (!f)
        rig_die("cannot write snmpd.conf");
    fprintf(f, "dontLogTCPWrappersConnects yes\nrwcommunity public 127.0.0.1\n");
    return f;
}

static void write_config(const char *path, const char *socket_path)
{
    FILE *f = open_config(path);

    fprintf(f, "master agentx\nagentXSocket unix:%s\nagentXTimeout 5\nagentXRetries 0\n",
            socket_path);
    fclose(f);
}

static void write_module_config(const char *path, const struct station *keeper)
{
    const char *build = getenv("top_builddir");
    char *programs = realpath(build ? build : ".", NULL);
    FILE *f = open_config(path);

    if (!programs)
        rig_die("where are the programs?");
    fprintf(f,
            "dlmod snmpalert %s/agent/snmpalert.so\nsnmpalertStore %s/store\n"
            "snmpalertEvaluator %s/snmpalertd-evaluator\n",
            programs, keeper->folder, programs);
    fclose(f);
    free(programs);
}

static pid_t start_snmpd(const char *dir, const char *config, uint16_t port)
{
    char address[32], log[128];
    pid_t pid = fork_child();

    if (pid)
        return pid;
    snprintf(address, sizeof(address), "udp:127.0.0.1:%u", port);
    snprintf(log, sizeof(log), "%s/snmpd.log", dir);
    setenv("SNMP_PERSISTENT_DIR", dir, 1);
    setenv("SNMPCONFPATH", dir, 1);
    setenv("MIBS", "", 1);
    setenv("PATH", "/usr/local/sbin:/usr/sbin:/sbin:/usr/local/bin:/usr/bin:/bin", 1);
    execlp("snmpd", "snmpd", "-f", "-Lf", log, "-C", "-c", config, "-I", "-smux", address,
           (char *)NULL);
    perror("snmpd");
    _exit(127);
}

/* The master listens as soon as its socket takes a connection. */
static bool await_socket(const char *path, pid_t snmpd)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    int64_t end = clock_mono_ms() + START_DEADLINE_MS;

    memcpy(a.sun_path, path, strnlen(path, sizeof(a.sun_path) - 1));
    while (clock_mono_ms() < end && !waitpid(snmpd, NULL, WNOHANG)) {
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        int failed = connect(fd, (struct sockaddr *)&a, sizeof(a));

        close(fd);
        if (!failed)
            return true;
        nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
    }
    return false;
}

static void start_host(struct station *s, rig_host host, void *arg, const char *address)
{
    char store_path[128], octet;
    int ready[2];

    snprintf(store_path, sizeof(store_path), "%s/store", s->folder);
    if (pipe2(ready, O_CLOEXEC))
        rig_die("pipe2");
    s->host = fork_child();
    if (!s->host)
        _exit(host(arg, store_path, address, ready[1]));
    close(ready[1]);
    if (read(ready[0], &octet, 1) != 1)
        rig_die("a host did not start");
    close(ready[0]);
}

/* Its folder and port; CONFIG is where its snmpd.conf is to be. */
static void place(struct station *s, char config[128])
{
    if (rig.nstations == RIG_STATIONS_MAX)
        rig_die("too many stations");
    snprintf(s->folder, sizeof(s->folder), "%s/%zu", rig.folder, rig.nstations);
    snprintf(config, 128, "%s/snmpd.conf", s->folder);
    if (mkdir(s->folder, 0700))
        rig_die("mkdir");
    rig.stations[rig.nstations++] = s;
    s->port = free_udp_port();
}

void rig_start_module(struct station *s, const struct station *keeper)
{
    char config[128];

    place(s, config);
    write_module_config(config, keeper);
    s->snmpd = start_snmpd(s->folder, config, s->port);
}

void rig_start(struct station *s, rig_host host, void *arg)
{
    char config[128], socket_path[128], address[160];

    place(s, config);
    snprintf(socket_path, sizeof(socket_path), "%s/agentx", s->folder);
    snprintf(address, sizeof(address), "unix:%s", socket_path);
    write_config(config, socket_path);
    s->snmpd = start_snmpd(s->folder, config, s->port);
    if (!await_socket(socket_path, s->snmpd))
        rig_die("snmpd did not start");
    start_host(s, host, arg, address);
}

int rig_ready(int ready)
{
    return write(ready, "", 1) == 1 ? 0 : -1;
}

/* ---- asking ---- */

/* Not before the hosts are forked, which set up the library as they need it. It reads nothing of
 * the machine's configuration, and keeps nothing. */
static void init_client(void)
{
    netsnmp_ds_set_boolean(NETSNMP_DS_LIBRARY_ID, NETSNMP_DS_LIB_DONT_READ_CONFIGS, 1);
    netsnmp_ds_set_boolean(NETSNMP_DS_LIBRARY_ID, NETSNMP_DS_LIB_DONT_PERSIST_STATE, 1);
    netsnmp_set_mib_directory("");
    setenv("MIBS", "", 1);
    init_snmp("bench");
}

netsnmp_session *rig_session(const struct station *s)
{
    netsnmp_session template, *ret;
    char peer[32];

    init_client();
    snprintf(peer, sizeof(peer), "udp:127.0.0.1:%u", s->port);
    snmp_sess_init(&template);
    template.peername = peer;
    template.version = SNMP_VERSION_2c;
    template.community = (u_char *)"public";
    template.community_len = strlen("public");
    template.timeout = CLIENT_TIMEOUT_US;
    template.retries = 0;
    if (!(ret = snmp_open(&template)))
        rig_die("cannot open an SNMP session");
    return ret;
}

int64_t rig_now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

double rig_median(double *values, size_t n)
{
    qsort(values, n, sizeof(*values), by_size);
    return values[n / 2];
}
