#include "base/err.h"

#include <errno.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"

/* What is formatted before it is cleaned and cut; cleaning at most halves it. */
enum { RAW_MAX = 2 * ERR_TEXT_MAX };

static const struct {
    int code;
    const char *name;
} names[] = {
    {ERR_OK, "ok"},
    {ERR_NOMEM, "noMemory"},
    {ERR_IO, "io"},
    {ERR_SYNTAX, "syntax"},
    {ERR_RANGE, "range"},
    {ERR_NOTFOUND, "notFound"},
    {ERR_EXISTS, "exists"},
    {ERR_INVALID, "invalid"},
    {ERR_FULL, "full"},
    {ERR_VERSION, "version"},
    {ERR_CORRUPT, "corrupt"},
    {ERR_DENIED, "denied"},
    {ERR_TIMEOUT, "timeout"},
    {ERR_CLOSED, "closed"},
    {ERR_AGAIN, "again"},
    {ERR_NETWORK, "network"},
    {ERR_PROTOCOL, "protocol"},
    {ERR_UNSUPPORTED, "unsupported"},
    {ERR_TEMPORARY, "temporary"},
    {ERR_PERMANENT, "permanent"},
    {ERR_WRONG_TYPE, "wrongType"},
    {ERR_WRONG_LENGTH, "wrongLength"},
    {ERR_WRONG_VALUE, "wrongValue"},
    {ERR_NO_CREATION, "noCreation"},
    {ERR_INCONSISTENT_VALUE, "inconsistentValue"},
    {ERR_INCONSISTENT_NAME, "inconsistentName"},
    {ERR_NOT_WRITABLE, "notWritable"},
    {ERR_RESOURCE_UNAVAILABLE, "resourceUnavailable"},
    {ERR_COMMIT_FAILED, "commitFailed"},
};

static const struct {
    int err_no, code;
} errnos[] = {
    {ENOMEM, ERR_NOMEM},
    {ENOENT, ERR_NOTFOUND},
    {EACCES, ERR_DENIED},
    {EPERM, ERR_DENIED},
};

const char *err_name(int code)
{
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (names[i].code == code)
            return names[i].name;
    }
    return "unknown";
}

/* One line of valid UTF-8 that fits; every octet or character that is none becomes '?'. */
static void set_text(struct err *e, const char *raw)
{
    size_t left = strlen(raw), len = 0;

    while (left > 0) {
        uint32_t cp;
        size_t n = utf8_decode(raw, left, &cp);
        bool plain = n > 0 && !utf8_control(cp);
        size_t out = plain ? n : 1;

        if (len + out >= sizeof e->text)
            break;
        if (plain)
            memcpy(e->text + len, raw, n);
        else
            e->text[len] = '?';
        len += out;
        n = n > 0 ? n : 1;
        raw += n;
        left -= n;
    }
    e->text[len] = '\0';
}

int err_set(struct err *e, int code, const char *fmt, ...)
{
    char raw[RAW_MAX];
    va_list ap;

    if (!e)
        return code;
    va_start(ap, fmt);
    vsnprintf(raw, sizeof raw, fmt, ap);
    va_end(ap);
    e->code = code;
    set_text(e, raw);
    return code;
}

int err_errno(struct err *e, const char *fmt, ...)
{
    int err_no = errno, code = ERR_IO;
    char raw[RAW_MAX], words[128];
    va_list ap;

    for (size_t i = 0; i < sizeof errnos / sizeof *errnos; i++) {
        if (errnos[i].err_no == err_no)
            code = errnos[i].code;
    }
    if (!e)
        return code;
    va_start(ap, fmt);
    vsnprintf(raw, sizeof raw, fmt, ap);
    va_end(ap);
    return err_set(e, code, "%s: %s", raw, strerror_r(err_no, words, sizeof words));
}

int err_prefix(struct err *e, const char *fmt, ...)
{
    char prefix[ERR_TEXT_MAX], raw[RAW_MAX + sizeof ": "];
    va_list ap;

    if (!e)
        return ERR_INVALID;
    va_start(ap, fmt);
    vsnprintf(prefix, sizeof prefix, fmt, ap);
    va_end(ap);
    snprintf(raw, sizeof raw, "%s: %s", prefix, e->text);
    set_text(e, raw);
    return e->code;
}
