/* The local door: a Unix socket named "door" in the store's folder, by which programs of this
 * machine raise alerts without SNMP. The core serves it. Who may use it says whose alerts they are;
 * so only root and the user that the core runs as may: the socket is theirs by its mode (0600), and
 * the core asks the kernel who it is that comes.
 *
 * Frames (base/frame.h); an answer for each line, in the order of the lines. A line that was
 * answered as done is durable. */
#ifndef DAEMON_DOOR_H
#define DAEMON_DOOR_H

#include <stdbool.h>

#include "base/err.h"
#include "daemon/confine.h"

enum {
    DOOR_RAISE = 96,  /* client -> core: a line (alerts/raise_line.h) */
    DOOR_ANSWER = 97, /* core -> client: the answer */
    /* Lines of a client that wait for their answers; who sends more is sent away. */
    DOOR_OPEN_MAX = 1024,
};
#define DOOR_NAME "door"

/* The socket's address is NAME in the folder PATH: bound by mode 0600, or connected to. A path may
 * be longer than an address: the folder is entered for that. The descriptor, or a negative error
 * with words. */
int door_listen(const char *path, struct err *e);
int door_connect(const char *path, struct err *e);

/* `snmpalertd --raise [NAME=VALUE ...]': one command of these, or, without, each line of standard
 * input is one; what came of each is a line of standard output, in their order. Returns the exit
 * status: 0 if all were done, 1 if not all were, 64 for an option that is none, EXIT_CONFIG, or
 * DOOR_CLOSED: no daemon is there, or it ended before it had answered all. */
enum { DOOR_CLOSED = 69 /* EX_UNAVAILABLE */ };
struct raise_command {
    const char *config_file;
    char *const *options;
    int noptions;
    const struct confine *confine;
};
int raise_command(const struct raise_command *o);

#endif
