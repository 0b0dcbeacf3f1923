/* Log lines: "time=... level=info stage=core object=alice/hot msg=\"...\"" on standard error. Where
 * that is the journal (JOURNAL_STREAM, systemd.exec(5)), each line begins with its priority,
 * "<6>level=info ...", and the journal has the time.
 * Libraries return errors, stages log them. Never give a secret to these functions.
 *
 * What repeats is limited: of lines with the same level, object and format (the same text, where
 * the format is just "%s"), LOG_BURST are written within LOG_WINDOW_MS; the others are counted, and
 * their number is told when the window has passed (left_out=N, with the last of them as msg). Debug
 * lines are not limited. */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include <stdbool.h>

enum { LOG_BURST = 5, LOG_WINDOW_MS = 60 * 1000 };

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARNING, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };

/* STAGE is kept, not copied. Default: "snmpalertd", LOG_LEVEL_INFO. */
void log_open(const char *stage, enum log_level level);

/* OBJECT names what the line is about ("source/router1", "alert/alice/7"); NULL for none.
 * Each line is one write(2); quotes and control characters are escaped. */
void log_line(enum log_level level, const char *object, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* From now on lines are TO's to write, not standard error's: for code that is a guest in another
 * program. LEFT_OUT: how many like it were; the message is escaped nowhere. OBJECT may be NULL;
 * both are gone after the call. NULL: as before. */
void log_divert(void (*to)(enum log_level level, const char *object, unsigned left_out,
                           const char *message));

/* Tells what was left out in windows that have passed; a process calls it now and then, and with
 * ALL at its end, when it does not wait for them. Costs nothing when there is nothing. */
void log_repeats(bool all);

#define log_error(object, ...)   log_line(LOG_LEVEL_ERROR, object, __VA_ARGS__)
#define log_warning(object, ...) log_line(LOG_LEVEL_WARNING, object, __VA_ARGS__)
#define log_info(object, ...)    log_line(LOG_LEVEL_INFO, object, __VA_ARGS__)
#define log_debug(object, ...)   log_line(LOG_LEVEL_DEBUG, object, __VA_ARGS__)

#endif
