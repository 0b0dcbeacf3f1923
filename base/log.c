#include "base/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/text.h"

/* At most PIPE_BUF octets, so that lines of several processes do not mix in a pipe. Nothing is
 * allocated: the line that tells of exhausted memory must come out. */
enum { LINE_LIMIT = 4096, MESSAGE_LIMIT = 2048, WORD_LIMIT = 256 };

/* Escaped fourfold, stage and object leave room for some of the message. */
_Static_assert(2 * 4 * WORD_LIMIT < LINE_LIMIT / 2 + 1, "words fill the line");

struct line {
    char text[LINE_LIMIT];
    size_t len;
};

static const char *const level_names[] = {"error", "warning", "info", "debug"};
static const char *log_stage = "snmpalertd";
static enum log_level log_level_max = LOG_LEVEL_INFO;

void log_open(const char *stage, enum log_level level)
{
    log_stage = stage;
    log_level_max = level;
}

/* All of S or nothing; room for the closing quote and the newline is always kept. */
static bool put(struct line *line, const char *s, size_t n)
{
    if (line->len + n > sizeof line->text - 2)
        return false;
    memcpy(line->text + line->len, s, n);
    line->len += n;
    return true;
}

static bool put_escaped(struct line *line, const char *s, size_t left, size_t *ret_used)
{
    static const char from[] = "\"\\\n\t\r", to[] = "\"\\ntr";
    char esc[5] = "\\";
    uint32_t cp;
    size_t n = utf8_decode(s, left, &cp);
    const char *f = *s ? strchr(from, *s) : NULL;

    *ret_used = n > 0 ? n : 1;
    if (n > 0 && !f && !utf8_control(cp))
        return put(line, s, n);
    if (f) {
        esc[1] = to[f - from];
        return put(line, esc, 2);
    }
    /* A C1 control character is shown by its octets. */
    *ret_used = 1;
    snprintf(esc, sizeof esc, "\\x%02x", (unsigned)(uint8_t)*s);
    return put(line, esc, 4);
}

static void put_quoted(struct line *line, const char *s, size_t limit)
{
    size_t left = strnlen(s, limit), used;

    put(line, "\"", 1);
    for (; left > 0 && put_escaped(line, s, left, &used); left -= used)
        s += used;
    line->text[line->len++] = '"'; /* its room was kept */
}

/* As it is if it is one plain word, else in quotes. */
static void put_value(struct line *line, const char *s)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                "-_./:@+,%";
    size_t n = strlen(s);

    if (n > 0 && n <= WORD_LIMIT && strspn(s, plain) == n)
        put(line, s, n);
    else
        put_quoted(line, s, WORD_LIMIT);
}

static void put_key(struct line *line, const char *key)
{
    put(line, key, strlen(key));
}

static void write_out(const struct line *line)
{
    ssize_t n;

    do {
        n = write(STDERR_FILENO, line->text, line->len);
    } while (n < 0 && errno == EINTR);
}

void log_line(enum log_level level, const char *object, const char *fmt, ...)
{
    int saved_errno = errno;
    char message[MESSAGE_LIMIT], when[CLOCK_ISO_LEN];
    struct line line = {.len = 0};
    va_list ap;

    if (level > log_level_max)
        return;
    va_start(ap, fmt);
    vsnprintf(message, sizeof message, fmt, ap);
    va_end(ap);
    clock_iso(clock_wall_ms(), when);
    put_key(&line, "time=");
    put_key(&line, when);
    put_key(&line, " level=");
    put_key(&line, level_names[level]);
    put_key(&line, " stage=");
    put_value(&line, log_stage);
    if (object) {
        put_key(&line, " object=");
        put_value(&line, object);
    }
    put_key(&line, " msg=");
    put_quoted(&line, message, sizeof message);
    line.text[line.len++] = '\n';
    write_out(&line);
    errno = saved_errno;
}
