/* Sessions of version 3. Invariants: an exchange is either `stalled`, waiting for the discovery
 * that runs then, or has a time when it is sent again or given up. Each message of an exchange has
 * a number of its own, `first_id` and those behind it, drawn at random: who answers one has seen
 * it, so no answer is a replay. A late answer to an earlier message of the exchange counts; a
 * report does only if it answers the last, for what it complains of may be repaired since. */
#include "snmp/internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "snmp/usm.h"

enum {
    REPAIRS_MAX = 3,     /* reports of one exchange that are followed by another attempt */
    MESSAGES_MAX = 256,  /* of one exchange: attempts (at most 101) and repairs */
    READS_PER_TURN = 64, /* datagrams of one session before the others have their turn */
    DATAGRAM_MAX = 65536,
};

/* What an exchange is for: an answer to its PDU, or to learn whether the other side knows our user.
 * That is proven first by a time that no engine has, which it complains of in an authentic report
 * before it looks at anything else (RFC 3414 section 3.2, step 7), then by a request with the right
 * one, which it must be able to decrypt. */
enum purpose { ANSWER, PROVE_USER, PROVE_REST };

struct v3_state {
    netsnmp_pdu *pdu;
    enum purpose purpose;
    int32_t first_id;
    unsigned messages; /* sent with first_id and those behind */
    unsigned left;     /* attempts */
    unsigned repairs;
    bool stalled;
    int64_t due_mono_ms;
    const char *hint; /* a report that was not believed */
};

struct v3 {
    char user[USM_USER_MAX + 1], context[USM_CONTEXT_MAX + 1];
    enum usm_auth auth;
    enum usm_priv priv;
    struct usm_key auth_ku, priv_ku;
    struct engine_id self;
    const struct engine_clock *clock;
    struct usm_keys own_keys; /* at our engine */
    struct address address;
    struct remote_engine remote;
    struct usm_keys remote_keys; /* if that is known */
    uint64_t salt;
    uint32_t timeout_ms;
    unsigned attempts; /* of each exchange and of the discovery */
    struct {
        bool runs;
        int32_t first_id;
        unsigned messages;
        int64_t due_mono_ms;
    } discovery;
};

static uint64_t random_number(void)
{
    uint64_t n = 0;

    /* Without it (a kernel that is starting) the clock must do. */
    if (getrandom(&n, sizeof n, GRND_NONBLOCK) != sizeof n)
        n = (uint64_t)clock_mono_ms() * 0x9e3779b97f4a7c15;
    return n;
}

static int32_t random_id(void)
{
    return (int32_t)(random_number() % (INT32_MAX - MESSAGES_MAX));
}

/* ---- opening and closing ---- */

static int open_socket(struct session *s, const struct address *a, struct err *e)
{
    s->fd = socket(a->storage.ss_family, SOCK_DGRAM, 0);
    if (s->fd < 0 || connect(s->fd, (const struct sockaddr *)&a->storage, a->len))
        return err_set(e, ERR_NETWORK, "SNMP socket: %s", strerror(errno));
    return session_socket_flags(s->fd, e);
}

static int set_ku(struct session_set *set, struct usm_key *ret, enum usm_auth auth,
                  const char *password, const char *what, struct err *e)
{
    size_t n = password ? strlen(password) : 0;
    int err;

    if (n < USM_PASSWORD_MIN || n > USM_PASSWORD_MAX)
        return err_set(e, ERR_INVALID, "%s has %d to %d octets", what, USM_PASSWORD_MIN,
                       USM_PASSWORD_MAX);
    err = keyring_key(set->keyring, ret, auth, password);
    return err ? err_set(e, err, "%s: no key can be made of it", what) : 0;
}

static int set_user(struct v3 *v, struct session_set *set, const struct session_user *u,
                    struct err *e)
{
    int err = 0;

    if (!*u->name || strlen(u->name) > USM_USER_MAX || strlen(u->context) > USM_CONTEXT_MAX)
        return err_set(e, ERR_INVALID, "a user has 1 to %d octets, a context at most %d",
                       USM_USER_MAX, USM_CONTEXT_MAX);
    strcpy(v->user, u->name);
    strcpy(v->context, u->context);
    v->auth = u->auth;
    v->priv = u->priv;
    v->self = u->engine;
    v->clock = u->clock;
    if (u->auth)
        err = set_ku(set, &v->auth_ku, u->auth, u->auth_password, "an authentication password", e);
    if (!err && u->priv)
        err = set_ku(set, &v->priv_ku, u->auth, u->priv_password, "a privacy password", e);
    if (!err)
        err = usm_localize(&v->own_keys, v->auth, &v->auth_ku, v->priv, &v->priv_ku, &v->self);
    return err;
}

