/* Keys against the vectors of RFC 3414 section A.3 and, for what RFC 7860 and the drafts give none,
 * against what Python's hashlib makes of their text; messages there and back, and every octet of
 * them changed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "snmp/ber.h"
#include "snmp/usm.h"

static const struct engine_id engine = {{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2}, 12};

static size_t from_hex(uint8_t *dst, const char *hex)
{
    size_t n = strlen(hex) / 2;

    for (size_t i = 0; i < n; i++) {
        char pair[] = {hex[2 * i], hex[2 * i + 1], '\0'};

        dst[i] = (uint8_t)strtoul(pair, NULL, 16);
    }
    return n;
}

static void expect_key(const struct usm_key *k, const char *hex)
{
    uint8_t octets[USM_KEY_MAX];

    assert_int_equal(k->len, from_hex(octets, hex));
    assert_memory_equal(k->octets, octets, k->len);
}

/* ---- integers ---- */

static void integers_are_as_short_as_can_be(void **state)
{
    static const struct {
        int32_t v;
        const char *hex;
    } cases[] = {
        {0, "020100"},         {1, "020101"},
        {127, "02017f"},       {128, "02020080"},
        {255, "020200ff"},     {256, "02020100"},
        {-1, "0201ff"},        {-128, "020180"},
        {-129, "0202ff7f"},    {INT32_MAX, "02047fffffff"},
        {65507, "020300ffe3"}, {INT32_MIN, "020480000000"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        uint8_t memory[16], wanted[16];
        struct ber_out o;
        struct rd r;

        ber_out_init(&o, memory, sizeof memory);
        ber_put_int(&o, cases[i].v);
        assert_int_equal(ber_out_len(&o), from_hex(wanted, cases[i].hex));
        assert_memory_equal(o.at, wanted, ber_out_len(&o));
        rd_init(&r, o.at, ber_out_len(&o));
        assert_int_equal(ber_get_int(&r, INT32_MIN, INT32_MAX), cases[i].v);
        assert_int_equal(rd_end(&r), 0);
    }
}

static void lengths_beyond_the_end_are_refused(void **state)
{
    static const char *const bad[] = {
        "",     "04",     "0401", "0480", "04820001", "0484ffffffff", "0485000000000100",
        "04ff", "020100", "0200",
    };

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        uint8_t octets[16];
        struct rd r;

        rd_init(&r, octets, from_hex(octets, bad[i]));
        ber_get(&r, BER_OCTETS);
        assert_int_equal(r.err, ERR_SYNTAX);
    }
}

static void integers_outside_are_refused(void **state)
{
    static const char *const bad[] = {"0200", "020180", "02050100000000", "02060000000000ff",
                                      "020104"};

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        uint8_t octets[16];
        struct rd r;

        rd_init(&r, octets, from_hex(octets, bad[i]));
        assert_int_equal(ber_get_int(&r, 0, 3), 0);
        assert_int_equal(r.err, ERR_SYNTAX);
    }
}

static void what_does_not_fit_is_said(void **state)
{
    uint8_t memory[5];
    struct ber_out o;

    (void)state;
    ber_out_init(&o, memory, sizeof memory);
    ber_put_octets(&o, BER_OCTETS, "abc", 3);
    assert_false(o.full);
    ber_put_int(&o, 1);
    assert_true(o.full);
}

/* ---- engines ---- */

static void engine_ids(void **state)
{
    static const char *const bad[] = {
        "",
        "0x",
        "0x8000",
        "80001f8",
        "0x80001f88zz",
        "0x0000000000",
        "0xffffffffff",
        "0x80001f880000000000000000000000000000000000000000000000000000000000"};
    char text[ENGINE_ID_TEXT_MAX];
    struct engine_id id, same;

    (void)state;
    assert_int_equal(engine_id_parse(&id, "0x80001F8804616263"), 0);
    engine_id_text(&id, text);
    assert_string_equal(text, "0x80001f8804616263");
    assert_int_equal(engine_id_parse(&same, "80001f8804616263"), 0);
    assert_true(engine_id_equal(&id, &same));
    assert_false(engine_id_equal(&id, &engine));
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_not_equal(engine_id_parse(&id, bad[i]), 0);
}

/* ---- keys ---- */

