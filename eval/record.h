/* What the evaluation under way has read. One record for the whole process: the interpreter's hooks
 * have nowhere else to put it. Leaving an evaluation by siglongjmp is allowed anywhere. */
#ifndef EVAL_RECORD_H
#define EVAL_RECORD_H

#include <stdbool.h>
#include <stddef.h>

#include "eval/protocol.h"

/* Start anew. AFTER_ABORT: the evaluation before was left in the middle of anything. */
void record_begin(bool after_abort);
/* It goes on: what is read now is added. AFTER_ABORT: as above. */
void record_go_on(bool after_abort);
/* Each is kept once; after EVAL_DEPS_MAX the evaluation depends on EVAL_DEP_ANY alone. */
void record_read(eval_dep dep);
/* The record, rising; valid until the next record_begin(). */
const eval_dep *record_end(size_t *ret_n);

#endif
