/* SNMPv3 messages with the User-based Security Model, as octets: RFC 3412 (the message), RFC 3414
 * (keys, MD5, SHA-1, DES), RFC 3826 (AES-128), RFC 7860 (SHA-2); AES-192 and -256 with the key
 * extension of draft-blumenthal-aes-usm-04, as net-snmp has them. There is no state but the
 * caller's: net-snmp's own USM keeps users, salts and engine times in globals and discovers engines
 * in blocking calls. */
#ifndef SNMP_USM_H
#define SNMP_USM_H

#include "base/buf.h"
#include "base/err.h"

enum {
    ENGINE_ID_MIN = 5, /* RFC 3411 section 5, SnmpEngineID */
    ENGINE_ID_MAX = 32,
    USM_USER_MAX = 32,    /* octets of a user's name */
    USM_CONTEXT_MAX = 32, /* of a context's */
    USM_PASSWORD_MIN = 8, /* RFC 3414 section 11.2 */
    USM_PASSWORD_MAX = 255,
    USM_KEY_MAX = 64,
    USM_BOOTS_MAX = INT32_MAX, /* then an engine is worn out (RFC 3414 section 2.2.2) */
    USM_WINDOW_S = 150,        /* RFC 3414 section 2.2.3 */
    USM_MESSAGE_MAX = 65507,   /* what UDP carries over IPv4 */
    USM_OVERHEAD_MAX = 300,    /* most octets that a message has beside its PDU */
};

struct engine_id {
    uint8_t octets[ENGINE_ID_MAX];
    size_t len; /* 0: none */
};
bool engine_id_equal(const struct engine_id *a, const struct engine_id *b);
/* ENGINE_ID_MIN..ENGINE_ID_MAX octets, not all of them 0 or 255 (RFC 3411); ERR_RANGE. */
int engine_id_set(struct engine_id *ret, const void *octets, size_t n);
/* The same from "0x80001f88..." or "80001f88..."; ERR_SYNTAX, ERR_RANGE. */
int engine_id_parse(struct engine_id *ret, const char *hex);
/* "0x80001f88...", terminated. */
enum { ENGINE_ID_TEXT_MAX = 2 + 2 * ENGINE_ID_MAX + 1 };
void engine_id_text(const struct engine_id *id, char dst[ENGINE_ID_TEXT_MAX]);

/* ---- keys ------------------------------------------------------------------------------------ */

enum usm_auth {
    USM_NO_AUTH,
    USM_MD5,
    USM_SHA,
    USM_SHA_224,
    USM_SHA_256,
    USM_SHA_384,
    USM_SHA_512,
};
enum usm_priv { USM_NO_PRIV, USM_DES, USM_AES, USM_AES_192, USM_AES_256 };

struct usm_key {
    uint8_t octets[USM_KEY_MAX];
    size_t len;
};

/* Ku of PASSWORD (RFC 3414 section A.2), USM_PASSWORD_MIN octets or more: hashes 1 MiB, which takes
 * milliseconds; keep it. A is not USM_NO_AUTH. ERR_INVALID, ERR_NOMEM. */
int usm_password_key(struct usm_key *ret, enum usm_auth a, const char *password);

/* What a user's messages to or from one authoritative engine are protected by. */
struct usm_keys {
    enum usm_auth auth;
    enum usm_priv priv; /* not without auth */
    struct usm_key auth_key, priv_key;
};
/* Of the user whose Ku are these two, at ENGINE. AUTH and PRIV say which of them are looked at. */
int usm_localize(struct usm_keys *ret, enum usm_auth auth, const struct usm_key *auth_ku,
                 enum usm_priv priv, const struct usm_key *priv_ku, const struct engine_id *engine);

/* ---- messages -------------------------------------------------------------------------------- */

enum { USM_FLAG_AUTH = 1, USM_FLAG_PRIV = 2, USM_FLAG_REPORTABLE = 4 };

/* Slices are borrowed: of who writes, or of the octets that were read. */
struct usm_message {
    int32_t id; /* 0..INT32_MAX */
    uint8_t flags;
    struct engine_id engine; /* the authoritative one; len 0: not known yet */
    uint32_t boots, time;    /* of it */
    struct slice user;
    struct slice context_engine, context_name;
    struct slice pdu; /* whole, with its tag */
};

/* M into DST's last octets; RET says where. KEYS: those of M's engine, whose protocols give the
 * flags for level (M's only say whether a report is wanted); NULL: neither authentication nor
 * privacy. SALT must not come again with the same keys while the daemon runs. ERR_RANGE: does not
 * fit; ERR_INVALID: M's lengths; ERR_NOMEM. */
int usm_write(struct slice *ret, uint8_t *dst, size_t cap, const struct usm_message *m,
              const struct usm_keys *keys, uint64_t salt);

/* A message's outside, before anybody knows whether it is genuine. */
struct usm_sealed {
    struct usm_message message; /* context and PDU only if it is not encrypted */
    uint8_t *octets;            /* all of it */
    size_t len;
    size_t auth_at, auth_len; /* where its digest is */
    struct slice salt;
    struct slice encrypted; /* if USM_FLAG_PRIV */
};
/* ERR_SYNTAX: no SNMPv3 message, or not of this security model. DATA stays the caller's, and must
 * live as long as RET. */
int usm_parse(struct usm_sealed *ret, uint8_t *data, size_t n);
/* Checks and decrypts what usm_parse() found, by the level that its own flags name, in place
 * (once). ERR_DENIED: the digest is wrong; ERR_UNSUPPORTED: the keys have no such protection;
 * ERR_SYNTAX: what was decrypted makes no sense. */
int usm_unseal(struct usm_message *ret, struct usm_sealed *s, const struct usm_keys *keys);

#endif