static const struct {
    enum usm_auth auth;
    const char *ku, *kul, *kul_32;
} vectors[] = {
    /* RFC 3414 sections A.3.1 and A.3.2 */
    {USM_MD5, "9faf3283884e92834ebc9847d8edd963", "526f5eed9fcce26f8964c2930787d82b",
     "526f5eed9fcce26f8964c2930787d82bfa24a92467426c2f4b09192be10dfaec"},
    {USM_SHA, "9fb5cc0381497b3793528939ff788d5d79145211",
     "6695febc9288e36282235fc7151f128497b38f3f",
     "6695febc9288e36282235fc7151f128497b38f3f505e07eb9af25568fa1f5dbe"},
    {USM_SHA_224, "282a5867ee9aac639ad59df9572c7d3ac0fbc13a905b6df07dbbf00b",
     "0bd8827c6e29f8065e08e09237f177e410f69b90e1782be682075674",
     "0bd8827c6e29f8065e08e09237f177e410f69b90e1782be682075674e82d9bf0"},
    {USM_SHA_256, "ab51014d1e077f6017df2b12bee5f5aa72993177e9bb569c4dff5a4ca0b4afac",
     "8982e0e549e866db361a6b625d84cccc11162d453ee8ce3a6445c2d6776f0f8b",
     "8982e0e549e866db361a6b625d84cccc11162d453ee8ce3a6445c2d6776f0f8b"},
    {USM_SHA_384,
     "e06eccdf2c68a06ed034723c9c26e0db3b669e1e2efed49150b55377a2e98f383c86fb836857444654b287c9"
     "3f51ff64",
     "3b298f16164a11184279d5432bf169e2d2a48307de02b3d3f7e2b4f36eb6f0455a53689a3937eea07319a633"
     "d2ccba78",
     "3b298f16164a11184279d5432bf169e2d2a48307de02b3d3f7e2b4f36eb6f045"},
    {USM_SHA_512,
     "7e4396de5aadc77be853819b98c9406265b3a9c37cc3176569847a4e4f6fba63dd3a73d04924d31a63f95a60"
     "1f9385af6be4ed1b37f87d040f7c6ed6f8d38a91",
     "22a5a36cedfcc085807a128d7bc6c2382167ad6c0dbc5fdff856740f3d84c099ad1ea87a8db096714d9788bd"
     "544047c9021e4229ce27e4c0a69250adfcffbb0b",
     "22a5a36cedfcc085807a128d7bc6c2382167ad6c0dbc5fdff856740f3d84c099"},
};
enum { NVECTORS = sizeof vectors / sizeof *vectors };

static void keys_of_passwords(void **state)
{
    (void)state;
    for (size_t i = 0; i < NVECTORS; i++) {
        struct usm_key ku;
        struct usm_keys k;

        assert_int_equal(usm_password_key(&ku, vectors[i].auth, "maplesyrup"), 0);
        expect_key(&ku, vectors[i].ku);
        assert_int_equal(usm_localize(&k, vectors[i].auth, &ku, USM_AES_256, &ku, &engine), 0);
        expect_key(&k.auth_key, vectors[i].kul);
        expect_key(&k.priv_key, vectors[i].kul_32);
    }
}

static void short_passwords_are_refused(void **state)
{
    struct usm_key ku;

    (void)state;
    assert_int_equal(usm_password_key(&ku, USM_SHA, "1234567"), ERR_INVALID);
    assert_int_equal(usm_password_key(&ku, USM_SHA, "12345678"), 0);
}

/* ---- messages ---- */

static struct usm_keys keys_of(enum usm_auth auth, enum usm_priv priv, const char *password)
{
    struct usm_key ku = {.len = 0};
    struct usm_keys k;

    if (auth)
        assert_int_equal(usm_password_key(&ku, auth, password), 0);
    assert_int_equal(usm_localize(&k, auth, &ku, priv, &ku, &engine), 0);
    return k;
}

static struct slice slice_of(const char *s)
{
    return (struct slice){(const uint8_t *)s, strlen(s)};
}

