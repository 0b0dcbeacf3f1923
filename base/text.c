#include "base/text.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>

#include "base/buf.h"
#include "base/err.h"

/* By the number of octets: the lead's mask and value, and the least code point that needs so many
 * (RFC 3629 section 3). */
static const struct {
    uint8_t mask, lead;
    uint32_t least;
} forms[] = {
    {0x80, 0x00, 0x00},
    {0xe0, 0xc0, 0x80},
    {0xf0, 0xe0, 0x800},
    {0xf8, 0xf0, 0x10000},
};

static bool is_continuation(uint8_t octet)
{
    return (octet & 0xc0) == 0x80;
}

/* How many octets a character that starts with LEAD has; 0 if none can start so. */
static size_t form_len(uint8_t lead)
{
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        if ((lead & forms[i].mask) == forms[i].lead)
            return i + 1;
    }
    return 0;
}

size_t utf8_decode(const void *p, size_t n, uint32_t *ret_cp)
{
    const uint8_t *s = p;
    size_t len = n > 0 ? form_len(s[0]) : 0;
    uint32_t cp;

    if (len == 0 || len > n)
        return 0;
    cp = s[0] & (uint8_t)~forms[len - 1].mask;
    for (size_t i = 1; i < len; i++) {
        if (!is_continuation(s[i]))
            return 0;
        cp = cp << 6 | (s[i] & 0x3f);
    }
    if (cp < forms[len - 1].least || cp > 0x10ffff || (cp >= 0xd800 && cp <= 0xdfff))
        return 0;
    *ret_cp = cp;
    return len;
}

bool utf8_control(uint32_t cp)
{
    return cp < 0x20 || (cp >= 0x7f && cp < 0xa0);
}

bool utf8_valid(const void *p, size_t n)
{
    const uint8_t *s = p;

    while (n > 0) {
        uint32_t cp;
        size_t len = utf8_decode(s, n, &cp);

        if (len == 0)
            return false;
        s += len;
        n -= len;
    }
    return true;
}

size_t utf8_cut(const void *p, size_t n, size_t max)
{
    const uint8_t *s = p;
    size_t lead = max;

    if (max >= n)
        return n;
    while (lead > 0 && max - lead < 3 && is_continuation(s[lead]))
        lead--;
    /* What is no character is nobody's to keep whole. */
    if (lead < max && lead + form_len(s[lead]) <= max)
        return max;
    return lead;
}

size_t utf8_clean(char *dst, size_t cap, const void *p, size_t n, bool keep_nl)
{
    const uint8_t *s = p;
    size_t len = 0;

    if (cap == 0)
        return 0;
    while (n > 0) {
        uint32_t cp = 0;
        size_t in = utf8_decode(s, n, &cp);
        bool control = in > 0 && utf8_control(cp) && !(keep_nl && (cp == '\t' || cp == '\n'));
        size_t out = in > 0 && !control ? in : 1;

        if (len + out >= cap)
            break;
        if (in == 0)
            dst[len] = '?';
        else if (control)
            dst[len] = ' ';
        else
            memcpy(dst + len, s, in);
        len += out;
        in = in > 0 ? in : 1;
        s += in;
        n -= in;
    }
    dst[len] = '\0';
    return len;
}

/* Octets of the character at T, of which an invalid octet is one too. */
static size_t char_len(const char *t, const char *end)
{
    uint32_t cp;
    size_t len = utf8_decode(t, (size_t)(end - t), &cp);

    return len > 0 ? len : 1;
}

/* If the pattern's element at *P (no '*') matches at *T, step both over it. */
static bool step(const char **p, const char **t, const char *end)
{
    const char *q = *p;

    if (*t == end || *q == '\0')
        return false;
    if (*q == '?') {
        *p = q + 1;
        *t += char_len(*t, end);
        return true;
    }
    if (*q == '\\' && q[1] != '\0')
        q++;
    if (*q != **t)
        return false;
    *p = q + 1;
    *t += 1;
    return true;
}

