/* Frames between the processes: u32 payload length, u16 type, u16 zero, payload; big-endian.
 * A channel is a non-blocking stream socket on the loop with bounded queues; it always reads
 * before it writes, so that two full sides never wait for each other. Everything that comes in is
 * foreign input: a frame longer than max_payload closes the channel with ERR_PROTOCOL. */
#ifndef BASE_FRAME_H
#define BASE_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/loop.h"

enum { FRAME_HEADER_LEN = 8, FRAME_PAYLOAD_MAX = 16 << 20, FRAME_FDS_MAX = 4 };

struct chan;

struct chan_options {
    size_t max_payload; /* per frame received; 0: FRAME_PAYLOAD_MAX */
    size_t max_queue;   /* octets waiting to be written; 0: 64 MiB */
    /* PAYLOAD is borrowed for the call. FDS: descriptors passed with the frame (SCM_RIGHTS); the
     * callee owns them from here. Returning a negative error closes the channel with it. */
    int (*on_frame)(void *arg, uint16_t type, const uint8_t *payload, size_t len, const int *fds,
                    int nfds);
    /* The channel is finished (ERR_CLOSED: the peer's end of file; ERR_PROTOCOL; ERR_IO). Its owner
     * may chan_free() it here. Called once. */
    void (*on_close)(void *arg, int code);
    void *arg;
};

/* Takes FD over and makes it non-blocking and close-on-exec. NULL when out of memory; FD is then
 * still the caller's. */
struct chan *chan_new(struct loop *l, int fd, const struct chan_options *o);
void chan_free(struct chan *c); /* closes the descriptor; what is queued is lost */

/* Queue one frame; written when the loop comes by (or at once if nothing waits). ERR_FULL: the
 * queue has no room, nothing was taken. ERR_CLOSED; on_close is never called from here, but from
 * the loop, after what the peer still sent was read. ERR_RANGE: beyond FRAME_PAYLOAD_MAX or
 * FRAME_FDS_MAX. PAYLOAD is copied. */
int chan_send(struct chan *c, uint16_t type, const void *payload, size_t len);
/* The same with descriptors, which stay the caller's (they are dup'ed into the queue). */
int chan_send_fds(struct chan *c, uint16_t type, const void *payload, size_t len, const int *fds,
                  int nfds);
/* While held, frames are only queued; the end of it writes them, many in one system call. For a
 * burst within one callback. C may be NULL. */
void chan_hold(struct chan *c, bool hold);
size_t chan_queued(const struct chan *c); /* octets waiting */
int chan_fd(const struct chan *c);

/* Blocking single-descriptor use (the evaluator has no loop). 0, ERR_CLOSED at end of file between
 * frames, ERR_PROTOCOL, ERR_IO. Read: B is cleared and filled with the payload. */
int frame_read(int fd, uint16_t *ret_type, struct buf *b, size_t max_payload);
int frame_write(int fd, uint16_t type, const void *payload, size_t len);
/* frame_read with a deadline by clock_mono_ms(): ERR_TIMEOUT. For short request and reply only. */
int frame_read_until(int fd, uint16_t *ret_type, struct buf *b, size_t max_payload,
                     int64_t deadline_mono_ms);

#endif
