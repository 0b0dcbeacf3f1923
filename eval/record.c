#include "eval/record.h"

#include <stdlib.h>
#include <string.h>

/* A hash set with linear probing, and the list of what is in it, by which it is emptied. A key goes
 * into the list before it goes into the set, so that whatever an abort leaves in the set can only
 * be something that the list has; should the compiler have seen it otherwise, begin wipes the set.
 */
enum { SLOTS = 4 * EVAL_DEPS_MAX };

static eval_dep set[SLOTS]; /* 0: free */
static eval_dep list[EVAL_DEPS_MAX];
static uint16_t slot_of[EVAL_DEPS_MAX];
static size_t count;
static bool overflow;

void record_begin(bool after_abort)
{
    if (after_abort)
        memset(set, 0, sizeof set);
    for (size_t i = 0; i < count; i++)
        set[slot_of[i]] = 0;
    count = 0;
    overflow = false;
}

/* Where DEP is, or belongs. */
static size_t find_slot(eval_dep dep)
{
    size_t i = (size_t)((dep * 0x9e3779b97f4a7c15u) >> 40) & (SLOTS - 1);

    while (set[i] && set[i] != dep)
        i = (i + 1) & (SLOTS - 1);
    return i;
}

/* Of the list all but its last entry is in the set for certain. */
void record_go_on(bool after_abort)
{
    if (!after_abort)
        return;
    memset(set, 0, sizeof set);
    for (size_t n = 0; n < count; n++) {
        size_t i = find_slot(list[n]);

        slot_of[n] = (uint16_t)i;
        set[i] = list[n];
    }
}

void record_read(eval_dep dep)
{
    size_t i = find_slot(dep);

    if (set[i])
        return;
    if (count == EVAL_DEPS_MAX) {
        overflow = true;
        return;
    }
    list[count] = dep;
    slot_of[count] = (uint16_t)i;
    count++;
    set[i] = dep;
}

static int compare(const void *a, const void *b)
{
    eval_dep x = *(const eval_dep *)a, y = *(const eval_dep *)b;

    return (x > y) - (x < y);
}

const eval_dep *record_end(size_t *ret_n)
{
    static eval_dep told[EVAL_DEPS_MAX];

    *ret_n = overflow ? 1 : count;
    if (overflow)
        told[0] = eval_dep_make(EVAL_DEP_ANY, 0);
    else
        memcpy(told, list, count * sizeof *told);
    if (*ret_n > 1)
        qsort(told, *ret_n, sizeof *told, compare);
    return told;
}
