#include "dispatch/snmp_kind.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <arpa/inet.h>

#include "base/secret.h"

/* ---- properties ---- */

static const char *const versions[] = {"1", "2c", "3", NULL};
static const enum snmp_version snmp_versions[] = {SNMP_V1, SNMP_V2C, SNMP_V3}; /* of each */
static const char *const levels[] = {"noAuthNoPriv", "authNoPriv", "authPriv", NULL};
enum { NO_AUTH_NO_PRIV, AUTH_NO_PRIV, AUTH_PRIV };
static const char *const auth_protocols[] = {"MD5",     "SHA",     "SHA-224", "SHA-256",
                                             "SHA-384", "SHA-512", NULL};
static const enum usm_auth auths[] = {USM_MD5,     USM_SHA,     USM_SHA_224,
                                      USM_SHA_256, USM_SHA_384, USM_SHA_512};
static const char *const priv_protocols[] = {"DES", "AES", "AES-192", "AES-256", NULL};
static const enum usm_priv privs[] = {USM_DES, USM_AES, USM_AES_192, USM_AES_256};
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
     .help = "Version of SNMP. 1 sends traps as RFC 3584 maps them, and has no informs; 3 is what "
             "its user and the next properties say."},
    {.name = "community",
     .type = PROPERTY_SECRET,
     .target_may_override = true,
     .min = 1,
     .max = COMMUNITY_MAX,
     .def = "public",
     .help = "Community; the handler's own goes to the handler's own host only, if it has one."},
    {.name = "user",
     .type = PROPERTY_TEXT,
     .target_may_override = true,
     .transport = true,
     .min = 1,
     .max = USM_USER_MAX,
     .help =
         "Name of the user (RFC 3414) of version 3, whom the receiver must know; for traps as a "
         "user of our own engine, whose id is in the log, for informs as one of its own."},
    {.name = "securityLevel",
     .type = PROPERTY_ENUM,
     .target_may_override = true,
     .transport = true,
     .def = "authPriv",
     .names = levels,
     .help = "Whether version 3 proves who sends, and hides what is sent."},
    {.name = "authProtocol",
     .type = PROPERTY_ENUM,
     .target_may_override = true,
     .transport = true,
     .def = "SHA-256",
     .names = auth_protocols,
     .help = "Protocol that proves it: MD5 or SHA of RFC 3414, or one of RFC 7860."},
    {.name = "authPassword",
     .type = PROPERTY_SECRET,
     .target_may_override = true,
     .min = USM_PASSWORD_MIN,
     .max = USM_PASSWORD_MAX,
     .help =
         "Password for it. The handler's own passwords go to the handler's own host only, if it "
         "has one, and for its own user, protocols and level."},
    {.name = "authPasswordFile",
     .type = PROPERTY_FILE,
     .help = "File whose first line is that password; other users must not be able to read it."},
    {.name = "privProtocol",
     .type = PROPERTY_ENUM,
     .target_may_override = true,
     .transport = true,
     .def = "AES",
     .names = priv_protocols,
     .help =
         "Protocol that hides it: DES, AES with 128 bits (RFC 3826), or AES with 192 or 256 and "
         "keys extended as net-snmp does."},
    {.name = "privPassword",
     .type = PROPERTY_SECRET,
     .target_may_override = true,
     .min = USM_PASSWORD_MIN,
     .max = USM_PASSWORD_MAX,
     .help = "Password for that."},
    {.name = "privPasswordFile",
     .type = PROPERTY_FILE,
     .help = "File whose first line is that password; other users must not be able to read it."},
    {.name = "context",
     .type = PROPERTY_TEXT,
     .target_may_override = true,
     .max = USM_CONTEXT_MAX,
     .help = "Name of the context that version 3's notifications come from."},
    {.name = "engineId",
     .type = PROPERTY_TEXT,
     .min = 2 * ENGINE_ID_MIN,
     .max = 2 * ENGINE_ID_MAX + 2,
     .help = "Engine id, in hexadecimal, that version 3's traps come from, instead of the daemon's "
             "own; no other engine may have it."},
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
    {.name = "trapOid",
     .type = PROPERTY_OID,
     .target_may_override = true,
     .help =
         "Notification to send instead of SNMPALERT-MIB's, with two texts and nothing else; one "
         "for each message, so a digest is one."},
    {.name = "subjectOid",
     .type = PROPERTY_OID,
     .target_may_override = true,
     .help = "Object for the first of these texts, the subject; with trapOid."},
    {.name = "bodyOid",
     .type = PROPERTY_OID,
     .target_may_override = true,
     .help = "Object for the second, which is cut to what a datagram holds; with trapOid."},
    {.name = "subject",
     .type = PROPERTY_TEMPLATE,
     .place = TEMPLATE_LINE,
     .target_may_override = true,
     .help = "What subjectOid gets; without it level, alert and message."},
    {.name = "text",
     .type = PROPERTY_TEMPLATE,
     .place = TEMPLATE_TEXT,
     .target_may_override = true,
     .help = "What bodyOid gets; without it all that is known of each event."},
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

