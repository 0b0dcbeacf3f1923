/* Each case is a process of its own: it is confined, tries one thing, and tells how that went. */
#include "daemon/confine.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/landlock.h>
#include <netdb.h>
#include <pthread.h>
#include <pwd.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/caps.h"
#include "store/store.h"
#include "tests/unit/base/cm.h"

#include "config.h"

#define COUNT(a) (sizeof(a) / sizeof *(a))

/* What became of a process: what its function gave (0 or an errno), or one of these. */
enum { KILLED = 1000, BROKEN = 1001, UNCONFINED = 1002 };

enum { PARENT, CORE, AGENT, POLLER, DISPATCHER, CHECKER, RUNNER, NROLES };
static const struct {
    const char *name;
    enum stage_id stage; /* 0: the parent */
} roles[NROLES] = {
    {"parent", 0},
    {"core", STAGE_CORE},
    {"agent", STAGE_AGENT},
    {"poller", STAGE_POLLER},
    {"dispatcher", STAGE_DISPATCHER},
    {"checker", STAGE_CHECKER},
    {"runner", STAGE_RUNNER},
};

static int confine(int role)
{
    char self[16];
    struct confine c;
    struct err e = {.text = ""};
    int err;

    snprintf(self, sizeof self, "%u", (unsigned)geteuid());
    err = role == PARENT ? confine_parent(&c, &(struct confine_names){.user = self}, false, &e)
                         : confine_stage(roles[role].stage, false, &e);
    if (err)
        print_error("%s: %s\n", roles[role].name, e.text);
    return err;
}

/* Errors travel as an exit status, hence at most 255. */
static int in_child(int (*fn)(void *), void *arg)
{
    int status;
    pid_t pid = fork();

    if (!pid)
        _exit(fn(arg));
    if (pid < 0 || waitpid(pid, &status, 0) != pid)
        return BROKEN;
    if (WIFSIGNALED(status))
        return WTERMSIG(status) == SIGSYS ? KILLED : BROKEN;
    return WEXITSTATUS(status) == 255 ? UNCONFINED : WEXITSTATUS(status);
}

struct attempt {
    int role;
    int (*fn)(long arg);
    long arg;
};

static int attempt(void *arg)
{
    const struct attempt *a = arg;

    return confine(a->role) ? 255 : a->fn(a->arg);
}

static int try(int role, int (*fn)(long), long arg)
{
    struct attempt a = {role, fn, arg};

    return in_child(attempt, &a);
}

static void skip_with_sanitizers(void)
{
#ifdef SA_SANITIZERS
    print_message("the sanitizers' builds have no filters\n");
    skip();
#endif
}

static void skip_unless_root(void)
{
    const uint64_t needed =
        CAPS_BIT(CAP_SETUID) | CAPS_BIT(CAP_SETGID) | CAPS_BIT(CAP_KILL) | CAPS_BIT(CAP_SETPCAP);

    if (!geteuid() && (caps_permitted() & needed) == needed)
        return;
    print_message("only root, who has root's capabilities, can become somebody\n");
    skip();
}

/* ---- what is refused ---- */

static int result(long rc)
{
    return rc < 0 ? errno : 0;
}

/* Where a call is let through, its arguments make it fail, with EFAULT or the like. */
static int call(long number)
{
    return result(syscall(number, -1L, -1L, -1L, -1L, -1L, -1L));
}

static int call_fork(long arg)
{
    pid_t pid = fork();

    (void)arg;
    if (!pid)
        _exit(0);
    return pid < 0 ? errno : waitpid(pid, NULL, 0) == pid ? 0 : BROKEN;
}

static int call_clone(long flags)
{
    long pid = syscall(SYS_clone, flags | SIGCHLD, 0L, 0L, 0L, 0L);

    if (!pid)
        _exit(0);
    return result(pid);
}

static int call_personality(long arg)
{
    return result(syscall(SYS_personality, arg));
}

static int call_setuid(long uid)
{
    return result(syscall(SYS_setresuid, uid, uid, uid));
}

static int call_setgroups(long gid)
{
    gid_t groups[] = {(gid_t)gid};

    return result(syscall(SYS_setgroups, 1L, groups));
}

static int call_ioctl(long request)
{
    return result(syscall(SYS_ioctl, -1L, request, 0L));
}

/* Signal 0: asks only. */
static int call_kill(long pid)
{
    return result(kill((pid_t)pid, 0));
}