static struct usm_message some_message(void)
{
    return (struct usm_message){.id = 305419896,
                                .flags = USM_FLAG_REPORTABLE,
                                .engine = engine,
                                .boots = 7,
                                .time = 4242,
                                .user = slice_of("alice"),
                                .context_engine = {engine.octets, engine.len},
                                .context_name = slice_of("ctx"),
                                .pdu = slice_of("\xa6\x05hello, this is no PDU")};
}

static void expect_same(const struct usm_message *a, const struct usm_message *b, uint8_t level)
{
    assert_int_equal(a->id, b->id);
    assert_int_equal(a->flags, b->flags | level);
    assert_true(engine_id_equal(&a->engine, &b->engine));
    assert_int_equal(a->boots, b->boots);
    assert_int_equal(a->time, b->time);
    assert_true(slice_equal(a->user, b->user));
    assert_true(slice_equal(a->context_engine, b->context_engine));
    assert_true(slice_equal(a->context_name, b->context_name));
    assert_true(slice_equal(a->pdu, b->pdu));
}

static const struct {
    enum usm_auth auth;
    enum usm_priv priv;
} pairs[] = {
    {USM_NO_AUTH, USM_NO_PRIV}, {USM_MD5, USM_NO_PRIV},     {USM_SHA_512, USM_NO_PRIV},
    {USM_MD5, USM_DES},         {USM_SHA, USM_DES},         {USM_SHA, USM_AES},
    {USM_SHA_224, USM_AES},     {USM_SHA_256, USM_AES_192}, {USM_SHA_384, USM_AES_256},
    {USM_SHA_512, USM_AES_256}, {USM_MD5, USM_AES_256},
};
enum { NPAIRS = sizeof pairs / sizeof *pairs };

static uint8_t level_of(size_t i)
{
    return (uint8_t)((pairs[i].auth ? USM_FLAG_AUTH : 0) | (pairs[i].priv ? USM_FLAG_PRIV : 0));
}

static struct slice write_some(uint8_t *dst, size_t cap, const struct usm_keys *k)
{
    struct usm_message m = some_message();
    struct slice s;

    assert_int_equal(usm_write(&s, dst, cap, &m, k, 0x0123456789abcdef), 0);
    return s;
}

static void messages_there_and_back(void **state)
{
    (void)state;
    for (size_t i = 0; i < NPAIRS; i++) {
        struct usm_keys k = keys_of(pairs[i].auth, pairs[i].priv, "maplesyrup");
        uint8_t memory[512];
        struct slice s = write_some(memory, sizeof memory, &k);
        struct usm_message sent = some_message(), m;
        struct usm_sealed sealed;

        if (pairs[i].priv)
            assert_null(memmem(s.data, s.len, "hello", 5));
        assert_int_equal(usm_parse(&sealed, memory + (s.data - memory), s.len), 0);
        assert_int_equal(usm_unseal(&m, &sealed, &k), 0);
        expect_same(&m, &sent, level_of(i));
        assert_true(s.len - sent.pdu.len <= USM_OVERHEAD_MAX);
    }
}

/* Nobody without the key can change anything unseen, nor read it. */
static void each_octet_counts(void **state)
{
    (void)state;
    for (size_t i = 1; i < NPAIRS; i++) {
        struct usm_keys k = keys_of(pairs[i].auth, pairs[i].priv, "maplesyrup");
        struct usm_keys other = keys_of(pairs[i].auth, pairs[i].priv, "maplesyruq");
        uint8_t memory[512], changed[512];
        struct slice s = write_some(memory, sizeof memory, &k);
        struct usm_sealed sealed;
        struct usm_message m;

        for (size_t at = 0; at < s.len; at++) {
            memcpy(changed, s.data, s.len);
            changed[at] ^= (uint8_t)(1 << (at % 8));
            if (usm_parse(&sealed, changed, s.len))
                continue;
            if (sealed.message.flags & USM_FLAG_AUTH)
                assert_int_not_equal(usm_unseal(&m, &sealed, &k), 0);
        }
        memcpy(changed, s.data, s.len);
        assert_int_equal(usm_parse(&sealed, changed, s.len), 0);
        assert_int_equal(usm_unseal(&m, &sealed, &other), ERR_DENIED);
        memcpy(changed, s.data, s.len);
        assert_int_equal(usm_parse(&sealed, changed, s.len), 0);
        assert_int_equal(usm_unseal(&m, &sealed, NULL), ERR_UNSUPPORTED);
    }
}

