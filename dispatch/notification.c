#include "dispatch/notification.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"

/* ---- size (X.690) ---- */

enum {
    SEQUENCE_HEADER = 4, /* tag, 0x82 and two octets of length, as net-snmp writes them */
    INTEGER_MAX = 2 + 5, /* Unsigned32 with its top bit set takes five octets */
    UPTIME_MAX = SEQUENCE_HEADER + 2 + 8 + INTEGER_MAX,
    TRAP_NAME_MAX = SEQUENCE_HEADER + 2 + 10,
};

static size_t tlv(size_t len)
{
    return len + (len < 128 ? 2 : SEQUENCE_HEADER);
}

static size_t subid_size(uint32_t subid)
{
    size_t n = 1;

    while (subid >>= 7)
        n++;
    return n;
}

static size_t objid_size(const struct objid *o)
{
    size_t n = 1; /* the first two in one */

    for (uint32_t i = 2; i < o->n; i++)
        n += subid_size(o->subids[i]);
    return tlv(n);
}

/* Root, BRANCH (0: notifications, 1: objects), then N more. False: too long. */
static bool below_root(struct objid *ret, uint32_t branch, const uint32_t *subids, size_t n)
{
    int err = objid_set(ret, sa_root, sa_root_len);

    if (!err)
        err = objid_append(ret, branch);
    for (size_t i = 0; i < n && !err; i++)
        err = objid_append(ret, subids[i]);
    return !err;
}

/* How syntaxes travel (RFC 3584 forbids Counter64: version 1 has none). */
enum form { FORM_INTEGER, FORM_GAUGE, FORM_COUNTER, FORM_OCTETS, FORM_NONE };
static const enum form forms[] = {
    [SA_INTEGER] = FORM_INTEGER,    [SA_ENUM] = FORM_INTEGER,          [SA_TRUTH] = FORM_INTEGER,
    [SA_ROW_STATUS] = FORM_INTEGER, [SA_STORAGE_TYPE] = FORM_INTEGER,  [SA_UNSIGNED] = FORM_GAUGE,
    [SA_GAUGE] = FORM_GAUGE,        [SA_COUNTER] = FORM_COUNTER,       [SA_MILLIS] = FORM_NONE,
    [SA_GAUGE64] = FORM_NONE,       [SA_DATE] = FORM_OCTETS,           [SA_TEXT] = FORM_OCTETS,
    [SA_NAME] = FORM_OCTETS,        [SA_NAME_OR_EMPTY] = FORM_OCTETS,  [SA_BITS] = FORM_OCTETS,
    [SA_OCTETS] = FORM_OCTETS,      [SA_TEST_AND_INCR] = FORM_INTEGER,
};

static size_t varbind_size(const struct job_varbind *v, size_t len)
{
    struct objid o;
    size_t name = below_root(&o, 1, v->subids, v->nsubids) ? objid_size(&o) : NOTIFICATION_MAX;
    size_t value = forms[v->syntax] == FORM_OCTETS ? tlv(len) : INTEGER_MAX;

    return SEQUENCE_HEADER + name + value;
}

/* All but the varbinds behind snmpTrapOID.0, whose value is TRAP (NULL: too long). */
static size_t frame_size(const struct objid *trap, size_t security_len)
{
    size_t n = 3 * SEQUENCE_HEADER; /* message, PDU, list of varbinds */

    n += 4 * INTEGER_MAX + tlv(security_len); /* version, request, error status and index */
    return n + UPTIME_MAX + TRAP_NAME_MAX + (trap ? objid_size(trap) : NOTIFICATION_MAX);
}

size_t notification_size(const struct job_event *v, const size_t *lens, size_t security_len)
{
    struct objid trap;
    uint32_t number = v->notification;
    size_t n = frame_size(below_root(&trap, 0, &number, 1) ? &trap : NULL, security_len);

    for (size_t i = 0; i < v->nvarbinds; i++)
        n += varbind_size(&v->varbinds[i], lens ? lens[i] : v->varbinds[i].len);
    return n;
}

/* ---- cutting ---- */

/* The longest text; nvarbinds when none has anything left. Names are not cut: they are keys. */
static size_t longest_text(const struct job_event *v, const size_t *lens)
{
    size_t best = v->nvarbinds, most = 0;

    for (size_t i = 0; i < v->nvarbinds; i++)
        if (v->varbinds[i].syntax == SA_TEXT && lens[i] > most) {
            best = i;
            most = lens[i];
        }
    return best;
}

static int cut_to_fit(const struct job_event *v, size_t *lens, size_t security_len)
{
    for (size_t i = 0; i < v->nvarbinds; i++)
        lens[i] = v->varbinds[i].len;
    for (;;) {
        size_t size = notification_size(v, lens, security_len), i, excess;

        if (size <= NOTIFICATION_MAX)
            return 0;
        i = longest_text(v, lens);
        if (i == v->nvarbinds)
            return ERR_RANGE;
        excess = size - NOTIFICATION_MAX;
        lens[i] = utf8_cut(v->varbinds[i].bytes, lens[i], lens[i] > excess ? lens[i] - excess : 0);
    }
}

/* ---- building ---- */

static int64_t clamp(int64_t v, int64_t min, int64_t max)
{
    return v < min ? min : v > max ? max : v;
}

