/* Two functions of the C library that the interpreter calls and that the evaluator defines itself,
 * so that the dynamic linker gives it ours. This holds only if they are among the sources of the
 * program itself and visible: interpose_check() proves it at start. */
#ifndef EVAL_INTERPOSE_H
#define EVAL_INTERPOSE_H

#include <stdbool.h>
#include <stdint.h>

/* Calls of our qsort() so far. glibc's own allocates memory: leaving it by siglongjmp, when a
 * comparison function does not end, would corrupt the heap. */
extern unsigned interpose_sorts;

/* Set whenever our gettimeofday() is called: the script looked at the clock. */
extern bool interpose_clock_read;

/* The time that gettimeofday() goes on from: what the core calls now. */
void interpose_set_now(int64_t wall_ms);

#endif
