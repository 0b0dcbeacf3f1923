#include "config/xml_text.h"

#include <string.h>

#include "base/text.h"

bool text_is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

const char *text_skip_blanks(const char *p, const char *end)
{
    while (p < end && text_is_blank(*p))
        p++;
    return p;
}

const char *tag_find_attribute(const char *p, const char *end, const char *name)
{
    const char *tag = p, *begin;
    size_t len = strlen(name);

    while (p < end && !text_is_blank(*p))
        p++;
    for (;;) {
        begin = p = text_skip_blanks(p, end);
        while (p < end && *p != '=' && !text_is_blank(*p))
            p++;
        if ((size_t)(p - begin) == len && memcmp(begin, name, len) == 0)
            return begin;
        while (p < end && *p != '"' && *p != '\'')
            p++;
        if (p >= end)
            return tag;
        p = memchr(p + 1, *p, (size_t)(end - p - 1));
        if (!p)
            return tag;
        p++;
    }
}

int text_count_lines(const char *p, const char *end)
{
    int n = 0;

    for (; p < end; p++)
        n += *p == '\n';
    return n;
}

int text_foreign_line(const char *p, const char *end)
{
    int line = 1;

    for (; p < end; line++) {
        const char *eol = memchr(p, '\n', (size_t)(end - p));

        if (!eol || !utf8_valid(p, (size_t)(eol - p)))
            break;
        p = eol + 1;
    }
    return line;
}
