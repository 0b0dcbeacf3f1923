/* The interpreter: one js_State in one arena, put back to the same pristine image before every
 * evaluation, so that nothing an evaluation did lasts. One engine per process. */
#ifndef EVAL_ENGINE_H
#define EVAL_ENGINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "eval/script.h"
#include "eval/topics.h"
#include "eval/verdict.h"

enum {
    ENGINE_MEMORY = 8 << 20, /* octets of one evaluation, the interpreter's own 150 KiB included */
    ENGINE_BUDGET_MS = 10,   /* of CPU time */
    ENGINE_TICK_MS = 2,      /* how often the clock is looked at: the budget's resolution */
};

/* ON_SLOW is called, from a signal handler, when an evaluation has taken a tick or more: once each,
 * while the interpreter runs. It may only do what a handler may. */
int engine_open(void (*on_slow)(uint32_t condition_id), struct err *e);
void engine_close(void);

/* The budget's clock ticks between start and stop; without it there is no budget. */
void engine_start(void);
void engine_stop(void);

/* RET is filled whatever happens; what was read is in the record (record.h). */
void engine_evaluate(const struct script *s, const struct topics *topics, int64_t now_ms,
                     struct verdict *ret);

/* Does it compile? RET: "" or "line N: ..." (of CAP octets). It is not run. */
bool engine_compile(const char *text, char *ret, size_t cap);

#endif
