/* The log handler. Invariant: a file that we write to ends with a whole line after every delivery,
 * since what was written of one that failed is cut off again. Nothing is kept open that is no
 * longer what the configuration names. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "dispatch/dispatch.h"
#include "dispatch/document.h"
#include "dispatch/log_kind.h"
#include "dispatch/notice_text.h"

enum {
    FILE_MODE = 0640,
    SYSLOG_MAX = 64 << 10, /* octets of one datagram; the largest notice is a quarter of it */
};

struct log {
    struct service *service;
    int fd; /* file or socket; -1: not open */
};

static const char *text(const struct log *l, const char *name)
{
    const struct dispatch_handler *h = service_handler(l->service);

    return values_text(&h->values, h->kind->properties, h->kind->nproperties, name);
}

static bool truth(const struct log *l, const char *name)
{
    const struct dispatch_handler *h = service_handler(l->service);

    return values_true(&h->values, h->kind->properties, h->kind->nproperties, name);
}

static void shut(struct log *l)
{
    if (l->fd >= 0)
        close(l->fd);
    l->fd = -1;
}

/* ---- one notice ---- */

static void put_notice(const struct log *l, const struct job *j, size_t i, struct buf *b)
{
    struct job one = *j;

    if (strcmp(text(l, "format"), "json") == 0) {
        document_notice_write(j, i, b);
        return;
    }
    one.events = &j->events[i];
    one.nevents = 1;
    notice_subject(&one, b);
}

/* ---- files ---- */

/* The umask is for what nobody else should see; this is to be read. */
static int make_file(const char *path)
{
    int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, FILE_MODE);

    if (fd >= 0 && fchmod(fd, FILE_MODE)) {
        close(fd);
        return -1;
    }
    return fd;
}

/* Is it still the file of that name? */
static bool is_current(const struct log *l, const char *path)
{
    struct stat is, named;

    return l->fd >= 0 && !fstat(l->fd, &is) && !lstat(path, &named) && is.st_dev == named.st_dev &&
           is.st_ino == named.st_ino;
}

