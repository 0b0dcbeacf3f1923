/* Sixteen octets a step: the 128-bit product of the state and two words, folded. That is as fast as
 * memory and spreads every bit over all; a CRC of as many bits would take five times as long. */
#include "store/sum.h"

#include <endian.h>
#include <string.h>

/* Odd numbers without a pattern: the fractions of the square roots of 2, 3 and 5. */
#define K0 UINT64_C(0x6a09e667f3bcc909)
#define K1 UINT64_C(0xbb67ae8584caa73b)
#define K2 UINT64_C(0x3c6ef372fe94f82b)

static uint64_t word(const uint8_t *p)
{
    uint64_t v;
    memcpy(&v, p, sizeof v);
    return le64toh(v);
}

static uint64_t half(const uint8_t *p)
{
    uint32_t v;
    memcpy(&v, p, sizeof v);
    return le32toh(v);
}

__extension__ typedef unsigned __int128 wide;

static uint64_t fold(uint64_t a, uint64_t b)
{
    wide product = (wide)a * b;
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

/* The last 0 to 16 octets as two words; in 8 to 16 and 4 to 7 they overlap. */
static uint64_t last(uint64_t h, const uint8_t *p, size_t n)
{
    uint64_t a = 0, b = 0;
    if (n >= 8) {
        a = word(p);
        b = word(p + n - 8);
    } else if (n >= 4) {
        a = half(p);
        b = half(p + n - 4);
    } else if (n) {
        a = (uint64_t)p[0] << 16 | (uint64_t)p[n / 2] << 8 | p[n - 1];
    }
    return fold(a ^ K1, b ^ h);
}

static uint64_t absorb(uint64_t h, const uint8_t *p, size_t n)
{
    h ^= n * K0;
    for (; n > 16; n -= 16, p += 16)
        h = fold(word(p) ^ K1, word(p + 8) ^ h);
    return last(h, p, n);
}

uint64_t sum_seed(const char *database)
{
    return absorb(K2, (const uint8_t *)database, strlen(database));
}

uint32_t sum_of(uint64_t seed, struct slice key, struct slice value)
{
    uint64_t h = absorb(absorb(seed, key.data, key.len), value.data, value.len);
    h = fold(h ^ K2, K0);
    return (uint32_t)(h ^ h >> 32);
}

bool sum_open(uint64_t seed, struct slice key, struct slice stored, struct slice *ret)
{
    if (stored.len < SUM_LEN)
        return false;
    struct slice value = {stored.data + SUM_LEN, stored.len - SUM_LEN};
    if (get_u32(stored.data) != sum_of(seed, key, value))
        return false;
    *ret = value;
    return true;
}

bool row_sound(uint64_t seed, struct slice key, struct slice stored)
{
    if (stored.len < ROW_HEAD_SUMMED || stored.data[0] != ROW_SUMMED)
        return false;
    struct slice cells = {stored.data + ROW_HEAD_SUMMED, stored.len - ROW_HEAD_SUMMED};
    return get_u32(stored.data + 1) == sum_of(seed, key, cells);
}
