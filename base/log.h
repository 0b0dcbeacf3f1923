/* Log lines: "time=... level=info stage=core object=alice/hot msg=\"...\"" on standard error.
 * Libraries return errors, stages log them. Never give a secret to these functions. */
#ifndef BASE_LOG_H
#define BASE_LOG_H

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARNING, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };

/* STAGE is kept, not copied. Default: "snmpalertd", LOG_LEVEL_INFO. */
void log_open(const char *stage, enum log_level level);

/* OBJECT names what the line is about ("source/router1", "alert/alice/7"); NULL for none.
 * Each line is one write(2); quotes and control characters are escaped. */
void log_line(enum log_level level, const char *object, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

#define log_error(object, ...)   log_line(LOG_LEVEL_ERROR, object, __VA_ARGS__)
#define log_warning(object, ...) log_line(LOG_LEVEL_WARNING, object, __VA_ARGS__)
#define log_info(object, ...)    log_line(LOG_LEVEL_INFO, object, __VA_ARGS__)
#define log_debug(object, ...)   log_line(LOG_LEVEL_DEBUG, object, __VA_ARGS__)

#endif