static int set_remote(struct v3 *v, const struct remote_engine *r)
{
    v->remote = *r;
    return usm_localize(&v->remote_keys, v->auth, &v->auth_ku, v->priv, &v->priv_ku, &r->id);
}

static int make_shared(struct session_set *set)
{
    if (!set->engines)
        set->engines = engine_cache_new();
    if (!set->keyring)
        set->keyring = keyring_new();
    return set->engines && set->keyring ? 0 : ERR_NOMEM;
}

int v3_open(struct session *s, const struct session_options *o, struct err *e)
{
    struct remote_engine known;
    struct v3 *v = calloc(1, sizeof *v);
    int err;

    if (!v || make_shared(s->set)) {
        free(v);
        return err_set(e, ERR_NOMEM, "out of memory");
    }
    s->v3 = v;
    v->address = o->address;
    v->timeout_ms = o->timeout_ms;
    v->attempts = o->retries + 1;
    v->salt = random_number();
    err = set_user(v, s->set, o->user, e);
    if (!err && engine_cache_get(s->set->engines, &v->address, &known))
        err = set_remote(v, &known);
    return err ? err : open_socket(s, &v->address, e);
}

void v3_close(struct session *s)
{
    if (!s->v3)
        return;
    if (s->fd >= 0)
        close(s->fd);
    explicit_bzero(s->v3, sizeof *s->v3);
    free(s->v3);
}

void v3_state_free(struct v3_state *v)
{
    if (!v)
        return;
    if (v->pdu)
        snmp_free_pdu(v->pdu);
    free(v);
}

/* ---- to the network ---- */

/* One ICMP error is told once, and says nothing about this datagram. */
static int send_datagram(struct session *s, struct slice d, struct err *e)
{
    ssize_t n = send(s->fd, d.data, d.len, MSG_NOSIGNAL);

    if (n < 0 && errno == ECONNREFUSED)
        n = send(s->fd, d.data, d.len, MSG_NOSIGNAL);
    if (n >= 0 || errno == ECONNREFUSED)
        return 0;
    if (errno == EMSGSIZE)
        return err_set(e, ERR_RANGE, "the message does not fit a datagram");
    return err_set(e, ERR_NETWORK, "sending: %s", strerror(errno));
}

static struct slice slice_of(const char *s)
{
    return (struct slice){(const uint8_t *)s, strlen(s)};
}

/* PDU in a message whose engine and user M has. KEYS NULL: neither authentic nor private. */
static int send_pdu(struct session *s, netsnmp_pdu *pdu, struct usm_message *m,
                    const struct usm_keys *keys, struct err *e)
{
    static uint8_t pdu_octets[DATAGRAM_MAX], message[DATAGRAM_MAX];
    size_t room = sizeof pdu_octets;
    u_char *end = snmp_pdu_build(pdu, pdu_octets, &room);
    struct slice octets;
    int err;

    if (!end)
        return err_set(e, ERR_RANGE, "the message does not fit a datagram");
    m->pdu = (struct slice){pdu_octets, (size_t)(end - pdu_octets)};
    err = usm_write(&octets, message, sizeof message, m, keys, s->v3->salt++);
    if (err)
        return err_set(e, err, "the SNMPv3 message cannot be made: %s", err_name(err));
    return send_datagram(s, octets, e);
}

static int send_trap(struct session *s, netsnmp_pdu *pdu, struct err *e)
{
    struct v3 *v = s->v3;
    struct usm_message m = {.id = random_id(),
                            .engine = v->self,
                            .boots = v->clock->boots,
                            .time = engine_time(v->clock),
                            .user = slice_of(v->user),
                            .context_engine = {v->self.octets, v->self.len},
                            .context_name = slice_of(v->context)};

    return send_pdu(s, pdu, &m, &v->own_keys, e);
}

