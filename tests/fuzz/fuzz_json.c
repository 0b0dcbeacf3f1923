/* Documents of sources: what parses can be walked, dumped and parsed again to the same text. Texts
 * that are not JSON go through the UTF-8 and glob functions. */
#include <string.h>

#include "base/json.h"
#include "base/text.h"
#include "tests/fuzz/fuzz.h"

static size_t walk(const jv *v, int depth)
{
    size_t n = 1;

    REQUIRE(depth <= JV_DEPTH_MAX);
    (void)jv_bool(v), (void)jv_int(v), (void)jv_number(v), (void)jv_string(v);
    for (size_t i = 0; jv_kind(v) == JV_ARRAY && i < jv_len(v); i++)
        n += walk(jv_at(v, i), depth + 1);
    for (void *it = jv_kind(v) == JV_OBJECT ? jv_iter(v) : NULL; it; it = jv_iter_next(v, it)) {
        REQUIRE(jv_iter_key(it) != NULL);
        n += walk(jv_iter_value(it), depth + 1);
    }
    return n;
}

static void round_trip(const jv *v)
{
    struct buf first, second;
    struct err e;
    jv *again;

    buf_init(&first, 16 << 20);
    buf_init(&second, 16 << 20);
    jv_dump(v, &first);
    REQUIRE(first.err == 0 && utf8_valid(first.data, first.len));
    again = jv_parse(first.data, first.len, &e);
    REQUIRE(again != NULL);
    REQUIRE(walk(again, 0) == walk(v, 0));
    jv_dump(again, &second);
    REQUIRE(second.len == first.len && memcmp(first.data, second.data, first.len) == 0);
    jv_free(again);
    buf_release(&first);
    buf_release(&second);
}

static void texts(const uint8_t *data, size_t size)
{
    char clean[257], a[129], b[129];
    size_t cut = utf8_cut(data, size, 100), n = utf8_clean(clean, sizeof clean, data, size, false);
    size_t half = size / 2;

    REQUIRE(cut <= 100 && cut <= size);
    REQUIRE(n < sizeof clean && strlen(clean) == n && utf8_valid(clean, n));
    REQUIRE(!utf8_valid(data, size) || utf8_valid(data, cut));
    utf8_clean(a, sizeof a, data, half, true);
    utf8_clean(b, sizeof b, data + half, size - half, true);
    (void)glob_match(a, b);
    REQUIRE(glob_match("*", b));
}

FUZZ_TARGET(json)
{
    struct err e = {0};
    jv *v = jv_parse(data, size, &e);

    if (v)
        round_trip(v);
    else
        REQUIRE(e.code < 0 && e.text[0]);
    jv_free(v);
    texts(data, size);
    return 0;
}
