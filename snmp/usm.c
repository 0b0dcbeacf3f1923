/* Messages are written from the back to the front, with zeros where the digest goes; the digest of
 * the whole is put there at the end. HMAC, hashes and ciphers are OpenSSL's. */
#include "snmp/usm.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "snmp/ber.h"

enum {
    VERSION_3 = 3,
    SECURITY_MODEL = 3, /* USM */
    PASSWORD_OCTETS = 1 << 20,
    SALT_LEN = 8,
    BLOCK_MAX = 16,
    DES_KEY_LEN = 8, /* behind it are as many of the pre-IV */
    DES_BLOCK = 8,
    DIGEST_MAX = 48,
    MAX_SIZE_MIN = 484, /* RFC 3412 section 6 */
};

/* ---- protocols ---- */

static const struct auth_protocol {
    const EVP_MD *(*hash)(void);
    size_t digest_len; /* of it, in a message */
} auths[] = {
    [USM_MD5] = {EVP_md5, 12},        [USM_SHA] = {EVP_sha1, 12},
    [USM_SHA_224] = {EVP_sha224, 16}, [USM_SHA_256] = {EVP_sha256, 24},
    [USM_SHA_384] = {EVP_sha384, 32}, [USM_SHA_512] = {EVP_sha512, 48},
};

/* DES is 3DES with one key thrice: OpenSSL keeps the former in a module of its own that need not be
 * there. */
static const struct priv_protocol {
    const EVP_CIPHER *(*cipher)(void);
    size_t key_len; /* of the localised key */
} privs[] = {
    [USM_DES] = {EVP_des_ede3_cbc, 2 * DES_KEY_LEN},
    [USM_AES] = {EVP_aes_128_cfb128, 16},
    [USM_AES_192] = {EVP_aes_192_cfb128, 24},
    [USM_AES_256] = {EVP_aes_256_cfb128, 32},
};

/* ---- engines ---- */

bool engine_id_equal(const struct engine_id *a, const struct engine_id *b)
{
    return a->len == b->len && memcmp(a->octets, b->octets, a->len) == 0;
}

static bool all_are(const uint8_t *p, size_t n, uint8_t octet)
{
    while (n > 0 && p[n - 1] == octet)
        n--;
    return n == 0;
}

int engine_id_set(struct engine_id *ret, const void *octets, size_t n)
{
    if (n < ENGINE_ID_MIN || n > ENGINE_ID_MAX || all_are(octets, n, 0) || all_are(octets, n, 255))
        return ERR_RANGE;
    memcpy(ret->octets, octets, n);
    ret->len = n;
    return 0;
}

int engine_id_parse(struct engine_id *ret, const char *hex)
{
    uint8_t octets[ENGINE_ID_MAX];
    size_t n;

    if (strncmp(hex, "0x", 2) == 0)
        hex += 2;
    n = strlen(hex);
    if (n % 2 || strspn(hex, "0123456789abcdefABCDEF") != n)
        return ERR_SYNTAX;
    if (n / 2 > sizeof octets)
        return ERR_RANGE;
    for (size_t i = 0; i < n / 2; i++) {
        char pair[] = {hex[2 * i], hex[2 * i + 1], '\0'};

        octets[i] = (uint8_t)strtoul(pair, NULL, 16);
    }
    return engine_id_set(ret, octets, n / 2);
}

void engine_id_text(const struct engine_id *id, char dst[ENGINE_ID_TEXT_MAX])
{
    strcpy(dst, "0x");
    for (size_t i = 0; i < id->len; i++)
        snprintf(dst + 2 + 2 * i, 3, "%02x", id->octets[i]);
}

/* ---- keys ---- */

static int hash_failed(int ok)
{
    return ok == 1 ? 0 : ERR_NOMEM;
}