/* What a user of version 3 lacks; NULL: nothing. */
static const char *user_obstacle(int64_t level, bool has_auth, bool has_priv)
{
    if (level >= AUTH_NO_PRIV && !has_auth)
        return "securityLevel authNoPriv or authPriv needs an authPassword or authPasswordFile";
    if (level == AUTH_PRIV && !has_priv)
        return "securityLevel authPriv needs a privPassword or privPasswordFile";
    return NULL;
}

static int check_user(const struct values *v, struct err *e)
{
    const char *why;

    if (!*text(v, "user")) /* then targets bring theirs */
        return 0;
    why = user_obstacle(values_number(v, properties, NPROPERTIES, "securityLevel"),
                        *text(v, "authPassword") || *text(v, "authPasswordFile"),
                        *text(v, "privPassword") || *text(v, "privPasswordFile"));
    return why ? err_set(e, ERR_INVALID, "%s", why) : 0;
}

/* All of them or none; -1: neither. */
static int count_oids(const char *const oids[3])
{
    int n = (*oids[0] != '\0') + (*oids[1] != '\0') + (*oids[2] != '\0');

    return n == 0 || n == 3 ? n : -1;
}

static int oids_wrong(struct err *e)
{
    return err_set(e, ERR_INVALID, "trapOid, subjectOid and bodyOid need each other");
}

