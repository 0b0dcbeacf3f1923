/* The XML file. What is refused is refused with file and words; what is taken keeps every promise
 * of config/config.h. */
#include <string.h>

#include "base/text.h"
#include "config/config.h"
#include "daemon/kinds.h"
#include "tests/fuzz/fuzz.h"
#include "tests/unit/config/some_kinds.h"

static void check_row(const struct config_row *r)
{
    for (size_t i = 0; i < r->table->nindex; i++)
        if (r->table->index[i].syntax == SA_NAME)
            REQUIRE(name_valid(r->names[i], strlen(r->names[i])));
    for (size_t i = 0; i < r->ncells; i++) {
        const struct config_cell *c = &r->cells[i];
        int64_t v = c->text ? (int64_t)c->len : c->number;

        REQUIRE(v >= c->column->min && v <= c->column->max);
        REQUIRE(!c->text || (strlen(c->text) == c->len && utf8_valid(c->text, c->len)));
        for (size_t j = 0; j < i; j++)
            REQUIRE(r->cells[j].column != c->column);
    }
}

static void check_values(const struct values *v)
{
    for (size_t i = 0; i < v->n; i++)
        REQUIRE(property_check(v->items[i].property, v->items[i].text, NULL) == 0);
}

static void check(const struct config *c)
{
    REQUIRE(c->store_path && c->store_path[0] == '/' && c->agentx_address);
    REQUIRE(c->nowners >= 1);
    for (size_t i = 0; i < c->nsources; i++) {
        REQUIRE(c->sources[i].interval_ms >= 100 && c->sources[i].interval_ms <= 86400000);
        check_values(&c->sources[i].values);
        for (size_t j = 0; j < c->sources[i].nchildren; j++)
            check_values(&c->sources[i].children[j].values);
    }
    for (size_t i = 0; i < c->nhandlers; i++)
        check_values(&c->handlers[i].values);
    for (size_t i = 0; i < c->nrows; i++)
        check_row(&c->rows[i]);
}

static void parse_with(const struct kinds *kinds, const uint8_t *data, size_t size)
{
    struct config *c = NULL;
    struct err e = {0};

    if (config_parse(&c, "f.xml", data, size, kinds, &e) == 0) {
        check(c);
        config_free(c);
    } else {
        REQUIRE(c == NULL && e.code < 0 && strncmp(e.text, "f.xml:", 6) == 0);
    }
}

FUZZ_TARGET(xml)
{
    parse_with(&some_kinds, data, size);
    parse_with(&daemon_kinds, data, size);
    return 0;
}