int usm_password_key(struct usm_key *ret, enum usm_auth a, const char *password)
{
    uint8_t block[64];
    size_t n = strlen(password), at = 0;
    unsigned len = 0;
    EVP_MD_CTX *ctx;
    int ok;

    if (n < USM_PASSWORD_MIN)
        return ERR_INVALID;
    ctx = EVP_MD_CTX_new();
    ok = ctx ? EVP_DigestInit_ex(ctx, auths[a].hash(), NULL) : 0;
    for (size_t done = 0; ok == 1 && done < PASSWORD_OCTETS; done += sizeof block) {
        for (size_t i = 0; i < sizeof block; i++) {
            block[i] = (uint8_t)password[at];
            at = at + 1 < n ? at + 1 : 0;
        }
        ok = EVP_DigestUpdate(ctx, block, sizeof block);
    }
    if (ok == 1)
        ok = EVP_DigestFinal_ex(ctx, ret->octets, &len);
    ret->len = len;
    EVP_MD_CTX_free(ctx);
    explicit_bzero(block, sizeof block);
    return hash_failed(ok);
}

/* Kul = H(Ku || engine || Ku), RFC 3414 section 2.6. */
static int localize(struct usm_key *ret, enum usm_auth a, const struct usm_key *ku,
                    const struct engine_id *engine)
{
    uint8_t text[2 * USM_KEY_MAX + ENGINE_ID_MAX];
    size_t n = ku->len;
    unsigned len = 0;
    int ok;

    memcpy(text, ku->octets, ku->len);
    memcpy(text + n, engine->octets, engine->len);
    n += engine->len;
    memcpy(text + n, ku->octets, ku->len);
    ok = EVP_Digest(text, n + ku->len, ret->octets, &len, auths[a].hash(), NULL);
    ret->len = len;
    explicit_bzero(text, sizeof text);
    return hash_failed(ok);
}

/* Draft-blumenthal-aes-usm-04, section 3.1.2.1: Kul || H(Kul). The shortest hash has 16 octets and
 * the longest key 32, so once is enough. */
static int extend(struct usm_key *k, enum usm_auth a, size_t wanted)
{
    uint8_t more[EVP_MAX_MD_SIZE];
    unsigned len = 0;
    int ok = 1;

    if (k->len < wanted) {
        ok = EVP_Digest(k->octets, k->len, more, &len, auths[a].hash(), NULL);
        if (ok == 1)
            memcpy(k->octets + k->len, more, wanted - k->len);
        explicit_bzero(more, sizeof more);
    }
    k->len = wanted;
    return hash_failed(ok);
}

int usm_localize(struct usm_keys *ret, enum usm_auth auth, const struct usm_key *auth_ku,
                 enum usm_priv priv, const struct usm_key *priv_ku, const struct engine_id *engine)
{
    int err = 0;

    *ret = (struct usm_keys){.auth = auth, .priv = priv};
    if (auth)
        err = localize(&ret->auth_key, auth, auth_ku, engine);
    if (priv && !err)
        err = localize(&ret->priv_key, auth, priv_ku, engine);
    if (priv && !err)
        err = extend(&ret->priv_key, auth, privs[priv].key_len);
    return err;
}

/* ---- digests and ciphers ---- */

static int digest(uint8_t *dst, const struct usm_keys *k, const uint8_t *p, size_t n)
{
    uint8_t whole[EVP_MAX_MD_SIZE];
    unsigned len = 0;

    if (!HMAC(auths[k->auth].hash(), k->auth_key.octets, (int)k->auth_key.len, p, n, whole, &len))
        return ERR_NOMEM;
    memcpy(dst, whole, auths[k->auth].digest_len);
    return 0;
}

struct cipher_input {
    uint8_t key[3 * DES_KEY_LEN > 32 ? 3 * DES_KEY_LEN : 32];
    uint8_t iv[BLOCK_MAX];
};

/* RFC 3414 section 8.1.1.1: the pre-IV, and a salt to be seen. RFC 3826 section 3.1.2.1: boots,
 * time and a salt. */
static void set_cipher_input(struct cipher_input *ret, const struct usm_keys *k, uint32_t boots,
                             uint32_t time, const uint8_t salt[SALT_LEN])
{
    const uint8_t *key = k->priv_key.octets;

    if (k->priv == USM_DES) {
        for (size_t i = 0; i < 3; i++)
            memcpy(ret->key + i * DES_KEY_LEN, key, DES_KEY_LEN);
        for (size_t i = 0; i < DES_BLOCK; i++)
            ret->iv[i] = key[DES_KEY_LEN + i] ^ salt[i];
        return;
    }
    memcpy(ret->key, key, k->priv_key.len);
    put_u32(ret->iv, boots);
    put_u32(ret->iv + 4, time);
    memcpy(ret->iv + 8, salt, SALT_LEN);
}