static int call_tgkill(long pid)
{
    return result(syscall(SYS_tgkill, pid, pid, 0));
}

static int call_pidfd_open(long pid)
{
    return result(syscall(SYS_pidfd_open, pid, 0));
}

static int call_prlimit(long pid)
{
    struct rlimit old;

    return result(prlimit((pid_t)pid, RLIMIT_NOFILE, NULL, &old));
}

enum { NONE = -1 }; /* lets through: any result but being killed, EPERM or ENOSYS */

/* How each of the roles, in their order, fares. */
static const struct refusal {
    const char *name;
    int (*fn)(long);
    long arg;
    int expected[NROLES];
} refusals[] = {
#define ALL_OF(x)                                                                                  \
    {                                                                                              \
        x, x, x, x, x, x, x                                                                        \
    }
#define KILLS(name)                                                                                \
    {                                                                                              \
#name, call, SYS_##name, ALL_OF(KILLED)                                                    \
    }
#define REFUSES(name)                                                                              \
    {                                                                                              \
#name, call, SYS_##name, ALL_OF(EPERM)                                                     \
    }
    KILLS(ptrace),
    KILLS(process_vm_readv),
    KILLS(process_vm_writev),
    KILLS(pidfd_getfd),
    KILLS(bpf),
    KILLS(init_module),
    KILLS(finit_module),
    KILLS(delete_module),
    KILLS(kexec_load),
    KILLS(reboot),
    KILLS(swapon),
    KILLS(swapoff),
    KILLS(acct),
    KILLS(quotactl),
    KILLS(syslog),
    KILLS(mount),
    KILLS(umount2),
    KILLS(move_mount),
    KILLS(fsopen),
    KILLS(open_tree),
    KILLS(chroot),
    KILLS(pivot_root),
    KILLS(setns),
    KILLS(unshare),
    KILLS(open_by_handle_at),
    REFUSES(io_uring_setup),
    REFUSES(io_uring_enter),
    REFUSES(perf_event_open),
    REFUSES(userfaultfd),
    REFUSES(keyctl),
    REFUSES(add_key),
    REFUSES(request_key),
    REFUSES(clock_settime),
    REFUSES(settimeofday),
    REFUSES(setuid),
    REFUSES(setgid),
    {"personality", call_personality, 0xffffffff, ALL_OF(EPERM)},
    {"clone3", call, SYS_clone3, ALL_OF(ENOSYS)},
    {"execve", call, SYS_execve, {NONE, KILLED, KILLED, KILLED, KILLED, NONE, NONE}},
    {"execveat", call, SYS_execveat, {NONE, KILLED, KILLED, KILLED, KILLED, NONE, NONE}},
    {"fork", call_fork, 0, {0, EPERM, EPERM, EPERM, EPERM, 0, 0}},
    {"clone(CLONE_NEWUSER)", call_clone, CLONE_NEWUSER, ALL_OF(EPERM)},
    {"clone(CLONE_NEWNET)", call_clone, CLONE_NEWNET, ALL_OF(EPERM)},
    {"clone(CLONE_NEWNS)", call_clone, CLONE_NEWNS, ALL_OF(EPERM)},
    {"setresuid(1234)", call_setuid, 1234, ALL_OF(EPERM)},
    {"setgroups(0)", call_setgroups, 0, ALL_OF(EPERM)},
    {"ioctl(TIOCSTI)", call_ioctl, TIOCSTI, ALL_OF(EPERM)},
    {"ioctl(TIOCLINUX)", call_ioctl, TIOCLINUX, ALL_OF(EPERM)},
    {"ioctl(FIONREAD)", call_ioctl, FIONREAD, ALL_OF(EBADF)},
    {"kill", call_kill, 1, {NONE, NONE, NONE, EPERM, EPERM, NONE, NONE}},
    {"tgkill", call_tgkill, 1, {NONE, NONE, NONE, EPERM, EPERM, NONE, NONE}},
    {"pidfd_open", call_pidfd_open, 1, {0, 0, 0, EPERM, EPERM, 0, 0}},
    {"prlimit of oneself", call_prlimit, 0, ALL_OF(0)},
    {"prlimit of another", call_prlimit, 1, {NONE, NONE, NONE, EPERM, EPERM, NONE, NONE}},
};

