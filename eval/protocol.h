/* What the client and the evaluator say to each other over the evaluator's descriptor 3: frames of
 * base/frame.h. Each direction is answered in order. Both sides use the codecs here; every get
 * checks its input to the last octet and returns 0 or ERR_PROTOCOL.
 *
 *   to the evaluator                          from the evaluator
 *   TOPIC     a topic's sample, with text     HELLO       once, first
 *   SAME      a sample with the same text     RESULTS     answers of EVAL, one by one, in order
 *   DROP      forget a topic                  BUSY        this condition takes long
 *   DEFINE    a condition's texts              TOPIC_ERROR a TOPIC did not parse
 *   UNDEFINE  forget a condition              COMPILED    answer of COMPILE
 *   EVAL      evaluate these
 *   COMPILE   compile this, never run it
 *   EVENT     what a condition sees as globals
 *   BUNDLE    several of the above
 *
 * Layouts (big-endian; str and blob are a u32 length and the octets; x* is "repeated"):
 *   HELLO       u32 version, str build
 *   TOPIC       u32 topic, u64 version, u64 taken_ms, str name, u32 n, u32 owner*, blob json
 *   SAME        u32 topic, u64 taken_ms
 *   DROP        u32 topic
 *   DEFINE      u32 condition, u32 owner, blob texts: one, or one for each enum verdict_part, with
 *               a 0 octet between them; of those, empty ones are none
 *   UNDEFINE    u32 condition
 *   EVAL        u64 now_wall_ms, u64 now_mono_ms, u32 n, u32 condition*
 *   COMPILE     u32 tag, blob text
 *   EVENT       u32 condition, blob json: an object
 *   BUNDLE      frames, whole, one after the other; no BUNDLE among them
 *   RESULTS     result*: u32 condition, u8 kind, u8 level, u16 flags, u32 cost_us,
 *               if RESULT_PARTS: u8 asked, u8 holds, u8 failed
 *               if RESULT_TEXTS: blob value, blob message, blob error
 *               unless RESULT_SAME_DEPS: u16 n, u64 dependency*
 *   BUSY        u32 condition
 *   TOPIC_ERROR u32 topic, u64 version, str text
 *   COMPILED    u32 tag, u8 ok, str text ("line N: ...") */
#ifndef EVAL_PROTOCOL_H
#define EVAL_PROTOCOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "eval/verdict.h"

enum {
    EVAL_PROTOCOL_VERSION = 3,
    EVAL_FD = 3, /* the evaluator's only descriptor */
};

/* Limits that both sides keep. */
enum {
    EVAL_SCRIPT_MAX = 16 << 10, /* octets of one condition */
    EVAL_EVENT_MAX = 32 << 10,  /* octets of what one condition sees as globals */
    EVAL_LEVEL_MAX = 1 << 10,   /* of each other part */
    EVAL_TEXTS_MAX = EVAL_SCRIPT_MAX + (VERDICT_PARTS - 1) * (EVAL_LEVEL_MAX + 1),
    EVAL_NAME_MAX = 255,      /* octets of a topic's name */
    EVAL_TOPIC_MAX = 8 << 20, /* octets of one topic's JSON */
    EVAL_READERS_MAX = 4096,  /* owners that one topic lists */
    EVAL_BATCH_MAX = 512,     /* conditions of one EVAL */
    EVAL_DEPS_MAX = 4096,     /* dependencies told one by one; beyond: EVAL_DEP_ANY */
    EVAL_REQUEST_MAX = EVAL_TOPIC_MAX + (64 << 10), /* payload to the evaluator */
    EVAL_BUNDLE_FULL = 64 << 10,                    /* a bundle as large as this is sent */
    EVAL_REPLY_MAX = 128 << 10,                     /* payload from it */
};

enum eval_frame {
    EVAL_HELLO = 1,
    EVAL_TOPIC,
    EVAL_SAME,
    EVAL_DROP,
    EVAL_DEFINE,
    EVAL_UNDEFINE,
    EVAL_EVAL,
    EVAL_COMPILE,
    EVAL_RESULTS,
    EVAL_BUSY,
    EVAL_TOPIC_ERROR,
    EVAL_COMPILED,
    EVAL_BUNDLE,
    EVAL_EVENT,
};

/* What an evaluation depends on: a kind and, below it, what of that kind. A name that was absent
 * is told by its hash: should two names share one, a condition is evaluated once too often. */
enum eval_dep_kind {
    EVAL_DEP_CONTENT = 1, /* topic id: its content */
    EVAL_DEP_PREVIOUS,    /* topic id: its sample before */
    EVAL_DEP_MISSING,     /* hash: a topic of this name comes to exist for the owner */
    EVAL_DEP_NAMES,       /* 0: the set of names */
    EVAL_DEP_ANY,         /* 0: anything at all */
};
typedef uint64_t eval_dep;

