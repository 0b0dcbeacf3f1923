#include "cli/client.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { REPLY_VARBINDS_MAX = 65536 };

struct client {
    struct client_options options;
    struct loop *loop;
    struct resolver *resolver;
    struct session_set *set;
    struct session *session;
    struct loop_timer *timer;
    struct address address;
    char agent[ADDRESS_TEXT_MAX];
    /* of the question that is open */
    int result;
    struct reply *reply;
    struct err *err;
};

static int parse_port(const char *text, uint16_t *ret)
{
    char *end;
    unsigned long port = strtoul(text, &end, 10);

    if (!isdigit((unsigned char)text[0]) || *end || port < 1 || port > 65535)
        return ERR_INVALID;
    *ret = (uint16_t)port;
    return 0;
}

int agent_parse(const char *agent, char *host, uint16_t *ret_port, struct err *e)
{
    const char *colon = strrchr(agent, ':'), *close = strrchr(agent, ']');
    size_t n = strlen(agent);
    bool one = colon && strchr(agent, ':') == colon; /* more: an IPv6 address without a port */
    bool bracketed = agent[0] == '[' && close;

    *ret_port = AGENT_PORT;
    if (bracketed ? colon == close + 1 : one) {
        n = (size_t)(colon - agent);
        if (parse_port(colon + 1, ret_port))
            return err_set(e, ERR_INVALID, "'%s' is no port from 1 to 65535", colon + 1);
    } else if (bracketed && close[1]) {
        return err_set(e, ERR_INVALID, "'%s' is no agent: HOST[:PORT]", agent);
    }
    if (bracketed) {
        agent++;
        n = (size_t)(close - agent);
    }
    if (n == 0 || n > RESOLVE_NAME_MAX)
        return err_set(e, ERR_INVALID, "the agent's name has 1 to %d octets", RESOLVE_NAME_MAX);
    memcpy(host, agent, n);
    host[n] = '\0';
    return 0;
}

static void on_resolved(void *arg, int result, const struct address *addresses, size_t n,
                        const char *why)
{
    struct client *c = arg;

    c->result = result;
    if (result)
        err_set(c->err, result, "%s", why);
    else
        c->address = *address_choose(addresses, n, 0);
    loop_stop(c->loop, 0);
}

static int look_up(struct client *c, struct err *e)
{
    char host[RESOLVE_NAME_MAX + 1];
    struct lookup *lookup;
    uint16_t port;
    int err = agent_parse(c->options.agent, host, &port, e);

    c->err = e;
    if (!err)
        err = resolve_start(&lookup, c->resolver, host, port, on_resolved, c, e);
    if (!err)
        err = loop_run(c->loop);
    if (!err && c->result)
        err = err_prefix(e, "%s", host);
    return err;
}

static void on_timer(void *arg)
{
    struct client *c = arg;

    loop_stop(c->loop, 0);
}

int client_open(struct client **ret, const struct client_options *o, struct err *e)
{
    struct session_options so = {.version = o->version,
                                 .community = o->community,
                                 .timeout_ms = o->timeout_ms,
                                 .retries = o->retries};
    struct client *c = calloc(1, sizeof(*c));
    int err = ERR_NOMEM;

    if (!c)
        return err_set(e, ERR_NOMEM, "out of memory");
    c->options = *o;
    err_set(e, ERR_NOMEM, "out of memory or descriptors");
    if (!(c->loop = loop_new()) || !(c->resolver = resolver_new(c->loop)) ||
        !(c->set = session_set_new(c->loop)) || !(c->timer = loop_timer_new(c->loop, on_timer, c)))
        goto out;
    err = snmp_start("snmpalert", e);
    if (!err)
        err = look_up(c, e);
    if (err)
        goto out;
    so.address = c->address;
    address_text(&c->address, c->agent);
    err = session_open(&c->session, c->set, &so, e);
    if (!err)
        *ret = c;
out:
    if (err)
        client_close(c);
    return err;
}

void client_close(struct client *c)
{
    if (!c)
        return;
    session_close(c->session);
    session_set_free(c->set);
    resolver_free(c->resolver);
    loop_timer_del(c->timer);
    if (c->loop)
        loop_free(c->loop);
    free(c);
}

enum snmp_version client_version(const struct client *c)
{
    return c->options.version;
}

void reply_release(struct reply *r)
{
    for (size_t i = 0; i < r->n; i++) {
        enum snmp_type t = r->items[i].value.type;

        if (t == SNMP_TYPE_OCTETS || t == SNMP_TYPE_OPAQUE || t == SNMP_TYPE_IPADDRESS)
            free((void *)(uintptr_t)r->items[i].value.octets.data);
    }
    free(r->items);
    *r = (struct reply){0};
}

/* What is borrowed from the answer becomes ours. */
static int own_octets(struct varbind *v)
{
    enum snmp_type t = v->value.type;
    uint8_t *copy;

    if (t != SNMP_TYPE_OCTETS && t != SNMP_TYPE_OPAQUE && t != SNMP_TYPE_IPADDRESS)
        return 0;
    copy = malloc(v->value.octets.len + 1);
    if (!copy)
        return ERR_NOMEM;
    if (v->value.octets.len)
        memcpy(copy, v->value.octets.data, v->value.octets.len);
    v->value.octets.data = copy;
    return 0;
}

static int take(struct reply *r, struct answer *a)
{
    size_t cap = 0;
    struct varbind v;

    r->error_status = a->error_status;
    r->error_index = a->error_index;
    while (answer_next(a, &v)) {
        if (r->n >= REPLY_VARBINDS_MAX)
            return ERR_PROTOCOL;
        if (r->n == cap) {
            struct varbind *more = realloc(r->items, (cap = cap ? 2 * cap : 32) * sizeof(*more));

            if (!more)
                return ERR_NOMEM;
            r->items = more;
        }
        if (own_octets(&v))
            return ERR_NOMEM;
        r->items[r->n++] = v;
    }
    return 0;
}

static void on_answer(void *arg, int result, struct answer *a)
{
    struct client *c = arg;

    c->result = result ? result : take(c->reply, a);
    loop_stop(c->loop, 0);
}

static int explain(const struct client *c, struct err *e)
{
    if (c->result == ERR_TIMEOUT)
        return err_set(
            e, ERR_TIMEOUT,
            "no answer from %s within %.3g s (%u %s): is it running, and is the community "
            "right?",
            c->agent, (double)c->options.timeout_ms * (c->options.retries + 1) / 1000,
            c->options.retries + 1, c->options.retries ? "attempts" : "attempt");
    return err_set(e, c->result, "%s: %s", c->agent, err_name(c->result));
}

int client_ask(struct client *c, struct pdu *p, struct reply *ret, struct err *e)
{
    int err;

    *ret = (struct reply){0};
    c->reply = ret;
    c->result = 0;
    err = session_send(c->session, p, on_answer, c, e);
    if (err)
        return err;
    err = loop_run(c->loop);
    if (!err && c->result)
        err = explain(c, e);
    if (err)
        reply_release(ret);
    return err;
}

void client_wait(struct client *c, int64_t delay_ms)
{
    loop_timer_set(c->timer, delay_ms);
    loop_run(c->loop);
}
