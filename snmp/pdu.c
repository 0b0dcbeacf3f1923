#include "snmp/internal.h"

#include <stdlib.h>
#include <string.h>

static const struct {
    const char *text;
    enum snmp_version version;
} versions[] = {{"1", SNMP_V1}, {"v1", SNMP_V1}, {"2c", SNMP_V2C}, {"v2c", SNMP_V2C}};

int snmp_version_parse(enum snmp_version *ret, const char *text)
{
    for (size_t i = 0; i < sizeof versions / sizeof *versions; i++)
        if (!strcmp(versions[i].text, text)) {
            *ret = versions[i].version;
            return 0;
        }
    return ERR_SYNTAX;
}

/* RFC 3416 section 3, in its order. */
static const char *const error_names[] = {
    "noError",
    "tooBig",
    "noSuchName",
    "badValue",
    "readOnly",
    "genErr",
    "noAccess",
    "wrongType",
    "wrongLength",
    "wrongEncoding",
    "wrongValue",
    "noCreation",
    "inconsistentValue",
    "resourceUnavailable",
    "commitFailed",
    "undoFailed",
    "authorizationError",
    "notWritable",
    "inconsistentName",
};

const char *pdu_error_name(int error_status)
{
    if (error_status < 0 || (size_t)error_status >= sizeof error_names / sizeof *error_names)
        return "unknownError";
    return error_names[error_status];
}

/* ---- building
 * ------------------------------------------------------------------------------------*/

static const int raw_commands[] = {
    [PDU_GET] = SNMP_MSG_GET, [PDU_GETNEXT] = SNMP_MSG_GETNEXT, [PDU_GETBULK] = SNMP_MSG_GETBULK,
    [PDU_SET] = SNMP_MSG_SET, [PDU_TRAP] = SNMP_MSG_TRAP2,      [PDU_INFORM] = SNMP_MSG_INFORM,
};

static const long raw_versions[] = {
    [SNMP_V1] = SNMP_VERSION_1, [SNMP_V2C] = SNMP_VERSION_2c, [SNMP_V3] = SNMP_VERSION_3};

static bool known_in_v1(enum pdu_command c)
{
    return c != PDU_GETBULK && c != PDU_INFORM;
}

struct pdu *pdu_new(enum snmp_version version, enum pdu_command command)
{
    struct pdu *p = calloc(1, sizeof *p);
    if (!p)
        return NULL;
    p->version = version;
    p->command = command;
    if (version == SNMP_V1 && !known_in_v1(command))
        p->err = ERR_INVALID;
    int raw = raw_commands[command];
    if (version == SNMP_V1 && command == PDU_TRAP)
        raw = SNMP_MSG_TRAP;
    p->raw = snmp_pdu_create(raw);
    if (!p->raw) {
        free(p);
        return NULL;
    }
    p->raw->version = raw_versions[version];
    return p;
}

struct pdu *pdu_new_bulk(unsigned non_repeaters, unsigned max_repetitions)
{
    struct pdu *p = pdu_new(SNMP_V2C, PDU_GETBULK);
    if (!p)
        return NULL;
    p->raw->non_repeaters = (long)non_repeaters;
    p->raw->max_repetitions = (long)max_repetitions;
    return p;
}

void pdu_free(struct pdu *p)
{
    if (!p)
        return;
    if (p->raw)
        snmp_free_pdu(p->raw);
    free(p);
}

/* One value in the form that net-snmp copies from. */
struct raw_value {
    u_char type;
    const void *data;
    size_t len;
    union {
        long integer;
        struct counter64 wide;
        float real;
        double long_real;
        oid subids[OBJID_MAX];
    } store;
};

static void raw_integer(struct raw_value *r, u_char type, int64_t v)
{
    r->type = type;
    r->store.integer = (long)v;
    r->data = &r->store.integer;
    r->len = sizeof r->store.integer;
}

static void raw_wide(struct raw_value *r, u_char type, uint64_t v)
{
    r->type = type;
    r->store.wide.high = (u_long)(v >> 32);
    r->store.wide.low = (u_long)(v & 0xffffffff);
    r->data = &r->store.wide;
    r->len = sizeof r->store.wide;
}

