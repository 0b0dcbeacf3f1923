#include "dispatch/snmp_kind.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <arpa/inet.h>

/* ---- properties ---- */

static const char *const versions[] = {"1", "2c", NULL};
static const enum snmp_version snmp_versions[] = {SNMP_V1, SNMP_V2C}; /* of each */
static const char *const confirms[] = {"trap", "inform", NULL};

static const struct property properties[] = {
    {.name = "host",
     .type = PROPERTY_TEXT,
     .target_may_override = true,
     .transport = true,
     .min = 1,
     .max = HOST_MAX,
     .help = "Name or address of the receiver, for targets without recipients of their own."},
    {.name = "port",
     .type = PROPERTY_NUMBER,
     .target_may_override = true,
     .transport = true,
     .min = 1,
     .max = 65535,
     .def = "162",
     .help = "Its UDP port, and that of recipients that name none."},
    {.name = "version",
     .type = PROPERTY_ENUM,
     .def = "2c",
     .names = versions,
     .help = "Version of SNMP. 1 sends traps as RFC 3584 maps them, and has no informs."},
    {.name = "community",
     .type = PROPERTY_SECRET,
     .target_may_override = true,
     .min = 1,
     .max = COMMUNITY_MAX,
     .def = "public",
     .help = "Community; the handler's own goes to the handler's own host only, if it has one."},
    {.name = "confirm",
     .type = PROPERTY_ENUM,
     .target_may_override = true,
     .def = "trap",
     .names = confirms,
     .help = "trap: sent and forgotten; inform: sent until the receiver acknowledges it."},
    {.name = "timeout",
     .type = PROPERTY_DURATION,
     .min = 10,
     .max = 60 * 1000,
     .def = "2s",
     .help = "How long an inform waits for its acknowledgement before it is sent again."},
    {.name = "retries",
     .type = PROPERTY_NUMBER,
     .max = 20,
     .def = "2",
     .help = "How often an inform is sent again."},
    {.name = "agentAddress",
     .type = PROPERTY_TEXT,
     .min = 7,
     .max = 15,
     .help = "IPv4 address of this host in version 1's traps; without one that of the interface "
             "towards the receiver."},
};
enum { NPROPERTIES = sizeof properties / sizeof *properties };

static const char *text(const struct values *v, const char *name)
{
    return values_text(v, properties, NPROPERTIES, name);
}

static int check(const struct values *v, struct err *e)
{
    const char *address = text(v, "agentAddress");
    struct in_addr in;

    if (*address && inet_pton(AF_INET, address, &in) != 1)
        return err_set(e, ERR_INVALID, "agentAddress: expected an IPv4 address");
    if (strcmp(text(v, "version"), "1") == 0 && strcmp(text(v, "confirm"), "inform") == 0)
        return err_set(e, ERR_INVALID,
                       "version=\"1\" has no informs: use 2c, or "
                       "confirm=\"trap\"");
    return 0;
}

const struct kind snmp_kind = {
    .class_ = KIND_HANDLER,
    .name = "snmp",
    .properties = properties,
    .nproperties = NPROPERTIES,
    .destination = "host",
    .help = "SNMP notifications. A target's recipients are \"host\" or \"host:port\".",
    .check = check,
};

/* ---- where a job goes ---- */

/* "host", "host:port", "[2001:db8::1]:port", "2001:db8::1". */
static int parse_address(struct endpoint *ret, const char *text, uint16_t default_port)
{
    const char *colon = strrchr(text, ':'), *end = strchr(text, ']'), *port = NULL;
    const char *host = text;
    size_t n = strlen(text);
    char *rest;
    unsigned long v;

    if (text[0] == '[' && end) {
        host = text + 1;
        n = (size_t)(end - host);
        if (end[1] != '\0' && end[1] != ':')
            return ERR_INVALID;
        port = end[1] ? end + 2 : NULL;
    } else if (colon && strchr(text, ':') == colon) {
        n = (size_t)(colon - text);
        port = colon + 1;
    }
    if (n == 0 || n > HOST_MAX)
        return ERR_INVALID;
    memcpy(ret->host, host, n);
    ret->host[n] = '\0';
    ret->port = default_port;
    if (!port)
        return 0;
    if (*port < '1' || *port > '9' || strlen(port) > 5)
        return ERR_INVALID;
    v = strtoul(port, &rest, 10);
    if (*rest || v > 65535)
        return ERR_INVALID;
    ret->port = (uint16_t)v;
    return 0;
}

static const char *handler_text(const struct service *s, const char *name)
{
    return text(&service_handler(s)->values, name);
}

enum snmp_version snmp_version_of(const struct service *s)
{
    return snmp_versions[values_number(&service_handler(s)->values, properties, NPROPERTIES,
                                       "version")];
}

uint32_t snmp_agent_address(const struct service *s)
{
    struct in_addr in = {0};

    inet_pton(AF_INET, handler_text(s, "agentAddress"), &in); /* else it stays 0 */
    return in.s_addr;
}

static bool is_own_host(const struct service *s, const struct endpoint *to)
{
    return strcmp(to->host, handler_text(s, "host")) == 0 &&
           to->port == values_number(&service_handler(s)->values, properties, NPROPERTIES, "port");
}

/* The handler's community is a secret between it and its host. Targets that go elsewhere bring
 * their own, unless it is the one that everybody knows, or the handler names no host at all. */
static int set_community(struct endpoint *to, const struct service *s, const struct job *j)
{
    const char *community = service_text(s, j, "community");
    const char *common = property_find(properties, NPROPERTIES, "community")->def;
    bool overridden = false;

    for (size_t i = 0; i < j->overrides.n; i++)
        overridden |= strcmp(j->overrides.items[i].property->name, "community") == 0;
    if (!overridden) {
        bool known = strcmp(handler_text(s, "community"), common) == 0;

        if (!known && *handler_text(s, "host") && !is_own_host(s, to))
            return ERR_DENIED;
        community = handler_text(s, "community");
    }
    snprintf(to->community, sizeof to->community, "%s", community);
    return 0;
}

int snmp_endpoint(struct endpoint *ret, const struct service *s, const struct job *j,
                  const char *recipient, struct err *e)
{
    uint16_t port = (uint16_t)service_number(s, j, "port");
    int err = 0;

    *ret = (struct endpoint){.port = port};
    if (recipient)
        err = parse_address(ret, recipient, port);
    else
        snprintf(ret->host, sizeof ret->host, "%s", service_text(s, j, "host"));
    if (err)
        return err_set(e, err, "expected host or host:port");
    if (!*ret->host)
        return err_set(e, ERR_INVALID, "neither the handler nor the target names a host");
    if (set_community(ret, s, j))
        return err_set(e, ERR_DENIED,
                       "the target sends to another host than the handler: it needs a community "
                       "of its own");
    return 0;
}