static int check(const struct values *v, struct err *e)
{
    const char *const oids[] = {text(v, "trapOid"), text(v, "subjectOid"), text(v, "bodyOid")};
    const char *address = text(v, "agentAddress"), *id = text(v, "engineId");
    struct engine_id engine;
    struct in_addr in;

    if (count_oids(oids) < 0)
        return oids_wrong(e);
    if (*address && inet_pton(AF_INET, address, &in) != 1)
        return err_set(e, ERR_INVALID, "agentAddress: expected an IPv4 address");
    if (*id && engine_id_parse(&engine, id))
        return err_set(e, ERR_INVALID, "engineId: expected %d to %d octets in hexadecimal",
                       ENGINE_ID_MIN, ENGINE_ID_MAX);
    if (strcmp(text(v, "version"), "3") == 0)
        return check_user(v, e);
    if (strcmp(text(v, "version"), "1") == 0 && strcmp(text(v, "confirm"), "inform") == 0)
        return err_set(e, ERR_INVALID,
                       "version=\"1\" has no informs: use 2c or 3, or confirm=\"trap\"");
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

struct engine_id snmp_engine_id(const struct service *s)
{
    struct engine_id id = service_engine(s)->id;

    engine_id_parse(&id, handler_text(s, "engineId")); /* else it stays */
    return id;
}

int snmp_texts(struct notification_texts *ret, bool *ret_wanted, const struct service *s,
               const struct job *j, struct err *e)
{
    const char *const oids[] = {service_text(s, j, "trapOid"), service_text(s, j, "subjectOid"),
                                service_text(s, j, "bodyOid")};
    struct objid *const names[] = {&ret->trap, &ret->subject_name, &ret->body_name};
    int n = count_oids(oids);

    if (n < 0)
        return oids_wrong(e);
    for (int i = 0; i < n; i++)
        if (objid_parse(names[i], oids[i], e))
            return e->code;
    *ret_wanted = n > 0;
    return 0;
}

static bool overridden(const struct job *j, const char *name)
{
    for (size_t i = 0; i < j->overrides.n; i++)
        if (strcmp(j->overrides.items[i].property->name, name) == 0)
            return true;
    return false;
}

/* The handler's secrets are between it and its host. Targets that go elsewhere bring their own,
 * unless the handler names no host at all. */
static bool is_foreign(const struct service *s, const struct endpoint *to)
{
    return *handler_text(s, "host") && !is_own_host(s, to);
}

/* The community that everybody knows is no secret. */
static int set_community(struct endpoint *to, const struct service *s, const struct job *j,
                         struct err *e)
{
    const char *common = property_find(properties, NPROPERTIES, "community")->def;
    const char *community = handler_text(s, "community");

    if (overridden(j, "community"))
        community = service_text(s, j, "community");
    else if (strcmp(community, common) != 0 && is_foreign(s, to))
        return err_set(e, ERR_DENIED,
                       "the target sends to another host than the handler: it needs a community "
                       "of its own");
    snprintf(to->community, sizeof to->community, "%s", community);
    return 0;
}

/* Is there one, in DST or in the handler's FILE? */
static bool set_password(char dst[USM_PASSWORD_MAX + 1], const struct service *s,
                         const struct job *j, const char *name, const char *file, bool foreign)
{
    bool own = !foreign || overridden(j, name);

    snprintf(dst, USM_PASSWORD_MAX + 1, "%s", own ? service_text(s, j, name) : "");
    return *dst || (!foreign && *service_text(s, j, file));
}

static int set_user(struct endpoint *to, const struct service *s, const struct job *j,
                    struct err *e)
{
    int64_t level = service_number(s, j, "securityLevel");
    bool foreign = is_foreign(s, to), has_auth = true, has_priv = true;
    const char *why;

    snprintf(to->user, sizeof to->user, "%s", service_text(s, j, "user"));
    snprintf(to->context, sizeof to->context, "%s", service_text(s, j, "context"));
    if (!*to->user)
        return err_set(e, ERR_INVALID, "neither the handler nor the target names a user");
    if (level >= AUTH_NO_PRIV) {
        to->auth = auths[service_number(s, j, "authProtocol")];
        has_auth =
            set_password(to->auth_password, s, j, "authPassword", "authPasswordFile", foreign);
    }
    if (level == AUTH_PRIV) {
        to->priv = privs[service_number(s, j, "privProtocol")];
        has_priv =
            set_password(to->priv_password, s, j, "privPassword", "privPasswordFile", foreign);
    }
    why = user_obstacle(level, has_auth, has_priv);
    if (why && (foreign || values_touch_transport(&j->overrides)))
        return err_set(e, ERR_DENIED,
                       "the target names another host, user or protection than the handler: it "
                       "needs passwords of its own");
    return why ? err_set(e, ERR_INVALID, "%s", why) : 0;
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
    return snmp_version_of(s) == SNMP_V3 ? set_user(ret, s, j, e) : set_community(ret, s, j, e);
}

/* ---- sessions ---- */

static int password(char ret[USM_PASSWORD_MAX + 1], const struct service *s, const char *file,
                    struct err *e)
{
    return secret_read(ret, USM_PASSWORD_MAX + 1, handler_text(s, file), e);
}

static int open_with_user(struct session **ret, struct session_set *set, const struct service *s,
                          const struct endpoint *to, struct session_options *o, struct err *e)
{
    char auth[USM_PASSWORD_MAX + 1] = "", priv[USM_PASSWORD_MAX + 1] = "";
    struct session_user user = {
        .name = to->user,
        .auth = to->auth,
        .priv = to->priv,
        .auth_password = *to->auth_password ? to->auth_password : auth,
        .priv_password = *to->priv_password ? to->priv_password : priv,
        .context = to->context,
        .engine = snmp_engine_id(s),
        .clock = &service_engine(s)->clock,
    };
    int err = 0;

    if (!user.clock->boots)
        return err_set(e, ERR_AGAIN, "the core has not said yet which SNMP engine this is");
    if (to->auth && !*to->auth_password)
        err = password(auth, s, "authPasswordFile", e);
    if (!err && to->priv && !*to->priv_password)
        err = password(priv, s, "privPasswordFile", e);
    o->user = &user;
    if (!err)
        err = session_open(ret, set, o, e);
    explicit_bzero(auth, sizeof auth);
    explicit_bzero(priv, sizeof priv);
    return err;
}

int snmp_session(struct session **ret, struct session_set *set, const struct service *s,
                 const struct endpoint *to, const struct address *address, struct err *e)
{
    const struct values *v = &service_handler(s)->values;
    struct session_options o = {
        .version = snmp_version_of(s),
        .community = to->community,
        .address = *address,
        .agent_address = snmp_agent_address(s),
        .timeout_ms = (uint32_t)values_number(v, properties, NPROPERTIES, "timeout"),
        .retries = (unsigned)values_number(v, properties, NPROPERTIES, "retries"),
    };

    if (o.version == SNMP_V3)
        return open_with_user(ret, set, s, to, &o, e);
    return session_open(ret, set, &o, e);
}