static void calls_are_refused(void **state)
{
    int wrong = 0;

    (void)state;
    skip_with_sanitizers();
    for (size_t i = 0; i < COUNT(refusals); i++) {
        for (int role = 0; role < NROLES; role++) {
            const struct refusal *r = &refusals[i];
            int got = try(role, r->fn, r->arg), wanted = r->expected[role];
            bool good = wanted == NONE ? got < KILLED && got != ENOSYS : got == wanted;

            if (!good)
                print_error("%s in the %s: %d, not %d\n", r->name, roles[role].name, got, wanted);
            wrong += !good;
        }
    }
    assert_int_equal(wrong, 0);
}

/* Unconfined, none of these calls kills: or the above would prove nothing. */
static int call_unconfined(void *arg)
{
    const struct refusal *r = arg;

    return r->fn(r->arg);
}

static void the_attempts_are_harmless_without_a_filter(void **state)
{
    (void)state;
    skip_with_sanitizers();
    for (size_t i = 0; i < COUNT(refusals); i++) {
        struct refusal r = refusals[i];

        if (in_child(call_unconfined, &r) >= KILLED)
            fail_msg("%s kills also who is not confined", r.name);
    }
}

static int open_socket(long family)
{
    return result(socket((int)family, family == AF_NETLINK ? SOCK_RAW : SOCK_DGRAM, 0));
}

static int open_pair(long family)
{
    int sv[2];

    return result(socketpair((int)family, SOCK_STREAM, 0, sv));
}

static void sockets_are_of_the_families_that_a_stage_needs(void **state)
{
    static const struct {
        int family;
        int expected[NROLES];
    } families[] = {
        {AF_UNIX, ALL_OF(0)},
        {AF_INET, {0, EAFNOSUPPORT, 0, 0, 0, EAFNOSUPPORT, 0}},
        {AF_INET6, {0, EAFNOSUPPORT, 0, 0, 0, EAFNOSUPPORT, 0}},
        {AF_NETLINK, {0, EAFNOSUPPORT, EAFNOSUPPORT, 0, 0, EAFNOSUPPORT, 0}},
        {AF_PACKET, ALL_OF(EAFNOSUPPORT)},
        {AF_ALG, ALL_OF(EAFNOSUPPORT)},
        {AF_VSOCK, ALL_OF(EAFNOSUPPORT)},
        {AF_KEY, ALL_OF(EAFNOSUPPORT)},
        {AF_UNSPEC, ALL_OF(EAFNOSUPPORT)},
        {AF_MAX, ALL_OF(EAFNOSUPPORT)},
        {-1, ALL_OF(EAFNOSUPPORT)},
    };

    (void)state;
    skip_with_sanitizers();
    for (size_t i = 0; i < COUNT(families); i++) {
        for (int role = 0; role < NROLES; role++) {
            int got = try(role, open_socket, families[i].family);

            /* A machine may have no IPv6. */
            if (got != families[i].expected[role] &&
                !(families[i].family == AF_INET6 && got == EAFNOSUPPORT))
                fail_msg("family %d in the %s: %d", families[i].family, roles[role].name, got);
        }
    }
    assert_int_equal(try(CORE, open_pair, AF_UNIX), 0);
    assert_int_equal(try(CORE, open_pair, AF_TIPC), EAFNOSUPPORT);
}

/* ---- what works ---- */

static void *set_one(void *arg)
{
    *(int *)arg = 1;
    return NULL;
}

static int use_thread(long arg)
{
    pthread_t t;
    int ran = 0, rc = pthread_create(&t, NULL, set_one, &ran);

    (void)arg;
    if (rc)
        return rc;
    return pthread_join(t, NULL) || !ran ? BROKEN : 0;
}

