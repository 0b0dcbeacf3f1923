/* What a kind of handler or source is called and which properties it has: const tables that the
 * kinds hand in. The XML schema, saHandlerPropertyTable, defaults, checks and help derive from
 * them; adding a kind touches its own file and one list. */
#ifndef CONFIG_KIND_H
#define CONFIG_KIND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/json.h"
#include "config/template.h"

/* As in saHandlerPropertyType. */
enum property_type {
    PROPERTY_TEXT = 1,     /* min..max octets of UTF-8 */
    PROPERTY_NUMBER = 2,   /* min..max */
    PROPERTY_BOOLEAN = 3,  /* "true" or "false" ("yes", "no", "1", "0" are read too) */
    PROPERTY_ENUM = 4,     /* one of names */
    PROPERTY_FILE = 5,     /* absolute path; from XML only */
    PROPERTY_SECRET = 6,   /* never shown, never logged */
    PROPERTY_DURATION = 7, /* "500ms", "10s", "5m", "1h"; kept in ms; min..max in ms */
    PROPERTY_OID = 8,      /* dotted numbers */
    PROPERTY_TEMPLATE = 9, /* config/template.h, of place; "": none; without a default */
    /* only for the parts of the file that no kind describes */
    PROPERTY_NAME = 32,    /* as the MIB allows it: 1..32 octets */
    PROPERTY_NAMES = 33,   /* names divided by blanks, "*" for all */
    PROPERTY_SIZE = 34,    /* "16GiB"; min..max octets */
    PROPERTY_ADDRESS = 35, /* "/path", "unix:/path", "tcp:host:port" */
};

enum { PROPERTY_TEXT_DEFAULT_MAX = 1024 }; /* of texts whose max is 0 */

/* A property of type PROPERTY_TEMPLATE may stand as a child element instead of an attribute, which
 * has no lines. */
struct property {
    const char *name; /* as in XML and in saHandlerPropertyName; 1..32 octets */
    enum property_type type;
    bool required;
    bool target_may_override; /* saTargetPropertyTable */
    bool transport;           /* host, port, TLS checks: overriding it drops inherited secrets */
    int64_t min, max;
    const char *def;           /* in text; NULL: none (reads as "") */
    const char *const *names;  /* of an enum, ends with NULL */
    enum template_place place; /* of a template */
    const char *help;          /* one sentence */
};

/* The values of one handler or source (or of a target's overrides), in text, checked against the
 * properties. Absent means default. */
struct value {
    const struct property *property;
    char *text;
    struct template *template; /* TEXT compiled, if it is a template and not "" */
};
struct values {
    struct value *items; /* in no order; a property at most once */
    size_t n;
};
void values_release(struct values *v);
int values_copy(struct values *dst, const struct values *src);
/* Check TEXT against P: 0 or ERR_INVALID with "expected a number from 1 to 65535". */
int property_check(const struct property *p, const char *text, struct err *e);
/* What that is, in words: "a number from 1 to 65535". */
void property_expectation(const struct property *p, char *dst, size_t cap);
/* Check and set (replaces). ERR_INVALID, ERR_NOMEM. */
int values_set(struct values *v, const struct property *p, const char *text, struct err *e);
/* The value or the default; "" when there is neither. Never NULL. */
const char *values_text(const struct values *v, const struct property *props, size_t nprops,
                        const char *name);
int64_t values_number(const struct values *v, const struct property *props, size_t nprops,
                      const char *name); /* number, duration in ms, or enum's position */
bool values_true(const struct values *v, const struct property *props, size_t nprops,
                 const char *name);
/* NULL when there is none; it lives as long as the value. */
const struct template *values_template(const struct values *v, const char *name);
/* What TEXT, which property_check has passed, is as a number: the number, a duration in ms, an
 * enum's position, 1 or 0 of a boolean; 0 of the others. */
int64_t property_number(const struct property *p, const char *text);
/* Is it a secret, or names the file of one (passwordFile, not caFile, which is the transport's)? */
bool property_is_secret(const struct property *p);
/* May SNMP change a handler's? Files and secrets come from XML only. */
bool property_overridable(const struct property *p);
/* Lays OVER over V. If that changes the transport, V's secrets go: they were not meant for there.
 * ERR_NOMEM: V is as it was in part. */
int values_override(struct values *v, const struct values *over);
/* Does it say anything of where and how to connect? */
bool values_touch_transport(const struct values *v);
/* Do both say the same of all properties? What is the default anyway makes no difference. */
bool values_same(const struct values *a, const struct values *b, const struct property *props,
                 size_t nprops);
/* ... of those that are the transport's? */
bool values_same_transport(const struct values *a, const struct values *b,
                           const struct property *props, size_t nprops);
const struct property *property_find(const struct property *props, size_t nprops, const char *name);
/* "did you mean 'port'?" helper: the nearest name, or NULL when none is near. */
const char *name_suggest(const char *wrong, const char *const *names, size_t n);
/* To and from a frame (u16 count, then name and text each as str). Reading checks every value. */
void values_write(const struct values *v, struct buf *b);
int values_read(struct values *ret, const struct property *props, size_t nprops, struct rd *r,
                struct err *e);

struct child_element { /* what may stand inside: <get name= oid=>, <table ...> */
    const char *name;
    const struct property *properties;
    size_t nproperties;
    const char *help;
    /* Checks beyond type and range; may be NULL. */
    int (*check)(const struct values *v, struct err *e);
};

/* One such element of a handler or source. */
struct child {
    const struct child_element *element;
    struct values values;
};
enum { CHILDREN_MAX = 1000 /* of one */ };
void children_release(struct child *c, size_t n); /* and what C points to; NULL is fine */
bool children_same(const struct child *a, size_t na, const struct child *b, size_t nb);
/* Does a secret, or the file of one, stand in it? */
bool child_has_secret(const struct child *c);

enum kind_class { KIND_HANDLER, KIND_SOURCE };

struct kind {
    enum kind_class class_;
    const char *name; /* element name: "smtp", "snmp", "http" */
    const struct property *properties;
    size_t nproperties;
    const struct child_element *children; /* NULL: none allowed */
    size_t nchildren;
    int64_t digest_ms; /* handlers: a target's digest time when it says -1 */
    bool by_agent;     /* handlers: delivered by the agent process, through the master agent */
    bool by_runner;    /* handlers: delivered by the process that runs programs and writes files */
    /* Handlers that the core hands on to other ones (config/leads.h): the property that names
     * these, the one that says for how long one event is made of all, NULL: it does not, and the
     * template of its message. */
    const char *leads_to, *gathers, *summary;
    /* Handlers that are led to get no recipients: this one cannot do without; or it can if this
     * property is not empty. */
    bool needs_recipients;
    const char *destination;
    const char *help;
    /* Checks that need several properties together; may be NULL. */
    int (*check)(const struct values *v, struct err *e);
};

/* The list that daemon/ hands to whoever needs it. */
struct kinds {
    const struct kind *const *items;
    size_t n;
};
const struct kind *kind_find(const struct kinds *k, enum kind_class c, const char *name);
const struct child_element *kind_child(const struct kind *k, const char *name); /* NULL: none */

/* To and from a frame. Reading checks every value, but not what an element's check wants. RET is
 * children_release's, NULL when there are none. */
void children_write(const struct child *c, size_t n, struct buf *b);
int children_read(struct child **ret, size_t *ret_n, const struct kind *k, struct rd *r,
                  struct err *e);

#endif
