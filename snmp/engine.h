/* Engines and their time (RFC 3414 sections 2.2 and 2.3): our own, and what is known of others,
 * kept beyond one session. */
#ifndef SNMP_ENGINE_H
#define SNMP_ENGINE_H

#include "snmp/usm.h"

/* Of our own engine, as long as nobody starts it again with higher boots. */
struct engine_clock {
    uint32_t boots;          /* 1..USM_BOOTS_MAX */
    int64_t started_mono_ms; /* when they were counted */
};
uint32_t engine_time(const struct engine_clock *c); /* seconds since then */

struct remote_engine {
    struct engine_id id;  /* len 0: not known */
    uint32_t boots, time; /* when heard, and so `latest received` as well */
    int64_t heard_mono_ms;
    bool proven; /* boots and time come from an authentic message */
};
/* What its time is now. */
uint32_t remote_engine_time(const struct remote_engine *r);
/* An authentic message of it says BOOTS and TIME: taken, if later than what was. False: outside the
 * time window, the message is old (RFC 3414 section 3.2, step 7 b). */
bool remote_engine_hear(struct remote_engine *r, uint32_t boots, uint32_t time);
/* The same from a message that cannot be old, since it answers a number that we have just drawn at
 * random: taken, also when lower. That is how an engine that lost its boots, or whose clock was put
 * back, is followed. */
void remote_engine_follow(struct remote_engine *r, uint32_t boots, uint32_t time);

/* By address. When it is full the one that was put longest ago goes. */
enum { ENGINES_MAX = 1024 };
struct address; /* snmp/resolve.h */
struct engine_cache;
struct engine_cache *engine_cache_new(void); /* NULL when out of memory */
void engine_cache_free(struct engine_cache *c);
/* False: unknown. */
bool engine_cache_get(const struct engine_cache *c, const struct address *a,
                      struct remote_engine *ret);
void engine_cache_put(struct engine_cache *c, const struct address *a,
                      const struct remote_engine *r);
void engine_cache_drop(struct engine_cache *c, const struct address *a);

/* Ku of passwords, so that a megabyte is hashed once for each and not for each session. */
enum { KEYRING_MAX = 64 };
struct keyring;
struct keyring *keyring_new(void); /* NULL when out of memory */
void keyring_free(struct keyring *k);
/* As usm_password_key(), of a PASSWORD of at most USM_PASSWORD_MAX octets. */
int keyring_key(struct keyring *k, struct usm_key *ret, enum usm_auth a, const char *password);

#endif