static int use_memory(long bytes)
{
    void *m = mmap(NULL, (size_t)bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (m == MAP_FAILED)
        return errno;
    memset(m, 1, (size_t)bytes);
    return result(munmap(m, (size_t)bytes));
}

static int read_file(long arg)
{
    char text[64];
    int fd = open("/etc/passwd", O_RDONLY | O_CLOEXEC);

    (void)arg;
    return fd < 0 ? errno : result(read(fd, text, sizeof text));
}

static void on_user(int signo)
{
    (void)signo;
}

static int raise_signal(long arg)
{
    (void)arg;
    signal(SIGUSR1, on_user);
    return result(raise(SIGUSR1));
}

static int resolve(long arg)
{
    struct addrinfo hints = {.ai_socktype = SOCK_DGRAM}, *found = NULL;
    int rc = getaddrinfo("localhost", "162", &hints, &found);

    (void)arg;
    if (!rc)
        freeaddrinfo(found);
    return rc ? 100 - rc : 0;
}

static int resolve_in_thread(long arg)
{
    pthread_t t;
    int rc = pthread_create(&t, NULL, (void *(*)(void *))(void (*)(void))resolve, NULL);

    return rc ? rc : pthread_join(t, NULL) ? BROKEN : resolve(arg);
}

static int run_program(long arg)
{
    char *argv[] = {(char *)"true", NULL};
    int status, rc;
    pid_t pid;

    (void)arg;
    rc = posix_spawnp(&pid, "true", NULL, NULL, argv, environ);
    if (rc)
        return rc;
    return waitpid(pid, &status, 0) == pid && !status ? 0 : BROKEN;
}

static void what_is_needed_works(void **state)
{
    static const struct {
        const char *name;
        int (*fn)(long);
        long arg;
        bool of[NROLES];
    } needs[] = {
        {"a thread", use_thread, 0, {0, 1, 1, 1, 1, 1, 1}},
        {"memory", use_memory, 32 << 20, {1, 1, 1, 1, 1, 1, 1}},
        {"reading a file", read_file, 0, {1, 1, 1, 1, 1, 1, 1}},
        {"a signal to itself", raise_signal, 0, {1, 1, 1, 1, 1, 1, 1}},
        {"resolving", resolve, 0, {0, 0, 1, 1, 1, 0, 1}},
        {"resolving in a thread", resolve_in_thread, 0, {0, 0, 0, 1, 1, 0, 1}},
        {"a program", run_program, 0, {1, 0, 0, 0, 0, 1, 1}},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(needs); i++) {
        for (int role = 0; role < NROLES; role++) {
            int got = needs[i].of[role] ? try(role, needs[i].fn, needs[i].arg) : 0;

            if (got)
                fail_msg("%s in the %s: %d", needs[i].name, roles[role].name, got);
        }
    }
}

/* ---- files ---- */

static char folder[64];

static int make_folder(void **state)
{
    (void)state;
    snprintf(folder, sizeof folder, "/tmp/snmpalert-confine-XXXXXX");
    return mkdtemp(folder) ? 0 : -1;
}

static const char *file_of(const char *name)
{
    static char path[128];

    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

static int remove_folder(void **state)
{
    (void)state;
    return nftw(folder, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

/* LMDB's maps, locks and syncs, and the thread that makes its backups. */
static int use_store(long core)
{
    char path[128], backup[128];
    struct store_options o = {.path = path, .map_bytes = 16 << 20, .recover_samples = core};
    struct store *s = NULL;
    struct err e = {.text = ""};
    struct txn *t;
    int err;

    snprintf(path, sizeof path, "%s", file_of("store"));
    snprintf(backup, sizeof backup, "%s", file_of("backup"));
    err = store_open(&s, &o, &e);
    if (!err) {
        t = txn_begin(s, TXN_WRITE);
        err = txn_commit(t, &e);
    }
    if (!err && core)
        err = store_backup(s, backup, &e);
    if (err)
        print_error("%s\n", e.text);
    store_close(s);
    return err ? BROKEN : 0;
}

static void stages_of_the_store_can_use_it_and_others_cannot_read_it(void **state)
{
    struct stat st;

    (void)state;
    assert_int_equal(try(CORE, use_store, true), 0);
    assert_int_equal(try(AGENT, use_store, false), 0);
    assert_int_equal(stat(file_of("store"), &st), 0);
    assert_int_equal(st.st_mode & 07777, 0700);
    assert_int_equal(stat(file_of("store/state/data.mdb"), &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
}

static int make_file(long arg)
{
    int fd = open(file_of("file"), O_RDWR | O_CREAT | O_CLOEXEC, 0600);

    (void)arg;
    return result(fd);
}

static int remove_file(long arg)
{
    (void)arg;
    return result(unlink(file_of("file")));
}

static void stages_of_the_network_change_no_file(void **state)
{
    (void)state;
    skip_with_sanitizers();
    if (syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION) < 1) {
        print_message("this kernel has no Landlock\n");
        skip();
    }
    assert_int_equal(try(POLLER, make_file, 0), EACCES);
    assert_int_equal(try(CORE, make_file, 0), 0);
    assert_int_equal(try(DISPATCHER, make_file, 0), EACCES);
    assert_int_equal(try(DISPATCHER, remove_file, 0), EACCES);
    assert_int_equal(try(AGENT, remove_file, 0), 0);
    assert_int_equal(try(RUNNER, make_file, 0), 0);
}

/* ---- rights ---- */

static uint64_t bounding(void)
{
    uint64_t set = 0;

    for (unsigned long cap = 0; cap < 64; cap++) {
        if (prctl(PR_CAPBSET_READ, cap, 0, 0, 0) == 1)
            set |= UINT64_C(1) << cap;
    }
    return set;
}

static int check_rights(uint64_t caps)
{
    struct rlimit core;

    if (caps_permitted() != caps)
        return 1;
    if (prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1)
        return 2;
    if (prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) != 0)
        return 3;
    if (getrlimit(RLIMIT_CORE, &core) || core.rlim_max)
        return 4;
    if (umask(0) != 077)
        return 5;
    return 0;
}

static int no_rights(long seals)
{
    int rc = check_rights(0);

    return rc ? rc : seals && bounding() ? 6 : 0;
}

static void nobody_keeps_a_capability(void **state)
{
    bool seals = caps_permitted() & CAPS_BIT(CAP_SETPCAP);

    (void)state;
    for (int role = 0; role < NROLES; role++) {
        int got = try(role, no_rights, seals);

        if (got)
            fail_msg("%s: check %d failed", roles[role].name, got);
    }
}

/* ---- users: those that every system has ---- */

static const char service[] = "daemon", network[] = "nobody", program[] = "bin";

static int become(struct confine *ret)
{
    struct err e = {.text = ""};
    int err = confine_parent(ret, &(struct confine_names){service, network, program}, false, &e);

    if (err)
        print_error("%s\n", e.text);
    return err;
}

static int look_at_parent(void *arg)
{
    uid_t uid = getpwnam(service)->pw_uid;
    gid_t gid = getpwnam(service)->pw_gid, groups[1];
    struct confine c;

    (void)arg;
    if (become(&c) || c.service != uid || c.network != getpwnam(network)->pw_uid ||
        c.program != getpwnam(program)->pw_uid || c.program_group != getpwnam(program)->pw_gid)
        return 20;
    if (getuid() != uid || geteuid() != uid || getegid() != gid)
        return 21;
    if (getgroups(1, groups) != 1 || groups[0] != gid)
        return 22;
    if (bounding())
        return 23;
    return check_rights(CAPS_BIT(CAP_SETUID) | CAPS_BIT(CAP_SETGID) | CAPS_BIT(CAP_KILL));
}

static void the_parent_keeps_three_capabilities(void **state)
{
    (void)state;
    skip_unless_root();
    assert_int_equal(in_child(look_at_parent, NULL), 0);
}

static int turn_back(void *arg)
{
    gid_t root[] = {0};
    struct confine c;

    (void)arg;
    if (become(&c))
        return 20;
    if (!setresuid(0, 0, 0) || !setresuid(c.network, c.network, 0) || !setuid(0) || !seteuid(0))
        return 21;
    if (!setgroups(1, root) || !setresgid(0, 0, 0) || !setgid(0))
        return 22;
    /* Nor anybody between, below or beyond those that it may become. */
    for (uid_t uid = 0; uid < 70000; uid++) {
        bool may = uid == c.network || uid == c.program;

        if (!may && !setresuid((uid_t)-1, (uid_t)-1, uid))
            return 23;
        if (uid != c.program_group && !setresgid((gid_t)-1, (gid_t)-1, uid))
            return 24;
    }
    if (setresgid(c.program_group, c.program_group, c.program_group))
        return 25;
    return setresuid(c.program, c.program, c.program) ? 26 : 0;
}

static void the_parent_cannot_be_root_again(void **state)
{
    (void)state;
    skip_with_sanitizers();
    skip_unless_root();
    assert_int_equal(in_child(turn_back, NULL), 0);
}

static int become_stage(void *arg)
{
    enum stage_id s = *(enum stage_id *)arg;
    bool is_network = s == STAGE_POLLER || s == STAGE_DISPATCHER, runs = s == STAGE_RUNNER;
    struct rlimit processes;
    struct confine c;
    struct err e;

    if (become(&c) || confine_become(&c, s, &e))
        return 20;
    if (getuid() != (is_network ? c.network
                     : runs     ? c.program
                                : c.service) ||
        geteuid() != getuid() || getegid() != getpwnam(runs ? program : service)->pw_gid)
        return 21;
    if (getgroups(0, NULL) != !(is_network || runs))
        return 22;
    if (caps_permitted())
        return 23;
    if (runs && (getrlimit(RLIMIT_NPROC, &processes) || processes.rlim_max > 1024))
        return 24;
    return run_program(0);
}

static void stages_become_whom_they_should(void **state)
{
    (void)state;
    skip_unless_root();
    for (enum stage_id s = STAGE_CORE; s <= STAGE_CHECKER; s++)
        assert_int_equal(in_child(become_stage, &s), 0);
}

struct start {
    uid_t uid; /* as whom */
    struct confine_names names;
    int code;
    const char *words;
};

static int start(void *arg)
{
    const struct start *s = arg;
    struct err e = {.text = ""};
    struct confine c;

    if (s->uid && (setgroups(0, NULL) || setresuid(s->uid, s->uid, s->uid)))
        return 20;
    if (confine_parent(&c, &s->names, false, &e) != s->code)
        return 21;
    if (s->code && !strstr(e.text, s->words)) {
        print_error("%s\n", e.text);
        return 22;
    }
    return s->code || (c.network == c.service && c.service == geteuid()) ? 0 : 23;
}

static void who_cannot_become_somebody_is_told(void **state)
{
    static const struct start starts[] = {
        {0, {"no-such-user", NULL, NULL}, ERR_NOTFOUND, "'u no-such-user -'"},
        {0, {"daemon", "no-such-user", NULL}, ERR_NOTFOUND, "--network-user"},
        {0, {"daemon", NULL, "no-such-user"}, ERR_NOTFOUND, "--program-user"},
        {0, {"4123456789", NULL, NULL}, ERR_NOTFOUND, "no user '4123456789'"},
        {0, {"daemon", "root", NULL}, ERR_INVALID, "--network-user"},
        {0, {"daemon", "nobody", "root"}, ERR_INVALID, "--program-user"},
        {0, {"root", NULL, NULL}, 0, ""},
        {0, {"0", "0", "0"}, 0, ""},
        {0, {"daemon", NULL, NULL}, 0, ""},
        {65534, {NULL, NULL, NULL}, 0, ""},
        {65534, {"nobody", NULL, NULL}, 0, ""},
        {65534, {"daemon", NULL, NULL}, ERR_DENIED, "--user"},
        {65534, {NULL, "daemon", NULL}, ERR_DENIED, "CAP_SETUID"},
        {65534, {NULL, NULL, "daemon"}, ERR_DENIED, "--program-user"},
        {4123456, {NULL, NULL, NULL}, 0, ""},
        {4123456, {"4123456", NULL, NULL}, 0, ""},
    };

    (void)state;
    skip_unless_root();
    for (size_t i = 0; i < COUNT(starts); i++) {
        struct start s = starts[i];
        int got = in_child(start, &s);

        if (got)
            fail_msg("start %zu, as %u: check %d failed", i, (unsigned)s.uid, got);
    }
}

static void root_becomes_nobody_that_does_not_exist(void **state)
{
    struct start s = {
        0, {NULL, NULL, NULL}, ERR_NOTFOUND, "there is no user '" SA_SERVICE_USER "'"};

    (void)state;
    skip_unless_root();
    if (getpwnam(SA_SERVICE_USER))
        s = (struct start){0, {NULL, "no-such-user", NULL}, ERR_NOTFOUND, "no-such-user"};
    assert_int_equal(in_child(start, &s), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(calls_are_refused),
        cmocka_unit_test(the_attempts_are_harmless_without_a_filter),
        cmocka_unit_test(sockets_are_of_the_families_that_a_stage_needs),
        cmocka_unit_test(what_is_needed_works),
        cmocka_unit_test_setup_teardown(stages_of_the_store_can_use_it_and_others_cannot_read_it,
                                        make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(stages_of_the_network_change_no_file, make_folder,
                                        remove_folder),
        cmocka_unit_test(nobody_keeps_a_capability),
        cmocka_unit_test(the_parent_keeps_three_capabilities),
        cmocka_unit_test(the_parent_cannot_be_root_again),
        cmocka_unit_test(stages_become_whom_they_should),
        cmocka_unit_test(who_cannot_become_somebody_is_told),
        cmocka_unit_test(root_becomes_nobody_that_does_not_exist),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