static inline eval_dep eval_dep_make(enum eval_dep_kind kind, uint64_t what)
{
    return (uint64_t)kind << 56 | (what & (UINT64_MAX >> 8));
}
static inline enum eval_dep_kind eval_dep_kind(eval_dep d)
{
    return (enum eval_dep_kind)(d >> 56);
}
static inline uint32_t eval_dep_topic(eval_dep d)
{
    return (uint32_t)d;
}
eval_dep eval_dep_missing(const char *name);

enum eval_result_flags {
    RESULT_TEXTS = 1,     /* value, message, error follow */
    RESULT_SAME_DEPS = 2, /* as this evaluator said last about this condition */
    RESULT_CLOCK = 4,     /* read the clock */
    RESULT_OVER = 8,      /* over its budget */
    RESULT_PARTS = 16,    /* there are expressions of levels */
};
enum { RESULT_FLAGS_ALL = 31 };

/* Borrowed from the payload. */
struct eval_topic {
    uint32_t id;
    uint64_t version;
    int64_t taken_ms; /* by the boot clock, which nobody sets */
    char name[EVAL_NAME_MAX + 1];
    const uint8_t *readers; /* nreaders times u32, big-endian; none: everyone */
    uint32_t nreaders;
    struct slice json;
};

struct eval_result {
    uint32_t condition_id;
    uint8_t kind, level, asked, holds, failed;
    uint16_t flags;
    uint32_t cost_us;
    struct slice value, message, error;
    const uint8_t *deps; /* ndeps times u64, big-endian; strictly rising */
    uint16_t ndeps;
};

/* The two clocks: what Date tells, and what ages are counted by. */
struct eval_now {
    int64_t wall_ms, mono_ms;
};

/* The build that both programs must be of. */
const char *eval_build_id(void);

/* Written to a buffer whose sticky error the caller looks at. */
void eval_put_hello(struct buf *b);
void eval_put_topic(struct buf *b, const struct eval_topic *t);
void eval_put_same(struct buf *b, uint32_t id, int64_t taken_ms);
void eval_put_define(struct buf *b, uint32_t id, uint32_t owner, struct slice text);
void eval_put_event(struct buf *b, uint32_t id, struct slice json);
void eval_put_eval(struct buf *b, const struct eval_now *now, const uint32_t *ids, size_t n);
void eval_put_compile(struct buf *b, uint32_t tag, const void *text, size_t len);
void eval_put_result(struct buf *b, const struct verdict *v, uint32_t condition_id, bool same_deps,
                     const eval_dep *deps, size_t ndeps);
void eval_put_topic_error(struct buf *b, uint32_t id, uint64_t version, const char *text);
void eval_put_compiled(struct buf *b, uint32_t tag, bool ok, const char *text);
/* DROP, UNDEFINE and BUSY are one u32: buf_u32. */

/* One more frame into a bundle. */
void eval_put_frame(struct buf *bundle, enum eval_frame type, const void *payload, size_t len);

int eval_get_hello(const void *p, size_t n, struct err *e); /* ERR_VERSION if not our build */
int eval_get_topic(const void *p, size_t n, struct eval_topic *ret);
int eval_get_same(const void *p, size_t n, uint32_t *ret_id, int64_t *ret_taken_ms);
int eval_get_id(const void *p, size_t n, uint32_t *ret_id); /* DROP, UNDEFINE, BUSY */
int eval_get_define(const void *p, size_t n, uint32_t *ret_id, uint32_t *ret_owner,
                    struct slice *ret_text);
int eval_get_event(const void *p, size_t n, uint32_t *ret_id, struct slice *ret_json);
int eval_get_eval(const void *p, size_t n, struct eval_now *ret_now, const uint8_t **ret_ids,
                  uint32_t *ret_n); /* n times u32, big-endian */
int eval_get_compile(const void *p, size_t n, uint32_t *ret_tag, struct slice *ret_text);
/* One frame of a bundle after the other, until R->left is 0. */
int eval_get_frame(struct rd *r, uint16_t *ret_type, struct slice *ret_payload);
/* One result after the other, until R->left is 0. */
int eval_get_result(struct rd *r, struct eval_result *ret);
int eval_get_topic_error(const void *p, size_t n, uint32_t *ret_id, uint64_t *ret_version,
                         struct slice *ret_text);
int eval_get_compiled(const void *p, size_t n, uint32_t *ret_tag, bool *ret_ok,
                      struct slice *ret_text);

/* May TEXT be a condition? 0; ERR_WRONG_LENGTH; ERR_WRONG_VALUE (a 0 octet, invalid UTF-8) with the
 * line. */
int eval_check_text(const void *text, size_t len, struct err *e);
/* Likewise of what DEFINE has; RET[part]: their places, empty ones where there is none. */
int eval_check_texts(const void *texts, size_t len, struct slice ret[VERDICT_PARTS]);

#endif
