#include "base/log.h"

#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/text.h"

/* At most PIPE_BUF octets, so that lines of several processes do not mix in a pipe. Nothing is
 * allocated: the line that tells of exhausted memory must come out. */
enum { LINE_LIMIT = 4096, MESSAGE_LIMIT = 2048, WORD_LIMIT = 256 };
enum { REPEATS = 64, LAST_LIMIT = 256 }; /* kinds of lines that are watched at a time */

/* Escaped fourfold, stage and object leave room for some of the message. */
_Static_assert(2 * 4 * WORD_LIMIT < LINE_LIMIT / 2 + 1, "words fill the line");

struct line {
    char text[LINE_LIMIT];
    size_t len;
};

static const char *const level_names[] = {"error", "warning", "info", "debug"};
static const char *log_stage = "snmpalertd";
static enum log_level log_level_max = LOG_LEVEL_INFO;
static bool log_journal;
static void (*log_to)(enum log_level level, const char *object, unsigned left_out,
                      const char *message);

/* Is standard error the journal's socket, and not something that the variable was inherited past?
 */
static bool is_journal(void)
{
    const char *text = getenv("JOURNAL_STREAM");
    unsigned long long device, inode;
    struct stat st;

    return text && sscanf(text, "%llu:%llu", &device, &inode) == 2 && !fstat(STDERR_FILENO, &st) &&
           st.st_dev == device && st.st_ino == inode;
}

static void tell_at_exit(void)
{
    log_repeats(true);
}

void log_divert(void (*to)(enum log_level level, const char *object, unsigned left_out,
                           const char *message))
{
    log_to = to;
}

void log_open(const char *stage, enum log_level level)
{
    static bool registered;

    if (!registered)
        registered = !atexit(tell_at_exit);
    log_stage = stage;
    log_level_max = level;
    log_journal = is_journal();
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

/* "<3>" in the journal, else the time. */
static void put_head(struct line *line, enum log_level level)
{
    static const char *const priorities[] = {"<3>", "<4>", "<6>", "<7>"};
    char when[CLOCK_ISO_LEN];

    if (log_journal) {
        put_key(line, priorities[level]);
    } else {
        clock_iso(clock_wall_ms(), when);
        put_key(line, "time=");
        put_key(line, when);
        put_key(line, " ");
    }
    put_key(line, "level=");
    put_key(line, level_names[level]);
    put_key(line, " stage=");
    put_value(line, log_stage);
}

static void write_line(enum log_level level, const char *object, uint32_t left_out,
                       const char *message)
{
    struct line line = {.len = 0};
    char number[16];

    if (log_to) {
        log_to(level, object, left_out, message);
        return;
    }
    put_head(&line, level);
    if (object) {
        put_key(&line, " object=");
        put_value(&line, object);
    }
    if (left_out) {
        snprintf(number, sizeof number, "%u", (unsigned)left_out);
        put_key(&line, " left_out=");
        put_key(&line, number);
    }
    put_key(&line, " msg=");
    put_quoted(&line, message, MESSAGE_LIMIT);
    line.text[line.len++] = '\n';
    write_out(&line);
}

/* ---- what repeats ---- */

static struct repeat {
    uint64_t hash; /* of level, object and format; 0: free */
    int64_t since_ms;
    uint32_t written, left_out;
    enum log_level level;
    bool has_object;
    char object[WORD_LIMIT], last[LAST_LIMIT];
} repeats[REPEATS];
static pthread_mutex_t repeats_lock = PTHREAD_MUTEX_INITIALIZER; /* mail sessions are threads */
static unsigned repeats_waiting;                                 /* that have left something out */

static void copy_text(char *dst, size_t cap, const char *src)
{
    size_t n = strnlen(src, cap - 1);

    memcpy(dst, src, n);
    dst[n] = '\0';
}

static void end_window(struct repeat *r)
{
    if (r->left_out) {
        write_line(r->level, r->has_object ? r->object : NULL, r->left_out, r->last);
        repeats_waiting--;
    }
    r->hash = 0;
    r->left_out = r->written = 0;
}

static void end_windows(int64_t now, bool all)
{
    for (size_t i = 0; i < REPEATS && repeats_waiting; i++) {
        struct repeat *r = &repeats[i];

        if (r->left_out && (all || now - r->since_ms >= LOG_WINDOW_MS))
            end_window(r);
    }
}

static bool better_slot(const struct repeat *a, const struct repeat *b)
{
    return !a->hash || (b->hash && a->since_ms < b->since_ms);
}

/* The window of this kind of lines: the one that runs, or a new one in its slot, in a free one, or
 * in place of the oldest. */
static struct repeat *window_of(uint64_t hash, int64_t now)
{
    struct repeat *slot = &repeats[0];

    for (size_t i = 0; i < REPEATS; i++) {
        if (repeats[i].hash == hash) {
            slot = &repeats[i];
            break;
        }
        if (better_slot(&repeats[i], slot))
            slot = &repeats[i];
    }
    if (slot->hash == hash && now - slot->since_ms < LOG_WINDOW_MS)
        return slot;
    end_window(slot);
    slot->hash = hash;
    slot->since_ms = now;
    return slot;
}

/* What makes two lines the same kind. A bare "%s" says nothing: then it is the text. */
static uint64_t kind_of(enum log_level level, const char *object, const char *fmt,
                        const char *message)
{
    const char *text = strcmp(fmt, "%s") ? fmt : message;
    uint64_t hash = hash64(text, strlen(text), (uint64_t)level + 1);

    if (object)
        hash = hash64(object, strlen(object), hash);
    return hash ? hash : 1;
}

static bool may_write(enum log_level level, const char *object, const char *fmt,
                      const char *message)
{
    int64_t now = clock_mono_ms();
    struct repeat *r;

    end_windows(now, false);
    r = window_of(kind_of(level, object, fmt, message), now);
    if (r->written < LOG_BURST) {
        r->written++;
        return true;
    }
    if (!r->left_out++) {
        repeats_waiting++;
        r->level = level;
        r->has_object = object;
        copy_text(r->object, sizeof r->object, object ? object : "");
    }
    copy_text(r->last, sizeof r->last, message);
    return false;
}

void log_repeats(bool all)
{
    int saved_errno = errno;

    pthread_mutex_lock(&repeats_lock);
    end_windows(clock_mono_ms(), all);
    pthread_mutex_unlock(&repeats_lock);
    errno = saved_errno;
}

void log_line(enum log_level level, const char *object, const char *fmt, ...)
{
    int saved_errno = errno;
    char message[MESSAGE_LIMIT];
    va_list ap;

    if (level > log_level_max)
        return;
    va_start(ap, fmt);
    vsnprintf(message, sizeof message, fmt, ap);
    va_end(ap);
    pthread_mutex_lock(&repeats_lock);
    if (level == LOG_LEVEL_DEBUG || may_write(level, object, fmt, message))
        write_line(level, object, 0, message);
    pthread_mutex_unlock(&repeats_lock);
    errno = saved_errno;
}
