#include "alerts/trial.h"

#include <string.h>

#include "alerts/notice.h"

enum { MESSAGE_MAX = 255, RECIPIENTS_TEXT_MAX = SA_CELL_MAX };

static const char *const level_names[] = {"ok", "info", "warning", "critical", "unknown", NULL};

/* They hide properties of the same name. */
enum { MESSAGE, LEVEL, RECIPIENTS, COMMON };
static const struct property common[COMMON] = {
    [MESSAGE] = {.name = "message",
                 .type = PROPERTY_TEXT,
                 .max = MESSAGE_MAX,
                 .def = "This is a test.",
                 .help = "What the test says."},
    [LEVEL] = {.name = "level",
               .type = PROPERTY_ENUM,
               .def = "ok",
               .names = level_names,
               .help = "Level of the test: ok, info, warning, critical or unknown."},
    [RECIPIENTS] = {.name = "recipients",
                    .type = PROPERTY_TEXT,
                    .max = RECIPIENTS_TEXT_MAX,
                    .help = "Who gets the test, as in saTargetRecipients; for mail the handler's "
                            "testAddress, or its sender, unless set."},
};

static bool is_common(const char *name)
{
    return property_find(common, COMMON, name) != NULL;
}

/* What is no secret's: a test's options can be read by whoever reads the handler's properties. */
static bool is_offered(const struct property *p)
{
    return p->target_may_override && property_overridable(p) && !is_common(p->name);
}

const struct property *trial_option_at(const struct kind *k, size_t i)
{
    if (i < COMMON)
        return &common[i];
    i -= COMMON;
    for (size_t n = 0; n < k->nproperties; n++)
        if (is_offered(&k->properties[n]) && i-- == 0)
            return &k->properties[n];
    return NULL;
}

const struct property *trial_option(const struct kind *k, const char *name)
{
    const struct property *p = property_find(common, COMMON, name);

    if (p)
        return p;
    p = property_find(k->properties, k->nproperties, name);
    return p && is_offered(p) ? p : NULL;
}

int trial_check(const struct property *option, const char *text, struct err *e)
{
    if (option == &common[RECIPIENTS] && recipients_each(text, strlen(text), NULL, NULL) < 0)
        return err_set(e, ERR_INVALID, "expected at most 64 addresses of at most 255 octets");
    return property_check(option, text, e);
}

static const char *live_text(const struct kind *k, const struct values *live, const char *name)
{
    return values_text(live, k->properties, k->nproperties, name);
}

const char *trial_default(const struct kind *k, const struct values *live,
                          const struct property *option)
{
    if (option == &common[RECIPIENTS]) {
        const char *own = live_text(k, live, "testAddress");

        return *own ? own : live_text(k, live, "fromAddress");
    }
    return is_common(option->name) ? option->def : live_text(k, live, option->name);
}

const char *trial_message(const struct values *options)
{
    return values_text(options, common, COMMON, "message");
}

enum sa_level trial_level(const struct values *options)
{
    return (enum sa_level)(LEVEL_OK + values_number(options, common, COMMON, "level"));
}

const char *trial_recipients(const struct kind *k, const struct values *live,
                             const struct values *options)
{
    for (size_t i = 0; i < options->n; i++)
        if (options->items[i].property == &common[RECIPIENTS])
            return options->items[i].text;
    return trial_default(k, live, &common[RECIPIENTS]);
}
