/* Invariants: a process that runs on after an error here would have more rights than it should, so
 * every caller ends then. What is refused with EPERM is what a library may try and do without; what
 * nothing of ours has any business with kills the process, since who asks for it is not us any
 * more. The parent's filter holds for its children, too: theirs only add to it. */
#include "daemon/confine.h"

#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/landlock.h>
#include <pwd.h>
#include <sched.h>
#include <seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/caps.h"

#include "config.h"

#define COUNT(a) (sizeof(a) / sizeof *(a))

/* ---- users ---- */

enum {
    GROUPS_MAX = 256,
    PROCESSES_MAX = 1024, /* of the program user, whatever runs them */
};

struct who {
    const char *name;
    uid_t uid;
    gid_t gid;
};

static int no_such_user(const char *name, const char *option, struct err *e)
{
    return err_set(
        e, ERR_NOTFOUND,
        "there is no user '%s': make it (for systemd-sysusers: 'u %s -'), or name another "
        "with %s; %s=root stays root",
        name, name, option, option);
}

static struct passwd *find_by_number(const char *name, uid_t *ret_uid)
{
    char *end;
    unsigned long n = strtoul(name, &end, 10);

    errno = 0;
    if (*name < '0' || *name > '9' || *end || n >= (uid_t)-1) {
        *ret_uid = (uid_t)-1;
        return NULL;
    }
    *ret_uid = (uid_t)n;
    return getpwuid(*ret_uid);
}

/* Also a number that no user has, if it is our own: containers run as such. */
static int find_user(struct who *ret, const char *name, const char *option, struct err *e)
{
    struct passwd *p = getpwnam(name);
    uid_t uid = (uid_t)-1;

    if (!p)
        p = find_by_number(name, &uid);
    if (!p && uid != geteuid())
        return no_such_user(name, option, e);
    *ret = p ? (struct who){name, p->pw_uid, p->pw_gid} : (struct who){name, uid, getegid()};
    return 0;
}

static struct who myself(void)
{
    return (struct who){"", geteuid(), getegid()};
}

/* Who there is: service, network, program. */
struct users {
    struct who service, network, program;
};

static struct confine_names fill_in(const struct confine_names *names)
{
    struct confine_names n = *names;

    if (n.user || geteuid())
        return n;
    n.user = SA_SERVICE_USER;
    if (!n.network_user)
        n.network_user = SA_NETWORK_USER;
    if (!n.program_user)
        n.program_user = SA_PROGRAM_USER;
    return n;
}

static int find_users(struct users *ret, const struct confine_names *names, struct err *e)
{
    struct confine_names n = fill_in(names);
    int err = 0;

    ret->service = myself();
    if (n.user)
        err = find_user(&ret->service, n.user, "--user", e);
    ret->network = ret->service;
    if (!err && n.network_user)
        err = find_user(&ret->network, n.network_user, "--network-user", e);
    ret->program = ret->network;
    if (!err && n.program_user)
        err = find_user(&ret->program, n.program_user, "--program-user", e);
    if (!err && ret->service.uid && !ret->network.uid)
        err = err_set(e, ERR_INVALID, "the network stages cannot be root's: --network-user");
    if (!err && ret->service.uid && !ret->program.uid)
        err = err_set(e, ERR_INVALID, "programs cannot be root's: --program-user");
    return err;
}

/* One of its own: with its own group, too. */
static bool is_apart(const struct users *u)
{
    return u->program.uid != u->service.uid && u->program.uid != u->network.uid;
}

static const uint64_t change_user = CAPS_BIT(CAP_SETUID) | CAPS_BIT(CAP_SETGID);
static const uint64_t keep_separate =
    CAPS_BIT(CAP_SETUID) | CAPS_BIT(CAP_SETGID) | CAPS_BIT(CAP_KILL);

static int may_have(const struct who *other, const char *option, struct err *e)
{
    if ((caps_permitted() & keep_separate) == keep_separate)
        return 0;
    return err_set(e, ERR_DENIED,
                   "only root, or who has CAP_SETUID, CAP_SETGID and CAP_KILL, can have stages "
                   "of '%s' (%s)",
                   other->name, option);
}

static int may_change(const struct users *u, struct err *e)
{
    if (u->service.uid != geteuid() && (caps_permitted() & change_user) != change_user)
        return err_set(e, ERR_DENIED, "only root can become '%s' (--user)", u->service.name);
    if (u->network.uid != u->service.uid)
        return may_have(&u->network, "--network-user", e);
    return u->program.uid != u->service.uid ? may_have(&u->program, "--program-user", e) : 0;
}

