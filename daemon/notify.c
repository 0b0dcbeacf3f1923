#include "daemon/notify.h"

#include <errno.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum { SEND_MS = 2000, TEXT_MAX = 1024, WATCHDOG_LEAST_MS = 100 };

static struct {
    int fd; /* 0: none; standard input is not it */
    struct sockaddr_un to;
    socklen_t to_len;
    int64_t watchdog_ms;
} notify;

static unsigned long long number_of(const char *name)
{
    const char *text = getenv(name);

    return text ? strtoull(text, NULL, 10) : 0;
}

static void read_watchdog(void)
{
    unsigned long long usec = number_of("WATCHDOG_USEC"), pid = number_of("WATCHDOG_PID");

    if (!usec || (pid && pid != (unsigned long long)getpid()))
        return;
    /* Half the time, as systemd asks for. */
    notify.watchdog_ms = usec / 2000 > INT32_MAX ? INT32_MAX : (int64_t)(usec / 2000);
    if (notify.watchdog_ms < WATCHDOG_LEAST_MS)
        notify.watchdog_ms = WATCHDOG_LEAST_MS;
}

/* A path, or an abstract name behind an @. */
static void open_socket(const char *path)
{
    struct timeval limit = {SEND_MS / 1000, 0};
    size_t n = strlen(path);
    int fd;

    if ((path[0] != '/' && path[0] != '@') || n < 2 || n >= sizeof notify.to.sun_path)
        return;
    fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd <= 0)
        return;
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
    notify.to.sun_family = AF_UNIX;
    memcpy(notify.to.sun_path, path, n);
    if (path[0] == '@')
        notify.to.sun_path[0] = 0;
    notify.to_len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n);
    notify.fd = fd;
}

void notify_open(void)
{
    const char *path = getenv("NOTIFY_SOCKET");

    if (path)
        open_socket(path);
    read_watchdog();
    unsetenv("NOTIFY_SOCKET");
    unsetenv("WATCHDOG_USEC");
    unsetenv("WATCHDOG_PID");
}

void notify_close(void)
{
    if (notify.fd)
        close(notify.fd);
    notify.fd = 0;
}

void notify_send(const char *fmt, ...)
{
    char text[TEXT_MAX];
    va_list ap;
    int n;

    if (!notify.fd)
        return;
    va_start(ap, fmt);
    n = vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    if (n < 0 || n >= TEXT_MAX)
        return;
    while (sendto(notify.fd, text, (size_t)n, MSG_NOSIGNAL, (struct sockaddr *)&notify.to,
                  notify.to_len) < 0 &&
           errno == EINTR)
        ;
}

void notify_reloading(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    notify_send("RELOADING=1\nMONOTONIC_USEC=%lld",
                (long long)now.tv_sec * 1000000 + now.tv_nsec / 1000);
}

int64_t notify_watchdog_ms(void)
{
    return notify.fd ? notify.watchdog_ms : 0;
}