static void raw_octets(struct raw_value *r, u_char type, struct slice s)
{
    r->type = type;
    r->data = s.data ? s.data : (const uint8_t *)"";
    r->len = s.len;
}

static size_t raw_name(oid *dst, const uint32_t *subids, size_t n)
{
    for (size_t i = 0; i < n; i++)
        dst[i] = subids[i];
    return n;
}

static void raw_objid(struct raw_value *r, const struct objid *o)
{
    r->type = ASN_OBJECT_ID;
    r->len = raw_name(r->store.subids, o->subids, o->n) * sizeof(oid);
    r->data = r->store.subids;
}

static void raw_real(struct raw_value *r, const struct snmp_value *v)
{
    bool wide = v->type == SNMP_TYPE_DOUBLE;
    r->type = wide ? ASN_OPAQUE_DOUBLE : ASN_OPAQUE_FLOAT;
    r->len = wide ? sizeof r->store.long_real : sizeof r->store.real;
    if (wide)
        r->store.long_real = v->real;
    else
        r->store.real = (float)v->real;
    r->data = &r->store;
}

static int to_raw(struct raw_value *r, const struct snmp_value *v)
{
    switch (v->type) {
    case SNMP_TYPE_NULL:
        r->type = ASN_NULL;
        r->data = NULL;
        r->len = 0;
        break;
    case SNMP_TYPE_INTEGER:
        raw_integer(r, ASN_INTEGER, v->integer);
        break;
    case SNMP_TYPE_COUNTER32:
        raw_integer(r, ASN_COUNTER, (int64_t)(v->unsigned_ & UINT32_MAX));
        break;
    case SNMP_TYPE_GAUGE32:
        raw_integer(r, ASN_GAUGE, (int64_t)(v->unsigned_ & UINT32_MAX));
        break;
    case SNMP_TYPE_TIMETICKS:
        raw_integer(r, ASN_TIMETICKS, (int64_t)(v->unsigned_ & UINT32_MAX));
        break;
    case SNMP_TYPE_COUNTER64:
        raw_wide(r, ASN_COUNTER64, v->unsigned_);
        break;
    case SNMP_TYPE_UNSIGNED64:
        raw_wide(r, ASN_OPAQUE_U64, v->unsigned_);
        break;
    case SNMP_TYPE_INTEGER64:
        raw_wide(r, ASN_OPAQUE_I64, (uint64_t)v->integer);
        break;
    case SNMP_TYPE_OCTETS:
        raw_octets(r, ASN_OCTET_STR, v->octets);
        break;
    case SNMP_TYPE_IPADDRESS:
        raw_octets(r, ASN_IPADDRESS, v->octets);
        break;
    case SNMP_TYPE_OPAQUE:
        raw_octets(r, ASN_OPAQUE, v->octets);
        break;
    case SNMP_TYPE_OBJID:
        raw_objid(r, &v->objid);
        break;
    case SNMP_TYPE_FLOAT:
    case SNMP_TYPE_DOUBLE:
        raw_real(r, v);
        break;
    default:
        return ERR_INVALID; /* exceptions are in answers only */
    }
    return 0;
}

/* What may not stand in a message, whoever asks for it. */
static int check_varbind(const struct pdu *p, size_t n, const struct snmp_value *v)
{
    if (n < 2 || n > OBJID_MAX)
        return ERR_INVALID;
    if (p->n >= PDU_VARBINDS_MAX)
        return ERR_RANGE;
    if (v->type == SNMP_TYPE_COUNTER64 && p->version == SNMP_V1)
        return ERR_UNSUPPORTED; /* RFC 3584 section 3.2 */
    if (v->type == SNMP_TYPE_IPADDRESS && v->octets.len != 4)
        return ERR_INVALID;
    if ((v->type == SNMP_TYPE_OCTETS || v->type == SNMP_TYPE_OPAQUE) &&
        v->octets.len > SNMP_OCTETS_MAX)
        return ERR_RANGE;
    if (v->type == SNMP_TYPE_OBJID && (v->objid.n < 2 || v->objid.n > OBJID_MAX))
        return ERR_INVALID;
    return 0;
}

