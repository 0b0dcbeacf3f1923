/* A web server for benchmarks, in a process of its own: it reads requests and answers 204, as fast
 * as one thread with epoll can. */
#ifndef BENCH_WEBSINK_H
#define BENCH_WEBSINK_H

#include <stdint.h>
#include <sys/types.h>

struct sink {
    pid_t pid;
    uint16_t port; /* on 127.0.0.1 */
};

/* 0, or -1. It ends with its parent. */
int sink_start(struct sink *s);
void sink_stop(struct sink *s);

#endif