/* P in place. */
static int run_cipher(const struct usm_keys *k, const struct cipher_input *in, uint8_t *p, size_t n,
                      bool encrypt)
{
    EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    int len = 0, last = 0, ok = 0;

    if (ctx)
        ok = EVP_CipherInit_ex(ctx, privs[k->priv].cipher(), NULL, in->key, in->iv, encrypt);
    if (ok == 1)
        ok = EVP_CIPHER_CTX_set_padding(ctx, 0);
    if (ok == 1)
        ok = EVP_CipherUpdate(ctx, p, &len, p, (int)n);
    if (ok == 1)
        ok = EVP_CipherFinal_ex(ctx, p + len, &last);
    EVP_CIPHER_CTX_free(ctx);
    return ok == 1 && (size_t)(len + last) == n ? 0 : ERR_NOMEM;
}

/* ---- writing ---- */

static uint8_t level_of(const struct usm_keys *k)
{
    if (!k || !k->auth)
        return 0;
    return k->priv ? USM_FLAG_AUTH | USM_FLAG_PRIV : USM_FLAG_AUTH;
}

static void put_scoped_pdu(struct ber_out *o, const struct usm_message *m)
{
    const uint8_t *mark = o->at;

    ber_put_raw(o, m->pdu.data, m->pdu.len);
    ber_put_octets(o, BER_OCTETS, m->context_name.data, m->context_name.len);
    ber_put_octets(o, BER_OCTETS, m->context_engine.data, m->context_engine.len);
    ber_put_header(o, BER_SEQUENCE, mark);
}

/* RFC 3414 section 8.1.1.2: DES takes whole blocks; what fills the last does not matter. */
static void put_padding(struct ber_out *o, size_t content)
{
    static const uint8_t zeros[DES_BLOCK];

    ber_put_raw(o, zeros, (DES_BLOCK - content % DES_BLOCK) % DES_BLOCK);
}

static size_t scoped_pdu_len(const struct usm_message *m, uint8_t *scratch, size_t cap)
{
    struct ber_out o;

    ber_out_init(&o, scratch, cap);
    put_scoped_pdu(&o, m);
    return o.full ? 0 : ber_out_len(&o);
}

static int put_encrypted(struct ber_out *o, const struct usm_message *m, const struct usm_keys *k,
                         const uint8_t salt[SALT_LEN])
{
    uint8_t *mark = o->at;
    struct cipher_input in = {0};
    int err;

    if (k->priv == USM_DES) /* its length must be known first */
        put_padding(o, scoped_pdu_len(m, o->begin, (size_t)(o->at - o->begin)));
    put_scoped_pdu(o, m);
    if (o->full)
        return ERR_RANGE;
    set_cipher_input(&in, k, m->boots, m->time, salt);
    err = run_cipher(k, &in, o->at, (size_t)(mark - o->at), true);
    explicit_bzero(&in, sizeof in);
    ber_put_header(o, BER_OCTETS, mark);
    return err;
}

/* Where the digest goes, and zeros there meanwhile: RET. */
static void put_security(struct ber_out *o, const struct usm_message *m, const struct usm_keys *k,
                         const uint8_t salt[SALT_LEN], uint8_t **ret)
{
    static const uint8_t zeros[DIGEST_MAX];
    const uint8_t *mark = o->at, *digest_end;
    uint8_t level = level_of(k);

    ber_put_octets(o, BER_OCTETS, salt, level & USM_FLAG_PRIV ? SALT_LEN : 0);
    digest_end = o->at;
    ber_put_raw(o, zeros, level ? auths[k->auth].digest_len : 0);
    *ret = o->at;
    ber_put_header(o, BER_OCTETS, digest_end);
    ber_put_octets(o, BER_OCTETS, m->user.data, m->user.len);
    ber_put_int(o, (int32_t)m->time);
    ber_put_int(o, (int32_t)m->boots);
    ber_put_octets(o, BER_OCTETS, m->engine.octets, m->engine.len);
    ber_put_header(o, BER_SEQUENCE, mark);
    ber_put_header(o, BER_OCTETS, mark);
}

