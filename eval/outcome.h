/* From a JavaScript value or exception to a verdict. */
#ifndef EVAL_OUTCOME_H
#define EVAL_OUTCOME_H

#include <mujs.h>
#include <stddef.h>

#include "eval/verdict.h"

#define SCRIPT_NAME "condition" /* the file name that the interpreter puts before lines */

/* The value on the top of the stack, as a condition's. May run code of the script (getters). */
void outcome_of_value(js_State *J, struct verdict *ret);

/* What was thrown, in words: "line 2: ReferenceError: 'x' is not defined". THROWN is its place on
 * the stack. May run code of the script (toString) and may throw. */
void outcome_of_exception(js_State *J, int thrown, char *ret, size_t cap);

#endif
