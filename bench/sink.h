/* A mail server that takes everything and keeps nothing but the number of mails, and the first of
 * them: a process of its own, so that its work is not the senders'. */
#ifndef BENCH_SINK_H
#define BENCH_SINK_H

#include <stdatomic.h>
#include <stdint.h>
#include <sys/types.h>

enum { SINK_MAIL_MAX = 64 << 10 };

struct sink {
    uint16_t port; /* on 127.0.0.1 */
    pid_t pid;
    struct sink_shared {
        atomic_uint_fast64_t mails, sessions;
        atomic_size_t len; /* of the first mail, as it came but for its final dot */
        char mail[SINK_MAIL_MAX];
    } * shared;
};

/* 0, or -1 and errno. It ends with this process, or by sink_stop(). */
int sink_start(struct sink *s);
void sink_stop(struct sink *s);

#endif