static int open_file(struct log *l, const char *path, struct err *e)
{
    struct stat st;

    if (is_current(l, path))
        return 0;
    shut(l);
    /* O_NONBLOCK: a FIFO would have us wait for its reader. */
    l->fd = open(path, O_WRONLY | O_APPEND | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (l->fd < 0 && errno == ENOENT)
        l->fd = make_file(path);
    if (l->fd < 0)
        return errno == ELOOP ? err_set(e, ERR_INVALID, "%s is a symbolic link", path)
                              : err_errno(e, "%s", path);
    if (fstat(l->fd, &st) || !S_ISREG(st.st_mode)) {
        shut(l);
        return err_set(e, ERR_INVALID, "%s is no regular file", path);
    }
    return 0;
}

/* All of it or nothing. */
static int append(int fd, const struct buf *b)
{
    struct stat before;
    ssize_t n;
    int error;

    if (fstat(fd, &before))
        return -1;
    n = write(fd, b->data, b->len);
    if (n == (ssize_t)b->len)
        return 0;
    error = n < 0 ? errno : ENOSPC; /* the disk took a part: the next write would say so */
    if (n > 0 && ftruncate(fd, before.st_size))
        error = errno;
    errno = error;
    return -1;
}

static void put_line(const struct log *l, const struct job *j, size_t i, struct buf *b)
{
    char time[CLOCK_ISO_LEN];

    if (strcmp(text(l, "format"), "text") == 0) {
        clock_iso(j->events[i].at_ms, time);
        buf_printf(b, "%s ", time);
    }
    put_notice(l, j, i, b);
    buf_u8(b, '\n');
}

static int to_file(struct log *l, const struct job *j, const char *path, struct err *e)
{
    struct buf b;
    int err;

    buf_init(&b, DOCUMENT_MAX);
    for (size_t i = j->nevents; i-- > 0;) /* a log goes on with the newest */
        put_line(l, j, i, &b);
    err = b.err ? err_set(e, b.err, "the notice: %s", err_name(b.err)) : open_file(l, path, e);
    if (!err && append(l->fd, &b))
        err = err_errno(e, "writing %s", path);
    if (!err && truth(l, "sync") && fdatasync(l->fd))
        err = err_errno(e, "writing %s to the disk", path);
    if (err)
        shut(l);
    buf_release(&b);
    return err;
}

/* ---- syslog ---- */

static int open_socket(struct log *l, const char *path, struct err *e)
{
    struct sockaddr_un to = {.sun_family = AF_UNIX};

    if (l->fd >= 0)
        return 0;
    if (strlen(path) >= sizeof to.sun_path)
        return err_set(e, ERR_INVALID, "%s is too long for a socket's name", path);
    memcpy(to.sun_path, path, strlen(path));
    l->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (l->fd < 0)
        return err_errno(e, "socket");
    if (connect(l->fd, (struct sockaddr *)&to, sizeof to)) {
        int err = err_errno(e, "syslog at %s", path);

        shut(l);
        return err;
    }
    return 0;
}

/* RFC 5424 section 6.2.1 */
static unsigned severity(unsigned level)
{
    static const unsigned severities[] = {
        [LEVEL_OK] = 5,       [LEVEL_INFO] = 6,    [LEVEL_WARNING] = 4,
        [LEVEL_CRITICAL] = 2, [LEVEL_UNKNOWN] = 3,
    };

    return level >= LEVEL_OK && level <= LEVEL_UNKNOWN ? severities[level] : 5;
}

/* As syslog(3) writes it (RFC 3164 section 4.1), the time in its own words whatever the locale. */
static void put_message(const struct log *l, const struct job *j, size_t i, struct buf *b)
{
    static const char months[][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                     "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    const struct dispatch_handler *h = service_handler(l->service);
    int64_t facility =
        values_number(&h->values, h->kind->properties, h->kind->nproperties, "facility");
    time_t now = (time_t)(clock_wall_ms() / 1000);
    struct tm tm = {.tm_mday = 1};

    localtime_r(&now, &tm);
    buf_printf(b, "<%u>%s %2d %02d:%02d:%02d %s[%ld]: ",
               log_facilities[facility] << 3 | severity(j->events[i].level), months[tm.tm_mon],
               tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec, text(l, "ident"), (long)getpid());
    put_notice(l, j, i, b);
}

static int send_message(struct log *l, const struct job *j, size_t i, const char *path,
                        struct err *e)
{
    struct buf b;
    int err = 0;

    buf_init(&b, SYSLOG_MAX);
    put_message(l, j, i, &b);
    if (b.err)
        err = err_set(e, b.err, "the notice: %s", err_name(b.err));
    else if (send(l->fd, b.data, b.len, MSG_NOSIGNAL) < 0)
        err = errno == EAGAIN ? err_set(e, ERR_AGAIN, "syslog at %s does not read", path)
                              : err_errno(e, "syslog at %s", path);
    buf_release(&b);
    return err;
}

static int to_syslog(struct log *l, const struct job *j, struct err *e)
{
    const char *path = text(l, "socket");
    int err = open_socket(l, path, e);

    for (size_t i = j->nevents; i-- > 0 && !err;)
        err = send_message(l, j, i, path, e);
    if (err) /* it may have been started anew */
        shut(l);
    return err;
}

/* ---- the kind ---- */

static void log_deliver(void *state, struct job *j)
{
    struct log *l = state;
    const char *path = text(l, "file");
    struct outcome o = {.job = j->id, .result = OUTCOME_DELIVERED};
    struct err e = {.text = ""};

    if (*path ? to_file(l, j, path, &e) : to_syslog(l, j, &e)) {
        service_retry(l->service, j->id, e.text);
    } else {
        o.confirmation = *path && truth(l, "sync") ? CONFIRM_ACKNOWLEDGED : CONFIRM_HANDED_OFF;
        service_done(l->service, &o);
    }
    job_release(j);
    free(j);
}

/* Nothing is made of what is not there. */
static int check_file(const char *path, struct err *e)
{
    const char *slash = strrchr(path, '/');
    char folder[PATH_MAX] = "/";
    struct stat st;

    if (lstat(path, &st)) {
        if (errno != ENOENT)
            return err_errno(e, "%s", path);
        if (slash > path)
            snprintf(folder, sizeof folder, "%.*s", (int)(slash - path), path);
        return faccessat(AT_FDCWD, folder, W_OK | X_OK, AT_EACCESS)
                   ? err_errno(e, "%s is not there, and %s", path, folder)
                   : 0;
    }
    if (!S_ISREG(st.st_mode))
        return err_set(e, ERR_INVALID, "%s is no regular file", path);
    return faccessat(AT_FDCWD, path, W_OK, AT_EACCESS) ? err_errno(e, "%s", path) : 0;
}

static void log_validate(void *state, struct job *j)
{
    struct log *l = state;
    const char *path = text(l, "file"), *socket = text(l, "socket");
    struct log probe = {l->service, -1};
    struct err e = {.text = ""};
    int err = *path ? check_file(path, &e) : open_socket(&probe, socket, &e);

    shut(&probe);
    if (!err && *path)
        err_set(&e, 0, "%s can be written", path);
    else if (!err)
        err_set(&e, 0, "syslog listens at %s", socket);
    service_checked(l->service, j->id, !err, e.text);
    job_release(j);
    free(j);
}

static void log_close(void *state)
{
    struct log *l = state;

    shut(l);
    free(l);
}

static int log_open(struct service *s, void **ret_state, struct err *e)
{
    struct log *l = malloc(sizeof *l);

    if (!l)
        return err_set(e, ERR_NOMEM, "out of memory");
    signal(SIGXFSZ, SIG_IGN); /* a file at its limit is as a full disk */
    *l = (struct log){s, -1};
    *ret_state = l;
    return 0;
}

const struct dispatch_kind dispatch_kind_log = {
    .kind = &log_kind,
    .open = log_open,
    .close = log_close,
    .deliver = log_deliver,
    .validate = log_validate,
};