static void what_is_cut_short_is_refused(void **state)
{
    struct usm_keys k = keys_of(USM_SHA_256, USM_AES, "maplesyrup");
    uint8_t memory[512], copy[512];
    struct slice s = write_some(memory, sizeof memory, &k);
    struct usm_sealed sealed;

    (void)state;
    for (size_t n = 0; n < s.len; n++) {
        memcpy(copy, s.data, n);
        assert_int_equal(usm_parse(&sealed, copy, n), ERR_SYNTAX);
    }
    memcpy(copy, s.data, s.len);
    copy[s.len] = 0;
    assert_int_equal(usm_parse(&sealed, copy, s.len + 1), ERR_SYNTAX);
}

static void salts_make_a_difference(void **state)
{
    static const enum usm_priv privs[] = {USM_DES, USM_AES, USM_AES_256};

    (void)state;
    for (size_t i = 0; i < sizeof privs / sizeof *privs; i++) {
        struct usm_keys k = keys_of(USM_SHA_256, privs[i], "maplesyrup");
        struct usm_message m = some_message();
        uint8_t memory[512], other[512];
        struct slice a, b;

        assert_int_equal(usm_write(&a, memory, sizeof memory, &m, &k, 1), 0);
        assert_int_equal(usm_write(&b, other, sizeof other, &m, &k, 2), 0);
        assert_int_equal(a.len, b.len);
        assert_memory_not_equal(a.data + a.len - m.pdu.len, b.data + b.len - m.pdu.len, m.pdu.len);
    }
}

static void what_cannot_be_written(void **state)
{
    static uint8_t memory[2 * USM_MESSAGE_MAX], pdu[USM_MESSAGE_MAX];
    struct usm_keys k = keys_of(USM_MD5, USM_DES, "maplesyrup");
    struct usm_message m = some_message();
    struct slice s;

    (void)state;
    assert_int_equal(usm_write(&s, memory, 100, &m, &k, 1), ERR_RANGE);
    assert_int_equal(usm_write(&s, memory, 0, &m, NULL, 1), ERR_RANGE);
    m.pdu = (struct slice){pdu, sizeof pdu - USM_OVERHEAD_MAX};
    assert_int_equal(usm_write(&s, memory, sizeof memory, &m, &k, 1), 0);
    m.pdu.len = sizeof pdu;
    assert_int_equal(usm_write(&s, memory, sizeof memory, &m, &k, 1), ERR_RANGE);
    m = some_message();
    m.id = -1;
    assert_int_equal(usm_write(&s, memory, sizeof memory, &m, &k, 1), ERR_INVALID);
    m = some_message();
    m.user = slice_of("a name of more than thirty-two oc");
    assert_int_equal(usm_write(&s, memory, sizeof memory, &m, &k, 1), ERR_INVALID);
}

/* RFC 3412 section 7.2: privacy without authentication is no level. */
static void privacy_needs_authentication(void **state)
{
    struct usm_message m = some_message();
    uint8_t memory[512], *flags;
    struct usm_sealed sealed;
    struct slice s;

    (void)state;
    assert_int_equal(usm_write(&s, memory, sizeof memory, &m, NULL, 1), 0);
    flags = memmem(memory + (s.data - memory), s.len, "\x04\x01\x04\x02\x01\x03", 6);
    assert_non_null(flags);
    flags[2] = USM_FLAG_PRIV;
    assert_int_equal(usm_parse(&sealed, memory + (s.data - memory), s.len), ERR_SYNTAX);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(integers_are_as_short_as_can_be),
        cmocka_unit_test(lengths_beyond_the_end_are_refused),
        cmocka_unit_test(integers_outside_are_refused),
        cmocka_unit_test(what_does_not_fit_is_said),
        cmocka_unit_test(engine_ids),
        cmocka_unit_test(keys_of_passwords),
        cmocka_unit_test(short_passwords_are_refused),
        cmocka_unit_test(messages_there_and_back),
        cmocka_unit_test(each_octet_counts),
        cmocka_unit_test(what_is_cut_short_is_refused),
        cmocka_unit_test(salts_make_a_difference),
        cmocka_unit_test(what_cannot_be_written),
        cmocka_unit_test(privacy_needs_authentication),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
