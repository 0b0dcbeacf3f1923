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

/* The expressions of one definition, all of which one evaluation asks: the condition, and for each
 * level one that raises to it and one that lets it fall. Masks of them have bits 1 << part. */
enum verdict_part {
    PART_CONDITION,
    PART_CRIT,
    PART_CRIT_RESET,
    PART_WARN,
    PART_WARN_RESET,
    PART_INFO,
    PART_INFO_RESET,
    VERDICT_PARTS,
};
/* Those that raise, and all that are about levels. */
enum {
    PARTS_RAISE = 1 << PART_CRIT | 1 << PART_WARN | 1 << PART_INFO,
    PARTS_LEVELS = PARTS_RAISE | 1 << PART_CRIT_RESET | 1 << PART_WARN_RESET | 1 << PART_INFO_RESET,
};

/* The level numbers of the MIB: OK(1) INFO(2) WARNING(3) CRITICAL(4) UNKNOWN(5). */
enum { VERDICT_VALUE_MAX = 255, VERDICT_MESSAGE_MAX = 1024, VERDICT_ERROR_MAX = 255 };

/* The texts are valid UTF-8, terminated, cut at a character's boundary; "" when there is none. */
struct verdict {
    enum verdict_kind kind;
    uint8_t level; /* of VERDICT_LEVEL, else 0 */
    /* Masks of enum verdict_part, if the definition has expressions of levels: all that there are,
     * those that are true, those that failed (`error` is of the first of them). Else 0. Without a
     * condition `kind` is FALSE; or NODATA, if none that raises is true and one had no data. */
    uint8_t asked, holds, failed;
    bool reads_clock; /* it read Date or _age: run it again every interval */
    bool over_budget; /* VERDICT_ERROR: stopped for its CPU time, softly or by a kill */
    uint32_t cost_us; /* CPU time */
    char value[VERDICT_VALUE_MAX + 1];     /* of {level, value, message} */
    char message[VERDICT_MESSAGE_MAX + 1]; /* of {level, value, message} */
    char error[VERDICT_ERROR_MAX + 1];     /* "line 2: ReferenceError: 'x' is not defined" */
};

#endif