static int become_service(const struct who *service, struct err *e)
{
    gid_t groups[GROUPS_MAX];
    int n = GROUPS_MAX;

    if (service->uid == geteuid() && getuid() == geteuid())
        return 0;
    if (getgrouplist(service->name, service->gid, groups, &n) < 0)
        return err_set(e, ERR_RANGE, "the user '%s' is in more than %d groups", service->name,
                       GROUPS_MAX);
    if (prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) || setgroups((size_t)n, groups) ||
        setresgid(service->gid, service->gid, service->gid) ||
        setresuid(service->uid, service->uid, service->uid))
        return err_errno(e, "becoming the user '%s'", service->name);
    return 0;
}

static uid_t user_of(const struct confine *c, enum stage_id s)
{
    if (s == STAGE_POLLER || s == STAGE_DISPATCHER)
        return c->network;
    return s == STAGE_RUNNER ? c->program : c->service;
}

/* A program that makes processes without end is to end at some number of them. */
static int limit_processes(void)
{
    const struct rlimit most = {PROCESSES_MAX, PROCESSES_MAX};

    return setrlimit(RLIMIT_NPROC, &most);
}

int confine_become(const struct confine *c, enum stage_id s, struct err *e)
{
    const uid_t uid = user_of(c, s);
    const gid_t gid = c->program_group;
    bool apart = s == STAGE_RUNNER && gid != getegid();

    if (uid != c->service && (setgroups(0, NULL) || (apart && setresgid(gid, gid, gid)) ||
                              (s == STAGE_RUNNER && limit_processes()) || setresuid(uid, uid, uid)))
        return err_errno(e, "becoming the %s user", s == STAGE_RUNNER ? "program" : "network");
    return caps_keep(0) ? err_errno(e, "capset") : 0;
}

/* ---- filters ---- */

enum {
    PARENT = 1, /* bits of roles; those of stages are 1 << stage */
    CORE = 1 << STAGE_CORE,
    AGENT = 1 << STAGE_AGENT,
    NETWORK = 1 << STAGE_POLLER | 1 << STAGE_DISPATCHER,
    CHECKER = 1 << STAGE_CHECKER,
    RUNNER = 1 << STAGE_RUNNER,           /* what is refused to it is refused to its programs */
    STARTERS = PARENT | CHECKER | RUNNER, /* they start programs */
    STAGES = CORE | AGENT | NETWORK | CHECKER | RUNNER,
    ALL = PARENT | STAGES,
};

/* The names are as libseccomp knows them; one that it does not know cannot be refused. */
static const struct {
    unsigned roles;
    uint32_t action;
    const char *names[24];
} refusals[] = {
    {ALL,
     SCMP_ACT_KILL_PROCESS, /* other processes */
     {"ptrace", "process_vm_readv", "process_vm_writev", "process_madvise", "pidfd_getfd", "kcmp"}},
    {ALL,
     SCMP_ACT_KILL_PROCESS, /* the machine */
     {"acct",           "bpf",        "create_module", "delete_module",   "finit_module",
      "init_module",    "ioperm",     "iopl",          "kexec_file_load", "kexec_load",
      "lookup_dcookie", "nfsservctl", "quotactl",      "quotactl_fd",     "reboot",
      "swapoff",        "swapon",     "syslog",        "sethostname",     "setdomainname",
      "vhangup"}},
    {ALL,
     SCMP_ACT_KILL_PROCESS, /* other places */
     {"chroot", "fsconfig", "fsmount", "fsopen", "fspick", "mount", "mount_setattr", "move_mount",
      "open_by_handle_at", "open_tree", "pivot_root", "setns", "umount", "umount2", "unshare",
      "uselib"}},
    {ALL,
     SCMP_ACT_ERRNO(EPERM), /* large parts of the kernel that we do without */
     {"add_key", "fanotify_init", "io_uring_enter", "io_uring_register", "io_uring_setup", "keyctl",
      "migrate_pages", "modify_ldt", "move_pages", "perf_event_open", "personality", "request_key",
      "userfaultfd"}},
    {ALL,
     SCMP_ACT_ERRNO(EPERM), /* the clock */
     {"adjtimex", "clock_adjtime", "clock_adjtime64", "clock_settime", "clock_settime64",
      "settimeofday", "stime"}},
    {ALL,
     SCMP_ACT_ERRNO(ENOSYS), /* its flags are in memory; glibc takes clone(2) then */
     {"clone3"}},
    {STAGES & ~STARTERS, SCMP_ACT_KILL_PROCESS, {"execve", "execveat"}},
    {STAGES & ~STARTERS, SCMP_ACT_ERRNO(EPERM), {"fork", "vfork"}},
    {STAGES,
     SCMP_ACT_ERRNO(EPERM), /* other users, though they had no right to */
     {"setfsgid", "setfsgid32", "setfsuid", "setfsuid32", "setgid", "setgid32", "setgroups",
      "setgroups32", "setregid", "setregid32", "setresgid", "setresgid32", "setresuid",
      "setresuid32", "setreuid", "setreuid32", "setuid", "setuid32"}},
    {NETWORK,
     SCMP_ACT_ERRNO(EPERM), /* each other */
     {"kill", "pidfd_open", "pidfd_send_signal", "rt_sigqueueinfo", "rt_tgsigqueueinfo", "tkill"}},
};

