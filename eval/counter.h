/* Differences of counters, exact on 64-bit integers. */
#ifndef EVAL_COUNTER_H
#define EVAL_COUNTER_H

#include <stdbool.h>

#include "base/json.h"

/* What a counter gained between two samples of it. One that fell is taken to have wrapped at 2^32
 * or 2^64 if that is a short way (RFC 2578 section 7.1.6: Counter32; 7.1.10: Counter64), else to
 * have started anew from 0. Below 0 nothing is a counter: the plain difference. False: not two
 * numbers. */
bool counter_delta(const jv *now, const jv *before, double *ret);

#endif