/* Member by member: an snmp_value is large, for the sake of OIDs. */
static bool set_value(struct snmp_value *ret, const struct job_varbind *v, size_t len)
{
    switch (forms[v->syntax]) {
    case FORM_INTEGER:
        ret->type = SNMP_TYPE_INTEGER;
        ret->integer = clamp(v->number, INT32_MIN, INT32_MAX);
        return true;
    case FORM_GAUGE:
        ret->type = SNMP_TYPE_GAUGE32;
        ret->unsigned_ = (uint64_t)clamp(v->number, 0, UINT32_MAX);
        return true;
    case FORM_COUNTER:
        ret->type = SNMP_TYPE_COUNTER32;
        ret->unsigned_ = (uint32_t)v->number;
        return true;
    case FORM_OCTETS:
        ret->type = SNMP_TYPE_OCTETS;
        ret->octets = (struct slice){v->bytes, len};
        return true;
    default:
        return false;
    }
}

static int add_varbinds(struct pdu *p, const struct job_event *v, const size_t *lens, struct err *e)
{
    for (size_t i = 0; i < v->nvarbinds; i++) {
        const struct job_varbind *vb = &v->varbinds[i];
        struct snmp_value value;
        struct objid name;

        if (!below_root(&name, 1, vb->subids, vb->nsubids))
            return err_set(e, ERR_RANGE, "varbind %zu: an OID of more than %d parts", i + 1,
                           OBJID_MAX);
        if (!set_value(&value, vb, lens[i]))
            return err_set(e, ERR_UNSUPPORTED, "varbind %zu: Counter64 in a notification", i + 1);
        pdu_add(p, name.subids, name.n, &value);
    }
    return 0;
}

/* sysUpTime of this host, in hundredths of a second; wraps after 497 days as TimeTicks do. */
static uint32_t uptime(void)
{
    return (uint32_t)(clock_mono_ms() / 10);
}

static int check_form(const struct notification_form *f, struct err *e)
{
    if (f->version == SNMP_V1 && f->command == PDU_INFORM)
        return err_set(e, ERR_UNSUPPORTED, "SNMP version 1 has no informs");
    return 0;
}

static int does_not_fit(struct err *e)
{
    return err_set(e, ERR_RANGE, "the notification does not fit %d octets", NOTIFICATION_MAX);
}

static int build(struct pdu **ret, const struct job_event *v, const struct notification_form *f,
                 uint32_t uptime_cs, struct err *e)
{
    size_t lens[JOB_VARBINDS_MAX];
    uint32_t number = v->notification;
    struct objid trap;
    struct pdu *p;
    int err;

    if (number == 0)
        return err_set(e, ERR_UNSUPPORTED, "this kind of notice has no SNMP notification");
    if (check_form(f, e))
        return e->code;
    if (!below_root(&trap, 0, &number, 1) || cut_to_fit(v, lens, f->security_len))
        return does_not_fit(e);
    p = pdu_new_notification(f->version, f->command, uptime_cs, &trap);
    if (!p)
        return err_set(e, ERR_NOMEM, "out of memory");
    err = add_varbinds(p, v, lens, e);
    if (err) {
        pdu_free(p);
        return err;
    }
    *ret = p;
    return 0;
}

int notification_new(struct pdu **ret, const struct job_event *v, const struct notification_form *f,
                     struct err *e)
{
    return build(ret, v, f, uptime(), e);
}

/* ---- two texts ---- */

static struct slice cut_by(struct slice text, size_t excess)
{
    text.len = utf8_cut(text.data, text.len, text.len > excess ? text.len - excess : 0);
    return text;
}

static size_t texts_size(const struct notification_texts *t, size_t security_len)
{
    return frame_size(&t->trap, security_len) + 2 * SEQUENCE_HEADER + objid_size(&t->subject_name) +
           objid_size(&t->body_name) + tlv(t->subject.len) + tlv(t->body.len);
}

/* Twice for each: a text that becomes shorter has a shorter length, too. */
static int cut_texts(struct notification_texts *t, size_t security_len)
{
    struct slice *const order[] = {&t->body, &t->body, &t->subject, &t->subject};

    for (size_t i = 0; i < sizeof order / sizeof *order; i++) {
        size_t size = texts_size(t, security_len);

        if (size <= NOTIFICATION_MAX)
            return 0;
        *order[i] = cut_by(*order[i], size - NOTIFICATION_MAX);
    }
    return texts_size(t, security_len) <= NOTIFICATION_MAX ? 0 : ERR_RANGE;
}

static void add_text(struct pdu *p, const struct objid *name, struct slice text)
{
    struct snmp_value v = {.type = SNMP_TYPE_OCTETS, .octets = text};

    pdu_add(p, name->subids, name->n, &v);
}

int notification_new_texts(struct pdu **ret, const struct notification_texts *t,
                           const struct notification_form *f, struct err *e)
{
    struct notification_texts cut = *t;
    struct pdu *p;

    if (check_form(f, e))
        return e->code;
    if (cut_texts(&cut, f->security_len))
        return does_not_fit(e);
    p = pdu_new_notification(f->version, f->command, uptime(), &cut.trap);
    if (!p)
        return err_set(e, ERR_NOMEM, "out of memory");
    add_text(p, &cut.subject_name, cut.subject);
    add_text(p, &cut.body_name, cut.body);
    *ret = p;
    return 0;
}

int notification_varbinds(struct variable_list **ret, const struct job_event *v, uint32_t uptime_cs,
                          struct err *e)
{
    static const struct notification_form form = {SNMP_V2C, PDU_TRAP, NOTIFICATION_COMMUNITY_MOST};
    struct pdu *p;
    int err = build(&p, v, &form, uptime_cs, e);

    if (err)
        return err;
    err = pdu_take_varbinds(p, ret);
    pdu_free(p);
    return err ? err_set(e, err, "cannot make varbinds: %s", err_name(err)) : 0;
}
