/* The evaluator's end of its channel: blocking frames on one descriptor, by read(2) and write(2)
 * alone, many frames a call. Results are gathered and written together. */
#ifndef EVAL_WIRE_H
#define EVAL_WIRE_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "eval/protocol.h"

struct wire {
    int fd;
    uint8_t *in;
    size_t cap, start, end; /* in[start..end) was read and not yet handed out */
    struct buf results;     /* room for a frame's header, then results */
};

int wire_init(struct wire *w, int fd);
void wire_release(struct wire *w);

/* The next frame; PAYLOAD is borrowed until the next call. ERR_CLOSED, ERR_PROTOCOL, ERR_IO,
 * ERR_NOMEM. */
int wire_next(struct wire *w, uint16_t *ret_type, struct slice *ret_payload);

/* Everything below ends the process if the other side is gone: there is nobody to tell. */

/* Where the next result is to be put; wire_result_done() sends them when there are many. */
struct buf *wire_result(struct wire *w);
void wire_result_done(struct wire *w);
/* Send the gathered results now. Also from a signal handler, if that did not interrupt the
 * functions above. */
void wire_flush(struct wire *w);
/* Flush, then this frame. For a handler too. */
void wire_send(struct wire *w, enum eval_frame type, const void *payload, size_t len);

#endif
