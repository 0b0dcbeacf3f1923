/* A line to a real evaluator, with nothing between: requests as they are written, each answer as
 * the octets that came. Failing is cmocka's. */
#ifndef TESTS_HOSTILE_LINE_H
#define TESTS_HOSTILE_LINE_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/buf.h"
#include "eval/protocol.h"

struct answer {
    struct eval_result result; /* borrows from the octets */
    const uint8_t *octets;     /* the result as it came, but for its cost, which is put to 0 */
    size_t len;
};

struct line {
    int fd, pidfd;
    pid_t pid;
    struct buf out, in;
    uint64_t version; /* of the last topic */
    struct answer answer;
    char error[VERDICT_ERROR_MAX + 1]; /* of line_compile() */
};

/* Confined, unless the sanitizers need what the sandbox takes away. */
void line_open(struct line *l);
void line_close(struct line *l); /* it must end by itself, and well */

/* OWNER: the only one who may read it; 0: everyone. */
void line_topic(struct line *l, uint32_t id, const char *name, uint32_t owner, int64_t taken_ms,
                const char *json);
void line_drop(struct line *l, uint32_t id);
/* The same topic's text does not parse. */
void line_bad_topic(struct line *l, uint32_t id, const char *name, const char *json);
void line_define(struct line *l, uint32_t id, const char *text); /* owner 1 */
void line_undefine(struct line *l, uint32_t id);
/* Only compile it; what is wrong with it, "" for nothing; valid until the next call. */
const char *line_compile(struct line *l, const char *text);
/* Evaluate these at NOW_MS; CB gets the answers, in order, A for the call. */
void line_eval(struct line *l, int64_t now_ms, const uint32_t *ids, size_t n,
               void (*cb)(void *arg, const struct answer *a), void *arg);

#endif
