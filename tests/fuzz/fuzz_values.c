/* Values of properties as they come in a frame: what is read is valid, and writing it gives the
 * same octets again. */
#include <string.h>

#include "config/kind.h"
#include "tests/fuzz/fuzz.h"
#include "tests/unit/config/some_kinds.h"

static void read_as(const struct kind *k, const uint8_t *data, size_t size)
{
    struct values v = {0}, copy = {0};
    struct err e;
    struct buf b;
    struct rd r;

    rd_init(&r, data, size);
    if (values_read(&v, k->properties, k->nproperties, &r, &e)) {
        REQUIRE(v.n == 0);
        return;
    }
    REQUIRE(v.n <= k->nproperties);
    for (size_t i = 0; i < k->nproperties; i++)
        (void)values_number(&v, k->properties, k->nproperties, k->properties[i].name);
    REQUIRE(values_copy(&copy, &v) == 0);
    buf_init(&b, size + 1);
    values_write(&copy, &b);
    REQUIRE(b.err == 0 && b.len == size - r.left && memcmp(b.data, data, b.len) == 0);
    buf_release(&b);
    values_release(&v);
    values_release(&copy);
}

FUZZ_TARGET(values)
{
    for (size_t i = 0; i < some_kinds.n; i++)
        read_as(some_kinds.items[i], data, size);
    return 0;
}