/* The next message of X. What becomes of a datagram is for its timer to find out. */
static int send_request(struct session *s, struct exchange *x, struct err *e)
{
    struct v3 *v = s->v3;
    struct v3_state *xv = x->v3;
    struct usm_message m = {.id = xv->first_id + (int32_t)xv->messages++,
                            .flags = USM_FLAG_REPORTABLE,
                            .engine = v->remote.id,
                            .boots = v->remote.boots,
                            .time = remote_engine_time(&v->remote),
                            .user = slice_of(v->user),
                            .context_engine = {v->self.octets, v->self.len},
                            .context_name = slice_of(v->context)};

    if (xv->purpose == PROVE_USER)
        m.boots = m.time = 0;
    xv->stalled = false;
    xv->due_mono_ms = clock_mono_ms() + v->timeout_ms;
    return send_pdu(s, xv->pdu, &m, &v->remote_keys, e);
}

/* RFC 3414 section 4: a request without engine, user and varbinds. The report has the engine. */
static int send_probe(struct session *s, struct err *e)
{
    struct v3 *v = s->v3;
    netsnmp_pdu *pdu = snmp_pdu_create(SNMP_MSG_GET);
    struct usm_message m = {.id = v->discovery.first_id + (int32_t)v->discovery.messages++,
                            .flags = USM_FLAG_REPORTABLE};
    int err;

    v->discovery.due_mono_ms = clock_mono_ms() + v->timeout_ms;
    if (!pdu)
        return err_set(e, ERR_NOMEM, "out of memory");
    err = send_pdu(s, pdu, &m, NULL, e);
    snmp_free_pdu(pdu);
    return err;
}

/* ---- exchanges end ---- */

static void finish(struct exchange *x, int result, const netsnmp_pdu *pdu, const char *report)
{
    struct session *s = x->session;
    session_answered *cb = x->cb;
    void *arg = x->arg;
    bool proof = x->v3->purpose != ANSWER && !result && !pdu;

    exchange_free(x);
    if (!proof)
        session_answer(s, cb, arg, result, pdu, report);
    else if (!s->dead)
        cb(arg, 0, NULL);
}

static struct exchange *find_stalled(const struct session *s)
{
    struct exchange *x = s->waiting;

    while (x && !x->v3->stalled)
        x = x->next;
    return x;
}

static void discovery_fails(struct session *s, int result)
{
    struct exchange *x;

    s->v3->discovery.runs = false;
    while (!s->dead && (x = find_stalled(s)))
        finish(x, result, NULL, NULL);
}

static int discovery_start(struct session *s, struct err *e)
{
    struct v3 *v = s->v3;
    int err;

    if (v->discovery.runs)
        return 0;
    v->discovery.runs = true;
    v->discovery.first_id = random_id();
    v->discovery.messages = 0;
    err = send_probe(s, e);
    v->discovery.runs = !err;
    return err;
}

static void stall(struct exchange *x)
{
    x->v3->stalled = true;
    x->v3->due_mono_ms = INT64_MAX;
}

/* ---- sending ---- */

/* Takes *PDU over. NULL when out of memory. */
static struct exchange *request_new(struct session *s, netsnmp_pdu **pdu, session_answered *cb,
                                    void *arg)
{
    struct exchange *x = exchange_new(s, cb, arg);
    struct v3_state *xv = x ? calloc(1, sizeof *xv) : NULL;

    if (!xv) {
        if (x)
            exchange_free(x);
        return NULL;
    }
    xv->pdu = *pdu;
    *pdu = NULL;
    xv->first_id = random_id();
    xv->left = s->v3->attempts;
    x->v3 = xv;
    return x;
}

static int start(struct session *s, struct exchange *x, struct err *e)
{
    if (s->v3->remote.id.len) {
        x->v3->left--;
        return send_request(s, x, e);
    }
    stall(x);
    return discovery_start(s, e);
}

int v3_send(struct session *s, struct pdu *p, session_answered *cb, void *arg, struct err *e)
{
    struct exchange *x;
    int err;

    if (!cb)
        return send_trap(s, p->raw, e);
    x = request_new(s, &p->raw, cb, arg);
    if (!x)
        return err_set(e, ERR_NOMEM, "out of memory");
    err = start(s, x, e);
    if (err)
        exchange_free(x);
    return err;
}