static void put_header(struct ber_out *o, const struct usm_message *m, uint8_t flags)
{
    const uint8_t *mark = o->at;

    ber_put_int(o, SECURITY_MODEL);
    ber_put_octets(o, BER_OCTETS, &flags, 1);
    ber_put_int(o, USM_MESSAGE_MAX);
    ber_put_int(o, m->id);
    ber_put_header(o, BER_SEQUENCE, mark);
    ber_put_int(o, VERSION_3);
    ber_put_header(o, BER_SEQUENCE, o->end);
}

/* RFC 3414 section 8.1.1.1 wants boots in front of DES' salt. */
static void set_salt(uint8_t ret[SALT_LEN], const struct usm_message *m, const struct usm_keys *k,
                     uint64_t salt)
{
    put_u32(ret + 4, (uint32_t)salt);
    put_u32(ret, k && k->priv == USM_DES ? m->boots : (uint32_t)(salt >> 32));
}

int usm_write(struct slice *ret, uint8_t *dst, size_t cap, const struct usm_message *m,
              const struct usm_keys *keys, uint64_t salt)
{
    uint8_t level = level_of(keys), salt_octets[SALT_LEN], *digest_at;
    struct ber_out o;
    int err = 0;

    if (m->user.len > USM_USER_MAX || m->context_name.len > USM_CONTEXT_MAX ||
        m->engine.len > ENGINE_ID_MAX || m->context_engine.len > ENGINE_ID_MAX || m->id < 0 ||
        m->boots > USM_BOOTS_MAX || m->time > INT32_MAX)
        return ERR_INVALID;
    ber_out_init(&o, dst, cap < USM_MESSAGE_MAX ? cap : USM_MESSAGE_MAX);
    set_salt(salt_octets, m, keys, salt);
    if (level & USM_FLAG_PRIV)
        err = put_encrypted(&o, m, keys, salt_octets);
    else
        put_scoped_pdu(&o, m);
    if (err)
        return err;
    put_security(&o, m, keys, salt_octets, &digest_at);
    put_header(&o, m, (uint8_t)(level | (m->flags & USM_FLAG_REPORTABLE)));
    if (o.full)
        return ERR_RANGE;
    if (level)
        err = digest(digest_at, keys, o.at, ber_out_len(&o));
    *ret = (struct slice){o.at, ber_out_len(&o)};
    return err;
}

/* ---- reading ---- */

static int read_scoped_pdu(struct usm_message *m, struct slice s, bool padded)
{
    struct rd r, in;

    rd_init(&r, s.data, s.len);
    s = ber_get(&r, BER_SEQUENCE);
    if (r.err || (!padded && r.left))
        return ERR_SYNTAX;
    rd_init(&in, s.data, s.len);
    m->context_engine = ber_get(&in, BER_OCTETS);
    m->context_name = ber_get(&in, BER_OCTETS);
    m->pdu = (struct slice){in.p, in.left};
    return in.err || in.left == 0 ? ERR_SYNTAX : 0;
}

static void read_header(struct rd *r, struct usm_message *m)
{
    struct slice all = ber_get(r, BER_SEQUENCE), flags;
    struct rd in;

    rd_init(&in, all.data, all.len);
    m->id = ber_get_int(&in, 0, INT32_MAX);
    ber_get_int(&in, MAX_SIZE_MIN, INT32_MAX);
    flags = ber_get(&in, BER_OCTETS);
    ber_get_int(&in, SECURITY_MODEL, SECURITY_MODEL);
    if (rd_end(&in) || flags.len != 1)
        r->err = ERR_SYNTAX;
    if (r->err)
        return;
    m->flags = flags.data[0] & (USM_FLAG_AUTH | USM_FLAG_PRIV | USM_FLAG_REPORTABLE);
    if ((m->flags & USM_FLAG_PRIV) && !(m->flags & USM_FLAG_AUTH))
        r->err = ERR_SYNTAX; /* RFC 3412 section 7.2 */
}

