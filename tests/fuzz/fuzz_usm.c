/* SNMPv3 messages. The first octet says how: as octets from the network, under the keys of a user
 * (no fuzzer finds their digest, so it is put right where the outside parses), or as a message to
 * be written, which must read as it was. */
#include <string.h>

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "snmp/usm.h"
#include "tests/fuzz/fuzz.h"

enum { MEMORY = 70000, PAIRS = 5 };

static const struct {
    enum usm_auth auth;
    enum usm_priv priv;
    const EVP_MD *(*hash)(void);
    size_t ku_len, digest_len;
} pairs[PAIRS] = {{USM_NO_AUTH, USM_NO_PRIV, NULL, 0, 0},
                  {USM_MD5, USM_DES, EVP_md5, 16, 12},
                  {USM_SHA, USM_AES, EVP_sha1, 20, 12},
                  {USM_SHA_256, USM_AES_256, EVP_sha256, 32, 24},
                  {USM_SHA_512, USM_NO_PRIV, EVP_sha512, 64, 48}};

static struct usm_keys keys_of(unsigned pair, const struct engine_id *engine)
{
    struct usm_key ku = {.len = pairs[pair].ku_len};
    struct usm_keys k;

    memset(ku.octets, 'k', ku.len);
    REQUIRE(usm_localize(&k, pairs[pair].auth, &ku, pairs[pair].priv, &ku, engine) == 0);
    return k;
}

static void expect_within(struct slice s, const uint8_t *p, size_t n)
{
    REQUIRE(s.len == 0 || (s.data >= p && s.data + s.len <= p + n));
}

static void sign(struct usm_sealed *s, unsigned pair, const struct usm_keys *k)
{
    uint8_t digest[EVP_MAX_MD_SIZE];

    if (!k->auth || s->auth_len != pairs[pair].digest_len)
        return;
    memset(s->octets + s->auth_at, 0, s->auth_len);
    HMAC(pairs[pair].hash(), k->auth_key.octets, (int)k->auth_key.len, s->octets, s->len, digest,
         NULL);
    memcpy(s->octets + s->auth_at, digest, s->auth_len);
}

static void read_octets(uint8_t *p, size_t n, unsigned pair)
{
    struct usm_sealed s;
    struct usm_message m;
    struct usm_keys k;

    if (usm_parse(&s, p, n))
        return;
    REQUIRE(s.message.engine.len == 0 || s.message.engine.len >= ENGINE_ID_MIN);
    REQUIRE(s.auth_at + s.auth_len <= n);
    expect_within(s.message.user, p, n);
    expect_within(s.encrypted, p, n);
    k = keys_of(pair, &s.message.engine);
    sign(&s, pair, &k);
    if (usm_unseal(&m, &s, &k))
        return;
    expect_within(m.pdu, p, n);
    expect_within(m.context_engine, p, n);
    expect_within(m.context_name, p, n);
    REQUIRE(m.pdu.len > 0);
}

static struct slice take(const uint8_t **p, size_t *n, size_t most)
{
    struct slice s = {*p, 0};

    if (*n == 0)
        return s;
    s = (struct slice){*p + 1, (*p)[0] % (most + 1)};
    if (s.len > *n - 1)
        s.len = *n - 1;
    *p += 1 + s.len;
    *n -= 1 + s.len;
    return s;
}

/* The rest of the input is the PDU. */
static void write_message(const uint8_t *p, size_t n, unsigned pair)
{
    static uint8_t memory[MEMORY];
    struct usm_message m = {.id = 1, .flags = USM_FLAG_REPORTABLE, .boots = 2, .time = 3}, back;
    struct slice engine = take(&p, &n, ENGINE_ID_MAX), octets;
    struct usm_sealed sealed;
    struct usm_keys k;

    if (engine_id_set(&m.engine, engine.data, engine.len))
        m.engine.len = 0;
    m.user = take(&p, &n, USM_USER_MAX);
    m.context_engine = take(&p, &n, ENGINE_ID_MAX);
    m.context_name = take(&p, &n, USM_CONTEXT_MAX);
    m.pdu = (struct slice){p, n};
    if (n == 0)
        return;
    k = keys_of(pair, &m.engine);
    REQUIRE(usm_write(&octets, memory, sizeof memory, &m, &k, 4) == 0);
    REQUIRE(octets.len <= n + USM_OVERHEAD_MAX);
    REQUIRE(usm_parse(&sealed, memory + (octets.data - memory), octets.len) == 0);
    REQUIRE(usm_unseal(&back, &sealed, &k) == 0);
    REQUIRE(slice_equal(back.pdu, m.pdu) && slice_equal(back.user, m.user));
    REQUIRE(slice_equal(back.context_name, m.context_name));
    REQUIRE(engine_id_equal(&back.engine, &m.engine));
}

FUZZ_TARGET(usm)
{
    static uint8_t copy[MEMORY];
    unsigned pair;

    if (size < 2 || size > 60000)
        return 0;
    pair = data[0] % PAIRS;
    if (data[0] / PAIRS % 2) {
        write_message(data + 1, size - 1, pair);
        return 0;
    }
    memcpy(copy, data + 1, size - 1);
    read_octets(copy, size - 1, pair);
    return 0;
}
