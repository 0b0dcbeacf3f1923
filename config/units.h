/* Quantities as people write them: durations and sizes. */
#ifndef CONFIG_UNITS_H
#define CONFIG_UNITS_H

#include <stddef.h>
#include <stdint.h>

/* "500ms", "10s", "5m", "1h", "7d", or a plain number of milliseconds. Digits and unit only: no
 * sign, fraction or blank. 0, or ERR_SYNTAX (ERR_RANGE: beyond int64_t). */
int duration_parse(const char *text, int64_t *ret_ms);

/* In the largest unit that keeps it whole: "90s", "2h". */
void duration_print(int64_t ms, char *dst, size_t cap);

/* "16GiB", "512MiB", "64KiB", or a plain number of octets; errors as above. */
int size_parse(const char *text, uint64_t *ret_bytes);

/* A whole number in decimal, with an optional '-'; errors as above. */
int number_parse(const char *text, int64_t *ret);

#endif