void pdu_add(struct pdu *p, const uint32_t *subids, size_t n, const struct snmp_value *v)
{
    static const struct snmp_value null_value = {.type = SNMP_TYPE_NULL};
    oid name[OBJID_MAX];
    struct raw_value r; /* large: to_raw() sets what is used */
    if (!p || p->err)
        return;
    if (!v)
        v = &null_value;
    p->err = check_varbind(p, n, v);
    if (!p->err)
        p->err = to_raw(&r, v);
    if (p->err)
        return;
    raw_name(name, subids, n);
    if (!snmp_pdu_add_variable(p->raw, name, n, r.type, r.data, r.len))
        p->err = ERR_NOMEM;
    else
        p->n++;
}

void pdu_add_null(struct pdu *p, const struct objid *name)
{
    pdu_add(p, name->subids, name->n, NULL);
}

/* ---- notifications
 * -------------------------------------------------------------------------------*/

static const struct objid sys_uptime = {9, {1, 3, 6, 1, 2, 1, 1, 3, 0}};
static const struct objid snmp_trap_oid = {11, {1, 3, 6, 1, 6, 3, 1, 1, 4, 1, 0}};
static const struct objid snmp_traps = {9, {1, 3, 6, 1, 6, 3, 1, 1, 5}};

/* RFC 3584 section 3.2, items (1) to (5). */
static void trap_v1(struct pdu *p, uint32_t uptime_cs, const struct objid *trap)
{
    oid enterprise[OBJID_MAX] = {0};
    uint32_t last = trap->subids[trap->n - 1];
    uint32_t n = trap->n - 1;
    bool generic = n == snmp_traps.n && objid_below(&snmp_traps, trap) && last >= 1 && last <= 6;
    if (!generic && n > 2 && trap->subids[n - 1] == 0)
        n--;
    raw_name(enterprise, trap->subids, n);
    p->raw->enterprise = snmp_duplicate_objid(enterprise, n);
    if (!p->raw->enterprise) {
        p->err = ERR_NOMEM;
        return;
    }
    p->raw->enterprise_length = n;
    p->raw->trap_type = generic ? (long)last - 1 : SNMP_TRAP_ENTERPRISESPECIFIC;
    p->raw->specific_type = generic ? 0 : (long)last;
    p->raw->time = uptime_cs;
}

static void trap_v2(struct pdu *p, uint32_t uptime_cs, const struct objid *trap)
{
    struct snmp_value v = {.type = SNMP_TYPE_TIMETICKS, .unsigned_ = uptime_cs};
    pdu_add(p, sys_uptime.subids, sys_uptime.n, &v);
    v = (struct snmp_value){.type = SNMP_TYPE_OBJID, .objid = *trap};
    pdu_add(p, snmp_trap_oid.subids, snmp_trap_oid.n, &v);
}

struct pdu *pdu_new_notification(enum snmp_version version, enum pdu_command command,
                                 uint32_t uptime_cs, const struct objid *trap)
{
    struct pdu *p = pdu_new(version, command);
    if (!p)
        return NULL;
    if (trap->n < 3 || trap->n > OBJID_MAX)
        p->err = ERR_INVALID;
    else if (version == SNMP_V1)
        trap_v1(p, uptime_cs, trap);
    else
        trap_v2(p, uptime_cs, trap);
    return p;
}

int pdu_take_varbinds(struct pdu *p, struct variable_list **ret)
{
    if (!p || p->err || !p->raw)
        return p && p->err ? p->err : ERR_NOMEM;
    *ret = p->raw->variables;
    p->raw->variables = NULL;
    return 0;
}

/* ---- reading
 * -------------------------------------------------------------------------------------*/

static uint64_t wide_of(const netsnmp_variable_list *v)
{
    return (uint64_t)(v->val.counter64->high & 0xffffffff) << 32 |
           (uint64_t)(v->val.counter64->low & 0xffffffff);
}

static void get_name(struct objid *ret, const oid *name, size_t n)
{
    ret->n = (uint32_t)(n < OBJID_MAX ? n : OBJID_MAX);
    for (uint32_t i = 0; i < ret->n; i++)
        ret->subids[i] = (uint32_t)name[i];
}

