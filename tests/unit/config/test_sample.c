/* The sample file that is installed, read with the kinds that there are. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "config/config.h"
#include "daemon/kinds.h"

static struct config *sample(void)
{
    const char *top = getenv("top_srcdir");
    struct config *c = NULL;
    char file[1024];
    struct err e = {0};

    snprintf(file, sizeof file, "%s/config/snmpalertd.xml.sample", top ? top : ".");
    if (config_load(&c, file, &daemon_kinds, &e))
        fail_msg("%s", e.text);
    return c;
}

static void sample_is_good(void **state)
{
    struct config *c = sample();

    (void)state;
    assert_int_equal(c->nowners, 3);
    assert_int_equal(c->nsources, 2);
    assert_int_equal(c->nhandlers, 8);
    config_free(c);
}

/* Complete: each kind, and each table whose rows the file may hold, is shown. */
static void sample_shows_everything(void **state)
{
    struct config *c = sample();

    (void)state;
    for (size_t i = 0; i < daemon_kinds.n; i++) {
        const struct kind *k = daemon_kinds.items[i];
        bool shown = false;

        for (size_t j = 0; j < c->nsources; j++)
            shown |= c->sources[j].kind == k;
        for (size_t j = 0; j < c->nhandlers; j++)
            shown |= c->handlers[j].kind == k;
        if (!shown)
            fail_msg("the sample has no <%s>", k->name);
    }
    for (size_t i = 0; i < sa_ntables; i++) {
        bool shown = sa_tables[i]->xml == NULL;

        for (size_t j = 0; j < c->nrows; j++)
            shown |= c->rows[j].table == sa_tables[i];
        if (!shown)
            fail_msg("the sample has no <%s>", sa_tables[i]->xml);
    }
    config_free(c);
}

/* Each property has what schema, manual and checks rely on. */
static void properties_are_sound(void **state)
{
    struct err e;

    (void)state;
    for (size_t i = 0; i < daemon_kinds.n; i++) {
        const struct kind *k = daemon_kinds.items[i];

        assert_true(k->help && *k->help);
        for (size_t j = 0; j < k->nproperties; j++) {
            const struct property *p = &k->properties[j];

            if (!p->help || !*p->help)
                fail_msg("property '%s' of <%s> has no help", p->name, k->name);
            if (p->def && property_check(p, p->def, &e))
                fail_msg("default of '%s' of <%s>: %s", p->name, k->name, e.text);
            if (p->required && p->def)
                fail_msg("'%s' of <%s> is required and has a default", p->name, k->name);
            if (property_find(k->properties, j, p->name))
                fail_msg("'%s' of <%s> is there twice", p->name, k->name);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sample_is_good),
        cmocka_unit_test(sample_shows_everything),
        cmocka_unit_test(properties_are_sound),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
