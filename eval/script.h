/* A condition as the evaluator keeps it, and what its text tells about how topics must look to it.
 */
#ifndef EVAL_SCRIPT_H
#define EVAL_SCRIPT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "eval/protocol.h"

/* The interpreter has no hook for `for (k in object)`: objects that a script may walk so must carry
 * their keys as real properties. And that two nodes are one object shows only in comparisons. Both
 * cost, so they are done only for scripts that could tell; the guess errs on the safe side. */
enum script_needs {
    NEEDS_KEYS = 1,  /* of what is in the topics */
    NEEDS_TOPIC = 2, /* names of topics, in _topic itself ... */
    NEEDS_PREVIOUS = 4,
    NEEDS_AGE = 8,
    NEEDS_NAMES = NEEDS_TOPIC | NEEDS_PREVIOUS | NEEDS_AGE,
    NEEDS_IDENTITY = 16, /* a node must be the same object each time */
    NEEDS_ALL = 31,
};

enum { SCRIPT_TOLD_NEAR = 4 };

struct script {
    uint32_t id, owner;
    unsigned needs;             /* enum script_needs, of all parts */
    unsigned asked;             /* parts that there are; 0: the condition alone */
    uint16_t at[VERDICT_PARTS]; /* where the text of each is, terminated */
    bool has_told;
    size_t told_n; /* the dependencies last told to the client; few of them near, or all far */
    eval_dep near[SCRIPT_TOLD_NEAR], *far;
    char *event; /* JSON of an object whose members it sees as globals; NULL: none */
    char text[]; /* of the condition, and behind it those of the other parts */
};

/* TEXT: as DEFINE has it, checked. NULL: out of memory. */
struct script *script_new(uint32_t id, uint32_t owner, struct slice text);
void script_free(struct script *s);
int script_event(struct script *s, struct slice json); /* ERR_NOMEM */

/* Are these the dependencies that were told last? If not they are remembered as told. */
bool script_told(struct script *s, const eval_dep *deps, size_t n);

unsigned script_scan(const char *text);

#endif
