/* One evaluator process as seen from the outside: its channel, its CPU clock, its end. */
#ifndef EVAL_PEER_H
#define EVAL_PEER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/buf.h"
#include "base/loop.h"
#include "eval/protocol.h"

enum {
    PEER_HARD_CPU_MS = 200,     /* no progress for so much CPU time: killed */
    PEER_HARD_WALL_MS = 10000,  /* no progress for so long, while it used CPU: killed */
    PEER_STUCK_WALL_MS = 60000, /* no progress for so long, whatever it did: killed */
};

enum peer_loss {
    PEER_DIED,     /* by itself, or another one killed it */
    PEER_DEADLINE, /* killed for the CPU time it took */
    PEER_STUCK,    /* killed: it neither works nor answers */
    PEER_PROTOCOL, /* killed: what it said makes no sense, or it is of another build */
};

struct peer;

struct peer_options {
    struct loop *loop;
    /* A frame, the greeting excepted. A negative error ends the peer with PEER_PROTOCOL. */
    int (*on_frame)(void *arg, uint16_t type, const uint8_t *payload, size_t len);
    void (*on_greeting)(void *arg);
    /* Called last; the peer is empty again and can be opened. */
    void (*on_lost)(void *arg, enum peer_loss loss, const char *why);
    void *arg;
};

/* NULL: out of memory. An empty peer; O is copied. */
struct peer *peer_new(const struct peer_options *o);
void peer_free(struct peer *p); /* as peer_close() */

/* FD and PIDFD are taken over, also on failure. */
int peer_open(struct peer *p, int fd, int pidfd, pid_t pid);
void peer_close(struct peer *p);            /* kills it and calls nothing */
bool peer_ready(const struct peer *p);      /* it has greeted */
uint32_t peer_serial(const struct peer *p); /* rises with each peer_open() and each end */

/* What is in B is to be sent, if it is ready; what cannot be sent ends the peer, from the loop. B
 * is cleared. Small frames wait for peer_flush(): a write for each would wake it up for each. */
void peer_send(struct peer *p, enum eval_frame type, struct buf *b);
void peer_flush(struct peer *p);
uint64_t peer_octets(const struct peer *p); /* sent or waiting so far */

/* From now on it must make progress within the deadline, or need not. */
void peer_expect(struct peer *p, bool answers);
/* It did; the first SEEN octets sent to it have been dealt with. */
void peer_progress(struct peer *p, uint64_t seen);

#endif