static void read_security(struct rd *r, struct usm_sealed *s)
{
    struct usm_message *m = &s->message;
    struct slice all = ber_get(r, BER_OCTETS), engine, auth;
    struct rd outer, in;

    rd_init(&outer, all.data, all.len);
    all = ber_get(&outer, BER_SEQUENCE);
    if (rd_end(&outer))
        r->err = ERR_SYNTAX;
    rd_init(&in, all.data, all.len);
    engine = ber_get(&in, BER_OCTETS);
    m->boots = (uint32_t)ber_get_int(&in, 0, INT32_MAX);
    m->time = (uint32_t)ber_get_int(&in, 0, INT32_MAX);
    m->user = ber_get(&in, BER_OCTETS);
    auth = ber_get(&in, BER_OCTETS);
    s->salt = ber_get(&in, BER_OCTETS);
    if (rd_end(&in) || m->user.len > USM_USER_MAX ||
        (engine.len > 0 && engine_id_set(&m->engine, engine.data, engine.len)))
        r->err = ERR_SYNTAX;
    if (r->err)
        return;
    s->auth_len = auth.len;
    s->auth_at = auth.len ? (size_t)(auth.data - s->octets) : 0;
}

int usm_parse(struct usm_sealed *ret, uint8_t *data, size_t n)
{
    struct usm_sealed s = {.octets = data, .len = n};
    struct slice all;
    struct rd r, in;
    int err;

    rd_init(&r, data, n);
    all = ber_get(&r, BER_SEQUENCE);
    if (rd_end(&r))
        return ERR_SYNTAX;
    rd_init(&in, all.data, all.len);
    ber_get_int(&in, VERSION_3, VERSION_3);
    read_header(&in, &s.message);
    read_security(&in, &s);
    if (in.err)
        return ERR_SYNTAX;
    if (s.message.flags & USM_FLAG_PRIV) {
        s.encrypted = ber_get(&in, BER_OCTETS);
        err = rd_end(&in);
    } else {
        err = read_scoped_pdu(&s.message, (struct slice){in.p, in.left}, false);
    }
    if (!err)
        *ret = s;
    return err;
}

static int check_digest(struct usm_sealed *s, const struct usm_keys *k)
{
    uint8_t said[DIGEST_MAX], wanted[DIGEST_MAX];
    size_t n = auths[k->auth].digest_len;
    int err;

    if (s->auth_len != n)
        return ERR_DENIED;
    memcpy(said, s->octets + s->auth_at, n);
    memset(s->octets + s->auth_at, 0, n);
    err = digest(wanted, k, s->octets, s->len);
    if (!err && CRYPTO_memcmp(said, wanted, n) != 0)
        err = ERR_DENIED;
    return err;
}

static int decrypt(struct usm_message *m, struct usm_sealed *s, const struct usm_keys *k)
{
    uint8_t *text = s->octets + (s->encrypted.data - s->octets);
    struct cipher_input in = {0};
    size_t n = s->encrypted.len;
    int err;

    if (s->salt.len != SALT_LEN || n == 0 || (k->priv == USM_DES && n % DES_BLOCK))
        return ERR_SYNTAX;
    set_cipher_input(&in, k, m->boots, m->time, s->salt.data);
    err = run_cipher(k, &in, text, n, false);
    explicit_bzero(&in, sizeof in);
    return err ? err : read_scoped_pdu(m, (struct slice){text, n}, k->priv == USM_DES);
}

int usm_unseal(struct usm_message *ret, struct usm_sealed *s, const struct usm_keys *keys)
{
    struct usm_message m = s->message;
    int err = 0;

    if (((m.flags & USM_FLAG_AUTH) && (!keys || !keys->auth)) ||
        ((m.flags & USM_FLAG_PRIV) && !keys->priv))
        return ERR_UNSUPPORTED;
    if (m.flags & USM_FLAG_AUTH)
        err = check_digest(s, keys);
    if (!err && (m.flags & USM_FLAG_PRIV))
        err = decrypt(&m, s, keys);
    if (!err)
        *ret = m;
    return err;
}
