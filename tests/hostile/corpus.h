/* The scripts of corpus.txt, and whether a verdict is what it must be. The format is told there. */
#ifndef TESTS_HOSTILE_CORPUS_H
#define TESTS_HOSTILE_CORPUS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "eval/verdict.h"

enum expected { EXPECT_TIME, EXPECT_MEMORY, EXPECT_LIMIT, EXPECT_ERROR, EXPECT_VALUE };

struct hostile {
    char group[16], name[64];
    enum expected expected;
    char error[VERDICT_ERROR_MAX + 1]; /* of EXPECT_ERROR */
    enum verdict_kind kind;            /* of EXPECT_VALUE, and what follows */
    int level;
    size_t value_len, message_len;
    char *text; /* owned */
};

struct corpus {
    struct hostile *scripts;
    size_t n;
};

/* PATH is below $top_srcdir. False: it cannot be read; what is wrong was printed. */
bool corpus_load(struct corpus *c, const char *path);
void corpus_release(struct corpus *c);

/* The topics that the scripts know, numbered from FIRST_ID on; MANY of those that are many (1,000
 * as the scripts have it). OWNER: the only one who may read it; 0: everyone. */
enum { CORPUS_TOPICS_MANY = 1000 };
void corpus_topics(uint32_t first_id, uint32_t many,
                   void (*put)(void *arg, uint32_t id, uint32_t owner, const char *name,
                               const char *json),
                   void *arg);

/* NULL: V is what must become of H; else what was wanted. */
const char *hostile_check(const struct hostile *h, const struct verdict *v);

#endif