static const struct {
    unsigned roles;
    int families[5];
} sockets[] = {
    /* getaddrinfo() asks netlink which addresses there are; nscd and the like are local */
    {PARENT | NETWORK | RUNNER, {AF_UNIX, AF_INET, AF_INET6, AF_NETLINK}},
    {AGENT, {AF_UNIX, AF_INET, AF_INET6}},
    {CORE | CHECKER, {AF_UNIX}},
};

static const unsigned long namespaces[] = {CLONE_NEWNS,  CLONE_NEWCGROUP, CLONE_NEWUTS,
                                           CLONE_NEWIPC, CLONE_NEWUSER,   CLONE_NEWPID,
                                           CLONE_NEWNET};

static int refuse_names(scmp_filter_ctx f, uint32_t action, const char *const *names, size_t n)
{
    for (size_t i = 0; i < n && names[i]; i++) {
        int call = seccomp_syscall_resolve_name(names[i]);

        if (call != __NR_SCMP_ERROR && seccomp_rule_add(f, action, call, 0))
            return ERR_UNSUPPORTED;
    }
    return 0;
}

static int refuse_calls(scmp_filter_ctx f, unsigned role)
{
    int err = 0;

    for (size_t i = 0; i < COUNT(refusals) && !err; i++) {
        if (refusals[i].roles & role)
            err = refuse_names(f, refusals[i].action, refusals[i].names, COUNT(refusals[i].names));
    }
    return err;
}

static bool has_family(unsigned role, int family)
{
    for (size_t i = 0; i < COUNT(sockets); i++) {
        for (size_t k = 0; (sockets[i].roles & role) && k < COUNT(sockets[i].families); k++) {
            if (sockets[i].families[k] == family)
                return family != 0;
        }
    }
    return false;
}

/* A rule cannot say "none of these", so each is named that is refused. */
static int refuse_families(scmp_filter_ctx f, unsigned role, int call)
{
    const uint32_t refuse = SCMP_ACT_ERRNO(EAFNOSUPPORT);
    int rc = seccomp_rule_add(f, refuse, call, 1, SCMP_A0(SCMP_CMP_GE, AF_MAX));

    for (int family = 0; family < AF_MAX && !rc; family++) {
        if (!has_family(role, family))
            rc = seccomp_rule_add(f, refuse, call, 1, SCMP_A0(SCMP_CMP_EQ, (unsigned)family));
    }
    return rc;
}

/* Threads, but no processes; of those who start programs, none in namespaces of its own. */
static int refuse_clones(scmp_filter_ctx f, unsigned role)
{
    const uint32_t refuse = SCMP_ACT_ERRNO(EPERM);
    int rc = 0;

    for (size_t i = 0; i < COUNT(namespaces) && !rc; i++)
        rc = seccomp_rule_add(f, refuse, SCMP_SYS(clone), 1,
                              SCMP_A0(SCMP_CMP_MASKED_EQ, namespaces[i], namespaces[i]));
    if (!rc && !(role & STARTERS))
        rc = seccomp_rule_add(f, refuse, SCMP_SYS(clone), 1,
                              SCMP_A0(SCMP_CMP_MASKED_EQ, CLONE_THREAD, 0));
    return rc;
}

/* Nobody types into the terminal that the daemon was started from. */
static int refuse_typing(scmp_filter_ctx f)
{
    const uint32_t refuse = SCMP_ACT_ERRNO(EPERM);
    int rc = seccomp_rule_add(f, refuse, SCMP_SYS(ioctl), 1,
                              SCMP_A1(SCMP_CMP_MASKED_EQ, UINT32_MAX, TIOCSTI));

    return rc ? rc
              : seccomp_rule_add(f, refuse, SCMP_SYS(ioctl), 1,
                                 SCMP_A1(SCMP_CMP_MASKED_EQ, UINT32_MAX, TIOCLINUX));
}

