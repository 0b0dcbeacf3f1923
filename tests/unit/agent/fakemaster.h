/* A master agent (RFC 2741) that does what a test wants, which snmpd does not on demand: it answers
 * no notification, or each with an error; it is stopped, ends, and comes back. A process of its
 * own; what it saw is in shared memory. It takes every other request, and remembers nothing. */
#ifndef TESTS_UNIT_AGENT_FAKEMASTER_H
#define TESTS_UNIT_AGENT_FAKEMASTER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum { FAKE_PDU_MAX = 64 << 10 };

struct fakemaster {
    /* the test's */
    char path[108];   /* of its socket */
    pid_t pid;        /* 0: it does not run */
    atomic_bool hold; /* notifications are read, but not answered */
    atomic_int error; /* what they are answered, 0: noError */
    /* the master's */
    atomic_size_t notifies, unanswered, most; /* most: unanswered at a time */
    atomic_size_t registrations;              /* connections that were opened */
    uint8_t last[FAKE_PDU_MAX];               /* the last notification, whole */
    atomic_size_t last_len;
};

struct fakemaster *fakemaster_new(const char *path);
void fakemaster_start(struct fakemaster *m);
void fakemaster_end(struct fakemaster *m); /* killed; may be started again */
void fakemaster_free(struct fakemaster *m);

#endif