/* Only the last '*' is ever retried: whatever an earlier one could take, this one can too. */
bool glob_match(const char *pattern, const char *text)
{
    const char *end = text + strlen(text);
    const char *star = NULL, *resume = NULL;

    while (text != end || *pattern != '\0') {
        if (*pattern == '*') {
            star = ++pattern;
            resume = text;
        } else if (!step(&pattern, &text, end)) {
            if (!star || resume == end)
                return false;
            resume += char_len(resume, end);
            text = resume;
            pattern = star;
        }
    }
    return true;
}

static uint64_t rotl(uint64_t v, int bits)
{
    return v << bits | v >> (64 - bits);
}

static void sip_rounds(uint64_t v[4], int rounds)
{
    while (rounds-- > 0) {
        v[0] += v[1];
        v[2] += v[3];
        v[1] = rotl(v[1], 13) ^ v[0];
        v[3] = rotl(v[3], 16) ^ v[2];
        v[0] = rotl(v[0], 32);
        v[2] += v[1];
        v[0] += v[3];
        v[1] = rotl(v[1], 17) ^ v[2];
        v[3] = rotl(v[3], 21) ^ v[0];
        v[2] = rotl(v[2], 32);
    }
}

static uint64_t little_endian(const uint8_t *p, size_t n)
{
    uint64_t v = 0;

    while (n-- > 0)
        v = v << 8 | p[n];
    return v;
}

/* SipHash-2-4 (Aumasson and Bernstein, 2012). */
static uint64_t siphash(const uint8_t *p, size_t n, uint64_t k0, uint64_t k1)
{
    uint64_t v[4] = {k0 ^ 0x736f6d6570736575, k1 ^ 0x646f72616e646f6d, k0 ^ 0x6c7967656e657261,
                     k1 ^ 0x7465646279746573};
    uint64_t last = (uint64_t)n << 56;

    for (; n >= 8; p += 8, n -= 8) {
        uint64_t m = little_endian(p, 8);

        v[3] ^= m;
        sip_rounds(v, 2);
        v[0] ^= m;
    }
    last |= little_endian(p, n);
    v[3] ^= last;
    sip_rounds(v, 2);
    v[0] ^= last;
    v[2] ^= 0xff;
    sip_rounds(v, 4);
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}

uint64_t hash64(const void *p, size_t n, uint64_t seed)
{
    return siphash(p, n, seed, 0x0f0e0d0c0b0a0908);
}

void hash128(const void *p, size_t n, uint8_t ret[16])
{
    put_u64(ret, hash64(p, n, 0x736e6d70616c6572));
    put_u64(ret + 8, hash64(p, n, 0x74642d696e646578));
}

int uuid_new(char ret[UUID_TEXT_LEN + 1])
{
    static const char hex[] = "0123456789abcdef";
    uint8_t raw[16];
    size_t len = 0;
    ssize_t got;

    do {
        got = getrandom(raw, sizeof raw, 0);
    } while (got < 0 && errno == EINTR);
    if (got != (ssize_t)sizeof raw)
        return ERR_IO;
    raw[6] = (raw[6] & 0x0f) | 0x40;
    raw[8] = (raw[8] & 0x3f) | 0x80;
    for (size_t i = 0; i < sizeof raw; i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10)
            ret[len++] = '-';
        ret[len++] = hex[raw[i] >> 4];
        ret[len++] = hex[raw[i] & 15];
    }
    ret[len] = '\0';
    return 0;
}

bool name_valid(const void *p, size_t n)
{
    const uint8_t *s = p;

    if (n < 1 || n > NAME_MAX_LEN)
        return false;
    while (n > 0) {
        uint32_t cp;
        size_t len = utf8_decode(s, n, &cp);

        if (len == 0 || utf8_control(cp))
            return false;
        s += len;
        n -= len;
    }
    return true;
}