int v3_prove(struct session *s, session_answered *cb, void *arg, struct err *e)
{
    struct v3 *v = s->v3;
    netsnmp_pdu *pdu = snmp_pdu_create(SNMP_MSG_GET);
    struct exchange *x = pdu ? request_new(s, &pdu, cb, arg) : NULL;
    int err;

    if (!x) {
        if (pdu)
            snmp_free_pdu(pdu);
        return err_set(e, ERR_NOMEM, "out of memory");
    }
    x->v3->purpose = v->auth ? PROVE_USER : PROVE_REST;
    v->remote.id.len = 0; /* what is remembered proves nothing */
    err = start(s, x, e);
    if (err)
        exchange_free(x);
    return err;
}

void v3_engine(const struct session *s, struct engine_id *ret)
{
    *ret = s->v3->remote.id;
}

/* ---- timers ---- */

int64_t v3_due(const struct session *s)
{
    int64_t due = s->v3->discovery.runs ? s->v3->discovery.due_mono_ms : INT64_MAX;

    for (const struct exchange *x = s->waiting; x; x = x->next)
        if (x->v3->due_mono_ms < due)
            due = x->v3->due_mono_ms;
    return due;
}

/* What cannot be sent now has its next attempt. */
static void run_timer(struct session *s, struct exchange *x)
{
    struct err e;

    if (x->v3->left == 0) {
        /* A receiver of notifications need not answer a request. */
        finish(x, x->v3->purpose == PROVE_REST ? 0 : ERR_TIMEOUT, NULL, x->v3->hint);
        return;
    }
    x->v3->left--;
    if (send_request(s, x, &e) == ERR_RANGE)
        finish(x, ERR_NETWORK, NULL, NULL);
}

static struct exchange *find_due(const struct session *s, int64_t now)
{
    struct exchange *x = s->waiting;

    while (x && x->v3->due_mono_ms > now)
        x = x->next;
    return x;
}

void v3_run_timers(struct session *s)
{
    struct v3 *v = s->v3;
    int64_t now = clock_mono_ms();
    struct exchange *x;
    struct err e;

    if (v->discovery.runs && v->discovery.due_mono_ms <= now) {
        if (v->discovery.messages >= v->attempts)
            discovery_fails(s, ERR_TIMEOUT);
        else
            send_probe(s, &e);
    }
    while (!s->dead && (x = find_due(s, now)))
        run_timer(s, x);
}

/* ---- reports ---- */

enum remedy { GIVE_UP, ASK_TIME, ASK_ENGINE, KNOWN_ALL_THE_SAME };

static const struct report {
    uint32_t subids[11]; /* of the counter, without its instance 0 */
    size_t n;
    const char *name;
    enum remedy remedy;
} reports[] = {
#define USM_STATS(n) {1, 3, 6, 1, 6, 3, 15, 1, 1, (n)}, 10
#define MPD_STATS(n) {1, 3, 6, 1, 6, 3, 11, 2, 1, (n)}, 10
#define TARGET(n)    {1, 3, 6, 1, 6, 3, 12, 1, (n)}, 9
    /* RFC 3414 section 5 */
    {USM_STATS(1), "unsupportedSecLevels (not at this security level)", GIVE_UP},
    {USM_STATS(2), "notInTimeWindows (its clock does not agree)", ASK_TIME},
    {USM_STATS(3), "unknownUserNames (no such user there)", GIVE_UP},
    {USM_STATS(4), "unknownEngineIDs (not the engine that it said)", ASK_ENGINE},
    {USM_STATS(5), "wrongDigests (another authentication password or protocol there)", GIVE_UP},
    {USM_STATS(6), "decryptionErrors (another privacy password or protocol there)", GIVE_UP},
    /* RFC 3412 section 5 */
    {MPD_STATS(1), "unknownSecurityModels", GIVE_UP},
    {MPD_STATS(2), "invalidMsgs", GIVE_UP},
    {MPD_STATS(3), "unknownPDUHandlers", KNOWN_ALL_THE_SAME},
    /* RFC 3413 section 4.1.2 */
    {TARGET(4), "unavailableContexts", GIVE_UP},
    {TARGET(5), "unknownContexts", GIVE_UP},
#undef USM_STATS
#undef MPD_STATS
#undef TARGET
};
static const struct report unknown_report = {.name = "a report that nobody knows",
                                             .remedy = GIVE_UP};