/* One's own threads may be signalled, as raise() and abort() do, and one's own limits asked for. */
static int refuse_siblings(scmp_filter_ctx f, unsigned role)
{
    const uint32_t refuse = SCMP_ACT_ERRNO(EPERM);
    const scmp_datum_t own = (scmp_datum_t)getpid();
    int rc = 0;

    if (role & NETWORK)
        rc = seccomp_rule_add(f, refuse, SCMP_SYS(tgkill), 1, SCMP_A0(SCMP_CMP_NE, own));
    if (!rc && (role & NETWORK))
        rc = seccomp_rule_add(f, refuse, SCMP_SYS(prlimit64), 1, SCMP_A0(SCMP_CMP_NE, 0));
    return rc;
}

/* Numbers from FIRST to LAST, as the few aligned blocks that they consist of: a rule cannot name an
 * argument twice. */
static int refuse_between(scmp_filter_ctx f, int call, unsigned arg, uint64_t first, uint64_t last)
{
    const uint32_t refuse = SCMP_ACT_ERRNO(EPERM);
    int rc = 0;

    while (first <= last && !rc) {
        uint64_t size = first ? first & (~first + 1) : UINT64_C(1) << 32;

        while (size - 1 > last - first)
            size >>= 1;
        rc = seccomp_rule_add(f, refuse, call, 1,
                              SCMP_CMP(arg, SCMP_CMP_MASKED_EQ, UINT32_MAX & ~(size - 1), first));
        first += size;
    }
    return rc;
}

/* Ids other than A and B, which may be the same. */
static int refuse_others(scmp_filter_ctx f, int call, unsigned arg, uint32_t a, uint32_t b)
{
    const uint32_t refuse = SCMP_ACT_ERRNO(EPERM), low = a < b ? a : b, high = a < b ? b : a;
    int rc = 0;

    if (low > 0)
        rc = seccomp_rule_add(f, refuse, call, 1, SCMP_CMP(arg, SCMP_CMP_LT, low));
    if (!rc)
        rc = seccomp_rule_add(f, refuse, call, 1, SCMP_CMP(arg, SCMP_CMP_GT, high));
    if (!rc && low != high)
        rc = refuse_between(f, call, arg, (uint64_t)low + 1, (uint64_t)high - 1);
    return rc;
}

/* The parent may become the network and the program user, the latter's group, and leave all groups:
 * nobody else's, and no others. */
static int refuse_users(scmp_filter_ctx f, const struct confine *to)
{
    static const char *const others[] = {"setfsgid", "setfsgid32", "setfsuid", "setfsuid32",
                                         "setgid",   "setgid32",   "setregid", "setregid32",
                                         "setreuid", "setreuid32", "setuid",   "setuid32"};
    const struct {
        int call;
        uint32_t a, b;
        unsigned nargs;
    } some[] = {
        {SCMP_SYS(setgroups), 0, 0, 1},
        {SCMP_SYS(setgroups32), 0, 0, 1},
        {SCMP_SYS(setresuid), to->network, to->program, 3},
        {SCMP_SYS(setresuid32), to->network, to->program, 3},
        {SCMP_SYS(setresgid), to->program_group, to->program_group, 3},
        {SCMP_SYS(setresgid32), to->program_group, to->program_group, 3},
    };
    int rc = refuse_names(f, SCMP_ACT_ERRNO(EPERM), others, COUNT(others));

    for (size_t i = 0; i < COUNT(some); i++) {
        for (unsigned arg = 0; arg < some[i].nargs && !rc; arg++)
            rc = refuse_others(f, some[i].call, arg, some[i].a, some[i].b);
    }
    return rc;
}