static void get_integer(struct snmp_value *ret, const netsnmp_variable_list *v)
{
    ret->integer = (int32_t)*v->val.integer;
}

static void get_unsigned(struct snmp_value *ret, const netsnmp_variable_list *v)
{
    ret->unsigned_ = (uint64_t)*v->val.integer & UINT32_MAX;
}

static void get_wide(struct snmp_value *ret, const netsnmp_variable_list *v)
{
    ret->unsigned_ = wide_of(v);
}

static void get_wide_signed(struct snmp_value *ret, const netsnmp_variable_list *v)
{
    ret->integer = (int64_t)wide_of(v);
}

static void get_octets(struct snmp_value *ret, const netsnmp_variable_list *v)
{
    ret->octets = (struct slice){v->val.string, v->val_len};
}

static void get_objid(struct snmp_value *ret, const netsnmp_variable_list *v)
{
    get_name(&ret->objid, v->val.objid, v->val_len / sizeof(oid));
}

static void get_float(struct snmp_value *ret, const netsnmp_variable_list *v)
{
    ret->real = (double)*v->val.floatVal;
}

static void get_double(struct snmp_value *ret, const netsnmp_variable_list *v)
{
    ret->real = *v->val.doubleVal;
}

static const struct raw_type {
    u_char raw;
    enum snmp_type type;
    void (*read)(struct snmp_value *ret, const netsnmp_variable_list *v);
} raw_types[] = {
    {ASN_INTEGER, SNMP_TYPE_INTEGER, get_integer},
    {ASN_OCTET_STR, SNMP_TYPE_OCTETS, get_octets},
    {ASN_BIT_STR, SNMP_TYPE_OCTETS, get_octets},
    {ASN_OBJECT_ID, SNMP_TYPE_OBJID, get_objid},
    {ASN_IPADDRESS, SNMP_TYPE_IPADDRESS, get_octets},
    {ASN_COUNTER, SNMP_TYPE_COUNTER32, get_unsigned},
    {ASN_GAUGE, SNMP_TYPE_GAUGE32, get_unsigned},
    {ASN_UINTEGER, SNMP_TYPE_GAUGE32, get_unsigned},
    {ASN_TIMETICKS, SNMP_TYPE_TIMETICKS, get_unsigned},
    {ASN_COUNTER64, SNMP_TYPE_COUNTER64, get_wide},
    {ASN_OPAQUE_COUNTER64, SNMP_TYPE_COUNTER64, get_wide},
    {ASN_OPAQUE_U64, SNMP_TYPE_UNSIGNED64, get_wide},
    {ASN_OPAQUE_I64, SNMP_TYPE_INTEGER64, get_wide_signed},
    {ASN_OPAQUE, SNMP_TYPE_OPAQUE, get_octets},
    {ASN_OPAQUE_FLOAT, SNMP_TYPE_FLOAT, get_float},
    {ASN_OPAQUE_DOUBLE, SNMP_TYPE_DOUBLE, get_double},
    {SNMP_NOSUCHOBJECT, SNMP_TYPE_NO_SUCH_OBJECT, NULL},
    {SNMP_NOSUCHINSTANCE, SNMP_TYPE_NO_SUCH_INSTANCE, NULL},
    {SNMP_ENDOFMIBVIEW, SNMP_TYPE_END_OF_MIB_VIEW, NULL},
};

static void get_value(struct snmp_value *ret, const netsnmp_variable_list *v)
{
    *ret = (struct snmp_value){.type = SNMP_TYPE_NULL};
    for (size_t i = 0; i < sizeof raw_types / sizeof *raw_types; i++) {
        const struct raw_type *t = &raw_types[i];
        if (t->raw != v->type)
            continue;
        if (t->read && !v->val.string)
            return; /* net-snmp had nothing to give */
        ret->type = t->type;
        if (t->read)
            t->read(ret, v);
        return;
    }
}

bool answer_next(struct answer *a, struct varbind *ret)
{
    const netsnmp_variable_list *v = a->next;
    if (!v)
        return false;
    get_name(&ret->name, v->name, v->name_length);
    get_value(&ret->value, v);
    a->next = v->next_variable;
    return true;
}
