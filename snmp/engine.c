#include "snmp/engine.h"

#include <stdlib.h>
#include <string.h>

#include <netinet/in.h>

#include "base/clock.h"
#include "snmp/resolve.h"

/* ---- time ---- */

static uint32_t capped(int64_t seconds)
{
    return seconds < 0 ? 0 : seconds > INT32_MAX ? INT32_MAX : (uint32_t)seconds;
}

uint32_t engine_time(const struct engine_clock *c)
{
    return capped((clock_mono_ms() - c->started_mono_ms) / 1000);
}

uint32_t remote_engine_time(const struct remote_engine *r)
{
    return capped(r->time + (clock_mono_ms() - r->heard_mono_ms) / 1000);
}

void remote_engine_follow(struct remote_engine *r, uint32_t boots, uint32_t time)
{
    r->boots = boots;
    r->time = time;
    r->heard_mono_ms = clock_mono_ms();
    r->proven = true;
}

bool remote_engine_hear(struct remote_engine *r, uint32_t boots, uint32_t time)
{
    if (!r->proven || boots > r->boots || (boots == r->boots && time > r->time)) {
        remote_engine_follow(r, boots, time);
        return boots != USM_BOOTS_MAX;
    }
    return boots == r->boots && boots != USM_BOOTS_MAX &&
           (int64_t)time >= (int64_t)remote_engine_time(r) - USM_WINDOW_S;
}

/* ---- engines by address ---- */

struct engine_cache {
    struct known_engine {
        struct address address;
        struct remote_engine engine;
        uint64_t put; /* counts; 0: free */
    } items[ENGINES_MAX];
    size_t n;
    uint64_t puts;
};

struct engine_cache *engine_cache_new(void)
{
    return calloc(1, sizeof(struct engine_cache));
}

void engine_cache_free(struct engine_cache *c)
{
    free(c);
}

/* Not by memory: there is more in a sockaddr than an address. */
static bool same_address(const struct address *a, const struct address *b)
{
    const struct sockaddr_in *a4 = (const void *)&a->storage, *b4 = (const void *)&b->storage;
    const struct sockaddr_in6 *a6 = (const void *)&a->storage, *b6 = (const void *)&b->storage;

    if (a->storage.ss_family != b->storage.ss_family)
        return false;
    if (a->storage.ss_family == AF_INET)
        return a4->sin_port == b4->sin_port && a4->sin_addr.s_addr == b4->sin_addr.s_addr;
    return a6->sin6_port == b6->sin6_port && a6->sin6_scope_id == b6->sin6_scope_id &&
           memcmp(&a6->sin6_addr, &b6->sin6_addr, sizeof a6->sin6_addr) == 0;
}

static size_t find(const struct engine_cache *c, const struct address *a)
{
    size_t i = 0;

    while (i < c->n && !same_address(&c->items[i].address, a))
        i++;
    return i;
}

bool engine_cache_get(const struct engine_cache *c, const struct address *a,
                      struct remote_engine *ret)
{
    size_t i = find(c, a);

    if (i < c->n)
        *ret = c->items[i].engine;
    return i < c->n;
}

static size_t oldest(const struct engine_cache *c)
{
    size_t best = 0;

    for (size_t i = 1; i < c->n; i++)
        if (c->items[i].put < c->items[best].put)
            best = i;
    return best;
}

void engine_cache_put(struct engine_cache *c, const struct address *a,
                      const struct remote_engine *r)
{
    size_t i = find(c, a);

    if (i == ENGINES_MAX)
        i = oldest(c);
    else if (i == c->n)
        c->n++;
    c->items[i] = (struct known_engine){*a, *r, ++c->puts};
}

void engine_cache_drop(struct engine_cache *c, const struct address *a)
{
    size_t i = find(c, a);

    if (i < c->n)
        c->items[i] = c->items[--c->n];
}

/* ---- keys of passwords ---- */

struct keyring {
    struct held_key {
        enum usm_auth auth;
        char password[USM_PASSWORD_MAX + 1];
        struct usm_key ku;
    } items[KEYRING_MAX];
    size_t n, next; /* `next` is the oldest when it is full */
};

struct keyring *keyring_new(void)
{
    return calloc(1, sizeof(struct keyring));
}

void keyring_free(struct keyring *k)
{
    if (!k)
        return;
    explicit_bzero(k, sizeof *k);
    free(k);
}

int keyring_key(struct keyring *k, struct usm_key *ret, enum usm_auth a, const char *password)
{
    struct held_key *h;
    int err;

    for (size_t i = 0; i < k->n; i++)
        if (k->items[i].auth == a && strcmp(k->items[i].password, password) == 0) {
            *ret = k->items[i].ku;
            return 0;
        }
    if (strlen(password) > USM_PASSWORD_MAX)
        return ERR_RANGE;
    err = usm_password_key(ret, a, password);
    if (err)
        return err;
    h = &k->items[k->next];
    k->next = (k->next + 1) % KEYRING_MAX;
    k->n += k->n < KEYRING_MAX;
    h->auth = a;
    memset(h->password, 0, sizeof h->password);
    memcpy(h->password, password, strlen(password));
    h->ku = *ret;
    return 0;
}