static bool is_report(const struct report *r, const netsnmp_variable_list *v)
{
    if (v->name_length != r->n + 1)
        return false;
    for (size_t i = 0; i < r->n; i++)
        if (v->name[i] != r->subids[i])
            return false;
    return true;
}

static const struct report *find_report(const netsnmp_pdu *pdu)
{
    for (size_t i = 0; pdu->variables && i < sizeof reports / sizeof *reports; i++)
        if (is_report(&reports[i], pdu->variables))
            return &reports[i];
    return &unknown_report;
}

static void repair(struct session *s, struct exchange *x, const struct report *r,
                   const struct usm_message *m)
{
    struct v3 *v = s->v3;
    struct err e;
    int err;

    if (x->v3->repairs++ == REPAIRS_MAX) {
        finish(x, ERR_TEMPORARY, NULL, r->name);
        return;
    }
    if (r->remedy == ASK_TIME) {
        remote_engine_follow(&v->remote, m->boots, m->time);
        engine_cache_put(s->set->engines, &v->address, &v->remote);
        err = send_request(s, x, &e);
    } else {
        v->remote.id.len = 0;
        engine_cache_drop(s->set->engines, &v->address);
        stall(x);
        err = discovery_start(s, &e);
    }
    if (err)
        finish(x, ERR_NETWORK, NULL, NULL);
}

/* One more message, which is not answered or shows what else is wrong. */
static void prove_rest(struct session *s, struct exchange *x, const struct usm_message *m)
{
    struct err e;

    remote_engine_follow(&s->v3->remote, m->boots, m->time);
    engine_cache_put(s->set->engines, &s->v3->address, &s->v3->remote);
    x->v3->purpose = PROVE_REST;
    x->v3->left = 0;
    if (send_request(s, x, &e))
        finish(x, ERR_NETWORK, NULL, NULL);
}

/* Those about time are authentic, if anything is (RFC 3414 section 3.2, step 7); the others cannot
 * be, for want of a common key. */
static void on_report(struct session *s, struct exchange *x, const netsnmp_pdu *pdu,
                      const struct usm_message *m)
{
    const struct report *r = find_report(pdu);

    if (m->id != x->v3->first_id + (int32_t)x->v3->messages - 1)
        return;
    if (r->remedy == ASK_TIME && !(m->flags & USM_FLAG_AUTH))
        x->v3->hint = r->name;
    else if (r->remedy == ASK_TIME && x->v3->purpose == PROVE_USER)
        prove_rest(s, x, m);
    else if (r->remedy == KNOWN_ALL_THE_SAME && x->v3->purpose == PROVE_REST)
        finish(x, 0, NULL, NULL);
    else if (r->remedy == GIVE_UP || r->remedy == KNOWN_ALL_THE_SAME)
        finish(x, ERR_PERMANENT, NULL, r->name);
    else
        repair(s, x, r, m);
}

/* ---- responses ---- */

static uint8_t level_of(const struct v3 *v)
{
    return (uint8_t)((v->auth ? USM_FLAG_AUTH : 0) | (v->priv ? USM_FLAG_PRIV : 0));
}

/* RFC 3412 section 7.2, step 12: what was said when it was asked. */
static bool is_answer_to(const struct v3 *v, const struct exchange *x, const netsnmp_pdu *pdu,
                         const struct usm_message *m)
{
    return pdu->reqid == x->v3->pdu->reqid &&
           (m->flags & (USM_FLAG_AUTH | USM_FLAG_PRIV)) == level_of(v) &&
           engine_id_equal(&m->engine, &v->remote.id) && slice_equal(m->user, slice_of(v->user)) &&
           slice_equal(m->context_engine, (struct slice){v->self.octets, v->self.len}) &&
           slice_equal(m->context_name, slice_of(v->context));
}

static void on_response(struct session *s, struct exchange *x, const netsnmp_pdu *pdu,
                        const struct usm_message *m)
{
    struct v3 *v = s->v3;

    if (!is_answer_to(v, x, pdu, m))
        return;
    if (v->auth && !remote_engine_hear(&v->remote, m->boots, m->time))
        return;
    engine_cache_put(s->set->engines, &v->address, &v->remote);
    finish(x, 0, pdu, NULL);
}

