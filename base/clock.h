/* Time, replaceable so that hours are tested in milliseconds. */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include <stdint.h>

/* Milliseconds since 1970-01-01 UTC (CLOCK_REALTIME). */
int64_t clock_wall_ms(void);
/* Milliseconds since boot, suspend included (CLOCK_BOOTTIME); never goes back. */
int64_t clock_mono_ms(void);

/* From now on both clocks answer *wall_ms and *mono_ms (tests); NULL, NULL ends it. */
void clock_fake(const int64_t *wall_ms, const int64_t *mono_ms);

enum { DATE_AND_TIME_LEN = 11, CLOCK_ISO_LEN = 25 };

/* DateAndTime (RFC 2579), 11 octets, UTC ("+0:0"). WALL_MS outside years 1..65535 is clamped. */
void clock_date_and_time(int64_t wall_ms, uint8_t ret[DATE_AND_TIME_LEN]);
/* "2026-11-20T22:38:45.123Z", terminated; clamped to years 1..9999. */
void clock_iso(int64_t wall_ms, char ret[CLOCK_ISO_LEN]);

#endif
