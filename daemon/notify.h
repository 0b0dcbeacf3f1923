/* The service manager, by systemd's protocol (sd_notify(3)): lines in datagrams to $NOTIFY_SOCKET.
 * Spoken here in its few lines, so that no library more is in the process that starts all. */
#ifndef DAEMON_NOTIFY_H
#define DAEMON_NOTIFY_H

#include <stdint.h>

/* Takes NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID out of the environment: they are not for the
 * children. Without them everything here does nothing. */
void notify_open(void);
void notify_close(void);

/* "READY=1", "STATUS=...". What cannot be told is lost. */
void notify_send(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* "RELOADING=1" with the time that belongs to it; "READY=1" ends it. */
void notify_reloading(void);

/* How often WATCHDOG=1 is due, in milliseconds; 0: never. */
int64_t notify_watchdog_ms(void);

#endif
