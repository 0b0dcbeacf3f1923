/* Lines at the local door: what is taken is what saRaiseTable could hold, and every answer is a
 * line of JSON. */
#include <string.h>

#include "alerts/raise_line.h"
#include "base/json.h"
#include "base/text.h"
#include "tests/fuzz/fuzz.h"

static void check_text(const char *text, size_t most)
{
    REQUIRE(memchr(text, 0, most + 1));
    REQUIRE(utf8_valid(text, strlen(text)));
}

static void check_command(const struct raise *c)
{
    REQUIRE(name_valid(c->owner, strlen(c->owner)));
    REQUIRE(name_valid(c->resource_type, strlen(c->resource_type)));
    REQUIRE(name_valid(c->alert_type, strlen(c->alert_type)));
    check_text(c->resource_id, RAISE_ID_LEN);
    check_text(c->message, 255);
    REQUIRE(c->verb >= VERB_RAISE && c->verb <= VERB_DELETE);
    REQUIRE(c->severity >= LEVEL_INFO && c->severity <= LEVEL_CRITICAL);
    REQUIRE(c->ttl_s >= 0 && c->ttl_s <= INT64_C(3153600000));
}

static void check_answer(const struct raise_result *r)
{
    struct buf b;
    struct err e;
    jv *v;

    buf_init(&b, RAISE_LINE_MAX);
    raise_line_answer(r, &b);
    REQUIRE(!b.err && !memchr(b.data, '\n', b.len));
    v = jv_parse(b.data, b.len, &e);
    REQUIRE(v && jv_kind(jv_get(v, "result")) == JV_STRING);
    jv_free(v);
    buf_release(&b);
}

FUZZ_TARGET(raise)
{
    struct raise_result r = {.result = RAISE_DONE, .alert = 1};
    struct raise c = {.verb = 0};
    struct err e = {.text = ""};

    if (raise_line_read(&c, data, size, &e)) {
        REQUIRE(e.text[0] && !c.verb);
        r.result = RAISE_REFUSED;
        utf8_clean(r.error, sizeof r.error, e.text, strlen(e.text), false);
    } else {
        check_command(&c);
    }
    check_answer(&r);
    return 0;
}