/* ---- discovery's answer ---- */

static struct exchange *send_stalled(struct session *s)
{
    struct exchange *x = find_stalled(s);
    struct err e;

    if (!x)
        return NULL;
    x->v3->left -= x->v3->left > 0;
    if (send_request(s, x, &e))
        finish(x, ERR_NETWORK, NULL, NULL);
    return x;
}

/* Boots and time are taken at their word here: if they are wrong, the answer to the first message
 * is an authentic report with the right ones. Nobody else is our own engine: with that in a request
 * we would sign what passes for a trap of ours. */
static void on_discovered(struct session *s, const struct usm_message *m)
{
    struct remote_engine r = {
        .id = m->engine, .boots = m->boots, .time = m->time, .heard_mono_ms = clock_mono_ms()};

    if (m->engine.len == 0 || engine_id_equal(&m->engine, &s->v3->self))
        return;
    if (set_remote(s->v3, &r)) {
        discovery_fails(s, ERR_NOMEM);
        return;
    }
    s->v3->discovery.runs = false;
    engine_cache_put(s->set->engines, &s->v3->address, &r);
    while (!s->dead && send_stalled(s))
        ;
}

/* ---- from the network ---- */

static bool is_one_of(int32_t id, int32_t first, unsigned n)
{
    return id >= first && (uint32_t)(id - first) < n;
}

static struct exchange *find_exchange(const struct session *s, int32_t id)
{
    struct exchange *x = s->waiting;

    while (x && !is_one_of(id, x->v3->first_id, x->v3->messages))
        x = x->next;
    return x;
}

static netsnmp_pdu *parse_pdu(struct slice octets)
{
    netsnmp_pdu *pdu = snmp_pdu_create(0);
    size_t n = octets.len;

    if (!pdu)
        return NULL;
    if (snmp_pdu_parse(pdu, (u_char *)(uintptr_t)octets.data, &n)) {
        snmp_free_pdu(pdu);
        return NULL;
    }
    return pdu;
}

static void on_exchange(struct session *s, struct exchange *x, struct usm_sealed *sealed)
{
    struct usm_message m;
    netsnmp_pdu *pdu;

    /* What a signed message says of the engine must be what its keys are for. */
    if ((sealed->message.flags & USM_FLAG_AUTH) &&
        !engine_id_equal(&sealed->message.engine, &s->v3->remote.id))
        return;
    if (usm_unseal(&m, sealed, &s->v3->remote_keys))
        return;
    pdu = parse_pdu(m.pdu);
    if (!pdu)
        return;
    if (pdu->command == SNMP_MSG_REPORT)
        on_report(s, x, pdu, &m);
    else if (pdu->command == SNMP_MSG_RESPONSE)
        on_response(s, x, pdu, &m);
    snmp_free_pdu(pdu);
}

static void on_probe(struct session *s, struct usm_sealed *sealed)
{
    netsnmp_pdu *pdu;
    bool report;

    if (sealed->message.flags & USM_FLAG_AUTH)
        return;
    pdu = parse_pdu(sealed->message.pdu);
    report = pdu && pdu->command == SNMP_MSG_REPORT;
    if (pdu)
        snmp_free_pdu(pdu);
    if (report)
        on_discovered(s, &sealed->message);
}

static void on_datagram(struct session *s, uint8_t *data, size_t n)
{
    const struct v3 *v = s->v3;
    struct usm_sealed sealed;
    struct exchange *x;

    if (usm_parse(&sealed, data, n))
        return;
    if (v->discovery.runs &&
        is_one_of(sealed.message.id, v->discovery.first_id, v->discovery.messages)) {
        on_probe(s, &sealed);
        return;
    }
    x = find_exchange(s, sealed.message.id);
    if (x && !x->v3->stalled)
        on_exchange(s, x, &sealed);
}

void v3_read(struct session *s)
{
    static uint8_t datagram[DATAGRAM_MAX];

    for (int reads = 0; reads < READS_PER_TURN && !s->dead; reads++) {
        ssize_t n = recv(s->fd, datagram, sizeof datagram, MSG_DONTWAIT);

        if (n < 0 && errno != ECONNREFUSED)
            return;
        if (n > 0)
            on_datagram(s, datagram, (size_t)n);
    }
}