/* TO: whom the parent may become. */
static int filter_load(unsigned role, const struct confine *to, struct err *e)
{
    scmp_filter_ctx f = seccomp_init(SCMP_ACT_ALLOW);
    int rc;

    if (!f)
        return err_set(e, ERR_NOMEM, "seccomp filter");
    rc = seccomp_attr_set(f, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
    if (!rc)
        rc = refuse_calls(f, role);
    if (!rc)
        rc = refuse_families(f, role, SCMP_SYS(socket));
    if (!rc)
        rc = refuse_families(f, role, SCMP_SYS(socketpair));
    if (!rc)
        rc = refuse_clones(f, role);
    if (!rc)
        rc = refuse_typing(f);
    if (!rc)
        rc = role == PARENT ? refuse_users(f, to) : refuse_siblings(f, role);
    if (!rc)
        rc = seccomp_load(f);
    seccomp_release(f);
    return rc ? err_set(e, ERR_UNSUPPORTED, "the filter of system calls was refused (%s)",
                        rc < 0 ? strerror(-rc) : "?")
              : 0;
}

/* ---- Landlock, where the kernel has it ---- */

/* What <linux/landlock.h> calls landlock_ruleset_attr, as of its sixth version. */
struct ruleset {
    uint64_t files, ports, scoped;
};

enum {
    FILES_EXECUTE = LANDLOCK_ACCESS_FS_EXECUTE,
    /* Of the third version: all but executing and reading. */
    FILES_CHANGE =
        (1 << 15) - 1 -
        (LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR),
    SCOPED_ABSTRACT_SOCKET = 1,
    SCOPED_SIGNAL = 2,
    FILES_OF_1 = (1 << 13) - 1,
    FILES_OF_2 = (1 << 14) - 1,
};

/* No rule gives anything back: what a role has here it cannot do to any file. It also keeps one
 * from looking into processes that are not below oneself, even in the instant between a sibling's
 * exec and its PR_SET_DUMPABLE. */
static const struct {
    unsigned roles;
    struct ruleset rules;
} locks[] = {
    {CORE | AGENT, {.files = FILES_EXECUTE}},
    {NETWORK,
     {.files = FILES_EXECUTE | FILES_CHANGE, .scoped = SCOPED_ABSTRACT_SOCKET | SCOPED_SIGNAL}},
    {RUNNER, {.scoped = SCOPED_SIGNAL}},
};

static int lock(struct ruleset r, struct err *e)
{
    long version = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
    int err = 0;

    if (version < 1)
        return 0;
    r.files &= version < 2 ? FILES_OF_1 : version < 3 ? FILES_OF_2 : ~UINT64_C(0);
    r.scoped &= version < 6 ? 0 : ~UINT64_C(0);
    if (!r.files && !r.scoped)
        return 0;
    int fd = (int)syscall(SYS_landlock_create_ruleset, &r, sizeof r, 0);
    if (fd < 0 || syscall(SYS_landlock_restrict_self, fd, 0))
        err = err_errno(e, "Landlock");
    if (fd >= 0)
        close(fd);
    return err;
}

static int lock_role(unsigned role, struct err *e)
{
    int err = 0;

    for (size_t i = 0; i < COUNT(locks) && !err; i++) {
        if (locks[i].roles & role)
            err = lock(locks[i].rules, e);
    }
    return err;
}

/* ---- all of it ---- */

/* Becoming somebody else undoes PR_SET_DUMPABLE, so this comes after. */
static int give_away(uint64_t keep, struct err *e)
{
    const struct rlimit none = {0, 0};

    umask(077);
    if (caps_keep(keep | CAPS_BIT(CAP_SETPCAP)))
        return err_errno(e, "capset");
    caps_seal();
    if (caps_keep(keep))
        return err_errno(e, "capset");
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) ||
        setrlimit(RLIMIT_CORE, &none))
        return err_errno(e, "prctl");
    return 0;
}

#ifdef SA_SANITIZERS
static const bool sanitizers = true;
#else
static const bool sanitizers = false;
#endif

int confine_parent(struct confine *ret, const struct confine_names *names, bool unconfined,
                   struct err *e)
{
    struct users u;
    struct confine c;
    int err = find_users(&u, names, e);
    bool separate;

    if (!err)
        err = may_change(&u, e);
    if (!err)
        err = become_service(&u.service, e);
    if (err)
        return err;
    c = (struct confine){u.service.uid, u.network.uid, u.program.uid,
                         is_apart(&u) ? u.program.gid : getegid()};
    separate = c.network != c.service || c.program != c.service;
    err = give_away(separate ? keep_separate : 0, e);
    if (!err && !unconfined && !sanitizers)
        err = filter_load(PARENT, &c, e);
    if (!err)
        *ret = c;
    return err;
}

int confine_stage(enum stage_id s, bool unconfined, struct err *e)
{
    const unsigned role = 1U << s;
    int err = give_away(0, e);

    if (!err && !unconfined && !sanitizers)
        err = lock_role(role, e);
    if (!err && !unconfined && !sanitizers)
        err = filter_load(role, NULL, e);
    return err;
}
