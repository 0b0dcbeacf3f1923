#include "dispatch/webhook_body.h"

#include <string.h>
#include <strings.h>

#include "dispatch/document.h"
#include "dispatch/notice_text.h"
#include "dispatch/webhook_kind.h"
#include "http/url.h"

/* ---- media types ---- */

/* application/json and what is written in it (RFC 6839 section 3.1). */
static bool is_json(const char *type, size_t n)
{
    static const char own[] = "application/json", suffix[] = "+json";
    size_t nsuffix = strlen(suffix);

    return (n == strlen(own) && strncasecmp(type, own, n) == 0) ||
           (n > nsuffix && strncasecmp(type + n - nsuffix, suffix, nsuffix) == 0);
}

static bool is_plain(const char *type, size_t n)
{
    static const char own[] = "text/plain";

    return n == strlen(own) && strncasecmp(type, own, n) == 0;
}

static bool is_form(const char *type, size_t n)
{
    static const char own[] = "application/x-www-form-urlencoded";

    return n == strlen(own) && strncasecmp(type, own, n) == 0;
}

/* What the templates make, the first also without one. */
static const struct form {
    const char *property;
    const char *usual; /* without a contentType that fits */
    bool (*fits)(const char *type, size_t n);
    const char *expected;
} forms[] = {
    {"body", "application/json", is_json, "application/json, or one that ends with +json"},
    {"text", "text/plain; charset=utf-8", is_plain, "text/plain"},
    {"form", "application/x-www-form-urlencoded", is_form, "application/x-www-form-urlencoded"},
};
enum { NFORMS = sizeof forms / sizeof *forms };

static const char *content_type(const struct values *v)
{
    return values_text(v, webhook_kind.properties, webhook_kind.nproperties, "contentType");
}

/* PARAMETERS of a media type name no other way to read octets: there the escaping might not hold.
 */
static bool is_utf8(const char *parameters)
{
    static const char name[] = "charset=", value[] = "utf-8";

    while ((parameters = strcasestr(parameters, name))) {
        parameters += strlen(name);
        parameters += *parameters == '"';
        if (strncasecmp(parameters, value, strlen(value)) != 0 ||
            !strchr("; \"", parameters[strlen(value)]))
            return false;
    }
    return true;
}

static bool fits(const struct form *f, const char *type)
{
    size_t n = http_media_type(type);

    return n > 0 && f->fits(type, n) && is_utf8(type + n);
}

/* ---- templates ---- */

static bool has_one(const struct values *v)
{
    for (size_t i = 0; i < v->n; i++)
        for (size_t k = 0; k < NFORMS; k++)
            if (strcmp(v->items[i].property->name, forms[k].property) == 0)
                return true;
    return false;
}

/* The first that is not empty, NULL: none. */
static const struct template *find(const struct values *v, const struct form **ret)
{
    const struct template *t = NULL;

    *ret = &forms[0];
    for (size_t k = 0; k < NFORMS && !t; k++) {
        t = values_template(v, forms[k].property);
        if (t)
            *ret = &forms[k];
    }
    return t;
}

int webhook_body_check(const struct values *v, struct err *e)
{
    const char *type = content_type(v);
    const struct form *f;
    const struct template *t = find(v, &f);

    for (const struct form *other = f + 1; t && other < forms + NFORMS; other++)
        if (values_template(v, other->property))
            return err_set(e, ERR_INVALID, "expected either a %s or a %s, not both", f->property,
                           other->property);
    if (*type && !fits(f, type))
        return err_set(e, ERR_INVALID, "contentType: expected %s, in UTF-8", f->expected);
    return 0;
}

const char *webhook_body(const struct service *s, const struct job *j, struct buf *b)
{
    const struct values *own = &service_handler(s)->values;
    const char *type = content_type(own);
    const struct form *f;
    const struct template *t = find(has_one(&j->overrides) ? &j->overrides : own, &f);

    if (t)
        notice_fill(t, j, b);
    else
        document_write(j, b);
    return fits(f, type) ? type : f->usual;
}
