#include "snmp/value.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* One decimal number at *P, which moves behind it. Signs and blanks are not numbers; leading
 * zeros are let through, as net-snmp's tools do. */
static int parse_subid(const char **p, uint32_t *ret, struct err *e)
{
    uint64_t v = 0;
    const char *s = *p;
    if (*s < '0' || *s > '9')
        return err_set(e, ERR_SYNTAX, "expected dotted numbers such as 1.3.6.1.2.1.1.3.0");
    for (; *s >= '0' && *s <= '9'; s++) {
        v = v * 10 + (uint64_t)(*s - '0');
        if (v > UINT32_MAX)
            return err_set(e, ERR_RANGE, "a sub-identifier is at most 4294967295");
    }
    *ret = (uint32_t)v;
    *p = s;
    return 0;
}

/* The first two arcs share one number on the wire (ITU-T X.690 section 8.19.4). */
static int check_root(const struct objid *o, struct err *e)
{
    if (o->n < 2)
        return err_set(e, ERR_SYNTAX, "an object identifier has at least two numbers");
    if (o->subids[0] > 2 || (o->subids[0] < 2 && o->subids[1] > 39))
        return err_set(e, ERR_RANGE, "no object identifier begins with %" PRIu32 ".%" PRIu32,
                       o->subids[0], o->subids[1]);
    if (o->subids[0] == 2 && o->subids[1] > UINT32_MAX - 80)
        return err_set(e, ERR_RANGE, "the second number is too large");
    return 0;
}

int objid_parse(struct objid *ret, const char *text, struct err *e)
{
    struct objid o = {0};
    const char *p = *text == '.' ? text + 1 : text;
    for (;;) {
        uint32_t subid = 0;
        int err = parse_subid(&p, &subid, e);
        if (err)
            return err;
        if (objid_append(&o, subid))
            return err_set(e, ERR_RANGE, "an object identifier has at most %d numbers", OBJID_MAX);
        if (!*p)
            break;
        if (*p++ != '.')
            return err_set(e, ERR_SYNTAX, "expected dotted numbers such as 1.3.6.1.2.1.1.3.0");
    }
    int err = check_root(&o, e);
    if (err)
        return err;
    *ret = o;
    return 0;
}

int objid_set(struct objid *ret, const uint32_t *subids, size_t n)
{
    if (n > OBJID_MAX)
        return ERR_RANGE;
    if (n)
        memcpy(ret->subids, subids, n * sizeof *subids);
    ret->n = (uint32_t)n;
    return 0;
}

int objid_append(struct objid *o, uint32_t subid)
{
    if (o->n >= OBJID_MAX)
        return ERR_RANGE;
    o->subids[o->n++] = subid;
    return 0;
}

int objid_compare(const struct objid *a, const struct objid *b)
{
    uint32_t n = a->n < b->n ? a->n : b->n;
    for (uint32_t i = 0; i < n; i++)
        if (a->subids[i] != b->subids[i])
            return a->subids[i] < b->subids[i] ? -1 : 1;
    return (a->n > b->n) - (a->n < b->n);
}

bool objid_below(const struct objid *root, const struct objid *o)
{
    return o->n > root->n && !memcmp(o->subids, root->subids, root->n * sizeof *root->subids);
}

int objid_text(const uint32_t *subids, size_t n, char *dst, size_t cap)
{
    size_t len = 0;
    if (!cap)
        return ERR_RANGE;
    *dst = 0;
    for (size_t i = 0; i < n; i++) {
        int k = snprintf(dst + len, cap - len, "%s%" PRIu32, i ? "." : "", subids[i]);
        if (k < 0 || (size_t)k >= cap - len) {
            *dst = 0;
            return ERR_RANGE;
        }
        len += (size_t)k;
    }
    return (int)len;
}
