#include "poll/columns.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

static const char blanks[] = " \t\r\n";

static bool letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool name_char(char c)
{
    return letter(c) || (c >= '0' && c <= '9') || c == '_' || c == '-';
}

int column_name_check(const char *name, struct err *e)
{
    size_t len = strlen(name);
    if (!len || len > COLUMN_NAME_MAX)
        return err_set(e, ERR_RANGE, "a name has 1 to %d characters", COLUMN_NAME_MAX);
    if (!letter(*name))
        return err_set(e, ERR_SYNTAX, "'%s': a name begins with a letter", name);
    for (const char *p = name; *p; p++)
        if (!name_char(*p))
            return err_set(e, ERR_SYNTAX, "'%s': a name consists of letters, digits, '_' and '-'",
                           name);
    return 0;
}

static int parse_name(struct column *c, const char *item, size_t len, struct err *e)
{
    if (len > COLUMN_NAME_MAX)
        return err_set(e, ERR_RANGE, "a name has 1 to %d characters", COLUMN_NAME_MAX);
    memcpy(c->name, item, len);
    c->name[len] = 0;
    return column_name_check(c->name, e);
}

static int parse_subid(struct column *c, const char *digits, size_t len, struct err *e)
{
    uint64_t v = 0;
    for (size_t i = 0; i < len && v <= UINT32_MAX; i++) {
        if (digits[i] < '0' || digits[i] > '9') {
            v = 0;
            break;
        }
        v = v * 10 + (uint64_t)(digits[i] - '0');
    }
    if (v < 1 || v > UINT32_MAX)
        return err_set(e, ERR_RANGE, "column '%s': expected a number from 1 to 4294967295",
                       c->name);
    c->subid = (uint32_t)v;
    return 0;
}

static int check_new(const struct columns *all, const struct column *c, struct err *e)
{
    for (size_t i = 0; i < all->n; i++) {
        if (!strcmp(all->items[i].name, c->name))
            return err_set(e, ERR_EXISTS, "column '%s' occurs twice", c->name);
        if (all->items[i].subid == c->subid)
            return err_set(e, ERR_EXISTS, "columns '%s' and '%s' have the same number",
                           all->items[i].name, c->name);
    }
    return 0;
}

static int parse_item(struct columns *all, const char *item, size_t len, struct err *e)
{
    struct column c = {0};
    const char *equals = memchr(item, '=', len);
    if (!equals)
        return err_set(e, ERR_SYNTAX, "expected NAME=NUMBER such as ifDescr=2, not '%.*s'",
                       (int)(len < 80 ? len : 80), item);
    size_t name_len = (size_t)(equals - item);
    int err = parse_name(&c, item, name_len, e);
    if (!err)
        err = parse_subid(&c, equals + 1, len - name_len - 1, e);
    if (!err)
        err = check_new(all, &c, e);
    if (!err && all->n == COLUMNS_MAX)
        err = err_set(e, ERR_RANGE, "at most %d columns", COLUMNS_MAX);
    if (!err)
        all->items[all->n++] = c;
    return err;
}

int columns_parse(struct columns *ret, const char *text, struct err *e)
{
    int err = 0;
    ret->n = 0;
    for (text += strspn(text, blanks); *text && !err; text += strspn(text, blanks)) {
        size_t len = strcspn(text, blanks);
        err = parse_item(ret, text, len, e);
        text += len;
    }
    if (!err && !ret->n)
        err = err_set(e, ERR_SYNTAX, "expected columns such as \"ifDescr=2 ifInOctets=10\"");
    return err;
}
