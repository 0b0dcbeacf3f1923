/* What one evaluation of one condition came to. The judge (alerts/) reads nothing else of eval/. */
#ifndef EVAL_VERDICT_H
#define EVAL_VERDICT_H

#include <stdbool.h>
#include <stdint.h>

enum verdict_kind {
    VERDICT_FALSE,   /* the condition does not hold: OK */
    VERDICT_TRUE,    /* it holds: the definition's own severity applies */
    VERDICT_LEVEL,   /* it named a level: `level` is 1..5 */
    VERDICT_SKIPPED, /* 'SKIPPED': refresh the time stamp, change nothing */
    VERDICT_NODATA,  /* undefined, null, NaN */
    VERDICT_ERROR, /* exception, time-out, memory limit, a value that means nothing: see `error` */
};

/* The level numbers of the MIB: OK(1) INFO(2) WARNING(3) CRITICAL(4) UNKNOWN(5). */
enum { VERDICT_VALUE_MAX = 255, VERDICT_MESSAGE_MAX = 1024, VERDICT_ERROR_MAX = 255 };

/* The texts are valid UTF-8, terminated, cut at a character's boundary; "" when there is none. */
struct verdict {
    enum verdict_kind kind;
    uint8_t level;    /* of VERDICT_LEVEL, else 0 */
    bool reads_clock; /* it read Date or _age: run it again every interval */
    bool over_budget; /* VERDICT_ERROR: stopped for its CPU time, softly or by a kill */
    uint32_t cost_us; /* CPU time */
    char value[VERDICT_VALUE_MAX + 1];     /* of {level, value, message} */
    char message[VERDICT_MESSAGE_MAX + 1]; /* of {level, value, message} */
    char error[VERDICT_ERROR_MAX + 1];     /* "line 2: ReferenceError: 'x' is not defined" */
};

#endif
